/* SPDX-License-Identifier: MIT */
/*
 * graph.h - a graph: create, open, read, write, export. The engine's public interface.
 *
 * A struct graph is a handle on one graph root. Any number of threads may use one handle at once; any number of
 * handles, in any number of processes, may read and write one root at once.
 * Reads work on a struct snapshot: an immutable, reference-counted view of one commit. Writes are atomic: one
 * operation is one commit, or nothing (spec/engine.md 4). When a write returns 0 it is durable.
 *
 * The library never prints, exits or reads the environment.
 */
#ifndef OMNIGRAPH_GRAPH_H
#define OMNIGRAPH_GRAPH_H

#include <omnigraph/catalog.h>
#include <omnigraph/err.h>
#include <omnigraph/json.h>
#include <omnigraph/log.h>
#include <omnigraph/str.h>
#include <omnigraph/util.h>
#include <omnigraph/value.h>

#define GRAPH_FORMAT_VERSION 1 /* internal_schema_version */

struct graph;
struct snapshot;
struct query;
struct embedder;
struct store;
struct blob_policy;

/* --- policy hook (spec/engine.md 17) ----------------------------------------------------------- */

struct graph_policy_ops {
	/* 0: allowed; ERR_POLICY with the full message otherwise. @branch and @target may be NULL; @actor is NULL when there is none. */
	int (*authorize)(void *ctx, const char *action, const char *branch, const char *target, const char *actor,
			 struct err *e);
};

/* --- lifecycle --------------------------------------------------------------------------------- */

struct graph_open_opts {
	bool read_only;		     /* no write of any kind reaches the store */
	uint64_t mutation_max_bytes; /* 0: LIMIT_MUTATION_BYTES */
	uint64_t load_stage_bytes;   /* rows of a load beyond this go to a temporary file; 0: LIMIT_LOAD_STAGE_BYTES */
	struct embedder *embedder;   /* for nearest() with text; borrowed, NULL: such queries fail with the reason */
	const struct graph_policy_ops *policy; /* NULL: everything is allowed */
	void *policy_ctx;
	struct logger *logger; /* borrowed, may be NULL */
	/* where external blob references of loads and mutations may point (blob.h); copied; NULL: new ones are denied */
	const struct blob_policy *blobs;
	/* s3 only: a read may use a head looked up at most this long ago (spec README 7); 0: every read asks the store */
	uint32_t head_max_age_ms;
};

struct graph_init_opts {
	bool force; /* replace orphan schema files of a crashed init; never an existing graph */
};

/* Create a graph at @uri from schema text (spec/engine.md 2.1, 2.2). */
int graph_init(const char *uri, struct str schema, const struct graph_init_opts *opts, struct err *e);

/* Open the graph at @uri (2.3, 2.4). Makes no write and no repair. @opts may be NULL (read-write, defaults). */
int graph_open(const char *uri, const struct graph_open_opts *opts, struct graph **out, struct err *e);
/* As graph_open, on a store the caller opened and keeps (tests, fault injection). */
int graph_open_store(struct store *s, const struct graph_open_opts *opts, struct graph **out, struct err *e);
int graph_init_store(struct store *s, struct str schema, const struct graph_init_opts *opts, struct err *e);
/* All snapshots of the handle must have been put; waits for background work. NULL allowed. */
void graph_close(struct graph *g);

/* The canonical root: absolute path for local roots, s3://... otherwise. */
const char *graph_uri(const struct graph *g);
/* Install or replace the embedder / policy after open, before other threads use the handle. */
void graph_set_embedder(struct graph *g, struct embedder *em);
void graph_set_policy(struct graph *g, const struct graph_policy_ops *ops, void *ctx);
struct embedder *graph_embedder(const struct graph *g);

/* --- commits and snapshots ---------------------------------------------------------------------- */

struct commit_info { /* spec/engine.md 4; "" stands for null */
	char id[ULID_LEN + 1];
	char parent[ULID_LEN + 1];
	char merged_parent[ULID_LEN + 1];
	char *branch;	    /* NULL: main */
	char *actor;	    /* NULL: none */
	uint64_t version;   /* graph_manifest_version */
	int64_t created_at; /* microseconds */
};

void commit_info_copy(struct commit_info *dst, const struct commit_info *src);
void commit_info_clear(struct commit_info *c);
/* The commit object of spec/server.md 6.5, all seven members in order. */
void commit_info_json(struct json_writer *w, const struct commit_info *c);

/*
 * The newest snapshot of @branch (NULL: main; trimmed name), or of one commit found on main or a live branch when
 * @commit_id is not NULL. Both given: ERR_BAD_REQUEST. Unknown: ERR_NOT_FOUND ("branch 'x' not found", "commit 'x' not found").
 * Every commit acknowledged before the call, by any process, is in the newest snapshot. Release with snapshot_put.
 */
