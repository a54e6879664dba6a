/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/wait.h>

#include "counting_store.h"
#include "fixture.h"

struct rig {
	struct counting_store cs;
	struct store *inner;
	struct graph *g;
};

/* @root: there. */
static void rig_open(struct rig *r, const char *root)
{
	r->inner = root ? test_store_at(root) : test_store_open();
	CHECK_OK(graph_init_store(r->inner, STR(FIXTURE_SCHEMA), NULL, ep));
	counting_init(&r->cs, r->inner);
	CHECK_OK(graph_open_store(&r->cs.base, NULL, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->inner);
}

static void rows_and_edges(void)
{
	struct rig r;
	struct snapshot *old, *now;
	char *before, *after, *text;

	rig_open(&r, NULL);
	WRITE(r.g, NULL, PERSON("ada", 36), PERSON("bob", 0), KNOWS("e1", "ada", "bob"), KNOWS("e2", "bob", "ada"),
	      KNOWS("e3", "ada", "ada"));
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &old, ep));
	before = dump(old);
	CHECK_HAS(before, "Person ada 36 \"ada\" [\"ada\",null] [0.5,0.0,36.0] c2 u2\n");
	CHECK_HAS(before, "Knows e1 ada->bob null c2 u2\n");
	WRITE(r.g, NULL, PERSON("ada", 37), DEL_PERSON("bob"), DEL_KNOWS("e1"), DEL_KNOWS("e2"));
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &now, ep));
	text = dump(now);
	CHECK_HAS(text, "Person ada 37 \"ada\" [\"ada\",null] [0.5,0.0,37.0] c2 u3\n");
	CHECK(!strstr(text, "bob"));
	after = dump(old);
	CHECK_STR(after, before);
	free(after);
	after = dump_branch(r.g, NULL, snapshot_commit(old)->id);
	CHECK_STR(after, before);
	snapshot_put(old);
	snapshot_put(now);
	free(before);
	free(after);
	free(text);
	rig_close(&r);
}

static int edges_at(struct snapshot *s, const char *id, bool out, char *ids)
{
	const struct catalog *c = snapshot_catalog(s);
	const struct type *person = catalog_node(c, STR("Person")), *knows = catalog_edge(c, STR("Knows"));
	rowref node = row_find(s, person, str_from(id)), edge, other;
	struct edge_iter it;
	int n = 0;

	CHECK(node != ROW_NONE);
	*ids = 0;
	edge_iter_init(&it, s, knows, out, node);
	while (edge_iter_next(&it, &edge, &other)) {
		struct str far = out ? row_dst(s, knows, edge) : row_src(s, knows, edge);

		CHECK(str_eq(row_id(s, person, other), far));
		snprintf(ids + strlen(ids), 64, "%.*s ", STR_ARG(row_id(s, knows, edge)));
		n++;
	}
	return n;
}

static void adjacency(void)
{
	struct rig r;
	struct snapshot *old, *now;
	char ids[256];

	rig_open(&r, NULL);
	WRITE(r.g, NULL, PERSON("ada", 1), PERSON("bob", 1), KNOWS("e1", "ada", "bob"), KNOWS("e2", "ada", "bob"),
	      KNOWS("e3", "ada", "ada"));
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &old, ep));
	WRITE(r.g, NULL, DEL_KNOWS("e1"), KNOWS("e4", "bob", "ada"), PERSON("bob", 2));
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &now, ep));
	CHECK_INT(edges_at(old, "ada", true, ids), 3);
	CHECK_INT(edges_at(old, "ada", false, ids), 1);
	CHECK_INT(edges_at(old, "bob", false, ids), 2);
	CHECK_INT(edges_at(now, "ada", true, ids), 2);
	CHECK(!strstr(ids, "e1"));
	CHECK_INT(edges_at(now, "ada", false, ids), 2);
	CHECK_INT(edges_at(now, "bob", true, ids), 1);
	CHECK_STR(ids, "e4 ");
	snapshot_put(old);
	snapshot_put(now);
	rig_close(&r);
}

