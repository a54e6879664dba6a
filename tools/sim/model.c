/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omnigraph/mem.h>

#include "model.h"

static const char *const kind_names[N_KINDS] = { "Knows", "Lives", "City", "Person", "Tag" };
static const char *const op_names[N_OPS] = { "load",	   "update",  "delete", "read",	       "feed",	"optimize",
					     "checkpoint", "cleanup", "branch", "drop branch", "merge", "schema" };

const char *kind_name(enum kind k)
{
	return kind_names[k];
}

const char *op_name(enum op_kind k)
{
	return op_names[k];
}

/* --- branches and commits -------------------------------------------------------------------------- */

void mstate_free(struct mstate *s)
{
	free(s->rows);
	*s = (struct mstate){ .rows = NULL };
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->n_commits; i++) {
		commit_info_clear(&m->commits[i].ci);
		mstate_free(&m->commits[i].state);
	}
	for (size_t i = 0; i < m->n_branches; i++)
		free(m->branches[i].chain);
	free(m->commits);
	free(m->branches);
	*m = (struct model){ .commits = NULL };
}

struct mbranch *model_branch(struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_branches; i++) {
		if (!strcmp(m->branches[i].name, name))
			return &m->branches[i];
	}
	return NULL;
}

static void chain_add(struct mbranch *b, uint32_t commit)
{
	MEM_GROW(b->chain, b->n, b->cap);
	b->chain[b->n++] = commit;
}

struct mbranch *model_add_branch(struct model *m, const char *name, const char *from, const uint32_t *chain, size_t n)
{
	struct mbranch b = { .n = 0 };

	snprintf(b.name, sizeof(b.name), "%s", name);
	snprintf(b.from, sizeof(b.from), "%s", from);
	for (size_t i = 0; i < n; i++)
		chain_add(&b, chain[i]);
	MEM_GROW(m->branches, m->n_branches, m->cap_branches);
	m->branches[m->n_branches] = b;
	return &m->branches[m->n_branches++];
}

void model_drop_branch(struct model *m, const char *name)
{
	struct mbranch *b = model_branch(m, name);

	free(b->chain);
	memmove(b, b + 1, (size_t)(m->branches + m->n_branches - b - 1) * sizeof(*b));
	m->n_branches--;
}

struct mcommit *model_head(struct model *m, const struct mbranch *b)
{
	return &m->commits[b->chain[b->n - 1]];
}

const struct mschema *model_schema(struct model *m)
{
	return &model_head(m, &m->branches[0])->state.schema;
}

const struct mcommit *model_find(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->n_commits; i++) {
		if (!strcmp(m->commits[i].ci.id, id))
			return &m->commits[i];
	}
	return NULL;
}

void model_commit(struct model *m, struct mbranch *b, const struct commit_info *ci, struct mstate *state, uint32_t op)
{
	struct mcommit *c;

	MEM_GROW(m->commits, m->n_commits, m->cap_commits);
	c = &m->commits[m->n_commits];
	*c = (struct mcommit){ .state = *state, .op = op };
	commit_info_copy(&c->ci, ci);
	*state = (struct mstate){ .rows = NULL };
	chain_add(b, (uint32_t)m->n_commits++);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static int row_cmp(const struct mrow *a, enum kind kind, const char *id)
{
	return a->kind != kind ? (int)a->kind - (int)kind : strcmp(a->id, id);
}

static size_t lower_bound(const struct mstate *s, enum kind kind, const char *id)
{
	size_t i = 0;

	while (i < s->n && row_cmp(&s->rows[i], kind, id) < 0)
		i++;
	return i;
}

const struct mrow *mstate_find(const struct mstate *s, enum kind kind, const char *id)
{
	size_t i = lower_bound(s, kind, id);

	return i < s->n && !row_cmp(&s->rows[i], kind, id) ? &s->rows[i] : NULL;
}

/* Every state has room for the rows of one operation more. */
static struct mstate copy_of(const struct mstate *s, size_t more)
{
	struct mstate c = *s;

	c.rows = mem_calloc(s->n + more + 1, sizeof(*c.rows));
	if (s->n)
		memcpy(c.rows, s->rows, s->n * sizeof(*c.rows));
	return c;
}

static void put(struct mstate *s, const struct mrow *r)
{
	size_t i = lower_bound(s, r->kind, r->id);

	if (i == s->n || row_cmp(&s->rows[i], r->kind, r->id)) {
		memmove(&s->rows[i + 1], &s->rows[i], (s->n - i) * sizeof(*s->rows));
		s->n++;
	}
	s->rows[i] = *r;
}

static void remove_if(struct mstate *s, bool (*gone)(const struct mrow *r, const void *arg), const void *arg)
{
	size_t k = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!gone(&s->rows[i], arg))
			s->rows[k++] = s->rows[i];
	}
	s->n = k;
}

