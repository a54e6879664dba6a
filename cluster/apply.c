/* SPDX-License-Identifier: MIT */
/*
 * apply - converge reality to the declaration (spec/cluster.md 9). The ledger write is the publish point; a sidecar is armed before
 * every step that can move a graph and removed only after the ledger recorded the outcome.
 */
#include <omnigraph/failpoint.h>
#include <omnigraph/graph.h>
#include <omnigraph/limits.h>

#include "cluster/approval.h"
#include "cluster/commands.h"
#include "cluster/diff.h"
#include "cluster/observe.h"
#include "cluster/sweep.h"

struct apply {
	struct command *cmd;
	struct change_list changes;
	struct sweep sweep;
	struct approval *approvals;
	size_t n_approvals;
	bool aborted; /* a graph-moving operation failed: no further one is started */
	bool stopped; /* E!: return at once, nothing published */
	bool wrote, converged;
	struct sidecar *done; /* completed in this run, deleted after the ledger write */
	size_t n_done, cap_done;
	struct { /* graphs removed in this run */
		const char *graph, *approval_id;
	} * deleted;
	size_t n_deleted, cap_deleted;
	size_t applied, deferred;
	struct strbuf statuses_on_disk; /* resource_statuses as read, for runs that publish nothing */
};

static struct diag_list *diags(struct apply *ap)
{
	return &ap->cmd->diags;
}

static struct arena *mem(struct apply *ap)
{
	return &ap->cmd->arena;
}

static void stop_at_failpoint(struct apply *ap, const char *name, const struct err *e)
{
	diag_add(diags(ap), DIAG_ERROR, "injected_failpoint", name, "%s", err_msg(e));
	ap->stopped = true;
}

/* A hook whose error ends the run with nothing published. */
#define STOPPED_AT(ap, name)                                                  \
	({                                                                    \
		struct err fp_ = ERR_INIT;                                    \
		bool hit_ = FAILPOINT(name, &fp_) != 0;                       \
		if (hit_)                                                     \
			stop_at_failpoint((ap), FAILPOINT_LABEL(name), &fp_); \
		err_clear(&fp_);                                              \
		hit_;                                                         \
	})

/* A hook whose error fails one graph. */
#define FAILED_AT(ap, name)                                                                                \
	({                                                                                                 \
		struct err fp_ = ERR_INIT;                                                                 \
		bool hit_ = FAILPOINT(name, &fp_) != 0;                                                    \
		if (hit_)                                                                                  \
			diag_add(diags(ap), DIAG_ERROR, "injected_failpoint", FAILPOINT_LABEL(name), "%s", \
				 err_msg(&fp_));                                                           \
		err_clear(&fp_);                                                                           \
		hit_;                                                                                      \
	})

#ifdef CONFIG_FAILPOINTS
#define FAILPOINT_LABEL(name) name
#else
#define FAILPOINT_LABEL(name) "" /* no name of a hook may reach a binary without them */
#endif

/* --- graph operations ----------------------------------------------------------------------------------- */

static void fail_graph(struct apply *ap, const char *graph, const char *failure)
{
	ap->aborted = true;
	diff_demote(ap->cmd, &ap->changes, graph, failure);
}

static void skip_graph(struct apply *ap, const char *graph, const char *code, const char *path, const char *failure)
{
	diag_add(diags(ap), DIAG_WARNING, code, path,
		 "not attempted, because an earlier graph operation of this run failed; run `omnigraph cluster apply` "
		 "again");
	fail_graph(ap, graph, failure);
}

static void finished(struct apply *ap, const struct sidecar *s)
{
	MEM_GROW(ap->done, ap->n_done, ap->cap_done);
	ap->done[ap->n_done++] = *s;
}

static struct sidecar new_sidecar(struct apply *ap, enum sidecar_kind kind, const char *graph, const char *desired)
{
	struct command *cmd = ap->cmd;
	const char *id = new_ulid(mem(ap));

	return (struct sidecar){
		.location = cluster_display(&cmd->cs, mem(ap), arena_printf(mem(ap), KEY_RECOVERIES "/%s.json", id)),
		.operation_id = id,
		.started_at = now_text(mem(ap)),
		.actor = cmd->args->actor,
		.kind = kind,
		.graph_id = graph,
		.graph_uri = graph_root(&cmd->cs, mem(ap), graph),
		.desired_schema_digest = desired,
		.state_cas_base = cmd->expected_cas[0] ? cmd->expected_cas : NULL,
	};
}

