/* SPDX-License-Identifier: MIT */
#include "engine/store/arrow_flatbuf.h"

#define FB_VECTOR_MAX (1u << 24)

/* --- builder ------------------------------------------------------------------------------------------------------------- */

void fb_init(struct fb_builder *b)
{
	*b = (struct fb_builder){ .cap = 1024, .align = 8 };
	b->buf = mem_alloc(b->cap);
}

void fb_free(struct fb_builder *b)
{
	free(b->buf);
	*b = (struct fb_builder){ 0 };
}

/* Room for @n bytes in front of the content; returns where they go. */
static uint8_t *grow(struct fb_builder *b, size_t n)
{
	if (b->cap - b->n < n) {
		size_t cap = b->cap * 2 + n;
		uint8_t *buf = mem_alloc(cap);

		memcpy(buf + cap - b->n, b->buf + b->cap - b->n, b->n);
		free(b->buf);
		b->buf = buf;
		b->cap = cap;
	}
	b->n += n;
	return b->buf + b->cap - b->n;
}

/* Zeros so that after @extra more bytes the content is a multiple of @align. */
static void pad(struct fb_builder *b, size_t align, size_t extra)
{
	size_t n = (align - (b->n + extra) % align) % align;

	if (align > b->align)
		b->align = align;
	memset(grow(b, n), 0, n);
}