enum feature feature_of(enum kind k)
{
	static const enum feature f[N_KINDS] = { KNOWS_NOTE, N_FEATURES, CITY_POP, PERSON_RANK, TYPE_TAG };

	return f[k];
}

static uint32_t incarnation_of(const struct mschema *s, enum kind k)
{
	return feature_of(k) == N_FEATURES ? 0 : s->incarnation[feature_of(k)];
}

/* The optional property as it reads under @schema; 0: null. */
static int extra_under(const struct mrow *r, const struct mschema *schema)
{
	return r->kind != TAG && r->incarnation && r->incarnation == incarnation_of(schema, r->kind) ? r->extra : 0;
}

static bool row_same(const struct mrow *a, const struct mrow *b, const struct mschema *schema)
{
	return a->fixed == b->fixed && extra_under(a, schema) == extra_under(b, schema) && !strcmp(a->src, b->src) &&
	       !strcmp(a->dst, b->dst);
}

bool mstate_same(const struct mstate *a, const struct mstate *b)
{
	if (a->n != b->n || memcmp(&a->schema, &b->schema, sizeof(a->schema)) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (row_cmp(&a->rows[i], b->rows[i].kind, b->rows[i].id) ||
		    !row_same(&a->rows[i], &b->rows[i], &a->schema))
			return false;
	}
	return true;
}

/* --- writes ----------------------------------------------------------------------------------------- */

static bool endpoints_exist(const struct mstate *s)
{
	for (size_t i = 0; i < s->n && s->rows[i].kind <= LIVES; i++) {
		const struct mrow *r = &s->rows[i];

		if (!mstate_find(s, PERSON, r->src) || !mstate_find(s, r->kind == LIVES ? CITY : PERSON, r->dst))
			return false;
	}
	return true;
}

static bool is_of_kind(const struct mrow *r, const void *kind)
{
	return r->kind == *(const enum kind *)kind;
}

static bool is_at(const struct mrow *r, const void *node)
{
	const struct mrow *n = node;

	if (r->kind == n->kind && !strcmp(r->id, n->id))
		return true;
	return (n->kind == PERSON &&
		((r->kind <= LIVES && !strcmp(r->src, n->id)) || (r->kind == KNOWS && !strcmp(r->dst, n->id)))) ||
	       (n->kind == CITY && r->kind == LIVES && !strcmp(r->dst, n->id));
}

static bool comes_from(const struct mrow *r, const void *edge)
{
	const struct mrow *e = edge;

	return r->kind == e->kind && !strcmp(r->src, e->src);
}

/* A row as it was made up for one schema, under another; false: that one does not have what the row names. */
static bool row_under(struct mrow *r, const struct mschema *made_for, const struct mschema *now)
{
	uint32_t was = incarnation_of(made_for, r->kind), is = incarnation_of(now, r->kind);

	if (was == is)
		return true;
	r->incarnation = is;
	return !was;
}

static enum effect apply_load(const struct mstate *base, const struct op *o, struct mstate *out)
{
	*out = copy_of(base, o->n_rows);
	for (size_t i = 0; i < o->n_rows && o->mode == LOAD_OVERWRITE; i++)
		remove_if(out, is_of_kind, &o->rows[i].kind);
	for (size_t i = 0; i < o->n_rows; i++) {
		struct mrow r = o->rows[i];

		if (!row_under(&r, &o->schema, &base->schema) ||
		    (o->mode == LOAD_APPEND && mstate_find(base, r.kind, r.id)))
			return EFFECT_REFUSED;
		put(out, &r);
	}
	return endpoints_exist(out) ? EFFECT_COMMIT : EFFECT_REFUSED;
}

