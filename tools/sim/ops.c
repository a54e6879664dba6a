/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <omnigraph/maintenance.h>
#include <omnigraph/mem.h>
#include <omnigraph/query.h>

#include "changes.h"
#include "ops.h"

#define PEOPLE 6
#define CITIES 3
#define TAGS 3
#define EDGES 8
#define BRANCHES_MAX 4

/* --- making up ---------------------------------------------------------------------------------------- */

static void pick_id(struct world *w, char *id, char letter, unsigned n)
{
	snprintf(id, ID_MAX, "%c%u", letter, (unsigned)roll(w, n));
}

static void pick_branch(struct world *w, char *out)
{
	/* main twice as often as any other */
	size_t i = roll(w, w->model.n_branches + 1);

	snprintf(out, BRANCH_MAX, "%s", w->model.branches[i < w->model.n_branches ? i : 0].name);
}

/* Mostly a node that is there. */
static void pick_end(struct world *w, const struct op *o, char *id, enum kind kind)
{
	const struct mbranch *b = model_branch(&w->model, o->branch);
	const struct mstate *s = &model_head(&w->model, b)->state;

	for (size_t tries = 0; s->n && tries < 4; tries++) {
		const struct mrow *r = &s->rows[roll(w, s->n)];

		if (r->kind == kind) {
			memcpy(id, r->id, ID_MAX);
			return;
		}
	}
	pick_id(w, id, kind == PERSON ? 'p' : 'c', kind == PERSON ? PEOPLE : CITIES);
}

static void make_row(struct world *w, struct mrow *r, const struct op *o)
{
	static const enum kind often[] = { PERSON, PERSON, PERSON, KNOWS, KNOWS, LIVES, CITY, TAG };
	const struct mschema *schema = &o->schema;
	enum feature f;

	*r = (struct mrow){ .kind = often[roll(w, ARRAY_SIZE(often))] };
	if (r->kind == TAG && !schema->incarnation[TYPE_TAG])
		r->kind = CITY;
	f = feature_of(r->kind);
	pick_id(
		w, r->id, "klcpt" [r->kind], (const unsigned[]) { EDGES, EDGES, CITIES, PEOPLE, TAGS }[r->kind]);
	if (r->kind <= LIVES) {
		pick_end(w, o, r->src, PERSON);
		pick_end(w, o, r->dst, r->kind == KNOWS ? PERSON : CITY);
	}
	if (r->kind == PERSON || r->kind == KNOWS || r->kind == TAG)
		r->fixed = (int)roll(w, 4);
	if (f < N_FEATURES && schema->incarnation[f]) {
		r->incarnation = schema->incarnation[f];
		r->extra = r->kind == TAG ? 0 : (int)roll(w, 3);
	}
}

static bool is_there(const struct op *o, const struct mrow *r)
{
	for (size_t i = 0; i < o->n_rows; i++) {
		if (o->rows[i].kind == r->kind && !strcmp(o->rows[i].id, r->id))
			return true;
	}
	return false;
}

static void make_rows(struct world *w, struct op *o)
{
	size_t n = 1 + roll(w, OP_ROWS);

	o->mode =
		(const enum load_mode[]){ LOAD_MERGE, LOAD_MERGE, LOAD_MERGE, LOAD_APPEND, LOAD_OVERWRITE }[roll(w, 5)];
	for (size_t i = 0; i < n; i++) {
		struct mrow r;

		make_row(w, &r, o);
		if (!is_there(o, &r))
			o->rows[o->n_rows++] = r;
	}
}

static void make_schema(struct world *w, struct op *o)
{
	enum feature f = (enum feature)roll(w, N_FEATURES);

	o->schema = *model_schema(&w->model);
	o->schema.incarnation[f] = o->schema.incarnation[f] ? 0 : ++w->model.incarnations;
	snprintf(o->branch, sizeof(o->branch), "main");
}

static void make_branch(struct world *w, struct op *o)
{
	memcpy(o->other, o->branch, sizeof(o->other));
	snprintf(o->branch, sizeof(o->branch), "b%u", (unsigned)roll(w, BRANCHES_MAX));
}

static void make_merge(struct world *w, struct op *o)
{
	do
		pick_branch(w, o->other);
	while (!strcmp(o->other, o->branch) && w->model.n_branches > 1);
}

static struct op *new_op(struct world *w, enum op_kind kind)
{
	struct op *o = &w->ops[w->n_step++];

