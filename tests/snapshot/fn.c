/* A function that holds one of everything that an image keeps, and tells what of it is wrong: the event "check" is answered
 * with "fine" or with what differs. Other events: "ping", "pid", "wiped" (a byte of memory that a
 * fork empties). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define MB (1u << 20)
#define THREADS 3

static struct {
	int api, pipe[2], event, epoll, timer, memory, pair[2], log_copy, null, file, signals, listener, closed_pipe;
	unsigned char *wiped, *heap, *read_only, *shared;
	unsigned calls;
} g;

static char wrong[2048];

#define EXPECT(condition) \
	do { \
		if (!(condition)) { \
			size_t used_ = strlen(wrong); \
			snprintf(wrong + used_, sizeof wrong - used_, "%d:%s(%d);", __LINE__, #condition, errno); \
		} \
	} while (0)

/* ---- threads: each adds when told ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER, heard = PTHREAD_COND_INITIALIZER;
static struct {
	unsigned round, done, sum;
	pid_t tids[THREADS], now[THREADS];
	char names[THREADS][16];
} team;
static __thread unsigned mine;
static volatile sig_atomic_t signalled, on_altstack;
static char altstack[65536];

static void *member(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg, seen = 0;
	char name[16];
	snprintf(name, sizeof name, "member %u", i);
	pthread_setname_np(pthread_self(), name);
	mine = 1000 + i;
	pthread_mutex_lock(&mutex);
	team.tids[i] = (pid_t)syscall(SYS_gettid);
	team.done++;
	pthread_cond_broadcast(&heard);
	for (;;) {
		while (team.round == seen)
			pthread_cond_wait(&told, &mutex);
		seen = team.round;
		team.sum += mine;
		team.now[i] = (pid_t)syscall(SYS_gettid);
		prctl(PR_GET_NAME, team.names[i]);
		team.done++;
		pthread_cond_broadcast(&heard);
	}
	return NULL;
}

static void wait_for_team(void)
{
	while (team.done < THREADS)
		pthread_cond_wait(&heard, &mutex);
}

static void check_threads(void)
{
	pthread_mutex_lock(&mutex);
	team.done = team.sum = 0;
	team.round++;
	pthread_cond_broadcast(&told);
	wait_for_team();
	EXPECT(team.sum == 3003);
	for (unsigned i = 0; i < THREADS; i++) {
		char name[16];
		snprintf(name, sizeof name, "member %u", i);
		EXPECT(team.now[i] == team.tids[i]);
		EXPECT(strcmp(team.names[i], name) == 0);
	}
	pthread_mutex_unlock(&mutex);
}

/* ---- signals ---- */

static void on_signal(int number)
{
	char here;
	signalled = number;
	on_altstack = &here >= altstack && &here < altstack + sizeof altstack;
}

