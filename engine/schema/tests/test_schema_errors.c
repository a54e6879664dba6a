/* SPDX-License-Identifier: MIT */
/* What a schema author reads when a schema is wrong (spec/schema.md 13), and what is syntax at all (1, 2). */
#include "engine/schema/tests/schema_fixture.h"

#define E_OF(body) "node T {}\nedge E: T -> T " body

struct row {
	const char *id, *source, *message;
};

/* Messages of phase parse: "parse error: ". */
static const struct row parse_rows[] = {
	{ "S-02", "node T { id: String }", "property name 'id' is reserved" },
	{ "S-02", "interface I { id: String }", "property name 'id' is reserved" },
	{ "S-02", E_OF("{ id: String }"), "property name 'id' is reserved" },
	{ "S-02", E_OF("{ src: String }"), "property name 'src' is reserved" },
	{ "S-02", E_OF("{ dst: String }"), "property name 'dst' is reserved" },
	{ "S-02", "node T { _rowid: String }", "property name '_rowid' is reserved" },
	{ "S-02", "node T { _rowaddr: String }", "exported" },
	{ "S-02", "interface I { _rowoffset: String }", "property name '_rowoffset' is reserved" },
	{ "S-02", E_OF("{ _row_created_at_version: I64 }"), "'_row_created_at_version' is reserved" },
	{ "S-02", "node T { _row_last_updated_at_version: I64 }", "'_row_last_updated_at_version' is reserved" },
	{ "S-03", "node T { v: Vector(0) }", "Vector dimension must be greater than zero" },
	{ "S-04", "node T { v: Vector(2147483648) }",
	  "Vector dimension 2147483648 exceeds maximum supported 2147483647" },
	{ "S-04", "node T { v: Vector(4294967295) }", "Vector dimension 4294967295 exceeds maximum supported" },
	{ "S-04", "node T { v: Vector(4294967296) }", "invalid Vector dimension" },
	{ "S-04", "node T { v: Vector(99999999999999999999999) }", "invalid Vector dimension" },
	{ "S-05", "node T { b: [Blob] }", "list of Blob is not supported" },
	{ "S-06", "node T { s: enum(b, a, b) }", "enum type cannot include duplicate values" },
	{ "S-07", "node T @description(\"a\\qb\") {}", "unsupported escape sequence: \\q" },
	{ "S-07", "node T { s: String\n @check(s, \"\\d\") }", "unsupported escape sequence: \\d" },
	{ "S-08", E_OF("@card(2..1)"), "cardinality min (2) exceeds max (1)" },
	{ "S-08", E_OF("@card(4294967296..)"), "invalid cardinality min: 4294967296" },
	{ "S-08", E_OF("@card(0..4294967296)"), "invalid cardinality max: 4294967296" },
	{ "S-09", "node T { n: I32  @range(n) }", "@range requires property name and bounds" },
	{ "S-10", "node T { n: I32  @range(n, 5) }", "expected range bounds (min..max) in @range constraint" },
	{ "S-10", "node T { n: I32  @range(n, n) }", "expected range bounds (min..max) in @range constraint" },
	{ "S-11", "node T { s: String  @check(s) }", "@check requires property name and pattern" },
	{ "S-11", "node T { s: String  @check(s, 5) }", "expected string argument in constraint" },
	{ "S-11", "node T { s: String  @check(s, s) }", "expected string argument in constraint" },
	{ "S-12", "node T { s: String  @unique(\"s\") }", "expected property name in constraint" },
	{ "S-12", "node T { s: String  @key(5) }", "expected property name in constraint" },
	{ "S-12", "node T { s: String  @index(s, 1..2) }", "expected property name in constraint" },
	{ "S-12", "node T { s: String  @index(true) }", "expected property name in constraint" },
	{ "S-12", "node T { s: String  @range(5, 0..1) }", "expected property name in constraint" },
	{ "S-12", "node T { s: String  @check(\"s\", \"re\") }", "expected property name in constraint" },
	{ "S-14", "node T implements I {}", "node T implements unknown interface 'I'" },
	{ "S-14", "node I {}  node T implements I {}", "node T implements unknown interface 'I'" },
	{ "S-15", "interface I { p: String }  node T implements I { p: I32 }",
	  "node T property 'p' has type I32 but interface I declares it as String" },
	{ "S-15", "interface I { p: String }  node T implements I { p: String? }",
	  "node T property 'p' has type String? but interface I declares it as String" },
	{ "S-15", "interface I { p: enum(a, b) }  node T implements I { p: enum(c, a) }",
	  "node T property 'p' has type enum(a, c) but interface I declares it as enum(a, b)" },
	{ "S-15", "interface I { p: [I32]? }  node T implements I { p: Vector(8) }",
	  "node T property 'p' has type Vector(8) but interface I declares it as [I32]?" },
	{ "S-16", "node T @key { p: String }",
	  "@key is only supported on node properties or as body constraint (node T)" },
	{ "S-16", "node T @unique(p) { p: String }",
	  "@unique is only supported on node properties or as body constraint (node T)" },
	{ "S-16", "node T @index { p: String }",
	  "@index is only supported on node properties or as body constraint (node T)" },
	{ "S-16", "node T @embed(p) { p: String }",
	  "@embed is only supported on node properties or as body constraint (node T)" },
	{ "S-17", E_OF("@key"), "@key is not supported on edges (edge E)" },
	{ "S-17", E_OF("@unique"), "@unique is not supported on edges (edge E)" },
	{ "S-17", E_OF("@index(src)"), "@index is not supported on edges (edge E)" },
	{ "S-17", E_OF("@embed(x)"), "@embed is not supported on edges (edge E)" },
	{ "S-18", "node T @description(\"a\") @description(\"b\") {}", "node T declares @description multiple times" },
	{ "S-18", E_OF("@instruction(\"a\") @instruction(\"b\")"), "edge E declares @instruction multiple times" },
	{ "S-18", "node T { p: String @description(\"a\") @description(\"a\") }",
	  "declares @description multiple times" },
	{ "S-18", "node T @description(\" \\t\") {}", "@description on node T requires a non-empty value" },
	{ "S-18", "node T @instruction {}", "@instruction on node T requires a non-empty value" },
	{ "S-18", E_OF("@description"), "@description on edge E requires a non-empty value" },
	{ "S-18", "node T { p: String @description }", "@description on property T.p requires a non-empty value" },
	{ "S-19", "node T { p: String @instruction(\"x\") }",
	  "@instruction is only supported on node and edge types (property T.p)" },
	{ "S-19", E_OF("{ p: String @instruction(\"x\") }"),
	  "@instruction is only supported on node and edge types (property E.p)" },
	{ "S-20", "node T @rename_from(\"A\") @rename_from(\"B\") {}", "declares @rename_from multiple times" },
	{ "S-20", "node T @rename_from {}", "@rename_from on node T requires exactly one non-empty positional value" },
	{ "S-20", E_OF("@rename_from(\" \")"),
	  "@rename_from on edge E requires exactly one non-empty positional value" },
	{ "S-20", "node T @rename_from(\"A\", k=\"B\") {}",
	  "@rename_from on node T does not accept keyword arguments" },
	{ "S-20", "node T { p: String @rename_from }",
	  "@rename_from on property T.p requires exactly one non-empty positional value" },
	{ "S-20", "interface I { p: String @rename_from(\"a\") @rename_from(\"b\") }",
	  "declares @rename_from multiple times" },
	{ "S-21", "node T { p: [String] @key }", "@key is not supported on list property T.p" },
	{ "S-21", "node T { p: [String] @index }", "@index is not supported on list property T.p" },
	{ "S-21", "node T { p: [String] @unique }", "@unique is not supported on list property T.p" },
	{ "S-21", "node T { s: String  p: [F32] @embed(s) }", "@embed is not supported on list property T.p" },
	{ "S-21", "node T { p: Vector(2) @key }", "@key is not supported on vector property T.p" },
	{ "S-21", "node T { p: Vector(2) @unique }", "@unique is not supported on vector property T.p" },
	{ "S-21", "node T { p: Blob @key }", "@key is not supported on blob property T.p" },
	{ "S-21", "node T { p: Blob @unique }", "@unique is not supported on blob property T.p" },
	{ "S-21", "node T { p: Blob? @index }", "@index is not supported on blob property T.p" },
	{ "S-21", E_OF("{ p: [I32] @unique }"), "@unique is not supported on list property E.p" },
	{ "S-22", E_OF("{ p: String @key }"), "@key is not supported on edge properties (edge E.p)" },
	{ "S-22", E_OF("{ s: String  p: Vector(2) @embed(s) }"),
	  "@embed is not supported on edge properties (edge E.p)" },
	{ "S-23", "node T { p: String @key @key }", "property T.p declares @key multiple times" },
	{ "S-23", "node T { p: String @unique @unique }", "property T.p declares @unique multiple times" },
	{ "S-23", E_OF("{ p: String @index @index }"), "property E.p declares @index multiple times" },
	{ "S-23", "node T { s: String  p: Vector(2) @embed(s) @embed(s) }",
	  "property T.p declares @embed multiple times" },
	{ "S-24", "node T { s: String  p: String @embed(s) }", "@embed is only supported on vector properties (T.p)" },
	{ "S-24", "node T { s: String  p: Blob @embed(s) }", "@embed is only supported on vector properties (T.p)" },
	{ "S-24", "node T { p: Vector(2) @embed }", "requires a source property name" },
	{ "S-24", "node T { p: Vector(2) @embed(\" \") }", "requires a non-empty source property name" },
	{ "S-24", "node T { p: Vector(2) @embed(x) }", "references unknown source property x" },
	{ "S-24", "node T { x: I32  p: Vector(2) @embed(x) }", "@embed source property T.x must be String" },
	{ "S-24", "node T { x: [String]  p: Vector(2) @embed(x) }", "@embed source property T.x must be String" },
	{ "S-24", "node T { x: String  p: Vector(2) @embed(x, dims=\"2\") }",
	  "has unknown argument 'dims=' (only 'model' is supported)" },
	{ "S-25", E_OF("{ p: String  @key(p) }"), "@key constraint is not supported on edges (edge E)" },
	{ "S-25", "node T { a: String @key  b: String @key }",
	  "node type T has multiple @key constraints; only one is supported" },
	{ "S-25", "node T { a: String @key  b: String  @key(a, b) }",
	  "node type T has multiple @key constraints; only one is supported" },
	{ "S-25", "node T { p: String? @key }", "@key property T.p cannot be nullable" },
	{ "S-25", "node T { p: String? q: I32  @key(q, p) }", "@key property T.p cannot be nullable" },
	{ "S-25", "node T { p: [I32]  @key(p) }", "@key is not supported on list property T.p" },
	{ "S-25", "node T { p: Vector(2)  @key(p) }", "@key is not supported on vector property T.p" },
	{ "S-25", "node T { p: Blob  @key(p) }", "@key is not supported on blob property T.p" },
	{ "S-26", "node T { @unique(x) }", "@unique on T references unknown property 'x'" },
	{ "S-26", "node T { @key(x) }", "@key on T references unknown property 'x'" },
	{ "S-26", "node T { @index(id) }", "@index on T references unknown property 'id'" },
	{ "S-26", "node T { @range(x, 0..1) }", "@range on T references unknown property 'x'" },
	{ "S-26", "node T { @check(x, \"a\") }", "@check on T references unknown property 'x'" },
	{ "S-26", "node T { @unique(src, dst) }", "@unique on T references unknown property 'dst'" },
	{ "S-26", E_OF("{ @unique(src, id) }"), "@unique on E references unknown property 'id'" },
	{ "S-27", "node T { p: Blob  @unique(p) }", "@unique is not supported on blob property T.p" },
	{ "S-27", E_OF("{ p: Blob?  @index(p, src) }"), "@index is not supported on blob property E.p" },
	{ "S-28", E_OF("{ p: I32  @range(p, 0..1) }"), "@range constraint is not supported on edges (edge E)" },
	{ "S-28", "node T { p: String  @range(p, 0..1) }", "@range on T.p requires a numeric type, got String" },
	{ "S-28", "node T { p: Date  @range(p, 0..1) }", "@range on T.p requires a numeric type, got Date" },
	{ "S-29", E_OF("{ p: String  @check(p, \"a\") }"), "@check constraint is not supported on edges (edge E)" },
	{ "S-29", "node T { p: I32  @check(p, \"a\") }", "@check on T.p requires String type, got I32" },
};

