/* What /_mayfly/snapshots says of images, as commands show it. */
#ifndef MAYFLY_BIN_IMAGES_H
#define MAYFLY_BIN_IMAGES_H

#include "bin/mayfly/client.h"

/* The whole report, {"default", "versions", ...}; a new reference. -1 after cli_fail. */
int images_report(struct cli *cli, json_t **report);
/* Of a row of "versions": how new environments of it start, and why, as one sentence; into and returning dst. */
#define IMAGES_TEXT 700
char *images_sentence(char dst[IMAGES_TEXT], const json_t *version);
/* Said wherever somebody could overlook it. */
#define IMAGES_SHARED "what a module computes once at load is shared by all environments of a version"

#endif
