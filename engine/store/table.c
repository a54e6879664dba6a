/* SPDX-License-Identifier: MIT */
#include "table.h"

void table_init(struct table *t, struct seg_cache *c, struct arena *a, uint64_t type_id, uint64_t incarnation,
		bool edge)
{
	memset(t, 0, sizeof(*t));
	t->type_id = type_id;
	t->incarnation = incarnation;
	t->edge = edge;
	t->cache = c;
	t->arena = a;
	pthread_mutex_init(&t->derived_lock, NULL);
}

void table_free(struct table *t)
{
	for (uint32_t i = 0; i < table_n_runs(t); i++)
		seg_put(table_run(t, i)->seg);
	derived_free(t->derived);
	pthread_mutex_destroy(&t->derived_lock);
}

/* --- hash index: slot -> newest delta row ---------------------------------------------------------- */

typedef struct str (*key_fn)(const struct table *t, uint32_t row);

static struct str key_id(const struct table *t, uint32_t row)
{
	return table_drow(t, row)->d->id;
}

static struct str key_src(const struct table *t, uint32_t row)
{
	return table_drow(t, row)->d->src;
}

static struct str key_dst(const struct table *t, uint32_t row)
{
	return table_drow(t, row)->d->dst;
}

static key_fn end_key(int dir)
{
	return dir ? key_dst : key_src;
}

static _Atomic uint64_t *slot_of(const struct table *t, struct slots *s, key_fn key, struct str k, uint32_t hash)
{
	for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
		uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_acquire);

		if (!v || (v >> 32 == hash && str_eq(key(t, (uint32_t)v - 1), k)))
			return &s->slot[i];
	}
}

static struct slots *slots_new(struct arena *a, uint32_t size)
{
	struct slots *s = arena_zalloc(a, sizeof(*s) + size * sizeof(s->slot[0]));

	s->mask = size - 1;
	return s;
}

static void index_grow(struct table *t, struct hash_index *x)
{
	struct slots *old = atomic_load_explicit(&x->cur, memory_order_relaxed);
	struct slots *s = slots_new(t->arena, old ? (old->mask + 1) * 2 : 64);

	for (uint32_t j = 0; old && j <= old->mask; j++) {
		uint64_t v = atomic_load_explicit(&old->slot[j], memory_order_relaxed);
		uint32_t i = (uint32_t)(v >> 32) & s->mask;

		while (v && atomic_load_explicit(&s->slot[i], memory_order_relaxed))
			i = (i + 1) & s->mask;
		if (v)
			atomic_store_explicit(&s->slot[i], v, memory_order_relaxed);
	}
	atomic_store_explicit(&x->cur, s, memory_order_release);
}

/* Make @row the newest of its key; *link receives the former newest + 1, or 0. The row is complete but for its links. */
static void index_add(struct table *t, struct hash_index *x, key_fn key, uint32_t row, uint32_t hash, uint32_t *link)
{
	struct slots *s = atomic_load_explicit(&x->cur, memory_order_relaxed);
	_Atomic uint64_t *slot;
	uint64_t old;

	if (!s || x->used > s->mask / 3 * 2)
		index_grow(t, x);
	s = atomic_load_explicit(&x->cur, memory_order_relaxed);
	slot = slot_of(t, s, key, key(t, row), hash);
	old = atomic_load_explicit(slot, memory_order_relaxed);
	x->used += !old;
	*link = (uint32_t)old;
	atomic_store_explicit(slot, (uint64_t)hash << 32 | (row + 1), memory_order_release);
}

static uint32_t index_get(const struct table *t, const struct hash_index *x, key_fn key, struct str k, uint32_t hash)
{
	struct slots *s = atomic_load_explicit(&((struct hash_index *)x)->cur, memory_order_acquire);

	return s ? (uint32_t)atomic_load_explicit(slot_of(t, s, key, k, hash), memory_order_acquire) : 0;
}

/* --- writer ---------------------------------------------------------------------------------------- */

const struct layout *table_layout(struct table *t, const uint64_t *props, size_t n)
{
	struct layout *l;

	if (t->layout && t->layout->n == n && (!n || !memcmp(t->layout->props, props, n * sizeof(*props))))
		return t->layout;
	l = arena_new(t->arena, struct layout);
	l->n = (uint32_t)n;
	l->props = arena_memdup(t->arena, props, n * sizeof(*props));
	t->layout = l;
	return l;
}

static void add_chunk(struct table *t)
{
	struct drow **old = atomic_load_explicit(&t->chunks, memory_order_relaxed);

	if (t->n_chunks == t->cap_chunks) {
		uint32_t cap = t->cap_chunks ? t->cap_chunks * 2 : 8;
		struct drow **chunks = arena_array(t->arena, struct drow *, cap);

		if (t->n_chunks)
			memcpy(chunks, old, t->n_chunks * sizeof(*chunks));
		t->cap_chunks = cap;
		atomic_store_explicit(&t->chunks, chunks, memory_order_release);
		old = chunks;
	}
	/* readers do not look at this cell before n_rows or an index slot leads them here */
	old[t->n_chunks++] = arena_array(t->arena, struct drow, DELTA_CHUNK);
}

