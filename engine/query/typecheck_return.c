/* SPDX-License-Identifier: MIT */
/* Projections and orderings: columns, `*`, scores, and the rules across them (T9, T17, T18, T21). */
#include "parser.h"
#include "typecheck.h"

/* A `*` multiplies the text; this many columns are more than any reader wants and less than harms. */
#define STAR_COLUMNS_MAX 65536

/* --- columns ----------------------------------------------------------------------------------- */

static struct str default_column(struct tc *tc, const struct expr *x)
{
	switch (x->kind) {
	case EX_PROP:
		return str_from(arena_printf(&tc->q->arena, "%.*s.%.*s", STR_ARG(x->name), STR_ARG(x->prop_name)));
	case EX_LITERAL:
		return STR("literal");
	case EX_NOW:
		return STR("now");
	case EX_AGG:
		return default_column(tc, x->args[0]);
	case EX_VAR:
	case EX_PARAM:
	case EX_ALIAS:
		return x->name;
	default:
		return str_from(expr_call_name(x));
	}
}

/* The last column called @name, as a row object keeps it; UINT32_MAX when there is none. */
static uint32_t find_column(const struct query_decl *d, struct str name)
{
	for (uint32_t i = d->n_projections; i-- > 0;)
		if (str_eq(d->projections[i].column, name))
			return i;
	return UINT32_MAX;
}

/* --- projections ------------------------------------------------------------------------------- */

static int unsupported_projection(struct tc *tc, const struct expr *x)
{
	return tc_error(tc, "unsupported projection expression: %s(...)%s", expr_call_name(x),
			expr_is_score(x) ? " is a score; give it an alias and order by that alias first" : "");
}

static int check_projection(struct tc *tc, struct projection *p)
{
	struct expr *x = p->expr;
	struct vtype t;
	int rc = tc_readable(tc, x, &t);

	if (rc)
		return rc;
	if (expr_is_text(x))
		return unsupported_projection(tc, x);
	if (x->kind == EX_AGG) {
		tc->q->aggregate = true;
		if (expr_is_text(x->args[0]) || expr_is_score(x->args[0]))
			return unsupported_projection(tc, x->args[0]);
	}
	p->column = p->alias.s ? p->alias : default_column(tc, x);
	return 0;
}

struct columns {
	struct projection *p;
	uint32_t n, cap;
};

static int expand_star(struct tc *tc, const struct expr *star, struct columns *out)
{
	struct arena *a = &tc->q->arena;
	uint32_t v = tc_lookup(tc, star->name);
	const struct type *ty;

	if (v == VAR_NONE)
		return tc_error(tc, "T6: variable `$%.*s` is not bound", STR_ARG(star->name));
	ty = tc->q->vars[v].type;
	for (uint32_t i = 0; i < ty->n_props; i++) {
		const struct prop *p = &ty->props[i];
		struct expr *x;

		if (p->type.scalar == SCALAR_BLOB || p->type.scalar == SCALAR_VECTOR)
			continue;
		if (out->n >= tc->q->decl.n_projections + STAR_COLUMNS_MAX)
			return tc_error(tc, "`{ * }` makes more than %d columns", STAR_COLUMNS_MAX);
		x = arena_memdup(a, star, sizeof(*star));
		x->kind = EX_PROP;
		x->prop_name = p->name;
		PUSH(a, out->p, out->n, out->cap)->expr = x;
	}
	return 0;
}

static int expand_stars(struct tc *tc)
{
	struct query_decl *d = &tc->q->decl;
	struct columns out = { 0 };

	for (uint32_t i = 0; i < d->n_projections; i++) {
		int rc = 0;

		if (d->projections[i].expr->kind == EX_STAR)
			rc = expand_star(tc, d->projections[i].expr, &out);
		else
			*PUSH(&tc->q->arena, out.p, out.n, out.cap) = d->projections[i];
		if (rc)
			return rc;
	}
	if (!out.n)
		return tc_error(tc, "`{ * }` finds no property to project; Blob and Vector properties are left out");
	d->projections = out.p;
	d->n_projections = out.n;
	return 0;
}

/* What the rows are ranked by: the first ordering, looked at through an alias. */
static const struct expr *ranking(const struct query_decl *d)
{
	const struct expr *first = d->n_orderings ? d->orderings[0].expr : NULL;
	uint32_t column;

	if (!first || first->kind != EX_ALIAS)
		return first;
	column = find_column(d, first->name);
	return column == UINT32_MAX ? NULL : d->projections[column].expr;
}

/* A score has a value only when it is what the rows are ranked by. */
static int check_scores(struct tc *tc)
{
	const struct query_decl *d = &tc->q->decl;
	const struct expr *first = ranking(d);

	for (uint32_t i = 0; i < d->n_projections; i++) {
		const struct expr *x = d->projections[i].expr;

		if (expr_is_score(x) && !(first && expr_equal(first, x)))
			return unsupported_projection(tc, x);
	}
	return 0;
}

