/* SPDX-License-Identifier: MIT */
/* Reading one Blob cell (spec/engine.md 14.2). */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/blob.h>
#include <omnigraph/failpoint.h>

#include "engine/store/graph_priv.h"

struct blob {
	struct snapshot *s;
	struct arena arena;
	struct val val; /* points into the snapshot */
	char *uri;
	char etag[BLOB_ETAG_MAX];
};

/* --- finding the cell --------------------------------------------------------------------------------------------------- */

struct where {
	struct branch *b; /* whose chain the state is on */
	const struct type *t;
	const struct prop *p;
	rowref row;
};

/* The state, and the branch that tells who wrote its rows. */
static int find_state(struct graph *g, const struct blob_cell *cell, struct where *f, struct snapshot **s,
		      struct err *e)
{
	struct commit_info ci;
	int rc;

	if (cell->branch && cell->snapshot)
		return err_set(e, ERR_BAD_REQUEST, "give either a branch or a snapshot, not both");
	if (cell->snapshot) {
		rc = history_find(g, cell->snapshot, &f->b, &ci, e);
		if (!rc)
			commit_info_clear(&ci);
		return rc ? rc : graph_snapshot(g, NULL, cell->snapshot, s, e);
	}
	rc = branch_open(g, cell->branch, &f->b, e);
	return rc ? rc : branch_snapshot(f->b, s, e);
}

static int find_property(const struct blob_cell *cell, const struct snapshot *s, struct where *f, struct err *e)
{
	const struct catalog *c = snapshot_catalog(s);
	const char *kind = cell->edge ? "edge" : "node";

	f->t = cell->edge ? catalog_edge(c, cell->type) : catalog_node(c, cell->type);
	if (!f->t)
		return err_set(e, ERR_BAD_REQUEST, "unknown %s type '%.*s'", kind, STR_ARG(cell->type));
	f->p = type_prop(f->t, cell->property);
	if (!f->p || f->p->type.scalar != SCALAR_BLOB || f->p->type.list)
		return err_set(e, ERR_BAD_REQUEST, "property '%.*s.%.*s' is not a Blob", STR_ARG(cell->type),
			       STR_ARG(cell->property));
	return snapshot_type_check(s, f->t, e);
}

/* The property of this name may have been another one when the state was made. */
static int check_lifetime(struct branch *b, const struct snapshot *s, const struct where *f, struct err *e)
{
	const struct type *then;
	struct catalog *c;
	const struct prop *p;

	pthread_mutex_lock(&b->lock);
	c = state_catalog(s->st, s->version);
	pthread_mutex_unlock(&b->lock);
	then = c ? catalog_type_by_id(c, f->t->type_id, f->t->incarnation) : NULL;
	p = then ? type_prop(then, f->p->name) : NULL;
	if (!p || p->id == f->p->id || type_prop_by_id(then, f->p->id))
		return 0;
	return err_set(e, ERR_BAD_REQUEST,
		       "Blob property '%.*s.%.*s' belongs to a different property lifetime at the selected target",
		       STR_ARG(f->t->name), STR_ARG(f->p->name));
}

/* What is damaged reads as absent: ask. */
static int check_damage(const struct snapshot *s, struct err *e)
{
	if (!snapshot_damage(s, e))
		return 0;
	err_prefix(e, "blob integrity violation: ");
	if (e)
		e->code = ERR_BLOB_INTEGRITY;
	return -err_errno(ERR_BLOB_INTEGRITY);
}

static int find_row(const struct blob_cell *cell, const struct snapshot *s, struct where *f, struct err *e)
{
	int rc;

	f->row = row_find(s, f->t, cell->id);
	if (f->row != ROW_NONE)
		return 0;
	rc = check_damage(s, e);
	if (rc)
		return rc;
	return err_set(e, ERR_NOT_FOUND, "no %s '%.*s' with id '%.*s' found", type_kind_word(f->t), STR_ARG(f->t->name),
		       STR_ARG(cell->id));
}

/*
 * A row is known by the commit that wrote it: a version, and the branch whose own log has it. So the tag needs no look at the bytes,
 * and is the same wherever the row is seen.
 */
