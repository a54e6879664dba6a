/* SPDX-License-Identifier: MIT */
/* text_analyze.h - the analysis of spec/query.md 9.2 for many texts in a row. Internal to engine/index. One thread per analyzer. */
#ifndef ENGINE_INDEX_TEXT_ANALYZE_H
#define ENGINE_INDEX_TEXT_ANALYZE_H

#include "engine/index/search.h"

struct text_analyzer {
	struct sb_stemmer *stemmer;
};

int text_analyzer_init(struct text_analyzer *t, struct err *e);
void text_analyzer_free(struct text_analyzer *t);
/* Tokens of a text, in @a. */
void text_analyzer_run(struct text_analyzer *t, struct arena *a, struct str text, struct text_tokens *out);
/* Step 1 alone: the next maximal run of word characters of *rest; false at the end. */
bool text_next_word(struct str *rest, struct str *word);
/* ERR_UNSUPPORTED naming CONFIG_ENGINE_FTS. */
int text_unsupported(struct err *e);

#endif
