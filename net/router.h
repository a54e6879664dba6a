/* SPDX-License-Identifier: MIT */
/*
 * router.h - which operation a path and a method name (spec/server.md 3.4, 4.2, 7.1).
 *
 * Matching works on the raw path: segments are compared as received, static segments before captures, and only captures
 * are decoded later. Pure: no allocation, no state.
 */
#ifndef NET_ROUTER_H
#define NET_ROUTER_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

enum operation {
	OP_HEALTH,
	OP_OPENAPI,
	OP_LIST_GRAPHS,
	OP_SNAPSHOT,
	OP_QUERY,
	OP_READ,
	OP_GET_BLOB,
	OP_HEAD_BLOB,
	OP_EXPORT,
	OP_MUTATE,
	OP_CHANGE,
	OP_MUTATE_IF,
	OP_GET_SCHEMA,
	OP_APPLY_SCHEMA,
	OP_LIST_QUERIES,
	OP_INVOKE,
	OP_INVOKE_IF,
	OP_LOAD,
	OP_INGEST,
	OP_LOAD_NDJSON,
	OP_LIST_BRANCHES,
	OP_CREATE_BRANCH,
	OP_DELETE_BRANCH,
	OP_MERGE,
	OP_LIST_COMMITS,
	OP_GET_COMMIT,
	OP_COMMIT_CHANGES,
	OP_POLL_CHANGES,
	OP_BASELINE,
	OP_COUNT
};

struct route_match {
	bool found;  /* some operation has this path */
	bool public; /* no authentication (healthz, openapi.json) */
	bool method_ok;
	enum operation op; /* when method_ok */
	const char *allow; /* the Allow header when not */
	bool has_graph;
	struct str graph;   /* raw segment */
	struct str capture; /* raw: query name, branch, commit id; empty when the path has none */
};

void route_match(struct str path, struct str method, struct route_match *out);
const char *operation_name(enum operation op); /* the operationId of the contract */

/* 400 with the texts of 3.4 when @segment cannot be a graph id. */
int graph_id_check(struct str segment, struct err *e);

#endif
