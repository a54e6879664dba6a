/* SPDX-License-Identifier: MIT */
#include <sys/wait.h>

#include "cluster/tests/fixture.h"

#define TWO_GRAPHS                                                                   \
	"version: 1\ngraphs:\n"                                                      \
	"  attic: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"  books: { schema: books.pg }\n"                                            \
	"policies:\n"                                                                \
	"  readers: { file: readers.policy.yaml, applies_to: [books] }\n"
#define WITHOUT_ATTIC                                          \
	"version: 1\ngraphs:\n  books: { schema: books.pg }\n" \
	"policies:\n  readers: { file: readers.policy.yaml, applies_to: [books] }\n"

static const char *resource(const char *address, const char *member)
{
	return fx_text(in(fx_ledger(), "applied_revision", "resources", address, member));
}

static const char *status(const char *address)
{
	return fx_text(in(fx_ledger(), "resource_statuses", address, "status"));
}

static const char *query_blob(void)
{
	return arena_printf(&fx.arena, "__cluster/resources/query/books/by_title/%s.gq", fx_digest(BOOKS_GQ));
}

static const char *policy_blob(void)
{
	return arena_printf(&fx.arena, "__cluster/resources/policy/readers/%s.yaml", fx_digest(READERS));
}

/* The live schema of a graph hashes to this source. */
static bool live_schema_is(const char *graph, const char *source)
{
	struct graph_open_opts opts = { .read_only = true };
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	bool same;

	CHECK(!graph_open(fx_path(arena_printf(&fx.arena, "graphs/%s.omni", graph)), &opts, &g, NULL));
	CHECK(!graph_snapshot(g, NULL, NULL, &s, NULL));
	same = str_eqz(snapshot_catalog(s)->source, source);
	snapshot_put(s);
	graph_close(g);
	return same;
}

static void migrate_directly(const char *graph, const char *source)
{
	struct schema_apply_opts opts = { 0 };
	struct schema_apply_result res = { 0 };
	struct graph *g = NULL;

	CHECK(!graph_open(fx_path(arena_printf(&fx.arena, "graphs/%s.omni", graph)), NULL, &g, NULL));
	CHECK(!graph_schema_apply(g, str_from(source), &opts, &res, NULL));
	sb_free(&res.plan);
	graph_close(g);
}

static void add_branch(const char *graph, const char *name)
{
	struct graph *g = NULL;

	CHECK(!graph_open(fx_path(arena_printf(&fx.arena, "graphs/%s.omni", graph)), NULL, &g, NULL));
	CHECK(!graph_branch_create(g, name, NULL, NULL, NULL));
	graph_close(g);
}

/* --- import and status -------------------------------------------------------------------------------------- */

static void import_fresh(void)
{
	fx_begin(LIBRARY);
	fx_ok(CLUSTER_IMPORT);
	CHECK_STR(text_at("operation"), "import");
	CHECK_STR(text_at("state_observations", "state_revision"), "1");
	CHECK_STR(text_at("resource_digests"), "{}");
	CHECK_STR(text_at("resource_statuses", "graph.books"),
		  "{\"status\":\"drifted\",\"conditions\":[\"graph_missing\"],\"message\":\"derived graph root is "
		  "missing\"}");
	CHECK_STR(text_at("observations", "graph.books", "exists"), "false");
	CHECK_STR(text_at("observations", "graph.books", "schema_matches_desired"), "false");
	CHECK_STR(text_at("observations", "graph.books", "graph_uri"), fx_path("graphs/books.omni"));
	CHECK_STR(text_at("observations", "graph.books", "desired_schema_digest"), fx_digest(BOOKS_PG));
	CHECK_STR(text_at("state_observations", "applied_config_digest"),
		  "622a9e6e61b58803dc0b71128abb533d61e0a615760fac68b8dc56ff4aed8d14");
	CHECK_HAS(fx.report.text.s, "cluster import: revision 1, 0 resource(s)\n  state_cas: sha256:");
	fx_end();
}

static void import_twice(void)
{
	const char *before;

	fx_begin(LIBRARY);
	fx_ok(CLUSTER_IMPORT);
	before = fx_read(STATE);
	fx_run(CLUSTER_IMPORT);
	CHECK(!fx.report.ok);
	CHECK_ERROR("state_already_exists", STATE);
	CHECK_STR(fx_read(STATE), before);
	fx_end();
}

static void unopenable_root(void)
{
	fx_begin(ONE_GRAPH);
	fx_mkdir("graphs/books.omni/x");
	fx_run(CLUSTER_IMPORT);
	CHECK(!fx.report.ok && !fx_exists(STATE));
	CHECK_ERROR("graph_observation_error", "graphs");
	fx_remove("graphs");
	fx_ok(CLUSTER_IMPORT);
	fx_mkdir("graphs/books.omni/x");
	fx_run(CLUSTER_REFRESH);
	CHECK(!fx.report.ok);
	CHECK_HAS(diag_message("graph_observation_error"), "1 graph observation(s) failed");
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), "2");
	CHECK_STR(status("graph.books"), "error");
	CHECK_STR(fx_text(in(fx_ledger(), "observations", "graph.books", "schema_matches_desired")), "null");
	CHECK_STR(fx_text(in(fx_ledger(), "observations", "graph.books", "exists")), "true");
	fx_end();
}

