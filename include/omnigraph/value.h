/* SPDX-License-Identifier: MIT */
/*
 * value.h - one property value in memory, and a row of them.
 *
 * A struct val borrows: strings, lists, vectors and blobs point into a segment, a commit record or an arena that
 * the reader keeps alive (a snapshot keeps all of its own). Values are immutable.
 */
#ifndef OMNIGRAPH_VALUE_H
#define OMNIGRAPH_VALUE_H

#include <omnigraph/json.h>
#include <omnigraph/str.h>

enum val_kind {
	VAL_NULL,
	VAL_BOOL,     /* b */
	VAL_I64,      /* i: I32 and I64 */
	VAL_U64,      /* u: U32 and U64 */
	VAL_F32,      /* f: the rounded binary32 value, widened */
	VAL_F64,      /* f */
	VAL_STR,      /* s, n bytes of UTF-8: String and enum */
	VAL_DATE,     /* i: days since 1970-01-01 */
	VAL_DATETIME, /* i: milliseconds since the epoch */
	VAL_LIST,     /* list, n items, each VAL_NULL or of the item kind */
	VAL_VEC,      /* vec, n components (4-byte aligned) */
	VAL_BLOB      /* s, n bytes; flags says what they are */
};

enum {
	VAL_BLOB_INLINE = 0,
	VAL_BLOB_URI = 1,
	VAL_BLOB_STORED = 2 /* "<sha256 hex>:<length>" of an object under blob/ */
};

struct val {
	uint8_t kind;
	uint8_t flags;
	uint32_t n;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		const char *s;
		const struct val *list;
		const float *vec;
	};
};

#define VAL_NULL_INIT ((struct val){ .kind = VAL_NULL })

static inline struct val val_str(struct str s)
{
	return (struct val){ .kind = VAL_STR, .n = (uint32_t)s.n, .s = s.s };
}
static inline struct str val_text(const struct val *v)
{
	return (struct str){ v->s, v->n };
}
static inline bool val_is_null(const struct val *v)
{
	return v->kind == VAL_NULL;
}

/* Typed and exact equality (spec/engine.md 11.2): null, "" and [] differ; NaN equals NaN; -0.0 equals 0.0 is false. */
bool val_identical(const struct val *a, const struct val *b);

/*
 * Comparison of spec/query.md 5 for two non-null scalars: numbers by mathematical value across kinds, strings and enums
 * bytewise, false < true, dates and datetimes by instant. *ok is false when the kinds do not compare.
 */
int val_compare(const struct val *a, const struct val *b, bool *ok);

/* Total order for sorting (spec/query.md 8): NULL smallest, floats with NaN largest, lists and vectors element-wise. */
int val_order(const struct val *a, const struct val *b);

/* Key spelling of spec/engine.md 3.2 appended to @out. Lists, vectors, blobs and non-finite floats: ERR_BAD_REQUEST with the literal text. */
struct err;
int val_key_text(const struct val *v, struct strbuf *out, struct err *e);

/* Append as JSON: result encoding of spec/query.md 13.1 / export encoding of spec/engine.md 3.4. */
void val_result_json(const struct val *v, struct strbuf *out);
void val_export_json(const struct val *v, struct strbuf *out);

/* Deep copy into an arena. */
struct arena;
struct val val_copy(struct arena *a, const struct val *v);
/* Rough bytes of the value, for staging limits. */
size_t val_bytes(const struct val *v);

/* A whole row: what a write stages and a record carries. vals is parallel to the type's properties (name order). */
struct row_image {
	struct str id;
	struct str src, dst; /* edges only */
	const struct val *vals;
};

/* Rough bytes of a row of @n values while it is staged. */
size_t row_image_bytes(const struct row_image *row, uint32_t n);

#endif
