/* SPDX-License-Identifier: MIT */
/*
 * spool.h - the rows of a load, type by type in the order of the input, in a bounded amount of memory. Internal to the engine.
 *
 * A row is kept as its encoding (log_record.h) in chunks of at most 1 MiB. Chunks are on the heap until all of them together pass a
 * limit; then the full ones move to a temporary file (scratch.h) and are read through a mapping, whose pages are given back as
 * readers pass. What stays on the heap is 8 bytes times 1.5 to 3 for each row whose id the input named: a table from the id's hash to
 * the row, where a hit is proved by reading the id. Ids that were minted here are in no table: nothing can name them yet.
 *
 * Ownership: a pool owns its spools. Threading: one thread at a time.
 */
#ifndef ENGINE_STORE_SPOOL_H
#define ENGINE_STORE_SPOOL_H

#include <omnigraph/catalog.h>
#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <omnigraph/scratch.h>
#include <omnigraph/value.h>

#define SPOOL_NONE UINT32_MAX

struct spool_chunk {
	const char *data;
	size_t n, cap;
	bool mapped; /* else malloced */
};

struct spool_row {	 /* borrowed from the spool until its next row is read */
	uint32_t pos;	 /* where the row is */
	bool minted;	 /* its id is not from the input */
	uint64_t record; /* number of its record in the input */
	struct row_image row;
};

struct spool_reader { /* memory of one decoded row */
	struct arena arena;
	struct val *vals;
};

struct spool {
	struct spool_pool *pool;
	const struct type *type;
	struct spool_chunk *chunks;
	uint32_t n_chunks, cap_chunks;
	uint64_t rows, bytes; /* bytes: as txn.c counts staged images */
	uint64_t *slots;      /* hash << 32 | position + 1 */
	uint32_t mask, n_ids;
	bool ascending;	 /* ids ascend, each once */
	bool repeated;	 /* an id came twice: its last row counts */
	uint32_t repeat; /* the first row that repeated one */
	uint32_t last;	 /* the newest row */
	uint32_t reads;	 /* look-ups since the pages were given back */
	/* ids of edges' endpoints as the input wrote them -> struct str * as they are meant; NULL or empty: none */
	const struct map *respelled[2];
	struct spool_reader scan;
};

struct spool_pool {
	const char *dir;    /* of the temporary file; borrowed; NULL: scratch.h chooses */
	uint64_t max_bytes; /* of chunks on the heap */
	uint64_t heap;
	uint64_t k0, k1; /* of the tables of ids */
	struct scratch file;
	struct strbuf enc;
	uint32_t n;
	struct spool *spools; /* by type index */
};

void spool_pool_init(struct spool_pool *p, const struct catalog *c, const char *dir, uint64_t max_bytes);
void spool_pool_free(struct spool_pool *p);
bool spool_pool_spilled(const struct spool_pool *p);

/* Append a row; its bytes are copied. @minted: nothing in the input can name its id. */
int spool_add(struct spool *s, const struct row_image *row, uint64_t record, bool minted, struct err *e);

/* The row that counts for an id the input named, or SPOOL_NONE. */
uint32_t spool_find(struct spool *s, struct str id);
struct str spool_id(struct spool *s, uint32_t pos);
/* Decode the row at @pos. The strings and values point into the spool and @r. */
void spool_read(struct spool *s, uint32_t pos, struct spool_reader *r, struct spool_row *out);
void spool_reader_free(struct spool_reader *r);

/* All rows in order, superseded ones too. Zeroed cursor at first; one scan of a spool at a time. */
struct spool_cursor {
	uint32_t chunk;
	size_t off;
};
bool spool_next(struct spool *s, struct spool_cursor *c, struct spool_row *out);
/* False: a later row has its id. */
bool spool_counts(struct spool *s, const struct spool_row *r);

/* Positions of the rows that count, ascending by id; malloced, the caller frees. */
uint32_t *spool_sorted(struct spool *s, size_t *n);

#endif
