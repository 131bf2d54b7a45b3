/* Packets with descriptors beside them, over a unix socket (unix(7), SCM_RIGHTS). */
#ifndef MAYFLY_BASE_PACKET_H
#define MAYFLY_BASE_PACKET_H

#include <stddef.h>
#include <sys/types.h>

#define PACKET_FDS_MAX 48u

/* As sendmsg, never with a signal; flags: MSG_DONTWAIT or 0. The descriptors stay the caller's. */
ssize_t packet_send(int sock, const void *bytes, size_t n, const int *fds, unsigned fd_count, int flags);
/* As recvmsg, of a peer that is trusted: at most `fds_max` descriptors are taken, all close-on-exec and the caller's. */
ssize_t packet_recv(int sock, void *bytes, size_t size, int *fds, unsigned fds_max, unsigned *fd_count, int flags);

#endif
