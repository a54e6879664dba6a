/* SPDX-License-Identifier: MIT */
/*
 * Shortest decimals, two ways. Between 1e-5 and 2^53 the interval of decimals that read back as the
 * value has 17 digit bounds that fit 128 bit integers exactly; dropping digits while a shorter
 * decimal stays inside gives the answer without a search (after Steele and White, "How to print
 * floating-point numbers accurately", 1990).
 *
 * Elsewhere, and for floats, printf and strtod do it. Text of DBL_DIG (FLT_DIG) digits survives a
 * trip through a normal double (float), so when the correctly rounded DBL_DIG digits read back as
 * the value, dropping their trailing zeros gives the shortest spelling; otherwise one or two digits
 * more do. Only below the normal range must fewer digits be tried one by one. At powers of two the
 * interval that rounds to the value is lopsided, and the shortest spelling may be the rounded one
 * plus one in its last place.
 */
#define _GNU_SOURCE 1

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/json.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>

/* 0.d1d2...dn * 10^point, no trailing zeros; no sign. */
struct decimal {
	char d[20];
	int n;
	int point;
};

enum width { W64, W32 };

static double read_back(const char *text, enum width w)
{
	return w == W64 ? strtod(text, NULL) : (double)strtof(text, NULL);
}

/* "d.ddde+xx" to digits and exponent. */
static void split(const char *e_text, int n, struct decimal *out)
{
	const char *p = e_text;

	out->n = 0;
	for (; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && out->n < n)
			out->d[out->n++] = *p;
	out->point = (*p == 'e' ? atoi(p + 1) : 0) + 1;
	while (out->n > 1 && out->d[out->n - 1] == '0')
		out->n--;
}

/* Add one to the last of the @n digits of "d.ddde+xx"; false when all are 9. */
static bool bump(char *e_text, int n)
{
	int i = n > 1 ? n : 0; /* the point stands at [1] */

	for (; i >= 0; i--) {
		if (i == 1)
			continue;
		if (e_text[i] != '9') {
			e_text[i]++;
			return true;
		}
		e_text[i] = '0';
	}
	return false;
}

/* Do @n digits suffice for @v (> 0)? */
static bool try_digits(double v, int n, enum width w, bool lopsided, struct decimal *out)
{
	char text[40];
	bool ok;

	snprintf(text, sizeof(text), "%.*e", n - 1, v);
	ok = read_back(text, w) == v || (lopsided && bump(text, n) && read_back(text, w) == v);
	if (ok)
		split(text, n, out);
	return ok;
}

#define EXACT_MIN 1e-5
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

#ifdef __SIZEOF_INT128__

static const uint64_t pow10_u64[] = { 1ull,
				      10ull,
				      100ull,
				      1000ull,
				      10000ull,
				      100000ull,
				      1000000ull,
				      10000000ull,
				      100000000ull,
				      1000000000ull,
				      10000000000ull,
				      100000000000ull,
				      1000000000000ull,
				      10000000000000ull,
				      100000000000000ull,
				      1000000000000000ull,
				      10000000000000000ull,
				      100000000000000000ull };

/* v < 10^point, and v >= 10^(point - 1) but for rounding of the table, which costs one digit at
 * most. */
static int decimal_point(double v)
{
	static const double small[] = { 1e-4, 1e-3, 1e-2, 1e-1, 1e0 };
	int p = 0;

	if (v < 1) {
		while (v >= small[p])
			p++;
		return p - 4;
	}
	while (p < 17 && v >= (double)pow10_u64[p])
		p++;
	return p;
}

/* The multiple of 10^drop nearest to @n / 2^shift, divided by 10^drop; ties to even. */
static uint64_t round_digits(unsigned __int128 n, unsigned shift, int drop)
{
	uint64_t unit = pow10_u64[drop], whole = (uint64_t)(n >> shift), q = whole / unit, r = whole % unit;
	unsigned __int128 rest = ((unsigned __int128)r << shift | (n & (((unsigned __int128)1 << shift) - 1))) * 2;
	unsigned __int128 full = (unsigned __int128)unit << shift;

	return q + (rest > full || (rest == full && (q & 1)));
}

