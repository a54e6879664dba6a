/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

/*
 * Writers move "money": every commit keeps the sum of all ages at TOTAL and one edge per person. Readers check that on every
 * snapshot they get, while checkpoints replace the state below them and a second handle writes, too.
 */
#define PERSONS 20
#define TOTAL (PERSONS * 100)

struct shared {
	struct graph *g, *other;
	atomic_bool stop;
	atomic_int bad, reads;
};

static int64_t age_of(struct snapshot *s, const struct type *t, rowref r)
{
	struct val v;

	row_get(s, t, r, type_prop(t, STR("age"))->index, NULL, &v);
	return v.kind == VAL_I64 ? v.i : 0;
}

struct transfer {
	uint32_t seed;
};

static int transfer_prepare(void *arg, struct txn *t, struct err *e)
{
	struct transfer *tr = arg;
	struct snapshot *s = txn_base(t);
	const struct type *ty = catalog_node(snapshot_catalog(s), STR("Person"));
	const struct type *et = catalog_edge(snapshot_catalog(s), STR("Knows"));
	char a[16], b[16];
	int64_t x, y, d;

	tr->seed = tr->seed * 1664525 + 1013904223;
	snprintf(a, sizeof(a), "p%u", tr->seed / 7 % PERSONS);
	snprintf(b, sizeof(b), "p%u", (tr->seed / 7 + 1 + tr->seed / 1000 % (PERSONS - 1)) % PERSONS);
	x = age_of(s, ty, row_find(s, ty, str_from(a)));
	y = age_of(s, ty, row_find(s, ty, str_from(b)));
	d = (int64_t)(tr->seed >> 8) % (x > 0 ? x : 1);
	{
		const struct op pa = PERSON(a, (int)(x - d)), pb = PERSON(b, (int)(y + d)), k = KNOWS(a, a, b);
		int rc = op_put(t, ty, &pa, e);

		if (!rc)
			rc = op_put(t, ty, &pb, e);
		return rc ? rc : op_put(t, et, &k, e);
	}
}

static void *transfer_main(void *arg)
{
	struct shared *sh = arg;
	struct transfer tr = { (uint32_t)(uintptr_t)&tr };

	for (int i = 0; i < 150; i++) {
		struct write_req req = { .retryable = true, .prepare = transfer_prepare, .arg = &tr };
		struct commit_info ci = { 0 };
		bool committed;

		if (graph_write(i % 3 ? sh->g : sh->other, &req, &committed, &ci, NULL))
			atomic_fetch_add(&sh->bad, 1);
		commit_info_clear(&ci);
	}
	return NULL;
}

static bool consistent(struct snapshot *s)
{
	const struct type *ty = catalog_node(snapshot_catalog(s), STR("Person"));
	const struct type *et = catalog_edge(snapshot_catalog(s), STR("Knows"));
	int64_t sum = 0, n = 0, edges = 0;
	struct row_scan sc;
	rowref r, other;

	row_scan_init(&sc, s, ty);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		struct edge_iter it;

		sum += age_of(s, ty, r);
		n++;
		if (row_find(s, ty, row_id(s, ty, r)) != r)
			return false;
		edge_iter_init(&it, s, et, true, r);
		while (edge_iter_next(&it, NULL, &other))
			edges++;
	}
	return n == PERSONS && sum == TOTAL && edges == PERSONS && (uint64_t)n == snapshot_count(s, ty);
}

static void *reader_main(void *arg)
{
	struct shared *sh = arg;

	while (!atomic_load(&sh->stop)) {
		struct snapshot *s;

		if (graph_snapshot(sh->g, NULL, NULL, &s, NULL)) {
			atomic_fetch_add(&sh->bad, 1);
			continue;
		}
		if (!consistent(s))
			atomic_fetch_add(&sh->bad, 1);
		atomic_fetch_add(&sh->reads, 1);
		snapshot_put(s);
	}
	return NULL;
}

static void *checkpoint_main(void *arg)
{
	struct shared *sh = arg;

	while (!atomic_load(&sh->stop)) {
		if (graph_checkpoint(sh->g, NULL, NULL))
			atomic_fetch_add(&sh->bad, 1);
		usleep(1000);
	}
	return NULL;
}

static void setup(struct graph *g)
{
	static struct op v[2 * PERSONS];
	static char ids[PERSONS][16];
	struct ops ops = { v, 2 * PERSONS, 0, false };

	for (int i = 0; i < PERSONS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p%d", i);
		v[i] = (struct op)PERSON(ids[i], 100);
		v[PERSONS + i] = (struct op)KNOWS(ids[i], ids[i], ids[i]);
	}
	CHECK_OK(write_ops(g, NULL, &ops, true, NULL, NULL, ep));
}

static void everything_at_once(void)
{
	char *root = temp_root();
	struct shared sh = { 0 };
	pthread_t w[3], r[3], c;

	CHECK_OK(graph_init(root, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open(root, NULL, &sh.g, ep));
	setup(sh.g);
	CHECK_OK(graph_open(root, NULL, &sh.other, ep));
	for (int i = 0; i < 3; i++)
		pthread_create(&r[i], NULL, reader_main, &sh);
	pthread_create(&c, NULL, checkpoint_main, &sh);
	for (int i = 0; i < 3; i++)
		pthread_create(&w[i], NULL, transfer_main, &sh);
	for (int i = 0; i < 3; i++)
		pthread_join(w[i], NULL);
	atomic_store(&sh.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(r[i], NULL);
	pthread_join(c, NULL);
	CHECK_INT(sh.bad, 0);
	CHECK(sh.reads > 0);
	graph_close(sh.g);
	graph_close(sh.other);
	temp_root_remove(root);
}

CHECK_MAIN("engine/readers",
	   { "ENG-01 ENG-02 readers see whole commits while writers, checkpoints and another handle work",
	     everything_at_once }, )
