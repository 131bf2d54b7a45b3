#include "core/sigv4/sigv4_priv.h"

#include <stdio.h>

#include "core/base/check.h"

/* "5 min." as AWS writes it, or seconds for a link's odd lifetime. */
static void put_span(char dst[32], uint64_t seconds)
{
	if (seconds % 60 == 0)
		snprintf(dst, 32, "%llu min.", (unsigned long long)seconds / 60);
	else
		snprintf(dst, 32, "%llu sec.", (unsigned long long)seconds);
}

static int check_time(struct sigv4_auth *auth, int64_t now_s, struct arena *arena, struct error *err)
{
	uint64_t life_s = auth->has_expires ? auth->expires_s : SIGV4_SKEW_S;
	char edge[SIGV4_DATE_SIZE], now[SIGV4_DATE_SIZE], span[32];
	if (auth->time_s >= now_s - (int64_t)life_s && auth->time_s <= now_s + SIGV4_SKEW_S)
		return 0;
	sigv4_format_time(now, now_s);
	if (auth->time_s < now_s - (int64_t)life_s) {
		sigv4_format_time(edge, now_s - (int64_t)life_s);
		put_span(span, life_s);
		return sigv4_fail(auth, arena, err, ERR_BAD_SIGNATURE, "Signature expired: %s is now earlier than %s (%s - %s)",
		                  auth->time, edge, now, span);
	}
	sigv4_format_time(edge, now_s + SIGV4_SKEW_S);
	put_span(span, SIGV4_SKEW_S);
	return sigv4_fail(auth, arena, err, ERR_BAD_SIGNATURE, "Signature not yet current: %s is still later than %s (%s + %s)",
	                  auth->time, edge, now, span);
}

/* All that is wrong with the scope, one sentence each. */
static int check_scope(struct sigv4_auth *auth, const struct sigv4_expect *want, struct arena *arena, struct error *err)
{
	struct text t;
	text_init(&t, arena, 320);
	if (auth->region.n == 0 || (want->region.n && !str_eq(auth->region, want->region)))
		text_put(&t, STR("Credential should be scoped to a valid region. "));
	if (auth->service.n == 0 || (want->service.n && !str_eq(auth->service, want->service))) {
		text_put(&t, STR("Credential should be scoped to correct service: '"));
		text_put(&t, want->service);
		text_put(&t, STR("'. "));
	}
	if (!str_eqz(auth->terminator, TERMINATOR)) {
		text_put(&t, STR("Credential should be scoped with a valid terminator: '" TERMINATOR "', not '"));
		text_put(&t, auth->terminator);
		text_put(&t, STR("'. "));
	}
	if (!str_eq(auth->date, (struct str){auth->time, 8})) {
		text_put(&t, STR("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"));
		text_put(&t, auth->date);
		text_put(&t, STR("' != '"));
		text_put(&t, (struct str){auth->time, 8});
		text_put(&t, STR("', from '"));
		text_put(&t, str_from(auth->time));
		text_put(&t, STR("'."));
	}
	if (t.len == 0 && !t.failed)
		return 0;
	return sigv4_fail(auth, arena, err, ERR_BAD_SIGNATURE, STR_FMT, STR_ARG(text_str(&t)));
}

int sigv4_check(struct sigv4_auth *auth, const struct sigv4_expect *expect, struct arena *arena, struct error *err)
{
	if (check_time(auth, expect->now_s, arena, err) < 0)
		return -1;
	if (auth->unsigned_header.p)
		return sigv4_fail(auth, arena, err, ERR_BAD_SIGNATURE, "'" STR_FMT "' must be a 'SignedHeader' in the AWS Authorization.",
		                  STR_ARG(auth->unsigned_header));
	return check_scope(auth, expect, arena, err);
}

bool sigv4_needs_body(const struct sigv4_auth *auth)
{
	return auth->payload == SIGV4_PAYLOAD_BODY;
}

static int mismatch(struct sigv4_auth *auth, struct str payload, struct str to_sign, struct arena *arena, struct error *err)
{
	return sigv4_fail(auth, arena, err, ERR_BAD_SIGNATURE,
	                  "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
	                  "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this "
	                  "request should have been\n'" STR_FMT STR_FMT "'\n\nThe String-to-Sign should have been\n'" STR_FMT "'\n",
	                  STR_ARG(auth->canonical), STR_ARG(payload), STR_ARG(to_sign));
}

int sigv4_verify(struct sigv4_auth *auth, struct sigv4_keys *keys, struct str secret,
                 const unsigned char body_sha256[SHA256_SIZE], struct arena *arena, struct error *err)
{
	char body[SHA256_HEX_SIZE], hash[SHA256_HEX_SIZE], want[SHA256_HEX_SIZE];
	struct str payload = auth->payload_text;
	if (sigv4_needs_body(auth)) {
		ASSERT(body_sha256);
		hex_encode(body, body_sha256, SHA256_SIZE);
		payload = str_from(body);
	}
	sigv4_keys_sha256(keys, auth->canonical, payload, hash);
	struct str to_sign = sigv4_string_to_sign(auth->time, auth->scope, hash, arena);
	if (!to_sign.p || sigv4_keys_hmac(keys, auth, secret, to_sign, want) < 0)
		return sigv4_fail(auth, arena, err, ERR_NO_MEMORY, "out of memory");
	/* An empty secret would let anybody sign; a longer one than the limit cannot have been made here. */
	if (secret.n && secret.n <= SIGV4_MAX_SECRET && auth->signature[0] &&
	    sigv4_same(str_from(want), (struct str){auth->signature, SHA256_HEX_SIZE - 1}))
		return 0;
	return mismatch(auth, payload, to_sign, arena, err);
}

int sigv4_check_body(struct sigv4_auth *auth, const unsigned char sum[SHA256_SIZE], struct arena *arena, struct error *err)
{
	char hex[SHA256_HEX_SIZE], hash[SHA256_HEX_SIZE];
	hex_encode(hex, sum, SHA256_SIZE);
	if (auth->payload != SIGV4_PAYLOAD_HASH || sigv4_same((struct str){(const char *)sum, SHA256_SIZE},
	                                                      (struct str){(const char *)auth->body_sha256, SHA256_SIZE}))
		return 0;
	/* The signature of the request that really came is what should have been given. */
	struct text t;
	text_init(&t, arena, auth->canonical.n + SHA256_HEX_SIZE);
	text_put(&t, auth->canonical);
	text_put(&t, str_from(hex));
	sha256_hex(hash, text_str(&t).p, text_str(&t).n);
	return mismatch(auth, str_from(hex), sigv4_string_to_sign(auth->time, auth->scope, hash, arena), arena, err);
}
