/* SPDX-License-Identifier: MIT */
/*
 * schema_lock.h - the graph-wide lock of a schema apply: one object, made create-only (spec/schema.md 12.6).
 *
 * It keeps branch creation and schema apply apart; data writes need no lock, since an apply moves main's head. A lock whose owner
 * has died is taken over: at once when it ran on this machine, after SCHEMA_LOCK_MAX_S seconds otherwise.
 */
#ifndef ENGINE_STORE_SCHEMA_LOCK_H
#define ENGINE_STORE_SCHEMA_LOCK_H

#include "engine/store/graph_priv.h"

#define SCHEMA_LOCK_KEY "schema/apply.lock"
#define SCHEMA_LOCK_MAX_S 60

/* ERR_CONFLICT "schema apply is already in progress". */
int schema_lock(struct graph *g, struct err *e);
void schema_unlock(struct graph *g);
/* ERR_CONFLICT "<op> is unavailable while schema apply is in progress". */
int schema_lock_check(struct graph *g, const char *op, struct err *e);

#endif
