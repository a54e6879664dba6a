/* SPDX-License-Identifier: MIT */
/* Blob cells (spec/server.md 8.6). A value is sent from where it lies; nothing of it is copied or read ahead. */
#include <stdio.h>

#include <omnigraph/blob.h>
#include <omnigraph/limits.h>

#include "net/http_conditions.h"
#include "net/read_target.h"
#include "net/server.h"

enum { P_ENTITY, P_TYPE, P_ID, P_PROPERTY, P_BRANCH, P_SNAPSHOT, P_COUNT };

#define SELECTOR "invalid Blob selector query parameters: "

/* --- the selector ------------------------------------------------------------------------------------------------------- */

static int bad_selector(struct request *r, const char *why)
{
	return err_set(&r->err, ERR_BAD_REQUEST, SELECTOR "%s", why);
}

static int parse(struct request *r, struct query_param p[P_COUNT], struct blob_cell *cell)
{
	static const char *const names[P_COUNT] = { "entity", "type", "id", "property", "branch", "snapshot" };
	struct err why = ERR_INIT;
	int rc;

	for (int i = 0; i < P_COUNT; i++)
		p[i] = (struct query_param){ .name = names[i] };
	if (query_string_parse(&r->arena, r->x->query, p, P_COUNT, &why)) {
		rc = bad_selector(r, err_msg(&why));
		err_clear(&why);
		return rc;
	}
	for (int i = 0; i <= P_PROPERTY; i++)
		if (!p[i].given)
			return bad_selector(r, arena_printf(&r->arena, "missing field `%s`", names[i]));
	cell->edge = str_eqz(p[P_ENTITY].value, "edge");
	if (!cell->edge && !str_eqz(p[P_ENTITY].value, "node"))
		return bad_selector(r, arena_printf(&r->arena, "unknown variant `%.*s`, expected `node` or `edge`",
						    STR_ARG(p[P_ENTITY].value)));
	if (p[P_BRANCH].given && p[P_SNAPSHOT].given)
		return bad_selector(r, "give either `branch` or `snapshot`, not both");
	cell->type = p[P_TYPE].value;
	cell->id = p[P_ID].value;
	cell->property = p[P_PROPERTY].value;
	return 0;
}

int check_blob(struct request *r)
{
	struct query_param p[P_COUNT];
	struct blob_cell cell;

	return parse(r, p, &cell);
}

