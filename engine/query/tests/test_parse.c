/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <sys/stat.h>

#include <omnigraph/util.h>

#include "qtest.h"

/* Parse: "" or the message; the error's place is kept in last. */
static struct {
	uint32_t line, column, start, end;
} last;

static const char *parse(const char *src)
{
	static char text[8192];
	struct query_file *f = NULL;
	struct err e = ERR_INIT;

	text[0] = '\0';
	if (query_file_parse(str_from(src), &f, &e)) {
		snprintf(text, sizeof(text), "%s", err_msg(&e));
		CHECK(e.code == ERR_PARSE && !strncmp(text, "parse error: ", 13));
	}
	last.line = e.line;
	last.column = e.column;
	last.start = e.span_start;
	last.end = e.span_end;
	query_file_free(f);
	err_clear(&e);
	return text;
}

static const char *clause(const char *text)
{
	char src[4096];

	snprintf(src, sizeof(src), "query q($p: String) { match { %s } return { $a } }", text);
	return parse(src);
}

static const char *projection(const char *text)
{
	char src[4096];

	snprintf(src, sizeof(src), "query q() { match { $a: Planet } return { %s } }", text);
	return parse(src);
}

static const char *tail(const char *text)
{
	char src[4096];

	snprintf(src, sizeof(src), "query q() { match { $a: Planet } return { $a } %s }", text);
	return parse(src);
}

static void empty_braces(void)
{
	CHECK_HAS(clause("$a: Planet { }"), "parse error: ");
	CHECK_HAS(parse("query q() { match { } return { $a } }"), "parse error: ");
	CHECK_HAS(projection(""), "parse error: ");
	CHECK_HAS(clause("$a: Planet not { }"), "parse error: ");
	CHECK_HAS(parse("query q() { insert Planet { } }"), "parse error: ");
	CHECK_HAS(parse("query q() { update Planet set { } where code = \"x\" }"), "parse error: ");
	CHECK_HAS(parse("query q() { }"), "parse error: ");
	CHECK_HAS(tail("order { }"), "parse error: ");
}

static void annotations(void)
{
	CHECK_STR(parse("query q() @description(\"a\") @instruction(\"b\") { delete A where x = 1 }"), "");
	CHECK_STR(parse("query q() @instruction(\"a\") @ description ( \"b\" ) { delete A where x = 1 }"), "");
	CHECK_HAS(parse("query q() @tags(\"a\") { delete A where x = 1 }"), "parse error: ");
	CHECK_STR(parse("query q() @description(\"a\") @description(\"b\") { delete A where x = 1 }"),
		  "parse error: query `q` cannot include duplicate @description annotations");
	CHECK_STR(parse("query q() @instruction(\"a\") @instruction(\"b\") { delete A where x = 1 }"),
		  "parse error: query `q` cannot include duplicate @instruction annotations");
}

static void strings(void)
{
	struct query_file *f = NULL;
	struct err e = ERR_INIT;

	CHECK_STR(clause("$a: Planet { code: \"\\q\" }"), "parse error: unsupported escape sequence: \\q");
	CHECK(last.line == 0 && last.end == last.start);
	CHECK_HAS(clause("$a: Planet { code: \"\\u0041\" }"), "unsupported escape sequence: \\u");
	CHECK_HAS(clause("$a: Planet { code: \"abc"), "unterminated string");
	CHECK_HAS(clause("$a: Planet { code: 'abc' }"), "parse error: ");
	CHECK(!query_file_parse(STR("query q() @description(\"a\\\"b\\\\c\\n\\r\\td\nz\") { delete A where x = 1 }"),
				&f, &e));
	CHECK_STR(query_decl_description(query_file_at(f, 0)), "a\"b\\c\n\r\td\nz");
	CHECK(query_decl_instruction(query_file_at(f, 0)) == NULL);
	query_file_free(f);
}

