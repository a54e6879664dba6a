/* SPDX-License-Identifier: MIT */
/*
 * config.h - cluster.yaml as written: strict parse, header checks (spec/cluster.md 3). No declared file is read here.
 * Ownership: everything lives in the configuration's arena. One thread.
 */
#ifndef CLUSTER_CONFIG_H
#define CLUSTER_CONFIG_H

#include <omnigraph/diag.h>
#include <omnigraph/yaml.h>

struct cfg_provider {
	const char *name, *kind, *base_url, *model, *api_key; /* NULL: absent */
};

struct cfg_blob_base {
	const char *base, *scope;
};

enum cfg_query_form { QUERIES_NONE, QUERIES_STRING, QUERIES_LIST, QUERIES_MAP };

struct cfg_graph {
	const char *id, *schema, *embedding_provider;
	enum cfg_query_form query_form;
	size_t n_queries;
	const char **query_names; /* QUERIES_MAP: ascending */
	const char **query_files; /* paths as written */
	size_t n_bases;
	struct cfg_blob_base *bases;
};

struct cfg_policy {
	const char *name, *file;
	size_t n_applies;
	const char **applies_to; /* as written */
};

struct cluster_config {
	struct arena arena;
	const char *dir;  /* as given */
	const char *file; /* "<dir>/cluster.yaml" */
	bool parsed;	  /* the strict parse succeeded */
	uint64_t version;
	const char *name, *storage, *backend;
	bool has_lock, lock;
	size_t n_providers, n_graphs, n_policies; /* each ascending by name */
	struct cfg_provider *providers;
	struct cfg_graph *graphs;
	struct cfg_policy *policies;
};

/*
 * Steps 1 to 5 of spec/cluster.md 3.2. Problems go to @d; cfg->parsed tells how far it came. Clear in every case.
 */
void cluster_config_load(const char *dir, struct cluster_config *cfg, struct diag_list *d);
void cluster_config_clear(struct cluster_config *cfg);
/* Letter or '_', then letters, digits, '_', '-'. */
bool cluster_id_valid(const char *id);
/* Canonical JSON of the configuration (4.3), appended. */
void cluster_config_canonical(const struct cluster_config *cfg, struct strbuf *out);
/* Canonical JSON of an embedding profile, appended. */
void cluster_profile_canonical(const struct cfg_provider *p, struct strbuf *out);
/* The storage root: `storage:` when the file parsed and the value is usable, else the directory itself (2.1, 14.1). Malloced. */
char *cluster_config_root(const struct cluster_config *cfg);

#endif
