/* SPDX-License-Identifier: MIT */
/* The type checker's frame: types, scopes, the order of checks (spec/query.md 5 and 12). */
#include "parser.h"
#include "typecheck.h"

const char *tc_show(struct tc *tc, const struct prop_type *t)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	prop_type_display(t, &b);
	s = arena_strdup(&tc->q->arena, b.s);
	sb_free(&b);
	return s;
}

const char *tc_show_vt(struct tc *tc, const struct vtype *t)
{
	if (t->kind == VT_NODE)
		return arena_printf(&tc->q->arena, "node `%.*s`", STR_ARG(t->node->name));
	return t->kind == VT_SCALAR ? tc_show(tc, &t->t) : "aggregate";
}

const char *tc_show_edge(struct tc *tc, const struct type *e)
{
	return arena_printf(&tc->q->arena, "%.*s: %.*s -> %.*s", STR_ARG(e->name), STR_ARG(e->from->name),
			    STR_ARG(e->to->name));
}

bool type_numeric(const struct prop_type *t)
{
	return t->scalar >= SCALAR_I32 && t->scalar <= SCALAR_F64;
}

bool type_integer(const struct prop_type *t)
{
	return !t->list && t->scalar >= SCALAR_I32 && t->scalar <= SCALAR_U64;
}

bool type_string(const struct prop_type *t)
{
	return !t->list && t->scalar == SCALAR_STRING;
}

bool types_compatible(const struct prop_type *a, const struct prop_type *b)
{
	if (a->list != b->list)
		return false;
	if (a->scalar == b->scalar)
		return a->scalar != SCALAR_VECTOR || a->dim == b->dim;
	return type_numeric(a) && type_numeric(b);
}

uint32_t tc_lookup(const struct tc *tc, struct str name)
{
	uintptr_t v = (uintptr_t)map_get(&tc->names, name);

	return v ? (uint32_t)(v - 1) : VAR_NONE;
}

/* Every use of `_` makes a variable that no name reaches. */
uint32_t tc_new_var(struct tc *tc, struct str name, const struct type *type)
{
	struct query *q = tc->q;
	struct query_var *v = PUSH(&q->arena, q->vars, q->n_vars, tc->vars_cap);

	*v = (struct query_var){ .name = name, .type = type, .depth = tc->depth };
	v->is_edge = type->kind == TYPE_EDGE;
	v->anonymous = str_eqz(name, "_");
	if (!v->anonymous)
		map_put(&tc->names, name, (void *)(uintptr_t)q->n_vars);
	return q->n_vars - 1;
}

uint32_t tc_param(const struct tc *tc, struct str name)
{
	const struct query_decl *d = &tc->q->decl;

	for (uint32_t i = 0; i < d->n_params; i++)
		if (str_eq(d->params[i].name, name))
			return i;
	return VAR_NONE;
}

static int check_params(struct tc *tc)
{
	const struct query_decl *d = &tc->q->decl;

	for (uint32_t i = 0; i < d->n_params; i++)
		if (d->params[i].type_text.s)
			return tc_error(tc, "unknown parameter type `%.*s` for `$%.*s`",
					STR_ARG(d->params[i].type_text), STR_ARG(d->params[i].name));
	return 0;
}

static int check_body(struct tc *tc)
{
	int rc;

	if (tc->q->decl.is_mutation)
		return tc_statements(tc);
	rc = tc_clauses(tc, tc->q->decl.clauses, tc->q->decl.n_clauses);
	return rc ? rc : tc_returns(tc);
}

int query_typecheck(struct catalog *c, const struct query_decl *d, struct query *q, struct err *e)
{
	struct tc tc = { .q = q, .c = c, .e = e };
	int rc;

	decl_copy(&q->arena, &q->decl, d);
	rc = check_params(&tc);
	if (!rc)
		rc = check_body(&tc);
	map_free(&tc.names);
	return rc;
}
