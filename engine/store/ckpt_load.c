/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include <roaring/roaring.h>

#include <omnigraph/arch.h>

#include "ckpt_format.h"
#include "graph_priv.h"

#define CKPT_MAX_BYTES (1u << 30)

void ckpt_key(const char *branch_id, uint64_t version, char out[128])
{
	snprintf(out, 128, "ckpt/%s/%020llu", branch_id, (unsigned long long)version);
}

/* --- which ----------------------------------------------------------------------------------------- */

struct versions {
	uint64_t upto;
	uint64_t *v;
	size_t n, cap;
};

static int on_key(void *arg, const char *key, const struct store_stat *st)
{
	struct versions *vs = arg;
	const char *name = strrchr(key, '/');
	uint64_t v;

	if (!name || strlen(name + 1) != 20 || !str_to_u64(str_from(name + 1), &v) || v > vs->upto)
		return 0;
	MEM_GROW(vs->v, vs->n, vs->cap);
	vs->v[vs->n++] = v;
	return 0;
}

/* --- reading --------------------------------------------------------------------------------------- */

struct ckpt {
	struct graph *g;
	const char *key;
	struct state *st;
	struct snapshot *snap;
	struct dec d;
	struct rec_commit head;
	char *label; /* of the head commit; malloced */
	uint64_t seq;
	struct err *e;
};

static int damaged(const char *key, const char *how, struct err *e)
{
	return err_set_rc(e, -EBADMSG, ERR_STORAGE, "storage: damaged object '%s': %s", key, how);
}

static int check_header(struct ckpt *c, const uint8_t *p, size_t n)
{
	struct dec d = dec_of(p, n);
	uint32_t crc, magic = dec_u32(&d), version = dec_u32(&d);
	uint64_t total = dec_u64(&d);

	crc = crc32c(0, p, n < CKPT_CRC_OFFSET ? n : CKPT_CRC_OFFSET);
	if (n < CKPT_HEADER_BYTES || magic != CKPT_MAGIC)
		return damaged(c->key, "not a checkpoint", c->e);
	if (version != CKPT_VERSION)
		return damaged(c->key, "its format version is not one this binary reads", c->e);
	if (total != n)
		return damaged(c->key, "it is cut short", c->e);
	if (dec_u32(&d) != crc32c(crc, p + CKPT_HEADER_BYTES, n - CKPT_HEADER_BYTES))
		return damaged(c->key, "checksum mismatch", c->e);
	c->d = d;
	return 0;
}

static int read_head(struct ckpt *c, const char *branch_id)
{
	struct str id = dec_raw(&c->d, ULID_LEN);
	struct str label;

	if (!str_eqz(id, branch_id))
		return damaged(c->key, "it belongs to another branch", c->e);
	c->seq = dec_var(&c->d);
	label = dec_bytes(&c->d);
	if (label.n)
		c->label = str_dup(label);
	if (commit_decode(&c->d, &c->head, c->e) || !c->head.schema.s)
		return damaged(c->key, "its head commit does not parse", c->e);
	return 0;
}

/* The first bytes of a portable bitmap; CRoaring would print a complaint about others. */
static bool known_bitmap(struct str bits)
{
	struct dec d = dec_of(bits.s, bits.n);
	uint32_t cookie = dec_u32(&d);

	return !d.bad && (cookie == 12346 || (cookie & 0xffff) == 12347);
}

static int apply_deletions(struct ckpt *c, struct table *t, uint32_t run, struct str bits)
{
	roaring_bitmap_t *rb;
	roaring_uint32_iterator_t it;

	if (!bits.n)
		return 0;
	rb = known_bitmap(bits) ? roaring_bitmap_portable_deserialize_safe(bits.s, bits.n) : NULL;
	if (!rb)
		return damaged(c->key, "a deletion bitmap does not parse", c->e);
	roaring_init_iterator(rb, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it)) {
		if (it.current_value < table_run(t, run)->seg->rows)
			table_end_row(t, ROWREF(run + 1, it.current_value), 1);
	}
	roaring_bitmap_free(rb);
	return 0;
}

