/* SPDX-License-Identifier: MIT */
/* init, schema, commit, snapshot, export: one graph as a whole. */
#include <stdio.h>
#include <sys/stat.h>

#include <omnigraph/cluster.h>
#include <omnigraph/graph.h>
#include <omnigraph/limits.h>

#include "tools/cli/cmd.h"

int open_addressed(struct invocation *inv, const char *uri, bool read_only, struct addressed *out, struct err *e)
{
	struct graph_open_opts opts = { .read_only = read_only };
	int rc = scope_graph(inv, uri, &out->uri, e);

	out->g = NULL;
	return rc ? rc : graph_open(out->uri, &opts, &out->g, e);
}

/* --- init and schema -------------------------------------------------------------------------------------------------- */

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

int cmd_schema_show(struct invocation *inv)
{
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, &e);

	if (!rc)
		rc = graph_snapshot(a.g, NULL, NULL, &s, &e);
	if (!rc && flag_given(inv, "json")) {
		struct json_writer w;

		jw_init(&w, &out, true);
		jw_begin_object(&w);
		jw_kstr(&w, "schema_source", snapshot_catalog(s)->source);
		jw_end_object(&w);
		sb_addch(&out, '\n');
	} else if (!rc) {
		sb_adds(&out, snapshot_catalog(s)->source);
		sb_addch(&out, '\n');
	}
	snapshot_put(s);
	graph_close(a.g);
	return rc ? fail(&e, false) : out_text(&out);
}

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

int cmd_schema_apply(struct invocation *inv)
{
	struct schema_apply_opts opts = { .actor = scope_actor(inv),
					  .allow_data_loss = flag_given(inv, "allow-data-loss") };
	bool json = flag_given(inv, "json");
	struct schema_apply_result res = { 0 };
	struct strbuf schema = STRBUF_INIT, out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = read_input(flag_value(inv, "schema"), LIMIT_SCHEMA_BYTES, &schema, &e);

	if (!rc)
		rc = scope_graph(inv, inv->n_pos ? inv->pos[0] : NULL, &a.uri, &e);
	if (!rc)
		rc = check_not_managed(a.uri, &e);
	if (!rc) {
		target_line(inv, "schema apply", a.uri);
		rc = graph_open(a.uri, NULL, &a.g, &e);
	}
	if (!rc)
		rc = graph_schema_apply(a.g, sb_str(&schema), &opts, &res, &e);
	if (!rc && json) {
		plan_report(&inv->arena, a.uri, sb_str(&res.plan), &res, &out);
	} else if (!rc) {
		sb_addf(&out, "schema apply for %s\nsupported: yes\napplied: %s\ngraph_manifest_version: %llu\n", a.uri,
			res.applied ? "yes" : "no", (unsigned long long)res.version);
		rc = schema_plan_text(sb_str(&res.plan), &out, &e);
	}
	sb_free(&res.plan);
	sb_free(&schema);
	graph_close(a.g);
	return rc ? fail(&e, json) : out_text(&out);
}

/* --- commits ------------------------------------------------------------------------------------------------------------- */

struct commit_lines {
	struct strbuf *out;
	struct json_writer *w; /* NULL: human lines */
};

static int commit_line(void *arg, const struct commit_info *c)
{
	struct commit_lines *l = arg;

	if (l->w) {
		commit_info_json(l->w, c);
		return 0;
	}
	sb_addf(l->out, "%s graph_branch=%s graph_manifest_version=%llu", c->id, c->branch ? c->branch : "main",
		(unsigned long long)c->version);
	if (c->actor)
		sb_addf(l->out, " actor=%s", c->actor);
	sb_addch(l->out, '\n');
	return 0;
}

int cmd_commit_list(struct invocation *inv)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	struct commit_lines l = { &out, flag_given(inv, "json") ? &w : NULL };
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, &e);

	if (l.w) {
		jw_init(&w, &out, true);
		jw_begin_object(&w);
		jw_keyz(&w, "commits");
		jw_begin_array(&w);
	}
	if (!rc)
		rc = graph_commits(a.g, flag_value(inv, "branch"), commit_line, &l, &e);
	if (l.w) {
		jw_end_array(&w);
		jw_end_object(&w);
		sb_addch(&out, '\n');
	}
	graph_close(a.g);
	if (rc) {
		sb_free(&out);
		return fail(&e, false);
	}
	return out_text(&out);
}