/*
 * Read a source file again and compare it with the planned digest. False: reported as @code (unreadable) or
 * resource_content_changed at @path.
 */
static bool reread_source(struct apply *ap, const struct resource *r, const char *code, const char *path,
			  struct str *out)
{
	char digest[SHA256_HEX_LEN + 1];
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	bool ok = false;

	if (file_read(r->path, LIMIT_SCHEMA_BYTES, &b, &e)) {
		diag_add(diags(ap), DIAG_ERROR, code, path, "could not read %s: %s", r->path, err_msg(&e));
	} else {
		sha256_hex(b.s, b.n, digest);
		ok = !strcmp(digest, r->digest);
		if (ok)
			*out = arena_str(mem(ap), sb_str(&b));
		else
			diag_add(diags(ap), DIAG_ERROR, "resource_content_changed", path,
				 "%s changed while this command ran; run `omnigraph cluster apply` again", r->path);
	}
	sb_free(&b);
	err_clear(&e);
	return ok;
}

/* 9.3. Returns the failure word, or NULL. */
static const char *create_graph(struct apply *ap, const char *graph)
{
	struct command *cmd = ap->cmd;
	const struct resource *schema = desired_find(&cmd->desired, arena_printf(mem(ap), "schema.%s", graph));
	const char *path = arena_printf(mem(ap), "graph.%s", graph);
	struct sidecar s = new_sidecar(ap, SIDECAR_GRAPH_CREATE, graph, schema->digest);
	struct graph_observation o;
	struct err e = ERR_INIT;
	struct str src;
	bool ours; /* nothing was at the root before */

	if (!sidecar_write(&cmd->cs, mem(ap), &s, diags(ap)))
		return "graph_create_failed";
	if (FAILED_AT(ap, "cluster_apply.before_graph_create"))
		return "graph_create_failed";
	if (!reread_source(ap, schema, "graph_create_failed", path, &src)) {
		try_delete_object(&cmd->cs, mem(ap), s.location); /* nothing moved */
		return "graph_create_failed";
	}
	ours = !graph_root_exists(&cmd->cs, s.graph_uri);
	if (graph_init(s.graph_uri, src, NULL, &e)) {
		diag_add(diags(ap), DIAG_ERROR, "graph_create_failed", path, "could not create graph '%s': %s", graph,
			 err_msg(&e));
		err_clear(&e);
		if (ours) /* what the engine took back leaves directories */
			graph_root_drop_empty(&cmd->cs, s.graph_uri);
		return "graph_create_failed";
	}
	graph_observe(&cmd->cs, mem(ap), s.graph_uri, &o);
	if (o.presence == GRAPH_OPENS) {
		s.has_expected = true;
		s.expected_version = o.version;
		sidecar_write(&cmd->cs, mem(ap), &s, diags(ap));
	}
	if (!STOPPED_AT(ap, "cluster_apply.after_graph_create"))
		finished(ap, &s);
	return NULL;
}

static void create_graphs(struct apply *ap)
{
	for (size_t i = 0; !ap->stopped && i < ap->changes.n; i++) {
		struct change *ch = &ap->changes.items[i];
		const char *graph = ch->resource + 6, *failure;

		if (resource_kind_of(ch->resource) != RES_GRAPH || ch->op != CHANGE_CREATE ||
		    ch->disposition != DISP_APPLIED)
			continue;
		if (ap->aborted) {
			skip_graph(ap, graph, "graph_create_skipped", ch->resource, "graph_create_failed");
			continue;
		}
		failure = create_graph(ap, graph);
		if (failure)
			fail_graph(ap, graph, failure);
	}
}

/* The engine refused or failed after arming: keep the sidecar only when something moved (9.4 step 8). */
static void movement_check(struct apply *ap, const struct sidecar *s, const char *graph)
{
	struct command *cmd = ap->cmd;
	const char *recorded = ledger_digest(&cmd->ledger, arena_printf(mem(ap), "schema.%s", graph)), *why;
	struct graph_observation o;

	graph_observe(&cmd->cs, mem(ap), s->graph_uri, &o);
	if (!recorded || o.presence != GRAPH_OPENS || strcmp(o.live_digest, recorded))
		return;
	why = try_delete_object(&cmd->cs, mem(ap), s->location);
	if (why)
		diag_add(diags(ap), DIAG_WARNING, "recovery_sidecar_cleanup_failed", s->location,
			 "nothing moved, but the sidecar could not be removed (%s); graph '%s' stays quarantined until "
			 "a "
			 "mutating cluster command sweeps it",
			 why, graph);
}

