/* SPDX-License-Identifier: MIT */
/*
 * Reading a segment. Nothing in the file is believed: the footer and everything before the first batch are checked against their
 * checksums at open, each batch before its first use, and every offset against the bytes that are there.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include <omnigraph/arch.h>
#include <omnigraph/mem.h>

#include "engine/store/arrow_flatbuf.h"
#include "engine/store/segment.h"
#include "engine/store/segment_format.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

struct level {				      /* the buffers of one level of a column in one batch */
	struct bytes validity, offsets, data; /* validity.p NULL: no nulls */
	uint64_t n;
};

struct cell_column {
	struct level top, item;
};

struct batch {
	uint64_t first, rows;
	size_t at, n; /* the whole message in the file */
	uint32_t crc;
	struct cell_column *cols;
};

struct segment {
	struct arena arena;
	const uint8_t *data;
	size_t n;
	char *name;
	uint64_t rows, type_id, incarnation;
	uint32_t n_cols, n_batches, rows_per_batch;
	struct segment_column *cols;
	struct batch *batches;
	_Atomic bool verified;
};

static int damaged(const struct segment *s, struct err *e, const char *what)
{
	return err_set(e, ERR_STORAGE, "storage: segment '%s' is damaged: %s; restore the object from a backup",
		       s->name, what);
}

/* --- footer -------------------------------------------------------------------------------------------------------------- */

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* Locate and prove the footer; *blocks_end is where the messages must end. */
static int open_footer(struct segment *s, struct fb_table *footer, uint32_t *head_crc, size_t *blocks_end,
		       struct err *e)
{
	static const uint8_t eos[8] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	size_t size, at;

	if (s->n < 8 + SEG_TRAILER_N + 8 + 10 || memcmp(s->data, SEG_MAGIC "\0\0", 8))
		return damaged(s, e, "it does not begin as an Arrow file");
	if (memcmp(s->data + s->n - SEG_MAGIC_N, SEG_MAGIC, SEG_MAGIC_N))
		return damaged(s, e, "it is cut short or does not end as an Arrow file");
	size = le32(s->data + s->n - 10);
	if (size > s->n - 10 - 8 - SEG_TRAILER_N - 8)
		return damaged(s, e, "the footer size is wrong");
	at = s->n - 10 - size;
	if (memcmp(s->data + at - SEG_TRAILER_N, SEG_TRAILER_MAGIC, 8) ||
	    memcmp(s->data + at - SEG_TRAILER_N - 8, eos, 8))
		return damaged(s, e, "the trailer is not where it should be");
	if (crc32c(0, s->data + at, size) != le32(s->data + at - 4))
		return damaged(s, e, "the footer's checksum is wrong");
	*head_crc = le32(s->data + at - 8);
	*blocks_end = at - SEG_TRAILER_N - 8;
	*footer = fb_root(s->data + at, size);
	return footer->ok ? 0 : damaged(s, e, "the footer does not parse");
}

static struct str meta_value(const struct fb_table *t, int slot, const char *key)
{
	struct fb_vector kv = fb_get_vector(t, slot, 4);

	for (size_t i = 0; kv.ok && i < kv.n; i++) {
		struct fb_table entry = fb_vector_table(&kv, i);

		if (str_eqz(fb_get_string(&entry, 0), key))
			return fb_get_string(&entry, 1);
	}
	return (struct str){ 0 };
}

static bool meta_number(const struct fb_table *t, int slot, const char *key, uint64_t *out)
{
	struct str v = meta_value(t, slot, key);

	return v.s && str_to_u64(v, out);
}

/* --- schema -------------------------------------------------------------------------------------------------------------- */

