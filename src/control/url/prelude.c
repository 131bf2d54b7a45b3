#include "control/url/prelude.h"

#include <string.h>

void url_prelude_init(struct url_prelude *p)
{
	*p = (struct url_prelude){0};
	buf_init(&p->json, URL_PRELUDE_MAX);
}

void url_prelude_release(struct url_prelude *p)
{
	buf_release(&p->json);
}

/* Counts NULs from the start of `bytes`; true: the last one is there. */
static bool take_nuls(struct url_prelude *p, struct str *bytes)
{
	while (bytes->n && *bytes->p == '\0' && p->nuls < URL_PRELUDE_NULS) {
		p->nuls++;
		*bytes = str_sub(*bytes, 1, bytes->n);
	}
	return p->nuls == URL_PRELUDE_NULS;
}

int url_prelude_feed(struct url_prelude *p, struct str bytes, struct str *rest)
{
	if (p->done) {
		*rest = bytes;
		return 1;
	}
	if (p->nuls == 0) {
		struct str text = str_sub(bytes, 0, str_find(bytes, '\0'));
		if (buf_put(&p->json, text) < 0)
			return -1;
		bytes = str_sub(bytes, text.n, bytes.n);
	}
	if (!take_nuls(p, &bytes))
		return bytes.n ? -1 : 0;
	p->done = true;
	*rest = bytes;
	return 1;
}

bool url_prelude_announced(struct str content_type)
{
	return str_case_eq(str_trim(str_sub(content_type, 0, str_find(content_type, ';'))), STR(URL_PRELUDE_TYPE));
}
