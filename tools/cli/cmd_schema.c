/* SPDX-License-Identifier: MIT */
/* init, schema plan, schema apply, schema show (spec/cli.md 11.11, 11.13). */
#include <omnigraph/cluster.h>
#include <omnigraph/limits.h>

#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

/* --- init --------------------------------------------------------------------------------------------------------------- */

/* Roots of a cluster are made and changed by `cluster apply` alone (spec/cli.md 4.7). */
static int check_not_managed(const char *uri, struct err *e)
{
	char *root = NULL;
	int rc = cluster_root_of(uri, &root, e);

	if (!rc && root)
		rc = err_set(e, ERR_CONFLICT,
			     "`%s` is inside cluster `%s`. Graphs of a cluster are created and changed by its "
			     "configuration: edit "
			     "cluster.yaml and run `omnigraph cluster apply`",
			     uri, root);
	free(root);
	return rc;
}

int cmd_init(struct invocation *inv)
{
	struct graph_init_opts opts = { .force = flag_given(inv, "force") };
	const char *uri = inv->pos[0];
	struct strbuf schema = STRBUF_INIT, out = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = check_not_managed(uri, &e);

	if (!rc)
		rc = read_input(flag_value(inv, "schema"), LIMIT_SCHEMA_BYTES, &schema, &e);
	if (!rc)
		rc = graph_init(uri, sb_str(&schema), &opts, &e);
	sb_free(&schema);
	if (rc)
		return fail(&e, false);
	sb_addf(&out, "initialized %s\n", uri);
	return out_text(&out);
}

/* --- show --------------------------------------------------------------------------------------------------------------- */

static int show_local(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct strbuf text = STRBUF_INIT;
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, &opts, &g, e);

	if (!rc)
		rc = graph_snapshot(g, NULL, NULL, &s, e);
	if (!rc) {
		jw_init(&w, &text, false);
		jw_begin_object(&w);
		jw_kstr(&w, "schema_source", snapshot_catalog(s)->source);
		jw_end_object(&w);
		rc = doc_parse(inv, &text, doc, e);
	}
	snapshot_put(s);
	graph_close(g);
	return rc;
}

static int show_remote(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct remote_call call = { .method = "GET", .path = "/schema" };

	return remote_json(inv, t, &call, doc, e);
}

static void show_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	sb_addf(out, "%s\n", doc_text(inv, doc, "schema_source"));
}

int cmd_schema_show(struct invocation *inv)
{
	static const char *const members[] = { "schema_source", NULL };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);

	if (!rc)
		rc = t.served ? show_remote(inv, &t, &doc, &e) : show_local(inv, &t, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, show_text);
}

/* --- plan and apply ----------------------------------------------------------------------------------------------------- */

/* uri, supported, [applied], step_count, [graph_manifest_version], steps (spec/schema.md 12.1) from a plan document. */
static void plan_report(struct arena *a, const char *uri, struct str plan, const struct schema_apply_result *applied,
			struct strbuf *out)
{
	const struct json *steps, *supported;
	struct json_writer w;
	struct json *v;

	if (json_parse(a, plan, NULL, &v, NULL))
		return;
	steps = json_get(v, "steps");
	supported = json_get(v, "supported");
	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	jw_kbool(&w, "supported", supported && supported->boolean);
	if (applied)
		jw_kbool(&w, "applied", applied->applied);
	jw_ku64(&w, "step_count", steps ? steps->n : 0);
	if (applied)
		jw_ku64(&w, "graph_manifest_version", applied->version);
	jw_keyz(&w, "steps");
	jw_value(&w, steps);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

int cmd_schema_plan(struct invocation *inv)
{
	bool supported = false, json = flag_given(inv, "json");
	struct strbuf schema = STRBUF_INIT, plan = STRBUF_INIT, out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	int rc = read_input(flag_value(inv, "schema"), LIMIT_SCHEMA_BYTES, &schema, &e);

	if (!rc)
		rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, &e);
	if (!rc)
		rc = graph_snapshot(a.g, NULL, NULL, &s, &e);
	if (!rc)
		rc = schema_plan(snapshot_catalog(s), sb_str(&schema), flag_given(inv, "allow-data-loss"), &plan,
				 &supported, NULL, &e);
	if (!rc && json) {
		plan_report(&inv->arena, a.uri, sb_str(&plan), NULL, &out);
	} else if (!rc) {
		sb_addf(&out, "schema plan for %s\nsupported: %s\n", a.uri, supported ? "yes" : "no");
		rc = schema_plan_text(sb_str(&plan), &out, &e);
	}
	sb_free(&schema);
	sb_free(&plan);
	snapshot_put(s);
	graph_close(a.g);
	return rc ? fail(&e, false) : out_text(&out);
}

static int apply_local(struct invocation *inv, const struct target *t, struct str schema,
		       struct schema_apply_result *out, struct err *e)
{
	struct schema_apply_opts opts = { .actor = scope_actor(inv),
					  .allow_data_loss = flag_given(inv, "allow-data-loss") };
	struct graph *g = NULL;
	int rc = graph_open(t->uri, NULL, &g, e);

	if (!rc)
		rc = graph_schema_apply(g, schema, &opts, out, e);
	graph_close(g);
	return rc;
}

/* A server of a cluster refuses; the result of another one has the same members. */
static int apply_remote(struct invocation *inv, const struct target *t, struct str schema,
			struct schema_apply_result *out, struct err *e)
{
	struct remote_call call = { .method = "POST", .path = "/schema/apply" };
	const struct json *v;
	struct json_writer w;
	struct json *doc;
	int rc;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	jw_kstr(&w, "schema_source", schema);
	jw_kbool(&w, "allow_data_loss", flag_given(inv, "allow-data-loss"));
	jw_end_object(&w);
	rc = remote_json(inv, t, &call, &doc, e);
	if (rc)
		return rc;
	v = json_get(doc, "applied");
	out->applied = v && v->boolean;
	v = json_get(doc, "graph_manifest_version");
	if (v)
		json_to_u64(v, &out->version);
	json_compact(&out->plan, doc);
	return 0;
}

int cmd_schema_apply(struct invocation *inv)
{
	bool json = flag_given(inv, "json");
	struct schema_apply_result res = { 0 };
	struct strbuf schema = STRBUF_INIT, out = STRBUF_INIT;
	struct target t;
	struct err e = ERR_INIT;
	int rc = read_input(flag_value(inv, "schema"), LIMIT_SCHEMA_BYTES, &schema, &e);

	if (!rc)
		rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);
	if (!rc && !t.served)
		rc = check_not_managed(t.uri, &e);
	if (!rc) {
		target_line(inv, "schema apply", t.uri);
		rc = (t.served ? apply_remote : apply_local)(inv, &t, sb_str(&schema), &res, &e);
	}
	if (!rc && json) {
		plan_report(&inv->arena, t.uri, sb_str(&res.plan), &res, &out);
	} else if (!rc) {
		sb_addf(&out, "schema apply for %s\nsupported: yes\napplied: %s\ngraph_manifest_version: %llu\n", t.uri,
			res.applied ? "yes" : "no", (unsigned long long)res.version);
		rc = schema_plan_text(sb_str(&res.plan), &out, &e);
	}
	sb_free(&res.plan);
	sb_free(&schema);
	return rc ? fail(&e, json) : out_text(&out);
}