static void comments(void)
{
	CHECK_STR(parse("/* a /* b */ query // c\n q /**/ ( ) { match { $a/**/./**/b = 1 }// x\n return{$a . b} } // "
			"end"),
		  "");
	CHECK_STR(parse("// only a comment"), "");
	CHECK_STR(parse(""), "");
	CHECK_HAS(parse("query q() { /* open"), "unterminated block comment");
	CHECK_HAS(parse("# no"), "parse error: ");
	CHECK_HAS(parse("/* a /* b */ */"), "parse error: ");
	CHECK_STR(parse("query q($v: Vector( 3 ) ?, $l: [ String ] ?) { delete A where x = $v }"), "");
	CHECK_HAS(parse("query q($ v: String) { delete A where x = 1 }"), "parse error: ");
}

static void positions(void)
{
	CHECK_HAS(parse("query q() {\n  match { $é }\n}"), "\n --> 2:11");
	CHECK(last.line == 2 && last.column == 11 && last.end > last.start);
	CHECK_HAS(parse("query q() { match { \"é\" ? } }"), " --> 1:25");
	CHECK_HAS(parse("query"), " --> 1:6");
	CHECK(last.end > last.start);
	CHECK_HAS(parse("query q() { match { $a: Planet } return { $a } } query"), "parse error: ");
}

static void numbers(void)
{
	CHECK_STR(clause("$a.x = -9223372036854775808"), "");
	CHECK_STR(clause("$a.x = 9223372036854775807"), "");
	CHECK_HAS(clause("$a.x = 9223372036854775808"), "parse error: invalid integer: 9223372036854775808");
	CHECK(last.line == 0);
	CHECK_STR(clause("$a.x = -1.5"), "");
	CHECK_HAS(clause("$a.x = - 1"), "parse error: ");
	CHECK_HAS(clause("$a.x = 1e5"), "parse error: ");
	CHECK_HAS(clause("$a.x = 1."), "parse error: ");
	CHECK_HAS(clause("$a.x = null"), ""); /* a bare name: the type checker refuses it */
	CHECK_HAS(tail("limit 18446744073709551616"), "parse error: invalid limit: 18446744073709551616");
	CHECK_STR(tail("limit 18446744073709551615"), "");
	CHECK_HAS(tail("limit -1"), "parse error: ");
	CHECK_HAS(clause("$a e{4294967296,4294967296} $b"), "invalid traversal min bound: 4294967296");
	CHECK_HAS(clause("$a e{1,4294967296} $b"), "invalid traversal max bound: 4294967296");
	CHECK_STR(clause("$a e{1,4294967295} $b"), "");
}

static void traversal_wins(void)
{
	CHECK_STR(clause("$q contains $m"), "");
	CHECK_HAS(clause("$q contains $m.label"), "parse error: ");
	CHECK_STR(clause("\"abc\" contains $m.label"), "");
	CHECK_STR(clause("$q contains \"abc\""), "");
	CHECK_STR(clause("$q starts_with $m"), "");
	CHECK_STR(clause("$q starts_with \"x\" $q contains{1,2} $r $q <contains> $s"), "");
	CHECK_STR(clause("$q < $m.x $q <e> $m $q <e>{1,2} $m $a $w:e $b $a $w:<e> $b"), "");
	CHECK_STR(clause("$a.x = $b $c knows $d"), "");
	CHECK_HAS(clause("$a e{3} $b"), "parse error: ");
	CHECK_STR(clause("$a e{3,} $b"), ""); /* T15 */
	CHECK_HAS(clause("$a not $b"), "parse error: ");
	CHECK_HAS(clause("$a: planet"), "parse error: ");
	CHECK_HAS(clause("$a $w:Edge $b"), "parse error: ");
	CHECK_HAS(clause("$a knows"), "parse error: ");
}

