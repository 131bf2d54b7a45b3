/* Schedule expressions: rate(5 minutes), cron(0 10 ? * MON-FRI *), at(2026-12-24T18:00:00), and when they are due next.
 *
 * cron has AWS's six fields (minutes hours day-of-month month day-of-week year, with , - * ? / L W #); one of the two days is ?.
 * Names of months and days in any case; ranges may wrap (FRI-MON, 22-2); day-of-month also LW and L-3 (three days before the last); W stays
 * in its month. At most one # expression. Years 1970-2199. A time zone (IANA name) counts for cron and at; rate is measured from an
 * anchor. Zones are read from /usr/share/zoneinfo (TZif version 2+, with the footer's rule for years beyond the table) once, by our own
 * reader: libc's TZ is a global.
 *
 * Summer time as EventBridge Scheduler does it: a cron time that does not exist that day is left out; one that is there twice counts once (the
 * first). An at() time that does not exist is moved by the gap's length (2:30 becomes 3:30), since it has no other day.
 *
 * All times are milliseconds of wall time since 1970, whole seconds. Pure but for the reading of the zone's file (when_parse);
 * no clock of its own. A parsed expression is constant. */
#ifndef MAYFLY_WHEN_WHEN_H
#define MAYFLY_WHEN_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define WHEN_NEVER INT64_MAX
#define WHEN_TEXT_MAX 256u

enum when_kind { WHEN_RATE, WHEN_CRON, WHEN_AT };

struct when; /* refers to its zone, which the cache keeps */

/* Zones that were read; one for a program (passed on, not global). One thread. */
struct when_zones;
struct when_zones *when_zones_new(struct error *err);
void when_zones_free(struct when_zones *z); /* after all expressions */

/* Which forms a caller takes: rules know no at() and no zone, rate's unit must agree with its number (1 minute, 5 minutes), and AWS's text
 * of refusal differs. */
enum when_dialect { WHEN_RULE, WHEN_SCHEDULER };

/* `zone` p NULL or empty: UTC. NULL: ERR_VALIDATION with AWS's text ("Parameter ScheduleExpression is not valid." for rules, "Invalid Schedule
 * Expression TEXT." for schedules), or our own for the zone; ERR_NO_MEMORY; ERR_IO. */
struct when *when_parse(struct when_zones *z, struct str text, struct str zone, enum when_dialect dialect, struct error *err);
void when_free(struct when *w); /* NULL is fine */

enum when_kind when_kind(const struct when *w);
/* The first time later than `after_ms`; WHEN_NEVER when there is none. `anchor_ms`: when the schedule began (its StartDate, or when it
 * was made or enabled): a rate is due at the anchor and every period from there; who does not want the anchor itself asks with
 * after_ms = anchor_ms. Others ignore it. */
int64_t when_next(const struct when *w, int64_t anchor_ms, int64_t after_ms);
/* The latest time at or before `at_ms`, and not before the anchor; -1: none. For fires that were missed. */
int64_t when_previous(const struct when *w, int64_t anchor_ms, int64_t at_ms);
uint64_t when_period_ms(const struct when *w); /* of a rate; else 0 */

#endif
