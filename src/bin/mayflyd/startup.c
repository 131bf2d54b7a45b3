#include "bin/mayflyd/startup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "isolation/sandbox/mnt.h"
#include "isolation/sandbox/net.h"
#include "isolation/sandbox/root.h"
#include "isolation/unpack/tree.h"
#include "isolation/unpack/unpack.h"

#define FIXED_CONTROL_ID 699999u /* where there is no user of the name: just below the environments' users */
#define BACKLOG 4096
#define BIND_WAIT_MS 2000u
#define CONTROL_FDS 7u   /* in control, for one environment */
#define SUPERVISOR_FDS 6u
#define CONTROL_RESERVE 256u
#define HELPER_TIMEOUT_MS 10000u
#define SWEEP_WAIT_MS 3000u
#define ENVIRONMENTS_MAX 20000u

/* ---- who we are ---- */

int startup_check(struct server *s, struct error *err)
{
	if (geteuid() != 0)
		return error_set(err, ERR_USAGE, "the server needs root to make sandboxes; start it with sudo, or as a service");
	struct passwd *pw = getpwnam(s->settings.user);
	s->control_uid = pw ? pw->pw_uid : FIXED_CONTROL_ID;
	s->control_gid = pw ? pw->pw_gid : FIXED_CONTROL_ID;
	if (s->control_uid == 0)
		return error_set(err, ERR_USAGE, "--user may not be root: that part of the server runs without rights");
	if (!pw)
		log_info("no user '%s' here; the unprivileged part runs as user id %u", s->settings.user, s->control_uid);
	s->base.uid_base = (uid_t)s->settings.uid_base;
	return 0;
}

/* ---- listening ---- */

/* The processes of a killed server, which have its socket too, may take a moment to end. */
static int bind_patiently(int fd, const struct sockaddr_in *at, bool patient)
{
	int rc;
	for (unsigned ms = 0; (rc = bind(fd, (const struct sockaddr *)at, sizeof *at)) < 0 && errno == EADDRINUSE && patient && ms < BIND_WAIT_MS; ms++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return rc;
}

int startup_listen(struct server *s, struct error *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof at;
	int on = 1;
	if (settings_listen(&s->settings, s->host, &s->port, err) < 0)
		return -1;
	at.sin_port = htons(s->port);
	if (inet_pton(AF_INET, s->host, &at.sin_addr) != 1)
		return error_set(err, ERR_USAGE, "--listen takes a numeric IPv4 address, not '%s'", s->host);
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return error_sys(err, "cannot make the public socket");
	if (bind_patiently(fd, &at, s->unclean) < 0 || listen(fd, BACKLOG) < 0) {
		error_sys(err, "cannot listen on %s:%u", s->host, s->port);
		return errno == EADDRINUSE ? error_wrap(err, "another program uses the port; stop it, or choose another with --listen") : -1;
	}
	if (getsockname(fd, (struct sockaddr *)&at, &n) < 0)
		return error_sys(err, "cannot learn the public port");
	s->port = ntohs(at.sin_port);
	s->capacity.port = s->port;
	s->capacity.loopback = ntohl(at.sin_addr.s_addr) >> 24 == 127;
	s->listener = STEAL_FD(fd);
	return 0;
}

/* ---- programs ---- */

static int own_folder(char *out, size_t size, struct error *err)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	if (n < 0)
		return error_sys(err, "cannot find this program's own folder");
	out[n] = '\0';
	*strrchr(out, '/') = '\0';
	return 0;
}

