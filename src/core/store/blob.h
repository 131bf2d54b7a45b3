/* Bytes named by their SHA-256, of any size, streamed in and out. One interface, several engines: the embedded one is
 * opened by blob_dir.h; whoever uses blobs includes only this header.
 *
 * A blob is durable when its finish (or put) succeeds, and never half there. Storing what is there already succeeds. A blob
 * never changes. Who deletes must know that nobody needs the blob: there is no counting here.
 *
 * Threads: the plain calls block (disk, hashing) and may be made on any thread, several at once; a writer is used by one
 * thread at a time. The _async calls are made on the event loop, work on the store's pool and call back on that loop,
 * exactly once; they always succeed in being queued. What a callback is given is valid until it returns.
 *
 * Errors: ERR_NOT_FOUND, ERR_TOO_LARGE (a writer's maximum), ERR_INVALID (not the SHA-256 that was promised), ERR_DISK_FULL,
 * ERR_IO, ERR_SYSTEM. */
#ifndef MAYFLY_STORE_BLOB_H
#define MAYFLY_STORE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/codec.h"
#include "core/base/error.h"
#include "core/ev/pool.h"

struct blob_id {
	unsigned char sha256[SHA256_SIZE];
};

/* Every engine begins its objects with these. */
struct blob_store {
	const struct blob_ops *ops;
	struct ev_loop *loop;
	struct ev_pool *pool;
};
struct blob_writer {
	struct blob_store *store;
};

/* One table an engine; every function may block and is called on any thread. Meanings as in the wrappers. */
struct blob_ops {
	struct blob_writer *(*create)(struct blob_store *store, uint64_t max_bytes, struct error *err);
	int (*append)(struct blob_writer *w, const void *data, size_t n, struct error *err);
	int (*fd)(struct blob_writer *w);
	int (*finish)(struct blob_writer *w, const struct blob_id *want, struct blob_id *id, uint64_t *size,
	              struct error *err);
	void (*abort)(struct blob_writer *w);
	int (*open)(struct blob_store *store, const struct blob_id *id, uint64_t *size, struct error *err);
	int (*exists)(struct blob_store *store, const struct blob_id *id, struct error *err);
	int (*remove)(struct blob_store *store, const struct blob_id *id, struct error *err);
	int (*list)(struct blob_store *store, const struct blob_id *after, struct blob_id *ids, size_t max, struct error *err);
	void (*close)(struct blob_store *store);
};

/* A new blob's spool. Cheap enough for the loop (one open). */
struct blob_writer *blob_writer_new(struct blob_store *store, uint64_t max_bytes, struct error *err);
/* Writes and hashes. After ERR_TOO_LARGE or another failure only abort (or finish, which fails too) makes sense. On the
 * loop for small pieces only (64 KB). */
int blob_writer_append(struct blob_writer *w, const void *data, size_t n, struct error *err);
/* The spool's descriptor, for splice, sendfile or plain writes at its end, instead of append (do not mix them); it stays
 * the writer's. Size and hash are then taken by finish. */
int blob_writer_fd(struct blob_writer *w);
/* Makes the blob and frees the writer, on failure too. `want` (may be NULL): the SHA-256 it must have. `id`, `size` may be
 * NULL. */
int blob_writer_finish(struct blob_writer *w, const struct blob_id *want, struct blob_id *id, uint64_t *size,
                       struct error *err);
void blob_writer_abort(struct blob_writer *w); /* drops the spool and frees; NULL is fine */

/* A descriptor for reading from the start (close-on-exec, the caller's), or -1. `size` may be NULL. */
int blob_open(struct blob_store *store, const struct blob_id *id, uint64_t *size, struct error *err);
int blob_exists(struct blob_store *store, const struct blob_id *id, struct error *err); /* 1, 0, or -1 */
/* What is not there is no error. Not synced: after a power loss the blob may be back. */
int blob_delete(struct blob_store *store, const struct blob_id *id, struct error *err);
/* Ids greater than `after` (NULL: all) in byte order, at most `max`. Returns how many, or -1; less than max: the end. */
int blob_list(struct blob_store *store, const struct blob_id *after, struct blob_id *ids, size_t max, struct error *err);

/* `id` is NULL when `err` is not. */
typedef void blob_cb(void *arg, const struct blob_id *id, uint64_t size, const struct error *err);
/* `fd` is the callee's to close; -1 when `err` is set. */
typedef void blob_open_cb(void *arg, int fd, uint64_t size, const struct error *err);

/* As finish; `want` is copied. */
void blob_writer_finish_async(struct blob_writer *w, const struct blob_id *want, blob_cb *cb, void *arg);
/* A whole blob from memory, which stays the caller's and must live, unchanged, until the callback. */
void blob_put_async(struct blob_store *store, const void *data, size_t n, blob_cb *cb, void *arg);
void blob_open_async(struct blob_store *store, const struct blob_id *id, blob_open_cb *cb, void *arg);
/* `cb` may be NULL. */
void blob_delete_async(struct blob_store *store, const struct blob_id *id, blob_cb *cb, void *arg);

void blob_id_hex(char dst[SHA256_HEX_SIZE], const struct blob_id *id);
int blob_id_parse(struct blob_id *id, struct str hex); /* -1 unless 64 hex digits */

/* Nothing may be under way (stop the pool first) and every writer finished or aborted. NULL is fine. */
void blob_close(struct blob_store *store);

#endif
