/* SPDX-License-Identifier: MIT */
/* branch create, list, delete, merge (spec/cli.md 11.4). Storage and server give the same document; one function prints it. */
#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

/* --- create and delete -------------------------------------------------------------------------------------------------- */

static void change_doc(struct invocation *inv, const char *uri, const char *from, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	if (from)
		jw_kstrz(&w, "from", from);
	jw_kstrz(&w, "name", inv->pos[0]);
	jw_kstrz(&w, "actor_id", scope_actor(inv));
	jw_end_object(&w);
}

static int create_local(struct invocation *inv, const struct target *t, const char *from, struct json **doc,
			struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct graph *g = NULL;
	int rc = graph_open(t->uri, NULL, &g, e);

	if (!rc)
		rc = graph_branch_create(g, inv->pos[0], from, scope_actor(inv), e);
	graph_close(g);
	if (rc)
		return rc;
	change_doc(inv, t->uri, from, &text);
	return doc_parse(inv, &text, doc, e);
}

static int create_remote(struct invocation *inv, const struct target *t, const char *from, struct json **doc,
			 struct err *e)
{
	struct remote_call call = { .method = "POST", .path = "/branches" };
	struct json_writer w;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "from", from);
	jw_kstrz(&w, "name", inv->pos[0]);
	jw_end_object(&w);
	return remote_json(inv, t, &call, doc, e);
}

static void created_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	sb_addf(out, "created branch %s from %s\n", inv->pos[0], doc_text(inv, doc, "from"));
}

int cmd_branch_create(struct invocation *inv)
{
	static const char *const members[] = { "uri", "from", "name", "actor_id", NULL };
	const char *given = flag_value(inv, "from"), *from = given ? given : "main";
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e);

	if (!rc) {
		target_line(inv, "branch create", t.uri);
		rc = t.served ? create_remote(inv, &t, from, &doc, &e) : create_local(inv, &t, from, &doc, &e);
	}
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, created_text);
}

static int delete_local(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct graph *g = NULL;
	int rc = graph_open(t->uri, NULL, &g, e);

	if (!rc)
		rc = graph_branch_delete(g, inv->pos[0], scope_actor(inv), e);
	graph_close(g);
	if (rc)
		return rc;
	change_doc(inv, t->uri, NULL, &text);
	return doc_parse(inv, &text, doc, e);
}

static int delete_remote(struct invocation *inv, const struct target *t, struct json **doc, struct err *e)
{
	struct remote_call call = { .method = "DELETE" };

	call.path = arena_printf(&inv->arena, "/branches/%s", url_segment(&inv->arena, inv->pos[0]));
	return remote_json(inv, t, &call, doc, e);
}

static void deleted_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	sb_addf(out, "deleted branch %s\n", inv->pos[0]);
}

int cmd_branch_delete(struct invocation *inv)
{
	static const char *const members[] = { "uri", "name", "actor_id", NULL };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e);

	if (!rc)
		rc = confirm_destructive(inv, "branch delete", t.uri, &e);
	if (!rc) {
		target_line(inv, "branch delete", t.uri);
		rc = t.served ? delete_remote(inv, &t, &doc, &e) : delete_local(inv, &t, &doc, &e);
	}
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, deleted_text);
}

/* --- list --------------------------------------------------------------------------------------------------------------- */

static int add_name(void *arg, const char *name)
{
	jw_strz(arg, name);
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
	jw_keyz(&w, "branches");
	jw_begin_array(&w);
	if (!rc)
		rc = graph_branches(g, add_name, &w, e);
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
	struct remote_call call = { .method = "GET", .path = "/branches" };

	return remote_json(inv, t, &call, doc, e);
}

static void names_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	const struct json *names = json_get(doc, "branches");

	for (size_t i = 0; names && names->type == JSON_ARRAY && i < names->n; i++)
		sb_addf(out, "%.*s\n", STR_ARG(names->items[i].text));
}

/* main first, then bytewise (spec README). */
int cmd_branch_list(struct invocation *inv)
{
	static const char *const members[] = { "branches", NULL };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e);

	if (!rc)
		rc = t.served ? list_remote(inv, &t, &doc, &e) : list_local(inv, &t, &doc, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, names_text);
}

/* --- merge -------------------------------------------------------------------------------------------------------------- */

static int merge_local(struct invocation *inv, const struct target *t, const char *into, struct json **doc,
		       struct err *e)
{
	struct merge_opts opts = { .source = inv->pos[0],
				   .target = into,
				   .actor = scope_actor(inv),
				   .delete_branch = flag_given(inv, "delete-branch") };
	struct strbuf text = STRBUF_INIT, why = STRBUF_INIT;
	struct merge_result r = { 0 };
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, NULL, &g, e);

	if (!rc)
		rc = graph_merge(g, &opts, &r, e);
	if (rc && e->code == ERR_MERGE_CONFLICTS) {
		merge_conflicts_summary(&r, &why);
		err_set(e, ERR_MERGE_CONFLICTS, "%s", why.s);
		sb_free(&why);
	}
	if (!rc) {
		jw_init(&w, &text, false);
		merge_result_json(&r, &opts, &w);
		rc = doc_parse(inv, &text, doc, e);
	}
	merge_result_clear(&r);
	graph_close(g);
	return rc;
}

static int merge_remote(struct invocation *inv, const struct target *t, const char *into, struct json **doc,
			struct err *e)
{
	struct remote_call call = { .method = "POST", .path = "/branches/merge" };
	struct json_writer w;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "source", inv->pos[0]);
	jw_kstrz(&w, "target", into);
	jw_kbool(&w, "delete_branch", flag_given(inv, "delete-branch"));
	jw_end_object(&w);
	return remote_json(inv, t, &call, doc, e);
}

static bool was_deleted(const struct json *doc)
{
	const struct json *v = json_get(doc, "branch_deleted");

	return v && v->type == JSON_BOOL && v->boolean;
}

static void merged_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	sb_addf(out, "merged %s into %s: %s\n", inv->pos[0], doc_text(inv, doc, "target"),
		doc_text(inv, doc, "outcome"));
	if (was_deleted(doc))
		sb_addf(out, "deleted branch %s\n", inv->pos[0]);
}

static void warn_kept(struct invocation *inv, const struct json *doc)
{
	const char *why = doc_optional(inv, doc, "branch_delete_error");

	if (!flag_given(inv, "delete-branch") || was_deleted(doc))
		return;
	if (json_get(doc, "branch_deleted"))
		warn("merged, but could not delete branch '%s': %s", inv->pos[0], why ? why : "no reason given");
	else
		warn("merged, but the server does not support --delete-branch; branch '%s' was not deleted",
		     inv->pos[0]);
}

int cmd_branch_merge(struct invocation *inv)
{
	static const char *const members[] = { "source",   "target",	     "outcome",
					       "actor_id", "branch_deleted", "branch_delete_error",
					       NULL };
	const char *given = flag_value(inv, "into"), *into = given ? given : "main";
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e);

	if (!rc) {
		target_line(inv, "branch merge", t.uri);
		rc = t.served ? merge_remote(inv, &t, into, &doc, &e) : merge_local(inv, &t, into, &doc, &e);
	}
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	warn_kept(inv, doc);
	return print_doc(inv, doc, members, merged_text);
}
