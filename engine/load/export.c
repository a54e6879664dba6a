/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/store/snapshot.h"

#define EXPORT_CHUNK 65536 /* bytes handed to the consumer at once, at most */

struct exporter {
	struct snapshot *s;
	struct strbuf out;
	struct arena scratch; /* list items of the row at hand */
	write_fn write;
	void *arg;
	struct err *e;
};

static bool selected(const struct type *t, const char *const *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqz(t->name, types[i]))
			return true;
	return n == 0;
}

int export_check_types(const struct snapshot *s, const char *const *types, size_t n, struct err *e)
{
	const struct catalog *c = snapshot_catalog(s);

	for (size_t i = 0; i < n; i++)
		if (!catalog_node(c, str_from(types[i])) && !catalog_edge(c, str_from(types[i])))
			return err_set(e, ERR_BAD_REQUEST, "unknown export type '%s'", types[i]);
	return 0;
}

/* Hand over whole chunks, or everything when @all. */
static int flush(struct exporter *x, bool all)
{
	size_t off = 0;
	int rc = 0;

	while (!rc && (x->out.n - off >= EXPORT_CHUNK || (all && off < x->out.n))) {
		size_t n = x->out.n - off;

		if (n > EXPORT_CHUNK)
			n = EXPORT_CHUNK;
		rc = x->write(x->arg, x->out.s + off, n, x->e);
		off += n;
	}
	if (off) {
		memmove(x->out.s, x->out.s + off, x->out.n - off);
		x->out.n -= off;
	}
	return rc;
}

static void write_row(struct exporter *x, const struct type *t, rowref r)
{
	struct strbuf *b = &x->out;
	struct val v;

	sb_addz(b, t->kind == TYPE_NODE ? "{\"type\":" : "{\"edge\":");
	json_quote(b, t->name);
	if (t->kind == TYPE_EDGE) {
		sb_addz(b, ",\"from\":");
		json_quote(b, row_src(x->s, t, r));
		sb_addz(b, ",\"to\":");
		json_quote(b, row_dst(x->s, t, r));
	}
	sb_addz(b, ",\"data\":{\"id\":");
	json_quote(b, row_id(x->s, t, r));
	arena_reset(&x->scratch);
	for (uint32_t i = 0; i < t->n_props; i++) {
		sb_addch(b, ',');
		json_quote(b, t->props[i].name);
		sb_addch(b, ':');
		row_get(x->s, t, r, i, &x->scratch, &v);
		val_export_json(&v, b);
	}
	sb_addz(b, "}}\n");
}

struct row_key {
	struct str id;
	rowref row;
};

static int by_id(const void *a, const void *b)
{
	return str_cmp(((const struct row_key *)a)->id, ((const struct row_key *)b)->id);
}

/* All rows of a type ascending by id; the caller frees. */
static struct row_key *sorted_rows(const struct snapshot *s, const struct type *t, size_t *n)
{
	size_t cap = 0;
	struct row_key *rows = NULL;
	struct row_scan sc;
	rowref r;
	bool sorted = true;

	*n = 0;
	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		MEM_GROW(rows, *n, cap);
		rows[*n] = (struct row_key){ row_id(s, t, r), r };
		if (*n && sorted)
			sorted = str_cmp(rows[*n - 1].id, rows[*n].id) < 0;
		(*n)++;
	}
	if (!sorted)
		qsort(rows, *n, sizeof(*rows), by_id);
	return rows;
}

static int export_type(struct exporter *x, const struct type *t)
{
	size_t n;
	struct row_key *rows = sorted_rows(x->s, t, &n);
	int rc = snapshot_damage(x->s, x->e); /* what is damaged reads as empty */

	for (size_t i = 0; !rc && i < n; i++) {
		write_row(x, t, rows[i].row);
		if (x->out.n >= EXPORT_CHUNK)
			rc = flush(x, false);
	}
	free(rows);
	return rc;
}

static int export_kind(struct exporter *x, enum type_kind kind, const char *const *types, size_t n)
{
	const struct catalog *c = snapshot_catalog(x->s);
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->n_types; i++)
		if (c->types[i].kind == kind && selected(&c->types[i], types, n))
			rc = export_type(x, &c->types[i]);
	return rc;
}

int graph_export_kinds(struct snapshot *s, unsigned kinds, const char *const *types, size_t n, write_fn write,
		       void *arg, struct err *e)
{
	struct exporter x = { .s = s, .write = write, .arg = arg, .e = e };
	int rc = export_check_types(s, types, n, e);

	/* type keys bytewise: "edge:..." before "node:..." */
	if (!rc && (!kinds || kinds & EXPORT_EDGES))
		rc = export_kind(&x, TYPE_EDGE, types, n);
	if (!rc && (!kinds || kinds & EXPORT_NODES))
		rc = export_kind(&x, TYPE_NODE, types, n);
	if (!rc)
		rc = flush(&x, true);
	sb_free(&x.out);
	arena_free(&x.scratch);
	return rc;
}

int graph_export(struct snapshot *s, const char *const *types, size_t n, write_fn write, void *arg, struct err *e)
{
	return graph_export_kinds(s, 0, types, n, write, arg, e);
}
