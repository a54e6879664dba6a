/* SPDX-License-Identifier: MIT */
/*
 * The text analysis of spec/query.md 9.2: split, drop long tokens, lower-case, stem, drop stop words, fold accents. Word
 * characters, case and decomposition come from utf8proc; the stemmer is Snowball's "english" (Porter2).
 */
#include "engine/index/text_analyze.h"

#ifdef CONFIG_ENGINE_FTS

#include <libstemmer.h>
#include <utf8proc.h>

#include <omnigraph/limits.h>

/* --- splitting -------------------------------------------------------------------------------------------------------- */

bool text_next_word(struct str *rest, struct str *word)
{
	const char *p = rest->s, *end = rest->s + rest->n, *start = NULL;

	while (p < end) {
		const char *at = p;
		bool in = (unsigned char)*p < 0x80
				  ? (p++, (*at >= '0' && *at <= '9') || ((*at | 32) >= 'a' && (*at | 32) <= 'z'))
				  : utf8_is_alphanumeric(utf8_next(&p, end));

		if (in && !start)
			start = at;
		if (!in && start) {
			*word = (struct str){ start, (size_t)(at - start) };
			*rest = (struct str){ p, (size_t)(end - p) };
			return true;
		}
	}
	*rest = (struct str){ end, 0 };
	if (!start)
		return false;
	*word = (struct str){ start, (size_t)(end - start) };
	return true;
}

/* --- one token --------------------------------------------------------------------------------------------------------- */

/* Compared with the stem (9.2 step 5), ascending. */
static const char *const stop_words[] = {
	"a",	   "about",  "above",	"after", "again",     "against", "ain",	    "all",	  "am",
	"an",	   "and",    "any",	"are",	 "aren",      "as",	 "at",	    "be",	  "because",
	"been",	   "before", "being",	"below", "between",   "both",	 "but",	    "by",	  "can",
	"couldn",  "d",	     "did",	"didn",	 "do",	      "does",	 "doesn",   "doing",	  "don",
	"down",	   "during", "each",	"few",	 "for",	      "from",	 "further", "had",	  "hadn",
	"has",	   "hasn",   "have",	"haven", "having",    "he",	 "her",	    "here",	  "hers",
	"herself", "him",    "himself", "his",	 "how",	      "i",	 "if",	    "in",	  "into",
	"is",	   "isn",    "it",	"its",	 "itself",    "just",	 "ll",	    "m",	  "ma",
	"me",	   "mightn", "more",	"most",	 "mustn",     "my",	 "myself",  "needn",	  "no",
	"nor",	   "not",    "now",	"o",	 "of",	      "off",	 "on",	    "once",	  "only",
	"or",	   "other",  "our",	"ours",	 "ourselves", "out",	 "over",    "own",	  "re",
	"s",	   "same",   "shan",	"she",	 "should",    "shouldn", "so",	    "some",	  "such",
	"t",	   "than",   "that",	"the",	 "their",     "theirs",	 "them",    "themselves", "then",
	"there",   "these",  "they",	"this",	 "those",     "through", "to",	    "too",	  "under",
	"until",   "up",     "ve",	"very",	 "was",	      "wasn",	 "we",	    "were",	  "weren",
	"what",	   "when",   "where",	"which", "while",     "who",	 "whom",    "why",	  "will",
	"with",	   "won",    "wouldn",	"y",	 "you",	      "your",	 "yours",   "yourself",	  "yourselves",
};

