/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omnigraph/mem.h>

#include "changes.h"
#include "check.h"

#define BRANCHES 16

/* What a process that just started sees. */
struct look {
	struct world *w;
	struct graph *g;
	char names[BRANCHES][BRANCH_MAX];
	size_t n_names;
	struct commit_info *commits; /* of one branch, newest first */
	size_t n_commits, cap_commits;
};

/* --- looking -------------------------------------------------------------------------------------------- */

static int on_name(void *arg, const char *name)
{
	struct look *l = arg;

	if (l->n_names < BRANCHES)
		snprintf(l->names[l->n_names++], BRANCH_MAX, "%s", name);
	return 0;
}

static bool is_listed(const struct look *l, const char *name)
{
	for (size_t i = 0; i < l->n_names; i++) {
		if (!strcmp(l->names[i], name))
			return true;
	}
	return false;
}

static void forget_commits(struct look *l)
{
	for (size_t i = 0; i < l->n_commits; i++)
		commit_info_clear(&l->commits[i]);
	l->n_commits = 0;
}

static int on_commit(void *arg, const struct commit_info *ci)
{
	struct look *l = arg;

	MEM_GROW(l->commits, l->n_commits, l->cap_commits);
	commit_info_copy(&l->commits[l->n_commits++], ci);
	return 0;
}

static bool list_commits(struct look *l, const char *branch)
{
	struct err e = ERR_INIT;
	int rc;

	forget_commits(l);
	rc = graph_commits(l->g, branch, on_commit, l, &e);
	if (rc)
		fail(l->w, "the commits of %s cannot be listed: %s", branch, err_msg(&e));
	err_clear(&e);
	return !rc;
}

/* --- new commits ------------------------------------------------------------------------------------------- */

static struct op *op_of_actor(struct world *w, const char *actor)
{
	char name[32];

	for (size_t i = 0; i < w->n_step && actor; i++) {
		snprintf(name, sizeof(name), "op%u", w->ops[i].number);
		if (!strcmp(name, actor))
			return &w->ops[i];
	}
	return NULL;
}

static bool may_have_made(struct world *w, const struct op *o, const char *branch, const struct commit_info *ci)
{
	if (!o)
		fail(w, "commit %s of %s by '%s' was made by no operation of this step", ci->id, branch, ci->actor);
	else if (o->seen)
		fail(w, "op%u took effect twice", o->number);
	else if (strcmp(o->branch, branch) != 0)
		fail(w, "op%u wrote to %s instead of %s", o->number, branch, o->branch);
	else if (o->rc && !o->faulted)
		fail(w, "op%u was refused (%s) and took effect", o->number, o->message);
	else if (o->commit[0] && strcmp(o->commit, ci->id) != 0)
		fail(w, "op%u is commit %s, acknowledged was %s", o->number, ci->id, o->commit);
	return !w->failure[0];
}

static enum effect effect_of(struct world *w, const struct op *o, struct mbranch *b, const struct commit_info *ci,
			     struct mstate *out)
{
	const struct mcommit *head = model_head(&w->model, b);
	enum merge_outcome outcome;
	enum effect f;

	if (o->kind != OP_MERGE)
		return model_apply(&head->state, o, out);
	f = model_merge(&w->model, model_find(&w->model, ci->merged_parent), head, &outcome, out);
	if (f == EFFECT_COMMIT && !o->rc && outcome != o->outcome)
		fail(w, "op%u: outcome %s instead of %s", o->number, merge_outcome_word(o->outcome),
		     merge_outcome_word(outcome));
	return f;
}

static bool had_cleanup(const struct world *w)
{
	for (size_t i = 0; i < w->n_step; i++) {
		if (w->ops[i].kind == OP_CLEANUP)
			return true;
	}
	return false;
}

static void take_commit(struct world *w, struct mbranch *b, const struct commit_info *ci)
{
	struct op *o = op_of_actor(w, ci->actor);
	const struct mcommit *head = model_head(&w->model, b);
	struct mstate next;

	if (!may_have_made(w, o, b->name, ci))
		return;
	if (strcmp(ci->parent, head->ci.id) != 0 || ci->version != head->ci.version + 1)
		fail(w, "op%u: commit %s (version %llu) does not follow %s (version %llu)", o->number, ci->id,
		     (unsigned long long)ci->version, head->ci.id, (unsigned long long)head->ci.version);
	if (effect_of(w, o, b, ci, &next) != EFFECT_COMMIT)
		fail(w, "op%u made a commit, which it must not on what was there", o->number);
	else
		model_commit(&w->model, b, ci, &next, o->number);
	if (o->kind == OP_MERGE && had_cleanup(w))
		w->model.commits[model_find(&w->model, ci->merged_parent) - w->model.commits].raced = true;
	o->seen = true;
}

