/* SPDX-License-Identifier: MIT */
/* Match semantics (spec/query.md 6): patterns, traversals, filters, negation. */
#include "fixture.h"

#define N(type, id, data) "{\"type\":\"" type "\",\"id\":\"" id "\",\"data\":{" data "}}\n"
#define PLANET(id, data) N("Planet", id, "\"code\":\"" id "\"" data)
#define PROBE(id, data) N("Probe", id, "\"ref\":\"" id "\",\"label\":\"L" id "\"" data)
#define E(type, a, b, data) "{\"edge\":\"" type "\",\"from\":\"" a "\",\"to\":\"" b "\",\"data\":{" data "}}\n"
#define ORBITS(a, b) E("Orbits", a, b, "")
#define RELAYS(a, b) E("Relays", a, b, "")

static void open_space(struct fix *f)
{
	fix_open(f, FIX_SPACE);
	fix_write(
		f,
		PLANET("mars", ",\"moons\":2,\"mass\":0.107,\"tags\":[\"rocky\",\"red\",null],\"vec\":[1,0.1]") PLANET(
			"venus", ",\"moons\":0,\"mass\":0.815,\"tags\":[\"rocky\"]")
			PLANET("jove", ",\"moons\":95,\"mass\":317.8,\"tags\":[],\"vec\":[2,2]") PLANET(
				"x_%", "") PROBE("odys", ",\"status\":\"active\",\"launched\":\"2001-04-07T15:02:00Z\"")
				PROBE("vex",
				      ",\"status\":\"lost\",\"launched\":\"2005-11-09T03:33:34.500Z\",\"notes\":"
				      "\"ab_c 100%\"") PROBE("juice",
							     ",\"launched\":\"2023-04-14T12:14:00Z\",\"notes\":\"ABC\"")
					PROBE("idle", "") E("Orbits", "odys", "mars", "\"since\":\"2001-10-24\"")
						E("Orbits", "vex", "mars", "\"since\":\"2020-01-01\",\"note\":\"x\"")
							E("Orbits", "vex", "mars", "") E("Orbits", "juice", "venus",
											 "\"since\":\"2031-07-01\""));
}

/* A graph of Relays among probes a, b, c, d; "ab" is an edge a->b. */
static void open_relays(struct fix *f, const char *edges)
{
	struct strbuf sb = STRBUF_INIT;

	fix_open(f, FIX_SPACE);
	sb_addz(&sb, PROBE("a", "") PROBE("b", "") PROBE("c", "") PROBE("d", ""));
	for (const char *p = edges; *p; p += p[2] ? 3 : 2)
		sb_addf(&sb, "{\"edge\":\"Relays\",\"from\":\"%c\",\"to\":\"%c\",\"data\":{}}\n", p[0], p[1]);
	fix_write(f, sb.s);
	sb_free(&sb);
}

static const char *reach(struct fix *f, const char *trav)
{
	const char *src =
		arena_printf(&f->a, "query q() { match { $p: Probe { ref: \"a\" } %s } return { $x } }", trav);

	return fix_bag(f, src, NULL);
}

static void check_reach(const char *edges, const char *trav, const char *want)
{
	struct fix f;

	open_relays(&f, edges);
	CHECK_STR(reach(&f, trav), want);
	fix_close(&f);
}

static void bag_semantics(void)
{
	struct fix f;

	open_space(&f);
	ROWS(&f, "match { $m: Planet { code: \"mars\" } $p orbits $m } return { $m.code }", "\"mars\"; \"mars\"");
	BAG(&f, "match { $m: Planet $n: Planet { moons: 2 } } return { $m.moons, $n }",
	    "0,\"mars\"; 2,\"mars\"; 95,\"mars\"; null,\"mars\"");
	ROWS(&f, "match { $m: Planet $p: Probe } return { count($m) as n }", "16");
	ROWS(&f, "match { $m: Planet { code: \"venus\" } } return { $m.code, $m }", "\"venus\",\"venus\"");
	ROWS(&f, "match { $m: Planet { code: \"nope\" } } return { $m }", "");
	/* repeating a pattern adds constraints; order of the text does not matter */
	BAG(&f, "match { $m: Planet { moons: 2 } $m: Planet { tags: \"red\" } } return { $m }", "\"mars\"");
	BAG(&f, "match { $p orbits $m $p: Probe { status: \"lost\" } $m: Planet } return { $p, $m }",
	    "\"vex\",\"mars\"");
	BAG(&f, "match { $_: Planet $p: Probe { ref: \"idle\" } } return { $p }",
	    "\"idle\"; \"idle\"; \"idle\"; \"idle\"");
	fix_close(&f);
}