static bool scalar_of(const struct fb_table *field, enum scalar *out)
{
	struct fb_table type = fb_get_table(field, 3);

	switch (fb_get_int(field, 2, 1, 0)) {
	case ARROW_UTF8:
		*out = SCALAR_STRING;
		return true;
	case ARROW_BOOL:
		*out = SCALAR_BOOL;
		return true;
	case ARROW_INT: {
		bool wide = fb_get_int(&type, 0, 4, 0) == 64, sign = fb_get_int(&type, 1, 1, 0);

		*out = wide ? (sign ? SCALAR_I64 : SCALAR_U64) : (sign ? SCALAR_I32 : SCALAR_U32);
		return wide || fb_get_int(&type, 0, 4, 0) == 32;
	}
	case ARROW_FLOAT:
		*out = fb_get_int(&type, 0, 2, 0) == 1 ? SCALAR_F32 : SCALAR_F64;
		return fb_get_int(&type, 0, 2, 0) >= 1;
	case ARROW_DATE:
		*out = fb_get_int(&type, 0, 2, 1) == 0 ? SCALAR_DATE : SCALAR_DATETIME;
		return true;
	default:
		return false;
	}
}

static bool column_type(const struct fb_table *field, struct prop_type *t)
{
	struct fb_vector kids = fb_get_vector(field, 5, 4);
	struct fb_table type = fb_get_table(field, 3), kid;

	t->nullable = fb_get_int(field, 1, 1, 0);
	switch (fb_get_int(field, 2, 1, 0)) {
	case ARROW_LIST:
		kid = fb_vector_table(&kids, 0);
		t->list = true;
		return kids.ok && kids.n == 1 && kid.ok && scalar_of(&kid, &t->scalar);
	case ARROW_FIXED_LIST:
		t->scalar = SCALAR_VECTOR;
		t->dim = (uint32_t)fb_get_int(&type, 0, 4, 0);
		return t->dim > 0 && t->dim <= INT32_MAX;
	case ARROW_STRUCT:
		t->scalar = SCALAR_BLOB;
		return kids.ok && kids.n == 2;
	default:
		return scalar_of(field, &t->scalar);
	}
}

static enum segment_role role_of(struct str name, bool has_property)
{
	static const char *const names[] = { "id", "src", "dst", "_created", "_updated" };

	for (int i = SEG_ID; !has_property && i < SEG_PROP; i++)
		if (str_eqz(name, names[i]))
			return (enum segment_role)i;
	return SEG_PROP;
}

