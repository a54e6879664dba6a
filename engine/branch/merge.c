/* SPDX-License-Identifier: MIT */
/*
 * Merging (spec/engine.md 11): what the source changed since the base is compared row by row with what the target did, and lands on the
 * target as one commit with two parents.
 */
#include <errno.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/map.h>

#include "engine/branch/diff.h"
#include "engine/branch/merge_base.h"
#include "engine/store/retention.h"
#include "engine/store/txn.h"
#include "engine/store/validate.h"

#define BASE_RETRIES 3

struct change { /* one entity the source changed since the base */
	const struct type *t;
	struct str id;
	rowref source; /* ROW_NONE: deleted */
};

struct merge {
	struct graph *g;
	const struct merge_opts *opts;
	const char *source_name, *target_name;
	struct merge_result *out;
	struct snapshot *source, *target, *base;
	size_t n, cap;
	struct change *changes; /* edges before nodes, by type name, then id */
	size_t cap_conflicts;
};

const char *merge_outcome_word(enum merge_outcome o)
{
	static const char *const words[] = { "already_up_to_date", "fast_forward", "merged" };

	return words[o];
}

void merge_result_clear(struct merge_result *r)
{
	commit_info_clear(&r->commit);
	free(r->conflicts);
	free(r->branch_delete_error);
	arena_free(&r->arena);
	*r = (struct merge_result){ 0 };
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

static void add_change(struct merge *m, const struct type *t, struct str id, rowref source)
{
	MEM_GROW(m->changes, m->n, m->cap);
	m->changes[m->n++] = (struct change){ t, id, source };
}

static int by_id(const void *a, const void *b)
{
	return str_cmp(((const struct change *)a)->id, ((const struct change *)b)->id);
}

/* The source's changes of one type. Unchanged rows are skipped by content, so a net-zero source changes nothing. */
static void collect_type(struct merge *m, const struct type *t)
{
	size_t first = m->n;
	struct row_scan sc;
	rowref r;

	row_scan_init(&sc, m->source, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct str id = row_id(m->source, t, r);

		if (!row_same(m->source, t, r, m->base, t, row_find(m->base, t, id)))
			add_change(m, t, id, r);
	}
	row_scan_init(&sc, m->base, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct str id = row_id(m->base, t, r);

		if (row_find(m->source, t, id) == ROW_NONE)
			add_change(m, t, id, ROW_NONE);
	}
	if (m->n > first)
		qsort(m->changes + first, m->n - first, sizeof(*m->changes), by_id);
}

static void collect(struct merge *m)
{
	const struct catalog *c = snapshot_catalog(m->target);

	for (int kind = TYPE_EDGE; kind >= TYPE_NODE; kind--)
		for (uint32_t i = 0; i < c->n_types; i++)
			if ((int)c->types[i].kind == kind)
				collect_type(m, &c->types[i]);
}

/* What is damaged reads as absent: then nothing of what a comparison found holds. */
static int check_damage(const struct merge *m, struct err *e)
{
	int rc = snapshot_damage(m->source, e);

	if (!rc)
		rc = snapshot_damage(m->base, e);
	return rc ? rc : snapshot_damage(m->target, e);
}

/* --- conflicts -------------------------------------------------------------------------------------------------------------- */

static void add_conflict(struct merge *m, const struct type *t, const char *id, const char *kind, const char *message)
{
	struct merge_result *out = m->out;

	MEM_GROW(out->conflicts, out->n_conflicts, m->cap_conflicts);
	out->conflicts[out->n_conflicts++] = (struct merge_conflict){
		.entity_kind = type_kind_word(t),
		.type_name = arena_str(&out->arena, t->name).s,
		.entity_id = id ? arena_strdup(&out->arena, id) : NULL,
		.kind = kind,
		.message = arena_strdup(&out->arena, message),
	};
}

static void row_conflict(struct merge *m, const struct change *ch, const char *kind, const char *words)
{
	const char *id = arena_str(&m->out->arena, ch->id).s;

	add_conflict(m, ch->t, id, kind, arena_printf(&m->out->arena, "%s for id '%s'", words, id));
}

/* Does the change land on the target? Conflicts are added on the way. */
static bool lands(struct merge *m, const struct change *ch)
{
	rowref base = row_find(m->base, ch->t, ch->id), target = row_find(m->target, ch->t, ch->id);

	if (row_same(m->target, ch->t, target, m->base, ch->t, base))
		return true;
	if (row_same(m->source, ch->t, ch->source, m->target, ch->t, target))
		return false;
	if (base == ROW_NONE)
		row_conflict(m, ch, "divergent_insert", "divergent insert");
	else if (ch->source == ROW_NONE || target == ROW_NONE)
		row_conflict(m, ch, "delete_vs_update", "delete/update conflict");
	else
		row_conflict(m, ch, "divergent_update", "divergent update");
	return false;
}

struct violations {
	struct merge *m;
	struct map
		seen; /* "<type key> range" and "<type key> enum": at most one value conflict of each per type (11.5) */
};

static bool first_of_its_kind(struct violations *v, const struct violation *x)
{
	struct strbuf b = STRBUF_INIT;
	struct str key;

	if (x->kind != VIOLATION_VALUE)
		return true;
	type_key(x->type, &b);
	sb_addz(&b, str_starts(str_from(x->message), STR("invalid enum")) ? " enum" : " value");
	key = arena_str(&v->m->out->arena, sb_str(&b));
	sb_free(&b);
	return map_add(&v->seen, key, v);
}

static int on_violation(void *arg, const struct violation *x)
{
	static const char *const kinds[] = { "value_constraint_violation", "unique_violation", "orphan_edge",
					     "cardinality_violation" };
	struct violations *v = arg;
	const char *id = x->entity_id.s ? arena_str(&v->m->out->arena, x->entity_id).s : NULL;

	if (first_of_its_kind(v, x))
		add_conflict(v->m, x->type, id, kinds[x->kind], x->message);
	return 0;
}

static int conflicts_error(const struct merge_result *r, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	int rc;

	sb_addz(&b, "merge conflicts: ");
	for (size_t i = 0; i < r->n_conflicts; i++) {
		const struct merge_conflict *c = &r->conflicts[i];

		sb_addf(&b, "%s%s type '%s'", i ? "; " : "", c->entity_kind, c->type_name);
		if (c->entity_id)
			sb_addf(&b, ", entity id '%s'", c->entity_id);
		sb_addf(&b, " (%s): %s", c->kind, c->message);
	}
	rc = err_set(e, ERR_MERGE_CONFLICTS, "%s", b.s);
	sb_free(&b);
	return rc;
}

/* --- the commit --------------------------------------------------------------------------------------------------------------- */

static int stage(struct merge *m, struct txn *t, const struct change *ch, struct err *e)
{
	struct arena *a = txn_arena(t);
	struct row_image row = { .id = ch->id };
	struct val *vals;

	if (ch->source == ROW_NONE)
		return txn_delete(t, ch->t, ch->id, e);
	vals = arena_array(a, struct val, ch->t->n_props + 1);
	for (uint32_t i = 0; i < ch->t->n_props; i++)
		row_get(m->source, ch->t, ch->source, i, a, &vals[i]);
	row.vals = vals;
	if (ch->t->kind == TYPE_EDGE) {
		row.src = row_src(m->source, ch->t, ch->source);
		row.dst = row_dst(m->source, ch->t, ch->source);
	}
	return txn_put(t, ch->t, &row, e);
}

/*
 * The next merge of these branches begins at the source as captured. When the source has gone on, a cleanup was free to remove that
 * state; from the merge commit on, none is.
 */
static int check_source(const struct merge *m, struct err *e)
{
	const struct commit_info *ci = snapshot_commit(m->source);
	struct branch *b;
	int rc = branch_open(m->g, m->source_name, &b, e);

	if (!rc) {
		rc = retention_check(m->g, b->lineage, ci->version, ci->id, NULL, e);
		branch_put(b);
	}
	if (rc == -ENOENT || (rc && e && e->code == ERR_HISTORY_RECLAIMED))
		return read_set_changed("branch_merge_source_incarnation", m->source_name, ci->id, NULL, e);
	return rc;
}

static int prepare(void *arg, struct txn *t, struct err *e)
{
	struct merge *m = arg;
	struct violations v = { .m = m };
	const char *expected = snapshot_commit(m->target)->id, *now = snapshot_commit(txn_base(t))->id;
	int rc = 0;

	m->out->n_conflicts = 0; /* of an attempt on a head that was not looked up */
	if (strcmp(now, expected))
		return read_set_changed("graph_head", m->target_name, expected, now, e);
	txn_force_commit(t); /* a net-zero source is recorded too */
	for (size_t i = 0; !rc && i < m->n; i++)
		if (lands(m, &m->changes[i]))
			rc = stage(m, t, &m->changes[i], e);
	if (!rc && !m->out->n_conflicts)
		rc = txn_check(t, on_violation, &v, e);
	map_free(&v.seen);
	if (!rc)
		rc = check_damage(m, e);
	if (!rc && m->out->n_conflicts)
		rc = conflicts_error(m->out, e);
	if (!rc && FAILPOINT("branch_merge.post_candidate_validation", e))
		rc = -EINVAL;
	return rc ? rc : check_source(m, e);
}

static int write_merge(struct merge *m, struct err *e)
{
	struct write_req req = { .branch = m->target_name,
				 .actor = m->opts->actor,
				 .kind = WRITE_MERGE,
				 .prepare = prepare,
				 .arg = m,
				 .merged_parent = snapshot_commit(m->source)->id };
	bool committed = false;
	int rc;

	collect(m);
	rc = check_damage(m, e);
	if (!rc)
		rc = graph_write(m->g, &req, &committed, &m->out->commit, e);
	m->out->has_commit = committed;
	return rc;
}

/* --- the operation --------------------------------------------------------------------------------------------------------------- */

/* The head as it is now, whatever age of it would do for a read. */
static int newest(struct graph *g, const char *name, struct snapshot **out, struct err *e)
{
	struct branch *b;
	int rc = branch_open(g, name, &b, e);

	if (rc)
		return rc;
	rc = branch_snapshot_exact(b, out, e);
	branch_put(b);
	return rc;
}

static int capture(struct merge *m, struct err *e)
{
	const char *s, *t;
	int rc = newest(m->g, m->source_name, &m->source, e);

	if (!rc)
		rc = newest(m->g, m->target_name, &m->target, e);
	if (rc)
		return rc;
	s = snapshot_catalog(m->source)->compiled_digest;
	t = snapshot_catalog(m->target)->compiled_digest;
	if (strcmp(s, t))
		rc = read_set_changed("branch_merge_source_schema", NULL, s, t, e);
	if (!rc && FAILPOINT("branch_merge.post_authority_capture", e))
		rc = -EINVAL;
	return rc;
}

static int run_once(struct merge *m, struct err *e)
{
	const char *s, *t;
	struct commit_info base = { 0 };
	int rc = capture(m, e);

	if (rc)
		return rc;
	s = snapshot_commit(m->source)->id;
	t = snapshot_commit(m->target)->id;
	rc = merge_base(m->g, s, t, &base, e);
	if (!rc && (!strcmp(s, t) || !strcmp(base.id, s))) {
		m->out->outcome = MERGE_UP_TO_DATE;
	} else if (!rc) {
		m->out->outcome = !strcmp(base.id, t) ? MERGE_FAST_FORWARD : MERGE_MERGED;
		rc = history_merge_base(m->g, base.id, &m->base, e);
		if (!rc)
			rc = write_merge(m, e);
	}
	commit_info_clear(&base);
	return rc;
}

static void release(struct merge *m)
{
	snapshot_put(m->base);
	snapshot_put(m->target);
	snapshot_put(m->source);
	m->base = m->target = m->source = NULL;
	m->n = 0;
}

/* A cleanup may have removed the base since the heads were captured: of the heads as they are now it has kept it. */
static int run(struct merge *m, struct err *e)
{
	int rc = run_once(m, e);

	for (int i = 0; i < BASE_RETRIES && rc && e && e->code == ERR_HISTORY_RECLAIMED; i++) {
		release(m);
		err_clear(e);
		rc = run_once(m, e);
	}
	if (rc && e && e->code == ERR_HISTORY_RECLAIMED)
		err_prefix(e, "branches '%s' and '%s' cannot be merged, because their common ancestor is gone: ",
			   m->source_name, m->target_name);
	return rc;
}

static void delete_source(struct merge *m)
{
	struct err e = ERR_INIT;

	m->out->branch_deleted = !graph_branch_delete(m->g, m->source_name, m->opts->actor, &e);
	if (!m->out->branch_deleted)
		m->out->branch_delete_error = mem_strdup(err_msg(&e));
	err_clear(&e);
}

/* Trimmed, checked names. */
static int check_names(const struct merge_opts *opts, char **source, char **target, struct err *e)
{
	int rc = branch_name_check(opts->source ? opts->source : "", "branch_merge", source, e);

	if (!rc)
		rc = branch_name_check(opts->target ? opts->target : "main", "branch_merge", target, e);
	if (rc && strstr(err_msg(e), "internal system ref"))
		return err_set(e, ERR_BAD_REQUEST, "branch_merge does not allow internal system refs ('%s' -> '%s')",
			       opts->source, opts->target ? opts->target : "main");
	if (!rc && !strcmp(*source, *target))
		return err_set(e, ERR_BAD_REQUEST, "branch_merge requires distinct source and target branches");
	return rc;
}

int graph_merge(struct graph *g, const struct merge_opts *opts, struct merge_result *out, struct err *e)
{
	struct merge m = { .g = g, .opts = opts, .out = out };
	char *source = NULL, *target = NULL;
	int rc;

	*out = (struct merge_result){ 0 };
	rc = check_names(opts, &source, &target, e);
	m.source_name = source;
	m.target_name = target;
	if (!rc)
		rc = graph_authorize(g, "branch_merge", source, target, opts->actor, e);
	if (!rc)
		rc = run(&m, e);
	release(&m);
	free(m.changes);
	if (!rc && opts->delete_branch)
		delete_source(&m);
	free(source);
	free(target);
	return rc;
}
