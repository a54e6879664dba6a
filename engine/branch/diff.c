/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/branch/diff.h"

/* --- rows --------------------------------------------------------------------------------------------------------------- */

static bool same_ends(const struct snapshot *a, const struct type *ta, rowref ra, const struct snapshot *b,
		      const struct type *tb, rowref rb)
{
	return ta->kind == TYPE_NODE ||
	       (str_eq(row_src(a, ta, ra), row_src(b, tb, rb)) && str_eq(row_dst(a, ta, ra), row_dst(b, tb, rb)));
}

bool row_same(const struct snapshot *a, const struct type *ta, rowref ra, const struct snapshot *b,
	      const struct type *tb, rowref rb)
{
	struct arena scratch = ARENA_INIT;
	bool same;

	if (ra == ROW_NONE || rb == ROW_NONE)
		return ra == rb;
	same = ta->n_props == tb->n_props && same_ends(a, ta, ra, b, tb, rb);
	for (uint32_t i = 0; same && i < ta->n_props; i++) {
		const struct prop *other = ta == tb ? &tb->props[i] : type_prop_by_id(tb, ta->props[i].id);
		struct val x, y;

		same = other != NULL;
		if (!same)
			break;
		row_get(a, ta, ra, i, &scratch, &x);
		row_get(b, tb, rb, other->index, &scratch, &y);
		same = val_identical(&x, &y);
	}
	arena_free(&scratch);
	return same;
}

enum change_op change_op_of(const struct row_change *c)
{
	return c->before == ROW_NONE ? OP_INSERT : c->after == ROW_NONE ? OP_DELETE : OP_UPDATE;
}

const char *change_type_id(const struct row_change *c)
{
	return (c->is ? c->is : c->was)->public_id;
}

/* --- schema boundaries -------------------------------------------------------------------------------------------------- */

static int boundary(const char *commit, const struct type *t, struct err *e)
{
	char *name = str_dup(t->name);
	int rc = err_set(e, ERR_SCHEMA_BOUNDARY,
			 "entity changes for commit '%s' cross an unprovable schema boundary at type '%s'", commit,
			 name);

	err_detail(e, "graph_commit_id", commit);
	err_detail(e, "type_name", name);
	free(name);
	return rc;
}

/* The same properties under the same names (spec/schema.md SCH-57). */
static bool same_shape(const struct type *a, const struct type *b)
{
	if (a->n_props != b->n_props)
		return false;
	for (uint32_t i = 0; i < a->n_props; i++)
		if (a->props[i].id != b->props[i].id || !str_eq(a->props[i].name, b->props[i].name))
			return false;
	return true;
}

/* Types of @a that hold rows and are not in @b, or not in this shape. */
static int check_boundary(const struct snapshot *a, const struct snapshot *b, const char *commit, struct err *e)
{
	const struct catalog *c = snapshot_catalog(a);

	for (uint32_t i = 0; i < c->n_types; i++) {
		const struct type *t = &c->types[i];
		const struct type *other = catalog_type_by_id(snapshot_catalog(b), t->type_id, t->incarnation);

		if (snapshot_count(a, t) && !(other && same_shape(t, other)))
			return boundary(commit, t, e);
	}
	return 0;
}

int diff_boundary(const struct snapshot *before, const struct snapshot *after, const char *commit, struct err *e)
{
	int rc = 0;

	if (snapshot_catalog(before) != snapshot_catalog(after))
		rc = check_boundary(before, after, commit, e);
	if (!rc && snapshot_catalog(before) != snapshot_catalog(after))
		rc = check_boundary(after, before, commit, e);
	return rc;
}

/* --- collecting --------------------------------------------------------------------------------------------------------- */

static bool wants_type(const struct change_filter *f, const struct type *t)
{
	if (f->kinds && !(f->kinds & (t->kind == TYPE_NODE ? CHANGE_NODES : CHANGE_EDGES)))
		return false;
	for (size_t i = 0; i < f->n_types; i++)
		if (str_eqz(t->name, f->types[i]))
			return true;
	return f->n_types == 0;
}

struct pair { /* one type on both sides; either may be NULL */
	const struct type *was, *is;
};

static bool wants_pair(const struct change_filter *f, const struct pair *p)
{
	return (p->was && wants_type(f, p->was)) || (p->is && wants_type(f, p->is));
}

