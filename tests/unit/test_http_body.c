#include "core/base/buf.h"
#include "tests/unit/http_rig.h"

#define H "Host: h\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\n" H "Content-Length: " length "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define OK(body, n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n" body

/* Sends all of it, while the loop takes it and what comes back is kept in `back`. */
static void pump(struct rig *rig, int fd, const char *data, size_t n, struct buf *back)
{
	for (size_t at = 0, idle = 0; idle < 50; idle++) {
		ssize_t sent = at < n ? send(fd, data + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		if (sent > 0)
			at += (size_t)sent;
		rig_run(rig);
		if (back && hear(rig, fd))
			buf_append(back, rig->heard, rig->heard_len);
		if (sent > 0 || (back && rig->heard_len))
			idle = 0;
	}
}

static char *pattern(size_t n)
{
	char *data = malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		data[i] = (char)('a' + (i * 7 + i / 251) % 26);
	data[n] = '\0';
	return data;
}

TEST(takes_bodies_of_any_size_whole)
{
	static const size_t sizes[] = {0, 1, 100, 7000, 8192, 9000, 65536, 65537, 99999, 100000};
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_FREE char *body = pattern(sizes[i]), *text = malloc(sizes[i] + 200), *want = malloc(sizes[i] + 200);
		struct buf back;
		buf_init(&back, 1 << 20);
		int n = sprintf(text, "POST /body HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n%s" GET("/?next"), sizes[i], body);
		sprintf(want, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s" OK("next", "4"), sizes[i], body);
		pump(rig, fd, text, (size_t)n, &back);
		CHECK(str_eqz(buf_str(&back), want));
		buf_release(&back);
	}
	CHECK_INT(rig_free(rig), 0);
}

TEST(takes_chunked_bodies_with_trailers)
{
	static const char text[] = CHUNKED("/body") "5\r\nhello\r\n7;x\r\n, world\r\n0\r\nX-T: trailed\r\nOther: x\r\n\r\n" GET("/?2");
	static const char want[] = "HTTP/1.1 200 OK\r\nX-Trailer: trailed\r\nContent-Length: 12\r\n\r\nhello, world" OK("2", "1");
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, text);
	CHECK_STR(hear(rig, fd), want);
	for (size_t i = 0; text[i]; i++)
		say(rig, fd, (char[]){text[i], 0});
	CHECK_STR(hear(rig, fd), want);
	CHECK_INT(rig_free(rig), 0);
}

