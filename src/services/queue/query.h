/* SQS's query protocol: forms into the JSON of the same operation, its JSON answer into XML, errors into XML. Pure; the operations are
 * those of the JSON protocol and know nothing of it.
 *
 * Forms: "Action=SendMessage&QueueUrl=...&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String": names are paths, numbers count
 * items from 1 (gaps are fine, a list of one may leave it out). What is a number, a list or a map, and what its JSON member is called,
 * are rows of query_table.c; names without a row (Action, Version, X-Amz-...) are passed over. */
#ifndef MAYFLY_SERVICES_QUEUE_QUERY_H
#define MAYFLY_SERVICES_QUEUE_QUERY_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

#define SQS_FORM_PAIRS_MAX 2000u /* ten entries with ten attributes each take some 500 */
#define SQS_FORM_DEPTH_MAX 6u
#define SQS_XML_TYPE "text/xml"

/* ---- query_table.c ---- */

enum sqs_kind { SQS_TEXT, SQS_INTEGER, SQS_TEXTS, SQS_MAP, SQS_ENTRIES };

/* Both tables: `name` in forms and XML, `json` in JSON; with an operation it counts for that one alone. */
struct sqs_member {
	const char *name, *json;
	enum sqs_kind kind;
	const char *key, *value; /* MAP: the names of an item's two halves */
	const char *operation;   /* NULL: all */
};
/* NULL: none. */
const struct sqs_member *sqs_query_input(struct str operation, const char *name);
const struct sqs_member *sqs_query_output(struct str operation, const char *json);
bool sqs_query_has_result(struct str operation); /* an element <...Result>, be it empty */

/* ---- form.c ---- */

/* The operation's JSON: new reference, always an object. NULL: ERR_INVALID (a number that is none, not UTF-8, a bad escape), ERR_TOO_LARGE.
 * `query` and `form` are both read (GET has only the first); a request to a queue's own path ("/<account>/<name>") need not name QueueUrl. */
json_t *sqs_form_read(struct str operation, struct str path, struct str query, struct str form, struct error *err);

/* ---- xml.c ---- */

/* The whole answer; `result` NULL is an empty one. -1 when the buffer overflowed. */
int sqs_xml_write(struct buf *out, struct str operation, const json_t *result, struct str request_id);
/* `code` as old SDKs know it ("AWS.SimpleQueueService.NonExistentQueue"); `sender`: the caller's fault. */
int sqs_xml_error(struct buf *out, const char *code, bool sender, struct str message, struct str request_id);

#endif
