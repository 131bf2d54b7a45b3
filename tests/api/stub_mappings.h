/* For programs that link the API without the parts that run mappings: deps.mappings is NULL, so none of these is ever called. */
#ifndef TESTS_API_STUB_MAPPINGS_H
#define TESTS_API_STUB_MAPPINGS_H

#include "control/events/mapping.h"
#include "core/base/check.h"

void mapping_create(struct mappings *m, json_t *request, mapping_cb *cb, void *arg)
{
	UNREACHABLE();
}

void mapping_update(struct mappings *m, struct str uuid, json_t *request, mapping_cb *cb, void *arg)
{
	UNREACHABLE();
}

void mapping_delete(struct mappings *m, struct str uuid, mapping_cb *cb, void *arg)
{
	UNREACHABLE();
}

json_t *mapping_show(struct mappings *m, struct str uuid, struct error *err)
{
	UNREACHABLE();
}

void mapping_list(struct mappings *m, struct mapping_list *list)
{
	UNREACHABLE();
}

json_t *mapping_tags(struct mappings *m, struct str uuid, struct error *err)
{
	UNREACHABLE();
}

void mapping_tag(struct mappings *m, struct str uuid, json_t *add, json_t *remove_keys, mapping_cb *cb, void *arg)
{
	UNREACHABLE();
}

#endif
