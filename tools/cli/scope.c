/* SPDX-License-Identifier: MIT */
/* Which graph a command addresses (spec/cli.md 4). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/cluster.h>

#include "tools/cli/cli.h"
#include "tools/cli/operator_config.h"
#include "tools/cli/remote.h"

static const struct scope_flag {
	const char *name, *clause;
	unsigned bit;
} scope_flags[] = {
	{ "server", "--server addresses a served graph", SCOPE_SERVER },
	{ "cluster", "--cluster addresses a cluster-scoped command", SCOPE_CLUSTER },
	{ "graph", "--graph selects a graph within a server or cluster scope", SCOPE_GRAPH },
	{ "store", "--store addresses a single graph's storage directly", SCOPE_STORE },
	{ "as", "--as sets the actor for a direct-engine or actor-bound cluster operation", SCOPE_AS },
	{ "profile", "--profile selects a scope bundle", SCOPE_PROFILE },
};

static const char *remedy(const struct command *c)
{
	switch (c->cap) {
	case CAP_DIRECT:
		return c->scopes & SCOPE_CLUSTER && strcmp(c->family, "lint")
			       ? " Pass a storage URI, or --cluster <dir> --graph <id>."
			       : " Pass a storage URI.";
	case CAP_CONTROL:
		return strcmp(c->family, "cluster")
			       ? " It operates on a cluster (pass --cluster <dir|uri>, or select a cluster profile)."
			       : " It operates on a cluster config directory (pass --config <dir>).";
	case CAP_LOCAL:
		return " It does not address a graph.";
	case CAP_SERVED:
		return " Address the server with --server <name|url> or --profile <name>.";
	case CAP_ANY:
		break;
	}
	return "";
}

/* An alias says all of it in the configuration. */
static int check_alias(const struct invocation *inv)
{
	static const char *const order[] = { "server", "graph", "store", "cluster", "profile", "as" };
	struct strbuf given = STRBUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (flag_given(inv, order[i]))
			sb_addf(&given, "%s--%s", given.n ? ", " : "", order[i]);
	if (given.n)
		rc = refuse("`alias` uses the server, graph, and stored query declared in `aliases.<name>` in "
			    "~/.omnigraph/config.yaml; remove global scope flag(s): %s",
			    given.s);
	sb_free(&given);
	return rc;
}

int scope_check(const struct invocation *inv)
{
	static const char *const phrases[] = { "data", "served", "direct (storage-native)", "cluster control",
					       "local" };

	if (!strcmp(inv->cmd->family, "alias"))
		return check_alias(inv);
	for (size_t i = 0; i < ARRAY_SIZE(scope_flags); i++)
		if (!(inv->cmd->scopes & scope_flags[i].bit) && flag_given(inv, scope_flags[i].name))
			return refuse("`%s` is a %s command; %s and does not apply.%s", inv->cmd->label,
				      phrases[inv->cmd->cap], scope_flags[i].clause, remedy(inv->cmd));
	return 0;
}

/* --- addresses (4.3, 4.4) ---------------------------------------------------------------------------------------------- */

/* More than one explicit address is refused. */
static int check_one_address(const struct invocation *inv, const char *uri, struct err *e)
{
	const char *given[4];
	size_t n = 0;

	if (uri)
		given[n++] = "a positional URI";
	if (flag_given(inv, "store"))
		given[n++] = "--store";
	if (flag_given(inv, "server"))
		given[n++] = "--server";
	if (flag_given(inv, "cluster"))
		given[n++] = "--cluster";
	if (n < 2)
		return 0;
	return err_set(e, ERR_BAD_REQUEST, "%s and %s are mutually exclusive — pick one way to address the graph",
		       given[0], given[1]);
}

static bool is_http(const char *url)
{
	return !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
}

/* A storage URI never dispatches to a server. */
static int to_storage(const struct invocation *inv, const char *uri, struct target *t, struct err *e)
{
	*t = (struct target){ .uri = uri };
	if (!is_http(uri))
		return 0;
	if (inv->cmd->cap == CAP_DIRECT)
		return err_set(e, ERR_BAD_REQUEST,
			       "`%s` is a direct (storage-native) command and needs direct storage access; the "
			       "resolved target is a remote server (%s). Pass the graph's file:// or s3:// URI.",
			       inv->cmd->label, uri);
	return err_set(e, ERR_BAD_REQUEST,
		       "a remote graph must be addressed with `--server <url>` — a positional (or `--uri`) http(s):// "
		       "URL no longer dispatches to a server");
}