static void keywords(void)
{
	static const char *const words[] = { "query",	 "match",      "return", "order",  "limit",	 "not",
					     "as",	 "asc",	       "desc",	 "insert", "update",	 "delete",
					     "set",	 "where",      "true",	 "false",  "date",	 "datetime",
					     "now",	 "nearest",    "search", "fuzzy",  "match_text", "bm25",
					     "rrf",	 "count",      "sum",	 "avg",	   "min",	 "max",
					     "contains", "starts_with" };
	char src[2048];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *w = words[i];

		snprintf(src, sizeof(src),
			 "query %s($%s: String) { match { $a: Planet { %s: $%s, code: \"x\", }  $a.%s = $%s  $%s: T "
			 " not { $%s.%s = 1 } } return { $a.%s as %s, $%s.%s  $a.%s } order { $a.%s desc, $a.%s } "
			 "limit 3 } query m() { insert T { %s: 1 } update T set { %s: 2, } where %s = 3 delete T where "
			 "%s = 4 }",
			 w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w);
		CHECK_MSG(!*parse(src), "%s: %s", w, parse(src));
		if (strcmp(w, "not")) {
			snprintf(src, sizeof(src), "$a %s $b $a $w:%s $b $a <%s>{1,2} $b", w, w, w);
			CHECK_MSG(!*clause(src), "%s: %s", w, clause(src));
		}
	}
	CHECK_STR(tail("order { now, count desc, as asc }"), "");
	CHECK_STR(projection("as as as as"), "");
}

static void commas(void)
{
	CHECK_STR(projection("$a.x $a.y as z, count($a) , 1"), "");
	CHECK_STR(projection("$a.x, $a.y,"), "");
	CHECK_HAS(projection("$a.x,, $a.y"), "parse error: ");
	CHECK_HAS(projection(", $a.x"), "parse error: ");
	CHECK_STR(parse("query q() { insert T { a: 1 b: 2, c: 3, } insert T { a: 1 } }"), "");
	CHECK_HAS(clause("$a: P { x: 1 y: 2 }"), "parse error: ");
	CHECK_STR(clause("$a: P { x: 1, y: 2, }"), "");
	CHECK_HAS(clause("$a: P, $b: P"), "parse error: ");
	CHECK_HAS(tail("order { $a.x $a.y }"), "parse error: ");
	CHECK_HAS(tail("order { $a.x, }"), "parse error: ");
	CHECK_HAS(parse("query q($a: I32 $b: I32) { delete T where x = 1 }"), "parse error: ");
	CHECK_HAS(parse("query q($a: I32,) { delete T where x = 1 }"), "parse error: ");
}

static void orderings(void)
{
	CHECK_STR(tail("order { nearest($a.v, [1.0, 2.0]) } limit 3"), "");
	CHECK_HAS(tail("order { nearest($a.v, $q) desc } limit 3"), "parse error: ");
	CHECK_HAS(tail("order { nearest($a.v, $q) asc } limit 3"), "parse error: ");
	CHECK_STR(tail("order { bm25($a.t, \"x\") desc }"), "");
	CHECK_STR(tail("order { rrf(nearest($a.v, $q), bm25($a.t, \"x\"), 10) asc } limit 1"), "");
	CHECK_HAS(tail("order { rrf(search($a.v, $q), bm25($a.t, \"x\")) }"), "parse error: ");
	CHECK_HAS(tail("order { nearest($a, $q) } limit 3"), "parse error: ");
	CHECK_HAS(tail("limit 3 order { $a.x }"), "parse error: ");
	CHECK_STR(tail("limit 3"), "");
}

