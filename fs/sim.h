/* SPDX-License-Identifier: MIT */
/*
 * sim.h - a store that misbehaves on purpose, within what store.h promises. For tests; CONFIG_FS_SIM.
 *
 * A struct sim is a world: one backing store (which never fails: mem), one seed, a virtual clock. sim_process() opens a handle on it
 * that stands for one process. With no fault armed a handle does what the backing store does. Armed, it can
 *   - fail a call, before it had an effect or after it (a lost reply): the caller cannot tell which, as on a network;
 *   - die at a call: that call may have had its effect, and every later one of the handle fails. So does power loss for all handles;
 *   - take (virtual) time.
 * What may be left behind follows from store.h. A write that returned 0 is durable, so none of it is ever lost. A put, create, replace or
 * append in flight is there whole or not at all: a torn frame at the end of a log is no record. A put_batch has any subset of its
 * elements, a delete_prefix has removed any subset of the objects.
 * Lists are in order and without repetition, as on S3; but they come in pages, and what changes between two pages may or may not show.
 * store_log_list promises no order and gets another one each time.
 *
 * Deterministic: the seed and the sequence of calls decide everything. Sources: none; the generator is splitmix64 (Steele et al., 2014).
 * Threading: as any store. The switch function is called without a lock held.
 */
#ifndef OMNIGRAPH_FS_SIM_H
#define OMNIGRAPH_FS_SIM_H

#include <omnigraph/store.h>

struct sim;

struct sim_faults {
	uint32_t error_ppm;  /* chance in a million that a call fails without effect */
	uint32_t lost_ppm;   /* chance in a million that a write takes effect and its reply is lost */
	uint64_t fail_at;    /* the n-th call from now fails, with or without effect; 0: none */
	uint64_t die_at;     /* the process dies at the n-th call from now; 0: never */
	uint32_t latency_us; /* each call takes up to so long on the virtual clock */
};

/* Called at every call of any handle, and between the pages of a list: where other processes get their turn. May be NULL. */
typedef void (*sim_switch_fn)(void *arg);

/* A world over @backing, which is borrowed and must outlive it. */
struct sim *sim_new(struct store *backing, uint64_t seed, sim_switch_fn at_call, void *arg);
/* All handles are closed. NULL allowed. */
void sim_free(struct sim *w);
uint64_t sim_now_us(const struct sim *w);
uint64_t sim_calls(const struct sim *w); /* of all handles */

/* A new process: no faults. store_close() it. */
struct store *sim_process(struct sim *w, bool read_only);
void sim_arm(struct store *s, const struct sim_faults *f); /* NULL: none */
void sim_kill(struct store *s);
bool sim_dead(const struct store *s);
void sim_power_loss(struct sim *w); /* every process that is open dies */

/* The next number of a generator whose state is *@state; any start will do. */
uint64_t sim_random(uint64_t *state);
/* The same, below @n (> 0). */
uint64_t sim_below(uint64_t *state, uint64_t n);

#endif
