/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>

#include "maint_test.h"

#include "engine/store/schema_lock.h"
#include "engine/store/segment.h"

static const struct cleanup_opts keep_1 = { .by_count = true, .keep_versions = 1, .orphan_age_s = -1 };
static const struct cleanup_opts keep_3 = { .by_count = true, .keep_versions = 3, .orphan_age_s = -1 };

struct total {
	uint64_t bytes, versions;
};

static struct total cleanup(struct graph *g, const struct cleanup_opts *o)
{
	struct total t = { 0 };
	struct cleanup_result res;

	CHECK_OK(graph_cleanup(g, o, &res, ep));
	for (uint32_t i = 0; i < res.n; i++) {
		t.bytes += res.types[i].bytes_removed;
		t.versions += res.types[i].old_versions_removed;
		CHECK(!res.types[i].error);
	}
	cleanup_result_clear(&res);
	return t;
}

static void check_gone(struct graph *g, const char *commit)
{
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	struct commit_info ci;

	CHECK(graph_snapshot(g, NULL, commit, &s, &e) < 0);
	CHECK_INT(e.code, ERR_HISTORY_RECLAIMED);
	CHECK_INT(err_http_status(e.code), 500);
	CHECK_HAS(err_msg(&e), commit);
	CHECK_STR(err_get_detail(&e, "graph_commit_id"), commit);
	CHECK_OK(graph_commit(g, commit, &ci, ep));
	CHECK_STR(ci.id, commit);
	commit_info_clear(&ci);
	err_clear(&e);
}

/* Run twice and reopen: the newest @kept of @cs read as they did, the others are gone, the list is the same, nothing more goes. */
static void check_after(struct rig *r, const struct commits *cs, size_t kept, const char *list)
{
	for (int again = 0; again < 2; again++) {
		char *now = commit_list(r->g, NULL);

		CHECK_STR(now, list);
		free(now);
		commits_same(r->g, cs, kept);
		for (size_t i = kept; i < cs->n; i++)
			check_gone(r->g, cs->id[i]);
		rig_reopen(r);
	}
}

