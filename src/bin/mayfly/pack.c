#include "bin/mayfly/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/spec/limits.h"

#define IGNORE_FILE ".mayflyignore"
#define IGNORE_MAX_BYTES 65536
#define DEPTH_MAX 64

static const char always[] = ".git\n__pycache__/\nnode_modules/.cache/\n" IGNORE_FILE "\n";

static int add_rule(struct pack_rules *rules, struct str line, struct error *err)
{
	while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
		line.n--;
	if (!line.n || *line.p == '#')
		return 0;
	if (rules->count == PACK_RULES_MAX)
		return error_set(err, ERR_TOO_LARGE, IGNORE_FILE " has more than %d rules", PACK_RULES_MAX);
	struct pack_rule *rule = &rules->rows[rules->count];
	*rule = (struct pack_rule){.keep = *line.p == '!'};
	line = str_sub(line, rule->keep, line.n);
	rule->only_folder = line.n && line.p[line.n - 1] == '/';
	line.n -= rule->only_folder;
	rule->whole = str_find(line, '/') < line.n;
	line = str_sub(line, line.n && *line.p == '/', line.n);
	if (str_copy(rule->pattern, sizeof rule->pattern, line) < 0)
		return error_set(err, ERR_TOO_LARGE, "a rule of " IGNORE_FILE " is longer than %zu characters", sizeof rule->pattern - 1);
	rules->count += line.n > 0;
	return 0;
}

int pack_rules_init(struct pack_rules *rules, const char *text, struct error *err)
{
	const char *texts[] = {always, text};
	rules->count = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct str rest = str_from(texts[i]), line;
		while (str_split(&rest, '\n', &line)) {
			if (add_rule(rules, line, err) < 0)
				return -1;
		}
	}
	return 0;
}

static bool fits(const struct pack_rule *rule, const char *path, bool is_folder)
{
	const char *slash = strrchr(path, '/');
	const char *subject = rule->whole || !slash ? path : slash + 1;
	/* "**" spans folders; then so may "*", which is near enough to what git does. */
	int flags = strstr(rule->pattern, "**") ? 0 : FNM_PATHNAME;
	return (!rule->only_folder || is_folder) && fnmatch(rule->pattern, subject, flags) == 0;
}

bool pack_rules_ignore(const struct pack_rules *rules, const char *path, bool is_folder)
{
	for (size_t i = rules->count; i-- > 0;) {
		if (fits(&rules->rows[i], path, is_folder))
			return !rules->rows[i].keep;
	}
	return false;
}

struct packing {
	struct zip *zip;
	struct pack_totals *totals;
	struct pack_rules *rules;
	int root; /* descriptor of the folder */
};

static int pack_file(struct packing *p, const char *path, const struct stat *st, struct error *err)
{
	size_t n;
	if ((uint64_t)st->st_size > LIMIT_UNZIPPED_BYTES)
		return error_set(err, ERR_TOO_LARGE, "%.150s alone is larger than the %u MB that a package may have", path,
		                 LIMIT_UNZIPPED_BYTES >> 20);
	CLEANUP_FREE char *data = io_read_file(p->root, path, LIMIT_UNZIPPED_BYTES, &n, err);
	if (!data)
		return -1;
	p->totals->files++;
	p->totals->bytes += n;
	if (p->totals->bytes > LIMIT_UNZIPPED_BYTES)
		return error_set(err, ERR_TOO_LARGE, "the folder has more than %u MB; leave files out with a " IGNORE_FILE, LIMIT_UNZIPPED_BYTES >> 20);
	return zip_add(p->zip, st->st_mode & 0111 ? ZIP_EXECUTABLE : ZIP_FILE, path, data, n, err);
}

static int pack_link(struct packing *p, const char *path, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(p->root, path, target, sizeof target);
	if (n < 0)
		return error_sys(err, "cannot read the link %.150s", path);
	p->totals->files++;
	return zip_add(p->zip, ZIP_SYMLINK, path, target, (size_t)n, err);
}

static int pack_below(struct packing *p, const char *path, int depth, struct error *err);

static int pack_one(struct packing *p, const char *path, int depth, struct error *err)
{
	struct stat st;
	if (fstatat(p->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot look at %.150s", path);
	if (pack_rules_ignore(p->rules, path, S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISREG(st.st_mode))
		return pack_file(p, path, &st, err);
	if (S_ISLNK(st.st_mode))
		return pack_link(p, path, err);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_INVALID, "%.150s is neither file, folder nor link; leave it out with a " IGNORE_FILE, path);
	char name[PATH_MAX + 2];
	snprintf(name, sizeof name, "%s/", path);
	return zip_add(p->zip, ZIP_FOLDER, name, "", 0, err) < 0 ? -1 : pack_below(p, path, depth + 1, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int pack_below(struct packing *p, const char *path, int depth, struct error *err)
{
	struct dirent **names;
	int n = scandirat(p->root, path, &names, NULL, by_name), r = 0;
	if (n < 0)
		return error_sys(err, "cannot read the folder %.150s", path);
	if (depth > DEPTH_MAX)
		r = error_set(err, ERR_TOO_LARGE, "folders are nested deeper than %d at %.150s", DEPTH_MAX, path);
	for (int i = 0; i < n; i++) {
		char below[PATH_MAX];
		bool is_root = strcmp(path, ".") == 0, special = strcmp(names[i]->d_name, ".") == 0 || strcmp(names[i]->d_name, "..") == 0;
		int len = snprintf(below, sizeof below, "%s%s%s", is_root ? "" : path, is_root ? "" : "/", names[i]->d_name);
		if (r == 0 && !special)
			r = len < (int)sizeof below ? pack_one(p, below, depth, err)
			                            : error_set(err, ERR_TOO_LARGE, "a path below %.150s is too long", path);
		free(names[i]);
	}
	free(names);
	return r;
}

static int read_rules(int root, struct pack_rules *rules, struct error *err)
{
	size_t n;
	CLEANUP_FREE char *text = NULL;
	if (faccessat(root, IGNORE_FILE, F_OK, 0) == 0 && !(text = io_read_file(root, IGNORE_FILE, IGNORE_MAX_BYTES, &n, err)))
		return -1;
	return pack_rules_init(rules, text, err);
}

int pack_folder(const char *folder, struct zip *zip, struct pack_totals *totals, struct error *err)
{
	CLEANUP_CLOSE int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, "cannot open the folder %.150s", folder);
	CLEANUP_FREE struct pack_rules *rules = malloc(sizeof *rules);
	if (!rules)
		return error_set(err, ERR_NO_MEMORY, "no memory to pack %.150s", folder);
	*totals = (struct pack_totals){0};
	struct packing p = {.zip = zip, .totals = totals, .rules = rules, .root = root};
	if (read_rules(root, rules, err) < 0 || pack_below(&p, ".", 0, err) < 0)
		return -1;
	if (!totals->files)
		return error_set(err, ERR_INVALID, "there is nothing to pack in %.150s", folder);
	return zip_end(zip, err);
}
