/* SPDX-License-Identifier: MIT */
#include "counting_store.h"
#include "fixture.h"

struct rig {
	struct counting_store cs;
	struct store *s;
	struct graph *g;
};

static void rig_open(struct rig *r)
{
	r->s = test_store_open();
	CHECK_OK(graph_init_store(r->s, STR(FIXTURE_SCHEMA), NULL, ep));
	counting_init(&r->cs, r->s);
	CHECK_OK(graph_open_store(&r->cs.base, NULL, &r->g, ep));
}

static void rig_reopen(struct rig *r)
{
	graph_close(r->g);
	CHECK_OK(graph_open_store(&r->cs.base, NULL, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
}

/* A commit that puts, replaces and deletes, different for every @i. */
static void mixed_commit(struct graph *g, const char *branch, int i)
{
	static struct op v[64];
	static char ids[64][16], src[64][16], dst[64][16];
	struct ops ops = { v, 0, 0, false };

	for (int k = 0; k < 12; k++) {
		snprintf(ids[k], 16, "p%d", (i * 7 + k * 5) % 97);
		v[ops.n++] = (struct op)PERSON(ids[k], i + k);
	}
	for (int k = 12; k < 24; k++) {
		snprintf(ids[k], 16, "e%d", (i * 11 + k * 3) % 131);
		snprintf(src[k], 16, "q%d", (i + k) % 8);
		snprintf(dst[k], 16, "q%d", (i * 3 + k) % 8);
		v[ops.n++] = (struct op)KNOWS(ids[k], src[k], dst[k]);
	}
	for (int k = 30; k < 38; k++) { /* the ends of all edges */
		snprintf(ids[k], 16, "q%d", k - 30);
		v[ops.n++] = (struct op)PERSON(ids[k], i);
	}
	for (int k = 24; k < 28; k++) {
		snprintf(ids[k], 16, "e%d", (i * 5 + k) % 131);
		v[ops.n++] = (struct op)DEL_KNOWS(ids[k]);
	}
	snprintf(ids[28], 16, "p%d", (i * 13) % 97);
	v[ops.n++] = (struct op)DEL_PERSON(ids[28]);
	CHECK_OK(write_ops(g, branch, &ops, true, NULL, NULL, ep));
}

static int on_checkpoint(void *arg, const char *key, const struct store_stat *st)
{
	snprintf(arg, 256, "%s", key);
	return 0;
}

/* Key of the newest checkpoint. */
static void newest(struct rig *r, char key[256])
{
	key[0] = 0;
	CHECK_OK(store_list(r->s, "ckpt", NULL, true, on_checkpoint, key, ep));
}

static void same_after_reopen(void)
{
	char *a, *b, key[256], last[256] = "";
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 60; i++) {
		mixed_commit(r.g, NULL, i);
		if (i % 9 == 4) {
			a = dump_branch(r.g, NULL, NULL);
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
			b = dump_branch(r.g, NULL, NULL);
			CHECK_STR(b, a);
			free(b);
			newest(&r, key);
			CHECK(strcmp(key, last) > 0);
			strcpy(last, key);
			rig_reopen(&r);
			b = dump_branch(r.g, NULL, NULL);
			CHECK_STR(b, a);
			free(a);
			free(b);
		}
	}
	rig_close(&r);
}

static void log_alone_is_enough(void)
{
	struct rig r;
	char *a, *b;

	rig_open(&r);
	for (int i = 0; i < 30; i++) {
		mixed_commit(r.g, NULL, i);
		if (i % 10 == 9)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	mixed_commit(r.g, NULL, 77);
	a = dump_branch(r.g, NULL, NULL);
	CHECK_OK(store_delete_prefix(r.s, "ckpt", ep));
	rig_reopen(&r);
	b = dump_branch(r.g, NULL, NULL);
	CHECK_STR(b, a);
	free(a);
	free(b);
	rig_close(&r);
}

static void held_snapshot(void)
{
	struct snapshot *s;
	struct rig r;
	char *a, *b;

	rig_open(&r);
	mixed_commit(r.g, NULL, 1);
	mixed_commit(r.g, NULL, 2);
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
	a = dump(s);
	for (int i = 3; i < 20; i++) {
		mixed_commit(r.g, NULL, i);
		if (i % 4 == 0)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
		b = dump(s);
		CHECK_STR(b, a);
		free(b);
	}
	snapshot_put(s);
	free(a);
	rig_close(&r);
}

static void time_travel(void)
{
	char ids[40][ULID_LEN + 1], *texts[40], *b;
	struct commit_info ci;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 40; i++) {
		mixed_commit(r.g, NULL, i);
		head_id(r.g, NULL, ids[i]);
		texts[i] = dump_branch(r.g, NULL, NULL);
		if (i % 15 == 14)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	{
		struct err e = ERR_INIT;
		struct snapshot *s;

		CHECK(graph_snapshot_version(r.g, NULL, 0, &s, &e) < 0);
		CHECK_INT(e.code, ERR_NOT_FOUND);
		CHECK(graph_snapshot_version(r.g, NULL, 42, &s, &e) < 0);
		CHECK_HAS(err_msg(&e), "42");
		CHECK_OK(graph_snapshot_version(r.g, NULL, 7, &s, ep));
		CHECK_STR(snapshot_commit(s)->id, ids[5]);
		snapshot_put(s);
		err_clear(&e);
	}
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 39; i >= 0; i--) {
			b = dump_branch(r.g, NULL, ids[i]);
			CHECK_STR(b, texts[i]);
			free(b);
			CHECK_OK(graph_commit(r.g, ids[i], &ci, ep));
			CHECK_INT(ci.version, i + 2);
			commit_info_clear(&ci);
		}
		rig_reopen(&r);
	}
	for (int i = 0; i < 40; i++)
		free(texts[i]);
	rig_close(&r);
}

