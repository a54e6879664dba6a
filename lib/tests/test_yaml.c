/* SPDX-License-Identifier: MIT */
#include <omnigraph/yaml.h>
#include <test/check.h>

static struct arena arena;

static struct yaml *good(const char *text)
{
	struct err e = ERR_INIT;
	struct yaml *y;

	CHECK_MSG(!yaml_parse(&arena, str_from(text), &y, &e), "%s", err_msg(&e));
	return y;
}

static void refused(struct str text, const char *part)
{
	struct err e = ERR_INIT;
	struct yaml *y;

	CHECK_MSG(yaml_parse(&arena, text, &y, &e) < 0, "accepted: %.60s", text.s);
	CHECK(!y);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	CHECK_HAS(err_msg(&e), part);
	if (!strstr(part, "bytes"))
		CHECK(e.line > 0 && e.column > 0);
	err_clear(&e);
}

static void documents(void)
{
	const struct yaml *y = good("# c\nversion: 1\ngraphs:\n  g:\n    schema: './s.pg'\n    "
				    "queries: [a.gq, \"b.gq\"]\nempty:\n");
	const struct yaml *g = yaml_get(yaml_get(y, "graphs"), "g");
	uint64_t u;

	CHECK_INT(y->n, 3);
	CHECK(yaml_to_u64(yaml_get(y, "version"), &u) && u == 1);
	CHECK_INT(g->line, 5);
	CHECK_INT(g->column, 5);
	CHECK(str_eqz(yaml_get(g, "schema")->text, "./s.pg") && !yaml_get(g, "schema")->plain);
	CHECK_INT(yaml_get(g, "queries")->n, 2);
	CHECK(yaml_get(g, "queries")->items[0].plain && !yaml_get(g, "queries")->items[1].plain);
	CHECK(yaml_is_null(yaml_get(y, "empty")) && yaml_is_null(yaml_get(y, "absent")) && !yaml_get(NULL, "x"));
	CHECK(!good("") && !good("# only a comment\n") && !good("---\n"));
	CHECK(good("--- x\n...\n")->type == YAML_SCALAR);
	arena_free(&arena);
}

static void meanings(void)
{
	const struct yaml *y = good("a: true\nb: 'true'\nc: FALSE\nd: yes\ne: ~\nf: 'null'\ng: "
				    "12\nh: '12'\ni: -3\nj: !!str 5\n");
	uint64_t u;
	bool b;

	CHECK(yaml_to_bool(yaml_get(y, "a"), &b) && b);
	CHECK(!yaml_to_bool(yaml_get(y, "b"), &b));
	CHECK(yaml_to_bool(yaml_get(y, "c"), &b) && !b);
	CHECK(!yaml_to_bool(yaml_get(y, "d"), &b));
	CHECK(yaml_is_null(yaml_get(y, "e")) && !yaml_is_null(yaml_get(y, "f")));
	CHECK(yaml_to_u64(yaml_get(y, "g"), &u) && !yaml_to_u64(yaml_get(y, "h"), &u) &&
	      !yaml_to_u64(yaml_get(y, "i"), &u) && !yaml_to_u64(yaml_get(y, "j"), &u));
	arena_free(&arena);
}

static void duplicates_kept(void)
{
	const struct yaml *y = good("a: 1\na: 2\n");

	CHECK_INT(y->n, 2);
	CHECK(str_eqz(yaml_get(y, "a")->text, "1"));
	CHECK_INT(y->keys[1].line, 2);
	arena_free(&arena);
}

static void errors(void)
{
	struct strbuf b = STRBUF_INIT;

	refused(STR("b:\n- *x\n"), "line 2 column 3: an alias needs an anchor (&name) that is finished before it");
	refused(STR("a: &x [*x]\n"), "line 1 column 8: an alias needs an anchor");
	refused(STR("a: !!python/object x\n"), "tags are not supported");
	refused(STR("a: !!int 5\n"), "tags are not supported");
	refused(STR("a: 1\n---\nb: 2\n"), "line 2 column 1: more than one document");
	refused(STR("a: 1\n b: 2\n"), "line 2 column 3: mapping values are not allowed");
	refused(STR("a: [1, 2\nb: 3\n"), "line 2");
	refused(STR("a: \"x\n"), "line 2");
	refused(STR("\tx: 1\n"), "line 1");
	refused(STR("? [a]\n: 1\n"), "a mapping key must be a scalar");
	refused(STR("a: \xff\n"), "line 1");
	refused(STR("a: \x01\n"), "line 1");
	refused(STR("a: \xed\xa0\x80\n"), "line 1");
	refused(STR("%YAML 3.0\n---\na: 1\n"), "line 1");
	for (int i = 0; i < 64; i++)
		sb_addch(&b, '[');
	for (int i = 0; i < 64; i++)
		sb_addch(&b, ']');
	CHECK(good(b.s));
	sb_reset(&b);
	for (int i = 0; i < 100000; i++)
		sb_addch(&b, '[');
	refused(sb_str(&b), "nesting deeper than 64");
	sb_reset(&b);
	for (int i = 0; i < 100000; i++)
		sb_addz(&b, "- ");
	refused(sb_str(&b), "nesting deeper than 64");
	sb_reset(&b);
	for (int i = 0; i <= YAML_NODES_MAX; i++)
		sb_addz(&b, "-\n");
	refused(sb_str(&b), "too many values");
	sb_reset(&b);
	while (b.n <= YAML_BYTES_MAX)
		sb_addz(&b, "# comment comment comment comment\n");
	refused(sb_str(&b), "bytes; the limit is 4194304");
	sb_free(&b);
	arena_free(&arena);
}

