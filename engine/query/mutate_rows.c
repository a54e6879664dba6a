/* SPDX-License-Identifier: MIT */
/*
 * The rows a `where` selects: updates and deletes.
 *
 * An update sees the base overlaid with what the query staged so far: first the staged rows (those staged when the statement
 * starts), then the base rows that nothing superseded. Staging never changes the base, so both are walked in place.
 */
#include <omnigraph/failpoint.h>

#include "mutate.h"

struct predicate {
	const struct type *ty;
	uint32_t prop;
	enum cmp_op op;
	struct val v;
	bool never; /* NULL and lists match nothing */
};

static bool is_list(const struct prop_type *t)
{
	return t->list || t->scalar == SCALAR_VECTOR;
}

static int make_predicate(struct mutation *m, const struct stmt *st, const struct type *ty, struct predicate *p,
			  struct err *e)
{
	int rc;

	*p = (struct predicate){ .ty = ty, .prop = st->where_prop, .op = st->where_op };
	rc = const_value(&m->env, st->where_value, m->a, &p->v, e);
	if (rc)
		return rc;
	p->never = val_is_null(&p->v) || p->v.kind == VAL_LIST || p->v.kind == VAL_VEC;
	if (p->prop < ty->n_props) {
		p->never |= is_list(&ty->props[p->prop].type);
		p->v = value_for_compare(&p->v, &ty->props[p->prop].type);
	}
	return 0;
}

static bool holds(const struct predicate *p, const struct val *cell)
{
	return !p->never && !val_is_null(cell) && cmp_holds(p->op, cell, &p->v);
}

static bool base_row_holds(struct mutation *m, const struct predicate *p, rowref r)
{
	struct val cell;

	if (p->never)
		return false;
	if (p->prop == TUPLE_SRC)
		cell = val_str(row_src(m->base, p->ty, r));
	else if (p->prop == TUPLE_DST)
		cell = val_str(row_dst(m->base, p->ty, r));
	else
		row_get(m->base, p->ty, r, p->prop, m->a, &cell);
	return holds(p, &cell);
}

/* --- look-up by key ---------------------------------------------------------------------------- */

/* A number of any kind as an integer key of kind @kind. */
static bool integer_key(const struct val *v, enum val_kind kind, struct val *out)
{
	struct val probe = *v;
	bool ok;

	if ((v->kind == VAL_F32 || v->kind == VAL_F64) && v->f >= -0x1p63 && v->f < 0x1p63)
		probe = (struct val){ .kind = VAL_I64, .i = (int64_t)v->f };
	else if ((v->kind == VAL_F32 || v->kind == VAL_F64) && v->f >= 0x1p63 && v->f < 0x1p64)
		probe = (struct val){ .kind = VAL_U64, .u = (uint64_t)v->f };
	if (probe.kind != VAL_I64 && probe.kind != VAL_U64)
		return false;
	if (kind == VAL_I64 ? probe.kind == VAL_U64 && probe.u > INT64_MAX : probe.kind == VAL_I64 && probe.i < 0)
		return false;
	*out = (struct val){ .kind = kind, .u = probe.u };
	return val_compare(out, v, &ok) == 0 && ok;
}

/* `key = value` names one id. False when the statement is not of that kind: it scans. */
static bool names_one_id(const struct predicate *p)
{
	enum scalar s;

	if (p->op != OP_EQ || p->ty->kind != TYPE_NODE || p->ty->key.n != 1 || p->ty->key.members[0] != p->prop)
		return false;
	s = p->ty->props[p->prop].type.scalar;
	return s != SCALAR_F32 && s != SCALAR_F64;
}

