/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <stdarg.h>
#include <stdio.h>

#include <omnigraph/map.h>

#include "engine/query/plan.h"

bool plan_fail(struct plan_builder *b, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	if (b->p->error)
		return false;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	b->p->error = arena_strdup(b->a, buf);
	return false;
}

/* --- operands ------------------------------------------------------------------------------------- */

static uint32_t add_const(struct plan_builder *b, const struct expr *ex)
{
	struct query_plan *p = b->p;
	struct plan_const *c;

	MEM_GROW(p->consts, p->n_consts, b->const_cap);
	c = &p->consts[p->n_consts];
	*c = (struct plan_const){ .kind = ex->kind };
	if (ex->kind == EX_PARAM)
		c->param = ex->param;
	if (ex->kind == EX_LITERAL) {
		c->lit = &ex->lit;
		/* bad date text is reported when the query runs */
		c->ready = !literal_value(c->lit, b->a, &c->val, NULL);
	}
	return p->n_consts++;
}

bool plan_operand(struct plan_builder *b, const struct expr *ex, struct operand *out)
{
	switch (ex->kind) {
	case EX_PROP:
		*out = (struct operand){ .kind = OPD_PROP, .var = ex->var, .index = ex->prop };
		return true;
	case EX_VAR:
		*out = (struct operand){ .kind = OPD_ID, .var = ex->var };
		return true;
	case EX_PARAM:
	case EX_LITERAL:
	case EX_NOW:
		*out = (struct operand){ .kind = OPD_CONST, .var = VAR_NONE, .index = add_const(b, ex) };
		return true;
	default:
		return false;
	}
}

const char *plan_expr_name(struct plan_builder *b, const struct expr *ex)
{
	const char *call = expr_call_name(ex);

	switch (ex->kind) {
	case EX_PROP:
		return arena_printf(&b->tmp, "$%.*s.%.*s", STR_ARG(ex->name), STR_ARG(ex->prop_name));
	case EX_VAR:
	case EX_PARAM:
		return arena_printf(&b->tmp, "$%.*s", STR_ARG(ex->name));
	case EX_LITERAL:
		return "literal";
	case EX_NOW:
		return "now";
	case EX_ALIAS:
		return arena_printf(&b->tmp, "%.*s", STR_ARG(ex->name));
	default:
		return *call ? call : "expression";
	}
}

static bool is_ranking(const struct expr *ex)
{
	return ex->kind == EX_NEAREST || ex->kind == EX_BM25 || ex->kind == EX_RRF;
}

/* --- types and variables ----------------------------------------------------------------------------- */

static void use_type(uint32_t *list, uint32_t *n, uint32_t type)
{
	for (uint32_t i = 0; i < *n; i++) {
		if (list[i] == type)
			return;
	}
	list[(*n)++] = type;
}

static uint32_t count_traversals(const struct clause *c, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (c[i].kind == CL_TRAVERSAL)
			k++;
		else if (c[i].kind == CL_NOT)
			k += count_traversals(c[i].negation.clauses, c[i].negation.n);
	}
	return k;
}

static void use_edges(const struct clause *c, uint32_t n, uint32_t *list, uint32_t *n_list)
{
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].kind == CL_TRAVERSAL)
			use_type(list, n_list, c[i].trav.edge->index);
		else if (c[i].kind == CL_NOT)
			use_edges(c[i].negation.clauses, c[i].negation.n, list, n_list);
	}
}

static void plan_types(struct plan_builder *b)
{
	const struct query *q = b->q;
	uint32_t max = q->n_vars + count_traversals(q->decl.clauses, q->decl.n_clauses);
	uint32_t *list = arena_array(b->a, uint32_t, max), *by_var = arena_array(b->a, uint32_t, q->n_vars);

	for (uint32_t i = 0; i < q->n_vars; i++) {
		by_var[i] = q->vars[i].type->index;
		use_type(list, &b->p->n_types, by_var[i]);
	}
	use_edges(q->decl.clauses, q->decl.n_clauses, list, &b->p->n_types);
	b->p->types = list;
	b->p->var_type = by_var;
}

static int by_name(const void *a, const void *b, void *arg)
{
	const struct query *q = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int c = str_cmp(q->vars[x].name, q->vars[y].name);

	return c ? c : (x > y) - (x < y);
}

/* Variables of the outer block by name; anonymous ones, which share a name, in textual order. */
static void plan_outer(struct plan_builder *b)
{
	struct query *q = b->q;
	uint32_t *list = arena_array(b->a, uint32_t, q->n_vars), n = 0;

	for (uint32_t i = 0; i < q->n_vars; i++) {
		if (!q->vars[i].depth)
			list[n++] = i;
	}
	qsort_r(list, n, sizeof(*list), by_name, q);
	b->p->outer = list;
	b->p->n_outer = n;
}

/* --- ranking --------------------------------------------------------------------------------------- */

