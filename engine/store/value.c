/* SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <omnigraph/value.h>

/* --- identity ------------------------------------------------------------------------------------ */

static bool f64_identical(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b && signbit(a) == signbit(b);
}

static bool vec_identical(const struct val *a, const struct val *b)
{
	for (uint32_t i = 0; i < a->n; i++) {
		if (!f64_identical(a->vec[i], b->vec[i]))
			return false;
	}
	return true;
}

static bool list_identical(const struct val *a, const struct val *b)
{
	for (uint32_t i = 0; i < a->n; i++) {
		if (!val_identical(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

bool val_identical(const struct val *a, const struct val *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VAL_NULL:
		return true;
	case VAL_BOOL:
		return a->b == b->b;
	case VAL_F32:
	case VAL_F64:
		return f64_identical(a->f, b->f);
	case VAL_BLOB:
		if (a->flags != b->flags)
			return false;
		/* fall through */
	case VAL_STR:
		return str_eq(val_text(a), val_text(b));
	case VAL_LIST:
		return a->n == b->n && list_identical(a, b);
	case VAL_VEC:
		return a->n == b->n && vec_identical(a, b);
	default:
		return a->u == b->u;
	}
}

/* --- order --------------------------------------------------------------------------------------- */

static int cmp_f64(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (isnan(a) != 0) - (isnan(b) != 0);
	return (a > b) - (a < b);
}

static int cmp_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_i64_u64(int64_t a, uint64_t b)
{
	return a < 0 ? -1 : cmp_u64((uint64_t)a, b);
}

/* Exact: no integer is rounded to a double. */
static int cmp_i64_f64(int64_t a, double b)
{
	double t;

	if (isnan(b) || b >= 0x1p63)
		return -1;
	if (b < -0x1p63)
		return 1;
	t = trunc(b);
	if (a != (int64_t)t)
		return cmp_i64(a, (int64_t)t);
	return (b < t) - (b > t);
}

static int cmp_u64_f64(uint64_t a, double b)
{
	double t;

	if (isnan(b) || b >= 0x1p64)
		return -1;
	if (b < 0)
		return 1;
	t = trunc(b);
	if (a != (uint64_t)t)
		return cmp_u64(a, (uint64_t)t);
	return (b < t) - (b > t);
}

static bool is_float(const struct val *v)
{
	return v->kind == VAL_F32 || v->kind == VAL_F64;
}

static bool is_number(const struct val *v)
{
	return v->kind == VAL_I64 || v->kind == VAL_U64 || is_float(v);
}

static int cmp_numbers(const struct val *a, const struct val *b)
{
	if (is_float(a)) {
		if (is_float(b))
			return cmp_f64(a->f, b->f);
		return -cmp_numbers(b, a);
	}
	if (is_float(b))
		return a->kind == VAL_I64 ? cmp_i64_f64(a->i, b->f) : cmp_u64_f64(a->u, b->f);
	if (a->kind == VAL_I64)
		return b->kind == VAL_I64 ? cmp_i64(a->i, b->i) : cmp_i64_u64(a->i, b->u);
	return b->kind == VAL_U64 ? cmp_u64(a->u, b->u) : -cmp_i64_u64(b->i, a->u);
}

int val_compare(const struct val *a, const struct val *b, bool *ok)
{
	*ok = true;
	if (is_number(a) && is_number(b))
		return cmp_numbers(a, b);
	if (a->kind == b->kind) {
		switch (a->kind) {
		case VAL_BOOL:
			return (int)a->b - (int)b->b;
		case VAL_STR:
			return str_cmp(val_text(a), val_text(b));
		case VAL_DATE:
		case VAL_DATETIME:
			return cmp_i64(a->i, b->i);
		default:
			break;
		}
	}
	*ok = false;
	return 0;
}

static int order_items(const struct val *a, const struct val *b)
{
	uint32_t n = a->n < b->n ? a->n : b->n;

	for (uint32_t i = 0; i < n; i++) {
		int c = a->kind == VAL_VEC ? cmp_f64(a->vec[i], b->vec[i]) : val_order(&a->list[i], &b->list[i]);

		if (c)
			return c;
	}
	return cmp_u64(a->n, b->n);
}

int val_order(const struct val *a, const struct val *b)
{
	bool ok;
	int c;

	if (a->kind == VAL_NULL || b->kind == VAL_NULL)
		return (a->kind != VAL_NULL) - (b->kind != VAL_NULL);
	c = val_compare(a, b, &ok);
	if (ok)
		return c;
	if (a->kind != b->kind)
		return (a->kind > b->kind) - (a->kind < b->kind);
	if (a->kind == VAL_LIST || a->kind == VAL_VEC)
		return order_items(a, b);
	return str_cmp(val_text(a), val_text(b)); /* blobs */
}

/* --- text ---------------------------------------------------------------------------------------- */

static int key_float(const struct val *v, struct strbuf *out, struct err *e)
{
	char buf[400];
	size_t n;

	if (!isfinite(v->f))
		return err_set(e, ERR_BAD_REQUEST, "scalar key: non-finite %s value %s cannot identify an entity",
			       v->kind == VAL_F32 ? "Float32" : "Float64",
			       isnan(v->f) ? "NaN"
			       : v->f > 0  ? "inf"
					   : "-inf");
	n = v->kind == VAL_F32 ? fmt_key_f32(buf, (float)v->f) : fmt_key_f64(buf, v->f);
	sb_add(out, buf, n);
	return 0;
}

static const char *unkeyable_name(const struct val *v)
{
	switch (v->kind) {
	case VAL_LIST:
		return "List";
	case VAL_VEC:
		return "FixedSizeList";
	case VAL_BLOB:
		return "LargeBinary";
	default:
		return "Null";
	}
}

int val_key_text(const struct val *v, struct strbuf *out, struct err *e)
{
	switch (v->kind) {
	case VAL_BOOL:
		sb_addz(out, v->b ? "true" : "false");
		return 0;
	case VAL_I64:
	case VAL_DATE:
	case VAL_DATETIME:
		sb_addi64(out, v->i);
		return 0;
	case VAL_U64:
		sb_addu64(out, v->u);
		return 0;
	case VAL_F32:
	case VAL_F64:
		return key_float(v, out, e);
	case VAL_STR:
		sb_adds(out, val_text(v));
		return 0;
	default:
		return err_set(e, ERR_BAD_REQUEST,
			       "scalar key: unsupported column type %s for @unique/@key enforcement",
			       unkeyable_name(v));
	}
}

static void json_float(double f, struct strbuf *out)
{
	char buf[32];

	if (isnan(f))
		sb_addz(out, "\"NaN\"");
	else if (isinf(f))
		sb_addz(out, f > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		sb_add(out, buf, fmt_f64(buf, f));
}

static void json_vec(const struct val *v, struct strbuf *out)
{
	sb_addch(out, '[');
	for (uint32_t i = 0; i < v->n; i++) {
		if (i)
			sb_addch(out, ',');
		if (isfinite(v->vec[i]))
			json_float(v->vec[i], out);
		else
			sb_addz(out, "null");
	}
	sb_addch(out, ']');
}

static void json_list(const struct val *v, struct strbuf *out, void (*item)(const struct val *v, struct strbuf *out))
{
	sb_addch(out, '[');
	for (uint32_t i = 0; i < v->n; i++) {
		if (i)
			sb_addch(out, ',');
		item(&v->list[i], out);
	}
	sb_addch(out, ']');
}

static void json_blob(const struct val *v, struct strbuf *out)
{
	if (v->flags != VAL_BLOB_INLINE) {
		json_quote(out, val_text(v));
		return;
	}
	sb_addz(out, "\"base64:");
	base64_encode(out, v->s, v->n);
	sb_addch(out, '"');
}

/* Kinds that both encodings spell alike. */
static void json_common(const struct val *v, struct strbuf *out)
{
	switch (v->kind) {
	case VAL_BOOL:
		sb_addz(out, v->b ? "true" : "false");
		break;
	case VAL_I64:
	case VAL_DATE:
	case VAL_DATETIME:
		sb_addi64(out, v->i);
		break;
	case VAL_U64:
		sb_addu64(out, v->u);
		break;
	case VAL_F32:
	case VAL_F64:
		json_float(v->f, out);
		break;
	case VAL_STR:
		json_quote(out, val_text(v));
		break;
	case VAL_VEC:
		json_vec(v, out);
		break;
	case VAL_BLOB:
		json_blob(v, out);
		break;
	default:
		sb_addz(out, "null");
	}
}

void val_result_json(const struct val *v, struct strbuf *out)
{
	char buf[64];
	size_t n;

	switch (v->kind) {
	case VAL_DATE:
		n = date_format(buf + 1, (int32_t)v->i);
		break;
	case VAL_DATETIME:
		n = datetime_format(buf + 1, v->i);
		break;
	case VAL_LIST:
		json_list(v, out, val_result_json);
		return;
	default:
		json_common(v, out);
		return;
	}
	buf[0] = buf[n + 1] = '"';
	sb_add(out, buf, n + 2);
}

void val_export_json(const struct val *v, struct strbuf *out)
{
	if (v->kind == VAL_LIST)
		json_list(v, out, val_export_json);
	else
		json_common(v, out);
}

/* --- copies -------------------------------------------------------------------------------------- */

struct val val_copy(struct arena *a, const struct val *v)
{
	struct val c = *v;

	switch (v->kind) {
	case VAL_STR:
	case VAL_BLOB:
		c.s = v->n ? arena_memdup(a, v->s, v->n) : "";
		break;
	case VAL_VEC:
		c.vec = v->n ? arena_memdup(a, v->vec, v->n * sizeof(float)) : NULL;
		break;
	case VAL_LIST: {
		struct val *items = v->n ? arena_array(a, struct val, v->n) : NULL;

		for (uint32_t i = 0; i < v->n; i++)
			items[i] = val_copy(a, &v->list[i]);
		c.list = items;
		break;
	}
	default:
		break;
	}
	return c;
}

size_t val_bytes(const struct val *v)
{
	size_t n = sizeof(*v);

	switch (v->kind) {
	case VAL_STR:
	case VAL_BLOB:
		return n + v->n;
	case VAL_VEC:
		return n + v->n * sizeof(float);
	case VAL_LIST:
		for (uint32_t i = 0; i < v->n; i++)
			n += val_bytes(&v->list[i]);
		return n;
	default:
		return n;
	}
}

size_t row_image_bytes(const struct row_image *row, uint32_t n)
{
	size_t bytes = sizeof(*row) + row->id.n + row->src.n + row->dst.n;

	for (uint32_t i = 0; i < n; i++)
		bytes += val_bytes(&row->vals[i]);
	return bytes;
}
