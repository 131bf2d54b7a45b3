/* The file below the keys: locked, foreign, damaged, on a full disk. */
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "tests/unit/store_rig.h"
#include "tests/unit/test.h"

TEST(second_store_on_the_file_is_refused)
{
	CHECK(setup(NULL));
	struct error err = {0};
	CHECK(!kv_sqlite_open(rig.loop, rig.dirfd, NULL, &err));
	CHECK_INT(err.code, ERR_IN_USE);
	CHECK(strstr(err.msg, "another server"));
	put("a", "1", KV_ANY);
	CHECK_STR(take_log(), "put:a=@1 ");
	teardown();
}

static bool run_sql(const char *text)
{
	char path[128];
	sqlite3 *sql;
	snprintf(path, sizeof path, "%s/kv.db", rig.path);
	bool ok = sqlite3_open(path, &sql) == SQLITE_OK && sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(sql);
	return ok;
}

TEST(other_formats_are_refused)
{
	CHECK(setup(NULL));
	kv_close(rig.kv);
	CHECK(run_sql("PRAGMA user_version=7"));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_UNSUPPORTED);
	CHECK(strstr(rig.err.msg, "format 7") && strstr(rig.err.msg, "format 1"));
	CHECK(run_sql("PRAGMA application_id=1"));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_UNSUPPORTED);
	CHECK(strstr(rig.err.msg, "not made by Mayfly"));
	teardown();
}

static bool scribble(off_t at, const void *bytes, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/kv.db", rig.path);
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd >= 0 && pwrite(fd, bytes, n, at) == (ssize_t)n;
}

TEST(damage_is_told)
{
	char junk[4096];
	memset(junk, 0xa5, sizeof junk);
	CHECK(setup(NULL));
	put("a", "1", KV_ANY);
	settle();
	kv_close(rig.kv);
	CHECK(scribble(100, junk, sizeof junk - 100)); /* the page of the schema */
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_IO);
	CHECK(strstr(rig.err.msg, "damaged"));
	CHECK(scribble(0, junk, sizeof junk));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_IO);
	CHECK(strstr(rig.err.msg, "damaged"));
	teardown();
}

TEST(missing_folder_is_told)
{
	struct error err = {0};
	CHECK(setup(NULL));
	CHECK(!kv_sqlite_open(rig.loop, -1, NULL, &err));
	CHECK(err.msg[0]);
	teardown();
}

/* A disk of 1 MiB: a mount of this program's own. */
TEST(full_disk_fails_writes_and_goes_on_after)
{
	CHECK(setup(NULL));
	kv_close(STEAL_PTR(rig.kv));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", rig.path, "tmpfs", 0, "size=1m") < 0) {
		printf("skipped: no right to mount\n");
		teardown();
		return;
	}
	close(rig.dirfd);
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	CHECK(open_kv(NULL));
	char key[32], ballast[128];
	char *value = calloc(1, 100000);
	unsigned stored = 0;
	for (rig.err.code = ERR_OK; stored < 100 && rig.err.code == ERR_OK; stored += rig.err.code == ERR_OK) {
		snprintf(key, sizeof key, "k%u", stored);
		rig.waiting += kv_put(rig.kv, str_from(key), (struct str){value, 100000}, KV_ANY, on_any, tag("put"), NULL) == 0;
		settle();
	}
	CHECK_INT(rig.err.code, ERR_DISK_FULL);
	CHECK(strstr(rig.err.msg, "disk is full"));
	CHECK(stored >= 1 && stored < 11);
	/* Fill it to the brim, then make room: the next write works without more ado. */
	snprintf(ballast, sizeof ballast, "%s/ballast", rig.path);
	CLEANUP_CLOSE int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (write(fd, value, 4096) > 0)
		;
	rig.n = 0;
	rig.waiting += kv_put(rig.kv, STR("m"), (struct str){value, 100000}, KV_ANY, on_any, tag("put"), NULL) == 0;
	get("k0");
	get("m");
	CHECK_STR(take_log(), "put:DISK_FULL get:k0=@1 get:NOT_FOUND ");
	unlink(ballast);
	CHECK_INT(ftruncate(fd, 0), 0);
	del("k0", KV_ANY);
	put("small", "1", KV_ANY);
	settle();
	CHECK(!strstr(take_log(), "DISK_FULL"));
	kv_close(rig.kv);
	CHECK(open_kv(NULL));
	for (unsigned i = 1; i < stored; i++) {
		snprintf(key, sizeof key, "k%u", i);
		get(key);
	}
	get("small");
	CHECK(!strstr(take_log(), "NOT_FOUND"));
	free(value);
	kv_close(STEAL_PTR(rig.kv));
	close(rig.dirfd);
	rig.dirfd = -1;
	umount2(rig.path, MNT_DETACH); /* the ballast is still open */
	teardown();
}

TESTS(T(second_store_on_the_file_is_refused), T(other_formats_are_refused), T(damage_is_told), T(missing_folder_is_told),
      T(full_disk_fails_writes_and_goes_on_after))
