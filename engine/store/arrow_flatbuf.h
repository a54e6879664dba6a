/* SPDX-License-Identifier: MIT */
/*
 * arrow_flatbuf.h - just enough FlatBuffers for Arrow's metadata: a builder that writes from the end of its buffer to the front, and
 * a reader that checks every offset against the bytes it has. Format: flatbuffers.dev "FlatBuffer Binary Format". Internal.
 */
#ifndef ENGINE_STORE_ARROW_FLATBUF_H
#define ENGINE_STORE_ARROW_FLATBUF_H

#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#define FB_FIELDS_MAX 8 /* fields of one table */

/* --- building: positions are distances from the end of the buffer ------------------------------------------------------- */

typedef uint32_t fb_pos;

struct fb_builder {
	uint8_t *buf; /* content is the last @n bytes of @cap */
	size_t n, cap, align;
	/* the table under construction */
	size_t table_start;
	fb_pos fields[FB_FIELDS_MAX]; /* 0: absent */
	int n_fields;
};

void fb_init(struct fb_builder *b);
void fb_free(struct fb_builder *b);
fb_pos fb_string(struct fb_builder *b, struct str s);
/* Vector of offsets to earlier objects. */
fb_pos fb_offsets(struct fb_builder *b, const fb_pos *items, size_t n);
/* Vector of @n structs of @size bytes (a multiple of 8), already little-endian. */
fb_pos fb_structs(struct fb_builder *b, const void *items, size_t n, size_t size);
void fb_table_begin(struct fb_builder *b);
void fb_u8(struct fb_builder *b, int slot, uint8_t v);
void fb_i16(struct fb_builder *b, int slot, int16_t v);
void fb_i32(struct fb_builder *b, int slot, int32_t v);
void fb_i64(struct fb_builder *b, int slot, int64_t v);
void fb_offset(struct fb_builder *b, int slot, fb_pos p);
fb_pos fb_table_end(struct fb_builder *b);
/* Finish with @root; the result is the last b->n bytes of b->buf (b->buf + b->cap - b->n). */
void fb_finish(struct fb_builder *b, fb_pos root);

/* --- reading -------------------------------------------------------------------------------------------------------------- */

struct fb_view {
	const uint8_t *p;
	size_t n;
};

struct fb_table { /* ok false: not there, or damaged */
	struct fb_view v;
	size_t at, vtable, vtable_n;
	bool ok;
};

struct fb_vector {
	struct fb_view v;
	size_t at, n; /* first element, count */
	bool ok;
};

struct fb_table fb_root(const void *data, size_t n);
int64_t fb_get_int(const struct fb_table *t, int slot, int size, int64_t dflt); /* size 1, 2, 4 or 8 */
struct fb_table fb_get_table(const struct fb_table *t, int slot);
struct str fb_get_string(const struct fb_table *t, int slot); /* s NULL when absent or damaged */
/* @elem: bytes of one element. */
struct fb_vector fb_get_vector(const struct fb_table *t, int slot, size_t elem);
struct fb_table fb_vector_table(const struct fb_vector *v, size_t i);
const uint8_t *fb_vector_struct(const struct fb_vector *v, size_t i, size_t elem);

#endif
