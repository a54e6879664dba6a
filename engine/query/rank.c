/* SPDX-License-Identifier: MIT */
/*
 * Ranking (spec/query.md 9): candidates are the nodes that satisfy the constraints on the ranked variable alone; they are ranked,
 * and the rest of the match then runs for one ranked node after the other, best first. rrf fuses two such rankings.
 */
#define _GNU_SOURCE 1

#include <omnigraph/embed.h>
#include <omnigraph/graph.h>

#include "engine/query/exec.h"

/* --- query values ------------------------------------------------------------------------------------- */

static bool embed_query(struct run *r, const struct prop *p, struct str text, float *out)
{
	struct embedder *em = graph_embedder(r->g);

	if (!em)
		return run_fail(
			r, ERR_QUERY,
			"query: nearest() on '%.*s' needs an embedding provider to embed the query text, and none "
			"is configured; configure one, or pass an explicit vector",
			STR_ARG(p->name));
	if (p->embed_model.s && !str_eqz(p->embed_model, embedder_model(em)))
		return run_fail(
			r, ERR_BAD_REQUEST,
			"nearest() on '%.*s': its stored vectors were embedded with model '%.*s', but the query "
			"embedder resolves to '%s'. Set OMNIGRAPH_EMBED_MODEL='%.*s', or pass an explicit vector",
			STR_ARG(p->name), STR_ARG(p->embed_model), embedder_model(em), STR_ARG(p->embed_model));
	return run_check(r, embedder_embed(em, text, p->type.dim, EMBED_QUERY, out, r->e));
}

static bool list_vector(struct run *r, const struct prop *p, const struct val *v, float *out)
{
	if (v->n != p->type.dim)
		return run_fail(r, ERR_BAD_REQUEST, "nearest() on '%.*s': the property has %u dimensions, the query %u",
				STR_ARG(p->name), p->type.dim, v->n);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct val *x = &v->list[i];

		if (x->kind == VAL_I64)
			out[i] = (float)x->i;
		else if (x->kind == VAL_U64)
			out[i] = (float)x->u;
		else if (x->kind == VAL_F32 || x->kind == VAL_F64)
			out[i] = (float)x->f;
		else
			return run_fail(r, ERR_BAD_REQUEST, "nearest query must be a string or list of floats");
	}
	return true;
}

static const float *query_vector(struct run *r, const struct prop *p, const struct val *v)
{
	float *out;

	if (v->kind == VAL_VEC && v->n == p->type.dim)
		return v->vec;
	out = arena_array(&r->arena, float, p->type.dim);
	if (v->kind == VAL_STR)
		return embed_query(r, p, val_text(v), out) ? out : NULL;
	if (v->kind == VAL_LIST)
		return list_vector(r, p, v, out) ? out : NULL;
	run_fail(r, ERR_BAD_REQUEST, "nearest query must be a string or list of floats");
	return NULL;
}

/* --- one ranking ----------------------------------------------------------------------------------------- */

struct ranking {
	struct ranked *rows;
	size_t n;
};

static bool collect_candidates(struct run *r, const struct plan_arm *arm, rowref **out, size_t *n)
{
	size_t cap = 0;

	for (bool more = block_first(r, arm->candidates); more; more = block_next(r, arm->candidates)) {
		if (!run_hold(r, 1))
			break;
		MEM_GROW(*out, *n, cap);
		(*out)[(*n)++] = r->row[arm->var];
	}
	return !r->rc;
}

static bool rank_rows(struct run *r, const struct plan_arm *arm, const rowref *rows, size_t n, struct ranking *out)
{
	const struct type *t = run_var_type(r, arm->var);
	const struct prop *p = &t->props[arm->prop];
	struct val q;
	const float *vec;

	eval_operand(r, &arm->query, &r->arena, &q);
	if (arm->fn == EX_BM25) {
		if (q.kind != VAL_STR)
			return run_fail(r, ERR_BAD_REQUEST, "bm25 query must resolve to a string");
		return run_check(
			r, rank_bm25(&r->arena, r->s, t, arm->prop, val_text(&q), rows, n, &out->rows, &out->n, r->e));
	}
	if (r->q->decl.has_limit && !r->q->decl.limit)
		return run_fail(r, ERR_BAD_REQUEST, "nearest requires a limit of at least 1");
	vec = query_vector(r, p, &q);
	if (!vec)
		return false;
	return run_check(r, rank_nearest(&r->arena, r->s, t, arm->prop, vec, p->type.dim, rows, n, r->q->decl.limit,
					 &out->rows, &out->n, r->e));
}

