/* SPDX-License-Identifier: MIT */
/* What earlier runs left behind: the sweep, and what a server makes of it. Sidecars are written by hand here. */
#include "cluster/tests/fixture.h"

#define OP "01K20000000000000000000001"
#define SIDECAR "__cluster/recoveries/" OP ".json"
#define TWO                                                                          \
	"version: 1\ngraphs:\n"                                                      \
	"  attic: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"  books: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"policies:\n"                                                                \
	"  both: { file: readers.policy.yaml, applies_to: [attic, books] }\n"
#define APPROVAL_ID "01K2000000000000000000000A"

static const char *resource(const char *address)
{
	return fx_text(in(fx_ledger(), "applied_revision", "resources", address, "digest"));
}

static const char *recovery(const char *member)
{
	return fx_text(in(fx_ledger(), "recovery_records", OP, member));
}

static const char *condition(const char *address)
{
	return fx_text(in(fx_ledger(), "resource_statuses", address, "conditions"));
}

static void create_root(const char *graph, const char *source)
{
	fx_mkdir("graphs/x");
	CHECK(!graph_init(fx_path(arena_printf(&fx.arena, "graphs/%s.omni", graph)), str_from(source), NULL, NULL));
}

static void migrate(const char *source)
{
	struct schema_apply_opts opts = { 0 };
	struct schema_apply_result res = { 0 };
	struct graph *g = NULL;

	CHECK(!graph_open(fx_path("graphs/books.omni"), NULL, &g, NULL));
	CHECK(!graph_schema_apply(g, str_from(source), &opts, &res, NULL));
	sb_free(&res.plan);
	graph_close(g);
}

/* --- graph_create --------------------------------------------------------------------------------------------- */

