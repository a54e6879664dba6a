/* SPDX-License-Identifier: MIT */
/*
 * embed.h - text to vectors through an embedding provider (spec/engine.md 15, spec/server.md 9).
 *
 * An embedder is made once from a configuration (the caller reads environment variables, never this library),
 * is safe to use from any number of threads, and connects lazily. Keys are secrets: never logged, wiped on free.
 */
#ifndef OMNIGRAPH_EMBED_H
#define OMNIGRAPH_EMBED_H

#include <omnigraph/err.h>
#include <omnigraph/log.h>
#include <omnigraph/str.h>

struct embedder;

struct embed_config {
	const char *kind;     /* NULL = "openai-compatible", "openai", "gemini", "mock" */
	const char *base_url; /* NULL: the kind's default */
	const char *model;    /* NULL: the kind's default; "" for mock */
	const char *api_key;  /* NULL for mock */
	uint32_t timeout_ms, deadline_ms, attempts, backoff_ms; /* 0: defaults; deadline_none below */
	bool deadline_none;
	struct logger *logger;
};

enum embed_role { EMBED_QUERY, EMBED_DOCUMENT };

/* ERR_BAD_REQUEST for an unknown kind (literal text of spec/engine.md 15.1). */
int embedder_new(const struct embed_config *cfg, struct embedder **out, struct err *e);
void embedder_free(struct embedder *em); /* NULL allowed */
const char *embedder_model(const struct embedder *em);
/* A unit vector of @dim floats into @out. */
int embedder_embed(struct embedder *em, struct str text, uint32_t dim, enum embed_role role, float *out, struct err *e);

/*
 * The configuration an environment means (spec/server.md 9.1); @getenv_fn is the caller's getenv. Errors are kept for the
 * first use: *why is malloced text when the configuration is unusable (missing key), else NULL and *out is set.
 */
int embedder_from_env(const char *(*getenv_fn)(const char *), struct logger *logger, struct embedder **out, char **why,
		      struct err *e);

/* The mock provider's vector, bit-exact (spec/server.md 9.7). */
void embed_mock(struct str text, uint32_t dim, float *out);

#endif
