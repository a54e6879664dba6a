/* SPDX-License-Identifier: MIT */
/* Literals and parameters as values. */
#include <omnigraph/util.h>

#include "convert.h"

/* Date or DateTime text of the query grammar; not a date: the value stays a text. */
struct val date_value(enum scalar s, struct str text)
{
	struct val v = val_str(text);
	int32_t days;
	int64_t ms;

	if (s == SCALAR_DATE && date_parse_query(text, &days))
		v = (struct val){ .kind = VAL_DATE, .i = days };
	else if (s == SCALAR_DATETIME && datetime_parse_query(text, &ms))
		v = (struct val){ .kind = VAL_DATETIME, .i = ms };
	return v;
}

static int bad_date(enum scalar s, struct str text, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "invalid %s literal '%.*s'", scalar_name(s), STR_ARG(text));
}

static int date_literal(const struct literal *l, struct val *out, struct err *e)
{
	enum scalar s = l->kind == LIT_DATE ? SCALAR_DATE : SCALAR_DATETIME;

	*out = date_value(s, l->text);
	return out->kind == VAL_STR ? bad_date(s, l->text, e) : 0;
}

static int list_literal(const struct literal *l, struct arena *a, struct val *out, struct err *e)
{
	struct val *items = arena_array(a, struct val, l->n);

	for (uint32_t i = 0; i < l->n; i++) {
		int rc = literal_value(&l->items[i], a, &items[i], e);

		if (rc)
			return rc;
	}
	*out = (struct val){ .kind = VAL_LIST, .n = l->n, .list = items };
	return 0;
}

int literal_value(const struct literal *l, struct arena *a, struct val *out, struct err *e)
{
	switch (l->kind) {
	case LIT_STRING:
		*out = val_str(l->text);
		return 0;
	case LIT_INT:
		*out = (struct val){ .kind = VAL_I64, .i = l->i };
		return 0;
	case LIT_FLOAT:
		*out = (struct val){ .kind = VAL_F64, .f = l->f };
		return 0;
	case LIT_BOOL:
		*out = (struct val){ .kind = VAL_BOOL, .b = l->b };
		return 0;
	case LIT_DATE:
	case LIT_DATETIME:
		return date_literal(l, out, e);
	case LIT_LIST:
		return list_literal(l, a, out, e);
	}
	return err_set(e, ERR_INTERNAL, "unknown literal kind %d", (int)l->kind);
}

int param_value(const struct query *q, const struct val *params, uint32_t i, struct val *out, struct err *e)
{
	enum scalar s = q->decl.params[i].type.scalar;

	*out = params[i];
	if (s != SCALAR_DATE && s != SCALAR_DATETIME)
		return 0;
	if (out->kind == VAL_STR)
		return bad_date(s, val_text(out), e);
	for (uint32_t k = 0; out->kind == VAL_LIST && k < out->n; k++)
		if (out->list[k].kind == VAL_STR)
			return bad_date(s, val_text(&out->list[k]), e);
	return 0;
}

int const_value(const struct const_env *env, const struct expr *x, struct arena *a, struct val *out, struct err *e)
{
	switch (x->kind) {
	case EX_LITERAL:
		return literal_value(&x->lit, a, out, e);
	case EX_PARAM:
		return param_value(env->q, env->params, x->param, out, e);
	case EX_NOW:
		*out = (struct val){ .kind = VAL_DATETIME, .i = env->now_ms };
		return 0;
	default:
		return err_set(e, ERR_INTERNAL, "not a constant expression");
	}
}
