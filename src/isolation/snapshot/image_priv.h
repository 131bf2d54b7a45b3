/* Private to isolation/snapshot: the checks of image_open.c, split by table. */
#ifndef MAYFLY_SNAPSHOT_IMAGE_PRIV_H
#define MAYFLY_SNAPSHOT_IMAGE_PRIV_H

#include "isolation/snapshot/image_open.h"

/* User space ends here with four-level page tables, which is all that is checkpointed. */
#define IMAGE_ADDRESS_END 0x7ffffffff000ull
#define IMAGE_MAX_PID 4194304u
#define IMAGE_MAX_FD 65536u

/* One rule for each table: bytes of a row, and how many rows there may be. */
struct image_table_rule {
	const char *name;
	uint32_t size, max;
};
extern const struct image_table_rule image_table_rules[IMAGE_TABLES];

uint64_t image_head_sum(const struct image_head *head); /* with head_sum taken as 0 */
int image_check_head(const struct image_head *head, uint64_t file_bytes, struct error *err);
/* The rows, of an image whose head was checked. */
int image_check_rows(const struct image *image, struct error *err);
int image_check_processes(const struct image *image, struct error *err);
int image_check_memory(const struct image *image, struct error *err);
int image_check_objects(const struct image *image, struct error *err);

/* Fills what identifies an open file; ERR_INVALID when it is not a regular one. */
int image_file_look(int fd, struct image_file *file, struct error *err);
bool image_file_same(const struct image_file *was, const struct image_file *now);
/* Below the folder `root` as if it were the root, without following a link. */
int image_file_open(int root, const char *path, int flags, struct error *err);

uint32_t image_count(const struct image *image, enum image_table table);
int image_bad(struct error *err, const char *what, uint32_t row, const char *field); /* ERR_INVALID */
bool image_blob_fits(const struct image *image, uint32_t offset, uint32_t bytes);
bool image_string_fits(const struct image *image, uint32_t offset, bool absolute_path);

#endif
