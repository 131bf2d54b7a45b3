/* An event's text beside the pattern's tree. The first walk ("sift") finds which leaves hold anywhere, and answers alone where no choice
 * between elements of an array is to be made; else the second ("seek") looks for elements that hold all of a branch. */
#include <string.h>

#include "core/base/check.h"
#include "core/json/check.h"
#include "core/match/match_priv.h"

struct walk {
	const struct match *m;
	const char *p, *end;
	uint64_t work; /* steps left */
	unsigned depth;
	bool broken; /* the text is no JSON, or nested too deep */
	bool choice; /* an array with more than one object stands where the tree goes on */
	struct match_bits holds, there;
	struct match_bits absent; /* leaves that may be absent where the second walk is */
};

/* ---- the text ---- */

static char peek(struct walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t'))
		w->p++;
	return w->p < w->end ? *w->p : '\0';
}

static bool take(struct walk *w, char c)
{
	bool here = peek(w) == c && w->p < w->end;
	w->p += here;
	return here;
}

static void give_up(struct walk *w)
{
	w->broken = true;
	w->p = w->end;
}

static void spend(struct walk *w, uint64_t steps)
{
	if (steps < w->work) {
		w->work -= steps;
		return;
	}
	w->work = 0;
	give_up(w);
}

/* At an opening quote; `*raw` is what is between the quotes. */
static void read_string(struct walk *w, struct str *raw, bool *escaped)
{
	const char *from = ++w->p;
	*escaped = false;
	while (w->p < w->end && *w->p != '"') {
		bool escape = *w->p == '\\';
		*escaped = *escaped || escape;
		w->p += escape && w->end - w->p > 1 ? 2 : 1;
	}
	if (w->p >= w->end) {
		*raw = STR_NULL;
		give_up(w);
		return;
	}
	*raw = (struct str){from, (size_t)(w->p++ - from)};
}

static void read_scalar(struct walk *w, struct match_value *v)
{
	*v = (struct match_value){.kind = 's'};
	if (peek(w) == '"') {
		read_string(w, &v->text, &v->escaped);
		spend(w, v->text.n + 2);
		return;
	}
	const char *from = w->p;
	while (w->p < w->end && !memchr(",]} \n\r\t", *w->p, 7))
		w->p++;
	v->text = (struct str){from, (size_t)(w->p - from)};
	spend(w, v->text.n);
	if (v->text.n == 0)
		give_up(w);
	else
		v->kind = *from == '-' || (*from >= '0' && *from <= '9') ? 'n' : 'w';
}

static void skip_value(struct walk *w)
{
	size_t open = 0;
	struct str raw;
	bool escaped;
	struct match_value v;
	if (peek(w) != '{' && peek(w) != '[') {
		read_scalar(w, &v);
		return;
	}
	const char *from = w->p;
	for (; w->p < w->end; w->p++) {
		if (*w->p == '"') {
			read_string(w, &raw, &escaped);
			if (w->broken)
				return;
			w->p--;
		} else if (*w->p == '{' || *w->p == '[') {
			open++;
		} else if ((*w->p == '}' || *w->p == ']') && --open == 0) {
			w->p++;
			spend(w, (uint64_t)(w->p - from));
			return;
		}
	}
	give_up(w);
}

static bool enter(struct walk *w)
{
	w->p++;
	if (++w->depth <= JSON_CHECK_MAX_DEPTH)
		return true;
	give_up(w);
	return false;
}

/* Moves to the next member or element; false at the end of the scope, which is then behind. */
static bool next_item(struct walk *w, char close, bool *first)
{
	if (w->broken)
		return false;
	if (take(w, close)) {
		w->depth--;
		return false;
	}
	if (!*first && !take(w, ','))
		give_up(w);
	*first = false;
	if (peek(w) == '\0')
		give_up(w);
	return !w->broken;
}

/* ---- names ---- */

