/* SPDX-License-Identifier: MIT */
/*
 * The commits that the next merge of two live branches will begin at, found as merge_base finds them, over the commits that the plan holds
 * anyway. Among very many branches only the likely merges are looked after: with main, and with the branch one was forked from.
 */
#include "keep.h"

#define NO_COMMIT UINT32_MAX
#define ALL_PAIRS_MAX 64 /* branches */

struct ancestry {
	struct keep_plan *p;
	uint32_t n;	 /* commits of all logs, log after log */
	uint32_t *first; /* of each log, and the end */
	uint32_t *parent, *merged, *log;
	uint32_t *source, *target; /* distances from the two heads */
	uint32_t *queue, *below;
};

static const struct own_commit *commit_at(const struct ancestry *a, uint32_t node)
{
	return &a->p->logs[a->log[node]].c[node - a->first[a->log[node]]];
}

static uint32_t find_version(const struct ancestry *a, const char *branch_id, uint64_t version)
{
	const struct keep_log *l = keep_find(a->p, branch_id);
	size_t lo = 0, hi = l ? l->n : 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->c[mid].version < version)
			lo = mid + 1;
		else
			hi = mid;
	}
	return l && lo < l->n && l->c[lo].version == version ? a->first[l - a->p->logs] + (uint32_t)lo : NO_COMMIT;
}

static uint32_t fork_point(const struct ancestry *a, const struct keep_log *l)
{
	const struct lineage *lin = l->b->lineage;

	if (lin->n == 1)
		return NO_COMMIT;
	return find_version(a, lin->step[lineage_owner(lin, lin->step[1].upto)].id, lin->step[1].upto);
}

static uint32_t head_of(const struct ancestry *a, size_t log)
{
	return a->p->logs[log].n ? a->first[log + 1] - 1 : fork_point(a, &a->p->logs[log]);
}

static void number_commits(struct ancestry *a, struct map *by_id)
{
	for (size_t i = 0; i < a->p->n; i++) {
		a->first[i] = a->n;
		for (size_t k = 0; k < a->p->logs[i].n; k++) {
			a->log[a->n] = (uint32_t)i;
			map_add(by_id, str_from(a->p->logs[i].c[k].id), (void *)(uintptr_t)(++a->n));
		}
	}
	a->first[a->p->n] = a->n;
}

/* A parent that only a deleted branch had ends its path. */
static void link_commits(struct ancestry *a, const struct map *by_id)
{
	for (uint32_t v = 0; v < a->n; v++) {
		const struct keep_log *l = &a->p->logs[a->log[v]];
		const char *merged = commit_at(a, v)->merged;

		a->parent[v] = v == a->first[a->log[v]] ? fork_point(a, l) : v - 1;
		a->merged[v] = merged[0] ? (uint32_t)(uintptr_t)map_get(by_id, str_from(merged)) - 1 : NO_COMMIT;
	}
}

static void ancestry_open(struct ancestry *a, struct keep_plan *p)
{
	struct map by_id = MAP_INIT;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->logs[i].n;
	*a = (struct ancestry){ .p = p, .first = mem_calloc(p->n + 1, sizeof(*a->first)) };
	a->parent = mem_calloc(7 * (n + 1), sizeof(*a->parent));
	a->merged = a->parent + n + 1;
	a->log = a->merged + n + 1;
	a->source = a->log + n + 1;
	a->target = a->source + n + 1;
	a->queue = a->target + n + 1;
	a->below = a->queue + n + 1;
	number_commits(a, &by_id);
	link_commits(a, &by_id);
	map_free(&by_id);
}

/* Breadth first over both parents. */
static void measure(struct ancestry *a, uint32_t head, uint32_t *distance)
{
	uint32_t at = 0, n = 0;

	memset(distance, 0xff, a->n * sizeof(*distance));
	distance[head] = 0;
	a->queue[n++] = head;
	while (at < n) {
		uint32_t v = a->queue[at++], next[2] = { a->parent[v], a->merged[v] };

		for (int i = 0; i < 2; i++) {
			if (next[i] == NO_COMMIT || distance[next[i]] != NO_COMMIT)
				continue;
			distance[next[i]] = distance[v] + 1;
			a->queue[n++] = next[i];
		}
	}
}

static bool better(const struct ancestry *a, uint32_t v, uint32_t best)
{
	uint64_t dv = (uint64_t)a->source[v] + a->target[v], db = (uint64_t)a->source[best] + a->target[best];
	const struct own_commit *x = commit_at(a, v), *y = commit_at(a, best);

	if (dv != db)
		return dv < db;
	return x->version != y->version ? x->version > y->version : strcmp(x->id, y->id) > 0;
}

static bool is_common(const struct ancestry *a, uint32_t v)
{
	return a->source[v] != NO_COMMIT && a->target[v] != NO_COMMIT;
}

/* The common ancestors below another one, which are no bases. */
static void mark_below(struct ancestry *a)
{
	memset(a->below, 0, a->n * sizeof(*a->below));
	for (uint32_t v = 0; v < a->n; v++) {
		if (!is_common(a, v))
			continue;
		if (a->parent[v] != NO_COMMIT)
			a->below[a->parent[v]] = 1;
		if (a->merged[v] != NO_COMMIT)
			a->below[a->merged[v]] = 1;
	}
}

static void want_base(struct ancestry *a, uint32_t target)
{
	uint32_t best = NO_COMMIT;

	measure(a, target, a->target);
	mark_below(a);
	for (uint32_t v = 0; v < a->n; v++) {
		if (is_common(a, v) && !a->below[v] && (best == NO_COMMIT || better(a, v, best)))
			best = v;
	}
	if (best != NO_COMMIT)
		keep_want_point(&a->p->logs[a->log[best]], commit_at(a, best)->version);
}

static bool is_likely(const struct ancestry *a, const struct lineage *source, const struct lineage *target)
{
	return a->p->n <= ALL_PAIRS_MAX || target->n == 1 ||
	       (source->n > 1 && !strcmp(source->step[1].id, target->step[0].id));
}

void keep_merge_bases(struct keep_plan *p)
{
	struct ancestry a;

	ancestry_open(&a, p);
	for (size_t s = 0; s < p->n; s++) {
		uint32_t source = head_of(&a, s);

		if (source == NO_COMMIT)
			continue;
		measure(&a, source, a.source);
		for (size_t t = 0; t < p->n; t++) {
			uint32_t target = head_of(&a, t);

			/* a merge begins at the same commit in both directions */
			if (target != NO_COMMIT && target != source && (t < s || p->n > ALL_PAIRS_MAX) &&
			    is_likely(&a, p->logs[s].b->lineage, p->logs[t].b->lineage))
				want_base(&a, target);
		}
	}
	free(a.parent);
	free(a.first);
}
