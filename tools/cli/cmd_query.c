/* SPDX-License-Identifier: MIT */
/* query, mutate and alias (spec/cli.md 9): ad hoc on storage or through a server, by name through a server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/embed.h>
#include <omnigraph/limits.h>
#include <omnigraph/query.h>

#include "tools/cli/cmd.h"
#include "tools/cli/operator_config.h"
#include "tools/cli/remote.h"

/* --- source and parameters ---------------------------------------------------------------------------------------------- */

/* Is a source given (*ad_hoc)? By name there must be a name, and a server. */
static int check_lane(struct invocation *inv, const char *what, bool served, bool *ad_hoc, struct err *e)
{
	const char *text = flag_value(inv, "query-string");

	*ad_hoc = text || flag_given(inv, "query");
	if (text && !str_trim(str_from(text)).n)
		return err_set(e, ERR_BAD_REQUEST, "--query-string must not be empty");
	if (*ad_hoc)
		return 0;
	if (!inv->n_pos)
		return err_set(e, ERR_BAD_REQUEST,
			       "provide a %s name to invoke from the catalog, or -e '<gq>' / --query <file> for an "
			       "ad-hoc query",
			       what);
	if (served)
		return 0;
	return err_set(e, ERR_BAD_REQUEST,
		       "by-name invocation needs a server (the stored-query catalog is server-owned); use -e '<gq>' or "
		       "--query <file> for an ad-hoc query against --store, or address a server with --server / "
		       "--profile");
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

/* @obj (NULL: an empty one) with a member set; what it holds already is shared. */
static struct json *with_member(struct invocation *inv, const struct json *obj, struct str name, const struct json *v)
{
	struct json *out = arena_new(&inv->arena, struct json);
	size_t n = obj ? obj->n : 0, k = 0;

	out->type = JSON_OBJECT;
	out->keys = arena_array(&inv->arena, struct str, n + 1);
	out->items = arena_array(&inv->arena, struct json, n + 1);
	for (size_t i = 0; i < n; i++) {
		out->keys[i] = obj->keys[i];
		out->items[i] = obj->items[i];
	}
	while (k < n && !str_eq(out->keys[k], name))
		k++;
	out->keys[k] = name;
	out->items[k] = *v;
	out->n = k == n ? n + 1 : n;
	return out;
}

/* The object of --params with the --param pairs on top; a later one of a name wins. *out NULL: none. */
static int collect_params(struct invocation *inv, struct json **out, struct err *e)
{
	const char *pairs[CLI_VALUES_MAX];
	size_t n = flag_values(inv, "param", pairs, CLI_VALUES_MAX);
	int rc = object_param(inv, out, e);

	for (size_t i = 0; !rc && i < n; i++) {
		const char *eq = strchr(pairs[i], '='); /* there is one: check_value() */
		struct str name = { pairs[i], (size_t)(eq - pairs[i]) };

		*out = with_member(inv, *out, name, param_value(inv, eq + 1));
	}
	return rc;
}

/* What an invocation of query or mutate comes to. */
struct request {
	struct target target;
	struct json *params; /* NULL: none */
	bool ad_hoc;
	struct strbuf source; /* ad hoc */
	const char *name;     /* of the query; NULL: the only one of the source */
};

/* Scope, then parameters, then source: all before the graph is opened. */
static int prepare(struct invocation *inv, const char *what, struct request *r, struct err *e)
{
	int rc = scope_target(inv, NULL, &r->target, e);

	r->name = inv->n_pos ? inv->pos[0] : NULL;
	if (!rc)
		rc = collect_params(inv, &r->params, e);
	if (!rc)
		rc = check_lane(inv, what, r->target.served, &r->ad_hoc, e);
	return rc || !r->ad_hoc ? rc : read_source(inv, &r->source, e);
}

/* A member is left out when it has no value. */
static void optional_member(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		jw_kstrz(w, key, value);
}

static void params_member(struct json_writer *w, const struct json *params)
{
	if (!params)
		return;
	jw_keyz(w, "params");
	jw_value(w, params);
}

static const char *query_path(struct arena *a, const char *name, const char *suffix)
{
	return arena_printf(a, "/queries/%s%s", url_segment(a, name), suffix);
}

/* Compile the selected query of the source against @c. */
static int compile(const struct request *r, struct catalog *c, struct query **out, struct err *e)
{
	const struct query_decl *decl;
	struct query_file *file = NULL;
	int rc = query_file_parse(sb_str(&r->source), &file, e);

	if (!rc)
		rc = query_file_select(file, r->name, &decl, e);
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

/* The format, and how a table looks; NULL when the operator configuration is broken. @preferred: of an alias, or NULL. */
static const char *pick_format(struct invocation *inv, const char *preferred, struct table_opts *table, struct err *e)
{
	const char *given = flag_given(inv, "json") ? "json" : flag_value(inv, "format"),
		   *format = given ? given : preferred;
	const struct operator_config *cfg;

	if (format && strcmp(format, "table"))
		return format;
	cfg = operator_config(inv, e);
	if (!cfg)
		return NULL;
	*table = (struct table_opts){ .max_width = cfg->table_width, .wrap = cfg->table_wrap };
	return format ? format : cfg->output ? cfg->output : "table";
}

static int query_local(struct invocation *inv, const struct request *r, struct strbuf *envelope, struct err *e)
{
	const char *snapshot = flag_value(inv, "snapshot"), *branch = flag_value(inv, "branch");
	struct query_target target = { .branch = snapshot ? NULL : branch ? branch : "main", .snapshot = snapshot };
	struct graph_open_opts opts = { .read_only = true };
	struct embedder *em = NULL;
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct graph *g = NULL;
	struct val *vals;
	int rc = graph_open(r->target.uri, &opts, &g, e);

	if (!rc) {
		set_embedder(g, &em);
		rc = graph_snapshot(g, branch, snapshot, &s, e);
	}
	if (!rc)
		rc = compile(r, (struct catalog *)snapshot_catalog(s), &q, e);
	if (!rc && query_is_mutation(q))
		rc = err_set(
			e, ERR_TYPE,
			"type error: mutation query cannot be typechecked with read-query API; use `omnigraph mutate`");
	if (!rc)
		rc = query_bind(q, &inv->arena, r->params, &vals, e);
	if (!rc)
		rc = graph_query(g, s, q, vals, &target, true, envelope, e);
	query_free(q);
	snapshot_put(s);
	graph_close(g);
	embedder_free(em);
	return rc;
}

static int query_remote(struct invocation *inv, const struct request *r, struct strbuf *envelope, struct err *e)
{
	struct remote_call call = { .method = "POST",
				    .path = r->ad_hoc ? "/query" : query_path(&inv->arena, r->name, "") };
	struct remote_reply reply;
	struct json_writer w;
	int rc;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	if (r->ad_hoc) {
		jw_kstr(&w, "query", sb_str(&r->source));
		optional_member(&w, "name", r->name);
	} else {
		jw_kbool(&w, "expect_mutation", false);
	}
	params_member(&w, r->params);
	optional_member(&w, "branch", flag_value(inv, "branch"));
	optional_member(&w, "snapshot", flag_value(inv, "snapshot"));
	jw_end_object(&w);
	rc = remote_send(inv, &r->target, &call, &reply, e);
	if (!rc)
		sb_adds(envelope, reply.body);
	return rc;
}

/* Render an envelope, whichever side it came from; frees it. */
static int print_envelope(struct strbuf *envelope, const char *format, const struct table_opts *table)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = read_format(sb_str(envelope), format, table, &out, &e);

	sb_free(envelope);
	if (!rc)
		return out_text(&out);
	sb_free(&out);
	return fail(&e, false);
}

int cmd_query(struct invocation *inv)
{
	struct strbuf envelope = STRBUF_INIT;
	struct table_opts table = { 0 };
	struct request r = { 0 };
	struct err e = ERR_INIT;
	const char *format = NULL;
	int rc = prepare(inv, "query", &r, &e);

	if (!rc) {
		format = pick_format(inv, NULL, &table, &e);
		rc = format ? 0 : -EINVAL;
	}
	if (!rc)
		rc = (r.target.served ? query_remote : query_local)(inv, &r, &envelope, &e);
	sb_free(&r.source);
	if (!rc)
		return print_envelope(&envelope, format, &table);
	sb_free(&envelope);
	return fail(&e, flag_given(inv, "json"));
}

/* --- alias -------------------------------------------------------------------------------------------------------------- */

static int no_alias(struct invocation *inv, const struct operator_config *cfg, struct err *e)
{
	return err_set(
		e, ERR_BAD_REQUEST,
		"unknown alias '%s'; defined aliases: [%s] (add it under `aliases:` in ~/.omnigraph/config.yaml)",
		inv->pos[0], OP_NAMES(&inv->arena, cfg->aliases, cfg->n_aliases));
}

static int check_arguments(struct invocation *inv, const struct op_alias *l, struct err *e)
{
	const char *names = "";

	for (size_t i = 0; l->params && i < l->params->n; i++)
		if (l->params->keys[i].type != YAML_SCALAR)
			return err_set(e, ERR_BAD_REQUEST, "alias '%s': params keys must be strings", l->name);
	if (inv->n_pos - 1 <= l->n_args)
		return 0;
	for (size_t i = 0; i < l->n_args; i++)
		names = arena_printf(&inv->arena, "%s%s%s", names, i ? ", " : "", l->args[i]);
	return err_set(e, ERR_BAD_REQUEST, "alias '%s' takes %zu positional arg(s) (%s), got %zu", l->name, l->n_args,
		       names, inv->n_pos - 1);
}

/* Fixed parameters, then positionals, then --params, then --param; the last wins. */
static int alias_params(struct invocation *inv, const struct op_alias *l, struct json **out, struct err *e)
{
	const struct json *fixed = l->params ? yaml_to_json(&inv->arena, l->params) : NULL;
	struct json *given, *all = NULL;
	int rc = check_arguments(inv, l, e);

	if (!rc)
		rc = collect_params(inv, &given, e);
	if (rc)
		return rc;
	for (size_t i = 0; fixed && fixed->type == JSON_OBJECT && i < fixed->n; i++)
		all = with_member(inv, all, fixed->keys[i], &fixed->items[i]);
	for (size_t i = 1; i < inv->n_pos; i++)
		all = with_member(inv, all, str_from(l->args[i - 1]), param_value(inv, inv->pos[i]));
	for (size_t i = 0; given && i < given->n; i++)
		all = with_member(inv, all, given->keys[i], &given->items[i]);
	*out = all;
	return 0;
}

static int alias_send(struct invocation *inv, const struct op_alias *l, struct strbuf *envelope, struct err *e)
{
	struct remote_call call = { .method = "POST", .path = query_path(&inv->arena, l->query, "") };
	struct remote_reply reply;
	struct json_writer w;
	struct json *params;
	struct target t;
	int rc = alias_params(inv, l, &params, e);

	if (!rc)
		rc = scope_server(inv, l->server, l->graph, &t, e);
	if (rc)
		return rc;
	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	jw_kbool(&w, "expect_mutation", false);
	params_member(&w, params);
	jw_end_object(&w);
	rc = remote_send(inv, &t, &call, &reply, e);
	if (!rc)
		sb_adds(envelope, reply.body);
	return rc;
}

int cmd_alias(struct invocation *inv)
{
	struct strbuf envelope = STRBUF_INIT;
	struct table_opts table = { 0 };
	struct err e = ERR_INIT;
	const struct operator_config *cfg = operator_config(inv, &e);
	const struct op_alias *l = cfg ? op_alias(cfg, inv->pos[0]) : NULL;
	const char *format;
	int rc = cfg ? 0 : -EINVAL;

	if (!rc)
		rc = l ? alias_send(inv, l, &envelope, &e) : no_alias(inv, cfg, &e);
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	format = pick_format(inv, l->format, &table, &e);
	return print_envelope(&envelope, format, &table);
}

/* --- mutate ---------------------------------------------------------------------------------------------------------------- */

static void mutation_doc(const char *branch, struct str name, const char *actor, const struct mutation_result *r,
			 struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
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
}

static int mutate_local(struct invocation *inv, const struct request *r, const char *branch, struct json **doc,
			struct err *e)
{
	struct write_opts opts = { .branch = branch,
				   .actor = scope_actor(inv),
				   .expected_head = flag_value(inv, "if-commit") };
	struct mutation_result result = { 0 };
	struct strbuf text = STRBUF_INIT;
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct graph *g = NULL;
	struct val *vals;
	int rc = graph_open(r->target.uri, NULL, &g, e);

	if (!rc)
		rc = graph_snapshot(g, branch, NULL, &s, e);
	if (!rc)
		rc = compile(r, (struct catalog *)snapshot_catalog(s), &q, e);
	if (!rc && !query_is_mutation(q))
		rc = err_set(e, ERR_BAD_REQUEST, "mutation execution called on a read query; use query instead");
	if (!rc)
		rc = query_bind(q, &inv->arena, r->params, &vals, e);
	snapshot_put(s);
	if (!rc)
		rc = graph_mutate(g, q, vals, &opts, &result, e);
	if (!rc) {
		mutation_doc(branch, query_name(q), opts.actor, &result, &text);
		rc = doc_parse(inv, &text, doc, e);
	}
	mutation_result_clear(&result);
	query_free(q);
	graph_close(g);
	return rc;
}

/* Without a condition, the spelling that every server accepts; with one, the route that an older server does not have (12.1). */
static const char *mutate_path(struct invocation *inv, const struct request *r, bool conditional)
{
	if (!r->ad_hoc)
		return query_path(&inv->arena, r->name, conditional ? "/if-graph-commit" : "");
	return conditional ? "/mutate/if-graph-commit" : "/change";
}

static int mutate_remote(struct invocation *inv, const struct request *r, const char *branch, struct json **doc,
			 struct err *e)
{
	const char *expected = flag_value(inv, "if-commit");
	struct remote_call call = { .method = "POST", .path = mutate_path(inv, r, expected) };
	struct json_writer w;

	if (expected)
		call.headers[0] = arena_printf(&inv->arena, "Omnigraph-If-Graph-Commit: %s", expected);
	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	if (r->ad_hoc) {
		jw_kstr(&w, expected ? "query" : "query_source", sb_str(&r->source));
		optional_member(&w, expected ? "name" : "query_name", r->name);
	} else {
		jw_kbool(&w, "expect_mutation", true);
	}
	params_member(&w, r->params);
	jw_kstrz(&w, "branch", branch);
	jw_end_object(&w);
	return remote_json(inv, &r->target, &call, doc, e);
}

/* A header value of ours: one word. */
static int check_if_commit(const struct invocation *inv, struct err *e)
{
	const char *id = flag_value(inv, "if-commit");

	for (const char *p = id; p && *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			return err_set(e, ERR_BAD_REQUEST, "--if-commit takes one commit id, not '%s'", id);
	return 0;
}

static void mutation_text(struct invocation *inv, const struct json *doc, struct strbuf *out)
{
	const char *actor = doc_optional(inv, doc, "actor_id");

	sb_addf(out, "changed %s via %s: %s nodes, %s edges\n", doc_text(inv, doc, "branch"),
		doc_text(inv, doc, "query_name"), doc_text(inv, doc, "affected_nodes"),
		doc_text(inv, doc, "affected_edges"));
	if (actor)
		sb_addf(out, "actor_id: %s\n", actor);
}

int cmd_mutate(struct invocation *inv)
{
	static const char *const members[] = { "branch", "query_name", "affected_nodes", "affected_edges", "actor_id",
					       "commit", NULL };
	const char *given = flag_value(inv, "branch"), *branch = given ? given : "main";
	struct request r = { 0 };
	struct err e = ERR_INIT;
	struct json *doc;
	int rc = prepare(inv, "mutation", &r, &e);

	if (!rc)
		rc = check_if_commit(inv, &e);
	if (!rc)
		rc = (r.target.served ? mutate_remote : mutate_local)(inv, &r, branch, &doc, &e);
	sb_free(&r.source);
	return rc ? fail(&e, flag_given(inv, "json")) : print_doc(inv, doc, members, mutation_text);
}
