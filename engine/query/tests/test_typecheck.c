/* SPDX-License-Identifier: MIT */
#include "qtest.h"

static struct catalog *cat;

static const char *check(const char *src)
{
	if (!cat)
		cat = qtest_catalog();
	return qtest_check(cat, src);
}

/* A case: the text between the braces of a clause list, or a whole body; NULL message: it is accepted. */
struct c {
	const char *text, *want;
};

static void run(const char *before, const struct c *cases, size_t n, const char *after)
{
	for (size_t i = 0; i < n; i++) {
		char src[4096], want[1024];
		const char *got;

		snprintf(src, sizeof(src), "%s%s%s", before, cases[i].text, after);
		got = check(src);
		snprintf(want, sizeof(want), "%s%s", cases[i].want ? "type error: " : "",
			 cases[i].want ? cases[i].want : "");
		CHECK_MSG(!strcmp(got, want), "%s\n#   got  %s\n#   want %s", cases[i].text, got, want);
	}
}

#define PARAMS                                                                                                    \
	"query q($s: String, $sn: String?, $i: I64, $i32: I32, $f: F64, $b: Bool, $d: Date, $dt: DateTime, $ls: " \
	"[String], "                                                                                              \
	"$li: [I32], $v2: Vector(2), $v3: Vector(3), $bl: Blob, $blob2: Blob, $u: U64) "
#define CLAUSES(...)                                                                                  \
	do {                                                                                          \
		static const struct c cases[] = { __VA_ARGS__ };                                      \
		run(PARAMS "{ match { $x: Planet  ", cases, ARRAY_SIZE(cases), " } return { $x } }"); \
	} while (0)
#define BODIES(...)                                               \
	do {                                                      \
		static const struct c cases[] = { __VA_ARGS__ };  \
		run(PARAMS "{ ", cases, ARRAY_SIZE(cases), " }"); \
	} while (0)
#define RETURNS(...)                                                                                              \
	do {                                                                                                      \
		static const struct c cases[] = { __VA_ARGS__ };                                                  \
		run(PARAMS "{ match { $m: Planet $p: Probe $c: Doc $p $o:orbits $m } ", cases, ARRAY_SIZE(cases), \
		    " }");                                                                                        \
	} while (0)

static void node_patterns(void)
{
	CLAUSES({ "$y: Nope", "T1: unknown node type `Nope`" }, { "$y: Orbits", "T1: unknown node type `Orbits`" },
		{ "$y: Planet { nope: 1 }", "T2: type `Planet` has no property `nope`" },
		{ "$y: Doc { pic: $bl }", "T3: blob property `Doc.pic` cannot be used in match patterns" },
		{ "$y: Doc { pic: $nope }", "T3: blob property `Doc.pic` cannot be used in match patterns" },
		{ "$y: Planet { moons: \"2\" }", "T3: property `moons` has type I32? but got String" },
		{ "$y: Planet { moons: 2.7, mass: 1 }", NULL },
		{ "$y: Planet { moons: [1] }", "T3: property `moons` has type I32? but got [I64]" },
		{ "$y: Planet { tags: [\"a\"] }", "T3: list equality is not supported for property `tags`; use a "
						  "scalar value to match list membership" },
		{ "$y: Planet { tags: 1 }", "T3: property `tags` has type [String]? but membership match got I64" },
		{ "$y: Planet { tags: \"a\" }", NULL }, { "$y: Doc { ints: 2.5 }", NULL },
		{ "$y: Planet { vec: [1.0] }",
		  "T3: property `vec` has type Vector(2)? but got vector literal with 1 elements" },
		{ "$y: Planet { vec: [1, 2] }", NULL }, { "$y: Planet { vec: $v2 }", NULL },
		{ "$y: Planet { vec: [\"a\", \"b\"] }", "T3: property `vec` has type Vector(2)? but got [String]" },
		{ "$y: Probe { status: \"x\" }", "T3: property `status` expects one of [active, lost], got 'x'" },
		{ "$y: Probe { status: \"lost\" }", NULL }, { "$y: Probe { status: $s }", NULL },
		{ "$y: Planet { moons: $s }", "T7: cannot assign/compare String with I32? for property `moons`" },
		{ "$y: Planet { moons: $sn }", "T7: cannot assign/compare String? with I32? for property `moons`" },
		{ "$y: Planet { moons: now() }", "T7: cannot assign/compare DateTime with I32? for property `moons`" },
		{ "$y: Probe { launched: now() }", NULL }, { "$y: Planet { moons: $f }", NULL },
		{ "$y: Planet { vec: $v3 }", "T7: cannot assign/compare Vector(3) with Vector(2)? for property `vec`" },
		{ "$y: Planet { tags: $ls }", "T7: list equality is not supported for property `tags`; use a scalar "
					      "parameter for membership matching" },
		{ "$y: Planet { tags: $i }",
		  "T7: cannot compare I64 membership against [String]? for property `tags`" },
		{ "$y: Planet { code: $nope }", "variable `$nope` is not bound" },
		{ "$y: Planet { code: $x }", "variable `$x` is not bound" },
		{ "$x: Probe", "variable `$x` already bound to type `Planet`, cannot rebind to `Probe`" },
		{ "$x: Planet { code: \"a\" } $_: Probe $_: Planet", NULL },
		{ "$y: Planet { tags: [[\"a\"]] }", "nested list literals are not supported" },
		{ "$y: Planet { tags: [1, \"a\"] }", "list literal elements must share a compatible scalar type" },
		{ "$y: Doc { born: \"2020-01-01\" }", "T3: property `born` has type Date? but got String" },
		{ "$y: Doc { born: date(\"2020-01-01\") }", NULL });
}

