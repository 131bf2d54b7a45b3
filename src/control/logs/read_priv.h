/* Shared by the readers, private to control/logs. */
#ifndef MAYFLY_LOGS_READ_PRIV_H
#define MAYFLY_LOGS_READ_PRIV_H

#include "control/logs/logs_priv.h"
#include "control/logs/read.h"

/* A place in a group: tokens are these as text. */
struct position {
	uint64_t segment, offset;
};

void token_format(char dst[LOGS_TOKEN_SIZE], char kind, struct position p);
int token_parse(struct str token, const char *kinds, char *kind, struct position *p, struct error *err);

/* A group as it stands: everything written, its segments listed. */
struct view {
	struct logs *logs;
	char folder[256];
	const struct log_group *group; /* NULL: not in memory */
	struct segment *segments;
	size_t count;
};

int view_open(struct view *v, struct logs *l, struct str group, struct error *err);
void view_release(struct view *v);
/* The index of a segment: the group's own, or one loaded into *own, which the caller releases in either case. NULL when the
 * segment has gone or cannot be read: it is then passed over. */
const struct index *view_index(const struct view *v, size_t i, struct index *own);

/* manage.c: 1 when a group that exists has the stream, 0 when not, -1 with err. */
int logs_find_stream(struct logs *l, struct str group, struct str name, int64_t *created_ms, struct error *err);

#define PAGE_MEMORY_MAX (16u << 20)

#endif
