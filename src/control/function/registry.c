#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"

struct registry *registry_new(const struct registry_deps *deps, struct error *err)
{
	struct registry *r = calloc(1, sizeof *r);
	if (!r) {
		error_set(err, ERR_NO_MEMORY, "no memory for the function registry");
		return NULL;
	}
	r->deps = *deps;
	hash_init(&r->functions);
	hash_init(&r->tombstones);
	hash_init(&r->locks);
	hash_init(&r->codes);
	hash_init(&r->urls);
	list_init(&r->image_waits);
	int rc = mkdirat(deps->data_dirfd, "code", 0755);
	if (rc == 0 || errno == EEXIST)
		r->code_dirfd = openat(deps->data_dirfd, "code", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		r->code_dirfd = -1;
	if (r->code_dirfd < 0) {
		error_sys(err, "cannot open the folder \"code\" of the data folder");
		free(r);
		return NULL;
	}
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	r->closing = true;
	while (r->count) {
		struct function *f = r->sorted[r->count - 1];
		function_remove(f);
		function_free(f);
	}
	HASH_FOREACH(n, &r->tombstones) {
		hash_remove(&r->tombstones, n);
		free(HASH_ENTRY(n, struct tombstone, by_name));
	}
	hash_release(&r->functions);
	hash_release(&r->urls);
	hash_release(&r->tombstones);
	hash_release(&r->locks); /* a change that is under way when the program ends was not acknowledged, and is left */
	layers_free_all(r);
	code_free_all(r);
	snap_start_release(r);
	free(r->sorted);
	close(r->code_dirfd);
	free(r);
}

/* ---- functions ---- */

struct function *function_find(const struct registry *r, struct str name)
{
	return HASH_ENTRY(hash_get(&r->functions, name), struct function, by_name);
}

static void on_settle(struct ev_timer *timer)
{
	struct function *f = CONTAINER_OF(timer, struct function, settle);
	f->state = FUNCTION_ACTIVE;
	if (f->serving != f->truth.latest)
		config_free(f->serving);
	f->serving = f->truth.latest;
}

struct function *function_new(struct registry *r, struct str name, struct error *err)
{
	struct function *f = calloc(1, sizeof *f + name.n + 1);
	if (!f) {
		error_set(err, ERR_NO_MEMORY, "no memory for another function");
		return NULL;
	}
	f->registry = r;
	f->id = ++r->last_id;
	f->truth.reserved = -1;
	f->settle.cb = on_settle;
	list_init(&f->compiled);
	list_init(&f->urls);
	memcpy(f->name, name.p, name.n);
	snprintf(f->incarnation, sizeof f->incarnation, "%016llx", (unsigned long long)rand_u64());
	return f;
}

/* First row that is not before `name`. */
static size_t find_place(const struct registry *r, struct str name)
{
	size_t low = 0, high = r->count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (str_cmp(str_from(r->sorted[mid]->name), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int function_add(struct registry *r, struct function *f, struct error *err)
{
	if (r->count == r->sorted_cap) {
		size_t cap = r->sorted_cap ? 2 * r->sorted_cap : 16;
		struct function **bigger = reallocarray(r->sorted, cap, sizeof *bigger);
		if (!bigger)
			return error_set(err, ERR_NO_MEMORY, "no memory for another function");
		r->sorted = bigger;
		r->sorted_cap = cap;
	}
	if (hash_put(&r->functions, &f->by_name, str_from(f->name)) < 0)
		return error_set(err, ERR_NO_MEMORY, "no memory for another function");
	size_t at = find_place(r, str_from(f->name));
	memmove(&r->sorted[at + 1], &r->sorted[at], (r->count - at) * sizeof *r->sorted);
	r->sorted[at] = f;
	r->count++;
	return 0;
}

void function_remove(struct function *f)
{
	struct registry *r = f->registry;
	size_t at = find_place(r, str_from(f->name));
	ASSERT(at < r->count && r->sorted[at] == f);
	memmove(&r->sorted[at], &r->sorted[at + 1], (r->count - at - 1) * sizeof *r->sorted);
	r->count--;
	hash_remove(&r->functions, &f->by_name);
}

void truth_dispose(struct truth *drop, const struct truth *keep, const struct config *serving)
{
	if (drop->latest != keep->latest && drop->latest != serving)
		config_free(drop->latest);
	if (drop->tags != keep->tags)
		json_decref(drop->tags);
	if (drop->events != keep->events)
		json_decref(drop->events);
	if (drop->policies != keep->policies)
		json_decref(drop->policies);
	if (drop->kept != keep->kept)
		json_decref(drop->kept);
	if (drop->urls != keep->urls)
		json_decref(drop->urls);
	if (drop->aliases != keep->aliases) {
		for (size_t i = 0; i < drop->alias_count; i++) {
			bool kept = false;
			for (size_t k = 0; k < keep->alias_count && !kept; k++)
				kept = keep->aliases[k] == drop->aliases[i];
			if (!kept)
				free(drop->aliases[i]);
		}
		free(drop->aliases);
	}
}

void function_free(struct function *f)
{
	static const struct truth none;
	if (!f)
		return;
	ev_timer_stop(&f->settle);
	function_forget_policies(f);
	function_urls_drop(f);
	if (f->serving != f->truth.latest)
		config_free(f->serving);
	truth_dispose(&f->truth, &none, NULL);
	for (size_t i = 0; i < f->version_count; i++)
		config_free(f->versions[i]);
	free(f->versions);
	free(f);
}

void function_settle_later(struct function *f, enum function_state state)
{
	f->state = state;
	ev_timer_after(f->registry->deps.loop, &f->settle, f->registry->deps.settings->settle_ms * NS_PER_MS);
}

/* ---- versions and aliases of a function ---- */

static size_t version_place(const struct function *f, unsigned number)
{
	size_t low = 0, high = f->version_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (f->versions[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct config *function_version_config(const struct function *f, unsigned number)
{
	size_t at = version_place(f, number);
	return at < f->version_count && f->versions[at]->number == number ? f->versions[at] : NULL;
}

int function_version_insert(struct function *f, struct config *c, struct error *err)
{
	struct config **bigger = reallocarray(f->versions, f->version_count + 1, sizeof *bigger);
	if (!bigger)
		return error_set(err, ERR_NO_MEMORY, "no memory for another version");
	f->versions = bigger;
	size_t at = version_place(f, c->number);
	memmove(&bigger[at + 1], &bigger[at], (f->version_count - at) * sizeof *bigger);
	bigger[at] = c;
	f->version_count++;
	return 0;
}

void function_version_delete(struct function *f, unsigned number)
{
	size_t at = version_place(f, number);
	ASSERT(at < f->version_count && f->versions[at]->number == number);
	config_free(f->versions[at]);
	memmove(&f->versions[at], &f->versions[at + 1], (f->version_count - at - 1) * sizeof *f->versions);
	f->version_count--;
}

struct alias *function_alias(const struct function *f, struct str name)
{
	for (size_t i = 0; i < f->truth.alias_count; i++) {
		if (str_eqz(name, f->truth.aliases[i]->name))
			return f->truth.aliases[i];
	}
	return NULL;
}

void registry_arn(const struct registry *r, char dst[FUNCTION_ARN_MAX], struct str name, struct str qualifier)
{
	const struct settings *s = r->deps.settings;
	snprintf(dst, FUNCTION_ARN_MAX, "arn:aws:lambda:%.32s:%.12s:function:" STR_FMT "%s" STR_FMT, s->region, s->account,
	         STR_ARG(name), qualifier.n ? ":" : "", STR_ARG(qualifier));
}

int function_not_found(const struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(r, arn, name, qualifier);
	return error_set(err, ERR_NOT_FOUND, "Function not found: %s", arn);
}

static struct config *config_of_number(const struct function *f, unsigned number)
{
	return number ? function_version_config(f, number) : f->truth.latest;
}

struct config *function_config(const struct function *f, struct str qualifier, struct error *err)
{
	unsigned number = 0;
	struct config *c = NULL;
	switch (function_qualifier_kind(qualifier, &number)) {
	case QUALIFIER_NONE:
	case QUALIFIER_LATEST:
		return f->truth.latest;
	case QUALIFIER_NUMBER:
		c = number ? function_version_config(f, number) : NULL;
		break;
	case QUALIFIER_ALIAS: {
		const struct alias *a = function_alias(f, qualifier);
		c = a ? config_of_number(f, a->number) : NULL;
		break;
	}
	}
	if (!c)
		function_not_found(f->registry, str_from(f->name), qualifier, err);
	return c;
}

/* ---- resolving ---- */

static struct config *serving_config(const struct function *f, struct str qualifier)
{
	unsigned number = 0;
	switch (function_qualifier_kind(qualifier, &number)) {
	case QUALIFIER_NONE:
	case QUALIFIER_LATEST:
		return f->serving;
	case QUALIFIER_NUMBER:
		return number ? function_version_config(f, number) : NULL;
	case QUALIFIER_ALIAS:
		break;
	}
	const struct alias *a = function_alias(f, qualifier);
	if (!a)
		return NULL;
	number = alias_choose(a);
	return number ? function_version_config(f, number) : f->serving;
}

int registry_resolve(struct registry *r, struct str name, struct str qualifier, struct registry_target *out,
                     struct error *err)
{
	struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, qualifier, err);
	if (f->state == FUNCTION_PENDING)
		return error_set(err, ERR_CONFLICT, "The operation cannot be performed at this time. The function is currently in "
		                 "the following state: Pending");
	struct config *c = serving_config(f, qualifier);
	if (!c)
		return function_not_found(r, name, qualifier, err);
	if (c->state != CONFIG_ACTIVE)
		return snap_start_check(c, err);
	struct function_version *v = c->version ? c->version : config_version(c, err);
	if (!v)
		return -1;
	*out = (struct registry_target){.version = v, .reserved = f->truth.reserved};
	return 0;
}

/* ---- numbers ---- */

size_t registry_count(const struct registry *r)
{
	return r->count;
}

bool registry_exists(const struct registry *r, struct str name)
{
	return function_find(r, name) != NULL;
}

uint64_t registry_function_id(const struct registry *r, struct str name)
{
	const struct function *f = function_find(r, name);
	return f ? f->id : 0;
}

unsigned registry_unreserved(const struct registry *r)
{
	unsigned all = (unsigned)r->deps.settings->concurrency;
	return all > r->reserved_sum ? all - r->reserved_sum : 0;
}

void registry_report_unreserved(struct registry *r)
{
	if (r->deps.on_unreserved)
		r->deps.on_unreserved(r->deps.report_arg, registry_unreserved(r));
}

void registry_report_async(struct registry *r, const struct function *f)
{
	if (r->deps.on_async_changed)
		r->deps.on_async_changed(r->deps.report_arg, str_from(f->name));
}

void registry_total(const struct registry *r, struct registry_totals *out)
{
	*out = (struct registry_totals){.functions = r->count, .code_bytes = r->layer_bytes};
	for (size_t i = 0; i < r->count; i++) {
		const struct function *f = r->sorted[i];
		out->code_bytes += f->truth.latest->code_bytes;
		for (size_t k = 0; k < f->version_count; k++)
			out->code_bytes += f->versions[k]->code_bytes;
	}
}

int registry_reserved(struct registry *r, struct str name, bool *found)
{
	const struct function *f = function_find(r, name);
	*found = f != NULL;
	return f ? f->truth.reserved : -1;
}
