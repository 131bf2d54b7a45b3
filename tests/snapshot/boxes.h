/* Sandboxes and zygotes of the snapshot tests, made with the server's own libraries. Errors end the command, not the driver. */
#ifndef SNAPSHOT_BOXES_H
#define SNAPSHOT_BOXES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "isolation/sandbox/sandbox.h"
#include "isolation/snapshot/image_open.h"
#include "isolation/snapshot/restore_wire.h"

#define BOXES 256
#define ZYGOTES 16

struct box {
	bool used;
	unsigned slot;
	struct sandbox_made made;
	int next;       /* the connection that waits for an event; -1: none yet */
};

struct zygote {
	bool used;
	pid_t pid;
	int socket;
	uint64_t resident_bytes, load_ns;
	struct image image;
};

struct boxes {
	struct sandbox_base base;
	int restore_exe, own_pidfd;
	struct box boxes[BOXES];
	struct zygote zygotes[ZYGOTES];
};

int boxes_open(struct boxes *b, const char *build, const char *scratch, struct error *err);
void boxes_close(struct boxes *b);

int box_make(struct boxes *b, unsigned slot, struct error *err);
int box_attach(struct boxes *b, struct box *box, const char *code, struct error *err);
/* argv and envp: NULL-terminated. */
int box_start(struct boxes *b, struct box *box, const char *const *argv, const char *const *envp, struct error *err);
void box_kill(struct boxes *b, struct box *box);

int zygote_start(struct boxes *b, struct zygote *z, const char *image, const char *code, struct error *err);
void zygote_end(struct zygote *z);
/* Into a box with its code attached; box->next is then our end of the connection that waits. */
int zygote_restore(struct boxes *b, struct zygote *z, struct box *box, struct restore_reply *reply, struct error *err);
/* Requests that fit nothing: each must be refused. */
int zygote_ask_nonsense(struct zygote *z, struct restore_reply *reply, struct error *err);
int box_leader(const struct box *box); /* host pid of the runtime; 0: none */

#endif
