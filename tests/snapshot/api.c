#include "api.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boxes.h"
#include "core/base/clock.h"

#define ROOM 65536
#define WAIT_MS 20000

static int await(int fd, struct error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, WAIT_MS) == 1 ? 0 : error_set(err, ERR_TIMEOUT, "the runtime says nothing");
}

/* One request into in[], NUL-terminated, its body at *body. A request that came with the one before would be lost: runtimes
 * here wait for each answer. */
static int read_request(struct box *box, char *in, char **body, struct error *err)
{
	size_t n = 0, need = 0;
	*body = NULL;
	for (;;) {
		if (!*body && (*body = memmem(in, n, "\r\n\r\n", 4))) {
			in[n] = '\0';
			const char *length = strcasestr(in, "content-length:");
			*body += 4;
			need = (size_t)(*body - in) + (length && length < *body ? strtoul(length + 15, NULL, 10) : 0);
		}
		if (*body && n >= need)
			break;
		if (await(box->next, err) < 0)
			return -1;
		ssize_t got = recv(box->next, in + n, ROOM - 1 - n, 0);
		if (got <= 0)
			return error_set(err, ERR_CLOSED, "the runtime closed the connection after %zu bytes", n);
		n += (size_t)got;
	}
	in[n] = '\0';
	return 0;
}

static int accept_next(struct box *box, struct error *err)
{
	if (box->next >= 0)
		close(box->next);
	box->next = -1;
	if (await(box->made.api_fd, err) < 0)
		return -1;
	box->next = accept4(box->made.api_fd, NULL, NULL, SOCK_CLOEXEC);
	return box->next < 0 ? error_sys(err, "cannot accept") : 0;
}

/* Skips what is no GET of next. A runtime may use another connection for each call. */
static int wait_for_next(struct box *box, struct error *err)
{
	char in[ROOM], *body;
	for (int tries = 0; tries < 4; tries++) {
		struct error lost = {0};
		if (box->next < 0 && accept_next(box, err) < 0)
			return -1;
		if (read_request(box, in, &body, &lost) < 0) {
			if (accept_next(box, err) < 0)
				return -1;
			continue;
		}
		if (strncmp(in, "GET ", 4) == 0 && strstr(in, "/next"))
			return 0;
		return error_set(err, ERR_INVALID, "not a GET of next: %.100s", in);
	}
	return error_set(err, ERR_CLOSED, "no GET of next");
}

int api_park(struct box *box, struct error *err)
{
	return wait_for_next(box, err);
}

static int put(int fd, const char *text, struct error *err)
{
	size_t n = strlen(text);
	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : error_sys(err, "cannot write to the runtime");
}

int api_answer(struct box *box, const char *event, char *answer, uint64_t *ns, struct error *err)
{
	char in[ROOM], *body, out[4096];
	uint64_t start = clock_mono_ns();
	snprintf(out, sizeof out,
	         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: r1\r\n"
	         "Lambda-Runtime-Deadline-Ms: 9999999999999\r\nContent-Length: %zu\r\n\r\n%s", strlen(event), event);
	if (put(box->next, out, err) < 0 || read_request(box, in, &body, err) < 0)
		return -1;
	*ns = clock_mono_ns() - start;
	if (strncmp(in, "POST ", 5) != 0)
		return error_set(err, ERR_INVALID, "not an answer: %.100s", in);
	strcpy(answer, body);
	if (put(box->next, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", err) < 0)
		return -1;
	return wait_for_next(box, err);
}
