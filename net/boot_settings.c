/* SPDX-License-Identifier: MIT */
/* Step 5 of the boot: policy bindings, stored-query registry, embedding profiles (spec/server.md 2.3, 2.4, 9.1). */
#include <omnigraph/embed.h>

#include "net/boot_priv.h"

/* --- policy bindings ------------------------------------------------------------------------------------------ */

static struct boot_graph *find_graph(struct boot *b, const char *id)
{
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->graphs[i].g.id, id))
			return &b->graphs[i];
	return NULL;
}

static int bind_graph(struct boot *b, const struct serving_policy *p, const char *id, struct err *e)
{
	struct boot_graph *bg = find_graph(b, id);

	if (!bg)
		return 0; /* not served */
	if (bg->policy)
		return err_set(
			e, ERR_CONFLICT,
			"multiple policy bundles bind graph '%s'; bundles '%s' and '%s' do: bind one bundle per scope",
			id, bg->policy->name, p->name);
	bg->policy = p;
	return 0;
}

static int bind_one(struct boot *b, const struct serving_policy *p, const char *binding, struct err *e)
{
	if (!strncmp(binding, "graph.", 6) && binding[6])
		return bind_graph(b, p, binding + 6, e);
	if (strcmp(binding, "cluster"))
		return err_set(e, ERR_CONFLICT, "unrecognized policy binding '%s' in the applied revision", binding);
	if (b->cluster_policy)
		return err_set(
			e, ERR_CONFLICT,
			"multiple policy bundles bind the cluster scope; bundles '%s' and '%s' do: bind one bundle per "
			"scope",
			b->cluster_policy->name, p->name);
	b->cluster_policy = p;
	return 0;
}

int boot_bind_policies(struct boot *b, struct err *e)
{
	const struct serving_snapshot *s = &b->rev->snapshot;
	int rc = 0;

	for (size_t i = 0; i < s->n_policies && !rc; i++)
		for (size_t k = 0; k < s->policies[i].n_bindings && !rc; k++)
			rc = bind_one(b, &s->policies[i], s->policies[i].bindings[k], e);
	return rc;
}

/* --- embedding profiles ----------------------------------------------------------------------------------------- */

/* A positive number, or 0 for "use the default". */
static uint32_t env_u32(const struct boot_options *o, const char *name)
{
	const char *v = o->env(name);
	uint64_t n;

	return v && str_to_u64(str_trim_ascii(str_from(v)), &n) && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static void boot_embed_timing(const struct boot_options *o, struct embed_config *cfg)
{
	const char *deadline = o->env("OMNIGRAPH_EMBED_DEADLINE_MS");
	uint64_t n;

	cfg->timeout_ms = env_u32(o, "OMNIGRAPH_EMBED_TIMEOUT_MS");
	cfg->attempts = env_u32(o, "OMNIGRAPH_EMBED_RETRY_ATTEMPTS");
	cfg->backoff_ms = env_u32(o, "OMNIGRAPH_EMBED_RETRY_BACKOFF_MS");
	cfg->deadline_ms = env_u32(o, "OMNIGRAPH_EMBED_DEADLINE_MS");
	cfg->deadline_none = deadline && str_to_u64(str_trim_ascii(str_from(deadline)), &n) && n == 0;
}

static int resolve_key(const struct boot_options *o, const char *ref, struct arena *a, const char **out, struct err *e)
{
	struct str s = str_trim(ref ? str_from(ref) : (struct str){ "", 0 });
	const char *name;

	if (!s.n)
		return err_set(e, ERR_BAD_REQUEST, "embedding api_key is required for non-mock providers");
	if (!str_starts(s, STR("${")) || s.s[s.n - 1] != '}' || !str_trim((struct str){ s.s + 2, s.n - 3 }).n)
		return err_set(e, ERR_BAD_REQUEST, "embedding api_key must be a ${NAME} env reference, got '%.*s'",
			       STR_ARG(s));
	name = arena_str(a, (struct str){ s.s + 2, s.n - 3 }).s;
	*out = o->env(name);
	if (!*out)
		return err_set(e, ERR_BAD_REQUEST, "embedding api_key env var '%s' is not set", name);
	return 0;
}

static const char *trimmed(struct arena *a, const char *z, bool slash)
{
	struct str s;

	if (!z)
		return NULL;
	s = str_trim(str_from(z));
	while (slash && s.n && s.s[s.n - 1] == '/')
		s.n--;
	return s.n ? arena_str(a, s).s : NULL;
}

int boot_profile(const struct boot_options *o, const struct serving_embedding *p, struct embedder **out, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct embed_config cfg = { .logger = o->logger };
	bool mock;
	int rc = 0;

	cfg.kind = trimmed(&a, p->kind, false);
	cfg.base_url = trimmed(&a, p->base_url, true);
	cfg.model = trimmed(&a, p->model, false);
	boot_embed_timing(o, &cfg);
	mock = cfg.kind && !strcmp(cfg.kind, "mock");
	if (mock && !cfg.model)
		cfg.model = trimmed(&a, o->env("OMNIGRAPH_EMBED_MODEL"), false);
	if (!mock)
		rc = resolve_key(o, p->api_key, &a, &cfg.api_key, e);
	if (!rc)
		rc = embedder_new(&cfg, out, e);
	arena_free(&a);
	return rc;
}

/* What is wrong with the environment matters only to a query that needs it. */
static void settle_environment(struct boot *b, struct boot_graph *bg)
{
	struct err e = ERR_INIT;

	if (embedder_from_env(b->o->env, b->o->logger, &bg->g.embedder, &bg->g.embed_why, &e) && !bg->g.embed_why)
		bg->g.embed_why = mem_strdup(err_msg(&e));
	err_clear(&e);
}

static int settle_embedding(struct boot *b, struct boot_graph *bg, struct err *e)
{
	int rc;

	if (!bg->applied->embedding) {
		settle_environment(b, bg);
		return 0;
	}
	rc = boot_profile(b->o, bg->applied->embedding, &bg->g.embedder, e);
	if (rc)
		err_prefix(e, "embedding provider for graph '%s': ", bg->g.id);
	return rc;
}

/* --- stored queries ------------------------------------------------------------------------------------------------ */

static size_t count_queries(const struct serving_snapshot *s, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_queries; i++)
		n += !strcmp(s->queries[i].graph_id, id);
	return n;
}

