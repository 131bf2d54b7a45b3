/* Runs an operation's rows over a request; all that fails is told in one answer, in the rows' order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/pattern.h"
#include "core/json/value.h"

#define MESSAGE_MAX_BYTES (512u << 10)
#define LIST_DEPTH_MAX 2

struct check {
	struct api_call *call;
	const struct api_rule *rule;
	struct buf text;
	unsigned failed;
	unsigned at[LIST_DEPTH_MAX]; /* which element of each list on the rule's path, from 0 */
	const char *bad_type; /* the JSON has another type there: that ends all checks */
};

static bool bounded(double min, double max)
{
	return min != 0 || max != 0;
}

/* "VpcConfig.SubnetIds" -> "vpcConfig.subnetIds"; "Filters[].Pattern" -> "filters.1.member.pattern" */
static void put_name(struct check *c)
{
	if (c->rule->shown) {
		buf_puts(&c->text, c->rule->shown);
		return;
	}
	bool first = true;
	unsigned depth = 0;
	for (const char *s = c->rule->name; *s; s++) {
		if (*s == '[') {
			buf_printf(&c->text, ".%u.member", c->at[depth++] + 1);
			s++;
			continue;
		}
		buf_putc(&c->text, first && *s >= 'A' && *s <= 'Z' ? (char)(*s + 'a' - 'A') : *s);
		first = *s == '.';
	}
}

