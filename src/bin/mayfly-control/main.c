/* mayfly-control: the unprivileged part of the server: API, scheduling, store, logs. Started by mayflyd, which hands it a
 * message socket on descriptor 3 and shows it the data folder as /data. Wiring only: every part is made here, in the order
 * in which they need each other, and nowhere else. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bin/mayfly-control/rights.h"
#include "bin/mayfly-control/server.h"
#include "core/base/log.h"

#define MESSAGE_FD 3

extern char **environ;

static enum log_level level_of(const char *name)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	int level = LOG_INFO;
	for (int i = 0; i < 4; i++)
		level = strcmp(name, names[i]) == 0 ? i : level;
	return (enum log_level)level;
}

int main(int argc, char **argv)
{
	struct error err = {0};
	struct settings settings;
	/* Started from a descriptor: kernels before 6.14 would call this process by the descriptor's number. */
	prctl(PR_SET_NAME, "mayfly-control", 0, 0, 0);
	log_init("mayfly-control", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	/* SIGTERM and SIGINT go to the whole foreground group; only mayflyd acts on them, and tells us to drain. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (settings_parse(&settings, argc - 1, argv + 1, environ, &err) < 0 || rights_drop(&err) < 0) {
		log_error("%s", err.msg);
		return 2;
	}
	log_init("mayfly-control", level_of(settings.log_level));
	struct server *server = server_new(&settings, MESSAGE_FD, &err);
	int r = server ? server_run(server, &err) : -1;
	if (r < 0)
		log_error("%s", err.msg);
	server_free(server);
	return r < 0 ? (err.code == ERR_USAGE ? 2 : 1) : 0;
}
