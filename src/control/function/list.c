/* Pages of functions, versions and aliases. A marker is the last name (and version number) of the page before. */
#include <stdio.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/json/value.h"

json_t *registry_show(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f) {
		function_not_found(r, name, qualifier, err);
		return NULL;
	}
	const struct config *c = function_config(f, qualifier, err);
	return c ? config_show(c, qualifier, err) : NULL;
}

int registry_package(struct registry *r, struct str name, struct str qualifier, struct blob_id *id, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, qualifier, err);
	const struct config *c = function_config(f, qualifier, err);
	if (!c)
		return -1;
	*id = c->code->id;
	return 0;
}

json_t *registry_alias(struct registry *r, struct str name, struct str alias, struct error *err)
{
	const struct function *f = function_find(r, name);
	const struct alias *a = f ? function_alias(f, alias) : NULL;
	if (a)
		return alias_show(f, a);
	char arn[FUNCTION_ARN_MAX];
	registry_arn(r, arn, name, alias);
	error_set(err, ERR_NOT_FOUND, "Cannot find alias arn: %s", arn);
	return NULL;
}

static int put_row(struct registry_page *page, json_t *row, struct error *err)
{
	if (row && json_array_append_new(page->rows, row) == 0)
		return 0;
	return error_set(err, ERR_NO_MEMORY, "no memory for the list");
}

static bool full(const struct registry_page *page)
{
	return json_array_size(page->rows) >= page->max;
}

static int put_config(struct registry_page *page, const struct config *c, bool qualified, struct error *err)
{
	char number[16] = "$LATEST";
	if (c->number)
		snprintf(number, sizeof number, "%u", c->number);
	return put_row(page, config_show(c, qualified ? str_from(number) : STR_NULL, err), err);
}

/* Rows of one function whose number is at least `from`. Stops at a full page with the number that is next; -1 error,
 * 0 all, 1 stopped. */
static int put_versions(struct registry_page *page, const struct function *f, unsigned *from, struct error *err)
{
	for (size_t i = 0; i <= f->version_count; i++) {
		const struct config *c = i ? f->versions[i - 1] : f->truth.latest;
		if (c->number < *from)
			continue;
		if (full(page)) {
			*from = c->number;
			return 1;
		}
		if (put_config(page, c, true, err) < 0)
			return -1;
	}
	return 0;
}

/* Marker "name" or "name:number": the row the page begins with. */
static void read_marker(struct str marker, struct str *name, unsigned *number)
{
	size_t colon = str_find(marker, ':');
	uint64_t v = 0;
	*name = str_sub(marker, 0, colon);
	if (colon < marker.n)
		str_to_u64(str_sub(marker, colon + 1, marker.n), UINT32_MAX, &v);
	*number = (unsigned)v;
}

int registry_list(struct registry *r, bool all_versions, struct registry_page *page, struct error *err)
{
	struct str name;
	unsigned from;
	read_marker(page->marker, &name, &from);
	*page->next = '\0';
	for (size_t i = 0; i < r->count; i++) {
		const struct function *f = r->sorted[i];
		int order = page->marker.p ? str_cmp(str_from(f->name), name) : 1;
		if (order < 0)
			continue;
		unsigned number = order == 0 ? from : 0;
		if (full(page)) {
			snprintf(page->next, page->next_size, "%s", f->name);
			return 0;
		}
		int rc = all_versions ? put_versions(page, f, &number, err) : put_config(page, f->truth.latest, false, err);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			snprintf(page->next, page->next_size, "%s:%u", f->name, number);
			return 0;
		}
	}
	return 0;
}

int registry_list_versions(struct registry *r, struct str name, struct registry_page *page, struct error *err)
{
	const struct function *f = function_find(r, name);
	uint64_t from = 0;
	if (!f)
		return function_not_found(r, name, STR_NULL, err);
	str_to_u64(page->marker, UINT32_MAX, &from);
	unsigned number = (unsigned)from;
	*page->next = '\0';
	int rc = put_versions(page, f, &number, err);
	if (rc > 0)
		snprintf(page->next, page->next_size, "%u", number);
	return rc < 0 ? -1 : 0;
}

static bool points_to(const struct alias *a, struct str version)
{
	char number[16] = "$LATEST";
	if (a->number)
		snprintf(number, sizeof number, "%u", a->number);
	return !version.p || str_eqz(version, number);
}

int registry_list_aliases(struct registry *r, struct str name, struct str version, struct registry_page *page,
                          struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, STR_NULL, err);
	*page->next = '\0';
	for (size_t i = 0; i < f->truth.alias_count; i++) {
		const struct alias *a = f->truth.aliases[i];
		if ((page->marker.p && str_cmp(str_from(a->name), page->marker) < 0) || !points_to(a, version))
			continue;
		if (full(page)) {
			snprintf(page->next, page->next_size, "%s", a->name);
			return 0;
		}
		if (put_row(page, alias_show(f, a), err) < 0)
			return -1;
	}
	return 0;
}
