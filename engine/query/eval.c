/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <math.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#include "engine/query/convert.h"
#include "engine/query/exec.h"

/* --- constants --------------------------------------------------------------------------------------- */

/* Parameters of date types arrive as text, which is checked only where it is used (spec/query.md 11). */
static bool resolve_text(struct run *r, enum scalar s, struct val *v)
{
	struct str text = val_text(v);
	int32_t days;
	int64_t ms;

	if (s == SCALAR_DATE) {
		if (!date_parse_query(text, &days))
			return run_fail(r, ERR_BAD_REQUEST, "invalid Date literal '%.*s'", STR_ARG(text));
		*v = (struct val){ .kind = VAL_DATE, .i = days };
	} else {
		if (!datetime_parse_query(text, &ms))
			return run_fail(r, ERR_BAD_REQUEST, "invalid DateTime literal '%.*s'", STR_ARG(text));
		*v = (struct val){ .kind = VAL_DATETIME, .i = ms };
	}
	return true;
}

static bool resolve_scalar(struct run *r, enum scalar s, struct val *v)
{
	if ((s == SCALAR_DATE || s == SCALAR_DATETIME) && v->kind == VAL_STR)
		return resolve_text(r, s, v);
	if (s == SCALAR_F32 && v->kind == VAL_F64)
		*v = (struct val){ .kind = VAL_F32, .f = (float)v->f };
	return true;
}

static bool resolve_param(struct run *r, uint32_t param, struct val *v)
{
	const struct prop_type *t = &r->q->decl.params[param].type;
	struct val *items;

	*v = r->params[param];
	if (v->kind != VAL_LIST || !t->list)
		return resolve_scalar(r, t->scalar, v);
	items = arena_memdup(&r->arena, v->list, v->n * sizeof(*items));
	for (uint32_t i = 0; i < v->n; i++) {
		if (!resolve_scalar(r, t->scalar, &items[i]))
			return false;
	}
	v->list = items;
	return true;
}

static double number_of(const struct val *v)
{
	if (v->kind == VAL_I64)
		return (double)v->i;
	if (v->kind == VAL_U64)
		return (double)v->u;
	return v->f;
}

static bool is_number(const struct val *v)
{
	return v->kind == VAL_I64 || v->kind == VAL_U64 || v->kind == VAL_F32 || v->kind == VAL_F64;
}

/* Nearest binary32. Integers go there directly: through binary64 they could be rounded twice. */
static float to_f32(const struct val *v)
{
	if (v->kind == VAL_I64)
		return (float)v->i;
	if (v->kind == VAL_U64)
		return (float)v->u;
	return (float)v->f;
}

static void round_f32(struct val *v)
{
	if (is_number(v))
		*v = (struct val){ .kind = VAL_F32, .f = to_f32(v) };
}

static void round_const(struct run *r, struct val *v)
{
	struct val *items;

	if (v->kind != VAL_LIST) {
		round_f32(v);
		return;
	}
	items = arena_memdup(&r->arena, v->list, v->n * sizeof(*items));
	for (uint32_t i = 0; i < v->n; i++)
		round_f32(&items[i]);
	v->list = items;
}

static bool to_vector(struct run *r, uint32_t dim, struct val *v)
{
	float *vec;

	if (v->kind == VAL_VEC || v->kind == VAL_NULL)
		return true;
	if (v->kind != VAL_LIST || v->n != dim)
		return run_fail(r, ERR_BAD_REQUEST, "vector property expects %u dimensions, got %u", dim,
				v->kind == VAL_LIST ? v->n : 1);
	vec = arena_array(&r->arena, float, dim);
	for (uint32_t i = 0; i < dim; i++) {
		if (!is_number(&v->list[i]))
			return run_fail(r, ERR_BAD_REQUEST, "vector elements must be numeric");
		vec[i] = to_f32(&v->list[i]);
	}
	*v = (struct val){ .kind = VAL_VEC, .n = dim, .vec = vec };
	return true;
}

