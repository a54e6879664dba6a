/* SPDX-License-Identifier: MIT */
#include "cluster/observe.h"

#include <omnigraph/graph.h>

void graph_observe(const struct cluster_store *cs, struct arena *a, const char *root, struct graph_observation *out)
{
	struct graph_open_opts opts = { .read_only = true };
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	struct err e = ERR_INIT;
	int rc;

	*out = (struct graph_observation){ .presence = GRAPH_ABSENT };
	if (!graph_root_exists(cs, root))
		return;
	rc = graph_open(root, &opts, &g, &e);
	if (!rc)
		rc = graph_snapshot(g, NULL, NULL, &s, &e);
	if (rc) {
		out->presence = GRAPH_BROKEN;
		out->error = arena_strdup(a, err_msg(&e));
	} else {
		const struct catalog *c = snapshot_catalog(s);

		out->presence = GRAPH_OPENS;
		out->version = snapshot_commit(s)->version;
		sha256_hex(c->source.s, c->source.n, out->live_digest);
	}
	snapshot_put(s);
	graph_close(g);
	err_clear(&e);
}
