/* SPDX-License-Identifier: MIT */
#include "cluster/diff.h"

#include "cluster/approval.h"

static const char *const op_words[] = { "create", "update", "delete" };
static const char *const op_titles[] = { "Create", "Update", "Delete" };
static const char *const disp_words[] = { "applied", "derived", "deferred", "blocked" };
static const char *const disp_titles[] = { "Applied", "Derived", "Deferred", "Blocked" };

const char *change_op_word(enum change_op op)
{
	return op_words[op];
}

const char *change_op_title(enum change_op op)
{
	return op_titles[op];
}

const char *disposition_title(enum disposition d)
{
	return disp_titles[d];
}

/* --- changes ------------------------------------------------------------------------------------------ */

static struct change *add(struct change_list *c, const char *resource, enum change_op op, const char *before,
			  const char *after)
{
	MEM_GROW(c->items, c->n, c->cap);
	c->items[c->n] = (struct change){ .resource = resource, .op = op, .before = before, .after = after };
	return &c->items[c->n++];
}

static bool same_bindings(const struct resource *want, const struct ledger_resource *have)
{
	if (!have->has_bindings || want->n_bindings != have->n_bindings)
		return false;
	for (size_t i = 0; i < want->n_bindings; i++)
		if (strcmp(want->bindings[i], have->bindings[i]))
			return false;
	return true;
}

static bool same_profile(const struct resource *want, const struct ledger_resource *have)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	bool same;

	if (!have->profile)
		return false;
	cluster_profile_canonical(want->profile, &a);
	cluster_profile_canonical(have->profile, &b);
	same = str_eq(sb_str(&a), sb_str(&b));
	sb_free(&a);
	sb_free(&b);
	return same;
}

/* What the ledger does not record although the content is the same (8.1). */
static const char *metadata_gap(const struct resource *want, const struct ledger_resource *have)
{
	if (want->kind == RES_POLICY && !same_bindings(want, have))
		return "policy_bindings";
	if (want->kind == RES_PROVIDER && !same_profile(want, have))
		return "embedding_profile";
	return NULL;
}

static void compare(struct change_list *out, const struct resource *want, const struct ledger_resource *have,
		    bool metadata)
{
	struct change *ch;
	const char *gap;

	if (!have) {
		add(out, want->address, CHANGE_CREATE, NULL, want->digest);
		return;
	}
	if (strcmp(want->digest, have->digest)) {
		add(out, want->address, CHANGE_UPDATE, have->digest, want->digest);
		return;
	}
	gap = metadata ? metadata_gap(want, have) : NULL;
	if (!gap)
		return;
	ch = add(out, want->address, CHANGE_UPDATE, have->digest, want->digest);
	ch->metadata = gap;
	ch->binding_change = want->kind == RES_POLICY;
}

static int by_resource(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->resource, ((const struct change *)b)->resource);
}

void diff_compute(struct command *cmd, bool metadata, struct change_list *out)
{
	const struct ledger *l = &cmd->ledger;

	*out = (struct change_list){ 0 };
	for (size_t i = 0; i < cmd->desired.n; i++)
		compare(out, &cmd->desired.resources[i], ledger_find(l, cmd->desired.resources[i].address), metadata);
	for (size_t i = 0; i < l->n_resources; i++)
		if (!desired_find(&cmd->desired, l->resources[i].address))
			add(out, arena_strdup(&cmd->arena, l->resources[i].address), CHANGE_DELETE,
			    arena_strdup(&cmd->arena, l->resources[i].digest), NULL);
	for (size_t i = 0; i < out->n; i++) /* ledger entries may go away while the list is in use */
		if (out->items[i].before)
			out->items[i].before = arena_strdup(&cmd->arena, out->items[i].before);
	if (out->n)
		qsort(out->items, out->n, sizeof(*out->items), by_resource);
}

void diff_free(struct change_list *c)
{
	free(c->items);
	*c = (struct change_list){ 0 };
}

struct change *diff_find(const struct change_list *c, const char *resource)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->items[i].resource, resource))
			return &c->items[i];
	return NULL;
}

static const struct change *change_of(struct command *cmd, const struct change_list *c, const char *prefix,
				      const char *graph, enum change_op op)
{
	const struct change *ch = diff_find(c, arena_printf(&cmd->arena, "%s.%s", prefix, graph));

	return ch && ch->op == op ? ch : NULL;
}

/* --- approvals ---------------------------------------------------------------------------------------- */