uint32_t table_append(struct table *t, const struct drow_data *d, uint32_t hash, uint64_t begin, uint64_t created)
{
	uint32_t row = atomic_load_explicit(&t->n_rows, memory_order_relaxed);
	struct drow *r;

	if (row / DELTA_CHUNK == t->n_chunks)
		add_chunk(t);
	r = table_drow(t, row);
	atomic_store_explicit(&r->begin, begin, memory_order_relaxed);
	r->created = created;
	r->d = d;
	r->hash = hash;
	index_add(t, &t->by_id, key_id, row, hash, &r->prev);
	for (int dir = 0; t->edge && dir < 2; dir++)
		index_add(t, &t->by_end[dir], end_key(dir), row, seg_hash(t->cache, dir ? d->dst : d->src),
			  &r->next[dir]);
	atomic_store_explicit(&t->n_rows, row + 1, memory_order_release);
	return row;
}

uint32_t table_add_run(struct table *t, struct seg *s, struct str min, struct str max, uint64_t begin)
{
	uint32_t n = atomic_load_explicit(&t->n_runs, memory_order_relaxed);
	struct run **runs = atomic_load_explicit(&t->runs, memory_order_relaxed);
	struct run *r = arena_new(t->arena, struct run);

	if (n == t->cap_runs) {
		uint32_t cap = n ? n * 2 : 8;
		struct run **more = arena_array(t->arena, struct run *, cap);

		if (n)
			memcpy(more, runs, n * sizeof(*more));
		t->cap_runs = cap;
		runs = more;
		atomic_store_explicit(&t->runs, more, memory_order_release);
	}
	r->seg = s;
	r->min = min;
	r->max = max;
	atomic_store_explicit(&r->begin, begin, memory_order_relaxed);
	r->pages = arena_zalloc(t->arena, ((size_t)s->rows / STAMP_PAGE + 1) * sizeof(*r->pages));
	runs[n] = r;
	atomic_store_explicit(&t->n_runs, n + 1, memory_order_release);
	return n;
}

static void end_run_row(struct table *t, struct run *r, uint32_t row, uint64_t version)
{
	_Atomic(struct stamp_page *) *cell = &r->pages[row / STAMP_PAGE];
	struct stamp_page *p = atomic_load_explicit(cell, memory_order_relaxed);

	if (!p) {
		p = arena_new(t->arena, struct stamp_page);
		atomic_store_explicit(&p->ended[row % STAMP_PAGE], version, memory_order_relaxed);
		atomic_store_explicit(cell, p, memory_order_release);
		return;
	}
	atomic_store_explicit(&p->ended[row % STAMP_PAGE], version, memory_order_relaxed);
}

void table_end_row(struct table *t, rowref r, uint64_t version)
{
	if (ROWREF_RUN(r))
		end_run_row(t, table_run(t, ROWREF_RUN(r) - 1), ROWREF_ROW(r), version);
	else
		atomic_store_explicit(&table_drow(t, ROWREF_ROW(r))->ended, version, memory_order_relaxed);
}

/* --- readers --------------------------------------------------------------------------------------- */

int table_damage(const struct table *t, struct err *e)
{
	uint32_t n = table_n_runs(t);

	for (uint32_t i = 0; i < n; i++) {
		struct seg *s = table_run(t, i)->seg;

		if (atomic_load_explicit(&s->verified, memory_order_relaxed) < 0)
			return seg_verify(s, e);
	}
	return 0;
}

static bool run_ready(const struct run *r)
{
	return atomic_load_explicit(&r->seg->verified, memory_order_acquire) == 1 || !seg_verify(r->seg, NULL);
}

static rowref next_in_runs(const struct table *t, struct view v, uint64_t pos[2])
{
	for (uint32_t n = table_n_runs(t); pos[0] <= n; pos[0]++, pos[1] = 0) {
		const struct run *r = table_run(t, (uint32_t)pos[0] - 1);

		if (!run_visible(r, v) || !run_ready(r))
			continue;
		while (pos[1] < r->seg->rows) {
			uint32_t row = (uint32_t)pos[1]++;

			if (run_row_alive(r, row, v))
				return ROWREF(pos[0], row);
		}
	}
	return ROW_NONE;
}

rowref table_next(const struct table *t, struct view v, uint64_t pos[2])
{
	if (!pos[0]) {
		uint32_t n = table_n_rows(t);

		while (pos[1] < n) {
			uint32_t row = (uint32_t)pos[1]++;

			if (drow_visible(table_drow(t, row), v))
				return ROWREF(0, row);
		}
		pos[0] = 1;
		pos[1] = 0;
	}
	return next_in_runs(t, v, pos);
}

const uint32_t *table_run_edges(const struct run *r, int dir, struct str id, uint32_t *n)
{
	*n = 0;
	return run_ready(r) ? seg_edges(r->seg, dir, id, n) : NULL;
}

