/* The attacher: a hand (hand.h) that makes an empty sandbox one function's environment, and sets its runtime going: by
 * mayfly-init (a plain start), or by a zygote.
 *
 * One socket is made for each order; exactly one answer comes over it, and its end without one means that whoever worked on
 * it died. A plain start, and every failure before a zygote was asked, is answered by the attacher (struct attach_answer);
 * else the zygote's or the restored process's struct restore_reply comes. What was done ahead is answered by the struct
 * restore_request that the zygote is to get, with those of its descriptors that mayflyd does not have. */
#ifndef MAYFLYD_ATTACHER_H
#define MAYFLYD_ATTACHER_H

#include <stdbool.h>
#include <stdint.h>

#include "bin/mayflyd/hand.h"
#include "core/base/error.h"
#include "isolation/sandbox/sandbox.h"
#include "isolation/snapshot/restore_wire.h"

/* What restoring an image needs to know of it; learned by the zygote's loader. */
struct image_facts {
	uint64_t resident_bytes, tmp_bytes;
	int32_t leader_pid;
	uint32_t park;
	uint32_t connections, next; /* next: index of the one that waits for work */
	struct {
		uint16_t port, local_port;
	} connection[RESTORE_MAX_CONNECTIONS];
};

struct attach_order {
	struct sandbox_attach sandbox; /* descriptors travel beside it */
	struct image_facts image;
	uint32_t groups_made; /* cgroup.h */
	bool restore, net_ready;
	bool ahead; /* of a restore that nobody has asked for: all but the request to the zygote, which is answered */
	bool teach; /* restore_wire.h */
};

/* Plain: `launch`, and with extensions log_write: theirs. Restore: log_write, spare, zygote, image. -1 for what is not there. */
struct attach_fds {
	int init, launch, log_write, spare, zygote, image;
};

struct attach_answer {
	int32_t code, sys; /* enum error_code */
	char msg[240];
};

void attacher_init(struct server *s);
/* Gives the order; returns the socket on which the answer comes. ERR_BUSY: too many are on their way; to be tried again. */
int attacher_give(struct server *s, const struct attach_order *order, const struct attach_fds *fds, struct error *err);

#endif