static void no_effect(void)
{
	const struct op op = DEL_PERSON("nobody");
	struct ops ops = { &op, 1, 0, false };
	struct write_req req = { .kind = WRITE_MUTATION, .prepare = ops_prepare, .arg = &ops };
	char a[ULID_LEN + 1], b[ULID_LEN + 1];
	struct commit_info ci = { 0 };
	bool committed = true;
	struct rig r;

	rig_open(&r, NULL);
	head_id(r.g, NULL, a);
	CHECK_OK(graph_write(r.g, &req, &committed, &ci, ep));
	CHECK(!committed);
	head_id(r.g, NULL, b);
	CHECK_STR(b, a);
	CHECK_INT(r.cs.appends, 0);
	WRITE(r.g, NULL, FORCE);
	head_id(r.g, NULL, b);
	CHECK(strcmp(a, b) != 0);
	rig_close(&r);
}

static void expected_head(void)
{
	const struct op put = PERSON("ada", 1), del = DEL_PERSON("nobody");
	struct ops ops = { &put, 1, 0, false }, none = { &del, 1, 0, false };
	char stale[ULID_LEN + 1], head[ULID_LEN + 1], want[512];
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r, NULL);
	head_id(r.g, NULL, stale);
	WRITE(r.g, NULL, PERSON("bob", 1));
	head_id(r.g, NULL, head);
	for (int i = 0; i < 2; i++) {
		CHECK(write_ops(r.g, NULL, i ? &none : &ops, true, stale, NULL, &e) < 0);
		CHECK_INT(e.code, ERR_PRECONDITION);
		snprintf(want, sizeof(want),
			 "precondition failed on branch 'main': expected head '%s' but current is %s", stale, head);
		CHECK_STR(err_msg(&e), want);
		CHECK_STR(err_get_detail(&e, "actual"), head);
	}
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	CHECK_OK(write_ops(r.g, NULL, &ops, true, head, NULL, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), 2);
	err_clear(&e);
	rig_close(&r);
}

static void ten_commits(struct rig *r, int from)
{
	char id[32];

	for (int i = from; i < from + 10; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		counting_reset(&r->cs);
		WRITE(r->g, NULL, PERSON(id, i));
		CHECK_INT(r->cs.appends, 1);
		CHECK_INT(r->cs.others, 0);
	}
}

static void one_call_per_commit(void)
{
	int n = test_times(10000, 100);
	char id[32];
	struct rig r;

	rig_open(&r, NULL);
	ten_commits(&r, 0);
	for (int i = 10; i < n; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		WRITE(r.g, NULL, PERSON(id, i));
	}
	CHECK_OK(graph_checkpoint(r.g, NULL, ep)); /* none is running after this one */
	ten_commits(&r, n);
	CHECK_INT(count_of(r.g, NULL, "P"), n + 10);
	rig_close(&r);
}

struct worker {
	pthread_t thread;
	struct graph *g;
	int id, n, failed;
	bool same;
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char id[64];

	for (int i = 0; i < w->n; i++) {
		const struct op op = PERSON(id, w->id + 1);
		struct ops ops = { &op, 1, 0, w->same };
		struct err e = ERR_INIT;

		snprintf(id, sizeof(id), "w%d-%d", w->same ? 0 : w->id, i);
		if (write_ops(w->g, NULL, &ops, true, NULL, NULL, &e)) {
			w->failed++;
			if (e.code != ERR_KEY_CONFLICT && e.code != ERR_STORAGE)
				fprintf(stderr, "# %s\n", err_msg(&e));
		}
		err_clear(&e);
	}
	return NULL;
}

