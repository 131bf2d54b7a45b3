/* Private to core/sigv4: canonical form, errors with long texts, HMAC with remembered keys. */
#ifndef MAYFLY_SIGV4_PRIV_H
#define MAYFLY_SIGV4_PRIV_H

#include "core/sigv4/sigv4.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"

/* Text grown inside an arena. `failed` stays set once the arena is full. */
struct text {
	struct arena *arena;
	char *data;
	size_t len, cap;
	bool failed;
};

void text_init(struct text *t, struct arena *arena, size_t cap);
void text_put(struct text *t, struct str s);
void text_putc(struct text *t, char c);
void text_lower(struct text *t, struct str s);
/* Percent-encodes all but unreserved characters; slash stays when `keep_slash`. */
void text_encode(struct text *t, struct str s, bool keep_slash);
struct str text_str(const struct text *t);

/* Sets err and auth->message from a formatted text of any length; returns -1. */
int sigv4_fail(struct sigv4_auth *auth, struct arena *arena, struct error *err, enum error_code code, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* First header of that name (ASCII case ignored); p NULL when absent. */
struct str sigv4_find(const struct sigv4_request *req, const char *name);

struct sigv4_param {
	struct str name, value; /* canonically encoded */
};

/* All parameters of a raw query, re-encoded, in the order of the query; empty pieces are dropped. -1: too many or no
 * memory. `*params` lives in the arena. */
int sigv4_params(struct str query, struct sigv4_param **params, size_t *count, struct arena *arena);
/* Decodes an encoded value into the arena; p NULL on failure. */
struct str sigv4_decode(struct str encoded, struct arena *arena);

/* Canonical request from the method to the line of signed header names, with its closing line feed. `skip_signature`
 * leaves X-Amz-Signature out. Sorts params. p NULL when out of memory. */
struct str sigv4_canonical(const struct sigv4_request *req, bool double_encode, struct sigv4_param *params, size_t count,
                           struct str signed_headers, struct arena *arena);

/* "AWS4-HMAC-SHA256\ntime\nscope\nhash of the canonical request" */
struct str sigv4_string_to_sign(const char *time, struct str scope, const char *hash_hex, struct arena *arena);

/* The signing key of a scope. */
void sigv4_derive(unsigned char key[SHA256_SIZE], struct str secret, struct str date, struct str region, struct str service);

/* HMAC-SHA256 with the remembered key of (access key, secret, scope), as lower-case hex. -1 when out of memory. */
int sigv4_keys_hmac(struct sigv4_keys *keys, const struct sigv4_auth *auth, struct str secret, struct str data,
                    char hex[SHA256_HEX_SIZE]);
/* SHA-256 of a and b in a row, as hex, without looking the algorithm up again. */
void sigv4_keys_sha256(struct sigv4_keys *keys, struct str a, struct str b, char hex[SHA256_HEX_SIZE]);

#define SIGV4_MAX_SECRET 256

bool sigv4_same(struct str a, struct str b); /* constant time for equal lengths */
int sigv4_parse_http_time(struct str text, int64_t *time_s); /* RFC 1123 form of a Date header */

#endif
