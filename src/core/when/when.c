#include "core/when/when.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/when/when_priv.h"

#define SKIPS_MAX 4000 /* civil times in a row that are not there, or twice: a day's minutes, and then some */

struct when {
	enum when_kind kind;
	int64_t period_ms; /* rate */
	int64_t at_s;      /* at */
	struct when_cron cron;
	const struct when_zone *zone;
};

/* ---- parsing ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int parse_rate(struct when *w, struct str text, enum when_dialect dialect)
{
	static const struct {
		const char *one, *many;
		int64_t ms;
	} units[] = {{"minute", "minutes", 60000}, {"hour", "hours", 3600000}, {"day", "days", 86400000}};
	uint64_t value;
	text = str_trim(text);
	size_t n = 0;
	while (n < text.n && !is_blank(text.p[n]))
		n++;
	struct str unit = str_trim(str_sub(text, n, text.n));
	if (n > 9 || str_to_u64(str_sub(text, 0, n), 999999999, &value) < 0 || value == 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		bool one = str_eqz(unit, units[i].one), many = str_eqz(unit, units[i].many);
		if ((!one && !many) || (dialect == WHEN_RULE && one != (value == 1)))
			continue;
		w->kind = WHEN_RATE;
		w->period_ms = (int64_t)value * units[i].ms;
		return 0;
	}
	return -1;
}

/* Two or four digits at `*at`, then `mark` ('\0': the end). */
static int parse_part(struct str text, size_t *at, size_t digits, char mark, unsigned *out)
{
	uint64_t v;
	struct str part = str_sub(text, *at, *at + digits);
	if (part.n != digits || str_to_u64(part, 9999, &v) < 0)
		return -1;
	*at += digits;
	if (mark ? *at >= text.n || text.p[*at] != mark : *at != text.n)
		return -1;
	*at += mark != '\0';
	*out = (unsigned)v;
	return 0;
}

/* yyyy-mm-ddThh:mm:ss */
static int parse_at(struct when *w, struct str text)
{
	static const char marks[] = "--T::";
	unsigned part[6];
	size_t at = 0;
	int64_t moved;
	text = str_trim(text);
	for (unsigned i = 0; i < 6; i++)
		if (parse_part(text, &at, i == 0 ? 4 : 2, marks[i], &part[i]) < 0)
			return -1;
	if (part[0] < WHEN_YEAR_FIRST || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > when_month_days((int)part[0], part[1]) ||
	    part[3] > 23 || part[4] > 59 || part[5] > 59)
		return -1;
	int64_t local = when_days((int)part[0], part[1], part[2]) * WHEN_DAY_S + part[3] * 3600 + part[4] * 60 + part[5];
	w->kind = WHEN_AT;
	w->at_s = when_zone_instant(w->zone, local, &moved);
	if (w->at_s == WHEN_NONE)
		w->at_s = moved;
	return w->at_s == WHEN_NONE ? -1 : 0;
}

/* What stands between "NAME(" and ")". */
static bool call_of(struct str text, const char *name, struct str *inside)
{
	size_t n = strlen(name);
	if (!str_starts(text, str_from(name)) || text.n < n + 2 || text.p[n] != '(' || text.p[text.n - 1] != ')')
		return false;
	*inside = str_sub(text, n + 1, text.n - 1);
	return true;
}

static int parse(struct when *w, struct str text, enum when_dialect dialect)
{
	struct str inside;
	if (text.n > WHEN_TEXT_MAX)
		return -1;
	if (call_of(text, "rate", &inside))
		return parse_rate(w, inside, dialect);
	w->kind = WHEN_CRON;
	if (call_of(text, "cron", &inside))
		return when_cron_parse(&w->cron, inside);
	return dialect == WHEN_SCHEDULER && call_of(text, "at", &inside) ? parse_at(w, inside) : -1;
}

