/* SPDX-License-Identifier: MIT */
/*
 * small_root.h - what the fuzzers of stored objects share: a small graph root with one of every kind of object, copies of it, and a reader of all
 * that can be seen. A copy with one object replaced must be read within its bounds, or refused.
 */
#ifndef TOOLS_FUZZ_SMALL_ROOT_H
#define TOOLS_FUZZ_SMALL_ROOT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/changes.h>
#include <omnigraph/maintenance.h>
#include <omnigraph/mem.h>

#include "engine/store/graph_priv.h"

#define MUST(call)               \
	do {                     \
		if ((call))      \
			abort(); \
	} while (0)

struct small_root {
	struct store *s;
	char main_log[64], branch_log[64];
	char ref[128], history[128], checkpoint[128];
};

struct small_text {
	struct str s;
	size_t at;
};

static inline long small_read(void *arg, void *buf, size_t n, struct err *e)
{
	struct small_text *t = arg;

	n = n < t->s.n - t->at ? n : t->s.n - t->at;
	memcpy(buf, t->s.s + t->at, n);
	t->at += n;
	return (long)n;
}

static inline void small_load(struct graph *g, const char *branch, const char *rows)
{
	struct load_opts o = { .write = { .branch = branch }, .mode = LOAD_MERGE, .shape = LOAD_STRICT };
	struct small_text t = { str_from(rows), 0 };
	struct load_result res;

	MUST(graph_load(g, &o, small_read, &t, &res, NULL));
	load_result_clear(&res);
}

static inline int small_first_key(void *arg, const char *key, const struct store_stat *st)
{
	snprintf(arg, 128, "%s", key);
	return 1;
}

static inline void small_fill(struct graph *g)
{
	struct cleanup_opts keep = { .by_count = true, .keep_versions = 3 };
	struct cleanup_result res;

	small_load(g, NULL,
		   "{\"type\":\"P\",\"data\":{\"name\":\"a\",\"n\":1,\"tags\":[\"x\",\"y\"],\"v\":[1,2]}}\n"
		   "{\"type\":\"P\",\"data\":{\"name\":\"b\"}}\n{\"edge\":\"K\",\"from\":\"a\",\"to\":\"b\"}\n");
	MUST(graph_branch_create(g, "side", NULL, NULL, NULL));
	small_load(g, "side", "{\"type\":\"P\",\"data\":{\"name\":\"s\",\"n\":7}}\n");
	for (int i = 0; i < 4; i++)
		small_load(g, NULL, "{\"type\":\"P\",\"data\":{\"name\":\"c\",\"n\":2,\"pic\":\"base64:eA==\"}}\n");
	MUST(graph_checkpoint(g, NULL, NULL));
	MUST(graph_cleanup(g, &keep, &res, NULL));
	cleanup_result_clear(&res);
	small_load(g, NULL,
		   "{\"type\":\"P\",\"data\":{\"name\":\"d\",\"n\":null}}\n{\"edge\":\"K\",\"from\":\"d\",\"to\":\"a\"}"
		   "\n");
}

/* Made once for a process. */
static inline const struct small_root *small_root(void)
{
	static struct small_root r;
	struct graph *g;
	struct branch *b;

	if (r.s)
		return &r;
	MUST(store_open("mem://fuzz", NULL, &r.s, NULL));
	MUST(graph_init_store(r.s,
			      STR("node P { name: String @key  n: I64?  tags: [String]?  v: Vector(2)?  pic: Blob? }\n"
				  "edge K: P -> P\n"),
			      NULL, NULL));
	MUST(graph_open_store(r.s, NULL, &g, NULL));
	g->inline_max = 200; /* some commits write segments */
	g->segs.index_rows = 0;
	small_fill(g);
	log_key(g->main_id, r.main_log);
	snprintf(r.history, sizeof(r.history), "history/%s.json", g->main_id);
	ref_key("side", r.ref);
	MUST(branch_open(g, "side", &b, NULL));
	log_key(b->lineage->step[0].id, r.branch_log);
	branch_put(b);
	store_list(r.s, "ckpt", NULL, true, small_first_key, r.checkpoint, NULL);
	graph_close(g);
	return &r;
}

struct small_copy {
	const struct small_root *r;
	struct store *to;
	const char *log;    /* being copied */
	uint64_t last_of;   /* of main's log: this record is replaced */
	const void *record; /* by this one */
	size_t n;
};

static inline int small_object(void *arg, const char *key, const struct store_stat *st)
{
	struct small_copy *c = arg;
	struct store_object o;

	MUST(store_get(c->r->s, key, 1 << 24, &o, NULL));
	MUST(store_put(c->to, key, o.data, o.n, NULL));
	store_object_free(&o);
	return 0;
}

static inline int small_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct small_copy *c = arg;
	bool replaced = c->record && c->log == c->r->main_log && seq == c->last_of;

	MUST(store_log_append(c->to, c->log, seq, replaced ? c->record : data, replaced ? c->n : n, NULL));
	return 0;
}

static inline int small_skip(void *arg, uint64_t seq, const void *data, size_t n)
{
	return 1;
}

static inline void small_copy_log(struct small_copy *c, const char *log)
{
	uint64_t next, first = 1;

	c->log = log;
	MUST(store_log_tail(c->r->s, log, &next, NULL));
	while (first < next && store_log_read(c->r->s, log, first, small_skip, NULL, NULL) < 0)
		MUST(store_log_append(c->to, log, first++, "gone", 4, NULL));
	if (first > 1)
		MUST(store_log_trim(c->to, log, first - 1, NULL));
	MUST(store_log_read(c->r->s, log, first, small_record, c, NULL));
}

/* A store of its own with all of the root; @record (may be NULL) in place of the last one of main's log. store_close() it. */
static inline struct store *small_root_copy(const void *record, size_t n)
{
	struct small_copy c = { .r = small_root(), .record = record, .n = n };
	static unsigned long number;
	char uri[64];
	uint64_t next;

	snprintf(uri, sizeof(uri), "mem://fuzz-%lu", ++number);
	MUST(store_open(uri, NULL, &c.to, NULL));
	MUST(store_list(c.r->s, "", NULL, true, small_object, &c, NULL));
	MUST(store_log_tail(c.r->s, c.r->main_log, &next, NULL));
	c.last_of = next - 1;
	small_copy_log(&c, c.r->main_log);
	small_copy_log(&c, c.r->branch_log);
	return c.to;
}

static inline int small_discard(void *arg, const void *data, size_t n, struct err *e)
{
	return 0;
}

static inline int small_count(void *arg, const struct commit_info *ci)
{
	return 0;
}

static inline void small_read_branch(struct graph *g, const char *branch)
{
	struct change_position at = { .start = "beginning" };
	struct change_limits l = CHANGE_LIMITS_DEFAULT;
	struct change_filter all = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct snapshot *s;

	if (!graph_snapshot(g, branch, NULL, &s, NULL)) {
		graph_export(s, NULL, 0, small_discard, NULL, NULL);
		snapshot_put(s);
	}
	graph_commits(g, branch, small_count, NULL, NULL);
	graph_changes(g, branch, &all, &at, &l, &out, NULL);
	sb_free(&out);
}

static inline int small_name(void *arg, const char *name)
{
	return 0;
}

/* Open the graph in @s and look at everything. */
static inline void small_root_read(struct store *s)
{
	struct graph_open_opts ro = { .read_only = true };
	struct graph *g;

	if (graph_open_store(s, &ro, &g, NULL))
		return;
	graph_branches(g, small_name, NULL, NULL);
	small_read_branch(g, NULL);
	small_read_branch(g, "side");
	graph_close(g);
}

#endif
