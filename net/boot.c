/* SPDX-License-Identifier: MIT */
#include <omnigraph/embed.h>

#include "net/boot_priv.h"
#include "net/export_budget.h"
#include "net/openapi.h"
#include "net/policy_engine.h"

#define WORKERS 32
#define WORKER_STACK (512u << 10)
#define STREAMS 64 /* exports are bounded by their budget; the rest are uploads */
#define QUEUE_MAX 65536

#define REFUSE_OPEN                                                                                                  \
	"no bearer tokens and no policy file configured: this would be a fully open server; pass --unauthenticated " \
	"(or "                                                                                                       \
	"set OMNIGRAPH_UNAUTHENTICATED=1) or configure tokens and bind a policy bundle"
#define REFUSE_401                                                                                                  \
	"policy file is configured but no bearer tokens: every request would 401; configure at least one token or " \
	"unbind "                                                                                                   \
	"the bundle"

/* --- steps 3 and 4: the snapshot -------------------------------------------------------------------------- */

static void add_lines(struct strbuf *b, const struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		sb_addf(b, "\n  [%s] %s: %s", l->items[i].code, l->items[i].path, l->items[i].message);
}

static int refuse_with_lines(const char *head, const struct diag_list *l, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	int rc;

	sb_addz(&b, head);
	add_lines(&b, l);
	rc = err_set(e, ERR_CONFLICT, "%s", b.s);
	sb_free(&b);
	return rc;
}

static int read_snapshot(struct boot *b, struct err *e)
{
	struct serving_snapshot *s = &b->srv->snapshot;
	char *head;
	int rc = cluster_serving_snapshot(b->o->cluster, s);

	if (rc) {
		head = arena_printf(&s->arena, "the cluster at '%s' is not ready to serve:", b->o->cluster);
		return refuse_with_lines(head, &s->diagnostics, e);
	}
	for (size_t i = 0; i < s->diagnostics.n; i++)
		log_kv(b->o->logger, LOG_WARN, "omnigraph::snapshot", "cluster startup diagnostic", "code",
		       s->diagnostics.items[i].code, "path", s->diagnostics.items[i].path, "message",
		       s->diagnostics.items[i].message, NULL);
	if (b->o->strict && s->n_quarantined) /* an orphan query in the ledger keeps no graph from serving */
		return refuse_with_lines(
			"strict cluster boot requires every applied graph to be ready; startup diagnostics:",
			&s->diagnostics, e);
	return 0;
}

static void list_graphs(struct boot *b)
{
	struct serving_snapshot *s = &b->srv->snapshot;

	b->n = s->n_graphs;
	b->graphs = mem_calloc(b->n + 1, sizeof(*b->graphs));
	for (size_t i = 0; i < b->n; i++) {
		b->graphs[i].applied = &s->graphs[i];
		b->graphs[i].g.id = s->graphs[i].id;
		b->graphs[i].g.local = !strstr(s->graphs[i].root, "://");
	}
}

/* --- steps 6 and 7: who may come in -------------------------------------------------------------------------- */

static int load_tokens(struct boot *b, struct err *e)
{
	int rc = token_set_load(&b->o->tokens, &b->srv->tokens, e);

	if (!rc)
		log_kv(b->o->logger, LOG_INFO, "omnigraph::tokens", "loaded bearer token source", "source",
		       token_set_source(b->srv->tokens), NULL);
	return rc;
}

static bool any_policy(const struct boot *b)
{
	if (b->cluster_policy)
		return true;
	for (size_t i = 0; i < b->n; i++)
		if (!b->graphs[i].failure && b->graphs[i].policy)
			return true;
	return false;
}

