/* SPDX-License-Identifier: MIT */
/* Look-ups that need nothing but the ledger, so that they work on a degraded cluster (spec/cluster.md 18). */
#include <omnigraph/cluster.h>

#include "cluster/ledger.h"
#include "cluster/lookup.h"

char *cluster_root_of_argument(const char *cluster)
{
	struct diag_list ignored = DIAG_LIST_INIT;
	struct cluster_config cfg;
	char *root;

	if (strstr(cluster, "://"))
		return cluster_root_resolve(cluster);
	cluster_config_load(cluster, &cfg, &ignored);
	root = cluster_config_root(&cfg);
	cluster_config_clear(&cfg);
	diag_free(&ignored);
	return root;
}

/* "[a, b]" of the applied graphs; *n counts them, *only is the last one. */
static char *applied_graphs(const struct ledger *l, size_t *n, const char **only)
{
	struct strbuf b = STRBUF_INIT;

	*n = 0;
	sb_addch(&b, '[');
	for (size_t i = 0; i < l->n_resources; i++) {
		if (resource_kind_of(l->resources[i].address) != RES_GRAPH)
			continue;
		*only = l->resources[i].address + 6;
		sb_addf(&b, "%s%s", (*n)++ ? ", " : "", *only);
	}
	sb_addch(&b, ']');
	return sb_detach(&b);
}

static int pick_graph(const struct ledger *l, const char *cluster, const char *graph, const char **out, struct err *e)
{
	const char *only = NULL;
	size_t n;
	char *list = applied_graphs(l, &n, &only);
	int rc = 0;

	if (graph) {
		struct strbuf address = STRBUF_INIT;

		sb_addf(&address, "graph.%s", graph);
		if (!ledger_find(l, address.s))
			rc = err_set(
				e, ERR_NOT_FOUND,
				"graph `%s` is not applied in cluster `%s` (applied graphs: %s); declare it and run "
				"`omnigraph cluster apply`",
				graph, cluster, list);
		sb_free(&address);
		*out = graph;
	} else if (n == 1) {
		*out = only;
	} else if (!n) {
		rc = err_set(e, ERR_NOT_FOUND, "cluster `%s` has no applied graphs; run `cluster apply` first",
			     cluster);
	} else {
		rc = err_set(e, ERR_BAD_REQUEST, "cluster `%s` has %zu graphs: %s; pass --graph <id> to select one",
			     cluster, n, list);
	}
	free(list);
	return rc;
}

static int first_error(struct diag_list *d, struct err *e)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->items[i].severity == DIAG_ERROR)
			return err_set(e, ERR_BAD_REQUEST, "[%s] %s: %s", d->items[i].code, d->items[i].path,
				       d->items[i].message);
	return err_set(e, ERR_INTERNAL, "the ledger could not be read");
}

int cluster_graph_uri(const char *cluster, const char *graph, char **uri, struct err *e)
{
	struct diag_list d = DIAG_LIST_INIT;
	struct cluster_store cs = { 0 };
	struct arena a = ARENA_INIT;
	struct ledger l = { 0 };
	char *root = cluster_root_of_argument(cluster);
	const char *id = NULL;
	int rc;

	rc = cluster_store_open(root, true, &cs, e);
	if (!rc && !ledger_read(&cs, &l, &d))
		rc = first_error(&d, e);
	if (!rc && !l.found)
		rc = err_set(e, ERR_NOT_FOUND,
			     "[cluster_state_missing] cluster `%s` has no ledger; run `omnigraph cluster apply`",
			     cluster);
	if (!rc)
		rc = pick_graph(&l, cluster, graph, &id, e);
	if (!rc)
		*uri = mem_strdup(graph_root(&cs, &a, id));
	ledger_clear(&l);
	cluster_store_close(&cs);
	diag_free(&d);
	arena_free(&a);
	free(root);
	return rc;
}

/* "<root>" of "<root>/graphs/<id>.omni", or NULL. */
static char *managing_root(const char *uri)
{
	struct str u = str_from(uri);
	char *slash, *copy;

	while (u.n > 1 && u.s[u.n - 1] == '/')
		u.n--;
	if (!str_ends(u, STR(".omni")))
		return NULL;
	copy = str_dup(u);
	slash = strrchr(copy, '/');
	if (slash && strlen(slash) > sizeof("/.omni") - 1) {
		*slash = 0;
		if (str_ends(str_from(copy), STR("/graphs"))) {
			copy[strlen(copy) - 7] = 0;
			return copy;
		}
	}
	free(copy);
	return NULL;
}

int cluster_root_of(const char *graph_uri, char **root, struct err *e)
{
	char *canonical = cluster_root_resolve(graph_uri), *candidate = managing_root(canonical);
	struct cluster_store cs = { 0 };
	struct store_stat st;
	int rc = 0;

	*root = NULL;
	if (candidate) {
		rc = cluster_store_open(candidate[0] ? candidate : "/", true, &cs, e);
		if (!rc && !store_head(cs.s, KEY_STATE, &st, NULL))
			*root = mem_strdup(cs.root);
		cluster_store_close(&cs);
	}
	free(candidate);
	free(canonical);
	return rc;
}