static void traversals(void)
{
	CLAUSES({ "$x nope $y", "T4: unknown edge type `nope`" }, { "$x oRBITS $y", NULL },
		{ "$q contains $m", "T4: unknown edge type `contains`" },
		{ "$x cites $y",
		  "T5: variable `$x` has type `Planet`, which is not an endpoint of edge `Cites: Doc -> Doc`" },
		{ "$y cites $x",
		  "T5: variable `$x` has type `Planet`, which is not an endpoint of edge `Cites: Doc -> Doc`" },
		{ "$y: Planet $x orbits $y", "T5: variable `$y` has type `Planet` but edge `Orbits` expects `Probe`" },
		{ "$p: Probe $p orbits $p", "T5: variable `$p` has type `Probe` but edge `Orbits` expects `Planet`" },
		{ "$x orbits $y $y: Probe", NULL }, { "$y orbits $x $y: Probe", NULL },
		{ "$x orbits $y $y: Planet", "variable `$y` already bound to type `Probe`, cannot rebind to `Planet`" },
		{ "$y orbits $z $y: Probe $z: Planet", NULL }, { "$_ orbits $x $_ orbits $x", NULL },
		{ "$p relays{0,2} $q", "T15: traversal min hop bound must be >= 1" },
		{ "$p relays{3,1} $q", "T15: invalid traversal bounds {3,1}; max must be >= min" },
		{ "$p relays{1,} $q", "T15: unbounded traversal is disabled; use bounded traversal {min,max}" },
		{ "$p <relays> $q $p <relays>{1,4294967295} $q", NULL },
		{ "$p <orbits> $q", "T22: undirected traversal `<Orbits>` requires a same-endpoint-type edge, but "
				    "`Orbits: Probe -> Planet` is "
				    "asymmetric; use the directional form" });
}

