/* SPDX-License-Identifier: MIT */
#include <omnigraph/graph.h>

#include "engine/query/exec.h"

struct sink {
	struct run *r;
	struct result *res;
	struct groups *groups; /* NULL unless aggregating */
	uint64_t left;	       /* rows that may still be written */
};

static bool sink_row(void *arg)
{
	struct sink *s = arg;

	if (s->groups)
		return groups_add(s->groups);
	if (!s->left)
		return false;
	s->left--;
	return result_row(s->res) && s->left;
}

static void run_stream(struct sink *s)
{
	struct run *r = s->r;

	for (bool more = block_first(r, r->p->block); more && sink_row(s); more = block_next(r, r->p->block))
		;
}

static void run_sorted(struct sink *s)
{
	struct run *r = s->r;
	struct rowbuf b;

	rowbuf_init(&b, r, true, s->left);
	for (bool more = block_first(r, r->p->block); more && rowbuf_add(&b); more = block_next(r, r->p->block))
		;
	if (!r->rc)
		rowbuf_sort(&b);
	for (size_t i = 0; !r->rc && i < b.n; i++) {
		rowbuf_load(&b, i);
		sink_row(s);
	}
	rowbuf_free(&b);
}

static void write_groups(struct sink *s)
{
	size_t n = groups_finish(s->groups);

	for (size_t i = 0; i < n && i < s->left; i++) {
		if (!result_group(s->res, s->groups, i))
			return;
	}
}

/* An aggregate query reads its rows whatever the limit is: that counts groups. */
static void run_match(struct sink *s)
{
	struct run *r = s->r;

	if (r->p->n_arms)
		rank_run(r, sink_row, s);
	else if (!s->groups && !s->left)
		return;
	else if (s->groups || !r->p->n_sorts)
		run_stream(s);
	else
		run_sorted(s);
	if (s->groups && !r->rc)
		write_groups(s);
}

static void run_query(struct run *r, const struct query_target *target, bool with_commit, struct strbuf *out)
{
	const struct query_decl *d = &r->q->decl;
	struct result res;
	struct sink s = { .r = r, .res = &res, .left = d->has_limit ? d->limit : UINT64_MAX };

	result_begin(&res, r, out, target);
	if (r->q->aggregate)
		s.groups = groups_new(r);
	run_match(&s);
	if (!r->rc)
		run_check(r, snapshot_damage(r->s, r->e));
	if (s.groups)
		groups_free(s.groups);
	if (!r->rc) {
		result_end(&res, with_commit);
		return;
	}
	out->n = res.start;
	out->s[out->n] = 0;
}

static bool same_catalog(const struct query *q, const struct catalog *c)
{
	return q->catalog == c || !strcmp(q->catalog->compiled_digest, c->compiled_digest);
}

static bool check_types(struct run *r)
{
	for (uint32_t i = 0; i < r->p->n_types; i++) {
		if (!run_check(r, snapshot_type_check(r->s, &r->types[r->p->types[i]], r->e)))
			return false;
	}
	return true;
}

static bool run_init(struct run *r)
{
	const struct query_plan *p = r->p;

	if (p->error)
		return run_fail(r, ERR_BAD_REQUEST, "%s", p->error);
	if (!check_types(r))
		return false;
	r->consts = arena_array(&r->arena, struct val, p->n_consts);
	r->texts = arena_array(&r->arena, struct text_run, p->n_texts);
	r->cursors = arena_array(&r->arena, struct cursor, p->n_cursors);
	r->joins = arena_array(&r->arena, struct join_table *, p->n_joins);
	r->row = arena_array(&r->arena, rowref, r->q->n_vars);
	return eval_consts(r);
}

static void run_release(struct run *r)
{
	if (r->joins)
		joins_free(r);
	arena_free(&r->arena);
	arena_free(&r->scratch);
	arena_free(&r->text_scratch);
	sb_free(&r->key);
}

int graph_query_budget(struct graph *g, struct snapshot *s, const struct query *q, const struct val *params,
		       const struct query_target *target, bool with_commit, const struct query_budget *budget,
		       struct strbuf *out, struct err *e)
{
	struct run r = { .g = g, .s = s, .q = q, .p = q->plan, .params = params, .budget = budget, .e = e };

	if (!q->plan)
		return err_set(e, ERR_TYPE, "type error: mutation query cannot be typechecked with read-query API");
	if (!same_catalog(q, snapshot_catalog(s)))
		return err_set(e, ERR_CONFLICT,
			       "query '%.*s' was compiled for another schema than the graph has now; compile it again",
			       STR_ARG(q->decl.name));
	r.types = snapshot_catalog(s)->types;
	if (run_init(&r))
		run_query(&r, target, with_commit, out);
	run_release(&r);
	return r.rc;
}

int graph_query(struct graph *g, struct snapshot *s, const struct query *q, const struct val *params,
		const struct query_target *target, bool with_commit, struct strbuf *out, struct err *e)
{
	return graph_query_budget(g, s, q, params, target, with_commit, NULL, out, e);
}
