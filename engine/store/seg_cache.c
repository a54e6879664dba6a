/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "seg_cache.h"

void seg_cache_init(struct seg_cache *c, struct store *s)
{
	uint64_t key[2];

	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->store = s;
	c->next_serial = 1;
	c->index_rows = SEG_INDEX_ROWS;
	random_bytes(key, sizeof(key));
	c->k0 = key[0];
	c->k1 = key[1];
}

void seg_cache_free(struct seg_cache *c)
{
	map_free(&c->by_digest);
	pthread_mutex_destroy(&c->lock);
}

uint32_t seg_hash(const struct seg_cache *c, struct str s)
{
	return (uint32_t)siphash13(c->k0, c->k1, s.s, s.n);
}

void seg_key(char out[128], const char *digest)
{
	snprintf(out, 128, "seg/%s.arrow", digest);
}

/* --- opening ------------------------------------------------------------------------------------- */

static void seg_destroy(struct seg *s)
{
	for (int d = 0; d < 2; d++) {
		struct seg_adjacency *a = atomic_load(&s->adj[d]);

		if (a) {
			store_unmap(s->cache->store, &a->map);
			sb_free(&a->heap);
			free(a);
		}
		free((void *)atomic_load(&s->nbr[d]));
	}
	if (atomic_load(&s->ids)) {
		free(atomic_load(&s->ids)->slots);
		free(atomic_load(&s->ids));
	}
	derived_free(atomic_load(&s->derived));
	segment_free(s->s);
	store_unmap(s->cache->store, &s->map);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int find_columns(struct seg *s, const char *key, struct err *e)
{
	s->col_id = segment_find_role(s->s, SEG_ID);
	s->col_end[0] = segment_find_role(s->s, SEG_SRC);
	s->col_end[1] = segment_find_role(s->s, SEG_DST);
	s->col_created = segment_find_role(s->s, SEG_CREATED);
	s->col_updated = segment_find_role(s->s, SEG_UPDATED);
	s->edge = s->col_end[0] != UINT32_MAX;
	if (s->col_id == UINT32_MAX || s->col_created == UINT32_MAX || s->col_updated == UINT32_MAX ||
	    (s->edge && s->col_end[1] == UINT32_MAX))
		return err_set(e, ERR_STORAGE, "storage: damaged object '%s': a system column is missing", key);
	return 0;
}

static int seg_map(struct seg_cache *c, struct seg *s, uint64_t rows, struct err *e)
{
	char key[128];
	int rc;

	seg_key(key, s->digest);
	rc = store_map(c->store, key, &s->map, e);
	if (rc)
		return rc;
	s->bytes = s->map.n;
	rc = segment_open(s->map.data, s->map.n, key, &s->s, e);
	store_map_relax(c->store, &s->map); /* a look at a few headers maps megabytes around each */
	if (rc)
		return rc;
	if (segment_rows(s->s) != rows || rows >= SEG_ROW_NONE)
		return err_set(e, ERR_STORAGE,
			       "storage: damaged object '%s': it has %llu rows, its reference says %llu", key,
			       (unsigned long long)segment_rows(s->s), (unsigned long long)rows);
	s->rows = (uint32_t)rows;
	return find_columns(s, key, e);
}

static struct seg *lookup(struct seg_cache *c, const char *digest)
{
	struct seg *s;

	pthread_mutex_lock(&c->lock);
	s = map_get(&c->by_digest, str_from(digest));
	if (s)
		s->refs++;
	pthread_mutex_unlock(&c->lock);
	return s;
}

/* Two threads may open one object at once; the second finds the first one's and drops its own. */
static struct seg *publish(struct seg_cache *c, struct seg *s)
{
	struct seg *other;

	pthread_mutex_lock(&c->lock);
	other = map_get(&c->by_digest, str_from(s->digest));
	if (other) {
		other->refs++;
	} else {
		s->serial = c->next_serial++;
		map_put(&c->by_digest, str_from(s->digest), s);
	}
	pthread_mutex_unlock(&c->lock);
	if (!other)
		return s;
	seg_destroy(s);
	return other;
}

int seg_open(struct seg_cache *c, const char *digest, uint64_t rows, struct seg **out, struct err *e)
{
	struct seg *s = lookup(c, digest);
	int rc;

	if (!s) {
		s = mem_zalloc(sizeof(*s));
		s->cache = c;
		s->refs = 1;
		pthread_mutex_init(&s->lock, NULL);
		memcpy(s->digest, digest, SHA256_HEX_LEN);
		rc = seg_map(c, s, rows, e);
		if (rc) {
			seg_destroy(s);
			return rc;
		}
		s = publish(c, s);
	}
	*out = s;
	return 0;
}

/* With the cache locked. */
static void unlist(struct seg *s)
{
	if (map_get(&s->cache->by_digest, str_from(s->digest)) == s)
		map_remove(&s->cache->by_digest, str_from(s->digest));
}

bool seg_is_gone(struct seg *s)
{
	char key[128], byte;
	size_t got;

	seg_key(key, s->digest);
	if (store_get_range(s->cache->store, key, 0, 1, &byte, &got, NULL) != -ENOENT)
		return false;
	pthread_mutex_lock(&s->cache->lock);
	unlist(s);
	pthread_mutex_unlock(&s->cache->lock);
	return true;
}

void seg_put(struct seg *s)
{
	bool last;

	pthread_mutex_lock(&s->cache->lock);
	last = --s->refs == 0;
	if (last)
		unlist(s);
	pthread_mutex_unlock(&s->cache->lock);
	if (last)
		seg_destroy(s);
}

static int verify_locked(struct seg *s, struct err *e)
{
	int rc = segment_verify(s->s, e);

	if (rc)
		atomic_store(&s->cache->damaged, true);
	atomic_store_explicit(&s->verified, rc ? -1 : 1, memory_order_release);
	/* all of it was read once; what is asked for next is mostly a few rows */
	store_map_relax(s->cache->store, &s->map);
	return rc;
}

int seg_verify(struct seg *s, struct err *e)
{
	int state = atomic_load_explicit(&s->verified, memory_order_acquire);
	struct err own = ERR_INIT;

	if (state == 1)
		return 0;
	pthread_mutex_lock(&s->lock);
	state = atomic_load(&s->verified) == 1 ? 0 : verify_locked(s, e ? e : &own);
	pthread_mutex_unlock(&s->lock);
	err_clear(&own);
	return state;
}

/* --- ids ----------------------------------------------------------------------------------------- */

/* First row in [lo, hi) whose id is not below @id, or hi. */
static uint32_t lower_bound(const struct seg *s, uint32_t lo, uint32_t hi, struct str id)
{
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (str_cmp(seg_id(s, mid), id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t seg_seek(const struct seg *s, uint32_t from, struct str id)
{
	uint64_t step = 1, hi = from;

	while (hi < s->rows && str_cmp(seg_id(s, (uint32_t)hi), id) < 0) {
		from = (uint32_t)hi + 1;
		hi += step;
		step *= 2;
	}
	return lower_bound(s, from, hi < s->rows ? (uint32_t)hi : s->rows, id);
}

static uint32_t table_mask(uint32_t n)
{
	uint32_t size = 16;

	while (size < (uint64_t)n + n / 2 && size < (1u << 31))
		size *= 2;
	return size - 1;
}

static void build_ids(struct seg *s)
{
	struct seg_id_table *t = mem_zalloc(sizeof(*t));

	t->mask = table_mask(s->rows);
	t->slots = mem_calloc((size_t)t->mask + 1, sizeof(*t->slots));
	for (uint32_t r = 0; r < s->rows; r++) {
		uint32_t i = seg_hash(s->cache, seg_id(s, r)) & t->mask;

		while (t->slots[i])
			i = (i + 1) & t->mask;
		t->slots[i] = r + 1;
	}
	atomic_store_explicit(&s->ids, t, memory_order_release);
}

/* A segment that is searched often is worth a table; a look-up now and then is not. */
static struct seg_id_table *id_table(struct seg *s)
{
	struct seg_id_table *t = atomic_load_explicit(&s->ids, memory_order_acquire);

	if (t || atomic_fetch_add_explicit(&s->lookups, 1, memory_order_relaxed) < 1024 + s->rows / 16)
		return t;
	if (pthread_mutex_trylock(&s->lock))
		return NULL;
	if (!atomic_load(&s->ids))
		build_ids(s);
	pthread_mutex_unlock(&s->lock);
	return atomic_load(&s->ids);
}

uint32_t seg_find(struct seg *s, struct str id, uint32_t hash)
{
	struct seg_id_table *t = id_table(s);
	uint32_t r;

	if (t) {
		for (uint32_t i = hash & t->mask; t->slots[i]; i = (i + 1) & t->mask) {
			if (str_eq(seg_id(s, t->slots[i] - 1), id))
				return t->slots[i] - 1;
		}
		return SEG_ROW_NONE;
	}
	r = lower_bound(s, 0, s->rows, id);
	return r < s->rows && str_eq(seg_id(s, r), id) ? r : SEG_ROW_NONE;
}

/* --- adjacency ----------------------------------------------------------------------------------- */

bool seg_map_adjacency(struct seg *s, int end, struct store_map *m, struct adjacency *a)
{
	struct store *st = s->cache->store;
	struct err why = ERR_INIT;
	char key[128];
	bool ok;

	adjacency_key(key, s->digest, end);
	ok = !store_map(st, key, m, &why) && !adjacency_open(m->data, m->n, s->digest, end, s->rows, a, &why);
	if (ok)
		store_map_relax(st, m);
	else
		store_unmap(st, m);
	err_clear(&why);
	return ok;
}

static struct seg_adjacency *make_adjacency(struct seg *s, int dir)
{
	struct seg_adjacency *a = mem_zalloc(sizeof(*a));

	if (s->rows < s->cache->index_rows || !seg_map_adjacency(s, dir, &a->map, &a->a)) {
		adjacency_build(s->s, s->col_end[dir], dir, s->digest, &a->heap);
		adjacency_view(a->heap.s, s->digest, &a->a);
	}
	return a;
}

static struct seg_adjacency *adjacency(struct seg *s, int dir)
{
	struct seg_adjacency *a = atomic_load_explicit(&s->adj[dir], memory_order_acquire);

	if (a)
		return a;
	pthread_mutex_lock(&s->lock);
	a = atomic_load(&s->adj[dir]);
	if (!a) {
		a = make_adjacency(s, dir);
		atomic_store_explicit(&s->adj[dir], a, memory_order_release);
	}
	pthread_mutex_unlock(&s->lock);
	return a;
}

const uint32_t *seg_edges(struct seg *s, int dir, struct str id, uint32_t *n)
{
	return adjacency_find(&adjacency(s, dir)->a, s->s, s->col_end[dir], id, n);
}

_Atomic uint64_t *seg_neighbour_cell(struct seg *s, int dir, uint32_t row)
{
	_Atomic uint64_t *cells = atomic_load_explicit(&s->nbr[dir], memory_order_acquire);

	if (!cells) {
		pthread_mutex_lock(&s->lock);
		cells = atomic_load(&s->nbr[dir]);
		if (!cells) {
			cells = mem_calloc(s->rows, sizeof(*cells));
			atomic_store_explicit(&s->nbr[dir], cells, memory_order_release);
		}
		pthread_mutex_unlock(&s->lock);
	}
	return &cells[row];
}
