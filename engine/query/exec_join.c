/* SPDX-License-Identifier: MIT */
/*
 * Scans whose variable must equal something bound before (STEP_JOIN). The first openings scan; when the step is opened again and
 * again, the rows of the type are hashed once by the property, and each opening walks one chain. The equality itself stays among
 * the step's tests, so the table may hand out too many rows, but never too few.
 */
#include <math.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>

#include "engine/query/exec.h"

#define SCANS_BEFORE_TABLE 2

struct join_entry {
	rowref row;
	uint64_t hash;
	uint32_t next; /* index + 1 */
};

struct join_table {
	uint32_t opened;
	bool built;
	struct join_entry *entries;
	size_t n, cap;
	uint32_t *heads; /* index + 1 */
	size_t n_heads;
	uint64_t k0, k1;
};

/* Values that are equal by spec/query.md 5 hash alike, whatever their kinds. */
static uint64_t hash_val(const struct join_table *t, const struct val *v)
{
	uint64_t x = v->u;

	switch (v->kind) {
	case VAL_STR:
		return siphash13(t->k0, t->k1, v->s, v->n);
	case VAL_BOOL:
		x = v->b;
		break;
	case VAL_F32:
	case VAL_F64:
		if (v->f >= -0x1p63 && v->f < 0x1p63 && v->f == trunc(v->f))
			x = (uint64_t)(int64_t)v->f;
		else if (v->f >= 0x1p63 && v->f < 0x1p64)
			x = (uint64_t)v->f;
		else
			x = isnan(v->f) ? 0 : v->u;
		break;
	default:
		break;
	}
	return siphash13(t->k0, t->k1, &x, sizeof(x));
}

static void add_entry(struct join_table *t, rowref row, const struct val *v)
{
	if (v->kind == VAL_NULL)
		return;
	MEM_GROW(t->entries, t->n, t->cap);
	t->entries[t->n++] = (struct join_entry){ .row = row, .hash = hash_val(t, v) };
}

static void link_entries(struct join_table *t)
{
	t->n_heads = 16;
	while (t->n_heads < t->n * 2)
		t->n_heads *= 2;
	t->heads = mem_calloc(t->n_heads, sizeof(*t->heads));
	for (size_t i = 0; i < t->n; i++) {
		uint32_t *head = &t->heads[t->entries[i].hash & (t->n_heads - 1)];

		t->entries[i].next = *head;
		*head = (uint32_t)(i + 1);
	}
}

static void build(struct run *r, const struct plan_step *st, struct join_table *t)
{
	const struct type *ty = &r->types[st->type];
	struct row_scan sc;
	rowref row;

	random_bytes(&t->k0, sizeof(t->k0));
	random_bytes(&t->k1, sizeof(t->k1));
	row_scan_init(&sc, r->s, ty);
	while (run_tick(r) && (row = row_scan_next(&sc)) != ROW_NONE) {
		struct val v;

		row_get(r->s, ty, row, st->join_prop, &r->arena, &v);
		add_entry(t, row, &v);
	}
	link_entries(t);
	t->built = run_hold(r, t->n);
}

static bool wants_table(struct run *r, const struct plan_step *st, struct join_table *t)
{
	if (t->built || ++t->opened <= SCANS_BEFORE_TABLE)
		return t->built;
	if (snapshot_count(r->s, &r->types[st->type]) + r->held > LIMIT_QUERY_ROWS / 2)
		return false;
	build(r, st, t);
	return t->built;
}

void join_open(struct run *r, const struct plan_step *st, struct cursor *c)
{
	struct join_table *t = r->joins[st->join];
	struct val v;

	if (!t)
		t = r->joins[st->join] = mem_zalloc(sizeof(*t));
	c->j.table = wants_table(r, st, t);
	if (!c->j.table) {
		row_scan_init(&c->j.scan, r->s, &r->types[st->type]);
		return;
	}
	if (r->scratch.total)
		arena_reset(&r->scratch);
	eval_operand(r, &st->join_with, &r->scratch, &v);
	c->j.next = 0;
	if (v.kind == VAL_NULL)
		return;
	c->j.hash = hash_val(t, &v);
	c->j.next = t->heads[c->j.hash & (t->n_heads - 1)];
}

rowref join_next(struct run *r, const struct plan_step *st, struct cursor *c)
{
	const struct join_table *t = r->joins[st->join];

	if (!c->j.table)
		return row_scan_next(&c->j.scan);
	while (c->j.next) {
		const struct join_entry *e = &t->entries[c->j.next - 1];

		c->j.next = e->next;
		if (e->hash == c->j.hash)
			return e->row;
	}
	return ROW_NONE;
}

void joins_free(struct run *r)
{
	for (uint32_t i = 0; i < r->p->n_joins; i++) {
		struct join_table *t = r->joins[i];

		if (!t)
			continue;
		free(t->entries);
		free(t->heads);
		free(t);
	}
}
