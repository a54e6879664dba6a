/* SPDX-License-Identifier: MIT */
/* What a schema compiles to: the catalog, identities, digests, accepted records (spec/schema.md 2 to 10). */
#include <dirent.h>

#include "engine/schema/tests/schema_fixture.h"

static const char example[] =
	"interface Sourced { origin: String  fetched: DateTime? @index }\n\n"
	"node Article @description(\"A filed article\") @instruction(\"Look up by slug\") implements Sourced {\n"
	"    slug: String @key\n"
	"    title: String @index\n"
	"    state: enum(draft, live)\n"
	"    score: F64?\n"
	"    body: String?\n"
	"    vec: Vector(8)? @embed(body, model=\"acme/e1\") @index\n"
	"    labels: [String]?\n"
	"    scan: Blob?\n"
	"    @range(score, 0.0..1.0)\n"
	"    @check(slug, \"^[a-z0-9-]+$\")\n"
	"    @unique(origin, title)\n"
	"}\n\n"
	"edge Cites: Article -> Article @card(0..50) @description(\"Outgoing citation\") {\n"
	"    since: Date? @index\n"
	"    @unique(src, dst)\n"
	"}\n";

/* The catalog of a record is the catalog that made the record. NULL when the record is refused. */
static struct catalog *reopened(const struct catalog *c)
{
	struct catalog *again = NULL;
	struct err e = ERR_INIT;

	if (catalog_from_record(c->source, c->compiled_json, &again, &e)) {
		fprintf(stderr, "# %s\n", err_msg(&e));
		err_clear(&e);
		return NULL;
	}
	return keep(again);
}

static bool same_catalog(const struct catalog *a, const struct catalog *b)
{
	return str_eq(a->source, b->source) && str_eq(a->compiled_json, b->compiled_json) &&
	       !strcmp(a->source_digest, b->source_digest) && !strcmp(a->shape_digest, b->shape_digest) &&
	       !strcmp(a->compiled_digest, b->compiled_digest) && !strcmp(a->domain, b->domain) &&
	       a->next_identity_id == b->next_identity_id && a->n_types == b->n_types;
}

static const char *member(const struct type *t, uint32_t m)
{
	return m == TUPLE_SRC ? "src" : m == TUPLE_DST ? "dst" : t->props[m].name.s;
}

static const char *tuple_text(const struct type *t, const struct tuple *u)
{
	struct strbuf b = STRBUF_INIT;

	sb_addch(&b, '(');
	for (uint32_t i = 0; i < u->n; i++)
		sb_addf(&b, "%s%s", i ? "," : "", member(t, u->members[i]));
	sb_addch(&b, ')');
	return text_of(&b);
}

static void example_catalog(void)
{
	struct catalog *c = schema(example);
	const struct type *t, *e;
	const struct prop *vec;

	CHECK(c);
	CHECK_INT(c->n_types, 2);
	CHECK_INT(c->n_nodes, 1);
	CHECK_INT(c->n_edges, 1);
	t = catalog_node(c, STR("Article"));
	e = catalog_edge(c, STR("Cites"));
	CHECK(t && e && e->from == t && e->to == t && t->index == 0 && e->index == 1);
	CHECK_STR(t->description, "A filed article");
	CHECK_STR(t->instruction, "Look up by slug");
	CHECK_STR(e->description, "Outgoing citation");
	CHECK(!e->instruction);
	CHECK_INT(t->n_props, 10);
	for (uint32_t i = 1; i < t->n_props; i++)
		CHECK(str_cmp(t->props[i - 1].name, t->props[i].name) < 0 && t->props[i].index == i);
	CHECK_STR(tuple_text(t, &t->key), "(slug)");
	CHECK_INT(t->n_uniques, 1);
	CHECK_STR(tuple_text(t, &t->uniques[0]), "(origin,title)");
	CHECK_INT(t->n_indexes, 3);
	CHECK_STR(tuple_text(t, &t->indexes[0]), "(fetched)");
	CHECK_STR(tuple_text(t, &t->indexes[1]), "(title)");
	CHECK_STR(tuple_text(t, &t->indexes[2]), "(vec)");
	CHECK_INT(t->n_ranges, 1);
	CHECK(t->ranges[0].has_min && t->ranges[0].has_max && t->ranges[0].min == 0 && t->ranges[0].max == 1);
	CHECK_STR(member(t, t->ranges[0].prop), "score");
	CHECK_INT(t->n_checks, 1);
	CHECK_STR(t->checks[0].pattern.s, "^[a-z0-9-]+$");
	vec = type_prop(t, STR("vec"));
	CHECK(vec && vec->type.dim == 8 && vec->index_ && !vec->key);
	CHECK_STR(member(t, vec->embed_source), "body");
	CHECK_STR(vec->embed_model.s, "acme/e1");
	CHECK(type_prop(t, STR("slug"))->key && type_prop(t, STR("body"))->embed_source == PROP_NONE);
	CHECK_INT(e->card_min, 0);
	CHECK_INT(e->card_max, 50);
	CHECK_STR(tuple_text(e, &e->uniques[0]), "(dst,src)");
	CHECK_STR(tuple_text(e, &e->indexes[0]), "(since)");
	CHECK(catalog_is_interface(c, STR("Sourced")) && !catalog_is_interface(c, STR("Article")));
	CHECK(!catalog_node(c, STR("Sourced")) && !type_prop(t, STR("id")));
	CHECK(same_catalog(c, reopened(c)));
	drop_all();
}

