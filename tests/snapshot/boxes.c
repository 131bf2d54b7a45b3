#include "boxes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/spec/launch.h"
#include "isolation/sandbox/cgroup.h"
#include "isolation/sandbox/mnt.h"
#include "isolation/sandbox/root.h"
#include "isolation/sandbox/wire.h"
#include "isolation/snapshot/tmp_tree.h"

#define UID_BASE 710000u
#define MEMORY_MB 1024u
#define WAIT_MS 10000

/* ---- work in a child that changes who or where it is, and shares our memory and descriptors ---- */

struct task {
	int (*work)(void *arg, struct error *err);
	void *arg;
	struct error *err;
	int result;
};

static int run_task(void *arg)
{
	struct task *t = arg;
	t->result = t->work(t->arg, t->err);
	_exit(0);
}

static int in_child(int (*work)(void *, struct error *), void *arg, struct error *err)
{
	static char stack[262144] __attribute__((aligned(16)));
	struct task t = {work, arg, err, -1};
	pid_t pid = clone(run_task, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &t);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return error_sys(err, "cannot start a helper");
	return t.result;
}

/* ---- what all share ---- */

struct root_task {
	const char *scratch;
	int ns;
};

static int make_root(void *arg, struct error *err)
{
	struct root_task *t = arg;
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, "cannot make a mount namespace");
	t->ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return mnt_private(err) < 0 ? -1 : root_enter_sandbox(t->scratch, "/usr/share", err);
}

static int open_in(const char *folder, const char *name, struct error *err)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? error_sys(err, "cannot open %s", path) : fd;
}

int boxes_open(struct boxes *b, const char *build, const char *scratch, struct error *err)
{
	struct root_task root = {scratch, -1};
	struct rlimit files;
	memset(b, 0, sizeof *b);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(b->base.id, sizeof b->base.id, "t%05x", (unsigned)getpid() & 0xfffff);
	char name[CGROUP_NAME_MAX];
	snprintf(name, sizeof name, "mayfly-%s", b->base.id);
	if (cgroup_open(&b->base.cgroup, "/sys/fs/cgroup", name, err) < 0 || in_child(make_root, &root, err) < 0)
		return -1;
	b->base.root_ns = root.ns;
	b->base.tmp.kind = TMP_TMPFS;
	b->base.uid_base = UID_BASE;
	b->base.init_exe = open_in(build, "mayfly-init", err);
	b->restore_exe = b->base.init_exe < 0 ? -1 : open_in(build, "mayfly-restore", err);
	b->own_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return b->restore_exe < 0 || b->own_pidfd < 0 ? -1 : 0;
}

void boxes_close(struct boxes *b)
{
	for (unsigned i = 0; i < BOXES; i++) {
		if (b->boxes[i].used)
			box_kill(b, &b->boxes[i]);
	}
	for (unsigned i = 0; i < ZYGOTES; i++) {
		if (b->zygotes[i].used)
			zygote_end(&b->zygotes[i]);
	}
	cgroup_close(&b->base.cgroup);
}

/* ---- boxes ---- */

struct make_task {
	struct boxes *b;
	struct box *box;
};

static int make_work(void *arg, struct error *err)
{
	struct make_task *t = arg;
	return sandbox_make(&t->b->base, t->box->slot, false, -1, &t->box->made, err);
}

int box_make(struct boxes *b, unsigned slot, struct error *err)
{
	struct box *box = &b->boxes[slot];
	struct make_task t = {b, box};
	*box = (struct box){.used = true, .slot = slot, .next = -1};
	if (in_child(make_work, &t, err) == 0)
		return 0;
	box->used = false;
	return -1;
}

struct attach_task {
	struct boxes *b;
	struct sandbox_attach attach;
};

static int attach_work(void *arg, struct error *err)
{
	struct attach_task *t = arg;
	return sandbox_attach(&t->b->base, &t->attach, err);
}

static struct sandbox_attach attachment(struct boxes *b, const struct box *box, int code)
{
	return (struct sandbox_attach){.slot = box ? box->slot : 0,
								   .pid = box ? box->made.pid : 0,
								   .pidfd = box ? box->made.pidfd : -1,
								   .control_pidfd = b->own_pidfd,
								   .code_fd = code,
								   .memory_mb = MEMORY_MB,
								   .ephemeral_mb = 512,
								   .tmp = box && box->made.tmp};
}

