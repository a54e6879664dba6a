/* SPDX-License-Identifier: MIT */
/* Statements of a mutation (T10 to T14, T16). */
#include "typecheck.h"

/* The endpoints of an edge, typed like properties. */
static const struct prop endpoint_from = { .name = { "from", 4 }, .index = TUPLE_SRC, .embed_source = PROP_NONE };
static const struct prop endpoint_to = { .name = { "to", 2 }, .index = TUPLE_DST, .embed_source = PROP_NONE };

static const struct prop *find_prop(const struct type *ty, struct str name)
{
	if (ty->kind == TYPE_EDGE && str_eqz(name, "from"))
		return &endpoint_from;
	if (ty->kind == TYPE_EDGE && str_eqz(name, "to"))
		return &endpoint_to;
	return type_prop(ty, name);
}

static int unknown_prop(struct tc *tc, const struct type *ty, struct str name)
{
	return tc_error(tc, "T11: type `%.*s` has no property `%.*s`", STR_ARG(ty->name), STR_ARG(name));
}

/* A name that both a node and an edge type have means the node type. */
static int resolve_target(struct tc *tc, struct stmt *st)
{
	st->type = catalog_node(tc->c, st->type_name);
	if (!st->type)
		st->type = catalog_edge(tc->c, st->type_name);
	if (!st->type)
		return tc_error(tc, "T10: unknown node/edge type `%.*s`", STR_ARG(st->type_name));
	if (st->kind == ST_UPDATE && st->type->kind == TYPE_EDGE)
		return tc_error(tc, "T16: update mutation for edge type `%.*s` is not supported",
				STR_ARG(st->type->name));
	return 0;
}

static int check_assignment(struct tc *tc, struct stmt *st, uint32_t i, struct map *seen)
{
	struct prop_value *as = &st->assign[i];
	const struct prop *p = find_prop(st->type, as->name);

	if (!p)
		return unknown_prop(tc, st->type, as->name);
	if (!map_add(seen, as->name, as))
		return tc_error(tc, "T13: duplicate assignment for property `%.*s`", STR_ARG(as->name));
	as->prop = p->index;
	return tc_value(tc, st->type, p, as->value, USE_ASSIGN);
}

static int check_required(struct tc *tc, const struct stmt *st, const struct map *seen)
{
	const struct type *ty = st->type;

	for (int i = 0; ty->kind == TYPE_EDGE && i < 2; i++)
		if (!map_get(seen, str_from(i ? "to" : "from")))
			return tc_error(tc, "T12: insert for `%.*s` must provide required endpoint `%s`",
					STR_ARG(ty->name), i ? "to" : "from");
	for (uint32_t i = 0; i < ty->n_props; i++) {
		const struct prop *p = &ty->props[i];
		const struct prop *src = p->embed_source == PROP_NONE ? NULL : &ty->props[p->embed_source];

		if (p->type.nullable || map_get(seen, p->name) || (src && map_get(seen, src->name)))
			continue;
		if (src)
			return tc_error(tc,
					"T12: insert for `%.*s` must provide non-nullable property `%.*s` or @embed "
					"source `%.*s`",
					STR_ARG(ty->name), STR_ARG(p->name), STR_ARG(src->name));
		return tc_error(tc, "T12: insert for `%.*s` must provide non-nullable property `%.*s`",
				STR_ARG(ty->name), STR_ARG(p->name));
	}
	return 0;
}

static int check_assignments(struct tc *tc, struct stmt *st)
{
	struct map seen = MAP_INIT;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < st->n_assign; i++)
		rc = check_assignment(tc, st, i, &seen);
	if (!rc && st->kind == ST_INSERT)
		rc = check_required(tc, st, &seen);
	map_free(&seen);
	return rc;
}

static int check_where(struct tc *tc, struct stmt *st)
{
	const struct prop *p = find_prop(st->type, st->where_name);

	if (!p)
		return unknown_prop(tc, st->type, st->where_name);
	st->where_prop = p->index;
	return tc_value(tc, st->type, p, st->where_value, USE_WHERE);
}

static int check_statement(struct tc *tc, struct stmt *st)
{
	int rc = resolve_target(tc, st);

	if (!rc && st->kind != ST_DELETE)
		rc = check_assignments(tc, st);
	if (!rc && st->kind != ST_INSERT)
		rc = check_where(tc, st);
	return rc;
}

int tc_statements(struct tc *tc)
{
	for (uint32_t i = 0; i < tc->q->decl.n_stmts; i++) {
		int rc = check_statement(tc, &tc->q->decl.stmts[i]);

		if (rc)
			return rc;
	}
	return 0;
}
