/* SPDX-License-Identifier: MIT */
#include "cluster/sweep.h"

#include "cluster/approval.h"
#include "cluster/observe.h"

static void retire(struct sweep *sw, const struct sidecar *s)
{
	MEM_GROW(sw->retired, sw->n_retired, sw->cap_retired);
	sw->retired[sw->n_retired++] = *s;
}

static void keep(struct sweep *sw, const struct sidecar *s)
{
	map_put(&sw->pending, str_from(s->graph_id), (void *)s->graph_id);
}

static void both_statuses(struct command *cmd, const char *graph, const char *status, const char *condition,
			  const char *message)
{
	ledger_status_set(&cmd->ledger, arena_printf(&cmd->arena, "graph.%s", graph), status, condition, message);
	ledger_status_set(&cmd->ledger, arena_printf(&cmd->arena, "schema.%s", graph), status, condition, message);
}

static const char *graph_address(struct command *cmd, const struct sidecar *s)
{
	return arena_printf(&cmd->arena, "graph.%s", s->graph_id);
}

static void add_recovery_record(struct command *cmd, const struct sidecar *s)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "kind", sidecar_kind_word(s->kind));
	jw_kstrz(&w, "graph_id", s->graph_id);
	jw_kstrz(&w, "outcome", "rolled_forward");
	jw_kstrz(&w, "recovered_at", now_text(&cmd->arena));
	jw_kstrz(&w, "actor", s->actor);
	jw_end_object(&w);
	record_put(&cmd->ledger, &cmd->ledger.recoveries, s->operation_id, sb_str(&b));
	sb_free(&b);
}

static void say_rolled_forward(struct command *cmd, const struct sidecar *s)
{
	diag_add(&cmd->diags, DIAG_WARNING, "cluster_recovery_rolled_forward", graph_address(cmd, s),
		 "an unfinished %s (operation %s) had taken effect; the ledger now records it",
		 sidecar_kind_word(s->kind), s->operation_id);
}

static void roll_forward(struct command *cmd, struct sweep *sw, const struct sidecar *s, const char *live)
{
	const char *address = graph_address(cmd, s);
	char digest[SHA256_HEX_LEN + 1];
	struct ledger_resource *r;

	r = ledger_put(&cmd->ledger, arena_printf(&cmd->arena, "schema.%s", s->graph_id));
	r->digest = arena_strdup(&cmd->ledger.arena, live);
	r = ledger_put(&cmd->ledger, address);
	ledger_composite(&cmd->ledger, s->graph_id, r->provider, r->blob_policy, digest);
	r->digest = arena_strdup(&cmd->ledger.arena, digest);
	both_statuses(cmd, s->graph_id, "applied", NULL, NULL);
	add_recovery_record(cmd, s);
	say_rolled_forward(cmd, s);
	retire(sw, s);
}

static void stay_pending(struct command *cmd, struct sweep *sw, const struct sidecar *s, const char *why)
{
	diag_add(&cmd->diags, DIAG_WARNING, "cluster_recovery_pending", graph_address(cmd, s),
		 "%s of graph '%s' (operation %s) is unresolved: %s; run `omnigraph cluster refresh` and plan again",
		 sidecar_kind_word(s->kind), s->graph_id, s->operation_id, why);
	keep(sw, s);
}

static void drifted(struct command *cmd, struct sweep *sw, const struct sidecar *s)
{
	both_statuses(
		cmd, s->graph_id, "drifted", "actual_applied_state_pending",
		"the live schema is neither the recorded nor the intended one; run `omnigraph cluster refresh` and "
		"plan again");
	stay_pending(cmd, sw, s, "the live schema is neither the recorded nor the intended one");
}

static const char *recorded_schema(struct command *cmd, const struct sidecar *s)
{
	return ledger_digest(&cmd->ledger, arena_printf(&cmd->arena, "schema.%s", s->graph_id));
}

static void by_live_schema(struct command *cmd, struct sweep *sw, const struct sidecar *s, const char *live)
{
	const char *recorded = recorded_schema(cmd, s);

	if (recorded && !strcmp(live, recorded))
		retire(sw, s);
	else if (!strcmp(live, s->desired_schema_digest))
		roll_forward(cmd, sw, s, live);
	else
		drifted(cmd, sw, s);
}

static void sweep_create(struct command *cmd, struct sweep *sw, const struct sidecar *s)
{
	struct graph_observation o;

	graph_observe(&cmd->cs, &cmd->arena, s->graph_uri, &o);
	if (o.presence == GRAPH_ABSENT) {
		retire(sw, s);
	} else if (o.presence == GRAPH_OPENS) {
		by_live_schema(cmd, sw, s, o.live_digest);
	} else {
		both_statuses(cmd, s->graph_id, "error", "graph_create_incomplete", o.error);
		diag_add(&cmd->diags, DIAG_ERROR, "graph_create_incomplete", graph_address(cmd, s),
			 "the root '%s' was created only in part (%s); remove it and run `omnigraph cluster apply` "
			 "again",
			 s->graph_uri, o.error);
		keep(sw, s);
	}
}

