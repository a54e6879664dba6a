/* SPDX-License-Identifier: MIT */
/* How each operation of router.h is run. */
#include "net/body.h"
#include "net/server.h"

static bool always(const struct request *r)
{
	return true;
}

#define EXPORT_PREFIX "invalid export request: "

const struct operation_ops operations[OP_COUNT] = {
	[OP_HEALTH] = { .run = route_health, .on_loop = always },
	[OP_OPENAPI] = { .run = route_openapi, .on_loop = always },
	[OP_LIST_GRAPHS] = { .run = route_list_graphs, .on_loop = always },
	[OP_SNAPSHOT] = { .check = check_branch_param, .run = route_snapshot },
	[OP_QUERY] = { .body = BODY_JSON, .run = route_query },
	[OP_READ] = { .body = BODY_JSON, .run = route_read },
	[OP_GET_BLOB] = { .check = check_blob, .run = route_blob },
	[OP_HEAD_BLOB] = { .check = check_blob, .run = route_blob },
	[OP_EXPORT] = { .body = BODY_JSON, .long_answer = true, .refusal_prefix = EXPORT_PREFIX, .run = route_export },
	[OP_MUTATE] = { .body = BODY_JSON, .run = route_mutate },
	[OP_CHANGE] = { .body = BODY_JSON, .run = route_change },
	[OP_MUTATE_IF] = { .body = BODY_JSON, .run = route_mutate_if },
	[OP_GET_SCHEMA] = { .run = route_get_schema },
	[OP_APPLY_SCHEMA] = { .body = BODY_JSON, .run = route_apply_schema },
	[OP_LIST_QUERIES] = { .run = route_list_queries, .on_loop = always },
	[OP_INVOKE] = { .body = BODY_ANY, .check = check_invoke, .run = route_invoke, .on_loop = invoke_on_loop },
	[OP_INVOKE_IF] = { .body = BODY_ANY, .check = check_invoke_if, .run = route_invoke_if },
	[OP_LOAD] = { .body = BODY_JSON, .load_limit = true, .run = route_load },
	[OP_INGEST] = { .body = BODY_JSON, .load_limit = true, .run = route_ingest },
	[OP_LOAD_NDJSON] = { .body = BODY_STREAM, .load_limit = true, .check = check_ndjson },
	[OP_LIST_BRANCHES] = { .run = route_list_branches },
	[OP_CREATE_BRANCH] = { .body = BODY_JSON, .run = route_create_branch },
	[OP_DELETE_BRANCH] = { .run = route_delete_branch },
	[OP_MERGE] = { .body = BODY_JSON, .run = route_merge_branches },
	[OP_LIST_COMMITS] = { .check = check_branch_param, .run = route_list_commits },
	[OP_GET_COMMIT] = { .run = route_get_commit },
	[OP_COMMIT_CHANGES] = { .check = check_commit_changes, .run = route_commit_changes },
	[OP_POLL_CHANGES] = { .check = check_poll_changes, .run = route_poll_changes },
	[OP_BASELINE] = { .body = BODY_JSON, .long_answer = true, .run = route_baseline },
};