/* EXACT_MIN <= v < EXACT_MAX. */
static void shortest_exact(double v, struct decimal *out)
{
	int e, point = decimal_point(v), drop = 0;
	uint64_t m = (uint64_t)ldexp(frexp(v, &e), 53), hi, lo, h, l, d;
	unsigned shift = (unsigned)(53 - e) + 2; /* v = m / 2^(53 - e) */
	unsigned __int128 scale = 1, n, top, bottom, below;

	for (int i = point; i < 17; i++)
		scale *= 10;
	/* in quarters of a unit of m: the halves to the neighbours are 2, or 1 below a power of two
	 */
	n = 4 * m * scale;
	top = n + 2 * scale;
	bottom = n - (m == UINT64_C(1) << 52 ? 1 : 2) * scale;
	below = ((unsigned __int128)1 << shift) - 1;
	hi = (uint64_t)(top >> shift);
	lo = (uint64_t)((bottom + below) >> shift);
	if (m & 1) { /* the bounds themselves round to even neighbours */
		hi -= !(top & below);
		lo += !(bottom & below);
	}
	for (h = hi / 10, l = (lo + 9) / 10; h >= l; h /= 10, l = (l + 9) / 10)
		drop++;
	d = round_digits(n, shift, drop);
	h = hi / pow10_u64[drop];
	if (d > h)
		d = h;
	else if (d * pow10_u64[drop] < lo)
		d++;
	out->point = point;
	out->n = 0;
	for (h = d; h; h /= 10)
		out->n++;
	out->point += out->n + drop - 17;
	for (int i = out->n; i-- > 0; d /= 10)
		out->d[i] = (char)('0' + d % 10);
	while (out->n > 1 && out->d[out->n - 1] == '0')
		out->n--;
}

#endif

static void shortest(double v, enum width w, struct decimal *out)
{
	int max = w == W64 ? 17 : 9, n = w == W64 ? DBL_DIG : FLT_DIG, unused;
	bool lopsided = frexp(v, &unused) == 0.5;

#ifdef __SIZEOF_INT128__
	if (w == W64 && v >= EXACT_MIN && v < EXACT_MAX) {
		shortest_exact(v, out);
		return;
	}
#endif
	if (v < (w == W64 ? DBL_MIN : (double)FLT_MIN))
		n = 1;
	while (n < max && !try_digits(v, n, w, lopsided, out))
		n++;
	if (n == max)
		try_digits(v, max, w, lopsided, out);
}

static char *put_zeros(char *o, int n)
{
	for (; n > 0; n--)
		*o++ = '0';
	return o;
}

static char *put(char *o, const char *p, int n)
{
	memcpy(o, p, (size_t)n);
	return o + n;
}

/* Positional, without ".0". */
static char *put_plain(char *o, const struct decimal *x)
{
	if (x->point <= 0) {
		o = put(o, "0.", 2);
		o = put_zeros(o, -x->point);
		return put(o, x->d, x->n);
	}
	if (x->n <= x->point) {
		o = put(o, x->d, x->n);
		return put_zeros(o, x->point - x->n);
	}
	o = put(o, x->d, x->point);
	*o++ = '.';
	return put(o, x->d + x->point, x->n - x->point);
}

static char *put_exponent(char *o, const struct decimal *x)
{
	*o++ = x->d[0];
	if (x->n > 1) {
		*o++ = '.';
		o = put(o, x->d + 1, x->n - 1);
	}
	return o + sprintf(o, "e%d", x->point - 1);
}

/* Whole numbers below 2^53 need no search. */
static char *put_integer(char *o, uint64_t v)
{
	char buf[20], *p = buf + sizeof(buf);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return put(o, p, (int)(buf + sizeof(buf) - p));
}

size_t fmt_f64(char *out, double v)
{
	struct decimal x;
	char *o = out;

	if (signbit(v))
		*o++ = '-';
	v = fabs(v);
	if (v < EXACT_MAX && v == floor(v)) {
		o = put_integer(o, (uint64_t)v);
		o = put(o, ".0", 2);
	} else {
		shortest(v, W64, &x);
		/* 1e-5 is 0.1 * 10^-4, 1e16 is 0.1 * 10^17 */
		if (x.point < -4 || x.point > 16)
			o = put_exponent(o, &x);
		else
			o = put_plain(o, &x);
		if (x.point >= x.n && x.point <= 16)
			o = put(o, ".0", 2);
	}
	*o = 0;
	return (size_t)(o - out);
}

static size_t fmt_key(char *out, double v, enum width w)
{
	struct decimal x;
	char *o = out;

	if (v == 0) {
		*o++ = '0';
	} else {
		if (v < 0)
			*o++ = '-';
		shortest(fabs(v), w, &x);
		o = put_plain(o, &x);
	}
	*o = 0;
	return (size_t)(o - out);
}

