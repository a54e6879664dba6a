/* SPDX-License-Identifier: MIT */
/* Errors and crashes at the fault points of the control plane (spec/cluster.md 10, 19). Built only with CONFIG_FAILPOINTS. */
#include <omnigraph/failpoint.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "cluster/tests/fixture.h"

#define TWO                                                                          \
	"version: 1\ngraphs:\n"                                                      \
	"  attic: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"  books: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"policies:\n"                                                                \
	"  both: { file: readers.policy.yaml, applies_to: [attic, books] }\n"
#define ONE_LEFT                                                                     \
	"version: 1\ngraphs:\n"                                                      \
	"  books: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"policies:\n"                                                                \
	"  both: { file: readers.policy.yaml, applies_to: [books] }\n"

static void set(const char *spec)
{
	CHECK(!failpoint_configure(spec, NULL, NULL));
}

static void done(void)
{
	set("");
	fx_end();
}

static unsigned sidecars(void)
{
	return fx_files("__cluster/recoveries");
}

static const char *resource(const char *address)
{
	return fx_text(in(fx_ledger(), "applied_revision", "resources", address, "digest"));
}

/* Apply with a fault, which must fail the run. */
static void apply_failing(const char *spec)
{
	set(spec);
	fx_run(CLUSTER_APPLY);
	set("");
	CHECK_MSG(!fx.report.ok, "%s did not fail", spec);
	CHECK(!fx_exists(LOCK));
}

/* E!: nothing is published, the sidecar stays, the next run converges. */
static void stopped_at(const char *point)
{
	const char *before = fx_read(STATE);

	apply_failing(arena_printf(&fx.arena, "%s=error", point));
	CHECK_ERROR("injected_failpoint", point);
	CHECK_STR(diag_message("injected_failpoint"),
		  arena_printf(&fx.arena, "injected failpoint triggered: %s", point));
	CHECK_STR(text_at("applied_count"), "0");
	CHECK_STR(text_at("deferred_count"), "0");
	CHECK_STR(text_at("converged"), "false");
	CHECK_STR(text_at("state_written"), "false");
	CHECK_STR(fx_read(STATE), before);
}

static void converges(void)
{
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(text_at("converged"), "true");
	CHECK_INT(sidecars(), 0);
	CHECK(fx_serve(NULL));
}

/* --- the faults one by one ------------------------------------------------------------------------------------ */

static void fresh(const char *yaml)
{
	fx_begin(yaml);
	fx_ok(CLUSTER_IMPORT);
}

static void before_create(void)
{
	fresh(TWO);
	apply_failing("cluster_apply.before_graph_create=1*error");
	CHECK_ERROR("injected_failpoint", "cluster_apply.before_graph_create");
	CHECK_STR(fx_disposition("graph.attic"), "create blocked graph_create_failed");
	CHECK_WARNING("graph_create_skipped", "graph.books");
	CHECK_INT(sidecars(), 1);
	CHECK_STR(text_at("state_written"), "true");
	converges();
	CHECK_INT(in(fx_ledger(), "recovery_records")->n, 0);
	done();
}

static void after_create(void)
{
	fresh(LIBRARY);
	stopped_at("cluster_apply.after_graph_create");
	CHECK_INT(sidecars(), 1);
	CHECK(!fx_serve(NULL));
	converges();
	CHECK(fx_diag("cluster_recovery_rolled_forward"));
	CHECK_INT(in(fx_ledger(), "recovery_records")->n, 1);
	done();
}

static void migrated(const char *yaml)
{
	fx_applied(yaml);
	fx_write("books.pg", BOOKS_YEAR_PG);
}

static void before_schema(void)
{
	migrated(TWO);
	apply_failing("cluster_apply.before_schema_apply=1*error");
	CHECK_STR(fx_disposition("schema.attic"), "update blocked schema_apply_failed");
	CHECK_WARNING("schema_apply_skipped", "schema.books");
	CHECK_INT(sidecars(), 1);
	CHECK_STR(resource("schema.attic"), fx_digest(BOOKS_PG));
	CHECK(fx_serve(NULL));
	CHECK_STR(fx_snap_diag("cluster_recovery_pending"), "warning graph.attic");
	converges();
	done();
}

