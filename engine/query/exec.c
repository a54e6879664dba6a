/* SPDX-License-Identifier: MIT */
/*
 * The nested-loop machine: one cursor per step, the deepest one advances first. It is iterative over the steps of a block and
 * recursive only into `not` blocks, whose depth the parser bounds.
 */
#include <stdarg.h>
#include <stdio.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#include "engine/query/exec.h"

bool run_fail(struct run *r, enum err_code code, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	if (r->rc)
		return false;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	r->rc = err_set(r->e, code, "%s", buf);
	return false;
}

bool run_check(struct run *r, int rc)
{
	if (rc < 0 && !r->rc)
		r->rc = rc;
	return !r->rc;
}

bool run_hold(struct run *r, size_t n)
{
	r->held += n;
	if (r->held <= LIMIT_QUERY_ROWS)
		return true;
	run_fail(r, ERR_RESOURCE_LIMIT,
		 "resource limit exceeded for query rows: actual %llu, limit %u; add filters, or a limit to an ordered "
		 "query",
		 (unsigned long long)r->held, LIMIT_QUERY_ROWS);
	err_detail(r->e, "resource", "query rows");
	err_detail_u64(r->e, "limit", LIMIT_QUERY_ROWS);
	err_detail_u64(r->e, "actual", r->held);
	return false;
}

bool run_tick_slow(struct run *r)
{
	const struct query_budget *b = r->budget;

	if (!b)
		return true;
	if (b->cancel && atomic_load_explicit(b->cancel, memory_order_relaxed))
		return run_fail(r, ERR_QUERY, "query: cancelled");
	if (b->deadline_us && time_mono_us() >= b->deadline_us)
		return run_fail(r, ERR_QUERY, "query: the time limit of the query has passed; make it more selective");
	return true;
}

/* --- key look-up ---------------------------------------------------------------------------------------- */

/* The id of a composite key is the JSON array of the key texts (spec/engine.md 3.2). */
static bool add_key_member(struct run *r, const struct val *v, bool composite)
{
	struct strbuf text = STRBUF_INIT;
	bool ok;

	if (!composite)
		return run_check(r, val_key_text(v, &r->key, r->e));
	ok = run_check(r, val_key_text(v, &text, r->e));
	if (ok) {
		sb_addch(&r->key, r->key.n ? ',' : '[');
		json_quote(&r->key, sb_str(&text));
	}
	sb_free(&text);
	return ok;
}

static bool lookup_member(struct run *r, const struct plan_step *st, uint32_t i, struct val *out)
{
	const struct type *t = &r->types[st->type];
	struct val v;

	if (r->scratch.total)
		arena_reset(&r->scratch);
	eval_operand(r, &st->key[i], &r->scratch, &v);
	return v.kind != VAL_NULL && eval_convert(&t->props[t->key.members[i]].type, &v, out);
}

static rowref lookup(struct run *r, const struct plan_step *st)
{
	const struct type *t = &r->types[st->type];
	struct val v;

	sb_reset(&r->key);
	for (uint32_t i = 0; i < st->n_key; i++) {
		if (!lookup_member(r, st, i, &v))
			return ROW_NONE;
		if (st->n_key == 1 && v.kind == VAL_STR)
			return row_find(r->s, t, val_text(&v));
		if (!add_key_member(r, &v, st->n_key > 1))
			return ROW_NONE;
	}
	if (st->n_key > 1)
		sb_addch(&r->key, ']');
	return row_find(r->s, t, sb_str(&r->key));
}

/* --- steps ------------------------------------------------------------------------------------------------- */

static void step_open(struct run *r, const struct plan_step *st)
{
	struct cursor *c = &r->cursors[st->cursor];

	c->fresh = true;
	switch (st->kind) {
	case STEP_GIVEN:
	case STEP_LOOKUP:
		break;
	case STEP_SCAN:
		row_scan_init(&c->scan, r->s, &r->types[st->type]);
		break;
	case STEP_JOIN:
		join_open(r, st, c);
		break;
	default:
		expand_open(r, st, c);
	}
}

static bool take_once(struct run *r, const struct plan_step *st, struct cursor *c)
{
	if (!c->fresh)
		return false;
	c->fresh = false;
	r->row[st->var] = st->kind == STEP_GIVEN ? r->given : lookup(r, st);
	return r->row[st->var] != ROW_NONE;
}

static bool step_candidate(struct run *r, const struct plan_step *st, struct cursor *c)
{
	switch (st->kind) {
	case STEP_GIVEN:
	case STEP_LOOKUP:
		return take_once(r, st, c);
	case STEP_SCAN:
		r->row[st->var] = row_scan_next(&c->scan);
		return r->row[st->var] != ROW_NONE;
	case STEP_JOIN:
		r->row[st->var] = join_next(r, st, c);
		return r->row[st->var] != ROW_NONE;
	default:
		return expand_next(r, st, c);
	}
}

static bool step_next(struct run *r, const struct plan_step *st)
{
	struct cursor *c = &r->cursors[st->cursor];

	while (!r->rc && run_tick(r) && step_candidate(r, st, c)) {
		if (eval_tests(r, st->tests, st->n_tests) && !r->rc)
			return true;
	}
	return false;
}

/* Advance from step @i, which is open. */
static bool block_run(struct run *r, const struct plan_block *b, uint32_t i)
{
	for (;;) {
		if (!step_next(r, &b->steps[i])) {
			if (r->rc || !i)
				return false;
			i--;
		} else if (i + 1 == b->n_steps) {
			return true;
		} else {
			step_open(r, &b->steps[++i]);
		}
	}
}

bool block_first(struct run *r, const struct plan_block *b)
{
	if (r->rc || !eval_tests(r, b->pre, b->n_pre) || r->rc)
		return false;
	if (!b->n_steps)
		return true;
	step_open(r, &b->steps[0]);
	return block_run(r, b, 0);
}

bool block_next(struct run *r, const struct plan_block *b)
{
	if (r->rc || !b->n_steps)
		return false;
	return block_run(r, b, b->n_steps - 1);
}
