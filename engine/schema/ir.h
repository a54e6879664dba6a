/* SPDX-License-Identifier: MIT */
/*
 * ir.h - a schema as written and resolved: declarations, constraints, annotations, identities. Private to engine/schema.
 * Everything lives in the arena of the catalog it is built for. After catalog_compile it is immutable.
 */
#ifndef ENGINE_SCHEMA_IR_H
#define ENGINE_SCHEMA_IR_H

#include <omnigraph/catalog.h>
#include <omnigraph/json.h>

struct sc_kwarg {
	struct str name, value;
};

struct sc_annotation {
	struct str name;
	bool has_value;
	struct str value; /* decoded */
	uint32_t n_kwargs;
	struct sc_kwarg *kwargs;
};

struct sc_link { /* an interface property a node property satisfies */
	struct str owner, property;
};

struct sc_prop {
	struct str name;
	struct prop_type type;
	uint32_t n_annotations; /* all, as written */
	struct sc_annotation *annotations;
	bool declared_directly;
	uint32_t n_links; /* ascending by owner */
	struct sc_link *links;
	uint64_t id;
};

enum con_kind { CON_KEY, CON_UNIQUE, CON_INDEX, CON_RANGE, CON_CHECK };

struct sc_bound {
	bool given, is_float;
	int64_t i;
	double f;
};

struct sc_constraint {
	enum con_kind kind;
	uint32_t n_members; /* tuples: sorted, distinct; range and check: one */
	struct str *members;
	struct sc_bound min, max;
	struct str pattern;
};

enum sc_kind { SC_INTERFACE, SC_NODE, SC_EDGE };

struct sc_type {
	enum sc_kind kind;
	struct str name;
	uint32_t n_annotations;
	struct sc_annotation *annotations;
	uint32_t n_implements; /* as written, then sorted and distinct */
	struct str *implements;
	uint32_t n_props, cap_props; /* effective properties after injection, ascending by name */
	struct sc_prop *props;
	uint32_t n_indexed; /* look-up of the first n_indexed properties: positions by name */
	const uint32_t *by_name;
	uint32_t n_constraints, cap_constraints; /* body constraints as written, then canonical: sorted, distinct */
	struct sc_constraint *constraints;
	struct str from, to;
	bool has_card;
	uint32_t card_min, card_max; /* card_max UINT32_MAX: unbounded */
	uint64_t type_id, incarnation;
};

struct sc_schema {
	struct str
		source; /* what names are slices of, after sc_parse; empty for a schema read from its compiled form */
	uint32_t n_types, cap_types; /* interfaces, then nodes, then edges, each ascending by name */
	struct sc_type *types;
	uint32_t n_indexed; /* look-up: positions by kind and name */
	const uint32_t *by_name;
};

static const char *const sc_kind_words[] __attribute__((unused)) = { "interface", "node", "edge" };

/* Type words of an annotation that never count as opaque ones (spec/schema.md 10). */
bool sc_is_typed(struct str annotation);
const struct sc_annotation *sc_find(const struct sc_annotation *a, uint32_t n, const char *name);
bool sc_has(const struct sc_prop *p, const char *annotation);
/* The @embed source and model of a property; false when there is no @embed. */
bool sc_embed(const struct sc_prop *p, struct str *source, struct str *model);
struct sc_type *sc_type_find(const struct sc_schema *s, enum sc_kind kind, struct str name);
struct sc_prop *sc_prop_find(const struct sc_type *t, struct str name);
/* @rename_from of a list of annotations, s NULL when there is none. */
struct str sc_rename_from(const struct sc_annotation *a, uint32_t n);

/* (Re)build the look-up tables behind sc_type_find and sc_prop_find; what is not in them yet is still found, by walking. */
void sc_index_types(struct arena *a, struct sc_schema *s);
void sc_index_props(struct arena *a, struct sc_type *t);
bool sc_same_type(const struct prop_type *a, const struct prop_type *b);

/* Room for one more property of a type. */
struct sc_prop *sc_add_prop(struct arena *a, struct sc_type *t);

/* place.c: an error of @n bytes at @at of a source, in the form "<prefix><text>\\n --> line:column" and the line with a mark. */
int sc_fail_at(struct str src, size_t at, size_t n, struct err *e, enum err_code code, const char *prefix,
	       const char *fmt, va_list ap);
/* The same on a word of the source; without a place when @word is not a slice of it. */
int sc_fail_on(const struct sc_schema *s, struct str word, struct err *e, enum err_code code, const char *prefix,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Back to the first byte of the character that @at is in. */
size_t sc_char_start(struct str s, size_t at);

/* parser.c: text to declarations in source order; S-01 to S-12. */
int sc_parse(struct arena *a, struct str src, struct sc_schema *out, struct err *e);
/* checks.c: injection, S-14 to S-34, canonical order. */
int sc_check(struct arena *a, struct sc_schema *s, struct err *e);
/* identity.c: ids for init (@accepted NULL) or against an accepted schema. */
int sc_identify(struct sc_schema *s, const struct sc_schema *accepted, uint64_t *next_id, struct err *e);
/* canonical.c: the two canonical JSON forms, appended. */
void sc_shape_json(const struct sc_schema *s, struct strbuf *out);
/* A property type: scalar, nullable, list, enum_values. */
void sc_type_json(const struct prop_type *t, struct json_writer *w);
void sc_compiled_json(const struct sc_schema *s, const char *domain, uint64_t next_id, struct strbuf *out);

#endif
