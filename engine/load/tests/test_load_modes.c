/* SPDX-License-Identifier: MIT */
/* append, merge, overwrite; repeats; endpoints; branches; results. */
#include "load_test.h"

#define SCHEMA                                                          \
	"node City { name: String @key  pop: I32? }\n"                  \
	"node Note { text: String?  mail: String? @unique }\n"          \
	"node Slot { tenant: String  slot: U32  @key(tenant, slot) }\n" \
	"edge Road: City -> City { km: I32? }\n"                        \
	"edge About: Note -> City\n"

static struct fix f;

#define CITY(name) "{\"type\":\"City\",\"data\":{\"name\":\"" name "\"}}\n"
#define CITY_POP(name, pop) "{\"type\":\"City\",\"data\":{\"name\":\"" name "\",\"pop\":" pop "}}\n"
#define NOTE(id, text) "{\"type\":\"Note\",\"data\":{\"id\":\"" id "\",\"text\":\"" text "\"}}\n"
#define MAIL(id, mail) "{\"type\":\"Note\",\"data\":{\"id\":\"" id "\",\"mail\":\"" mail "\"}}\n"
#define ROAD(id, from, to) "{\"edge\":\"Road\",\"from\":\"" from "\",\"to\":\"" to "\",\"data\":{\"id\":\"" id "\"}}\n"
#define CITIES(want) ROWS(&f, "match { $c: City } return { $c.name, $c.pop } order { $c.name }", want)
#define NOTES(want) ROWS(&f, "match { $n: Note } return { $n.text, $n.mail } order { $n.text, $n.mail }", want)

static void append(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY_POP("oslo", "1") NOTE("n", "a"));
	lt_load(&f, &strict_append, CITY_POP("rome", "2") ROAD("r", "oslo", "rome"));
	CITIES("\"oslo\",1; \"rome\",2");
	lt_key_conflict(&f, &strict_append, CITY_POP("bonn", "3") CITY_POP("oslo", "9"), "node", "City", "oslo");
	lt_key_conflict(&f, &loose_append, CITY_POP("oslo", "1"), "node", "City", "oslo");
	lt_key_conflict(&f, &strict_append, NOTE("n", "a"), "node", "Note", "n");
	lt_key_conflict(&f, &strict_append, ROAD("r", "oslo", "rome"), "edge", "Road", "r");
	CITIES("\"oslo\",1; \"rome\",2");
	fix_close(&f);
}

static void merge(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY_POP("oslo", "1") CITY_POP("rome", "2") MAIL("n", "x@y"));
	lt_load(&f, &strict_merge, CITY("oslo") CITY_POP("bonn", "3") NOTE("n", "t"));
	CITIES("\"bonn\",3; \"oslo\",null; \"rome\",2");
	NOTES("\"t\",null");
	fix_close(&f);
}

static void merge_moves_an_edge(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY("a") CITY("b") CITY("c") ROAD("r", "a", "b"));
	lt_load(&f, &strict_merge, ROAD("r", "b", "c"));
	ROWS(&f, "match { $x: City  $y: City  $x road $y } return { $x.name, $y.name }", "\"b\",\"c\"");
	fix_close(&f);
}

static void overwrite(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY_POP("oslo", "1") CITY("rome") NOTE("n", "a") ROAD("r", "oslo", "oslo"));
	lt_load(&f, &strict_overwrite, CITY_POP("oslo", "5") CITY("bonn"));
	CITIES("\"bonn\",null; \"oslo\",5");
	NOTES("\"a\",null");
	CHECK_HAS(lt_export(&f), "{\"edge\":\"Road\",\"from\":\"oslo\"");
	lt_load(&f, &loose_overwrite, ROAD("q", "bonn", "bonn"));
	CHECK_HAS(lt_export(&f), "\"id\":\"q\"");
	CHECK(!strstr(lt_export(&f), "\"id\":\"r\""));
	fix_close(&f);
}

static void empty_inputs(void)
{
	const struct load_opts *opts[] = { &strict_append, &strict_merge, &strict_overwrite, &loose_overwrite };

	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY("oslo"));
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		const char *head = lt_head(&f), *rows = lt_export(&f);
		struct load_result r;
		struct err e = ERR_INIT;

		FIX_OK(lt_load_str(&f, opts[i], STR("\n"), &r, &e), &e);
		CHECK_INT(r.total, 0);
		CHECK_INT(r.n_nodes + r.n_edges, 0);
		CHECK_STR(r.commit.id, lt_head(&f));
		CHECK_STR(r.commit.parent, head);
		CHECK_STR(lt_export(&f), rows);
		load_result_clear(&r);
	}
	fix_close(&f);
}

static void strands_an_edge(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY("paris") CITY("rome") ROAD("r", "rome", "paris"));
	REFUSES(&f, strict_overwrite, CITY("rome"), "dst 'paris' not found in City");
	REFUSES(&f, strict_overwrite, CITY("paris"), "src 'rome' not found in City");
	lt_load(&f, &strict_overwrite, CITY("rome") CITY("bonn") ROAD("r", "rome", "bonn"));
	CITIES("\"bonn\",null; \"rome\",null");
	fix_close(&f);
}

