/* SPDX-License-Identifier: MIT */
/* observe.h - what is really there: one graph root, opened read-only on main. */
#ifndef CLUSTER_OBSERVE_H
#define CLUSTER_OBSERVE_H

#include "cluster/cluster_store.h"
#include "cluster/desired.h"

enum graph_presence { GRAPH_ABSENT, GRAPH_OPENS, GRAPH_BROKEN };

struct graph_observation {
	enum graph_presence presence;
	uint64_t version;		      /* GRAPH_OPENS */
	char live_digest[SHA256_HEX_LEN + 1]; /* GRAPH_OPENS: hash of the accepted schema source */
	const char *error;		      /* GRAPH_BROKEN, in @a */
};

void graph_observe(const struct cluster_store *cs, struct arena *a, const char *root, struct graph_observation *out);

#endif
