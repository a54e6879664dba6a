/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - the linear dialect of @check patterns (spec/schema.md 5) on PCRE2's DFA matcher.
 *
 * An unanchored search over UTF-8. Back-references, look-around, atomic groups and recursion are refused: the matcher never
 * backtracks. `$` matches only at the very end. A pattern is immutable and may be matched from any number of threads.
 */
#ifndef ENGINE_STORE_PATTERN_H
#define ENGINE_STORE_PATTERN_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

struct pattern;

/* ERR_BAD_REQUEST with the reason when @re is not of the dialect. */
int pattern_compile(struct str re, struct pattern **out, struct err *e);
/* 1: found, 0: not found, negative: the text is not UTF-8 or the match ran out of its workspace (with @e filled). */
int pattern_search(const struct pattern *p, struct str text, struct err *e);
void pattern_free(struct pattern *p); /* NULL allowed */

#endif