static void after_schema(void)
{
	migrated(LIBRARY);
	stopped_at("cluster_apply.after_schema_apply");
	CHECK_INT(sidecars(), 1);
	converges();
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.books");
	CHECK_STR(resource("schema.books"), fx_digest(BOOKS_YEAR_PG));
	done();
}

static void after_payloads(void)
{
	fresh(LIBRARY);
	stopped_at("cluster_apply.after_payload_phase");
	CHECK_INT(fx_files("__cluster/resources"), 2);
	converges();
	CHECK_INT(fx_files("__cluster/resources"), 2);
	done();
}

static void approved(void)
{
	fx_applied(TWO);
	fx_write("cluster.yaml", ONE_LEFT);
	fx_approve("graph.attic");
	CHECK(fx.report.ok);
}

static void before_delete(void)
{
	approved();
	apply_failing("cluster_apply.before_graph_delete=error");
	CHECK_STR(fx_disposition("graph.attic"), "delete blocked graph_delete_failed");
	CHECK_STR(fx_disposition("schema.attic"), "delete blocked dependency_not_applied");
	CHECK(fx_exists("graphs/attic.omni"));
	CHECK(*resource("graph.attic"));
	CHECK_INT(in(fx_ledger(), "approval_records")->n, 0);
	CHECK_INT(sidecars(), 1);
	converges();
	CHECK_WARNING("graph_delete_incomplete", "graph.attic");
	CHECK(!fx_exists("graphs/attic.omni"));
	CHECK_INT(in(fx_ledger(), "approval_records")->n, 1);
	done();
}

static void after_delete(void)
{
	const char *id;

	approved();
	id = text_at("approval_id");
	stopped_at("cluster_apply.after_graph_delete");
	CHECK(!fx_exists("graphs/attic.omni"));
	CHECK_HAS(fx_read(arena_printf(&fx.arena, "__cluster/approvals/%s.json", id)), "\"consumed_at\": null");
	converges();
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.attic");
	CHECK_INT(strlen(fx_text(in(fx_ledger(), "approval_records", id, "consumed_by_operation"))), 26);
	CHECK_HAS(fx_read(arena_printf(&fx.arena, "__cluster/approvals/%s.json", id)), "\"consumed_at\": \"2");
	done();
}

static void failed_write(void)
{
	const char *before;

	fresh(LIBRARY);
	before = fx_read(STATE);
	apply_failing("cluster_apply.before_state_write=error");
	CHECK_ERROR("injected_failpoint", "cluster_apply.before_state_write");
	CHECK_STR(fx_read(STATE), before);
	CHECK_STR(text_at("resource_statuses", "graph.books", "status"), "drifted");
	CHECK_STR(text_at("converged"), "false");
	CHECK_STR(text_at("state_written"), "false");
	CHECK_INT(sidecars(), 1);
	converges();
	done();
}

static void *apply_thread(void *arg)
{
	static const struct cluster_args args = { .config_dir = fx.dir };
	struct err e = ERR_INIT;

	cluster_run(CLUSTER_APPLY, &args, arg, &e);
	err_clear(&e);
	return NULL;
}

/* Apply in a thread that waits at a fault point while a file is edited. */
static void apply_while_editing(const char *point, const char *rel, const char *old, const char *new)
{
	const char *paused = arena_printf(&fx.arena, "%s.paused", point);
	struct json *v = NULL;
	pthread_t t;

	CHECK(!failpoint_configure(arena_printf(&fx.arena, "%s=1*pause", point), fx.dir, NULL));
	cluster_report_clear(&fx.report);
	CHECK(!pthread_create(&t, NULL, apply_thread, &fx.report));
	for (int i = 0; i < 20000 && !fx_exists(paused); i++)
		usleep(1000);
	fx_edit(rel, old, new);
	fx_write(arena_printf(&fx.arena, "%s.resume", point), "");
	pthread_join(t, NULL);
	set("");
	CHECK(!json_parse(&fx.arena, arena_str(&fx.arena, sb_str(&fx.report.json)), NULL, &v, NULL));
	fx.json = v;
}