static void edge_bindings(void)
{
	CLAUSES({ "$p $w:relays{1,2} $q", "T23: edge binding `$w` cannot be combined with traversal bounds; a "
					  "multi-hop traversal matches a path of "
					  "edges, not one edge" },
		{ "$p $_:relays{1,2} $q", "T23: edge binding `$_` cannot be combined with traversal bounds; a "
					  "multi-hop traversal matches a path of "
					  "edges, not one edge" },
		{ "$p $_:relays $q $p $w:<relays> $q", NULL },
		{ "$p $p:relays $q",
		  "T23: edge binding `$p` cannot reuse a traversal endpoint name; edge bindings and node "
		  "endpoints need distinct names" },
		{ "$p $x:relays $q", "T23: variable `$x` is already bound; an edge binding needs a fresh name" },
		{ "$p $w:relays $q $p $w:relays $q",
		  "T23: variable `$w` is already bound; an edge binding needs a fresh name" },
		{ "$p $w:relays $q $w relays $q", "T23: edge binding `$w` cannot be used as a traversal endpoint; "
						  "traversal endpoints must be node bindings" },
		{ "$p $w:relays $q $w: Probe",
		  "T23: variable `$w` is bound to edge type `Relays` and cannot be rebound as node "
		  "type `Probe`" },
		{ "$p $w:relays $q $w = \"a\"",
		  "T23: edge binding `$w` cannot be used bare; access one of its properties (`$w.{prop}`)" },
		{ "$p $w:relays $q search($w.band, \"a\")",
		  "T23: search cannot target edge property `$w.band`; text/rank search runs on node properties — edge "
		  "properties support comparison filters and projection" },
		{ "$p $w:relays $q $w.nope = 1", "T6: edge `Relays` has no property `nope`" },
		{ "$p $w:relays $q $w.band = \"a\"", NULL });
	RETURNS({ "return { $m } order { nearest($o.note, \"x\") } limit 1",
		  "T23: nearest cannot target edge binding `$o`; vector search runs on node properties" },
		{ "return { $o }",
		  "T23: edge binding `$o` cannot be used bare; access one of its properties (`$o.{prop}`)" },
		{ "return { $o.note, count($o.since) }", NULL },
		{ "return { $m } order { bm25($o.note, \"x\") }",
		  "T23: bm25 cannot target edge property `$o.note`; text/rank search runs on node properties — edge "
		  "properties "
		  "support comparison filters and projection" });
}

static void filters(void)
{
	CLAUSES({ "$y.code = \"a\"", "T6: variable `$y` is not bound" },
		{ "$_.code = \"a\"", "T6: variable `$_` is not bound" },
		{ "$s.code = \"a\"", "T6: variable `$s` is not bound" },
		{ "$x.nope = 1", "T6: type `Planet` has no property `nope`" },
		{ "$y = 1", "variable `$y` is not bound" },
		{ "$x = \"a\"", "T7: filter comparisons require scalar operands, got node `Planet` and String" },
		{ "count($x) = 1", "T7: filter comparisons require scalar operands, got aggregate and I64" },
		{ "$x.code = n", "T7: filter comparisons require scalar operands, got String and aggregate" },
		{ "$x.code = 1", "T7: cannot compare String with I64" }, { "$x.code = $sn", NULL },
		{ "$x.moons = 2.7", NULL }, { "$x.moons = $i32 1 = 2 $s = $sn now() > now()", NULL },
		{ "$x.tags = \"a\"",
		  "T7: list comparisons in filters are not supported; use `contains` for list membership" },
		{ "$x.tags = $ls",
		  "T7: list comparisons in filters are not supported; use `contains` for list membership" },
		{ "$x.vec = $v2", "T7: vector comparisons in filters are not supported" },
		{ "$c: Doc $c.pic = \"a\"",
		  "T24: Blob property `$c.pic` is not available as a .gq read value; Blob values require "
		  "a dedicated API" },
		{ "$bl = $blob2", "T7: blob comparisons in filters are not supported" },
		{ "$x.mass contains 1",
		  "T7: contains requires a list property (membership) or a String property (substring) on the "
		  "left, got F64?" },
		{ "$x.tags contains $ls", "T7: contains requires a scalar right operand" },
		{ "$x.tags contains [\"a\"]", "T7: contains requires a scalar right operand" },
		{ "$x.code contains 1", "T7: string contains requires a String right operand, got I64" },
		{ "$x.tags contains 1", "T7: cannot test membership of I64 in [String]?" },
		{ "$x.tags contains \"a\" \"abc\" contains $x.code [\"a\"] contains $s", NULL },
		{ "$x.vec contains 1.0", "T7: vector membership filters are not supported" },
		{ "$x.tags starts_with \"a\"",
		  "T7: starts_with requires a String property on the left, got [String]?" },
		{ "$x.code starts_with 1", "T7: starts_with requires a String right operand, got I64" },
		{ "$x.code starts_with \"a\"", NULL },
		{ "$p: Probe $p.status = \"never\" $p.launched < $d", "T7: cannot compare DateTime? with Date" },
		{ "$p: Probe $p.status = \"never\" search($p.label, $s) = true search($p.label, $s) != $b true = "
		  "fuzzy($p.label, $s)",
		  NULL },
		{ "search($x.code, $s) = 1", "T7: cannot compare Bool with I64" });
}

