/* SPDX-License-Identifier: MIT */
/* Query lint and operation descriptors (spec/query.md 15). */
#include "describe.h"
#include "parser.h"
#include "typecheck.h"

/* What the valid update queries of a file do to one node type. */
struct lint_type {
	bool *assigned; /* per property */
	struct str *by; /* the updating queries, by name */
	uint32_t n_by, cap;
};

struct lint {
	struct arena arena;
	struct catalog *c;
	struct lint_type *types; /* per catalog type */
	uint32_t errors, warnings, infos;
	struct strbuf results;
	struct json_writer w; /* writes results */
};

/* --- operation descriptors --------------------------------------------------------------------- */

static const char *call_word(const struct expr *x)
{
	const char *name = expr_call_name(x);

	return *name ? name : x->kind == EX_NOW ? "now" : "literal";
}

static struct str result_name(const struct projection *p)
{
	const struct expr *x = p->expr;

	if (p->alias.s)
		return p->alias;
	if (x->kind == EX_PROP)
		return x->prop_name;
	if (x->kind == EX_VAR || x->kind == EX_PARAM || x->kind == EX_ALIAS)
		return x->name;
	return str_from(call_word(x));
}

/* An alias reference has the kind of what it names; the depth bounds references that go round. */
static const struct expr *look_through(const struct query_decl *d, const struct expr *x)
{
	for (uint32_t depth = 0; x->kind == EX_ALIAS && depth < 64; depth++) {
		const struct expr *next = x;

		for (uint32_t i = 0; i < d->n_projections && next == x; i++)
			if (d->projections[i].alias.s && str_eq(d->projections[i].alias, x->name))
				next = d->projections[i].expr;
		if (next == x)
			return NULL;
		x = next;
	}
	return x->kind == EX_ALIAS ? NULL : x;
}

static void write_result(struct json_writer *w, const struct query_decl *d, const struct projection *p)
{
	static const struct prop_type unknown = { .scalar = SCALAR_I64, .nullable = true };
	const struct expr *x = look_through(d, p->expr);
	const struct prop_type *t = x ? &x->type : &unknown;
	bool object = x && (x->is_node || (x->kind == EX_AGG && x->agg >= AGG_MIN && x->args[0]->is_node));

	jw_begin_object(w);
	jw_kstr(w, "name", result_name(p));
	describe_kind(w, t, object);
	jw_kbool(w, "nullable", t->nullable);
	jw_end_object(w);
}

static void mark_edge(bool *set, const struct type *e)
{
	set[e->index] = set[e->from->index] = set[e->to->index] = true;
}

static void mark_clauses(bool *set, const struct clause *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].kind == CL_NODE)
			set[c[i].node.type->index] = true;
		else if (c[i].kind == CL_TRAVERSAL)
			mark_edge(set, c[i].trav.edge);
		else if (c[i].kind == CL_NOT)
			mark_clauses(set, c[i].negation.clauses, c[i].negation.n);
	}
}

static void mark_stmt(const struct catalog *c, const struct stmt *st, bool *reads, bool *writes)
{
	const struct type *ty = st->type;

	reads[ty->index] = writes[ty->index] = true;
	if (st->kind == ST_INSERT && ty->kind == TYPE_EDGE)
		mark_edge(reads, ty);
	for (uint32_t i = 0; st->kind == ST_DELETE && ty->kind == TYPE_NODE && i < c->n_types; i++)
		if (c->types[i].kind == TYPE_EDGE && (c->types[i].from == ty || c->types[i].to == ty))
			reads[i] = writes[i] = true;
}

static void write_set(struct json_writer *w, const char *key, const struct catalog *c, const bool *set)
{
	jw_keyz(w, key);
	jw_begin_array(w);
	for (uint32_t i = 0; i < c->n_types; i++) {
		if (!set[i])
			continue;
		jw_begin_object(w);
		jw_kstrz(w, "kind", type_kind_word(&c->types[i]));
		jw_kstr(w, "type_name", c->types[i].name);
		jw_end_object(w);
	}
	jw_end_array(w);
}

static void write_operation(struct json_writer *w, struct query *q, const struct catalog *c)
{
	const struct query_decl *d = &q->decl;
	bool *reads = arena_array(&q->arena, bool, c->n_types);
	bool *writes = arena_array(&q->arena, bool, c->n_types);

	mark_clauses(reads, d->clauses, d->n_clauses);
	for (uint32_t i = 0; i < d->n_stmts; i++)
		mark_stmt(c, &d->stmts[i], reads, writes);
	jw_keyz(w, "operation");
	jw_begin_object(w);
	jw_keyz(w, "result");
	jw_begin_array(w);
	for (uint32_t i = 0; i < d->n_projections; i++)
		write_result(w, d, &d->projections[i]);
	jw_end_array(w);
	write_set(w, "reads", c, reads);
	write_set(w, "writes", c, writes);
	jw_end_object(w);
}

/* --- one query --------------------------------------------------------------------------------- */

static void note_update(struct lint *l, const struct stmt *st, struct str query)
{
	struct lint_type *t = &l->types[st->type->index];

	if (!t->assigned)
		t->assigned = arena_array(&l->arena, bool, st->type->n_props + 1);
	for (uint32_t i = 0; i < st->n_assign; i++)
		t->assigned[st->assign[i].prop] = true;
	if (!t->n_by || !str_eq(t->by[t->n_by - 1], query))
		*PUSH(&l->arena, t->by, t->n_by, t->cap) = query;
}

static void note_updates(struct lint *l, const struct query *q, struct str name)
{
	for (uint32_t i = 0; i < q->decl.n_stmts; i++)
		if (q->decl.stmts[i].kind == ST_UPDATE)
			note_update(l, &q->decl.stmts[i], name);
}

