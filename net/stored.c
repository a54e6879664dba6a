/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>

#include "net/stored.h"

struct compiled {
	struct refcount ref;
	struct query *query;
};

const struct query *compiled_query(const struct compiled *c)
{
	return c->query;
}

void compiled_put(struct compiled *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	query_free(c->query);
	free(c);
}

static int find_decl(struct stored_query *q, struct err *e)
{
	for (size_t i = 0; i < query_file_count(q->file); i++) {
		const struct query_decl *d = query_file_at(q->file, i);

		if (str_eqz(query_decl_name(d), q->name)) {
			q->decl = d;
			q->mutation = query_decl_is_mutation(d);
			return 0;
		}
	}
	return err_set(
		e, ERR_BAD_REQUEST,
		"stored query '%s': no `query %s` declaration found in its `.gq` file (the registry key must match "
		"the query symbol)",
		q->name, q->name);
}

int stored_init(struct stored_query *q, const char *name, struct str source, struct err *e)
{
	int rc;

	memset(q, 0, sizeof(*q));
	q->name = name;
	q->source = source;
	pthread_mutex_init(&q->lock, NULL);
	rc = query_file_parse(source, &q->file, e);
	if (rc) {
		/* the engine's text begins with "parse error: " */
		err_prefix(e, "stored query '%s': ", name);
		return rc;
	}
	return find_decl(q, e);
}

void stored_destroy(struct stored_query *q)
{
	compiled_put(q->current);
	query_file_free(q->file);
	pthread_mutex_destroy(&q->lock);
}

static bool same_schema(const struct query *q, const struct catalog *c)
{
	const struct catalog *have = query_catalog(q);

	return have == c || !strcmp(have->compiled_digest, c->compiled_digest);
}

static struct compiled *get_current(struct stored_query *q, const struct catalog *c)
{
	struct compiled *cur;

	pthread_mutex_lock(&q->lock);
	cur = q->current;
	if (cur && same_schema(cur->query, c))
		ref_get(&cur->ref);
	else
		cur = NULL;
	pthread_mutex_unlock(&q->lock);
	return cur;
}

int stored_compile(struct stored_query *q, const struct catalog *c, struct compiled **out, struct err *e)
{
	struct compiled *new, *old;
	struct query *query;
	int rc;

	*out = get_current(q, c);
	if (*out)
		return 0;
	/* compiling takes a reference on the catalog, which is shared and otherwise constant */
	rc = query_compile((struct catalog *)(uintptr_t)c, q->decl, &query, e);
	if (rc)
		return rc;
	atomic_store(&q->cheap, query_is_cheap(query));
	new = mem_zalloc(sizeof(*new));
	new->query = query;
	ref_init(&new->ref);
	ref_get(&new->ref);
	pthread_mutex_lock(&q->lock);
	old = q->current;
	q->current = new;
	pthread_mutex_unlock(&q->lock);
	compiled_put(old);
	*out = new;
	return 0;
}
