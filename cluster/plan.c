/* SPDX-License-Identifier: MIT */
/* The commands that move nothing: validate, plan, status, approve. */
#include <omnigraph/graph.h>
#include <omnigraph/limits.h>

#include "cluster/approval.h"
#include "cluster/commands.h"
#include "cluster/diff.h"

#define APPROVAL_REASON "delete may remove deployed graph or schema definition"

/* --- validate ------------------------------------------------------------------------------------------ */

static void warn_default_deny(struct command *cmd)
{
	for (size_t i = 0; i < cmd->desired.n; i++) {
		const struct resource *r = &cmd->desired.resources[i];

		if (r->kind == RES_GRAPH && !r->blob_policy)
			diag_add(&cmd->diags, DIAG_WARNING, "external_blob_ingress_default_deny",
				 arena_printf(&cmd->arena, "graphs.%s.external_blobs", r->graph),
				 "graph '%s' accepts no new external blob URIs; declare external_blobs.allow to change "
				 "that",
				 r->graph);
	}
}

void command_validate(struct command *cmd)
{
	struct json_writer w;

	desired_load(cmd->args->config_dir, &cmd->desired, &cmd->diags);
	if (!command_failed(cmd))
		warn_default_deny(cmd);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	jw_kstrz(&w, "config_file", cmd->desired.cfg.file);
	jw_keyz(&w, "resource_digests");
	report_desired_digests(cmd, &w);
	jw_keyz(&w, "resources");
	jw_begin_array(&w);
	for (size_t i = 0; i < cmd->desired.n; i++) {
		const struct resource *r = &cmd->desired.resources[i];

		jw_begin_object(&w);
		jw_kstrz(&w, "address", r->address);
		jw_kstrz(&w, "kind", resource_kind_word(r->kind));
		jw_kstrz(&w, "digest", r->digest);
		if (r->path)
			jw_kstrz(&w, "path", r->path);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	report_dependencies(cmd, &w);
	report_end(cmd, &w);
	if (command_failed(cmd))
		sb_addz(&cmd->out->text, "cluster config invalid\n");
	else
		sb_addf(&cmd->out->text, "cluster config valid: %zu resource(s), %zu dependency edge(s)\n",
			cmd->desired.n, cmd->desired.n_deps);
	report_text_end(cmd);
	command_end(cmd);
}

/* --- plan ---------------------------------------------------------------------------------------------- */

static void warn_sidecars(struct command *cmd)
{
	struct sidecar *s;
	size_t n = sidecar_list(&cmd->cs, &cmd->arena, DIAG_WARNING, &cmd->diags, &s);

	for (size_t i = 0; i < n; i++)
		diag_add(&cmd->diags, DIAG_WARNING, "cluster_recovery_pending", s[i].location,
			 "%s of graph '%s' did not finish; the next `omnigraph cluster apply` sweeps it",
			 sidecar_kind_word(s[i].kind), s[i].graph_id);
}

/* Migration preview of one schema update, on the live graph (8.3 step 8). */
static void preview(struct command *cmd, struct change *ch)
{
	const char *graph = ch->resource + 7, *root = graph_root(&cmd->cs, &cmd->arena, graph);
	const struct resource *want = desired_find(&cmd->desired, ch->resource);
	struct graph_open_opts opts = { .read_only = true };
	struct strbuf src = STRBUF_INIT, plan = STRBUF_INIT;
	struct graph *g = NULL;
	struct err e = ERR_INIT;
	int rc = file_read(want->path, LIMIT_SCHEMA_BYTES, &src, &e);

	if (!rc)
		rc = graph_open(root, &opts, &g, &e);
	if (!rc)
		rc = graph_schema_preview(g, sb_str(&src), &plan, &e);
	if (!rc)
		ch->migration = arena_str(&cmd->arena, sb_str(&plan));
	else
		diag_add(&cmd->diags, DIAG_WARNING, "schema_preview_unavailable", ch->resource,
			 "could not preview the schema migration: %s", err_msg(&e));
	graph_close(g);
	sb_free(&src);
	sb_free(&plan);
	err_clear(&e);
}

static void compute_plan(struct command *cmd, struct change_list *c)
{
	struct map none = MAP_INIT;
	struct approval *aps;
	bool locked;
	size_t n;

	locked = lock_acquire(cmd, "plan");
	warn_sidecars(cmd);
	if (!locked || !command_read_ledger(cmd))
		return;
	diff_compute(cmd, cmd->ledger.found, c);
	n = approval_list(&cmd->cs, &cmd->arena, &cmd->diags, &aps);
	approvals_warn_stale(cmd, aps, n, c);
	diff_classify(cmd, c, &none, aps, n);
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].op == CHANGE_UPDATE && resource_kind_of(c->items[i].resource) == RES_SCHEMA)
			preview(cmd, &c->items[i]);
}

