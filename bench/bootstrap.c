/*
 * bench-bootstrap: the C function of the bench, a `provided` runtime and its handler in one program.
 *
 * Answers {"n":N} with {"answer":N+1}, after "sleep_ms" milliseconds if the event has such a field. Speaks the
 * Runtime API on one connection; the response and the next request leave in one write. An event with "stream_mb" or "stamps"
 * is answered in streaming mode: so many stamped pieces, 5 ms apart, then so many megabytes in pieces of 64 KiB.
 */
#include "wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BUFFER = 16 << 20, PIECE_LEN = 65536 };

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"

/* The integer behind a name in the event; the events of the bench are flat. */
static long field(const char *event, size_t len, const char *quoted_name)
{
    const char *at = memmem(event, len, quoted_name, strlen(quoted_name));
    if (!at)
        return 0;
    at += strlen(quoted_name);
    const char *end = event + len;
    while (at < end && (*at == ':' || *at == ' '))
        at++;
    long value = 0;
    for (; at < end && *at >= '0' && *at <= '9' && value < 100000000; at++)
        value = value * 10 + (*at - '0');
    return value;
}

static int handle(const char *event, size_t len, char *answer, size_t answer_cap)
{
    long sleep_ms = field(event, len, "\"sleep_ms\"");
    if (sleep_ms > 0) {
        struct timespec pause = {.tv_sec = sleep_ms / 1000, .tv_nsec = sleep_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    return snprintf(answer, answer_cap, "{\"answer\":%ld}", field(event, len, "\"n\"") + 1);
}

static int wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1);
}

static int send_all(struct wire_buf *out, int fd)
{
    for (;;) {
        enum wire_io io = wire_buf_write(out, fd);
        if (io != WIRE_AGAIN)
            return io == WIRE_DONE ? 0 : -1;
        wait_for(fd, POLLOUT);
    }
}

/* The next 200, which is an invocation; the 202 of the response before it is passed over. */
static int receive(struct wire_buf *in, int fd, struct wire_message *m)
{
    for (;;) {
        int found = wire_parse(in, m);
        if (found < 0)
            return -1;
        if (found > 0) {
            if (m->status == 200)
                return 0;
            if (m->status != 202)
                return -1;
            wire_buf_consume(in, m->total_len);
            continue;
        }
        wait_for(fd, POLLIN);
        if (wire_buf_read(in, fd) == WIRE_CLOSED)
            return -1;
    }
}

/* The whole of "SIZE CRLF data CRLF"; 0 or -1. */
static int send_piece(int fd)
{
    static char piece[8 + PIECE_LEN + 2] = "10000\r\n";
    struct wire_buf all = {.data = piece, .end = 7 + PIECE_LEN + 2, .cap = sizeof piece, .max_len = sizeof piece};
    memcpy(piece + 7 + PIECE_LEN, "\r\n", 2);
    return send_all(&all, fd);
}

static int send_stamp(struct wire_buf *out, int fd)
{
    wire_buf_printf(out, "11\r\nT%016llx\r\n", (unsigned long long)wire_now_ns());
    return send_all(out, fd);
}

static int stream(struct wire_buf *out, int fd, const char *event, size_t len)
{
    const struct timespec gap = {.tv_nsec = 5000000};
    long stamps = field(event, len, "\"stamps\""), mb = field(event, len, "\"stream_mb\"");
    for (long i = 0; i < stamps; i++) {
        if (send_stamp(out, fd) < 0)
            return -1;
        nanosleep(&gap, NULL);
    }
    for (long i = 0; i < mb * ((1 << 20) / PIECE_LEN); i++) {
        if (send_all(out, fd) < 0 || send_piece(fd) < 0)
            return -1;
    }
    return wire_buf_printf(out, "0\r\n\r\n" NEXT);
}

int main(void)
{
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *colon = api ? strrchr(api, ':') : NULL;
    int fd = colon ? wire_connect((uint16_t)atoi(colon + 1)) : -1;
    if (fd < 0) {
        fputs("bench-bootstrap: no Runtime API at AWS_LAMBDA_RUNTIME_API\n", stderr);
        return 1;
    }
    struct wire_buf in = {.max_len = MAX_BUFFER};
    struct wire_buf out = {.max_len = MAX_BUFFER};
    wire_buf_append(&out, NEXT, sizeof NEXT - 1);
    while (send_all(&out, fd) == 0) {
        struct wire_message m;
        if (receive(&in, fd, &m) < 0)
            return 1;
        const char *head = wire_buf_front(&in);
        size_t id_len = 0;
        const char *id = wire_header(head, m.head_len, "lambda-runtime-aws-request-id", &id_len);
        if (!id)
            return 1;
        if (memmem(head + m.head_len, m.body_len, "\"st", 3)) {
            wire_buf_printf(&out,
                            "POST /2018-06-01/runtime/invocation/%.*s/response HTTP/1.1\r\nHost: runtime\r\n"
                            "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n",
                            (int)id_len, id);
            if (stream(&out, fd, head + m.head_len, m.body_len) < 0)
                return 1;
            wire_buf_consume(&in, m.total_len);
            continue;
        }
        char answer[64];
        int answer_len = handle(head + m.head_len, m.body_len, answer, sizeof answer);
        wire_buf_printf(&out,
                        "POST /2018-06-01/runtime/invocation/%.*s/response HTTP/1.1\r\nHost: runtime\r\n"
                        "Content-Length: %d\r\n\r\n%s" NEXT,
                        (int)id_len, id, answer_len, answer);
        wire_buf_consume(&in, m.total_len);
    }
    return 1;
}