static void same_key_twice(void)
{
	const struct load_opts *opts[] = { &strict_append, &strict_merge, &strict_overwrite,
					   &loose_append,  &loose_merge,  &loose_overwrite };

	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		lt_refuses(&f, opts[i], CITY("a") CITY("b") CITY("a"),
			   "@unique violation on City.name: value 'a' held by 'a' and 'a'", true);
		lt_refuses(&f, opts[i], CITY_POP("a", "1") CITY_POP("a", "2"),
			   "@unique violation on City.name: value 'a' held by 'a' and 'a'", true);
		lt_refuses(&f, opts[i],
			   "{\"type\":\"Slot\",\"data\":{\"tenant\":\"acme\",\"slot\":7}}\n"
			   "{\"type\":\"Slot\",\"data\":{\"tenant\":\"acme\",\"slot\":7}}\n",
			   "@unique violation on Slot.(slot, tenant): value '(7, acme)' held by '[\"7\",\"acme\"]' and "
			   "'[\"7\",\"acme\"]'",
			   true);
	}
	/* value checks come first */
	fix_close(&f);
	fix_open(&f, "node A { v: I32? @range(v, 0..9) } node K { k: String @key }");
	REFUSES(&f, strict_merge,
		"{\"type\":\"K\",\"data\":{\"k\":\"a\"}}\n{\"type\":\"K\",\"data\":{\"k\":\"a\"}}\n{\"type\":\"A\","
		"\"data\":{\"v\":10}}\n",
		"@range violation on A.v: value 10 > max 9");
	fix_close(&f);
}

static void same_id_twice(void)
{
	fix_open(&f, SCHEMA);
	lt_key_conflict(&f, &strict_append, NOTE("n", "a") NOTE("n", "b"), "node", "Note", "n");
	lt_key_conflict(&f, &strict_overwrite, NOTE("n", "a") NOTE("n", "a"), "node", "Note", "n");
	lt_key_conflict(&f, &loose_append, CITY("a") ROAD("r", "a", "a") ROAD("r", "a", "a"), "edge", "Road", "r");
	lt_load(&f, &strict_merge, NOTE("n", "a") NOTE("m", "c") NOTE("n", "b"));
	NOTES("\"b\",null; \"c\",null");
	lt_load(&f, &strict_merge, CITY("a") CITY("b") ROAD("r", "a", "a") ROAD("r", "a", "b"));
	ROWS(&f, "match { $x: City  $y: City  $x road $y } return { $x.name, $y.name }", "\"a\",\"b\"");
	fix_close(&f);
}

/* Records of one input may not share a unique tuple, even when a later one replaces an earlier one of the same id. */
static void same_unique_value_twice(void)
{
	const struct load_opts *opts[] = { &strict_append, &strict_merge, &strict_overwrite };

	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++)
		lt_refuses(&f, opts[i], MAIL("n", "x") MAIL("m", "x"),
			   "@unique violation on Note.mail: value 'x' held by 'n' and 'm'", true);
	REFUSES(&f, strict_merge, MAIL("n", "x") MAIL("n", "x"),
		"@unique violation on Note.mail: value 'x' held by 'n' and 'n'");
	REFUSES(&f, loose_merge, MAIL("n", "x") MAIL("m", "x") MAIL("n", "y"),
		"@unique violation on Note.mail: value 'x' held by 'n' and 'm'");
	lt_load(&f, &strict_merge, MAIL("n", "x") MAIL("m", "z") MAIL("n", "y"));
	NOTES("null,\"y\"; null,\"z\"");
	fix_close(&f);
}

static void edges_first(void)
{
	const struct load_opts *opts[] = { &strict_append, &strict_merge, &strict_overwrite };

	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		fix_open(&f, SCHEMA);
		lt_load(&f, opts[i], ROAD("r", "a", "b") CITY("a") CITY("b"));
		lt_refuses(&f, opts[i], ROAD("s", "a", "nowhere") CITY("c"),
			   opts[i] == &strict_overwrite ? "src 'a' not found in City"
							: "dst 'nowhere' not found in City",
			   true);
		lt_refuses(&f, opts[i], ROAD("s", "nobody", "a"), "src 'nobody' not found in City", true);
		fix_close(&f);
	}
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, NOTE("n", "a"));
	REFUSES(&f, strict_append, ROAD("r", "n", "n"), "src 'n' not found in City"); /* another type's id */
	fix_close(&f);
}