int scope_server(struct invocation *inv, const char *server, const char *graph, struct target *t, struct err *e)
{
	const struct operator_config *cfg;
	const struct op_server *s;
	const char *url = server;
	size_t n;

	if (!strstr(server, "://")) {
		cfg = operator_config(inv, e);
		if (!cfg)
			return -EINVAL;
		s = op_server(cfg, server);
		if (!s)
			return err_set(
				e, ERR_BAD_REQUEST,
				"unknown server '%s' — servers defined in the operator config: [%s] (add it under "
				"servers: in ~/.omnigraph/config.yaml)",
				server, OP_NAMES(&inv->arena, cfg->servers, cfg->n_servers));
		url = s->url;
	}
	if (!is_http(url))
		return err_set(e, ERR_BAD_REQUEST, "a server scope resolves to an http(s):// URL; `%s` is not one",
			       url);
	n = strlen(url);
	while (n && url[n - 1] == '/')
		n--;
	*t = (struct target){ .served = true, .server = server, .graph = graph };
	t->base = arena_printf(&inv->arena, "%.*s", (int)n, url);
	t->uri = graph ? arena_printf(&inv->arena, "%s/graphs/%s", t->base, url_segment(&inv->arena, graph)) : t->base;
	return 0;
}

static int to_cluster(struct invocation *inv, const char *cluster, const char *graph, struct target *t, struct err *e)
{
	const struct operator_config *cfg;
	const struct op_cluster *named;
	char *resolved;
	int rc;

	/* a directory need not be looked up, so a broken configuration does not hinder it */
	if (!strchr(cluster, '/') && strcmp(cluster, ".")) {
		cfg = operator_config(inv, e);
		if (!cfg)
			return -EINVAL;
		named = op_cluster(cfg, cluster);
		cluster = named ? named->root : cluster;
	}
	rc = cluster_graph_uri(cluster, graph, &resolved, e);
	if (rc)
		return rc;
	*t = (struct target){ .uri = arena_strdup(&inv->arena, resolved) };
	free(resolved);
	return 0;
}

/* --- scopes: --cluster, a profile, the defaults ------------------------------------------------------------------------- */

struct scope {
	enum scope_kind kind;
	const char *value, *graph, *source; /* in messages: --cluster, profile 'x', operator defaults */
};

