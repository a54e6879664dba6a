/* SPDX-License-Identifier: MIT */
/*
 * Schema preview and apply (spec/schema.md 12). An apply is one commit that carries a new schema record. It moves no data: columns
 * are found by property identity, so an added property reads as null, a renamed one keeps its values and a dropped one is no longer
 * addressed.
 */
#include <omnigraph/failpoint.h>

#include "retention.h"
#include "schema_lock.h"
#include "txn_priv.h"

/* --- checks ---------------------------------------------------------------------------------------- */

static int on_branch(void *arg, const char *name)
{
	struct strbuf *names = arg;

	if (strcmp(name, "main") != 0)
		sb_addf(names, "%s%s", names->n ? ", " : "", name);
	return 0;
}

static int only_main(struct graph *g, struct err *e)
{
	struct strbuf names = STRBUF_INIT;
	int rc = graph_branches(g, on_branch, &names, e);

	if (!rc && names.n)
		rc = err_set(e, ERR_CONFLICT,
			     "schema apply requires a graph with only main; found non-main branches: %s", names.s);
	sb_free(&names);
	return rc;
}

static const struct json *first_unsupported(const struct json *plan)
{
	const struct json *steps = json_get(plan, "steps");

	for (size_t i = 0; steps && i < steps->n; i++) {
		const struct json *kind = json_get(&steps->items[i], "kind");

		if (kind && str_eqz(kind->text, "unsupported_change"))
			return &steps->items[i];
	}
	return NULL;
}

static int unsupported(struct str plan, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct json *root = NULL;
	const struct json *step, *code, *reason;
	int rc;

	json_parse(&a, plan, NULL, &root, NULL);
	step = first_unsupported(root);
	code = json_get_nonnull(step, "code");
	reason = json_get_nonnull(step, "reason");
	rc = err_set(e, ERR_BAD_REQUEST, "%s%.*s%s%.*s", code ? "[" : "", code ? (int)code->text.n : 0,
		     code ? code->text.s : "", code ? "] " : "", reason ? (int)reason->text.n : 25,
		     reason ? reason->text.s : "unsupported schema change");
	arena_free(&a);
	return rc;
}

static bool has_steps(struct str plan)
{
	struct arena a = ARENA_INIT;
	struct json *root = NULL;
	const struct json *steps;
	bool any;

	json_parse(&a, plan, NULL, &root, NULL);
	steps = json_get(root, "steps");
	any = steps && steps->n;
	arena_free(&a);
	return any;
}

static int plan_on(const struct snapshot *s, struct str source, bool hard, struct strbuf *plan,
		   struct catalog **desired, struct err *e)
{
	bool supported = false;
	int rc;

	*desired = NULL;
	rc = schema_plan(s->bind->cat, source, hard, plan, &supported, desired, e);
	if (!rc && !supported)
		rc = unsupported(sb_str(plan), e);
	return rc;
}

int graph_schema_preview(struct graph *g, struct str source, struct strbuf *plan, struct err *e)
{
	struct strbuf out = STRBUF_INIT;
	struct catalog *desired = NULL;
	struct snapshot *s;
	int rc = only_main(g, e);

	if (!rc)
		rc = branch_snapshot(g->main, &s, e);
	if (rc)
		return rc;
	rc = plan_on(s, source, false, &out, &desired, e);
	if (!rc)
		sb_add(plan, out.s, out.n);
	sb_free(&out);
	catalog_put(desired);
	snapshot_put(s);
	return rc;
}

/* --- apply ----------------------------------------------------------------------------------------- */

struct apply_job {
	struct str source;
	const struct schema_apply_opts *opts;
	struct schema_apply_result *out;
};

static int stage_record(struct txn *t, const struct catalog *cat, struct err *e)
{
	char pg[128], json[128];
	int rc = FAILPOINT("schema_apply.before_staging_write", e);

	schema_record_digest(cat->source, cat->compiled_json, t->schema);
	schema_keys(t->schema, pg, json);
	if (!rc)
		rc = store_put(t->g->store, pg, cat->source.s, cat->source.n, e);
	if (!rc)
		rc = store_put(t->g->store, json, cat->compiled_json.s, cat->compiled_json.n, e);
	if (!rc)
		rc = FAILPOINT("schema_apply.after_staging_write", e);
	return rc;
}

