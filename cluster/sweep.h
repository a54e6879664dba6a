/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - the recovery sweep (spec/cluster.md 11): roll the ledger forward to what earlier, unfinished runs did, or refuse.
 */
#ifndef CLUSTER_SWEEP_H
#define CLUSTER_SWEEP_H

#include <omnigraph/map.h>

#include "cluster/report.h"
#include "cluster/sidecar.h"

struct sweep {
	struct map pending; /* graph ids whose sidecar stays */
	size_t n_retired, cap_retired;
	struct sidecar *retired;
};

/* Classify every sidecar against reality, on the in-memory ledger of @cmd. */
void sweep_run(struct command *cmd, struct sweep *sw);
/* After the ledger write (or when none was needed): delete the retired sidecars and mark the approvals they consumed. */
void sweep_finish(struct command *cmd, struct sweep *sw);
void sweep_clear(struct sweep *sw);

/* Remove graph, schema and queries of a graph from the ledger and leave a tombstone (9.6). */
void ledger_tombstone(struct command *cmd, const char *graph, const char *approval_id, const char *actor,
		      const char *consumed_by);
/* Rewrite an approval file with consumed_at set. */
void approval_mark_consumed(struct command *cmd, const char *approval_id);

#endif
