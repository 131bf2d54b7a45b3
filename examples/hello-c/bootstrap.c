// Hello from C: a complete runtime in one file, which speaks the Runtime API over one keep-alive connection.
// Runtime: provided.al2023; handler: any text; build with `make` in this folder, which makes `bootstrap`
// Event: anything; its size in bytes is answered.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 16384

struct invocation {
    char id[128];
    size_t size; // of the event, in bytes
};

static const char next_request[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n";

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int api_connect(void)
{
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *colon = address ? strrchr(address, ':') : NULL;
    if (!colon || colon - address > 63) {
        fputs("AWS_LAMBDA_RUNTIME_API is not HOST:PORT\n", stderr);
        exit(1);
    }
    char host[64] = {0};
    memcpy(host, address, (size_t)(colon - address));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect to the Runtime API");
    return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            die("send to the Runtime API");
        data += n;
        size -= (size_t)n;
    }
}

// Copies the value of header `name` into `out`; an absent one leaves it empty.
static void header(const char *head, const char *name, char *out, size_t max)
{
    size_t length = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " \t");
            snprintf(out, max, "%.*s", (int)strcspn(value, "\r"), value);
            return;
        }
    }
}

// Reads one answer: its head into `head`, its body to nowhere. Returns the body's size.
static size_t read_answer(int fd, char *head)
{
    size_t used = 0;
    // One byte at a time up to the empty line: an example may be slow, and never reads into the next answer.
    do {
        if (used == HEAD_MAX - 1 || recv(fd, head + used, 1, 0) != 1)
            die("read from the Runtime API");
        head[++used] = '\0';
    } while (used < 4 || memcmp(head + used - 4, "\r\n\r\n", 4) != 0);
    char value[32];
    header(head, "Content-Length", value, sizeof value);
    size_t size = strtoull(value, NULL, 10);
    char body[16384];
    for (size_t left = size; left > 0;) {
        ssize_t n = recv(fd, body, left < sizeof body ? left : sizeof body, 0);
        if (n <= 0)
            die("read from the Runtime API");
        left -= (size_t)n;
    }
    return size;
}

static struct invocation next_invocation(int fd)
{
    static char head[HEAD_MAX];
    struct invocation found;
    found.size = read_answer(fd, head);
    header(head, "Lambda-Runtime-Aws-Request-Id", found.id, sizeof found.id);
    if (!found.id[0])
        die("no request id");
    return found;
}

// The answer and the request for the next invocation leave in one write.
static void respond(int fd, const struct invocation *done)
{
    char body[128], request[1024], head[HEAD_MAX];
    int length = snprintf(body, sizeof body, "{\"message\": \"Hello from C!\", \"event_bytes\": %zu}", done->size);
    int size = snprintf(request, sizeof request,
                        "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\n"
                        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s%s",
                        done->id, length, body, next_request);
    send_all(fd, request, (size_t)size);
    read_answer(fd, head);
}

int main(void)
{
    int fd = api_connect();
    send_all(fd, next_request, sizeof next_request - 1);
    for (;;) {
        struct invocation now = next_invocation(fd);
        fprintf(stderr, "an event of %zu bytes\n", now.size);
        respond(fd, &now);
    }
}