TEST(reports_bodies_that_are_too_large)
{
	static const char *const cases[] = {POST("/body", "100001"), CHUNKED("/body") "186a1\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		CLEANUP_FREE char *body = pattern(100001);
		struct buf back;
		buf_init(&back, 1 << 20);
		say(rig, fd, cases[i]);
		pump(rig, fd, body, 100001, &back);
		CHECK_INT(rig->result, HTTP_BODY_TOO_LARGE);
		/* The peer gets to read it although it was still sending. */
		CHECK(str_eqz(buf_str(&back), "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
		buf_release(&back);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(counts_bodies_against_the_pool)
{
	struct rig *rig = rig_new();
	rig->pool.max_bytes = 150000;
	CLEANUP_CLOSE int a = rig_connect(rig, STR_NULL), b = rig_connect(rig, STR_NULL);
	CLEANUP_FREE char *body = pattern(80000);
	say(rig, a, POST("/body", "90000"));
	pump(rig, a, body, 80000, NULL);
	CHECK(rig->pool.used_bytes > 80000);
	say(rig, b, POST("/body", "90000"));
	pump(rig, b, body, 80000, NULL);
	CHECK_INT(rig->result, HTTP_BODY_NO_ROOM);
	CHECK_INT(rig->pool.stats.no_room, 1);
	CHECK(strstr(hear(rig, b), "429"));
	/* The first one is not harmed. */
	struct buf back;
	buf_init(&back, 1 << 20);
	pump(rig, a, body, 10000, &back);
	CHECK_INT(rig->result, HTTP_BODY_OK);
	CHECK(back.len > 90000);
	buf_release(&back);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_taken_body_stays_counted)
{
	struct http_pool pool;
	http_pool_init(&pool, 100);
	CHECK(http_pool_charge(&pool, 60));
	CHECK(!http_pool_charge(&pool, 41));
	struct http_blob blob = {.data = malloc(61), .len = 60, .pool = &pool, .charged_bytes = 60};
	http_blob_release(&blob);
	CHECK_INT(pool.used_bytes, 0);
	CHECK(!blob.data);
	http_blob_release(&blob);
}

TEST(sends_100_only_when_the_body_is_wanted)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, "POST /body HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 100 Continue\r\n\r\n");
	say(rig, fd, "abc");
	CHECK_STR(hear(rig, fd), OK("abc", "3"));
	/* With the body already there it is not needed. */
	say(rig, fd, "POST /body HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
	CHECK_STR(hear(rig, fd), OK("abc", "3"));
	say(rig, fd, "POST /status/403 HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext");
	CHECK(!hear(rig, fd));
	CLEANUP_CLOSE int large = rig_connect(rig, STR_NULL);
	say(rig, large, "POST /body HTTP/1.1\r\n" H "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n");
	CHECK(strncmp(hear(rig, large), "HTTP/1.1 429", 12) == 0);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_reply_before_the_body)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	/* A little is dropped and the connection goes on; much is not. */
	say(rig, fd, POST("/?early", "5") "hel");
	say(rig, fd, "lo" CHUNKED("/?chunked") "5\r\nhello\r\n0\r\n\r\n" GET("/?next"));
	CHECK_STR(hear(rig, fd), OK("early", "5") OK("chunked", "7") OK("next", "4"));
	say(rig, fd, POST("/?large", "1000000") "hello");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
	CHECK(!hear(rig, fd));
	CHECK_INT(rig_free(rig), 0);
}

TEST(streams_both_ways)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, CHUNKED("/stream") "5\r\nhello\r\n");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	say(rig, fd, "10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n" POST("/stream", "0") GET("/?next"));
	CHECK_STR(hear(rig, fd), "10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n"
	          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" OK("next", "4"));
	CHECK_INT(rig->ended_count, 2);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_slow_taker_slows_the_sender)
{
	enum { LENGTH = 4 << 20 };
	struct rig *rig = rig_new();
	rig->config.queue_high_bytes = 100000;
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	CLEANUP_FREE char *body = pattern(LENGTH);
	struct buf back;
	buf_init(&back, 2 * LENGTH);
	say(rig, fd, POST("/stream", "4194304"));
	/* Nobody reads: the echo stops, memory stays bounded, and the sender is blocked. */
	size_t at = 0;
	for (int quiet = 0; quiet < 5;) {
		ssize_t n = send(fd, body + at, LENGTH - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		rig_run(rig);
	}
	CHECK(at < LENGTH);
	CHECK(rig->streamed < LENGTH);
	CHECK(rig->most_queued < 100000 + 70000);
	CHECK(rig->pool.used_bytes < 400000);
	pump(rig, fd, body + at, LENGTH - at, &back);
	CHECK_INT(rig->streamed, LENGTH);
	CHECK_INT(rig->ended_count, 1);
	CHECK(back.len > LENGTH && memcmp(back.data + back.len - 5, "0\r\n\r\n", 5) == 0);
	buf_release(&back);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_peer_that_leaves_in_the_middle)
{
	static const char *const cases[] = {POST("/body", "50000") "abc", CHUNKED("/body") "5\r\nhel", CHUNKED("/stream") "5\r\nhel",
		POST("/body", "5") "abc"};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i]);
		CHECK_INT(rig->gone_count, 0);
		close(fd);
		rig_run(rig);
		CHECK_INT(rig->gone_count, 1);
		CHECK_INT(rig->why, HTTP_GONE_CLOSED);
		CHECK_INT(rig->server.conn_count, 0);
		CHECK_INT(rig_free(rig), 0);
	}
}

static void count_release(void *arg)
{
	++*(unsigned *)arg;
}

/* Two large referenced pieces with a copied start. */
static void reply_pieces(struct http_conn *conn, struct http_request *req)
{
	struct rig *rig = rig_of(conn);
	struct str half = {rig->parked_bytes, 200000};
	const struct http_piece pieces[] = {{half, count_release, &rig->released_count}, {half, count_release, &rig->released_count}};
	http_reply(conn, &(struct http_reply){.status = 200, .body = STR("start"), .pieces = pieces, .piece_count = 2});
}

TEST(sends_referenced_pieces_and_releases_each_once)
{
	static const struct http_handler handler = {.on_request = reply_pieces};
	for (int leave = 0; leave < 2; leave++) {
		struct rig *rig = rig_new();
		rig->server.handler = &handler;
		CLEANUP_FREE char *bytes = pattern(200000);
		rig->parked_bytes = bytes;
		struct buf back;
		buf_init(&back, 1 << 20);
		int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, GET("/"));
		CHECK(rig->released_count < 2);
		if (leave)
			close(fd);
		else
			pump(rig, fd, NULL, 0, &back);
		rig_run(rig);
		CHECK_INT(rig->released_count, 2);
		CHECK(leave || (back.len > 400005 && memcmp(back.data + back.len - 200000, bytes, 200000) == 0));
		if (!leave)
			close(fd);
		buf_release(&back);
		CHECK_INT(rig_free(rig), 0);
	}
}

/* ---- timeouts, with limits of a few milliseconds ---- */