static void keeps_the_newest(void)
{
	struct total t;
	struct commits cs;
	struct rig r;
	char *list, *before, *after;

	rig_open(&r);
	for (int i = 0; i < 12; i++) {
		series_commit(r.g, NULL, i);
		if (i % 5 == 3)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	commits_take(r.g, NULL, &cs);
	list = commit_list(r.g, NULL);
	t = cleanup(r.g, &keep_3);
	CHECK(t.bytes > 0);
	CHECK(t.versions > 0);
	before = contents(r.s);
	check_after(&r, &cs, 3, list);
	t = cleanup(r.g, &keep_3);
	CHECK_INT(t.bytes, 0);
	CHECK_INT(t.versions, 0);
	after = contents(r.s);
	CHECK_STR(after, before);
	free(before);
	free(after);
	cleanup(r.g, &keep_1);
	check_after(&r, &cs, 1, list);
	cleanup(r.g, &keep_3); /* what is gone does not come back */
	check_after(&r, &cs, 1, list);
	series_commit(r.g, NULL, 40);
	commits_same(r.g, &cs, 1);
	free(list);
	commits_free(&cs);
	rig_close(&r);
}

static void keeps_what_branches_need(void)
{
	struct commits main_, draft;
	struct rig r;
	char fork[ULID_LEN + 1], *list, *a, *b;

	rig_open(&r);
	for (int i = 0; i < 4; i++)
		series_commit(r.g, NULL, i);
	CHECK_OK(graph_branch_create(r.g, "idle", NULL, NULL, ep));
	head_id(r.g, "idle", fork);
	CHECK_OK(graph_branch_create(r.g, "draft", NULL, NULL, ep));
	series_commit(r.g, "draft", 30);
	CHECK_OK(graph_branch_create(r.g, "nested", "draft", NULL, ep));
	for (int i = 4; i < 10; i++) {
		series_commit(r.g, NULL, i);
		series_commit(r.g, "draft", 30 + i);
	}
	series_commit(r.g, "nested", 50);
	commits_take(r.g, NULL, &main_);
	commits_take(r.g, "draft", &draft);
	a = dump_branch(r.g, "nested", NULL);
	list = commit_list(r.g, "nested");
	cleanup(r.g, &keep_1);
	for (int again = 0; again < 2; again++) {
		commits_same(r.g, &main_, 1);
		commits_same(r.g, &draft, 1);
		for (size_t i = 1; i < main_.n; i++) {
			if (strcmp(main_.id[i], fork) != 0)
				check_gone(r.g, main_.id[i]);
		}
		b = dump_branch(r.g, "nested", NULL);
		CHECK_STR(b, a);
		free(b);
		b = dump_branch(r.g, NULL, fork);
		free(b);
		b = commit_list(r.g, "nested");
		CHECK_STR(b, list);
		free(b);
		rig_reopen(&r);
	}
	series_commit(r.g, "idle", 70);
	commits_free(&main_);
	commits_free(&draft);
	free(list);
	free(a);
	rig_close(&r);
}

static void refused(struct graph *g, const struct cleanup_opts *o, enum err_code code, const char *text)
{
	struct cleanup_result res;
	struct err e = ERR_INIT;

	CHECK(graph_cleanup(g, o, &res, &e) < 0);
	CHECK_INT(e.code, code);
	CHECK_HAS(err_msg(&e), text);
	cleanup_result_clear(&res);
	err_clear(&e);
}

static void refusals(void)
{
	static const struct cleanup_opts none;
	struct graph_open_opts ro = { .read_only = true };
	struct graph *g;
	struct rig r;

	rig_open(&r);
	refused(r.g, &none, ERR_BAD_REQUEST, "cleanup requires at least one of keep_versions or older_than");
	CHECK_OK(graph_open_store(r.s, &ro, &g, ep));
	refused(g, &keep_1, ERR_BAD_REQUEST, "is open read-only");
	graph_close(g);
	CHECK_OK(schema_lock(r.g, ep));
	refused(r.g, &keep_1, ERR_CONFLICT, "cleanup is unavailable while schema apply is in progress");
	schema_unlock(r.g);
	cleanup(r.g, &keep_1);
	rig_close(&r);
}

static int first_key(void *arg, const char *key, const struct store_stat *st)
{
	snprintf(arg, 256, "%s", key);
	return 1;
}

/* A branch whose only segment is damaged, or gone: nothing at all is deleted. */
static void unreadable_branch(void)
{
	char key[256] = "", *before, *after;
	struct store_object o;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 3; i++)
		WRITE(r.g, NULL, PERSON("ada", i + 1));
	cleanup(r.g, &keep_1); /* now the checkpoint is needed */
	for (int i = 0; i < 3; i++)
		WRITE(r.g, NULL, NOTE("n"), PERSON("bob", i));
	graph_close(r.g);
	CHECK(store_list(r.s, "seg", NULL, false, first_key, key, NULL) == 1);
	CHECK_OK(store_get(r.s, key, 1u << 20, &o, ep));
	for (int i = 0; i < 2; i++) {
		if (i) {
			CHECK_OK(store_delete(r.s, key, ep));
		} else {
			((char *)o.data)[o.n / 2] ^= 1;
			CHECK_OK(store_put(r.s, key, o.data, o.n, ep));
			((char *)o.data)[o.n / 2] ^= 1;
		}
		before = contents(r.s);
		if (!graph_open_store(r.s, NULL, &r.g, NULL)) {
			refused(r.g, &keep_1, ERR_STORAGE, "cleanup deleted nothing");
			graph_close(r.g);
		}
		after = contents(r.s);
		CHECK_STR(after, before);
		free(before);
		free(after);
		CHECK_OK(store_put(r.s, key, o.data, o.n, ep));
	}
	store_object_free(&o);
	CHECK_OK(graph_open_store(r.s, NULL, &r.g, ep));
	cleanup(r.g, &keep_1);
	CHECK_INT(count_of(r.g, NULL, "P"), 2);
	rig_close(&r);
}

static void by_age(void)
{
	struct cleanup_opts old = { .by_age = true, .older_than_s = 3600, .orphan_age_s = -1 };
	struct commits cs;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 5; i++)
		WRITE(r.g, NULL, PERSON("ada", i + 1));
	commits_take(r.g, NULL, &cs);
	cleanup(r.g, &old); /* all are young */
	commits_same(r.g, &cs, cs.n);
	old.by_count = true;
	old.keep_versions = 2;
	cleanup(r.g, &old); /* both have to allow it */
	commits_same(r.g, &cs, cs.n);
	old.older_than_s = UINT64_MAX;
	cleanup(r.g, &old);
	commits_same(r.g, &cs, cs.n);
	old.older_than_s = 0;
	cleanup(r.g, &old);
	commits_same(r.g, &cs, 2);
	check_gone(r.g, cs.id[2]);
	old.by_count = false;
	cleanup(r.g, &old);
	commits_same(r.g, &cs, 1);
	check_gone(r.g, cs.id[1]);
	commits_free(&cs);
	rig_close(&r);
}

