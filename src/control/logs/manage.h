/* Making, deleting and describing log groups and streams, and writing into them, as CloudWatch Logs' operations do.
 *
 * What is said about a group is synced before the call returns; events are written out, as functions' lines are, soon after.
 * Errors: ERR_NOT_FOUND, ERR_EXISTS, ERR_INVALID, ERR_CONFLICT (protected), ERR_CODE_STORAGE (too many tags), ERR_IO and ERR_SYSTEM.
 * On the loop that owns the logs. */
#ifndef MAYFLY_LOGS_MANAGE_H
#define MAYFLY_LOGS_MANAGE_H

#include <jansson.h>

#include "control/logs/logs.h"

#define LOGS_TAGS_MAX 50u
#define LOGS_EVENT_MAX (1u << 20)  /* of one event's message */
#define LOGS_BATCH_MAX (1u << 20)  /* of messages, and 26 for each */

struct logs_new_group {
	struct str name, class_name, kms_key; /* n 0: not said */
	bool protected;
	const json_t *tags;                   /* an object of strings, or NULL */
};

int logs_create_group(struct logs *l, const struct logs_new_group *q, struct error *err);
int logs_delete_group(struct logs *l, struct str group, struct error *err);
int logs_create_stream(struct logs *l, struct str group, struct str stream, struct error *err);
int logs_delete_stream(struct logs *l, struct str group, struct str stream, struct error *err);

/* 0: the server's own, setting log-retention-days. Segments that are too old by it go at once. */
int logs_set_retention(struct logs *l, struct str group, unsigned days, struct error *err);
int logs_set_protected(struct logs *l, struct str group, bool protected, struct error *err);

/* A new reference to an object, perhaps empty; NULL with err. */
json_t *logs_tags(struct logs *l, struct str group, struct error *err);
/* Adds `tags` (an object of strings, or NULL), then takes away `keys` (an array of strings, or NULL). */
int logs_change_tags(struct logs *l, struct str group, const json_t *tags, const json_t *keys, struct error *err);

struct logs_event {
	int64_t timestamp_ms;
	struct str message;
};

/* Events that were not taken: those before too_old_end or expired_end, those from too_new_start on. -1: none. */
struct logs_rejected {
	int64_t too_new_start, too_old_end, expired_end;
};

/* `events` are in order of time. `next` is a text that tells batches apart. */
int logs_put_events(struct logs *l, struct str group, struct str stream, const struct logs_event *events, size_t n,
                    struct logs_rejected *rejected, char next[64], struct error *err);

#endif
