/* SPDX-License-Identifier: MIT */
/* Projections, aggregates, ordering and the envelope (spec/query.md 7, 8, 13). */
#include <omnigraph/limits.h>

#include "fixture.h"

#define N(type, id, data) "{\"type\":\"" type "\",\"id\":\"" id "\",\"data\":{" data "}}\n"
#define PLANET(id, data) N("Planet", id, "\"code\":\"" id "\"" data)
#define PROBE(id, data) N("Probe", id, "\"ref\":\"" id "\",\"label\":\"L" id "\"" data)
#define EDGE(type, id, a, b, data) \
	"{\"edge\":\"" type "\",\"id\":\"" id "\",\"from\":\"" a "\",\"to\":\"" b "\",\"data\":{" data "}}\n"

static void open_space(struct fix *f)
{
	fix_open(f, FIX_SPACE);
	fix_write(f,
		  PLANET("mars", ",\"moons\":2,\"mass\":0.107,\"tags\":[\"rocky\",null],\"vec\":[1,0.1]")
			  PLANET("venus", ",\"moons\":0,\"mass\":0.815") PLANET("jove", ",\"moons\":53,\"mass\":317.8")
				  PLANET("nil", "") PROBE("odys", ",\"launched\":\"2001-04-07T15:02:00Z\"")
					  PROBE("vex", ",\"launched\":\"2005-11-09T03:33:34.500Z\"") PROBE("juice", "")
						  EDGE("Orbits", "e2", "odys", "mars", "\"note\":\"n\"")
							  EDGE("Orbits", "e1", "vex", "mars", "\"note\":\"n\"")
								  EDGE("Orbits", "e3", "juice", "venus", ""));
}

static void envelope(void)
{
	const char *env;
	struct fix f;

	open_space(&f);
	env = fix_query(&f,
			"query get_planet($code: String) { match { $m: Planet { code: $code } } "
			"return { $m.code, $m.moons, $m.mass } }",
			"{\"code\":\"mars\"}");
	CHECK_HAS(env,
		  "{\"query_name\":\"get_planet\",\"target\":{\"branch\":\"main\",\"snapshot\":null},\"row_count\":1,"
		  "\"columns\":[\"m.code\",\"m.moons\",\"m.mass\"],\"rows\":[{\"m.code\":\"mars\",\"m.moons\":2,"
		  "\"m.mass\":0.107}],\"graph_commit_id\":\"");
	CHECK_INT(strlen(strstr(env, "graph_commit_id")), strlen("graph_commit_id\":\"\"}") + ULID_LEN);
	CHECK_HAS(fix_query(&f, Q("match { $m: Planet { code: \"no\" } } return { $m.code as c, $m }"), NULL),
		  "\"row_count\":0,\"columns\":[\"c\",\"m\"],\"rows\":[],");
	CHECK_HAS(fix_query(&f, Q("match { $m: Planet { code: \"mars\" } } return { $m.code as a, $m.moons, $m as a }"),
			    NULL),
		  "\"columns\":[\"a\",\"m.moons\",\"a\"],\"rows\":[{\"a\":\"mars\",\"m.moons\":2}]");
	CHECK_HAS(fix_query(&f, Q("match { $m: Planet { code: \"mars\" } } return { $m.moons as a, $m.code as a }"),
			    NULL),
		  "\"rows\":[{\"a\":\"mars\"}]");
	fix_close(&f);
}

static void envelope_parts(void)
{
	struct query_target at = { .snapshot = "01X" };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct snapshot *s;
	struct query *q;
	struct fix f;

	open_space(&f);
	FIX_OK(graph_snapshot(f.g, NULL, NULL, &s, &e), &e);
	FIX_OK(fix_compile(&f, s, Q("match { $m: Planet { code: \"nil\" } } return { 1 }"), &q, &e), &e);
	sb_addz(&out, "before ");
	FIX_OK(graph_query(f.g, s, q, NULL, &at, false, &out, &e), &e);
	CHECK_STR(out.s,
		  "before {\"query_name\":\"q\",\"target\":{\"branch\":null,\"snapshot\":\"01X\"},\"row_count\":1,"
		  "\"columns\":[\"literal\"],\"rows\":[{\"literal\":1}]}");
	sb_free(&out);
	query_free(q);
	snapshot_put(s);
	fix_close(&f);
}

