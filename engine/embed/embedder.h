/* SPDX-License-Identifier: MIT */
/* embedder.h - inside of an embedder. Internal to engine/embed. */
#ifndef ENGINE_EMBED_EMBEDDER_H
#define ENGINE_EMBED_EMBEDDER_H

#include <omnigraph/embed.h>

enum embed_kind { EMBED_OPENAI_COMPATIBLE, EMBED_OPENAI, EMBED_GEMINI, EMBED_MOCK };

struct embedder {
	enum embed_kind kind;
	char *base_url, *model, *api_key;			/* api_key is wiped on free */
	uint32_t timeout_ms, deadline_ms, attempts, backoff_ms; /* deadline_ms 0: none */
	struct logger *logger;
};

const char *embed_kind_name(enum embed_kind k);

/* embed_http.c: one whole call with retries; @out is not yet normalised. */
int embed_http(struct embedder *em, struct str text, uint32_t dim, enum embed_role role, float *out, struct err *e);

#endif