int box_attach(struct boxes *b, struct box *box, const char *code, struct error *err)
{
	CLEANUP_CLOSE int folder = open(code, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return error_sys(err, "cannot open %s", code);
	struct attach_task t = {b, attachment(b, box, folder)};
	return in_child(attach_work, &t, err);
}

int box_start(struct boxes *b, struct box *box, const char *const *argv, const char *const *envp, struct error *err)
{
	struct buf bytes;
	buf_init(&bytes, LAUNCH_MAX_BYTES);
	CLEANUP_CLOSE int launch = launch_encode(&bytes, 1, argv, envp, NULL, err) < 0 ? -1 : launch_seal(&bytes, err);
	buf_release(&bytes);
	if (launch < 0)
		return -1;
	close(box->made.log_write_fd);
	box->made.log_write_fd = -1;
	return sandbox_order(box->made.init_fd, WIRE_START, launch, err);
}

static void close_all(struct sandbox_made *m)
{
	int *fds[] = {&m->init_fd, &m->api_fd, &m->endpoint_fd, &m->log_fd, &m->log_write_fd, &m->spare_fd, &m->pidfd};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] > 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void box_kill(struct boxes *b, struct box *box)
{
	struct error why = {0};
	kill(box->made.pid, SIGKILL);
	cgroup_thaw(&b->base.cgroup, box->slot);
	waitpid(box->made.pid, NULL, 0);
	close_all(&box->made);
	if (box->next >= 0)
		close(box->next);
	for (int ms = 0; ms < WAIT_MS && cgroup_remove(&b->base.cgroup, box->slot, &why) < 0; ms++)
		usleep(1000);
	box->used = false;
}

/* ---- zygotes ---- */

static void become_zygote(struct boxes *b, int image_fd, int socket_fd, const char *code)
{
	struct error err = {0};
	struct image image = {0};
	static int files[IMAGE_MAX_FILES];
	static char *const argv[] = {(char *)(uintptr_t) "mayfly-restore", NULL}, *const none[] = {NULL};
	int folder = open(code, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sandbox_attach a = attachment(b, NULL, folder);
	if (image_open(&image, image_fd, &err) < 0 || sandbox_enter_code(&b->base, &a, &err) < 0 ||
		image_open_files(&image, files, &err) < 0) {
		fprintf(stderr, "zygote: %s\n", err.msg);
		_exit(1);
	}
	uint32_t count = image.head.tables[IMAGE_FILES].count;
	int high = (int)count + 64;
	int exe = fcntl(b->restore_exe, F_DUPFD_CLOEXEC, high), sock = fcntl(socket_fd, F_DUPFD_CLOEXEC, high);
	int data = fcntl(image_fd, F_DUPFD_CLOEXEC, high);
	for (uint32_t i = 0; i < count; i++)
		files[i] = fcntl(files[i], F_DUPFD_CLOEXEC, high);
	dup2(sock, RESTORE_SOCKET_FD);
	dup2(data, RESTORE_IMAGE_FD);
	for (uint32_t i = 0; i < count; i++)
		dup2(files[i], RESTORE_FILES_FD + (int)i);
	syscall(SYS_close_range, RESTORE_FILES_FD + (int)count, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
	syscall(SYS_execveat, exe, "", argv, none, AT_EMPTY_PATH);
	perror("mayfly-restore");
	_exit(1);
}

static int receive(int fd, void *to, size_t n, struct error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, WAIT_MS) != 1)
		return error_set(err, ERR_TIMEOUT, "no reply");
	ssize_t got = recv(fd, to, n, 0);
	return got == (ssize_t)n ? 0 : error_set(err, ERR_CLOSED, "it ended without a reply");
}

int zygote_start(struct boxes *b, struct zygote *z, const char *path, const char *code, struct error *err)
{
	int pair[2];
	uint64_t started = clock_mono_ns();
	struct restore_reply ready;
	CLEANUP_CLOSE int image_fd = open(path, O_RDONLY | O_CLOEXEC);
	*z = (struct zygote){0};
	if (image_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, "cannot open %s", path);
	if (image_open(&z->image, image_fd, err) < 0)
		return -1;
	z->pid = fork();
	if (z->pid == 0)
		become_zygote(b, image_fd, pair[1], code);
	close(pair[1]);
	z->used = true;
	z->socket = pair[0];
	int rc = receive(z->socket, &ready, sizeof ready, err);
	if (rc == 0 && ready.failed)
		rc = error_set(err, ERR_INTERNAL, "step %u errno %d row %u", ready.step, ready.sys, ready.detail);
	if (rc < 0) {
		zygote_end(z);
		return -1;
	}
	z->resident_bytes = ready.bytes;
	z->load_ns = clock_mono_ns() - started;
	return 0;
}

void zygote_end(struct zygote *z)
{
	close(z->socket);
	waitpid(z->pid, NULL, 0);
	image_release(&z->image);
	z->used = false;
}

/* Both ends of a new connection to the box's listener; the spare socket is of its network. */
static int connect_inside(struct box *box, int listener, uint16_t port, int *inside, int *outside, struct error *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	*inside = box->made.spare_fd;
	box->made.spare_fd = -1;
	if (*inside < 0 || connect(*inside, (struct sockaddr *)&at, sizeof at) < 0)
		return error_sys(err, "cannot connect inside");
	*outside = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
	return *outside < 0 ? error_sys(err, "cannot accept") : 0;
}

static int send_request(struct zygote *z, const struct restore_request *request, const int *fds, size_t count,
						struct error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} room = {0};
	struct iovec iov = {(void *)(uintptr_t)request, sizeof *request};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	return sendmsg(z->socket, &msg, MSG_NOSIGNAL) < 0 ? error_sys(err, "the zygote is gone") : 0;
}

