/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>

#include <omnigraph/json.h>
#include <test/check.h>

static struct arena arena;

static struct json *parse(struct str text, struct err *e)
{
	struct json *v;
	int rc = json_parse(&arena, text, NULL, &v, e);

	CHECK((rc == 0) == (v != NULL));
	return v;
}

static struct json *good(const char *text)
{
	struct err e = ERR_INIT;
	struct json *v = parse(str_from(text), &e);

	CHECK_MSG(v, "%s: %s", text, err_msg(&e));
	return v;
}

static void refused(struct str text, const char *why)
{
	struct err e = ERR_INIT;
	struct json *v = parse(text, &e);

	CHECK_MSG(!v, "accepted: %.*s", STR_ARG(text));
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	CHECK(!strchr(err_msg(&e), '\n'));
	if (why)
		CHECK_STR(err_msg(&e), why);
	err_clear(&e);
}

static void done(void)
{
	arena_free(&arena);
}

static void compact_is(const char *text, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	json_compact(&b, good(text));
	CHECK_STR(b.s, want);
	sb_free(&b);
}

static void trees(void)
{
	const struct json *v = good(" {\"a\":[1,-2.50,true,null,\"x\\n\\u00e9\\ud83d\\ude00\"],"
				    "\"b\":{},\"c\":[],\"a2\":{\"k\":[[]]}} \n");
	const struct json *a = json_get(v, "a");
	int64_t i;
	double d;

	CHECK_INT(v->n, 4);
	CHECK_INT(a->n, 5);
	CHECK(json_to_i64(&a->items[0], &i) && i == 1);
	CHECK(!json_to_i64(&a->items[1], &i));
	CHECK(json_to_f64(&a->items[1], &d) && d == -2.5);
	CHECK(str_eqz(a->items[1].text, "-2.50"));
	CHECK(a->items[2].boolean);
	CHECK(str_eqz(a->items[4].text, "x\n\xc3\xa9\xf0\x9f\x98\x80"));
	CHECK(!json_get(v, "zz") && !json_get(a, "a") && !json_get(NULL, "a"));
	CHECK(!json_get_nonnull(good("{\"n\":null}"), "n") && json_get(good("{\"n\":null}"), "n"));
	CHECK_STR(json_kind(v), "object");
	CHECK_STR(json_kind(a), "array");
	CHECK_STR(json_kind(good("3")), "number");
	CHECK_STR(json_kind(good("\"3\"")), "string");
	compact_is(" {\"a\" : [ 1 , -2.50, 1E5 ,true,false,null, \"\\/\\u001f\\u0000\\t\" ] , "
		   "\"b\":{} } ",
		   "{\"a\":[1,-2.50,1E5,true,false,null,\"/\\u001f\\u0000\\t\"],\"b\":{}}");
	compact_is("\"top\"", "\"top\"");
	compact_is("0", "0");
	compact_is("-0.0e-0", "-0.0e-0");
	done();
}

static void nul_in_strings(void)
{
	const struct json *v = good("[\"a\\u0000b\"]");

	CHECK_INT(v->items[0].text.n, 3);
	CHECK(!memcmp(v->items[0].text.s, "a\0b", 4));
	done();
}

