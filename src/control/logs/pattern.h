/* CloudWatch's filter patterns for plain text, private to control/logs: `term "a phrase" -excluded ?optional`. */
#ifndef MAYFLY_LOGS_PATTERN_H
#define MAYFLY_LOGS_PATTERN_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define PATTERN_TERMS 64

enum pattern_kind { PATTERN_MUST, PATTERN_MUST_NOT, PATTERN_MAY };

struct pattern {
	struct {
		enum pattern_kind kind;
		struct str text; /* points into `memory` */
	} terms[PATTERN_TERMS];
	unsigned count;
	bool any_must, any_may;
	char memory[1024];
};

/* The empty pattern matches everything. JSON, space-delimited and regular expression patterns are ERR_UNSUPPORTED. */
int logs_pattern_parse(struct pattern *p, struct str text, struct error *err);
bool logs_pattern_matches(const struct pattern *p, struct str message);

#endif
