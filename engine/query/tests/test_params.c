/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "engine/query/convert.h"
#include "qtest.h"

static struct query q;
static struct arena arena;
static struct val *vals;

/* Bind JSON to the parameters of "query q(<params>)": "" or the message. Values stay in vals until the next call. */
static const char *bind(const char *params, const char *json)
{
	static char text[1024];
	struct catalog *c = qtest_catalog();
	struct query_file *f = NULL;
	struct json *j = NULL;
	struct err e = ERR_INIT;
	char src[1024];

	arena_free(&q.arena);
	arena_free(&arena);
	q = (struct query){ 0 };
	arena = (struct arena){ 0 };
	text[0] = '\0';
	snprintf(src, sizeof(src), "query q(%s) { delete Planet where code = \"x\" }", params);
	CHECK_MSG(!query_file_parse(str_from(src), &f, &e), "%s", err_msg(&e));
	CHECK_MSG(!query_typecheck(c, query_file_at(f, 0), &q, &e), "%s", err_msg(&e));
	if (json)
		CHECK_MSG(!json_parse(&arena, str_from(json), NULL, &j, &e), "%s", err_msg(&e));
	if (query_bind(&q, &arena, j, &vals, &e)) {
		CHECK(e.code == ERR_BAD_REQUEST);
		snprintf(text, sizeof(text), "%s", err_msg(&e));
	}
	err_clear(&e);
	query_file_free(f);
	catalog_put(c);
	return text;
}

static void integers(void)
{
	CHECK_STR(bind("$a: I32", "{\"a\":-5}"), "");
	CHECK(vals[0].kind == VAL_I64 && vals[0].i == -5);
	CHECK_STR(bind("$a: I64", "{\"a\":\"-9223372036854775808\"}"), "");
	CHECK(vals[0].i == INT64_MIN);
	CHECK_STR(bind("$a: U32", "{\"a\":\"7\"}"), "");
	CHECK(vals[0].kind == VAL_U64 && vals[0].u == 7);
	CHECK_STR(bind("$a: I32", "{\"a\":1.0}"), "param 'a': expected integer number");
	CHECK_STR(bind("$a: I32", "{\"a\":1e3}"), "param 'a': expected integer number");
	CHECK_STR(bind("$a: I32", "{\"a\":\"abc\"}"), "param 'a': expected integer string, got 'abc'");
	CHECK_STR(bind("$a: I32", "{\"a\":\"1.5\"}"), "param 'a': expected integer string, got '1.5'");
	CHECK_STR(bind("$a: I64", "{\"a\":true}"), "param 'a': expected integer");
	CHECK_STR(bind("$a: I32", "{\"a\":3000000000}"), "param 'a': value 3000000000 exceeds I32");
	CHECK_STR(bind("$a: I64", "{\"a\":9223372036854775808}"), "param 'a': value 9223372036854775808 exceeds I64");
	CHECK_STR(bind("$a: U32", "{\"a\":-1}"), "param 'a': expected unsigned integer number");
	CHECK_STR(bind("$a: U32", "{\"a\":1.5}"), "param 'a': expected unsigned integer number");
	CHECK_STR(bind("$a: U32", "{\"a\":\"-1\"}"), "param 'a': expected unsigned integer string, got '-1'");
	CHECK_STR(bind("$a: U64", "{\"a\":[]}"), "param 'a': expected unsigned integer");
	CHECK_STR(bind("$a: U32", "{\"a\":4294967296}"), "param 'a': value 4294967296 exceeds U32");
	CHECK_STR(bind("$a: U64", "{\"a\":9223372036854775807}"), "");
	CHECK_STR(
		bind("$a: U64", "{\"a\":9223372036854775808}"),
		"param 'a': value 9223372036854775808 exceeds current engine range for U64 (max 9223372036854775807)");
}

static void other_scalars(void)
{
	CHECK_STR(bind("$a: String", "{\"a\":1}"), "param 'a': expected string, got number");
	CHECK_STR(bind("$a: String", "{\"a\":{}}"), "param 'a': expected string, got object");
	CHECK_STR(bind("$a: F64", "{\"a\":\"1\"}"), "param 'a': expected float");
	CHECK_STR(bind("$a: F64", "{\"a\":3}"), "");
	CHECK(vals[0].kind == VAL_F64 && vals[0].f == 3);
	CHECK_STR(bind("$a: F32", "{\"a\":0.1}"), "");
	CHECK(vals[0].kind == VAL_F32 && vals[0].f == (double)0.1f);
	CHECK_STR(bind("$a: F32", "{\"a\":1e39}"), "param 'a': value 1e39 exceeds F32");
	CHECK_STR(bind("$a: Bool", "{\"a\":1}"), "param 'a': expected boolean");
	CHECK_STR(bind("$a: Date", "{\"a\":1}"), "param 'a': expected date string");
	CHECK_STR(bind("$a: DateTime", "{\"a\":1}"), "param 'a': expected datetime string");
	CHECK_STR(bind("$a: Blob", "{\"a\":[]}"), "param 'a': expected blob URI string, got array");
	CHECK_STR(bind("$a: Date", "{\"a\":\"1970-01-02\"}"), "");
	CHECK(vals[0].kind == VAL_DATE && vals[0].i == 1);
}

