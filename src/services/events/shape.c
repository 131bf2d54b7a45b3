#include "services/events/shape.h"

#include <ctype.h>
#include <string.h>

#include "core/base/check.h"
#include "core/json/value.h"

#define PATH_MAX_BYTES 256

struct checking {
	struct buf *message; /* the errors, joined */
	unsigned errors;
	bool wrong_type;
};

static bool all_of(struct str text, const char *more)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!isalnum((unsigned char)c) && (c == 0 || !strchr(more, c)))
			return false;
	}
	return text.n > 0;
}

bool shape_is_name(struct str text)
{
	return all_of(text, ".-_");
}

bool shape_is_path_name(struct str text)
{
	return all_of(text, ".-_/");
}

/* ---- texts ---- */

static void begin_error(struct checking *c, const char *value, struct str text, const char *path)
{
	if (c->errors++)
		buf_puts(c->message, "; ");
	if (value)
		buf_printf(c->message, "Value %s at '%s' failed to satisfy constraint: ", value, path);
	else
		buf_printf(c->message, "Value '" STR_FMT "' at '%s' failed to satisfy constraint: ", text.n > 512 ? 512 : (int)text.n, text.p, path);
}

static void wrong_type(struct checking *c, const json_t *v, const char *wanted)
{
	static const char *const names[] = {[JSON_OBJECT] = "Start of structure or map found where not expected.",
	                                    [JSON_ARRAY] = "Start of list found where not expected",
	                                    [JSON_STRING] = "STRING_VALUE", [JSON_INTEGER] = "NUMBER_VALUE", [JSON_REAL] = "NUMBER_VALUE",
	                                    [JSON_TRUE] = "TRUE_VALUE", [JSON_FALSE] = "FALSE_VALUE", [JSON_NULL] = "NULL_VALUE"};
	if (c->wrong_type)
		return;
	c->wrong_type = true;
	buf_clear(c->message);
	buf_puts(c->message, names[json_typeof(v)]);
	if (!json_is_object(v) && !json_is_array(v))
		buf_printf(c->message, " can not be converted to %s", wanted);
}

static void child_path(char dst[PATH_MAX_BYTES], const char *parent, const char *name)
{
	int n = snprintf(dst, PATH_MAX_BYTES, "%s%s%s", parent, *parent ? "." : "", name);
	size_t at = *parent ? strlen(parent) + 1 : 0;
	if (n > 0 && at < PATH_MAX_BYTES)
		dst[at] = (char)tolower((unsigned char)dst[at]);
}

/* ---- kinds ---- */

static bool is_value(const char *values, struct str text)
{
	struct str rest = str_from(values), one;
	while (str_split(&rest, ',', &one)) {
		if (str_eq(str_trim(one), text))
			return true;
	}
	return false;
}