/* The id named; s is NULL when no key can equal the value. */
static int named_id(struct mutation *m, const struct predicate *p, struct str *id, struct err *e)
{
	enum scalar s = p->ty->props[p->prop].type.scalar;
	struct strbuf b = STRBUF_INIT;
	struct val key = p->v;
	int rc;

	*id = (struct str){ 0 };
	if (p->never)
		return 0;
	if ((s == SCALAR_I32 || s == SCALAR_I64) && !integer_key(&p->v, VAL_I64, &key))
		return 0;
	if ((s == SCALAR_U32 || s == SCALAR_U64) && !integer_key(&p->v, VAL_U64, &key))
		return 0;
	rc = val_key_text(&key, &b, e);
	if (!rc)
		*id = arena_str(m->a, sb_str(&b));
	sb_free(&b);
	return rc;
}

/* --- update ------------------------------------------------------------------------------------ */

struct update {
	struct mutation *m;
	const struct stmt *st;
	const struct type *ty;
	const struct val *values;
};

static int check_not_null(const struct update *u, struct err *e)
{
	for (uint32_t i = 0; i < u->st->n_assign; i++) {
		const struct prop *p = &u->ty->props[u->st->assign[i].prop];

		/* a Blob assigned NULL stays as it is */
		if (val_is_null(&u->values[i]) && !p->type.nullable && p->type.scalar != SCALAR_BLOB)
			return mutate_missing(p, e);
	}
	return 0;
}

static int update_row(const struct update *u, const struct row_image *old, struct err *e)
{
	struct val *vals = arena_memdup(u->m->a, old->vals, sizeof(*vals) * u->ty->n_props);
	struct row_image row = *old;

	for (uint32_t i = 0; i < u->st->n_assign; i++) {
		uint32_t prop = u->st->assign[i].prop;

		if (val_is_null(&u->values[i]) && u->ty->props[prop].type.scalar == SCALAR_BLOB)
			continue;
		vals[prop] = u->values[i];
	}
	row.vals = vals;
	u->m->nodes++;
	return txn_put(u->m->t, u->ty, &row, e);
}

