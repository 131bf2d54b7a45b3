/* Resource-based policies (IAM's policy language, version 2012-10-17): compiled from JSON, asked who may do what.
 *
 * Statement: Sid, Effect, Principal ("*", {"AWS": ...}, {"Service": ...}), NotPrincipal, Action, NotAction, Resource, NotResource, Condition.
 * Operators: String(Not)Equals, String(Not)EqualsIgnoreCase, String(Not)Like, Arn(Not)Equals, Arn(Not)Like, Bool, Null, Numeric*,
 * IpAddress, NotIpAddress, each also with ...IfExists; ForAnyValue: and ForAllValues:. A key that the question does not have fails
 * a plain operator and passes a negated one or ...IfExists. An explicit Deny wins; nothing that fits is a no.
 *
 * Pure. A compiled policy is constant, one owner. */
#ifndef MAYFLY_POLICY_POLICY_H
#define MAYFLY_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct policy;

/* NULL: ERR_INVALID, with what is wrong in AWS's words where it has any. */
struct policy *policy_compile(struct str json, struct error *err);
void policy_free(struct policy *p); /* NULL is fine */

struct policy_context {
	const char *key; /* "aws:SourceArn", "aws:SourceAccount", "aws:PrincipalOrgID", "lambda:FunctionUrlAuthType", ...; compared without case */
	struct str value;
};

struct policy_question {
	struct str service;   /* principal that is a service: "events.amazonaws.com"; p NULL: none */
	struct str principal; /* principal that is an identity's ARN; p NULL: none */
	struct str account;   /* of the principal, 12 digits; p NULL with a service */
	struct str action, resource;
	const struct policy_context *context;
	size_t context_count;
};

enum policy_answer { POLICY_SILENT, POLICY_ALLOW, POLICY_DENY };
/* `p` NULL: silent. */
enum policy_answer policy_ask(const struct policy *p, const struct policy_question *q);

/* IAM's wildcards: * any text, ? one character. */
bool policy_like(struct str pattern, struct str text);

#endif
