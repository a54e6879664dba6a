/* SPDX-License-Identifier: MIT */
/* lookup.h - from a `--cluster` argument to a storage root (spec/cluster.md 2.1). */
#ifndef CLUSTER_LOOKUP_H
#define CLUSTER_LOOKUP_H

/* With "://" the argument is a root; else a directory whose cluster.yaml may name one. Malloced. */
char *cluster_root_of_argument(const char *cluster);

#endif
