/* SPDX-License-Identifier: MIT */
/*
 * blob_policy.h - where new external blob references may point (spec/cluster.md 16).
 */
#ifndef CLUSTER_BLOB_POLICY_H
#define CLUSTER_BLOB_POLICY_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>

/*
 * Normal form of a base URI, in @a. ERR_BAD_REQUEST with the reason. @server_safe: file:// is refused.
 */
int blob_base_normalize(struct arena *a, const char *uri, bool server_safe, const char **out, struct err *e);
/* True when one normalised base contains the other (equal ones too). */
bool blob_bases_overlap(const char *a, const char *b);

#endif
