/* First line: a pattern; the rest: an event. Nothing is read outside, and the answer does not depend on how the event's strings are written:
 * escapes everywhere, and blanks, give the same. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/match/match.h"
#include "tests/fuzz/fuzz.h"

static struct str exact_copy(const uint8_t *data, size_t n)
{
	char *p = malloc(n ? n : 1);
	ASSERT(p);
	memcpy(p, data, n);
	return (struct str){p, n};
}

/* Numbers would change, and of two equal names jansson keeps one: such events are not compared. */
static json_t *comparable(struct str event)
{
	for (size_t i = 0; i < event.n; i++)
		if (event.p[i] >= '0' && event.p[i] <= '9')
			return NULL;
	return json_loadb(event.p, event.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

static void check_same(const struct match *m, struct str event, bool answer)
{
	json_t *v = comparable(event);
	for (unsigned i = 0; v && i < 2; i++) {
		char *text = json_dumps(v, i == 0 ? JSON_ENSURE_ASCII | JSON_INDENT(3) : JSON_COMPACT | JSON_ESCAPE_SLASH);
		ASSERT(text && match_event(m, str_from(text)) == answer);
		free(text);
	}
	json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *line_end = n ? memchr(data, '\n', n) : NULL;
	size_t pattern_n = line_end ? (size_t)(line_end - data) : n;
	struct str pattern = exact_copy(data, pattern_n), event = exact_copy(data + pattern_n, n - pattern_n);
	struct error err = {0}, filter_err = {0};
	struct match *m = match_compile(pattern, MATCH_EVENT, &err), *filter = match_compile(pattern, MATCH_FILTER, &filter_err);
	ASSERT(!m == !filter && !m == (err.code != ERR_OK) && !m == (err.msg[0] != '\0'));
	if (m) {
		struct match_member members[] = {{"detail", event}, {"a", event}};
		check_same(m, event, match_event(m, event));
		match_members(m, members, 2);
	}
	match_free(m);
	match_free(filter);
	free((char *)(uintptr_t)pattern.p);
	free((char *)(uintptr_t)event.p);
	return 0;
}