static void branches(void)
{
	struct rig r;
	char *a, *b, *m, *n;

	rig_open(&r);
	for (int i = 0; i < 10; i++)
		mixed_commit(r.g, NULL, i);
	CHECK_OK(graph_branch_create(r.g, "one", NULL, NULL, ep));
	for (int i = 10; i < 20; i++) {
		mixed_commit(r.g, NULL, i);
		mixed_commit(r.g, "one", i * 2);
		if (i == 14) {
			CHECK_OK(graph_branch_create(r.g, "two", "one", NULL, ep));
			CHECK_OK(graph_checkpoint(r.g, "one", ep));
		}
		if (i > 14)
			mixed_commit(r.g, "two", i * 3);
		if (i == 17) {
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
			CHECK_OK(graph_checkpoint(r.g, "two", ep));
		}
	}
	m = dump_branch(r.g, NULL, NULL);
	a = dump_branch(r.g, "two", NULL);
	rig_reopen(&r);
	b = dump_branch(r.g, "two", NULL);
	n = dump_branch(r.g, NULL, NULL);
	CHECK_STR(b, a);
	CHECK_STR(n, m);
	free(a);
	free(b);
	free(m);
	free(n);
	rig_close(&r);
}

/* A branch without commits of its own, checkpointed: its first own commit must not be lost. */
static void fresh_branch(void)
{
	struct rig r;
	char *a, *b;

	rig_open(&r);
	for (int i = 0; i < 5; i++)
		mixed_commit(r.g, NULL, i);
	CHECK_OK(graph_branch_create(r.g, "one", NULL, NULL, ep));
	CHECK_OK(graph_checkpoint(r.g, "one", ep));
	mixed_commit(r.g, "one", 9);
	a = dump_branch(r.g, "one", NULL);
	rig_reopen(&r);
	b = dump_branch(r.g, "one", NULL);
	CHECK_STR(b, a);
	free(a);
	free(b);
	rig_close(&r);
}

static void damaged_checkpoint(void)
{
	struct store_object o;
	char key[256], *a, *b;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 12; i++) {
		mixed_commit(r.g, NULL, i);
		if (i == 5 || i == 9)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	a = dump_branch(r.g, NULL, NULL);
	newest(&r, key);
	CHECK_OK(store_get(r.s, key, 1 << 20, &o, ep));
	for (size_t i = 0; i < o.n; i += 1 + o.n / 60) {
		((char *)o.data)[i] ^= 1;
		CHECK_OK(store_put(r.s, key, o.data, o.n, ep));
		((char *)o.data)[i] ^= 1;
		rig_reopen(&r);
		b = dump_branch(r.g, NULL, NULL);
		CHECK_STR(b, a);
		free(b);
	}
	CHECK_OK(store_put(r.s, key, o.data, o.n / 2, ep));
	rig_reopen(&r);
	b = dump_branch(r.g, NULL, NULL);
	CHECK_STR(b, a);
	free(b);
	store_object_free(&o);
	free(a);
	rig_close(&r);
}

struct keys {
	char key[16][256];
	int n;
};

static int on_segment(void *arg, const char *key, const struct store_stat *st)
{
	struct keys *k = arg;

	if (k->n < 16)
		snprintf(k->key[k->n++], 256, "%s", key);
	return 0;
}

/* The graph as text, or NULL when it is refused with a storage error that names @key. */
static char *dump_or_refuse(struct rig *r, const char *key)
{
	struct err e = ERR_INIT;
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	char *text = NULL;
	int rc = graph_open_store(r->s, NULL, &g, &e);

	if (!rc)
		rc = graph_snapshot(g, NULL, NULL, &s, &e);
	if (!rc) {
		text = dump(s);
		rc = snapshot_damage(s, &e);
	}
	if (rc) {
		free(text);
		text = NULL;
		CHECK_INT(e.code, ERR_STORAGE);
		CHECK_HAS(err_msg(&e), key);
	}
	snapshot_put(s);
	graph_close(g);
	err_clear(&e);
	return text;
}

