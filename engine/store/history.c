/* SPDX-License-Identifier: MIT */
/* Commits of the past: lists, look-ups, and snapshots older than what a branch holds in memory. */
#include <errno.h>

#include "graph_priv.h"
#include "retention.h"

#define SCAN_TRIES 4

/* --- scanning a log -------------------------------------------------------------------------------- */

struct scan {
	const char *id, *label; /* of the branch */
	uint64_t upto;
	uint64_t last; /* version of the last commit delivered, at first of the one before the log's own */
	history_fn fn;
	void *arg;
	struct err *e;
};

static int scan_commit(struct scan *sc, const struct rec_commit *c, uint64_t seq)
{
	struct commit_info ci = { .branch = (char *)sc->label, .version = c->version, .created_at = c->created_at };
	int rc;

	memcpy(ci.id, c->id, sizeof(ci.id));
	memcpy(ci.parent, c->parent, sizeof(ci.parent));
	memcpy(ci.merged_parent, c->merged_parent, sizeof(ci.merged_parent));
	ci.actor = c->actor.s ? str_dup(c->actor) : NULL;
	rc = sc->fn(sc->arg, &ci, seq);
	free(ci.actor);
	return rc;
}

/* Versions are without gaps, and a list is named by its last version. @seq 0: what lacks is such a list. */
static int commits_lack(const struct scan *sc, uint64_t upto, uint64_t seq)
{
	char key[128];

	if (seq)
		log_key(sc->id, key);
	else
		history_key(sc->id, upto, key);
	return err_set(sc->e, ERR_STORAGE,
		       "storage: '%s' lacks the commits from version %llu to %llu; restore it from a backup", key,
		       (unsigned long long)sc->last + 1, (unsigned long long)upto);
}

/* A list is named by who reads it. */
static int blame(const struct scan *sc, int rc, uint64_t seq)
{
	char log[64];

	log_key(sc->id, log);
	return seq ? record_blame(rc, log, seq, sc->e) : rc;
}

static int scan_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct scan *sc = arg;
	struct rec_commit c;
	struct dec d;
	uint32_t n_commits;
	int rc = blame(sc, record_open(data, n, &d, &n_commits, sc->e), seq);

	for (uint32_t i = 0; i < n_commits && !rc; i++) {
		rc = blame(sc, commit_decode(&d, &c, sc->e), seq);
		if (!rc && c.version > sc->upto)
			return 1;
		if (!rc && c.version > sc->last + 1)
			rc = commits_lack(sc, c.version - 1, seq);
		if (rc || c.version <= sc->last)
			continue;
		sc->last = c.version;
		rc = scan_commit(sc, &c, seq);
	}
	return rc;
}

struct chunks {
	char **keys;
	size_t n, cap;
};

static int on_chunk(void *arg, const char *key, const struct store_stat *st)
{
	struct chunks *c = arg;

	MEM_GROW(c->keys, c->n, c->cap);
	c->keys[c->n++] = mem_strdup(key);
	return 0;
}

static int scan_chunk(struct graph *g, const char *key, struct scan *sc)
{
	struct store_object o;
	int rc = store_get(g->store, key, HISTORY_CHUNK_MAX_BYTES, &o, sc->e);

	if (rc)
		return rc;
	rc = scan_record(sc, 0, o.data, o.n);
	if (rc < 0)
		err_prefix(sc->e, "'%s': ", key);
	store_object_free(&o);
	return rc;
}

/* The commits whose records cleanup has trimmed away, up to version @listed. */
static int scan_chunks(struct graph *g, const char *branch_id, uint64_t listed, struct scan *sc)
{
	struct chunks c = { 0 };
	char prefix[64];
	int rc;

	history_prefix(branch_id, prefix);
	rc = store_list(g->store, prefix, NULL, false, on_chunk, &c, sc->e);
	for (size_t i = 0; i < c.n; i++) {
		if (!rc)
			rc = scan_chunk(g, c.keys[i], sc);
		free(c.keys[i]);
	}
	free(c.keys);
	if (!rc && sc->last < listed && sc->last < sc->upto)
		rc = commits_lack(sc, listed, 0);
	return rc;
}

