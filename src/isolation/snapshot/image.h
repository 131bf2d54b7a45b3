/* The image file: a parked process tree, as tables of fixed-size rows and one section of memory pages.
 *
 *   struct image_head | tables, in the order of enum image_table, 64-byte aligned | pages, 4096-byte aligned
 *
 * Written by dump.c, checked by image_open (which trusts nothing: every index, range and address), read in place by
 * mayfly-restore (which trusts what was checked: the file is root's, and nothing writes it afterwards). Integers are of the
 * machine: an image is valid for one boot, kernel build, CPU feature set and build of the server only (struct image_machine).
 * An image holds what was in the function's memory, secrets included; it never holds the platform's credentials.
 *
 * This header is used without libc, too: plain structs only. */
#ifndef MAYFLY_SNAPSHOT_IMAGE_H
#define MAYFLY_SNAPSHOT_IMAGE_H

#include <stdint.h>

#define IMAGE_MAGIC 0x31304d4959414dull /* "MAYIM01" */
#define IMAGE_FORMAT 1u
#define IMAGE_PAGE 4096u
#define IMAGE_NONE UINT32_MAX
#define IMAGE_KEY_BYTES 32

/* Limits of what is checkpointed; past them a function starts plainly. */
#define IMAGE_MAX_PROCESSES 32u
#define IMAGE_MAX_THREADS 512u    /* of all processes */
#define IMAGE_MAX_VMAS 65536u
#define IMAGE_MAX_RUNS 1048576u
#define IMAGE_MAX_FILES 1024u     /* different mapped files and executables */
#define IMAGE_MAX_OBJECTS 1024u
#define IMAGE_MAX_FDS 4096u
#define IMAGE_MAX_WATCHES 4096u
#define IMAGE_MAX_BLOB (64u << 20)
#define IMAGE_MAX_TMP (64ull << 20)
#define IMAGE_MAX_XSTATE 16384u
#define IMAGE_MAX_CONNECTIONS 32u

#define IMAGE_SOCKOPTS 12u /* rows of image_sockopts.def, and room */

/* Where mayfly-restore lives; an image that uses addresses in here is not restorable. */
#define RESTORER_BASE 0x100000000000ull
#define RESTORER_END 0x100040000000ull /* 1 GB: its code, its data, and the image's tables */

enum image_table {
	IMAGE_PROCESSES, /* struct image_process; row 0 is the runtime (the leader), parents before children */
	IMAGE_THREADS,   /* struct image_thread; the first of each process is its leader */
	IMAGE_VMAS,      /* struct image_vma, ascending within a process */
	IMAGE_RUNS,      /* struct image_run, ascending within a mapping */
	IMAGE_FILES,     /* struct image_file */
	IMAGE_OBJECTS,   /* struct image_object: open file descriptions */
	IMAGE_FDS,       /* struct image_fd, by process */
	IMAGE_WATCHES,   /* struct image_watch: epoll registrations */
	IMAGE_BLOB,      /* bytes: strings (NUL-terminated), extended states (64-byte aligned), auxv, pipe contents */
	IMAGE_TMP,       /* bytes: /tmp, see tmp_tree.h */
	IMAGE_TABLES
};

struct image_section {
	uint64_t offset; /* in the file */
	uint32_t count, size; /* rows, bytes of a row */
};

/* What makes an image unusable when it changes. */
struct image_machine {
	uint8_t boot_id[16];  /* /proc/sys/kernel/random/boot_id: clocks, device numbers */
	uint64_t kernel;      /* hash of uname's release and version */
	uint64_t cpu;         /* hash of the CPU's features, XCR0 and the extended state's size */
	uint64_t build;       /* hash of the server's and the restorer's build */
};

struct image_head {
	uint64_t magic;
	uint32_t format, head_bytes;
	uint64_t file_bytes;
	uint64_t tables_sum; /* image_sum over everything from the head's end to the pages */
	uint64_t pages_sum;  /* image_sum over the pages, one after the other, each with the sum before as its seed */
	uint64_t head_sum;   /* over this struct with head_sum 0 */
	uint8_t key[IMAGE_KEY_BYTES];
	struct image_machine machine;
	uint64_t taken_wall_ms, dump_ns;
	uint64_t pages_offset, page_count;
	uint32_t park;        /* enum ipc_park: what the runtime waits in */
	uint32_t connections; /* rows of IMAGE_OBJECTS of kind OBJECT_NEXT or OBJECT_CONNECTION */
	uint32_t memory_mb;   /* of the environment it was taken from */
	uint32_t reserved;
	struct image_section tables[IMAGE_TABLES];
};

struct image_process {
	uint32_t parent;   /* index; IMAGE_NONE for the leader, whose parent is mayfly-init */
	uint32_t pid;      /* as it was */
	uint32_t new_pid;  /* as it will be: another one for a leader whose libc caches it where we can change it (then OpenSSL and
	                      others notice the fork), else the same */
	uint32_t pgid, sid; /* of the old numbers */
	uint32_t thread, thread_count, vma, vma_count, fd, fd_count; /* first row, rows */
	uint32_t exe;      /* file */
	uint32_t cwd;      /* blob offset of a path */
	uint32_t umask;
	uint32_t auxv, auxv_bytes; /* blob */
	uint32_t dumpable, subreaper;
	int32_t oom_score_adj;
	uint32_t thp_disabled;
	uint32_t personality; /* personality(2) */
	uint32_t membarrier;  /* MEMBARRIER_CMD_REGISTER_*, as GET_REGISTRATIONS has them */
	uint64_t vdso_start, vdso_end, vvar_start, vvar_end, vclock_start, vclock_end; /* 0: not there */
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end;
	struct {
		uint64_t handler, flags, restorer, mask;
	} actions[64];     /* of signal i + 1 */
	struct {
		uint64_t soft, hard;
	} limits[16];      /* RLIMIT_* */
	struct {
		uint64_t interval_s, interval_us, value_s, value_us;
	} timers[3];       /* ITIMER_* */
};

