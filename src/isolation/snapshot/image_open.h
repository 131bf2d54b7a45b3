/* Reading an image file without trusting it. For helpers of mayflyd; fuzzed (tests/fuzz/fuzz_image.c). */
#ifndef MAYFLY_SNAPSHOT_IMAGE_OPEN_H
#define MAYFLY_SNAPSHOT_IMAGE_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "isolation/snapshot/image.h"

struct image {
	int fd;                        /* the caller's */
	struct image_head head;
	const unsigned char *tables;   /* mapped or given: from the head's end to the pages */
	size_t tables_bytes;
	bool mapped;
};

uint64_t image_sum(uint64_t seed, const void *data, size_t n); /* not cryptographic: finds damage */
/* Of this machine, boot and build. */
int image_machine_now(struct image_machine *machine, struct error *err);
/* The head only: cheap enough for a scan. ERR_STALE when it belongs to another machine state, ERR_INVALID when damaged. */
int image_read_head(int fd, struct image_head *head, struct error *err);
/* Everything but the pages' sum: every row, index, range and string. */
int image_open(struct image *image, int fd, struct error *err);
/* From memory (aligned to 64 bytes), for the fuzzer and tests; the machine is not compared. */
int image_check(struct image *image, const void *bytes, size_t n, struct error *err);
void image_release(struct image *image);
/* Reads all pages once. */
int image_check_pages(const struct image *image, struct error *err);
/* Row i of a table; asserts that it is there. */
const void *image_row(const struct image *image, enum image_table table, uint32_t i);
const char *image_string(const struct image *image, uint32_t offset);
/* Opens every file of the image as seen from the calling process's root and compares it; fds[i] is file i's, close-on-exec.
 * ERR_STALE names the file that changed. */
int image_open_files(const struct image *image, int *fds, struct error *err);

#endif
