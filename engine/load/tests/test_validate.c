/* SPDX-License-Identifier: MIT */
/* The rules of spec/engine.md 9 on loads and mutations, with their exact messages. */
#include "load_test.h"

static struct fix f;

#define N(text) "{\"type\":\"N\",\"data\":{" text "}}\n"

/* --- values ----------------------------------------------------------------------------------------- */

static void ranges(void)
{
	fix_open(&f, "node N { id2: String?  age: I32?  temp: F64?  top: F32?  u: U64?  l: [I32]?\n"
		     "@range(age, 0..120) @range(temp, -1.5..37.5) @range(top, ..9) @range(u, 5..) @range(l, 0..1) }");
	lt_load(&f, &strict_append,
		N("\"age\":0") N("\"age\":120") N("\"temp\":-1.5") N("\"temp\":37.5") N("\"top\":-1e30") N("\"top\":9")
			N("\"u\":5") N("\"u\":18446744073709551615") N("\"age\":null") N("\"l\":[5]"));
	REFUSES(&f, strict_append, N("\"age\":250"), "@range violation on N.age: value 250 > max 120");
	REFUSES(&f, strict_merge, N("\"age\":-1"), "@range violation on N.age: value -1 < min 0");
	REFUSES(&f, strict_overwrite, N("\"temp\":37.6"), "@range violation on N.temp: value 37.6 > max 37.5");
	REFUSES(&f, strict_append, N("\"temp\":-2"), "@range violation on N.temp: value -2 < min -1.5");
	REFUSES(&f, loose_append, N("\"top\":9.5"), "@range violation on N.top: value 9.5 > max 9");
	REFUSES(&f, strict_append, N("\"u\":4"), "@range violation on N.u: value 4 < min 5");
	REFUSES(&f, strict_append, N("\"age\":121") N("\"age\":122"), "@range violation on N.age: value 121 > max 120");
	MUTATION_FAILS(&f, "insert N { age: 121 }", "@range violation on N.age: value 121 > max 120");
	MUTATION_FAILS(&f, "update N set { age: -5 } where age = 120", "@range violation on N.age: value -5 < min 0");
	fix_close(&f);
}

static void patterns(void)
{
	fix_open(&f, "node N { slug: String?  any: String?  tags: [String]?  e: enum(ab, cd)?\n"
		     "@check(slug, \"^[a-z0-9-]+$\") @check(any, \"b\") @check(tags, \"x\") @check(e, \"a\") }");
	lt_load(&f, &strict_append,
		N("\"slug\":\"a-1\"") N("\"any\":\"abc\"") N("\"tags\":[\"q\"]") N("\"slug\":null"));
	REFUSES(&f, strict_append, N("\"slug\":\"A\""),
		"@check violation on N.slug: value 'A' does not match pattern '^[a-z0-9-]+$'");
	REFUSES(&f, strict_append, N("\"slug\":\"a\\n\""),
		"@check violation on N.slug: value 'a\n' does not match pattern '^[a-z0-9-]+$'");
	REFUSES(&f, strict_append, N("\"slug\":\"\""),
		"@check violation on N.slug: value '' does not match pattern '^[a-z0-9-]+$'");
	REFUSES(&f, strict_append, N("\"any\":\"ac\""),
		"@check violation on N.any: value 'ac' does not match pattern 'b'");
	REFUSES(&f, strict_append, N("\"e\":\"cd\""), "@check violation on N.e: value 'cd' does not match pattern 'a'");
	MUTATION_FAILS(&f, "insert N { any: \"x\" }",
		       "@check violation on N.any: value 'x' does not match pattern 'b'");
	fix_close(&f);
}

static void one_pattern(const char *re, const char *yes, const char *no)
{
	char schema[256];

	snprintf(schema, sizeof(schema), "node N { s: String @check(s, \"%s\") }", re);
	fix_open(&f, schema);
	lt_load(&f, &strict_append, arena_printf(&f.a, N("\"s\":\"%s\""), yes));
	REFUSES_HAS(&f, strict_append, arena_printf(&f.a, N("\"s\":\"%s\""), no), "@check violation on N.s");
	fix_close(&f);
}

