/* SPDX-License-Identifier: MIT */
/*
 * search.h - text and vector search over one property of one node type at one snapshot (spec/query.md 9). Internal to the engine.
 *
 * Results never depend on which indexes exist. All results live in the given arena.
 */
#ifndef ENGINE_INDEX_SEARCH_H
#define ENGINE_INDEX_SEARCH_H

#include "engine/store/snapshot.h"

/* Tokens of a text after the analysis of 9.2, in order of occurrence. */
struct text_tokens {
	size_t n;
	struct str *tokens;
};
int text_analyze(struct arena *a, struct str text, struct text_tokens *out, struct err *e);

/* A prepared text filter; test rows with text_filter_match. */
struct text_filter;
/* search / match_text. */
int text_filter_search(struct arena *a, struct str query, struct text_filter **out, struct err *e);
/* fuzzy: needs the vocabulary of the property at the snapshot (50 expansions in byte order). max_edits 0 behaves like search. */
int text_filter_fuzzy(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, struct str query,
		      int64_t max_edits, struct text_filter **out, struct err *e);
bool text_filter_match(const struct text_filter *f, struct arena *scratch, struct str field);

struct ranked {
	rowref row;
	double score; /* bm25: greater is better; nearest: squared distance, smaller is better */
};

/*
 * bm25 over @candidates (rows of @t): those that match, best first, equal scores by id descending. Statistics are of the whole type.
 */
int rank_bm25(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, struct str query,
	      const rowref *candidates, size_t n, struct ranked **out, size_t *n_out, struct err *e);

/* The @k nearest of @candidates by squared L2 distance (components F32), ascending, ties by id ascending; null vectors left out. */
int rank_nearest(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, const float *query,
		 uint32_t dim, const rowref *candidates, size_t n, uint64_t k, struct ranked **out, size_t *n_out,
		 struct err *e);

#endif
