/* SPDX-License-Identifier: MIT */
#include "net/read_target.h"

int read_target_fields(struct request *r, const struct field *branch, const struct field *snapshot,
		       struct read_target *t)
{
	*t = (struct read_target){ NULL, NULL };
	if (branch->value && snapshot->value)
		return err_set(&r->err, ERR_BAD_REQUEST, "request may specify branch or snapshot, not both");
	if (!snapshot->value)
		return branch_field(r, branch, "main", &t->branch);
	t->snapshot = field_text(r, snapshot, NULL);
	return 0;
}

int read_target_authorize(struct request *r, const struct read_target *t)
{
	struct commit_info c;
	int rc;

	if (!t->snapshot || !r->graph->policy)
		return authorize(r, "read", t->branch, NULL);
	rc = graph_commit(r->graph->graph, t->snapshot, &c, &r->err);
	if (rc)
		return rc;
	rc = authorize(r, "read", c.branch ? c.branch : "main", NULL);
	commit_info_clear(&c);
	return rc;
}

int read_target_open(struct request *r, const struct read_target *t, struct snapshot **out)
{
	return graph_snapshot(r->graph->graph, t->branch, t->snapshot, out, &r->err);
}