bool change_is_gated(const struct change_list *c, const struct change *ch)
{
	const struct change *g;
	struct strbuf b = STRBUF_INIT;

	if (ch->op != CHANGE_DELETE)
		return false;
	switch (resource_kind_of(ch->resource)) {
	case RES_GRAPH:
		return true;
	case RES_SCHEMA:
		sb_addf(&b, "graph.%s", ch->resource + 7);
		g = diff_find(c, b.s);
		sb_free(&b);
		return !g || g->op != CHANGE_DELETE;
	default:
		return false;
	}
}

static bool same_or_null(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool consumed(const struct command *cmd, const struct approval *ap)
{
	return ap->consumed_at || record_find(&cmd->ledger.approvals, ap->approval_id);
}

const struct approval *approval_for(struct command *cmd, const struct approval *aps, size_t n, const struct change *ch)
{
	for (size_t i = 0; i < n; i++)
		if (!consumed(cmd, &aps[i]) && !strcmp(aps[i].resource, ch->resource) &&
		    !strcmp(aps[i].bound_config_digest, cmd->desired.config_digest) &&
		    same_or_null(aps[i].bound_before_digest, ch->before) &&
		    same_or_null(aps[i].bound_after_digest, ch->after))
			return &aps[i];
	return NULL;
}

void approvals_warn_stale(struct command *cmd, const struct approval *aps, size_t n, const struct change_list *c)
{
	for (size_t k = 0; k < c->n; k++) {
		const struct change *ch = &c->items[k];
		bool some = false;

		for (size_t i = 0; i < n; i++)
			some |= !consumed(cmd, &aps[i]) && !strcmp(aps[i].resource, ch->resource);
		if (some && !approval_for(cmd, aps, n, ch))
			diag_add(&cmd->diags, DIAG_WARNING, "approval_stale", ch->resource,
				 "an approval for %s was given for another configuration or ledger entry; run "
				 "`omnigraph "
				 "cluster approve %s` again",
				 ch->resource, ch->resource);
	}
}

/* --- dispositions (8.2) ------------------------------------------------------------------------------- */

struct classifier {
	struct command *cmd;
	struct change_list *c;
	const struct map *pending;
	const struct approval *aps;
	size_t n_aps;
};

static bool is_pending(const struct classifier *k, const char *graph)
{
	return map_get(k->pending, str_from(graph)) != NULL;
}

/* The plan leaves the graph without the schema its queries need. */
static bool schema_pending(const struct classifier *k, const char *graph)
{
	if (change_of(k->cmd, k->c, "schema", graph, CHANGE_DELETE))
		return true;
	return change_of(k->cmd, k->c, "schema", graph, CHANGE_CREATE) &&
	       !change_of(k->cmd, k->c, "graph", graph, CHANGE_CREATE);
}

static void set(struct change *ch, enum disposition d, const char *reason)
{
	ch->disposition = d;
	ch->reason = reason;
}

static bool graph_delete_approved(const struct classifier *k, const char *graph)
{
	const struct change *g = change_of(k->cmd, k->c, "graph", graph, CHANGE_DELETE);

	return g && approval_for(k->cmd, k->aps, k->n_aps, g);
}

static void classify_graph(const struct classifier *k, struct change *ch, const char *graph)
{
	if (ch->op == CHANGE_UPDATE) {
		if (schema_pending(k, graph))
			set(ch, DISP_DEFERRED, "apply_unsupported_kind");
		else
			set(ch, DISP_DERIVED, NULL);
	} else if (is_pending(k, graph)) {
		set(ch, DISP_BLOCKED, "cluster_recovery_pending");
	} else if (ch->op == CHANGE_DELETE && !graph_delete_approved(k, graph)) {
		set(ch, DISP_BLOCKED, "approval_required");
	} else {
		set(ch, DISP_APPLIED, NULL);
	}
}

static void classify_schema(const struct classifier *k, struct change *ch, const char *graph)
{
	bool pending = is_pending(k, graph);

	switch (ch->op) {
	case CHANGE_CREATE:
		if (change_of(k->cmd, k->c, "graph", graph, CHANGE_CREATE) && !pending)
			set(ch, DISP_APPLIED, NULL);
		else
			set(ch, DISP_BLOCKED, "cluster_recovery_pending");
		break;
	case CHANGE_UPDATE:
		if (pending)
			set(ch, DISP_BLOCKED, "cluster_recovery_pending");
		else
			set(ch, DISP_APPLIED, NULL);
		break;
	case CHANGE_DELETE:
		if (!change_of(k->cmd, k->c, "graph", graph, CHANGE_DELETE))
			set(ch, DISP_DEFERRED, "apply_unsupported_kind");
		else if (pending)
			set(ch, DISP_BLOCKED, "cluster_recovery_pending");
		else if (graph_delete_approved(k, graph))
			set(ch, DISP_APPLIED, NULL);
		else
			set(ch, DISP_BLOCKED, "approval_required");
		break;
	}
}

static void classify_query(const struct classifier *k, struct change *ch, const char *graph)
{
	bool pending = is_pending(k, graph);

	if (ch->op == CHANGE_DELETE) {
		if (!change_of(k->cmd, k->c, "graph", graph, CHANGE_DELETE) ||
		    (graph_delete_approved(k, graph) && !pending))
			set(ch, DISP_APPLIED, NULL);
		else
			set(ch, DISP_BLOCKED, "approval_required");
	} else if (pending) {
		set(ch, DISP_BLOCKED, "cluster_recovery_pending");
	} else if (schema_pending(k, graph)) {
		set(ch, DISP_BLOCKED, "dependency_not_applied");
	} else {
		set(ch, DISP_APPLIED, NULL);
	}
}

static void classify_policy(const struct classifier *k, struct change *ch)
{
	const struct resource *r = desired_find(&k->cmd->desired, ch->resource);

	set(ch, DISP_APPLIED, NULL);
	for (size_t i = 0; r && i < r->n_bindings; i++)
		if (!strncmp(r->bindings[i], "graph.", 6) && is_pending(k, r->bindings[i] + 6))
			set(ch, DISP_BLOCKED, "cluster_recovery_pending");
}

void diff_classify(struct command *cmd, struct change_list *c, const struct map *pending, const struct approval *aps,
		   size_t n_aps)
{
	struct classifier k = { cmd, c, pending, aps, n_aps };

	for (size_t i = 0; i < c->n; i++) {
		struct change *ch = &c->items[i];
		const char *graph = resource_graph(&cmd->arena, ch->resource);

		switch (resource_kind_of(ch->resource)) {
		case RES_GRAPH:
			classify_graph(&k, ch, graph);
			break;
		case RES_SCHEMA:
			classify_schema(&k, ch, graph);
			break;
		case RES_QUERY:
			classify_query(&k, ch, graph);
			break;
		case RES_POLICY:
			classify_policy(&k, ch);
			break;
		case RES_PROVIDER:
			set(ch, DISP_APPLIED, NULL);
			break;
		case RES_UNKNOWN:
			set(ch, DISP_DEFERRED, "apply_unsupported_kind");
			break;
		}
	}
}

static bool binds(const struct resource *r, const char *graph)
{
	for (size_t i = 0; r && i < r->n_bindings; i++)
		if (!strncmp(r->bindings[i], "graph.", 6) && !strcmp(r->bindings[i] + 6, graph))
			return true;
	return false;
}

void diff_demote(struct command *cmd, struct change_list *c, const char *graph, const char *failure)
{
	bool schema_failed = !strcmp(failure, "schema_apply_failed");

	for (size_t i = 0; i < c->n; i++) {
		struct change *ch = &c->items[i];
		enum resource_kind kind = resource_kind_of(ch->resource);
		const char *g = resource_graph(&cmd->arena, ch->resource);
		bool origin = kind == (schema_failed ? RES_SCHEMA : RES_GRAPH);

		if (ch->disposition != DISP_APPLIED && ch->disposition != DISP_DERIVED)
			continue;
		if (g ? strcmp(g, graph) != 0
		      : kind != RES_POLICY || !binds(desired_find(&cmd->desired, ch->resource), graph))
			continue;
		if (ch->disposition == DISP_DERIVED && !origin)
			continue; /* nothing to execute; the composite is recomputed */
		set(ch, DISP_BLOCKED, origin ? failure : "dependency_not_applied");
	}
}

void diff_json(const struct change_list *c, struct json_writer *w)
{
	struct arena a = ARENA_INIT;
	struct json *v;

	jw_keyz(w, "changes");
	jw_begin_array(w);
	for (size_t i = 0; i < c->n; i++) {
		const struct change *ch = &c->items[i];

		jw_begin_object(w);
		jw_kstrz(w, "resource", ch->resource);
		jw_kstrz(w, "operation", op_words[ch->op]);
		if (ch->before)
			jw_kstrz(w, "before_digest", ch->before);
		if (ch->after)
			jw_kstrz(w, "after_digest", ch->after);
		jw_kstrz(w, "disposition", disp_words[ch->disposition]);
		if (ch->reason)
			jw_kstrz(w, "reason", ch->reason);
		if (ch->binding_change)
			jw_kbool(w, "binding_change", true);
		if (ch->metadata)
			jw_kstrz(w, "metadata_change", ch->metadata);
		if (ch->migration.s && !json_parse(&a, ch->migration, NULL, &v, NULL)) {
			jw_keyz(w, "migration");
			jw_value(w, v);
		}
		jw_end_object(w);
	}
	jw_end_array(w);
	arena_free(&a);
}
