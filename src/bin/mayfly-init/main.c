/* mayfly-init: process 1 of an execution environment.
 *
 * Rights: none. It starts with the environment's one user, no capabilities, the functions' system call filter, and two
 * descriptors: the socket to mayflyd and the log pipe. It keeps none it does not need: it starts the runtime as process 2
 * (or is told which of its children it is, where it is restored from an image), reaps what is orphaned, reports how the
 * runtime ended and ends, and with it (as process 1) everything inside. It also ends when its socket does. Extensions, where
 * there are any, come before the runtime, and may live a little longer (wire.h). Small on purpose: it is part of every
 * environment's memory. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayfly-init/init.h"

#define WRAPPER "AWS_LAMBDA_EXEC_WRAPPER="
/* What a shell answers for a command that is not there, or not executable: Lambda starts the wrapper through one. */
#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126

void init_tell(uint32_t who, enum ipc_exit how, int status, bool last)
{
	struct wire_end end = {how, status, who, last};
	send(WIRE_SOCKET_FD, &end, sizeof end, MSG_NOSIGNAL | (last ? 0 : MSG_DONTWAIT));
}

_Noreturn void init_finish(enum ipc_exit how, int status)
{
	init_tell(WIRE_WHO_RUNTIME, how, status, true);
	_exit(0);
}

/* Index of the first candidate that can be executed; -1 with *why. One that is there but not executable beats a missing one. */
static int choose(const struct launch *l, int *why)
{
	*why = ENOENT;
	for (unsigned i = 0; i < l->candidates; i++) {
		struct stat st;
		if (stat(l->argv[i], &st) < 0)
			continue;
		if (!S_ISREG(st.st_mode) || access(l->argv[i], X_OK) < 0)
			*why = EACCES;
		else
			return (int)i;
	}
	return -1;
}

static char *find_wrapper(const struct launch *l)
{
	/* Managed runtimes only (they have one candidate): on the others Lambda leaves it to the bootstrap. */
	for (char **e = l->envp; l->candidates == 1 && *e; e++) {
		if (strncmp(*e, WRAPPER, sizeof WRAPPER - 1) == 0 && (*e)[sizeof WRAPPER - 1])
			return *e + sizeof WRAPPER - 1;
	}
	return NULL;
}

/* The candidates' place in argv is taken by the chosen one, with the wrapper before it. */
static char **command(struct launch *l, int chosen, char *wrapper, char **room)
{
	char **argv = l->argv + l->candidates - 1;
	argv[0] = l->argv[chosen];
	if (!wrapper)
		return argv;
	size_t n = 0;
	room[n++] = wrapper;
	for (char **a = argv; *a; a++)
		room[n++] = *a;
	room[n] = NULL;
	return room;
}

/* In the child, which shares our memory until it executes something: nothing of ours may change but *failed. */
static void become(char **argv, char **envp, int log_fd, volatile int *failed)
{
	sigset_t none;
	sigemptyset(&none);
	dup2(log_fd, 1);
	dup2(log_fd, 2);
	close(WIRE_LOG_FD);
	close(WIRE_SOCKET_FD);
	setsid();
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(argv[0], argv, envp);
	*failed = errno;
	_exit(STATUS_NOT_FOUND);
}

/* By itself, so that no variable of the caller lives in registers across vfork. */
__attribute__((noinline)) int init_spawn(pid_t *pid, char **argv, char **envp, int log_fd)
{
	volatile int failed = 0;
	*pid = vfork();
	if (*pid == 0)
		become(argv, envp, log_fd, &failed);
	return *pid < 0 ? errno : failed;
}

static void start(struct init *init, struct launch *l)
{
	static char *room[LAUNCH_MAX_STRINGS + 2];
	int why;
	int chosen = choose(l, &why);
	char *wrapper = find_wrapper(l);
	if (chosen < 0)
		init_finish(EXIT_EXEC_FAILED, why);
	if (chdir("/var/task") < 0)
		init_finish(EXIT_EXEC_FAILED, errno);
	int failed = init_spawn(&init->runtime, command(l, chosen, wrapper, room), l->envp, WIRE_LOG_FD);
	if (failed && wrapper)
		init_finish(EXIT_CODE, failed == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
	if (failed)
		init_finish(EXIT_EXEC_FAILED, failed);
	close(WIRE_LOG_FD);
}

/* Once: extensions are there. */
static void begin(struct init *init)
{
	if (init->runtime || !init->launch.data || init->leaving)
		return;
	start(init, &init->launch);
	launch_release(&init->launch);
}

static void start_from(struct init *init, int launch_fd, int extension_log_fd)
{
	struct error why = {0};
	if (init->runtime || init->launch.data || launch_fd < 0 || launch_read_fd(&init->launch, launch_fd, &why) < 0)
		init_finish(EXIT_EXEC_FAILED, EINVAL);
	close(launch_fd);
	init_extensions_start(init, extension_log_fd < 0 ? WIRE_LOG_FD : extension_log_fd);
	if (extension_log_fd >= 0)
		close(extension_log_fd);
	if (!init->launch.extensions)
		begin(init);
}

/* A restored runtime has the log pipe's end from mayflyd. */
static void adopt(struct init *init, pid_t pid)
{
	if (init->runtime || pid <= 1)
		init_finish(EXIT_EXEC_FAILED, EINVAL);
	init->runtime = pid;
	close(WIRE_LOG_FD);
}

static void on_order(struct init *init)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct wire_order_packet packet;
	struct iovec iov = {&packet, sizeof packet};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	int fds[2] = {-1, -1};
	ssize_t n = recvmsg(WIRE_SOCKET_FD, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof packet)
		_exit(0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN(sizeof fds))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (packet.order == WIRE_START)
		start_from(init, fds[0], fds[1]);
	else if (packet.order == WIRE_RUNTIME)
		adopt(init, packet.pid);
	else if (packet.order == WIRE_BEGIN)
		begin(init);
	else if (packet.order == WIRE_SHUTDOWN)
		init_extensions_leave(init, packet.leavers);
	else if (packet.order == WIRE_TERM && init->runtime > 0)
		kill(init->runtime, SIGTERM);
}

static void reap(struct init *init)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;
	/* Looked at whether or not there is a signal: a runtime that is restored may have ended before we listened. */
	while (read(init->signals, &info, sizeof info) > 0)
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		enum ipc_exit how = WIFSIGNALED(status) ? EXIT_SIGNAL : EXIT_CODE;
		int code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
		if (init->extensions)
			init_extensions_ended(init, pid, how, code);
		else if (pid == init->runtime)
			init_finish(how, code);
	}
}

int main(void)
{
	struct init init = {0};
	sigset_t child;
	/* The function has the same user: it must not reach into this process through /proc. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Started from a descriptor: kernels before 6.14 would call this process by the descriptor's number. */
	prctl(PR_SET_NAME, "mayfly-init", 0, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	init.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd fds[] = {{.fd = WIRE_SOCKET_FD, .events = POLLIN}, {.fd = init.signals, .events = POLLIN}};
	for (;;) {
		if (poll(fds, 2, init_extensions_wait_ms(&init)) < 0 && errno != EINTR)
			return 1;
		init_extensions_tick(&init);
		/* Orders first, also one that came since: who the runtime is must be known before its end is seen. */
		on_order(&init);
		reap(&init);
	}
}