/* The chain of @b is the beginning of what is listed; the rest is new. False: a merge is of a commit not seen yet. */
static bool take_branch(struct look *l, struct mbranch *b)
{
	struct world *w = l->w;

	if (!list_commits(l, b->name))
		return true;
	if (l->n_commits < b->n) {
		fail(w, "%s has %zu commits instead of %zu", b->name, l->n_commits, b->n);
		return true;
	}
	for (size_t i = 0; i < l->n_commits && !w->failure[0]; i++) {
		const struct commit_info *ci = &l->commits[l->n_commits - 1 - i];
		const char *known = i < b->n ? w->model.commits[b->chain[i]].ci.id : NULL;

		if (known && strcmp(known, ci->id) != 0)
			fail(w, "commit %zu of %s is %s instead of %s", i, b->name, ci->id, known);
		if (!known && ci->merged_parent[0] && !model_find(&w->model, ci->merged_parent))
			return false;
		if (!known)
			take_commit(w, b, ci);
	}
	return true;
}

static void take_branches(struct look *l)
{
	struct model *m = &l->w->model;
	bool all = false;

	for (size_t round = 0; round <= m->n_branches && !all; round++) {
		all = true;
		for (size_t i = 0; i < m->n_branches && !l->w->failure[0]; i++) {
			if (!take_branch(l, &m->branches[i]))
				all = false;
		}
	}
	if (!all)
		fail(l->w, "a merge commit is of a commit that no branch has");
}

/* --- branches that came and went ----------------------------------------------------------------------------- */

static struct op *branch_op(struct world *w, enum op_kind kind, const char *name)
{
	struct op *o = &w->ops[0];

	return w->n_step && o->kind == kind && !strcmp(o->branch, name) ? o : NULL;
}

static void drop_missing(struct look *l)
{
	struct world *w = l->w;

	for (size_t i = w->model.n_branches; i-- > 1;) {
		const struct mbranch *b = &w->model.branches[i];
		struct op *o = branch_op(w, OP_DROP_BRANCH, b->name);

		if (is_listed(l, b->name))
			continue;
		if (!o || (o->rc && !o->faulted))
			fail(w, "branch %s is gone", b->name);
		else
			o->seen = w->dropped = true;
		model_drop_branch(&w->model, b->name);
	}
}

/* A new branch shows what its source showed at some moment of the step. */
static void add_new(struct look *l, const char *name)
{
	struct world *w = l->w;
	struct op *o = branch_op(w, OP_BRANCH, name);
	const struct mbranch *from = o ? model_branch(&w->model, o->other) : NULL;

	if (!o || (o->rc && !o->faulted) || !from) {
		fail(w, "branch %s came from nowhere", name);
		return;
	}
	o->seen = true;
	if (!list_commits(l, name))
		return;
	if (l->n_commits > from->n ||
	    strcmp(l->commits[0].id, w->model.commits[from->chain[l->n_commits - 1]].ci.id) != 0)
		fail(w, "branch %s does not begin with the commits of %s", name, from->name);
	else
		model_add_branch(&w->model, name, from->name, from->chain, l->n_commits);
}

static void add_listed(struct look *l)
{
	for (size_t i = 0; i < l->n_names && !l->w->failure[0]; i++) {
		if (!model_branch(&l->w->model, l->names[i]))
			add_new(l, l->names[i]);
	}
}

/* --- what became of the operations ------------------------------------------------------------------------------ */

static bool has_descendant(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_branches; i++) {
		if (!strcmp(m->branches[i].from, name))
			return true;
	}
	return false;
}

static void must(struct world *w, const struct op *o, bool success)
{
	if ((o->rc == 0) != success)
		fail(w, "op%u %s: %s, which it must not", o->number, op_name(o->kind),
		     o->rc ? o->message : "succeeded");
}

/*
 * The known ways to lose a merge base (Documentation/differences.md): while a merge appends its commit, the source has gone on already and a
 * whole cleanup removes the state that was merged; or a branch is deleted through which the base was found, and the next one is gone.
 */
