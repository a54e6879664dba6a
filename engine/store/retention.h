/* SPDX-License-Identifier: MIT */
/*
 * retention.h - what cleanup has left of a branch's log: history/<branch-id>.json says which states can still be read and where the
 * log begins, history/<branch-id>/<version> lists the commits of the records that are gone. See Documentation/format.md.
 *
 * The object is replaced by compare-and-swap before anything is deleted, so who reads it after failing to read a state learns why.
 */
#ifndef ENGINE_STORE_RETENTION_H
#define ENGINE_STORE_RETENTION_H

#include "engine/store/graph_priv.h"

struct retention {
	uint64_t floor;	  /* states from this version on are kept; 0: all are */
	uint64_t *points; /* older versions whose state is kept, ascending; each has a checkpoint of its own */
	size_t n_points;
	uint64_t trimmed;	  /* records up to this one may be gone: readers begin behind it */
	uint64_t swept;		  /* records up to this one are gone, and what only they needed is deleted */
	uint64_t listed;	  /* commits up to this version are listed in history objects */
	struct type_floor *types; /* hard drops */
	size_t n_types;
	struct store_token token; /* "": there is no object */
};

/* No object: all zero, 0. */
int retention_read(struct graph *g, const char *branch_id, struct retention *out, struct err *e);
void retention_clear(struct retention *r);
/* Replace what was read; r->token becomes the new one. Somebody else was first: ERR_RETRYABLE_CONFLICT. */
int retention_write(struct graph *g, const char *branch_id, struct retention *r, struct err *e);
/* ERR_RETRYABLE_CONFLICT: another cleanup ran at the same time. */
int retention_conflict(const struct graph *g, struct err *e);
bool retention_keeps(const struct retention *r, uint64_t version);
/*
 * May the state of @version be read? ERR_HISTORY_RECLAIMED naming the commit (detail graph_commit_id) and the branch otherwise.
 * @out (may be NULL) receives what was read.
 */
int retention_check(struct graph *g, const struct lineage *l, uint64_t version, const char *commit_id,
		    struct retention *out, struct err *e);
/* Fills s->hidden: the types whose states at @s were given up by a hard drop. */
void retention_hide(struct snapshot *s, const struct retention *r);
/* A hard drop at @version of main: older states of these types count as removed. */
int retention_drop(struct graph *g, const struct type *const *types, size_t n, uint64_t version, struct err *e);

void history_prefix(const char *branch_id, char out[64]);
void history_key(const char *branch_id, uint64_t version, char out[128]);
#define HISTORY_CHUNK_MAX_BYTES LIMIT_LOG_RECORD_BYTES

#endif
