/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <omnigraph/arch.h>

#include "log_record.h"

/* --- primitives ---------------------------------------------------------------------------------- */

static void put_le(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void enc_u32(struct strbuf *b, uint32_t v)
{
	uint8_t t[4];

	put_le(t, v, 4);
	sb_add(b, t, 4);
}

void enc_u64(struct strbuf *b, uint64_t v)
{
	uint8_t t[8];

	put_le(t, v, 8);
	sb_add(b, t, 8);
}

void enc_var(struct strbuf *b, uint64_t v)
{
	uint8_t t[10];
	size_t n = 0;

	while (v >= 0x80) {
		t[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	t[n++] = (uint8_t)v;
	sb_add(b, t, n);
}

static void enc_zigzag(struct strbuf *b, int64_t v)
{
	enc_var(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void enc_bytes(struct strbuf *b, struct str s)
{
	enc_var(b, s.n);
	sb_add(b, s.s, s.n);
}

static uint32_t f32_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	return u;
}

static uint64_t f64_bits(double f)
{
	uint64_t u;

	memcpy(&u, &f, 8);
	return u;
}

void enc_val(struct strbuf *b, const struct val *v)
{
	sb_addch(b, (char)(v->kind | v->flags << 4));
	switch (v->kind) {
	case VAL_BOOL:
		sb_addch(b, v->b);
		break;
	case VAL_I64:
	case VAL_DATE:
	case VAL_DATETIME:
		enc_zigzag(b, v->i);
		break;
	case VAL_U64:
		enc_var(b, v->u);
		break;
	case VAL_F32:
		enc_u32(b, f32_bits((float)v->f));
		break;
	case VAL_F64:
		enc_u64(b, f64_bits(v->f));
		break;
	case VAL_STR:
	case VAL_BLOB:
		enc_bytes(b, val_text(v));
		break;
	case VAL_LIST:
		enc_var(b, v->n);
		for (uint32_t i = 0; i < v->n; i++)
			enc_val(b, &v->list[i]);
		break;
	case VAL_VEC:
		enc_var(b, v->n);
		for (uint32_t i = 0; i < v->n; i++)
			enc_u32(b, f32_bits(v->vec[i]));
		break;
	default:
		break;
	}
}

struct dec dec_of(const void *data, size_t n)
{
	return (struct dec){ .p = data, .end = (const uint8_t *)data + n };
}

static const uint8_t *take(struct dec *d, size_t n)
{
	const uint8_t *p = d->p;

	if (d->bad || (size_t)(d->end - d->p) < n) {
		d->bad = true;
		return NULL;
	}
	d->p += n;
	return p;
}

uint8_t dec_u8(struct dec *d)
{
	const uint8_t *p = take(d, 1);

	return p ? *p : 0;
}

uint32_t dec_u32(struct dec *d)
{
	const uint8_t *p = take(d, 4);

	return p ? (uint32_t)get_le(p, 4) : 0;
}

uint64_t dec_u64(struct dec *d)
{
	const uint8_t *p = take(d, 8);

	return p ? get_le(p, 8) : 0;
}

uint64_t dec_var(struct dec *d)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t c = dec_u8(d);

		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			if (shift == 63 && c > 1)
				d->bad = true;
			return d->bad ? 0 : v;
		}
	}
	d->bad = true;
	return 0;
}

static int64_t dec_zigzag(struct dec *d)
{
	uint64_t v = dec_var(d);

	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct str dec_raw(struct dec *d, size_t n)
{
	const uint8_t *p = take(d, n);

	return (struct str){ p ? (const char *)p : "", p ? n : 0 };
}

struct str dec_bytes(struct dec *d)
{
	uint64_t n = dec_var(d);

	if (n > UINT32_MAX)
		d->bad = true;
	return dec_raw(d, d->bad ? 0 : (size_t)n);
}

size_t dec_count(struct dec *d)
{
	uint64_t n = dec_var(d);

	if (n > (uint64_t)(d->end - d->p))
		d->bad = true;
	return d->bad ? 0 : (size_t)n;
}

static void dec_vec(struct dec *d, struct arena *a, struct val *out)
{
	size_t n = dec_count(d);
	const uint8_t *p = take(d, n * 4);
	float *f;

	if (!p)
		return;
	f = arena_alloc(a, n * sizeof(float) + 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t u = (uint32_t)get_le(p + 4 * i, 4);

		memcpy(&f[i], &u, 4);
	}
	out->n = (uint32_t)n;
	out->vec = f;
}

static void dec_scalar(struct dec *d, struct val *out)
{
	struct str s;
	uint64_t u;
	uint32_t w;
	float f;

	switch (out->kind) {
	case VAL_NULL:
		break;
	case VAL_BOOL:
		out->b = dec_u8(d) != 0;
		break;
	case VAL_I64:
	case VAL_DATE:
	case VAL_DATETIME:
		out->i = dec_zigzag(d);
		break;
	case VAL_U64:
		out->u = dec_var(d);
		break;
	case VAL_F32:
		w = dec_u32(d);
		memcpy(&f, &w, 4);
		out->f = f;
		break;
	case VAL_F64:
		u = dec_u64(d);
		memcpy(&out->f, &u, 8);
		break;
	case VAL_STR:
	case VAL_BLOB:
		s = dec_bytes(d);
		out->s = s.s;
		out->n = (uint32_t)s.n;
		break;
	default:
		d->bad = true;
	}
}

static void dec_list(struct dec *d, struct arena *a, struct val *out)
{
	size_t n = dec_count(d);
	struct val *items = arena_array(a, struct val, n + 1);

	for (size_t i = 0; i < n && !d->bad; i++) {
		uint8_t c = dec_u8(d);

		items[i].kind = c & 15;
		items[i].flags = c >> 4;
		dec_scalar(d, &items[i]); /* lists do not nest */
	}
	out->n = d->bad ? 0 : (uint32_t)n;
	out->list = items;
}

void dec_val(struct dec *d, struct arena *a, struct val *out)
{
	uint8_t c = dec_u8(d);

	memset(out, 0, sizeof(*out));
	out->kind = c & 15;
	out->flags = c >> 4;
	if (out->kind == VAL_LIST)
		dec_list(d, a, out);
	else if (out->kind == VAL_VEC)
		dec_vec(d, a, out);
	else
		dec_scalar(d, out);
	if (d->bad)
		*out = VAL_NULL_INIT;
}

/* --- commits ------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

void enc_digest(struct strbuf *b, const char *hex)
{
	for (int i = 0; i < LOG_DIGEST_BYTES; i++)
		sb_addch(b, (char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1])));
}

size_t commit_begin(struct strbuf *b, const struct rec_commit *c)
{
	size_t start = b->n;
	uint8_t flags = 0;

	flags |= c->parent[0] ? LOG_HAS_PARENT : 0;
	flags |= c->merged_parent[0] ? LOG_HAS_MERGED : 0;
	flags |= c->actor.s ? LOG_HAS_ACTOR : 0;
	flags |= c->schema.s ? LOG_HAS_SCHEMA : 0;
	enc_u32(b, 0);
	sb_add(b, c->id, ULID_LEN);
	sb_addch(b, (char)flags);
	if (c->parent[0])
		sb_add(b, c->parent, ULID_LEN);
	if (c->merged_parent[0])
		sb_add(b, c->merged_parent, ULID_LEN);
	enc_var(b, c->version);
	enc_zigzag(b, c->created_at);
	sb_addch(b, (char)c->kind);
	if (c->actor.s)
		enc_bytes(b, c->actor);
	if (c->schema.s)
		sb_add(b, c->schema.s, LOG_DIGEST_BYTES);
	enc_var(b, c->n_types);
	return start;
}

void commit_finish(struct strbuf *b, size_t start)
{
	put_le((uint8_t *)b->s + start, b->n - start - 4, 4);
}

static void dec_ulid(struct dec *d, char out[ULID_LEN + 1])
{
	struct str s = dec_raw(d, ULID_LEN);

	memset(out, 0, ULID_LEN + 1);
	if (s.n == ULID_LEN && ulid_valid(s))
		memcpy(out, s.s, ULID_LEN);
	else
		d->bad = true;
}

static int damaged(struct err *e)
{
	return err_set(e, ERR_STORAGE, "storage: damaged commit record: its content does not parse");
}

int commit_decode(struct dec *d, struct rec_commit *c, struct err *e)
{
	size_t len = dec_u32(d);
	struct str body = dec_raw(d, len);
	struct dec b = dec_of(body.s, body.n);
	uint8_t flags;

	memset(c, 0, sizeof(*c));
	dec_ulid(&b, c->id);
	flags = dec_u8(&b);
	if (flags & LOG_HAS_PARENT)
		dec_ulid(&b, c->parent);
	if (flags & LOG_HAS_MERGED)
		dec_ulid(&b, c->merged_parent);
	c->version = dec_var(&b);
	c->created_at = dec_zigzag(&b);
	c->kind = dec_u8(&b);
	if (flags & LOG_HAS_ACTOR)
		c->actor = dec_bytes(&b);
	if (flags & LOG_HAS_SCHEMA)
		c->schema = dec_raw(&b, LOG_DIGEST_BYTES);
	c->n_types = dec_count(&b);
	c->types = b;
	if (d->bad || b.bad || c->kind > LOG_SCHEMA || !c->version)
		return damaged(e);
	return 0;
}

void enc_segment(struct strbuf *b, const struct rec_segment *s)
{
	enc_digest(b, s->digest);
	enc_var(b, s->rows);
	enc_var(b, s->bytes);
	enc_bytes(b, s->min);
	enc_bytes(b, s->max);
}

void dec_segment(struct dec *d, struct rec_segment *s)
{
	struct str dg = dec_raw(d, LOG_DIGEST_BYTES);

	if (dg.n == LOG_DIGEST_BYTES)
		hex_encode(s->digest, dg.s, LOG_DIGEST_BYTES);
	s->rows = dec_var(d);
	s->bytes = dec_var(d);
	s->min = dec_bytes(d);
	s->max = dec_bytes(d);
}

int type_decode(struct dec *d, struct arena *a, struct rec_type *t, struct err *e)
{
	uint8_t flags;

	memset(t, 0, sizeof(*t));
	t->type_id = dec_var(d);
	t->incarnation = dec_var(d);
	flags = dec_u8(d);
	t->edge = flags & LOG_TYPE_EDGE;
	t->truncate = flags & LOG_TYPE_TRUNCATE;
	t->n_props = dec_count(d);
	t->props = arena_array(a, uint64_t, t->n_props + 1);
	for (size_t i = 0; i < t->n_props; i++)
		t->props[i] = dec_var(d);
	t->n_segments = dec_count(d);
	t->segments = arena_array(a, struct rec_segment, t->n_segments + 1);
	for (size_t i = 0; i < t->n_segments && !d->bad; i++)
		dec_segment(d, &t->segments[i]);
	return d->bad ? damaged(e) : 0;
}

/* --- records ------------------------------------------------------------------------------------- */

void record_begin(struct strbuf *b)
{
	static const char room[LOG_HEADER_BYTES];

	sb_add(b, room, sizeof(room));
}

static uint32_t record_crc(const uint8_t *p, size_t n)
{
	uint32_t crc = crc32c(0, p, LOG_CRC_OFFSET);

	return crc32c(crc, p + LOG_HEADER_BYTES, n - LOG_HEADER_BYTES);
}

void record_finish(struct strbuf *b, uint32_t n_commits)
{
	uint8_t *p = (uint8_t *)b->s;

	put_le(p, LOG_MAGIC, 4);
	put_le(p + 4, LOG_VERSION, 2);
	put_le(p + 8, n_commits, 4);
	put_le(p + LOG_CRC_OFFSET, record_crc(p, b->n), 4);
}

int record_open(const void *data, size_t n, struct dec *d, uint32_t *n_commits, struct err *e)
{
	const uint8_t *p = data;

	if (n < LOG_HEADER_BYTES || get_le(p, 4) != LOG_MAGIC)
		return err_set(e, ERR_STORAGE, "storage: damaged commit record: not a commit record");
	if (get_le(p + 4, 2) != LOG_VERSION)
		return err_set(e, ERR_STORAGE, "storage: commit record has format version %u, this binary reads %u",
			       (unsigned)get_le(p + 4, 2), LOG_VERSION);
	if (get_le(p + LOG_CRC_OFFSET, 4) != record_crc(p, n))
		return err_set(e, ERR_STORAGE, "storage: damaged commit record: checksum mismatch");
	*d = dec_of(p + LOG_HEADER_BYTES, n - LOG_HEADER_BYTES);
	*n_commits = (uint32_t)get_le(p + 8, 4);
	return 0;
}

int record_blame(int rc, const char *log, uint64_t seq, struct err *e)
{
	if (rc < 0 && e)
		err_set(e, e->code, "%s (record %llu of '%s')", err_msg(e), (unsigned long long)seq, log);
	return rc;
}
