/* SPDX-License-Identifier: MIT */
#include "schema_test.h"

struct row {
	const char *src, *want;
};

/* Also: the message begins with the phase, and the code is the one that belongs to it. */
static void all_refused(const char *prefix, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct catalog *c = NULL;
		struct err e = ERR_INIT;

		refused(rows[i].src, rows[i].want);
		CHECK(catalog_compile(str_from(rows[i].src), NULL, TEST_DOMAIN, &c, &e) != 0);
		CHECK_MSG(!strncmp(err_msg(&e), prefix, strlen(prefix)), "no '%s' in front: %s", prefix, err_msg(&e));
		err_clear(&e);
	}
}

#define REFUSED(rows) all_refused("parse error: ", (rows), ARRAY_SIZE(rows))
#define REFUSED_CATALOG(rows) all_refused("catalog error: ", (rows), ARRAY_SIZE(rows))

static void accepted(const char *src)
{
	catalog_put(compiled(src));
}

static void grammar(void)
{
	static const struct row rows[] = {
		{ "nodes Person {}", "" },
		{ "node person {}", "type name" },
		{ "node Person", "'{'" },
		{ "node Person { name String }", "':'" },
		{ "node Person { name: Text }", "expected a type" },
		{ "node Person { name: string }", "expected a type" },
		{ "node Person { Name: String }", "expected" },
		{ "node Person { name: String; }", "expected" },
		{ "node Person { name: String, age: I32 }", "expected" },
		{ "node Person { name: String", "end of the text" },
		{ "node P\xc3\xa9 {}", "expected" },
		{ "node P { \xc3\xa9: String }", "expected" },
		{ "node P { v: [Vector(3)] }", "scalar" },
		{ "node P { v: [enum(a)] }", "scalar" },
		{ "node P { v: [String?] }", "']'" },
		{ "node P { v: [[String]] }", "scalar" },
		{ "node P { v: enum() }", "enum value" },
		{ "node P { v: enum(a,) }", "enum value" },
		{ "node P { v: enum(\"a\") }", "enum value" },
		{ "node P { v: Vector() }", "integer" },
		{ "node P { v: Vector(-1) }", "integer" },
		{ "node P { v: Vector(1.5) }", "')'" },
		{ "node P { a: String @key() }", "" },
		{ "node P { a: String @note() }", "value" },
		{ "node P { a: String @note(1e5) }", "" },
		{ "node P { a: String @note(.5) }", "" },
		{ "node P { v: Vector(2) b: String @embed(model=\"x\") }", "" },
		{ "node P { v: Vector(2) b: String @embed(b, \"x\") }", "argument name" },
		{ "node P { a: String @unique(a,) }", "" },
		{ "node P { a: String @card(0..1) }", "" },
		{ "node P @card(0..1) {}", "" },
		{ "interface I @note { a: String }", "'{'" },
		{ "interface I implements J { a: String }", "'{'" },
		{ "interface I { a: String @unique(a) }", "" },
		{ "node P implements I @note {}", "'{'" },
		{ "node P implements {}", "type name" },
		{ "edge E P -> P", "':'" },
		{ "edge E: P > P", "'->'" },
		{ "edge E: P -> P @card(0..1..2)", "" },
		{ "edge E: P -> P @card(..1)", "" },
		{ "/* open", "not closed" },
		{ "node P { a: String @note(\"open) }", "not closed" },
		{ "\xef\xbb\xbfnode P {}", "expected" },
		{ "/* a /* b */ c */", "expected" },
	};

	REFUSED(rows);
}

static void positions(void)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	CHECK(catalog_compile(STR("node A { name: String }\n\n  node B {\n    age: Int @key\n}\n"), NULL, TEST_DOMAIN, &c,
			      &e) != 0);
	CHECK_INT(e.code, ERR_PARSE);
	CHECK_INT(e.line, 4);
	CHECK_INT(e.column, 10);
	CHECK_HAS(err_msg(&e), "4:10");
	CHECK_HAS(err_msg(&e), "    age: Int @key");
	CHECK_HAS(err_msg(&e), "expected");
	err_clear(&e);
}

