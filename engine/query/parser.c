/* SPDX-License-Identifier: MIT */
/* The parser's frame: errors, query declarations, mutations, and the parsed file (spec/query.md 3 and 4). */
#include <omnigraph/limits.h>

#include "parser.h"

void *grow_array(struct arena *a, const void *old, size_t n, size_t cap, size_t size)
{
	char *p = arena_zalloc(a, cap * size);

	if (n)
		memcpy(p, old, n * size);
	return p;
}

void parser_next(struct parser *p)
{
	lexer_next(&p->lx, &p->tok);
}

struct token parser_peek(const struct parser *p)
{
	struct lexer lx = p->lx;
	struct token t;

	lexer_next(&lx, &t);
	return t;
}

int parser_syntax(struct parser *p, const struct token *t, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(p->e, ERR_PARSE, fmt, ap);
	va_end(ap);
	if (!p->e)
		return rc;
	rc = err_set(p->e, ERR_PARSE, "parse error: %s\n --> %u:%u", err_msg(p->e), t->line, t->column);
	err_position(p->e, t->line, t->column, t->start, t->end > t->start ? t->end : t->start + 1);
	return rc;
}

int parser_expected(struct parser *p, const char *what)
{
	const struct token *t = &p->tok;
	int shown = t->text.n > 40 ? 40 : (int)t->text.n;

	if (t->kind == TOK_ERROR)
		return parser_syntax(p, t, "%s", t->why);
	if (t->kind == TOK_END)
		return parser_syntax(p, t, "expected %s, found the end of the text", what);
	if (t->kind == TOK_STRING)
		return parser_syntax(p, t, "expected %s, found a string", what);
	return parser_syntax(p, t, "expected %s, found `%s%.*s`", what, t->kind == TOK_VAR ? "$" : "", shown,
			     t->text.s);
}

bool accept_punct(struct parser *p, char c)
{
	if (!at_punct(p, c))
		return false;
	parser_next(p);
	return true;
}

int expect_punct(struct parser *p, char c)
{
	char what[] = { '`', c, '`', '\0' };

	return accept_punct(p, c) ? 0 : parser_expected(p, what);
}

int expect_word(struct parser *p, const char *word)
{
	char what[32];

	if (at_word(p, word)) {
		parser_next(p);
		return 0;
	}
	what[0] = '`';
	memcpy(what + 1, word, strlen(word) + 1);
	strcat(what, "`");
	return parser_expected(p, what);
}

int expect_ident(struct parser *p, const char *what, struct str *out)
{
	if (p->tok.kind != TOK_IDENT)
		return parser_expected(p, what);
	*out = p->tok.text;
	parser_next(p);
	return 0;
}

/* --- declarations ------------------------------------------------------------------------------ */

static int parse_scalar(struct parser *p, enum scalar *out)
{
	if (p->tok.kind == TOK_TYPENAME) {
		for (int s = SCALAR_STRING; s < SCALAR_VECTOR; s++) {
			if (str_eqz(p->tok.text, scalar_name((enum scalar)s))) {
				*out = (enum scalar)s;
				parser_next(p);
				return 0;
			}
		}
	}
	return parser_expected(p, "a parameter type (String, Bool, I32, I64, U32, U64, F32, F64, Date, DateTime, Blob, "
				  "Vector(N) or a list of a scalar)");
}

/* Vector "(" INT ")"; a dimension that no vector can have is kept as text for the type check. */
static int parse_vector(struct parser *p, struct param_decl *d)
{
	struct str text;
	uint64_t dim = 0;
	int rc;

	parser_next(p);
	rc = expect_punct(p, '(');
	if (rc)
		return rc;
	if (p->tok.kind != TOK_INT)
		return parser_expected(p, "a dimension");
	text = p->tok.text;
	d->type.scalar = SCALAR_VECTOR;
	if (!str_to_u64(text, &dim) || dim < 1 || dim > INT32_MAX)
		d->type_text = str_from(arena_printf(p->a, "Vector(%.*s)", STR_ARG(text)));
	else
		d->type.dim = (uint32_t)dim;
	parser_next(p);
	return expect_punct(p, ')');
}

