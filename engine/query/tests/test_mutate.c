/* SPDX-License-Identifier: MIT */
#include "fixture.h"

static struct fix f;

static int mutate_opts(const char *src, const char *params, const struct write_opts *opts, struct mutation_result *out,
		       struct err *e)
{
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct json *j = NULL;
	struct val *vals = NULL;
	int rc = graph_snapshot(f.g, NULL, NULL, &s, e);

	if (!rc)
		rc = fix_compile(&f, s, src, &q, e);
	if (!rc && params)
		rc = json_parse(&f.a, str_from(params), NULL, &j, e);
	if (!rc)
		rc = query_bind(q, &f.a, j, &vals, e);
	if (!rc)
		rc = graph_mutate(f.g, q, vals, opts, out, e);
	query_free(q);
	snapshot_put(s);
	return rc;
}

/* "nodes,edges" of a mutation with a commit, "nodes,edges -" without, else the error's message. */
static const char *mutate_p(const char *src, const char *params)
{
	struct mutation_result r = { 0 };
	struct err e = ERR_INIT;
	const char *text;

	if (mutate_opts(src, params, NULL, &r, &e))
		text = arena_strdup(&f.a, err_msg(&e));
	else
		text = arena_printf(&f.a, "%llu,%llu%s", (unsigned long long)r.affected_nodes,
				    (unsigned long long)r.affected_edges, r.has_commit ? "" : " -");
	err_clear(&e);
	mutation_result_clear(&r);
	return text;
}

/* Statements without parameters. */
static const char *mutate(const char *stmts)
{
	return mutate_p(arena_printf(&f.a, "query m() { %s }", stmts), NULL);
}

#define M(stmts, want) CHECK_STR(mutate(stmts), (want))
#define MP(params, stmts, json, want) CHECK_STR(mutate_p("query m(" params ") { " stmts " }", json), (want))
#define PLANETS(want) ROWS(&f, "match { $m: Planet } return { $m.code, $m.moons, $m.mass } order { $m.code }", want)

static unsigned commits;

static int count_commit(void *arg, const struct commit_info *c)
{
	commits++;
	return 0;
}

static unsigned commit_count(void)
{
	struct err e = ERR_INIT;

	commits = 0;
	CHECK(!graph_commits(f.g, NULL, count_commit, NULL, &e));
	return commits;
}

static void open_space(void)
{
	fix_open(&f, FIX_SPACE "node Note { text: String  rank: I32? }\n"
			       "node Slot { hall: String  num: U32  pic: Blob?  @key(hall, num) }\n"
			       "node Num { n: U32 @key  f: F32?  u: U64?  req: String?  d: Date?  ints: [I32]? }\n"
			       "node Emb { k: String @key  src: String  vec: Vector(2) @embed(src) }\n"
			       "node Pic { k: String @key  pic: Blob }\n"
			       "edge Owns: Probe -> Planet @card(0..1)\n");
}

static void load_space(void)
{
	open_space();
	M("insert Planet { code: \"mars\", moons: 2, mass: 1.5 } insert Planet { code: \"venus\" } "
	  "insert Probe { ref: \"odys\", label: \"Odyssey\", notes: \"a\" } insert Probe { ref: \"vex\", label: "
	  "\"Vex\" } "
	  "insert Orbits { from: \"odys\", to: \"mars\" } insert Orbits { from: \"vex\", to: \"venus\", note: \"n\" } "
	  "insert Relays { from: \"odys\", to: \"vex\" } insert Relays { from: \"odys\", to: \"odys\" }",
	  "4,4");
}

static void upsert(void)
{
	load_space();
	M("insert Planet { code: \"mars\", mass: 0.107 }", "1,0");
	PLANETS("\"mars\",null,0.107; \"venus\",null,null");
	fix_close(&f);
}