static void set_and_edge_bindings(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $p: Probe $p orbits $m } return { $p, $m }",
	    "\"juice\",\"venus\"; \"odys\",\"mars\"; \"vex\",\"mars\"");
	BAG(&f, "match { $p: Probe $p $o:orbits $m } return { $p, $o.since, $o.note }",
	    "\"juice\",\"2031-07-01\",null; \"odys\",\"2001-10-24\",null; \"vex\",\"2020-01-01\",\"x\"; "
	    "\"vex\",null,null");
	BAG(&f, "match { $p: Probe $p $_:orbits $m } return { $p }", "\"juice\"; \"odys\"; \"vex\"");
	BAG(&f, "match { $p: Probe $p $o:orbits $m $o.since >= date(\"2020-01-01\") } return { $p.ref, $o.since }",
	    "\"juice\",\"2031-07-01\"; \"vex\",\"2020-01-01\"");
	/* both ends bound: the pair once, the edges each */
	BAG(&f, "match { $p: Probe { ref: \"vex\" } $m: Planet { code: \"mars\" } $p orbits $m } return { $p }",
	    "\"vex\"");
	BAG(&f, "match { $p: Probe { ref: \"vex\" } $m: Planet { code: \"mars\" } $p $o:orbits $m } return { $o.note }",
	    "\"x\"; null");
	BAG(&f, "match { $p: Probe { ref: \"vex\" } $m: Planet { code: \"venus\" } $p orbits $m } return { $p }", "");
	fix_close(&f);
}

static void direction(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $m: Planet $m orbits $p } return { $m, $p, $p.label }",
	    "\"mars\",\"odys\",\"Lodys\"; \"mars\",\"vex\",\"Lvex\"; \"venus\",\"juice\",\"Ljuice\"");
	BAG(&f, "match { $m: Planet { code: \"mars\" } $p orbits $m } return { $p }", "\"odys\"; \"vex\"");
	BAG(&f, "match { $m: Planet $p: Probe $m orbits $p } return { $p }", "\"juice\"; \"odys\"; \"vex\"");
	BAG(&f, "match { $m: Planet not { $m orbits $_ } } return { $m }", "\"jove\"; \"x_%\"");
	BAG(&f, "match { $m: Planet not { $_ orbits $m } } return { $m }", "\"jove\"; \"x_%\"");
	fix_close(&f);
}

static void hops(void)
{
	check_reach("ab bc cd", "$p relays{1,3} $x", "\"b\"; \"c\"; \"d\"");
	check_reach("ab bc cd", "$p relays{2,3} $x", "\"c\"; \"d\"");
	check_reach("ab bc cd", "$p relays{2,2} $x", "\"c\"");
	check_reach("ab ac bc", "$p relays{2,2} $x", "");
	check_reach("ab bc ca", "$p relays{1,5} $x", "\"b\"; \"c\"");
	check_reach("aa ab", "$p relays{1,5} $x", "\"a\"; \"b\"");
	check_reach("aa ab", "$p relays $x", "\"a\"; \"b\"");
	check_reach("aa ab", "$p <relays> $x", "\"a\"; \"b\"");
	check_reach("aa ab", "$p <relays>{1,5} $x", "\"a\"; \"b\"");
	check_reach("aa ab", "$p $w:relays $x", "\"a\"; \"b\"");
	check_reach("aa ab", "$p $w:<relays> $x", "\"a\"; \"b\"");
	check_reach("ba cb", "$p <relays>{1,2} $x", "\"b\"; \"c\"");
	check_reach("ab ab", "$p relays $x", "\"b\"");
	check_reach("ab ab", "$p $w:relays $x", "\"b\"; \"b\"");
	check_reach("ab bb", "$p relays{2,2} $x", "\"b\"");
	check_reach("ab bb bb", "$p relays{1,3} $x", "\"b\"");
	check_reach("ab bb bb", "$p relays{2,3} $x", "\"b\"");
	check_reach("ab bb", "$p relays{3,4} $x", "");
	check_reach("ab ba", "$p relays{1,4294967295} $x", "\"b\"");
}