static int update_staged(const struct update *u, const struct predicate *p, struct err *e)
{
	size_t n = txn_staged_count(u->m->t, u->ty);
	struct txn_iter it;

	txn_iter_init(&it, u->m->t, u->ty);
	for (size_t i = 0; i < n; i++) {
		const struct row_image *row;
		struct row_image old;
		int rc;

		if (txn_iter_next(&it, NULL, &row) != STAGED_PUT || !holds(p, &row->vals[p->prop]))
			continue;
		old = *row;
		rc = update_row(u, &old, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int update_id(const struct update *u, struct str id, struct err *e)
{
	struct row_image old;

	if (!txn_read(u->m->t, u->ty, id, u->m->a, &old))
		return 0;
	return update_row(u, &old, e);
}

static int update_base(const struct update *u, const struct predicate *p, bool any_staged, struct err *e)
{
	struct row_scan sc;
	rowref r;

	if (p->never)
		return 0;
	row_scan_init(&sc, u->m->base, u->ty);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct str id;
		int rc;

		if (!base_row_holds(u->m, p, r))
			continue;
		id = row_id(u->m->base, u->ty, r);
		/* a superseded value never matches */
		if (any_staged && txn_staged(u->m->t, u->ty, id) != STAGED_NONE)
			continue;
		rc = update_id(u, id, e);
		if (rc)
			return rc;
	}
	return 0;
}

int mutate_update(struct mutation *m, const struct stmt *st, const struct type *ty, struct err *e)
{
	struct update u = { .m = m, .st = st, .ty = ty };
	struct predicate p;
	struct val *values;
	struct str id;
	int rc = mutate_values(m, st, ty, &values, e);
	bool any_staged;

	if (rc)
		return rc;
	u.values = values;
	rc = check_not_null(&u, e);
	if (!rc)
		rc = make_predicate(m, st, ty, &p, e);
	if (rc)
		return rc;
	if (names_one_id(&p)) {
		rc = named_id(m, &p, &id, e);
		return rc || !id.s ? rc : update_id(&u, id, e);
	}
	any_staged = txn_staged_count(m->t, ty) > 0;
	rc = update_staged(&u, &p, e);
	return rc ? rc : update_base(&u, &p, any_staged, e);
}

/* --- delete ------------------------------------------------------------------------------------ */

/* Each entity is deleted, and counted, once. */
static int delete_one(struct mutation *m, const struct type *ty, struct str id, uint64_t *count, struct err *e)
{
	if (txn_staged(m->t, ty, id) == STAGED_DELETE)
		return 0;
	++*count;
	return txn_delete(m->t, ty, id, e);
}

static int delete_edge(struct mutation *m, const struct type *ty, rowref r, struct err *e)
{
	return delete_one(m, ty, row_id(m->base, ty, r), &m->edges, e);
}

static int cascade(struct mutation *m, const struct type *et, bool outgoing, rowref node, struct err *e)
{
	struct edge_iter it;
	rowref edge;
	int rc = 0;

	edge_iter_init(&it, m->base, et, outgoing, node);
	while (!rc && edge_iter_next(&it, &edge, NULL))
		rc = delete_edge(m, et, edge, e);
	return rc;
}

static int delete_node(struct mutation *m, const struct type *ty, rowref r, struct err *e)
{
	int rc = 0;

	if (txn_staged(m->t, ty, row_id(m->base, ty, r)) == STAGED_DELETE)
		return 0;
	for (uint32_t i = 0; !rc && i < m->c->n_types; i++) {
		const struct type *et = &m->c->types[i];

		if (et->kind == TYPE_EDGE && et->from == ty)
			rc = cascade(m, et, true, r, e);
		if (!rc && et->kind == TYPE_EDGE && et->to == ty)
			rc = cascade(m, et, false, r, e);
	}
	if (!rc)
		rc = FAILPOINT("mutation.delete_node_pre_primary_delete", e);
	return rc ? rc : delete_one(m, ty, row_id(m->base, ty, r), &m->nodes, e);
}

static int delete_row(struct mutation *m, const struct type *ty, rowref r, struct err *e)
{
	return ty->kind == TYPE_NODE ? delete_node(m, ty, r, e) : delete_edge(m, ty, r, e);
}

/* `from = id` and `to = id` walk the edges at that node. */
static int delete_at_endpoint(struct mutation *m, const struct predicate *p, struct err *e)
{
	struct edge_iter it;
	rowref edge;
	int rc = 0;

	edge_iter_init_id(&it, m->base, p->ty, p->prop == TUPLE_SRC, val_text(&p->v));
	while (!rc && edge_iter_next(&it, &edge, NULL))
		rc = delete_edge(m, p->ty, edge, e);
	return rc;
}

static int delete_by_scan(struct mutation *m, const struct predicate *p, struct err *e)
{
	struct row_scan sc;
	rowref r;
	int rc = 0;

	row_scan_init(&sc, m->base, p->ty);
	while (!rc && (r = row_scan_next(&sc)) != ROW_NONE)
		if (base_row_holds(m, p, r))
			rc = delete_row(m, p->ty, r, e);
	return rc;
}

static int delete_by_key(struct mutation *m, const struct predicate *p, struct err *e)
{
	struct str id;
	rowref r;
	int rc = named_id(m, p, &id, e);

	if (rc || !id.s)
		return rc;
	r = row_find(m->base, p->ty, id);
	return r == ROW_NONE ? 0 : delete_row(m, p->ty, r, e);
}

int mutate_delete(struct mutation *m, const struct stmt *st, const struct type *ty, struct err *e)
{
	struct predicate p;
	int rc = make_predicate(m, st, ty, &p, e);

	if (rc || p.never)
		return rc;
	if (names_one_id(&p))
		return delete_by_key(m, &p, e);
	if (p.op == OP_EQ && (p.prop == TUPLE_SRC || p.prop == TUPLE_DST))
		return delete_at_endpoint(m, &p, e);
	return delete_by_scan(m, &p, e);
}
