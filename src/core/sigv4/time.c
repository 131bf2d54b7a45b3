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

/* timegm normalises the 31st of February to March: such a date is none. */
static int to_time(struct tm *tm, int64_t *time_s)
{
	struct tm want = *tm;
	int64_t t = timegm(tm);
	if (tm->tm_mday != want.tm_mday || tm->tm_mon != want.tm_mon || tm->tm_hour != want.tm_hour || tm->tm_min != want.tm_min)
		return -1;
	*time_s = t;
	return 0;
}

int sigv4_parse_time(struct str s, int64_t *time_s)
{
	if (s.n != 16 || s.p[8] != 'T' || s.p[15] != 'Z')
		return -1;
	int y = digits(s.p, 4), mo = digits(s.p + 4, 2), d = digits(s.p + 6, 2);
	int h = digits(s.p + 9, 2), mi = digits(s.p + 11, 2), se = digits(s.p + 13, 2);
	if (y < 1970 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 || mi < 0 || mi > 59 || se < 0 || se > 59)
		return -1;
	struct tm tm = {.tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = se};
	return to_time(&tm, time_s);
}

/* "Thu, 01 Jan 2026 00:00:00 GMT"; botocore ends it in "-0000". */
int sigv4_parse_http_time(struct str s, int64_t *time_s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct str zone = str_sub(s, 25, s.n);
	if (!(str_eqz(zone, " GMT") || str_eqz(zone, " +0000") || str_eqz(zone, " -0000")) || s.p[3] != ',' || s.p[19] != ':' || s.p[22] != ':')
		return -1;
	int mo = -1;
	for (int i = 0; i < 12; i++)
		if (memcmp(months + 3 * i, s.p + 8, 3) == 0)
			mo = i;
	int d = digits(s.p + 5, 2), y = digits(s.p + 12, 4), h = digits(s.p + 17, 2), mi = digits(s.p + 20, 2), se = digits(s.p + 23, 2);
	if (mo < 0 || d < 1 || d > 31 || y < 1970 || h < 0 || h > 23 || mi < 0 || mi > 59 || se < 0 || se > 59)
		return -1;
	struct tm tm = {.tm_year = y - 1900, .tm_mon = mo, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = se};
	return to_time(&tm, time_s);
}
