/* The matcher against a naive one, on random patterns and events: flatten the event to fields, each with the array elements it is in; multiply out
 * "$or"; then try every choice of fields whose elements agree. And: matching allocates nothing. */
#include <jansson.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/match/match.h"
#include "tests/unit/test.h"

#define ARRAYS_MAX 64
#define FIELDS_MAX 256
#define CASES 20000

/* ---- counted allocations, where no sanitizer has its own ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
static unsigned long allocations;
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}
#endif

/* ---- the naive matcher ---- */

struct membership {
	int element[ARRAYS_MAX]; /* -1: not in this array */
};

struct field {
	char path[64];
	const json_t *value;
	struct membership in;
};

struct event {
	struct field fields[FIELDS_MAX];
	unsigned count;
	int arrays;
};

static void flatten(struct event *e, const char *path, json_t *v, struct membership in)
{
	const char *name;
	json_t *member;
	size_t i;
	if (json_is_object(v)) {
		json_object_foreach(v, name, member) {
			char sub[64];
			ASSERT((size_t)snprintf(sub, sizeof sub, "%s%s%s", path, *path ? "." : "", name) < sizeof sub);
			flatten(e, sub, member, in);
		}
	} else if (json_is_array(v)) {
		int id = e->arrays++;
		ASSERT(id < ARRAYS_MAX);
		json_array_foreach(v, i, member) {
			bool scope = json_is_object(member) || json_is_array(member);
			in.element[id] = scope ? (int)i : -1;
			flatten(e, path, member, in);
		}
	} else {
		ASSERT(e->count < FIELDS_MAX);
		struct field *f = &e->fields[e->count++];
		snprintf(f->path, sizeof f->path, "%s", path);
		f->value = v;
		f->in = in;
	}
}

static bool agree(const struct membership *a, const struct membership *b)
{
	for (int i = 0; i < ARRAYS_MAX; i++)
		if (a->element[i] >= 0 && b->element[i] >= 0 && a->element[i] != b->element[i])
			return false;
	return true;
}

static bool rule_holds(json_t *rule, const json_t *v)
{
	json_t *but = json_object_get(rule, "anything-but");
	if (!json_is_object(rule))
		return json_equal(rule, v);
	if (!but)
		return json_is_true(json_object_get(rule, "exists"));
	size_t i;
	json_t *one;
	json_array_foreach(but, i, one)
		if (json_equal(one, v))
			return false;
	return true;
}

/* A branch: {"path": [rules]} */
static bool choose(const struct event *e, json_t *branch, void *iter, const struct membership *so_far)
{
	size_t i;
	json_t *rule;
	const char *path;
	if (!iter) { /* all others are chosen: what must be absent, is it? */
		json_t *rules;
		json_object_foreach(branch, path, rules) {
			if (!json_is_false(json_array_get(rules, json_array_size(rules) - 1))) /* the mark of "absent was chosen", see below */
				continue;
			for (unsigned f = 0; f < e->count; f++)
				if (strcmp(e->fields[f].path, path) == 0 && agree(so_far, &e->fields[f].in))
					return false;
		}
		return true;
	}
	path = json_object_iter_key(iter);
	json_t *rules = json_object_iter_value(iter);
	json_array_foreach(rules, i, rule) {
		if (json_is_object(rule) && json_is_false(json_object_get(rule, "exists"))) {
			json_array_append_new(rules, json_false());
			bool found = choose(e, branch, json_object_iter_next(branch, iter), so_far);
			json_array_remove(rules, json_array_size(rules) - 1);
			if (found)
				return true;
			continue;
		}
		for (unsigned f = 0; f < e->count; f++) {
			if (strcmp(e->fields[f].path, path) != 0 || !rule_holds(rule, e->fields[f].value) || !agree(so_far, &e->fields[f].in))
				continue;
			struct membership both = *so_far;
			for (int a = 0; a < ARRAYS_MAX; a++)
				if (e->fields[f].in.element[a] >= 0)
					both.element[a] = e->fields[f].in.element[a];
			if (choose(e, branch, json_object_iter_next(branch, iter), &both))
				return true;
		}
	}
	return false;
}

/* Every branch in `branches` gets the pattern's fields. */
static void expand(json_t *branches, const char *path, json_t *pattern)
{
	const char *name;
	json_t *v, *branch, *alternative;
	size_t i, j;
	json_object_foreach(pattern, name, v) {
		char sub[64];
		ASSERT((size_t)snprintf(sub, sizeof sub, "%s%s%s", path, *path ? "." : "", name) < sizeof sub);
		if (strcmp(name, "$or") == 0) {
			json_t *all = json_array();
			json_array_foreach(v, i, alternative) {
				json_t *mine = json_deep_copy(branches);
				expand(mine, path, alternative);
				json_array_extend(all, mine);
				json_decref(mine);
			}
			json_array_clear(branches);
			json_array_extend(branches, all);
			json_decref(all);
		} else if (json_is_object(v)) {
			expand(branches, sub, v);
		} else {
			json_array_foreach(branches, j, branch)
				json_object_set_new(branch, sub, json_deep_copy(v));
		}
	}
}