static bool lost_its_base(const struct world *w, const struct op *o)
{
	struct model *m = (struct model *)&w->model;
	const struct mcommit *base = NULL;

	if (o->kind == OP_MERGE && o->code == ERR_HISTORY_RECLAIMED)
		base = model_merge_base(m, model_head(m, model_branch(m, o->other)),
					model_head(m, model_branch(m, o->branch)));
	return base && (base->raced || w->dropped);
}

/* Nothing disturbed it and it is not in the history. */
static void check_unseen_write(struct world *w, const struct op *o)
{
	const struct mbranch *b = model_branch(&w->model, o->branch), *source = model_branch(&w->model, o->other);
	enum merge_outcome outcome = MERGE_UP_TO_DATE;
	struct mstate next = { .rows = NULL };
	enum effect f;

	if (o->kind == OP_MERGE && !strcmp(o->branch, o->other))
		f = EFFECT_REFUSED;
	else if (o->kind == OP_MERGE)
		f = model_merge(&w->model, model_head(&w->model, source), model_head(&w->model, b), &outcome, &next);
	else if (o->kind == OP_SCHEMA && w->model.n_branches > 1)
		f = EFFECT_REFUSED;
	else
		f = model_apply(&model_head(&w->model, b)->state, o, &next);
	mstate_free(&next);
	if (lost_its_base(w, o))
		return;
	must(w, o, f != EFFECT_REFUSED);
	if (f == EFFECT_COMMIT)
		fail(w, "op%u %s made no commit", o->number, op_name(o->kind));
}

static void check_undisturbed(struct world *w, const struct op *o, bool existed)
{
	switch (o->kind) {
	case OP_BRANCH:
		must(w, o, !existed);
		break;
	case OP_DROP_BRANCH:
		must(w, o, existed && !has_descendant(&w->model, o->branch));
		break;
	case OP_READ:
	case OP_FEED:
	case OP_OPTIMIZE:
	case OP_CHECKPOINT:
	case OP_CLEANUP:
		must(w, o, true);
		break;
	default:
		if (!o->seen)
			check_unseen_write(w, o);
	}
}

static bool is_read(enum op_kind k)
{
	return k == OP_READ || k == OP_FEED;
}

static bool is_maintenance(enum op_kind k)
{
	return k == OP_OPTIMIZE || k == OP_CHECKPOINT || k == OP_CLEANUP;
}

/* Why an operation may fail that was not alone. */
static bool is_a_lost_race(const struct world *w, const struct op *o)
{
	switch (o->code) {
	case ERR_NOT_FOUND:
		return w->ops[0].kind == OP_DROP_BRANCH;
	case ERR_CONFLICT:
	case ERR_RETRYABLE_CONFLICT:
		return !is_read(o->kind);
	case ERR_READ_SET_CHANGED:
	case ERR_KEY_CONFLICT:
	case ERR_BAD_REQUEST:
	case ERR_MERGE_CONFLICTS:
	case ERR_TYPE:
		return !is_read(o->kind) && !is_maintenance(o->kind);
	case ERR_CHANGE_FEED_GAP:
		return o->kind == OP_FEED && had_cleanup(w);
	default:
		return lost_its_base(w, o);
	}
}

static void check_op(struct world *w, const struct op *o, bool existed)
{
	if (!o->rc && o->commit[0] && !o->seen && model_branch(&w->model, o->branch))
		fail(w, "op%u was acknowledged as %s and is lost", o->number, o->commit);
	if (!o->rc && o->kind == OP_BRANCH && !o->seen && !o->overlapped && !existed)
		fail(w, "op%u: branch %s was acknowledged and is lost", o->number, o->branch);
	if (!o->rc && o->kind == OP_DROP_BRANCH && !o->seen)
		fail(w, "op%u: branch %s was deleted and is there", o->number, o->branch);
	if (o->faulted)
		return;
	if (!o->overlapped)
		check_undisturbed(w, o, existed);
	else if (o->rc && !is_a_lost_race(w, o))
		fail(w, "op%u %s among others: %s", o->number, op_name(o->kind), o->message);
}

/* --- cleanup ------------------------------------------------------------------------------------------------------ */

static bool is_kept(const struct model *m, uint32_t commit, uint32_t keep)
{
	for (size_t i = 0; i < m->n_branches; i++) {
		const struct mbranch *b = &m->branches[i];

		for (size_t k = b->n > keep ? b->n - keep : 0; k < b->n; k++) {
			if (b->chain[k] == commit)
				return true;
		}
	}
	return false;
}

