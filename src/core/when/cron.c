/* cron's six fields, and the next and the previous civil time that they describe. */
#include <string.h>

#include "core/base/check.h"
#include "core/when/when_priv.h"

/* ---- parsing ---- */

struct field {
	unsigned low, high;
	const char *names; /* of three letters each, for low, low + 1, ... */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR, FIELDS };

static const struct field fields[FIELDS] = {
	[MINUTE] = {0, 59, ""},
	[HOUR] = {0, 23, ""},
	[DAY] = {1, 31, ""},
	[MONTH] = {1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	[WEEKDAY] = {1, 7, "SUNMONTUEWEDTHUFRISAT"},
	[YEAR] = {WHEN_YEAR_FIRST, WHEN_YEAR_LAST, ""},
};

/* The values of a field, bit v - low. */
struct values {
	uint64_t bits[(WHEN_YEARS + 63) / 64];
};

static int parse_value(const struct field *f, struct str s, unsigned *out)
{
	uint64_t v;
	for (unsigned i = 0; s.n == 3 && f->names[i]; i += 3)
		if (str_case_eq(s, (struct str){f->names + i, 3})) {
			*out = f->low + i / 3;
			return 0;
		}
	if (s.n > 4 || str_to_u64(s, f->high, &v) < 0 || v < f->low)
		return -1;
	*out = (unsigned)v;
	return 0;
}

/* "*", "a", "a-b", each with "/n"; "a/n" goes on to the end; "/n" is every n from the beginning. */
static int parse_item(const struct field *f, struct str item, struct values *out)
{
	unsigned size = f->high - f->low + 1, from = f->low, to = f->high;
	size_t slash = str_find(item, '/');
	struct str range = str_sub(item, 0, slash), step_text = str_sub(item, slash + 1, item.n);
	uint64_t step = 1;
	if (slash < item.n && (str_to_u64(step_text, size, &step) < 0 || step == 0))
		return -1;
	size_t dash = str_find(range, '-');
	if (range.n == 0 && slash == item.n)
		return -1;
	if (range.n && !str_eqz(range, "*")) {
		if (parse_value(f, str_sub(range, 0, dash), &from) < 0)
			return -1;
		to = slash < item.n ? f->high : from;
		if (dash < range.n && parse_value(f, str_sub(range, dash + 1, range.n), &to) < 0)
			return -1;
	}
	if (to < from && f->low == WHEN_YEAR_FIRST)
		return -1;
	unsigned count = to >= from ? to - from : to + size - from;
	for (unsigned i = 0; i <= count; i += (unsigned)step) {
		unsigned v = (from - f->low + i) % size;
		out->bits[v / 64] |= UINT64_C(1) << v % 64;
	}
	return 0;
}

/* What only a day of the month may be; 1: it is none of these. */
static int parse_day_item(struct when_cron *c, struct str item)
{
	uint64_t v;
	if (str_case_eq(item, STR("L")))
		c->last = true;
	else if (str_case_eq(item, STR("LW")) || str_case_eq(item, STR("WL")))
		c->last_weekday = true;
	else if (item.n > 2 && (item.p[0] | 0x20) == 'l' && item.p[1] == '-') {
		if (str_to_u64(str_sub(item, 2, item.n), 30, &v) < 0 || c->before_last)
			return -1;
		c->last = c->last || v == 0;
		c->before_last = (unsigned)v;
	} else if (item.n > 1 && (item.p[item.n - 1] | 0x20) == 'w') {
		if (item.n > 3 || str_to_u64(str_sub(item, 0, item.n - 1), 31, &v) < 0 || v == 0)
			return -1;
		c->near_weekday |= UINT32_C(1) << v;
	} else {
		return 1;
	}
	return 0;
}

static int parse_weekday_item(struct when_cron *c, struct str item)
{
	unsigned day;
	uint64_t nth;
	size_t hash = str_find(item, '#');
	if (str_case_eq(item, STR("L"))) { /* of the week: Saturday */
		c->weekdays |= 1u << 6;
		return 0;
	}
	if (hash < item.n) {
		if (c->nth || parse_value(&fields[WEEKDAY], str_sub(item, 0, hash), &day) < 0 ||
		    str_to_u64(str_sub(item, hash + 1, item.n), 5, &nth) < 0 || nth == 0)
			return -1;
		c->nth = (uint8_t)nth;
		c->nth_day = (uint8_t)(day - 1);
		return 0;
	}
	if (item.n > 1 && (item.p[item.n - 1] | 0x20) == 'l') {
		if (parse_value(&fields[WEEKDAY], str_sub(item, 0, item.n - 1), &day) < 0)
			return -1;
		c->last_of_month |= (uint8_t)(1u << (day - 1));
		return 0;
	}
	return 1;
}

static int parse_field(struct when_cron *c, unsigned index, struct str text, struct values *out)
{
	struct str rest = text, item;
	unsigned items = 0;
	if (text.n == 0 || text.p[text.n - 1] == ',')
		return -1;
	for (; str_split(&rest, ',', &item); items++) {
		int special = index == DAY ? parse_day_item(c, item) : index == WEEKDAY ? parse_weekday_item(c, item) : 1;
		if (special < 0 || (special > 0 && parse_item(&fields[index], item, out) < 0))
			return -1;
	}
	return index == WEEKDAY && c->nth && items > 1 ? -1 : 0;
}

static bool next_word(struct str *rest, struct str *word)
{
	size_t at = 0, end;
	while (at < rest->n && (rest->p[at] == ' ' || rest->p[at] == '\t'))
		at++;
	for (end = at; end < rest->n && rest->p[end] != ' ' && rest->p[end] != '\t';)
		end++;
	*word = str_sub(*rest, at, end);
	*rest = str_sub(*rest, end, rest->n);
	return word->n > 0;
}

int when_cron_parse(struct when_cron *c, struct str text)
{
	struct values v[FIELDS] = {{{0}}};
	struct str word[FIELDS], more;
	struct when_cron out = {.minutes = 0};
	for (unsigned i = 0; i < FIELDS; i++)
		if (!next_word(&text, &word[i]))
			return -1;
	out.any_weekday = str_eqz(word[WEEKDAY], "?");
	if (next_word(&text, &more) || str_eqz(word[DAY], "?") == out.any_weekday)
		return -1;
	for (unsigned i = 0; i < FIELDS; i++)
		if (!((i == DAY || i == WEEKDAY) && str_eqz(word[i], "?")) && parse_field(&out, i, word[i], &v[i]) < 0)
			return -1;
	out.minutes = v[MINUTE].bits[0];
	out.hours = (uint32_t)v[HOUR].bits[0];
	out.days = (uint32_t)(v[DAY].bits[0] << 1);
	out.months = (uint16_t)(v[MONTH].bits[0] << 1);
	out.weekdays |= (uint8_t)v[WEEKDAY].bits[0];
	memcpy(out.years, v[YEAR].bits, sizeof out.years);
	*c = out;
	return 0;
}

/* ---- days ---- */

/* The working day next to day `day` of the month, without leaving it. */
static unsigned near_weekday(int year, unsigned month, unsigned day)
{
	unsigned last = when_month_days(year, month), weekday = when_weekday(when_days(year, month, day));
	if (weekday == 6)
		return day > 1 ? day - 1 : day + 2;
	if (weekday == 0)
		return day < last ? day + 1 : day - 2;
	return day;
}

static bool month_day_fits(const struct when_cron *c, int year, unsigned month, unsigned day)
{
	unsigned last = when_month_days(year, month);
	if (c->days >> day & 1 || (c->last && day == last) || (c->before_last && day + c->before_last == last))
		return true;
	if (c->last_weekday && day == near_weekday(year, month, last))
		return true;
	for (unsigned d = 1; c->near_weekday && d <= last; d++)
		if (c->near_weekday >> d & 1 && near_weekday(year, month, d) == day)
			return true;
	return false;
}

static bool day_fits(const struct when_cron *c, int year, unsigned month, unsigned day)
{
	if (c->any_weekday)
		return month_day_fits(c, year, month, day);
	unsigned weekday = when_weekday(when_days(year, month, day));
	if (c->weekdays >> weekday & 1 || (c->nth && weekday == c->nth_day && (day + 6) / 7 == c->nth))
		return true;
	return c->last_of_month >> weekday & 1 && day + 7 > when_month_days(year, month);
}

static bool year_fits(const struct when_cron *c, int year)
{
	unsigned i = (unsigned)(year - WHEN_YEAR_FIRST);
	return c->years[i / 64] >> i % 64 & 1;
}

/* The first day that fits at or behind `day`; WHEN_NONE. */
static int64_t next_day(const struct when_cron *c, int64_t day)
{
	struct when_date d = when_date_of(day < 0 ? 0 : day);
	for (; d.year <= WHEN_YEAR_LAST; d.year++, d.month = 1, d.day = 1) {
		if (!year_fits(c, d.year))
			continue;
		for (; d.month <= 12; d.month++, d.day = 1)
			for (; c->months >> d.month & 1 && d.day <= when_month_days(d.year, d.month); d.day++)
				if (day_fits(c, d.year, d.month, d.day))
					return when_days(d.year, d.month, d.day);
	}
	return WHEN_NONE;
}

static int64_t previous_day(const struct when_cron *c, int64_t day)
{
	struct when_date d = when_date_of(day);
	if (d.year > WHEN_YEAR_LAST)
		d = (struct when_date){WHEN_YEAR_LAST, 12, 31};
	for (; d.year >= WHEN_YEAR_FIRST; d.year--, d.month = 12, d.day = 31) {
		if (!year_fits(c, d.year))
			continue;
		for (; d.month >= 1; d.month--, d.day = 31) {
			if (!(c->months >> d.month & 1))
				continue;
			unsigned last = when_month_days(d.year, d.month);
			for (d.day = d.day < last ? d.day : last; d.day >= 1; d.day--)
				if (day_fits(c, d.year, d.month, d.day))
					return when_days(d.year, d.month, d.day);
		}
	}
	return WHEN_NONE;
}

/* ---- times of a day, in minutes ---- */

static int next_minute(const struct when_cron *c, int from)
{
	for (int hour = from / 60, minute = from % 60; hour < 24; hour++, minute = 0) {
		uint64_t left = c->hours >> hour & 1 ? c->minutes >> minute : 0;
		if (left)
			return hour * 60 + minute + __builtin_ctzll(left);
	}
	return -1;
}

static int previous_minute(const struct when_cron *c, int from)
{
	for (int hour = from / 60, minute = from % 60; hour >= 0; hour--, minute = 59) {
		uint64_t left = c->hours >> hour & 1 ? c->minutes << (63 - minute) : 0;
		if (left)
			return hour * 60 + minute - __builtin_clzll(left);
	}
	return -1;
}

static int64_t floor_day(int64_t local)
{
	return local >= 0 ? local / WHEN_DAY_S : -((-local + WHEN_DAY_S - 1) / WHEN_DAY_S);
}

int64_t when_cron_next(const struct when_cron *c, int64_t from)
{
	int64_t start = floor_day(from), day = next_day(c, start);
	if (day == WHEN_NONE)
		return WHEN_NONE;
	int minute = -1;
	if (day == start) {
		int64_t of_day = (from - start * WHEN_DAY_S + 59) / 60;
		minute = of_day < 1440 ? next_minute(c, (int)of_day) : -1;
		if (minute < 0)
			day = next_day(c, start + 1);
	}
	if (day == WHEN_NONE)
		return WHEN_NONE;
	return day * WHEN_DAY_S + (minute >= 0 ? minute : next_minute(c, 0)) * 60;
}

int64_t when_cron_previous(const struct when_cron *c, int64_t from)
{
	int64_t start = floor_day(from), day = previous_day(c, start);
	int minute = -1;
	if (day == WHEN_NONE)
		return WHEN_NONE;
	if (day == start) {
		minute = previous_minute(c, (int)((from - start * WHEN_DAY_S) / 60));
		if (minute < 0)
			day = previous_day(c, start - 1);
	}
	if (day == WHEN_NONE)
		return WHEN_NONE;
	return day * WHEN_DAY_S + (minute >= 0 ? minute : previous_minute(c, 1439)) * 60;
}
