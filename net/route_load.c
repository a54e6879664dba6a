/* SPDX-License-Identifier: MIT */
/* Loads in a JSON body: /load and its old name /ingest (spec/server.md 8.15). */
#include "net/load_common.h"

enum { F_DATA, F_BRANCH, F_FROM, F_MODE, F_COUNT };

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	struct str *rest = arg;

	if (n > rest->n)
		n = rest->n;
	memcpy(buf, rest->s, n);
	rest->s += n;
	rest->n -= n;
	return (long)n;
}

static int run_load(struct request *r, const struct load_request *l, struct str data)
{
	struct load_opts opts = { .write = { .branch = l->branch, .actor = r->actor },
				  .from = l->from,
				  .mode = l->mode,
				  .shape = LOAD_PERMISSIVE };
	struct load_result res = { 0 };
	int rc = graph_load(r->graph->graph, &opts, read_text, &data, &res, &r->err);

	if (!rc)
		load_put_result(r, l, &res, true);
	load_result_clear(&res);
	return rc;
}

static int decode(struct request *r, struct field *f, struct load_request *l)
{
	int rc = body_decode(r, f, F_COUNT, NULL);

	if (!rc)
		rc = branch_field(r, &f[F_BRANCH], "main", &l->branch);
	if (!rc)
		rc = branch_field(r, &f[F_FROM], NULL, &l->from);
	if (!rc)
		l->mode = f[F_MODE].value ? load_mode_of(f[F_MODE].value->text) : LOAD_MERGE;
	return rc;
}

int route_load(struct request *r)
{
	struct field f[F_COUNT] = {
		[F_DATA] = { .name = "data", .type = FIELD_STRING, .required = true },
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_FROM] = { .name = "from", .type = FIELD_STRING },
		[F_MODE] = { .name = "mode", .type = FIELD_ENUM, .values = load_mode_names },
	};
	struct load_request l;
	struct str data;
	bool missing;
	int rc = decode(r, f, &l);

	if (!rc)
		rc = load_branch_missing(r, &l, &missing);
	if (!rc)
		rc = load_authorize(r, &l, missing);
	if (!rc)
		rc = load_branch_rule(r, &l, missing);
	if (rc)
		return rc;
	data = f[F_DATA].value->text;
	sb_free(&r->body); /* the decoded text is all that is needed */
	rc = admit(r, data.n);
	if (rc)
		return rc;
	rc = run_load(r, &l, data);
	admit_end(r, data.n);
	return rc;
}

int route_ingest(struct request *r)
{
	int rc = route_load(r);

	if (rc)
		return rc;
	http_reply_header(r->x, "Deprecation", "true");
	http_reply_header(r->x, "Link", "<load>; rel=\"successor-version\"");
	return 0;
}
