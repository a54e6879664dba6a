/* SPDX-License-Identifier: MIT */
/*
 * stored.h - the stored queries of a graph: parsed once at boot, compiled for the schema in force.
 *
 * A query is compiled at boot and again when a snapshot comes with another schema (a cluster apply in another process).
 * Threading: stored_compile may be called by any number of threads; the rest is constant after boot.
 */
#ifndef NET_STORED_H
#define NET_STORED_H

#include <pthread.h>
#include <stdatomic.h>

#include <omnigraph/graph.h>
#include <omnigraph/query.h>

struct compiled; /* a compiled query with a reference count */

struct stored_query {
	const char *name;
	struct str source; /* owned by the serving snapshot */
	struct query_file *file;
	const struct query_decl *decl;
	bool mutation;
	_Atomic bool cheap; /* a point look-up: runs on the event loop */
	pthread_mutex_t lock;
	struct compiled *current; /* for the newest schema seen */
};

/*
 * Parse the source and find its declaration. ERR_BAD_REQUEST with the texts of spec/server.md 2.4 ("stored query '<q>': ...").
 */
int stored_init(struct stored_query *q, const char *name, struct str source, struct err *e);
void stored_destroy(struct stored_query *q);
/* A reference on the query compiled for @c; release with compiled_put. */
int stored_compile(struct stored_query *q, const struct catalog *c, struct compiled **out, struct err *e);
const struct query *compiled_query(const struct compiled *c);
void compiled_put(struct compiled *c); /* NULL allowed */

#endif
