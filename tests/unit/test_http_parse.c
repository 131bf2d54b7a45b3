#include <stdlib.h>
#include <string.h>

#include "core/http/chunk.h"
#include "core/http/request.h"
#include "tests/unit/test.h"

#define H "Host: h\r\n"

static const struct http_limits limits = {.head_max_bytes = 1024, .target_max_bytes = 128, .headers_max = 8};

struct parsed {
	long result;
	struct http_request req;
	struct http_header headers[8];
	struct http_parser parser;
	char *bytes;
};

/* Gives the text piece by piece, `step` bytes at a time, in a new buffer each time. The caller frees p->bytes. */
static void parse(struct parsed *p, const char *text, size_t n, size_t step)
{
	*p = (struct parsed){0};
	http_parser_init(&p->parser);
	for (size_t len = step < n ? step : n;; len = step < n - len ? len + step : n) {
		char *bytes = malloc(len + 1);
		memcpy(bytes, text, len);
		p->result = http_parse_head(&p->parser, &limits, bytes, len, &p->req, p->headers);
		free(p->bytes);
		p->bytes = bytes;
		if (p->result || len == n)
			return;
	}
}

TEST(reads_a_request)
{
	static const char text[] = "POST /a/b%20c?x=1&y HTTP/1.1\r\nhOST: example:80\r\nX-A:  one two \t\r\nx-b:\r\n"
	                           "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\nbody";
	for (size_t step = 1; step <= sizeof text; step += step < 9 ? 1 : 40) {
		struct parsed p;
		parse(&p, text, sizeof text - 1, step);
		CHECK_INT(p.result, sizeof text - 1 - 4);
		CHECK_INT(p.req.method, HTTP_POST);
		CHECK(str_eqz(p.req.path, "/a/b%20c") && str_eqz(p.req.query, "x=1&y") && p.req.has_query);
		CHECK(str_eqz(p.req.target, "/a/b%20c?x=1&y") && str_eqz(p.req.host, "example:80"));
		CHECK(str_eqz(http_header(&p.req, STR("x-a")), "one two"));
		struct str empty = http_header(&p.req, STR("X-B"));
		CHECK(empty.p && empty.n == 0);
		CHECK(!http_header(&p.req, STR("x-c")).p);
		CHECK_INT(p.req.header_count, 5);
		CHECK_INT(p.req.framing, HTTP_LENGTH);
		CHECK_INT(p.req.content_length, 12);
		CHECK(p.req.keep_alive && p.req.expect_continue && p.req.minor == 1);
		free(p.bytes);
	}
}

struct row {
	const char *name;
	int status; /* 0: accepted */
	const char *text;
	size_t n;
};
#define ROW(name, status, text) {name, status, text, sizeof(text) - 1}
#define HEADERS_8 "A: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n" H
#define X16 "xxxxxxxxxxxxxxxx"
#define X128 X16 X16 X16 X16 X16 X16 X16 X16