static void legal(void)
{
	accepted("");
	accepted("// nothing\n/* here */");
	accepted("nodePerson{}");
	accepted("node P { type: String  node: String  when: String  kind: String  edge: String  enum: String }");
	accepted("node P { a: [String]?  b: Vector(3)?  c: enum(a, b)?  d: enum(phase-1, 1-2, -x, 2024) }");
	accepted("node P { a: F64  b: I32 @range(a, 0.5..) @range(a, ..9) @range(a, -1..5) @range(b, 0..5) }");
	accepted("node P { a: F64 @range(a, 0..1, 7) @check(s, \"x\", \"y\") s: String }");
	accepted("node P { @unique(b, a) a: String @key(a) b: String }");
	accepted("node P { a: String @note(\"say \\\"hi\\\" \\\\ \\n \\r \\t\") b: String @w(true) c: String @x(1.5, k=2) }");
	accepted("node P { a: String @check(a, \"(((\") }");
	accepted("node P { v: Vector(2147483647) }");
	accepted("edge E: A -> A node A {}");
	accepted("edge E: A -> A @card(0..) node A {}");
	accepted("edge E: A -> A @card(0..4294967295) { w: F64? } node A {}");
	accepted("node A @card(1) {}");
}

static void reserved(void)
{
	static const struct row rows[] = {
		{ "node P { id: String }", "property name 'id' is reserved" },
		{ "interface I { id: String }", "property name 'id' is reserved" },
		{ "edge E: P -> P { id: String } node P {}", "property name 'id' is reserved" },
		{ "edge E: P -> P { src: String } node P {}", "property name 'src' is reserved" },
		{ "edge E: P -> P { dst: String } node P {}", "property name 'dst' is reserved" },
		{ "node P { _rowid: I64 }", "property name '_rowid' is reserved" },
		{ "node P { _rowid: I64 }", "exported" },
		{ "node P { _rowaddr: I64 }", "property name '_rowaddr' is reserved" },
		{ "interface I { _rowoffset: I64 }", "property name '_rowoffset' is reserved" },
		{ "edge E: P -> P { _row_created_at_version: I64 } node P {}",
		  "property name '_row_created_at_version' is reserved" },
		{ "node P { _row_last_updated_at_version: I64 }",
		  "property name '_row_last_updated_at_version' is reserved" },
	};

	REFUSED(rows);
	accepted("node P { _row_id: I64  _ROWID: I64  _tombstone: Bool  src: String  dst: String }");
	accepted("edge E: P -> P { from: String  to: String  _tombstone: Bool } node P {}");
}

static void types(void)
{
	static const struct row rows[] = {
		{ "node P { v: Vector(0) }", "Vector dimension must be greater than zero" },
		{ "node P { v: Vector(2147483648) }", "Vector dimension 2147483648 exceeds maximum supported 2147483647" },
		{ "node P { v: Vector(4294967295) }", "Vector dimension 4294967295 exceeds maximum supported 2147483647" },
		{ "node P { v: Vector(4294967296) }", "invalid Vector dimension" },
		{ "node P { v: Vector(99999999999999999999) }", "invalid Vector dimension" },
		{ "node P { b: [Blob] }", "list of Blob is not supported" },
		{ "node P { s: enum(a, b, a) }", "enum type cannot include duplicate values" },
		{ "node P { s: String @note(\"a\\q\") }", "unsupported escape sequence: \\q" },
	};

	REFUSED(rows);
}

static void header_bounds(void)
{
	static const struct row rows[] = {
		{ "node A {} edge E: A -> A @card(2..1)", "cardinality min (2) exceeds max (1)" },
		{ "node A {} edge E: A -> A @card(4294967296..)", "invalid cardinality min: " },
		{ "node A {} edge E: A -> A @card(0..4294967296)", "invalid cardinality max: " },
	};

	REFUSED(rows);
}

