#include <signal.h>
#include <sys/un.h>

#include "core/http/conn_priv.h"
#include "tests/unit/tls_client.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define OK(body, n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n" body
#define BIG_BYTES (8u << 20)

static struct rig *rig_with_tls(struct http_tls **tls)
{
	struct rig *rig = rig_new();
	signal(SIGPIPE, SIG_IGN); /* as the header asks */
	*tls = make_tls("first.example");
	http_server_use_tls(&rig->server, *tls);
	return rig;
}

TEST(answers_over_every_version)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct http_tls *tls;
		struct rig *rig = rig_with_tls(&tls);
		struct peer p = {.version = versions[i], .alpn = "\x02h2\x08http/1.1"};
		const unsigned char *chosen;
		unsigned n;
		peer_open(&p, rig);
		CHECK(peer_shake(&p));
		CHECK_INT(SSL_version(p.ssl), versions[i]);
		SSL_get0_alpn_selected(p.ssl, &chosen, &n);
		CHECK(n == 8 && memcmp(chosen, "http/1.1", 8) == 0);
		peer_say(&p, GET("/?a") GET("/?b") "POST /body HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nxyz" GET("/wait"));
		CHECK_INT(peer_hear(&p), SSL_ERROR_WANT_READ);
		CHECK_STR(p.heard, OK("a", "1") OK("b", "1") OK("xyz", "3"));
		CHECK(rig->parked_count == 1 && http_conn_secure(rig->parked[0]));
		CHECK_INT(rig->pool.stats.handshakes, 1);
		peer_close(&p);
		rig_run(rig);
		CHECK_INT(rig->gone_count, 1);
		CHECK_INT(rig->server.conn_count, 0);
		http_tls_free(tls);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(refuses_what_is_old_or_speaks_something_else)
{
	static const struct peer cases[] = {{.version = TLS1_1_VERSION}, {.alpn = "\x02h2"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_tls *tls;
		struct rig *rig = rig_with_tls(&tls);
		struct peer p = cases[i];
		peer_open(&p, rig);
		CHECK(!peer_shake(&p));
		CHECK_INT(rig->pool.stats.handshakes, 0);
		CHECK_INT(rig->pool.stats.handshakes_failed, 1);
		peer_close(&p);
		rig_run(rig);
		CHECK_INT(rig->server.conn_count, 0);
		http_tls_free(tls);
		CHECK_INT(rig_free(rig), 0);
	}
}

/* The handshake's bytes and the request's arrive one by one. */
TEST(takes_a_handshake_byte_by_byte)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {0};
	peer_open(&p, rig);
	BIO *out = BIO_new(BIO_s_mem());
	SSL_set0_wbio(p.ssl, out);
	for (int i = 0; i < 8; i++) {
		char byte;
		if (SSL_is_init_finished(p.ssl))
			SSL_write(p.ssl, GET("/?x"), sizeof GET("/?x") - 1);
		else
			SSL_do_handshake(p.ssl);
		while (BIO_read(out, &byte, 1) == 1) {
			CHECK_INT(send(p.fd, &byte, 1, MSG_NOSIGNAL), 1);
			rig_run(rig);
		}
		if (rig->request_count)
			break;
	}
	CHECK_INT(peer_hear(&p), SSL_ERROR_WANT_READ);
	CHECK_STR(p.heard, OK("x", "1"));
	peer_close(&p);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

TEST(plain_http_is_told_so)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, GET("/?secret"));
	const char *heard = hear(rig, fd);
	CHECK(heard && strncmp(heard, "HTTP/1.1 400 Bad Request\r\n", 26) == 0);
	CHECK(strstr(heard, "this port speaks HTTPS") && strstr(heard, "Connection: close\r\n"));
	CHECK(!hear(rig, fd));
	CHECK_INT(rig->request_count, 0);
	close(STEAL_FD(fd));
	rig_run(rig);
	CHECK_INT(rig->server.conn_count, 0);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

TEST(garbage_and_broken_handshakes_end)
{
	static const char *const cases[] = {"\x16garbage that is no record at all", "\x16\x03\x01\x02", ""};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_tls *tls;
		struct rig *rig = rig_with_tls(&tls);
		int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i]);
		close(fd);
		rig_run(rig);
		CHECK_INT(rig->server.conn_count, 0);
		CHECK_INT(rig->pool.stats.handshakes_failed, 1);
		CHECK_INT(rig->request_count + rig->gone_count, 0);
		http_tls_free(tls);
		CHECK_INT(rig_free(rig), 0);
	}
}

TEST(a_handshake_has_a_time_limit)
{
	static const char *const cases[] = {"", "\x16\x03\x01"};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_tls *tls;
		struct rig *rig = rig_with_tls(&tls);
		rig->config.handshake_timeout_ms = 20;
		CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
		say(rig, fd, cases[i]);
		CHECK_INT(rig->server.conn_count, 1);
		CHECK(rig_run_until_closed(rig));
		CHECK_INT(rig->pool.stats.timed_out, 1);
		http_tls_free(tls);
		CHECK_INT(rig_free(rig), 0);
	}
}