static void pattern_dialect(void)
{
	one_pattern("^\\\\d+$", "12\xd9\xa3", "12a"); /* Unicode digits */
	one_pattern("^\\\\w+$", "\xc3\xa9t\xc3\xa9_1", "a b");
	one_pattern("\\\\bcat\\\\b", "a cat.", "concat");
	one_pattern("^\\\\p{Lu}", "\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9");
	one_pattern("^(?i)abc$", "ABC", "abd");
	one_pattern("(?m)^b$", "a\\nb\\nc", "a\\nbb");
	one_pattern("^(?m:b$)|^c$", "b\\na", "c\\n");
	one_pattern("^((?m)b$)c|^c$", "c", "b\\nc");
	one_pattern("(?m)(?-m)b$", "b", "b\\n");
	one_pattern("^[$[:digit:]$]+\\\\$$", "$1$", "1");
	one_pattern("(?x) ^ab$ # not ( [ $\\n", "ab", "ab\\n");
	one_pattern("(?s)^a.b$", "a\\nb", "ab");
	one_pattern("^a.b$",
		    "a\xe2\x82\xac"
		    "b",
		    "a\\nb");
	one_pattern("(?x) a b c", "abc", "a b c");
	one_pattern("^(ab|cd){2,3}?$", "abcd", "ab");
	one_pattern("^[^\\\\s,]+@[a-z]+$", "a@b", "a b@c");
	one_pattern("^\\\\w{1,500}$", "abc", "");
	one_pattern("^(a*)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
}

static void long_pattern(void)
{
	struct strbuf b = STRBUF_INIT;

	fix_open(&f,
		 "node N { s: String @check(s, \"(x{0,900}y?){1,3}$\") @check(s, \"^(.{0,1000}|\\\\w{0,1000})$\") }");
	sb_addz(&b, "{\"type\":\"N\",\"data\":{\"s\":\"");
	for (int i = 0; i < 1000; i++)
		sb_addch(&b, 'x');
	sb_addz(&b, "\"}}");
	lt_load(&f, &strict_append, b.s);
	sb_free(&b);
	fix_close(&f);
}

static void invalid_patterns(void)
{
	static const char *const bad[] = { "(", "[a", "(a)\\\\1", "(?=a)", "(?!a)", "(?<=a)b", "a++" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a = ARENA_INIT;

		fix_open(&f, arena_printf(&a, "node N { s: String? @check(s, \"%s\") } node M {}", bad[i]));
		REFUSES_HAS(&f, strict_append, N("\"s\":\"a\""), "@check on N.s has invalid regex '");
		lt_load(&f, &strict_append, "{\"type\":\"M\"}"); /* other types are not concerned */
		fix_close(&f);
		arena_free(&a);
	}
}

static void enums(void)
{
	fix_open(&f, "node N { k: String @key  s: enum(lost, active)? }\nedge E: N -> N { s: enum(b, a)? }");
	lt_load(&f, &strict_append, N("\"k\":\"a\",\"s\":\"active\"") N("\"k\":\"b\",\"s\":null"));
	REFUSES(&f, strict_append, N("\"k\":\"c\",\"s\":\"Active\""),
		"invalid enum value 'Active' for N.s (expected: active, lost)");
	REFUSES(&f, loose_merge, N("\"k\":\"c\",\"s\":\"\""), "invalid enum value '' for N.s (expected: active, lost)");
	REFUSES(&f, strict_append, "{\"edge\":\"E\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"s\":\"c\"}}",
		"invalid enum value 'c' for E.s (expected: a, b)");
	fix_close(&f);
}

/* A parameter carries the value past the check of literals. */
static void enums_in_mutations(void)
{
	fix_open(&f, "node N { k: String @key  s: enum(lost, active)? }\nedge E: N -> N { s: enum(b, a)? }");
	lt_load(&f, &strict_append, N("\"k\":\"a\""));
	CHECK_HAS(lt_mutate(&f, "query m() { insert N { k: \"b\", s: \"active\" } }"), "");
	ROWS(&f, "match { $n: N } return { $n.k, $n.s } order { $n.k }", "\"a\",null; \"b\",\"active\"");
	fix_close(&f);
}

/* --- unique ----------------------------------------------------------------------------------------- */

#define U "node N { mail: String? @unique  day: Date? @unique  a: String?  b: String?  @unique(b, a) }"
#define MAIL(id, mail) N("\"id\":\"" id "\",\"mail\":\"" mail "\"")
#define PAIR(id, a, b) N("\"id\":\"" id "\",\"a\":\"" a "\",\"b\":\"" b "\"")

static void uniques(void)
{
	fix_open(&f, U);
	lt_load(&f, &strict_append, MAIL("n1", "x") N("\"id\":\"n2\"") N("\"id\":\"n3\""));
	REFUSES(&f, strict_append, MAIL("n4", "x"), "@unique violation on N.mail: value 'x' held by 'n1' and 'n4'");
	REFUSES(&f, strict_merge, MAIL("n2", "x"), "@unique violation on N.mail: value 'x' held by 'n1' and 'n2'");
	REFUSES(&f, strict_append, MAIL("n4", "y") MAIL("n5", "y"),
		"@unique violation on N.mail: value 'y' held by 'n4' and 'n5'");
	lt_load(&f, &strict_merge, MAIL("n1", "x"));		     /* its own value */
	lt_load(&f, &strict_merge, MAIL("n2", "x") MAIL("n1", "y")); /* freed in the same write */
	lt_load(&f, &strict_merge, MAIL("n2", "y") MAIL("n1", "x")); /* swapped */
	lt_load(&f, &strict_overwrite, MAIL("z", "x"));
	fix_close(&f);
}

static void unique_dates(void)
{
	fix_open(&f, U);
	lt_load(&f, &strict_append, N("\"id\":\"n1\",\"day\":\"2024-01-01\""));
	REFUSES(&f, strict_append, N("\"id\":\"n2\",\"day\":19723"),
		"@unique violation on N.day: value '19723' held by 'n1' and 'n2'");
	CHECK_HAS(lt_mutate(&f, "query m() { insert N { day: date(\"2024-01-01\") } }"),
		  "@unique violation on N.day: value '19723' held by 'n1' and '0");
	fix_close(&f);
}

static void composite_uniques(void)
{
	fix_open(&f, U);
	lt_load(&f, &strict_append, PAIR("n1", "A", "7") PAIR("n2", "A", "8") PAIR("n3", "B", "7"));
	REFUSES(&f, strict_append, PAIR("n4", "A", "7"),
		"@unique violation on N.(a, b): value '(A, 7)' held by 'n1' and 'n4'");
	lt_load(&f, &strict_append,
		PAIR("p1", "x|y", "z") PAIR("p2", "x", "y|z") PAIR("p3", "x, y", "z") PAIR("p4", "x", "y, z"));
	/* a null member exempts the row */
	lt_load(&f, &strict_append, N("\"a\":\"q\"") N("\"a\":\"q\"") N("\"b\":\"q\"") N("\"b\":\"q\""));
	fix_close(&f);
}

static void edge_uniques(void)
{
	fix_open(&f, "node N { k: String @key }\nedge E: N -> N { w: I32? @unique  @unique(src, dst) }");
	lt_load(&f, &strict_append, N("\"k\":\"a\"") N("\"k\":\"b\""));
	lt_load(&f, &strict_append, "{\"edge\":\"E\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"id\":\"e1\",\"w\":1}}");
	lt_load(&f, &strict_append, "{\"edge\":\"E\",\"from\":\"b\",\"to\":\"a\",\"data\":{\"id\":\"e2\"}}");
	REFUSES(&f, strict_append, "{\"edge\":\"E\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"id\":\"e3\"}}",
		"@unique violation on E.(dst, src): value '(b, a)' held by 'e1' and 'e3'");
	REFUSES(&f, strict_append, "{\"edge\":\"E\",\"from\":\"a\",\"to\":\"a\",\"data\":{\"id\":\"e3\",\"w\":1}}",
		"@unique violation on E.w: value '1' held by 'e1' and 'e3'");
	fix_close(&f);
}

static void unique_lists(void)
{
	fix_open(&f, "node N { l: [String]?  @unique(l) }");
	lt_load(&f, &strict_append, N("\"l\":null"));
	REFUSES_HAS(&f, strict_append, N("\"l\":[\"a\"]"), "scalar key: unsupported column type");
	fix_close(&f);
}

static void unique_in_mutations(void)
{
	fix_open(&f, "node N { k: String @key  mail: String? @unique }");
	MUTATES(&f, "insert N { k: \"a\", mail: \"x\" } insert N { k: \"b\", mail: \"y\" }");
	MUTATES(&f, "insert N { k: \"a\", mail: \"x\" }");
	MUTATION_FAILS(&f, "insert N { k: \"c\", mail: \"x\" }",
		       "@unique violation on N.mail: value 'x' held by 'a' and 'c'");
	MUTATES(&f, "update N set { mail: \"z\" } where k = \"a\" update N set { mail: \"x\" } where k = \"b\"");
	MUTATES(&f,
		"update N set { mail: \"x\" } where k = \"a\" update N set { mail: \"z\" } where k = \"b\""); /* a swap */
	MUTATES(&f, "insert N { k: \"a\" } insert N { k: \"c\", mail: \"x\" }");
	MUTATES(&f, "insert N { k: \"d\" } insert N { k: \"e\" }");
	fix_close(&f);
}

static void key_is_fixed(void)
{
	fix_open(&f, "node N { k: String @key  v: I32? }\nnode S { a: String  b: String  c: I32?  @key(a, b) }");
	MUTATES(&f, "insert N { k: \"a\" } insert S { a: \"x\", b: \"y\" }");
	{
		static const char *const bad[] = { "update N set { k: \"b\" } where k = \"a\"",
						   "update S set { b: \"z\" } where a = \"x\"" };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			struct snapshot *s = NULL;
			struct query *q = NULL;
			struct err e = ERR_INIT;
			const char *src = arena_printf(&f.a, "query m() { %s }", bad[i]), *msg;

			FIX_OK(graph_snapshot(f.g, NULL, NULL, &s, &e), &e);
			msg = fix_compile(&f, s, src, &q, &e) ? err_msg(&e) : lt_mutate(&f, src);
			CHECK_HAS(msg, i ? "cannot update @key property 'b'" : "cannot update @key property 'k'");
			CHECK_HAS(msg, "delete and re-insert instead");
			err_clear(&e);
			query_free(q);
			snapshot_put(s);
		}
	}
	fix_close(&f);
}

