/* The supervisor's parts and what they share. One event loop, one thread; nothing here waits for anything but the loop:
 * what takes long is a helper process (helper.h). */
#ifndef MAYFLYD_SERVER_H
#define MAYFLYD_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/ev/ev.h"
#include "core/ipc/ipc.h"
#include "core/spec/settings.h"
#include "isolation/sandbox/sandbox.h"

#include "bin/mayflyd/control.h"
#include "bin/mayflyd/env.h"
#include "bin/mayflyd/helper.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/tls.h"
#include "bin/mayflyd/unpack.h"
#include "bin/mayflyd/zygotes.h"

struct server {
	struct settings settings;
	int argc;
	char **argv; /* options only; control gets the same */
	struct ev_loop *loop;
	struct ev_signals *signals;
	struct sandbox_base base;
	char data_path[256];
	int data_fd, lock_fd, listener;
	char host[64];
	uint16_t port;
	uid_t control_uid;
	gid_t control_gid;
	int control_exe, unpack_exe, restore_exe; /* restore_exe -1: there is none */
	int mount_ns, net_ns; /* our own, for hands that come back to them */
	char runtimes[4096]; /* folder of the bootstraps */
	struct ipc_hello capacity;
	struct control control;
	struct tls_files tls;
	struct envs envs;
	struct unpacks unpacks;
	struct images images;
	struct zygotes zygotes;
	struct helper tmp_helper, sweep_helper;
	unsigned stops;  /* signals to end that came */
	bool unclean;    /* the folder's last server did not end in order */
	bool announced;  /* the ready line is out */
	bool terminal;   /* it was started from one */
	int exit_status;
};

#endif
