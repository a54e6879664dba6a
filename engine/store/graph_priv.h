/* SPDX-License-Identifier: MIT */
/*
 * graph_priv.h - inside of a graph handle.
 *
 * Locks, in the order they are taken: branch.write_lock (one write of a branch is prepared at a time; held while the caller's
 * prepare runs), branch.lock (the branch's state: applying, undoing, the queue; held over reads of the log, never over caller
 * code or an append), then one of graph.lock (list of branches and catalogs), branch.head_lock (the published pointer).
 */
#ifndef ENGINE_STORE_GRAPH_PRIV_H
#define ENGINE_STORE_GRAPH_PRIV_H

#include <pthread.h>

#include <omnigraph/blob.h>
#include <omnigraph/catalog.h>
#include <omnigraph/graph.h>
#include <omnigraph/limits.h>
#include <omnigraph/store.h>

#include "engine/store/seg_cache.h"
#include "engine/store/state.h"

#define KEY_GRAPH "graph.json"
#define KEY_MAX 1024

struct lineage { /* where a branch's commits are: its own log, then its parent's up to the fork, ... main last */
	uint32_t n;
	struct lineage_step {
		char id[ULID_LEN + 1];
		char *label;   /* branch name, NULL: main */
		uint64_t upto; /* newest version taken from here; UINT64_MAX for the branch itself */
	} step[];
};

struct lineage *lineage_new(uint32_t n);
void lineage_free(struct lineage *l);
/* Index of the step whose log has the commit of @version. */
uint32_t lineage_owner(const struct lineage *l, uint64_t version);

struct branch_ref { /* content of refs/<branch>.json */
	char *name;
	int64_t created_at;
	char head[ULID_LEN + 1]; /* commit the branch was forked at */
	struct lineage *lineage;
	struct store_token token;
};

struct pending;

struct branch {
	struct refcount ref;
	struct branch *next; /* graph.lock */
	struct graph *g;
	char *name;
	const char *label; /* name, NULL for main */
	char log[64];
	struct lineage *lineage;
	struct store_token token; /* of the ref object; graph.lock */
	pthread_mutex_t write_lock, lock, head_lock;
	pthread_cond_t settled; /* with lock: an append ended, the queue was taken back */
	bool loaded;
	struct state *st;
	struct snapshot *spec; /* newest applied, maybe not yet durable */
	struct snapshot *head; /* head_lock: newest published */
	_Atomic uint64_t next_seq;
	struct pending *queue, **queue_tail; /* applied, not yet durable, in order */
	bool appending;
	char appending_id[ULID_LEN + 1]; /* first commit of the record being appended */
	/* since the newest checkpoint, for deciding on the next one */
	uint64_t tail_bytes, tail_records, ckpt_version;
	bool ckpt_queued;
	uint64_t ckpt_after;	    /* after a failure: not before the tail has this many records */
	_Atomic int64_t checked_us; /* when the log's end was last looked at (time_mono_us) */
};

struct catalog_entry {
	struct catalog_entry *next;
	char digest[SHA256_HEX_LEN + 1];
	struct catalog *cat;
};

struct graph {
	struct store *store;
	bool own_store, read_only;
	char *uri;
	char graph_id[ULID_LEN + 1], domain[ULID_LEN + 1], main_id[ULID_LEN + 1];
	uint64_t mutation_max, load_stage;
	uint64_t inline_max; /* a commit of more bytes writes segments; tests: less than LIMIT_INLINE_COMMIT_BYTES */
	uint32_t head_max_age_ms;
	bool remote; /* a call of the store is a request over a network */
	struct embedder *embedder;
	const struct graph_policy_ops *policy;
	void *policy_ctx;
	struct logger *logger;
	struct blob_policy blobs; /* of its own */
	struct seg_cache segs;
	pthread_mutex_t lock;
	struct branch *main, *branches; /* branches: all but main */
	struct catalog_entry *catalogs;
	/* checkpoint worker */
	pthread_mutex_t ckpt_lock; /* one checkpoint at a time */
	pthread_mutex_t worker_lock;
	pthread_cond_t worker_wake;
	pthread_t worker;
	bool worker_running, worker_stop;
	struct branch *worker_queue[16];
	unsigned worker_n;
	/* one state of the past, kept for the next look at it */
	pthread_mutex_t past_lock;
	struct past {
		char id[ULID_LEN + 1]; /* branch id */
		struct snapshot *last;
		struct state *st;
	} past;
	/* where commits asked for were found; past_lock */
	struct found {
		struct commit_info ci;
		char branch_id[ULID_LEN + 1];
	} found[64];
	unsigned next_found;
};

