/* SPDX-License-Identifier: MIT */
/* The serving snapshot: the applied revision, verified and complete, for a server (spec/cluster.md 14). */
#include <errno.h>

#include <omnigraph/map.h>
#include <omnigraph/serving.h>

#include "cluster/ledger.h"
#include "cluster/lookup.h"
#include "cluster/sidecar.h"

struct builder {
	struct serving_snapshot *out;
	struct arena *a;
	struct diag_list *d;	   /* errors first */
	struct diag_list warnings; /* one per quarantined graph, appended at the end */
	struct map quarantined;
	struct cluster_store cs;
	struct ledger l;
	struct serving_graph *graphs;
	struct serving_query *queries;
	struct serving_policy *policies;
	bool any_graph;
};

static bool is_quarantined(const struct builder *b, const char *graph)
{
	return map_get(&b->quarantined, str_from(graph)) != NULL;
}

static void list_sidecars(struct builder *b)
{
	struct sidecar *s;
	/* Problems are errors here: nothing proves which graph an unreadable sidecar concerns. */
	size_t n = sidecar_list(&b->cs, b->a, DIAG_ERROR, b->d, &s);
	const char **quarantined = arena_array(b->a, const char *, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (!str_trim(str_from(s[i].graph_id)).n) {
			diag_add(b->d, DIAG_ERROR, "cluster_recovery_unattributed", s[i].location,
				 "the recovery sidecar names no graph; run `omnigraph cluster apply`, or inspect it");
			continue;
		}
		if (!map_add(&b->quarantined, str_from(s[i].graph_id), &s[i]))
			continue;
		quarantined[b->out->n_quarantined++] = s[i].graph_id;
		diag_add(&b->warnings, DIAG_WARNING, "cluster_recovery_pending",
			 arena_printf(b->a, "graph.%s", s[i].graph_id),
			 "operation %s (%s) did not finish; the graph is not served until `omnigraph cluster apply` "
			 "swept it",
			 s[i].operation_id, sidecar_kind_word(s[i].kind));
	}
	b->out->quarantined = quarantined;
}

/* --- providers ------------------------------------------------------------------------------------------ */

static const struct serving_embedding *copy_profile(struct arena *a, const struct cfg_provider *p)
{
	struct serving_embedding *e = arena_new(a, struct serving_embedding);

	e->kind = p->kind ? arena_strdup(a, p->kind) : NULL;
	e->base_url = p->base_url ? arena_strdup(a, p->base_url) : NULL;
	e->model = p->model ? arena_strdup(a, p->model) : NULL;
	e->api_key = p->api_key ? arena_strdup(a, p->api_key) : NULL;
	return e;
}

/* The applied profile of a provider, verified; NULL when there is none to use. @report: say why. */
static const struct cfg_provider *usable_profile(struct builder *b, const char *provider, bool report)
{
	const struct ledger_resource *p = ledger_find(&b->l, provider);
	char digest[SHA256_HEX_LEN + 1];

	if (!p)
		return NULL;
	if (!p->profile) {
		if (report)
			diag_add(b->d, DIAG_ERROR, "embedding_provider_profile_missing", p->address,
				 "the ledger records no profile for it; run `omnigraph cluster apply` once to fill it "
				 "in");
		return NULL;
	}
	provider_digest(p->profile, digest);
	if (!strcmp(digest, p->digest))
		return p->profile;
	if (report)
		diag_add(b->d, DIAG_ERROR, "embedding_provider_digest_mismatch", p->address,
			 "the recorded profile does not hash to its digest; restore __cluster/state.json from a "
			 "trusted copy");
	return NULL;
}

/* Each provider that a served graph needs, once (14.2 step 5). */
static void check_providers(struct builder *b)
{
	struct map needed = MAP_INIT;

	for (size_t i = 0; i < b->l.n_resources; i++) {
		const struct ledger_resource *r = &b->l.resources[i];

		if (resource_kind_of(r->address) == RES_GRAPH && !is_quarantined(b, r->address + 6) && r->provider &&
		    resource_kind_of(r->provider) == RES_PROVIDER)
			map_put(&needed, str_from(r->provider), (void *)r->provider);
	}
	for (size_t i = 0; i < b->l.n_resources; i++)
		if (map_get(&needed, str_from(b->l.resources[i].address)))
			usable_profile(b, b->l.resources[i].address, true);
	map_free(&needed);
}

