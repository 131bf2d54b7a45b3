/* Shared by the three kinds of filter patterns, private to control/logs.
 *
 * A condition is a tree of comparisons; what a comparison is about, its subject, only its kind knows: a field's number or a
 * JSON selector's. */
#ifndef MAYFLY_LOGS_PATTERN_PRIV_H
#define MAYFLY_LOGS_PATTERN_PRIV_H

#include "control/logs/pattern.h"
#include "control/logs/pattern_regex.h"
#include "core/base/arena.h"

#define PATTERN_NODES 64u
#define PATTERN_DEPTH 16u
#define PATTERN_REGEXES 2u /* AWS's limit */
#define PATTERN_INVALID "Invalid filter pattern: "

enum comparison { IS_EQUAL, IS_NOT_EQUAL, IS_LESS, IS_GREATER, IS_AT_MOST, IS_AT_LEAST, IS_NULL, IS_TRUE, IS_FALSE, NOT_EXISTS };

struct literal {
	struct str text;     /* an asterisk stands for any bytes */
	bool quoted, numeric;
	double number;
	const struct regex *regex; /* instead of text */
};

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_TRUE, VALUE_FALSE, VALUE_NULL, VALUE_OTHER };

struct value {
	enum value_kind kind;
	struct str text;
	bool loose;          /* text that may be meant as a number: fields parted by blanks */
	double number;
};

struct test {
	unsigned subject;
	enum comparison comparison;
	struct literal literal;
};

enum node_kind { NODE_TEST, NODE_AND, NODE_OR };

struct node {
	enum node_kind kind;
	unsigned left, right; /* numbers of nodes */
	struct test test;
};

struct condition {
	struct node nodes[PATTERN_NODES];
	unsigned count, root;
};

/* Reads a pattern's text. */
struct scan {
	struct str rest;
	struct arena *memory;
	struct error *err;
	unsigned regexes, regex_positions;
};

int scan_fail(struct scan *s, const char *what);
void scan_blanks(struct scan *s);
bool scan_take(struct scan *s, const char *word);    /* these bytes, blanks before them skipped */
bool scan_word(struct scan *s, const char *word);    /* a whole word, in any case */
/* "quoted", %regex% or bare up to one of `ends` or a blank. */
int scan_literal(struct scan *s, const char *ends, struct literal *out);

/* Reads a subject and gives its number. */
struct subject_parser {
	int (*parse)(struct scan *s, void *arg, unsigned *subject);
	void *arg;
	const char *ends;    /* of bare words */
	bool words;          /* IS NULL, NOT EXISTS and their like are allowed */
};

/* Comparisons joined by && and ||, with parentheses, && binding closer. Appends nodes; *root is the condition's. */
int condition_parse(struct scan *s, const struct subject_parser *sp, struct condition *c, unsigned *root);
bool condition_holds(const struct condition *c, unsigned root, bool (*holds)(void *arg, const struct test *t), void *arg);
bool value_passes(const struct value *v, const struct test *t);
bool glob_matches(struct str glob, struct str text);
bool text_is_number(struct str s, double *out);

/* ---- the kinds ---- */

struct terms;
struct fields;
struct members;

struct terms *terms_parse(struct scan *s);
bool terms_match(const struct terms *t, struct str message);

struct fields *fields_parse(struct scan *s);
bool fields_match(const struct fields *f, struct str message);
void fields_extract(const struct fields *f, struct str message, struct json_writer *w);

struct members *members_parse(struct scan *s);
bool members_match(const struct members *m, struct str message);
void members_extract(const struct members *m, struct str message, struct json_writer *w);

#endif
