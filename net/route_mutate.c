/* SPDX-License-Identifier: MIT */
/* Ad hoc writes: /mutate, /change, /mutate/if-graph-commit (spec/server.md 8.8 - 8.10). */
#include "net/run_query.h"

enum { F_QUERY, F_NAME, F_PARAMS, F_BRANCH, F_COUNT };

static int compile_for_branch(struct request *r, const struct query_decl *d, struct query **out)
{
	struct snapshot *s;
	int rc = graph_snapshot(r->graph->graph, NULL, NULL, &s, &r->err);

	if (rc)
		return rc;
	rc = query_compile((struct catalog *)(uintptr_t)snapshot_catalog(s), d, out, &r->err);
	snapshot_put(s);
	return rc;
}

static int write_source(struct request *r, const struct write_request *w, const char *name)
{
	struct query_file *file = NULL;
	const struct query_decl *d;
	struct query *q = NULL;
	int rc = query_file_parse(w->source, &file, &r->err);

	if (!rc)
		rc = query_file_select(file, name, &d, &r->err);
	if (!rc && !query_decl_is_mutation(d))
		rc = err_set(&r->err, ERR_BAD_REQUEST, "mutation execution called on a read query; use query instead");
	if (!rc)
		rc = compile_for_branch(r, d, &q);
	if (!rc)
		rc = run_write(r, q, w);
	query_free(q);
	query_file_free(file);
	return rc;
}

static int check_condition(struct request *r, bool conditional, struct write_request *w)
{
	return conditional ? condition_value(r, &w->expected_head) : condition_absent(r, "/mutate/if-graph-commit");
}

static int mutate_route(struct request *r, bool conditional)
{
	struct field f[F_COUNT] = {
		[F_QUERY] = { .name = "query", .alias = "query_source", .type = FIELD_STRING, .required = true },
		[F_NAME] = { .name = "name", .alias = "query_name", .type = FIELD_STRING },
		[F_PARAMS] = { .name = "params", .type = FIELD_ANY },
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
	};
	struct write_request w = { 0 };
	uint64_t bytes;
	int rc = body_decode(r, f, F_COUNT, NULL);

	if (!rc)
		rc = check_condition(r, conditional, &w);
	if (!rc)
		rc = branch_field(r, &f[F_BRANCH], "main", &w.branch);
	if (!rc)
		rc = authorize(r, "change", w.branch, NULL);
	if (rc)
		return rc;
	w.source = f[F_QUERY].value->text;
	w.params = f[F_PARAMS].value;
	bytes = write_estimate(&w);
	rc = admit(r, bytes);
	if (rc)
		return rc;
	rc = write_source(r, &w, field_text(r, &f[F_NAME], NULL));
	admit_end(r, bytes);
	return rc;
}

int route_mutate(struct request *r)
{
	return mutate_route(r, false);
}

int route_mutate_if(struct request *r)
{
	return mutate_route(r, true);
}

int route_change(struct request *r)
{
	int rc = mutate_route(r, false);

	if (rc)
		return rc;
	http_reply_header(r->x, "Deprecation", "true");
	http_reply_header(r->x, "Link", "<mutate>; rel=\"successor-version\"");
	return 0;
}
