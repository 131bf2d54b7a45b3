/* What somebody said about a log group: `group.json` in its folder, private to control/logs. Groups that only functions made have
 * none.
 *
 * Written whole or not at all, and synced: it was acknowledged. */
#ifndef MAYFLY_LOGS_META_H
#define MAYFLY_LOGS_META_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/logs/logs.h"

#define META_FILE "group.json"

struct group_meta {
	char name[LOG_GROUP_NAME_MAX + 1]; /* a folder whose name is a hash says here whose it is */
	int64_t created_ms;                /* 0: not known */
	unsigned retention_days;           /* 0: the server's */
	char class_name[24], kms_key[257]; /* "": not said */
	bool protected;
	json_t *tags;                      /* an object of strings, or NULL */
};

/* 1 when there is one; 0, and zeroes, when not or when it cannot be read. */
int group_meta_load(struct group_meta *m, int dir_fd, const char *folder);
void group_meta_release(struct group_meta *m);
int group_meta_save(const struct group_meta *m, int dir_fd, const char *folder, struct error *err);

/* The name of the group in a folder, which may only be in its group.json; -1 when it is no group's. */
int group_name_of(char name[LOG_GROUP_NAME_MAX + 1], int dir_fd, const char *folder);

#endif
