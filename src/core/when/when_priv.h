/* What the parts of core/when share. "Local" is civil time in a zone, counted in seconds as if it were UTC. */
#ifndef MAYFLY_WHEN_PRIV_H
#define MAYFLY_WHEN_PRIV_H

#include "core/when/when.h"

#define WHEN_NONE INT64_MIN
#define WHEN_YEAR_FIRST 1970
#define WHEN_YEAR_LAST 2199
#define WHEN_YEARS (WHEN_YEAR_LAST - WHEN_YEAR_FIRST + 1)
#define WHEN_DAY_S 86400

/* ---- the calendar ---- */

struct when_date {
	int year;
	unsigned month, day; /* from 1 */
};

int64_t when_days(int year, unsigned month, unsigned day); /* since 1970-01-01 */
struct when_date when_date_of(int64_t days);
unsigned when_month_days(int year, unsigned month);
unsigned when_weekday(int64_t days); /* 0 Sunday */

/* ---- cron ---- */

struct when_cron {
	uint64_t minutes;
	uint32_t hours, days;
	uint16_t months;
	uint8_t weekdays; /* bit 0: Sunday */
	bool any_weekday; /* day-of-week is "?": days decide, else weekdays */
	/* day-of-month */
	bool last, last_weekday; /* L, LW */
	unsigned before_last;    /* L-3 */
	uint32_t near_weekday;   /* bit d: dW */
	/* day-of-week */
	uint8_t last_of_month; /* bit: 6L */
	uint8_t nth, nth_day;  /* nth 0: none; 3#2: day 2, nth 2 */
	uint64_t years[(WHEN_YEARS + 63) / 64];
};

int when_cron_parse(struct when_cron *c, struct str fields); /* without "cron(" and ")"; -1: malformed */
/* The first matching local time at or behind `from`; the last at or before it. WHEN_NONE: there is none. */
int64_t when_cron_next(const struct when_cron *c, int64_t from);
int64_t when_cron_previous(const struct when_cron *c, int64_t from);

/* ---- zones ---- */

struct when_zone;

/* NULL for UTC with `*out` NULL. -1: ERR_VALIDATION unknown, ERR_IO, ERR_NO_MEMORY. The cache owns it. */
int when_zone_get(struct when_zones *z, struct str name, const struct when_zone **out, struct error *err);
/* A zone from a file's bytes; NULL when they are no TZif of version 2 or later. For the cache, and for fuzzing. */
struct when_zone *when_zone_read(struct str bytes);
void when_zone_free(struct when_zone *zone);
int64_t when_zone_offset(const struct when_zone *zone, int64_t utc); /* seconds east; `zone` NULL: 0 */
/* The first instant that is `local`. In a gap WHEN_NONE, and `*moved` the instant that is as far behind the gap's begin. */
int64_t when_zone_instant(const struct when_zone *zone, int64_t local, int64_t *moved);

#endif