static void garbage(void)
{
	struct cleanup_opts careful = { .by_count = true, .keep_versions = 100 };
	char digest[SHA256_HEX_LEN + 1], key[128], *text, id[ULID_LEN + 1], log[64];
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("ada", 1));
	CHECK_OK(graph_branch_create(r.g, "gone", NULL, NULL, ep));
	for (int i = 0; i < 4; i++)
		series_commit(r.g, "gone", i);
	CHECK_OK(graph_checkpoint(r.g, "gone", ep));
	CHECK_OK(graph_branch_delete(r.g, "gone", NULL, ep));
	ulid_new(id); /* of a crashed init */
	snprintf(log, sizeof(log), "log/%s", id);
	CHECK_OK(store_log_append(r.s, log, 1, "x", 1, ep));
	sha256_hex("orphan", 6, digest);
	snprintf(key, sizeof(key), "seg/%s.arrow", digest);
	CHECK_OK(store_put(r.s, key, "orphan", 6, ep));
	snprintf(key, sizeof(key), "blob/%s", digest);
	CHECK_OK(store_put(r.s, key, "orphan", 6, ep));
	snprintf(key, sizeof(key), "schema/%s.pg", digest);
	CHECK_OK(store_put(r.s, key, "orphan", 6, ep));
	cleanup(r.g, &careful);
	text = contents(r.s);
	CHECK(strstr(text, id) == NULL);
	CHECK(strstr(text, "ckpt/") == NULL);
	for (int i = 0; i < 3; i++) { /* they are young */
		snprintf(key, sizeof(key), "%s/%s", i == 0 ? "seg" : i == 1 ? "blob" : "schema", digest);
		CHECK_HAS(text, key);
	}
	free(text);
	careful.orphan_age_s = -1;
	cleanup(r.g, &careful);
	text = contents(r.s);
	CHECK(strstr(text, digest) == NULL);
	free(text);
	rig_reopen(&r);
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	CHECK_OK(graph_branch_create(r.g, "gone", NULL, NULL, ep));
	rig_close(&r);
}

/* A handle that was idle while its log was trimmed sees the head, writes on, and is told what is gone; what it holds stays. */
static void other_handles(void)
{
	struct commits cs = { 0 };
	struct snapshot *held = NULL;
	struct graph *idle;
	char *a, *b;
	struct rig r;

	rig_open(&r);
	series_commit(r.g, NULL, 0);
	CHECK_OK(graph_open_store(r.s, NULL, &idle, ep));
	CHECK_OK(graph_snapshot(idle, NULL, NULL, &held, ep));
	a = dump(held);
	for (int i = 1; i < 8; i++)
		series_commit(r.g, NULL, i);
	CHECK_OK(graph_commits(r.g, NULL, on_commit, &cs, ep));
	cleanup(r.g, &keep_1);
	check_gone(idle, cs.id[cs.n - 2]);
	b = dump(held);
	CHECK_STR(b, a);
	free(a);
	free(b);
	a = dump_branch(r.g, NULL, NULL);
	b = dump_branch(idle, NULL, NULL);
	CHECK_STR(b, a);
	free(a);
	free(b);
	snapshot_put(held);
	series_commit(idle, NULL, 20);
	for (int i = 30; i < 36; i++)
		series_commit(r.g, NULL, i);
	cleanup(r.g, &keep_1);
	series_commit(idle, NULL, 40); /* a write is the first to notice */
	a = dump_branch(r.g, NULL, NULL);
	b = dump_branch(idle, NULL, NULL);
	CHECK_STR(b, a);
	free(a);
	free(b);
	CHECK_OK(graph_checkpoint(idle, NULL, ep));
	graph_close(idle);
	rig_reopen(&r);
	rig_close(&r);
}

