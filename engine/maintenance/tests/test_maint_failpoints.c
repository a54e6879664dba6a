/* SPDX-License-Identifier: MIT */
#include <sys/wait.h>

#include <omnigraph/failpoint.h>

#include "engine/store/graph_priv.h"
#include "maint_test.h"

#ifdef CONFIG_FAILPOINTS

static const struct cleanup_opts keep_1 = { .by_count = true, .keep_versions = 1, .orphan_age_s = -1 };

static void set(const char *name, const char *action)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "%s=%s", name, action);
	CHECK_OK(failpoint_configure(spec, NULL, ep));
}

static int run_optimize(struct graph *g, struct err *e)
{
	struct optimize_result res;
	int rc = graph_optimize(g, &res, e);

	optimize_result_clear(&res);
	return rc;
}

static int run_cleanup(struct graph *g, struct err *e)
{
	struct cleanup_result res;
	int rc = graph_cleanup(g, &keep_1, &res, e);

	cleanup_result_clear(&res);
	return rc;
}

typedef int (*run_fn)(struct graph *g, struct err *e);

/* Run @fn on the graph at @dir in a child that dies at the point; true when it did. */
static bool dies_at(const char *name, const char *dir, run_fn fn)
{
	struct graph *g;
	char spec[128];
	int status;
	pid_t pid = fork();

	if (!pid) {
		snprintf(spec, sizeof(spec), "%s=crash", name);
		if (failpoint_configure(spec, NULL, NULL) || graph_open(dir, NULL, &g, NULL))
			_exit(0);
		fn(g, NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fill(struct graph *g)
{
	for (int i = 0; i < 6; i++)
		series_commit(g, NULL, i);
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	CHECK_OK(graph_branch_create(g, "b", NULL, NULL, ep));
	series_commit(g, "b", 9);
	series_commit(g, NULL, 7);
}

static void fails_with(struct rig *r, const char *name, run_fn fn)
{
	struct err e = ERR_INIT;

	set(name, "error");
	CHECK(fn(r->g, &e) < 0);
	CHECK_HAS(err_msg(&e), name);
	set(name, "off");
	err_clear(&e);
}

/* Before anything is deleted: an error or death there leaves every commit as it was, and the next run works. */
static void harmless(const char *name, run_fn fn)
{
	char *dir = temp_dir();
	struct commits main_, b;
	struct rig r;

	rig_open_at(&r, dir, STR(FIXTURE_SCHEMA));
	fill(r.g);
	commits_take(r.g, NULL, &main_);
	commits_take(r.g, "b", &b);
	fails_with(&r, name, fn);
	CHECK(dies_at(name, dir, fn));
	for (int again = 0; again < 2; again++) {
		commits_same(r.g, &main_, main_.n);
		commits_same(r.g, &b, b.n);
		rig_reopen(&r);
	}
	CHECK_OK(fn(r.g, ep));
	commits_same(r.g, &main_, 1);
	commits_same(r.g, &b, 1);
	commits_free(&main_);
	commits_free(&b);
	rig_close(&r);
	temp_dir_remove(dir);
}

static void optimize_points(void)
{
	harmless("optimize.post_authority_capture_pre_gates", run_optimize);
	harmless("optimize.before_compact", run_optimize);
}

/* Segments are there without their adjacency, as when they were too small for it. */
static int run_index(struct graph *g, struct err *e)
{
	int rc = run_optimize(g, e);

	g->segs.index_rows = 0;
	return rc ? rc : run_optimize(g, e);
}

static void index_points(void)
{
	harmless("ensure_indices.post_stage_pre_commit_btree", run_index);
}

static void cleanup_points(void)
{
	harmless("cleanup.resolve_branch_snapshot", run_cleanup);
	harmless("cleanup.post_recovery_check_pre_gates", run_cleanup);
}

static size_t n_segments(struct store *s)
{
	char *text = contents(s), *p = text;
	size_t n = 0;

	while ((p = strstr(p, "seg/"))) {
		n++;
		p++;
	}
	free(text);
	return n;
}

/* The first type in order, edge:Knows, fails: the others are done, and the next cleanup does what is left. */
static void one_type_fails(void)
{
	char *dir = temp_dir();
	struct cleanup_result res;
	struct commits cs;
	size_t after;
	struct rig r;

	rig_open_at(&r, dir, STR(FIXTURE_SCHEMA));
	fill(r.g);
	CHECK_OK(graph_branch_delete(r.g, "b", NULL, ep));
	commits_take(r.g, NULL, &cs);
	set("cleanup.table_gc", "1*error");
	CHECK_OK(graph_cleanup(r.g, &keep_1, &res, ep));
	set("cleanup.table_gc", "off");
	CHECK_HAS(res.types[0].error, "cleanup.table_gc");
	for (uint32_t i = 1; i < res.n; i++)
		CHECK(!res.types[i].error);
	cleanup_result_clear(&res);
	after = n_segments(r.s);
	commits_same(r.g, &cs, 1);
	CHECK_OK(graph_cleanup(r.g, &keep_1, &res, ep));
	CHECK(!res.types[0].error);
	CHECK(res.types[0].bytes_removed > 0);
	CHECK(res.types[0].old_versions_removed > 0);
	cleanup_result_clear(&res);
	CHECK(n_segments(r.s) < after);
	rig_reopen(&r);
	commits_same(r.g, &cs, 1);
	commits_free(&cs);
	rig_close(&r);
	temp_dir_remove(dir);
}

/* Death between the deletions: what is kept reads as it did, and the next run leaves what an undisturbed one leaves. */
static void death_while_deleting(void)
{
	char *dir = temp_dir(), *list, *now;
	struct commits cs;
	struct rig r;

	rig_open_at(&r, dir, STR(FIXTURE_SCHEMA));
	fill(r.g);
	commits_take(r.g, NULL, &cs);
	list = commit_list(r.g, NULL);
	CHECK(dies_at("cleanup.table_gc", dir, run_cleanup));
	CHECK(dies_at("cleanup.table_gc", dir, run_cleanup));
	for (int again = 0; again < 2; again++) {
		commits_same(r.g, &cs, 1);
		now = commit_list(r.g, NULL);
		CHECK_STR(now, list);
		free(now);
		rig_reopen(&r);
	}
	CHECK_OK(run_cleanup(r.g, ep));
	free(list);
	list = contents(r.s);
	CHECK_OK(run_cleanup(r.g, ep));
	now = contents(r.s);
	CHECK_STR(now, list);
	free(now);
	free(list);
	commits_free(&cs);
	rig_close(&r);
	temp_dir_remove(dir);
}

CHECK_MAIN("engine/maintenance failpoints", { "ENG-71 optimize fails or dies at each point", optimize_points },
	   { "ENG-71 an error or death at the index point loses nothing, and the next run finishes", index_points },
	   { "ENG-73 cleanup fails or dies before it deletes", cleanup_points },
	   { "ENG-73 one type's failure does not stop the others", one_type_fails },
	   { "ENG-73 cleanup dies while it deletes", death_while_deleting }, )

#else

CHECK_MAIN("engine/maintenance failpoints", )

#endif
