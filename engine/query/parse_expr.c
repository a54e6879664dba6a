/* SPDX-License-Identifier: MIT */
/* Literals, values and expressions of the query language. */
#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#include "parser.h"

static int escape_char(struct parser *p, const char *s, const char *end, char *out)
{
	static const char from[] = "\"\\nrt", to[] = "\"\\\n\r\t";
	const char *at = strchr(from, *s);
	const char *next = s;

	if (*s && at) {
		*out = to[at - from];
		return 0;
	}
	utf8_next(&next, end);
	return parser_semantic(p, "unsupported escape sequence: \\%.*s", (int)(next - s), s);
}

int parse_string(struct parser *p, struct str *out)
{
	struct str raw = p->tok.text;
	char *buf;
	size_t n = 0;

	if (p->tok.kind != TOK_STRING)
		return parser_expected(p, "a string");
	buf = arena_alloc(p->a, raw.n + 1);
	for (size_t i = 0; i < raw.n; i++) {
		int rc;

		if (raw.s[i] != '\\') {
			buf[n++] = raw.s[i];
			continue;
		}
		i++;
		rc = escape_char(p, raw.s + i, raw.s + raw.n, &buf[n++]);
		if (rc)
			return rc;
	}
	buf[n] = '\0';
	*out = (struct str){ buf, n };
	parser_next(p);
	return 0;
}

/* INT or FLOAT, with the minus sign that directly precedes it. */
static int parse_number(struct parser *p, struct literal *out)
{
	struct token t = p->tok;
	struct str text;
	bool minus = at_punct(p, '-');

	if (minus) {
		struct token num = parser_peek(p);

		if (num.start != t.end || (num.kind != TOK_INT && num.kind != TOK_FLOAT))
			return parser_expected(p, "a value");
		parser_next(p);
	}
	text = (struct str){ t.text.s, p->tok.end - t.start };
	if (p->tok.kind == TOK_INT) {
		out->kind = LIT_INT;
		if (!str_to_i64(text, &out->i))
			return parser_semantic(p, "invalid integer: %.*s", STR_ARG(text));
	} else {
		out->kind = LIT_FLOAT;
		if (!parse_f64(text, &out->f) || __builtin_isinf(out->f))
			return parser_semantic(p, "invalid float: %.*s", STR_ARG(text));
	}
	parser_next(p);
	return 0;
}

static int enter(struct parser *p)
{
	if (p->call_depth >= LIMIT_NOT_DEPTH)
		return parser_syntax(p, &p->tok, "nesting of calls and lists is deeper than %d levels",
				     LIMIT_NOT_DEPTH);
	p->call_depth++;
	return 0;
}

static int parse_literal(struct parser *p, struct literal *out);

static int parse_list(struct parser *p, struct literal *out)
{
	struct literal *items = NULL;
	uint32_t n = 0, cap = 0;
	int rc = enter(p);

	if (rc)
		return rc;
	parser_next(p);
	while (!at_punct(p, ']')) {
		if (n) {
			rc = expect_punct(p, ',');
			if (rc)
				return rc;
		}
		rc = parse_literal(p, PUSH(p->a, items, n, cap));
		if (rc)
			return rc;
	}
	parser_next(p);
	p->call_depth--;
	out->kind = LIT_LIST;
	out->n = n;
	out->items = items;
	return 0;
}

static int parse_date(struct parser *p, struct literal *out)
{
	int rc;

	out->kind = at_word(p, "date") ? LIT_DATE : LIT_DATETIME;
	parser_next(p);
	rc = expect_punct(p, '(');
	if (!rc)
		rc = parse_string(p, &out->text);
	return rc ? rc : expect_punct(p, ')');
}

static bool at_date(const struct parser *p)
{
	struct token next;

	if (!at_word(p, "date") && !at_word(p, "datetime"))
		return false;
	next = parser_peek(p);
	return next.kind == TOK_PUNCT && next.punct == '(';
}

static int parse_literal(struct parser *p, struct literal *out)
{
	if (p->tok.kind == TOK_STRING) {
		out->kind = LIT_STRING;
		return parse_string(p, &out->text);
	}
	if (p->tok.kind == TOK_INT || p->tok.kind == TOK_FLOAT || at_punct(p, '-'))
		return parse_number(p, out);
	if (at_punct(p, '['))
		return parse_list(p, out);
	if (at_word(p, "true") || at_word(p, "false")) {
		out->kind = LIT_BOOL;
		out->b = at_word(p, "true");
		parser_next(p);
		return 0;
	}
	if (at_date(p))
		return parse_date(p, out);
	return parser_expected(p, "a value");
}

static struct expr *new_expr(struct parser *p, enum expr_kind kind)
{
	struct expr *x = arena_new(p->a, struct expr);

	x->kind = kind;
	x->line = p->tok.line;
	x->column = p->tok.column;
	x->start = p->tok.start;
	x->end = p->tok.end;
	return x;
}

static int literal_expr(struct parser *p, struct expr **out)
{
	*out = new_expr(p, EX_LITERAL);
	return parse_literal(p, &(*out)->lit);
}

static int parse_now(struct parser *p, struct expr **out)
{
	int rc;

	*out = new_expr(p, EX_NOW);
	parser_next(p);
	rc = expect_punct(p, '(');
	return rc ? rc : expect_punct(p, ')');
}

static int parse_var(struct parser *p, struct expr **out)
{
	*out = new_expr(p, EX_VAR);
	(*out)->name = p->tok.text;
	parser_next(p);
	return 0;
}