static void many_rows(void)
{
	struct strbuf sb = STRBUF_INIT;
	const char *env;
	struct fix f;

	fix_open(&f, FIX_SPACE);
	for (int i = 0; i < 1234; i++)
		sb_addf(&sb, "{\"type\":\"Planet\",\"data\":{\"code\":\"p%04d\",\"moons\":%d}}\n", i,
			(i * 7919) % 1234);
	fix_write(&f, sb.s);
	env = fix_query(&f, Q("match { $m: Planet } return { $m.moons } order { $m.moons }"), NULL);
	CHECK_HAS(env, "\"row_count\":1234,\"columns\":[\"m.moons\"],\"rows\":[{\"m.moons\":0},{\"m.moons\":1},");
	CHECK_HAS(env, "{\"m.moons\":1233}],\"graph_commit_id\"");
	env = fix_query(&f, Q("match { $m: Planet } return { $m.moons }"), NULL);
	CHECK_HAS(env, "\"row_count\":1234,\"columns\":[\"m.moons\"],\"rows\":[{\"m.moons\":");
	CHECK_HAS(env, "}],\"graph_commit_id\":\"");
	fix_rows(&f, Q("match { $m: Planet } return { $m.moons }"), NULL); /* parses, and counts right */
	ROWS(&f, "match { $m: Planet } return { $m.moons } order { $m.moons desc } limit 3", "1233; 1232; 1231");
	ROWS(&f, "match { $m: Planet } return { $m.moons } order { $m.moons } limit 11",
	     "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; 10");
	ROWS(&f, "match { $m: Planet $m.moons < 3 } return { $m.moons } order { $m.moons desc } limit 100", "2; 1; 0");
	ROWS(&f, "match { $m: Planet $n: Planet } return { count($n), sum($m.moons) as s }", "1522756,938779074.0");
	sb_free(&sb);
	fix_close(&f);
}

static void cells(void)
{
	struct fix f;

	fix_open(&f, "node T { k: String @key i: I64? u: U64? f: F32? d: F64? b: Bool? day: Date? at: DateTime? "
		     "xs: [I32]? ds: [Date]? v: Vector(2)? s: String? e: enum(x, y)? }\n");
	fix_write(&f,
		  N("T", "a",
		    "\"k\":\"a\",\"i\":-9223372036854775808,\"u\":18446744073709551615,\"f\":0.1,\"d\":30,\"b\":true,"
		    "\"day\":\"2020-02-29\",\"at\":\"2020-02-29T01:02:03Z\",\"xs\":[1,null,3],\"ds\":[\"2020-01-01\"],"
		    "\"v\":[0.5,0.1],\"s\":\"q\\\"\\u00e9\\n\",\"e\":\"y\"") N("T", "b", "\"k\":\"b\",\"xs\":[]"));
	CHECK_HAS(fix_query(&f, Q("match { $t: T { k: \"a\" } } return { $t { * } $t.v }"), NULL),
		  "\"rows\":[{\"t.at\":\"2020-02-29T01:02:03.000Z\",\"t.b\":true,\"t.d\":30.0,\"t.day\":\"2020-02-29\","
		  "\"t.ds\":[\"2020-01-01\"],\"t.e\":\"y\",\"t.f\":0.10000000149011612,\"t.i\":-9223372036854775808,"
		  "\"t.k\":\"a\",\"t.s\":\"q\\\"\xc3\xa9\\n\",\"t.u\":18446744073709551615,\"t.xs\":[1,null,3],"
		  "\"t.v\":[0.5,0.10000000149011612]}]");
	CHECK_HAS(fix_query(&f, Q("match { $t: T { k: \"b\" } } return { $t.i, $t.at, $t.xs, $t.v, $t.f }"), NULL),
		  "\"rows\":[{\"t.i\":null,\"t.at\":null,\"t.xs\":[],\"t.v\":null,\"t.f\":null}]");
	CHECK_HAS(fix_query(&f,
			    QP("$p: F32, $n: I32?", "match { $t: T { k: \"b\" } } return { $p, $n, \"x\", [1, 2] as l, "
						    "date(\"2020-01-01\") as d, true as b, -1.5 as m }"),
			    "{\"p\":0.1}"),
		  "\"rows\":[{\"p\":0.10000000149011612,\"n\":null,\"literal\":\"x\",\"l\":[1,2],\"d\":\"2020-01-01\","
		  "\"b\":true,\"m\":-1.5}]");
	FAILS(&f, "match { $t: T } return { date(\"x\") }", "invalid Date literal 'x'");
	fix_close(&f);
}