/* Whoever does not finish its handshake keeps nobody out. */
TEST(unfinished_handshakes_make_room)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {0};
	rig->config.conns_max = 2;
	char path[64];
	snprintf(path, sizeof path, "/tmp/mayfly-tls-%d", getpid());
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	memcpy(at.sun_path, path, strlen(path) + 1);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[3];
	CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 8) == 0);
	struct http_listener front;
	CHECK_INT(http_server_listen(&rig->server, &front, listener, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		CHECK_INT(connect(fds[i], (struct sockaddr *)&at, sizeof at), 0);
		rig_run(rig);
	}
	unlink(path);
	CHECK_INT(rig->pool.stats.evicted, 1);
	CHECK(!hear(rig, fds[0]));
	CHECK_STR(hear(rig, fds[2]), "");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	peer_close(&p);
	rig_run(rig);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

/* Takes the chunks of one reply apart; the number of body bytes, or -1 when they differ from `want`. */
static long unchunk(const char *reply, const char *want)
{
	const char *at = strstr(reply, "\r\n\r\n");
	long total = 0;
	for (at = at ? at + 4 : reply;;) {
		char *end;
		long n = strtol(at, &end, 16);
		if (n == 0 || memcmp(end + 2, want + total, (size_t)n) != 0)
			return n == 0 ? total : -1;
		total += n;
		at = end + 2 + n + 2;
	}
}

static char *big_text(void)
{
	char *data = malloc(BIG_BYTES + 200);
	for (size_t i = 0; i < BIG_BYTES; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	return data;
}

TEST(large_bodies_go_both_ways_with_backpressure)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {0};
	CLEANUP_FREE char *data = big_text();
	char head[200];
	peer_open(&p, rig);
	CHECK(peer_shake(&p));
	snprintf(head, sizeof head, "POST /stream HTTP/1.1\r\n" H "Content-Length: %u\r\n\r\n", BIG_BYTES);
	peer_say(&p, head);
	/* The client takes nothing: the server stops reading, and holds no more than its queue allows. */
	size_t sent = peer_send(&p, data, BIG_BYTES, false);
	CHECK(sent < BIG_BYTES);
	CHECK(rig->streamed < BIG_BYTES / 2);
	CHECK(rig->most_queued < rig->config.queue_high_bytes + 2 * BODY_INPUT_BYTES);
	CHECK(rig->pool.used_bytes < 2 * rig->config.queue_high_bytes);
	CHECK_INT(peer_send(&p, data + sent, BIG_BYTES - sent, true), BIG_BYTES - sent);
	for (int i = 0; i < 1000 && peer_hear(&p) == SSL_ERROR_WANT_READ; i++)
		rig_run(rig);
	CHECK_INT(peer_hear(&p), SSL_ERROR_ZERO_RETURN); /* it had begun to answer before it knew that it would read all */
	CHECK_INT(rig->streamed, BIG_BYTES);
	CHECK_INT(unchunk(p.heard, data), BIG_BYTES);
	peer_close(&p);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_whole_body_comes_back_as_it_was)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {0};
	CLEANUP_FREE char *data = big_text();
	peer_open(&p, rig);
	CHECK(peer_shake(&p));
	for (int round = 0; round < 3; round++) {
		p.heard_len = 0;
		peer_say(&p, "POST /body HTTP/1.1\r\n" H "Content-Length: 99999\r\n\r\n");
		CHECK_INT(peer_send(&p, data, 99999, true), 99999);
		for (int i = 0; i < 50 && p.heard_len < 99999; i++) {
			peer_hear(&p);
			rig_run(rig);
		}
		const char *body = strstr(p.heard, "\r\n\r\n");
		CHECK(body && p.heard_len == (size_t)(body + 4 - p.heard) + 99999 && memcmp(body + 4, data, 99999) == 0);
	}
	peer_close(&p);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

/* The end of a reply that was given up must not look like the end of a complete one. */
TEST(says_goodbye_unless_it_breaks_off)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	static const struct {
		const char *text;
		int end;
	} cases[] = {
		{"GET /?x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", SSL_ERROR_ZERO_RETURN},
		{"GET /?x HTTP/1.0\r\n\r\n", SSL_ERROR_ZERO_RETURN},
		{GET("/abort"), SSL_ERROR_SSL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct peer p = {0};
		peer_open(&p, rig);
		CHECK(peer_shake(&p));
		peer_say(&p, cases[i].text);
		CHECK_INT(peer_hear(&p), cases[i].end);
		peer_close(&p);
		rig_run(rig);
		CHECK_INT(rig->server.conn_count, 0);
	}
	struct peer idle = {0};
	rig->config.idle_timeout_ms = 20;
	peer_open(&idle, rig);
	CHECK(peer_shake(&idle));
	CHECK(rig_run_until_closed(rig));
	CHECK_INT(peer_hear(&idle), SSL_ERROR_ZERO_RETURN);
	peer_close(&idle);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

TEST(a_client_that_said_goodbye_still_gets_its_answer)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {0};
	peer_open(&p, rig);
	CHECK(peer_shake(&p));
	peer_say(&p, GET("/wait"));
	CHECK_INT(SSL_shutdown(p.ssl), 0);
	rig_run(rig);
	CHECK_INT(rig->gone_count, 0);
	rig_reply(rig->parked[0], 200, STR("late"));
	rig_run(rig);
	CHECK_INT(peer_hear(&p), SSL_ERROR_ZERO_RETURN);
	CHECK_STR(p.heard, OK("late", "4"));
	CHECK_INT(rig->server.conn_count, 0);
	peer_close(&p);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

static const char *name_seen(struct peer *p, char name[80])
{
	X509 *cert = SSL_get1_peer_certificate(p->ssl);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, 80);
	X509_free(cert);
	return name;
}

TEST(a_new_certificate_is_for_new_connections)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer old = {0}, new = {0};
	char name[80];
	peer_open(&old, rig);
	CHECK(peer_shake(&old));
	struct http_tls *next = make_tls("second.example");
	http_server_use_tls(&rig->server, next);
	http_tls_free(tls);
	peer_open(&new, rig);
	CHECK(peer_shake(&new));
	CHECK_STR(name_seen(&old, name), "first.example");
	CHECK_STR(name_seen(&new, name), "second.example");
	peer_say(&old, GET("/?old"));
	peer_hear(&old);
	CHECK_STR(old.heard, OK("old", "3"));
	http_server_use_tls(&rig->server, NULL);
	CLEANUP_CLOSE int fd = rig_connect(rig, STR_NULL);
	say(rig, fd, GET("/?plain"));
	CHECK_STR(hear(rig, fd), OK("plain", "5"));
	peer_close(&old);
	peer_close(&new);
	http_tls_free(next);
	CHECK_INT(rig_free(rig), 0);
}

