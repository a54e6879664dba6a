/* SPDX-License-Identifier: MIT */
/* branch create, list, delete, merge. */
#include "tools/cli/cmd.h"

static void branch_json(struct invocation *inv, const char *uri, const char *from, const char *name, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	if (from)
		jw_kstrz(&w, "from", from);
	jw_kstrz(&w, "name", name);
	jw_kstrz(&w, "actor_id", scope_actor(inv));
	jw_end_object(&w);
	sb_addch(out, '\n');
}

int cmd_branch_create(struct invocation *inv)
{
	const char *name = inv->pos[0], *given = flag_value(inv, "from"), *from = given ? given : "main";
	struct strbuf out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = scope_graph(inv, flag_value(inv, "uri"), &a.uri, &e);

	if (!rc) {
		target_line(inv, "branch create", a.uri);
		rc = graph_open(a.uri, NULL, &a.g, &e);
	}
	if (!rc)
		rc = graph_branch_create(a.g, name, from, scope_actor(inv), &e);
	graph_close(a.g);
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	if (flag_given(inv, "json"))
		branch_json(inv, a.uri, from, name, &out);
	else
		sb_addf(&out, "created branch %s from %s\n", name, from);
	return out_text(&out);
}

struct names {
	const char **items;
	size_t n, cap;
	struct arena *a;
};

static int add_name(void *arg, const char *name)
{
	struct names *l = arg;

	MEM_GROW(l->items, l->n, l->cap);
	l->items[l->n++] = arena_strdup(l->a, name);
	return 0;
}

/* main first, then bytewise (spec README). */
int cmd_branch_list(struct invocation *inv)
{
	struct names l = { .a = &inv->arena };
	struct strbuf out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct json_writer w;
	struct err e = ERR_INIT;
	int rc = open_addressed(inv, flag_value(inv, "uri"), true, &a, &e);

	if (!rc)
		rc = graph_branches(a.g, add_name, &l, &e);
	graph_close(a.g);
	if (!rc && flag_given(inv, "json")) {
		jw_init(&w, &out, true);
		jw_begin_object(&w);
		jw_keyz(&w, "branches");
		jw_begin_array(&w);
		for (size_t i = 0; i < l.n; i++)
			jw_strz(&w, l.items[i]);
		jw_end_array(&w);
		jw_end_object(&w);
		sb_addch(&out, '\n');
	}
	for (size_t i = 0; !rc && !flag_given(inv, "json") && i < l.n; i++)
		sb_addf(&out, "%s\n", l.items[i]);
	free(l.items);
	return rc ? fail(&e, false) : out_text(&out);
}

int cmd_branch_delete(struct invocation *inv)
{
	const char *name = inv->pos[0];
	struct strbuf out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = scope_graph(inv, flag_value(inv, "uri"), &a.uri, &e);

	if (!rc) {
		target_line(inv, "branch delete", a.uri);
		rc = graph_open(a.uri, NULL, &a.g, &e);
	}
	if (!rc)
		rc = graph_branch_delete(a.g, name, scope_actor(inv), &e);
	graph_close(a.g);
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	if (flag_given(inv, "json"))
		branch_json(inv, a.uri, NULL, name, &out);
	else
		sb_addf(&out, "deleted branch %s\n", name);
	return out_text(&out);
}

int cmd_branch_merge(struct invocation *inv)
{
	const char *source = inv->pos[0], *into = flag_value(inv, "into"), *target = into ? into : "main";
	struct merge_opts opts = { .source = source,
				   .target = target,
				   .actor = scope_actor(inv),
				   .delete_branch = flag_given(inv, "delete-branch") };
	bool json = flag_given(inv, "json");
	struct strbuf out = STRBUF_INIT, why = STRBUF_INIT;
	struct merge_result r = { 0 };
	struct addressed a = { 0 };
	struct err e = ERR_INIT;
	int rc = scope_graph(inv, flag_value(inv, "uri"), &a.uri, &e);

	if (!rc) {
		target_line(inv, "branch merge", a.uri);
		rc = graph_open(a.uri, NULL, &a.g, &e);
	}
	if (!rc)
		rc = graph_merge(a.g, &opts, &r, &e);
	if (rc && e.code == ERR_MERGE_CONFLICTS) {
		merge_conflicts_summary(&r, &why);
		err_set(&e, ERR_MERGE_CONFLICTS, "%s", why.s);
	}
	if (!rc && r.branch_delete_error)
		warn("merged, but could not delete branch '%s': %s", source, r.branch_delete_error);
	if (!rc && json) {
		struct json_writer w;

		jw_init(&w, &out, true);
		merge_result_json(&r, &opts, &w);
		sb_addch(&out, '\n');
	} else if (!rc) {
		sb_addf(&out, "merged %s into %s: %s\n", source, target, merge_outcome_word(r.outcome));
		if (r.branch_deleted)
			sb_addf(&out, "deleted branch %s\n", source);
	}
	merge_result_clear(&r);
	graph_close(a.g);
	sb_free(&why);
	return rc ? fail(&e, json) : out_text(&out);
}
