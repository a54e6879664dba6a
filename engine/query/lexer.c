/* SPDX-License-Identifier: MIT */
#include "lexer.h"

void lexer_init(struct lexer *lx, struct str src)
{
	*lx = (struct lexer){ .src = src.s, .n = (uint32_t)src.n, .line = 1, .column = 1 };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool ident_start(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

static bool ident_char(char c)
{
	return ident_start(c) || is_upper(c) || is_digit(c);
}

static char at(const struct lexer *lx, uint32_t pos)
{
	return pos < lx->n ? lx->src[pos] : '\0';
}

/* Move to @pos, keeping line and column; continuation bytes of UTF-8 do not count as columns. */
static void advance(struct lexer *lx, uint32_t pos)
{
	for (; lx->pos < pos; lx->pos++) {
		char c = lx->src[lx->pos];

		if (c == '\n') {
			lx->line++;
			lx->column = 1;
		} else if (((unsigned char)c & 0xc0) != 0x80) {
			lx->column++;
		}
	}
}

/* Behind the comment that starts at @pos; 0 when a block comment does not end. */
static uint32_t comment_end(const struct lexer *lx, uint32_t pos)
{
	if (at(lx, pos + 1) == '/') {
		while (pos < lx->n && lx->src[pos] != '\n')
			pos++;
		return pos;
	}
	for (pos += 2; pos + 1 < lx->n; pos++)
		if (lx->src[pos] == '*' && lx->src[pos + 1] == '/')
			return pos + 2;
	return 0;
}

/* False at an unterminated block comment. */
static bool skip_blank(struct lexer *lx)
{
	while (lx->pos < lx->n) {
		char c = lx->src[lx->pos];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			advance(lx, lx->pos + 1);
		} else if (c == '/' && (at(lx, lx->pos + 1) == '/' || at(lx, lx->pos + 1) == '*')) {
			uint32_t end = comment_end(lx, lx->pos);

			if (!end)
				return false;
			advance(lx, end);
		} else {
			break;
		}
	}
	return true;
}

static uint32_t ident_end(const struct lexer *lx, uint32_t pos)
{
	while (ident_char(at(lx, pos)))
		pos++;
	return pos;
}

static uint32_t number_end(const struct lexer *lx, uint32_t pos, enum token_kind *kind)
{
	*kind = TOK_INT;
	while (is_digit(at(lx, pos)))
		pos++;
	if (at(lx, pos) == '.' && is_digit(at(lx, pos + 1))) {
		*kind = TOK_FLOAT;
		for (pos++; is_digit(at(lx, pos));)
			pos++;
	}
	return pos;
}

/* The end of the string that starts at @pos, closing quote included; 0 when it does not end. */
static uint32_t string_end(const struct lexer *lx, uint32_t pos)
{
	for (pos++; pos < lx->n; pos++) {
		if (lx->src[pos] == '"')
			return pos + 1;
		if (lx->src[pos] == '\\')
			pos++;
	}
	return 0;
}

static uint32_t char_end(const struct lexer *lx, uint32_t pos)
{
	for (pos++; pos < lx->n && ((unsigned char)lx->src[pos] & 0xc0) == 0x80;)
		pos++;
	return pos;
}

static void token_error(struct token *t, const char *why, uint32_t end)
{
	t->kind = TOK_ERROR;
	t->why = why;
	t->end = end;
}

static void scan_symbol(const struct lexer *lx, struct token *t)
{
	char c = lx->src[t->start], next = at(lx, t->start + 1);

	if (next == '=' && (c == '<' || c == '>' || c == '!')) {
		t->kind = c == '<' ? TOK_LE : c == '>' ? TOK_GE : TOK_NE;
		t->end = t->start + 2;
	} else if (c && strchr("{}()[]:,.<>=@*-?", c)) {
		t->kind = TOK_PUNCT;
		t->punct = c;
		t->end = t->start + 1;
	} else {
		token_error(t, "unexpected character", char_end(lx, t->start));
	}
}

static void scan(const struct lexer *lx, struct token *t)
{
	uint32_t pos = t->start;
	char c = lx->src[pos];

	if (c == '$') {
		t->kind = TOK_VAR;
		if (ident_start(at(lx, pos + 1)))
			t->end = ident_end(lx, pos + 1);
		else
			token_error(t, "a variable name must follow `$` directly and start with a-z or `_`", pos + 1);
	} else if (ident_start(c) || is_upper(c)) {
		t->kind = is_upper(c) ? TOK_TYPENAME : TOK_IDENT;
		t->end = ident_end(lx, pos);
	} else if (is_digit(c)) {
		t->end = number_end(lx, pos, &t->kind);
	} else if (c == '"') {
		t->kind = TOK_STRING;
		t->end = string_end(lx, pos);
		if (!t->end)
			token_error(t, "unterminated string", lx->n);
	} else {
		scan_symbol(lx, t);
	}
}

void lexer_next(struct lexer *lx, struct token *out)
{
	bool closed = skip_blank(lx);

	*out = (struct token){ .start = lx->pos, .end = lx->pos, .line = lx->line, .column = lx->column };
	if (!closed) {
		token_error(out, "unterminated block comment", lx->n);
	} else if (lx->pos < lx->n) {
		scan(lx, out);
	}
	out->text = (struct str){ lx->src + out->start, out->end - out->start };
	if (out->kind == TOK_STRING) {
		out->text.s++;
		out->text.n -= 2;
	} else if (out->kind == TOK_VAR) {
		out->text.s++;
		out->text.n--;
	}
	advance(lx, out->end);
}
