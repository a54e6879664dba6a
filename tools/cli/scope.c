/* SPDX-License-Identifier: MIT */
/* Which graph a command addresses (spec/cli.md 4). */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/cluster.h>

#include "tools/cli/cli.h"

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

int scope_check(const struct invocation *inv)
{
	static const char *const phrases[] = { "data", "served", "direct (storage-native)", "cluster control",
					       "local" };

	for (size_t i = 0; i < ARRAY_SIZE(scope_flags); i++)
		if (!(inv->cmd->scopes & scope_flags[i].bit) && flag_given(inv, scope_flags[i].name))
			return refuse("`%s` is a %s command; %s and does not apply.%s", inv->cmd->label,
				      phrases[inv->cmd->cap], scope_flags[i].clause, remedy(inv->cmd));
	return 0;
}

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

static int check_not_http(const struct invocation *inv, const char *uri, struct err *e)
{
	if (strncmp(uri, "http://", 7) && strncmp(uri, "https://", 8))
		return 0;
	if (inv->cmd->cap == CAP_DIRECT)
		return err_set(e, ERR_BAD_REQUEST,
			       "`%s` is a direct (storage-native) command and needs direct storage access; the "
			       "resolved target is a "
			       "remote server (%s). Pass the graph's file:// or s3:// URI.",
			       inv->cmd->label, uri);
	return err_set(e, ERR_BAD_REQUEST,
		       "a remote graph must be addressed with `--server <url>` — a positional (or `--uri`) http(s):// "
		       "URL no longer "
		       "dispatches to a server");
}

int scope_graph(struct invocation *inv, const char *uri, const char **out, struct err *e)
{
	const char *store = flag_value(inv, "store"), *cluster = flag_value(inv, "cluster");
	const struct operator_config *cfg;
	char *resolved;
	int rc = check_one_address(inv, uri, e);

	if (rc)
		return rc;
	if (flag_given(inv, "server") || flag_given(inv, "profile"))
		return err_set(e, ERR_UNSUPPORTED,
			       "working through a server (--server, --profile) is not there yet in this build; address "
			       "the storage "
			       "with --store <uri>, or use curl against omnigraph-server");
	if (cluster) {
		rc = cluster_graph_uri(cluster, flag_value(inv, "graph"), &resolved, e);
		if (!rc)
			*out = arena_strdup(&inv->arena, resolved);
		if (!rc)
			free(resolved);
		return rc;
	}
	if ((uri || store) && flag_given(inv, "graph"))
		return err_set(e, ERR_BAD_REQUEST,
			       "--graph selects a graph within a server or cluster scope; a positional URI / --store "
			       "is already a "
			       "single graph");
	*out = uri ? uri : store;
	if (!*out) {
		cfg = operator_config(inv, e);
		if (!cfg)
			return -EINVAL;
		*out = cfg->store;
	}
	if (!*out)
		return err_set(e, ERR_BAD_REQUEST,
			       "no graph addressed — pass a positional URI, --store <uri>, --server <name>, --profile "
			       "<name>, or set a "
			       "default scope in ~/.omnigraph/config.yaml");
	return check_not_http(inv, *out, e);
}

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

void target_line(const struct invocation *inv, const char *verb, const char *uri)
{
	bool local = !strstr(uri, "://") || !strncmp(uri, "file://", 7);

	if (!flag_given(inv, "quiet"))
		fprintf(stderr, "omnigraph %s → %s (direct, %s)\n", verb, uri, local ? "local" : "remote");
}