/* The same searches, from the right end, and with both ends fixed. */
static void hops_from_the_right(void)
{
	static const char *const graphs[] = { "ab bc cd", "ab ac bc", "ab bc ca", "aa ab",    "ab bb",
					      "ab bb bc", "aa bb ab", "ab ba bc", "ab cb cd", "ab bc cc cd" };
	static const char *const bounds[] = { "relays",	       "relays{1,2}",	"relays{2,2}",	 "relays{2,3}",
					      "relays{3,3}",   "<relays>",	"<relays>{1,2}", "<relays>{2,2}",
					      "<relays>{2,4}", "<relays>{3,3}", "relays{1,9}" };

	for (size_t g = 0; g < ARRAY_SIZE(graphs); g++) {
		struct fix f;

		open_relays(&f, graphs[g]);
		for (size_t b = 0; b < ARRAY_SIZE(bounds); b++) {
			struct strbuf fwd = STRBUF_INIT, back = STRBUF_INIT, both = STRBUF_INIT;

			for (const char *x = "a"; *x <= 'd'; x = arena_printf(&f.a, "%c", *x + 1)) {
				const char *all = fix_bag(&f,
							  arena_printf(&f.a,
								       "query q() { match { $x: Probe $y: Probe "
								       "{ ref: \"%s\" } $x %s $y } return { $x, $y } }",
								       x, bounds[b]),
							  NULL);

				sb_addf(&back, "%s%s", back.n && *all ? "; " : "", all);
				for (const char *y = "a"; *y <= 'd'; y = arena_printf(&f.a, "%c", *y + 1)) {
					const char *one = fix_bag(&f,
								  arena_printf(&f.a,
									       "query q() { match { "
									       "$x: Probe { ref: \"%s\" } $y: Probe { "
									       "ref: \"%s\" } $y %s $x } "
									       "return { $y, $x } }",
									       x, y, bounds[b]),
								  NULL);

					sb_addf(&both, "%s%s", both.n && *one ? "; " : "", one);
				}
			}
			for (const char *x = "a"; *x <= 'd'; x = arena_printf(&f.a, "%c", *x + 1)) {
				const char *all = fix_bag(&f,
							  arena_printf(&f.a,
								       "query q() { match { $x: Probe { ref: \"%s\" }"
								       " $x %s $y } return { $y } }",
								       x, bounds[b]),
							  NULL);

				/* as pairs */
				for (const char *p = all; *p; p += 3 + 2 * (p[3] == ';'))
					sb_addf(&fwd, "%s\"%s\",%.3s", fwd.n ? "; " : "", x, p);
			}
			/* fwd is by left, back and both by right: compare as sets of pairs */
			CHECK_INT(fwd.n, back.n);
			CHECK_STR(both.s ? both.s : "", back.s ? back.s : "");
			for (size_t i = 0; i + 7 <= fwd.n; i += 9) {
				char pair[8] = { 0 };

				memcpy(pair, fwd.s + i, 7);
				CHECK_HAS(back.s, pair);
			}
			sb_free(&fwd);
			sb_free(&back);
			sb_free(&both);
		}
		fix_close(&f);
	}
}

static void different_endpoint_types(void)
{
	struct fix f;

	fix_open(&f, FIX_SPACE);
	/* a probe and a planet share an id */
	fix_write(&f, PLANET("mars", "") PLANET("x", "") PROBE("mars", "") PROBE("x", "") ORBITS("mars", "mars")
			      ORBITS("x", "mars") ORBITS("mars", "x"));
	BAG(&f, "match { $p: Probe { ref: \"mars\" } $p orbits{1,4} $m } return { $m }", "\"mars\"; \"x\"");
	BAG(&f, "match { $p: Probe { ref: \"mars\" } $p orbits{2,4} $m } return { $m }", "");
	BAG(&f, "match { $m: Planet { code: \"mars\" } $p orbits{1,4} $m } return { $p }", "\"mars\"; \"x\"");
	BAG(&f, "match { $m: Planet { code: \"x\" } $p: Probe { ref: \"x\" } $p orbits $m } return { $p }", "");
	fix_close(&f);
}