static void displays(void)
{
	static const char *const rows[][3] = {
		{ "String", "String", "Utf8" },
		{ "Bool?", "Bool?", "Boolean" },
		{ "I32", "I32", "Int32" },
		{ "I64", "I64", "Int64" },
		{ "U32", "U32", "UInt32" },
		{ "[U64]?", "[U64]?", "UInt64" },
		{ "F32", "F32", "Float32" },
		{ "F64", "F64", "Float64" },
		{ "Date", "Date", "Date32" },
		{ "[DateTime]", "[DateTime]", "Date64" },
		{ "Blob?", "Blob?", "Blob" },
		{ "Vector(8)", "Vector(8)", "FixedSizeList" },
		{ "enum(live,draft)?", "enum(draft, live)?", "Utf8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strbuf b = STRBUF_INIT;
		struct catalog *c = schema(arena_printf(&texts, "node T { p: %s }", rows[i][0]));
		const struct prop_type *t = &prop_of(c, "T", "p")->type;

		prop_type_display(t, &b);
		CHECK_STR(text_of(&b), rows[i][1]);
		CHECK_STR(scalar_physical(t->scalar), rows[i][2]);
	}
	drop_all();
}

static const char *file_text(const char *path)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (file_read(path, 1 << 20, &b, &e)) {
		fprintf(stderr, "# %s\n", err_msg(&e));
		err_clear(&e);
		return NULL;
	}
	return text_of(&b);
}

/* Every .pg file below the folder compiles and re-opens as itself. */
static void samples_below(const char *dir, int *found)
{
	DIR *d = opendir(dir);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		const char *path = arena_printf(&texts, "%s/%s", dir, ent->d_name), *src;
		struct catalog *c;

		if (ent->d_name[0] == '.')
			continue;
		if (!str_ends(str_from(path), STR(".pg"))) {
			samples_below(path, found);
			continue;
		}
		src = file_text(path);
		c = src ? schema(src) : NULL;
		if (!c || !reopened(c) || !same_catalog(c, reopened(c))) {
			fprintf(stderr, "# %s\n", path);
			CHECK(false);
		}
		++*found;
	}
	if (d)
		closedir(d);
}

static void samples(void)
{
	char *root = str_dup(STR(__FILE__)), *cut = strstr(root, "/engine/schema/tests/");
	int found = 0;

	CHECK(cut);
	*cut = 0;
	samples_below(arena_printf(&texts, "%s/samples", root), &found);
	samples_below("/work/shared/data", &found); /* where the project's own sample projects are at hand */
	free(root);
	drop_all();
	CHECK(found > 0);
}

/* --- identities ------------------------------------------------------------------------------------------------- */

