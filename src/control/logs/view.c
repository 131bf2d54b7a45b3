#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/logs/read_priv.h"

void token_format(char dst[LOGS_TOKEN_SIZE], char kind, struct position p)
{
	snprintf(dst, LOGS_TOKEN_SIZE, "%c/%016" PRIx64 "%016" PRIx64, kind, p.segment, p.offset);
}

static int hex_u64(struct str s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return -1;
		*out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return 0;
}

int token_parse(struct str token, const char *kinds, char *kind, struct position *p, struct error *err)
{
	if (token.n != 34 || token.p[1] != '/' || str_find(str_from(kinds), token.p[0]) == str_from(kinds).n ||
	    hex_u64(str_sub(token, 2, 18), &p->segment) < 0 || hex_u64(str_sub(token, 18, 34), &p->offset) < 0)
		return error_set(err, ERR_INVALID, "The specified nextToken is invalid.");
	*kind = token.p[0];
	return 0;
}

int view_open(struct view *v, struct logs *l, struct str group, struct error *err)
{
	*v = (struct view){.logs = l};
	if (logs_prepare_read(l, group, v->folder, err) < 0)
		return -1;
	v->group = HASH_ENTRY(hash_get(&l->groups, group), struct log_group, by_name);
	return segments_list(l->config.dir_fd, v->folder, &v->segments, &v->count, err);
}

void view_release(struct view *v)
{
	free(v->segments);
	v->segments = NULL;
}

const struct index *view_index(const struct view *v, size_t i, struct index *own)
{
	index_init(own);
	if (v->group && v->group->seq == v->segments[i].seq)
		return &v->group->index;
	return index_load(own, v->logs->config.dir_fd, v->folder, v->segments[i].seq, NULL) < 0 ? NULL : own;
}

void log_page_release(struct log_page *p)
{
	arena_release(&p->memory);
	p->count = 0;
}
