/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/failpoint.h>

#include "keep.h"

#define CHUNK_COMMITS 65536u
#define POINTS_MAX 64
#define SECURE_TRIES 8

void keep_free(struct keep_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct keep_log *l = &p->logs[i];

		branch_put(l->b);
		free(l->c);
		free(l->points);
		retention_clear(&l->was);
		retention_clear(&l->now);
	}
	free(p->logs);
	p->logs = NULL;
	p->n = p->cap = 0;
}

struct keep_log *keep_find(const struct keep_plan *p, const char *branch_id)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->logs[i].id, branch_id))
			return &p->logs[i];
	}
	return NULL;
}

bool keep_any(const struct retention *r, uint64_t from, uint64_t to)
{
	if (to >= r->floor)
		return true;
	for (size_t i = 0; i < r->n_points; i++) {
		if (r->points[i] >= from && r->points[i] <= to)
			return true;
	}
	return false;
}

/* --- which logs there are -------------------------------------------------------------------------- */

static int on_commit(void *arg, const struct commit_info *ci, uint64_t seq)
{
	struct keep_log *l = arg;
	struct own_commit *c;

	MEM_GROW(l->c, l->n, l->cap);
	c = &l->c[l->n++];
	memcpy(c->id, ci->id, sizeof(c->id));
	memcpy(c->merged, ci->merged_parent, sizeof(c->merged));
	c->version = ci->version;
	c->created_at = ci->created_at;
	c->seq = seq;
	return 0;
}

/* What cleanup does not decide on. */
static void copy_was(struct keep_log *l)
{
	l->now.token = l->was.token;
	l->now.n_types = l->was.n_types;
	l->now.types = mem_calloc(l->was.n_types + 1, sizeof(*l->now.types));
	if (l->was.n_types)
		memcpy(l->now.types, l->was.types, l->was.n_types * sizeof(*l->now.types));
}

struct add {
	struct keep_plan *p;
	bool added;
};

static int add_branch(void *arg, struct branch *b, struct err *e)
{
	struct add *a = arg;
	struct keep_plan *p = a->p;
	struct keep_log *l;
	int rc;

	if (keep_find(p, b->lineage->step[0].id))
		return 0;
	rc = FAILPOINT("cleanup.resolve_branch_snapshot", e);
	if (rc)
		return rc;
	MEM_GROW(p->logs, p->n, p->cap);
	l = &p->logs[p->n++];
	*l = (struct keep_log){ .b = branch_get(b), .id = b->lineage->step[0].id };
	a->added = true;
	rc = retention_read(p->g, l->id, &l->was, e);
	copy_was(l);
	if (!rc)
		rc = history_scan(p->g, &b->lineage->step[0], on_commit, l, e);
	return rc < 0 ? rc : 0;
}

int keep_add_branches(struct keep_plan *p, bool *added, struct err *e)
{
	struct add a = { .p = p };
	int rc = maintenance_branches(p->g, add_branch, &a, e);

	*added = a.added;
	return rc;
}

/* --- what the rules keep --------------------------------------------------------------------------- */

void keep_want_point(struct keep_log *l, uint64_t version)
{
	MEM_GROW(l->points, l->n_points, l->cap_points);
	l->points[l->n_points++] = version;
}

static int no_log(const struct branch *b, const char *id, struct err *e)
{
	return err_set(
		e, ERR_CONFLICT,
		"branch '%s' is forked from branch id %s, which is gone; nothing was deleted; delete or restore the "
		"branch and run cleanup again",
		b->name, id);
}

static bool wanted(const struct keep_plan *p, const struct own_commit *c, size_t position)
{
	return position < p->newest || c->created_at >= p->since;
}

