/* SPDX-License-Identifier: MIT */
/* UTF-8 as of RFC 3629, section 4: the byte ranges of its ABNF. */
#include <utf8proc.h>

#include <omnigraph/str.h>

/* Length of the valid character at @p, 0 when there is none. */
static size_t char_len(const unsigned char *p, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		if (p[0] == 0xe0)
			lo = 0xa0; /* shortest form */
		if (p[0] == 0xed)
			hi = 0x9f; /* no surrogates */
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		if (p[0] == 0xf4)
			hi = 0x8f; /* up to U+10FFFF */
	} else {
		return 0;
	}
	if (n < len || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Bytes of ASCII at the start of @p, a multiple of 8 (maybe fewer than there are). */
static size_t ascii_run(const unsigned char *p, size_t n)
{
	size_t i = 0;
	uint64_t w;

	for (; n - i >= 8; i += 8) {
		memcpy(&w, p + i, 8);
		if (w & 0x8080808080808080ull)
			break;
	}
	return i;
}

size_t utf8_valid_prefix(struct str a)
{
	const unsigned char *p = (const unsigned char *)a.s;
	size_t i = 0, len;

	while (i < a.n) {
		if (p[i] < 0x80) {
			len = ascii_run(p + i, a.n - i);
			i += len ? len : 1;
			continue;
		}
		len = char_len(p + i, a.n - i);
		if (!len)
			break;
		i += len;
	}
	return i;
}

bool utf8_valid(struct str a)
{
	return utf8_valid_prefix(a) == a.n;
}

uint32_t utf8_next(const char **p, const char *end)
{
	const unsigned char *u = (const unsigned char *)*p;
	size_t len = char_len(u, (size_t)(end - *p));
	uint32_t cp;

	switch (len) {
	case 1:
		cp = u[0];
		break;
	case 2:
		cp = (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
		break;
	case 3:
		cp = (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
		break;
	case 4:
		cp = (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
		break;
	default: /* the caller broke the contract; stay inside the text */
		cp = 0xfffd;
		len = 1;
	}
	*p += len;
	return cp;
}

int utf8_put(char out[4], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t utf8_len(struct str a)
{
	size_t count = 0;

	for (size_t i = 0; i < a.n; i++)
		count += ((unsigned char)a.s[i] & 0xc0) != 0x80;
	return count;
}

bool utf8_is_alphanumeric(uint32_t cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return true;
	default:
		return false;
	}
}