static void init_signals(void)
{
	stack_t stack = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	sigset_t set;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	g.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void check_signals(void)
{
	struct signalfd_siginfo info;
	struct sigaction action;
	signalled = on_altstack = 0;
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	EXPECT(signalled == SIGUSR1 && on_altstack);
	sigaction(SIGPIPE, NULL, &action);
	EXPECT(action.sa_handler == SIG_IGN);
	sigaction(SIGCHLD, NULL, &action);
	EXPECT(action.sa_handler == SIG_DFL);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
	EXPECT(read(g.signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2);
}

/* ---- memory ---- */

static void *room(size_t n, int flags)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(9);
	return p;
}

static void init_memory(void)
{
	g.wiped = room(4096, MAP_PRIVATE);
	madvise(g.wiped, 4096, MADV_WIPEONFORK);
	memset(g.wiped, 7, 4096);
	g.heap = room(8 * MB, MAP_PRIVATE);
	memset(g.heap, 3, 8 * MB);
	g.read_only = room(4096, MAP_PRIVATE);
	memset(g.read_only, 9, 4096);
	mprotect(g.read_only, 4096, PROT_READ);
	g.shared = room(8192, MAP_SHARED);
	g.shared[4096] = 44;
}

static bool all(const unsigned char *p, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

/* The first check of a restored process finds what was there at the dump; each leaves it so. */
static void check_memory(void)
{
	EXPECT(all(g.wiped, 4096, 0) || all(g.wiped, 4096, 7));
	EXPECT(all(g.heap, 8 * MB, 3));
	madvise(g.heap, 4 * MB, MADV_DONTNEED);
	EXPECT(all(g.heap, 4 * MB, 0));
	memset(g.heap, 3, 4 * MB);
	EXPECT(madvise(g.heap + 4 * MB, 4 * MB, MADV_FREE) == 0);
	EXPECT(all(g.heap + 4 * MB, 4 * MB, 3) || all(g.heap + 4 * MB, 4 * MB, 0));
	memset(g.heap + 4 * MB, 3, 4 * MB);
	EXPECT(g.read_only[5] == 9 && g.shared[0] == 0 && g.shared[4096] == 44);
	EXPECT(mprotect(g.read_only, 4096, PROT_READ | PROT_WRITE) == 0);
	g.read_only[5] = 9;
	EXPECT(mprotect(g.read_only, 4096, PROT_READ) == 0);
	void *grown = sbrk(4 * MB);
	EXPECT(grown != (void *)-1);
	if (grown != (void *)-1) {
		memset(grown, 1, 4 * MB);
		EXPECT(sbrk(-(intptr_t)(4 * MB)) != (void *)-1);
	}
	unsigned char *deep = alloca(2 * MB); /* the stack grows */
	memset(deep, 1, 2 * MB);
	EXPECT(deep[MB] == 1);
}

/* ---- descriptors ---- */

static void init_files(void)
{
	uint64_t five = 5;
	struct epoll_event e = {EPOLLIN, {.u64 = 0x1122334455667788}};
	struct itimerspec never = {{0, 0}, {100000, 0}};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(7777)};
	int one = 1, lost[2];
	if (pipe2(g.pipe, O_NONBLOCK | O_CLOEXEC) < 0 || write(g.pipe[1], "in the pipe", 11) != 11)
		exit(8);
	fcntl(g.pipe[1], F_SETPIPE_SZ, 16384);
	g.event = eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
	if (write(g.event, &five, sizeof five) < 0)
		exit(8);
	g.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(g.timer, 0, &never, NULL);
	g.epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(g.epoll, EPOLL_CTL_ADD, g.event, &e);
	e.data.u64 = 2;
	epoll_ctl(g.epoll, EPOLL_CTL_ADD, g.timer, &e);
	g.memory = memfd_create("notes", MFD_CLOEXEC);
	if (write(g.memory, "memory file", 11) != 11)
		exit(8);
	lseek(g.memory, 7, SEEK_SET);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, g.pair) < 0 || write(g.pair[0], "to the second", 13) != 13)
		exit(8);
	g.log_copy = dup(1);
	g.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	g.file = open("/tmp/notes", O_RDWR | O_CREAT | O_APPEND, 0640);
	if (write(g.file, "0123456789", 10) != 10)
		exit(8);
	lseek(g.file, 4, SEEK_SET);
	dup2(g.file, 100);
	g.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(g.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	bind(g.listener, (struct sockaddr *)&at, sizeof at);
	listen(g.listener, 5);
	if (pipe(lost) < 0)
		exit(8);
	close(lost[1]);
	g.closed_pipe = lost[0];
	umask(027);
	if (chdir("/tmp") < 0)
		exit(8);
}

