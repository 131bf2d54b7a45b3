/* Layers of functions: which may be used, what a configuration keeps of them, how large all is together.
 *
 * A configuration's member Layers is stored as [{"Arn","CodeSize","CodeSha256"}, ...]: with its contents' names, so that it says
 * all that is needed to run it when the layers' own records have gone. */
#include <stdlib.h>
#include <string.h>

#include "control/function/layer_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

static struct layer_version *version_of(struct registry *r, struct str arn, struct layer **layer)
{
	struct layer_ref ref;
	*layer = layer_ref_parse(&ref, arn) ? layer_find(r, ref.name) : NULL;
	return layer_version_find(*layer, ref.number);
}

bool registry_layer_exists(struct registry *r, struct str name, unsigned number)
{
	return layer_version_find(layer_find(r, name), number) != NULL;
}

/* ---- what a configuration keeps ---- */

int layer_set_take(struct registry *r, json_t **config, struct layer_set *set, struct error *err)
{
	const json_t *arns = json_object_get(*config, "Layers");
	if (!json_is_array(arns))
		return 0;
	CLEANUP_JSON json_t *copy = json_copy(*config), *rows = json_array();
	for (size_t i = 0; i < json_array_size(arns); i++) {
		struct layer *l;
		struct str arn = json_value_text(json_array_get(arns, i));
		struct layer_version *v = version_of(r, arn, &l);
		if (!v || i == LIMIT_LAYERS)
			return error_set(err, ERR_INVALID, "Layer version %.*s does not exist.", (int)(arn.n < 200 ? arn.n : 200), arn.p);
		json_array_append_new(rows, json_pack("{s:O, s:O, s:O}", "Arn", json_array_get(arns, i), "CodeSize",
		                      json_object_get(v->json, "CodeSize"), "CodeSha256", json_object_get(v->json, "CodeSha256")));
		set->codes[set->count++] = code_ref(v->code);
	}
	json_object_set(copy, "Layers", rows);
	json_decref(*config);
	*config = STEAL_PTR(copy);
	return 0;
}

int layer_set_load(struct registry *r, const json_t *config, struct layer_set *set)
{
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(config, "Layers"), i, row) {
		struct code *c = i < LIMIT_LAYERS ? code_of_sum(r, json_object_get(row, "CodeSha256")) : NULL;
		if (!c)
			return -1;
		set->codes[set->count++] = c;
	}
	return 0;
}

void layer_set_release(struct layer_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		code_unref(set->codes[i]);
	set->count = 0;
}

void layer_set_show(json_t *shown)
{
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(shown, "Layers"), i, row)
		json_object_del(row, "CodeSha256");
}

/* ---- how large all is ---- */

struct sizing {
	struct registry *r;
	struct code *codes[1 + LIMIT_LAYERS]; /* references */
	unsigned count, next;
	uint64_t bytes;
	layer_sized_cb *cb;
	void *arg;
};

static void sized(struct sizing *s, const struct error *err)
{
	for (unsigned i = 0; i < s->count; i++)
		code_unref(s->codes[i]);
	s->cb(s->arg, err);
	free(s);
}

/* What was unpacked in this process's life is known, the rest is measured, one after the other. */
static void size_next(void *arg, const struct error *err)
{
	struct sizing *s = arg;
	struct error failure = {0};
	if (err) {
		sized(s, err);
		return;
	}
	while (s->next < s->count && s->codes[s->next]->measured)
		s->bytes += s->codes[s->next++]->unzipped_bytes;
	if (s->next < s->count) {
		package_measure(s->r, s->codes[s->next], size_next, s);
	} else if (s->bytes > LIMIT_UNZIPPED_BYTES) {
		error_set(&failure, ERR_INVALID, "Function code combined with layers exceeds the maximum allowed size of %u bytes. The actual size "
		          "is %llu bytes.", LIMIT_UNZIPPED_BYTES, (unsigned long long)s->bytes);
		sized(s, &failure);
	} else {
		sized(s, NULL);
	}
}

void layer_set_size(struct registry *r, const struct layer_set *set, struct code *code, layer_sized_cb *cb, void *arg)
{
	struct sizing *s = calloc(1, sizeof *s);
	ASSERT(s);
	*s = (struct sizing){.r = r, .cb = cb, .arg = arg};
	for (unsigned i = 0; i < set->count; i++)
		s->codes[s->count++] = code_ref(set->codes[i]);
	if (set->count) /* alone it was measured when it was unpacked */
		s->codes[s->count++] = code_ref(code);
	size_next(s, NULL);
}
