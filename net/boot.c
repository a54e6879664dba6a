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
	struct serving_snapshot *s = &b->rev->snapshot;
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
	const struct serving_snapshot *s = &b->rev->snapshot;

	b->graphs = mem_calloc(s->n_graphs + 1, sizeof(*b->graphs));
	for (size_t i = 0; i < s->n_graphs; i++) {
		struct boot_graph *bg = &b->graphs[b->n];

		if (b->beside && revision_graph(b->beside, str_from(s->graphs[i].id)))
			continue;
		b->n++;
		bg->applied = &s->graphs[i];
		bg->g.id = s->graphs[i].id;
		bg->g.local = !strstr(s->graphs[i].root, "://");
	}
}

/* --- steps 6 and 7: who may come in -------------------------------------------------------------------------- */

/* Once: the environment forgets them afterwards. */
static int load_tokens(struct boot *b, struct err *e)
{
	int rc = 0;

	if (b->srv->tokens)
		return 0;
	rc = token_set_load(&b->o->tokens, &b->srv->tokens, e);
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

	b->rev->auth_required = tokens || policy;
	if (policy && !tokens)
		return err_set(e, ERR_CONFLICT, REFUSE_401);
	if (!policy && !tokens && !b->o->unauthenticated)
		return err_set(e, ERR_CONFLICT, REFUSE_OPEN);
	if (b->beside) /* a try of some graphs: the server's state was told before */
		return 0;
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

/* --- the end: a revision, and a server around the first one ---------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct served_graph *)a)->id, ((const struct served_graph *)b)->id);
}

static void finish_revision(struct boot *b)
{
	struct revision *v = b->rev;

	v->n_quarantined = v->snapshot.n_quarantined;
	v->graphs = mem_calloc(b->n + 1, sizeof(*v->graphs));
	for (size_t i = 0; i < b->n; i++) {
		if (b->graphs[i].failure) {
			v->n_quarantined++;
			continue;
		}
		v->graphs[v->n_graphs++] = b->graphs[i].g;
		memset(&b->graphs[i].g, 0, sizeof(b->graphs[i].g));
	}
	qsort(v->graphs, v->n_graphs, sizeof(*v->graphs), by_id);
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
	if (!rc)
		finish_revision(b);
	return rc;
}

static void boot_graph_release(struct boot_graph *bg)
{
	served_graph_clear(&bg->g);
	free(bg->failure);
	bg->failure = NULL;
}

int boot_revision(const struct boot_options *o, struct server *s, const struct revision *beside, struct revision **out,
		  struct err *e)
{
	struct boot b = { .o = o, .srv = s, .rev = revision_new(s), .beside = beside };
	int rc = run_steps(&b, e);

	for (size_t i = 0; i < b.n; i++)
		boot_graph_release(&b.graphs[i]);
	free(b.graphs);
	if (rc)
		revision_free(b.rev);
	*out = rc ? NULL : b.rev;
	return rc;
}

static int start_pools(struct server *s, struct err *e)
{
	int rc = thread_pool_new("worker", WORKERS, WORKER_STACK, QUEUE_MAX, &s->workers, e);

	return rc ? rc : thread_pool_new("stream", STREAMS, WORKER_STACK, QUEUE_MAX, &s->streams, e);
}

int server_boot(const struct boot_options *o, struct server **out, struct err *e)
{
	struct server *s = mem_zalloc(sizeof(*s));
	struct revision *first = NULL;
	int rc;

	*out = NULL;
	s->logger = o->logger;
	s->limits = o->limits;
	pthread_mutex_init(&s->spare_lock, NULL);
	pthread_mutex_init(&s->revision_lock, NULL);
	rc = boot_revision(o, s, NULL, &first, e);
	if (!rc) {
		server_install(s, first);
		s->admission = admission_new(s->limits.actor_inflight_max, s->limits.actor_bytes_max);
		s->exports = export_budget_new();
#ifdef CONFIG_NET_OPENAPI
		s->openapi = openapi_new();
#endif
		rc = start_pools(s, e);
	}
	if (rc)
		server_free(s);
	else
		*out = s;
	return rc;
}

void boot_graph_fail(struct boot_graph *bg, const char *why)
{
	const char *id = bg->g.id;

	served_graph_clear(&bg->g);
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
	s->wake = NULL;
	server_install(s, NULL);
	server_collect(s);
#ifdef CONFIG_NET_OPENAPI
	openapi_free(s->openapi);
#endif
	export_budget_free(s->exports);
	admission_free(s->admission);
	token_set_free(s->tokens);
	pthread_mutex_destroy(&s->revision_lock);
	pthread_mutex_destroy(&s->spare_lock);
	free(s);
}