/* Messages of phase catalog: "catalog error: ". */
static const struct row catalog_rows[] = {
	{ "S-30", "node T {}  node T { p: I32 }", "duplicate node type: T" },
	{ "S-30", E_OF("edge E: T -> T"), "duplicate edge type: E" },
	{ "S-30", "interface I {}  interface I {}", "duplicate interface: I" },
	{ "S-31", "node T {}  edge E: X -> T", "edge E references unknown source type: X" },
	{ "S-31", "node T {}  edge E: T -> X", "edge E references unknown target type: X" },
	{ "S-31", "interface X {}  node T {}  edge E: T -> X", "unknown target type: X" },
	{ "S-31", "node T {}  edge E: E -> T", "unknown source type: E" },
	{ "S-32", "interface I { p: String }  interface J { p: I32 }  node T implements I, J {}",
	  "interfaces contributing 'T.p' have incompatible property semantics" },
	{ "S-32", "interface I { p: String }  interface J { p: String @index }  node T implements I, J {}",
	  "interfaces contributing 'T.p' have incompatible property semantics" },
	{ "S-32", "interface I { p: String @x }  interface J { p: String @x(1) }  node T implements I, J {}",
	  "interfaces contributing 'T.p' have incompatible property semantics" },
	{ "S-33", E_OF("edge Knows: T -> T  edge KNOWS: T -> T"),
	  "edge name collision after case folding: 'KNOWS' conflicts with 'Knows'" },
	{ "S-34", "node T { p: I32  q: I32  p: String }", "duplicate property 'T.p'" },
	{ "S-34", "interface I { p: I32  p: I32 }", "duplicate property 'I.p'" },
	{ "S-34", E_OF("{ p: I32  p: I32 }"), "duplicate property 'E.p'" },
};

