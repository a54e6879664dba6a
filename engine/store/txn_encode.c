/* SPDX-License-Identifier: MIT */
#include <omnigraph/failpoint.h>

#include "txn_priv.h"

#define SEGMENT_MAX_ROWS (1u << 20)
#define SEGMENT_MAX_BYTES \
	(32u << 20) /* as large as a compaction wants them (ckpt_build.c), and no larger: they are made in memory */
#define SEGMENT_MIN_SHARE 16 /* types of a smaller share of inline_max stay inline in a large commit */

struct encode {
	struct txn *t;
	uint64_t version;
	struct strbuf *out;
	bool large;
};

/* A deletion counts when there is something to delete. */
static bool deletes(const struct txn *t, const struct type *ty, const struct staged_type *st,
		    const struct staged_row *r)
{
	return r->kind == STAGED_DELETE && !st->truncated && row_find(t->base, ty, r->row.id) != ROW_NONE;
}

static bool type_changes(const struct txn *t, const struct type *ty, const struct staged_type *st)
{
	if (st->truncated || st->spool)
		return true;
	for (size_t i = 0; i < st->n; i++) {
		if (st->rows[i].kind == STAGED_PUT || deletes(t, ty, st, &st->rows[i]))
			return true;
	}
	return false;
}

bool txn_has_effect(const struct txn *t)
{
	for (uint32_t i = 0; i < t->n_types; i++) {
		if (type_changes(t, &t->base->bind->cat->types[i], &t->types[i]))
			return true;
	}
	return false;
}

/* --- inline rows ----------------------------------------------------------------------------------- */

static void encode_row(struct strbuf *b, const struct type *ty, const struct row_image *row)
{
	enc_bytes(b, row->id);
	if (ty->kind == TYPE_EDGE) {
		enc_bytes(b, row->src);
		enc_bytes(b, row->dst);
	}
	for (uint32_t i = 0; i < ty->n_props; i++)
		enc_val(b, &row->vals[i]);
}

static void encode_puts(struct encode *en, const struct type *ty)
{
	struct strbuf rows = STRBUF_INIT;
	const struct row_image *row;
	struct txn_iter it;
	size_t n = 0;

	txn_iter_init(&it, en->t, ty);
	for (enum staged_kind k; (k = txn_iter_next(&it, NULL, &row)) != STAGED_NONE;) {
		if (k != STAGED_PUT)
			continue;
		encode_row(&rows, ty, row);
		n++;
	}
	enc_var(en->out, n);
	sb_add(en->out, rows.s, rows.n);
	sb_free(&rows);
}

static void encode_deletes(struct encode *en, const struct type *ty, const struct staged_type *st)
{
	struct strbuf ids = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < st->n; i++) {
		if (!deletes(en->t, ty, st, &st->rows[i]))
			continue;
		enc_bytes(&ids, st->rows[i].row.id);
		n++;
	}
	enc_var(en->out, n);
	sb_add(en->out, ids.s, ids.n);
	sb_free(&ids);
}

/* --- segments -------------------------------------------------------------------------------------- */

/* All puts of a type, ascending by id: the rows staged one by one between those of the spool. */
struct puts {
	const struct row_image **rows;
	size_t n, i;
	struct spool *spool;
	uint32_t *order; /* NULL: the spool is in order as it is */
	size_t n_order, k;
	struct spool_cursor at;
	struct spool_reader reader;
	struct spool_row next; /* of the spool */
	bool has_next;
};

static int by_id(const void *a, const void *b)
{
	return str_cmp((*(const struct row_image *const *)a)->id, (*(const struct row_image *const *)b)->id);
}

static const struct row_image **sorted_rows(const struct staged_type *st, size_t *n)
{
	const struct row_image **rows = mem_alloc((st->n + 1) * sizeof(*rows));

	*n = 0;
	for (size_t i = 0; i < st->n; i++) {
		if (st->rows[i].kind == STAGED_PUT)
			rows[(*n)++] = &st->rows[i].row;
	}
	qsort(rows, *n, sizeof(*rows), by_id);
	return rows;
}

static bool read_spool(struct puts *p)
{
	if (!p->order)
		return spool_next(p->spool, &p->at, &p->next);
	if (p->k >= p->n_order)
		return false;
	spool_read(p->spool, p->order[p->k++], &p->reader, &p->next);
	return true;
}

static void puts_begin(struct puts *p, const struct staged_type *st)
{
	*p = (struct puts){ .spool = st->spool };
	p->rows = sorted_rows(st, &p->n);
	if (!p->spool)
		return;
	if (!p->spool->ascending)
		p->order = spool_sorted(p->spool, &p->n_order);
	p->has_next = read_spool(p);
}

static void puts_end(struct puts *p)
{
	free(p->rows);
	free(p->order);
	spool_reader_free(&p->reader);
}

/* NULL at the end. Stays until puts_advance. */
static const struct row_image *puts_first(struct puts *p)
{
	const struct row_image *row = p->i < p->n ? p->rows[p->i] : NULL;

	if (!p->has_next)
		return row;
	return row && str_cmp(row->id, p->next.row.id) <= 0 ? row : &p->next.row;
}