static int scan_once(struct graph *g, const struct lineage_step *step, struct scan *sc)
{
	struct retention r;
	char log[64];
	int rc = retention_read(g, step->id, &r, sc->e);

	if (!rc && r.listed > sc->last)
		rc = scan_chunks(g, step->id, r.listed, sc);
	log_key(step->id, log);
	if (!rc)
		rc = store_log_read(g->store, log, r.trimmed + 1, scan_record, sc, sc->e);
	retention_clear(&r);
	return rc;
}

/* The log begins later than the history object says, and goes on doing so. */
static int not_led(const struct scan *sc)
{
	struct strbuf why = STRBUF_INIT;
	int rc;

	sb_addz(&why, err_msg(sc->e));
	rc = err_set(sc->e, ERR_STORAGE,
		     "storage: object 'history/%s.json' is missing or older than what cleanup has removed: %s; restore "
		     "it from "
		     "a backup",
		     sc->id, why.n ? why.s : "its log begins later");
	sb_free(&why);
	return rc;
}

/* @step lies in its lineage: the one it was forked from is behind it. A trim that comes between has written down what it took away. */
int history_scan(struct graph *g, const struct lineage_step *step, history_fn fn, void *arg, struct err *e)
{
	struct scan sc = { .id = step->id, .label = step->label, .upto = step->upto, .fn = fn, .arg = arg, .e = e };
	int rc;

	sc.last = step->label ? step[1].upto : 0;
	rc = scan_once(g, step, &sc);
	for (int i = 0; rc == -ENOENT && i < SCAN_TRIES; i++) {
		err_clear(e);
		rc = scan_once(g, step, &sc);
	}
	return rc == -ENOENT ? not_led(&sc) : rc;
}

/* --- lists ----------------------------------------------------------------------------------------- */

struct collect {
	struct commit_info *v;
	size_t n, cap;
};

static int on_collect(void *arg, const struct commit_info *c, uint64_t seq)
{
	struct collect *col = arg;

	MEM_GROW(col->v, col->n, col->cap);
	commit_info_copy(&col->v[col->n++], c);
	return 0;
}

/* Newest first; a non-zero result of @fn ends it. */
static int report_step(struct graph *g, const struct lineage_step *step,
		       int (*fn)(void *arg, const struct commit_info *c), void *arg, int *stopped, struct err *e)
{
	struct collect col = { 0 };
	int rc = history_scan(g, step, on_collect, &col, e);

	rc = rc > 0 ? 0 : rc;
	for (size_t i = col.n; i-- > 0;) {
		if (!rc && !*stopped)
			*stopped = fn(arg, &col.v[i]);
		commit_info_clear(&col.v[i]);
	}
	free(col.v);
	return rc;
}

int graph_commits(struct graph *g, const char *branch, int (*fn)(void *arg, const struct commit_info *c), void *arg,
		  struct err *e)
{
	struct branch *b;
	int stopped = 0, rc = branch_open(g, branch, &b, e);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < b->lineage->n && !rc && !stopped; i++)
		rc = report_step(g, &b->lineage->step[i], fn, arg, &stopped, e);
	branch_put(b);
	return rc ? rc : stopped;
}

/* --- look-up --------------------------------------------------------------------------------------- */

struct match {
	const char *id;
	struct commit_info *out;
};

static int on_match(void *arg, const struct commit_info *c, uint64_t seq)
{
	struct match *m = arg;

	if (strcmp(c->id, m->id) != 0)
		return 0;
	commit_info_copy(m->out, c);
	return 1;
}

/* Among the commits the branch holds in memory. */
static bool find_loaded(struct branch *b, const char *id, struct commit_info *ci)
{
	const struct commit_info *found = NULL;

	pthread_mutex_lock(&b->lock);
	if (b->loaded && !strcmp(b->st->base.id, id))
		found = &b->st->base;
	for (size_t i = 0; b->loaded && i < b->st->n_nodes && !found; i++) {
		const struct commit_info *c = &b->st->nodes[i]->ci;

		if (c->version > b->head->version)
			break;
		if (!strcmp(c->id, id))
			found = c;
	}
	if (found)
		commit_info_copy(ci, found);
	pthread_mutex_unlock(&b->lock);
	return found != NULL;
}

