/* CloudWatch's filter patterns: what FilterLogEvents, live tail and TestMetricFilter choose events by.
 *
 *   ERROR "a phrase" -excluded ?optional %regular expression%     terms
 *   [ip, user, ..., status = 4* && status != 404, bytes > 1000]    fields parted by blanks
 *   { $.level = "ERROR" && ($.items[*].price >= 10 || $.user NOT EXISTS) }   members of a JSON event
 *
 * Compiled once; one match takes at most logs_pattern_cost() times the work of looking for a word, so that no pattern and no
 * event can hold up the loop. A compiled pattern is immutable. ERR_INVALID for a pattern that is none. */
#ifndef MAYFLY_LOGS_PATTERN_H
#define MAYFLY_LOGS_PATTERN_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define LOGS_PATTERN_MAX 1024u

struct pattern;
struct json_writer;

/* NULL with err. The empty pattern matches everything. */
struct pattern *logs_pattern_new(struct str text, struct error *err);
void logs_pattern_free(struct pattern *p); /* NULL is fine */
bool logs_pattern_matches(const struct pattern *p, struct str message);
unsigned logs_pattern_cost(const struct pattern *p); /* at least 1 */
/* Members of a JSON object that is open: what TestMetricFilter extracts from an event that matches, "$.a.b" or "$field". */
void logs_pattern_extract(const struct pattern *p, struct str message, struct json_writer *w);

#endif
