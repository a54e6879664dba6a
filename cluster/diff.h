/* SPDX-License-Identifier: MIT */
/*
 * diff.h - desired against ledger: changes, their dispositions, the approvals they need (spec/cluster.md 8, 12).
 */
#ifndef CLUSTER_DIFF_H
#define CLUSTER_DIFF_H

#include <omnigraph/map.h>

#include "cluster/report.h"
#include "cluster/approval.h"
#include "cluster/sidecar.h"

enum change_op { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE };
enum disposition { DISP_APPLIED, DISP_DERIVED, DISP_DEFERRED, DISP_BLOCKED };

struct change {
	const char *resource;
	enum change_op op;
	const char *before, *after; /* digests; NULL on create / delete */
	enum disposition disposition;
	const char *reason; /* NULL when there is none */
	bool binding_change;
	const char *metadata; /* "policy_bindings", "embedding_profile", NULL */
	struct str migration; /* plan JSON; s NULL when there is none */
	bool warned;	      /* apply: reported as deferred or blocked */
};

struct change_list {
	size_t n, cap;
	struct change *items; /* ascending by resource */
};

/* @metadata: include the two metadata passes. Without a ledger everything is a create. */
void diff_compute(struct command *cmd, bool metadata, struct change_list *out);
void diff_free(struct change_list *c);
struct change *diff_find(const struct change_list *c, const char *resource);

/* Gated: a graph delete, or a schema delete whose graph stays. */
bool change_is_gated(const struct change_list *c, const struct change *ch);
/* The unconsumed approval that matches a change, or NULL. */
const struct approval *approval_for(struct command *cmd, const struct approval *aps, size_t n, const struct change *ch);
/* Unconsumed approvals of changed resources that match nothing: approval_stale, once per change. */
void approvals_warn_stale(struct command *cmd, const struct approval *aps, size_t n, const struct change_list *c);

/*
 * Fill dispositions. @pending: graph ids with a kept sidecar (map with any non-NULL value); @aps: listed approvals.
 */
void diff_classify(struct command *cmd, struct change_list *c, const struct map *pending, const struct approval *aps,
		   size_t n_aps);

/* After a failed graph operation: "graph_create_failed", "schema_apply_failed" or "graph_delete_failed" on @graph (8.2). */
void diff_demote(struct command *cmd, struct change_list *c, const char *graph, const char *failure);

/* The changes array; @with_disposition is always true for apply. */
void diff_json(const struct change_list *c, struct json_writer *w);
const char *change_op_word(enum change_op op);	   /* "create" */
const char *change_op_title(enum change_op op);	   /* "Create" */
const char *disposition_title(enum disposition d); /* "Applied" */

#endif
