/* Calls of the public API: one signed HTTP request each, over one kept connection.
 *
 * The connection and the profile are made at the first call and live until main() frees them. Bodies are held in memory,
 * at most CLIENT_ANSWER_MAX. */
#ifndef MAYFLY_BIN_CLIENT_H
#define MAYFLY_BIN_CLIENT_H

#include <jansson.h>

#include "bin/mayfly/cli.h"
#include "bin/mayfly/profile.h"
#include "core/base/buf.h"

#define CLIENT_ANSWER_MAX (512u << 20)
#define CLIENT_HEADERS_MAX 8

struct client_header {
	const char *name, *value;
};

struct client_call {
	const char *method;
	const char *service; /* of the signature: "lambda", "logs", "sts"; NULL: unsigned */
	const char *path;    /* with query, percent-encoded (client_path); or a whole URL, for links (unsigned) */
	struct client_header headers[CLIENT_HEADERS_MAX]; /* up to the first without a name */
	const char *type;    /* Content-Type of the body */
	const void *body;
	size_t body_len;
	/* Gets the answer's bytes as they come, where its status is 200; they are not kept then. False ends the call. NULL: none. */
	bool (*on_piece)(void *arg, struct str bytes);
	void *arg;
};

struct client_answer {
	long status;             /* 0: no answer came */
	struct buf body;
	json_t *json;            /* the body, where it is JSON */
	char error_type[128];    /* x-amzn-errortype */
	char function_error[64]; /* the other x-amz-* headers of Invoke */
	char version[160];
	char request_id[80];
	char *log_result;        /* decoded; NULL when there is none */
};

void client_answer_release(struct client_answer *answer);
#define CLEANUP_ANSWER CLEANUP(client_answer_release)

/* 0 for a status below 400. Otherwise -1 and cli_fail: answer->status tells a refusal (then error_type says which) from a
 * server that is not there (0). `answer` starts zeroed, and is to be released in any case. */
int client_call(struct cli *cli, const struct client_call *call, struct client_answer *answer);
/* Plain JSON calls of Lambda: `body` may be NULL. */
int client_lambda(struct cli *cli, const char *method, const char *path, const json_t *body, struct client_answer *answer);
/* An unsigned page below /_mayfly/. `token` may be NULL; MAYFLY_METRICS_TOKEN is then taken, where it is set. */
int client_page(struct cli *cli, const char *path, const char *token, struct client_answer *answer);
/* JSON 1.1, CloudWatch Logs. */
int client_logs(struct cli *cli, const char *operation, const json_t *body, struct client_answer *answer);
/* JSON 1.0, SQS. */
int client_sqs(struct cli *cli, const char *operation, const json_t *body, struct client_answer *answer);

/* Like printf, but every %s is percent-encoded as a part of a path or query; at most 2 KB. Freed by the caller. */
char *client_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

const struct profile *client_profile(struct cli *cli); /* NULL after cli_fail */
void client_free(struct client *client);

#endif
