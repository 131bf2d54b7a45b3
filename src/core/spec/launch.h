/* What mayfly-init needs to start a runtime, as it travels in a sealed memfd: from control, past mayflyd (which never reads
 * it), to the init of the sandbox, which has no rights. It holds the function's variables, so it is never logged.
 *
 * Layout: struct launch_head, then argc + envc + extensions strings, each ended by NUL. The reader trusts nothing. */
#ifndef MAYFLY_SPEC_LAUNCH_H
#define MAYFLY_SPEC_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/spec/limits.h"

#define LAUNCH_MAGIC 0x4d61794cu
#define LAUNCH_MAX_BYTES 65536u
#define LAUNCH_MAX_STRINGS 640u /* 512 variables of the shortest names and no values are 4 KB of JSON; ours come on top */

/* The command is looked for, in order: the first of the `candidates` first arguments that can be executed becomes argv[0],
 * the rest of them is dropped. 1 for managed runtimes, 2 for provided ones (/var/task/bootstrap, /opt/bootstrap). */
struct launch_head {
	uint32_t magic, bytes; /* of the whole, head included */
	uint16_t candidates, argc, envc, extensions;
};

struct launch {
	unsigned candidates;
	char **argv; /* NULL-terminated; points into `data` */
	char **envp; /* NULL-terminated */
	unsigned extensions;
	char *extension[LIMIT_EXTENSIONS]; /* file names in /opt/extensions: no path, not empty; started before the runtime */
	char *data;
};

/* Writes the layout. argv, envp and extensions are NULL-terminated; extensions NULL: none. */
int launch_encode(struct buf *out, unsigned candidates, const char *const *argv, const char *const *envp, const char *const *extensions,
                  struct error *err);
/* Checks and takes apart; `data` is copied. launch_release frees. */
int launch_decode(struct launch *l, const void *data, size_t n, struct error *err);
void launch_release(struct launch *l);
/* A sealed memfd (no write, shrink, grow, seal) with the bytes; -1 on error. */
int launch_seal(const struct buf *bytes, struct error *err);
/* Refuses a descriptor without those seals or larger than LAUNCH_MAX_BYTES. */
int launch_read_fd(struct launch *l, int fd, struct error *err);

#endif