/* One instant for the whole run. */
static struct val resolve_now(struct run *r)
{
	if (!r->now_ms)
		r->now_ms = time_now_ms();
	return (struct val){ .kind = VAL_DATETIME, .i = r->now_ms };
}

static bool resolve_const(struct run *r, const struct plan_const *c, struct val *v)
{
	if (c->ready)
		*v = c->val;
	else if (c->kind == EX_NOW)
		*v = resolve_now(r);
	else if (c->kind == EX_PARAM) {
		if (!resolve_param(r, c->param, v))
			return false;
	} else if (!run_check(r, literal_value(c->lit, &r->arena, v, r->e))) {
		return false;
	}
	if (c->round_f32)
		round_const(r, v);
	return !c->vec_dim || to_vector(r, c->vec_dim, v);
}

bool eval_consts(struct run *r)
{
	for (uint32_t i = 0; i < r->p->n_consts; i++) {
		if (!resolve_const(r, &r->p->consts[i], &r->consts[i]))
			return false;
	}
	return true;
}

/* --- operands --------------------------------------------------------------------------------------------- */

void eval_operand(struct run *r, const struct operand *o, struct arena *a, struct val *out)
{
	switch (o->kind) {
	case OPD_CONST:
		*out = r->consts[o->index];
		break;
	case OPD_PROP:
		row_get(r->s, run_var_type(r, o->var), r->row[o->var], o->index, a, out);
		break;
	case OPD_ID:
		*out = val_str(row_id(r->s, run_var_type(r, o->var), r->row[o->var]));
		break;
	case OPD_SCORE:
		*out = (struct val){ .kind = VAL_F64, .f = r->score };
		break;
	}
}

static bool convert_integer(const struct val *v, bool is_signed, struct val *out)
{
	double f = v->f;

	if (v->kind == VAL_F32 || v->kind == VAL_F64) {
		if (!(f >= -0x1p63 && f < 0x1p64) || f != trunc(f))
			return false;
		*out = f < 0 ? (struct val){ .kind = VAL_I64, .i = (int64_t)f }
			     : (struct val){ .kind = VAL_U64, .u = (uint64_t)f };
	} else {
		*out = *v;
	}
	if (is_signed && out->kind == VAL_U64) {
		if (out->u > INT64_MAX)
			return false;
		out->kind = VAL_I64;
	} else if (!is_signed && out->kind == VAL_I64) {
		if (out->i < 0)
			return false;
		out->kind = VAL_U64;
	}
	return true;
}

bool eval_convert(const struct prop_type *t, const struct val *v, struct val *out)
{
	bool ok;

	*out = *v;
	switch (t->scalar) {
	case SCALAR_I32:
	case SCALAR_I64:
		return is_number(v) && convert_integer(v, true, out);
	case SCALAR_U32:
	case SCALAR_U64:
		return is_number(v) && convert_integer(v, false, out);
	case SCALAR_F32:
	case SCALAR_F64:
		if (!is_number(v))
			return false;
		*out = t->scalar == SCALAR_F32 ? (struct val){ .kind = VAL_F32, .f = to_f32(v) }
					       : (struct val){ .kind = VAL_F64, .f = number_of(v) };
		return isfinite(out->f) && val_compare(out, v, &ok) == 0;
	case SCALAR_STRING:
		return v->kind == VAL_STR;
	case SCALAR_BOOL:
		return v->kind == VAL_BOOL;
	case SCALAR_DATE:
		return v->kind == VAL_DATE;
	case SCALAR_DATETIME:
		return v->kind == VAL_DATETIME;
	default:
		return false;
	}
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static bool has_member(const struct val *list, const struct val *v)
{
	if (list->kind != VAL_LIST)
		return false;
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->list[i].kind != VAL_NULL && cmp_holds(OP_EQ, &list->list[i], v))
			return true;
	}
	return false;
}

