/* Resource-based policies (IAM's policy language, version 2012-10-17): compiled from JSON, asked who may do what.
 *
 * Statement: Sid, Effect, Principal ("*", {"AWS": ...}, {"Service": ...}), NotPrincipal, Action, NotAction, Resource, NotResource, Condition;
 * Resource may be left out, as services let it.
 * Principals: "*" and {"AWS":"*"} are everybody, services too; an account's number or its root's ARN is every identity of that account; a role's ARN is
 * its sessions (assumed-role) too; others are compared whole. Actions are compared without case, resources with it, both with * and ?.
 *
 * Condition operators: String(Not)Equals, String(Not)EqualsIgnoreCase, String(Not)Like, Arn(Not)Equals, Arn(Not)Like (the same: each of the six parts with
 * wildcards), Bool, Null, Numeric*, IpAddress, NotIpAddress, each but Null also with ...IfExists; ForAnyValue: and ForAllValues:. All conditions of a
 * statement must hold; of a key's values one. A key that the question does not have fails a plain operator and passes a negated one, ...IfExists and
 * ForAllValues:. Several values of a key in the question: a plain operator takes one that fits, a negated one wants that none does.
 * Date* and Binary* operators are refused; policy variables (${...}) are taken as they stand.
 *
 * An explicit Deny wins; nothing that fits is a no. Pure. A compiled policy is constant, one owner. */
#ifndef MAYFLY_POLICY_POLICY_H
#define MAYFLY_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define POLICY_TEXT_MAX 65536u /* bytes; services have smaller limits of their own */

struct policy;

/* NULL: ERR_INVALID, with what is wrong in AWS's words where it has any. */
struct policy *policy_compile(struct str json, struct error *err);
void policy_free(struct policy *p); /* NULL is fine */

struct policy_context {
	const char *key; /* "aws:SourceArn", "aws:SourceAccount", "aws:PrincipalOrgID", "lambda:FunctionUrlAuthType", ...; compared without case */
	struct str value; /* p NULL: as if the row were not there */
};

struct policy_question {
	struct str service;   /* principal that is a service: "events.amazonaws.com"; p NULL: none */
	struct str principal; /* principal that is an identity's ARN; p NULL: none */
	struct str account;   /* of the principal, 12 digits; p NULL with a service */
	struct str action, resource;
	const struct policy_context *context; /* a key may come several times: it has several values */
	size_t context_count;
};

enum policy_answer { POLICY_SILENT, POLICY_ALLOW, POLICY_DENY };
/* `p` NULL: silent. */
enum policy_answer policy_ask(const struct policy *p, const struct policy_question *q);

/* IAM's wildcards: * any text, ? one character. */
bool policy_like(struct str pattern, struct str text);

#endif