static void one_commit(void)
{
	unsigned before;

	load_space();
	before = commit_count();
	M("insert Planet { code: \"io\" } update Planet set { moons: 7 } where code = \"io\" "
	  "insert Probe { ref: \"new\", label: \"x\" }",
	  "3,0");
	CHECK_INT(commit_count(), before + 1);
	M("insert Planet { code: \"pluto\" } insert Orbits { from: \"odys\", to: \"nowhere\" }",
	  "dst 'nowhere' not found in Planet");
	M("insert Planet { code: \"pluto\" } insert Orbits { from: \"nobody\", to: \"mars\" }",
	  "src 'nobody' not found in Probe");
	M("insert Planet { code: \"pluto\" } insert Num { n: 4294967296 }",
	  "integer value 4294967296 exceeds UInt32 range");
	CHECK_INT(commit_count(), before + 1);
	PLANETS("\"io\",7,null; \"mars\",2,1.5; \"venus\",null,null");
	fix_close(&f);
}

static void no_mixing(void)
{
	load_space();
	CHECK_HAS(mutate("insert Planet { code: \"a\" } delete Planet where code = \"b\""),
		  "mutation 'm' on the same query mixes inserts/updates and deletes; split into separate mutations: "
		  "(1) inserts "
		  "and updates, then (2) deletes.");
	CHECK_HAS(mutate("delete Planet where code = \"b\" update Planet set { moons: 1 } where code = \"a\""),
		  "mixes");
	fix_close(&f);
}

static void cascade(void)
{
	load_space();
	M("delete Probe where ref = \"odys\"", "1,3");
	BAG(&f, "match { $p: Probe $p $o:orbits $m } return { $p, $m }", "\"vex\",\"venus\"");
	BAG(&f, "match { $p: Probe $p $r:relays $q } return { $p, $q }", "");
	M("delete Planet where code = \"venus\"", "1,1");
	fix_close(&f);
}

static void overlapping(void)
{
	load_space();
	M("delete Orbits where from = \"odys\" delete Probe where ref = \"odys\" delete Probe where label = "
	  "\"Odyssey\" "
	  "delete Relays where to = \"vex\" delete Orbits where note != \"zzz\"",
	  "1,4");
	BAG(&f, "match { $p: Probe } return { $p.ref }", "\"vex\"");
	fix_close(&f);
	load_space();
	/* NULL notes: vex is matched by neither */
	M("delete Probe where notes != \"zzz\"", "1,3");
	M("delete Probe where notes = \"a\"", "0,0 -");
	M("delete Relays where band != \"x\"", "0,0 -");
	fix_close(&f);
}

static void read_your_writes(void)
{
	load_space();
	M("update Planet set { moons: 99 } where code = \"mars\" update Planet set { moons: 3 } where moons > 50",
	  "2,0");
	PLANETS("\"mars\",3,1.5; \"venus\",null,null");
	M("update Planet set { moons: 4 } where moons = 3 update Planet set { mass: 9.0 } where moons = 3", "1,0");
	M("insert Planet { code: \"io\", moons: 1 } update Planet set { mass: 2.5 } where code = \"io\"", "2,0");
	M("insert Planet { code: \"io\", moons: 5 } update Planet set { mass: 3.5 } where moons >= 4", "3,0");
	PLANETS("\"io\",5,3.5; \"mars\",4,3.5; \"venus\",null,null");
	fix_close(&f);
}

static void any_order(void)
{
	open_space();
	M("insert Orbits { from: \"p\", to: \"q\" } insert Planet { code: \"q\" } insert Probe { ref: \"p\", label: "
	  "\"x\" }",
	  "2,1");
	fix_close(&f);
}

static void card(void)
{
	load_space();
	M("insert Owns { from: \"odys\", to: \"mars\" }", "0,1");
	M("insert Owns { from: \"odys\", to: \"venus\" }",
	  "@card violation on edge Owns: source 'odys' has 2 edges (max 1)");
	fix_close(&f);
}

static void key_update(void)
{
	load_space();
	M("update Planet set { code: \"x\" } where code = \"nothing\"",
	  "cannot update @key property 'code' — delete and re-insert instead");
	M("update Slot set { num: 3 } where hall = \"nothing\"",
	  "cannot update @key property 'num' — delete and re-insert instead");
	fix_close(&f);
}

