/* SPDX-License-Identifier: MIT */
/* The .pg grammar by recursive descent over characters: tokens depend on where they stand (spec/schema.md 1, 2). */
#include <errno.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>

#include "engine/schema/ir.h"

struct parser {
	struct arena *a;
	struct str src;
	size_t pos;
	struct err *e;
};

/* --- errors ------------------------------------------------------------------------------------------------- */

/* A parse error at byte @at, with the offending line below it. */
static int fail_at(struct parser *p, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail_at(struct parser *p, size_t at, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = sc_fail_at(p->src, at, 1, p->e, ERR_PARSE, "parse error: ", fmt, ap);
	va_end(ap);
	return rc;
}

static int expected(struct parser *p, const char *what)
{
	size_t n = 0;

	while (p->pos + n < p->src.n && n < 24 && (unsigned char)p->src.s[p->pos + n] > ' ')
		n++;
	n = sc_char_start(p->src, p->pos + n) - p->pos;
	if (p->pos >= p->src.n)
		return fail_at(p, p->pos, "expected %s, found the end of the text", what);
	return fail_at(p, p->pos, "expected %s, found '%.*s'", what, (int)(n ? n : 1), p->src.s + p->pos);
}

/* --- characters and tokens ------------------------------------------------------------------------------------- */

static char at(const struct parser *p, size_t off)
{
	return p->pos + off < p->src.n ? p->src.s[p->pos + off] : 0;
}

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}

/* White space and comments. */
static int skip(struct parser *p)
{
	for (;;) {
		char c = at(p, 0);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			p->pos++;
		} else if (c == '/' && at(p, 1) == '/') {
			while (p->pos < p->src.n && p->src.s[p->pos] != '\n')
				p->pos++;
		} else if (c == '/' && at(p, 1) == '*') {
			size_t start = p->pos;

			for (p->pos += 2; !(at(p, 0) == '*' && at(p, 1) == '/'); p->pos++)
				if (p->pos >= p->src.n)
					return fail_at(p, start, "this comment is not closed; expected */");
			p->pos += 2;
		} else {
			return 0;
		}
	}
}

static bool accept(struct parser *p, const char *text)
{
	size_t n = strlen(text);

	if (p->src.n - p->pos < n || memcmp(p->src.s + p->pos, text, n))
		return false;
	p->pos += n;
	return true;
}

/* A keyword ends where an identifier could not go on. */
static bool keyword(struct parser *p, const char *word)
{
	size_t n = strlen(word);
	char next = at(p, n);

	if (p->src.n - p->pos < n || memcmp(p->src.s + p->pos, word, n) || is_lower(next) || is_digit(next))
		return false;
	p->pos += n;
	return true;
}

static int want(struct parser *p, const char *text, const char *what)
{
	int rc = skip(p);

	if (rc)
		return rc;
	return accept(p, text) ? 0 : expected(p, what);
}

static struct str take(struct parser *p, bool (*ok)(char))
{
	size_t start = p->pos;

	while (p->pos < p->src.n && ok(p->src.s[p->pos]))
		p->pos++;
	return (struct str){ p->src.s + start, p->pos - start };
}

static int type_name(struct parser *p, struct str *out)
{
	int rc = skip(p);

	if (rc)
		return rc;
	if (!is_upper(at(p, 0)))
		return expected(p, "a type name (an upper-case letter first)");
	*out = take(p, is_word);
	return 0;
}

static int ident(struct parser *p, struct str *out, const char *what)
{
	int rc = skip(p);

	if (rc)
		return rc;
	if (!is_lower(at(p, 0)))
		return expected(p, what);
	*out = take(p, is_word);
	return 0;
}

static int integer_text(struct parser *p, struct str *out)
{
	int rc = skip(p);

	if (rc)
		return rc;
	if (!is_digit(at(p, 0)))
		return expected(p, "an integer");
	*out = take(p, is_digit);
	return 0;
}

/* At a backslash. */
static int bad_escape(struct parser *p)
{
	const char *from = p->src.s + p->pos + 1, *next = from, *end = p->src.s + p->src.n;

	if (from < end)
		utf8_next(&next, end);
	return fail_at(p, p->pos, "unsupported escape sequence: \\%.*s", (int)(next - from), from);
}

