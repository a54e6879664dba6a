/* SPDX-License-Identifier: MIT */
/*
 * query.h - the query language from text to a compiled query (spec/query.md), without a graph.
 *
 * A struct query is immutable: compile once, run from any number of threads. It keeps a reference on its
 * catalog; it may only be run on snapshots of a catalog with the same compiled digest (recompile after a schema change).
 */
#ifndef OMNIGRAPH_QUERY_H
#define OMNIGRAPH_QUERY_H

#include <omnigraph/catalog.h>
#include <omnigraph/err.h>
#include <omnigraph/json.h>
#include <omnigraph/value.h>

struct query_file; /* a parsed .gq text */
struct query_decl; /* one declaration in it; layout in engine/query/ast.h */
struct query;	   /* type-checked and planned */

/* Parse a whole text (ERR_PARSE: "parse error: ..." with a line " --> LINE:COLUMN", position and span set). */
int query_file_parse(struct str src, struct query_file **out, struct err *e);
void query_file_free(struct query_file *f); /* NULL allowed */
size_t query_file_count(const struct query_file *f);
const struct query_decl *query_file_at(const struct query_file *f, size_t i);
/* By name, or the only one when @name is NULL (spec/query.md 1: the two selection errors, ERR_BAD_REQUEST). */
int query_file_select(const struct query_file *f, const char *name, const struct query_decl **out, struct err *e);

struct str query_decl_name(const struct query_decl *d);
bool query_decl_is_mutation(const struct query_decl *d);
bool query_decl_has_vector_param(const struct query_decl *d, struct str *param, uint32_t *dim); /* first one */
/* The catalogue entry of spec/query.md 14 as one JSON object. */
void query_decl_entry_json(const struct query_decl *d, struct json_writer *w);
/* "name($a: String, $b: I32?)" (spec/cli.md 11.19), appended. */
void query_decl_signature(const struct query_decl *d, struct strbuf *out);
const char *query_decl_description(const struct query_decl *d); /* NULL when none */
const char *query_decl_instruction(const struct query_decl *d);

/* Type check and plan. ERR_TYPE: "type error: T..: ...". The declaration (and its file) may be freed afterwards. */
int query_compile(struct catalog *c, const struct query_decl *d, struct query **out, struct err *e);
void query_free(struct query *q); /* NULL allowed */
struct str query_name(const struct query *q);
bool query_is_mutation(const struct query *q);
/* A read that looks rows up by key and expands at most one hop: it costs about as much as handing it to another thread. */
bool query_is_cheap(const struct query *q);
const struct catalog *query_catalog(const struct query *q);

/*
 * Convert JSON parameters (NULL, JSON null or an object) to values in declaration order, in @a (spec/query.md 11).
 * *out has one element for each declared parameter.
 */
int query_bind(const struct query *q, struct arena *a, const struct json *params, struct val **out, struct err *e);

/* Query lint (spec/query.md 15): appends the report object. @schema_source_json: the schema_source member's value. */
int query_lint(struct catalog *c, struct str src, const char *query_path, struct str schema_source_json,
	       struct json_writer *w, uint32_t *errors, struct err *e);
/* The human form of spec/cli.md 11.16 of a report made by query_lint. */
int query_lint_text(struct str report_json, struct strbuf *out, struct err *e);

#endif
