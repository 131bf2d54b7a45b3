/*
 * bench-stream: one streamed invocation (InvokeWithResponseStream), taken as fast as the machine allows, or with a pause.
 *
 * Prints one JSON object: bytes of payload, seconds from the request to the end, milliseconds to the first byte, and for pieces that begin with
 * a stamp ("T" and 16 hex digits: CLOCK_MONOTONIC of the function when it wrote them) how old each was when it was read.
 * Checksums of the frames are not verified: the generator shares the machine with what is measured.
 */
#include "sign.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 18, MAX_STAMPS = 4096, STAMP_LEN = 17, PRELUDE_LEN = 12, HEADERS_KEPT = 256 };

struct frame {
    unsigned char prelude[PRELUDE_LEN];
    char headers[HEADERS_KEPT];
    char stamp[STAMP_LEN + 1];
    size_t have, headers_len, payload_len; /* have: of the whole frame */
};

struct stream {
    uint16_t port;
    const char *path, *body, *credentials, *region;
    long pause_ms;
    struct sign_key key;
    int fd;
    int status;
    char line[64]; /* of a chunk's size */
    size_t line_len, chunk_left;
    bool in_chunk, ended, complete;
    struct frame frame;
    uint64_t now_ns, start_ns, first_ns, payload_bytes, frames;
    double ages_ms[MAX_STAMPS];
    size_t stamps;
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench-stream: %s: %s\n", what, why);
    exit(1);
}

static uint32_t be32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void note_stamp(struct stream *s)
{
    struct frame *f = &s->frame;
    if (f->stamp[0] != 'T' || s->stamps == MAX_STAMPS)
        return;
    s->ages_ms[s->stamps++] = (double)(s->now_ns - strtoull(f->stamp + 1, NULL, 16)) / 1e6;
}

static void end_frame(struct stream *s)
{
    struct frame *f = &s->frame;
    size_t kept = f->headers_len < HEADERS_KEPT ? f->headers_len : HEADERS_KEPT;
    s->frames++;
    if (memmem(f->headers, kept, "InvokeComplete", 14))
        s->complete = true;
    else
        s->payload_bytes += f->payload_len;
    f->have = 0;
}

static size_t keep(char *room, size_t room_len, size_t at, const char *data, size_t len)
{
    if (at < room_len)
        memcpy(room + at, data, len < room_len - at ? len : room_len - at);
    return len;
}

/* Takes bytes of frames; what is not looked at is passed over by its length. */
static void feed(struct stream *s, const char *data, size_t len)
{
    struct frame *f = &s->frame;
    while (len > 0) {
        size_t n, headers_end = PRELUDE_LEN + f->headers_len, payload_end = headers_end + f->payload_len;
        if (f->have < PRELUDE_LEN) {
            n = len < PRELUDE_LEN - f->have ? len : PRELUDE_LEN - f->have;
            memcpy(f->prelude + f->have, data, n);
            if (f->have + n == PRELUDE_LEN) {
                f->headers_len = be32(f->prelude + 4);
                f->payload_len = be32(f->prelude) - PRELUDE_LEN - 4 - f->headers_len;
                f->stamp[0] = '\0';
            }
        } else if (f->have < headers_end) {
            n = len < headers_end - f->have ? len : headers_end - f->have;
            keep(f->headers, HEADERS_KEPT, f->have - PRELUDE_LEN, data, n);
        } else if (f->have < payload_end) {
            n = len < payload_end - f->have ? len : payload_end - f->have;
            keep(f->stamp, STAMP_LEN, f->have - headers_end, data, n);
        } else {
            n = len < payload_end + 4 - f->have ? len : payload_end + 4 - f->have;
        }
        bool stamped = f->have < headers_end + STAMP_LEN && f->have + n >= headers_end + STAMP_LEN;
        f->have += n;
        data += n;
        len -= n;
        if (stamped && f->payload_len >= STAMP_LEN)
            note_stamp(s);
        if (f->have >= PRELUDE_LEN && f->have == PRELUDE_LEN + f->headers_len + f->payload_len + 4)
            end_frame(s);
    }
}

static void end_line(struct stream *s)
{
    s->line[s->line_len] = '\0';
    s->line_len = 0;
    if (s->line[0] == '\0') /* behind a chunk's data, or behind the last one */
        return;
    s->chunk_left = strtoul(s->line, NULL, 16);
    s->in_chunk = s->chunk_left > 0;
    s->ended = !s->in_chunk;
}