static bool naive(json_t *pattern, json_t *event)
{
	static struct event e;
	struct membership none;
	json_t *branches = json_array(), *branch;
	size_t i;
	bool found = false;
	memset(&none, -1, sizeof none);
	e.count = 0;
	e.arrays = 0;
	flatten(&e, "", event, none);
	json_array_append_new(branches, json_object());
	expand(branches, "", pattern);
	json_array_foreach(branches, i, branch)
		found = found || choose(&e, branch, json_object_iter(branch), &none);
	json_decref(branches);
	return found;
}

/* ---- random patterns and events ---- */

static unsigned roll(uint64_t *seed, unsigned n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*seed >> 33) % n;
}

static json_t *scalar(uint64_t *seed)
{
	static const char *const strings[] = {"x", "y", "\xC3\xA9"};
	unsigned kind = roll(seed, 7);
	return kind < 3 ? json_integer(kind) : kind < 6 ? json_string(strings[kind - 3]) : json_null();
}

static const char *const names[] = {"a", "b", "c", "d"};

static json_t *random_event(uint64_t *seed, unsigned depth)
{
	unsigned kind = depth == 0 ? 0 : roll(seed, 6); /* at the top an object */
	if (depth > 2 || kind >= 4)
		return scalar(seed);
	json_t *v = kind < 2 ? json_object() : json_array();
	for (unsigned i = 0, n = roll(seed, 4) + (depth == 0); i < n; i++) {
		if (json_is_object(v))
			json_object_set_new(v, names[roll(seed, 4)], random_event(seed, depth + 1));
		else
			json_array_append_new(v, random_event(seed, depth + 1));
	}
	return v;
}

static json_t *random_rules(uint64_t *seed)
{
	json_t *rules = json_array();
	for (unsigned i = 0, n = 1 + roll(seed, 2); i < n; i++) {
		unsigned kind = roll(seed, 8);
		if (kind < 5)
			json_array_append_new(rules, scalar(seed));
		else if (kind < 7)
			json_array_append_new(rules, json_pack("{s:b}", "exists", kind == 5));
		else
			json_array_append_new(rules, json_pack("{s:[s,s]}", "anything-but", "x", "z"));
	}
	return rules;
}

static json_t *random_pattern(uint64_t *seed, unsigned depth)
{
	json_t *v = json_object();
	for (unsigned i = 0, n = 1 + roll(seed, 2); i < n; i++) {
		unsigned kind = roll(seed, 8);
		if (kind == 0 && depth < 2) {
			json_t *or = json_array();
			json_array_append_new(or, random_pattern(seed, depth + 1));
			json_array_append_new(or, random_pattern(seed, depth + 1));
			json_object_set_new(v, "$or", or);
		} else if (kind < 5 && depth < 2) {
			json_object_set_new(v, names[roll(seed, 4)], random_pattern(seed, depth + 1));
		} else {
			json_object_set_new(v, names[roll(seed, 4)], random_rules(seed));
		}
	}
	return v;
}

TEST(as_the_naive_one)
{
	unsigned matched = 0, bad = 0;
	for (uint64_t n = 1; n <= CASES && bad < 3; n++) {
		uint64_t seed = n * UINT64_C(0x9E3779B97F4A7C15);
		struct error err = {0};
		json_t *pattern = random_pattern(&seed, 0), *event = random_event(&seed, 0);
		char *pattern_text = json_dumps(pattern, JSON_COMPACT), *event_text = json_dumps(event, n % 2 ? JSON_ENSURE_ASCII : 0);
		struct match *m = match_compile(str_from(pattern_text), MATCH_EVENT, &err);
		CHECK(m);
		bool want = naive(pattern, event);
		matched += want;
		if (match_event(m, str_from(event_text)) != want) {
			printf("case %llu: %s on %s should be %d\n", (unsigned long long)n, pattern_text, event_text, want);
			bad++;
		}
		match_free(m);
		free(pattern_text);
		free(event_text);
		json_decref(pattern);
		json_decref(event);
	}
	CHECK_INT(bad, 0);
	CHECK(matched > CASES / 20 && matched < CASES / 20 * 19); /* both answers came up */
}

#ifdef COUNTED
TEST(matching_allocates_nothing)
{
	struct match *m = match_compile(STR("{\"a\":{\"b\":[{\"wildcard\":\"x*y\"},{\"numeric\":[\">\",5]}],\"c\":[{\"suffix\":\"\\u00e9\"}]},"
	                                    "\"$or\":[{\"d\":[{\"exists\":false}]},{\"e\":[{\"cidr\":\"10.0.0.0/8\"}]}]}"),
	                                MATCH_EVENT, NULL);
	CHECK(m);
	unsigned long before = allocations;
	bool found = match_event(m, STR("{\"\\u0061\":[{\"b\":6,\"c\":\"n\"},{\"b\":\"x\\u00e9y\",\"c\":\"caf\\u00e9\"}],\"e\":\"10.1.2.3\",\"d\":1}"));
	CHECK(allocations == before);
	CHECK(found && before > 0);
	match_free(m);
}

TESTS(T(as_the_naive_one), T(matching_allocates_nothing))
#else
TESTS(T(as_the_naive_one))
#endif