static void allocation(void)
{
	struct catalog *c = schema(PERSON_KNOWS);
	const struct type *person, *knows;

	CHECK(c);
	person = catalog_node(c, STR("Person"));
	knows = catalog_edge(c, STR("Knows"));
	CHECK_INT(person->type_id, 1);
	CHECK_INT(knows->type_id, 2);
	CHECK_INT(prop_of(c, "Person", "age")->id, 3);
	CHECK_INT(prop_of(c, "Person", "name")->id, 4);
	CHECK_INT(prop_of(c, "Knows", "since")->id, 5);
	CHECK_INT(person->incarnation, 6);
	CHECK_INT(knows->incarnation, 7);
	CHECK_INT(c->next_identity_id, 8);
	CHECK_STR(person->public_id, "I1TLwLvRBcDYB4Qn7eEbvMe9CNHklRR2eMY_xMVMz5Y");
	CHECK(catalog_type_by_id(c, 2, 7) == knows && !catalog_type_by_id(c, 2, 6));
	CHECK(type_prop_by_id(person, 4) == prop_of(c, "Person", "name") && !type_prop_by_id(person, 5));
	drop_all();
}

static void allocation_order(void)
{
	/* interface < node < edge, then name, however they are written */
	struct catalog *c =
		schema("edge A: Z -> Z  node Z { b: I32  a: I32 }  node B implements I {}  interface I { x: I32 }");
	struct catalog *d;

	CHECK(c);
	CHECK_INT(catalog_node(c, STR("B"))->type_id, 2);
	CHECK_INT(catalog_node(c, STR("Z"))->type_id, 3);
	CHECK_INT(catalog_edge(c, STR("A"))->type_id, 4);
	CHECK_INT(prop_of(c, "B", "x")->id, 6); /* 5 is I.x */
	CHECK_INT(prop_of(c, "Z", "a")->id, 7);
	CHECK_INT(catalog_node(c, STR("B"))->incarnation, 9);
	CHECK_INT(c->next_identity_id, 12);
	/* what is new later goes on from the counter, new properties of old types included */
	d = next_schema(c,
			"edge A: Z -> Z  node Z { b: I32  a: I32  aa: I32? }  node B implements I {}  node C { c: I32 }"
			"  interface I { x: I32 }");
	CHECK(d);
	CHECK_INT(catalog_node(d, STR("C"))->type_id, 12);
	CHECK_INT(prop_of(d, "Z", "aa")->id, 13);
	CHECK_INT(prop_of(d, "C", "c")->id, 14);
	CHECK_INT(catalog_node(d, STR("C"))->incarnation, 15);
	CHECK_INT(d->next_identity_id, 16);
	CHECK_STR(d->domain, DOMAIN);
	drop_all();
}

static void rename_keeps(void)
{
	struct catalog *c = schema(PERSON_KNOWS);
	struct catalog *d =
		next_schema(c, "node Human @rename_from(\"Person\") { full: String @key @rename_from(\"name\")  "
			       "age: I32? }  edge Knows: Human -> Human { since: Date? }");

	CHECK(d);
	CHECK_INT(catalog_node(d, STR("Human"))->type_id, 1);
	CHECK_INT(catalog_node(d, STR("Human"))->incarnation, 6);
	CHECK_STR(catalog_node(d, STR("Human"))->public_id, catalog_node(c, STR("Person"))->public_id);
	CHECK_INT(prop_of(d, "Human", "full")->id, 4);
	CHECK_INT(d->next_identity_id, 8);
	CHECK(!catalog_node(d, STR("Person")));
	drop_all();
}

static void drop_and_add_again(void)
{
	struct catalog *c = schema(PERSON_KNOWS), *d = next_schema(c, ""), *e = next_schema(d, PERSON_KNOWS);

	CHECK(e);
	CHECK_INT(d->next_identity_id, 8);
	CHECK_INT(catalog_node(e, STR("Person"))->type_id, 8);
	CHECK_INT(prop_of(e, "Person", "name")->id, 11);
	CHECK_INT(e->next_identity_id, 15);
	CHECK(strcmp(catalog_node(e, STR("Person"))->public_id, catalog_node(c, STR("Person"))->public_id));
	CHECK_STR(e->shape_digest, c->shape_digest);
	CHECK(strcmp(e->compiled_digest, c->compiled_digest));
	drop_all();
}

