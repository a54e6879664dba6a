/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "counting_store.h"
#include "fixture.h"

#define BASE "node Person { name: String @key  age: I32? }\nnode Old { text: String? }\nedge Knows: Person -> Person\n"
#define WITH_NICK                                                                                   \
	"node Person { name: String @key  age: I32?  nick: String? }\nnode Old { text: String? }\n" \
	"node Fresh { title: String? }\nedge Knows: Person -> Person\n"
#define RENAMED                                                                                                      \
	"node Human @rename_from(\"Person\") { name: String @key  years: I32? @rename_from(\"age\")  nick: String? " \
	"}\n"                                                                                                        \
	"node Fresh { title: String? }\nedge Knows: Human -> Human\n"

struct rig {
	struct store *s;
	struct graph *g;
};

static void rig_open(struct rig *r)
{
	r->s = test_store_open();
	CHECK_OK(graph_init_store(r->s, STR(BASE), NULL, ep));
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
}

static void apply(struct graph *g, const char *source, bool applied, uint64_t version)
{
	struct schema_apply_opts opts = { .actor = "eve" };
	struct schema_apply_result res;

	CHECK_OK(graph_schema_apply(g, str_from(source), &opts, &res, ep));
	CHECK_INT(res.applied, applied);
	CHECK_INT(res.version, version);
	CHECK_HAS(res.plan.s, "\"supported\":true");
	sb_free(&res.plan);
}

/* "id col=value ..." of every node of a type, sorted by nothing: tests hold one row. */
static char *rows(struct graph *g, const char *commit, const char *type)
{
	struct strbuf b = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	const struct type *t;
	struct snapshot *s;
	struct row_scan sc;
	struct err e = ERR_INIT;
	rowref r;

	CHECK_OK(graph_snapshot(g, NULL, commit, &s, ep));
	t = catalog_node(snapshot_catalog(s), str_from(type));
	CHECK(t != NULL);
	if (snapshot_type_check(s, t, &e))
		sb_addz(&b, err_msg(&e));
	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE) {
		sb_adds(&b, row_id(s, t, r));
		for (uint32_t i = 0; i < t->n_props; i++) {
			struct val v;

			row_get(s, t, r, i, &a, &v);
			sb_addf(&b, " %.*s=", STR_ARG(t->props[i].name));
			val_export_json(&v, &b);
		}
	}
	err_clear(&e);
	arena_free(&a);
	snapshot_put(s);
	return sb_detach(&b);
}

static void rows_are(struct graph *g, const char *commit, const char *type, const char *want)
{
	char *got = rows(g, commit, type);

	CHECK_STR(got, want);
	free(got);
}

static uint64_t type_version(struct graph *g, const char *type)
{
	struct snapshot *s;
	uint64_t v;

	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	v = snapshot_type_version(s, catalog_node(snapshot_catalog(s), str_from(type)));
	snapshot_put(s);
	return v;
}

static void evolve(bool checkpoint)
{
	char first[ULID_LEN + 1], *before, *after;
	struct graph *other;
	struct rig r;

	rig_open(&r);
	CHECK_OK(graph_open_store(r.s, NULL, &other, ep));
	WRITE(r.g, NULL, PERSON("ada", 36));
	head_id(r.g, NULL, first);
	rows_are(other, NULL, "Person", "ada age=36 name=\"ada\"");
	if (checkpoint)
		CHECK_OK(graph_checkpoint(r.g, NULL, ep));
	apply(r.g, WITH_NICK, true, 3);
	rows_are(r.g, NULL, "Person", "ada age=36 name=\"ada\" nick=null");
	rows_are(other, NULL, "Person", "ada age=36 name=\"ada\" nick=null");
	rows_are(r.g, NULL, "Fresh", "");
	rows_are(r.g, first, "Person", "ada age=36 name=\"ada\" nick=null");
	rows_are(r.g, first, "Fresh", "node type 'Fresh' does not exist at this snapshot");
	CHECK_INT(type_version(r.g, "Person"), 3);
	CHECK_INT(type_version(r.g, "Fresh"), 1);
	CHECK_INT(type_version(r.g, "Old"), 1);
	apply(r.g, WITH_NICK, false, 3);
	apply(r.g, RENAMED, true, 4);
	rows_are(r.g, NULL, "Human", "ada name=\"ada\" nick=null years=36");
	rows_are(other, first, "Human", "ada name=\"ada\" nick=null years=36");
	before = commit_list(r.g, NULL);
	CHECK_HAS(before, "\"actor_id\":\"eve\"");
	graph_close(r.g);
	CHECK_OK(graph_open_store(r.s, NULL, &r.g, ep));
	rows_are(r.g, NULL, "Human", "ada name=\"ada\" nick=null years=36");
	rows_are(r.g, first, "Human", "ada name=\"ada\" nick=null years=36");
	if (checkpoint) {
		CHECK_OK(graph_checkpoint(r.g, NULL, ep));
		graph_close(r.g);
		CHECK_OK(graph_open_store(r.s, NULL, &r.g, ep));
		rows_are(r.g, NULL, "Human", "ada name=\"ada\" nick=null years=36");
		rows_are(r.g, first, "Fresh", "node type 'Fresh' does not exist at this snapshot");
	}
	after = commit_list(r.g, NULL);
	CHECK_STR(after, before);
	free(before);
	free(after);
	graph_close(other);
	rig_close(&r);
}

