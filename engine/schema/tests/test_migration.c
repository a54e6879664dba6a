/* SPDX-License-Identifier: MIT */
#include "schema_test.h"

/* The plan from @old to @new as JSON; valid until the next call. */
static const char *plan_mode(const char *old, const char *new, bool hard)
{
	static char text[16384];
	struct catalog *a = compiled(old), *b = NULL;
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	bool supported;
	int rc = schema_plan(a, str_from(new), hard, &out, &supported, &b, &e);

	CHECK_MSG(rc == 0, "%s", err_msg(&e));
	CHECK(supported == !strncmp(out.s, "{\"supported\":true,", 18));
	CHECK(supported == !strstr(out.s, "\"kind\":\"unsupported_change\""));
	CHECK((b != NULL) == supported);
	snprintf(text, sizeof(text), "%s", out.s);
	sb_free(&out);
	catalog_put(a);
	catalog_put(b);
	return text;
}

static const char *plan(const char *old, const char *new)
{
	return plan_mode(old, new, false);
}

static const char *human(const char *old, const char *new, bool hard)
{
	static char text[16384];
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	CHECK(!schema_plan_text(str_from(plan_mode(old, new, hard)), &out, &e));
	snprintf(text, sizeof(text), "%s", out.s);
	sb_free(&out);
	return text;
}

#define GOOD(steps) "{\"supported\":true,\"steps\":[" steps "]}"
#define BAD(steps) "{\"supported\":false,\"steps\":[" steps "]}"
#define NO(entity, reason) "{\"kind\":\"unsupported_change\",\"entity\":\"" entity "\",\"reason\":\"" reason "\"}"
#define NO_CODE(entity, reason, code) \
	"{\"kind\":\"unsupported_change\",\"entity\":\"" entity "\",\"reason\":\"" reason "\",\"code\":\"" code "\"}"
#define V1 " is not supported in schema migration v1"
#define RETYPED(entity, prop) NO_CODE(entity, "changing property type for '" prop "'" V1, "OG-MF-106")

static void zero_steps(void)
{
	static const char s[] =
		"interface I { o: String? } node A implements I { k: String @key e: enum(a, b)? } edge E: A -> A";

	CHECK_STR(plan(s, s), GOOD(""));
	CHECK_STR(plan(s,
		       "// c\nedge E: A -> A\nnode A implements I { e: enum(b, a)?  k: String @key }\ninterface I { o: "
		       "String? }"),
		  GOOD(""));
	CHECK_STR(plan("", ""), GOOD(""));
	CHECK_STR(plan("node A {}", "node A @rename_from(\"A\") {}"), GOOD(""));
}

static void required_property(void)
{
	CHECK_STR(plan("node P {}", "node P { nick: String }"),
		  BAD(NO_CODE("node:P.nick", "adding required property 'P.nick' requires a backfill and" V1,
			      "OG-MF-103")));
	CHECK_STR(plan("node P {} edge E: P -> P", "node P {} edge E: P -> P { w: I32 }"),
		  BAD(NO_CODE("edge:E.w", "adding required property 'E.w' requires a backfill and" V1, "OG-MF-103")));
}

static void retyped(const char *from, const char *to)
{
	char old[256], new[256];

	snprintf(old, sizeof(old), "node T { p: %s }", from);
	snprintf(new, sizeof(new), "node T { p: %s }", to);
	CHECK_STR(plan(old, new), BAD(RETYPED("node:T.p", "T.p")));
}

static void type_changes(void)
{
	retyped("I32", "I64");
	retyped("I64", "I32");
	retyped("String", "String?");
	retyped("String?", "String");
	retyped("String", "[String]");
	retyped("[String]", "String");
	retyped("Vector(2)", "Vector(3)");
	retyped("F32", "F64");
	retyped("Date", "DateTime");
	retyped("String", "Blob");
}

static void enums(void)
{
	retyped("enum(a, b)", "enum(a)");
	retyped("enum(a, b)", "enum(a, c)");
	retyped("enum(a, b)", "String");
	retyped("String", "enum(a, b)");
	retyped("enum(a)", "enum(a, b)?");
	CHECK_STR(plan("node T { p: enum(b, a) }", "node T { p: enum(a, b) }"), GOOD(""));
	CHECK_STR(plan("node Job { state: enum(open) }", "node Job { state: enum(void, open, held) }"),
		  GOOD("{\"kind\":\"extend_enum\",\"type_kind\":\"node\",\"type_name\":\"Job\",\"property_name\":"
		       "\"state\","
		       "\"added_values\":[\"held\",\"void\"]}"));
}