static void as_json(void)
{
	static const struct {
		const char *yaml, *json;
	} t[] = {
		{ "a: 1\nb: [true, ~, 'x', \"1\"]\nc: {d: 1.5}\n",
		  "{\"a\":1,\"b\":[true,null,\"x\",\"1\"],\"c\":{\"d\":1.5}}" },
		{ "[007, +5, -0, 1., .5, -.5e3, 1e3, 1.e-2, 00.10]", "[7,5,-0,1.0,0.5,-0.5e3,1.0e3,1.0e-2,0.10]" },
		{ "[1.2.3, 1e, e1, ., '-', +, 0x1F, .inf, 1_000, 12ab, 2024-01-01]",
		  "[\"1.2.3\",\"1e\",\"e1\",\".\",\"-\",\"+\",\"0x1F\",\".inf\",\"1_000\",\"12ab\","
		  "\"2024-01-01\"]" },
		{ "", "null" },
		{ "[]", "[]" },
		{ "{}", "{}" },
		{ "|\n  two\n  lines\n", "\"two\\nlines\\n\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct strbuf b = STRBUF_INIT;

		json_compact(&b, yaml_to_json(&arena, good(t[i].yaml)));
		CHECK_STR(b.s, t[i].json);
		sb_free(&b);
	}
	arena_free(&arena);
}

static void aliases(void)
{
	static const struct {
		const char *yaml, *json;
	} t[] = {
		{ "a: &x 1\nb: *x\n", "{\"a\":1,\"b\":1}" },
		{ "a: &x [1, {k: v}]\nb: [*x, *x]\n",
		  "{\"a\":[1,{\"k\":\"v\"}],\"b\":[[1,{\"k\":\"v\"}],[1,{\"k\":\"v\"}]]}" },
		{ "- &x a\n- &x b\n- *x\n", "[\"a\",\"b\",\"b\"]" },
		{ "&k key: 1\nb: {*k : 2}\n", "{\"key\":1,\"b\":{\"key\":2}}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct strbuf b = STRBUF_INIT;

		json_compact(&b, yaml_to_json(&arena, good(t[i].yaml)));
		CHECK_STR(b.s, t[i].json);
		sb_free(&b);
	}
	CHECK_INT(yaml_get(good("a: &x [1]\nb:\n  *x\n"), "b")->line, 3);
	arena_free(&arena);
}

/* Ten aliases of ten aliases of ... : the size that counts is that of the tree. */
static void laughs(void)
{
	struct strbuf b = STRBUF_INIT;

	sb_addz(&b, "- &a0 [x]\n");
	for (int i = 1; i < 8; i++) {
		sb_addf(&b, "- &a%d [", i);
		for (int k = 0; k < 10; k++)
			sb_addf(&b, "%s*a%d", k ? "," : "", i - 1);
		sb_addz(&b, "]\n");
	}
	refused(sb_str(&b), "too many values");
	sb_free(&b);
	sb_addz(&b, "- &b0 [x]\n");
	for (int i = 1; i < 70; i++)
		sb_addf(&b, "- &b%d [*b%d]\n", i, i - 1);
	refused(sb_str(&b), "nesting deeper than 64");
	sb_free(&b);
}

CHECK_MAIN("lib/yaml", { "a document becomes a tree with positions", documents },
	   { "only plain scalars mean null, booleans and numbers", meanings },
	   { "duplicate keys are kept in order", duplicates_kept },
	   { "an alias stands for the value of its anchor", aliases },
	   { "aliases count as what they stand for", laughs },
	   { "unfinished anchors, tags, second documents, depth and size are refused with a position", errors },
	   { "a YAML tree converts to JSON", as_json }, )