static void key_order(void)
{
	struct catalog *c = schema("node Seat { row: String  num: U32  @key(row, num) }"), *d;
	const struct type *t = catalog_node(c, STR("Seat"));

	CHECK_STR(tuple_text(t, &t->key), "(num,row)");
	/* renamed past each other, the order of the tuple stays that of the identities */
	d = next_schema(c, "node Seat { a: String @rename_from(\"row\")  z: U32 @rename_from(\"num\")  @key(a, z) }");
	CHECK(d);
	t = catalog_node(d, STR("Seat"));
	CHECK_STR(tuple_text(t, &t->key), "(z,a)");
	CHECK(same_catalog(d, reopened(d)));
	t = catalog_node(reopened(d), STR("Seat"));
	CHECK_STR(tuple_text(t, &t->key), "(z,a)");
	drop_all();
}

static void inert_hints(void)
{
	/* at init, and on a name that exists */
	struct catalog *c = schema("node A @rename_from(\"Zzz\") { p: I32 @rename_from(\"q\") }"), *d;

	CHECK(c);
	d = next_schema(c, "node A @rename_from(\"Nowhere\") { p: I32 @rename_from(\"nothing\") }");
	CHECK(d);
	CHECK_INT(d->next_identity_id, c->next_identity_id);
	/* on a property injected into a new type */
	c = schema("interface I { p: I32 @rename_from(\"old\") }");
	CHECK(c);
	CHECK(next_schema(c, "interface I { p: I32 @rename_from(\"old\") }  node N implements I {}"));
	drop_all();
}

static void resolution_errors(void)
{
	static const char from[] =
		"interface I { p: I32 }  node A { p: I32  q: I32 }  node B { r: I32 }  edge E: A -> B";
	static const char rest[] = "node B { r: I32 }  edge E: A -> B  interface I { p: I32 }";
	static const struct {
		const char *to, *message;
	} rows[] = {
		{ "node N @rename_from(\"Old\") {}",
		  "declares @rename_from(\"Old\") but no accepted declaration has that name" },
		{ "node N @rename_from(\"E\") {}", "cannot rename accepted 'E' across declaration kinds" },
		{ "node N @rename_from(\"I\") {}", "cannot rename accepted 'I' across declaration kinds" },
		{ "edge N: A -> B @rename_from(\"A\")", "cannot rename accepted 'A' across declaration kinds" },
		{ "node N @rename_from(\"A\") {}", "is consumed by more than one desired declaration" },
		{ "node N { x: I32 @rename_from(\"p\") }", "cannot import property identity with @rename_from(\"p\")" },
	};
	static const struct {
		const char *a, *message;
	} members[] = {
		{ "p: I32  q: I32  x: I32 @rename_from(\"r\")",
		  "property moves across stable owners are not supported" },
		{ "p: I32  q: I32  x: I32 @rename_from(\"gone\")",
		  "no accepted property with that name exists under the stable owner" },
		{ "p: I32  q: I32  x: I32 @rename_from(\"p\")", "is consumed more than once" },
		{ "x: I32 @rename_from(\"p\")  y: I32 @rename_from(\"p\")", "is consumed more than once" },
	};
	struct catalog *c = schema(from);
	enum err_code code;

	CHECK(c);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *src = arena_printf(&texts, "node A { p: I32  q: I32 }  %s  %s", rows[i].to, rest), *msg;

		msg = schema_error(c, src, &code);
		CHECK_INT(code, ERR_BAD_REQUEST);
		CHECK(str_starts(str_from(msg), STR("schema identity resolution failed: ")));
		CHECK_HAS(msg, rows[i].message);
		CHECK_HAS(msg, "\n --> 1:");
		CHECK_HAS(plan(from, src), rows[i].message);
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *src = arena_printf(&texts, "node A { %s }  %s", members[i].a, rest), *msg;

		msg = schema_error(c, src, &code);
		CHECK_INT(code, ERR_BAD_REQUEST);
		CHECK_HAS(msg, members[i].message);
		CHECK_HAS(msg, "\n --> 1:");
		CHECK_HAS(plan(from, src), members[i].message);
	}
	drop_all();
}

/* --- digests ------------------------------------------------------------------------------------------------------ */

static void shape_vector(void)
{
	struct catalog *c = schema(PERSON_KNOWS);

	CHECK(c);
	CHECK_STR(c->shape_digest, "sha256:c8d565c42aebb6d8092b006081b647523eb144420841c8640c6dcdf080f689af");
	drop_all();
}

