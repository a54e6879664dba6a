/* SPDX-License-Identifier: MIT */
#include "cluster/ledger.h"
#include "cluster/report.h"
#include "cluster/tests/fixture.h"

#define MINIMAL "{\"version\":1,\"applied_revision\":{\"resources\":{}}}"
#define HEX64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LOCK_ID "01K20000000000000000000001"
#define LOCK_TEXT                                                                              \
	"{\n  \"version\": 1,\n  \"lock_id\": \"" LOCK_ID "\",\n  \"operation\": \"apply\",\n" \
	"  \"created_at\": \"2026-03-01T09:00:00Z\",\n  \"pid\": 4711\n}"

static struct cluster_store cs;
static struct ledger ledger;
static struct diag_list diags;

static void closed(void)
{
	ledger_clear(&ledger);
	diag_free(&diags);
	cluster_store_close(&cs);
}

static void open_store(void)
{
	closed();
	CHECK(!cluster_store_open(fx.dir, false, &cs, NULL));
}

static bool read_text(const char *text)
{
	if (text)
		fx_write(STATE, text);
	open_store();
	return ledger_read(&cs, &ledger, &diags);
}

static const char *code(void)
{
	return diags.n ? diags.items[0].code : "";
}

static void finish(void)
{
	closed();
	fx_end();
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static void absent_and_minimal(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(read_text(NULL));
	CHECK(!ledger.found);
	CHECK_STR(ledger.cas, "");
	CHECK(read_text(MINIMAL));
	CHECK(ledger.found);
	CHECK_INT(ledger.revision, 0);
	CHECK(!ledger.config_digest);
	CHECK_STR(ledger.cas, arena_printf(&fx.arena, "sha256:%s", fx_digest(MINIMAL)));
	finish();
}

static void strictness(void)
{
	static const char *const bad[] = {
		"",
		"nonsense",
		"[]",
		"{\"version\":1}",
		"{\"applied_revision\":{\"resources\":{}}}",
		"{\"version\":1,\"version\":1,\"applied_revision\":{}}",
		"{\"version\":1,\"extra\":1,\"applied_revision\":{}}",
		"{\"version\":1,\"state_revision\":-1,\"applied_revision\":{}}",
		"{\"version\":1,\"applied_revision\":{\"extra\":1}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":[]}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"graph.a\":{}}}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"graph.a\":{\"digest\":\"d\",\"x\":1}}}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"policy.a\":{\"digest\":\"d\",\"applies_to\":"
		"\"b\"}}}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"provider.embedding.a\":{\"digest\":\"d\","
		"\"embedding_profile\":{\"kind\":\"mock\",\"x\":1}}}}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"graph.a\":{\"digest\":\"d\","
		"\"external_blob_policy\":{\"mode\":\"allow\",\"bases\":[],\"x\":1}}}}}",
		"{\"version\":1,\"applied_revision\":{\"resources\":{\"graph.a\":{\"digest\":\"d\","
		"\"external_blob_policy\":{\"mode\":\"allow\",\"bases\":[{\"uri\":\"s3://a/\"}]}}}}}",
		"{\"version\":1,\"applied_revision\":{},\"resource_statuses\":{\"graph.a\":{\"status\":\"fine\"}}}",
		"{\"version\":1,\"applied_revision\":{},\"resource_statuses\":{\"graph.a\":{\"status\":\"applied\","
		"\"x\":1}}}",
		"{\"version\":1,\"applied_revision\":{},\"observations\":[]}",
	};

	fx_begin(ONE_GRAPH);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_MSG(!read_text(bad[i]), "accepted %s", bad[i]);
		CHECK_STR(code(), "invalid_state_json");
		CHECK_STR(diags.items[0].path, STATE);
	}
	finish();
}

static void version_before_members(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(!read_text("{\"version\":2,\"something\":\"new\"}"));
	CHECK_STR(code(), "unsupported_state_version");
	CHECK_STR(diags.items[0].path, "state.version");
	finish();
}

