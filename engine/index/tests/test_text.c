/* SPDX-License-Identifier: MIT */
#include <math.h>

#include <omnigraph/store.h>
#include <test/check.h>

#include "engine/index/search.h"

/* "token token token" of a text. */
static void check_tokens(const char *text, const char *want)
{
	struct arena a = ARENA_INIT;
	struct strbuf b = STRBUF_INIT;
	struct text_tokens t;
	struct err e = ERR_INIT;

	CHECK_MSG(text_analyze(&a, str_from(text), &t, &e) == 0, "%s", err_msg(&e));
	for (size_t i = 0; i < t.n; i++)
		sb_addf(&b, "%s%.*s", i ? " " : "", STR_ARG(t.tokens[i]));
	CHECK_STR(b.s ? b.s : "", want);
	sb_free(&b);
	arena_free(&a);
}

static void analysis(void)
{
	check_tokens("Mapping ice at the poles", "map ice pole");
	check_tokens("Ice and dust: ice cores", "ice dust ice core");
	check_tokens("Introduction", "introduct");
	check_tokens("because very during only before", "becaus veri dure onli befor");
	check_tokens("don't the and of", "");
	check_tokens("Caf\xc3\xa9 \xc3\x86ther stra\xc3\x9f"
		     "e",
		     "cafe aether strasse");
	check_tokens("x2 42 a_b", "x2 42 b");
	check_tokens("aaaaaaaaaabbbbbbbbbbccccccccccddddddddd ok", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddd ok");
	check_tokens("aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd ok", "ok");
	check_tokens("", "");
	/* letters of any script are words, combining marks are not */
	check_tokens("\xd0\x9c\xd0\xb8\xd1\x80 \xe6\xbc\xa2\xe5\xad\x97",
		     "\xd0\xbc\xd0\xb8\xd1\x80 \xe6\xbc\xa2\xe5\xad\x97");
	check_tokens("xe\xcc\x81z", "xe z");
	/* a ligature below an accent, a compatibility form, letters with a stroke */
	check_tokens("\xc7\xbdq \xef\xac\x81q \xc7\xbfq \xc5\x81q", "aeq fiq oq lq");
}

/* --- a small graph of documents --------------------------------------------------------------------------------------------- */

struct docs {
	struct store *store;
	struct graph *g;
	struct snapshot *s;
	const struct type *t;
	struct arena a;
};

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	const char **text = arg;
	size_t len = strlen(*text);

	if (len > n)
		len = n;
	memcpy(buf, *text, len);
	*text += len;
	return (long)len;
}

static void docs_open(struct docs *d, const char *ndjson)
{
	static const char schema[] = "node Doc { slug: String @key text: String? vec: Vector(2)? }";
	struct load_opts opts = { .mode = LOAD_MERGE, .shape = LOAD_STRICT };
	struct load_result r;
	struct err e = ERR_INIT;

	*d = (struct docs){ 0 };
	CHECK_MSG(store_open("mem://docs", NULL, &d->store, &e) == 0, "%s", err_msg(&e));
	CHECK_MSG(graph_init_store(d->store, str_from(schema), NULL, &e) == 0, "%s", err_msg(&e));
	CHECK_MSG(graph_open_store(d->store, NULL, &d->g, &e) == 0, "%s", err_msg(&e));
	CHECK_MSG(graph_load(d->g, &opts, read_text, &ndjson, &r, &e) == 0, "%s", err_msg(&e));
	load_result_clear(&r);
	CHECK(graph_snapshot(d->g, NULL, NULL, &d->s, &e) == 0);
	d->t = catalog_node(snapshot_catalog(d->s), STR("Doc"));
}

static void docs_close(struct docs *d)
{
	snapshot_put(d->s);
	graph_close(d->g);
	store_close(d->store);
	arena_free(&d->a);
}

static size_t all_rows(struct docs *d, rowref *out, size_t max)
{
	struct row_scan sc;
	size_t n = 0;
	rowref r;

	row_scan_init(&sc, d->s, d->t);
	while (n < max && (r = row_scan_next(&sc)) != ROW_NONE)
		out[n++] = r;
	return n;
}

static uint32_t prop(struct docs *d, const char *name)
{
	return type_prop(d->t, str_from(name))->index;
}

