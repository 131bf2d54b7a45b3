/* From a form to the JSON of its operation: first a tree of the names' parts, then the members that query_table.c has rows for. */
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/json/value.h"
#include "services/queue/query.h"

#define PART_MAX 128u /* bytes of one part of a name */
#define ITEMS_MAX 1000u /* of one list: more than any operation takes */
#define SHOWN_MAX 60    /* bytes of a bad value in an error */

/* ---- the tree: objects by part, texts at its leaves ---- */

/* Cuts the next part off `*name`, decoded already, into `part`. */
static int take_part(struct str *name, char part[PART_MAX + 1], struct error *err)
{
	struct str piece = STR_NULL;
	str_split(name, '.', &piece);
	if (piece.n == 0 || piece.n > PART_MAX || memchr(piece.p, '\0', piece.n))
		return error_set(err, ERR_INVALID, "The request has a parameter with a malformed name.");
	return str_copy(part, PART_MAX + 1, piece);
}

static int put_leaf(json_t *tree, struct str name, struct str value, struct error *err)
{
	char part[PART_MAX + 1];
	for (unsigned depth = 1; take_part(&name, part, err) == 0; depth++) {
		if (!name.n) {
			json_t *text = json_value_new_str(value);
			if (!text)
				return error_set(err, ERR_INVALID, "The value of the parameter %s is not UTF-8.", part);
			return json_object_set_new(tree, part, text) == 0 ? 0 : error_set(err, ERR_INVALID, "A parameter's name is not UTF-8.");
		}
		json_t *below = json_object_get(tree, part);
		if (!json_is_object(below)) {
			below = depth < SQS_FORM_DEPTH_MAX ? json_object() : NULL;
			if (json_object_set_new(tree, part, below) < 0)
				return error_set(err, ERR_INVALID, "The request has a parameter with a malformed name.");
		}
		tree = below;
	}
	return -1;
}

static int put_pair(json_t *tree, struct str pair, char *room, struct error *err)
{
	struct str name = STR_NULL;
	size_t name_n, value_n;
	str_split(&pair, '=', &name);
	char *value = room + name.n;
	if (percent_decode(room, &name_n, name, true) < 0 || percent_decode(value, &value_n, pair, true) < 0)
		return error_set(err, ERR_INVALID, "The request is not a well-formed form.");
	return put_leaf(tree, (struct str){room, name_n}, (struct str){value, value_n}, err);
}

static int grow_tree(json_t *tree, struct str form, struct error *err)
{
	struct str pair;
	unsigned count = 0;
	CLEANUP_FREE char *room = malloc(form.n + 1);
	if (!room)
		return error_set(err, ERR_NO_MEMORY, "no memory for the request");
	while (str_split(&form, '&', &pair)) {
		if (!pair.n)
			continue;
		if (++count > SQS_FORM_PAIRS_MAX)
			return error_set(err, ERR_TOO_LARGE, "The request has more than %u parameters.", SQS_FORM_PAIRS_MAX);
		if (put_pair(tree, pair, room, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- items of a list, in the order of their numbers ---- */

struct item {
	uint64_t number;
	json_t *node; /* borrowed */
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct item *)a)->number, y = ((const struct item *)b)->number;
	return (x > y) - (x < y);
}

/* Without any number the node is the only item itself. */
static size_t collect_items(json_t *node, struct item items[ITEMS_MAX])
{
	const char *key;
	json_t *one;
	size_t n = 0;
	json_object_foreach(node, key, one) {
		if (n < ITEMS_MAX && str_to_u64(str_from(key), UINT32_MAX, &items[n].number) == 0)
			items[n++].node = one;
	}
	if (n == 0)
		items[n++] = (struct item){1, node};
	qsort(items, n, sizeof *items, by_number);
	return n;
}

/* ---- members ---- */

static json_t *members_of(struct str operation, json_t *tree, struct error *err);

static json_t *integer_of(const struct sqs_member *m, const json_t *node, struct error *err)
{
	struct str text = json_value_text(node), digits = str_starts(text, STR("-")) ? str_sub(text, 1, text.n) : text;
	uint64_t n;
	if (str_to_u64(digits, INT32_MAX, &n) == 0)
		return json_integer(digits.n < text.n ? -(json_int_t)n : (json_int_t)n);
	error_set(err, ERR_INVALID, "Value %.*s for parameter %s is invalid. Reason: Must be an integer.",
	          text.n < SHOWN_MAX ? (int)text.n : SHOWN_MAX, text.p ? text.p : "", m->name);
	return NULL;
}

static void put_item(const struct sqs_member *m, json_t *result, const json_t *node)
{
	const char *key = json_string_value(json_object_get(node, m->key));
	json_t *value = json_object_get(node, m->value);
	if (key)
		json_object_set(result, key, value);
}

static json_t *list_of(struct str operation, const struct sqs_member *m, json_t *node, struct error *err)
{
	CLEANUP_FREE struct item *items = calloc(ITEMS_MAX, sizeof *items);
	CLEANUP_JSON json_t *result = m->kind == SQS_MAP ? json_object() : json_array();
	size_t n = items ? collect_items(node, items) : 0;
	if (!items)
		error_set(err, ERR_NO_MEMORY, "no memory for the request");
	for (size_t i = 0; i < n; i++) {
		json_t *entry;
		if (m->kind == SQS_MAP) {
			put_item(m, result, items[i].node);
			continue;
		}
		entry = m->kind == SQS_TEXTS ? json_incref(items[i].node) : members_of(operation, items[i].node, err);
		if (!entry)
			return NULL;
		json_array_append_new(result, entry);
	}
	return items ? STEAL_PTR(result) : NULL;
}

static json_t *member_of(struct str operation, const struct sqs_member *m, json_t *node, struct error *err)
{
	if (m->kind == SQS_TEXT)
		return json_incref(node);
	if (m->kind == SQS_INTEGER)
		return integer_of(m, node, err);
	return list_of(operation, m, node, err);
}

static json_t *members_of(struct str operation, json_t *tree, struct error *err)
{
	CLEANUP_JSON json_t *result = json_object();
	const char *name;
	json_t *node;
	json_object_foreach(tree, name, node) {
		const struct sqs_member *m = sqs_query_input(operation, name);
		json_t *value = m ? member_of(operation, m, node, err) : NULL;
		if (m && !value)
			return NULL;
		if (m)
			json_object_set_new(result, m->json, value);
	}
	return STEAL_PTR(result);
}

json_t *sqs_form_read(struct str operation, struct str path, struct str query, struct str form, struct error *err)
{
	CLEANUP_JSON json_t *tree = json_object();
	if (grow_tree(tree, query, err) < 0 || grow_tree(tree, form, err) < 0)
		return NULL;
	json_t *result = members_of(operation, tree, err);
	if (result && path.n > 1 && !json_object_get(result, "QueueUrl"))
		json_object_set_new(result, "QueueUrl", json_value_new_str(path));
	return result;
}
