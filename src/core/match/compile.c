/* A pattern's text to a tree of names and, "$or" multiplied out, sets of leaves. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/match/match_priv.h"

#define ARENA_MAX_BYTES (4u << 20)

/* Alternatives: each is a set of leaves that must all hold. */
struct branches {
	struct match_bits *sets;
	unsigned count;
};

struct compiler {
	struct match *m;
	struct match_reader reader;
	unsigned depth;
	bool inside_or;
};

static int no_memory(struct compiler *c)
{
	return error_set(c->reader.err, ERR_NO_MEMORY, "no memory for a pattern");
}

static struct match_node *child_of(struct compiler *c, struct match_node *node, struct str name)
{
	for (struct match_node *n = node->first_child; n; n = n->next)
		if (str_eq(n->name, name))
			return n;
	struct match_node *n = ARENA_NEW(&c->m->arena, struct match_node);
	if (!n)
		return NULL;
	n->name = name;
	n->parent = node;
	n->next = node->first_child;
	node->first_child = n;
	node->child_count++;
	return n;
}

/* A name with dots is several steps. */
static struct match_node *descend(struct compiler *c, struct match_node *node, struct str name)
{
	for (size_t at = 0; node && at <= name.n;) {
		size_t n = str_find(str_sub(name, at, name.n), '.');
		node = child_of(c, node, str_sub(name, at, at + n));
		at += n + 1;
	}
	return node;
}

/* ---- branches ---- */

static int branches_copy(struct branches *to, const struct branches *from, unsigned room)
{
	to->count = from->count;
	to->sets = calloc(room > from->count ? room : from->count, sizeof *to->sets);
	if (to->sets && from->count)
		memcpy(to->sets, from->sets, from->count * sizeof *to->sets);
	return to->sets ? 0 : -1;
}

static void branches_release(struct branches *b)
{
	free(b->sets);
}

/* Of the leaves at one node a branch has the last. */
static void branches_add(struct branches *b, const struct match_node *node, unsigned leaf)
{
	for (unsigned i = 0; i < b->count; i++) {
		b->sets[i] = match_bits_less(&b->sets[i], &node->own);
		match_bits_set(&b->sets[i], leaf);
	}
}

static int branches_append(struct compiler *c, struct branches *to, const struct branches *more)
{
	if (to->count + more->count > MATCH_BRANCHES_MAX)
		return match_refuse_plain(&c->reader, "Rule is too complex - \"$or\" makes more than %u combinations", MATCH_BRANCHES_MAX);
	memcpy(to->sets + to->count, more->sets, more->count * sizeof *more->sets);
	to->count += more->count;
	return 0;
}

/* ---- objects ---- */

static int read_object(struct compiler *c, struct match_node *node, struct branches *b);

static int read_leaf(struct compiler *c, struct match_node *node, struct branches *b)
{
	unsigned leaf = c->m->leaf_count;
	if (leaf == MATCH_LEAVES_MAX)
		return match_refuse_plain(&c->reader, "Rule is too complex - more than %u fields", MATCH_LEAVES_MAX);
	if (match_leaf_read(&c->reader, &c->m->leaves[leaf]) < 0)
		return -1;
	if (match_wildcard_costly(&c->m->leaves[leaf]))
		return match_refuse_plain(&c->reader, "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
		                                      "sequences after a wildcard character");
	c->m->leaf_count++;
	branches_add(b, node, leaf);
	match_bits_set(&node->own, leaf);
	if (c->m->leaves[leaf].absent)
		match_bits_set(&c->m->absent, leaf);
	return 0;
}

static int read_alternative(struct compiler *c, struct match_node *node, const struct branches *before, struct branches *all)
{
	CLEANUP(branches_release) struct branches mine = {0};
	bool outer = c->inside_or;
	if (branches_copy(&mine, before, MATCH_BRANCHES_MAX) < 0)
		return no_memory(c);
	c->inside_or = true;
	int result = read_object(c, node, &mine);
	c->inside_or = outer;
	return result < 0 ? -1 : branches_append(c, all, &mine);
}

static int read_or(struct compiler *c, struct match_node *node, struct branches *b)
{
	CLEANUP(branches_release) struct branches before = {0};
	unsigned count = 0;
	if (match_reader_next(&c->reader) != TOKEN_ARRAY)
		return match_refuse(&c->reader, "It must be an Array followed with $or.");
	if (branches_copy(&before, b, 0) < 0)
		return no_memory(c);
	b->count = 0;
	for (; match_reader_next(&c->reader) != TOKEN_ARRAY_END; count++) {
		if (c->reader.token != TOKEN_OBJECT)
			return match_refuse(&c->reader, "Only JSON object is allowed in array of $or relationship.");
		if (read_alternative(c, node, &before, b) < 0)
			return -1;
	}
	return count >= 2 ? 0 : match_refuse(&c->reader, "There must have at least 2 Objects in $or relationship.");
}

static bool is_reserved(struct str name)
{
	static const char *const reserved[] = {
		"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr", "html",
		"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
		"date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
	};
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (str_eqz(name, reserved[i]))
			return true;
	return false;
}

