/* Room on the disk, the thread's. A reserve file keeps QUEUE_SQLITE_SPARE_BYTES that a publish cannot have; when the disk is full to
 * the brim it is given up, so that acks, naks and moves, which make room, can be written. Publishes want it back first. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/store/queue_sqlite_priv.h"

#define SPARE_FILE "queue.spare"

enum {
	PAGE = 4096,
	ROWS_BYTES = 64 * 1024,    /* what a commit takes beside the payloads */
	PLENTY_BYTES = 256 << 20,  /* with so much the disk is looked at only */
	UNSEEN_BYTES = 16 << 20,   /* each time when so much was written */
};

static int64_t disk_bytes(struct qs *qs)
{
	struct statvfs s;
	return fstatvfs(qs->dirfd, &s) == 0 ? (int64_t)(s.f_bavail * s.f_frsize) : INT64_MAX;
}

/* Not by trial: that would take, for a moment, the last bytes from whoever needs them. */
static bool spare_take(struct qs *qs)
{
	if (disk_bytes(qs) < QUEUE_SQLITE_SPARE_BYTES + ROWS_BYTES)
		return false;
	CLEANUP_CLOSE int fd = openat(qs->dirfd, SPARE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	qs->spare = fd >= 0 && posix_fallocate(fd, 0, QUEUE_SQLITE_SPARE_BYTES) == 0;
	if (!qs->spare)
		unlinkat(qs->dirfd, SPARE_FILE, 0);
	return qs->spare;
}

/* One that is left from before holds its bytes already. */
static bool spare_is_whole(struct qs *qs)
{
	struct stat st;
	return fstatat(qs->dirfd, SPARE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == QUEUE_SQLITE_SPARE_BYTES &&
	       st.st_blocks * 512 >= st.st_size;
}

void qs_room_open(struct qs *qs, int dirfd)
{
	qs->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	qs->spare = spare_is_whole(qs) || spare_take(qs);
}

void qs_room_close(struct qs *qs)
{
	if (qs->dirfd >= 0)
		close(qs->dirfd);
}

/* Each byte is written twice, to the WAL and to the file; free pages of the file spare the second. */
bool qs_room_for(struct qs *qs, size_t bytes)
{
	int64_t need = (int64_t)bytes + ROWS_BYTES, pages = 0;
	qs->unseen -= need;
	if (qs->spare && qs->unseen >= 0)
		return true;
	if (!qs->spare && !spare_take(qs)) {
		qs_one(qs_bind(qs, QS_PAGES_FREE, 0, NULL), &pages);
		return pages * PAGE >= need + QUEUE_SQLITE_SPARE_BYTES;
	}
	int64_t disk = disk_bytes(qs);
	qs->unseen = disk >= PLENTY_BYTES ? UNSEEN_BYTES : 0;
	if (disk >= 2 * need)
		return true;
	qs_one(qs_bind(qs, QS_PAGES_FREE, 0, NULL), &pages);
	return disk + pages * PAGE >= 2 * need;
}

bool qs_room_give(void *arg)
{
	struct qs *qs = arg;
	if (!qs->spare)
		return false;
	qs->spare = false;
	return unlinkat(qs->dirfd, SPARE_FILE, 0) == 0;
}
