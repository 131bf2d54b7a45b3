/* Private to isolation/snapshot: one dump in progress, and its steps.
 *
 *   dump_freeze    every thread of the tree is stopped             dump_tree.c
 *   dump_maps      mappings of each process                        dump_maps.c
 *   dump_threads   registers and what belongs to a thread          dump_thread.c
 *   dump_process   what belongs to a process                       dump_process.c
 *   dump_fds       descriptors, and what they stand for            dump_fds.c, dump_object.c, dump_socket.c, dump_watch.c
 *   dump_pages     contents of memory, into the file               dump_pages.c
 *   dump_thaw      the tree goes on, or stays stopped
 *
 * All run in one thread of a helper. Process ids are those of our own pid namespace unless called `inner`. */
#ifndef MAYFLY_SNAPSHOT_DUMP_PRIV_H
#define MAYFLY_SNAPSHOT_DUMP_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "core/base/buf.h"
#include "isolation/snapshot/dump.h"
#include "isolation/snapshot/image_build.h"

struct dump_thread {
	pid_t tid;
	uint32_t inner;
	bool moved;      /* its registers are another call's at the moment */
	int deliver;     /* a signal that was on its way when it stopped */
	struct user_regs_struct regs;
};

struct dump_process {
	pid_t pid, parent;
	uint32_t inner, group, session;
	struct dump_thread *threads; /* the leader first */
	uint32_t thread_count, thread_room;
	int proc, mem, pidfd; /* /proc/PID, its memory, itself */
	uint64_t call_at;     /* a syscall instruction */
	uint64_t scratch;     /* memory that an injected call may write to; always put back */
	char name[16];
	struct image_process row;
};

/* How the contents of a mapping are found; one for each row of IMAGE_VMAS. */
struct dump_memory {
	uint32_t process;
	uint64_t whole; /* bytes from its start that are read whatever the page tables say; 0: what they say */
	int shared_fd;  /* of VMA_SHARED_ANON: the memory behind it; else -1 */
	uint64_t shared_at; /* where in it the mapping begins */
};

/* One for each row of IMAGE_OBJECTS: how to find the open file description again. */
struct dump_object {
	uint32_t process;
	int fd;         /* in that process */
	uint64_t device, inode;
	uint32_t type;  /* S_IFMT of its mode */
};

/* A mapped file that was looked at already. */
struct dump_file {
	uint64_t device, inode; /* as the list of mappings says */
	uint32_t row;
	bool vanished; /* deleted or replaced: what is mapped of it is kept like memory */
};

struct dump {
	const struct dump_request *request;
	struct dump_process *processes; /* the runtime first, parents before children */
	uint32_t count;
	int init_proc, root; /* /proc/INIT, and the root that the tree sees */
	uint32_t pid_levels; /* pid namespaces of the tree, seen from ours */
	struct image_builder image;
	struct buf memory, objects, files; /* struct dump_memory, dump_object, dump_file */
	uint64_t dirty_pages;
};

#define DUMP_MAX_STATUS 8192u

/* dump_proc.c: texts of /proc. */
char *dump_read(int proc, const char *path, size_t max, struct error *err); /* malloc'd */
/* The text after "name:" and blanks, up to the line's end; NULL when there is no such line. */
const char *dump_field(const char *text, const char *name);
uint64_t dump_number(const char *text, const char *name, int base); /* 0 when missing */
/* The last number of a field of several, and how many there are. */
uint32_t dump_last_number(const char *text, const char *name, uint32_t *count);
/* Link below /proc/PID, NUL-terminated; -1 when it does not fit. */
int dump_link(int proc, const char *path, char *dst, size_t size, struct error *err);
/* "process 2 (python3) ..." */
int dump_unsupported(const struct dump_process *p, struct error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int dump_busy(const struct dump_process *p, struct error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same namespaces and root as mayfly-init, no filter of its own. */
int dump_same_world(const struct dump *d, const struct dump_process *p, const char *status, struct error *err);

/* dump_tree.c */
int dump_freeze(struct dump *d, struct error *err);
void dump_thaw(struct dump *d, bool go_on);
void dump_release(struct dump *d);

/* dump_call.c: system calls made by a stopped thread. */
/* 0, or -1 with errno (ETIMEDOUT). With SIGCHLD blocked, which tells of stops. */
int dump_wait(pid_t tid, int *status, uint64_t limit_ns);
int dump_call_prepare(struct dump_process *p, const struct image_vma *vmas, uint32_t n, struct error *err);
/* The result is as the kernel gives it: -errno. -1: the call could not be made. */
int dump_call(struct dump_process *p, struct dump_thread *t, long number, const uint64_t args[4], long *result, struct error *err);
int dump_call_done(struct dump_thread *t, struct error *err); /* puts its registers back */
/* A call that writes n bytes (at most 256) to its argument `where`. */
int dump_call_read(struct dump_process *p, struct dump_thread *t, long number, uint64_t args[4], int where, void *dst, size_t n,
	struct error *err);

int dump_peek(const struct dump_process *p, uint64_t address, void *dst, size_t n); /* 0, or -1 */
int dump_poke(const struct dump_process *p, uint64_t address, const void *src, size_t n);

int dump_maps(struct dump *d, uint32_t process, struct error *err);
int dump_threads(struct dump *d, uint32_t process, struct error *err);
int dump_process(struct dump *d, uint32_t process, struct error *err);
int dump_new_pid(struct dump *d, struct error *err); /* dump_identity.c */
int dump_fds(struct dump *d, struct error *err);
int dump_ipc(const struct dump *d, struct error *err);
int dump_pages(struct dump *d, int out_fd, struct error *err);

/* dump_file.c: row of a file; -1 on error. `link` is below /proc/PID; path as the kernel prints it. */
int dump_file(struct dump *d, struct dump_process *p, const char *link, const char *path, struct dump_file *file, struct error *err);

/* dump_object.c, dump_socket.c: one open file. */
struct dump_open {
	struct dump_process *process;
	int fd;
	const char *link, *info; /* readlink, and fdinfo's text */
	uint32_t mode;           /* st_mode */
	uint64_t device, inode, bytes, links;
};
int dump_object(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err);
int dump_socket(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err);
int dump_copy_fd(const struct dump_process *p, int fd, struct error *err); /* pidfd_getfd */
int dump_pipes(struct dump *d, struct error *err);
int dump_unix_pairs(struct dump *d, struct error *err);
int dump_watches(struct dump *d, struct error *err);
/* That both are the same open file description: 1, 0, or -1. */
int dump_same_open(pid_t a, int a_fd, pid_t b, int b_fd, struct error *err);

#endif