static void dechunk(struct stream *s, const char *data, size_t len)
{
    while (len > 0 && !s->ended) {
        size_t n = 1;
        if (s->in_chunk) {
            n = len < s->chunk_left ? len : s->chunk_left;
            feed(s, data, n);
            s->chunk_left -= n;
            s->in_chunk = s->chunk_left > 0;
        } else if (*data == '\n') {
            end_line(s);
        } else if (*data != '\r' && s->line_len < sizeof s->line - 1) {
            s->line[s->line_len++] = *data;
        }
        data += n;
        len -= n;
    }
}

static size_t receive(struct stream *s, char *data, size_t cap)
{
    for (;;) {
        ssize_t n = recv(s->fd, data, cap, 0);
        s->now_ns = wire_now_ns();
        if (n > 0)
            return (size_t)n;
        if (n == 0 || errno != EAGAIN)
            fail("the connection ended", n ? strerror(errno) : "early");
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 60000) == 0)
            fail("nothing came", "for a minute");
    }
}

static void send_request(struct stream *s)
{
    struct wire_buf out = {.max_len = 1 << 20};
    if (sign_post(&s->key, &out, s->path, s->port, (uint64_t)getpid() << 32, s->body, strlen(s->body), time(NULL)) < 0)
        fail("cannot sign", s->path);
    s->fd = wire_connect(s->port);
    if (s->fd < 0)
        fail("cannot connect", strerror(errno));
    s->start_ns = wire_now_ns();
    if (wire_buf_write(&out, s->fd) != WIRE_DONE)
        fail("cannot send", strerror(errno));
    wire_buf_release(&out);
}

static void run(struct stream *s)
{
    static char data[READ_SIZE];
    size_t have = 0;
    char *blank;
    send_request(s);
    do
        have += receive(s, data + have, READ_SIZE - have);
    while (!(blank = memmem(data, have, "\r\n\r\n", 4)) && have < READ_SIZE);
    s->first_ns = s->now_ns;
    if (!blank || sscanf(data, "HTTP/1.1 %d", &s->status) != 1 || s->status != 200)
        fail("answer", blank ? blank + 4 : "malformed");
    dechunk(s, blank + 4, have - (size_t)(blank + 4 - data));
    if (s->pause_ms) {
        struct timespec pause = {.tv_sec = s->pause_ms / 1000, .tv_nsec = s->pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    while (!s->ended)
        dechunk(s, data, receive(s, data, READ_SIZE));
}

static void print(const struct stream *s)
{
    printf("{\"payload_bytes\": %llu, \"frames\": %llu, \"complete\": %s, \"seconds\": %.6f, \"first_ms\": %.4f, \"ages_ms\": [",
           (unsigned long long)s->payload_bytes, (unsigned long long)s->frames, s->complete ? "true" : "false",
           (double)(s->now_ns - s->start_ns) / 1e9, (double)(s->first_ns - s->start_ns) / 1e6);
    for (size_t i = 0; i < s->stamps; i++)
        printf("%s%.4f", i ? ", " : "", s->ages_ms[i]);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static struct stream s = {.body = "{}", .region = "us-east-1", .key = {.call = {.service = "lambda", .type = "application/json"}}};
    static const struct option table[] = {{"port", 1, NULL, 'p'},   {"path", 1, NULL, 'P'},        {"body", 1, NULL, 'b'},
                                          {"region", 1, NULL, 'R'}, {"credentials", 1, NULL, 'k'}, {"pause-ms", 1, NULL, 'm'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'p': s.port = (uint16_t)atoi(optarg); break;
        case 'P': s.path = optarg; break;
        case 'b': s.body = optarg; break;
        case 'R': s.region = optarg; break;
        case 'k': s.credentials = optarg; break;
        case 'm': s.pause_ms = atol(optarg); break;
        default: return 2;
        }
    }
    if (!s.port || !s.path || !s.credentials)
        fail("usage", "bench-stream --port N --path P --credentials FILE [--body JSON] [--pause-ms N] [--region R]");
    if (sign_key_load(&s.key, s.credentials, s.region) < 0)
        fail("no access key in", s.credentials);
    run(&s);
    print(&s);
    return 0;
}
