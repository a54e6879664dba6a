/* SPDX-License-Identifier: MIT */
/* search, match_text and fuzzy as filters over one text at a time (spec/query.md 9.2). */
#include <errno.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>

#include "engine/index/text_analyze.h"

#ifdef CONFIG_ENGINE_FTS

struct text_filter {
	size_t n;
	struct str *tokens; /* a field matches when it has one of these */
};

int text_filter_search(struct arena *a, struct str query, struct text_filter **out, struct err *e)
{
	struct text_tokens t;
	int rc = text_analyze(a, query, &t, e);

	if (rc)
		return rc;
	*out = arena_new(a, struct text_filter);
	(*out)->n = t.n;
	(*out)->tokens = t.tokens;
	return 0;
}

/* --- fuzzy ------------------------------------------------------------------------------------------------------------- */

/* Characters of a word that fuzzy looks at: of a query's word, or of a stored token (39 bytes, at most 234 characters after folding). */
#define WORD_CHARS_MAX 256

/* Levenshtein distance of two words over characters, or more than @max. */
static size_t distance(const uint32_t *a, size_t na, const uint32_t *b, size_t nb, size_t max)
{
	size_t row[WORD_CHARS_MAX + 1];

	if (na > WORD_CHARS_MAX || nb > WORD_CHARS_MAX || (na > nb ? na - nb : nb - na) > max)
		return max + 1;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t up = row[j], best = diag + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return row[nb];
}

static size_t characters(struct str s, uint32_t *out)
{
	const char *p = s.s, *end = s.s + s.n;
	size_t n = 0;

	while (p < end && n < WORD_CHARS_MAX)
		out[n++] = utf8_next(&p, end);
	return p < end ? WORD_CHARS_MAX + 1 : n;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Distinct stored tokens of the property, ascending bytewise. */
static struct str *vocabulary(struct text_analyzer *t, struct arena *a, const struct snapshot *s, const struct type *ty,
			      uint32_t prop, size_t *n_out)
{
	struct map seen = MAP_INIT;
	struct row_scan sc;
	struct str *list;
	size_t n = 0;
	rowref r;

	row_scan_init(&sc, s, ty);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct text_tokens tk;
		struct val v;

		row_get(s, ty, r, prop, a, &v);
		if (v.kind != VAL_STR)
			continue;
		text_analyzer_run(t, a, val_text(&v), &tk);
		for (size_t i = 0; i < tk.n; i++)
			map_add(&seen, tk.tokens[i], a);
	}
	list = arena_array(a, struct str, seen.n + 1);
	for (struct map_entry *m = map_first(&seen); m; m = map_next(&seen, m))
		list[n++] = m->key;
	map_free(&seen);
	if (n)
		qsort(list, n, sizeof(*list), by_text);
	*n_out = n;
	return list;
}

int text_filter_fuzzy(struct arena *a, const struct snapshot *s, const struct type *ty, uint32_t prop, struct str query,
		      int64_t max_edits, struct text_filter **out, struct err *e)
{
	uint32_t want[WORD_CHARS_MAX + 1], have[WORD_CHARS_MAX + 1];
	struct text_analyzer t;
	struct str word, *words;
	size_t n, left = LIMIT_FUZZY_EXPANSIONS;
	int rc;

	if (max_edits < 0)
		return err_set(e, ERR_QUERY, "query: fuzzy max_edits must not be negative, got %lld",
			       (long long)max_edits);
	if (max_edits == 0)
		return text_filter_search(a, query, out, e);
	rc = text_analyzer_init(&t, e);
	if (rc)
		return rc;
	words = vocabulary(&t, a, s, ty, prop, &n);
	text_analyzer_free(&t);
	*out = arena_new(a, struct text_filter);
	(*out)->tokens = arena_array(a, struct str, LIMIT_FUZZY_EXPANSIONS);
	if (max_edits > WORD_CHARS_MAX)
		max_edits = WORD_CHARS_MAX;
	while (left && text_next_word(&query, &word)) {
		size_t nw = characters(word, want);

		for (size_t i = 0; left && i < n; i++) {
			size_t nh = characters(words[i], have);

			if (distance(want, nw, have, nh, (size_t)max_edits) > (size_t)max_edits)
				continue;
			(*out)->tokens[(*out)->n++] = words[i];
			left--;
		}
	}
	return 0;
}

bool text_filter_match(const struct text_filter *f, struct arena *scratch, struct str field)
{
	struct text_tokens t;

	if (!f->n || text_analyze(scratch, field, &t, NULL))
		return false;
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < f->n; k++)
			if (str_eq(t.tokens[i], f->tokens[k]))
				return true;
	return false;
}

#else

int text_filter_search(struct arena *a, struct str query, struct text_filter **out, struct err *e)
{
	return text_unsupported(e);
}

int text_filter_fuzzy(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, struct str query,
		      int64_t max_edits, struct text_filter **out, struct err *e)
{
	return text_unsupported(e);
}

bool text_filter_match(const struct text_filter *f, struct arena *scratch, struct str field)
{
	return false;
}

#endif