static void syntax_errors(void)
{
	static const char *const bad[] = {
		"{",
		"[",
		"]",
		"}",
		"[1,]",
		"{\"a\":1,}",
		"{\"a\"}",
		"{a:1}",
		"{\"a\":}",
		"[1 2]",
		"01",
		"1.",
		".5",
		"+1",
		"-",
		"1e",
		"1e+",
		"nul",
		"tru",
		"True",
		"NaN",
		"Infinity",
		"'a'",
		"\"abc",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\t\"",
		"[1]]",
		"1 2",
		"{}{}",
		"// c\n1",
		"/* c */1",
		"[1,,2]",
		"\"a\\",
		"\xef\xbb\xbf[1]",
		"0x10",
		"{\"a\":1 \"b\":2}",
		"{1:2}",
		"\f1",
		"[\v1]",
		"1\v",
		"[\"\\uD8\"]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(str_from(bad[i]), NULL);
	refused(STR(""), "unexpected end of input at line 1 column 1");
	refused(STR("  \n "), "unexpected end of input at line 2 column 2");
	refused(STR("[1,"), "unexpected end of input at line 1 column 4");
	refused(STR("{\"a\": \"x"), "unexpected end of input at line 1 column 9");
	refused(STR("[1] x"), "trailing characters after the JSON value at line 1 column 5");
	refused(STR("[1]\0"), NULL);
	refused(STR("\0"), NULL);
	refused(STR("[\"a\0\"]"), NULL);
	done();
}

static void error_positions(void)
{
	struct err e = ERR_INIT;

	parse(STR("{\n  \"a\": 1,\n  \"\xc3\xa9\": ?\n}"), &e);
	CHECK_INT(e.line, 3);
	CHECK(e.column >= 8 && e.column <= 9);
	CHECK_HAS(err_msg(&e), "at line 3 column");
	err_clear(&e);
	done();
}

static void encoding_errors(void)
{
	refused(STR("[\"ab\xff\"]"), "invalid UTF-8 at line 1 column 5");
	refused(STR("\"\xc0\x80\""), "invalid UTF-8 at line 1 column 2");
	refused(STR("\"\xed\xa0\x80\""), NULL);
	refused(STR("\"\xf4\x90\x80\x80\""), NULL);
	refused(STR("{\"\xe2\x82\":1}"), NULL);
	refused(STR("\"\\ud800\""), "unpaired surrogate escape at line 1 column 2");
	refused(STR("\"\\udc00\""), NULL);
	refused(STR("\"\\ud800\\ud800\""), NULL);
	refused(STR("\"\\ud800x\\udc00\""), NULL);
	refused(STR("\"\\uDBFF\\u0041\""), NULL);
	refused(STR("{\"\\ud800\":1}"), NULL);
	CHECK(str_eqz(good("\"\\\\ud800\"")->text, "\\ud800"));
	CHECK(str_eqz(good("\"\\uDBFF\\uDFFF\"")->text, "\xf4\x8f\xbf\xbf"));
	done();
}

static struct strbuf nested(size_t depth, const char *open, const char *close)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < depth; i++)
		sb_addz(&b, open);
	sb_addz(&b, "1");
	for (size_t i = 0; i < depth; i++)
		sb_addz(&b, close);
	return b;
}

static void depth_limit(void)
{
	struct strbuf b = nested(128, "[", "]"), c = STRBUF_INIT;
	struct json_opts opts = { .max_depth = 3 };
	struct json *v;

	json_compact(&c, good(b.s));
	CHECK_STR(c.s, b.s);
	sb_free(&c);
	sb_free(&b);
	b = nested(129, "[", "]");
	refused(sb_str(&b), "nesting deeper than 128");
	sb_free(&b);
	b = nested(1000000, "{\"a\":", "}");
	refused(sb_str(&b), "nesting deeper than 128");
	sb_free(&b);
	CHECK(json_parse(&arena, STR("[[[1]]]"), &opts, &v, NULL) == 0);
	CHECK(json_parse(&arena, STR("[[[[1]]]]"), &opts, &v, NULL) == -EINVAL);
	done();
}

static void duplicates(void)
{
	struct json_opts strict = { .reject_duplicates = true };
	struct err e = ERR_INIT;
	struct strbuf b = STRBUF_INIT;
	struct json *v;
	int64_t i;

	CHECK(json_to_i64(json_get(good("{\"a\":1,\"b\":2,\"a\":3}"), "a"), &i) && i == 3);
	CHECK(json_parse(&arena, STR("{\"x\":[{\"y\":{\"m\":1,\"\\u006d\":2}}]}"), &strict, &v, &e) < 0);
	CHECK_STR(err_msg(&e), "duplicate JSON member 'm'");
	CHECK(!v);
	err_clear(&e);
	CHECK(json_parse(&arena, STR("{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]},\"\":0}"), &strict, &v, &e) == 0);
	sb_addz(&b, "{");
	for (int k = 0; k < 50000; k++)
		sb_addf(&b, "\"k%d\":0,", k);
	sb_addz(&b, "\"k77\":1}");
	CHECK(json_parse(&arena, sb_str(&b), &strict, &v, &e) < 0);
	CHECK_STR(err_msg(&e), "duplicate JSON member 'k77'");
	err_clear(&e);
	sb_free(&b);
	done();
}