static bool at_vector(const struct parser *p)
{
	return p->tok.kind == TOK_TYPENAME && str_eqz(p->tok.text, "Vector");
}

static int parse_type(struct parser *p, struct param_decl *d)
{
	int rc;

	if (at_vector(p)) {
		rc = parse_vector(p, d);
	} else if (accept_punct(p, '[')) {
		d->type.list = true;
		rc = parse_scalar(p, &d->type.scalar);
		if (!rc)
			rc = expect_punct(p, ']');
	} else {
		rc = parse_scalar(p, &d->type.scalar);
	}
	if (!rc)
		d->type.nullable = accept_punct(p, '?');
	return rc;
}

static int check_param_name(struct parser *p, const struct query_decl *d, struct str name)
{
	if (str_eqz(name, "__nanograph_now"))
		return parser_semantic(p,
				       "parameter name `$__nanograph_now` is reserved for runtime timestamp injection");
	if (d->n_params >= LIMIT_QUERY_PARAMS)
		return parser_semantic(p, "query `%.*s` declares more than %u parameters", STR_ARG(d->name),
				       LIMIT_QUERY_PARAMS);
	for (uint32_t i = 0; i < d->n_params; i++)
		if (str_eq(d->params[i].name, name))
			return parser_semantic(p, "query `%.*s` declares parameter `$%.*s` twice", STR_ARG(d->name),
					       STR_ARG(name));
	return 0;
}

static int parse_param(struct parser *p, struct query_decl *d, uint32_t *cap)
{
	struct token t = p->tok;
	struct param_decl *par;
	int rc;

	if (t.kind != TOK_VAR)
		return parser_expected(p, "a parameter (`$name: Type`)");
	rc = check_param_name(p, d, t.text);
	if (rc)
		return rc;
	par = PUSH(p->a, d->params, d->n_params, *cap);
	par->name = t.text;
	par->line = t.line;
	par->column = t.column;
	parser_next(p);
	rc = expect_punct(p, ':');
	return rc ? rc : parse_type(p, par);
}

static int parse_params(struct parser *p, struct query_decl *d)
{
	uint32_t cap = 0;
	int rc = expect_punct(p, '(');

	if (rc || accept_punct(p, ')'))
		return rc;
	do {
		rc = parse_param(p, d, &cap);
		if (rc)
			return rc;
	} while (accept_punct(p, ','));
	return expect_punct(p, ')');
}

static int parse_annotation(struct parser *p, struct query_decl *d)
{
	const char **where, *word;
	struct str text;
	int rc;

	parser_next(p); /* '@' */
	if (at_word(p, "description"))
		where = &d->description;
	else if (at_word(p, "instruction"))
		where = &d->instruction;
	else
		return parser_expected(p, "`description` or `instruction`");
	word = where == &d->description ? "description" : "instruction";
	parser_next(p);
	rc = expect_punct(p, '(');
	if (!rc)
		rc = parse_string(p, &text);
	if (!rc)
		rc = expect_punct(p, ')');
	if (rc)
		return rc;
	if (*where)
		return parser_semantic(p, "query `%.*s` cannot include duplicate @%s annotations", STR_ARG(d->name),
				       word);
	*where = text.s;
	return 0;
}

/* --- mutations --------------------------------------------------------------------------------- */

static int parse_assigns(struct parser *p, struct stmt *st)
{
	uint32_t cap = 0;
	int rc = expect_punct(p, '{');

	if (rc)
		return rc;
	do {
		rc = parse_prop_value(p, PUSH(p->a, st->assign, st->n_assign, cap));
		if (rc)
			return rc;
		accept_punct(p, ',');
	} while (!at_punct(p, '}'));
	parser_next(p);
	return 0;
}

static int parse_where(struct parser *p, struct stmt *st)
{
	int rc = expect_word(p, "where");

	if (!rc)
		rc = expect_ident(p, "a property name", &st->where_name);
	if (rc)
		return rc;
	if (!at_cmp(p, &st->where_op))
		return parser_expected(p, "a comparison operator");
	parser_next(p);
	return parse_value(p, &st->where_value);
}