static void status_reads_only(void)
{
	const char *before;

	fx_begin(LIBRARY);
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING("state_missing", STATE);
	CHECK(!fx_exists("__cluster"));
	CHECK_HAS(fx.report.text.s, "cluster state missing\n");
	fx_applied(LIBRARY);
	before = fx_read(STATE);
	fx_remove("books.pg"); /* declared files are not read */
	fx_ok(CLUSTER_STATUS);
	CHECK_INT(at("diagnostics")->n, 0);
	CHECK_INT(at("resource_digests")->n, 5);
	CHECK_STR(text_at("resource_statuses", "graph.books", "status"), "applied");
	CHECK_STR(fx_read(STATE), before);
	CHECK_HAS(fx.report.text.s, "cluster state: revision 2, 5 resource(s)\n  applied config: 622a");
	CHECK_HAS(fx.report.text.s, "  lock: not held\n");
	fx_end();
}

static void status_checks_the_catalog(void)
{
	fx_applied(LIBRARY);
	fx_remove(query_blob());
	fx_write(policy_blob(), "version: 1\n");
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING("catalog_payload_missing", "query.books.by_title");
	CHECK_WARNING("catalog_payload_mismatch", "policy.readers");
	CHECK_HAS(diag_message("catalog_payload_mismatch"),
		  arena_printf(&fx.arena, "sha256:%s", fx_digest("version: 1\n")));
	fx_end();
}

static void status_with_config_errors(void)
{
	fx_applied(ONE_GRAPH);
	fx_sidecar("01K20000000000000000000001", "schema_apply", "books", "x");
	fx_write(LOCK, "{\"version\":1,\"lock_id\":\"01K20000000000000000000001\",\"operation\":\"plan\","
		       "\"created_at\":\"2026-03-01T09:00:00Z\",\"pid\":1}");
	fx_write("cluster.yaml", "version: 1\nnonsense: 1\n");
	fx_run(CLUSTER_STATUS);
	CHECK(!fx.report.ok);
	CHECK_STR(text_at("state_observations", "locked"), "true");
	CHECK_WARNING("cluster_recovery_pending", fx_path("__cluster/recoveries/01K20000000000000000000001.json"));
	CHECK_STR(text_at("state_observations", "state_found"), "false");
	CHECK_STR(text_at("resource_digests"), "{}");
	fx_end();
}

/* --- plan --------------------------------------------------------------------------------------------------- */

static void plan_without_ledger(void)
{
	fx_begin(LIBRARY);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 5);
	CHECK_STR(fx_disposition("graph.books"), "create applied");
	CHECK_STR(fx_disposition("schema.books"), "create applied");
	CHECK_STR(text_at("state_observations", "state_found"), "false");
	CHECK_STR(text_at("state_observations", "state_revision"), "0");
	CHECK_STR(text_at("blast_radius"),
		  "[{\"resource\":\"graph.books\",\"affected\":[\"policy.readers\",\"query.books.by_title\","
		  "\"schema.books\"]},{\"resource\":\"provider.embedding.local\",\"affected\":[\"graph.books\"]},"
		  "{\"resource\":\"schema.books\",\"affected\":[\"query.books.by_title\"]}]");
	CHECK_INT(fx_files("__cluster"), 0);
	CHECK_HAS(fx.report.text.s, "cluster plan: 5 change(s), 0 approval gate(s)\n  Create graph.books\n");
	fx_end();
}

static void plan_previews_the_schema(void)
{
	const char *before;

	fx_applied(LIBRARY);
	before = fx_read(STATE);
	fx_write("books.pg", BOOKS_YEAR_PG);
	fx_sidecar("01K20000000000000000000001", "schema_apply", "books", "x");
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 2);
	CHECK_STR(fx_disposition("graph.books"), "update derived");
	CHECK_STR(fx_disposition("schema.books"), "update applied");
	CHECK_STR(fx_text(in(fx_change("schema.books"), "migration", "supported")), "true");
	CHECK_STR(fx_text(in(&in(fx_change("schema.books"), "migration", "steps")->items[0], "kind")), "add_property");
	CHECK_INT(in(fx_change("schema.books"), "migration")->n, 2);
	CHECK_HAS(fx.report.text.s, "  Update schema.books\n      {\"kind\":\"add_property\",");
	CHECK_WARNING("cluster_recovery_pending", fx_path("__cluster/recoveries/01K20000000000000000000001.json"));
	CHECK_STR(fx_read(STATE), before);
	CHECK(live_schema_is("books", BOOKS_PG));
	fx_end();
}

static void plan_without_preview(void)
{
	fx_applied(ONE_GRAPH);
	add_branch("books", "draft");
	fx_write("books.pg", BOOKS_YEAR_PG);
	fx_ok(CLUSTER_PLAN);
	CHECK_WARNING("schema_preview_unavailable", "schema.books");
	CHECK_HAS(diag_message("schema_preview_unavailable"), "could not preview the schema migration: ");
	CHECK_HAS(diag_message("schema_preview_unavailable"), "found non-main branches: draft");
	CHECK(!in(fx_change("schema.books"), "migration"));
	fx_end();
}