static void create_root_absent(void)
{
	fx_begin(ONE_GRAPH);
	fx_ok(CLUSTER_IMPORT);
	fx_sidecar(OP, "graph_create", "books", fx_digest(BOOKS_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(at("diagnostics")->n, 0);
	CHECK_STR(text_at("converged"), "true");
	CHECK(!fx_exists(SIDECAR));
	CHECK_STR(recovery("kind"), "");
	fx_end();
}

static void create_rolls_forward(void)
{
	fx_begin(LIBRARY);
	fx_ok(CLUSTER_IMPORT);
	create_root("books", BOOKS_PG);
	fx_sidecar(OP, "graph_create", "books", fx_digest(BOOKS_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.books");
	CHECK_STR(recovery("kind"), "graph_create");
	CHECK_STR(recovery("outcome"), "rolled_forward");
	CHECK_STR(recovery("graph_id"), "books");
	CHECK_STR(recovery("actor"), "null");
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(fx_disposition("graph.books"), "update derived");
	CHECK(!fx_exists(SIDECAR));
	fx_end();
}

static void create_of_another_schema(void)
{
	fx_begin(TWO);
	fx_ok(CLUSTER_IMPORT);
	create_root("books", BOOKS_YEAR_PG);
	fx_sidecar(OP, "graph_create", "books", fx_digest(BOOKS_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_pending", "graph.books");
	CHECK_STR(condition("graph.books"), "[\"actual_applied_state_pending\"]");
	CHECK_STR(fx_disposition("graph.books"), "create blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("schema.books"), "create blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("query.books.by_title"), "create blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("policy.both"), "create blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("graph.attic"), "create applied");
	CHECK(fx_exists(SIDECAR));
	CHECK(*resource("graph.attic"));
	fx_end();
}

static void create_in_part(void)
{
	fx_begin(ONE_GRAPH);
	fx_ok(CLUSTER_IMPORT);
	fx_mkdir("graphs/books.omni/x");
	fx_sidecar(OP, "graph_create", "books", fx_digest(BOOKS_PG));
	for (int i = 0; i < 2; i++) {
		fx_run(CLUSTER_APPLY);
		CHECK(!fx.report.ok);
		CHECK_ERROR("graph_create_incomplete", "graph.books");
		CHECK_HAS(diag_message("graph_create_incomplete"), "omnigraph cluster apply");
		CHECK_STR(condition("schema.books"), "[\"graph_create_incomplete\"]");
		CHECK(fx_exists("graphs/books.omni") && fx_exists(SIDECAR));
	}
	fx_end();
}

/* --- schema_apply ---------------------------------------------------------------------------------------------- */

static void schema_not_moved(void)
{
	const char *before;

	fx_applied(ONE_GRAPH);
	before = fx_read(STATE);
	fx_sidecar(OP, "schema_apply", "books", fx_digest(BOOKS_YEAR_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(at("diagnostics")->n, 0);
	CHECK(!fx_exists(SIDECAR));
	CHECK_STR(fx_read(STATE), before);
	fx_end();
}

static void schema_rolls_forward(void)
{
	fx_applied(LIBRARY);
	migrate(BOOKS_YEAR_PG);
	fx_write("books.pg", BOOKS_YEAR_PG);
	fx_sidecar(OP, "schema_apply", "books", fx_digest(BOOKS_YEAR_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.books");
	CHECK_STR(recovery("kind"), "schema_apply");
	CHECK_STR(resource("schema.books"), fx_digest(BOOKS_YEAR_PG));
	CHECK_STR(text_at("converged"), "true");
	CHECK_INT(at("changes")->n, 0);
	CHECK(!fx_exists(SIDECAR));
	fx_end();
}

static void schema_unexpected(void)
{
	fx_applied(TWO);
	migrate(BOOKS_YEAR_PG);
	fx_write("books.pg", BOOKS_PG "node Shelf {\n  n: I64 @key\n}\n");
	fx_sidecar(OP, "schema_apply", "books", fx_digest("something else"));
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_pending", "graph.books");
	CHECK_STR(condition("schema.books"), "[\"actual_applied_state_pending\"]");
	CHECK_STR(fx_disposition("schema.books"), "update blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("schema.attic"), "update applied");
	CHECK(fx_exists(SIDECAR));
	fx_ok(CLUSTER_REFRESH); /* ledger := live */
	CHECK_STR(resource("schema.books"), fx_digest(BOOKS_YEAR_PG));
	fx_ok(CLUSTER_REFRESH); /* live = recorded: retired */
	CHECK(!fx_exists(SIDECAR));
	fx_end();
}

static void schema_of_a_vanished_root(void)
{
	fx_applied(ONE_GRAPH);
	fx_remove("graphs");
	fx_sidecar(OP, "schema_apply", "books", fx_digest(BOOKS_PG));
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_pending", "graph.books");
	CHECK_STR(condition("graph.books"), "");
	CHECK(fx_exists(SIDECAR));
	fx_end();
}

/* --- graph_delete ---------------------------------------------------------------------------------------------- */

static void delete_not_done(void)
{
	fx_applied(ONE_GRAPH);
	fx_sidecar(OP, "graph_delete", "books", "");
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("graph_delete_incomplete", "graph.books");
	CHECK(!fx_exists(SIDECAR) && fx_exists("graphs/books.omni"));
	fx_end();
}

static void approved_sidecar(void)
{
	fx_sidecar(OP, "graph_delete", "attic", "");
	fx_edit(SIDECAR, "\"kind\"", "\"approval_id\":\"" APPROVAL_ID "\",\"actor\":\"act-bo\",\"kind\"");
	fx_write("__cluster/approvals/" APPROVAL_ID ".json",
		 "{\"schema_version\":1,\"approval_id\":\"" APPROVAL_ID
		 "\",\"resource\":\"graph.attic\",\"operation\":\"delete\","
		 "\"reason\":\"r\",\"bound_config_digest\":\"d\",\"approved_by\":\"act-ada\",\"created_at\":\"2026-03-"
		 "01T09:00:00Z\"}");
}

static void delete_done(void)
{
	fx_applied(TWO);
	fx_remove("graphs/attic.omni");
	approved_sidecar();
	fx_edit("cluster.yaml", "  attic: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n", "");
	fx_edit("cluster.yaml", "[attic, books]", "[books]");
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.attic");
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(resource("graph.attic"), "");
	CHECK_STR(resource("query.attic.by_title"), "");
	CHECK_STR(fx_text(in(fx_ledger(), "observations", "graph.attic", "actor")), "act-bo");
	CHECK_STR(fx_text(in(fx_ledger(), "approval_records", APPROVAL_ID, "consumed_by_operation")), OP);
	CHECK_STR(recovery("kind"), "graph_delete");
	CHECK_HAS(fx_read("__cluster/approvals/" APPROVAL_ID ".json"), "\"consumed_at\": \"2");
	CHECK(!fx_exists(SIDECAR));
	fx_end();
}

static void delete_already_recorded(void)
{
	fx_applied(ONE_GRAPH);
	fx_sidecar(OP, "graph_delete", "attic", "");
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(at("diagnostics")->n, 0);
	CHECK_STR(text_at("state_written"), "false");
	CHECK(!fx_exists(SIDECAR));
	fx_end();
}

/* --- sidecars that cannot be used -------------------------------------------------------------------------------- */

static void unusable(const char *text, const char *code)
{
	fx_applied(ONE_GRAPH);
	fx_write(SIDECAR, text);
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING(code, fx_path(SIDECAR));
	fx_ok(CLUSTER_PLAN);
	CHECK_WARNING(code, fx_path(SIDECAR));
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING(code, fx_path(SIDECAR));
	CHECK_STR(fx_read(SIDECAR), text);
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag(code), arena_printf(&fx.arena, "error %s", fx_path(SIDECAR)));
	CHECK_INT(fx.snap.diagnostics.n, 1);
	fx_end();
}

static void unusable_sidecars(void)
{
	unusable("{", "invalid_recovery_sidecar");
	unusable("{\"schema_version\":1}", "invalid_recovery_sidecar");
	unusable("{\"schema_version\":1,\"operation_id\":\"x\",\"started_at\":\"x\",\"kind\":\"dance\",\"graph_id\":"
		 "\"books\","
		 "\"graph_uri\":\"x\",\"desired_schema_digest\":\"x\"}",
		 "invalid_recovery_sidecar");
	unusable("{\"schema_version\":1,\"operation_id\":\"x\",\"started_at\":\"x\",\"kind\":\"graph_create\","
		 "\"graph_id\":\"books\",\"graph_uri\":\"x\",\"desired_schema_digest\":\"x\",\"extra\":1}",
		 "invalid_recovery_sidecar");
	unusable("{\"schema_version\":2,\"kind\":\"graph_rename\"}", "unsupported_recovery_sidecar_version");
}

/* --- serving ----------------------------------------------------------------------------------------------------- */

static void snapshot_is_complete(void)
{
	fx_applied(LIBRARY);
	CHECK(fx_serve(NULL));
	CHECK_INT(fx.snap.diagnostics.n, 0);
	CHECK_INT(fx.snap.n_graphs, 1);
	CHECK_STR(fx.snap.graphs[0].id, "books");
	CHECK_STR(fx.snap.graphs[0].root, fx_path("graphs/books.omni"));
	CHECK_STR(fx.snap.graphs[0].embedding->kind, "mock");
	CHECK_STR(fx.snap.graphs[0].embedding->model, "shelf-v1");
	CHECK_INT(fx.snap.graphs[0].n_blob_bases, 0);
	CHECK_INT(fx.snap.n_queries, 1);
	CHECK_STR(fx.snap.queries[0].source.s, BOOKS_GQ);
	CHECK_STR(fx.snap.queries[0].name, "by_title");
	CHECK_INT(fx.snap.n_policies, 1);
	CHECK_STR(fx.snap.policies[0].source.s, READERS);
	CHECK_STR(fx.snap.policies[0].bindings[0], "graph.books");
	fx_end();
}

static void blob_bases_are_served(void)
{
	fx_applied(
		"version: 1\ngraphs: { books: { schema: books.pg, external_blobs: { allow: [ { base: 's3://b', scope: "
		"embedded_only }, { base: 's3://a', scope: server_safe } ] } } }\n");
	CHECK(fx_serve(NULL));
	CHECK_INT(fx.snap.graphs[0].n_blob_bases, 2);
	CHECK_STR(fx.snap.graphs[0].blob_bases[0].uri, "s3://a/");
	CHECK(fx.snap.graphs[0].blob_bases[0].server_safe && !fx.snap.graphs[0].blob_bases[1].server_safe);
	fx_end();
}

static void one_graph_quarantined(void)
{
	fx_applied(TWO);
	fx_sidecar(OP, "schema_apply", "attic", "x");
	fx_sidecar("01K20000000000000000000002", "graph_delete", "attic", "");
	fx_remove("__cluster/resources/query/attic"); /* not looked at */
	CHECK(fx_serve(NULL));
	CHECK_INT(fx.snap.n_graphs, 1);
	CHECK_STR(fx.snap.graphs[0].id, "books");
	CHECK_INT(fx.snap.n_queries, 1);
	CHECK_INT(fx.snap.policies[0].n_bindings, 1);
	CHECK_INT(fx.snap.diagnostics.n, 1);
	CHECK_STR(fx_snap_diag("cluster_recovery_pending"), "warning graph.attic");
	CHECK_HAS(fx.snap.diagnostics.items[0].message, OP);
	fx_end();
}

static void bundle_of_quarantined_graphs(void)
{
	fx_applied("version: 1\ngraphs:\n  attic: { schema: books.pg }\n  books: { schema: books.pg }\n"
		   "policies: { readers: { file: readers.policy.yaml, applies_to: [attic] } }\n");
	fx_sidecar(OP, "schema_apply", "attic", "x");
	fx_remove("__cluster/resources/policy");
	CHECK(fx_serve(NULL));
	CHECK_INT(fx.snap.n_policies, 0);
	fx_end();
}

static void unattributed_sidecar(void)
{
	fx_applied(ONE_GRAPH);
	fx_sidecar(OP, "schema_apply", " ", "x");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("cluster_recovery_unattributed"), arena_printf(&fx.arena, "error %s", fx_path(SIDECAR)));
	fx_end();
}

static void nothing_to_serve(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("cluster_state_missing"), "error " STATE);
	CHECK_HAS(fx.snap.diagnostics.items[0].message, "cluster apply");
	fx_ok(CLUSTER_IMPORT);
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("cluster_empty"), "error " STATE);
	fx_ok(CLUSTER_APPLY);
	CHECK(fx_serve(NULL));
	fx_sidecar(OP, "schema_apply", "books", "x");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("cluster_no_healthy_graphs"), "error __cluster/recoveries");
	CHECK_STR(fx_snap_diag("cluster_recovery_pending"), "warning graph.books");
	CHECK_STR(fx.snap.diagnostics.items[1].code, "cluster_recovery_pending");
	fx_end();
}

static void bad_payloads_are_fatal(void)
{
	fx_applied(TWO);
	fx_remove("__cluster/resources/query/attic");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("catalog_payload_missing"), "error query.attic.by_title");
	fx_applied(TWO);
	fx_write(arena_printf(&fx.arena, "__cluster/resources/policy/both/%s.yaml", fx_digest(READERS)),
		 "version: 1\n");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("catalog_payload_digest_mismatch"), "error policy.both");
	CHECK_HAS(fx.snap.diagnostics.items[0].message, "cluster refresh");
	fx_end();
}

static void bad_profiles_are_fatal(void)
{
	fx_applied(LIBRARY);
	fx_edit(STATE, "shelf-v1", "shelf-v2");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("embedding_provider_digest_mismatch"), "error provider.embedding.local");
	CHECK_STR(fx_snap_diag("embedding_provider_missing"), "error graph.books");
	fx_applied(LIBRARY);
	fx_edit(STATE, "\"embedding_provider\": \"provider.embedding.local\"",
		"\"embedding_provider\": \"policy.readers\"");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("wrong_kind_reference"), "error graph.books");
	fx_end();
}

static void orphan_queries_are_ignored(void)
{
	fx_applied(LIBRARY);
	fx_edit(STATE, "      \"schema.books\": {",
		"      \"query.gone.q\": {\n        \"digest\": \"x\"\n      },\n      \"schema.books\": {");
	CHECK(fx_serve(NULL));
	CHECK_INT(fx.snap.n_queries, 1);
	CHECK_INT(fx.snap.diagnostics.n, 1);
	fx_end();
}

static void queries_in_order(void)
{
	fx_applied("version: 1\ngraphs:\n  a-b: { schema: books.pg, queries: books.gq }\n"
		   "  a: { schema: books.pg, queries: books.gq }\n");
	CHECK(fx_serve(NULL));
	CHECK_STR(fx.snap.graphs[0].id, "a");
	CHECK_STR(fx.snap.queries[0].graph_id, "a");
	CHECK_STR(fx.snap.queries[1].graph_id, "a-b");
	fx_end();
}

static void unreadable_places(void)
{
	fx_applied(ONE_GRAPH);
	fx_remove("__cluster/recoveries");
	fx_write("__cluster/recoveries", "a file");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("recovery_sidecar_read_error"), "error __cluster/recoveries");
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING("recovery_sidecar_read_error", "__cluster/recoveries");
	fx_remove("__cluster/recoveries");
	fx_write("__cluster/approvals", "a file");
	fx_ok(CLUSTER_PLAN);
	CHECK_WARNING("approval_read_error", "__cluster/approvals");
	fx_remove(STATE);
	fx_mkdir(STATE "/x");
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("state_read_error", STATE);
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("state_read_error"), "error " STATE);
	fx_end();
}