static enum effect apply_update(const struct mstate *base, const struct op *o, struct mstate *out)
{
	const struct mrow *r = mstate_find(base, o->rows[0].kind, o->rows[0].id);
	struct mrow next;

	if (!r)
		return EFFECT_NONE;
	next = *r;
	next.fixed = o->rows[0].fixed;
	*out = copy_of(base, 0);
	put(out, &next);
	return EFFECT_COMMIT;
}

static enum effect apply_delete(const struct mstate *base, const struct op *o, struct mstate *out)
{
	*out = copy_of(base, 0);
	remove_if(out, o->rows[0].kind <= LIVES ? comes_from : is_at, &o->rows[0]);
	return out->n == base->n ? EFFECT_NONE : EFFECT_COMMIT;
}

static bool is_tag_of_other(const struct mrow *r, const void *schema)
{
	return r->kind == TAG && r->incarnation != incarnation_of(schema, TAG);
}

static enum effect apply_schema(const struct mstate *base, const struct op *o, struct mstate *out)
{
	if (!memcmp(&base->schema, &o->schema, sizeof(o->schema)))
		return EFFECT_NONE;
	*out = copy_of(base, 0);
	out->schema = o->schema;
	remove_if(out, is_tag_of_other, &out->schema);
	return EFFECT_COMMIT;
}

enum effect model_apply(const struct mstate *base, const struct op *o, struct mstate *out)
{
	enum effect f;

	*out = (struct mstate){ .rows = NULL };
	switch (o->kind) {
	case OP_LOAD:
		f = apply_load(base, o, out);
		break;
	case OP_UPDATE:
		f = apply_update(base, o, out);
		break;
	case OP_DELETE:
		f = apply_delete(base, o, out);
		break;
	default:
		f = apply_schema(base, o, out);
	}
	if (f != EFFECT_COMMIT)
		mstate_free(out);
	return f;
}

/* --- merge (spec/engine.md 11) ------------------------------------------------------------------------ */

#define UNREACHED UINT32_MAX

/* A commit that only a deleted branch had ends its path. */
static bool is_live(const struct model *m, size_t commit)
{
	for (size_t i = 0; i < m->n_branches; i++) {
		for (size_t k = 0; k < m->branches[i].n; k++) {
			if (m->branches[i].chain[k] == commit)
				return true;
		}
	}
	return false;
}

static void measure(const struct model *m, const char *id, uint32_t d, uint32_t *distance)
{
	const struct mcommit *c = id[0] ? model_find(m, id) : NULL;

	if (!c || distance[c - m->commits] <= d || !is_live(m, (size_t)(c - m->commits)))
		return;
	distance[c - m->commits] = d;
	measure(m, c->ci.parent, d + 1, distance);
	measure(m, c->ci.merged_parent, d + 1, distance);
}

static bool better(const struct mcommit *a, uint64_t da, const struct mcommit *b, uint64_t db)
{
	if (!b || da != db)
		return !b || da < db;
	return a->ci.version != b->ci.version ? a->ci.version > b->ci.version : strcmp(a->ci.id, b->ci.id) > 0;
}

/* Those that lie below another common ancestor are not reached any more. */
static void forget_below(const struct model *m, uint32_t *ds, const uint32_t *dt)
{
	bool *below = mem_calloc(m->n_commits, sizeof(*below));

	for (size_t i = 0; i < m->n_commits; i++) {
		const struct commit_info *ci = &m->commits[i].ci;
		const char *parents[2] = { ci->parent, ci->merged_parent };

		for (int k = 0; ds[i] != UNREACHED && dt[i] != UNREACHED && k < 2; k++) {
			const struct mcommit *p = parents[k][0] ? model_find(m, parents[k]) : NULL;

			if (p)
				below[p - m->commits] = true;
		}
	}
	for (size_t i = 0; i < m->n_commits; i++) {
		if (below[i])
			ds[i] = UNREACHED;
	}
	free(below);
}