static void edges(void)
{
	load_space();
	M("insert Orbits { from: \"odys\", to: \"mars\" } insert Orbits { from: \"odys\", to: \"mars\", since: "
	  "date(\"2020-01-01\") }",
	  "0,2");
	M("delete Orbits where since = date(\"2020-01-01\")", "0,1");
	M("delete Orbits where from = \"odys\"", "0,2");
	M("delete Orbits where to >= \"v\"", "0,1");
	M("delete Orbits where from = \"odys\"", "0,0 -");
	fix_close(&f);
}

static void no_effect(void)
{
	unsigned before;

	load_space();
	before = commit_count();
	M("delete Planet where code = \"nope\"", "0,0 -");
	M("update Planet set { moons: 3 } where moons = 77", "0,0 -");
	MP("$a: String?", "delete Planet where code = $a", "{}", "0,0 -");
	MP("$a: String?", "update Planet set { moons: 1 } where code != $a", "{}", "0,0 -");
	M("delete Planet where tags = [\"a\"]", "0,0 -");
	CHECK_INT(commit_count(), before);
	M("update Planet set { moons: 2 } where code = \"mars\"", "1,0");
	CHECK_INT(commit_count(), before + 1);
	fix_close(&f);
}

static void expected_head(void)
{
	struct mutation_result r = { 0 };
	struct err e = ERR_INIT;
	struct write_opts opts = { .expected_head = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .actor = "ada" };

	load_space();
	CHECK(mutate_opts("query m() { delete Planet where code = \"nope\" }", NULL, &opts, &r, &e) < 0);
	CHECK(e.code == ERR_PRECONDITION);
	err_clear(&e);
	opts.expected_head = NULL;
	CHECK(!mutate_opts("query m() { delete Planet where code = \"mars\" }", NULL, &opts, &r, &e));
	CHECK(r.has_commit && r.commit.actor);
	CHECK_STR(r.commit.actor, "ada");
	mutation_result_clear(&r);
	fix_close(&f);
}

static void keys(void)
{
	open_space();
	M("insert Slot { num: 7, hall: \"a\\\"b\" } insert Num { n: 5 }", "2,0");
	BAG(&f, "match { $s: Slot } return { $s }", "\"[\\\"a\\\\\\\"b\\\",\\\"7\\\"]\"");
	MP("$h: String?", "insert Slot { num: 7, hall: $h }", "{}",
	   "insert @key properties (hall, num) cannot contain null");
	MP("$h: U32?", "insert Num { n: $h }", "{}", "insert @key property 'n' cannot contain null");
	M("update Num set { req: \"x\" } where n = 5.0", "1,0");
	M("update Num set { req: \"y\" } where n = 5.5", "0,0 -");
	M("update Num set { req: \"y\" } where n = -5", "0,0 -");
	M("update Num set { req: \"y\" } where n <= 5", "1,0");
	M("insert Note { text: \"a\" } insert Note { text: \"a\" }", "2,0");
	ROWS(&f, "match { $n: Note } return { count($n) }", "2");
	M("update Note set { rank: 1 } where text = \"a\"", "2,0");
	M("delete Note where rank = 1", "2,0");
	fix_close(&f);
}

static void values(void)
{
	open_space();
	MP("$s: String?", "insert Probe { ref: \"a\", label: $s }", "{}", "missing required property 'label'");
	MP("$s: String?", "insert Orbits { from: $s, to: \"x\" }", "{}", "missing required edge endpoint 'from'");
	M("insert Emb { k: \"a\", src: \"text\" }", "missing required property 'vec'");
	CHECK_HAS(mutate("insert Planet { code: \"a\", moons: 2.7 }"), "cannot convert");
	CHECK_HAS(mutate("insert Planet { code: \"a\", mass: 3 }"), "cannot convert");
	MP("$f: F64", "insert Planet { code: \"a\", mass: $f }", "{\"f\":3}", "1,0");
	M("insert Planet { code: \"a\", moons: 3000000000 }", "integer value 3000000000 exceeds Int32 range");
	M("insert Num { n: 1, ints: [1, 3000000000] }", "list value 3000000000 exceeds Int32 range");
	M("insert Num { n: 1, u: -1 }", "integer value -1 exceeds UInt64 range");
	M("insert Num { n: 1, d: date(\"soon\") }", "invalid Date literal 'soon'");
	M("insert Planet { code: \"v\", vec: [1, 2.5] }", "1,0");
	MP("$s: String", "insert Probe { ref: \"a\", label: \"b\", status: $s }", "{\"s\":\"x\"}",
	   "invalid enum value 'x' for Probe.status (expected: active, lost)");
	M("insert Num { n: 1, f: 0.1 }", "1,0");
	M("update Num set { req: \"hit\" } where f = 0.1", "1,0"); /* rounded to F32 */
	MP("$s: String?", "update Num set { req: $s } where n = 1", "{}", "1,0");
	fix_close(&f);
}

