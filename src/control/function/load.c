/* Reading all records at start, and sweeping what interrupted changes left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/layer_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

struct loader {
	struct registry *r;
	registry_ready_cb *cb;
	void *arg;
	struct registry_loaded loaded;
	char after[RECORD_KEY_SIZE];
	size_t sweeping; /* deletions not yet called back */
	bool in_layers; /* their versions are being listed */
	bool listed;
};

static struct config *load_config(struct function *f, unsigned number, const json_t *json)
{
	struct code *code = json_is_object(json) ? code_of_sum(f->registry, json_object_get(json, "CodeSha256")) : NULL;
	struct config *c = code ? config_new(f, number, json, code, NULL) : NULL;
	code_unref(code);
	return c;
}

static int load_aliases(struct function *f, const json_t *json)
{
	const char *name;
	json_t *value;
	struct truth *t = &f->truth;
	size_t n = json_object_size(json);
	t->aliases = n ? calloc(n, sizeof *t->aliases) : NULL;
	json_object_foreach((json_t *)json, name, value) {
		struct alias *a = t->aliases ? alias_restore(name, value) : NULL;
		if (!a)
			return -1;
		t->aliases[t->alias_count++] = a; /* written in order */
	}
	return 0;
}

static int load_tombstone(struct registry *r, struct str name, unsigned last)
{
	struct tombstone *t = calloc(1, sizeof *t + name.n + 1);
	if (!t)
		return -1;
	memcpy(t->name, name.p, name.n);
	t->last = last;
	if (hash_put(&r->tombstones, &t->by_name, str_from(t->name)) < 0) {
		free(t);
		return -1;
	}
	return 0;
}

static json_t *load_rows(const json_t *json, const char *key)
{
	json_t *rows = json_object_get(json, key);
	return json_is_object(rows) ? json_incref(rows) : NULL;
}

static int fill_function(struct function *f, const json_t *json, int64_t last)
{
	int64_t reserved = -1;
	json_t *tags = json_object_get(json, "Tags");
	const char *incarnation = json_string_value(json_object_get(json, "Incarnation"));
	if (!incarnation || strlen(incarnation) >= sizeof f->incarnation)
		return -1;
	memcpy(f->incarnation, incarnation, strlen(incarnation) + 1);
	f->truth.last = (unsigned)last;
	f->truth.latest = f->serving = load_config(f, 0, json_object_get(json, "Latest"));
	if (!f->truth.latest || load_aliases(f, json_object_get(json, "Aliases")) < 0 ||
	    json_value_int(json, "Reserved", 0, INT32_MAX, &reserved, NULL) < 0)
		return -1;
	f->truth.tags = json_is_object(tags) ? json_incref(tags) : NULL;
	f->truth.reserved = (int)reserved;
	f->truth.events = load_rows(json, "Events");
	f->truth.policies = load_rows(json, "Policies");
	f->truth.kept = load_rows(json, "Kept");
	f->truth.urls = load_rows(json, "Urls");
	function_urls_sync(f);
	f->truth.recursion = json_is_true(json_object_get(json, "Recursion"));
	return 0;
}

static int load_function(struct registry *r, struct str name, struct str text)
{
	CLEANUP_JSON json_t *json = json_value_load_object(text, &(struct json_limits){0}, NULL);
	int64_t last = 0;
	if (!json || json_value_int(json, "Last", 0, UINT32_MAX, &last, NULL) != 1)
		return -1;
	if (!json_object_get(json, "Latest"))
		return load_tombstone(r, name, (unsigned)last);
	struct function *f = function_new(r, name, NULL);
	if (!f)
		return -1;
	if (fill_function(f, json, last) < 0 || function_add(r, f, NULL) < 0) {
		function_free(f);
		return -1;
	}
	if (f->truth.reserved > 0)
		r->reserved_sum += (unsigned)f->truth.reserved;
	return 0;
}

static void finish(struct loader *l, const struct error *err)
{
	struct error failure = {0};
	l->r->loading = false;
	if (!err && l->loaded.damaged == 0) /* a damaged record may name packages that others do not */
		l->loaded.swept_packages = code_sweep(l->r, &failure);
	l->loaded.functions = l->r->count;
	if (!err)
		registry_report_unreserved(l->r);
	l->cb(l->arg, &l->loaded, err);
	free(l);
}

static void on_swept(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct loader *l = arg;
	l->sweeping--;
	if (l->listed && l->sweeping == 0)
		finish(l, NULL);
}