/* Every failing query is named. */
static void settle_queries(struct boot *b, struct boot_graph *bg, struct strbuf *failures)
{
	const struct serving_snapshot *s = &b->rev->snapshot;
	struct err e = ERR_INIT;

	bg->g.queries = mem_calloc(count_queries(s, bg->g.id) + 1, sizeof(*bg->g.queries));
	for (size_t i = 0; i < s->n_queries; i++) {
		if (strcmp(s->queries[i].graph_id, bg->g.id))
			continue;
		if (stored_init(&bg->g.queries[bg->g.n_queries++], s->queries[i].name, s->queries[i].source, &e))
			sb_addf(failures, "%s%s", failures->n ? "; " : "", err_msg(&e));
		err_clear(&e);
	}
}

static void settle(struct boot *b, struct boot_graph *bg)
{
	struct strbuf failures = STRBUF_INIT;
	struct err e = ERR_INIT;

	settle_queries(b, bg, &failures);
	if (failures.n) {
		char *why = NULL;
		struct strbuf reason = STRBUF_INIT;

		log_kv(b->o->logger, LOG_WARN, "omnigraph::settings",
		       "graph quarantined because stored queries failed to parse", "graph_id", bg->g.id, "errors",
		       failures.s, NULL);
		sb_addf(&reason, "stored queries failed to parse: %s", failures.s);
		why = sb_detach(&reason);
		boot_graph_fail(bg, why);
		free(why);
	} else if (settle_embedding(b, bg, &e)) {
		log_kv(b->o->logger, LOG_WARN, "omnigraph::settings",
		       "graph quarantined because embedding provider configuration failed", "graph_id", bg->g.id,
		       "error", err_msg(&e), NULL);
		boot_graph_fail(bg, err_msg(&e));
	}
	err_clear(&e);
	sb_free(&failures);
}

static void add_quarantined(struct strbuf *out, const struct boot *b)
{
	const char *sep = " (quarantined: ";

	for (size_t i = 0; i < b->n; i++) {
		if (!b->graphs[i].failure)
			continue;
		sb_addf(out, "%s%s: %s", sep, b->graphs[i].g.id, b->graphs[i].failure);
		sep = ", ";
	}
	if (*sep == ',')
		sb_addz(out, ")");
}

int boot_settings(struct boot *b, struct err *e)
{
	struct strbuf m = STRBUF_INIT;
	size_t failed = 0;
	int rc = 0;

	for (size_t i = 0; i < b->n; i++) {
		settle(b, &b->graphs[i]);
		failed += b->graphs[i].failure != NULL;
	}
	if (failed && b->o->strict)
		sb_addz(&m, "strict cluster boot requires every graph to build startup settings");
	else if (failed == b->n)
		sb_addf(&m, "the cluster at '%s' has no healthy graphs to serve", b->o->cluster);
	if (m.n) {
		add_quarantined(&m, b);
		rc = err_set(e, ERR_CONFLICT, "%s", m.s);
	}
	sb_free(&m);
	return rc;
}
