/* SPDX-License-Identifier: MIT */
/*
 * typecheck.h - what the files of the type checker share (spec/query.md 5 to 12). Internal to engine/query.
 *
 * Functions return 0 or a negative errno with "type error: ..." in tc->e; the first error wins. They fill the "resolved" fields of
 * the private copy of the declaration in tc->q.
 */
#ifndef ENGINE_QUERY_TYPECHECK_H
#define ENGINE_QUERY_TYPECHECK_H

#include <omnigraph/map.h>

#include "ast.h"

struct tc {
	struct query *q;
	struct catalog *c;
	struct err *e;
	struct map names; /* visible variables: name -> index + 1 */
	uint32_t vars_cap;
	uint32_t depth; /* of `not` blocks */
};

/* The static type of an expression. */
enum vt_kind { VT_SCALAR, VT_NODE, VT_AGGREGATE };
struct vtype {
	enum vt_kind kind;
	struct prop_type t;	 /* VT_SCALAR; lists and vectors included */
	const struct type *node; /* VT_NODE */
};

/* typecheck.c */
#define tc_error(tc, ...) err_set((tc)->e, ERR_TYPE, "type error: " __VA_ARGS__)
/* Display names, in the query's arena. */
const char *tc_show(struct tc *tc, const struct prop_type *t);
const char *tc_show_vt(struct tc *tc, const struct vtype *t);
const char *tc_show_edge(struct tc *tc, const struct type *edge); /* "E: F -> T" */
bool type_numeric(const struct prop_type *t);			  /* by scalar */
bool type_integer(const struct prop_type *t);			  /* not a list */
bool type_string(const struct prop_type *t);			  /* not a list */
bool types_compatible(const struct prop_type *a, const struct prop_type *b);
/* A visible variable, or VAR_NONE; `_` is never one. */
uint32_t tc_lookup(const struct tc *tc, struct str name);
uint32_t tc_new_var(struct tc *tc, struct str name, const struct type *type);
/* Index of a declared parameter, or VAR_NONE. */
uint32_t tc_param(const struct tc *tc, struct str name);

/* typecheck_expr.c */
int tc_literal_type(struct tc *tc, const struct literal *l, struct prop_type *out);
int tc_expr(struct tc *tc, struct expr *x, struct vtype *out);
/* The same for a place that outputs the value: Blob parameters are refused too (T24). */
int tc_readable(struct tc *tc, struct expr *x, struct vtype *out);
bool expr_is_score(const struct expr *x); /* nearest, bm25, rrf */
bool expr_is_text(const struct expr *x);  /* search, fuzzy, match_text */
bool expr_equal(const struct expr *a, const struct expr *b);

/* typecheck_value.c: the value written beside property @p of @ty */
enum value_use { USE_MATCH, USE_ASSIGN, USE_WHERE };
int tc_value(struct tc *tc, const struct type *ty, const struct prop *p, struct expr *x, enum value_use use);

/* typecheck_match.c, typecheck_filter.c, typecheck_return.c, typecheck_mutation.c */
int tc_clauses(struct tc *tc, struct clause *cl, uint32_t n);
int tc_filter(struct tc *tc, struct clause *c);
int tc_returns(struct tc *tc);
int tc_statements(struct tc *tc);

/* copy.c: deep copy into an arena */
void decl_copy(struct arena *a, struct query_decl *dst, const struct query_decl *src);

#endif