static void absent_features(void)
{
	CHECK_HAS(tail("offset 3"), "parse error: ");
	CHECK_HAS(clause("$a.x = 1 or $a.x = 2"), "parse error: ");
	CHECK_HAS(clause("$a.x = 1 + 2"), "parse error: ");
	CHECK_HAS(clause("$a.x = lower(\"A\")"), "unknown function `lower`");
	CHECK_HAS(parse("query q($e: enum(a)) { delete T where x = 1 }"), "parse error: ");
	CHECK_HAS(parse("query q($e: [Vector(2)]) { delete T where x = 1 }"), "parse error: ");
	CHECK_HAS(parse("query q($e: String = \"x\") { delete T where x = 1 }"), "parse error: ");
	CHECK_HAS(parse("query q() { match { $a: T } return { $a } insert T { a: 1 } }"), "parse error: ");
	CHECK_HAS(parse("query q() { delete T where a = 1, b = 2 }"), "parse error: ");
	CHECK_STR(parse("query q($__nanograph_now: DateTime) { delete T where a = 1 }"),
		  "parse error: parameter name `$__nanograph_now` is reserved for runtime timestamp injection");
	CHECK_HAS(parse("query q($a: I32, $a: I64) { delete T where a = 1 }"), "declares parameter `$a` twice");
}

static char *nest(const char *open, const char *core, const char *close, int depth)
{
	struct strbuf b = STRBUF_INIT;

	for (int i = 0; i < depth; i++)
		sb_addz(&b, open);
	sb_addz(&b, core);
	for (int i = 0; i < depth; i++)
		sb_addz(&b, close);
	return sb_detach(&b);
}

static const char *nested_not(int depth)
{
	char *s = nest("not { ", "$a.x = 1", " }", depth);
	const char *msg = clause(s);

	free(s);
	return msg;
}

static const char *nested_count(int depth)
{
	char *s = nest("count(", "$a", ")", depth);
	const char *msg = projection(s);

	free(s);
	return msg;
}

static void nesting(void)
{
	char *deep = nest("[", "1", "]", 100000);
	char *src = mem_alloc(strlen(deep) + 100);

	CHECK_STR(nested_not(64), "");
	CHECK_HAS(nested_not(65), "deeper than 64 levels");
	CHECK_STR(nested_count(64), "");
	CHECK_HAS(nested_count(65), "deeper than 64 levels");
	sprintf(src, "query q() { match { $a: T } return { %s } }", deep);
	CHECK_HAS(parse(src), "deeper than 64 levels");
	free(deep);
	free(src);
}

static void selection(void)
{
	struct query_file *f = NULL;
	const struct query_decl *d;
	struct err e = ERR_INIT;

	CHECK(!query_file_parse(STR("query a() { delete T where x = 1 } query b() { delete T where x = 2 }"), &f, &e));
	CHECK(query_file_count(f) == 2);
	CHECK(!query_file_select(f, "b", &d, &e) && str_eqz(query_decl_name(d), "b") && query_decl_is_mutation(d));
	CHECK(query_file_select(f, "x", &d, &e) < 0);
	CHECK_STR(err_msg(&e), "query 'x' not found");
	CHECK(query_file_select(f, NULL, &d, &e) < 0);
	CHECK_STR(err_msg(&e), "query file contains multiple queries; pass --name");
	query_file_free(f);
	CHECK(!query_file_parse(STR(" "), &f, &e));
	CHECK(query_file_select(f, NULL, &d, &e) < 0);
	CHECK_STR(err_msg(&e), "query file contains multiple queries; pass --name");
	query_file_free(f);
	CHECK(!query_file_parse(STR("query a() { delete T where x = 1 }"), &f, &e));
	CHECK(!query_file_select(f, NULL, &d, &e));
	query_file_free(f);
	err_clear(&e);
}

static void bad_bytes(void)
{
	struct query_file *f = NULL;
	struct err e = ERR_INIT;

	CHECK(query_file_parse((struct str){ "query \xff", 7 }, &f, &e) < 0);
	CHECK_HAS(err_msg(&e), "not valid UTF-8");
	CHECK(query_file_parse((struct str){ "query\0q", 7 }, &f, &e) < 0);
	CHECK_HAS(err_msg(&e), "parse error: ");
	err_clear(&e);
}

/* --- the samples ------------------------------------------------------------------------------- */

