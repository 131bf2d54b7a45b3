/* mayfly-control as mayflyd's child: started without rights, told HELLO, started again when it ends. */
#ifndef MAYFLYD_CONTROL_H
#define MAYFLYD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/ev/ev.h"
#include "core/ipc/ipc.h"

struct server;

struct control {
	pid_t pid; /* 0: not running */
	int pidfd; /* its mount namespace is joined to take folders that it opened */
	bool ready, draining;
	unsigned lives, early_ends; /* early: in a row, soon after the start */
	uint64_t started_ns;
	struct ipc ipc;
	struct ev_io io;
	struct ev_timer again, drain;
};

int control_start(struct server *s, struct error *err);
/* A child was reaped; true when it was control. */
bool control_reaped(struct server *s, pid_t pid, int status);
/* Never fails for the caller: a control that cannot be told is ended (and started again). */
void control_send(struct server *s, enum ipc_type type, const void *body, const int *fds, unsigned fd_count);
/* At the server's end. */
void control_release(struct server *s);
/* First call: DRAIN, and a time limit. Second: at once. */
void control_stop(struct server *s);

#endif