static int open_schema(struct segment *s, const struct fb_table *footer, struct err *e)
{
	struct fb_table schema = fb_get_table(footer, 1);
	struct fb_vector fields = fb_get_vector(&schema, 1, 4);
	uint64_t format = 0;

	if (!schema.ok || !fields.ok || !fields.n || fields.n > SEG_COLUMNS_MAX)
		return damaged(s, e, "the schema does not parse");
	if (!meta_number(&schema, 2, SEG_META_FORMAT, &format) || format != 1)
		return err_set(e, ERR_STORAGE,
			       "storage: segment '%s' has format %llu; this omnigraph reads 1: upgrade omnigraph",
			       s->name, (unsigned long long)format);
	if (!meta_number(&schema, 2, SEG_META_TYPE_ID, &s->type_id) ||
	    !meta_number(&schema, 2, SEG_META_INCARNATION, &s->incarnation))
		return damaged(s, e, "the type identity is missing");
	s->n_cols = (uint32_t)fields.n;
	s->cols = arena_array(&s->arena, struct segment_column, fields.n);
	for (size_t i = 0; i < fields.n; i++) {
		struct fb_table f = fb_vector_table(&fields, i);
		struct segment_column *c = &s->cols[i];
		bool has;

		c->name = fb_get_string(&f, 0);
		has = meta_number(&f, 6, SEG_META_PROPERTY_ID, &c->property_id);
		c->role = role_of(c->name, has);
		if (!f.ok || !c->name.s || !column_type(&f, &c->type) || (c->role == SEG_PROP && !has))
			return damaged(s, e, "a column of the schema does not parse");
		if (c->role != SEG_PROP &&
		    (c->type.list || c->type.scalar != (c->role >= SEG_CREATED ? SCALAR_U64 : SCALAR_STRING)))
			return damaged(s, e, "a structural column has the wrong type");
	}
	if (segment_find_role(s, SEG_ID) == UINT32_MAX || segment_find_role(s, SEG_CREATED) == UINT32_MAX ||
	    segment_find_role(s, SEG_UPDATED) == UINT32_MAX)
		return damaged(s, e, "a structural column is missing");
	return 0;
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

struct cursor { /* through the nodes and buffers of one batch, in Arrow's depth-first order */
	struct fb_vector nodes, buffers;
	size_t node, buffer;
	struct bytes body;
	bool ok;
};

static struct bytes next_buffer(struct cursor *c)
{
	struct arrow_buffer b;

	if (!c->ok || c->buffer >= c->buffers.n) {
		c->ok = false;
		return (struct bytes){ 0 };
	}
	memcpy(&b, fb_vector_struct(&c->buffers, c->buffer++, sizeof(b)), sizeof(b));
	if (b.offset < 0 || b.length < 0 || (uint64_t)b.offset > c->body.n ||
	    (uint64_t)b.length > c->body.n - (uint64_t)b.offset || b.offset % 8) {
		c->ok = false;
		return (struct bytes){ 0 };
	}
	return (struct bytes){ c->body.p + b.offset, (size_t)b.length };
}

static void next_node(struct cursor *c, struct level *l)
{
	struct arrow_node n = { 0, 0 };

	if (!c->ok || c->node >= c->nodes.n) {
		c->ok = false;
		return;
	}
	memcpy(&n, fb_vector_struct(&c->nodes, c->node++, sizeof(n)), sizeof(n));
	l->validity = next_buffer(c);
	if (n.length < 0 || (uint64_t)n.length > UINT32_MAX)
		c->ok = false;
	l->n = (uint64_t)n.length;
	if (!n.null_count)
		l->validity = (struct bytes){ 0 };
	else if (l->validity.n < (l->n + 7) / 8)
		c->ok = false;
}

static size_t width(enum scalar s)
{
	switch (s) {
	case SCALAR_I32:
	case SCALAR_U32:
	case SCALAR_F32:
	case SCALAR_DATE:
		return 4;
	default:
		return 8;
	}
}

static void next_offsets(struct cursor *c, struct level *l)
{
	l->offsets = next_buffer(c);
	if (c->ok && l->offsets.n < (l->n + 1) * 4)
		c->ok = false;
}

static void next_scalars(struct cursor *c, struct level *l, enum scalar s)
{
	next_node(c, l);
	if (s == SCALAR_STRING)
		next_offsets(c, l);
	l->data = next_buffer(c);
	if (s == SCALAR_BOOL && l->data.n < (l->n + 7) / 8)
		c->ok = false;
	else if (s != SCALAR_STRING && s != SCALAR_BOOL && l->data.n < l->n * width(s))
		c->ok = false;
}

static void next_column(struct cursor *c, const struct prop_type *t, struct cell_column *out)
{
	struct level kinds = { 0 };

	if (t->list) {
		next_node(c, &out->top);
		next_offsets(c, &out->top);
		next_scalars(c, &out->item, t->scalar);
	} else if (t->scalar == SCALAR_VECTOR) {
		next_node(c, &out->top);
		next_scalars(c, &out->item, SCALAR_F32);
		if (out->item.n != out->top.n * t->dim)
			c->ok = false;
	} else if (t->scalar == SCALAR_BLOB) {
		next_node(c, &out->top);
		next_node(c, &kinds);
		out->top.data = next_buffer(c);
		next_scalars(c, &out->item, SCALAR_STRING);
		if (kinds.n != out->top.n || out->item.n != out->top.n || out->top.data.n < out->top.n)
			c->ok = false;
	} else {
		next_scalars(c, &out->top, t->scalar);
	}
}

static bool open_batch(struct segment *s, struct batch *b, const struct arrow_block *blk)
{
	const uint8_t *msg = s->data + blk->offset;
	struct fb_table m, rb;
	struct cursor c = { .ok = true };
	int64_t rows;

	if (blk->meta_length < 16 || le32(msg) != 0xffffffffu || le32(msg + 4) != (uint32_t)blk->meta_length - 8)
		return false;
	m = fb_root(msg + 8, (size_t)blk->meta_length - 8);
	if (!m.ok || fb_get_int(&m, 1, 1, 0) != ARROW_HEADER_BATCH || fb_get_int(&m, 3, 8, -1) != blk->body_length)
		return false;
	rb = fb_get_table(&m, 2);
	rows = fb_get_int(&rb, 0, 8, 0);
	if (!rb.ok || rows < 0 || rows > UINT32_MAX)
		return false;
	c.nodes = fb_get_vector(&rb, 1, sizeof(struct arrow_node));
	c.buffers = fb_get_vector(&rb, 2, sizeof(struct arrow_buffer));
	c.body = (struct bytes){ msg + blk->meta_length, (size_t)blk->body_length };
	if (!c.nodes.ok || !c.buffers.ok)
		return false;
	b->rows = (uint64_t)rows;
	b->cols = arena_array(&s->arena, struct cell_column, s->n_cols);
	for (uint32_t i = 0; i < s->n_cols; i++) {
		next_column(&c, &s->cols[i].type, &b->cols[i]);
		if (!c.ok || b->cols[i].top.n != b->rows)
			return false;
	}
	return true;
}

static bool parse_crcs(struct segment *s, struct str list)
{
	for (uint32_t i = 0; i < s->n_batches; i++) {
		unsigned v;
		char hex[9];

		if (list.n < 8 || (i && list.n < 9))
			return false;
		if (i) {
			if (*list.s != ',')
				return false;
			list.s++;
			list.n--;
		}
		memcpy(hex, list.s, 8);
		hex[8] = 0;
		if (sscanf(hex, "%8x", &v) != 1)
			return false;
		s->batches[i].crc = v;
		list.s += 8;
		list.n -= 8;
	}
	return list.n == 0;
}

static int open_batches(struct segment *s, const struct fb_table *footer, uint32_t head_crc, size_t end, struct err *e)
{
	struct fb_vector blocks = fb_get_vector(footer, 3, sizeof(struct arrow_block));
	size_t at = 0;

	if (!blocks.ok || !blocks.n || blocks.n > SEG_BATCHES_MAX)
		return damaged(s, e, "the list of record batches does not parse");
	s->n_batches = (uint32_t)blocks.n;
	s->batches = arena_array(&s->arena, struct batch, blocks.n);
	for (uint32_t i = 0; i < s->n_batches; i++) {
		struct batch *b = &s->batches[i];
		struct arrow_block blk;

		memcpy(&blk, fb_vector_struct(&blocks, i, sizeof(blk)), sizeof(blk));
		if (blk.offset < 8 || (i && (size_t)blk.offset != at) || (size_t)blk.offset > end ||
		    blk.meta_length < 0 || blk.offset % 8 || blk.meta_length % 8 || blk.body_length < 0 ||
		    (size_t)blk.meta_length > end - (size_t)blk.offset ||
		    (uint64_t)blk.body_length > end - (size_t)blk.offset - (size_t)blk.meta_length)
			return damaged(s, e, "a record batch lies outside the file");
		if (!i && crc32c(0, s->data, (size_t)blk.offset) != head_crc)
			return damaged(s, e, "the checksum of its head is wrong");
		b->at = (size_t)blk.offset;
		b->n = (size_t)blk.meta_length + (size_t)blk.body_length;
		b->first = s->rows;
		at = b->at + b->n;
		if (!open_batch(s, b, &blk))
			return damaged(s, e, "a record batch does not parse");
		s->rows += b->rows;
	}
	if (at != end)
		return damaged(s, e, "there are bytes that belong to no record batch");
	if (!parse_crcs(s, meta_value(footer, 4, SEG_META_CRC)))
		return damaged(s, e, "the list of checksums does not parse");
	s->rows_per_batch = (uint32_t)s->batches[0].rows;
	return 0;
}

int segment_open(const void *data, size_t n, const char *name, struct segment **out, struct err *e)
{
	struct segment *s = mem_zalloc(sizeof(*s));
	struct fb_table footer = { 0 };
	uint32_t head_crc = 0;
	size_t end = 0;
	int rc;

	s->data = data;
	s->n = n;
	s->name = arena_strdup(&s->arena, name);
	rc = open_footer(s, &footer, &head_crc, &end, e);
	if (!rc)
		rc = open_schema(s, &footer, e);
	if (!rc)
		rc = open_batches(s, &footer, head_crc, end, e);
	if (rc)
		segment_free(s);
	else
		*out = s;
	return rc;
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	arena_free(&s->arena);
	free(s);
}

/* --- proof of a batch -------------------------------------------------------------------------------------------------------- */

/* Offsets ascend and stay within @limit. */
static bool offsets_sound(const struct level *l, uint64_t limit)
{
	uint32_t prev = l->n ? le32(l->offsets.p) : 0;

	for (uint64_t i = 1; i <= l->n; i++) {
		uint32_t v = le32(l->offsets.p + 4 * i);

		if (v < prev || v > limit)
			return false;
		prev = v;
	}
	return prev <= limit;
}

static bool column_sound(const struct prop_type *t, const struct cell_column *c)
{
	if (t->list)
		return offsets_sound(&c->top, c->item.n) &&
		       (t->scalar != SCALAR_STRING || offsets_sound(&c->item, c->item.data.n));
	if (t->scalar == SCALAR_BLOB)
		return offsets_sound(&c->item, c->item.data.n);
	return t->scalar != SCALAR_STRING || offsets_sound(&c->top, c->top.data.n);
}

int segment_verify(const struct segment *s, struct err *e)
{
	struct segment *m = (struct segment *)s; /* only the flag changes, and only from false to true */

	if (atomic_load_explicit(&m->verified, memory_order_acquire))
		return 0;
	for (uint32_t i = 0; i < s->n_batches; i++) {
		const struct batch *b = &s->batches[i];

		if (crc32c(0, s->data + b->at, b->n) != b->crc)
			return damaged(s, e, "the checksum of a record batch is wrong");
		for (uint32_t k = 0; k < s->n_cols; k++)
			if (!column_sound(&s->cols[k].type, &b->cols[k]))
				return damaged(s, e, "a column's offsets are wrong");
	}
	atomic_store_explicit(&m->verified, true, memory_order_release);
	return 0;
}

/* --- access ------------------------------------------------------------------------------------------------------------------ */

uint64_t segment_rows(const struct segment *s)
{
	return s->rows;
}

uint64_t segment_type_id(const struct segment *s)
{
	return s->type_id;
}

uint64_t segment_incarnation(const struct segment *s)
{
	return s->incarnation;
}

uint32_t segment_n_columns(const struct segment *s)
{
	return s->n_cols;
}

const struct segment_column *segment_column(const struct segment *s, uint32_t col)
{
	return &s->cols[col];
}

uint32_t segment_find_role(const struct segment *s, enum segment_role role)
{
	for (uint32_t i = 0; i < s->n_cols; i++)
		if (s->cols[i].role == role)
			return i;
	return UINT32_MAX;
}

uint32_t segment_find_prop(const struct segment *s, uint64_t property_id)
{
	for (uint32_t i = 0; i < s->n_cols; i++)
		if (s->cols[i].role == SEG_PROP && s->cols[i].property_id == property_id)
			return i;
	return UINT32_MAX;
}

/* The batch of a row; *row becomes the position in it. Batches are full but the last, unless a column was very large. */
static const struct batch *batch_of(const struct segment *s, uint64_t *row)
{
	uint32_t lo = 0, hi = s->n_batches;
	uint64_t guess = s->rows_per_batch ? *row / s->rows_per_batch : 0;

	if (guess < s->n_batches && *row >= s->batches[guess].first &&
	    *row < s->batches[guess].first + s->batches[guess].rows) {
		*row -= s->batches[guess].first;
		return &s->batches[guess];
	}
	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (s->batches[mid].first <= *row)
			lo = mid;
		else
			hi = mid;
	}
	*row -= s->batches[lo].first;
	return &s->batches[lo];
}

