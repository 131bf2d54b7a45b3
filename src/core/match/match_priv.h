/* What the parts of the matcher share. Strings in compiled patterns are decoded, and live in the pattern's arena. */
#ifndef MAYFLY_MATCH_PRIV_H
#define MAYFLY_MATCH_PRIV_H

#include <stdint.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/match/match.h"

#define MATCH_STAR 0xFFu /* in a compiled wildcard; no byte of UTF-8 */
#define MATCH_WORDS (MATCH_LEAVES_MAX / 64)

/* ---- the pattern's tokens, with the places that Jackson's streaming parser reports ---- */

enum match_token {
	TOKEN_END, TOKEN_OBJECT, TOKEN_OBJECT_END, TOKEN_ARRAY, TOKEN_ARRAY_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_TRUE,
	TOKEN_FALSE, TOKEN_NULL
};

struct match_reader {
	struct str text;
	size_t at;        /* where Jackson would say that it stands */
	size_t start;     /* of the current token; of a string: behind its quote */
	enum match_token token, pending; /* pending: the value behind a name, already begun */
	size_t pending_start;
	bool incomplete; /* a string was begun: `at` is behind its opening quote */
	uint8_t scopes[(MATCH_PATTERN_MAX + 7) / 8]; /* bit: the scope is an object */
	unsigned depth;
	bool name_next;
	struct arena *arena;
	struct error *err;
};

