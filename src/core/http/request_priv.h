/* Shared by parse.c (lines) and request.c (their meaning). All return 0 or -status after setting p->why. */
#ifndef MAYFLY_HTTP_REQUEST_PRIV_H
#define MAYFLY_HTTP_REQUEST_PRIV_H

#include "core/base/check.h"
#include "core/http/request.h"

bool http_is_token(struct str s);
int http_request_line(struct http_parser *p, const struct http_limits *limits, struct str line, struct http_request *req);
int http_request_field(struct http_parser *p, const struct http_header *h, struct http_request *req);
/* After the last line. */
int http_request_check(struct http_parser *p, struct http_request *req);

#endif
