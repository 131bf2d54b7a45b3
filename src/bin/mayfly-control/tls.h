/* The front end's certificate: what mayflyd hands over becomes the server's, at the start and whenever the files change. */
#ifndef MAYFLY_CONTROL_TLS_H
#define MAYFLY_CONTROL_TLS_H

#include "control/worker/launcher.h"
#include "core/http/tls.h"

struct front_tls {
	struct http_server *front;
	struct http_tls *tls; /* NULL: plain */
};

/* With `fds` as HELLO brought them: -1 where the endpoint is plain. ERR_USAGE: certificate or key cannot work. */
int front_tls_init(struct front_tls *t, struct http_server *front, struct launcher *launcher, const int fds[HELLO_FDS], struct error *err);
uint64_t front_tls_left_s(const struct front_tls *t); /* 0: expired, or plain */
void front_tls_release(struct front_tls *t); /* after the server */

#endif