static void constraint_arguments(void)
{
	static const struct row rows[] = {
		{ "node P { a: I32 @range(a) }", "@range requires property name and bounds" },
		{ "node P { a: I32 @range(a, 5) }", "expected range bounds (min..max) in @range constraint" },
		{ "node P { a: I32 @range(a, \"x\") }", "expected range bounds (min..max) in @range constraint" },
		{ "node P { a: String @check(a) }", "@check requires property name and pattern" },
		{ "node P { a: String @check(a, 5) }", "expected string argument in constraint" },
		{ "node P { a: String @check(a, b) }", "expected string argument in constraint" },
		{ "node P { email: String @unique(\"x\") }", "expected property name in constraint" },
		{ "node P { a: String @key(5) }", "expected property name in constraint" },
		{ "node P { a: String @index(true) }", "expected property name in constraint" },
		{ "node P { a: I32 @range(1..2, 0..5) }", "expected property name in constraint" },
		{ "node P { a: String @check(\"a\", \"b\") }", "expected property name in constraint" },
	};

	REFUSED(rows);
}

static void interfaces(void)
{
	static const struct row rows[] = {
		{ "node P implements I {}", "node P implements unknown interface 'I'" },
		{ "node P implements Q {} node Q {}", "node P implements unknown interface 'Q'" },
		{ "interface I { a: String } node P implements I { a: I32 }",
		  "node P property 'a' has type I32 but interface I declares it as String" },
		{ "interface I { a: String? } node P implements I { a: String }",
		  "node P property 'a' has type String but interface I declares it as String?" },
		{ "interface I { a: enum(x, y) } node P implements I { a: enum(x) }",
		  "node P property 'a' has type enum(x) but interface I declares it as enum(x, y)" },
		{ "interface I { a: [String] } node P implements I { a: Vector(8) }",
		  "node P property 'a' has type Vector(8) but interface I declares it as [String]" },
	};
	static const struct row clash[] = {
		{ "interface I { a: String } interface J { a: I32 } node P implements I, J {}",
		  "interfaces contributing 'P.a' have incompatible property semantics" },
		{ "interface I { a: String @index } interface J { a: String } node P implements I, J {}",
		  "interfaces contributing 'P.a' have incompatible property semantics" },
		{ "interface I { a: String @note(1) } interface J { a: String @note(2) } node P implements I, J {}",
		  "interfaces contributing 'P.a' have incompatible property semantics" },
	};

	REFUSED(rows);
	REFUSED_CATALOG(clash);
	accepted("interface I { a: String @index } interface J { a: String @index } node P implements I, J, I {}");
	accepted("interface I { a: String @rename_from(b) } interface J { a: String } node P implements I, J {}");
	accepted("interface I { a: String @description(\"\") @instruction }"); /* judged through the nodes */
}

static void headers(void)
{
	static const struct row rows[] = {
		{ "node P @key {}", "@key is only supported on node properties or as body constraint (node P)" },
		{ "node P @unique {}", "@unique is only supported on node properties or as body constraint (node P)" },
		{ "node P @index {}", "@index is only supported on node properties or as body constraint (node P)" },
		{ "node P @embed(a) {}", "@embed is only supported on node properties or as body constraint (node P)" },
		{ "node P {} edge E: P -> P @key", "@key is not supported on edges (edge E)" },
		{ "node P {} edge E: P -> P @unique", "@unique is not supported on edges (edge E)" },
		{ "node P {} edge E: P -> P @index", "@index is not supported on edges (edge E)" },
		{ "node P {} edge E: P -> P @embed(x)", "@embed is not supported on edges (edge E)" },
		{ "node P @description(\"a\") @description(\"b\") {}", "node P declares @description multiple times" },
		{ "node P @instruction(\"a\") @instruction(\"b\") {}", "node P declares @instruction multiple times" },
		{ "node P @description(\"  \") {}", "@description on node P requires a non-empty value" },
		{ "node P @description {}", "@description on node P requires a non-empty value" },
		{ "node P {} edge E: P -> P @instruction(\"\")", "@instruction on edge E requires a non-empty value" },
		{ "node P { a: String @description }", "@description on property P.a requires a non-empty value" },
		{ "node P { a: String @description(\"a\") @description(\"b\") }",
		  "property P.a declares @description multiple times" },
		{ "node P { a: String @instruction(\"x\") }",
		  "@instruction is only supported on node and edge types (property P.a)" },
	};

	REFUSED(rows);
}

