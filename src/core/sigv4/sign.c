#include "core/sigv4/sigv4_priv.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/base/check.h"

static int full(struct error *err)
{
	return error_set(err, ERR_TOO_LARGE, "the request is too large to be signed");
}

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted, each name once, lower case, ";" between. */
static struct str signed_list(const struct sigv4_request *req, struct arena *arena)
{
	struct str *names = arena_alloc(arena, (req->header_count + 1) * sizeof *names);
	struct text t;
	text_init(&t, arena, 256);
	if (!names)
		return STR_NULL;
	for (size_t i = 0; i < req->header_count; i++) {
		struct text low;
		text_init(&low, arena, req->headers[i].name.n + 1);
		text_lower(&low, req->headers[i].name);
		names[i] = text_str(&low);
		if (!names[i].p)
			return STR_NULL;
	}
	qsort(names, req->header_count, sizeof *names, name_cmp);
	for (size_t i = 0; i < req->header_count; i++) {
		if (i && str_eq(names[i], names[i - 1]))
			continue;
		if (t.len)
			text_putc(&t, ';');
		text_put(&t, names[i]);
	}
	return text_str(&t);
}

static struct str scope_of(const struct sigv4_signer *s, const char *time, struct arena *arena)
{
	char *z = arena_printf(arena, "%.8s/" STR_FMT "/" STR_FMT "/" TERMINATOR, time, STR_ARG(s->region), STR_ARG(s->service));
	return str_from(z);
}

/* Signature of a canonical request (without its payload) as hex. */
static int signature(char hex[SHA256_HEX_SIZE], const struct sigv4_signer *s, const char *time, struct str scope,
                     struct str canonical, struct str payload, struct arena *arena, struct error *err)
{
	struct text whole;
	char hash[SHA256_HEX_SIZE];
	unsigned char key[SHA256_SIZE], sum[SHA256_SIZE];
	unsigned n = sizeof sum;
	text_init(&whole, arena, canonical.n + payload.n + 1);
	text_put(&whole, canonical);
	text_put(&whole, payload);
	if (!canonical.p || whole.failed)
		return full(err);
	sha256_hex(hash, whole.data, whole.len);
	struct str to_sign = sigv4_string_to_sign(time, scope, hash, arena);
	if (!to_sign.p)
		return full(err);
	sigv4_derive(key, s->secret, (struct str){time, 8}, s->region, s->service);
	ASSERT(HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *)to_sign.p, to_sign.n, sum, &n));
	OPENSSL_cleanse(key, sizeof key);
	hex_encode(hex, sum, sizeof sum);
	return 0;
}

static void add(struct sigv4_signed *out, const char *name, struct str value)
{
	ASSERT(out->header_count < SIGV4_SIGNED_HEADERS_MAX);
	out->headers[out->header_count++] = (struct sigv4_header){str_from(name), value};
}

static int check_signer(const struct sigv4_request *req, const struct sigv4_signer *s, struct error *err)
{
	ASSERT(sigv4_find(req, "host").p);
	if (s->access_key.n == 0 || s->secret.n == 0 || s->secret.n > SIGV4_MAX_SECRET)
		return error_set(err, ERR_USAGE, "the access key or its secret is empty or too long");
	if (s->region.n == 0 || s->service.n == 0)
		return error_set(err, ERR_USAGE, "a region and a service are needed to sign a request");
	return req->header_count > SIGV4_MAX_HEADERS ? full(err) : 0;
}

