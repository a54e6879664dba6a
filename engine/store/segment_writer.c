/* SPDX-License-Identifier: MIT */
/* Writing a segment: rows into columns, columns into record batches, batches into an Arrow IPC file. */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/arch.h>
#include <omnigraph/mem.h>

#include "engine/store/arrow_flatbuf.h"
#include "engine/store/segment.h"
#include "engine/store/segment_format.h"

#define BUFFERS_PER_COLUMN 6 /* a blob: 1 of the struct, 2 of the kinds, 3 of the bytes */

/* One level of a column: the values themselves, or the items of a list. */
struct level {
	struct strbuf validity, offsets, data;
	uint64_t n, nulls;
};

struct column {
	struct segment_column def;
	struct level top, item; /* item: lists and vectors; of blobs, the bytes (top.data holds the kinds) */
};

struct segment_writer {
	const struct type *t;
	struct arena arena;
	uint32_t n_cols;
	struct column *cols;
	uint64_t rows, batch_rows;
	struct strbuf out; /* finished messages, from the magic on */
	struct arrow_block *blocks;
	struct strbuf crcs;
	size_t n_blocks, cap_blocks, head_n;
	char id[ULID_LEN +
		1]; /* no two files are equal: deleting one never takes away what another write is about to publish */
};

/* --- columns ------------------------------------------------------------------------------------------------------------ */

static bool is_text(enum scalar s)
{
	return s == SCALAR_STRING;
}

/* Bytes of one value; 0 for text, bits and compounds. */
static size_t width(enum scalar s)
{
	switch (s) {
	case SCALAR_I32:
	case SCALAR_U32:
	case SCALAR_F32:
	case SCALAR_DATE:
		return 4;
	case SCALAR_I64:
	case SCALAR_U64:
	case SCALAR_F64:
	case SCALAR_DATETIME:
		return 8;
	default:
		return 0;
	}
}

static void put_bit(struct strbuf *b, uint64_t i, bool v)
{
	if (i % 8 == 0)
		sb_addch(b, 0);
	if (v)
		b->s[i / 8] = (char)(b->s[i / 8] | (1 << (i % 8)));
}

static void put_u32(struct strbuf *b, uint32_t v)
{
	sb_add(b, &v, sizeof(v)); /* little endian: the only byte order this is built for, see segment_writer_new */
}

static void begin_offsets(struct level *l)
{
	if (!l->offsets.n)
		put_u32(&l->offsets, 0);
}

static void mark(struct level *l, bool valid)
{
	put_bit(&l->validity, l->n, valid);
	l->nulls += !valid;
	l->n++;
}

static void put_text(struct level *l, struct str s)
{
	begin_offsets(l);
	sb_adds(&l->data, s);
	put_u32(&l->offsets, (uint32_t)l->data.n);
}

/* One scalar of kind @s at a level; null writes a placeholder. */
static void put_scalar(struct level *l, enum scalar s, const struct val *v)
{
	bool null = val_is_null(v);
	uint64_t i = l->n;

	mark(l, !null);
	if (is_text(s)) {
		put_text(l, null ? STR("") : val_text(v));
	} else if (s == SCALAR_BOOL) {
		put_bit(&l->data, i, !null && v->b);
	} else if (s == SCALAR_F32) {
		float f = null ? 0 : (float)v->f;

		sb_add(&l->data, &f, 4);
	} else if (s == SCALAR_F64) {
		double f = null ? 0 : v->f;

		sb_add(&l->data, &f, 8);
	} else {
		uint64_t bits = null ? 0 : v->u; /* i and u share their bits */

		sb_add(&l->data, &bits, width(s));
	}
}

static void put_list(struct column *c, const struct val *v)
{
	begin_offsets(&c->top);
	mark(&c->top, !val_is_null(v));
	for (uint32_t i = 0; v->kind == VAL_LIST && i < v->n; i++)
		put_scalar(&c->item, c->def.type.scalar, &v->list[i]);
	put_u32(&c->top.offsets, (uint32_t)c->item.n);
}

static void put_vector(struct column *c, const struct val *v)
{
	uint32_t dim = c->def.type.dim;

	mark(&c->top, v->kind == VAL_VEC);
	if (v->kind == VAL_VEC) {
		sb_add(&c->item.data, v->vec, (size_t)dim * 4);
	} else {
		sb_grow(&c->item.data, (size_t)dim * 4);
		memset(c->item.data.s + c->item.data.n, 0, (size_t)dim * 4);
		c->item.data.n += (size_t)dim * 4;
	}
	c->item.n += dim;
}

