/* SPDX-License-Identifier: MIT */
/* query and mutate, ad hoc against a store (spec/cli.md 9). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/embed.h>
#include <omnigraph/limits.h>
#include <omnigraph/query.h>

#include "tools/cli/cmd.h"

/* --- source and parameters ---------------------------------------------------------------------------------------------- */

static int check_lane(struct invocation *inv, const char *what, struct err *e)
{
	const char *text = flag_value(inv, "query-string");

	if (text && !str_trim(str_from(text)).n)
		return err_set(e, ERR_BAD_REQUEST, "--query-string must not be empty");
	if (text || flag_given(inv, "query"))
		return 0;
	if (!inv->n_pos)
		return err_set(e, ERR_BAD_REQUEST,
			       "provide a %s name to invoke from the catalog, or -e '<gq>' / --query <file> for an "
			       "ad-hoc query",
			       what);
	return err_set(e, ERR_BAD_REQUEST,
		       "by-name invocation needs a server (the stored-query catalog is server-owned); use -e '<gq>' or "
		       "--query <file> "
		       "for an ad-hoc query against --store, or address a server with --server / --profile");
}

static int read_source(struct invocation *inv, struct strbuf *out, struct err *e)
{
	const char *text = flag_value(inv, "query-string");

	if (!text)
		return read_input(flag_value(inv, "query"), LIMIT_QUERY_BYTES, out, e);
	sb_addz(out, text);
	return 0;
}

static int object_param(struct invocation *inv, struct json **out, struct err *e)
{
	const char *text = flag_value(inv, "params"), *file = flag_value(inv, "params-file");
	struct strbuf b = STRBUF_INIT;
	int rc = 0;

	*out = NULL;
	if (text)
		sb_addz(&b, text);
	else if (file)
		rc = read_input(file, LIMIT_BODY_BYTES, &b, e);
	if (!rc && (text || file)) {
		rc = json_parse(&inv->arena, arena_str(&inv->arena, sb_str(&b)), NULL, out, e);
		if (rc)
			err_prefix(e, "--%s is not JSON: ", text ? "params" : "params-file");
		else if ((*out)->type == JSON_NULL)
			*out = NULL;
		else if ((*out)->type != JSON_OBJECT)
			rc = err_set(e, ERR_BAD_REQUEST, "params must be a JSON object");
	}
	sb_free(&b);
	return rc;
}

/* "VALUE" as JSON, else as text. */
static struct json *param_value(struct invocation *inv, const char *text)
{
	struct json *v;

	if (!json_parse(&inv->arena, str_from(text), NULL, &v, NULL))
		return v;
	v = arena_new(&inv->arena, struct json);
	v->type = JSON_STRING;
	v->text = str_from(text);
	return v;
}

/* The object of --params with the --param pairs on top; a later member of one name wins. */
static int collect_params(struct invocation *inv, struct json **out, struct err *e)
{
	const char *pairs[CLI_VALUES_MAX];
	size_t n = flag_values(inv, "param", pairs, CLI_VALUES_MAX), base;
	struct json *obj, *all;
	int rc = object_param(inv, &obj, e);

	*out = obj;
	if (rc || !n)
		return rc;
	base = obj ? obj->n : 0;
	all = arena_new(&inv->arena, struct json);
	all->type = JSON_OBJECT;
	all->keys = arena_array(&inv->arena, struct str, base + n);
	all->items = arena_array(&inv->arena, struct json, base + n);
	for (size_t i = 0; i < base; i++) {
		all->keys[i] = obj->keys[i];
		all->items[i] = obj->items[i];
	}
	for (size_t i = 0; i < n; i++) {
		const char *eq = strchr(pairs[i], '='); /* there is one: check_value() */
		struct str name;
		size_t k = 0;

		name = (struct str){ pairs[i], (size_t)(eq - pairs[i]) };
		while (k < base && !str_eq(all->keys[k], name))
			k++;
		if (k == base)
			base++;
		all->keys[k] = name;
		all->items[k] = *param_value(inv, eq + 1);
	}
	all->n = base;
	*out = all;
	return 0;
}

/* Scope, then parameters, then source: all before the graph is opened. */
static int prepare(struct invocation *inv, const char *what, struct addressed *a, struct json **params,
		   struct strbuf *src, struct err *e)
{
	int rc = scope_graph(inv, NULL, &a->uri, e);

	if (!rc)
		rc = collect_params(inv, params, e);
	if (!rc)
		rc = check_lane(inv, what, e);
	return rc ? rc : read_source(inv, src, e);
}

/* Compile the selected query of the source against @c. */
static int compile(struct invocation *inv, struct str src, struct catalog *c, struct query **out, struct err *e)
{
	const struct query_decl *decl;
	struct query_file *file = NULL;
	int rc = query_file_parse(src, &file, e);

	if (!rc)
		rc = query_file_select(file, inv->n_pos ? inv->pos[0] : NULL, &decl, e);
	if (!rc)
		rc = query_compile(c, decl, out, e);
	query_file_free(file);
	return rc;
}

/* --- query ----------------------------------------------------------------------------------------------------------------- */

static const char *env(const char *name)
{
	return getenv(name);
}

