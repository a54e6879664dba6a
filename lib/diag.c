/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdlib.h>

#include <omnigraph/diag.h>

static void push(struct diag_list *l, struct diag d)
{
	MEM_GROW(l->items, l->n, l->cap);
	l->items[l->n++] = d;
	l->n_errors += d.severity == DIAG_ERROR;
}

void diag_add(struct diag_list *l, enum diag_severity severity, const char *code, const char *path, const char *fmt,
	      ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	push(l, (struct diag){ code, severity, arena_strdup(&l->arena, path ? path : ""),
			       arena_str(&l->arena, sb_str(&b)).s });
	sb_free(&b);
}

void diag_append(struct diag_list *l, const struct diag_list *src)
{
	size_t n = src->n; /* @src may be @l */

	for (size_t i = 0; i < n; i++) {
		struct diag d = src->items[i];

		d.path = arena_strdup(&l->arena, d.path);
		d.message = arena_strdup(&l->arena, d.message);
		push(l, d);
	}
}

void diag_free(struct diag_list *l)
{
	arena_free(&l->arena);
	free(l->items);
	*l = DIAG_LIST_INIT;
}

void diag_write_json(struct json_writer *w, const struct diag_list *l)
{
	jw_begin_array(w);
	for (size_t i = 0; i < l->n; i++) {
		const struct diag *d = &l->items[i];

		jw_begin_object(w);
		jw_kstrz(w, "code", d->code);
		jw_kstrz(w, "severity", d->severity == DIAG_ERROR ? "error" : "warning");
		jw_kstrz(w, "path", d->path);
		jw_kstrz(w, "message", d->message);
		jw_end_object(w);
	}
	jw_end_array(w);
}

/* A message of several lines on one; the mark under a quoted line would stand nowhere and is left out. */
static void add_on_one_line(struct strbuf *out, const char *message)
{
	struct str rest = str_from(message);
	bool first = true;

	while (rest.n) {
		const char *end = memchr(rest.s, '\n', rest.n);
		struct str line = { rest.s, end ? (size_t)(end - rest.s) : rest.n };
		struct str text = str_trim(line);

		if (text.n && strspn(text.s, "|^ \t") < text.n) {
			sb_addf(out, "%s%.*s", first ? "" : " ", STR_ARG(text));
			first = false;
		}
		rest = (struct str){ rest.s + line.n + (end != NULL), rest.n - line.n - (end != NULL) };
	}
}

void diag_write_text(struct strbuf *out, const struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct diag *d = &l->items[i];

		sb_addf(out, "%s %s %s: ", d->severity == DIAG_ERROR ? "ERROR" : "WARN ", d->code, d->path);
		add_on_one_line(out, d->message);
		sb_addch(out, '\n');
	}
}
