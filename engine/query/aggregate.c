/* SPDX-License-Identifier: MIT */
/*
 * Grouping and aggregates (spec/query.md 7.1). Groups are found through a keyed hash of their key values (SipHash, so hostile values
 * cannot make it degenerate). Sums are compensated (Neumaier 1974): they hardly depend on the order of the rows.
 */
#define _GNU_SOURCE 1

#include <math.h>

#include <omnigraph/map.h>

#include "engine/query/exec.h"

struct agg_state {
	uint64_t n; /* non-null inputs */
	double sum, rest;
	struct val best; /* min, max */
};

struct group {
	uint64_t hash;
	struct val *keys; /* while adding: grouping keys; after: one value per projection */
	struct agg_state *aggs;
};

struct groups {
	struct run *r;
	struct group *g;
	size_t n, cap;
	uint32_t *slots; /* index + 1 */
	size_t n_slots;
	uint32_t *order;
	uint32_t *key_cells; /* projection of each key */
	struct val *keys;    /* of the current row */
	uint64_t k0, k1;
};

/* --- finding the group ------------------------------------------------------------------------------- */

static uint64_t hash_val(const struct groups *g, uint64_t h, const struct val *v)
{
	struct {
		uint64_t h, kind, bits;
	} x = { h, v->kind, v->u };

	switch (v->kind) {
	case VAL_NULL:
		x.bits = 0;
		break;
	case VAL_BOOL:
		x.bits = v->b;
		break;
	case VAL_F32:
	case VAL_F64:
		if (isnan(v->f))
			x.bits = 1;
		break;
	case VAL_STR:
	case VAL_BLOB:
		x.bits = siphash13(g->k0, g->k1, v->s, v->n);
		break;
	case VAL_VEC:
		x.bits = siphash13(g->k0, g->k1, v->vec, v->n * sizeof(float));
		break;
	case VAL_LIST:
		x.bits = v->n;
		for (uint32_t i = 0; i < v->n; i++)
			x.bits = hash_val(g, x.bits, &v->list[i]);
		break;
	default:
		break;
	}
	return siphash13(g->k0, g->k1, &x, sizeof(x));
}

/* Zeros of either sign are one key. */
static void normalise(struct val *v)
{
	if ((v->kind == VAL_F32 || v->kind == VAL_F64) && v->f == 0)
		v->f = 0;
}

static uint64_t load_keys(struct groups *g)
{
	struct run *r = g->r;
	uint64_t h = 0;

	for (uint32_t i = 0; i < r->p->n_keys; i++) {
		eval_operand(r, &r->p->cells[g->key_cells[i]].o, &r->scratch, &g->keys[i]);
		normalise(&g->keys[i]);
		h = hash_val(g, h, &g->keys[i]);
	}
	return h;
}

static bool same_keys(const struct groups *g, const struct group *x)
{
	for (uint32_t i = 0; i < g->r->p->n_keys; i++) {
		if (!val_identical(&x->keys[i], &g->keys[i]))
			return false;
	}
	return true;
}

static void rehash(struct groups *g)
{
	g->n_slots = g->n_slots ? g->n_slots * 2 : 64;
	free(g->slots);
	g->slots = mem_calloc(g->n_slots, sizeof(*g->slots));
	for (size_t i = 0; i < g->n; i++) {
		size_t k = g->g[i].hash & (g->n_slots - 1);

		while (g->slots[k])
			k = (k + 1) & (g->n_slots - 1);
		g->slots[k] = (uint32_t)(i + 1);
	}
}

static struct group *new_group(struct groups *g, uint64_t hash)
{
	const struct query_plan *p = g->r->p;
	struct group *x;

	if (!run_hold(g->r, 1))
		return NULL;
	MEM_GROW(g->g, g->n, g->cap);
	x = &g->g[g->n++];
	x->hash = hash;
	x->keys = arena_array(&g->r->arena, struct val, p->n_keys);
	x->aggs = arena_array(&g->r->arena, struct agg_state, p->n_aggs);
	for (uint32_t i = 0; i < p->n_keys; i++)
		x->keys[i] = g->keys[i].kind == VAL_LIST ? val_copy(&g->r->arena, &g->keys[i]) : g->keys[i];
	return x;
}

static struct group *find_group(struct groups *g)
{
	uint64_t h = load_keys(g);
	struct group *x;
	size_t k;

	if (g->n * 2 >= g->n_slots)
		rehash(g);
	for (k = h & (g->n_slots - 1); g->slots[k]; k = (k + 1) & (g->n_slots - 1)) {
		x = &g->g[g->slots[k] - 1];
		if (x->hash == h && same_keys(g, x))
			return x;
	}
	x = new_group(g, h);
	if (x)
		g->slots[k] = (uint32_t)g->n;
	return x;
}

struct groups *groups_new(struct run *r)
{
	struct groups *g = arena_new(&r->arena, struct groups);

