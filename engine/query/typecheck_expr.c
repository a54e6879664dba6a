/* SPDX-License-Identifier: MIT */
/* Types of expressions: literals, property accesses, search calls, aggregates (T6, T8, T15, T19 to T21, T23, T24). */
#include "typecheck.h"

static struct prop_type scalar_type(enum scalar s)
{
	return (struct prop_type){ .scalar = s };
}

static int list_type(struct tc *tc, const struct literal *l, struct prop_type *out)
{
	*out = scalar_type(SCALAR_STRING);
	for (uint32_t i = 0; i < l->n; i++) {
		struct prop_type t;

		if (l->items[i].kind == LIT_LIST)
			return tc_error(tc, "nested list literals are not supported");
		tc_literal_type(tc, &l->items[i], &t);
		if (!i)
			*out = t;
		else if (!types_compatible(out, &t))
			return tc_error(tc, "list literal elements must share a compatible scalar type");
	}
	out->list = true;
	return 0;
}

int tc_literal_type(struct tc *tc, const struct literal *l, struct prop_type *out)
{
	static const enum scalar of[] = {
		[LIT_STRING] = SCALAR_STRING, [LIT_INT] = SCALAR_I64,	[LIT_FLOAT] = SCALAR_F64,
		[LIT_BOOL] = SCALAR_BOOL,     [LIT_DATE] = SCALAR_DATE, [LIT_DATETIME] = SCALAR_DATETIME,
	};

	if (l->kind == LIT_LIST)
		return list_type(tc, l, out);
	*out = scalar_type(of[l->kind]);
	return 0;
}

bool expr_is_score(const struct expr *x)
{
	return x->kind == EX_NEAREST || x->kind == EX_BM25 || x->kind == EX_RRF;
}

bool expr_is_text(const struct expr *x)
{
	return x->kind == EX_SEARCH || x->kind == EX_FUZZY || x->kind == EX_MATCH_TEXT;
}

const char *expr_call_name(const struct expr *x)
{
	static const char *const agg[] = { "count", "sum", "avg", "min", "max" };

	switch (x->kind) {
	case EX_NEAREST:
		return "nearest";
	case EX_SEARCH:
		return "search";
	case EX_FUZZY:
		return "fuzzy";
	case EX_MATCH_TEXT:
		return "match_text";
	case EX_BM25:
		return "bm25";
	case EX_RRF:
		return "rrf";
	case EX_AGG:
		return agg[x->agg];
	default:
		return "";
	}
}

static bool literal_equal(const struct literal *a, const struct literal *b)
{
	if (a->kind != b->kind || a->i != b->i || a->b != b->b || a->n != b->n || !str_eq(a->text, b->text) ||
	    memcmp(&a->f, &b->f, sizeof(a->f)))
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!literal_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

/* By source form; a bare name is the same before and after it was found to be a parameter. */
bool expr_equal(const struct expr *a, const struct expr *b)
{
	bool bare_a, bare_b;

	if (!a || !b)
		return a == b;
	bare_a = a->kind == EX_VAR || a->kind == EX_PARAM;
	bare_b = b->kind == EX_VAR || b->kind == EX_PARAM;
	if (a->kind != b->kind && !(bare_a && bare_b))
		return false;
	if (!str_eq(a->name, b->name) || !str_eq(a->prop_name, b->prop_name) || a->agg != b->agg)
		return false;
	if (a->kind == EX_LITERAL && !literal_equal(&a->lit, &b->lit))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(a->args); i++)
		if (!expr_equal(a->args[i], b->args[i]))
			return false;
	return true;
}

/* Resolve $v.prop without asking whether its value may be read. @code: "T6" or "T15". */
static int resolve_prop(struct tc *tc, struct expr *x, const char *code)
{
	const struct query_var *v;
	const struct prop *p;

	x->var = tc_lookup(tc, x->name);
	if (x->var == VAR_NONE)
		return tc_error(tc, "%s: variable `$%.*s` is not bound", code, STR_ARG(x->name));
	v = &tc->q->vars[x->var];
	p = type_prop(v->type, x->prop_name);
	if (!p)
		return tc_error(tc, "%s: %s `%.*s` has no property `%.*s`", code, v->is_edge ? "edge" : "type",
				STR_ARG(v->type->name), STR_ARG(x->prop_name));
	x->prop = p->index;
	x->type = p->type;
	return 0;
}

static int prop_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	int rc = resolve_prop(tc, x, "T6");

	if (rc)
		return rc;
	if (x->type.scalar == SCALAR_BLOB)
		return tc_error(tc,
				"T24: Blob property `$%.*s.%.*s` is not available as a .gq read value; Blob values "
				"require a dedicated API",
				STR_ARG(x->name), STR_ARG(x->prop_name));
	*out = (struct vtype){ VT_SCALAR, x->type, NULL };
	return 0;
}