static void put_blob(struct column *c, const struct val *v)
{
	bool null = val_is_null(v);

	mark(&c->top, !null);
	sb_addch(&c->top.data, null ? 0 : (char)v->flags);
	put_text(&c->item, null ? STR("") : val_text(v));
	c->item.n++;
}

static void put_value(struct column *c, const struct val *v)
{
	if (c->def.type.list)
		put_list(c, v);
	else if (c->def.type.scalar == SCALAR_VECTOR)
		put_vector(c, v);
	else if (c->def.type.scalar == SCALAR_BLOB)
		put_blob(c, v);
	else
		put_scalar(&c->top, c->def.type.scalar, v);
}

static void level_reset(struct level *l)
{
	sb_reset(&l->validity);
	sb_reset(&l->offsets);
	sb_reset(&l->data);
	l->n = l->nulls = 0;
}

static void level_free(struct level *l)
{
	sb_free(&l->validity);
	sb_free(&l->offsets);
	sb_free(&l->data);
}

/* --- the writer ---------------------------------------------------------------------------------------------------------- */

static void add_column(struct segment_writer *w, enum segment_role role, struct str name, const struct prop *p)
{
	struct column *c = &w->cols[w->n_cols++];

	c->def.role = role;
	c->def.name = name;
	if (p) {
		c->def.type = p->type;
		c->def.property_id = p->id;
	} else {
		c->def.type.scalar = role == SEG_CREATED || role == SEG_UPDATED ? SCALAR_U64 : SCALAR_STRING;
	}
}

static void write_head(struct segment_writer *w);

struct segment_writer *segment_writer_new(const struct type *t)
{
	struct segment_writer *w = mem_zalloc(sizeof(*w));

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "segments are written in host byte order, which must be little endian");
	w->t = t;
	ulid_new(w->id);
	w->cols = mem_calloc(t->n_props + 5, sizeof(*w->cols));
	add_column(w, SEG_ID, STR("id"), NULL);
	if (t->kind == TYPE_EDGE) {
		add_column(w, SEG_SRC, STR("src"), NULL);
		add_column(w, SEG_DST, STR("dst"), NULL);
	}
	add_column(w, SEG_CREATED, STR("_created"), NULL);
	add_column(w, SEG_UPDATED, STR("_updated"), NULL);
	for (uint32_t i = 0; i < t->n_props; i++)
		add_column(w, SEG_PROP, t->props[i].name, &t->props[i]);
	write_head(w);
	return w;
}

void segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < w->n_cols; i++) {
		level_free(&w->cols[i].top);
		level_free(&w->cols[i].item);
	}
	free(w->cols);
	free(w->blocks);
	sb_free(&w->out);
	sb_free(&w->crcs);
	arena_free(&w->arena);
	free(w);
}

uint64_t segment_writer_rows(const struct segment_writer *w)
{
	return w->rows;
}

static size_t level_bytes(const struct level *l)
{
	return l->validity.n + l->offsets.n + l->data.n;
}

size_t segment_writer_bytes(const struct segment_writer *w)
{
	size_t n = w->out.n;

	for (uint32_t i = 0; i < w->n_cols; i++)
		n += level_bytes(&w->cols[i].top) + level_bytes(&w->cols[i].item);
	return n;
}

static void flush_batch(struct segment_writer *w);

static bool batch_full(const struct segment_writer *w)
{
	if (w->batch_rows >= SEGMENT_BATCH_ROWS)
		return true;
	for (uint32_t i = 0; i < w->n_cols; i++)
		if (level_bytes(&w->cols[i].top) >= SEG_BATCH_BYTES ||
		    level_bytes(&w->cols[i].item) >= SEG_BATCH_BYTES || w->cols[i].item.n >= SEG_BATCH_BYTES)
			return true; /* the number of items, too: Booleans take a bit each */
	return false;
}

void segment_writer_add(struct segment_writer *w, const struct row_image *row, uint64_t created, uint64_t updated)
{
	for (uint32_t i = 0, p = 0; i < w->n_cols; i++) {
		struct column *c = &w->cols[i];
		struct val v;

		switch (c->def.role) {
		case SEG_ID:
			v = val_str(row->id);
			break;
		case SEG_SRC:
			v = val_str(row->src);
			break;
		case SEG_DST:
			v = val_str(row->dst);
			break;
		case SEG_CREATED:
			v = (struct val){ .kind = VAL_U64, .u = created };
			break;
		case SEG_UPDATED:
			v = (struct val){ .kind = VAL_U64, .u = updated };
			break;
		default:
			v = row->vals[p++];
			break;
		}
		put_value(c, &v);
	}
	w->rows++;
	w->batch_rows++;
	if (batch_full(w))
		flush_batch(w);
}

