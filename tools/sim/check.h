/* SPDX-License-Identifier: MIT */
/*
 * check.h - after a step: is what the graph shows what the model says?
 *
 * Commits bear the name of the operation that made them, so the history itself tells what took effect, and in which order: each new
 * commit must be the effect of one operation of the step on the state before it. What was acknowledged must be there, what was refused
 * without a fault must not, and an operation that nothing disturbed must have gone as the model says.
 */
#ifndef TOOLS_SIM_CHECK_H
#define TOOLS_SIM_CHECK_H

#include "world.h"

/* Take the step into the model, or fail(). */
void check_step(struct world *w);

#endif
