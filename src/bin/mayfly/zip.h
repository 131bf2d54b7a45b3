/* Writes zip archives into memory: deflated where that is smaller, with Unix modes and symbolic links. The same content
 * gives the same bytes (no times, modes reduced to what counts), so that an unchanged folder has an unchanged SHA-256.
 *
 *   struct zip z;
 *   zip_init(&z, max);  zip_add(&z, ...) ...;  zip_end(&z, &err);  z.out is the archive;  zip_release(&z);
 *
 * No zip64: at most 65,535 entries and 4 GB. Errors: ERR_TOO_LARGE, ERR_NO_MEMORY. */
#ifndef MAYFLY_BIN_ZIP_H
#define MAYFLY_BIN_ZIP_H

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/error.h"

enum zip_kind { ZIP_FILE, ZIP_EXECUTABLE, ZIP_FOLDER, ZIP_SYMLINK };

struct zip {
	struct buf out, directory; /* the central directory is written last */
	unsigned count;
};

void zip_init(struct zip *z, size_t max);
void zip_release(struct zip *z);
/* `name` is relative, parts separated by '/'; a folder gets its closing '/'. data: a file's bytes or a link's target. */
int zip_add(struct zip *z, enum zip_kind kind, const char *name, const void *data, size_t n, struct error *err);
int zip_end(struct zip *z, struct error *err);

#endif
