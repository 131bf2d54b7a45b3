/* Taking an image: a parked process tree is stopped, read and written to a file. Runs in a short-lived, single-threaded
 * helper of mayflyd (root, all capabilities); whatever the function made of its memory and descriptors, the worst that
 * comes of it is an error. The tree stays stopped, to be killed by the caller, or goes on where `resume` is set.
 *
 * err->code ERR_UNSUPPORTED: this process can't be restored; err->msg then says why, in words that a developer can act on
 * ("holds a connection to 10.0.0.5:5432 that was opened during init"). ERR_BUSY: still not parked after tries for a second (a
 * signal is pending, a connection moves): the tree goes on in any case, and it may be tried again. Control groups must not be
 * frozen: the tree makes calls for us. */
#ifndef MAYFLY_SNAPSHOT_DUMP_H
#define MAYFLY_SNAPSHOT_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "isolation/snapshot/image.h"

struct dump_request {
	pid_t init_pid;      /* mayfly-init of the sandbox, in our pid namespace; the tree is everything below it */
	uint8_t key[IMAGE_KEY_BYTES];
	uint32_t park;       /* enum ipc_park */
	uint32_t next_port;  /* local port of the connection that waits in `next`, inside */
	uint32_t memory_mb;
	uint64_t max_bytes;  /* of the file */
	bool resume;
	bool close_connections; /* live connections of the function are saved as closed ones, and do not forbid an image */
};

struct dump_result {
	uint64_t file_bytes, resident_bytes, dump_ns; /* resident: what a restored environment shares of the image */
	uint32_t processes, threads, connections;
};

/* out_fd: an empty file, open for writing and reading; synced before success. */
int dump_tree(const struct dump_request *request, int out_fd, struct dump_result *result, struct error *err);

#endif
