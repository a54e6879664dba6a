/* SPDX-License-Identifier: MIT */
/*
 * control.h - the main thread while the server serves: it waits for the order to stop, and swaps revisions (extensions of ours, off
 * unless asked for).
 *
 * A reload reads the applied revision as a boot does and makes it the current one in one step; requests under way finish on the
 * one they began with. The new one is refused, and the old one stays, when a boot from it would be refused, or when it would quarantine a
 * graph that is served now. A graph that was dropped from the cluster goes. Tokens are those of the start.
 *
 * With retries, the graphs that are quarantined are tried again after a while, alone; once one of them is healthy, a reload follows.
 */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include <semaphore.h>
#include <stdatomic.h>

#include "net/boot.h"

#define CONTROL_RETRY_FIRST_MS 1000
#define CONTROL_RETRY_MAX_MS 60000 /* the delay doubles up to this */

struct control {
	sem_t wake; /* posted after one of these was set, by a signal handler, and when a retired revision is idle */
	_Atomic bool stop, reload;
};

struct control_options {
	const struct boot_options *boot; /* as the server was booted */
	bool retry_quarantined;
	unsigned retry_first_ms; /* 0: CONTROL_RETRY_FIRST_MS */
};

/* Returns when @c->stop is set. s->wake must be &c->wake. */
void control_run(struct control *c, struct server *s, const struct control_options *o);

#endif
