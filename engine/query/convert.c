/* SPDX-License-Identifier: MIT */
/* Conversion of a value to the type of the property that stores it (spec/query.md 10.5, spec/schema.md 14.3). */
#include <math.h>
#include <stdio.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#include "convert.h"

static bool is_float(const struct val *v)
{
	return v->kind == VAL_F32 || v->kind == VAL_F64;
}

static bool is_int(const struct val *v)
{
	return v->kind == VAL_I64 || v->kind == VAL_U64;
}

static double as_double(const struct val *v)
{
	return is_float(v) ? v->f : v->kind == VAL_U64 ? (double)v->u : (double)v->i;
}

/* The number as a user would write it. @out >= 32 bytes. */
static const char *number_text(const struct val *v, char *out)
{
	size_t n;

	if (v->kind == VAL_I64)
		snprintf(out, 32, "%lld", (long long)v->i);
	else if (v->kind == VAL_U64)
		snprintf(out, 32, "%llu", (unsigned long long)v->u);
	else if (!isfinite(v->f))
		snprintf(out, 32, "%s", isnan(v->f) ? "NaN" : v->f > 0 ? "Infinity" : "-Infinity");
	else {
		n = fmt_f64(out, v->f);
		out[n] = '\0';
	}
	return out;
}

static const char *kind_word(const struct val *v)
{
	static const char *const words[] = {
		[VAL_NULL] = "null",	     [VAL_BOOL] = "boolean", [VAL_I64] = "integer", [VAL_U64] = "integer",
		[VAL_F32] = "float",	     [VAL_F64] = "float",    [VAL_STR] = "string",  [VAL_DATE] = "date",
		[VAL_DATETIME] = "datetime", [VAL_LIST] = "list",    [VAL_VEC] = "vector",  [VAL_BLOB] = "blob",
	};

	return words[v->kind];
}

static int cannot_convert(const struct val *v, const struct prop *p, struct err *e)
{
	char buf[32];
	bool number = is_int(v) || is_float(v);

	return err_set(e, ERR_BAD_REQUEST, "cannot convert %s value%s%s to %s for property '%.*s'%s", kind_word(v),
		       number ? " " : "", number ? number_text(v, buf) : "", scalar_physical(p->type.scalar),
		       STR_ARG(p->name), is_int(v) ? "; write it with a fraction, as in 3.0" : "");
}

static int out_of_range(const struct val *v, const char *what, const struct prop *p, struct err *e)
{
	char buf[32];

	return err_set(e, ERR_BAD_REQUEST, "%s value %s exceeds %s range", what, number_text(v, buf),
		       scalar_physical(p->type.scalar));
}

static bool fits(const struct val *v, enum scalar s)
{
	bool negative = v->kind == VAL_I64 && v->i < 0;

	switch (s) {
	case SCALAR_I32:
		return v->kind == VAL_I64 ? v->i >= INT32_MIN && v->i <= INT32_MAX : v->u <= INT32_MAX;
	case SCALAR_I64:
		return v->kind == VAL_I64 || v->u <= INT64_MAX;
	case SCALAR_U32:
		return !negative && v->u <= UINT32_MAX;
	default:
		return !negative;
	}
}

static int to_integer(const struct val *v, const char *what, const struct prop *p, struct val *out, struct err *e)
{
	bool is_signed = p->type.scalar == SCALAR_I32 || p->type.scalar == SCALAR_I64;

	if (!is_int(v))
		return cannot_convert(v, p, e);
	if (!fits(v, p->type.scalar))
		return out_of_range(v, what, p, e);
	*out = (struct val){ .kind = is_signed ? VAL_I64 : VAL_U64, .u = v->u };
	return 0;
}

static int to_float(const struct val *v, const char *what, const struct prop *p, struct val *out, struct err *e)
{
	double f = as_double(v);
	char buf[32];

	if (!isfinite(f))
		return err_set(e, ERR_BAD_REQUEST, "%s value %s must be finite", what, number_text(v, buf));
	*out = (struct val){ .kind = VAL_F64, .f = f };
	if (p->type.scalar == SCALAR_F32) {
		*out = (struct val){ .kind = VAL_F32, .f = (float)f };
		if (!isfinite(out->f))
			return out_of_range(v, what, p, e);
	}
	return 0;
}

static int to_vector(const struct val *v, const struct prop *p, struct arena *a, struct val *out, struct err *e)
{
	float *vec;

	if (v->kind != VAL_VEC && v->kind != VAL_LIST)
		return cannot_convert(v, p, e);
	if (v->n != p->type.dim)
		return err_set(e, ERR_BAD_REQUEST, "vector property expects %u dimensions, got %u", p->type.dim, v->n);
	*out = (struct val){ .kind = VAL_VEC, .n = v->n, .vec = v->vec };
	if (v->kind == VAL_VEC)
		return 0;
	vec = arena_array(a, float, v->n);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct val *item = &v->list[i];

		if (!is_int(item) && !is_float(item))
			return err_set(e, ERR_BAD_REQUEST, "vector elements must be numeric");
		vec[i] = (float)as_double(item);
		if (!isfinite(vec[i])) {
			char buf[32];

			return err_set(e, ERR_BAD_REQUEST, "vector element value %s exceeds Float32 range",
				       number_text(item, buf));
		}
	}
	out->vec = vec;
	return 0;
}

