/* SPDX-License-Identifier: MIT */
/* Date text: the load grammar (spec/schema.md 14.2) and the query grammar (spec/query.md 5). */
#include <inttypes.h>
#include <stdio.h>

#include <omnigraph/util.h>

#define MS_PER_DAY INT64_C(86400000)
#define YEAR_DIGITS_MAX 7 /* days of i32 reach year 5881580 */

struct cursor {
	const char *p, *end;
};

static bool at_end(const struct cursor *c)
{
	return c->p == c->end;
}

static bool take(struct cursor *c, char want)
{
	if (at_end(c) || *c->p != want)
		return false;
	c->p++;
	return true;
}

static bool take_any(struct cursor *c, const char *set)
{
	for (; *set; set++)
		if (take(c, *set))
			return true;
	return false;
}

static size_t count_digits(const struct cursor *c)
{
	const char *p = c->p;

	while (p < c->end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - c->p);
}

/* Exactly @n digits (more may follow). */
static bool number(struct cursor *c, size_t n, unsigned *out)
{
	unsigned v = 0;

	if (count_digits(c) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(*c->p++ - '0');
	*out = v;
	return true;
}

static bool to_days(int64_t y, unsigned m, unsigned d, int32_t *days)
{
	int64_t v;

	if (!civil_valid(y, m, d))
		return false;
	v = days_from_civil(y, m, d);
	if (v < INT32_MIN || v > INT32_MAX)
		return false;
	*days = (int32_t)v;
	return true;
}

/* YYYY-MM-DD */
static bool strict_date(struct cursor *c, int32_t *days)
{
	unsigned y, m, d;

	return number(c, 4, &y) && take(c, '-') && number(c, 2, &m) && take(c, '-') && number(c, 2, &d) &&
	       to_days(y, m, d, days);
}

/* One or two digits. */
static bool short_number(struct cursor *c, unsigned *out)
{
	size_t n = count_digits(c);

	return n >= 1 && n <= 2 && number(c, n, out);
}

/* "-M-D" after the year, to the end of the text. */
static bool month_day(struct cursor *c, int64_t y, int32_t *days)
{
	unsigned m, d;

	return take(c, '-') && short_number(c, &m) && take(c, '-') && short_number(c, &d) && at_end(c) &&
	       to_days(y, m, d, days);
}

static bool signed_date(struct cursor *c, bool neg, int32_t *days)
{
	size_t n = count_digits(c);
	unsigned y;

	return n >= 4 && n <= YEAR_DIGITS_MAX && number(c, n, &y) && month_day(c, neg ? -(int64_t)y : y, days);
}

/* The forms without a time of day, filling the whole text. */
static bool load_date_only(struct str s, int32_t *days)
{
	struct cursor c = { s.s, s.s + s.n };
	unsigned y, m, d;

	if (take(&c, '+'))
		return signed_date(&c, false, days);
	if (take(&c, '-'))
		return signed_date(&c, true, days);
	if (count_digits(&c) == 8 && s.n == 8)
		return number(&c, 4, &y) && number(&c, 2, &m) && number(&c, 2, &d) && to_days(y, m, d, days);
	return count_digits(&c) == 4 && number(&c, 4, &y) && month_day(&c, y, days);
}

/* ".digits": milliseconds, further digits dropped. */
static bool fraction(struct cursor *c, unsigned *ms)
{
	size_t n;

	*ms = 0;
	if (!take(c, '.'))
		return true;
	n = count_digits(c);
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++, c->p++)
		if (i < 3)
			*ms = *ms * 10 + (unsigned)(*c->p - '0');
	for (; n < 3; n++)
		*ms *= 10;
	return true;
}

static bool time_of_day(unsigned h, unsigned m, unsigned s, unsigned s_max, unsigned ms, int64_t *out)
{
	if (h > 23 || m > 59 || s > s_max)
		return false;
	*out = ((int64_t)h * 3600 + (int64_t)m * 60 + s) * 1000 + ms;
	return true;
}

/* HH:MM:SS[.fraction] or HHMMSS; :60 rolls over. */
static bool load_time(struct cursor *c, int64_t *out)
{
	unsigned h, m, s, ms = 0;

	if (count_digits(c) == 6) {
		if (!number(c, 2, &h) || !number(c, 2, &m) || !number(c, 2, &s))
			return false;
	} else if (count_digits(c) != 2 || !number(c, 2, &h) || !take(c, ':') || !number(c, 2, &m) || !take(c, ':') ||
		   !number(c, 2, &s) || !fraction(c, &ms)) {
		return false;
	}
	return time_of_day(h, m, s, 60, ms, out);
}