static int classify(struct boot *b, struct err *e)
{
	bool tokens = token_set_count(b->srv->tokens) > 0, policy = any_policy(b);

	b->srv->auth_required = tokens || policy;
	if (policy && !tokens)
		return err_set(e, ERR_CONFLICT, REFUSE_401);
	if (!policy && !tokens && !b->o->unauthenticated)
		return err_set(e, ERR_CONFLICT, REFUSE_OPEN);
	if (!policy && !tokens)
		log_kv(b->o->logger, LOG_WARN, "omnigraph::state",
		       "running open: no bearer tokens and no policy are configured, all requests are permitted", NULL);
	else if (!policy)
		log_kv(b->o->logger, LOG_WARN, "omnigraph::state",
		       "running in default-deny mode: bearer tokens are configured but no policy, only `read` is "
		       "permitted",
		       NULL);
	return 0;
}

/* --- the end: a server --------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct served_graph *)a)->id, ((const struct served_graph *)b)->id);
}

static int finish(struct boot *b, struct err *e)
{
	struct server *s = b->srv;
	int rc;

	s->graphs = mem_calloc(b->n + 1, sizeof(*s->graphs));
	for (size_t i = 0; i < b->n; i++) {
		if (b->graphs[i].failure)
			continue;
		s->graphs[s->n_graphs++] = b->graphs[i].g;
		memset(&b->graphs[i].g, 0, sizeof(b->graphs[i].g));
	}
	qsort(s->graphs, s->n_graphs, sizeof(*s->graphs), by_id);
	s->limits = b->o->limits;
	s->admission = admission_new(s->limits.actor_inflight_max, s->limits.actor_bytes_max);
	s->exports = export_budget_new();
#ifdef CONFIG_NET_OPENAPI
	s->openapi = openapi_new();
#endif
	rc = thread_pool_new("worker", WORKERS, WORKER_STACK, QUEUE_MAX, &s->workers, e);
	return rc ? rc : thread_pool_new("stream", STREAMS, WORKER_STACK, QUEUE_MAX, &s->streams, e);
}

static int run_steps(struct boot *b, struct err *e)
{
	int rc = read_snapshot(b, e);

	if (rc)
		return rc;
	list_graphs(b);
	rc = boot_bind_policies(b, e);
	if (!rc)
		rc = boot_settings(b, e);
	if (!rc)
		rc = load_tokens(b, e);
	if (!rc)
		rc = classify(b, e);
	if (!rc)
		rc = boot_cluster_policy(b, e);
	if (!rc)
		rc = boot_open(b, e);
	return rc ? rc : finish(b, e);
}

static void free_graph(struct served_graph *g)
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

static void boot_graph_release(struct boot_graph *bg)
{
	free_graph(&bg->g);
	free(bg->failure);
	bg->failure = NULL;
}

int server_boot(const struct boot_options *o, struct server **out, struct err *e)
{
	struct boot b = { .o = o, .srv = mem_zalloc(sizeof(*b.srv)) };
	int rc;

	*out = NULL;
	b.srv->logger = o->logger;
	pthread_mutex_init(&b.srv->spare_lock, NULL);
	rc = run_steps(&b, e);
	for (size_t i = 0; i < b.n; i++)
		boot_graph_release(&b.graphs[i]);
	free(b.graphs);
	if (rc)
		server_free(b.srv);
	else
		*out = b.srv;
	return rc;
}

void boot_graph_fail(struct boot_graph *bg, const char *why)
{
	const char *id = bg->g.id;

	free_graph(&bg->g);
	bg->g.id = id;
	bg->failure = mem_strdup(why);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	thread_pool_free(s->workers);
	thread_pool_free(s->streams);
	server_free_spare(s);
	for (size_t i = 0; i < s->n_graphs; i++)
		free_graph(&s->graphs[i]);
	free(s->graphs);
	if (s->policy)
		s->policy->free(s->policy);
#ifdef CONFIG_NET_OPENAPI
	openapi_free(s->openapi);
#endif
	export_budget_free(s->exports);
	admission_free(s->admission);
	token_set_free(s->tokens);
	diag_free(&s->snapshot.diagnostics);
	arena_free(&s->snapshot.arena);
	pthread_mutex_destroy(&s->spare_lock);
	free(s);
}