static void blast_radius_json(const struct command *cmd, const struct change_list *c, struct json_writer *w)
{
	jw_keyz(w, "blast_radius");
	jw_begin_array(w);
	for (size_t i = 0; i < c->n; i++) {
		bool open = false;

		for (size_t k = 0; k < cmd->desired.n_deps; k++) {
			if (strcmp(cmd->desired.deps[k].to, c->items[i].resource))
				continue;
			if (!open) {
				jw_begin_object(w);
				jw_kstrz(w, "resource", c->items[i].resource);
				jw_keyz(w, "affected");
				jw_begin_array(w);
				open = true;
			}
			jw_strz(w, cmd->desired.deps[k].from);
		}
		if (open) {
			jw_end_array(w);
			jw_end_object(w);
		}
	}
	jw_end_array(w);
}

static size_t approvals_json(struct command *cmd, const struct change_list *c, struct json_writer *w)
{
	struct diag_list scratch = DIAG_LIST_INIT;
	struct approval *aps;
	size_t n = 0, gates = 0;

	if (cmd->cs.s && cmd->ledger.found)
		n = approval_list(&cmd->cs, &cmd->arena, &scratch, &aps);
	jw_keyz(w, "approvals_required");
	jw_begin_array(w);
	for (size_t i = 0; i < c->n; i++) {
		if (!change_is_gated(c, &c->items[i]))
			continue;
		gates++;
		jw_begin_object(w);
		jw_kstrz(w, "resource", c->items[i].resource);
		jw_kstrz(w, "reason", APPROVAL_REASON);
		jw_kbool(w, "satisfied", n && approval_for(cmd, aps, n, &c->items[i]));
		jw_end_object(w);
	}
	jw_end_array(w);
	diag_free(&scratch);
	return gates;
}

static void change_lines(const struct change_list *c, struct strbuf *t)
{
	struct arena a = ARENA_INIT;
	struct json *v;

	for (size_t i = 0; i < c->n; i++) {
		const struct change *ch = &c->items[i];
		const struct json *steps;

		sb_addf(t, "  %s %s%s\n", change_op_title(ch->op), ch->resource,
			ch->binding_change ? " [bindings]" : "");
		if (!ch->migration.s || json_parse(&a, ch->migration, NULL, &v, NULL))
			continue;
		steps = json_get(v, "steps");
		for (size_t k = 0; steps && k < steps->n; k++) {
			sb_addz(t, "      ");
			json_compact(t, &steps->items[k]);
			sb_addch(t, '\n');
		}
	}
	if (!c->n)
		sb_addz(t, "  no changes\n");
	arena_free(&a);
}

void command_plan(struct command *cmd)
{
	struct strbuf *t = &cmd->out->text;
	struct change_list c = { 0 };
	struct json_writer w;
	size_t gates;

	command_begin(cmd, false, false);
	if (!command_failed(cmd))
		compute_plan(cmd, &c);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	report_desired_revision(cmd, &w);
	jw_keyz(&w, "resource_digests");
	report_desired_digests(cmd, &w);
	report_dependencies(cmd, &w);
	report_observations(cmd, &w);
	diff_json(&c, &w);
	blast_radius_json(cmd, &c, &w);
	gates = approvals_json(cmd, &c, &w);
	report_end(cmd, &w);
	if (command_failed(cmd)) {
		sb_addz(t, "cluster plan failed\n");
	} else {
		sb_addf(t, "cluster plan: %zu change(s), %zu approval gate(s)\n", c.n, gates);
		change_lines(&c, t);
	}
	report_text_end(cmd);
	diff_free(&c);
	command_end(cmd);
}

/* --- status -------------------------------------------------------------------------------------------- */

static void check_catalog(struct command *cmd)
{
	for (size_t i = 0; i < cmd->ledger.n_resources; i++) {
		const struct ledger_resource *r = &cmd->ledger.resources[i];
		enum resource_kind kind = resource_kind_of(r->address);
		const char *detail;
		struct str content;

		if (kind != RES_QUERY && kind != RES_POLICY)
			continue;
		switch (payload_read(&cmd->cs, &cmd->arena, r->address, r->digest, &content, &detail)) {
		case PAYLOAD_OK:
			break;
		case PAYLOAD_MISSING:
			diag_add(&cmd->diags, DIAG_WARNING, "catalog_payload_missing", r->address,
				 "the catalog has no payload %s; run `omnigraph cluster refresh`, then apply",
				 r->digest);
			break;
		case PAYLOAD_MISMATCH:
			diag_add(&cmd->diags, DIAG_WARNING, "catalog_payload_mismatch", r->address,
				 "the catalog payload hashes to %s; run `omnigraph cluster refresh`, then apply",
				 detail);
			break;
		case PAYLOAD_READ_ERROR:
			diag_add(&cmd->diags, DIAG_ERROR, "catalog_payload_read_error", r->address, "%s", detail);
			break;
		}
	}
}

