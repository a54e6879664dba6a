/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/mem.h>
#include <omnigraph/str.h>

bool str_starts(struct str a, struct str prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.s, prefix.s, prefix.n) == 0);
}

bool str_ends(struct str a, struct str suffix)
{
	return a.n >= suffix.n && (suffix.n == 0 || memcmp(a.s + a.n - suffix.n, suffix.s, suffix.n) == 0);
}

static bool ascii_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim_ascii(struct str a)
{
	while (a.n && ascii_space(a.s[0])) {
		a.s++;
		a.n--;
	}
	while (a.n && ascii_space(a.s[a.n - 1]))
		a.n--;
	return a;
}

/* Is the @n byte sequence (2 or 3 bytes) a non-ASCII character with the White_Space property? */
static bool wide_space(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	if (n == 2)
		return u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0);
	switch (u[0]) {
	case 0xe1: /* U+1680 */
		return u[1] == 0x9a && u[2] == 0x80;
	case 0xe2: /* U+2000..200A, 2028, 2029, 202F, 205F */
		if (u[1] == 0x80)
			return (u[2] >= 0x80 && u[2] <= 0x8a) || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf;
		return u[1] == 0x81 && u[2] == 0x9f;
	case 0xe3: /* U+3000 */
		return u[1] == 0x80 && u[2] == 0x80;
	}
	return false;
}

static size_t leading_space(struct str a)
{
	if (a.n && ascii_space(a.s[0]))
		return 1;
	for (size_t n = 2; n <= 3 && n <= a.n; n++)
		if (wide_space(a.s, n))
			return n;
	return 0;
}

static size_t trailing_space(struct str a)
{
	if (a.n && ascii_space(a.s[a.n - 1]))
		return 1;
	for (size_t n = 2; n <= 3 && n <= a.n; n++)
		if (wide_space(a.s + a.n - n, n))
			return n;
	return 0;
}

struct str str_trim(struct str a)
{
	size_t k;

	while ((k = leading_space(a))) {
		a.s += k;
		a.n -= k;
	}
	while ((k = trailing_space(a)))
		a.n -= k;
	return a;
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.s[i]) != ascii_lower(b.s[i]))
			return false;
	return true;
}

char *str_dup(struct str a)
{
	char *d = mem_alloc(a.n + 1);

	if (a.n)
		memcpy(d, a.s, a.n);
	d[a.n] = 0;
	return d;
}

bool str_to_u64(struct str a, uint64_t *out)
{
	uint64_t v = 0;

	if (!a.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (a.s[i] < '0' || a.s[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(a.s[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

bool str_to_i64(struct str a, int64_t *out)
{
	bool neg = a.n && a.s[0] == '-';
	uint64_t v;

	if (neg) {
		a.s++;
		a.n--;
	}
	if (!str_to_u64(a, &v) || v > (uint64_t)INT64_MAX + neg)
		return false;
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

static void grow_slow(struct strbuf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 32;

	while (cap < need) {
		if (cap > SIZE_MAX / 2)
			abort();
		cap *= 2;
	}
	b->s = mem_realloc(b->s, cap);
	b->cap = cap;
}

void sb_grow(struct strbuf *b, size_t extra)
{
	size_t need;

	if (__builtin_add_overflow(b->n, extra, &need) || need == SIZE_MAX)
		abort();
	if (need + 1 > b->cap)
		grow_slow(b, need + 1);
}

void sb_add(struct strbuf *b, const void *data, size_t n)
{
	sb_grow(b, n);
	if (n)
		memcpy(b->s + b->n, data, n);
	b->n += n;
	b->s[b->n] = 0;
}

void sb_addz(struct strbuf *b, const char *z)
{
	sb_add(b, z, strlen(z));
}

void sb_adds(struct strbuf *b, struct str s)
{
	sb_add(b, s.s, s.n);
}

void sb_addch(struct strbuf *b, char c)
{
	sb_grow(b, 1);
	b->s[b->n++] = c;
	b->s[b->n] = 0;
}

void sb_addv(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	sb_grow(b, 80);
	n = vsnprintf(b->s + b->n, b->cap - b->n, fmt, ap);
	if (n < 0)
		abort();
	if ((size_t)n >= b->cap - b->n) {
		sb_grow(b, (size_t)n);
		vsnprintf(b->s + b->n, b->cap - b->n, fmt, again);
	}
	va_end(again);
	b->n += (size_t)n;
}

void sb_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sb_addv(b, fmt, ap);
	va_end(ap);
}

void sb_addu64(struct strbuf *b, uint64_t v)
{
	char buf[20], *p = buf + sizeof(buf);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	sb_add(b, p, (size_t)(buf + sizeof(buf) - p));
}

void sb_addi64(struct strbuf *b, int64_t v)
{
	if (v < 0) {
		sb_addch(b, '-');
		sb_addu64(b, 0 - (uint64_t)v);
	} else {
		sb_addu64(b, (uint64_t)v);
	}
}

void sb_reset(struct strbuf *b)
{
	b->n = 0;
	if (b->s)
		b->s[0] = 0;
}

void sb_free(struct strbuf *b)
{
	free(b->s);
	*b = STRBUF_INIT;
}

char *sb_detach(struct strbuf *b)
{
	char *s;

	sb_grow(b, 0);
	b->s[b->n] = 0;
	s = b->s;
	*b = STRBUF_INIT;
	return s;
}
