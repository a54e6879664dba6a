/* SPDX-License-Identifier: MIT */
#include "net/revision.h"

#include <omnigraph/embed.h>

#include "net/policy_engine.h"
#include "net/server.h"

void served_graph_clear(struct served_graph *g)
{
	for (size_t i = 0; i < g->n_queries; i++)
		stored_destroy(&g->queries[i]);
	free(g->queries);
	graph_close(g->graph);
	embedder_free(g->embedder);
	free(g->embed_why);
	if (g->policy)
		g->policy->free(g->policy);
	memset(g, 0, sizeof(*g));
}

struct revision *revision_new(struct server *s)
{
	struct revision *v = mem_zalloc(sizeof(*v));

	ref_init(&v->ref);
	v->srv = s;
	return v;
}

void revision_free(struct revision *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_graphs; i++)
		served_graph_clear(&v->graphs[i]);
	free(v->graphs);
	if (v->policy)
		v->policy->free(v->policy);
	diag_free(&v->snapshot.diagnostics);
	arena_free(&v->snapshot.arena);
	free(v);
}

struct served_graph *revision_graph(const struct revision *v, struct str id)
{
	size_t lo = 0, hi = v->n_graphs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = str_cmp(id, str_from(v->graphs[mid].id));

		if (!c)
			return &v->graphs[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void revision_put(struct revision *v)
{
	struct server *s = v->srv;

	if (!ref_put(&v->ref))
		return;
	pthread_mutex_lock(&s->revision_lock);
	v->next_retired = s->idle;
	s->idle = v;
	pthread_mutex_unlock(&s->revision_lock);
	if (s->wake)
		sem_post(s->wake);
}

struct revision *server_revision(struct server *s)
{
	struct revision *v;

	pthread_mutex_lock(&s->revision_lock);
	v = s->revision;
	ref_get(&v->ref);
	pthread_mutex_unlock(&s->revision_lock);
	return v;
}

void server_install(struct server *s, struct revision *v)
{
	struct revision *old;

	pthread_mutex_lock(&s->revision_lock);
	old = s->revision;
	s->revision = v;
	pthread_mutex_unlock(&s->revision_lock);
	if (old)
		revision_put(old);
}

unsigned server_collect(struct server *s)
{
	struct revision *idle;
	unsigned n = 0;

	pthread_mutex_lock(&s->revision_lock);
	idle = s->idle;
	s->idle = NULL;
	pthread_mutex_unlock(&s->revision_lock);
	while (idle) {
		struct revision *next = idle->next_retired;

		revision_free(idle);
		idle = next;
		n++;
	}
	return n;
}