/* --- graph.c --- */
/* The catalog of a schema record (64 hex digits), cached. */
int graph_catalog(struct graph *g, const char *digest, struct catalog **out, struct err *e);
/* Digest of a schema record: SHA-256 of "<source digest>\n<compiled digest>". */
void schema_record_digest(struct str source, struct str compiled, char out[SHA256_HEX_LEN + 1]);
void schema_keys(const char *digest, char pg[128], char json[128]);
/* {"...", "crc32c": n}: append the checksum member to a JSON object under construction, check it on reading. */
void json_seal(struct strbuf *b);
int json_unseal(struct str text, const char *key, struct err *e);

/* --- head.c: a branch in memory --- */
struct branch *branch_new(struct graph *g, const char *name, struct lineage *lineage);
struct branch *branch_get(struct branch *b);
void branch_put(struct branch *b);
/* The live branch of a name (NULL: main), checked against the store. ERR_NOT_FOUND "branch 'x' not found". */
int branch_open(struct graph *g, const char *name, struct branch **out, struct err *e);
void branch_forget(struct graph *g, const char *name);
/* Bring the branch up to date; branch.lock is held. */
int branch_load(struct branch *b, struct err *e);
int branch_refresh(struct branch *b, struct err *e);
void branch_publish(struct branch *b, struct snapshot *s, uint64_t next_seq);
struct snapshot *branch_head(struct branch *b);
/* The newest snapshot: every commit acknowledged before the call; on s3, before head_max_age_ms ago. */
int branch_snapshot(struct branch *b, struct snapshot **out, struct err *e);
int branch_snapshot_exact(struct branch *b, struct snapshot **out, struct err *e);

/* --- load.c: states from the store --- */
struct load_stats {
	uint64_t next_seq, tail_bytes, tail_records, ckpt_version;
	bool trimmed;	       /* a record that is needed is not in the log */
	char passed_over[256]; /* why the newest checkpoint could not be used; "": it was, or there is none */
};
/*
 * The state at version @upto, built on a checkpoint at or below @from: it holds the commits between as nodes. -ENOENT (ERR_STORAGE
 * in @e): no usable checkpoint, and the log begins later.
 */
int state_load(struct graph *g, const struct lineage *l, uint64_t from, uint64_t upto, struct snapshot **out,
	       struct load_stats *stats, struct err *e);
/* Apply the records of a log from @seq on, up to version @upto. *snap is replaced as commits are applied. */
int log_apply(struct graph *g, const char *branch_id, const char *label, uint64_t seq, uint64_t upto, struct state *st,
	      struct snapshot **snap, struct load_stats *stats, struct err *e);
void log_key(const char *branch_id, char out[64]);

/* --- commit.c --- */
/*
 * ERR_READ_SET_CHANGED (spec engine.md 10.2): @what, or "@what:@branch", is no more what a write was prepared on. NULL @expected or
 * @actual: there was, or is, none.
 */
int read_set_changed(const char *what, const char *branch, const char *expected, const char *actual, struct err *e);
void queue_undo(struct branch *b, int rc, const struct err *why);

/* --- ckpt_load.c --- */
/* The newest usable checkpoint at or below version @upto; -ENOENT when there is none. stats->next_seq: where the log goes on. */
int checkpoint_load(struct graph *g, const char *branch_id, uint64_t upto, struct snapshot **out,
		    struct load_stats *stats, struct err *e);
void ckpt_key(const char *branch_id, uint64_t version, char out[128]);
/* What a checkpoint refers to: the digest of its schema record and its segments. Opens none of them. -EBADMSG: it is damaged. */
typedef int (*ckpt_segment_fn)(void *arg, uint64_t type_id, uint64_t incarnation, const struct rec_segment *ref);
int checkpoint_refs(struct graph *g, const char *branch_id, uint64_t version, char schema[SHA256_HEX_LEN + 1],
		    ckpt_segment_fn fn, void *arg, struct err *e);

