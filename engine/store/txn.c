/* SPDX-License-Identifier: MIT */
#include "txn_priv.h"

void txn_begin(struct txn *t, struct graph *g, struct snapshot *base, int64_t now_ms, bool limited)
{
	memset(t, 0, sizeof(*t));
	t->g = g;
	t->base = base;
	t->now_ms = now_ms;
	t->limited = limited;
	t->max_bytes = g->mutation_max;
	t->n_types = base->bind->cat->n_types;
	t->types = mem_calloc(t->n_types + 1, sizeof(*t->types));
}

void txn_end(struct txn *t)
{
	for (uint32_t i = 0; i < t->n_types; i++) {
		map_free(&t->types[i].index);
		free(t->types[i].rows);
	}
	free(t->types);
	arena_free(&t->arena);
}

struct snapshot *txn_base(const struct txn *t)
{
	return t->base;
}

struct arena *txn_arena(struct txn *t)
{
	return &t->arena;
}

int64_t txn_now_ms(const struct txn *t)
{
	return t->now_ms;
}

static struct staged_type *staged(const struct txn *t, const struct type *ty)
{
	const struct catalog *c = t->base->bind->cat;

	if (ty->index >= c->n_types || &c->types[ty->index] != ty)
		ty = catalog_type_by_id(c, ty->type_id, ty->incarnation);
	return ty ? &t->types[ty->index] : NULL;
}

static struct staged_row *find(const struct staged_type *st, struct str id)
{
	uintptr_t pos = st ? (uintptr_t)map_get(&st->index, id) : 0;

	return pos ? &st->rows[pos - 1] : NULL;
}

static struct staged_row *stage(struct staged_type *st, struct str id)
{
	struct staged_row *r = find(st, id);

	if (r)
		return r;
	MEM_GROW(st->rows, st->n, st->cap);
	r = &st->rows[st->n++];
	memset(r, 0, sizeof(*r));
	r->row.id = id;
	map_put(&st->index, id, (void *)(uintptr_t)st->n);
	return r;
}

static int limit_error(const struct txn *t, struct err *e)
{
	int rc = err_set(e, ERR_RESOURCE_LIMIT,
			 "resource limit exceeded for staged mutation bytes: actual %llu, limit %llu",
			 (unsigned long long)t->bytes, (unsigned long long)t->max_bytes);

	err_detail(e, "resource", "staged mutation bytes");
	err_detail_u64(e, "limit", t->max_bytes);
	err_detail_u64(e, "actual", t->bytes);
	return rc;
}

static int unknown_type(const struct type *ty, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "unknown %s type '%.*s'", type_kind_word(ty), STR_ARG(ty->name));
}

int txn_put(struct txn *t, const struct type *ty, const struct row_image *row, struct err *e)
{
	struct staged_type *st = staged(t, ty);
	struct staged_row *r;
	uint64_t bytes;

	if (!st)
		return unknown_type(ty, e);
	if (row->id.n > LIMIT_ID_BYTES)
		return err_set(e, ERR_BAD_REQUEST, "id of %s type '%.*s' is longer than %u bytes", type_kind_word(ty),
			       STR_ARG(ty->name), LIMIT_ID_BYTES);
	r = stage(st, row->id);
	bytes = row_image_bytes(row, ty->n_props);
	r->row.src = row->src;
	r->row.dst = row->dst;
	r->row.vals = row->vals;
	r->kind = STAGED_PUT;
	st->bytes += bytes;
	t->bytes += bytes;
	return t->limited && t->bytes > t->max_bytes ? limit_error(t, e) : 0;
}

void txn_put_spool(struct txn *t, const struct type *ty, struct spool *s)
{
	struct staged_type *st = staged(t, ty);

	if (!st || !s->rows)
		return;
	st->spool = s;
	st->bytes += s->bytes;
	t->bytes += s->bytes;
}

int txn_delete(struct txn *t, const struct type *ty, struct str id, struct err *e)
{
	struct staged_type *st = staged(t, ty);
	struct staged_row *r;

	if (!st)
		return unknown_type(ty, e);
	r = stage(st, id);
	r->kind = STAGED_DELETE;
	r->row.vals = NULL;
	t->bytes += sizeof(*r) + id.n;
	return t->limited && t->bytes > t->max_bytes ? limit_error(t, e) : 0;
}

void txn_truncate(struct txn *t, const struct type *ty)
{
	struct staged_type *st = staged(t, ty);

	if (st)
		st->truncated = true;
}