static bool bit(struct bytes b, uint64_t i)
{
	return b.p[i / 8] >> (i % 8) & 1;
}

static bool is_null(const struct level *l, uint64_t i)
{
	return l->validity.p && !bit(l->validity, i);
}

static struct str text_at(const struct level *l, uint64_t i)
{
	uint32_t start = le32(l->offsets.p + 4 * i), end = le32(l->offsets.p + 4 * i + 4);

	return (struct str){ (const char *)l->data.p + start, end - start };
}

struct str segment_str(const struct segment *s, uint32_t col, uint64_t row)
{
	const struct batch *b = batch_of(s, &row);
	const struct level *l = &b->cols[col].top;

	return is_null(l, row) ? (struct str){ 0 } : text_at(l, row);
}

uint64_t segment_u64(const struct segment *s, uint32_t col, uint64_t row)
{
	const struct batch *b = batch_of(s, &row);
	uint64_t v;

	memcpy(&v, b->cols[col].top.data.p + 8 * row, 8);
	return v;
}

static void scalar_at(const struct level *l, enum scalar s, uint64_t i, struct val *out)
{
	int32_t i32;
	uint32_t u32;
	float f;

	*out = VAL_NULL_INIT;
	if (is_null(l, i))
		return;
	switch (s) {
	case SCALAR_STRING:
		*out = val_str(text_at(l, i));
		break;
	case SCALAR_BOOL:
		*out = (struct val){ .kind = VAL_BOOL, .b = bit(l->data, i) };
		break;
	case SCALAR_I32:
	case SCALAR_DATE:
		memcpy(&i32, l->data.p + 4 * i, 4);
		*out = (struct val){ .kind = s == SCALAR_I32 ? VAL_I64 : VAL_DATE, .i = i32 };
		break;
	case SCALAR_U32:
		memcpy(&u32, l->data.p + 4 * i, 4);
		*out = (struct val){ .kind = VAL_U64, .u = u32 };
		break;
	case SCALAR_F32:
		memcpy(&f, l->data.p + 4 * i, 4);
		*out = (struct val){ .kind = VAL_F32, .f = (double)f };
		break;
	case SCALAR_I64:
	case SCALAR_U64:
	case SCALAR_F64:
	case SCALAR_DATETIME:
		out->kind = s == SCALAR_I64   ? VAL_I64
			    : s == SCALAR_U64 ? VAL_U64
			    : s == SCALAR_F64 ? VAL_F64
					      : VAL_DATETIME;
		memcpy(&out->u, l->data.p + 8 * i, 8);
		break;
	case SCALAR_BLOB:
	case SCALAR_VECTOR:
		break;
	}
}