bool table_row_visible(const struct table *t, rowref r, struct view v)
{
	const struct run *run;

	if (!ROWREF_RUN(r))
		return drow_visible(table_drow(t, ROWREF_ROW(r)), v);
	run = table_run(t, ROWREF_RUN(r) - 1);
	return run_visible(run, v) && run_row_alive(run, ROWREF_ROW(r), v);
}

static rowref find_in_delta(const struct table *t, struct view v, struct str id, uint32_t hash)
{
	uint32_t link = index_get(t, &t->by_id, key_id, id, hash);

	while (link) {
		const struct drow *r = table_drow(t, link - 1);

		if (drow_visible(r, v))
			return ROWREF(0, link - 1);
		link = r->prev;
	}
	return ROW_NONE;
}

rowref table_find(const struct table *t, struct view v, struct str id, uint32_t hash)
{
	rowref r = find_in_delta(t, v, id, hash);

	if (r != ROW_NONE)
		return r;
	for (uint32_t i = table_n_runs(t); i-- > 0;) {
		const struct run *run = table_run(t, i);
		uint32_t row;

		if (!run_visible(run, v) || str_cmp(id, run->min) < 0 || str_cmp(id, run->max) > 0 || !run_ready(run))
			continue;
		row = seg_find(run->seg, id, hash);
		if (row != SEG_ROW_NONE && run_row_alive(run, row, v))
			return ROWREF(i + 1, row);
	}
	return ROW_NONE;
}

uint32_t table_delta_edges(const struct table *t, int dir, struct str id, uint32_t hash)
{
	return index_get(t, &t->by_end[dir], end_key(dir), id, hash);
}

struct str table_row_id(const struct table *t, rowref r)
{
	if (!ROWREF_RUN(r))
		return table_drow(t, ROWREF_ROW(r))->d->id;
	return seg_id(table_run(t, ROWREF_RUN(r) - 1)->seg, ROWREF_ROW(r));
}

struct str table_row_end(const struct table *t, int dir, rowref r)
{
	if (!ROWREF_RUN(r)) {
		const struct drow_data *d = table_drow(t, ROWREF_ROW(r))->d;

		return dir ? d->dst : d->src;
	}
	return seg_end(table_run(t, ROWREF_RUN(r) - 1)->seg, dir, ROWREF_ROW(r));
}

uint64_t table_row_created(const struct table *t, rowref r)
{
	const struct seg *s;

	if (!ROWREF_RUN(r))
		return table_drow(t, ROWREF_ROW(r))->created;
	s = table_run(t, ROWREF_RUN(r) - 1)->seg;
	return segment_u64(s->s, s->col_created, ROWREF_ROW(r));
}

uint64_t table_row_updated(const struct table *t, rowref r)
{
	const struct seg *s;

	if (!ROWREF_RUN(r))
		return atomic_load_explicit(&table_drow(t, ROWREF_ROW(r))->begin, memory_order_relaxed);
	s = table_run(t, ROWREF_RUN(r) - 1)->seg;
	return segment_u64(s->s, s->col_updated, ROWREF_ROW(r));
}

static void delta_get(const struct drow_data *d, uint64_t property_id, uint32_t guess, struct val *out)
{
	const struct layout *l = d->layout;

	if (guess >= l->n || l->props[guess] != property_id) {
		for (guess = 0; guess < l->n && l->props[guess] != property_id; guess++)
			;
	}
	*out = guess < l->n ? d->vals[guess] : VAL_NULL_INIT;
}

/* Columns are system columns, then properties in the name order of the time the segment was written. */
static uint32_t seg_column(const struct seg *s, uint64_t property_id, uint32_t guess)
{
	uint32_t col = guess + (s->edge ? 5 : 3);

	if (col < segment_n_columns(s->s)) {
		const struct segment_column *c = segment_column(s->s, col);

		if (c->role == SEG_PROP && c->property_id == property_id)
			return col;
	}
	return segment_find_prop(s->s, property_id);
}

void table_row_get(const struct table *t, rowref r, uint64_t property_id, uint32_t guess, struct arena *a,
		   struct val *out)
{
	const struct seg *s;
	uint32_t col;

	if (!ROWREF_RUN(r)) {
		delta_get(table_drow(t, ROWREF_ROW(r))->d, property_id, guess, out);
		return;
	}
	s = table_run(t, ROWREF_RUN(r) - 1)->seg;
	col = seg_column(s, property_id, guess);
	if (col == UINT32_MAX)
		*out = VAL_NULL_INIT;
	else
		segment_get(s->s, col, ROWREF_ROW(r), a, out);
}

uint32_t table_run_by_serial(const struct table *t, uint32_t serial)
{
	uint32_t i = table_n_runs(t);
	struct run **runs = atomic_load_explicit(&((struct table *)t)->runs, memory_order_acquire);

	while (i-- > 0) {
		if (runs[i]->seg->serial == serial)
			return i;
	}
	return UINT32_MAX;
}
