/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

#define NONE INT64_MIN

struct sample {
	const char *text;
	int64_t want; /* NONE: refused */
};

static void check_days(bool (*parse)(struct str, int32_t *), const struct sample *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int32_t days = 0;
		bool ok = parse(str_from(t[i].text), &days);

		CHECK_MSG(ok == (t[i].want != NONE), "'%s' %s", t[i].text, ok ? "accepted" : "refused");
		CHECK_MSG(!ok || days == t[i].want, "'%s' gave %d", t[i].text, days);
	}
}

static void check_ms(bool (*parse)(struct str, int64_t *), const struct sample *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t ms = 0;
		bool ok = parse(str_from(t[i].text), &ms);

		CHECK_MSG(ok == (t[i].want != NONE), "'%s' %s", t[i].text, ok ? "accepted" : "refused");
		CHECK_MSG(!ok || ms == t[i].want, "'%s' gave %" PRId64, t[i].text, ms);
	}
}

static void load_dates(void)
{
	static const struct sample t[] = {
		{ "2024-01-01", 19723 },
		{ "2024-1-5", 19727 },
		{ "2024-01-5", 19727 },
		{ "2024-1-05", 19727 },
		{ "20240105", 19727 },
		{ "1970-01-01", 0 },
		{ "1969-12-31", -1 },
		{ "2000-02-29", 11016 },
		{ "0000-01-01", -719528 },
		{ "+10999-12-31", 3298139 },
		{ "+2024-01-01", 19723 },
		{ "-0001-12-31", -719529 },
		{ "2024-01-01T23:30:00-05:00", 19724 },
		{ "1969-12-31T23:59:59.999", -1 },
		{ "1970-01-01T00:30:00+01", -1 },
		{ "2024-02-30", NONE },
		{ "2023-02-29", NONE },
		{ "1900-02-29", NONE },
		{ "2024-00-01", NONE },
		{ "2024-13-01", NONE },
		{ "2024-01-00", NONE },
		{ "2024-001-01", NONE },
		{ "10999-12-31", NONE },
		{ "24-01-01", NONE },
		{ "+24-01-01", NONE },
		{ "2024-01", NONE },
		{ "2024", NONE },
		{ "2024010", NONE },
		{ "202401055", NONE },
		{ "2024/01/01", NONE },
		{ "2024-01-01 ", NONE },
		{ " 2024-01-01", NONE },
		{ "", NONE },
		{ "+", NONE },
		{ "+9999999-01-01", NONE },
		{ "+99999999999999-01-01", NONE },
		{ "2024-01-01T10:00", NONE },
		{ "x", NONE },
	};

	check_days(date_parse_load, t, ARRAY_SIZE(t));
}

static void load_datetimes(void)
{
	static const struct sample t[] = {
		{ "2024-01-01", 1704067200000 },
		{ "2024-1-1", 1704067200000 },
		{ "20240101", 1704067200000 },
		{ "+2024-1-1", 1704067200000 },
		{ "2024-01-01 10:00:00.5+02", 1704096000500 },
		{ "2024-01-01T00:00:00Z", 1704067200000 },
		{ "2024-01-01t00:00:00z", 1704067200000 },
		{ "2024-01-01T000001", 1704067201000 },
		{ "2024-01-01T000001Z", 1704067201000 },
		{ "2024-01-01T00:00:00 +00:00", 1704067200000 },
		{ "2024-01-01T00:00:00 Z", 1704067200000 },
		{ "2024-01-01T01:00:00+0100", 1704067200000 },
		{ "2023-12-31T23:30:00-00:30", 1704067200000 },
		{ "2023-12-31T23:59:60Z", 1704067200000 },
		{ "2024-01-01T00:00:00.1", 1704067200100 },
		{ "2024-01-01T00:00:00.1239999999999999999999", 1704067200123 },
		{ "1969-12-31T23:59:59.9999", -1 },
		{ "2024-01-01T10:00", NONE },
		{ "2024-01-01T10", NONE },
		{ "2024-01-01T", NONE },
		{ "2024-01-01T24:00:00", NONE },
		{ "2024-01-01T00:60:00", NONE },
		{ "2024-01-01T00:00:61", NONE },
		{ "2024-01-01T00:00:00.", NONE },
		{ "2024-01-01T00:00:00.Z", NONE },
		{ "2024-01-01T00:00:00+", NONE },
		{ "2024-01-01T00:00:00+1", NONE },
		{ "2024-01-01T00:00:00+24:00", NONE },
		{ "2024-01-01T00:00:00+01:60", NONE },
		{ "2024-01-01T00:00:00+01:0", NONE },
		{ "2024-01-01T00:00:00 ", NONE },
		{ "2024-01-01T00:00:00ZZ", NONE },
		{ "2024-01-01T00:00:00 Europe/Paris", NONE },
		{ "2024-1-1T00:00:00Z", NONE },
		{ "20240101T000000", NONE },
		{ "+10999-12-31", NONE },
		{ "2024-01-01X00:00:00", NONE },
		{ "2024-01-01T0:00:00", NONE },
		{ "", NONE },
	};

	check_ms(datetime_parse_load, t, ARRAY_SIZE(t));
}

