/* SPDX-License-Identifier: MIT */
/* Changes through the engine's own interface: what HTTP does not reach. */
#include <omnigraph/changes.h>

#include "engine/store/tests/fixture.h"

#define SCHEMA "node P {\n  name: String @key\n  note: String?\n}\nedge Knows: P -> P\n"

static const struct change_filter all = { 0 };

struct rig {
	struct store *s;
	struct graph *g;
	struct arena a;
};

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	const char **text = arg;
	size_t len = strlen(*text) < n ? strlen(*text) : n;

	memcpy(buf, *text, len);
	*text += len;
	return (long)len;
}

static void put(struct rig *r, const char *name, size_t note)
{
	struct load_opts opts = { .mode = LOAD_MERGE, .shape = LOAD_STRICT };
	struct strbuf b = STRBUF_INIT;
	struct load_result res;
	const char *text;

	sb_addf(&b, "{\"type\":\"P\",\"data\":{\"name\":\"%s\",\"note\":\"", name);
	for (size_t i = 0; i < note; i++)
		sb_addch(&b, 'x');
	sb_addz(&b, "\"}}\n");
	text = b.s;
	CHECK_OK(graph_load(r->g, &opts, read_text, &text, &res, ep));
	load_result_clear(&res);
	sb_free(&b);
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){ 0 };
	r->s = test_store_open();
	CHECK_OK(graph_init_store(r->s, STR(SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
	arena_free(&r->a);
}

static const struct json *poll(struct rig *r, const struct change_position *at, const struct change_limits *l)
{
	struct strbuf out = STRBUF_INIT;
	struct json *v = NULL;

	CHECK_OK(graph_changes(r->g, NULL, &all, at, l, &out, ep));
	CHECK_OK(json_parse(&r->a, arena_str(&r->a, sb_str(&out)), NULL, &v, ep));
	sb_free(&out);
	return v;
}

/* "a b|c": ids of changes, blocks separated by bars. */
static const char *ids(struct rig *r, const struct json *page)
{
	const struct json *blocks = json_get(page, "blocks");
	const char *out = "";

	for (size_t i = 0; i < blocks->n; i++) {
		const struct json *changes = json_get(&blocks->items[i], "changes");

		out = arena_printf(&r->a, "%s%s", out, i ? "|" : "");
		for (size_t k = 0; k < changes->n; k++)
			out = arena_printf(&r->a, "%s%s%.*s", out, k ? " " : "",
					   STR_ARG(json_get(&changes->items[k], "id")->text));
	}
	return out;
}

static const char *text_of(struct rig *r, const struct json *v, const char *name)
{
	const struct json *m = json_get(v, name);

	return m ? arena_str(&r->a, m->text).s : NULL;
}

static void bytes_pack_pages(void)
{
	struct change_limits l = CHANGE_LIMITS_DEFAULT;
	struct change_position at = { .start = "beginning" };
	const struct json *page;
	struct rig r;

	rig_open(&r);
	put(&r, "a", 10);
	put(&r, "big", 5000);
	put(&r, "b", 10);
	l.bytes = 1000;
	page = poll(&r, &at, &l);
	CHECK_STR(ids(&r, page), "a"); /* the big one ends the page before it */
	CHECK(!json_get(page, "caught_up")->boolean);
	at = (struct change_position){ .cursor = text_of(&r, page, "cursor") };
	page = poll(&r, &at, &l);
	CHECK_STR(ids(&r, page), "big"); /* and is delivered alone, as the first of its page */
	at = (struct change_position){ .cursor = text_of(&r, page, "cursor") };
	page = poll(&r, &at, &l);
	CHECK_STR(ids(&r, page), "b");
	CHECK(json_get(page, "caught_up")->boolean);
	rig_close(&r);
}

static void nothing_behind_genesis(void)
{
	struct strbuf out = STRBUF_INIT;
	struct snapshot *s = NULL;
	struct rig r;

	rig_open(&r);
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
	CHECK_OK(graph_diff(r.g, snapshot_commit(s)->id, snapshot_commit(s)->id, &all, &out, ep));
	CHECK_STR(out.s, "{\"changes\":[]}");
	snapshot_put(s);
	sb_free(&out);
	rig_close(&r);
}

static void limits(void)
{
	static const struct {
		struct change_limits l;
		enum err_code code;
		const char *resource;
	} cases[] = {
		{ { CHANGE_PAGE_MAX, CHANGE_BYTES_MAX, CHANGE_COMMITS_MAX }, ERR_NONE, NULL },
		{ { 0, 1, 1 }, ERR_BAD_REQUEST, NULL },
		{ { 1, 0, 1 }, ERR_BAD_REQUEST, NULL },
		{ { 1, 1, 0 }, ERR_BAD_REQUEST, NULL },
		{ { CHANGE_PAGE_MAX + 1, 1, 1 }, ERR_RESOURCE_LIMIT, "commit_changes_page_changes" },
		{ { 1, CHANGE_BYTES_MAX + 1, 1 }, ERR_RESOURCE_LIMIT, "commit_changes_page_bytes" },
		{ { 1, 1, CHANGE_COMMITS_MAX + 1 }, ERR_RESOURCE_LIMIT, "change_feed_commits_per_poll" },
	};
	struct change_position at = { 0 };
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out = STRBUF_INIT;
		struct err e = ERR_INIT;
		int rc = graph_changes(r.g, NULL, &all, &at, &cases[i].l, &out, &e);

		CHECK_INT(rc != 0, cases[i].code != ERR_NONE);
		CHECK_INT(e.code, cases[i].code);
		if (cases[i].resource)
			CHECK_STR(err_get_detail(&e, "resource"), cases[i].resource);
		err_clear(&e);
		sb_free(&out);
	}
	rig_close(&r);
}

static void net_difference(void)
{
	char first[ULID_LEN + 1], last[ULID_LEN + 1], genesis[ULID_LEN + 1];
	struct strbuf out = STRBUF_INIT;
	struct json *v = NULL;
	struct rig r;

	rig_open(&r);
	head_id(r.g, NULL, genesis);
	put(&r, "a", 1);
	put(&r, "b", 1);
	head_id(r.g, NULL, first);
	put(&r, "b", 2);
	put(&r, "c", 1);
	put(&r, "b", 1); /* back to what it was */
	head_id(r.g, NULL, last);
	CHECK_OK(graph_diff(r.g, first, last, &all, &out, ep));
	CHECK_OK(json_parse(&r.a, sb_str(&out), NULL, &v, ep));
	CHECK_INT(json_get(v, "changes")->n, 1);
	CHECK_HAS(out.s, "\"id\":\"c\",\"op\":\"insert\"");
	sb_reset(&out);
	CHECK_OK(graph_diff(r.g, last, genesis, &all, &out, ep));
	CHECK_OK(json_parse(&r.a, arena_str(&r.a, sb_str(&out)), NULL, &v, ep));
	CHECK_INT(json_get(v, "changes")->n, 3);
	CHECK_HAS(out.s, "\"op\":\"delete\"");
	sb_free(&out);
	rig_close(&r);
}

/* Old commits behind a checkpoint are told from the state before it. */
static void behind_checkpoints(void)
{
	struct change_limits l = CHANGE_LIMITS_DEFAULT;
	struct change_position at = { .start = "beginning" };
	struct graph *fresh;
	struct rig r;

	rig_open(&r);
	put(&r, "a", 1);
	put(&r, "b", 1);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	put(&r, "c", 1);
	put(&r, "a", 2);
	CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	put(&r, "d", 1);
	CHECK_OK(graph_open_store(r.s, NULL, &fresh, ep));
	graph_close(r.g);
	r.g = fresh;
	CHECK_STR(ids(&r, poll(&r, &at, &l)), "a|b|c|a|d");
	l.commits = 2;
	CHECK_STR(ids(&r, poll(&r, &at, &l)), "a|b");
	rig_close(&r);
}

CHECK_MAIN("engine/branch changes",
	   { "ENG-64 ENG-65 a change above the byte target is alone on its page", bytes_pack_pages },
	   { "ENG-77 the limits of changes, bytes and commits of a page", limits },
	   { "ENG-62 the net difference of two commits, either way", net_difference },
	   { "ENG-62 genesis differs from itself in nothing, though nothing is behind it", nothing_behind_genesis },
	   { "ENG-64 commits before a checkpoint are told like those behind it", behind_checkpoints }, )
