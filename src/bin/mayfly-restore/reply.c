#include <linux/signal.h>

#include "bin/mayfly-restore/zygote.h"

#define NO_SIGNAL 0x4000 /* MSG_NOSIGNAL */
#define DO_NOT_WAIT 0x40 /* MSG_DONTWAIT */

void reply_send(struct zygote *z, const struct restore_reply *reply)
{
	/* Who asked may be gone; then there is nobody to tell. */
	SYS(sendto, z->request.reply, reply, sizeof *reply, NO_SIGNAL | DO_NOT_WAIT, 0, 0);
}

_Noreturn void fail(struct zygote *z, enum restore_step step, long result, uint32_t detail)
{
	struct restore_reply reply = {.failed = 1, .step = step, .sys = (int32_t)-result, .detail = detail};
	if (z->request.arrived_ns)
		reply.ns = sys_now_ns() - z->request.arrived_ns;
	reply_send(z, &reply);
	/* In there nobody but process 1 is older than we are, and it is spared. */
	if (z->inside)
		SYS(kill, -1, SIGKILL);
	SYS(exit_group, 1);
	__builtin_unreachable();
}
