/* SPDX-License-Identifier: MIT */
#include "engine/store/spool.h"

#include <omnigraph/limits.h>

#include "engine/store/log_record.h"

#define CHUNK_BYTES (1u << 20)
#define FIRST_CHUNK_BYTES (4u << 10)
#define UNIT 8u /* rows begin at multiples of it */
#define UNITS_PER_CHUNK (CHUNK_BYTES / UNIT)
#define CHUNKS_MAX ((SPOOL_NONE - 1) / UNITS_PER_CHUNK)
#define READS_PER_RELAX 65536u
#define FIRST_SLOTS 64u

void spool_pool_init(struct spool_pool *p, const struct catalog *c, const char *dir, uint64_t max_bytes)
{
	*p = (struct spool_pool){ .dir = dir, .max_bytes = max_bytes, .file = SCRATCH_INIT, .n = c->n_types };
	random_bytes(&p->k0, sizeof(p->k0));
	random_bytes(&p->k1, sizeof(p->k1));
	p->spools = mem_calloc(c->n_types + 1, sizeof(*p->spools));
	for (uint32_t i = 0; i < c->n_types; i++) {
		p->spools[i].pool = p;
		p->spools[i].type = &c->types[i];
		p->spools[i].ascending = true;
		p->spools[i].last = SPOOL_NONE;
	}
}

static void free_chunk(struct spool_chunk *c)
{
	if (c->mapped)
		scratch_unmap(c->data, c->n);
	else
		free((char *)(uintptr_t)c->data);
}

void spool_reader_free(struct spool_reader *r)
{
	free(r->vals);
	arena_free(&r->arena);
}

void spool_pool_free(struct spool_pool *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct spool *s = &p->spools[i];

		for (uint32_t k = 0; k < s->n_chunks; k++)
			free_chunk(&s->chunks[k]);
		free(s->chunks);
		free(s->slots);
		spool_reader_free(&s->scan);
	}
	free(p->spools);
	sb_free(&p->enc);
	scratch_close(&p->file);
	*p = (struct spool_pool){ .file = SCRATCH_INIT };
}

bool spool_pool_spilled(const struct spool_pool *p)
{
	return p->file.end > 0;
}

/* --- chunks -------------------------------------------------------------------------------------- */

static int spill_chunk(struct spool_pool *p, struct spool_chunk *c, struct err *e)
{
	const void *map;
	int rc = scratch_put(&p->file, c->data, c->n, &map, e);

	if (rc)
		return rc;
	free((char *)(uintptr_t)c->data);
	p->heap -= c->cap;
	*c = (struct spool_chunk){ .data = map, .n = c->n, .mapped = true };
	return 0;
}

/* Chunks spill in order, so the ones on the heap are the last of a spool. */
static int spill_spool(struct spool *s, struct err *e)
{
	uint32_t first = s->n_chunks;
	int rc = 0;

	while (first && !s->chunks[first - 1].mapped)
		first--;
	for (; !rc && first + 1 < s->n_chunks; first++) /* the last is still being filled */
		rc = spill_chunk(s->pool, &s->chunks[first], e);
	return rc;
}

static int spill(struct spool_pool *p, struct err *e)
{
	int rc = p->file.fd < 0 ? scratch_open(&p->file, p->dir, e) : 0;

	for (uint32_t i = 0; !rc && i < p->n; i++)
		rc = spill_spool(&p->spools[i], e);
	return rc;
}

static int too_many(const struct spool *s, struct err *e)
{
	int rc =
		err_set(e, ERR_RESOURCE_LIMIT,
			"resource limit exceeded for staged chunks of type '%.*s': actual %u, limit %u; split the load",
			STR_ARG(s->type->name), s->n_chunks, CHUNKS_MAX);

	err_detail(e, "resource", "staged chunks");
	err_detail_u64(e, "limit", CHUNKS_MAX);
	err_detail_u64(e, "actual", s->n_chunks);
	return rc;
}