static const char ice[] =
	"{\"type\":\"Doc\",\"data\":{\"slug\":\"A\",\"text\":\"Mapping ice at the poles\",\"vec\":[0,0]}}\n"
	"{\"type\":\"Doc\",\"data\":{\"slug\":\"B\",\"text\":\"Ice and dust: ice cores\",\"vec\":[3,4]}}\n"
	"{\"type\":\"Doc\",\"data\":{\"slug\":\"C\",\"text\":\"Dust storms\",\"vec\":[1,1]}}\n"
	"{\"type\":\"Doc\",\"data\":{\"slug\":\"N\"}}\n";

static void bm25_example(void)
{
	struct ranked *ranked;
	rowref rows[8];
	struct docs d;
	size_t n;

	docs_open(&d, ice);
	CHECK(rank_bm25(&d.a, d.s, d.t, prop(&d, "text"), STR("ice"), rows, all_rows(&d, rows, 8), &ranked, &n, NULL) ==
	      0);
	CHECK_INT(n, 2);
	CHECK(str_eqz(row_id(d.s, d.t, ranked[0].row), "B"));
	CHECK(str_eqz(row_id(d.s, d.t, ranked[1].row), "A"));
	CHECK(fabs(ranked[0].score - 0.5909) < 0.0001);
	CHECK(fabs(ranked[1].score - 0.4700) < 0.0001);
	CHECK(rank_bm25(&d.a, d.s, d.t, prop(&d, "text"), STR("the of"), rows, 4, &ranked, &n, NULL) == 0);
	CHECK_INT(n, 0);
	docs_close(&d);
}

static void bm25_ties(void)
{
	struct ranked *ranked;
	rowref rows[8];
	struct docs d;
	size_t n;

	docs_open(&d, "{\"type\":\"Doc\",\"data\":{\"slug\":\"a\",\"text\":\"equal words\"}}\n"
		      "{\"type\":\"Doc\",\"data\":{\"slug\":\"b\",\"text\":\"equal words\"}}\n");
	CHECK(rank_bm25(&d.a, d.s, d.t, prop(&d, "text"), STR("equal"), rows, all_rows(&d, rows, 8), &ranked, &n,
			NULL) == 0);
	CHECK(str_eqz(row_id(d.s, d.t, ranked[0].row), "b"));
	docs_close(&d);
}

static bool fuzzy(struct docs *d, const char *query, int64_t edits, const char *text)
{
	struct text_filter *f;

	CHECK(text_filter_fuzzy(&d->a, d->s, d->t, prop(d, "text"), str_from(query), edits, &f, NULL) == 0);
	return text_filter_match(f, &d->a, str_from(text));
}

#define NINES "999999999999999999999999999999999999999" /* 39 bytes */

static void fuzzy_edits(void)
{
	struct docs d;

	docs_open(&d, "{\"type\":\"Doc\",\"data\":{\"slug\":\"a\",\"text\":\"Introduction\"}}\n");
	CHECK(fuzzy(&d, "introductio", 2, "Introduction"));
	CHECK(!fuzzy(&d, "Introductio", 2, "Introduction"));
	CHECK(fuzzy(&d, "Introductions", 0, "Introduction"));
	CHECK(!fuzzy(&d, "introductio", 1, "Introduction"));
	docs_close(&d);
	/* a long query word against the longest stored token */
	docs_open(&d, "{\"type\":\"Doc\",\"data\":{\"slug\":\"a\",\"text\":\"" NINES "\"}}\n");
	CHECK(fuzzy(&d, NINES "12", 2, NINES));
	CHECK(!fuzzy(&d, NINES "123", 2, NINES));
	CHECK(fuzzy(&d, "x", 1000, NINES));
	docs_close(&d);
}

/* Of sixty stored tokens near the query, the first fifty in byte order; a second query word gets what is left: nothing. */
static void fuzzy_expansions(void)
{
	struct strbuf b = STRBUF_INIT;
	struct docs d;
	char word[16];

	for (int i = 0; i < 60; i++)
		sb_addf(&b, "{\"type\":\"Doc\",\"data\":{\"slug\":\"s%02d\",\"text\":\"qqqq%02d zzzz\"}}\n", i, i);
	docs_open(&d, b.s);
	for (int i = 0; i < 60; i++) {
		snprintf(word, sizeof(word), "qqqq%02d", i);
		CHECK(fuzzy(&d, "qqqqxx zzzz", 2, word) == (i < 50));
	}
	CHECK(!fuzzy(&d, "qqqqxx zzzz", 2, "zzzz"));
	CHECK(fuzzy(&d, "zzzz qqqqxx", 2, "zzzz"));
	CHECK(!fuzzy(&d, "zzzz qqqqxx", 2, "qqqq49"));
	docs_close(&d);
	sb_free(&b);
}