static void plan_under_a_held_lock(void)
{
	fx_applied(ONE_GRAPH);
	fx_sidecar("01K20000000000000000000001", "schema_apply", "books", "x");
	fx_write(LOCK, "{\"version\":1,\"lock_id\":\"01K20000000000000000000001\",\"operation\":\"plan\","
		       "\"created_at\":\"2026-03-01T09:00:00Z\",\"pid\":1}");
	fx_run(CLUSTER_PLAN);
	CHECK_ERROR("state_lock_held", LOCK);
	CHECK(fx_diag("cluster_recovery_pending"));
	CHECK_INT(at("changes")->n, 0);
	CHECK_STR(text_at("state_observations", "state_found"), "false");
	fx_end();
}

static void changes_are_sorted(void)
{
	const struct json *c;

	fx_begin(TWO_GRAPHS);
	fx_ok(CLUSTER_PLAN);
	c = at("changes");
	CHECK_INT(c->n, 6);
	for (size_t i = 1; i < c->n; i++)
		CHECK(str_cmp(json_get(&c->items[i - 1], "resource")->text, json_get(&c->items[i], "resource")->text) <
		      0);
	fx_end();
}

/* --- apply -------------------------------------------------------------------------------------------------- */

static void apply_needs_a_ledger(void)
{
	fx_begin(LIBRARY);
	fx_run(CLUSTER_APPLY);
	CHECK(!fx.report.ok);
	CHECK_ERROR("state_missing", STATE);
	CHECK_HAS(diag_message("state_missing"), "cluster import");
	CHECK_STR(text_at("applied_count"), "0");
	CHECK_STR(text_at("converged"), "false");
	CHECK_STR(text_at("resource_statuses"), "{}");
	CHECK(!fx_exists("graphs") && !fx_exists(STATE));
	fx_end();
}

static void apply_converges(void)
{
	fx_applied(LIBRARY);
	CHECK_STR(text_at("actor"), "act-mina");
	CHECK_STR(text_at("applied_count"), "5");
	CHECK_STR(text_at("deferred_count"), "0");
	CHECK_STR(text_at("state_written"), "true");
	CHECK_STR(text_at("resource_statuses", "graph.books"), "{\"status\":\"applied\"}");
	CHECK_INT(at("diagnostics")->n, 0);
	CHECK_STR(fx_read(query_blob()), BOOKS_GQ);
	CHECK_STR(fx_read(policy_blob()), READERS);
	CHECK(live_schema_is("books", BOOKS_PG));
	CHECK_INT(fx_files("__cluster/recoveries"), 0);
	CHECK_HAS(fx.report.text.s, "cluster apply: 5 applied, 0 deferred/blocked\n  Create graph.books [Applied]\n");
	CHECK_HAS(fx.report.text.s, "  state: revision 2, converged: true, written: true\n");
	fx_end();
}

static void apply_again(void)
{
	const char *before;

	fx_applied(LIBRARY);
	before = fx_read(STATE);
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(at("changes")->n, 0);
	CHECK_STR(text_at("state_written"), "false");
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(fx_read(STATE), before);
	CHECK_HAS(fx.report.text.s, "  no changes\n");
	fx_end();
}

static void apply_migrates(void)
{
	fx_applied(LIBRARY);
	fx_write("books.pg", BOOKS_YEAR_PG);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(text_at("applied_count"), "1");
	CHECK_STR(resource("schema.books", "digest"), fx_digest(BOOKS_YEAR_PG));
	CHECK(live_schema_is("books", BOOKS_YEAR_PG));
	CHECK_INT(fx_files("__cluster/recoveries"), 0);
	fx_write("books.pg", BOOKS_YEAR_PG "// a comment\n"); /* no steps, but the source must agree */
	fx_ok(CLUSTER_APPLY);
	CHECK(live_schema_is("books", BOOKS_YEAR_PG "// a comment\n"));
	fx_ok(CLUSTER_REFRESH);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 0);
	fx_end();
}

static void config_edit_without_effect(void)
{
	const char *digest;

	fx_applied(LIBRARY);
	fx_edit("cluster.yaml", "name: library", "name: archive");
	fx_ok(CLUSTER_PLAN);
	digest = text_at("desired_revision", "config_digest");
	CHECK_INT(at("changes")->n, 0);
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(at("changes")->n, 0);
	CHECK_STR(text_at("state_written"), "true");
	CHECK_STR(text_at("state_observations", "state_revision"), "3");
	CHECK_STR(text_at("state_observations", "applied_config_digest"), digest);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("state_written"), "false");
	fx_end();
}

static void blobs_are_left_alone(void)
{
	struct stat st, now;

	fx_applied(LIBRARY);
	CHECK(!stat(fx_path(query_blob()), &st));
	fx_write("books.gq", BOOKS_GQ "// more\n");
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(fx_files("__cluster/resources/query"), 2);
	fx_write("books.gq", BOOKS_GQ);
	fx_ok(CLUSTER_APPLY);
	CHECK(!stat(fx_path(query_blob()), &now));
	CHECK(st.st_ino == now.st_ino && st.st_mtim.tv_nsec == now.st_mtim.tv_nsec);
	fx_edit("cluster.yaml", "    queries: { by_title: { file: books.gq } }\n", "");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_disposition("query.books.by_title"), "delete applied");
	CHECK_INT(fx_files("__cluster/resources/query"), 2);
	fx_end();
}

