/* The veth pair and its addresses. Only making the pair needs netlink; the rest is done by the old, shorter calls. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/sandbox/net_priv.h"

struct request {
	struct nlmsghdr head;
	struct ifinfomsg info;
	char attributes[512];
};

/* Appends an attribute and returns it, so that one that holds others can be closed. */
static struct rtattr *put(struct request *r, unsigned short type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));
	ASSERT(NLMSG_ALIGN(r->head.nlmsg_len) + RTA_SPACE(n) <= sizeof *r);
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), data, n);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((char *)r + r->head.nlmsg_len - (char *)a);
}

static int ask(struct request *r, struct error *err)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr body;
		char rest[512];
	} answer;
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || send(fd, r, r->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.head)
		return error_sys(err, "cannot speak to the kernel's network part");
	errno = answer.head.nlmsg_type == NLMSG_ERROR ? -answer.body.error : EPROTO;
	return errno ? error_sys(err, "cannot change interfaces") : 0;
}

void net_remove_link(const char *name)
{
	struct request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof r.info), .nlmsg_type = RTM_DELLINK,
	                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
	put(&r, IFLA_IFNAME, name, strlen(name) + 1);
	ask(&r, NULL);
}

int net_make_pair(const char *outer, const char *inner, pid_t pid, struct error *err)
{
	struct request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof r.info), .nlmsg_type = RTM_NEWLINK,
	                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
	const struct ifinfomsg none = {0};
	put(&r, IFLA_IFNAME, outer, strlen(outer) + 1);
	struct rtattr *link = put(&r, IFLA_LINKINFO, NULL, 0);
	put(&r, IFLA_INFO_KIND, "veth", 5);
	struct rtattr *data = put(&r, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *peer = put(&r, VETH_INFO_PEER, &none, sizeof none);
	put(&r, IFLA_IFNAME, inner, strlen(inner) + 1);
	put(&r, IFLA_NET_NS_PID, &pid, sizeof pid);
	end(&r, peer);
	end(&r, data);
	end(&r, link);
	return ask(&r, err);
}

static void set_address(struct sockaddr *out, uint32_t address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	memcpy(out, &in, sizeof in);
}

int net_configure(const char *name, uint32_t address, uint32_t mask, struct error *err)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	set_address(&ifr.ifr_addr, address);
	if (fd < 0 || ioctl(fd, SIOCSIFADDR, &ifr) < 0)
		return error_sys(err, "cannot give interface %s an address", name);
	set_address(&ifr.ifr_netmask, mask);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr) < 0)
		return error_sys(err, "cannot give interface %s a netmask", name);
	ifr.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? error_sys(err, "cannot start interface %s", name) : 0;
}

int net_default_route(uint32_t gateway, struct error *err)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	set_address(&route.rt_dst, 0);
	set_address(&route.rt_genmask, 0);
	set_address(&route.rt_gateway, gateway);
	return fd < 0 || ioctl(fd, SIOCADDRT, &route) < 0 ? error_sys(err, "cannot set the default route of a sandbox") : 0;
}
