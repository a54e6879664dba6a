/* SPDX-License-Identifier: MIT */
/* changes.h - what one commit's page and the feed share: limits, blocks, packing. Internal to engine/branch. */
#ifndef ENGINE_BRANCH_CHANGES_H
#define ENGINE_BRANCH_CHANGES_H

#include "engine/branch/change_token.h"

/* ERR_BAD_REQUEST for a limit of zero, ERR_RESOURCE_LIMIT above the maximum. */
int change_limits_check(const struct change_limits *l, struct err *e);

/* What is left of a page. */
struct change_budget {
	uint64_t changes, bytes;
	bool begun; /* a change was delivered */
};

/* {"graph_commit_id":..,...}: the cause of a block (spec/engine.md 13.1), appended. */
void change_cause_json(const struct commit_info *c, struct strbuf *out);
/*
 * Append changes of @d from *next on, separated by commas, as long as the budget has room: the first of a page always has. *next is
 * behind the last one that was appended.
 */
void changes_pack(const struct diff *d, size_t *next, struct change_budget *b, struct strbuf *out);
/* The first change behind @t, or SIZE_MAX when the diff has no such change. */
size_t changes_resume(const struct diff *d, const struct token_entity *t);

/* ERR_CHANGE_FEED_GAP at @commit. */
int change_gap(const char *commit, struct err *e);
/*
 * The diff of the commit at @version on @b's chain, boundary checked; reclaimed state is the gap. diff_clear(@out) in every case, and
 * before commit_step_clear(@s). @commit: its id when it is known, for messages; else NULL.
 */
int change_diff(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, const char *commit,
		const struct change_filter *f, struct diff *out, struct err *e);

#endif
