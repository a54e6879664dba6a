/* SPDX-License-Identifier: MIT */
/* JSON parameters to values (spec/query.md 11). */
#include <math.h>
#include <stdio.h>

#include "convert.h"

struct bind {
	struct arena *a;
	const struct param_decl *p;
	struct err *e;
};

static int bad(const struct bind *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(const struct bind *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(b->e, ERR_BAD_REQUEST, fmt, ap);
	va_end(ap);
	err_prefix(b->e, "param '%.*s': ", STR_ARG(b->p->name));
	return rc;
}

static int bind_string(const struct bind *b, const struct json *j, const char *what, struct val *out)
{
	if (j->type != JSON_STRING)
		return bad(b, "expected %s", what);
	if (j->text.n > UINT32_MAX)
		return bad(b, "the string is too long");
	*out = val_str(j->text);
	return 0;
}

static bool all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.s[i] < '0' || s.s[i] > '9')
			return false;
	return s.n > 0;
}

static int exceeds(const struct bind *b, struct str text)
{
	return bad(b, "value %.*s exceeds %s", STR_ARG(text), scalar_name(b->p->type.scalar));
}

static int bind_signed(const struct bind *b, const struct json *j, struct val *out)
{
	struct str digits = j->text;
	int64_t i;

	if (j->type != JSON_NUMBER && j->type != JSON_STRING)
		return bad(b, "expected integer");
	if (j->type == JSON_NUMBER && !j->is_int)
		return bad(b, "expected integer number");
	if (digits.n && digits.s[0] == '-') {
		digits.s++;
		digits.n--;
	}
	if (!all_digits(digits))
		return bad(b, "expected integer string, got '%.*s'", STR_ARG(j->text));
	if (!str_to_i64(j->text, &i) || (b->p->type.scalar == SCALAR_I32 && (i < INT32_MIN || i > INT32_MAX)))
		return exceeds(b, j->text);
	*out = (struct val){ .kind = VAL_I64, .i = i };
	return 0;
}

static int bind_unsigned(const struct bind *b, const struct json *j, struct val *out)
{
	uint64_t u;

	if (j->type != JSON_NUMBER && j->type != JSON_STRING)
		return bad(b, "expected unsigned integer");
	if (j->type == JSON_NUMBER && (!j->is_int || !all_digits(j->text)))
		return bad(b, "expected unsigned integer number");
	if (!all_digits(j->text))
		return bad(b, "expected unsigned integer string, got '%.*s'", STR_ARG(j->text));
	if (b->p->type.scalar == SCALAR_U32 && (!str_to_u64(j->text, &u) || u > UINT32_MAX))
		return exceeds(b, j->text);
	if (!str_to_u64(j->text, &u) || u > INT64_MAX)
		return bad(b, "value %.*s exceeds current engine range for U64 (max 9223372036854775807)",
			   STR_ARG(j->text));
	*out = (struct val){ .kind = VAL_U64, .u = u };
	return 0;
}

static int bind_float(const struct bind *b, const struct json *j, struct val *out)
{
	double f;

	if (j->type != JSON_NUMBER)
		return bad(b, "expected float");
	if (!json_to_f64(j, &f))
		return exceeds(b, j->text);
	*out = (struct val){ .kind = VAL_F64, .f = f };
	if (b->p->type.scalar == SCALAR_F32) {
		*out = (struct val){ .kind = VAL_F32, .f = (float)f };
		if (!isfinite(out->f))
			return exceeds(b, j->text);
	}
	return 0;
}

static int bind_date(const struct bind *b, const struct json *j, struct val *out)
{
	bool date = b->p->type.scalar == SCALAR_DATE;
	int rc = bind_string(b, j, date ? "date string" : "datetime string", out);

	if (!rc)
		*out = date_value(b->p->type.scalar, j->text);
	return rc;
}

static int bind_vector(const struct bind *b, const struct json *j, struct val *out)
{
	uint32_t dim = b->p->type.dim;
	float *vec;

	if (j->type != JSON_ARRAY)
		return bad(b, "expected array for Vector(%u)", dim);
	if (j->n != dim)
		return bad(b, "expected %u values for Vector(%u), got %zu", dim, dim, j->n);
	vec = arena_array(b->a, float, dim);
	for (uint32_t i = 0; i < dim; i++) {
		double f;

		if (j->items[i].type != JSON_NUMBER)
			return bad(b, "vector element is not numeric");
		vec[i] = json_to_f64(&j->items[i], &f) ? (float)f : INFINITY;
		if (!isfinite(vec[i]))
			return bad(b, "vector element %.*s exceeds F32", STR_ARG(j->items[i].text));
	}
	*out = (struct val){ .kind = VAL_VEC, .n = dim, .vec = vec };
	return 0;
}

