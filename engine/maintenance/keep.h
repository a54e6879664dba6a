/* SPDX-License-Identifier: MIT */
/*
 * keep.h - what a cleanup keeps: for every log of a live branch the oldest version of the range that stays, and single older
 * versions that something needs: fork points, inherited commits among the newest of a branch, the common ancestors that later merges of
 * two branches start at.
 */
#ifndef ENGINE_MAINTENANCE_KEEP_H
#define ENGINE_MAINTENANCE_KEEP_H

#include <omnigraph/map.h>

#include "engine/store/retention.h"
#include "maintenance.h"

struct own_commit {
	char id[ULID_LEN + 1], merged[ULID_LEN + 1];
	uint64_t version, seq; /* seq 0: its record was trimmed away */
	int64_t created_at;
};

struct keep_log { /* the own log of a live branch */
	struct branch *b;
	const char *id;
	struct own_commit *c; /* ascending */
	size_t n, cap;
	uint64_t floor;	  /* wanted */
	uint64_t *points; /* wanted */
	size_t n_points, cap_points;
	struct retention was; /* before this cleanup */
	struct retention now; /* what is to be, or is, in the store */
};

struct keep_plan {
	struct graph *g;
	uint64_t newest; /* commits of each branch to keep; 0: no such rule */
	int64_t since;	 /* commits made at or after this are kept; INT64_MAX: no such rule */
	struct keep_log *logs;
	size_t n, cap;
};

/* Take in the live branches that are not in the plan yet; *added tells whether there were any. */
int keep_add_branches(struct keep_plan *p, bool *added, struct err *e);
/* Work out what each log keeps: fills now. May be called again after more branches were added. */
int keep_resolve(struct keep_plan *p, struct err *e);
/* Make every state that is kept readable without the records that go: checkpoints, history objects. Refuses when one cannot be read. */
int keep_secure(struct keep_plan *p, struct err *e);
/* From here on what is not kept counts as removed. */
int keep_publish(struct keep_plan *p, struct err *e);
/* Has another cleanup published since the plan was made? Then what this one could not read is no damage. */
bool keep_outdated(const struct keep_plan *p);
struct keep_log *keep_find(const struct keep_plan *p, const char *branch_id);
/* One more state that stays; before keep_resolve settles it. */
void keep_want_point(struct keep_log *l, uint64_t version);
/* Want the common ancestors of the live branches, two by two (keep_bases.c). */
void keep_merge_bases(struct keep_plan *p);
/* Is any version of [@from, @to] kept? */
bool keep_any(const struct retention *r, uint64_t from, uint64_t to);
void keep_free(struct keep_plan *p);

#endif
