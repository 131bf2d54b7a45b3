#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>

#include "core/http/conn_priv.h"
#include "tests/unit/http_rig.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define OK(body, n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n" body

TEST(answers_pipelined_requests_in_order)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, GET("/?a") GET("/?b") "POST /body HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nxyz" GET("/?c"));
	CHECK_STR(hear(rig, fd), OK("a", "1") OK("b", "1") OK("xyz", "3") OK("c", "1"));
	CHECK_INT(rig->server.conn_count, 1);
	CHECK_INT(rig_free(rig), 0);
}

TEST(takes_heads_byte_by_byte)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	const char *text = GET("/?slow") GET("/?again");
	for (size_t i = 0; text[i]; i++)
		say(rig, fd, (char[]){text[i], 0});
	CHECK_STR(hear(rig, fd), OK("slow", "4") OK("again", "5"));
	CHECK_INT(rig_free(rig), 0);
}

TEST(takes_a_head_larger_than_the_first_buffer)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	char big[20000];
	for (int round = 0; round < 2; round++) {
		size_t n = (size_t)snprintf(big, sizeof big, "GET /?x HTTP/1.1\r\n" H "X: ");
		memset(big + n, 'v', 15000);
		snprintf(big + n + 15000, 100, "\r\n\r\n");
		say(rig, fd, big);
		CHECK_STR(hear(rig, fd), OK("x", "1"));
	}
	CHECK_INT(rig_free(rig), 0);
}

TEST(answers_a_parked_request_later)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	/* What our runtimes send: the response and the next request in one segment; then more is pipelined behind it. */
	say(rig, fd, "POST /body HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}" GET("/park") GET("/?after"));
	CHECK_STR(hear(rig, fd), OK("{}", "2"));
	CHECK_INT(rig->parked_count, 1);
	CHECK(!http_conn_request(rig->parked[0]));
	rig_reply(rig->parked[0], 200, STR("event"));
	rig_run(rig);
	CHECK_STR(hear(rig, fd), OK("event", "5") OK("after", "5"));
	CHECK_INT(rig_free(rig), 0);
}

TEST(notices_that_a_waiting_peer_left)
{
	static const char *const cases[] = {GET("/park"), GET("/wait"), GET("/park") GET("/more"), GET("/wait") GET("/more")};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i]);
		CHECK_INT(rig->gone_count, 0);
		CHECK_INT(rig->parked_count, 1);
		if (i & 1) /* bytes that nobody reads wait in the socket */
			say(rig, fd, GET("/unread"));
		close(fd);
		rig_run(rig);
		CHECK_INT(rig->gone_count, 1);
		CHECK_INT(rig->why, HTTP_GONE_CLOSED);
		CHECK_INT(rig->server.conn_count, 0);
		CHECK_INT(rig->request_count, 1);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(adopts_a_connection_in_the_middle_of_a_request)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR(GET("/park")));
	rig_run(rig);
	CHECK_INT(rig->parked_count, 1);
	rig_reply(rig->parked[0], 200, STR("restored"));
	say(rig, fd, GET("/?2"));
	CHECK_STR(hear(rig, fd), OK("restored", "8") OK("2", "1"));
	CHECK_INT(rig_free(rig), 0);
}

TEST(refuses_and_closes)
{
	static const struct {
		const char *text, *status;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" H H "\r\n" GET("/"), "HTTP/1.1 400 Bad Request\r\n"},
		{"GET / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
		{"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST /body HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST /body HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i].text);
		const char *heard = hear(rig, fd);
		CHECK(heard && strncmp(heard, cases[i].status, strlen(cases[i].status)) == 0);
		CHECK(strstr(heard, "Connection: close\r\n"));
		CHECK(!hear(rig, fd)); /* end of file although we have not closed */
		CHECK_INT(rig->pool.stats.refused, 1);
		CHECK_INT(rig->request_count, i < 3 ? 0 : 1);
		CHECK_INT(rig->gone_count, i < 3 ? 0 : 1);
		CHECK(i < 3 || rig->why == HTTP_GONE_MALFORMED);
		close(STEAL_FD(fd));
		rig_run(rig);
		CHECK_INT(rig->server.conn_count, 0);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(replies_without_body)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, "HEAD /?abc HTTP/1.1\r\n" H "\r\n" GET("/status/204") GET("/status/304") GET("/?x"));
	CHECK_STR(hear(rig, fd), OK("", "3") "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n" OK("x", "1"));
	CHECK_INT(rig_free(rig), 0);
}

TEST(speaks_http_1_0)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, "GET /?1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n1");
	say(rig, fd, "POST /stream HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nwxyz");
	CHECK_STR(hear(rig, fd), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwxyz");
	CHECK(!hear(rig, fd));
	CHECK_INT(rig_free(rig), 0);
}

static void add_injected(struct http_conn *conn, struct http_request *req)
{
	struct http_header h = {STR("X-Error"), STR("a\r\nSet-Cookie: b\0c")};
	http_reply(conn, &(struct http_reply){.status = 200, .headers = &h, .header_count = 1, .raw_headers = "X-Raw: 1\r\n"});
}

TEST(header_values_cannot_end_their_line)
{
	static const struct http_handler handler = {.on_request = add_injected};
	struct rig *rig = rig_new();
	rig->server.handler = &handler;
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, GET("/"));
	CHECK_STR(hear(rig, fd), "HTTP/1.1 200 OK\r\nX-Error: a  Set-Cookie: b c\r\nX-Raw: 1\r\nContent-Length: 0\r\n\r\n");
	CHECK_INT(rig_free(rig), 0);
}

