#include "control/worker/faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/json/write.h"
#include "core/spec/limits.h"

void fault_simple(struct fault_text *t, const char *type, const char *reason)
{
	*t = (struct fault_text){.bare = false};
	snprintf(t->type, sizeof t->type, "%s", type);
	snprintf(t->reason, sizeof t->reason, "%s", reason);
}

void fault_timeout(struct fault_text *t, unsigned timeout_s)
{
	char reason[80];
	snprintf(reason, sizeof reason, "Task timed out after %u.00 seconds", timeout_s);
	fault_simple(t, "Sandbox.Timedout", reason);
}

void fault_response_too_large(struct fault_text *t, bool streamed)
{
	char reason[sizeof t->reason];
	snprintf(reason, sizeof reason, "Response payload size exceeded maximum allowed payload size (%u bytes).",
	         streamed ? LIMIT_STREAM_BYTES : LIMIT_RESPONSE_BYTES);
	fault_simple(t, "Function.ResponseSizeTooLarge", reason);
	t->bare = true;
}

void fault_message(char dst[FAULT_MESSAGE_SIZE], const struct fault_text *t, const char *request_id)
{
	if (t->bare)
		snprintf(dst, FAULT_MESSAGE_SIZE, "%s", t->reason);
	else
		snprintf(dst, FAULT_MESSAGE_SIZE, "RequestId: %s Error: %s", request_id, t->reason);
}

/* Signal names as Lambda's supervisor prints them. */
const char *fault_signal_text(int signal)
{
	static const struct {
		int signal;
		const char *text;
	} names[] = {
		{SIGHUP, "hangup"},          {SIGINT, "interrupt"},        {SIGQUIT, "quit"},
		{SIGILL, "illegal instruction"}, {SIGTRAP, "trace/breakpoint trap"}, {SIGABRT, "aborted"},
		{SIGBUS, "bus error"},       {SIGFPE, "floating point exception"}, {SIGKILL, "killed"},
		{SIGSEGV, "segmentation fault"}, {SIGPIPE, "broken pipe"}, {SIGALRM, "alarm clock"},
		{SIGTERM, "terminated"},     {SIGUSR1, "user defined signal 1"}, {SIGUSR2, "user defined signal 2"},
		{SIGSYS, "bad system call"},
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].signal == signal)
			return names[i].text;
	}
	return "signal";
}

static void exec_failed(struct fault_text *t, int sys)
{
	char message[200];
	if (sys == EACCES)
		snprintf(message, sizeof message, "fork/exec /var/task/bootstrap: permission denied");
	else if (sys == ENOENT)
		snprintf(message, sizeof message, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
	else
		snprintf(message, sizeof message, "fork/exec /var/task/bootstrap: %s", strerror(sys));
	fault_simple(t, "Runtime.InvalidEntrypoint", message);
}

void fault_exit(struct fault_text *t, const struct ipc_env_exited *how, const char **log_type)
{
	char message[160];
	*log_type = "Runtime.ExitError";
	if (how->how == EXIT_EXEC_FAILED) {
		*log_type = "Runtime.InvalidEntrypoint";
		exec_failed(t, how->status);
		return;
	}
	if (how->how == EXIT_CODE && how->status == 0)
		snprintf(message, sizeof message, "Runtime exited without providing a reason");
	else if (how->how == EXIT_CODE)
		snprintf(message, sizeof message, "Runtime exited with error: exit status %d", how->status);
	else
		snprintf(message, sizeof message, "Runtime exited with error: signal: %s",
		         fault_signal_text(how->how == EXIT_SIGNAL ? how->status : SIGKILL));
	if (how->how == EXIT_OOM)
		*log_type = "Runtime.OutOfMemory";
	fault_simple(t, "Runtime.ExitError", message);
}

void fault_body(struct http_blob *blob, const struct fault_text *t, const char *request_id)
{
	char message[FAULT_MESSAGE_SIZE];
	struct buf out;
	struct json_writer w;
	buf_init(&out, 4096);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "errorType", t->type);
	fault_message(message, t, request_id);
	json_write_key_z(&w, "errorMessage", message);
	json_write_close(&w);
	*blob = (struct http_blob){0};
	if (json_write_done(&w) == 0)
		blob->data = buf_steal(&out, &blob->len);
	buf_release(&out);
}
