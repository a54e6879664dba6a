/* SPDX-License-Identifier: MIT */
/* Search clauses and ranking (spec/query.md 9). */
#include <omnigraph/embed.h>

#include "fixture.h"

#define N(type, id, data) "{\"type\":\"" type "\",\"id\":\"" id "\",\"data\":{" data "}}\n"
#define DOC(id, vec, text) N("Doc", id, "\"k\":\"" id "\",\"v\":" vec ",\"text\":\"" text "\"")
#define E(type, a, b) "{\"edge\":\"" type "\",\"from\":\"" a "\",\"to\":\"" b "\",\"data\":{}}\n"

#define DOCS                                                                   \
	"node Doc { k: String @key  v: Vector(2)?  text: String?  n: I32? }\n" \
	"node Tag { t: String @key  text: String? }\n"                         \
	"edge Tagged: Doc -> Tag { }\n"

static void bm25(void)
{
	struct fix f;

	fix_open(&f, DOCS);
	fix_write(&f, DOC("A", "null", "Mapping ice at the poles") DOC("B", "null", "Ice and dust: ice cores")
			      DOC("C", "null", "Dust storms") N("Doc", "D", "\"k\":\"D\""));
	ROWS(&f, "match { $d: Doc } return { $d } order { bm25($d.text, \"ice\") }", "\"B\"; \"A\"");
	CHECK_HAS(
		fix_rows(&f, Q("match { $d: Doc } return { $d, bm25($d.text, \"ice\") as s } order { s desc }"), NULL),
		"\"B\",0.590");
	CHECK_HAS(
		fix_rows(&f,
			 Q("match { $d: Doc } return { $d, bm25($d.text, \"ice\") } order { bm25($d.text, \"ice\") }"),
			 NULL),
		"; \"A\",0.470");
	ROWS(&f, "match { $d: Doc } return { $d } order { bm25($d.text, \"ice\") desc } limit 1", "\"B\"");
	/* a filter does not change the scores, nor starve the ranking */
	CHECK_HAS(fix_rows(&f, Q("match { $d: Doc { k: \"A\" } } return { bm25($d.text, \"ice\") as s } order { s }"),
			   NULL),
		  "0.470");
	ROWS(&f, "match { $d: Doc $d.k != \"B\" } return { $d } order { bm25($d.text, \"ice\") } limit 1", "\"A\"");
	ROWS(&f, "match { $d: Doc search($d.text, \"dust\") } return { $d } order { bm25($d.text, \"ice\") }", "\"B\"");
	ROWS(&f, "match { $d: Doc } return { $d } order { bm25($d.text, \"the\") }", "");
	CHECK_HAS(fix_error(&f, QP("$q: String?", "match { $d: Doc } return { $d } order { bm25($d.text, $q) }"), "{}"),
		  "bm25 query must resolve to a string");
	/* equal scores: id descending */
	fix_write(&f, DOC("X1", "null", "quartz") DOC("X2", "null", "quartz"));
	ROWS(&f, "match { $d: Doc } return { $d } order { bm25($d.text, \"quartz\") }", "\"X2\"; \"X1\"");
	/* in an aggregate query the ranking restricts the rows */
	ROWS(&f, "match { $d: Doc } return { count($d) as n } order { bm25($d.text, \"dust\") }", "2");
	fix_close(&f);
}

