#include "bin/mayflyd/attacher.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/packet.h"
#include "isolation/sandbox/cgroup.h"
#include "isolation/sandbox/confine.h"
#include "isolation/sandbox/root.h"
#include "isolation/sandbox/wire.h"
#include "isolation/snapshot/image_open.h"
#include "isolation/snapshot/tmp_tree.h"

/* Places of an order's descriptors; those that are not there leave no gap in the packet. */
enum place { AT_REPLY, AT_PIDFD, AT_CONTROL, AT_CODE, AT_INIT, AT_LAUNCH, AT_LOG, AT_SPARE, AT_ZYGOTE, AT_IMAGE, AT_LAYERS };
#define PLACES (AT_LAYERS + LIMIT_LAYERS)

struct packet {
	struct attach_order order;
	uint32_t there; /* places with a descriptor, as bits */
};

_Static_assert(sizeof(struct packet) <= HAND_PACKET_MAX, "an order fits a packet");
_Static_assert(PLACES <= HAND_FDS, "an order's descriptors fit a packet");

/* ---- in the hand ---- */

#define CONNECT_S 2

static void answer(int reply, const struct error *err)
{
	struct attach_answer a = {.code = (int32_t)err->code, .sys = err->sys};
	memcpy(a.msg, err->msg, sizeof a.msg);
	packet_send(reply, &a, sizeof a, NULL, 0, MSG_DONTWAIT);
}

static int attach(const struct server *s, struct packet *p, const int *at, struct error *err)
{
	struct sandbox_attach *a = &p->order.sandbox;
	a->pidfd = at[AT_PIDFD];
	a->control_pidfd = at[AT_CONTROL];
	a->code_fd = at[AT_CODE];
	memcpy(a->layer_fds, at + AT_LAYERS, sizeof a->layer_fds);
	return sandbox_attach(&s->base, a, err);
}

/* From the port that the function knows as its own, where it is free. */
static int connect_one(int fd, uint16_t port, uint16_t local_port, struct error *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = CONNECT_S};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	at.sin_port = htons(local_port);
	if (local_port && bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		at.sin_port = 0;
	at.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
		return error_sys(err, "cannot connect to port %u inside", port);
	patience.tv_sec = 0;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	return 0;
}

/* The one that waits for work comes first, so that it is the first that the listener gives out. */
static int connect_all(const struct image_facts *image, int spare, int pidfd, int out[RESTORE_MAX_CONNECTIONS], struct error *err)
{
	if (image->connections > 1 && setns(pidfd, CLONE_NEWNET) < 0)
		return error_sys(err, "cannot join the sandbox's network");
	for (uint32_t k = 0; k < image->connections; k++) {
		uint32_t i = k == 0 ? image->next : k <= image->next ? k - 1 : k;
		out[i] = k == 0 ? spare : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (out[i] < 0)
			return error_sys(err, "cannot make a socket");
		if (connect_one(out[i], image->connection[i].port, image->connection[i].local_port, err) < 0)
			return -1;
	}
	return 0;
}

/* The process is in the sandbox's mount namespace. */
static int unpack_tmp(const struct sandbox_base *base, unsigned slot, int image_fd, struct error *err)
{
	struct image image;
	uid_t uid = base->uid_base + slot;
	CLEANUP_CLOSE int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tmp < 0)
		return error_sys(err, "cannot open /tmp");
	if (image_open(&image, image_fd, err) < 0)
		return -1;
	const struct image_section *section = &image.head.tables[IMAGE_TMP];
	int rc = section->count ? tmp_unpack(tmp, image_row(&image, IMAGE_TMP, 0), section->count, uid, (gid_t)uid, err) : 0;
	image_release(&image);
	return rc;
}

/* A request to a zygote: its descriptors in the order of restore_wire.h. Those from `own` on are not the order's; after `kept` of these, ours
 * to close. */
struct request {
	struct restore_request wire;
	int fds[4 + RESTORE_MAX_GROUPS + RESTORE_MAX_CONNECTIONS];
	unsigned n, own, kept;
};

/* They stay open. */
static int put_groups(const struct server *s, const struct attach_order *o, struct request *r, struct error *err)
{
	_Static_assert(CGROUP_JOINS_MAX <= 1 + RESTORE_MAX_GROUPS, "control groups fit a request");
	struct cgroup_kept *kept = s->envs.attacher.state;
	int n = cgroup_kept_joins(kept, &s->base.cgroup, o->sandbox.slot, o->groups_made, r->fds + r->n, err);
	if (n < 0)
		return -1;
	r->wire.cgroup2 = s->base.cgroup.freezer_v2;
	r->wire.groups = (uint32_t)n - r->wire.cgroup2;
	r->n += r->kept = (unsigned)n;
	return 0;
}

static int put_connections(const struct image_facts *image, const int *at, struct request *r, struct error *err)
{
	int connections[RESTORE_MAX_CONNECTIONS];
	for (unsigned i = 0; i < image->connections; i++)
		connections[i] = -1;
	int rc = connect_all(image, at[AT_SPARE], at[AT_PIDFD], connections, err);
	for (unsigned i = 0; i < image->connections; i++) {
		if (connections[i] >= 0)
			r->fds[r->n++] = connections[i];
	}
	r->wire.connections = image->connections;
	return rc;
}