static bool same_shape(const char *a, const char *b)
{
	struct catalog *x = schema(a), *y = schema(b);

	return x && y && !strcmp(x->shape_digest, y->shape_digest);
}

static void shape_ignores(void)
{
	CHECK(same_shape("node A { p: enum(b, a)  q: I32 }  node B {}", "/* x */ node B{} node A{q:I32 p:enum(a,b)}"));
	CHECK(same_shape("node A { p: I32  q: I32  @unique(q, p) }",
			 "node A { @unique(p, q, p)  p: I32  q: I32  @unique(q, p) }"));
	CHECK(same_shape("node A @rename_from(\"x\") { p: I32 @rename_from(\"y\") }", "node A { p: I32 }"));
	CHECK(same_shape("interface I {} interface J {} node A implements I, J {}",
			 "interface J {} interface I {} node A implements J, I, J {}"));
	CHECK(same_shape("node A @x @y(1, b=2, a=\"3\") {}", "node A @y(1, a=3, b=2) @x @x {}"));
	CHECK(same_shape("node A {} edge E: A -> A", "node A {} edge E: A -> A @card(0..) {}"));
	CHECK(same_shape("node A { n: F64  @range(n, 1..)  @range(n, 1.0..) }",
			 "node A { n: F64  @range(n, 1.0..)  @range(n, 1..) }"));
	drop_all();
}

static void shape_sees(void)
{
	static const char base[] =
		"interface I { i: I32? }  node A @x { p: String  q: Vector(2)?  i: I32?  @unique(p) }"
		"  edge E: A -> A";
	static const char *const others[] = {
		"interface I { i: I32? }  node B @x { p: String  q: Vector(2)?  i: I32?  @unique(p) }  edge E: B -> B",
		"interface I { i: I32? }  node A @x { p: String?  q: Vector(2)?  i: I32?  @unique(p) }  edge E: A -> A",
		"interface I { i: I32? }  node A @x { p: String  q: Vector(3)?  i: I32?  @unique(p) }  edge E: A -> A",
		"interface I { i: I32? }  node A { p: String  q: Vector(2)?  i: I32?  @unique(p) }  edge E: A -> A",
		"interface I { i: I32? }  node A @x { p: String @unique  q: Vector(2)?  i: I32? }  edge E: A -> A",
		"interface I { i: I32? }  node A @x { p: String  q: Vector(2)? @embed(p)  i: I32?  @unique(p) }"
		"  edge E: A -> A",
		"interface I { i: I32? }  node A @x implements I { p: String  q: Vector(2)?  i: I32?  @unique(p) }"
		"  edge E: A -> A",
		"interface I { i: I32? }  node A @x implements I { p: String  q: Vector(2)?  @unique(p) }  edge E: A "
		"-> A",
		"interface I { i: I32? }  node A @x { p: String  q: Vector(2)?  i: I32?  @unique(p) }  edge E: A -> A"
		" @card(0..9)",
		"interface I { i: I32? }  node A @x @description(\"d\") { p: String  q: Vector(2)?  i: I32?  "
		"@unique(p) }"
		"  edge E: A -> A",
	};

	CHECK(same_shape(base, base));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		CHECK(!same_shape(base, others[i]));
		for (size_t k = 0; k < i; k++)
			CHECK(!same_shape(others[i], others[k]));
		drop_all();
	}
}

static void three_digests(void)
{
	struct catalog *a = schema(PERSON_KNOWS), *b, *d;
	char hex[SHA256_HEX_LEN + 1];

	b = next_schema(a, PERSON_KNOWS " // a comment");
	d = next_schema(
		a, "node Person @description(\"d\") { name: String @key  age: I32? }  edge Knows: Person -> Person "
		   "{ since: Date? }");
	CHECK(a && b && d);
	sha256_hex(a->source.s, a->source.n, hex);
	CHECK_STR(a->source_digest, hex);
	CHECK(strcmp(a->source_digest, b->source_digest));
	CHECK_STR(b->shape_digest, a->shape_digest);
	CHECK_STR(b->compiled_digest, a->compiled_digest);
	CHECK(strcmp(d->source_digest, a->source_digest) && strcmp(d->shape_digest, a->shape_digest));
	drop_all();
}

