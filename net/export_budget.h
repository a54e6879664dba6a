/* SPDX-License-Identifier: MIT */
/* export_budget.h - the memory that streamed exports may hold, shared by the process (spec/server.md 8.7). Any thread. */
#ifndef NET_EXPORT_BUDGET_H
#define NET_EXPORT_BUDGET_H

#include <omnigraph/err.h>

#define EXPORT_RESERVATION 262144u
#define EXPORT_TOTAL 2097152u
#define EXPORT_WAIT_MS 250
#define EXPORT_CHUNK 65536u
#define EXPORT_QUEUE 2

struct export_budget;

struct export_budget *export_budget_new(void);
void export_budget_free(struct export_budget *b); /* NULL allowed */
/* One reservation; waits up to EXPORT_WAIT_MS, then ERR_RESOURCE_LIMIT "stream_export_transport_bytes". */
int export_reserve(struct export_budget *b, struct err *e);
void export_release(struct export_budget *b);

#endif