/* Any damage to any segment: the right answer (from the log) or a refusal by name. */
static void damaged_segment(void)
{
	struct keys k = { .n = 0 };
	int refused = 0;
	struct rig r;
	char *a, *b;

	rig_open(&r);
	for (int i = 0; i < 12; i++)
		mixed_commit(r.g, NULL, i);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	a = dump_branch(r.g, NULL, NULL);
	CHECK_OK(store_list(r.s, "seg", NULL, true, on_segment, &k, ep));
	CHECK(k.n > 1);
	for (int i = 0; i < k.n; i++) {
		struct store_object o;

		CHECK_OK(store_get(r.s, k.key[i], 1 << 24, &o, ep));
		for (size_t at = 0; at < o.n; at += 1 + o.n / 150) {
			((char *)o.data)[at] ^= 0x21;
			CHECK_OK(store_put(r.s, k.key[i], o.data, o.n, ep));
			((char *)o.data)[at] ^= 0x21;
			b = dump_or_refuse(&r, k.key[i]);
			refused += !b;
			CHECK(!b || !strcmp(a, b));
			free(b);
		}
		CHECK_OK(store_put(r.s, k.key[i], o.data, o.n / 3, ep));
		b = dump_or_refuse(&r, k.key[i]);
		CHECK(!b || !strcmp(a, b));
		free(b);
		CHECK_OK(store_delete(r.s, k.key[i], ep));
		b = dump_or_refuse(&r, k.key[i]);
		CHECK_STR(b, a);
		free(b);
		CHECK_OK(store_put(r.s, k.key[i], o.data, o.n, ep));
		store_object_free(&o);
	}
	CHECK(refused > 0);
	free(a);
	rig_close(&r);
}

/* Opening reads what came after the checkpoint, however long the history. */
static void bounded_open(void)
{
	int early, late;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 20; i++)
		mixed_commit(r.g, NULL, i);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	counting_reset(&r.cs);
	rig_reopen(&r);
	early = r.cs.others;
	for (int i = 0; i < 300; i++) {
		mixed_commit(r.g, NULL, i);
		if (i % 20 == 19)
			CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	}
	counting_reset(&r.cs);
	rig_reopen(&r);
	late = r.cs.others;
	CHECK_MSG(late <= early + 12, "opening took %d store calls early, %d late", early, late);
	rig_close(&r);
}

/* A commit over the inline limit goes through segments and reads the same. */
static void large_commit(void)
{
	enum { N = 20000 };
	struct op *v = calloc(N, sizeof(*v));
	char(*ids)[24] = calloc(N, sizeof(*ids));
	struct ops ops = { v, 0, 0, false };
	char *a, *b;
	struct rig r;

	rig_open(&r);
	WRITE(r.g, NULL, PERSON("p-00005", 5), PERSON("zed", 5), KNOWS("k", "zed", "zed"));
	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p-%05d", (i * 7919) % N);
		v[ops.n++] = (struct op)PERSON(ids[i], i % 50);
	}
	CHECK_OK(write_ops(r.g, NULL, &ops, true, NULL, NULL, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), N + 1);
	a = dump_branch(r.g, NULL, NULL);
	CHECK_HAS(a, "Person p-00005 ");
	CHECK_HAS(a, " c2 u3\nPerson p-00006");
	WRITE(r.g, NULL, DEL_PERSON("p-00007"), PERSON("p-00008", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), N);
	free(a);
	a = dump_branch(r.g, NULL, NULL);
	rig_reopen(&r);
	b = dump_branch(r.g, NULL, NULL);
	CHECK_STR(b, a);
	free(b);
	/* again, over itself: every row is replaced */
	CHECK_OK(write_ops(r.g, NULL, &ops, true, NULL, NULL, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), N + 1);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	free(a);
	a = dump_branch(r.g, NULL, NULL);
	rig_reopen(&r);
	b = dump_branch(r.g, NULL, NULL);
	CHECK_STR(b, a);
	/* truncation */
	WRITE(r.g, NULL, DEL_KNOWS("k"));
	v[0] = (struct op)NO_PERSONS;
	CHECK_OK(write_ops(r.g, NULL, &ops, true, NULL, NULL, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), N - 1);
	WRITE(r.g, NULL, NO_PERSONS, PERSON("one", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	rig_reopen(&r);
	CHECK_INT(count_of(r.g, NULL, "P"), 1);
	free(a);
	free(b);
	free(v);
	free(ids);
	rig_close(&r);
}

static void failed_segment(void)
{
	enum { N = 20000 };
	struct op *v = calloc(N, sizeof(*v));
	char(*ids)[24] = calloc(N, sizeof(*ids));
	struct ops ops = { v, 0, 0, false };
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p-%05d", i);
		v[ops.n++] = (struct op)PERSON(ids[i], 1);
	}
	r.cs.fail_puts = 1;
	CHECK(write_ops(r.g, NULL, &ops, true, NULL, NULL, &e) < 0);
	CHECK_INT(count_of(r.g, NULL, "P"), 0);
	CHECK_OK(write_ops(r.g, NULL, &ops, true, NULL, NULL, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), N);
	r.cs.fail_puts = 1;
	CHECK(graph_checkpoint(r.g, NULL, &e) < 0 || r.cs.fail_puts == 1);
	r.cs.fail_puts = 0;
	WRITE(r.g, NULL, PERSON("after", 1));
	CHECK_INT(count_of(r.g, NULL, "P"), N + 1);
	err_clear(&e);
	free(v);
	free(ids);
	rig_close(&r);
}