int box_leader(const struct box *box)
{
	char path[64];
	int pid = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", box->made.pid, box->made.pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	return f && fscanf(f, "%d", &pid) == 1 ? pid : 0;
}

static int ask(struct boxes *b, struct zygote *z, struct box *box, int inside, struct restore_reply *reply, struct error *err)
{
	int fds[64], pair[2];
	size_t n = 0;
	CLEANUP_CLOSE int group = cgroup_clone_fd(&b->base.cgroup, box->slot);
	int tasks[CGROUP_HIERARCHIES_MAX];
	int groups = cgroup_task_fds(&b->base.cgroup, box->slot, tasks, err);
	if (groups < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	fds[n++] = pair[1];
	fds[n++] = box->made.pidfd;
	fds[n++] = box->made.log_write_fd;
	if (group >= 0)
		fds[n++] = group;
	for (int i = 0; i < groups; i++)
		fds[n++] = tasks[i];
	fds[n++] = inside;
	struct restore_request request = {
		.groups = (uint32_t)groups, .cgroup2 = group >= 0, .connections = 1, .uid = SANDBOX_UID, .gid = SANDBOX_GID, .teach = 1};
	int rc = send_request(z, &request, fds, n, err);
	close(pair[1]);
	for (int i = 0; i < groups; i++)
		close(tasks[i]);
	rc = rc < 0 ? -1 : receive(pair[0], reply, sizeof *reply, err);
	close(pair[0]);
	return rc;
}

struct tmp_task {
	struct boxes *b;
	struct box *box;
	const struct image *image;
};

static int unpack_tmp(void *arg, struct error *err)
{
	struct tmp_task *t = arg;
	const struct image_section *s = &t->image->head.tables[IMAGE_TMP];
	if (setns(t->box->made.pidfd, CLONE_NEWNS) < 0)
		return error_sys(err, "cannot join the box");
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uid_t uid = t->b->base.uid_base + t->box->slot;
	int rc = tmp_unpack(tmp, t->image->tables + s->offset - t->image->head.head_bytes, s->count, uid, uid, err);
	close(tmp);
	return rc;
}

int zygote_ask_nonsense(struct zygote *z, struct restore_reply *reply, struct error *err)
{
	int pair[2];
	const struct restore_request requests[] = {
		{.groups = 1000, .connections = 1}, {.groups = 2}, {.cgroup2 = 7}, {.connections = 1}};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return error_sys(err, "no socket");
		int rc = send_request(z, &requests[i], &pair[1], 1, err);
		close(pair[1]);
		rc = rc < 0 ? -1 : receive(pair[0], reply, sizeof *reply, err);
		close(pair[0]);
		if (rc < 0 || !reply->failed || reply->step != RESTORE_REQUEST)
			return rc < 0 ? -1 : error_set(err, ERR_INVALID, "nonsense %zu was taken", i);
	}
	return send(z->socket, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : error_sys(err, "the zygote is gone");
}

int zygote_restore(struct boxes *b, struct zygote *z, struct box *box, struct restore_reply *reply, struct error *err)
{
	const struct image_process *leader = image_row(&z->image, IMAGE_PROCESSES, 0);
	int inside = -1;
	struct tmp_task tmp = {b, box, &z->image};
	if (z->image.head.tables[IMAGE_TMP].count && in_child(unpack_tmp, &tmp, err) < 0)
		return -1;
	if (sandbox_adopt(box->made.init_fd, (pid_t)leader->new_pid, err) < 0)
		return -1;
	int rc = connect_inside(box, box->made.api_fd, RUNTIME_API_PORT, &inside, &box->next, err);
	rc = rc < 0 ? -1 : ask(b, z, box, inside, reply, err);
	if (inside >= 0)
		close(inside);
	close(box->made.log_write_fd);
	box->made.log_write_fd = -1;
	return rc;
}
