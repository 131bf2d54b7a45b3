/*
 * wire: byte buffers, HTTP/1.1 framing and loopback sockets shared by the bench programs.
 *
 * Standalone on purpose: the dispatcher is what the server is compared with, so it must not share its code.
 * The framing trusts its peers more than the server may; it serves loopback only.
 * One thread. Functions return 0 or -1 unless said otherwise; nothing here prints.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes [begin, end) of data are filled. Zeroed apart from max_len is a valid empty buffer. */
struct wire_buf {
    char *data;
    size_t begin;
    size_t end;
    size_t cap;
    size_t max_len;
};

enum wire_io { WIRE_DONE, WIRE_AGAIN, WIRE_CLOSED };

/* A complete message at the front of a buffer: the head (with its empty line) and, directly behind it, the body. */
struct wire_message {
    size_t head_len;
    size_t body_len;
    size_t total_len; /* what to consume; larger than head + body when the body came in chunks */
    int status;       /* 0 for a request */
};

void wire_buf_release(struct wire_buf *b);
int wire_buf_reserve(struct wire_buf *b, size_t extra_len);
int wire_buf_append(struct wire_buf *b, const void *data, size_t len);
int wire_buf_printf(struct wire_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_buf_consume(struct wire_buf *b, size_t len);

static inline size_t wire_buf_len(const struct wire_buf *b) { return b->end - b->begin; }
static inline char *wire_buf_front(const struct wire_buf *b) { return b->data + b->begin; }

/* Read once from a non-blocking socket; WIRE_CLOSED also when the buffer's maximum is reached. */
enum wire_io wire_buf_read(struct wire_buf *b, int fd);
/* Write as much as the socket takes and consume it; WIRE_AGAIN while bytes remain. */
enum wire_io wire_buf_write(struct wire_buf *b, int fd);

/* 1: *m describes a complete message; 0: more bytes are needed; -1: not HTTP/1.1 that we speak.
 * A chunked body is joined in place, so a message that was found must not be parsed again. */
int wire_parse(struct wire_buf *b, struct wire_message *m);
/* The value of a header in a head, without blanks around it, or NULL. The name is given in lower case. */
const char *wire_header(const char *head, size_t head_len, const char *name, size_t *value_len);

/* Non-blocking loopback sockets without Nagle's delay. A port of 0 is chosen by the kernel and stored back. */
int wire_listen(uint16_t *port);
int wire_accept(int listener);
int wire_connect(uint16_t port); /* waits for the connection, which is immediate on loopback */

uint64_t wire_now_ns(void);

#endif