static int edge_sum(struct graph *g)
{
	const struct type *person, *knows;
	struct snapshot *s;
	struct row_scan sc;
	rowref r, other;
	int n = 0;

	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	person = catalog_node(snapshot_catalog(s), STR("Person"));
	knows = catalog_edge(snapshot_catalog(s), STR("Knows"));
	row_scan_init(&sc, s, person);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		for (int out = 0; out < 2; out++) {
			struct edge_iter it;
			rowref edge;

			edge_iter_init(&it, s, knows, out, r);
			while (edge_iter_next(&it, &edge, &other)) {
				struct str far = out ? row_dst(s, knows, edge) : row_src(s, knows, edge);

				CHECK(str_eq(row_id(s, person, other), far));
				n++;
			}
		}
	}
	snapshot_put(s);
	return n;
}

/* Adjacency is the same from segments, from the delta, and from both. */
static void adjacency(void)
{
	char(*ids)[24] = calloc(2000, sizeof(*ids));
	struct op *v = calloc(2000, sizeof(*v));
	struct ops ops = { v, 0, 0, false };
	int before;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 200; i++) {
		snprintf(ids[i], 24, "p%d", i);
		v[ops.n++] = (struct op)PERSON(ids[i], 1);
	}
	for (int i = 200; i < 1200; i++) {
		snprintf(ids[i], 24, "e%d", i);
		v[ops.n++] = (struct op)KNOWS(ids[i], ids[i * 7 % 200], ids[i * 13 % 200]);
	}
	CHECK_OK(write_ops(r.g, NULL, &ops, true, NULL, NULL, ep));
	before = edge_sum(r.g);
	CHECK_INT(before, 2000);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	CHECK_INT(edge_sum(r.g), 2000);
	WRITE(r.g, NULL, PERSON("p3", 9), DEL_KNOWS("e300"), KNOWS("e301", "p3", "p3"), KNOWS("new", "p3", "p4"));
	CHECK_INT(edge_sum(r.g), 2000);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	CHECK_INT(edge_sum(r.g), 2000);
	CHECK_INT(edge_sum(r.g), 2000);
	free(v);
	free(ids);
	rig_close(&r);
}

/* Written by itself once the log is long enough; nobody asks. */
static void automatic(void)
{
	char key[256], id[32];
	struct rig r;

	if (test_s3_bucket()) {
		printf("# skipped on S3: it takes thousands of commits\n");
		return;
	}
	rig_open(&r);
	for (int i = 0; i < 4200; i++) {
		snprintf(id, sizeof(id), "p%d", i % 100);
		WRITE(r.g, NULL, PERSON(id, 1));
	}
	graph_close(r.g);
	newest(&r, key);
	CHECK_HAS(key, "ckpt/");
	CHECK_OK(graph_open_store(&r.cs.base, NULL, &r.g, ep));
	CHECK_INT(count_of(r.g, NULL, "P"), 100);
	rig_close(&r);
}

CHECK_MAIN("engine/checkpoint", { "a checkpoint changes nothing visible, also after reopening", same_after_reopen },
	   { "without checkpoints the log gives the same state", log_alone_is_enough },
	   { "ENG-12 a held snapshot stays through checkpoints", held_snapshot },
	   { "every old commit reads as it did", time_travel },
	   { "nested branches with checkpoints of their own reopen the same", branches },
	   { "a checkpoint of a branch without own commits loses nothing", fresh_branch },
	   { "a damaged checkpoint is passed over", damaged_checkpoint },
	   { "a damaged segment is refused by name or answered from the log", damaged_segment },
	   { "opening does not cost more with a longer history", bounded_open },
	   { "a large commit, its replacement and a truncation read the same from segments", large_commit },
	   { "ENG-03 a failing segment write has no effect", failed_segment },
	   { "edges are found from segments and delta alike", adjacency },
	   { "checkpoints are written by themselves", automatic }, )