static bool schema_failed(struct apply *ap, const char *path, const char *what, struct err *e)
{
	diag_add(diags(ap), DIAG_ERROR, "schema_apply_failed", path, "%s: %s", what, err_msg(e));
	err_clear(e);
	return false;
}

/* 9.4 steps 4 to 10 on an open graph. */
static bool move_schema(struct apply *ap, struct graph *g, const char *graph, const struct resource *r, struct str src)
{
	struct command *cmd = ap->cmd;
	struct schema_apply_opts opts = { .actor = cmd->args->actor, .source_only_commit = true };
	struct sidecar s = new_sidecar(ap, SIDECAR_SCHEMA_APPLY, graph, r->digest);
	struct schema_apply_result res = { 0 };
	struct strbuf plan = STRBUF_INIT;
	struct snapshot *snap = NULL;
	struct err e = ERR_INIT;
	int rc;

	rc = graph_schema_preview(g, src, &plan, &e);
	sb_free(&plan);
	if (rc)
		return schema_failed(ap, r->address,
				     arena_printf(mem(ap), "schema apply is not supported on '%s'", s.graph_uri), &e);
	if (!graph_snapshot(g, NULL, NULL, &snap, NULL)) {
		s.has_observed = true;
		s.observed_version = snapshot_commit(snap)->version;
		snapshot_put(snap);
	}
	if (!sidecar_write(&cmd->cs, mem(ap), &s, diags(ap)) || FAILED_AT(ap, "cluster_apply.before_schema_apply"))
		return false;
	rc = graph_schema_apply(g, src, &opts, &res, &e);
	if (rc) {
		schema_failed(ap, r->address, arena_printf(mem(ap), "could not apply the schema of '%s'", s.graph_uri),
			      &e);
		movement_check(ap, &s, graph);
		return false;
	}
	sb_free(&res.plan);
	s.has_expected = true;
	s.expected_version = res.version;
	sidecar_write(&cmd->cs, mem(ap), &s, diags(ap));
	if (!STOPPED_AT(ap, "cluster_apply.after_schema_apply"))
		finished(ap, &s);
	return true;
}

static bool apply_schema(struct apply *ap, const char *graph)
{
	struct command *cmd = ap->cmd;
	const char *address = arena_printf(mem(ap), "schema.%s", graph);
	const struct resource *r = desired_find(&cmd->desired, address);
	struct graph *g = NULL;
	struct err e = ERR_INIT;
	struct str src;
	bool ok;

	if (graph_open(graph_root(&cmd->cs, mem(ap), graph), NULL, &g, &e))
		return schema_failed(ap, address, "could not open the graph", &e);
	ok = reread_source(ap, r, "schema_apply_failed", address, &src) && move_schema(ap, g, graph, r, src);
	graph_close(g);
	return ok;
}

static void apply_schemas(struct apply *ap)
{
	for (size_t i = 0; !ap->stopped && i < ap->changes.n; i++) {
		struct change *ch = &ap->changes.items[i];
		const char *graph = ch->resource + 7;

		if (resource_kind_of(ch->resource) != RES_SCHEMA || ch->op != CHANGE_UPDATE ||
		    ch->disposition != DISP_APPLIED)
			continue;
		if (ap->aborted)
			skip_graph(ap, graph, "schema_apply_skipped", ch->resource, "schema_apply_failed");
		else if (!apply_schema(ap, graph))
			fail_graph(ap, graph, "schema_apply_failed");
	}
}

/* 9.5. Returns false on failure. */
static bool delete_graph(struct apply *ap, struct change *ch, const char *graph)
{
	struct command *cmd = ap->cmd;
	const struct approval *approval = approval_for(cmd, ap->approvals, ap->n_approvals, ch);
	struct sidecar s = new_sidecar(ap, SIDECAR_GRAPH_DELETE, graph, "");
	struct graph_observation o;
	struct err e = ERR_INIT;

	if (cmd->args->exporting && cmd->args->exporting(cmd->args->exporting_arg, s.graph_uri)) {
		diag_add(diags(ap), DIAG_ERROR, "graph_delete_export_in_progress", ch->resource,
			 "an export of graph '%s' is streaming in this process; run `omnigraph cluster apply` again "
			 "after "
			 "it ended",
			 graph);
		return false;
	}
	s.approval_id = approval ? approval->approval_id : NULL;
	graph_observe(&cmd->cs, mem(ap), s.graph_uri, &o);
	if (o.presence == GRAPH_OPENS) {
		s.has_observed = true;
		s.observed_version = o.version;
	}
	if (!sidecar_write(&cmd->cs, mem(ap), &s, diags(ap)) || FAILED_AT(ap, "cluster_apply.before_graph_delete"))
		return false;
	if (graph_root_delete(&cmd->cs, s.graph_uri, &e)) {
		diag_add(diags(ap), DIAG_ERROR, "graph_delete_failed", ch->resource, "could not remove '%s': %s",
			 s.graph_uri, err_msg(&e));
		err_clear(&e);
		return false;
	}
	if (STOPPED_AT(ap, "cluster_apply.after_graph_delete"))
		return true;
	MEM_GROW(ap->deleted, ap->n_deleted, ap->cap_deleted);
	ap->deleted[ap->n_deleted].graph = graph;
	ap->deleted[ap->n_deleted++].approval_id = s.approval_id;
	finished(ap, &s);
	return true;
}