static int bare_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	uint32_t v;

	x->param = tc_param(tc, x->name);
	if (x->param != VAR_NONE) {
		x->kind = EX_PARAM;
		x->type = tc->q->decl.params[x->param].type;
		*out = (struct vtype){ VT_SCALAR, x->type, NULL };
		return 0;
	}
	v = tc_lookup(tc, x->name);
	if (v == VAR_NONE)
		return tc_error(tc, "variable `$%.*s` is not bound", STR_ARG(x->name));
	if (tc->q->vars[v].is_edge)
		return tc_error(tc,
				"T23: edge binding `$%.*s` cannot be used bare; access one of its properties "
				"(`$%.*s.{prop}`)",
				STR_ARG(x->name), STR_ARG(x->name));
	x->kind = EX_VAR;
	x->var = v;
	x->is_node = true;
	x->type = scalar_type(SCALAR_STRING);
	*out = (struct vtype){ VT_NODE, x->type, tc->q->vars[v].type };
	return 0;
}

/* --- text search ------------------------------------------------------------------------------- */

static const char *text_code(const struct expr *call)
{
	return call->kind == EX_SEARCH || call->kind == EX_FUZZY ? "T19" : "T20";
}

static bool is_edge_prop(const struct tc *tc, const struct expr *x)
{
	uint32_t v = x->kind == EX_PROP ? tc_lookup(tc, x->name) : VAR_NONE;

	return v != VAR_NONE && tc->q->vars[v].is_edge;
}

/* The field must be a property access: a constant text has no index and no node. */
static int text_field(struct tc *tc, const struct expr *call, struct expr *field)
{
	const char *name = expr_call_name(call);
	struct vtype t;
	int rc;

	if (is_edge_prop(tc, field))
		return tc_error(tc,
				"T23: %s cannot target edge property `$%.*s.%.*s`; text/rank search runs on node "
				"properties — edge properties support comparison filters and projection",
				name, STR_ARG(field->name), STR_ARG(field->prop_name));
	rc = tc_expr(tc, field, &t);
	if (rc)
		return rc;
	if (t.kind == VT_SCALAR && !type_string(&t.t))
		return tc_error(tc, "%s: %s field must be String, got %s", text_code(call), name, tc_show(tc, &t.t));
	if (field->kind != EX_PROP)
		return tc_error(tc, "%s: %s field must be a scalar String expression", text_code(call), name);
	return 0;
}

static int text_query(struct tc *tc, const struct expr *call, struct expr *query)
{
	const char *name = expr_call_name(call);
	struct vtype t;
	int rc = tc_expr(tc, query, &t);

	if (rc)
		return rc;
	if (t.kind != VT_SCALAR)
		return tc_error(tc, "%s: %s query must be a scalar String expression", text_code(call), name);
	if (!type_string(&t.t))
		return tc_error(tc, "%s: %s query must be String, got %s", text_code(call), name, tc_show(tc, &t.t));
	return 0;
}

static int integer_arg(struct tc *tc, struct expr *x, const char *what)
{
	struct vtype t;
	int rc = tc_expr(tc, x, &t);

	if (rc)
		return rc;
	if (t.kind != VT_SCALAR)
		return tc_error(tc, "%s must be an integer scalar expression", what);
	if (!type_integer(&t.t))
		return tc_error(tc, "%s must be an integer scalar, got %s", what, tc_show(tc, &t.t));
	return 0;
}

static int text_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	int rc = text_field(tc, x, x->args[0]);

	if (!rc)
		rc = text_query(tc, x, x->args[1]);
	if (!rc && x->args[2])
		rc = integer_arg(tc, x->args[2], "T19: fuzzy max_edits");
	x->type = scalar_type(x->kind == EX_BM25 ? SCALAR_F64 : SCALAR_BOOL);
	*out = (struct vtype){ VT_SCALAR, x->type, NULL };
	return rc;
}

/* --- nearest and rrf --------------------------------------------------------------------------- */

static int nearest_target(struct tc *tc, struct expr *x)
{
	int rc;

	if (is_edge_prop(tc, x))
		return tc_error(tc,
				"T23: nearest cannot target edge binding `$%.*s`; vector search runs on node "
				"properties",
				STR_ARG(x->name));
	rc = resolve_prop(tc, x, "T15");
	if (!rc && (x->type.list || x->type.scalar != SCALAR_VECTOR))
		return tc_error(tc, "T15: nearest requires a Vector property, got %.*s.%.*s: %s",
				STR_ARG(tc->q->vars[x->var].type->name), STR_ARG(x->prop_name), tc_show(tc, &x->type));
	return rc;
}

