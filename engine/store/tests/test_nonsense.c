/* SPDX-License-Identifier: MIT */
/* Commit records and checkpoints that pass their checksum but make no sense: refused or read within bounds, never a crash. */
#include "engine/store/ckpt_format.h"
#include "engine/store/graph_priv.h"
#include "engine/store/log_record.h"
#include "fixture.h"

#include <omnigraph/arch.h>

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

struct copy {
	struct store *from, *to;
	char log[128];
	struct strbuf last; /* the last record, kept back */
	uint64_t last_seq;
};

static int copy_object(void *arg, const char *key, const struct store_stat *st)
{
	struct copy *c = arg;
	struct store_object o;

	CHECK_OK(store_get(c->from, key, 1 << 24, &o, ep));
	CHECK_OK(store_put(c->to, key, o.data, o.n, ep));
	store_object_free(&o);
	return 0;
}

static int copy_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct copy *c = arg;

	if (c->last.n)
		CHECK_OK(store_log_append(c->to, c->log, c->last_seq, c->last.s, c->last.n, ep));
	sb_reset(&c->last);
	sb_add(&c->last, data, n);
	c->last_seq = seq;
	return 0;
}

/* A store with all of @from but the last record of main's log. */
static void copy_store(struct copy *c, const char *name)
{
	struct store_object o;
	const char *p;

	CHECK_OK(store_open(name, NULL, &c->to, ep));
	CHECK_OK(store_list(c->from, "", NULL, true, copy_object, c, ep));
	CHECK_OK(store_get(c->from, "graph.json", 1 << 16, &o, ep));
	p = strstr(o.data, "\"main\":\"");
	CHECK(p != NULL);
	snprintf(c->log, sizeof(c->log), "log/%.26s", p + 8);
	store_object_free(&o);
	CHECK_OK(store_log_read(c->from, c->log, 1, copy_record, c, ep));
}

static void read_everything(struct store *s)
{
	struct graph *g;
	struct snapshot *snap;

	if (graph_open_store(s, NULL, &g, NULL))
		return;
	if (!graph_snapshot(g, NULL, NULL, &snap, NULL)) {
		free(dump(snap));
		snapshot_put(snap);
	}
	graph_close(g);
}

static void fill(struct store *s)
{
	struct graph *g;

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(s, NULL, &g, ep));
	WRITE(g, NULL, PERSON("ada", 5), PERSON("bob", 1), KNOWS("e", "ada", "bob"));
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	WRITE(g, NULL, PERSON("ada", 6), DEL_PERSON("bob"), DEL_KNOWS("e"), KNOWS("f", "ada", "ada"), NOTE("n"));
	graph_close(g);
}

static void records(void)
{
	struct copy c = { .last = STRBUF_INIT };
	char name[64];

	CHECK_OK(store_open("mem://nonsense", NULL, &c.from, ep));
	fill(c.from);
	for (int i = 0; i < 1500; i++) {
		struct strbuf m = STRBUF_INIT;

		c.last.n = 0;
		snprintf(name, sizeof(name), "mem://nonsense-%d", i);
		copy_store(&c, name);
		sb_add(&m, c.last.s, c.last.n);
		for (int k = 0; k < 1 + i % 3; k++)
			m.s[LOG_HEADER_BYTES + 90 + rnd() % (m.n - LOG_HEADER_BYTES - 90)] = (char)rnd();
		record_finish(&m, 1);
		CHECK_OK(store_log_append(c.to, c.log, c.last_seq, m.s, m.n, ep));
		read_everything(c.to);
		store_close(c.to);
		sb_free(&m);
	}
	sb_free(&c.last);
	store_close(c.from);
}

static int find_checkpoint(void *arg, const char *key, const struct store_stat *st)
{
	snprintf(arg, 256, "%s", key);
	return 0;
}

