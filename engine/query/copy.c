/* SPDX-License-Identifier: MIT */
/* Deep copy of a declaration, so that the type checker may complete it while the parsed file stays reusable. */
#include "typecheck.h"

static struct str copy_str(struct arena *a, struct str s)
{
	return s.s ? arena_str(a, s) : s;
}

static void copy_literal(struct arena *a, struct literal *dst, const struct literal *src)
{
	struct literal *items;

	*dst = *src;
	dst->text = copy_str(a, src->text);
	if (!src->n)
		return;
	items = arena_array(a, struct literal, src->n);
	for (uint32_t i = 0; i < src->n; i++)
		copy_literal(a, &items[i], &src->items[i]);
	dst->items = items;
}

static struct expr *copy_expr(struct arena *a, const struct expr *src)
{
	struct expr *x;

	if (!src)
		return NULL;
	x = arena_memdup(a, src, sizeof(*src));
	x->name = copy_str(a, src->name);
	x->prop_name = copy_str(a, src->prop_name);
	copy_literal(a, &x->lit, &src->lit);
	for (size_t i = 0; i < ARRAY_SIZE(x->args); i++)
		x->args[i] = copy_expr(a, src->args[i]);
	return x;
}

static struct prop_value *copy_matches(struct arena *a, const struct prop_value *src, uint32_t n)
{
	struct prop_value *m = arena_memdup(a, src, sizeof(*src) * n);

	for (uint32_t i = 0; i < n; i++) {
		m[i].name = copy_str(a, src[i].name);
		m[i].value = copy_expr(a, src[i].value);
	}
	return m;
}

static struct clause *copy_clauses(struct arena *a, const struct clause *src, uint32_t n);

static void copy_clause(struct arena *a, struct clause *dst, const struct clause *src)
{
	*dst = *src;
	switch (src->kind) {
	case CL_NODE:
		dst->node.var = copy_str(a, src->node.var);
		dst->node.type_name = copy_str(a, src->node.type_name);
		dst->node.matches = copy_matches(a, src->node.matches, src->node.n_matches);
		break;
	case CL_TRAVERSAL:
		dst->trav.left = copy_str(a, src->trav.left);
		dst->trav.right = copy_str(a, src->trav.right);
		dst->trav.edge_name = copy_str(a, src->trav.edge_name);
		dst->trav.edge_var = copy_str(a, src->trav.edge_var);
		break;
	case CL_FILTER:
		dst->filter.left = copy_expr(a, src->filter.left);
		dst->filter.right = copy_expr(a, src->filter.right);
		break;
	case CL_TEXT:
		dst->text = copy_expr(a, src->text);
		break;
	case CL_NOT:
		dst->negation.clauses = copy_clauses(a, src->negation.clauses, src->negation.n);
		break;
	}
}

static struct clause *copy_clauses(struct arena *a, const struct clause *src, uint32_t n)
{
	struct clause *c = arena_array(a, struct clause, n);

	for (uint32_t i = 0; i < n; i++)
		copy_clause(a, &c[i], &src[i]);
	return c;
}

static void copy_stmt(struct arena *a, struct stmt *dst, const struct stmt *src)
{
	*dst = *src;
	dst->type_name = copy_str(a, src->type_name);
	dst->where_name = copy_str(a, src->where_name);
	dst->where_value = copy_expr(a, src->where_value);
	dst->assign = arena_memdup(a, src->assign, sizeof(*src->assign) * src->n_assign);
	for (uint32_t i = 0; i < src->n_assign; i++) {
		dst->assign[i].name = copy_str(a, src->assign[i].name);
		dst->assign[i].value = copy_expr(a, src->assign[i].value);
	}
}

static void copy_head(struct arena *a, struct query_decl *dst, const struct query_decl *src)
{
	dst->name = copy_str(a, src->name);
	dst->description = src->description ? arena_strdup(a, src->description) : NULL;
	dst->instruction = src->instruction ? arena_strdup(a, src->instruction) : NULL;
	dst->params = arena_memdup(a, src->params, sizeof(*src->params) * src->n_params);
	for (uint32_t i = 0; i < src->n_params; i++) {
		dst->params[i].name = copy_str(a, src->params[i].name);
		dst->params[i].type_text = copy_str(a, src->params[i].type_text);
	}
}

void decl_copy(struct arena *a, struct query_decl *dst, const struct query_decl *src)
{
	*dst = *src;
	copy_head(a, dst, src);
	dst->clauses = copy_clauses(a, src->clauses, src->n_clauses);
	dst->projections = arena_memdup(a, src->projections, sizeof(*src->projections) * src->n_projections);
	for (uint32_t i = 0; i < src->n_projections; i++) {
		dst->projections[i].expr = copy_expr(a, src->projections[i].expr);
		dst->projections[i].alias = copy_str(a, src->projections[i].alias);
	}
	dst->orderings = arena_memdup(a, src->orderings, sizeof(*src->orderings) * src->n_orderings);
	for (uint32_t i = 0; i < src->n_orderings; i++)
		dst->orderings[i].expr = copy_expr(a, src->orderings[i].expr);
	dst->stmts = arena_array(a, struct stmt, src->n_stmts);
	for (uint32_t i = 0; i < src->n_stmts; i++)
		copy_stmt(a, &dst->stmts[i], &src->stmts[i]);
}