static int nearest_query(struct tc *tc, const struct expr *target, struct expr *x)
{
	uint32_t dim = target->type.dim;
	struct vtype t;
	int rc = tc_expr(tc, x, &t);

	if (rc)
		return rc;
	if (t.kind != VT_SCALAR)
		return tc_error(tc, "T15: nearest query must be a scalar expression");
	if (x->kind == EX_LITERAL && t.t.list && (type_numeric(&t.t) || !x->lit.n)) {
		if (x->lit.n == dim)
			return 0;
		return tc_error(tc,
				"T15: nearest vector dimension mismatch: property is Vector(%u), query literal has %u "
				"elements",
				dim, x->lit.n);
	}
	if (!t.t.list && t.t.scalar == SCALAR_VECTOR && t.t.dim != dim)
		return tc_error(tc,
				"T15: nearest vector dimension mismatch: property is Vector(%u), query is Vector(%u)",
				dim, t.t.dim);
	if (type_string(&t.t) || (!t.t.list && t.t.scalar == SCALAR_VECTOR))
		return 0;
	return tc_error(tc, "T15: nearest query must be Vector(%u) or String, got %s", dim, tc_show(tc, &t.t));
}

static int nearest_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	int rc = nearest_target(tc, x->args[0]);

	if (!rc)
		rc = nearest_query(tc, x->args[0], x->args[1]);
	x->type = scalar_type(SCALAR_F64);
	*out = (struct vtype){ VT_SCALAR, x->type, NULL };
	return rc;
}

static int rrf_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	const struct expr *k = x->args[2];
	int rc = tc_expr(tc, x->args[0], out);

	if (!rc)
		rc = tc_expr(tc, x->args[1], out);
	if (!rc && k)
		rc = integer_arg(tc, x->args[2], "T21: rrf k");
	if (!rc && k && k->kind == EX_LITERAL && k->lit.i <= 0)
		rc = tc_error(tc, "T21: rrf k must be greater than 0");
	x->type = scalar_type(SCALAR_F64);
	*out = (struct vtype){ VT_SCALAR, x->type, NULL };
	return rc;
}

/* --- aggregates -------------------------------------------------------------------------------- */

static bool aggregate_accepts(enum agg_fn fn, const struct vtype *arg)
{
	if (fn == AGG_COUNT || arg->kind != VT_SCALAR)
		return true;
	if (arg->t.list)
		return false;
	return type_numeric(&arg->t) || (fn >= AGG_MIN && arg->t.scalar == SCALAR_STRING);
}

static void aggregate_type(struct expr *x, const struct vtype *arg)
{
	x->type = scalar_type(x->agg == AGG_COUNT ? SCALAR_I64 : SCALAR_F64);
	if (x->agg >= AGG_MIN && arg->kind == VT_SCALAR)
		x->type = arg->t;
	else if (x->agg >= AGG_MIN)
		x->type = scalar_type(SCALAR_STRING);
	x->type.nullable = true;
}

static int aggregate_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	struct vtype arg;
	int rc = tc_readable(tc, x->args[0], &arg);

	if (rc)
		return rc;
	if (!aggregate_accepts(x->agg, &arg))
		return tc_error(tc, "T8: %s requires %s type, got %s", expr_call_name(x),
				x->agg >= AGG_MIN ? "numeric or string" : "numeric", tc_show_vt(tc, &arg));
	aggregate_type(x, &arg);
	*out = (struct vtype){ .kind = VT_AGGREGATE };
	return 0;
}

int tc_expr(struct tc *tc, struct expr *x, struct vtype *out)
{
	int rc = 0;

	*out = (struct vtype){ .kind = VT_SCALAR };
	switch (x->kind) {
	case EX_PROP:
		return prop_expr(tc, x, out);
	case EX_VAR:
	case EX_PARAM:
		return bare_expr(tc, x, out);
	case EX_LITERAL:
		rc = tc_literal_type(tc, &x->lit, &x->type);
		out->t = x->type;
		return rc;
	case EX_NOW:
		x->type = out->t = scalar_type(SCALAR_DATETIME);
		return 0;
	case EX_NEAREST:
		return nearest_expr(tc, x, out);
	case EX_SEARCH:
	case EX_FUZZY:
	case EX_MATCH_TEXT:
	case EX_BM25:
		return text_expr(tc, x, out);
	case EX_RRF:
		return rrf_expr(tc, x, out);
	case EX_AGG:
		return aggregate_expr(tc, x, out);
	case EX_ALIAS:
	case EX_STAR:
		break;
	}
	out->kind = VT_AGGREGATE; /* a name for something computed elsewhere */
	return 0;
}

int tc_readable(struct tc *tc, struct expr *x, struct vtype *out)
{
	int rc = tc_expr(tc, x, out);

	if (!rc && x->kind == EX_PARAM && x->type.scalar == SCALAR_BLOB)
		return tc_error(tc,
				"T24: Blob parameter `$%.*s` is not available as a .gq read value; Blob values require "
				"a dedicated API",
				STR_ARG(x->name));
	return rc;
}