static void delete_graphs(struct apply *ap)
{
	for (size_t i = 0; !ap->stopped && i < ap->changes.n; i++) {
		struct change *ch = &ap->changes.items[i];
		const char *graph = ch->resource + 6;

		if (resource_kind_of(ch->resource) != RES_GRAPH || ch->op != CHANGE_DELETE ||
		    ch->disposition != DISP_APPLIED)
			continue;
		if (ap->aborted)
			skip_graph(ap, graph, "graph_delete_skipped", ch->resource, "graph_delete_failed");
		else if (!delete_graph(ap, ch, graph))
			fail_graph(ap, graph, "graph_delete_failed");
	}
}

/* --- catalog payloads ------------------------------------------------------------------------------------ */

static void publish_payload(struct apply *ap, const struct resource *r)
{
	struct command *cmd = ap->cmd;
	struct err e = ERR_INIT;
	struct str src;

	if (!reread_source(ap, r, "resource_payload_write_error", r->address, &src))
		return;
	if (!utf8_valid(src))
		diag_add(diags(ap), DIAG_ERROR, "resource_payload_write_error", r->address, "%s is not UTF-8 text",
			 r->path);
	else if (payload_write(&cmd->cs, mem(ap), r->address, r->digest, src, &e))
		diag_add(diags(ap), DIAG_ERROR, "resource_payload_write_error", r->address, "%s", err_msg(&e));
	err_clear(&e);
}

static void publish_payloads(struct apply *ap)
{
	size_t before = diags(ap)->n_errors;

	for (size_t i = 0; i < ap->changes.n; i++) {
		const struct change *ch = &ap->changes.items[i];
		enum resource_kind k = resource_kind_of(ch->resource);

		if ((k == RES_QUERY || k == RES_POLICY) && ch->op != CHANGE_DELETE && ch->disposition == DISP_APPLIED)
			publish_payload(ap, desired_find(&ap->cmd->desired, ch->resource));
	}
	if (diags(ap)->n_errors > before)
		ap->stopped = true;
}

/* --- the ledger ------------------------------------------------------------------------------------------ */

static void record_applied(struct apply *ap, const struct change *ch)
{
	struct ledger *l = &ap->cmd->ledger;
	const struct resource *want = desired_find(&ap->cmd->desired, ch->resource);
	struct ledger_resource *r;

	if (ch->op == CHANGE_DELETE) {
		ledger_remove(l, ch->resource);
		ledger_status_remove(l, ch->resource);
		return;
	}
	r = ledger_put(l, ch->resource);
	r->digest = want->digest;
	if (want->kind == RES_POLICY) {
		r->has_bindings = true;
		r->n_bindings = want->n_bindings;
		r->bindings = want->bindings;
	}
	if (want->kind == RES_PROVIDER)
		r->profile = want->profile;
	ledger_status_set(l, ch->resource, "applied", NULL, NULL);
}

static void record_changes(struct apply *ap)
{
	for (size_t i = 0; i < ap->changes.n; i++) {
		const struct change *ch = &ap->changes.items[i];

		if (ch->disposition == DISP_APPLIED)
			record_applied(ap, ch);
		else if (ch->disposition == DISP_BLOCKED && strcmp(ch->reason, "cluster_recovery_pending"))
			ledger_status_set(&ap->cmd->ledger, ch->resource, "blocked", ch->reason,
					  "waiting on an unapplied or missing dependency");
	}
	for (size_t i = 0; i < ap->n_deleted; i++)
		ledger_tombstone(ap->cmd, ap->deleted[i].graph, ap->deleted[i].approval_id, ap->cmd->args->actor,
				 "apply");
}

