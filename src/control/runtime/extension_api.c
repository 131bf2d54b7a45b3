/* The Extensions API: extensions register, ask for events, and say that they failed. Fault types and texts as the open runtime
 * interface emulator gives them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/runtime/runtime_priv.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define REGISTER_MAX_BYTES 65536u
#define EVENT_MAX_BYTES 4096u

static void refuse(struct http_conn *conn, const char *type, const char *message)
{
	runtime_reply_fault(conn, 403, type, message);
}

static void refuse_state(struct http_conn *conn, const struct extension *e, const char *to, const char *who)
{
	char message[EXTENSION_NAME_MAX + 160];
	snprintf(message, sizeof message, "State transition from %s to %s failed for extension %s. Error: State transition is not allowed",
	         extension_state_name(e->state), to, who);
	refuse(conn, "Extension.InvalidExtensionState", message);
}

static struct extensions *need_table(struct runtime_api *api)
{
	if (!api->extensions)
		api->extensions = calloc(1, sizeof *api->extensions);
	ASSERT(api->extensions);
	api->server.config = &runtime_extended_http_config;
	return api->extensions;
}

/* ---- events ---- */

static const char *event_text(const struct runtime_api *api, unsigned event)
{
	return event == EXTENSION_SHUTDOWN ? api->shutdown_event : api->invoke_event;
}

static void send_event(struct runtime_api *api, struct extension *e, struct http_conn *conn)
{
	char id[UUID_SIZE];
	uuid4(id);
	struct http_header headers[] = {{STR("Content-Type"), STR("application/json")}, {STR("Lambda-Extension-Event-Identifier"), str_from(id)}};
	struct str body = str_from(event_text(api, e->owed));
	e->owed = 0;
	http_reply(conn, &(struct http_reply){.status = 200, .headers = headers, .header_count = 2, .body = body});
}

static void send_owed(struct runtime_api *api)
{
	for (unsigned i = 0; i < api->extensions->count; i++) {
		struct extension *e = &api->extensions->items[i];
		if (e->owed && e->next)
			send_event(api, e, STEAL_PTR(e->next));
	}
}

/* Both begin alike; the caller writes the rest and closes. */
static void begin_event(struct json_writer *w, struct buf *out, const char *type, int64_t deadline_wall_ms)
{
	buf_init(out, EVENT_MAX_BYTES);
	json_write_init(w, out);
	json_write_object(w);
	json_write_key_z(w, "eventType", type);
	json_write_key_int(w, "deadlineMs", deadline_wall_ms);
}

static char *end_event(struct json_writer *w, struct buf *out)
{
	size_t n;
	json_write_close(w);
	ASSERT(json_write_done(w) == 0 && buf_putc(out, '\0') == 0); /* every part of it is bounded */
	char *text = buf_steal(out, &n);
	buf_release(out);
	return text;
}

void runtime_extensions_invoke(struct runtime_api *api, const struct runtime_event *event)
{
	struct json_writer w;
	struct buf out;
	begin_event(&w, &out, "INVOKE", event->deadline_wall_ms);
	json_write_key_z(&w, "requestId", event->request_id);
	json_write_key_z(&w, "invokedFunctionArn", event->function_arn);
	json_write_key(&w, "tracing");
	json_write_object(&w);
	json_write_key_z(&w, "type", "X-Amzn-Trace-Id");
	json_write_key_z(&w, "value", event->trace_id);
	json_write_close(&w);
	free(api->invoke_event);
	api->invoke_event = end_event(&w, &out);
	extensions_owe(api->extensions, EXTENSION_INVOKE);
	send_owed(api);
}

void runtime_api_tell_shutdown(struct runtime_api *api, const char *reason, int64_t deadline_wall_ms)
{
	struct json_writer w;
	struct buf out;
	if (!api->extensions || api->shutdown_event)
		return;
	begin_event(&w, &out, "SHUTDOWN", deadline_wall_ms);
	json_write_key_z(&w, "shutdownReason", reason);
	api->shutdown_event = end_event(&w, &out);
	extensions_owe(api->extensions, EXTENSION_SHUTDOWN);
	send_owed(api);
}

void runtime_settle(struct runtime_api *api)
{
	if (!api->due || api->state != RUNTIME_READY || !extensions_ready(api->extensions))
		return;
	bool first = api->due == RUNTIME_DUE_READY;
	api->due = RUNTIME_DUE_NOTHING;
	if (first)
		api->events->on_ready(api);
	else
		api->events->on_idle(api);
}