/* --- cardinality ------------------------------------------------------------------------------------ */

#define CARD                                                                                                       \
	"node N { k: String @key }\nedge One: N -> N @card(0..1)\nedge Must: N -> N @card(1..)\nedge Two: N -> N " \
	"@card(2..3)\n"
#define E(type, id, from, to) \
	"{\"edge\":\"" type "\",\"from\":\"" from "\",\"to\":\"" to "\",\"data\":{\"id\":\"" id "\"}}\n"
#define ABC N("\"k\":\"a\"") N("\"k\":\"b\"") N("\"k\":\"c\"")

static void card_max(void)
{
	fix_open(&f, CARD);
	lt_load(&f, &strict_append, ABC E("One", "o1", "a", "b"));
	REFUSES(&f, strict_append, E("One", "o2", "a", "c"),
		"@card violation on edge One: source 'a' has 2 edges (max 1)");
	REFUSES(&f, strict_append, E("One", "o2", "b", "c") E("One", "o3", "b", "c") E("One", "o4", "b", "a"),
		"@card violation on edge One: source 'b' has 3 edges (max 1)");
	MUTATION_FAILS(&f, "insert One { from: \"a\", to: \"c\" }",
		       "@card violation on edge One: source 'a' has 2 edges (max 1)");
	lt_load(&f, &strict_merge, E("One", "o1", "a", "c")); /* one edge per id */
	REFUSES(&f, strict_merge, E("One", "o2", "b", "c") E("One", "o1", "b", "c"),
		"@card violation on edge One: source 'b' has 2 edges (max 1)");
	lt_load(&f, &strict_merge, E("One", "o1", "b", "c") E("One", "o2", "a", "c"));
	fix_close(&f);
}

