/* SPDX-License-Identifier: MIT */
/*
 * serving.h - what a server needs to know of a cluster: the applied revision, verified and complete.
 *
 * The only door between net/ and cluster/: read-only types and one function. Nothing here knows HTTP.
 * Reading takes no lock, sweeps nothing, writes nothing and opens no graph (spec/cluster.md 14).
 */
#ifndef OMNIGRAPH_SERVING_H
#define OMNIGRAPH_SERVING_H

#include <omnigraph/diag.h>
#include <omnigraph/err.h>
#include <omnigraph/mem.h>

struct serving_embedding { /* an applied profile, unresolved: api_key is the text "${NAME}"; NULL: absent */
	const char *kind, *base_url, *model, *api_key;
};

struct serving_blob_base {
	const char *uri;
	bool server_safe; /* else embedded_only */
};

struct serving_graph {
	const char *id;
	const char *root;			   /* plain absolute path, or s3:// URI */
	const struct serving_embedding *embedding; /* NULL: none bound */
	size_t n_blob_bases;			   /* 0: external blobs are denied */
	const struct serving_blob_base *blob_bases;
};

struct serving_query {
	const char *graph_id, *name;
	struct str source; /* verified content of the catalog object */
};

struct serving_policy {
	const char *name;
	struct str source; /* verified content */
	size_t n_bindings;
	const char *const *bindings; /* "cluster" or "graph.<id>"; those of quarantined graphs are removed */
};

struct serving_snapshot {
	struct arena arena; /* everything below lives here; arena_free() and diag_free() release the snapshot */
	size_t n_graphs, n_queries, n_policies;
	const struct serving_graph *graphs;    /* ascending by id */
	const struct serving_query *queries;   /* ascending by graph id, then name */
	const struct serving_policy *policies; /* ascending by name */
	/* Success: the warnings, of which n_quarantined tell of a quarantined graph; failure: the errors, then the warnings. */
	struct diag_list diagnostics;
	size_t n_quarantined;
	const char *const *quarantined; /* ids, in the order of the warnings */
	uint64_t state_revision;	/* of the ledger */
};

/*
 * Read the applied revision named by @cluster: with "://" a storage root, else a configuration directory whose cluster.yaml
 * may name one (spec/cluster.md 2.1, 14.1). Returns 0, or a negative errno with at least one error in out->diagnostics;
 * @out must be released in both cases. Any thread.
 */
int cluster_serving_snapshot(const char *cluster, struct serving_snapshot *out);

#endif
