#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/queue/sqs_priv.h"

/* ---- errors ---- */

const struct sqs_code_info *sqs_code_info(enum sqs_code code)
{
	static const struct sqs_code_info infos[SQS_CODES] = {
#define X(name, type, space, query, status, code) [SQS_##name] = {type, space, query, status, status < 500, ERR_##code},
#include "services/queue/sqs_errors.def"
#undef X
	};
	ASSERT((unsigned)code < SQS_CODES);
	return &infos[code];
}

int sqs_fault_set(struct sqs_fault *f, enum sqs_code code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(f->msg, sizeof f->msg, fmt, ap);
	va_end(ap);
	f->code = code;
	size_t at = strlen(f->msg);
	if (n >= (int)sizeof f->msg) { /* not in the middle of a character */
		while (at > 0 && ((unsigned char)f->msg[at - 1] & 0xc0) == 0x80)
			at--;
		f->msg[at > 0 ? at - 1 : 0] = 0;
	}
	return -1;
}

int sqs_fault_from(struct sqs_fault *f, const struct error *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
		return sqs_fault_set(f, SQS_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist.");
	case ERR_DISK_FULL:
	case ERR_THROTTLED:
	case ERR_CLOSED:
	case ERR_IO:
		return sqs_fault_set(f, SQS_UNAVAILABLE, "The request has failed due to a temporary failure of the server: %s", err->msg);
	default:
		return sqs_fault_set(f, SQS_INTERNAL, "%s", err->msg);
	}
}

int sqs_fault_error(const struct sqs_fault *f, struct error *err)
{
	return error_set(err, sqs_code_info(f->code)->code, "%s", f->msg);
}

/* ---- members of requests ---- */

static int wrong(struct sqs_fault *f, const char *key, const char *what)
{
	return sqs_fault_set(f, SQS_SERIALIZATION, "the value of %s can not be converted to %s", key, what);
}

int sqs_in_str(struct sqs_call *call, const json_t *object, const char *key, struct str *out, struct sqs_fault *f)
{
	const json_t *v = json_object_get(object, key);
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return wrong(f, key, "a String");
	*out = json_value_text(v);
	return 1;
}

static int int_of_text(struct str text, int64_t *out)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	uint64_t v;
	if (str_to_u64(str_sub(text, negative, text.n), INT64_MAX, &v) < 0)
		return -1;
	*out = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

int sqs_in_int(struct sqs_call *call, const json_t *object, const char *key, int64_t *out, struct sqs_fault *f)
{
	const json_t *v = json_object_get(object, key);
	if (json_is_string(v) && call->from->protocol == SERVICE_QUERY)
		return int_of_text(json_value_text(v), out) < 0 ? wrong(f, key, "an Integer") : 1;
	int got = json_value_int(object, key, INT64_MIN, INT64_MAX, out, NULL);
	return got < 0 ? wrong(f, key, "an Integer") : got;
}

int sqs_in_array(struct sqs_call *call, const json_t *object, const char *key, json_t **out, struct sqs_fault *f)
{
	int got = json_value_array(object, key, out, NULL);
	return got < 0 ? wrong(f, key, "a List") : got;
}

int sqs_in_object(struct sqs_call *call, const json_t *object, const char *key, json_t **out, struct sqs_fault *f)
{
	int got = json_value_object(object, key, out, NULL);
	return got < 0 ? wrong(f, key, "a Map") : got;
}

/* ---- the end of a call ---- */

static void call_end(struct sqs_call *call, const struct sqs_result *result)
{
	if (call->by_answer.key.p)
		hash_remove(&call->sqs->waiting, &call->by_answer);
	call->by_answer.key.p = NULL;
	call->told(result, call->cb, call->answer);
	sqs_call_free(call);
}

void sqs_call_free(struct sqs_call *call)
{
	if (call->drop)
		call->drop(call->work);
	sqs_queue_unref(call->queue);
	json_decref(call->in);
	buf_release(&call->out);
	free(call);
}

void sqs_call_done(struct sqs_call *call)
{
	if (call->out.overflow) {
		sqs_fault_set(&call->fault, SQS_INTERNAL, "the answer became too long");
		sqs_call_fail(call);
		return;
	}
	call_end(call, &(struct sqs_result){.call = call->from, .json = call->out.len > 0 ? buf_str(&call->out) : STR("{}")});
}

void sqs_call_fail(struct sqs_call *call)
{
	call_end(call, &(struct sqs_result){.call = call->from, .error = sqs_code_info(call->fault.code), .message = call->fault.msg});
}

void sqs_call_error(struct sqs_call *call, const struct error *err)
{
	sqs_fault_from(&call->fault, err);
	sqs_call_fail(call);
}
