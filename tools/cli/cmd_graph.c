/* SPDX-License-Identifier: MIT */
/* snapshot, export, graphs list: graphs as a whole (spec/cli.md 11.5, 11.6, 11.12). */
#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

int open_addressed(struct invocation *inv, const char *uri, bool read_only, struct addressed *out, struct err *e)
{
	struct graph_open_opts opts = { .read_only = read_only };
	int rc = scope_graph(inv, uri, &out->uri, e);

	out->g = NULL;
	return rc ? rc : graph_open(out->uri, &opts, &out->g, e);
}

/* --- snapshot ----------------------------------------------------------------------------------------------------------- */

static int snapshot_local(struct invocation *inv, const struct target *t, const char *branch, struct json **doc,
			  struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct strbuf report = STRBUF_INIT;
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, &opts, &g, e);

	if (!rc)
		rc = graph_snapshot(g, branch, NULL, &s, e);
	if (!rc) {
		jw_init(&w, &report, false);
		snapshot_report_json(s, branch, &w);
		rc = doc_parse(inv, &report, doc, e);
	}
	snapshot_put(s);
	graph_close(g);
	return rc;
}

static int snapshot_remote(struct invocation *inv, const struct target *t, const char *branch, struct json **doc,
			   struct err *e)
{
	const char *const pairs[] = { "branch", branch, NULL };
	struct remote_call call = { .method = "GET", .path = remote_query(&inv->arena, "/snapshot", pairs) };

	return remote_json(inv, t, &call, doc, e);
}

static void snapshot_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	static const char *const lines[] = { "graph_branch", "graph_manifest_version", "internal_schema_version" };
	const struct json *sets = json_get(doc, "datasets");

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		sb_addf(out, "%s: %s\n", lines[i], doc_text(inv, doc, lines[i]));
	for (size_t i = 0; sets && sets->type == JSON_ARRAY && i < sets->n; i++) {
		const struct json *d = &sets->items[i];
		const char *branch = doc_optional(inv, d, "native_dataset_branch");

		sb_addf(out, "%s type '%s' published_dataset_version=%s native_dataset_branch=%s entities=%s\n",
			doc_text(inv, d, "entity_kind"), doc_text(inv, d, "type_name"),
			doc_text(inv, d, "published_dataset_version"), branch ? branch : "main",
			doc_text(inv, d, "entity_count"));
	}
}

int cmd_snapshot(struct invocation *inv)
{
	static const char *const members[] = { "graph_branch", "graph_manifest_version", "internal_schema_version",
					       "datasets", NULL };
	const char *given = flag_value(inv, "branch"), *branch = given ? given : "main";
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);

	if (!rc)
		rc = (t.served ? snapshot_remote : snapshot_local)(inv, &t, branch, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, snapshot_text);
}

/* --- export ------------------------------------------------------------------------------------------------------------- */

static int to_stdout(void *arg, const void *data, size_t n, struct err *e)
{
	return out_write(data, n, e);
}

static int export_local(struct invocation *inv, const struct target *t, const char *const *types, size_t n,
			struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	int rc = graph_open(t->uri, &opts, &g, e);

	if (!rc)
		rc = graph_snapshot(g, flag_value(inv, "branch"), NULL, &s, e);
	if (!rc)
		rc = graph_export(s, types, n, to_stdout, NULL, e);
	snapshot_put(s);
	graph_close(g);
	return rc;
}

static int export_remote(struct invocation *inv, const struct target *t, const char *const *types, size_t n,
			 struct err *e)
{
	struct remote_call call = { .method = "POST", .path = "/export", .sink = to_stdout };
	const char *branch = flag_value(inv, "branch");
	struct json_writer w;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "branch", branch ? branch : "main");
	jw_keyz(&w, "type_names");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		jw_strz(&w, types[i]);
	jw_end_array(&w);
	jw_end_object(&w);
	return remote_send(inv, t, &call, NULL, e);
}

int cmd_export(struct invocation *inv)
{
	const char *types[CLI_VALUES_MAX];
	size_t n = flag_values(inv, "type", types, CLI_VALUES_MAX);
	struct target t;
	struct err e = ERR_INIT;
	int rc;

	if (flag_given(inv, "jsonl"))
		warn("--jsonl is deprecated; `omnigraph export` always emits JSONL");
	rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);
	if (!rc)
		rc = (t.served ? export_remote : export_local)(inv, &t, types, n, &e);
	return rc ? fail(&e, false) : EXIT_DONE;
}

/* --- graphs list -------------------------------------------------------------------------------------------------------- */

static void graphs_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	const struct json *graphs = json_get(doc, "graphs");

	for (size_t i = 0; graphs && graphs->type == JSON_ARRAY && i < graphs->n; i++)
		sb_addf(out, "%s\t%s\n", doc_text(inv, &graphs->items[i], "graph_id"),
			doc_text(inv, &graphs->items[i], "uri"));
}

int cmd_graphs_list(struct invocation *inv)
{
	static const char *const members[] = { "graphs", NULL };
	struct remote_call call = { .method = "GET", .path = "/graphs" };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, NULL, &t, &e);

	if (!rc)
		rc = remote_json(inv, &t, &call, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, graphs_text);
}
