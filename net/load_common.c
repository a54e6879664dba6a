/* SPDX-License-Identifier: MIT */
#include "net/load_common.h"

const char *const load_mode_names[] = { "overwrite", "append", "merge", NULL };

enum load_mode load_mode_of(struct str name)
{
	if (str_eqz(name, "overwrite"))
		return LOAD_OVERWRITE;
	return str_eqz(name, "append") ? LOAD_APPEND : LOAD_MERGE;
}

static const char *mode_name(enum load_mode m)
{
	return m == LOAD_OVERWRITE ? "overwrite" : m == LOAD_APPEND ? "append" : "merge";
}

int load_branch_missing(struct request *r, const struct load_request *l, bool *missing)
{
	struct err unusable = ERR_INIT;
	char *checked = NULL;
	bool exists = true;
	int rc = branch_name_check(l->branch, "load", &checked, &unusable);

	free(checked);
	err_clear(&unusable);
	if (!rc)
		rc = graph_branch_exists(r->graph->graph, l->branch, &exists, &r->err);
	else
		rc = 0;
	*missing = !exists;
	return rc;
}

int load_branch_rule(struct request *r, const struct load_request *l, bool missing)
{
	if (!missing || l->from)
		return 0;
	return err_set(&r->err, ERR_NOT_FOUND, "branch '%s' not found; pass `from` to create it", l->branch);
}

int load_authorize(struct request *r, const struct load_request *l, bool missing)
{
	int rc = missing && l->from ? authorize(r, "branch_create", l->from, l->branch) : 0;

	return rc ? rc : authorize(r, "change", l->branch, NULL);
}

void load_put_result(struct request *r, const struct load_request *l, const struct load_result *res, bool with_uri)
{
	struct json_writer w;

	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	if (with_uri)
		jw_kstrz(&w, "uri", graph_uri(r->graph->graph));
	jw_kstrz(&w, "branch", l->branch);
	jw_kstrz(&w, "base_branch", l->from);
	jw_kbool(&w, "branch_created", res->branch_created);
	jw_kstrz(&w, "mode", mode_name(l->mode));
	load_counts_json(&w, "nodes", res->nodes, res->n_nodes);
	load_counts_json(&w, "edges", res->edges, res->n_edges);
	jw_ku64(&w, "total_entities", res->total);
	jw_kstrz(&w, "actor_id", r->actor);
	jw_keyz(&w, "commit");
	commit_info_json(&w, &res->commit);
	jw_end_object(&w);
}
