/* SPDX-License-Identifier: MIT */
#include "net/utf8_stream.h"

/* First byte of a sequence: how many follow, and the range of the second (Unicode 15, table 3-7). */
static bool start(struct utf8_stream *u, uint8_t c)
{
	u->lo = 0x80;
	u->hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf) {
		u->need = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		u->need = 2;
		if (c == 0xe0)
			u->lo = 0xa0;
		else if (c == 0xed)
			u->hi = 0x9f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		u->need = 3;
		if (c == 0xf0)
			u->lo = 0x90;
		else if (c == 0xf4)
			u->hi = 0x8f;
	} else {
		return false;
	}
	return true;
}

static bool go_on(struct utf8_stream *u, uint8_t c)
{
	if (c < u->lo || c > u->hi)
		return false;
	u->need--;
	u->lo = 0x80;
	u->hi = 0xbf;
	return true;
}

/* Bytes in front of the first that is not ASCII. */
static size_t ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t v;

		memcpy(&v, p + i, 8);
		if (v & 0x8080808080808080ull)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

bool utf8_stream_feed(struct utf8_stream *u, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		if (!u->need) {
			i += ascii_run(p + i, n - i);
			if (i == n)
				return true;
			if (!start(u, p[i]))
				return false;
		} else if (!go_on(u, p[i])) {
			return false;
		}
	}
	return true;
}
