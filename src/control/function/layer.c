/* Layers in memory: kept, found, shown, listed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/layer_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/arn.h"

bool layer_ref_parse(struct layer_ref *ref, struct str text)
{
	struct arn arn;
	struct str rest = text, part, digits = STR_NULL;
	uint64_t number = 0;
	*ref = (struct layer_ref){.name = text};
	if (arn_parse(&arn, text)) {
		rest = arn.resource;
		if (!str_eqz(arn.service, "lambda") || !str_split(&rest, ':', &part) || !str_eqz(part, "layer") || !str_split(&rest, ':', &ref->name))
			return false;
		ref->region = arn.region;
		ref->account = arn.account;
		digits = rest;
	}
	if (digits.n)
		ref->number = str_to_u64(digits, UINT32_MAX, &number) < 0 ? UINT32_MAX : (unsigned)number;
	return ref->name.n > 0 && str_find(ref->name, ':') == ref->name.n && str_find(ref->name, '/') == ref->name.n;
}

void registry_layer_arn(const struct registry *r, char dst[LAYER_ARN_MAX], struct str name, unsigned number)
{
	const struct settings *s = r->deps.settings;
	int n = snprintf(dst, LAYER_ARN_MAX, "arn:aws:lambda:%.32s:%.12s:layer:" STR_FMT, s->region, s->account, STR_ARG(name));
	if (number && n > 0 && n < LAYER_ARN_MAX)
		snprintf(dst + n, LAYER_ARN_MAX - (size_t)n, ":%u", number);
}

int layer_not_found(const struct registry *r, struct str name, unsigned number, struct error *err)
{
	char arn[LAYER_ARN_MAX];
	registry_layer_arn(r, arn, name, number);
	return error_set(err, ERR_NOT_FOUND, "Layer version %.220s does not exist.", arn);
}

/* ---- kept ---- */