static unsigned sampled;

static void check_sample(struct catalog *c, const char *path)
{
	struct strbuf text = STRBUF_INIT;
	struct query_file *f = NULL;
	struct err e = ERR_INIT;

	CHECK_MSG(!file_read(path, 4 << 20, &text, &e), "%s", err_msg(&e));
	CHECK_MSG(!query_file_parse(sb_str(&text), &f, &e), "%s: %s", path, err_msg(&e));
	for (size_t i = 0; i < query_file_count(f); i++) {
		struct query q = { 0 };

		CHECK_MSG(!query_typecheck(c, query_file_at(f, i), &q, &e), "%s: %.*s: %s", path,
			  STR_ARG(query_decl_name(query_file_at(f, i))), err_msg(&e));
		arena_free(&q.arena);
		sampled++;
	}
	query_file_free(f);
	sb_free(&text);
}

static struct catalog *sample_schema(const char *path)
{
	struct strbuf text = STRBUF_INIT;
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	CHECK_MSG(!file_read(path, 4 << 20, &text, &e), "%s", err_msg(&e));
	CHECK_MSG(!catalog_compile(sb_str(&text), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, &e), "%s: %s", path,
		  err_msg(&e));
	sb_free(&text);
	return c;
}

static void check_folder(const char *root, const char *name)
{
	char path[512];
	struct catalog *c;
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s/schema.pg", root, name);
	c = sample_schema(path);
	snprintf(path, sizeof(path), "%s/%s/queries", root, name);
	d = opendir(path);
	CHECK(d != NULL);
	while ((de = readdir(d))) {
		char file[1024];

		if (!str_ends(str_from(de->d_name), STR(".gq")))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, de->d_name);
		check_sample(c, file);
	}
	closedir(d);
	catalog_put(c);
}

static void check_fixture(const char *root, const char *name)
{
	char path[512];
	struct catalog *c;

	snprintf(path, sizeof(path), "%s/fixtures/%s.pg", root, name);
	c = sample_schema(path);
	snprintf(path, sizeof(path), "%s/fixtures/%s.gq", root, name);
	check_sample(c, path);
	catalog_put(c);
}

static void samples(void)
{
	const char *shared = getenv("OMNIGRAPH_SHARED"), *src = getenv("OMNIGRAPH_SRC");
	char root[256];
	struct stat st;

	if (shared)
		snprintf(root, sizeof(root), "%s/data", shared);
	else
		snprintf(root, sizeof(root), "%s/../shared/data", src ? src : ".");
	if (stat(root, &st)) {
		fprintf(stderr, "# skipped: no sample data at %s (set OMNIGRAPH_SHARED)\n", root);
		return;
	}
	check_folder(root, "industry-intel");
	check_folder(root, "pharma-intel");
	check_fixture(root, "test");
	check_fixture(root, "search");
	CHECK(sampled > 100);
}

CHECK_MAIN("engine/query/parse", { "QRY-64 empty braces are parse errors everywhere", empty_braces },
	   { "QRY-64 annotations: two kinds, once each, any order", annotations }, { "QRY-64 string escapes", strings },
	   { "QRY-66 commas are optional, mandatory or forbidden as section 3 says", commas },
	   { "QRY-65 keywords are property, parameter, query, alias and edge names", keywords },
	   { "QRY-63 nearest takes no direction, bm25 and rrf ignore it", orderings },
	   { "QRY-62 reserved parameter name and absent features are refused", absent_features },
	   { "QRY-49 a complete traversal wins over a filter", traversal_wins },
	   { "comments and white space between tokens", comments },
	   { "syntax errors carry line, column and a span", positions }, { "number tokens and their ranges", numbers },
	   { "64 levels of nesting are accepted, deeper ones refused", nesting },
	   { "selecting a query of a file", selection }, { "bytes that are no text are refused", bad_bytes },
	   { "every query of the sample graphs parses and type-checks", samples })
