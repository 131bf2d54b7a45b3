#include "core/json/value.h"

#include <string.h>

#include "core/json/check.h"

/* Deepest nesting of a text that json_check accepted. */
static unsigned depth_of(struct str text)
{
	unsigned depth = 0, most = 0;
	bool string = false;
	for (size_t i = 0; i < text.n; i++) {
		char ch = text.p[i];
		if (string) {
			if (ch == '\\')
				i++;
			else
				string = ch != '"';
		} else if (ch == '"') {
			string = true;
		} else if (ch == '{' || ch == '[') {
			most = ++depth > most ? depth : most;
		} else if (ch == '}' || ch == ']') {
			depth--;
		}
	}
	return most;
}

static int refuse(struct error *err, struct str text)
{
	struct json_check c;
	char what[JSON_CHECK_MESSAGE_SIZE];
	if (json_check_all(&c, text.p, text.n) == 0)
		return 0;
	json_check_message(&c, what, sizeof what);
	what[strcspn(what, "\n")] = '\0';
	return error_set(err, ERR_INVALID, "not JSON at line %llu, column %llu (byte %llu): %s", (unsigned long long)c.line,
	                 (unsigned long long)c.column, (unsigned long long)c.offset, what);
}

json_t *json_value_load(struct str text, const struct json_limits *limits, struct error *err)
{
	unsigned max_depth = limits && limits->max_depth ? limits->max_depth : JSON_CHECK_MAX_DEPTH;
	json_error_t why;
	if (limits && limits->max_bytes && text.n > limits->max_bytes) {
		error_set(err, ERR_TOO_LARGE, "the JSON text has %zu bytes, more than %zu", text.n, limits->max_bytes);
		return NULL;
	}
	if (refuse(err, text) < 0)
		return NULL;
	if (depth_of(text) > max_depth) {
		error_set(err, ERR_TOO_LARGE, "the JSON text is nested deeper than %u levels", max_depth);
		return NULL;
	}
	json_t *v = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (v)
		return v;
	enum error_code code = json_error_code(&why) == json_error_out_of_memory ? ERR_NO_MEMORY : ERR_INVALID;
	error_set(err, code, "not usable JSON at line %d, column %d (byte %d): %s", why.line, why.column, why.position, why.text);
	return NULL;
}

json_t *json_value_load_object(struct str text, const struct json_limits *limits, struct error *err)
{
	json_t *v = json_value_load(text, limits, err);
	if (!v || json_is_object(v))
		return v;
	json_decref(v);
	error_set(err, ERR_INVALID, "the JSON text is not an object");
	return NULL;
}

/* 1: *v is a value that is not null. */
static int member(const json_t *object, const char *key, json_t **v)
{
	*v = json_object_get(object, key);
	return *v && !json_is_null(*v);
}

static int wrong(struct error *err, const char *key, const char *type)
{
	return error_set(err, ERR_INVALID, "'%s' must be %s", key, type);
}

struct str json_value_text(const json_t *v)
{
	return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

json_t *json_value_new_str(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.n);
}

int json_value_str(const json_t *object, const char *key, struct str *out, struct error *err)
{
	json_t *v;
	if (!member(object, key, &v))
		return 0;
	if (!json_is_string(v))
		return wrong(err, key, "a string");
	*out = json_value_text(v);
	return 1;
}

int json_value_bool(const json_t *object, const char *key, bool *out, struct error *err)
{
	json_t *v;
	if (!member(object, key, &v))
		return 0;
	if (!json_is_boolean(v))
		return wrong(err, key, "true or false");
	*out = json_is_true(v);
	return 1;
}

int json_value_int(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out, struct error *err)
{
	json_t *v;
	int64_t n;
	if (!member(object, key, &v))
		return 0;
	double d = json_real_value(v);
	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_real(v) && d >= -9007199254740992.0 && d <= 9007199254740992.0 && (double)(int64_t)d == d)
		n = (int64_t)d;
	else
		return wrong(err, key, "an integer");
	if (n < min || n > max)
		return error_set(err, ERR_INVALID, "'%s' must be between %lld and %lld, not %lld", key, (long long)min, (long long)max, (long long)n);
	*out = n;
	return 1;
}

int json_value_double(const json_t *object, const char *key, double *out, struct error *err)
{
	json_t *v;
	if (!member(object, key, &v))
		return 0;
	if (!json_is_number(v))
		return wrong(err, key, "a number");
	*out = json_number_value(v);
	return 1;
}

int json_value_object(const json_t *object, const char *key, json_t **out, struct error *err)
{
	json_t *v;
	if (!member(object, key, &v))
		return 0;
	if (!json_is_object(v))
		return wrong(err, key, "an object");
	*out = v;
	return 1;
}

int json_value_array(const json_t *object, const char *key, json_t **out, struct error *err)
{
	json_t *v;
	if (!member(object, key, &v))
		return 0;
	if (!json_is_array(v))
		return wrong(err, key, "an array");
	*out = v;
	return 1;
}

int json_value_str_map(const json_t *object, const char *key, json_t **out, struct error *err)
{
	json_t *map, *v;
	const char *name;
	int r = json_value_object(object, key, &map, err);
	if (r <= 0)
		return r;
	json_object_foreach(map, name, v)
		if (!json_is_string(v))
			return error_set(err, ERR_INVALID, "'%s' must have strings as its values, which '%s' is not", key, name);
	*out = map;
	return 1;
}

static int merge(json_t *base, const json_t *patch, unsigned depth, struct error *err);

static int merge_member(json_t *base, const char *name, json_t *v, unsigned depth, struct error *err)
{
	json_t *old = json_object_get(base, name);
	if (json_is_null(v)) {
		json_object_del(base, name);
		return 0;
	}
	if (json_is_object(v)) {
		/* A new object is merged too, so that the nulls inside of it go. */
		if (!json_is_object(old) && json_object_set_new(base, name, json_object()) < 0)
			return error_set(err, ERR_NO_MEMORY, "out of memory");
		return merge(json_object_get(base, name), v, depth + 1, err);
	}
	if (json_object_set_new(base, name, json_deep_copy(v)) < 0)
		return error_set(err, ERR_NO_MEMORY, "out of memory");
	return 0;
}

static int merge(json_t *base, const json_t *patch, unsigned depth, struct error *err)
{
	const char *name;
	json_t *v;
	if (depth > JSON_CHECK_MAX_DEPTH)
		return error_set(err, ERR_TOO_LARGE, "the JSON value is nested deeper than %d levels", JSON_CHECK_MAX_DEPTH);
	json_object_foreach((json_t *)(uintptr_t)patch, name, v)
		if (merge_member(base, name, v, depth, err) < 0)
			return -1;
	return 0;
}

int json_value_merge(json_t *base, const json_t *patch, struct error *err)
{
	if (!json_is_object(base) || !json_is_object(patch))
		return error_set(err, ERR_INVALID, "only objects can be merged");
	return merge(base, patch, 1, err);
}

static int dump_piece(const char *data, size_t n, void *out)
{
	return buf_append(out, data, n);
}

int json_value_dump(const json_t *v, struct buf *out, struct error *err)
{
	if (json_dump_callback(v, dump_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return 0;
	return error_set(err, out->overflow ? ERR_TOO_LARGE : ERR_NO_MEMORY, "the JSON text does not fit into %zu bytes", out->max);
}