static void list_at(const struct cell_column *c, enum scalar s, uint64_t row, struct arena *a, struct val *out)
{
	uint32_t start = le32(c->top.offsets.p + 4 * row), n = le32(c->top.offsets.p + 4 * row + 4) - start;
	struct val *items = arena_array(a, struct val, n + 1);

	for (uint32_t i = 0; i < n; i++)
		scalar_at(&c->item, s, start + i, &items[i]);
	*out = (struct val){ .kind = VAL_LIST, .n = n, .list = items };
}

void segment_get(const struct segment *s, uint32_t col, uint64_t row, struct arena *a, struct val *out)
{
	const struct batch *b = batch_of(s, &row);
	const struct cell_column *c = &b->cols[col];
	const struct prop_type *t = &s->cols[col].type;

	if (!t->list && t->scalar != SCALAR_VECTOR && t->scalar != SCALAR_BLOB) {
		scalar_at(&c->top, t->scalar, row, out);
		return;
	}
	*out = VAL_NULL_INIT;
	if (is_null(&c->top, row))
		return;
	if (t->list) {
		list_at(c, t->scalar, row, a, out);
	} else if (t->scalar == SCALAR_VECTOR) {
		*out = (struct val){ .kind = VAL_VEC,
				     .n = t->dim,
				     .vec = (const float *)(const void *)(c->item.data.p + (size_t)row * t->dim * 4) };
	} else {
		struct str text = text_at(&c->item, row);

		*out = (struct val){
			.kind = VAL_BLOB, .flags = c->top.data.p[row], .n = (uint32_t)text.n, .s = text.s
		};
	}
}
