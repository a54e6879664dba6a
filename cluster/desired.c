/* SPDX-License-Identifier: MIT */
#include "cluster/desired.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include <omnigraph/catalog.h>
#include <omnigraph/limits.h>
#include <omnigraph/map.h>
#include <omnigraph/policy.h>
#include <omnigraph/query.h>

#include "cluster/blob_policy.h"

#define QUERY_FILES_MAX 4096 /* .gq files of one directory */

struct loader {
	struct desired *out;
	struct arena *a;
	struct diag_list *d;
};

/* --- addresses ------------------------------------------------------------------------------------ */

enum resource_kind resource_kind_of(const char *address)
{
	if (!strncmp(address, "graph.", 6))
		return RES_GRAPH;
	if (!strncmp(address, "schema.", 7))
		return RES_SCHEMA;
	if (!strncmp(address, "query.", 6))
		return strchr(address + 6, '.') ? RES_QUERY : RES_UNKNOWN;
	if (!strncmp(address, "policy.", 7))
		return RES_POLICY;
	if (!strncmp(address, "provider.embedding.", 19))
		return RES_PROVIDER;
	return RES_UNKNOWN;
}

const char *resource_kind_word(enum resource_kind k)
{
	static const char *const words[] = { "graph", "policy", "embedding_provider", "query", "schema", "unknown" };

	return words[k];
}

const char *resource_graph(struct arena *a, const char *address)
{
	switch (resource_kind_of(address)) {
	case RES_GRAPH:
		return address + 6;
	case RES_SCHEMA:
		return address + 7;
	case RES_QUERY:
		return arena_str(a, (struct str){ address + 6, strcspn(address + 6, ".") }).s;
	default:
		return NULL;
	}
}

static struct resource *add_resource(struct loader *l, enum resource_kind kind, const char *address)
{
	struct desired *d = l->out;

	MEM_GROW(d->resources, d->n, d->cap);
	d->resources[d->n] = (struct resource){ .address = address, .kind = kind };
	return &d->resources[d->n++];
}

static void add_dep(struct loader *l, const char *from, const char *to)
{
	struct desired *d = l->out;

	for (size_t i = 0; i < d->n_deps; i++)
		if (!strcmp(d->deps[i].from, from) && !strcmp(d->deps[i].to, to))
			return;
	MEM_GROW(d->deps, d->n_deps, d->cap_deps);
	d->deps[d->n_deps++] = (struct dependency){ from, to };
}

/* --- files ---------------------------------------------------------------------------------------- */

static const char *source_path(struct loader *l, const char *file)
{
	return file[0] == '/' ? file : arena_printf(l->a, "%s/%s", l->out->cfg.dir, file);
}

/* Content in the arena; false with the reason in *why. */
static bool read_source(struct loader *l, const char *path, size_t max, struct str *out, const char **why)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	bool ok = !file_read(path, max, &b, &e);

	if (ok)
		*out = arena_str(l->a, sb_str(&b));
	else
		*why = arena_strdup(l->a, err_msg(&e));
	sb_free(&b);
	err_clear(&e);
	return ok;
}

static void check_id(struct loader *l, const char *id, const char *path)
{
	if (!cluster_id_valid(id))
		diag_add(l->d, DIAG_ERROR, "invalid_resource_id", path,
			 "'%s' is not a valid name: start with a letter or '_', then letters, digits, '_' or '-'", id);
}

/* --- providers ------------------------------------------------------------------------------------ */

static bool is_env_reference(const char *v)
{
	struct str s = str_trim(str_from(v));

	return s.n > 3 && s.s[0] == '$' && s.s[1] == '{' && s.s[s.n - 1] == '}' &&
	       str_trim((struct str){ s.s + 2, s.n - 3 }).n;
}

static bool known_provider_kind(const char *kind)
{
	return !kind || !strcmp(kind, "openai-compatible") || !strcmp(kind, "openai") || !strcmp(kind, "gemini") ||
	       !strcmp(kind, "mock");
}

