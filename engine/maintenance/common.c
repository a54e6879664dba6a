/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/store/schema_lock.h"
#include "maintenance.h"

int maintenance_check(struct graph *g, const char *op, struct err *e)
{
	if (g->read_only)
		return err_set(e, ERR_BAD_REQUEST, "graph at '%s' is open read-only; open it read-write for %s",
			       graph_uri(g), op);
	return schema_lock_check(g, op, e);
}

struct each {
	struct graph *g;
	int (*fn)(void *arg, struct branch *b, struct err *e);
	void *arg;
	struct err *e;
};

static int on_name(void *arg, const char *name)
{
	struct each *ea = arg;
	struct branch *b;
	int rc = branch_open(ea->g, name, &b, ea->e);

	if (rc == -ENOENT && !is_main(name)) {
		err_clear(ea->e);
		return 0;
	}
	if (rc)
		return rc;
	rc = ea->fn(ea->arg, b, ea->e);
	branch_put(b);
	return rc;
}

int maintenance_branches(struct graph *g, int (*fn)(void *arg, struct branch *b, struct err *e), void *arg,
			 struct err *e)
{
	struct each ea = { g, fn, arg, e };

	return graph_branches(g, on_name, &ea, e);
}

struct keyed {
	const struct type *type;
	struct str key;
};

static int by_key(const void *a, const void *b)
{
	return str_cmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

const struct type **maintenance_types(const struct catalog *cat, struct arena *a, struct str **keys)
{
	struct keyed *v = arena_array(a, struct keyed, cat->n_types + 1);
	const struct type **types = arena_array(a, const struct type *, cat->n_types + 1);
	struct strbuf b = STRBUF_INIT;

	*keys = arena_array(a, struct str, cat->n_types + 1);
	for (uint32_t i = 0; i < cat->n_types; i++) {
		sb_reset(&b);
		type_key(&cat->types[i], &b);
		v[i] = (struct keyed){ &cat->types[i], arena_str(a, sb_str(&b)) };
	}
	sb_free(&b);
	qsort(v, cat->n_types, sizeof(*v), by_key);
	for (uint32_t i = 0; i < cat->n_types; i++) {
		types[i] = v[i].type;
		(*keys)[i] = v[i].key;
	}
	return types;
}