static void source_that_is_no_text(void)
{
	const char *before;

	fx_applied(ONE_GRAPH);
	before = fx_read(STATE);
	fx_write("cluster.yaml", LIBRARY);
	fx_write("books.gq", BOOKS_GQ "// \xff\n");
	fx_run(CLUSTER_APPLY);
	CHECK(!fx.report.ok);
	CHECK_STR(fx_read(STATE), before);
	CHECK_STR(text_at("state_written"), "false");
	fx_end();
}

static void refused_schema_change(void)
{
	const char *before;

	fx_applied(ONE_GRAPH);
	before = resource("schema.books", "digest");
	fx_write("books.pg", "node Book {\n  title: String @key\n  year: I64\n  n: I64 @unique\n}\n");
	add_branch("books", "draft");
	for (int i = 0; i < 2; i++) {
		fx_run(CLUSTER_APPLY);
		CHECK(!fx.report.ok);
		CHECK_ERROR("schema_apply_failed", "schema.books");
		CHECK_HAS(diag_message("schema_apply_failed"),
			  arena_printf(&fx.arena,
				       "schema apply is not supported on '%s': ", fx_path("graphs/books.omni")));
		CHECK_HAS(diag_message("schema_apply_failed"), "found non-main branches: draft");
		CHECK_STR(fx_disposition("schema.books"), "update blocked schema_apply_failed");
		CHECK_WARNING("apply_dependency_blocked", "schema.books");
		CHECK_INT(fx_files("__cluster/recoveries"), 0);
		CHECK_STR(resource("schema.books", "digest"), before);
		CHECK_STR(status("schema.books"), "blocked");
	}
	fx_end();
}

static void failure_stops_only_graph_work(void)
{
	fx_begin(TWO_GRAPHS);
	fx_ok(CLUSTER_IMPORT);
	fx_mkdir("graphs/attic.omni/junk/x");
	fx_write("graphs/attic.omni/graph.json", "junk");
	fx_run(CLUSTER_APPLY);
	CHECK(!fx.report.ok);
	CHECK_ERROR("graph_create_failed", "graph.attic");
	CHECK_WARNING("graph_create_skipped", "graph.books");
	CHECK_STR(fx_disposition("graph.attic"), "create blocked graph_create_failed");
	CHECK_STR(fx_disposition("schema.attic"), "create blocked dependency_not_applied");
	CHECK_STR(fx_disposition("graph.books"), "create blocked graph_create_failed");
	CHECK_STR(fx_disposition("policy.readers"), "create blocked dependency_not_applied");
	CHECK_STR(text_at("state_written"), "true");
	CHECK_STR(status("query.attic.by_title"), "blocked");
	CHECK_INT(fx_files("__cluster/recoveries"), 1);
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("graph_create_incomplete", "graph.attic");
	CHECK_STR(status("graph.attic"), "error");
	CHECK_STR(fx_disposition("graph.attic"), "create blocked cluster_recovery_pending");
	CHECK_STR(fx_disposition("graph.books"), "create applied");
	CHECK(fx_exists("graphs/attic.omni/junk"));
	fx_remove("graphs/attic.omni");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	fx_end();
}

static void hand_edited_policy(void)
{
	static const enum cluster_command cmds[] = { CLUSTER_APPLY, CLUSTER_REFRESH };
	const char *before;

	fx_applied("version: 1\ngraphs:\n  books:\n    schema: books.pg\n    external_blobs:\n      allow:\n"
		   "        - { base: 's3://a/', scope: embedded_only }\n");
	fx_edit(STATE, "embedded_only", "server_safe");
	before = fx_read(STATE);
	for (size_t i = 0; i < 2; i++) {
		fx_run(cmds[i]);
		CHECK(!fx.report.ok);
		CHECK_ERROR("external_blob_policy_digest_mismatch", "graph.books");
		CHECK_STR(fx_read(STATE), before);
	}
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("external_blob_policy_digest_mismatch"), "error graph.books");
	fx_end();
}

static void failed_schema_keeps_the_blob_policy(void)
{
	fx_applied("version: 1\ngraphs: { books: { schema: books.pg } }\n");
	add_branch("books", "draft");
	fx_write("books.pg", BOOKS_YEAR_PG);
	fx_write("cluster.yaml", "version: 1\ngraphs: { books: { schema: books.pg, external_blobs: { allow: [ { base: "
				 "'s3://a', scope: server_safe } ] } } }\n");
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("schema_apply_failed", "schema.books");
	CHECK_STR(resource("graph.books", "external_blob_policy"), "");
	fx_write("books.pg", BOOKS_PG);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_disposition("graph.books"), "update derived");
	CHECK_HAS(resource("graph.books", "external_blob_policy"), "s3://a/");
	CHECK_STR(text_at("converged"), "true");
	fx_end();
}

