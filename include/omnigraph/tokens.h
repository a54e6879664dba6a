/* SPDX-License-Identifier: MIT */
/*
 * tokens.h - the bearer tokens of a server: who a request is from (spec/server.md 3, spec/security.md 2).
 *
 * A token set maps SHA-256 digests to actor names. Plaintext lives only while it is loaded: every buffer of this module that
 * held one is wiped; the caller wipes its own source strings (the environment) afterwards.
 * A set is immutable after loading and is read by any number of threads.
 * Limits: TOKENS_FILE_MAX bytes of token file.
 */
#ifndef OMNIGRAPH_TOKENS_H
#define OMNIGRAPH_TOKENS_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

#define TOKENS_FILE_MAX (1u << 20)

struct token_set;

struct token_sources {		/* values of the variables of spec/server.md 3.1; NULL and blank: unset */
	const char *single;	/* OMNIGRAPH_SERVER_BEARER_TOKEN */
	const char *file;	/* OMNIGRAPH_SERVER_BEARER_TOKENS_FILE: a path */
	const char *json;	/* OMNIGRAPH_SERVER_BEARER_TOKENS_JSON; ignored when file is set */
	const char *aws_secret; /* OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET: exclusive */
};

/* ERR_BAD_REQUEST (or the file's error) with the texts of spec/server.md 3.1. No source: an empty set. */
int token_set_load(const struct token_sources *src, struct token_set **out, struct err *e);
void token_set_free(struct token_set *t); /* NULL allowed */

size_t token_set_count(const struct token_set *t);
const char *token_set_actor(const struct token_set *t, size_t i); /* ascending */
/* "env-or-file" or "aws-secrets-manager", for the log. */
const char *token_set_source(const struct token_set *t);

/*
 * The actor of a presented token, or NULL. Compares with every stored digest in constant time and never stops early, so that
 * timing tells nothing of count, order or position.
 */
const char *token_set_find(const struct token_set *t, struct str token);

#endif