static void rows_give(const struct row *rows, size_t n, const char *prefix, enum err_code want)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		enum err_code code;
		const char *msg = schema_error(NULL, rows[i].source, &code);

		if (code == want && !strncmp(msg, prefix, strlen(prefix)) && strstr(msg, rows[i].message) &&
		    strstr(msg, "\n --> "))
			continue;
		fprintf(stderr, "# %s %s\n#   got  %s\n#   want %s\n", rows[i].id, rows[i].source, msg,
			rows[i].message);
		wrong++;
	}
	drop_all();
	CHECK_INT(wrong, 0);
}

static void parse_messages(void)
{
	rows_give(parse_rows, ARRAY_SIZE(parse_rows), "parse error: ", ERR_PARSE);
}

static void catalog_messages(void)
{
	rows_give(catalog_rows, ARRAY_SIZE(catalog_rows), "catalog error: ", ERR_TYPE);
}

/* S-01: every one is refused as syntax, with a position. */
static const char *const bad_syntax[] = {
	"node",
	"node person {}",
	"node Person",
	"node Person {",
	"node Person { name String }",
	"node Person { name: }",
	"node Person { Name: String }",
	"node Person { name: string }",
	"node Person { name: String, age: I32 }",
	"node Person { name: String; }",
	"node Person {} extra",
	"node Persön {}",
	"/* open",
	"/* a /* nested */ */",
	"node T { s: String @check(s, \"open }",
	"\xef\xbb\xbfnode T {}",
	"node T { p: [Vector(3)] }",
	"node T { p: [enum(a)] }",
	"node T { p: [String?] }",
	"node T { p: [[String]] }",
	"node T { p: [] }",
	"node T { p: String?? }",
	"node T { p: enum() }",
	"node T { p: enum(a,) }",
	"node T { p: enum(\"a\") }",
	"node T { p: enum(a.b) }",
	"node T { p: Vector }",
	"node T { p: Vector() }",
	"node T { p: Vector(-1) }",
	"node T { p: Vector(1.5) }",
	"interface I @description(\"x\") { p: String }",
	"interface I implements J { p: String }",
	"interface I { p: String  @unique(p) }",
	"interface I { p: String @unique(p) }",
	"interface I",
	"interface I {}  node T implements I @description(\"x\") {}",
	"interface I {}  node T implements I, {}",
	"interface I {}  node T implements {}",
	"node T @card(0..1) {}",
	"node T { @description(\"x\") }",
	"node T { p: String @embed(model=\"x\") }",
	"node T { p: String @x(1, 2) }",
	"node T { p: String @x() }",
	"node T { p: String @x(1,) }",
	"node T { p: String @x(1, k) }",
	"node T { p: String @X }",
	"node T { p: String @ x }",
	"node T { p: String @x(-1) }",
	"node T { n: F64  @range(n, .5..1) }",
	"node T { n: F64  @range(n, 1e3..) }",
	"node T { n: F64  @range(n, ..) }",
	"node T { n: F64  @unique() }",
	"node T { n: F64  @unique(n,) }",
	"node T { n: F64  @unique(n }",
	E_OF("@description(\"x\") @card(0..1)"),
	E_OF("@card(0..*)"),
	E_OF("@card(..1)"),
	E_OF("@card(-1..1)"),
	E_OF("@unique(src, dst)"),
	"node T {}  edge E T -> T",
	"node T {}  edge E: T - > T",
	"node T {}  edge E: T <- T",
	"node T {}  edge E: T",
};

