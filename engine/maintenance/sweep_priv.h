/* SPDX-License-Identifier: MIT */
/* sweep_priv.h - between the two halves of the sweep. */
#ifndef ENGINE_MAINTENANCE_SWEEP_PRIV_H
#define ENGINE_MAINTENANCE_SWEEP_PRIV_H

#include "sweep.h"

struct object { /* a segment, a schema record or a blob */
	const char *name;
	bool present, young;
	bool referred; /* by something in the store, kept or not */
	bool needed;
	uint64_t bytes, rows;
	uint64_t type_id, incarnation; /* when referred */
};

struct type_tally *sweep_tally(struct sweep *w, uint64_t type_id, uint64_t incarnation);
void sweep_mark_blob(struct sweep *w, const struct val *v);

#endif