static struct str keep(struct ckpt *c, struct str s)
{
	return arena_str(&c->st->arena, s);
}

static int read_segment(struct ckpt *c, struct table *t)
{
	struct rec_segment ref = { .rows = 0 };
	struct str bits;
	struct seg *s;
	int rc;

	dec_segment(&c->d, &ref);
	bits = dec_bytes(&c->d);
	if (c->d.bad)
		return damaged(c->key, "a segment reference does not parse", c->e);
	rc = seg_open(&c->g->segs, ref.digest, ref.rows, &s, c->e);
	if (rc)
		return rc;
	if (segment_type_id(s->s) != t->type_id || segment_incarnation(s->s) != t->incarnation) {
		seg_put(s);
		return damaged(c->key, "a segment belongs to another type", c->e);
	}
	return apply_deletions(c, t, table_add_run(t, s, keep(c, ref.min), keep(c, ref.max), 0), bits);
}

static int read_table(struct ckpt *c, struct tmeta *metas)
{
	uint64_t type_id = dec_var(&c->d), incarnation = dec_var(&c->d);
	bool edge = dec_u8(&c->d) & LOG_TYPE_EDGE;
	struct table *t;
	struct str label;
	size_t n;
	int rc = 0;

	if (c->d.bad || state_table(c->st, type_id, incarnation))
		return damaged(c->key, "a table does not parse", c->e);
	t = state_add_table(c->st, type_id, incarnation, edge);
	metas[t->index].count = dec_var(&c->d);
	metas[t->index].version = dec_var(&c->d);
	label = dec_bytes(&c->d);
	metas[t->index].label = label.n ? keep(c, label).s : NULL;
	n = dec_count(&c->d);
	for (size_t i = 0; i < n && !rc; i++)
		rc = read_segment(c, t);
	return rc;
}

static void head_info(struct ckpt *c, struct commit_info *ci)
{
	memset(ci, 0, sizeof(*ci));
	memcpy(ci->id, c->head.id, sizeof(ci->id));
	memcpy(ci->parent, c->head.parent, sizeof(ci->parent));
	memcpy(ci->merged_parent, c->head.merged_parent, sizeof(ci->merged_parent));
	ci->version = c->head.version;
	ci->created_at = c->head.created_at;
	ci->branch = c->label;
	ci->actor = c->head.actor.s ? str_dup(c->head.actor) : NULL;
}

static int build_snapshot(struct ckpt *c, const struct tmeta *metas)
{
	char hex[SHA256_HEX_LEN + 1];
	struct commit_info ci;
	struct binding *bind;
	struct catalog *cat;
	int rc;

	hex_encode(hex, c->head.schema.s, LOG_DIGEST_BYTES);
	rc = graph_catalog(c->g, hex, &cat, c->e);
	if (rc)
		return rc;
	bind = binding_new(c->st, cat);
	head_info(c, &ci);
	c->snap = snapshot_new(c->st, bind, &ci, c->st->n_tables);
	memcpy(c->snap->metas, metas, c->st->n_tables * sizeof(*metas));
	c->snap->seq = c->seq ? c->seq : 1;
	free(ci.actor);
	binding_put(bind);
	catalog_put(cat);
	return 0;
}

static void set_base(struct ckpt *c, const struct tmeta *metas)
{
	struct state *st = c->st;

	commit_info_copy(&st->base, &c->snap->ci);
	st->base_cat = c->snap->bind->cat;
	st->n_base = st->n_tables;
	st->base_metas = arena_memdup(&st->arena, metas, st->n_tables * sizeof(*metas) + 1);
	st->base_seq = c->snap->seq;
}

static int read_body(struct ckpt *c, const char *branch_id)
{
	struct tmeta *metas;
	size_t n;
	int rc = read_head(c, branch_id);

	if (rc)
		return rc;
	n = dec_count(&c->d);
	metas = mem_calloc(n + 2, sizeof(*metas));
	for (size_t i = 0; i < n && !rc; i++)
		rc = read_table(c, metas);
	if (!rc && c->d.bad)
		rc = damaged(c->key, "its content does not parse", c->e);
	if (!rc)
		rc = build_snapshot(c, metas);
	if (!rc)
		set_base(c, metas);
	free(metas);
	return rc;
}

