/* All parts of the control process, made and taken down in order. */
#ifndef MAYFLY_CONTROL_SERVER_H
#define MAYFLY_CONTROL_SERVER_H

#include "core/base/error.h"
#include "core/spec/settings.h"

struct server;

/* `settings` is kept by reference; `message_fd` is taken over. */
struct server *server_new(const struct settings *settings, int message_fd, struct error *err);
/* Until drained (0), or a failure (-1). */
int server_run(struct server *s, struct error *err);
void server_free(struct server *s);

#endif
