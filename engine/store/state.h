/* SPDX-License-Identifier: MIT */
/*
 * state.h - what a branch holds in memory: its tables with all row versions since some base version, and the snapshots on them.
 *
 * A state is filled by applying commits in order (state_apply), from the log or as they are written, and can take back the newest
 * ones that were never published (state_undo). Threading: applying and undoing need the branch's lock; snapshots are immutable and
 * read by anyone. Ownership: a snapshot keeps its state alive.
 */
#ifndef ENGINE_STORE_STATE_H
#define ENGINE_STORE_STATE_H

#include <omnigraph/catalog.h>

#include "engine/store/log_record.h"
#include "engine/store/table.h"

struct tmeta { /* one table at one version */
	uint64_t count;
	uint64_t version; /* type version; 0: the type does not exist */
	uint64_t trunc;
	const char *label; /* branch whose own commit last changed it; NULL: main */
};

struct commit_node { /* a commit applied to this state; in its arena */
	struct commit_info ci;
	uint64_t seq;
	struct catalog *cat; /* the schema it brought in force, NULL: none; the graph's cache keeps it */
	size_t n_types;
	struct dec types; /* what it changed, as its record says */
	uint32_t n;
	struct node_delta {
		uint32_t table;
		struct tmeta meta;
	} * delta;
};

struct state {
	struct refcount ref;
	struct graph *g;
	struct arena arena;
	struct table **tables;
	uint32_t n_tables, cap_tables;
	struct commit_info base;  /* the commit the state starts at */
	struct catalog *base_cat; /* in force then; the graph's cache keeps it */
	struct tmeta *base_metas;
	uint32_t n_base;
	uint64_t base_seq;
	const char *label; /* last label, for sharing */
	struct commit_node **nodes;
	size_t n_nodes, cap_nodes;
};

struct binding { /* a catalog's types -> tables of a state */
	struct refcount ref;
	struct catalog *cat;
	struct table *tables[]; /* by type index; NULL: never existed in this state */
};

struct snapshot {
	struct refcount ref;
	struct state *st;
	struct binding *bind;
	uint64_t version;
	uint64_t seq; /* log record that published the commit; 0: not yet published. Changes under the branch's lock */
	bool undone;  /* taken back before it was published; same */
	struct commit_info ci;
	/* types whose states at this version count as removed, because a property of them was dropped for good since; malloced */
	struct type_floor *hidden;
	size_t n_hidden;
	uint32_t n_metas;
	struct tmeta metas[];
};

/*
 * Call @fn with every segment that the tables of @s refer to, until it returns other than 0: that is returned. One that tables share is
 * seen with each of them.
 */
typedef int (*segment_fn)(const struct table *t, struct seg *seg, struct err *e);
int snapshot_segments(const struct snapshot *s, segment_fn fn, struct err *e);

struct type_floor { /* a hard drop (spec/schema.md 12.5): older states of the type count as removed */
	uint64_t type_id, incarnation;
	uint64_t version; /* of the commit that dropped */
};

/* What one applied commit did, for undoing it. */
struct journal {
	struct journal_end {
		struct table *t;
		rowref r;
	} * ends;
	size_t n_ends, cap_ends;
	struct journal_mark {
		struct table *t;
		uint32_t row, row_end, run, run_end;
	} * marks;
	size_t n_marks, cap_marks;
	bool node;
};

void journal_free(struct journal *j);

struct state *state_new(struct graph *g);
struct state *state_get(struct state *st);
void state_put(struct state *st);
struct table *state_table(struct state *st, uint64_t type_id, uint64_t incarnation);
struct table *state_add_table(struct state *st, uint64_t type_id, uint64_t incarnation, bool edge);

struct binding *binding_new(struct state *st, struct catalog *cat); /* takes no reference from the caller */
void binding_put(struct binding *b);

/* A snapshot on @st with @n metas, zeroed; the caller fills metas. References to st and bind are taken. */
struct snapshot *snapshot_new(struct state *st, struct binding *bind, const struct commit_info *ci, uint32_t n);
/* The snapshot of an earlier version of the state, under the current schema @bind; NULL when the state does not reach back. */
struct snapshot *state_at(struct state *st, uint64_t version, struct binding *bind);

/* The commit of a version the state was brought to by it, NULL for the base and what lies outside. Under the branch's lock. */
const struct commit_node *state_node(const struct state *st, uint64_t version);
/* The schema in force at a version of the state. Under the branch's lock. */
struct catalog *state_catalog(const struct state *st, uint64_t version);
/* The snapshot of @node's commit, given the one before it; under the schema @cat. */
struct snapshot *state_after(const struct snapshot *before, const struct commit_node *node, struct catalog *cat);

/*
 * Apply one decoded commit on top of @prev (NULL: genesis). @label: name of the branch it is on, NULL for main.
 * On failure nothing is left of it. @j (may be NULL) receives the journal.
 */
int state_apply(struct state *st, const struct snapshot *prev, const struct rec_commit *c, const char *label,
		uint64_t seq, struct journal *j, struct snapshot **out, struct err *e);
/* Undo the newest applied commit. */
void state_undo(struct state *st, struct journal *j);

/* Visible state of a table at a snapshot. */
static inline struct view snapshot_view(const struct snapshot *s, const struct table *t)
{
	return (struct view){ s->version, t->index < s->n_metas ? s->metas[t->index].trunc : 0 };
}

/* The table of a type, NULL when it does not exist at this snapshot. */
static inline struct table *snapshot_table(const struct snapshot *s, const struct type *t)
{
	const struct catalog *c = s->bind->cat;
	struct table *tab;

	if (t->index < c->n_types && &c->types[t->index] == t) {
		tab = s->bind->tables[t->index];
	} else { /* a type of another catalog object of the same graph */
		const struct type *own = catalog_type_by_id(c, t->type_id, t->incarnation);

		tab = own ? s->bind->tables[own->index] : NULL;
	}
	return tab && tab->index < s->n_metas && s->metas[tab->index].version ? tab : NULL;
}

#endif