/* The verified profile a graph is bound to. False: reported. */
static bool graph_profile(struct builder *b, const struct ledger_resource *g, const struct serving_embedding **out)
{
	const struct cfg_provider *p;

	*out = NULL;
	if (!g->provider)
		return true;
	if (resource_kind_of(g->provider) != RES_PROVIDER) {
		diag_add(b->d, DIAG_ERROR, "wrong_kind_reference", g->address, "'%s' is not an embedding provider",
			 g->provider);
		return false;
	}
	p = usable_profile(b, g->provider, false);
	if (!p) {
		diag_add(b->d, DIAG_ERROR, "embedding_provider_missing", g->address,
			 "the graph is bound to %s, which has no usable applied profile; run `omnigraph cluster apply`",
			 g->provider);
		return false;
	}
	*out = copy_profile(b->a, p);
	return true;
}

/* --- resources ------------------------------------------------------------------------------------------ */

static void copy_blob_policy(struct builder *b, const char *json, struct serving_graph *g)
{
	struct serving_blob_base *bases;
	const struct json *list;
	struct json *v;

	if (!json || json_parse(b->a, str_from(json), NULL, &v, NULL))
		return;
	list = json_get(v, "bases");
	if (!list || list->type != JSON_ARRAY)
		return;
	bases = arena_array(b->a, struct serving_blob_base, list->n + 1);
	for (size_t i = 0; i < list->n; i++) {
		const struct json *uri = json_get(&list->items[i], "uri"), *scope = json_get(&list->items[i], "scope");

		bases[i].uri = uri ? arena_str(b->a, uri->text).s : "";
		bases[i].server_safe = scope && str_eqz(scope->text, "server_safe");
	}
	g->n_blob_bases = list->n;
	g->blob_bases = bases;
}

static void add_graph(struct builder *b, const struct ledger_resource *r)
{
	const char *id = r->address + 6;
	char digest[SHA256_HEX_LEN + 1];
	struct serving_graph *g;
	const struct serving_embedding *profile;

	b->any_graph = true;
	if (is_quarantined(b, id) || !graph_profile(b, r, &profile))
		return;
	ledger_composite(&b->l, id, r->provider, r->blob_policy, digest);
	if (strcmp(digest, r->digest)) {
		diag_add(b->d, DIAG_ERROR, "external_blob_policy_digest_mismatch", r->address,
			 "the ledger entry does not hash to its recorded digest; restore __cluster/state.json from a "
			 "trusted "
			 "copy");
		return;
	}
	g = &b->graphs[b->out->n_graphs++];
	g->id = arena_strdup(b->a, id);
	g->root = graph_root(&b->cs, b->a, id);
	g->embedding = profile;
	copy_blob_policy(b, r->blob_policy, g);
}

/* Verified content of a payload. False: reported. */
static bool payload(struct builder *b, const struct ledger_resource *r, struct str *out)
{
	const char *detail;

	switch (payload_read(&b->cs, b->a, r->address, r->digest, out, &detail)) {
	case PAYLOAD_OK:
		return true;
	case PAYLOAD_MISMATCH:
		diag_add(b->d, DIAG_ERROR, "catalog_payload_digest_mismatch", r->address,
			 "the catalog payload hashes to %s, not to %s; run `omnigraph cluster refresh`, then apply",
			 detail, r->digest);
		return false;
	case PAYLOAD_MISSING:
	case PAYLOAD_READ_ERROR:
		break;
	}
	diag_add(b->d, DIAG_ERROR, "catalog_payload_missing", r->address,
		 "the catalog payload %s cannot be read (%s); run `omnigraph cluster refresh`, then apply", r->digest,
		 detail);
	return false;
}

static void add_query(struct builder *b, const struct ledger_resource *r)
{
	const char *graph = resource_graph(b->a, r->address);
	struct serving_query *q;
	struct str src;

	if (is_quarantined(b, graph))
		return;
	if (!ledger_find(&b->l, arena_printf(b->a, "graph.%s", graph))) {
		diag_add(&b->warnings, DIAG_WARNING, "query_without_graph", r->address,
			 "the ledger has no graph.%s; the query is ignored", graph);
		return;
	}
	if (!payload(b, r, &src))
		return;
	q = &b->queries[b->out->n_queries++];
	q->graph_id = graph;
	q->name = arena_strdup(b->a, strchr(r->address + 6, '.') + 1);
	q->source = src;
}

