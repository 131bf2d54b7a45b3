#include "core/spec/launch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/test.h"

static const char *const words[] = {"/var/task/bootstrap", "/opt/bootstrap", "handler", NULL};
static const char *const variables[] = {"A=1", "EMPTY=", NULL};

TEST(what_goes_in_comes_out)
{
	struct buf b;
	struct launch l;
	struct error err = {0};
	buf_init(&b, LAUNCH_MAX_BYTES);
	CHECK_INT(launch_encode(&b, 2, words, variables, NULL, &err), 0);
	CHECK_INT(launch_decode(&l, b.data, b.len, &err), 0);
	CHECK_INT(l.candidates, 2);
	CHECK_STR(l.argv[2], "handler");
	CHECK(l.argv[3] == NULL);
	CHECK_STR(l.envp[1], "EMPTY=");
	CHECK(l.envp[2] == NULL);
	launch_release(&l);
	buf_release(&b);
}

TEST(every_cut_and_every_wrong_head_is_refused)
{
	struct buf b;
	struct launch l;
	buf_init(&b, LAUNCH_MAX_BYTES);
	CHECK_INT(launch_encode(&b, 2, words, variables, NULL, NULL), 0);
	for (size_t n = 0; n < b.len; n++)
		CHECK_INT(launch_decode(&l, b.data, n, NULL), -1);
	struct launch_head good, bad;
	memcpy(&good, b.data, sizeof good);
	struct launch_head heads[] = {good, good, good, good, good, good, good};
	heads[0].magic++;
	heads[1].bytes--;
	heads[2].candidates = 0;
	heads[3].candidates = 4;
	heads[4].argc = 4; /* takes a string away from the end */
	heads[5].envc = 600;
	heads[6].argc = 0;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		bad = heads[i];
		memcpy(b.data, &bad, sizeof bad);
		CHECK_INT(launch_decode(&l, b.data, b.len, NULL), -1);
	}
	buf_release(&b);
}

TEST(only_sealed_files_are_read)
{
	struct buf b;
	struct launch l;
	struct error err = {0};
	buf_init(&b, LAUNCH_MAX_BYTES);
	CHECK_INT(launch_encode(&b, 1, words, variables, NULL, NULL), 0);
	int fd = launch_seal(&b, &err);
	CHECK(fd >= 0);
	CHECK(write(fd, "x", 1) < 0);
	CHECK_INT(launch_read_fd(&l, fd, &err), 0);
	launch_release(&l);
	close(fd);
	fd = memfd_create("loose", MFD_ALLOW_SEALING);
	CHECK(write(fd, b.data, b.len) == (ssize_t)b.len);
	CHECK_INT(launch_read_fd(&l, fd, &err), -1);
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	CHECK_INT(launch_read_fd(&l, fd, &err), -1);
	close(fd);
	buf_release(&b);
}

TEST(too_much_is_refused)
{
	struct buf b;
	struct error err = {0};
	static char big[LAUNCH_MAX_BYTES];
	memset(big, 'x', sizeof big - 1);
	const char *const huge[] = {"/x", big, NULL};
	buf_init(&b, LAUNCH_MAX_BYTES);
	CHECK_INT(launch_encode(&b, 1, huge, variables, NULL, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	buf_release(&b);
}

TEST(extensions_are_file_names)
{
	static const char *const good[] = {"agent", "a b", NULL}, *const up[] = {"..", NULL}, *const path[] = {"a/b", NULL}, *const empty[] = {"", NULL};
	static const char *const *const bad[] = {up, path, empty};
	const char *many[LIMIT_EXTENSIONS + 2] = {NULL};
	struct buf b;
	struct launch l;
	buf_init(&b, LAUNCH_MAX_BYTES);
	CHECK_INT(launch_encode(&b, 1, words, variables, good, NULL), 0);
	CHECK_INT(launch_decode(&l, b.data, b.len, NULL), 0);
	CHECK_INT(l.extensions, 2);
	CHECK_STR(l.extension[1], "a b");
	CHECK_STR(l.envp[1], "EMPTY=");
	launch_release(&l);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_INT(launch_encode(&b, 1, words, variables, bad[i], NULL), 0);
		CHECK_INT(launch_decode(&l, b.data, b.len, NULL), -1);
	}
	for (unsigned i = 0; i <= LIMIT_EXTENSIONS; i++)
		many[i] = "x";
	CHECK_INT(launch_encode(&b, 1, words, variables, many, NULL), -1);
	buf_release(&b);
}

TESTS(T(extensions_are_file_names), T(what_goes_in_comes_out), T(every_cut_and_every_wrong_head_is_refused), T(only_sealed_files_are_read), T(too_much_is_refused))