static void observe_status(struct command *cmd)
{
	bool config_ok = !command_failed(cmd);

	if (!cmd->cs.s)
		return;
	lock_observe(cmd);
	warn_sidecars(cmd);
	if (!config_ok || !command_read_ledger(cmd))
		return;
	if (!cmd->ledger.found)
		diag_add(&cmd->diags, DIAG_WARNING, "state_missing", KEY_STATE,
			 "there is no ledger yet; run `omnigraph cluster import`");
	check_catalog(cmd);
}

void command_status(struct command *cmd)
{
	struct strbuf *t = &cmd->out->text;
	struct json_writer w;

	command_begin(cmd, true, true);
	observe_status(cmd);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	report_observations(cmd, &w);
	jw_keyz(&w, "resource_digests");
	ledger_digests_json(&cmd->ledger, &w);
	jw_keyz(&w, "resource_statuses");
	ledger_statuses_json(&cmd->ledger, &w);
	jw_keyz(&w, "observations");
	record_map_json(&cmd->ledger.observations, &w);
	report_end(cmd, &w);
	if (command_failed(cmd)) {
		sb_addz(t, "cluster status failed\n");
	} else if (!cmd->ledger.found) {
		sb_addz(t, "cluster state missing\n");
	} else {
		sb_addf(t, "cluster state: revision %llu, %zu resource(s)\n", (unsigned long long)cmd->ledger.revision,
			cmd->ledger.n_resources);
		if (cmd->ledger.config_digest)
			sb_addf(t, "  applied config: %s\n", cmd->ledger.config_digest);
	}
	if (!command_failed(cmd)) {
		if (cmd->obs.has_lock_info) {
			sb_addz(t, "  lock: held (");
			lock_summary(&cmd->obs, t);
			sb_addz(t, ")\n");
		} else {
			sb_addz(t, cmd->obs.locked ? "  lock: held\n" : "  lock: not held\n");
		}
	}
	report_text_end(cmd);
	command_end(cmd);
}

/* --- approve ------------------------------------------------------------------------------------------- */

static bool write_approval(struct command *cmd, struct approval *ap)
{
	struct change_list c = { 0 };
	const struct change *ch;
	bool ok = false;

	if (!lock_acquire(cmd, "approve") || !command_read_ledger(cmd))
		return false;
	if (!cmd->ledger.found) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_missing", KEY_STATE,
			 "there is no ledger; run `omnigraph cluster import` first");
		return false;
	}
	diff_compute(cmd, false, &c);
	ch = diff_find(&c, cmd->args->resource);
	if (!ch || !change_is_gated(&c, ch)) {
		diag_add(&cmd->diags, DIAG_ERROR, "approval_not_required", cmd->args->resource,
			 "no pending change of '%s' needs an approval; `omnigraph cluster plan` lists those that do",
			 cmd->args->resource);
	} else {
		const char *id = new_ulid(&cmd->arena);

		*ap = (struct approval){
			.location = cluster_display(&cmd->cs, &cmd->arena,
						    arena_printf(&cmd->arena, KEY_APPROVALS "/%s.json", id)),
			.approval_id = id,
			.resource = cmd->args->resource,
			.operation = change_op_word(ch->op),
			.reason = APPROVAL_REASON,
			.bound_config_digest = cmd->desired.config_digest,
			.bound_before_digest = ch->before,
			.bound_after_digest = ch->after,
			.approved_by = cmd->args->actor,
			.created_at = now_text(&cmd->arena),
		};
		ok = approval_write(&cmd->cs, &cmd->arena, ap, &cmd->diags);
	}
	diff_free(&c);
	return ok;
}

void command_approve(struct command *cmd)
{
	struct approval ap = { 0 };
	struct json_writer w;
	bool ok = false;

	command_begin(cmd, false, false);
	if (!command_failed(cmd))
		ok = write_approval(cmd, &ap);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	if (ok) {
		jw_kstrz(&w, "approval_id", ap.approval_id);
		jw_kstrz(&w, "resource", ap.resource);
		jw_kstrz(&w, "operation", ap.operation);
		jw_kstrz(&w, "approved_by", ap.approved_by);
		sb_addf(&cmd->out->text, "cluster approve: %s %s approved by %s (approval %s)\n", ap.operation,
			ap.resource, ap.approved_by, ap.approval_id);
	} else {
		sb_addz(&cmd->out->text, "cluster approve failed\n");
	}
	report_end(cmd, &w);
	report_text_end(cmd);
	command_end(cmd);
}