static void run_workers(struct worker *w, int n)
{
	for (int i = 0; i < n; i++)
		pthread_create(&w[i].thread, NULL, worker_main, &w[i]);
	for (int i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
}

/* The chain of a branch: versions count down by one and parents link. */
static void check_chain(struct graph *g, int commits)
{
	char *list = commit_list(g, NULL), *p = list, want[64];
	int n = 0;

	for (char *line = strtok_r(p, "\n", &p); line; line = strtok_r(NULL, "\n", &p)) {
		snprintf(want, sizeof(want), "\"graph_manifest_version\":%d,", commits - n);
		CHECK_HAS(line, want);
		n++;
	}
	CHECK_INT(n, commits);
	free(list);
}

static void group_commit(void)
{
	char *root = temp_root(), *before, *after;
	struct worker w[16];
	struct rig r;

	rig_open(&r, root);
	for (int i = 0; i < 16; i++)
		w[i] = (struct worker){ .g = r.g, .id = i, .n = 40 };
	run_workers(w, 16);
	for (int i = 0; i < 16; i++)
		CHECK_INT(w[i].failed, 0);
	CHECK_INT(count_of(r.g, NULL, "P"), 640);
	CHECK_MSG(r.cs.appends < 640, "every commit had its own append");
	check_chain(r.g, 641);
	before = dump_branch(r.g, NULL, NULL);
	graph_close(r.g);
	CHECK_OK(graph_open_store(&r.cs.base, NULL, &r.g, ep));
	after = dump_branch(r.g, NULL, NULL);
	CHECK_STR(after, before);
	free(before);
	free(after);
	rig_close(&r);
	temp_root_remove(root);
}

static void same_id(void)
{
	struct worker w[32];
	struct rig r;
	int failed = 0;

	rig_open(&r, NULL);
	for (int i = 0; i < 32; i++)
		w[i] = (struct worker){ .g = r.g, .id = i, .n = 1, .same = true };
	run_workers(w, 32);
	for (int i = 0; i < 32; i++)
		failed += w[i].failed;
	CHECK_INT(failed, 31);
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	check_chain(r.g, 2);
	rig_close(&r);
}

/* Threads of two handles on one root, as two processes would. */
static void two_handles(void)
{
	char *root = temp_root();
	struct worker w[4];
	struct graph *other;
	struct rig r;

	rig_open(&r, root);
	CHECK_OK(graph_open(root, NULL, &other, ep));
	for (int i = 0; i < 4; i++)
		w[i] = (struct worker){ .g = i % 2 ? other : r.g, .id = i, .n = 50 };
	run_workers(w, 4);
	for (int i = 0; i < 4; i++)
		CHECK_INT(w[i].failed, 0);
	CHECK_INT(count_of(r.g, NULL, "P"), 200);
	CHECK_INT(count_of(other, NULL, "P"), 200);
	check_chain(other, 201);
	WRITE(other, NULL, PERSON("seen", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), 201);
	graph_close(other);
	rig_close(&r);
	temp_root_remove(root);
}

struct interloper {
	struct ops ops;
	struct graph *other;
	int times;
};

/* Another handle commits while this one prepares. */
static int interrupted_prepare(void *arg, struct txn *t, struct err *e)
{
	struct interloper *in = arg;
	char id[32];
	int rc = ops_prepare(&in->ops, t, e);

	if (!rc && in->times-- > 0) {
		snprintf(id, sizeof(id), "other%d", in->times);
		WRITE(in->other, NULL, PERSON(id, 1));
	}
	return rc;
}

static int interrupted(struct rig *r, int times, bool retryable, struct interloper *in, struct err *e)
{
	static const struct op op = PERSON("mine", 1);
	struct write_req req = {
		.kind = WRITE_LOAD, .retryable = retryable, .prepare = interrupted_prepare, .arg = in
	};
	struct commit_info ci = { 0 };
	bool committed;
	int rc;

	*in = (struct interloper){ { &op, 1, 0, false }, NULL, times };
	CHECK_OK(graph_open_store(r->inner, NULL, &in->other, ep));
	rc = graph_write(r->g, &req, &committed, &ci, e);
	commit_info_clear(&ci);
	graph_close(in->other);
	return rc;
}

/* As on S3 or not, whatever the store is. */
static void rig_open_remote(struct rig *r, bool remote)
{
	rig_open(r, NULL);
	graph_close(r->g);
	r->cs.base.remote = remote;
	CHECK_OK(graph_open_store(&r->cs.base, NULL, &r->g, ep));
	head_id(r->g, NULL, (char[ULID_LEN + 1]){ 0 });
}

static void lost_race(void)
{
	char before[ULID_LEN + 1], after[ULID_LEN + 1], want[512];
	struct err e = ERR_INIT;
	struct interloper in;
	struct rig r;

	rig_open_remote(&r, false);
	head_id(r.g, NULL, before);
	CHECK(interrupted(&r, 1, false, &in, &e) < 0);
	CHECK_INT(e.code, ERR_READ_SET_CHANGED);
	head_id(r.g, NULL, after);
	snprintf(want, sizeof(want),
		 "write authority 'graph_head:main' changed during preparation (expected %s, current %s) — reprepare "
		 "from the "
		 "current branch state",
		 before, after);
	CHECK_STR(err_msg(&e), want);
	CHECK_STR(err_get_detail(&e, "member"), "graph_head:main");
	CHECK_INT(in.ops.calls, 1);
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	CHECK_OK(interrupted(&r, 5, true, &in, ep));
	CHECK_INT(in.ops.calls, 6);
	CHECK_INT(count_of(r.g, NULL, "P"), 7 - 1); /* other0 was written twice */
	CHECK(interrupted(&r, 100, true, &in, &e) < 0);
	CHECK_INT(e.code, ERR_READ_SET_CHANGED);
	CHECK_INT(in.ops.calls, 33);
	err_clear(&e);
	rig_close(&r);
}

/* On a head that nobody looked up it cannot be told whether the other one was there before. */
static void lost_unseen_race(void)
{
	struct err e = ERR_INIT;
	struct interloper in;
	struct rig r;

	rig_open_remote(&r, true);
	CHECK_OK(interrupted(&r, 1, false, &in, ep));
	CHECK_INT(in.ops.calls, 2);
	CHECK_INT(count_of(r.g, NULL, "P"), 2);
	CHECK(interrupted(&r, 2, false, &in, &e) < 0);
	CHECK_INT(e.code, ERR_READ_SET_CHANGED);
	CHECK_INT(in.ops.calls, 2);
	err_clear(&e);
	rig_close(&r);
}

static void disk_full(void)
{
	const struct op op = PERSON("ada", 1);
	struct ops ops = { &op, 1, 0, false };
	char *before, *after;
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r, NULL);
	WRITE(r.g, NULL, PERSON("bob", 1), KNOWS("e1", "bob", "bob"));
	before = dump_branch(r.g, NULL, NULL);
	r.cs.fail_errno = ENOSPC;
	r.cs.fail_appends = 3;
	for (int i = 0; i < 3; i++) {
		CHECK(write_ops(r.g, NULL, &ops, true, NULL, NULL, &e) < 0);
		CHECK_INT(e.code, ERR_STORAGE);
		after = dump_branch(r.g, NULL, NULL);
		CHECK_STR(after, before);
		free(after);
	}
	WRITE(r.g, NULL, PERSON("bob", 2), PERSON("ada", 1));
	after = dump_branch(r.g, NULL, NULL);
	CHECK_HAS(after, "Person bob 2 \"bob\" [\"bob\",null] null c2 u3\n");
	CHECK_INT(count_of(r.g, NULL, "P"), 2);
	free(before);
	free(after);
	err_clear(&e);
	rig_close(&r);
}

