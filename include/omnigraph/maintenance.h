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
 * something or the log has grown. Other branches than main keep sharing what they inherit: only their own rows, and segments with
 * more than a quarter deleted, are rewritten. The adjacency of large edge segments (idx/) is stored where it is missing or damaged; other
 * indexes are derived in memory. Reads and writes each live row of what it compacts once; memory: the state of one branch and one segment
 * (64 MiB). A second call without writes in between changes nothing.
 * optimize_result_clear(@out) in every case.
 */
int graph_optimize(struct graph *g, struct optimize_result *out, struct err *e);
void optimize_result_clear(struct optimize_result *r);
/* Member "datasets" of spec/cli.md 11.17. */
void optimize_result_json(const struct optimize_result *r, struct json_writer *w);

/* --- cleanup -------------------------------------------------------------------------------------- */

/* What nothing refers to, and every blob and schema record, is deleted this long after it was written: longer than any write takes. */
#define CLEANUP_ORPHAN_AGE_S (72 * 3600)

struct cleanup_opts { /* at least one of the two rules; a commit goes only if both allow it */
	bool by_count, by_age;
	uint64_t keep_versions; /* by_count: the newest commits of each branch that stay; 0 acts as 1 */
	uint64_t older_than_s;	/* by_age: commits made during the last so many seconds stay */
	int64_t orphan_age_s;	/* 0: CLEANUP_ORPHAN_AGE_S; negative: none, for when nothing else writes (tests) */
};

struct cleanup_type {
	struct str type_key;
	const struct type *type;
	uint64_t bytes_removed;	       /* segments, and what trimmed log records held of the type */
	uint64_t old_versions_removed; /* versions of the type that no kept commit sees */
	const char *error;	       /* NULL: none; the next cleanup does what is left */
};

struct cleanup_result {
	uint32_t n;
	struct cleanup_type *types; /* ascending by type key */
	struct catalog *catalog;    /* keeps the types */
	struct arena arena;
};

/*
 * Delete the states of old commits, and what deleted branches, crashed writes and crashed inits have left. Kept besides what the rules
 * say: the head of each live branch, the fork points they inherit, and the common ancestors at which merges of live branches begin (of more
 * than 64 branches: merges with main and with the branch they were forked from). Removed commits stay in lists; reading their state is
 * ERR_HISTORY_RECLAIMED.
 *
 * Reads every kept state and all of the kept log, and proves every kept segment; memory: one state, and what commits are listed.
 * Errors: ERR_BAD_REQUEST without a rule; ERR_RETRYABLE_CONFLICT when another cleanup ran at the same time; anything else when a state that
 * is to be kept cannot be read: then nothing was deleted. cleanup_result_clear(@out) in every case.
 */
int graph_cleanup(struct graph *g, const struct cleanup_opts *opts, struct cleanup_result *out, struct err *e);
void cleanup_result_clear(struct cleanup_result *r);
/* Member "datasets" of spec/cli.md 11.18. */
void cleanup_result_json(const struct cleanup_result *r, struct json_writer *w);

#endif