/* The commits of one branch, newest first, down its lineage. */
static int want_commits(struct keep_plan *p, struct keep_log *own, struct err *e)
{
	const struct lineage *lin = own->b->lineage;
	size_t position = 0;

	for (uint32_t s = 0; s < lin->n; s++) {
		struct keep_log *l = keep_find(p, lin->step[s].id);

		if (!l)
			return no_log(own->b, lin->step[s].id, e);
		for (size_t i = l->n; i-- > 0;) {
			const struct own_commit *c = &l->c[i];

			if (c->version > lin->step[s].upto || !wanted(p, c, position++))
				continue;
			if (s)
				keep_want_point(l, c->version);
			else
				l->floor = c->version;
		}
	}
	return 0;
}

static int want_fork_points(struct keep_plan *p, const struct keep_log *own, struct err *e)
{
	const struct lineage *lin = own->b->lineage;

	for (uint32_t s = 1; s < lin->n; s++) {
		const struct lineage_step *owner = &lin->step[lineage_owner(lin, lin->step[s].upto)];
		struct keep_log *l = keep_find(p, owner->id);

		if (!l)
			return no_log(own->b, owner->id, e);
		keep_want_point(l, lin->step[s].upto);
	}
	return 0;
}

/* --- what each log keeps --------------------------------------------------------------------------- */

static int by_version(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of a version that the log has; of one that a damaged ref claims it has, the first. */
static size_t index_of(const struct keep_log *l, uint64_t version)
{
	size_t i = l->n;

	while (i && l->c[i - 1].version > version)
		i--;
	return i ? i - 1 : 0;
}

/* The last record that holds no commit after @version. */
static uint64_t whole_seq(const struct keep_log *l, uint64_t version)
{
	size_t i = index_of(l, version);

	if (!l->c[i].seq)
		return l->was.trimmed;
	return i + 1 < l->n && l->c[i + 1].seq == l->c[i].seq ? l->c[i].seq - 1 : l->c[i].seq;
}

static uint64_t last_of_record(const struct keep_log *l, uint64_t seq, uint64_t otherwise)
{
	for (size_t i = l->n; i-- > 0;) {
		if (l->c[i].seq && l->c[i].seq <= seq)
			return l->c[i].version;
	}
	return otherwise;
}

/* Each point costs a checkpoint. When there are many, the range is begun earlier: more stays than was asked for. */
static void lower_floor(struct keep_log *l)
{
	size_t n = 0;

	while (n < l->n_points && l->points[n] < l->now.floor)
		n++;
	if (n > POINTS_MAX && l->points[n - POINTS_MAX] >= l->was.floor)
		l->now.floor = l->points[n - POINTS_MAX];
}

/* Removed states do not come back, and points in the range need no mention. */
static void settle_points(struct keep_log *l)
{
	struct retention *now = &l->now;

	free(now->points);
	now->points = mem_calloc(l->n_points + 1, sizeof(*now->points));
	now->n_points = 0;
	for (size_t i = 0; i < l->n_points; i++) {
		uint64_t v = l->points[i];

		if (v < now->floor && retention_keeps(&l->was, v) &&
		    (!now->n_points || now->points[now->n_points - 1] != v))
			now->points[now->n_points++] = v;
	}
}

/* What an earlier cleanup kept for another reason may be among what the rules keep, though the states around it are gone. */
static void want_older_points(struct keep_log *l)
{
	for (size_t i = 0; l->floor && i < l->was.n_points; i++) {
		if (l->was.points[i] >= l->floor)
			keep_want_point(l, l->was.points[i]);
	}
}

static void settle(struct keep_log *l)
{
	struct retention *now = &l->now;

	want_older_points(l);
	now->floor = l->floor > l->was.floor ? l->floor : l->was.floor;
	now->trimmed = l->was.trimmed;
	now->swept = l->was.swept;
	now->listed = l->was.listed;
	if (l->n_points)
		qsort(l->points, l->n_points, sizeof(*l->points), by_version);
	lower_floor(l);
	if (!l->n || now->floor <= l->c[0].version) /* all stay */
		now->floor = 0;
	if (now->floor) {
		now->trimmed = whole_seq(l, now->floor);
		now->listed = last_of_record(l, now->trimmed, l->was.listed);
	}
	if (l->n_points)
		settle_points(l);
}

int keep_resolve(struct keep_plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < p->n; i++) {
		p->logs[i].n_points = p->logs[i].floor = 0;
		for (size_t k = 0; k < p->logs[i].now.n_points; k++) /* published by an earlier round: stays */
			keep_want_point(&p->logs[i], p->logs[i].now.points[k]);
	}
	for (size_t i = 0; i < p->n && !rc; i++) {
		rc = want_commits(p, &p->logs[i], e);
		if (!rc)
			rc = want_fork_points(p, &p->logs[i], e);
	}
	if (rc)
		return rc;
	keep_merge_bases(p);
	for (size_t i = 0; i < p->n; i++)
		settle(&p->logs[i]);
	return 0;
}

