/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint holds. The rows of the delta go into new segments; segments of about their size, or with many deleted rows, are
 * rewritten with them (size-tiered: a row is rewritten a logarithmic number of times); the others are kept with a deletion bitmap.
 * A compaction goes to the end of it: no bitmap stays, and at most one segment of a type that is not full.
 */
#include <errno.h>

#include <roaring/roaring.h>

#include <omnigraph/arch.h>
#include <omnigraph/failpoint.h>

#include "ckpt_format.h"
#include "graph_priv.h"
#include "segment.h"

#define SEGMENT_MAX_ROWS (1u << 20)
#define SEGMENT_MAX_BYTES (64u << 20)
#define FULL_BYTES (SEGMENT_MAX_BYTES / 2) /* such a segment is merged no further */
#define FULL_ROWS (SEGMENT_MAX_ROWS / 2)

struct source {		       /* rows of one kind in id order */
	const struct run *run; /* NULL: the delta */
	uint32_t run_index;
	const uint32_t *rows; /* delta: row numbers; else NULL: all */
	uint32_t pos, n;
	uint64_t live;
	bool rewrite;
};

struct build {
	struct graph *g;
	const struct snapshot *s;
	const struct type *ty;
	const struct table *t;
	struct view v;
	struct source *src; /* [0] is the delta */
	uint32_t n_src;
	uint32_t n_empty; /* segments of which no row is alive */
	uint32_t *delta;
	struct strbuf *out;
	struct strbuf refs;
	size_t n_refs;
	const struct compaction *compact; /* NULL: size-tiered */
	uint32_t n_new;			  /* segments written */
};

/* --- what there is --------------------------------------------------------------------------------- */

struct delta_row { /* for sorting */
	struct str id;
	uint32_t row;
};

static int by_id(const void *a, const void *b)
{
	return str_cmp(((const struct delta_row *)a)->id, ((const struct delta_row *)b)->id);
}

static void collect_delta(struct build *b)
{
	uint32_t n = table_n_rows(b->t), live = 0;
	struct delta_row *rows = mem_alloc(((size_t)n + 1) * sizeof(*rows));

	for (uint32_t i = 0; i < n; i++) {
		const struct drow *r = table_drow(b->t, i);

		if (drow_visible(r, b->v))
			rows[live++] = (struct delta_row){ r->d->id, i };
	}
	qsort(rows, live, sizeof(*rows), by_id);
	b->delta = mem_alloc(((size_t)live + 1) * sizeof(*b->delta));
	for (uint32_t i = 0; i < live; i++)
		b->delta[i] = rows[i].row;
	free(rows);
	b->src[0] = (struct source){ .rows = b->delta, .n = live, .live = live, .rewrite = true };
}

static uint32_t count_dead(const struct run *r, struct view v)
{
	uint32_t dead = 0;

	for (uint32_t p = 0; p <= r->seg->rows / STAMP_PAGE; p++) {
		if (!atomic_load_explicit(&r->pages[p], memory_order_acquire))
			continue;
		for (uint32_t i = p * STAMP_PAGE; i < (p + 1) * STAMP_PAGE && i < r->seg->rows; i++)
			dead += !run_row_alive(r, i, v);
	}
	return dead;
}

static void collect_runs(struct build *b)
{
	uint32_t n = table_n_runs(b->t);

	b->src = mem_calloc((size_t)n + 1, sizeof(*b->src));
	b->n_src = 1;
	for (uint32_t i = 0; i < n; i++) {
		const struct run *r = table_run(b->t, i);
		uint32_t live;

		if (!run_visible(r, b->v))
			continue;
		live = r->seg->rows - count_dead(r, b->v);
		if (live)
			b->src[b->n_src++] =
				(struct source){ .run = r, .run_index = i, .n = r->seg->rows, .live = live };
		else
			b->n_empty++;
	}
}

static bool is_full(const struct source *s)
{
	return s->run->seg->bytes >= FULL_BYTES || s->n >= FULL_ROWS;
}

