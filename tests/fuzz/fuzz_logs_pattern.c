/* First line: a filter pattern; the rest: an event. Nothing is read outside, the answer is the same when asked again, and what is
 * extracted is always one JSON object. */
#include <stdlib.h>
#include <string.h>

#include "control/logs/pattern.h"
#include "core/base/buf.h"
#include "core/json/check.h"
#include "core/json/write.h"
#include "tests/fuzz/fuzz.h"

static struct str exact_copy(const uint8_t *data, size_t n)
{
	char *p = malloc(n ? n : 1);
	ASSERT(p);
	memcpy(p, data, n);
	return (struct str){p, n};
}

static void check_extract(const struct pattern *p, struct str event)
{
	struct buf out;
	struct json_writer w;
	struct json_check c;
	buf_init(&out, 8u << 20);
	json_write_init(&w, &out);
	json_write_object(&w);
	logs_pattern_extract(p, event, &w);
	json_write_close(&w);
	if (json_write_done(&w) == 0)
		ASSERT(json_check_all(&c, out.data, out.len) == 0 || c.fault == JSON_FAULT_LONG);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *line_end = n ? memchr(data, '\n', n) : NULL;
	size_t pattern_n = line_end ? (size_t)(line_end - data) : n;
	struct str text = exact_copy(data, pattern_n);
	struct str event = line_end ? exact_copy(line_end + 1, n - pattern_n - 1) : exact_copy(data, 0);
	struct error err = {0};
	struct pattern *p = logs_pattern_new(text, &err);
	ASSERT(!p == (err.code != ERR_OK) && !p == (err.msg[0] != '\0'));
	free((char *)text.p); /* a compiled pattern keeps nothing of its text */
	if (p) {
		bool first = logs_pattern_matches(p, event);
		ASSERT(logs_pattern_matches(p, event) == first && logs_pattern_cost(p) >= 1);
		check_extract(p, event);
	}
	logs_pattern_free(p);
	free((char *)event.p);
	return 0;
}
