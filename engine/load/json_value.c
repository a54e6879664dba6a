/* SPDX-License-Identifier: MIT */
#include "engine/load/json_value.h"

#include <errno.h>
#include <math.h>

#include <omnigraph/limits.h>

#define SHOWN_MAX 120 /* bytes of an offending value that an error repeats */

/* What became of one scalar: a value, nothing usable (wrong JSON type), or an error already reported. */
enum outcome { GOT_VALUE, GOT_WRONG_TYPE, GOT_ERROR };

struct conversion {
	const struct prop *p;
	enum load_shape shape;
	struct arena *a;
	bool in_list;
	struct err *e;
};

/* Cut a text that an error repeats, at a character boundary. */
static void cut(struct strbuf *b)
{
	if (b->n <= SHOWN_MAX)
		return;
	b->n = SHOWN_MAX;
	while (b->n && ((unsigned char)b->s[b->n] & 0xc0) == 0x80)
		b->n--;
	b->s[b->n] = 0;
	sb_addz(b, "...");
}

/* @b, which is freed, as far as a message shows it. */
static const char *shown(struct arena *a, struct strbuf *b)
{
	const char *s;

	cut(b);
	s = arena_strdup(a, b->s ? b->s : "");
	sb_free(b);
	return s;
}

const char *load_shown(struct arena *a, const struct json *v)
{
	struct strbuf b = STRBUF_INIT;

	json_compact(&b, v);
	return shown(a, &b);
}

static const char *shown_text(struct arena *a, struct str text)
{
	struct strbuf b = STRBUF_INIT;

	sb_adds(&b, text);
	return shown(a, &b);
}

static enum outcome out_of_range(const struct conversion *c, const struct json *v)
{
	const char *physical = scalar_physical(c->p->type.scalar);

	if (c->in_list)
		err_set(c->e, ERR_BAD_REQUEST, "list value %s exceeds %s range", load_shown(c->a, v), physical);
	else
		err_set(c->e, ERR_BAD_REQUEST, "property '%.*s' value %s exceeds %s range", STR_ARG(c->p->name),
			load_shown(c->a, v), physical);
	return GOT_ERROR;
}

static enum outcome from_signed(const struct conversion *c, const struct json *v, int64_t min, int64_t max,
				struct val *out)
{
	int64_t i;

	if (v->type != JSON_NUMBER || !v->is_int)
		return GOT_WRONG_TYPE;
	if (!json_to_i64(v, &i) || i < min || i > max)
		return out_of_range(c, v);
	*out = (struct val){ .kind = VAL_I64, .i = i };
	return GOT_VALUE;
}

static enum outcome from_unsigned(const struct conversion *c, const struct json *v, uint64_t max, struct val *out)
{
	uint64_t u;

	if (v->type != JSON_NUMBER || !v->is_int)
		return GOT_WRONG_TYPE;
	if (!json_to_u64(v, &u) || u > max)
		return out_of_range(c, v);
	*out = (struct val){ .kind = VAL_U64, .u = u };
	return GOT_VALUE;
}

static enum outcome from_float(const struct conversion *c, const struct json *v, struct val *out)
{
	bool single = c->p->type.scalar == SCALAR_F32;
	double d;

	if (v->type != JSON_NUMBER)
		return GOT_WRONG_TYPE;
	if (!json_to_f64(v, &d) || (single && isinf((float)d)))
		return out_of_range(c, v);
	*out = (struct val){ .kind = single ? VAL_F32 : VAL_F64, .f = single ? (double)(float)d : d };
	return GOT_VALUE;
}

static enum outcome from_date(const struct conversion *c, const struct json *v, struct val *out)
{
	int64_t i;
	int32_t days;

	if (v->type == JSON_NUMBER && v->is_int) {
		if (!json_to_i64(v, &i) || i < INT32_MIN || i > INT32_MAX) {
			err_set(c->e, ERR_BAD_REQUEST, "Date value out of range: %s", load_shown(c->a, v));
			return GOT_ERROR;
		}
		*out = (struct val){ .kind = VAL_DATE, .i = i };
		return GOT_VALUE;
	}
	if (v->type != JSON_STRING)
		return GOT_WRONG_TYPE;
	if (!date_parse_load(v->text, &days)) {
		err_set(c->e, ERR_BAD_REQUEST, "invalid Date literal '%s' (write YYYY-MM-DD or days since 1970-01-01)",
			shown_text(c->a, v->text));
		return GOT_ERROR;
	}
	*out = (struct val){ .kind = VAL_DATE, .i = days };
	return GOT_VALUE;
}

static enum outcome from_datetime(const struct conversion *c, const struct json *v, struct val *out)
{
	int64_t ms;

