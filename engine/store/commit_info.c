/* SPDX-License-Identifier: MIT */
#include <omnigraph/graph.h>
#include <omnigraph/mem.h>

void commit_info_copy(struct commit_info *dst, const struct commit_info *src)
{
	*dst = *src;
	dst->branch = src->branch ? mem_strdup(src->branch) : NULL;
	dst->actor = src->actor ? mem_strdup(src->actor) : NULL;
}

void commit_info_clear(struct commit_info *c)
{
	free(c->branch);
	free(c->actor);
	memset(c, 0, sizeof(*c));
}

static const char *or_null(const char *s)
{
	return s && s[0] ? s : NULL;
}

void commit_info_json(struct json_writer *w, const struct commit_info *c)
{
	jw_begin_object(w);
	jw_kstrz(w, "graph_commit_id", c->id);
	jw_kstrz(w, "graph_branch", c->branch);
	jw_ku64(w, "graph_manifest_version", c->version);
	jw_kstrz(w, "parent_commit_id", or_null(c->parent));
	jw_kstrz(w, "merged_parent_commit_id", or_null(c->merged_parent));
	jw_kstrz(w, "actor_id", c->actor);
	jw_ki64(w, "created_at", c->created_at);
	jw_end_object(w);
}