static void now_is_one_instant(void)
{
	const char *rows;
	struct fix f;

	open_space(&f);
	rows = fix_rows(
		&f,
		Q("match { $m: Planet { code: \"mars\" } $n: Planet { moons: 0 } } return { now() as a, now() as b }"),
		NULL);
	CHECK_INT(strlen(rows), 2 * 26 + 1);
	CHECK(!strncmp(rows, rows + 27, 26));
	fix_close(&f);
}

static void aggregates(void)
{
	struct fix f;

	open_space(&f);
	CHECK_HAS(fix_query(&f,
			    "query per_planet() { match { $p: Probe  $p orbits $m } "
			    "return { $m.code, count($p) as n }  order { n desc } }",
			    NULL),
		  "\"columns\":[\"m.code\",\"n\"],\"rows\":[{\"m.code\":\"mars\",\"n\":2},{\"m.code\":\"venus\",\"n\":"
		  "1}]");
	ROWS(&f,
	     "match { $m: Planet } return { count($m), count($m.moons), sum($m.moons), avg($m.moons), "
	     "min($m.moons), max($m.moons), min($m.code), max($m.code) }",
	     /* columns repeat: the last value of each name stays */
	     "4,53,\"venus\"");
	ROWS(&f,
	     "match { $m: Planet } return { count($m) as a, count($m.moons) as b, sum($m.moons) as c, "
	     "avg($m.moons) as d, min($m.moons) as e, max($m.moons) as f, min($m.code) as g, max($m) as h }",
	     "4,3,55.0,18.333333333333332,0,53,\"jove\",\"venus\"");
	/* nothing to add up */
	ROWS(&f,
	     "match { $m: Planet { code: \"no\" } } return { count($m) as a, sum($m.moons) as b, avg($m.mass) as c, "
	     "min($m.moons) as d, max($m.code) as e }",
	     "0,null,null,null,null");
	ROWS(&f, "match { $m: Planet { code: \"no\" } } return { $m.code, count($m) as a }", "");
	ROWS(&f, "match { $m: Planet { code: \"nil\" } } return { $m.code, count($m.moons) as a, sum($m.moons) as b }",
	     "\"nil\",0,null");
	/* NULL keys are one group; keys sort ascending, nulls first, when nothing else decides */
	ROWS(&f, "match { $p: Probe } return { $p.notes, count($p) as n } order { n }", "null,3");
	ROWS(&f, "match { $p: Probe $p orbits $m } return { $p.launched, $m, count($p) as n } order { n }",
	     "null,\"venus\",1; \"2001-04-07T15:02:00.000Z\",\"mars\",1; \"2005-11-09T03:33:34.500Z\",\"mars\",1");
	ROWS(&f, "match { $p: Probe $p orbits $m } return { count($p) as n, $m.moons } order { $m.moons desc } limit 1",
	     "2,2");
	CHECK_STR(fix_rows(&f, QP("$x: I32", "match { $m: Planet } return { $x, count($m) as n }"), "{\"x\":7}"),
		  "7,4");
	ROWS(&f, "match { $m: Planet } return { count($m) as n } limit 0", "");
	ROWS(&f, "match { $p: Probe $p $o:orbits $m } return { $o.note, count($m.moons) as n } order { $o.note }",
	     "null,1; \"n\",2");
	fix_close(&f);
}