static void text_search(void)
{
	CLAUSES({ "search($x.moons, \"a\")", "T19: search field must be String, got I32?" },
		{ "search($x.tags, \"a\")", "T19: search field must be String, got [String]?" },
		{ "search($x, \"a\")", "T19: search field must be a scalar String expression" },
		{ "search($x.code, 1)", "T19: search query must be String, got I64" },
		{ "search($x.code, $x)", "T19: search query must be a scalar String expression" },
		{ "fuzzy($x.vec, \"a\")", "T19: fuzzy field must be String, got Vector(2)?" },
		{ "fuzzy($x.code, $ls)", "T19: fuzzy query must be String, got [String]" },
		{ "fuzzy($x.code, $s, \"1\")", "T19: fuzzy max_edits must be an integer scalar, got String" },
		{ "fuzzy($x.code, $s, $x)", "T19: fuzzy max_edits must be an integer scalar expression" },
		{ "fuzzy($x.code, $s, 1) fuzzy($x.code, $s, $i)", NULL },
		{ "match_text($x.mass, \"a\")", "T20: match_text field must be String, got F64?" },
		{ "match_text($x.code, 1)", "T20: match_text query must be String, got I64" },
		{ "search($y.code, \"a\")", "T6: variable `$y` is not bound" },
		{ "$p: Probe search($p.status, \"a\") match_text($p.notes, $sn)", NULL });
	RETURNS({ "return { $m } order { bm25($m.moons, \"a\") }", "T20: bm25 field must be String, got I32?" },
		{ "return { $m } order { bm25($m.code, 1) }", "T20: bm25 query must be String, got I64" },
		{ "return { $m } order { bm25($m.code, $s) desc }", NULL });
}

static void negation(void)
{
	CLAUSES({ "not { $y: Planet }", "T9: negation block must reference at least one outer-bound variable" },
		{ "not { $p relays $q }", "T9: negation block must reference at least one outer-bound variable" },
		{ "not { $p relays $q not { $p orbits $x } }",
		  "T9: negation block must reference at least one outer-bound variable" },
		{ "not { $p orbits $x }  not { $p orbits $x $p.ref = \"a\" not { $p relays $p2 } } $p: Planet", NULL },
		{ "not { $p orbits $x } $p.ref = \"a\"", "T6: variable `$p` is not bound" },
		{ "not { $x: Planet { code: \"mars\" } } not { $x.moons = 3 } not { search($x.code, \"a\") }", NULL },
		{ "not { $s = \"a\" }", "T9: negation block must reference at least one outer-bound variable" },
		{ "not { $x orbits $p  $p.code = \"a\" }", "T6: type `Probe` has no property `code`" },
		{ "not { $_ orbits $x }", NULL });
}

static void aggregates(void)
{
	RETURNS({ "return { sum($m.code) }", "T8: sum requires numeric type, got String" },
		{ "return { avg($m.tags) }", "T8: avg requires numeric type, got [String]?" },
		{ "return { min($c.ok) }", "T8: min requires numeric or string type, got Bool?" },
		{ "return { max($p.launched) }", "T8: max requires numeric or string type, got DateTime?" },
		{ "return { min($m.code), max($m.moons), sum($m.mass), avg($c.f), count($m), min($m), sum($m), "
		  "count($m.tags) }",
		  NULL },
		{ "return { $m.code, 1, count($p) }",
		  "T9: non-aggregate expressions in an aggregate query must be property accesses or variables" },
		{ "return { now(), count($p) }",
		  "T9: non-aggregate expressions in an aggregate query must be property accesses or variables" },
		{ "return { $m, $m.code, $s, count($p) as n } order { n desc, $m.code }", NULL },
		{ "return { count($c.pic) }",
		  "T24: Blob property `$c.pic` is not available as a .gq read value; Blob values require "
		  "a dedicated API" },
		{ "return { count(search($m.code, $s)) }", "unsupported projection expression: search(...)" });
}

