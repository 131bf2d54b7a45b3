/* The canonical request. Services other than s3 encode the path, as it was sent, once more (so %3A on the wire is %253A
 * here) after removing dot segments and doubled slashes; s3 signs the object key as it is. */
#include "core/sigv4/sigv4_priv.h"

#include <stdlib.h>
#include <string.h>

struct str sigv4_find(const struct sigv4_request *req, const char *name)
{
	struct str want = str_from(name);
	for (size_t i = 0; i < req->header_count; i++)
		if (str_case_eq(req->headers[i].name, want))
			return str_trim(req->headers[i].value);
	return STR_NULL;
}

struct str sigv4_decode(struct str encoded, struct arena *arena)
{
	if (!memchr(encoded.n ? encoded.p : "", '%', encoded.n))
		return encoded.p ? encoded : STR("");
	char *plain = arena_alloc(arena, encoded.n + 1);
	size_t n;
	if (!plain || percent_decode(plain, &n, encoded, false) < 0)
		return STR_NULL;
	return (struct str){plain, n};
}

/* One byte of a component as its sender meant it: %XX decoded, '+' a blank; a '%' that starts no escape stands for itself. */
static size_t plain_byte(struct str s, bool plus, unsigned char *out)
{
	if (s.p[0] == '%' && s.n >= 3 && hex_decode(out, 1, (struct str){s.p + 1, 2}) == 0)
		return 3;
	*out = plus && s.p[0] == '+' ? ' ' : (unsigned char)s.p[0];
	return 1;
}

static struct str recode(struct str raw, struct arena *arena, bool query)
{
	struct text t;
	text_init(&t, arena, raw.n * 3 + 1);
	while (raw.n) {
		unsigned char c;
		size_t used = plain_byte(raw, query, &c);
		text_encode(&t, (struct str){(const char *)&c, 1}, !query);
		raw = str_sub(raw, used, raw.n);
	}
	return text_str(&t);
}

int sigv4_params(struct str query, struct sigv4_param **params, size_t *count, struct arena *arena)
{
	struct str rest = query, piece;
	size_t n = 0, max = 1;
	for (size_t i = 0; i < query.n; i++)
		max += query.p[i] == '&';
	if (max > SIGV4_MAX_QUERY_PARTS)
		return -1;
	struct sigv4_param *list = arena_alloc(arena, max * sizeof *list);
	if (!list)
		return -1;
	while (query.n && str_split(&rest, '&', &piece)) {
		if (piece.n == 0)
			continue;
		size_t eq = str_find(piece, '=');
		list[n].name = recode(str_sub(piece, 0, eq), arena, true);
		list[n].value = recode(str_sub(piece, eq + 1, piece.n), arena, true);
		if (!list[n].name.p || !list[n].value.p)
			return -1;
		n++;
	}
	*params = list;
	*count = n;
	return 0;
}

static int param_cmp(const void *a, const void *b)
{
	const struct sigv4_param *x = a, *y = b;
	int r = str_cmp(x->name, y->name);
	return r ? r : str_cmp(x->value, y->value);
}

static void put_query(struct text *t, struct sigv4_param *params, size_t count)
{
	bool first = true;
	if (count > 1)
		qsort(params, count, sizeof *params, param_cmp);
	for (size_t i = 0; i < count; i++) {
		if (str_eqz(params[i].name, "X-Amz-Signature"))
			continue;
		if (!first)
			text_putc(t, '&');
		first = false;
		text_put(t, params[i].name);
		text_putc(t, '=');
		text_put(t, params[i].value);
	}
}

/* RFC 3986 5.2.4 on whole segments, and "//" becomes "/": what the SDKs sign. */
static struct str normalize(struct str path, struct arena *arena)
{
	char *out = arena_alloc(arena, path.n + 2);
	size_t n = 0;
	bool slash_end = path.n == 0 || path.p[path.n - 1] == '/';
	struct str rest = path, piece;
	if (!out)
		return STR_NULL;
	while (str_split(&rest, '/', &piece)) {
		if (piece.n == 0 || str_eqz(piece, "."))
			continue;
		if (str_eqz(piece, "..")) {
			while (n && out[--n] != '/')
				;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, piece.p, piece.n);
		n += piece.n;
	}
	if (n == 0 || slash_end)
		out[n++] = '/';
	return (struct str){out, n};
}

static bool needs_normalizing(struct str path)
{
	if (path.n == 0 || path.p[0] != '/')
		return true;
	for (size_t i = 0; i + 1 < path.n; i++)
		if (path.p[i] == '/' && (path.p[i + 1] == '/' || path.p[i + 1] == '.'))
			return true;
	return false;
}

static void put_path(struct text *t, struct str path, bool double_encode)
{
	if (!double_encode) {
		text_put(t, path.n ? recode(path, t->arena, false) : STR("/"));
		return;
	}
	if (needs_normalizing(path))
		path = normalize(path, t->arena);
	if (!path.p)
		t->failed = true;
	text_encode(t, path, true);
}

/* Blanks trimmed, inner runs of them folded to one. */
static void put_value(struct text *t, struct str v)
{
	v = str_trim(v);
	while (v.n) {
		size_t end = 0;
		while (end < v.n && v.p[end] != ' ' && v.p[end] != '\t')
			end++;
		text_put(t, str_sub(v, 0, end));
		if (end == v.n)
			return;
		text_putc(t, ' ');
		while (end < v.n && (v.p[end] == ' ' || v.p[end] == '\t'))
			end++;
		v = str_sub(v, end, v.n);
	}
}

static void put_header(struct text *t, const struct sigv4_request *req, struct str name)
{
	bool first = true;
	text_lower(t, name);
	text_putc(t, ':');
	for (size_t i = 0; i < req->header_count; i++) {
		if (!str_case_eq(req->headers[i].name, name))
			continue;
		if (!first)
			text_putc(t, ',');
		first = false;
		put_value(t, req->headers[i].value);
	}
	text_putc(t, '\n');
}

struct str sigv4_canonical(const struct sigv4_request *req, bool double_encode, struct sigv4_param *params, size_t count,
                           struct str signed_headers, struct arena *arena)
{
	struct text t;
	struct str rest = signed_headers, name;
	size_t guess = 256 + req->method.n + req->path.n * 3 + req->query.n * 2 + signed_headers.n * 3;
	for (size_t i = 0; i < req->header_count; i++)
		guess += req->headers[i].value.n;
	text_init(&t, arena, guess);
	text_put(&t, req->method);
	text_putc(&t, '\n');
	put_path(&t, req->path, double_encode);
	text_putc(&t, '\n');
	put_query(&t, params, count);
	text_putc(&t, '\n');
	while (str_split(&rest, ';', &name))
		if (name.n)
			put_header(&t, req, name);
	text_putc(&t, '\n');
	text_lower(&t, signed_headers);
	text_putc(&t, '\n');
	return text_str(&t);
}

struct str sigv4_string_to_sign(const char *time, struct str scope, const char *hash_hex, struct arena *arena)
{
	struct text t;
	text_init(&t, arena, 128 + scope.n);
	text_put(&t, STR(ALGORITHM "\n"));
	text_put(&t, str_from(time));
	text_putc(&t, '\n');
	text_put(&t, scope);
	text_putc(&t, '\n');
	text_put(&t, str_from(hash_hex));
	return text_str(&t);
}
