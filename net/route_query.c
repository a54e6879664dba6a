/* SPDX-License-Identifier: MIT */
/* Ad hoc reads: /query and its frozen predecessor /read (spec/server.md 8.4, 8.5). */
#include "net/run_query.h"

enum { F_QUERY, F_NAME, F_PARAMS, F_BRANCH, F_SNAPSHOT, F_COUNT };

static int select_read(struct request *r, const struct query_file *file, const char *name, bool legacy,
		       const struct query_decl **out)
{
	int rc = query_file_select(file, name, out, &r->err);
	struct str q;

	if (rc || !query_decl_is_mutation(*out))
		return rc;
	if (legacy)
		return err_set(&r->err, ERR_TYPE,
			       "type error: mutation query cannot be typechecked with read-query API");
	q = query_decl_name(*out);
	return err_set(&r->err, ERR_BAD_REQUEST,
		       "query '%.*s' contains mutations (insert/update/delete); use POST /mutate for write queries",
		       STR_ARG(q));
}

static int compile_and_run(struct request *r, const struct query_decl *d, const struct field *f,
			   const struct read_target *t, bool with_commit)
{
	struct query *q = NULL;
	struct snapshot *s;
	int rc = read_target_open(r, t, &s);

	if (rc)
		return rc;
	rc = query_compile((struct catalog *)(uintptr_t)snapshot_catalog(s), d, &q, &r->err);
	if (!rc)
		rc = run_read(r, s, q, f[F_PARAMS].value, t, with_commit);
	query_free(q);
	snapshot_put(s);
	return rc;
}

static int read_route(struct request *r, struct field *f, bool legacy)
{
	struct query_file *file = NULL;
	const struct query_decl *d;
	struct read_target t;
	int rc = body_decode(r, f, F_COUNT, NULL);

	if (!rc)
		rc = read_target_fields(r, &f[F_BRANCH], &f[F_SNAPSHOT], &t);
	if (!rc)
		rc = read_target_authorize(r, &t);
	if (!rc)
		rc = query_file_parse(f[F_QUERY].value->text, &file, &r->err);
	if (!rc)
		rc = select_read(r, file, field_text(r, &f[F_NAME], NULL), legacy, &d);
	if (!rc)
		rc = compile_and_run(r, d, f, &t, !legacy);
	query_file_free(file);
	return rc;
}

int route_query(struct request *r)
{
	struct field f[F_COUNT] = {
		[F_QUERY] = { .name = "query", .type = FIELD_STRING, .required = true },
		[F_NAME] = { .name = "name", .type = FIELD_STRING },
		[F_PARAMS] = { .name = "params", .type = FIELD_ANY },
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_SNAPSHOT] = { .name = "snapshot", .type = FIELD_STRING },
	};

	return read_route(r, f, false);
}

int route_read(struct request *r)
{
	struct field f[F_COUNT] = {
		[F_QUERY] = { .name = "query_source", .type = FIELD_STRING, .required = true },
		[F_NAME] = { .name = "query_name", .type = FIELD_STRING },
		[F_PARAMS] = { .name = "params", .type = FIELD_ANY },
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_SNAPSHOT] = { .name = "snapshot", .type = FIELD_STRING },
	};
	int rc = read_route(r, f, true);

	if (rc)
		return rc;
	http_reply_header(r->x, "Deprecation", "true");
	http_reply_header(r->x, "Link", "<query>; rel=\"successor-version\"");
	return 0;
}
