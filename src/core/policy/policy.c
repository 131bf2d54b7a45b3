#include "core/policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/policy/policy_priv.h"

#define ARENA_MAX_BYTES (2u << 20)

/* What one kind of member lists: "Action" or "NotAction". */
struct clause {
	bool there, not;
	struct policy_texts texts;
};

struct statement {
	bool deny, everybody;
	struct str sid;
	bool not_principal;
	struct policy_texts identities, services;
	struct clause action, resource;
	struct policy_condition *conditions;
	size_t condition_count;
};

struct policy {
	struct arena arena;
	struct statement *statements;
	size_t count;
};

/* ---- compiling ---- */

static int syntax(struct error *err)
{
	return error_set(err, ERR_INVALID, "Syntax errors in policy.");
}

static int no_memory(struct error *err)
{
	return error_set(err, ERR_NO_MEMORY, "no memory for a policy");
}

/* A string, number or boolean as text. */
static int read_text(struct policy *p, const json_t *v, struct str *out, struct error *err)
{
	char *z;
	if (json_is_string(v))
		z = arena_strdup(&p->arena, json_value_text(v));
	else if (json_is_boolean(v))
		z = arena_strdup(&p->arena, json_is_true(v) ? STR("true") : STR("false"));
	else if (json_is_integer(v))
		z = arena_printf(&p->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		z = arena_printf(&p->arena, "%.17g", json_real_value(v));
	else
		return syntax(err);
	if (!z)
		return no_memory(err);
	*out = (struct str){z, json_is_string(v) ? json_string_length(v) : strlen(z)};
	return 0;
}

/* One value, or a list of at least one; added to what is there. */
static int read_texts(struct policy *p, const json_t *v, struct policy_texts *out, struct error *err)
{
	size_t more = json_is_array(v) ? json_array_size(v) : 1;
	struct str *texts = arena_alloc(&p->arena, (out->n + more) * sizeof *texts);
	if (more == 0)
		return syntax(err);
	if (!texts)
		return no_memory(err);
	if (out->n)
		memcpy(texts, out->v, out->n * sizeof *texts);
	for (size_t i = 0; i < more; i++)
		if (read_text(p, json_is_array(v) ? json_array_get(v, i) : v, &texts[out->n + i], err) < 0)
			return -1;
	out->v = texts;
	out->n += more;
	return 0;
}

static int read_clause(struct policy *p, const json_t *v, bool not, struct clause *c, struct error *err)
{
	if (c->there)
		return syntax(err);
	c->there = true;
	c->not = not;
	return read_texts(p, v, &c->texts, err);
}

static int read_principal(struct policy *p, json_t *v, bool not, struct statement *s, struct error *err)
{
	const char *kind;
	json_t *who;
	if (s->identities.n || s->services.n || s->everybody)
		return syntax(err);
	s->not_principal = not;
	if (json_is_string(v)) {
		s->everybody = str_eqz(json_value_text(v), "*");
		return s->everybody ? 0 : error_set(err, ERR_INVALID, "Invalid principal in policy.");
	}
	if (!json_is_object(v) || json_object_size(v) == 0)
		return syntax(err);
	json_object_foreach(v, kind, who) {
		struct str name = str_from(kind);
		if (!str_eqz(name, "AWS") && !str_eqz(name, "Service") && !str_eqz(name, "Federated") && !str_eqz(name, "CanonicalUser"))
			return error_set(err, ERR_INVALID, "Invalid principal in policy.");
		if (read_texts(p, who, str_eqz(name, "Service") ? &s->services : &s->identities, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < s->identities.n; i++)
		s->everybody = s->everybody || str_eqz(s->identities.v[i], "*");
	return 0;
}

static int read_operator(struct policy *p, const char *name, json_t *keys, struct statement *s, struct error *err)
{
	const char *key;
	json_t *values;
	if (!json_is_object(keys))
		return syntax(err);
	json_object_foreach(keys, key, values) {
		struct policy_condition *c = &s->conditions[s->condition_count++];
		if (policy_condition_operator(c, str_from(name)) < 0)
			return error_set(err, ERR_INVALID, "Invalid Condition type : %.100s.", name);
		char *copy = arena_strdup(&p->arena, str_from(key));
		if (!copy)
			return no_memory(err);
		c->key = str_from(copy);
		if (read_texts(p, values, &c->values, err) < 0)
			return -1;
		if (!policy_condition_good(c))
			return error_set(err, ERR_INVALID, "Invalid value in Condition %.60s of key %.60s.", name, key);
	}
	return 0;
}

static int read_conditions(struct policy *p, json_t *v, struct statement *s, struct error *err)
{
	const char *name;
	json_t *keys;
	size_t max = 0;
	if (!json_is_object(v))
		return syntax(err);
	json_object_foreach(v, name, keys)
		max += json_object_size(keys);
	s->conditions = arena_alloc(&p->arena, (max + 1) * sizeof *s->conditions);
	if (!s->conditions)
		return no_memory(err);
	json_object_foreach(v, name, keys)
		if (read_operator(p, name, keys, s, err) < 0)
			return -1;
	return 0;
}

static int read_effect(struct statement *s, const json_t *v, struct error *err)
{
	struct str effect = json_value_text(v);
	s->deny = str_eqz(effect, "Deny");
	if (s->deny || str_eqz(effect, "Allow"))
		return 0;
	return error_set(err, ERR_INVALID, "Invalid effect: " STR_FMT, (int)(effect.n < 60 ? effect.n : 60), effect.p ? effect.p : "");
}

static int read_member(struct policy *p, struct statement *s, const char *name, json_t *v, struct error *err)
{
	struct str key = str_from(name);
	bool not = str_starts(key, STR("Not"));
	struct str plain = not ? str_sub(key, 3, key.n) : key;
	if (str_eqz(key, "Sid"))
		return json_is_string(v) ? read_text(p, v, &s->sid, err) : syntax(err);
	if (str_eqz(key, "Effect"))
		return read_effect(s, v, err);
	if (str_eqz(key, "Condition"))
		return read_conditions(p, v, s, err);
	if (str_eqz(plain, "Principal"))
		return read_principal(p, v, not, s, err);
	if (str_eqz(plain, "Action"))
		return read_clause(p, v, not, &s->action, err);
	if (str_eqz(plain, "Resource"))
		return read_clause(p, v, not, &s->resource, err);
	return syntax(err);
}

static int read_statement(struct policy *p, json_t *v, struct error *err)
{
	struct statement *s = &p->statements[p->count];
	const char *name;
	json_t *member;
	if (!json_is_object(v))
		return syntax(err);
	json_object_foreach(v, name, member)
		if (read_member(p, s, name, member, err) < 0)
			return -1;
	if (!json_object_get(v, "Effect"))
		return error_set(err, ERR_INVALID, "Missing required field Effect");
	if (!s->everybody && !s->identities.n && !s->services.n)
		return error_set(err, ERR_INVALID, "Missing required field Principal");
	if (!s->action.there)
		return error_set(err, ERR_INVALID, "Missing required field Action");
	for (size_t i = 0; s->sid.n && i < p->count; i++)
		if (str_eq(p->statements[i].sid, s->sid))
			return error_set(err, ERR_INVALID, "Statement IDs (SID) in a single policy must be unique.");
	p->count++;
	return 0;
}

static int read_policy(struct policy *p, json_t *root, struct error *err)
{
	const char *name;
	json_t *v, *statement = json_object_get(root, "Statement");
	json_object_foreach(root, name, v) {
		struct str text = json_value_text(v);
		if (str_eqz(str_from(name), "Version")) {
			if (!str_eqz(text, "2012-10-17") && !str_eqz(text, "2008-10-17"))
				return error_set(err, ERR_INVALID, "The policy must contain a valid version string");
		} else if (strcmp(name, "Id") != 0 && strcmp(name, "Statement") != 0) {
			return syntax(err);
		}
	}
	if (!json_is_object(statement) && !json_is_array(statement))
		return error_set(err, ERR_INVALID, "Missing required field Statement");
	size_t n = json_is_array(statement) ? json_array_size(statement) : 1;
	p->statements = arena_alloc(&p->arena, (n + 1) * sizeof *p->statements);
	if (!p->statements)
		return no_memory(err);
	for (size_t i = 0; i < n; i++)
		if (read_statement(p, json_is_array(statement) ? json_array_get(statement, i) : statement, err) < 0)
			return -1;
	return 0;
}

struct policy *policy_compile(struct str json, struct error *err)
{
	static const struct json_limits limits = {.max_bytes = POLICY_TEXT_MAX, .max_depth = 20};
	struct policy *p = calloc(1, sizeof *p);
	if (!p) {
		no_memory(err);
		return NULL;
	}
	arena_init(&p->arena, ARENA_MAX_BYTES);
	struct error why = {0};
	CLEANUP_JSON json_t *root = json_value_load_object(json, &limits, &why);
	if (root && read_policy(p, root, err) == 0)
		return p;
	if (!root && why.code == ERR_NO_MEMORY)
		no_memory(err);
	else if (!root)
		error_set(err, ERR_INVALID, "Syntax errors in policy: %s", why.msg);
	policy_free(p);
	return NULL;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	arena_release(&p->arena);
	free(p);
}

/* ---- asking ---- */

/* arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is arn:aws:iam::ACCOUNT:role/[PATH/]ROLE. */
static bool is_session_of(struct str session, struct str role)
{
	static const struct str sts = {":sts::", 6}, iam = {":iam::", 6}, assumed = {":assumed-role/", 14}, plain = {":role/", 6};
	size_t partition = str_find(str_sub(session, 4, session.n), ':') + 4;
	if (!str_starts(session, STR("arn:")) || !str_starts(str_sub(session, partition, session.n), sts) ||
	    !str_eq(str_sub(session, 0, partition), str_sub(role, 0, partition)) || !str_starts(str_sub(role, partition, role.n), iam))
		return false;
	struct str s = str_sub(session, partition + 6, session.n), r = str_sub(role, partition + 6, role.n);
	size_t account = str_find(s, ':');
	if (account != str_find(r, ':') || !str_eq(str_sub(s, 0, account), str_sub(r, 0, account)))
		return false;
	s = str_sub(s, account, s.n);
	r = str_sub(r, account, r.n);
	if (!str_starts(s, assumed) || !str_starts(r, plain))
		return false;
	s = str_sub(s, assumed.n, s.n);
	r = str_sub(r, plain.n, r.n);
	while (str_find(r, '/') < r.n) /* the path is not part of a session's ARN */
		r = str_sub(r, str_find(r, '/') + 1, r.n);
	return str_eq(str_sub(s, 0, str_find(s, '/')), r) && r.n > 0;
}

/* "123456789012" or "arn:aws:iam::123456789012:root" */
static bool is_account(struct str who, struct str account)
{
	if (str_eq(who, account))
		return true;
	if (!str_starts(who, STR("arn:")) || !str_ends(who, STR(":root")) || who.n < account.n + 5)
		return false;
	struct str middle = str_sub(who, 0, who.n - 5);
	return str_ends(middle, account) && str_ends(str_sub(middle, 0, middle.n - account.n), STR(":iam::"));
}

static bool principal_listed(const struct statement *s, const struct policy_question *q)
{
	if (s->everybody)
		return true;
	for (size_t i = 0; q->service.p && i < s->services.n; i++)
		if (str_eq(s->services.v[i], q->service))
			return true;
	for (size_t i = 0; i < s->identities.n; i++) {
		struct str who = s->identities.v[i];
		if (q->account.p && q->account.n && is_account(who, q->account))
			return true;
		if (q->principal.p && (str_eq(who, q->principal) || is_session_of(q->principal, who)))
			return true;
	}
	return false;
}

static bool clause_fits(const struct clause *c, struct str text, bool (*fits)(struct str pattern, struct str text))
{
	for (size_t i = 0; i < c->texts.n; i++)
		if (fits(c->texts.v[i], text))
			return !c->not;
	return c->not || !c->there;
}

static bool statement_fits(const struct statement *s, const struct policy_question *q)
{
	if (principal_listed(s, q) == s->not_principal || !clause_fits(&s->action, q->action, policy_like_folded) ||
	    !clause_fits(&s->resource, q->resource, policy_like))
		return false;
	for (size_t i = 0; i < s->condition_count; i++)
		if (!policy_condition_holds(&s->conditions[i], q))
			return false;
	return true;
}

enum policy_answer policy_ask(const struct policy *p, const struct policy_question *q)
{
	enum policy_answer answer = POLICY_SILENT;
	for (size_t i = 0; p && i < p->count; i++) {
		if (!statement_fits(&p->statements[i], q))
			continue;
		if (p->statements[i].deny)
			return POLICY_DENY;
		answer = POLICY_ALLOW;
	}
	return answer;
}
