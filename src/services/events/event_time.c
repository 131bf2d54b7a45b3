#include "services/events/event_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_10000_S 253402300800.0

static int read_text(const char *text, int64_t *ms)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	long sign = *rest == '+' ? -1 : *rest == '-' ? 1 : 0, offset_s = 0;
	unsigned hours, minutes;
	if (sign && sscanf(rest + 1, "%2u:%2u", &hours, &minutes) == 2)
		offset_s = sign * ((long)hours * 3600 + (long)minutes * 60);
	else if (strcmp(rest, "Z") != 0 && *rest != 0)
		return -1;
	*ms = ((int64_t)timegm(&tm) + offset_s) * 1000;
	return 0;
}

int events_time_read(const json_t *v, int64_t *ms)
{
	if (json_is_string(v))
		return read_text(json_string_value(v), ms);
	if (!json_is_number(v))
		return -1;
	double s = json_number_value(v);
	if (!(s >= 0 && s < YEAR_10000_S))
		return -1;
	*ms = (int64_t)(s * 1000);
	return 0;
}
