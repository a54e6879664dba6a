/* SPDX-License-Identifier: MIT */
#include "engine/embed/embedder.h"

#include <errno.h>
#include <float.h>
#include <math.h>

#include <omnigraph/mem.h>

static const struct {
	const char *name, *base_url, *model;
} kinds[] = {
	{ "openai-compatible", "https://openrouter.ai/api/v1", "openai/text-embedding-3-large" },
	{ "openai", "https://api.openai.com/v1", "text-embedding-3-large" },
	{ "gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-embedding-2" },
	{ "mock", "", "" },
};

const char *embed_kind_name(enum embed_kind k)
{
	return kinds[k].name;
}

static char *without_slashes(const char *url)
{
	struct str s = str_trim(str_from(url));

	while (s.n && s.s[s.n - 1] == '/')
		s.n--;
	return str_dup(s);
}

int embedder_new(const struct embed_config *cfg, struct embedder **out, struct err *e)
{
	const char *kind = cfg->kind ? cfg->kind : "openai-compatible";
	struct embedder *em;
	size_t k = 0;

	while (k < ARRAY_SIZE(kinds) && strcmp(kinds[k].name, kind))
		k++;
	if (k == ARRAY_SIZE(kinds))
		return err_set(e, ERR_BAD_REQUEST,
			       "unknown embedding provider '%s' (expected openai-compatible|openai|gemini|mock)", kind);
#ifndef CONFIG_ENGINE_EMBED
	if (k != EMBED_MOCK)
		return err_set(e, ERR_UNSUPPORTED,
			       "the %s embedding provider is not in this build; enable CONFIG_ENGINE_EMBED in "
			       "menuconfig and rebuild",
			       kind);
#endif
	em = mem_zalloc(sizeof(*em));
	em->kind = (enum embed_kind)k;
	em->base_url = without_slashes(cfg->base_url && cfg->base_url[0] ? cfg->base_url : kinds[k].base_url);
	em->model = mem_strdup(cfg->model ? cfg->model : kinds[k].model);
	em->api_key = cfg->api_key ? mem_strdup(cfg->api_key) : NULL;
	em->timeout_ms = cfg->timeout_ms ? cfg->timeout_ms : 30000;
	em->deadline_ms = cfg->deadline_none ? 0 : cfg->deadline_ms ? cfg->deadline_ms : 60000;
	em->attempts = cfg->attempts ? cfg->attempts : 4;
	em->backoff_ms = cfg->backoff_ms ? cfg->backoff_ms : 200;
	em->logger = cfg->logger;
	*out = em;
	return 0;
}

void embedder_free(struct embedder *em)
{
	if (!em)
		return;
	if (em->api_key)
		mem_wipe(em->api_key, strlen(em->api_key));
	free(em->api_key);
	free(em->base_url);
	free(em->model);
	free(em);
}

const char *embedder_model(const struct embedder *em)
{
	return em->model;
}

/* Checks of spec/server.md 9.4 on a provider's answer, then unit length. */
static int normalise(float *v, uint32_t dim, struct err *e)
{
	double sum = 0;
	float norm;

	for (uint32_t i = 0; i < dim; i++) {
		if (!isfinite(v[i]))
			return err_set(e, ERR_INTERNAL, "embedding component %u is not finite (%f)", i, (double)v[i]);
		sum += (double)v[i] * (double)v[i];
	}
	norm = (float)sqrt(sum);
	if (norm <= FLT_EPSILON)
		return err_set(e, ERR_INTERNAL, "embedding has zero norm (no direction)");
	for (uint32_t i = 0; i < dim; i++)
		v[i] /= norm;
	return 0;
}

int embedder_embed(struct embedder *em, struct str text, uint32_t dim, enum embed_role role, float *out, struct err *e)
{
	int rc;

	if (!dim)
		return err_set(e, ERR_INTERNAL, "embedding dimension must be greater than zero");
	if (em->kind == EMBED_MOCK) {
		embed_mock(text, dim, out);
		return 0;
	}
#ifdef CONFIG_ENGINE_EMBED
	rc = embed_http(em, text, dim, role, out, e);
#else
	rc = err_set(e, ERR_UNSUPPORTED, "enable CONFIG_ENGINE_EMBED in menuconfig and rebuild");
#endif
	return rc ? rc : normalise(out, dim, e);
}
