/* SPDX-License-Identifier: MIT */
/* A read envelope as table, kv, csv, jsonl or json (spec/cli.md 10). */
#include <omnigraph/json.h>

#include "tools/cli/cli.h"

struct view {
	struct arena arena;
	const struct json *root, *rows;
	size_t n_cols;
	struct str *cols;
	struct strbuf *out;
	const struct table_opts *opts;
};

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The envelope's columns; without them the sorted union of row keys. */
static void find_columns(struct view *v)
{
	const struct json *cols = json_get(v->root, "columns");
	size_t n = 0;

	if (cols && cols->type == JSON_ARRAY) {
		v->cols = arena_array(&v->arena, struct str, cols->n + 1);
		for (size_t i = 0; i < cols->n; i++)
			v->cols[v->n_cols++] = cols->items[i].text;
		return;
	}
	for (size_t i = 0; i < v->rows->n; i++)
		n += v->rows->items[i].type == JSON_OBJECT ? v->rows->items[i].n : 1;
	v->cols = arena_array(&v->arena, struct str, n + 1);
	n = 0;
	for (size_t i = 0; i < v->rows->n; i++) {
		const struct json *r = &v->rows->items[i];

		if (r->type != JSON_OBJECT)
			v->cols[n++] = STR("value");
		for (size_t k = 0; r->type == JSON_OBJECT && k < r->n; k++)
			v->cols[n++] = r->keys[k];
	}
	if (n)
		qsort(v->cols, n, sizeof(*v->cols), by_text);
	for (size_t i = 0; i < n; i++)
		if (!v->n_cols || !str_eq(v->cols[v->n_cols - 1], v->cols[i]))
			v->cols[v->n_cols++] = v->cols[i];
}

static const struct json *cell(const struct json *row, struct str col)
{
	if (row->type != JSON_OBJECT)
		return str_eqz(col, "value") ? row : NULL;
	for (size_t i = row->n; i-- > 0;)
		if (str_eq(row->keys[i], col))
			return &row->items[i];
	return NULL;
}

/* Text of a value: strings verbatim, the rest as JSON. */
static struct str value_text(struct view *v, const struct json *j)
{
	struct strbuf b = STRBUF_INIT;
	struct str s;

	if (!j)
		return STR("null");
	if (j->type == JSON_STRING)
		return j->text;
	json_compact(&b, j);
	s = arena_str(&v->arena, sb_str(&b));
	sb_free(&b);
	return s;
}

static void header_line(struct view *v)
{
	const struct json *target = json_get(v->root, "target"), *b = json_get_nonnull(target, "branch");
	const struct json *s = json_get_nonnull(target, "snapshot"), *name = json_get(v->root, "query_name");
	const struct json *at = b ? b : s;

	sb_addf(v->out, "%zu rows from %s %.*s via %.*s\n", v->rows->n, b ? "branch" : "snapshot",
		at ? (int)at->text.n : 0, at ? at->text.s : "", name ? (int)name->text.n : 0, name ? name->text.s : "");
}

/* --- json, jsonl, csv, kv ---------------------------------------------------------------------------------------------- */

/* The envelope's own members; what a newer server adds is not printed. */
static void as_json(struct view *v)
{
	static const char *const members[] = {
		"query_name", "target", "row_count", "columns", "rows", "graph_commit_id"
	};
	struct json_writer w;

	jw_init(&w, v->out, true);
	jw_begin_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		doc_member(&w, v->root, members[i]);
	jw_end_object(&w);
	sb_addch(v->out, '\n');
}

static void as_jsonl(struct view *v)
{
	static const char *const members[] = { "query_name", "target", "row_count" };
	struct json_writer w;

	jw_init(&w, v->out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "kind", "metadata");
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct json *m = json_get(v->root, members[i]);

		if (!m)
			continue;
		jw_keyz(&w, members[i]);
		jw_value(&w, m);
	}
	jw_end_object(&w);
	sb_addch(v->out, '\n');
	for (size_t i = 0; i < v->rows->n; i++) {
		json_compact(v->out, &v->rows->items[i]);
		sb_addch(v->out, '\n');
	}
}

static void csv_field(struct strbuf *out, struct str s)
{
	bool quote = false;

	for (size_t i = 0; i < s.n; i++)
		quote |= s.s[i] == ',' || s.s[i] == '"' || s.s[i] == '\n' || s.s[i] == '\r';
	if (!quote) {
		sb_adds(out, s);
		return;
	}
	sb_addch(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.s[i] == '"')
			sb_addch(out, '"');
		sb_addch(out, s.s[i]);
	}
	sb_addch(out, '"');
}

static void as_csv(struct view *v)
{
	for (size_t c = 0; c < v->n_cols; c++) {
		if (c)
			sb_addch(v->out, ',');
		csv_field(v->out, v->cols[c]);
	}
	sb_addch(v->out, '\n');
	for (size_t i = 0; i < v->rows->n; i++) {
		for (size_t c = 0; c < v->n_cols; c++) {
			if (c)
				sb_addch(v->out, ',');
			csv_field(v->out, value_text(v, cell(&v->rows->items[i], v->cols[c])));
		}
		sb_addch(v->out, '\n');
	}
}

