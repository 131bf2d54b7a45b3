/* What the files of this folder share: replies and checks of the Runtime API. */
#ifndef MAYFLY_RUNTIME_RUNTIME_PRIV_H
#define MAYFLY_RUNTIME_RUNTIME_PRIV_H

#include "control/runtime/runtime_api.h"

#define RUNTIME_PREFIX "/2018-06-01/"
#define RUNTIME_ERROR_TYPE "Lambda-Runtime-Function-Error-Type"

void runtime_reply_json(struct http_conn *conn, int status, struct str body);
void runtime_reply_fault(struct http_conn *conn, int status, const char *type, const char *message);
void runtime_reply_accepted(struct http_conn *conn);
void runtime_reply_too_large(struct http_conn *conn);
/* 403: not from the state it is in. */
void runtime_refuse(struct runtime_api *api, struct http_conn *conn, const char *to);
/* As AWS checks what came in RUNTIME_ERROR_TYPE; "" when nothing came. */
struct str runtime_error_type(struct str given);

/* restore.c */
void runtime_on_restore_next(struct runtime_api *api, struct http_conn *conn);
void runtime_on_restore_error(struct runtime_api *api, struct http_conn *conn);
void runtime_on_restore_error_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req,
                                   enum http_body_result result);
void runtime_on_credentials(struct runtime_api *api, struct http_conn *conn);

#endif
