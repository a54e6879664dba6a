/* SPDX-License-Identifier: MIT */
/* A branch in memory: finding it, loading its state, following the log, publishing. */
#include <errno.h>

#include <omnigraph/failpoint.h>

#include "graph_priv.h"

/* --- lineage --------------------------------------------------------------------------------------- */

struct lineage *lineage_new(uint32_t n)
{
	struct lineage *l = mem_zalloc(sizeof(*l) + n * sizeof(l->step[0]));

	l->n = n;
	return l;
}

void lineage_free(struct lineage *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		free(l->step[i].label);
	free(l);
}

uint32_t lineage_owner(const struct lineage *l, uint64_t version)
{
	uint32_t i = 0;

	while (i + 1 < l->n && version <= l->step[i + 1].upto)
		i++;
	return i;
}

/* --- lifetime -------------------------------------------------------------------------------------- */

struct branch *branch_new(struct graph *g, const char *name, struct lineage *lineage)
{
	struct branch *b = mem_zalloc(sizeof(*b));

	ref_init(&b->ref);
	b->g = g;
	b->name = mem_strdup(name);
	b->label = is_main(name) ? NULL : b->name;
	b->lineage = lineage;
	log_key(lineage->step[0].id, b->log);
	pthread_mutex_init(&b->write_lock, NULL);
	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->head_lock, NULL);
	pthread_cond_init(&b->settled, NULL);
	b->queue_tail = &b->queue;
	return b;
}

struct branch *branch_get(struct branch *b)
{
	ref_get(&b->ref);
	return b;
}

void branch_put(struct branch *b)
{
	if (!b || !ref_put(&b->ref))
		return;
	snapshot_put(b->head);
	snapshot_put(b->spec);
	state_put(b->st);
	lineage_free(b->lineage);
	pthread_mutex_destroy(&b->write_lock);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->head_lock);
	pthread_cond_destroy(&b->settled);
	free(b->name);
	free(b);
}

/* --- finding --------------------------------------------------------------------------------------- */

static struct branch **find_slot(struct graph *g, const char *name)
{
	struct branch **p = &g->branches;

	while (*p && strcmp((*p)->name, name) != 0)
		p = &(*p)->next;
	return p;
}

void branch_forget(struct graph *g, const char *name)
{
	struct branch **p, *b;

	pthread_mutex_lock(&g->lock);
	p = find_slot(g, name);
	b = *p;
	if (b)
		*p = b->next;
	pthread_mutex_unlock(&g->lock);
	branch_put(b);
}

static struct branch *find_known(struct graph *g, const char *name, const struct store_token *token)
{
	struct branch *b;

	pthread_mutex_lock(&g->lock);
	b = *find_slot(g, name);
	if (b && token && strcmp(b->token.s, token->s) != 0)
		b = NULL;
	if (b)
		branch_get(b);
	pthread_mutex_unlock(&g->lock);
	return b;
}

static int branch_missing(const char *name, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "branch '%s' not found", name);
}

/* Take over what the ref says: the branch known by this name, if it is the same incarnation, else a new one. */
static struct branch *adopt(struct graph *g, struct branch_ref *r)
{
	struct branch **p, *b, *old = NULL;

	pthread_mutex_lock(&g->lock);
	p = find_slot(g, r->name);
	b = *p;
	if (b && strcmp(b->lineage->step[0].id, r->lineage->step[0].id) != 0) {
		old = b;
		*p = b->next;
		b = NULL;
	}
	if (!b) {
		b = branch_new(g, r->name, r->lineage);
		r->lineage = NULL;
		b->next = g->branches;
		g->branches = b;
	}
	b->token = r->token;
	branch_get(b);
	pthread_mutex_unlock(&g->lock);
	branch_put(old);
	return b;
}

static int open_ref(struct graph *g, const char *name, struct branch **out, struct err *e)
{
	struct branch_ref r;
	int rc = ref_read(g, name, &r, e);

	if (rc == -ENOENT) {
		branch_forget(g, name);
		return branch_missing(name, e);
	}
	if (rc)
		return rc;
	*out = adopt(g, &r);
	branch_ref_clear(&r);
	return 0;
}

int branch_open(struct graph *g, const char *name, struct branch **out, struct err *e)
{
	struct store_stat st;
	char key[KEY_MAX];
	int rc;

	if (is_main(name)) {
		*out = branch_get(g->main);
		return 0;
	}
	ref_key(name, key);
	rc = store_head(g->store, key, &st, e);
	if (rc == -ENOENT) {
		branch_forget(g, name);
		return branch_missing(name, e);
	}
	if (rc)
		return rc;
	*out = st.token.s[0] ? find_known(g, name, &st.token) : NULL;
	return *out ? 0 : open_ref(g, name, out, e);
}

/* --- following the log ----------------------------------------------------------------------------- */

void branch_publish(struct branch *b, struct snapshot *s, uint64_t next_seq)
{
	struct snapshot *old;

	pthread_mutex_lock(&b->head_lock);
	old = b->head;
	b->head = snapshot_get(s);
	atomic_store_explicit(&b->next_seq, next_seq, memory_order_relaxed);
	pthread_mutex_unlock(&b->head_lock);
	snapshot_put(old);
}

struct snapshot *branch_head(struct branch *b)
{
	struct snapshot *s;