static bool vec_equal(const struct val *a, const struct val *b)
{
	if (a->kind != VAL_VEC || b->kind != VAL_VEC || a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (a->vec[i] != b->vec[i])
			return false;
	}
	return true;
}

static bool has_substring(const struct val *l, const struct val *r)
{
	if (l->kind != VAL_STR || r->kind != VAL_STR)
		return false;
	return !r->n || (l->n >= r->n && memmem(l->s, l->n, r->s, r->n));
}

/* 2 by default; false after an error. */
static bool max_edits(struct run *r, const struct plan_text *t, int64_t *out)
{
	struct val v = VAL_NULL_INIT;

	*out = 2;
	if (t->has_edits)
		eval_operand(r, &t->edits, &r->scratch, &v);
	if (v.kind == VAL_NULL)
		return true;
	if ((v.kind == VAL_I64 && v.i < 0) || (v.kind != VAL_I64 && v.kind != VAL_U64))
		return run_fail(r, ERR_BAD_REQUEST, "fuzzy max_edits must be an integer of at least 0");
	*out = v.kind == VAL_U64 && v.u > INT64_MAX ? INT64_MAX : v.i;
	return true;
}

static bool prepare_text(struct run *r, const struct plan_text *t, struct arena *a, struct text_run *out)
{
	const struct type *ty = run_var_type(r, t->field.var);
	struct val query;
	int64_t edits;

	out->state = TEXT_SKIP;
	eval_operand(r, &t->query, &r->scratch, &query);
	if (query.kind != VAL_STR)
		return true;
	out->state = TEXT_READY;
	if (t->fn != EX_FUZZY)
		return run_check(r, text_filter_search(a, val_text(&query), &out->filter, r->e));
	if (!max_edits(r, t, &edits))
		return false;
	return run_check(r,
			 text_filter_fuzzy(a, r->s, ty, t->field.index, val_text(&query), edits, &out->filter, r->e));
}

static bool test_text(struct run *r, uint32_t text)
{
	const struct plan_text *t = &r->p->texts[text];
	bool constant = t->query.kind == OPD_CONST && (!t->has_edits || t->edits.kind == OPD_CONST);
	struct text_run local = { 0 }, *tr = constant ? &r->texts[text] : &local;
	struct val field;

	if (!constant)
		arena_reset(&r->text_scratch);
	if (tr->state == TEXT_UNPREPARED && !prepare_text(r, t, constant ? &r->arena : &r->text_scratch, tr))
		return false;
	if (tr->state == TEXT_SKIP)
		return true;
	eval_operand(r, &t->field, &r->scratch, &field);
	return field.kind == VAL_STR && text_filter_match(tr->filter, &r->scratch, val_text(&field));
}

static bool test_values(struct run *r, const struct plan_test *t)
{
	struct val a, b;

	eval_operand(r, &t->l, &r->scratch, &a);
	if (a.kind == VAL_NULL)
		return false;
	eval_operand(r, &t->r, &r->scratch, &b);
	if (b.kind == VAL_NULL)
		return false;
	switch (t->kind) {
	case TEST_COMPARE:
		return cmp_holds(t->op, &a, &b);
	case TEST_PREFIX:
		return a.kind == VAL_STR && b.kind == VAL_STR && str_starts(val_text(&a), val_text(&b));
	case TEST_CONTAINS:
		return has_substring(&a, &b);
	case TEST_MEMBER:
		return has_member(&a, &b);
	default:
		return vec_equal(&a, &b);
	}
}

static bool eval_test(struct run *r, const struct plan_test *t)
{
	if (r->scratch.total)
		arena_reset(&r->scratch);
	if (t->kind == TEST_TEXT)
		return test_text(r, t->text);
	if (t->kind == TEST_NOT)
		return !block_first(r, t->block) && !r->rc;
	return test_values(r, t);
}

bool eval_tests(struct run *r, const struct plan_test *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!eval_test(r, &t[i]))
			return false;
	}
	return true;
}