static void merge_with(struct graph *g, const char *source)
{
	struct merge_opts o = { .source = source };
	struct merge_result res = { 0 };

	CHECK_OK(graph_merge(g, &o, &res, ep));
	CHECK(res.has_commit);
	merge_result_clear(&res);
}

/* After a merge the base of the next one is the commit that was merged, not the fork point. */
static void merge_base_stays(void)
{
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("ada", 1));
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	WRITE(r.g, "b", PERSON("bob", 1));
	WRITE(r.g, "b", PERSON("bob", 2));
	WRITE(r.g, NULL, NOTE("n"));
	merge_with(r.g, "b");
	WRITE(r.g, NULL, PERSON("bob", 3));
	for (int i = 0; i < 4; i++)
		WRITE(r.g, "b", PERSON("eve", i + 1));
	cleanup(r.g, &keep_1);
	rig_reopen(&r);
	merge_with(r.g, "b"); /* from the fork point, bob would conflict */
	CHECK_INT(count_of(r.g, NULL, "P"), 3);
	rig_close(&r);
}

#define GROUP_THREADS 8

static void *group_writer(void *arg)
{
	struct graph *g = *(struct graph **)arg;
	char id[32];

	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "%p-%d", arg, i);
		WRITE(g, NULL, NOTE(id), PERSON(id, i));
	}
	return NULL;
}

/* Records that hold several commits: the oldest kept commit may stand inside one. */
static void group_commits(void)
{
	struct graph *g[GROUP_THREADS];
	pthread_t th[GROUP_THREADS];
	char *list, *root = temp_root();
	struct commits cs;
	uint64_t next;
	char log[64];
	struct rig r;

	rig_open_at(&r, root, STR(FIXTURE_SCHEMA)); /* its appends take long enough for commits to meet */
	for (int i = 0; i < GROUP_THREADS; i++) {
		g[i] = r.g;
		pthread_create(&th[i], NULL, group_writer, &g[i]);
	}
	for (int i = 0; i < GROUP_THREADS; i++)
		pthread_join(th[i], NULL);
	commits_take(r.g, NULL, &cs);
	log_key(r.g->main_id, log);
	CHECK_OK(store_log_tail(r.s, log, &next, ep));
	CHECK(next - 1 < cs.n);
	list = commit_list(r.g, NULL);
	for (int keep = 40; keep > 0; keep -= 3) {
		struct cleanup_opts o = { .by_count = true, .keep_versions = (uint64_t)keep, .orphan_age_s = -1 };

		cleanup(r.g, &o);
		check_after(&r, &cs, (size_t)keep, list);
	}
	free(list);
	commits_free(&cs);
	rig_close(&r);
	temp_root_remove(root);
}

static int large_prepare(void *arg, struct txn *t, struct err *e)
{
	const struct type *ty = op_type(snapshot_catalog(txn_base(t)), 'N');
	char *text = arena_alloc(txn_arena(t), 4096), id[16];

	memset(text, 'x', 4096);
	txn_truncate(t, ty);
	for (int i = 0; i < 300; i++) {
		struct val *v = arena_new(txn_arena(t), struct val);
		struct row_image row = { .vals = v };

		*v = val_str((struct str){ text, 4096 });
		snprintf(id, sizeof(id), "n%d", i);
		row.id = arena_str(txn_arena(t), str_from(id));
		if (txn_put(t, ty, &row, e))
			return -1;
	}
	return 0;
}

static int add_size(void *arg, const char *key, const struct store_stat *st)
{
	*(size_t *)arg += st->size;
	return 0;
}

static size_t bytes_of(struct store *s, const char *prefix)
{
	size_t n = 0;

	CHECK_OK(store_list(s, prefix, NULL, true, add_size, &n, ep));
	return n;
}

static void segments_go(void)
{
	struct write_req req = { .kind = WRITE_LOAD, .retryable = true, .prepare = large_prepare };
	struct commit_info ci;
	size_t before;
	struct total t;
	bool committed;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(graph_write(r.g, &req, &committed, &ci, ep));
		commit_info_clear(&ci);
	}
	before = bytes_of(r.s, "seg");
	t = cleanup(r.g, &keep_1);
	CHECK_INT(bytes_of(r.s, "seg"), before / 3);
	CHECK(t.bytes >= before / 3 * 2);
	CHECK_INT(t.versions, 3);
	rig_reopen(&r);
	CHECK_INT(count_of(r.g, NULL, "N"), 300);
	rig_close(&r);
}

