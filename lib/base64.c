/* SPDX-License-Identifier: MIT */
/* RFC 4648, sections 4 and 5. Decoding is strict: unused bits of the last character must be zero.
 */
#include <omnigraph/util.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *put3(char *o, const char *alphabet, uint32_t v)
{
	*o++ = alphabet[v >> 18];
	*o++ = alphabet[v >> 12 & 63];
	*o++ = alphabet[v >> 6 & 63];
	*o++ = alphabet[v & 63];
	return o;
}

static void encode(struct strbuf *out, const void *data, size_t n, const char *alphabet, bool pad)
{
	const uint8_t *p = data;
	size_t rest = n % 3;
	char *o;

	sb_grow(out, (n / 3 + 1) * 4);
	o = out->s + out->n;
	for (; n >= 3; n -= 3, p += 3)
		o = put3(o, alphabet, (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
	if (rest) {
		put3(o, alphabet, (uint32_t)p[0] << 16 | (rest == 2 ? (uint32_t)p[1] << 8 : 0));
		o += rest + 1;
		for (size_t i = rest; pad && i < 3; i++)
			*o++ = '=';
	}
	*o = 0;
	out->n = (size_t)(o - out->s);
}

void base64_encode(struct strbuf *out, const void *data, size_t n)
{
	encode(out, data, n, standard, true);
}

void base64url_encode(struct strbuf *out, const void *data, size_t n)
{
	encode(out, data, n, url_safe, false);
}

#define BAD 0xff

static void fill_values(uint8_t values[256], const char *alphabet)
{
	memset(values, BAD, 256);
	for (uint8_t i = 0; i < 64; i++)
		values[(uint8_t)alphabet[i]] = i;
}

/* Decode unpadded text. */
static bool decode(struct strbuf *out, struct str s, const char *alphabet)
{
	uint8_t values[256];
	size_t start = out->n;
	uint32_t acc = 0;
	unsigned bits = 0;

	if (s.n % 4 == 1)
		return false;
	fill_values(values, alphabet);
	sb_grow(out, s.n / 4 * 3 + 3);
	for (size_t i = 0; i < s.n; i++) {
		uint8_t v = values[(uint8_t)s.s[i]];

		if (v == BAD)
			goto bad;
		acc = acc << 6 | v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out->s[out->n++] = (char)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	if (acc)
		goto bad;
	out->s[out->n] = 0;
	return true;
bad:
	out->n = start;
	out->s[start] = 0;
	return false;
}

bool base64_decode(struct strbuf *out, struct str s)
{
	size_t pad = 0;

	if (s.n % 4)
		return false;
	while (pad < 2 && pad < s.n && s.s[s.n - 1 - pad] == '=')
		pad++;
	s.n -= pad;
	return decode(out, s, standard);
}

bool base64url_decode(struct strbuf *out, struct str s)
{
	return decode(out, s, url_safe);
}