static int read_member(struct compiler *c, struct match_node *node, struct branches *b)
{
	struct str name = match_reader_text(&c->reader);
	if (str_eqz(name, "$or"))
		return read_or(c, node, b);
	if (c->inside_or && is_reserved(name))
		return match_refuse(&c->reader, STR_FMT " is Ruler reserved fieldName which cannot be used inside $or.", STR_ARG(name));
	enum match_token token = match_reader_next(&c->reader);
	if (token != TOKEN_OBJECT && token != TOKEN_ARRAY)
		return match_refuse(&c->reader, "\"" STR_FMT "\" must be an object or an array", STR_ARG(name));
	struct match_node *child = name.p ? descend(c, node, name) : NULL;
	if (!child)
		return no_memory(c);
	return token == TOKEN_OBJECT ? read_object(c, child, b) : read_leaf(c, child, b);
}

static int read_object(struct compiler *c, struct match_node *node, struct branches *b)
{
	bool any = false;
	if (++c->depth > MATCH_DEPTH_MAX)
		return match_refuse(&c->reader, "Objects are nested more than %u deep", MATCH_DEPTH_MAX);
	for (; match_reader_next(&c->reader) == TOKEN_NAME; any = true)
		if (read_member(c, node, b) < 0)
			return -1;
	c->depth--;
	return any ? 0 : match_refuse(&c->reader, "Empty objects are not allowed");
}

/* ---- the finished tree ---- */

static int by_name(const void *a, const void *b)
{
	const struct match_node *x = *(struct match_node *const *)a, *y = *(struct match_node *const *)b;
	return x->name.n != y->name.n ? (x->name.n < y->name.n ? -1 : 1) : memcmp(x->name.p, y->name.p, x->name.n);
}

static int seal_node(struct compiler *c, struct match_node *node)
{
	unsigned i = 0;
	node->children = arena_alloc(&c->m->arena, node->child_count * sizeof(struct match_node *));
	if (!node->children)
		return no_memory(c);
	for (struct match_node *n = node->first_child; n; n = n->next)
		node->children[i++] = n;
	qsort(node->children, node->child_count, sizeof(struct match_node *), by_name);
	match_bits_add(&node->below, &node->own);
	return 0;
}

/* Without recursion: names with dots make a tree deeper than objects do. Parents come before children. */
static int seal_tree(struct compiler *c)
{
	struct match_node *node = c->m->root;
	for (;;) {
		if (seal_node(c, node) < 0)
			return -1;
		if (node->first_child) {
			node = node->first_child;
			continue;
		}
		for (; node->parent; node = node->parent) {
			match_bits_add(&node->parent->below, &node->below);
			if (node->next)
				break;
		}
		if (!node->parent)
			return 0;
		node = node->next;
	}
}

static int compile(struct compiler *c)
{
	CLEANUP(branches_release) struct branches b = {0};
	struct branches one = {&(struct match_bits){{0}}, 1};
	if (branches_copy(&b, &one, MATCH_BRANCHES_MAX) < 0)
		return no_memory(c);
	if (match_reader_next(&c->reader) != TOKEN_OBJECT)
		return match_refuse(&c->reader, "Filter is not an object");
	if (read_object(c, c->m->root, &b) < 0 || seal_tree(c) < 0)
		return -1;
	c->m->branches = arena_alloc(&c->m->arena, b.count * sizeof *b.sets);
	if (!c->m->branches)
		return no_memory(c);
	memcpy(c->m->branches, b.sets, b.count * sizeof *b.sets);
	c->m->branch_count = b.count;
	return 0;
}

static int compile_text(struct match *m, struct str pattern, struct error *err)
{
	struct compiler c = {.m = m};
	if (pattern.n > MATCH_PATTERN_MAX)
		return error_set(err, ERR_INVALID, "the pattern is longer than %u bytes", MATCH_PATTERN_MAX);
	if (match_refuse_json(pattern, err) < 0)
		return -1;
	match_reader_init(&c.reader, pattern, &m->arena, err);
	m->root = ARENA_NEW(&m->arena, struct match_node);
	m->leaves = arena_alloc(&m->arena, MATCH_LEAVES_MAX * sizeof *m->leaves);
	return m->root && m->leaves ? compile(&c) : no_memory(&c);
}

struct match *match_compile(struct str pattern, enum match_kind kind, struct error *err)
{
	struct match *m = calloc(1, sizeof *m);
	struct error why = {0};
	if (!m) {
		error_set(err, ERR_NO_MEMORY, "no memory for a pattern");
		return NULL;
	}
	arena_init(&m->arena, ARENA_MAX_BYTES);
	if (compile_text(m, pattern, &why) == 0)
		return m;
	if (kind == MATCH_FILTER && why.code == ERR_INVALID)
		error_set(err, ERR_INVALID, "Invalid filter pattern definition.");
	else
		error_set(err, why.code, "%s", why.msg);
	match_free(m);
	return NULL;
}

void match_free(struct match *m)
{
	if (!m)
		return;
	arena_release(&m->arena);
	free(m);
}
