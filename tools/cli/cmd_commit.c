/* SPDX-License-Identifier: MIT */
/* commit list and commit show (spec/cli.md 11.7). */
#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

/* --- list --------------------------------------------------------------------------------------------------------------- */

static int add_commit(void *arg, const struct commit_info *c)
{
	commit_info_json(arg, c);
	return 0;
}

static int list_local(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct strbuf text = STRBUF_INIT;
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, &opts, &g, e);

	jw_init(&w, &text, false);
	jw_begin_object(&w);
	jw_keyz(&w, "commits");
	jw_begin_array(&w);
	if (!rc)
		rc = graph_commits(g, flag_value(inv, "branch"), add_commit, &w, e);
	jw_end_array(&w);
	jw_end_object(&w);
	graph_close(g);
	if (!rc)
		return doc_parse(inv, &text, doc, e);
	sb_free(&text);
	return rc;
}

static int list_remote(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	const char *const pairs[] = { "branch", flag_value(inv, "branch"), NULL };
	struct remote_call call = { .method = "GET", .path = remote_query(&inv->arena, "/commits", pairs) };

	return remote_json(inv, t, &call, doc, e);
}

static const char *branch_of(struct invocation *inv, const struct json *commit)
{
	const char *branch = doc_optional(inv, commit, "graph_branch");

	return branch ? branch : "main";
}

static void list_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	const struct json *list = json_get(doc, "commits");

	for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->n; i++) {
		const struct json *c = &list->items[i];
		const char *actor = doc_optional(inv, c, "actor_id");

		sb_addf(out, "%s graph_branch=%s graph_manifest_version=%s%s%s\n", doc_text(inv, c, "graph_commit_id"),
			branch_of(inv, c), doc_text(inv, c, "graph_manifest_version"), actor ? " actor=" : "",
			actor ? actor : "");
	}
}

int cmd_commit_list(struct invocation *inv)
{
	static const char *const members[] = { "commits", NULL };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);

	if (!rc)
		rc = t.served ? list_remote(inv, &t, &doc, &e) : list_local(inv, &t, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, list_text);
}

/* --- show --------------------------------------------------------------------------------------------------------------- */

static int show_local(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct strbuf text = STRBUF_INIT;
	struct commit_info c = { 0 };
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, &opts, &g, e);

	if (!rc)
		rc = graph_commit(g, inv->pos[0], &c, e);
	if (!rc) {
		jw_init(&w, &text, false);
		commit_info_json(&w, &c);
		rc = doc_parse(inv, &text, doc, e);
	}
	commit_info_clear(&c);
	graph_close(g);
	return rc;
}

static int show_remote(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct remote_call call = { .method = "GET" };

	call.path = arena_printf(&inv->arena, "/commits/%s", url_segment(&inv->arena, inv->pos[0]));
	return remote_json(inv, t, &call, doc, e);
}

static void show_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	static const char *const optional[] = { "parent_commit_id", "merged_parent_commit_id", "actor_id" };

	sb_addf(out, "graph_commit_id: %s\ngraph_branch: %s\ngraph_manifest_version: %s\n",
		doc_text(inv, doc, "graph_commit_id"), branch_of(inv, doc),
		doc_text(inv, doc, "graph_manifest_version"));
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		const char *v = doc_optional(inv, doc, optional[i]);

		if (v)
			sb_addf(out, "%s: %s\n", optional[i], v);
	}
	sb_addf(out, "created_at: %s\n", doc_text(inv, doc, "created_at"));
}

int cmd_commit_show(struct invocation *inv)
{
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e);

	if (!rc)
		rc = t.served ? show_remote(inv, &t, &doc, &e) : show_local(inv, &t, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, NULL, show_text);
}
