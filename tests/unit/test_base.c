#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/list.h"
#include "core/base/rand.h"
#include "tests/unit/test.h"

TEST(error_wraps_and_maps)
{
	struct error err = {0};
	CHECK_INT(error_set(&err, ERR_NOT_FOUND, "no %s", "f"), -1);
	error_wrap(&err, "while %d", 1);
	CHECK_STR(err.msg, "while 1: no f");
	CHECK_INT(error_info(err.code)->http_status, 404);
	errno = ENOSPC;
	error_sys(&err, "write");
	CHECK_INT(err.code, ERR_DISK_FULL);
	CHECK_STR(err.msg, "write: No space left on device");
	char big[600];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	error_set(&err, ERR_INVALID, "%s", big);
	error_wrap(&err, "%s", big);
	errno = EIO;
	error_sys(&err, "%s", big);
	CHECK_INT(strlen(err.msg), sizeof err.msg - 1);
}

TEST(str_pieces)
{
	struct str rest = STR("a,,b"), piece;
	CHECK(str_split(&rest, ',', &piece) && str_eqz(piece, "a"));
	CHECK(str_split(&rest, ',', &piece) && piece.n == 0);
	CHECK(str_split(&rest, ',', &piece) && str_eqz(piece, "b"));
	CHECK(!str_split(&rest, ',', &piece));
	CHECK(str_eqz(str_trim(STR(" \tx y ")), "x y"));
	CHECK(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
	CHECK(str_ends(STR("abc"), STR("bc")) && str_case_eq(STR("AbC"), STR("aBc")));
	CHECK(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
}

TEST(str_numbers_are_strict)
{
	uint64_t v = 7;
	CHECK_INT(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_INT(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &v), -1);
	static const char *const bad[] = {"", "+4", "-1", " 1", "1 ", "0x4", "1a"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(str_to_u64(str_from(bad[i]), 100, &v), -1);
	CHECK_INT(str_to_u64(STR("101"), 100, &v), -1);
	CHECK_INT(str_to_u64(STR("7"), 7, &v), 0);
	CHECK_INT(str_to_u64(STR("5"), 3, &v), -1);
}

TEST(arena_is_capped)
{
	struct arena a;
	arena_init(&a, 10000);
	char *p = arena_printf(&a, "%s-%d", "x", 5);
	CHECK_STR(p, "x-5");
	CHECK(arena_alloc(&a, 9000) && !a.overflow);
	CHECK(!arena_alloc(&a, 2000) && a.overflow);
	CHECK(!arena_alloc(&a, SIZE_MAX));
	arena_reset(&a);
	CHECK(!a.overflow && arena_alloc(&a, 5000));
	arena_release(&a);
}

TEST(buf_never_passes_its_maximum)
{
	struct buf b;
	buf_init(&b, 300);
	for (int i = 0; i < 30; i++)
		CHECK_INT(buf_puts(&b, "0123456789"), 0);
	CHECK_INT(buf_putc(&b, 'x'), -1);
	CHECK(b.overflow && b.len == 300);
	buf_consume(&b, 295);
	CHECK(str_eqz(buf_str(&b), "56789"));
	CHECK_INT(buf_printf(&b, "%0*d", 290, 1), 0);
	CHECK_INT(b.len, 295);
	buf_release(&b);
}

TEST(list_foreach_may_remove)
{
	struct list head, m[5];
	list_init(&head);
	for (int i = 0; i < 5; i++) {
		list_init(&m[i]);
		list_push_back(&head, &m[i]);
	}
	LIST_FOREACH(l, &head)
		list_remove(l);
	CHECK(list_empty(&head) && !list_pop_front(&head));
}

struct item {
	struct hash_node node;
	char key[16];
};

TEST(hash_holds_many)
{
	struct hash h;
	hash_init(&h);
	static struct item items[500];
	for (int i = 0; i < 500; i++) {
		snprintf(items[i].key, sizeof items[i].key, "key-%d", i);
		CHECK_INT(hash_put(&h, &items[i].node, str_from(items[i].key)), 0);
	}
	CHECK_INT(h.count, 500);
	CHECK(HASH_ENTRY(hash_get(&h, STR("key-499")), struct item, node) == &items[499]);
	size_t seen = 0;
	HASH_FOREACH(n, &h) {
		seen++;
		hash_remove(&h, n);
	}
	CHECK_INT(seen, 500);
	CHECK(h.count == 0 && !hash_get(&h, STR("key-1")));
	hash_release(&h);
}

TEST(codec_round_trips)
{
	unsigned char data[50], back[64];
	char text[BASE64_SIZE(50)];
	for (size_t n = 0; n <= sizeof data; n++) {
		rand_bytes(data, n);
		size_t m = base64_encode(text, data, n), got = 99;
		CHECK_INT(base64_decode(back, &got, (struct str){text, m}), 0);
		CHECK(got == n && memcmp(back, data, n) == 0);
	}
	static const char *const bad[] = {"a", "ab=c", "====", "a===", "ab c", "YWJj\n", "Y=Jj"};
	size_t got;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(base64_decode(back, &got, str_from(bad[i])), -1);
	char hex[SHA256_HEX_SIZE];
	sha256_hex(hex, "abc", 3);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK_INT(hex_decode(back, 2, STR("ab0g")), -1);
	char out[20];
	CHECK_INT(percent_decode(out, &got, STR("a%2Fb+c"), true), 0);
	CHECK(got == 5 && memcmp(out, "a/b c", 5) == 0);
	CHECK_INT(percent_decode(out, &got, STR("%4"), false), -1);
}

TEST(uuid_is_version_4)
{
	char a[UUID_SIZE], b[UUID_SIZE];
	uuid4(a);
	uuid4(b);
	CHECK(strlen(a) == 36 && a[14] == '4' && strchr("89ab", a[19]) && strcmp(a, b) != 0);
}

TEST(rand_differs_in_a_child)
{
	uint64_t mine, theirs = 0;
	int p[2];
	rand_u64(); /* the pool is filled */
	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t v = rand_u64();
		_exit(write(p[1], &v, sizeof v) != sizeof v);
	}
	mine = rand_u64();
	CHECK(read(p[0], &theirs, sizeof theirs) == sizeof theirs && waitpid(pid, NULL, 0) == pid);
	CHECK(mine != theirs);
	close(p[0]);
	close(p[1]);
}

TEST(clock_formats_milliseconds)
{
	char s[40];
	CHECK_STR(clock_format(s, sizeof s, "%Y-%m-%dT%H:%M:%S.%L+0000", 1700000000007), "2023-11-14T22:13:20.007+0000");
}

TEST(io_files)
{
	char dir[] = "/tmp/mayfly-test-XXXXXX";
	CHECK(mkdtemp(dir));
	CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY);
	struct error err = {0};
	CHECK_INT(io_write_file(fd, "f", "hello", 5, 0600, &err), 0);
	size_t n;
	CLEANUP_FREE char *text = io_read_file(fd, "f", 5, &n, &err);
	CHECK(text && n == 5 && strcmp(text, "hello") == 0);
	CHECK(!io_read_file(fd, "f", 4, &n, &err) && err.code == ERR_TOO_LARGE);
	CHECK(!io_read_file(fd, "none", 4, &n, &err) && err.sys == ENOENT);
	CHECK_INT(unlinkat(fd, "f", 0), 0);
	CHECK_INT(rmdir(dir), 0);
}

TESTS(T(error_wraps_and_maps), T(str_pieces), T(str_numbers_are_strict), T(arena_is_capped), T(buf_never_passes_its_maximum),
      T(list_foreach_may_remove), T(hash_holds_many), T(codec_round_trips), T(uuid_is_version_4), T(rand_differs_in_a_child),
      T(clock_formats_milliseconds), T(io_files))