static void blob_reads(void)
{
	RETURNS({ "return { $c.pic }",
		  "T24: Blob property `$c.pic` is not available as a .gq read value; Blob values require a "
		  "dedicated API" },
		{ "return { $bl }",
		  "T24: Blob parameter `$bl` is not available as a .gq read value; Blob values require a "
		  "dedicated API" },
		{ "return { $c } order { $c.pic }",
		  "T24: Blob property `$c.pic` is not available as a .gq read value; Blob values "
		  "require a dedicated API" },
		{ "return { $c }", NULL });
	BODIES({ "insert Doc { slug: $s, title: $s, pic: $s } insert Doc { slug: $s, title: $s, pic: $bl }", NULL },
	       { "insert Doc { slug: $s, title: $s, pic: \"base64:\" }",
		 "T3: property `pic` has type Blob? but got String" },
	       { "insert Doc { slug: $s, title: $s, pic: $i }",
		 "T7: cannot assign/compare I64 with Blob? for property `pic`" },
	       { "delete Doc where pic = $s", "T11: blob property `pic` cannot be used in WHERE predicates" });
}

static void ranking(void)
{
	RETURNS({ "return { $m } order { nearest($m.vec, $v2) }", "T17: nearest ordering requires a limit clause" },
		{ "return { $m.code as n } order { nearest($m.vec, $v2), n } limit 1",
		  "T18: alias-based ordering is not supported together with nearest in phase 1" },
		{ "return { $m, nearest($m.vec, $v2) as d } order { d }",
		  "T17: nearest ordering requires a limit clause" },
		{ "return { $m, nearest($m.vec, $v2) as d } order { d } limit 1", NULL },
		{ "return { $m, nearest($m.vec, $v2) as d } order { d desc } limit 1",
		  "ordering by `d` is always ascending, because nearest ranks that way; remove `desc`" },
		{ "return { $m, bm25($m.code, $s) as s } order { s asc }",
		  "ordering by `s` is always descending, because bm25 ranks that way; remove `asc`" },
		{ "return { $m, bm25($m.code, $s) as s } order { s desc }", NULL },
		{ "return { $m, bm25($m.code, $s) as s } order { bm25($m.code, $s) }", NULL },
		{ "return { $m, bm25($m.code, $s) as s } order { bm25($m.code, \"a\") }",
		  "unsupported projection expression: bm25(...) is a score; give it an alias and order by that alias "
		  "first" },
		{ "return { nearest($m.vec, $v2) as d, $m.code as d } order { d } limit 1",
		  "unsupported projection expression: nearest(...) is a score; give it an alias and order by that "
		  "alias first" },
		{ "return { $m, search($m.code, $s) as s }", "unsupported projection expression: search(...)" },
		{ "return { $m } order { rrf(nearest($m.vec, $v2), bm25($m.code, $s)) }",
		  "T21: rrf ordering requires a limit clause" },
		{ "return { $m, rrf(nearest($m.vec, $v2), bm25($m.code, $s)) as r } order { r }",
		  "T21: rrf ordering requires a limit clause" },
		{ "return { $m } order { rrf(nearest($m.vec, $v2), bm25($m.code, $s), 0) } limit 1",
		  "T21: rrf k must be greater than 0" },
		{ "return { $m } order { rrf(nearest($m.vec, $v2), bm25($m.code, $s), -1) } limit 1",
		  "T21: rrf k must be greater than 0" },
		{ "return { $m } order { rrf(nearest($m.vec, $v2), bm25($m.code, $s), \"1\") } limit 1",
		  "T21: rrf k must be an integer scalar, got String" },
		{ "return { $m } order { rrf(nearest($m.vec, $s), bm25($m.code, $s), $i) } limit 1", NULL },
		{ "return { $m } order { nearest($z.vec, $v2) } limit 1", "T15: variable `$z` is not bound" },
		{ "return { $m } order { nearest($m.nope, $v2) } limit 1",
		  "T15: type `Planet` has no property `nope`" },
		{ "return { $m } order { nearest($m.code, $v2) } limit 1",
		  "T15: nearest requires a Vector property, got Planet.code: String" },
		{ "return { $m } order { nearest($m.vec, $v3) } limit 1",
		  "T15: nearest vector dimension mismatch: property is Vector(2), query is Vector(3)" },
		{ "return { $m } order { nearest($m.vec, [1.0]) } limit 1",
		  "T15: nearest vector dimension mismatch: property is Vector(2), query literal has 1 elements" },
		{ "return { $m } order { nearest($m.vec, $i) } limit 1",
		  "T15: nearest query must be Vector(2) or String, got I64" },
		{ "return { $m } order { nearest($m.vec, $m) } limit 1",
		  "T15: nearest query must be a scalar expression" },
		{ "return { $m } order { nearest($m.vec, [1, 2]) } limit 0", NULL },
		{ "return { $m } order { $m.code, bm25($m.code, $s) }", "unsupported ordering expression" },
		{ "return { $m } order { $m }", "unsupported ordering expression" },
		{ "return { $m } order { 1 }", "unsupported ordering expression" },
		{ "return { $m } order { nope, $m.moons desc, $p.launched }", NULL },
		{ "return { $m } order { $z.code }", "T6: variable `$z` is not bound" });
}

