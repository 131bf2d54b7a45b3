#include "control/telemetry/delivery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/clock.h"

#define BATCH_NS (10 * NS_PER_S)  /* attempts are made until then */
#define ATTEMPT_NS (5 * NS_PER_S)
#define REST_MIN_NS (25 * NS_PER_MS)
#define REST_MAX_NS (1 * NS_PER_S)
#define READ_BYTES 4096u
#define READS_MAX 16 /* a round */
#define BODY_KEPT_BYTES 65536u

static void attempt(struct telemetry_delivery *d);

/* ---- the connection ---- */

static void close_socket(struct telemetry_delivery *d)
{
	ev_io_stop(&d->io);
	if (d->io.fd >= 0)
		close(d->io.fd);
	d->io.fd = -1;
	d->connected = false;
}

/* The socket is as new afterwards, without another one having to be made inside. */
static void disconnect(struct telemetry_delivery *d)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int ignored;
	socklen_t size = sizeof ignored;
	ev_io_stop(&d->io);
	d->connected = false;
	if (d->io.fd < 0)
		return;
	if (connect(d->io.fd, &nobody, sizeof nobody) < 0)
		close_socket(d);
	else
		getsockopt(d->io.fd, SOL_SOCKET, SO_ERROR, &ignored, &size); /* of the connection that has gone */
}

/* Whether the other side has ended an idle connection, or says something that nobody asked for. What a TCP subscriber says is nobody's
 * business. */
static bool is_stale(struct telemetry_delivery *d)
{
	char data[READ_BYTES];
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(d->io.fd, data, sizeof data, MSG_DONTWAIT);
		if (n < 0)
			return errno != EAGAIN && errno != EINTR;
		if (n == 0 || !d->to->tcp)
			return true;
	}
	return false;
}

/* ---- how an attempt ends ---- */

static void rest_or_give_up(struct telemetry_delivery *d)
{
	uint64_t rest_ns = REST_MIN_NS << (d->attempts < 6 ? d->attempts : 6);
	rest_ns = rest_ns > REST_MAX_NS ? REST_MAX_NS : rest_ns;
	d->attempts++;
	if (clock_mono_ns() + rest_ns < d->until_ns) {
		d->state = DELIVERY_RESTING;
		ev_timer_after(d->loop, &d->timer, rest_ns);
		return;
	}
	ev_timer_stop(&d->timer);
	d->state = DELIVERY_IDLE;
	d->events->done(d, false);
}

static void fail(struct telemetry_delivery *d)
{
	bool again = d->reused && !d->answered; /* it was most likely closed in the same moment */
	disconnect(d);
	if (again)
		attempt(d);
	else
		rest_or_give_up(d);
}

static void succeed(struct telemetry_delivery *d, bool keep)
{
	ev_timer_stop(&d->timer);
	if (keep)
		ev_io_stop(&d->io);
	else
		disconnect(d);
	d->state = DELIVERY_IDLE;
	buf_clear(&d->body);
	if (d->body.cap > BODY_KEPT_BYTES)
		buf_release(&d->body);
	d->events->done(d, true);
}

/* ---- an attempt ---- */