static struct source *smallest_kept(struct build *b)
{
	struct source *best = NULL;

	for (uint32_t i = 1; i < b->n_src; i++) {
		struct source *s = &b->src[i];

		if (!s->rewrite && !is_full(s) && (!best || s->live < best->live))
			best = s;
	}
	return best;
}

/* Values of properties that the schema has dropped leave with the next checkpoint. */
static bool has_dropped_columns(const struct build *b, const struct seg *seg)
{
	for (uint32_t i = 0; i < segment_n_columns(seg->s); i++) {
		const struct segment_column *c = segment_column(seg->s, i);

		if (c->role == SEG_PROP && !type_prop_by_id(b->ty, c->property_id))
			return true;
	}
	return false;
}

static bool must_rewrite(const struct build *b, const struct source *s)
{
	return has_dropped_columns(b, s->run->seg) || seg_is_gone(s->run->seg);
}

static void choose_tiered(struct build *b)
{
	uint64_t sum = b->src[0].live;
	struct source *s;

	for (uint32_t i = 1; i < b->n_src; i++) {
		s = &b->src[i];
		s->rewrite = (s->n - s->live) * 4 > s->n || must_rewrite(b, s);
		sum += s->rewrite ? s->live : 0;
	}
	while (sum && (s = smallest_kept(b)) && s->live <= 2 * sum) {
		s->rewrite = true;
		sum += s->live;
	}
}

/* Segments with deleted rows, and the small ones unless there is one only: what comes out of it is left alone the next time. */
static void choose_compact(struct build *b)
{
	bool any = b->src[0].live != 0;
	uint32_t small = 0;

	for (uint32_t i = 1; i < b->n_src; i++) {
		struct source *s = &b->src[i];

		s->rewrite = s->live < s->n || must_rewrite(b, s);
		any |= s->rewrite;
		small += !s->rewrite && !is_full(s);
	}
	for (uint32_t i = 1; (any || small > 1) && i < b->n_src; i++)
		b->src[i].rewrite |= !is_full(&b->src[i]);
}

static uint32_t count_replaced(const struct build *b)
{
	uint32_t n = b->n_empty + (b->src[0].live != 0);

	for (uint32_t i = 1; i < b->n_src; i++)
		n += b->src[i].rewrite;
	return n;
}

/* --- rewriting ------------------------------------------------------------------------------------- */

static rowref source_ref(const struct source *s)
{
	return s->run ? ROWREF(s->run_index + 1, s->pos) : ROWREF(0, s->rows[s->pos]);
}

static void skip_dead(struct build *b, struct source *s)
{
	while (s->run && s->pos < s->n && !run_row_alive(s->run, s->pos, b->v))
		s->pos++;
}

/* The source with the smallest next id; visible ids are unique, so there are no ties. */
static struct source *next_source(struct build *b)
{
	struct source *best = NULL;
	struct str best_id = { NULL, 0 };

	for (uint32_t i = 0; i < b->n_src; i++) {
		struct source *s = &b->src[i];
		struct str id;

		if (!s->rewrite)
			continue;
		skip_dead(b, s);
		if (s->pos >= s->n)
			continue;
		id = table_row_id(b->t, source_ref(s));
		if (!best || str_cmp(id, best_id) < 0) {
			best = s;
			best_id = id;
		}
	}
	return best;
}

static void add_row(struct build *b, struct segment_writer *w, rowref r, struct arena *a)
{
	struct val *vals = arena_array(a, struct val, b->ty->n_props + 1);
	struct row_image row = { .id = table_row_id(b->t, r), .vals = vals };

	if (b->t->edge) {
		row.src = table_row_end(b->t, 0, r);
		row.dst = table_row_end(b->t, 1, r);
	}
	for (uint32_t i = 0; i < b->ty->n_props; i++)
		table_row_get(b->t, r, b->ty->props[i].id, i, a, &vals[i]);
	segment_writer_add(w, &row, table_row_created(b->t, r), table_row_updated(b->t, r));
	arena_reset(a);
}

