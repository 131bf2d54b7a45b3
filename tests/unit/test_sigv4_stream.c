/* aws-chunked bodies: AWS's published example, any cut of the input, and everything that may be wrong with one. */
#include "core/sigv4/stream.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "tests/unit/test.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define SIG1 "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define SIG2 "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
#define SIG3 "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
#define SIZE 66560 /* one chunk of 64 KiB and one of 1 KiB */

struct fixture {
	struct arena arena;
	struct sigv4_keys *keys;
	struct sigv4_auth auth;
	struct buf in, out;
	struct error err;
};

static void teardown(struct fixture *f)
{
	sigv4_keys_free(f->keys);
	arena_release(&f->arena);
	buf_release(&f->in);
	buf_release(&f->out);
}

/* The request of AWS's documentation: PUT /examplebucket/chunkObject.txt. */
static int setup(struct fixture *f, const char *payload, const char *length)
{
	*f = (struct fixture){.keys = sigv4_keys_new()};
	arena_init(&f->arena, 65536);
	buf_init(&f->in, 1 << 20);
	buf_init(&f->out, 1 << 20);
	char *value = arena_printf(&f->arena,
	                           "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-"
	                           "encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-"
	                           "class,Signature=%s", SEED);
	struct sigv4_header headers[] = {
		{STR("Host"), STR("s3.amazonaws.com")},
		{STR("x-amz-date"), STR("20130524T000000Z")},
		{STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
		{STR("Authorization"), str_from(value)},
		{STR("x-amz-content-sha256"), str_from(payload)},
		{STR("Content-Encoding"), STR("aws-chunked")},
		{STR("x-amz-decoded-content-length"), str_from(length)},
		{STR("Content-Length"), STR("66824")},
	};
	struct sigv4_request req = {STR("PUT"), STR("/examplebucket/chunkObject.txt"), STR(""), headers, 8};
	return sigv4_parse(&f->auth, &req, &f->arena, &f->err);
}

#define FIXTURE __attribute__((cleanup(teardown))) struct fixture

static void put_chunk(struct fixture *f, size_t n, const char *signature)
{
	char *data = malloc(n + 1);
	memset(data, 'a', n);
	buf_printf(&f->in, signature ? "%zx;chunk-signature=%s\r\n" : "%zx\r\n", n, signature);
	if (n) {
		buf_append(&f->in, data, n);
		buf_puts(&f->in, "\r\n");
	}
	free(data);
}

/* Feeds in pieces of `step` bytes; 1 done, 0 incomplete, -1 error. */
static int run(struct fixture *f, size_t step)
{
	struct sigv4_stream *s = sigv4_stream_new(&f->auth, f->keys, STR(SECRET), 100000, &f->err);
	int r = s ? 0 : -1;
	buf_clear(&f->out);
	for (size_t at = 0; r == 0 && at < f->in.len; at += step) {
		struct str in = str_sub(buf_str(&f->in), at, at + step), data;
		while ((r = sigv4_stream_next(s, &in, &data, &f->err)) == 1)
			buf_put(&f->out, data);
	}
	if (r == 0 && sigv4_stream_done(s))
		r = 1;
	sigv4_stream_free(s);
	return r;
}

static void put_example(struct fixture *f)
{
	put_chunk(f, 65536, SIG1);
	put_chunk(f, 1024, SIG2);
	put_chunk(f, 0, SIG3);
	buf_puts(&f->in, "\r\n");
}

TEST(published_example)
{
	static const size_t steps[] = {1, 7, 85, 1000, 65536, 1 << 20};
	FIXTURE f;
	CHECK_INT(setup(&f, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "66560"), 0);
	CHECK_INT(sigv4_verify(&f.auth, f.keys, STR(SECRET), NULL, &f.arena, &f.err), 0);
	put_example(&f);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		CHECK_INT(run(&f, steps[i]), 1);
		CHECK_INT(f.out.len, SIZE);
		CHECK_INT(f.out.data[SIZE - 1], 'a');
	}
	f.in.len -= 1;
	CHECK_INT(run(&f, 4096), 0);
}

