/* SPDX-License-Identifier: MIT */
/*
 * Join order of a match block. Greedy, from the schema alone: traversals between bound ends first, then key look-ups, then the
 * traversal to the most constrained neighbour, and a scan only where nothing else reaches: of the most constrained variable.
 * Tests are attached to the first step after which all their variables are bound. The order never changes the result.
 */
#include "engine/query/plan.h"

struct build_test {
	struct plan_test t;
	uint32_t n_needs, cap;
	uint32_t *needs; /* variables of this block that it mentions */
	bool done;
};

/* The tests that mention a variable: a list through links, 1-based. */
struct test_link {
	uint32_t test, next;
};

struct build_trav {
	const struct clause *c;
	bool done;
};

struct build_step {
	struct plan_step s;
	uint32_t n_tests, cap;
	struct plan_test *tests;
};

struct match_builder {
	struct plan_builder *b;
	const struct query *q;
	uint32_t depth;
	uint32_t *own; /* node variables the block introduces, in textual order */
	uint32_t n_own, own_cap;
	struct build_test *tests;
	uint32_t n_tests, tests_cap;
	struct test_link *links;
	uint32_t n_links, links_cap;
	struct build_trav *travs;
	uint32_t n_travs, travs_cap;
	struct build_step *steps;
	uint32_t n_steps, steps_cap;
	struct build_step pre; /* only its tests */
};

static const struct plan_block *plan_block(struct plan_builder *b, const struct clause *c, uint32_t n, uint32_t depth,
					   uint32_t start);

/* --- what a clause mentions ---------------------------------------------------------------------------- */

/* Outer variables are bound before the block runs, inner ones never outside their block: only this depth counts. */
static void need(struct match_builder *m, struct build_test *t, uint32_t var)
{
	if (var == VAR_NONE || m->q->vars[var].depth != m->depth)
		return;
	for (uint32_t i = 0; i < t->n_needs; i++) {
		if (t->needs[i] == var)
			return;
	}
	MEM_GROW(t->needs, t->n_needs, t->cap);
	t->needs[t->n_needs++] = var;
	MEM_GROW(m->links, m->n_links, m->links_cap);
	m->links[m->n_links] = (struct test_link){ (uint32_t)(t - m->tests), m->b->vars[var].first_test };
	m->b->vars[var].first_test = ++m->n_links;
}

static void need_expr(struct match_builder *m, struct build_test *t, const struct expr *ex)
{
	if (!ex)
		return;
	if (ex->kind == EX_PROP || ex->kind == EX_VAR)
		need(m, t, ex->var);
	for (int i = 0; i < 3; i++)
		need_expr(m, t, ex->args[i]);
}

