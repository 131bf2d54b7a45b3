/* What the files of this folder share: replies and checks of the Runtime API. */
#ifndef MAYFLY_RUNTIME_RUNTIME_PRIV_H
#define MAYFLY_RUNTIME_RUNTIME_PRIV_H

#include "control/runtime/runtime_api.h"

#define RUNTIME_PREFIX "/2018-06-01/"
#define RUNTIME_ERROR_TYPE "Lambda-Runtime-Function-Error-Type"

void runtime_reply_json(struct http_conn *conn, int status, struct str body);
void runtime_reply_fault(struct http_conn *conn, int status, const char *type, const char *message);
/* 403: not from the state it is in. */
void runtime_refuse(struct runtime_api *api, struct http_conn *conn, const char *to);

/* restore.c */
void runtime_on_restore_next(struct runtime_api *api, struct http_conn *conn);
void runtime_on_restore_error(struct runtime_api *api, struct http_conn *conn);
void runtime_on_credentials(struct runtime_api *api, struct http_conn *conn);

#endif