static bool blocked(const struct apply *ap, const char *address)
{
	const struct change *ch = diff_find(&ap->changes, address);

	return ch && ch->disposition == DISP_BLOCKED;
}

static void record_composites(struct apply *ap)
{
	struct command *cmd = ap->cmd;

	for (size_t i = 0; i < cmd->desired.n; i++) {
		const struct resource *want = &cmd->desired.resources[i];
		struct ledger_resource *r;
		char digest[SHA256_HEX_LEN + 1];

		if (want->kind != RES_GRAPH)
			continue;
		r = ledger_find(&cmd->ledger, want->address);
		if (!r)
			continue;
		r->provider = want->provider;
		if (!blocked(ap, want->address) && !blocked(ap, arena_printf(mem(ap), "schema.%s", want->graph)))
			r->blob_policy = want->blob_policy;
		ledger_composite(&cmd->ledger, want->graph, r->provider, r->blob_policy, digest);
		r->digest = arena_strdup(&cmd->ledger.arena, digest);
	}
}

static void publish_ledger(struct apply *ap, const struct strbuf *as_read)
{
	struct command *cmd = ap->cmd;
	struct change_list rest = { 0 };
	struct strbuf now = STRBUF_INIT;

	record_changes(ap);
	record_composites(ap);
	diff_compute(cmd, true, &rest);
	ap->converged = rest.n == 0;
	diff_free(&rest);
	if (ap->converged)
		cmd->ledger.config_digest = cmd->desired.config_digest;
	ledger_write_json(&cmd->ledger, &now);
	if (!str_eq(sb_str(&now), sb_str(as_read))) {
		cmd->ledger.revision++;
		ap->wrote = ledger_publish(&cmd->cs, &cmd->ledger, cmd->expected_cas, diags(ap));
		ap->stopped = !ap->wrote;
		if (ap->stopped)
			ap->converged = false;
	}
	sb_free(&now);
}

static void clean_up(struct apply *ap)
{
	sweep_finish(ap->cmd, &ap->sweep);
	for (size_t i = 0; i < ap->n_done; i++)
		try_delete_object(&ap->cmd->cs, mem(ap), ap->done[i].location);
	for (size_t i = 0; i < ap->n_deleted; i++)
		if (ap->deleted[i].approval_id)
			approval_mark_consumed(ap->cmd, ap->deleted[i].approval_id);
}

/* --- the run ---------------------------------------------------------------------------------------------- */

static bool read_state(struct apply *ap)
{
	struct command *cmd = ap->cmd;
	struct json_writer w;

	if (!command_read_ledger(cmd))
		return false;
	jw_init(&w, &ap->statuses_on_disk, false);
	ledger_statuses_json(&cmd->ledger, &w);
	if (!cmd->ledger.found) {
		diag_add(diags(ap), DIAG_ERROR, "state_missing", KEY_STATE,
			 "there is no ledger in this cluster yet; run `omnigraph cluster import` first");
		return false;
	}
	return ledger_check_composites(&cmd->ledger, diags(ap));
}

static bool guard_approvals(struct apply *ap)
{
	for (size_t i = 0; i < ap->changes.n; i++) {
		const struct change *ch = &ap->changes.items[i];

		if (ch->disposition == DISP_APPLIED && change_is_gated(&ap->changes, ch) &&
		    !approval_for(ap->cmd, ap->approvals, ap->n_approvals, ch)) {
			diag_add(diags(ap), DIAG_ERROR, "apply_approval_invariant_violation", "changes",
				 "internal error: %s would be executed without its approval", ch->resource);
			return false;
		}
	}
	return true;
}

static void warn_unexecuted(struct apply *ap)
{
	for (size_t i = 0; i < ap->changes.n; i++) {
		struct change *ch = &ap->changes.items[i];

		if (ch->warned)
			continue;
		ch->warned = true;
		if (ch->disposition == DISP_DEFERRED)
			diag_add(diags(ap), DIAG_WARNING, "apply_unsupported_change", ch->resource,
				 "this change is not executed by apply (%s)", ch->reason);
		else if (ch->disposition == DISP_BLOCKED)
			diag_add(diags(ap), DIAG_WARNING, "apply_dependency_blocked", ch->resource,
				 "this change is blocked: %s%s", ch->reason,
				 strcmp(ch->reason, "approval_required")
					 ? ""
					 : arena_printf(mem(ap), "; run `omnigraph cluster approve %s`", ch->resource));
		else
			ch->warned = false;
	}
}

