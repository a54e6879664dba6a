/* SPDX-License-Identifier: MIT */
/*
 * diff.h - the rows in which two snapshots differ. Internal to the engine.
 *
 * Each snapshot is bound to the schema in force at it. A diff holds references to the rows, not copies: the snapshots must outlive it.
 */
#ifndef ENGINE_BRANCH_DIFF_H
#define ENGINE_BRANCH_DIFF_H

#include <omnigraph/changes.h>

#include "engine/store/graph_priv.h"

enum change_op { OP_INSERT, OP_UPDATE, OP_DELETE };

struct row_change {
	const struct type *was, *is; /* the type before and after; the same one unless the schema changed */
	struct str id;
	rowref before, after; /* ROW_NONE: absent */
};

struct diff {
	struct snapshot *before, *after; /* borrowed */
	size_t n, cap;
	struct row_change *v; /* nodes before edges, by type.id, then id (spec/engine.md 13.1) */
};

/* Typed and exact equality of whole rows (spec/engine.md 11.2); both absent is equal. */
bool row_same(const struct snapshot *a, const struct type *ta, rowref ra, const struct snapshot *b,
	      const struct type *tb, rowref rb);

/* ERR_SCHEMA_BOUNDARY when a type with rows was added, dropped or changed shape between the two. @commit: for the message. */
int diff_boundary(const struct snapshot *before, const struct snapshot *after, const char *commit, struct err *e);

/* The changes of one commit. Call diff_boundary first. diff_clear(@out) in every case. */
int diff_commit(const struct commit_step *s, const struct change_filter *f, struct diff *out, struct err *e);
/* The net changes between any two snapshots of a graph. */
int diff_snapshots(struct snapshot *before, struct snapshot *after, const struct change_filter *f, struct diff *out,
		   struct err *e);
void diff_clear(struct diff *d);

enum change_op change_op_of(const struct row_change *c);
/* The type's opaque id: 43 characters. */
const char *change_type_id(const struct row_change *c);
/* One change as compact JSON, appended. */
void change_json(const struct diff *d, const struct row_change *c, struct strbuf *out);

#endif