static void sweep_schema(struct command *cmd, struct sweep *sw, const struct sidecar *s)
{
	struct graph_observation o;

	graph_observe(&cmd->cs, &cmd->arena, s->graph_uri, &o);
	if (o.presence == GRAPH_OPENS)
		by_live_schema(cmd, sw, s, o.live_digest);
	else
		stay_pending(cmd, sw, s, o.presence == GRAPH_ABSENT ? "the graph root is absent" : o.error);
}

static void sweep_delete(struct command *cmd, struct sweep *sw, const struct sidecar *s)
{
	if (graph_root_exists(&cmd->cs, s->graph_uri)) {
		diag_add(&cmd->diags, DIAG_WARNING, "graph_delete_incomplete", graph_address(cmd, s),
			 "an earlier delete of graph '%s' did not finish; it is proposed again", s->graph_id);
	} else if (ledger_find(&cmd->ledger, graph_address(cmd, s))) {
		ledger_tombstone(cmd, s->graph_id, s->approval_id, s->actor, s->operation_id);
		add_recovery_record(cmd, s);
		say_rolled_forward(cmd, s);
	}
	retire(sw, s);
}

void sweep_run(struct command *cmd, struct sweep *sw)
{
	struct sidecar *s;
	size_t n = sidecar_list(&cmd->cs, &cmd->arena, DIAG_WARNING, &cmd->diags, &s);

	for (size_t i = 0; i < n; i++) {
		switch (s[i].kind) {
		case SIDECAR_GRAPH_CREATE:
			sweep_create(cmd, sw, &s[i]);
			break;
		case SIDECAR_SCHEMA_APPLY:
			sweep_schema(cmd, sw, &s[i]);
			break;
		case SIDECAR_GRAPH_DELETE:
			sweep_delete(cmd, sw, &s[i]);
			break;
		}
	}
}

void sweep_finish(struct command *cmd, struct sweep *sw)
{
	for (size_t i = 0; i < sw->n_retired; i++) {
		const struct sidecar *s = &sw->retired[i];

		try_delete_object(&cmd->cs, &cmd->arena, s->location);
		if (s->kind == SIDECAR_GRAPH_DELETE && s->approval_id &&
		    record_find(&cmd->ledger.approvals, s->approval_id))
			approval_mark_consumed(cmd, s->approval_id);
	}
}

void sweep_clear(struct sweep *sw)
{
	map_free(&sw->pending);
	free(sw->retired);
	*sw = (struct sweep){ 0 };
}

/* --- tombstones and approvals -------------------------------------------------------------------------- */

static void remove_subtree(struct ledger *l, const char *graph, struct arena *a)
{
	const char *prefix = arena_printf(a, "query.%s.", graph);
	size_t n = strlen(prefix);

	for (size_t i = l->n_resources; i-- > 0;)
		if (!strncmp(l->resources[i].address, prefix, n))
			ledger_remove(l, l->resources[i].address);
	for (size_t i = l->n_statuses; i-- > 0;)
		if (!strncmp(l->statuses[i].address, prefix, n))
			ledger_status_remove(l, l->statuses[i].address);
	for (int k = 0; k < 2; k++) {
		const char *address = arena_printf(a, "%s.%s", k ? "schema" : "graph", graph);

		ledger_remove(l, address);
		ledger_status_remove(l, address);
	}
}

void ledger_tombstone(struct command *cmd, const char *graph, const char *approval_id, const char *actor,
		      const char *consumed_by)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	remove_subtree(&cmd->ledger, graph, &cmd->arena);
	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "kind", "tombstone");
	jw_kstrz(&w, "deleted_at", now_text(&cmd->arena));
	jw_kstrz(&w, "approval_id", approval_id);
	jw_kstrz(&w, "actor", actor);
	jw_end_object(&w);
	record_put(&cmd->ledger, &cmd->ledger.observations, arena_printf(&cmd->arena, "graph.%s", graph), sb_str(&b));
	if (approval_id) {
		sb_reset(&b);
		jw_init(&w, &b, false);
		jw_begin_object(&w);
		jw_kstrz(&w, "consumed_at", now_text(&cmd->arena));
		jw_kstrz(&w, "consumed_by_operation", consumed_by);
		jw_end_object(&w);
		record_put(&cmd->ledger, &cmd->ledger.approvals, approval_id, sb_str(&b));
	}
	sb_free(&b);
}

void approval_mark_consumed(struct command *cmd, const char *approval_id)
{
	struct diag_list scratch = DIAG_LIST_INIT;
	struct approval *aps;
	size_t n = approval_list(&cmd->cs, &cmd->arena, &scratch, &aps);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(aps[i].approval_id, approval_id) && !aps[i].consumed_at) {
			aps[i].consumed_at = now_text(&cmd->arena);
			approval_write(&cmd->cs, &cmd->arena, &aps[i], &scratch);
		}
	diag_free(&scratch);
}
