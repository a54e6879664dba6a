/* SPDX-License-Identifier: MIT */
/* maintenance.h - what optimize and cleanup share. */
#ifndef ENGINE_MAINTENANCE_MAINTENANCE_H
#define ENGINE_MAINTENANCE_MAINTENANCE_H

#include <omnigraph/maintenance.h>

#include "engine/store/graph_priv.h"

/* May @op ("optimize", "cleanup") run now? ERR_BAD_REQUEST on a read-only handle, ERR_CONFLICT while a schema apply runs. */
int maintenance_check(struct graph *g, const char *op, struct err *e);
/* Call @fn with each live branch, main first; one that is deleted meanwhile is left out. */
int maintenance_branches(struct graph *g, int (*fn)(void *arg, struct branch *b, struct err *e), void *arg,
			 struct err *e);
/* The types of @cat ascending by type key, and their keys, in @a. */
const struct type **maintenance_types(const struct catalog *cat, struct arena *a, struct str **keys);

#endif
