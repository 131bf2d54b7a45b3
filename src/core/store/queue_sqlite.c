#include "core/store/queue_sqlite.h"

#include "core/store/db_priv.h"

struct queue *queue_sqlite_open(struct ev_loop *loop, int store_dirfd, const struct queue_sqlite_options *options, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "this server was built without queues");
	return NULL;
}
