/* SPDX-License-Identifier: MIT */
/*
 * run_query.h - stages 11 and 12 of queries, ad hoc and stored: bind, run, write the envelope (spec/server.md 6.2 - 6.4, 8.4, 8.8).
 */
#ifndef NET_RUN_QUERY_H
#define NET_RUN_QUERY_H

#include "net/read_target.h"

/* Bind and run a compiled read; the read envelope goes to r->out. */
int run_read(struct request *r, struct snapshot *s, const struct query *q, const struct json *params,
	     const struct read_target *t, bool with_commit);

struct write_request {
	struct str source;
	const struct json *params;
	const char *branch;
	const char *expected_head; /* NULL: unconditional */
};

/* Bytes a mutation is admitted with: its source and its compact params (spec/server.md 4.5). */
uint64_t write_estimate(const struct write_request *w);
/* Bind and run a compiled mutation; the mutation envelope goes to r->out. */
int run_write(struct request *r, const struct query *q, const struct write_request *w);

/*
 * The header of conditional writes. condition_absent: 400 when it is there (@route is the conditional route to name).
 * condition_value: the rules of 8.10.
 */
int condition_absent(struct request *r, const char *route);
int condition_value(struct request *r, const char **out);

#endif