bool txn_truncated(const struct txn *t, const struct type *ty)
{
	const struct staged_type *st = staged(t, ty);

	return st && st->truncated;
}

static uint32_t find_spooled(const struct staged_type *st, struct str id)
{
	return st && st->spool ? spool_find(st->spool, id) : SPOOL_NONE;
}

enum staged_kind txn_staged(const struct txn *t, const struct type *ty, struct str id)
{
	const struct staged_type *st = staged(t, ty);
	const struct staged_row *r = find(st, id);

	if (r)
		return r->kind;
	return find_spooled(st, id) != SPOOL_NONE ? STAGED_PUT : STAGED_NONE;
}

void txn_iter_init(struct txn_iter *it, const struct txn *t, const struct type *ty)
{
	*it = (struct txn_iter){ .t = t, .ty = ty };
}

/* The next spooled row that neither a later one of the spool nor one staged behind it replaces. */
static bool next_spooled(struct txn_iter *it, const struct staged_type *st)
{
	while (spool_next(st->spool, &it->at, &it->spool_row)) {
		if (spool_counts(st->spool, &it->spool_row) && (!st->n || !find(st, it->spool_row.row.id)))
			return true;
	}
	return false;
}

enum staged_kind txn_iter_next(struct txn_iter *it, struct str *id, const struct row_image **row)
{
	const struct staged_type *st = staged(it->t, it->ty);
	const struct staged_row *r;

	it->spooled = st && st->spool && next_spooled(it, st);
	if (it->spooled) {
		if (id)
			*id = it->spool_row.row.id;
		if (row)
			*row = &it->spool_row.row;
		return STAGED_PUT;
	}
	if (!st || it->i >= st->n)
		return STAGED_NONE;
	r = &st->rows[it->i++];
	if (id)
		*id = r->row.id;
	if (row)
		*row = r->kind == STAGED_PUT ? &r->row : NULL;
	return r->kind;
}

size_t txn_staged_count(const struct txn *t, const struct type *ty)
{
	const struct staged_type *st = staged(t, ty);

	return st ? st->n + (st->spool ? st->spool->rows : 0) : 0;
}

bool txn_exists(const struct txn *t, const struct type *ty, struct str id)
{
	const struct staged_type *st = staged(t, ty);
	const struct staged_row *r = find(st, id);

	if (r)
		return r->kind == STAGED_PUT;
	if (find_spooled(st, id) != SPOOL_NONE)
		return true;
	return st && !st->truncated && row_find(t->base, ty, id) != ROW_NONE;
}

static void read_base(const struct txn *t, const struct type *ty, rowref ref, struct arena *a, struct row_image *out)
{
	struct val *vals = arena_array(a, struct val, ty->n_props + 1);

	out->id = row_id(t->base, ty, ref);
	if (ty->kind == TYPE_EDGE) {
		out->src = row_src(t->base, ty, ref);
		out->dst = row_dst(t->base, ty, ref);
	}
	for (uint32_t i = 0; i < ty->n_props; i++)
		row_get(t->base, ty, ref, i, a, &vals[i]);
	out->vals = vals;
}

static void read_spooled(const struct staged_type *st, const struct type *ty, uint32_t pos, struct arena *a,
			 struct row_image *out)
{
	struct spool_reader reader = { 0 };
	struct spool_row r;
	struct val *vals = arena_array(a, struct val, ty->n_props + 1);

	spool_read(st->spool, pos, &reader, &r);
	for (uint32_t i = 0; i < ty->n_props; i++)
		vals[i] = val_copy(a, &r.row.vals[i]);
	*out = r.row;
	out->vals = vals;
	spool_reader_free(&reader);
}

bool txn_read(const struct txn *t, const struct type *ty, struct str id, struct arena *a, struct row_image *out)
{
	const struct staged_type *st = staged(t, ty);
	const struct staged_row *r = find(st, id);
	uint32_t pos;
	rowref ref;

	memset(out, 0, sizeof(*out));
	if (r) {
		if (r->kind == STAGED_PUT)
			*out = r->row;
		return r->kind == STAGED_PUT;
	}
	pos = find_spooled(st, id);
	if (pos != SPOOL_NONE) {
		read_spooled(st, ty, pos, a, out);
		return true;
	}
	ref = st && !st->truncated ? row_find(t->base, ty, id) : ROW_NONE;
	if (ref != ROW_NONE)
		read_base(t, ty, ref, a, out);
	return ref != ROW_NONE;
}

void txn_force_commit(struct txn *t)
{
	t->forced = true;
}