	g->r = r;
	g->keys = arena_array(&r->arena, struct val, r->p->n_keys);
	g->key_cells = arena_array(&r->arena, uint32_t, r->p->n_keys);
	for (uint32_t i = 0; i < r->p->n_cells; i++) {
		if (!r->p->cells[i].is_agg)
			g->key_cells[r->p->cells[i].slot] = i;
	}
	if (r->p->n_keys) {
		random_bytes(&g->k0, sizeof(g->k0));
		random_bytes(&g->k1, sizeof(g->k1));
	} else {
		find_group(g); /* exists also without rows */
	}
	return g;
}

/* --- adding up ------------------------------------------------------------------------------------------ */

static void add_f64(struct agg_state *s, double v)
{
	double t = s->sum + v;

	if (fabs(s->sum) >= fabs(v))
		s->rest += (s->sum - t) + v;
	else
		s->rest += (v - t) + s->sum;
	s->sum = t;
}

/* In halves that a double holds exactly. */
static void add_number(struct agg_state *s, const struct val *v)
{
	switch (v->kind) {
	case VAL_I64:
		add_f64(s, (double)(v->i >> 32) * 0x1p32);
		add_f64(s, (double)(v->i & 0xffffffff));
		break;
	case VAL_U64:
		add_f64(s, (double)(v->u >> 32) * 0x1p32);
		add_f64(s, (double)(v->u & 0xffffffff));
		break;
	default:
		add_f64(s, v->f);
	}
}

static bool add_value(struct run *r, enum agg_fn fn, struct agg_state *s, const struct val *v)
{
	int c;

	if (v->kind == VAL_NULL)
		return true;
	s->n++;
	switch (fn) {
	case AGG_COUNT:
		break;
	case AGG_SUM:
	case AGG_AVG:
		if (v->kind != VAL_I64 && v->kind != VAL_U64 && v->kind != VAL_F32 && v->kind != VAL_F64)
			return run_fail(r, ERR_QUERY, "query: sum and avg require numeric values");
		add_number(s, v);
		break;
	default:
		c = s->n == 1 ? -1 : val_order(v, &s->best);
		if (s->n == 1 || (fn == AGG_MIN ? c < 0 : c > 0))
			s->best = *v;
	}
	return true;
}

bool groups_add(struct groups *g)
{
	struct run *r = g->r;
	struct group *x;

	if (r->scratch.total)
		arena_reset(&r->scratch);
	x = r->p->n_keys ? find_group(g) : &g->g[0];
	for (uint32_t i = 0; x && i < r->p->n_cells; i++) {
		const struct plan_cell *c = &r->p->cells[i];
		struct val v;

		if (!c->is_agg)
			continue;
		eval_operand(r, &c->o, &r->scratch, &v);
		if (!add_value(r, c->agg, &x->aggs[c->slot], &v))
			return false;
	}
	return x;
}

/* --- results ------------------------------------------------------------------------------------------- */

static struct val agg_result(enum agg_fn fn, const struct agg_state *s)
{
	double sum = isfinite(s->sum) ? s->sum + s->rest : s->sum;

	if (fn == AGG_COUNT)
		return (struct val){ .kind = VAL_I64, .i = (int64_t)s->n };
	if (!s->n)
		return VAL_NULL_INIT;
	if (fn == AGG_SUM)
		return (struct val){ .kind = VAL_F64, .f = sum };
	if (fn == AGG_AVG)
		return (struct val){ .kind = VAL_F64, .f = sum / (double)s->n };
	return s->best;
}

static void finish_group(struct groups *g, struct group *x)
{
	const struct query_plan *p = g->r->p;
	struct val *cells = arena_array(&g->r->arena, struct val, p->n_cells);

	for (uint32_t i = 0; i < p->n_cells; i++) {
		const struct plan_cell *c = &p->cells[i];

		cells[i] = c->is_agg ? agg_result(c->agg, &x->aggs[c->slot]) : x->keys[c->slot];
	}
	x->keys = cells;
}

/* The sort keys, then the grouping keys in projection order. */
static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct groups *g = arg;
	const struct query_plan *p = g->r->p;
	const struct val *x = g->g[*(const uint32_t *)a].keys, *y = g->g[*(const uint32_t *)b].keys;
	int c;

	for (uint32_t i = 0; i < p->n_sorts; i++) {
		c = val_order(&x[p->sorts[i].cell], &y[p->sorts[i].cell]);
		if (c)
			return p->sorts[i].desc ? -c : c;
	}
	for (uint32_t i = 0; i < p->n_keys; i++) {
		c = val_order(&x[g->key_cells[i]], &y[g->key_cells[i]]);
		if (c)
			return c;
	}
	return 0;
}

size_t groups_finish(struct groups *g)
{
	g->order = mem_calloc(g->n + 1, sizeof(*g->order));
	for (size_t i = 0; i < g->n; i++) {
		finish_group(g, &g->g[i]);
		g->order[i] = (uint32_t)i;
	}
	if (g->r->p->n_sorts && g->n > 1)
		qsort_r(g->order, g->n, sizeof(*g->order), compare_groups, g);
	return g->n;
}

const struct val *groups_cell(const struct groups *g, size_t i, uint32_t cell)
{
	return &g->g[g->order[i]].keys[cell];
}

void groups_free(struct groups *g)
{
	free(g->g);
	free(g->slots);
	free(g->order);
}
