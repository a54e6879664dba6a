/* SPDX-License-Identifier: MIT */
/*
 * sidecar.h - recovery intents: written before an operation that can move a graph, removed after the ledger recorded its outcome
 * (spec/cluster.md 5.3, 9.2).
 */
#ifndef CLUSTER_SIDECAR_H
#define CLUSTER_SIDECAR_H

#include "cluster/cluster_store.h"

enum sidecar_kind { SIDECAR_GRAPH_CREATE, SIDECAR_SCHEMA_APPLY, SIDECAR_GRAPH_DELETE };

struct sidecar {
	const char *location;			       /* display form of the object */
	const char *operation_id, *started_at, *actor; /* actor NULL when null */
	enum sidecar_kind kind;
	const char *graph_id, *graph_uri;
	bool has_observed, has_expected;
	uint64_t observed_version, expected_version;
	const char *desired_schema_digest, *state_cas_base, *approval_id; /* the last two NULL when null */
};

const char *sidecar_kind_word(enum sidecar_kind k);
/* Write it (arming, or rewriting with the resulting version). False: recovery_sidecar_write_error was reported. */
bool sidecar_write(const struct cluster_store *cs, struct arena *a, const struct sidecar *s, struct diag_list *d);
/*
 * All valid sidecars ascending by file name, in @a. Listing, reading, parsing and version problems are reported with @severity and
 * leave the object in place.
 */
size_t sidecar_list(const struct cluster_store *cs, struct arena *a, enum diag_severity severity, struct diag_list *d,
		    struct sidecar **out);

#endif