static void serving_changes_nothing(void)
{
	const char *state;
	unsigned files;

	fx_applied(TWO);
	fx_sidecar(OP, "graph_create", "attic", fx_digest(BOOKS_PG));
	fx_write(LOCK, "{}");
	state = fx_read(STATE);
	files = fx_files("");
	CHECK(fx_serve(NULL));
	CHECK_STR(fx_read(STATE), state);
	CHECK_STR(fx_read(LOCK), "{}");
	CHECK_INT(fx_files(""), files);
	fx_end();
}

static void served_from_the_root(void)
{
	fx_begin("");
	fx_write("cluster.yaml", arena_printf(&fx.arena, "storage: %s/store\n" ONE_GRAPH, fx.dir));
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK(fx_serve(NULL)); /* a directory whose storage: is honoured */
	CHECK(!fx_serve(fx_path("store/nothing")));
	CHECK(fx_serve(arena_printf(&fx.arena, "file://%s/store/", fx.dir)));
	fx_write("cluster.yaml", arena_printf(&fx.arena, "storage: %s/store\nnonsense: 1\n" ONE_GRAPH, fx.dir));
	CHECK(!fx_serve(NULL)); /* an invalid file: the directory is the root */
	fx_remove("cluster.yaml");
	CHECK(fx_serve(fx_path("store")));
	CHECK_STR(fx.snap.graphs[0].root, fx_path("store/graphs/books.omni"));
	fx_end();
}

