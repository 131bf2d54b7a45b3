/* Help, generated from the tables of commands, options and settings. */
#ifndef MAYFLY_BIN_HELP_H
#define MAYFLY_BIN_HELP_H

#include <stdio.h>

#include "bin/mayfly/cli.h"

void help_overview(struct cli *cli, FILE *out);
int help_command(struct cli *cli, const struct command *command, FILE *out); /* 0 */
void help_settings(struct cli *cli, FILE *out); /* the server's */
/* "-d, --data TEXT" */
void help_option_head(char *dst, size_t size, const struct option_row *row);

#endif