int sigv4_sign(struct sigv4_signed *out, const struct sigv4_request *req, const struct sigv4_signer *s, struct arena *arena,
               struct error *err)
{
	struct sigv4_signed add_to = {.header_count = 0};
	if (check_signer(req, s, err) < 0)
		return -1;
	char *time = arena_alloc(arena, SIGV4_DATE_SIZE);
	struct sigv4_header *all = arena_alloc(arena, (req->header_count + SIGV4_SIGNED_HEADERS_MAX) * sizeof *all);
	if (!time || !all)
		return full(err);
	struct str payload = s->payload.n ? s->payload : STR(SIGV4_EMPTY_SHA256);
	sigv4_format_time(time, s->now_s);
	add(&add_to, "X-Amz-Date", str_from(time));
	if (s->session_token.n)
		add(&add_to, "X-Amz-Security-Token", s->session_token);
	if (s->send_payload)
		add(&add_to, "X-Amz-Content-Sha256", payload);
	if (req->header_count)
		memcpy(all, req->headers, req->header_count * sizeof *all);
	memcpy(all + req->header_count, add_to.headers, add_to.header_count * sizeof *all);

	struct sigv4_request whole = *req;
	whole.headers = all;
	whole.header_count += add_to.header_count;
	struct sigv4_param *params;
	size_t count;
	char hex[SHA256_HEX_SIZE];
	struct str names = signed_list(&whole, arena), scope = scope_of(s, time, arena);
	if (!names.p || !scope.p || sigv4_params(req->query, &params, &count, arena) < 0)
		return full(err);
	struct str canonical = sigv4_canonical(&whole, !str_eqz(s->service, "s3"), params, count, names, arena);
	if (signature(hex, s, time, scope, canonical, payload, arena, err) < 0)
		return -1;
	char *value = arena_printf(arena, ALGORITHM " Credential=" STR_FMT "/" STR_FMT ", SignedHeaders=" STR_FMT ", Signature=%s",
	                           STR_ARG(s->access_key), STR_ARG(scope), STR_ARG(names), hex);
	if (!value)
		return full(err);
	add(&add_to, "Authorization", str_from(value));
	*out = add_to;
	return 0;
}

static void put_param(struct text *t, const char *name, struct str value)
{
	if (t->len)
		text_putc(t, '&');
	text_put(t, str_from(name));
	text_putc(t, '=');
	text_encode(t, value, false);
}

const char *sigv4_presign(const struct sigv4_request *req, const struct sigv4_signer *s, uint64_t expires_s, struct arena *arena,
                          struct error *err)
{
	char time[SIGV4_DATE_SIZE], hex[SHA256_HEX_SIZE];
	struct str payload = s->payload.n ? s->payload : str_eqz(s->service, "s3") ? STR("UNSIGNED-PAYLOAD") : STR(SIGV4_EMPTY_SHA256);
	if (check_signer(req, s, err) < 0)
		return NULL;
	sigv4_format_time(time, s->now_s);
	struct str names = signed_list(req, arena), scope = scope_of(s, time, arena);
	char *credential = arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(s->access_key), STR_ARG(scope));
	char *expires = arena_printf(arena, "%llu", (unsigned long long)expires_s);
	struct text query;
	text_init(&query, arena, req->query.n + 512 + s->session_token.n * 3);
	text_put(&query, req->query);
	put_param(&query, "X-Amz-Algorithm", STR(ALGORITHM));
	put_param(&query, "X-Amz-Credential", str_from(credential));
	put_param(&query, "X-Amz-Date", str_from(time));
	put_param(&query, "X-Amz-Expires", str_from(expires));
	put_param(&query, "X-Amz-SignedHeaders", names);
	if (s->session_token.n)
		put_param(&query, "X-Amz-Security-Token", s->session_token);

	struct sigv4_request whole = *req;
	whole.query = text_str(&query);
	struct sigv4_param *params;
	size_t count;
	if (!names.p || !credential || !expires || !whole.query.p || sigv4_params(whole.query, &params, &count, arena) < 0) {
		full(err);
		return NULL;
	}
	struct str canonical = sigv4_canonical(&whole, !str_eqz(s->service, "s3"), params, count, names, arena);
	if (signature(hex, s, time, scope, canonical, payload, arena, err) < 0)
		return NULL;
	put_param(&query, "X-Amz-Signature", str_from(hex));
	text_putc(&query, '\0');
	if (query.failed)
		full(err);
	return query.failed ? NULL : query.data;
}