static void undirected(void)
{
	struct fix f;

	open_relays(&f, "ab ba bc");
	BAG(&f, "match { $x: Probe $x <relays> $y } return { $x, $y }",
	    "\"a\",\"b\"; \"b\",\"a\"; \"b\",\"c\"; \"c\",\"b\"");
	BAG(&f, "match { $x: Probe { ref: \"a\" } $x $w:<relays> $y } return { $y }", "\"b\"; \"b\"");
	BAG(&f, "match { $x: Probe { ref: \"a\" } $y: Probe { ref: \"b\" } $x $w:<relays> $y } return { $y }",
	    "\"b\"; \"b\"");
	FAILS(&f, "match { $p: Probe $p <orbits> $m } return { $p }", "T22");
	fix_close(&f);
	open_relays(&f, "aa ab");
	BAG(&f, "match { $x: Probe $x relays $x } return { $x }", "\"a\"");
	BAG(&f, "match { $x: Probe $x $w:<relays> $x } return { $x }", "\"a\"");
	BAG(&f, "match { $x: Probe $x relays{2,3} $x } return { $x }", "");
	fix_close(&f);
}

static void negation(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $p: Probe not { $p orbits $_ } } return { $p.ref }", "\"idle\"");
	BAG(&f, "match { $p: Probe not { $p orbits $m not { $m.code = \"mars\" } } } return { $p.ref }",
	    "\"idle\"; \"odys\"; \"vex\"");
	BAG(&f, "match { $m: Planet not { $m.moons = 2 } } return { $m }", "\"jove\"; \"venus\"; \"x_%\"");
	BAG(&f, "match { $m: Planet not { $m.moons = $m.moons } } return { $m }", "\"x_%\"");
	BAG(&f, "match { $m: Planet not { $m: Planet { code: \"mars\" } } } return { $m }",
	    "\"jove\"; \"venus\"; \"x_%\"");
	BAG(&f, "match { $m: Planet not { $p orbits $m $p.status = \"lost\" } } return { $m }",
	    "\"jove\"; \"venus\"; \"x_%\"");
	BAG(&f, "match { $m: Planet not { $p $o:orbits $m $o.note = \"x\" } } return { $m }",
	    "\"jove\"; \"venus\"; \"x_%\"");
	/* names inside are free to be used again outside */
	BAG(&f,
	    "match { $m: Planet { moons: 2 } not { $p orbits $m $p.status = \"x\" } $p: Probe { ref: \"idle\" } }"
	    " return { $m, $p }",
	    "\"mars\",\"idle\"");
	/* two outer variables */
	BAG(&f, "match { $p: Probe $m: Planet { code: \"mars\" } not { $p orbits $m } } return { $p }",
	    "\"idle\"; \"juice\"");
	fix_close(&f);
}

static void negation_of_hops(void)
{
	struct fix f;

	open_relays(&f, "ab bc da");
	BAG(&f, "match { $p: Probe not { $p relays{2,2} $x } } return { $p }", "\"b\"; \"c\"");
	BAG(&f, "match { $p: Probe not { $p relays $x $x relays $y } } return { $p }", "\"b\"; \"c\"");
	BAG(&f, "match { $p: Probe not { $p relays $x not { $x relays $y } } } return { $p }", "\"a\"; \"c\"; \"d\"");
	fix_close(&f);
}

static void nulls(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $m: Planet $m.moons != 2 } return { $m }", "\"jove\"; \"venus\"");
	BAG(&f, "match { $m: Planet $m.moons != $m.moons } return { $m }", "");
	CHECK_STR(fix_bag(&f, QP("$n: I32?", "match { $m: Planet $m.moons != $n } return { $m }"), "{}"), "");
	CHECK_STR(fix_bag(&f, QP("$n: I32?", "match { $m: Planet { moons: $n } } return { $m }"), "{\"n\":null}"), "");
	CHECK_STR(fix_bag(&f, QP("$n: String?", "match { $m: Planet { code: $n } } return { $m }"), "{}"), "");
	CHECK_STR(fix_bag(&f, QP("$n: String?", "match { $m: Planet $m.tags contains $n } return { $m }"), "{}"), "");
	BAG(&f, "match { $p: Probe $p.notes contains \"\" } return { $p }", "\"juice\"; \"vex\"");
	fix_close(&f);
}