static int put_segment(struct build *b, struct segment_writer *w, struct rec_segment *ref, struct err *e)
{
	int rc = seg_write(&b->g->segs, w, ref, e);

	if (rc)
		return rc;
	enc_segment(&b->refs, ref);
	enc_bytes(&b->refs, STR(""));
	b->n_refs++;
	b->n_new++;
	for (uint32_t i = 1; i < b->n_src; i++) /* the rows before this one are not needed again */
		if (b->src[i].rewrite)
			store_map_relax(b->g->store, &b->src[i].run->seg->map);
	return 0;
}

static int write_segment(struct build *b, struct source *s, struct arena *a, struct err *e)
{
	struct segment_writer *w = segment_writer_new(b->ty);
	struct rec_segment ref = { .min = table_row_id(b->t, source_ref(s)) };

	while (s && ref.rows < SEGMENT_MAX_ROWS && segment_writer_bytes(w) < SEGMENT_MAX_BYTES) {
		ref.max = table_row_id(b->t, source_ref(s));
		add_row(b, w, source_ref(s), a);
		ref.rows++;
		s->pos++;
		s = next_source(b);
	}
	return put_segment(b, w, &ref, e);
}

static int rewrite(struct build *b, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct source *s;
	int rc = 0;

	for (uint32_t i = 1; i < b->n_src && !rc; i++) {
		if (b->src[i].rewrite)
			rc = seg_verify(b->src[i].run->seg, e);
	}
	while (!rc && (s = next_source(b)))
		rc = write_segment(b, s, &a, e);
	arena_free(&a);
	return rc;
}

/* --- keeping --------------------------------------------------------------------------------------- */

static void enc_deletions(struct build *b, const struct source *s)
{
	roaring_bitmap_t *rb = roaring_bitmap_create();
	struct strbuf bits = STRBUF_INIT;

	for (uint32_t i = 0; i < s->n; i++) {
		if (!run_row_alive(s->run, i, b->v))
			roaring_bitmap_add(rb, i);
	}
	roaring_bitmap_run_optimize(rb);
	sb_grow(&bits, roaring_bitmap_portable_size_in_bytes(rb));
	bits.n = roaring_bitmap_portable_serialize(rb, bits.s);
	enc_bytes(&b->refs, sb_str(&bits));
	sb_free(&bits);
	roaring_bitmap_free(rb);
}

static void keep(struct build *b, const struct source *s)
{
	const struct seg *seg = s->run->seg;
	struct rec_segment ref = { .rows = seg->rows, .bytes = seg->bytes, .min = s->run->min, .max = s->run->max };

	memcpy(ref.digest, seg->digest, sizeof(ref.digest));
	enc_segment(&b->refs, &ref);
	if (s->live < s->n)
		enc_deletions(b, s);
	else
		enc_bytes(&b->refs, STR(""));
	b->n_refs++;
}

/* --- one table ------------------------------------------------------------------------------------- */

static int build_segments(struct build *b, struct err *e)
{
	uint32_t replaced;
	int rc = 0;

	collect_runs(b);
	collect_delta(b);
	if (b->compact && !b->compact->shared)
		choose_compact(b);
	else
		choose_tiered(b);
	replaced = count_replaced(b);
	for (uint32_t i = 1; i < b->n_src; i++) {
		if (!b->src[i].rewrite)
			keep(b, &b->src[i]);
	}
	if (b->compact && replaced)
		rc = FAILPOINT("optimize.before_compact", e);
	if (!rc)
		rc = rewrite(b, e);
	if (b->compact && !rc)
		b->compact->table(b->compact->arg, b->ty, replaced, b->n_new);
	free(b->delta);
	free(b->src);
	return rc;
}

static int build_table(struct build *b, const struct tmeta *m, struct err *e)
{
	struct strbuf *out = b->out;
	int rc = build_segments(b, e);

	enc_var(out, b->t->type_id);
	enc_var(out, b->t->incarnation);
	sb_addch(out, b->t->edge ? LOG_TYPE_EDGE : 0);
	enc_var(out, m->count);
	enc_var(out, m->version);
	enc_bytes(out, str_from(m->label));
	enc_var(out, b->n_refs);
	sb_add(out, b->refs.s, b->refs.n);
	sb_free(&b->refs);
	return rc;
}