static int bind_scalar(const struct bind *b, const struct json *j, struct val *out)
{
	char what[48];

	switch (b->p->type.scalar) {
	case SCALAR_STRING:
		snprintf(what, sizeof(what), "string, got %s", json_kind(j));
		return bind_string(b, j, what, out);
	case SCALAR_BLOB:
		snprintf(what, sizeof(what), "blob URI string, got %s", json_kind(j));
		return bind_string(b, j, what, out);
	case SCALAR_BOOL:
		*out = (struct val){ .kind = VAL_BOOL, .b = j->boolean };
		return j->type == JSON_BOOL ? 0 : bad(b, "expected boolean");
	case SCALAR_I32:
	case SCALAR_I64:
		return bind_signed(b, j, out);
	case SCALAR_U32:
	case SCALAR_U64:
		return bind_unsigned(b, j, out);
	case SCALAR_F32:
	case SCALAR_F64:
		return bind_float(b, j, out);
	case SCALAR_DATE:
	case SCALAR_DATETIME:
		return bind_date(b, j, out);
	case SCALAR_VECTOR:
		return bind_vector(b, j, out);
	}
	return bad(b, "unknown type");
}

static int bind_list(const struct bind *b, const struct json *j, struct val *out)
{
	struct val *items;

	if (j->type != JSON_ARRAY || j->n > UINT32_MAX)
		return bad(b, "expected array for [%s]", scalar_name(b->p->type.scalar));
	items = arena_array(b->a, struct val, j->n);
	for (size_t i = 0; i < j->n; i++) {
		int rc = bind_scalar(b, &j->items[i], &items[i]);

		if (rc)
			return rc;
	}
	*out = (struct val){ .kind = VAL_LIST, .n = (uint32_t)j->n, .list = items };
	return 0;
}

static int bind_param(const struct bind *b, const struct json *j, struct val *out)
{
	if (j->type == JSON_NULL) {
		*out = VAL_NULL_INIT;
		return b->p->type.nullable ? 0 : bad(b, "null is not accepted for non-nullable parameter");
	}
	return b->p->type.list ? bind_list(b, j, out) : bind_scalar(b, j, out);
}

static bool holds_object(const struct json *j)
{
	if (j->type == JSON_OBJECT)
		return true;
	for (size_t i = 0; j->type == JSON_ARRAY && i < j->n; i++)
		if (holds_object(&j->items[i]))
			return true;
	return false;
}

static int bind_member(const struct query *q, struct arena *a, struct str name, const struct json *j, struct val *vals,
		       bool *given, struct err *e)
{
	for (uint32_t i = 0; i < q->decl.n_params; i++) {
		struct bind b = { a, &q->decl.params[i], e };

		if (!str_eq(b.p->name, name))
			continue;
		given[i] = true;
		return bind_param(&b, j, &vals[i]);
	}
	if (holds_object(j))
		return err_set(e, ERR_BAD_REQUEST, "param '%.*s': object is not supported", STR_ARG(name));
	return 0;
}

int query_bind(const struct query *q, struct arena *a, const struct json *params, struct val **out, struct err *e)
{
	const struct query_decl *d = &q->decl;
	struct val *vals = arena_array(a, struct val, d->n_params + 1);
	bool *given = arena_array(a, bool, d->n_params + 1);

	if (params && params->type != JSON_NULL && params->type != JSON_OBJECT)
		return err_set(e, ERR_BAD_REQUEST, "params must be a JSON object");
	for (size_t i = 0; params && params->type == JSON_OBJECT && i < params->n; i++) {
		int rc = bind_member(q, a, params->keys[i], &params->items[i], vals, given, e);

		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < d->n_params; i++)
		if (!given[i] && !d->params[i].type.nullable)
			return err_set(e, ERR_BAD_REQUEST, "parameter '%.*s' not provided", STR_ARG(d->params[i].name));
	*out = vals;
	return 0;
}
