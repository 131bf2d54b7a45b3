/* What several commands do with a function. All return -1 after cli_fail. */
#ifndef MAYFLY_BIN_LAMBDA_H
#define MAYFLY_BIN_LAMBDA_H

#include "bin/mayfly/cli.h"
#include "bin/mayfly/client.h"

#define LAMBDA_FUNCTIONS "/2015-03-31/functions"
#define LAMBDA_STREAMS "/2021-11-15/functions/%s/response-streaming-invocations"

/* GetFunction: {"Configuration", "Code", "Tags", ...}. *function is NULL, with 0, when there is none and `may_miss`. */
int lambda_get(struct cli *cli, const char *name, const char *qualifier, bool may_miss, json_t **function);
/* Waits until the function is Active and its last update is through; gives its configuration (may be NULL). */
int lambda_wait(struct cli *cli, const char *name, json_t **configuration);
/* The same for what PublishVersion answered, where that is still Pending (SnapStart takes an image first). */
int lambda_wait_version(struct cli *cli, const char *name, const json_t *published);
/* Every page of a list: `path` without Marker, `key` the array's name. A new array. */
int lambda_list(struct cli *cli, const char *path, const char *key, json_t **list);
/* Sends a zip as the function's code and waits. */
int lambda_update_code(struct cli *cli, const char *name, const void *zip, size_t n, json_t **configuration);
/* base64 of bytes as a JSON string. */
json_t *lambda_base64(const void *data, size_t n);
/* What runs now: the member "running" of /_mayfly/environments, {"counts", "environments"}; a new reference. */
int lambda_environments(struct cli *cli, json_t **report);
/* "name" of a name or an ARN of a function, without qualifier; into and returning dst. */
char *lambda_plain_name(char dst[160], const char *name);

#endif
