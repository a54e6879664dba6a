/* SPDX-License-Identifier: MIT */
/* The body of a read query: match, return, order, limit. */
#include <omnigraph/limits.h>

#include "parser.h"

static bool is_punct(const struct token *t, char c)
{
	return t->kind == TOK_PUNCT && t->punct == c;
}

/* Scan "{" INT "," [ INT ] "}" behind its brace; *t is then the token behind the bounds. */
static bool scan_bounds(struct lexer *lx, struct token *t)
{
	lexer_next(lx, t);
	if (t->kind != TOK_INT)
		return false;
	lexer_next(lx, t);
	if (!is_punct(t, ','))
		return false;
	lexer_next(lx, t);
	if (t->kind == TOK_INT)
		lexer_next(lx, t);
	if (!is_punct(t, '}'))
		return false;
	lexer_next(lx, t);
	return true;
}

/* True when the tokens from the current variable on form a complete traversal: it wins over a filter (spec/query.md 3). */
static bool at_whole_traversal(const struct parser *p)
{
	struct lexer lx = p->lx;
	struct token t;

	lexer_next(&lx, &t);
	if (t.kind == TOK_VAR) {
		lexer_next(&lx, &t);
		if (!is_punct(&t, ':'))
			return false;
		lexer_next(&lx, &t);
	}
	if (is_punct(&t, '<')) {
		lexer_next(&lx, &t);
		if (t.kind != TOK_IDENT)
			return false;
		lexer_next(&lx, &t);
		if (!is_punct(&t, '>'))
			return false;
	} else if (t.kind != TOK_IDENT) {
		return false;
	}
	lexer_next(&lx, &t);
	if (is_punct(&t, '{') && !scan_bounds(&lx, &t))
		return false;
	return t.kind == TOK_VAR;
}

static int parse_match_list(struct parser *p, struct clause *c)
{
	uint32_t cap = 0;
	int rc;

	do {
		if (c->node.n_matches && at_punct(p, '}'))
			break; /* trailing comma */
		rc = parse_prop_value(p, PUSH(p->a, c->node.matches, c->node.n_matches, cap));
		if (rc)
			return rc;
	} while (accept_punct(p, ','));
	return expect_punct(p, '}');
}

static int parse_node_pattern(struct parser *p, struct clause *c)
{
	c->kind = CL_NODE;
	c->node.var = p->tok.text;
	parser_next(p);
	parser_next(p); /* ':' */
	if (p->tok.kind != TOK_TYPENAME)
		return parser_expected(p, "a type name");
	c->node.type_name = p->tok.text;
	parser_next(p);
	return accept_punct(p, '{') ? parse_match_list(p, c) : 0;
}

static int parse_bound(struct parser *p, const char *which, uint64_t *out)
{
	if (p->tok.kind != TOK_INT)
		return parser_expected(p, "a number of hops");
	if (!str_to_u64(p->tok.text, out) || *out > UINT32_MAX)
		return parser_semantic(p, "invalid traversal %s bound: %.*s", which, STR_ARG(p->tok.text));
	parser_next(p);
	return 0;
}

static int parse_bounds(struct parser *p, struct clause *c)
{
	int rc;

	c->trav.has_bounds = true;
	rc = parse_bound(p, "min", &c->trav.min);
	if (!rc)
		rc = expect_punct(p, ',');
	if (rc)
		return rc;
	if (at_punct(p, '}'))
		c->trav.unbounded = true;
	else
		rc = parse_bound(p, "max", &c->trav.max);
	return rc ? rc : expect_punct(p, '}');
}

static int parse_edge_name(struct parser *p, struct clause *c)
{
	int rc;

	c->trav.undirected = accept_punct(p, '<');
	if (at_word(p, "not"))
		return parser_expected(p, "an edge name (`not` cannot be one)");
	rc = expect_ident(p, "an edge name", &c->trav.edge_name);
	return rc || !c->trav.undirected ? rc : expect_punct(p, '>');
}

static int parse_traversal(struct parser *p, struct clause *c)
{
	int rc;

	c->kind = CL_TRAVERSAL;
	c->trav.min = c->trav.max = 1;
	c->trav.left = p->tok.text;
	parser_next(p);
	if (p->tok.kind == TOK_VAR) {
		c->trav.edge_var = p->tok.text;
		parser_next(p);
		rc = expect_punct(p, ':');
		if (rc)
			return rc;
	}
	rc = parse_edge_name(p, c);
	if (!rc && accept_punct(p, '{'))
		rc = parse_bounds(p, c);
	if (rc)
		return rc;
	if (p->tok.kind != TOK_VAR)
		return parser_expected(p, "a variable at the other end of the traversal");
	c->trav.right = p->tok.text;
	parser_next(p);
	return 0;
}

static bool at_filter_op(const struct parser *p, enum cmp_op *op)
{
	if (at_word(p, "contains"))
		*op = OP_CONTAINS;
	else if (at_word(p, "starts_with"))
		*op = OP_STARTS_WITH;
	else
		return at_cmp(p, op);
	return true;
}

static bool is_text_call(const struct expr *x)
{
	return x->kind == EX_SEARCH || x->kind == EX_FUZZY || x->kind == EX_MATCH_TEXT;
}

static int parse_filter(struct parser *p, struct clause *c)
{
	struct expr *left;
	int rc = parse_expr(p, &left);

	if (rc)
		return rc;
	c->kind = CL_FILTER;
	c->filter.left = left;
	if (!at_filter_op(p, &c->filter.op)) {
		if (!is_text_call(left))
			return parser_expected(p, "a comparison operator");
		c->kind = CL_TEXT;
		c->text = left;
		return 0;
	}
	parser_next(p);
	return parse_expr(p, &c->filter.right);
}