/* Takes "NAME/INCARNATION/NUMBER" apart; the function, or NULL when it is none of a living one. */
static struct function *function_of_key(struct registry *r, struct str key, unsigned *number)
{
	struct str rest = key, name, incarnation, digits;
	uint64_t v;
	if (!str_split(&rest, '/', &name) || !str_split(&rest, '/', &incarnation) || !str_split(&rest, '/', &digits) ||
	    str_to_u64(digits, UINT32_MAX, &v) < 0)
		return NULL;
	struct function *f = function_find(r, name);
	*number = (unsigned)v;
	return f && str_eqz(incarnation, f->incarnation) && v <= f->truth.last ? f : NULL;
}

static void load_version(struct loader *l, const struct kv_entry *e)
{
	unsigned number = 0;
	struct str key = str_sub(e->key, strlen(RECORD_VERSION_PREFIX), e->key.n);
	struct function *f = function_of_key(l->r, key, &number);
	if (!f) {
		if (l->loaded.damaged == 0 && kv_delete(l->r->deps.kv, e->key, KV_ANY, on_swept, l, NULL) == 0) {
			l->sweeping++;
			l->loaded.swept_keys++;
		}
		return;
	}
	CLEANUP_JSON json_t *json = json_value_load_object(e->value, &(struct json_limits){0}, NULL);
	struct config *c = json ? load_config(f, number, json) : NULL;
	if (!c || function_version_insert(f, c, NULL) < 0) {
		config_free(c);
		l->loaded.damaged++;
	} else {
		l->loaded.versions++;
	}
}

static void list_next(struct loader *l, const char *prefix, kv_list_cb *cb);

static void remember(struct loader *l, const struct kv_entry *last)
{
	int rc = str_copy(l->after, sizeof l->after, last->key);
	ASSERT(rc == 0);
}

static void load_layer(struct loader *l, const struct kv_entry *e)
{
	struct str version = STR(LAYER_VERSION_PREFIX), layer = STR(LAYER_PREFIX);
	int rc = str_starts(e->key, version) ? layer_load_version(l->r, str_sub(e->key, version.n, e->key.n), e->value)
	                                     : layer_load(l->r, str_sub(e->key, layer.n, e->key.n), e->value);
	l->loaded.damaged += rc < 0;
}

static void on_layers(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct loader *l = arg;
	const char *prefix = l->in_layers ? LAYER_VERSION_PREFIX : LAYER_PREFIX;
	if (err) {
		finish(l, err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		load_layer(l, &entries[i]);
	if (more) {
		remember(l, &entries[n - 1]);
		list_next(l, prefix, on_layers);
		return;
	}
	*l->after = '\0';
	if (!l->in_layers) {
		l->in_layers = true;
		list_next(l, LAYER_VERSION_PREFIX, on_layers);
		return;
	}
	l->listed = true;
	if (l->sweeping == 0)
		finish(l, NULL);
}

static void on_versions(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct loader *l = arg;
	if (err) {
		finish(l, err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		load_version(l, &entries[i]);
	if (more) {
		remember(l, &entries[n - 1]);
		list_next(l, RECORD_VERSION_PREFIX, on_versions);
		return;
	}
	*l->after = '\0';
	list_next(l, LAYER_PREFIX, on_layers);
}

static void on_functions(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct loader *l = arg;
	if (err) {
		finish(l, err);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct str name = str_sub(entries[i].key, strlen(RECORD_PREFIX), entries[i].key.n);
		if (load_function(l->r, name, entries[i].value) < 0)
			l->loaded.damaged++;
	}
	if (more) {
		remember(l, &entries[n - 1]);
		list_next(l, RECORD_PREFIX, on_functions);
		return;
	}
	*l->after = '\0';
	list_next(l, RECORD_VERSION_PREFIX, on_versions);
}

static void list_next(struct loader *l, const char *prefix, kv_list_cb *cb)
{
	struct kv_list what = {.prefix = str_from(prefix), .after = *l->after ? str_from(l->after) : STR_NULL};
	struct error err = {0};
	if (kv_list(l->r->deps.kv, &what, cb, l, &err) < 0)
		finish(l, &err);
}

void registry_load(struct registry *r, registry_ready_cb *cb, void *arg)
{
	struct loader *l = calloc(1, sizeof *l);
	ASSERT(l);
	*l = (struct loader){.r = r, .cb = cb, .arg = arg};
	r->loading = true;
	list_next(l, RECORD_PREFIX, on_functions);
}
