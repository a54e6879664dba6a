/* SPDX-License-Identifier: MIT */
/* The command table (spec/cli.md 3): what there is, what it takes, what it is for. */
#include "tools/cli/cli.h"

static const char *const formats[] = { "table", "kv", "csv", "jsonl", "json", NULL };
static const char *const modes[] = { "overwrite", "append", "merge", NULL };

#define FLAG_JSON                                                 \
	{                                                         \
		.name = "json", .help = "Print one JSON document" \
	}
#define FLAG_BRANCH                                                                   \
	{                                                                             \
		.name = "branch", .value = "BRANCH", .help = "Branch (default: main)" \
	}
#define FLAG_URI                                                              \
	{                                                                     \
		.name = "uri", .value = "URI", .help = "Storage of the graph" \
	}
#define FLAG_CONFIG                                                                                      \
	{                                                                                                \
		.name = "config", .value = "DIR", .help = "Cluster configuration directory (default: .)" \
	}
#define FLAG_SCHEMA                                                                              \
	{                                                                                        \
		.name = "schema", .value = "FILE", .required = true, .help = "Schema file (.pg)" \
	}
#define FLAG_QUERY                                                                                                  \
	{                                                                                                           \
		.name = "query", .value = "FILE", .input = true, .help = "Query file (.gq); - reads standard input" \
	}
#define FLAG_QUERY_STRING                                                                  \
	{                                                                                  \
		.name = "query-string", .letter = 'e', .value = "GQ", .help = "Query text" \
	}
#define FLAG_PARAMS                                                                        \
	{                                                                                  \
		.name = "params", .value = "JSON", .help = "Parameters as one JSON object" \
	}
#define FLAG_PARAMS_FILE                                                 \
	{                                                                \
		.name = "params-file", .value = "FILE", .input = true,   \
		.help = "Parameters from a file; - reads standard input" \
	}