static const struct row rows[] = {
	ROW("plain", 0, "GET / HTTP/1.1\r\n" H "\r\n"),
	ROW("one empty line before", 0, "\r\nGET / HTTP/1.1\r\n" H "\r\n"),
	ROW("two empty lines before", 400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
	ROW("1.0 without host", 0, "GET / HTTP/1.0\r\n\r\n"),
	ROW("1.2", 0, "GET / HTTP/1.2\r\n" H "\r\n"),
	ROW("absolute", 0, "GET http://h/x HTTP/1.1\r\n" H "\r\n"),
	ROW("asterisk", 0, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
	ROW("unknown method", 0, "BREW / HTTP/1.1\r\n" H "\r\n"),
	ROW("bytes above 127 in a value", 0, "GET / HTTP/1.1\r\n" H "X: \xc3\xa9\r\n\r\n"),
	ROW("tab in a value", 0, "GET / HTTP/1.1\r\n" H "X: a\tb\r\n\r\n"),
	ROW("eight headers", 0, "GET / HTTP/1.1\r\n" HEADERS_8 "\r\n"),
	ROW("chunked", 0, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"),
	ROW("target of the longest length", 0, "GET /" X16 X16 X16 X16 X16 X16 X16 "xxxxxxxxxxxxxxx HTTP/1.1\r\n" H "\r\n"),
	/* framing */
	ROW("two lengths", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
	ROW("the same length twice", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
	ROW("list of lengths", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"),
	ROW("length and coding", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	ROW("coding and length", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
	ROW("unknown coding", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
	ROW("gzip, chunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	ROW("identity", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"),
	ROW("coding twice", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	ROW("empty coding", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"),
	ROW("coding with 1.0", 400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
	ROW("plus", 400, "POST / HTTP/1.1\r\n" H "Content-Length: +4\r\n\r\n"),
	ROW("minus", 400, "POST / HTTP/1.1\r\n" H "Content-Length: -4\r\n\r\n"),
	ROW("hexadecimal", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x4\r\n\r\n"),
	ROW("blank inside", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 4 4\r\n\r\n"),
	ROW("empty length", 400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
	ROW("huge length", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n"),
	/* lines */
	ROW("bare LF", 400, "GET / HTTP/1.1\n" H "\r\n"),
	ROW("bare LF in headers", 400, "GET / HTTP/1.1\r\nHost: h\n\r\n"),
	ROW("bare CR", 400, "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
	ROW("bare CR at the end", 400, "GET / HTTP/1.1\r\n" H "\rx"),
	ROW("folded", 400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"),
	ROW("folded first", 400, "GET / HTTP/1.1\r\n " H "\r\n"),
	ROW("NUL in a value", 400, "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"),
	ROW("NUL in a name", 400, "GET / HTTP/1.1\r\n" H "X\0Y: a\r\n\r\n"),
	ROW("control character", 400, "GET / HTTP/1.1\r\n" H "X: a\x1b\r\n\r\n"),
	ROW("DEL", 400, "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"),
	ROW("blank before colon", 400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
	ROW("no colon", 400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n"),
	ROW("empty name", 400, "GET / HTTP/1.1\r\n" H ": x\r\n\r\n"),
	ROW("bad name", 400, "GET / HTTP/1.1\r\n" H "X(Y): x\r\n\r\n"),
	/* host */
	ROW("no host", 400, "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
	ROW("two hosts", 400, "GET / HTTP/1.1\r\n" H H "\r\n"),
	ROW("two hosts with 1.0", 400, "GET / HTTP/1.0\r\n" H H "\r\n"),
	ROW("empty host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	ROW("host with a blank", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	ROW("host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	ROW("host with a user", 400, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
	/* request line */
	ROW("two blanks", 400, "GET  / HTTP/1.1\r\n" H "\r\n"),
	ROW("blank at the end", 400, "GET / HTTP/1.1 \r\n" H "\r\n"),
	ROW("tab", 400, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
	ROW("blank in the target", 400, "GET /a b HTTP/1.1\r\n" H "\r\n"),
	ROW("no version", 400, "GET /\r\n" H "\r\n"),
	ROW("no target", 400, "GET HTTP/1.1\r\n" H "\r\n"),
	ROW("relative target", 400, "GET a HTTP/1.1\r\n" H "\r\n"),
	ROW("fragment", 400, "GET /#a HTTP/1.1\r\n" H "\r\n"),
	ROW("target above 127", 400, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
	ROW("asterisk with GET", 400, "GET * HTTP/1.1\r\n" H "\r\n"),
	ROW("absolute with user", 400, "GET http://u@h/ HTTP/1.1\r\n" H "\r\n"),
	ROW("absolute without host", 400, "GET http:///x HTTP/1.1\r\n" H "\r\n"),
	ROW("CONNECT", 400, "CONNECT h:80 HTTP/1.1\r\n" H "\r\n"),
	ROW("bad method", 400, "G@T / HTTP/1.1\r\n" H "\r\n"),
	ROW("lower-case protocol", 400, "GET / http/1.1\r\n" H "\r\n"),
	ROW("long version", 400, "GET / HTTP/1.10\r\n" H "\r\n"),
	ROW("version 2", 505, "GET / HTTP/2.0\r\n" H "\r\n"),
	ROW("version 0.9", 505, "GET / HTTP/0.9\r\n" H "\r\n"),
	ROW("TLS hello", 400, "\x16\x03\x01\x02\x00\x01"),
	ROW("unknown expectation", 417, "GET / HTTP/1.1\r\n" H "Expect: more\r\n\r\n"),
	/* limits */
	ROW("target one too long", 414, "GET /" X128 " HTTP/1.1\r\n" H "\r\n"),
	ROW("endless request line", 414, "GET /" X128 X128),
	ROW("nine headers", 431, "GET / HTTP/1.1\r\n" HEADERS_8 "I: j\r\n\r\n"),
	ROW("endless header", 431, "GET / HTTP/1.1\r\n" H "X: " X128 X128 X128 X128 X128 X128 X128 X128),
};

TEST(every_malformed_head_is_refused)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t step = 1; step < 2048; step *= 3) {
			struct parsed p;
			parse(&p, rows[i].text, rows[i].n, step);
			long want = rows[i].status ? -rows[i].status : (long)rows[i].n;
			if (p.result != want)
				printf("%s, by %zu\n", rows[i].name, step);
			CHECK_INT(p.result, want);
			CHECK(!rows[i].status || p.parser.why);
			free(p.bytes);
		}
}

TEST(refuses_at_the_first_bad_byte)
{
	static const char *const early[] = {"GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: h\rX", "GET / HTTP/1.1\r\nHost: \x01",
		"GET / HTTP/1.1\r\nHost: h\r\n ", "GET / HTTP/1.1\r\nHost : h\r\n"};
	for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
		struct parsed p;
		parse(&p, early[i], strlen(early[i]) - 1, 5);
		CHECK_INT(p.result, 0);
		free(p.bytes);
		parse(&p, early[i], strlen(early[i]), 5);
		CHECK_INT(p.result, -400);
		free(p.bytes);
	}
}

TEST(connection_options)
{
	static const struct {
		const char *text;
		bool keep_alive;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" H "\r\n", true},
		{"GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Connection: close\r\nConnection: keep-alive\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct parsed p;
		parse(&p, cases[i].text, strlen(cases[i].text), 4096);
		CHECK(p.result > 0);
		CHECK_INT(p.req.keep_alive, cases[i].keep_alive);
		free(p.bytes);
	}
}

TEST(absolute_target_wins_over_host)
{
	static const char text[] = "GET HTTPS://other:1?q HTTP/1.1\r\n" H "\r\n";
	struct parsed p;
	parse(&p, text, sizeof text - 1, 1);
	CHECK(p.result > 0);
	CHECK(str_eqz(p.req.host, "other:1") && str_eqz(p.req.path, "/") && str_eqz(p.req.query, "q"));
	free(p.bytes);
}

TEST(finds_control_characters_anywhere)
{
	char text[40];
	for (size_t at = 0; at < sizeof text; at++)
		for (unsigned c = 0; c < 256; c++) {
			memset(text, 'a' + (int)at % 3, sizeof text);
			text[at] = (char)c;
			bool bad = (c < 0x20 && c != '\t') || c == 0x7f;
			CHECK_INT(http_find_control(text, sizeof text), bad ? at : sizeof text);
		}
}

/* ---- chunks ---- */

struct decoded {
	enum http_chunk_step end;
	char body[64];
	size_t len, used;
	struct buf trailers;
};

static void decode(struct decoded *d, const char *text, size_t step)
{
	struct http_chunks c = {0};
	size_t n = strlen(text);
	*d = (struct decoded){.end = HTTP_CHUNK_MORE};
	buf_init(&d->trailers, 32);
	while (d->used < n && d->end < HTTP_CHUNK_END) {
		size_t used = 0;
		struct str piece = STR_NULL;
		d->end = http_chunk_next(&c, str_sub((struct str){text, n}, d->used, d->used + step), &d->trailers, &used, &piece);
		d->used += used;
		if (d->end == HTTP_CHUNK_DATA && d->len + piece.n < sizeof d->body) {
			memcpy(d->body + d->len, piece.p, piece.n);
			d->len += piece.n;
		}
	}
}

TEST(decodes_chunks)
{
	static const char text[] = "5\r\nhello\r\n1;ext=\"1 2\"\r\n,\r\n00A\r\n0123456789\r\n0\r\nT: v\r\nU: w\r\n\r\nnext";
	for (size_t step = 1; step < 100; step++) {
		struct decoded d;
		decode(&d, text, step);
		CHECK_INT(d.end, HTTP_CHUNK_END);
		CHECK_STR(d.body, "hello,0123456789");
		CHECK_STR(text + d.used, "next");
		CHECK(str_eqz(buf_str(&d.trailers), "T: v\r\nU: w\r\n"));
		buf_release(&d.trailers);
	}
}

TEST(refuses_bad_chunks)
{
	static const char *const bad[] = {"+5\r\nhello", "0x5\r\nhello", " 5\r\nhello", "5 \r\nhello", "5\nhello", "5\rhello",
		"5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX", "\r\n", "g\r\n", "1000000000000000\r\n", "-1\r\n", "0\r\n A: b\r\n\r\n",
		"0\r\nA: b\n\r\n", "0\r\nA: \x01\r\n\r\n", "0\r\n\rX", "5;a\x01\r\n", "5;a\n",
		"0\r\nA: 0123456789012345678901234567890123456789\r\n\r\n"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		for (size_t step = 1; step < 50; step *= 7) {
			struct decoded d;
			decode(&d, bad[i], step);
			if (d.end != HTTP_CHUNK_BAD)
				printf("accepted: %s\n", bad[i]);
			CHECK_INT(d.end, HTTP_CHUNK_BAD);
			buf_release(&d.trailers);
		}
}

TEST(chunk_extensions_are_limited)
{
	struct http_chunks c = {0};
	struct buf trailers;
	size_t used, taken = 0;
	struct str piece;
	buf_init(&trailers, 0);
	enum http_chunk_step r = http_chunk_next(&c, STR("1;"), &trailers, &used, &piece);
	while (r == HTTP_CHUNK_MORE && taken++ < 10000)
		r = http_chunk_next(&c, STR("e"), &trailers, &used, &piece);
	CHECK_INT(r, HTTP_CHUNK_BAD);
	CHECK(taken > 1000);
}

TESTS(T(reads_a_request), T(every_malformed_head_is_refused), T(refuses_at_the_first_bad_byte), T(connection_options),
      T(absolute_target_wins_over_host), T(finds_control_characters_anywhere), T(decodes_chunks), T(refuses_bad_chunks),
      T(chunk_extensions_are_limited))