static void mutations(void)
{
	BODIES({ "insert Nope { a: 1 }", "T10: unknown node/edge type `Nope`" },
	       { "delete Nope where a = 1", "T10: unknown node/edge type `Nope`" },
	       { "insert Planet { nope: 1 }", "T11: type `Planet` has no property `nope`" },
	       { "update Planet set { moons: 1 } where nope = 1", "T11: type `Planet` has no property `nope`" },
	       { "delete Planet where from = \"a\"", "T11: type `Planet` has no property `from`" },
	       { "insert Planet { moons: 1 }", "T12: insert for `Planet` must provide non-nullable property `code`" },
	       { "insert Doc { slug: \"a\" }",
		 "T12: insert for `Doc` must provide non-nullable property `emb` or @embed source `title`" },
	       { "insert Doc { slug: \"a\", emb: [1, 2, 3] }",
		 "T12: insert for `Doc` must provide non-nullable property `title`" },
	       { "insert Doc { slug: \"a\", title: \"b\" }", NULL },
	       { "insert Orbits { to: \"a\" }", "T12: insert for `Orbits` must provide required endpoint `from`" },
	       { "insert Orbits { from: \"a\" }", "T12: insert for `Orbits` must provide required endpoint `to`" },
	       { "insert Cites { from: \"a\", to: \"b\" }",
		 "T12: insert for `Cites` must provide non-nullable property `why`" },
	       { "insert Orbits { from: 1, to: \"b\" }", "T3: property `from` has type String but got I64" },
	       { "insert Orbits { from: $s, to: $i }", "T7: cannot assign/compare I64 with String for property `to`" },
	       { "insert Planet { code: \"a\", code: \"b\" }", "T13: duplicate assignment for property `code`" },
	       { "update Planet set { moons: 1, moons: 2 } where code = \"a\"",
		 "T13: duplicate assignment for property `moons`" },
	       { "insert Planet { code: $nope }", "T14: mutation variable `$nope` must be a declared query parameter" },
	       { "delete Planet where code = $nope",
		 "T14: mutation variable `$nope` must be a declared query parameter" },
	       { "update Orbits set { note: \"a\" } where note = \"b\"",
		 "T16: update mutation for edge type `Orbits` is not supported" },
	       { "update Nope set { note: \"a\" } where note = \"b\"", "T10: unknown node/edge type `Nope`" },
	       { "insert Planet { code: 1 }", "T3: property `code` has type String but got I64" },
	       { "insert Planet { code: \"a\", tags: [1] }", "T3: property `tags` has type [String]? but got [I64]" },
	       { "insert Planet { code: \"a\", vec: [1.0] }",
		 "T3: property `vec` has type Vector(2)? but got vector literal with 1 elements" },
	       { "insert Probe { ref: \"a\", label: \"b\", status: \"c\" }",
		 "T3: property `status` expects one of [active, lost], got 'c'" },
	       { "insert Planet { code: \"a\", moons: $s }",
		 "T7: cannot assign/compare String with I32? for property `moons`" },
	       { "insert Planet { code: \"a\", moons: 2.5, mass: 3, tags: [\"a\"], vec: $v2 }", NULL },
	       { "insert Probe { ref: $s label: $s launched: now() } update Planet set { moons: $f } where mass >= 3 "
		 "delete Orbits where since = $d delete Orbits where from = $s delete Orbits where to != \"x\"",
		 NULL },
	       { "update Planet set { mass: now() } where code = \"a\"",
		 "T7: cannot assign/compare DateTime with F64? for property `mass`" },
	       { "delete Orbits where from = 1", "T3: property `from` has type String but got I64" });
}