#define FLAG_PARAM                                                                    \
	{                                                                             \
		.name = "param", .value = "NAME=VALUE", .repeat = true, .pair = true, \
		.help = "One parameter; VALUE is JSON, else text"                     \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

static const struct flag none[] = { END };
static const struct flag json_only[] = { FLAG_JSON, END };
static const struct flag query_flags[] = {
	FLAG_QUERY,
	FLAG_QUERY_STRING,
	FLAG_PARAMS,
	FLAG_PARAMS_FILE,
	FLAG_PARAM,
	FLAG_BRANCH,
	{ .name = "snapshot", .value = "ID", .help = "Read at this commit" },
	{ .name = "format", .value = "FORMAT", .set = formats, .help = "Output format" },
	FLAG_JSON,
	END
};
static const struct flag alias_flags[] = {
	FLAG_PARAMS, FLAG_PARAMS_FILE,
	FLAG_PARAM,  { .name = "format", .value = "FORMAT", .set = formats, .help = "Output format" },
	FLAG_JSON,   END
};
static const char *const alias_exclude[] = { "params", "params-file", "format", "json", NULL };
static const struct flag login_flags[] = {
	{ .name = "token", .value = "TOKEN", .help = "The token; else one line of standard input" }, FLAG_JSON, END
};
static const char *const query_exclude[] = { "query",	 "query-string", "params", "params-file", "branch",
					     "snapshot", "format",	 "json",   NULL };
static const struct flag mutate_flags[] = {
	FLAG_QUERY,
	FLAG_QUERY_STRING,
	FLAG_PARAMS,
	FLAG_PARAMS_FILE,
	FLAG_PARAM,
	FLAG_BRANCH,
	{ .name = "if-commit", .value = "ID", .help = "Only while the branch head is this commit" },
	FLAG_JSON,
	END
};
static const char *const mutate_exclude[] = { "query", "query-string", "params", "params-file", NULL };
static const struct flag load_flags[] = {
	{ .name = "data",
	  .value = "FILE",
	  .required = true,
	  .input = true,
	  .help = "NDJSON file; - reads standard input" },
	{ .name = "mode", .value = "MODE", .set = modes, .required = true, .help = "What happens to existing rows" },
	FLAG_BRANCH,
	{ .name = "from", .value = "BRANCH", .help = "Fork a missing branch from this one" },
	FLAG_JSON,
	END
};
static const struct flag branch_create_flags[] = {
	FLAG_URI, { .name = "from", .value = "BRANCH", .help = "Source (default: main)" }, FLAG_JSON, END
};
static const struct flag merge_flags[] = { FLAG_URI,
					   { .name = "into", .value = "BRANCH", .help = "Target (default: main)" },
					   { .name = "delete-branch",
					     .help = "Delete the source after a successful merge" },
					   FLAG_JSON,
					   END };
static const struct flag uri_json[] = { FLAG_URI, FLAG_JSON, END };
static const struct flag branch_json[] = { FLAG_BRANCH, FLAG_JSON, END };
static const struct flag export_flags[] = {
	FLAG_BRANCH,
	{ .name = "type", .value = "TYPE", .repeat = true, .help = "Only this type" },
	{ .name = "jsonl", .hidden = true, .help = "Deprecated, no effect" },
	END
};
static const char *const kinds[] = { "node", "edge", NULL };
static const char *const ops[] = { "insert", "update", "delete", NULL };

#define FLAG_LIMIT                                                                              \
	{                                                                                       \
		.name = "limit", .value = "N", .number = true, .help = "Changes of one request" \
	}
#define FLAGS_FILTER                                                                                            \
	{ .name = "kind", .value = "KIND", .set = kinds, .repeat = true, .help = "Only nodes, or only edges" }, \
		{ .name = "type", .value = "TYPE", .repeat = true, .help = "Only this type" },                  \
	{                                                                                                       \
		.name = "op", .value = "OP", .set = ops, .repeat = true, .help = "Only these changes"           \
	}

static const struct flag commit_changes_flags[] = {
	FLAG_URI,     FLAG_LIMIT, { .name = "page-token", .value = "TOKEN", .help = "Only the page behind this one" },
	FLAGS_FILTER, FLAG_JSON,  END
};
static const char *const entities[] = { "node", "edge", NULL };
static const struct flag blob_get_flags[] = {
	FLAG_BRANCH,
	{ .name = "snapshot", .value = "ID", .help = "Read at this commit" },
	{ .name = "offset", .value = "N", .number = true, .help = "First byte" },
	{ .name = "length", .value = "N", .number = true, .help = "How many bytes" },
	{ .name = "out", .value = "FILE", .help = "Where the bytes go; else to standard output" },
	END
};
static const struct flag blob_stat_flags[] = {
	FLAG_BRANCH, { .name = "snapshot", .value = "ID", .help = "Read at this commit" }, FLAG_JSON, END
};
static const char *const blob_exclude[] = { "branch", "snapshot", NULL };
static const struct flag poll_flags[] = {
	FLAG_URI,
	FLAG_BRANCH,
	{ .name = "cursor", .value = "CURSOR", .help = "Go on behind an earlier poll" },
	{ .name = "start", .value = "START", .help = "now (default), beginning or after:<commit_id>" },
	FLAG_LIMIT,
	FLAGS_FILTER,
	FLAG_JSON,
	END
};
static const char *const poll_exclude[] = { "cursor", "start", NULL };
static const struct flag baseline_flags[] = {
	FLAG_URI,     FLAG_BRANCH,
	FLAGS_FILTER, { .name = "out", .value = "FILE", .required = true, .help = "Where the rows go" },
	FLAG_JSON,    END
};
static const struct flag schema_flags[] = {
	FLAG_SCHEMA, { .name = "allow-data-loss", .help = "Drops are hard" }, FLAG_JSON, END
};
static const struct flag init_flags[] = { FLAG_SCHEMA,
					  { .name = "force", .help = "Replace orphan schema files of a crashed init" },
					  END };
static const struct flag lint_flags[] = {
	{ .name = "query", .value = "FILE", .required = true, .help = "Query file (.gq)" },
	{ .name = "schema", .value = "FILE", .help = "Check against this schema, without a graph" },
	FLAG_JSON,
	END
};
static const struct flag cleanup_flags[] = {
	{ .name = "keep", .value = "N", .number = true, .help = "The newest commits of each branch stay" },
	{ .name = "older-than", .value = "DUR", .help = "Only what is older may go: digits and s, m, h, d or w" },
	{ .name = "confirm", .help = "Do it; without this the policy is only shown" },
	FLAG_JSON,
	END
};
static const struct flag cluster_flags[] = { FLAG_CONFIG, FLAG_JSON, END };
static const struct flag cluster_status_flags[] = {
	FLAG_CONFIG,
	FLAG_JSON,
	{ .name = "watch", .help = "(extension) Print it again whenever it changes; with --json one object a line" },
	{ .name = "interval-ms", .value = "MS", .number = true, .help = "How often --watch looks (default: 1000)" },
	END
};

#define SCOPES_READ (SCOPE_SERVER | SCOPE_GRAPH | SCOPE_STORE | SCOPE_PROFILE)
#define SCOPES_DATA (SCOPES_READ | SCOPE_AS)
#define SCOPES_DIRECT (SCOPE_CLUSTER | SCOPE_GRAPH | SCOPE_STORE | SCOPE_PROFILE)

#define CLUSTER_WITH(flags_, word, scopes_, pos, n, text)                                                    \
	{                                                                                                    \
		"cluster", word, "cluster", CAP_CONTROL, scopes_, pos, n, n, flags_, NULL, cmd_cluster, text \
	}
#define CLUSTER(...) CLUSTER_WITH(cluster_flags, __VA_ARGS__)

const struct command commands[] = {
	{ "query", NULL, "query", CAP_ANY, SCOPES_READ, "[NAME]", 0, 1, query_flags, query_exclude, cmd_query,
	  "Run a read query" },
	{ "mutate", NULL, "mutate", CAP_ANY, SCOPES_DATA, "[NAME]", 0, 1, mutate_flags, mutate_exclude, cmd_mutate,
	  "Run a mutation as one commit", .writes = true },
	{ "load", NULL, "load", CAP_ANY, SCOPES_DATA, "[URI]", 0, 1, load_flags, NULL, cmd_load,
	  "Load strict NDJSON as one commit", .writes = true },
	{ "branch", "create", "branch", CAP_ANY, SCOPES_DATA, "<NAME>", 1, 1, branch_create_flags, NULL,
	  cmd_branch_create, "Create a branch", .writes = true },
	{ "branch", "list", "branch", CAP_ANY, SCOPES_DATA, "", 0, 0, uri_json, NULL, cmd_branch_list,
	  "List branches" },
	{ "branch", "delete", "branch", CAP_ANY, SCOPES_DATA, "<NAME>", 1, 1, uri_json, NULL, cmd_branch_delete,
	  "Delete a branch", .writes = true },
	{ "branch", "merge", "branch", CAP_ANY, SCOPES_DATA, "<SOURCE>", 1, 1, merge_flags, NULL, cmd_branch_merge,
	  "Merge a branch into another", .writes = true },
	{ "snapshot", NULL, "snapshot", CAP_ANY, SCOPES_DATA, "[URI]", 0, 1, branch_json, NULL, cmd_snapshot,
	  "Show a branch's newest state" },
	{ "export", NULL, "export", CAP_ANY, SCOPES_DATA, "[URI]", 0, 1, export_flags, NULL, cmd_export,
	  "Stream a branch as NDJSON" },
	{ "blob", "get", "blob get", CAP_ANY, SCOPES_READ, "<ENTITY> <TYPE> <ID> <PROPERTY>", 4, 4, blob_get_flags,
	  blob_exclude, cmd_blob_get, "Copy the bytes of a Blob cell", .first_set = entities },
	{ "blob", "stat", "blob stat", CAP_ANY, SCOPES_READ, "<ENTITY> <TYPE> <ID> <PROPERTY>", 4, 4, blob_stat_flags,
	  blob_exclude, cmd_blob_stat, "Describe a Blob cell", .first_set = entities },
	{ "commit", "list", "commit", CAP_ANY, SCOPES_READ, "[URI]", 0, 1, branch_json, NULL, cmd_commit_list,
	  "List commits, newest first" },
	{ "commit", "show", "commit", CAP_ANY, SCOPES_READ, "<COMMIT_ID>", 1, 1, uri_json, NULL, cmd_commit_show,
	  "Show one commit" },
	{ "commit", "changes", "commit", CAP_ANY, SCOPES_READ, "<COMMIT_ID>", 1, 1, commit_changes_flags, NULL,
	  cmd_commit_changes, "Show what a commit changed" },
	{ "changes", "poll", "changes poll", CAP_ANY, SCOPES_READ, "", 0, 0, poll_flags, poll_exclude, cmd_changes_poll,
	  "Show what new commits changed" },
	{ "changes", "baseline", "changes baseline", CAP_ANY, SCOPES_READ, "", 0, 0, baseline_flags, NULL,
	  cmd_changes_baseline, "Store a snapshot and the cursor that goes on behind it" },
	{ "schema", "plan", "schema plan", CAP_DIRECT, SCOPE_STORE | SCOPE_PROFILE, "[URI]", 0, 1, schema_flags, NULL,
	  cmd_schema_plan, "Show what a schema change would do" },
	{ "schema", "apply", "schema apply", CAP_ANY, SCOPES_DATA, "[URI]", 0, 1, schema_flags, NULL, cmd_schema_apply,
	  "Apply a schema change", .writes = true },
	{ "schema", "show", "schema show", CAP_ANY, SCOPES_DATA, "[URI]", 0, 1, json_only, NULL, cmd_schema_show,
	  "Print the accepted schema" },
	{ "graphs", "list", "graphs list", CAP_SERVED, SCOPE_SERVER | SCOPE_PROFILE, "", 0, 0, json_only, NULL,
	  cmd_graphs_list, "List the graphs of a server" },
	{ "init", NULL, "init", CAP_DIRECT, 0, "<URI>", 1, 1, init_flags, NULL, cmd_init, "Create a graph" },
	{ "optimize", NULL, "optimize", CAP_DIRECT, SCOPES_DIRECT, "[URI]", 0, 1, json_only, NULL, cmd_optimize,
	  "Compact the storage of a graph" },
	{ "cleanup", NULL, "cleanup", CAP_DIRECT, SCOPES_DIRECT, "[URI]", 0, 1, cleanup_flags, NULL, cmd_cleanup,
	  "Remove the states of old commits" },
	{ "lint", NULL, "lint", CAP_DIRECT, SCOPES_DIRECT, "[URI]", 0, 1, lint_flags, NULL, cmd_lint,
	  "Check a query file" },
	CLUSTER("validate", 0, "", 0, "Check cluster.yaml and the files it names"),
	CLUSTER("plan", 0, "", 0, "Show what apply would change"),
	CLUSTER("apply", SCOPE_AS, "", 0, "Converge the cluster to its declaration"),
	CLUSTER_WITH(cluster_status_flags, "status", 0, "", 0, "Show the ledger"),
	CLUSTER("refresh", 0, "", 0, "Bring the ledger in line with what is there"),
	CLUSTER("import", 0, "", 0, "Make the first ledger"),
	CLUSTER("approve", SCOPE_AS, "<RESOURCE>", 1, "Approve a gated change"),
	CLUSTER("force-unlock", 0, "<LOCK_ID>", 1, "Remove a lock that a dead command left"),
	{ "alias", NULL, "alias", CAP_LOCAL, 0, "<NAME> [ARG...]", 1, CLI_VALUES_MAX, alias_flags, alias_exclude,
	  cmd_alias, "Run a stored query as named in the operator configuration" },
	{ "login", NULL, "login", CAP_LOCAL, 0, "<NAME>", 1, 1, login_flags, NULL, cmd_login,
	  "Keep the token of a server" },
	{ "logout", NULL, "logout", CAP_LOCAL, 0, "<NAME>", 1, 1, json_only, NULL, cmd_logout,
	  "Forget the token of a server" },
	{ "profile", "list", "profile", CAP_LOCAL, 0, "", 0, 0, json_only, NULL, cmd_profile_list,
	  "List the profiles of the operator configuration" },
	{ "profile", "show", "profile", CAP_LOCAL, 0, "[NAME]", 0, 1, json_only, NULL, cmd_profile_show,
	  "Show what a profile, or the defaults, address" },
	{ "failpoints", "list", "failpoints", CAP_LOCAL, 0, "", 0, 0, none, NULL, cmd_failpoints_list,
	  "List the fault points of this build" },
	{ "version", NULL, "version", CAP_LOCAL, 0, "", 0, 0, none, NULL, cmd_version, "Print version and features" },
	{ NULL },
};

const struct flag global_flags[] = {
	{ .name = "as", .value = "ACTOR", .help = "Actor of direct writes and of cluster apply and approve" },
	{ .name = "server", .value = "NAME|URL", .help = "Address a server" },
	{ .name = "graph", .value = "GRAPH_ID", .help = "Graph within a server or cluster" },
	{ .name = "profile", .value = "NAME", .help = "Scope bundle of the operator configuration" },
	{ .name = "store", .value = "URI", .help = "Storage of one graph: a path, file:// or s3://" },
	{ .name = "cluster", .value = "DIR|URI", .help = "Cluster directory or storage root" },
	{ .name = "yes", .help = "Consent to a destructive write on a non-local target" },
	{ .name = "quiet", .help = "No target line, no progress" },
	END
};

const struct command *command_find(const char *family, const char *sub, bool *family_only)
{
	*family_only = false;
	if (!strcmp(family, "read"))
		family = "query";
	if (!strcmp(family, "change"))
		family = "mutate";
	if (sub && !strcmp(family, "schema") && !strcmp(sub, "get"))
		sub = "show";
	for (const struct command *c = commands; c->family; c++) {
		if (strcmp(c->family, family))
			continue;
		if (!c->sub)
			return c;
		if (sub && !strcmp(c->sub, sub))
			return c;
		*family_only = true;
	}
	return NULL;
}
