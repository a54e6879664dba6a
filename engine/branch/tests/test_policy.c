/* SPDX-License-Identifier: MIT */
/* The policy hook stands before every write (spec/engine.md 17). */
#include <omnigraph/query.h>

#include "engine/store/tests/fixture.h"

#define SCHEMA "node P {\n  name: String @key\n}\n"

struct rig {
	struct store *s;
	struct graph *g;
	int calls;
};

/* --- hooks -------------------------------------------------------------------------------------------------------------- */

static int allow(void *ctx, const char *action, const char *branch, const char *target, const char *actor,
		 struct err *e)
{
	++*(int *)ctx;
	return 0;
}

static int deny(void *ctx, const char *action, const char *branch, const char *target, const char *actor, struct err *e)
{
	++*(int *)ctx;
	return err_set(e, ERR_POLICY, "policy: policy denied: %s may not %s", actor, action);
}

static int break_down(void *ctx, const char *action, const char *branch, const char *target, const char *actor,
		      struct err *e)
{
	++*(int *)ctx;
	return err_set(e, ERR_POLICY, "policy: policy evaluation failed: the rules cannot be read");
}

/* --- every write -------------------------------------------------------------------------------------------------------- */

static long read_row(void *arg, void *buf, size_t n, struct err *e)
{
	static const char row[] = "{\"type\":\"P\",\"data\":{\"name\":\"new\"}}\n";
	bool *done = arg;

	if (*done)
		return 0;
	*done = true;
	memcpy(buf, row, sizeof(row) - 1);
	return sizeof(row) - 1;
}

/* A branch that is not there: the refusal must not tell. */
static int load_missing(struct rig *r, const char *actor, struct err *e)
{
	struct load_opts opts = { .write = { .branch = "nowhere", .actor = actor }, .mode = LOAD_APPEND };
	struct load_result res;
	bool done = false;
	int rc = graph_load(r->g, &opts, read_row, &done, &res, e);

	load_result_clear(&res);
	return rc;
}

static int load(struct rig *r, const char *actor, struct err *e)
{
	struct load_opts opts = { .write = { .actor = actor }, .mode = LOAD_APPEND };
	struct load_result res;
	bool done = false;
	int rc = graph_load(r->g, &opts, read_row, &done, &res, e);

	load_result_clear(&res);
	return rc;
}

static int mutate(struct rig *r, const char *actor, struct err *e)
{
	struct write_opts opts = { .actor = actor };
	struct mutation_result res = { 0 };
	const struct query_decl *d;
	struct query_file *f = NULL;
	struct snapshot *s;
	struct query *q = NULL;
	int rc;

	CHECK_OK(graph_snapshot(r->g, NULL, NULL, &s, ep));
	CHECK_OK(query_file_parse(STR("query m() { insert P { name: \"new\" } }"), &f, ep));
	CHECK_OK(query_file_select(f, NULL, &d, ep));
	CHECK_OK(query_compile((struct catalog *)snapshot_catalog(s), d, &q, ep));
	rc = graph_mutate(r->g, q, NULL, &opts, &res, e);
	mutation_result_clear(&res);
	query_free(q);
	query_file_free(f);
	snapshot_put(s);
	return rc;
}

static int create(struct rig *r, const char *actor, struct err *e)
{
	return graph_branch_create(r->g, "new", NULL, actor, e);
}

static int create_from(struct rig *r, const char *actor, struct err *e)
{
	return graph_branch_create(r->g, "new", "nowhere", actor, e);
}

static int delete (struct rig *r, const char *actor, struct err *e)
{
	return graph_branch_delete(r->g, "side", actor, e);
}

static int merge(struct rig *r, const char *actor, struct err *e)
{
	struct merge_opts opts = { .source = "side", .actor = actor };
	struct merge_result res;
	int rc = graph_merge(r->g, &opts, &res, e);

	merge_result_clear(&res);
	return rc;
}

static int schema(struct rig *r, const char *actor, struct err *e)
{
	struct schema_apply_opts opts = { .actor = actor };
	struct schema_apply_result res = { 0 };
	int rc = graph_schema_apply(r->g, STR("node P {\n  name: String @key\n  age: I32?\n}\n"), &opts, &res, e);

	sb_free(&res.plan);
	return rc;
}

static int (*const writes[])(struct rig *r, const char *actor, struct err *e) = { load,	  load_missing, mutate,
										  create, create_from,	delete,
										  merge,  schema };

/* --- tests -------------------------------------------------------------------------------------------------------------- */

static void rig_open(struct rig *r,
		     int (*hook)(void *, const char *, const char *, const char *, const char *, struct err *))
{
	static struct graph_policy_ops ops;

	*r = (struct rig){ 0 };
	r->s = test_store_open();
	CHECK_OK(graph_init_store(r->s, STR(SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
	CHECK_OK(graph_branch_create(r->g, "side", NULL, NULL, ep));
	ops = (struct graph_policy_ops){ hook };
	graph_set_policy(r->g, &ops, &r->calls);
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
}

static int count(void *arg, const char *name)
{
	++*(int *)arg;
	return 0;
}

/* Every write is refused with @text, and nothing has happened. */
static void all_refused(struct rig *r, const char *actor, const char *text, int calls)
{
	char before[ULID_LEN + 1], after[ULID_LEN + 1];
	int branches = 0;

	head_id(r->g, NULL, before);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		struct err e = ERR_INIT;

		r->calls = 0;
		CHECK(writes[i](r, actor, &e) != 0);
		CHECK_INT(e.code, ERR_POLICY);
		CHECK_INT(err_http_status(e.code), 403);
		CHECK_HAS(err_msg(&e), text);
		CHECK_INT(r->calls, calls);
		err_clear(&e);
	}
	head_id(r->g, NULL, after);
	CHECK_STR(after, before);
	CHECK_OK(graph_branches(r->g, count, &branches, ep));
	CHECK_INT(branches, 2);
}

static void no_actor(void)
{
	struct rig r;

	rig_open(&r, allow);
	all_refused(&r, NULL, "policy: no actor for engine-layer policy check", 0);
	rig_close(&r);
}

static void denied(void)
{
	struct rig r;

	rig_open(&r, deny);
	all_refused(&r, "eve", "policy: policy denied: eve may not ", 1);
	rig_close(&r);
}

static void hook_failed(void)
{
	struct rig r;

	rig_open(&r, break_down);
	all_refused(&r, "eve", "policy: policy evaluation failed: ", 1);
	rig_close(&r);
}

static void allowed(void)
{
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r, allow);
	CHECK_OK(load(&r, "ada", ep));
	CHECK_OK(merge(&r, "ada", ep));
	CHECK_OK(delete (&r, "ada", ep));
	CHECK_OK(schema(&r, "ada", ep));
	CHECK(create_from(&r, "ada", &e) != 0);
	CHECK_INT(e.code, ERR_NOT_FOUND); /* who may, learns what is wrong */
	err_clear(&e);
	rig_close(&r);
}

CHECK_MAIN("engine policy hook", { "ENG-78 with a hook and no actor every write is refused", no_actor },
	   { "ENG-78 a denial says so, before anything is read", denied },
	   { "ENG-78 a hook that fails is never an allow, and says so", hook_failed },
	   { "ENG-78 what the hook allows goes on", allowed }, )
