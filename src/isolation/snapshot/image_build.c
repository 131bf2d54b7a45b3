#include "isolation/snapshot/image_build.h"

#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/image_priv.h"

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

void image_builder_init(struct image_builder *b)
{
	*b = (struct image_builder){.head = {.magic = IMAGE_MAGIC, .format = IMAGE_FORMAT, .head_bytes = sizeof b->head}};
	for (int i = 0; i < IMAGE_TABLES; i++)
		buf_init(&b->tables[i], (size_t)image_table_rules[i].size * image_table_rules[i].max);
}

void image_builder_release(struct image_builder *b)
{
	for (int i = 0; i < IMAGE_TABLES; i++)
		buf_release(&b->tables[i]);
}

uint32_t image_built_count(const struct image_builder *b, enum image_table table)
{
	return (uint32_t)(b->tables[table].len / image_table_rules[table].size);
}

int64_t image_add(struct image_builder *b, enum image_table table, const void *row, struct error *err)
{
	const struct image_table_rule *rule = &image_table_rules[table];
	uint32_t i = image_built_count(b, table);
	if (buf_append(&b->tables[table], row, rule->size) < 0)
		return i < rule->max ? error_set(err, ERR_NO_MEMORY, "no memory for the image's tables")
				     : error_set(err, ERR_UNSUPPORTED, "has more than %u %s", rule->max, rule->name);
	return i;
}

void *image_built_row(struct image_builder *b, enum image_table table, uint32_t i)
{
	ASSERT(i < image_built_count(b, table));
	return b->tables[table].data + (size_t)i * image_table_rules[table].size;
}

int64_t image_add_bytes(struct image_builder *b, const void *bytes, size_t n, size_t align, struct error *err)
{
	static const char zeros[64];
	struct buf *blob = &b->tables[IMAGE_BLOB];
	size_t pad = round_up(blob->len, align) - blob->len;
	ASSERT(pad < sizeof zeros);
	if (buf_append(blob, zeros, pad) < 0 || buf_append(blob, bytes, n) < 0)
		return error_set(err, ERR_UNSUPPORTED, "holds more than %u MB in pipes, memory files and names", IMAGE_MAX_BLOB >> 20);
	return (int64_t)(blob->len - n);
}

int64_t image_add_string(struct image_builder *b, const char *s, struct error *err)
{
	return image_add_bytes(b, s, strlen(s) + 1, 1, err);
}

/* Gives each table its place; returns where they end. `runs` stands for the count of IMAGE_RUNS. */
static uint64_t place_tables(const struct image_builder *b, struct image_head *head, uint64_t runs)
{
	uint64_t at = sizeof *head;
	for (int i = 0; i < IMAGE_TABLES; i++) {
		uint64_t count = i == IMAGE_RUNS ? runs : image_built_count(b, (enum image_table)i);
		at = round_up(at, 64);
		head->tables[i] = (struct image_section){at, (uint32_t)count, image_table_rules[i].size};
		at += count * image_table_rules[i].size;
	}
	return at;
}

uint64_t image_plan_pages(const struct image_builder *b, uint64_t runs)
{
	struct image_head head;
	return round_up(place_tables(b, &head, runs), IMAGE_PAGE);
}

int image_write_tables(struct image_builder *b, int fd, struct error *err)
{
	struct image_head *h = &b->head;
	uint64_t end = place_tables(b, h, image_built_count(b, IMAGE_RUNS));
	ASSERT(end <= h->pages_offset);
	CLEANUP_FREE unsigned char *bytes = calloc(1, h->pages_offset);
	if (!bytes)
		return error_set(err, ERR_NO_MEMORY, "no memory for the image's tables");
	for (int i = 0; i < IMAGE_TABLES; i++) {
		if (b->tables[i].len)
			memcpy(bytes + h->tables[i].offset, b->tables[i].data, b->tables[i].len);
	}
	struct image image = {.fd = -1, .tables = bytes + sizeof *h, .tables_bytes = h->pages_offset - sizeof *h};
	h->file_bytes = h->pages_offset + h->page_count * IMAGE_PAGE;
	h->tables_sum = image_sum(0, image.tables, image.tables_bytes);
	h->head_sum = image_head_sum(h);
	memcpy(bytes, h, sizeof *h);
	image.head = *h;
	if (image_check_head(h, h->file_bytes, err) < 0 || image_check_rows(&image, err) < 0) {
		if (err)
			err->code = ERR_INTERNAL;
		return error_wrap(err, "what was read of the process makes no image");
	}
	for (uint64_t done = 0; done < h->pages_offset;) {
		ssize_t n = pwrite(fd, bytes + done, h->pages_offset - done, (off_t)done);
		if (n <= 0)
			return error_sys(err, "cannot write the image");
		done += (uint64_t)n;
	}
	return 0;
}
