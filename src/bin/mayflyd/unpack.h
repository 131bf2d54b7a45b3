/* Jobs for mayfly-unpack: one process each, without rights, network or names; control's user, two descriptors. */
#ifndef MAYFLYD_UNPACK_H
#define MAYFLYD_UNPACK_H

#include "core/base/list.h"
#include "core/ipc/ipc.h"

struct server;

struct unpacks {
	struct list waiting, working;
	unsigned running, count;
};

void unpacks_init(struct unpacks *u);
/* -1 when the message is against the rules. */
int unpack_on_message(struct server *s, struct ipc_message *m, struct error *err);
/* Starts what waits; nothing is unpacked while what a predecessor left is being swept. */
void unpack_pump(struct server *s);
/* At the server's end. */
void unpacks_release(struct server *s);
/* Control is gone: nobody waits for the answers. */
void unpack_orphan(struct server *s);

#endif