int profile_scope(struct arena *a, const struct op_profile *p, enum scope_kind *kind, const char **value, struct err *e)
{
	const char *bound[3], *words = "";
	enum scope_kind kinds[3];
	size_t n = 0;

	if (p->server) {
		kinds[n] = SCOPED_SERVER;
		bound[n++] = p->server;
	}
	if (p->cluster) {
		kinds[n] = SCOPED_CLUSTER;
		bound[n++] = p->cluster;
	}
	if (p->store) {
		kinds[n] = SCOPED_STORE;
		bound[n++] = p->store;
	}
	if (n == 1) {
		*kind = kinds[0];
		*value = bound[0];
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		words = arena_printf(a, "%s%s%s", words, i ? ", " : "", scope_kind_word(kinds[i]));
	if (n == 0)
		return err_set(e, ERR_BAD_REQUEST,
			       "profile '%s' binds no scope; set exactly one of `server`, `cluster`, or `store`",
			       p->name);
	return err_set(e, ERR_BAD_REQUEST,
		       "profile '%s' binds %zu scopes (%s); a profile must bind exactly one of `server`, `cluster`, or "
		       "`store`",
		       p->name, n, words);
}

const char *scope_kind_word(enum scope_kind k)
{
	static const char *const words[] = { "none", "server", "cluster", "store" };

	return words[k];
}

const char *active_profile(const struct invocation *inv)
{
	const char *env = getenv("OMNIGRAPH_PROFILE");

	if (flag_given(inv, "profile"))
		return flag_value(inv, "profile");
	return env && env[0] ? env : NULL;
}

static int scope_of_profile(struct invocation *inv, const struct operator_config *cfg, const char *name,
			    struct scope *out, struct err *e)
{
	const struct op_profile *p = op_profile(cfg, name);
	const char *graph = flag_value(inv, "graph");
	int rc;

	if (!p)
		return err_set(e, ERR_BAD_REQUEST,
			       "unknown profile '%s' (not defined under `profiles:` in operator config)", name);
	rc = profile_scope(&inv->arena, p, &out->kind, &out->value, e);
	out->graph = graph ? graph : p->default_graph;
	out->source = arena_printf(&inv->arena, "profile '%s'", name);
	return rc;
}

static int scope_of_config(struct invocation *inv, struct scope *out, struct err *e)
{
	const struct operator_config *cfg = operator_config(inv, e);
	const char *name = active_profile(inv), *graph = flag_value(inv, "graph");

	if (!cfg)
		return -EINVAL;
	if (name)
		return scope_of_profile(inv, cfg, name, out, e);
	*out = (struct scope){ .source = "operator defaults" };
	if (cfg->server) {
		out->kind = SCOPED_SERVER;
		out->value = cfg->server;
		out->graph = graph ? graph : cfg->default_graph;
	} else if (cfg->store) {
		out->kind = SCOPED_STORE;
		out->value = cfg->store;
		out->graph = graph;
	}
	return 0;
}

static int refuse_scope(const struct invocation *inv, const struct scope *s, struct err *e)
{
	const char *inspect = " (to enumerate a cluster's graphs: `omnigraph cluster status --config <dir>`)";

	if (inv->cmd->cap == CAP_SERVED)
		return err_set(e, ERR_BAD_REQUEST,
			       "this command requires a server, but %s resolves a %s scope; address the server with "
			       "--server <name|url> or --profile <name>%s",
			       s->source, scope_kind_word(s->kind), s->kind == SCOPED_CLUSTER ? inspect : "");
	if (inv->cmd->cap == CAP_DIRECT)
		return err_set(e, ERR_BAD_REQUEST,
			       "this command needs direct storage access, but %s resolves a server scope; name storage "
			       "explicitly with --store <uri> (or --cluster <dir> --graph <id> for a managed graph)",
			       s->source);
	return err_set(e, ERR_BAD_REQUEST,
		       "%s resolves a cluster scope, which is not valid for graph data commands; run data commands "
		       "through a server, or use --store <uri> for ad-hoc direct access",
		       s->source);
}

static bool scope_fits(enum capability cap, enum scope_kind kind)
{
	switch (cap) {
	case CAP_SERVED:
		return kind == SCOPED_SERVER;
	case CAP_DIRECT:
		return kind != SCOPED_SERVER;
	default:
		return kind != SCOPED_CLUSTER;
	}
}

static int to_scope(struct invocation *inv, const struct scope *s, struct target *t, struct err *e)
{
	if (!scope_fits(inv->cmd->cap, s->kind))
		return refuse_scope(inv, s, e);
	switch (s->kind) {
	case SCOPED_SERVER:
		return scope_server(inv, s->value, inv->cmd->cap == CAP_SERVED ? NULL : s->graph, t, e);
	case SCOPED_CLUSTER:
		return to_cluster(inv, s->value, s->graph, t, e);
	default:
		if (s->graph)
			return err_set(
				e, ERR_BAD_REQUEST,
				"--graph does not apply to a store scope (%s): a store is already a single graph",
				s->source);
		return to_storage(inv, s->value, t, e);
	}
}

static int no_address(const struct invocation *inv, struct err *e)
{
	if (inv->cmd->cap == CAP_SERVED)
		return err_set(e, ERR_BAD_REQUEST,
			       "`%s` needs a server scope — pass --server <name|url> or --profile <name>, or set "
			       "`defaults.server` in ~/.omnigraph/config.yaml",
			       inv->cmd->label);
	return err_set(
		e, ERR_BAD_REQUEST,
		"no graph addressed — pass a positional URI, --store <uri>, --server <name>, --profile <name>, or "
		"set a default scope in ~/.omnigraph/config.yaml");
}

/* --as is for direct writes; a server knows its callers by their tokens. */
static int check_served_actor(const struct invocation *inv, struct err *e)
{
	if (!flag_given(inv, "as") || !inv->cmd->writes)
		return 0;
	return err_set(e, ERR_BAD_REQUEST,
		       "`--as` is not allowed on a served write — the server resolves the actor from the bearer token. "
		       "Remove `--as`, or run the write directly against storage with `--store <uri>`.");
}

static int resolve(struct invocation *inv, const char *uri, struct target *t, struct err *e)
{
	const char *store = flag_value(inv, "store"), *server = flag_value(inv, "server"),
		   *cluster = flag_value(inv, "cluster"), *graph = flag_value(inv, "graph");
	struct scope s = { 0 };
	int rc = check_one_address(inv, uri, e);

	if (rc)
		return rc;
	if (cluster)
		return to_cluster(inv, cluster, graph, t, e);
	if (server)
		return scope_server(inv, server, inv->cmd->cap == CAP_SERVED ? NULL : graph, t, e);
	if ((uri || store) && graph)
		return err_set(e, ERR_BAD_REQUEST,
			       "--graph selects a graph within a server or cluster scope; a positional URI / --store "
			       "is already a single graph");
	if (uri || store)
		return to_storage(inv, uri ? uri : store, t, e);
	rc = scope_of_config(inv, &s, e);
	if (rc)
		return rc;
	return s.kind == SCOPED_NONE ? no_address(inv, e) : to_scope(inv, &s, t, e);
}

int scope_target(struct invocation *inv, const char *uri, struct target *t, struct err *e)
{
	int rc;

	*t = (struct target){ 0 };
	rc = resolve(inv, uri, t, e);
	if (!rc && t->served)
		rc = check_served_actor(inv, e);
	return rc ? rc : t->served && inv->cmd->cap == CAP_ANY && !t->graph ? remote_no_graph(inv, t, e) : 0;
}

int scope_graph(struct invocation *inv, const char *uri, const char **out, struct err *e)
{
	struct target t;
	int rc = scope_target(inv, uri, &t, e);

	*out = t.uri;
	if (!rc && t.served)
		return err_set(e, ERR_UNSUPPORTED,
			       "`%s` through a server is not there yet in this build; address the storage with --store "
			       "<uri>, or use curl against %s",
			       inv->cmd->label, t.uri);
	return rc;
}

/* --- actor and target line ---------------------------------------------------------------------------------------------- */

const char *scope_actor(struct invocation *inv)
{
	const char *as = flag_value(inv, "as");

	return as ? as : inv->config ? inv->config->actor : NULL;
}

int scope_check_actor(struct invocation *inv)
{
	struct err e = ERR_INIT;

	if (!(inv->cmd->scopes & SCOPE_AS) || flag_given(inv, "as") || operator_config(inv, &e))
		return 0;
	return fail(&e, false);
}

static bool is_local(const char *uri)
{
	return !strstr(uri, "://") || !strncmp(uri, "file://", 7);
}

void target_line(const struct invocation *inv, const char *verb, const char *uri)
{
	const char *access = is_http(uri) ? "served" : is_local(uri) ? "direct, local" : "direct, remote";

	if (!flag_given(inv, "quiet"))
		fprintf(stderr, "omnigraph %s → %s (%s)\n", verb, uri, access);
}

/* One line of the terminal: yes or y. */
static bool says_yes(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	return str_eq_nocase(str_trim(str_from(line)), STR("yes")) || str_eq_nocase(str_trim(str_from(line)), STR("y"));
}

int confirm_destructive(const struct invocation *inv, const char *verb, const char *uri, struct err *e)
{
	if (is_local(uri) || flag_given(inv, "yes"))
		return 0;
	if (!isatty(STDIN_FILENO) || flag_given(inv, "json"))
		return err_set(
			e, ERR_BAD_REQUEST,
			"refusing destructive `%s` against non-local target %s without confirmation; pass --yes to "
			"confirm (an interactive TTY would be prompted instead)",
			verb, uri);
	fprintf(stderr, "About to run a destructive `%s` against %s (not local). Type 'yes' to continue: ", verb, uri);
	if (says_yes())
		return 0;
	return err_set(e, ERR_BAD_REQUEST, "aborted: destructive `%s` not confirmed", verb);
}