static bool said(int fd, const char *text)
{
	char got[64] = "";
	ssize_t n = read(fd, got, sizeof got - 1);
	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static void check_timer(void)
{
	struct itimerspec soon = {{0, 0}, {0, 1000000}}, left;
	struct epoll_event e[4];
	uint64_t n = 0;
	EXPECT(timerfd_gettime(g.timer, &left) == 0 && left.it_value.tv_sec > 1000);
	timerfd_settime(g.timer, 0, &soon, NULL);
	usleep(3000);
	EXPECT(read(g.timer, &n, sizeof n) == sizeof n && n == 1);
	soon.it_value = (struct timespec){100000, 0};
	timerfd_settime(g.timer, 0, &soon, NULL);
	EXPECT(read(g.event, &n, sizeof n) == sizeof n && n == 1);
	EXPECT(write(g.event, &n, sizeof n) == sizeof n);
	EXPECT(epoll_wait(g.epoll, e, 4, 0) == 1 && e[0].data.u64 == 0x1122334455667788);
}

static void check_files(void)
{
	char cwd[64] = "";
	int value = 0;
	socklen_t size = sizeof value;
	EXPECT(said(g.pipe[0], "in the pipe") && write(g.pipe[1], "in the pipe", 11) == 11);
	EXPECT(fcntl(g.pipe[0], F_GETPIPE_SZ) == 16384 && (fcntl(g.pipe[0], F_GETFL) & O_NONBLOCK));
	EXPECT((fcntl(g.pipe[0], F_GETFD) & FD_CLOEXEC) && !(fcntl(g.pair[0], F_GETFD) & FD_CLOEXEC));
	EXPECT(said(g.memory, "file"));
	lseek(g.memory, 7, SEEK_SET);
	EXPECT(said(g.pair[1], "to the second") && write(g.pair[0], "to the second", 13) == 13);
	EXPECT(write(g.log_copy, "log\n", 4) == 4 && write(g.null, "x", 1) == 1);
	EXPECT(lseek(g.file, 0, SEEK_CUR) == 4 && lseek(100, 1, SEEK_CUR) == 5 && lseek(g.file, -1, SEEK_CUR) == 4);
	EXPECT((fcntl(100, F_GETFL) & O_APPEND) && fcntl(101, F_GETFD) < 0);
	EXPECT(getsockopt(g.listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1);
	EXPECT(getsockopt(g.api, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value == 1);
	EXPECT(said(g.closed_pipe, ""));
	mode_t mask = umask(027);
	EXPECT(mask == 027 && getcwd(cwd, sizeof cwd) && strcmp(cwd, "/tmp") == 0);
	check_timer();
}

/* ---- identity, limits ---- */

static void check_rights(void)
{
	struct rlimit l;
	char self[256] = "";
	getrlimit(RLIMIT_NOFILE, &l);
	EXPECT(l.rlim_cur <= 1024 && l.rlim_max <= 1024);
	EXPECT(getuid() == 993 && geteuid() == 993 && getgid() == 990 && getgroups(0, NULL) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	EXPECT(readlink("/proc/self/exe", self, sizeof self - 1) > 0 && strncmp(self, "/var/task/fn-", 13) == 0);
	int own = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	EXPECT(own >= 0);
	close(own);
	EXPECT(syscall(SYS_unshare, 0x10000000) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_setns, 0, 0, 0, 0, 0L, 0L) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_clone3, NULL, 0, 0, 0, 0L, 0L) < 0 && errno == ENOSYS);
	EXPECT(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
	EXPECT(getppid() == 1 && getsid(0) == getpid() && (pid_t)syscall(SYS_gettid) == getpid());
}

static const char *handle(const char *event, char *out, size_t size)
{
	wrong[0] = '\0';
	if (strcmp(event, "check") == 0) {
		check_threads();
		check_signals();
		check_memory();
		check_files();
		check_rights();
		snprintf(out, size, "%s", wrong[0] ? wrong : "fine");
	} else if (strcmp(event, "wiped") == 0) {
		snprintf(out, size, "%d", g.wiped[9]);
	} else if (strcmp(event, "pid") == 0) {
		snprintf(out, size, "%d", getpid());
	} else {
		snprintf(out, size, "pong-%u", g.calls);
	}
	g.calls++;
	return out;
}

/* ---- Runtime API ---- */

static void put(const char *text)
{
	if (write(g.api, text, strlen(text)) != (ssize_t)strlen(text))
		exit(3);
}

/* Reads one answer; its body ends up NUL-terminated at the returned place. */
static char *get(char *in, size_t size)
{
	size_t n = 0;
	for (;;) {
		ssize_t got = read(g.api, in + n, size - 1 - n);
		if (got <= 0)
			exit(0);
		n += (size_t)got;
		in[n] = '\0';
		char *body = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "content-length:");
		if (body && length && n >= (size_t)(body + 4 - in) + strtoul(length + 15, NULL, 10))
			return body + 4;
	}
}

static void connect_api(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(9001)};
	int one = 1;
	g.api = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(g.api, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(g.api, (struct sockaddr *)&at, sizeof at) < 0)
		exit(2);
}

int main(int argc, char **argv)
{
	static char in[65536], out[4096], head[256];
	bool plain = argc > 1 && strcmp(argv[1], "plain") == 0;
	connect_api();
	if (!plain) {
		init_memory();
		init_files();
		init_signals();
		for (uintptr_t i = 0; i < THREADS; i++) {
			pthread_t t;
			pthread_create(&t, NULL, member, (void *)i);
		}
		pthread_mutex_lock(&mutex);
		wait_for_team();
		pthread_mutex_unlock(&mutex);
	}
	for (;;) {
		put("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n");
		const char *answer = handle(get(in, sizeof in), out, sizeof out);
		snprintf(
			head, sizeof head,
			"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nContent-Length: %zu\r\n\r\n",
			strlen(answer));
		char whole[8192];
		snprintf(whole, sizeof whole, "%s%s", head, answer);
		put(whole);
		get(in, sizeof in);
	}
}
