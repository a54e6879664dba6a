/* SPDX-License-Identifier: MIT */
/* The error table of spec/engine.md 19 as clients see it. */
#include <test/check.h>

#include "net/server.h"

static const struct row {
	enum err_code code;
	unsigned status;
	const char *details[8]; /* name, value, ... */
	const char *body;	/* behind {"error":"x" */
} rows[] = {
	{ ERR_PARSE, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_TYPE, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_QUERY, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_BAD_REQUEST, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_NOT_FOUND, 404, { NULL }, ",\"code\":\"not_found\"}" },
	{ ERR_CONFLICT, 409, { NULL }, ",\"code\":\"conflict\"}" },
	{ ERR_ALREADY_INITIALIZED, 409, { NULL }, ",\"code\":\"conflict\"}" },
	{ ERR_MERGE_CONFLICTS, 409, { "merge_conflicts", "[1]" }, ",\"code\":\"conflict\",\"merge_conflicts\":[1]}" },
	{ ERR_KEY_CONFLICT,
	  409,
	  { "entity_kind", "node", "type_name", "P", "entity_id", "a" },
	  ",\"code\":\"conflict\",\"key_conflict\":{\"entity_kind\":\"node\",\"type_name\":\"P\",\"entity_id\":\"a\"}"
	  "}" },
	{ ERR_READ_SET_CHANGED,
	  409,
	  { "member", "graph_head:main", "expected", "01A" },
	  ",\"code\":\"conflict\",\"read_set_conflict\":{\"member\":\"graph_head:main\",\"expected\":\"01A\","
	  "\"actual\":null}}" },
	{ ERR_RETRYABLE_CONFLICT, 409, { NULL }, ",\"code\":\"conflict\"}" },
	{ ERR_COMMIT_HAS_NO_PARENT,
	  409,
	  { "graph_commit_id", "01A" },
	  ",\"code\":\"conflict\",\"change_diff_refusal\":{\"reason\":\"parentless_commit\",\"graph_commit_id\":"
	  "\"01A\"}}" },
	{ ERR_SCHEMA_BOUNDARY,
	  409,
	  { "graph_commit_id", "01A", "type_name", "P" },
	  ",\"code\":\"conflict\",\"change_diff_refusal\":{\"reason\":\"schema_boundary\",\"graph_commit_id\":\"01A\","
	  "\"type_name\":\"P\"}}" },
	{ ERR_CHANGE_FEED_GAP,
	  410,
	  { "first_unreadable_commit_id", "01A" },
	  ",\"change_feed_gap\":{\"first_unreadable_commit_id\":\"01A\"}}" },
	{ ERR_CHANGE_FEED_GAP,
	  410,
	  { "first_unreadable_commit_id", "01A", "cursor", "c" },
	  ",\"change_feed_gap\":{\"cursor\":\"c\",\"first_unreadable_commit_id\":\"01A\"}}" },
	{ ERR_PRECONDITION,
	  412,
	  { "expected", "01A", "actual", "01B" },
	  ",\"precondition_failure\":{\"expected\":\"01A\",\"actual\":\"01B\"}}" },
	{ ERR_RESOURCE_LIMIT,
	  413,
	  { "resource", "r", "limit", "1", "actual", "2" },
	  ",\"code\":\"bad_request\",\"resource_limit\":{\"resource\":\"r\",\"limit\":1,\"actual\":2}}" },
	{ ERR_BLOB_RANGE,
	  416,
	  { "start", "3", "end", "4", "length", "2" },
	  ",\"code\":\"bad_request\",\"blob_range\":{\"start\":3,\"end\":4,\"length\":2}}" },
	{ ERR_CURSOR_REJECTED, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_BLOB_POLICY, 400, { NULL }, ",\"code\":\"bad_request\"}" },
	{ ERR_BLOB_SOURCE,
	  424,
	  { "uri", "s3://b/x", "reason", "gone" },
	  ",\"external_blob_source\":{\"uri\":\"s3://b/x\",\"reason\":\"gone\"}}" },
	{ ERR_POLICY, 403, { NULL }, ",\"code\":\"forbidden\"}" },
	{ ERR_HISTORY_RECLAIMED, 500, { "graph_commit_id", "01A" }, ",\"code\":\"internal\"}" },
	{ ERR_INIT_INDETERMINATE, 500, { NULL }, ",\"code\":\"internal\"}" },
	{ ERR_BLOB_INTEGRITY, 500, { NULL }, ",\"code\":\"internal\"}" },
	{ ERR_STORAGE, 500, { NULL }, ",\"code\":\"internal\"}" },
	{ ERR_IO, 500, { NULL }, ",\"code\":\"internal\"}" },
	{ ERR_INTERNAL, 500, { NULL }, ",\"code\":\"internal\"}" },
};

static void table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request r = { 0 };
		struct strbuf want = STRBUF_INIT;

		err_set(&r.err, rows[i].code, "x");
		for (size_t k = 0; k < ARRAY_SIZE(rows[i].details) && rows[i].details[k]; k += 2)
			err_detail(&r.err, rows[i].details[k], rows[i].details[k + 1]);
		if (rows[i].code == ERR_READ_SET_CHANGED)
			err_detail(&r.err, "actual", NULL);
		CHECK_INT(error_reply(&r), rows[i].status);
		sb_addf(&want, "{\"error\":\"x\"%s", rows[i].body);
		CHECK_STR(r.out.s, want.s);
		sb_free(&want);
		sb_free(&r.out);
		err_clear(&r.err);
	}
}

CHECK_MAIN("net/error", { "ENG-80 every row of the error table: status, code and extra member", table }, )