static void dates_when_used(void)
{
	struct err e = ERR_INIT;
	struct val v;

	CHECK_STR(bind("$a: Date, $b: [DateTime]", "{\"a\":\"soon\",\"b\":[\"2020-01-01\",\"later\"]}"), "");
	CHECK(param_value(&q, vals, 0, &v, &e) < 0);
	CHECK_STR(err_msg(&e), "invalid Date literal 'soon'");
	CHECK(param_value(&q, vals, 1, &v, &e) < 0);
	CHECK_STR(err_msg(&e), "invalid DateTime literal 'later'");
	err_clear(&e);
}

static void lists_and_vectors(void)
{
	CHECK_STR(bind("$a: [I32]", "{\"a\":[1,\"2\"]}"), "");
	CHECK(vals[0].kind == VAL_LIST && vals[0].n == 2 && vals[0].list[1].i == 2);
	CHECK_STR(bind("$a: [I32]", "{\"a\":[]}"), "");
	CHECK(vals[0].kind == VAL_LIST && vals[0].n == 0);
	CHECK_STR(bind("$a: [I32]", "{\"a\":1}"), "param 'a': expected array for [I32]");
	CHECK_STR(bind("$a: [String]?", "{\"a\":[\"x\",null]}"), "param 'a': expected string, got null");
	CHECK_STR(bind("$a: [I32]", "{\"a\":[1.5]}"), "param 'a': expected integer number");
	CHECK_STR(bind("$a: Vector(3)", "{\"a\":[1,2,3.5]}"), "");
	CHECK(vals[0].kind == VAL_VEC && vals[0].n == 3 && vals[0].vec[2] == 3.5f);
	CHECK_STR(bind("$a: Vector(3)", "{\"a\":\"x\"}"), "param 'a': expected array for Vector(3)");
	CHECK_STR(bind("$a: Vector(3)", "{\"a\":[1,2]}"), "param 'a': expected 3 values for Vector(3), got 2");
	CHECK_STR(bind("$a: Vector(3)", "{\"a\":[1,2,\"3\"]}"), "param 'a': vector element is not numeric");
	CHECK_STR(bind("$a: Vector(3)", "{\"a\":[1,2,null]}"), "param 'a': vector element is not numeric");
}

static void nulls(void)
{
	CHECK_STR(bind("$a: I32?, $b: String?", "{\"a\":null}"), "");
	CHECK(val_is_null(&vals[0]) && val_is_null(&vals[1]));
	CHECK_STR(bind("$a: I32?", NULL), "");
	CHECK_STR(bind("$a: I32?", "null"), "");
	CHECK_STR(bind("$a: I32", "{\"a\":null}"), "param 'a': null is not accepted for non-nullable parameter");
}

static void missing(void)
{
	CHECK_STR(bind("$a: I32?, $b: String", "{\"a\":1}"), "parameter 'b' not provided");
	CHECK_STR(bind("$b: String", NULL), "parameter 'b' not provided");
	CHECK_STR(bind("$b: String", "null"), "parameter 'b' not provided");
	CHECK_STR(bind("$b: String", "[]"), "params must be a JSON object");
	CHECK_STR(bind("$b: String", "\"x\""), "params must be a JSON object");
}

static void undeclared(void)
{
	CHECK_STR(bind("$a: I32", "{\"x\":1,\"a\":1,\"y\":[[1],null]}"), "");
	CHECK_STR(bind("$a: I32", "{\"x\":{}}"), "param 'x': object is not supported");
	CHECK_STR(bind("$a: I32", "{\"x\":[[1,{}]],\"a\":\"q\"}"), "param 'x': object is not supported");
	CHECK_STR(bind("$a: I32", "{\"a\":\"q\",\"x\":{}}"), "param 'a': expected integer string, got 'q'");
}

/* --- conversion for a property ------------------------------------------------------------------ */

