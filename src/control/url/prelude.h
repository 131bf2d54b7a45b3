/* The prelude of a streamed answer: JSON with status, headers and cookies, then eight NUL bytes, then the body. It comes in pieces, cut
 * anywhere, before anything can be sent. Pure; bounded. */
#ifndef MAYFLY_URL_PRELUDE_H
#define MAYFLY_URL_PRELUDE_H

#include <stdbool.h>

#include "core/base/buf.h"

#define URL_PRELUDE_TYPE "application/vnd.awslambda.http-integration-response"
#define URL_PRELUDE_NULS 8u
#define URL_PRELUDE_MAX 65536u

struct url_prelude {
	struct buf json; /* what was seen of it */
	unsigned nuls;
	bool done;
};

void url_prelude_init(struct url_prelude *p);
void url_prelude_release(struct url_prelude *p); /* also fine on a zeroed one */
/* 1: it is complete (p->json), `*rest` is what follows it; 0: more is needed; -1: too long, or NULs that end nothing. */
int url_prelude_feed(struct url_prelude *p, struct str bytes, struct str *rest);
/* Is this a Content-Type that announces one; parameters behind it do not matter. */
bool url_prelude_announced(struct str content_type);

#endif
