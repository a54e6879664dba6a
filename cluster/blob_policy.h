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
/* What a normalised base is compared by: a file base is the directory it resolves to, s3 bases are themselves. In @a. */
const char *blob_base_resolve(struct arena *a, const char *base);
/* True when one resolved base contains the other (equal ones too). */
bool blob_bases_overlap(const char *a, const char *b);

#endif
