/* SPDX-License-Identifier: MIT */
#include "graph_priv.h"
#include "state.h"

/* --- lifetime -------------------------------------------------------------------------------------- */

struct state *state_new(struct graph *g)
{
	struct state *st = mem_zalloc(sizeof(*st));

	ref_init(&st->ref);
	st->g = g;
	return st;
}

struct state *state_get(struct state *st)
{
	ref_get(&st->ref);
	return st;
}

void state_put(struct state *st)
{
	if (!st || !ref_put(&st->ref))
		return;
	for (uint32_t i = 0; i < st->n_tables; i++)
		table_free(st->tables[i]);
	free(st->tables);
	free(st->nodes);
	commit_info_clear(&st->base);
	arena_free(&st->arena);
	free(st);
}

struct table *state_table(struct state *st, uint64_t type_id, uint64_t incarnation)
{
	for (uint32_t i = 0; i < st->n_tables; i++) {
		struct table *t = st->tables[i];

		if (t->type_id == type_id && t->incarnation == incarnation)
			return t;
	}
	return NULL;
}

struct table *state_add_table(struct state *st, uint64_t type_id, uint64_t incarnation, bool edge)
{
	struct table *t = arena_new(&st->arena, struct table);

	table_init(t, &st->g->segs, &st->arena, type_id, incarnation, edge);
	t->index = st->n_tables;
	MEM_GROW(st->tables, st->n_tables, st->cap_tables);
	st->tables[st->n_tables++] = t;
	return t;
}

struct binding *binding_new(struct state *st, struct catalog *cat)
{
	struct binding *b = mem_zalloc(sizeof(*b) + cat->n_types * sizeof(b->tables[0]));

	ref_init(&b->ref);
	b->cat = catalog_get(cat);
	for (uint32_t i = 0; i < cat->n_types; i++)
		b->tables[i] = state_table(st, cat->types[i].type_id, cat->types[i].incarnation);
	return b;
}

static struct binding *binding_get(struct binding *b)
{
	ref_get(&b->ref);
	return b;
}

void binding_put(struct binding *b)
{
	if (!b || !ref_put(&b->ref))
		return;
	catalog_put(b->cat);
	free(b);
}

/* --- snapshots ------------------------------------------------------------------------------------- */

struct snapshot *snapshot_new(struct state *st, struct binding *bind, const struct commit_info *ci, uint32_t n)
{
	struct snapshot *s = mem_zalloc(sizeof(*s) + n * sizeof(s->metas[0]));

	ref_init(&s->ref);
	s->st = state_get(st);
	s->bind = binding_get(bind);
	commit_info_copy(&s->ci, ci);
	s->version = ci->version;
	s->n_metas = n;
	return s;
}

struct snapshot *snapshot_get(struct snapshot *s)
{
	ref_get(&s->ref);
	return s;
}

void snapshot_put(struct snapshot *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	commit_info_clear(&s->ci);
	binding_put(s->bind);
	state_put(s->st);
	free(s->hidden);
	free(s);
}

/* Under the branch's lock: nodes may grow otherwise. */
struct snapshot *state_at(struct state *st, uint64_t version, struct binding *bind)
{
	const struct commit_info *ci = &st->base;
	struct snapshot *s;
	size_t n = 0;

	if (version < st->base.version)
		return NULL;
	while (n < st->n_nodes && st->nodes[n]->ci.version <= version)
		ci = &st->nodes[n++]->ci;
	if (ci->version != version)
		return NULL;
	s = snapshot_new(st, bind, ci, st->n_tables);
	memcpy(s->metas, st->base_metas, st->n_base * sizeof(s->metas[0]));
	s->seq = n ? st->nodes[n - 1]->seq : st->base_seq;
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < st->nodes[i]->n; k++)
			s->metas[st->nodes[i]->delta[k].table] = st->nodes[i]->delta[k].meta;
	}
	return s;
}

