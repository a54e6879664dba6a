/* SPDX-License-Identifier: MIT */
/*
 * segment.h - an immutable columnar segment: an Arrow IPC file of rows of one type.
 *
 * Columns: "id" (Utf8), edges also "src" and "dst" (Utf8), "_created" and "_updated" (UInt64: commit versions), then the
 * properties in name order, typed as in spec/schema.md 3. Property columns carry their stable property id in the field's
 * custom metadata ("omnigraph.property_id"); the file's metadata has format version, type id, incarnation and checksums
 * (crc32c per record batch, checked before the first row of the batch is read; and of the footer, checked at open).
 * Standard readers (pyarrow, DuckDB, polars, npm apache-arrow) open the file unmodified.
 * Format: Apache Arrow Columnar Format 1.4, IPC file, little endian, 64-byte buffer alignment, no compression.
 *
 * Ownership: a reader borrows its bytes (usually a mapping). Threading: a reader is immutable and shared.
 */
#ifndef ENGINE_STORE_SEGMENT_H
#define ENGINE_STORE_SEGMENT_H

#include <omnigraph/catalog.h>
#include <omnigraph/err.h>
#include <omnigraph/value.h>

#define SEGMENT_BATCH_ROWS 65536 /* rows per record batch */

enum segment_role { SEG_ID, SEG_SRC, SEG_DST, SEG_CREATED, SEG_UPDATED, SEG_PROP };

struct segment_column {
	enum segment_role role;
	struct str name;
	struct prop_type type; /* SEG_PROP; the others are implied by the role */
	uint64_t property_id;  /* SEG_PROP */
};

struct segment_writer;

/* A writer for rows of @t. All properties of @t become columns. */
struct segment_writer *segment_writer_new(const struct type *t);
/* Append one row; values are copied. vals is parallel to t->props. */
void segment_writer_add(struct segment_writer *w, const struct row_image *row, uint64_t created, uint64_t updated);
uint64_t segment_writer_rows(const struct segment_writer *w);
/* Approximate size of the finished file so far. */
size_t segment_writer_bytes(const struct segment_writer *w);
/* Append the complete file to @out and free the writer. */
int segment_writer_finish(struct segment_writer *w, struct strbuf *out, struct err *e);
void segment_writer_free(struct segment_writer *w);

struct segment;

/*
 * Open a segment over @n bytes at @data (kept by the caller, 8-byte aligned). @name is used in errors. Every offset, length and
 * type is checked against the bytes: a damaged file is ERR_STORAGE naming the object, never a crash or a wrong answer.
 */
int segment_open(const void *data, size_t n, const char *name, struct segment **out, struct err *e);
void segment_free(struct segment *s);
uint64_t segment_rows(const struct segment *s);
uint64_t segment_type_id(const struct segment *s);
uint64_t segment_incarnation(const struct segment *s);
uint32_t segment_n_columns(const struct segment *s);
const struct segment_column *segment_column(const struct segment *s, uint32_t col);
/* Column of a role (not SEG_PROP), or of a property id; UINT32_MAX when there is none. */
uint32_t segment_find_role(const struct segment *s, enum segment_role role);
uint32_t segment_find_prop(const struct segment *s, uint64_t property_id);
/*
 * Check the checksum of every batch not yet checked. Must have returned 0 before the accessors below are used on it
 * (cheap after the first time).
 */
int segment_verify(const struct segment *s, struct err *e);
/* Check offsets and UTF-8-free invariants of one batch on first touch; see segment_verify. */
struct str segment_str(const struct segment *s, uint32_t col, uint64_t row); /* Utf8 column; s is NULL for null */
uint64_t segment_u64(const struct segment *s, uint32_t col, uint64_t row);   /* SEG_CREATED, SEG_UPDATED */
/* Any column. Lists need @a for their items (vectors and strings point into the segment). */
void segment_get(const struct segment *s, uint32_t col, uint64_t row, struct arena *a, struct val *out);

#endif
