/* Answers in the form of each service: Lambda's JSON, STS's XML, Logs' JSON 1.1. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define ANSWER_MAX_BYTES (64u << 20)
#define XML_NAMESPACE "https://sts.amazonaws.com/doc/2011-06-15/"

/* The call's memory goes with its answer; a body is copied by the server unless it is a blob. */
static void send(struct api_call *call, struct http_reply *reply)
{
	if (call->conn)
		http_reply(call->conn, reply);
	call->conn = NULL;
	api_call_free(call);
}

void api_reply_text(struct api_call *call, int status, const char *type, struct str body)
{
	struct http_header headers[] = {
		{STR("Content-Type"), str_from(type)},
		{STR("x-amzn-RequestId"), str_from(call->request_id)},
	};
	send(call, &(struct http_reply){.status = status, .headers = headers, .header_count = ARRAY_LEN(headers), .body = body});
}

void api_reply_empty(struct api_call *call, int status)
{
	struct http_header headers[] = {{STR("x-amzn-RequestId"), str_from(call->request_id)}};
	send(call, &(struct http_reply){.status = status, .headers = headers, .header_count = ARRAY_LEN(headers)});
}

static const char *content_type(const struct api_call *call)
{
	return call->service == SERVICE_LOGS ? "application/x-amz-json-1.1" : "application/json";
}

void api_reply_json(struct api_call *call, int status, const json_t *json)
{
	struct buf text;
	struct error err = {0};
	buf_init(&text, ANSWER_MAX_BYTES);
	int rc = json ? json_value_dump(json, &text, &err) : error_set(&err, ERR_NO_MEMORY, "no memory for the answer");
	if (rc < 0)
		api_fail_error(call, &err);
	else
		api_reply_text(call, status, content_type(call), buf_str(&text));
	buf_release(&text);
}

void api_reply_new(struct api_call *call, int status, json_t *json)
{
	CLEANUP_JSON json_t *mine = json;
	api_reply_json(call, status, mine);
}

/* ---- errors ---- */

static void write_json_error(struct buf *out, int status, const char *key, const char *message, const char *reason)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	if (reason)
		json_write_key_z(&w, "Reason", reason);
	json_write_key_z(&w, "Type", status >= 500 ? "Service" : "User");
	json_write_key_z(&w, key, message);
	json_write_close(&w);
}

static void write_logs_error(struct buf *out, const char *type, const char *message)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "__type", type);
	json_write_key_z(&w, "message", message);
	json_write_close(&w);
}

static void write_xml_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '&':
			buf_puts(out, "&amp;");
			break;
		default:
			buf_putc(out, *s);
		}
	}
}

/* STS's codes have no "Exception" at their end, apart from these. */
static void write_xml_error(struct buf *out, const char *request_id, int status, const char *type, const char *message)
{
	size_t n = strlen(type);
	bool cut = str_ends(str_from(type), STR("Exception")) && strcmp(type, "ValidationException") != 0;
	buf_printf(out, "<ErrorResponse xmlns=\"" XML_NAMESPACE "\"><Error><Type>%s</Type><Code>%.*s</Code><Message>",
	           status >= 500 ? "Receiver" : "Sender", (int)(cut ? n - strlen("Exception") : n), type);
	write_xml_text(out, message);
	buf_printf(out, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", request_id);
}

void api_fail_type(struct api_call *call, int status, const char *type, const char *body_key, const char *message,
                   const char *reason)
{
	struct buf body;
	const char *content = content_type(call);
	buf_init(&body, ANSWER_MAX_BYTES);
	if (call->service == SERVICE_LOGS) {
		write_logs_error(&body, type, message);
	} else if (call->service == SERVICE_STS) {
		write_xml_error(&body, call->request_id, status, type, message);
		content = "text/xml";
	} else if (call->row) {
		content = api_service_error(call, &body, status, type, message);
	} else {
		write_json_error(&body, status, body_key, message, reason);
	}
	struct http_header headers[] = {
		{STR("Content-Type"), str_from(content)},
		{STR("x-amzn-RequestId"), str_from(call->request_id)},
		{STR("x-amzn-ErrorType"), str_from(type)},
		{STR("Retry-After"), STR("1")},
	};
	send(call, &(struct http_reply){.status = status, .headers = headers,
	     .header_count = (unsigned)ARRAY_LEN(headers) - (status != 429), .body = buf_str(&body)});
	buf_release(&body);
}

void api_fail_error(struct api_call *call, const struct error *err)
{
	const struct error_info *info = error_info(err->code);
	if (info->http_status >= 500 && err->code != ERR_UNSUPPORTED)
		log_error(STR_FMT " failed, request %s: %s", STR_ARG(call->operation), call->request_id, err->msg);
	api_fail_type(call, info->http_status, info->aws_type, info->body_key, err->msg, NULL);
}

void api_fail(struct api_call *call, enum error_code code, const char *fmt, ...)
{
	const struct error_info *info = error_info(code);
	CLEANUP_FREE char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	api_fail_type(call, info->http_status, info->aws_type, info->body_key, text ? text : "no memory", NULL);
}

void api_not_found(struct api_call *call, const struct function_ref *ref)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(call->api->deps.registry, arn, ref->name, ref->qualifier);
	api_fail(call, ERR_NOT_FOUND, "Function not found: %s", arn);
}