/* A value as Java would print it. */
static void put_value(struct buf *out, const json_t *v)
{
	const char *key;
	json_t *one;
	size_t i;
	if (json_is_object(v)) {
		buf_putc(out, '{');
		json_object_foreach((json_t *)v, key, one) {
			buf_printf(out, "%s%s=", out->data[out->len - 1] == '{' ? "" : ", ", key);
			put_value(out, one);
		}
		buf_putc(out, '}');
	} else if (json_is_array(v)) {
		buf_putc(out, '[');
		json_array_foreach(v, i, one) {
			buf_puts(out, i ? ", " : "");
			put_value(out, one);
		}
		buf_putc(out, ']');
	} else if (json_is_string(v)) {
		buf_put(out, json_value_text(v));
	} else if (json_is_integer(v)) {
		buf_printf(out, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		double d = json_real_value(v);
		buf_printf(out, d == (double)(long long)d ? "%.1f" : "%.17g", d);
	} else {
		buf_puts(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	}
}

/* Weights are doubles, also when they are sent as 2. */
static void put_weights(struct buf *out, const json_t *v)
{
	const char *key;
	json_t *one;
	buf_putc(out, '{');
	json_object_foreach((json_t *)v, key, one) {
		json_t *real = json_real(json_number_value(one));
		buf_printf(out, "%s%s=", out->data[out->len - 1] == '{' ? "" : ", ", key);
		put_value(out, real);
		json_decref(real);
	}
	buf_putc(out, '}');
}

static void begin_failure(struct check *c)
{
	buf_puts(&c->text, c->failed++ ? "; Value " : "Value ");
}

static void put_where(struct check *c)
{
	buf_puts(&c->text, " at '");
	put_name(c);
	buf_puts(&c->text, "' failed to satisfy constraint: ");
}

static void fail_null(struct check *c)
{
	begin_failure(c);
	buf_puts(&c->text, "null");
	put_where(c);
	buf_puts(&c->text, "Member must not be null");
}

static void begin_json(struct check *c, const json_t *v)
{
	begin_failure(c);
	buf_putc(&c->text, '\'');
	if (c->rule->type == IS_WEIGHT_MAP)
		put_weights(&c->text, v);
	else
		put_value(&c->text, v);
	buf_putc(&c->text, '\'');
	put_where(c);
}

static void begin_str(struct check *c, struct str v)
{
	begin_failure(c);
	buf_putc(&c->text, '\'');
	buf_put(&c->text, v);
	buf_putc(&c->text, '\'');
	put_where(c);
}

static bool in_values(const char *values, struct str v)
{
	struct str rest = str_from(values), one;
	while (str_split(&rest, ',', &one)) {
		if (str_eq(str_trim(one), v))
			return true;
	}
	return false;
}

static void check_str(struct check *c, struct str v)
{
	const struct api_rule *r = c->rule;
	bool limits = bounded(r->min, r->max);
	if (limits && r->max >= r->min && (double)v.n > r->max) {
		begin_str(c, v);
		buf_printf(&c->text, "Member must have length less than or equal to %.0f", r->max);
	}
	if (limits && (double)v.n < r->min) {
		begin_str(c, v);
		buf_printf(&c->text, "Member must have length greater than or equal to %.0f", r->min);
	}
	if (r->pattern && v.n <= 4096 && !pattern_matches(r->pattern, v)) {
		begin_str(c, v);
		buf_printf(&c->text, "Member must satisfy regular expression pattern: %s", r->pattern);
	}
	if (r->values && !in_values(r->values, v)) {
		begin_str(c, v);
		buf_printf(&c->text, "Member must satisfy enum value set: [%s]", r->values);
	}
}

static void check_number(struct check *c, const json_t *v, double n)
{
	const struct api_rule *r = c->rule;
	if (!bounded(r->min, r->max))
		return;
	if (r->max >= r->min && n > r->max) {
		begin_json(c, v);
		buf_printf(&c->text, "Member must have value less than or equal to %.0f", r->max);
	}
	if (n < r->min) {
		begin_json(c, v);
		buf_printf(&c->text, "Member must have value greater than or equal to %.0f", r->min);
	}
}

static bool item_fits(const struct api_rule *r, struct str v)
{
	return !(bounded(r->item_min, r->item_max) && ((double)v.n < r->item_min || (double)v.n > r->item_max)) &&
	       !(r->item_pattern && !pattern_matches(r->item_pattern, str_sub(v, 0, 2048))) &&
	       !(r->item_values && !in_values(r->item_values, v));
}

/* All constraints of a list's members, whichever was broken. */
static void put_item_constraints(struct check *c, const char *intro, bool not_null)
{
	const struct api_rule *r = c->rule;
	const char *comma = "";
	if (r->item_shown) {
		buf_printf(&c->text, "%s must satisfy enum value set: [%s]", intro, r->item_shown);
		return;
	}
	buf_printf(&c->text, "%s must satisfy constraint: [", intro);
	if (bounded(r->item_min, r->item_max)) {
		buf_printf(&c->text, "Member must have length less than or equal to %.0f, Member must have length greater than or "
		           "equal to %.0f", r->item_max, r->item_min);
		comma = ", ";
	}
	if (r->item_pattern) {
		buf_printf(&c->text, "%sMember must satisfy regular expression pattern: %s", comma, r->item_pattern);
		comma = ", ";
	}
	if (r->item_values)
		buf_printf(&c->text, "%sMember must satisfy enum value set: [%s]", comma, r->item_values);
	buf_puts(&c->text, not_null ? ", Member must not be null]" : "]");
}

static void check_list(struct check *c, const json_t *v)
{
	const struct api_rule *r = c->rule;
	size_t i, n = json_array_size(v);
	json_t *one;
	bool fits = true;
	if (bounded(r->min, r->max) && (double)n > r->max) {
		begin_json(c, v);
		buf_printf(&c->text, "Member must have length less than or equal to %.0f", r->max);
	} else if (bounded(r->min, r->max) && (double)n < r->min) {
		begin_json(c, v);
		buf_printf(&c->text, "Member must have length greater than or equal to %.0f", r->min);
	}
	json_array_foreach(v, i, one) {
		if (!json_is_string(one)) {
			c->bad_type = "a String";
			return;
		}
		fits &= item_fits(r, json_value_text(one));
	}
	if (fits)
		return;
	begin_json(c, v);
	/* Identifiers of networks may be null in the model, other members not. */
	put_item_constraints(c, "Member", !str_starts(str_from(r->name), STR("VpcConfig")));
}

static void check_map(struct check *c, const json_t *v)
{
	const char *key;
	json_t *one;
	bool keys = true;
	json_object_foreach((json_t *)v, key, one) {
		if (!json_is_string(one)) {
			c->bad_type = "a String";
			return;
		}
		keys &= item_fits(c->rule, str_from(key));
	}
	if (!keys) {
		begin_json(c, v);
		put_item_constraints(c, "Map keys", false);
	}
}

static void check_weights(struct check *c, const json_t *v)
{
	const char *key;
	json_t *one;
	bool keys = true, values = true;
	json_object_foreach((json_t *)v, key, one) {
		if (!json_is_number(one)) {
			c->bad_type = "a Double";
			return;
		}
		double weight = json_number_value(one);
		keys &= item_fits(c->rule, str_from(key));
		values &= weight >= 0 && weight <= 1;
	}
	if (!keys) {
		begin_json(c, v);
		put_item_constraints(c, "Map keys", false);
	}
	if (!values) {
		begin_json(c, v);
		buf_puts(&c->text, "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
		         "have value greater than or equal to 0.0, Member must not be null]");
	}
}

static void check_size(struct check *c, const json_t *v)
{
	const struct api_rule *r = c->rule;
	double n = (double)json_array_size(v);
	if (!bounded(r->min, r->max) || (n >= r->min && n <= r->max))
		return;
	begin_json(c, v);
	buf_printf(&c->text, "Member must have length %s than or equal to %.0f", n < r->min ? "greater" : "less", n < r->min ? r->min : r->max);
}

static bool is_whole(const json_t *v)
{
	return json_is_integer(v) || (json_is_real(v) && json_real_value(v) == (double)(long long)json_real_value(v));
}

/* What a value of that type is called when it is none; NULL: it is one. */
static const char *wrong_type(enum rule_type type, const json_t *v)
{
	switch (type) {
	case IS_STRING:
		return json_is_string(v) ? NULL : "a String";
	case IS_INTEGER:
		return is_whole(v) ? NULL : "an Integer";
	case IS_BOOL:
		return json_is_boolean(v) ? NULL : "a Boolean";
	case IS_STRINGS:
	case IS_LIST:
		return json_is_array(v) ? NULL : "a List";
	case IS_STRING_MAP:
	case IS_WEIGHT_MAP:
		return json_is_object(v) ? NULL : "a Map";
	case IS_OBJECT:
		return json_is_object(v) ? NULL : "a Structure";
	case IS_DOUBLE:
		return json_is_number(v) ? NULL : "a Double";
	case IS_TIMESTAMP:
		return json_is_number(v) ? NULL : "a Timestamp";
	}
	UNREACHABLE();
}

static void check_value(struct check *c, const json_t *v)
{
	enum rule_type type = (enum rule_type)c->rule->type;
	c->bad_type = wrong_type(type, v);
	if (c->bad_type)
		return;
	if (type == IS_STRING)
		check_str(c, json_value_text(v));
	else if (type == IS_INTEGER || type == IS_DOUBLE)
		check_number(c, v, json_number_value(v));
	else if (type == IS_STRINGS)
		check_list(c, v);
	else if (type == IS_LIST)
		check_size(c, v);
	else if (type == IS_WEIGHT_MAP)
		check_weights(c, v);
	else if (type == IS_STRING_MAP)
		check_map(c, v);
}

/* Every member that `path` names below `parent`, one in each element of a list on the way. What holds it is not there: nothing is asked. */
static void visit(struct check *c, const json_t *parent, const char *path, unsigned depth)
{
	struct str rest = str_from(path), part;
	char key[64];
	str_split(&rest, '.', &part);
	bool list = str_ends(part, STR("[]"));
	if (str_copy(key, sizeof key, list ? str_sub(part, 0, part.n - 2) : part) < 0)
		return;
	const json_t *v = json_object_get(parent, key);
	v = json_is_null(v) ? NULL : v;
	if (list) {
		ASSERT(depth < LIST_DEPTH_MAX);
		for (size_t i = 0; i < json_array_size(v) && !c->bad_type; i++) {
			c->at[depth] = (unsigned)i;
			if (json_is_object(json_array_get(v, i)))
				visit(c, json_array_get(v, i), rest.p, depth + 1);
			else
				c->bad_type = "a Structure";
		}
	} else if (rest.n) {
		if (json_is_object(v))
			visit(c, v, rest.p, depth);
	} else if (v) {
		check_value(c, v);
	} else if (c->rule->required) {
		fail_null(c);
	}
}

/* A body that is empty has no members either. */
static void check_member(struct check *c)
{
	json_t *none = c->call->json ? NULL : json_object();
	visit(c, c->call->json ? c->call->json : none, c->rule->name, 0);
	json_decref(none);
}

/* Path, query and headers hold texts only. */
static void check_text(struct check *c, struct str v)
{
	if (!v.p) {
		if (c->rule->required)
			fail_null(c);
		return;
	}
	if (c->rule->type == IS_BOOL && !str_eqz(v, "true") && !str_eqz(v, "false")) {
		c->bad_type = "a Boolean";
		return;
	}
	if (c->rule->type != IS_INTEGER) {
		if (c->rule->type == IS_STRING)
			check_str(c, v);
		return;
	}
	bool negative = v.n && *v.p == '-';
	uint64_t n;
	if (str_to_u64(str_sub(v, negative, v.n), INT32_MAX, &n) < 0) {
		c->bad_type = "an Integer";
		return;
	}
	json_t *number = json_integer(negative ? -(json_int_t)n : (json_int_t)n);
	check_number(c, number, (double)json_integer_value(number));
	json_decref(number);
}

/* A list in the query is a member that is there several times. */
static void check_repeated(struct check *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < c->call->query_count; i++) {
		if (str_eqz(c->call->query[i].name, c->rule->name))
			json_array_append_new(list, json_value_new_str(c->call->query[i].value));
	}
	if (json_array_size(list))
		check_list(c, list);
	else if (c->rule->required)
		fail_null(c);
	json_decref(list);
}

static void run(struct check *c)
{
	switch ((enum rule_where)c->rule->where) {
	case IN_BODY:
		check_member(c);
		break;
	case IN_PATH:
		check_text(c, api_param(c->call, c->rule->name));
		break;
	case IN_QUERY:
		if (c->rule->type == IS_STRINGS)
			check_repeated(c);
		else
			check_text(c, api_query(c->call, c->rule->name));
		break;
	case IN_HEADER:
		check_text(c, api_header(c->call, c->rule->name));
		break;
	}
}

bool api_validate(struct api_call *call, const struct api_rules *rules)
{
	struct check c = {.call = call};
	buf_init(&c.text, MESSAGE_MAX_BYTES);
	for (size_t i = 0; i < rules->count && !c.bad_type; i++) {
		c.rule = &rules->rows[i];
		run(&c);
	}
	bool fine = !c.bad_type && !c.failed;
	if (c.bad_type) {
		char text[160];
		snprintf(text, sizeof text, "The value of %s can not be converted to %s", c.rule->name, c.bad_type);
		api_fail_type(call, 400, "SerializationException", "Message", text, NULL);
	} else if (c.failed) {
		api_fail(call, ERR_VALIDATION, "%u validation error%s detected: " STR_FMT, c.failed, c.failed > 1 ? "s" : "",
		         (int)c.text.len, c.text.data);
	}
	buf_release(&c.text);
	return fine;
}