struct when *when_parse(struct when_zones *z, struct str text, struct str zone, enum when_dialect dialect, struct error *err)
{
	CLEANUP_FREE struct when *w = calloc(1, sizeof *w);
	if (!w) {
		error_set(err, ERR_NO_MEMORY, "no memory for a schedule");
		return NULL;
	}
	if (when_zone_get(z, zone, &w->zone, err) < 0)
		return NULL;
	if (parse(w, text, dialect) == 0)
		return STEAL_PTR(w);
	if (dialect == WHEN_RULE)
		error_set(err, ERR_VALIDATION, "Parameter ScheduleExpression is not valid.");
	else
		error_set(err, ERR_VALIDATION, "Invalid Schedule Expression " STR_FMT ".", (int)(text.n < 190 ? text.n : 190), text.p);
	return NULL;
}

void when_free(struct when *w)
{
	free(w);
}

enum when_kind when_kind(const struct when *w)
{
	return w->kind;
}

uint64_t when_period_ms(const struct when *w)
{
	return w->kind == WHEN_RATE ? (uint64_t)w->period_ms : 0;
}

/* ---- due times ---- */

static int64_t floor_s(int64_t ms)
{
	return ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
}

static int64_t rate_next(const struct when *w, int64_t anchor_ms, int64_t after_ms)
{
	if (after_ms < anchor_ms)
		return anchor_ms;
	int64_t past = (after_ms - anchor_ms) / w->period_ms + 1;
	return past > (INT64_MAX - anchor_ms) / w->period_ms ? WHEN_NEVER : anchor_ms + past * w->period_ms;
}

/* Civil time and instants run the same way, but in gaps (no instant) and in repeated hours (the first pass counts, so that the second
 * one's civil times lie in the past). */
static int64_t cron_next(const struct when *w, int64_t after_s)
{
	int64_t local = after_s + when_zone_offset(w->zone, after_s), moved;
	for (int i = 0; i < SKIPS_MAX; i++) {
		local = when_cron_next(&w->cron, local);
		if (local == WHEN_NONE)
			return WHEN_NEVER;
		int64_t utc = when_zone_instant(w->zone, local, &moved);
		if (utc != WHEN_NONE && utc > after_s)
			return utc * 1000;
		local += 60;
	}
	return WHEN_NEVER;
}

static int64_t cron_previous(const struct when *w, int64_t at_s)
{
	/* In the second pass of a repeated hour later civil times are over already: begin beyond them. */
	int64_t local = at_s + when_zone_offset(w->zone, at_s) + (w->zone ? 4 * 3600 : 0), moved;
	for (int i = 0; i < SKIPS_MAX; i++) {
		local = when_cron_previous(&w->cron, local);
		if (local == WHEN_NONE)
			return -1;
		int64_t utc = when_zone_instant(w->zone, local, &moved);
		if (utc != WHEN_NONE && utc <= at_s)
			return utc * 1000;
		local -= 60;
	}
	return -1;
}

int64_t when_next(const struct when *w, int64_t anchor_ms, int64_t after_ms)
{
	if (w->kind == WHEN_RATE)
		return rate_next(w, anchor_ms, after_ms);
	if (w->kind == WHEN_AT)
		return w->at_s * 1000 > after_ms ? w->at_s * 1000 : WHEN_NEVER;
	/* Nothing is due before 1970 or behind the last year; so far away additions would not fit. */
	if (after_ms > INT64_C(8000000000000))
		return WHEN_NEVER;
	return cron_next(w, floor_s(after_ms < -200000000 ? -200000000 : after_ms));
}

int64_t when_previous(const struct when *w, int64_t anchor_ms, int64_t at_ms)
{
	int64_t found;
	if (at_ms < anchor_ms)
		return -1;
	if (w->kind == WHEN_RATE)
		return anchor_ms + (at_ms - anchor_ms) / w->period_ms * w->period_ms;
	if (w->kind == WHEN_AT)
		found = w->at_s * 1000 <= at_ms ? w->at_s * 1000 : -1;
	else if (at_ms < 0)
		found = -1;
	else
		found = cron_previous(w, at_ms > INT64_C(8000000000000) ? INT64_C(8000000000) : at_ms / 1000);
	return found >= anchor_ms ? found : -1;
}
