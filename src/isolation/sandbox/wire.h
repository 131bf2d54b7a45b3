/* What mayflyd and mayfly-init say to each other over the sandbox's SEQPACKET socket. mayflyd believes nothing of it but
 * shape and range: the function runs beside mayfly-init. */
#ifndef MAYFLY_SANDBOX_WIRE_H
#define MAYFLY_SANDBOX_WIRE_H

#include <stdint.h>

#define WIRE_SOCKET_FD 3 /* in mayfly-init */
#define WIRE_LOG_FD 4    /* the function's standard output and error */

/* GO: maps are written, drop rights and become mayfly-init. START: with one descriptor, the sealed launch settings (and a second one: the
 * extensions' standard output and error; without it they share the function's). RUNTIME: process
 * `pid` will be the runtime, a child that is restored and not started. TERM: SIGTERM to the runtime.
 *
 * Where the settings name extensions, START starts these only, and BEGIN the runtime; the end of any of them is told by a struct wire_end
 * that is not the last, and the others live on. SHUTDOWN: SIGTERM to the runtime, SIGKILL 600 ms later; when it has ended, to the
 * extensions too, but for those in `leavers`, who are told by others and have what time mayflyd gives them. */
enum wire_order { WIRE_GO = 1, WIRE_START, WIRE_TERM, WIRE_RUNTIME, WIRE_BEGIN, WIRE_SHUTDOWN };

struct wire_order_packet {
	uint32_t order;
	int32_t pid;      /* of RUNTIME, as seen inside */
	uint32_t leavers; /* of SHUTDOWN: places of extensions in the launch settings, as bits */
};

/* Who ended: the runtime, or an extension by its place. */
#define WIRE_WHO_RUNTIME 0u
#define WIRE_WHO_EXTENSION 1u

struct wire_end {
	uint32_t how;   /* enum ipc_exit: EXIT_CODE, EXIT_SIGNAL or EXIT_EXEC_FAILED */
	int32_t status; /* exit status, signal, errno */
	uint32_t who;   /* WIRE_WHO_RUNTIME, or WIRE_WHO_EXTENSION + place */
	uint32_t last;  /* mayfly-init ends, and with it everybody */
};

#endif
