/* mayfly-restore: holds one image in its memory and forks the image's process tree into sandboxes.
 *
 * Freestanding: no libc, no thread-local storage, no writable data in the program; all state is one struct zygote in the
 * arena, an anonymous mapping beside the program (image.h keeps both out of images). In the order of a restore:
 *
 *   start.c     _start: arena, stack, then the steps of loading
 *   self.c      where we live: tables, moving the program, vdso and everything else out of the way
 *   memory.c    mappings and their pages
 *   frame.c     each thread's registers as a signal frame, made once
 *   spare.c     copies of the zygote, made ahead; lesson.c: which pages they prepare
 *   request.c   one request, in a spare
 *   enter.c     control groups and namespaces of the sandbox; making the leader
 *   identity.c  rights: those of the zygote, and giving up all of them in the restored processes
 *   process.c   the order of rebuilding one process; children
 *   limits.c    resource limits
 *   objects.c pipes.c sockets.c fds.c   open files
 *   threads.c   threads, the system call filter, the return into the function
 *
 * A step that fails says so on the request's socket and ends what was restored so far; the zygote itself goes on. */
#ifndef MAYFLY_RESTORE_ZYGOTE_H
#define MAYFLY_RESTORE_ZYGOTE_H

#include "bin/mayfly-restore/sys.h"
#include "isolation/snapshot/image.h"
#include "isolation/snapshot/restore_wire.h"

/* The range that images leave free. */
#define PROGRAM_ROOM 0x200000ull
#define ARENA_BASE (RESTORER_BASE + PROGRAM_ROOM)
#define SCRATCH_BASE (RESTORER_END - 0x1000000ull) /* vdso and vvar pass through here */
#define TREE_BASE (RESTORER_END - 0x100000ull)     /* the page that the processes of a tree share */

#define MAIN_STACK 65536u
#define HELPER_STACK 8192u
#define LEADER_STACK 24576u
#define THREAD_STACK 2048u
#define LIMITS 16u
#define SIGNALS 64u
#define SIGNAL_CHILD 17
#define ALL_SIGNALS UINT64_MAX

/* Descriptors of one request. */
struct request {
	struct restore_request wire;
	uint64_t arrived_ns;
	uint32_t at_us[RESTORE_PHASES];
	int reply, init, log, group2;
	int groups[RESTORE_MAX_GROUPS], connections[RESTORE_MAX_CONNECTIONS];
};

/* A run of pages that restored processes need soon. */
struct hot {
	uint64_t address;
	uint32_t pages, written;
};

#define HOT_RUNS 4096u
#define HOT_PAGES 4096u            /* of each kind in one list */
#define HOT_MAPPING (1ull << 30)   /* bytes; larger mappings are not looked through */

struct hot_pages {
	uint32_t count, pages[2]; /* read; written */
	struct hot runs[HOT_RUNS]; /* in the order of addresses */
};

/* Shared by the processes of one restored tree. */
struct tree {
	uint32_t ready, go; /* children that are done; released */
};

struct zygote {
	const struct image_head *head;
	const struct image_process *processes;
	const struct image_thread *threads;
	const struct image_vma *vmas;
	const struct image_run *runs;
	const struct image_file *files;
	const struct image_object *objects;
	const struct image_fd *fds;
	const struct image_watch *watches;
	const char *blob;
	uint32_t process_count, thread_count, vma_count, file_count, object_count, fd_count, watch_count;
	int socket, image;
	uint32_t low;           /* numbers below are those of the function's descriptors; ours are above */
	uint32_t between_tid;   /* of the process between us and the leader: no thread of the image has it */
	uint32_t last_cap;
	uint64_t room;          /* of the arena: what comes next */
	uint64_t frames[IMAGE_MAX_THREADS]; /* where each thread's stack pointer stands for rt_sigreturn */
	uint64_t own_limits[LIMITS][2];
	unsigned char *thread_stacks;
	bool patch_tid;         /* the C library keeps the leader's id where the kernel clears it at its end */
	bool any_late;          /* mappings that can be made only in the restored process */
	struct hot_pages hot;
	struct hot_pages *lessons; /* RESTORE_LESSONS */
	uint32_t lesson_count;
	int lesson[2];          /* from leaders to the zygote */
	char main_stack[MAIN_STACK] __attribute__((aligned(64)));

