/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <test/check.h>

#include "net/guard.h"

/* A header as the library leaves it in its buffer: every line end replaced by NULs. */
static char buf[4096];
static struct guard_header headers[64];

static const char *check_raw(const char *text, size_t n)
{
	struct guard_input in = { .headers = headers, .in_place = true };
	char *p = buf, *line;
	size_t i;

	memcpy(buf, text, n);
	buf[n] = 0;
	in.method.s = p;
	in.method.n = strcspn(p, " ");
	p += in.method.n;
	*p++ = 0;
	while (*p == ' ')
		p++;
	in.target = (struct str){ p, strcspn(p, " ") };
	in.target_at = p;
	p += in.target.n;
	*p++ = 0;
	in.version = (struct str){ p, 8 };
	p += 8;
	for (;;) {
		if (*p == '\r')
			*p++ = 0;
		*p++ = 0;
		if (*p == '\r' || *p == '\n') {
			p += *p == '\r' ? 2 : 1;
			break;
		}
		line = p;
		/* the library ends a line at CRLF or LF, and its strings at NUL */
		for (i = 0; !(p[i] == '\n' || (p[i] == '\r' && p[i + 1] == '\n')); i++)
			;
		p += i;
		char *colon = memchr(line, ':', i);
		struct guard_header *h = &headers[in.n++];

		h->name = (struct str){ line, (size_t)(colon - line) };
		colon++;
		while (colon < p && (*colon == ' ' || *colon == '\t'))
			colon++;
		h->value = (struct str){ colon, strnlen(colon, (size_t)(p - colon)) };
	}
	in.end = p;
	return guard_check(&in);
}

#define RAW(text) check_raw(text, sizeof(text) - 1)

static void plain_requests_pass(void)
{
	CHECK(!RAW("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	CHECK(!RAW("POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX-Empty:\r\nX: \xc3\xa9\tz\r\n\r\n"));
	CHECK(!RAW("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"));
	CHECK(!RAW("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"));
}

static void ambiguous_lengths_are_refused(void)
{
	CHECK_HAS(RAW("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), "differ");
	CHECK_HAS(RAW("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), "both");
	CHECK_HAS(RAW("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), "exactly");
	CHECK_HAS(RAW("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
		  "exactly");
	CHECK_HAS(RAW("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n"), "not a number");
	CHECK_HAS(RAW("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "Host");
}

static void broken_lines_are_refused(void)
{
	CHECK(RAW("GET / HTTP/1.1\r\nHost : x\r\n\r\n"));
	CHECK(RAW("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"));
	CHECK(RAW("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"));
	CHECK(RAW("GET / HTTP/1.1\r\nA: b\n\r\n"));
	CHECK(RAW("GET / HTTP/1.1\nA: b\r\n\r\n"));
	CHECK(RAW("GET  / HTTP/1.1\r\nA: b\r\n\r\n"));
	CHECK(RAW("GET /\x01 HTTP/1.1\r\nA: b\r\n\r\n"));
	CHECK(RAW("G(T / HTTP/1.1\r\nA: b\r\n\r\n"));
}

CHECK_MAIN("net/guard", { "ordinary request headers pass the guard", plain_requests_pass },
	   { "requests with ambiguous body lengths are refused", ambiguous_lengths_are_refused },
	   { "NUL, bare CR, bare LF and blanks before the colon are refused", broken_lines_are_refused }, )