static struct pair pair_of(const struct diff *d, uint64_t type_id, uint64_t incarnation)
{
	return (struct pair){ catalog_type_by_id(snapshot_catalog(d->before), type_id, incarnation),
			      catalog_type_by_id(snapshot_catalog(d->after), type_id, incarnation) };
}

/* Add the entity unless it is the same on both sides. @id need not outlive the call: the rows have it. */
static void consider(struct diff *d, const struct change_filter *f, const struct pair *p, struct str id)
{
	struct row_change c = { .was = p->was, .is = p->is };

	c.before = p->was ? row_find(d->before, p->was, id) : ROW_NONE;
	c.after = p->is ? row_find(d->after, p->is, id) : ROW_NONE;
	if (c.before == ROW_NONE && c.after == ROW_NONE)
		return;
	if (c.before != ROW_NONE && c.after != ROW_NONE &&
	    row_same(d->before, p->was, c.before, d->after, p->is, c.after))
		return;
	if (f->ops && !(f->ops & (1u << change_op_of(&c))))
		return;
	c.id = c.after != ROW_NONE ? row_id(d->after, p->is, c.after) : row_id(d->before, p->was, c.before);
	MEM_GROW(d->v, d->n, d->cap);
	d->v[d->n++] = c;
}

static int check_side(const struct snapshot *s, const struct type *t, struct err *e)
{
	return t && snapshot_table(s, t) ? snapshot_type_check(s, t, e) : 0;
}

/* ERR_HISTORY_RECLAIMED: a hard drop took this type's older states. */
static int check_pair(const struct diff *d, const struct pair *p, struct err *e)
{
	int rc = check_side(d->before, p->was, e);

	return rc ? rc : check_side(d->after, p->is, e);
}

/* Every row of one side. */
static void consider_all(struct diff *d, const struct change_filter *f, const struct pair *p, const struct snapshot *s,
			 const struct type *t)
{
	struct row_scan sc;
	rowref r;

	if (!t)
		return;
	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE)
		consider(d, f, p, row_id(s, t, r));
}

static int by_place(const void *a, const void *b)
{
	const struct row_change *x = a, *y = b;
	const struct type *tx = x->is ? x->is : x->was, *ty = y->is ? y->is : y->was;
	int c;

	if (tx->kind != ty->kind)
		return tx->kind == TYPE_NODE ? -1 : 1;
	c = strcmp(tx->public_id, ty->public_id);
	return c ? c : str_cmp(x->id, y->id);
}

/* In order, each entity once; what is damaged reads as empty, so ask. */
static int finish(struct diff *d, struct err *e)
{
	size_t n = 0;
	int rc = snapshot_damage(d->before, e);

	if (!rc)
		rc = snapshot_damage(d->after, e);
	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), by_place);
	for (size_t i = 0; i < d->n; i++)
		if (!n || by_place(&d->v[n - 1], &d->v[i]))
			d->v[n++] = d->v[i];
	d->n = n;
	return rc;
}

/* The rows that the commit wrote into segments: those of the runs that begin with it. */
static int consider_runs(struct diff *d, const struct change_filter *f, const struct pair *p, struct err *e)
{
	const struct table *t = p->is ? snapshot_table(d->after, p->is) : NULL;

	for (uint32_t i = 0; t && i < table_n_runs(t); i++) {
		struct run *run = table_run(t, i);

		if (atomic_load_explicit(&run->begin, memory_order_relaxed) != d->after->version)
			continue;
		if (seg_verify(run->seg, e))
			return -EIO;
		for (uint32_t row = 0; row < run->seg->rows; row++)
			consider(d, f, p, seg_id(run->seg, row));
	}
	return 0;
}

/* One type of the commit: the ids it wrote and deleted. The cursor moves behind it. */
static int consider_type(struct diff *d, const struct change_filter *f, struct dec *types, struct arena *a,
			 struct err *e)
{
	struct rec_type rt;
	struct pair p;
	bool wanted;
	int rc = type_decode(types, a, &rt, e);

