/* SPDX-License-Identifier: MIT */
/* Is a compiled query a point look-up? The server then runs it on its event loop instead of a worker. */
#include <omnigraph/query.h>

#include "engine/query/plan.h"

#define CHEAP_HOPS 1

static bool block_is_cheap(const struct plan_block *b);

static bool tests_are_cheap(const struct plan_test *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (t[i].kind == TEST_TEXT)
			return false;
		if (t[i].kind == TEST_NOT && !block_is_cheap(t[i].block))
			return false;
	}
	return true;
}

static bool step_is_cheap(const struct plan_step *s)
{
	switch (s->kind) {
	case STEP_LOOKUP:
	case STEP_EDGES:
	case STEP_EDGES_CHECK:
		break;
	case STEP_HOPS:
	case STEP_HOPS_CHECK:
		if (s->max > CHEAP_HOPS)
			return false;
		break;
	default:
		return false;
	}
	return tests_are_cheap(s->tests, s->n_tests);
}

/* At most one expansion behind the look-ups: two multiply. */
static bool block_is_cheap(const struct plan_block *b)
{
	uint32_t expansions = 0;

	for (uint32_t i = 0; i < b->n_steps; i++) {
		if (!step_is_cheap(&b->steps[i]))
			return false;
		expansions += b->steps[i].kind != STEP_LOOKUP;
	}
	return expansions <= 1 && tests_are_cheap(b->pre, b->n_pre);
}

bool query_is_cheap(const struct query *q)
{
	return q->plan && q->plan->block && !q->plan->n_arms && block_is_cheap(q->plan->block);
}