/* The embedder of the environment, only worth making for queries that may need it. */
static void set_embedder(struct graph *g, struct embedder **em)
{
	char *why = NULL;

	if (!embedder_from_env(env, NULL, em, &why, NULL) && *em)
		graph_set_embedder(g, *em);
	free(why);
}

/* The format, and how a table looks; NULL when the operator configuration is broken. */
static const char *pick_format(struct invocation *inv, struct table_opts *table, struct err *e)
{
	const char *format = flag_given(inv, "json") ? "json" : flag_value(inv, "format");
	const struct operator_config *cfg;

	if (format && strcmp(format, "table"))
		return format;
	cfg = operator_config(inv, e);
	if (!cfg)
		return NULL;
	*table = (struct table_opts){ .max_width = cfg->table_width, .wrap = cfg->table_wrap };
	return format ? format : cfg->output ? cfg->output : "table";
}

int cmd_query(struct invocation *inv)
{
	const char *snapshot = flag_value(inv, "snapshot"), *branch = flag_value(inv, "branch");
	struct query_target target = { .branch = snapshot ? NULL : branch ? branch : "main", .snapshot = snapshot };
	struct strbuf src = STRBUF_INIT, envelope = STRBUF_INIT, out = STRBUF_INIT;
	struct table_opts table = { 0 };
	struct embedder *em = NULL;
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct json *params = NULL;
	struct err e = ERR_INIT;
	const char *format = NULL;
	struct val *vals;
	int rc = prepare(inv, "query", &a, &params, &src, &e);

	if (!rc) {
		format = pick_format(inv, &table, &e);
		rc = format ? open_addressed(inv, NULL, true, &a, &e) : -EINVAL;
	}
	if (!rc) {
		set_embedder(a.g, &em);
		rc = graph_snapshot(a.g, branch, snapshot, &s, &e);
	}
	if (!rc)
		rc = compile(inv, sb_str(&src), (struct catalog *)snapshot_catalog(s), &q, &e);
	if (!rc && query_is_mutation(q))
		rc = err_set(
			&e, ERR_TYPE,
			"type error: mutation query cannot be typechecked with read-query API; use `omnigraph mutate`");
	if (!rc)
		rc = query_bind(q, &inv->arena, params, &vals, &e);
	if (!rc)
		rc = graph_query(a.g, s, q, vals, &target, true, &envelope, &e);
	if (!rc)
		rc = read_format(sb_str(&envelope), format, &table, &out, &e);
	sb_free(&envelope);
	sb_free(&src);
	query_free(q);
	snapshot_put(s);
	graph_close(a.g);
	embedder_free(em);
	return rc ? fail(&e, flag_given(inv, "json")) : out_text(&out);
}

/* --- mutate ---------------------------------------------------------------------------------------------------------------- */

static void mutation_json(const char *branch, struct str name, const char *actor, const struct mutation_result *r,
			  struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "branch", branch);
	jw_kstr(&w, "query_name", name);
	jw_ku64(&w, "affected_nodes", r->affected_nodes);
	jw_ku64(&w, "affected_edges", r->affected_edges);
	jw_kstrz(&w, "actor_id", actor);
	jw_keyz(&w, "commit");
	if (r->has_commit)
		commit_info_json(&w, &r->commit);
	else
		jw_null(&w);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void mutation_text(const char *branch, struct str name, const char *actor, const struct mutation_result *r,
			  struct strbuf *out)
{
	sb_addf(out, "changed %s via %.*s: %llu nodes, %llu edges\n", branch, STR_ARG(name),
		(unsigned long long)r->affected_nodes, (unsigned long long)r->affected_edges);
	if (actor)
		sb_addf(out, "actor_id: %s\n", actor);
}

int cmd_mutate(struct invocation *inv)
{
	const char *given = flag_value(inv, "branch"), *branch = given ? given : "main";
	struct write_opts opts = { .branch = branch,
				   .actor = scope_actor(inv),
				   .expected_head = flag_value(inv, "if-commit") };
	bool json = flag_given(inv, "json");
	struct mutation_result r = { 0 };
	struct strbuf src = STRBUF_INIT, out = STRBUF_INIT;
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct json *params = NULL;
	struct err e = ERR_INIT;
	struct val *vals;
	int rc = prepare(inv, "mutation", &a, &params, &src, &e);

	if (!rc)
		rc = open_addressed(inv, NULL, false, &a, &e);
	if (!rc)
		rc = graph_snapshot(a.g, branch, NULL, &s, &e);
	if (!rc)
		rc = compile(inv, sb_str(&src), (struct catalog *)snapshot_catalog(s), &q, &e);
	if (!rc && !query_is_mutation(q))
		rc = err_set(&e, ERR_BAD_REQUEST, "mutation execution called on a read query; use query instead");
	if (!rc)
		rc = query_bind(q, &inv->arena, params, &vals, &e);
	snapshot_put(s);
	if (!rc)
		rc = graph_mutate(a.g, q, vals, &opts, &r, &e);
	if (!rc && json)
		mutation_json(branch, query_name(q), opts.actor, &r, &out);
	else if (!rc)
		mutation_text(branch, query_name(q), opts.actor, &r, &out);
	mutation_result_clear(&r);
	sb_free(&src);
	query_free(q);
	graph_close(a.g);
	return rc ? fail(&e, json) : out_text(&out);
}