/* 1: found. The scan stops at a version bound or at the commit: both are 1 to history_scan, so look at the id. */
static int find_in_branch(struct branch *b, const char *id, struct commit_info *ci, struct err *e)
{
	struct match m = { id, ci };
	int rc;

	if (find_loaded(b, id, ci))
		return 1;
	rc = history_scan(b->g, &b->lineage->step[0], on_match, &m, e);
	return rc < 0 ? rc : ci->id[0] != 0;
}

/* Old commits are looked for in the logs, from their beginning: remember where the last ones were. */
static void remember(struct graph *g, const struct branch *b, const struct commit_info *ci)
{
	struct found *f;

	pthread_mutex_lock(&g->past_lock);
	f = &g->found[g->next_found++ % ARRAY_SIZE(g->found)];
	commit_info_clear(&f->ci);
	commit_info_copy(&f->ci, ci);
	memcpy(f->branch_id, b->lineage->step[0].id, sizeof(f->branch_id));
	pthread_mutex_unlock(&g->past_lock);
}

static bool recall(struct graph *g, const char *id, char branch_id[ULID_LEN + 1], struct commit_info *ci)
{
	bool found = false;

	pthread_mutex_lock(&g->past_lock);
	for (size_t i = 0; i < ARRAY_SIZE(g->found) && !found; i++) {
		found = !strcmp(g->found[i].ci.id, id);
		if (found) {
			commit_info_copy(ci, &g->found[i].ci);
			memcpy(branch_id, g->found[i].branch_id, ULID_LEN + 1);
		}
	}
	pthread_mutex_unlock(&g->past_lock);
	return found;
}

/* True when the commit is remembered and its branch is still the one it was. */
static bool find_remembered(struct graph *g, const char *id, struct branch **b, struct commit_info *ci)
{
	char branch_id[ULID_LEN + 1];
	bool same;

	if (!recall(g, id, branch_id, ci))
		return false;
	if (!branch_open(g, ci->branch, b, NULL)) {
		same = !strcmp((*b)->lineage->step[0].id, branch_id);
		if (same)
			return true;
		branch_put(*b);
	}
	commit_info_clear(ci);
	return false;
}

struct find_commit {
	struct graph *g;
	const char *id;
	struct branch **b;
	struct commit_info *ci;
	bool main_done;
	struct err *e;
};

static int on_branch(void *arg, const char *name)
{
	struct find_commit *f = arg;
	int rc;

	if (f->main_done && !strcmp(name, "main"))
		return 0;
	f->main_done = true;
	rc = branch_open(f->g, name, f->b, f->e);
	if (rc == -ENOENT && strcmp(name, "main") != 0) { /* deleted meanwhile */
		err_clear(f->e);
		return 0;
	}
	if (rc)
		return rc;
	rc = find_in_branch(*f->b, f->id, f->ci, f->e);
	if (rc != 1)
		branch_put(*f->b);
	return rc;
}

int history_find(struct graph *g, const char *id, struct branch **b, struct commit_info *ci, struct err *e)
{
	struct find_commit f = { .g = g, .id = id, .b = b, .ci = ci, .e = e };
	int rc = 0;

	memset(ci, 0, sizeof(*ci));
	if (find_remembered(g, id, b, ci))
		return 0;
	if (ulid_valid(str_from(id))) {
		rc = on_branch(&f, "main"); /* most are here; it saves listing the others */
		if (!rc)
			rc = graph_branches(g, on_branch, &f, e);
	}
	if (rc < 0)
		return rc;
	if (!rc)
		return err_set(e, ERR_NOT_FOUND, "commit '%s' not found", id);
	remember(g, *b, ci);
	return 0;
}

int graph_commit(struct graph *g, const char *id, struct commit_info *out, struct err *e)
{
	struct branch *b;
	int rc = history_find(g, id, &b, out, e);

	if (!rc)
		branch_put(b);
	return rc;
}

struct at_version {
	uint64_t version;
	struct commit_info *out;
};

static int on_version(void *arg, const struct commit_info *c, uint64_t seq)
{
	struct at_version *v = arg;

	if (c->version != v->version)
		return 0;
	commit_info_copy(v->out, c);
	return 1;
}