static int string(struct parser *p, struct str *out)
{
	struct strbuf b = STRBUF_INIT;
	size_t start = p->pos++;
	int rc = 0;

	while (!rc && at(p, 0) != '"') {
		char c = at(p, 0), esc;

		if (p->pos >= p->src.n) {
			rc = fail_at(p, start, "this string is not closed; expected \"");
		} else if (c != '\\') {
			sb_addch(&b, c);
			p->pos++;
		} else {
			esc = at(p, 1);
			if (esc == '"' || esc == '\\')
				sb_addch(&b, esc);
			else if (esc == 'n' || esc == 'r' || esc == 't')
				sb_addch(&b, esc == 'n' ? '\n' : esc == 'r' ? '\r' : '\t');
			else
				rc = bad_escape(p);
			p->pos += 2;
		}
	}
	p->pos++;
	if (!rc)
		*out = arena_str(p->a, sb_str(&b));
	sb_free(&b);
	return rc;
}

/* Optional '-', digits, and a fraction only when a digit follows the dot (so 0..5 is 0 .. 5). */
static bool number(struct parser *p, struct str *text, bool *is_float)
{
	size_t start = p->pos, n = at(p, 0) == '-' ? 1 : 0;

	if (!is_digit(at(p, n)))
		return false;
	while (is_digit(at(p, n)))
		n++;
	*is_float = at(p, n) == '.' && is_digit(at(p, n + 1));
	if (*is_float)
		for (n++; is_digit(at(p, n));)
			n++;
	p->pos += n;
	*text = (struct str){ p->src.s + start, n };
	return true;
}

/* --- types ------------------------------------------------------------------------------------------------------- */

static const char *const scalar_words[] = { "String", "Bool", "I32",  "I64",	  "U32", "U64",
					    "F32",    "F64",  "Date", "DateTime", "Blob" };

static bool scalar_of(struct str word, enum scalar *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(scalar_words); i++)
		if (str_eqz(word, scalar_words[i])) {
			*out = (enum scalar)i;
			return true;
		}
	return false;
}

