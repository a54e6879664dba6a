/* SPDX-License-Identifier: MIT */
#include <math.h>

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/value.h>
#include <test/check.h>

static struct val I(int64_t v) {
	return (struct val){ .kind = VAL_I64, .i = v };
}

static struct val
U(uint64_t v) {
	return (struct val){ .kind = VAL_U64, .u = v };
}

static struct val
F(double v) {
	return (struct val){ .kind = VAL_F64, .f = v };
}

static struct val
S(const char *s) {
	return val_str(str_from(s));
}

static int
cmp(struct val a, struct val b)
{
	bool ok;
	int c = val_compare(&a, &b, &ok), back = val_compare(&b, &a, &ok);

	CHECK(ok);
	CHECK_INT(back, -c);
	return c;
}

static void numbers_compare_exactly(void)
{
	CHECK_INT(cmp(I(-1), U(UINT64_MAX)), -1);
	CHECK_INT(cmp(I(5), U(5)), 0);
	CHECK_INT(cmp(I(2), F(2.7)), -1);
	CHECK_INT(cmp(I(-2), F(-2.7)), 1);
	CHECK_INT(cmp(I(3), F(3.0)), 0);
	/* 2^53 + 1 is not a double: no rounding may make it equal to 2^53 */
	CHECK_INT(cmp(I((INT64_C(1) << 53) + 1), F(0x1p53)), 1);
	CHECK_INT(cmp(U(UINT64_MAX), F(0x1p64)), -1);
	CHECK_INT(cmp(U(0), F(-0.5)), 1);
	CHECK_INT(cmp(I(INT64_MAX), F(0x1p63)), -1);
	CHECK_INT(cmp(I(INT64_MIN), F(-0x1p63)), 0);
	CHECK_INT(cmp(F(INFINITY), I(INT64_MAX)), 1);
	CHECK_INT(cmp(S("a"), S("ab")), -1);
}

static void kinds_that_do_not_compare(void)
{
	struct val date = { .kind = VAL_DATE, .i = 1 }, dt = { .kind = VAL_DATETIME, .i = 1 },
		   t = { .kind = VAL_BOOL, .b = true };
	struct val one = I(1), s = S("1");
	bool ok;

	val_compare(&date, &dt, &ok);
	CHECK(!ok);
	val_compare(&t, &one, &ok);
	CHECK(!ok);
	val_compare(&s, &one, &ok);
	CHECK(!ok);
}

static void order(void)
{
	struct val null = VAL_NULL_INIT, nan = F(NAN), inf = F(INFINITY), items[2] = { I(1), I(2) };
	struct val shorter = { .kind = VAL_LIST, .n = 1, .list = items },
		   longer = { .kind = VAL_LIST, .n = 2, .list = items };
	struct val empty = S("");

	CHECK(val_order(&null, &empty) < 0);
	CHECK(val_order(&null, &null) == 0);
	CHECK(val_order(&nan, &inf) > 0);
	CHECK(val_order(&nan, &nan) == 0);
	CHECK(val_order(&shorter, &longer) < 0);
}

static void identity(void)
{
	struct val a = F(0.0), b = F(-0.0), n = F(NAN), null = VAL_NULL_INIT, e = S(""), l = { .kind = VAL_LIST };
	struct val blob = { .kind = VAL_BLOB, .s = "" }, i = I(1), u = U(1);

	CHECK(!val_identical(&a, &b));
	CHECK(val_identical(&n, &n));
	CHECK(!val_identical(&null, &e));
	CHECK(!val_identical(&e, &l));
	CHECK(!val_identical(&e, &blob));
	CHECK(!val_identical(&i, &u));
}

static void key_case(struct val v, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	CHECK(val_key_text(&v, &b, NULL) == 0);
	CHECK_STR(b.s, want);
	sb_free(&b);
}