static void need_clause(struct match_builder *m, struct build_test *t, const struct clause *c)
{
	switch (c->kind) {
	case CL_NODE:
		need(m, t, c->node.v);
		break;
	case CL_TRAVERSAL:
		need(m, t, c->trav.lv);
		need(m, t, c->trav.rv);
		break;
	case CL_FILTER:
		need_expr(m, t, c->filter.left);
		need_expr(m, t, c->filter.right);
		break;
	case CL_TEXT:
		need_expr(m, t, c->text);
		break;
	case CL_NOT:
		for (uint32_t i = 0; i < c->negation.n; i++)
			need_clause(m, t, &c->negation.clauses[i]);
		break;
	}
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static struct build_test *add_test(struct match_builder *m, enum test_kind kind)
{
	struct build_test *t;

	MEM_GROW(m->tests, m->n_tests, m->tests_cap);
	t = &m->tests[m->n_tests++];
	*t = (struct build_test){ .t = { .kind = kind } };
	return t;
}

static const struct prop_type *operand_type(const struct match_builder *m, const struct operand *o)
{
	const struct plan_const *c;

	if (o->kind == OPD_PROP)
		return &m->q->vars[o->var].type->props[o->index].type;
	if (o->kind != OPD_CONST)
		return NULL;
	c = &m->b->p->consts[o->index];
	return c->kind == EX_PARAM ? &m->q->decl.params[c->param].type : NULL;
}

static bool operand_is_list(const struct match_builder *m, const struct operand *o)
{
	const struct prop_type *t = operand_type(m, o);
	const struct plan_const *c;

	if (t)
		return t->list;
	if (o->kind != OPD_CONST)
		return false;
	c = &m->b->p->consts[o->index];
	return c->kind == EX_LITERAL && c->lit->kind == LIT_LIST;
}

/* A constant compared with an F32 property is rounded to F32 first. */
static void round_operand(struct match_builder *m, const struct operand *prop, const struct operand *c)
{
	if (prop->kind == OPD_PROP && c->kind == OPD_CONST && operand_type(m, prop)->scalar == SCALAR_F32)
		m->b->p->consts[c->index].round_f32 = true;
}

static bool add_match(struct match_builder *m, const struct clause *c, const struct prop_value *pm)
{
	const struct prop_type *pt = &c->node.type->props[pm->prop].type;
	struct build_test *t = add_test(m, TEST_COMPARE);

	t->t.op = OP_EQ;
	t->t.l = (struct operand){ .kind = OPD_PROP, .var = c->node.v, .index = pm->prop };
	need(m, t, c->node.v);
	if (!plan_operand(m->b, pm->value, &t->t.r))
		return plan_fail(m->b, "unsupported expression in match: %s", plan_expr_name(m->b, pm->value));
	if (pt->list) {
		t->t.kind = TEST_MEMBER;
	} else if (pt->scalar == SCALAR_VECTOR) {
		t->t.kind = TEST_VECTOR;
		if (t->t.r.kind == OPD_CONST)
			m->b->p->consts[t->t.r.index].vec_dim = pt->dim;
	}
	round_operand(m, &t->t.l, &t->t.r);
	return true;
}

static bool is_text(const struct expr *ex)
{
	return ex->kind == EX_SEARCH || ex->kind == EX_FUZZY || ex->kind == EX_MATCH_TEXT;
}

static bool add_text(struct match_builder *m, const struct expr *ex)
{
	struct plan_text tx = { .fn = ex->kind };
	struct plan_builder *b = m->b;
	struct build_test *t = add_test(m, TEST_TEXT);

	need_expr(m, t, ex);
	if (ex->args[0]->kind != EX_PROP || !plan_operand(b, ex->args[0], &tx.field))
		return plan_fail(b, "unsupported expression in %s: the field must be a property access",
				 plan_expr_name(b, ex));
	if (!plan_operand(b, ex->args[1], &tx.query))
		return plan_fail(b, "unsupported expression in %s: %s", plan_expr_name(b, ex),
				 plan_expr_name(b, ex->args[1]));
	if (ex->kind == EX_FUZZY && ex->args[2]) {
		tx.has_edits = true;
		if (!plan_operand(b, ex->args[2], &tx.edits))
			return plan_fail(b, "unsupported expression in fuzzy: %s", plan_expr_name(b, ex->args[2]));
	}
	MEM_GROW(b->texts, b->p->n_texts, b->text_cap);
	t->t.text = b->p->n_texts;
	b->texts[b->p->n_texts++] = tx;
	return true;
}

static bool add_filter(struct match_builder *m, const struct clause *c)
{
	const struct expr *l = c->filter.left, *r = c->filter.right;
	struct build_test *t;

	if (is_text(l)) /* the comparison is decoration */
		return add_text(m, l);
	t = add_test(m, TEST_COMPARE);
	need_clause(m, t, c);
	t->t.op = c->filter.op;
	if (!plan_operand(m->b, l, &t->t.l))
		return plan_fail(m->b, "unsupported expression in filter: %s", plan_expr_name(m->b, l));
	if (!plan_operand(m->b, r, &t->t.r))
		return plan_fail(m->b, "unsupported expression in filter: %s", plan_expr_name(m->b, r));
	if (c->filter.op == OP_STARTS_WITH)
		t->t.kind = TEST_PREFIX;
	else if (c->filter.op == OP_CONTAINS)
		t->t.kind = operand_is_list(m, &t->t.l) ? TEST_MEMBER : TEST_CONTAINS;
	round_operand(m, &t->t.l, &t->t.r);
	round_operand(m, &t->t.r, &t->t.l);
	return true;
}

static bool add_not(struct match_builder *m, const struct clause *c)
{
	const struct plan_block *inner = plan_block(m->b, c->negation.clauses, c->negation.n, m->depth + 1, VAR_NONE);
	struct build_test *t;

	if (!inner)
		return false;
	t = add_test(m, TEST_NOT);
	t->t.block = inner;
	need_clause(m, t, c);
	return true;
}

static void introduce(struct match_builder *m, uint32_t var)
{
	struct plan_var *v = &m->b->vars[var];

	if (m->q->vars[var].depth != m->depth || v->introduced)
		return;
	v->introduced = true;
	MEM_GROW(m->own, m->n_own, m->own_cap);
	m->own[m->n_own++] = var;
}

static void add_traversal(struct match_builder *m, const struct clause *c)
{
	introduce(m, c->trav.lv);
	introduce(m, c->trav.rv);
	MEM_GROW(m->travs, m->n_travs, m->travs_cap);
	m->travs[m->n_travs++] = (struct build_trav){ .c = c };
}

static bool add_node(struct match_builder *m, const struct clause *c)
{
	introduce(m, c->node.v);
	if (m->q->vars[c->node.v].depth == m->depth)
		m->b->vars[c->node.v].has_pattern = true;
	for (uint32_t i = 0; i < c->node.n_matches; i++) {
		if (!add_match(m, c, &c->node.matches[i]))
			return false;
	}
	return true;
}

static bool add_clause(struct match_builder *m, const struct clause *c)
{
	switch (c->kind) {
	case CL_NODE:
		return add_node(m, c);
	case CL_TRAVERSAL:
		add_traversal(m, c);
		return true;
	case CL_FILTER:
		return add_filter(m, c);
	case CL_TEXT:
		return add_text(m, c->text);
	case CL_NOT:
		return add_not(m, c);
	}
	return true;
}

/* --- connectedness (spec/query.md 6.2) ------------------------------------------------------------------ */

static uint32_t root_of(struct match_builder *m, uint32_t v)
{
	struct plan_var *vars = m->b->vars;

	while (vars[v].parent != v)
		v = vars[v].parent = vars[vars[v].parent].parent;
	return v;
}

static bool named(const struct match_builder *m, uint32_t v)
{
	return !m->q->vars[v].anonymous;
}

static bool fail_unconnected(struct match_builder *m, const struct clause *c)
{
	uint32_t v = named(m, c->trav.lv) ? c->trav.lv : c->trav.rv;
	struct str name = m->q->vars[v].name, type = m->q->vars[v].type->name;

	if (!named(m, v))
		name = STR("_");
	return plan_fail(m->b,
			 "variable `$%.*s` is not connected to a node pattern: the traversal `%.*s` at line %u hangs "
			 "in the air; add a node pattern such as `$%.*s: %.*s`",
			 STR_ARG(name), STR_ARG(c->trav.edge->name), c->line, STR_ARG(name), STR_ARG(type));
}

static void set_anchor(struct match_builder *m, uint32_t v)
{
	m->b->vars[v].anchored = named(m, v) && (m->b->vars[v].has_pattern || m->q->vars[v].depth < m->depth);
	m->b->vars[v].parent = v;
}

static void join(struct match_builder *m, uint32_t l, uint32_t r)
{
	struct plan_var *vars = m->b->vars;

	if (!named(m, l) || !named(m, r))
		return;
	l = root_of(m, l);
	r = root_of(m, r);
	vars[r].anchored |= vars[l].anchored;
	vars[l].parent = r;
}

static bool anchored(struct match_builder *m, uint32_t v)
{
	return named(m, v) && m->b->vars[root_of(m, v)].anchored;
}

static bool check_connected(struct match_builder *m)
{
	for (uint32_t i = 0; i < m->n_travs; i++) {
		set_anchor(m, m->travs[i].c->trav.lv);
		set_anchor(m, m->travs[i].c->trav.rv);
	}
	for (uint32_t i = 0; i < m->n_travs; i++)
		join(m, m->travs[i].c->trav.lv, m->travs[i].c->trav.rv);
	for (uint32_t i = 0; i < m->n_travs; i++) {
		const struct clause *c = m->travs[i].c;

		if (!anchored(m, c->trav.lv) && !anchored(m, c->trav.rv))
			return fail_unconnected(m, c);
	}
	return true;
}

/* --- steps -------------------------------------------------------------------------------------------------- */

static bool is_bound(const struct match_builder *m, uint32_t v)
{
	return m->b->vars[v].bound || m->q->vars[v].depth < m->depth;
}

static bool test_ready(const struct match_builder *m, const struct build_test *t)
{
	for (uint32_t i = 0; i < t->n_needs; i++) {
		if (!is_bound(m, t->needs[i]))
			return false;
	}
	return true;
}

static struct build_step *last_step(struct match_builder *m)
{
	return m->n_steps ? &m->steps[m->n_steps - 1] : &m->pre;
}

static void attach_kind(struct match_builder *m, enum test_kind kind)
{
	struct build_step *s = last_step(m);

	for (uint32_t i = 0; i < m->n_tests; i++) {
		struct build_test *t = &m->tests[i];

		if (t->done || t->t.kind != kind || !test_ready(m, t))
			continue;
		t->done = true;
		MEM_GROW(s->tests, s->n_tests, s->cap);
		s->tests[s->n_tests++] = t->t;
	}
}

static void attach_ready(struct match_builder *m)
{
	for (int k = TEST_COMPARE; k < TEST_NOT; k++)
		attach_kind(m, k);
}

static struct plan_step *add_step(struct match_builder *m, enum step_kind kind, uint32_t var)
{
	struct build_step *s;

	MEM_GROW(m->steps, m->n_steps, m->steps_cap);
	s = &m->steps[m->n_steps++];
	*s = (struct build_step){ .s = { .kind = kind, .var = var, .edge_var = VAR_NONE } };
	s->s.type = m->q->vars[var].type->index;
	s->s.cursor = m->b->p->n_cursors++;
	m->b->vars[var].bound = true;
	return &s->s;
}

static void add_traverse(struct match_builder *m, struct build_trav *t)
{
	const struct clause *c = t->c;
	bool reversed = !is_bound(m, c->trav.lv), check = !reversed && is_bound(m, c->trav.rv);
	uint32_t var = reversed ? c->trav.lv : c->trav.rv;
	bool edges = c->trav.ev != VAR_NONE;
	struct plan_step *s;

	if (edges)
		s = add_step(m, check ? STEP_EDGES_CHECK : STEP_EDGES, var);
	else
		s = add_step(m, check ? STEP_HOPS_CHECK : STEP_HOPS, var);
	t->done = true;
	s->from = reversed ? c->trav.rv : c->trav.lv;
	s->edge = c->trav.edge->index;
	s->edge_var = c->trav.ev;
	s->outgoing = reversed != c->trav.forward;
	s->undirected = c->trav.undirected;
	s->same_type = c->trav.edge->from == c->trav.edge->to;
	s->reversed = reversed;
	s->min = c->trav.min;
	s->max = c->trav.max;
	if (edges)
		m->b->vars[c->trav.ev].bound = true;
}

static bool step_between_bound(struct match_builder *m)
{
	for (uint32_t i = 0; i < m->n_travs; i++) {
		struct build_trav *t = &m->travs[i];

		if (t->done || !is_bound(m, t->c->trav.lv) || !is_bound(m, t->c->trav.rv))
			continue;
		add_traverse(m, t);
		return true;
	}
	return false;
}

/* The equality that gives key member @prop of @var from what is bound; *other is the value's side. */
static struct build_test *key_test(struct match_builder *m, uint32_t var, uint32_t prop, const struct operand **other)
{
	for (uint32_t i = m->b->vars[var].first_test; i; i = m->links[i - 1].next) {
		struct build_test *t = &m->tests[m->links[i - 1].test];
		const struct operand *sides[2] = { &t->t.l, &t->t.r };

		if (t->done || t->t.kind != TEST_COMPARE || t->t.op != OP_EQ)
			continue;
		for (int k = 0; k < 2; k++) {
			const struct operand *o = sides[!k];

			if (sides[k]->kind != OPD_PROP || sides[k]->var != var || sides[k]->index != prop)
				continue;
			if (o->kind != OPD_CONST && (o->var == var || !is_bound(m, o->var)))
				continue;
			*other = o;
			return t;
		}
	}
	return NULL;
}

static bool step_lookup_of(struct match_builder *m, uint32_t var)
{
	const struct tuple *key = &m->q->vars[var].type->key;
	const struct operand *o;
	struct operand *ops;
	struct plan_step *s;

	for (uint32_t i = 0; i < key->n; i++) {
		if (!key_test(m, var, key->members[i], &o))
			return false;
	}
	if (!key->n)
		return false;
	ops = arena_array(m->b->a, struct operand, key->n);
	for (uint32_t i = 0; i < key->n; i++) {
		key_test(m, var, key->members[i], &o)->done = true;
		ops[i] = *o;
	}
	s = add_step(m, STEP_LOOKUP, var);
	s->n_key = key->n;
	s->key = ops;
	return true;
}

static bool step_lookup(struct match_builder *m)
{
	for (uint32_t i = 0; i < m->n_own; i++) {
		if (!is_bound(m, m->own[i]) && step_lookup_of(m, m->own[i]))
			return true;
	}
	return false;
}

/* 0: an equality, 1: another constraint, 2: none on the variable alone (or with what is bound). */
static unsigned looseness(const struct match_builder *m, uint32_t var)
{
	unsigned best = 2;

	for (uint32_t i = m->b->vars[var].first_test; i; i = m->links[i - 1].next) {
		const struct build_test *t = &m->tests[m->links[i - 1].test];
		bool ready = true;

		if (t->done || t->t.kind == TEST_NOT)
			continue;
		for (uint32_t k = 0; k < t->n_needs; k++) {
			if (t->needs[k] != var && !is_bound(m, t->needs[k]))
				ready = false;
		}
		if (!ready)
			continue;
		if ((t->t.kind == TEST_COMPARE || t->t.kind == TEST_VECTOR) && t->t.op == OP_EQ)
			return 0;
		best = 1;
	}
	return best;
}

static bool step_expand(struct match_builder *m)
{
	struct build_trav *best = NULL;
	unsigned best_score = 0;

	for (uint32_t i = 0; i < m->n_travs; i++) {
		struct build_trav *t = &m->travs[i];
		bool l = is_bound(m, t->c->trav.lv), r = is_bound(m, t->c->trav.rv);
		unsigned score;

		if (t->done || l == r)
			continue;
		score = 2 * looseness(m, l ? t->c->trav.rv : t->c->trav.lv) + (t->c->trav.max > 1);
		if (!best || score < best_score) {
			best = t;
			best_score = score;
		}
	}
	if (best)
		add_traverse(m, best);
	return best;
}

/* The scan of @var has an equality with something that is bound: make it a join. */
static void make_join(struct match_builder *m, struct plan_step *s, uint32_t var)
{
	for (uint32_t i = m->b->vars[var].first_test; i; i = m->links[i - 1].next) {
		const struct build_test *t = &m->tests[m->links[i - 1].test];
		const struct operand *own = &t->t.l, *other = &t->t.r;

		if (t->done || t->t.kind != TEST_COMPARE || t->t.op != OP_EQ)
			continue;
		if (own->kind != OPD_PROP || own->var != var) {
			own = &t->t.r;
			other = &t->t.l;
		}
		if (own->kind != OPD_PROP || own->var != var || other->kind == OPD_CONST || other->var == var ||
		    !is_bound(m, other->var))
			continue;
		s->kind = STEP_JOIN;
		s->join = m->b->p->n_joins++;
		s->join_prop = own->index;
		s->join_with = *other;
		return;
	}
}

static bool step_scan(struct match_builder *m)
{
	uint32_t best = VAR_NONE;
	unsigned best_score = 0;

	for (uint32_t i = 0; i < m->n_own; i++) {
		uint32_t v = m->own[i];
		unsigned score;

		if (is_bound(m, v))
			continue;
		score = 2 * looseness(m, v) + !m->b->vars[v].has_pattern;
		if (best == VAR_NONE || score < best_score) {
			best = v;
			best_score = score;
		}
	}
	if (best == VAR_NONE)
		return false;
	make_join(m, add_step(m, STEP_SCAN, best), best);
	return true;
}

static void add_steps(struct match_builder *m)
{
	for (;;) {
		attach_ready(m);
		if (step_between_bound(m))
			continue;
		attach_kind(m, TEST_NOT);
		if (!step_lookup(m) && !step_expand(m) && !step_scan(m))
			return;
	}
}

/* --- blocks -------------------------------------------------------------------------------------------------- */

static void match_builder_init(struct match_builder *m, struct plan_builder *b, uint32_t depth)
{
	*m = (struct match_builder){ .b = b, .q = b->q, .depth = depth };
}

/* The variables' states are shared by all blocks of a build, which may be built more than once. */
static void match_builder_free(struct match_builder *m)
{
	for (uint32_t i = 0; i < m->n_own; i++)
		m->b->vars[m->own[i]] = (struct plan_var){ 0 };
	for (uint32_t i = 0; i < m->n_travs; i++) {
		if (m->travs[i].c->trav.ev != VAR_NONE)
			m->b->vars[m->travs[i].c->trav.ev] = (struct plan_var){ 0 };
	}
	for (uint32_t i = 0; i < m->n_tests; i++)
		free(m->tests[i].needs);
	for (uint32_t i = 0; i < m->n_steps; i++)
		free(m->steps[i].tests);
	free(m->pre.tests);
	free(m->tests);
	free(m->links);
	free(m->own);
	free(m->travs);
	free(m->steps);
}

static const struct plan_block *finish_block(struct match_builder *m)
{
	struct plan_block *blk = arena_new(m->b->a, struct plan_block);
	struct plan_step *steps = arena_array(m->b->a, struct plan_step, m->n_steps);

	for (uint32_t i = 0; i < m->n_steps; i++) {
		struct build_step *s = &m->steps[i];

		s->s.n_tests = s->n_tests;
		s->s.tests = arena_memdup(m->b->a, s->tests, s->n_tests * sizeof(*s->tests));
		steps[i] = s->s;
	}
	blk->n_pre = m->pre.n_tests;
	blk->pre = arena_memdup(m->b->a, m->pre.tests, m->pre.n_tests * sizeof(*m->pre.tests));
	blk->n_steps = m->n_steps;
	blk->steps = steps;
	return blk;
}

static bool only_on(const struct build_test *t, uint32_t var)
{
	return t->t.kind != TEST_NOT && t->n_needs == 1 && t->needs[0] == var;
}

static bool collect(struct match_builder *m, const struct clause *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!add_clause(m, &c[i]))
			return false;
	}
	return check_connected(m);
}