static void ledger_edited_meanwhile(void)
{
	fresh(LIBRARY);
	apply_while_editing("cluster_apply.before_state_write", STATE, "\"state_revision\": 1",
			    "\"state_revision\": 9");
	CHECK(!fx.report.ok && fx.report.retry_safe);
	CHECK_ERROR("state_cas_mismatch", STATE);
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), "9");
	CHECK(sidecars() == 1 && !fx_exists(LOCK));
	converges();
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), "10");
	done();
}

static void schema_edited_meanwhile(void)
{
	fresh(LIBRARY);
	apply_while_editing("cluster_apply.before_graph_create", "books.pg", "title", "name");
	CHECK_ERROR("resource_content_changed", "graph.books");
	CHECK(!fx.report.ok && sidecars() == 0 && !fx_exists("graphs/books.omni"));
	fx_write("books.pg", BOOKS_PG);
	converges();
	done();
}

static void query_edited_meanwhile(void)
{
	const char *before;

	fresh(LIBRARY);
	before = fx_read(STATE);
	apply_while_editing("cluster_apply.before_graph_create", "books.gq", "by_title", "by_name");
	CHECK_ERROR("resource_content_changed", "query.books.by_title");
	CHECK(!fx.report.ok);
	CHECK_STR(fx_read(STATE), before);
	CHECK_INT(fx_files("__cluster/resources"), 1); /* the policy was attempted all the same */
	fx_write("books.gq", BOOKS_GQ);
	converges();
	done();
}

static void engine_error_before_the_commit(void)
{
	migrated(LIBRARY);
	apply_failing("schema_apply.before_staging_write=error");
	CHECK_ERROR("schema_apply_failed", "schema.books");
	CHECK_INT(sidecars(), 0);
	CHECK_STR(fx_disposition("schema.books"), "update blocked schema_apply_failed");
	CHECK(fx_serve(NULL));
	converges();
	done();
}

static void cleanup_fails_too(void)
{
	const struct json *d;

	migrated(LIBRARY);
	apply_failing("schema_apply.before_staging_write=error;cluster_store.delete_object=error");
	d = fx_diag("recovery_sidecar_cleanup_failed");
	CHECK(d != NULL);
	CHECK_HAS(fx_text(in(d, "path")), fx_path("__cluster/recoveries/"));
	CHECK_STR(fx_text(in(d, "severity")), "warning");
	CHECK_INT(sidecars(), 1);
	CHECK(!fx_serve(NULL));
	converges();
	done();
}

static void engine_error_after_the_commit(void)
{
	migrated(LIBRARY);
	apply_failing("schema_apply.after_manifest_commit=error");
	CHECK_ERROR("schema_apply_failed", "schema.books");
	CHECK_INT(sidecars(), 1);
	CHECK_STR(resource("schema.books"), fx_digest(BOOKS_PG));
	converges();
	CHECK_WARNING("cluster_recovery_rolled_forward", "graph.books");
	CHECK_STR(resource("schema.books"), fx_digest(BOOKS_YEAR_PG));
	done();
}

static void stale_sidecars_are_retired(void)
{
	const char *before;

	fresh(LIBRARY);
	set("cluster_store.delete_object=error");
	fx_ok(CLUSTER_APPLY); /* best effort: no diagnostic */
	CHECK_INT(at("diagnostics")->n, 0);
	set("");
	CHECK_INT(sidecars(), 1);
	before = fx_read(STATE);
	converges();
	CHECK_STR(fx_read(STATE), before);
	done();
}

/* --- the process dies ------------------------------------------------------------------------------------------ */

/* Run apply in a child that is killed at a fault point. */
static void crash_at(const char *point)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		struct cluster_args args = { .config_dir = fx.dir, .actor = "act-mina" };

		failpoint_configure(arena_printf(&fx.arena, "%s=crash", point), NULL, NULL);
		cluster_run(CLUSTER_APPLY, &args, &fx.report, NULL);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s was not reached", point);
}

/* The lock of the dead process stops everybody until it is forced away. */
static void unlock_and_converge(void)
{
	const char *id;

	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("state_lock_held", LOCK);
	id = text_at("state_observations", "lock_id");
	fx_unlock(id);
	CHECK(fx.report.ok);
	converges();
	CHECK(!fx_exists(LOCK));
	fx_ok(CLUSTER_REFRESH);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 0);
}

static void crash_and_recover(const char *point)
{
	const char *before = fx_read(STATE);

	crash_at(point);
	CHECK_STR(fx_read(STATE), before);
	unlock_and_converge();
}

