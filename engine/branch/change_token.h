/* SPDX-License-Identifier: MIT */
/*
 * change_token.h - positions handed to consumers of changes (spec/engine.md 13.7, spec/server.md 8.21). Internal to the engine.
 *
 * A token is base64url, without padding, of a JSON object and its SHA-256. It is not a secret and not a proof: the digest finds damage,
 * and everything in it is checked against the graph again. Always shorter than CHANGE_TOKEN_MAX: names and long ids are hashed.
 */
#ifndef ENGINE_BRANCH_CHANGE_TOKEN_H
#define ENGINE_BRANCH_CHANGE_TOKEN_H

#include "engine/branch/diff.h"

enum token_kind { TOKEN_COMMIT_PAGE, TOKEN_FEED_CURSOR, TOKEN_FEED_PAGE };

struct token_commit {
	char id[ULID_LEN + 1];
	uint64_t version;
};

struct token_entity { /* the last change that was delivered */
	char type[44];
	char id[257];			 /* the whole id, or its first 64 bytes at most */
	char digest[SHA256_HEX_LEN + 1]; /* of a longer id; "" otherwise */
	enum change_op op;
};

struct change_token {
	enum token_kind kind;
	char root[SHA256_HEX_LEN + 1];	 /* of the graph's address */
	char graph[ULID_LEN + 1];	 /* a re-initialised root has another one */
	char branch[SHA256_HEX_LEN + 1]; /* of the name; feeds */
	char branch_id[ULID_LEN + 1];	 /* incarnation; feeds */
	char scope[SHA256_HEX_LEN + 1];	 /* of the filter */
	struct token_commit commit;	 /* cursor: the last complete one; pages: the one being told */
	struct token_commit cut;	 /* feed pages: the head captured by the first page */
	struct token_entity after;	 /* pages */
};

/* Fill what binds a token to a graph and a filter. @b NULL: not bound to a branch. */
void token_bind(struct change_token *t, enum token_kind kind, struct graph *g, const struct branch *b,
		const struct change_filter *f);
/* The entity of a change, for the token of the page that ends with it. */
void token_after(struct token_entity *out, const struct row_change *c);
bool token_is_after(const struct token_entity *t, const struct row_change *c);
/* Append the token's text. */
void token_write(const struct change_token *t, struct strbuf *out);
/* Read a token of @kind. ERR_CURSOR_REJECTED: damaged, foreign, of another kind or version; ERR_RESOURCE_LIMIT: too long. */
int token_read(struct str text, enum token_kind kind, struct change_token *out, struct err *e);
/* ERR_CURSOR_REJECTED unless both are bound to the same graph, branch and filter. @want comes from token_bind. */
int token_check_feed(const struct change_token *t, const struct change_token *want, struct err *e);
int token_check_commit(const struct change_token *t, const struct change_token *want, const char *commit,
		       struct err *e);
/* "change cursor rejected: " and the reason. */
int token_reject(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