static bool is_stop_word(struct str w)
{
	size_t lo = 0, hi = ARRAY_SIZE(stop_words);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = str_cmp(str_from(stop_words[mid]), w);

		if (!c)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static size_t lower_case(struct str word, char *out)
{
	const char *p = word.s, *end = word.s + word.n;
	size_t n = 0;

	while (p < end) {
		if ((unsigned char)*p < 0x80) {
			out[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
			p++;
		} else {
			n += (size_t)utf8_put(out + n,
					      (uint32_t)utf8proc_tolower((utf8proc_int32_t)utf8_next(&p, end)));
		}
	}
	return n;
}

/* Latin letters that have no decomposition. */
static const char *ligature(uint32_t cp)
{
	switch (cp) {
	case 0xc6:
		return "AE";
	case 0xe6:
		return "ae";
	case 0x152:
		return "OE";
	case 0x153:
		return "oe";
	case 0xd8:
		return "O";
	case 0xf8:
		return "o";
	case 0xdf:
		return "ss";
	case 0x1e9e:
		return "SS";
	case 0xd0:
	case 0x110:
		return "D";
	case 0xf0:
	case 0x111:
		return "d";
	case 0xde:
		return "TH";
	case 0xfe:
		return "th";
	case 0x141:
		return "L";
	case 0x142:
		return "l";
	case 0x126:
		return "H";
	case 0x127:
		return "h";
	case 0x131:
		return "i";
	case 0x14a:
		return "N";
	case 0x14b:
		return "n";
	default:
		return NULL;
	}
}

static bool is_mark(uint32_t cp)
{
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);

	return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

/* One character of a decomposition; it may itself be a ligature (U+01FD is U+00E6 and an accent). */
static void fold_part(struct strbuf *b, uint32_t cp)
{
	const char *lig = ligature(cp);
	char enc[4];

	if (lig)
		sb_addz(b, lig);
	else if (!is_mark(cp))
		sb_add(b, enc, (size_t)utf8_put(enc, cp));
}

/* Accents off: NFKD without marks, plus the ligatures (spec README). */
static struct str fold(struct arena *a, struct str s)
{
	struct strbuf b = STRBUF_INIT;
	const char *p = s.s, *end = s.s + s.n;
	bool ascii = true;
	struct str out;

	for (size_t i = 0; i < s.n; i++)
		ascii &= (unsigned char)s.s[i] < 0x80;
	if (ascii)
		return arena_str(a, s);
	while (p < end) {
		utf8proc_int32_t parts[32];
		utf8proc_ssize_t n;
		int last = 0;

		n = utf8proc_decompose_char((utf8proc_int32_t)utf8_next(&p, end), parts, 32,
					    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);
		for (utf8proc_ssize_t i = 0; i < n && i < 32; i++)
			fold_part(&b, (uint32_t)parts[i]);
	}
	out = arena_str(a, sb_str(&b));
	sb_free(&b);
	return out;
}

static bool analyze_word(struct arena *a, struct sb_stemmer *stemmer, struct str word, struct str *out)
{
	char lower[4 * LIMIT_TEXT_TOKEN_BYTES];
	const sb_symbol *stem;
	struct str s;
	size_t n;

	if (word.n >= LIMIT_TEXT_TOKEN_BYTES)
		return false;
	n = lower_case(word, lower);
	stem = sb_stemmer_stem(stemmer, (const sb_symbol *)lower, (int)n);
	s = stem ? (struct str){ (const char *)stem, (size_t)sb_stemmer_length(stemmer) } : (struct str){ lower, n };
	if (is_stop_word(s))
		return false;
	*out = fold(a, s);
	return out->n > 0;
}

/* --- a text -------------------------------------------------------------------------------------------------------------- */

int text_analyzer_init(struct text_analyzer *t, struct err *e)
{
	t->stemmer = sb_stemmer_new("english", "UTF_8");
	return t->stemmer ? 0 : err_set(e, ERR_INTERNAL, "the English stemmer is not in libstemmer");
}

void text_analyzer_free(struct text_analyzer *t)
{
	if (t->stemmer)
		sb_stemmer_delete(t->stemmer);
	t->stemmer = NULL;
}

void text_analyzer_run(struct text_analyzer *t, struct arena *a, struct str text, struct text_tokens *out)
{
	size_t cap = 0;
	struct str word, *tokens = NULL;

	*out = (struct text_tokens){ 0 };
	while (text_next_word(&text, &word)) {
		struct str tok;

		if (!analyze_word(a, t->stemmer, word, &tok))
			continue;
		MEM_GROW(tokens, out->n, cap);
		tokens[out->n++] = tok;
	}
	out->tokens = out->n ? arena_memdup(a, tokens, out->n * sizeof(*tokens)) : NULL;
	free(tokens);
}

int text_analyze(struct arena *a, struct str text, struct text_tokens *out, struct err *e)
{
	struct text_analyzer t;
	int rc = text_analyzer_init(&t, e);

	if (rc)
		return rc;
	text_analyzer_run(&t, a, text, out);
	text_analyzer_free(&t);
	return 0;
}

#else

int text_analyze(struct arena *a, struct str text, struct text_tokens *out, struct err *e)
{
	return text_unsupported(e);
}

#endif

int text_unsupported(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
		       "full-text search is not in this build; enable CONFIG_ENGINE_FTS in menuconfig and rebuild");
}
