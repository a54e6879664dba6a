/* SPDX-License-Identifier: MIT */
#include <strings.h>

#include "net/http_conditions.h"

/* --- entity tags -------------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct str *s)
{
	while (s->n && (*s->s == ' ' || *s->s == '\t')) {
		s->s++;
		s->n--;
	}
}

/* The next tag of a list, with its quotes. False: it is not one. */
static bool take_tag(struct str *list, struct str *tag, bool *weak)
{
	size_t n = 1;

	*weak = list->n > 1 && list->s[0] == 'W' && list->s[1] == '/';
	if (*weak) {
		list->s += 2;
		list->n -= 2;
	}
	if (!list->n || *list->s != '"')
		return false;
	while (n < list->n && list->s[n] != '"' && (unsigned char)list->s[n] > ' ')
		n++;
	if (n == list->n || list->s[n] != '"')
		return false;
	*tag = (struct str){ list->s, n + 1 };
	list->s += n + 1;
	list->n -= n + 1;
	return true;
}

enum tag_match tag_list_match(struct str list, struct str tag, bool weak)
{
	bool found = false, is_weak;
	struct str one;

	if (str_eqz(str_trim_ascii(list), "*"))
		return TAG_MATCHES;
	do {
		skip_blanks(&list);
		if (!take_tag(&list, &one, &is_weak))
			return TAG_MALFORMED;
		found |= str_eq(one, tag) && (weak || !is_weak);
		skip_blanks(&list);
		if (list.n && *list.s != ',')
			return TAG_MALFORMED;
		if (list.n) {
			list.s++;
			list.n--;
		}
	} while (list.n);
	return found ? TAG_MATCHES : TAG_DIFFERS;
}

/* --- ranges ------------------------------------------------------------------------------------------------------------- */

static enum range_result suffix(uint64_t n, uint64_t length, uint64_t *start, uint64_t *end)
{
	*end = length;
	*start = n < length ? length - n : 0;
	if (n && length)
		return RANGE_GIVEN;
	*start = length;
	return RANGE_UNSATISFIABLE;
}

static enum range_result from_to(uint64_t a, uint64_t b, uint64_t length, uint64_t *start, uint64_t *end)
{
	*start = a;
	*end = b == UINT64_MAX ? b : b + 1;
	if (a >= length)
		return RANGE_UNSATISFIABLE;
	if (*end > length)
		*end = length;
	return RANGE_GIVEN;
}

enum range_result range_parse(struct str value, uint64_t length, uint64_t *start, uint64_t *end)
{
	const char *dash;
	struct str first, last;
	uint64_t a, b;

	if (value.n < 6 || strncasecmp(value.s, "bytes=", 6))
		return RANGE_IGNORED;
	value = (struct str){ value.s + 6, value.n - 6 };
	dash = memchr(value.s, '-', value.n);
	if (!dash)
		return RANGE_IGNORED;
	first = (struct str){ value.s, (size_t)(dash - value.s) };
	last = (struct str){ dash + 1, value.n - first.n - 1 };
	if (!first.n)
		return str_to_u64(last, &b) ? suffix(b, length, start, end) : RANGE_IGNORED;
	if (!str_to_u64(first, &a))
		return RANGE_IGNORED;
	if (!last.n) {
		*start = a;
		*end = a > length ? a : length;
		return a < length ? RANGE_GIVEN : RANGE_UNSATISFIABLE;
	}
	if (!str_to_u64(last, &b) || a > b)
		return RANGE_IGNORED;
	return from_to(a, b, length, start, end);
}
