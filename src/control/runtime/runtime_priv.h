/* What the files of this folder share: the table of routes, replies and checks of the Runtime API. */
#ifndef MAYFLY_RUNTIME_RUNTIME_PRIV_H
#define MAYFLY_RUNTIME_RUNTIME_PRIV_H

#include "control/runtime/runtime_api.h"

#define RUNTIME_PREFIX "/2018-06-01/"
#define RUNTIME_ERROR_TYPE "Lambda-Runtime-Function-Error-Type"

/* ---- routes.c ---- */

/* Replies, parks, or asks for the body, for which it says by runtime_follow how the exchange goes on. rest: of the path, behind the
 * row's prefix. */
typedef void runtime_handle(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest);

struct runtime_route {
	enum http_method method;
	struct str path;
	bool prefix; /* else the whole path */
	runtime_handle *handle;
};

/* NULL: nobody's. */
const struct runtime_route *runtime_route_find(enum http_method method, struct str path, struct str *rest);

/* How an exchange goes on after its head: as in struct http_handler. What is not asked for may be NULL. A static table: the
 * connection's data pointer is this. */
struct runtime_exchange {
	void (*on_body)(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result);
	void (*on_data)(struct runtime_api *api, struct http_conn *conn, struct str data);
	void (*on_end)(struct runtime_api *api, struct http_conn *conn, struct http_request *req);
	void (*on_gone)(struct runtime_api *api, struct http_conn *conn, enum http_gone why);
};

void runtime_follow(struct http_conn *conn, const struct runtime_exchange *how);

/* ---- reply.c ---- */

void runtime_reply_json(struct http_conn *conn, int status, struct str body);
void runtime_reply_fault(struct http_conn *conn, int status, const char *type, const char *message);
void runtime_reply_accepted(struct http_conn *conn); /* 202 */
void runtime_reply_too_large(struct http_conn *conn);
runtime_handle runtime_on_ping;
/* 403: not from the state it is in. */
void runtime_refuse(struct runtime_api *api, struct http_conn *conn, const char *to);
/* (Runtime|Function).Name, as AWS checks it; anything else becomes Function.Unknown or Runtime.Unknown; "" stays. */
struct str runtime_error_type(struct str given);

/* ---- invocation.c ---- */

extern const struct runtime_exchange runtime_parked; /* of api->next */
runtime_handle runtime_on_next, runtime_on_invocation;

void runtime_on_answer_gone(struct runtime_api *api, struct http_conn *conn, enum http_gone why);

/* ---- stream.c ---- */

void runtime_stream_answer(struct runtime_api *api, struct http_conn *conn, struct http_request *req);
/* An error in mid-stream comes as trailers behind the body: its type, and the error object in base64, which takes the place of *blob. */
bool runtime_take_trailer_error(struct http_request *req, struct http_blob *blob, struct str *type);

/* ---- extension_api.c ---- */

/* With extensions there are more connections: each parks one, and sends over others. */
extern const struct http_config runtime_extended_http_config;

#define EXTENSION_ID_HEADER "Lambda-Extension-Identifier"

runtime_handle runtime_on_extension_register, runtime_on_extension_next, runtime_on_extension_init_error, runtime_on_extension_exit_error;
/* Whose request it is, by its identifier's header; NULL: nobody's, and the request was refused. */
struct extension *runtime_extension_of(struct runtime_api *api, struct http_conn *conn, struct http_request *req, bool next);
void runtime_extensions_invoke(struct runtime_api *api, const struct runtime_event *event); /* there is a table */
/* Tells what is due, when nobody has to be waited for any more; the API may be gone afterwards. */
void runtime_settle(struct runtime_api *api);
void runtime_extensions_release(struct runtime_api *api);

/* ---- telemetry_api.c ---- */

runtime_handle runtime_on_telemetry, runtime_on_logs;

/* ---- report.c ---- */

runtime_handle runtime_on_init_error, runtime_on_restore_error;

/* ---- restore.c ---- */

runtime_handle runtime_on_restore_next, runtime_on_credentials;

#endif
