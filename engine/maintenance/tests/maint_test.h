/* SPDX-License-Identifier: MIT */
/* maint_test.h - what the tests of maintenance share: a graph in memory or on S3, commits to look back at. */
#ifndef MAINT_TEST_H
#define MAINT_TEST_H

#include <omnigraph/maintenance.h>

#include "engine/store/tests/fixture.h"

struct rig {
	struct store *s;
	struct graph *g;
};

static void rig_init(struct rig *r, struct store *s, struct str schema)
{
	r->s = s;
	CHECK_OK(graph_init_store(r->s, schema, NULL, ep));
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
}

__attribute__((unused)) static void rig_open_at(struct rig *r, const char *root, struct str schema)
{
	rig_init(r, test_store_at(root), schema);
}

__attribute__((unused)) static void rig_open_schema(struct rig *r, struct str schema)
{
	rig_init(r, test_store_open(), schema);
}

__attribute__((unused)) static void rig_open(struct rig *r)
{
	rig_open_schema(r, STR(FIXTURE_SCHEMA));
}

__attribute__((unused)) static void rig_reopen(struct rig *r)
{
	graph_close(r->g);
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
}

__attribute__((unused)) static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
}

/* Commit @i of a series: puts, replaces and deletes. */
__attribute__((unused)) static void series_commit(struct graph *g, const char *branch, int i)
{
	char a[16], b[16], c[16], k[16];

	snprintf(a, sizeof(a), "a%d", i);
	snprintf(b, sizeof(b), "b%d", i % 5);
	snprintf(c, sizeof(c), "a%d", i - 3);
	snprintf(k, sizeof(k), "k%d", i);
	WRITE(g, branch, PERSON(a, i + 1), PERSON(b, i), NOTE(a), KNOWS(k, a, b));
	if (i >= 3) {
		snprintf(k, sizeof(k), "k%d", i - 3);
		WRITE(g, branch, DEL_KNOWS(k), DEL_PERSON(c));
	}
}

struct commits { /* newest first */
	char id[256][ULID_LEN + 1];
	char *state[256];
	size_t n;
};

static int on_commit(void *arg, const struct commit_info *c)
{
	struct commits *cs = arg;

	if (cs->n < 256)
		memcpy(cs->id[cs->n++], c->id, ULID_LEN + 1);
	return 0;
}

__attribute__((unused)) static void commits_take(struct graph *g, const char *branch, struct commits *cs)
{
	memset(cs, 0, sizeof(*cs));
	CHECK_OK(graph_commits(g, branch, on_commit, cs, ep));
	for (size_t i = 0; i < cs->n; i++)
		cs->state[i] = dump_branch(g, NULL, cs->id[i]);
}

__attribute__((unused)) static void commits_free(struct commits *cs)
{
	for (size_t i = 0; i < cs->n; i++)
		free(cs->state[i]);
}

__attribute__((unused)) static void commits_same(struct graph *g, const struct commits *cs, size_t n)
{
	for (size_t i = 0; i < n && i < cs->n; i++) {
		char *now = dump_branch(g, NULL, cs->id[i]);

		CHECK_STR(now, cs->state[i]);
		free(now);
	}
}

static int on_object(void *arg, const char *key, const struct store_stat *st)
{
	sb_addf(arg, "%s %llu\n", key, (unsigned long long)st->size);
	return 0;
}

static int on_log_name(void *arg, const char *name)
{
	sb_addf(arg, "%s\n", name);
	return 0;
}

/* Every object and log by name. */
__attribute__((unused)) static char *contents(struct store *s)
{
	struct strbuf out = STRBUF_INIT;

	CHECK_OK(store_list(s, "", NULL, true, on_object, &out, ep));
	CHECK_OK(store_log_list(s, "log", on_log_name, &out, ep));
	return sb_detach(&out);
}

static int on_export(void *arg, const void *data, size_t n, struct err *e)
{
	sb_add(arg, data, n);
	return 0;
}

__attribute__((unused)) static char *export_of(struct graph *g, const char *branch)
{
	struct strbuf out = STRBUF_INIT;
	struct snapshot *s = NULL;

	CHECK_OK(graph_snapshot(g, branch, NULL, &s, ep));
	CHECK_OK(graph_export(s, NULL, 0, on_export, &out, ep));
	snapshot_put(s);
	return sb_detach(&out);
}

#endif
