/* SPDX-License-Identifier: MIT */
/*
 * desired.h - the deployment as declared: every resource with its digest, from cluster.yaml and the files it names
 * (spec/cluster.md 3.2 step 6, 4). Lists are ascending by address. Ownership: the desired state's arena.
 */
#ifndef CLUSTER_DESIRED_H
#define CLUSTER_DESIRED_H

#include <omnigraph/util.h>

#include "cluster/config.h"

enum resource_kind { RES_GRAPH, RES_POLICY, RES_PROVIDER, RES_QUERY, RES_SCHEMA, RES_UNKNOWN };

struct resource {
	const char *address;
	enum resource_kind kind;
	char digest[SHA256_HEX_LEN + 1]; /* "" while it could not be computed */
	const char *path;		 /* source file, NULL for graphs and providers */
	const char *graph;		 /* graph id of graph, schema, query */
	size_t n_bindings;		 /* policies: sorted typed bindings */
	const char **bindings;
	const struct cfg_provider *profile; /* providers */
	const char *provider;		    /* graphs: provider address or NULL */
	const char *blob_policy;	    /* graphs: canonical JSON, NULL = deny */
};

struct dependency {
	const char *from, *to;
};

struct desired {
	struct cluster_config cfg;
	struct arena arena;
	size_t n, cap;
	struct resource *resources;
	size_t n_deps, cap_deps;
	struct dependency *deps;
	char config_digest[SHA256_HEX_LEN + 1]; /* "" when the configuration did not parse */
};

/* Load everything; problems go to @d. Clear in every case. */
void desired_load(const char *dir, struct desired *out, struct diag_list *d);
void desired_clear(struct desired *d);
const struct resource *desired_find(const struct desired *d, const char *address);

enum resource_kind resource_kind_of(const char *address);
const char *resource_kind_word(enum resource_kind k);
/* Graph id of a graph, schema or query address, in @a; NULL for others. */
const char *resource_graph(struct arena *a, const char *address);

/*
 * Graph composite (4.3). @queries: names and digests ascending by name. NULL digests count as empty.
 */
struct query_digest {
	const char *name, *digest;
};
void graph_composite(const char *graph, const char *schema_digest, const struct query_digest *queries, size_t n,
		     const char *provider, const char *provider_digest, const char *blob_policy,
		     char out[SHA256_HEX_LEN + 1]);
void provider_digest(const struct cfg_provider *p, char out[SHA256_HEX_LEN + 1]);

#endif