int history_commit(struct branch *b, uint64_t version, struct commit_info *ci, struct err *e)
{
	struct at_version v = { version, ci };
	int rc;

	*ci = (struct commit_info){ 0 };
	rc = history_scan(b->g, &b->lineage->step[lineage_owner(b->lineage, version)], on_version, &v, e);
	if (rc >= 0 && !ci->id[0])
		return err_set(e, ERR_NOT_FOUND, "version %llu not found on branch '%s'", (unsigned long long)version,
			       b->name);
	return rc < 0 ? rc : 0;
}

/* --- snapshots of the past ------------------------------------------------------------------------- */

static void past_clear(struct past *p)
{
	snapshot_put(p->last);
	state_put(p->st);
	memset(p, 0, sizeof(*p));
}

void past_drop(struct graph *g)
{
	pthread_mutex_lock(&g->past_lock);
	past_clear(&g->past);
	for (size_t i = 0; i < ARRAY_SIZE(g->found); i++)
		commit_info_clear(&g->found[i].ci);
	pthread_mutex_unlock(&g->past_lock);
}

/* @from: the oldest version that is needed as a base. */
static bool past_covers(const struct past *p, const struct branch *b, uint64_t from, uint64_t version)
{
	return p->st && !strcmp(p->id, b->lineage->step[0].id) && p->st->base.version <= from &&
	       version <= p->last->version;
}

static int past_load(struct past *p, struct branch *b, uint64_t from, uint64_t upto, struct err *e)
{
	struct load_stats ls;
	int rc;

	past_clear(p);
	rc = state_load(b->g, b->lineage, from, upto, &p->last, &ls, e);
	if (rc)
		return rc;
	memcpy(p->id, b->lineage->step[0].id, sizeof(p->id));
	p->st = state_get(p->last->st);
	return 0;
}

static struct snapshot *under_schema(struct state *st, uint64_t version, struct catalog *cat)
{
	struct binding *bind = binding_new(st, cat);
	struct snapshot *s = state_at(st, version, bind);

	binding_put(bind);
	return s;
}

/* @cat NULL: under the schema in force at @version. */
static int snapshot_of_past(struct branch *b, uint64_t version, struct catalog *cat, struct snapshot **out,
			    struct err *e)
{
	struct past *p = &b->g->past;
	int rc = 0;

	pthread_mutex_lock(&b->g->past_lock);
	if (!past_covers(p, b, version, version))
		rc = past_load(p, b, version, version, e);
	if (!rc) {
		*out = under_schema(p->st, version, cat ? cat : state_catalog(p->st, version));
		if (!*out)
			rc = err_set(e, ERR_HISTORY_RECLAIMED,
				     "the state of branch '%s' at version %llu is no longer stored", b->name,
				     (unsigned long long)version);
	}
	pthread_mutex_unlock(&b->g->past_lock);
	return rc;
}

/* Is the state still there? @commit_id may be NULL: then it is looked up for the message. */
static int check_kept(struct branch *b, uint64_t version, const char *commit_id, struct retention *out, struct err *e)
{
	int rc = retention_check(b->g, b->lineage, version, commit_id ? commit_id : "", out, e);
	struct commit_info ci;

	if (rc && !commit_id && e && e->code == ERR_HISTORY_RECLAIMED && !history_commit(b, version, &ci, NULL)) {
		err_clear(e);
		rc = retention_check(b->g, b->lineage, version, ci.id, out, e);
		commit_info_clear(&ci);
	}
	return rc;
}

/* A state could not be read, with @rc and @e. A cleanup may have removed it since it was asked for; then that is the reason. */
static int why_unreadable(struct branch *b, uint64_t version, const char *commit_id, int rc, struct err *e)
{
	struct err removed = ERR_INIT;
	int said = check_kept(b, version, commit_id, NULL, &removed);

	if (said && removed.code == ERR_HISTORY_RECLAIMED) {
		err_move(e, &removed);
		rc = said;
	}
	err_clear(&removed);
	return rc;
}

enum schema { OF_HEAD, OF_COMMIT }; /* to read a state under */

