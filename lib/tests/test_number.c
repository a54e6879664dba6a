/* SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

/* xorshift64*: a fixed seed keeps the run repeatable */
static uint64_t next(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 2685821657736338717ull;
}

static double bits_f64(uint64_t u)
{
	double d;

	memcpy(&d, &u, sizeof(d));
	return d;
}

static float bits_f32(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static void f64_is(double v, const char *want)
{
	char buf[32];
	size_t n = fmt_f64(buf, v);

	CHECK_STR(buf, want);
	CHECK_INT(n, strlen(want));
}

static void json_form(void)
{
	f64_is(0, "0.0");
	f64_is(-0.0, "-0.0");
	f64_is(1, "1.0");
	f64_is(-3, "-3.0");
	f64_is(0.1, "0.1");
	f64_is((double)0.1f, "0.10000000149011612");
	f64_is(1e15, "1000000000000000.0");
	f64_is(9999999999999998, "9999999999999998.0");
	f64_is(1e16, "1e16");
	f64_is(1.2345e16, "1.2345e16");
	f64_is(1e-5, "0.00001");
	f64_is(1.5e-7, "1.5e-7");
	f64_is(9.999e-6, "9.999e-6");
	f64_is(123.456, "123.456");
	f64_is(DBL_MAX, "1.7976931348623157e308");
	f64_is(DBL_MIN, "2.2250738585072014e-308");
	f64_is(5e-324, "5e-324");
	f64_is(-1e-323, "-1e-323");
	f64_is(2e22, "2e22");
	f64_is(9007199254740993.0, "9007199254740992.0");
	f64_is(0.3, "0.3");
	f64_is(0.1 + 0.2, "0.30000000000000004");
	/* powers of two, where the interval is lopsided */
	f64_is(9007199254740992.0 * 1024, "9.223372036854776e18");
	f64_is(ldexp(1, -44), "5.684341886080802e-14");
	f64_is(ldexp(1, -1022), "2.2250738585072014e-308");
	f64_is(ldexp(1, 1023), "8.98846567431158e307");
}

static void key_form(void)
{
	char buf[400];

	fmt_key_f64(buf, 0.0);
	CHECK_STR(buf, "0");
	fmt_key_f64(buf, -0.0);
	CHECK_STR(buf, "0");
	fmt_key_f64(buf, 1.25);
	CHECK_STR(buf, "1.25");
	fmt_key_f64(buf, -7);
	CHECK_STR(buf, "-7");
	fmt_key_f64(buf, 1e21);
	CHECK_STR(buf, "1000000000000000000000");
	fmt_key_f64(buf, 1.5e-7);
	CHECK_STR(buf, "0.00000015");
	CHECK_INT(fmt_key_f64(buf, DBL_MAX), 309);
	CHECK(fmt_key_f64(buf, -5e-324) < 400);
	CHECK(!strchr(buf, 'e'));
	fmt_key_f32(buf, 16777217.0f);
	CHECK_STR(buf, "16777216");
	fmt_key_f32(buf, 0.1f);
	CHECK_STR(buf, "0.1");
	fmt_key_f32(buf, -0.0f);
	CHECK_STR(buf, "0");
	fmt_key_f32(buf, FLT_MAX);
	CHECK_STR(buf, "340282350000000000000000000000000000000");
	fmt_key_f32(buf, bits_f32(1));
	CHECK_STR(buf, "0.000000000000000000000000000000000000000000001");
}

/* Significant digits of a printed number. */
static int count_digits(const char *s)
{
	int n = 0, zeros = 0;

	for (; *s && *s != 'e'; s++) {
		if (*s < '0' || *s > '9' || (*s == '0' && !n))
			continue;
		n++;
		zeros = *s == '0' ? zeros + 1 : 0;
	}
	return n - zeros;
}

/* The least number of digits with which some decimal reads back: brute force over the neighbours.
 */
static int least_digits(double v)
{
	char buf[64];

	for (int n = 1; n <= 17; n++) {
		snprintf(buf, sizeof(buf), "%.*e", n - 1, v);
		if (strtod(buf, NULL) == v)
			return n;
		/* one up in the last place */
		char *e = strchr(buf, 'e'), *last = e - 1;

		if (*last < '9') {
			++*last;
			if (strtod(buf, NULL) == v)
				return n;
		}
	}
	return 17;
}

static void random_doubles(void)
{
	uint64_t seed = 42;

	for (int i = 0; i < 300000; i++) {
		double v = bits_f64(next(&seed)), back;
		char buf[32], key[400];

		if (i % 3 == 0) /* short decimals and whole numbers, as data has them */
			v = (double)(int64_t)(next(&seed) % 1000000000) / pow(10, (double)(next(&seed) % 12));
		if (!isfinite(v))
			continue;
		fmt_f64(buf, v);
		CHECK_MSG(strtod(buf, NULL) == v, "%a printed %s", v, buf);
		CHECK_MSG(parse_f64(str_from(buf), &back) && back == v, "%a read %a from %s", v, back, buf);
		if (i % 10 == 0)
			CHECK_MSG(v == 0 || count_digits(buf) == least_digits(fabs(v)), "%a printed %s", v, buf);
		fmt_key_f64(key, v);
		CHECK(strtod(key, NULL) == v && !strchr(key, 'e'));
	}
}

static void random_floats(void)
{
	uint64_t seed = 43;

	for (int i = 0; i < 300000; i++) {
		float v = bits_f32((uint32_t)next(&seed));
		char key[400];

		if (!isfinite(v))
			continue;
		fmt_key_f32(key, v);
		CHECK_MSG(strtof(key, NULL) == v, "%a printed %s", (double)v, key);
		CHECK(count_digits(key) <= 9);
	}
}

static void powers_of_two(void)
{
	for (int x = -1074; x < 1024; x++) {
		double v = ldexp(1, x);
		char buf[32];

		fmt_f64(buf, v);
		CHECK(strtod(buf, NULL) == v);
		CHECK_MSG(count_digits(buf) == least_digits(v), "2^%d printed %s", x, buf);
	}
}

static void reading(void)
{
	static const char *const bad[] = { "",	  "-",	 "+1", ".5", "1.",  "1e",  "1e+",   "1.e5", "0x10",
					   "inf", "nan", " 1", "1 ", "1_0", "--1", "1e5.0", "1,5" };
	uint64_t seed = 44;
	double v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_MSG(!parse_f64(str_from(bad[i]), &v), "accepted text %zu", i);
	CHECK(!parse_f64(STR("1\0"), &v));
	CHECK(parse_f64(STR("-0"), &v) && v == 0 && signbit(v));
	CHECK(parse_f64(STR("007.50E+01"), &v) && v == 75);
	CHECK(parse_f64(STR("1e400"), &v) && isinf(v));
	CHECK(parse_f64(STR("-1e99999999999999999999"), &v) && isinf(v) && v < 0);
	CHECK(parse_f64(STR("0e99999999999999999999"), &v) && v == 0);
	CHECK(parse_f64(STR("1e-99999999999999999999"), &v) && v == 0);
	CHECK(parse_f64(STR("9007199254740993"), &v) && v == 9007199254740992.0);
	CHECK(parse_f64(STR("9007199254740993."
			    "00000000000000000000000000000000000000000000000000000000000001"),
			&v) &&
	      v == 9007199254740994.0);
	CHECK(parse_f64(STR("2.2250738585072011e-308"), &v) && v == 2.2250738585072011e-308);
	for (int i = 0; i < 200000; i++) {
		char buf[64];

		snprintf(buf, sizeof(buf), "%" PRIu64 ".%" PRIu64 "e%d", next(&seed) >> (next(&seed) & 63),
			 next(&seed) >> (next(&seed) & 63), (int)(next(&seed) % 50) - 25);
		CHECK_MSG(parse_f64(str_from(buf), &v) && v == strtod(buf, NULL), "%s gave %a", buf, v);
	}
}

CHECK_MAIN("lib/number", { "F64 prints as the shortest JSON number of engine 3.4", json_form },
	   { "float keys are positional, both zeros are 0", key_form },
	   { "random doubles print shortest and read back", random_doubles },
	   { "random floats print at float width and read back", random_floats },
	   { "powers of two print shortest", powers_of_two }, { "number text reads correctly rounded", reading }, )
