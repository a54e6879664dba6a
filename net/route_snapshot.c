/* SPDX-License-Identifier: MIT */
/* The state of a branch and its history (spec/server.md 8.3, 8.20). */
#include "net/body.h"
#include "net/server.h"

static int branch_param(struct request *r, const char **branch)
{
	struct query_param p = { .name = "branch" };
	int rc = query_string_parse(&r->arena, r->x->query, &p, 1, &r->err);

	return rc ? rc : branch_text(r, p.given ? &p.value : NULL, "main", branch);
}

int check_branch_param(struct request *r)
{
	const char *branch;

	return branch_param(r, &branch);
}

int route_snapshot(struct request *r)
{
	struct snapshot *s;
	struct json_writer w;
	const char *branch;
	int rc = branch_param(r, &branch);

	if (!rc)
		rc = authorize(r, "read", branch, NULL);
	if (!rc)
		rc = graph_snapshot(r->graph->graph, branch, NULL, &s, &r->err);
	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	snapshot_report_json(s, branch, &w);
	snapshot_put(s);
	return 0;
}

static int put_commit(void *arg, const struct commit_info *c)
{
	commit_info_json(arg, c);
	return 0;
}

int route_list_commits(struct request *r)
{
	struct json_writer w;
	const char *branch;
	int rc = branch_param(r, &branch);

	if (!rc)
		rc = authorize(r, "read", branch, NULL);
	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_keyz(&w, "commits");
	jw_begin_array(&w);
	rc = graph_commits(r->graph->graph, branch, put_commit, &w, &r->err);
	jw_end_array(&w);
	jw_end_object(&w);
	return rc;
}

int route_get_commit(struct request *r)
{
	struct commit_info c;
	struct json_writer w;
	int rc = authorize(r, "read", NULL, NULL);

	if (!rc)
		rc = graph_commit(r->graph->graph, r->capture.s, &c, &r->err);
	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	commit_info_json(&w, &c);
	commit_info_clear(&c);
	return 0;
}