static void load_more(struct docs *d, const char *ndjson)
{
	struct load_opts opts = { .mode = LOAD_MERGE, .shape = LOAD_STRICT };
	struct load_result r;
	struct err e = ERR_INIT;

	CHECK_MSG(graph_load(d->g, &opts, read_text, &ndjson, &r, &e) == 0, "%s", err_msg(&e));
	load_result_clear(&r);
	snapshot_put(d->s);
	CHECK(graph_snapshot(d->g, NULL, NULL, &d->s, &e) == 0);
	d->t = catalog_node(snapshot_catalog(d->s), STR("Doc"));
}

/* New text is found and old text is not; scores count the rows of the snapshot. */
static void later_rows(void)
{
	struct ranked *ranked;
	rowref rows[8];
	struct docs d;
	size_t n;

	docs_open(&d, ice);
	load_more(&d, "{\"type\":\"Doc\",\"data\":{\"slug\":\"A\",\"text\":\"nothing frozen\",\"vec\":[9,9]}}\n"
		      "{\"type\":\"Doc\",\"data\":{\"slug\":\"D\",\"text\":\"ice\",\"vec\":[0,1]}}\n");
	CHECK(rank_bm25(&d.a, d.s, d.t, prop(&d, "text"), STR("ice"), rows, all_rows(&d, rows, 8), &ranked, &n, NULL) ==
	      0);
	CHECK_INT(n, 2);
	CHECK(str_eqz(row_id(d.s, d.t, ranked[0].row), "D") && str_eqz(row_id(d.s, d.t, ranked[1].row), "B"));
	/* N 4, n 2, tokens 2 + 4 + 2 + 1 */
	CHECK(fabs(ranked[0].score - log(1 + 2.5 / 2.5) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2.25))) < 1e-9);
	CHECK(fabs(ranked[1].score - log(1 + 2.5 / 2.5) * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / 2.25))) < 1e-9);
	CHECK(fuzzy(&d, "frozan", 1, "frozen"));
	CHECK(!fuzzy(&d, "mapp", 1, "map")); /* nobody has that token any more */
	docs_close(&d);
}

static void search_any_token(void)
{
	struct arena a = ARENA_INIT;
	struct text_filter *f;

	CHECK(text_filter_search(&a, STR("networks layers"), &f, NULL) == 0);
	CHECK(text_filter_match(f, &a, STR("Layered thinking about a network")));
	CHECK(text_filter_match(f, &a, STR("only one network")));
	CHECK(!text_filter_match(f, &a, STR("nothing of it")));
	CHECK(text_filter_search(&a, STR("the of and"), &f, NULL) == 0);
	CHECK(!text_filter_match(f, &a, STR("the of and")));
	arena_free(&a);
}

static void nearest_order(void)
{
	static const float q[2] = { 0, 0 };
	struct ranked *ranked;
	rowref rows[8];
	struct docs d;
	size_t n;

	docs_open(&d, ice);
	CHECK(rank_nearest(&d.a, d.s, d.t, prop(&d, "vec"), q, 2, rows, all_rows(&d, rows, 8), 10, &ranked, &n, NULL) ==
	      0);
	CHECK_INT(n, 3);
	CHECK(str_eqz(row_id(d.s, d.t, ranked[0].row), "A"));
	CHECK(str_eqz(row_id(d.s, d.t, ranked[1].row), "C"));
	CHECK(ranked[2].score == 25.0);
	CHECK(rank_nearest(&d.a, d.s, d.t, prop(&d, "vec"), q, 2, rows, 4, 2, &ranked, &n, NULL) == 0);
	CHECK_INT(n, 2);
	docs_close(&d);
}