static void syntax_errors(void)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad_syntax); i++) {
		enum err_code code;
		const char *msg = schema_error(NULL, bad_syntax[i], &code);

		if (code == ERR_PARSE && strstr(msg, "expected") && strstr(msg, "\n --> ") && utf8_valid(str_from(msg)))
			continue;
		fprintf(stderr, "# %s\n#   got  %s\n", bad_syntax[i], msg);
		wrong++;
	}
	drop_all();
	CHECK_INT(wrong, 0);
}

static void position(void)
{
	struct err e = ERR_INIT;
	struct catalog *c;
	struct str src = STR("node Ort {\r\n\t// ü\r\n\tgrüße: String\r\n}\r\n");

	CHECK(catalog_compile(src, NULL, DOMAIN, &c, &e) < 0);
	CHECK_INT(e.line, 3);
	CHECK_INT(e.column, 4);
	CHECK_INT(e.span_start, 23);
	CHECK_STR(err_msg(&e), "parse error: expected ':', found 'üße:'\n --> 3:4\n  | \tgrüße: String\n  | \t  ^");
	err_clear(&e);
}

/* Where the mark stands, for errors that are found when the text has been read. */
static void places(void)
{
	static const struct row rows[] = {
		{ "S-14", "node T\n  implements I {}", "2:14" },
		{ "S-15", "interface I { p: I32 }\nnode T implements I {\n  p: String\n}", "3:3" },
		{ "S-16", "node T\n  @x @key { p: I32 }", "2:7" },
		{ "S-17", E_OF("\n @unique"), "3:3" },
		{ "S-18", "node T @description(\"a\")\n@description(\"b\") {}", "2:2" },
		{ "S-19", "node T { p: I32\n  @instruction(\"x\") }", "2:4" },
		{ "S-20", "node T {\n p: I32 @rename_from }", "2:10" },
		{ "S-21", "node T {\n p: [I32] @index }", "2:12" },
		{ "S-22", E_OF("{\n p: I32 @key }"), "3:10" },
		{ "S-23", "node T {\n p: I32 @index @index }", "2:17" },
		{ "S-24", "node T {\n v: Vector(2)? @embed(x) }", "2:17" },
		{ "S-25", "node T {\n a: I32?\n b: I32\n @key(b, a) }", "4:10" },
		{ "S-26", "node T {\n a: I32\n @unique(a, z) }", "3:13" },
		{ "S-27", "node T {\n a: Blob\n @index(a) }", "3:9" },
		{ "S-28", "node T {\n a: String\n @range(a, 0..1) }", "3:9" },
		{ "S-29", "node T {\n a: I32\n @check(a, \"x\") }", "3:9" },
		{ "S-30", "node T {}\n\nnode T {}", "3:6" },
		{ "S-31", "node T {}\nedge E: T ->\n  X", "3:3" },
		{ "S-32", "interface I { p: String }\ninterface J { p: I32 }\nnode T implements I, J {}", "2:15" },
		{ "S-33", E_OF("\nedge Up: T -> T\nedge UP: T -> T"), "4:6" },
		{ "S-34", "node T {\n z: I32\n a: I32\n z: I32\n}", "4:2" },
	};
	unsigned wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *msg = schema_error(NULL, rows[i].source, NULL);
		const char *want = arena_printf(&texts, "\n --> %s\n  | ", rows[i].message);

		if (strstr(msg, want))
			continue;
		fprintf(stderr, "# %s %s\n#   got  %s\n#   want %s\n", rows[i].id, rows[i].source, msg,
			rows[i].message);
		wrong++;
	}
	drop_all();
	CHECK_INT(wrong, 0);
}