/* Characters, not bytes. */
static int64_t length_of(struct str text)
{
	int64_t n = 0;
	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

static void check_size(struct checking *c, const struct shape *s, int64_t n, struct str shown, const char *path)
{
	if (n < s->min) {
		begin_error(c, NULL, shown, path);
		buf_printf(c->message, "Member must have length greater than or equal to %lld", (long long)s->min);
	}
	if (s->max && n > s->max) {
		begin_error(c, NULL, shown, path);
		buf_printf(c->message, "Member must have length less than or equal to %lld", (long long)s->max);
	}
}

static void check_text(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	struct str text = json_value_text(v);
	if (!json_is_string(v)) {
		wrong_type(c, v, "a String");
		return;
	}
	check_size(c, s, length_of(text), text, path);
	if (s->fits && !s->fits(text)) {
		begin_error(c, NULL, text, path);
		buf_printf(c->message, "Member must satisfy regular expression pattern: %s", s->pattern);
	}
	if (s->values && !is_value(s->values, text)) {
		begin_error(c, NULL, text, path);
		buf_printf(c->message, "Member must satisfy enum value set: [%s]", s->values);
	}
}

static void check_int(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	char shown[32];
	long long n = json_integer_value(v);
	if (!json_is_integer(v)) {
		wrong_type(c, v, "an Integer");
		return;
	}
	snprintf(shown, sizeof shown, "%lld", n);
	if (n < s->min) {
		begin_error(c, NULL, str_from(shown), path);
		buf_printf(c->message, "Member must have value greater than or equal to %lld", (long long)s->min);
	}
	if (s->max && n > s->max) {
		begin_error(c, NULL, str_from(shown), path);
		buf_printf(c->message, "Member must have value less than or equal to %lld", (long long)s->max);
	}
}

static void check_bool(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	if (!json_is_boolean(v))
		wrong_type(c, v, "a Boolean");
}

/* Seconds since 1970, or (from some clients) an ISO text, which the operation reads. */
static void check_time(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	if (!json_is_number(v) && !json_is_string(v))
		wrong_type(c, v, "a Timestamp");
}

static void check_members(struct checking *c, const struct shape *members, const json_t *object, const char *path);

static void check_struct(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	if (!json_is_object(v))
		wrong_type(c, v, "a structure");
	else if (s->members)
		check_members(c, s->members, v, path);
}

static void check_one(struct checking *c, const struct shape *s, const json_t *v, const char *path);

static void check_list(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	char at[PATH_MAX_BYTES];
	size_t i;
	json_t *one;
	if (!json_is_array(v)) {
		wrong_type(c, v, "a list");
		return;
	}
	check_size(c, s, (int64_t)json_array_size(v), json_array_size(v) ? STR("[...]") : STR("[]"), path);
	json_array_foreach((json_t *)v, i, one) {
		if (snprintf(at, sizeof at, "%s.%zu.member", path, i + 1) >= (int)sizeof at || c->errors >= SHAPE_ERRORS_MAX)
			return;
		if (s->members && !json_is_object(one))
			wrong_type(c, one, "a structure");
		else if (s->members)
			check_members(c, s->members, one, at);
		else if (s->element)
			check_one(c, s->element, one, at);
	}
}

static void check_map(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	char at[PATH_MAX_BYTES];
	const char *key;
	json_t *one;
	if (!json_is_object(v)) {
		wrong_type(c, v, "a map");
		return;
	}
	check_size(c, s, (int64_t)json_object_size(v), json_object_size(v) ? STR("{...}") : STR("{}"), path);
	json_object_foreach((json_t *)v, key, one) {
		if (snprintf(at, sizeof at, "%s.%.64s.member", path, key) < (int)sizeof at && s->element && c->errors < SHAPE_ERRORS_MAX)
			check_one(c, s->element, one, at);
	}
}

static void (*const kinds[])(struct checking *c, const struct shape *s, const json_t *v, const char *path) = {
	[SHAPE_TEXT] = check_text, [SHAPE_INT] = check_int, [SHAPE_BOOL] = check_bool, [SHAPE_TIME] = check_time,
	[SHAPE_STRUCT] = check_struct, [SHAPE_LIST] = check_list, [SHAPE_MAP] = check_map,
};

static void check_one(struct checking *c, const struct shape *s, const json_t *v, const char *path)
{
	kinds[s->kind](c, s, v, path);
}

static void check_members(struct checking *c, const struct shape *members, const json_t *object, const char *path)
{
	char at[PATH_MAX_BYTES];
	for (const struct shape *s = members; s->name && c->errors < SHAPE_ERRORS_MAX && !c->wrong_type; s++) {
		const json_t *v = json_object_get(object, s->name);
		child_path(at, path, s->name);
		if (v && !json_is_null(v)) {
			check_one(c, s, v, at);
		} else if (s->required) {
			begin_error(c, "null", STR_NULL, at);
			buf_puts(c->message, "Member must not be null");
		}
	}
}

enum shape_result shape_check(const struct shape *members, const json_t *input, struct buf *message)
{
	struct checking c = {.message = message};
	char head[64];
	buf_clear(message);
	check_members(&c, members, input, "");
	if (c.wrong_type)
		return SHAPE_WRONG_TYPE;
	if (c.errors == 0)
		return SHAPE_FINE;
	int n = snprintf(head, sizeof head, "%u validation error%s detected: ", c.errors, c.errors == 1 ? "" : "s");
	if (buf_reserve(message, (size_t)n)) {
		memmove(message->data + n, message->data, message->len);
		memcpy(message->data, head, (size_t)n);
		message->len += (size_t)n;
	}
	return SHAPE_INVALID;
}
