/*
 * bench-load: a closed-loop HTTP/1.1 load generator, one thread: every connection sends its next request as soon as
 * the answer to the last one is there. Requests are POSTs to 127.0.0.1, signed on demand (SigV4, once per second and
 * connection: the bytes of one second are sent again, which the signature's five minutes allow).
 *
 * Prints one line of JSON. Exit status 0 also when answers were wrong: they are counted, the first one is shown.
 */
#include "sign.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, MAX_BUFFER = 16 << 20, MAX_CONNECTIONS = 10000, MAX_ERRORS = 10000, MAX_SAMPLES = 20000000 };

static const double SECOND_NS = 1e9;

struct options {
    uint16_t port;
    int connections;
    double seconds; /* of measuring; 0: until `requests` were answered */
    long requests;
    double warmup_seconds;
    double limit_seconds; /* the whole run ends then, whatever is missing */
    const char *path;
    const char *body;
    const char *expect; /* the answer's body, compared without blanks; NULL: any */
    const char *credentials;
    const char *region;
    struct sign_call call;
    int status; /* of a good answer */
    const char *raw_path; /* a file with a whole request to send as it is */
    bool sign_each;
    bool burst;
};

struct conn {
    int fd;
    bool wants_out;
    struct wire_buf request;
    struct wire_buf in;
    size_t sent_len;
    uint64_t start_ns;
    time_t signed_at; /* 0 while there is no request yet */
};

struct load {
    struct options options;
    struct sign_key key;
    struct conn *conns;
    int epoll_fd;
    char *raw;
    size_t raw_len;
    uint64_t last_call_id;
    uint64_t measure_from_ns;
    uint64_t last_answer_ns;
    uint64_t *samples_ns;
    size_t sample_count;
    size_t sample_cap;
    long started;
    long answered;
    long errors;
    char first_error[512];
};

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "bench-load: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    exit(1);
}

/* One line of printable text without quotes, so that it fits into JSON as it is. */
static void note_error(struct load *l, const char *text, size_t len)
{
    l->errors++;
    if (l->first_error[0])
        return;
    if (len >= sizeof l->first_error)
        len = sizeof l->first_error - 1;
    for (size_t i = 0; i < len; i++) {
        bool plain = text[i] >= ' ' && text[i] < 127 && text[i] != '"' && text[i] != '\\';
        l->first_error[i] = plain ? text[i] : ' ';
    }
}

static void add_sample(struct load *l, uint64_t ns)
{
    if (l->sample_count == l->sample_cap) {
        size_t cap = l->sample_cap ? 2 * l->sample_cap : 65536;
        uint64_t *samples = cap <= MAX_SAMPLES ? realloc(l->samples_ns, cap * sizeof *samples) : NULL;
        if (!samples)
            fail("too many samples; measure for fewer seconds", NULL);
        l->samples_ns = samples;
        l->sample_cap = cap;
    }
    l->samples_ns[l->sample_count++] = ns;
}

static int build_plain(const struct load *l, struct wire_buf *out)
{
    const struct options *o = &l->options;
    size_t body_len = strlen(o->body);
    if (wire_buf_printf(out,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        o->path, o->port, body_len) < 0)
        return -1;
    return wire_buf_append(out, o->body, body_len);
}

static void build_request(struct load *l, struct conn *c)
{
    const struct options *o = &l->options;
    time_t now = o->credentials ? time(NULL) : 1;
    bool fresh = o->credentials && o->sign_each;
    c->sent_len = 0;
    if (c->signed_at == now && !fresh)
        return;
    c->signed_at = now;
    wire_buf_consume(&c->request, wire_buf_len(&c->request));
    int result;
    if (o->credentials)
        result = sign_post(&l->key, &c->request, o->path, o->port, ++l->last_call_id, o->body, strlen(o->body), now);
    else if (l->raw)
        result = wire_buf_append(&c->request, l->raw, l->raw_len);
    else
        result = build_plain(l, &c->request);
    if (result < 0)
        fail("the request does not fit", o->path);
}

static void conn_open(struct load *l, struct conn *c)
{
    c->fd = wire_connect(l->options.port);
    if (c->fd < 0)
        fail("cannot connect to 127.0.0.1", strerror(errno));
    c->wants_out = false;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl", strerror(errno));
}

