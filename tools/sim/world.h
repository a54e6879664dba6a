/* SPDX-License-Identifier: MIT */
/*
 * world.h - several processes (graph handles) on one simulated store, a clock and a source of random bytes that repeat with the seed.
 *
 * Operations run one at a time, but inside one, at a call of the store, a whole operation of another process may run: so any two are
 * interleaved at any point, and always the same way for a seed.
 */
#ifndef TOOLS_SIM_WORLD_H
#define TOOLS_SIM_WORLD_H

#include <omnigraph/graph.h>

#include "fs/sim.h"
#include "model.h"

#define N_PROCESSES 3
#define STEP_OPS 4 /* an operation and those inside it */

struct process {
	struct store *s;
	struct graph *g;
};

struct world {
	uint64_t seed, rng;
	struct store *backing;
	struct sim *sim;
	struct process process[N_PROCESSES];
	struct model model;
	uint32_t n_ops;
	/* the operations of this step, the outer one first */
	struct op ops[STEP_OPS];
	size_t n_step;
	bool running, inside, may_nest;
	bool small_segments; /* every process writes segments where it otherwise has rows in its log */
	bool dropped;	     /* a branch was deleted: see lost_its_base */
	bool verbose;
	char failure[2048]; /* "": none */
};

/* False: @w->failure says why. */
bool world_open(struct world *w, uint64_t seed);
void world_close(struct world *w);
/* A random number below @n. */
uint64_t roll(struct world *w, uint64_t n);
bool chance(struct world *w, unsigned percent);
/* Note what goes wrong first; the run ends. */
void fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A process without a handle (it died, or failed to open) gets one. False: it did not, with a reason to trust. */
bool process_open(struct world *w, struct process *p, bool faulted);
void process_close(struct process *p);
/* An export's write function: append to the strbuf @arg. */
int append_text(void *arg, const void *data, size_t n, struct err *e);
/* Time passes: locks of the dead run out. */
void clock_advance(uint64_t seconds);

#endif