static int parse_stmt(struct parser *p, struct stmt *st)
{
	int rc = 0;

	st->line = p->tok.line;
	st->column = p->tok.column;
	if (at_word(p, "insert"))
		st->kind = ST_INSERT;
	else if (at_word(p, "update"))
		st->kind = ST_UPDATE;
	else if (at_word(p, "delete"))
		st->kind = ST_DELETE;
	else
		return parser_expected(p, "`match`, `insert`, `update` or `delete`");
	parser_next(p);
	if (p->tok.kind != TOK_TYPENAME)
		return parser_expected(p, "a type name");
	st->type_name = p->tok.text;
	parser_next(p);
	if (st->kind == ST_UPDATE)
		rc = expect_word(p, "set");
	if (!rc && st->kind != ST_DELETE)
		rc = parse_assigns(p, st);
	if (!rc && st->kind != ST_INSERT)
		rc = parse_where(p, st);
	return rc;
}

static int parse_mutation(struct parser *p, struct query_decl *d)
{
	uint32_t cap = 0;
	int rc;

	d->is_mutation = true;
	do {
		rc = parse_stmt(p, PUSH(p->a, d->stmts, d->n_stmts, cap));
		if (rc)
			return rc;
	} while (!at_punct(p, '}'));
	return 0;
}

/* --- queries ----------------------------------------------------------------------------------- */

static int parse_query(struct parser *p, struct query_decl *d)
{
	int rc = expect_word(p, "query");

	d->line = p->tok.line;
	d->column = p->tok.column;
	if (!rc)
		rc = expect_ident(p, "a query name", &d->name);
	if (!rc)
		rc = parse_params(p, d);
	while (!rc && at_punct(p, '@'))
		rc = parse_annotation(p, d);
	if (!rc)
		rc = expect_punct(p, '{');
	if (!rc)
		rc = at_word(p, "match") ? parse_read(p, d) : parse_mutation(p, d);
	return rc ? rc : expect_punct(p, '}');
}

static int parse_file(struct parser *p, struct query_file *f)
{
	size_t cap = 0;

	while (p->tok.kind != TOK_END) {
		int rc = parse_query(p, PUSH(p->a, f->decls, f->n, cap));

		if (rc)
			return rc;
	}
	return 0;
}

static int check_source(struct str src, struct err *e)
{
	if (src.n > LIMIT_QUERY_BYTES)
		return err_set(e, ERR_PARSE, "parse error: the query text has %zu bytes; at most %u are accepted",
			       src.n, LIMIT_QUERY_BYTES);
	if (!utf8_valid(src))
		return err_set(e, ERR_PARSE, "parse error: the query text is not valid UTF-8");
	return 0;
}

int query_file_parse(struct str src, struct query_file **out, struct err *e)
{
	struct parser p = { .e = e };
	struct query_file *f;
	int rc = check_source(src, e);

	if (rc)
		return rc;
	f = mem_zalloc(sizeof(*f));
	p.a = &f->arena;
	lexer_init(&p.lx, arena_str(&f->arena, src));
	parser_next(&p);
	rc = parse_file(&p, f);
	if (rc) {
		query_file_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void query_file_free(struct query_file *f)
{
	if (!f)
		return;
	arena_free(&f->arena);
	free(f);
}

size_t query_file_count(const struct query_file *f)
{
	return f->n;
}

const struct query_decl *query_file_at(const struct query_file *f, size_t i)
{
	return &f->decls[i];
}

int query_file_select(const struct query_file *f, const char *name, const struct query_decl **out, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		if (name ? str_eqz(f->decls[i].name, name) : f->n == 1) {
			*out = &f->decls[i];
			return 0;
		}
	}
	if (name)
		return err_set(e, ERR_BAD_REQUEST, "query '%s' not found", name);
	return err_set(e, ERR_BAD_REQUEST, "query file contains multiple queries; pass --name");
}
