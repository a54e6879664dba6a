/* SPDX-License-Identifier: MIT */
/*
 * operator_config.h - the operator's own configuration, $OMNIGRAPH_HOME/config.yaml or ~/.omnigraph/config.yaml (spec/cli.md 5).
 * Everything lives in the arena of the invocation. Names of servers, clusters, profiles and aliases ascend bytewise; a key that is not
 * set is NULL. Limits: LIMIT_YAML_BYTES and those of yaml.h.
 */
#ifndef TOOLS_CLI_OPERATOR_CONFIG_H
#define TOOLS_CLI_OPERATOR_CONFIG_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/yaml.h>

struct invocation;

struct op_server {
	const char *name, *url;
};

struct op_cluster {
	const char *name, *root;
};

struct op_profile { /* checked when used: exactly one of the three */
	const char *name, *server, *cluster, *store, *default_graph;
};

struct op_alias {
	const char *name, *server, *graph, *query, *format;
	size_t n_args;
	const char **args;
	const struct yaml *params; /* a map, or NULL */
};

struct operator_config {
	const char *actor, *output, *store, *server, *default_graph;
	size_t table_width; /* defaults.table_max_column_width */
	bool table_wrap;    /* defaults.table_cell_layout */
	size_t n_servers, n_clusters, n_profiles, n_aliases;
	const struct op_server *servers;
	const struct op_cluster *clusters;
	const struct op_profile *profiles;
	const struct op_alias *aliases;
};

/* Read and checked at the first call; NULL after a failure (@e filled). An absent file is an empty configuration. */
const struct operator_config *operator_config(struct invocation *inv, struct err *e);

/* NULL: no entry of that name. */
const struct op_server *op_server(const struct operator_config *c, const char *name);
const struct op_cluster *op_cluster(const struct operator_config *c, const char *name);
const struct op_profile *op_profile(const struct operator_config *c, const char *name);
const struct op_alias *op_alias(const struct operator_config *c, const char *name);
/* "a, b" of @n entries of @size bytes that begin with their names. */
const char *op_names(struct arena *a, const void *items, size_t n, size_t size);
#define OP_NAMES(a, items, n) op_names((a), (items), (n), sizeof(*(items)))

/* The path of a file of the operator's directory; NULL when there is no home directory. */
const char *operator_path(struct arena *a, const char *file);

#endif
