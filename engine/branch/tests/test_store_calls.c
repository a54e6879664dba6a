/* SPDX-License-Identifier: MIT */
/* What operations cost in calls of the store, each of which is a round trip on an object store. */
#include "engine/store/tests/counting_store.h"
#include "engine/store/tests/fixture.h"

struct rig {
	struct store *s;
	struct counting_store cs;
	struct graph *g;
};

static void rig_open(struct rig *r, bool remote, uint32_t max_age_ms)
{
	struct graph_open_opts o = { .head_max_age_ms = max_age_ms };
	static int n;
	char uri[64];

	memset(r, 0, sizeof(*r));
	snprintf(uri, sizeof(uri), "mem://calls-%d-%d", (int)getpid(), n++);
	CHECK_OK(store_open(uri, NULL, &r->s, ep));
	counting_init(&r->cs, r->s);
	r->cs.base.remote = remote;
	CHECK_OK(graph_init_store(&r->cs.base, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(&r->cs.base, &o, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	store_close(r->s);
}

static int changes(struct rig *r)
{
	return atomic_load(&r->cs.changes);
}

/* All calls that are not the write of a commit. */
static int others(struct rig *r)
{
	return atomic_load(&r->cs.others) + atomic_load(&r->cs.tails);
}

static void write_many(struct graph *g, const char *branch, const char *letter, int n)
{
	for (int i = 0; i < n; i++) {
		char id[32];

		snprintf(id, sizeof(id), "%s%d", letter, i % 50);
		WRITE(g, branch, PERSON(id, i + 1));
	}
}

static void small_commit(void)
{
	struct rig r;

	rig_open(&r, true, 0);
	write_many(r.g, NULL, "a", 3);
	counting_reset(&r.cs);
	write_many(r.g, NULL, "b", 10);
	CHECK_INT(changes(&r), 10);
	CHECK_INT(others(&r), 0);
	rig_close(&r);
}

static int calls_to_open(struct rig *r)
{
	struct snapshot *s = NULL;

	graph_close(r->g);
	counting_reset(&r->cs);
	CHECK_OK(graph_open_store(&r->cs.base, NULL, &r->g, ep));
	CHECK_OK(graph_snapshot(r->g, NULL, NULL, &s, ep));
	CHECK_INT(snapshot_count(s, catalog_node(snapshot_catalog(s), STR("Person"))), 50);
	snapshot_put(s);
	CHECK_INT(changes(r), 0);
	return others(r);
}

static void open_after_many(void)
{
	struct rig r;

	rig_open(&r, true, 0);
	write_many(r.g, NULL, "a", 100000);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	CHECK(calls_to_open(&r) < 10);
	rig_close(&r);
}

static int on_name(void *arg, const char *name)
{
	++*(int *)arg;
	return 0;
}

static void branches(void)
{
	struct rig r;
	int n = 0;

	rig_open(&r, true, 0);
	write_many(r.g, NULL, "a", 50);
	counting_reset(&r.cs);
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	CHECK_INT(changes(&r), 1);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		CHECK_OK(graph_branch_create(r.g, name, "b", NULL, ep));
	}
	counting_reset(&r.cs);
	CHECK_OK(graph_branches(r.g, on_name, &n, ep));
	CHECK_INT(n, 22);
	CHECK_INT(others(&r), 1);
	CHECK_INT(changes(&r), 0);
	rig_close(&r);
}

static int changes_of_merge(int commits)
{
	struct merge_opts o = { .source = "b" };
	struct merge_result res;
	struct rig r;
	int n;

	rig_open(&r, true, 0);
	write_many(r.g, NULL, "a", 10);
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	write_many(r.g, "b", "b", commits);
	counting_reset(&r.cs);
	CHECK_OK(graph_merge(r.g, &o, &res, ep));
	CHECK_INT(res.outcome, MERGE_FAST_FORWARD);
	n = changes(&r);
	merge_result_clear(&res);
	rig_close(&r);
	return n;
}

static void fast_forward(void)
{
	CHECK_INT(changes_of_merge(1), 1);
	CHECK_INT(changes_of_merge(500), 1);
}

static uint64_t people(struct graph *g)
{
	struct snapshot *s = NULL;
	uint64_t n;

	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	n = snapshot_count(s, catalog_node(snapshot_catalog(s), STR("Person")));
	snapshot_put(s);
	return n;
}

/* A read may use a head of a moment ago; a write never does, and what this process wrote it sees. */
static void head_age(void)
{
	struct err e = ERR_INIT;
	struct commit_info ci;
	struct graph *other;
	struct rig r;

	rig_open(&r, true, 3600 * 1000);
	CHECK_OK(graph_open_store(&r.cs.base, NULL, &other, ep));
	WRITE(r.g, NULL, PERSON("a", 1));
	CHECK_INT(people(r.g), 1);
	WRITE(other, NULL, PERSON("b", 1));
	counting_reset(&r.cs);
	CHECK_INT(people(r.g), 1);
	CHECK_INT(others(&r), 0);
	CHECK_INT(people(other), 2);
	CHECK(others(&r) > 0);
	{
		const struct op v[] = { PERSON("c", 1) };
		struct ops ops = { v, 1, 0, false };
		struct snapshot *s = NULL;

		CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
		CHECK(write_ops(r.g, NULL, &ops, true, snapshot_commit(s)->id, &ci, &e) < 0);
		CHECK_INT(e.code, ERR_PRECONDITION);
		snapshot_put(s);
	}
	WRITE(r.g, NULL, PERSON("d", 1));
	CHECK_INT(people(r.g), 3);
	err_clear(&e);
	graph_close(other);
	rig_close(&r);
}

/* On a directory the setting means nothing. */
static void directory_is_fresh(void)
{
	struct graph *other;
	struct rig r;

	rig_open(&r, false, 3600 * 1000);
	CHECK_OK(graph_open_store(&r.cs.base, NULL, &other, ep));
	CHECK_INT(people(r.g), 0);
	WRITE(other, NULL, PERSON("b", 1));
	CHECK_INT(people(r.g), 1);
	graph_close(other);
	rig_close(&r);
}

CHECK_MAIN("engine/store_calls", { "a small commit is one write and no read", small_commit },
	   { "opening a branch of 100,000 commits takes fewer than 10 calls", open_after_many },
	   { "creating a branch is one write, listing them one list", branches },
	   { "a fast-forward merge is one write, however many commits it takes in", fast_forward },
	   { "ENG-13 on S3 a read may use a head of the age allowed, a write never does and is seen at once",
	     head_age },
	   { "ENG-13 on a directory every read sees the newest commit", directory_is_fresh })