static const char *convert(const char *type, const char *prop, struct val v, struct val *out)
{
	static char text[1024];
	struct catalog *c = qtest_catalog();
	const struct type *t = catalog_node(c, str_from(type));
	struct err e = ERR_INIT;

	text[0] = '\0';
	if (value_for_prop(&v, type_prop(t, str_from(prop)), &arena, out, &e))
		snprintf(text, sizeof(text), "%s", err_msg(&e));
	err_clear(&e);
	catalog_put(c);
	return text;
}

static struct val num(int64_t i)
{
	return (struct val){ .kind = VAL_I64, .i = i };
}

static struct val real(double f)
{
	return (struct val){ .kind = VAL_F64, .f = f };
}

static struct val list(const struct val *items, uint32_t n)
{
	return (struct val){ .kind = VAL_LIST, .n = n, .list = items };
}

static void conversions(void)
{
	struct val out, two[] = { num(1), real(2.5) }, big[] = { num(3000000000) },
			text[] = { val_str(STR("a")), num(1) };

	CHECK_STR(convert("Planet", "moons", num(3000000000), &out), "integer value 3000000000 exceeds Int32 range");
	CHECK_STR(convert("Doc", "u", num(-1), &out), "integer value -1 exceeds UInt32 range");
	CHECK_STR(convert("Doc", "uu", num(-1), &out), "integer value -1 exceeds UInt64 range");
	CHECK_STR(convert("Doc", "u", num(7), &out), "");
	CHECK(out.kind == VAL_U64 && out.u == 7);
	CHECK_STR(convert("Doc", "big", (struct val){ .kind = VAL_U64, .u = 9 }, &out), "");
	CHECK(out.kind == VAL_I64 && out.i == 9);
	CHECK_STR(convert("Doc", "ints", list(big, 1), &out), "list value 3000000000 exceeds Int32 range");
	CHECK_HAS(convert("Doc", "ints", list(two, 2), &out), "cannot convert float value 2.5");
	CHECK_HAS(convert("Planet", "moons", real(2.7), &out), "cannot convert float value 2.7");
	CHECK_HAS(convert("Planet", "mass", num(3), &out), "cannot convert integer value 3");
	CHECK_STR(convert("Planet", "mass", real(3), &out), "");
	CHECK_STR(convert("Doc", "f", real(1e39), &out), "float value 1e39 exceeds Float32 range");
	CHECK_STR(convert("Doc", "f", real(INFINITY), &out), "float value Infinity must be finite");
	CHECK_STR(convert("Doc", "f", real(0.1), &out), "");
	CHECK(out.kind == VAL_F32 && out.f == (double)0.1f);
	CHECK_STR(convert("Planet", "vec", list(two, 2), &out), "");
	CHECK(out.kind == VAL_VEC && out.vec[0] == 1.0f && out.vec[1] == 2.5f);
	CHECK_STR(convert("Planet", "vec", list(two, 1), &out), "vector property expects 2 dimensions, got 1");
	CHECK_STR(convert("Planet", "vec", list(text, 2), &out), "vector elements must be numeric");
	CHECK_STR(convert("Planet", "vec", VAL_NULL_INIT, &out), "");
	CHECK(val_is_null(&out));
	arena_free(&arena);
}

static void blobs(void)
{
	struct val out;

	CHECK_STR(convert("Doc", "pic", val_str(STR("base64:aGk=")), &out), "");
	CHECK(out.kind == VAL_BLOB && out.flags == VAL_BLOB_INLINE && str_eqz(val_text(&out), "hi"));
	CHECK_STR(convert("Doc", "pic", val_str(STR("base64:")), &out), "");
	CHECK(out.kind == VAL_BLOB && out.n == 0);
	CHECK_STR(convert("Doc", "pic", val_str(STR("base64:a")), &out), "invalid base64 blob data");
	CHECK_STR(convert("Doc", "pic", val_str(STR("s3://b/x")), &out), "");
	CHECK(out.kind == VAL_BLOB && out.flags == VAL_BLOB_URI);
	CHECK_HAS(convert("Doc", "pic", val_str(STR("")), &out), "must be a URI string or base64:");
	arena_free(&arena);
}

CHECK_MAIN("engine/query/params", { "QRY-58 integer parameters", integers },
	   { "QRY-58 other scalar parameters", other_scalars },
	   { "date text is validated when it is used", dates_when_used },
	   { "QRY-61 lists and vectors", lists_and_vectors }, { "QRY-59 NULL for nullable parameters only", nulls },
	   { "QRY-60 a missing parameter is refused at binding", missing },
	   { "undeclared members are ignored unless they hold an object", undeclared },
	   { "10.5 values converted for a property", conversions }, { "QRY-54 blob texts", blobs })
