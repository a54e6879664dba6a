/* SPDX-License-Identifier: MIT */
/* The stored adjacency of edge segments: it answers as the segments do, whatever state it is in, and lives as long as they. */
#include "engine/store/graph_priv.h"
#include "maint_test.h"

#define PEOPLE 9
#define EDGES 60

struct key_find {
	char src[128], dst[128];
	size_t n;
};

static int on_idx(void *arg, const char *key, const struct store_stat *st)
{
	struct key_find *f = arg;

	snprintf(strcmp(key + strlen(key) - 4, ".src") == 0 ? f->src : f->dst, 128, "%s", key);
	f->n++;
	return 0;
}

static struct key_find stored(struct store *s)
{
	struct key_find f = { .n = 0 };

	CHECK_OK(store_list(s, "idx", NULL, false, on_idx, &f, ep));
	return f;
}

static void reopen_small(struct rig *r)
{
	rig_reopen(r);
	r->g->segs.index_rows = 0;
}

/* Hubs, parallel edges, self-loops, people without edges. */
static void write_edges(struct graph *g)
{
	struct op v[PEOPLE + EDGES];
	char id[PEOPLE + EDGES][16];
	struct ops ops = { v, PEOPLE + EDGES, 0, false };

	for (int i = 0; i < PEOPLE + EDGES; i++) {
		snprintf(id[i], sizeof(id[i]), "%s%03d", i < PEOPLE ? "p" : "k", i);
		v[i] = i < PEOPLE ? (struct op)PERSON(id[i], i + 1)
				  : (struct op)KNOWS(id[i], id[i * 7 % 5], id[i % 3 ? i % (PEOPLE - 1) : i * 7 % 5]);
	}
	CHECK_OK(write_ops(g, NULL, &ops, true, NULL, NULL, ep));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_edges(const struct snapshot *s, const struct type *et, bool outgoing, const char *id,
		      struct strbuf *out)
{
	struct edge_iter it;
	char *names[EDGES];
	size_t n = 0;
	rowref e;

	edge_iter_init_id(&it, s, et, outgoing, str_from(id));
	while (edge_iter_next(&it, &e, NULL) && n < EDGES)
		names[n++] = str_dup(row_id(s, et, e));
	qsort(names, n, sizeof(*names), by_text);
	sb_addf(out, "%s%s", id, outgoing ? " ->" : " <-");
	for (size_t i = 0; i < n; i++) {
		sb_addf(out, " %s", names[i]);
		free(names[i]);
	}
	sb_addf(out, "\n");
}

/* The edges at every person, in both directions. */
static char *edges_of(struct graph *g)
{
	struct strbuf out = STRBUF_INIT;
	struct snapshot *s = NULL;
	const struct type *et;

	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	et = catalog_edge(snapshot_catalog(s), STR("Knows"));
	for (int i = 0; i <= PEOPLE; i++) {
		char id[16];

		snprintf(id, sizeof(id), "p%03d", i);
		add_edges(s, et, true, id, &out);
		add_edges(s, et, false, id, &out);
	}
	CHECK_OK(snapshot_type_check(s, et, ep));
	snapshot_put(s);
	return sb_detach(&out);
}

static void check_edges(struct rig *r, const char *want)
{
	char *now;

	reopen_small(r);
	now = edges_of(r->g);
	CHECK_STR(now, want);
	free(now);
}

/* A graph whose edges are in one segment with its adjacency @f; what the edges are is taken from memory before. */
static char *open_with_objects(struct rig *r, struct key_find *f)
{
	char *want;

	rig_open(r);
	r->g->segs.index_rows = 0;
	write_edges(r->g);
	want = edges_of(r->g);
	CHECK_OK(graph_checkpoint(r->g, NULL, ep));
	*f = stored(r->s);
	CHECK_INT(f->n, 2);
	check_edges(r, want);
	return want;
}

static void same_answers(void)
{
	struct optimize_result res;
	char *want, *before, *after;
	struct key_find f;
	struct rig r;

	want = open_with_objects(&r, &f);
	before = contents(r.s);
	CHECK_OK(store_delete(r.s, f.src, ep));
	check_edges(&r, want);
	CHECK_OK(store_put(r.s, f.dst, "damaged", 7, ep));
	check_edges(&r, want);
	CHECK_OK(graph_optimize(r.g, &res, ep));
	CHECK_INT(res.types[0].fragments_removed, 0);
	optimize_result_clear(&res);
	after = contents(r.s);
	CHECK_STR(after, before);
	check_edges(&r, want);
	free(before);
	free(after);
	free(want);
	rig_close(&r);
}

static void put_changed(struct store *s, const char *key, const struct store_object *o, size_t at, uint8_t mask,
			size_t n, bool seal)
{
	uint8_t *copy = memcpy(mem_alloc(o->n), o->data, o->n);

	copy[at] ^= mask;
	if (seal)
		adjacency_seal(copy, n);
	CHECK_OK(store_put(s, key, copy, n, ep));
	free(copy);
}

static void every_byte(void)
{
	struct store_object o;
	struct key_find f;
	struct rig r;
	char *want;

	want = open_with_objects(&r, &f);
	CHECK_OK(store_get(r.s, f.src, 1 << 20, &o, ep));
	for (size_t i = 0; i < o.n; i += 3) {
		put_changed(r.s, f.src, &o, i, (uint8_t)(1 << i % 8), o.n, false);
		check_edges(&r, want);
	}
	for (size_t n = 1; n < o.n; n += 41) {
		put_changed(r.s, f.src, &o, 0, 0, n, false);
		check_edges(&r, want);
	}
	store_object_free(&o);
	CHECK_OK(store_get(r.s, f.dst, 1 << 20, &o, ep));
	CHECK_OK(store_put(r.s, f.src, o.data, o.n, ep)); /* the other endpoint's */
	check_edges(&r, want);
	store_object_free(&o);
	free(want);
	rig_close(&r);
}

/* With right checksums an object can propose the wrong rows, but leads nobody out of it. */
static void sealed_nonsense(void)
{
	struct store_object o;
	struct key_find f;
	struct rig r;
	char *want;

	want = open_with_objects(&r, &f);
	CHECK_OK(store_get(r.s, f.src, 1 << 20, &o, ep));
	for (size_t i = ADJACENCY_HEADER_BYTES - 76; i < o.n; i++) {
		put_changed(r.s, f.src, &o, i, (uint8_t)(1 + i % 255), o.n, true);
		reopen_small(&r);
		free(edges_of(r.g));
	}
	store_object_free(&o);
	free(want);
	rig_close(&r);
}

static void cleanup_graph(struct graph *g, int64_t orphan_age)
{
	struct cleanup_opts o = { .by_count = true, .keep_versions = 1, .orphan_age_s = orphan_age };
	struct cleanup_result res;

	CHECK_OK(graph_cleanup(g, &o, &res, ep));
	cleanup_result_clear(&res);
}

static void gone_with_segment(void)
{
	const char *orphan = "idx/00000000000000000000000000000000000000000000000000000000000000aa.src";
	struct key_find f, g;
	struct rig r;

	free(open_with_objects(&r, &f));
	CHECK_OK(store_put(r.s, orphan, "x", 1, ep));
	CHECK_OK(store_put(r.s, "idx/notes.txt", "x", 1, ep));
	cleanup_graph(r.g, 0);
	CHECK_INT(stored(r.s).n, 4); /* an orphan is left alone while it is young */
	cleanup_graph(r.g, -1);
	CHECK_INT(stored(r.s).n, 3);
	CHECK_OK(store_delete(r.s, "idx/notes.txt", ep));
	for (int i = PEOPLE; i < PEOPLE + EDGES / 2; i++) {
		char id[16];

		snprintf(id, sizeof(id), "k%03d", i);
		WRITE(r.g, NULL, DEL_KNOWS(id));
	}
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	cleanup_graph(r.g, 0);
	g = stored(r.s);
	CHECK_INT(g.n, 2);
	CHECK(strcmp(f.src, g.src) != 0 && strcmp(f.dst, g.dst) != 0);
	rig_close(&r);
}

CHECK_MAIN("engine/adjacency_objects",
	   { "ENG-72 edges are the same with the adjacency stored, missing or damaged; optimize makes it again",
	     same_answers },
	   { "ENG-72 no changed byte, no cut and no other object changes an answer", every_byte },
	   { "sealed nonsense leads no reader astray", sealed_nonsense },
	   { "ENG-73 cleanup removes the adjacency with its segment, orphans when they are old", gone_with_segment })
