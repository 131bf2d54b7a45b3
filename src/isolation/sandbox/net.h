/* A sandbox's own network. */
#ifndef MAYFLY_SANDBOX_NET_H
#define MAYFLY_SANDBOX_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

/* In the calling process's network namespace: loopback up. */
int net_loopback_up(struct error *err);
/* A listening, non-blocking socket at 127.0.0.1:port of the calling process's network namespace. */
int net_listen_loopback(uint16_t port, struct error *err);

#define NET_NAME_MAX 16

/* Outbound access: a veth pair from the host's network namespace (the caller's) into that of the process `pid`, with
 * addresses from 198.18.0.0/15 by slot, forwarding for these interfaces only, and one nftables table `id` that masquerades,
 * and refuses the host's own addresses, link-local ones (metadata services) and other environments.
 * For helpers: net_connect runs programs, and ends in the namespace of `pid`. have_rules: the table is there already. */
#define NET_SLOTS_MAX 32768u
int net_connect(const char *id, unsigned slot, pid_t pid, bool have_rules, struct error *err);
/* Removes the table; a pair vanishes with the sandbox's namespace. */
void net_sweep(const char *id);

#endif