	*o = (struct op){ .number = ++w->n_ops, .kind = kind, .schema = *model_schema(&w->model) };
	pick_branch(w, o->branch);
	switch (kind) {
	case OP_LOAD:
		make_rows(w, o);
		break;
	case OP_UPDATE:
	case OP_DELETE:
		make_row(w, &o->rows[0], o);
		if (kind == OP_UPDATE && o->rows[0].kind != TAG && o->rows[0].kind != PERSON) {
			o->rows[0] = (struct mrow){ .kind = PERSON, .fixed = 1 + (int)roll(w, 4) };
			pick_id(w, o->rows[0].id, 'p', PEOPLE);
		}
		o->rows[0].fixed += !o->rows[0].fixed;
		break;
	case OP_CLEANUP:
		o->keep = 1 + (uint32_t)roll(w, 4);
		break;
	case OP_BRANCH:
		make_branch(w, o);
		break;
	case OP_DROP_BRANCH:
		snprintf(o->branch, sizeof(o->branch), "b%u", (unsigned)roll(w, BRANCHES_MAX));
		break;
	case OP_MERGE:
		make_merge(w, o);
		break;
	case OP_SCHEMA:
		make_schema(w, o);
		break;
	default:
		break;
	}
	return o;
}

/* --- running ------------------------------------------------------------------------------------------- */

struct text {
	struct str s;
	size_t at;
};

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	struct text *t = arg;

	(void)e;
	n = n < t->s.n - t->at ? n : t->s.n - t->at;
	memcpy(buf, t->s.s + t->at, n);
	t->at += n;
	return (long)n;
}

static void acknowledge(struct op *o, const struct commit_info *ci)
{
	memcpy(o->commit, ci->id, sizeof(o->commit));
}

static const char *actor_of(const struct op *o, char buf[32])
{
	snprintf(buf, 32, "op%u", o->number);
	return buf;
}

static int run_load(struct graph *g, struct op *o, struct err *e)
{
	struct strbuf lines = STRBUF_INIT;
	struct load_result res;
	struct text t;
	char actor[32];
	struct load_opts opts = { .write = { .branch = o->branch, .actor = actor_of(o, actor) },
				  .mode = o->mode,
				  .shape = LOAD_STRICT };
	int rc;

	rows_ndjson(o, &lines);
	t = (struct text){ sb_str(&lines), 0 };
	rc = graph_load(g, &opts, read_text, &t, &res, e);
	if (!rc) {
		acknowledge(o, &res.commit);
		load_result_clear(&res);
	}
	sb_free(&lines);
	return rc;
}

static void mutation_text(const struct op *o, struct strbuf *out)
{
	const struct mrow *r = &o->rows[0];

	if (o->kind == OP_UPDATE)
		sb_addf(out, "query m() { update %s set { %s: %d } where name = \"%s\" }", kind_name(r->kind),
			r->kind == TAG ? "w" : "age", r->fixed, r->id);
	else
		sb_addf(out, "query m() { delete %s where %s = \"%s\" }", kind_name(r->kind),
			r->kind <= LIVES ? "from" : "name", r->kind <= LIVES ? r->src : r->id);
}

static int compile(struct graph *g, const struct op *o, struct query **q, struct err *e)
{
	struct query_file *f = NULL;
	struct snapshot *s = NULL;
	struct strbuf text = STRBUF_INIT;
	int rc;

	*q = NULL;
	mutation_text(o, &text);
	rc = graph_snapshot(g, o->branch, NULL, &s, e);
	if (!rc)
		rc = query_file_parse(sb_str(&text), &f, e);
	if (!rc)
		rc = query_compile((struct catalog *)snapshot_catalog(s), query_file_at(f, 0), q, e);
	query_file_free(f);
	snapshot_put(s);
	sb_free(&text);
	return rc;
}

static int run_mutation(struct graph *g, struct op *o, struct err *e)
{
	char actor[32];
	struct write_opts opts = { .branch = o->branch, .actor = actor_of(o, actor) };
	struct mutation_result res;
	struct query *q;
	int rc = compile(g, o, &q, e);

	if (!rc)
		rc = graph_mutate(g, q, NULL, &opts, &res, e);
	if (!rc) {
		if (res.has_commit)
			acknowledge(o, &res.commit);
		mutation_result_clear(&res);
	}
	query_free(q);
	return rc;
}