CHECK_MAIN("cluster/recovery",
	   { "CLU-08 a create that did not begin is retired silently and runs again", create_root_absent },
	   { "CLU-07 a create that took effect is recorded with a recovery record", create_rolls_forward },
	   { "CLU-52 a created root of another schema stays pending and blocks its graph only",
	     create_of_another_schema },
	   { "CLU-51 a root created in part is an error until somebody removes it", create_in_part },
	   { "CLU-03 a schema apply that moved nothing is retired without a write", schema_not_moved },
	   { "CLU-04 a schema apply that took effect is recorded", schema_rolls_forward },
	   { "CLU-52 an unexpected live schema blocks its graph until refresh", schema_unexpected },
	   { "CLU-52 a schema apply of a vanished root stays pending", schema_of_a_vanished_root },
	   { "CLU-37 a delete that did not begin is proposed again", delete_not_done },
	   { "CLU-36 a delete that took effect is tombstoned and its approval consumed", delete_done },
	   { "CLU-36 a delete already recorded is retired without a write", delete_already_recorded },
	   { "CLU-22 sidecars that cannot be read are warned about, kept, and fatal to serving", unusable_sidecars },
	   { "CLU-25 CLU-31 the snapshot holds contents and profiles", snapshot_is_complete },
	   { "CLU-64 the snapshot holds the full blob policy", blob_bases_are_served },
	   { "CLU-21 CLU-26 a sidecar quarantines exactly its graph", one_graph_quarantined },
	   { "CLU-26 a bundle of quarantined graphs is not read", bundle_of_quarantined_graphs },
	   { "CLU-22 a sidecar without a graph fails the snapshot", unattributed_sidecar },
	   { "CLU-23 no ledger, no graph, no healthy graph", nothing_to_serve },
	   { "CLU-26 a bad payload of a served graph fails the snapshot", bad_payloads_are_fatal },
	   { "CLU-31 a bad profile of a served graph fails the snapshot", bad_profiles_are_fatal },
	   { "CLU-26 queries without a graph are ignored with a warning", orphan_queries_are_ignored },
	   { "CLU-25 queries come by graph and name", queries_in_order },
	   { "CLU-22 a ledger or a directory that cannot be read is an error, not an absence", unreadable_places },
	   { "CLU-29 serving ignores the lock, sweeps nothing and writes nothing", serving_changes_nothing },
	   { "CLU-27 CLU-28 a root or a directory, told apart by its spelling", served_from_the_root }, )