static void load_provider(struct loader *l, const struct cfg_provider *p)
{
	const char *path = arena_printf(l->a, "providers.embedding.%s", p->name);
	const char *key = arena_printf(l->a, "%s.api_key", path);
	struct resource *r;

	check_id(l, p->name, path);
	if (!known_provider_kind(p->kind))
		diag_add(l->d, DIAG_ERROR, "invalid_embedding_provider", path,
			 "unknown embedding provider kind '%s' (expected openai-compatible, openai, gemini or mock)",
			 p->kind);
	if (p->api_key && !is_env_reference(p->api_key))
		diag_add(l->d, DIAG_ERROR, "embedding_api_key_inline", key,
			 "an API key is never written into cluster.yaml; write ${NAME} and set NAME for the server");
	else if (!p->api_key && (!p->kind || strcmp(p->kind, "mock")))
		diag_add(l->d, DIAG_ERROR, "embedding_api_key_required", key, "api_key is required; write ${NAME}");
	r = add_resource(l, RES_PROVIDER, arena_printf(l->a, "provider.embedding.%s", p->name));
	r->profile = p;
	provider_digest(p, r->digest);
}

/* Address of the provider a graph names, or NULL with a diagnostic. */
static const char *graph_provider(struct loader *l, const struct cfg_graph *g)
{
	const char *path = arena_printf(l->a, "graphs.%s.embedding_provider", g->id), *name = g->embedding_provider;

	if (!name)
		return NULL;
	if (!strncmp(name, "provider.embedding.", 19)) {
		name += 19;
	} else if (strchr(name, '.')) {
		diag_add(l->d, DIAG_ERROR, "wrong_kind_reference", path,
			 "'%s' is not an embedding provider; write a name of providers.embedding", name);
		return NULL;
	}
	for (size_t i = 0; i < l->out->cfg.n_providers; i++)
		if (!strcmp(l->out->cfg.providers[i].name, name))
			return arena_printf(l->a, "provider.embedding.%s", name);
	diag_add(l->d, DIAG_ERROR, "dangling_embedding_provider_reference", path,
		 "embedding provider '%s' is not declared under providers.embedding", name);
	return NULL;
}

/* --- external blobs ------------------------------------------------------------------------------- */

struct norm_base {
	const char *uri, *scope, *resolved;
};

static int by_base(const void *a, const void *b)
{
	const struct norm_base *x = a, *y = b;
	int c = strcmp(x->uri, y->uri);

	return c ? c : strcmp(y->scope, x->scope); /* server_safe before embedded_only */
}

