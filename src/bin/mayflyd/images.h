/* The folder DIR/images: one file for each image, named by its key; "<key>.new" until its trial went well. It is root's alone:
 * images hold what was in functions' memory, and mayfly-restore believes what is in them. Opened once, at start; what is above
 * it belongs to others.
 *
 * The table here is what the folder holds. Files are deleted and renamed by a helper, one after the other; the folder's size
 * is limited (--snapshot-disk), the longest unused image goes first. */
#ifndef MAYFLYD_IMAGES_H
#define MAYFLYD_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "bin/mayflyd/helper.h"
#include "core/base/list.h"
#include "core/ipc/ipc.h"

struct zygote;
struct server;

struct image_entry {
	struct list link;
	uint8_t key[IPC_IMAGE_KEY];
	bool kept;       /* its trial went well */
	uint64_t file_bytes, resident_bytes, taken_wall_ms;
	uint32_t park;
	uint64_t used;   /* counts up with each use of any image */
	unsigned failures; /* of its zygotes, in a row */
	struct zygote *zygote; /* loading or resident; NULL: none */
};

struct images {
	int fd; /* of the folder; -1: images are off, `off` says why */
	char off[240];
	struct list all;   /* struct image_entry */
	uint64_t uses;
	struct list tasks; /* for the helper: files to rename or to delete */
	struct helper helper;
};

/* Opens the folder and reads the heads of what is in it; deletes what is unproved, damaged or of another boot. Never fails:
 * without a folder there are no images. */
void images_open(struct server *s);
void images_release(struct server *s);
/* IMAGE_FOUND for each kept one, after HELLO. */
void images_tell(struct server *s);
/* Control is gone, and with it the trials: unproved images go. */
void images_orphan(struct server *s);

struct image_entry *images_find(struct server *s, const uint8_t key[IPC_IMAGE_KEY]);
/* There is one of this key, or its file is still being deleted. */
bool images_busy(struct server *s, const uint8_t key[IPC_IMAGE_KEY]);
/* A descriptor, read-only. */
int images_open_file(struct server *s, struct image_entry *image, struct error *err);
/* The file of a new image, empty; images_add or images_discard ends that. Runs in a helper. */
int images_create_file(struct server *s, const uint8_t key[IPC_IMAGE_KEY], struct error *err);
void images_discard(struct server *s, const uint8_t key[IPC_IMAGE_KEY]);
/* It was written completely. Others are evicted to make room for it. NULL: no memory, it is discarded. */
struct image_entry *images_add(struct server *s, const struct ipc_snapshot_done *done, uint32_t park);
void images_used(struct server *s, struct image_entry *image);
/* Deletes it, ends its zygote, and tells control why (IMAGE_GONE). */
void images_lose(struct server *s, struct image_entry *image, const char *why);

int images_on_keep(struct server *s, struct ipc_message *m, struct error *err);
int images_on_drop(struct server *s, struct ipc_message *m, struct error *err);

#endif