static void metadata_is_backfilled(void)
{
	const char *full;

	fx_applied(LIBRARY);
	full = fx_read(STATE);
	fx_edit(STATE, ",\n        \"applies_to\": [\n          \"graph.books\"\n        ]", "");
	fx_edit(STATE,
		",\n        \"embedding_profile\": {\n          \"kind\": \"mock\",\n          \"model\": "
		"\"shelf-v1\"\n        }",
		"");
	CHECK(!fx_serve(NULL));
	CHECK_STR(fx_snap_diag("policy_bindings_missing"), "error policy.readers");
	CHECK_STR(fx_snap_diag("embedding_provider_profile_missing"), "error provider.embedding.local");
	fx_ok(CLUSTER_PLAN);
	CHECK_STR(fx_disposition("policy.readers"), "update applied");
	CHECK_STR(fx_text(in(fx_change("policy.readers"), "binding_change")), "true");
	CHECK_STR(fx_text(in(fx_change("policy.readers"), "metadata_change")), "policy_bindings");
	CHECK_STR(fx_text(in(fx_change("provider.embedding.local"), "metadata_change")), "embedding_profile");
	CHECK(!in(fx_change("provider.embedding.local"), "binding_change"));
	CHECK_HAS(fx.report.text.s, "  Update policy.readers [bindings]\n");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK(fx_serve(NULL));
	fx_edit(STATE, "\"state_revision\": 3", "\"state_revision\": 2");
	CHECK_STR(fx_read(STATE), full);
	fx_end();
}

static void provider_changes_reach_the_graph(void)
{
	fx_applied(LIBRARY);
	fx_edit("cluster.yaml", "shelf-v1", "shelf-v2");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_disposition("provider.embedding.local"), "update applied");
	CHECK_STR(fx_disposition("graph.books"), "update derived");
	CHECK_STR(text_at("applied_count"), "1");
	CHECK_STR(text_at("converged"), "true");
	CHECK_HAS(resource("provider.embedding.local", "embedding_profile"), "shelf-v2");
	fx_end();
}

/* --- refresh ------------------------------------------------------------------------------------------------ */

static void refresh_of_a_converged_cluster(void)
{
	fx_applied(LIBRARY);
	fx_ok(CLUSTER_REFRESH);
	CHECK_STR(text_at("state_observations", "state_revision"), "3");
	CHECK_STR(text_at("observations", "graph.books", "schema_matches_desired"), "true");
	CHECK_STR(text_at("observations", "graph.books", "error"), "null");
	CHECK_STR(text_at("observations", "graph.books", "schema_digest"), fx_digest(BOOKS_PG));
	CHECK_STR(text_at("observations", "graph.books", "graph_manifest_version"), "1");
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 0);
	fx_end();
}

static void refresh_needs_a_ledger(void)
{
	fx_begin(LIBRARY);
	fx_run(CLUSTER_REFRESH);
	CHECK(!fx.report.ok);
	CHECK_ERROR("state_missing", STATE);
	CHECK_STR(text_at("resource_digests"), "{}");
	fx_edit("cluster.yaml", "version: 1\n", "version: 1\nstate: { lock: false }\n");
	fx_run(CLUSTER_REFRESH);
	CHECK_STR(text_at("resource_digests"), "{}");
	fx_end();
}

static void refresh_drops_bad_blobs(void)
{
	fx_applied(LIBRARY);
	fx_remove(query_blob());
	fx_write(policy_blob(), "version: 1\n");
	fx_ok(CLUSTER_REFRESH);
	CHECK_WARNING("catalog_payload_missing", "query.books.by_title");
	CHECK_WARNING("catalog_payload_mismatch", "policy.readers");
	CHECK(!at("resource_digests", "query.books.by_title") && !at("resource_digests", "policy.readers"));
	CHECK_STR(text_at("resource_statuses", "query.books.by_title", "conditions"), "[\"payload_missing\"]");
	CHECK_STR(text_at("resource_statuses", "policy.readers", "conditions"), "[\"payload_mismatch\"]");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_disposition("query.books.by_title"), "create applied");
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(fx_read(query_blob()), BOOKS_GQ);
	CHECK_STR(fx_read(policy_blob()), READERS);
	CHECK(fx_serve(NULL));
	fx_end();
}

static void refresh_keeps_unreadable_blobs(void)
{
	fx_applied(LIBRARY);
	fx_remove(query_blob());
	fx_mkdir(arena_printf(&fx.arena, "%s/x", query_blob())); /* a directory: a read error, not an absence */
	fx_run(CLUSTER_REFRESH);
	CHECK(!fx.report.ok);
	CHECK_ERROR("catalog_payload_read_error", "query.books.by_title");
	CHECK(at("resource_digests", "query.books.by_title"));
	CHECK_STR(status("query.books.by_title"), "error");
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), "3");
	fx_end();
}

static void vanished_root(void)
{
	fx_applied(LIBRARY);
	fx_remove("graphs/books.omni");
	fx_ok(CLUSTER_REFRESH);
	CHECK(!at("resource_digests", "graph.books") && !at("resource_digests", "schema.books"));
	CHECK(at("resource_digests", "query.books.by_title") && at("resource_digests", "policy.readers"));
	CHECK_STR(text_at("resource_statuses", "schema.books", "conditions"), "[\"graph_missing\"]");
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 2);
	CHECK_STR(fx_disposition("graph.books"), "create applied");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(resource("graph.books", "embedding_provider"), "provider.embedding.local");
	CHECK(live_schema_is("books", BOOKS_PG));
	fx_end();
}

