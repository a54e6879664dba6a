/* SPDX-License-Identifier: MIT */
#include "engine/branch/merge_base.h"

#include <omnigraph/map.h>

#define UNREACHED UINT64_MAX

struct ancestor {
	struct commit_info ci;
	uint64_t source, target; /* distance from each head */
	bool below;		 /* a child of it is a common ancestor too */
};

/* Every commit of every live branch, by id. */
struct ancestry {
	struct arena arena;
	struct map by_id;
};

static int add_commit(void *arg, const struct commit_info *c)
{
	struct ancestry *an = arg;
	struct ancestor *a;

	if (map_get(&an->by_id, str_from(c->id)))
		return 0;
	a = arena_new(&an->arena, struct ancestor);
	commit_info_copy(&a->ci, c);
	a->source = a->target = UNREACHED;
	map_put(&an->by_id, str_from(a->ci.id), a);
	return 0;
}

struct branch_walk {
	struct graph *g;
	struct ancestry *an;
	struct err *e;
};

static int add_branch(void *arg, const char *name)
{
	struct branch_walk *w = arg;
	int rc = graph_commits(w->g, name, add_commit, w->an, w->e);

	if (rc < 0 && w->e && w->e->code == ERR_NOT_FOUND) { /* deleted meanwhile */
		err_clear(w->e);
		return 0;
	}
	return rc;
}

/* Breadth-first over both parents. A parent on a deleted branch is not listed any more and ends its path. */
static void measure(struct ancestry *an, const char *head, bool source)
{
	struct ancestor **queue = mem_calloc(an->by_id.n + 1, sizeof(*queue)), *a = map_get(&an->by_id, str_from(head));
	size_t at = 0, n = 0;

	if (a) {
		*(source ? &a->source : &a->target) = 0;
		queue[n++] = a;
	}
	while (at < n) {
		const char *parents[2] = { queue[at]->ci.parent, queue[at]->ci.merged_parent };
		uint64_t d = (source ? queue[at]->source : queue[at]->target) + 1;

		at++;
		for (int i = 0; i < 2; i++) {
			uint64_t *dist;

			a = parents[i][0] ? map_get(&an->by_id, str_from(parents[i])) : NULL;
			if (!a)
				continue;
			dist = source ? &a->source : &a->target;
			if (*dist != UNREACHED)
				continue;
			*dist = d;
			queue[n++] = a;
		}
	}
	free(queue);
}

static bool is_common(const struct ancestor *a)
{
	return a->source != UNREACHED && a->target != UNREACHED;
}

/* What lies below a common ancestor is one as well, so a look at the parents finds all of it. */
static void mark_below(struct ancestry *an)
{
	for (struct map_entry *m = map_first(&an->by_id); m; m = map_next(&an->by_id, m)) {
		const struct ancestor *a = m->value;
		const char *parents[2] = { a->ci.parent, a->ci.merged_parent };

		for (int i = 0; is_common(a) && i < 2; i++) {
			struct ancestor *p = parents[i][0] ? map_get(&an->by_id, str_from(parents[i])) : NULL;

			if (p)
				p->below = true;
		}
	}
}

static bool better(const struct ancestor *a, const struct ancestor *b)
{
	if (a->source + a->target != b->source + b->target)
		return a->source + a->target < b->source + b->target;
	if (a->ci.version != b->ci.version)
		return a->ci.version > b->ci.version;
	return strcmp(a->ci.id, b->ci.id) > 0;
}

int merge_base(struct graph *g, const char *source_head, const char *target_head, struct commit_info *base,
	       struct err *e)
{
	struct ancestry an = { 0 };
	struct branch_walk w = { g, &an, e };
	const struct ancestor *best = NULL;
	int rc = graph_branches(g, add_branch, &w, e);

	if (!rc) {
		measure(&an, source_head, true);
		measure(&an, target_head, false);
		mark_below(&an);
	}
	for (struct map_entry *m = map_first(&an.by_id); !rc && m; m = map_next(&an.by_id, m)) {
		const struct ancestor *a = m->value;

		if (is_common(a) && !a->below && (!best || better(a, best)))
			best = a;
	}
	if (!rc && best)
		commit_info_copy(base, &best->ci);
	else if (!rc)
		rc = err_set(e, ERR_CONFLICT, "commits '%s' and '%s' have no common ancestor", source_head,
			     target_head);
	for (struct map_entry *m = map_first(&an.by_id); m; m = map_next(&an.by_id, m))
		commit_info_clear(&((struct ancestor *)m->value)->ci);
	map_free(&an.by_id);
	arena_free(&an.arena);
	return rc;
}