static int add_chunk(struct spool *s, size_t need, struct err *e)
{
	size_t cap = s->n_chunks < 8 ? FIRST_CHUNK_BYTES << s->n_chunks : CHUNK_BYTES;

	if (s->n_chunks >= CHUNKS_MAX)
		return too_many(s, e);
	if (cap < need)
		cap = need;
	MEM_GROW(s->chunks, s->n_chunks, s->cap_chunks);
	s->chunks[s->n_chunks++] = (struct spool_chunk){ .data = mem_alloc(cap), .cap = cap };
	s->pool->heap += cap;
	if (s->pool->heap <= s->pool->max_bytes)
		return 0;
	return spill(s->pool, e);
}

static const char *row_bytes(const struct spool *s, uint32_t pos, const char **end)
{
	const struct spool_chunk *c = &s->chunks[pos / UNITS_PER_CHUNK];

	*end = c->data + c->n;
	return c->data + (size_t)(pos % UNITS_PER_CHUNK) * UNIT;
}

static void relax(const struct spool_chunk *c)
{
	if (c->mapped)
		scratch_relax(c->data, c->n);
}

/* --- ids ----------------------------------------------------------------------------------------- */

struct str spool_id(struct spool *s, uint32_t pos)
{
	const char *end, *p = row_bytes(s, pos, &end);
	struct dec d = dec_of(p, (size_t)(end - p));

	if (++s->reads == READS_PER_RELAX) {
		s->reads = 0;
		for (uint32_t i = 0; i < s->n_chunks; i++)
			relax(&s->chunks[i]);
	}
	return dec_bytes(&d);
}

static uint64_t *slot_of(struct spool *s, struct str id, uint32_t hash)
{
	uint32_t i = hash & s->mask;

	while (s->slots[i] && (s->slots[i] >> 32 != hash || !str_eq(spool_id(s, (uint32_t)s->slots[i] - 1), id)))
		i = (i + 1) & s->mask;
	return &s->slots[i];
}

static uint32_t id_hash(const struct spool *s, struct str id)
{
	return (uint32_t)siphash13(s->pool->k0, s->pool->k1, id.s, id.n);
}

static void grow_slots(struct spool *s)
{
	uint32_t old = s->slots ? s->mask + 1 : 0, size = old ? old * 2 : FIRST_SLOTS;
	uint64_t *slots = mem_calloc(size, sizeof(*slots));

	for (uint32_t k = 0; k < old; k++) {
		uint32_t i = (uint32_t)(s->slots[k] >> 32) & (size - 1);

		while (s->slots[k] && slots[i])
			i = (i + 1) & (size - 1);
		if (s->slots[k])
			slots[i] = s->slots[k];
	}
	free(s->slots);
	s->slots = slots;
	s->mask = size - 1;
}

static void index_row(struct spool *s, struct str id, uint32_t pos)
{
	uint32_t hash = id_hash(s, id);
	uint64_t *slot;

	if (!s->slots || s->n_ids >= s->mask / 3 * 2)
		grow_slots(s);
	slot = slot_of(s, id, hash);
	if (*slot && !s->repeated) {
		s->repeated = true;
		s->repeat = pos;
	}
	s->n_ids += !*slot;
	*slot = (uint64_t)hash << 32 | (pos + 1);
}

uint32_t spool_find(struct spool *s, struct str id)
{
	return s->slots ? (uint32_t)*slot_of(s, id, id_hash(s, id)) - 1 : SPOOL_NONE;
}

bool spool_counts(struct spool *s, const struct spool_row *r)
{
	return !s->repeated || r->minted || spool_find(s, r->row.id) == r->pos;
}

/* --- writing ------------------------------------------------------------------------------------- */

static void encode(struct strbuf *b, const struct type *t, const struct row_image *row, uint64_t record, bool minted)
{
	sb_reset(b);
	enc_bytes(b, row->id);
	enc_var(b, record << 1 | minted);
	if (t->kind == TYPE_EDGE) {
		enc_bytes(b, row->src);
		enc_bytes(b, row->dst);
	}
	for (uint32_t i = 0; i < t->n_props; i++)
		enc_val(b, &row->vals[i]);
	while (b->n % UNIT)
		sb_addch(b, 0);
}