static bool rank_arm(struct run *r, const struct plan_arm *arm, struct ranking *out)
{
	rowref *rows = NULL;
	size_t n = 0;
	bool ok;

	*out = (struct ranking){ 0 };
	ok = collect_candidates(r, arm, &rows, &n) && rank_rows(r, arm, rows, n, out);
	r->held -= n;
	free(rows);
	return ok && run_hold(r, out->n);
}

/* --- rows of one node ---------------------------------------------------------------------------------------- */

/* May a row stand? For winners that only the second ranking found. */
struct restriction {
	uint32_t var;
	const struct rowset *in; /* NULL: every row */
};

static bool allowed(const struct run *r, const struct restriction *re)
{
	return !re || !re->in || rowset_find(re->in, r->row[re->var]) != SIZE_MAX;
}

static bool collect_node(struct run *r, const struct plan_block *b, rowref node, const struct restriction *re,
			 struct rowbuf *buf)
{
	rowbuf_reset(buf);
	r->given = node;
	for (bool more = block_first(r, b); more; more = block_next(r, b)) {
		if (allowed(r, re) && !rowbuf_add(buf))
			return false;
	}
	rowbuf_sort(buf);
	return !r->rc;
}

static bool emit_node(struct run *r, const struct plan_block *b, rowref node, const struct restriction *re,
		      struct rowbuf *buf, row_fn fn, void *arg)
{
	if (!collect_node(r, b, node, re, buf))
		return false;
	for (size_t i = 0; i < buf->n; i++) {
		rowbuf_load(buf, i);
		if (!fn(arg))
			return false;
	}
	return true;
}

static bool rank_single(struct run *r, row_fn fn, void *arg)
{
	const struct plan_arm *arm = &r->p->arms[0];
	struct ranking rk;
	struct rowbuf buf;
	bool ok = true;

	if (!rank_arm(r, arm, &rk))
		return false;
	rowbuf_init(&buf, r, false, UINT64_MAX);
	for (size_t i = 0; ok && i < rk.n; i++) {
		r->score = rk.rows[i].score;
		ok = emit_node(r, arm->match, rk.rows[i].row, NULL, &buf, fn, arg);
	}
	rowbuf_free(&buf);
	return ok;
}

/* --- rrf -------------------------------------------------------------------------------------------------------- */

/* Ids of the first argument's variable in order of appearance, with their ranks (1-based, 0: absent). */
struct fusion {
	struct run *r;
	struct rowset ids, second; /* second: the nodes the second argument ranked */
	uint64_t *rank[2];
	size_t cap;
	double *score;
};

static bool fusion_add(struct fusion *f, int arm, uint64_t *next, rowref id)
{
	size_t i;

	if (rowset_add(&f->ids, &f->r->arena, id) && !run_hold(f->r, 1))
		return false;
	if (f->ids.n > f->cap) {
		size_t old = f->cap;

		f->cap = f->cap ? f->cap * 2 : 64;
		for (int k = 0; k < 2; k++) {
			f->rank[k] = mem_realloc_array(f->rank[k], f->cap, sizeof(uint64_t));
			memset(f->rank[k] + old, 0, (f->cap - old) * sizeof(uint64_t));
		}
	}
	i = rowset_find(&f->ids, id);
	if (!f->rank[arm][i])
		f->rank[arm][i] = (*next)++;
	return true;
}

/* The ranked variable is the fused one: a node appears when it has any row. */
static bool appear_self(struct fusion *f, int k, const struct ranking *rk)
{
	struct run *r = f->r;
	uint64_t next = 1;

	for (size_t i = 0; i < rk->n; i++) {
		r->given = rk->rows[i].row;
		if (block_first(r, r->p->arms[k].match) && !fusion_add(f, k, &next, r->given))
			return false;
	}
	return !r->rc;
}

