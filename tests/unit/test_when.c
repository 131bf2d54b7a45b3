/* Schedule expressions: what is taken, what is due when; zones against libc's. */
#include <stdlib.h>
#include <time.h>

#include "core/base/check.h"
#include "core/when/when.h"
#include "core/when/when_priv.h"
#include "tests/unit/test.h"

/* "2024-02-29 10:00" or with seconds, UTC; NULL: never or none. */
static int64_t ms(const char *text, int64_t none)
{
	struct tm tm = {0};
	if (!text)
		return none;
	if (!strptime(text, strlen(text) > 16 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &tm))
		abort();
	return (int64_t)timegm(&tm) * 1000;
}

static void show(char *dst, size_t size, int64_t v)
{
	time_t t = (time_t)(v / 1000);
	struct tm tm;
	if (v == WHEN_NEVER || v == -1)
		snprintf(dst, size, "none");
	else
		strftime(dst, size, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
}

struct row {
	const char *text, *zone, *from, *next[3]; /* one after the other; NULL: never */
};

static const struct row cron_rows[] = {
	/* AWS's examples */
	{"cron(0 10 * * ? *)", NULL, "2024-01-31 10:00", {"2024-02-01 10:00", "2024-02-02 10:00", "2024-02-03 10:00"}},
	{"cron(15 12 * * ? *)", NULL, "2024-01-31 12:14:59", {"2024-01-31 12:15", "2024-02-01 12:15", "2024-02-02 12:15"}},
	{"cron(0 18 ? * MON-FRI *)", NULL, "2024-01-05 18:00", {"2024-01-08 18:00", "2024-01-09 18:00", "2024-01-10 18:00"}},
	{"cron(0 8 1 * ? *)", NULL, "2024-11-01 08:00", {"2024-12-01 08:00", "2025-01-01 08:00", "2025-02-01 08:00"}},
	{"cron(0/15 * * * ? *)", NULL, "2024-01-01 23:40", {"2024-01-01 23:45", "2024-01-02 00:00", "2024-01-02 00:15"}},
	{"cron(0/10 * ? * MON-FRI *)", NULL, "2024-01-05 23:50", {"2024-01-08 00:00", "2024-01-08 00:10", "2024-01-08 00:20"}},
	{"cron(0/5 8-17 ? * MON-FRI *)", NULL, "2024-01-05 17:50", {"2024-01-05 17:55", "2024-01-08 08:00", "2024-01-08 08:05"}},
	{"cron(0/30 20-2 ? * MON-FRI *)", NULL, "2024-01-01 02:00", {"2024-01-01 02:30", "2024-01-01 20:00", "2024-01-01 20:30"}},
	{"cron(15 10 ? * 6L 2022-2023)", NULL, "2023-10-30 00:00", {"2023-11-24 10:15", "2023-12-29 10:15", NULL}},
	{"cron(15 10 ? * 6L 2022-2023)", NULL, "2021-05-01 00:00", {"2022-01-28 10:15", "2022-02-25 10:15", "2022-03-25 10:15"}},
	/* days of the month */
	{"cron(0 0 L * ? *)", NULL, "2023-01-31 00:00", {"2023-02-28 00:00", "2023-03-31 00:00", "2023-04-30 00:00"}},
	{"cron(0 0 L 2 ? *)", NULL, "2023-03-01 00:00", {"2024-02-29 00:00", "2025-02-28 00:00", "2026-02-28 00:00"}},
	{"cron(0 0 L-2 * ? *)", NULL, "2023-01-30 00:00", {"2023-02-26 00:00", "2023-03-29 00:00", "2023-04-28 00:00"}},
	{"cron(0 0 LW * ? *)", NULL, "2024-02-28 00:00", {"2024-02-29 00:00", "2024-03-29 00:00", "2024-04-30 00:00"}},
	{"cron(0 0 3W * ? *)", NULL, "2024-01-01 00:00", {"2024-01-03 00:00", "2024-02-02 00:00", "2024-03-04 00:00"}},
	{"cron(0 0 1W * ? *)", NULL, "2024-05-31 00:00", {"2024-06-03 00:00", "2024-07-01 00:00", "2024-08-01 00:00"}},
	{"cron(0 0 31W * ? *)", NULL, "2024-01-01 00:00", {"2024-01-31 00:00", "2024-03-29 00:00", "2024-05-31 00:00"}},
	{"cron(0 0 29 2 ? *)", NULL, "2096-03-01 00:00", {"2104-02-29 00:00", "2108-02-29 00:00", "2112-02-29 00:00"}},
	{"cron(0 0 30 2 ? *)", NULL, "2024-01-01 00:00", {NULL}},
	{"cron(0 0 31 4,6,9,11 ? *)", NULL, "2024-01-01 00:00", {NULL}},
	{"cron(0 0 1,15,L * ? *)", NULL, "2024-02-01 00:00", {"2024-02-15 00:00", "2024-02-29 00:00", "2024-03-01 00:00"}},
	{"cron(0 1-1 1-31/30 * ? *)", NULL, "2024-01-31 01:00", {"2024-02-01 01:00", "2024-03-01 01:00", "2024-03-31 01:00"}},
	/* days of the week */
	{"cron(0 0 ? * 3#2 *)", NULL, "2024-01-01 00:00", {"2024-01-09 00:00", "2024-02-13 00:00", "2024-03-12 00:00"}},
	{"cron(0 0 ? * FRI#5 *)", NULL, "2024-01-01 00:00", {"2024-03-29 00:00", "2024-05-31 00:00", "2024-08-30 00:00"}},
	{"cron(0 0 ? * L *)", NULL, "2024-01-01 00:00", {"2024-01-06 00:00", "2024-01-13 00:00", "2024-01-20 00:00"}},
	{"cron(0 0 ? * SUN,wed *)", NULL, "2024-01-01 00:00", {"2024-01-03 00:00", "2024-01-07 00:00", "2024-01-10 00:00"}},
	{"cron(0 0 ? * FRI-MON *)", NULL, "2024-01-02 00:00", {"2024-01-05 00:00", "2024-01-06 00:00", "2024-01-07 00:00"}},
	{"cron(0 0 ? * 2,3,4,5,6,7 *)", NULL, "2024-01-06 00:00", {"2024-01-08 00:00", "2024-01-09 00:00", "2024-01-10 00:00"}},
	{"cron(0 12 ? 1/3 MON#1 *)", NULL, "2024-01-01 12:00", {"2024-04-01 12:00", "2024-07-01 12:00", "2024-10-07 12:00"}},
	/* steps, names, years */
	{"cron(*/20,7 0 * * ? *)", NULL, "2024-01-01 00:00", {"2024-01-01 00:07", "2024-01-01 00:20", "2024-01-01 00:40"}},
	{"cron(10-20/5 0 * * ? *)", NULL, "2024-01-01 00:10", {"2024-01-01 00:15", "2024-01-01 00:20", "2024-01-02 00:10"}},
	{"cron(0 0 1 jan,Jul ? *)", NULL, "2024-01-01 00:00", {"2024-07-01 00:00", "2025-01-01 00:00", "2025-07-01 00:00"}},
	{"cron(0 0 1 1 ? 2198/1)", NULL, "2024-01-01 00:00", {"2198-01-01 00:00", "2199-01-01 00:00", NULL}},
	{"cron(0 0 1 1 ? 1970)", NULL, "1969-12-31 23:59", {"1970-01-01 00:00", NULL}},
	{"cron(  0\t10  *   *  ? * )", NULL, "2024-01-31 10:00", {"2024-02-01 10:00"}},
	/* summer time: New York springs forward at 2:00 on March 10th 2024, and falls back at 2:00 on November 3rd */
	{"cron(30 2 * * ? *)", "America/New_York", "2024-03-09 07:30", {"2024-03-11 06:30", "2024-03-12 06:30", "2024-03-13 06:30"}},
	{"cron(0 3 * * ? *)", "America/New_York", "2024-03-09 08:00", {"2024-03-10 07:00", "2024-03-11 07:00", "2024-03-12 07:00"}},
	{"cron(30 1 * * ? *)", "America/New_York", "2024-11-02 05:30", {"2024-11-03 05:30", "2024-11-04 06:30", "2024-11-05 06:30"}},
	{"cron(0/30 * * * ? *)", "America/New_York", "2024-11-03 05:00", {"2024-11-03 05:30", "2024-11-03 07:00", "2024-11-03 07:30"}},
	{"cron(0/30 * * * ? *)", "America/New_York", "2024-11-03 06:10", {"2024-11-03 07:00", "2024-11-03 07:30", "2024-11-03 08:00"}},
	{"cron(0/30 * * * ? *)", "America/New_York", "2024-03-10 06:10", {"2024-03-10 06:30", "2024-03-10 07:00", "2024-03-10 07:30"}},
	{"cron(0 9 * * ? *)", "Europe/Berlin", "2024-03-30 00:00", {"2024-03-30 08:00", "2024-03-31 07:00", "2024-04-01 07:00"}},
	{"cron(0 12 1 7 ? *)", "Australia/Lord_Howe", "2024-01-01 00:00", {"2024-07-01 01:30"}},
	{"cron(15 2 6 10 ? 2024)", "Australia/Lord_Howe", "2024-10-01 00:00", {NULL}}, /* a gap of half an hour */
	{"cron(45 1 7 4 ? 2024)", "Australia/Lord_Howe", "2024-04-01 00:00", {"2024-04-06 14:45", NULL}},
	{"cron(0 0 30 12 ? 2011)", "Pacific/Apia", "2011-12-01 00:00", {NULL}}, /* a day that was left out */
	{"cron(0 * * * ? *)", "Pacific/Apia", "2011-12-30 09:00", {"2011-12-30 10:00", "2011-12-30 11:00"}},
	{"cron(0 10 * * ? *)", "Asia/Kolkata", "2024-01-01 00:00", {"2024-01-01 04:30"}},
	{"cron(0 10 * * ? *)", "UTC", "2024-01-01 00:00", {"2024-01-01 10:00"}},
	{"cron(0 10 * * ? *)", "Etc/GMT+5", "2024-01-01 00:00", {"2024-01-01 15:00"}},
	/* beyond the file's table: the footer's rule */
	{"cron(0 12 1 1,7 ? *)", "America/New_York", "2150-01-01 00:00", {"2150-01-01 17:00", "2150-07-01 16:00", "2151-01-01 17:00"}},
	{"cron(30 2 10-16 3 ? 2150)", "America/New_York", "2150-03-07 00:00", {"2150-03-10 06:30"}},
	{"cron(0 12 1 1,7 ? *)", "Australia/Sydney", "2150-01-01 00:00", {"2150-01-01 01:00", "2150-07-01 02:00", "2151-01-01 01:00"}},
	{"cron(0 12 1 1,7 ? *)", "Europe/Dublin", "2150-01-01 00:00", {"2150-01-01 12:00", "2150-07-01 11:00", "2151-01-01 12:00"}},
	{"at(2024-12-24T18:00:00)", NULL, "2024-01-01 00:00", {"2024-12-24 18:00", NULL}},
	{"at(2024-12-24T18:00:30)", "Europe/Berlin", "2024-01-01 00:00", {"2024-12-24 17:00:30", NULL}},
	{"at(2024-03-10T02:30:00)", "America/New_York", "2024-01-01 00:00", {"2024-03-10 07:30", NULL}}, /* 3:30 there */
	{"at(2024-11-03T01:30:00)", "America/New_York", "2024-01-01 00:00", {"2024-11-03 05:30", NULL}},
};

static int check_row(struct when_zones *z, const struct row *r)
{
	struct error err = {0};
	struct when *w = when_parse(z, str_from(r->text), str_from(r->zone), WHEN_SCHEDULER, &err);
	if (!w) {
		printf("%s: %s\n", r->text, err.msg);
		return 1;
	}
	int64_t at = ms(r->from, 0), found = 0;
	int bad = 0;
	for (size_t i = 0; i < ARRAY_LEN(r->next) && (i == 0 || r->next[i] || found == WHEN_NEVER) && at != WHEN_NEVER; i++) {
		int64_t want = ms(r->next[i], WHEN_NEVER);
		char have[32];
		found = when_next(w, 0, at);
		show(have, sizeof have, found);
		if (found != want) {
			printf("%s in %s after %s [%zu]: %s, not %s\n", r->text, r->zone ? r->zone : "UTC", r->from, i, have, r->next[i] ? r->next[i] : "none");
			bad = 1;
			break;
		}
		/* What is due is the latest at its own time, and until just before the next. */
		int64_t beyond = found == WHEN_NEVER ? WHEN_NEVER : when_next(w, 0, found);
		if (found != WHEN_NEVER && (when_previous(w, 0, found) != found || (beyond != WHEN_NEVER && when_previous(w, 0, beyond - 1) != found))) {
			show(have, sizeof have, when_previous(w, 0, found));
			printf("%s [%zu]: the previous one is %s\n", r->text, i, have);
			bad = 1;
		}
		at = found;
	}
	when_free(w);
	return bad;
}

TEST(due_times)
{
	struct when_zones *z = when_zones_new(NULL);
	int bad = 0;
	CHECK(z);
	for (size_t i = 0; i < ARRAY_LEN(cron_rows); i++)
		bad += check_row(z, &cron_rows[i]);
	when_zones_free(z);
	CHECK_INT(bad, 0);
}

TEST(a_schedule_that_ends)
{
	struct when_zones *z = when_zones_new(NULL);
	struct when *w = when_parse(z, STR("cron(0 0 1 1 ? 2020)"), STR_NULL, WHEN_RULE, NULL);
	CHECK(w);
	CHECK(when_next(w, 0, ms("2020-01-01 00:00", 0)) == WHEN_NEVER);
	CHECK(when_previous(w, 0, ms("2030-01-01 00:00", 0)) == ms("2020-01-01 00:00", 0));
	CHECK_INT(when_previous(w, 0, ms("2019-12-31 23:59:59", 0)), -1);
	CHECK_INT(when_previous(w, ms("2020-01-01 00:01", 0), ms("2030-01-01 00:00", 0)), -1); /* before the anchor */
	CHECK(when_next(w, 0, INT64_MAX - 1) == WHEN_NEVER);
	CHECK(when_next(w, 0, INT64_MIN) == ms("2020-01-01 00:00", 0));
	CHECK_INT(when_kind(w), WHEN_CRON);
	CHECK_INT(when_period_ms(w), 0);
	when_free(w);
	when_zones_free(z);
}

TEST(rates_count_from_their_anchor)
{
	struct when_zones *z = when_zones_new(NULL);
	struct when *w = when_parse(z, STR("rate(5 minutes)"), STR_NULL, WHEN_RULE, NULL);
	CHECK(w);
	CHECK_INT(when_kind(w), WHEN_RATE);
	CHECK_INT(when_period_ms(w), 300000);
	int64_t anchor = 1700000123000;
	CHECK_INT(when_next(w, anchor, anchor - 1), anchor);
	CHECK_INT(when_next(w, anchor, 0), anchor);
	CHECK_INT(when_next(w, anchor, anchor), anchor + 300000);
	CHECK_INT(when_next(w, anchor, anchor + 299999), anchor + 300000);
	CHECK_INT(when_next(w, anchor, anchor + 300000), anchor + 600000);
	CHECK_INT(when_previous(w, anchor, anchor - 1), -1);
	CHECK_INT(when_previous(w, anchor, anchor + 299999), anchor);
	CHECK_INT(when_previous(w, anchor, anchor + 900001), anchor + 900000);
	CHECK(when_next(w, anchor, INT64_MAX - 1) == WHEN_NEVER);
	when_free(w);
	when_zones_free(z);
}

static const struct {
	const char *text;
	bool rule, scheduler;
} forms[] = {
	{"rate(1 minute)", true, true}, {"rate(2 hours)", true, true}, {"rate(7 days)", true, true}, {"rate(1 minutes)", false, true},
	{"rate(5 minute)", false, true}, {"rate(0 minutes)", false, false}, {"rate(-1 minutes)", false, false}, {"rate(5 seconds)", false, false},
	{"rate(5)", false, false}, {"rate()", false, false}, {"rate(5minutes)", false, false}, {"rate(5 minutes", false, false},
	{"Rate(5 minutes)", false, false}, {"rate(1.5 hours)", false, false}, {"rate(5 minutes) ", false, false}, {"", false, false},
	{"rate(99999999999 days)", false, false}, {"rate(5  minutes)", true, true}, {"at(2024-12-24T18:00:00)", false, true},
	{"at(2024-02-30T18:00:00)", false, false}, {"at(2023-02-29T18:00:00)", false, false}, {"at(2024-12-24T24:00:00)", false, false},
	{"at(2024-12-24 18:00:00)", false, false}, {"at(2024-12-24T18:00)", false, false}, {"at(2024-12-24T18:00:00Z)", false, false},
	{"at(2024-13-24T18:00:00)", false, false}, {"at()", false, false},
	{"cron(0 10 * * ? *)", true, true}, {"cron(0 10 * * *)", false, false}, {"cron(0 10 * * ? * *)", false, false},
	{"cron(0 10 * * * *)", false, false}, {"cron(0 10 ? * ? *)", false, false}, {"cron(60 10 * * ? *)", false, false},
	{"cron(0 24 * * ? *)", false, false}, {"cron(0 10 0 * ? *)", false, false}, {"cron(0 10 32 * ? *)", false, false},
	{"cron(0 10 * 13 ? *)", false, false}, {"cron(0 10 * 0 ? *)", false, false}, {"cron(0 10 ? * 0 *)", false, false},
	{"cron(0 10 ? * 8 *)", false, false}, {"cron(0 10 * * ? 1969)", false, false}, {"cron(0 10 * * ? 2200)", false, false},
	{"cron(0 10 * * ? 2025-2024)", false, false}, {"cron(0/0 10 * * ? *)", false, false}, {"cron(0/ 10 * * ? *)", false, false},
	{"cron(1- 10 * * ? *)", false, false}, {"cron(-1 10 * * ? *)", false, false}, {"cron(1, 10 * * ? *)", false, false},
	{"cron(,1 10 * * ? *)", false, false}, {"cron(? 10 * * ? *)", false, false}, {"cron(L 10 * * ? *)", false, false},
	{"cron(0 10 W * ? *)", false, false}, {"cron(0 10 0W * ? *)", false, false}, {"cron(0 10 32W * ? *)", false, false},
	{"cron(0 10 ? * 3#6 *)", false, false}, {"cron(0 10 ? * 3#0 *)", false, false}, {"cron(0 10 ? * 3#1,6#3 *)", false, false},
	{"cron(0 10 ? * #1 *)", false, false}, {"cron(0 10 * FOO ? *)", false, false}, {"cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)", true, true},
	{"cron(30-30 13-13 ? * 2,4,6 *)", true, true}, {"cron(/15 * * * ? *)", true, true}, {"cron(0 10 L-3 * ? *)", true, true},
	{"cron()", false, false}, {"cron", false, false}, {"0 10 * * ? *", false, false},
};

TEST(what_is_taken)
{
	struct when_zones *z = when_zones_new(NULL);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		for (int scheduler = 0; scheduler < 2; scheduler++) {
			struct error err = {0};
			char want[240];
			struct when *w = when_parse(z, str_from(forms[i].text), STR_NULL, scheduler ? WHEN_SCHEDULER : WHEN_RULE, &err);
			if (!!w != (scheduler ? forms[i].scheduler : forms[i].rule)) {
				printf("%s: %s (%d)\n", forms[i].text, w ? "taken" : "refused", scheduler);
				*failed_ = 1;
			}
			snprintf(want, sizeof want, scheduler ? "Invalid Schedule Expression %s." : "Parameter ScheduleExpression is not valid.", forms[i].text);
			if (!w) {
				CHECK_INT(err.code, ERR_VALIDATION);
				CHECK_STR(err.msg, want);
			}
			when_free(w);
		}
	when_zones_free(z);
}

TEST(zones_by_name_only)
{
	static const char *const bad[] = {"Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "Europe", "europe/berlin ", "right/UTC",
	                                  "posixrules", "zone.tab", "tzdata.zi", "Europe/Berlin/", "+VERSION", "."};
	struct when_zones *z = when_zones_new(NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = {0};
		struct when *w = when_parse(z, STR("rate(5 minutes)"), str_from(bad[i]), WHEN_SCHEDULER, &err);
		if (w)
			printf("%s was taken\n", bad[i]);
		CHECK(!w);
		CHECK_INT(err.code, ERR_VALIDATION);
	}
	struct when *a = when_parse(z, STR("cron(0 0 * * ? *)"), STR("Europe/Berlin"), WHEN_SCHEDULER, NULL);
	struct when *b = when_parse(z, STR("cron(0 0 * * ? *)"), STR("Europe/Berlin"), WHEN_SCHEDULER, NULL);
	CHECK(a && b && when_next(a, 0, 0) == when_next(b, 0, 0));
	when_free(a);
	when_free(b);
	when_zones_free(z);
}

/* libc reads the same files: offsets must agree, 1970 to 2199. */
TEST(offsets_as_libc_has_them)
{
	static const char *const names[] = {"America/New_York", "Europe/Berlin",  "Europe/Dublin",      "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia",
	                                    "America/Nuuk",     "Africa/Casablanca", "Asia/Gaza",        "America/Santiago",    "Asia/Tehran",  "Antarctica/Troll",
	                                    "Pacific/Kiritimati", "America/St_Johns", "Africa/Cairo", "Asia/Pyongyang"};
	struct when_zones *z = when_zones_new(NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct when_zone *zone;
		CHECK(when_zone_get(z, str_from(names[i]), &zone, NULL) == 0 && zone);
		setenv("TZ", names[i], 1);
		tzset();
		for (time_t t = 0; t < INT64_C(7258118400); t += 5 * 86400 + 7919) {
			struct tm tm;
			localtime_r(&t, &tm);
			if (when_zone_offset(zone, t) != tm.tm_gmtoff) {
				printf("%s at %lld: %lld, not %ld\n", names[i], (long long)t, (long long)when_zone_offset(zone, t), tm.tm_gmtoff);
				CHECK(0);
			}
			int64_t moved, back = when_zone_instant(zone, t + tm.tm_gmtoff, &moved);
			CHECK(back != WHEN_NONE && back <= t && when_zone_offset(zone, back) + back == t + tm.tm_gmtoff);
		}
	}
	setenv("TZ", "UTC", 1);
	tzset();
	when_zones_free(z);
}

TEST(the_calendar_as_libc_has_it)
{
	for (int64_t day = -1000; day < 90000; day += 3) {
		time_t t = (time_t)(day * WHEN_DAY_S);
		struct tm tm;
		gmtime_r(&t, &tm);
		struct when_date d = when_date_of(day);
		CHECK(d.year == tm.tm_year + 1900 && d.month == (unsigned)tm.tm_mon + 1 && d.day == (unsigned)tm.tm_mday);
		CHECK_INT(when_days(d.year, d.month, d.day), day);
		CHECK_INT(when_weekday(day), tm.tm_wday);
	}
}

TESTS(T(due_times), T(a_schedule_that_ends), T(rates_count_from_their_anchor), T(what_is_taken), T(zones_by_name_only), T(offsets_as_libc_has_them),
      T(the_calendar_as_libc_has_it))