/* A state older than @head. */
static int snapshot_before(struct branch *b, const struct snapshot *head, uint64_t version, const char *commit_id,
			   enum schema schema, struct snapshot **out, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	if (schema == OF_HEAD)
		*out = state_at(head->st, version, head->bind);
	else
		*out = under_schema(head->st, version, state_catalog(head->st, version));
	pthread_mutex_unlock(&b->lock);
	if (!*out)
		rc = snapshot_of_past(b, version, schema == OF_HEAD ? head->bind->cat : NULL, out, e);
	return rc ? why_unreadable(b, version, commit_id, rc, e) : 0;
}

static int snapshot_at(struct branch *b, uint64_t version, const char *commit_id, enum schema schema,
		       struct snapshot **out, struct err *e)
{
	struct retention r = { 0 };
	struct snapshot *head;
	int rc = branch_snapshot(b, &head, e);

	if (rc)
		return rc;
	if (version == head->version) {
		*out = head;
		return 0;
	}
	rc = check_kept(b, version, commit_id, &r, e);
	if (!rc)
		rc = snapshot_before(b, head, version, commit_id, schema, out, e);
	if (!rc)
		retention_hide(*out, &r);
	retention_clear(&r);
	snapshot_put(head);
	return rc;
}

/* --- from commit to commit ---------------------------------------------------------------------------- */

static void leave_step(struct commit_step *s)
{
	snapshot_put(s->before);
	snapshot_put(s->after);
	s->before = s->after = NULL;
	s->node = NULL;
}

void commit_step_clear(struct commit_step *s)
{
	leave_step(s);
	free(s->floors);
	*s = (struct commit_step){ 0 };
}

/* The state is in @st; its nodes are stable: the branch's lock is held, or nobody applies to it any more. */
static int step_in(struct commit_step *s, struct state *st, uint64_t version, struct err *e)
{
	const struct commit_node *node = state_node(st, version);
	struct snapshot *before = NULL;

	if (node && s->after && s->after->st == st && s->after->version == version - 1)
		before = snapshot_get(s->after);
	else if (node)
		before = under_schema(st, version - 1, state_catalog(st, version - 1));
	leave_step(s);
	if (!before)
		return err_set(e, ERR_HISTORY_RECLAIMED, "the state before version %llu is no longer stored",
			       (unsigned long long)version);
	s->before = before;
	s->after = state_after(before, node, node->cat ? node->cat : before->bind->cat);
	s->node = node;
	return 0;
}

static int step_in_past(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, struct err *e)
{
	struct past *p = &b->g->past;
	int rc = 0;

	pthread_mutex_lock(&b->g->past_lock);
	if (!past_covers(p, b, version - 1, version))
		rc = past_load(p, b, version - 1, ahead > version ? ahead : version, e);
	/* a state that is kept for itself, as a fork point is, has no records behind it */
	if (rc == -ENOENT && e)
		rc = err_set(e, ERR_HISTORY_RECLAIMED, "the commit of version %llu was removed by cleanup",
			     (unsigned long long)version);
	if (!rc)
		rc = step_in(s, p->st, version, e);
	pthread_mutex_unlock(&b->g->past_lock);
	return rc;
}

/* Take over what the branch's retention says of single types. */
static void take_floors(struct commit_step *s, struct retention *r)
{
	free(s->floors);
	s->floors = r->types;
	s->n_floors = r->n_types;
	r->types = NULL;
	r->n_types = 0;
}

/* What is loaded stays; what is not may be gone. */
static int check_step(struct commit_step *s, struct branch *b, uint64_t version, struct err *e)
{
	struct retention r = { 0 };
	int rc;

	if (s->after && s->after->version == version - 1)
		return 0;
	rc = retention_check(b->g, b->lineage, version - 1, "", NULL, e);
	if (!rc)
		rc = retention_check(b->g, b->lineage, version, "", &r, e);
	if (!rc)
		take_floors(s, &r);
	retention_clear(&r);
	return rc;
}

/* Two states that are kept each for itself, with no record between them. */
static int step_apart(struct commit_step *s, struct branch *b, uint64_t version, struct err *e)
{
	int rc;

	leave_step(s);
	rc = snapshot_at(b, version - 1, NULL, OF_COMMIT, &s->before, e);
	if (!rc)
		rc = snapshot_at(b, version, NULL, OF_COMMIT, &s->after, e);
	if (rc)
		leave_step(s);
	return rc;
}