static int vector_type(struct parser *p, struct prop_type *t)
{
	struct str text;
	uint64_t n;
	size_t start;
	int rc = want(p, "(", "'('");

	if (rc || (rc = skip(p)))
		return rc;
	start = p->pos;
	rc = integer_text(p, &text);
	if (rc)
		return rc;
	if (!str_to_u64(text, &n) || n > UINT32_MAX)
		return fail_at(p, start, "invalid Vector dimension %.*s", STR_ARG(text));
	if (n == 0)
		return fail_at(p, start, "Vector dimension must be greater than zero");
	if (n > INT32_MAX)
		return fail_at(p, start, "Vector dimension %llu exceeds maximum supported 2147483647",
			       (unsigned long long)n);
	t->scalar = SCALAR_VECTOR;
	t->dim = (uint32_t)n;
	return want(p, ")", "')'");
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_enum_char(char c)
{
	return is_word(c) || c == '-';
}

static int enum_type(struct parser *p, struct prop_type *t)
{
	struct map seen = MAP_INIT;
	struct str *vals = NULL;
	size_t n = 0, cap = 0, start;
	int rc = want(p, "(", "'('");

	while (!rc) {
		rc = skip(p);
		start = p->pos;
		if (!rc && !is_enum_char(at(p, 0)))
			rc = expected(p, "an enum value");
		if (rc)
			break;
		MEM_GROW(vals, n, cap);
		vals[n] = take(p, is_enum_char);
		if (!map_add(&seen, vals[n], p))
			rc = fail_at(p, start, "enum type cannot include duplicate values ('%.*s')", STR_ARG(vals[n]));
		else if (++n > LIMIT_ENUM_VALUES)
			rc = fail_at(p, start, "an enum has at most %u values", LIMIT_ENUM_VALUES);
		if (!rc)
			rc = skip(p);
		if (rc || !accept(p, ","))
			break;
	}
	if (!rc)
		rc = want(p, ")", "',' or ')'");
	if (!rc) {
		qsort(vals, n, sizeof(*vals), by_text);
		t->scalar = SCALAR_STRING;
		t->n_enum = (uint32_t)n;
		t->enum_values = arena_memdup(p->a, vals, n * sizeof(*vals));
	}
	map_free(&seen);
	free(vals);
	return rc;
}

static int property_type(struct parser *p, struct prop_type *t)
{
	size_t start;
	struct str word;
	int rc = skip(p);

	*t = (struct prop_type){ 0 };
	if (rc)
		return rc;
	if (accept(p, "[")) {
		t->list = true;
		rc = skip(p);
		if (rc)
			return rc;
	}
	start = p->pos;
	word = take(p, is_word);
	if (!t->list && str_eqz(word, "Vector")) {
		rc = vector_type(p, t);
	} else if (!t->list && str_eqz(word, "enum")) {
		rc = enum_type(p, t);
	} else if (!scalar_of(word, &t->scalar)) {
		p->pos = start;
		return expected(p, t->list ? "a scalar type"
					   : "a type (String, Bool, I32, I64, U32, U64, F32, F64, Date, "
					     "DateTime, Blob, [..], enum(..) or Vector(n))");
	} else if (t->list && t->scalar == SCALAR_BLOB) {
		return fail_at(p, start, "list of Blob is not supported");
	}
	if (!rc && t->list)
		rc = want(p, "]", "']'");
	if (rc || (rc = skip(p)))
		return rc;
	t->nullable = accept(p, "?");
	return 0;
}

/* --- annotations --------------------------------------------------------------------------------------------------- */

/* A literal or an identifier as its text. */
static int annotation_value(struct parser *p, bool allow_ident, struct str *out)
{
	bool is_float;
	int rc = skip(p);

	if (rc)
		return rc;
	if (at(p, 0) == '"')
		return string(p, out);
	if (is_lower(at(p, 0))) {
		size_t start = p->pos;

		*out = take(p, is_word);
		if (allow_ident || str_eqz(*out, "true") || str_eqz(*out, "false"))
			return 0;
		p->pos = start;
	} else if (is_digit(at(p, 0)) && number(p, out, &is_float)) {
		return 0;
	}
	return expected(p, allow_ident ? "a value or a name" : "a value");
}

static int too_many(struct parser *p, const char *what)
{
	return fail_at(p, p->pos, "too many %s; expected at most %u", what, LIMIT_SCHEMA_LIST);
}

static int annotation_args(struct parser *p, struct sc_annotation *an)
{
	struct sc_kwarg *kw = NULL;
	size_t n = 0, cap = 0;
	int rc = annotation_value(p, true, &an->value);

	an->has_value = true;
	while (!rc && !(rc = skip(p)) && accept(p, ",")) {
		struct sc_kwarg k;
		size_t i = 0;

		rc = ident(p, &k.name, "an argument name");
		if (!rc)
			rc = want(p, "=", "'='");
		if (!rc)
			rc = annotation_value(p, false, &k.value);
		if (rc)
			break;
		while (i < n && !str_eq(kw[i].name, k.name))
			i++;
		if (i < n) {
			kw[i] = k; /* the last one wins */
			continue;
		}
		MEM_GROW(kw, n, cap);
		kw[n++] = k;
		if (n > LIMIT_SCHEMA_LIST)
			rc = too_many(p, "arguments");
	}
	if (!rc)
		rc = want(p, ")", "',' or ')'");
	an->n_kwargs = (uint32_t)n;
	an->kwargs = n ? arena_memdup(p->a, kw, n * sizeof(*kw)) : NULL;
	free(kw);
	return rc;
}

static bool is_constraint_word(struct str w)
{
	return str_eqz(w, "key") || str_eqz(w, "unique") || str_eqz(w, "index") || str_eqz(w, "range") ||
	       str_eqz(w, "check");
}

/*
 * Annotations up to what is not one. With @body, `@key(` and its kin are left for the body constraint that they are (rule A).
 */
static int annotations(struct parser *p, bool body, uint32_t *n_out, struct sc_annotation **out)
{
	struct sc_annotation *list = NULL;
	size_t n = 0, cap = 0;
	int rc;

	while (!(rc = skip(p)) && at(p, 0) == '@') {
		struct sc_annotation an = { 0 };
		size_t start = p->pos++;

		if (!is_lower(at(p, 0))) {
			rc = expected(p, "an annotation name");
			break;
		}
		an.name = take(p, is_word);
		rc = skip(p);
		if (rc)
			break;
		if (body && at(p, 0) == '(' && is_constraint_word(an.name)) {
			p->pos = start;
			break;
		}
		if (accept(p, "("))
			rc = annotation_args(p, &an);
		if (rc)
			break;
		MEM_GROW(list, n, cap);
		list[n++] = an;
		if (n > LIMIT_SCHEMA_LIST) {
			rc = too_many(p, "annotations");
			break;
		}
	}
	*n_out = (uint32_t)n;
	*out = n ? arena_memdup(p->a, list, n * sizeof(*list)) : NULL;
	free(list);
	return rc;
}

/* --- constraints ---------------------------------------------------------------------------------------------------- */

enum arg_kind { ARG_IDENT, ARG_STRING, ARG_LITERAL, ARG_BOUNDS };

struct con_arg {
	enum arg_kind kind;
	size_t at;
	struct str text;
	struct sc_bound min, max;
};

static void set_bound(struct sc_bound *b, struct str text, bool is_float)
{
	b->given = true;
	b->is_float = is_float || !str_to_i64(text, &b->i);
	if (b->is_float)
		parse_f64(text, &b->f);
	else
		b->f = (double)b->i;
}

static int bounds_or_number(struct parser *p, struct con_arg *arg)
{
	bool is_float;
	struct str text;

	arg->kind = ARG_LITERAL;
	if (number(p, &arg->text, &is_float)) {
		int rc = skip(p);

		if (rc || !accept(p, ".."))
			return rc;
		set_bound(&arg->min, arg->text, is_float);
		arg->kind = ARG_BOUNDS;
		rc = skip(p);
		if (!rc && number(p, &text, &is_float))
			set_bound(&arg->max, text, is_float);
		return rc;
	}
	if (accept(p, "..")) {
		int rc = skip(p);

		if (rc)
			return rc;
		arg->kind = ARG_BOUNDS;
		if (!number(p, &text, &is_float))
			return expected(p, "a number");
		set_bound(&arg->max, text, is_float);
		return 0;
	}
	return expected(p, "a property name, a value or bounds");
}

static int constraint_arg(struct parser *p, struct con_arg *arg)
{
	int rc = skip(p);

	*arg = (struct con_arg){ .at = p->pos };
	if (rc)
		return rc;
	if (at(p, 0) == '"') {
		arg->kind = ARG_STRING;
		return string(p, &arg->text);
	}
	if (is_lower(at(p, 0))) {
		arg->text = take(p, is_word);
		arg->kind = str_eqz(arg->text, "true") || str_eqz(arg->text, "false") ? ARG_LITERAL : ARG_IDENT;
		return 0;
	}
	return bounds_or_number(p, arg);
}

static int want_member(struct parser *p, const struct con_arg *arg)
{
	return arg->kind == ARG_IDENT ? 0 : fail_at(p, arg->at, "expected property name in constraint");
}

static int tuple_constraint(struct parser *p, struct sc_constraint *c, const struct con_arg *args, size_t n)
{
	uint32_t k = 0;

	c->members = arena_array(p->a, struct str, n);
	for (size_t i = 0; i < n; i++) {
		int rc = want_member(p, &args[i]);

		if (rc)
			return rc;
		c->members[i] = args[i].text;
	}
	qsort(c->members, n, sizeof(*c->members), by_text);
	for (size_t i = 0; i < n; i++)
		if (!k || !str_eq(c->members[k - 1], c->members[i]))
			c->members[k++] = c->members[i];
	c->n_members = k;
	return 0;
}

static int value_constraint(struct parser *p, struct sc_constraint *c, const struct con_arg *args, size_t n,
			    size_t start)
{
	bool range = c->kind == CON_RANGE;
	int rc;

	if (n < 2)
		return fail_at(p, start, "%s",
			       range ? "@range requires property name and bounds"
				     : "@check requires property name and pattern");
	rc = want_member(p, &args[0]);
	if (rc)
		return rc;
	if (range && args[1].kind != ARG_BOUNDS)
		return fail_at(p, args[1].at, "expected range bounds (min..max) in @range constraint");
	if (!range && args[1].kind != ARG_STRING)
		return fail_at(p, args[1].at, "expected string argument in constraint");
	c->n_members = 1;
	c->members = arena_memdup(p->a, &args[0].text, sizeof(args[0].text));
	c->min = args[1].min;
	c->max = args[1].max;
	c->pattern = args[1].text;
	return 0;
}

/* "@" is at the position; the word is one of the five and "(" follows. */
static int constraint(struct parser *p, struct sc_type *t)
{
	static const char *const words[] = { "key", "unique", "index", "range", "check" };
	struct sc_constraint c = { 0 };
	struct con_arg *args = NULL;
	size_t n = 0, cap = 0, start = p->pos++;
	struct str word = take(p, is_word);
	int rc = want(p, "(", "'('");

	while (!str_eqz(word, words[c.kind]))
		c.kind++;
	while (!rc) {
		struct con_arg arg;

		rc = constraint_arg(p, &arg);
		if (rc)
			break;
		MEM_GROW(args, n, cap);
		args[n++] = arg;
		rc = n > LIMIT_SCHEMA_LIST ? too_many(p, "arguments") : skip(p);
		if (rc || !accept(p, ","))
			break;
	}
	if (!rc)
		rc = want(p, ")", "',' or ')'");
	if (!rc)
		rc = c.kind <= CON_INDEX ? tuple_constraint(p, &c, args, n) : value_constraint(p, &c, args, n, start);
	free(args);
	if (rc)
		return rc;
	if (t->n_constraints == t->cap_constraints) {
		struct sc_constraint *old = t->constraints;

		t->cap_constraints = t->cap_constraints ? t->cap_constraints * 2 : 4;
		t->constraints = arena_array(p->a, struct sc_constraint, t->cap_constraints);
		if (old)
			memcpy(t->constraints, old, t->n_constraints * sizeof(*old));
	}
	t->constraints[t->n_constraints++] = c;
	return 0;
}

/* --- declarations ------------------------------------------------------------------------------------------------------ */

static int check_reserved(struct parser *p, const struct sc_type *t, struct str name, size_t start)
{
	static const char *const system[] = { "_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version",
					      "_row_last_updated_at_version" };

	if (str_eqz(name, "id") || (t->kind == SC_EDGE && (str_eqz(name, "src") || str_eqz(name, "dst"))))
		return fail_at(p, start, "property name '%.*s' is reserved", STR_ARG(name));
	for (size_t i = 0; i < ARRAY_SIZE(system); i++)
		if (str_eqz(name, system[i]))
			return fail_at(p, start,
				       "property name '%.*s' is reserved: it is a system column; a graph that has such "
				       "a property "
				       "must be exported, the property renamed, and the graph rebuilt",
				       STR_ARG(name));
	return 0;
}

struct sc_prop *sc_add_prop(struct arena *a, struct sc_type *t)
{
	if (t->n_props == t->cap_props) {
		struct sc_prop *old = t->props;

		t->cap_props = t->cap_props ? t->cap_props * 2 : 8;
		t->props = arena_array(a, struct sc_prop, t->cap_props);
		if (old)
			memcpy(t->props, old, t->n_props * sizeof(*old));
	}
	return &t->props[t->n_props++];
}

static int property(struct parser *p, struct sc_type *t)
{
	struct sc_prop pr = { .declared_directly = true };
	size_t start = p->pos;
	int rc = ident(p, &pr.name, "a property name, a constraint or '}'");

	if (!rc)
		rc = want(p, ":", "':'");
	if (!rc)
		rc = property_type(p, &pr.type);
	if (!rc)
		rc = check_reserved(p, t, pr.name, start);
	if (!rc)
		rc = annotations(p, true, &pr.n_annotations, &pr.annotations);
	if (!rc && t->n_props == LIMIT_TYPE_PROPERTIES)
		rc = fail_at(p, start, "a type has at most %u properties", LIMIT_TYPE_PROPERTIES);
	if (!rc)
		*sc_add_prop(p->a, t) = pr;
	return rc;
}

static int body(struct parser *p, struct sc_type *t)
{
	int rc = want(p, "{", "'{'");

	while (!rc && !(rc = skip(p)) && !accept(p, "}")) {
		if (at(p, 0) != '@') {
			rc = property(p, t);
		} else if (t->kind == SC_INTERFACE) {
			rc = expected(p, "a property or '}' (an interface has no constraints)");
		} else {
			size_t start = p->pos++;
			struct str word = take(p, is_word);

			rc = skip(p);
			if (rc)
				return rc;
			if (!is_constraint_word(word) || at(p, 0) != '(') {
				p->pos = start;
				return expected(p, "a property, a constraint such as @unique(..) or '}'");
			}
			p->pos = start;
			rc = constraint(p, t);
		}
	}
	return rc;
}

/* "@card(a..b)" right after the endpoints; anything else of that name is an annotation. */
static int cardinality(struct parser *p, struct sc_type *t)
{
	size_t start, here = p->pos;
	struct str text;
	uint64_t min, max;
	int rc = skip(p);

	t->card_max = UINT32_MAX;
	start = p->pos;
	if (rc || !keyword(p, "@card") || (rc = skip(p)) || !accept(p, "(") || (rc = skip(p)) || !is_digit(at(p, 0)))
		goto none;
	text = take(p, is_digit);
	if ((rc = skip(p)) || !accept(p, ".."))
		goto none;
	if (!str_to_u64(text, &min) || min > UINT32_MAX)
		return fail_at(p, start, "invalid cardinality min: %.*s", STR_ARG(text));
	t->has_card = true;
	t->card_min = (uint32_t)min;
	rc = skip(p);
	if (rc)
		return rc;
	if (is_digit(at(p, 0))) {
		text = take(p, is_digit);
		if (!str_to_u64(text, &max) || max > UINT32_MAX)
			return fail_at(p, start, "invalid cardinality max: %.*s", STR_ARG(text));
		t->card_max = (uint32_t)max;
		if (min > max)
			return fail_at(p, start, "cardinality min (%u) exceeds max (%u)", t->card_min, t->card_max);
	}
	return want(p, ")", "')' or an integer");
none:
	if (!rc)
		p->pos = here;
	return rc;
}

static int implements(struct parser *p, struct sc_type *t)
{
	struct str *list = NULL;
	size_t n = 0, cap = 0;
	int rc = skip(p);

	if (rc || !keyword(p, "implements"))
		return rc;
	do {
		struct str name;

		rc = type_name(p, &name);
		if (rc)
			break;
		MEM_GROW(list, n, cap);
		list[n++] = name;
		rc = n > LIMIT_SCHEMA_LIST ? too_many(p, "interfaces") : skip(p);
	} while (!rc && accept(p, ","));
	t->n_implements = (uint32_t)n;
	t->implements = n ? arena_memdup(p->a, list, n * sizeof(*list)) : NULL;
	free(list);
	return rc;
}

static int node(struct parser *p, struct sc_type *t)
{
	int rc = type_name(p, &t->name);

	if (!rc)
		rc = annotations(p, false, &t->n_annotations, &t->annotations);
	if (!rc)
		rc = implements(p, t);
	return rc ? rc : body(p, t);
}

static int edge(struct parser *p, struct sc_type *t)
{
	int rc = type_name(p, &t->name);

	if (!rc)
		rc = want(p, ":", "':'");
	if (!rc)
		rc = type_name(p, &t->from);
	if (!rc)
		rc = want(p, "->", "'->'");
	if (!rc)
		rc = type_name(p, &t->to);
	if (!rc)
		rc = cardinality(p, t);
	if (!rc)
		rc = annotations(p, false, &t->n_annotations, &t->annotations);
	if (!rc)
		rc = skip(p);
	return rc || at(p, 0) != '{' ? rc : body(p, t);
}

static int declaration(struct parser *p, struct sc_type *t)
{
	int rc;

	if (keyword(p, "interface")) {
		t->kind = SC_INTERFACE;
		rc = type_name(p, &t->name);
		return rc ? rc : body(p, t);
	}
	if (keyword(p, "node")) {
		t->kind = SC_NODE;
		return node(p, t);
	}
	if (keyword(p, "edge")) {
		t->kind = SC_EDGE;
		return edge(p, t);
	}
	return expected(p, "`interface`, `node` or `edge`");
}

int sc_parse(struct arena *a, struct str src, struct sc_schema *out, struct err *e)
{
	struct parser p = { .a = a, .src = src, .e = e };
	struct sc_type *types = NULL;
	size_t n = 0, cap = 0;
	int rc = 0;

	*out = (struct sc_schema){ .source = src };
	if (src.n > LIMIT_SCHEMA_BYTES)
		return err_set(e, ERR_PARSE, "parse error: the schema has %zu bytes (at most %u)", src.n,
			       LIMIT_SCHEMA_BYTES);
	if (!utf8_valid(src))
		return err_set(e, ERR_PARSE, "parse error: the schema is not valid UTF-8 text");
	while (!(rc = skip(&p)) && p.pos < src.n) {
		struct sc_type t = { .card_max = UINT32_MAX };

		rc = declaration(&p, &t);
		if (rc)
			break;
		MEM_GROW(types, n, cap);
		types[n++] = t;
		if (n > LIMIT_SCHEMA_TYPES) {
			rc = fail_at(&p, p.pos, "a schema has at most %u declarations", LIMIT_SCHEMA_TYPES);
			break;
		}
	}
	out->n_types = (uint32_t)n;
	out->types = n ? arena_memdup(a, types, n * sizeof(*types)) : NULL;
	free(types);
	return rc;
}