static void keys(void)
{
	struct val nan = { .kind = VAL_F32, .f = NAN }, list = { .kind = VAL_LIST };
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;

	key_case(I(-3), "-3");
	key_case(U(UINT64_MAX), "18446744073709551615");
	key_case((struct val){ .kind = VAL_DATE, .i = 19723 }, "19723");
	key_case((struct val){ .kind = VAL_DATETIME, .i = 1704067200000 }, "1704067200000");
	key_case((struct val){ .kind = VAL_BOOL, .b = true }, "true");
	key_case(F(-0.0), "0");
	key_case(F(0.5), "0.5");
	key_case((struct val){ .kind = VAL_F32, .f = 16777216 }, "16777216");
	key_case(S("a,b"), "a,b");
	CHECK(val_key_text(&nan, &b, &e) < 0);
	CHECK_HAS(err_msg(&e), "scalar key: non-finite Float32 value NaN cannot identify an entity");
	CHECK(val_key_text(&list, &b, &e) < 0);
	CHECK_HAS(err_msg(&e), "scalar key: unsupported column type ");
	CHECK_HAS(err_msg(&e), " for @unique/@key enforcement");
	err_clear(&e);
	sb_free(&b);
}

static void json_case(struct val v, const char *result, const char *exported)
{
	struct strbuf b = STRBUF_INIT;

	val_result_json(&v, &b);
	CHECK_STR(b.s, result);
	sb_reset(&b);
	val_export_json(&v, &b);
	CHECK_STR(b.s, exported);
	sb_free(&b);
}

static void json(void)
{
	static const float f[2] = { 0.1f, INFINITY };
	struct val items[3] = { VAL_NULL_INIT, { .kind = VAL_DATE, .i = 19723 }, { .kind = VAL_DATE, .i = 0 } };

	json_case(I(INT64_MIN), "-9223372036854775808", "-9223372036854775808");
	json_case(U(UINT64_MAX), "18446744073709551615", "18446744073709551615");
	json_case(F(30), "30.0", "30.0");
	json_case(F(1e16), "1e16", "1e16");
	json_case((struct val){ .kind = VAL_F32, .f = 0.1f }, "0.10000000149011612", "0.10000000149011612");
	json_case(F(NAN), "\"NaN\"", "\"NaN\"");
	json_case(F(-INFINITY), "\"-Infinity\"", "\"-Infinity\"");
	json_case((struct val){ .kind = VAL_DATE, .i = 19723 }, "\"2024-01-01\"", "19723");
	json_case((struct val){ .kind = VAL_DATETIME, .i = 1704067200000 }, "\"2024-01-01T00:00:00.000Z\"",
		  "1704067200000");
	json_case((struct val){ .kind = VAL_VEC, .n = 2, .vec = f }, "[0.10000000149011612,null]",
		  "[0.10000000149011612,null]");
	json_case((struct val){ .kind = VAL_LIST, .n = 3, .list = items }, "[null,\"2024-01-01\",\"1970-01-01\"]",
		  "[null,19723,0]");
	json_case((struct val){ .kind = VAL_BLOB, .n = 3, .s = "\xff\xd8\xff" }, "\"base64:/9j/\"", "\"base64:/9j/\"");
	json_case((struct val){ .kind = VAL_BLOB, .s = "" }, "\"base64:\"", "\"base64:\"");
	json_case((struct val){ .kind = VAL_BLOB, .flags = VAL_BLOB_URI, .n = 7, .s = "s3://b/" }, "\"s3://b/\"",
		  "\"s3://b/\"");
	json_case(S("a\"\n"), "\"a\\\"\\n\"", "\"a\\\"\\n\"");
	json_case(VAL_NULL_INIT, "null", "null");
}

static void copy(void)
{
	static const float f[2] = { 1, 2 };
	struct val items[2] = { S("x"), { .kind = VAL_NULL } };
	struct val vs[] = {
		S("abc"), { .kind = VAL_LIST, .n = 2, .list = items }, { .kind = VAL_VEC, .n = 2, .vec = f }, I(7)
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(vs); i++) {
		struct val c = val_copy(&a, &vs[i]);

		CHECK(val_identical(&c, &vs[i]));
		CHECK(vs[i].kind == VAL_I64 || c.s != vs[i].s);
		CHECK(val_bytes(&c) >= sizeof(c));
	}
	arena_free(&a);
}

CHECK_MAIN("engine/value", { "numbers of all kinds compare by mathematical value", numbers_compare_exactly },
	   { "kinds that do not compare say so", kinds_that_do_not_compare },
	   { "null sorts first, NaN last, lists element-wise", order },
	   { "null, empty string, empty list and empty blob are four values", identity },
	   { "ENG-14 key spellings", keys }, { "result and export encodings", json }, { "copies are deep", copy }, )
