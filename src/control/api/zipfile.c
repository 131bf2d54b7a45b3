/* ZipFile: up to 50 MB in base64 inside a JSON text. It is cut out and decoded where it stands, so that a request of 70 MB
 * takes 70 MB and not three times as much; what is left is small and parsed as usual. */
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"

/* Walks over JSON that nobody has checked: all it promises is to stay inside. */
struct walk {
	char *at, *end;
};

static void skip_blanks(struct walk *w)
{
	while (w->at < w->end && strchr(" \t\r\n", *w->at))
		w->at++;
}

/* At an opening quote: the text between the quotes, at then behind the closing one. */
static bool take_string(struct walk *w, char **from, char **to)
{
	*from = ++w->at;
	while (w->at < w->end && *w->at != '"')
		w->at += *w->at == '\\' ? 2 : 1;
	if (w->at >= w->end)
		return false;
	*to = w->at++;
	return true;
}

static bool is_key(const char *from, const char *to, const char *name)
{
	return (size_t)(to - from) == strlen(name) && memcmp(from, name, strlen(name)) == 0;
}

/* The value of ZipFile in the outermost object, or in its member Code (of functions) or Content (of layers). */
static bool find_value(struct walk *w, char **from, char **to)
{
	unsigned depth = 0;
	bool in_code = false;
	while (w->at < w->end) {
		char c = *w->at;
		if (c != '"') {
			depth += c == '{' || c == '[';
			if (c == '}' || c == ']') {
				depth--;
				in_code &= depth > 1;
			}
			w->at++;
			continue;
		}
		if (!take_string(w, from, to))
			return false;
		skip_blanks(w);
		if (w->at >= w->end || *w->at != ':')
			continue;
		w->at++;
		skip_blanks(w);
		if (depth == 1)
			in_code = is_key(*from, *to, "Code") || is_key(*from, *to, "Content");
		bool here = is_key(*from, *to, "ZipFile") && (depth == 1 || (depth == 2 && in_code));
		if (here && w->at < w->end && *w->at == '"')
			return take_string(w, from, to);
	}
	return false;
}

/* \/ and \u003d and the like, which some writers put into base64. */
static size_t unescape(char *s, size_t n)
{
	char *at = memchr(s, '\\', n), *out = at, *end = s + n;
	if (!at)
		return n;
	while (at < end) {
		unsigned char hex[2];
		if (*at != '\\') {
			*out++ = *at++;
		} else if (end - at >= 6 && at[1] == 'u' && hex_decode(hex, 2, (struct str){at + 2, 4}) == 0 && hex[0] == 0) {
			*out++ = (char)hex[1];
			at += 6;
		} else if (end - at >= 2) {
			*out++ = at[1];
			at += 2;
		} else {
			break;
		}
	}
	return (size_t)(out - s);
}

int api_zip_cut(struct http_blob *body, struct buf *rest, struct http_blob *zip)
{
	struct walk w = {body->data, body->data + body->len};
	char *from, *to;
	size_t n = 0;
	if (!find_value(&w, &from, &to))
		return 0;
	if (buf_append(rest, body->data, (size_t)(from - body->data)) < 0 ||
	    buf_append(rest, to, (size_t)(body->data + body->len - to)) < 0)
		return 0; /* what is around it is too large: the parser will say so */
	if (base64_decode(body->data, &n, (struct str){from, unescape(from, (size_t)(to - from))}) < 0)
		return -1;
	*zip = *body;
	zip->len = n;
	*body = (struct http_blob){0};
	return 1;
}