static int build_tables(struct graph *g, const struct snapshot *s, const struct compaction *compact, struct strbuf *out,
			struct err *e)
{
	const struct catalog *c = s->bind->cat;
	size_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < c->n_types; i++)
		n += snapshot_table(s, &c->types[i]) != NULL;
	enc_var(out, n);
	for (uint32_t i = 0; i < c->n_types && !rc; i++) {
		struct build b = { .g = g,
				   .s = s,
				   .ty = &c->types[i],
				   .t = snapshot_table(s, &c->types[i]),
				   .out = out,
				   .compact = compact };

		if (!b.t)
			continue;
		b.v = snapshot_view(s, b.t);
		rc = build_table(&b, &s->metas[b.t->index], e);
	}
	return rc;
}

/* --- the object ------------------------------------------------------------------------------------ */

static void enc_head(const struct snapshot *s, struct strbuf *out)
{
	const struct commit_info *ci = &s->ci;
	struct rec_commit c = { .version = ci->version, .created_at = ci->created_at };
	struct strbuf digest = STRBUF_INIT;
	char hex[SHA256_HEX_LEN + 1];

	schema_record_digest(s->bind->cat->source, s->bind->cat->compiled_json, hex);
	enc_digest(&digest, hex);
	memcpy(c.id, ci->id, sizeof(c.id));
	memcpy(c.parent, ci->parent, sizeof(c.parent));
	memcpy(c.merged_parent, ci->merged_parent, sizeof(c.merged_parent));
	if (ci->actor)
		c.actor = str_from(ci->actor);
	c.schema = sb_str(&digest);
	enc_bytes(out, str_from(ci->branch));
	commit_finish(out, commit_begin(out, &c));
	sb_free(&digest);
}

static void header(struct strbuf *out)
{
	struct strbuf h = STRBUF_INIT;
	uint32_t crc;

	enc_u32(&h, CKPT_MAGIC);
	enc_u32(&h, CKPT_VERSION);
	enc_u64(&h, out->n);
	crc = crc32c(0, h.s, CKPT_CRC_OFFSET);
	crc = crc32c(crc, out->s + CKPT_HEADER_BYTES, out->n - CKPT_HEADER_BYTES);
	enc_u32(&h, crc);
	memcpy(out->s, h.s, CKPT_HEADER_BYTES);
	sb_free(&h);
}

int checkpoint_build(struct graph *g, const char *branch_id, const struct snapshot *s, uint64_t seq,
		     const struct compaction *compact, struct strbuf *out, struct err *e)
{
	static const char room[CKPT_HEADER_BYTES];
	int rc;

	sb_add(out, room, sizeof(room));
	sb_add(out, branch_id, ULID_LEN);
	enc_var(out, seq);
	enc_head(s, out);
	rc = build_tables(g, s, compact, out, e);
	if (!rc)
		header(out);
	return rc;
}

/* --- writing it -------------------------------------------------------------------------------------- */

int ckpt_put(struct graph *g, const char *branch_id, uint64_t version, const struct store_token *seen,
	     const struct strbuf *obj, struct err *e)
{
	char key[128];

	ckpt_key(branch_id, version, key);
	if (seen && seen->s[0])
		return store_replace(g->store, key, seen, obj->s, obj->n, NULL, e);
	return store_create(g->store, key, obj->s, obj->n, NULL, e);
}

int ckpt_token(struct graph *g, const char *branch_id, uint64_t version, struct store_token *token, struct err *e)
{
	struct store_stat st;
	char key[128];
	int rc;

	ckpt_key(branch_id, version, key);
	rc = store_head(g->store, key, &st, e);
	*token = rc ? (struct store_token){ "" } : st.token;
	if (rc == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return rc;
}