static void parameters(void)
{
	CHECK_STR(check("query q($q: Vector(0)) { delete Planet where nope = 1 }"),
		  "type error: unknown parameter type `Vector(0)` for `$q`");
	CHECK_STR(check("query q($q: Vector(2147483648)) { delete Planet where code = \"1\" }"),
		  "type error: unknown parameter type `Vector(2147483648)` for `$q`");
	CHECK_STR(check("query q($q: Vector(99999999999999999999)) { delete Planet where code = \"1\" }"),
		  "type error: unknown parameter type `Vector(99999999999999999999)` for `$q`");
	CHECK_STR(check("query q($q: Vector(2147483647)?, $b: [Blob]) { delete Planet where code = \"1\" }"), "");
}

/* --- what is resolved -------------------------------------------------------------------------- */

struct checked {
	struct query_file *f;
	struct query q;
};

static void resolve(struct checked *k, const char *src)
{
	struct err e = ERR_INIT;

	*k = (struct checked){ 0 };
	if (!cat)
		cat = qtest_catalog();
	CHECK_MSG(!query_file_parse(str_from(src), &k->f, &e), "%s", err_msg(&e));
	CHECK_MSG(!query_typecheck(cat, query_file_at(k->f, 0), &k->q, &e), "%s", err_msg(&e));
	/* the declaration is not needed any more, and can be compiled again before it goes */
	struct query again = { 0 };
	CHECK(!query_typecheck(cat, query_file_at(k->f, 0), &again, &e));
	arena_free(&again.arena);
	query_file_free(k->f);
}