static void evolve_in_memory(void)
{
	evolve(false);
}

static void evolve_with_checkpoints(void)
{
	evolve(true);
}

static void refusals(void)
{
	struct schema_apply_result res;
	struct strbuf plan = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *before, *after;
	struct rig r;

	rig_open(&r);
	before = commit_list(r.g, NULL);
	CHECK(graph_schema_apply(r.g, STR("node Person { name: I32 @key }\n"), NULL, &res, &e) < 0);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	CHECK_HAS(err_msg(&e), "[OG-MF-");
	CHECK(graph_schema_preview(r.g, STR("node Person { name: I32 @key }\n"), &plan, &e) < 0);
	CHECK_INT(plan.n, 0);
	CHECK_OK(graph_schema_preview(r.g, STR(WITH_NICK), &plan, ep));
	CHECK_HAS(plan.s, "\"kind\":\"add_property\"");
	CHECK_OK(graph_branch_create(r.g, "b", NULL, NULL, ep));
	CHECK_OK(graph_branch_create(r.g, "a", NULL, NULL, ep));
	CHECK(graph_schema_apply(r.g, STR("not even a schema"), NULL, &res, &e) < 0);
	CHECK_INT(e.code, ERR_CONFLICT);
	CHECK_STR(err_msg(&e), "schema apply requires a graph with only main; found non-main branches: a, b");
	CHECK(graph_schema_preview(r.g, STR(WITH_NICK), &plan, &e) < 0);
	CHECK_INT(e.code, ERR_CONFLICT);
	after = commit_list(r.g, NULL);
	CHECK_STR(after, before);
	sb_free(&plan);
	free(before);
	free(after);
	err_clear(&e);
	rig_close(&r);
}

static void locked(void)
{
	static const char *const stale = "{\"boot\":\"x\"}";
	struct schema_apply_result res;
	struct err e = ERR_INIT;
	struct store_object o;
	struct rig r;

	(void)o;
	rig_open(&r);
	/* a lock nobody can vouch for is no obstacle */
	CHECK_OK(store_put(r.s, "schema/apply.lock", stale, strlen(stale), ep));
	CHECK_OK(graph_branch_create(r.g, "a", NULL, NULL, ep));
	CHECK_OK(graph_branch_delete(r.g, "a", NULL, ep));
	CHECK_OK(graph_schema_apply(r.g, STR(WITH_NICK), NULL, &res, ep));
	CHECK(res.applied);
	sb_free(&res.plan);
	CHECK_INT(store_get(r.s, "schema/apply.lock", 1 << 16, &o, &e), -ENOENT);
	err_clear(&e);
	rig_close(&r);
}

static void source_only(void)
{
	struct schema_apply_opts opts = { .source_only_commit = true };
	struct schema_apply_result res;
	struct snapshot *s;
	struct rig r;

	rig_open(&r);
	apply(r.g, BASE "// comment\n", false, 1);
	CHECK_OK(graph_schema_apply(r.g, STR(BASE "// comment\n"), &opts, &res, ep));
	CHECK(res.applied);
	CHECK_INT(res.version, 2);
	sb_free(&res.plan);
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
	CHECK(str_ends(snapshot_catalog(s)->source, STR("// comment\n")));
	snapshot_put(s);
	rig_close(&r);
}

/* --- what an apply costs ----------------------------------------------------------------------------------------- */

#define COUNTED_TYPE(name, age, mood) \
	"node " name " {\n  name: String @key\n  " age "\n  mood: enum(" mood ")?\n}\nedge Knows: "
#define COUNTED_BASE COUNTED_TYPE("Person", "age: I32?", "calm, glad") "Person -> Person\n"

