/* SPDX-License-Identifier: MIT */
/*
 * admission.h - bounds on what one actor may have in flight (spec/server.md 4.5).
 *
 * Never waits: a request gets its permit or ERR_TOO_MANY_REQUESTS. Both checks are one step under one lock. Actors are
 * those of the token set plus "anonymous", so the table is bounded. Any thread.
 */
#ifndef NET_ADMISSION_H
#define NET_ADMISSION_H

#include <stdint.h>

#include <omnigraph/err.h>

#define ADMISSION_INFLIGHT_DEFAULT 16u
#define ADMISSION_BYTES_DEFAULT 4294967296ull

struct admission;

struct admission *admission_new(uint32_t inflight_max, uint64_t bytes_max);
void admission_free(struct admission *a); /* NULL allowed */
/* @actor NULL: anonymous. On success give the same arguments to admission_release. */
int admission_acquire(struct admission *a, const char *actor, uint64_t bytes, struct err *e);
void admission_release(struct admission *a, const char *actor, uint64_t bytes);

#endif
