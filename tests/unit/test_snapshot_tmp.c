/* /tmp in an image: what is packed comes out again, and nothing in the bytes leads out of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/io.h"
#include "isolation/snapshot/image.h"
#include "isolation/snapshot/tmp_tree.h"
#include "tests/unit/test.h"

static int make_folder(char path[64])
{
	strcpy(path, "/tmp/mayfly-test-XXXXXX");
	ASSERT(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put_file(int dir, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ASSERT(fd >= 0 && io_write_full(fd, text, strlen(text)) == 0 && fchmod(fd, mode) == 0);
	close(fd);
}

static void remove_folder(const char *path)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", path);
	ASSERT(system(command) == 0);
}

TEST(tree_comes_back)
{
	char from[64], to[64];
	struct buf out;
	struct stat st;
	struct error err = {0};
	struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 7}, {.tv_sec = 1000000000, .tv_nsec = 7}};
	int a = make_folder(from), b = make_folder(to);
	buf_init(&out, 1 << 20);
	put_file(a, "plain", "hello", 0640);
	put_file(a, "empty", "", 0600);
	ASSERT(mkdirat(a, "sub", 0700) == 0 && mkdirat(a, "sub/deep", 0750) == 0 && mkfifoat(a, "fifo", 0622) == 0 &&
	       symlinkat("/etc/passwd", a, "link") == 0);
	put_file(a, "sub/deep/x", "deep inside", 0755);
	utimensat(a, "sub", times, 0);
	CHECK_INT(tmp_pack(a, &out, &err), 0);
	CHECK_INT(tmp_check(out.data, out.len, &err), 0);
	CHECK_INT(tmp_unpack(b, out.data, out.len, getuid(), getgid(), &err), 0);
	char *text = io_read_file(b, "sub/deep/x", 100, NULL, NULL), target[32] = {0};
	CHECK_STR(text, "deep inside");
	CHECK(fstatat(b, "plain", &st, 0) == 0 && st.st_size == 5 && (st.st_mode & 07777) == 0640);
	CHECK(fstatat(b, "empty", &st, 0) == 0 && st.st_size == 0);
	CHECK(fstatat(b, "sub", &st, 0) == 0 && st.st_mtim.tv_sec == 1000000000 && st.st_mtim.tv_nsec == 7);
	CHECK(fstatat(b, "fifo", &st, 0) == 0 && S_ISFIFO(st.st_mode));
	CHECK_INT(readlinkat(b, "link", target, sizeof target - 1), 11);
	CHECK_STR(target, "/etc/passwd");
	/* A second time everything is there already. */
	CHECK_INT(tmp_unpack(b, out.data, out.len, getuid(), getgid(), &err), -1);
	free(text);
	buf_release(&out);
	close(a);
	close(b);
	remove_folder(from);
	remove_folder(to);
}

TEST(too_much_and_odd_things_are_refused)
{
	char from[64];
	struct buf out;
	struct error err = {0};
	int a = make_folder(from);
	buf_init(&out, IMAGE_MAX_TMP * 2);
	put_file(a, "large", "", 0600);
	CHECK_INT(truncate(from, 0), -1);
	int fd = openat(a, "large", O_WRONLY | O_CLOEXEC);
	CHECK_INT(ftruncate(fd, (off_t)IMAGE_MAX_TMP + 1), 0);
	CHECK_INT(tmp_pack(a, &out, &err), -1);
	CHECK_INT(err.code, ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "64 MB"));
	CHECK_INT(unlinkat(a, "large", 0), 0);
	close(fd);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", from);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(s, (struct sockaddr *)&at, sizeof at), 0);
	buf_clear(&out);
	CHECK_INT(tmp_pack(a, &out, &err), -1);
	CHECK(strstr(err.msg, "socket"));
	close(s);
	buf_release(&out);
	close(a);
	remove_folder(from);
}

/* One entry with this head, name and content. */
static size_t entry(char *dst, struct tmp_entry e, const char *name, size_t name_bytes, const char *content)
{
	e.name_bytes = (uint32_t)name_bytes;
	memset(dst, 0, 512);
	memcpy(dst, &e, sizeof e);
	memcpy(dst + sizeof e, name, name_bytes);
	memcpy(dst + sizeof e + name_bytes, content, strlen(content));
	return (sizeof e + name_bytes + strlen(content) + 7) / 8 * 8;
}

TEST(hostile_bytes_are_refused)
{
	static const struct {
		struct tmp_entry head;
		const char *name;
		size_t name_bytes;
		const char *content;
	} rows[] = {
		{{.kind = TMP_FILE, .bytes = 2}, "..", 3, "xx"},         {{.kind = TMP_FILE, .bytes = 2}, "a/b", 4, "xx"},
		{{.kind = TMP_FILE, .bytes = 2}, ".", 2, "xx"},          {{.kind = TMP_FILE, .bytes = 2}, "", 1, "xx"},
		{{.kind = TMP_FILE, .bytes = 2}, "ab", 2, "xx"},         {{.kind = TMP_FILE, .bytes = 2}, "a\0b", 4, "xx"},
		{{.kind = TMP_FILE, .bytes = UINT64_MAX}, "a", 2, "xx"}, {{.kind = TMP_FILE, .bytes = 9000}, "a", 2, "xx"},
		{{.kind = TMP_LINK, .bytes = 0}, "a", 2, ""},            {{.kind = TMP_LINK, .bytes = 5000}, "a", 2, "x"},
		{{.kind = TMP_FOLDER}, "a", 2, ""},                      {{.kind = TMP_UP}, "", 0, ""},
		{{.kind = TMP_FIFO, .bytes = 1}, "a", 2, "x"},           {{.kind = TMP_KINDS}, "a", 2, ""},
		{{.kind = TMP_FILE, .mode = 0100644}, "a", 2, ""},       {{.kind = TMP_FILE, .modified_ns = 2000000000}, "a", 2, ""},
	};
	char bytes[512];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = {0};
		size_t n = entry(bytes, rows[i].head, rows[i].name, rows[i].name_bytes, rows[i].content);
		if (tmp_check(bytes, n, &err) == 0)
			printf("row %zu is taken\n", i);
		CHECK_INT(err.code, ERR_INVALID);
		/* Nor is anything made of it. */
		CHECK_INT(tmp_unpack(-1, bytes, n, 0, 0, NULL), -1);
	}
	size_t n = entry(bytes, (struct tmp_entry){.kind = TMP_FILE, .bytes = 2}, "a", 2, "xx");
	CHECK_INT(tmp_check(bytes, n, NULL), 0);
	for (size_t cut = 1; cut < n; cut++)
		CHECK_INT(tmp_check(bytes, cut, NULL), -1);
}

TESTS(T(tree_comes_back), T(too_much_and_odd_things_are_refused), T(hostile_bytes_are_refused))