TEST(changes_are_noticed)
{
	FIXTURE f;
	CHECK_INT(setup(&f, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "66560"), 0);
	put_example(&f);
	static const size_t places[] = {8, 30, 200, 40000, 65700, 66700};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		f.in.data[places[i]] ^= 1;
		CHECK_INT(run(&f, 4096), -1);
		f.in.data[places[i]] ^= 1;
	}
	CHECK_INT(run(&f, 4096), 1);
	buf_clear(&f.in); /* a chunk left out */
	put_chunk(&f, 65536, SIG1);
	put_chunk(&f, 0, SIG3);
	buf_puts(&f.in, "\r\n");
	CHECK_INT(run(&f, 4096), -1);
}

static const struct {
	const char *body;
	int code;
} bad[] = {
	{"\r\n", ERR_INVALID},
	{"x\r\n", ERR_INVALID},
	{"5\nhello", ERR_INVALID},
	{"-1\r\n", ERR_INVALID},
	{"5\r\nhelloX\r\n", ERR_INVALID},
	{"fffffffffffffff\r\n", ERR_TOO_LARGE},
	{"1000000000000000\r\n", ERR_INVALID},
	{"6\r\n", ERR_INVALID},                 /* more than was announced */
	{"4\r\nhell\r\n0\r\n", ERR_INVALID},    /* less */
	{"5\r\nhello\r\n0\r\nnocolon\r\n", ERR_INVALID},
};

TEST(unsigned_with_trailer)
{
	FIXTURE f;
	CHECK_INT(setup(&f, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5"), 0);
	CHECK_INT(f.auth.payload, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER);
	buf_puts(&f.in, "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Amz-Checksum-Crc32: NhCmhg==\r\n\r\n");
	for (size_t step = 1; step < 20; step++) {
		CHECK_INT(run(&f, step), 1);
		CHECK(str_eqz(buf_str(&f.out), "hello"));
	}
	struct sigv4_stream *s = sigv4_stream_new(&f.auth, f.keys, STR(SECRET), 5, &f.err);
	struct str in = buf_str(&f.in), data;
	while (sigv4_stream_next(s, &in, &data, &f.err) == 1)
		;
	CHECK(str_eqz(sigv4_stream_trailers(s), "x-amz-checksum-crc32:NhCmhg==\n"));
	sigv4_stream_free(s);
	CHECK(sigv4_stream_new(&f.auth, f.keys, STR(SECRET), 4, &f.err) == NULL);
	CHECK_INT(f.err.code, ERR_TOO_LARGE);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		buf_clear(&f.in);
		buf_puts(&f.in, bad[i].body);
		if (run(&f, 3) != -1 || (int)f.err.code != bad[i].code)
			printf("body \"%s\"\n", bad[i].body);
		CHECK_INT(f.err.code, bad[i].code);
		CHECK_INT(run(&f, 3), -1);
	}
}

/* AWS's published example with a trailer. */
TEST(signed_trailer)
{
	FIXTURE f;
	CHECK_INT(setup(&f, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "66560"), 0);
	memcpy(f.auth.signature, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", 64);
	put_chunk(&f, 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
	put_chunk(&f, 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
	put_chunk(&f, 0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
	buf_puts(&f.in, "x-amz-checksum-crc32c:sOO8/Q==\r\n");
	size_t mark = f.in.len;
	buf_puts(&f.in, "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n");
	CHECK_INT(run(&f, 999), 1);
	f.in.data[mark - 4] ^= 1;
	CHECK_INT(run(&f, 999), -1);
	f.in.data[mark - 4] ^= 1;
	f.in.len = mark;
	buf_puts(&f.in, "\r\n");
	CHECK_INT(run(&f, 999), -1);
	CHECK_INT(f.err.code, ERR_BAD_SIGNATURE);
}

TESTS(T(published_example), T(changes_are_noticed), T(unsigned_with_trailer), T(signed_trailer))
