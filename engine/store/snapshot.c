/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "graph_priv.h"
#include "snapshot.h"
#include "state.h"

const struct commit_info *snapshot_commit(const struct snapshot *s)
{
	return &s->ci;
}

const struct catalog *snapshot_catalog(const struct snapshot *s)
{
	return s->bind->cat;
}

static bool is_hidden(const struct snapshot *s, const struct type *t)
{
	for (size_t i = 0; i < s->n_hidden; i++) {
		if (s->hidden[i].type_id == t->type_id && s->hidden[i].incarnation == t->incarnation)
			return true;
	}
	return false;
}

static int reclaimed(const struct snapshot *s, const struct type *t, struct err *e)
{
	int rc = err_set(
		e, ERR_HISTORY_RECLAIMED,
		"the state of %s type '%.*s' at commit '%s' was removed when a property of it was dropped for good; "
		"read a newer commit",
		type_kind_word(t), STR_ARG(t->name), s->ci.id);

	err_detail(e, "graph_commit_id", s->ci.id);
	return rc;
}

int snapshot_type_check(const struct snapshot *s, const struct type *t, struct err *e)
{
	struct table *tab = snapshot_table(s, t);

	if (!tab)
		return err_set(e, ERR_BAD_REQUEST, "%s type '%.*s' does not exist at this snapshot", type_kind_word(t),
			       STR_ARG(t->name));
	return is_hidden(s, t) ? reclaimed(s, t, e) : table_damage(tab, e);
}

uint64_t snapshot_count(const struct snapshot *s, const struct type *t)
{
	struct table *tab = snapshot_table(s, t);

	return tab ? s->metas[tab->index].count : 0;
}