static void drifted_schema(void)
{
	fx_applied(LIBRARY);
	migrate_directly("books", BOOKS_YEAR_PG);
	fx_ok(CLUSTER_REFRESH);
	CHECK_STR(text_at("resource_statuses", "graph.books", "conditions"), "[\"schema_mismatch\"]");
	CHECK_STR(text_at("resource_digests", "schema.books"), fx_digest(BOOKS_YEAR_PG));
	CHECK_STR(text_at("observations", "graph.books", "schema_matches_desired"), "false");
	fx_ok(CLUSTER_PLAN);
	CHECK_STR(fx_disposition("schema.books"), "update applied");
	fx_end();
}

static void lost_ledger(void)
{
	fx_applied(LIBRARY);
	fx_remove(STATE);
	fx_ok(CLUSTER_IMPORT);
	CHECK_INT(at("resource_digests")->n, 2);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK_INT(fx_files("__cluster/resources"), 2);
	CHECK(fx_serve(NULL));
	fx_end();
}

/* --- approvals ------------------------------------------------------------------------------------------------ */

static void dropped_graph_is_blocked(void)
{
	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("approvals_required")->n, 1);
	CHECK_STR(fx_text(&at("approvals_required")->items[0]),
		  "{\"resource\":\"graph.attic\",\"reason\":\"delete may remove deployed graph or schema definition\","
		  "\"satisfied\":false}");
	for (int i = 0; i < 2; i++) {
		fx_ok(CLUSTER_APPLY);
		CHECK_STR(fx_disposition("graph.attic"), "delete blocked approval_required");
		CHECK_STR(fx_disposition("schema.attic"), "delete blocked approval_required");
		CHECK_STR(fx_disposition("query.attic.by_title"), "delete blocked approval_required");
		CHECK_STR(text_at("converged"), "false");
		CHECK_STR(text_at("deferred_count"), "3");
		CHECK_INT(fx_count_diags("apply_dependency_blocked"), 3);
		CHECK_HAS(diag_message("apply_dependency_blocked"), "approval_required");
		CHECK(fx_exists("graphs/attic.omni"));
		CHECK(*resource("graph.attic", "digest"));
	}
	CHECK_STR(text_at("state_written"), "false");
	fx_end();
}

static void approval_needs_an_actor(void)
{
	struct cluster_args args = { .config_dir = fx.dir, .resource = "graph.attic" };
	struct cluster_report r = { 0 };
	struct err e = ERR_INIT;

	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	CHECK(cluster_run(CLUSTER_APPROVE, &args, &r, &e) < 0);
	CHECK_HAS(err_msg(&e), "--as");
	CHECK_HAS(err_msg(&e), "operator.actor");
	CHECK_HAS(err_msg(&e), "config.yaml");
	CHECK(!fx_exists("__cluster/approvals"));
	err_clear(&e);
	cluster_report_clear(&r);
	fx_approve("graph.books");
	CHECK_ERROR("approval_not_required", "graph.books");
	fx_approve("schema.attic"); /* covered by its graph */
	CHECK_ERROR("approval_not_required", "schema.attic");
	CHECK(!fx_exists("__cluster/approvals"));
	CHECK(!at("approval_id") && !at("approved_by"));
	fx_end();
}

static void approved_delete(void)
{
	const char *id, *file;

	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_approve("graph.attic");
	CHECK(fx.report.ok);
	CHECK_STR(text_at("operation"), "delete");
	CHECK_STR(text_at("approved_by"), "act-mina");
	id = text_at("approval_id");
	file = arena_printf(&fx.arena, "__cluster/approvals/%s.json", id);
	CHECK_HAS(fx_read(file), "\"consumed_at\": null,\n  \"consumed_by_operation\": null\n}\n");
	fx_ok(CLUSTER_PLAN);
	CHECK_STR(fx_text(in(&at("approvals_required")->items[0], "satisfied")), "true");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(text_at("applied_count"), "3");
	CHECK(!fx_exists("graphs/attic.omni"));
	CHECK_STR(resource("graph.attic", "digest"), "");
	CHECK_STR(resource("query.attic.by_title", "digest"), "");
	CHECK_STR(status("schema.attic"), "");
	CHECK_STR(fx_text(in(fx_ledger(), "observations", "graph.attic", "kind")), "tombstone");
	CHECK_STR(fx_text(in(fx_ledger(), "observations", "graph.attic", "approval_id")), id);
	CHECK_STR(fx_text(in(fx_ledger(), "approval_records", id, "consumed_by_operation")), "apply");
	CHECK_HAS(fx_read(file), "\"consumed_at\": \"2");
	CHECK_INT(fx_files("__cluster/recoveries"), 0);
	CHECK_INT(fx_files("__cluster/resources/query"), 1); /* blobs stay */
	fx_end();
}

static bool attic_is_exported(void *arg, const char *root)
{
	++*(int *)arg;
	return !strcmp(root, fx_path("graphs/attic.omni"));
}