static void note_cleanup(struct world *w, const struct op *o)
{
	for (uint32_t i = 0; i < w->model.n_commits && o->kind == OP_CLEANUP; i++)
		w->model.commits[i].may_be_gone |= !is_kept(&w->model, i, o->keep);
}

/* --- states ---------------------------------------------------------------------------------------------------------- */

static int export_of(struct graph *g, const char *branch, const char *commit, bool tags, struct strbuf *out,
		     struct err *e)
{
	static const char *const types[] = { "Knows", "Lives", "City", "Person", "Tag" };
	struct snapshot *s = NULL;
	int rc = graph_snapshot(g, branch, commit, &s, e);

	if (!rc)
		rc = graph_export(s, types, tags ? 5 : 4, append_text, out, e);
	snapshot_put(s);
	return rc;
}

static void check_state(struct world *w, struct graph *g, const char *who, const char *branch, const struct mcommit *c)
{
	struct strbuf got = STRBUF_INIT, want = STRBUF_INIT;
	const struct mschema *schema = model_schema(&w->model);
	struct err e = ERR_INIT;
	bool tags = schema->incarnation[TYPE_TAG] && has_tags(&c->state, schema);
	int rc = export_of(g, branch, branch ? NULL : c->ci.id, tags, &got, &e);

	mstate_export(&c->state, schema, &want);
	if (rc && !(c->may_be_gone && e.code == ERR_HISTORY_RECLAIMED))
		fail(w, "%s cannot read commit %s%s%s: %s", who, c->ci.id, branch ? ", the head of " : "",
		     branch ? branch : "", err_msg(&e));
	if (!rc && !str_eq(sb_str(&got), sb_str(&want)))
		fail(w, "%s reads in commit %s of %s\n%.*sinstead of\n%.*s", who, c->ci.id, branch ? branch : "old",
		     STR_ARG(sb_str(&got)), STR_ARG(sb_str(&want)));
	sb_free(&got);
	sb_free(&want);
	err_clear(&e);
}

static void check_heads(struct world *w, struct graph *g, const char *who)
{
	for (size_t i = 0; i < w->model.n_branches && !w->failure[0]; i++) {
		struct mbranch *b = &w->model.branches[i];

		check_state(w, g, who, b->name, model_head(&w->model, b));
	}
}

static void check_past(struct world *w, struct graph *g, const char *who)
{
	const struct mbranch *b = &w->model.branches[roll(w, w->model.n_branches)];

	check_state(w, g, who, NULL, &w->model.commits[b->chain[roll(w, b->n)]]);
}

static void check_process(struct world *w, struct graph *g, const char *who)
{
	check_heads(w, g, who);
	check_past(w, g, who);
	if (!w->failure[0] && chance(w, 30))
		check_changes(w, g, who);
}

static void check_states(struct look *l)
{
	struct world *w = l->w;

	check_process(w, l->g, "a new process");
	for (size_t i = 0; i < N_PROCESSES && !w->failure[0]; i++) {
		char who[32];

		snprintf(who, sizeof(who), "process %zu", i);
		if (w->process[i].g && chance(w, 30))
			check_process(w, w->process[i].g, who);
	}
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

static void take_step(struct look *l)
{
	struct world *w = l->w;
	bool existed = w->n_step && model_branch(&w->model, w->ops[0].branch);

	/* a branch that an operation of this step deleted may have got commits before */
	drop_missing(l);
	take_branches(l);
	add_listed(l);
	for (size_t i = 0; i < w->n_step && !w->failure[0]; i++)
		check_op(w, &w->ops[i], existed);
	for (size_t i = 0; i < w->n_step; i++)
		note_cleanup(w, &w->ops[i]);
}

void check_step(struct world *w)
{
	struct graph_open_opts ro = { .read_only = true };
	struct look l = { .w = w };
	struct err e = ERR_INIT;

	if (w->failure[0])
		return;
	if (graph_open_store(w->backing, &ro, &l.g, &e))
		fail(w, "a new process cannot open the graph: %s", err_msg(&e));
	else if (graph_branches(l.g, on_name, &l, &e))
		fail(w, "a new process cannot list the branches: %s", err_msg(&e));
	if (!w->failure[0])
		take_step(&l);
	if (!w->failure[0])
		check_states(&l);
	forget_commits(&l);
	free(l.commits);
	graph_close(l.g);
	err_clear(&e);
}
