/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - reading rows of one commit: scans, look-ups, cells, adjacency. Internal to the engine.
 *
 * A branch's state in memory is multi-version: rows are appended with the commit version that made them and stamped with the one
 * that ended them; a snapshot is (state, version) and sees the rows alive at its version. Readers take no lock. A row reference
 * stays valid while the snapshot is held.
 *
 * Types are named by their `struct type` of snapshot_catalog(s).
 */
#ifndef ENGINE_STORE_SNAPSHOT_H
#define ENGINE_STORE_SNAPSHOT_H

#include <omnigraph/graph.h>

typedef uint64_t rowref;
#define ROW_NONE UINT64_MAX

/* Visible rows of a type. ERR_BAD_REQUEST when the type did not exist at this commit (spec/engine.md 6); the scans see none then. */
int snapshot_type_check(const struct snapshot *s, const struct type *t, struct err *e);
/*
 * Segments are proved when they are first touched; a damaged one then reads as empty, since the calls below cannot fail. So ask
 * here after reading, before an answer is given: ERR_STORAGE naming the object when any segment of this snapshot that was touched
 * is damaged. Costs next to nothing.
 */
int snapshot_damage(const struct snapshot *s, struct err *e);
/* A long walk has passed what it read: the pages of mapped segments may leave this process until they are read again. */
void snapshot_relax(const struct snapshot *s);
uint64_t snapshot_count(const struct snapshot *s, const struct type *t);
/* Version counter of a type (published_dataset_version). */
uint64_t snapshot_type_version(const struct snapshot *s, const struct type *t);

struct row_scan {
	const struct snapshot *s;
	const struct type *t;
	uint64_t priv[4];
};
void row_scan_init(struct row_scan *sc, const struct snapshot *s, const struct type *t);
/* Next visible row in unspecified order, or ROW_NONE. */
rowref row_scan_next(struct row_scan *sc);

/* The visible row with this id, or ROW_NONE. */
rowref row_find(const struct snapshot *s, const struct type *t, struct str id);

struct str row_id(const struct snapshot *s, const struct type *t, rowref r);
struct str row_src(const struct snapshot *s, const struct type *t, rowref r);
struct str row_dst(const struct snapshot *s, const struct type *t, rowref r);
/* Property @prop (index in t->props). Lists allocate their items from @a. Absent columns read as null. */
void row_get(const struct snapshot *s, const struct type *t, rowref r, uint32_t prop, struct arena *a, struct val *out);
/* Commit versions that created the entity's current lifetime / last wrote the row. */
uint64_t row_created(const struct snapshot *s, const struct type *t, rowref r);
uint64_t row_updated(const struct snapshot *s, const struct type *t, rowref r);

/*
 * Edges at a node. @outgoing: edges whose src is the node (neighbours are dst nodes), else the reverse. @node is a visible row of
 * the endpoint type on that side. Order unspecified; parallel edges all appear; a self-loop appears once per direction.
 */
struct edge_iter {
	const struct snapshot *s;
	const struct type *et;
	bool outgoing;
	uint64_t priv[6];
};
void edge_iter_init(struct edge_iter *it, const struct snapshot *s, const struct type *et, bool outgoing, rowref node);
/* False at the end. *edge is a row of the edge type, *neighbour a row of the other endpoint's type. Either may be NULL. */
bool edge_iter_next(struct edge_iter *it, rowref *edge, rowref *neighbour);
/* Same, by endpoint id (validation: the node row may not be in this snapshot). Neighbours are given by row_src/row_dst. */
void edge_iter_init_id(struct edge_iter *it, const struct snapshot *s, const struct type *et, bool outgoing,
		       struct str id);

#endif