/* Sends what is left of the request; a failure shows up as a closed connection when reading. */
static void conn_send(struct load *l, struct conn *c)
{
    struct wire_buf rest = c->request;
    rest.begin += c->sent_len;
    size_t before = wire_buf_len(&rest);
    bool wants_out = wire_buf_write(&rest, c->fd) == WIRE_AGAIN;
    c->sent_len += before - wire_buf_len(&rest);
    if (wants_out == c->wants_out)
        return;
    struct epoll_event event = {.events = wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->wants_out = wants_out;
}

static void conn_start(struct load *l, struct conn *c)
{
    if (l->options.requests && l->started >= l->options.requests)
        return;
    l->started++;
    build_request(l, c);
    c->start_ns = wire_now_ns();
    conn_send(l, c);
}

static void conn_reopen(struct load *l, struct conn *c)
{
    close(c->fd);
    wire_buf_consume(&c->in, wire_buf_len(&c->in));
    conn_open(l, c);
}

/* Whether two texts are equal but for blanks: runtimes differ in how they write JSON. */
static bool same_text(const char *expect, const char *text, size_t len)
{
    const char *end = text + len;
    for (;; expect++, text++) {
        while (*expect == ' ')
            expect++;
        while (text < end && *text == ' ')
            text++;
        if (text == end || !*expect)
            return text == end && !*expect;
        if (*text != *expect)
            return false;
    }
}

static bool answer_is_good(const struct load *l, const char *head, const struct wire_message *m)
{
    size_t len;
    const char *expect = l->options.expect;
    return m->status == l->options.status && !wire_header(head, m->head_len, "x-amz-function-error", &len) &&
           (!expect || same_text(expect, head + m->head_len, m->body_len));
}

static void conn_answer(struct load *l, struct conn *c, const struct wire_message *m)
{
    const char *head = wire_buf_front(&c->in);
    uint64_t now_ns = wire_now_ns();
    bool good = answer_is_good(l, head, m);
    l->answered++;
    if (!good)
        note_error(l, head, m->total_len);
    else if (now_ns >= l->measure_from_ns)
        add_sample(l, now_ns - c->start_ns);
    l->last_answer_ns = now_ns;
    size_t value_len = 0;
    const char *value = wire_header(head, m->head_len, "connection", &value_len);
    bool close_it = value && value_len == 5 && (value[0] == 'c' || value[0] == 'C');
    wire_buf_consume(&c->in, m->total_len);
    if (close_it)
        conn_reopen(l, c);
    conn_start(l, c);
}

static void conn_lost(struct load *l, struct conn *c)
{
    static const char text[] = "connection closed before the answer";
    l->answered++;
    note_error(l, text, sizeof text - 1);
    conn_reopen(l, c);
    conn_start(l, c);
}

static void conn_event(struct load *l, struct conn *c, uint32_t events)
{
    if (events & EPOLLOUT)
        conn_send(l, c);
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    enum wire_io io = wire_buf_read(&c->in, c->fd);
    struct wire_message m;
    int found = io == WIRE_DONE ? wire_parse(&c->in, &m) : 0;
    if (io == WIRE_CLOSED || found < 0)
        conn_lost(l, c);
    else if (found > 0)
        conn_answer(l, c, &m);
}

static bool is_over(const struct load *l, uint64_t end_ns)
{
    if (l->errors >= MAX_ERRORS)
        return true;
    if (l->options.requests && l->answered >= l->options.requests)
        return true;
    return wire_now_ns() >= end_ns;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const struct load *l, double part)
{
    if (l->sample_count == 0)
        return 0;
    size_t at = (size_t)(part * (double)(l->sample_count - 1) + 0.5);
    return (double)l->samples_ns[at] / 1e6;
}

static void report(struct load *l, uint64_t start_ns, bool timed_out)
{
    const struct options *o = &l->options;
    uint64_t from_ns = o->requests ? start_ns : l->measure_from_ns;
    double seconds = l->last_answer_ns > from_ns ? (double)(l->last_answer_ns - from_ns) / SECOND_NS : 0;
    if (l->sample_count > 0)
        qsort(l->samples_ns, l->sample_count, sizeof *l->samples_ns, by_size);
    printf("{\"connections\":%d,\"requests\":%zu,\"seconds\":%.4f,\"rps\":%.1f,\"p50_ms\":%.4f,\"p90_ms\":%.4f,"
           "\"p99_ms\":%.4f,\"max_ms\":%.4f,\"wall_ms\":%.3f,\"errors\":%ld,\"missing\":%ld,\"timed_out\":%s,"
           "\"first_error\":\"%s\"}\n",
           o->connections, l->sample_count, seconds, seconds > 0 ? (double)l->sample_count / seconds : 0,
           percentile_ms(l, 0.5), percentile_ms(l, 0.9), percentile_ms(l, 0.99), percentile_ms(l, 1.0),
           seconds * 1e3, l->errors, o->requests ? o->requests - l->answered : 0, timed_out ? "true" : "false",
           l->first_error);
}

static void run(struct load *l)
{
    const struct options *o = &l->options;
    struct epoll_event events[MAX_EVENTS];
    for (int i = 0; i < o->connections; i++)
        conn_open(l, &l->conns[i]);
    uint64_t start_ns = wire_now_ns();
    double length_seconds = o->requests ? o->limit_seconds : o->warmup_seconds + o->seconds;
    uint64_t end_ns = start_ns + (uint64_t)(length_seconds * SECOND_NS);
    l->measure_from_ns = o->requests ? start_ns : start_ns + (uint64_t)(o->warmup_seconds * SECOND_NS);
    for (int i = 0; i < o->connections; i++)
        conn_start(l, &l->conns[i]);
    while (!is_over(l, end_ns)) {
        int count = epoll_wait(l->epoll_fd, events, MAX_EVENTS, 20);
        for (int i = 0; i < count; i++)
            conn_event(l, events[i].data.ptr, events[i].events);
    }
    report(l, start_ns, o->requests && l->answered < o->requests);
}

static void read_raw(struct load *l)
{
    FILE *file = fopen(l->options.raw_path, "re");
    l->raw = malloc(MAX_BUFFER);
    if (!file || !l->raw)
        fail("cannot read the request", l->options.raw_path);
    l->raw_len = fread(l->raw, 1, MAX_BUFFER, file);
    fclose(file);
}

static void usage(void)
{
    fputs("usage: bench-load --port N [--connections N] (--seconds S [--warmup S] | --requests N | --burst)\n"
          "                  [--path PATH] [--body TEXT] [--expect TEXT] [--raw FILE] [--limit S]\n"
          "                  [--credentials FILE [--region R] [--sign-each] [--service NAME] [--type CONTENT-TYPE]\n"
          "                   [--header name=value]] [--status N]\n"
          "--burst sends one request on every connection, all at once; wall_ms is until the last answer.\n",
          stderr);
    exit(2);
}

static void set_header(struct options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals)
        usage();
    *equals = '\0';
    o->call.name = text;
    o->call.value = equals + 1;
}