static int find_target(struct request *r, const struct query_param p[P_COUNT], struct blob_cell *cell)
{
	struct read_target t = { 0 };
	int rc = 0;

	if (p[P_SNAPSHOT].given)
		t.snapshot = p[P_SNAPSHOT].value.s;
	else
		rc = branch_text(r, p[P_BRANCH].given ? &p[P_BRANCH].value : NULL, "main", &t.branch);
	if (!rc)
		rc = read_target_authorize(r, &t);
	cell->branch = t.branch;
	cell->snapshot = t.snapshot;
	return rc;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static void header(struct request *r, const char *name, const char *value)
{
	http_reply_header(r->x, name, value);
}

static const char *number(struct request *r, uint64_t v)
{
	return arena_printf(&r->arena, "%llu", (unsigned long long)v);
}

/* A refusal that keeps its headers. */
static int refuse_with_headers(struct request *r)
{
	r->status = error_reply(r);
	return 0;
}

/* What the cell holds is elsewhere; nobody is contacted. */
static int redirect(struct request *r)
{
	r->status = 302;
	r->answer_empty = true;
	header(r, "Location", blob_uri(r->blob));
	header(r, "Cache-Control", "no-store");
	return 0;
}

static int send_slice(struct request *r, uint64_t start, uint64_t end, unsigned status)
{
	uint64_t length = blob_length(r->blob);

	r->status = status;
	r->answer_type = "application/octet-stream";
	r->answer = blob_bytes(r->blob, start, end);
	if (status == 206)
		header(r, "Content-Range",
		       arena_printf(&r->arena, "bytes %s-%s/%s", number(r, start), number(r, end - 1),
				    number(r, length)));
	return 0;
}

static int unsatisfiable(struct request *r, uint64_t start, uint64_t end)
{
	struct str none;

	blob_read(r->blob, start, end, &none, &r->err);
	if (r->err.code != ERR_BLOB_RANGE) { /* an empty range at the end is one for the engine */
		err_set(&r->err, ERR_BLOB_RANGE,
			"blob range [%llu, %llu) is not satisfiable for a value of length %llu",
			(unsigned long long)start, (unsigned long long)end, (unsigned long long)blob_length(r->blob));
		err_detail_u64(&r->err, "start", start);
		err_detail_u64(&r->err, "end", end);
		err_detail_u64(&r->err, "length", blob_length(r->blob));
	}
	header(r, "Content-Range", arena_printf(&r->arena, "bytes */%s", number(r, blob_length(r->blob))));
	return refuse_with_headers(r);
}

/* --- conditions, in their order ----------------------------------------------------------------------------------------- */

static bool if_match_fails(struct request *r, struct str tag)
{
	struct str value;
	unsigned n = http_header(r->x, "If-Match", &value);

	return n > 1 || (n && tag_list_match(value, tag, false) != TAG_MATCHES);
}

static bool if_none_match_holds(struct request *r, struct str tag)
{
	struct str value;

	return http_header(r->x, "If-None-Match", &value) == 1 && tag_list_match(value, tag, true) == TAG_MATCHES;
}

/* A range counts unless If-Range names another representation. */
static bool range_counts(struct request *r, struct str tag, struct str *range)
{
	struct str value;
	unsigned n = http_header(r->x, "If-Range", &value);

	if (n > 1 || (n && !str_eq(str_trim_ascii(value), tag)))
		return false;
	return http_header(r->x, "Range", range) == 1;
}

static int send_managed(struct request *r)
{
	struct str tag = str_from(blob_etag(r->blob)), range;
	uint64_t start, end;

	header(r, "Accept-Ranges", "bytes");
	header(r, "ETag", tag.s);
	if (if_match_fails(r, tag)) {
		request_fail(r, 412, "conflict", "If-Match did not match the selected managed Blob representation");
		return refuse_with_headers(r);
	}
	if (if_none_match_holds(r, tag)) {
		send_slice(r, 0, blob_length(r->blob), 304);
		r->answer_type = NULL;
		return 0;
	}
	if (r->match.op == OP_GET_BLOB && range_counts(r, tag, &range)) {
		switch (range_parse(range, blob_length(r->blob), &start, &end)) {
		case RANGE_GIVEN:
			return send_slice(r, start, end, 206);
		case RANGE_UNSATISFIABLE:
			return unsatisfiable(r, start, end);
		case RANGE_IGNORED:
			break;
		}
	}
	return send_slice(r, 0, blob_length(r->blob), 200);
}

/* Nothing of the storage shows (spec/server.md 5.2); the log has it. */
static int redacted(struct request *r)
{
	if (err_http_status(r->err.code) < 500)
		return -1;
	log_kv(r->srv->logger, LOG_ERROR, "omnigraph::request", "blob not delivered", "graph", r->graph->id, "error",
	       err_msg(&r->err), NULL);
	return err_set(&r->err, ERR_INTERNAL, "Blob delivery failed before response headers");
}

int route_blob(struct request *r)
{
	struct query_param p[P_COUNT];
	struct blob_cell cell = { 0 };
	int rc = parse(r, p, &cell);

	if (!rc)
		rc = find_target(r, p, &cell);
	if (rc)
		return rc;
	if (graph_blob_open(r->graph->graph, &cell, &r->blob, &r->err))
		return redacted(r);
	header(r, "Omnigraph-Snapshot-Id", blob_commit(r->blob)->id);
	return blob_uri(r->blob) ? redirect(r) : send_managed(r);
}
