/* SPDX-License-Identifier: MIT */
/*
 * diag.h - lists of diagnostics with a code, a severity and a path (spec/cluster.md 7).
 * Ownership: texts live in the list's arena. Order is order of emission. One thread at a time.
 */
#ifndef OMNIGRAPH_DIAG_H
#define OMNIGRAPH_DIAG_H

#include <omnigraph/json.h>
#include <omnigraph/mem.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag {
	const char *code; /* string literal */
	enum diag_severity severity;
	const char *path;
	const char *message;
};

struct diag_list {
	struct arena arena;
	struct diag *items;
	size_t n, cap;
	size_t n_errors;
};

#define DIAG_LIST_INIT ((struct diag_list){ 0 })

void diag_add(struct diag_list *l, enum diag_severity severity, const char *code, const char *path, const char *fmt,
	      ...) __attribute__((format(printf, 5, 6)));
/* Append copies of all of @src. */
void diag_append(struct diag_list *l, const struct diag_list *src);
void diag_free(struct diag_list *l);
/* [{"code","severity","path","message"}, ...] */
void diag_write_json(struct json_writer *w, const struct diag_list *l);
/* "ERROR <code> <path>: <message>\n" or "WARN  ..." per diagnostic, one line each: the lines of a longer message are joined. */
void diag_write_text(struct strbuf *out, const struct diag_list *l);

#endif
