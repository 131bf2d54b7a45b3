/*
 * bench-dispatcher: the least that can stand between a client and Lambda runtimes, the yardstick of `make bench`.
 *
 * One epoll loop. The front port takes POSTs and answers each with the function's answer; the runtime port speaks
 * the Runtime API. A connection to the runtime port is one runtime process and holds one invocation at a time. No
 * signatures, logs, limits of time or process management: what a server adds to this is what the bench shows.
 *
 * Usage: bench-dispatcher [FRONT-PORT [RUNTIME-PORT]]; 0 or nothing lets the kernel choose. Prints one line,
 * `ready FRONT-PORT RUNTIME-PORT`, and runs until a signal, or its parent's death, ends it.
 */
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, MAX_BUFFER = 16 << 20 };

#define API "/2018-06-01/runtime/"
#define INVOCATION API "invocation/"

enum conn_kind { LISTEN_FRONT, LISTEN_RUNTIME, CLIENT, RUNTIME };

/* A client goes READING → QUEUED → RUNNING → READING, a runtime READING → QUEUED (parked in `next`) → RUNNING. */
enum conn_state { READING, QUEUED, RUNNING, DEAD };

struct conn {
    enum conn_kind kind;
    enum conn_state state;
    int fd;
    bool dirty;      /* on the flush list */
    bool wants_out;  /* EPOLLOUT is armed */
    struct wire_buf in;
    struct wire_buf out;
    struct wire_message request; /* of a queued client: still at the front of `in` */
    char id[40];                 /* of the invocation that a runtime runs */
    struct conn *peer;           /* the other end of a running invocation; NULL once that is gone */
    TAILQ_ENTRY(conn) queue_link;
    STAILQ_ENTRY(conn) flush_link;
};

TAILQ_HEAD(conn_queue, conn);
STAILQ_HEAD(conn_list, conn);

struct dispatcher {
    int epoll_fd;
    uint64_t last_id;
    struct conn_queue clients;  /* waiting, oldest first */
    struct conn_queue runtimes; /* idle, newest first */
    struct conn_list flush;     /* written, and freed when dead, at the end of a batch of events */
};

static void client_process(struct dispatcher *d, struct conn *c);
static void runtime_process(struct dispatcher *d, struct conn *r);

static void touch(struct dispatcher *d, struct conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    STAILQ_INSERT_TAIL(&d->flush, c, flush_link);
}

static int watch(struct dispatcher *d, struct conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    return epoll_ctl(d->epoll_fd, op, c->fd, &event);
}

static struct conn *conn_new(struct dispatcher *d, enum conn_kind kind, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    *c = (struct conn){.kind = kind, .fd = fd, .in.max_len = MAX_BUFFER, .out.max_len = MAX_BUFFER};
    if (watch(d, c, EPOLL_CTL_ADD, EPOLLIN) < 0) {
        close(fd);
        free(c);
        return NULL;
    }
    return c;
}

static void reply(struct dispatcher *d, struct conn *c, const char *status, const char *headers, const char *body,
                  size_t body_len)
{
    wire_buf_printf(&c->out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", status,
                    headers, body_len);
    wire_buf_append(&c->out, body, body_len);
    touch(d, c);
}