struct image_thread {
	uint32_t tid;
	uint32_t altstack_flags;
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, ip, flags, sp, fs_base, gs_base;
	uint64_t sigmask;
	uint64_t altstack, altstack_bytes;
	uint64_t tid_address;  /* clear_child_tid */
	uint64_t robust, robust_bytes;
	uint64_t rseq;         /* 0: none */
	uint32_t rseq_bytes, rseq_signature;
	uint32_t xstate, xstate_bytes; /* blob */
	uint32_t priority;     /* nice + 20 */
	uint32_t death_signal; /* PR_SET_PDEATHSIG; 0: none */
	uint64_t affinity[16]; /* 0 in all: the default */
	char name[16];
};

#define IMAGE_MEMBARRIERS 0x154u /* what a process may register for, of linux/membarrier.h */

enum image_vma_kind { VMA_ANON, VMA_FILE, VMA_STACK, VMA_SHARED_ANON };
enum image_vma_flag {
	VMA_SHARED = 1, VMA_NORESERVE = 2, VMA_WIPE_ON_FORK = 4, VMA_HUGE = 8, VMA_NO_HUGE = 16, VMA_DONT_FORK = 32, VMA_DONT_DUMP = 64,
	VMA_MERGEABLE = 128, VMA_LOCKED = 256, VMA_DROPPABLE = 512
};

/* Runs of VMA_ANON, VMA_STACK and VMA_SHARED_ANON are what is not zero; those of VMA_FILE (private) what the process changed,
 * at its full length. VMA_WIPE_ON_FORK and VMA_DROPPABLE have none. */
struct image_vma {
	uint64_t start, end;
	uint32_t protection; /* PROT_* */
	uint32_t kind, flags;
	uint32_t file;       /* VMA_FILE */
	uint64_t file_offset;
	uint32_t run, run_count;
};

struct image_run {
	uint64_t address, page, pages; /* page: index in the page section */
};

/* Opened and compared before a zygote starts: path in the sandbox, and that it still is the same file. device 0: the file lies
 * on an overlay, which is made anew for each environment; it is not compared. */
struct image_file {
	uint32_t path;       /* blob; absolute, without links */
	uint32_t writable;   /* a shared mapping that may be written */
	uint64_t device, inode, bytes, changed_ns, modified_ns; /* statx */
};

enum image_object_kind {
	OBJECT_LOG,        /* the log pipe's write end */
	OBJECT_NEXT,       /* the connection that waits for work */
	OBJECT_CONNECTION, /* an idle one to the Runtime API or the endpoint: a fresh one takes its place */
	OBJECT_FILE,       /* file, folder or device: path, flags, position */
	OBJECT_PIPE_READ, OBJECT_PIPE_WRITE,
	OBJECT_EVENTFD, OBJECT_EPOLL, OBJECT_TIMERFD, OBJECT_SIGNALFD,
	OBJECT_UNIX_PAIR,  /* one end of a socket pair within the tree */
	OBJECT_LISTENER,   /* a listening TCP socket of the function itself */
	OBJECT_SOCKET,     /* unconnected: maybe bound */
	OBJECT_MEMFD,
	OBJECT_PIDFD,      /* of a process of the tree */
	OBJECT_CLOSED,     /* a socket whose other end is gone: reads find the end, writes EPIPE */
	OBJECT_KINDS
};

struct image_object {
	uint32_t kind;
	uint32_t flags;      /* O_*, as F_GETFL says */
	uint32_t path;       /* blob: OBJECT_FILE; name of OBJECT_MEMFD */
	uint32_t peer;       /* object: other end of a pipe (IMAGE_NONE: closed) or pair */
	uint64_t position;   /* offset; count of an eventfd; mask of a signalfd; old pid of a pidfd */
	uint32_t data, data_bytes; /* blob: what waits to be read from a pipe or a pair's end; a memfd's content; the address
	                              (struct sockaddr_*) a socket is bound to */
	uint32_t domain, type, protocol, backlog; /* sockets */
	uint32_t port;       /* OBJECT_CONNECTION, OBJECT_NEXT: the platform's port; local_port: the other end's */
	uint32_t local_port;
	uint32_t semaphore, pipe_bytes; /* eventfd; capacity of a pipe */
	uint32_t clock, timer_flags;
	uint64_t timer_value_ns, timer_interval_ns, timer_ticks; /* value: as timer_flags say, absolute or from now; 0: not armed */
	uint64_t receive_timeout_us, send_timeout_us; /* SO_RCVTIMEO, SO_SNDTIMEO; 0: none */
	uint32_t seals, reserved; /* of a memfd */
	uint32_t sockopt[IMAGE_SOCKOPTS]; /* rows of image_sockopts.def: value + 1; 0: the default */
};

struct image_fd {
	uint32_t fd, object, close_on_exec, reserved;
};

struct image_watch {
	uint32_t epoll;  /* object */
	uint32_t process, fd; /* what is watched, as registered */
	uint32_t events;
	uint64_t data;
};

#endif