static void text_filters(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $p: Probe $p.notes contains \"b_c\" } return { $p }", "\"vex\"");
	BAG(&f, "match { $p: Probe $p.notes contains \"B\" } return { $p }", "\"juice\"");
	BAG(&f, "match { $p: Probe $p.notes contains \"0%\" } return { $p }", "\"vex\"");
	BAG(&f, "match { $p: Probe $p.notes contains \"%\" } return { $p }", "\"vex\"");
	BAG(&f, "match { $p: Probe $p.notes starts_with \"ab\" } return { $p }", "\"vex\"");
	BAG(&f, "match { $p: Probe $p.notes starts_with \"_b\" } return { $p }", "");
	BAG(&f, "match { $m: Planet \"marshall\" starts_with $m.code } return { $m }", "\"mars\"");
	BAG(&f, "match { $m: Planet \"on mars!\" contains $m.code } return { $m }", "\"mars\"");
	BAG(&f, "match { $m: Planet $m.code starts_with \"x_\" } return { $m }", "\"x_%\"");
	BAG(&f, "match { $p: Probe $p.status = \"lost\" } return { $p }", "\"vex\"");
	BAG(&f, "match { $p: Probe $p.status = \"LOST\" } return { $p }", "");
	BAG(&f, "match { $p: Probe $p.status > \"active\" } return { $p }", "\"vex\"");
	fix_close(&f);
}

static void membership(void)
{
	struct fix f;

	open_space(&f);
	BAG(&f, "match { $m: Planet { tags: \"rocky\" } } return { $m.code }", "\"mars\"; \"venus\"");
	BAG(&f, "match { $m: Planet $m.tags contains \"rocky\" } return { $m.code }", "\"mars\"; \"venus\"");
	BAG(&f, "match { $m: Planet $m.tags contains \"rock\" } return { $m.code }", "");
	BAG(&f, "match { $m: Planet [0, 2] contains $m.moons } return { $m.code }", "\"mars\"; \"venus\"");
	FAILS(&f, "match { $m: Planet { tags: [\"rocky\"] } } return { $m }", "T3: list equality is not supported");
	/* with a variable on its left, `contains` is an edge name */
	CHECK_HAS(fix_error(&f, QP("$c: [String]", "match { $m: Planet $c contains $m.code } return { $m }"),
			    "{\"c\":[]}"),
		  "parse error");
	fix_close(&f);
}

#define NUMBERS                                                                                          \
	"node T { k: String @key  i: I32?  l: I64?  u: U64?  f: F32?  d: F64?  fs: [F32]?  day: Date?  " \
	"at: DateTime?  b: Bool?  v: Vector(2)? }\n"

static void numbers(void)
{
	struct fix f;

	fix_open(&f, NUMBERS);
	fix_write(
		&f,
		N("T", "a",
		  "\"k\":\"a\",\"i\":2,\"l\":9007199254740993,\"u\":18446744073709551615,\"f\":0.1,\"d\":0.1,"
		  "\"fs\":[0.1,0.5],\"v\":[0.1,1]")
			N("T", "b",
			  "\"k\":\"b\",\"i\":3,\"l\":-1,\"u\":5,\"f\":16777216,\"d\":9007199254740992,\"fs\":[null]"));
	BAG(&f, "match { $t: T { i: 2.7 } } return { $t }", "");
	BAG(&f, "match { $t: T { i: 2.0 } } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.i < 2.7 } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.i > -1.5 } return { $t }", "\"a\"; \"b\"");
	/* no rounding of wide integers */
	BAG(&f, "match { $t: T $t.l = 9007199254740992.0 } return { $t }", "");
	BAG(&f, "match { $t: T $t.d = 9007199254740992 } return { $t }", "\"b\"");
	BAG(&f, "match { $t: T $t.d < 9007199254740993 } return { $t }", "\"a\"; \"b\"");
	BAG(&f, "match { $t: T $t.l > $t.d } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.u > 9223372036854775807 } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.l < $t.u } return { $t }", "\"a\"; \"b\"");
	/* operands of an F32 property are rounded to F32 */
	BAG(&f, "match { $t: T { f: 0.1 } } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.f = 0.1 } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.f = 16777217 } return { $t }", "\"b\"");
	BAG(&f, "match { $t: T 0.1 = $t.f } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T $t.f = $t.d } return { $t }", "");
	BAG(&f, "match { $t: T { fs: 0.1 } } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T [0.1] contains $t.f } return { $t }", "\"a\"");
	CHECK_STR(fix_bag(&f, QP("$x: F64", "match { $t: T $t.f = $x } return { $t }"), "{\"x\":0.1}"), "\"a\"");
	CHECK_STR(fix_bag(&f, QP("$x: F32", "match { $t: T $t.d = $x } return { $t }"), "{\"x\":0.1}"), "");
	CHECK_STR(fix_bag(&f, QP("$x: U64", "match { $t: T { u: $x } } return { $t }"), "{\"x\":\"5\"}"), "\"b\"");
	/* vectors, element by element */
	BAG(&f, "match { $t: T { v: [0.1, 1] } } return { $t }", "\"a\"");
	BAG(&f, "match { $t: T { v: [0.1, 2] } } return { $t }", "");
	CHECK_STR(fix_bag(&f, QP("$x: Vector(2)", "match { $t: T { v: $x } } return { $t }"), "{\"x\":[0.1,1]}"),
		  "\"a\"");
	fix_close(&f);
}

