/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include <omnigraph/mem.h>

#include "guard.h"

static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(struct str s)
{
	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.s[i]))
			return false;
	return true;
}

/* field-value: visible characters, blanks, tabs and bytes above ASCII */
static bool is_field_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_target(struct str s)
{
	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

/* A line end of CRLF leaves two NULs between the slices; anything else was not one. */
static bool adjacent(const char *end, const char *next)
{
	return next == end + 2;
}

static const char *check_layout(const struct guard_input *in)
{
	const char *at;

	if (in->target_at != in->method.s + in->method.n + 1 || in->version.s != in->target_at + in->target.n + 1)
		return "the request line has extra blanks or a NUL";
	at = in->version.s + in->version.n;
	for (size_t i = 0; i < in->n; i++) {
		const struct guard_header *h = &in->headers[i];

		if (!adjacent(at, h->name.s))
			return "a header line is folded, has a NUL, or does not end in CRLF";
		/* ':' and blanks lie between the two */
		if (h->value.s <= h->name.s + h->name.n)
			return "a header line is folded";
		at = h->value.s + h->value.n;
	}
	/* the end of the last line and the empty line */
	if (in->end != at + 4)
		return "a header line is folded, has a NUL, or does not end in CRLF";
	return NULL;
}

struct framing {
	struct str length, encoding;
	size_t n_lengths, n_encodings, n_hosts;
	bool lengths_differ;
};

static void note(struct framing *f, const struct guard_header *h)
{
	struct str v = str_trim_ascii(h->value);

	if (str_eq_nocase(h->name, STR("Content-Length"))) {
		if (f->n_lengths++ && !str_eq(v, f->length))
			f->lengths_differ = true;
		f->length = v;
	} else if (str_eq_nocase(h->name, STR("Transfer-Encoding"))) {
		f->n_encodings++;
		f->encoding = v;
	} else if (str_eq_nocase(h->name, STR("Host"))) {
		f->n_hosts++;
	}
}

static const char *check_framing(const struct framing *f)
{
	uint64_t n;

	if (f->lengths_differ)
		return "Content-Length headers differ";
	if (f->n_lengths && !str_to_u64(f->length, &n))
		return "Content-Length is not a number";
	if (f->n_lengths && f->n_encodings)
		return "both Content-Length and Transfer-Encoding are present";
	if (f->n_encodings > 1 || (f->n_encodings && !str_eq_nocase(f->encoding, STR("chunked"))))
		return "Transfer-Encoding must be exactly 'chunked'";
	if (f->n_hosts > 1)
		return "there is more than one Host header";
	return NULL;
}

const char *guard_check(const struct guard_input *in)
{
	struct framing f = { 0 };
	const char *why;

	if (!is_token(in->method))
		return "the method is not a token";
	if (!is_target(in->target))
		return "the request target has a blank or a control character";
	if (in->in_place) {
		why = check_layout(in);
		if (why)
			return why;
	}
	for (size_t i = 0; i < in->n; i++) {
		if (!is_token(in->headers[i].name))
			return "a header name has a character that is not allowed";
		if (!is_field_value(in->headers[i].value))
			return "a header value has a control character";
		note(&f, &in->headers[i]);
	}
	return check_framing(&f);
}
