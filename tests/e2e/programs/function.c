/* The contract of plain.py: one connection, a heap that grows and shrinks, and a second thread that serves the first. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TABLE = 20000, KEPT = 64, ROOM = 65536 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static long question = -1, twice = -1;

static void *serve(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (question < 0)
			pthread_cond_wait(&asked, &lock);
		twice = 2 * question;
		question = -1;
		pthread_cond_signal(&answered);
	}
	return unused;
}

static long ask(long n)
{
	pthread_mutex_lock(&lock);
	question = n;
	twice = -1;
	pthread_cond_signal(&asked);
	while (twice < 0)
		pthread_cond_wait(&answered, &lock);
	long got = twice;
	pthread_mutex_unlock(&lock);
	return got;
}

static void check(int good, const char *what)
{
	if (!good) {
		perror(what);
		_exit(9);
	}
}

static double number(const char *event, const char *name)
{
	const char *at = strstr(event, name);
	return at ? strtod(at + strlen(name) + 1, NULL) : 0;
}

static char *table[TABLE];
static char *kept[KEPT];

/* Memory as a C program uses it: the heap, huge blocks of their own, and pages that are given back in both ways. */
static void churn(long n)
{
	char **slot = &kept[n % KEPT];
	free(*slot);
	*slot = malloc((size_t)(n % 7 + 1) * 50000);
	check(*slot != NULL, "malloc");
	memset(*slot, (int)n, (size_t)(n % 7 + 1) * 50000);
	static char *arena;
	if (!arena)
		arena = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(arena, 7, 4 << 20);
	check(madvise(arena, 1 << 20, MADV_DONTNEED) == 0, "MADV_DONTNEED");
	check(madvise(arena + (1 << 20), 1 << 20, MADV_FREE) == 0, "MADV_FREE");
	check(arena[0] == 0 && arena[2 << 20] == 7, "contents");
}

static void answer(int fd, const char *head, const char *event, const char *loaded, long calls)
{
	static const char name[] = "lambda-runtime-aws-request-id: ";
	const char *id = strcasestr(head, name);
	check(id != NULL, "request id");
	id += sizeof name - 1;
	if (strstr(event, "\"exit\""))
		_exit(3);
	double s = number(event, "\"s\"");
	struct timespec pause = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (double)(time_t)s) * 1e9)};
	nanosleep(&pause, NULL);
	long n = (long)number(event, "\"n\"");
	churn(n);
	check(atol(table[n % TABLE]) == n % TABLE, "table");
	char body[256], out[1024];
	int body_n = snprintf(body, sizeof body, "{\"n\":%ld,\"twice\":%ld,\"loaded\":\"%s\",\"calls\":%ld}", n, ask(n), loaded, calls);
	int out_n = snprintf(out, sizeof out,
	                     "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", id, body_n,
	                     body);
	check(write(fd, out, (size_t)out_n) == out_n, "write");
}

/* One answer: its head and body, both ended by NUL, in `in`. */
static char *receive(int fd, char *in)
{
	size_t used = 0;
	char *body = NULL;
	do {
		ssize_t n = read(fd, in + used, ROOM - used - 1);
		check(n > 0, "read");
		in[used += (size_t)n] = 0;
		body = strstr(in, "\r\n\r\n");
	} while (!body || strlen(body + 4) < (size_t)atol(strcasestr(in, "content-length:") + 15));
	body[2] = 0;
	return body + 4;
}

int main(void)
{
	static char in[ROOM], loaded[17];
	unsigned long token = 0;
	check(getrandom(&token, sizeof token, 0) == sizeof token, "getrandom");
	snprintf(loaded, sizeof loaded, "%016lx", token);
	for (int i = 0; i < TABLE; i++)
		check(asprintf(&table[i], "%d", i) > 0, "asprintf");
	pthread_t thread;
	check(pthread_create(&thread, NULL, serve, NULL) == 0, "pthread_create");
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
	for (long calls = 1;; calls++) {
		static const char next[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
		check(write(fd, next, sizeof next - 1) == sizeof next - 1, "write");
		char *event = receive(fd, in);
		answer(fd, in, event, loaded, calls);
		receive(fd, in);
	}
}