/* A spooled row goes with the one that replaces it. */
static void puts_advance(struct puts *p)
{
	int cmp = p->i >= p->n ? 1 : !p->has_next ? -1 : str_cmp(p->rows[p->i]->id, p->next.row.id);

	p->i += cmp <= 0;
	if (cmp >= 0)
		p->has_next = read_spool(p);
}

static uint64_t created_version(struct encode *en, const struct type *ty, struct str id)
{
	rowref r = snapshot_count(en->t->base, ty) ? row_find(en->t->base, ty, id) : ROW_NONE;

	return r == ROW_NONE ? en->version : row_created(en->t->base, ty, r);
}

/* Write rows until the segment is full; append its reference. */
static int encode_segment(struct encode *en, const struct type *ty, struct puts *p, struct strbuf *refs, struct err *e)
{
	struct segment_writer *w = segment_writer_new(ty);
	struct strbuf min = STRBUF_INIT, max = STRBUF_INIT;
	const struct row_image *row = puts_first(p);
	struct rec_segment ref = { .rows = 0 };
	int rc;

	sb_adds(&min, row->id);
	while (row && ref.rows < SEGMENT_MAX_ROWS && segment_writer_bytes(w) < SEGMENT_MAX_BYTES) {
		segment_writer_add(w, row, created_version(en, ty, row->id), en->version);
		sb_reset(&max);
		sb_adds(&max, row->id);
		ref.rows++;
		puts_advance(p);
		row = puts_first(p);
	}
	ref.min = sb_str(&min);
	ref.max = sb_str(&max);
	rc = seg_write(&en->t->g->segs, w, &ref, e);
	if (!rc)
		enc_segment(refs, &ref);
	sb_free(&min);
	sb_free(&max);
	return rc;
}

static int encode_segments(struct encode *en, const struct type *ty, const struct staged_type *st, struct err *e)
{
	struct strbuf refs = STRBUF_INIT;
	size_t n_refs = 0;
	struct puts p;
	int rc = 0;

	puts_begin(&p, st);
	for (; puts_first(&p) && !rc; n_refs++)
		rc = encode_segment(en, ty, &p, &refs, e);
	puts_end(&p);
	enc_var(en->out, n_refs);
	sb_add(en->out, refs.s, refs.n);
	sb_free(&refs);
	return rc;
}

/* --- types ----------------------------------------------------------------------------------------- */

static int encode_type(struct encode *en, const struct type *ty, const struct staged_type *st, struct err *e)
{
	struct strbuf *b = en->out;
	bool seg = en->large && st->bytes >= en->t->g->inline_max / SEGMENT_MIN_SHARE;
	int rc = 0;

	enc_var(b, ty->type_id);
	enc_var(b, ty->incarnation);
	sb_addch(b, (char)((ty->kind == TYPE_EDGE ? LOG_TYPE_EDGE : 0) | (st->truncated ? LOG_TYPE_TRUNCATE : 0)));
	enc_var(b, ty->n_props);
	for (uint32_t i = 0; i < ty->n_props; i++)
		enc_var(b, ty->props[i].id);
	if (seg) {
		rc = encode_segments(en, ty, st, e);
		enc_var(b, 0);
	} else {
		enc_var(b, 0);
		encode_puts(en, ty);
	}
	encode_deletes(en, ty, st);
	return rc;
}

static uint64_t staged_bytes(const struct txn *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n_types; i++)
		n += t->types[i].bytes;
	return n;
}

static int encode_types(struct encode *en, struct err *e)
{
	const struct catalog *cat = en->t->base->bind->cat;
	int rc = 0;

	for (uint32_t i = 0; i < en->t->n_types && !rc; i++) {
		if (type_changes(en->t, &cat->types[i], &en->t->types[i]))
			rc = encode_type(en, &cat->types[i], &en->t->types[i], e);
	}
	return rc;
}

int txn_encode(struct txn *t, struct rec_commit *c, struct strbuf *out, size_t *changes, struct err *e)
{
	const struct catalog *cat = t->base->bind->cat;
	struct encode en = { t, c->version, out, staged_bytes(t) > t->g->inline_max };
	size_t start;
	int rc;

	c->n_types = 0;
	for (uint32_t i = 0; i < t->n_types; i++)
		c->n_types += type_changes(t, &cat->types[i], &t->types[i]);
	*changes = c->n_types;
	if (!c->n_types && !t->forced)
		return 0;
	start = commit_begin(out, c);
	rc = encode_types(&en, e);
	commit_finish(out, start);
	if (!rc && out->n > LIMIT_LOG_RECORD_BYTES - LOG_HEADER_BYTES)
		rc = err_set(e, ERR_RESOURCE_LIMIT,
			     "resource limit exceeded for commit record bytes: actual %zu, limit %u", out->n,
			     LIMIT_LOG_RECORD_BYTES);
	return rc;
}