/* 1: all sent, 0: not now, -1: the connection is broken. */
static int send_some(struct telemetry_delivery *d)
{
	size_t total = d->head_len + d->body.len;
	while (d->sent < total) {
		size_t in_body = d->sent > d->head_len ? d->sent - d->head_len : 0;
		struct iovec parts[2] = {{d->body.data + in_body, d->body.len - in_body}};
		struct msghdr m = {.msg_iov = parts, .msg_iovlen = 1};
		if (d->sent < d->head_len) {
			parts[1] = parts[0];
			parts[0] = (struct iovec){d->head + d->sent, d->head_len - d->sent};
			m.msg_iovlen = 2;
		}
		ssize_t n = sendmsg(d->io.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		d->sent += (size_t)n;
	}
	return 1;
}

/* Refused with a status: the connection is fine, when all was sent and read. */
static void take_answer(struct telemetry_delivery *d, bool rest)
{
	bool keep = d->answer.keep_alive && !rest && d->state == DELIVERY_ANSWERING;
	if (d->answer.status >= 200 && d->answer.status < 300) {
		succeed(d, keep);
		return;
	}
	if (keep)
		ev_io_stop(&d->io);
	else
		disconnect(d);
	rest_or_give_up(d);
}

/* True: the attempt is over. */
static bool read_answer(struct telemetry_delivery *d)
{
	char data[READ_BYTES];
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(d->io.fd, data, sizeof data, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		long took = n > 0 ? http_answer_feed(&d->answer, data, (size_t)n) : -1;
		d->answered |= n > 0;
		if (n == 0 && http_answer_end(&d->answer) == 0)
			took = 0;
		if (took < 0) {
			fail(d);
			return true;
		}
		if (d->answer.done) {
			take_answer(d, took != n);
			return true;
		}
	}
	return false;
}

static void watch(struct telemetry_delivery *d, unsigned want)
{
	if (d->suspended)
		return;
	if (d->io.loop)
		ev_io_want(&d->io, want);
	else if (ev_io_start(d->loop, &d->io, want, NULL) < 0)
		fail(d);
}

static void go_on_sending(struct telemetry_delivery *d)
{
	int r = send_some(d);
	if (r < 0) {
		/* It may have said why before it closed. */
		if (d->to->tcp || !read_answer(d))
			fail(d);
	} else if (r == 0) {
		watch(d, EV_WRITE | (d->to->tcp ? 0u : EV_READ));
	} else if (d->to->tcp) {
		succeed(d, true);
	} else {
		d->state = DELIVERY_ANSWERING;
		watch(d, EV_READ);
	}
}

static void begin_sending(struct telemetry_delivery *d)
{
	d->connected = true;
	d->state = DELIVERY_SENDING;
	d->sent = 0;
	d->answered = false;
	http_answer_init(&d->answer);
	go_on_sending(d);
}

static void on_connected(struct telemetry_delivery *d)
{
	int problem = 0;
	socklen_t size = sizeof problem;
	if (getsockopt(d->io.fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0 || problem)
		fail(d);
	else
		begin_sending(d);
}

static void on_io(struct ev_io *io, unsigned events)
{
	struct telemetry_delivery *d = CONTAINER_OF(io, struct telemetry_delivery, io);
	if (d->state == DELIVERY_CONNECTING)
		on_connected(d);
	else if (d->state == DELIVERY_ANSWERING)
		read_answer(d);
	else if (!(events & EV_READ) || !read_answer(d))
		go_on_sending(d);
}

static void dial(struct telemetry_delivery *d)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(d->to->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	d->state = DELIVERY_CONNECTING;
	if (connect(d->io.fd, (struct sockaddr *)&at, sizeof at) == 0)
		begin_sending(d);
	else if (errno == EINPROGRESS)
		watch(d, EV_WRITE);
	else
		fail(d);
}

static void attempt(struct telemetry_delivery *d)
{
	if (d->io.fd < 0) {
		ev_timer_stop(&d->timer);
		d->state = DELIVERY_SOCKET;
		d->events->want_socket(d);
		return;
	}
	if (d->connected && is_stale(d))
		disconnect(d);
	if (d->io.fd < 0) { /* it could not be disconnected */
		attempt(d);
		return;
	}
	ev_timer_after(d->loop, &d->timer, ATTEMPT_NS);
	d->reused = d->connected;
	if (d->connected)
		begin_sending(d);
	else
		dial(d);
}

static void on_timer(struct ev_timer *timer)
{
	struct telemetry_delivery *d = CONTAINER_OF(timer, struct telemetry_delivery, timer);
	d->reused = false;
	if (d->state == DELIVERY_RESTING)
		attempt(d);
	else
		fail(d);
}

/* ---- for the owner ---- */

void telemetry_delivery_init(struct telemetry_delivery *d, struct ev_loop *loop, const struct telemetry_subscription *to,
                             size_t body_max_bytes, const struct telemetry_delivery_events *events)
{
	*d = (struct telemetry_delivery){.events = events, .to = to, .loop = loop, .io = {.fd = -1, .cb = on_io}, .timer.cb = on_timer};
	buf_init(&d->body, body_max_bytes);
}

void telemetry_delivery_release(struct telemetry_delivery *d)
{
	ev_timer_stop(&d->timer);
	close_socket(d);
	buf_release(&d->body);
}

bool telemetry_delivery_busy(const struct telemetry_delivery *d)
{
	return d->state != DELIVERY_IDLE;
}

void telemetry_delivery_send(struct telemetry_delivery *d)
{
	ASSERT(d->state == DELIVERY_IDLE && !d->suspended);
	d->attempts = 0;
	d->until_ns = clock_mono_ns() + BATCH_NS;
	d->head_len = 0;
	if (!d->to->tcp) {
		int n = snprintf(d->head, sizeof d->head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		                 d->to->put ? "PUT" : "POST", d->to->path, d->to->host, d->body.len);
		ASSERT(n > 0 && (size_t)n < sizeof d->head);
		d->head_len = (size_t)n;
	}
	attempt(d);
}

void telemetry_delivery_socket(struct telemetry_delivery *d, int fd)
{
	close_socket(d);
	d->io.fd = fd;
	if (d->state != DELIVERY_SOCKET)
		return;
	if (fd < 0) {
		d->state = DELIVERY_IDLE;
		d->events->done(d, false);
	} else if (d->suspended) {
		d->state = DELIVERY_RESTING;
		d->timer_left_ns = 1;
	} else {
		attempt(d);
	}
}

int telemetry_delivery_take_socket(struct telemetry_delivery *d)
{
	disconnect(d);
	int fd = d->io.fd;
	d->io.fd = -1;
	return fd;
}

void telemetry_delivery_suspend(struct telemetry_delivery *d)
{
	if (d->suspended)
		return;
	d->suspended = true;
	d->suspended_ns = clock_mono_ns();
	d->timer_left_ns = 0;
	if (d->timer.loop)
		d->timer_left_ns = d->timer.at_ns > d->suspended_ns ? d->timer.at_ns - d->suspended_ns : 1;
	ev_timer_stop(&d->timer);
	ev_io_stop(&d->io);
}

void telemetry_delivery_resume(struct telemetry_delivery *d)
{
	if (!d->suspended)
		return;
	d->suspended = false;
	d->until_ns += clock_mono_ns() - d->suspended_ns;
	if (d->timer_left_ns)
		ev_timer_after(d->loop, &d->timer, d->timer_left_ns);
	if (d->state == DELIVERY_CONNECTING || d->state == DELIVERY_SENDING)
		watch(d, EV_WRITE);
	else if (d->state == DELIVERY_ANSWERING)
		watch(d, EV_READ);
}
