/* SPDX-License-Identifier: MIT */
/* approval.h - an operator's consent to one gated delete, bound to the state it was given for (spec/cluster.md 5.4, 12). */
#ifndef CLUSTER_APPROVAL_H
#define CLUSTER_APPROVAL_H

#include "cluster/cluster_store.h"

struct approval {
	const char *location, *approval_id, *resource, *operation, *reason;
	const char *bound_config_digest, *bound_before_digest, *bound_after_digest; /* the last two NULL when null */
	const char *approved_by, *created_at, *consumed_at, *consumed_by;	    /* the last two NULL when null */
};

/* Write it. False: approval_write_error was reported. */
bool approval_write(const struct cluster_store *cs, struct arena *a, const struct approval *ap, struct diag_list *d);
/* All valid approvals ascending by file name, in @a; what cannot be read is a warning and stays in place. */
size_t approval_list(const struct cluster_store *cs, struct arena *a, struct diag_list *d, struct approval **out);

#endif
