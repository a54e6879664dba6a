/* SPDX-License-Identifier: MIT */
#include "derived.h"
#include "graph_priv.h"
#include "state.h"

/* Rows of equal hash lie next to each other in probe order; a row appears once. */
struct derived_part {
	struct derived_part *next;
	uint64_t id;
	uint32_t mask, used;
	uint32_t n_done; /* delta: rows looked at so far */
	uint64_t *slots; /* hash << 32 | row + 1 */
};

struct lookup {
	const struct snapshot *s;
	const struct type *t;
	const struct table *tab;
	struct view v;
	uint64_t id;
	derived_key_fn key_of;
	void *key_arg;
	struct str key;
	uint32_t hash;
	int (*fn)(void *arg, rowref r);
	void *arg;
	struct strbuf scratch;
};

uint64_t derived_id(const char *purpose, const uint64_t *numbers, size_t n)
{
	uint64_t id = siphash13(n, 0, purpose, strlen(purpose));

	return n ? siphash13(id, n, numbers, n * sizeof(*numbers)) : id;
}

/* --- parts ----------------------------------------------------------------------------------------- */

void derived_free(struct derived_part *p)
{
	while (p) {
		struct derived_part *next = p->next;

		free(p->slots);
		free(p);
		p = next;
	}
}

static void place(uint64_t *slots, uint32_t mask, uint64_t v)
{
	uint32_t i = (uint32_t)(v >> 32) & mask;

	while (slots[i])
		i = (i + 1) & mask;
	slots[i] = v;
}

static void part_grow(struct derived_part *p)
{
	uint32_t mask = p->slots ? p->mask * 2 + 1 : 63;
	uint64_t *slots = mem_calloc((size_t)mask + 1, sizeof(*slots));

	for (uint32_t i = 0; p->slots && i <= p->mask; i++) {
		if (p->slots[i])
			place(slots, mask, p->slots[i]);
	}
	free(p->slots);
	p->slots = slots;
	p->mask = mask;
}

static void part_add(struct derived_part *p, uint32_t hash, uint32_t row)
{
	if (!p->slots || p->used > p->mask / 3 * 2)
		part_grow(p);
	place(p->slots, p->mask, (uint64_t)hash << 32 | (row + 1));
	p->used++;
}

static struct derived_part *part_find(struct derived_part *p, uint64_t id)
{
	while (p && p->id != id)
		p = p->next;
	return p;
}

static void add_row(struct lookup *l, struct derived_part *p, rowref r)
{
	sb_reset(&l->scratch);
	if (l->key_of(l->s, l->t, r, l->key_arg, &l->scratch))
		part_add(p, seg_hash(l->tab->cache, sb_str(&l->scratch)), ROWREF_ROW(r));
}

/* Lists only grow at their head, under the segment's lock. */
static struct derived_part *seg_part(struct lookup *l, struct seg *s, uint32_t run)
{
	struct derived_part *p = part_find(atomic_load_explicit(&s->derived, memory_order_acquire), l->id);

	if (p)
		return p;
	pthread_mutex_lock(&s->lock);
	p = part_find(atomic_load(&s->derived), l->id);
	if (!p) {
		p = mem_zalloc(sizeof(*p));
		p->id = l->id;
		for (uint32_t i = 0; i < s->rows; i++)
			add_row(l, p, ROWREF(run + 1, i));
		p->next = atomic_load(&s->derived);
		atomic_store_explicit(&s->derived, p, memory_order_release);
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* --- look-up --------------------------------------------------------------------------------------- */

static bool matches(struct lookup *l, rowref r)
{
	if (!table_row_visible(l->tab, r, l->v))
		return false;
	sb_reset(&l->scratch);
	return l->key_of(l->s, l->t, r, l->key_arg, &l->scratch) && str_eq(sb_str(&l->scratch), l->key);
}

static int probe(struct lookup *l, const struct derived_part *p, uint32_t run_place)
{
	int rc = 0;

	for (uint32_t i = l->hash & p->mask; p->slots && p->slots[i] && !rc; i = (i + 1) & p->mask) {
		rowref r = ROWREF(run_place, (uint32_t)p->slots[i] - 1);

		if (p->slots[i] >> 32 == l->hash && matches(l, r))
			rc = l->fn(l->arg, r);
	}
	return rc;
}

/* Matching delta rows are copied out, so that @fn runs without the lock. */
static uint32_t *delta_rows(struct lookup *l, size_t *n)
{
	struct table *tab = (struct table *)l->tab;
	uint32_t n_rows = table_n_rows(tab), *rows = NULL;
	struct derived_part *p;
	size_t cap = 0;

	*n = 0;
	pthread_mutex_lock(&tab->derived_lock);
	p = part_find(tab->derived, l->id);
	if (!p) {
		p = mem_zalloc(sizeof(*p));
		p->id = l->id;
		p->next = tab->derived;
		tab->derived = p;
	}
	for (; p->n_done < n_rows; p->n_done++)
		add_row(l, p, ROWREF(0, p->n_done));
	for (uint32_t i = l->hash & p->mask; p->slots && p->slots[i]; i = (i + 1) & p->mask) {
		if (p->slots[i] >> 32 != l->hash)
			continue;
		MEM_GROW(rows, *n, cap);
		rows[(*n)++] = (uint32_t)p->slots[i] - 1;
	}
	pthread_mutex_unlock(&tab->derived_lock);
	return rows;
}

static int find_in_delta(struct lookup *l)
{
	size_t n;
	uint32_t *rows = delta_rows(l, &n);
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		if (matches(l, ROWREF(0, rows[i])))
			rc = l->fn(l->arg, ROWREF(0, rows[i]));
	}
	free(rows);
	return rc;
}

static int find_all(struct lookup *l, struct err *e)
{
	int rc = find_in_delta(l);

	for (uint32_t i = 0; i < table_n_runs(l->tab) && !rc; i++) {
		const struct run *r = table_run(l->tab, i);

		if (!run_visible(r, l->v))
			continue;
		rc = seg_verify(r->seg, e);
		if (!rc)
			rc = probe(l, seg_part(l, r->seg, i), i + 1);
	}
	return rc;
}

int derived_find(const struct snapshot *s, const struct type *t, uint64_t index_id, derived_key_fn key_of,
		 void *key_arg, struct str key, int (*fn)(void *arg, rowref r), void *arg, struct err *e)
{
	struct table *tab = snapshot_table(s, t);
	struct lookup l = { .s = s,
			    .t = t,
			    .tab = tab,
			    .id = index_id,
			    .key_of = key_of,
			    .key_arg = key_arg,
			    .key = key,
			    .fn = fn,
			    .arg = arg };
	int rc;

	if (!tab)
		return 0;
	l.v = snapshot_view(s, tab);
	l.hash = seg_hash(tab->cache, key);
	rc = find_all(&l, e);
	sb_free(&l.scratch);
	return rc;
}
