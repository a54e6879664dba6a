/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>

#include "engine/store/schema_lock.h"
#include "maint_test.h"

static char *optimize_text(struct graph *g)
{
	struct strbuf out = STRBUF_INIT;
	struct optimize_result r;
	struct json_writer w;

	CHECK_OK(graph_optimize(g, &r, ep));
	jw_init(&w, &out, false);
	jw_begin_object(&w);
	optimize_result_json(&r, &w);
	jw_end_object(&w);
	optimize_result_clear(&r);
	return sb_detach(&out);
}

#define NOTHING(key, pending)                                                                          \
	"{\"type_key\":\"" key "\",\"fragments_removed\":0,\"fragments_added\":0,\"committed\":false," \
	"\"skipped\":null,\"pending_indexes\":[" pending "]}"

static void check_no_op(struct graph *g)
{
	char *text = optimize_text(g);

	CHECK_STR(text, "{\"datasets\":[" NOTHING("edge:Knows",
						  "") "," NOTHING("node:Note", "") "," NOTHING("node:Person", "") "]}");
	free(text);
}

static void changes_nothing(void)
{
	char *list, *list2, *out, *out2, *text;
	struct commits main_, draft;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 12; i++) {
		series_commit(r.g, NULL, i);
		if (i == 4)
			CHECK_OK(graph_branch_create(r.g, "draft", NULL, NULL, ep));
		if (i == 7)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	series_commit(r.g, "draft", 20);
	list = commit_list(r.g, "draft");
	out = export_of(r.g, NULL);
	commits_take(r.g, NULL, &main_);
	commits_take(r.g, "draft", &draft);
	text = optimize_text(r.g);
	CHECK_HAS(text, "{\"type_key\":\"node:Person\",\"fragments_removed\":");
	CHECK_HAS(text, "\"committed\":true");
	free(text);
	for (int again = 0; again < 2; again++) {
		list2 = commit_list(r.g, "draft");
		out2 = export_of(r.g, NULL);
		CHECK_STR(list2, list);
		CHECK_STR(out2, out);
		commits_same(r.g, &main_, main_.n);
		commits_same(r.g, &draft, draft.n);
		check_no_op(r.g);
		free(list2);
		free(out2);
		rig_reopen(&r);
	}
	free(list);
	free(out);
	commits_free(&main_);
	commits_free(&draft);
	rig_close(&r);
}

static void folds_deletions(void)
{
	struct rig r;
	char *text;

	rig_open(&r);
	WRITE(r.g, NULL, NOTE("a"), NOTE("b"), NOTE("c"), NOTE("d"), NOTE("e"), NOTE("f"));
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	WRITE(r.g, NULL, { 'n', "a", NULL, NULL, 0 });
	CHECK_OK(graph_checkpoint(r.g, NULL, ep)); /* keeps the segment with a bitmap */
	text = optimize_text(r.g);
	CHECK_HAS(text, "{\"type_key\":\"node:Note\",\"fragments_removed\":1,\"fragments_added\":1,\"committed\":true");
	free(text);
	WRITE(r.g, NULL, { 'n', "b", NULL, NULL, 0 }, { 'n', "c", NULL, NULL, 0 }, { 'n', "d", NULL, NULL, 0 },
	      { 'n', "e", NULL, NULL, 0 }, { 'n', "f", NULL, NULL, 0 });
	text = optimize_text(r.g);
	CHECK_HAS(text, "{\"type_key\":\"node:Note\",\"fragments_removed\":1,\"fragments_added\":0,\"committed\":true");
	free(text);
	CHECK_INT(count_of(r.g, NULL, "N"), 0);
	check_no_op(r.g);
	rig_close(&r);
}

static void no_checkpoints(void)
{
	struct commits cs;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 8; i++)
		series_commit(r.g, NULL, i);
	commits_take(r.g, NULL, &cs);
	free(optimize_text(r.g));
	CHECK_OK(store_delete_prefix(r.s, "ckpt", ep));
	rig_reopen(&r);
	commits_same(r.g, &cs, cs.n);
	commits_free(&cs);
	rig_close(&r);
}

static int add_size(void *arg, const char *key, const struct store_stat *st)
{
	*(size_t *)arg += st->size;
	return 0;
}

static size_t segment_bytes(struct store *s)
{
	size_t n = 0;

	CHECK_OK(store_list(s, "seg", NULL, true, add_size, &n, ep));
	return n;
}