static void directions(void)
{
	static const struct {
		const char *clauses;
		bool forward;
		const char *left, *right;
	} cases[] = {
		{ "$m: Planet $m orbits $p", false, "Planet", "Probe" },
		{ "$p: Probe $p orbits $m", true, "Probe", "Planet" },
		{ "$m: Planet $p orbits $m", true, "Probe", "Planet" },
		{ "$p: Probe $m orbits $p", false, "Planet", "Probe" },
		{ "$p orbits $m", true, "Probe", "Planet" },
		{ "$p orbits $m $p: Probe", true, "Probe", "Planet" },
		{ "$p: Probe $p relays $q", true, "Probe", "Probe" },
		{ "$q: Probe $p relays $q", true, "Probe", "Probe" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct checked k;
		char src[512];
		const struct clause *t = NULL;

		snprintf(src, sizeof(src), "query q() { match { %s } return { 1 } }", cases[i].clauses);
		resolve(&k, src);
		for (uint32_t j = 0; j < k.q.decl.n_clauses; j++)
			if (k.q.decl.clauses[j].kind == CL_TRAVERSAL)
				t = &k.q.decl.clauses[j];
		CHECK(t && t->trav.forward == cases[i].forward);
		CHECK(str_eqz(k.q.vars[t->trav.lv].type->name, cases[i].left));
		CHECK(str_eqz(k.q.vars[t->trav.rv].type->name, cases[i].right));
		arena_free(&k.q.arena);
	}
}

static void direction_in_not(void)
{
	struct checked k;
	const struct clause *n;

	resolve(&k, "query q() { match { $m: Planet not { $m orbits $p } not { $m orbits $p $p.ref = \"a\" } } return "
		    "{ $m } }");
	n = &k.q.decl.clauses[1];
	CHECK(n->kind == CL_NOT && !n->negation.clauses[0].trav.forward);
	CHECK(k.q.n_vars == 3 && k.q.vars[1].depth == 1 && k.q.vars[2].depth == 1 && k.q.vars[0].depth == 0);
	CHECK(k.q.decl.clauses[2].negation.clauses[0].trav.rv == 2);
	arena_free(&k.q.arena);
}

static void star(void)
{
	struct checked k;
	struct strbuf cols = STRBUF_INIT;

	resolve(&k, "query q() { match { $m: Planet $c: Doc $p $o:orbits $m } return { $m { * }, $o{*} $c { * }, "
		    "$m.vec } }");
	for (uint32_t i = 0; i < k.q.decl.n_projections; i++)
		sb_addf(&cols, "%s%.*s", i ? " " : "", STR_ARG(k.q.decl.projections[i].column));
	CHECK_STR(cols.s, "m.code m.mass m.moons m.tags o.note o.since c.big c.born c.f c.ints c.ok c.slug c.title c.u "
			  "c.uu m.vec");
	CHECK(k.q.decl.projections[0].expr->kind == EX_PROP);
	arena_free(&k.q.arena);
	sb_free(&cols);
	CHECK_STR(check("query q() { match { $m: Planet } return { $z { * } } }"),
		  "type error: T6: variable `$z` is not bound");
	CHECK_HAS(check("query q() { match { $m: Planet } return { $m { * } as x } }"), "takes no alias");
}

static void columns(void)
{
	struct checked k;
	struct strbuf cols = STRBUF_INIT;

	resolve(&k, "query q($s: String) { match { $m: Planet } return { $m.code, $m, $s, 1, now(), $m.moons as moons, "
		    "$m.mass as moons } order { moons, nope, literal } }");
	for (uint32_t i = 0; i < k.q.decl.n_projections; i++)
		sb_addf(&cols, "%s%.*s", i ? " " : "", STR_ARG(k.q.decl.projections[i].column));
	CHECK_STR(cols.s, "m.code m s literal now moons moons");
	CHECK(k.q.decl.orderings[0].expr->column_index == 6);
	CHECK(k.q.decl.orderings[1].expr->column_index == UINT32_MAX);
	CHECK(k.q.decl.orderings[2].expr->column_index == 3);
	arena_free(&k.q.arena);
	sb_reset(&cols);
	resolve(&k, "query q($s: String) { match { $m: Planet } return { count($m.code), sum($m.moons), count($m), "
		    "count($s), count(1), $m.code as c, $m.moons } order { $m.code, $m.moons, c } }");
	for (uint32_t i = 0; i < k.q.decl.n_projections; i++)
		sb_addf(&cols, "%s%.*s", i ? " " : "", STR_ARG(k.q.decl.projections[i].column));
	CHECK_STR(cols.s, "m.code m.moons m s literal c m.moons");
	CHECK(k.q.aggregate && k.q.decl.orderings[0].expr->column_index == UINT32_MAX);
	CHECK(k.q.decl.orderings[1].expr->column_index == 6 && k.q.decl.orderings[2].expr->column_index == 5);
	arena_free(&k.q.arena);
	sb_free(&cols);
}

static void search_comparison(void)
{
	struct checked k;

	resolve(&k, "query q() { match { $m: Planet search($m.code, \"a\") = true } return { $m } }");
	CHECK(k.q.decl.clauses[1].kind == CL_TEXT && k.q.decl.clauses[1].text->kind == EX_SEARCH);
	arena_free(&k.q.arena);
}

CHECK_MAIN("engine/query/typecheck",
	   { "QRY-52 QRY-50 node patterns and property matches (T1 T2 T3 T7)", node_patterns },
	   { "QRY-52 QRY-21 traversals (T4 T5 T15 T22)", traversals }, { "QRY-53 edge bindings (T23)", edge_bindings },
	   { "QRY-52 filters (T6 T7)", filters }, { "QRY-52 text search (T19 T20)", text_search },
	   { "QRY-52 negation (T9)", negation }, { "QRY-36 QRY-52 aggregates (T8 T9)", aggregates },
	   { "QRY-54 blob reads are T24, matches T3, where T11; parameters may be assigned", blob_reads },
	   { "QRY-37 QRY-67 ranking, scores and orderings (T15 T17 T18 T21)", ranking },
	   { "QRY-32 QRY-52 mutations (T10 to T14, T16)", mutations }, { "QRY-52 parameter types", parameters },
	   { "QRY-22 direction is inferred from the bound endpoint", directions },
	   { "QRY-22 direction inside not, inner names end with the block", direction_in_not },
	   { "`*` projects the readable properties in name order", star },
	   { "QRY-01 QRY-68 column names and what orderings find", columns },
	   { "a search call beside a Bool is the condition itself", search_comparison })
