/* SPDX-License-Identifier: MIT */
/* Errors with their place in a schema's text: line, column, the offending line and a mark below it (spec/schema.md 13). */
#include <omnigraph/util.h>

#include "engine/schema/ir.h"

#define SHOWN_BEFORE 120 /* bytes of the offending line shown before and after the error */
#define SHOWN_AFTER 80

static void place(struct str src, size_t at, uint32_t *line, uint32_t *col, size_t *start)
{
	*line = 1;
	*start = 0;
	for (size_t i = 0; i < at && i < src.n; i++)
		if (src.s[i] == '\n') {
			(*line)++;
			*start = i + 1;
		}
	*col = (uint32_t)utf8_len((struct str){ src.s + *start, at - *start }) + 1;
}

size_t sc_char_start(struct str s, size_t at)
{
	while (at > 0 && at < s.n && ((unsigned char)s.s[at] & 0xc0) == 0x80)
		at--;
	return at;
}

/* The offending line (a part of it when it is long) and, below, a mark under byte @at. */
static void show_line(struct str src, size_t at, size_t start, struct strbuf *out)
{
	size_t end = at, from = start;

	while (end < src.n && src.s[end] != '\n' && src.s[end] != '\r' && end - at < SHOWN_AFTER)
		end++;
	end = sc_char_start(src, end);
	if (at - start > SHOWN_BEFORE)
		from = sc_char_start(src, at - SHOWN_BEFORE);
	sb_addz(out, "\n  | ");
	sb_add(out, src.s + from, end - from);
	sb_addz(out, "\n  | ");
	for (size_t i = from; i < at; i++) /* a tab stays one, so that the mark stands below the place */
		if (src.s[i] == '\t')
			sb_addch(out, '\t');
		else if (((unsigned char)src.s[i] & 0xc0) != 0x80)
			sb_addch(out, ' ');
	sb_addch(out, '^');
}

int sc_fail_at(struct str src, size_t at, size_t n, struct err *e, enum err_code code, const char *prefix,
	       const char *fmt, va_list ap)
{
	struct strbuf b = STRBUF_INIT;
	uint32_t line, col;
	size_t start;
	int rc;

	place(src, at, &line, &col, &start);
	sb_addv(&b, fmt, ap);
	sb_addf(&b, "\n --> %u:%u", line, col);
	show_line(src, at, start, &b);
	rc = err_set(e, code, "%s%s", prefix, b.s);
	err_position(e, line, col, (uint32_t)at, (uint32_t)(at + n <= src.n ? at + n : src.n));
	sb_free(&b);
	return rc;
}

int sc_fail_on(const struct sc_schema *s, struct str word, struct err *e, enum err_code code, const char *prefix,
	       const char *fmt, ...)
{
	uintptr_t at = (uintptr_t)word.s, from = (uintptr_t)s->source.s;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	if (word.s && at >= from && at - from < s->source.n) {
		rc = sc_fail_at(s->source, at - from, word.n, e, code, prefix, fmt, ap);
	} else {
		rc = err_vset(e, code, fmt, ap);
		err_prefix(e, "%s", prefix);
	}
	va_end(ap);
	return rc;
}