static int read_one(struct graph *g, const char *branch_id, uint64_t version, struct snapshot **out, uint64_t *next_seq,
		    struct err *e)
{
	char key[128];
	struct ckpt c = { .g = g, .key = key, .e = e };
	struct store_object o;
	int rc;

	ckpt_key(branch_id, version, key);
	rc = store_get(g->store, key, CKPT_MAX_BYTES, &o, e);
	if (rc)
		return rc;
	c.st = state_new(g);
	rc = check_header(&c, o.data, o.n);
	if (!rc)
		rc = read_body(&c, branch_id);
	if (!rc && c.snap->version != version) {
		rc = damaged(key, "it is of another version", e);
		snapshot_put(c.snap);
	}
	state_put(c.st);
	store_object_free(&o);
	free(c.label);
	if (rc)
		return rc;
	*out = c.snap;
	*next_seq = c.seq + 1;
	return 0;
}

/*
 * A checkpoint that cannot be used is passed over: an older one, or none, and the log after it give the same state. Only a missing
 * schema is final, since the log needs it, too.
 */
int checkpoint_load(struct graph *g, const char *branch_id, uint64_t upto, struct snapshot **out,
		    struct load_stats *stats, struct err *e)
{
	struct versions vs = { .upto = upto };
	struct err why = ERR_INIT;
	char prefix[64];
	int rc;

	snprintf(prefix, sizeof(prefix), "ckpt/%s", branch_id);
	rc = store_list(g->store, prefix, NULL, false, on_key, &vs, e);
	for (size_t i = vs.n; !rc && i-- > 0;) {
		if (!read_one(g, branch_id, vs.v[i], out, &stats->next_seq, &why)) {
			free(vs.v);
			return 0;
		}
		log_kv(g->logger, LOG_WARN, "store", "checkpoint passed over", "graph", g->uri, "error", err_msg(&why),
		       NULL);
		if (!stats->passed_over[0])
			snprintf(stats->passed_over, sizeof(stats->passed_over), "%s", err_msg(&why));
		err_clear(&why);
	}
	free(vs.v);
	return rc ? rc : -ENOENT;
}

/* --- what it refers to ----------------------------------------------------------------------------- */

static int table_refs(struct dec *d, ckpt_segment_fn fn, void *arg)
{
	uint64_t type_id = dec_var(d), incarnation = dec_var(d);
	int rc = 0;
	size_t n;

	dec_u8(d);
	dec_var(d);
	dec_var(d);
	dec_bytes(d);
	n = dec_count(d);
	for (size_t i = 0; i < n && !rc && !d->bad; i++) {
		struct rec_segment ref = { .rows = 0 };

		dec_segment(d, &ref);
		dec_bytes(d);
		if (!d->bad)
			rc = fn(arg, type_id, incarnation, &ref);
	}
	return rc;
}

int checkpoint_refs(struct graph *g, const char *branch_id, uint64_t version, char schema[SHA256_HEX_LEN + 1],
		    ckpt_segment_fn fn, void *arg, struct err *e)
{
	char key[128];
	struct ckpt c = { .g = g, .key = key, .e = e };
	struct store_object o;
	size_t n;
	int rc;

	ckpt_key(branch_id, version, key);
	rc = store_get(g->store, key, CKPT_MAX_BYTES, &o, e);
	if (rc)
		return rc;
	rc = check_header(&c, o.data, o.n);
	if (!rc)
		rc = read_head(&c, branch_id);
	if (!rc)
		hex_encode(schema, c.head.schema.s, LOG_DIGEST_BYTES);
	n = rc ? 0 : dec_count(&c.d);
	for (size_t i = 0; i < n && !rc; i++)
		rc = table_refs(&c.d, fn, arg);
	if (!rc && c.d.bad)
		rc = damaged(key, "its content does not parse", e);
	store_object_free(&o);
	free(c.label);
	return rc;
}
