/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/store/pattern.h"

#include <pcre2.h>

#include <omnigraph/mem.h>

#define PATTERN_BYTES_MAX 4096
#define WORKSPACE_INTS 2048 /* states of the DFA matcher, at first */
#define WORKSPACE_INTS_MAX (1 << 20)

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

/* --- `$` --------------------------------------------------------------------------------------------- */

/*
 * `$` matches at the very end of the text, or with the flag m at the end of a line too. PCRE2_DOLLAR_ENDONLY says the first, but
 * then pcre2_dfa_match (10.42) never finds the second. So the option stays off and `$` without m is written `\z`, for which the
 * flags in force are followed through the groups.
 */
#define GROUP_DEPTH_MAX 250 /* PCRE2's own default */

struct flags {
	bool multiline, extended;
};

struct dollars {
	struct str re;
	size_t i;
	struct flags stack[GROUP_DEPTH_MAX + 1];
	uint32_t depth;
	struct strbuf *out;
};

static char ahead(const struct dollars *d, size_t n)
{
	return d->i + n < d->re.n ? d->re.s[d->i + n] : 0;
}

static void copy(struct dollars *d, size_t n)
{
	if (n > d->re.n - d->i)
		n = d->re.n - d->i;
	sb_add(d->out, d->re.s + d->i, n);
	d->i += n;
}

/* "[...]" as it stands: a `$` in it is a character. */
static void copy_class(struct dollars *d)
{
	copy(d, ahead(d, 1) == '^' ? 2 : 1);
	if (ahead(d, 0) == ']')
		copy(d, 1);
	while (d->i < d->re.n && ahead(d, 0) != ']') {
		if (ahead(d, 0) == '[' && ahead(d, 1) == ':') {
			copy(d, 2);
			while (d->i < d->re.n && !(ahead(d, 0) == ':' && ahead(d, 1) == ']'))
				copy(d, 1);
			copy(d, 1);
		}
		copy(d, ahead(d, 0) == '\\' ? 2 : 1);
	}
	copy(d, 1);
}

/* "(", "(?flags)", "(?flags:" and other groups. False: nested too deep. */
static bool copy_group(struct dollars *d)
{
	struct flags f = d->stack[d->depth];
	bool on = true;
	size_t n = 2;

	if (ahead(d, 1) == '?') {
		for (; ahead(d, n) == '-' || ((ahead(d, n) | 32) >= 'a' && (ahead(d, n) | 32) <= 'z'); n++) {
			if (ahead(d, n) == '-')
				on = false;
			else if (ahead(d, n) == 'm')
				f.multiline = on;
			else if (ahead(d, n) == 'x')
				f.extended = on;
		}
		if (ahead(d, n) == ')') {
			d->stack[d->depth] = f;
			copy(d, n + 1);
			return true;
		}
		if (ahead(d, n) != ':')
			f = d->stack[d->depth];
	}
	if (d->depth == GROUP_DEPTH_MAX)
		return false;
	d->stack[++d->depth] = f;
	copy(d, 1);
	return true;
}

static bool write_dollars(struct str re, struct strbuf *out)
{
	struct dollars d = { .re = re, .out = out };

	while (d.i < re.n) {
		char c = re.s[d.i];

		if (c == '\\') {
			copy(&d, 2);
		} else if (c == '[') {
			copy_class(&d);
		} else if (c == '(') {
			if (!copy_group(&d))
				return false;
		} else if (c == '#' && d.stack[d.depth].extended) {
			while (d.i < re.n && ahead(&d, 0) != '\n')
				copy(&d, 1);
		} else if (c == '$' && !d.stack[d.depth].multiline) {
			sb_addz(out, "(?:\\z)");
			d.i++;
		} else {
			if (c == ')' && d.depth)
				d.depth--;
			copy(&d, 1);
		}
	}
	return true;
}

/* --- compile and search --------------------------------------------------------------------------------- */

int pattern_compile(struct str re, struct pattern **out, struct err *e)
{
	struct strbuf text_re = STRBUF_INIT;
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
	if (!write_dollars(re, &text_re)) {
		sb_free(&text_re);
		return err_set(e, ERR_BAD_REQUEST, "groups are nested deeper than %d", GROUP_DEPTH_MAX);
	}
	code = pcre2_compile((PCRE2_SPTR)sb_str(&text_re).s, text_re.n, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
			     &rc, &off, NULL);
	sb_free(&text_re);
	if (!code) {
		pcre2_get_error_message(rc, text, sizeof(text));
		return err_set(e, ERR_BAD_REQUEST, "%s", (const char *)text);
	}
	p = mem_zalloc(sizeof(*p));
	p->code = code;
	*out = p;
	return 0;
}

static int search(const struct pattern *p, struct str text, pcre2_match_data *md, int *workspace, size_t n)
{
	return pcre2_dfa_match(p->code, (PCRE2_SPTR)(text.s ? text.s : ""), text.n, 0, PCRE2_DFA_SHORTEST, md, NULL,
			       workspace, n);
}

int pattern_search(const struct pattern *p, struct str text, struct err *e)
{
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	int workspace[WORKSPACE_INTS];
	PCRE2_UCHAR why[128];
	int rc;

	if (!md)
		return err_set(e, ERR_INTERNAL, "out of memory while matching a pattern");
	rc = search(p, text, md, workspace, WORKSPACE_INTS);
	/* long repetitions need more states */
	for (size_t n = 4 * WORKSPACE_INTS; rc == PCRE2_ERROR_DFA_WSSIZE && n <= WORKSPACE_INTS_MAX; n *= 4) {
		int *more = mem_alloc(n * sizeof(*more));

		rc = search(p, text, md, more, n);
		free(more);
	}
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