static void compiled_form(void)
{
	struct catalog *c =
		schema("interface I { i: I32 }  node A implements I { t: String?  v: Vector(2)? @embed(t, model=\"m\") "
		       " @range(i, ..5) }  edge E: A -> A { @unique(src) }");
	const char *j;

	CHECK(c);
	j = c->compiled_json.s;
	CHECK_HAS(j, "\"ir_version\":2");
	CHECK_HAS(j, "\"schema_identity_domain\":\"" DOMAIN "\"");
	CHECK_HAS(j, "\"next_identity_id\":10");
	CHECK_HAS(j, "\"embed_source\":{\"property_id\":6,\"property_name\":\"t\",\"model\":\"m\"}");
	CHECK_HAS(j, "{\"owner_type_id\":1,\"owner_type_name\":\"I\",\"property_id\":4,\"property_name\":\"i\"}");
	CHECK_HAS(j,
		  "{\"kind\":\"range\",\"field\":{\"kind\":\"property\",\"owner_type_id\":2,\"owner_type_name\":\"A\","
		  "\"property_id\":5,\"property_name\":\"i\"},\"min\":null,\"max\":{\"Integer\":5}}");
	CHECK_HAS(j, "{\"kind\":\"unique\",\"fields\":[{\"kind\":\"system\",\"stable_table_id\":3,\"table_type_name\":"
		     "\"E\",\"table_incarnation_id\":9,\"role\":\"src\"}]}");
	CHECK_HAS(c->compiled_digest, "sha256:");
	drop_all();
}

/* --- records --------------------------------------------------------------------------------------------------------- */

static bool refused(struct str source, const char *json)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	bool yes = catalog_from_record(source, str_from(json), &c, &e) < 0 && e.code == ERR_CONFLICT &&
		   strstr(err_msg(&e), "not sound");

	err_clear(&e);
	if (c)
		catalog_put(c);
	return yes;
}

static const char *replaced(const char *text, const char *from, const char *to)
{
	const char *hit = strstr(text, from);

	return hit ? arena_printf(&texts, "%.*s%s%s", (int)(hit - text), text, to, hit + strlen(from)) : NULL;
}

static void bad_records(void)
{
	static const char *const edits[][2] = {
		{ "\"next_identity_id\":8", "\"next_identity_id\":7" }, /* an id at the counter */
		{ "\"next_identity_id\":8", "\"next_identity_id\":-1" },
		{ "\"type_id\":1,", "\"type_id\":2," }, /* an id used twice */
		{ "\"type_id\":1,", "\"type_id\":0," },
		{ "\"property_id\":3", "\"property_id\":4" },
		{ "\"table_incarnation_id\":6", "\"table_incarnation_id\":1" },
		{ "\"name\":\"Person\"", "\"name\":\"Nobody\"" },
		{ "\"name\":\"age\"", "\"name\":\"height\"" },
		{ "\"ir_version\":2", "\"ir_version\":3" },
		{ DOMAIN, "not-a-ulid" },
		{ "\"type_name\":\"Person\"", "\"type_name\":\"Human\"" }, /* a reference that resolves to nothing */
		{ "\"min\":0", "\"min\":1" },
		{ "{\"ir_version\"", "{ \"ir_version\"" }, /* not canonical */
		{ "\"nodes\":[", "\"nodes\":7,\"x\":[" },
	};
	struct catalog *c = schema(PERSON_KNOWS);

	CHECK(c && reopened(c));
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		const char *json = replaced(c->compiled_json.s, edits[i][0], edits[i][1]);

		CHECK_MSG(json && refused(c->source, json), "accepted: %s for %s", edits[i][1], edits[i][0]);
	}
	CHECK(refused(c->source, "") && refused(c->source, "[]") && refused(c->source, "null") &&
	      refused(c->source, "{}"));
	CHECK(refused(STR("node Person {"), c->compiled_json.s));
	CHECK(refused(STR(""), c->compiled_json.s));
	CHECK(refused(
		STR("node Person { name: String @key  age: I64? }  edge Knows: Person -> Person { since: Date? }"),
		c->compiled_json.s));
	drop_all();
}