int graph_snapshot(struct graph *g, const char *branch, const char *commit_id, struct snapshot **out, struct err *e);
/* The commit of a graph-manifest version on a branch's chain. 0, or above the head: ERR_NOT_FOUND naming it. */
int graph_snapshot_version(struct graph *g, const char *branch, uint64_t version, struct snapshot **out, struct err *e);
struct snapshot *snapshot_get(struct snapshot *s);
void snapshot_put(struct snapshot *s); /* NULL allowed */
const struct commit_info *snapshot_commit(const struct snapshot *s);
/* The current accepted schema (also for old commits: bound by stable identity). */
const struct catalog *snapshot_catalog(const struct snapshot *s);
/* The `snapshot` report of spec/engine.md 6, datasets sorted by type key. @branch is the requested name. */
void snapshot_report_json(const struct snapshot *s, const char *branch, struct json_writer *w);

/* Commits of a branch, newest first, inherited ones included. Non-zero from @fn stops and is returned. */
int graph_commits(struct graph *g, const char *branch, int (*fn)(void *arg, const struct commit_info *c), void *arg,
		  struct err *e);
/* One commit, from main or any live branch. */
int graph_commit(struct graph *g, const char *id, struct commit_info *out, struct err *e);

/* --- branches (spec/engine.md 5) ---------------------------------------------------------------- */

/* Trim and check a name for operation @op ("load", "mutate", "branch_create", ...). *out is malloced. */
int branch_name_check(const char *name, const char *op, char **out, struct err *e);
int graph_branch_create(struct graph *g, const char *name, const char *from, const char *actor, struct err *e);
int graph_branch_delete(struct graph *g, const char *name, const char *actor, struct err *e);
/* main first, then bytewise. */
int graph_branches(struct graph *g, int (*fn)(void *arg, const char *name), void *arg, struct err *e);
/* 0 and *exists; an error only when the store fails. */
int graph_branch_exists(struct graph *g, const char *name, bool *exists, struct err *e);

/* --- merge (spec/engine.md 11) --------------------------------------------------------------------- */

enum merge_outcome { MERGE_UP_TO_DATE, MERGE_FAST_FORWARD, MERGE_MERGED };

struct merge_conflict {
	const char *entity_kind; /* "node", "edge" */
	const char *type_name;
	const char *entity_id; /* NULL: the conflict names none */
	const char *kind;      /* divergent_insert, ..., value_constraint_violation (11.4) */
	const char *message;
};

struct merge_opts {
	const char *source, *target; /* target NULL: main */
	const char *actor;
	bool delete_branch; /* delete the source after any success, under its own check */
};

struct merge_result {
	enum merge_outcome outcome;
	bool has_commit;
	struct commit_info commit;
	size_t n_conflicts; /* on ERR_MERGE_CONFLICTS, in the order of 11.5 */
	struct merge_conflict *conflicts;
	bool branch_deleted;
	char *branch_delete_error; /* why the deletion that was asked for did not happen; NULL otherwise */
	struct arena arena;
};

/*
 * Merge one branch into another as one commit on the target, or nothing. ERR_MERGE_CONFLICTS fills out->conflicts and leaves the target
 * as it was; ERR_READ_SET_CHANGED when the target moved meanwhile. merge_result_clear(@out) in every case.
 */
int graph_merge(struct graph *g, const struct merge_opts *opts, struct merge_result *out, struct err *e);
void merge_result_clear(struct merge_result *r);
/* "merge conflicts: " and up to three of them, then how many more (spec/server.md 5.4), appended. */
void merge_conflicts_summary(const struct merge_result *r, struct strbuf *out);
/* The merge_conflicts array of spec/server.md 5.1. */
void merge_conflicts_json(const struct merge_result *r, struct json_writer *w);
/* The result object of spec/server.md 8.19: names as given in @opts, outcome, actor, and the deletion when it was asked for. */
void merge_result_json(const struct merge_result *r, const struct merge_opts *opts, struct json_writer *w);
const char *merge_outcome_word(enum merge_outcome o); /* "already_up_to_date", "fast_forward", "merged" */

/* --- queries ------------------------------------------------------------------------------------ */

struct query_target { /* what the envelope echoes: exactly one is not NULL */
	const char *branch, *snapshot;
};

/*
 * Run a compiled read query (query.h) on a snapshot and append the read envelope of spec/query.md 13.2 to @out, compact.
 * @params: bound values (query_bind). @with_commit false leaves graph_commit_id out (the legacy envelope).
 */
int graph_query(struct graph *g, struct snapshot *s, const struct query *q, const struct val *params,
		const struct query_target *target, bool with_commit, struct strbuf *out, struct err *e);