static const char *blob_policy_json(struct loader *l, const struct norm_base *bases, size_t n)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	const char *out;

	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "mode", "allow");
	jw_keyz(&w, "bases");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++) {
		jw_begin_object(&w);
		jw_kstrz(&w, "uri", bases[i].uri);
		jw_kstrz(&w, "scope", bases[i].scope);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	out = arena_str(l->a, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

static bool bases_disjoint(struct loader *l, const struct cfg_graph *g, struct norm_base *bases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bases[i].resolved = blob_base_resolve(l->a, bases[i].uri);
		for (size_t k = 0; k < i; k++) {
			if (!blob_bases_overlap(bases[k].resolved, bases[i].resolved))
				continue;
			diag_add(l->d, DIAG_ERROR, "invalid_external_blob_policy",
				 arena_printf(l->a, "graphs.%s.external_blobs.allow", g->id),
				 "bases '%s' and '%s' overlap; keep one", bases[k].uri, bases[i].uri);
			return false;
		}
	}
	return true;
}

static const char *graph_blob_policy(struct loader *l, const struct cfg_graph *g)
{
	struct norm_base *bases = arena_array(l->a, struct norm_base, g->n_bases + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->n_bases; i++) {
		struct err e = ERR_INIT;

		bases[n].scope = g->bases[i].scope;
		if (blob_base_normalize(l->a, g->bases[i].base, !strcmp(g->bases[i].scope, "server_safe"),
					&bases[n].uri, &e))
			diag_add(l->d, DIAG_ERROR, "invalid_external_blob_base",
				 arena_printf(l->a, "graphs.%s.external_blobs.allow[%zu].base", g->id, i), "%s",
				 err_msg(&e));
		else
			n++;
		err_clear(&e);
	}
	if (!n)
		return NULL;
	qsort(bases, n, sizeof(*bases), by_base);
	return bases_disjoint(l, g, bases, n) ? blob_policy_json(l, bases, n) : NULL;
}

/* --- queries -------------------------------------------------------------------------------------- */

struct graph_load {
	struct loader *l;
	const struct cfg_graph *g;
	struct catalog *catalog; /* NULL when the schema is invalid */
	struct map names;	 /* query name -> file it came from */
};

static void typecheck(struct graph_load *gl, const struct query_decl *decl, const char *path)
{
	struct query *q = NULL;
	struct err e = ERR_INIT;

	if (!gl->catalog)
		diag_add(gl->l->d, DIAG_WARNING, "query_typecheck_skipped", path,
			 "not type-checked, because the schema of the graph is invalid");
	else if (query_compile(gl->catalog, decl, &q, &e))
		diag_add(gl->l->d, DIAG_ERROR, "query_typecheck_error", path, "%s", err_msg(&e));
	query_free(q);
	err_clear(&e);
}

static void register_query(struct graph_load *gl, const struct query_decl *decl, const char *name, const char *file,
			   const char *digest, const char *path)
{
	struct loader *l = gl->l;
	const char *address = arena_printf(l->a, "query.%s.%s", gl->g->id, name);
	struct resource *r = add_resource(l, RES_QUERY, address);

	r->path = file;
	r->graph = gl->g->id;
	strcpy(r->digest, digest);
	add_dep(l, address, arena_printf(l->a, "graph.%s", gl->g->id));
	add_dep(l, address, arena_printf(l->a, "schema.%s", gl->g->id));
	typecheck(gl, decl, path);
}

static void discover_file(struct graph_load *gl, const char *file)
{
	struct loader *l = gl->l;
	const char *at = arena_printf(l->a, "graphs.%s.queries", gl->g->id), *why;
	char digest[SHA256_HEX_LEN + 1];
	struct query_file *qf = NULL;
	struct err e = ERR_INIT;
	struct str src;

	if (!read_source(l, file, LIMIT_QUERY_BYTES, &src, &why)) {
		diag_add(l->d, DIAG_ERROR, "query_file_missing", at, "could not read query file %s: %s", file, why);
		return;
	}
	if (query_file_parse(src, &qf, &e)) {
		diag_add(l->d, DIAG_ERROR, "query_parse_error", at, "%s: %s", file, err_msg(&e));
		err_clear(&e);
		return;
	}
	sha256_hex(src.s, src.n, digest);
	for (size_t i = 0; i < query_file_count(qf); i++) {
		const struct query_decl *decl = query_file_at(qf, i);
		struct str name = arena_str(l->a, query_decl_name(decl));
		const char *path = arena_printf(l->a, "graphs.%s.queries.%s", gl->g->id, name.s);
		const char *first = map_get(&gl->names, name);

		if (first && strcmp(first, file)) {
			diag_add(l->d, DIAG_ERROR, "duplicate_query_name", path,
				 "query '%s' is declared in both %s and %s", name.s, first, file);
		} else if (!first) {
			map_put(&gl->names, name, (void *)file);
			register_query(gl, decl, name.s, file, digest, path);
		}
	}
	query_file_free(qf);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void discover_dir(struct graph_load *gl, const char *dir)
{
	struct loader *l = gl->l;
	const char *at = arena_printf(l->a, "graphs.%s.queries", gl->g->id);
	const char **files = NULL;
	size_t n = 0, cap = 0;
	struct dirent *ent;
	DIR *d = opendir(dir);

	if (!d) {
		diag_add(l->d, DIAG_ERROR, "query_dir_unreadable", at, "could not list query directory %s: %s", dir,
			 strerror(errno));
		return;
	}
	while ((ent = readdir(d))) {
		struct str name = str_from(ent->d_name);

		if (n == QUERY_FILES_MAX) {
			diag_add(l->d, DIAG_ERROR, "query_dir_unreadable", at,
				 "query directory %s has more than %d .gq files; split it", dir, QUERY_FILES_MAX);
			break;
		}
		if (name.n <= 3 || !str_ends(name, STR(".gq")))
			continue;
		MEM_GROW(files, n, cap);
		files[n++] = arena_printf(l->a, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", ent->d_name);
	}
	closedir(d);
	if (n)
		qsort(files, n, sizeof(*files), by_text);
	else
		diag_add(l->d, DIAG_WARNING, "query_dir_empty", at, "query directory %s has no .gq file", dir);
	for (size_t i = 0; i < n; i++)
		discover_file(gl, files[i]);
	free(files);
}

static void discover(struct graph_load *gl, const char *entry)
{
	const char *path = source_path(gl->l, entry);
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		discover_dir(gl, path);
	else if (entry[0] && entry[strlen(entry) - 1] == '/')
		discover_dir(gl, path);
	else
		discover_file(gl, path);
}

static void explicit_query(struct graph_load *gl, const char *name, const char *file)
{
	struct loader *l = gl->l;
	const char *at = arena_printf(l->a, "graphs.%s.queries.%s", gl->g->id, name), *why;
	const char *path = source_path(l, file);
	const struct query_decl *decl;
	char digest[SHA256_HEX_LEN + 1];
	struct query_file *qf = NULL;
	struct err e = ERR_INIT;
	struct str src;

	check_id(l, name, at);
	if (!read_source(l, path, LIMIT_QUERY_BYTES, &src, &why)) {
		diag_add(l->d, DIAG_ERROR, "query_file_missing", arena_printf(l->a, "%s.file", at),
			 "could not read query file %s: %s", path, why);
		return;
	}
	sha256_hex(src.s, src.n, digest);
	if (query_file_parse(src, &qf, &e))
		diag_add(l->d, DIAG_ERROR, "query_parse_error", at, "%s: %s", path, err_msg(&e));
	else if (query_file_select(qf, name, &decl, &e))
		diag_add(l->d, DIAG_ERROR, "query_key_mismatch", at,
			 "%s declares no `query %s`; rename the key or the query", path, name);
	else
		register_query(gl, decl, name, path, digest, at);
	query_file_free(qf);
	err_clear(&e);
}

/* --- graphs --------------------------------------------------------------------------------------- */

static void load_schema(struct graph_load *gl)
{
	struct loader *l = gl->l;
	const char *path = source_path(l, gl->g->schema), *why;
	const char *at = arena_printf(l->a, "graphs.%s.schema", gl->g->id);
	const char *address = arena_printf(l->a, "schema.%s", gl->g->id);
	struct resource *r;
	struct err e = ERR_INIT;
	struct str src;

	add_dep(l, address, arena_printf(l->a, "graph.%s", gl->g->id));
	if (!read_source(l, path, LIMIT_SCHEMA_BYTES, &src, &why)) {
		diag_add(l->d, DIAG_ERROR, "schema_file_missing", at, "could not read schema file %s: %s", path, why);
		return;
	}
	r = add_resource(l, RES_SCHEMA, address);
	r->path = path;
	r->graph = gl->g->id;
	sha256_hex(src.s, src.n, r->digest);
	if (catalog_compile(src, NULL, "00000000000000000000000000", &gl->catalog, &e)) {
		bool parse = e.code == ERR_PARSE;

		diag_add(l->d, DIAG_ERROR, parse ? "schema_parse_error" : "schema_catalog_error", at, "%s: %s", path,
			 err_msg(&e));
		gl->catalog = NULL;
	}
	err_clear(&e);
}

static void load_graph(struct loader *l, const struct cfg_graph *g)
{
	struct graph_load gl = { .l = l, .g = g };
	const char *address = arena_printf(l->a, "graph.%s", g->id), *provider;
	struct resource *r;

	check_id(l, g->id, arena_printf(l->a, "graphs.%s", g->id));
	load_schema(&gl);
	for (size_t i = 0; i < g->n_queries; i++) {
		if (g->query_form == QUERIES_MAP)
			explicit_query(&gl, g->query_names[i], g->query_files[i]);
		else
			discover(&gl, g->query_files[i]);
	}
	provider = graph_provider(l, g);
	if (provider)
		add_dep(l, address, provider);
	r = add_resource(l, RES_GRAPH, address);
	r->graph = g->id;
	r->provider = provider;
	r->blob_policy = graph_blob_policy(l, g);
	catalog_put(gl.catalog);
	map_free(&gl.names);
}

static const char *digest_of(const struct desired *d, const char *address)
{
	const struct resource *r = address ? desired_find(d, address) : NULL;

	return r ? r->digest : NULL;
}

/* After everything else is known and sorted. */
static void graph_digests(struct loader *l)
{
	struct desired *d = l->out;

	for (size_t i = 0; i < d->n; i++) {
		struct resource *g = &d->resources[i];
		struct query_digest *q;
		size_t n = 0;

		if (g->kind != RES_GRAPH)
			continue;
		q = arena_array(l->a, struct query_digest, d->n);
		for (size_t k = 0; k < d->n; k++)
			if (d->resources[k].kind == RES_QUERY && !strcmp(d->resources[k].graph, g->graph))
				q[n++] = (struct query_digest){ strchr(d->resources[k].address + 6, '.') + 1,
								d->resources[k].digest };
		graph_composite(g->graph, digest_of(d, arena_printf(l->a, "schema.%s", g->graph)), q, n, g->provider,
				digest_of(d, g->provider), g->blob_policy, g->digest);
	}
}

/* --- policies ------------------------------------------------------------------------------------- */

static bool graph_declared(const struct cluster_config *cfg, const char *id)
{
	for (size_t i = 0; i < cfg->n_graphs; i++)
		if (!strcmp(cfg->graphs[i].id, id))
			return true;
	return false;
}

static void policy_bindings(struct loader *l, const struct cfg_policy *p, struct resource *r)
{
	const char **b = arena_array(l->a, const char *, p->n_applies + 1);
	size_t n = 0, k = 0;

	for (size_t i = 0; i < p->n_applies; i++) {
		const char *v = p->applies_to[i], *g = !strncmp(v, "graph.", 6) ? v + 6 : v;
		const char *at = arena_printf(l->a, "policies.%s.applies_to[%zu]", p->name, i);

		if (!strcmp(v, "cluster"))
			b[n++] = v;
		else if (strchr(g, '.'))
			diag_add(l->d, DIAG_ERROR, "wrong_kind_reference", at,
				 "'%s' is neither `cluster` nor a graph; write cluster, graph.<id> or <id>", v);
		else if (!graph_declared(&l->out->cfg, g))
			diag_add(l->d, DIAG_ERROR, "dangling_graph_reference", at, "graph '%s' is not declared", g);
		else
			b[n++] = arena_printf(l->a, "graph.%s", g);
	}
	if (n)
		qsort(b, n, sizeof(*b), by_text);
	for (size_t i = 0; i < n; i++)
		if (!k || strcmp(b[k - 1], b[i]))
			b[k++] = b[i];
	r->bindings = b;
	r->n_bindings = k;
}

static enum policy_kind binding_kind(const struct resource *r)
{
	bool cluster = false, graph = false;

	for (size_t i = 0; i < r->n_bindings; i++) {
		if (!strcmp(r->bindings[i], "cluster"))
			cluster = true;
		else
			graph = true;
	}
	return cluster == graph ? POLICY_ANY : cluster ? POLICY_SERVER : POLICY_GRAPH;
}

static void check_bindings(struct loader *l, const struct cfg_policy *p, const struct resource *r, struct map *owners)
{
	const char *at = arena_printf(l->a, "policies.%s.applies_to", p->name);

	if (!p->n_applies)
		diag_add(l->d, DIAG_ERROR, "policy_missing_applies_to", at,
			 "applies_to is empty; bind the policy to `cluster` or to graphs");
	if (r->n_bindings > 1 && binding_kind(r) == POLICY_ANY)
		diag_add(l->d, DIAG_ERROR, "policy_mixed_binding_kinds", at,
			 "one bundle cannot be bound to `cluster` and to a graph; split it");
	for (size_t i = 0; i < r->n_bindings; i++) {
		const char *owner = map_get(owners, str_from(r->bindings[i]));

		if (owner)
			diag_add(l->d, DIAG_ERROR, "duplicate_policy_binding", at,
				 "policies '%s' and '%s' are both bound to %s; one bundle per scope", owner, p->name,
				 r->bindings[i]);
		else
			map_put(owners, str_from(r->bindings[i]), (void *)p->name);
	}
}

static void load_policy(struct loader *l, const struct cfg_policy *p, struct map *owners)
{
	const char *address = arena_printf(l->a, "policy.%s", p->name), *why;
	const char *at = arena_printf(l->a, "policies.%s.file", p->name);
	struct resource r = { .address = address, .kind = RES_POLICY, .path = source_path(l, p->file) };
	struct err e = ERR_INIT;
	struct str src;
	bool redundant;

	check_id(l, p->name, arena_printf(l->a, "policies.%s", p->name));
	policy_bindings(l, p, &r);
	check_bindings(l, p, &r, owners);
	for (size_t i = 0; i < r.n_bindings; i++)
		if (strcmp(r.bindings[i], "cluster"))
			add_dep(l, address, r.bindings[i]);
	if (!read_source(l, r.path, LIMIT_YAML_BYTES, &src, &why)) {
		diag_add(l->d, DIAG_ERROR, "policy_file_missing", at, "could not read policy file %s: %s", r.path, why);
		return;
	}
	sha256_hex(src.s, src.n, r.digest);
	if (policy_check(src, binding_kind(&r), &redundant, &e))
		diag_add(l->d, DIAG_ERROR, "policy_invalid", at, "%s: %s", r.path, err_msg(&e));
	else if (redundant)
		diag_add(l->d, DIAG_WARNING, "policy_kind_redundant", at,
			 "the `kind:` line of %s is not needed; the binding says it", r.path);
	err_clear(&e);
	*add_resource(l, RES_POLICY, address) = r;
}

/* --- all ------------------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct resource *)a)->address, ((const struct resource *)b)->address);
}

static int by_edge(const void *a, const void *b)
{
	const struct dependency *x = a, *y = b;
	int c = strcmp(x->from, y->from);

	return c ? c : strcmp(x->to, y->to);
}

static void config_digest(struct desired *d)
{
	struct strbuf b = STRBUF_INIT;

	sb_add(&b, "cluster-config", sizeof("cluster-config"));
	cluster_config_canonical(&d->cfg, &b);
	sb_addch(&b, 0);
	for (size_t i = 0; i < d->n; i++) {
		sb_add(&b, d->resources[i].address, strlen(d->resources[i].address) + 1);
		sb_add(&b, d->resources[i].digest, strlen(d->resources[i].digest) + 1);
	}
	sha256_hex(b.s, b.n, d->config_digest);
	sb_free(&b);
}

void desired_load(const char *dir, struct desired *out, struct diag_list *d)
{
	struct loader l = { .out = out, .a = &out->arena, .d = d };
	struct map owners = MAP_INIT;

	*out = (struct desired){ 0 };
	cluster_config_load(dir, &out->cfg, d);
	if (!out->cfg.parsed)
		return;
	for (size_t i = 0; i < out->cfg.n_providers; i++)
		load_provider(&l, &out->cfg.providers[i]);
	for (size_t i = 0; i < out->cfg.n_graphs; i++)
		load_graph(&l, &out->cfg.graphs[i]);
	if (out->n)
		qsort(out->resources, out->n, sizeof(*out->resources), by_address);
	graph_digests(&l);
	for (size_t i = 0; i < out->cfg.n_policies; i++)
		load_policy(&l, &out->cfg.policies[i], &owners);
	map_free(&owners);
	if (out->n)
		qsort(out->resources, out->n, sizeof(*out->resources), by_address);
	if (out->n_deps)
		qsort(out->deps, out->n_deps, sizeof(*out->deps), by_edge);
	config_digest(out);
}

void desired_clear(struct desired *d)
{
	cluster_config_clear(&d->cfg);
	free(d->resources);
	free(d->deps);
	arena_free(&d->arena);
	*d = (struct desired){ 0 };
}

const struct resource *desired_find(const struct desired *d, const char *address)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->resources[i].address, address))
			return &d->resources[i];
	return NULL;
}