static void long_lines(void)
{
	struct strbuf b = STRBUF_INIT;
	const char *msg;

	sb_addz(&b, "node T @description(\"");
	for (int i = 0; i < 4000; i++)
		sb_addz(&b, "ä€");
	sb_addz(&b, "\") { Ü");
	for (int i = 0; i < 4000; i++)
		sb_addz(&b, "ö");
	msg = schema_error(NULL, b.s, NULL);
	sb_free(&b);
	CHECK(utf8_valid(str_from(msg)));
	CHECK(strlen(msg) < 1000);
	CHECK_HAS(msg, "1:8027");
	CHECK_HAS(msg, "ä€\") { Ü");
	drop_all();
}

static void first_error_wins(void)
{
	/* syntax and S-02..S-12 in source order, then interfaces, then S-16.. per declaration, then S-24.., then catalog */
	CHECK_HAS(schema_error(NULL, "node A { id: I32 }  node B {", NULL), "reserved");
	CHECK_HAS(schema_error(NULL, "node B { p: }  node A { id: I32 }", NULL), "expected");
	CHECK_HAS(schema_error(NULL, "node A implements I {}  node B { v: Vector(0) }", NULL), "dimension");
	CHECK_HAS(schema_error(NULL, "node A @key {}  node B implements I {}", NULL), "unknown interface");
	CHECK_HAS(schema_error(NULL, "node A { @unique(x) }  node B { p: [I32] @index }", NULL), "list property B.p");
	CHECK_HAS(schema_error(NULL, "node A {}  node A {}  node B { @unique(x) }", NULL), "unknown property 'x'");
	CHECK_HAS(schema_error(NULL, "edge E: A -> A  node B {}  node B {}", NULL), "duplicate node type: B");
	CHECK_HAS(schema_error(NULL, "edge E: A -> A  node B { p: I32  p: I32 }", NULL), "unknown source type: A");
	drop_all();
}

