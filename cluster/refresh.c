/* SPDX-License-Identifier: MIT */
/* refresh and import: bring the ledger in line with what is really there (spec/cluster.md 13.2). */
#include "cluster/commands.h"
#include "cluster/observe.h"
#include "cluster/sweep.h"

static void set_digest(struct ledger *l, const char *address, const char *digest)
{
	ledger_put(l, address)->digest = arena_strdup(&l->arena, digest);
}

static void verify_payload(struct command *cmd, const char *address, const char *digest)
{
	const char *detail;
	struct str content;

	switch (payload_read(&cmd->cs, &cmd->arena, address, digest, &content, &detail)) {
	case PAYLOAD_OK:
		break;
	case PAYLOAD_MISSING:
		diag_add(&cmd->diags, DIAG_WARNING, "catalog_payload_missing", address,
			 "the catalog has no payload %s; the next apply publishes it again", digest);
		ledger_remove(&cmd->ledger, address);
		ledger_status_set(&cmd->ledger, address, "drifted", "payload_missing",
				  "the catalog payload is missing");
		break;
	case PAYLOAD_MISMATCH:
		diag_add(&cmd->diags, DIAG_WARNING, "catalog_payload_mismatch", address,
			 "the catalog payload hashes to %s; the next apply publishes it again", detail);
		ledger_remove(&cmd->ledger, address);
		ledger_status_set(&cmd->ledger, address, "drifted", "payload_mismatch",
				  "the catalog payload was altered");
		break;
	case PAYLOAD_READ_ERROR:
		diag_add(&cmd->diags, DIAG_ERROR, "catalog_payload_read_error", address, "%s", detail);
		ledger_status_set(&cmd->ledger, address, "error", "payload_read_error", detail);
		break;
	}
}

static void verify_catalog(struct command *cmd)
{
	for (size_t i = cmd->ledger.n_resources; i-- > 0;) {
		const struct ledger_resource *r = &cmd->ledger.resources[i];
		enum resource_kind kind = resource_kind_of(r->address);

		if (kind == RES_QUERY || kind == RES_POLICY)
			verify_payload(cmd, r->address, r->digest);
	}
}

static void observation_record(struct command *cmd, const char *address, const char *root,
			       const struct resource *schema, const struct graph_observation *o)
{
	bool opens = o->presence == GRAPH_OPENS;
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "kind", "graph");
	jw_kstrz(&w, "address", address);
	jw_kstrz(&w, "graph_uri", root);
	jw_kstrz(&w, "observed_at", now_text(&cmd->arena));
	jw_kbool(&w, "exists", o->presence != GRAPH_ABSENT);
	if (opens)
		jw_ku64(&w, "graph_manifest_version", o->version);
	else
		jw_knull(&w, "graph_manifest_version");
	jw_kstrz(&w, "schema_digest", opens ? o->live_digest : NULL);
	jw_kstrz(&w, "desired_schema_digest", schema ? schema->digest : "");
	if (o->presence == GRAPH_BROKEN)
		jw_knull(&w, "schema_matches_desired");
	else
		jw_kbool(&w, "schema_matches_desired", opens && schema && !strcmp(o->live_digest, schema->digest));
	jw_kstrz(&w, "error", opens ? NULL : o->presence == GRAPH_ABSENT ? "derived graph root is missing" : o->error);
	jw_end_object(&w);
	record_put(&cmd->ledger, &cmd->ledger.observations, address, sb_str(&b));
	sb_free(&b);
}

static void recompose(struct command *cmd, const char *graph, const char *address)
{
	struct ledger_resource *r = ledger_put(&cmd->ledger, address);
	char digest[SHA256_HEX_LEN + 1];

	ledger_composite(&cmd->ledger, graph, r->provider, r->blob_policy, digest);
	r->digest = arena_strdup(&cmd->ledger.arena, digest);
}

