#include "control/events/batch.h"

int batch_write(struct buf *out, struct list *messages, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "batches are not there yet");
}

int batch_split(struct list *messages, struct list *good, struct str answer, bool ordered)
{
	return -1;
}
