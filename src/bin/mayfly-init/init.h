/* What the files of mayfly-init share. */
#ifndef MAYFLY_INIT_INIT_H
#define MAYFLY_INIT_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/ipc/ipc.h"
#include "core/spec/launch.h"
#include "isolation/sandbox/wire.h"

struct init {
	int signals;
	pid_t runtime;        /* 0 before it is started; -1: it ended, and extensions live on */
	struct launch launch; /* between START and the runtime's start */
	unsigned extensions;  /* how many were started */
	pid_t extension[LIMIT_EXTENSIONS]; /* 0: ended */
	bool leaving;         /* SHUTDOWN came */
	uint32_t leavers;
	int64_t kill_ms;      /* when the runtime's time to leave is over; monotonic; 0: none */
};

/* Returns the errno of a failed exec, or 0. */
int init_spawn(pid_t *pid, char **argv, char **envp, int log_fd);
void init_tell(uint32_t who, enum ipc_exit how, int status, bool last);
_Noreturn void init_finish(enum ipc_exit how, int status);

/* extensions.c */
void init_extensions_start(struct init *init, int log_fd);
void init_extensions_leave(struct init *init, uint32_t leavers);
void init_extensions_ended(struct init *init, pid_t pid, enum ipc_exit how, int status);
int init_extensions_wait_ms(const struct init *init); /* for poll */
void init_extensions_tick(struct init *init);

#endif