static void delete_during_an_export(void)
{
	int asked = 0;
	struct cluster_args args = { .config_dir = fx.dir, .exporting = attic_is_exported, .exporting_arg = &asked };

	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_approve("graph.attic");
	fx_run_args(CLUSTER_APPLY, &args);
	CHECK_ERROR("graph_delete_export_in_progress", "graph.attic");
	CHECK_STR(fx_disposition("graph.attic"), "delete blocked graph_delete_failed");
	CHECK_INT(asked, 1);
	CHECK_INT(fx_files("__cluster/recoveries"), 0);
	CHECK(fx_exists("graphs/attic.omni"));
	fx_ok(CLUSTER_APPLY); /* the approval is still good */
	CHECK_STR(text_at("converged"), "true");
	CHECK(!fx_exists("graphs/attic.omni"));
	fx_end();
}

static void stale_approval(void)
{
	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_approve("graph.attic");
	CHECK(fx.report.ok);
	fx_edit("cluster.yaml", "version: 1\n", "version: 1\nmetadata: { name: moved }\n");
	fx_ok(CLUSTER_PLAN);
	CHECK_WARNING("approval_stale", "graph.attic");
	CHECK_STR(fx_text(in(&at("approvals_required")->items[0], "satisfied")), "false");
	fx_ok(CLUSTER_APPLY);
	CHECK_WARNING("approval_stale", "graph.attic");
	CHECK_INT(fx_count_diags("approval_stale"), 1);
	CHECK_STR(fx_disposition("graph.attic"), "delete blocked approval_required");
	CHECK(fx_exists("graphs/attic.omni"));
	fx_end();
}

static void bad_approvals_are_skipped(void)
{
	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_write("__cluster/approvals/01K20000000000000000000001.json", "{");
	fx_write("__cluster/approvals/01K20000000000000000000002.json", "{\"schema_version\":2}");
	fx_write("__cluster/approvals/notes.txt", "not one");
	fx_ok(CLUSTER_PLAN);
	CHECK_WARNING("invalid_approval_artifact", fx_path("__cluster/approvals/01K20000000000000000000001.json"));
	CHECK_WARNING("unsupported_approval_version", fx_path("__cluster/approvals/01K20000000000000000000002.json"));
	CHECK_INT(fx_files("__cluster/approvals"), 3);
	fx_end();
}

/* --- rare troubles, by their codes ------------------------------------------------------------------------------ */

static void unknown_resources_are_deferred(void)
{
	fx_applied(LIBRARY);
	fx_edit(STATE, "    \"resources\": {", "    \"resources\": {\n      \"alias.x\": { \"digest\": \"x\" },");
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_disposition("alias.x"), "delete deferred apply_unsupported_kind");
	CHECK_WARNING("apply_unsupported_change", "alias.x");
	CHECK_STR(text_at("converged"), "false");
	CHECK_STR(text_at("deferred_count"), "1");
	CHECK(*resource("alias.x", "digest"));
	fx_end();
}

static void approval_cannot_be_written(void)
{
	fx_applied(TWO_GRAPHS);
	fx_write("cluster.yaml", WITHOUT_ATTIC);
	fx_write("__cluster/approvals", "a file stands where the directory should be");
	fx_approve("graph.attic");
	CHECK(!fx.report.ok);
	CHECK(fx_diag("approval_write_error"));
	CHECK_HAS(fx_text(in(fx_diag("approval_write_error"), "path")), fx_path("__cluster/approvals/"));
	CHECK(!fx_exists(LOCK));
	fx_end();
}

static void lock_cannot_be_read(void)
{
	fx_applied(LIBRARY);
	fx_mkdir(LOCK "/x");
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING("state_lock_read_error", LOCK);
	fx_unlock("01K20000000000000000000001");
	CHECK_ERROR("state_lock_read_error", LOCK);
	CHECK(fx_exists(LOCK));
	fx_end();
}

/* --- several at once ------------------------------------------------------------------------------------------ */

/* 0: refreshed, 1: somebody else held the lock, 2: anything else */
static int refresh_in_child(void)
{
	fx_run(CLUSTER_REFRESH);
	return fx.report.ok ? 0 : fx_count_diags("state_lock_held") == 1 ? 1 : 2;
}

static void many_processes(void)
{
	enum { N = 8, ROUNDS = 6 };
	int status, done = 0;

	fx_applied(LIBRARY);
	for (int i = 0; i < N; i++)
		if (!fork()) {
			int worst = 0, rc, n = 0;

			for (int k = 0; k < ROUNDS; k++) {
				rc = refresh_in_child();
				worst = rc > worst ? rc : worst;
				n += !rc;
			}
			_exit(worst == 2 ? 100 : n);
		}
	while (wait(&status) > 0) {
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 100);
		done += WEXITSTATUS(status);
	}
	CHECK(done > 0);
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), arena_printf(&fx.arena, "%d", 2 + done));
	CHECK(!fx_exists(LOCK));
	fx_end();
}

/* --- look-ups ------------------------------------------------------------------------------------------------- */