static void unique(void)
{
	fix_open(&f, "node User { k: String @key  mail: String? @unique }\n");
	M("insert User { k: \"a\", mail: \"x\" } insert User { k: \"b\", mail: \"y\" } insert User { k: \"n\" }",
	  "3,0");
	M("insert User { k: \"c\", mail: \"x\" }", "@unique violation on User.mail: value 'x' held by 'a' and 'c'");
	M("insert User { k: \"a\", mail: \"x\" }", "1,0");
	/* a value freed in the query may be taken; NULLs do not conflict */
	M("update User set { mail: \"z\" } where k = \"a\" insert User { k: \"c\", mail: \"x\" } insert User { k: "
	  "\"m\" }",
	  "3,0");
	CHECK_HAS(mutate("update User set { mail: \"same\" } where k >= \"a\""),
		  "@unique violation on User.mail: value 'same'");
	fix_close(&f);
}

static void staged_bytes(void)
{
	struct graph_open_opts opts = { .mutation_max_bytes = 4 << 20 };
	struct strbuf lines = STRBUF_INIT;
	struct err e = ERR_INIT;

	open_space();
	for (int i = 0; i < 9000; i++)
		sb_addf(&lines, "{\"type\":\"Note\",\"id\":\"n%d\",\"data\":{\"text\":\"t\"}}\n", i);
	fix_write(&f, lines.s);
	sb_free(&lines);
	M("update Note set { rank: 1 } where text = \"t\"", "9000,0");
	graph_close(f.g);
	CHECK(!graph_open_store(f.store, &opts, &f.g, &e));
	CHECK_HAS(mutate_p("query m($s: String) { update Note set { text: $s } where rank = 1 }",
			   arena_printf(&f.a, "{\"s\":\"%0*d\"}", 4000, 0)),
		  "resource limit exceeded for staged mutation bytes: actual ");
	ROWS(&f, "match { $n: Note { text: \"t\" } } return { count($n) }", "9000");
	fix_close(&f);
}

static void blobs(void)
{
	open_space();
	MP("$b: String", "insert Slot { hall: \"h\", num: 1, pic: $b }", "{\"b\":\"base64:aGk=\"}", "1,0");
	MP("$b: Blob?", "update Slot set { pic: $b } where hall = \"h\"", "{}", "1,0"); /* NULL leaves it */
	MP("$b: Blob", "insert Slot { hall: \"h\", num: 2, pic: $b }", "{\"b\":\"s3://bucket/x\"}",
	   "external blob URI 's3://bucket/x' is not allowed: new external Blob URI ingress is denied for this graph");
	MP("$b: Blob", "insert Slot { hall: \"h\", num: 2, pic: $b }", "{\"b\":\"base64:?\"}",
	   "invalid base64 blob data");
	/* a URI that the same query overwrites is never judged */
	MP("$b: Blob, $c: Blob",
	   "insert Slot { hall: \"h\", num: 2, pic: $b } insert Slot { hall: \"h\", num: 2, pic: $c }",
	   "{\"b\":\"s3://bucket/x\",\"c\":\"base64:\"}", "2,0");
	MP("$b: Blob?", "insert Pic { k: \"a\", pic: $b }", "{}", "missing required blob property 'pic'");
	fix_close(&f);
}