/* Tries each place below our own folder (or an absolute one); opened now, before any namespace or user changes. */
static int open_first(const char *own, const char *const *places, const char *name, int flags, struct error *err)
{
	char path[4096 + 128];
	for (; *places; places++) {
		if (**places == '/')
			snprintf(path, sizeof path, "%s", *places);
		else
			snprintf(path, sizeof path, "%s/%s%s", own, *places, name);
		int fd = open(path, flags | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	return error_set(err, ERR_NOT_FOUND, "cannot find %s beside %s/mayflyd; build or install it again", name, own);
}

int startup_binaries(struct server *s, struct error *err)
{
	static const char *const programs[] = {"", "../libexec/mayfly/", NULL};
	static const char *const runtimes[] = {"", "../", "../share/mayfly/", "../../share/mayfly/", MAYFLY_RUNTIMES "/python", NULL};
	char own[4096], link[64];
	if (own_folder(own, sizeof own, err) < 0)
		return -1;
	s->control_exe = open_first(own, programs, "mayfly-control", O_PATH, err);
	s->base.init_exe = s->control_exe < 0 ? -1 : open_first(own, programs, "mayfly-init", O_PATH, err);
	s->unpack_exe = s->base.init_exe < 0 ? -1 : open_first(own, programs, "mayfly-unpack", O_PATH, err);
	s->restore_exe = open_first(own, programs, "mayfly-restore", O_PATH, NULL);
	CLEANUP_CLOSE int fd = s->unpack_exe < 0 ? -1 : open_first(own, runtimes, "runtimes/python", O_PATH | O_DIRECTORY, err);
	if (fd < 0)
		return -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (readlink(link, s->runtimes, sizeof s->runtimes - 1) < 0)
		return error_sys(err, "cannot find the folder of runtimes");
	*strrchr(s->runtimes, '/') = '\0'; /* a build's folder of the same name has no bootstraps in it */
	return 0;
}

/* ---- capacity ---- */

static int descriptors_allow(struct server *s, uint64_t *most, struct error *err)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_sys(err, "cannot read the limit of descriptors");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_sys(err, "cannot raise the limit of descriptors");
	uint64_t connections = s->settings.connections ? s->settings.connections : limit.rlim_cur / 4;
	uint64_t reserve = CONTROL_RESERVE + connections;
	*most = limit.rlim_cur > reserve ? (limit.rlim_cur - reserve) / CONTROL_FDS : 0;
	if (*most > limit.rlim_cur / SUPERVISOR_FDS)
		*most = limit.rlim_cur / SUPERVISOR_FDS;
	if (*most == 0 || (s->settings.max_environments && s->settings.max_environments > *most))
		return error_set(err, ERR_USAGE, "the limit of %llu open files allows %llu environments, beside %llu connections; raise it "
		                 "(ulimit -Hn, LimitNOFILE=), or lower --max-environments or --connections",
		                 (unsigned long long)limit.rlim_cur, (unsigned long long)*most, (unsigned long long)connections);
	return 0;
}

int startup_capacity(struct server *s, struct error *err)
{
	struct sysinfo info;
	uint64_t most = 0;
	if (sysinfo(&info) < 0)
		return error_sys(err, "cannot read the machine's memory");
	if (descriptors_allow(s, &most, err) < 0)
		return -1;
	uint64_t machine_mb = (uint64_t)info.totalram * info.mem_unit >> 20;
	s->capacity.memory_mb = s->settings.memory_mb ? s->settings.memory_mb : machine_mb * 3 / 4;
	if (s->capacity.memory_mb < LIMIT_MEMORY_MIN_MB)
		return error_set(err, ERR_USAGE, "%llu MB for environments is less than the smallest function's %u MB; raise --memory",
		                 (unsigned long long)s->capacity.memory_mb, LIMIT_MEMORY_MIN_MB);
	if (s->settings.memory_mb > machine_mb)
		log_warn("--memory %llu is more than the machine's %llu MB", (unsigned long long)s->settings.memory_mb,
		         (unsigned long long)machine_mb);
	most = s->settings.max_environments ? s->settings.max_environments : most;
	s->capacity.max_environments = (uint32_t)(most < ENVIRONMENTS_MAX ? most : ENVIRONMENTS_MAX);
	return 0;
}

/* ---- isolation ---- */

static int root_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	char scratch[sizeof s->data_path + 8];
	snprintf(scratch, sizeof scratch, "%s/run", s->data_path);
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, "cannot make a mount namespace");
	report->fds[0] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	report->fd_count = 1;
	if (report->fds[0] < 0)
		return error_sys(err, "cannot open a mount namespace");
	return mnt_private(err) < 0 ? -1 : root_enter_sandbox(scratch, s->runtimes, err);
}