static void text_clauses(void)
{
	struct fix f;

	fix_open(&f, DOCS);
	fix_write(&f, DOC("A", "null", "Introduction to networks and their layers") DOC("B", "null", "Layers of cake")
			      N("Doc", "C", "\"k\":\"C\"") N("Tag", "t", "\"t\":\"t\",\"text\":\"cake\""));
	BAG(&f, "match { $d: Doc search($d.text, \"layer cakes\") } return { $d }", "\"A\"; \"B\"");
	BAG(&f, "match { $d: Doc match_text($d.text, \"networks layers\") } return { $d }", "\"A\"; \"B\"");
	BAG(&f, "match { $d: Doc search($d.text, \"of the\") } return { $d }", "");
	BAG(&f, "match { $d: Doc search($d.text, \"network\") = true } return { $d }", "\"A\"");
	BAG(&f, "match { $d: Doc search($d.text, \"layers\") search($d.text, \"cake\") } return { $d }", "\"B\"");
	BAG(&f, "match { $d: Doc fuzzy($d.text, \"Introductio\", 2) } return { $d }", "");
	BAG(&f, "match { $d: Doc fuzzy($d.text, \"introductio\") } return { $d }", "\"A\"");
	BAG(&f, "match { $d: Doc not { search($d.text, \"cake\") } } return { $d }", "\"A\"; \"C\"");
	/* a NULL query removes the clause, for NULL fields too */
	CHECK_STR(fix_bag(&f, QP("$q: String?", "match { $d: Doc search($d.text, $q) } return { $d }"), "{}"),
		  "\"A\"; \"B\"; \"C\"");
	CHECK_STR(fix_bag(&f, QP("$n: I32?", "match { $d: Doc fuzzy($d.text, \"introductio\", $n) } return { $d }"),
			  "{}"),
		  "\"A\"");
	/* the query may come from another row */
	BAG(&f, "match { $d: Doc $t: Tag search($d.text, $t.text) } return { $d }", "\"B\"");
	fix_close(&f);
}

static void open_vectors(struct fix *f)
{
	fix_open(f, DOCS);
	fix_write(f, N("Doc", "a", "\"k\":\"a\",\"v\":[0,0],\"n\":5") N("Doc", "b", "\"k\":\"b\",\"v\":[1,0],\"n\":1")
			     N("Doc", "c", "\"k\":\"c\",\"v\":[3,4],\"n\":2") N("Doc", "d",
										"\"k\":\"d\",\"v\":[-1,0],\"n\":0")
				     N("Doc", "e", "\"k\":\"e\",\"n\":1") N("Tag", "x", "\"t\":\"x\"")
					     N("Tag", "y", "\"t\":\"y\"") E("Tagged", "c", "y") E("Tagged", "c", "x")
						     E("Tagged", "b", "x") E("Tagged", "a", "x"));
}

static void nearest(void)
{
	struct fix f;

	open_vectors(&f);
	ROWS(&f, "match { $d: Doc } return { $d } order { nearest($d.v, [0, 0]) } limit 9",
	     "\"a\"; \"b\"; \"d\"; \"c\"");
	ROWS(&f, "match { $d: Doc } return { $d, nearest($d.v, [0, 0]) as z } order { z } limit 9",
	     "\"a\",0.0; \"b\",1.0; \"d\",1.0; \"c\",25.0");
	CHECK_STR(fix_rows(&f,
			   QP("$q: Vector(2)", "match { $d: Doc } return { $d } order { nearest($d.v, $q) } limit 2"),
			   "{\"q\":[3,3]}"),
		  "\"c\"; \"b\"");
	/* filters come first */
	ROWS(&f, "match { $d: Doc $d.n <= 2 } return { $d } order { nearest($d.v, [0, 0]) } limit 3",
	     "\"b\"; \"d\"; \"c\"");
	ROWS(&f, "match { $d: Doc { n: 2 } } return { $d } order { nearest($d.v, [0, 0]) } limit 1", "\"c\"");
	/* traversals come after: a and b of the three nearest have tags */
	ROWS(&f, "match { $d: Doc $d tagged $t } return { $d, $t } order { nearest($d.v, [0, 0]) } limit 3",
	     "\"a\",\"x\"; \"b\",\"x\"");
	/* rows of one node stay together, by the tie-break; the variable may come from a traversal */
	ROWS(&f, "match { $t: Tag $d tagged $t } return { $d, $t } order { nearest($d.v, [3, 4]) } limit 4",
	     "\"c\",\"x\"; \"c\",\"y\"; \"b\",\"x\"; \"a\",\"x\"");
	ROWS(&f, "match { $d: Doc not { $d tagged $_ } } return { $d } order { nearest($d.v, [0, 0]) } limit 3",
	     "\"d\"");
	FAILS(&f, "match { $d: Doc } return { $d } order { nearest($d.v, [0, 0]) }", "T17");
	FAILS(&f, "match { $d: Doc } return { $d } order { nearest($d.v, [0, 0]) } limit 0",
	      "nearest requires a limit");
	FAILS(&f, "match { $d: Doc } return { $d } order { nearest($d.v, \"text\") } limit 1", "embedding provider");
	CHECK_HAS(fix_error(&f,
			    QP("$q: String?", "match { $d: Doc } return { $d } order { nearest($d.v, $q) } limit 1"),
			    "{}"),
		  "nearest query must be a string or list of floats");
	ROWS(&f, "match { $d: Doc } return { count($d) as n } order { nearest($d.v, [0, 0]) } limit 2", "2");
	fix_close(&f);
}

