#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/rand.h"
#include "core/store/blob_dir.h"
#include "tests/unit/test.h"

static struct rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct blob_store *store;
	struct error err;
	struct blob_id id;
	uint64_t size;
	int fd;
	unsigned waiting;
} rig;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static bool setup(void)
{
	rig = (struct rig){.path = "/tmp/mayfly-blob-XXXXXX", .fd = -1};
	if (!mkdtemp(rig.path))
		return false;
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	rig.loop = ev_loop_new(NULL);
	rig.pool = ev_pool_new(2, NULL);
	rig.store = blob_dir_open(rig.loop, rig.pool, rig.dirfd, &rig.err);
	return rig.store != NULL;
}

static void teardown(void)
{
	ev_pool_free(rig.pool);
	blob_close(rig.store);
	ev_loop_free(rig.loop);
	close(rig.dirfd);
	nftw(rig.path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int store_bytes(const void *data, size_t n, struct blob_id *id)
{
	struct blob_writer *w = blob_writer_new(rig.store, n, &rig.err);
	if (!w || blob_writer_append(w, data, n / 2, &rig.err) < 0)
		return -1;
	if (blob_writer_append(w, (const char *)data + n / 2, n - n / 2, &rig.err) < 0)
		return -1;
	return blob_writer_finish(w, NULL, id, &rig.size, &rig.err);
}

static unsigned entries(const char *below)
{
	char path[128];
	unsigned n = 0;
	snprintf(path, sizeof path, "%s/%s", rig.path, below);
	CLEANUP_DIR DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	return n;
}

TEST(bytes_come_back_under_their_hash)
{
	CHECK(setup());
	char hex[SHA256_HEX_SIZE], back[16];
	CHECK_INT(store_bytes("abc", 3, &rig.id), 0);
	CHECK_INT(rig.size, 3);
	blob_id_hex(hex, &rig.id);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	rig.size = 0;
	CLEANUP_CLOSE int fd = blob_open(rig.store, &rig.id, &rig.size, &rig.err);
	CHECK(fd >= 0);
	CHECK_INT(rig.size, 3);
	CHECK_INT(read(fd, back, sizeof back), 3);
	CHECK(memcmp(back, "abc", 3) == 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	struct stat st;
	CHECK_INT(fstatat(rig.dirfd, "blobs/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0400);
	CHECK_INT(entries("blobs/spool"), 0);
	teardown();
}

TEST(storing_twice_is_fine_and_deleting_too)
{
	CHECK(setup());
	struct blob_id again;
	CHECK_INT(store_bytes("same", 4, &rig.id), 0);
	CHECK_INT(store_bytes("same", 4, &again), 0);
	CHECK(memcmp(&rig.id, &again, sizeof again) == 0);
	CHECK_INT(blob_exists(rig.store, &rig.id, NULL), 1);
	CHECK_INT(blob_delete(rig.store, &rig.id, NULL), 0);
	CHECK_INT(blob_exists(rig.store, &rig.id, NULL), 0);
	CHECK_INT(blob_delete(rig.store, &rig.id, NULL), 0);
	CHECK_INT(blob_open(rig.store, &rig.id, NULL, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_NOT_FOUND);
	teardown();
}

TEST(too_much_is_refused)
{
	CHECK(setup());
	struct blob_writer *w = blob_writer_new(rig.store, 5, NULL);
	CHECK_INT(blob_writer_append(w, "12345", 5, NULL), 0);
	CHECK_INT(blob_writer_append(w, "6", 1, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_TOO_LARGE);
	rig.err.code = ERR_OK;
	CHECK_INT(blob_writer_finish(w, NULL, &rig.id, NULL, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_TOO_LARGE);
	w = blob_writer_new(rig.store, 5, NULL);
	CHECK_INT(io_write_full(blob_writer_fd(w), "123456", 6), 0);
	rig.err.code = ERR_OK;
	CHECK_INT(blob_writer_finish(w, NULL, NULL, NULL, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_TOO_LARGE);
	CHECK_INT(entries("blobs/spool"), 0);
	CHECK_INT(entries("blobs"), 1);
	teardown();
}

TEST(promised_hash_is_checked)
{
	CHECK(setup());
	struct blob_id want;
	sha256(want.sha256, "right", 5);
	struct blob_writer *w = blob_writer_new(rig.store, 100, NULL);
	blob_writer_append(w, "wrong", 5, NULL);
	CHECK_INT(blob_writer_finish(w, &want, NULL, NULL, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_INVALID);
	w = blob_writer_new(rig.store, 100, NULL);
	blob_writer_append(w, "right", 5, NULL);
	CHECK_INT(blob_writer_finish(w, &want, NULL, NULL, &rig.err), 0);
	CHECK_INT(blob_exists(rig.store, &want, NULL), 1);
	CHECK_INT(entries("blobs/spool"), 0);
	teardown();
}

TEST(descriptor_is_hashed_at_the_end)
{
	CHECK(setup());
	enum { N = 300001 };
	char *data = malloc(N);
	struct blob_id want;
	rand_bytes(data, N);
	sha256(want.sha256, data, N);
	struct blob_writer *w = blob_writer_new(rig.store, N, NULL);
	CHECK_INT(io_write_full(blob_writer_fd(w), data, N), 0);
	CHECK_INT(blob_writer_finish(w, NULL, &rig.id, &rig.size, &rig.err), 0);
	CHECK(memcmp(&want, &rig.id, sizeof want) == 0);
	CHECK_INT(rig.size, N);
	blob_writer_abort(blob_writer_new(rig.store, N, NULL));
	blob_writer_abort(NULL);
	CHECK_INT(entries("blobs/spool"), 0);
	free(data);
	teardown();
}

TEST(lists_in_order_and_in_pages)
{
	CHECK(setup());
	struct blob_id all[700], page[64], *after = NULL;
	size_t n = 0;
	for (int i = 0; i < 600; i++) {
		CHECK_INT(store_bytes(&i, sizeof i, &rig.id), 0);
		if (i % 100 == 0)
			CHECK_INT(blob_delete(rig.store, &rig.id, NULL), 0);
	}
	int some;
	while ((some = blob_list(rig.store, after, page, ARRAY_LEN(page), &rig.err)) > 0) {
		CHECK(n + (size_t)some < ARRAY_LEN(all));
		memcpy(all + n, page, (size_t)some * sizeof *page);
		n += (size_t)some;
		after = &all[n - 1];
	}
	CHECK_INT(some, 0);
	CHECK_INT(n, 594);
	for (size_t i = 1; i < n; i++)
		CHECK(memcmp(&all[i - 1], &all[i], sizeof *all) < 0);
	teardown();
}

TEST(stale_spools_are_swept_and_blobs_stay)
{
	CHECK(setup());
	CHECK_INT(store_bytes("keep", 4, &rig.id), 0);
	struct blob_writer *w = blob_writer_new(rig.store, 10, NULL);
	CHECK_INT(entries("blobs/spool"), 1);
	struct blob_store *second = blob_dir_open(NULL, NULL, rig.dirfd, &rig.err);
	CHECK(second);
	CHECK_INT(entries("blobs/spool"), 0);
	CHECK_INT(blob_exists(second, &rig.id, NULL), 1);
	blob_close(second);
	blob_writer_abort(w);
	teardown();
}

static void answered(const struct error *err)
{
	if (err)
		rig.err = *err;
	if (--rig.waiting == 0)
		ev_loop_stop(rig.loop);
}

static void on_blob(void *arg, const struct blob_id *id, uint64_t size, const struct error *err)
{
	if (id)
		rig.id = *id;
	rig.size = size;
	answered(err);
}

static void on_open(void *arg, int fd, uint64_t size, const struct error *err)
{
	rig.fd = fd;
	rig.size = size;
	answered(err);
}

static void wait_for(unsigned n)
{
	rig.waiting = n;
	ev_loop_run(rig.loop, NULL);
}

TEST(asynchronous_calls_answer_on_the_loop)
{
	CHECK(setup());
	struct blob_id want;
	sha256(want.sha256, "hello", 5);
	blob_put_async(rig.store, "hello", 5, on_blob, NULL);
	blob_put_async(rig.store, "hello", 5, on_blob, NULL);
	wait_for(2);
	CHECK_INT(rig.err.code, ERR_OK);
	CHECK(memcmp(&want, &rig.id, sizeof want) == 0);
	rig.size = 0;
	blob_open_async(rig.store, &want, on_open, NULL);
	wait_for(1);
	CHECK(rig.fd >= 0);
	CHECK_INT(rig.size, 5);
	close(rig.fd);
	struct blob_writer *w = blob_writer_new(rig.store, 10, NULL);
	blob_writer_append(w, "x", 1, NULL);
	blob_writer_finish_async(w, &want, on_blob, NULL);
	wait_for(1);
	CHECK_INT(rig.err.code, ERR_INVALID);
	blob_delete_async(rig.store, &want, on_blob, NULL);
	wait_for(1);
	blob_open_async(rig.store, &want, on_open, NULL);
	wait_for(1);
	CHECK_INT(rig.fd, -1);
	CHECK_INT(rig.err.code, ERR_NOT_FOUND);
	teardown();
}

TEST(ids_are_parsed_strictly)
{
	struct blob_id id;
	CHECK_INT(blob_id_parse(&id, STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")), 0);
	CHECK_INT(id.sha256[0], 0xba);
	CHECK_INT(blob_id_parse(&id, STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a")), -1);
	CHECK_INT(blob_id_parse(&id, STR("../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")), -1);
}

TESTS(T(bytes_come_back_under_their_hash), T(storing_twice_is_fine_and_deleting_too), T(too_much_is_refused),
      T(promised_hash_is_checked), T(descriptor_is_hashed_at_the_end), T(lists_in_order_and_in_pages),
      T(stale_spools_are_swept_and_blobs_stay), T(asynchronous_calls_answer_on_the_loop), T(ids_are_parsed_strictly))