static void names_the_entity(void)
{
	CHECK_STR(plan("node Person { age: I32 }", "node Person { age: I64 }"),
		  BAD(RETYPED("node:Person.age", "Person.age")));
}

static void drops(void)
{
	static const char old[] = "node A { x: String? y: String? } node B {} edge E: A -> A";

	CHECK_STR(plan(old, "node A { x: String? }"),
		  GOOD("{\"kind\":\"drop_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"y\","
		       "\"mode\":"
		       "\"soft\"},{\"kind\":\"drop_type\",\"type_kind\":\"node\",\"name\":\"B\",\"mode\":\"soft\"},{"
		       "\"kind\":"
		       "\"drop_type\",\"type_kind\":\"edge\",\"name\":\"E\",\"mode\":\"soft\"}"));
	CHECK_STR(plan_mode(old, "node A { x: String? z: I32? }", true),
		  GOOD("{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"z\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":false,\"enum_values\":null}},{"
		       "\"kind\":"
		       "\"drop_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"y\",\"mode\":"
		       "\"hard\"},{"
		       "\"kind\":\"drop_type\",\"type_kind\":\"node\",\"name\":\"B\",\"mode\":\"hard\"},{\"kind\":"
		       "\"drop_type\","
		       "\"type_kind\":\"edge\",\"name\":\"E\",\"mode\":\"hard\"}"));
}

static void dropped_with_constraint(void)
{
	static const char *const old[] = { "node A { x: String? @index y: String? }",
					   "node A { x: String? y: String? @index(x) }",
					   "node A { x: String? y: String? @unique(x, y) }",
					   "node A { x: String? y: String? @check(x, \"a\") }" };

	for (size_t i = 0; i < ARRAY_SIZE(old); i++)
		CHECK_STR(plan(old[i], "node A { y: String? }"),
			  BAD("{\"kind\":\"drop_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_"
			      "name\":\"x\","
			      "\"mode\":\"soft\"}," NO("node:A", "removing constraints from 'A'" V1)));
}

#define INDEX(kind, type, members)                                                      \
	"{\"kind\":\"add_constraint\",\"type_kind\":\"" kind "\",\"type_name\":\"" type \
	"\",\"constraint\":{\"Index\":[" members "]}}"

static void index_added(void)
{
	static const char bare[] = "node P { age: I32 name: String }";

	CHECK_STR(plan(bare, "node P { age: I32 @index name: String }"), GOOD(INDEX("node", "P", "\"age\"")));
	CHECK_STR(plan(bare, "node P { age: I32 name: String @index(age) }"), GOOD(INDEX("node", "P", "\"age\"")));
	CHECK_STR(plan(bare, "node P { age: I32 @index name: String @index(age) }"),
		  GOOD(INDEX("node", "P", "\"age\"")));
	CHECK_STR(plan(bare, "node P { age: I32 name: String @index(name, age) }"),
		  GOOD(INDEX("node", "P", "\"age\",\"name\"")));
	CHECK_STR(plan("node P {} edge E: P -> P", "node P {} edge E: P -> P { @index(src, dst) }"),
		  GOOD(INDEX("edge", "E", "\"dst\",\"src\"")));
	CHECK_STR(plan("node P { a: I32? }", "node P { a: I32? b: I32? @index }"),
		  GOOD("{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"P\",\"property_name\":\"b\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":false,\"enum_values\":null}}"
		       "," INDEX("node", "P", "\"b\"")));
	/* from body level to property level it is an addition, the other way a removal */
	CHECK_STR(plan("node P { age: I32 @index(age) }", "node P { age: I32 @index }"),
		  GOOD(INDEX("node", "P", "\"age\"")));
	CHECK_STR(plan("node P { age: I32 @index }", "node P { age: I32 @index(age) }"),
		  BAD(NO("node:P.age", "removing property constraints from 'P.age'" V1)));
}

