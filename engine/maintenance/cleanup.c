/* SPDX-License-Identifier: MIT */
/*
 * Cleanup: plan what is kept, make it readable without the rest, publish that, look once more for branches that were created meanwhile
 * (they are kept, too), and only then delete.
 */
#include <omnigraph/failpoint.h>

#include "keep.h"
#include "sweep.h"

#define ROUNDS_MAX 16

struct cleanup {
	struct graph *g;
	struct keep_plan plan;
	struct sweep sweep;
	struct cleanup_result *out;
};

/* --- the run --------------------------------------------------------------------------------------- */

static int prepare(struct cleanup *c, struct err *e)
{
	int rc = keep_resolve(&c->plan, e);

	if (!rc)
		rc = keep_secure(&c->plan, e);
	return rc ? rc : sweep_collect(&c->sweep, e);
}

static int first_round(struct cleanup *c, struct err *e)
{
	bool added;
	int rc = sweep_inventory(&c->sweep, e);

	if (!rc)
		rc = keep_add_branches(&c->plan, &added, e);
	if (!rc)
		rc = prepare(c, e);
	if (!rc)
		rc = FAILPOINT("cleanup.post_recovery_check_pre_gates", e);
	return rc ? rc : keep_publish(&c->plan, e);
}

/* Branches that were created while the plan was made see what was published, or are seen here. */
static int late_branches(struct cleanup *c, struct err *e)
{
	bool added = true;
	int rc = 0;

	for (int i = 0; i < ROUNDS_MAX && !rc; i++) {
		rc = keep_add_branches(&c->plan, &added, e);
		if (rc || !added)
			return rc;
		rc = prepare(c, e);
		if (!rc)
			rc = keep_publish(&c->plan, e);
	}
	if (!rc)
		rc = err_set(e, ERR_RETRYABLE_CONFLICT,
			     "branches of the graph at '%s' were created all the time; run cleanup again",
			     graph_uri(c->g));
	return rc;
}

static int run(struct cleanup *c, struct err *e)
{
	int rc = first_round(c, e);

	if (!rc)
		rc = late_branches(c, e);
	if (rc && keep_outdated(&c->plan))
		rc = retention_conflict(c->g, e);
	if (!rc)
		rc = sweep_delete(&c->sweep, e);
	past_drop(c->g);
	return rc;
}

/* --- what was asked and what was done -------------------------------------------------------------- */

static void take_rules(struct cleanup *c, const struct cleanup_opts *o)
{
	int64_t now = time_now_us(), age = o->orphan_age_s ? o->orphan_age_s : CLEANUP_ORPHAN_AGE_S;

	c->plan.g = c->g;
	c->plan.newest = o->by_count && o->keep_versions ? o->keep_versions : 1;
	c->plan.since = INT64_MAX;
	if (o->by_age)
		c->plan.since =
			o->older_than_s > (uint64_t)now / 1000000 ? 0 : now - (int64_t)o->older_than_s * 1000000;
	c->sweep.plan = &c->plan;
	c->sweep.old_enough = age < 0 ? INT64_MAX : now - age * 1000000;
}

static int list_types(struct cleanup *c, struct err *e)
{
	struct cleanup_result *out = c->out;
	const struct type **types;
	struct snapshot *s;
	struct str *keys;
	int rc = graph_snapshot(c->g, NULL, NULL, &s, e);

	if (rc)
		return rc;
	out->catalog = catalog_get((struct catalog *)snapshot_catalog(s));
	snapshot_put(s);
	types = maintenance_types(out->catalog, &out->arena, &keys);
	out->n = out->catalog->n_types;
	out->types = arena_array(&out->arena, struct cleanup_type, out->n + 1);
	c->sweep.n_types = out->n;
	c->sweep.types = mem_calloc(out->n + 1, sizeof(*c->sweep.types));
	for (uint32_t i = 0; i < out->n; i++) {
		out->types[i] = (struct cleanup_type){ .type_key = keys[i], .type = types[i] };
		c->sweep.types[i].type_id = types[i]->type_id;
		c->sweep.types[i].incarnation = types[i]->incarnation;
	}
	return 0;
}

static void report(struct cleanup *c)
{
	bool failed = false;

	for (size_t i = 0; i < c->sweep.n_types; i++)
		failed |= c->sweep.types[i].error != NULL;
	for (size_t i = 0; i < c->sweep.n_types; i++) {
		struct type_tally *t = &c->sweep.types[i];
		struct cleanup_type *o = &c->out->types[i];

		o->bytes_removed = t->segment_bytes + (failed ? 0 : t->log_bytes);
		o->old_versions_removed = t->versions;
		o->error = t->error ? arena_strdup(&c->out->arena, t->error) : NULL;
	}
}

static void cleanup_free(struct cleanup *c)
{
	for (size_t i = 0; i < c->sweep.n_types; i++)
		free(c->sweep.types[i].error);
	sweep_free(&c->sweep);
	free(c->sweep.types);
	keep_free(&c->plan);
}

int graph_cleanup(struct graph *g, const struct cleanup_opts *opts, struct cleanup_result *out, struct err *e)
{
	struct cleanup c = { .g = g, .out = out };
	struct err own = ERR_INIT;
	int rc;

	memset(out, 0, sizeof(*out));
	if (!opts->by_count && !opts->by_age)
		return err_set(e, ERR_BAD_REQUEST, "cleanup requires at least one of keep_versions or older_than");
	e = e ? e : &own;
	take_rules(&c, opts);
	rc = maintenance_check(g, "cleanup", e);
	if (!rc)
		rc = list_types(&c, e);
	if (!rc)
		rc = run(&c, e);
	if (!rc)
		report(&c);
	cleanup_free(&c);
	err_clear(&own);
	return rc;
}

void cleanup_result_clear(struct cleanup_result *r)
{
	catalog_put(r->catalog);
	arena_free(&r->arena);
	memset(r, 0, sizeof(*r));
}

void cleanup_result_json(const struct cleanup_result *r, struct json_writer *w)
{
	jw_keyz(w, "datasets");
	jw_begin_array(w);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct cleanup_type *t = &r->types[i];

		jw_begin_object(w);
		jw_kstr(w, "type_key", t->type_key);
		jw_ku64(w, "bytes_removed", t->bytes_removed);
		jw_ku64(w, "old_versions_removed", t->old_versions_removed);
		jw_kstrz(w, "error", t->error);
		jw_end_object(w);
	}
	jw_end_array(w);
}