static void start_at(struct match_builder *m, uint32_t var)
{
	for (uint32_t i = 0; i < m->n_tests; i++) {
		if (only_on(&m->tests[i], var))
			m->tests[i].done = true;
	}
	attach_ready(m); /* constants */
	add_step(m, STEP_GIVEN, var);
}

static const struct plan_block *plan_block(struct plan_builder *b, const struct clause *c, uint32_t n, uint32_t depth,
					   uint32_t start)
{
	const struct plan_block *blk = NULL;
	struct match_builder m;

	match_builder_init(&m, b, depth);
	if (collect(&m, c, n)) {
		if (start != VAR_NONE)
			start_at(&m, start);
		add_steps(&m);
		blk = finish_block(&m);
	}
	match_builder_free(&m);
	return blk;
}

const struct plan_block *plan_match(struct plan_builder *b, uint32_t start)
{
	return plan_block(b, b->q->decl.clauses, b->q->decl.n_clauses, 0, start);
}

const struct plan_block *plan_candidates(struct plan_builder *b, uint32_t var)
{
	const struct plan_block *blk = NULL;
	struct match_builder m;

	match_builder_init(&m, b, 0);
	if (collect(&m, b->q->decl.clauses, b->q->decl.n_clauses)) {
		for (uint32_t i = 0; i < m.n_tests; i++)
			m.tests[i].done = !only_on(&m.tests[i], var);
		if (!step_lookup_of(&m, var))
			add_step(&m, STEP_SCAN, var);
		attach_ready(&m);
		blk = finish_block(&m);
	}
	match_builder_free(&m);
	return blk;
}