/* --- metadata ------------------------------------------------------------------------------------------------------------ */

static fb_pos key_value(struct fb_builder *b, const char *key, struct str value)
{
	fb_pos k = fb_string(b, str_from(key)), v = fb_string(b, value);

	fb_table_begin(b);
	fb_offset(b, 0, k);
	fb_offset(b, 1, v);
	return fb_table_end(b);
}

static fb_pos key_number(struct fb_builder *b, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return key_value(b, key, str_from(text));
}

/* The type table of a scalar; *kind receives the union tag. */
static fb_pos scalar_type(struct fb_builder *b, enum scalar s, uint8_t *kind)
{
	fb_table_begin(b);
	switch (s) {
	case SCALAR_STRING:
		*kind = ARROW_UTF8;
		break;
	case SCALAR_BOOL:
		*kind = ARROW_BOOL;
		break;
	case SCALAR_I32:
	case SCALAR_I64:
	case SCALAR_U32:
	case SCALAR_U64:
		*kind = ARROW_INT;
		fb_i32(b, 0, s == SCALAR_I32 || s == SCALAR_U32 ? 32 : 64);
		fb_u8(b, 1, s == SCALAR_I32 || s == SCALAR_I64);
		break;
	case SCALAR_F32:
	case SCALAR_F64:
		*kind = ARROW_FLOAT;
		fb_i16(b, 0, s == SCALAR_F32 ? 1 : 2);
		break;
	case SCALAR_DATE:
	case SCALAR_DATETIME:
		*kind = ARROW_DATE;
		fb_i16(b, 0, s == SCALAR_DATE ? 0 : 1);
		break;
	case SCALAR_BLOB:
	case SCALAR_VECTOR:
		*kind = ARROW_BINARY;
		break;
	}
	return fb_table_end(b);
}

static fb_pos make_field(struct fb_builder *b, struct str name, bool nullable, uint8_t kind, fb_pos type,
			 const fb_pos *children, size_t n_children, fb_pos meta)
{
	fb_pos n = fb_string(b, name), kids = fb_offsets(b, children, n_children), metas = 0;

	if (meta)
		metas = fb_offsets(b, &meta, 1);
	fb_table_begin(b);
	fb_offset(b, 0, n);
	fb_u8(b, 1, nullable);
	fb_u8(b, 2, kind);
	fb_offset(b, 3, type);
	fb_offset(b, 5, kids);
	if (metas)
		fb_offset(b, 6, metas);
	return fb_table_end(b);
}

static fb_pos child_field(struct fb_builder *b, const char *name, bool nullable, enum scalar s)
{
	uint8_t kind;
	fb_pos type = scalar_type(b, s, &kind);

	return make_field(b, str_from(name), nullable, kind, type, NULL, 0, 0);
}

static fb_pos kind_field(struct fb_builder *b)
{
	fb_pos type;

	fb_table_begin(b);
	fb_i32(b, 0, 8);
	fb_u8(b, 1, 0);
	type = fb_table_end(b);
	return make_field(b, STR("kind"), false, ARROW_INT, type, NULL, 0, 0);
}

static fb_pos column_field(struct fb_builder *b, const struct segment_column *c)
{
	const struct prop_type *t = &c->type;
	bool nullable = c->role == SEG_PROP;
	fb_pos children[2], type, meta = 0;
	size_t n = 0;
	uint8_t kind;

	if (c->role == SEG_PROP)
		meta = key_number(b, SEG_META_PROPERTY_ID, c->property_id);
	if (t->list) {
		children[n++] = child_field(b, "item", true, t->scalar);
		kind = ARROW_LIST;
		fb_table_begin(b);
		type = fb_table_end(b);
	} else if (t->scalar == SCALAR_VECTOR) {
		children[n++] = child_field(b, "item", true, SCALAR_F32);
		kind = ARROW_FIXED_LIST;
		fb_table_begin(b);
		fb_i32(b, 0, (int32_t)t->dim);
		type = fb_table_end(b);
	} else if (t->scalar == SCALAR_BLOB) {
		children[n++] = kind_field(b);
		children[n++] = child_field(b, "data", false, SCALAR_BLOB);
		kind = ARROW_STRUCT;
		fb_table_begin(b);
		type = fb_table_end(b);
	} else {
		type = scalar_type(b, t->scalar, &kind);
	}
	return make_field(b, c->name, nullable, kind, type, children, n, meta);
}