static void constraints_added(void)
{
	CHECK_STR(plan("node P { a: String }", "node P { a: String @unique }"),
		  BAD(NO("node:P.a", "adding a property-level @unique constraint to 'P.a'" V1) "," NO(
			  "node:P", "adding constraint 'unique:property:1:2' to 'P'" V1)));
	CHECK_STR(plan("node P { a: String }", "node P { a: String @key }"),
		  BAD(NO("node:P.a", "adding a property-level @key constraint to 'P.a'" V1) "," NO(
			  "node:P", "adding constraint 'key:property:1:2' to 'P'" V1)));
	CHECK_STR(plan("node P { a: String b: String }", "node P { a: String b: String @unique(b, a) }"),
		  BAD(NO("node:P", "adding constraint 'unique:property:1:2,3' to 'P'" V1)));
	CHECK_HAS(plan("node P { a: I32 }", "node P { a: I32 @range(a, 0..5) }"),
		  "adding constraint 'range:property:1:2");
	CHECK_HAS(plan("node P { a: String }", "node P { a: String @check(a, \"x\") }"),
		  "adding constraint 'check:property:1:2");
	CHECK_STR(plan("node P {} edge E: P -> P", "node P {} edge E: P -> P @card(0..1)"),
		  BAD(NO("edge:E", "changing cardinality on edge 'E'" V1)));
	CHECK_STR(plan("node P {} edge E: P -> P @card(0..1)", "node P {} edge E: P -> P"),
		  BAD(NO("edge:E", "changing cardinality on edge 'E'" V1)));
	CHECK_STR(plan("node P { a: String @unique }", "node P { a: String }"),
		  BAD(NO("node:P.a", "removing property constraints from 'P.a'" V1) "," NO(
			  "node:P", "removing constraints from 'P'" V1)));
	CHECK_STR(
		plan("node P {}", "node P { nick: String? @unique }"),
		BAD("{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"P\",\"property_name\":\"nick\","
		    "\"property_type\":{\"scalar\":\"String\",\"nullable\":true,\"list\":false,\"enum_values\":null}}"
		    "," NO("node:P", "adding constraint 'unique:property:1:3' to 'P'" V1)));
}

static void step_members(void)
{
	CHECK_STR(plan("", "interface I { a: String } node A implements I { b: I32 } edge E: A -> A { w: F64 }"),
		  GOOD("{\"kind\":\"add_type\",\"type_kind\":\"interface\",\"name\":\"I\"},{\"kind\":\"add_type\","
		       "\"type_kind\":"
		       "\"node\",\"name\":\"A\"},{\"kind\":\"add_type\",\"type_kind\":\"edge\",\"name\":\"E\"}"));
	CHECK_STR(plan("node A { x: String? } edge E: A -> A",
		       "node B @rename_from(\"A\") { y: String? @rename_from(x) } edge E: B -> B"),
		  GOOD("{\"kind\":\"rename_type\",\"type_kind\":\"node\",\"from\":\"A\",\"to\":\"B\"},{\"kind\":"
		       "\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"B\",\"from\":\"x\",\"to\":\"y\"}"));
	CHECK_STR(plan("node P {}", "node P { e: enum(b, a)? v: Vector(8)? l: [I32]? }"),
		  GOOD("{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"P\",\"property_name\":\"e\","
		       "\"property_type\":{\"scalar\":\"String\",\"nullable\":true,\"list\":false,\"enum_values\":["
		       "\"a\",\"b\"]}}"
		       ",{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"P\",\"property_name\":\"l\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":true,\"enum_values\":null}},{"
		       "\"kind\":"
		       "\"add_property\",\"type_kind\":\"node\",\"type_name\":\"P\",\"property_name\":\"v\",\"property_"
		       "type\":{"
		       "\"scalar\":{\"Vector\":8},\"nullable\":true,\"list\":false,\"enum_values\":null}}"));
	CHECK_STR(plan("node A {} edge Cites: A -> A @description(\"old\")",
		       "node A {} edge Cites: A -> A @description(\"new\")"),
		  GOOD("{\"kind\":\"update_type_metadata\",\"type_kind\":\"edge\",\"name\":\"Cites\",\"annotations\":[{"
		       "\"name\":"
		       "\"description\",\"value\":\"new\"}]}"));
	CHECK_STR(
		plan("node A @description(\"d\") { x: I32? @description(\"a\") }",
		     "node A @instruction(\"i\") @description(\"d\") { x: I32? }"),
		GOOD("{\"kind\":\"update_type_metadata\",\"type_kind\":\"node\",\"name\":\"A\",\"annotations\":[{"
		     "\"name\":"
		     "\"description\",\"value\":\"d\"},{\"name\":\"instruction\",\"value\":\"i\"}]},{\"kind\":"
		     "\"update_property_metadata\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"x\","
		     "\"annotations\":[]}"));
}