static const struct {
	const char *what, *source;
} rowless[] = {
	{ "add an index", COUNTED_TYPE("Person", "age: I32? @index", "calm, glad") "Person -> Person\n" },
	{ "widen an enum", COUNTED_TYPE("Person", "age: I32?", "calm, glad, sad") "Person -> Person\n" },
	{ "rename a type",
	  COUNTED_TYPE("Human @rename_from(\"Person\")", "age: I32?", "calm, glad") "Human -> Human\n" },
	{ "rename a property",
	  COUNTED_TYPE("Person", "years: I32? @rename_from(\"age\")", "calm, glad") "Person -> Person\n" },
	{ "change metadata",
	  COUNTED_TYPE("Person", "age: I32? @description(\"in years\")", "calm, glad") "Person -> Person\n" },
	{ "add a property", COUNTED_TYPE("Person", "age: I32?  nick: String?", "calm, glad") "Person -> Person\n" },
};

struct cost {
	int calls, changes, appends;
	size_t written;
};

static struct cost cost_of(const struct counting_store *c)
{
	return (struct cost){ atomic_load(&c->others) + atomic_load(&c->tails), atomic_load(&c->changes),
			      atomic_load(&c->appends), atomic_load(&c->written) };
}

/* A graph with @n rows in segments, on a counted store; a warm handle. */
static void counted_graph(struct rig *r, struct counting_store *c, int n)
{
	struct op *ops = mem_calloc((size_t)n, sizeof(*ops));
	char(*names)[16] = mem_calloc((size_t)n, sizeof(*names));
	struct ops o = { ops, (size_t)n, 0, false };

	CHECK_OK(store_open("mem://counted", NULL, &r->s, ep));
	counting_init(c, r->s);
	CHECK_OK(graph_init_store(&c->base, STR(COUNTED_BASE), NULL, ep));
	CHECK_OK(graph_open_store(&c->base, NULL, &r->g, ep));
	for (int i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "p%05d", i);
		ops[i] = (struct op)PERSON(names[i], 1);
	}
	CHECK_OK(write_ops(r->g, NULL, &o, true, NULL, NULL, ep));
	CHECK_OK(graph_checkpoint(r->g, NULL, ep));
	free(ops);
	free(names);
	counting_reset(c);
}

static struct cost apply_cost(const char *source, int n_rows, bool preview)
{
	struct schema_apply_result res;
	struct strbuf plan = STRBUF_INIT;
	struct counting_store c;
	struct snapshot *s;
	struct cost cost;
	struct rig r;

	counted_graph(&r, &c, n_rows);
	if (preview) {
		CHECK_OK(graph_schema_preview(r.g, str_from(source), &plan, ep));
		sb_free(&plan);
	} else {
		CHECK_OK(graph_schema_apply(r.g, str_from(source), NULL, &res, ep));
		CHECK(res.applied);
		sb_free(&res.plan);
	}
	cost = cost_of(&c);
	CHECK_OK(graph_snapshot(r.g, NULL, NULL, &s, ep));
	CHECK_INT(snapshot_count(s, &snapshot_catalog(s)->types[0]), n_rows);
	snapshot_put(s);
	rig_close(&r);
	return cost;
}

static void rows_are_not_touched(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rowless); i++) {
		struct cost few = apply_cost(rowless[i].source, 3, false),
			    many = apply_cost(rowless[i].source, 3000, false);

		CHECK_MSG(few.calls == many.calls && few.changes == many.changes && few.written == many.written,
			  "%s: %d calls, %zu bytes with 3 rows, %d calls, %zu bytes with 3000", rowless[i].what,
			  few.calls, few.written, many.calls, many.written);
		CHECK_INT(many.appends, 1);
		CHECK_INT(many.changes, 5); /* lock, source, compiled form, the commit, unlock */
	}
}

static void preview_moves_nothing(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rowless); i++) {
		struct cost cost = apply_cost(rowless[i].source, 3000, true);

		CHECK_INT(cost.changes, 0);
		CHECK_INT(cost.written, 0);
	}
}

CHECK_MAIN("engine/schema-apply",
	   { "ENG-61 properties and types are added, renamed, dropped by identity, without moving data",
	     evolve_in_memory },
	   { "ENG-61 the same from checkpoints", evolve_with_checkpoints },
	   { "refused applies change nothing", refusals }, { "a dead apply leaves no refusal behind", locked },
	   { "a source-only change commits only when asked", source_only },
	   { "SCH-04 SCH-07 SCH-12 SCH-17 SCH-22 indexes, enums, renames, metadata and new properties cost the same "
	     "with any number of rows",
	     rows_are_not_touched },
	   { "SCH-27 a preview makes no change to the store", preview_moves_nothing }, )