static void embedded_text(void)
{
	struct embed_config cfg = { .kind = "mock", .model = "mock-model" };
	struct embedder *em;
	struct err e = ERR_INIT;
	struct strbuf sb = STRBUF_INIT;
	struct fix f;
	float v[4], w[4];

	fix_open(&f, "node Doc { k: String @key  text: String?  v: Vector(4)?  m: Vector(4)? @embed(\"text\", "
		     "model=\"M\") }\n");
	embed_mock(STR("river"), 4, v);
	embed_mock(STR("stone"), 4, w);
	sb_addf(&sb, "{\"type\":\"Doc\",\"data\":{\"k\":\"stone\",\"v\":[%.9g,%.9g,%.9g,%.9g]}}", w[0], w[1], w[2],
		w[3]);
	sb_addf(&sb, "{\"type\":\"Doc\",\"data\":{\"k\":\"river\",\"v\":[%.9g,%.9g,%.9g,%.9g]}}", v[0], v[1], v[2],
		v[3]);
	fix_write(&f, sb.s);
	sb_free(&sb);
	FIX_OK(embedder_new(&cfg, &em, &e), &e);
	graph_set_embedder(f.g, em);
	ROWS(&f, "match { $d: Doc } return { $d } order { nearest($d.v, \"river\") } limit 1", "\"river\"");
	CHECK_STR(fix_rows(&f, QP("$q: String", "match { $d: Doc } return { $d } order { nearest($d.v, $q) } limit 1"),
			   "{\"q\":\"stone\"}"),
		  "\"stone\"");
	CHECK_HAS(fix_error(&f, Q("match { $d: Doc } return { $d } order { nearest($d.m, \"river\") } limit 1"), NULL),
		  arena_printf(&f.a,
			       "nearest() on 'm': its stored vectors were embedded with model 'M', but the query "
			       "embedder resolves to '%s'. Set OMNIGRAPH_EMBED_MODEL='M'",
			       embedder_model(em)));
	ROWS(&f, "match { $d: Doc } return { $d } order { nearest($d.m, [1, 2, 3, 4]) } limit 1", "");
	embedder_free(em);
	fix_close(&f);
}

