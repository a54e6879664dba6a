/* SPDX-License-Identifier: MIT */
/* mutate.h - the state of one attempt of a mutation, shared by mutate.c and mutate_rows.c. Internal to engine/query. */
#ifndef ENGINE_QUERY_MUTATE_H
#define ENGINE_QUERY_MUTATE_H

#include "convert.h"
#include "engine/blob/blob_ingest.h"
#include "engine/store/txn.h"

struct mutation {
	const struct query *q;
	const struct val *params;
	const struct blob_policy *blobs;
	uint64_t nodes, edges; /* affected */
	/* one attempt */
	struct txn *t;
	struct snapshot *base;
	const struct catalog *c;
	struct arena *a; /* the transaction's */
	struct const_env env;
	/* external blob URIs of this query; judged when the last write of each row is known */
	const char **uris;
	uint32_t n_uris, uris_cap;
};

/* Run the statement's `where`: update or delete what matches (mutate_rows.c). @ty: the type in the transaction's catalog. */
int mutate_update(struct mutation *m, const struct stmt *st, const struct type *ty, struct err *e);
int mutate_delete(struct mutation *m, const struct stmt *st, const struct type *ty, struct err *e);
/* The values assigned by a statement, converted: per assignment. mutate.c */
int mutate_values(struct mutation *m, const struct stmt *st, const struct type *ty, struct val **out, struct err *e);
int mutate_missing(const struct prop *p, struct err *e);

#endif
