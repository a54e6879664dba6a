/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/map.h>

#include "engine/blob/blob_ingest.h"
#include "engine/load/record.h"
#include "engine/index/unique.h"
#include "engine/store/graph_priv.h"
#include "engine/store/txn.h"
#include "engine/store/validate.h"

struct load_job {
	struct load_batch batch;
	const struct load_opts *opts;
	const struct blob_policy *blobs;
};

static int key_conflict(const struct type *t, struct str id, struct err *e)
{
	char *name = str_dup(t->name), *entity = str_dup(id);
	int rc = err_set(e, ERR_KEY_CONFLICT, "%s type '%s' already has id '%s'", type_kind_word(t), name, entity);

	err_detail(e, "entity_kind", type_kind_word(t));
	err_detail(e, "type_name", name);
	err_detail(e, "entity_id", entity);
	free(name);
	free(entity);
	return rc;
}

/* --- one id, or one unique value, in two records of the input (engine.md 8.4, schema.md 14.4) ------ */

static int refuse_tuple(const struct type *t, const struct tuple *u, const struct row_image *row, struct str holder,
			struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc = unique_violation_text(t, u, row, holder, &text, e);

	if (!rc)
		rc = err_set(e, ERR_BAD_REQUEST, "%s", text.s);
	sb_free(&text);
	return rc;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int duplicate_key(struct spool *s, const struct type *t, struct arena *a, struct err *e)
{
	const struct tuple *key = &t->key;
	uint32_t *members = arena_memdup(a, key->members, key->n * sizeof(*members));
	struct spool_reader reader = { 0 };
	struct spool_row r;
	int rc;

	qsort(members, key->n, sizeof(*members), by_index); /* the message names columns in name order */
	spool_read(s, s->repeat, &reader, &r);
	rc = refuse_tuple(t, &(struct tuple){ key->n, members }, &r.row, r.row.id, e);
	spool_reader_free(&reader);
	return rc;
}

/* Records of type @t that share the tuple @u, though a later one may have replaced an earlier one of the same id. */
static int check_input_tuple(struct spool *s, const struct type *t, const struct tuple *u, struct arena *a,
			     struct err *e)
{
	struct spool_cursor at = { 0 };
	struct map seen = MAP_INIT; /* tuple -> id of its first record */
	struct strbuf key = STRBUF_INIT;
	struct spool_row r;
	int rc = 0;

	while (!rc && spool_next(s, &at, &r)) {
		const char *holder;
		bool exempt;

		sb_reset(&key);
		rc = tuple_key(t, u, &r.row, &key, &exempt, e);
		if (rc || exempt)
			continue;
		holder = map_get(&seen, sb_str(&key));
		if (holder)
			rc = refuse_tuple(t, u, &r.row, str_from(holder), e);
		else
			map_put(&seen, arena_str(a, sb_str(&key)), (void *)(uintptr_t)arena_str(a, r.row.id).s);
	}
	map_free(&seen);
	sb_free(&key);
	return rc;
}

static struct spool *spool_of(struct load_job *j, const struct type *t)
{
	return &j->batch.pool.spools[t->index];
}

/*
 * Some id came twice. The checks of the whole write come too late for that, since they see the last record of each id only; so they
 * are made here, in the same order: values, then uniqueness.
 */
static int check_repeats(struct load_job *j, struct txn *t, const struct catalog *c, struct err *e)
{
	int rc = txn_validate_values(t, e);

	for (uint32_t i = 0; !rc && i < c->n_types; i++) {
		const struct type *ty = &c->types[i];
		struct spool *s = spool_of(j, ty);

		if (!s->repeated)
			continue;
		if (ty->key.n)
			rc = duplicate_key(s, ty, txn_arena(t), e);
		for (uint32_t k = 0; !rc && k < ty->n_uniques; k++)
			rc = check_input_tuple(s, ty, &ty->uniques[k], txn_arena(t), e);
	}
	return rc;
}

/* --- ids that must not be there -------------------------------------------------------------------- */

struct key_clash { /* the first record that has one */
	uint64_t record;
	const struct type *type; /* NULL: none */
	struct str id;		 /* in the transaction's arena */
};

static void note_clash(struct key_clash *k, struct txn *t, const struct type *ty, const struct spool_row *r)
{
	if (!k->type || r->record < k->record)
		*k = (struct key_clash){ r->record, ty, arena_str(txn_arena(t), r->row.id) };
}

/* A key may repeat an id only to be refused later; a keyless id repeats under merge only, and its last record wins. */
static void find_repeat(struct spool *s, struct txn *t, const struct type *ty, struct key_clash *k)
{
	struct spool_reader reader = { 0 };
	struct spool_row r;

	if (!s->repeated || ty->key.n)
		return;
	spool_read(s, s->repeat, &reader, &r);
	note_clash(k, t, ty, &r);
	spool_reader_free(&reader);
}

static void find_present(struct spool *s, struct txn *t, const struct type *ty, struct key_clash *k)
{
	struct snapshot *base = txn_base(t);
	struct spool_cursor at = { 0 };
	struct spool_row r;

	if (!snapshot_count(base, ty))
		return;
	while (spool_next(s, &at, &r) && (!k->type || r.record < k->record)) {
		if (row_find(base, ty, r.row.id) != ROW_NONE)
			note_clash(k, t, ty, &r);
	}
}

static int check_clashes(struct load_job *j, struct txn *t, const struct catalog *c, struct err *e)
{
	struct key_clash k = { 0 };

	for (uint32_t i = 0; i < c->n_types; i++) {
		if (j->opts->mode != LOAD_MERGE)
			find_repeat(spool_of(j, &c->types[i]), t, &c->types[i], &k);
		if (j->opts->mode == LOAD_APPEND)
			find_present(spool_of(j, &c->types[i]), t, &c->types[i], &k);
	}
	return k.type ? key_conflict(k.type, k.id, e) : 0;
}

/* --- the write ------------------------------------------------------------------------------------- */

static int stage_all(struct load_job *j, struct txn *t, const struct catalog *c, struct err *e)
{
	bool repeated = false;
	int rc = check_clashes(j, t, c, e);

	for (uint32_t i = 0; !rc && i < c->n_types; i++) {
		if (!j->batch.counts[i])
			continue;
		if (j->opts->mode == LOAD_OVERWRITE)
			txn_truncate(t, &c->types[i]);
		txn_put_spool(t, &c->types[i], spool_of(j, &c->types[i]));
		repeated |= spool_of(j, &c->types[i])->repeated;
	}
	return rc || !repeated ? rc : check_repeats(j, t, c, e);
}

static int load_prepare(void *arg, struct txn *t, struct err *e)
{
	struct load_job *j = arg;
	struct blob_ingest in = { .policy = j->blobs,
				  .arena = &j->batch.arena,
				  .keep = j->opts->mode == LOAD_OVERWRITE };
	const struct catalog *c = snapshot_catalog(txn_base(t));
	const char *expected = j->batch.catalog->compiled_digest;
	int rc;

	/* The records were converted for one schema; another one accepted meanwhile makes them meaningless. */
	if (strcmp(c->compiled_digest, expected))
		return read_set_changed("schema_ir_hash", NULL, expected, c->compiled_digest, e);
	txn_force_commit(t);
	rc = stage_all(j, t, c, e);
	return rc ? rc : blob_ingest(t, &in, e);
}

static void count_types(const struct load_batch *b, struct load_result *out)
{
	const struct catalog *c = b->catalog;

	out->nodes = arena_array(&out->arena, struct load_count, c->n_nodes + 1);
	out->edges = arena_array(&out->arena, struct load_count, c->n_edges + 1);
	for (uint32_t i = 0; i < c->n_types; i++) {
		const struct type *t = &c->types[i];
		struct load_count *l;

		if (!b->counts[i])
			continue;
		l = t->kind == TYPE_NODE ? &out->nodes[out->n_nodes++] : &out->edges[out->n_edges++];
		l->name = arena_str(&out->arena, t->name);
		l->n = b->counts[i];
		out->total += b->counts[i];
	}
}

/* Make the target branch exist (engine.md 8.6). */
static int fork_if_missing(struct graph *g, const struct load_opts *opts, const char *branch, bool *created,
			   struct err *e)
{
	bool exists;
	int rc = graph_branch_exists(g, branch, &exists, e);

	*created = false;
	if (rc || exists)
		return rc;
	if (!opts->from)
		return err_set(e, ERR_NOT_FOUND, "branch '%s' not found; pass `from` to create it", branch);
	rc = graph_branch_create(g, branch, opts->from, opts->write.actor, e);
	*created = !rc;
	return rc;
}

static int run_load(struct graph *g, const struct load_opts *opts, const char *branch, read_fn read, void *arg,
		    struct load_result *out, struct err *e)
{
	struct load_job job = { .opts = opts, .blobs = &g->blobs };
	struct write_req req = { .branch = branch,
				 .actor = opts->write.actor,
				 .expected_head = opts->write.expected_head,
				 .kind = WRITE_LOAD,
				 .retryable = opts->mode != LOAD_OVERWRITE,
				 .prepare = load_prepare,
				 .arg = &job };
	struct snapshot *base = NULL;
	bool committed = false;
	int rc;

	rc = graph_snapshot(g, branch, NULL, &base, e);
	if (rc)
		return rc;
	load_batch_init(&job.batch, snapshot_catalog(base), store_scratch_dir(g->store), g->load_stage);
	rc = load_parse(&job.batch, opts, read, arg, e);
	if (!rc)
		rc = graph_write(g, &req, &committed, &out->commit, e);
	if (!rc)
		count_types(&job.batch, out);
	load_batch_clear(&job.batch);
	snapshot_put(base);
	return rc;
}

int graph_load(struct graph *g, const struct load_opts *opts, read_fn read, void *read_arg, struct load_result *out,
	       struct err *e)
{
	char *branch = NULL;
	bool created = false;
	int rc;

	*out = (struct load_result){ 0 };
	rc = branch_name_check(opts->write.branch ? opts->write.branch : "main", "load", &branch, e);
	if (!rc)
		rc = graph_authorize(g, "change", branch, NULL, opts->write.actor, e);
	if (!rc)
		rc = fork_if_missing(g, opts, branch, &created, e);
	if (!rc)
		rc = run_load(g, opts, branch, read, read_arg, out, e);
	out->branch_created = created;
	free(branch);
	if (rc)
		load_result_clear(out);
	return rc;
}

void load_result_clear(struct load_result *r)
{
	commit_info_clear(&r->commit);
	arena_free(&r->arena);
	*r = (struct load_result){ 0 };
}

void load_counts_json(struct json_writer *w, const char *key, const struct load_count *c, uint32_t n)
{
	jw_keyz(w, key);
	jw_begin_array(w);
	for (uint32_t i = 0; i < n; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", c[i].name);
		jw_ku64(w, "entities_loaded", c[i].n);
		jw_end_object(w);
	}
	jw_end_array(w);
}