/* By the record of the commit. */
static int step_by_record(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, struct err *e)
{
	struct snapshot *head;
	struct retention r;
	int rc = branch_snapshot(b, &head, e);
	bool here;

	if (rc)
		return rc;
	pthread_mutex_lock(&b->lock);
	here = version > head->st->base.version && version <= head->version;
	if (here)
		rc = step_in(s, head->st, version, e);
	pthread_mutex_unlock(&b->lock);
	if (!here)
		rc = step_in_past(s, b, version, ahead, e);
	snapshot_put(head);
	if (rc)
		return rc;
	r = (struct retention){ .types = s->floors, .n_types = s->n_floors };
	if (!s->before->hidden)
		retention_hide(s->before, &r);
	retention_hide(s->after, &r);
	return 0;
}

int commit_step_to(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, struct err *e)
{
	struct err own = ERR_INIT;
	int rc = check_step(s, b, version, e);

	if (rc)
		return rc;
	rc = step_by_record(s, b, version, ahead, &own);
	if (rc && own.code != ERR_HISTORY_RECLAIMED)
		rc = why_unreadable(b, version - 1, NULL, why_unreadable(b, version, NULL, rc, &own), &own);
	if (rc && own.code == ERR_HISTORY_RECLAIMED)
		rc = step_apart(s, b, version, e);
	else if (rc)
		err_move(e, &own);
	err_clear(&own);
	return rc;
}

static int snapshot_of_commit(struct graph *g, const char *id, enum schema schema, struct snapshot **out, struct err *e)
{
	struct commit_info ci;
	struct branch *b;
	int rc = history_find(g, id, &b, &ci, e);

	if (rc)
		return rc;
	rc = snapshot_at(b, ci.version, ci.id, schema, out, e);
	branch_put(b);
	commit_info_clear(&ci);
	return rc;
}

/* What is there is read, whatever is said of it. */
static int read_unchecked(struct branch *b, const struct commit_info *ci, struct snapshot **out, struct err *e)
{
	const char *owner = b->lineage->step[lineage_owner(b->lineage, ci->version)].id;
	struct retention r = { 0 };
	struct snapshot *head;
	int rc = retention_read(b->g, owner, &r, e);

	if (!rc)
		rc = branch_snapshot_exact(b, &head, e);
	if (!rc) {
		rc = snapshot_before(b, head, ci->version, ci->id, OF_HEAD, out, e);
		snapshot_put(head);
	}
	if (!rc)
		retention_hide(*out, &r);
	retention_clear(&r);
	return rc;
}

int history_merge_base(struct graph *g, const char *id, struct snapshot **out, struct err *e)
{
	struct commit_info ci;
	struct branch *b;
	int rc = history_find(g, id, &b, &ci, e);

	if (rc)
		return rc;
	rc = read_unchecked(b, &ci, out, e);
	branch_put(b);
	commit_info_clear(&ci);
	return rc;
}

int history_snapshot(struct graph *g, const char *id, struct snapshot **out, struct err *e)
{
	return snapshot_of_commit(g, id, OF_COMMIT, out, e);
}

int graph_snapshot(struct graph *g, const char *branch, const char *commit_id, struct snapshot **out, struct err *e)
{
	struct branch *b;
	int rc;

	if (branch && commit_id)
		return err_set(e, ERR_BAD_REQUEST, "give either a branch or a snapshot, not both");
	if (commit_id)
		return snapshot_of_commit(g, commit_id, OF_HEAD, out, e);
	rc = branch_open(g, branch, &b, e);
	if (rc)
		return rc;
	rc = branch_snapshot(b, out, e);
	branch_put(b);
	return rc;
}

int graph_snapshot_version(struct graph *g, const char *branch, uint64_t version, struct snapshot **out, struct err *e)
{
	struct snapshot *head;
	struct branch *b;
	int rc = branch_open(g, branch, &b, e);

	if (rc)
		return rc;
	rc = branch_snapshot(b, &head, e);
	if (!rc) {
		if (!version || version > head->version)
			rc = err_set(e, ERR_NOT_FOUND, "version %llu not found on branch '%s'",
				     (unsigned long long)version, b->name);
		else
			rc = snapshot_at(b, version, NULL, OF_HEAD, out, e);
		snapshot_put(head);
	}
	branch_put(b);
	return rc;
}
