#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_CAP = 4096, READ_ROOM = 4096, MAX_HEAD_LEN = 65536 };

void wire_buf_release(struct wire_buf *b)
{
    free(b->data);
    *b = (struct wire_buf){.max_len = b->max_len};
}

int wire_buf_reserve(struct wire_buf *b, size_t extra_len)
{
    if (b->cap - b->end >= extra_len)
        return 0;
    size_t len = wire_buf_len(b);
    if (extra_len > b->max_len || len > b->max_len - extra_len)
        return -1;
    if (b->begin > 0) {
        memmove(b->data, b->data + b->begin, len);
        b->begin = 0;
        b->end = len;
    }
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < len + extra_len)
        cap *= 2;
    if (cap == b->cap)
        return 0;
    char *data = realloc(b->data, cap);
    if (!data)
        return -1;
    b->data = data;
    b->cap = cap;
    return 0;
}

int wire_buf_append(struct wire_buf *b, const void *data, size_t len)
{
    if (wire_buf_reserve(b, len) < 0)
        return -1;
    if (len > 0)
        memcpy(b->data + b->end, data, len);
    b->end += len;
    return 0;
}

int wire_buf_printf(struct wire_buf *b, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text)
        return -1;
    return wire_buf_append(b, text, (size_t)len);
}

void wire_buf_consume(struct wire_buf *b, size_t len)
{
    b->begin += len;
    if (b->begin == b->end)
        b->begin = b->end = 0;
}

enum wire_io wire_buf_read(struct wire_buf *b, int fd)
{
    if (wire_buf_reserve(b, READ_ROOM) < 0)
        return WIRE_CLOSED;
    ssize_t n = recv(fd, b->data + b->end, b->cap - b->end, 0);
    if (n > 0) {
        b->end += (size_t)n;
        return WIRE_DONE;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? WIRE_AGAIN : WIRE_CLOSED;
}

enum wire_io wire_buf_write(struct wire_buf *b, int fd)
{
    while (wire_buf_len(b) > 0) {
        ssize_t n = send(fd, wire_buf_front(b), wire_buf_len(b), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? WIRE_AGAIN : WIRE_CLOSED;
        wire_buf_consume(b, (size_t)n);
    }
    return WIRE_DONE;
}

const char *wire_header(const char *head, size_t head_len, const char *name, size_t *value_len)
{
    size_t name_len = strlen(name);
    const char *end = head + head_len;
    const char *line = memchr(head, '\n', head_len);
    while (line && ++line < end) {
        const char *eol = memchr(line, '\r', (size_t)(end - line));
        if (!eol)
            return NULL;
        if ((size_t)(eol - line) > name_len && line[name_len] == ':' && !strncasecmp(line, name, name_len)) {
            const char *value = line + name_len + 1;
            while (value < eol && (*value == ' ' || *value == '\t'))
                value++;
            while (eol > value && (eol[-1] == ' ' || eol[-1] == '\t'))
                eol--;
            *value_len = (size_t)(eol - value);
            return value;
        }
        line = memchr(eol, '\n', (size_t)(end - eol));
    }
    return NULL;
}

/* Digits of the given base at the front of [text, end); -1 without any, or for a number no peer here sends. */
static long parse_number(const char *text, const char *end, int base)
{
    static const char digits[] = "0123456789abcdef";
    long value = 0;
    const char *at = text;
    for (; at < end; at++) {
        int low = *at >= 'A' && *at <= 'F' ? *at + ('a' - 'A') : *at;
        const char *digit = low ? memchr(digits, low, (size_t)base) : NULL;
        if (!digit)
            break;
        value = value * base + (digit - digits);
        if (value > INT32_MAX)
            return -1;
    }
    return at == text ? -1 : value;
}

/* Where the line after `at` starts, or NULL while it is incomplete. */
static char *next_line(char *at, char *end)
{
    char *eol = memchr(at, '\n', (size_t)(end - at));
    return eol ? eol + 1 : NULL;
}

/* The size of the chunk whose line is [at, data), or -1. */
static long chunk_len(const char *at, const char *data)
{
    return parse_number(at, data, 16);
}

/* The end of the last chunk and its trailers; NULL while bytes are missing, *bad when they are no chunks. */
static char *chunks_end(char *at, char *end, bool *bad)
{
    for (;;) {
        char *data = next_line(at, end);
        if (!data)
            return NULL;
        long len = chunk_len(at, data);
        if (len < 0) {
            *bad = true;
            return NULL;
        }
        at = data;
        if (len == 0)
            break;
        if (end - data < len + 2)
            return NULL;
        at = data + len + 2;
    }
    for (char *line = at;; at = line) {
        line = next_line(at, end);
        if (!line)
            return NULL;
        if (line - at <= 2)
            return line;
    }
}

/* Joins the chunks that chunks_end has checked; returns the length of the body. */
static size_t chunks_join(char *body, char *end)
{
    char *to = body;
    char *at = body;
    for (;;) {
        char *data = next_line(at, end);
        long len = chunk_len(at, data);
        if (len <= 0)
            return (size_t)(to - body);
        memmove(to, data, (size_t)len);
        to += len;
        at = data + len + 2;
    }
}

static int parse_chunked(struct wire_buf *b, struct wire_message *m)
{
    bool bad = false;
    char *body = wire_buf_front(b) + m->head_len;
    char *end = chunks_end(body, b->data + b->end, &bad);
    if (!end)
        return bad ? -1 : 0;
    m->total_len = (size_t)(end - wire_buf_front(b));
    m->body_len = chunks_join(body, end);
    return 1;
}

int wire_parse(struct wire_buf *b, struct wire_message *m)
{
    size_t len = wire_buf_len(b);
    if (len == 0)
        return 0;
    const char *head = wire_buf_front(b);
    const char *blank = memmem(head, len, "\r\n\r\n", 4);
    if (!blank)
        return len > MAX_HEAD_LEN ? -1 : 0;
    *m = (struct wire_message){.head_len = (size_t)(blank - head) + 4};
    if (len > 12 && !memcmp(head, "HTTP/1.1 ", 9))
        m->status = (int)parse_number(head + 9, head + 12, 10);
    size_t value_len = 0;
    const char *value = wire_header(head, m->head_len, "content-length", &value_len);
    if (value) {
        long body_len = parse_number(value, value + value_len, 10);
        if (body_len < 0)
            return -1;
        m->body_len = (size_t)body_len;
    } else if (wire_header(head, m->head_len, "transfer-encoding", &value_len)) {
        return parse_chunked(b, m);
    } else if (m->status != 0 && m->status != 204) {
        return -1;
    }
    m->total_len = m->head_len + m->body_len;
    return len >= m->total_len;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int wire_listen(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(*port);
    socklen_t len = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

int wire_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        no_delay(fd);
    return fd;
}

int wire_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_in address = loopback(port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -1;
    }
    no_delay(fd);
    return fd;
}

uint64_t wire_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