/* Against a sort of all distances, with many ties. */
static void nearest_random(void)
{
	static const float q[2] = { 1.5f, -2 };
	struct strbuf b = STRBUF_INIT;
	struct ranked *ranked;
	struct docs d;
	rowref rows[300];
	uint32_t x = 7;
	size_t n, total;

	for (int i = 0; i < 300; i++) {
		int v[2];

		for (int k = 0; k < 2; k++) {
			x = x * 1664525u + 1013904223u;
			v[k] = (int)(x >> 24) % 9 - 4;
		}
		sb_addf(&b, "{\"type\":\"Doc\",\"data\":{\"slug\":\"s%d\",\"vec\":[%d,%d]}}\n", i, v[0], v[1]);
	}
	docs_open(&d, b.s);
	total = all_rows(&d, rows, 300);
	CHECK_INT(total, 300);
	for (uint64_t k = 0; k <= 300; k += 37) {
		CHECK(rank_nearest(&d.a, d.s, d.t, prop(&d, "vec"), q, 2, rows, total, k, &ranked, &n, NULL) == 0);
		CHECK_INT(n, k);
		for (size_t i = 0; i < total && n;
		     i++) { /* a row is in the answer exactly when it sorts before the last one in it */
			struct val v;
			double dist;
			bool in = false, before;
			int c;

			row_get(d.s, d.t, rows[i], prop(&d, "vec"), &d.a, &v);
			dist = (v.vec[0] - q[0]) * (v.vec[0] - q[0]) + (v.vec[1] - q[1]) * (v.vec[1] - q[1]);
			for (size_t m = 0; m < n; m++)
				in |= ranked[m].row == rows[i] && ranked[m].score == dist;
			c = str_cmp(row_id(d.s, d.t, rows[i]), row_id(d.s, d.t, ranked[n - 1].row));
			before = dist < ranked[n - 1].score || (dist == ranked[n - 1].score && c <= 0);
			CHECK(in == before);
		}
		for (size_t m = 1; m < n; m++)
			CHECK(ranked[m - 1].score < ranked[m].score ||
			      (ranked[m - 1].score == ranked[m].score &&
			       str_cmp(row_id(d.s, d.t, ranked[m - 1].row), row_id(d.s, d.t, ranked[m].row)) < 0));
	}
	docs_close(&d);
	sb_free(&b);
}

static void left_out(void)
{
#if !defined(CONFIG_ENGINE_FTS) || !defined(CONFIG_ENGINE_VECTOR)
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
#ifndef CONFIG_ENGINE_FTS
	struct text_tokens t;

	CHECK(text_analyze(&a, STR("x"), &t, &e) < 0);
	CHECK_HAS(err_msg(&e), "CONFIG_ENGINE_FTS");
#endif
#ifndef CONFIG_ENGINE_VECTOR
	CHECK(rank_nearest(&a, NULL, NULL, 0, NULL, 0, NULL, 0, 0, NULL, NULL, &e) < 0);
	CHECK_HAS(err_msg(&e), "CONFIG_ENGINE_VECTOR");
#endif
	err_clear(&e);
	arena_free(&a);
#endif
}

#ifdef CONFIG_ENGINE_FTS
#define TEXT_TESTS                                                                                     \
	{ "QRY-45 text analysis splits, stems, drops stop words and folds accents", analysis },        \
		{ "QRY-41 bm25 ranks by the formula of 9.3 and leaves other rows out", bm25_example }, \
		{ "QRY-41 bm25 breaks ties by id descending", bm25_ties },                             \
		{ "QRY-47 fuzzy counts edits on the raw query token", fuzzy_edits },                   \
		{ "QRY-47 fuzzy makes fifty expansions in byte order", fuzzy_expansions },             \
		{ "QRY-44 search sees rows as the snapshot has them", later_rows },                    \
		{ "QRY-46 QRY-45 search matches any token; stop words alone match nothing", search_any_token },
#else
#define TEXT_TESTS
#endif
#ifdef CONFIG_ENGINE_VECTOR
#define VECTOR_TESTS                                                                              \
	{ "QRY-38 nearest is exact squared L2, ascending, without null vectors", nearest_order }, \
		{ "QRY-38 the k nearest are those of a full sort", nearest_random },
#else
#define VECTOR_TESTS
#endif

__attribute__((unused)) static void (*const used[])(void) = { analysis,		bm25_example,	  bm25_ties,
							      fuzzy_edits,	fuzzy_expansions, later_rows,
							      search_any_token, nearest_order,	  nearest_random };

CHECK_MAIN("engine/search",
	   TEXT_TESTS VECTOR_TESTS{ "search that is left out of the build names its symbol", left_out }, )