static void order(void)
{
	CHECK_STR(plan("node B { e: enum(a) z: I32? } node A {} interface I { p: I32? } edge E: A -> A node Gone {} "
		       "node Away {}",
		       "edge E: A -> A { w: I32? } edge D: A -> A node A @description(\"d\") { q: I32? }\n"
		       "node C @rename_from(\"B\") { f: enum(b, a) @rename_from(e) @index a: I32? }\n"
		       "interface I { p: I32?  o: I32? }"),
		  GOOD("{\"kind\":\"add_property\",\"type_kind\":\"interface\",\"type_name\":\"I\",\"property_name\":"
		       "\"o\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":false,\"enum_values\":null}},"
		       "{\"kind\":\"update_type_metadata\",\"type_kind\":\"node\",\"name\":\"A\",\"annotations\":[{"
		       "\"name\":"
		       "\"description\",\"value\":\"d\"}]},"
		       "{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"q\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":false,\"enum_values\":null}},"
		       "{\"kind\":\"rename_type\",\"type_kind\":\"node\",\"from\":\"B\",\"to\":\"C\"},"
		       "{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"C\",\"property_name\":\"a\","
		       "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":false,\"enum_values\":null}},"
		       "{\"kind\":\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"C\",\"from\":\"e\",\"to\":"
		       "\"f\"},"
		       "{\"kind\":\"extend_enum\",\"type_kind\":\"node\",\"type_name\":\"C\",\"property_name\":\"f\","
		       "\"added_values\":[\"b\"]}," INDEX(
			       "node", "C", "\"f\"") ","
						     "{\"kind\":\"drop_property\",\"type_kind\":\"node\",\"type_name\":"
						     "\"C\",\"property_name\":\"z\",\"mode\":"
						     "\"soft\"},"
						     "{\"kind\":\"drop_type\",\"type_kind\":\"node\",\"name\":\"Away\","
						     "\"mode\":\"soft\"},"
						     "{\"kind\":\"drop_type\",\"type_kind\":\"node\",\"name\":\"Gone\","
						     "\"mode\":\"soft\"},"
						     "{\"kind\":\"add_type\",\"type_kind\":\"edge\",\"name\":\"D\"},"
						     "{\"kind\":\"add_property\",\"type_kind\":\"edge\",\"type_name\":"
						     "\"E\",\"property_name\":\"w\","
						     "\"property_type\":{\"scalar\":\"I32\",\"nullable\":true,\"list\":"
						     "false,\"enum_values\":null}}"));
}

static void constraint_order(void)
{
	/* ids: P=1, a=2, b=3, c=4 */
	CHECK_STR(plan("node P { a: I32 b: I32 c: I32 @unique(a) }",
		       "node P { a: I32 b: I32 c: I32 @index(c) @index(b, a) @index(b) }"),
		  BAD(NO("node:P", "removing constraints from 'P'" V1) "," INDEX("node", "P", "\"a\",\"b\"") "," INDEX(
			  "node", "P", "\"b\"") "," INDEX("node", "P", "\"c\"")));
}

static void new_interface_property(void)
{
	static const char type[] =
		"\"property_type\":{\"scalar\":\"String\",\"nullable\":true,\"list\":false,\"enum_values\":null}}";
	char want[1024];

	snprintf(
		want, sizeof(want),
		GOOD("{\"kind\":\"add_property\",\"type_kind\":\"interface\",\"type_name\":\"I\",\"property_name\":"
		     "\"o\",%s,"
		     "{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"property_name\":\"o\",%s,"
		     "{\"kind\":\"add_property\",\"type_kind\":\"node\",\"type_name\":\"B\",\"property_name\":\"o\",%"
		     "s"),
		type, type, type);
	CHECK_STR(plan("interface I {} node A implements I {} node B implements I {} node C {}",
		       "interface I { o: String? } node A implements I {} node B implements I {} node C {}"),
		  want);
	CHECK_STR(plan("interface I {} node A {}", "interface I { o: String } node A {}"),
		  BAD(NO_CODE("interface:I.o", "adding required property 'I.o' requires a backfill and" V1,
			      "OG-MF-103")));
}