const struct mcommit *model_merge_base(const struct model *m, const struct mcommit *s, const struct mcommit *t)
{
	uint32_t *ds = mem_alloc(m->n_commits * sizeof(*ds)), *dt = mem_alloc(m->n_commits * sizeof(*dt));
	const struct mcommit *best = NULL;
	uint64_t least = 0;

	memset(ds, 0xff, m->n_commits * sizeof(*ds));
	memset(dt, 0xff, m->n_commits * sizeof(*dt));
	measure(m, s->ci.id, 0, ds);
	measure(m, t->ci.id, 0, dt);
	forget_below(m, ds, dt);
	for (size_t i = 0; i < m->n_commits; i++) {
		uint64_t d = (uint64_t)ds[i] + dt[i];

		if (ds[i] == UNREACHED || dt[i] == UNREACHED || !better(&m->commits[i], d, best, least))
			continue;
		best = &m->commits[i];
		least = d;
	}
	free(ds);
	free(dt);
	return best;
}

static bool same_or_absent(const struct mrow *a, const struct mrow *b, const struct mschema *schema)
{
	return a && b ? row_same(a, b, schema) : a == b;
}

/* Row rule of 11.2. False: a conflict. */
static bool merge_row(const struct mrow *b, const struct mrow *s, const struct mrow *t, const struct mschema *schema,
		      const struct mrow **out)
{
	*out = t;
	if (same_or_absent(s, b, schema) || same_or_absent(s, t, schema))
		return true;
	*out = s;
	return same_or_absent(t, b, schema);
}

static bool merge_rows(const struct mstate *b, const struct mstate *s, const struct mstate *t, struct mstate *out)
{
	const struct mstate *all[3] = { b, s, t };

	for (int i = 0; i < 3; i++) {
		for (size_t k = 0; k < all[i]->n; k++) {
			const struct mrow *r = &all[i]->rows[k], *keep;

			if (!merge_row(mstate_find(b, r->kind, r->id), mstate_find(s, r->kind, r->id),
				       mstate_find(t, r->kind, r->id), &t->schema, &keep))
				return false;
			if (keep)
				put(out, keep);
		}
	}
	return endpoints_exist(out);
}

enum effect model_merge(const struct model *m, const struct mcommit *source, const struct mcommit *target,
			enum merge_outcome *outcome, struct mstate *out)
{
	const struct mcommit *base = model_merge_base(m, source, target);
	bool ok;

	*out = (struct mstate){ .rows = NULL };
	if (source == target || base == source) {
		*outcome = MERGE_UP_TO_DATE;
		return EFFECT_NONE;
	}
	*outcome = base == target ? MERGE_FAST_FORWARD : MERGE_MERGED;
	*out = (struct mstate){ .schema = target->state.schema };
	out->rows = mem_calloc(source->state.n + target->state.n + 1, sizeof(*out->rows));
	ok = base && merge_rows(&base->state, &source->state, &target->state, out);
	if (!ok)
		mstate_free(out);
	return ok ? EFFECT_COMMIT : EFFECT_REFUSED;
}

/* --- texts ------------------------------------------------------------------------------------------- */

static void add_value(struct strbuf *out, const char *name, int v)
{
	if (v)
		sb_addf(out, ",\"%s\":%d", name, v);
	else
		sb_addf(out, ",\"%s\":null", name);
}

/* Each property with a comma before it, ascending by name. */
static void add_properties(const struct mrow *r, const struct mschema *schema, struct strbuf *out)
{
	bool extra = incarnation_of(schema, r->kind) && r->kind != TAG;

	if (r->kind == PERSON)
		add_value(out, "age", r->fixed);
	if (r->kind == KNOWS && extra)
		add_value(out, "note", extra_under(r, schema));
	if (r->kind == KNOWS)
		add_value(out, "since", r->fixed);
	if (r->kind >= CITY)
		sb_addf(out, ",\"name\":\"%s\"", r->id);
	if (r->kind == TAG)
		add_value(out, "w", r->fixed);
	if (r->kind > LIVES && extra)
		add_value(out, r->kind == PERSON ? "rank" : "pop", extra_under(r, schema));
}