static void rename_hints(void)
{
	static const struct row rows[] = {
		{ "node P @rename_from(\"A\") @rename_from(\"B\") {}", "declares @rename_from multiple times" },
		{ "node P @rename_from {}", "@rename_from on node P requires exactly one non-empty positional value" },
		{ "node P @rename_from(\" \") {}",
		  "@rename_from on node P requires exactly one non-empty positional value" },
		{ "node P @rename_from(\"A\", k=1) {}", "does not accept keyword arguments" },
		{ "node P { a: String @rename_from(\"x\") @rename_from(\"y\") }", "declares @rename_from multiple times" },
		{ "node P { a: String @rename_from }", "requires exactly one non-empty positional value" },
		{ "interface I { a: String @rename_from }", "requires exactly one non-empty positional value" },
		{ "node P {} edge E: P -> P { a: String @rename_from(x, k=true) }",
		  "does not accept keyword arguments" },
	};

	REFUSED(rows);
}

static void property_words(void)
{
	static const struct row rows[] = {
		{ "node P { a: [String] @index }", "@index is not supported on list property P.a" },
		{ "node P { a: [String] @key }", "@key is not supported on list property P.a" },
		{ "node P { a: [I32] @unique }", "@unique is not supported on list property P.a" },
		{ "node P { a: Vector(3) @key }", "@key is not supported on vector property P.a" },
		{ "node P { a: Vector(3) @unique }", "@unique is not supported on vector property P.a" },
		{ "node P { a: Blob @index }", "@index is not supported on blob property P.a" },
		{ "node P { a: Blob @key }", "@key is not supported on blob property P.a" },
		{ "node P { a: Blob @unique }", "@unique is not supported on blob property P.a" },
		{ "node P {} edge E: P -> P { a: [String] @index }", "@index is not supported on list property E.a" },
		{ "node P {} edge E: P -> P { a: String @key }", "@key is not supported on edge properties (edge E.a)" },
		{ "node P {} edge E: P -> P { a: Vector(2) @embed(b) b: String }",
		  "@embed is not supported on edge properties (edge E.a)" },
		{ "node P { a: String @key @key }", "property P.a declares @key multiple times" },
		{ "node P { a: String @unique @unique }", "property P.a declares @unique multiple times" },
		{ "node P { a: String @index @index }", "property P.a declares @index multiple times" },
		{ "node P { b: String a: Vector(2) @embed(b) @embed(b) }", "property P.a declares @embed multiple times" },
	};

	REFUSED(rows);
	accepted("node P { a: Vector(3) @index }");
	accepted("node P {} edge E: P -> P { a: String @unique @index }");
}

static void embed(void)
{
	static const struct row rows[] = {
		{ "node P { b: String a: I32 @embed(b) }", "@embed is only supported on vector properties (P.a)" },
		{ "node P { b: String a: Vector(2) @embed }", "requires a source property name" },
		{ "node P { b: String a: Vector(2) @embed(\"\") }", "requires a non-empty source property name" },
		{ "node P { b: String a: Vector(2) @embed(x) }", "references unknown source property x" },
		{ "node P { x: I32 a: Vector(2) @embed(x) }", "@embed source property P.x must be String" },
		{ "node P { x: [String] a: Vector(2) @embed(x) }", "@embed source property P.x must be String" },
		{ "node P { b: String a: Vector(2) @embed(b, k=1) }",
		  "has unknown argument 'k=' (only 'model' is supported)" },
	};

	REFUSED(rows);
	accepted("interface I { b: String } node P implements I { a: Vector(2) @embed(b, model=\"x\", model=\"y\") }");
	accepted("node P { b: String a: Vector(2) @embed(\"b\") }");
}