/* spec/query.md 9.5: nearest gives ml, nlp, rl; bm25 gives dl, rl, cv. */
static void rrf(void)
{
	struct fix f;

	fix_open(&f, DOCS);
	fix_write(&f, DOC("ml", "[0,0]", "other") DOC("nlp", "[1,0]", "other") DOC("rl", "[2,0]", "deep stone")
			      DOC("dl", "[10,0]", "deep") DOC("cv", "[11,0]", "deep stone mountain")
				      N("Tag", "x", "\"t\":\"x\"") N("Tag", "y", "\"t\":\"y\"") E("Tagged", "dl", "y")
					      E("Tagged", "dl", "x") E("Tagged", "ml", "x"));
#define RRF "rrf(nearest($d.v, [0, 0]), bm25($d.text, \"deep\")"
	ROWS(&f, "match { $d: Doc } return { $d } order { " RRF ") } limit 3", "\"rl\"; \"ml\"; \"dl\"");
	CHECK_HAS(fix_rows(&f, Q("match { $d: Doc } return { $d, " RRF ") as r } order { r desc } limit 3"), NULL),
		  "\"rl\",0.0320020481");
	ROWS(&f, "match { $d: Doc } return { $d } order { " RRF ", 1) } limit 3", "\"rl\"; \"ml\"; \"dl\"");
	/* the nearest arm has only as many candidates as the limit says */
	ROWS(&f, "match { $d: Doc } return { $d } order { " RRF ") } limit 1", "\"ml\"");
	/* all rows of a winner; ranks count what is left after traversals */
	ROWS(&f, "match { $d: Doc $d tagged $t } return { $d, $t } order { " RRF ") } limit 3",
	     "\"ml\",\"x\"; \"dl\",\"x\"; \"dl\",\"y\"");
	ROWS(&f, "match { $d: Doc $d tagged $t } return { $d, $t } order { " RRF ") } limit 2",
	     "\"ml\",\"x\"; \"dl\",\"x\"");
	CHECK_STR(fix_rows(&f, QP("$k: I32?", "match { $d: Doc } return { $d } order { " RRF ", $k) } limit 3"), "{}"),
		  "\"rl\"; \"ml\"; \"dl\"");
	CHECK_HAS(fix_error(&f, QP("$k: I32?", "match { $d: Doc } return { $d } order { " RRF ", $k) } limit 3"),
			    "{\"k\":-1}"),
		  "rrf k must be greater than 0");
	CHECK_HAS(fix_error(&f, QP("$k: I32?", "match { $d: Doc } return { $d } order { " RRF ", $k) } limit 3"),
			    "{\"k\":0}"),
		  "rrf k must be greater than 0");
	FAILS(&f, "match { $d: Doc } return { $d } order { " RRF ") } limit 0", "limit");
	FAILS(&f, "match { $d: Doc } return { $d } order { " RRF ") }", "T21");
	fix_close(&f);
}

/* The arms rank different variables: the ids are those of the first one's. */
static void rrf_of_two_variables(void)
{
	struct fix f;

	fix_open(&f, DOCS);
	fix_write(&f, DOC("a", "[0,0]", "one") DOC("b", "[1,0]", "two") DOC("c", "[2,0]", "three")
			      N("Tag", "x", "\"t\":\"x\",\"text\":\"deep\"") N("Tag", "y",
									       "\"t\":\"y\",\"text\":\"deep stone\"")
				      N("Tag", "z", "\"t\":\"z\",\"text\":\"shallow\"") E("Tagged", "c", "x")
					      E("Tagged", "c", "z") E("Tagged", "b", "y") E("Tagged", "a", "z"));
	/* nearest, limit 2: a, b; bm25 of tags: x (c), y (b) -> b has both, then a (1/61) and c (1/61) */
	ROWS(&f,
	     "match { $d: Doc $d tagged $t } return { $d, $t } order { rrf(nearest($d.v, [0, 0]), "
	     "bm25($t.text, \"deep\")) } limit 2",
	     "\"b\",\"y\"; \"a\",\"z\"");
	/* c is found only by the second ranking: its rows are those of that ranking, without tag z */
	ROWS(&f,
	     "match { $d: Doc $d tagged $t $d.k != \"a\" } return { $d, $t } order { rrf(bm25($d.text, \"two\"), "
	     "bm25($t.text, \"deep\")) } limit 9",
	     "\"b\",\"y\"; \"c\",\"x\"");
	fix_close(&f);
}

CHECK_MAIN("engine/query/rank", { "QRY-41 QRY-39 QRY-67 bm25 scores, order and filters", bm25 },
	   { "QRY-45 QRY-46 QRY-47 text search clauses", text_clauses },
	   { "QRY-37 QRY-38 QRY-39 QRY-40 QRY-67 nearest", nearest }, { "QRY-74 nearest with text", embedded_text },
	   { "QRY-42 QRY-43 QRY-67 rrf", rrf }, { "QRY-42 QRY-43 rrf over two variables", rrf_of_two_variables }, )
