/* SPDX-License-Identifier: MIT */
/*
 * parser.h - what the files of the recursive-descent parser share. Internal to engine/query.
 *
 * One token of look-ahead in p->tok; a rule that needs more scans a copy of p->lx. Every parse_x function starts at the first
 * token of x, leaves the token behind it in p->tok, and returns 0 or a negative errno with p->e filled: the first error wins.
 */
#ifndef ENGINE_QUERY_PARSER_H
#define ENGINE_QUERY_PARSER_H

#include "ast.h"
#include "lexer.h"

struct parser {
	struct lexer lx; /* behind tok */
	struct token tok;
	struct arena *a;
	struct err *e;
	uint32_t not_depth, call_depth; /* bounded by LIMIT_NOT_DEPTH */
};

struct query_file {
	struct arena arena;
	size_t n;
	struct query_decl *decls;
};

/* Append a zeroed element to an arena array; the old array is left behind, so the cost is amortised. */
#define PUSH(a, p, n, cap)                                                    \
	({                                                                    \
		if ((n) >= (cap)) {                                           \
			(cap) = (cap) ? (cap)*2 : 4;                          \
			(p) = grow_array((a), (p), (n), (cap), sizeof(*(p))); \
		}                                                             \
		&(p)[(n)++];                                                  \
	})
void *grow_array(struct arena *a, const void *old, size_t n, size_t cap, size_t size);

static inline bool at_punct(const struct parser *p, char c)
{
	return p->tok.kind == TOK_PUNCT && p->tok.punct == c;
}
static inline bool token_is(const struct token *t, const char *word)
{
	return t->kind == TOK_IDENT && str_eqz(t->text, word);
}
static inline bool at_word(const struct parser *p, const char *word)
{
	return token_is(&p->tok, word);
}

void parser_next(struct parser *p);
/* The token behind the current one. */
struct token parser_peek(const struct parser *p);
/* "parse error: expected <what>, found <tok>" with the position and span of the current token. */
int parser_expected(struct parser *p, const char *what);
int parser_syntax(struct parser *p, const struct token *t, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A parse error of a well-formed token: no position. */
#define parser_semantic(p, ...) err_set((p)->e, ERR_PARSE, "parse error: " __VA_ARGS__)

int expect_punct(struct parser *p, char c);
int expect_word(struct parser *p, const char *word);
int expect_ident(struct parser *p, const char *what, struct str *out);
bool accept_punct(struct parser *p, char c);

/* parse_expr.c */
int parse_string(struct parser *p, struct str *out);
int parse_value(struct parser *p, struct expr **out);		/* literal, variable or now() */
int parse_prop_value(struct parser *p, struct prop_value *out); /* `name: value` */
int parse_expr(struct parser *p, struct expr **out);
bool at_cmp(const struct parser *p, enum cmp_op *op);

/* parse_read.c */
int parse_read(struct parser *p, struct query_decl *d);

#endif
