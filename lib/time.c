/* SPDX-License-Identifier: MIT */
/* Civil calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <omnigraph/util.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

int64_t time_now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64_t time_now_ms(void)
{
	return time_now_us() / 1000;
}

int64_t time_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
	int64_t era, doe, yoe, doy, mp;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

bool civil_valid(int64_t y, unsigned m, unsigned d)
{
	static const unsigned char last[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

	if (m < 1 || m > 12 || d < 1)
		return false;
	return d <= last[m - 1] + (m == 2 && leap ? 1u : 0u);
}

void time_format_us(char *out, int64_t us, int frac_digits)
{
	int64_t day = us / US_PER_DAY, in_day = us % US_PER_DAY, y;
	unsigned m, d, sec;
	size_t n;

	if (in_day < 0) {
		in_day += US_PER_DAY;
		day--;
	}
	sec = (unsigned)(in_day / US_PER_SECOND);
	civil_from_days(day, &y, &m, &d);
	n = (size_t)snprintf(out, 32, "%04" PRId64 "-%02u-%02uT%02u:%02u:%02u", y, m, d, sec / 3600, sec / 60 % 60,
			     sec % 60);
	if (n > 32 - 9)
		return; /* a year of many digits: no room for a fraction */
	if (frac_digits == 3)
		snprintf(out + n, 32 - n, ".%03uZ", (unsigned)(in_day % US_PER_SECOND / 1000));
	else if (frac_digits == 6)
		snprintf(out + n, 32 - n, ".%06uZ", (unsigned)(in_day % US_PER_SECOND));
	else
		snprintf(out + n, 32 - n, "Z");
}
