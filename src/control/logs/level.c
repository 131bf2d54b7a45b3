/* The application log level, for what the runtimes do not filter themselves: lines of functions whose log format is JSON. */
#include <string.h>

#include "control/logs/logs_priv.h"
#include "core/json/value.h"

#define DEPTH_MAX 64u
#define LEVEL_INFO 2u

static const struct {
	const char *name;
	unsigned level;
} levels[] = {{"TRACE", 0}, {"DEBUG", 1}, {"INFO", LEVEL_INFO}, {"WARN", 3}, {"WARNING", 3}, {"ERROR", 4}, {"FATAL", 5}, {"CRITICAL", 5}};

/* What is no level counts as INFO, as AWS says. */
static unsigned level_of(struct str name)
{
	for (size_t i = 0; name.p && i < ARRAY_LEN(levels); i++) {
		if (str_case_eq(name, str_from(levels[i].name)))
			return levels[i].level;
	}
	return LEVEL_INFO;
}

bool log_line_wanted(const struct function_version *v, struct str line)
{
	static const struct json_limits limits = {.max_depth = DEPTH_MAX};
	if (v->log_format != LOG_FORMAT_JSON || !v->app_log_level)
		return true;
	unsigned lowest = level_of(str_from(v->app_log_level));
	if (!lowest)
		return true;
	if (!line.n || line.p[0] != '{')
		return lowest <= LEVEL_INFO;
	CLEANUP_JSON json_t *root = json_value_load_object(line, &limits, NULL);
	return level_of(json_value_text(json_object_get(root, "level"))) >= lowest;
}
