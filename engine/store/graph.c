/* SPDX-License-Identifier: MIT */
/* The handle: opening and closing, the format stamp, schema records. */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/arch.h>
#include <omnigraph/failpoint.h>

#include "graph_priv.h"
#include "init.h"

#define JSON_MAX_BYTES (64u << 20)
#define SEAL_FORMAT ",\"crc32c\":\"%08x\"}\n"
#define SEAL_BYTES 22

/* --- sealed JSON objects --------------------------------------------------------------------------- */

/* @b ends in "}": put the checksum of everything before it in as the last member. */
void json_seal(struct strbuf *b)
{
	b->n--;
	sb_addf(b, SEAL_FORMAT, crc32c(0, b->s, b->n));
}

int json_unseal(struct str text, const char *key, struct err *e)
{
	char seal[SEAL_BYTES + 1];

	if (text.n > SEAL_BYTES) {
		snprintf(seal, sizeof(seal), SEAL_FORMAT, crc32c(0, text.s, text.n - SEAL_BYTES));
		if (!memcmp(seal, text.s + text.n - SEAL_BYTES, SEAL_BYTES))
			return 0;
	}
	return err_set(e, ERR_STORAGE, "storage: damaged object '%s': checksum mismatch; restore it from a backup",
		       key);
}

/* --- the format stamp ------------------------------------------------------------------------------ */

static int stamp_error(const struct json *root, const struct json *v, const char *uri, struct err *e)
{
	struct strbuf raw = STRBUF_INIT;
	const struct json *by = json_get_nonnull(root, "created_by");
	uint64_t n;
	int rc;

	if (!v)
		return err_set(e, ERR_BAD_REQUEST,
			       "graph at '%s' carries no internal schema version stamp in '%s'; refusing to open it",
			       uri, KEY_GRAPH);
	if (v->type != JSON_NUMBER || !json_to_u64(v, &n)) {
		json_compact(&raw, v);
		rc = err_set(
			e, ERR_BAD_REQUEST,
			"graph is stamped at internal schema version %s, which is not an integer; refusing to open it",
			raw.s);
		sb_free(&raw);
		return rc;
	}
	if (n > GRAPH_FORMAT_VERSION)
		return err_set(
			e, ERR_BAD_REQUEST,
			"graph is stamped at internal schema v%llu but this binary expects v%d — upgrade omnigraph "
			"before opening this graph",
			(unsigned long long)n, GRAPH_FORMAT_VERSION);
	return err_set(
		e, ERR_BAD_REQUEST,
		"graph is stamped at internal schema v%llu, but this omnigraph reads only v%d. This graph was created "
		"by omnigraph %.*s. Rebuild it: with that binary `omnigraph export <graph> > graph.jsonl`, then with "
		"this one `omnigraph init --schema <schema.pg> <new-graph>` and `omnigraph load --mode overwrite "
		"--data "
		"graph.jsonl <new-graph>` (Data, vectors, and blobs are preserved; commit history and branches are "
		"not.)",
		(unsigned long long)n, GRAPH_FORMAT_VERSION, by && by->type == JSON_STRING ? (int)by->text.n : 9,
		by && by->type == JSON_STRING ? by->text.s : "(unknown)");
}

static int check_stamp(const struct json *root, const char *uri, struct err *e)
{
	const struct json *v = json_get(root, "format_version");
	uint64_t n;

	if (v && v->type == JSON_NUMBER && json_to_u64(v, &n) && n == GRAPH_FORMAT_VERSION)
		return 0;
	return stamp_error(root, v, uri, e);
}

static bool take_ulid(const struct json *root, const char *name, char out[ULID_LEN + 1])
{
	const struct json *v = json_get(root, name);

	if (!v || v->type != JSON_STRING || !ulid_valid(v->text))
		return false;
	memcpy(out, v->text.s, ULID_LEN);
	out[ULID_LEN] = 0;
	return true;
}

static int parse_graph_json(struct graph *g, struct str text, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct json *root;
	int rc = json_parse(&a, text, NULL, &root, NULL);

	if (rc || root->type != JSON_OBJECT)
		rc = err_set(e, ERR_STORAGE,
			     "storage: damaged object '%s': not a JSON object; restore it from a backup", KEY_GRAPH);
	else
		rc = check_stamp(root, g->uri, e);
	if (!rc)
		rc = json_unseal(text, KEY_GRAPH, e);
	if (!rc && (!take_ulid(root, "graph_id", g->graph_id) ||
		    !take_ulid(root, "schema_identity_domain", g->domain) || !take_ulid(root, "main", g->main_id)))
		rc = err_set(e, ERR_STORAGE, "storage: damaged object '%s': a member is missing", KEY_GRAPH);
	arena_free(&a);
	return rc;
}