static void later_record(void)
{
	/* after a rename and a drop the numbers are not those of a fresh compile; the record still re-opens as itself */
	struct catalog *c = schema(PERSON_KNOWS " node Gone { x: I32 }");
	struct catalog *d =
		next_schema(c, "// kept\nnode Human @rename_from(\"Person\") { name: String @key  nick: String? }"
			       " edge Knows: Human -> Human { since: Date? }");

	CHECK(d);
	CHECK(same_catalog(d, reopened(d)));
	CHECK(str_starts(reopened(d)->source, STR("// kept\n")));
	drop_all();
}

static void exhausted(void)
{
	struct catalog *c = schema("node A {}"), *d = NULL;
	struct err e = ERR_INIT;
	const char *json =
		replaced(c->compiled_json.s, "\"next_identity_id\":3", "\"next_identity_id\":18446744073709551615");

	CHECK(json && !catalog_from_record(c->source, str_from(json), &d, &e));
	keep(d);
	CHECK(next_schema(d, "node A {} // nothing new"));
	CHECK_HAS(schema_error(d, "node A { p: I32? }", NULL), "schema identity allocator is exhausted");
	drop_all();
}

/* --- names and interfaces ------------------------------------------------------------------------------------------------- */

static void edge_names(void)
{
	struct catalog *c =
		schema("node Knows {}  edge Knows: Knows -> Knows  edge Likes: Knows -> Knows  interface Likes {}");
	struct strbuf b = STRBUF_INIT;

	CHECK(c);
	CHECK(catalog_edge_nocase(c, STR("knows")) == catalog_edge(c, STR("Knows")));
	CHECK(catalog_edge_nocase(c, STR("LIKES")) == catalog_edge(c, STR("Likes")));
	CHECK(!catalog_edge(c, STR("knows")) && !catalog_node(c, STR("knows")) && !catalog_edge_nocase(c, STR("know")));
	CHECK(catalog_node(c, STR("Knows")) && catalog_node(c, STR("Knows"))->kind == TYPE_NODE);
	type_key(catalog_edge(c, STR("Likes")), &b);
	type_key(catalog_node(c, STR("Knows")), &b);
	CHECK_STR(text_of(&b), "edge:Likesnode:Knows");
	drop_all();
}

static void injection(void)
{
	struct catalog *c =
		schema("interface I { k: String @key @description(\"from I\")  n: I32? @index  u: I32? @unique }\n"
		       "node A implements I {}  node B implements I { k: String  n: I32?  u: I32? }");
	const struct type *a, *b;

	CHECK(c);
	a = catalog_node(c, STR("A"));
	b = catalog_node(c, STR("B"));
	CHECK_STR(tuple_text(a, &a->key), "(k)");
	CHECK_INT(a->n_indexes, 1);
	CHECK_INT(a->n_uniques, 1);
	CHECK_STR(type_prop(a, STR("k"))->description, "from I");
	CHECK_INT(b->key.n, 0);
	CHECK_INT(b->n_indexes, 0);
	CHECK_INT(b->n_uniques, 0);
	CHECK(!type_prop(b, STR("k"))->description);
	/* the same property from two interfaces, equal but for rename hints */
	CHECK(schema("interface I { p: I32 @x @index }  interface J { p: I32 @index @x @rename_from(\"o\") }"
		     "  node A implements I, J {}"));
	/* an injected property is a source for @embed and a member of constraints */
	CHECK(schema("interface I { body: String }  node A implements I { v: Vector(2) @embed(body)  @check(body, "
		     "\"x\") }"));
	drop_all();
}

static void rule_a(void)
{
	struct catalog *c =
		schema("node A { x: I32 y: String @key(x) z: I32 @unique(y) @index(z) @x(1) w: I32 @index }");
	const struct type *t;

	(void)t;
	CHECK(!c); /* @x(1) after a body constraint stands alone: annotations belong to a property */
	c = schema("node A { x: I32  y: String @key(x)  z: I32 @x(1) @unique(y) @index(z)  w: I32 @index }");
	CHECK(c);
	t = catalog_node(c, STR("A"));
	CHECK_STR(tuple_text(t, &t->key), "(x)");
	CHECK(!type_prop(t, STR("y"))->key && !type_prop(t, STR("z"))->unique && !type_prop(t, STR("z"))->index_);
	CHECK_STR(tuple_text(t, &t->uniques[0]), "(y)");
	CHECK_INT(t->n_indexes, 2);
	CHECK(type_prop(t, STR("w"))->index_);
	drop_all();
}