	if (rc)
		return rc;
	p = pair_of(d, rt.type_id, rt.incarnation);
	wanted = wants_pair(f, &p);
	if (wanted)
		rc = check_pair(d, &p, e);
	if (rc)
		return rc;
	if (wanted && rt.truncate)
		consider_all(d, f, &p, d->before, p.was);
	if (wanted && rt.n_segments && (rc = consider_runs(d, f, &p, e)))
		return rc;
	for (size_t n = dec_count(types); n && !types->bad; n--) {
		struct str id = dec_bytes(types);
		struct val skipped;

		for (int i = 0; rt.edge && i < 2; i++)
			dec_bytes(types);
		for (size_t i = 0; i < rt.n_props; i++)
			dec_val(types, a, &skipped);
		if (wanted)
			consider(d, f, &p, id);
	}
	for (size_t n = dec_count(types); n && !types->bad; n--) {
		struct str id = dec_bytes(types);

		if (wanted)
			consider(d, f, &p, id);
	}
	return 0;
}

int diff_commit(const struct commit_step *s, const struct change_filter *f, struct diff *out, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct dec types;
	int rc = 0;

	if (!s->node)
		return diff_snapshots(s->before, s->after, f, out, e);
	types = s->node->types;
	*out = (struct diff){ .before = s->before, .after = s->after };
	for (size_t i = 0; !rc && i < s->node->n_types; i++) {
		rc = consider_type(out, f, &types, &scratch, e);
		arena_reset(&scratch);
	}
	arena_free(&scratch);
	return rc ? rc : finish(out, e);
}

static int consider_pair(struct diff *d, const struct change_filter *f, const struct pair *p, struct err *e)
{
	int rc;

	if (!wants_pair(f, p))
		return 0;
	rc = check_pair(d, p, e);
	if (rc)
		return rc;
	consider_all(d, f, p, d->after, p->is);
	consider_all(d, f, p, d->before, p->was);
	return 0;
}

int diff_snapshots(struct snapshot *before, struct snapshot *after, const struct change_filter *f, struct diff *out,
		   struct err *e)
{
	const struct catalog *old = snapshot_catalog(before), *now = snapshot_catalog(after);
	int rc = 0;

	*out = (struct diff){ .before = before, .after = after };
	for (uint32_t i = 0; i < now->n_types && !rc; i++) {
		struct pair p = pair_of(out, now->types[i].type_id, now->types[i].incarnation);

		rc = consider_pair(out, f, &p, e);
	}
	for (uint32_t i = 0; i < old->n_types && !rc; i++) {
		struct pair p = pair_of(out, old->types[i].type_id, old->types[i].incarnation);

		if (!p.is)
			rc = consider_pair(out, f, &p, e);
	}
	return rc ? rc : finish(out, e);
}

void diff_clear(struct diff *d)
{
	free(d->v);
	*d = (struct diff){ 0 };
}

/* --- JSON --------------------------------------------------------------------------------------------------------------- */

static void image_json(const struct snapshot *s, const struct type *t, rowref r, struct strbuf *out)
{
	struct arena scratch = ARENA_INIT;
	struct val v;

	sb_addz(out, "{\"properties\":{");
	for (uint32_t i = 0; i < t->n_props; i++) {
		if (i)
			sb_addch(out, ',');
		json_quote(out, t->props[i].name);
		sb_addch(out, ':');
		row_get(s, t, r, i, &scratch, &v);
		val_export_json(&v, out);
	}
	sb_addch(out, '}');
	if (t->kind == TYPE_EDGE) {
		sb_addz(out, ",\"endpoints\":{\"from\":");
		json_quote(out, row_src(s, t, r));
		sb_addz(out, ",\"to\":");
		json_quote(out, row_dst(s, t, r));
		sb_addch(out, '}');
	}
	sb_addch(out, '}');
	arena_free(&scratch);
}

void change_json(const struct diff *d, const struct row_change *c, struct strbuf *out)
{
	static const char *const ops[] = { "insert", "update", "delete" };
	const struct type *t = c->is ? c->is : c->was;

	sb_addf(out, "{\"kind\":\"%s\",\"type\":{\"id\":\"%s\",\"name\":", type_kind_word(t), t->public_id);
	json_quote(out, t->name);
	sb_addz(out, "},\"id\":");
	json_quote(out, c->id);
	sb_addf(out, ",\"op\":\"%s\"", ops[change_op_of(c)]);
	if (c->before != ROW_NONE) {
		sb_addz(out, ",\"before\":");
		image_json(d->before, c->was, c->before, out);
	}
	if (c->after != ROW_NONE) {
		sb_addz(out, ",\"after\":");
		image_json(d->after, c->is, c->after, out);
	}
	sb_addch(out, '}');
}
