/* SPDX-License-Identifier: MIT */
/* Stored queries: the catalogue and invocation (spec/server.md 8.12 - 8.14). */
#include "net/run_query.h"

enum { F_PARAMS, F_BRANCH, F_SNAPSHOT, F_EXPECT, F_COUNT };

static const struct body_rules invocation_rules = {
	.syntax = "invalid stored-query invocation body: ",
	.shape = "invalid stored-query invocation body: ",
	.shape_status = 400,
	.may_be_absent = true,
};

int route_list_queries(struct request *r)
{
	struct served_graph *g = r->graph;
	struct json_writer w;
	int rc = authorize(r, "read", "main", NULL);

	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_keyz(&w, "queries");
	jw_begin_array(&w);
	for (size_t i = 0; i < g->n_queries; i++)
		query_decl_entry_json(g->queries[i].decl, &w);
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

static struct stored_query *find_stored(const struct request *r)
{
	struct served_graph *g = r->graph;
	size_t lo = 0, hi = g->n_queries;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = str_cmp(r->capture, str_from(g->queries[mid].name));

		if (!c)
			return &g->queries[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* The conditional header is looked at before the body. */
int check_invoke(struct request *r)
{
	return condition_absent(r, "/queries/<name>/if-graph-commit");
}

int check_invoke_if(struct request *r)
{
	const char *v;

	return condition_value(r, &v);
}

static int not_found(struct request *r)
{
	err_clear(&r->err);
	r->status = 0;
	return err_set(&r->err, ERR_NOT_FOUND, "stored query not found");
}

/* A denied name and a missing one look the same. */
static int find_allowed(struct request *r, struct stored_query **out)
{
	int rc = authorize(r, "invoke_query", NULL, NULL);

	if (rc && r->err.code != ERR_POLICY)
		return rc;
	*out = rc ? NULL : find_stored(r);
	return *out ? 0 : not_found(r);
}

static int check_expectation(struct request *r, const struct stored_query *q, const struct field *f)
{
	if (!f->value || f->value->boolean == q->mutation)
		return 0;
	return err_set(&r->err, ERR_BAD_REQUEST, "'%s' is a %s — use omnigraph %s %s", q->name,
		       q->mutation ? "mutation" : "read", q->mutation ? "mutate" : "query", q->name);
}

static void log_invocation(const struct request *r, const struct stored_query *q)
{
	if (log_enabled(r->srv->logger, LOG_INFO, "omnigraph::request"))
		log_kv(r->srv->logger, LOG_INFO, "omnigraph::request", "stored query invoked", "graph", r->graph->id,
		       "actor", r->actor ? r->actor : "", "query", q->name, "kind", q->mutation ? "mutate" : "read",
		       NULL);
}

static int invoke_read(struct request *r, struct stored_query *q, struct field *f)
{
	struct compiled *c = NULL;
	struct read_target t;
	struct snapshot *s;
	int rc = read_target_fields(r, &f[F_BRANCH], &f[F_SNAPSHOT], &t);

	if (!rc)
		rc = read_target_authorize(r, &t);
	if (rc)
		return rc;
	log_invocation(r, q);
	rc = read_target_open(r, &t, &s);
	if (rc)
		return rc;
	rc = stored_compile(q, snapshot_catalog(s), &c, &r->err);
	if (!rc)
		rc = run_read(r, s, compiled_query(c), f[F_PARAMS].value, &t, true);
	compiled_put(c);
	snapshot_put(s);
	return rc;
}

static int run_stored_write(struct request *r, struct stored_query *q, const struct write_request *w)
{
	struct compiled *c = NULL;
	struct snapshot *s;
	int rc = graph_snapshot(r->graph->graph, NULL, NULL, &s, &r->err);

	if (rc)
		return rc;
	rc = stored_compile(q, snapshot_catalog(s), &c, &r->err);
	snapshot_put(s);
	if (!rc)
		rc = run_write(r, compiled_query(c), w);
	compiled_put(c);
	return rc;
}

static int invoke_write(struct request *r, struct stored_query *q, struct field *f, const char *expected_head)
{
	struct write_request w = { .source = q->source, .params = f[F_PARAMS].value, .expected_head = expected_head };
	uint64_t bytes;
	int rc;

	if (f[F_SNAPSHOT].value)
		return err_set(&r->err, ERR_BAD_REQUEST, "stored mutation cannot target a snapshot");
	rc = branch_field(r, &f[F_BRANCH], "main", &w.branch);
	if (!rc)
		rc = authorize(r, "change", w.branch, NULL);
	if (rc)
		return rc;
	log_invocation(r, q);
	bytes = write_estimate(&w);
	rc = admit(r, bytes);
	if (rc)
		return rc;
	rc = run_stored_write(r, q, &w);
	admit_end(r, bytes);
	return rc;
}

static int invoke(struct request *r, bool conditional)
{
	struct field f[F_COUNT] = {
		[F_PARAMS] = { .name = "params", .type = FIELD_ANY },
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_SNAPSHOT] = { .name = "snapshot", .type = FIELD_STRING },
		[F_EXPECT] = { .name = "expect_mutation", .type = FIELD_BOOL },
	};
	const char *expected_head = NULL;
	struct stored_query *q;
	int rc = conditional ? condition_value(r, &expected_head) : 0;

	if (!rc)
		rc = body_decode(r, f, F_COUNT, &invocation_rules);
	if (!rc)
		rc = find_allowed(r, &q);
	if (!rc)
		rc = check_expectation(r, q, &f[F_EXPECT]);
	if (rc)
		return rc;
	if (conditional && !q->mutation)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "the graph-commit conditional route applies only to stored mutations");
	return q->mutation ? invoke_write(r, q, f, expected_head) : invoke_read(r, q, f);
}

int route_invoke(struct request *r)
{
	return invoke(r, false);
}

int route_invoke_if(struct request *r)
{
	return invoke(r, true);
}

/* A point look-up on a local graph is cheaper than a hop to a worker and back. */
bool invoke_on_loop(const struct request *r)
{
	const struct stored_query *q;

	if (!r->graph->local || r->body.n > 16384)
		return false;
	q = find_stored(r);
	return !q || (!q->mutation && q->cheap);
}
