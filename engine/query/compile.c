/* SPDX-License-Identifier: MIT */
/* From a declaration to a compiled query. */
#include "ast.h"

int query_compile(struct catalog *c, const struct query_decl *d, struct query **out, struct err *e)
{
	struct query *q = mem_zalloc(sizeof(*q));
	int rc;

	q->catalog = catalog_get(c);
	rc = query_typecheck(c, d, q, e);
	if (!rc && !q->decl.is_mutation)
		rc = query_make_plan(q, e);
	if (rc) {
		query_free(q);
		return rc;
	}
	*out = q;
	return 0;
}

void query_free(struct query *q)
{
	if (!q)
		return;
	catalog_put(q->catalog);
	arena_free(&q->arena);
	free(q);
}

struct str query_name(const struct query *q)
{
	return q->decl.name;
}

bool query_is_mutation(const struct query *q)
{
	return q->decl.is_mutation;
}

const struct catalog *query_catalog(const struct query *q)
{
	return q->catalog;
}