static void commit_text(const struct commit_info *c, struct strbuf *out)
{
	sb_addf(out, "graph_commit_id: %s\ngraph_branch: %s\ngraph_manifest_version: %llu\n", c->id,
		c->branch ? c->branch : "main", (unsigned long long)c->version);
	if (c->parent[0])
		sb_addf(out, "parent_commit_id: %s\n", c->parent);
	if (c->merged_parent[0])
		sb_addf(out, "merged_parent_commit_id: %s\n", c->merged_parent);
	if (c->actor)
		sb_addf(out, "actor_id: %s\n", c->actor);
	sb_addf(out, "created_at: %lld\n", (long long)c->created_at);
}

int cmd_commit_show(struct invocation *inv)
{
	struct strbuf out = STRBUF_INIT;
	struct commit_info c = { 0 };
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = open_addressed(inv, flag_value(inv, "uri"), true, &a, &e);

	if (!rc)
		rc = graph_commit(a.g, inv->pos[0], &c, &e);
	if (!rc && flag_given(inv, "json")) {
		struct json_writer w;

		jw_init(&w, &out, true);
		commit_info_json(&w, &c);
		sb_addch(&out, '\n');
	} else if (!rc) {
		commit_text(&c, &out);
	}
	commit_info_clear(&c);
	graph_close(a.g);
	return rc ? fail(&e, false) : out_text(&out);
}

/* --- snapshot -------------------------------------------------------------------------------------------------------------- */

static const char *member_text(const struct json *obj, const char *name)
{
	const struct json *v = json_get_nonnull(obj, name);

	return v ? v->text.s : NULL;
}

static void dataset_line(const struct json *d, struct arena *a, struct strbuf *out)
{
	const struct json *version = json_get(d, "published_dataset_version"), *n = json_get(d, "entity_count");
	const struct json *kind = json_get(d, "entity_kind"), *name = json_get(d, "type_name");
	const char *branch = member_text(d, "native_dataset_branch");

	sb_addf(out, "%.*s type '%.*s' published_dataset_version=%.*s native_dataset_branch=%s entities=%.*s\n",
		STR_ARG(kind->text), STR_ARG(name->text), STR_ARG(version->text), branch ? branch : "main",
		STR_ARG(n->text));
}

int cmd_snapshot(struct invocation *inv)
{
	struct strbuf out = STRBUF_INIT, report = STRBUF_INIT;
	const char *branch = flag_value(inv, "branch");
	bool json = flag_given(inv, "json");
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct json_writer w;
	struct err e = ERR_INIT;
	struct json *v;
	int rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, &e);

	if (!rc)
		rc = graph_snapshot(a.g, branch, NULL, &s, &e);
	if (!rc) {
		jw_init(&w, &report, json);
		snapshot_report_json(s, branch ? branch : "main", &w);
	}
	if (!rc && json) {
		sb_adds(&out, sb_str(&report));
		sb_addch(&out, '\n');
	} else if (!rc && !json_parse(&inv->arena, sb_str(&report), NULL, &v, &e)) {
		const struct json *sets = json_get(v, "datasets");

		sb_addf(&out, "graph_branch: %s\n", branch ? branch : "main");
		sb_addf(&out, "graph_manifest_version: %.*s\n", STR_ARG(json_get(v, "graph_manifest_version")->text));
		sb_addf(&out, "internal_schema_version: %.*s\n", STR_ARG(json_get(v, "internal_schema_version")->text));
		for (size_t i = 0; sets && i < sets->n; i++)
			dataset_line(&sets->items[i], &inv->arena, &out);
	}
	sb_free(&report);
	snapshot_put(s);
	graph_close(a.g);
	return rc ? fail(&e, false) : out_text(&out);
}

/* --- export ------------------------------------------------------------------------------------------------------------------ */

static int to_stdout(void *arg, const void *data, size_t n, struct err *e)
{
	return out_write(data, n, e);
}

int cmd_export(struct invocation *inv)
{
	const char *types[CLI_VALUES_MAX];
	size_t n = flag_values(inv, "type", types, CLI_VALUES_MAX);
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	int rc;

	if (flag_given(inv, "jsonl"))
		warn("--jsonl is deprecated; `omnigraph export` always emits JSONL");
	rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, &e);
	if (!rc)
		rc = graph_snapshot(a.g, flag_value(inv, "branch"), NULL, &s, &e);
	if (!rc)
		rc = graph_export(s, types, n, to_stdout, NULL, &e);
	snapshot_put(s);
	graph_close(a.g);
	return rc ? fail(&e, false) : EXIT_DONE;
}