int spool_add(struct spool *s, const struct row_image *row, uint64_t record, bool minted, struct err *e)
{
	struct strbuf *b = &s->pool->enc;
	struct spool_chunk *c = s->n_chunks ? &s->chunks[s->n_chunks - 1] : NULL;
	uint32_t pos;
	int rc;

	encode(b, s->type, row, record, minted);
	/* a row begins within the units of its chunk, wherever it ends */
	if (!c || c->cap - c->n < b->n) {
		rc = add_chunk(s, b->n, e);
		if (rc)
			return rc;
		c = &s->chunks[s->n_chunks - 1];
	}
	pos = (s->n_chunks - 1) * UNITS_PER_CHUNK + (uint32_t)(c->n / UNIT);
	memcpy((char *)(uintptr_t)c->data + c->n, b->s, b->n);
	c->n += b->n;
	if (s->ascending && s->last != SPOOL_NONE && str_cmp(spool_id(s, s->last), row->id) >= 0)
		s->ascending = false;
	if (!minted)
		index_row(s, row->id, pos);
	s->last = pos;
	s->rows++;
	s->bytes += row_image_bytes(row, s->type->n_props);
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------- */

static struct str meant(const struct map *respelled, struct str written)
{
	struct str *to = respelled && respelled->n ? map_get(respelled, written) : NULL;

	return to ? *to : written;
}

static const char *decode(struct spool *s, uint32_t pos, struct spool_reader *r, struct spool_row *out)
{
	const struct type *t = s->type;
	const char *end, *p = row_bytes(s, pos, &end);
	struct dec d = dec_of(p, (size_t)(end - p));
	uint64_t n;

	if (!r->vals)
		r->vals = mem_calloc(t->n_props + 1, sizeof(*r->vals));
	if (r->arena.total)
		arena_reset(&r->arena);
	*out = (struct spool_row){ .pos = pos };
	out->row.id = dec_bytes(&d);
	n = dec_var(&d);
	out->record = n >> 1;
	out->minted = n & 1;
	if (t->kind == TYPE_EDGE) {
		out->row.src = meant(s->respelled[0], dec_bytes(&d));
		out->row.dst = meant(s->respelled[1], dec_bytes(&d));
	}
	for (uint32_t i = 0; i < t->n_props; i++)
		dec_val(&d, &r->arena, &r->vals[i]);
	out->row.vals = r->vals;
	return (const char *)d.p;
}

void spool_read(struct spool *s, uint32_t pos, struct spool_reader *r, struct spool_row *out)
{
	decode(s, pos, r, out);
}

bool spool_next(struct spool *s, struct spool_cursor *c, struct spool_row *out)
{
	const char *end;

	while (c->chunk < s->n_chunks && c->off >= s->chunks[c->chunk].n) {
		relax(&s->chunks[c->chunk++]);
		c->off = 0;
	}
	if (c->chunk >= s->n_chunks)
		return false;
	end = decode(s, c->chunk * UNITS_PER_CHUNK + (uint32_t)(c->off / UNIT), &s->scan, out);
	c->off = ((size_t)(end - s->chunks[c->chunk].data) + UNIT - 1) / UNIT * UNIT;
	return true;
}

static int by_id(const void *a, const void *b, void *arg)
{
	return str_cmp(spool_id(arg, *(const uint32_t *)a), spool_id(arg, *(const uint32_t *)b));
}

uint32_t *spool_sorted(struct spool *s, size_t *n)
{
	uint32_t *order = mem_alloc((s->rows + 1) * sizeof(*order));
	struct spool_cursor c = { 0 };
	struct spool_row r;

	*n = 0;
	while (spool_next(s, &c, &r)) {
		if (spool_counts(s, &r))
			order[(*n)++] = r.pos;
	}
	if (!s->ascending)
		qsort_r(order, *n, sizeof(*order), by_id, s);
	return order;
}