static void keys(void)
{
	static const struct row rows[] = {
		{ "node P {} edge E: P -> P { a: String @key(a) }", "@key constraint is not supported on edges (edge E)" },
		{ "node P { a: String @key b: String @key }",
		  "node type P has multiple @key constraints; only one is supported" },
		{ "node P { a: String @key b: String @key(b) }",
		  "node type P has multiple @key constraints; only one is supported" },
		{ "node P { a: String @key(a) b: String @key(b, a) }",
		  "node type P has multiple @key constraints; only one is supported" },
		{ "node P { a: String? @key }", "@key property P.a cannot be nullable" },
		{ "node P { a: String? @key(a) }", "@key property P.a cannot be nullable" },
		{ "node P { a: [String] @key(a) }", "@key is not supported on list property P.a" },
		{ "node P { a: Vector(2) @key(a) }", "@key is not supported on vector property P.a" },
		{ "node P { a: Blob @key(a) }", "@key is not supported on blob property P.a" },
		{ "node P { a: Blob @unique(a) }", "@unique is not supported on blob property P.a" },
		{ "node P { b: String a: Blob @index(a, b) }", "@index is not supported on blob property P.a" },
	};

	REFUSED(rows);
	accepted("node P { a: [String] v: Vector(2) @unique(a) @unique(v) @index(a) }");
}

static void members(void)
{
	static const struct row rows[] = {
		{ "node T { @key(x) }", "@key on T references unknown property 'x'" },
		{ "node T { @unique(x) }", "@unique on T references unknown property 'x'" },
		{ "node T { @index(x) }", "@index on T references unknown property 'x'" },
		{ "node T { @range(x, 0..1) }", "@range on T references unknown property 'x'" },
		{ "node T { @check(x, \"a\") }", "@check on T references unknown property 'x'" },
		{ "node T { @unique(id) }", "@unique on T references unknown property 'id'" },
		{ "node T { @unique(src) }", "@unique on T references unknown property 'src'" },
		{ "node P {} edge T: P -> P { @unique(src, id) }", "@unique on T references unknown property 'id'" },
		{ "node P {} edge E: P -> P { a: I32 @range(a, 0..1) }",
		  "@range constraint is not supported on edges (edge E)" },
		{ "node P { a: String @range(a, 0..1) }", "@range on P.a requires a numeric type, got String" },
		{ "node P { a: Date @range(a, 0..1) }", "@range on P.a requires a numeric type, got Date" },
		{ "node P {} edge E: P -> P { a: String @check(a, \"x\") }",
		  "@check constraint is not supported on edges (edge E)" },
		{ "node P { a: I32 @check(a, \"x\") }", "@check on P.a requires String type, got I32" },
	};

	REFUSED(rows);
	accepted("node P {} edge E: P -> P { a: String @unique(src, dst) @index(src, a) }");
	accepted("node P { a: [I32] @range(a, 0..1) b: [String] @check(b, \"x\") c: enum(u, v) @check(c, \"x\") }");
}

static void catalog_errors(void)
{
	static const struct row rows[] = {
		{ "node T {} node T {}", "duplicate node type: T" },
		{ "node P {} edge T: P -> P edge T: P -> P", "duplicate edge type: T" },
		{ "interface T {} interface T {}", "duplicate interface: T" },
		{ "node P {} edge E: T -> P", "edge E references unknown source type: T" },
		{ "node P {} edge E: P -> T", "edge E references unknown target type: T" },
		{ "interface T {} node P {} edge E: P -> T", "unknown target type: T" },
		{ "node P {} edge Knows: P -> P edge KNOWS: P -> P",
		  "edge name collision after case folding: 'KNOWS' conflicts with 'Knows'" },
		{ "node T { p: String p: I32 }", "duplicate property 'T.p'" },
		{ "interface T { p: String p: String }", "duplicate property 'T.p'" },
		{ "node P {} edge T: P -> P { p: String p: String }", "duplicate property 'T.p'" },
	};

	REFUSED_CATALOG(rows);
	accepted("node T {} edge T: T -> T interface T {}");
}

