/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a read query compiles to: constants, match blocks, ranking, ordering and output. Internal to the engine.
 *
 * A plan holds everything that does not depend on parameters or data, lives in the query's arena and is immutable. Variables are
 * indexes into query vars; types are indexes into catalog->types, resolved against the snapshot's catalog at run time, because a
 * snapshot may carry another copy of an equal catalog.
 *
 * A match block is a nested-loop join over one row of variables: each step binds one or two variables (scan, key look-up,
 * traversal) and then applies every test whose variables are bound. A `not` is a test that holds when its own block, run with the
 * outer variables fixed, has no match.
 */
#ifndef ENGINE_QUERY_PLAN_H
#define ENGINE_QUERY_PLAN_H

#include "engine/query/ast.h"

enum operand_kind {
	OPD_CONST, /* index: constant */
	OPD_PROP,  /* var, index: property */
	OPD_ID,	   /* var: the node's id */
	OPD_SCORE  /* the ranking's score of the current row */
};

struct operand {
	enum operand_kind kind;
	uint32_t var, index;
};

/* Fixed during one run: a literal, a parameter or now(). */
struct plan_const {
	enum expr_kind kind; /* EX_LITERAL, EX_PARAM, EX_NOW */
	const struct literal *lit;
	uint32_t param;
	bool round_f32;	  /* it is compared with an F32 property */
	uint32_t vec_dim; /* > 0: it is compared with a vector of that length */
	bool ready;	  /* val was made at compile time */
	struct val val;
};

/* search, match_text, fuzzy */
struct plan_text {
	enum expr_kind fn;
	struct operand field, query, edits;
	bool has_edits;
};

enum test_kind {		/* cheapest first */
		 TEST_COMPARE,	/* l op r */
		 TEST_PREFIX,	/* l starts_with r */
		 TEST_CONTAINS, /* r is a substring of l */
		 TEST_MEMBER,	/* list l has the element r */
		 TEST_VECTOR,	/* l equals r element-wise */
		 TEST_TEXT,
		 TEST_NOT
};

struct plan_block;

struct plan_test {
	enum test_kind kind;
	enum cmp_op op;
	struct operand l, r;
	uint32_t text;
	const struct plan_block *block;
};

enum step_kind {
	STEP_GIVEN,	 /* var = the ranked node */
	STEP_SCAN,	 /* var over all rows of its type */
	STEP_JOIN,	 /* as STEP_SCAN, but only those whose join_prop equals join_with need to come */
	STEP_LOOKUP,	 /* var by key */
	STEP_HOPS,	 /* var within min..max hops of from */
	STEP_HOPS_CHECK, /* var is bound: keep when it is within min..max hops of from */
	STEP_EDGES,	 /* one match per edge at from: edge_var and var */
	STEP_EDGES_CHECK /* one match per edge between from and var, both bound */
};

struct plan_step {
	enum step_kind kind;
	uint32_t var, type; /* type of var */
	uint32_t cursor;    /* of the run's cursors */
	/* STEP_LOOKUP: parallel to the type's key members */
	uint32_t n_key;
	const struct operand *key;
	/* STEP_JOIN */
	uint32_t join, join_prop; /* join: index among the run's tables */
	struct operand join_with;
	/* traversals */
	uint32_t from, edge, edge_var;
	bool outgoing; /* from is the edge's src */
	bool undirected;
	bool same_type; /* both ends have one type */
	bool reversed;	/* from is the right end of the pattern */
	uint64_t min, max;
	uint32_t n_tests;
	const struct plan_test *tests;
};

struct plan_block {
	uint32_t n_pre; /* tests that need none of the block's own variables */
	const struct plan_test *pre;
	uint32_t n_steps;
	const struct plan_step *steps;
};

/* nearest() or bm25() */
struct plan_arm {
	enum expr_kind fn;
	uint32_t var, prop;
	struct operand query;
	const struct plan_block *candidates; /* var under its own constraints */
	const struct plan_block *match;	     /* the whole match, beginning with STEP_GIVEN var */
};

struct plan_cell { /* one projection */
	bool is_agg;
	enum agg_fn agg;
	struct operand o; /* the value, or the aggregate's argument */
	uint32_t slot;	  /* aggregate query: index among the grouping keys, or among the aggregates */
};

struct plan_column {	/* member of a row object */
	struct str key; /* `{"a":` or `,"b":` */
	uint32_t cell;
};

struct plan_sort {
	struct operand o; /* read query */
	uint32_t cell;	  /* aggregate query */
	bool desc;
};

struct query_plan {
	const char *error; /* an execution error known beforehand; NULL when there is none */
	uint32_t n_consts, n_texts, n_cursors, n_joins, n_types;
	struct plan_const *consts;
	const struct plan_text *texts;
	const uint32_t *types;	  /* that the query reads */
	const uint32_t *var_type; /* by variable */
	uint32_t n_outer;	  /* variables of the outer block, in tie-break order */
	const uint32_t *outer;
	const struct plan_block *block; /* NULL with a ranking */
	uint32_t n_arms;		/* 0: no ranking, 2: rrf */
	struct plan_arm arms[2];
	bool has_k;
	struct operand k;
	uint32_t n_cells, n_columns, n_sorts;
	const struct plan_cell *cells;
	const struct plan_column *columns;
	const struct plan_sort *sorts;
	uint32_t n_keys, n_aggs; /* aggregate query */
	struct str head;	 /* `{"query_name":"x","target":{"branch":` */
	struct str columns_json; /* `,"columns":[...],"rows":[` */
};

/* --- building, plan.c and plan_match.c ---------------------------------------------------------- */

struct plan_var { /* while the block that introduces the variable is built */
	bool bound, introduced, has_pattern;
	bool anchored;	     /* connectedness: the component has a node pattern or an outer variable */
	uint32_t parent;     /* union-find */
	uint32_t first_test; /* 1-based; 0: none */
};

struct plan_builder {
	struct query *q;
	struct query_plan *p;
	struct arena *a;  /* the query's */
	struct arena tmp; /* of this build */
	uint32_t const_cap, text_cap;
	struct plan_text *texts;
	struct plan_var *vars;
};

/* Record an execution error (the first one stays). Always false. */
bool plan_fail(struct plan_builder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* False when @ex is none that yields a value per row; then nothing is recorded. */
bool plan_operand(struct plan_builder *b, const struct expr *ex, struct operand *out);
/* How an expression is named in messages: "search", "$v.prop", ... */
const char *plan_expr_name(struct plan_builder *b, const struct expr *ex);
/* The whole match. @start: variable of STEP_GIVEN, whose own constraints are left out; or VAR_NONE. NULL after plan_fail. */
const struct plan_block *plan_match(struct plan_builder *b, uint32_t start);
/* Only @var under the constraints that mention nothing else (spec/query.md 9.1). */
const struct plan_block *plan_candidates(struct plan_builder *b, uint32_t var);

#endif