static int blob_limit(const char *resource, size_t actual, size_t limit, struct err *e)
{
	int rc = err_set(e, ERR_RESOURCE_LIMIT, "resource limit exceeded for %s: actual %zu, limit %zu", resource,
			 actual, limit);

	err_detail(e, "resource", resource);
	err_detail_u64(e, "limit", limit);
	err_detail_u64(e, "actual", actual);
	return rc;
}

static int to_blob(const struct val *v, const struct prop *p, struct arena *a, struct val *out, struct err *e)
{
	struct strbuf bytes = STRBUF_INIT;
	struct str text = val_text(v);
	size_t decoded;

	if (v->kind != VAL_STR)
		return cannot_convert(v, p, e);
	*out = (struct val){ .kind = VAL_BLOB, .flags = VAL_BLOB_URI, .n = v->n, .s = v->s };
	if (!str_starts(text, STR("base64:"))) {
		if (!text.n)
			return err_set(e, ERR_BAD_REQUEST,
				       "blob property '%.*s' must be a URI string or base64: prefixed data",
				       STR_ARG(p->name));
		return text.n > LIMIT_BLOB_URI_BYTES
			       ? blob_limit("external Blob URI bytes", text.n, LIMIT_BLOB_URI_BYTES, e)
			       : 0;
	}
	text.s += 7;
	text.n -= 7;
	decoded = text.n / 4 * 3;
	if (decoded > LIMIT_BLOB_INPUT_BYTES + 2)
		return blob_limit("decoded blob input bytes", decoded, LIMIT_BLOB_INPUT_BYTES, e);
	if (!base64_decode(&bytes, text)) {
		sb_free(&bytes);
		return err_set(e, ERR_BAD_REQUEST, "invalid base64 blob data");
	}
	decoded = bytes.n;
	out->flags = VAL_BLOB_INLINE;
	out->n = (uint32_t)decoded;
	out->s = arena_str(a, sb_str(&bytes)).s;
	sb_free(&bytes);
	return decoded > LIMIT_BLOB_INPUT_BYTES
		       ? blob_limit("decoded blob input bytes", decoded, LIMIT_BLOB_INPUT_BYTES, e)
		       : 0;
}

static int same_kind(const struct val *v, enum val_kind kind, const struct prop *p, struct val *out, struct err *e)
{
	*out = *v;
	return v->kind == kind ? 0 : cannot_convert(v, p, e);
}

/* A scalar, or an item of a list (@what "list"); integers widen into floats in lists only. */
static int to_scalar(const struct val *v, const char *what, const struct prop *p, struct val *out, struct err *e)
{
	switch (p->type.scalar) {
	case SCALAR_BOOL:
		return same_kind(v, VAL_BOOL, p, out, e);
	case SCALAR_DATE:
		return same_kind(v, VAL_DATE, p, out, e);
	case SCALAR_DATETIME:
		return same_kind(v, VAL_DATETIME, p, out, e);
	case SCALAR_STRING:
		return same_kind(v, VAL_STR, p, out, e);
	case SCALAR_F32:
	case SCALAR_F64:
		if (!is_float(v) && !(p->type.list && is_int(v)))
			return cannot_convert(v, p, e);
		return to_float(v, what ? what : "float", p, out, e);
	default:
		return to_integer(v, what ? what : "integer", p, out, e);
	}
}

static int to_list(const struct val *v, const struct prop *p, struct arena *a, struct val *out, struct err *e)
{
	struct val *items;

	if (v->kind != VAL_LIST)
		return cannot_convert(v, p, e);
	items = arena_array(a, struct val, v->n);
	for (uint32_t i = 0; i < v->n; i++) {
		int rc = to_scalar(&v->list[i], "list", p, &items[i], e);

		if (rc)
			return rc;
	}
	*out = (struct val){ .kind = VAL_LIST, .n = v->n, .list = items };
	return 0;
}

int value_for_prop(const struct val *v, const struct prop *p, struct arena *a, struct val *out, struct err *e)
{
	struct val in = *v; /* the caller may convert in place */

	*out = VAL_NULL_INIT;
	if (val_is_null(&in))
		return 0;
	if (p->type.list)
		return to_list(&in, p, a, out, e);
	if (p->type.scalar == SCALAR_VECTOR)
		return to_vector(&in, p, a, out, e);
	if (p->type.scalar == SCALAR_BLOB)
		return to_blob(&in, p, a, out, e);
	return to_scalar(&in, NULL, p, out, e);
}

struct val value_for_compare(const struct val *v, const struct prop_type *t)
{
	if (t->scalar != SCALAR_F32 || (!is_int(v) && !is_float(v)))
		return *v;
	return (struct val){ .kind = VAL_F32, .f = (float)as_double(v) };
}

bool cmp_holds(enum cmp_op op, const struct val *l, const struct val *r)
{
	bool ok;
	int c = val_compare(l, r, &ok);

	if (!ok)
		return false;
	switch (op) {
	case OP_EQ:
		return c == 0;
	case OP_NE:
		return c != 0;
	case OP_LT:
		return c < 0;
	case OP_LE:
		return c <= 0;
	case OP_GT:
		return c > 0;
	case OP_GE:
		return c >= 0;
	default:
		return false;
	}
}