/* When to give a query up; looked at every few thousand rows. */
struct query_budget {
	int64_t deadline_us;	    /* monotonic clock (time_mono_us); 0: none */
	const _Atomic bool *cancel; /* another thread sets it; NULL: none */
};

/* graph_query under a budget (NULL: none); a query given up is ERR_QUERY and appends nothing. */
int graph_query_budget(struct graph *g, struct snapshot *s, const struct query *q, const struct val *params,
		       const struct query_target *target, bool with_commit, const struct query_budget *budget,
		       struct strbuf *out, struct err *e);

struct write_opts {
	const char *branch;	   /* NULL: main */
	const char *actor;	   /* NULL: none */
	const char *expected_head; /* NULL: unconditional; else ERR_PRECONDITION when the head differs */
};

struct mutation_result {
	uint64_t affected_nodes, affected_edges;
	bool has_commit;
	struct commit_info commit;
};
void mutation_result_clear(struct mutation_result *r);

/* Run a compiled mutation as one commit (spec/engine.md 7). */
int graph_mutate(struct graph *g, const struct query *q, const struct val *params, const struct write_opts *opts,
		 struct mutation_result *out, struct err *e);

/* --- load and export ------------------------------------------------------------------------------ */

enum load_mode { LOAD_APPEND, LOAD_MERGE, LOAD_OVERWRITE };
enum load_shape { LOAD_STRICT, LOAD_PERMISSIVE };

/* Fill @buf with up to @n bytes, return the count, 0 at the end, negative errno (with @e filled) on failure. */
typedef long (*read_fn)(void *arg, void *buf, size_t n, struct err *e);
/* Consume @n bytes; 0 or negative errno with @e filled. */
typedef int (*write_fn)(void *arg, const void *data, size_t n, struct err *e);

struct load_opts {
	struct write_opts write;
	const char *from; /* fork a missing branch from here; NULL: a missing branch is an error */
	enum load_mode mode;
	enum load_shape shape;
	/* called now and then with the bytes read and records parsed; may be NULL */
	void (*progress)(void *arg, uint64_t bytes, uint64_t records);
	void *progress_arg;
};

struct load_count {
	struct str name; /* owned by the result's arena */
	uint64_t n;
};

struct load_result {
	bool branch_created;
	uint32_t n_nodes, n_edges; /* types that occur in the input, ascending by name */
	struct load_count *nodes, *edges;
	uint64_t total;
	struct commit_info commit;
	struct arena arena;
};
void load_result_clear(struct load_result *r);
/* Member @key: [{"name": .., "entities_loaded": ..}, ...], as every report of a load has it (spec/engine.md 8.7). */
void load_counts_json(struct json_writer *w, const char *key, const struct load_count *c, uint32_t n);

/* Load a stream as one commit (spec/engine.md 8). */
int graph_load(struct graph *g, const struct load_opts *opts, read_fn read, void *read_arg, struct load_result *out,
	       struct err *e);

/*
 * Check a type filter before the first byte: ERR_BAD_REQUEST "unknown export type '<X>'".
 * graph_export streams NDJSON in the order of spec/engine.md 12; chunks of at most 64 KiB go to @write.
 */
int export_check_types(const struct snapshot *s, const char *const *types, size_t n, struct err *e);
int graph_export(struct snapshot *s, const char *const *types, size_t n, write_fn write, void *arg, struct err *e);
enum { EXPORT_NODES = 1, EXPORT_EDGES = 2 };
/* The same for a set of kinds; 0: both. */
int graph_export_kinds(struct snapshot *s, unsigned kinds, const char *const *types, size_t n, write_fn write,
		       void *arg, struct err *e);

/* --- schema ------------------------------------------------------------------------------------- */

/* Preview of spec/schema.md 12.2: moves nothing. The plan JSON is appended to @plan. */
int graph_schema_preview(struct graph *g, struct str source, struct strbuf *plan, struct err *e);

struct schema_apply_opts {
	const char *actor;
	bool allow_data_loss;
	bool source_only_commit; /* cluster apply: publish a commit even when only the source text differs */
};
struct schema_apply_result {
	bool applied;
	uint64_t version;
	struct strbuf plan; /* JSON; free with sb_free */
};
/* Apply of spec/schema.md 12.3. */
int graph_schema_apply(struct graph *g, struct str source, const struct schema_apply_opts *opts,
		       struct schema_apply_result *out, struct err *e);

/* --- maintenance ---------------------------------------------------------------------------------- */

/* Write a checkpoint of a branch now (NULL: main). Never blocks or fails a writer. */
int graph_checkpoint(struct graph *g, const char *branch, struct err *e);

#endif
