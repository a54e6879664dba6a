/* SPDX-License-Identifier: MIT */
/* changes.h - is what the engine tells of commits, feeds and differences what the model says? */
#ifndef TOOLS_SIM_CHANGES_H
#define TOOLS_SIM_CHANGES_H

#include "world.h"

/*
 * Read the feed of @b behind its commit @*at, in pages of random size, up to where it ends or, @rc and @e, is refused; *at is the last
 * commit told. What is told of commits of the model must be right. Commits that the model does not know yet end it.
 */
int follow_feed(struct world *w, struct graph *g, const char *who, const struct mbranch *b, size_t *at, struct err *e);
/* Is this an error that the feed must or may give behind commit @at? */
bool feed_may_stop(const struct world *w, const struct mbranch *b, size_t at, const struct err *e);
/* The changes of a commit, a feed and a difference, all picked at random. */
void check_changes(struct world *w, struct graph *g, const char *who);

#endif
