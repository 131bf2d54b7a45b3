#include "bin/mayflyd/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/base/rand.h"

#define FORMAT "mayfly 1\n"

static const char *const folders[] = {"store", "code", "blobs", "logs", "spool", "events"};

/* Parents too; each with the usual mode, the last one ours. */
static int make_path(const char *path, struct error *err)
{
	char part[SETTING_TEXT_MAX];
	snprintf(part, sizeof part, "%s", path);
	for (char *c = part + 1;; c++) {
		if (*c && *c != '/')
			continue;
		char was = *c;
		*c = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EISDIR)
			return error_sys(err, "cannot make the data folder %s (%s)", path, part);
		if (!was)
			return 0;
		*c = was;
	}
}

static int lock(struct server *s, struct error *err)
{
	char pid[32] = "";
	s->lock_fd = openat(s->data_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->lock_fd < 0)
		return error_sys(err, "the data folder %s is not writable", s->data_path);
	/* A record lock: helpers that outlive us by a moment do not inherit it, as they would flock's. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(s->lock_fd, F_SETLK, &whole) < 0) {
		fcntl(s->lock_fd, F_GETLK, &whole);
		return error_set(err, ERR_EXISTS, "the data folder %s is in use by another server, process %d; stop it, or choose another "
		                 "folder with --data", s->data_path, whole.l_pid);
	}
	/* datadir_close empties it. */
	s->unclean = pread(s->lock_fd, pid, sizeof pid - 1, 0) > 0;
	return 0;
}

int datadir_mark(struct server *s, struct error *err)
{
	char pid[32];
	snprintf(pid, sizeof pid, "%d\n", getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, strlen(pid), 0) < 0)
		return error_sys(err, "the data folder %s is not writable", s->data_path);
	return 0;
}

static bool is_empty(int fd)
{
	bool empty = true;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	for (struct dirent *e; dir && (e = readdir(dir));)
		empty = empty && (e->d_name[0] == '.' || strcmp(e->d_name, "lock") == 0 || strcmp(e->d_name, "lost+found") == 0);
	return empty;
}

static int check_format(struct server *s, struct error *err)
{
	struct error why = {0};
	CLEANUP_FREE char *text = io_read_file(s->data_fd, "format", 256, NULL, &why);
	if (text && strcmp(text, FORMAT) == 0)
		return 0;
	if (text) {
		text[strcspn(text, "\n")] = '\0';
		return error_set(err, ERR_CONFLICT, "the data folder %s has format '%.40s'; this server (" MAYFLY_VERSION ") reads '%.8s'. "
		                 "Use the version that wrote it, or another folder", s->data_path, text, FORMAT);
	}
	if (why.sys != ENOENT) {
		*err = why;
		return error_wrap(err, "the data folder %s", s->data_path);
	}
	if (!is_empty(s->data_fd))
		return error_set(err, ERR_CONFLICT, "the folder %s is not empty and not a data folder of Mayfly; choose another with --data",
		                 s->data_path);
	return io_write_file(s->data_fd, "format", FORMAT, strlen(FORMAT), 0644, err);
}

static int make_folders(struct server *s, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		struct stat st;
		if (mkdirat(s->data_fd, folders[i], 0700) < 0 && errno != EEXIST)
			return error_sys(err, "cannot make %s/%s", s->data_path, folders[i]);
		CLEANUP_CLOSE int fd = openat(s->data_fd, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || fstat(fd, &st) < 0 || fchown(fd, s->control_uid, s->control_gid) < 0 || fchmod(fd, 0700) < 0)
			return error_sys(err, "cannot use %s/%s", s->data_path, folders[i]);
		/* Files below stay another user's: better to say so than to change the owner of what may be a lot. */
		if (st.st_uid != 0 && st.st_uid != s->control_uid)
			return error_set(err, ERR_CONFLICT, "%s/%s belongs to user %u, but the server's unprivileged part runs as %u; start it "
			                 "with the same --user as before", s->data_path, folders[i], st.st_uid, s->control_uid);
	}
	if (mkdirat(s->data_fd, "run", 0700) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make %s/run", s->data_path);
	return 0;
}

static int make_credentials(struct server *s, struct error *err)
{
	static const char id_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	static const char secret_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char id[17], secret[41], text[160];
	if (faccessat(s->data_fd, "credentials", F_OK, 0) < 0) {
		rand_text(id, 16, id_letters);
		rand_text(secret, 40, secret_letters);
		snprintf(text, sizeof text, "[default]\naws_access_key_id = AKIA%s\naws_secret_access_key = %s\n", id, secret);
		if (io_write_file(s->data_fd, "credentials", text, strlen(text), 0600, err) < 0)
			return -1;
	}
	if (fchownat(s->data_fd, "credentials", s->control_uid, s->control_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot hand over %s/credentials", s->data_path);
	return 0;
}

int datadir_write_config(struct server *s, struct error *err)
{
	char text[512];
	snprintf(text, sizeof text, "[default]\nregion = %.40s\nendpoint_url = %s://%s:%u\n", s->settings.region, settings_scheme(&s->settings),
	         strcmp(s->host, "0.0.0.0") == 0 ? "127.0.0.1" : s->host, s->port);
	CLEANUP_FREE char *old = io_read_file(s->data_fd, "config", sizeof text, NULL, NULL);
	if (!old || strcmp(old, text) != 0) {
		if (io_write_file(s->data_fd, "config", text, strlen(text), 0600, err) < 0)
			return -1;
	}
	if (fchownat(s->data_fd, "config", s->control_uid, s->control_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot hand over %s/config", s->data_path);
	return 0;
}

void datadir_close(struct server *s)
{
	if (ftruncate(s->lock_fd, 0) < 0)
		log_warn("the lock of %s is not cleared", s->data_path);
}

int datadir_open(struct server *s, struct error *err)
{
	char full[4096];
	if (make_path(s->settings.data, err) < 0)
		return -1;
	if (!realpath(s->settings.data, full) || strlen(full) >= sizeof s->data_path)
		return error_sys(err, "cannot use the data folder %s", s->settings.data);
	memcpy(s->data_path, full, strlen(full) + 1);
	s->data_fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->data_fd < 0)
		return error_sys(err, "cannot open the data folder %s", full);
	if (lock(s, err) < 0 || check_format(s, err) < 0)
		return -1;
	/* Control may enter, and read what it is meant to; it owns the folders below only. */
	if (fchmod(s->data_fd, 0755) < 0)
		return error_sys(err, "the data folder %s is not writable", full);
	return make_folders(s, err) < 0 || make_credentials(s, err) < 0 ? -1 : 0;
}