static void put_le(uint8_t *p, uint64_t v, int size)
{
	for (int i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static fb_pos here(const struct fb_builder *b)
{
	return (fb_pos)b->n;
}

static void push(struct fb_builder *b, uint64_t v, int size)
{
	pad(b, (size_t)size, 0);
	put_le(grow(b, (size_t)size), v, size);
}

/* An offset field points forward, from itself to the object. */
static void push_offset(struct fb_builder *b, fb_pos target)
{
	pad(b, 4, 0);
	grow(b, 4);
	put_le(b->buf + b->cap - b->n, b->n - target, 4);
}

fb_pos fb_string(struct fb_builder *b, struct str s)
{
	uint8_t *p;

	pad(b, 4, s.n + 1);
	p = grow(b, s.n + 1);
	if (s.n)
		memcpy(p, s.s, s.n);
	p[s.n] = 0;
	push(b, s.n, 4);
	return here(b);
}

fb_pos fb_offsets(struct fb_builder *b, const fb_pos *items, size_t n)
{
	pad(b, 4, 4 * n);
	for (size_t i = n; i-- > 0;)
		push_offset(b, items[i]);
	push(b, n, 4);
	return here(b);
}

fb_pos fb_structs(struct fb_builder *b, const void *items, size_t n, size_t size)
{
	pad(b, 4, n * size);
	pad(b, 8, n * size);
	if (n)
		memcpy(grow(b, n * size), items, n * size);
	push(b, n, 4);
	return here(b);
}

void fb_table_begin(struct fb_builder *b)
{
	memset(b->fields, 0, sizeof(b->fields));
	b->n_fields = 0;
	b->table_start = b->n;
}

static void field(struct fb_builder *b, int slot)
{
	b->fields[slot] = here(b);
	if (slot >= b->n_fields)
		b->n_fields = slot + 1;
}

void fb_u8(struct fb_builder *b, int slot, uint8_t v)
{
	push(b, v, 1);
	field(b, slot);
}

void fb_i16(struct fb_builder *b, int slot, int16_t v)
{
	push(b, (uint16_t)v, 2);
	field(b, slot);
}

void fb_i32(struct fb_builder *b, int slot, int32_t v)
{
	push(b, (uint32_t)v, 4);
	field(b, slot);
}

void fb_i64(struct fb_builder *b, int slot, int64_t v)
{
	push(b, (uint64_t)v, 8);
	field(b, slot);
}

void fb_offset(struct fb_builder *b, int slot, fb_pos p)
{
	push_offset(b, p);
	field(b, slot);
}

fb_pos fb_table_end(struct fb_builder *b)
{
	fb_pos table;
	size_t vtable_n = 4 + 2 * (size_t)b->n_fields;

	push(b, 0, 4); /* distance to the vtable, filled in below */
	table = here(b);
	pad(b, 2, vtable_n);
	for (int i = b->n_fields; i-- > 0;)
		push(b, b->fields[i] ? table - b->fields[i] : 0, 2);
	push(b, table - b->table_start, 2);
	push(b, vtable_n, 2);
	put_le(b->buf + b->cap - table, (uint32_t)(here(b) - table), 4);
	return table;
}

void fb_finish(struct fb_builder *b, fb_pos root)
{
	pad(b, b->align, 4);
	push_offset(b, root);
}

/* --- reader --------------------------------------------------------------------------------------------------------------- */

static bool get_le(struct fb_view v, size_t at, int size, uint64_t *out)
{
	if (at > v.n || v.n - at < (size_t)size)
		return false;
	*out = 0;
	for (int i = 0; i < size; i++)
		*out |= (uint64_t)v.p[at + (size_t)i] << (8 * i);
	return true;
}

static struct fb_table table_at(struct fb_view v, size_t at)
{
	struct fb_table t = { .v = v, .at = at };
	uint64_t dist, n;
	int64_t vt;

	if (!get_le(v, at, 4, &dist))
		return t;
	vt = (int64_t)at - (int32_t)(uint32_t)dist;
	if (vt < 0 || !get_le(v, (size_t)vt, 2, &n) || n < 4 || n % 2 || (size_t)vt > v.n || v.n - (size_t)vt < n)
		return t;
	t.vtable = (size_t)vt;
	t.vtable_n = (size_t)n;
	t.ok = true;
	return t;
}

struct fb_table fb_root(const void *data, size_t n)
{
	struct fb_view v = { data, n };
	uint64_t off;

	if (!get_le(v, 0, 4, &off))
		return (struct fb_table){ 0 };
	return table_at(v, (size_t)off);
}

/* Position of a field, 0 when absent. */
static size_t field_at(const struct fb_table *t, int slot)
{
	size_t entry = 4 + 2 * (size_t)slot;
	uint64_t off;

	if (!t->ok || entry + 2 > t->vtable_n || !get_le(t->v, t->vtable + entry, 2, &off) || !off)
		return 0;
	return t->at + (size_t)off;
}

int64_t fb_get_int(const struct fb_table *t, int slot, int size, int64_t dflt)
{
	size_t at = field_at(t, slot);
	uint64_t v;

	if (!at || !get_le(t->v, at, size, &v))
		return dflt;
	switch (size) {
	case 1:
		return (uint8_t)v;
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	default:
		return (int64_t)v;
	}
}

/* Follow an offset field. 0 when absent or damaged. */
static size_t follow(struct fb_view v, size_t at)
{
	uint64_t off;

	if (!at || !get_le(v, at, 4, &off) || !off || off > v.n - at)
		return 0;
	return at + (size_t)off;
}

struct fb_table fb_get_table(const struct fb_table *t, int slot)
{
	size_t at = follow(t->v, field_at(t, slot));

	return at ? table_at(t->v, at) : (struct fb_table){ 0 };
}

struct str fb_get_string(const struct fb_table *t, int slot)
{
	size_t at = follow(t->v, field_at(t, slot));
	uint64_t n;

	if (!at || !get_le(t->v, at, 4, &n) || n > t->v.n - at - 4)
		return (struct str){ 0 };
	return (struct str){ (const char *)t->v.p + at + 4, (size_t)n };
}

struct fb_vector fb_get_vector(const struct fb_table *t, int slot, size_t elem)
{
	size_t at = follow(t->v, field_at(t, slot));
	struct fb_vector vec = { .v = t->v };
	uint64_t n;

	if (!at || !get_le(t->v, at, 4, &n) || n > FB_VECTOR_MAX || n * elem > t->v.n - at - 4)
		return vec;
	vec.at = at + 4;
	vec.n = (size_t)n;
	vec.ok = true;
	return vec;
}

struct fb_table fb_vector_table(const struct fb_vector *v, size_t i)
{
	size_t at = i < v->n ? follow(v->v, v->at + 4 * i) : 0;

	return at ? table_at(v->v, at) : (struct fb_table){ 0 };
}

const uint8_t *fb_vector_struct(const struct fb_vector *v, size_t i, size_t elem)
{
	return v->v.p + v->at + i * elem;
}