static void aggregate_kinds(void)
{
	struct fix f;

	fix_open(&f, "node T { k: String @key g: F64? l: I64? u: U64? f: F32? xs: [I32]? }\n");
	fix_write(&f,
		  N("T", "a",
		    "\"k\":\"a\",\"g\":0.0,\"l\":9223372036854775807,\"u\":18446744073709551615,\"f\":0.1,\"xs\":[1]")
			  N("T", "b", "\"k\":\"b\",\"g\":-0.0,\"l\":-9223372036854775807,\"u\":0,\"f\":0.5,\"xs\":[1]")
				  N("T", "c", "\"k\":\"c\",\"l\":1,\"xs\":[2]"));
	ROWS(&f, "match { $t: T } return { sum($t.l) as a, max($t.u) as b, min($t.f) as c, count($t.xs) as d }",
	     "1.0,18446744073709551615,0.10000000149011612,3");
	ROWS(&f, "match { $t: T } return { $t.g, count($t) as n } order { n desc }", "0.0,2; null,1");
	ROWS(&f, "match { $t: T } return { $t.xs, count($t) as n } order { $t.xs }", "[1],2; [2],1");
	fix_close(&f);
}

static void aggregate_ordering(void)
{
	struct fix f;

	open_space(&f);
	FAILS(&f, "match { $m: Planet } return { $m.code as c, count($m) as n } order { $m.code }",
	      "column 'm.code' not found for ordering");
	ROWS(&f, "match { $m: Planet } return { $m.code as c, count($m) as n } order { c desc } limit 2",
	     "\"venus\",1; \"nil\",1");
	FAILS(&f, "match { $m: Planet } return { $m.code, count($m) as n } order { $m.moons }",
	      "column 'm.moons' not found for ordering");
	fix_close(&f);
}

static void ordering(void)
{
	struct fix f;

	open_space(&f);
	ROWS(&f, "match { $m: Planet } return { $m.code } order { $m.moons }",
	     "\"nil\"; \"venus\"; \"mars\"; \"jove\"");
	ROWS(&f, "match { $m: Planet } return { $m.code } order { $m.moons desc }",
	     "\"jove\"; \"mars\"; \"venus\"; \"nil\"");
	ROWS(&f, "match { $m: Planet } return { $m.code as c } order { c desc } limit 2", "\"venus\"; \"nil\"");
	ROWS(&f, "match { $m: Planet } return { $m } order { m }", "\"jove\"; \"mars\"; \"nil\"; \"venus\"");
	ROWS(&f, "match { $m: Planet { code: \"mars\" } $p orbits $m } return { $p.label } order { $p.launched desc }",
	     "\"Lvex\"; \"Lodys\"");
	ROWS(&f, "match { $m: Planet } return { $m.code } order { $m.tags, $m.moons desc }",
	     "\"jove\"; \"venus\"; \"nil\"; \"mars\"");
	ROWS(&f, "match { $m: Planet } return { $m.code } order { $m.moons } limit 0", "");
	BAG(&f, "match { $m: Planet } return { $m.code } limit 18446744073709551615",
	    "\"jove\"; \"mars\"; \"nil\"; \"venus\"");
	fix_close(&f);
}

