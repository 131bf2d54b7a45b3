/* A piece of text somebody else owns: pointer and length, not ended by NUL. Passed by value. */
#ifndef MAYFLY_BASE_STR_H
#define MAYFLY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){("" lit), sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

struct str str_from(const char *z); /* NULL gives an empty one with p NULL */
bool str_eq(struct str a, struct str b);
bool str_eqz(struct str a, const char *z);
bool str_case_eq(struct str a, struct str b); /* ASCII letters only */
int str_cmp(struct str a, struct str b);      /* byte order */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Position of the first `c`, or s.n. */
size_t str_find(struct str s, char c);
struct str str_sub(struct str s, size_t from, size_t to); /* clamped */
struct str str_trim(struct str s);                        /* blanks and tabs at both ends */
/* Cuts the next piece up to `sep` off `*rest`; false when nothing is left. "a,,b" gives "a", "", "b". */
bool str_split(struct str *rest, char sep, struct str *piece);
/* Decimal digits only (no sign, no blank), the whole string, no overflow, at most `max`; -1 otherwise. */
int str_to_u64(struct str s, uint64_t max, uint64_t *out);
/* Copies with a closing NUL; -1 (dst untouched) when it does not fit. */
int str_copy(char *dst, size_t size, struct str s);
char *str_dup(struct str s); /* malloc, NUL-terminated; NULL when out of memory */

#endif
