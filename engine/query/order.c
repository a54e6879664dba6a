/* SPDX-License-Identifier: MIT */
/*
 * Sorting rows (spec/query.md 8): the written keys, then the ids of all bound variables. With a limit, a bounded max-heap keeps
 * the best rows only.
 */
#define _GNU_SOURCE 1

#include "engine/query/exec.h"

/* An item: the sort keys, then the outer variables in tie-break order. */
static struct val *item_keys(const struct rowbuf *b, size_t i)
{
	return (struct val *)(void *)(b->items + i * b->stride);
}

static rowref *item_rows(const struct rowbuf *b, size_t i)
{
	return (rowref *)(void *)(b->items + i * b->stride + b->n_sorts * sizeof(struct val));
}

void rowbuf_init(struct rowbuf *b, struct run *r, bool keys, uint64_t limit)
{
	*b = (struct rowbuf){ .r = r, .n_sorts = keys ? r->p->n_sorts : 0, .limit = limit };
	b->stride = b->n_sorts * sizeof(struct val) + r->p->n_outer * sizeof(rowref);
	if (!b->stride)
		b->stride = sizeof(rowref);
}

static int compare_ids(const struct rowbuf *b, size_t x, size_t y)
{
	const struct run *r = b->r;
	const rowref *rx = item_rows(b, x), *ry = item_rows(b, y);

	for (uint32_t i = 0; i < r->p->n_outer; i++) {
		const struct type *t = run_var_type(r, r->p->outer[i]);
		int c;

		if (rx[i] == ry[i])
			continue;
		c = str_cmp(row_id(r->s, t, rx[i]), row_id(r->s, t, ry[i]));
		if (c)
			return c;
	}
	return 0;
}

static int compare_items(const struct rowbuf *b, size_t x, size_t y)
{
	const struct val *kx = item_keys(b, x), *ky = item_keys(b, y);

	for (uint32_t i = 0; i < b->n_sorts; i++) {
		int c = val_order(&kx[i], &ky[i]);

		if (c)
			return b->r->p->sorts[i].desc ? -c : c;
	}
	return compare_ids(b, x, y);
}

static void grow(struct rowbuf *b)
{
	if (b->n + 1 < b->cap)
		return;
	b->cap = b->cap ? b->cap * 2 : 16;
	b->items = mem_realloc_array(b->items, b->cap, b->stride);
	b->order = mem_realloc_array(b->order, b->cap, sizeof(*b->order));
}

/* Take the current row into item @i; lists stay in the scratch arena until the item is kept. */
static void fill_item(struct rowbuf *b, size_t i)
{
	struct run *r = b->r;
	struct val *keys = item_keys(b, i);
	rowref *rows = item_rows(b, i);

	if (r->scratch.total)
		arena_reset(&r->scratch);
	for (uint32_t k = 0; k < b->n_sorts; k++)
		eval_operand(r, &r->p->sorts[k].o, &r->scratch, &keys[k]);
	for (uint32_t k = 0; k < r->p->n_outer; k++)
		rows[k] = r->row[r->p->outer[k]];
}

static void keep_item(struct rowbuf *b, size_t i)
{
	struct val *keys = item_keys(b, i);

	for (uint32_t k = 0; k < b->n_sorts; k++) {
		if (keys[k].kind == VAL_LIST)
			keys[k] = val_copy(&b->r->arena, &keys[k]);
	}
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

/* The worst kept row is at the top. */
static void sift_down(struct rowbuf *b, size_t i)
{
	for (;;) {
		size_t l = 2 * i + 1, big = i;

		if (l < b->n && compare_items(b, b->order[l], b->order[big]) > 0)
			big = l;
		if (l + 1 < b->n && compare_items(b, b->order[l + 1], b->order[big]) > 0)
			big = l + 1;
		if (big == i)
			return;
		swap(&b->order[i], &b->order[big]);
		i = big;
	}
}

static void replace_worst(struct rowbuf *b)
{
	size_t worst = b->order[0];

	fill_item(b, b->n);
	if (compare_items(b, b->n, worst) >= 0)
		return;
	keep_item(b, b->n);
	memcpy(b->items + worst * b->stride, b->items + b->n * b->stride, b->stride);
	sift_down(b, 0);
}

static void start_heap(struct rowbuf *b)
{
	for (size_t i = b->n / 2; i-- > 0;)
		sift_down(b, i);
	b->full = true;
}

bool rowbuf_add(struct rowbuf *b)
{
	if (!b->limit)
		return true;
	grow(b);
	if (b->full) {
		replace_worst(b);
		return true;
	}
	if (!run_hold(b->r, 1))
		return false;
	fill_item(b, b->n);
	keep_item(b, b->n);
	b->order[b->n] = (uint32_t)b->n;
	if (++b->n == b->limit)
		start_heap(b);
	return true;
}

static int compare_order(const void *x, const void *y, void *arg)
{
	return compare_items(arg, *(const uint32_t *)x, *(const uint32_t *)y);
}

void rowbuf_sort(struct rowbuf *b)
{
	if (b->n > 1)
		qsort_r(b->order, b->n, sizeof(*b->order), compare_order, b);
}

void rowbuf_load(const struct rowbuf *b, size_t i)
{
	struct run *r = b->r;
	const rowref *rows = item_rows(b, b->order[i]);

	for (uint32_t k = 0; k < r->p->n_outer; k++)
		r->row[r->p->outer[k]] = rows[k];
}

void rowbuf_reset(struct rowbuf *b)
{
	b->r->held -= b->n;
	b->n = 0;
	b->full = false;
}

void rowbuf_free(struct rowbuf *b)
{
	free(b->items);
	free(b->order);
}