/* Twenty branches with a commit each do not make twenty copies of what they share. */
static void branches_share(void)
{
	char name[16], id[16];
	size_t alone;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 400; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		WRITE(r.g, NULL, NOTE(id), PERSON(id, 3));
	}
	free(optimize_text(r.g));
	alone = segment_bytes(r.s);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		CHECK_OK(graph_branch_create(r.g, name, NULL, NULL, ep));
		WRITE(r.g, name, PERSON(name, 1), NOTE(name));
	}
	CHECK_OK(graph_branch_create(r.g, "idle", NULL, NULL, ep));
	free(optimize_text(r.g));
	CHECK(segment_bytes(r.s) < 4 * alone);
	check_no_op(r.g);
	rig_reopen(&r);
	CHECK_INT(count_of(r.g, "b7", "P"), 401);
	check_no_op(r.g);
	rig_close(&r);
}

struct writer {
	struct graph *g;
	atomic_bool stop;
	atomic_int commits;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	char id[16];

	for (int i = 0; !atomic_load(&w->stop); i++) {
		snprintf(id, sizeof(id), "w%d", i % 50);
		WRITE(w->g, NULL, PERSON(id, i), NOTE(id));
		atomic_fetch_add(&w->commits, 1);
	}
	return NULL;
}

/* Every commit made beside 20 optimizations stands, in the list and after reopening. */
static void beside_writers(void)
{
	struct writer w = { 0 };
	struct commits cs = { 0 };
	pthread_t th;
	struct rig r;

	rig_open(&r);
	w.g = r.g;
	pthread_create(&th, NULL, write_on, &w);
	for (int i = 0; i < 20 || atomic_load(&w.commits) < 100; i++) {
		struct optimize_result res;
		struct snapshot *s = NULL;
		char *a, *b;

		CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
		a = dump(s);
		CHECK_OK(graph_optimize(r.g, &res, ep));
		optimize_result_clear(&res);
		b = dump(s);
		CHECK_STR(b, a);
		free(a);
		free(b);
		snapshot_put(s);
	}
	atomic_store(&w.stop, true);
	pthread_join(th, NULL);
	rig_reopen(&r);
	CHECK_INT(count_of(r.g, NULL, "P"), w.commits < 50 ? w.commits : 50);
	CHECK_OK(graph_commits(r.g, NULL, on_commit, &cs, ep));
	CHECK_INT(cs.n, w.commits + 1 < 256 ? w.commits + 1 : 256);
	rig_close(&r);
}

static uint32_t n_pending(struct graph *g)
{
	struct optimize_result res;
	uint32_t n = 0;

	CHECK_OK(graph_optimize(g, &res, ep));
	for (uint32_t i = 0; i < res.n; i++) {
		n += res.types[i].n_pending;
		CHECK(!res.types[i].n_pending || str_eqz(res.types[i].pending[0], "v"));
	}
	optimize_result_clear(&res);
	return n;
}

static void pending(void)
{
	struct rig r;

	rig_open_schema(&r, STR("node Person {\n  name: String @key\n  age: I32? @index\n  v: Vector(3)? @index\n}\n"));
	CHECK_INT(n_pending(r.g), 1);
	WRITE(r.g, NULL, PERSON("no-vector", 1));
	CHECK_INT(n_pending(r.g), 1);
	WRITE(r.g, NULL, PERSON("has-vector", 3));
	CHECK_INT(n_pending(r.g), 0);
	rig_close(&r);
}

static void refused(void)
{
	struct graph_open_opts ro = { .read_only = true };
	struct optimize_result res;
	struct err e = ERR_INIT;
	struct graph *g;
	struct rig r;

	rig_open(&r);
	CHECK_OK(graph_open_store(r.s, &ro, &g, ep));
	CHECK(graph_optimize(g, &res, &e) < 0);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	optimize_result_clear(&res);
	graph_close(g);
	CHECK_OK(schema_lock(r.g, ep));
	CHECK(graph_optimize(r.g, &res, &e) < 0);
	CHECK_INT(e.code, ERR_CONFLICT);
	CHECK_STR(err_msg(&e), "optimize is unavailable while schema apply is in progress");
	optimize_result_clear(&res);
	schema_unlock(r.g);
	CHECK_OK(graph_optimize(r.g, &res, ep));
	optimize_result_clear(&res);
	err_clear(&e);
	rig_close(&r);
}

CHECK_MAIN("engine/optimize",
	   { "ENG-71 ENG-12 optimize changes no list, export or old state, and its second run reports nothing",
	     changes_nothing },
	   { "ENG-71 deletions are folded; a type without rows keeps no segment", folds_deletions },
	   { "ENG-72 after optimize the same answers without any derived object", no_checkpoints },
	   { "ENG-71 branches go on sharing what they inherit", branches_share },
	   { "ENG-71 optimize beside a writer blocks and loses nothing", beside_writers },
	   { "ENG-71 an index over vectors of which there are none is pending", pending },
	   { "ENG-71 a read-only handle and a schema apply in progress refuse it", refused }, )