static void make_etag(struct graph *g, const struct blob_cell *cell, const struct snapshot *s, const struct where *f,
		      char out[BLOB_ETAG_MAX])
{
	uint64_t version = row_updated(s, f->t, f->row);
	const struct lineage *l = f->b->lineage;
	char hex[SHA256_HEX_LEN + 1];
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s %s %llu %llu %llu %llu ", g->graph_id, l->step[lineage_owner(l, version)].id,
		(unsigned long long)version, (unsigned long long)f->t->type_id, (unsigned long long)f->t->incarnation,
		(unsigned long long)f->p->id);
	sb_adds(&b, cell->id);
	sha256_hex(b.s, b.n, hex);
	snprintf(out, BLOB_ETAG_MAX, "\"%.32s\"", hex);
	sb_free(&b);
}

static int take_value(struct graph *g, const struct blob_cell *cell, const struct where *f, struct blob *b,
		      struct err *e)
{
	int rc;

	row_get(b->s, f->t, f->row, f->p->index, &b->arena, &b->val);
	rc = check_damage(b->s, e);
	if (rc)
		return rc;
	if (val_is_null(&b->val))
		return err_set(e, ERR_NOT_FOUND, "Blob property '%.*s.%.*s' is null for id '%.*s'", STR_ARG(f->t->name),
			       STR_ARG(f->p->name), STR_ARG(cell->id));
	if (b->val.flags == VAL_BLOB_URI)
		b->uri = str_dup(val_text(&b->val));
	make_etag(g, cell, b->s, f, b->etag);
	return 0;
}

int graph_blob_open(struct graph *g, const struct blob_cell *cell, struct blob **out, struct err *e)
{
	struct blob *b = mem_zalloc(sizeof(*b));
	struct where f = { 0 };
	int rc = find_state(g, cell, &f, &b->s, e);

	if (!rc)
		rc = find_property(cell, b->s, &f, e);
	if (!rc)
		rc = check_lifetime(f.b, b->s, &f, e);
	if (!rc)
		rc = FAILPOINT("blob_read.post_capture", e);
	if (!rc)
		rc = find_row(cell, b->s, &f, e);
	if (!rc)
		rc = take_value(g, cell, &f, b, e);
	if (f.b)
		branch_put(f.b);
	if (rc) {
		blob_close(b);
		return rc;
	}
	*out = b;
	return 0;
}

void blob_close(struct blob *b)
{
	if (!b)
		return;
	snapshot_put(b->s);
	arena_free(&b->arena);
	free(b->uri);
	free(b);
}

/* --- the value ---------------------------------------------------------------------------------------------------------- */

const char *blob_uri(const struct blob *b)
{
	return b->uri;
}

uint64_t blob_length(const struct blob *b)
{
	return b->uri ? 0 : b->val.n;
}

const char *blob_etag(const struct blob *b)
{
	return b->etag;
}

const struct commit_info *blob_commit(const struct blob *b)
{
	return snapshot_commit(b->s);
}

static int bad_range(uint64_t start, uint64_t end, uint64_t length, struct err *e)
{
	int rc = err_set(e, ERR_BLOB_RANGE, "blob range [%llu, %llu) is not satisfiable for a value of length %llu",
			 (unsigned long long)start, (unsigned long long)end, (unsigned long long)length);

	err_detail_u64(e, "start", start);
	err_detail_u64(e, "end", end);
	err_detail_u64(e, "length", length);
	return rc;
}

int blob_read(struct blob *b, uint64_t start, uint64_t end, struct str *out, struct err *e)
{
	int rc;

	if (start > end || end > blob_length(b))
		return bad_range(start, end, blob_length(b), e);
	if (end - start > LIMIT_BLOB_RANGE_BYTES) {
		rc = err_set(e, ERR_RESOURCE_LIMIT,
			     "resource limit exceeded for Blob read range bytes: actual %llu, limit %u",
			     (unsigned long long)(end - start), LIMIT_BLOB_RANGE_BYTES);
		err_detail(e, "resource", "Blob read range bytes");
		err_detail_u64(e, "limit", LIMIT_BLOB_RANGE_BYTES);
		err_detail_u64(e, "actual", end - start);
		return rc;
	}
	*out = blob_bytes(b, start, end);
	return 0;
}

struct str blob_bytes(const struct blob *b, uint64_t start, uint64_t end)
{
	return (struct str){ b->val.s + start, (size_t)(end - start) };
}
