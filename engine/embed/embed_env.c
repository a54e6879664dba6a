/* SPDX-License-Identifier: MIT */
/* Which provider an environment means (spec/server.md 9.1). The caller hands its getenv in. */
#include <errno.h>

#include <omnigraph/log.h>
#include <omnigraph/mem.h>

#include "engine/embed/embedder.h"

typedef const char *(*getenv_fn)(const char *);

/* Trimmed, NULL when unset or blank; in @a. */
static const char *value(struct arena *a, getenv_fn get, const char *name)
{
	const char *v = get(name);
	struct str s = v ? str_trim(str_from(v)) : (struct str){ 0 };

	return s.n ? arena_str(a, s).s : NULL;
}

static bool switched_on(const char *v)
{
	static const char *const on[] = { "1", "true", "yes", "on" };

	for (size_t i = 0; v && i < ARRAY_SIZE(on); i++)
		if (str_eq_nocase(str_from(v), str_from(on[i])))
			return true;
	return false;
}

/* A count in milliseconds; 0 when unset or invalid. @zero (may be NULL) tells that it says 0. */
static uint32_t number(struct arena *a, getenv_fn get, const char *name, bool *zero)
{
	const char *v = value(a, get, name);
	uint64_t n;

	if (!v || !str_to_u64(str_from(v), &n) || n > UINT32_MAX)
		return 0;
	if (zero)
		*zero = n == 0;
	return (uint32_t)n;
}

static const char *key_variables(const char *kind)
{
	if (!strcmp(kind, "openai"))
		return "OPENAI_API_KEY";
	return !strcmp(kind, "gemini") ? "GEMINI_API_KEY" : "OPENROUTER_API_KEY or OPENAI_API_KEY";
}

static const char *find_key(struct arena *a, getenv_fn get, const char *kind)
{
	const char *k = NULL;

	if (!strcmp(kind, "gemini"))
		return value(a, get, "GEMINI_API_KEY");
	if (strcmp(kind, "openai"))
		k = value(a, get, "OPENROUTER_API_KEY");
	return k ? k : value(a, get, "OPENAI_API_KEY");
}

int embedder_from_env(getenv_fn get, struct logger *logger, struct embedder **out, char **why, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct embed_config cfg = { .logger = logger };
	const char *provider = value(&a, get, "OMNIGRAPH_EMBED_PROVIDER");
	int rc;

	*out = NULL;
	*why = NULL;
	cfg.kind = provider ? provider : "openai-compatible";
	if (switched_on(value(&a, get, "OMNIGRAPH_EMBEDDINGS_MOCK"))) {
		if (provider && strcmp(provider, "mock"))
			log_kv(logger, LOG_WARN, "omnigraph::embedding",
			       "OMNIGRAPH_EMBEDDINGS_MOCK overrides the configured provider", "provider", provider,
			       NULL);
		cfg.kind = "mock";
	}
	cfg.base_url = value(&a, get, "OMNIGRAPH_EMBED_BASE_URL");
	cfg.model = value(&a, get, "OMNIGRAPH_EMBED_MODEL");
	cfg.timeout_ms = number(&a, get, "OMNIGRAPH_EMBED_TIMEOUT_MS", NULL);
	cfg.deadline_ms = number(&a, get, "OMNIGRAPH_EMBED_DEADLINE_MS", &cfg.deadline_none);
	cfg.attempts = number(&a, get, "OMNIGRAPH_EMBED_RETRY_ATTEMPTS", NULL);
	cfg.backoff_ms = number(&a, get, "OMNIGRAPH_EMBED_RETRY_BACKOFF_MS", NULL);
	rc = embedder_new(&cfg, out, e);
	if (!rc && strcmp(cfg.kind, "mock")) {
		const char *key = find_key(&a, get, cfg.kind);

		if (key) {
			(*out)->api_key = mem_strdup(key);
		} else {
			struct strbuf b = STRBUF_INIT;

			sb_addf(&b, "%s is required for the %s embedding provider", key_variables(cfg.kind), cfg.kind);
			*why = sb_detach(&b);
			embedder_free(*out);
			*out = NULL;
		}
	}
	arena_free(&a);
	return rc;
}