static void card_min(void)
{
	fix_open(&f, CARD);
	lt_load(&f, &strict_append, ABC); /* a bare node is not checked */
	MUTATES(&f, "insert N { k: \"d\" }");
	lt_load(&f, &strict_append, E("Must", "m1", "a", "b"));
	MUTATION_FAILS(&f, "delete Must where from = \"a\"",
		       "@card violation on edge Must: source 'a' has 0 edges (min 1)");
	REFUSES(&f, strict_merge, E("Must", "m1", "b", "c"),
		"@card violation on edge Must: source 'a' has 0 edges (min 1)");
	/* by cascade from the target; not when the source itself goes */
	MUTATION_FAILS(&f, "delete N where k = \"b\"", "@card violation on edge Must: source 'a' has 0 edges (min 1)");
	MUTATES(&f, "delete N where k = \"a\"");
	REFUSES(&f, strict_append, E("Two", "t1", "b", "c"),
		"@card violation on edge Two: source 'b' has 1 edges (min 2)");
	lt_load(&f, &strict_append, E("Two", "t1", "b", "c") E("Two", "t2", "b", "c"));
	fix_close(&f);
}

static void card_overwrite(void)
{
	fix_open(&f, CARD);
	lt_load(&f, &strict_append, ABC E("Must", "m1", "a", "b") E("Must", "m2", "b", "c"));
	lt_load(&f, &strict_overwrite, E("Must", "m3", "b", "c")); /* a no longer occurs: not checked */
	lt_load(&f, &strict_append, E("Two", "t1", "a", "b") E("Two", "t2", "a", "b"));
	REFUSES(&f, strict_overwrite, E("Two", "t1", "a", "b"),
		"@card violation on edge Two: source 'a' has 1 edges (min 2)");
	fix_close(&f);
}

