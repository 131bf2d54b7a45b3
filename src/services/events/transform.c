#include "services/events/transform.h"

struct transform *transform_compile(const json_t *target, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "input transformers are not there yet");
	return NULL;
}

void transform_free(struct transform *t)
{
}

int transform_apply(const struct transform *t, const struct transform_context *context, struct buf *out, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "input transformers are not there yet");
}
