/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of one operation inside another of a second process, at each call of the store, and every call failing or being
 * the last. What the simulation (tools/sim) found by chance is tried here one by one.
 */
#include <omnigraph/changes.h>

#include "fs/sim.h"
#include "maint_test.h"

typedef int (*act_fn)(struct graph *g, struct err *e);

struct world {
	struct rig r; /* on the store behind the simulated one */
	struct sim *sim;
	struct store *s[2];
	struct graph *g[2];
	char *head, *branch;
	/* the second process acts at this call of the first, counted from when it is set */
	uint64_t at, calls;
	act_fn inner;
	bool acted;
	enum err_code inner_code;
};

static void at_call(void *arg)
{
	struct world *w = arg;
	struct err e = ERR_INIT;

	if (!w->at || ++w->calls != w->at)
		return;
	w->at = 0;
	w->acted = true;
	w->inner(w->g[1], &e);
	w->inner_code = e.code;
	err_clear(&e);
}

static int keep_n(struct graph *g, uint64_t n, struct err *e)
{
	struct cleanup_opts o = { .by_count = true, .keep_versions = n };
	struct cleanup_result res;
	int rc = graph_cleanup(g, &o, &res, e);

	cleanup_result_clear(&res);
	return rc;
}

static int cleanup_1(struct graph *g, struct err *e)
{
	return keep_n(g, 1, e);
}

static int cleanup_3(struct graph *g, struct err *e)
{
	return keep_n(g, 3, e);
}

static int optimize(struct graph *g, struct err *e)
{
	struct optimize_result res;
	int rc = graph_optimize(g, &res, e);

	optimize_result_clear(&res);
	return rc;
}

static int checkpoint(struct graph *g, struct err *e)
{
	return graph_checkpoint(g, NULL, e);
}

/* Both processes know the graph; main has a checkpoint, commits behind it (@covered: and one of them), and a branch with its own. */
static void world_open(struct world *w, act_fn inner, bool covered)
{
	*w = (struct world){ .inner = inner };
	rig_open(&w->r);
	for (int i = 0; i < 4; i++)
		series_commit(w->r.g, NULL, i);
	WRITE(w->r.g, NULL, NOTE("n1"), NOTE("n2"), NOTE("n3"), NOTE("n4"), NOTE("n5"), NOTE("n6"));
	CHECK_OK(graph_checkpoint(w->r.g, NULL, ep));
	CHECK_OK(graph_branch_create(w->r.g, "b", NULL, NULL, ep));
	series_commit(w->r.g, "b", 7);
	w->sim = sim_new(w->r.s, 1, at_call, w);
	for (int i = 0; i < 2; i++) {
		w->s[i] = sim_process(w->sim, false);
		CHECK_OK(graph_open_store(w->s[i], NULL, &w->g[i], ep));
		free(dump_branch(w->g[i], NULL, NULL));
		free(dump_branch(w->g[i], "b", NULL));
	}
	series_commit(w->g[1], NULL, 4);
	series_commit(w->g[0], NULL, 5);
	WRITE(w->g[0], NULL, { 'n', "n1", NULL, NULL, 0 }); /* a bitmap in the next checkpoint, for optimize to fold */
	if (covered)
		CHECK_OK(graph_checkpoint(w->g[0], NULL, ep));
	w->head = dump_branch(w->g[0], NULL, NULL);
	w->branch = dump_branch(w->g[0], "b", NULL);
}

static void check_whole(struct world *w, struct graph *g)
{
	char *head = dump_branch(g, NULL, NULL), *branch = dump_branch(g, "b", NULL);

	CHECK_STR(head, w->head);
	CHECK_STR(branch, w->branch);
	free(head);
	free(branch);
}

static void world_close(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		graph_close(w->g[i]);
		store_close(w->s[i]);
	}
	sim_free(w->sim);
	free(w->head);
	free(w->branch);
	rig_close(&w->r);
}

static bool is_fine(enum err_code code)
{
	return code == ERR_NONE || code == ERR_RETRYABLE_CONFLICT;
}

/* Nothing is lost, whatever happens when; neither fails but as another cleanup in the way; both can be run again. */
static void interleave_on(act_fn outer, act_fn inner, bool covered)
{
	bool more = true;

	for (uint64_t at = 1; more && at < 500; at++) {
		struct err e = ERR_INIT;
		struct world w;

		world_open(&w, inner, covered);
		w.at = at;
		outer(w.g[0], &e);
		more = w.acted;
		if (!is_fine(e.code))
			fprintf(stderr, "# at call %llu: %s\n", (unsigned long long)at, err_msg(&e));
		CHECK(is_fine(e.code));
		CHECK(is_fine(w.inner_code));
		w.at = 0;
		err_clear(&e);
		rig_reopen(&w.r);
		check_whole(&w, w.r.g);
		CHECK_OK(outer(w.g[0], ep));
		CHECK_OK(inner(w.g[1], ep));
		rig_reopen(&w.r);
		check_whole(&w, w.r.g);
		check_whole(&w, w.g[0]);
		world_close(&w);
	}
	CHECK(!more);
}

static void interleave(act_fn outer, act_fn inner)
{
	interleave_on(outer, inner, false);
	interleave_on(outer, inner, true);
}

static void cleanup_inside_others(void)
{
	interleave(checkpoint, cleanup_1);
	interleave(optimize, cleanup_1);
	interleave(cleanup_3, cleanup_1);
}

static void others_inside_cleanup(void)
{
	interleave(cleanup_1, checkpoint);
	interleave(cleanup_1, optimize);
	interleave(cleanup_1, cleanup_3);
	interleave(optimize, checkpoint);
	interleave(checkpoint, optimize);
	interleave(optimize, optimize);
}

