/* The embedded engine of blob.h: one file a blob below DIR/blobs.
 *
 *   blobs/ab/abcdef...   a blob, read-only, named by its whole SHA-256 in hexadecimal
 *   blobs/spool/...      what is being written; swept when the store is opened
 *
 * The caller sees to it that one process at a time has the folder open (mayflyd's lock, or kv.db's). */
#ifndef MAYFLY_STORE_BLOB_DIR_H
#define MAYFLY_STORE_BLOB_DIR_H

#include "core/store/blob.h"

/* `data_dirfd` stays the caller's, and is duplicated; loop and pool serve the _async calls and may be NULL when none is
 * made. Makes what is missing of the folders. */
struct blob_store *blob_dir_open(struct ev_loop *loop, struct ev_pool *pool, int data_dirfd, struct error *err);

#endif
