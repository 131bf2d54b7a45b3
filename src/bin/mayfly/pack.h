/* A folder as a deployment package: every file below it, sorted by name, but for what is ignored.
 *
 * Left out always: .git, __pycache__, node_modules/.cache, .mayflyignore. The folder's .mayflyignore adds rules, one a line,
 * as .gitignore has them: `name`, `*.log`, `/only-here`, `folder/`, `a/b`, `!but-this`; the last rule that fits counts.
 * Symbolic links are packed as links; sockets, pipes and devices are refused. */
#ifndef MAYFLY_BIN_PACK_H
#define MAYFLY_BIN_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "bin/mayfly/zip.h"

struct pack_totals {
	unsigned files;
	uint64_t bytes; /* before compression */
};

int pack_folder(const char *folder, struct zip *zip, struct pack_totals *totals, struct error *err);

struct pack_rule {
	char pattern[256];
	bool keep;        /* "!pattern" */
	bool only_folder; /* "pattern/" */
	bool whole;       /* the pattern is compared with the path, not with the last part */
};

#define PACK_RULES_MAX 512

struct pack_rules {
	struct pack_rule rows[PACK_RULES_MAX];
	size_t count;
};

int pack_rules_init(struct pack_rules *rules, const char *text, struct error *err); /* text of .mayflyignore, or NULL */
bool pack_rules_ignore(const struct pack_rules *rules, const char *path, bool is_folder);

#endif
