#ifndef MAYFLY_POLICY_PRIV_H
#define MAYFLY_POLICY_PRIV_H

#include <jansson.h>

#include "core/base/arena.h"
#include "core/policy/policy.h"

struct policy_texts {
	struct str *v;
	size_t n;
};

struct policy_operator;
enum policy_set { SET_NONE, SET_ANY, SET_ALL };

struct policy_condition {
	const struct policy_operator *op;
	enum policy_set set;
	bool if_exists;
	struct str key;
	struct policy_texts values;
};

/* "ForAnyValue:StringLikeIfExists" to its parts; -1: there is no such operator. */
int policy_condition_operator(struct policy_condition *c, struct str name);
/* Are the values such as the operator takes? */
bool policy_condition_good(const struct policy_condition *c);
bool policy_condition_holds(const struct policy_condition *c, const struct policy_question *q);
bool policy_like_folded(struct str pattern, struct str text); /* ASCII letters without case */

#endif
