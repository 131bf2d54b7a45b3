/* External extensions: started before the runtime, and ended after it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayfly-init/init.h"
#include "core/base/check.h"

#define FOLDER "/opt/extensions/"
/* Of the 2 s that Lambda gives to all, the runtime has 30 %. */
#define RUNTIME_LEAVES_MS 600

/* What of the runtime's variables an extension does not get, beside all whose names begin with "_" (Lambda's list). */
static const char *const withheld[] = {
	"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
	"AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_withheld(const char *variable)
{
	size_t n = strcspn(variable, "=");
	for (size_t i = 0; i < ARRAY_LEN(withheld); i++) {
		if (strlen(withheld[i]) == n && strncmp(variable, withheld[i], n) == 0)
			return true;
	}
	return *variable == '_';
}

static char **environment(char **from)
{
	static char *list[LAUNCH_MAX_STRINGS + 1];
	size_t n = 0;
	for (; *from; from++) {
		if (!is_withheld(*from))
			list[n++] = *from;
	}
	list[n] = NULL;
	return list;
}

void init_extensions_start(struct init *init, int log_fd)
{
	const struct launch *l = &init->launch;
	char path[sizeof FOLDER + 256];
	for (unsigned i = 0; i < l->extensions; i++) {
		char *argv[] = {path, NULL};
		int n = snprintf(path, sizeof path, FOLDER "%s", l->extension[i]);
		int failed = (size_t)n < sizeof path ? init_spawn(&init->extension[i], argv, environment(l->envp), log_fd) : ENAMETOOLONG;
		init->extensions = i + 1;
		if (!failed)
			continue;
		init->extension[i] = 0; /* its process, if there was one, is reaped as an orphan */
		init_tell(WIRE_WHO_EXTENSION + i, EXIT_EXEC_FAILED, failed, false);
	}
}

/* Each leads a session, and with it a group. */
static void kill_group(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

/* The runtime has ended: who is not told of it ends too; when nobody is left, everything. */
static void go_on(struct init *init)
{
	bool left = false;
	for (unsigned i = 0; i < init->extensions; i++) {
		if (!init->extension[i])
			continue;
		if (init->leavers & 1u << i)
			left = true;
		else
			kill_group(init->extension[i]);
	}
	init->kill_ms = 0;
	if (!left)
		init_finish(EXIT_CODE, 0);
}

void init_extensions_leave(struct init *init, uint32_t leavers)
{
	if (!init->extensions || init->leaving)
		return;
	init->leaving = true;
	init->leavers = leavers;
	if (init->runtime <= 0) {
		go_on(init);
		return;
	}
	kill(init->runtime, SIGTERM);
	init->kill_ms = now_ms() + RUNTIME_LEAVES_MS;
}

void init_extensions_ended(struct init *init, pid_t pid, enum ipc_exit how, int status)
{
	uint32_t who = WIRE_WHO_RUNTIME;
	if (pid == init->runtime) {
		init->runtime = -1;
	} else {
		unsigned i = 0;
		while (i < init->extensions && init->extension[i] != pid)
			i++;
		if (i == init->extensions)
			return;
		init->extension[i] = 0;
		who = WIRE_WHO_EXTENSION + i;
	}
	init_tell(who, how, status, false);
	if (init->leaving && init->runtime <= 0)
		go_on(init);
}

int init_extensions_wait_ms(const struct init *init)
{
	if (!init->kill_ms)
		return -1;
	int64_t left = init->kill_ms - now_ms();
	return left > 0 ? (int)left : 0;
}

void init_extensions_tick(struct init *init)
{
	if (!init->kill_ms || now_ms() < init->kill_ms)
		return;
	init->kill_ms = 0;
	if (init->runtime > 0)
		kill_group(init->runtime);
}
