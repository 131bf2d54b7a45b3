/* /tmp of an environment as bytes, so that an image can hold it.
 *
 * Regular files, folders, symbolic links and named pipes, with modes and times; owners are not kept, since there is one user
 * inside. Anything else is refused with a reason. Both walk by descriptor and never follow a link. The bytes come from a file
 * that only root writes, but unpacking trusts no name, length or count in them.
 *
 * Format: for each entry a struct tmp_entry, its name (below the parent, no slash, NUL-terminated), its content or target,
 * padded to 8 bytes. A folder's entries follow it; TMP_UP leaves it. */
#ifndef MAYFLY_SNAPSHOT_TMP_TREE_H
#define MAYFLY_SNAPSHOT_TMP_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/error.h"

enum tmp_entry_kind { TMP_UP, TMP_FOLDER, TMP_FILE, TMP_LINK, TMP_FIFO, TMP_KINDS };

struct tmp_entry {
	uint32_t kind, mode;       /* permission bits */
	uint64_t bytes;            /* of the content (TMP_FILE) or the target (TMP_LINK) */
	int64_t modified_s;
	uint32_t modified_ns, name_bytes; /* with the NUL */
};

#define TMP_MAX_ENTRIES 65536u
#define TMP_MAX_DEPTH 64u

/* Appends what lies in the folder dir_fd (not the folder itself) to `out`, whose maximum limits it. ERR_UNSUPPORTED: what is
 * there cannot be kept, or is too much. */
int tmp_pack(int dir_fd, struct buf *out, struct error *err);
/* Makes everything below the folder dir_fd, owned by uid and gid as the caller sees them. The folder should be empty: an entry
 * that exists is an error. n 0: nothing to do. */
int tmp_unpack(int dir_fd, const void *bytes, size_t n, uid_t uid, gid_t gid, struct error *err);
/* That tmp_unpack would take these bytes, without touching a file. */
int tmp_check(const void *bytes, size_t n, struct error *err);

#endif
