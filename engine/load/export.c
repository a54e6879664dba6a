/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/store/snapshot.h"

#define EXPORT_CHUNK 65536	/* bytes handed to the consumer at once, at most */
#define RELAX_BYTES (16u << 20) /* of output, after which the pages it came from are given back */
#define RELAX_ROWS (1u << 18)	/* the same when only ids are read */

struct exporter {
	struct snapshot *s;
	struct strbuf out;
	uint64_t since_relax;
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
	x->since_relax += off;
	if (x->since_relax >= RELAX_BYTES) {
		snapshot_relax(x->s);
		x->since_relax = 0;
	}
	if (off) {
		memmove(x->out.s, x->out.s + off, x->out.n - off);
		x->out.n -= off;
	}
	return rc;
}

static int write_row(struct exporter *x, const struct type *t, rowref r)
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
	return b->n >= EXPORT_CHUNK ? flush(x, false) : 0;
}

struct row_key {
	struct str id;
	rowref row;
};

static int by_id(const void *a, const void *b)
{
	return str_cmp(((const struct row_key *)a)->id, ((const struct row_key *)b)->id);
}

/* Rows of one load, or of a compaction, come in the order of their ids. */
static bool scan_ascends(const struct snapshot *s, const struct type *t)
{
	struct str last = { 0 };
	uint32_t rows = 0;
	struct row_scan sc;
	rowref r;

	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct str id = row_id(s, t, r);

		if (last.s && str_cmp(last, id) >= 0)
			return false;
		last = id;
		if (++rows % RELAX_ROWS == 0)
			snapshot_relax(s);
	}
	return true;
}

/* All rows of a type ascending by id; the caller frees. */
static struct row_key *sorted_rows(const struct snapshot *s, const struct type *t, size_t *n)
{
	size_t cap = 0;
	struct row_key *rows = NULL;
	struct row_scan sc;
	rowref r;

	*n = 0;
	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		MEM_GROW(rows, *n, cap);
		rows[*n] = (struct row_key){ row_id(s, t, r), r };
		(*n)++;
	}
	qsort(rows, *n, sizeof(*rows), by_id);
	return rows;
}

static int export_sorted(struct exporter *x, const struct type *t)
{
	size_t n;
	struct row_key *rows = sorted_rows(x->s, t, &n);
	int rc = snapshot_damage(x->s, x->e); /* whether rows come in order was known before all of them were seen */

	for (size_t i = 0; !rc && i < n; i++)
		rc = write_row(x, t, rows[i].row);
	free(rows);
	return rc;
}

static int export_type(struct exporter *x, const struct type *t)
{
	bool ascends = scan_ascends(x->s, t);
	struct row_scan sc;
	rowref r;
	int rc = snapshot_damage(x->s, x->e); /* what is damaged reads as empty */

	if (rc)
		return rc;
	snapshot_relax(x->s);
	if (!ascends)
		return export_sorted(x, t);
	row_scan_init(&sc, x->s, t);
	while (!rc && (r = row_scan_next(&sc)) != ROW_NONE)
		rc = write_row(x, t, r);
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