/* The object of a segment is gone, though this handle still has it mapped. */
static void mapped_but_gone(void)
{
	char key[256] = "", *before, *after;
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("ada", 1));
	WRITE(r.g, NULL, PERSON("bob", 1));
	cleanup(r.g, &keep_1);
	CHECK(store_list(r.s, "seg", NULL, false, first_key, key, NULL) == 1);
	CHECK_OK(store_delete(r.s, key, ep));
	before = contents(r.s);
	refused(r.g, &keep_1, ERR_STORAGE, key);
	after = contents(r.s);
	CHECK_STR(after, before);
	free(before);
	free(after);
	rig_close(&r);
}

/* A dropped property and a dropped type: not one byte of their values is left. */
static void drops(void)
{
	static const char with[] = "node Person {\n  name: String @key\n  age: I32?\n}\n"
				   "node Note {\n  text: String?\n}\n";
	static const char without[] = "node Person {\n  name: String @key\n}\n";
	struct schema_apply_opts hard = { .allow_data_loss = true };
	struct schema_apply_result res;
	char *text, *state, *now;
	struct commits cs = { 0 };
	struct rig r;

	rig_open_schema(&r, STR(with));
	WRITE(r.g, NULL, PERSON("ada", 77), NOTE("secret"));
	CHECK_OK(graph_commits(r.g, NULL, on_commit, &cs, ep));
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	CHECK_OK(graph_schema_apply(r.g, STR(without), &hard, &res, ep));
	sb_free(&res.plan);
	state = dump_branch(r.g, NULL, NULL);
	cleanup(r.g, &keep_1);
	text = contents(r.s);
	CHECK_INT(bytes_of(r.s, "seg") > 0, 1);
	free(text);
	check_gone(r.g, cs.id[0]);
	rig_reopen(&r);
	now = dump_branch(r.g, NULL, NULL);
	CHECK_STR(now, state);
	free(now);
	free(state);
	text = NULL;
	{
		struct snapshot *s = NULL;
		const struct type *ty;

		CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
		ty = catalog_node(snapshot_catalog(s), STR("Person"));
		for (uint32_t i = 0; i < table_n_runs(snapshot_table(s, ty)); i++)
			CHECK_INT(segment_n_columns(table_run(snapshot_table(s, ty), i)->seg->s), 4);
		snapshot_put(s);
	}
	rig_close(&r);
}

struct creator {
	struct graph *g;
	atomic_bool stop;
	int made;
};

static void *create_branches(void *arg)
{
	struct creator *c = arg;
	char name[32];

	while (!atomic_load(&c->stop) && c->made < test_times(60, 20)) {
		snprintf(name, sizeof(name), "b%d", c->made);
		CHECK_OK(graph_branch_create(c->g, name, NULL, NULL, ep));
		c->made++;
		series_commit(c->g, NULL, c->made);
	}
	return NULL;
}

/* Writers and creators of another handle never fail beside a cleanup, and every branch can be read afterwards. */
static void beside_others(void)
{
	struct creator c = { 0 };
	pthread_t th;
	char name[32];
	struct rig r;

	rig_open(&r);
	CHECK_OK(graph_open_store(r.s, NULL, &c.g, ep));
	pthread_create(&th, NULL, create_branches, &c);
	for (int i = 0; i < test_times(12, 8); i++) {
		struct cleanup_result res;
		struct err e = ERR_INIT;
		struct cleanup_opts o = keep_1;

		o.orphan_age_s = 0;
		if (graph_cleanup(r.g, &o, &res, &e))
			CHECK_INT(e.code, ERR_RETRYABLE_CONFLICT);
		cleanup_result_clear(&res);
		err_clear(&e);
	}
	atomic_store(&c.stop, true);
	pthread_join(th, NULL);
	graph_close(c.g);
	rig_reopen(&r);
	for (int i = 0; i < c.made; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		free(dump_branch(r.g, name, NULL));
	}
	rig_close(&r);
}

struct find_history {
	bool list; /* a list of commits, not the object that says what is kept */
	char key[256];
};

static int is_history(void *arg, const char *key, const struct store_stat *st)
{
	struct find_history *f = arg;

	if (f->list == str_ends(str_from(key), STR(".json")))
		return 0;
	snprintf(f->key, sizeof(f->key), "%s", key);
	return 1;
}