/* Called anew when main moved: the plan is always against the head it is published on. */
static int prepare(void *arg, struct txn *t, struct err *e)
{
	struct apply_job *job = arg;
	struct catalog *desired;
	bool change;
	int rc;

	sb_reset(&job->out->plan);
	rc = plan_on(t->base, job->source, job->opts->allow_data_loss, &job->out->plan, &desired, e);
	if (rc)
		return rc;
	change = has_steps(sb_str(&job->out->plan)) ||
		 (job->opts->source_only_commit && !str_eq(t->base->bind->cat->source, job->source));
	job->out->version = t->base->version;
	if (change) {
		rc = stage_record(t, desired, e);
		txn_force_commit(t);
	}
	catalog_put(desired);
	return rc;
}

/* The type that a step of a plan drops a property of for good; NULL for other steps. */
static const struct type *hard_drop(const struct catalog *cat, const struct json *step)
{
	const struct json *kind = json_get(step, "kind"), *mode = json_get(step, "mode"),
			  *on = json_get(step, "type_kind"), *name = json_get(step, "type_name");

	if (!kind || !str_eqz(kind->text, "drop_property") || !mode || !str_eqz(mode->text, "hard") || !on || !name)
		return NULL;
	if (str_eqz(on->text, "node"))
		return catalog_node(cat, name->text);
	return str_eqz(on->text, "edge") ? catalog_edge(cat, name->text) : NULL;
}

static size_t hard_drops(struct str plan, const struct catalog *cat, const struct type **types)
{
	struct arena a = ARENA_INIT;
	struct json *root = NULL;
	const struct json *steps;
	size_t n = 0;

	json_parse(&a, plan, NULL, &root, NULL);
	steps = json_get(root, "steps");
	for (size_t i = 0; steps && i < steps->n; i++) {
		const struct type *t = hard_drop(cat, &steps->items[i]);
		bool known = !t;

		for (size_t k = 0; k < n; k++)
			known |= types[k] == t;
		if (!known)
			types[n++] = t;
	}
	arena_free(&a);
	return n;
}

/* Older states of the types that lost a property for good count as removed. When that cannot be said, the apply stands all the same. */
static void reclaim_dropped(struct graph *g, const struct apply_job *job)
{
	struct err err = ERR_INIT;
	const struct type **types;
	struct snapshot *s;
	size_t n;

	if (branch_snapshot_exact(g->main, &s, NULL))
		return;
	types = mem_calloc(s->bind->cat->n_types + 1, sizeof(*types));
	n = hard_drops(sb_str(&job->out->plan), s->bind->cat, types);
	if (n && retention_drop(g, types, n, job->out->version, &err))
		log_kv(g->logger, LOG_WARN, "store", "older states of a dropped property stay readable until cleanup",
		       "graph", g->uri, "error", err_msg(&err), NULL);
	free(types);
	snapshot_put(s);
	err_clear(&err);
}

static int apply_locked(struct graph *g, struct apply_job *job, struct err *e)
{
	struct write_req req = {
		.actor = job->opts->actor, .kind = WRITE_SCHEMA, .retryable = true, .prepare = prepare, .arg = job
	};
	struct commit_info ci = { 0 };
	int rc = only_main(g, e);

	if (!rc)
		rc = graph_write(g, &req, &job->out->applied, &ci, e);
	if (!rc && job->out->applied) {
		job->out->version = ci.version;
		commit_info_clear(&ci);
		if (job->opts->allow_data_loss)
			reclaim_dropped(g, job);
		rc = FAILPOINT("schema_apply.after_manifest_commit", e);
	}
	return rc;
}

int graph_schema_apply(struct graph *g, struct str source, const struct schema_apply_opts *opts,
		       struct schema_apply_result *out, struct err *e)
{
	static const struct schema_apply_opts none;
	struct apply_job job = { source, opts ? opts : &none, out };
	struct err own = ERR_INIT;
	int rc;

	memset(out, 0, sizeof(*out));
	e = e ? e : &own;
	rc = graph_authorize(g, "schema_apply", NULL, "main", job.opts->actor, e);
	if (!rc && g->read_only)
		rc = err_set(e, ERR_BAD_REQUEST, "graph at '%s' is open read-only; open it read-write to change it",
			     graph_uri(g));
	if (!rc)
		rc = schema_lock(g, e);
	if (!rc) {
		rc = apply_locked(g, &job, e);
		schema_unlock(g);
	}
	if (rc)
		sb_free(&out->plan);
	err_clear(&own);
	return rc;
}
