#include "core/ipc/ipc.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"

struct head {
	uint32_t type, size;
};

static int pair(struct ipc *control, struct ipc *supervisor)
{
	int sock[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sock) < 0)
		return -1;
	ipc_init(control, sock[0], FROM_CONTROL);
	ipc_init(supervisor, sock[1], FROM_MAYFLYD);
	return 0;
}

static void unpair(struct ipc *a, struct ipc *b)
{
	ipc_release(a);
	ipc_release(b);
	close(a->fd);
	close(b->fd);
}

static int open_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(message_and_descriptors_arrive)
{
	struct ipc c, s;
	struct ipc_message m;
	struct error err = {0};
	CHECK(pair(&c, &s) == 0);
	struct ipc_env_start body = {.env_id = 7, .memory_mb = 128, .ephemeral_mb = 512};
	int fds[] = {0, 1};
	CHECK_INT(ipc_recv(&s, &m, &err), 0);
	CHECK_INT(ipc_send(&c, IPC_ENV_START, &body, fds, 2, &err), 0);
	CHECK_INT(ipc_recv(&s, &m, &err), 1);
	CHECK_INT(m.type, IPC_ENV_START);
	CHECK_INT(m.body.ipc_env_start.env_id, 7);
	CHECK_INT(m.fd_count, 2);
	CHECK(fcntl(m.fds[0], F_GETFD) & FD_CLOEXEC);
	ipc_message_close(&m);
	close(c.fd);
	CHECK_INT(ipc_recv(&s, &m, &err), -1);
	CHECK_INT(err.code, ERR_CLOSED);
	c.fd = dup(s.fd);
	unpair(&c, &s);
}

TEST(full_socket_queues_in_order_and_flushes)
{
	enum { N = 3000 };
	struct ipc c, s;
	struct ipc_message m;
	struct error err = {0};
	CHECK(pair(&c, &s) == 0);
	for (uint64_t i = 1; i <= N; i++) {
		struct ipc_env_kill body = {.env_id = i};
		CHECK_INT(ipc_send(&c, IPC_ENV_KILL, &body, NULL, 0, &err), 0);
	}
	CHECK(ipc_wants_write(&c));
	for (uint64_t i = 1; i <= N; i++) {
		CHECK_INT(ipc_flush(&c, &err), 0);
		CHECK_INT(ipc_recv(&s, &m, &err), 1);
		CHECK_INT(m.body.ipc_env_kill.env_id, i);
	}
	CHECK(!ipc_wants_write(&c));
	unpair(&c, &s);
}

TEST(queue_is_bounded_and_owns_its_descriptors)
{
	struct ipc c, s;
	struct error err = {0};
	int before = open_fds();
	CHECK(pair(&c, &s) == 0);
	struct ipc_env_kill body = {.env_id = 1};
	int rc = 0;
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = ipc_send(&c, IPC_ENV_KILL, &body, NULL, 0, &err);
	CHECK_INT(rc, -1);
	CHECK_INT(err.code, ERR_NO_MEMORY);
	unpair(&c, &s);
	CHECK_INT(open_fds(), before);
}

TEST(packets_against_the_table_are_refused)
{
	struct {
		struct head head;
		char body[600];
	} p = {{IPC_ENV_KILL, sizeof(struct ipc_env_kill)}, ""};
	size_t good = sizeof p.head + sizeof(struct ipc_env_kill);
	CHECK_INT(ipc_check(&p, good, 0, FROM_CONTROL, NULL), 0);
	CHECK_INT(ipc_check(&p, good, 1, FROM_CONTROL, NULL), -1);
	CHECK_INT(ipc_check(&p, good, 0, FROM_MAYFLYD, NULL), -1);
	CHECK_INT(ipc_check(&p, good - 1, 0, FROM_CONTROL, NULL), -1);
	CHECK_INT(ipc_check(&p, good + 1, 0, FROM_CONTROL, NULL), -1);
	CHECK_INT(ipc_check(&p, 3, 0, FROM_CONTROL, NULL), -1);
	CHECK_INT(ipc_check(&p, 0, 0, FROM_CONTROL, NULL), -1);
	p.head.size++;
	CHECK_INT(ipc_check(&p, good, 0, FROM_CONTROL, NULL), -1);
	p.head = (struct head){IPC_TYPE_COUNT, sizeof(struct ipc_env_kill)};
	CHECK_INT(ipc_check(&p, good, 0, FROM_CONTROL, NULL), -1);
}

TEST(descriptors_of_a_refused_packet_are_closed)
{
	struct ipc c, s;
	struct ipc_message m;
	struct error err = {0};
	int before = open_fds();
	CHECK(pair(&c, &s) == 0);
	/* HELLO comes from the other side: as if control said it. */
	struct ipc liar;
	ipc_init(&liar, c.fd, FROM_MAYFLYD);
	struct ipc_hello body = {.version = 1};
	int fd = 0;
	CHECK_INT(ipc_send(&liar, IPC_HELLO, &body, &fd, 1, &err), 0);
	CHECK_INT(ipc_recv(&s, &m, &err), -1);
	CHECK_INT(err.code, ERR_INVALID);
	unpair(&c, &s);
	CHECK_INT(open_fds(), before);
}

TESTS(T(message_and_descriptors_arrive), T(full_socket_queues_in_order_and_flushes), T(queue_is_bounded_and_owns_its_descriptors),
      T(packets_against_the_table_are_refused), T(descriptors_of_a_refused_packet_are_closed))
