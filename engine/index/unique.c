/* SPDX-License-Identifier: MIT */
#include "engine/index/unique.h"

#include <omnigraph/mem.h>

#include "engine/store/derived.h"

#include <errno.h>

struct str tuple_member_name(const struct type *t, uint32_t member)
{
	if (member == TUPLE_SRC)
		return STR("src");
	if (member == TUPLE_DST)
		return STR("dst");
	return t->props[member].name;
}

struct val tuple_member_value(const struct row_image *row, uint32_t member)
{
	if (member == TUPLE_SRC)
		return val_str(row->src);
	if (member == TUPLE_DST)
		return val_str(row->dst);
	return row->vals[member];
}

static int add_part(struct strbuf *out, const struct val *v, struct err *e)
{
	struct strbuf part = STRBUF_INIT;
	int rc = val_key_text(v, &part, e);

	if (!rc) {
		sb_addf(out, "%zu:", part.n);
		sb_adds(out, sb_str(&part));
	}
	sb_free(&part);
	return rc;
}

int tuple_key(const struct type *t, const struct tuple *u, const struct row_image *row, struct strbuf *out,
	      bool *exempt, struct err *e)
{
	int rc = 0;

	*exempt = false;
	for (uint32_t i = 0; i < u->n; i++) {
		struct val v = tuple_member_value(row, u->members[i]);

		if (val_is_null(&v)) {
			*exempt = true;
			return 0;
		}
	}
	for (uint32_t i = 0; !rc && i < u->n; i++) {
		struct val v = tuple_member_value(row, u->members[i]);

		rc = add_part(out, &v, e);
	}
	return rc;
}

/* The tuple's key of a stored row; exempt rows give an empty key, which no tuple has. */
static void stored_key(struct snapshot *s, const struct type *t, const struct tuple *u, rowref r, struct arena *a,
		       struct strbuf *out)
{
	sb_reset(out);
	for (uint32_t i = 0; i < u->n; i++) {
		struct val v;

		if (u->members[i] == TUPLE_SRC)
			v = val_str(row_src(s, t, r));
		else if (u->members[i] == TUPLE_DST)
			v = val_str(row_dst(s, t, r));
		else
			row_get(s, t, r, u->members[i], a, &v);
		if (val_is_null(&v) || add_part(out, &v, NULL)) {
			sb_reset(out);
			return;
		}
	}
}

struct find {
	struct snapshot *s;
	const struct type *t;
	const struct tuple *u;
	struct arena scratch;
	int (*fn)(void *arg, struct str id);
	void *arg;
};

static bool index_key(const struct snapshot *s, const struct type *t, rowref r, void *arg, struct strbuf *out)
{
	struct find *f = arg;

	arena_reset(&f->scratch);
	stored_key((struct snapshot *)s, t, f->u, r, &f->scratch, out);
	return out->n > 0;
}

static int on_row(void *arg, rowref r)
{
	struct find *f = arg;

	return f->fn(f->arg, row_id(f->s, f->t, r));
}

/* Named by the identities of the members, in the order the key spells them. */
static uint64_t unique_index_id(const struct type *t, const struct tuple *u)
{
	uint64_t *ids = mem_calloc(u->n + 1, sizeof(*ids)), id;

	for (uint32_t i = 0; i < u->n; i++)
		ids[i] = u->members[i] < t->n_props ? t->props[u->members[i]].id
						    : UINT64_MAX - UINT32_MAX + u->members[i];
	id = derived_id("unique", ids, u->n);
	free(ids);
	return id;
}

int unique_find(struct snapshot *s, const struct type *t, uint32_t which, struct str key,
		int (*fn)(void *arg, struct str id), void *arg, struct err *e)
{
	struct find f = { .s = s, .t = t, .u = &t->uniques[which], .fn = fn, .arg = arg };
	int rc = derived_find(s, t, unique_index_id(t, f.u), index_key, &f, key, on_row, &f, e);

	arena_free(&f.scratch);
	return rc;
}