static int read_stamp(struct graph *g, struct err *e)
{
	struct store_object o;
	int rc = store_get(g->store, KEY_GRAPH, JSON_MAX_BYTES, &o, e);

	if (rc == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, "graph not found at '%s'; create it with `omnigraph init`", g->uri);
	if (rc)
		return rc;
	rc = parse_graph_json(g, (struct str){ o.data, o.n }, e);
	store_object_free(&o);
	return rc;
}

/* --- schema records -------------------------------------------------------------------------------- */

void schema_record_digest(struct str source, struct str compiled, char out[SHA256_HEX_LEN + 1])
{
	char both[2 * SHA256_HEX_LEN + 2];

	sha256_hex(source.s, source.n, both);
	both[SHA256_HEX_LEN] = '\n';
	sha256_hex(compiled.s, compiled.n, both + SHA256_HEX_LEN + 1);
	sha256_hex(both, sizeof(both) - 1, out);
}

void schema_keys(const char *digest, char pg[128], char json[128])
{
	snprintf(pg, 128, "schema/%s.pg", digest);
	snprintf(json, 128, "schema/%s.json", digest);
}

static int missing_schema(struct graph *g, const char *key, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
		       "graph at '%s' is missing its schema files: %s; restore %s from a backup, or rebuild a fresh "
		       "graph from "
		       "an existing export or backup",
		       g->uri, key, key);
}

static int get_schema_object(struct graph *g, const char *key, struct store_object *o, struct err *e)
{
	int rc = store_get(g->store, key, JSON_MAX_BYTES, o, e);

	return rc == -ENOENT ? missing_schema(g, key, e) : rc;
}

static int build_catalog(const char *digest, struct str source, struct str compiled, const char *key,
			 struct catalog **out, struct err *e)
{
	char actual[SHA256_HEX_LEN + 1];

	schema_record_digest(source, compiled, actual);
	if (strcmp(actual, digest) != 0)
		return err_set(e, ERR_STORAGE,
			       "storage: damaged object '%s' or its .pg file: checksum mismatch; restore it from "
			       "a backup",
			       key);
	return catalog_from_record(source, compiled, out, e);
}

static int load_catalog(struct graph *g, const char *digest, struct catalog **out, struct err *e)
{
	struct store_object pg = { 0 }, js = { 0 };
	char kpg[128], kjs[128];
	int rc;

	schema_keys(digest, kpg, kjs);
	rc = FAILPOINT("open.before_schema_contract_read", e);
	if (!rc)
		rc = get_schema_object(g, kpg, &pg, e);
	if (!rc)
		rc = get_schema_object(g, kjs, &js, e);
	if (!rc)
		rc = build_catalog(digest, (struct str){ pg.data, pg.n }, (struct str){ js.data, js.n }, kjs, out, e);
	store_object_free(&pg);
	store_object_free(&js);
	return rc;
}

static struct catalog *cached_catalog(struct graph *g, const char *digest)
{
	struct catalog *cat = NULL;

	pthread_mutex_lock(&g->lock);
	for (struct catalog_entry *c = g->catalogs; c && !cat; c = c->next) {
		if (!strcmp(c->digest, digest))
			cat = catalog_get(c->cat);
	}
	pthread_mutex_unlock(&g->lock);
	return cat;
}

int graph_catalog(struct graph *g, const char *digest, struct catalog **out, struct err *e)
{
	struct catalog_entry *c;
	int rc;

	*out = cached_catalog(g, digest);
	if (*out)
		return 0;
	rc = load_catalog(g, digest, out, e);
	if (rc)
		return rc;
	c = mem_zalloc(sizeof(*c));
	memcpy(c->digest, digest, SHA256_HEX_LEN);
	c->cat = catalog_get(*out);
	pthread_mutex_lock(&g->lock);
	c->next = g->catalogs;
	g->catalogs = c;
	pthread_mutex_unlock(&g->lock);
	return 0;
}

/* --- open and close -------------------------------------------------------------------------------- */

static void copy_blob_policy(struct graph *g, const struct blob_policy *p)
{
	struct blob_base *bases;

	if (!p || !p->n)
		return;
	bases = mem_calloc(p->n, sizeof(*bases));
	for (size_t i = 0; i < p->n; i++)
		bases[i] = (struct blob_base){ mem_strdup(p->bases[i].uri), p->bases[i].server_safe };
	g->blobs = (struct blob_policy){ p->n, bases };
}

