/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "fixture.h"

struct listing {
	struct strbuf text;
	struct store *s;
};

static int on_object(void *arg, const char *key, const struct store_stat *st)
{
	struct listing *l = arg;
	struct store_object o;
	char hex[SHA256_HEX_LEN + 1];

	if (store_get(l->s, key, 1u << 30, &o, NULL))
		return -1;
	sha256_hex(o.data, o.n, hex);
	store_object_free(&o);
	sb_addf(&l->text, "%s %s\n", key, hex);
	return 0;
}

/* Every object of a store with its digest. */
static char *objects(struct store *s)
{
	struct listing l = { STRBUF_INIT, s };

	CHECK_OK(store_list(s, "", NULL, true, on_object, &l, ep));
	return sb_detach(&l.text);
}

static void fresh_graph(void)
{
	char *list, *text;
	struct graph *g;
	struct store *s = test_store_open();
	struct snapshot *snap;

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(s, NULL, &g, ep));
	list = commit_list(g, NULL);
	CHECK_HAS(list, "\"graph_branch\":null,\"graph_manifest_version\":1,\"parent_commit_id\":null,"
			"\"merged_parent_commit_id\":null,\"actor_id\":null");
	CHECK(strchr(list, '\n') == strrchr(list, '\n'));
	CHECK_OK(graph_snapshot(g, NULL, NULL, &snap, ep));
	for (uint32_t i = 0; i < snapshot_catalog(snap)->n_types; i++) {
		CHECK_INT(snapshot_count(snap, &snapshot_catalog(snap)->types[i]), 0);
		CHECK_INT(snapshot_type_version(snap, &snapshot_catalog(snap)->types[i]), 1);
	}
	text = dump(snap);
	CHECK_HAS(text,
		  "{\"graph_branch\":\"x\",\"graph_manifest_version\":1,\"internal_schema_version\":1,\"datasets\":[{"
		  "\"entity_kind\":\"edge\",\"type_name\":\"Knows\"");
	snapshot_put(snap);
	graph_close(g);
	test_store_close(s);
	free(list);
	free(text);
}

static void init_twice(void)
{
	char *before, *after;
	struct graph_init_opts force = { .force = true };
	struct err e = ERR_INIT;
	struct store *s = test_store_open();

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	before = objects(s);
	CHECK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_INT(e.code, ERR_ALREADY_INITIALIZED);
	CHECK_HAS(err_msg(&e), "graph already initialized or initialization metadata exists at '");
	CHECK_HAS(err_msg(&e), "; --force may replace only orphan schema files");
	CHECK(graph_init_store(s, STR(FIXTURE_SCHEMA), &force, &e) < 0);
	CHECK_INT(e.code, ERR_CONFLICT);
	CHECK_HAS(err_msg(&e), "force init refuses graph root '");
	after = objects(s);
	CHECK_STR(after, before);
	err_clear(&e);
	test_store_close(s);
	free(before);
	free(after);
}

static void force_over_orphans(void)
{
	struct graph_init_opts force = { .force = true };
	struct err e = ERR_INIT;
	struct graph *g;
	struct store *s = test_store_open();

	CHECK_OK(store_put(s, "schema/0000.pg", "node X {}", 9, ep));
	CHECK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_INT(e.code, ERR_ALREADY_INITIALIZED);
	CHECK(graph_open_store(s, NULL, &g, &e) < 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), &force, ep));
	CHECK_OK(graph_open_store(s, NULL, &g, ep));
	graph_close(g);
	err_clear(&e);
	test_store_close(s);
}

static void *init_thread(void *arg)
{
	struct err e = ERR_INIT;
	int rc = graph_init(arg, STR(FIXTURE_SCHEMA), NULL, &e);
	intptr_t code = rc ? (intptr_t)e.code : 0;

	err_clear(&e);
	return (void *)code;
}

static void concurrent_inits(void)
{
	char *root = temp_root();
	pthread_t t[8];
	struct graph *g;
	int won = 0;

	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, init_thread, root);
	for (int i = 0; i < 8; i++) {
		void *code;

		pthread_join(t[i], &code);
		won += code == NULL;
		CHECK(!code || (intptr_t)code == ERR_ALREADY_INITIALIZED);
	}
	CHECK_INT(won, 1);
	CHECK_OK(graph_open(root, NULL, &g, ep));
	WRITE(g, NULL, PERSON("ada", 0));
	CHECK_INT(count_of(g, NULL, "P"), 1);
	graph_close(g);
	temp_root_remove(root);
}

static void stamp_case(const char *json, const char *message)
{
	char *before, *after;
	struct err e = ERR_INIT;
	struct graph *g;
	struct store *s = test_store_open();

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(store_put(s, "graph.json", json, strlen(json), ep));
	before = objects(s);
	for (int ro = 0; ro < 2; ro++) {
		struct graph_open_opts opts = { .read_only = ro };

		CHECK(graph_open_store(s, &opts, &g, &e) < 0);
		CHECK_INT(e.code, ERR_BAD_REQUEST);
		CHECK_HAS(err_msg(&e), message);
	}
	after = objects(s);
	CHECK_STR(after, before);
	free(before);
	free(after);
	err_clear(&e);
	test_store_close(s);
}