static void reserved_lookalikes(void)
{
	struct catalog *c =
		schema("node T { _row_id: String  _ROWID: String?  src: I32?  dst: I32?  _tombstone: Bool? }\n"
		       "interface I { src: String }\nedge E: T -> T { from: I32?  to: I32? }");

	CHECK(c);
	CHECK(prop_of(c, "T", "_row_id") && prop_of(c, "T", "_ROWID") && prop_of(c, "E", "from"));
	drop_all();
}

static void odd_but_legal(void)
{
	static const char *const sources[] = {
		"",
		"// nothing\n/* at all */\n",
		"nodePerson{}",
		"node T{a:String b:I32?c:Bool}",
		("node T { type: String  node: I32  when: Date  kind: Bool  edge: F32  enum: F64  interface: I64  "
		 "implements: U32 }"),
		"node T { s: enum(phase-1, 1-2, -x, 2024, Upper, true)? }",
		"node T { l: [ String ]?  v: Vector ( 3 ) ?  e: enum ( a , b ) ? }",
		"interface I {}  interface J {}  node T @x implements I , J, I {}",
		"node T { true_north: F64  @range(true_north, -5..5) }",
		"node T { n: F64  @range(n, 0.5..)  @range(n, ..10)  @range(n, -1 .. 2.25, whatever) }",
		"node T { n: [I32]  s: [String]?  @range(n, 0..1)  @check(s, \"[\") }",
		"node T { @unique(b, a)  a: [I32]  b: Vector(2) }",
		"node T { s: String @range  @check(s, \"a\\\"b\\\\c\\n\\r\\td\nraw\") }",
		"node T {}  edge E: T->T@card(0..)@x @y(\"z\", a=1, a=2.5, b=true){}  edge F: T -> T",
		"node T {}  edge E: T -> T @card(4294967295..4294967295)",
		"node T {}  edge E: T -> T @x @card(1)",
		"node A {}  edge A: A -> A  interface A {}",
		"interface I { p: [String] @key @nonsense @embed(zzz) @instruction(\"never judged\") }",
	};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		CHECK(schema(sources[i]));
	drop_all();
}