/* What is read must be the state of the commit it says it is of; the check does not depend on which that is. */
static int run_read(struct world *w, struct graph *g, const struct op *o, struct err *e)
{
	struct strbuf got = STRBUF_INIT, want = STRBUF_INIT;
	const struct mcommit *c;
	struct snapshot *s = NULL;
	int rc = graph_snapshot(g, o->branch, NULL, &s, e);

	if (!rc)
		rc = graph_export(s, NULL, 0, append_text, &got, e);
	c = rc ? NULL : model_find(&w->model, snapshot_commit(s)->id);
	if (c) {
		mstate_export(&c->state, &c->state.schema, &want);
		if (!str_eq(sb_str(&got), sb_str(&want)))
			fail(w, "op%u read of commit %s\n%.*swanted\n%.*s", o->number, c->ci.id, STR_ARG(sb_str(&got)),
			     STR_ARG(sb_str(&want)));
	}
	snapshot_put(s);
	sb_free(&got);
	sb_free(&want);
	return rc;
}

/* What is told of what the model knows must be right, whatever else goes on. */
static int run_feed(struct world *w, struct graph *g, const struct op *o, struct err *e)
{
	const struct mbranch *b = model_branch(&w->model, o->branch);
	char who[32];
	size_t at = 0;
	int rc;

	snprintf(who, sizeof(who), "op%u", o->number);
	rc = follow_feed(w, g, who, b, &at, e);
	if (!rc || !feed_may_stop(w, b, at, e))
		return rc;
	err_clear(e);
	return 0;
}

static int run_optimize(struct graph *g, struct err *e)
{
	struct optimize_result res;
	int rc = graph_optimize(g, &res, e);

	optimize_result_clear(&res);
	return rc;
}

static int run_cleanup(struct world *w, struct graph *g, const struct op *o, struct err *e)
{
	/* without an age it is for when nothing else writes */
	struct cleanup_opts opts = { .by_count = true, .keep_versions = o->keep };
	struct cleanup_result res;
	int rc;

	if (!o->nested && !w->may_nest)
		opts.orphan_age_s = -1;
	rc = graph_cleanup(g, &opts, &res, e);
	for (uint32_t i = 0; !rc && i < res.n; i++) {
		if (res.types[i].error && !o->faulted)
			fail(w, "op%u cleanup of %.*s: %s", o->number, STR_ARG(res.types[i].type_key),
			     res.types[i].error);
	}
	cleanup_result_clear(&res);
	return rc;
}

static int run_merge(struct graph *g, struct op *o, struct err *e)
{
	char actor[32];
	struct merge_opts opts = { .source = o->other, .target = o->branch, .actor = actor_of(o, actor) };
	struct merge_result res;
	int rc = graph_merge(g, &opts, &res, e);

	o->outcome = res.outcome;
	o->n_conflicts = res.n_conflicts;
	if (!rc && res.has_commit)
		acknowledge(o, &res.commit);
	merge_result_clear(&res);
	return rc;
}

static int run_schema(struct graph *g, struct op *o, struct err *e)
{
	char actor[32];
	struct schema_apply_opts opts = { .actor = actor_of(o, actor) };
	struct schema_apply_result res = { .applied = false };
	struct strbuf text = STRBUF_INIT;
	int rc;

	schema_text(&o->schema, &text);
	rc = graph_schema_apply(g, sb_str(&text), &opts, &res, e);
	sb_free(&res.plan);
	sb_free(&text);
	return rc;
}

static int run(struct world *w, struct graph *g, struct op *o, struct err *e)
{
	char actor[32];

	switch (o->kind) {
	case OP_LOAD:
		return run_load(g, o, e);
	case OP_UPDATE:
	case OP_DELETE:
		return run_mutation(g, o, e);
	case OP_READ:
		return run_read(w, g, o, e);
	case OP_FEED:
		return run_feed(w, g, o, e);
	case OP_OPTIMIZE:
		return run_optimize(g, e);
	case OP_CHECKPOINT:
		return graph_checkpoint(g, o->branch, e);
	case OP_CLEANUP:
		return run_cleanup(w, g, o, e);
	case OP_BRANCH:
		return graph_branch_create(g, o->branch, o->other, actor_of(o, actor), e);
	case OP_DROP_BRANCH:
		return graph_branch_delete(g, o->branch, actor_of(o, actor), e);
	case OP_MERGE:
		return run_merge(g, o, e);
	default:
		return run_schema(g, o, e);
	}
}