static void dates(void)
{
	struct fix f;

	fix_open(&f, NUMBERS);
	fix_write(&f,
		  N("T", "a", "\"k\":\"a\",\"day\":\"2020-02-29\",\"at\":\"2020-02-29T12:00:00.250Z\",\"b\":false")
			  N("T", "b", "\"k\":\"b\",\"day\":\"2021-01-01\",\"at\":\"2021-01-01T00:00:00Z\",\"b\":true"));
	BAG(&f, "match { $t: T { day: date(\"2020-02-29\") } } return { $t.day }", "\"2020-02-29\"");
	BAG(&f, "match { $t: T $t.day > date(\"2020-02-29T23:00:00Z\") } return { $t }", "\"b\"");
	BAG(&f, "match { $t: T $t.at = datetime(\"2020-02-29T13:00:00.2509+01:00\") } return { $t.at }",
	    "\"2020-02-29T12:00:00.250Z\"");
	BAG(&f, "match { $t: T $t.at >= datetime(\"2021-01-01\") } return { $t.at }", "\"2021-01-01T00:00:00.000Z\"");
	BAG(&f, "match { $t: T $t.at < now() $t.b < true } return { $t }", "\"a\"");
	CHECK_STR(
		fix_bag(&f, QP("$d: Date", "match { $t: T $t.day < $d } return { $t, $d }"), "{\"d\":\"2021-01-01\"}"),
		"\"a\",\"2021-01-01\"");
	FAILS(&f, "match { $t: T $t.day < date(\"2021-13-01\") } return { $t }", "invalid Date literal '2021-13-01'");
	FAILS(&f, "match { $t: T { at: datetime(\"x\") } } return { $t }", "invalid DateTime literal 'x'");
	CHECK_HAS(fix_error(&f, QP("$d: DateTime", "match { $t: T $t.at < $d } return { $t }"), "{\"d\":\"soon\"}"),
		  "invalid DateTime literal 'soon'");
	/* not used, not judged */
	CHECK_STR(fix_bag(&f, QP("$d: Date", "match { $t: T { k: \"a\" } } return { $t }"), "{\"d\":\"soon\"}"),
		  "\"a\"");
	fix_close(&f);
}

