/* SPDX-License-Identifier: MIT */
/*
 * txn.h - writing: stage row images and deletions against a base snapshot, validate, publish as one commit. Internal to the engine.
 *
 * graph_write() drives one write: it brings the branch up to date, hands the caller's prepare function a transaction on the
 * effective head, validates the final image (validate.h), and publishes by one log append, batched with other writers of the
 * process (group commit). A lost append re-runs prepare when @retryable, else gives read_set_conflict (spec/engine.md 10.2).
 */
#ifndef ENGINE_STORE_TXN_H
#define ENGINE_STORE_TXN_H

#include "engine/store/snapshot.h"
#include "engine/store/spool.h"

struct txn;

/* The state the transaction builds on; put by the engine. */
struct snapshot *txn_base(const struct txn *t);
/* Memory that lives until the transaction ends (one attempt). */
struct arena *txn_arena(struct txn *t);
/* One instant per request, equal in every statement and every attempt: milliseconds. */
int64_t txn_now_ms(const struct txn *t);

enum staged_kind { STAGED_NONE, STAGED_PUT, STAGED_DELETE };

/*
 * Stage the whole row @row of type @ty (an insert or a replacement of the row with that id). The image's bytes must live in
 * txn_arena or longer. Last write per id wins. ERR_RESOURCE_LIMIT when staged bytes pass the mutation limit and @limited.
 */
int txn_put(struct txn *t, const struct type *ty, const struct row_image *row, struct err *e);
/*
 * Stage all rows of a load of one type; of an id that came twice the last counts. The spool must outlive the transaction. Rows staged
 * one by one come behind them and replace those of the same id. Once per type, before anything else of it.
 */
void txn_put_spool(struct txn *t, const struct type *ty, struct spool *s);
/* Stage the deletion of an id (no cascade: callers stage the edges they delete). Absent ids are allowed and have no effect. */
int txn_delete(struct txn *t, const struct type *ty, struct str id, struct err *e);
/* load overwrite: everything of the type that is not staged disappears. */
void txn_truncate(struct txn *t, const struct type *ty);
bool txn_truncated(const struct txn *t, const struct type *ty);

/* What is staged for an id. */
enum staged_kind txn_staged(const struct txn *t, const struct type *ty, struct str id);

/*
 * Staged operations of a type in order of first staging. What a spooled row's image points at is there until the next call; one
 * iteration of a type at a time when it has a spool.
 */
struct txn_iter {
	const struct txn *t;
	const struct type *ty;
	size_t i;
	struct spool_cursor at;
	struct spool_row spool_row;
	bool spooled; /* the row at hand came from a spool */
};
void txn_iter_init(struct txn_iter *it, const struct txn *t, const struct type *ty);
enum staged_kind txn_iter_next(struct txn_iter *it, struct str *id,
			       const struct row_image **row); /* STAGED_NONE at the end */
/* Not less than there are; 0 only when there are none. */
size_t txn_staged_count(const struct txn *t, const struct type *ty);

/* True when @id exists in the final image (staged put, or visible in the base and neither deleted nor truncated). */
bool txn_exists(const struct txn *t, const struct type *ty, struct str id);
/* The final image's row of @id: from the staged put, or read from the base (values in @a). False when absent. */
bool txn_read(const struct txn *t, const struct type *ty, struct str id, struct arena *a, struct row_image *out);

/* Make the commit even when nothing is staged (an empty load is a commit). */
void txn_force_commit(struct txn *t);

enum write_kind { WRITE_MUTATION, WRITE_LOAD, WRITE_MERGE, WRITE_SCHEMA };

struct write_req {
	const char *branch; /* checked and trimmed name */
	const char *actor, *expected_head;
	enum write_kind kind;
	bool retryable; /* re-prepare after a lost race */
	bool limited;	/* mutation byte limit applies */
	/* Stage everything. Called once per attempt, at most LIMIT_WRITE_ATTEMPTS times. */
	int (*prepare)(void *arg, struct txn *t, struct err *e);
	void *arg;
	const char
		*merged_parent; /* WRITE_MERGE: head of the merged source, becomes merged_parent_commit_id; else NULL */
};

/* *committed is false when nothing was staged and no commit was forced; then *out is untouched. */
int graph_write(struct graph *g, const struct write_req *req, bool *committed, struct commit_info *out, struct err *e);

/* engine/store/validate.c: spec/engine.md 9 over the final image of the delta, first violation only. */
int txn_validate(struct txn *t, struct err *e);

#endif
