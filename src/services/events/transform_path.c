#include "services/events/transform_path.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"

/* ---- parsing paths ---- */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

static bool take_dot(struct str *rest, struct transform_step *step)
{
	size_t n = 0;
	while (n < rest->n && is_name(rest->p[n]))
		n++;
	*step = (struct transform_step){.name = str_sub(*rest, 0, n)};
	*rest = str_sub(*rest, n, rest->n);
	return n > 0;
}

static bool take_bracket(struct str *rest, struct transform_step *step)
{
	size_t end = str_find(*rest, ']');
	struct str inner = str_sub(*rest, 0, end);
	uint64_t index = 0;
	if (end == rest->n || inner.n == 0)
		return false;
	if (inner.p[0] == '"' || inner.p[0] == '\'') {
		char quote = inner.p[0];
		size_t close = str_find(str_sub(*rest, 1, rest->n), quote) + 1; /* a name may hold ']' */
		if (close >= rest->n || close + 1 >= rest->n || rest->p[close + 1] != ']' || close == 1)
			return false;
		*step = (struct transform_step){.name = str_sub(*rest, 1, close)};
		*rest = str_sub(*rest, close + 2, rest->n);
		return true;
	}
	if (str_to_u64(inner, 1000000, &index) < 0)
		return false;
	*step = (struct transform_step){.index = (size_t)index};
	*rest = str_sub(*rest, end + 1, rest->n);
	return true;
}

static bool take_step(struct str *rest, struct transform_step *step)
{
	char c = rest->p[0];
	*rest = str_sub(*rest, 1, rest->n);
	return c == '.' ? take_dot(rest, step) : c == '[' && take_bracket(rest, step);
}

int transform_path_parse(struct transform_path *path, struct str text)
{
	struct transform_path made = {.text = str_dup(text), .steps = calloc(TRANSFORM_PATH_STEPS_MAX, sizeof *made.steps)};
	struct str rest = {made.text, text.n};
	bool fine = made.text && made.steps && text.n > 0 && text.p[0] == '$';
	rest = fine ? str_sub(rest, 1, rest.n) : STR_NULL;
	while (fine && rest.n > 0)
		fine = made.count < TRANSFORM_PATH_STEPS_MAX && take_step(&rest, &made.steps[made.count++]);
	if (!fine) {
		transform_path_release(&made);
		return -1;
	}
	*path = made;
	return 0;
}

void transform_path_release(struct transform_path *path)
{
	free(path->text);
	free(path->steps);
	*path = (struct transform_path){.text = NULL};
}

/* ---- walking JSON text ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str skip_blanks(struct str s)
{
	size_t n = 0;
	while (n < s.n && is_blank(s.p[n]))
		n++;
	return str_sub(s, n, s.n);
}

/* Length of the string that begins at s.p[0], with its quotes. */
static size_t string_length(struct str s)
{
	size_t n = 1;
	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' ? 2 : 1;
	return n < s.n ? n + 1 : s.n;
}

/* Length of the value at s.p[0]: no recursion, since depth is only counted. */
static size_t value_length(struct str s)
{
	size_t n = 0, depth = 0;
	if (s.n && s.p[0] == '"')
		return string_length(s);
	while (n < s.n) {
		char c = s.p[n];
		if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_blank(c)))
			return n;
		if (c == '"') {
			n += string_length(str_sub(s, n, s.n));
			continue;
		}
		depth += c == '{' || c == '[';
		n++;
		if ((c == '}' || c == ']') && --depth == 0)
			return n;
	}
	return n;
}

static struct str take_value(struct str *rest)
{
	*rest = skip_blanks(*rest);
	size_t n = value_length(*rest);
	struct str value = str_sub(*rest, 0, n);
	*rest = skip_blanks(str_sub(*rest, n, rest->n));
	return value;
}

bool transform_next_member(struct str *rest, struct str *name, struct str *value)
{
	*rest = skip_blanks(*rest);
	if (rest->n == 0 || (rest->p[0] != '{' && rest->p[0] != ','))
		return false;
	*rest = str_sub(*rest, 1, rest->n);
	struct str key = take_value(rest);
	if (key.n < 2 || key.p[0] != '"' || rest->n == 0 || rest->p[0] != ':')
		return false;
	*rest = str_sub(*rest, 1, rest->n);
	*value = take_value(rest);
	*name = str_sub(key, 1, key.n - 1);
	return value->n > 0;
}

static bool next_element(struct str *rest, struct str *value)
{
	*rest = skip_blanks(*rest);
	if (rest->n == 0 || (rest->p[0] != '[' && rest->p[0] != ','))
		return false;
	*rest = str_sub(*rest, 1, rest->n);
	*value = take_value(rest);
	return value->n > 0;
}

static int hex_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One character of a string's text; escapes are decoded as far as names need it (no surrogate pairs: those names are written plainly). */
static size_t take_char(struct str s, char out[3], size_t *n)
{
	static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *at = s.n > 1 && s.p[0] == '\\' && s.p[1] ? strchr(escapes, s.p[1]) : NULL;
	unsigned code = 0;
	*n = 1;
	out[0] = at ? meant[at - escapes] : s.p[0];
	if (at || s.p[0] != '\\' || s.n < 6 || s.p[1] != 'u')
		return at ? 2 : 1;
	for (size_t i = 2; i < 6; i++)
		code = code << 4 | ((unsigned)hex_of(s.p[i]) & 15u);
	if (code < 0x80) {
		out[0] = (char)code;
		return 6;
	}
	*n = code < 0x800 ? 2 : 3;
	out[0] = (char)(code < 0x800 ? 0xc0 | code >> 6 : 0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code < 0x800 ? code & 63 : code >> 6 & 63));
	out[2] = (char)(0x80 | (code & 63));
	return 6;
}

static bool same_name(struct str escaped, struct str name)
{
	if (!memchr(escaped.p, '\\', escaped.n))
		return str_eq(escaped, name);
	while (escaped.n && name.n) {
		char text[3];
		size_t n, used = take_char(escaped, text, &n);
		if (name.n < n || memcmp(name.p, text, n) != 0)
			return false;
		escaped = str_sub(escaped, used, escaped.n);
		name = str_sub(name, n, name.n);
	}
	return escaped.n == 0 && name.n == 0;
}

static struct str find_member(struct str object, struct str name)
{
	struct str key, value, found = STR_NULL;
	if (object.n == 0 || object.p[0] != '{')
		return STR_NULL;
	while (transform_next_member(&object, &key, &value)) {
		if (same_name(key, name))
			found = value; /* of duplicate names the last one counts, as for JSON parsers */
	}
	return found;
}

static struct str find_element(struct str array, size_t index)
{
	struct str value;
	if (array.n == 0 || array.p[0] != '[')
		return STR_NULL;
	while (next_element(&array, &value)) {
		if (index-- == 0)
			return value;
	}
	return STR_NULL;
}

struct str transform_path_find(const struct transform_path *path, struct str json)
{
	struct str at = take_value(&json);
	for (size_t i = 0; i < path->count && at.p; i++)
		at = path->steps[i].name.p ? find_member(at, path->steps[i].name) : find_element(at, path->steps[i].index);
	return at;
}