/* Groups are opened before attaching: they are not seen from within the sandbox. */
static int restore(const struct server *s, struct packet *p, const int *at, struct request *r, struct error *err)
{
	const struct image_facts *image = &p->order.image;
	unsigned slot = p->order.sandbox.slot;
	if (put_groups(s, &p->order, r, err) < 0 || attach(s, p, at, err) < 0)
		return -1;
	if (image->tmp_bytes && unpack_tmp(&s->base, slot, at[AT_IMAGE], err) < 0)
		return error_wrap(err, "/tmp of the image");
	if (put_connections(image, at, r, err) < 0)
		return -1;
	/* Told before it can exist, so that process 1 never takes its end for a stranger's. */
	if (sandbox_adopt(at[AT_INIT], image->leader_pid, err) < 0)
		return -1;
	if (p->order.ahead)
		return packet_send(at[AT_REPLY], &r->wire, sizeof r->wire, r->fds + r->own, r->n - r->own, MSG_DONTWAIT) < 0 ? error_sys(err, "nobody listens") : 0;
	if (packet_send(at[AT_ZYGOTE], &r->wire, sizeof r->wire, r->fds, r->n, MSG_DONTWAIT) < 0)
		return error_sys(err, "the zygote does not listen");
	return 0;
}

static void run_restore(const struct server *s, struct packet *p, const int *at)
{
	struct error err = {0};
	struct request r = {.wire = {.uid = SANDBOX_UID, .gid = SANDBOX_GID, .teach = p->order.teach}, .fds = {at[AT_REPLY], at[AT_PIDFD], at[AT_LOG]}, .n = 3, .own = 3};
	if (restore(s, p, at, &r, &err) < 0)
		answer(at[AT_REPLY], &err);
	for (unsigned i = r.own + r.kept; i < r.n; i++) {
		if (r.fds[i] != at[AT_SPARE])
			close(r.fds[i]);
	}
}

static void run_plain(const struct server *s, struct packet *p, const int *at)
{
	struct error err = {0};
	if (attach(s, p, at, &err) == 0)
		sandbox_start(at[AT_INIT], at[AT_LAUNCH], at[AT_LOG], &err);
	answer(at[AT_REPLY], &err);
}

static void run(const struct server *s, struct packet *p, const int *at)
{
	if (p->order.restore)
		run_restore(s, p, at);
	else
		run_plain(s, p, at);
}

/* What runs other programs, or unpacks files, would hold up the next order: it gets a process of its own. */
static void run_aside(const struct server *s, struct packet *p, const int *at)
{
	struct error err = {0};
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGCHLD, SIG_DFL);
		confine_die_with_parent(NULL);
		run(s, p, at);
		_exit(0);
	}
	if (pid < 0) {
		error_sys(&err, "cannot start a process");
		answer(at[AT_REPLY], &err);
	}
}

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	int at[PLACES];
	struct packet *p = (struct packet *)(void *)t->packet.bytes;
	unsigned n = 0;
	ASSERT(t->n == sizeof *p);
	for (unsigned i = 0; i < PLACES; i++)
		at[i] = p->there & 1u << i && n < t->fd_count ? t->fds[n++] : -1;
	s->base.net_ready = p->order.net_ready;
	if (!h->state && !(h->state = cgroup_kept_new()))
		_exit(1);
	signal(SIGCHLD, SIG_IGN);
	if (p->order.sandbox.outbound || p->order.image.tmp_bytes)
		run_aside(s, p, at);
	else
		run(s, p, at);
	if (setns(s->mount_ns, CLONE_NEWNS) < 0 || (p->order.image.connections > 1 && setns(s->net_ns, CLONE_NEWNET) < 0))
		_exit(1);
}

/* ---- in mayflyd ---- */

static void answered(struct server *s, struct hand *h, const void *packet, size_t n)
{
}

/* The orders that it had lost their sockets with it, which tells of them. */
static void died(struct server *s, struct hand *h)
{
	envs_pump(s);
}

void attacher_init(struct server *s)
{
	struct error err = {0};
	s->envs.attacher = (struct hand){.name = "the process that attaches", .work = work, .answered = answered, .died = died,
	                            .keep = {s->mount_ns, s->net_ns, -1, -1}};
	if (hand_start(s, &s->envs.attacher, &err) < 0)
		log_error("%s: %s", s->envs.attacher.name, err.msg);
}

static void put(struct packet *p, int *fds, unsigned *n, enum place place, int fd)
{
	if (fd < 0)
		return;
	p->there |= 1u << place;
	fds[(*n)++] = fd;
}

int attacher_give(struct server *s, const struct attach_order *order, const struct attach_fds *with, struct error *err)
{
	struct packet p = {.order = *order};
	int fds[PLACES], sock[2];
	unsigned n = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	const int in_order[] = {its, order->sandbox.pidfd, order->sandbox.control_pidfd, order->sandbox.code_fd, with->init, with->launch,
	                        with->log_write, with->spare, with->zygote, with->image};
	for (unsigned i = 0; i < ARRAY_LEN(in_order); i++)
		put(&p, fds, &n, (enum place)i, in_order[i]);
	for (unsigned i = 0; i < order->sandbox.layers; i++)
		put(&p, fds, &n, (enum place)(AT_LAYERS + i), order->sandbox.layer_fds[i]);
	return hand_give(&s->envs.attacher, &p, sizeof p, fds, n, err) < 0 ? -1 : STEAL_FD(mine);
}