/* Returns 1 when the observation failed. */
static size_t observe_graph(struct command *cmd, const char *graph)
{
	const char *ga = arena_printf(&cmd->arena, "graph.%s", graph),
		   *sa = arena_printf(&cmd->arena, "schema.%s", graph);
	const char *root = graph_root(&cmd->cs, &cmd->arena, graph), *status = "applied", *condition = NULL,
		   *message = NULL;
	const struct resource *schema = desired_find(&cmd->desired, sa);
	struct graph_observation o;

	graph_observe(&cmd->cs, &cmd->arena, root, &o);
	switch (o.presence) {
	case GRAPH_ABSENT:
		ledger_remove(&cmd->ledger, ga);
		ledger_remove(&cmd->ledger, sa);
		status = "drifted";
		condition = "graph_missing";
		message = "derived graph root is missing";
		break;
	case GRAPH_OPENS:
		set_digest(&cmd->ledger, sa, o.live_digest);
		recompose(cmd, graph, ga);
		if (!schema || strcmp(o.live_digest, schema->digest)) {
			status = "drifted";
			condition = "schema_mismatch";
			message = "the live schema is not the declared one; run `omnigraph cluster plan`";
		}
		break;
	case GRAPH_BROKEN:
		status = "error";
		condition = "graph_observation_error";
		message = o.error;
		break;
	}
	ledger_status_set(&cmd->ledger, ga, status, condition, message);
	ledger_status_set(&cmd->ledger, sa, status, condition, message);
	observation_record(cmd, ga, root, schema, &o);
	return o.presence == GRAPH_BROKEN;
}

/* Composites of graphs whose queries the catalog check dropped, observed or not. */
static void recompose_known(struct command *cmd)
{
	for (size_t i = 0; i < cmd->ledger.n_resources; i++) {
		const char *address = cmd->ledger.resources[i].address;

		if (resource_kind_of(address) == RES_GRAPH)
			recompose(cmd, address + 6, address);
	}
}

static bool admissible(struct command *cmd, bool import)
{
	if (import && cmd->ledger.found) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_already_exists", KEY_STATE,
			 "this cluster already has a ledger; use `omnigraph cluster refresh`");
		return false;
	}
	if (!import && !cmd->ledger.found) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_missing", KEY_STATE,
			 "there is no ledger in this cluster yet; run `omnigraph cluster import` first");
		return false;
	}
	return ledger_check_composites(&cmd->ledger, &cmd->diags);
}

/* Returns true when the ledger was read, so that the report can show it. */
static bool run(struct command *cmd, bool import)
{
	struct sweep sw = { 0 };
	size_t failed = 0;

	if (!lock_acquire(cmd, import ? "import" : "refresh") || !command_read_ledger(cmd))
		return false;
	if (!admissible(cmd, import))
		return true;
	if (import)
		cmd->ledger.config_digest = cmd->desired.config_digest;
	sweep_run(cmd, &sw);
	verify_catalog(cmd);
	recompose_known(cmd);
	for (size_t i = 0; i < cmd->desired.cfg.n_graphs; i++)
		failed += observe_graph(cmd, cmd->desired.cfg.graphs[i].id);
	if (failed)
		diag_add(&cmd->diags, DIAG_ERROR, "graph_observation_error", "graphs",
			 "%zu graph observation(s) failed", failed);
	if (!import || !command_failed(cmd)) {
		cmd->ledger.revision = import ? 1 : cmd->ledger.revision + 1;
		if (ledger_publish(&cmd->cs, &cmd->ledger, cmd->expected_cas, &cmd->diags)) {
			command_observe_ledger(cmd);
			sweep_finish(cmd, &sw);
		}
	}
	sweep_clear(&sw);
	return true;
}

static void text(struct command *cmd, bool import)
{
	struct strbuf *t = &cmd->out->text;
	const char *op = import ? "import" : "refresh";

	if (command_failed(cmd)) {
		sb_addf(t, "cluster %s failed\n", op);
	} else {
		sb_addf(t, "cluster %s: revision %llu, %zu resource(s)\n", op, (unsigned long long)cmd->obs.revision,
			cmd->obs.resource_count);
		sb_addf(t, "  state_cas: %s\n", cmd->obs.cas);
		sb_addz(t, "  lock: not acquired\n");
	}
	report_text_end(cmd);
}

void command_refresh(struct command *cmd, bool import)
{
	struct json_writer w;
	bool read = false;

	command_begin(cmd, false, false);
	if (!command_failed(cmd))
		read = run(cmd, import);
	report_begin(cmd, &w);
	jw_kstrz(&w, "operation", import ? "import" : "refresh");
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	report_observations(cmd, &w);
	jw_keyz(&w, "resource_digests");
	if (read)
		ledger_digests_json(&cmd->ledger, &w);
	else
		report_desired_digests(cmd, &w);
	jw_keyz(&w, "resource_statuses");
	ledger_statuses_json(&cmd->ledger, &w);
	jw_keyz(&w, "observations");
	record_map_json(&cmd->ledger.observations, &w);
	report_end(cmd, &w);
	text(cmd, import);
	command_end(cmd);
}