static void as_kv(struct view *v)
{
	header_line(v);
	if (!v->rows->n)
		sb_addz(v->out, "(no rows)\n");
	for (size_t i = 0; i < v->rows->n; i++) {
		sb_addf(v->out, "%srow %zu\n", i ? "\n" : "", i + 1);
		for (size_t c = 0; c < v->n_cols; c++) {
			struct str s = value_text(v, cell(&v->rows->items[i], v->cols[c]));

			sb_addf(v->out, "%.*s: ", STR_ARG(v->cols[c]));
			sb_adds(v->out, s);
			sb_addch(v->out, '\n');
		}
	}
}

/* --- table --------------------------------------------------------------------------------------------------------------- */

/* A value on one line: LF shows as \n. */
static struct str one_line(struct view *v, struct str s)
{
	struct strbuf b = STRBUF_INIT;
	struct str out;

	if (!memchr(s.s, '\n', s.n))
		return s;
	for (size_t i = 0; i < s.n; i++) {
		if (s.s[i] == '\n')
			sb_addz(&b, "\\n");
		else
			sb_addch(&b, s.s[i]);
	}
	out = arena_str(&v->arena, sb_str(&b));
	sb_free(&b);
	return out;
}

/* The first @n characters of @s. */
static struct str head(struct str s, size_t n)
{
	const char *p = s.s, *end = s.s + s.n;

	while (n-- && p < end)
		utf8_next(&p, end);
	return (struct str){ s.s, (size_t)(p - s.s) };
}

static void pad(struct strbuf *out, size_t have, size_t width)
{
	while (have++ < width)
		sb_addch(out, ' ');
}

static void put_cell(struct view *v, struct str s, size_t width, bool last)
{
	sb_adds(v->out, s);
	pad(v->out, utf8_len(s), width);
	sb_addz(v->out, last ? "\n" : " | ");
}

/* The part of a cell that goes on this line; *rest is what wraps. */
static struct str fit(struct view *v, struct str s, size_t width, struct str *rest)
{
	struct str part;

	*rest = (struct str){ "", 0 };
	if (utf8_len(s) <= width)
		return s;
	if (v->opts->wrap) {
		part = head(s, width);
		*rest = (struct str){ s.s + part.n, s.n - part.n };
		return part;
	}
	if (width <= 1)
		return head(s, width);
	part = head(s, width - 1);
	return str_from(arena_printf(&v->arena, "%.*s…", STR_ARG(part)));
}

static void table_row(struct view *v, struct str *cells, const size_t *widths)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t c = 0; c < v->n_cols; c++) {
			struct str rest;

			put_cell(v, fit(v, cells[c], widths[c], &rest), widths[c], c + 1 == v->n_cols);
			cells[c] = rest;
			more |= rest.n > 0;
		}
	}
}

static void as_table(struct view *v)
{
	size_t *widths = arena_array(&v->arena, size_t, v->n_cols + 1), cap = v->opts->max_width;
	struct str *cells = arena_array(&v->arena, struct str, v->n_cols + 1);

	header_line(v);
	if (!v->n_cols) {
		sb_addz(v->out, "(no rows)\n");
		return;
	}
	for (size_t c = 0; c < v->n_cols; c++) {
		size_t longest = 0, header = utf8_len(v->cols[c]);

		for (size_t i = 0; i < v->rows->n; i++) {
			size_t n = utf8_len(one_line(v, value_text(v, cell(&v->rows->items[i], v->cols[c]))));

			longest = n > longest ? n : longest;
		}
		longest = longest > cap ? cap : longest;
		widths[c] = header > longest ? header : longest;
		if (widths[c] > (cap > 8 ? cap : 8))
			widths[c] = cap > 8 ? cap : 8;
	}
	for (size_t c = 0; c < v->n_cols; c++)
		put_cell(v, v->cols[c], widths[c], c + 1 == v->n_cols);
	for (size_t c = 0; c < v->n_cols; c++) {
		for (size_t i = 0; i < widths[c]; i++)
			sb_addch(v->out, '-');
		sb_addz(v->out, c + 1 == v->n_cols ? "\n" : "-+-");
	}
	for (size_t i = 0; i < v->rows->n; i++) {
		for (size_t c = 0; c < v->n_cols; c++)
			cells[c] = one_line(v, value_text(v, cell(&v->rows->items[i], v->cols[c])));
		table_row(v, cells, widths);
	}
}

int read_format(struct str envelope, const char *format, const struct table_opts *opts, struct strbuf *out,
		struct err *e)
{
	static const struct {
		const char *name;
		void (*fn)(struct view *);
	} formats[] = {
		{ "json", as_json }, { "jsonl", as_jsonl }, { "csv", as_csv }, { "kv", as_kv }, { "table", as_table }
	};
	struct view v = { .out = out, .opts = opts };
	struct json *root;
	size_t i = 0;
	int rc = json_parse(&v.arena, envelope, NULL, &root, e);

	if (!rc) {
		v.root = root;
		v.rows = json_get(root, "rows");
		while (i < ARRAY_SIZE(formats) && strcmp(formats[i].name, format))
			i++;
		if (i == ARRAY_SIZE(formats) || !v.rows || v.rows->type != JSON_ARRAY) {
			rc = err_set(e, ERR_BAD_REQUEST, "unknown output format '%s' (table, kv, csv, jsonl or json)",
				     format);
		} else {
			find_columns(&v);
			formats[i].fn(&v);
		}
	}
	arena_free(&v.arena);
	return rc;
}