TEST(may_be_released_or_aborted_in_a_callback)
{
	static const char *const cases[] = {GET("/park") GET("/x"), GET("/abort") GET("/x"), GET("/?1") GET("/release") GET("/x")};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig *rig = rig_new();
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		CLEANUP_CLOSE int other = rig_connect(rig, STR_NULL);
		say(rig, other, GET("/park"));
		say(rig, fd, cases[i]);
		CHECK_INT(rig->gone_count, 0);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(drains)
{
	struct rig *rig = rig_new();
	CLEANUP_CLOSE int idle = rig_connect(rig, STR_NULL), busy = rig_connect(rig, STR_NULL);
	say(rig, idle, GET("/?1"));
	say(rig, busy, GET("/wait"));
	http_server_drain(&rig->server);
	rig_run(rig);
	CHECK_STR(hear(rig, idle), OK("1", "1"));
	CHECK(!hear(rig, idle));
	CHECK_INT(rig->drained_count, 0);
	rig_reply(rig->parked[0], 200, STR("late"));
	rig_run(rig);
	CHECK_STR(hear(rig, busy), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate");
	CHECK_INT(rig->drained_count, 1);
	CHECK_INT(rig_free(rig), 0);
}

static int listen_on_loopback(struct rig *rig, struct http_listener *listener, struct sockaddr_in *addr)
{
	socklen_t size = sizeof *addr;
	*addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)addr, sizeof *addr) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &size) < 0)
		return -1;
	return http_server_listen(&rig->server, listener, fd, NULL);
}

static int connect_to(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (const struct sockaddr *)addr, sizeof *addr) < 0 ? -1 : fd;
}

TEST(listens_and_pauses)
{
	struct rig *rig = rig_new();
	struct http_listener listener;
	struct sockaddr_in addr;
	CHECK_INT(listen_on_loopback(rig, &listener, &addr), 0);
	CLEANUP_CLOSE int a = connect_to(&addr);
	say(rig, a, GET("/peer"));
	CHECK_STR(await(rig, a), OK("127.0.0.1", "9"));
	http_server_pause(&rig->server, true);
	CLEANUP_CLOSE int b = connect_to(&addr);
	say(rig, b, GET("/?b"));
	CHECK_INT(rig->server.conn_count, 1);
	http_server_pause(&rig->server, false);
	CHECK_STR(await(rig, b), OK("b", "1"));
	CHECK_INT(rig_free(rig), 0);
}

TEST(makes_room_by_closing_the_longest_idle)
{
	struct rig *rig = rig_new();
	struct http_listener listener;
	struct sockaddr_in addr;
	rig->config.conns_max = 2;
	CHECK_INT(listen_on_loopback(rig, &listener, &addr), 0);
	CLEANUP_CLOSE int a = connect_to(&addr), b = connect_to(&addr);
	say(rig, b, GET("/?b"));
	CHECK_STR(await(rig, b), OK("b", "1"));
	say(rig, a, GET("/?a"));
	CHECK_STR(await(rig, a), OK("a", "1"));
	CLEANUP_CLOSE int c = connect_to(&addr);
	say(rig, c, GET("/wait"));
	CHECK(!await(rig, b)); /* a was used after it */
	say(rig, a, GET("/status/404"));
	CHECK(strstr(await(rig, a), "404"));
	CHECK_INT(rig->pool.stats.evicted, 1);
	CHECK_INT(rig_free(rig), 0);
}