/* The n-th call of the store fails, or is the last of the process. */
static void each_call(act_fn act, bool dies)
{
	bool failed = true;

	for (uint64_t n = 1; failed && n < 500; n++) {
		struct sim_faults f = { .fail_at = dies ? 0 : n, .die_at = dies ? n : 0 };
		struct err e = ERR_INIT;
		struct world w;
		uint64_t before;

		world_open(&w, NULL, false);
		before = sim_calls(w.sim);
		sim_arm(w.s[0], &f);
		act(w.g[0], &e);
		failed = sim_calls(w.sim) - before >= n;
		err_clear(&e);
		sim_arm(w.s[0], NULL);
		rig_reopen(&w.r);
		check_whole(&w, w.r.g);
		CHECK_OK(act(w.g[1], ep));
		rig_reopen(&w.r);
		check_whole(&w, w.r.g);
		world_close(&w);
	}
	CHECK(!failed);
}

static void errors(void)
{
	each_call(cleanup_1, false);
	each_call(optimize, false);
	each_call(checkpoint, false);
}

static void deaths(void)
{
	each_call(cleanup_1, true);
	each_call(optimize, true);
	each_call(checkpoint, true);
}

/* The feed of main from the first commit on, appended. */
static int feed_text(struct graph *g, struct strbuf *out, struct err *e)
{
	static const struct change_filter all = { 0 };
	struct change_limits limits = CHANGE_LIMITS_DEFAULT;
	struct change_position at = { .start = NULL };
	struct commits cs = { .n = 0 };
	char start[64];
	int rc = graph_commits(g, NULL, on_commit, &cs, e);

	if (rc)
		return rc;
	snprintf(start, sizeof(start), "after:%s", cs.id[cs.n - 1]);
	at.start = start;
	return graph_changes(g, NULL, &all, &at, &limits, out, e);
}

static enum err_code feed_code(struct graph *g)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	enum err_code code;

	feed_text(g, &out, &e);
	code = e.code;
	sb_free(&out);
	err_clear(&e);
	return code;
}

static void feed_beside_cleanup(void)
{
	bool more = true;

	for (uint64_t at = 1; more && at < 500; at++) {
		struct world w;
		enum err_code code;

		world_open(&w, cleanup_1, false);
		w.at = at;
		code = feed_code(w.g[0]);
		more = w.acted;
		CHECK(code == ERR_NONE || code == ERR_CHANGE_FEED_GAP);
		world_close(&w);
	}
	CHECK(!more);
}

/* A consumer that is told its position is wrong starts over. */
static void feed_with_errors(void)
{
	bool failed = true;

	for (uint64_t n = 1; failed && n < 500; n++) {
		struct sim_faults f = { .fail_at = n };
		enum err_code code;
		struct world w;
		uint64_t before;

		world_open(&w, NULL, false);
		before = sim_calls(w.sim);
		sim_arm(w.s[0], &f);
		code = feed_code(w.g[0]);
		failed = sim_calls(w.sim) - before >= n;
		CHECK(code == ERR_NONE || code == ERR_STORAGE);
		sim_arm(w.s[0], NULL);
		CHECK_INT(feed_code(w.g[0]), ERR_NONE);
		world_close(&w);
	}
	CHECK(!failed);
}

/* Of main the newest two commits are kept, and for the branch the older two, whose records are gone. */
static void feed_between_points(void)
{
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("a", 1), PERSON("b", 1), KNOWS("k", "a", "b"));
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	WRITE(r.g, NULL, PERSON("a", 2), DEL_KNOWS("k"), DEL_PERSON("b"));
	WRITE(r.g, NULL, PERSON("c", 3));
	CHECK_OK(feed_text(r.g, &before, ep));
	CHECK_OK(keep_n(r.g, 2, ep));
	rig_reopen(&r);
	CHECK_OK(feed_text(r.g, &after, ep));
	CHECK_STR(after.s, before.s);
	sb_free(&before);
	sb_free(&after);
	rig_close(&r);
}

/* What a cleanup kept for a branch that is gone by now is among the newest commits of main. */
static void points_stay(void)
{
	struct commits cs;
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("a", 1));
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	WRITE(r.g, NULL, PERSON("b", 1));
	commits_take(r.g, NULL, &cs);
	CHECK_OK(cleanup_1(r.g, ep));
	CHECK_OK(graph_branch_delete(r.g, "b", NULL, ep));
	CHECK_OK(cleanup_3(r.g, ep));
	commits_same(r.g, &cs, 2);
	commits_free(&cs);
	rig_close(&r);
}

CHECK_MAIN("engine/maintenance races",
	   { "ENG-71 ENG-73 a cleanup at any moment of a checkpoint, an optimize, another cleanup",
	     cleanup_inside_others },
	   { "ENG-71 ENG-73 a checkpoint, optimize or cleanup at any moment of another", others_inside_cleanup },
	   { "ENG-73 a call of the store that fails loses nothing", errors },
	   { "ENG-71 ENG-73 death at any call of the store loses nothing", deaths },
	   { "ENG-69 a feed beside a cleanup tells all or says that it has a gap", feed_beside_cleanup },
	   { "ENG-68 a call of the store that fails does not make a position wrong", feed_with_errors },
	   { "ENG-62 ENG-73 a commit is told as long as its state and its parent's are kept", feed_between_points },
	   { "ENG-73 what is among the newest commits stays, though it was kept for another reason", points_stay })