static void crashes_of_a_create(void)
{
	static const char *const points[] = { "cluster_apply.before_graph_create", "cluster_apply.after_graph_create",
					      "cluster_apply.after_payload_phase", "cluster_apply.before_state_write",
					      "init.after_coordinator_init" };

	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		fresh(TWO);
		crash_and_recover(points[i]);
		CHECK_STR(resource("schema.books"), fx_digest(BOOKS_PG));
	}
	done();
}

static void crash_inside_a_create(void)
{
	const char *id;

	fresh(LIBRARY);
	crash_at("init.after_schema_pg_written");
	fx_run(CLUSTER_APPLY);
	id = text_at("state_observations", "lock_id");
	fx_unlock(id);
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("graph_create_incomplete", "graph.books");
	fx_remove("graphs/books.omni");
	converges();
	done();
}

static void crashes_of_a_schema_apply(void)
{
	static const char *const points[] = { "cluster_apply.before_schema_apply", "schema_apply.before_staging_write",
					      "schema_apply.after_staging_write",  "schema_apply.after_manifest_commit",
					      "cluster_apply.after_schema_apply",  "cluster_apply.before_state_write" };

	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		migrated(TWO);
		crash_and_recover(points[i]);
		CHECK_STR(resource("schema.books"), fx_digest(BOOKS_YEAR_PG));
	}
	done();
}

static void crashes_of_a_delete(void)
{
	static const char *const points[] = { "cluster_apply.before_graph_delete", "cluster_apply.after_graph_delete",
					      "cluster_apply.before_state_write" };

	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		approved();
		crash_and_recover(points[i]);
		CHECK(!fx_exists("graphs/attic.omni"));
		CHECK_STR(resource("graph.attic"), "");
		CHECK_INT(in(fx_ledger(), "approval_records")->n, 1);
	}
	done();
}

static void crash_before_the_cleanup(void)
{
	approved();
	crash_at("cluster_store.delete_object");
	CHECK_STR(resource("graph.attic"), ""); /* the ledger was written */
	CHECK_INT(sidecars(), 1);
	unlock_and_converge();
	done();
}

static void nested_crashes(void)
{
	fresh(TWO);
	crash_at("cluster_apply.after_graph_create");
	fx_run(CLUSTER_APPLY);
	fx_unlock(text_at("state_observations", "lock_id"));
	crash_at("cluster_apply.before_state_write"); /* the sweep is not recorded either */
	unlock_and_converge();
	done();
}

CHECK_MAIN("cluster/crash", { "CLU-08 an error before a graph create", before_create },
	   { "CLU-07 an error after a graph create", after_create },
	   { "CLU-55 an error before a schema apply", before_schema },
	   { "CLU-04 an error after a schema apply", after_schema },
	   { "CLU-09 an error after the payloads", after_payloads },
	   { "CLU-37 an error before a graph delete", before_delete },
	   { "CLU-36 an error after a graph delete", after_delete },
	   { "CLU-56 an error of the ledger write", failed_write },
	   { "CLU-10 a ledger edited during the run survives", ledger_edited_meanwhile },
	   { "CLU-53 a schema edited between plan and create is refused", schema_edited_meanwhile },
	   { "CLU-53 a query edited between plan and publication is refused", query_edited_meanwhile },
	   { "CLU-03 an engine error before the schema commit removes the sidecar", engine_error_before_the_commit },
	   { "CLU-05 a sidecar that cannot be removed is reported", cleanup_fails_too },
	   { "CLU-04 an engine error after the schema commit keeps the sidecar", engine_error_after_the_commit },
	   { "CLU-06 sidecars left after the ledger write are retired without a write", stale_sidecars_are_retired },
	   { "CLU-07 CLU-08 CLU-09 crashes of a create", crashes_of_a_create },
	   { "CLU-51 a crash inside the engine's create", crash_inside_a_create },
	   { "CLU-03 CLU-04 crashes of a schema apply", crashes_of_a_schema_apply },
	   { "CLU-36 CLU-37 crashes of a delete", crashes_of_a_delete },
	   { "CLU-34 a crash between ledger write and cleanup", crash_before_the_cleanup },
	   { "CLU-07 a crash during recovery", nested_crashes }, )
