/* SPDX-License-Identifier: MIT */
/* Optimize: every live branch is compacted, main first, so that branches forked at its head find their state compact already. */
#include "engine/store/snapshot.h"
#include "maintenance.h"

struct optimize {
	struct graph *g;
	struct optimize_result *out;
	struct compaction compact;
};

/* --- what was done --------------------------------------------------------------------------------- */

static void on_table(void *arg, const struct type *t, uint32_t replaced, uint32_t written)
{
	struct optimize_result *out = arg;

	for (uint32_t i = 0; i < out->n; i++) {
		struct optimize_type *o = &out->types[i];

		if (o->type->type_id == t->type_id && o->type->incarnation == t->incarnation) {
			o->fragments_removed += replaced;
			o->fragments_added += written;
		}
	}
}

static int compact_one(void *arg, struct branch *b, struct err *e)
{
	struct optimize *o = arg;

	return branch_compact(b, &o->compact, e);
}

/* --- indexes that have to wait --------------------------------------------------------------------- */

static bool has_vector(const struct snapshot *s, const struct type *t, uint32_t prop)
{
	struct arena a = ARENA_INIT;
	struct row_scan sc;
	bool found = false;
	rowref r;

	row_scan_init(&sc, s, t);
	while (!found && (r = row_scan_next(&sc)) != ROW_NONE) {
		struct val v;

		row_get(s, t, r, prop, &a, &v);
		found = !val_is_null(&v);
		arena_reset(&a);
	}
	arena_free(&a);
	return found;
}

static int find_pending(const struct snapshot *s, struct optimize_result *out, struct optimize_type *o, struct err *e)
{
	const struct type *t = o->type;
	struct str *names = arena_array(&out->arena, struct str, t->n_indexes + 1);

	o->pending = names;
	/* what edges declare builds nothing (spec/schema.md 7.3) */
	for (uint32_t i = 0; t->kind == TYPE_NODE && i < t->n_indexes; i++) {
		const struct tuple *x = &t->indexes[i];
		const struct prop *p = x->n == 1 && x->members[0] < t->n_props ? &t->props[x->members[0]] : NULL;

		if (p && p->type.scalar == SCALAR_VECTOR && !has_vector(s, t, p->index))
			names[o->n_pending++] = p->name;
	}
	return snapshot_table(s, t) ? snapshot_type_check(s, t, e) : 0;
}

/* --- the whole --------------------------------------------------------------------------------------- */

static void list_types(const struct snapshot *s, struct optimize_result *out)
{
	struct str *keys;
	const struct type **types;

	out->catalog = catalog_get((struct catalog *)snapshot_catalog(s));
	types = maintenance_types(out->catalog, &out->arena, &keys);
	out->n = out->catalog->n_types;
	out->types = arena_array(&out->arena, struct optimize_type, out->n + 1);
	for (uint32_t i = 0; i < out->n; i++)
		out->types[i] = (struct optimize_type){ .type_key = keys[i], .type = types[i] };
}

static int optimize_all(struct optimize *o, struct err *e)
{
	struct snapshot *s;
	int rc = graph_snapshot(o->g, NULL, NULL, &s, e);

	if (rc)
		return rc;
	list_types(s, o->out);
	rc = maintenance_branches(o->g, compact_one, o, e);
	for (uint32_t i = 0; i < o->out->n && !rc; i++)
		rc = find_pending(s, o->out, &o->out->types[i], e);
	snapshot_put(s);
	return rc;
}

int graph_optimize(struct graph *g, struct optimize_result *out, struct err *e)
{
	struct optimize o = { g, out, { .table = on_table, .arg = out } };
	struct err own = ERR_INIT;
	int rc;

	memset(out, 0, sizeof(*out));
	e = e ? e : &own;
	rc = maintenance_check(g, "optimize", e);
	if (!rc)
		rc = optimize_all(&o, e);
	err_clear(&own);
	return rc;
}

void optimize_result_clear(struct optimize_result *r)
{
	catalog_put(r->catalog);
	arena_free(&r->arena);
	memset(r, 0, sizeof(*r));
}

static void pending_json(const struct optimize_type *o, struct json_writer *w)
{
	jw_keyz(w, "pending_indexes");
	jw_begin_array(w);
	for (uint32_t i = 0; i < o->n_pending; i++) {
		jw_begin_object(w);
		jw_kstr(w, "property", o->pending[i]);
		jw_kstrz(w, "reason", OPTIMIZE_PENDING_REASON);
		jw_end_object(w);
	}
	jw_end_array(w);
}

void optimize_result_json(const struct optimize_result *r, struct json_writer *w)
{
	jw_keyz(w, "datasets");
	jw_begin_array(w);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct optimize_type *o = &r->types[i];

		jw_begin_object(w);
		jw_kstr(w, "type_key", o->type_key);
		jw_ku64(w, "fragments_removed", o->fragments_removed);
		jw_ku64(w, "fragments_added", o->fragments_added);
		jw_kbool(w, "committed", o->fragments_removed || o->fragments_added);
		jw_kstrz(w, "skipped", NULL);
		pending_json(o, w);
		jw_end_object(w);
	}
	jw_end_array(w);
}