	if (v->type == JSON_NUMBER && v->is_int) {
		if (!json_to_i64(v, &ms)) {
			err_set(c->e, ERR_BAD_REQUEST, "DateTime value out of range: %s", load_shown(c->a, v));
			return GOT_ERROR;
		}
	} else if (v->type != JSON_STRING) {
		return GOT_WRONG_TYPE;
	} else if (!datetime_parse_load(v->text, &ms)) {
		err_set(c->e, ERR_BAD_REQUEST,
			"invalid DateTime literal '%s' (write YYYY-MM-DDTHH:MM:SSZ or milliseconds since the epoch)",
			shown_text(c->a, v->text));
		return GOT_ERROR;
	}
	*out = (struct val){ .kind = VAL_DATETIME, .i = ms };
	return GOT_VALUE;
}

static enum outcome from_scalar(const struct conversion *c, const struct json *v, struct val *out)
{
	switch (c->p->type.scalar) {
	case SCALAR_STRING:
		if (v->type != JSON_STRING)
			return GOT_WRONG_TYPE;
		*out = val_str(arena_str(c->a, v->text));
		return GOT_VALUE;
	case SCALAR_BOOL:
		if (v->type != JSON_BOOL)
			return GOT_WRONG_TYPE;
		*out = (struct val){ .kind = VAL_BOOL, .b = v->boolean };
		return GOT_VALUE;
	case SCALAR_I32:
		return from_signed(c, v, INT32_MIN, INT32_MAX, out);
	case SCALAR_I64:
		return from_signed(c, v, INT64_MIN, INT64_MAX, out);
	case SCALAR_U32:
		return from_unsigned(c, v, UINT32_MAX, out);
	case SCALAR_U64:
		return from_unsigned(c, v, UINT64_MAX, out);
	case SCALAR_F32:
	case SCALAR_F64:
		return from_float(c, v, out);
	case SCALAR_DATE:
		return from_date(c, v, out);
	case SCALAR_DATETIME:
		return from_datetime(c, v, out);
	case SCALAR_BLOB:
	case SCALAR_VECTOR:
		break;
	}
	return GOT_WRONG_TYPE;
}

static int required_is_null(const struct prop *p, bool absent, struct err *e)
{
	const char *what = p->type.scalar == SCALAR_VECTOR ? "vector property"
			   : p->type.scalar == SCALAR_BLOB ? "blob property"
							   : "property";
	const char *why = p->type.scalar == SCALAR_VECTOR || p->type.scalar == SCALAR_BLOB ? "null values"
											   : "null or invalid values";

	if (absent)
		return err_set(e, ERR_BAD_REQUEST, "missing required property '%.*s': non-nullable %s '%.*s' has %s",
			       STR_ARG(p->name), what, STR_ARG(p->name), why);
	return err_set(e, ERR_BAD_REQUEST, "non-nullable %s '%.*s' has %s", what, STR_ARG(p->name), why);
}

/* A null, or a value of a wrong type in permissive input. */
static int null_value(const struct prop *p, bool absent, struct val *out, struct err *e)
{
	*out = VAL_NULL_INIT;
	return p->type.nullable ? 0 : required_is_null(p, absent, e);
}

static int list_value(struct conversion *c, const struct json *v, struct val *out)
{
	struct val *items;

	if (v->type != JSON_ARRAY)
		return err_set(c->e, ERR_BAD_REQUEST, "list property '%.*s' expects a JSON array, got %s",
			       STR_ARG(c->p->name), load_shown(c->a, v));
	items = arena_array(c->a, struct val, v->n);
	c->in_list = true;
	for (size_t i = 0; i < v->n; i++) {
		enum outcome got =
			v->items[i].type == JSON_NULL ? GOT_WRONG_TYPE : from_scalar(c, &v->items[i], &items[i]);

		if (got == GOT_ERROR)
			return -EINVAL;
		if (got == GOT_VALUE)
			continue;
		if (c->shape == LOAD_STRICT)
			return err_set(c->e, ERR_BAD_REQUEST,
				       "strict list property '%.*s' contains a null or invalid item",
				       STR_ARG(c->p->name));
		items[i] = VAL_NULL_INIT;
	}
	*out = (struct val){ .kind = VAL_LIST, .n = (uint32_t)v->n, .list = items };
	return 0;
}

static int vector_value(const struct conversion *c, const struct json *v, struct val *out)
{
	float *vec;

	if (v->type != JSON_ARRAY) {
		if (c->shape == LOAD_PERMISSIVE)
			return null_value(c->p, false, out, c->e);
		return err_set(c->e, ERR_BAD_REQUEST, "vector property '%.*s' expects a JSON array, got %s",
			       STR_ARG(c->p->name), load_shown(c->a, v));
	}
	if (v->n != c->p->type.dim)
		return err_set(c->e, ERR_BAD_REQUEST, "vector property '%.*s' expects %u dimensions, got %zu",
			       STR_ARG(c->p->name), c->p->type.dim, v->n);
	vec = arena_array(c->a, float, v->n);
	for (size_t i = 0; i < v->n; i++) {
		double d;

		if (v->items[i].type != JSON_NUMBER)
			return err_set(c->e, ERR_BAD_REQUEST, "vector property '%.*s' elements must be numeric, got %s",
				       STR_ARG(c->p->name), load_shown(c->a, &v->items[i]));
		if (!json_to_f64(&v->items[i], &d) || isinf((float)d))
			return err_set(c->e, ERR_BAD_REQUEST, "vector element value %s exceeds Float32 range",
				       load_shown(c->a, &v->items[i]));
		vec[i] = (float)d;
	}
	*out = (struct val){ .kind = VAL_VEC, .n = (uint32_t)v->n, .vec = vec };
	return 0;
}

