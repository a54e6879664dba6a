/* SPDX-License-Identifier: MIT */
/* merge_base.h - the common ancestor a merge compares with (spec/engine.md 11.1). */
#ifndef ENGINE_BRANCH_MERGE_BASE_H
#define ENGINE_BRANCH_MERGE_BASE_H

#include <omnigraph/graph.h>

/*
 * Of the commits reachable from both heads over both parents, but for those that are ancestors of another such commit, the one with the
 * least sum of distances; ties go to the higher version, then to the greater id. An ancestor of another one can be nearer, through the merge
 * of a branch that began at it; what lies between the two would then count as done by one side, undone by the other. *base is cleared by commit_info_clear. ERR_CONFLICT when there is none (two graphs).
 */
int merge_base(struct graph *g, const char *source_head, const char *target_head, struct commit_info *base,
	       struct err *e);

#endif
