/* SPDX-License-Identifier: MIT */
/*
 * Traversals (spec/query.md 6.4): breadth-first search, one neighbour at a time, and enumeration of bound edges.
 *
 * From the left end, a node is emitted at the hop that first reaches it, if that hop is in min..max; a self-loop on a frontier node
 * emits that node at the next hop. Over the distance d from left to right this says: emit when d is in min..max, or when the right
 * node has a self-loop and d = min - 1. That form does not depend on the side the search starts from, so a plan may start at the
 * right end: distances are the same, and the self-loop that matters is then the start's.
 */
#include <omnigraph/limits.h>

#include "engine/query/exec.h"

/* --- row sets ------------------------------------------------------------------------------------------ */

#define ROWSET_LINEAR 16

static size_t slot_of(const struct rowset *s, rowref row)
{
	return (size_t)((row * 0x9E3779B97F4A7C15ull) >> 17) & (s->n_slots - 1);
}

/* Entries are cleared one by one: a large table that held few rows is not worth sweeping. */
static void rowset_reset(struct rowset *s)
{
	if (s->hashed && s->n >= s->n_slots / 8) {
		memset(s->slots, 0, s->n_slots * sizeof(*s->slots));
	} else if (s->hashed) {
		for (size_t i = 0; i < s->n; i++) {
			size_t k = slot_of(s, s->rows[i]);

			while (s->slots[k] != i + 1)
				k = (k + 1) & (s->n_slots - 1);
			s->slots[k] = 0;
		}
	}
	s->hashed = false;
	s->n = 0;
}

static void rowset_link(struct rowset *s, size_t i)
{
	size_t k = slot_of(s, s->rows[i]);

	while (s->slots[k])
		k = (k + 1) & (s->n_slots - 1);
	s->slots[k] = (uint32_t)(i + 1);
}

static void rowset_hash(struct rowset *s, struct arena *a)
{
	if (s->n_slots < s->cap * 2) {
		s->n_slots = s->cap * 2;
		s->slots = arena_array(a, uint32_t, s->n_slots);
	}
	s->hashed = true;
	for (size_t i = 0; i < s->n; i++)
		rowset_link(s, i);
}

static void rowset_grow(struct rowset *s, struct arena *a)
{
	size_t cap = s->cap ? s->cap * 2 : ROWSET_LINEAR;
	rowref *rows = arena_alloc(a, cap * sizeof(*rows));

	if (s->n)
		memcpy(rows, s->rows, s->n * sizeof(*rows));
	s->rows = rows;
	s->cap = cap;
}

size_t rowset_find(const struct rowset *s, rowref row)
{
	if (!s->hashed) {
		for (size_t i = 0; i < s->n; i++) {
			if (s->rows[i] == row)
				return i;
		}
		return SIZE_MAX;
	}
	for (size_t k = slot_of(s, row); s->slots[k]; k = (k + 1) & (s->n_slots - 1)) {
		if (s->rows[s->slots[k] - 1] == row)
			return s->slots[k] - 1;
	}
	return SIZE_MAX;
}

bool rowset_add(struct rowset *s, struct arena *a, rowref row)
{
	if (rowset_find(s, row) != SIZE_MAX)
		return false;
	if (s->n == s->cap) {
		rowset_grow(s, a);
		if (s->hashed)
			rowset_hash(s, a); /* a new, larger table */
	}
	s->rows[s->n++] = row;
	if (s->hashed)
		rowset_link(s, s->n - 1);
	else if (s->n > ROWSET_LINEAR)
		rowset_hash(s, a);
	return true;
}

/* --- breadth-first search ----------------------------------------------------------------------------------- */

static const struct type *edge_type(const struct run *r, const struct plan_step *st)
{
	return &r->types[st->edge];
}

static bool has_self_loop(struct run *r, const struct plan_step *st, rowref node)
{
	struct edge_iter it;
	rowref nb;

	edge_iter_init(&it, r->s, edge_type(r, st), true, node);
	while (edge_iter_next(&it, NULL, &nb)) {
		if (nb == node)
			return true;
	}
	return false;
}

static void expand_node(struct run *r, const struct plan_step *st, struct cursor *c, rowref node)
{
	c->t.node = node;
	c->t.self = false;
	c->t.incoming = false;
	edge_iter_init(&c->t.it, r->s, edge_type(r, st), st->outgoing, node);
}

/* The other half of an undirected node's edges. */
static bool expand_back(struct run *r, const struct plan_step *st, struct cursor *c)
{
	if (!st->undirected || c->t.incoming)
		return false;
	c->t.incoming = true;
	edge_iter_init(&c->t.it, r->s, edge_type(r, st), !st->outgoing, c->t.node);
	return true;
}