static bool at_call(const struct parser *p)
{
	struct token next = parser_peek(p);

	return p->tok.kind == TOK_IDENT && next.kind == TOK_PUNCT && next.punct == '(';
}

int parse_value(struct parser *p, struct expr **out)
{
	if (p->tok.kind == TOK_VAR)
		return parse_var(p, out);
	if (at_call(p) && at_word(p, "now"))
		return parse_now(p, out);
	return literal_expr(p, out);
}

int parse_prop_value(struct parser *p, struct prop_value *out)
{
	int rc;

	out->line = p->tok.line;
	out->column = p->tok.column;
	rc = expect_ident(p, "a property name", &out->name);
	if (!rc)
		rc = expect_punct(p, ':');
	return rc ? rc : parse_value(p, &out->value);
}

static int parse_var_or_prop(struct parser *p, struct expr **out)
{
	struct expr *x;

	parse_var(p, out);
	if (!accept_punct(p, '.'))
		return 0;
	x = *out;
	x->kind = EX_PROP;
	x->end = p->tok.end;
	return expect_ident(p, "a property name", &x->prop_name);
}

/* What a call takes: how many arguments it must and may have. */
static const struct call_rule {
	const char *name;
	enum expr_kind kind;
	enum agg_fn agg;
	uint8_t min, max;
} calls[] = {
	{ "nearest", EX_NEAREST, 0, 2, 2 },	  { "search", EX_SEARCH, 0, 2, 2 }, { "fuzzy", EX_FUZZY, 0, 2, 3 },
	{ "match_text", EX_MATCH_TEXT, 0, 2, 2 }, { "bm25", EX_BM25, 0, 2, 2 },	    { "rrf", EX_RRF, 0, 2, 3 },
	{ "count", EX_AGG, AGG_COUNT, 1, 1 },	  { "sum", EX_AGG, AGG_SUM, 1, 1 }, { "avg", EX_AGG, AGG_AVG, 1, 1 },
	{ "min", EX_AGG, AGG_MIN, 1, 1 },	  { "max", EX_AGG, AGG_MAX, 1, 1 },
};

static const struct call_rule *find_call(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (str_eqz(name, calls[i].name))
			return &calls[i];
	return NULL;
}

static int parse_arg(struct parser *p, const struct call_rule *r, uint32_t i, struct expr **out)
{
	if (r->kind == EX_RRF && i < 2 && !(at_call(p) && (at_word(p, "nearest") || at_word(p, "bm25"))))
		return parser_expected(p, "`nearest(...)` or `bm25(...)`");
	if (r->kind == EX_NEAREST && i == 0) {
		struct token next = parser_peek(p);

		if (p->tok.kind != TOK_VAR || next.kind != TOK_PUNCT || next.punct != '.')
			return parser_expected(p, "a property access (`$v.prop`)");
	}
	return parse_expr(p, out);
}

static int parse_args(struct parser *p, const struct call_rule *r, struct expr *x)
{
	uint32_t n = 0;
	int rc;

	do {
		if (n == r->max)
			return parser_expected(p, "`)`");
		rc = parse_arg(p, r, n, &x->args[n]);
		if (rc)
			return rc;
		n++;
	} while (n < r->max ? accept_punct(p, ',') : false);
	if (n < r->min)
		return parser_expected(p, "`,`");
	x->end = p->tok.end;
	return expect_punct(p, ')');
}

static int parse_call(struct parser *p, const struct call_rule *r, struct expr **out)
{
	int rc = enter(p);

	if (rc)
		return rc;
	*out = new_expr(p, r->kind);
	(*out)->agg = r->agg;
	parser_next(p);
	rc = expect_punct(p, '(');
	if (!rc)
		rc = parse_args(p, r, *out);
	p->call_depth--;
	return rc;
}

static int parse_word(struct parser *p, struct expr **out)
{
	const struct call_rule *r;

	if (at_date(p) || at_word(p, "true") || at_word(p, "false"))
		return literal_expr(p, out);
	if (!at_call(p)) {
		*out = new_expr(p, EX_ALIAS);
		(*out)->name = p->tok.text;
		parser_next(p);
		return 0;
	}
	if (at_word(p, "now"))
		return parse_now(p, out);
	r = find_call(p->tok.text);
	if (!r)
		return parser_syntax(p, &p->tok, "unknown function `%.*s`", STR_ARG(p->tok.text));
	return parse_call(p, r, out);
}

int parse_expr(struct parser *p, struct expr **out)
{
	if (p->tok.kind == TOK_VAR)
		return parse_var_or_prop(p, out);
	if (p->tok.kind == TOK_IDENT)
		return parse_word(p, out);
	if (p->tok.kind == TOK_STRING || p->tok.kind == TOK_INT || p->tok.kind == TOK_FLOAT || at_punct(p, '-') ||
	    at_punct(p, '['))
		return literal_expr(p, out);
	return parser_expected(p, "an expression");
}

bool at_cmp(const struct parser *p, enum cmp_op *op)
{
	switch (p->tok.kind) {
	case TOK_LE:
		*op = OP_LE;
		return true;
	case TOK_GE:
		*op = OP_GE;
		return true;
	case TOK_NE:
		*op = OP_NE;
		return true;
	case TOK_PUNCT:
		*op = p->tok.punct == '<' ? OP_LT : p->tok.punct == '>' ? OP_GT : OP_EQ;
		return p->tok.punct == '<' || p->tok.punct == '>' || p->tok.punct == '=';
	default:
		return false;
	}
}