static void first_error_wins(void)
{
	refused("node P implements Nope { a: String  a: I32  b: Vector(0) }", "Vector dimension must be greater than zero");
	refused("node P @key implements Nope {} node P {}", "implements unknown interface");
	refused("node P @key { a: String? @key(a) } node P {}", "@key is only supported on node properties");
	refused("node P { a: String? @key(a) } node P {}", "cannot be nullable");
}

static void card_place(void)
{
	refused("node A {} edge E: A -> A @note(\"x\") @card(0..1)", "parse error: ");
	refused("node A {} edge E: A -> A @card(0..*)", "parse error: ");
	refused("node A @card(0..1) {}", "parse error: ");
	accepted("node A {} edge E: A -> A @card(0..1) @note(\"x\")");
}

static void body_constraint_on_a_property_line(void)
{
	struct catalog *c = compiled("node P { a: String b: String @key(a) }");
	const struct type *t = catalog_node(c, STR("P"));

	CHECK_INT(t->key.n, 1);
	CHECK_INT(t->key.members[0], 0);
	CHECK(!t->props[0].key && !t->props[1].key);
	catalog_put(c);
	c = compiled("node P { a: String @key b: String }");
	CHECK(catalog_node(c, STR("P"))->props[0].key);
	catalog_put(c);
	refused("node P { email: String @unique(\"x\") }", "expected property name in constraint");
}

static void injected_words(void)
{
	struct catalog *c = compiled("interface I { a: String @key @index  b: String? @index @description(\"d\") }\n"
				     "node P implements I {}\n"
				     "node Q implements I { a: String  b: String? }\n");
	const struct type *p = catalog_node(c, STR("P")), *q = catalog_node(c, STR("Q"));

	CHECK_INT(p->n_props, 2);
	CHECK_INT(p->key.n, 1);
	CHECK(p->props[0].index_ && p->props[1].index_);
	CHECK_INT(p->n_indexes, 2);
	CHECK_STR(p->props[1].description, "d");
	CHECK_INT(q->n_props, 2);
	CHECK_INT(q->key.n, 0);
	CHECK(!q->props[0].index_ && !q->props[1].index_);
	CHECK_INT(q->n_indexes, 0);
	CHECK(!q->props[1].description);
	catalog_put(c);
}

CHECK_MAIN("engine/schema/errors",
	   { "SCH-49 S-01 text outside the grammar is refused with what was expected", grammar },
	   { "SCH-49 S-01 a syntax error shows line, column and the source line", positions },
	   { "SCH-49 legal spellings at the edges of the grammar are accepted", legal },
	   { "SCH-48 SCH-49 S-02 reserved property names are refused, lookalikes accepted", reserved },
	   { "SCH-49 S-03 to S-07 types, enum values, escapes", types },
	   { "SCH-49 S-08 cardinality bounds", header_bounds },
	   { "SCH-49 S-09 to S-12 constraint arguments", constraint_arguments },
	   { "SCH-49 S-14 S-15 S-32 interfaces", interfaces },
	   { "SCH-49 S-16 to S-19 annotations of headers and metadata", headers },
	   { "SCH-49 S-20 rename hints", rename_hints },
	   { "SCH-49 S-21 to S-23 property-level constraints", property_words },
	   { "SCH-49 S-24 embed", embed },
	   { "SCH-49 S-25 S-27 keys and blob members", keys },
	   { "SCH-49 S-26 S-28 S-29 members, ranges and checks", members },
	   { "SCH-49 SCH-47 S-30 S-31 S-33 S-34 catalog errors", catalog_errors },
	   { "SCH-49 of several errors the one of section 13's order is reported", first_error_wins },
	   { "SCH-50 @card after another annotation and 0..* are syntax errors", card_place },
	   { "SCH-51 @key( on a property's line is a body constraint", body_constraint_on_a_property_line },
	   { "SCH-52 injected properties carry @key and @index, declared ones do not inherit", injected_words },
)
