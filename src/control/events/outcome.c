#include "control/events/outcome.h"

int outcome_write(struct buf *out, const struct outcome *r, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "records are not there yet");
}

void outcome_delivery(struct delivery *d, const struct outcome *r, struct str target, const struct buf *out, struct str resources[2])
{
	*d = (struct delivery){.target = target, .payload = buf_str(out)};
}

void outcome_dead_letter(struct delivery *d, const struct outcome *r, struct str target, struct delivery_attribute attributes[3])
{
	*d = (struct delivery){.target = target, .payload = r->request_payload};
}