static void free_blob_policy(struct graph *g)
{
	for (size_t i = 0; i < g->blobs.n; i++)
		free((char *)(uintptr_t)g->blobs.bases[i].uri);
	free((void *)(uintptr_t)g->blobs.bases);
}

static void take_opts(struct graph *g, const struct graph_open_opts *o)
{
	g->mutation_max = LIMIT_MUTATION_BYTES;
	g->inline_max = LIMIT_INLINE_COMMIT_BYTES;
	g->load_stage = LIMIT_LOAD_STAGE_BYTES;
	if (!o)
		return;
	g->read_only = o->read_only;
	if (o->mutation_max_bytes)
		g->mutation_max = o->mutation_max_bytes;
	if (o->load_stage_bytes)
		g->load_stage = o->load_stage_bytes;
	g->embedder = o->embedder;
	g->policy = o->policy;
	g->policy_ctx = o->policy_ctx;
	g->logger = o->logger;
	copy_blob_policy(g, o->blobs);
	if (g->remote)
		g->head_max_age_ms = o->head_max_age_ms;
}

static struct graph *graph_new(struct store *s, const struct graph_open_opts *o)
{
	struct graph *g = mem_zalloc(sizeof(*g));

	g->store = s;
	g->remote = s->remote;
	take_opts(g, o);
	if (store_canonical_uri(s->uri, &g->uri, NULL))
		g->uri = mem_strdup(s->uri);
	seg_cache_init(&g->segs, s);
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->ckpt_lock, NULL);
	pthread_mutex_init(&g->worker_lock, NULL);
	pthread_mutex_init(&g->past_lock, NULL);
	pthread_cond_init(&g->worker_wake, NULL);
	return g;
}

static int open_main(struct graph *g, struct err *e)
{
	struct lineage *l = lineage_new(1);
	int rc;

	memcpy(l->step[0].id, g->main_id, sizeof(g->main_id));
	l->step[0].upto = UINT64_MAX;
	g->main = branch_new(g, "main", l);
	pthread_mutex_lock(&g->main->lock);
	rc = branch_load(g->main, e);
	pthread_mutex_unlock(&g->main->lock);
	return rc;
}

int graph_open_store(struct store *s, const struct graph_open_opts *opts, struct graph **out, struct err *e)
{
	struct graph *g = graph_new(s, opts);
	int rc = read_stamp(g, e);

	if (!rc)
		rc = open_main(g, e);
	if (rc) {
		graph_close(g);
		return rc;
	}
	*out = g;
	return 0;
}

int graph_open(const char *uri, const struct graph_open_opts *opts, struct graph **out, struct err *e)
{
	struct store_open_opts so = { .read_only = opts && opts->read_only };
	struct store *s;
	int rc = store_open(uri, &so, &s, e);

	if (rc)
		return rc;
	rc = graph_open_store(s, opts, out, e);
	if (rc) {
		store_close(s);
		return rc;
	}
	(*out)->own_store = true;
	return 0;
}

static void free_catalogs(struct graph *g)
{
	while (g->catalogs) {
		struct catalog_entry *c = g->catalogs;

		g->catalogs = c->next;
		catalog_put(c->cat);
		free(c);
	}
}

void graph_close(struct graph *g)
{
	if (!g)
		return;
	checkpoint_worker_stop(g);
	past_drop(g);
	while (g->branches) {
		struct branch *b = g->branches;

		g->branches = b->next;
		branch_put(b);
	}
	branch_put(g->main);
	free_catalogs(g);
	seg_cache_free(&g->segs);
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->ckpt_lock);
	pthread_mutex_destroy(&g->worker_lock);
	pthread_mutex_destroy(&g->past_lock);
	pthread_cond_destroy(&g->worker_wake);
	if (g->own_store)
		store_close(g->store);
	free_blob_policy(g);
	free(g->uri);
	free(g);
}

const char *graph_uri(const struct graph *g)
{
	return g->uri;
}

void graph_set_embedder(struct graph *g, struct embedder *em)
{
	g->embedder = em;
}

void graph_set_policy(struct graph *g, const struct graph_policy_ops *ops, void *ctx)
{
	g->policy = ops;
	g->policy_ctx = ctx;
}

struct embedder *graph_embedder(const struct graph *g)
{
	return g->embedder;
}

int graph_init(const char *uri, struct str schema, const struct graph_init_opts *opts, struct err *e)
{
	struct store *s;
	int rc = store_open(uri, NULL, &s, e);

	if (rc)
		return rc;
	rc = graph_init_store(s, schema, opts, e);
	store_close(s);
	return rc;
}
