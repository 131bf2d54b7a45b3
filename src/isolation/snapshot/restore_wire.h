/* What is said to mayfly-restore when it holds an image: a zygote. Used without libc, too.
 *
 * A zygote is executed with these descriptors: 3 its request socket (SEQPACKET), 4 the image (checked), 5 + i the image's
 * file i (opened in the sandbox's root and compared). It maps everything, says RESTORE_READY on the socket, and forks one
 * process tree for each request. It ends when its socket does.
 *
 * A request is one packet with these descriptors, in order: where the reply goes (a SEQPACKET socket), pidfd of the sandbox's
 * mayfly-init, the log pipe's write end, the folder of its cgroup2 group (where `cgroup2`), `groups` v1 "tasks" files open
 * for writing, `connections` connected sockets in the order of the image's objects. */
#ifndef MAYFLY_SNAPSHOT_RESTORE_WIRE_H
#define MAYFLY_SNAPSHOT_RESTORE_WIRE_H

#include <stdint.h>

#define RESTORE_SOCKET_FD 3
#define RESTORE_IMAGE_FD 4
#define RESTORE_FILES_FD 5
#define RESTORE_MAX_GROUPS 8u
#define RESTORE_MAX_CONNECTIONS 32u
#define RESTORE_LESSON_MS 300u /* from a restore until its pages are looked at */
#define RESTORE_LESSONS 3u

struct restore_request {
	uint32_t groups, cgroup2, connections;
	uint32_t uid, gid; /* inside */
	uint32_t teach; /* 1: it lives long enough that the zygote may learn which pages it uses (RESTORE_LESSON_MS) */
};

/* Where the time goes; each ends when the next begins. In the order of a restore. */
enum restore_phase {
	RESTORE_AT_JOINED,   /* control groups and namespaces */
	RESTORE_AT_CLONED,   /* the copy of the zygote runs */
	RESTORE_AT_IDENTITY, /* rights are given up */
	RESTORE_AT_OBJECTS,  /* open files are there */
	RESTORE_AT_PLACED,   /* mappings, children, descriptors, limits, signals */
	RESTORE_AT_THREADS,  /* threads are there */
	RESTORE_PHASES
};

/* Sent by the zygote once (step 0: ready), and by the restored leader on a request's own socket as its last act before it is
 * the function again, or by whoever failed. */
struct restore_reply {
	uint32_t failed; /* 0: done */
	uint32_t step;   /* enum restore_step */
	int32_t sys;     /* errno */
	uint32_t detail; /* index of the row, where there is one */
	uint64_t ns;     /* from the request's arrival */
	uint32_t at_us[RESTORE_PHASES]; /* when done: end of each phase, from the request's arrival */
	uint64_t bytes;  /* RESTORE_READY: of anonymous memory that restored processes share */
};

enum restore_step {
	RESTORE_READY, RESTORE_TABLES, RESTORE_MAP, RESTORE_PAGES, RESTORE_VDSO, RESTORE_REQUEST, RESTORE_CGROUP, RESTORE_NAMESPACES,
	RESTORE_CLONE, RESTORE_MM, RESTORE_OBJECTS, RESTORE_FDS, RESTORE_CHILDREN, RESTORE_SIGNALS, RESTORE_THREADS, RESTORE_IDENTITY,
	RESTORE_FILTER, RESTORE_STEPS
};

#endif
