/* Wildcards in patterns: escapes resolved, a star is one byte that UTF-8 does not have. And what they would cost. */
#include <string.h>

#include "core/base/cleanup.h"
#include "core/match/match_priv.h"

#define SETS_MAX 1024u /* sets of places looked at; what would need more is taken */

int match_wildcard_read(struct match_reader *r, struct str *text)
{
	unsigned char *out = arena_alloc(r->arena, text->n + 1);
	size_t n = 0;
	if (!out)
		return match_refuse(r, "no memory");
	for (size_t i = 0; i < text->n; i++) {
		char c = text->p[i], next = i + 1 < text->n ? text->p[i + 1] : '"';
		/* Positions count the string's opening quote. */
		if (c == '*' && next == '*')
			return match_refuse(r, "Consecutive wildcard characters at pos %zu", i + 1);
		if (c == '\\' && next != '*' && next != '\\')
			return match_refuse(r, "Invalid escape character at pos %zu", i + 1);
		if (c == '\\')
			out[n++] = (unsigned char)text->p[++i];
		else
			out[n++] = c == '*' ? MATCH_STAR : (unsigned char)c;
	}
	*text = (struct str){(const char *)out, n};
	return 0;
}

/* ---- cost: in how many places of its wildcards could one text be at the same time? ---- */

/* A leaf's wildcards one behind the other, each between quotes; a place is an index here, "up to and with this byte". */
struct track {
	uint8_t bytes[2 * MATCH_PATTERN_MAX];
	size_t n;
};

struct set {
	uint16_t places[2 * MATCH_WILDCARD_COST + 2];
	unsigned n;
};

struct search {
	struct track track;
	struct set *sets;
	unsigned count;
	bool costly;
};

static bool is_end(const struct track *t, unsigned place)
{
	return place + 1u >= t->n || t->bytes[place + 1] == '\0';
}

static void put_place(struct search *s, struct set *set, unsigned place)
{
	unsigned at = 0;
	while (at < set->n && set->places[at] < place)
		at++;
	if (at < set->n && set->places[at] == place)
		return;
	if (set->n > MATCH_WILDCARD_COST) {
		s->costly = true;
		return;
	}
	memmove(set->places + at + 1, set->places + at, (set->n - at) * sizeof set->places[0]);
	set->places[at] = (uint16_t)place;
	set->n++;
}

/* Where byte `b` leads from a place: on, through a star, or past an empty one. */
static void step_place(struct search *s, struct set *to, unsigned place, int b)
{
	const struct track *t = &s->track;
	if (t->bytes[place] == MATCH_STAR)
		put_place(s, to, place);
	if (is_end(t, place))
		return;
	unsigned next = place + 1;
	if (t->bytes[next] == b)
		put_place(s, to, next);
	if (t->bytes[next] != MATCH_STAR)
		return;
	put_place(s, to, next);
	if (!is_end(t, next) && t->bytes[next + 1] == b)
		put_place(s, to, next + 1);
}

/* Places, and the stars behind them that would be reached by nothing. */
static unsigned set_cost(const struct track *t, const struct set *set)
{
	unsigned cost = set->n;
	for (unsigned i = 0; i < set->n; i++) {
		unsigned place = set->places[i];
		if (is_end(t, place) || t->bytes[place + 1] != MATCH_STAR)
			continue;
		cost += i + 1 == set->n || set->places[i + 1] != place + 1;
	}
	return cost;
}

static void add_set(struct search *s, const struct set *set)
{
	s->costly = s->costly || set_cost(&s->track, set) > MATCH_WILDCARD_COST;
	for (unsigned i = 0; i < s->count; i++)
		if (s->sets[i].n == set->n && memcmp(s->sets[i].places, set->places, set->n * sizeof set->places[0]) == 0)
			return;
	if (set->n && s->count < SETS_MAX)
		s->sets[s->count++] = *set;
}

/* All bytes that lead from this set to different ones, and one that stands for the rest. */
static void step_set(struct search *s, const struct set *from)
{
	bool seen[256] = {false};
	int bytes[4 * MATCH_WILDCARD_COST + 8], n = 0;
	bytes[n++] = -1;
	for (unsigned i = 0; i < from->n; i++)
		for (unsigned ahead = 1; ahead <= 2; ahead++) {
			unsigned at = from->places[i] + ahead;
			uint8_t b = at < s->track.n ? s->track.bytes[at] : 0;
			if (b == 0)
				break;
			if (b != MATCH_STAR && !seen[b])
				bytes[n++] = b;
			seen[b] = true;
		}
	for (int i = 0; i < n && !s->costly; i++) {
		struct set to = {.n = 0};
		for (unsigned j = 0; j < from->n; j++)
			step_place(s, &to, from->places[j], bytes[i]);
		if (!s->costly)
			add_set(s, &to);
	}
}

static void put_wildcards(struct search *s, struct set *start, const struct match_rule *rule)
{
	struct track *t = &s->track;
	for (unsigned i = 0; i < rule->text_count; i++) {
		struct str text = rule->texts[i];
		if (!memchr(text.p, MATCH_STAR, text.n))
			continue;
		if (start->n == MATCH_WILDCARD_COST || t->n + text.n + 3 > sizeof t->bytes) {
			s->costly = true; /* all of them begin at the same place */
			return;
		}
		start->places[start->n++] = (uint16_t)t->n;
		t->bytes[t->n++] = '"';
		for (size_t j = 0; j < text.n; j++)
			t->bytes[t->n++] = text.p[j] ? (uint8_t)text.p[j] : 1;
		t->bytes[t->n++] = '"';
		t->bytes[t->n++] = '\0';
	}
}

bool match_wildcard_costly(const struct match_leaf *leaf)
{
	bool any = false;
	for (unsigned i = 0; i < leaf->rule_count; i++)
		any = any || leaf->rules[i].op == OP_WILDCARD;
	if (!any)
		return false;
	CLEANUP_FREE struct search *s = calloc(1, sizeof *s);
	CLEANUP_FREE struct set *sets = calloc(SETS_MAX, sizeof *sets);
	if (!s || !sets)
		return false;
	s->sets = sets;
	struct set start = {.n = 0};
	for (unsigned i = 0; i < leaf->rule_count; i++)
		if (leaf->rules[i].op == OP_WILDCARD)
			put_wildcards(s, &start, &leaf->rules[i]);
	add_set(s, &start);
	for (unsigned i = 0; i < s->count && !s->costly; i++)
		step_set(s, &sets[i]);
	return s->costly;
}