static void write_warnings(struct lint *l, const struct query_decl *d)
{
	if (!d->is_mutation || d->n_params)
		return;
	l->warnings++;
	jw_keyz(&l->w, "warnings");
	jw_begin_array(&l->w);
	jw_strz(&l->w, "mutation declares no params; hardcoded mutations are easy to miss");
	jw_end_array(&l->w);
}

static void lint_query(struct lint *l, const struct query_decl *d)
{
	struct query q = { 0 };
	struct err why = ERR_INIT;
	bool ok = !query_typecheck(l->c, d, &q, &why);

	jw_begin_object(&l->w);
	jw_kstr(&l->w, "name", d->name);
	jw_kstrz(&l->w, "kind", d->is_mutation ? "mutation" : "read");
	jw_kstrz(&l->w, "status", ok ? "ok" : "error");
	write_warnings(l, d);
	if (ok) {
		note_updates(l, &q, d->name);
		write_operation(&l->w, &q, l->c);
	} else {
		l->errors++;
		jw_kstrz(&l->w, "error", err_msg(&why));
	}
	jw_end_object(&l->w);
	err_clear(&why);
	arena_free(&q.arena);
}

/* --- findings ---------------------------------------------------------------------------------- */

static bool is_key_part(const struct type *t, uint32_t prop)
{
	for (uint32_t i = 0; i < t->key.n; i++)
		if (t->key.members[i] == prop)
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void write_l201(struct json_writer *w, const struct type *t, const struct prop *p, const struct lint_type *lt)
{
	struct strbuf msg = STRBUF_INIT;

	sb_addf(&msg, "%.*s.%.*s exists in schema but no update query sets it", STR_ARG(t->name), STR_ARG(p->name));
	jw_begin_object(w);
	jw_kstrz(w, "severity", "warning");
	jw_kstrz(w, "code", "L201");
	jw_kstr(w, "message", sb_str(&msg));
	jw_kstr(w, "type_name", t->name);
	jw_kstr(w, "property", p->name);
	jw_keyz(w, "query_names");
	jw_begin_array(w);
	for (uint32_t i = 0; i < lt->n_by; i++)
		if (!i || !str_eq(lt->by[i], lt->by[i - 1]))
			jw_str(w, lt->by[i]);
	jw_end_array(w);
	jw_end_object(w);
	sb_free(&msg);
}

/* Types and properties ascend by name in the catalog, which is the order findings have. */
static void write_findings(struct lint *l, struct json_writer *w)
{
	for (uint32_t i = 0; i < l->c->n_types; i++) {
		const struct type *t = &l->c->types[i];
		struct lint_type *lt = &l->types[i];

		if (!lt->n_by)
			continue;
		qsort(lt->by, lt->n_by, sizeof(*lt->by), by_name);
		for (uint32_t k = 0; k < t->n_props; k++) {
			const struct prop *p = &t->props[k];

			if (!p->type.nullable || lt->assigned[k] || is_key_part(t, k) || p->embed_source != PROP_NONE)
				continue;
			l->warnings++;
			write_l201(w, t, p, lt);
		}
	}
}

static void write_q000(struct json_writer *w, const char *message)
{
	jw_begin_object(w);
	jw_kstrz(w, "severity", "error");
	jw_kstrz(w, "code", "Q000");
	jw_kstrz(w, "message", message);
	jw_end_object(w);
}

/* --- the report -------------------------------------------------------------------------------- */

static void write_report(struct json_writer *w, const struct lint *l, const char *query_path, struct str source_json,
			 size_t processed, struct str findings)
{
	jw_begin_object(w);
	jw_kstrz(w, "status", l->errors ? "error" : "ok");
	jw_keyz(w, "schema_source");
	jw_raw(w, source_json);
	jw_kstrz(w, "query_path", query_path);
	jw_ku64(w, "queries_processed", processed);
	jw_ku64(w, "errors", l->errors);
	jw_ku64(w, "warnings", l->warnings);
	jw_ku64(w, "infos", l->infos);
	jw_keyz(w, "results");
	jw_raw(w, sb_str(&l->results));
	jw_keyz(w, "findings");
	jw_raw(w, findings);
	jw_end_object(w);
}

static size_t lint_file(struct lint *l, struct str src, struct json_writer *findings)
{
	struct query_file *f = NULL;
	struct err why = ERR_INIT;
	size_t n = 0;

	jw_begin_array(&l->w);
	if (query_file_parse(src, &f, &why)) {
		l->errors++;
		write_q000(findings, err_msg(&why));
	} else {
		n = f->n;
		for (size_t i = 0; i < n; i++)
			lint_query(l, &f->decls[i]);
		write_findings(l, findings);
	}
	jw_end_array(&l->w);
	query_file_free(f);
	err_clear(&why);
	return n;
}

int query_lint(struct catalog *c, struct str src, const char *query_path, struct str schema_source_json,
	       struct json_writer *w, uint32_t *errors, struct err *e)
{
	struct lint l = { .c = c };
	struct strbuf findings = STRBUF_INIT;
	struct json_writer fw;
	size_t processed;

	l.types = arena_array(&l.arena, struct lint_type, c->n_types + 1);
	jw_init(&l.w, &l.results, false);
	jw_init(&fw, &findings, false);
	jw_begin_array(&fw);
	processed = lint_file(&l, src, &fw);
	jw_end_array(&fw);
	write_report(w, &l, query_path, schema_source_json, processed, sb_str(&findings));
	if (errors)
		*errors = l.errors;
	sb_free(&findings);
	sb_free(&l.results);
	arena_free(&l.arena);
	return 0;
}
