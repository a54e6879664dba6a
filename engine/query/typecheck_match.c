/* SPDX-License-Identifier: MIT */
/* Clauses of a match block: node patterns, traversals, negation (T1, T2, T4, T5, T9, T15, T22, T23). */
#include "typecheck.h"

static bool is_anonymous(struct str name)
{
	return str_eqz(name, "_");
}

static int bind_node(struct tc *tc, struct clause *c)
{
	const struct type *t = c->node.type;
	uint32_t v = tc_lookup(tc, c->node.var);
	const struct query_var *qv;

	if (v == VAR_NONE) {
		c->node.v = tc_new_var(tc, c->node.var, t);
		return 0;
	}
	qv = &tc->q->vars[v];
	if (qv->is_edge)
		return tc_error(tc,
				"T23: variable `$%.*s` is bound to edge type `%.*s` and cannot be rebound as node type "
				"`%.*s`",
				STR_ARG(qv->name), STR_ARG(qv->type->name), STR_ARG(t->name));
	if (qv->type != t)
		return tc_error(tc, "variable `$%.*s` already bound to type `%.*s`, cannot rebind to `%.*s`",
				STR_ARG(qv->name), STR_ARG(qv->type->name), STR_ARG(t->name));
	c->node.v = v;
	return 0;
}

static int check_node(struct tc *tc, struct clause *c)
{
	int rc;

	c->node.type = catalog_node(tc->c, c->node.type_name);
	if (!c->node.type)
		return tc_error(tc, "T1: unknown node type `%.*s`", STR_ARG(c->node.type_name));
	rc = bind_node(tc, c);
	for (uint32_t i = 0; !rc && i < c->node.n_matches; i++) {
		struct prop_value *m = &c->node.matches[i];
		const struct prop *p = type_prop(c->node.type, m->name);

		if (!p)
			return tc_error(tc, "T2: type `%.*s` has no property `%.*s`", STR_ARG(c->node.type->name),
					STR_ARG(m->name));
		m->prop = p->index;
		rc = tc_value(tc, c->node.type, p, m->value, USE_MATCH);
	}
	return rc;
}

/* --- traversals -------------------------------------------------------------------------------- */

static int check_bounds(struct tc *tc, const struct clause *c)
{
	if (c->trav.min < 1)
		return tc_error(tc, "T15: traversal min hop bound must be >= 1");
	if (c->trav.unbounded)
		return tc_error(tc, "T15: unbounded traversal is disabled; use bounded traversal {min,max}");
	if (c->trav.max < c->trav.min)
		return tc_error(tc, "T15: invalid traversal bounds {%llu,%llu}; max must be >= min",
				(unsigned long long)c->trav.min, (unsigned long long)c->trav.max);
	return 0;
}

static int check_undirected(struct tc *tc, const struct clause *c)
{
	const struct type *e = c->trav.edge;

	if (!c->trav.undirected || e->from == e->to)
		return 0;
	return tc_error(
		tc,
		"T22: undirected traversal `<%.*s>` requires a same-endpoint-type edge, but `%s` is asymmetric; "
		"use the directional form",
		STR_ARG(e->name), tc_show_edge(tc, e));
}

static int check_edge_var(struct tc *tc, const struct clause *c)
{
	struct str w = c->trav.edge_var;

	if (!w.s)
		return 0;
	if (c->trav.min != 1 || c->trav.max != 1)
		return tc_error(tc,
				"T23: edge binding `$%.*s` cannot be combined with traversal bounds; a multi-hop "
				"traversal matches a path of edges, not one edge",
				STR_ARG(w));
	if (is_anonymous(w))
		return 0;
	if (str_eq(w, c->trav.left) || str_eq(w, c->trav.right))
		return tc_error(tc,
				"T23: edge binding `$%.*s` cannot reuse a traversal endpoint name; edge bindings and "
				"node endpoints need distinct names",
				STR_ARG(w));
	if (tc_lookup(tc, w) != VAR_NONE)
		return tc_error(tc, "T23: variable `$%.*s` is already bound; an edge binding needs a fresh name",
				STR_ARG(w));
	return 0;
}

static int not_an_edge(struct tc *tc, uint32_t v)
{
	if (v == VAR_NONE || !tc->q->vars[v].is_edge)
		return 0;
	return tc_error(tc,
			"T23: edge binding `$%.*s` cannot be used as a traversal endpoint; traversal endpoints must be "
			"node bindings",
			STR_ARG(tc->q->vars[v].name));
}

/* Direction from the bound variable @v: true when it stands at the edge's @near end. */
static int infer(struct tc *tc, const struct type *e, uint32_t v, const struct type *near_end, bool *near_side)
{
	const struct query_var *qv = &tc->q->vars[v];

	*near_side = qv->type == near_end;
	if (*near_side || qv->type == e->from || qv->type == e->to)
		return 0;
	return tc_error(tc, "T5: variable `$%.*s` has type `%.*s`, which is not an endpoint of edge `%s`",
			STR_ARG(qv->name), STR_ARG(qv->type->name), tc_show_edge(tc, e));
}

