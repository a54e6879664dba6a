/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/map.h>

#include "engine/load/record.h"
#include "engine/store/graph_priv.h"
#include "engine/store/txn.h"

struct load_job {
	struct load_batch batch;
	const struct load_opts *opts;
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

static int duplicate_key(const struct type *t, struct str id, struct err *e)
{
	struct strbuf cols = STRBUF_INIT;
	int rc;

	for (uint32_t i = 0; i < t->key.n; i++)
		sb_addf(&cols, "%s%.*s", i ? ", " : "", STR_ARG(t->props[t->key.members[i]].name));
	rc = err_set(e, ERR_BAD_REQUEST, "@unique violation on %.*s.%s%s%s: value '%.*s' held by '%.*s' and '%.*s'",
		     STR_ARG(t->name), t->key.n > 1 ? "(" : "", cols.s, t->key.n > 1 ? ")" : "", STR_ARG(id),
		     STR_ARG(id), STR_ARG(id));
	sb_free(&cols);
	return rc;
}

/* One id twice in one input (engine.md 8.4): a key may not repeat; a keyless id repeats only under merge. */
static int check_repeat(const struct load_job *j, struct txn *t, const struct load_record *r, struct err *e)
{
	if (txn_staged(t, r->type, r->row.id, NULL) != STAGED_PUT)
		return 0;
	if (r->type->key.n)
		return duplicate_key(r->type, r->row.id, e);
	if (j->opts->mode == LOAD_MERGE)
		return 0;
	return key_conflict(r->type, r->row.id, e);
}

static int stage_record(const struct load_job *j, struct txn *t, const struct load_record *r, struct err *e)
{
	int rc = check_repeat(j, t, r, e);

	if (rc)
		return rc;
	if (j->opts->mode == LOAD_APPEND && row_find(txn_base(t), r->type, r->row.id) != ROW_NONE)
		return key_conflict(r->type, r->row.id, e);
	return txn_put(t, r->type, &r->row, e);
}

static int load_prepare(void *arg, struct txn *t, struct err *e)
{
	struct load_job *j = arg;
	const struct catalog *c = snapshot_catalog(txn_base(t));
	int rc = 0;

	/* The records were converted for one schema; another one accepted meanwhile makes them meaningless. */
	if (strcmp(c->compiled_digest, j->batch.catalog->compiled_digest)) {
		rc = err_set(e, ERR_READ_SET_CHANGED,
			     "write authority 'schema_ir_hash' changed during preparation (expected %s, current %s) — "
			     "reprepare from the current branch state",
			     j->batch.catalog->compiled_digest, c->compiled_digest);
		err_detail(e, "member", "schema_ir_hash");
		err_detail(e, "expected", j->batch.catalog->compiled_digest);
		err_detail(e, "actual", c->compiled_digest);
		return rc;
	}
	txn_force_commit(t);
	for (uint32_t i = 0; j->opts->mode == LOAD_OVERWRITE && i < c->n_types; i++)
		if (j->batch.counts[i])
			txn_truncate(t, &c->types[i]);
	for (size_t i = 0; !rc && i < j->batch.n; i++) {
		struct load_record r = j->batch.records[i];

		r.type = &c->types[r.type->index]; /* same digest, maybe another instance */
		rc = stage_record(j, t, &r, e);
	}
	return rc;
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
	struct load_job job = { .opts = opts };
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
	rc = load_parse(snapshot_catalog(base), opts, read, arg, &job.batch, e);
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