static bool offset_ms(unsigned h, unsigned m, bool neg, int64_t *out)
{
	if (h > 23 || m > 59)
		return false;
	*out = ((int64_t)h * 60 + m) * 60000;
	if (neg)
		*out = -*out;
	return true;
}

/* Nothing, Z, z, or +HH:MM, +HHMM, +HH; white space before it. */
static bool load_zone(struct cursor *c, int64_t *out)
{
	unsigned h, m = 0;
	size_t n;
	bool neg;

	*out = 0;
	if (at_end(c))
		return true;
	while (take(c, ' '))
		;
	if (take_any(c, "Zz"))
		return at_end(c);
	neg = take(c, '-');
	if (!neg && !take(c, '+'))
		return false;
	n = count_digits(c);
	if (n == 4) {
		if (!number(c, 2, &h) || !number(c, 2, &m))
			return false;
	} else if (n != 2 || !number(c, 2, &h) || (take(c, ':') && !number(c, 2, &m))) {
		return false;
	}
	return at_end(c) && offset_ms(h, m, neg, out);
}

static bool load_with_time(struct str s, int64_t *ms)
{
	struct cursor c = { s.s, s.s + s.n };
	int64_t in_day, zone;
	int32_t days;

	if (!strict_date(&c, &days) || !take_any(&c, "Tt ") || !load_time(&c, &in_day) || !load_zone(&c, &zone))
		return false;
	*ms = days * MS_PER_DAY + in_day - zone;
	return true;
}

static int64_t floor_day(int64_t ms)
{
	return ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
}

bool date_parse_load(struct str s, int32_t *days)
{
	int64_t ms;

	if (load_date_only(s, days))
		return true;
	if (!load_with_time(s, &ms))
		return false;
	*days = (int32_t)floor_day(ms);
	return true;
}

bool datetime_parse_load(struct str s, int64_t *ms)
{
	int32_t days;

	if (s.n <= 10 && load_date_only(s, &days)) {
		*ms = days * MS_PER_DAY;
		return true;
	}
	return load_with_time(s, ms);
}

/* HH:MM[:SS[.fraction]] */
static bool query_time(struct cursor *c, int64_t *out)
{
	unsigned h, m, s = 0, ms = 0;

	if (!number(c, 2, &h) || !take(c, ':') || !number(c, 2, &m))
		return false;
	if (take(c, ':') && (!number(c, 2, &s) || !fraction(c, &ms)))
		return false;
	return time_of_day(h, m, s, 59, ms, out);
}

/* Nothing, Z, or +HH:MM */
static bool query_zone(struct cursor *c, int64_t *out)
{
	unsigned h, m;
	bool neg;

	*out = 0;
	if (at_end(c))
		return true;
	if (take(c, 'Z'))
		return at_end(c);
	neg = take(c, '-');
	if (!neg && !take(c, '+'))
		return false;
	return number(c, 2, &h) && take(c, ':') && number(c, 2, &m) && at_end(c) && offset_ms(h, m, neg, out);
}

bool datetime_parse_query(struct str s, int64_t *ms)
{
	struct cursor c = { s.s, s.s + s.n };
	int64_t in_day = 0, zone = 0;
	int32_t days;

	if (!strict_date(&c, &days))
		return false;
	if (!at_end(&c) && (!take_any(&c, "T ") || !query_time(&c, &in_day) || !query_zone(&c, &zone)))
		return false;
	*ms = days * MS_PER_DAY + in_day - zone;
	return true;
}

bool date_parse_query(struct str s, int32_t *days)
{
	int64_t ms;

	if (!datetime_parse_query(s, &ms))
		return false;
	*days = (int32_t)floor_day(ms);
	return true;
}

static size_t format_day(char *out, size_t cap, int64_t day)
{
	unsigned m, d;
	int64_t y;

	civil_from_days(day, &y, &m, &d);
	if (y >= 0 && y <= 9999)
		return (size_t)snprintf(out, cap, "%04" PRId64 "-%02u-%02u", y, m, d);
	return (size_t)snprintf(out, cap, "%c%04" PRId64 "-%02u-%02u", y < 0 ? '-' : '+', y < 0 ? -y : y, m, d);
}

size_t date_format(char *out, int32_t days)
{
	return format_day(out, 48, days);
}

size_t datetime_format(char *out, int64_t ms)
{
	int64_t day = floor_day(ms);
	unsigned in_day = (unsigned)((ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY), sec = in_day / 1000;
	size_t n = format_day(out, 48, day);

	return n + (size_t)snprintf(out + n, 48 - n, "T%02u:%02u:%02u.%03uZ", sec / 3600, sec / 60 % 60, sec % 60,
				    in_day % 1000);
}
