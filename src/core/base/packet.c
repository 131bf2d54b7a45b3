#include "core/base/packet.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/check.h"

union room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
};

ssize_t packet_send(int sock, const void *bytes, size_t n, const int *fds, unsigned fd_count, int flags)
{
	union room room;
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ASSERT(fd_count <= PACKET_FDS_MAX);
	if (fd_count) {
		memset(&room, 0, CMSG_SPACE(sizeof(int) * fd_count));
		msg.msg_control = room.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL | flags);
}

ssize_t packet_recv(int sock, void *bytes, size_t size, int *fds, unsigned fds_max, unsigned *fd_count, int flags)
{
	union room room;
	struct iovec iov = {bytes, size};
	ASSERT(fds_max <= PACKET_FDS_MAX);
	/* The length, not the space: no more descriptors fit than the caller has room for. */
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = CMSG_LEN(sizeof(int) * fds_max)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
	*fd_count = 0;
	if (n < 0)
		return n;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *fd_count * sizeof(int));
	}
	return n;
}
