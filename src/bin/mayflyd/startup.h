/* Steps of the start that happen once and may wait. */
#ifndef MAYFLYD_STARTUP_H
#define MAYFLYD_STARTUP_H

#include "core/base/error.h"

struct server;

int startup_check(struct server *s, struct error *err);    /* root, kernel; control's user */
int startup_listen(struct server *s, struct error *err);   /* the public socket, and its real port */
int startup_binaries(struct server *s, struct error *err); /* opens the other programs and the runtimes' folder */
int startup_capacity(struct server *s, struct error *err);
/* Own mount namespace, control groups (swept of a predecessor's), the sandboxes' root. */
int startup_isolation(struct server *s, struct error *err);
/* What a dead predecessor left and nobody waits for: network rules, unfinished packages. */
void startup_sweep(struct server *s);
/* The /tmp image, made while the first functions are being created; see tmp.h. */
void startup_tmp(struct server *s);

#endif