static void interface_changes(void)
{
	static const char both[] = "interface I { o: String? } interface J {} node A implements I { o: String? }";

	CHECK_STR(plan("", "interface I { o: String }"),
		  GOOD("{\"kind\":\"add_type\",\"type_kind\":\"interface\",\"name\":\"I\"}"));
	CHECK_STR(plan("interface I { o: String }", ""), BAD(NO("interface:I", "removing interface 'I'" V1)));
	CHECK_STR(plan(both, "interface I { o: String? } interface J {} node A implements I, J { o: String? }"),
		  BAD(NO("node:A", "changing implemented interfaces on node 'A'" V1)));
	CHECK_STR(plan(both, "interface I { o: String? } interface J {} node A { o: String? }"),
		  BAD(NO("node:A", "changing implemented interfaces on node 'A'" V1) "," NO(
			  "node:A.o", "changing interface-property satisfaction links for 'A.o'" V1)));
	CHECK_STR(plan(both, "interface I { o: String? } interface J {} node A implements I {}"),
		  BAD(NO("node:A.o", "changing declaration provenance for 'A.o'" V1)));
}

static void opaque(void)
{
	CHECK_STR(plan("node A @n(1) { x: I32? }", "node A @n(2) { x: I32? }"),
		  BAD(NO("node:A", "changing annotations beyond @description/@instruction on 'A'" V1)));
	CHECK_STR(plan("node A { x: I32? }", "node A { x: I32? @pii }"),
		  BAD(NO("node:A.x", "changing annotations beyond @description/@instruction on 'A.x'" V1)));
	CHECK_STR(plan("node A { x: I32? @pii @m(a, k=1, l=2) }", "node A { x: I32? @m(a, l=2, k=1) @pii }"), GOOD(""));
}

static void embeds(void)
{
	static const char old[] = "node A { s: String u: String v: Vector(2)? @embed(s) }";
	static const char no[] = BAD(NO("node:A.v", "changing @embed source or model for 'A.v'" V1
						    "; rebuild the graph with the new binding and fresh vectors"));

	CHECK_STR(plan(old, "node A { s: String u: String v: Vector(2)? @embed(u) }"), no);
	CHECK_STR(plan(old, "node A { s: String u: String v: Vector(2)? @embed(s, model=\"m\") }"), no);
	CHECK_STR(plan(old, "node A { s: String u: String v: Vector(2)? }"), no);
	CHECK_STR(plan("node A { s: String u: String v: Vector(2)? }", old), no);
	CHECK_STR(plan(old, "node A { t: String @rename_from(s) u: String v: Vector(2)? @embed(t) }"),
		  GOOD("{\"kind\":\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"A\",\"from\":\"s\",\"to\":"
		       "\"t\"}"));
}

static void endpoints(void)
{
	static const char old[] = "node A {} node B {} edge E: A -> B { x: I32? @unique(src, x) }";

	CHECK_STR(plan(old, "node A {} node B {} edge E: B -> B { x: I32? @unique(src, x) }"),
		  BAD(NO("edge:E", "changing edge endpoints on 'E'" V1)));
	CHECK_STR(plan(old, "node Z @rename_from(\"A\") {} node B {} edge E: Z -> B { y: I32? @rename_from(x) "
			    "@unique(src, y) }"),
		  GOOD("{\"kind\":\"rename_type\",\"type_kind\":\"node\",\"from\":\"A\",\"to\":\"Z\"},{\"kind\":"
		       "\"rename_property\",\"type_kind\":\"edge\",\"type_name\":\"E\",\"from\":\"x\",\"to\":\"y\"}"));
	CHECK_STR(plan("node A {} edge E: A -> A", "node Z {} edge E: Z -> Z"),
		  BAD("{\"kind\":\"add_type\",\"type_kind\":\"node\",\"name\":\"Z\"},{\"kind\":\"drop_type\",\"type_"
		      "kind\":\"node\","
		      "\"name\":\"A\",\"mode\":\"soft\"}," NO("edge:E", "changing edge endpoints on 'E'" V1)));
}

static void constraints_follow_renames(void)
{
	CHECK_STR(plan("node S { row: String num: U32 f: F64? @key(row, num) @index(row, num) @range(f, 0..1) "
		       "@check(row, \"a\") }",
		       "node S { a: String @rename_from(row) z: U32 @rename_from(num) g: F64? @rename_from(f)\n"
		       "@key(z, a) @index(a, z) @range(g, 0..1) @check(a, \"a\") }"),
		  GOOD("{\"kind\":\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"S\",\"from\":\"row\","
		       "\"to\":\"a\"},"
		       "{\"kind\":\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"S\",\"from\":\"f\",\"to\":"
		       "\"g\"},"
		       "{\"kind\":\"rename_property\",\"type_kind\":\"node\",\"type_name\":\"S\",\"from\":\"num\","
		       "\"to\":\"z\"}"));
}

