/* What mayflyd and mayfly-init say to each other over the sandbox's SEQPACKET socket. mayflyd believes nothing of it but
 * shape and range: the function runs beside mayfly-init. */
#ifndef MAYFLY_SANDBOX_WIRE_H
#define MAYFLY_SANDBOX_WIRE_H

#include <stdint.h>

#define WIRE_SOCKET_FD 3 /* in mayfly-init */
#define WIRE_LOG_FD 4    /* the function's standard output and error */

/* GO: maps are written, drop rights and become mayfly-init. START: with one descriptor, the sealed launch settings.
 * TERM: SIGTERM to the runtime. RUNTIME: process `pid` will be the runtime, a child that is restored and not started. */
enum wire_order { WIRE_GO = 1, WIRE_START, WIRE_TERM, WIRE_RUNTIME };

struct wire_order_packet {
	uint32_t order;
	int32_t pid; /* of RUNTIME, as seen inside */
};

/* The last packet before mayfly-init ends. */
struct wire_end {
	uint32_t how;   /* enum ipc_exit: EXIT_CODE, EXIT_SIGNAL or EXIT_EXEC_FAILED */
	int32_t status; /* exit status, signal, errno */
};

#endif