TEST(slow_peers_are_cut_off)
{
	static const struct {
		const char *text, *heard;
		unsigned gone;
	} cases[] = {
		{"", NULL, 0},
		{GET("/?1"), OK("1", "1"), 0},
		{"GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408 Request Timeout\r\n", 0},
		{POST("/body", "5") "abc", "HTTP/1.1 408 Request Timeout\r\n", 1},
		{CHUNKED("/stream") "5\r\nhello\r\n", "HTTP/1.1 200 OK\r\n", 1},
		{POST("/status/200", "5") "abc", "HTTP/1.1 200 OK\r\n", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		rig->config.idle_timeout_ms = rig->config.head_timeout_ms = rig->config.body_timeout_ms = 15;
		rig->config.write_timeout_ms = rig->config.linger_timeout_ms = 15;
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		if (cases[i].text[0])
			say(rig, fd, cases[i].text);
		CHECK(rig_run_until_closed(rig));
		const char *heard = hear(rig, fd);
		CHECK(cases[i].heard ? heard && strncmp(heard, cases[i].heard, strlen(cases[i].heard)) == 0 : !heard);
		CHECK_INT(rig->gone_count, cases[i].gone);
		CHECK(!cases[i].gone || rig->why == HTTP_GONE_TIMEOUT);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(a_taker_that_stops_is_cut_off)
{
	static const struct http_handler handler = {.on_request = reply_pieces};
	struct rig *rig = rig_new();
	rig->server.handler = &handler;
	rig->config.write_timeout_ms = 15;
	CLEANUP_FREE char *bytes = pattern(200000);
	rig->parked_bytes = bytes;
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, GET("/") GET("/") GET("/"));
	CHECK(rig_run_until_closed(rig));
	CHECK_INT(rig->released_count % 2, 0);
	CHECK_INT(rig->pool.stats.timed_out, 1);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_parked_request_has_no_timeout)
{
	struct rig *rig = rig_new();
	rig->config.idle_timeout_ms = rig->config.head_timeout_ms = rig->config.body_timeout_ms = 1;
	CLEANUP_CLOSE int a = rig_connect(rig, STR_NULL), b = rig_connect(rig, STR_NULL);
	say(rig, a, GET("/park"));
	for (long i = 0; i < 1000000 && rig->server.conn_count == 2; i++) /* b's idle end comes after a would have had its own */
		rig_run(rig);
	CHECK_INT(rig->gone_count, 0);
	rig_reply(rig->parked[0], 200, STR("x"));
	rig_run(rig);
	CHECK(strstr(hear(rig, a), "200 OK"));
	CHECK(!hear(rig, b));
	CHECK_INT(rig_free(rig), 0);
}

static void released(void *arg)
{
	((struct rig *)arg)->released_count++;
}

/* As one chunk; to HTTP/1.0, and where there is no body, their bytes or nothing. */
TEST(pieces_in_one_chunk)
{
	static const struct {
		const char *request, *want;
	} cases[] = {
		{GET("/wait"), "\r\n\r\n9\r\nheadptail\r\n0\r\n\r\n"},
		{"GET /wait HTTP/1.0\r\n\r\n", "\r\n\r\nheadptail"},
		{"HEAD /wait HTTP/1.1\r\nHost: x\r\n\r\n", "chunked\r\n\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		const struct http_piece pieces[] = {{.bytes = STR("head")}, {STR("p"), released, rig}, {.bytes = STR("tail")}};
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i].request);
		CHECK_INT(rig->parked_count, 1);
		http_reply_start(rig->parked[0], &(struct http_reply){.status = 200}, -1);
		CHECK(http_reply_write_pieces(rig->parked[0], pieces, ARRAY_LEN(pieces)));
		CHECK(http_reply_write_pieces(rig->parked[0], NULL, 0)); /* would end the body, as a chunk */
		http_reply_end(rig->parked[0], NULL, 0);
		rig_run(rig);
		const char *got = hear(rig, fd);
		CHECK(got && strlen(got) > strlen(cases[i].want));
		CHECK_STR(got + strlen(got) - strlen(cases[i].want), cases[i].want);
		CHECK_INT(rig->released_count, 1);
		CHECK_INT(rig_free(rig), 0);
	}
}

TESTS(T(pieces_in_one_chunk), T(takes_bodies_of_any_size_whole), T(takes_chunked_bodies_with_trailers), T(reports_bodies_that_are_too_large),
      T(counts_bodies_against_the_pool), T(a_taken_body_stays_counted), T(sends_100_only_when_the_body_is_wanted),
      T(a_reply_before_the_body), T(streams_both_ways), T(a_slow_taker_slows_the_sender),
      T(a_peer_that_leaves_in_the_middle), T(sends_referenced_pieces_and_releases_each_once), T(slow_peers_are_cut_off),
      T(a_taker_that_stops_is_cut_off), T(a_parked_request_has_no_timeout))
