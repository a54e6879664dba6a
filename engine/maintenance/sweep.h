/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - the objects of a graph: which are needed by what a plan keeps, which were and are no longer, which never were.
 *
 * Segments that something removed referred to go at once. Whatever nothing ever referred to, and every blob and schema record, must
 * have reached an age first: a write in flight may be about to publish it.
 */
#ifndef ENGINE_MAINTENANCE_SWEEP_H
#define ENGINE_MAINTENANCE_SWEEP_H

#include "keep.h"

struct type_tally {
	uint64_t type_id, incarnation;
	uint64_t log_bytes, segment_bytes, versions;
	char *error;
};

struct checkpoint_at {
	char id[ULID_LEN + 1];
	uint64_t version;
	bool remove;
};

struct sweep {
	struct keep_plan *plan;
	int64_t old_enough; /* objects not touched since then are no longer young */
	/* what there is, taken before the refs were read */
	struct checkpoint_at *ckpts;
	size_t n_ckpts, cap_ckpts;
	char **logs, **histories; /* keys */
	size_t n_logs, cap_logs, n_histories, cap_histories;
	/* by digest; values in the arena */
	struct map segments, schemas, blobs;
	struct arena arena;
	/* result; set before sweep_collect */
	struct type_tally *types;
	size_t n_types;
};

int sweep_inventory(struct sweep *w, struct err *e);
/* Sort the segments. Reads the kept records and those that go. May be called again. */
int sweep_collect(struct sweep *w, struct err *e);
/* Delete. A type that fails is noted in its tally, and the records and checkpoints stay, so that the next cleanup finds what it left. */
int sweep_delete(struct sweep *w, struct err *e);
void sweep_free(struct sweep *w);

#endif
