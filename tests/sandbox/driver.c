/* Stands in for mayfly-control in these tests: hands packets and descriptors between mayflyd (descriptor 3) and a test that
 * connects to /data/spool/driver.sock, byte for byte, so that a test can also say what no control would.
 *
 * From the test: 'M' packet for mayflyd; 'O' path: answers 'O' with that folder opened O_PATH in here; 'R' path: the same, a
 * file for reading; 'X' status: ends. To the test: 'M' packet from mayflyd. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAYFLYD 3
#define PLACE "/data/spool/driver.sock"
#define FDS 16

struct packet {
	char bytes[65536];
	ssize_t n;
	int fds[FDS];
	unsigned fd_count;
};

union fds_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * FDS)];
};

static void receive(int fd, struct packet *p)
{
	union fds_room room;
	struct iovec iov = {p->bytes + 1, sizeof p->bytes - 2};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
	p->fd_count = 0;
	p->n = recvmsg(fd, &msg, 0);
	struct cmsghdr *c = p->n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		p->fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(p->fds, CMSG_DATA(c), p->fd_count * sizeof(int));
	}
}

static void give(int fd, const char *bytes, size_t n, const int *fds, unsigned fd_count)
{
	union fds_room room = {0};
	struct iovec iov = {(char *)(uintptr_t)bytes, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd_count) {
		msg.msg_control = room.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void from_test(int test, struct packet *p)
{
	char *order = p->bytes + 1;
	if (*order == 'M')
		give(MAYFLYD, order + 1, (size_t)p->n - 1, p->fds, p->fd_count);
	if (*order == 'X')
		_exit(atoi(order + 1));
	if (*order == 'O' || *order == 'R') {
		order[p->n] = '\0';
		int fd = open(order + 1, *order == 'O' ? O_PATH | O_DIRECTORY : O_RDONLY);
		give(test, "O", 1, &fd, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
	for (unsigned i = 0; i < p->fd_count; i++)
		close(p->fds[i]);
}

int main(void)
{
	static struct packet p;
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = PLACE};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	fcntl(MAYFLYD, F_SETFL, 0);
	unlink(PLACE);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1) < 0)
		return 1;
	/* Nobody may come: then the end of mayflyd is still noticed. */
	struct pollfd early[] = {{.fd = listener, .events = POLLIN}, {.fd = MAYFLYD, .events = POLLRDHUP}};
	if (poll(early, 2, -1) < 0 || early[1].revents)
		return 0;
	int test = accept(listener, NULL, NULL);
	struct pollfd fds[] = {{.fd = test, .events = POLLIN}, {.fd = MAYFLYD, .events = POLLIN}};
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents) {
			receive(test, &p);
			if (p.n <= 0)
				return 0;
			from_test(test, &p);
		}
		if (fds[1].revents) {
			receive(MAYFLYD, &p);
			if (p.n <= 0)
				return 0;
			p.bytes[0] = 'M';
			give(test, p.bytes, (size_t)p.n + 1, p.fds, p.fd_count);
			for (unsigned i = 0; i < p.fd_count; i++)
				close(p.fds[i]);
		}
	}
	return 0;
}