static const struct match_node *child(const struct match_node *node, struct str name)
{
	unsigned low = 0, high = node->child_count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct match_node *n = node->children[middle];
		int order = n->name.n != name.n ? (n->name.n < name.n ? -1 : 1) : memcmp(n->name.p, name.p, name.n);
		if (order == 0)
			return n;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct match_node *descend(const struct match_node *node, struct str name)
{
	if (!memchr(name.p, '.', name.n))
		return child(node, name);
	for (size_t at = 0; node && at <= name.n;) {
		size_t n = str_find(str_sub(name, at, name.n), '.');
		node = child(node, str_sub(name, at, at + n));
		at += n + 1;
	}
	return node;
}

static __attribute__((noinline)) const struct match_node *descend_escaped(const struct match_node *node, struct str raw)
{
	char name[MATCH_PATTERN_MAX];
	size_t n = match_text_copy(match_text_of(raw, true), name, sizeof name);
	return n == SIZE_MAX ? NULL : descend(node, (struct str){name, n});
}

/* A member's name and colon; the node it leads to, NULL: none. */
static const struct match_node *read_name(struct walk *w, const struct match_node *node)
{
	struct str raw;
	bool escaped;
	if (peek(w) != '"') {
		give_up(w);
		return NULL;
	}
	read_string(w, &raw, &escaped);
	spend(w, raw.n + 4);
	if (w->broken || !take(w, ':')) {
		give_up(w);
		return NULL;
	}
	return escaped ? descend_escaped(node, raw) : descend(node, raw);
}

/* ---- first walk ---- */

static void sift_value(struct walk *w, const struct match_node *node);

static bool leaf_holds(struct walk *w, unsigned leaf, const struct match_value *v)
{
	const struct match_leaf *l = &w->m->leaves[leaf];
	spend(w, 8 + l->rest * (8 + (uint64_t)v->text.n));
	return !w->broken && match_leaf_holds(l, v);
}

static void sift_leaf(struct walk *w, const struct match_node *node)
{
	struct match_value v;
	read_scalar(w, &v);
	if (w->broken)
		return;
	match_bits_add(&w->there, &node->own);
	MATCH_BITS_EACH(leaf, &node->own)
		if (!(w->holds.w[leaf / 64] >> leaf % 64 & 1) && leaf_holds(w, leaf, &v))
			match_bits_set(&w->holds, leaf);
}

static void sift_object(struct walk *w, const struct match_node *node)
{
	bool first = true;
	if (!enter(w))
		return;
	while (next_item(w, '}', &first)) {
		const struct match_node *to = read_name(w, node);
		if (to)
			sift_value(w, to);
		else if (!w->broken)
			skip_value(w);
	}
}

static void sift_array(struct walk *w, const struct match_node *node)
{
	bool first = true;
	unsigned scopes = 0;
	if (!enter(w))
		return;
	while (next_item(w, ']', &first)) {
		if (peek(w) == '{' || peek(w) == '[')
			w->choice = w->choice || (++scopes > 1 && node->child_count);
		sift_value(w, node);
	}
}

static void sift_value(struct walk *w, const struct match_node *node)
{
	char c = peek(w);
	if (c == '{')
		sift_object(w, node);
	else if (c == '[')
		sift_array(w, node);
	else
		sift_leaf(w, node);
}

/* ---- second walk: can all of `want` hold in this value, with one element of each array? ---- */

enum found {
	FOUND_NOT,
	FOUND_ABSENT, /* none of it is there, and that is fine */
	FOUND_ALL,
};

/* What became of leaves while the members of an object, or an array's scalars, went by; failed: there, but not as wanted. */
struct tally {
	struct match_bits want, met, failed;
};

static enum found seek_value(struct walk *w, const struct match_node *node, const struct match_bits *want);

static bool may_lack(const struct walk *w, const struct match_bits *leaves)
{
	struct match_bits must = match_bits_less(leaves, &w->absent);
	return !match_bits_any(&must);
}

static enum found tally_result(const struct walk *w, const struct tally *t)
{
	struct match_bits rest = match_bits_less(&t->want, &t->met), failed = match_bits_and(&rest, &t->failed);
	if (match_bits_any(&failed) || !may_lack(w, &rest))
		return FOUND_NOT;
	return match_bits_any(&t->met) ? FOUND_ALL : FOUND_ABSENT;
}

static void tally_scalar(struct walk *w, const struct match_bits *own, struct tally *t)
{
	struct match_value v;
	read_scalar(w, &v);
	if (w->broken)
		return;
	MATCH_BITS_EACH(leaf, own)
		match_bits_set(leaf_holds(w, leaf, &v) ? &t->met : &t->failed, leaf);
}

static void tally_member(struct walk *w, const struct match_node *to, struct tally *t)
{
	struct match_bits want = match_bits_and(&t->want, &to->below);
	want = match_bits_less(&want, &t->met);
	if (!match_bits_any(&want)) {
		skip_value(w);
		return;
	}
	enum found found = seek_value(w, to, &want);
	if (found != FOUND_ABSENT)
		match_bits_add(found == FOUND_ALL ? &t->met : &t->failed, &want);
}

static enum found seek_object(struct walk *w, const struct match_node *node, const struct match_bits *want)
{
	struct tally t = {.want = *want};
	bool first = true;
	if (!enter(w))
		return FOUND_NOT;
	while (next_item(w, '}', &first)) {
		const struct match_node *to = read_name(w, node);
		if (to)
			tally_member(w, to, &t);
		else if (!w->broken)
			skip_value(w);
	}
	return tally_result(w, &t);
}

/* The array's own scalars: they are in no element, so that they go with whichever is chosen. */
static void tally_scalars(struct walk *w, struct tally *t)
{
	bool first = true;
	if (!enter(w))
		return;
	while (next_item(w, ']', &first)) {
		if (peek(w) == '{' || peek(w) == '[')
			skip_value(w);
		else
			tally_scalar(w, &t->want, t);
	}
}

static enum found seek_elements(struct walk *w, const struct match_node *node, const struct match_bits *want)
{
	enum found best = FOUND_ABSENT;
	bool first = true, failed = false;
	if (!enter(w))
		return FOUND_NOT;
	while (next_item(w, ']', &first)) {
		enum found found = FOUND_ABSENT;
		if (peek(w) == '{' || peek(w) == '[')
			found = seek_value(w, node, want);
		else
			skip_value(w);
		failed = failed || found == FOUND_NOT;
		best = found > best ? found : best;
	}
	if (best == FOUND_ALL)
		return best;
	return failed || !may_lack(w, want) ? FOUND_NOT : FOUND_ABSENT;
}

static enum found seek_array(struct walk *w, const struct match_node *node, const struct match_bits *want)
{
	struct tally own = {.want = match_bits_and(want, &node->own)};
	const char *start = w->p;
	if (match_bits_any(&own.want)) {
		tally_scalars(w, &own);
		if (w->broken)
			return FOUND_NOT;
		w->p = start;
	}
	/* What is there and does not hold may still hold in an element, but is not absent in any. */
	struct match_bits rest = match_bits_less(want, &own.met), absent = w->absent;
	w->absent = match_bits_less(&absent, &own.failed);
	enum found found = seek_elements(w, node, &rest);
	w->absent = absent;
	return found == FOUND_ABSENT && match_bits_any(&own.met) ? FOUND_ALL : found;
}

static enum found seek_value(struct walk *w, const struct match_node *node, const struct match_bits *want)
{
	char c = peek(w);
	if (c == '{')
		return seek_object(w, node, want);
	if (c == '[')
		return seek_array(w, node, want);
	struct tally t = {.want = *want};
	struct match_bits own = match_bits_and(want, &node->own);
	tally_scalar(w, &own, &t);
	return tally_result(w, &t);
}

/* ---- both ---- */

static void at_member(struct walk *w, struct str json)
{
	w->p = json.p;
	w->end = json.p + json.n;
	w->depth = 0;
}

static enum found seek_members(struct walk *w, const struct match_member *members, size_t n, const struct match_bits *want)
{
	struct tally t = {.want = *want};
	for (size_t i = 0; i < n; i++) {
		const struct match_node *to = descend(w->m->root, str_from(members[i].name));
		at_member(w, members[i].json);
		if (to)
			tally_member(w, to, &t);
	}
	return tally_result(w, &t);
}

static bool decide(struct walk *w, struct str event, const struct match_member *members, size_t n)
{
	/* Absent leaves fail when they are there and do not hold; where there is a choice that is the second walk's to say. */
	struct match_bits lacking = match_bits_less(&w->m->absent, &w->there), good = w->holds;
	w->absent = w->m->absent;
	match_bits_add(&good, w->choice ? &w->m->absent : &lacking);
	for (unsigned i = 0; i < w->m->branch_count; i++) {
		const struct match_bits *want = &w->m->branches[i];
		struct match_bits missing = match_bits_less(want, &good);
		if (match_bits_any(&missing))
			continue;
		if (!w->choice)
			return true;
		spend(w, 64);
		at_member(w, event);
		if ((members ? seek_members(w, members, n, want) : seek_value(w, w->m->root, want)) != FOUND_NOT)
			return !w->broken;
	}
	return false;
}

bool match_event_within(const struct match *m, struct str event, uint64_t *work)
{
	struct walk w = {.m = m, .work = *work};
	at_member(&w, event);
	if (peek(&w) != '{')
		return false;
	sift_value(&w, m->root);
	bool holds = !w.broken && decide(&w, event, NULL, 0);
	*work = w.work;
	return holds && w.work > 0;
}

bool match_event(const struct match *m, struct str event)
{
	uint64_t work = UINT64_MAX;
	return match_event_within(m, event, &work);
}

bool match_members(const struct match *m, const struct match_member *members, size_t n)
{
	struct walk w = {.m = m, .work = UINT64_MAX};
	for (size_t i = 0; i < n && !w.broken; i++) {
		const struct match_node *to = descend(m->root, str_from(members[i].name));
		at_member(&w, members[i].json);
		if (to)
			sift_value(&w, to);
	}
	return !w.broken && decide(&w, STR_NULL, members, n);
}