static void strict_before_composites(void)
{
	fx_applied(ONE_GRAPH);
	fx_edit(STATE, "\"graph.books\": {\n        \"digest\": \"38",
		"\"graph.books\": {\n        \"x\": 1,\n        \"digest\": \"39");
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("invalid_state_json", STATE);
	CHECK(!fx_diag("external_blob_policy_digest_mismatch"));
	fx_edit(STATE, "        \"x\": 1,\n", "");
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("external_blob_policy_digest_mismatch", "graph.books");
	finish();
}

static void old_observations(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(read_text(
		"{\"version\":1,\"applied_revision\":{},\"observations\":{\"graph.a\":{\"manifest_version\":3}}}"));
	CHECK_STR(ledger.observations.items[0].json.s, "{\"graph_manifest_version\":3}");
	CHECK(read_text("{\"version\":1,\"applied_revision\":{},\"observations\":{\"graph.a\":{\"manifest_version\":3,"
			"\"graph_manifest_version\":3}}}"));
	CHECK_STR(ledger.observations.items[0].json.s, "{\"graph_manifest_version\":3}");
	CHECK(!read_text("{\"version\":1,\"applied_revision\":{},\"observations\":{\"graph.a\":{\"manifest_version\":3,"
			 "\"graph_manifest_version\":4}}}"));
	CHECK_STR(code(), "conflicting_graph_manifest_observation");
	CHECK_STR(diags.items[0].path, "state.observations.graph.a");
	finish();
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static void round_trip(void)
{
	struct strbuf out = STRBUF_INIT;
	const char *before;

	fx_applied(LIBRARY);
	before = fx_read(STATE);
	CHECK(read_text(NULL));
	ledger_write_json(&ledger, &out);
	CHECK_STR(out.s, before);
	CHECK(str_starts(sb_str(&out),
			 STR("{\n  \"version\": 1,\n  \"state_revision\": 2,\n  \"applied_revision\": {\n")));
	CHECK_STR(out.s + out.n - 4, "}\n}\n");
	sb_free(&out);
	finish();
}

static void entries_as_specified(void)
{
	const struct json *r;

	fx_applied(LIBRARY);
	r = in(fx_ledger(), "applied_revision", "resources");
	CHECK_STR(fx_text(in(r, "graph.books", "embedding_provider")), "provider.embedding.local");
	CHECK_STR(fx_text(in(r, "policy.readers", "applies_to")), "[\"graph.books\"]");
	CHECK_STR(fx_text(in(r, "provider.embedding.local", "embedding_profile")),
		  "{\"kind\":\"mock\",\"model\":\"shelf-v1\"}");
	CHECK_INT(in(r, "query.books.by_title")->n, 1);
	CHECK_INT(in(r, "schema.books")->n, 1);
	CHECK_STR(fx_text(in(fx_ledger(), "resource_statuses", "schema.books")), "{\"status\":\"applied\"}");
	finish();
}

static void publish_creates_then_replaces(void)
{
	char cas[8 + SHA256_HEX_LEN];

	fx_begin(ONE_GRAPH);
	CHECK(read_text(NULL));
	CHECK(ledger_publish(&cs, &ledger, "", &diags));
	CHECK_STR(ledger.cas, arena_printf(&fx.arena, "sha256:%s", fx_digest(fx_read(STATE))));
	strcpy(cas, ledger.cas);
	ledger.revision = 7;
	CHECK(ledger_publish(&cs, &ledger, cas, &diags));
	CHECK(strcmp(cas, ledger.cas) != 0);
	CHECK_STR(fx_text(in(fx_ledger(), "state_revision")), "7");
	finish();
}

static void publish_loses(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(read_text(MINIMAL));
	fx_write(STATE, MINIMAL " ");
	CHECK(!ledger_publish(&cs, &ledger, ledger.cas, &diags));
	CHECK_STR(code(), "state_cas_mismatch");
	CHECK_STR(fx_read(STATE), MINIMAL " ");
	CHECK(!ledger_publish(&cs, &ledger, "", &diags)); /* somebody created one meanwhile */
	CHECK_STR(diags.items[1].code, "state_cas_mismatch");
	fx_remove(STATE);
	CHECK(!ledger_publish(&cs, &ledger, ledger.cas, &diags));
	CHECK(!fx_exists(STATE));
	finish();
}

static void cas_is_reported(void)
{
	fx_applied(LIBRARY);
	CHECK_STR(text_at("state_observations", "state_cas"),
		  arena_printf(&fx.arena, "sha256:%s", fx_digest(fx_read(STATE))));
	CHECK_STR(text_at("state_observations", "state_revision"), "2");
	CHECK_STR(text_at("state_observations", "resource_count"), "5");
	fx_ok(CLUSTER_STATUS);
	CHECK_STR(text_at("state_observations", "state_cas"),
		  arena_printf(&fx.arena, "sha256:%s", fx_digest(fx_read(STATE))));
	CHECK_STR(text_at("state_observations", "applied_config_digest"),
		  fx_text(in(fx_ledger(), "applied_revision", "config_digest")));
	finish();
}

static void maps_stay_sorted(void)
{
	fx_begin(ONE_GRAPH);
	CHECK(read_text("{\"version\":1,\"applied_revision\":{\"resources\":{\"schema.b\":{\"digest\":\"2\"},"
			"\"graph.b\":{\"digest\":\"1\"}}}}"));
	CHECK_STR(ledger.resources[0].address, "graph.b");
	ledger_put(&ledger, "policy.x")->digest = "3";
	ledger_status_set(&ledger, "graph.z", "applied", NULL, NULL);
	ledger_status_set(&ledger, "graph.a", "error", "graph_missing", "gone");
	CHECK_STR(ledger.resources[1].address, "policy.x");
	CHECK_STR(ledger.statuses[0].address, "graph.a");
	ledger_remove(&ledger, "graph.b");
	CHECK_STR(ledger.resources[0].address, "policy.x");
	CHECK(!ledger_find(&ledger, "graph.b"));
	finish();
}

/* --- the lock ---------------------------------------------------------------------------------------------- */

static void lock_is_held(void)
{
	fx_begin(ONE_GRAPH);
	fx_write(LOCK, LOCK_TEXT);
	fx_run(CLUSTER_IMPORT);
	CHECK(!fx.report.ok);
	CHECK_ERROR("state_lock_held", LOCK);
	CHECK_STR(diag_message("state_lock_held"), "cluster state lock already exists (lock id " LOCK_ID
						   "); run `omnigraph cluster force-unlock " LOCK_ID
						   "` only after confirming no cluster operation is active");
	CHECK_STR(text_at("state_observations", "locked"), "true");
	CHECK_STR(text_at("state_observations", "lock_acquired"), "false");
	CHECK_STR(text_at("state_observations", "lock_id"), LOCK_ID);
	CHECK_STR(text_at("state_observations", "lock_operation"), "apply");
	CHECK_STR(text_at("state_observations", "lock_pid"), "4711");
	CHECK(at("state_observations", "lock_age_seconds"));
	CHECK_STR(fx_read(LOCK), LOCK_TEXT);
	CHECK(!fx_exists(STATE));
	finish();
}

static void one_of_two_takes_the_lock(void)
{
	struct cluster_args args = { .config_dir = fx.dir };
	struct command first = { .args = &args, .out = &fx.report }, second = first;
	const char *id;

	fx_begin(ONE_GRAPH);
	command_begin(&first, true, false);
	command_begin(&second, true, false);
	CHECK(lock_acquire(&first, "apply"));
	CHECK(!lock_acquire(&second, "plan"));
	id = first.obs.acquired_id;
	CHECK_STR(second.obs.lock.id, id);
	CHECK(str_starts(str_from(fx_read(LOCK)),
			 str_from(arena_printf(&fx.arena,
					       "{\n  \"version\": 1,\n  \"lock_id\": \"%s\",\n"
					       "  \"operation\": \"apply\",\n  \"created_at\": \"",
					       id))));
	CHECK(str_ends(str_from(fx_read(LOCK)), str_from(arena_printf(&fx.arena, "Z\",\n  \"pid\": %d\n}", getpid()))));
	command_end(&second);
	CHECK(fx_exists(LOCK));
	command_end(&first);
	CHECK(!fx_exists(LOCK));
	finish();
}

static void a_stranger_s_lock_is_not_released(void)
{
	struct cluster_args args = { .config_dir = fx.dir };
	struct command cmd = { .args = &args, .out = &fx.report };

	fx_begin(ONE_GRAPH);
	command_begin(&cmd, true, false);
	CHECK(lock_acquire(&cmd, "apply"));
	fx_write(LOCK, LOCK_TEXT); /* forced away, then taken by another */
	command_end(&cmd);
	CHECK_STR(fx_read(LOCK), LOCK_TEXT);
	finish();
}

static void lock_is_returned(void)
{
	static const enum cluster_command cmds[] = { CLUSTER_PLAN, CLUSTER_APPLY, CLUSTER_REFRESH };

	fx_applied(ONE_GRAPH);
	CHECK(!fx_exists(LOCK));
	for (size_t i = 0; i < 3; i++) {
		fx_run(cmds[i]);
		CHECK_STR(text_at("state_observations", "lock_acquired"), "true");
		CHECK_STR(text_at("state_observations", "locked"), "false");
		CHECK_INT(at("state_observations", "acquired_lock_id")->text.n, 26);
		CHECK(!fx_exists(LOCK));
	}
	finish();
}

static void lock_released_after_failures(void)
{
	fx_begin(ONE_GRAPH);
	fx_run(CLUSTER_APPLY);
	CHECK_ERROR("state_missing", STATE);
	CHECK_STR(text_at("state_observations", "lock_acquired"), "true");
	CHECK(!fx_exists(LOCK));
	fx_write(STATE, "nonsense");
	fx_run(CLUSTER_PLAN);
	CHECK(!fx.report.ok && !fx_exists(LOCK));
	fx_run(CLUSTER_REFRESH);
	CHECK(!fx.report.ok && !fx_exists(LOCK));
	fx_approve("graph.books");
	CHECK(!fx.report.ok && !fx_exists(LOCK));
	finish();
}

static void bad_lock_refused(const char *text, const char *error)
{
	fx_write(LOCK, text);
	fx_unlock(LOCK_ID);
	CHECK(!fx.report.ok);
	CHECK_ERROR(error, LOCK);
	CHECK_STR(text_at("lock_removed"), "false");
	CHECK_STR(fx_read(LOCK), text);
	fx_ok(CLUSTER_STATUS);
	CHECK_WARNING(error, LOCK);
	fx_run(CLUSTER_PLAN);
	CHECK_ERROR("state_lock_held", LOCK);
	CHECK(!strstr(diag_message("state_lock_held"), "lock id"));
	CHECK_STR(fx_read(LOCK), text);
}

static void bad_locks(void)
{
	fx_applied(ONE_GRAPH);
	bad_lock_refused("{", "invalid_state_lock");
	bad_lock_refused("[]", "invalid_state_lock");
	bad_lock_refused("{\"version\":1,\"lock_id\":\"" LOCK_ID "\",\"operation\":\"apply\","
			 "\"created_at\":\"2026-03-01T09:00:00Z\"}",
			 "invalid_state_lock");
	bad_lock_refused("{\"version\":1,\"lock_id\":\"" LOCK_ID "\",\"operation\":\"apply\","
			 "\"created_at\":\"2026-03-01T09:00:00Z\",\"pid\":1,\"host\":\"x\"}",
			 "invalid_state_lock");
	bad_lock_refused("{\"version\":1,\"lock_id\":\"" LOCK_ID "\",\"operation\":\"dance\","
			 "\"created_at\":\"2026-03-01T09:00:00Z\",\"pid\":1}",
			 "invalid_state_lock");
	bad_lock_refused("{\"version\":2,\"lock_id\":\"" LOCK_ID "\",\"future\":true}",
			 "unsupported_state_lock_version");
	finish();
}

static void force_unlock(void)
{
	fx_begin(ONE_GRAPH);
	fx_unlock(LOCK_ID);
	CHECK_ERROR("state_lock_missing", LOCK);
	fx_write(LOCK, LOCK_TEXT);
	fx_unlock("01K20000000000000000000009");
	CHECK_ERROR("state_lock_id_mismatch", LOCK);
	CHECK_HAS(diag_message("state_lock_id_mismatch"), LOCK_ID);
	CHECK_STR(text_at("state_observations", "locked"), "true");
	CHECK_STR(fx_read(LOCK), LOCK_TEXT);
	CHECK_HAS(fx.report.text.s,
		  "cluster force-unlock failed\n  lock: held (id=" LOCK_ID ", operation=apply, pid=4711, ");
	fx_unlock(LOCK_ID);
	CHECK(fx.report.ok && !fx_exists(LOCK));
	CHECK_STR(text_at("lock_removed"), "true");
	CHECK_STR(text_at("state_observations", "locked"), "false");
	CHECK_STR(text_at("state_observations", "lock_id"), LOCK_ID);
	CHECK_HAS(fx.report.text.s, "cluster force-unlock: removed lock (id=" LOCK_ID ", ");
	finish();
}

static void lock_disabled(void)
{
	fx_begin("version: 1\nstate: { lock: false }\ngraphs: { books: { schema: books.pg } }\n");
	fx_write(LOCK, LOCK_TEXT);
	fx_ok(CLUSTER_IMPORT);
	CHECK_WARNING("state_lock_disabled", "state.lock");
	CHECK_INT(fx_count_diags("state_lock_disabled"), 1);
	CHECK_STR(text_at("state_observations", "lock_acquired"), "false");
	fx_ok(CLUSTER_APPLY);
	CHECK_INT(fx_count_diags("state_lock_disabled"), 1);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(fx_count_diags("state_lock_disabled"), 1);
	fx_ok(CLUSTER_VALIDATE);
	CHECK(!fx_diag("state_lock_disabled"));
	CHECK_STR(fx_read(LOCK), LOCK_TEXT);
	finish();
}

CHECK_MAIN("cluster/ledger", { "CLU-11 no ledger, and the smallest one, with its cas", absent_and_minimal },
	   { "CLU-40 unknown, missing, doubled and misshapen members are refused", strictness },
	   { "CLU-40 the version is checked before the members", version_before_members },
	   { "CLU-40 strictness comes before the composite check", strict_before_composites },
	   { "CLU-40 observations of older ledgers get the new member name", old_observations },
	   { "CLU-58 a ledger is written as it was read, byte for byte", round_trip },
	   { "CLU-58 entries hold what their kind needs and no more", entries_as_specified },
	   { "CLU-58 maps stay ascending through insertions and removals", maps_stay_sorted },
	   { "CLU-11 publishing creates, then replaces, and reports the new cas", publish_creates_then_replaces },
	   { "CLU-10 publishing over a changed, new or vanished ledger is refused", publish_loses },
	   { "CLU-11 reports carry the cas of the bytes on disk", cas_is_reported },
	   { "CLU-13 a held lock stops a command and names its holder", lock_is_held },
	   { "CLU-13 CLU-15 one of two takes the lock and writes its five members", one_of_two_takes_the_lock },
	   { "CLU-16 a command leaves a lock that is no longer its own", a_stranger_s_lock_is_not_released },
	   { "CLU-14 every command gives its lock back and reports its id", lock_is_returned },
	   { "CLU-14 a command that fails gives its lock back", lock_released_after_failures },
	   { "CLU-15 CLU-17 locks with other members, operations or versions are refused and kept", bad_locks },
	   { "CLU-16 CLU-17 force-unlock removes only the lock it was told", force_unlock },
	   { "CLU-66 without locking each command warns once and leaves a lock alone", lock_disabled }, )
