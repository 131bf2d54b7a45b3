#include "core/base/codec.h"

#include <stdint.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hex_encode(char *dst, const void *src, size_t n)
{
	const unsigned char *b = src;
	for (size_t i = 0; i < n; i++) {
		*dst++ = hex_digits[b[i] >> 4];
		*dst++ = hex_digits[b[i] & 15];
	}
	*dst = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(void *dst, size_t n, struct str src)
{
	unsigned char *out = dst;
	if (src.n != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(src.p[2 * i]), lo = hex_value(src.p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

size_t base64_encode(char *dst, const void *src, size_t n)
{
	const unsigned char *b = src;
	char *at = dst;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0u);
		*at++ = base64_letters[v >> 18];
		*at++ = base64_letters[v >> 12 & 63];
		*at++ = left > 1 ? base64_letters[v >> 6 & 63] : '=';
		*at++ = left > 2 ? base64_letters[v & 63] : '=';
	}
	*at = '\0';
	return (size_t)(at - dst);
}

static int base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(void *dst, size_t *n, struct str src)
{
	unsigned char *out = dst;
	if (src.n % 4)
		return -1;
	for (size_t i = 0; i < src.n; i += 4) {
		size_t pad = i + 4 == src.n ? (size_t)(src.p[i + 3] == '=') + (src.p[i + 2] == '=' && src.p[i + 3] == '=') : 0;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : base64_value((unsigned char)src.p[i + k]);
			if (d < 0)
				return -1;
			v = v << 6 | (uint32_t)d;
		}
		*out++ = (unsigned char)(v >> 16);
		if (pad < 2)
			*out++ = (unsigned char)(v >> 8);
		if (pad < 1)
			*out++ = (unsigned char)v;
	}
	*n = (size_t)(out - (unsigned char *)dst);
	return 0;
}

int percent_decode(char *dst, size_t *n, struct str src, bool plus)
{
	char *at = dst;
	for (size_t i = 0; i < src.n; i++) {
		if (src.p[i] == '%') {
			unsigned char b;
			if (src.n - i < 3 || hex_decode(&b, 1, (struct str){src.p + i + 1, 2}) < 0)
				return -1;
			*at++ = (char)b;
			i += 2;
		} else {
			*at++ = plus && src.p[i] == '+' ? ' ' : src.p[i];
		}
	}
	*n = (size_t)(at - dst);
	return 0;
}