static void keys(void)
{
	struct fix f;

	fix_open(&f, "node I { k: I64 @key }\nnode D { k: F64 @key }\nnode C { sys: String  n: I32  x: String?  "
		     "@key(sys, n) }\n"
		     "node R { id_: String @key  sys: String?  n: I32? }\n");
	fix_write(&f, "{\"type\":\"I\",\"data\":{\"k\":9007199254740993}}{\"type\":\"I\",\"data\":{\"k\":-3}}"
		      "{\"type\":\"D\",\"data\":{\"k\":1.5}}{\"type\":\"D\",\"data\":{\"k\":3.0}}"
		      "{\"type\":\"C\",\"data\":{\"sys\":\"sol\",\"n\":4,\"x\":\"mars\"}}"
		      "{\"type\":\"C\",\"data\":{\"sys\":\"s\\\"q\",\"n\":1,\"x\":\"odd\"}}"
		      "{\"type\":\"R\",\"data\":{\"id_\":\"r\",\"sys\":\"sol\",\"n\":4}}");
	BAG(&f, "match { $i: I { k: -3 } } return { $i.k }", "-3");
	BAG(&f, "match { $i: I { k: -3.0 } } return { $i.k }", "-3");
	BAG(&f, "match { $i: I { k: -3.5 } } return { $i.k }", "");
	BAG(&f, "match { $i: I { k: 9007199254740992.0 } } return { $i.k }", "");
	BAG(&f, "match { $i: I { k: 9007199254740993 } } return { $i.k, $i }", "9007199254740993,\"9007199254740993\"");
	BAG(&f, "match { $i: I $i.k = -3 } return { $i.k }", "-3");
	BAG(&f, "match { $i: I -3 = $i.k } return { $i.k }", "-3");
	BAG(&f, "match { $i: I { k: -3 } $i.k = 4 } return { $i.k }", "");
	BAG(&f, "match { $d: D { k: 3 } } return { $d.k }", "3.0");
	BAG(&f, "match { $d: D { k: 1.5 } } return { $d.k }", "1.5");
	BAG(&f, "match { $c: C { sys: \"sol\", n: 4 } } return { $c, $c.x }", "\"[\\\"4\\\",\\\"sol\\\"]\",\"mars\"");
	BAG(&f, "match { $c: C { n: 1, sys: \"s\\\"q\" } } return { $c.x }", "\"odd\"");
	BAG(&f, "match { $c: C { sys: \"sol\" } } return { $c.x }", "\"mars\"");
	BAG(&f, "match { $c: C { sys: \"sol\", n: 5 } } return { $c.x }", "");
	/* a key given by another variable's property */
	BAG(&f, "match { $r: R $c: C $c.sys = $r.sys $c.n = $r.n } return { $r, $c.x }", "\"r\",\"mars\"");
	fix_close(&f);
}

static void unconnected(void)
{
	struct fix f;

	open_space(&f);
	FAILS(&f, "match { $p: Probe $a relays $b } return { $p }", "$a");
	FAILS(&f, "match { $a relays $b $b relays $c } return { $a }", "not connected");
	FAILS(&f, "match { $p: Probe $_ relays $_ } return { $p }", "$_");
	/* $_ never connects */
	FAILS(&f, "match { $p: Probe $p relays $_ $_ relays $b } return { $p }", "$b");
	FAILS(&f, "match { $p: Probe not { $p.label = \"x\" $a relays $b } } return { $p }", "$a");
	/* an inner pattern on an outer variable does not connect the outer one */
	BAG(&f,
	    "match { $p: Probe { ref: \"vex\" } $p orbits $m not { $q orbits $m $q.status = \"active\" } } return { $m "
	    "}",
	    "");
	fix_close(&f);
}

static void refusals(void)
{
	struct fix f;

	open_space(&f);
	FAILS(&f, "match { $p: Probe bm25($p.notes, \"x\") > 0.5 } return { $p }",
	      "unsupported expression in filter: bm25");
	FAILS(&f, "match { $p: Probe true = search($p.notes, \"x\") } return { $p }",
	      "unsupported expression in filter: search");
	FAILS(&f, "match { $p: Probe } return { nope }", "nope");
	FAILS(&f, "match { $p: Probe } return { $p } order { nope }", "alias 'nope' not found for ordering");
	FAILS(&f, "match { $p: Probe } return { $p.label } order { label }", "alias 'label' not found for ordering");
	FAILS(&f, "match { $p: Probe } return { sum($p) }", "sum");
	FAILS(&f, "match { $p: Probe } return { count(count($p)) }", "nested");
	fix_close(&f);
}

