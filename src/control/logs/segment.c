/* Folders of segments: names, listing, deleting. */
#include "control/logs/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/base/io.h"

#define SUFFIX ".log"

void segment_path(char dst[SEGMENT_PATH_SIZE], const char *folder, uint64_t seq, const char *suffix)
{
	snprintf(dst, SEGMENT_PATH_SIZE, "%s/%016" PRIx64 ".%s", folder, seq, suffix);
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->seq, y = ((const struct segment *)b)->seq;
	return (x > y) - (x < y);
}

/* False when the name is not a segment's. */
static bool parse_name(const char *name, uint64_t *seq)
{
	unsigned char bytes[8];
	if (strlen(name) != 16 + strlen(SUFFIX) || strcmp(name + 16, SUFFIX) != 0 ||
	    hex_decode(bytes, sizeof bytes, (struct str){name, 16}) < 0)
		return false;
	*seq = 0;
	for (size_t i = 0; i < sizeof bytes; i++)
		*seq = *seq << 8 | bytes[i];
	return true;
}

static int append(struct segment **out, size_t *n, size_t *cap, struct segment s, struct error *err)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct segment *grown = reallocarray(*out, more, sizeof s);
		if (!grown)
			return error_set(err, ERR_NO_MEMORY, "no memory to list log segments");
		*out = grown;
		*cap = more;
	}
	(*out)[(*n)++] = s;
	return 0;
}

int segments_list(int dir_fd, const char *folder, struct segment **out, size_t *n, struct error *err)
{
	CLEANUP_FREE struct segment *list = NULL;
	size_t count = 0, cap = 0;
	CLEANUP_CLOSE int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? error_set(err, ERR_NOT_FOUND, "The specified log group does not exist.")
		                       : error_sys(err, "cannot open log folder %s", folder);
	CLEANUP_DIR DIR *dir = fdopendir(fd);
	if (!dir)
		return error_sys(err, "cannot list log folder %s", folder);
	int at = STEAL_FD(fd);
	const struct dirent *e;
	while ((e = readdir(dir))) {
		struct segment s = {0};
		struct stat st;
		if (!parse_name(e->d_name, &s.seq) || fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		s.size = (uint64_t)st.st_size;
		s.modified_ms = (int64_t)st.st_mtim.tv_sec * 1000;
		if (append(&list, &count, &cap, s, err) < 0)
			return -1;
	}
	if (count)
		qsort(list, count, sizeof *list, by_seq);
	*out = STEAL_PTR(list);
	*n = count;
	return 0;
}

void segment_delete(int dir_fd, const char *folder, uint64_t seq)
{
	char path[SEGMENT_PATH_SIZE];
	segment_path(path, folder, seq, "log");
	unlinkat(dir_fd, path, 0);
	segment_path(path, folder, seq, "idx");
	unlinkat(dir_fd, path, 0);
}

int segment_drop_stream(int dir_fd, const char *folder, uint64_t seq, struct str name, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	struct index x;
	struct buf out;
	struct stat st;
	if (index_load(&x, dir_fd, folder, seq, err) < 0)
		return -1;
	uint64_t end = x.covered;
	bool has = index_number(&x, name) >= 0;
	index_release(&x);
	if (!has)
		return 0;
	segment_path(path, folder, seq, "log");
	CLEANUP_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, "cannot write log segment %s", path);
	buf_init(&out, RECORD_MAX);
	record_put(&out, &(struct record){.kind = RECORD_GONE, .message = name});
	/* Behind the last good record: a torn end would hide it. */
	int result = 0;
	if (out.overflow || ftruncate(fd, (off_t)end) < 0 || lseek(fd, (off_t)end, SEEK_SET) < 0 || io_write_full(fd, out.data, out.len) < 0)
		result = error_sys(err, "cannot write log segment %s", path);
	futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim});
	buf_release(&out);
	return result;
}

/* Names have [A-Za-z0-9_/.#-]; '/' becomes '+', anything else that may not stand in a file name (or begins with a dot) %XX. */
static int encode_readable(char dst[256], struct str group)
{
	size_t n = 0;
	for (size_t i = 0; i < group.n; i++) {
		unsigned char c = (unsigned char)group.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
		             (c == '.' && i > 0);
		if (n + 4 > 255)
			return -1;
		if (plain || c == '/')
			dst[n++] = c == '/' ? '+' : (char)c;
		else
			n += (size_t)snprintf(dst + n, 4, "%%%02X", c);
	}
	dst[n] = '\0';
	return n ? 0 : -1;
}

int folder_encode(char dst[256], struct str group)
{
	char hex[SHA256_HEX_SIZE];
	if (encode_readable(dst, group) == 0)
		return 0;
	if (!group.n)
		return -1;
	sha256_hex(hex, group.p, group.n);
	snprintf(dst, 256, "=%s", hex);
	return 0;
}

bool folder_is_hash(const char *folder)
{
	return folder[0] == '=';
}

int folder_decode(char *dst, size_t size, const char *folder)
{
	size_t n;
	char plain[256], again[256];
	if (str_copy(plain, sizeof plain, str_from(folder)) < 0 || strlen(plain) >= size)
		return -1;
	for (char *p = plain; *p; p++)
		*p = *p == '+' ? '/' : *p;
	if (percent_decode(dst, &n, str_from(plain), false) < 0)
		return -1;
	dst[n] = '\0';
	/* Is it one of ours at all? */
	return encode_readable(again, (struct str){dst, n}) == 0 && strcmp(again, folder) == 0 ? 0 : -1;
}
