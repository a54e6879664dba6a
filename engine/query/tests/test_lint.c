/* SPDX-License-Identifier: MIT */
#include "qtest.h"

static char *lint(const char *src, uint32_t *errors)
{
	struct catalog *c = qtest_catalog();
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	struct err e = ERR_INIT;

	jw_init(&w, &out, false);
	CHECK_MSG(!query_lint(c, str_from(src), "q.gq", STR("{\"kind\":\"file\",\"path\":\"s.pg\"}"), &w, errors, &e),
		  "%s", err_msg(&e));
	catalog_put(c);
	return sb_detach(&out);
}

static void check_lint(const char *src, const char *part)
{
	uint32_t errors;
	char *report = lint(src, &errors);

	CHECK_HAS(report, part);
	free(report);
}

static void descriptor(void)
{
	check_lint(
		"query retire($ref: String) { delete Probe where ref = $ref }",
		"\"results\":[{\"name\":\"retire\",\"kind\":\"mutation\",\"status\":\"ok\",\"operation\":{\"result\":[]"
		","
		"\"reads\":[{\"kind\":\"node\",\"type_name\":\"Probe\"},{\"kind\":\"edge\",\"type_name\":\"Orbits\"},"
		"{\"kind\":\"edge\",\"type_name\":\"Relays\"}],"
		"\"writes\":[{\"kind\":\"node\",\"type_name\":\"Probe\"},{\"kind\":\"edge\",\"type_name\":\"Orbits\"},"
		"{\"kind\":\"edge\",\"type_name\":\"Relays\"}]}}],\"findings\":[]}");
	check_lint(
		"query q($a: String) { insert Orbits { from: $a, to: $a } }",
		"\"reads\":[{\"kind\":\"node\",\"type_name\":\"Planet\"},{\"kind\":\"node\",\"type_name\":\"Probe\"},"
		"{\"kind\":\"edge\",\"type_name\":\"Orbits\"}],\"writes\":[{\"kind\":\"edge\",\"type_name\":\"Orbits\"}"
		"]");
	check_lint("query q($a: String) { delete Orbits where from = $a }",
		   "\"reads\":[{\"kind\":\"edge\",\"type_name\":\"Orbits\"}],\"writes\":[{\"kind\":\"edge\",\"type_"
		   "name\":\"Orbits\"}]");
	check_lint(
		"query q() { match { $p: Probe not { $p orbits $m } } return { $p } }",
		"\"reads\":[{\"kind\":\"node\",\"type_name\":\"Planet\"},{\"kind\":\"node\",\"type_name\":\"Probe\"},"
		"{\"kind\":\"edge\",\"type_name\":\"Orbits\"}],\"writes\":[]");
}

static void results(void)
{
	check_lint("query q($s: String?) { match { $m: Planet } return { $m.moons, $m, $s, 1, now(), $m.tags as t, "
		   "$m.vec } }",
		   "\"result\":[{\"name\":\"moons\",\"kind\":\"int\",\"nullable\":true},"
		   "{\"name\":\"m\",\"kind\":\"object\",\"nullable\":false},"
		   "{\"name\":\"s\",\"kind\":\"string\",\"nullable\":true},"
		   "{\"name\":\"literal\",\"kind\":\"bigint\",\"nullable\":false},"
		   "{\"name\":\"now\",\"kind\":\"datetime\",\"nullable\":false},"
		   "{\"name\":\"t\",\"kind\":\"list\",\"item_kind\":\"string\",\"nullable\":true},"
		   "{\"name\":\"vec\",\"kind\":\"vector\",\"vector_dim\":2,\"nullable\":true}]");
	check_lint("query q() { match { $m: Planet } return { $m.code, count($m) as n, sum($m.moons), min($m.code), "
		   "max($m.moons) } }",
		   "{\"name\":\"n\",\"kind\":\"bigint\",\"nullable\":true},"
		   "{\"name\":\"sum\",\"kind\":\"float\",\"nullable\":true},"
		   "{\"name\":\"min\",\"kind\":\"string\",\"nullable\":true},"
		   "{\"name\":\"max\",\"kind\":\"int\",\"nullable\":true}");
	check_lint("query q() { match { $m: Planet } return { $m.code as c, c, other } }",
		   "{\"name\":\"c\",\"kind\":\"string\",\"nullable\":false},{\"name\":\"c\",\"kind\":\"string\","
		   "\"nullable\":false},"
		   "{\"name\":\"other\",\"kind\":\"bigint\",\"nullable\":true}");
}

static void findings(void)
{
	uint32_t errors;
	char *r = lint("query b($s: String) { update Probe set { label: $s } where ref = $s }\n"
		       "query a($s: String) { update Probe set { notes: $s } where ref = $s }\n"
		       "query bad($s: String) { update Probe set { status: 1 } where ref = $s }\n"
		       "query hard() { insert Nope { a: 1 } }\n",
		       &errors);

	CHECK_INT(errors, 2);
	CHECK_HAS(
		r,
		"{\"status\":\"error\",\"schema_source\":{\"kind\":\"file\",\"path\":\"s.pg\"},\"query_path\":\"q.gq\","
		"\"queries_processed\":4,\"errors\":2,\"warnings\":3,\"infos\":0,\"results\":[");
	CHECK_HAS(r, "{\"name\":\"hard\",\"kind\":\"mutation\",\"status\":\"error\",\"warnings\":[\"mutation declares "
		     "no params; "
		     "hardcoded mutations are easy to miss\"],\"error\":\"type error: T10: unknown node/edge type "
		     "`Nope`\"}");
	CHECK_HAS(r, "\"findings\":[{\"severity\":\"warning\",\"code\":\"L201\",\"message\":\"Probe.launched exists in "
		     "schema but no "
		     "update query sets "
		     "it\",\"type_name\":\"Probe\",\"property\":\"launched\",\"query_names\":[\"a\",\"b\"]},"
		     "{\"severity\":\"warning\",\"code\":\"L201\",\"message\":\"Probe.status exists in schema but no "
		     "update query "
		     "sets it\",\"type_name\":\"Probe\",\"property\":\"status\",\"query_names\":[\"a\",\"b\"]}]}");
	free(r);
}

