/* SPDX-License-Identifier: MIT */
/*
 * revision.h - an applied revision as it is served: the snapshot it was read from, its graphs opened, its policies compiled.
 *
 * A revision is constant once it is installed. Each request holds the one that was current when it began until it is done, so a
 * request sees one revision only. Replacing the current revision (reload.c) retires the old one; when the last request lets go of it,
 * server.wake is posted and the control loop frees it, since closing a graph may wait.
 */
#ifndef NET_REVISION_H
#define NET_REVISION_H

#include <omnigraph/graph.h>
#include <omnigraph/mem.h>
#include <omnigraph/serving.h>

#include "net/stored.h"

struct policy_engine;
struct server;

struct served_graph {
	const char *id;
	struct graph *graph;
	bool local;		      /* the root is a directory: taking a snapshot costs no network round trip */
	struct embedder *embedder;    /* of an applied profile or of the environment; owned */
	char *embed_why;	      /* why the environment gives no usable one */
	struct policy_engine *policy; /* NULL: no bundle is bound */
	struct stored_query *queries; /* ascending by name */
	size_t n_queries;
};

struct revision {
	struct refcount ref;
	struct server *srv;
	struct serving_snapshot snapshot; /* strings of graphs and queries live here */
	bool auth_required;		  /* spec/server.md 3.2 */
	struct policy_engine *policy;	  /* of the cluster scope */
	struct served_graph *graphs;	  /* ascending by id */
	size_t n_graphs;
	size_t n_quarantined; /* graphs that should be served and are not */
	struct revision *next_retired;
};

void served_graph_clear(struct served_graph *g);

/* With one reference, the caller's. */
struct revision *revision_new(struct server *s);
/* NULL: not served. */
struct served_graph *revision_graph(const struct revision *v, struct str id);
/* Any thread. The last one to let go of a retired revision wakes the control loop. */
void revision_put(struct revision *v);
/* A revision nobody else can have. NULL allowed. */
void revision_free(struct revision *v);

/* The current one, with a reference for the caller. Any thread. */
struct revision *server_revision(struct server *s);
/* Make @v the current one; the old one, if any, is retired. */
void server_install(struct server *s, struct revision *v);
/* Free the retired revisions that nobody uses any more; how many. */
unsigned server_collect(struct server *s);

#endif
