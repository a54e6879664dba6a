/* SPDX-License-Identifier: MIT */
/* Branches: list, create, delete, merge (spec/server.md 8.17 to 8.19). */
#include "net/body.h"
#include "net/server.h"

#define BRANCH_ADMISSION_BYTES 256

static int put_name(void *arg, const char *name)
{
	jw_strz(arg, name);
	return 0;
}

int route_list_branches(struct request *r)
{
	struct json_writer w;
	int rc = authorize(r, "read", NULL, NULL);

	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_keyz(&w, "branches");
	jw_begin_array(&w);
	rc = graph_branches(r->graph->graph, put_name, &w, &r->err);
	jw_end_array(&w);
	jw_end_object(&w);
	return rc;
}

static void put_result(struct request *r, const char *from, const char *name)
{
	struct json_writer w;

	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", graph_uri(r->graph->graph));
	if (from)
		jw_kstrz(&w, "from", from);
	jw_kstrz(&w, "name", name);
	jw_kstrz(&w, "actor_id", r->actor);
	jw_end_object(&w);
}

int route_create_branch(struct request *r)
{
	struct field f[] = {
		{ .name = "name", .type = FIELD_STRING, .required = true },
		{ .name = "from", .type = FIELD_STRING },
	};
	const char *name, *from;
	int rc = body_decode(r, f, ARRAY_SIZE(f), NULL);

	if (!rc)
		rc = branch_field(r, &f[0], NULL, &name);
	if (!rc)
		rc = branch_field(r, &f[1], "main", &from);
	if (!rc)
		rc = authorize(r, "branch_create", from, name);
	if (!rc)
		rc = admit(r, BRANCH_ADMISSION_BYTES);
	if (rc)
		return rc;
	rc = graph_branch_create(r->graph->graph, name, from, r->actor, &r->err);
	admit_end(r, BRANCH_ADMISSION_BYTES);
	if (!rc)
		put_result(r, from, name);
	return rc;
}

int route_delete_branch(struct request *r)
{
	const char *name;
	int rc = branch_text(r, &r->capture, NULL, &name);

	if (!rc)
		rc = authorize(r, "branch_delete", NULL, name);
	if (!rc)
		rc = admit(r, BRANCH_ADMISSION_BYTES);
	if (rc)
		return rc;
	rc = graph_branch_delete(r->graph->graph, name, r->actor, &r->err);
	admit_end(r, BRANCH_ADMISSION_BYTES);
	if (!rc)
		put_result(r, NULL, name);
	return rc;
}

/* The first conflicts in the text, all of them in the body. */
static void put_conflicts(struct request *r, const struct merge_result *res)
{
	struct strbuf summary = STRBUF_INIT, list = STRBUF_INIT;
	struct json_writer w;

	merge_conflicts_summary(res, &summary);
	jw_init(&w, &list, false);
	merge_conflicts_json(res, &w);
	err_set(&r->err, ERR_MERGE_CONFLICTS, "%s", summary.s);
	err_detail(&r->err, "merge_conflicts", list.s);
	sb_free(&summary);
	sb_free(&list);
}

static int merge(struct request *r, struct merge_opts *opts)
{
	struct merge_result res = { 0 };
	struct json_writer w;
	int rc = graph_merge(r->graph->graph, opts, &res, &r->err);

	if (!rc) {
		jw_init(&w, &r->out, false);
		merge_result_json(&res, opts, &w);
	} else if (r->err.code == ERR_MERGE_CONFLICTS) {
		put_conflicts(r, &res);
	}
	merge_result_clear(&res);
	return rc;
}

int route_merge_branches(struct request *r)
{
	struct field f[] = {
		{ .name = "source", .type = FIELD_STRING, .required = true },
		{ .name = "target", .type = FIELD_STRING },
		{ .name = "delete_branch", .type = FIELD_BOOL },
	};
	struct merge_opts opts = { .actor = r->actor };
	int rc = body_decode(r, f, ARRAY_SIZE(f), NULL);

	if (!rc)
		rc = branch_field(r, &f[0], NULL, &opts.source);
	if (!rc)
		rc = branch_field(r, &f[1], "main", &opts.target);
	if (!rc)
		rc = authorize(r, "branch_merge", opts.source, opts.target);
	if (!rc)
		rc = admit(r, BRANCH_ADMISSION_BYTES);
	if (rc)
		return rc;
	opts.delete_branch = f[2].value && f[2].value->boolean;
	rc = merge(r, &opts);
	admit_end(r, BRANCH_ADMISSION_BYTES);
	return rc;
}