static void add_policy(struct builder *b, const struct ledger_resource *r)
{
	const char **bindings;
	struct serving_policy *p;
	struct str src;
	size_t n = 0;

	if (!r->has_bindings) {
		diag_add(b->d, DIAG_ERROR, "policy_bindings_missing", r->address,
			 "the ledger records no bindings for it; run `omnigraph cluster apply` once to fill them in");
		return;
	}
	bindings = arena_array(b->a, const char *, r->n_bindings + 1);
	for (size_t i = 0; i < r->n_bindings; i++)
		if (strncmp(r->bindings[i], "graph.", 6) || !is_quarantined(b, r->bindings[i] + 6))
			bindings[n++] = arena_strdup(b->a, r->bindings[i]);
	if (!n || !payload(b, r, &src))
		return;
	p = &b->policies[b->out->n_policies++];
	p->name = arena_strdup(b->a, r->address + 7);
	p->source = src;
	p->n_bindings = n;
	p->bindings = bindings;
}

static int by_graph_and_name(const void *a, const void *b)
{
	const struct serving_query *x = a, *y = b;
	int c = strcmp(x->graph_id, y->graph_id);

	return c ? c : strcmp(x->name, y->name);
}

static void walk(struct builder *b)
{
	size_t n = b->l.n_resources;

	b->out->graphs = b->graphs = arena_array(b->a, struct serving_graph, n + 1);
	b->out->queries = b->queries = arena_array(b->a, struct serving_query, n + 1);
	b->out->policies = b->policies = arena_array(b->a, struct serving_policy, n + 1);
	for (size_t i = 0; i < n; i++) {
		const struct ledger_resource *r = &b->l.resources[i];

		switch (resource_kind_of(r->address)) {
		case RES_GRAPH:
			add_graph(b, r);
			break;
		case RES_QUERY:
			add_query(b, r);
			break;
		case RES_POLICY:
			add_policy(b, r);
			break;
		default:
			break;
		}
	}
	if (b->out->n_queries) /* addresses order "a-b.q" before "a.q" */
		qsort(b->queries, b->out->n_queries, sizeof(*b->queries), by_graph_and_name);
}

static void build(struct builder *b)
{
	list_sidecars(b);
	if (b->d->n_errors)
		return;
	if (!ledger_read(&b->cs, &b->l, b->d))
		return;
	if (!b->l.found) {
		diag_add(b->d, DIAG_ERROR, "cluster_state_missing", KEY_STATE,
			 "the cluster has no ledger; run `omnigraph cluster import` and `omnigraph cluster apply` "
			 "first");
		return;
	}
	b->out->state_revision = b->l.revision;
	check_providers(b);
	walk(b);
	if (!b->out->n_graphs && b->any_graph && b->quarantined.n && !b->d->n_errors)
		diag_add(b->d, DIAG_ERROR, "cluster_no_healthy_graphs", KEY_RECOVERIES,
			 "every applied graph waits for recovery; run `omnigraph cluster apply`");
	else if (!b->out->n_graphs && !b->any_graph)
		diag_add(b->d, DIAG_ERROR, "cluster_empty", KEY_STATE,
			 "the applied revision has no graph; declare one and run `omnigraph cluster apply`");
	diag_append(b->d, &b->warnings);
}

int cluster_serving_snapshot(const char *cluster, struct serving_snapshot *out)
{
	struct builder b = { .out = out, .a = &out->arena, .d = &out->diagnostics };
	char *root = cluster_root_of_argument(cluster);
	struct err e = ERR_INIT;

	*out = (struct serving_snapshot){ 0 };
	if (cluster_store_open(root, true, &b.cs, &e))
		diag_add(b.d, DIAG_ERROR, "storage_root_invalid", "storage", "could not open the storage root '%s': %s",
			 root, err_msg(&e));
	else
		build(&b);
	ledger_clear(&b.l);
	cluster_store_close(&b.cs);
	map_free(&b.quarantined);
	diag_free(&b.warnings);
	err_clear(&e);
	free(root);
	return out->diagnostics.n_errors ? -EINVAL : 0;
}