const struct commit_node *state_node(const struct state *st, uint64_t version)
{
	/* versions of a chain are consecutive */
	return version > st->base.version && version - st->base.version <= st->n_nodes
		       ? st->nodes[version - st->base.version - 1]
		       : NULL;
}

struct catalog *state_catalog(const struct state *st, uint64_t version)
{
	for (const struct commit_node *n; (n = state_node(st, version)); version--)
		if (n->cat)
			return n->cat;
	return st->base_cat;
}

struct snapshot *state_after(const struct snapshot *before, const struct commit_node *node, struct catalog *cat)
{
	struct binding *bind = cat == before->bind->cat ? binding_get(before->bind) : binding_new(before->st, cat);
	struct snapshot *s = snapshot_new(before->st, bind, &node->ci, before->st->n_tables);

	binding_put(bind);
	memcpy(s->metas, before->metas, before->n_metas * sizeof(s->metas[0]));
	s->seq = node->seq;
	for (uint32_t k = 0; k < node->n; k++)
		s->metas[node->delta[k].table] = node->delta[k].meta;
	return s;
}

int snapshot_damage(const struct snapshot *s, struct err *e)
{
	if (!atomic_load_explicit(&s->st->g->segs.damaged, memory_order_relaxed))
		return 0;
	for (uint32_t i = 0; i < s->bind->cat->n_types; i++) {
		int rc = s->bind->tables[i] ? table_damage(s->bind->tables[i], e) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int snapshot_segments(const struct snapshot *s, segment_fn fn, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->bind->cat->n_types; i++) {
		const struct table *t = s->bind->tables[i];

		for (uint32_t k = 0; t && k < table_n_runs(t) && !rc; k++)
			rc = fn(t, table_run(t, k)->seg, e);
	}
	return rc;
}

static int relax(const struct table *t, struct seg *seg, struct err *e)
{
	store_map_relax(seg->cache->store, &seg->map);
	return 0;
}

void snapshot_relax(const struct snapshot *s)
{
	snapshot_segments(s, relax, NULL);
}

/* --- applying -------------------------------------------------------------------------------------- */

struct apply {
	struct state *st;
	const struct rec_commit *c;
	struct snapshot *next;
	const char *label;
	struct journal *j;
};

/* One table being changed by one commit. */
struct change {
	struct apply *ap;
	struct table *t;
	struct tmeta *meta;
	uint64_t old_trunc;
	const struct layout *layout;
};

static struct view view_before(const struct change *ch)
{
	return (struct view){ ch->ap->c->version, ch->old_trunc };
}

static struct view view_now(const struct change *ch)
{
	return (struct view){ ch->ap->c->version, ch->meta->trunc };
}

static void journal_end(struct journal *j, struct table *t, rowref r)
{
	MEM_GROW(j->ends, j->n_ends, j->cap_ends);
	j->ends[j->n_ends++] = (struct journal_end){ t, r };
}

static void end_row(struct change *ch, rowref r)
{
	table_end_row(ch->t, r, ch->ap->c->version);
	journal_end(ch->ap->j, ch->t, r);
	ch->meta->count--;
}

static const struct drow_data *decode_row(struct change *ch, struct dec *d)
{
	struct arena *a = &ch->ap->st->arena;
	uint32_t n = ch->layout->n;
	struct drow_data *r = arena_alloc(a, sizeof(*r) + n * sizeof(r->vals[0]));

	memset(r, 0, sizeof(*r));
	r->layout = ch->layout;
	r->id = dec_bytes(d);
	if (ch->t->edge) {
		r->src = dec_bytes(d);
		r->dst = dec_bytes(d);
	}
	for (uint32_t i = 0; i < n; i++)
		dec_val(d, a, &r->vals[i]);
	return r;
}

static void put_row(struct change *ch, const struct drow_data *d)
{
	uint32_t hash = seg_hash(ch->t->cache, d->id);
	uint64_t created = ch->ap->c->version;
	rowref old = table_find(ch->t, view_before(ch), d->id, hash);

	if (old != ROW_NONE) {
		created = table_row_created(ch->t, old);
		if (table_row_visible(ch->t, old, view_now(ch)))
			end_row(ch, old);
	}
	table_append(ch->t, d, hash, ch->ap->c->version, created);
	ch->meta->count++;
}

static void delete_row(struct change *ch, struct str id)
{
	rowref old = table_find(ch->t, view_now(ch), id, seg_hash(ch->t->cache, id));

	if (old != ROW_NONE)
		end_row(ch, old);
}

static int apply_rows(struct change *ch, struct dec *d, struct err *e)
{
	size_t n = dec_count(d);

	for (size_t i = 0; i < n && !d->bad; i++) {
		const struct drow_data *r = decode_row(ch, d);

		if (!d->bad)
			put_row(ch, r);
	}
	n = dec_count(d);
	for (size_t i = 0; i < n && !d->bad; i++) {
		struct str id = dec_bytes(d);

		if (!d->bad)
			delete_row(ch, id);
	}
	if (d->bad)
		return err_set(e, ERR_STORAGE, "storage: damaged commit record: the rows do not parse");
	return table_damage(ch->t, e);
}

/* Few old rows: look each up in the new segment. */
static void replace_by_table(struct change *ch, struct seg *s)
{
	struct view v = view_now(ch);
	uint64_t pos[2] = { 0, 0 };
	rowref r;

	while ((r = table_next(ch->t, v, pos)) != ROW_NONE) {
		struct str id = table_row_id(ch->t, r);
		uint32_t row = seg_seek(s, 0, id);

		if (row < s->rows && str_eq(seg_id(s, row), id))
			end_row(ch, r);
	}
}

/* Both sides sorted: walk the new segment and each old one together. */
static void replace_by_merge(struct change *ch, struct seg *s, uint32_t run_index)
{
	const struct run *run = table_run(ch->t, run_index);
	struct view v = view_now(ch);
	uint32_t row = 0;

	for (uint32_t i = 0; i < s->rows && row < run->seg->rows; i++) {
		struct str id = seg_id(s, i);

		row = seg_seek(run->seg, row, id);
		if (row < run->seg->rows && str_eq(seg_id(run->seg, row), id) && run_row_alive(run, row, v))
			end_row(ch, ROWREF(run_index + 1, row));
	}
}

static void replace_in_delta(struct change *ch, struct seg *s)
{
	struct view v = view_now(ch);

	for (uint32_t i = 0; i < table_n_rows(ch->t); i++) {
		const struct drow *r = table_drow(ch->t, i);
		uint32_t row;

		if (!drow_visible(r, v))
			continue;
		row = seg_seek(s, 0, r->d->id);
		if (row < s->rows && str_eq(seg_id(s, row), r->d->id))
			end_row(ch, ROWREF(0, i));
	}
}

/* End the rows that a new segment replaces. Segments of this same commit hold other ids. */
static int replace_rows(struct change *ch, struct seg *s, struct err *e)
{
	struct view v = view_now(ch);

	if (!ch->meta->count)
		return 0;
	if (ch->meta->count < s->rows / 8) {
		replace_by_table(ch, s);
		return table_damage(ch->t, e);
	}
	replace_in_delta(ch, s);
	for (uint32_t i = 0; i < table_n_runs(ch->t); i++) {
		const struct run *r = table_run(ch->t, i);
		int rc;

		if (!run_visible(r, v) || atomic_load(&((struct run *)r)->begin) == v.version)
			continue;
		rc = seg_verify(r->seg, e);
		if (rc)
			return rc;
		replace_by_merge(ch, s, i);
	}
	return 0;
}

static int apply_segment(struct change *ch, const struct rec_segment *ref, uint64_t earlier, struct err *e)
{
	struct seg *s;
	int rc = seg_open(ch->t->cache, ref->digest, ref->rows, &s, e);

	if (rc)
		return rc;
	if (segment_type_id(s->s) != ch->t->type_id || segment_incarnation(s->s) != ch->t->incarnation) {
		seg_put(s);
		return err_set(e, ERR_STORAGE, "storage: damaged object 'seg/%s.arrow': it belongs to another type",
			       ref->digest);
	}
	if (earlier)
		rc = seg_verify(s, e);
	if (!rc && earlier)
		rc = replace_rows(ch, s, e);
	if (rc) {
		seg_put(s);
		return rc;
	}
	table_add_run(ch->t, s, ref->min, ref->max, ch->ap->c->version);
	ch->meta->count += s->rows;
	return 0;
}

static int apply_segments(struct change *ch, const struct rec_type *rt, struct err *e)
{
	uint64_t earlier = ch->meta->count;

	for (size_t i = 0; i < rt->n_segments; i++) {
		int rc = apply_segment(ch, &rt->segments[i], earlier, e);

		if (rc)
			return rc;
	}
	return 0;
}

static void mark_begin(struct journal *j, struct table *t)
{
	MEM_GROW(j->marks, j->n_marks, j->cap_marks);
	j->marks[j->n_marks++] = (struct journal_mark){ .t = t,
							.row = table_n_rows(t),
							.row_end = table_n_rows(t),
							.run = table_n_runs(t),
							.run_end = table_n_runs(t) };
}

static void mark_end(struct journal *j)
{
	struct journal_mark *m = &j->marks[j->n_marks - 1];

	m->row_end = table_n_rows(m->t);
	m->run_end = table_n_runs(m->t);
}

static int apply_type(struct apply *ap, struct dec *d, struct arena *scratch, uint32_t *table_index, struct err *e)
{
	struct change ch = { .ap = ap };
	struct rec_type rt;
	int rc = type_decode(d, scratch, &rt, e);

	if (rc)
		return rc;
	ch.t = state_table(ap->st, rt.type_id, rt.incarnation);
	if (!ch.t || ch.t->index >= ap->next->n_metas || ch.t->edge != rt.edge)
		return err_set(e, ERR_STORAGE,
			       "storage: damaged commit record: it changes a type the schema does not have");
	ch.meta = &ap->next->metas[ch.t->index];
	ch.old_trunc = ch.meta->trunc;
	ch.meta->version++;
	ch.meta->label = ap->label;
	if (rt.truncate) {
		ch.meta->trunc = ap->c->version;
		ch.meta->count = 0;
	}
	ch.layout = table_layout(ch.t, rt.props, rt.n_props);
	*table_index = ch.t->index;
	mark_begin(ap->j, ch.t);
	rc = apply_segments(&ch, &rt, e);
	if (!rc)
		rc = apply_rows(&ch, d, e);
	mark_end(ap->j);
	return rc;
}

static int apply_types(struct apply *ap, struct commit_node *node, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct dec d = ap->c->types;
	int rc = 0;

	for (size_t i = 0; i < ap->c->n_types && !rc; i++) {
		uint32_t index = 0;

		rc = apply_type(ap, &d, &scratch, &index, e);
		if (!rc)
			node->delta[node->n++].table = index;
	}
	arena_free(&scratch);
	return rc;
}

/* --- schema ---------------------------------------------------------------------------------------- */

static bool props_differ(const struct type *a, const struct type *b)
{
	if (a->n_props != b->n_props)
		return true;
	for (uint32_t i = 0; i < a->n_props; i++) {
		const struct prop *p = type_prop_by_id(b, a->props[i].id);

		if (!p || !str_eq(p->name, a->props[i].name))
			return true;
	}
	return false;
}

/* spec/schema.md 12.4: counters of types whose properties were added, renamed or dropped move; dropped types leave. */
static void rebind_old(struct snapshot *next, const struct catalog *old, const struct catalog *now)
{
	for (uint32_t i = 0; i < old->n_types; i++) {
		const struct type *was = &old->types[i];
		const struct type *is = catalog_type_by_id(now, was->type_id, was->incarnation);
		struct table *t = state_table(next->st, was->type_id, was->incarnation);

		if (!t || t->index >= next->n_metas)
			continue;
		if (!is)
			next->metas[t->index] = (struct tmeta){ 0 };
		else if (props_differ(was, is))
			next->metas[t->index].version++;
	}
}

static void add_tables(struct state *st, const struct catalog *cat)
{
	for (uint32_t i = 0; i < cat->n_types; i++) {
		const struct type *t = &cat->types[i];

		if (!state_table(st, t->type_id, t->incarnation))
			state_add_table(st, t->type_id, t->incarnation, t->kind == TYPE_EDGE);
	}
}

static int commit_catalog(struct state *st, const struct rec_commit *c, struct catalog **out, struct err *e)
{
	char hex[SHA256_HEX_LEN + 1];

	*out = NULL;
	if (!c->schema.s)
		return 0;
	hex_encode(hex, c->schema.s, LOG_DIGEST_BYTES);
	return graph_catalog(st->g, hex, out, e);
}

/* --- one commit ------------------------------------------------------------------------------------ */

static void commit_to_info(const struct rec_commit *c, const char *label, struct arena *a, struct commit_info *ci)
{
	memset(ci, 0, sizeof(*ci));
	memcpy(ci->id, c->id, sizeof(ci->id));
	memcpy(ci->parent, c->parent, sizeof(ci->parent));
	memcpy(ci->merged_parent, c->merged_parent, sizeof(ci->merged_parent));
	ci->branch = (char *)label;
	ci->actor = c->actor.s ? (char *)arena_str(a, c->actor).s : NULL;
	ci->version = c->version;
	ci->created_at = c->created_at;
}

static int check_chain(const struct snapshot *prev, const struct rec_commit *c, struct err *e)
{
	if (!prev) {
		if (c->kind != LOG_GENESIS || c->version != 1 || c->parent[0] || !c->schema.s)
			return err_set(e, ERR_STORAGE, "storage: damaged log: it does not begin with a genesis commit");
		return 0;
	}
	if (c->version != prev->version + 1 || strcmp(c->parent, prev->ci.id) != 0)
		return err_set(e, ERR_STORAGE, "storage: damaged log: commit '%s' does not follow commit '%s'", c->id,
			       prev->ci.id);
	return 0;
}

static struct snapshot *next_snapshot(struct state *st, const struct snapshot *prev, struct catalog *cat,
				      const struct commit_info *ci)
{
	struct binding *bind;
	struct snapshot *s;

	if (cat)
		add_tables(st, cat);
	bind = cat ? binding_new(st, cat) : binding_get(prev->bind);
	s = snapshot_new(st, bind, ci, st->n_tables);
	binding_put(bind);
	if (prev)
		memcpy(s->metas, prev->metas, prev->n_metas * sizeof(s->metas[0]));
	return s;
}

static void schema_metas(struct snapshot *next, const struct snapshot *prev, struct catalog *cat, const char *label)
{
	if (prev)
		rebind_old(next, prev->bind->cat, cat);
	for (uint32_t i = 0; i < cat->n_types; i++) {
		struct tmeta *m = &next->metas[next->bind->tables[i]->index];

		if (!m->version)
			*m = (struct tmeta){ .version = 1, .label = label };
	}
}

static struct commit_node *node_new(struct state *st, const struct rec_commit *c, const struct commit_info *ci,
				    uint64_t seq)
{
	struct commit_node *n = arena_new(&st->arena, struct commit_node);

	n->ci = *ci;
	n->seq = seq;
	n->n_types = c->n_types;
	n->types = c->types;
	n->delta = arena_array(&st->arena, struct node_delta, c->schema.s ? st->n_tables + c->n_types : c->n_types + 1);
	return n;
}

/* A schema commit may touch any table: remember all. */
static void node_metas(struct commit_node *n, const struct snapshot *s, bool all)
{
	if (all) {
		n->n = s->n_metas;
		for (uint32_t i = 0; i < n->n; i++)
			n->delta[i].table = i;
	}
	for (uint32_t i = 0; i < n->n; i++)
		n->delta[i].meta = s->metas[n->delta[i].table];
}

static void add_node(struct state *st, struct commit_node *n)
{
	MEM_GROW(st->nodes, st->n_nodes, st->cap_nodes);
	st->nodes[st->n_nodes++] = n;
}

/* Genesis is the base of a state, not a node on it. */
static void set_base(struct state *st, const struct snapshot *s)
{
	commit_info_copy(&st->base, &s->ci);
	st->base_cat = s->bind->cat;
	st->n_base = s->n_metas;
	st->base_metas = arena_memdup(&st->arena, s->metas, s->n_metas * sizeof(s->metas[0]));
	st->base_seq = s->seq;
}

static int apply_commit(struct apply *ap, const struct snapshot *prev, uint64_t seq, struct err *e)
{
	struct state *st = ap->st;
	struct catalog *cat;
	struct commit_info ci;
	struct commit_node *node;
	int rc = commit_catalog(st, ap->c, &cat, e);

	if (rc)
		return rc;
	commit_to_info(ap->c, ap->label, &st->arena, &ci);
	ap->next = next_snapshot(st, prev, cat, &ci);
	ap->next->seq = seq;
	if (cat)
		schema_metas(ap->next, prev, cat, ap->label);
	node = node_new(st, ap->c, &ci, seq);
	rc = apply_types(ap, node, e);
	node->cat = cat;
	if (!rc) {
		node_metas(node, ap->next, cat != NULL);
		if (prev) {
			add_node(st, node);
			ap->j->node = true;
		} else {
			set_base(st, ap->next);
		}
	}
	catalog_put(cat);
	return rc;
}

int state_apply(struct state *st, const struct snapshot *prev, const struct rec_commit *c, const char *label,
		uint64_t seq, struct journal *j, struct snapshot **out, struct err *e)
{
	struct journal own = { 0 };
	struct rec_commit copy = *c;
	struct apply ap = { .st = st, .c = &copy, .j = j ? j : &own };
	size_t n = (size_t)(c->types.end - c->types.p);
	int rc = check_chain(prev, c, e);

	if (rc)
		return rc;
	/* rows point into the record: keep its bytes as long as the state */
	copy.types = dec_of(arena_memdup(&st->arena, c->types.p, n), n);
	if (label && (!st->label || strcmp(st->label, label) != 0))
		st->label = arena_strdup(&st->arena, label);
	ap.label = label ? st->label : NULL;
	rc = apply_commit(&ap, prev, seq, e);
	if (rc) {
		state_undo(st, ap.j);
		snapshot_put(ap.next);
		ap.next = NULL;
	}
	*out = ap.next;
	journal_free(&own);
	return rc;
}

void state_undo(struct state *st, struct journal *j)
{
	for (size_t i = j->n_marks; i-- > 0;) {
		struct journal_mark *m = &j->marks[i];

		for (uint32_t r = m->row; r < m->row_end; r++)
			atomic_store_explicit(&table_drow(m->t, r)->begin, NEVER, memory_order_relaxed);
		for (uint32_t r = m->run; r < m->run_end; r++)
			atomic_store_explicit(&table_run(m->t, r)->begin, NEVER, memory_order_relaxed);
	}
	for (size_t i = j->n_ends; i-- > 0;)
		table_end_row(j->ends[i].t, j->ends[i].r, 0);
	if (j->node)
		st->n_nodes--;
	j->n_marks = j->n_ends = 0;
	j->node = false;
}

void journal_free(struct journal *j)
{
	free(j->ends);
	free(j->marks);
	memset(j, 0, sizeof(*j));
}