/* First row that is not before `name`. */
static size_t find_place(const struct registry *r, struct str name)
{
	size_t low = 0, high = r->layer_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (str_cmp(str_from(r->layers[mid]->name), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct layer *layer_find(const struct registry *r, struct str name)
{
	size_t at = find_place(r, name);
	return at < r->layer_count && str_eqz(name, r->layers[at]->name) ? r->layers[at] : NULL;
}

struct layer *layer_make(struct registry *r, struct str name)
{
	struct layer *l = layer_find(r, name);
	if (l)
		return l;
	struct layer **bigger = reallocarray(r->layers, r->layer_count + 1, sizeof(struct layer *));
	if (!bigger)
		return NULL;
	r->layers = bigger;
	l = calloc(1, sizeof *l + name.n + 1);
	if (!l)
		return NULL;
	memcpy(l->name, name.p, name.n);
	size_t at = find_place(r, name);
	memmove(&r->layers[at + 1], &r->layers[at], (r->layer_count++ - at) * sizeof(struct layer *));
	return r->layers[at] = l;
}

/* First version that is not before `number`. */
static size_t version_place(const struct layer *l, unsigned number)
{
	size_t low = 0, high = l->count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (l->versions[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct layer_version *layer_version_find(const struct layer *l, unsigned number)
{
	size_t at = l ? version_place(l, number) : 0;
	return l && at < l->count && l->versions[at]->number == number ? l->versions[at] : NULL;
}

struct layer_version *layer_version_add(struct registry *r, struct layer *l, unsigned number, json_t *json, struct code *code)
{
	int64_t bytes = 0;
	struct layer_version *v = calloc(1, sizeof *v), **bigger = reallocarray(l->versions, l->count + 1, sizeof(struct layer_version *));
	if (bigger)
		l->versions = bigger;
	if (!v || !bigger) {
		free(v);
		json_decref(json);
		return NULL;
	}
	json_value_int(json, "CodeSize", 0, INT64_MAX, &bytes, NULL);
	*v = (struct layer_version){.number = number, .json = json, .code = code_ref(code), .code_bytes = (uint64_t)bytes};
	size_t at = version_place(l, number);
	memmove(&bigger[at + 1], &bigger[at], (l->count++ - at) * sizeof(struct layer_version *));
	r->layer_bytes += v->code_bytes;
	return bigger[at] = v;
}

static void version_free(struct layer_version *v)
{
	code_unref(v->code);
	json_decref(v->json);
	free(v);
}

void layer_version_drop(struct registry *r, struct layer *l, struct layer_version *v)
{
	size_t at = version_place(l, v->number);
	ASSERT(at < l->count && l->versions[at] == v);
	memmove(&l->versions[at], &l->versions[at + 1], (--l->count - at) * sizeof(struct layer_version *));
	r->layer_bytes -= v->code_bytes;
	version_free(v);
}

void layers_free_all(struct registry *r)
{
	for (size_t i = 0; i < r->layer_count; i++) {
		struct layer *l = r->layers[i];
		for (size_t k = 0; k < l->count; k++)
			version_free(l->versions[k]);
		free(l->versions);
		free(l);
	}
	free(r->layers);
}

/* ---- loaded ---- */

int layer_load(struct registry *r, struct str name, struct str text)
{
	CLEANUP_JSON json_t *json = json_value_load_object(text, &(struct json_limits){0}, NULL);
	int64_t last = 0;
	if (!json || json_value_int(json, "Last", 0, UINT32_MAX, &last, NULL) != 1)
		return -1;
	struct layer *l = layer_make(r, name);
	if (!l)
		return -1;
	l->last = (unsigned)last;
	return 0;
}

int layer_load_version(struct registry *r, struct str name_and_number, struct str text)
{
	struct str rest = name_and_number, name;
	uint64_t number = 0;
	CLEANUP_JSON json_t *json = json_value_load_object(text, &(struct json_limits){0}, NULL);
	if (!json || !str_split(&rest, '/', &name) || str_to_u64(rest, UINT32_MAX, &number) < 0 || number == 0)
		return -1;
	struct layer *l = layer_find(r, name);
	struct code *code = l && number <= l->last ? code_of_sum(r, json_object_get(json, "CodeSha256")) : NULL;
	struct layer_version *v = code ? layer_version_add(r, l, (unsigned)number, json_incref(json), code) : NULL;
	code_unref(code);
	return v ? 0 : -1;
}

/* ---- shown ---- */

static json_t *show_item(const struct registry *r, const struct layer *l, const struct layer_version *v)
{
	static const char *const members[] = {"Description", "CreatedDate", "CompatibleRuntimes", "LicenseInfo", "CompatibleArchitectures"};
	char arn[LAYER_ARN_MAX];
	registry_layer_arn(r, arn, str_from(l->name), v->number);
	json_t *shown = json_pack("{s:s, s:I}", "LayerVersionArn", arn, "Version", (json_int_t)v->number);
	for (size_t i = 0; shown && i < ARRAY_LEN(members); i++) {
		json_t *value = json_object_get(v->json, members[i]);
		if (value)
			json_object_set(shown, members[i], value);
	}
	return shown;
}

json_t *layer_show(const struct registry *r, const struct layer *l, const struct layer_version *v)
{
	char arn[LAYER_ARN_MAX];
	json_t *shown = show_item(r, l, v);
	registry_layer_arn(r, arn, str_from(l->name), 0);
	json_object_set_new(shown, "LayerArn", json_string(arn));
	json_object_set_new(shown, "Content", json_pack("{s:O, s:O}", "CodeSha256", json_object_get(v->json, "CodeSha256"), "CodeSize",
	                    json_object_get(v->json, "CodeSize")));
	return shown;
}

json_t *registry_layer(struct registry *r, struct str name, unsigned number, struct error *err)
{
	const struct layer *l = layer_find(r, name);
	const struct layer_version *v = layer_version_find(l, number);
	if (v)
		return layer_show(r, l, v);
	error_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
	return NULL;
}

/* ---- listed ---- */

static bool has(const json_t *list, struct str value)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) {
		if (str_eq(json_value_text(one), value))
			return true;
	}
	return false;
}

static bool fits(const struct layer_version *v, const struct registry_layer_filter *f)
{
	return (!f->runtime.p || has(json_object_get(v->json, "CompatibleRuntimes"), f->runtime)) &&
	       (!f->architecture.p || has(json_object_get(v->json, "CompatibleArchitectures"), f->architecture));
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

static const struct layer_version *newest(const struct layer *l, const struct registry_layer_filter *f)
{
	for (size_t i = l->count; i-- > 0;) {
		if (fits(l->versions[i], f))
			return l->versions[i];
	}
	return NULL;
}

int registry_layer_list(struct registry *r, const struct registry_layer_filter *f, struct registry_page *page, struct error *err)
{
	*page->next = '\0';
	for (size_t i = page->marker.p ? find_place(r, page->marker) : 0; i < r->layer_count; i++) {
		const struct layer *l = r->layers[i];
		const struct layer_version *v = newest(l, f);
		char arn[LAYER_ARN_MAX];
		if (!v)
			continue;
		if (full(page)) {
			snprintf(page->next, page->next_size, "%s", l->name);
			return 0;
		}
		registry_layer_arn(r, arn, str_from(l->name), 0);
		if (put_row(page, json_pack("{s:s, s:s, s:o}", "LayerName", l->name, "LayerArn", arn, "LatestMatchingVersion", show_item(r, l, v)), err) < 0)
			return -1;
	}
	return 0;
}

/* The marker is the number the page begins with. */
int registry_layer_list_versions(struct registry *r, struct str name, const struct registry_layer_filter *f, struct registry_page *page,
                                 struct error *err)
{
	const struct layer *l = layer_find(r, name);
	uint64_t from = UINT32_MAX;
	*page->next = '\0';
	str_to_u64(page->marker, UINT32_MAX, &from);
	for (size_t i = l ? l->count : 0; i-- > 0;) {
		const struct layer_version *v = l->versions[i];
		if (v->number > from || !fits(v, f))
			continue;
		if (full(page)) {
			snprintf(page->next, page->next_size, "%u", v->number);
			return 0;
		}
		if (put_row(page, show_item(r, l, v), err) < 0)
			return -1;
	}
	return 0;
}