/* A key update in the middle of it: reading makes OpenSSL write. */
TEST(survives_new_keys)
{
	struct http_tls *tls;
	struct rig *rig = rig_with_tls(&tls);
	struct peer p = {.version = TLS1_3_VERSION};
	peer_open(&p, rig);
	CHECK(peer_shake(&p));
	for (int i = 0; i < 3; i++) {
		CHECK_INT(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		p.heard_len = 0;
		peer_say(&p, GET("/?again"));
		peer_hear(&p);
		CHECK_STR(p.heard, OK("again", "5"));
	}
	peer_close(&p);
	http_tls_free(tls);
	CHECK_INT(rig_free(rig), 0);
}

TEST(says_what_is_wrong_with_the_files)
{
	static struct pair good, other, locked, damaged;
	make_pair(&good, "one.example", NULL);
	make_pair(&other, "two.example", NULL);
	make_pair(&locked, "three.example", "secret");
	snprintf(damaged.cert, sizeof damaged.cert, "%.2000s%.60s\nnonsense\n", good.cert, good.cert);
	const struct {
		const char *cert, *key, *want;
	} cases[] = {
		{good.cert, other.key, "the key is not the certificate's: key values mismatch"},
		{good.cert, locked.key, "the key has a passphrase"},
		{good.cert, good.cert, "the key file has no private key"},
		{good.cert, "", "the key file has no private key"},
		{good.key, good.key, "the certificate file has no certificate"},
		{"", good.key, "the certificate file has no certificate"},
		{damaged.cert, good.key, "the certificate's chain is damaged"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err = {0};
		CHECK(!http_tls_new(str_from(cases[i].cert), str_from(cases[i].key), &err));
		CHECK(strncmp(err.msg, cases[i].want, strlen(cases[i].want)) == 0);
		CHECK_INT(err.code, ERR_USAGE);
		CHECK_INT(ERR_peek_error(), 0);
	}
	struct http_tls *tls = http_tls_new(str_from(good.cert), str_from(good.key), NULL);
	char text[HTTP_TLS_TEXT];
	http_tls_describe(tls, text);
	CHECK(strncmp(text, "for one.example, until 20", 25) == 0);
	CHECK(http_tls_left_s(tls) > 3000 && http_tls_left_s(tls) <= 3600);
	http_tls_free(tls);
}

TESTS(T(answers_over_every_version), T(refuses_what_is_old_or_speaks_something_else), T(takes_a_handshake_byte_by_byte),
      T(plain_http_is_told_so), T(garbage_and_broken_handshakes_end), T(a_handshake_has_a_time_limit), T(unfinished_handshakes_make_room),
      T(large_bodies_go_both_ways_with_backpressure), T(a_whole_body_comes_back_as_it_was), T(says_goodbye_unless_it_breaks_off),
      T(a_client_that_said_goodbye_still_gets_its_answer), T(a_new_certificate_is_for_new_connections), T(survives_new_keys),
      T(says_what_is_wrong_with_the_files))
