/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/store/pattern.h"

#include <pcre2.h>

#include <omnigraph/mem.h>

#define PATTERN_BYTES_MAX 4096
#define WORKSPACE_INTS 2048 /* states of the DFA matcher */

struct pattern {
	pcre2_code *code;
};

/* Constructs PCRE2 knows and the dialect does not; NULL when there is none. */
static const char *foreign_construct(struct str re)
{
	bool in_class = false;

	for (size_t i = 0; i < re.n; i++) {
		char c = re.s[i], next = i + 1 < re.n ? re.s[i + 1] : 0;

		if (c == '\\') {
			if (!in_class && ((next >= '1' && next <= '9') || next == 'k' || next == 'g'))
				return "back-references are not supported";
			if (next == 'C' || next == 'K' || next == 'R' || next == 'X' || next == 'G')
				return "this escape is not supported";
			i++;
		} else if (in_class) {
			in_class = c != ']';
		} else if (c == '[') {
			in_class = true;
			if (next == '^')
				i++;
			if (i + 1 < re.n && re.s[i + 1] == ']')
				i++;
		} else if (c == '(' && next == '*') {
			return "pattern verbs are not supported";
		} else if (c == '(' && next == '?') {
			char k = i + 2 < re.n ? re.s[i + 2] : 0, k2 = i + 3 < re.n ? re.s[i + 3] : 0;

			if (k == '=' || k == '!' || (k == '<' && (k2 == '=' || k2 == '!')))
				return "look-around is not supported";
			if (k == '>' || k == '|' || k == '(' || k == '&' || k == 'R' || k == '+' || k == 'C' ||
			    (k >= '0' && k <= '9') || (k == 'P' && k2 != '<'))
				return "this group is not supported";
		} else if ((c == '*' || c == '+' || c == '?' || c == '}') && next == '+') {
			return "possessive repetition is not supported";
		}
	}
	return NULL;
}

int pattern_compile(struct str re, struct pattern **out, struct err *e)
{
	const char *why = foreign_construct(re);
	PCRE2_UCHAR text[128];
	struct pattern *p;
	pcre2_code *code;
	PCRE2_SIZE off;
	int rc;

	if (re.n > PATTERN_BYTES_MAX)
		return err_set(e, ERR_BAD_REQUEST, "the pattern has %zu bytes (at most %d)", re.n, PATTERN_BYTES_MAX);
	if (why)
		return err_set(e, ERR_BAD_REQUEST, "%s", why);
	code = pcre2_compile((PCRE2_SPTR)re.s, re.n,
			     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &rc, &off, NULL);
	if (!code) {
		pcre2_get_error_message(rc, text, sizeof(text));
		return err_set(e, ERR_BAD_REQUEST, "%s at offset %zu", (const char *)text, (size_t)off);
	}
	p = mem_zalloc(sizeof(*p));
	p->code = code;
	*out = p;
	return 0;
}

int pattern_search(const struct pattern *p, struct str text, struct err *e)
{
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	int workspace[WORKSPACE_INTS];
	PCRE2_UCHAR why[128];
	int rc;

	if (!md)
		return err_set(e, ERR_INTERNAL, "out of memory while matching a pattern");
	rc = pcre2_dfa_match(p->code, (PCRE2_SPTR)(text.s ? text.s : ""), text.n, 0, PCRE2_DFA_SHORTEST, md, NULL,
			     workspace, WORKSPACE_INTS);
	pcre2_match_data_free(md);
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	pcre2_get_error_message(rc, why, sizeof(why));
	return err_set(e, ERR_BAD_REQUEST, "matching failed: %s", (const char *)why);
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	free(p);
}