static void parse_options(struct options *o, int argc, char **argv)
{
    static const struct option table[] = {
        {"port", 1, NULL, 'p'},     {"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'},
        {"requests", 1, NULL, 'n'}, {"warmup", 1, NULL, 'w'},      {"limit", 1, NULL, 'l'},
        {"path", 1, NULL, 'P'},     {"body", 1, NULL, 'b'},        {"expect", 1, NULL, 'e'},
        {"raw", 1, NULL, 'r'},      {"credentials", 1, NULL, 'k'}, {"region", 1, NULL, 'R'},
        {"service", 1, NULL, 'S'},  {"type", 1, NULL, 'T'},        {"header", 1, NULL, 'H'},
        {"status", 1, NULL, 'A'},   {"sign-each", 0, NULL, 'E'}, {"burst", 0, NULL, 'B'},      {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'p': o->port = (uint16_t)atoi(optarg); break;
        case 'c': o->connections = atoi(optarg); break;
        case 's': o->seconds = atof(optarg); break;
        case 'n': o->requests = atol(optarg); break;
        case 'w': o->warmup_seconds = atof(optarg); break;
        case 'l': o->limit_seconds = atof(optarg); break;
        case 'P': o->path = optarg; break;
        case 'b': o->body = optarg; break;
        case 'e': o->expect = optarg; break;
        case 'r': o->raw_path = optarg; break;
        case 'k': o->credentials = optarg; break;
        case 'R': o->region = optarg; break;
        case 'S': o->call.service = optarg; break;
        case 'T': o->call.type = optarg; break;
        case 'H': set_header(o, optarg); break;
        case 'A': o->status = atoi(optarg); break;
        case 'E': o->sign_each = true; break;
        case 'B': o->burst = true; break;
        default: usage();
        }
    }
    if (o->burst)
        o->requests = o->connections;
    if (!o->port || o->connections < 1 || o->connections > MAX_CONNECTIONS || (o->seconds <= 0 && o->requests < 1))
        usage();
}

int main(int argc, char **argv)
{
    struct load l = {.options = {.connections = 1,
                                 .path = "/",
                                 .body = "{}",
                                 .region = "us-east-1",
                                 .call = {.service = "lambda", .type = "application/json"},
                                 .status = 200,
                                 .warmup_seconds = 0.3,
                                 .limit_seconds = 30}};
    parse_options(&l.options, argc, argv);
    /* Two runs in one second must not send the same ids. */
    l.last_call_id = (uint64_t)getpid() << 32;
    l.key.call = l.options.call;
    if (l.options.credentials && sign_key_load(&l.key, l.options.credentials, l.options.region) < 0)
        fail("no access key in", l.options.credentials);
    if (l.options.raw_path)
        read_raw(&l);
    l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l.conns = calloc((size_t)l.options.connections, sizeof *l.conns);
    if (l.epoll_fd < 0 || !l.conns)
        fail("cannot start", strerror(errno));
    for (int i = 0; i < l.options.connections; i++)
        l.conns[i].in.max_len = l.conns[i].request.max_len = MAX_BUFFER;
    run(&l);
    return 0;
}