/* `text` is valid JSON of at most MATCH_PATTERN_MAX bytes. */
void match_reader_init(struct match_reader *r, struct str text, struct arena *arena, struct error *err);
enum match_token match_reader_next(struct match_reader *r);
/* The current token's text, strings decoded into the arena; p NULL: no memory. Finishes a string, as getText does. */
struct str match_reader_text(struct match_reader *r);
/* All return -1. `refuse` adds the place, `refuse_plain` does not, `refuse_twice` adds it twice (as AWS does inside lists). */
int match_refuse(struct match_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int match_refuse_plain(struct match_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int match_refuse_twice(struct match_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int match_refuse_json(struct str text, struct error *err); /* -1 when `text` is not JSON */

/* ---- rules ---- */

enum match_op {
	OP_EXACT, OP_PREFIX, OP_SUFFIX, OP_EXACT_FOLD, OP_PREFIX_FOLD, OP_SUFFIX_FOLD, OP_WILDCARD, /* texts */
	OP_WORD,    /* true, false, null */
	OP_NUMBER,  /* text, or low where it is comparable */
	OP_RANGE,   /* low..high */
	OP_ADDRESS, /* first..last */
	OP_EXISTS,
};

struct match_rule {
	enum match_op op;
	bool not;        /* anything-but: holds when no text and no number of the list does */
	bool comparable; /* OP_NUMBER: low is set */
	bool open_low, open_high;
	int64_t low, high; /* millionths */
	const struct str *texts;
	unsigned text_count;
	const int64_t *numbers;
	unsigned number_count;
	uint8_t address_size, first[16], last[16];
};

/* First the plain numbers, by value, then the plain texts, by length and bytes: there may be a thousand, and an event has a hundred thousand
 * values. Then the rest, each of which is asked. */
struct match_leaf {
	struct match_rule *rules;
	unsigned rule_count, plain_numbers, plain_texts;
	unsigned rest; /* texts and numbers of the rest */
	bool absent; /* {"exists": false} is among them */
};

/* The array at the reader's current token. 0, -1 with the refusal. */
int match_leaf_read(struct match_reader *r, struct match_leaf *leaf);
/* Decoded text to the compiled form; refuses what is malformed. `text` is a pattern's string. */
int match_wildcard_read(struct match_reader *r, struct str *text);
bool match_wildcard_costly(const struct match_leaf *leaf);

/* A number's text (valid JSON) in millionths; false beyond +-5e9. */
bool match_number(struct str text, int64_t *out);
/* 4 or 16 bytes; 0: not an address. */
unsigned match_address(struct str text, uint8_t out[16]);

/* ---- values of events ---- */

struct match_value {
	char kind; /* 's'tring, 'n'umber, 'w'ord */
	bool escaped;
	bool comparable; /* `number` is set; both by match_leaf_holds */
	int64_t number;
	struct str text; /* a string without its quotes, not decoded */
};

/* Decodes a string of an event byte by byte; a plain struct, so that a copy is a bookmark. */
struct match_text {
	const unsigned char *p, *end;
	bool escaped;
	uint8_t left, bytes[4]; /* of a character that was an escape, last byte first */
};

static inline struct match_text match_text_of(struct str s, bool escaped)
{
	const unsigned char *p = (const unsigned char *)s.p;
	return (struct match_text){.p = p, .end = p + s.n, .escaped = escaped};
}
int match_text_byte(struct match_text *t);                        /* -1: the end */
int32_t match_text_folded(struct match_text *t);                  /* a character, as equals-ignore-case sees it; -1: the end */
size_t match_text_copy(struct match_text t, char *dst, size_t size); /* SIZE_MAX: does not fit */

/* By length, then bytes. */
static inline int match_text_order(const struct str *a, const struct str *b)
{
	return a->n != b->n ? (a->n < b->n ? -1 : 1) : a->n ? memcmp(a->p, b->p, a->n) : 0;
}

bool match_leaf_holds(const struct match_leaf *leaf, const struct match_value *v);

/* ---- the compiled pattern ---- */

struct match_bits {
	uint64_t w[MATCH_WORDS];
};

struct match_node {
	struct str name;
	struct match_node *parent, *next;       /* next: sibling, while compiling */
	struct match_node *first_child;
	struct match_node **children;           /* sorted by length, then bytes */
	unsigned child_count;
	struct match_bits own, below; /* leaves here; leaves here and under it */
};

struct match {
	struct arena arena;
	struct match_node *root;
	struct match_leaf *leaves;
	unsigned leaf_count;
	struct match_bits absent; /* leaves with {"exists": false} */
	struct match_bits *branches;
	unsigned branch_count;
};

static inline bool match_bits_any(const struct match_bits *a)
{
	uint64_t or = 0;
	for (unsigned i = 0; i < MATCH_WORDS; i++)
		or |= a->w[i];
	return or != 0;
}

/* a without b */
static inline struct match_bits match_bits_less(const struct match_bits *a, const struct match_bits *b)
{
	struct match_bits out;
	for (unsigned i = 0; i < MATCH_WORDS; i++)
		out.w[i] = a->w[i] & ~b->w[i];
	return out;
}

static inline struct match_bits match_bits_and(const struct match_bits *a, const struct match_bits *b)
{
	struct match_bits out;
	for (unsigned i = 0; i < MATCH_WORDS; i++)
		out.w[i] = a->w[i] & b->w[i];
	return out;
}

static inline void match_bits_add(struct match_bits *a, const struct match_bits *b)
{
	for (unsigned i = 0; i < MATCH_WORDS; i++)
		a->w[i] |= b->w[i];
}

static inline void match_bits_set(struct match_bits *a, unsigned bit)
{
	a->w[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* The lowest bit at or behind `from`; MATCH_LEAVES_MAX: none. */
static inline unsigned match_bits_next(const struct match_bits *a, unsigned from)
{
	for (unsigned i = from / 64; i < MATCH_WORDS; i++) {
		uint64_t w = a->w[i];
		if (i == from / 64)
			w &= ~UINT64_C(0) << from % 64;
		if (w)
			return i * 64 + (unsigned)__builtin_ctzll(w);
	}
	return MATCH_LEAVES_MAX;
}

#define MATCH_BITS_EACH(bit, bits) \
	for (unsigned bit = match_bits_next((bits), 0); bit < MATCH_LEAVES_MAX; bit = match_bits_next((bits), bit + 1))

#endif