/* Another variable is ranked: the fused one's ids come in the order of the sorted rows. */
static bool appear_other(struct fusion *f, int k, const struct ranking *rk)
{
	struct run *r = f->r;
	uint32_t var = r->p->arms[0].var;
	struct rowbuf buf;
	uint64_t next = 1;
	bool ok = true;

	rowbuf_init(&buf, r, false, UINT64_MAX);
	for (size_t i = 0; ok && i < rk->n; i++) {
		rowset_add(&f->second, &r->arena, rk->rows[i].row);
		ok = collect_node(r, r->p->arms[k].match, rk->rows[i].row, NULL, &buf);
		for (size_t j = 0; ok && j < buf.n; j++) {
			rowbuf_load(&buf, j);
			ok = fusion_add(f, k, &next, r->row[var]);
		}
	}
	rowbuf_reset(&buf);
	rowbuf_free(&buf);
	return ok;
}

static bool rrf_k(struct run *r, double *k)
{
	struct val v = VAL_NULL_INIT;

	*k = 60;
	if (r->p->has_k)
		eval_operand(r, &r->p->k, &r->arena, &v);
	if (v.kind == VAL_NULL)
		return true;
	if ((v.kind == VAL_I64 && v.i <= 0) || (v.kind == VAL_U64 && !v.u) || (v.kind != VAL_I64 && v.kind != VAL_U64))
		return run_fail(r, ERR_BAD_REQUEST, "rrf k must be greater than 0");
	*k = v.kind == VAL_I64 ? (double)v.i : (double)v.u;
	return true;
}

static int by_score(const void *a, const void *b, void *arg)
{
	const struct fusion *f = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (f->score[x] != f->score[y])
		return f->score[x] < f->score[y] ? 1 : -1;
	return (x > y) - (x < y);
}

/* Indexes of the ids by fused score; equal scores stay in order of appearance. */
static size_t *fuse(struct fusion *f, double k)
{
	size_t *order = arena_array(&f->r->arena, size_t, f->ids.n);

	f->score = arena_array(&f->r->arena, double, f->ids.n);
	for (size_t i = 0; i < f->ids.n; i++) {
		order[i] = i;
		for (int a = 0; a < 2; a++) {
			if (f->rank[a][i])
				f->score[i] += 1 / (k + (double)f->rank[a][i]);
		}
	}
	qsort_r(order, f->ids.n, sizeof(*order), by_score, f);
	return order;
}

static bool emit_winners(struct fusion *f, const size_t *order, row_fn fn, void *arg)
{
	struct run *r = f->r;
	const struct plan_arm *arms = r->p->arms;
	struct restriction re = { arms[1].var, arms[1].var == arms[0].var ? NULL : &f->second };
	struct rowbuf buf;
	bool ok = true;

	rowbuf_init(&buf, r, false, UINT64_MAX);
	for (size_t i = 0; ok && i < f->ids.n && i < r->q->decl.limit; i++) {
		size_t at = order[i];

		r->score = f->score[at];
		ok = emit_node(r, arms[0].match, f->ids.rows[at], f->rank[0][at] ? NULL : &re, &buf, fn, arg);
	}
	rowbuf_free(&buf);
	return ok;
}

static bool rank_both(struct fusion *f)
{
	struct run *r = f->r;

	for (int k = 0; k < 2; k++) {
		struct ranking rk;
		bool ok = rank_arm(r, &r->p->arms[k], &rk);

		if (ok && r->p->arms[k].var == r->p->arms[0].var)
			ok = appear_self(f, k, &rk);
		else if (ok)
			ok = appear_other(f, k, &rk);
		if (!ok)
			return false;
	}
	return true;
}

static bool rank_rrf(struct run *r, row_fn fn, void *arg)
{
	struct fusion f = { .r = r };
	double k;
	bool ok = rrf_k(r, &k) && rank_both(&f);

	if (ok && f.ids.n)
		ok = emit_winners(&f, fuse(&f, k), fn, arg);
	free(f.rank[0]);
	free(f.rank[1]);
	return ok;
}

bool rank_run(struct run *r, row_fn fn, void *arg)
{
	return r->p->n_arms == 2 ? rank_rrf(r, fn, arg) : rank_single(r, fn, arg);
}
