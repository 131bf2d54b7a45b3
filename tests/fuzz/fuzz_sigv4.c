/* Signatures: lines of the input are method, path, query and headers ("name:value"); what follows an empty line is an
 * aws-chunked body. Nothing may be accepted that was not signed with the secret; what we sign over the same request must
 * be; the stream decoder says the same however its input is cut. */
#include <stdlib.h>
#include <string.h>

#include "core/sigv4/stream.h"
#include "tests/fuzz/fuzz.h"

#define MAX_HEADERS 40
#define NOW 1769862896
#define SECRET "a secret that no corpus knows"

static bool reserved(struct str name)
{
	static const char *const names[] = {"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "host"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_case_eq(name, str_from(names[i])))
			return true;
	return false;
}

/* Names that HTTP lets through. */
static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || strchr("\"(),/:;<=>?@[\\]{}", name.p[i]))
			return false;
	return name.n > 0;
}

static struct str take_request(struct sigv4_request *req, struct sigv4_header *headers, struct str rest)
{
	struct str *parts[] = {&req->method, &req->path, &req->query}, line;
	size_t i = 0;
	while (str_split(&rest, '\n', &line)) {
		if (i >= 3 && line.n == 0)
			return rest;
		if (i < 3) {
			*parts[i++] = line;
		} else if (req->header_count < MAX_HEADERS) {
			size_t colon = str_find(line, ':');
			headers[req->header_count++] = (struct sigv4_header){str_sub(line, 0, colon), str_sub(line, colon + 1, line.n)};
		}
	}
	return STR_NULL;
}

static int steps(struct sigv4_auth *auth, const struct sigv4_request *req, struct sigv4_keys *keys, struct arena *arena)
{
	static const unsigned char sum[SHA256_SIZE] = {1, 2, 3};
	const struct sigv4_expect expect = {STR_NULL, STR_NULL, NOW};
	struct error err = {0};
	int r = sigv4_parse(auth, req, arena, &err);
	if (r == 0) {
		ASSERT(auth->scope.p && auth->canonical.n && auth->host_signed);
		r = sigv4_check(auth, &expect, arena, &err);
		if (r < 0)
			ASSERT(err.code == ERR_BAD_SIGNATURE);
		r |= sigv4_verify(auth, keys, STR(SECRET), sum, arena, &err);
	}
	ASSERT(r == 0 || (err.code != ERR_OK && auth->message && auth->message[0]));
	return r;
}

static void sign_and_verify(const struct sigv4_request *req, struct sigv4_keys *keys, struct arena *arena)
{
	struct sigv4_header headers[MAX_HEADERS + 5];
	struct sigv4_request own = *req;
	struct sigv4_signed out;
	struct sigv4_auth auth;
	const struct sigv4_signer signer = {STR("AK"), STR(SECRET), STR("token"), STR("r"), STR("lambda"), NOW, STR("UNSIGNED-PAYLOAD"), true};
	headers[0] = (struct sigv4_header){STR("host"), STR("h")};
	own.headers = headers;
	own.header_count = 1;
	for (size_t i = 0; i < req->header_count; i++)
		if (is_name(req->headers[i].name) && !reserved(req->headers[i].name))
			headers[own.header_count++] = req->headers[i];
	if (sigv4_present(&own) || sigv4_sign(&out, &own, &signer, arena, NULL) < 0)
		return;
	for (size_t i = 0; i < out.header_count; i++)
		headers[own.header_count++] = out.headers[i];
	struct error err = {0};
	if (sigv4_parse(&auth, &own, arena, &err) == 0)
		ASSERT(sigv4_verify(&auth, keys, STR(SECRET), NULL, arena, NULL) == 0);
	else
		ASSERT(err.code == ERR_TOO_LARGE || err.code == ERR_NO_MEMORY || strstr(auth.message, "x-amz-decoded-content-length"));
}

static long decode(const struct sigv4_auth *auth, struct sigv4_keys *keys, struct str body, size_t step)
{
	struct sigv4_stream *s = sigv4_stream_new(auth, keys, STR(SECRET), 100000, NULL);
	long total = 0, r = 0;
	if (!s)
		return -1;
	while (body.n && r >= 0 && !sigv4_stream_done(s)) {
		struct str in = str_sub(body, 0, step), data;
		body = str_sub(body, step, body.n);
		while ((r = sigv4_stream_next(s, &in, &data, NULL)) == 1)
			total += (long)data.n;
	}
	total = r < 0 ? -2 : sigv4_stream_done(s) ? total * 2 : total * 2 + 1;
	sigv4_stream_free(s);
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sigv4_header headers[MAX_HEADERS];
	struct sigv4_request req = {.headers = headers};
	struct sigv4_keys *keys = sigv4_keys_new();
	struct sigv4_auth auth;
	struct arena arena;
	arena_init(&arena, 1 << 20);
	struct str body = take_request(&req, headers, (struct str){(const char *)data, n});
	ASSERT(steps(&auth, &req, keys, &arena) != 0);
	sign_and_verify(&req, keys, &arena);
	if (body.n) {
		auth = (struct sigv4_auth){.payload = SIGV4_PAYLOAD_STREAM + (int)(n % 3), .scope = STR("20260131/r/s3/aws4_request"), .date = STR("20260131"), .region = STR("r"), .service = STR("s3")};
		long whole = decode(&auth, keys, body, body.n);
		for (size_t step = 1; step < 8; step++)
			ASSERT(decode(&auth, keys, body, step) == whole);
	}
	arena_release(&arena);
	sigv4_keys_free(keys);
	return 0;
}
