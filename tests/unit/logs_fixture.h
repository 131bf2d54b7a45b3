/* A folder for logs below the temporary folder, a version to log for, and a clock that the test moves. */
#ifndef MAYFLY_TEST_LOGS_FIXTURE_H
#define MAYFLY_TEST_LOGS_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/logs/logs.h"
#include "control/logs/logs_api.h"
#include "control/logs/read.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/spec/runtime.h"

#define ID1 "11111111-2222-4333-8444-555555555555"
#define ID2 "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
#define GROUP "/aws/lambda/thumb"

static int64_t fixture_now_ms = 1764000000000;

static int64_t fixture_wall_ms(void)
{
	return fixture_now_ms;
}

struct fixture {
	char path[64];
	int dir_fd;
	struct runtime_row runtime;
	struct function_version version;
	struct logs *logs;
};

static void fixture_open_logs(struct fixture *x, uint64_t max_bytes)
{
	struct logs_config config = {.dir_fd = x->dir_fd, .max_group_bytes = max_bytes, .retention_days = 14,
	                             .region = "us-east-1", .account = "000000000000", .wall_ms = fixture_wall_ms};
	x->logs = logs_new(&config, NULL);
	ASSERT(x->logs);
}

static void fixture_init(struct fixture *x, uint64_t max_bytes)
{
	*x = (struct fixture){.path = "/tmp/mayfly-test-logs-XXXXXX"};
	ASSERT(mkdtemp(x->path));
	x->dir_fd = open(x->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->runtime = (struct runtime_row){.id = "python3.11", .family = RUNTIME_PYTHON, .minor = 11};
	x->version = (struct function_version){.refs = 1, .name = "thumb", .version = "$LATEST", .log_group = GROUP,
	                                       .arn = "arn:aws:lambda:us-east-1:000000000000:function:thumb", .runtime = &x->runtime};
	fixture_open_logs(x, max_bytes);
}

static void fixture_release(struct fixture *x)
{
	char command[128];
	ASSERT(x->version.refs == 1);
	logs_free(x->logs);
	close(x->dir_fd);
	snprintf(command, sizeof command, "rm -r %s", x->path);
	ASSERT(system(command) == 0);
}

static inline void fixture_print(struct log_stream *s, const char *text)
{
	log_stream_output(s, text, strlen(text));
}

/* All messages of a page, one after the other; malloc'd. */
static inline char *fixture_text(const struct log_page *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += p->events[i].message.n;
	char *z = malloc(n + 1), *at = z;
	ASSERT(z);
	for (size_t i = 0; i < p->count; i++) {
		memcpy(at, p->events[i].message.p, p->events[i].message.n);
		at += p->events[i].message.n;
	}
	*at = '\0';
	return z;
}

#endif