static bool plan_arm(struct plan_builder *b, const struct expr *ex, struct plan_arm *arm)
{
	*arm = (struct plan_arm){ .fn = ex->kind, .var = ex->args[0]->var, .prop = ex->args[0]->prop };
	if (ex->args[0]->kind != EX_PROP)
		return plan_fail(b, "unsupported ordering expression");
	if (!plan_operand(b, ex->args[1], &arm->query) || arm->query.kind != OPD_CONST)
		return plan_fail(b, ex->kind == EX_BM25 ? "bm25 query must resolve to a string"
							: "nearest query must be a string or list of floats");
	arm->candidates = plan_candidates(b, arm->var);
	arm->match = arm->candidates ? plan_match(b, arm->var) : NULL;
	return arm->match;
}

static bool plan_ranking(struct plan_builder *b, const struct expr *ex)
{
	struct query_plan *p = b->p;

	if (ex->kind != EX_RRF) {
		p->n_arms = 1;
		return plan_arm(b, ex, &p->arms[0]);
	}
	p->n_arms = 2;
	if (ex->args[2]) {
		p->has_k = true;
		if (!plan_operand(b, ex->args[2], &p->k) || p->k.kind != OPD_CONST)
			return plan_fail(b, "rrf k must be an integer literal or parameter");
	}
	return plan_arm(b, ex->args[0], &p->arms[0]) && plan_arm(b, ex->args[1], &p->arms[1]);
}

/* Column named @name; the last one when it is repeated. */
static uint32_t find_column(const struct query_decl *d, struct str name)
{
	for (uint32_t i = d->n_projections; i-- > 0;) {
		if (str_eq(d->projections[i].column, name))
			return i;
	}
	return UINT32_MAX;
}

/* The ranking that an ordering is, directly or by alias. */
static const struct expr *ranking_of(const struct query_decl *d, const struct expr *ex)
{
	uint32_t c;

	if (is_ranking(ex))
		return ex;
	if (ex->kind != EX_ALIAS)
		return NULL;
	c = find_column(d, ex->name);
	return c != UINT32_MAX && is_ranking(d->projections[c].expr) ? d->projections[c].expr : NULL;
}

/* --- projections ------------------------------------------------------------------------------------- */

static bool plan_agg(struct plan_builder *b, const struct expr *ex, struct plan_cell *cell)
{
	const struct expr *arg = ex->args[0];

	cell->is_agg = true;
	cell->agg = ex->agg;
	cell->slot = b->p->n_aggs++;
	if (arg->kind == EX_AGG)
		return plan_fail(b, "unsupported aggregate argument: nested aggregates are not supported");
	if (!plan_operand(b, arg, &cell->o))
		return plan_fail(b, "unsupported aggregate argument: %s", plan_expr_name(b, arg));
	if (cell->o.kind == OPD_ID && (ex->agg == AGG_SUM || ex->agg == AGG_AVG))
		return plan_fail(b, "%s requires a numeric argument, but %s is a node id", plan_expr_name(b, ex),
				 plan_expr_name(b, arg));
	return true;
}

static bool plan_cell(struct plan_builder *b, const struct expr *ex, struct plan_cell *cell)
{
	if (ex->kind == EX_AGG)
		return plan_agg(b, ex, cell);
	if (is_ranking(ex) && b->p->n_arms) {
		cell->o = (struct operand){ .kind = OPD_SCORE, .var = VAR_NONE };
		return true;
	}
	if (!plan_operand(b, ex, &cell->o))
		return plan_fail(b, "unsupported projection expression: %s", plan_expr_name(b, ex));
	cell->slot = b->p->n_keys++;
	return true;
}

/* Repeated names keep the first one's place and the last one's value. */
static void plan_columns(struct plan_builder *b)
{
	const struct query_decl *d = &b->q->decl;
	struct plan_column *cols = arena_array(b->a, struct plan_column, d->n_projections);
	struct map seen = MAP_INIT;
	struct strbuf sb = STRBUF_INIT;
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n_projections; i++) {
		struct plan_column *old = map_get(&seen, d->projections[i].column);

		if (old) {
			old->cell = i;
			continue;
		}
		sb_reset(&sb);
		sb_addch(&sb, n ? ',' : '{');
		json_quote(&sb, d->projections[i].column);
		sb_addch(&sb, ':');
		cols[n].key = arena_str(b->a, sb_str(&sb));
		cols[n].cell = i;
		map_put(&seen, d->projections[i].column, &cols[n++]);
	}
	b->p->columns = cols;
	b->p->n_columns = n;
	map_free(&seen);
	sb_free(&sb);
}

