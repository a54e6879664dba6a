/* SPDX-License-Identifier: MIT */
/* Comparison, contains and starts_with clauses (T7). */
#include "typecheck.h"

static bool is_vector(const struct prop_type *t)
{
	return t->scalar == SCALAR_VECTOR;
}

static int check_contains(struct tc *tc, const struct prop_type *l, const struct prop_type *r)
{
	struct prop_type item = *l;

	if (is_vector(l) || is_vector(r))
		return tc_error(tc, "T7: vector membership filters are not supported");
	if (!l->list && l->scalar != SCALAR_STRING)
		return tc_error(tc,
				"T7: contains requires a list property (membership) or a String property (substring) "
				"on the left, got %s",
				tc_show(tc, l));
	if (!l->list)
		return type_string(r) ? 0
				      : tc_error(tc, "T7: string contains requires a String right operand, got %s",
						 tc_show(tc, r));
	if (r->list)
		return tc_error(tc, "T7: contains requires a scalar right operand");
	item.list = false;
	if (!types_compatible(&item, r))
		return tc_error(tc, "T7: cannot test membership of %s in %s", tc_show(tc, r), tc_show(tc, l));
	return 0;
}

static int check_starts_with(struct tc *tc, const struct prop_type *l, const struct prop_type *r)
{
	if (!type_string(l))
		return tc_error(tc, "T7: starts_with requires a String property on the left, got %s", tc_show(tc, l));
	if (!type_string(r))
		return tc_error(tc, "T7: starts_with requires a String right operand, got %s", tc_show(tc, r));
	return 0;
}

static int check_compare(struct tc *tc, const struct prop_type *l, const struct prop_type *r)
{
	if (l->list || r->list)
		return tc_error(tc, "T7: list comparisons in filters are not supported; use `contains` for list "
				    "membership");
	if (is_vector(l) || is_vector(r))
		return tc_error(tc, "T7: vector comparisons in filters are not supported");
	if (l->scalar == SCALAR_BLOB || r->scalar == SCALAR_BLOB)
		return tc_error(tc, "T7: blob comparisons in filters are not supported");
	if (!types_compatible(l, r))
		return tc_error(tc, "T7: cannot compare %s with %s", tc_show(tc, l), tc_show(tc, r));
	return 0;
}

int tc_filter(struct tc *tc, struct clause *c)
{
	struct vtype l, r;
	int rc = tc_expr(tc, c->filter.left, &l);

	if (!rc)
		rc = tc_expr(tc, c->filter.right, &r);
	if (rc)
		return rc;
	if (l.kind != VT_SCALAR || r.kind != VT_SCALAR)
		return tc_error(tc, "T7: filter comparisons require scalar operands, got %s and %s", tc_show_vt(tc, &l),
				tc_show_vt(tc, &r));
	if (c->filter.op == OP_CONTAINS)
		return check_contains(tc, &l.t, &r.t);
	if (c->filter.op == OP_STARTS_WITH)
		return check_starts_with(tc, &l.t, &r.t);
	rc = check_compare(tc, &l.t, &r.t);
	/* The comparison beside a search call says nothing: the call itself is the condition (spec/query.md 6.6). */
	if (!rc && expr_is_text(c->filter.left) && !expr_is_text(c->filter.right)) {
		struct expr *call = c->filter.left;

		c->kind = CL_TEXT;
		c->text = call;
	}
	return rc;
}
