/* Interfaces and addresses for net_outbound.c. Addresses are in host byte order. */
#ifndef MAYFLY_SANDBOX_NET_PRIV_H
#define MAYFLY_SANDBOX_NET_PRIV_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

/* `outer` here, `inner` in the network namespace of process pid. */
int net_make_pair(const char *outer, const char *inner, pid_t pid, struct error *err);
/* With its peer; fine when there is none of the name. */
void net_remove_link(const char *name);
/* Address, netmask, up: in the calling process's network namespace. */
int net_configure(const char *name, uint32_t address, uint32_t mask, struct error *err);
int net_default_route(uint32_t gateway, struct error *err);

#endif