static int bind_endpoint(struct tc *tc, const struct type *e, struct str name, const struct type *want, uint32_t *out)
{
	const struct query_var *qv;

	*out = tc_lookup(tc, name);
	if (*out == VAR_NONE) {
		*out = tc_new_var(tc, name, want);
		return 0;
	}
	qv = &tc->q->vars[*out];
	if (qv->type == want)
		return 0;
	return tc_error(tc, "T5: variable `$%.*s` has type `%.*s` but edge `%.*s` expects `%.*s`", STR_ARG(qv->name),
			STR_ARG(qv->type->name), STR_ARG(e->name), STR_ARG(want->name));
}

static int bind_endpoints(struct tc *tc, struct clause *c)
{
	const struct type *e = c->trav.edge;
	uint32_t l = tc_lookup(tc, c->trav.left), r = tc_lookup(tc, c->trav.right);
	int rc = not_an_edge(tc, l);

	if (!rc)
		rc = not_an_edge(tc, r);
	c->trav.forward = true;
	if (!rc && l != VAR_NONE)
		rc = infer(tc, e, l, e->from, &c->trav.forward);
	else if (!rc && r != VAR_NONE)
		rc = infer(tc, e, r, e->to, &c->trav.forward);
	if (!rc)
		rc = bind_endpoint(tc, e, c->trav.left, c->trav.forward ? e->from : e->to, &c->trav.lv);
	if (!rc)
		rc = bind_endpoint(tc, e, c->trav.right, c->trav.forward ? e->to : e->from, &c->trav.rv);
	return rc;
}

static int check_traversal(struct tc *tc, struct clause *c)
{
	int rc;

	c->trav.edge = catalog_edge_nocase(tc->c, c->trav.edge_name);
	if (!c->trav.edge)
		return tc_error(tc, "T4: unknown edge type `%.*s`", STR_ARG(c->trav.edge_name));
	rc = check_bounds(tc, c);
	if (!rc)
		rc = check_undirected(tc, c);
	if (!rc)
		rc = check_edge_var(tc, c);
	if (!rc)
		rc = bind_endpoints(tc, c);
	if (rc)
		return rc;
	c->trav.ev = VAR_NONE;
	if (c->trav.edge_var.s && !is_anonymous(c->trav.edge_var))
		c->trav.ev = tc_new_var(tc, c->trav.edge_var, c->trav.edge);
	return 0;
}

/* --- negation ---------------------------------------------------------------------------------- */

static bool expr_mentions(const struct tc *tc, const struct expr *x)
{
	if (!x)
		return false;
	if (x->kind == EX_PROP)
		return tc_lookup(tc, x->name) != VAR_NONE;
	if (x->kind == EX_VAR)
		return tc_param(tc, x->name) == VAR_NONE && tc_lookup(tc, x->name) != VAR_NONE;
	return expr_mentions(tc, x->args[0]) || expr_mentions(tc, x->args[1]) || expr_mentions(tc, x->args[2]);
}

/* Does a direct clause of a `not` block mention a variable that is visible before the block? */
static bool clause_mentions(const struct tc *tc, const struct clause *c)
{
	switch (c->kind) {
	case CL_NODE:
		return tc_lookup(tc, c->node.var) != VAR_NONE;
	case CL_TRAVERSAL:
		return tc_lookup(tc, c->trav.left) != VAR_NONE || tc_lookup(tc, c->trav.right) != VAR_NONE;
	case CL_FILTER:
		return expr_mentions(tc, c->filter.left) || expr_mentions(tc, c->filter.right);
	case CL_TEXT:
		return expr_mentions(tc, c->text);
	case CL_NOT:
		return false;
	}
	return false;
}

static int check_negation(struct tc *tc, struct clause *c)
{
	uint32_t first = tc->q->n_vars;
	bool correlated = false;
	int rc;

	for (uint32_t i = 0; !correlated && i < c->negation.n; i++)
		correlated = clause_mentions(tc, &c->negation.clauses[i]);
	if (!correlated)
		return tc_error(tc, "T9: negation block must reference at least one outer-bound variable");
	tc->depth++;
	rc = tc_clauses(tc, c->negation.clauses, c->negation.n);
	tc->depth--;
	/* What the block introduced is invisible behind it; outer names cannot be shadowed. */
	for (uint32_t i = first; i < tc->q->n_vars; i++)
		if (!tc->q->vars[i].anonymous)
			map_remove(&tc->names, tc->q->vars[i].name);
	return rc;
}

static int check_text(struct tc *tc, struct clause *c)
{
	struct vtype t;

	return tc_expr(tc, c->text, &t);
}

int tc_clauses(struct tc *tc, struct clause *cl, uint32_t n)
{
	static int (*const check[])(struct tc *, struct clause *) = {
		[CL_NODE] = check_node, [CL_TRAVERSAL] = check_traversal, [CL_FILTER] = tc_filter,
		[CL_TEXT] = check_text, [CL_NOT] = check_negation,
	};

	for (uint32_t i = 0; i < n; i++) {
		int rc = check[cl[i].kind](tc, &cl[i]);

		if (rc)
			return rc;
	}
	return 0;
}
