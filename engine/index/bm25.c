/* SPDX-License-Identifier: MIT */
/* BM25 ranking (Robertson and Zaragoza 2009; constants of spec/query.md 9.3: k1 1.2, b 0.75), statistics over the whole type. */
#include <errno.h>
#include <math.h>

#include <omnigraph/map.h>

#include "engine/index/text_analyze.h"

#ifdef CONFIG_ENGINE_FTS

#define K1 1.2
#define B 0.75

struct term {
	struct str token;
	uint64_t docs; /* rows of the type whose field has it */
	double idf;
};

struct corpus {
	uint64_t docs, tokens; /* rows with a non-null field, tokens of them all */
	size_t n_terms;
	struct term *terms;
};

struct doc { /* one row: its length and how often each term occurs */
	double length;
	uint32_t *tf;
};

static void count_terms(const struct corpus *c, const struct text_tokens *t, uint32_t *tf)
{
	memset(tf, 0, c->n_terms * sizeof(*tf));
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < c->n_terms; k++)
			if (str_eq(t->tokens[i], c->terms[k].token)) {
				tf[k]++;
				break;
			}
}

/* Distinct query tokens. */
static void query_terms(struct arena *a, const struct text_tokens *q, struct corpus *c)
{
	c->terms = arena_array(a, struct term, q->n + 1);
	for (size_t i = 0; i < q->n; i++) {
		size_t k = 0;

		while (k < c->n_terms && !str_eq(c->terms[k].token, q->tokens[i]))
			k++;
		if (k == c->n_terms)
			c->terms[c->n_terms++].token = q->tokens[i];
	}
}

static double score(const struct corpus *c, const struct doc *d)
{
	double avg = c->docs ? (double)c->tokens / (double)c->docs : 0, sum = 0;

	for (size_t k = 0; k < c->n_terms; k++) {
		double tf = d->tf[k];

		if (tf > 0)
			sum += c->terms[k].idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * d->length / avg));
	}
	return sum;
}

struct sort_key {
	struct ranked r;
	struct str id;
};

/* Best score first, equal scores by id descending. */
static int by_score(const void *va, const void *vb)
{
	const struct sort_key *a = va, *b = vb;

	if (a->r.score != b->r.score)
		return a->r.score < b->r.score ? 1 : -1;
	return str_cmp(b->id, a->id);
}

/* One pass over the type: statistics, and a map from row to its counts for rows that have some term. */
static void read_corpus(struct text_analyzer *t, struct arena *a, const struct snapshot *s, const struct type *ty,
			uint32_t prop, struct corpus *c, struct map *docs)
{
	struct arena scratch = ARENA_INIT;
	uint32_t *tf = arena_array(a, uint32_t, c->n_terms + 1);
	struct row_scan sc;
	rowref r;

	row_scan_init(&sc, s, ty);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct text_tokens tk;
		bool some = false;
		struct val v;

		arena_reset(&scratch);
		row_get(s, ty, r, prop, &scratch, &v);
		if (v.kind != VAL_STR)
			continue;
		text_analyzer_run(t, &scratch, val_text(&v), &tk);
		c->docs++;
		c->tokens += tk.n;
		count_terms(c, &tk, tf);
		for (size_t k = 0; k < c->n_terms; k++) {
			c->terms[k].docs += tf[k] > 0;
			some |= tf[k] > 0;
		}
		if (some) {
			struct doc *d = arena_new(a, struct doc);
			rowref *key = arena_memdup(a, &r, sizeof(r));

			d->length = (double)tk.n;
			d->tf = arena_memdup(a, tf, c->n_terms * sizeof(*tf));
			map_put(docs, (struct str){ (const char *)key, sizeof(*key) }, d);
		}
	}
	arena_free(&scratch);
	for (size_t k = 0; k < c->n_terms; k++) {
		double n = (double)c->terms[k].docs;

		c->terms[k].idf = log(((double)c->docs - n + 0.5) / (n + 0.5) + 1);
	}
}

int rank_bm25(struct arena *a, const struct snapshot *s, const struct type *ty, uint32_t prop, struct str query,
	      const rowref *candidates, size_t n, struct ranked **out, size_t *n_out, struct err *e)
{
	struct corpus c = { 0 };
	struct map docs = MAP_INIT;
	struct text_analyzer t;
	struct text_tokens q;
	struct sort_key *keys;
	size_t k = 0;
	int rc = text_analyzer_init(&t, e);

	if (rc)
		return rc;
	text_analyzer_run(&t, a, query, &q);
	query_terms(a, &q, &c);
	if (c.n_terms)
		read_corpus(&t, a, s, ty, prop, &c, &docs);
	text_analyzer_free(&t);
	keys = arena_array(a, struct sort_key, n + 1);
	for (size_t i = 0; i < n; i++) {
		const struct doc *d = map_get(&docs, (struct str){ (const char *)&candidates[i], sizeof(rowref) });

		if (d)
			keys[k++] = (struct sort_key){ { candidates[i], score(&c, d) }, row_id(s, ty, candidates[i]) };
	}
	map_free(&docs);
	if (k)
		qsort(keys, k, sizeof(*keys), by_score);
	*out = arena_array(a, struct ranked, k + 1);
	for (size_t i = 0; i < k; i++)
		(*out)[i] = keys[i].r;
	*n_out = k;
	return 0;
}

#else

int rank_bm25(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, struct str query,
	      const rowref *candidates, size_t n, struct ranked **out, size_t *n_out, struct err *e)
{
	return text_unsupported(e);
}

#endif