size_t fmt_key_f64(char *out, double v)
{
	return fmt_key(out, v, W64);
}

size_t fmt_key_f32(char *out, float v)
{
	return fmt_key(out, (double)v, W32);
}

/* --- reading --------------------------------------------------------------------------------- */

struct number_text {
	bool neg;
	bool exact; /* mantissa holds all digits */
	uint64_t mantissa;
	int64_t exp10;
};

/* At most 19 significant digits fit into the mantissa. */
static void add_digit(struct number_text *t, char c, int *n_digits)
{
	if (!t->mantissa && c == '0')
		return;
	if (++*n_digits > 19)
		t->exact = false;
	else
		t->mantissa = t->mantissa * 10 + (uint64_t)(c - '0');
}

static bool is_digit(struct str s, size_t i)
{
	return i < s.n && s.s[i] >= '0' && s.s[i] <= '9';
}

static bool scan_exponent(struct str s, size_t *i, struct number_text *t)
{
	int64_t x = 0;
	bool neg = false;

	if (*i < s.n && (s.s[*i] == '+' || s.s[*i] == '-'))
		neg = s.s[(*i)++] == '-';
	if (!is_digit(s, *i))
		return false;
	for (; is_digit(s, *i); (*i)++)
		if (x < 1000000)
			x = x * 10 + (s.s[*i] - '0');
	t->exp10 += neg ? -x : x;
	return true;
}

/* -?digits(.digits)?([eE][+-]?digits)? */
static bool scan(struct str s, struct number_text *t)
{
	int n_digits = 0;
	size_t i = 0;

	*t = (struct number_text){ .exact = true };
	if (s.n && s.s[0] == '-') {
		t->neg = true;
		i++;
	}
	if (!is_digit(s, i))
		return false;
	for (; is_digit(s, i); i++)
		add_digit(t, s.s[i], &n_digits);
	if (i < s.n && s.s[i] == '.') {
		if (!is_digit(s, ++i))
			return false;
		for (; is_digit(s, i); i++) {
			add_digit(t, s.s[i], &n_digits);
			t->exp10--;
		}
	}
	if (i < s.n && (s.s[i] == 'e' || s.s[i] == 'E')) {
		i++;
		if (!scan_exponent(s, &i, t))
			return false;
	}
	return i == s.n;
}

/* Clinger 1990: with both factors exact, one correctly rounded operation gives the correctly
 * rounded result. */
static bool fast_value(const struct number_text *t, double *out)
{
	static const double pow10[] = { 1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
					1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	double v = (double)t->mantissa;

	if (!t->exact || FLT_EVAL_METHOD != 0)
		return false;
	if (t->mantissa == 0) {
		*out = t->neg ? -0.0 : 0.0;
		return true;
	}
	if (t->mantissa > (UINT64_C(1) << 53) || t->exp10 < -22 || t->exp10 > 22)
		return false;
	v = t->exp10 < 0 ? v / pow10[-t->exp10] : v * pow10[t->exp10];
	*out = t->neg ? -v : v;
	return true;
}

bool parse_f64(struct str s, double *out)
{
	struct number_text t;
	char buf[64], *text = buf;
	locale_t c;

	if (!scan(s, &t))
		return false;
	if (fast_value(&t, out))
		return true;
	if (s.n >= sizeof(buf))
		text = mem_alloc(s.n + 1);
	memcpy(text, s.s, s.n);
	text[s.n] = 0;
	/* glibc and musl hand out a static object for "C" */
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		abort();
	*out = strtod_l(text, NULL, c);
	freelocale(c);
	if (text != buf)
		free(text);
	return true;
}

/* --- numbers of JSON trees ------------------------------------------------------------------- */

bool json_to_i64(const struct json *v, int64_t *out)
{
	return v && v->type == JSON_NUMBER && v->is_int && str_to_i64(v->text, out);
}

bool json_to_u64(const struct json *v, uint64_t *out)
{
	return v && v->type == JSON_NUMBER && v->is_int && str_to_u64(v->text, out);
}

bool json_to_f64(const struct json *v, double *out)
{
	double d;

	if (!v || v->type != JSON_NUMBER || !parse_f64(v->text, &d) || isinf(d))
		return false;
	*out = d;
	return true;
}
