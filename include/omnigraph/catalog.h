/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - the schema language's result: types, properties, constraints, identities (spec/schema.md).
 *
 * A catalog is immutable and reference-counted. Everything it points at lives in its arena and dies with the
 * last reference. Threading: read by any number of threads.
 */
#ifndef OMNIGRAPH_CATALOG_H
#define OMNIGRAPH_CATALOG_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>
#include <omnigraph/util.h>

enum scalar {
	SCALAR_STRING,
	SCALAR_BOOL,
	SCALAR_I32,
	SCALAR_I64,
	SCALAR_U32,
	SCALAR_U64,
	SCALAR_F32,
	SCALAR_F64,
	SCALAR_DATE,
	SCALAR_DATETIME,
	SCALAR_BLOB,
	SCALAR_VECTOR
};

struct prop_type {
	enum scalar scalar;
	uint32_t dim; /* SCALAR_VECTOR */
	bool nullable, list;
	uint32_t n_enum;	       /* 0: not an enum */
	const struct str *enum_values; /* sorted bytewise */
};

enum type_kind { TYPE_NODE, TYPE_EDGE };

#define PROP_NONE UINT32_MAX
/* members of a tuple that are not properties (edges) */
#define TUPLE_SRC (UINT32_MAX - 1)
#define TUPLE_DST (UINT32_MAX - 2)

struct prop {
	struct str name;
	struct prop_type type;
	uint64_t id;		  /* stable property identity */
	uint32_t index;		  /* position in the type's props */
	const char *description;  /* NULL when none */
	bool key, unique, index_; /* property-level constraint words */
	uint32_t embed_source;	  /* property index, PROP_NONE when there is no @embed */
	struct str embed_model;	  /* s is NULL when none was given */
};

struct tuple {
	uint32_t n;
	const uint32_t *members; /* property indexes, or TUPLE_SRC / TUPLE_DST */
};

struct range_check {
	uint32_t prop;
	bool has_min, has_max;
	double min, max;
};

struct pattern_check {
	uint32_t prop;
	struct str pattern;
};

struct type {
	enum type_kind kind;
	struct str name;
	uint32_t index;	      /* position in catalog->types */
	uint64_t type_id;     /* stable type identity */
	uint64_t incarnation; /* data lifetime */
	char public_id[44];   /* spec/schema.md 9.1: base64url of SHA-256, 43 characters */
	const char *description, *instruction;
	uint32_t n_props;
	const struct prop *props; /* ascending by name */
	struct tuple key;	  /* ordered by property identity; n is 0 when there is no @key */
	uint32_t n_uniques;
	const struct tuple *uniques; /* members in name order; @key is not among them */
	uint32_t n_indexes;
	const struct tuple *indexes;
	uint32_t n_ranges;
	const struct range_check *ranges;
	uint32_t n_checks;
	const struct pattern_check *checks;
	/* edges */
	const struct type *from, *to;
	bool has_card;
	uint32_t card_min, card_max; /* card_max UINT32_MAX: unbounded */
};

struct catalog {
	struct refcount ref;
	struct arena arena;
	struct str source; /* byte for byte as accepted */
	uint32_t n_types, n_nodes, n_edges;
	const struct type *types;  /* nodes ascending by name, then edges ascending by name */
	char domain[ULID_LEN + 1]; /* schema identity domain */
	uint64_t next_identity_id;
	char source_digest[SHA256_HEX_LEN + 1];
	char shape_digest[8 + SHA256_HEX_LEN]; /* "sha256:<hex>" */
	char compiled_digest[8 + SHA256_HEX_LEN];
	struct str compiled_json; /* canonical compiled form with identities (spec/schema.md 10) */
	const void *ir;		  /* private to engine/schema: interfaces, annotations, provenance */
};

/*
 * Compile @source. @accepted: the schema it replaces (identities are resolved against it), NULL for init.
 * @domain: the identity domain for init (a ULID), ignored with @accepted. Errors: ERR_PARSE ("parse error: ...", with
 * position), ERR_TYPE ("catalog error: ..."), ERR_BAD_REQUEST ("schema identity resolution failed: ...").
 */
int catalog_compile(struct str source, const struct catalog *accepted, const char *domain, struct catalog **out,
		    struct err *e);

/*
 * Rebuild the catalog of an accepted schema record: its source and its compiled JSON. Verifies the record
 * (spec/schema.md 10: ids unique and below the counter, names sorted, references resolve, digests match); a mismatch is ERR_CONFLICT.
 */
int catalog_from_record(struct str source, struct str compiled_json, struct catalog **out, struct err *e);

struct catalog *catalog_get(struct catalog *c);
void catalog_put(struct catalog *c); /* NULL allowed */

/* Exact names. NULL when unknown. */
const struct type *catalog_node(const struct catalog *c, struct str name);
const struct type *catalog_edge(const struct catalog *c, struct str name);
/* Exact name first, then case-folded (ASCII). */
const struct type *catalog_edge_nocase(const struct catalog *c, struct str name);
/* By stable identity. NULL when this catalog has no such type. */
const struct type *catalog_type_by_id(const struct catalog *c, uint64_t type_id, uint64_t incarnation);
/* True when @name is an interface (for messages). */
bool catalog_is_interface(const struct catalog *c, struct str name);

const struct prop *type_prop(const struct type *t, struct str name); /* NULL when unknown */
const struct prop *type_prop_by_id(const struct type *t, uint64_t property_id);
/* "node:Person" / "edge:Knows", appended. */
void type_key(const struct type *t, struct strbuf *out);
static inline const char *type_kind_word(const struct type *t)
{
	return t->kind == TYPE_NODE ? "node" : "edge";
}

/* Display form "String", "Vector(8)", "enum(a, b)", "[I32]?" and physical column name "Int32", "Utf8", ... (spec/schema.md 3). */
void prop_type_display(const struct prop_type *t, struct strbuf *out);
const char *scalar_name(enum scalar s);	    /* "I32" */
const char *scalar_physical(enum scalar s); /* "Int32" */

/*
 * Migration plan from @accepted to @source (spec/schema.md 11), as compact JSON {"supported":..,"steps":[..]} appended to @out.
 * *supported tells whether every step is. @hard: drops are hard. *desired (may be NULL) receives the resulting catalog when supported.
 */
int schema_plan(const struct catalog *accepted, struct str source, bool hard, struct strbuf *out, bool *supported,
		struct catalog **desired, struct err *e);
/* The human lines of spec/schema.md 11.5 for a plan made by schema_plan. */
int schema_plan_text(struct str plan_json, struct strbuf *out, struct err *e);

#endif
