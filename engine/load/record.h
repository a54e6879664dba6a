/* SPDX-License-Identifier: MIT */
/*
 * record.h - the records of a load: framing, envelope and values (spec/engine.md 8.2 to 8.4), before any look at the graph.
 */
#ifndef ENGINE_LOAD_RECORD_H
#define ENGINE_LOAD_RECORD_H

#include <omnigraph/graph.h>
#include <omnigraph/map.h>

#include "engine/store/spool.h"

struct load_batch {
	struct arena arena; /* all but the records */
	const struct catalog *catalog;
	struct spool_pool pool; /* the records */
	uint64_t n;
	uint64_t *counts;      /* records per catalog type */
	struct map *respelled; /* permissive, per catalog type: an id as written -> its canonical id (struct str *) */
};

/* @dir and @max_bytes: of the pool (spool.h). @c and @dir must stay. */
void load_batch_init(struct load_batch *b, const struct catalog *c, const char *dir, uint64_t max_bytes);
/*
 * Read @read to its end and convert every record against the batch's catalog. The first problem ends it: ERR_BAD_REQUEST with "line N"
 * (strict) or "record N" (permissive), ERR_RESOURCE_LIMIT for a line that is too long, ERR_IO when the temporary file fails. Clear the
 * batch in every case.
 */
int load_parse(struct load_batch *b, const struct load_opts *opts, read_fn read, void *arg, struct err *e);
void load_batch_clear(struct load_batch *b);

#endif