static void now_is_one_instant(void)
{
	const char *rows;

	open_space();
	M("insert Probe { ref: \"a\", label: \"x\", launched: now() } insert Probe { ref: \"b\", label: \"x\", "
	  "launched: now() }",
	  "2,0");
	rows = fix_rows(&f,
			Q("match { $a: Probe { ref: \"a\" } $b: Probe { ref: \"b\" } $a.launched = $b.launched } "
			  "return { $a }"),
			NULL);
	CHECK_STR(rows, "\"a\"");
	M("update Probe set { notes: \"past\" } where launched <= now()", "2,0");
	fix_close(&f);
}

static void reads_refused(void)
{
	load_space();
	CHECK_STR(mutate_p("query q() { match { $m: Planet } return { $m } }", NULL),
		  "mutation execution called on a read query; use query instead");
	fix_close(&f);
}

/* --- policy ------------------------------------------------------------------------------------ */

static int deny_bob(void *ctx, const char *action, const char *branch, const char *target, const char *actor,
		    struct err *e)
{
	CHECK_STR(action, "change");
	CHECK_STR(branch, "main");
	if (actor && !strcmp(actor, "ada"))
		return 0;
	return err_set(e, ERR_POLICY, "policy: policy denied: no");
}

static void policy(void)
{
	static const struct graph_policy_ops ops = { deny_bob };
	struct mutation_result r = { 0 };
	struct write_opts opts = { .actor = "bob" };
	struct err e = ERR_INIT;

	load_space();
	graph_set_policy(f.g, &ops, NULL);
	CHECK(mutate_opts("query m() { delete Planet where code = \"mars\" }", NULL, &opts, &r, &e) < 0);
	CHECK(e.code == ERR_POLICY);
	CHECK_HAS(err_msg(&e), "policy denied");
	/* the hook runs before the query is looked at */
	CHECK(mutate_opts("query m() { delete Planet where code = \"a\" insert Planet { code: \"a\" } }", NULL, &opts,
			  &r, &e) < 0);
	CHECK(e.code == ERR_POLICY);
	opts.actor = NULL;
	CHECK(mutate_opts("query m() { delete Planet where code = \"mars\" }", NULL, &opts, &r, &e) < 0);
	CHECK(e.code == ERR_POLICY);
	CHECK_HAS(err_msg(&e), "policy: no actor for engine-layer policy check");
	err_clear(&e);
	opts.actor = "ada";
	opts.branch = " main ";
	CHECK(!mutate_opts("query m() { delete Planet where code = \"mars\" }", NULL, &opts, &r, &e));
	mutation_result_clear(&r);
	fix_close(&f);
}

CHECK_MAIN("engine/query/mutate", { "QRY-05 a keyed insert replaces the node and nulls the rest", upsert },
	   { "QRY-06 QRY-26 QRY-27 one commit or nothing", one_commit },
	   { "QRY-07 inserts and deletes do not mix", no_mixing },
	   { "QRY-23 deleting a node removes and counts its edges", cascade },
	   { "QRY-24 overlapping deletes count once, NULLs do not match", overlapping },
	   { "QRY-25 QRY-26 updates see what the query wrote, never what it superseded", read_your_writes },
	   { "QRY-28 an edge and its endpoints in any order", any_order }, { "QRY-29 cardinality is checked", card },
	   { "QRY-31 updating a key component fails whatever matches", key_update },
	   { "QRY-32 edges are deleted by from, to and properties", edges },
	   { "QRY-33 a mutation without effect makes no commit", no_effect },
	   { "an expected head is compared before any effect", expected_head },
	   { "node ids from keys, ULIDs without", keys }, { "10.5 value errors at execution", values },
	   { "QRY-30 uniqueness on the final image", unique },
	   { "QRY-69 staged bytes are bounded, entities are not", staged_bytes }, { "QRY-54 blob assignment", blobs },
	   { "QRY-62 now() is one instant per query", now_is_one_instant },
	   { "a read query does not mutate", reads_refused }, { "the policy hook runs first", policy })
