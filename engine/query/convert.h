/* SPDX-License-Identifier: MIT */
/*
 * convert.h - constant values at execution: literals, parameters, now(), and their conversion for a property. Internal to the engine.
 *
 * A bound Date or DateTime parameter whose text is no date is kept by query_bind as VAL_STR (in a list: the item), because such
 * text is refused when it is used, not before. Read parameters through param_value() or const_value(), which do that.
 * Results borrow from the query, the bound parameters or the arena.
 */
#ifndef ENGINE_QUERY_CONVERT_H
#define ENGINE_QUERY_CONVERT_H

#include "engine/query/ast.h"

/* Parameter @i as used now. ERR_BAD_REQUEST "invalid Date literal 'x'". */
int param_value(const struct query *q, const struct val *params, uint32_t i, struct val *out, struct err *e);

/* Text of a Date or DateTime value; VAL_STR when it is none. literal.c */
struct val date_value(enum scalar s, struct str text);

struct const_env {
	const struct query *q;
	const struct val *params;
	int64_t now_ms;
};
/*
 * EX_LITERAL, EX_PARAM or EX_NOW. Numbers keep their literal's or parameter's kind (VAL_I64, VAL_U64, VAL_F32, VAL_F64), a list
 * may mix numeric kinds, a Vector parameter is VAL_VEC, a list literal VAL_LIST, a Blob parameter VAL_STR.
 */
int const_value(const struct const_env *env, const struct expr *x, struct arena *a, struct val *out, struct err *e);

/*
 * @v as stored in property @p (spec/query.md 10.5): ranges, finiteness, vector length, F32 rounding; NULL stays NULL. A Blob text
 * becomes VAL_BLOB, inline or (not judged here) URI. ERR_BAD_REQUEST with the literal texts.
 */
int value_for_prop(const struct val *v, const struct prop *p, struct arena *a, struct val *out, struct err *e);

/* @v as compared with a property of type @t (spec/query.md 5): numbers are rounded to F32 beside an F32 property. */
struct val value_for_compare(const struct val *v, const struct prop_type *t);

/* @l @op @r of two non-null values; false when their kinds do not compare (val_compare). */
bool cmp_holds(enum cmp_op op, const struct val *l, const struct val *r);

#endif