static int blob_value(const struct conversion *c, const struct json *v, struct val *out)
{
	struct strbuf bytes = STRBUF_INIT;

	if (v->type != JSON_STRING)
		return err_set(c->e, ERR_BAD_REQUEST,
			       "blob property '%.*s' must be a URI string or base64: prefixed data, got %s",
			       STR_ARG(c->p->name), load_shown(c->a, v));
	if (!str_starts(v->text, STR("base64:"))) {
		if (v->text.n > LIMIT_BLOB_URI_BYTES) {
			int rc = err_set(c->e, ERR_RESOURCE_LIMIT,
					 "resource limit exceeded for external Blob URI bytes: actual %zu, limit %u",
					 v->text.n, LIMIT_BLOB_URI_BYTES);
			err_detail(c->e, "resource", "external Blob URI bytes");
			err_detail_u64(c->e, "limit", LIMIT_BLOB_URI_BYTES);
			err_detail_u64(c->e, "actual", v->text.n);
			return rc;
		}
		/* judged when the last record of each row is known (spec/engine.md 14.3) */
		*out = (struct val){ .kind = VAL_BLOB,
				     .flags = VAL_BLOB_URI,
				     .n = (uint32_t)v->text.n,
				     .s = arena_str(c->a, v->text).s };
		return 0;
	}
	if (!base64_decode(&bytes, (struct str){ v->text.s + 7, v->text.n - 7 })) {
		sb_free(&bytes);
		return err_set(c->e, ERR_BAD_REQUEST,
			       "invalid base64 blob data for property '%.*s' (standard alphabet, padded)",
			       STR_ARG(c->p->name));
	}
	if (bytes.n > LIMIT_BLOB_INPUT_BYTES) {
		int rc = err_set(c->e, ERR_RESOURCE_LIMIT,
				 "resource limit exceeded for decoded blob input bytes: actual %zu, limit %u", bytes.n,
				 LIMIT_BLOB_INPUT_BYTES);
		err_detail(c->e, "resource", "decoded blob input bytes");
		err_detail_u64(c->e, "limit", LIMIT_BLOB_INPUT_BYTES);
		err_detail_u64(c->e, "actual", bytes.n);
		sb_free(&bytes);
		return rc;
	}
	*out = (struct val){ .kind = VAL_BLOB,
			     .flags = VAL_BLOB_INLINE,
			     .n = (uint32_t)bytes.n,
			     .s = arena_memdup(c->a, bytes.s ? bytes.s : "", bytes.n) };
	sb_free(&bytes);
	return 0;
}

int load_value(const struct prop *p, const struct json *v, enum load_shape shape, struct arena *a, struct val *out,
	       struct err *e)
{
	struct conversion c = { .p = p, .shape = shape, .a = a, .e = e };

	if (!v || v->type == JSON_NULL)
		return null_value(p, !v, out, e);
	if (p->type.list)
		return list_value(&c, v, out);
	if (p->type.scalar == SCALAR_VECTOR)
		return vector_value(&c, v, out);
	if (p->type.scalar == SCALAR_BLOB)
		return blob_value(&c, v, out);
	switch (from_scalar(&c, v, out)) {
	case GOT_VALUE:
		return 0;
	case GOT_ERROR:
		return -EINVAL;
	case GOT_WRONG_TYPE:
		break;
	}
	if (shape == LOAD_PERMISSIVE)
		return null_value(p, false, out, e);
	return err_set(e, ERR_BAD_REQUEST, "strict property '%.*s' expects %s, got %s", STR_ARG(p->name),
		       scalar_physical(p->type.scalar), load_shown(a, v));
}

bool load_key_spelling(enum scalar s, const struct val *v, struct str text)
{
	int64_t i, ms;
	uint64_t u;
	int32_t days;
	double d;

	switch (s) {
	case SCALAR_STRING:
		return str_eq(val_text(v), text);
	case SCALAR_BOOL:
		return str_eqz(text, v->b ? "true" : "false");
	case SCALAR_I32:
	case SCALAR_I64:
		return str_to_i64(text, &i) && i == v->i;
	case SCALAR_U32:
	case SCALAR_U64:
		return str_to_u64(text, &u) && u == v->u;
	case SCALAR_F32:
		return parse_f64(text, &d) && (double)(float)d == v->f;
	case SCALAR_F64:
		return parse_f64(text, &d) && d == v->f;
	case SCALAR_DATE:
		return (str_to_i64(text, &i) && i == v->i) || (date_parse_load(text, &days) && days == v->i);
	case SCALAR_DATETIME:
		return (str_to_i64(text, &i) && i == v->i) || (datetime_parse_load(text, &ms) && ms == v->i);
	case SCALAR_BLOB:
	case SCALAR_VECTOR:
		break;
	}
	return false;
}