/* What says what was removed is damaged: the head goes on; the past, the list and the next cleanup are refused by the object's name. */
static void damaged_history(bool list)
{
	struct find_history f = { .list = list };
	struct commits cs = { 0 };
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	struct store_object o;
	char *before, *after;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 4; i++)
		series_commit(r.g, NULL, i);
	CHECK_OK(graph_commits(r.g, NULL, on_commit, &cs, ep));
	cleanup(r.g, &keep_1);
	CHECK(store_list(r.s, "history", NULL, true, is_history, &f, NULL) == 1);
	CHECK_OK(store_get(r.s, f.key, 1u << 20, &o, ep));
	for (size_t at = 0; at < o.n; at += 7) {
		((char *)o.data)[at] ^= 1;
		CHECK_OK(store_put(r.s, f.key, o.data, o.n, ep));
		((char *)o.data)[at] ^= 1;
		rig_reopen(&r);
		before = contents(r.s);
		CHECK(graph_snapshot(r.g, NULL, cs.id[cs.n - 1], &s, &e) < 0);
		CHECK_INT(e.code, ERR_STORAGE);
		CHECK_HAS(err_msg(&e), f.key);
		CHECK(graph_commits(r.g, NULL, on_commit, &cs, &e) < 0);
		CHECK_HAS(err_msg(&e), f.key);
		refused(r.g, &keep_3, ERR_STORAGE, f.key);
		after = contents(r.s);
		CHECK_STR(after, before);
		free(before);
		free(after);
		CHECK_INT(count_of(r.g, NULL, "P") > 0, 1);
	}
	store_object_free(&o);
	err_clear(&e);
	rig_close(&r);
}

static void damaged(void)
{
	damaged_history(false);
	damaged_history(true);
}

/* A branch whose newest commits are mostly inherited, far below the range that main keeps. */
static void many_inherited(void)
{
	struct cleanup_opts o = { .by_count = true, .keep_versions = 70, .orphan_age_s = -1 };
	struct commits branch, main_;
	char *before, *after;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 90; i++)
		WRITE(r.g, NULL, PERSON("ada", i + 1));
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	for (int i = 0; i < 120; i++)
		WRITE(r.g, NULL, PERSON("bob", i + 1));
	commits_take(r.g, "b", &branch);
	commits_take(r.g, NULL, &main_);
	cleanup(r.g, &o);
	commits_same(r.g, &branch, 70);
	commits_same(r.g, &main_, 70);
	check_gone(r.g, branch.id[70]);
	before = contents(r.s);
	cleanup(r.g, &o);
	after = contents(r.s);
	CHECK_STR(after, before);
	rig_reopen(&r);
	commits_same(r.g, &branch, 70);
	free(before);
	free(after);
	commits_free(&branch);
	commits_free(&main_);
	rig_close(&r);
}

CHECK_MAIN("engine/cleanup",
	   { "ENG-73 ENG-69 the newest commits stay, the others are typed as reclaimed and stay listed; a second run "
	     "removes nothing",
	     keeps_the_newest },
	   { "ENG-73 heads and fork points of live branches survive", keeps_what_branches_need },
	   { "ENG-73 cleanup without options is refused, and during a schema apply, and on a read-only handle",
	     refusals },
	   { "ENG-73 a branch that cannot be read: cleanup refuses and deletes nothing", unreadable_branch },
	   { "ENG-73 a commit goes only if both rules allow it", by_age },
	   { "ENG-73 deleted branches, crashed inits and old orphans go, young ones stay", garbage },
	   { "ENG-13 ENG-69 a handle that was idle while its log was trimmed is right about everything",
	     other_handles },
	   { "ENG-57 ENG-73 the base of the next merge survives", merge_base_stays },
	   { "ENG-69 a kept commit inside a record of several", group_commits },
	   { "ENG-73 segments of removed versions go at once", segments_go },
	   { "ENG-73 a segment that is mapped, but gone from the store, refuses the cleanup by name", mapped_but_gone },
	   { "SCH-16 after cleanup nothing of dropped types and properties is left", drops },
	   { "ENG-69 damaged objects of the history are refused by name", damaged },
	   { "ENG-73 the newest commits of a branch stay when it inherits them", many_inherited },
	   { "ENG-73 cleanup beside writers and new branches", beside_others }, )
