/* SPDX-License-Identifier: MIT */
/*
 * maintenance.h - optimize and cleanup of a graph (spec/engine.md 16).
 *
 * Neither makes a commit, moves a head or changes an answer. Both run beside readers and writers of any process and never make one
 * wait or fail; a schema apply in progress refuses them (ERR_CONFLICT). Both may be called from any thread, and may be stopped at any
 * instant (kill -9 too): what they have done by then is complete, the next run does the rest.
 */
#ifndef OMNIGRAPH_MAINTENANCE_H
#define OMNIGRAPH_MAINTENANCE_H

#include <omnigraph/graph.h>

/* --- optimize ------------------------------------------------------------------------------------- */

struct optimize_type {
	struct str type_key; /* "node:Person" */
	const struct type *type;
	uint64_t
		fragments_removed; /* segments replaced, and one for the rows that stood in log records; all branches together */
	uint64_t fragments_added; /* segments written */
	uint32_t n_pending;
	const struct str *pending; /* properties whose index cannot be built yet */
};

#define OPTIMIZE_PENDING_REASON "property has no non-null vectors to train on yet"

struct optimize_result {
	uint32_t n;
	struct optimize_type *types; /* ascending by type key */
	struct catalog *catalog;     /* keeps the types */
	struct arena arena;
};

/*
 * Compact main and every live branch: deletions are folded, small segments merged, a checkpoint is written where that changed
 * something or the log has grown. Indexes are derived in memory and need nothing. Reads and writes each live row of what it compacts
 * once; memory: the state of one branch and one segment (64 MiB). A second call without writes in between changes nothing.
 * optimize_result_clear(@out) in every case.
 */
int graph_optimize(struct graph *g, struct optimize_result *out, struct err *e);
void optimize_result_clear(struct optimize_result *r);
/* Member "datasets" of spec/cli.md 11.17. */
void optimize_result_json(const struct optimize_result *r, struct json_writer *w);

#endif
