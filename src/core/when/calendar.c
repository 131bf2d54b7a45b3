/* The proleptic Gregorian calendar. */
#include "core/when/when_priv.h"

/* Days are counted in eras of 400 years that begin in March, so that the leap day is a year's last. */
int64_t when_days(int year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct when_date when_date_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
	unsigned month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
	return (struct when_date){(int)(year + era * 400 + (month <= 2)), month, (unsigned)(of_year - (153 * shifted + 2) / 5 + 1)};
}

unsigned when_month_days(int year, unsigned month)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 ? 28u + leap : 30u + ((month + month / 8) & 1);
}

unsigned when_weekday(int64_t days)
{
	int64_t w = (days + 4) % 7; /* 1970-01-01 was a Thursday */
	return (unsigned)(w < 0 ? w + 7 : w);
}