uint64_t snapshot_type_version(const struct snapshot *s, const struct type *t)
{
	struct table *tab = snapshot_table(s, t);

	return tab ? s->metas[tab->index].version : 0;
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* priv: [0] [1] position of table_next, [2] the table */
void row_scan_init(struct row_scan *sc, const struct snapshot *s, const struct type *t)
{
	*sc = (struct row_scan){ .s = s, .t = t };
	sc->priv[2] = (uintptr_t)snapshot_table(s, t);
}

rowref row_scan_next(struct row_scan *sc)
{
	struct table *tab = (struct table *)(uintptr_t)sc->priv[2];

	return tab ? table_next(tab, snapshot_view(sc->s, tab), sc->priv) : ROW_NONE;
}

rowref row_find(const struct snapshot *s, const struct type *t, struct str id)
{
	struct table *tab = snapshot_table(s, t);

	return tab ? table_find(tab, snapshot_view(s, tab), id, seg_hash(tab->cache, id)) : ROW_NONE;
}

struct str row_id(const struct snapshot *s, const struct type *t, rowref r)
{
	return table_row_id(snapshot_table(s, t), r);
}

struct str row_src(const struct snapshot *s, const struct type *t, rowref r)
{
	return table_row_end(snapshot_table(s, t), 0, r);
}

struct str row_dst(const struct snapshot *s, const struct type *t, rowref r)
{
	return table_row_end(snapshot_table(s, t), 1, r);
}

void row_get(const struct snapshot *s, const struct type *t, rowref r, uint32_t prop, struct arena *a, struct val *out)
{
	table_row_get(snapshot_table(s, t), r, t->props[prop].id, prop, a, out);
}

uint64_t row_created(const struct snapshot *s, const struct type *t, rowref r)
{
	return table_row_created(snapshot_table(s, t), r);
}

uint64_t row_updated(const struct snapshot *s, const struct type *t, rowref r)
{
	return table_row_updated(snapshot_table(s, t), r);
}

/* --- edges ----------------------------------------------------------------------------------------- */

/*
 * priv of an edge_iter: [0] place: 0 is the delta, i + 1 is run i; [1] next delta row + 1, or next position in the run's rows;
 * [2] their number; [3] the rows; [4] the endpoint's id; [5] its length << 32 | hash
 */
static struct str iter_id(const struct edge_iter *it)
{
	return (struct str){ (const char *)(uintptr_t)it->priv[4], (size_t)it->priv[5] };
}

static int near_end(const struct edge_iter *it)
{
	return it->outgoing ? 0 : 1;
}

void edge_iter_init_id(struct edge_iter *it, const struct snapshot *s, const struct type *et, bool outgoing,
		       struct str id)
{
	struct table *t = snapshot_table(s, et);

	*it = (struct edge_iter){ .s = s, .et = et, .outgoing = outgoing };
	if (!t) {
		it->priv[0] = UINT64_MAX;
		return;
	}
	it->priv[4] = (uintptr_t)id.s;
	it->priv[5] = id.n;
	it->priv[1] = table_delta_edges(t, near_end(it), id, seg_hash(t->cache, id));
}

void edge_iter_init(struct edge_iter *it, const struct snapshot *s, const struct type *et, bool outgoing, rowref node)
{
	const struct type *nt = outgoing ? et->from : et->to;

	edge_iter_init_id(it, s, et, outgoing, row_id(s, nt, node));
}

static rowref next_delta_edge(struct edge_iter *it, const struct table *t, struct view v)
{
	while (it->priv[1]) {
		uint32_t row = (uint32_t)it->priv[1] - 1;
		const struct drow *r = table_drow(t, row);

		it->priv[1] = r->next[near_end(it)];
		if (drow_visible(r, v))
			return ROWREF(0, row);
	}
	return ROW_NONE;
}

/* Go to the next run that has edges here; false when there is none. */
static bool next_run(struct edge_iter *it, const struct table *t, struct view v)
{
	while (it->priv[0] < table_n_runs(t)) {
		const struct run *r = table_run(t, (uint32_t)it->priv[0]++);
		const uint32_t *rows;
		uint32_t n;

		if (!run_visible(r, v))
			continue;
		rows = table_run_edges(r, near_end(it), iter_id(it), &n);
		if (!n)
			continue;
		it->priv[1] = 0;
		it->priv[2] = n;
		it->priv[3] = (uintptr_t)rows;
		return true;
	}
	it->priv[0] = UINT64_MAX;
	return false;
}

static rowref next_run_edge(struct edge_iter *it, const struct table *t, struct view v)
{
	for (;;) {
		const struct run *r = it->priv[3] ? table_run(t, (uint32_t)it->priv[0] - 1) : NULL;
		const uint32_t *rows = (const uint32_t *)(uintptr_t)it->priv[3];

		while (r && it->priv[1] < it->priv[2]) {
			uint32_t row = rows[it->priv[1]++];

			if (run_row_alive(r, row, v))
				return ROWREF(it->priv[0], row);
		}
		if (!next_run(it, t, v))
			return ROW_NONE;
	}
}

static rowref next_edge(struct edge_iter *it, const struct table *t)
{
	struct view v = snapshot_view(it->s, t);
	rowref r;

	if (it->priv[0] == UINT64_MAX)
		return ROW_NONE;
	if (!it->priv[0]) {
		r = next_delta_edge(it, t, v);
		if (r != ROW_NONE)
			return r;
	}
	return next_run_edge(it, t, v);
}

static rowref lookup_neighbour(const struct edge_iter *it, const struct table *t, const struct table *nt, rowref edge)
{
	struct str id = table_row_end(t, !near_end(it), edge);

	return table_find(nt, snapshot_view(it->s, nt), id, seg_hash(nt->cache, id));
}

/* Remember in the edge's segment which row of which segment the id names: that never changes, only whether it is alive. */
static void remember(_Atomic uint64_t *cell, const struct table *nt, rowref r)
{
	if (ROWREF_RUN(r)) {
		uint64_t serial = table_run(nt, ROWREF_RUN(r) - 1)->seg->serial;

		atomic_store_explicit(cell, serial << 32 | (ROWREF_ROW(r) + 1), memory_order_relaxed);
	}
}

static rowref neighbour(const struct edge_iter *it, const struct table *t, const struct table *nt, rowref edge)
{
	_Atomic uint64_t *cell;
	uint64_t v;
	uint32_t run;
	rowref r;

	if (!ROWREF_RUN(edge))
		return lookup_neighbour(it, t, nt, edge);
	cell = seg_neighbour_cell(table_run(t, ROWREF_RUN(edge) - 1)->seg, !near_end(it), ROWREF_ROW(edge));
	v = atomic_load_explicit(cell, memory_order_relaxed);
	run = v ? table_run_by_serial(nt, (uint32_t)(v >> 32)) : UINT32_MAX;
	if (run != UINT32_MAX) {
		r = ROWREF(run + 1, (uint32_t)v - 1);
		if (table_row_visible(nt, r, snapshot_view(it->s, nt)))
			return r;
	}
	r = lookup_neighbour(it, t, nt, edge);
	if (r != ROW_NONE)
		remember(cell, nt, r);
	return r;
}

bool edge_iter_next(struct edge_iter *it, rowref *edge, rowref *neighbour_out)
{
	const struct table *t = snapshot_table(it->s, it->et);
	const struct table *nt;
	rowref r, n = ROW_NONE;

	if (!t)
		return false;
	nt = neighbour_out ? snapshot_table(it->s, it->outgoing ? it->et->to : it->et->from) : NULL;
	do {
		r = next_edge(it, t);
		if (r == ROW_NONE)
			return false;
		if (nt)
			n = neighbour(it, t, nt, r);
	} while (nt && n == ROW_NONE); /* cannot be: no commit has a dangling edge */
	if (edge)
		*edge = r;
	if (neighbour_out)
		*neighbour_out = n;
	return true;
}

/* --- report ---------------------------------------------------------------------------------------- */

static void report_type(const struct snapshot *s, const struct type *t, struct json_writer *w)
{
	const struct table *tab = snapshot_table(s, t);
	const struct tmeta *m;
	char path[96];

	if (!tab)
		return;
	m = &s->metas[tab->index];
	snprintf(path, sizeof(path), "%ss/%016llx-%llu", type_kind_word(t), (unsigned long long)t->type_id,
		 (unsigned long long)t->incarnation);
	jw_begin_object(w);
	jw_kstrz(w, "entity_kind", type_kind_word(t));
	jw_kstr(w, "type_name", t->name);
	jw_kstrz(w, "dataset_path", path);
	jw_ku64(w, "published_dataset_version", m->version);
	jw_kstrz(w, "native_dataset_branch", m->label);
	jw_ku64(w, "entity_count", m->count);
	jw_end_object(w);
}

void snapshot_report_json(const struct snapshot *s, const char *branch, struct json_writer *w)
{
	const struct catalog *c = s->bind->cat;

	jw_begin_object(w);
	jw_kstrz(w, "graph_branch", branch);
	jw_ku64(w, "graph_manifest_version", s->version);
	jw_ku64(w, "internal_schema_version", GRAPH_FORMAT_VERSION);
	jw_keyz(w, "datasets");
	jw_begin_array(w);
	/* type keys: "edge:..." before "node:...", names ascending */
	for (uint32_t i = c->n_nodes; i < c->n_types; i++)
		report_type(s, &c->types[i], w);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		report_type(s, &c->types[i], w);
	jw_end_array(w);
	jw_end_object(w);
}