/* A clause that begins with a variable: node pattern, traversal or filter. */
static int parse_var_clause(struct parser *p, struct clause *c)
{
	struct token next = parser_peek(p);
	bool op_word = token_is(&next, "contains") || token_is(&next, "starts_with");

	if (is_punct(&next, ':'))
		return parse_node_pattern(p, c);
	if (next.kind == TOK_VAR || (next.kind == TOK_IDENT && !op_word) || at_whole_traversal(p))
		return parse_traversal(p, c);
	return parse_filter(p, c);
}

static int parse_clauses(struct parser *p, struct clause **out, uint32_t *n);

static int parse_negation(struct parser *p, struct clause *c)
{
	int rc;

	if (p->not_depth >= LIMIT_NOT_DEPTH)
		return parser_syntax(p, &p->tok, "`not` blocks are nested deeper than %d levels", LIMIT_NOT_DEPTH);
	p->not_depth++;
	c->kind = CL_NOT;
	parser_next(p);
	rc = parse_clauses(p, &c->negation.clauses, &c->negation.n);
	p->not_depth--;
	return rc;
}

/* `not` begins a block unless an operator follows, which makes it a name. */
static bool at_negation(const struct parser *p)
{
	struct parser ahead = *p;
	enum cmp_op op;

	if (!at_word(p, "not"))
		return false;
	parser_next(&ahead);
	return !at_filter_op(&ahead, &op);
}

static int parse_clause(struct parser *p, struct clause *c)
{
	c->line = p->tok.line;
	c->column = p->tok.column;
	if (at_negation(p))
		return parse_negation(p, c);
	if (p->tok.kind == TOK_VAR)
		return parse_var_clause(p, c);
	if (at_punct(p, '}') || p->tok.kind == TOK_END)
		return parser_expected(p, "a clause");
	return parse_filter(p, c);
}

static int parse_clauses(struct parser *p, struct clause **out, uint32_t *n)
{
	uint32_t cap = 0;
	int rc = expect_punct(p, '{');

	if (rc)
		return rc;
	do {
		rc = parse_clause(p, PUSH(p->a, *out, *n, cap));
		if (rc)
			return rc;
	} while (!at_punct(p, '}'));
	parser_next(p);
	return 0;
}

/* The alias is a name behind `as`; without one, `as` is a name itself. */
static int parse_alias(struct parser *p, struct projection *pr)
{
	if (!at_word(p, "as") || parser_peek(p).kind != TOK_IDENT)
		return 0;
	if (pr->expr->kind == EX_STAR)
		return parser_syntax(p, &p->tok, "`{ * }` makes several columns and takes no alias");
	parser_next(p);
	return expect_ident(p, "an alias", &pr->alias);
}

static int parse_star(struct parser *p, struct expr *x)
{
	int rc;

	parser_next(p);
	rc = expect_punct(p, '*');
	x->kind = EX_STAR;
	x->end = p->tok.end;
	return rc ? rc : expect_punct(p, '}');
}

static int parse_projections(struct parser *p, struct query_decl *d)
{
	uint32_t cap = 0;
	int rc = expect_punct(p, '{');

	if (rc)
		return rc;
	do {
		struct projection *pr = PUSH(p->a, d->projections, d->n_projections, cap);

		rc = parse_expr(p, &pr->expr);
		if (!rc && pr->expr->kind == EX_VAR && at_punct(p, '{'))
			rc = parse_star(p, pr->expr);
		if (!rc)
			rc = parse_alias(p, pr);
		if (rc)
			return rc;
		accept_punct(p, ',');
	} while (!at_punct(p, '}'));
	parser_next(p);
	return 0;
}

static int parse_ordering(struct parser *p, struct ordering *o)
{
	int rc = parse_expr(p, &o->expr);

	if (rc || (!at_word(p, "asc") && !at_word(p, "desc")))
		return rc;
	if (o->expr->kind == EX_NEAREST)
		return parser_expected(p, "`,` or `}` (`nearest` is always ascending)");
	o->explicit_dir = true;
	o->desc = at_word(p, "desc");
	parser_next(p);
	return 0;
}

static int parse_orderings(struct parser *p, struct query_decl *d)
{
	uint32_t cap = 0;
	int rc;

	parser_next(p);
	rc = expect_punct(p, '{');
	if (rc)
		return rc;
	do {
		if (d->n_orderings >= LIMIT_QUERY_ORDERINGS)
			return parser_semantic(p, "query `%.*s` orders by more than %u keys", STR_ARG(d->name),
					       LIMIT_QUERY_ORDERINGS);
		rc = parse_ordering(p, PUSH(p->a, d->orderings, d->n_orderings, cap));
		if (rc)
			return rc;
	} while (accept_punct(p, ','));
	return expect_punct(p, '}');
}

static int parse_limit(struct parser *p, struct query_decl *d)
{
	parser_next(p);
	if (p->tok.kind != TOK_INT)
		return parser_expected(p, "a number of rows");
	d->has_limit = true;
	if (!str_to_u64(p->tok.text, &d->limit))
		return parser_semantic(p, "invalid limit: %.*s", STR_ARG(p->tok.text));
	parser_next(p);
	return 0;
}

int parse_read(struct parser *p, struct query_decl *d)
{
	int rc;

	parser_next(p); /* match */
	rc = parse_clauses(p, &d->clauses, &d->n_clauses);
	if (!rc)
		rc = expect_word(p, "return");
	if (!rc)
		rc = parse_projections(p, d);
	if (!rc && at_word(p, "order"))
		rc = parse_orderings(p, d);
	if (!rc && at_word(p, "limit"))
		rc = parse_limit(p, d);
	return rc;
}
