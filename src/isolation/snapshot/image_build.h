/* The tables of an image while it is made: rows are appended, then everything is written once. Private to the dump. */
#ifndef MAYFLY_SNAPSHOT_IMAGE_BUILD_H
#define MAYFLY_SNAPSHOT_IMAGE_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "isolation/snapshot/image.h"

struct image_builder {
	struct image_head head;
	struct buf tables[IMAGE_TABLES];
};

void image_builder_init(struct image_builder *b);
void image_builder_release(struct image_builder *b);
/* Appends a copy of a row; its index, or -1 with ERR_UNSUPPORTED when there are too many. */
int64_t image_add(struct image_builder *b, enum image_table table, const void *row, struct error *err);
void *image_built_row(struct image_builder *b, enum image_table table, uint32_t i); /* until the next row is added */
uint32_t image_built_count(const struct image_builder *b, enum image_table table);
/* Appends bytes to the blob; their offset, or -1. */
int64_t image_add_bytes(struct image_builder *b, const void *bytes, size_t n, size_t align, struct error *err);
int64_t image_add_string(struct image_builder *b, const char *s, struct error *err);
/* Where the pages begin, when at most `runs` rows of IMAGE_RUNS will be there and nothing is added to the others. */
uint64_t image_plan_pages(const struct image_builder *b, uint64_t runs);
/* Fills the head's places and sums (pages_offset, page_count and pages_sum are the caller's), checks the rows as a reader would,
 * and writes head and tables. */
int image_write_tables(struct image_builder *b, int fd, struct error *err);

#endif