static void reply_error(struct dispatcher *d, struct conn *c, const char *status, const char *type)
{
    char body[160];
    int len = snprintf(body, sizeof body, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", type, type);
    reply(d, c, status, "", body, (size_t)len);
}

/* Ends the invocation of a running client: its answer is in `out`, and what it sent meanwhile is looked at. */
static void client_finish(struct dispatcher *d, struct conn *c)
{
    c->peer = NULL;
    c->state = READING;
    client_process(d, c);
}

static void conn_kill(struct dispatcher *d, struct conn *c)
{
    if (c->state == DEAD)
        return;
    struct conn *peer = c->peer;
    if (c->state == QUEUED)
        TAILQ_REMOVE(c->kind == CLIENT ? &d->clients : &d->runtimes, c, queue_link);
    c->state = DEAD;
    c->peer = NULL;
    touch(d, c);
    if (!peer)
        return;
    peer->peer = NULL;
    if (c->kind == RUNTIME) {
        reply_error(d, peer, "502 Bad Gateway", "Runtime.ExitError");
        client_finish(d, peer);
    }
}

/* Hands the oldest waiting request to the runtime that became idle last. */
static void deliver(struct dispatcher *d, struct conn *c, struct conn *r)
{
    TAILQ_REMOVE(&d->clients, c, queue_link);
    TAILQ_REMOVE(&d->runtimes, r, queue_link);
    c->state = r->state = RUNNING;
    c->peer = r;
    r->peer = c;
    snprintf(r->id, sizeof r->id, "00000000-0000-4000-8000-%012llx", (unsigned long long)++d->last_id);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char headers[320];
    snprintf(headers, sizeof headers,
             "Lambda-Runtime-Aws-Request-Id: %s\r\n"
             "Lambda-Runtime-Deadline-Ms: %lld\r\n"
             "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n",
             r->id, (long long)now.tv_sec * 1000 + 30000);
    reply(d, r, "200 OK", headers, wire_buf_front(&c->in) + c->request.head_len, c->request.body_len);
    wire_buf_consume(&c->in, c->request.total_len);
    runtime_process(d, r);
}

static void pair(struct dispatcher *d)
{
    while (!TAILQ_EMPTY(&d->clients) && !TAILQ_EMPTY(&d->runtimes))
        deliver(d, TAILQ_FIRST(&d->clients), TAILQ_FIRST(&d->runtimes));
}

static void client_process(struct dispatcher *d, struct conn *c)
{
    while (c->state == READING) {
        int found = wire_parse(&c->in, &c->request);
        if (found < 0)
            conn_kill(d, c);
        if (found <= 0)
            return;
        if (!memcmp(wire_buf_front(&c->in), "POST ", 5)) {
            c->state = QUEUED;
            TAILQ_INSERT_TAIL(&d->clients, c, queue_link);
            return;
        }
        reply_error(d, c, "405 Method Not Allowed", "InvalidMethod");
        wire_buf_consume(&c->in, c->request.total_len);
    }
}

static void take_next(struct dispatcher *d, struct conn *r)
{
    if (r->state == RUNNING) {
        reply_error(d, r, "403 Forbidden", "InvalidStateTransition");
        return;
    }
    r->state = QUEUED;
    TAILQ_INSERT_HEAD(&d->runtimes, r, queue_link);
}

/* `rest` is what follows the id's slash: "response" or "error". */
static void take_answer(struct dispatcher *d, struct conn *r, const char *rest, const char *body, size_t body_len)
{
    bool failed = !strncmp(rest, "error ", 6);
    if (!failed && strncmp(rest, "response ", 9) != 0) {
        reply_error(d, r, "404 Not Found", "NotFound");
        return;
    }
    r->state = READING;
    reply(d, r, "202 Accepted", "", "", 0);
    struct conn *c = r->peer;
    r->peer = NULL;
    if (!c)
        return;
    reply(d, c, "200 OK", failed ? "X-Amz-Function-Error: Unhandled\r\n" : "", body, body_len);
    client_finish(d, c);
}

static bool starts_with(const char *text, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    return len > prefix_len && !memcmp(text, prefix, prefix_len);
}

static void runtime_request(struct dispatcher *d, struct conn *r, const char *head, const struct wire_message *m)
{
    static const char post[] = "POST " INVOCATION;
    if (starts_with(head, m->head_len, "GET " INVOCATION "next ")) {
        take_next(d, r);
    } else if (starts_with(head, m->head_len, post)) {
        const char *id = head + sizeof post - 1;
        size_t id_len = strlen(r->id);
        bool ours = r->state == RUNNING && starts_with(id, m->head_len - (sizeof post - 1), r->id);
        if (ours && id[id_len] == '/')
            take_answer(d, r, id + id_len + 1, head + m->head_len, m->body_len);
        else
            reply_error(d, r, "400 Bad Request", "InvalidRequestID");
    } else if (starts_with(head, m->head_len, "POST " API "init/error ")) {
        fprintf(stderr, "bench-dispatcher: init error: %.*s\n", (int)m->body_len, head + m->head_len);
        reply(d, r, "202 Accepted", "", "", 0);
    } else {
        reply_error(d, r, "404 Not Found", "NotFound");
    }
}

/* A runtime may send its response and the next request in one write; both are answered before anything is sent. */
static void runtime_process(struct dispatcher *d, struct conn *r)
{
    while (r->state == READING || r->state == RUNNING) {
        struct wire_message m;
        int found = wire_parse(&r->in, &m);
        if (found < 0)
            conn_kill(d, r);
        if (found <= 0)
            return;
        runtime_request(d, r, wire_buf_front(&r->in), &m);
        wire_buf_consume(&r->in, m.total_len);
    }
}

static void conn_accept(struct dispatcher *d, const struct conn *listener)
{
    enum conn_kind kind = listener->kind == LISTEN_FRONT ? CLIENT : RUNTIME;
    for (int fd; (fd = wire_accept(listener->fd)) >= 0;)
        conn_new(d, kind, fd);
}

static void conn_event(struct dispatcher *d, struct conn *c, uint32_t events)
{
    if (c->kind == LISTEN_FRONT || c->kind == LISTEN_RUNTIME) {
        conn_accept(d, c);
        return;
    }
    if (c->state == DEAD)
        return;
    if (events & EPOLLOUT)
        touch(d, c);
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    enum wire_io io = wire_buf_read(&c->in, c->fd);
    if (io == WIRE_CLOSED)
        conn_kill(d, c);
    else if (io == WIRE_DONE)
        (c->kind == CLIENT ? client_process : runtime_process)(d, c);
}

static void conn_free(struct conn *c)
{
    close(c->fd);
    wire_buf_release(&c->in);
    wire_buf_release(&c->out);
    free(c);
}

static void conn_flush(struct dispatcher *d, struct conn *c)
{
    c->dirty = false;
    enum wire_io io = c->state == DEAD ? WIRE_CLOSED : wire_buf_write(&c->out, c->fd);
    if (io == WIRE_CLOSED) {
        conn_kill(d, c); /* puts a living one on the list again, as dead */
        if (!c->dirty)
            conn_free(c);
        return;
    }
    bool wants_out = io == WIRE_AGAIN;
    if (wants_out != c->wants_out)
        watch(d, c, EPOLL_CTL_MOD, wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
    c->wants_out = wants_out;
}

/* Flushing may end connections, and their peers' invocations, so the list can grow while it is worked off. */
static void flush_all(struct dispatcher *d)
{
    while (!STAILQ_EMPTY(&d->flush)) {
        struct conn *c = STAILQ_FIRST(&d->flush);
        STAILQ_REMOVE_HEAD(&d->flush, flush_link);
        conn_flush(d, c);
        pair(d);
    }
}

static void run(struct dispatcher *d)
{
    struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int count = epoll_wait(d->epoll_fd, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++)
            conn_event(d, events[i].data.ptr, events[i].events);
        pair(d);
        flush_all(d);
    }
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    uint16_t ports[2] = {argc > 1 ? (uint16_t)atoi(argv[1]) : 0, argc > 2 ? (uint16_t)atoi(argv[2]) : 0};
    struct dispatcher d = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    TAILQ_INIT(&d.clients);
    TAILQ_INIT(&d.runtimes);
    STAILQ_INIT(&d.flush);
    for (int i = 0; i < 2; i++) {
        int fd = wire_listen(&ports[i]);
        if (fd < 0 || !conn_new(&d, i == 0 ? LISTEN_FRONT : LISTEN_RUNTIME, fd)) {
            perror("bench-dispatcher: cannot listen");
            return 1;
        }
    }
    printf("ready %d %d\n", ports[0], ports[1]);
    fflush(stdout);
    run(&d);
}
