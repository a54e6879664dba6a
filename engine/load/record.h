/* SPDX-License-Identifier: MIT */
/*
 * record.h - the records of a load: framing, envelope and values (spec/engine.md 8.2 to 8.4), before any look at the graph.
 */
#ifndef ENGINE_LOAD_RECORD_H
#define ENGINE_LOAD_RECORD_H

#include <omnigraph/graph.h>
#include <omnigraph/map.h>

struct load_record {
	const struct type *type;
	struct row_image row;
	bool explicit_id; /* keyless rows: the id came from the input */
};

struct load_batch {
	struct arena arena; /* every byte of the records */
	const struct catalog *catalog;
	struct load_record *records;
	size_t n, cap;
	uint64_t *counts;      /* records per catalog type */
	struct map *respelled; /* permissive, per catalog type: an id as written -> its canonical id (struct str *) */
};

/*
 * Read @read to its end and convert every record against @c. The first problem ends it: ERR_BAD_REQUEST with "line N" (strict) or
 * "record N" (permissive), ERR_RESOURCE_LIMIT for a line that is too long. Clear the batch in every case.
 */
int load_parse(const struct catalog *c, const struct load_opts *opts, read_fn read, void *arg, struct load_batch *out,
	       struct err *e);
void load_batch_clear(struct load_batch *b);

#endif