static void count_changes(struct apply *ap)
{
	for (size_t i = 0; i < ap->changes.n; i++) {
		enum disposition d = ap->changes.items[i].disposition;

		ap->applied += d == DISP_APPLIED;
		ap->deferred += d == DISP_DEFERRED || d == DISP_BLOCKED;
	}
}

static void run_apply(struct apply *ap)
{
	struct command *cmd = ap->cmd;
	struct strbuf as_read = STRBUF_INIT;

	ap->stopped = true;
	if (!lock_acquire(cmd, "apply") || !read_state(ap))
		return;
	ledger_write_json(&cmd->ledger, &as_read);
	sweep_run(cmd, &ap->sweep);
	diff_compute(cmd, true, &ap->changes);
	ap->n_approvals = approval_list(&cmd->cs, mem(ap), diags(ap), &ap->approvals);
	approvals_warn_stale(cmd, ap->approvals, ap->n_approvals, &ap->changes);
	diff_classify(cmd, &ap->changes, &ap->sweep.pending, ap->approvals, ap->n_approvals);
	ap->stopped = !guard_approvals(ap);
	if (!ap->stopped)
		create_graphs(ap);
	if (!ap->stopped)
		apply_schemas(ap);
	if (!ap->stopped) {
		warn_unexecuted(ap);
		publish_payloads(ap);
	}
	if (!ap->stopped && !STOPPED_AT(ap, "cluster_apply.after_payload_phase"))
		delete_graphs(ap);
	if (!ap->stopped) {
		warn_unexecuted(ap); /* what a failed delete demoted */
		publish_ledger(ap, &as_read);
	}
	if (!ap->stopped) {
		clean_up(ap);
		count_changes(ap);
	}
	if (ap->wrote)
		command_observe_ledger(cmd);
	sb_free(&as_read);
}

static void apply_text(struct apply *ap)
{
	struct strbuf *t = &ap->cmd->out->text;

	if (command_failed(ap->cmd))
		sb_addz(t, "cluster apply failed\n");
	else
		sb_addf(t, "cluster apply: %zu applied, %zu deferred/blocked\n", ap->applied, ap->deferred);
	for (size_t i = 0; i < ap->changes.n; i++) {
		const struct change *ch = &ap->changes.items[i];

		sb_addf(t, "  %s %s%s [%s%s%s]\n", change_op_title(ch->op), ch->resource,
			ch->binding_change ? " [bindings]" : "", disposition_title(ch->disposition),
			ch->reason ? ": " : "", ch->reason ? ch->reason : "");
	}
	if (!command_failed(ap->cmd)) {
		if (!ap->changes.n)
			sb_addz(t, "  no changes\n");
		sb_addf(t, "  state: revision %llu, converged: %s, written: %s\n",
			(unsigned long long)ap->cmd->ledger.revision, ap->converged ? "true" : "false",
			ap->wrote ? "true" : "false");
		if (ap->wrote)
			sb_addz(t, "  servers booted with --cluster serve this revision after their next restart\n");
	}
	report_text_end(ap->cmd);
}

void command_apply(struct command *cmd)
{
	struct apply ap = { .cmd = cmd };
	struct json_writer w;

	command_begin(cmd, false, false);
	if (!command_failed(cmd))
		run_apply(&ap);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	if (cmd->args->actor)
		jw_kstrz(&w, "actor", cmd->args->actor);
	report_desired_revision(cmd, &w);
	report_observations(cmd, &w);
	diff_json(&ap.changes, &w);
	jw_ku64(&w, "applied_count", ap.applied);
	jw_ku64(&w, "deferred_count", ap.deferred);
	jw_kbool(&w, "converged", ap.converged);
	jw_kbool(&w, "state_written", ap.wrote);
	jw_keyz(&w, "resource_statuses");
	if (!ap.stopped) {
		ledger_statuses_json(&cmd->ledger, &w);
	} else {
		struct json *v;

		if (ap.statuses_on_disk.n && !json_parse(mem(&ap), sb_str(&ap.statuses_on_disk), NULL, &v, NULL)) {
			jw_value(&w, v);
		} else {
			jw_begin_object(&w);
			jw_end_object(&w);
		}
	}
	report_end(cmd, &w);
	apply_text(&ap);
	free(ap.done);
	free(ap.deleted);
	sb_free(&ap.statuses_on_disk);
	diff_free(&ap.changes);
	sweep_clear(&ap.sweep);
	command_end(cmd);
}