/* The same folder gives the same name, so that a successor finds what was left. */
static int name_server(struct server *s, struct error *err)
{
	struct stat st;
	if (fstat(s->data_fd, &st) < 0)
		return error_sys(err, "cannot read the data folder");
	uint64_t key[] = {(uint64_t)st.st_dev, (uint64_t)st.st_ino};
	uint64_t sum = hash_bytes(0, (struct str){(const char *)key, sizeof key});
	snprintf(s->base.id, sizeof s->base.id, "%06x", (unsigned)(sum & 0xffffff));
	return 0;
}

static void sweep(struct server *s)
{
	unsigned found = cgroup_sweep(&s->base.cgroup, SWEEP_WAIT_MS);
	if (found)
		log_warn("%u control groups of environments that a dead server had left were ended and removed", found);
}

int startup_isolation(struct server *s, struct error *err)
{
	struct helper root = {.work = root_work, .timeout_ms = HELPER_TIMEOUT_MS};
	struct helper_report report;
	char name[CGROUP_NAME_MAX], path[sizeof s->data_path + 16];
	if (name_server(s, err) < 0)
		return -1;
	snprintf(name, sizeof name, "mayfly-%s", s->base.id);
	/* Whatever is mounted from here on ends with this process and its children. */
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, "cannot make a mount namespace");
	if (mnt_follow(err) < 0 || cgroup_open(&s->base.cgroup, s->settings.cgroup_root, name, err) < 0)
		return -1;
	sweep(s);
	snprintf(path, sizeof path, "%s/run", s->data_path);
	if (helper_run(s, &root, &report, err) < 0)
		return error_wrap(err, "the sandboxes' root");
	s->base.root_ns = report.fds[0];
	s->mount_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	s->net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->mount_ns < 0 || s->net_ns < 0)
		return error_sys(err, "cannot open our namespaces");
	static const char *const options[] = {"mode=0700", "size=64k", NULL};
	CLEANUP_CLOSE int run = mnt_new("tmpfs", options, 0, err);
	return run < 0 ? -1 : mnt_attach(run, path, err);
}

static int sweep_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	CLEANUP_CLOSE int code = openat(s->data_fd, "code", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	net_sweep(s->base.id);
	return code < 0 ? error_sys(err, "cannot open code/") : tree_remove_matching(code, UNPACK_STAGE_PREFIX, err);
}

static void sweep_done(struct server *s, struct helper *h, struct helper_report *report)
{
	if (report->err.code)
		log_warn("unfinished packages are not removed: %s", report->err.msg);
	unpack_pump(s);
	envs_pump(s);
}

void startup_sweep(struct server *s)
{
	struct error err = {0};
	s->sweep_helper = (struct helper){.work = sweep_work, .done = sweep_done};
	if (helper_start(s, &s->sweep_helper, -1, &err) < 0)
		log_warn("unfinished packages are not removed: %s", err.msg);
}

static int tmp_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	if (mkdir(s->base.tmp.folder, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make %s", s->base.tmp.folder);
	return tmp_make_image(s->data_fd, s->base.tmp.folder, s->settings.tmp_disk_mb, err);
}

static void tmp_done(struct server *s, struct helper *h, struct helper_report *report)
{
	s->base.tmp.kind = report->err.code ? TMP_TMPFS : TMP_BTRFS;
	if (report->err.code)
		log_warn("/tmp of environments is kept in memory, beside each function's own: %s", report->err.msg);
	envs_begin(s);
}

void startup_tmp(struct server *s)
{
	struct error err = {0};
	snprintf(s->base.tmp.folder, sizeof s->base.tmp.folder, "%s/run/tmp", s->data_path);
	s->tmp_helper = (struct helper){.work = tmp_work, .done = tmp_done, .timeout_ms = HELPER_TIMEOUT_MS};
	if (helper_start(s, &s->tmp_helper, -1, &err) < 0) {
		s->base.tmp.kind = TMP_TMPFS;
		log_warn("/tmp of environments is kept in memory, beside each function's own: %s", err.msg);
		envs_begin(s);
	}
}
