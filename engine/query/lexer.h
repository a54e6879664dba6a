/* SPDX-License-Identifier: MIT */
/*
 * lexer.h - tokens of the query language (spec/query.md 2). Internal to engine/query.
 *
 * A struct lexer is a small value: copying it is a checkpoint, so a parser looks ahead by scanning a copy. Tokens
 * borrow the source. Keywords are IDENT tokens; only the grammar gives them a meaning.
 */
#ifndef ENGINE_QUERY_LEXER_H
#define ENGINE_QUERY_LEXER_H

#include <omnigraph/str.h>

enum token_kind {
	TOK_END,
	TOK_IDENT,
	TOK_TYPENAME,
	TOK_VAR, /* text without '$' */
	TOK_INT,
	TOK_FLOAT,
	TOK_STRING, /* text between the quotes, escapes not decoded */
	TOK_LE,	    /* <= */
	TOK_GE,	    /* >= */
	TOK_NE,	    /* != */
	TOK_PUNCT,  /* one of { } ( ) [ ] : , . < > = @ * - ? in punct */
	TOK_ERROR   /* text is no token; why says what is wrong */
};

struct token {
	enum token_kind kind;
	char punct;
	struct str text;
	uint32_t start, end;   /* byte offsets, quotes and '$' included */
	uint32_t line, column; /* 1-based; columns count characters */
	const char *why;       /* TOK_ERROR */
};

struct lexer {
	const char *src;
	uint32_t n, pos;
	uint32_t line, column;
};

void lexer_init(struct lexer *lx, struct str src); /* @src: valid UTF-8, below 4 GiB */
void lexer_next(struct lexer *lx, struct token *out);

#endif
