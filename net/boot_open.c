/* SPDX-License-Identifier: MIT */
/* Steps 8 and 9 of the boot: policies, opening, registration (spec/server.md 2.4 - 2.6). */
#include <pthread.h>

#include <omnigraph/blob.h>
#include <omnigraph/embed.h>
#include <omnigraph/policy.h>

#include "net/boot_priv.h"

#define OPEN_PARALLEL 4
#define OPEN_STACK (512u << 10)

/* No policy engine is built in: a good bundle is refused like a bad one, but says why. */
static int compile_policy(const struct serving_policy *p, enum policy_kind kind, const char *scope, struct err *e)
{
	int rc = policy_check(p->source, kind, NULL, e);

	if (rc) {
		err_prefix(e, "policy bundle '%s': ", p->name);
		return rc;
	}
	return err_set(e, ERR_UNSUPPORTED,
		       "policy bundle '%s' is bound to %s, but this build cannot decide by policy "
		       "(CONFIG_SECURITY_CEDAR is not "
		       "built in); use a build with it, or unbind the bundle and run 'omnigraph cluster apply'",
		       p->name, scope);
}

int boot_cluster_policy(struct boot *b, struct err *e)
{
	return b->cluster_policy ? compile_policy(b->cluster_policy, POLICY_SERVER, "the cluster", e) : 0;
}

static int check_blob_policy(const struct serving_graph *g, struct err *e)
{
	for (size_t i = 0; i < g->n_blob_bases; i++)
		if (g->blob_bases[i].server_safe && !strncmp(g->blob_bases[i].uri, "file:", 5))
			return err_set(e, ERR_BAD_REQUEST, "server-safe external Blob base may not use file://: '%s'",
				       g->blob_bases[i].uri);
	return 0;
}

/* A server keeps the bases that are safe for it (spec/engine.md 14.3). The caller frees out->bases. */
static void take_blob_policy(const struct serving_graph *g, struct blob_policy *out)
{
	struct blob_base *bases = mem_calloc(g->n_blob_bases + 1, sizeof(*bases));

	*out = (struct blob_policy){ .bases = bases };
	for (size_t i = 0; i < g->n_blob_bases; i++)
		if (g->blob_bases[i].server_safe)
			bases[out->n++] = (struct blob_base){ g->blob_bases[i].uri, true };
}

static void advise(struct boot *b, struct boot_graph *bg, const struct stored_query *q)
{
	struct str param;
	uint32_t dim;
	char *text;
	struct strbuf m = STRBUF_INIT;

	if (!query_decl_has_vector_param(q->decl, &param, &dim))
		return;
	sb_addf(&m,
		"stored query: MCP-exposed query declares a `Vector(%u)` parameter `$%.*s` that agents cannot supply; "
		"use a "
		"`String` parameter for server-side embedding",
		dim, STR_ARG(param));
	text = sb_detach(&m);
	log_kv(b->o->logger, LOG_WARN, "omnigraph::open", text, "graph", bg->g.id, "query", q->name, NULL);
	free(text);
}

static int check_queries(struct boot *b, struct boot_graph *bg, struct err *e)
{
	struct strbuf lines = STRBUF_INIT;
	struct err why = ERR_INIT;
	struct snapshot *s;
	size_t failed = 0;
	int rc = graph_snapshot(bg->g.graph, NULL, NULL, &s, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < bg->g.n_queries; i++) {
		struct stored_query *q = &bg->g.queries[i];
		struct compiled *c = NULL;

		if (stored_compile(q, snapshot_catalog(s), &c, &why)) {
			failed++;
			sb_addf(&lines, "\n  query '%s': %s", q->name, err_msg(&why));
			err_clear(&why);
		} else {
			advise(b, bg, q);
		}
		compiled_put(c);
	}
	snapshot_put(s);
	if (failed)
		rc = err_set(e, ERR_TYPE, "graph '%s': %zu stored quer%s failed the schema check:%s", bg->g.id, failed,
			     failed == 1 ? "y" : "ies", lines.s);
	sb_free(&lines);
	return rc;
}

static int open_graph(struct boot *b, struct boot_graph *bg, struct err *e)
{
	struct graph_open_opts opts = { .mutation_max_bytes = b->o->mutation_max_bytes,
					.head_max_age_ms = b->o->head_max_age_ms,
					.embedder = bg->g.embedder,
					.logger = b->o->logger };
	struct blob_policy blobs;
	int rc = graph_id_check(str_from(bg->g.id), e);

	if (!rc)
		rc = check_blob_policy(bg->applied, e);
	take_blob_policy(bg->applied, &blobs);
	opts.blobs = &blobs;
	if (!rc)
		rc = graph_open(bg->applied->root, &opts, &bg->g.graph, e);
	if (!rc)
		rc = check_queries(b, bg, e);
	if (!rc && bg->policy)
		rc = compile_policy(bg->policy, POLICY_GRAPH, "this graph", e);
	free((void *)(uintptr_t)blobs.bases);
	return rc;
}

static void open_one(struct boot *b, struct boot_graph *bg)
{
	struct err e = ERR_INIT;

	if (bg->failure || !open_graph(b, bg, &e))
		return;
	log_kv(b->o->logger, LOG_WARN, "omnigraph::open", "graph quarantined during startup", "graph_id", bg->g.id,
	       "error", err_msg(&e), NULL);
	boot_graph_fail(bg, err_msg(&e));
	err_clear(&e);
}

struct opener {
	struct boot *b;
	_Atomic size_t next;
};

static void *open_some(void *arg)
{
	struct opener *o = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&o->next, 1);

		if (i >= o->b->n)
			return NULL;
		open_one(o->b, &o->b->graphs[i]);
	}
}

/* This thread is one of the openers. */
static void open_all(struct boot *b)
{
	struct opener o = { .b = b };
	pthread_t t[OPEN_PARALLEL - 1];
	size_t n = 0, want = b->n < OPEN_PARALLEL ? b->n : OPEN_PARALLEL;
	pthread_attr_t a;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, OPEN_STACK);
	while (n + 1 < want && !pthread_create(&t[n], &a, open_some, &o))
		n++;
	pthread_attr_destroy(&a);
	open_some(&o);
	while (n)
		pthread_join(t[--n], NULL);
}

static int check_roots(const struct boot *b, struct err *e)
{
	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < i; k++)
			if (!b->graphs[i].failure && !b->graphs[k].failure &&
			    !strcmp(graph_uri(b->graphs[i].g.graph), graph_uri(b->graphs[k].g.graph)))
				return err_set(e, ERR_CONFLICT,
					       "multi-graph registry: URI '%s' is already registered as another graph",
					       graph_uri(b->graphs[i].g.graph));
	return 0;
}

int boot_open(struct boot *b, struct err *e)
{
	size_t configured = 0, failed = 0;
	bool *before = mem_calloc(b->n + 1, sizeof(*before));

	for (size_t i = 0; i < b->n; i++) {
		before[i] = b->graphs[i].failure != NULL;
		configured += !before[i];
	}
	open_all(b);
	for (size_t i = 0; i < b->n; i++)
		failed += b->graphs[i].failure && !before[i];
	free(before);
	if (failed && b->o->strict)
		return err_set(e, ERR_CONFLICT,
			       "strict multi-graph startup requires every graph to open (%zu configured, %zu failed)",
			       configured, failed);
	if (failed == configured)
		return err_set(e, ERR_CONFLICT,
			       "no healthy graphs opened from multi-graph startup config (%zu configured, %zu failed)",
			       configured, failed);
	return check_roots(b, e);
}
