#include "core/sigv4/sigv4_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

void text_init(struct text *t, struct arena *arena, size_t cap)
{
	*t = (struct text){.arena = arena, .data = arena_alloc(arena, cap), .cap = cap};
	t->failed = !t->data;
}

/* Old copies stay in the arena until it is reset: growing is the exception, callers give a good first size. */
static bool text_room(struct text *t, size_t n)
{
	if (t->failed)
		return false;
	if (n <= t->cap - t->len)
		return true;
	size_t cap = (t->cap + n) * 2;
	char *data = arena_alloc(t->arena, cap);
	if (!data) {
		t->failed = true;
		return false;
	}
	memcpy(data, t->data, t->len);
	t->data = data;
	t->cap = cap;
	return true;
}

void text_put(struct text *t, struct str s)
{
	if (s.n && text_room(t, s.n)) {
		memcpy(t->data + t->len, s.p, s.n);
		t->len += s.n;
	}
}

void text_putc(struct text *t, char c)
{
	if (text_room(t, 1))
		t->data[t->len++] = c;
}

void text_lower(struct text *t, struct str s)
{
	if (!text_room(t, s.n))
		return;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		t->data[t->len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
}

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

void text_encode(struct text *t, struct str s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	if (!text_room(t, s.n * 3))
		return;
	char *at = t->data + t->len;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (unreserved(c) || (keep_slash && c == '/')) {
			*at++ = (char)c;
		} else {
			*at++ = '%';
			*at++ = digits[c >> 4];
			*at++ = digits[c & 15];
		}
	}
	t->len = (size_t)(at - t->data);
}

struct str text_str(const struct text *t)
{
	return t->failed ? STR_NULL : (struct str){t->data, t->len};
}

int sigv4_fail(struct sigv4_auth *auth, struct arena *arena, struct error *err, enum error_code code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
	if (!text) {
		auth->message = "The request is too large to check its signature.";
		return error_set(err, ERR_NO_MEMORY, "%s", auth->message);
	}
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	auth->message = text;
	return error_set(err, code, "%s", text);
}

bool sigv4_same(struct str a, struct str b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}