	pthread_mutex_lock(&b->head_lock);
	s = snapshot_get(b->head);
	pthread_mutex_unlock(&b->head_lock);
	return s;
}

static void take_stats(struct branch *b, const struct load_stats *ls)
{
	b->tail_bytes += ls->tail_bytes;
	b->tail_records += ls->tail_records;
	if (ls->ckpt_version > b->ckpt_version)
		b->ckpt_version = ls->ckpt_version;
}

int branch_load(struct branch *b, struct err *e)
{
	struct load_stats ls;
	struct snapshot *s;
	int rc;

	if (b->loaded)
		return 0;
	rc = state_load(b->g, b->lineage, UINT64_MAX, UINT64_MAX, &s, &ls, e);
	if (rc)
		return rc;
	b->st = state_get(s->st);
	b->spec = s;
	take_stats(b, &ls);
	branch_publish(b, s, ls.next_seq);
	b->loaded = true;
	return 0;
}

struct first_id {
	char id[ULID_LEN + 1];
};

static int read_first_id(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct first_id *f = arg;
	struct rec_commit c;
	struct dec d;
	uint32_t n_commits;

	if (!record_open(data, n, &d, &n_commits, NULL) && n_commits && !commit_decode(&d, &c, NULL))
		memcpy(f->id, c.id, sizeof(f->id));
	return 1;
}

/* Is the record at the log's end, which this process is just appending, ours? Then it is not acknowledged yet. */
static bool tail_is_ours(struct branch *b)
{
	struct first_id f = { "" };

	store_log_read(b->g->store, b->log, atomic_load(&b->next_seq), read_first_id, &f, NULL);
	return f.id[0] && !strcmp(f.id, b->appending_id);
}

/* The log was trimmed beyond what this process has seen: begin anew from the newest checkpoint. */
static int load_anew(struct branch *b, struct err *e)
{
	struct state *old = b->st;
	struct load_stats ls;
	struct snapshot *s;
	int rc = state_load(b->g, b->lineage, UINT64_MAX, UINT64_MAX, &s, &ls, e);

	if (rc)
		return rc;
	b->st = state_get(s->st);
	snapshot_put(b->spec);
	b->spec = s;
	b->tail_bytes = ls.tail_bytes;
	b->tail_records = ls.tail_records;
	b->ckpt_version = ls.ckpt_version;
	branch_publish(b, s, ls.next_seq);
	state_put(old);
	return 0;
}

/* New records of others: apply and publish them. What this process had applied but not appended is lost. */
static int follow(struct branch *b, struct err *e)
{
	uint64_t seq = atomic_load(&b->next_seq);
	struct load_stats ls = { 0 };
	int rc;

	queue_undo(b, -EAGAIN, NULL);
	rc = FAILPOINT("schema_reload.before_contract_read", e);
	if (!rc)
		rc = log_apply(b->g, b->lineage->step[0].id, b->label, seq, UINT64_MAX, b->st, &b->spec, &ls, e);
	if (rc == -ENOENT) {
		rc = load_anew(b, e);
		if (!rc) {
			err_clear(e);
			return 0;
		}
	}
	if (b->spec != b->head) {
		take_stats(b, &ls);
		branch_publish(b, b->spec, ls.next_seq);
	}
	return rc;
}

int branch_refresh(struct branch *b, struct err *e)
{
	for (;;) {
		uint64_t next;
		int rc = store_log_tail(b->g->store, b->log, &next, e);

		if (rc)
			return rc;
		if (next <= atomic_load(&b->next_seq))
			return 0;
		if (!b->appending)
			return follow(b, e);
		if (next == atomic_load(&b->next_seq) + 1 && tail_is_ours(b))
			return 0;
		pthread_cond_wait(&b->settled, &b->lock);
	}
}

static int refresh_locked(struct branch *b, struct err *e)
{
	int rc;

	pthread_mutex_lock(&b->lock);
	rc = branch_load(b, e);
	if (!rc)
		rc = branch_refresh(b, e);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* On an object store asking for the end of the log is a request: reads may do with a head that was fresh a moment ago. */
static bool fresh_enough(struct branch *b)
{
	int64_t age;

	if (!b->g->head_max_age_ms || !atomic_load(&b->next_seq))
		return false;
	age = time_mono_us() - atomic_load_explicit(&b->checked_us, memory_order_relaxed);
	return age < (int64_t)b->g->head_max_age_ms * 1000;
}

static int look_for_commits(struct branch *b, struct err *e)
{
	int64_t now = time_mono_us();
	uint64_t next;
	int rc = store_log_tail(b->g->store, b->log, &next, e);

	if (!rc && next > atomic_load_explicit(&b->next_seq, memory_order_relaxed)) {
		rc = refresh_locked(b, e);
		if (!rc)
			rc = FAILPOINT("read.refresh_post_state_pre_lineage", e);
	}
	if (!rc)
		atomic_store_explicit(&b->checked_us, now, memory_order_relaxed);
	return rc;
}

int branch_snapshot_exact(struct branch *b, struct snapshot **out, struct err *e)
{
	int rc = look_for_commits(b, e);

	if (!rc)
		*out = branch_head(b);
	return rc;
}

int branch_snapshot(struct branch *b, struct snapshot **out, struct err *e)
{
	int rc = fresh_enough(b) ? 0 : look_for_commits(b, e);

	if (rc)
		return rc;
	*out = branch_head(b);
	return 0;
}