static void export_row(const struct mrow *r, const struct mschema *schema, struct strbuf *out)
{
	if (r->kind <= LIVES)
		sb_addf(out, "{\"edge\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"data\":{\"id\":\"%s\"",
			kind_name(r->kind), r->src, r->dst, r->id);
	else
		sb_addf(out, "{\"type\":\"%s\",\"data\":{\"id\":\"%s\"", kind_name(r->kind), r->id);
	add_properties(r, schema, out);
	sb_addf(out, "}}\n");
}

bool has_tags(const struct mstate *s, const struct mschema *schema)
{
	return s->schema.incarnation[TYPE_TAG] == schema->incarnation[TYPE_TAG];
}

void mstate_export(const struct mstate *s, const struct mschema *schema, struct strbuf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->rows[i].kind != TAG || (has_tags(s, schema) && schema->incarnation[TYPE_TAG]))
			export_row(&s->rows[i], schema, out);
	}
}

/* --- changes (spec/engine.md 13.1) --------------------------------------------------------------------- */

static void add_image(struct strbuf *out, const char *name, const struct mrow *r, const struct mschema *schema)
{
	struct strbuf p = STRBUF_INIT;

	if (!r)
		return;
	add_properties(r, schema, &p);
	sb_addf(out, ",\"%s\":{\"properties\":{%s}", name, p.n ? p.s + 1 : "");
	if (r->kind <= LIVES)
		sb_addf(out, ",\"endpoints\":{\"from\":\"%s\",\"to\":\"%s\"}", r->src, r->dst);
	sb_addz(out, "}");
	sb_free(&p);
}

static void add_change(struct strbuf *out, const struct mstate *before, const struct mstate *after,
		       const struct mrow *was, const struct mrow *is)
{
	const struct mrow *r = is ? is : was;

	if (was && is && row_same(was, is, &after->schema))
		return;
	sb_addf(out, "{\"kind\":\"%s\",\"type\":\"%s\",\"id\":\"%s\",\"op\":\"%s\"", r->kind <= LIVES ? "edge" : "node",
		kind_name(r->kind), r->id,
		!was  ? "insert"
		: !is ? "delete"
		      : "update");
	add_image(out, "before", was, &before->schema);
	add_image(out, "after", is, &after->schema);
	sb_addz(out, "}\n");
}

void mstate_changes(const struct mstate *before, const struct mstate *after, struct strbuf *out)
{
	size_t i = 0, k = 0;

	while (i < before->n || k < after->n) {
		const struct mrow *was = i < before->n ? &before->rows[i] : NULL;
		const struct mrow *is = k < after->n ? &after->rows[k] : NULL;
		int order = !was ? 1 : !is ? -1 : row_cmp(was, is->kind, is->id);

		add_change(out, before, after, order <= 0 ? was : NULL, order >= 0 ? is : NULL);
		i += order <= 0;
		k += order >= 0;
	}
}

static bool holds(const struct mstate *s, enum kind k)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->rows[i].kind == k)
			return true;
	}
	return false;
}

bool mstate_boundary(const struct mstate *before, const struct mstate *after)
{
	for (enum kind k = 0; k < N_KINDS; k++) {
		if (incarnation_of(&before->schema, k) != incarnation_of(&after->schema, k) &&
		    (holds(before, k) || holds(after, k)))
			return true;
	}
	return false;
}

/* --- schemas and loads ---------------------------------------------------------------------------------- */

void schema_text(const struct mschema *s, struct strbuf *out)
{
	sb_addf(out, "node Person {\n  name: String @key\n  age: I32?\n%s}\n",
		s->incarnation[PERSON_RANK] ? "  rank: I32?\n" : "");
	sb_addf(out, "node City {\n  name: String @key\n%s}\n", s->incarnation[CITY_POP] ? "  pop: I32?\n" : "");
	if (s->incarnation[TYPE_TAG])
		sb_addf(out, "node Tag {\n  name: String @key\n  w: I32?\n}\n");
	sb_addf(out, "edge Knows: Person -> Person {\n  since: I32?\n%s}\n",
		s->incarnation[KNOWS_NOTE] ? "  note: I32?\n" : "");
	sb_addf(out, "edge Lives: Person -> City\n");
}

void rows_ndjson(const struct op *o, struct strbuf *out)
{
	for (size_t i = 0; i < o->n_rows; i++)
		export_row(&o->rows[i], &o->schema, out);
}