static void lookups(void)
{
	struct err e = ERR_INIT;
	char *out = NULL;

	fx_applied(TWO_GRAPHS);
	fx_remove("__cluster/resources");
	CHECK(!cluster_graph_uri(fx.dir, "books", &out, &e));
	CHECK_STR(out, fx_path("graphs/books.omni"));
	free(out);
	CHECK(cluster_graph_uri(fx.dir, "plays", &out, &e) < 0);
	CHECK_HAS(err_msg(&e), "graph `plays` is not applied in cluster");
	CHECK_HAS(err_msg(&e), "(applied graphs: [attic, books])");
	err_clear(&e);
	CHECK(cluster_graph_uri(fx.dir, NULL, &out, &e) < 0);
	CHECK_HAS(err_msg(&e), "has 2 graphs: [attic, books]; pass --graph <id> to select one");
	err_clear(&e);
	CHECK(!cluster_root_of(fx_path("graphs/new.omni/"), &out, &e));
	CHECK_STR(out, fx.dir);
	free(out);
	CHECK(!cluster_root_of(fx_path("graphs/new"), &out, &e) && !out);
	CHECK(!cluster_root_of("/tmp/graphs/x.omni", &out, &e) && !out);
	fx_end();
}

CHECK_MAIN("cluster/commands", { "CLU-45 import of a fresh directory", import_fresh },
	   { "CLU-45 import over a ledger is refused and changes nothing", import_twice },
	   { "CLU-46 a root that does not open: import writes nothing, refresh writes and fails", unopenable_root },
	   { "CLU-67 status needs no ledger, reads no declared file and changes nothing", status_reads_only },
	   { "CLU-67 status names payloads that are missing or altered", status_checks_the_catalog },
	   { "CLU-67 status with a broken configuration still shows lock and sidecars", status_with_config_errors },
	   { "CLU-57 plan without a ledger creates everything and writes nothing", plan_without_ledger },
	   { "CLU-57 plan previews a migration, warns per sidecar and writes nothing", plan_previews_the_schema },
	   { "CLU-57 plan says why there is no preview", plan_without_preview },
	   { "CLU-57 plan under a held lock has no changes", plan_under_a_held_lock },
	   { "CLU-58 changes are sorted by address", changes_are_sorted },
	   { "CLU-43 apply without a ledger names import", apply_needs_a_ledger },
	   { "CLU-06 CLU-68 apply creates graph, payloads and ledger entries", apply_converges },
	   { "CLU-32 applying again writes nothing", apply_again },
	   { "CLU-49 apply migrates, also a source that differs only in comments", apply_migrates },
	   { "CLU-59 a configuration edit without effect is one ledger write", config_edit_without_effect },
	   { "CLU-54 payloads are neither rewritten nor deleted", blobs_are_left_alone },
	   { "CLU-53 a source that is not UTF-8 stops the run before the ledger", source_that_is_no_text },
	   { "CLU-01 CLU-02 a refused schema change leaves no sidecar, run after run", refused_schema_change },
	   { "CLU-51 CLU-55 a failed create skips later graphs and is never cleaned up by itself",
	     failure_stops_only_graph_work },
	   { "CLU-41 a hand-edited blob policy stops apply, refresh and serving", hand_edited_policy },
	   { "CLU-42 a failed schema apply keeps the recorded blob policy", failed_schema_keeps_the_blob_policy },
	   { "CLU-30 CLU-31 missing bindings and profiles are filled in by an apply", metadata_is_backfilled },
	   { "CLU-63 a changed profile updates the graphs bound to it", provider_changes_reach_the_graph },
	   { "CLU-49 refresh after apply leaves nothing to plan", refresh_of_a_converged_cluster },
	   { "CLU-43 refresh without a ledger names import", refresh_needs_a_ledger },
	   { "CLU-47 refresh drops missing and altered payloads, apply publishes them again", refresh_drops_bad_blobs },
	   { "CLU-48 refresh keeps an entry whose payload cannot be read", refresh_keeps_unreadable_blobs },
	   { "CLU-50 a vanished root is created again, empty", vanished_root },
	   { "CLU-50 a schema changed from outside is drift, and planned back", drifted_schema },
	   { "CLU-54 after a lost ledger import and apply reuse the payloads", lost_ledger },
	   { "CLU-33 CLU-39 dropping a graph blocks its subtree behind one gate", dropped_graph_is_blocked },
	   { "CLU-38 approve needs an actor and a gated change", approval_needs_an_actor },
	   { "CLU-34 an approved delete removes, tombstones and consumes", approved_delete },
	   { "CLU-34 a graph whose export is streaming in this process is not deleted", delete_during_an_export },
	   { "CLU-35 an approval dies with the next configuration edit", stale_approval },
	   { "CLU-35 approvals that cannot be read are skipped and kept", bad_approvals_are_skipped },
	   { "an address that nobody knows is deferred and kept", unknown_resources_are_deferred },
	   { "an approval that cannot be written is an error", approval_cannot_be_written },
	   { "CLU-17 a lock that cannot be read is told, and stays", lock_cannot_be_read },
	   { "CLU-13 CLU-14 of many processes each holds the lock or is told who does", many_processes },
	   { "CLU-69 CLU-70 look-ups need only the ledger", lookups }, )