static void human_lines(void)
{
	CHECK_STR(human("node A {}", "node A {}", false), "no schema changes\n");
	CHECK_STR(human("node T { a: I32? e: enum(x)? z: I32? s: String i: I32 j: I32 } node A {} node D {} edge G: A "
			"-> A",
			"node T @description(\"say \\\"hi\\\"\") { b: I32? @rename_from(a) e: enum(x, y, w)? p: "
			"String? q: enum(c, d)?\n"
			"l: [I32]? v: Vector(3)? s: String @description(\"new\") i: I64 j: I32 @index(j, s) }\n"
			"node B @rename_from(\"A\") {} node N {} edge H: B -> B",
			false),
		  "- rename node type 'A' -> 'B'\n"
		  "- add node type 'N'\n"
		  "- update metadata on node 'T' (@description(\"say \\\"hi\\\"\"))\n"
		  "- rename property 'T.a' -> 'T.b' on node 'T'\n"
		  "- extend enum 'T.e' (+w, +y) on node 'T'\n"
		  "- unsupported change on node:T.i [OG-MF-106, destructive]: changing property type for 'T.i'" V1 "\n"
		  "- add property 'T.l' ([I32]?) on node 'T'\n"
		  "- add property 'T.p' (String?) on node 'T'\n"
		  "- add property 'T.q' (Enum(c|d)?) on node 'T'\n"
		  "- update metadata on property 'T.s' of node 'T' (@description(\"new\"))\n"
		  "- add property 'T.v' (Vector(3)?) on node 'T'\n"
		  "- drop property 'T.z' of node 'T' (soft mode)\n"
		  "- add constraint @index(j, s) on node 'T'\n"
		  "- drop node type 'D' (soft mode)\n"
		  "- add edge type 'H'\n"
		  "- drop edge type 'G' (soft mode)\n");
	CHECK_STR(human("node T { a: I32? } node A {}", "node T {}", true),
		  "- drop property 'T.a' of node 'T' (hard mode)\n- drop node type 'A' (hard mode)\n");
	CHECK_STR(human("node T {}", "node T { a: I32 }", false),
		  "- unsupported change on node:T.a [OG-MF-103, validated]: adding required property 'T.a' requires a "
		  "backfill "
		  "and" V1 "\n");
	CHECK_STR(human("node T {} edge E: T -> T", "node T {} edge E: T -> T @card(0..2)", false),
		  "- unsupported change on edge:E: changing cardinality on edge 'E'" V1 "\n");
}

CHECK_MAIN("engine/schema/migration", { "SCH-08 SCH-10 equal shapes plan zero steps", zero_steps },
	   { "SCH-05 a required property is OG-MF-103", required_property },
	   { "SCH-06 every type change is OG-MF-106", type_changes },
	   { "SCH-07 SCH-08 enums widen in one step and never narrow", enums },
	   { "SCH-09 an unsupported change names node:Person.age", names_the_entity },
	   { "SCH-15 drops are soft by default and hard on demand", drops },
	   { "SCH-19 dropping a property that stands in a constraint is unsupported", dropped_with_constraint },
	   { "SCH-17 an added index is one supported step", index_added },
	   { "SCH-18 every other constraint added, removed or changed is unsupported", constraints_added },
	   { "SCH-20 members of each step in their order", step_members }, { "SCH-21 order of the steps", order },
	   { "SCH-21 constraints: one removal, then additions by identity", constraint_order },
	   { "SCH-53 a new nullable interface property is a step there and on each implementer",
	     new_interface_property },
	   { "SCH-54 interfaces: adding is supported, removing and implementing are not", interface_changes },
	   { "SCH-64 opaque annotations cannot change, their order does not matter", opaque },
	   { "SCH-65 an embed binding cannot change but follows a renamed source", embeds },
	   { "SCH-12 endpoints and constraints follow renames by identity", endpoints },
	   { "SCH-13 keys, ranges and checks follow renamed properties", constraints_follow_renames },
	   { "SCH-66 a plan for people", human_lines }, )