static fb_pos schema_table(struct segment_writer *w, struct fb_builder *b)
{
	fb_pos *fields = mem_calloc(w->n_cols, sizeof(*fields)), vec, metas, meta[4];

	for (uint32_t i = 0; i < w->n_cols; i++)
		fields[i] = column_field(b, &w->cols[i].def);
	vec = fb_offsets(b, fields, w->n_cols);
	meta[0] = key_number(b, SEG_META_FORMAT, 1);
	meta[1] = key_number(b, SEG_META_TYPE_ID, w->t->type_id);
	meta[2] = key_number(b, SEG_META_INCARNATION, w->t->incarnation);
	meta[3] = key_value(b, SEG_META_WRITER, str_from(w->id));
	metas = fb_offsets(b, meta, ARRAY_SIZE(meta));
	fb_table_begin(b);
	fb_offset(b, 1, vec);
	fb_offset(b, 2, metas);
	free(fields);
	return fb_table_end(b);
}

static fb_pos message(struct fb_builder *b, uint8_t header_type, fb_pos header, int64_t body)
{
	fb_table_begin(b);
	fb_i64(b, 3, body);
	fb_offset(b, 2, header);
	fb_i16(b, 0, ARROW_V5);
	fb_u8(b, 1, header_type);
	return fb_table_end(b);
}

static void pad_to(struct strbuf *b, size_t align)
{
	while (b->n % align)
		sb_addch(b, 0);
}

/* Continuation mark, metadata size, metadata, padding so that the body starts aligned. Returns the bytes written. */
static size_t put_message(struct strbuf *out, const struct fb_builder *b)
{
	size_t start = out->n, size_at;
	uint32_t size;

	put_u32(out, 0xffffffffu);
	size_at = out->n;
	put_u32(out, 0);
	sb_add(out, b->buf + b->cap - b->n, b->n);
	pad_to(out, SEG_ALIGN);
	size = (uint32_t)(out->n - size_at - 4);
	memcpy(out->s + size_at, &size, 4);
	return out->n - start;
}