/* --- making it safe -------------------------------------------------------------------------------- */

static int verify_segment(const struct table *t, struct seg *seg, struct err *e)
{
	return seg_verify(seg, e);
}

static int refuse(const struct branch *b, uint64_t version, int rc, struct err *e)
{
	if (version == UINT64_MAX)
		err_prefix(e, "cleanup deleted nothing, because the state of branch '%s' cannot be read: ", b->name);
	else
		err_prefix(e, "cleanup deleted nothing, because version %llu of branch '%s' cannot be read: ",
			   (unsigned long long)version, b->name);
	return rc;
}

/* Load a state from the store, not from memory, and prove all of it. */
static int load_proved(const struct branch *b, uint64_t version, struct snapshot **out, struct load_stats *ls,
		       struct err *e)
{
	int rc = state_load(b->g, b->lineage, version, version, out, ls, e);

	if (!rc && version != UINT64_MAX && (*out)->version != version)
		rc = err_set(e, ERR_STORAGE, "storage: the commit log 'log/%s' ends too early", b->lineage->step[0].id);
	if (!rc)
		rc = snapshot_segments(*out, verify_segment, e);
	return rc ? refuse(b, version, rc, e) : 0;
}

static int secure_head(const struct keep_log *l, struct err *e)
{
	struct snapshot *s = NULL;
	struct load_stats ls;
	int rc = load_proved(l->b, UINT64_MAX, &s, &ls, e);

	snapshot_put(s);
	return rc;
}

static int is_gone(const struct table *t, struct seg *seg, struct err *e)
{
	return seg_is_gone(seg) ? -ENOENT : 0;
}

/* A checkpoint whose segments are gone reads well where they are still mapped. */
static bool lacks_segments(const struct snapshot *s)
{
	return snapshot_segments(s, is_gone, NULL) != 0;
}

/* Once: *again when another process wrote the checkpoint meanwhile. */
static int try_secure(const struct keep_log *l, uint64_t version, bool *again, struct err *e)
{
	struct strbuf obj = STRBUF_INIT;
	struct load_stats ls = { 0 };
	struct snapshot *s = NULL;
	struct store_token seen;
	int rc = ckpt_token(l->b->g, l->id, version, &seen, e);

	if (!rc)
		rc = load_proved(l->b, version, &s, &ls, e);
	*again = !rc && ls.ckpt_version == version && lacks_segments(s);
	if (!rc && ls.ckpt_version != version) {
		rc = checkpoint_build(l->b->g, l->id, s, whole_seq(l, version), NULL, &obj, e);
		if (!rc)
			rc = ckpt_put(l->b->g, l->id, version, &seen, &obj, e);
		*again = rc == -EEXIST || rc == -ESTALE;
		sb_free(&obj);
	}
	snapshot_put(s);
	return rc;
}

