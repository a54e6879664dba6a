/* SPDX-License-Identifier: MIT */
#include "cluster/config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>
#include <omnigraph/util.h>

#include "cluster/cluster_store.h"

#define MESSAGE_MAX 512

/* State of the strict parse: it stops at the first problem, which becomes one invalid_cluster_yaml. */
struct strict {
	struct cluster_config *cfg;
	char error[MESSAGE_MAX]; /* "" while all is well */
};

static void fail(struct strict *s, const struct yaml *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fail(struct strict *s, const struct yaml *at, const char *fmt, ...)
{
	char what[MESSAGE_MAX - 64];
	va_list ap;

	if (s->error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (at)
		snprintf(s->error, sizeof(s->error), "%s at line %u column %u", what, at->line, at->column);
	else
		snprintf(s->error, sizeof(s->error), "%s", what);
}

static const char *kind_of(const struct yaml *v)
{
	return !v ? "nothing" : v->type == YAML_MAP ? "map" : v->type == YAML_SEQ ? "sequence" : "scalar";
}

static bool want_map(struct strict *s, const struct yaml *v, const char *path)
{
	if (v->type == YAML_MAP)
		return true;
	fail(s, v, "%s: invalid type: %s, expected a map", path, kind_of(v));
	return false;
}

/* Refuse keys outside the NULL-terminated list. */
static void known_keys(struct strict *s, const struct yaml *map, const char *path, const char *const *keys)
{
	for (size_t i = 0; i < map->n; i++) {
		struct strbuf list = STRBUF_INIT;
		size_t k = 0;

		while (keys[k] && !str_eqz(map->keys[i].text, keys[k]))
			k++;
		if (keys[k])
			continue;
		for (k = 0; keys[k]; k++)
			sb_addf(&list, "%s`%s`", k ? ", " : "", keys[k]);
		fail(s, &map->keys[i], "%s%sunknown field `%.*s`, expected one of %s", path, path[0] ? ": " : "",
		     STR_ARG(map->keys[i].text), list.s);
		sb_free(&list);
	}
}

/* A scalar as text, NULL when absent or null. */
static const char *text_of(struct strict *s, const struct yaml *v, const char *path)
{
	if (yaml_is_null(v))
		return NULL;
	if (v->type != YAML_SCALAR) {
		fail(s, v, "%s: invalid type: %s, expected a string", path, kind_of(v));
		return NULL;
	}
	return arena_str(&s->cfg->arena, v->text).s;
}

static const char *required_text(struct strict *s, const struct yaml *map, const char *name, const char *path)
{
	const char *v = text_of(s, yaml_get(map, name), path);

	if (!v)
		fail(s, map, "%s: missing field `%s`", path, name);
	return v;
}

static const char *path_of(struct strict *s, const char *prefix, struct str name)
{
	return arena_printf(&s->cfg->arena, "%s.%.*s", prefix, STR_ARG(name));
}

/* Entries of a map of named things, ascending by name. */
struct named {
	struct str name;
	const struct yaml *value;
};

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static size_t sorted_entries(struct strict *s, const struct yaml *map, const char *path, struct named **out)
{
	struct named *n;

	*out = NULL;
	if (yaml_is_null(map) || !want_map(s, map, path))
		return 0;
	n = arena_array(&s->cfg->arena, struct named, map->n + 1);
	for (size_t i = 0; i < map->n; i++) {
		if (map->keys[i].type != YAML_SCALAR)
			fail(s, &map->keys[i], "%s: a key must be a string", path);
		n[i] = (struct named){ map->keys[i].text, &map->items[i] };
	}
	qsort(n, map->n, sizeof(*n), by_name);
	*out = n;
	return map->n;
}

static void parse_providers(struct strict *s, const struct yaml *v)
{
	static const char *const top[] = { "embedding", NULL };
	static const char *const keys[] = { "kind", "provider", "base_url", "model", "api_key", NULL };
	struct cluster_config *cfg = s->cfg;
	struct named *n;

	if (yaml_is_null(v) || !want_map(s, v, "providers"))
		return;
	known_keys(s, v, "providers", top);
	cfg->n_providers = sorted_entries(s, yaml_get(v, "embedding"), "providers.embedding", &n);
	cfg->providers = arena_array(&cfg->arena, struct cfg_provider, cfg->n_providers + 1);
	for (size_t i = 0; i < cfg->n_providers; i++) {
		const char *path = path_of(s, "providers.embedding", n[i].name);
		const struct yaml *m = n[i].value;
		struct cfg_provider *p = &cfg->providers[i];

		p->name = arena_str(&cfg->arena, n[i].name).s;
		if (yaml_is_null(m) || !want_map(s, m, path))
			continue;
		known_keys(s, m, path, keys);
		if (yaml_get(m, "kind") && yaml_get(m, "provider"))
			fail(s, m, "%s: duplicate field `kind` (`provider` is its alias)", path);
		p->kind = text_of(s, yaml_get(m, yaml_get(m, "kind") ? "kind" : "provider"), path);
		p->base_url = text_of(s, yaml_get(m, "base_url"), path);
		p->model = text_of(s, yaml_get(m, "model"), path);
		p->api_key = text_of(s, yaml_get(m, "api_key"), path);
	}
}

static void parse_query_map(struct strict *s, struct cfg_graph *g, const struct yaml *v, const char *path)
{
	static const char *const keys[] = { "file", NULL };
	struct named *n;

	g->query_form = QUERIES_MAP;
	g->n_queries = sorted_entries(s, v, path, &n);
	g->query_names = arena_array(&s->cfg->arena, const char *, g->n_queries + 1);
	g->query_files = arena_array(&s->cfg->arena, const char *, g->n_queries + 1);
	for (size_t i = 0; i < g->n_queries; i++) {
		const char *qpath = path_of(s, path, n[i].name);

		g->query_names[i] = arena_str(&s->cfg->arena, n[i].name).s;
		if (yaml_is_null(n[i].value) || n[i].value->type != YAML_MAP) {
			fail(s, n[i].value, "%s: expected a map with `file`", qpath);
			continue;
		}
		known_keys(s, n[i].value, qpath, keys);
		g->query_files[i] = required_text(s, n[i].value, "file", qpath);
	}
}

static void parse_queries(struct strict *s, struct cfg_graph *g, const struct yaml *v, const char *path)
{
	if (yaml_is_null(v))
		return;
	if (v->type == YAML_MAP) {
		parse_query_map(s, g, v, path);
		return;
	}
	g->query_form = v->type == YAML_SEQ ? QUERIES_LIST : QUERIES_STRING;
	g->n_queries = v->type == YAML_SEQ ? v->n : 1;
	g->query_files = arena_array(&s->cfg->arena, const char *, g->n_queries + 1);
	for (size_t i = 0; i < g->n_queries; i++) {
		g->query_files[i] = text_of(s, v->type == YAML_SEQ ? &v->items[i] : v, path);
		if (!g->query_files[i])
			fail(s, v, "%s: a query path must be a string", path);
	}
}

static void parse_blobs(struct strict *s, struct cfg_graph *g, const struct yaml *v, const char *path)
{
	static const char *const top[] = { "allow", NULL };
	static const char *const keys[] = { "base", "scope", NULL };
	const struct yaml *allow;

	if (yaml_is_null(v) || !want_map(s, v, path))
		return;
	known_keys(s, v, path, top);
	allow = yaml_get(v, "allow");
	if (yaml_is_null(allow))
		return;
	if (allow->type != YAML_SEQ) {
		fail(s, allow, "%s.allow: invalid type: %s, expected a list", path, kind_of(allow));
		return;
	}
	g->n_bases = allow->n;
	g->bases = arena_array(&s->cfg->arena, struct cfg_blob_base, allow->n + 1);
	for (size_t i = 0; i < allow->n; i++) {
		const char *p = arena_printf(&s->cfg->arena, "%s.allow[%zu]", path, i);

		if (!want_map(s, &allow->items[i], p))
			return;
		known_keys(s, &allow->items[i], p, keys);
		g->bases[i].base = required_text(s, &allow->items[i], "base", p);
		g->bases[i].scope = required_text(s, &allow->items[i], "scope", p);
		if (g->bases[i].scope && strcmp(g->bases[i].scope, "server_safe") &&
		    strcmp(g->bases[i].scope, "embedded_only"))
			fail(s, &allow->items[i],
			     "%s.scope: unknown variant `%s`, expected `server_safe` or `embedded_only`", p,
			     g->bases[i].scope);
	}
}

static void parse_graphs(struct strict *s, const struct yaml *v)
{
	static const char *const keys[] = { "schema", "queries", "embedding_provider", "external_blobs", NULL };
	struct cluster_config *cfg = s->cfg;
	struct named *n;

	cfg->n_graphs = sorted_entries(s, v, "graphs", &n);
	cfg->graphs = arena_array(&cfg->arena, struct cfg_graph, cfg->n_graphs + 1);
	for (size_t i = 0; i < cfg->n_graphs; i++) {
		const char *path = path_of(s, "graphs", n[i].name);
		const struct yaml *m = n[i].value;
		struct cfg_graph *g = &cfg->graphs[i];

		g->id = arena_str(&cfg->arena, n[i].name).s;
		if (yaml_is_null(m)) {
			fail(s, m, "%s: missing field `schema`", path);
			continue;
		}
		if (!want_map(s, m, path))
			continue;
		known_keys(s, m, path, keys);
		g->schema = required_text(s, m, "schema", path);
		g->embedding_provider = text_of(s, yaml_get(m, "embedding_provider"), path);
		parse_queries(s, g, yaml_get(m, "queries"), path_of(s, path, STR("queries")));
		parse_blobs(s, g, yaml_get(m, "external_blobs"), path_of(s, path, STR("external_blobs")));
	}
}

static void parse_policies(struct strict *s, const struct yaml *v)
{
	static const char *const keys[] = { "file", "applies_to", NULL };
	struct cluster_config *cfg = s->cfg;
	struct named *n;

	cfg->n_policies = sorted_entries(s, v, "policies", &n);
	cfg->policies = arena_array(&cfg->arena, struct cfg_policy, cfg->n_policies + 1);
	for (size_t i = 0; i < cfg->n_policies; i++) {
		const char *path = path_of(s, "policies", n[i].name);
		const struct yaml *m = n[i].value, *to;
		struct cfg_policy *p = &cfg->policies[i];

		p->name = arena_str(&cfg->arena, n[i].name).s;
		if (yaml_is_null(m) || !want_map(s, m, path)) {
			fail(s, m, "%s: missing field `file`", path);
			continue;
		}
		known_keys(s, m, path, keys);
		p->file = required_text(s, m, "file", path);
		to = yaml_get(m, "applies_to");
		if (!to || to->type != YAML_SEQ) {
			fail(s, to ? to : m, to ? "%s.applies_to: expected a list" : "%s: missing field `applies_to`",
			     path);
			continue;
		}
		p->n_applies = to->n;
		p->applies_to = arena_array(&cfg->arena, const char *, to->n + 1);
		for (size_t k = 0; k < to->n; k++) {
			p->applies_to[k] = text_of(s, &to->items[k], path);
			if (!p->applies_to[k])
				fail(s, &to->items[k], "%s.applies_to[%zu]: expected a string", path, k);
		}
	}
}

static void parse_header(struct strict *s, const struct yaml *root)
{
	static const char *const meta[] = { "name", NULL };
	static const char *const state[] = { "backend", "lock", NULL };
	struct cluster_config *cfg = s->cfg;
	const struct yaml *v = yaml_get(root, "version"), *m;

	if (!v)
		fail(s, NULL, "missing field `version`");
	else if (!yaml_to_u64(v, &cfg->version))
		fail(s, v, "version: invalid type, expected an unsigned integer");
	m = yaml_get(root, "metadata");
	if (!yaml_is_null(m) && want_map(s, m, "metadata")) {
		known_keys(s, m, "metadata", meta);
		cfg->name = text_of(s, yaml_get(m, "name"), "metadata.name");
	}
	cfg->storage = text_of(s, yaml_get(root, "storage"), "storage");
	m = yaml_get(root, "state");
	if (yaml_is_null(m) || !want_map(s, m, "state"))
		return;
	known_keys(s, m, "state", state);
	cfg->backend = text_of(s, yaml_get(m, "backend"), "state.backend");
	v = yaml_get(m, "lock");
	if (!yaml_is_null(v)) {
		cfg->has_lock = yaml_to_bool(v, &cfg->lock);
		if (!cfg->has_lock)
			fail(s, v, "state.lock: invalid type, expected a boolean");
	}
}

static void parse_strict(struct strict *s, const struct yaml *root)
{
	static const char *const keys[] = { "version",	 "metadata", "storage",	 "state",
					    "providers", "graphs",   "policies", NULL };

	if (root->type != YAML_MAP) {
		fail(s, root, "invalid type: %s, expected a map", kind_of(root));
		return;
	}
	known_keys(s, root, "", keys);
	parse_header(s, root);
	parse_providers(s, yaml_get(root, "providers"));
	parse_graphs(s, yaml_get(root, "graphs"));
	parse_policies(s, yaml_get(root, "policies"));
}

/* --- scans before the strict parse (3.2 step 3) ----------------------------------------------------- */

static void scan_duplicates(struct arena *a, const struct yaml *v, const char *path, struct diag_list *d)
{
	struct map seen = MAP_INIT;

	for (size_t i = 0; i < v->n; i++) {
		const char *sub = path;

		if (v->type == YAML_MAP) {
			struct str k = v->keys[i].text;

			sub = arena_printf(a, "%s%s%.*s", path, path[0] ? "." : "", STR_ARG(k));
			if (!map_add(&seen, k, (void *)v))
				diag_add(d, DIAG_ERROR, "duplicate_yaml_key", sub,
					 "duplicate YAML key `%.*s` on line %u", STR_ARG(k), v->keys[i].line);
		} else {
			sub = arena_printf(a, "%s[]", path);
		}
		if (v->items[i].type != YAML_SCALAR)
			scan_duplicates(a, &v->items[i], sub, d);
	}
	map_free(&seen);
}

static void scan_reserved(struct arena *a, const struct yaml *root, struct diag_list *d)
{
	static const char *const future[] = { "apply", "env_file", "pipelines", "embeddings",
					      "ui",    "aliases",  "bindings" };
	const struct yaml *graphs;

	if (root->type != YAML_MAP)
		return;
	for (size_t i = 0; i < root->n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(future); k++)
			if (str_eqz(root->keys[i].text, future[k]))
				diag_add(d, DIAG_ERROR, "future_phase_field", future[k],
					 "`%s` is reserved for a later version of cluster.yaml; remove it", future[k]);
	graphs = yaml_get(root, "graphs");
	for (size_t i = 0; graphs && graphs->type == YAML_MAP && i < graphs->n; i++)
		if (yaml_get(&graphs->items[i], "streaming"))
			diag_add(d, DIAG_ERROR, "removed_streaming_declaration",
				 arena_printf(a, "graphs.%.*s.streaming", STR_ARG(graphs->keys[i].text)),
				 "`streaming` is no longer part of cluster.yaml; remove it");
}

static bool blank(const char *s)
{
	return str_trim(str_from(s)).n == 0;
}

static bool storage_names_no_bucket(struct str v)
{
	return str_starts(v, STR("s3://")) && (v.n == 5 || v.s[5] == '/');
}

static void check_header(const struct cluster_config *cfg, struct diag_list *d)
{
	if (cfg->version != 1)
		diag_add(d, DIAG_ERROR, "unsupported_cluster_config_version", "version",
			 "cluster.yaml version %llu is not supported; write `version: 1`",
			 (unsigned long long)cfg->version);
	if (cfg->name && blank(cfg->name))
		diag_add(d, DIAG_ERROR, "empty_metadata_name", "metadata.name",
			 "metadata.name is blank; give a name or remove the key");
	if (cfg->backend && strcmp(cfg->backend, "cluster"))
		diag_add(d, DIAG_ERROR, "unsupported_state_backend", "state.backend",
			 "state backend '%s' is not supported; write `cluster` or remove the key", cfg->backend);
	if (cfg->storage) {
		struct str v = str_trim(str_from(cfg->storage));

		if (!v.n)
			diag_add(d, DIAG_ERROR, "invalid_storage_root", "storage",
				 "storage is blank; name a directory or s3://bucket/prefix, or remove the key");
		else if (storage_names_no_bucket(v))
			diag_add(d, DIAG_ERROR, "invalid_storage_root", "storage",
				 "storage '%.*s' names no bucket; write s3://bucket/prefix", STR_ARG(v));
	}
}

void cluster_config_load(const char *dir, struct cluster_config *cfg, struct diag_list *d)
{
	struct strict s = { .cfg = cfg };
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct yaml *root = NULL;
	size_t before = d->n_errors;
	struct stat st;

	*cfg = (struct cluster_config){ 0 };
	cfg->dir = arena_strdup(&cfg->arena, dir);
	cfg->file = arena_printf(&cfg->arena, "%s/cluster.yaml", dir);
	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		diag_add(d, DIAG_ERROR, "config_dir_not_found", dir, "'%s' is not a directory; pass --config <dir>",
			 dir);
		return;
	}
	if (file_read(cfg->file, LIMIT_YAML_BYTES, &text, &e)) {
		diag_add(d, DIAG_ERROR, "cluster_config_read_error", "cluster.yaml", "could not read %s: %s", cfg->file,
			 err_msg(&e));
		goto out;
	}
	if (yaml_parse(&cfg->arena, arena_str(&cfg->arena, sb_str(&text)), &root, &e)) {
		diag_add(d, DIAG_ERROR, "invalid_cluster_yaml", "cluster.yaml", "could not parse cluster.yaml: %s",
			 err_msg(&e));
		goto out;
	}
	if (!root) {
		diag_add(d, DIAG_ERROR, "invalid_cluster_yaml", "cluster.yaml",
			 "could not parse cluster.yaml: missing field `version`");
		goto out;
	}
	scan_duplicates(&cfg->arena, root, "", d);
	scan_reserved(&cfg->arena, root, d);
	if (d->n_errors > before)
		goto out;
	parse_strict(&s, root);
	if (s.error[0]) {
		diag_add(d, DIAG_ERROR, "invalid_cluster_yaml", "cluster.yaml", "could not parse cluster.yaml: %s",
			 s.error);
		goto out;
	}
	cfg->parsed = true;
	check_header(cfg, d);
out:
	sb_free(&text);
	err_clear(&e);
}

void cluster_config_clear(struct cluster_config *cfg)
{
	arena_free(&cfg->arena);
	*cfg = (struct cluster_config){ 0 };
}

bool cluster_id_valid(const char *id)
{
	if (!((*id >= 'a' && *id <= 'z') || (*id >= 'A' && *id <= 'Z') || *id == '_'))
		return false;
	for (id++; *id; id++)
		if (!((*id >= 'a' && *id <= 'z') || (*id >= 'A' && *id <= 'Z') || (*id >= '0' && *id <= '9') ||
		      *id == '_' || *id == '-'))
			return false;
	return true;
}

char *cluster_config_root(const struct cluster_config *cfg)
{
	struct str v = str_trim(str_from(cfg->parsed && cfg->storage ? cfg->storage : ""));

	if (v.n && !storage_names_no_bucket(v))
		return cluster_root_resolve(cfg->storage);
	return path_absolute(cfg->dir);
}

/* --- canonical JSON (4.3) ---------------------------------------------------------------------------- */

void cluster_profile_canonical(const struct cfg_provider *p, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	if (p->kind)
		jw_kstrz(&w, "kind", p->kind);
	if (p->base_url)
		jw_kstrz(&w, "base_url", p->base_url);
	if (p->model)
		jw_kstrz(&w, "model", p->model);
	if (p->api_key)
		jw_kstrz(&w, "api_key", p->api_key);
	jw_end_object(&w);
}

static void canonical_queries(struct json_writer *w, const struct cfg_graph *g)
{
	switch (g->query_form) {
	case QUERIES_NONE:
		jw_begin_object(w);
		jw_end_object(w);
		break;
	case QUERIES_STRING:
		jw_strz(w, g->query_files[0]);
		break;
	case QUERIES_LIST:
		jw_begin_array(w);
		for (size_t i = 0; i < g->n_queries; i++)
			jw_strz(w, g->query_files[i]);
		jw_end_array(w);
		break;
	case QUERIES_MAP:
		jw_begin_object(w);
		for (size_t i = 0; i < g->n_queries; i++) {
			jw_keyz(w, g->query_names[i]);
			jw_begin_object(w);
			jw_kstrz(w, "file", g->query_files[i]);
			jw_end_object(w);
		}
		jw_end_object(w);
		break;
	}
}

static void canonical_graph(struct json_writer *w, const struct cfg_graph *g)
{
	jw_keyz(w, g->id);
	jw_begin_object(w);
	jw_kstrz(w, "schema", g->schema);
	jw_keyz(w, "queries");
	canonical_queries(w, g);
	jw_kstrz(w, "embedding_provider", g->embedding_provider);
	if (g->n_bases) {
		jw_keyz(w, "external_blobs");
		jw_begin_object(w);
		jw_keyz(w, "allow");
		jw_begin_array(w);
		for (size_t i = 0; i < g->n_bases; i++) {
			jw_begin_object(w);
			jw_kstrz(w, "base", g->bases[i].base);
			jw_kstrz(w, "scope", g->bases[i].scope);
			jw_end_object(w);
		}
		jw_end_array(w);
		jw_end_object(w);
	}
	jw_end_object(w);
}

void cluster_config_canonical(const struct cluster_config *cfg, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_ku64(&w, "version", cfg->version);
	jw_keyz(&w, "metadata");
	jw_begin_object(&w);
	jw_kstrz(&w, "name", cfg->name);
	jw_end_object(&w);
	jw_kstrz(&w, "storage", cfg->storage);
	jw_keyz(&w, "state");
	jw_begin_object(&w);
	jw_kstrz(&w, "backend", cfg->backend);
	jw_keyz(&w, "lock");
	if (cfg->has_lock)
		jw_bool(&w, cfg->lock);
	else
		jw_null(&w);
	jw_end_object(&w);
	jw_keyz(&w, "providers");
	jw_begin_object(&w);
	jw_keyz(&w, "embedding");
	jw_begin_object(&w);
	for (size_t i = 0; i < cfg->n_providers; i++) {
		jw_keyz(&w, cfg->providers[i].name);
		struct strbuf p = STRBUF_INIT;

		cluster_profile_canonical(&cfg->providers[i], &p);
		jw_raw(&w, sb_str(&p));
		sb_free(&p);
	}
	jw_end_object(&w);
	jw_end_object(&w);
	jw_keyz(&w, "graphs");
	jw_begin_object(&w);
	for (size_t i = 0; i < cfg->n_graphs; i++)
		canonical_graph(&w, &cfg->graphs[i]);
	jw_end_object(&w);
	jw_keyz(&w, "policies");
	jw_begin_object(&w);
	for (size_t i = 0; i < cfg->n_policies; i++) {
		const struct cfg_policy *p = &cfg->policies[i];

		jw_keyz(&w, p->name);
		jw_begin_object(&w);
		jw_kstrz(&w, "file", p->file);
		jw_keyz(&w, "applies_to");
		jw_begin_array(&w);
		for (size_t k = 0; k < p->n_applies; k++)
			jw_strz(&w, p->applies_to[k]);
		jw_end_array(&w);
		jw_end_object(&w);
	}
	jw_end_object(&w);
	jw_end_object(&w);
}
