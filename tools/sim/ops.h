/* SPDX-License-Identifier: MIT */
/* ops.h - random operations: made up from what the model holds, run on the engine. */
#ifndef TOOLS_SIM_OPS_H
#define TOOLS_SIM_OPS_H

#include "world.h"

/* One operation of some process, perhaps with faults, perhaps with others inside it. They are left in w->ops. */
void op_step(struct world *w);
/* An operation of another process than the one that runs. */
void op_nested(struct world *w);

#endif
