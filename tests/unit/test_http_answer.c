/* Answers of programs that nobody vouches for: framing, whatever the cut, and limits. */
#include <stdlib.h>

#include "core/http/answer.h"
#include "core/base/check.h"
#include "tests/unit/test.h"

/* Bytes taken when fed in pieces of `step`; -1: refused. */
static long feed(struct http_answer *a, const char *text, size_t n, size_t step)
{
	size_t at = 0;
	http_answer_init(a);
	while (at < n && !a->done) {
		size_t piece = n - at < step ? n - at : step;
		long took = http_answer_feed(a, text + at, piece);
		if (took < 0)
			return -1;
		at += (size_t)took;
	}
	return (long)at;
}

static const struct {
	const char *text;
	int status;      /* 0: refused */
	size_t left;     /* bytes behind the answer */
	bool done, keep_alive;
} answers[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 200, 0, true, true},
	{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\nHTTP/", 200, 5, true, true},
	{"HTTP/1.1 204 No Content\r\n\r\n", 204, 0, true, true},
	{"HTTP/1.1 500 Oh\nContent-Length: 3\n\nbad", 500, 0, true, true},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, 0, true, true},
	{"HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 1\r\n\r\nx", 200, 0, true, false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, 0, true, false},
	{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", 200, 0, true, true},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nHT", 200, 2, true, true},
	{"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, 0, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 200, 0, false, false},
	{"HTTP/2 200 OK\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 2xx OK\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200OK\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 099 No\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 101 Switching\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, 0, false, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, 0, false, false},
	{"GET / HTTP/1.1\r\n\r\n", 0, 0, false, false},
};

TEST(answers_by_every_cut)
{
	static const size_t steps[] = {1, 3, 7, 4096};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		size_t n = strlen(answers[i].text);
		for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
			struct http_answer a;
			long took = feed(&a, answers[i].text, n, steps[s]);
			if (!answers[i].status) {
				CHECK_INT(took, -1);
				continue;
			}
			CHECK_INT(took, n - answers[i].left);
			CHECK_INT(a.status, answers[i].status);
			CHECK_INT(a.done, answers[i].done);
			CHECK_INT(a.keep_alive, answers[i].keep_alive);
		}
	}
}

TEST(the_end_of_a_connection_ends_some_bodies)
{
	struct http_answer a;
	feed(&a, "HTTP/1.1 200 OK\r\n\r\nabc", 22, 100);
	CHECK_INT(http_answer_end(&a), 0);
	CHECK(a.done && !a.keep_alive);
	feed(&a, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 40, 100);
	CHECK_INT(http_answer_end(&a), -1);
	feed(&a, "HTTP/1.1 200 OK\r\nContent-", 25, 100);
	CHECK_INT(http_answer_end(&a), -1);
}

TEST(what_has_no_end_is_refused)
{
	static char text[HTTP_ANSWER_BODY_MAX + 4096];
	struct http_answer a;
	memset(text, 'a', sizeof text);
	memcpy(text, "HTTP/1.1 200 ", 13);
	CHECK_INT(feed(&a, text, sizeof text, 1000), -1); /* a line */
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	for (size_t at = 17; at + 5 < sizeof text; at += 5)
		memcpy(text + at, "a: b\n", 5);
	CHECK_INT(feed(&a, text, sizeof text, 1000), -1); /* a head */
	memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);
	CHECK_INT(feed(&a, text, sizeof text, 1000), -1); /* a body */
	memcpy(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47);
	for (size_t at = 47; at + 6 < sizeof text; at += 6)
		memcpy(text + at, "1\r\nx\r\n", 6);
	CHECK_INT(feed(&a, text, sizeof text, 1000), -1); /* chunks */
}

TESTS(T(answers_by_every_cut), T(the_end_of_a_connection_ends_some_bodies), T(what_has_no_end_is_refused))