static void card_two_handles(void)
{
	struct graph *other = NULL;
	struct source s = { STR(E("One", "o2", "a", "c")), 64 };
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, CARD);
	FIX_OK(graph_open_store(f.store, NULL, &other, &e), &e);
	lt_load(&f, &strict_append, ABC);
	lt_load(&f, &strict_append, E("One", "o1", "a", "b"));
	CHECK(graph_load(other, &strict_append, read_text, &s, &r, &e) != 0);
	CHECK_STR(err_msg(&e), "@card violation on edge One: source 'a' has 2 edges (max 1)");
	err_clear(&e);
	graph_close(other);
	fix_close(&f);
}

/* --- order ------------------------------------------------------------------------------------------ */

static void order(void)
{
	fix_open(&f,
		 "node A { k: String @key  u: I32? @unique }\n"
		 "node B { v: I32?  s: String?  e: enum(x, y)?  u: I32? @unique  @range(v, 0..9) @check(s, \"a\") }\n"
		 "edge E: A -> A @card(0..1) { u: I32? @unique }\nedge F: A -> A\n");
#define A_TWICE "{\"type\":\"A\",\"data\":{\"k\":\"a\",\"u\":1}}\n{\"type\":\"A\",\"data\":{\"k\":\"b\",\"u\":1}}\n"
#define A_ONCE "{\"type\":\"A\",\"data\":{\"k\":\"a\",\"u\":1}}\n"
#define E_MANY                                                                                                         \
	"{\"edge\":\"E\",\"from\":\"a\",\"to\":\"a\",\"data\":{\"id\":\"1\"}}\n{\"edge\":\"E\",\"from\":\"a\",\"to\":" \
	"\"a\",\"data\":{\"id\":\"2\"}}\n"
#define F_LOST "{\"edge\":\"F\",\"from\":\"a\",\"to\":\"q\"}\n"
#define B_ENUM "{\"type\":\"B\",\"data\":{\"e\":\"z\"}}\n"
#define B_CHECK "{\"type\":\"B\",\"data\":{\"s\":\"b\"}}\n"
#define B_RANGE "{\"type\":\"B\",\"data\":{\"v\":10}}\n"
	REFUSES_HAS(&f, strict_append, F_LOST E_MANY A_TWICE B_ENUM B_CHECK B_RANGE, "@range violation on B.v");
	REFUSES_HAS(&f, strict_append, F_LOST E_MANY A_TWICE B_ENUM B_CHECK, "@check violation on B.s");
	REFUSES_HAS(&f, strict_append, F_LOST E_MANY A_TWICE B_ENUM, "invalid enum value 'z' for B.e");
	REFUSES_HAS(&f, strict_append, F_LOST E_MANY A_TWICE, "@unique violation on A.u");
	REFUSES_HAS(&f, strict_append, F_LOST E_MANY A_ONCE,
		    "@card violation on edge E: source 'a' has 2 edges (max 1)");
	REFUSES_HAS(&f, strict_append, F_LOST A_ONCE, "dst 'q' not found in A");
	fix_close(&f);
}

CHECK_MAIN("engine/validate", { "ENG-34 SCH-32 ranges are inclusive, negative, fractional and one-sided", ranges },
	   { "ENG-34 SCH-33 a check is an unanchored search", patterns },
	   { "SCH-33 the dialect of patterns", pattern_dialect }, { "SCH-33 long repetitions match", long_pattern },
	   { "SCH-33 an invalid pattern fails the write of that type only", invalid_patterns },
	   { "ENG-34 SCH-31 enums of nodes and edges", enums }, { "SCH-31 enums in mutations", enums_in_mutations },
	   { "ENG-34 SCH-35 SCH-36 unique against the input, committed rows, and values set free", uniques },
	   { "SCH-35 unique dates", unique_dates },
	   { "ENG-34 ENG-35 SCH-34 composite unique values", composite_uniques },
	   { "ENG-34 unique edges", edge_uniques }, { "SCH-35 lists cannot be unique, nulls can", unique_lists },
	   { "ENG-35 SCH-36 unique values move within one mutation", unique_in_mutations },
	   { "SCH-46 key members cannot be updated", key_is_fixed },
	   { "ENG-34 SCH-37 cardinality above the maximum", card_max },
	   { "ENG-36 SCH-38 cardinality below the minimum", card_min },
	   { "ENG-36 an overwritten edge type is checked for the sources it names", card_overwrite },
	   { "ENG-37 SCH-37 two handles cannot exceed a maximum together", card_two_handles },
	   { "ENG-34 of several violations the one of section 9's order is reported", order }, )
