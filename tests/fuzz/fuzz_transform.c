/* Input transformers: any template, path and event. The first line of the input is the path, the second the template, the rest the event; what
 * a template makes of a valid event is what it promised when it was compiled: JSON, or lines of strings. */
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/json/check.h"
#include "services/events/transform.h"
#include "services/events/transform_path.h"
#include "tests/fuzz/fuzz.h"

static bool is_strings(struct str text)
{
	struct json_check check;
	struct str line;
	while (str_split(&text, '\n', &line)) {
		if (line.n && json_check_all(&check, line.p, line.n) < 0 && check.fault != JSON_FAULT_EMPTY)
			return false;
	}
	return true;
}

/* Events are written without blanks between their tokens (bus_put.c). */
static bool is_compact(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < 0x20)
			return false;
	}
	return true;
}

static void apply(const json_t *target, struct str event, bool checked)
{
	const struct transform_context context = {event, STR("arn:aws:events:us-east-1:000000000000:rule/\"r"), STR("r\\"), STR("now")};
	struct transform *t = transform_compile(target, NULL);
	struct json_check check;
	struct buf out;
	if (!t)
		return;
	buf_init(&out, 1 << 20);
	if (transform_apply(t, &context, &out, NULL) == 0 && checked)
		ASSERT(json_check_all(&check, out.data, out.len) == 0 || is_strings(buf_str(&out)));
	buf_release(&out);
	transform_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str event = {(const char *)data, n}, path, template;
	struct json_check check;
	struct transform_path p;
	if (!str_split(&event, '\n', &path) || !str_split(&event, '\n', &template) || !event.p)
		return 0;
	bool valid = json_check_all(&check, event.p, event.n) == 0;
	if (transform_path_parse(&p, path) == 0) {
		struct str found = transform_path_find(&p, event);
		ASSERT(!found.p || (found.p >= event.p && found.p + found.n <= event.p + event.n));
		if (valid && found.p)
			ASSERT(json_check_all(&check, found.p, found.n) == 0);
		transform_path_release(&p);
	}
	json_t *paths = json_pack("{s:s%}", "a", path.p, path.n);
	json_t *target = json_pack("{s:s, s:{s:o, s:s%}}", "Id", "1", "InputTransformer", "InputPathsMap", paths ? paths : json_object(),
	                           "InputTemplate", template.p, template.n);
	if (target) /* NULL: not UTF-8 */
		apply(target, event, valid && is_compact(event));
	json_decref(target);
	return 0;
}