static void stamps(void)
{
	stamp_case("{\"format_version\":2}",
		   "graph is stamped at internal schema v2 but this binary expects v1 — upgrade "
		   "omnigraph before opening this graph");
	stamp_case("{\"format_version\":0}",
		   "graph is stamped at internal schema v0, but this omnigraph reads only v1. This "
		   "graph was created by omnigraph ");
	stamp_case("{\"format_version\":0}",
		   "(Data, vectors, and blobs are preserved; commit history and branches are not.)");
	stamp_case("{\"format_version\":\"one\"}", "\"one\"");
	stamp_case("{\"format_version\":1.5}", "1.5");
	stamp_case("{\"graph_id\":\"x\"}", "stamp");
}

/* Flip each byte of graph.json: never opened as if nothing was wrong. */
static void damaged_graph_json(void)
{
	struct store_object o;
	struct store *s = test_store_open();
	struct graph *g;

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(store_get(s, "graph.json", 1 << 20, &o, ep));
	for (size_t i = 0; i < o.n; i++) {
		struct err e = ERR_INIT;
		char *p = o.data;

		p[i] ^= 4;
		CHECK_OK(store_put(s, "graph.json", p, o.n, ep));
		CHECK(graph_open_store(s, NULL, &g, &e) < 0);
		CHECK(e.code == ERR_STORAGE || e.code == ERR_BAD_REQUEST);
		p[i] ^= 4;
		err_clear(&e);
	}
	store_object_free(&o);
	test_store_close(s);
}

static int on_schema(void *arg, const char *key, const struct store_stat *st)
{
	snprintf(arg, 256, "%s", key);
	return 1;
}

static void missing_schema(void)
{
	char key[256] = "";
	struct err e = ERR_INIT;
	struct store *s = test_store_open();
	struct graph *g;

	CHECK_OK(graph_init_store(s, STR(FIXTURE_SCHEMA), NULL, ep));
	store_list(s, "schema", NULL, true, on_schema, key, NULL);
	CHECK_OK(store_put(s, key, "damaged", 7, ep));
	CHECK(graph_open_store(s, NULL, &g, &e) < 0);
	CHECK_INT(e.code, ERR_STORAGE);
	CHECK_OK(store_delete(s, key, ep));
	CHECK(graph_open_store(s, NULL, &g, &e) < 0);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_HAS(err_msg(&e), "is missing its schema files: schema/");
	err_clear(&e);
	test_store_close(s);
}

static void read_only(void)
{
	struct graph_open_opts ro = { .read_only = true };
	char *root = temp_root(), *before, *after, *text;
	struct err e = ERR_INIT;
	struct store *s;
	struct graph *g;

	CHECK_OK(graph_init(root, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open(root, NULL, &g, ep));
	WRITE(g, NULL, PERSON("ada", 0), PERSON("bob", 0), KNOWS("e1", "ada", "bob"));
	CHECK_OK(graph_branch_create(g, "draft", NULL, NULL, ep));
	graph_close(g);
	s = test_store_at(root);
	before = objects(s);
	CHECK_OK(graph_open(root, &ro, &g, ep));
	text = dump_branch(g, "draft", NULL);
	CHECK_HAS(text, "Knows e1 ada->bob null");
	free(text);
	text = commit_list(g, NULL);
	free(text);
	{
		const struct op op = PERSON("eve", 0);
		struct ops ops = { &op, 1, 0, false };

		CHECK(write_ops(g, NULL, &ops, true, NULL, NULL, &e) < 0);
		CHECK_INT(ops.calls, 0);
	}
	CHECK(graph_branch_create(g, "other", NULL, NULL, &e) < 0);
	CHECK(graph_checkpoint(g, NULL, &e) < 0);
	graph_close(g);
	after = objects(s);
	CHECK_STR(after, before);
	store_close(s);
	err_clear(&e);
	free(before);
	free(after);
	temp_root_remove(root);
}

CHECK_MAIN("engine/lifecycle",
	   { "ENG-04 a fresh graph is empty and has one commit without parent, branch and actor", fresh_graph },
	   { "ENG-05 ENG-07 init on an existing graph is refused, strict and forced, and changes nothing", init_twice },
	   { "ENG-07 force init succeeds over orphans of a crashed init", force_over_orphans },
	   { "ENG-06 of 8 concurrent inits one succeeds and the graph works", concurrent_inits },
	   { "ENG-08 newer, older, non-numeric and absent format stamps are refused in both modes", stamps },
	   { "a damaged graph.json is never opened", damaged_graph_json },
	   { "a damaged or missing schema object is named", missing_schema },
	   { "ENG-09 a read-only handle reads everything and writes nothing", read_only }, )