/* Many rows, parallel edges and large neighbourhoods: the hashed side of the visited sets. */
static void fan_out(void)
{
	struct strbuf sb = STRBUF_INIT;
	struct fix f;

	fix_open(&f, FIX_SPACE);
	for (int i = 0; i < 300; i++)
		sb_addf(&sb, "{\"type\":\"Probe\",\"data\":{\"ref\":\"p%d\",\"label\":\"l\"}}\n", i);
	for (int i = 1; i < 300; i++)
		for (int k = 0; k < 2; k++)
			sb_addf(&sb, "{\"edge\":\"Relays\",\"from\":\"p%d\",\"to\":\"p%d\",\"data\":{}}\n",
				i <= 100 ? 0 : i - 100, i);
	fix_write(&f, sb.s);
	ROWS(&f, "match { $a: Probe { ref: \"p0\" } $a relays $b } return { count($b) as n }", "100");
	ROWS(&f, "match { $a: Probe { ref: \"p0\" } $a $w:relays $b } return { count($b) as n }", "200");
	ROWS(&f, "match { $a: Probe { ref: \"p0\" } $a relays{2,3} $b } return { count($b) as n }", "199");
	ROWS(&f, "match { $a: Probe $a relays{1,3} $b } return { count($b) as n }", "597");
	ROWS(&f, "match { $a: Probe $a <relays>{6,6} $b } return { count($b) as n }", "9702");
	ROWS(&f, "match { $a: Probe $a <relays>{1,6} $b } return { count($b) as n }", "89700");
	ROWS(&f, "match { $a: Probe $b: Probe { ref: \"p299\" } $a relays{1,9} $b } return { $a } order { $a.ref }",
	     "\"p0\"; \"p199\"; \"p99\"");
	sb_free(&sb);
	fix_close(&f);
}

/* Variables that only an equality connects: a hash table after a few scans, across number kinds. */
static void value_joins(void)
{
	struct strbuf sb = STRBUF_INIT;
	struct fix f;

	fix_open(&f, "node P { k: String @key  i: I64?  s: String? }\nnode Q { k: String @key  d: F64?  u: U64?  s: "
		     "String? }\n");
	for (int i = 0; i < 60; i++) {
		sb_addf(&sb, "{\"type\":\"P\",\"data\":{\"k\":\"p%d\",\"i\":%d,\"s\":\"s%d\"}}\n", i, i - 10, i % 7);
		sb_addf(&sb, "{\"type\":\"Q\",\"data\":{\"k\":\"q%d\",\"d\":%d.%d,\"u\":%d,\"s\":\"s%d\"}}\n", i,
			i - 20, i % 2 ? 5 : 0, i, i % 5);
	}
	sb_addz(&sb, "{\"type\":\"P\",\"data\":{\"k\":\"null\"}}{\"type\":\"Q\",\"data\":{\"k\":\"null\"}}");
	fix_write(&f, sb.s);
	/* d is integral for even i: -20, -18, ..., 38; i runs from -10 to 49 */
	ROWS(&f, "match { $p: P $q: Q $p.i = $q.d } return { count($p) as n, min($q.d) as a, max($p.i) as b }",
	     "25,-10.0,38");
	ROWS(&f, "match { $p: P $q: Q $q.u = $p.i } return { count($p) as n }", "50");
	ROWS(&f, "match { $p: P $q: Q $p.s = $q.s } return { count($p) as n }", "528");
	ROWS(&f, "match { $p: P not { $q: Q $q.s = $p.s } } return { count($p) as n }", "17");
	ROWS(&f, "match { $p: P not { $q: Q $q.d = $p.i } } return { count($p) as n }", "36");
	sb_free(&sb);
	fix_close(&f);
}

CHECK_MAIN("engine/query/match", { "QRY-10 QRY-04 rows are a bag of assignments", bag_semantics },
	   { "QRY-08 QRY-09 a traversal matches pairs, a bound one edges", set_and_edge_bindings },
	   { "QRY-22 direction follows the bound endpoint", direction },
	   { "QRY-17 QRY-18 the table of hop distances", hops },
	   { "QRY-17 QRY-18 a search gives the same pairs from either end", hops_from_the_right },
	   { "QRY-19 different endpoint types stop after one hop", different_endpoint_types },
	   { "QRY-21 undirected traversals match each pair once", undirected },
	   { "QRY-15 QRY-16 negation is a correlated existence test", negation },
	   { "QRY-20 QRY-16 negated hops", negation_of_hops }, { "QRY-11 NULL never matches", nulls },
	   { "QRY-48 contains and starts_with are exact", text_filters },
	   { "QRY-50 a scalar against a list tests membership", membership },
	   { "QRY-51 numbers compare by value, F32 operands are rounded", numbers },
	   { "QRY-56 QRY-62 dates compare by instant and bad text fails when used", dates },
	   { "QRY-01 key equality finds the node for every kind of key", keys },
	   { "QRY-75 an unconnected traversal is an error naming the variable", unconnected },
	   { "QRY-52 expressions that do not execute are refused", refusals },
	   { "QRY-10 QRY-51 joins by value", value_joins }, { "QRY-08 QRY-17 wide neighbourhoods", fan_out }, )