static void numbers(void)
{
	int64_t i;
	uint64_t u;
	double d;

	CHECK(json_to_u64(good("18446744073709551615"), &u) && u == UINT64_MAX);
	CHECK(!json_to_u64(good("18446744073709551616"), &u) && !json_to_u64(good("-1"), &u));
	CHECK(json_to_i64(good("-9223372036854775808"), &i) && i == INT64_MIN);
	CHECK(!json_to_i64(good("30.0"), &i) && !json_to_i64(good("1e3"), &i) && !json_to_i64(good("\"1\""), &i));
	CHECK(json_to_f64(good("1e3"), &d) && d == 1000);
	CHECK(!json_to_f64(good("1e309"), &d) && !json_to_f64(good("-1e999999999999"), &d));
	CHECK(json_to_f64(good("1e-999999999999"), &d) && d == 0);
	CHECK(json_to_f64(good("-0"), &d) && d == 0 && signbit(d));
	done();
}

static void huge_number(void)
{
	struct strbuf b = STRBUF_INIT;
	double d;

	sb_addz(&b, "[0.");
	for (int i = 0; i < 1000000; i++)
		sb_addch(&b, '3');
	sb_addz(&b, "]");
	CHECK(json_to_f64(&good(b.s)->items[0], &d) && d == 1.0 / 3);
	sb_reset(&b);
	for (int i = 0; i < 1000000; i++)
		sb_addch(&b, '9');
	CHECK(!json_to_f64(good(b.s), &d));
	sb_free(&b);
	done();
}

static void streams(void)
{
	struct str src = STR(" {\"a\":1}\n[2] 3\n\"x\"null  \n");
	struct err e = ERR_INIT;
	struct json *v;
	size_t pos = 0;

	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && v->type == JSON_OBJECT && pos == 8);
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && v->type == JSON_ARRAY);
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && str_eqz(v->text, "3"));
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && v->type == JSON_STRING);
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && v->type == JSON_NULL);
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && !v && pos == src.n);
	pos = 0;
	src = STR("17");
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && str_eqz(v->text, "17") && pos == 2);
	pos = 0;
	src = STR("1\n{\"a\":?}");
	CHECK(!json_parse_next(&arena, src, &pos, NULL, &v, &e) && pos == 1);
	CHECK(json_parse_next(&arena, src, &pos, NULL, &v, &e) == -EINVAL && !v);
	CHECK_INT(e.line, 2);
	err_clear(&e);
	done();
}

static void long_stream(void)
{
	struct strbuf b = STRBUF_INIT;
	struct json *v;
	size_t pos = 0, n = 0;

	for (int i = 0; i < 200000; i++)
		sb_addz(&b, "{\"k\":[1,2]}\n");
	/* the time must not be quadratic in the length of the stream */
	while (!json_parse_next(&arena, sb_str(&b), &pos, NULL, &v, NULL) && v) {
		n++;
		arena_reset(&arena);
	}
	CHECK_INT(n, 200000);
	sb_free(&b);
	done();
}

static void wide_containers(void)
{
	struct strbuf b = STRBUF_INIT, c = STRBUF_INIT;

	sb_addz(&b, "[");
	for (int i = 0; i < 100000; i++)
		sb_addf(&b, "%s{\"id\":%d,\"s\":\"v\\n%d\"}", i ? "," : "", i, i);
	sb_addz(&b, "]");
	json_compact(&c, good(b.s));
	CHECK_STR(c.s, b.s);
	sb_free(&b);
	sb_free(&c);
	done();
}