static void no_parse(void)
{
	uint32_t errors;
	char *r = lint("query q( {", &errors);

	CHECK_INT(errors, 1);
	CHECK_HAS(r, "\"queries_processed\":0,\"errors\":1,\"warnings\":0,\"infos\":0,\"results\":[],\"findings\":[{"
		     "\"severity\":"
		     "\"error\",\"code\":\"Q000\",\"message\":\"parse error: ");
	CHECK_HAS(r, " --> 1:10");
	free(r);
}

static void human(void)
{
	uint32_t errors;
	char *r = lint("query ok($s: String) { update Probe set { notes: $s, status: $s } where ref = $s }\n"
		       "query hard() { insert Nope { a: 1 } }\n",
		       &errors);
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	CHECK_MSG(!query_lint_text(str_from(r), &out, &e), "%s", err_msg(&e));
	CHECK_STR(out.s, "OK    query `ok` (mutation)\n"
			 "ERROR query `hard`: type error: T10: unknown node/edge type `Nope`\n"
			 "WARN  query `hard`: mutation declares no params; hardcoded mutations are easy to miss\n"
			 "WARN  Probe.launched exists in schema but no update query sets it\n"
			 "INFO  Lint complete: 2 queries processed (1 error(s), 2 warning(s), 0 info item(s))\n");
	sb_free(&out);
	free(r);
}

/* --- catalogue --------------------------------------------------------------------------------- */

static void entries(void)
{
	struct query_file *f = NULL;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	struct err e = ERR_INIT;
	struct str name;
	uint32_t dim;

	CHECK(!query_file_parse(
		STR("query a($s: String, $b: Bool?, $i: I32, $u: U32, $l: I64, $m: U64, $f: F32, $g: F64, $d: Date, "
		    "$t: DateTime, $o: Blob, $v: Vector(4), $x: [I64]?) @description(\"d\") { match { $p: P } return "
		    "{ $p } } query b() @instruction(\"i\") { delete P where x = 1 }"),
		&f, &e));
	jw_init(&w, &out, false);
	query_decl_entry_json(query_file_at(f, 0), &w);
	CHECK_STR(out.s, "{\"name\":\"a\",\"tool_name\":\"a\",\"description\":\"d\",\"mutation\":false,\"params\":["
			 "{\"name\":\"s\",\"kind\":\"string\",\"nullable\":false},{\"name\":\"b\",\"kind\":\"bool\","
			 "\"nullable\":true},"
			 "{\"name\":\"i\",\"kind\":\"int\",\"nullable\":false},{\"name\":\"u\",\"kind\":\"int\","
			 "\"nullable\":false},"
			 "{\"name\":\"l\",\"kind\":\"bigint\",\"nullable\":false},{\"name\":\"m\",\"kind\":\"bigint\","
			 "\"nullable\":false},"
			 "{\"name\":\"f\",\"kind\":\"float\",\"nullable\":false},{\"name\":\"g\",\"kind\":\"float\","
			 "\"nullable\":false},"
			 "{\"name\":\"d\",\"kind\":\"date\",\"nullable\":false},{\"name\":\"t\",\"kind\":\"datetime\","
			 "\"nullable\":false},"
			 "{\"name\":\"o\",\"kind\":\"blob\",\"nullable\":false},"
			 "{\"name\":\"v\",\"kind\":\"vector\",\"vector_dim\":4,\"nullable\":false},"
			 "{\"name\":\"x\",\"kind\":\"list\",\"item_kind\":\"bigint\",\"nullable\":true}]}");
	sb_reset(&out);
	jw_init(&w, &out, false);
	query_decl_entry_json(query_file_at(f, 1), &w);
	CHECK_STR(out.s, "{\"name\":\"b\",\"tool_name\":\"b\",\"instruction\":\"i\",\"mutation\":true,\"params\":[]}");
	CHECK(query_decl_has_vector_param(query_file_at(f, 0), &name, &dim) && str_eqz(name, "v") && dim == 4);
	CHECK(!query_decl_has_vector_param(query_file_at(f, 1), &name, &dim));
	sb_reset(&out);
	query_decl_signature(query_file_at(f, 0), &out);
	CHECK_STR(out.s, "a($s: String, $b: Bool?, $i: I32, $u: U32, $l: I64, $m: U64, $f: F32, $g: F64, $d: Date, $t: "
			 "DateTime, "
			 "$o: Blob, $v: Vector(4), $x: [I64]?)");
	sb_free(&out);
	query_file_free(f);
}

CHECK_MAIN("engine/query/lint", { "QRY-73 descriptors list conservative reads and exact writes", descriptor },
	   { "QRY-73 result names and kinds", results }, { "QRY-72 L201 and the hardcoded-mutation warning", findings },
	   { "QRY-72 Q000 is the only finding of a text that does not parse", no_parse },
	   { "QRY-72 the human form", human }, { "QRY-71 catalogue entries and signatures", entries })
