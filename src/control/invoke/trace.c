#include "control/invoke/trace.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/rand.h"

#define MEMBER_MAX 64 /* longer members are nobody's that we know */
#define HASH_HEX 8
#define COUNT_MAX 9999u

struct entry {
	unsigned depth, count;
	char hash[HASH_HEX + 1];
};

struct lineage {
	struct entry entries[LINEAGE_FUNCTIONS_MAX + 1]; /* room for one more before the oldest goes */
	size_t n;
};

static void hash_of(char dst[HASH_HEX + 1], struct str function_arn)
{
	unsigned char sum[SHA256_SIZE];
	sha256(sum, function_arn.p, function_arn.n);
	hex_encode(dst, sum, HASH_HEX / 2);
}

static bool member(struct str header, const char *name, struct str *value)
{
	struct str piece;
	while (str_split(&header, ';', &piece)) {
		piece = str_trim(piece);
		if (str_starts(piece, str_from(name))) {
			*value = str_sub(piece, strlen(name), piece.n);
			return true;
		}
	}
	return false;
}

static bool read_entry(struct entry *e, struct str text)
{
	struct str depth, hash;
	uint64_t d, c;
	unsigned char raw[HASH_HEX / 2];
	if (!str_split(&text, ':', &depth) || !str_split(&text, ':', &hash) || hex_decode(raw, sizeof raw, hash) < 0 ||
	    str_to_u64(depth, COUNT_MAX, &d) < 0 || str_to_u64(text, COUNT_MAX, &c) < 0)
		return false;
	*e = (struct entry){.depth = (unsigned)d, .count = (unsigned)c};
	hex_encode(e->hash, raw, sizeof raw);
	return true;
}

static void read_lineage(struct lineage *l, struct str header)
{
	struct str text = STR_NULL, piece;
	*l = (struct lineage){0};
	if (!header.p || !member(header, "Lineage=", &text))
		return;
	while (str_split(&text, '|', &piece)) {
		if (l->n == LINEAGE_FUNCTIONS_MAX || !read_entry(&l->entries[l->n], piece)) {
			l->n = 0;
			return;
		}
		l->n++;
	}
}

static struct entry *find(struct lineage *l, const char *hash)
{
	for (size_t i = 0; i < l->n; i++) {
		if (memcmp(l->entries[i].hash, hash, HASH_HEX) == 0)
			return &l->entries[i];
	}
	return NULL;
}

/* It becomes a header line of the Runtime API, and came from anybody: what could end a line makes it none. */
static bool is_plain(struct str sent)
{
	for (size_t i = 0; i < sent.n; i++) {
		if (sent.p[i] < 0x20 || sent.p[i] >= 0x7f)
			return false;
	}
	return sent.p != NULL;
}

unsigned trace_count(struct str sent, struct str function_arn)
{
	struct lineage l;
	char hash[HASH_HEX + 1];
	read_lineage(&l, is_plain(sent) ? sent : STR_NULL);
	if (l.n == 0)
		return 0;
	hash_of(hash, function_arn);
	const struct entry *e = find(&l, hash);
	return e ? e->count : 0;
}

/* Takes out the one that was invoked longest ago. */
static void drop_oldest(struct lineage *l)
{
	size_t oldest = 0;
	for (size_t i = 1; i < l->n; i++) {
		if (l->entries[i].depth < l->entries[oldest].depth)
			oldest = i;
	}
	memmove(&l->entries[oldest], &l->entries[oldest + 1], (--l->n - oldest) * sizeof l->entries[0]);
}

static unsigned count_once_more(struct lineage *l, struct str function_arn)
{
	char hash[HASH_HEX + 1];
	unsigned deepest = 0;
	hash_of(hash, function_arn);
	for (size_t i = 0; i < l->n; i++)
		deepest = l->entries[i].depth > deepest ? l->entries[i].depth : deepest;
	struct entry *e = find(l, hash);
	if (!e) {
		e = &l->entries[l->n++];
		*e = (struct entry){0};
		memcpy(e->hash, hash, sizeof hash);
	}
	e->depth = deepest < COUNT_MAX ? deepest + 1 : COUNT_MAX;
	e->count += e->count < COUNT_MAX;
	unsigned count = e->count;
	if (l->n > LINEAGE_FUNCTIONS_MAX)
		drop_oldest(l);
	return count;
}

/* ---- writing ---- */

struct writer {
	char *dst;
	size_t n;
};

static void put(struct writer *w, struct str s)
{
	ASSERT(w->n + s.n < TRACE_MAX);
	memcpy(w->dst + w->n, s.p, s.n);
	w->n += s.n;
	w->dst[w->n] = '\0';
}

static void put_root(struct writer *w, struct str sent)
{
	struct str value;
	char text[MEMBER_MAX];
	if (sent.p && member(sent, "Root=", &value) && value.n > 0 && value.n <= MEMBER_MAX) {
		put(w, STR("Root="));
		put(w, value);
		return;
	}
	uint64_t low = rand_u64();
	int n = snprintf(text, sizeof text, "Root=1-%08llx-%08x%016llx", (unsigned long long)(clock_wall_ms() / 1000) & 0xffffffff,
	                 (unsigned)rand_u64(), (unsigned long long)low);
	put(w, (struct str){text, (size_t)n});
}

static void put_member(struct writer *w, struct str sent, const char *name, const char *otherwise)
{
	struct str value;
	if (!sent.p || !member(sent, name, &value) || value.n == 0 || value.n > MEMBER_MAX / 2)
		value = str_from(otherwise);
	put(w, STR(";"));
	put(w, str_from(name));
	put(w, value);
}

/* Members that we do not know, as far as there is room beside the lineage. */
static void put_others(struct writer *w, struct str sent, size_t room)
{
	static const char *const known[] = {"Root=", "Parent=", "Sampled=", "Lineage="};
	struct str piece;
	while (sent.p && str_split(&sent, ';', &piece)) {
		piece = str_trim(piece);
		bool ours = piece.n == 0 || str_find(piece, '=') == piece.n;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			ours |= str_starts(piece, str_from(known[i]));
		if (ours || w->n + 1 + piece.n + room >= TRACE_MAX)
			continue;
		put(w, STR(";"));
		put(w, piece);
	}
}

static size_t lineage_text(char *dst, size_t size, const struct lineage *l)
{
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct entry *e = &l->entries[i];
		n += (size_t)snprintf(dst + n, size - n, "%s%u:%s:%u", i ? "|" : ";Lineage=", e->depth, e->hash, e->count);
	}
	return n;
}

unsigned trace_next(char dst[TRACE_MAX], struct str sent, struct str function_arn)
{
	struct lineage l;
	char parent[17], text[TRACE_MAX];
	struct writer w = {.dst = dst};
	struct str root = STR_NULL;
	bool good = is_plain(sent) && member(sent, "Root=", &root) && root.n > 0;
	if (!good)
		sent = STR_NULL;
	read_lineage(&l, sent);
	unsigned count = count_once_more(&l, function_arn);
	size_t n = lineage_text(text, sizeof text, &l);
	snprintf(parent, sizeof parent, "%016llx", (unsigned long long)rand_u64());
	put_root(&w, sent);
	put_member(&w, sent, "Parent=", parent);
	put_member(&w, sent, "Sampled=", "0");
	while (w.n + n >= TRACE_MAX && l.n > 1) { /* long numbers and members: the newest are what counts */
		drop_oldest(&l);
		n = lineage_text(text, sizeof text, &l);
	}
	put_others(&w, sent, n);
	put(&w, (struct str){text, n});
	return count;
}