	/* From here on: what one request, or a restored process, writes. */
	char between_stack[HELPER_STACK] __attribute__((aligned(4096)));
	char leader_stack[LEADER_STACK] __attribute__((aligned(64)));
	int taken;              /* of a spare: closed when it has its request */
	uint32_t spare;         /* not 0 while the spare lives whose memory this is */
	struct sys_key key;     /* zeroed before a restored process is the function again */
	struct request request;
	bool inside;            /* in a restored process: its end ends all of the tree */
	struct tree *tree;      /* NULL: a single process */
	uint32_t go;            /* threads of this process may be the function */
	int object_fds[IMAGE_MAX_OBJECTS];
};

/* Says on the socket of the request (while loading: the zygote's) what failed, and ends this process. */
_Noreturn void fail(struct zygote *z, enum restore_step step, long result, uint32_t detail);

static inline void reached(struct zygote *z, enum restore_phase phase)
{
	z->request.at_us[phase] = (uint32_t)((sys_now_ns() - z->request.arrived_ns) / 1000);
}

/* For results that are negative when wrong. */
static inline long need(struct zygote *z, enum restore_step step, long result, uint32_t detail)
{
	if (result < 0)
		fail(z, step, result, detail);
	return result;
}

void reply_send(struct zygote *z, const struct restore_reply *reply);

/* self.c */
void self_load_tables(struct zygote *z);
void self_move(struct zygote *z, uint64_t own_vdso);
void *self_room(struct zygote *z, uint64_t bytes);
/* In a copy of the zygote: takes away all mappings but ours and the vdso. */
void self_clear(struct zygote *z, const struct image_process *p, uint64_t own_vdso);

/* memory.c: map what any restored process may inherit; what only the process itself can map; who it says it is. */
void memory_map(struct zygote *z, const struct image_process *p);
void memory_late(struct zygote *z, const struct image_process *p);
/* Its program lies in what each environment mounts for itself: said in the restored process. */
bool memory_has_own_exe(const struct zygote *z, const struct image_process *p);
void memory_describe(struct zygote *z, const struct image_process *p, int exe);

/* frame.c */
void frame_make_all(struct zygote *z);

/* identity.c */
void identity_of_zygote(struct zygote *z);
void identity_give_up(struct zygote *z);
void identity_nothing(struct zygote *z);
/* The functions' filter, on the zygote: whatever it forks has it. */
void identity_filter(struct zygote *z);

/* limits.c */
void limits_of_zygote(struct zygote *z);
void limits_inherit(struct zygote *z); /* sets those of the leader that do not hinder the zygote */
void limits_apply(struct zygote *z, const struct image_process *p);

/* lesson.c: z->hot. lesson_give is the leader's. */
void lesson_start(struct zygote *z);
void lesson_give(struct zygote *z);
int lesson_receive(struct zygote *z);
void lesson_read(struct zygote *z, int pagemap);

/* spare.c, request.c, enter.c */
_Noreturn void spare_loop(struct zygote *z);
void request_prepare(struct zygote *z);
_Noreturn void request_serve(struct zygote *z);
void enter_sandbox(struct zygote *z);

/* process.c */
_Noreturn void process_restore(struct zygote *z, uint32_t row);
uint32_t process_pid(const struct zygote *z, uint32_t old);

/* objects.c and friends: build object i, and set z->object_fds[i] (and its peer's) */
void objects_build(struct zygote *z);
void objects_build_late(struct zygote *z);
long object_pipe(struct zygote *z, const struct image_object *o, uint32_t row);
long object_pair(struct zygote *z, const struct image_object *o, uint32_t row);
long object_listener(struct zygote *z, const struct image_object *o, uint32_t row);
long object_socket(struct zygote *z, const struct image_object *o, uint32_t row);
long object_connection(struct zygote *z, const struct image_object *o, uint32_t row);
long object_closed(struct zygote *z, const struct image_object *o, uint32_t row);
void fds_keep_low(struct zygote *z);
void fds_place(struct zygote *z, const struct image_process *p);

/* threads.c */
_Noreturn void threads_run(struct zygote *z, const struct image_process *p);

#endif