static void plan_envelope(struct plan_builder *b)
{
	const struct query_decl *d = &b->q->decl;
	struct strbuf sb = STRBUF_INIT;

	sb_addz(&sb, "{\"query_name\":");
	json_quote(&sb, d->name);
	sb_addz(&sb, ",\"target\":{\"branch\":");
	b->p->head = arena_str(b->a, sb_str(&sb));
	sb_reset(&sb);
	sb_addz(&sb, ",\"columns\":[");
	for (uint32_t i = 0; i < d->n_projections; i++) {
		if (i)
			sb_addch(&sb, ',');
		json_quote(&sb, d->projections[i].column);
	}
	sb_addz(&sb, "],\"rows\":[");
	b->p->columns_json = arena_str(b->a, sb_str(&sb));
	sb_free(&sb);
}

static bool plan_projections(struct plan_builder *b)
{
	const struct query_decl *d = &b->q->decl;
	struct plan_cell *cells = arena_array(b->a, struct plan_cell, d->n_projections);

	b->p->cells = cells;
	b->p->n_cells = d->n_projections;
	for (uint32_t i = 0; i < d->n_projections; i++) {
		if (!plan_cell(b, d->projections[i].expr, &cells[i]))
			return false;
	}
	plan_columns(b);
	plan_envelope(b);
	return true;
}

/* --- orderings --------------------------------------------------------------------------------------- */

/* An aggregate query sorts by a property only when exactly that access is projected without alias. */
static uint32_t find_access(const struct query_decl *d, const struct expr *ex)
{
	for (uint32_t i = d->n_projections; i-- > 0;) {
		const struct projection *pr = &d->projections[i];

		if (!pr->alias.s && pr->expr->kind == EX_PROP && pr->expr->var == ex->var && pr->expr->prop == ex->prop)
			return i;
	}
	return UINT32_MAX;
}

static bool plan_sort_alias(struct plan_builder *b, const struct expr *ex, struct plan_sort *s)
{
	s->cell = find_column(&b->q->decl, ex->name);
	if (s->cell == UINT32_MAX)
		return plan_fail(b, "alias '%.*s' not found for ordering", STR_ARG(ex->name));
	if (is_ranking(b->q->decl.projections[s->cell].expr))
		return plan_fail(b, "unsupported ordering expression");
	s->o = b->p->cells[s->cell].o;
	return true;
}

static bool plan_sort(struct plan_builder *b, const struct ordering *o, struct plan_sort *s)
{
	const struct expr *ex = o->expr;

	s->desc = o->desc;
	if (ex->kind == EX_ALIAS)
		return plan_sort_alias(b, ex, s);
	if (ex->kind != EX_PROP)
		return plan_fail(b, "unsupported ordering expression");
	plan_operand(b, ex, &s->o);
	if (!b->q->aggregate)
		return true;
	s->cell = find_access(&b->q->decl, ex);
	if (s->cell == UINT32_MAX)
		return plan_fail(b, "column '%.*s.%.*s' not found for ordering", STR_ARG(ex->name),
				 STR_ARG(ex->prop_name));
	return true;
}

/* Keys after a leading ranking are ignored, but a second ranking is an error. */
static bool plan_orderings(struct plan_builder *b, bool ranked)
{
	const struct query_decl *d = &b->q->decl;
	struct plan_sort *sorts = arena_array(b->a, struct plan_sort, d->n_orderings);

	for (uint32_t i = 0; i < d->n_orderings; i++) {
		if (ranked && i && ranking_of(d, d->orderings[i].expr))
			return plan_fail(b, "unsupported ordering expression");
		if (!ranked && !plan_sort(b, &d->orderings[i], &sorts[i]))
			return false;
	}
	b->p->sorts = sorts;
	b->p->n_sorts = ranked ? 0 : d->n_orderings;
	return true;
}

/* --- all ------------------------------------------------------------------------------------------------ */

static void build(struct plan_builder *b)
{
	const struct query_decl *d = &b->q->decl;
	const struct expr *rank = d->n_orderings ? ranking_of(d, d->orderings[0].expr) : NULL;

	plan_types(b);
	plan_outer(b);
	if (rank) {
		if (!plan_ranking(b, rank))
			return;
	} else {
		b->p->block = plan_match(b, VAR_NONE);
		if (!b->p->block)
			return;
	}
	if (plan_projections(b))
		plan_orderings(b, rank);
}

int query_make_plan(struct query *q, struct err *e)
{
	struct plan_builder b = { .q = q, .a = &q->arena };
	struct query_plan *p = arena_new(&q->arena, struct query_plan);
	struct plan_const *consts;

	b.p = p;
	b.vars = arena_array(&b.tmp, struct plan_var, q->n_vars);
	build(&b);
	consts = p->consts;
	p->consts = arena_memdup(b.a, consts, p->n_consts * sizeof(*consts));
	free(consts);
	p->texts = arena_memdup(b.a, b.texts, p->n_texts * sizeof(*b.texts));
	free(b.texts);
	arena_free(&b.tmp);
	q->plan = p;
	return 0;
}
