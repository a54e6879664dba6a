/* SPDX-License-Identifier: MIT */
/* What a merge did, as clients see it (spec/server.md 5.1, 5.4, 8.19). */
#include <omnigraph/graph.h>

#define SUMMARY_MAX 3

void merge_result_json(const struct merge_result *r, const struct merge_opts *opts, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kstrz(w, "source", opts->source);
	jw_kstrz(w, "target", opts->target ? opts->target : "main");
	jw_kstrz(w, "outcome", merge_outcome_word(r->outcome));
	jw_kstrz(w, "actor_id", opts->actor);
	if (opts->delete_branch)
		jw_kbool(w, "branch_deleted", r->branch_deleted);
	if (r->branch_delete_error)
		jw_kstrz(w, "branch_delete_error", r->branch_delete_error);
	jw_end_object(w);
}

void merge_conflicts_json(const struct merge_result *r, struct json_writer *w)
{
	jw_begin_array(w);
	for (size_t i = 0; i < r->n_conflicts; i++) {
		const struct merge_conflict *c = &r->conflicts[i];

		jw_begin_object(w);
		jw_kstrz(w, "entity_kind", c->entity_kind);
		jw_kstrz(w, "type_name", c->type_name);
		jw_kstrz(w, "entity_id", c->entity_id);
		jw_kstrz(w, "kind", c->kind);
		jw_kstrz(w, "message", c->message);
		jw_end_object(w);
	}
	jw_end_array(w);
}

void merge_conflicts_summary(const struct merge_result *r, struct strbuf *out)
{
	sb_addz(out, "merge conflicts: ");
	for (size_t i = 0; i < r->n_conflicts && i < SUMMARY_MAX; i++) {
		const struct merge_conflict *c = &r->conflicts[i];

		sb_addf(out, "%s%s type '%s'", i ? "; " : "", c->entity_kind, c->type_name);
		if (c->entity_id)
			sb_addf(out, ", entity id '%s'", c->entity_id);
		sb_addf(out, " (%s)", c->kind);
	}
	if (r->n_conflicts > SUMMARY_MAX)
		sb_addf(out, "; and %zu more", r->n_conflicts - SUMMARY_MAX);
}
