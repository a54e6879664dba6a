/* SPDX-License-Identifier: MIT */
/*
 * guard.h - refuse request headers that two HTTP parsers could read differently (request smuggling).
 *
 * libmicrohttpd before 1.0.5 lets these through: differing Content-Length headers, Content-Length with
 * Transfer-Encoding, NUL and bare CR in lines, white space before the colon, folded lines, bare LF. RFC 9112 has a
 * proxy in front of us drop or repair them; whoever sees one of them here must not guess. The answer is 400 and the
 * end of the connection.
 *
 * Pure functions over slices; no allocation. Rules: RFC 9112 2.2, 3, 5.1, 5.2, 6.1 - 6.3; RFC 9110 5.6.2, 7.2.
 */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include <omnigraph/str.h>

#define GUARD_HEADERS_MAX 256

struct guard_header {
	struct str name, value;
};

struct guard_input {
	struct str method;
	struct str target;     /* as received */
	const char *target_at; /* in_place: where it lay (its bytes there may have been split since) */
	struct str version;    /* "HTTP/1.1" */
	const struct guard_header *headers;
	size_t n;
	/*
	 * With @in_place the slices lie in the receive buffer in the order of arrival, every line end overwritten by NULs
	 * (two for CRLF, one for a bare LF), and @end is the first byte behind the header: then gaps show what was cut off.
	 */
	bool in_place;
	const char *end;
};

/* NULL when the header is unambiguous, else what is wrong with it (a sentence part for the client). */
const char *guard_check(const struct guard_input *in);

#endif
