#include "bin/mayfly/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bin/mayfly/cli.h"
#include "core/base/check.h"

static const char *const sequences[TERM_STYLES] = {"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};

const char *term_out(const struct cli *cli, enum term_style style)
{
	return cli->out_colour ? sequences[style] : "";
}

const char *term_err(const struct cli *cli, enum term_style style)
{
	return cli->err_colour ? sequences[style] : "";
}

void term_progress(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	if (cli->quiet)
		return;
	if (cli->progress)
		fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (!cli->progress)
		fputc('\n', stderr);
	fflush(stderr);
}

void term_progress_end(struct cli *cli)
{
	if (cli->progress && !cli->quiet)
		fputs("\r\033[K", stderr);
}

void term_hint(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	if (cli->quiet)
		return;
	term_progress_end(cli);
	fputs(term_err(cli, TERM_DIM), stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", term_err(cli, TERM_PLAIN));
}

char *term_bytes(char dst[TERM_TEXT], double bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	size_t unit = 0;
	while (bytes >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(dst, TERM_TEXT, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return dst;
}

char *term_ms(char dst[TERM_TEXT], double ms)
{
	if (ms < 1000)
		snprintf(dst, TERM_TEXT, ms < 100 ? "%.1f ms" : "%.0f ms", ms);
	else
		snprintf(dst, TERM_TEXT, "%.1f s", ms / 1000);
	return dst;
}

char *term_ago(char dst[TERM_TEXT], double seconds)
{
	static const struct {
		double from, size;
		const char *unit;
	} steps[] = {{172800, 86400, "days"}, {7200, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
	seconds = seconds < 0 ? 0 : seconds;
	size_t i = 0;
	while (seconds < steps[i].from)
		i++;
	snprintf(dst, TERM_TEXT, "%.0f %s ago", seconds / steps[i].size, steps[i].unit);
	return dst;
}

void term_table_init(struct term_table *t, const char *const *titles, size_t columns)
{
	ASSERT(columns > 0 && columns <= TERM_COLUMNS_MAX);
	*t = (struct term_table){.titles = titles, .columns = columns};
}

void term_table_add(struct term_table *t, const char *cell)
{
	if (t->cell_count == t->cell_cap) {
		t->cell_cap = t->cell_cap ? 2 * t->cell_cap : 64;
		t->cells = realloc(t->cells, t->cell_cap * sizeof *t->cells);
		ASSERT(t->cells);
	}
	t->cells[t->cell_count] = strdup(cell ? cell : "");
	ASSERT(t->cells[t->cell_count]);
	t->cell_count++;
}

static const char *title(const struct term_table *t, size_t column)
{
	return t->titles[column] + (*t->titles[column] == '>');
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static int width_of(const char *text)
{
	int width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(const struct term_table *t, size_t column, const char *text, int width, FILE *out)
{
	bool last = column + 1 == t->columns, right = *t->titles[column] == '>';
	int blanks = width - width_of(text);
	if (right)
		fprintf(out, "%*s", blanks, "");
	term_put_safe(out, text, strlen(text));
	if (!last)
		fprintf(out, "%*s", (right ? 0 : blanks) + 2, "");
}

void term_table_print(struct cli *cli, const struct term_table *t, FILE *out)
{
	int widths[TERM_COLUMNS_MAX];
	ASSERT(t->columns > 0);
	for (size_t c = 0; c < t->columns; c++)
		widths[c] = width_of(title(t, c));
	for (size_t i = 0; i < t->cell_count; i++) {
		int w = width_of(t->cells[i]);
		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	fputs(term_out(cli, TERM_DIM), out);
	for (size_t c = 0; c < t->columns; c++)
		print_cell(t, c, title(t, c), widths[c], out);
	fprintf(out, "%s\n", term_out(cli, TERM_PLAIN));
	for (size_t i = 0; i < t->cell_count; i++) {
		print_cell(t, i % t->columns, t->cells[i], widths[i % t->columns], out);
		if ((i + 1) % t->columns == 0)
			fputc('\n', out);
	}
}

void term_table_release(struct term_table *t)
{
	for (size_t i = 0; i < t->cell_count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct term_table){0};
}

void term_put_safe(FILE *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
		bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0; /* control characters that UTF-8 writes as two bytes */
		fputc((c < 32 && c != '\t') || c == 127 || c1 ? '?' : c, out);
		i += c1;
	}
}