TEST(makes_new_ones_wait_while_all_are_busy)
{
	struct rig *rig = rig_new();
	struct http_listener listener;
	struct sockaddr_in addr;
	rig->config.conns_max = 1;
	CHECK_INT(listen_on_loopback(rig, &listener, &addr), 0);
	CLEANUP_CLOSE int a = connect_to(&addr);
	say(rig, a, GET("/?1") GET("/wait"));
	CHECK_STR(await(rig, a), OK("1", "1"));
	CLEANUP_CLOSE int b = connect_to(&addr);
	say(rig, b, GET("/?b"));
	CHECK_INT(rig->server.conn_count, 1);
	CHECK_INT(rig->pool.stats.accepted, 1);
	rig_reply(rig->parked[0], 200, STR("a"));
	CHECK_STR(await(rig, a), OK("a", "1"));
	close(STEAL_FD(a));
	CHECK_STR(await(rig, b), OK("b", "1"));
	CHECK_INT(rig_free(rig), 0);
}

/* What comes in at one listener cannot use up what others share. */
TEST(a_listener_has_a_share)
{
	struct rig *rig = rig_new();
	struct http_listener few, other;
	struct sockaddr_in few_addr, other_addr;
	CHECK_INT(listen_on_loopback(rig, &few, &few_addr), 0);
	CHECK_INT(http_listener_limit(&few, 2, NULL), 0);
	CHECK_INT(listen_on_loopback(rig, &other, &other_addr), 0);
	CLEANUP_CLOSE int a = connect_to(&few_addr), b = connect_to(&few_addr);
	say(rig, a, GET("/wait"));
	say(rig, b, GET("/?b"));
	CHECK_STR(await(rig, b), OK("b", "1"));
	CLEANUP_CLOSE int c = connect_to(&few_addr); /* b is idle, and goes */
	say(rig, c, GET("/wait"));
	CHECK(!await(rig, b));
	CHECK_INT(rig->pool.stats.evicted, 1);
	CLEANUP_CLOSE int d = connect_to(&few_addr), e = connect_to(&other_addr);
	say(rig, d, GET("/?d"));
	say(rig, e, GET("/?e"));
	CHECK_STR(await(rig, e), OK("e", "1"));
	CHECK_INT(rig->server.conn_count, 3);
	rig_reply(rig->parked[0], 200, STR("a"));
	CHECK_STR(await(rig, a), OK("a", "1"));
	close(STEAL_FD(a));
	CHECK_STR(await(rig, d), OK("d", "1"));
	http_listener_close(&few);
	rig_reply(rig->parked[1], 200, STR("c"));
	CHECK_STR(await(rig, c), OK("c", "1"));
	CHECK_INT(rig_free(rig), 0);
}

/* ---- memory ---- */

enum { MANY = 1000, IDLE_MAX_BYTES = 4096 };

static size_t heap_bytes(void)
{
	return mallinfo2().uordblks;
}

/* Bytes of heap for each of MANY connections that sent `text` and then wait. 0: this heap does not count (sanitizers). */
static size_t bytes_each(const char *text)
{
	static int fds[MANY];
	struct rig *rig = rig_new();
	int warm = rig_connect(rig, STR_NULL); /* the pool's reused buffers are not the connections' */
	say(rig, warm, GET("/?1"));
	size_t before = heap_bytes();
	for (int i = 0; i < MANY; i++)
		fds[i] = rig_connect(rig, STR_NULL);
	for (int i = 0; i < MANY; i++)
		if (send(fds[i], text, strlen(text), MSG_NOSIGNAL) < 0)
			perror("send");
	rig_run(rig);
	size_t after = heap_bytes();
	size_t counted = rig->pool.used_bytes / MANY;
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(warm);
	rig_run(rig);
	size_t left = rig_free(rig);
	return left ? SIZE_MAX : (after - before) / MANY + counted;
}

TEST(idle_parked_and_slow_connections_are_small)
{
	static const char *const cases[] = {"", GET("/?1"), GET("/park"), "GET / HTTP/1.1\r\nHost: slow-lo"};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t each = bytes_each(cases[i]);
		CHECK(each < IDLE_MAX_BYTES);
		CHECK(sizeof(struct http_conn) < 1024);
	}
}

TESTS(T(answers_pipelined_requests_in_order), T(takes_heads_byte_by_byte), T(takes_a_head_larger_than_the_first_buffer),
      T(answers_a_parked_request_later), T(notices_that_a_waiting_peer_left),
      T(adopts_a_connection_in_the_middle_of_a_request), T(refuses_and_closes), T(replies_without_body),
      T(speaks_http_1_0), T(header_values_cannot_end_their_line), T(may_be_released_or_aborted_in_a_callback), T(drains),
      T(listens_and_pauses), T(makes_room_by_closing_the_longest_idle), T(makes_new_ones_wait_while_all_are_busy), T(a_listener_has_a_share), T(idle_parked_and_slow_connections_are_small))