static void write_head(struct segment_writer *w)
{
	struct fb_builder b;

	sb_add(&w->out, SEG_MAGIC "\0\0", 8);
	fb_init(&b);
	fb_finish(&b, message(&b, ARROW_HEADER_SCHEMA, schema_table(w, &b), 0));
	put_message(&w->out, &b);
	fb_free(&b);
	w->head_n = w->out.n;
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

struct batch {
	struct arrow_node *nodes;
	struct arrow_buffer *buffers;
	size_t n_nodes, n_buffers;
	struct strbuf body;
};

static void put_buffer(struct batch *b, const struct strbuf *data)
{
	pad_to(&b->body, SEG_ALIGN);
	b->buffers[b->n_buffers++] = (struct arrow_buffer){ (int64_t)b->body.n, data ? (int64_t)data->n : 0 };
	if (data)
		sb_adds(&b->body, sb_str(data));
}

static void put_node(struct batch *b, const struct level *l)
{
	b->nodes[b->n_nodes++] = (struct arrow_node){ (int64_t)l->n, (int64_t)l->nulls };
}

static void put_validity(struct batch *b, const struct level *l)
{
	put_buffer(b, l->nulls ? &l->validity : NULL);
}

static void put_scalars(struct batch *b, struct level *l, enum scalar s)
{
	put_node(b, l);
	put_validity(b, l);
	if (is_text(s)) {
		begin_offsets(l);
		put_buffer(b, &l->offsets);
	}
	put_buffer(b, &l->data);
}

static void put_column(struct batch *b, struct column *c)
{
	const struct prop_type *t = &c->def.type;
	struct level kinds = { .n = c->top.n };

	if (t->list) {
		begin_offsets(&c->top);
		put_node(b, &c->top);
		put_validity(b, &c->top);
		put_buffer(b, &c->top.offsets);
		put_scalars(b, &c->item, t->scalar);
	} else if (t->scalar == SCALAR_VECTOR) {
		put_node(b, &c->top);
		put_validity(b, &c->top);
		put_node(b, &c->item);
		put_buffer(b, NULL);
		put_buffer(b, &c->item.data);
	} else if (t->scalar == SCALAR_BLOB) {
		put_node(b, &c->top);
		put_validity(b, &c->top);
		put_node(b, &kinds);
		put_buffer(b, NULL);
		put_buffer(b, &c->top.data);
		put_scalars(b, &c->item, SCALAR_STRING);
	} else {
		put_scalars(b, &c->top, t->scalar);
	}
}

static void flush_batch(struct segment_writer *w)
{
	struct batch batch = { .nodes = mem_calloc(3 * (size_t)w->n_cols, sizeof(*batch.nodes)),
			       .buffers = mem_calloc(BUFFERS_PER_COLUMN * (size_t)w->n_cols, sizeof(*batch.buffers)) };
	struct fb_builder b;
	fb_pos nodes, buffers, header;
	size_t start = w->out.n, meta;

	for (uint32_t i = 0; i < w->n_cols; i++)
		put_column(&batch, &w->cols[i]);
	pad_to(&batch.body, SEG_ALIGN);
	fb_init(&b);
	nodes = fb_structs(&b, batch.nodes, batch.n_nodes, sizeof(*batch.nodes));
	buffers = fb_structs(&b, batch.buffers, batch.n_buffers, sizeof(*batch.buffers));
	fb_table_begin(&b);
	fb_i64(&b, 0, (int64_t)w->batch_rows);
	fb_offset(&b, 1, nodes);
	fb_offset(&b, 2, buffers);
	header = fb_table_end(&b);
	fb_finish(&b, message(&b, ARROW_HEADER_BATCH, header, (int64_t)batch.body.n));
	meta = put_message(&w->out, &b);
	sb_adds(&w->out, sb_str(&batch.body));
	MEM_GROW(w->blocks, w->n_blocks, w->cap_blocks);
	w->blocks[w->n_blocks++] = (struct arrow_block){ .offset = (int64_t)start,
							 .meta_length = (int32_t)meta,
							 .body_length = (int64_t)batch.body.n };
	sb_addf(&w->crcs, "%s%08x", w->crcs.n ? "," : "", crc32c(0, w->out.s + start, w->out.n - start));
	fb_free(&b);
	free(batch.nodes);
	free(batch.buffers);
	sb_free(&batch.body);
	for (uint32_t i = 0; i < w->n_cols; i++) {
		level_reset(&w->cols[i].top);
		level_reset(&w->cols[i].item);
	}
	w->batch_rows = 0;
}

static void put_footer(struct segment_writer *w)
{
	struct fb_builder b;
	fb_pos schema, blocks, meta, metas;
	uint32_t crc, size;

	fb_init(&b);
	schema = schema_table(w, &b);
	blocks = fb_structs(&b, w->blocks, w->n_blocks, sizeof(*w->blocks));
	meta = key_value(&b, SEG_META_CRC, sb_str(&w->crcs));
	metas = fb_offsets(&b, &meta, 1);
	fb_table_begin(&b);
	fb_offset(&b, 1, schema);
	fb_offset(&b, 3, blocks);
	fb_offset(&b, 4, metas);
	fb_i16(&b, 0, ARROW_V5);
	fb_finish(&b, fb_table_end(&b));
	sb_add(&w->out, SEG_TRAILER_MAGIC, 8);
	put_u32(&w->out, crc32c(0, w->out.s, w->head_n));
	crc = crc32c(0, b.buf + b.cap - b.n, b.n);
	put_u32(&w->out, crc);
	sb_add(&w->out, b.buf + b.cap - b.n, b.n);
	size = (uint32_t)b.n;
	put_u32(&w->out, size);
	sb_add(&w->out, SEG_MAGIC, SEG_MAGIC_N);
	fb_free(&b);
}

int segment_writer_finish(struct segment_writer *w, struct strbuf *out, struct err *e)
{
	static const uint8_t eos[8] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	int rc = 0;

	if (w->batch_rows || !w->n_blocks)
		flush_batch(w);
	if (w->n_blocks > SEG_BATCHES_MAX) {
		rc = err_set(e, ERR_INTERNAL, "a segment of %llu rows needs more than %d record batches",
			     (unsigned long long)w->rows, SEG_BATCHES_MAX);
	} else {
		sb_add(&w->out, eos, sizeof(eos));
		put_footer(w);
		if (out->n) {
			sb_adds(out, sb_str(&w->out));
		} else { /* the buffer itself, not a copy of tens of megabytes */
			sb_free(out);
			*out = w->out;
			w->out = STRBUF_INIT;
		}
	}
	segment_writer_free(w);
	return rc;
}
