/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/limits.h>

#include "engine/blob/blob_ingest.h"
#include "engine/blob/blob_source.h"

struct cell {
	struct val *v;	 /* of a staged row */
	const char *uri; /* canonical */
	const char *base;
};

struct job {
	struct txn *t;
	const struct blob_ingest *in;
	size_t n, cap;
	struct cell *cells;
	uint64_t uri_bytes;
};

static int too_much(const char *resource, uint64_t actual, uint64_t limit, struct err *e)
{
	int rc = err_set(e, ERR_RESOURCE_LIMIT, "resource limit exceeded for %s: actual %llu, limit %llu", resource,
			 (unsigned long long)actual, (unsigned long long)limit);

	err_detail(e, "resource", resource);
	err_detail_u64(e, "limit", limit);
	err_detail_u64(e, "actual", actual);
	return rc;
}

/* --- which, and whether they may ---------------------------------------------------------------------------------------- */

/* The base that a canonical URI lies strictly below, or NULL. */
static const char *base_of(const struct blob_policy *p, const char *uri)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t n = strlen(p->bases[i].uri);

		if (!strncmp(uri, p->bases[i].uri, n) && uri[n])
			return p->bases[i].uri;
	}
	return NULL;
}

static int add_cell(struct job *j, const struct val *v, struct err *e)
{
	struct strbuf canonical = STRBUF_INIT;
	struct cell c = { .v = (struct val *)(uintptr_t)v }; /* a staged image belongs to the transaction */
	const char *why;
	bool well_formed = blob_uri_canonical(val_text(v), &canonical, &why);
	int rc = 0;

	/* what is malformed may hold a password */
	c.uri = well_formed ? arena_str(j->in->arena, sb_str(&canonical)).s : "<redacted>";
	c.base = well_formed && j->in->policy ? base_of(j->in->policy, c.uri) : NULL;
	if (!j->in->policy || !j->in->policy->n)
		rc = blob_refused(c.uri, "new external Blob URI ingress is denied for this graph", e);
	else if (!c.base)
		rc = blob_refused(c.uri, well_formed ? "URI is outside every configured external Blob base" : why, e);
	sb_free(&canonical);
	if (rc)
		return rc;
	MEM_GROW(j->cells, j->n, j->cap);
	j->cells[j->n++] = c;
	j->uri_bytes += strlen(c.uri);
	if (j->n > LIMIT_BLOB_URI_CELLS)
		return too_much("external Blob reference cells", j->n, LIMIT_BLOB_URI_CELLS, e);
	if (j->uri_bytes > LIMIT_BLOB_URI_TOTAL_BYTES)
		return too_much("external Blob URI metadata bytes", j->uri_bytes, LIMIT_BLOB_URI_TOTAL_BYTES, e);
	return 0;
}

static bool is_new_uri(const struct job *j, const struct val *v)
{
	return v->kind == VAL_BLOB && v->flags == VAL_BLOB_URI && (!j->in->is_new || j->in->is_new(j->in->arg, v));
}

static int collect_row(struct job *j, const struct type *ty, const struct row_image *row, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < ty->n_props; i++) {
		const struct val *v = &row->vals[i];

		if (is_new_uri(j, v))
			rc = add_cell(j, v, e);
	}
	return rc;
}

static bool has_new_uri(const struct job *j, const struct type *ty, const struct row_image *row)
{
	for (uint32_t i = 0; i < ty->n_props; i++)
		if (is_new_uri(j, &row->vals[i]))
			return true;
	return false;
}

static bool has_blobs(const struct type *ty)
{
	for (uint32_t i = 0; i < ty->n_props; i++)
		if (ty->props[i].type.scalar == SCALAR_BLOB)
			return true;
	return false;
}

/* A row that is read from a spool cannot be changed: stage a copy, which the iteration meets again behind the spool. */
static int own_row(struct job *j, const struct type *ty, const struct row_image *row, struct err *e)
{
	struct arena *a = j->in->arena;
	struct val *vals = arena_array(a, struct val, ty->n_props + 1);
	struct row_image copy = { arena_str(a, row->id), arena_str(a, row->src), arena_str(a, row->dst), vals };

	for (uint32_t i = 0; i < ty->n_props; i++)
		vals[i] = val_copy(a, &row->vals[i]);
	return txn_put(j->t, ty, &copy, e);
}