static void ties(void)
{
	struct fix f;

	open_space(&f);
	/* variables in order of their names: $a before $z, whatever the text says */
	ROWS(&f, "match { $z: Planet $a: Probe } return { $a, $z } order { $z.tags } limit 7",
	     "\"juice\",\"jove\"; \"juice\",\"nil\"; \"juice\",\"venus\"; \"odys\",\"jove\"; \"odys\",\"nil\"; "
	     "\"odys\",\"venus\"; \"vex\",\"jove\"");
	/* parallel edges by their ids */
	fix_write(&f, EDGE("Orbits", "f2", "odys", "jove", "\"note\":\"second\"")
			      EDGE("Orbits", "f1", "odys", "jove", "\"note\":\"first\"")
				      EDGE("Orbits", "f3", "odys", "jove", "\"note\":\"third\""));
	ROWS(&f, "match { $m: Planet { code: \"jove\" } $p $o:orbits $m } return { $o.note } order { $o.since }",
	     "\"first\"; \"second\"; \"third\"");
	ROWS(&f,
	     "match { $m: Planet { code: \"jove\" } $p $o:orbits $m } return { $o.note } order { $o.since } limit 2",
	     "\"first\"; \"second\"");
	/* $_ counts too, and sorts before named variables */
	ROWS(&f,
	     "match { $p: Probe { ref: \"odys\" } $p orbits $_ $m: Planet $m.moons > 1 } return { $m } order { "
	     "$p.notes }",
	     "\"jove\"; \"mars\"; \"jove\"; \"mars\"");
	fix_close(&f);
}

static void budget(void)
{
	_Atomic bool cancel = true;
	struct query_budget b = { .cancel = &cancel }, late = { .deadline_us = 1 };
	struct query_target main_ = { .branch = "main" };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct snapshot *s;
	struct query *q;
	struct fix f;

	open_space(&f);
	FIX_OK(graph_snapshot(f.g, NULL, NULL, &s, &e), &e);
	FIX_OK(fix_compile(&f, s,
			   Q("match { $a: Planet $b: Planet $c: Planet $d: Planet $e: Planet $f: Planet $g: Planet } "
			     "return { count($a) as n }"),
			   &q, &e),
	       &e);
	CHECK(graph_query_budget(f.g, s, q, NULL, &main_, true, &b, &out, &e) < 0);
	CHECK_HAS(err_msg(&e), "cancelled");
	err_clear(&e);
	CHECK(graph_query_budget(f.g, s, q, NULL, &main_, true, &late, &out, &e) < 0);
	CHECK_HAS(err_msg(&e), "time limit");
	err_clear(&e);
	CHECK_INT(out.n, 0);
	cancel = false;
	FIX_OK(graph_query_budget(f.g, s, q, NULL, &main_, true, &b, &out, &e), &e);
	CHECK_HAS(out.s, "{\"n\":16384}");
	sb_free(&out);
	query_free(q);
	snapshot_put(s);
	fix_close(&f);
}

static void old_snapshots(void)
{
	struct query_target main_ = { .branch = "main" };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct snapshot *s;
	struct query *q;
	struct fix f;

	open_space(&f);
	FIX_OK(graph_snapshot(f.g, NULL, NULL, &s, &e), &e);
	FIX_OK(fix_compile(&f, s, Q("match { $m: Planet { code: \"mars\" } } return { $m.moons }"), &q, &e), &e);
	fix_write(&f, PLANET("mars", ",\"moons\":3"));
	ROWS(&f, "match { $m: Planet { code: \"mars\" } } return { $m.moons }", "3");
	FIX_OK(graph_query(f.g, s, q, NULL, &main_, true, &out, &e), &e);
	CHECK_HAS(out.s, "\"rows\":[{\"m.moons\":2}]");
	sb_free(&out);
	query_free(q);
	snapshot_put(s);
	fix_close(&f);
}

CHECK_MAIN("engine/query/result", { "QRY-01 QRY-02 QRY-03 QRY-04 the read envelope", envelope },
	   { "QRY-03 the legacy envelope, snapshot target, appended output", envelope_parts },
	   { "QRY-03 QRY-13 row counts of every width", many_rows },
	   { "QRY-55 QRY-56 QRY-57 cells of every type", cells }, { "QRY-62 now() is one instant", now_is_one_instant },
	   { "QRY-34 QRY-35 QRY-36 aggregates", aggregates },
	   { "QRY-35 QRY-36 aggregates over every kind", aggregate_kinds },
	   { "QRY-68 an aliased key is ordered by its alias only", aggregate_ordering },
	   { "QRY-12 nulls first ascending, last descending", ordering },
	   { "QRY-13 QRY-14 ties are broken by ids", ties }, { "a query can be cancelled and timed out", budget },
	   { "a pinned snapshot is read as it was", old_snapshots }, )