static void seal(char *p, size_t n)
{
	uint32_t crc = crc32c(crc32c(0, p, CKPT_CRC_OFFSET), p + CKPT_HEADER_BYTES, n - CKPT_HEADER_BYTES);

	for (int i = 0; i < 4; i++)
		p[CKPT_CRC_OFFSET + i] = (char)(crc >> (8 * i));
}

static void checkpoints(void)
{
	struct store_object o;
	struct store *s;
	char key[256];

	CHECK_OK(store_open("mem://nonsense-ckpt", NULL, &s, ep));
	fill(s);
	CHECK_OK(store_list(s, "ckpt", NULL, true, find_checkpoint, key, ep));
	CHECK_OK(store_get(s, key, 1 << 20, &o, ep));
	for (int i = 0; i < 3000; i++) {
		char *p = malloc(o.n);

		memcpy(p, o.data, o.n);
		for (int k = 0; k < 1 + i % 3; k++)
			p[CKPT_HEADER_BYTES + rnd() % (o.n - CKPT_HEADER_BYTES)] = (char)rnd();
		seal(p, o.n);
		CHECK_OK(store_put(s, key, p, o.n, ep));
		read_everything(s);
		free(p);
	}
	store_object_free(&o);
	store_close(s);
}

static void put_changed(struct store *s, const char *key, const char *text, const char *was, const char *is)
{
	const char *at = strstr(text, was);
	struct strbuf b = STRBUF_INIT;

	CHECK(at != NULL);
	sb_add(&b, text, (size_t)(at - text));
	sb_addz(&b, is);
	sb_addz(&b, at + strlen(was));
	b.n = (size_t)(strstr(b.s, ",\"crc32c\"") - b.s); /* seal it anew */
	sb_addch(&b, '}');
	json_seal(&b);
	CHECK_OK(store_put(s, key, b.s, b.n, ep));
	sb_free(&b);
}

/* A branch of a branch: its ref says where the history of both lies. */
static void refs(void)
{
	static const char *const changes[][2] = {
		{ "\"branch\":null", "\"branch\":\"main\"" }, { "\"branch\":\"b\"", "\"branch\":null" },
		{ "\"version\":3", "\"version\":0" },	      { "\"version\":3", "\"version\":1" },
		{ "\"version\":2", "\"version\":4" },	      { "\"version\":3", "\"version\":-3" },
	};
	struct store_object o;
	struct snapshot *snap;
	struct graph *g;
	struct store *s;
	char *text;

	CHECK_OK(store_open("mem://nonsense-refs", NULL, &s, ep));
	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(s, NULL, &g, ep));
	WRITE(g, NULL, PERSON("ada", 5));
	CHECK_OK(graph_branch_create(g, "b", NULL, NULL, ep));
	WRITE(g, "b", PERSON("bob", 5));
	CHECK_OK(graph_branch_create(g, "c", "b", NULL, ep));
	graph_close(g);
	CHECK_OK(store_get(s, "refs/c.json", 1 << 16, &o, ep));
	text = str_dup((struct str){ o.data, o.n });
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct err e = ERR_INIT;

		put_changed(s, "refs/c.json", text, changes[i][0], changes[i][1]);
		CHECK_OK(graph_open_store(s, NULL, &g, ep));
		CHECK(graph_snapshot(g, "c", NULL, &snap, &e) != 0);
		CHECK_HAS(err_msg(&e), "damaged object 'refs/c.json'");
		err_clear(&e);
		graph_close(g);
	}
	put_changed(s, "refs/c.json", text, "{", "{");
	CHECK_OK(graph_open_store(s, NULL, &g, ep));
	CHECK_OK(graph_snapshot(g, "c", NULL, &snap, ep));
	snapshot_put(snap);
	graph_close(g);
	free(text);
	store_object_free(&o);
	store_close(s);
}

CHECK_MAIN("engine/nonsense", { "commit records of nonsense", records }, { "checkpoints of nonsense", checkpoints },
	   { "refs of nonsense", refs })