static void *failing_worker(void *arg)
{
	return worker_main(arg);
}

/* Queued writers behind a failing append fail or are tried again; whatever was acknowledged is there. */
static void disk_full_under_load(void)
{
	struct worker w[8];
	struct rig r;
	int ok = 0;

	rig_open(&r, NULL);
	r.cs.fail_errno = ENOSPC;
	for (int i = 0; i < 8; i++) {
		w[i] = (struct worker){ .g = r.g, .id = i, .n = 100 };
		pthread_create(&w[i].thread, NULL, failing_worker, &w[i]);
	}
	for (int i = 0; i < 20; i++) {
		atomic_store(&r.cs.fail_appends, 1);
		sched_yield();
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(w[i].thread, NULL);
		ok += w[i].n - w[i].failed;
	}
	atomic_store(&r.cs.fail_appends, 0);
	CHECK_INT(count_of(r.g, NULL, "P"), ok);
	check_chain(r.g, ok + 1);
	WRITE(r.g, NULL, PERSON("last", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), ok + 1);
	rig_close(&r);
}

static void lost_reply(void)
{
	struct rig r;

	rig_open(&r, NULL);
	r.cs.lose_replies = 1;
	WRITE(r.g, NULL, PERSON("ada", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	check_chain(r.g, 2);
	WRITE(r.g, NULL, PERSON("bob", 1));
	check_chain(r.g, 3);
	rig_close(&r);
}

static int failing_prepare(void *arg, struct txn *t, struct err *e)
{
	int rc = ops_prepare(arg, t, e);

	return rc ? rc : err_set(e, ERR_BAD_REQUEST, "no");
}

static void failed_write(void)
{
	const struct op op = PERSON("ada", 1);
	struct ops ops = { &op, 1, 0, false };
	struct write_req req = { .kind = WRITE_LOAD, .prepare = failing_prepare, .arg = &ops };
	char *list, *text, *list2, *text2;
	struct err e = ERR_INIT;
	bool committed;
	struct rig r;

	rig_open(&r, NULL);
	WRITE(r.g, NULL, PERSON("bob", 1));
	list = commit_list(r.g, NULL);
	text = dump_branch(r.g, NULL, NULL);
	CHECK(graph_write(r.g, &req, &committed, NULL, &e) < 0);
	CHECK_STR(err_msg(&e), "no");
	list2 = commit_list(r.g, NULL);
	text2 = dump_branch(r.g, NULL, NULL);
	CHECK_STR(list2, list);
	CHECK_STR(text2, text);
	free(list);
	free(text);
	free(list2);
	free(text2);
	err_clear(&e);
	rig_close(&r);
}

static void too_much_staged(void)
{
	struct graph_open_opts opts = { .mutation_max_bytes = 4096 };
	static struct op many[100];
	static char ids[100][16];
	struct ops ops = { many, 100, 0, false };
	struct err e = ERR_INIT;
	struct graph *g;
	struct rig r;

	rig_open(&r, NULL);
	for (int i = 0; i < 100; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p%d", i);
		many[i] = (struct op)PERSON(ids[i], 1);
	}
	CHECK_OK(graph_open_store(r.inner, &opts, &g, ep));
	CHECK(write_ops(g, NULL, &ops, true, NULL, NULL, &e) < 0);
	CHECK_INT(e.code, ERR_RESOURCE_LIMIT);
	CHECK_HAS(err_msg(&e), "resource limit exceeded for staged mutation bytes: actual ");
	CHECK_INT(count_of(g, NULL, "P"), 0);
	err_clear(&e);
	graph_close(g);
	rig_close(&r);
}

static void unknown_things(void)
{
	struct err e = ERR_INIT;
	struct snapshot *s;
	struct rig r;

	rig_open(&r, NULL);
	CHECK(graph_snapshot(r.g, "nope", NULL, &s, &e) < 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_STR(err_msg(&e), "branch 'nope' not found");
	CHECK(graph_snapshot(r.g, NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &s, &e) < 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_STR(err_msg(&e), "commit '01ARZ3NDEKTSV4RRFFQ69G5FAV' not found");
	CHECK(graph_snapshot(r.g, "main", "01ARZ3NDEKTSV4RRFFQ69G5FAV", &s, &e) < 0);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	err_clear(&e);
	rig_close(&r);
}

CHECK_MAIN("engine/commit",
	   { "rows and edges are written, replaced, deleted; ENG-12 old snapshots stay", rows_and_edges },
	   { "edges are found from both ends at their versions", adjacency },
	   { "a write without effect makes no commit, a forced one does", no_effect },
	   { "ENG-41 a wrong expected head is refused, also without effect", expected_head },
	   { "a small commit is one append and nothing else", one_call_per_commit },
	   { "16 threads share appends; each write is its own commit in one chain", group_commit },
	   { "ENG-38 32 appends of one id: one commit, 31 key conflicts", same_id },
	   { "ENG-02 ENG-13 two handles lose no write and see each other's at once", two_handles },
	   { "ENG-39 ENG-40 a lost race is a conflict, or retried up to 33 times", lost_race },
	   { "ENG-39 on S3 an update that lost on a head it had not looked up is prepared once more",
	     lost_unseen_race },
	   { "ENG-03 a full disk fails the write, leaves no trace and does not wedge", disk_full },
	   { "append failures under load keep what was acknowledged, and only that", disk_full_under_load },
	   { "an append whose reply was lost is found in the log", lost_reply },
	   { "ENG-03 a failed write changes nothing", failed_write },
	   { "ENG-77 staged bytes over the limit are refused", too_much_staged },
	   { "unknown branches and commits are named", unknown_things }, )