static void results(void)
{
	struct load_opts o = strict_append;
	struct load_result r;
	struct err e = ERR_INIT;

	o.write.actor = "ada";
	fix_open(&f, SCHEMA);
	FIX_OK(lt_load_str(&f, &o, STR(NOTE("n", "a") CITY("a") CITY("b") ROAD("r", "a", "b") ROAD("s", "a", "b")), &r,
			   &e),
	       &e);
	CHECK_INT(r.total, 5);
	CHECK_INT(r.n_nodes, 2);
	CHECK(str_eqz(r.nodes[0].name, "City") && r.nodes[0].n == 2);
	CHECK(str_eqz(r.nodes[1].name, "Note") && r.nodes[1].n == 1);
	CHECK_INT(r.n_edges, 1);
	CHECK(str_eqz(r.edges[0].name, "Road") && r.edges[0].n == 2);
	CHECK(!r.branch_created);
	CHECK_STR(r.commit.actor, "ada");
	CHECK_STR(r.commit.id, lt_head(&f));
	load_result_clear(&r);
	/* input rows are counted, not net changes */
	o.mode = LOAD_MERGE;
	FIX_OK(lt_load_str(&f, &o, STR(NOTE("n", "a") NOTE("n", "b")), &r, &e), &e);
	CHECK_INT(r.total, 2);
	load_result_clear(&r);
	fix_close(&f);
}

static void branches(void)
{
	struct load_opts o = strict_append;
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append, CITY("a"));
	o.write.branch = "new";
	CHECK(lt_load_str(&f, &o, STR(CITY("b")), &r, &e) != 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_HAS(err_msg(&e), "branch 'new' not found");
	err_clear(&e);
	o.from = "nowhere";
	CHECK(lt_load_str(&f, &o, STR(CITY("b")), &r, &e) != 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_HAS(err_msg(&e), "nowhere");
	err_clear(&e);
	o.from = "main";
	FIX_OK(lt_load_str(&f, &o, STR(CITY("b")), &r, &e), &e);
	CHECK(r.branch_created);
	CHECK_STR(r.commit.branch, "new");
	load_result_clear(&r);
	CHECK_STR(lt_export_of(&f, "new"), "{\"type\":\"City\",\"data\":{\"id\":\"a\",\"name\":\"a\",\"pop\":null}}\n"
					   "{\"type\":\"City\",\"data\":{\"id\":\"b\",\"name\":\"b\",\"pop\":null}}\n");
	CHECK_STR(lt_export(&f), "{\"type\":\"City\",\"data\":{\"id\":\"a\",\"name\":\"a\",\"pop\":null}}\n");
	o.from = "nowhere"; /* not looked at: the branch is there */
	FIX_OK(lt_load_str(&f, &o, STR(CITY("c")), &r, &e), &e);
	CHECK(!r.branch_created);
	load_result_clear(&r);
	o.write.branch = "spare"; /* the fork survives the load that fails */
	o.from = "new";
	CHECK(lt_load_str(&f, &o, STR("{\"type\":\"Nope\"}"), &r, &e) != 0);
	err_clear(&e);
	CHECK_STR(lt_export_of(&f, "spare"), lt_export_of(&f, "new"));
	fix_close(&f);
}

static void expected_head(void)
{
	struct load_opts o = strict_append;
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	o.write.expected_head = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
	lt_fail(&f, &o, STR(CITY("a")), &e);
	CHECK_INT(e.code, ERR_PRECONDITION);
	err_clear(&e);
	o.write.expected_head = lt_head(&f);
	FIX_OK(lt_load_str(&f, &o, STR(CITY("a")), &r, &e), &e);
	load_result_clear(&r);
	fix_close(&f);
}

static void two_handles(void)
{
	struct graph *other = NULL;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	FIX_OK(graph_open_store(f.store, NULL, &other, &e), &e);
	lt_load(&f, &strict_append, CITY("a"));
	{
		struct source s = { STR(CITY("b")), 64 };
		struct load_result r;

		FIX_OK(graph_load(other, &strict_append, read_text, &s, &r, &e), &e);
		load_result_clear(&r);
		s = (struct source){ STR(CITY("a")), 64 };
		CHECK(graph_load(other, &strict_append, read_text, &s, &r, &e) != 0);
		CHECK_INT(e.code, ERR_KEY_CONFLICT);
		err_clear(&e);
	}
	CITIES("\"a\",null; \"b\",null");
	graph_close(other);
	fix_close(&f);
}

CHECK_MAIN("engine/load/modes", { "ENG-22 append refuses an id that is there and leaves the row", append },
	   { "ENG-23 merge replaces the whole row, omitted properties become null", merge },
	   { "ENG-23 merge can move an edge", merge_moves_an_edge },
	   { "ENG-24 overwrite replaces the types in the input only", overwrite },
	   { "ENG-24 an empty input makes one commit and changes nothing, in every mode", empty_inputs },
	   { "ENG-25 SCH-39 an overwrite that strands a retained edge is refused", strands_an_edge },
	   { "ENG-26 the same key twice is refused in every mode", same_key_twice },
	   { "ENG-27 the same keyless id twice: conflict, under merge the last wins", same_id_twice },
	   { "ENG-26 SCH-35 one unique value in two records is refused, even of one id", same_unique_value_twice },
	   { "ENG-32 SCH-39 edges may come first, missing endpoints fail the load", edges_first },
	   { "ENG-32 a result counts the input by type, in name order", results },
	   { "ENG-33 from forks a missing branch, is ignored otherwise, and survives", branches },
	   { "ENG-41 a load on an expected head", expected_head },
	   { "ENG-22 a second handle sees the rows of the first", two_handles }, )