static void quoting(void)
{
	struct strbuf b = STRBUF_INIT;

	json_quote(&b, STR("B\"1\\ \b\t\n\f\r\x01\x1f\x7f/\xc3\xa9\0z"));
	CHECK_STR(b.s, "\"B\\\"1\\\\ \\b\\t\\n\\f\\r\\u0001\\u001f\x7f/\xc3\xa9\\u0000z\"");
	sb_reset(&b);
	json_quote(&b, (struct str){ NULL, 0 });
	CHECK_STR(b.s, "\"\"");
	sb_free(&b);
}

static void write_sample(struct json_writer *w)
{
	jw_begin_object(w);
	jw_kstr(w, "s", STR("v"));
	jw_kstrz(w, "z", NULL);
	jw_ku64(w, "u", UINT64_MAX);
	jw_ki64(w, "i", INT64_MIN);
	jw_kbool(w, "b", true);
	jw_knull(w, "n");
	jw_keyz(w, "f");
	jw_begin_array(w);
	jw_f64(w, 1);
	jw_f64(w, NAN);
	jw_f64(w, -INFINITY);
	jw_begin_array(w);
	jw_end_array(w);
	jw_begin_object(w);
	jw_end_object(w);
	jw_end_array(w);
	jw_keyz(w, "raw");
	jw_raw(w, STR("[1,2]"));
	jw_end_object(w);
}

static void writing(void)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b, false);
	write_sample(&w);
	CHECK_STR(b.s, "{\"s\":\"v\",\"z\":null,\"u\":18446744073709551615,\"i\":-"
		       "9223372036854775808,\"b\":true,\"n\":null,"
		       "\"f\":[1.0,\"NaN\",\"-Infinity\",[],{}],\"raw\":[1,2]}");
	sb_reset(&b);
	jw_init(&w, &b, true);
	write_sample(&w);
	CHECK_STR(b.s, "{\n  \"s\": \"v\",\n  \"z\": null,\n  \"u\": 18446744073709551615,\n"
		       "  \"i\": -9223372036854775808,\n  \"b\": true,\n  \"n\": null,\n  \"f\": [\n    "
		       "1.0,\n"
		       "    \"NaN\",\n    \"-Infinity\",\n    [],\n    {}\n  ],\n  \"raw\": [1,2]\n}");
	sb_reset(&b);
	jw_init(&w, &b, true);
	jw_value(&w, good("{}"));
	CHECK_STR(b.s, "{}");
	sb_free(&b);
	done();
}

static void small_body_cost(void)
{
	struct str body = STR("{\"params\":{\"name\":\"ada\",\"limit\":10,\"tags\":[\"a\",\"b\"]},"
			      "\"branch\":\"main\"}");
	struct json *v;

	CHECK(!json_parse(&arena, body, NULL, &v, NULL));
	CHECK_MSG(arena.total < 4096, "%zu bytes", arena.total);
	done();
}

CHECK_MAIN("lib/json", { "JSON text becomes a tree and prints back", trees },
	   { "strings may hold NUL", nul_in_strings }, { "malformed JSON is refused with a reason", syntax_errors },
	   { "errors name line and column in characters", error_positions },
	   { "invalid UTF-8 and lone surrogates are refused", encoding_errors },
	   { "nesting deeper than 128 is refused", depth_limit },
	   { "duplicate members are refused at any depth when asked", duplicates },
	   { "numbers convert exactly or not at all", numbers },
	   { "a number of a million digits is handled", huge_number },
	   { "values of a stream are read one by one", streams },
	   { "a stream of 200000 values takes linear time", long_stream },
	   { "arrays and objects of any width are kept", wide_containers },
	   { "quoting escapes what JSON requires and nothing else", quoting },
	   { "the writer places commas and white space", writing },
	   { "a small body needs little memory", small_body_cost }, )
