#include "core/sigv4/sigv4_priv.h"

#include <string.h>
#include <time.h>

#include "core/base/check.h"

void sigv4_format_time(char dst[SIGV4_DATE_SIZE], int64_t time_s)
{
	struct tm tm;
	time_t t = (time_t)time_s;
	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year < -1900)
		memset(&tm, 0, sizeof tm);
	ASSERT(strftime(dst, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) <= SIGV4_DATE_SIZE - 1);
}

static int digits(const char *p, size_t n)
{
	int v = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

/* Days since 1970 of the proleptic Gregorian calendar. libc's timegm takes a lock and costs more than a signature's HMAC. */
static int64_t days_of(int y, int mo, int d)
{
	y -= mo <= 2; /* years begin in March: the leap day is the last one */
	int era = y / 400, in_era = y - era * 400;
	int in_year = (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return (int64_t)era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static bool is_leap(int y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

struct moment {
	int y, mo, d, h, mi, se; /* -1: were no digits */
};

static int to_time(const struct moment *m, int64_t *time_s)
{
	static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (m->y < 1970 || m->mo < 1 || m->mo > 12 || m->d < 1 || m->h < 0 || m->h > 23 || m->mi < 0 || m->mi > 59 || m->se < 0 || m->se > 59)
		return -1;
	if (m->d > lengths[m->mo - 1] + (m->mo == 2 && is_leap(m->y)))
		return -1;
	*time_s = days_of(m->y, m->mo, m->d) * 86400 + m->h * 3600 + m->mi * 60 + m->se;
	return 0;
}

int sigv4_parse_time(struct str s, int64_t *time_s)
{
	if (s.n != 16 || s.p[8] != 'T' || s.p[15] != 'Z')
		return -1;
	struct moment m = {digits(s.p, 4),     digits(s.p + 4, 2),  digits(s.p + 6, 2),
	                   digits(s.p + 9, 2), digits(s.p + 11, 2), digits(s.p + 13, 2)};
	return to_time(&m, time_s);
}

/* "Thu, 01 Jan 2026 00:00:00 GMT"; botocore ends it in "-0000". */
int sigv4_parse_http_time(struct str s, int64_t *time_s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct str zone = str_sub(s, 25, s.n);
	if (!(str_eqz(zone, " GMT") || str_eqz(zone, " +0000") || str_eqz(zone, " -0000")) || s.p[3] != ',' || s.p[19] != ':' || s.p[22] != ':')
		return -1;
	struct moment m = {digits(s.p + 12, 4), -1, digits(s.p + 5, 2), digits(s.p + 17, 2), digits(s.p + 20, 2), digits(s.p + 23, 2)};
	for (int i = 0; i < 12; i++)
		if (memcmp(months + 3 * i, s.p + 8, 3) == 0)
			m.mo = i + 1;
	return to_time(&m, time_s);
}
