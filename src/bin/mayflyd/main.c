/* mayflyd: the supervisor.
 *
 * Rights: all of root's, because it makes users', network and mount namespaces for others and ends their processes. It
 * parses nothing that comes from the network or from a function, but fixed-size messages (core/ipc) and its own options. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayflyd/datadir.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/startup.h"
#include "bin/mayflyd/tls.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/net.h"

#define END_WAIT_MS 3000u
#define USAGE_STATUS 2

static void on_children(struct server *s)
{
	int status;
	pid_t pid;
	/* Helpers are reaped here too; their sockets tell what they did. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (!control_reaped(s, pid, status) && !env_reaped(s, pid, status))
			zygote_reaped(s, pid);
	}
}

/* SIGHUP says either that it closed, and with it all that it ran, or that files are to be read again. */
static bool has_terminal(void)
{
	CLEANUP_CLOSE int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd >= 0;
}

static void on_signal(void *arg, int signal)
{
	struct server *s = arg;
	if (signal == SIGCHLD) {
		on_children(s);
		return;
	}
	if (signal == SIGHUP && !(s->terminal && !has_terminal())) {
		tls_reload(s);
		return;
	}
	s->stops++;
	control_stop(s);
}

static enum log_level level(const char *name)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return (enum log_level)i;
	}
	return LOG_INFO;
}

static int prepare(struct server *s, struct error *err)
{
	static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	if (startup_check(s, err) < 0 || startup_binaries(s, err) < 0 || startup_capacity(s, err) < 0 || tls_open(s, err) < 0 || datadir_open(s, err) < 0 ||
	    startup_listen(s, err) < 0 || datadir_write_config(s, err) < 0 || startup_isolation(s, err) < 0)
		return -1;
	s->terminal = has_terminal();
	s->loop = ev_loop_new(err);
	if (!s->loop)
		return -1;
	s->signals = ev_signals_new(s->loop, signals, ARRAY_LEN(signals), on_signal, s, err);
	if (!s->signals || envs_init(s, s->capacity.max_environments + LIMIT_IMAGE_ENVIRONMENTS, err) < 0)
		return -1;
	unpacks_init(&s->unpacks);
	zygotes_init(s);
	images_open(s);
	if (datadir_mark(s, err) < 0 || control_start(s, err) < 0)
		return -1;
	startup_sweep(s);
	startup_tmp(s);
	envs_prepare(s);
	tls_watch(s);
	return 0;
}

/* All were told to end; none is left when we are gone. */
static void wait_children(void)
{
	pid_t pid = 0;
	for (unsigned ms = 0; ms < END_WAIT_MS && pid >= 0; ms++) {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid == 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

/* The loop is over: nobody is served any more, so waiting is allowed. */
static void finish(struct server *s)
{
	envs_kill_all(s);
	control_release(s);
	tls_release(s);
	unpacks_release(s);
	envs_release(s);
	images_release(s);
	zygotes_release(s);
	cgroup_sweep(&s->base.cgroup, END_WAIT_MS);
	cgroup_close(&s->base.cgroup);
	if (s->base.net_ready)
		net_sweep(s->base.id);
	helper_forget(&s->tmp_helper);
	helper_forget(&s->sweep_helper);
	wait_children();
	datadir_close(s);
	ev_signals_free(s->signals);
	ev_loop_free(s->loop);
}

static void usage(void)
{
	size_t n;
	const struct setting_row *rows = settings_rows(&n);
	printf("usage: mayfly server [--OPTION VALUE]...\n\nEach option may also be given as the variable MAYFLY_OPTION.\n\n");
	for (size_t i = 0; i < n; i++)
		printf("  --%-20s %s%s%s%s\n", rows[i].option, rows[i].help, *rows[i].initial ? " (" : "", rows[i].initial,
		       *rows[i].initial ? ")" : "");
}

int main(int argc, char **argv)
{
	struct server s = {.data_fd = -1, .lock_fd = -1, .listener = -1, .argc = argc - 1, .argv = argv + 1};
	struct error err = {0};
	(void)io_fill_standard();
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		usage();
		return 0;
	}
	log_init("mayflyd", LOG_INFO);
	/* Someone who closed the log's other end must not end the server. */
	signal(SIGPIPE, SIG_IGN);
	if (settings_parse(&s.settings, s.argc, s.argv, environ, &err) < 0) {
		log_error("%s", err.msg);
		return USAGE_STATUS;
	}
	log_init("mayflyd", level(s.settings.log_level));
	if (prepare(&s, &err) < 0) {
		log_error("%s", err.msg);
		return err.code == ERR_USAGE ? USAGE_STATUS : 1;
	}
	if (ev_loop_run(s.loop, &err) < 0) {
		log_error("%s", err.msg);
		s.exit_status = 1;
	}
	finish(&s);
	return s.exit_status;
}