static void opaque(void)
{
	struct catalog *c = schema("node A @owner(\"a\\tb\", since=2024, ok=true) @pii { p: I32 @unit(ms) @unit(ms) }");

	CHECK(c);
	CHECK_HAS(c->compiled_json.s,
		  "\"annotations\":[{\"name\":\"owner\",\"value\":\"a\\tb\",\"kwargs\":{\"ok\":\"true\","
		  "\"since\":\"2024\"}},{\"name\":\"pii\",\"value\":null}]");
	CHECK_HAS(c->compiled_json.s, "\"annotations\":[{\"name\":\"unit\",\"value\":\"ms\"}]");
	drop_all();
}

static void empty_schema(void)
{
	struct catalog *c = schema("  // nothing yet\n"), *d;

	CHECK(c);
	CHECK_INT(c->n_types, 0);
	CHECK_INT(c->next_identity_id, 1);
	CHECK(same_catalog(c, reopened(c)));
	d = next_schema(c, PERSON_KNOWS);
	CHECK(d);
	CHECK_INT(catalog_node(d, STR("Person"))->type_id, 1);
	drop_all();
}

static void range_forms(void)
{
	struct catalog *c = schema("node A { n: F64  @range(n, -5..0.5)  @range(n, ..7)  @range(n, 1..)"
				   "  @range(n, -99999999999999999999..) }");
	const struct type *t;
	const struct range_check *r;

	CHECK(c);
	t = catalog_node(c, STR("A"));
	CHECK_INT(t->n_ranges, 4);
	r = t->ranges; /* without a minimum first, then by minimum */
	CHECK(!r[0].has_min && r[0].has_max && r[0].max == 7);
	CHECK(r[1].has_min && r[1].min == -1e20 && !r[1].has_max);
	CHECK(r[2].min == -5 && r[2].max == 0.5);
	CHECK(r[3].min == 1 && !r[3].has_max);
	CHECK_HAS(c->compiled_json.s, "\"min\":{\"Integer\":-5},\"max\":{\"Float\":0.5}");
	CHECK_HAS(c->compiled_json.s, "{\"Float\":-1e20}");
	drop_all();
}

CHECK_MAIN("engine/schema/catalog",
	   { "SCH-01 the example schema of section 2 compiles to what it says", example_catalog },
	   { "SCH-01 the sample projects' schemas compile and re-open unchanged", samples },
	   { "every type displays as users write it and names its column type", displays },
	   { "SCH-30 identity allocation reproduces the numbers and the public id of 9.1", allocation },
	   { "SCH-30 new identities are given in the order of 9.1, at init and later", allocation_order },
	   { "SCH-12 SCH-13 a rename keeps type, property and public ids", rename_keeps },
	   { "SCH-14 dropped and added again is another type, of the same shape", drop_and_add_again },
	   { "SCH-03 the key tuple is ordered by property identity, also after renames past each other", key_order },
	   { "SCH-55 hints at init, on exact matches and on injected properties of new types are ignored",
	     inert_hints },
	   { "SCH-55 every error row of 9.2 fails compile and plan", resolution_errors },
	   { "SCH-29 the shape digest test vector", shape_vector },
	   { "SCH-28 the shape ignores order, comments, repetition and rename hints", shape_ignores },
	   { "SCH-28 the shape sees names, types, annotations, spelling, provenance, cardinality", shape_sees },
	   { "SCH-28 a comment changes the source digest only, a description all three", three_digests },
	   { "the compiled form spells references with ids and names", compiled_form },
	   { "an accepted record that does not hold together is a conflict", bad_records },
	   { "SCH-61 a record of an evolved schema re-opens as itself, source text included", later_record },
	   { "the identity counter never wraps", exhausted },
	   { "SCH-47 edges are found without case, nodes exactly, and kinds have their own names", edge_names },
	   { "SCH-52 injected properties carry their constraints, directly declared ones do not inherit", injection },
	   { "SCH-51 @key( on a property's line is a body constraint", rule_a },
	   { "SCH-64 opaque annotations are accepted and stored", opaque },
	   { "SCH-62 an empty schema compiles and grows", empty_schema },
	   { "SCH-32 bounds of @range: negative, float, one-sided, beyond 64 bits", range_forms }, )
