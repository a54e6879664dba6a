/* SPDX-License-Identifier: MIT */
/*
 * seg_cache.h - the open segments of a handle: one mapping per object, however many states and branches refer to it.
 *
 * What is derived from a segment alone (look-up table of ids, adjacency of endpoints) is mapped or built at first need and lives with
 * it, so it survives checkpoints and is shared between branches. Threading: any; readers take no lock once a part is built.
 * Ownership: seg_open gives a reference, seg_put drops it; the last one unmaps.
 */
#ifndef ENGINE_STORE_SEG_CACHE_H
#define ENGINE_STORE_SEG_CACHE_H

#include <pthread.h>

#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <omnigraph/store.h>
#include <omnigraph/util.h>

#include "engine/store/adjacency.h"
#include "engine/store/segment.h"

#define SEG_ROW_NONE UINT32_MAX
#define SEG_INDEX_ROWS 65536 /* fewer rows are sorted in a few milliseconds */

struct seg_cache {
	pthread_mutex_t lock;
	struct store *store;  /* borrowed */
	struct map by_digest; /* struct seg */
	uint32_t next_serial;
	uint64_t k0, k1;      /* key of every hash table of the handle */
	_Atomic bool damaged; /* some segment turned out damaged */
	uint32_t index_rows;  /* segments of so many rows and more have their adjacency stored; tests: 0 */
};

struct seg_adjacency {
	struct adjacency a;
	struct store_map map; /* the object, or ... */
	struct strbuf heap;   /* ... bytes made here */
};

struct seg_id_table {
	uint32_t mask;
	uint32_t *slots; /* row + 1 */
};

struct rec_segment;  /* log_record.h */
struct derived_part; /* derived.c */
void derived_free(struct derived_part *p);

struct seg {
	struct seg_cache *cache;
	uint32_t refs; /* under the cache's lock */
	uint32_t serial;
	char digest[SHA256_HEX_LEN + 1];
	uint32_t rows;
	uint64_t bytes;
	struct store_map map;
	struct segment *s;
	uint32_t col_id, col_end[2], col_created, col_updated;
	bool edge;
	pthread_mutex_t lock; /* building */
	_Atomic int verified; /* 0 not yet, 1 good, negative: damaged */
	_Atomic bool indexed; /* what seg_index stores was there */
	_Atomic uint32_t lookups;
	_Atomic(struct seg_id_table *) ids;
	_Atomic(struct seg_adjacency *) adj[2];
	_Atomic(struct derived_part *) derived;
	_Atomic(_Atomic uint64_t *)
		nbr[2]; /* resolved other endpoint of each row: serial << 32 | row + 1, 0: not yet */
};

void seg_cache_init(struct seg_cache *c, struct store *s);
void seg_cache_free(struct seg_cache *c); /* no segment may be open */

uint32_t seg_hash(const struct seg_cache *c, struct str s);
void seg_key(char out[128], const char *digest);

/* Open seg/<digest>.arrow. @rows and @bytes are what the reference says; a difference is damage. */
int seg_open(struct seg_cache *c, const char *digest, uint64_t rows, struct seg **out, struct err *e);
void seg_put(struct seg *s);
/*
 * Is the object no more in the store, though it is mapped here? Then who opens it from now on is told so; who has it open goes on.
 * False when the store cannot tell.
 */
bool seg_is_gone(struct seg *s);
/* Check all checksums, once. Needed before anything below. */
int seg_verify(struct seg *s, struct err *e);

static inline struct str seg_id(const struct seg *s, uint32_t row)
{
	return segment_str(s->s, s->col_id, row);
}
/* @dir 0: src, 1: dst */
static inline struct str seg_end(const struct seg *s, int dir, uint32_t row)
{
	return segment_str(s->s, s->col_end[dir], row);
}

uint32_t seg_find(struct seg *s, struct str id, uint32_t hash);
/* First row at or after @from whose id is not below @id (galloping; for ascending look-ups). */
uint32_t seg_seek(const struct seg *s, uint32_t from, struct str id);
/* Rows whose endpoint @dir is @id. */
const uint32_t *seg_edges(struct seg *s, int dir, struct str id, uint32_t *n);
/* The cache cell of a row's neighbour at endpoint @dir. */
_Atomic uint64_t *seg_neighbour_cell(struct seg *s, int dir, uint32_t row);

/* Map the stored adjacency of endpoint @end, checked. False: there is none to be had; @m holds nothing. */
bool seg_map_adjacency(struct seg *s, int end, struct store_map *m, struct adjacency *a);

/* --- seg_write.c --- */

/*
 * Finish @w (frees it), write the object and set digest and bytes of @ref. The adjacency of a large edge segment is written, too; when
 * that fails, its readers make it themselves.
 */
int seg_write(struct seg_cache *c, struct segment_writer *w, struct rec_segment *ref, struct err *e);
/* Store what seg_write stores beside a segment, where it is missing or damaged. */
int seg_index(struct seg *s, struct err *e);

#endif