static void query_dates(void)
{
	static const struct sample d[] = {
		{ "2024-01-01", 19723 },       { "2024-01-01T23:30:00-05:00", 19724 },
		{ "2024-01-01 23:30", 19723 }, { "2024-1-5", NONE },
		{ "20240105", NONE },	       { "+10999-12-31", NONE },
		{ "2024-02-30", NONE },	       { "", NONE },
	};
	static const struct sample t[] = {
		{ "2024-01-01", 1704067200000 },
		{ "2024-01-01T10:00", 1704103200000 },
		{ "2024-01-01 10:00Z", 1704103200000 },
		{ "2024-01-01T10:00+02:00", 1704096000000 },
		{ "2024-01-01T10:00:00.1239Z", 1704103200123 },
		{ "2024-01-01T10:00:00.5-00:30", 1704105000500 },
		{ "2024-01-01T10", NONE },
		{ "2024-01-01T10:00z", NONE },
		{ "2024-01-01t10:00", NONE },
		{ "2024-01-01T10:00+02", NONE },
		{ "2024-01-01T10:00+0200", NONE },
		{ "2024-01-01T10:00 Z", NONE },
		{ "2024-01-01T100000", NONE },
		{ "2024-01-01T10:00:60", NONE },
		{ "2024-01-01T10:00.5", NONE },
		{ "2024-01-01T10:00:", NONE },
		{ "2024-1-1", NONE },
	};

	check_days(date_parse_query, d, ARRAY_SIZE(d));
	check_ms(datetime_parse_query, t, ARRAY_SIZE(t));
}

static void printing(void)
{
	char buf[64];

	CHECK_INT(date_format(buf, 19723), 10);
	CHECK_STR(buf, "2024-01-01");
	date_format(buf, 3298139);
	CHECK_STR(buf, "+10999-12-31");
	date_format(buf, -719529);
	CHECK_STR(buf, "-0001-12-31");
	date_format(buf, INT32_MAX);
	CHECK_STR(buf, "+5881580-07-11");
	date_format(buf, INT32_MIN);
	CHECK_STR(buf, "-5877641-06-23");
	CHECK_INT(datetime_format(buf, 1704096000500), 24);
	CHECK_STR(buf, "2024-01-01T08:00:00.500Z");
	datetime_format(buf, -1);
	CHECK_STR(buf, "1969-12-31T23:59:59.999Z");
	CHECK(datetime_format(buf, INT64_MIN) < 48);
	CHECK_STR(buf, "-292275055-05-16T16:47:04.192Z");
	datetime_format(buf, INT64_MAX);
	CHECK_STR(buf, "+292278994-08-17T07:12:55.807Z");
}

static void calendar(void)
{
	int64_t y = 0, py = 0;
	unsigned m = 0, d = 0;

	for (int64_t day = -800000; day < 800000; day++) {
		civil_from_days(day, &y, &m, &d);
		CHECK(civil_valid(y, m, d));
		CHECK(days_from_civil(y, m, d) == day);
		CHECK(day == -800000 || y == py || (y == py + 1 && m == 1 && d == 1));
		py = y;
	}
}

static void round_trips(void)
{
	for (int32_t day = -719528; day < 2932897; day += 97) {
		char buf[64];
		int32_t a, b;

		date_format(buf, day);
		CHECK(date_parse_load(str_from(buf), &a) && a == day);
		CHECK(date_parse_query(str_from(buf), &b) && b == day);
	}
	for (int64_t ms = -62135596800000; ms < 253402300799999; ms += 86399999977) {
		char buf[64];
		int64_t a, b;

		datetime_format(buf, ms);
		CHECK(datetime_parse_load(str_from(buf), &a) && a == ms);
		CHECK(datetime_parse_query(str_from(buf), &b) && b == ms);
	}
}

static void clocks(void)
{
	char buf[32];
	int64_t a = time_mono_us(), b = time_mono_us();

	CHECK(b >= a && time_now_us() > 1600000000000000);
	time_format_us(buf, 1772355600123456, 6);
	CHECK_STR(buf, "2026-03-01T09:00:00.123456Z");
	time_format_us(buf, 1772355600123456, 3);
	CHECK_STR(buf, "2026-03-01T09:00:00.123Z");
	time_format_us(buf, -1, 0);
	CHECK_STR(buf, "1969-12-31T23:59:59Z");
}

CHECK_MAIN("lib/date", { "SCH-44 date strings of loads", load_dates },
	   { "SCH-44 date-time strings of loads", load_datetimes },
	   { "dates and date-times of query literals and parameters", query_dates },
	   { "SCH-44 dates print in ISO form, signed beyond four digits", printing },
	   { "day numbers and civil dates agree for 4000 years", calendar },
	   { "printed dates read back in both grammars", round_trips }, { "clocks print as UTC", clocks }, )