static void limits(void)
{
	struct strbuf b = STRBUF_INIT;
	const char *msg;

	sb_addz(&b, "node T { e: enum(v");
	for (int i = 0; i < 16384; i++)
		sb_addf(&b, ", v%d", i);
	sb_addz(&b, ") }");
	msg = schema_error(NULL, b.s, NULL);
	CHECK_HAS(msg, "an enum has at most 16384 values");
	sb_reset(&b);
	sb_addz(&b, "node T { ");
	for (int i = 0; i < 4097; i++)
		sb_addf(&b, "p%d: I32 ", i);
	sb_addz(&b, "}");
	msg = schema_error(NULL, b.s, NULL);
	CHECK_HAS(msg, "a type has at most 4096 properties");
	sb_reset(&b);
	sb_addz(&b, "interface I { ");
	for (int i = 0; i < 4000; i++)
		sb_addf(&b, "p%d: I32 ", i);
	sb_addz(&b, "}\n");
	for (int i = 0; i < 100; i++)
		sb_addf(&b, "node N%d implements I {}\n", i);
	msg = schema_error(NULL, b.s, NULL);
	CHECK_HAS(msg, "the interfaces contribute more than 262144 properties in all");
	sb_reset(&b);
	for (int i = 0; i < 5 << 20; i++)
		sb_addch(&b, ' ');
	msg = schema_error(NULL, b.s, NULL);
	CHECK_HAS(msg, "the schema has 5242880 bytes");
	sb_free(&b);
	drop_all();
}

static void not_utf8(void)
{
	CHECK_HAS(schema_error(NULL, "node T { s: String @x(\"\xc3\x28\") }", NULL), "UTF-8");
	drop_all();
}

CHECK_MAIN("engine/schema/errors",
	   { "SCH-49 SCH-48 every row S-02 to S-29 of section 13 gives its message", parse_messages },
	   { "SCH-49 SCH-47 every row S-30 to S-34 of section 13 gives its message", catalog_messages },
	   { "SCH-49 SCH-50 grammar violations (S-01) say what was expected and where", syntax_errors },
	   { "SCH-49 a syntax error shows line, column in characters, the offending line and a mark", position },
	   { "SCH-49 errors of meaning show line and column, too, at the word that is wrong", places },
	   { "SCH-49 an error in a very long line shows a piece of it, cut between characters", long_lines },
	   { "SCH-49 the first error in the order of section 13 wins", first_error_wins },
	   { "SCH-48 _row_id, _ROWID, and src on a node are no reserved names", reserved_lookalikes },
	   { "SCH-01 SCH-62 odd but legal schemas compile", odd_but_legal },
	   { "oversized schemas are refused, saying which limit", limits },
	   { "text that is not UTF-8 is refused", not_utf8 }, )
