/* SPDX-License-Identifier: MIT */
/*
 * exec.h - one run of a read query. Internal to the engine.
 *
 * All state is in a struct run, used by one thread: an arena, the resolved constants, one row of variables and one cursor per step.
 * Rows are produced one at a time (block_first, block_next) in run->row; consumers write, sort or group them.
 * Errors are sticky: run->rc is set, run->e filled, and every producer then says that there is no further row.
 */
#ifndef ENGINE_QUERY_EXEC_H
#define ENGINE_QUERY_EXEC_H

#include "engine/index/search.h"
#include "engine/query/plan.h"
#include "engine/store/snapshot.h"

/* Insertion-ordered set of rows of one type; memory from an arena, kept across resets. */
struct rowset {
	rowref *rows;
	size_t n, cap;
	uint32_t *slots; /* index + 1; used once n passes a handful */
	size_t n_slots;
	bool hashed;
};

struct cursor {
	bool fresh;
	union {
		struct row_scan scan;
		struct {
			bool table; /* else: scan */
			struct row_scan scan;
			uint64_t hash;
			uint32_t next;
		} j;
		struct {
			struct edge_iter it, back;
			struct rowset seen; /* visited nodes, in breadth-first order */
			rowref start, node; /* node: the one being expanded */
			uint64_t hop, low;  /* low: first hop that emits */
			size_t head, level_end;
			bool incoming; /* second half of an undirected expansion */
			bool self;     /* node's self-loop was emitted */
			bool done;
		} t;
	};
};

struct join_table;

enum text_state { TEXT_UNPREPARED, TEXT_READY, TEXT_SKIP /* the query is NULL */ };

struct text_run {
	enum text_state state;
	struct text_filter *filter;
};

struct run {
	struct graph *g;
	const struct snapshot *s;
	const struct query *q;
	const struct query_plan *p;
	const struct val *params;
	const struct type *types;  /* of the snapshot's catalog */
	struct arena arena;	   /* until the end */
	struct arena scratch;	   /* values of one test or cell */
	struct arena text_scratch; /* a text filter whose query differs by row */
	struct val *consts;
	rowref *row; /* by variable */
	struct cursor *cursors;
	struct join_table **joins;
	struct text_run *texts;
	rowref given; /* STEP_GIVEN */
	double score;
	int64_t now_ms; /* 0: not asked for yet */
	uint64_t held;	/* rows in memory */
	uint32_t ticks;
	const struct query_budget *budget; /* may be NULL */
	struct strbuf key;
	int rc;
	struct err *e;
};

static inline const struct type *run_var_type(const struct run *r, uint32_t var)
{
	return &r->types[r->p->var_type[var]];
}

/* Set the sticky error. Always false. */
bool run_fail(struct run *r, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Keep the result of a call that filled run->e. True when it is 0. */
bool run_check(struct run *r, int rc);
/* One more row is kept in memory; false when there are too many. */
bool run_hold(struct run *r, size_t n);
/* Now and then: was the run cancelled? False stops it. */
bool run_tick_slow(struct run *r);
static inline bool run_tick(struct run *r)
{
	return (++r->ticks & 4095) || run_tick_slow(r);
}

/* --- eval.c ------------------------------------------------------------------------------------------ */

/* Resolve every constant of the plan; the place where bad date text is found. */
bool eval_consts(struct run *r);
/* Value of an operand for the current row. Lists live in @a. */
void eval_operand(struct run *r, const struct operand *o, struct arena *a, struct val *out);
bool eval_tests(struct run *r, const struct plan_test *t, uint32_t n);
/* @v as a value of the property type @t, equal by the comparison rules; false when there is none (then nothing can equal it). */
bool eval_convert(const struct prop_type *t, const struct val *v, struct val *out);

/* --- exec.c ------------------------------------------------------------------------------------------- */

/* First and next match of a block, in run->row. */
bool block_first(struct run *r, const struct plan_block *b);
bool block_next(struct run *r, const struct plan_block *b);

/* --- exec_expand.c -------------------------------------------------------------------------------------- */

/* False when the row was there. */
bool rowset_add(struct rowset *s, struct arena *a, rowref row);
/* Index in insertion order, or SIZE_MAX. */
size_t rowset_find(const struct rowset *s, rowref row);

void expand_open(struct run *r, const struct plan_step *st, struct cursor *c);
bool expand_next(struct run *r, const struct plan_step *st, struct cursor *c);

/* --- exec_join.c ------------------------------------------------------------------------------------------ */

void join_open(struct run *r, const struct plan_step *st, struct cursor *c);
rowref join_next(struct run *r, const struct plan_step *st, struct cursor *c);
void joins_free(struct run *r);

/* --- order.c ---------------------------------------------------------------------------------------------- */

/* Rows of the outer block with their sort keys; the best @limit of them are kept. */
struct rowbuf {
	struct run *r;
	uint32_t n_sorts;
	size_t stride;
	uint64_t limit;
	char *items; /* n items, and room for one more */
	size_t n, cap;
	uint32_t *order; /* heap while adding, sorted order after */
	bool full;
};

/* @keys false: by the tie-break alone. */
void rowbuf_init(struct rowbuf *b, struct run *r, bool keys, uint64_t limit);
bool rowbuf_add(struct rowbuf *b);
void rowbuf_sort(struct rowbuf *b);
/* The i-th sorted row into run->row. */
void rowbuf_load(const struct rowbuf *b, size_t i);
void rowbuf_reset(struct rowbuf *b);
void rowbuf_free(struct rowbuf *b);

/* --- aggregate.c -------------------------------------------------------------------------------------------- */

struct groups;
struct groups *groups_new(struct run *r);
bool groups_add(struct groups *g);
/* Finish all groups and sort them; returns their count. */
size_t groups_finish(struct groups *g);
/* Value of projection @cell in the i-th group. */
const struct val *groups_cell(const struct groups *g, size_t i, uint32_t cell);
void groups_free(struct groups *g);

/* --- rank.c -------------------------------------------------------------------------------------------------- */

/* Consumes one row (in run->row, with run->score). False ends the run. */
typedef bool (*row_fn)(void *arg);
/* All rows of a ranked query in rank order. */
bool rank_run(struct run *r, row_fn fn, void *arg);

/* --- result.c ------------------------------------------------------------------------------------------------ */

struct result {
	struct run *r;
	struct strbuf *out;
	size_t start;	 /* of the envelope */
	size_t count_at; /* where the row count belongs */
	uint64_t rows;
};

struct query_target;
void result_begin(struct result *res, struct run *r, struct strbuf *out, const struct query_target *target);
/* Append the current row. */
bool result_row(struct result *res);
bool result_group(struct result *res, const struct groups *g, size_t i);
void result_end(struct result *res, bool with_commit);

#endif
