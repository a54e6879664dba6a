/* SPDX-License-Identifier: MIT */
/*
 * ast.h - the query language as a tree: what the parser makes and the type checker completes. Internal to the engine.
 *
 * The parser fills names and positions; typecheck() resolves them in place on a private copy owned by the struct query (fields below
 * "resolved"). Everything lives in one arena. After type check the tree is immutable.
 */
#ifndef ENGINE_QUERY_AST_H
#define ENGINE_QUERY_AST_H

#include <omnigraph/catalog.h>
#include <omnigraph/query.h>
#include <omnigraph/value.h>

#define VAR_NONE UINT32_MAX

enum expr_kind {
	EX_PROP,    /* $v.prop: name, prop_name */
	EX_VAR,	    /* $v, a node variable: its id */
	EX_PARAM,   /* $x, a declared parameter */
	EX_LITERAL, /* lit */
	EX_NOW,
	EX_ALIAS,   /* bare identifier */
	EX_NEAREST, /* args[0] = EX_PROP, args[1] = query */
	EX_SEARCH,  /* args[0] field, args[1] query */
	EX_FUZZY,   /* args[0] field, args[1] query, args[2] max edits or NULL */
	EX_MATCH_TEXT,
	EX_BM25, /* args[0] field, args[1] query */
	EX_RRF,	 /* args[0], args[1] rankings, args[2] k or NULL */
	EX_AGG,	 /* agg, args[0] */
	EX_STAR	 /* $v { * }: only before type check, which expands it */
};

enum agg_fn { AGG_COUNT, AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX };

enum lit_kind { LIT_STRING, LIT_INT, LIT_FLOAT, LIT_BOOL, LIT_DATE, LIT_DATETIME, LIT_LIST };

struct literal {
	enum lit_kind kind;
	struct str text; /* decoded string; date and datetime text */
	int64_t i;
	double f;
	bool b;
	uint32_t n; /* LIT_LIST */
	const struct literal *items;
};

struct expr {
	enum expr_kind kind;
	struct str name;      /* variable, parameter or alias name without '$' */
	struct str prop_name; /* EX_PROP */
	struct literal lit;
	enum agg_fn agg;
	struct expr *args[3];
	uint32_t line, column, start, end; /* position in the source */
	/* resolved */
	uint32_t var;	/* EX_PROP, EX_VAR, EX_STAR: index into query vars */
	uint32_t prop;	/* EX_PROP: property index in the variable's type */
	uint32_t param; /* EX_PARAM: index */
	uint32_t
		column_index; /* EX_ALIAS in an ordering: projection index, or UINT32_MAX when no column has that name */
	struct prop_type type; /* scalar type of the value where it has one; EX_VAR: String */
	bool is_node;	       /* the value is a node id */
};

enum cmp_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_CONTAINS, OP_STARTS_WITH };

/* `name: value` of a pattern or an assignment. */
struct prop_value {
	struct str name;
	struct expr *value; /* literal, parameter or now() */
	uint32_t line, column;
	uint32_t prop; /* resolved: property index; TUPLE_SRC for `from`, TUPLE_DST for `to` of an edge insert */
};

enum clause_kind { CL_NODE, CL_TRAVERSAL, CL_FILTER, CL_TEXT, CL_NOT };

struct clause {
	enum clause_kind kind;
	uint32_t line, column;
	union {
		struct {
			struct str var, type_name;
			uint32_t n_matches;
			struct prop_value *matches;
			/* resolved */
			uint32_t v;
			const struct type *type;
		} node;
		struct {
			struct str left, right, edge_name;
			struct str edge_var; /* s is NULL when there is none */
			bool undirected, has_bounds, unbounded;
			uint64_t min, max; /* as written; 1, 1 without bounds */
			/* resolved; anonymous endpoints get a variable of their own */
			const struct type *edge;
			uint32_t lv, rv, ev; /* ev: VAR_NONE without binding ($_ included) */
			bool forward;	     /* left node is the edge's src */
		} trav;
		struct {
			struct expr *left, *right;
			enum cmp_op op;
		} filter;
		struct expr *text; /* EX_SEARCH, EX_FUZZY, EX_MATCH_TEXT */
		struct {
			uint32_t n;
			struct clause *clauses;
		} negation;
	};
};

struct projection {
	struct expr *expr;
	struct str alias;  /* s is NULL when none was written */
	struct str column; /* resolved: result column name */
};

struct ordering {
	struct expr *expr;
	bool desc, explicit_dir;
};

enum stmt_kind { ST_INSERT, ST_UPDATE, ST_DELETE };

struct stmt {
	enum stmt_kind kind;
	struct str type_name;
	uint32_t line, column;
	uint32_t n_assign;
	struct prop_value *assign;
	/* where: update, delete */
	struct str where_name;
	enum cmp_op where_op;
	struct expr *where_value;
	/* resolved */
	const struct type *type;
	uint32_t where_prop; /* property index; TUPLE_SRC / TUPLE_DST for from / to of an edge delete */
};

struct param_decl {
	struct str name;
	struct prop_type type;
	struct str
		type_text; /* as written; s is NULL unless the type is not one (Vector(0)): the type check refuses it */
	uint32_t line, column;
};

struct query_decl {
	struct str name;
	uint32_t line, column;
	uint32_t n_params;
	struct param_decl *params;
	const char *description, *instruction; /* NULL when absent */
	bool is_mutation;
	/* read */
	uint32_t n_clauses, n_projections, n_orderings;
	struct clause *clauses;
	struct projection *projections;
	struct ordering *orderings;
	bool has_limit;
	uint64_t limit;
	/* mutation */
	uint32_t n_stmts;
	struct stmt *stmts;
};

/* A variable of a read query, those inside `not` blocks and anonymous ones included; each has its own index. */
struct query_var {
	struct str name; /* "_" for anonymous ones */
	bool is_edge, anonymous;
	const struct type *type; /* node or edge type */
	uint32_t depth;		 /* 0: outer block, 1: inside one `not`, ... */
};

struct query_plan; /* engine/query/plan.h: what the executor makes of a read query */

struct query {
	struct arena arena;
	struct catalog *catalog; /* one reference */
	struct query_decl decl;	 /* deep copy, resolved; `*` projections expanded */
	uint32_t n_vars;
	struct query_var *vars;
	bool aggregate;		 /* some projection is an aggregate */
	struct query_plan *plan; /* in the arena; NULL for mutations */
};

/* engine/query/typecheck.c: fill a struct query from a declaration. */
int query_typecheck(struct catalog *c, const struct query_decl *d, struct query *q, struct err *e);
/* engine/query/plan.c: build q->plan of a type-checked read query. */
int query_make_plan(struct query *q, struct err *e);

/* engine/query/literal.c: value of a literal or parameter converted for a property (execution-time rules of spec/query.md 10.5, 14.3). */
int literal_value(const struct literal *l, struct arena *a, struct val *out, struct err *e);

/* "search", "count", ...; "" for what is no call. */
const char *expr_call_name(const struct expr *x);

#endif