/* ---- GET event/next ---- */

static void on_parked_gone(struct runtime_api *api, struct http_conn *conn, enum http_gone why)
{
	for (unsigned i = 0; i < api->extensions->count; i++) {
		if (api->extensions->items[i].next == conn)
			api->extensions->items[i].next = NULL;
	}
}

static const struct runtime_exchange parked = {.on_gone = on_parked_gone};

static bool is_uuid(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.p[i] != '-' : !strchr("0123456789abcdefABCDEF", s.p[i]))
			return false;
	}
	return s.n == UUID_SIZE - 1;
}

struct extension *runtime_extension_of(struct runtime_api *api, struct http_conn *conn, struct http_request *req, bool next)
{
	struct str id = http_header(req, STR(EXTENSION_ID_HEADER));
	char message[80];
	struct extension *e = extensions_find(api->extensions, id);
	if (e)
		return e;
	snprintf(message, sizeof message, "Unknown extension %.36s", is_uuid(id) ? id.p : "");
	if (!id.n)
		refuse(conn, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
	else if (!is_uuid(id))
		refuse(conn, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier");
	else
		refuse(conn, "Extension.UnknownExtensionIdentifier", next ? message : "Unknown Lambda-Extension-Identifier");
	return NULL;
}

void runtime_on_extension_next(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	struct extension *e = runtime_extension_of(api, conn, req, true);
	if (!e)
		return;
	if (!extension_ask(e)) {
		refuse_state(conn, e, "Ready", e->id);
		return;
	}
	if (e->owed) {
		send_event(api, e, conn);
		return;
	}
	e->next = conn;
	http_park(conn);
	runtime_follow(conn, &parked);
	runtime_settle(api);
}

/* ---- POST init/error, exit/error ---- */

static void on_error(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum extension_state to, const char *to_name)
{
	struct extension *e = runtime_extension_of(api, conn, req, false);
	struct str type = http_header(req, STR("Lambda-Extension-Function-Error-Type"));
	if (!e)
		return;
	if (!type.n) {
		refuse(conn, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
		return;
	}
	if (!extension_fail(e, to, type)) {
		refuse_state(conn, e, to_name, e->id);
		return;
	}
	runtime_reply_accepted(conn);
	api->events->on_extension_failed(api, e);
}

void runtime_on_extension_init_error(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	on_error(api, conn, req, EXTENSION_INIT_ERROR, "InitError");
}

void runtime_on_extension_exit_error(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	on_error(api, conn, req, EXTENSION_EXIT_ERROR, "Exited");
}

/* ---- POST register ---- */

static int read_events(struct http_conn *conn, json_t *body, unsigned *events)
{
	static const char *const names[] = {"INVOKE", "SHUTDOWN"};
	struct error why = {0};
	json_t *list = NULL, *keys = NULL, *item;
	size_t i;
	int rc = json_value_array(body, "events", &list, &why) < 0 || json_value_array(body, "configurationKeys", &keys, &why) < 0 ? -1 : 0;
	if (rc == 0 && json_array_size(keys))
		rc = error_set(&why, ERR_INVALID, "configurationKeys are deprecated; use environment variables instead");
	json_array_foreach(list, i, item) {
		struct str name = json_value_text(item);
		if (rc == 0 && !name.p)
			rc = error_set(&why, ERR_INVALID, "events must be strings");
	}
	if (rc < 0) {
		refuse(conn, "InvalidRequestFormat", why.msg);
		return -1;
	}
	json_array_foreach(list, i, item) {
		struct str name = json_value_text(item);
		char message[160];
		unsigned bit = str_eqz(name, names[0]) ? EXTENSION_INVOKE : str_eqz(name, names[1]) ? EXTENSION_SHUTDOWN : 0;
		if (!bit) {
			snprintf(message, sizeof message, "%.100s: ErrorInvalidEventType", name.p);
			refuse(conn, "Extension.InvalidEventType", message);
			return -1;
		}
		*events |= bit;
	}
	return 0;
}

static bool wants_account(struct http_request *req)
{
	struct str rest = http_header(req, STR("Lambda-Extension-Accept-Feature")), piece;
	while (str_split(&rest, ',', &piece)) {
		if (str_eqz(str_trim(piece), "accountId"))
			return true;
	}
	return false;
}

static void reply_registered(struct runtime_api *api, struct http_conn *conn, struct http_request *req, const struct extension *e)
{
	struct runtime_function f;
	struct json_writer w;
	struct buf out;
	struct http_header headers[] = {{STR("Content-Type"), STR("application/json")}, {STR(EXTENSION_ID_HEADER), str_from(e->id)}};
	api->events->describe(api, &f);
	buf_init(&out, EVENT_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "functionName", f.name);
	json_write_key_z(&w, "functionVersion", f.version);
	json_write_key_z(&w, "handler", f.handler);
	if (wants_account(req))
		json_write_key_z(&w, "accountId", f.account);
	json_write_close(&w);
	ASSERT(json_write_done(&w) == 0);
	http_reply(conn, &(struct http_reply){.status = 200, .headers = headers, .header_count = 2, .body = buf_str(&out)});
	buf_release(&out);
}

static void refuse_registration(struct http_conn *conn, enum extension_refusal why, const struct extension *e)
{
	static const struct {
		const char *type, *message;
	} texts[] = {
		[EXTENSION_CLOSED] = {"Extension.RegistrationClosed", "Extension registration closed already"},
		[EXTENSION_SAME_NAME] = {"Extension.InvalidExtensionState", "Extension with this name already registered"},
		[EXTENSION_TOO_MANY] = {"Extension.TooManyExtensions", "Extension limit (10) reached"},
		[EXTENSION_NO_SHUTDOWN] = {"Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"},
	};
	_Static_assert(EXTENSIONS_MAX == 10, "as the text says");
	if (why == EXTENSION_WRONG_STATE)
		refuse_state(conn, e, "Registered", e->name);
	else
		refuse(conn, texts[why].type, texts[why].message);
}

static void on_register_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	struct str name = http_header(req, STR("Lambda-Extension-Name"));
	struct extension *e = NULL;
	struct error err = {0};
	unsigned events = 0;
	if (result != HTTP_BODY_OK) {
		runtime_reply_too_large(conn);
		return;
	}
	CLEANUP_JSON json_t *body = json_value_load_object(req->body, &(struct json_limits){.max_depth = 8}, &err);
	if (!body) {
		refuse(conn, "InvalidRequestFormat", err.msg);
		return;
	}
	if (read_events(conn, body, &events) < 0)
		return;
	need_table(api)->closed = api->state != RUNTIME_INIT;
	enum extension_refusal why = extensions_register(api->extensions, name, events, &e);
	if (why) {
		refuse_registration(conn, why, e);
		return;
	}
	reply_registered(api, conn, req, e);
	if (e->external && extensions_registered(api->extensions))
		api->events->on_extensions_registered(api);
}

static const struct runtime_exchange registering = {.on_body = on_register_body};

void runtime_on_extension_register(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	struct str name = http_header(req, STR("Lambda-Extension-Name"));
	if (!name.n || name.n > EXTENSION_NAME_MAX) {
		refuse(conn, "Extension.InvalidExtensionName", name.n ? "Extension name too long" : "Empty extension name");
		return;
	}
	runtime_follow(conn, &registering);
	http_read_body(conn, REGISTER_MAX_BYTES);
}

/* ---- life ---- */

struct extension *runtime_api_launch(struct runtime_api *api, struct str name)
{
	return extensions_launch(need_table(api), name);
}

void runtime_extensions_release(struct runtime_api *api)
{
	free(STEAL_PTR(api->extensions));
	free(STEAL_PTR(api->invoke_event));
	free(STEAL_PTR(api->shutdown_event));
}

/* ---- an environment that ends ---- */

static void nothing(struct runtime_api *api)
{
}

static void no_answer(struct runtime_api *api, struct http_blob *blob, bool error, struct str error_type)
{
}

static void no_stream(struct runtime_api *api, struct str content_type)
{
}

static bool no_data(struct runtime_api *api, struct str bytes)
{
	return true;
}

static void no_error(struct runtime_api *api, struct http_blob *blob, struct str error_type)
{
}

static void no_fault(struct runtime_api *api, enum runtime_fault fault)
{
}

static void no_failure(struct runtime_api *api, struct extension *e)
{
}

void runtime_api_mute(struct runtime_api *api)
{
	/* What tells the function who it is goes on. */
	api->muted = *api->events;
	api->muted.on_ready = api->muted.on_idle = api->muted.on_restore_parked = api->muted.on_extensions_registered = nothing;
	api->muted.on_answer = no_answer;
	api->muted.on_stream_begin = no_stream;
	api->muted.on_stream_data = no_data;
	api->muted.on_init_error = api->muted.on_restore_error = no_error;
	api->muted.on_fault = no_fault;
	api->muted.on_extension_failed = no_failure;
	api->events = &api->muted;
}