/* --- ckpt_build.c --- */
struct compaction { /* fold all deletions and merge small segments, and say what was done to each table */
	void (*table)(void *arg, const struct type *t, uint32_t replaced, uint32_t written);
	void *arg;
	bool shared; /* the segments are another branch's, too: rewrite as little as a plain checkpoint does */
};
/*
 * Append the checkpoint object of @s (the branch's own log has it up to record @seq) to @out; writes the segments it needs.
 * @compact NULL: as little as is worth it.
 */
int checkpoint_build(struct graph *g, const char *branch_id, const struct snapshot *s, uint64_t seq,
		     const struct compaction *compact, struct strbuf *out, struct err *e);

/*
 * Write a checkpoint where none is: -EEXIST otherwise. With @seen (ckpt_token, taken before the state was read from the store): in place
 * of that one, -ESTALE otherwise. So what was built on segments that a cleanup deletes meanwhile never takes the place of a checkpoint
 * that this cleanup relies on; and if it comes to stand beside it, it is passed over.
 */
int ckpt_put(struct graph *g, const char *branch_id, uint64_t version, const struct store_token *seen,
	     const struct strbuf *obj, struct err *e);
/* 0 and *token.s "": there is none. */
int ckpt_token(struct graph *g, const char *branch_id, uint64_t version, struct store_token *token, struct err *e);

/* --- checkpoint.c --- */
/* Compact the branch and write a checkpoint of it, unless that would change nothing. */
int branch_compact(struct branch *b, const struct compaction *compact, struct err *e);
void checkpoint_consider(struct branch *b); /* branch.lock is held */
void checkpoint_worker_stop(struct graph *g);

/* --- history.c --- */
void past_drop(struct graph *g);
/* @seq: record of the commit; 0: it was trimmed away. Non-zero stops and is returned. */
typedef int (*history_fn)(void *arg, const struct commit_info *c, uint64_t seq);
/* Every commit of one log in order, up to version @step->upto (then 1 is returned). */
int history_scan(struct graph *g, const struct lineage_step *step, history_fn fn, void *arg, struct err *e);
/* Where a commit is: a live branch (branch_put it) whose chain has it, and what it is (commit_info_clear). */
int history_find(struct graph *g, const char *id, struct branch **b, struct commit_info *ci, struct err *e);
/*
 * The state of a commit as history_find finds it, for a merge. A cleanup says what it is going to remove, then looks once more for branches
 * that were made meanwhile and takes back what they need: until then the state can be read, though it is said to be removed.
 */
int history_merge_base(struct graph *g, const char *id, struct snapshot **out, struct err *e);

/* The state of a commit under the schema in force at it (graph_snapshot: under the newest). */
int history_snapshot(struct graph *g, const char *id, struct snapshot **out, struct err *e);
/* The commit of a version on the chain of @b, also when its state is gone (commit_info_clear). */
int history_commit(struct branch *b, uint64_t version, struct commit_info *ci, struct err *e);

struct commit_step { /* a commit and its first parent, each under the schema then in force */
	struct snapshot *before, *after;
	const struct commit_node
		*node; /* what it changed; lives as long as @after. NULL: its record is gone, the states are not */
	struct type_floor *floors; /* private */
	size_t n_floors;
};
/*
 * Move @s (zeroed at first) to the commit of @version on the chain of @b, at least 2 and at most the head's. @ahead: the newest
 * version that will be asked for after it, so that old states are loaded once. ERR_HISTORY_RECLAIMED: no longer stored.
 */
int commit_step_to(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, struct err *e);
void commit_step_clear(struct commit_step *s);

/* --- engine/branch/refs.c --- */
void ref_key(const char *name, char out[KEY_MAX]);
int ref_read(struct graph *g, const char *name, struct branch_ref *out, struct err *e);
void branch_ref_clear(struct branch_ref *r);
int graph_authorize(struct graph *g, const char *action, const char *branch, const char *target, const char *actor,
		    struct err *e);

static inline bool is_main(const char *name)
{
	return !name || !strcmp(name, "main");
}

#endif