static int secure_version(const struct keep_log *l, uint64_t version, struct err *e)
{
	bool again;
	int rc, tries = 0;

	do {
		err_clear(e);
		again = false;
		rc = try_secure(l, version, &again, e);
	} while (again && ++tries < SECURE_TRIES);
	return rc;
}

static void enc_commit(struct strbuf *out, const struct commit_info *ci)
{
	struct rec_commit c = { .version = ci->version, .created_at = ci->created_at };

	memcpy(c.id, ci->id, sizeof(c.id));
	memcpy(c.parent, ci->parent, sizeof(c.parent));
	memcpy(c.merged_parent, ci->merged_parent, sizeof(c.merged_parent));
	if (ci->actor)
		c.actor = str_from(ci->actor);
	commit_finish(out, commit_begin(out, &c));
}

struct chunk {
	const struct keep_log *l;
	struct strbuf out;
	uint32_t n;
	uint64_t last; /* version */
	struct err *e;
};

static int chunk_put(struct chunk *ch)
{
	char key[128];
	int rc;

	if (!ch->n)
		return 0;
	record_finish(&ch->out, ch->n);
	history_key(ch->l->id, ch->last, key);
	rc = store_put(ch->l->b->g->store, key, ch->out.s, ch->out.n, ch->e);
	ch->n = 0;
	return rc;
}

static int on_listed(void *arg, const struct commit_info *ci, uint64_t seq)
{
	struct chunk *ch = arg;

	if (ci->version <= ch->l->was.listed || ci->version > ch->l->now.listed)
		return 0;
	if (!ch->n) {
		sb_reset(&ch->out);
		record_begin(&ch->out);
	}
	enc_commit(&ch->out, ci);
	ch->last = ci->version;
	ch->n++;
	return ch->n < CHUNK_COMMITS && ch->out.n < HISTORY_CHUNK_MAX_BYTES / 2 ? 0 : chunk_put(ch);
}

/* Write down the commits whose records go. */
static int secure_list(const struct keep_log *l, struct err *e)
{
	struct chunk ch = { .l = l, .e = e };
	int rc;

	if (l->now.listed <= l->was.listed)
		return 0;
	rc = history_scan(l->b->g, &l->b->lineage->step[0], on_listed, &ch, e);
	if (rc >= 0)
		rc = chunk_put(&ch);
	sb_free(&ch.out);
	return rc;
}

int keep_secure(struct keep_plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < p->n && !rc; i++)
		rc = secure_head(&p->logs[i], e);
	for (size_t i = 0; i < p->n && !rc; i++) {
		const struct keep_log *l = &p->logs[i];

		for (size_t k = 0; k < l->now.n_points && !rc; k++)
			rc = secure_version(l, l->now.points[k], e);
		if (!rc && l->now.floor)
			rc = secure_version(l, l->now.floor, e);
		if (!rc)
			rc = secure_list(l, e);
	}
	return rc;
}

bool keep_outdated(const struct keep_plan *p)
{
	bool changed = false;

	for (size_t i = 0; i < p->n && !changed; i++) {
		struct retention r;

		if (!retention_read(p->g, p->logs[i].id, &r, NULL))
			changed = strcmp(r.token.s, p->logs[i].was.token.s) != 0 &&
				  strcmp(r.token.s, p->logs[i].now.token.s) != 0;
		retention_clear(&r);
	}
	return changed;
}

static bool same(const struct retention *a, const struct retention *b)
{
	return a->floor == b->floor && a->trimmed == b->trimmed && a->listed == b->listed &&
	       a->n_points == b->n_points &&
	       (!a->n_points || !memcmp(a->points, b->points, a->n_points * sizeof(*a->points)));
}

int keep_publish(struct keep_plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < p->n && !rc; i++) {
		struct keep_log *l = &p->logs[i];

		if (!same(&l->now, &l->was) || strcmp(l->now.token.s, l->was.token.s) != 0)
			rc = retention_write(p->g, l->id, &l->now, e);
	}
	return rc;
}
