/* Colours, progress lines and tables. Everything degrades to plain lines where standard output or error is no terminal. */
#ifndef MAYFLY_BIN_TERM_H
#define MAYFLY_BIN_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cli;

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW, TERM_STYLES };

/* Escape sequences; "" without colours. Ends a style: TERM_PLAIN. */
const char *term_out(const struct cli *cli, enum term_style style);
const char *term_err(const struct cli *cli, enum term_style style);

/* A passing remark on standard error: overwritten by the next on a terminal, a line elsewhere. --quiet hides it. */
void term_progress(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void term_progress_end(struct cli *cli); /* clears what a terminal shows */
void term_hint(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "1.5 KB", "12 MB", "3.2 ms", "4 s", "5 min ago"; into and returning dst. */
#define TERM_TEXT 48
char *term_bytes(char dst[TERM_TEXT], double bytes);
char *term_ms(char dst[TERM_TEXT], double ms);
char *term_ago(char dst[TERM_TEXT], double seconds);

/* Columns as wide as their widest cell. Cells are copied; row by row, TERM_COLUMNS_MAX at most. */
#define TERM_COLUMNS_MAX 12
struct term_table {
	const char *const *titles; /* column titles; the first character '>' aligns right and is not shown */
	size_t columns, cell_count, cell_cap;
	char **cells;
};
void term_table_init(struct term_table *t, const char *const *titles, size_t columns);
void term_table_add(struct term_table *t, const char *cell); /* the next cell */
void term_table_print(struct cli *cli, const struct term_table *t, FILE *out);
void term_table_release(struct term_table *t);

/* Text from outside with control characters shown as '?', so that a log line cannot steer the terminal. Tabs stay. */
void term_put_safe(FILE *out, const char *text, size_t n);

#endif