void expand_open(struct run *r, const struct plan_step *st, struct cursor *c)
{
	rowref start = r->row[st->from];

	c->t.start = start;
	c->t.hop = 1;
	c->t.low = st->min;
	c->t.head = 0;
	c->t.level_end = 1;
	c->t.done = false;
	rowset_reset(&c->t.seen);
	if (st->kind == STEP_HOPS || st->kind == STEP_HOPS_CHECK) {
		/* different endpoint types: one hop, and ids of the two types do not mix */
		c->t.done = !st->same_type && st->min > 1;
		if (st->same_type)
			rowset_add(&c->t.seen, &r->arena, start);
		if (st->same_type && st->reversed && st->min > 1 && has_self_loop(r, st, start))
			c->t.low = st->min - 1;
	}
	expand_node(r, st, c, start);
}

/* Go to the next frontier node. False at the end. */
static bool advance_frontier(struct run *r, const struct plan_step *st, struct cursor *c)
{
	if (expand_back(r, st, c))
		return true;
	if (!st->same_type)
		return false;
	if (++c->t.head == c->t.level_end) {
		if (c->t.hop == st->max || c->t.level_end == c->t.seen.n)
			return false;
		c->t.hop++;
		c->t.level_end = c->t.seen.n;
	}
	expand_node(r, st, c, c->t.seen.rows[c->t.head]);
	return true;
}

/* Does the search emit @nb, just met from the current node? Marks it visited. */
static bool emits(struct run *r, const struct plan_step *st, struct cursor *c, rowref nb)
{
	if (st->same_type && nb == c->t.node) {
		if (c->t.self || c->t.hop != st->min || (st->reversed && c->t.hop > 1))
			return false;
		c->t.self = true;
		return true;
	}
	if (!rowset_add(&c->t.seen, &r->arena, nb))
		return false;
	if (c->t.seen.n > LIMIT_QUERY_ROWS && !run_hold(r, c->t.seen.n))
		return false;
	return c->t.hop >= c->t.low;
}

static rowref hops_next(struct run *r, const struct plan_step *st, struct cursor *c)
{
	rowref nb;

	while (!c->t.done && !r->rc) {
		if (!edge_iter_next(&c->t.it, NULL, &nb))
			c->t.done = !advance_frontier(r, st, c);
		else if (run_tick(r) && emits(r, st, c, nb))
			return nb;
	}
	return ROW_NONE;
}

/* Both ends bound, one hop: look from both sides at once, so that the cost is that of the smaller degree. */
static bool adjacent(struct run *r, const struct plan_step *st, struct cursor *c, bool outgoing)
{
	rowref a = r->row[st->from], b = r->row[st->var], nb;

	edge_iter_init(&c->t.it, r->s, edge_type(r, st), outgoing, a);
	edge_iter_init(&c->t.back, r->s, edge_type(r, st), !outgoing, b);
	for (;;) {
		if (!edge_iter_next(&c->t.it, NULL, &nb))
			return false;
		if (nb == b)
			return true;
		if (!edge_iter_next(&c->t.back, NULL, &nb))
			return false;
		if (nb == a)
			return true;
		if (!run_tick(r))
			return false;
	}
}

static bool hops_check(struct run *r, const struct plan_step *st, struct cursor *c)
{
	rowref nb;

	if (!c->fresh)
		return false;
	c->fresh = false;
	if (st->min == 1 && (st->max == 1 || !st->same_type))
		return adjacent(r, st, c, st->outgoing) || (st->undirected && adjacent(r, st, c, !st->outgoing));
	while ((nb = hops_next(r, st, c)) != ROW_NONE) {
		if (nb == r->row[st->var])
			return true;
	}
	return false;
}

/* --- bound edges ------------------------------------------------------------------------------------------------ */

/* An undirected self-loop shows up in both directions and is one match. */
static bool repeats_self_loop(const struct plan_step *st, const struct cursor *c, rowref nb)
{
	return c->t.incoming && st->same_type && nb == c->t.start;
}

static bool edges_next(struct run *r, const struct plan_step *st, struct cursor *c)
{
	bool check = st->kind == STEP_EDGES_CHECK;
	rowref edge, nb;

	for (;;) {
		if (!edge_iter_next(&c->t.it, &edge, &nb)) {
			if (!expand_back(r, st, c))
				return false;
			continue;
		}
		if (!run_tick(r))
			return false;
		if (repeats_self_loop(st, c, nb) || (check && nb != r->row[st->var]))
			continue;
		r->row[st->edge_var] = edge;
		r->row[st->var] = nb;
		return true;
	}
}

bool expand_next(struct run *r, const struct plan_step *st, struct cursor *c)
{
	if (st->kind == STEP_EDGES || st->kind == STEP_EDGES_CHECK)
		return edges_next(r, st, c);
	if (st->kind == STEP_HOPS_CHECK)
		return hops_check(r, st, c);
	r->row[st->var] = hops_next(r, st, c);
	return r->row[st->var] != ROW_NONE;
}