static int check_projections(struct tc *tc)
{
	struct query_decl *d = &tc->q->decl;
	int rc = expand_stars(tc);

	for (uint32_t i = 0; !rc && i < d->n_projections; i++)
		rc = check_projection(tc, &d->projections[i]);
	return rc ? rc : check_scores(tc);
}

/* --- orderings --------------------------------------------------------------------------------- */

/* In a grouped result an access is the column that projects exactly it, unaliased. */
static uint32_t grouped_column(const struct query_decl *d, const struct expr *x)
{
	for (uint32_t i = d->n_projections; i-- > 0;)
		if (!d->projections[i].alias.s && expr_equal(d->projections[i].expr, x))
			return i;
	return UINT32_MAX;
}

/* What an ordering ranks by, aliases looked through. */
static const struct expr *ordering_target(const struct query_decl *d, const struct ordering *o)
{
	if (o->expr->kind == EX_ALIAS && o->expr->column_index != UINT32_MAX)
		return d->projections[o->expr->column_index].expr;
	return o->expr;
}

/* The function fixes the direction of a score; a word that contradicts it is a mistake. */
static int check_alias_direction(struct tc *tc, const struct ordering *o)
{
	const struct expr *target = ordering_target(&tc->q->decl, o);
	bool desc;

	if (o->expr->kind != EX_ALIAS || !expr_is_score(target) || !o->explicit_dir)
		return 0;
	desc = target->kind != EX_NEAREST;
	if (o->desc == desc)
		return 0;
	return tc_error(tc, "ordering by `%.*s` is always %s, because %s ranks that way; remove `%s`",
			STR_ARG(o->expr->name), desc ? "descending" : "ascending", expr_call_name(target),
			desc ? "asc" : "desc");
}

static int check_ordering(struct tc *tc, struct ordering *o)
{
	struct query_decl *d = &tc->q->decl;
	struct expr *x = o->expr;
	struct vtype t;
	int rc = tc_readable(tc, x, &t);

	if (rc)
		return rc;
	x->column_index = UINT32_MAX;
	if (x->kind == EX_ALIAS)
		x->column_index = find_column(d, x->name);
	else if (x->kind == EX_PROP && tc->q->aggregate)
		x->column_index = grouped_column(d, x);
	return check_alias_direction(tc, o);
}

static bool any_ordering(const struct query_decl *d, enum expr_kind kind)
{
	for (uint32_t i = 0; i < d->n_orderings; i++)
		if (ordering_target(d, &d->orderings[i])->kind == kind)
			return true;
	return false;
}

/* An alias ordering other than the alias of nearest() itself. */
static bool other_alias(const struct query_decl *d)
{
	for (uint32_t i = 0; i < d->n_orderings; i++)
		if (d->orderings[i].expr->kind == EX_ALIAS && ordering_target(d, &d->orderings[i])->kind != EX_NEAREST)
			return true;
	return false;
}

static int check_ranking(struct tc *tc)
{
	const struct query_decl *d = &tc->q->decl;
	bool nearest = any_ordering(d, EX_NEAREST);

	if (any_ordering(d, EX_RRF) && !d->has_limit)
		return tc_error(tc, "T21: rrf ordering requires a limit clause");
	if (nearest && !d->has_limit)
		return tc_error(tc, "T17: nearest ordering requires a limit clause");
	if (nearest && other_alias(d))
		return tc_error(tc, "T18: alias-based ordering is not supported together with nearest in phase 1");
	return 0;
}

static int check_grouping(struct tc *tc)
{
	const struct query_decl *d = &tc->q->decl;

	for (uint32_t i = 0; tc->q->aggregate && i < d->n_projections; i++) {
		enum expr_kind k = d->projections[i].expr->kind;

		if (k != EX_AGG && k != EX_PROP && k != EX_VAR && k != EX_PARAM)
			return tc_error(tc, "T9: non-aggregate expressions in an aggregate query must be property "
					    "accesses or variables");
	}
	return 0;
}

static int check_sort_keys(struct tc *tc)
{
	const struct query_decl *d = &tc->q->decl;

	for (uint32_t i = 0; i < d->n_orderings; i++) {
		const struct expr *x = d->orderings[i].expr;

		if (x->kind != EX_PROP && x->kind != EX_ALIAS && !(i == 0 && expr_is_score(x)))
			return tc_error(tc, "unsupported ordering expression");
	}
	return 0;
}

int tc_returns(struct tc *tc)
{
	struct query_decl *d = &tc->q->decl;
	int rc = check_projections(tc);

	for (uint32_t i = 0; !rc && i < d->n_orderings; i++)
		rc = check_ordering(tc, &d->orderings[i]);
	if (!rc)
		rc = check_ranking(tc);
	if (!rc)
		rc = check_grouping(tc);
	return rc ? rc : check_sort_keys(tc);
}