static void trace_op(struct world *w, const struct op *o)
{
	struct strbuf rows = STRBUF_INIT;

	if (o->kind == OP_LOAD)
		rows_ndjson(o, &rows);
	else if (o->kind == OP_UPDATE || o->kind == OP_DELETE)
		mutation_text(o, &rows);
	else if (o->kind == OP_SCHEMA)
		schema_text(&o->schema, &rows);
	else if (o->kind == OP_CLEANUP)
		sb_addf(&rows, "keep %u", o->keep);
	trace(w, "op%u process %u: %s %s %s%s%s -> %s%s%s", o->number, o->process, op_name(o->kind), o->branch,
	      o->other, o->kind == OP_LOAD ? (const char *[]){ " append", " merge", " overwrite" }[o->mode] : "",
	      o->faulted ? " (faults)" : "", o->rc ? o->message : "done", o->commit[0] ? " " : "", o->commit);
	if (rows.n)
		trace(w, "  %s", rows.s);
	sb_free(&rows);
}

static void execute(struct world *w, struct op *o, struct process *p)
{
	struct err e = ERR_INIT;

	o->rc = run(w, p->g, o, &e);
	o->code = e.code;
	snprintf(o->message, sizeof(o->message), "%s", err_msg(&e));
	err_clear(&e);
	trace_op(w, o);
}

/* --- steps ------------------------------------------------------------------------------------------------- */

static struct process *pick_process(struct world *w, unsigned not, unsigned *which)
{
	do
		*which = (unsigned)roll(w, N_PROCESSES);
	while (*which == not );
	return &w->process[*which];
}

void op_nested(struct world *w)
{
	static const enum op_kind kinds[] = { OP_LOAD, OP_LOAD, OP_LOAD,     OP_UPDATE,	    OP_DELETE,
					      OP_READ, OP_FEED, OP_OPTIMIZE, OP_CHECKPOINT, OP_CLEANUP };
	unsigned which;
	struct process *p = pick_process(w, w->ops[0].process, &which);
	struct op *o;

	if (!p->g && !process_open(w, p, false))
		return;
	o = new_op(w, kinds[roll(w, ARRAY_SIZE(kinds))]);
	o->process = which;
	o->nested = o->overlapped = w->ops[0].overlapped = true;
	execute(w, o, p);
}

static struct sim_faults make_faults(struct world *w)
{
	switch (roll(w, 4)) {
	case 0:
		return (struct sim_faults){ .fail_at = 1 + roll(w, 12) };
	case 1:
	case 2:
		return (struct sim_faults){ .die_at = 1 + roll(w, 16) };
	default:
		return (struct sim_faults){ .error_ppm = 80000, .lost_ppm = 80000 };
	}
}

static void run_outer(struct world *w, struct op *o, struct process *p)
{
	struct sim_faults f;

	if (o->faulted) {
		f = make_faults(w);
		sim_arm(p->s, &f);
	}
	w->may_nest = chance(w, 30);
	w->running = true;
	execute(w, o, p);
	w->running = false;
	if (sim_dead(p->s)) {
		trace(w, "process %u died", o->process);
		process_close(p);
	} else {
		sim_arm(p->s, NULL);
	}
	if (o->faulted)
		clock_advance(61); /* a lock that it could not give back runs out */
}

static void lose_power(struct world *w)
{
	trace(w, "power loss");
	sim_power_loss(w->sim);
	for (size_t i = 0; i < N_PROCESSES; i++)
		process_close(&w->process[i]);
	clock_advance(61);
}

void op_step(struct world *w)
{
	static const enum op_kind kinds[] = { OP_LOAD,	     OP_LOAD,	 OP_LOAD,	 OP_LOAD,   OP_UPDATE,
					      OP_UPDATE,     OP_DELETE,	 OP_DELETE,	 OP_READ,   OP_OPTIMIZE,
					      OP_CHECKPOINT, OP_CLEANUP, OP_BRANCH,	 OP_BRANCH, OP_MERGE,
					      OP_MERGE,	     OP_MERGE,	 OP_DROP_BRANCH, OP_SCHEMA, OP_FEED };
	unsigned which;
	struct process *p = pick_process(w, N_PROCESSES, &which);
	struct op *o;

	w->n_step = 0;
	if (chance(w, 3))
		lose_power(w);
	if (!p->g && !process_open(w, p, chance(w, 20)))
		return;
	o = new_op(w, kinds[roll(w, ARRAY_SIZE(kinds))]);
	o->process = which;
	o->faulted = chance(w, 30);
	run_outer(w, o, p);
}
