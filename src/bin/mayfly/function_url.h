/* A function's URL, as deploy makes it. */
#ifndef MAYFLY_BIN_FUNCTION_URL_H
#define MAYFLY_BIN_FUNCTION_URL_H

#include "bin/mayfly/client.h"

/* Gives the function a URL, or the one that it has this authentication ("none" or "iam"), and with "none" lets everybody in. *url is
 * the caller's to free. -1 after cli_fail. */
int function_url_set(struct cli *cli, const char *function, const char *auth, char **url);

#endif
