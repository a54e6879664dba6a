/* SPDX-License-Identifier: MIT */
/* utf8_stream.h - is a text that comes in pieces valid UTF-8 (RFC 3629)? */
#ifndef NET_UTF8_STREAM_H
#define NET_UTF8_STREAM_H

#include <omnigraph/str.h>

struct utf8_stream {
	uint8_t need;	/* continuation bytes still missing */
	uint8_t lo, hi; /* range of the next one */
};

/* False as soon as a byte cannot be right. */
bool utf8_stream_feed(struct utf8_stream *u, const void *data, size_t n);
static inline bool utf8_stream_complete(const struct utf8_stream *u)
{
	return !u->need;
}

#endif
