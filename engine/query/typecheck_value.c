/* SPDX-License-Identifier: MIT */
/* A value beside a property: property matches, assignments and mutation predicates (T3, T7, T11, T14). */
#include "typecheck.h"

static int mismatch_t7(struct tc *tc, const struct prop *p, const struct expr *x)
{
	return tc_error(tc, "T7: cannot assign/compare %s with %s for property `%.*s`", tc_show(tc, &x->type),
			tc_show(tc, &p->type), STR_ARG(p->name));
}

static int mismatch_t3(struct tc *tc, const struct prop *p, const struct expr *x)
{
	return tc_error(tc, "T3: property `%.*s` has type %s but got %s", STR_ARG(p->name), tc_show(tc, &p->type),
			tc_show(tc, &x->type));
}

/* Parameter or now(); literals get their type. */
static int resolve_value(struct tc *tc, struct expr *x, enum value_use use)
{
	if (x->kind == EX_LITERAL)
		return tc_literal_type(tc, &x->lit, &x->type);
	if (x->kind == EX_NOW) {
		x->type = (struct prop_type){ .scalar = SCALAR_DATETIME };
		return 0;
	}
	x->param = tc_param(tc, x->name);
	if (x->param == VAR_NONE && use == USE_MATCH)
		return tc_error(tc, "variable `$%.*s` is not bound", STR_ARG(x->name));
	if (x->param == VAR_NONE)
		return tc_error(tc, "T14: mutation variable `$%.*s` must be a declared query parameter",
				STR_ARG(x->name));
	x->kind = EX_PARAM;
	x->type = tc->q->decl.params[x->param].type;
	return 0;
}

static int blob_value(struct tc *tc, const struct type *ty, const struct prop *p, struct expr *x, enum value_use use)
{
	int rc;

	if (use == USE_MATCH)
		return tc_error(tc, "T3: blob property `%.*s.%.*s` cannot be used in match patterns", STR_ARG(ty->name),
				STR_ARG(p->name));
	if (use == USE_WHERE)
		return tc_error(tc, "T11: blob property `%.*s` cannot be used in WHERE predicates", STR_ARG(p->name));
	rc = resolve_value(tc, x, use);
	if (rc)
		return rc;
	if (x->kind == EX_LITERAL)
		return mismatch_t3(tc, p, x);
	if (x->type.list || (x->type.scalar != SCALAR_STRING && x->type.scalar != SCALAR_BLOB))
		return mismatch_t7(tc, p, x);
	return 0;
}

static int check_enum(struct tc *tc, const struct prop *p, const struct expr *x)
{
	struct strbuf b = STRBUF_INIT;
	int rc;

	for (uint32_t i = 0; i < p->type.n_enum; i++)
		if (str_eq(p->type.enum_values[i], x->lit.text))
			return 0;
	for (uint32_t i = 0; i < p->type.n_enum; i++)
		sb_addf(&b, "%s%.*s", i ? ", " : "", STR_ARG(p->type.enum_values[i]));
	rc = tc_error(tc, "T3: property `%.*s` expects one of [%s], got '%.*s'", STR_ARG(p->name), b.s,
		      STR_ARG(x->lit.text));
	sb_free(&b);
	return rc;
}

/* A list property in a match tests membership of a scalar. */
static int membership_value(struct tc *tc, const struct prop *p, const struct expr *x)
{
	struct prop_type item = p->type;
	bool literal = x->kind == EX_LITERAL;

	item.list = false;
	if (x->type.list && literal)
		return tc_error(tc,
				"T3: list equality is not supported for property `%.*s`; use a scalar value to match "
				"list membership",
				STR_ARG(p->name));
	if (x->type.list)
		return tc_error(tc,
				"T7: list equality is not supported for property `%.*s`; use a scalar parameter for "
				"membership matching",
				STR_ARG(p->name));
	if (x->kind == EX_NOW)
		return mismatch_t7(tc, p, x);
	if (types_compatible(&item, &x->type))
		return 0;
	if (literal)
		return tc_error(tc, "T3: property `%.*s` has type %s but membership match got %s", STR_ARG(p->name),
				tc_show(tc, &p->type), tc_show(tc, &x->type));
	return tc_error(tc, "T7: cannot compare %s membership against %s for property `%.*s`", tc_show(tc, &x->type),
			tc_show(tc, &p->type), STR_ARG(p->name));
}

static bool is_vector_literal(const struct prop *p, const struct expr *x)
{
	return !p->type.list && p->type.scalar == SCALAR_VECTOR && x->kind == EX_LITERAL && x->type.list &&
	       (type_numeric(&x->type) || !x->lit.n);
}

int tc_value(struct tc *tc, const struct type *ty, const struct prop *p, struct expr *x, enum value_use use)
{
	int rc;

	if (p->type.scalar == SCALAR_BLOB)
		return blob_value(tc, ty, p, x, use);
	rc = resolve_value(tc, x, use);
	if (rc)
		return rc;
	if (use == USE_MATCH && p->type.list)
		return membership_value(tc, p, x);
	if (is_vector_literal(p, x)) {
		if (x->lit.n == p->type.dim)
			return 0;
		return tc_error(tc, "T3: property `%.*s` has type %s but got vector literal with %u elements",
				STR_ARG(p->name), tc_show(tc, &p->type), x->lit.n);
	}
	if (!types_compatible(&p->type, &x->type))
		return x->kind == EX_LITERAL ? mismatch_t3(tc, p, x) : mismatch_t7(tc, p, x);
	if (p->type.n_enum && x->kind == EX_LITERAL && x->lit.kind == LIT_STRING)
		return check_enum(tc, p, x);
	return 0;
}
