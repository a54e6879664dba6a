/* SPDX-License-Identifier: MIT */
/*
 * table.h - the rows of one type in memory, all versions of them.
 *
 * A table is a list of runs (immutable segments, sorted by id) and a delta: an append-only store of the rows of small commits,
 * indexed by id and, for edges, by endpoint. A row begins at the commit version that wrote it and ends at the one that replaced or
 * deleted it; a reader at version V sees rows with begin <= V < end. `trunc` is the last version <= V that emptied the type
 * (load overwrite): rows that began before it are gone, without a stamp on each.
 *
 * Threading: one writer (the holder of the branch's lock); any number of readers, which take no lock. A reader at version V
 * got V from the publication of V, so everything V needs happened before. Arrays grow by copying and publishing; old ones stay
 * in the state's arena, so a reader may go on with one.
 */
#ifndef ENGINE_STORE_TABLE_H
#define ENGINE_STORE_TABLE_H

#include "engine/store/seg_cache.h"
#include "engine/store/snapshot.h"

#define DELTA_CHUNK 512u
#define STAMP_PAGE 1024u
#define NEVER UINT64_MAX

struct layout { /* which property each value of a row is */
	uint32_t n;
	const uint64_t *props;
};

struct drow_data {
	struct str id, src, dst;
	const struct layout *layout;
	struct val vals[];
};

struct drow {
	_Atomic uint64_t begin; /* NEVER: undone */
	_Atomic uint64_t ended; /* 0: alive */
	uint64_t created;
	const struct drow_data *d;
	uint32_t hash;
	uint32_t prev;	  /* older delta row with the same id, + 1 */
	uint32_t next[2]; /* older delta row with the same src / dst, + 1 */
};

struct stamp_page {
	_Atomic uint64_t ended[STAMP_PAGE];
};

struct run {
	struct seg *seg;
	struct str min, max;	/* smallest and greatest id */
	_Atomic uint64_t begin; /* 0: from a checkpoint; NEVER: undone */
	_Atomic(struct stamp_page *) *pages;
};

struct slots {
	uint32_t mask;
	_Atomic uint64_t slot[]; /* hash << 32 | delta row + 1 */
};

struct hash_index {
	_Atomic(struct slots *) cur;
	uint32_t used;
};

struct table {
	uint64_t type_id, incarnation;
	bool edge;
	uint32_t index; /* in the state */
	struct seg_cache *cache;
	struct arena *arena; /* the state's */
	_Atomic(struct drow **) chunks;
	uint32_t n_chunks, cap_chunks;
	_Atomic uint32_t n_rows;
	struct hash_index by_id, by_end[2];
	_Atomic(struct run **) runs;
	_Atomic uint32_t n_runs;
	uint32_t cap_runs;
	const struct layout *layout; /* of the last row, for sharing */
	pthread_mutex_t derived_lock;
	struct derived_part *derived; /* of the delta */
};

struct view {
	uint64_t version, trunc;
};

/* rowref: 0 is the delta, i + 1 is run i */
#define ROWREF(run, row) ((uint64_t)(run) << 32 | (row))
#define ROWREF_RUN(r) ((uint32_t)((r) >> 32))
#define ROWREF_ROW(r) ((uint32_t)(r))

void table_init(struct table *t, struct seg_cache *c, struct arena *a, uint64_t type_id, uint64_t incarnation,
		bool edge);
void table_free(struct table *t);

/* --- writer ---------------------------------------------------------------------------------------- */

const struct layout *table_layout(struct table *t, const uint64_t *props, size_t n);
/* Append a row version; it replaces what the id index says. @d lives in the state's arena. */
uint32_t table_append(struct table *t, const struct drow_data *d, uint32_t hash, uint64_t begin, uint64_t created);
/* Takes the reference to @s. @min and @max live in the state's arena. */
uint32_t table_add_run(struct table *t, struct seg *s, struct str min, struct str max, uint64_t begin);
void table_end_row(struct table *t, rowref r, uint64_t version); /* version 0: alive again (undo) */

/* --- readers --------------------------------------------------------------------------------------- */

/*
 * Segments are verified when they are first touched; a damaged one reads as empty and is remembered. table_damage reports it: call
 * it after reading, before the answer is believed.
 */
int table_damage(const struct table *t, struct err *e);
/* Next visible row of a scan; @pos is two zeroed words at first. */
rowref table_next(const struct table *t, struct view v, uint64_t pos[2]);
/* seg_edges of a run that may be damaged (then none). */
const uint32_t *table_run_edges(const struct run *r, int dir, struct str id, uint32_t *n);

static inline struct drow *table_drow(const struct table *t, uint32_t row)
{
	struct drow **chunks = atomic_load_explicit(&((struct table *)t)->chunks, memory_order_acquire);

	return &chunks[row / DELTA_CHUNK][row % DELTA_CHUNK];
}

static inline struct run *table_run(const struct table *t, uint32_t i)
{
	return atomic_load_explicit(&((struct table *)t)->runs, memory_order_acquire)[i];
}

static inline uint32_t table_n_rows(const struct table *t)
{
	return atomic_load_explicit(&((struct table *)t)->n_rows, memory_order_acquire);
}

static inline uint32_t table_n_runs(const struct table *t)
{
	return atomic_load_explicit(&((struct table *)t)->n_runs, memory_order_acquire);
}

static inline bool drow_visible(const struct drow *r, struct view v)
{
	uint64_t begin = atomic_load_explicit(&((struct drow *)r)->begin, memory_order_relaxed);
	uint64_t ended = atomic_load_explicit(&((struct drow *)r)->ended, memory_order_relaxed);

	return begin <= v.version && begin >= v.trunc && (!ended || ended > v.version);
}

static inline bool run_visible(const struct run *r, struct view v)
{
	uint64_t begin = atomic_load_explicit(&((struct run *)r)->begin, memory_order_relaxed);

	return begin <= v.version && begin >= v.trunc;
}

static inline bool run_row_alive(const struct run *r, uint32_t row, struct view v)
{
	struct stamp_page *p = atomic_load_explicit(&r->pages[row / STAMP_PAGE], memory_order_acquire);
	uint64_t ended;

	if (!p)
		return true;
	ended = atomic_load_explicit(&p->ended[row % STAMP_PAGE], memory_order_relaxed);
	return !ended || ended > v.version;
}

bool table_row_visible(const struct table *t, rowref r, struct view v);
rowref table_find(const struct table *t, struct view v, struct str id, uint32_t hash);
/* Newest delta row at an endpoint (+ 1), 0 when there is none; go on with drow.next[dir]. */
uint32_t table_delta_edges(const struct table *t, int dir, struct str id, uint32_t hash);
struct str table_row_id(const struct table *t, rowref r);
struct str table_row_end(const struct table *t, int dir, rowref r);
uint64_t table_row_created(const struct table *t, rowref r);
uint64_t table_row_updated(const struct table *t, rowref r);
/* The value of the property with this identity; @guess is its likely position. */
void table_row_get(const struct table *t, rowref r, uint64_t property_id, uint32_t guess, struct arena *a,
		   struct val *out);

/* A row of a run by segment: the run of this segment serial, or UINT32_MAX. */
uint32_t table_run_by_serial(const struct table *t, uint32_t serial);

#endif