static int collect_type(struct job *j, const struct type *ty, struct err *e)
{
	const struct row_image *row;
	struct txn_iter it;
	int rc = 0;

	txn_iter_init(&it, j->t, ty);
	for (enum staged_kind k; !rc && (k = txn_iter_next(&it, NULL, &row)) != STAGED_NONE;) {
		if (k != STAGED_PUT || !has_new_uri(j, ty, row))
			continue;
		rc = it.spooled ? own_row(j, ty, row, e) : collect_row(j, ty, row, e);
	}
	return rc;
}

static int collect(struct job *j, struct err *e)
{
	const struct catalog *c = snapshot_catalog(txn_base(j->t));
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->n_types; i++) {
		if (has_blobs(&c->types[i]))
			rc = collect_type(j, &c->types[i], e);
	}
	return rc;
}

/* --- sources ------------------------------------------------------------------------------------------------------------ */

static int by_uri(const void *a, const void *b)
{
	return strcmp(((const struct cell *)a)->uri, ((const struct cell *)b)->uri);
}

/* Cells of one URI lie together: the first of each run stands for its source. */
static size_t run_end(const struct job *j, size_t i)
{
	size_t end = i + 1;

	while (end < j->n && !strcmp(j->cells[end].uri, j->cells[i].uri))
		end++;
	return end;
}

static int probe_all(struct job *j, struct blob_source *sources, struct err *e)
{
	uint64_t total = 0;
	size_t k = 0;

	for (size_t i = 0; i < j->n; i = run_end(j, i), k++) {
		int rc = blob_source_probe(&sources[k], j->cells[i].uri, j->cells[i].base, e);

		if (rc)
			return rc;
		if (!j->in->keep && sources[k].size > LIMIT_BLOB_SOURCE_BYTES)
			return too_much("external Blob object bytes", sources[k].size, LIMIT_BLOB_SOURCE_BYTES, e);
		total += sources[k].size;
		if (!j->in->keep && total > LIMIT_BLOB_SOURCE_BYTES)
			return too_much("materialized external blob payload bytes", total, LIMIT_BLOB_SOURCE_BYTES, e);
	}
	return 0;
}

static void set_cells(struct job *j, size_t from, size_t to, struct val v)
{
	for (size_t i = from; i < to; i++)
		*j->cells[i].v = v;
}

static int fetch_one(struct job *j, struct blob_source *s, size_t from, size_t to, struct err *e)
{
	struct strbuf bytes = STRBUF_INIT;
	int rc = blob_source_read(s, &bytes, e);
	struct val v = { .kind = VAL_BLOB, .flags = VAL_BLOB_INLINE, .n = (uint32_t)bytes.n };

	if (!rc) {
		v.s = arena_memdup(j->in->arena, bytes.s ? bytes.s : "", bytes.n);
		set_cells(j, from, to, v);
	}
	sb_free(&bytes);
	return rc;
}

static int replace_all(struct job *j, struct blob_source *sources, struct err *e)
{
	size_t k = 0;
	int rc = 0;

	for (size_t i = 0, end; !rc && i < j->n; i = end, k++) {
		const char *uri = j->cells[i].uri;

		end = run_end(j, i);
		if (j->in->keep)
			set_cells(j, i, end,
				  (struct val){ .kind = VAL_BLOB,
						.flags = VAL_BLOB_URI,
						.n = (uint32_t)strlen(uri),
						.s = uri });
		else
			rc = fetch_one(j, &sources[k], i, end, e);
	}
	return rc;
}

int blob_ingest(struct txn *t, const struct blob_ingest *in, struct err *e)
{
	struct job j = { .t = t, .in = in };
	struct blob_source *sources = NULL;
	int rc = collect(&j, e);

	if (!rc && j.n) {
		qsort(j.cells, j.n, sizeof(*j.cells), by_uri);
		sources = mem_calloc(j.n, sizeof(*sources));
		rc = probe_all(&j, sources, e);
		if (!rc)
			rc = replace_all(&j, sources, e);
		for (size_t i = 0; i < j.n; i++)
			blob_source_close(&sources[i]);
	}
	free(sources);
	free(j.cells);
	return rc;
}
