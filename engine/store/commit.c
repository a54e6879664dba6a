/* SPDX-License-Identifier: MIT */
/*
 * Writing: prepare under the branch's write_lock, apply to memory, queue; the first in the queue leads: it appends one record
 * with the commits of all and publishes them. See txn.h and graph_priv.h.
 *
 * A writer builds on the newest applied snapshot (spec), which may hold commits that are queued or being appended. When the append
 * fails, or another process was first, all of them are taken back (queue_undo) and every writer that built on them learns it:
 * those in the queue by their entry, the one that is preparing by spec having changed.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <omnigraph/failpoint.h>

#include "txn_priv.h"

#define BATCH_MAX_BYTES (8u << 20)
#define BATCH_MAX_COMMITS 1024

/* Outcomes of one attempt besides 0 and an error. */
#define WRITE_LOST 1  /* another process moved the head under it */
#define WRITE_AGAIN 2 /* it built on commits of this process that did not come to be */
#define WRITE_CONTENTION 3

enum pending_state { PENDING_QUEUED, PENDING_TAKEN, PENDING_DONE, PENDING_FAILED };

struct pending {
	struct pending *next;
	struct strbuf body;
	struct snapshot *snap;
	struct journal journal;
	enum pending_state state;
	int rc;
	struct err err;
	pthread_cond_t wake;
};

struct write {
	struct graph *g;
	struct branch *b;
	const struct write_req *req;
	int64_t created_at;
	bool *committed;
	struct commit_info *out;
	bool look;	/* ask the store for the head before the next attempt */
	bool exact;	/* that was done for this one */
	bool published; /* it got as far as the log */
};

/* --- errors ---------------------------------------------------------------------------------------- */

static int precondition(const struct write *w, const char *actual, struct err *e)
{
	int rc =
		err_set(e, ERR_PRECONDITION, "precondition failed on branch '%s': expected head '%s' but current is %s",
			w->b->name, w->req->expected_head, actual);

	err_detail(e, "branch", w->b->name);
	err_detail(e, "expected", w->req->expected_head);
	err_detail(e, "actual", actual);
	return rc;
}

int read_set_changed(const char *what, const char *branch, const char *expected, const char *actual, struct err *e)
{
	struct strbuf member = STRBUF_INIT;
	int rc;

	sb_addf(&member, branch ? "%s:%s" : "%s", what, branch);
	rc = err_set(e, ERR_READ_SET_CHANGED,
		     "write authority '%s' changed during preparation (expected %s, current %s) — reprepare from the "
		     "current branch state",
		     member.s, expected ? expected : "<absent>", actual ? actual : "<absent>");
	err_detail(e, "member", member.s);
	err_detail(e, "expected", expected);
	err_detail(e, "actual", actual);
	sb_free(&member);
	return rc;
}

static void copy_err(struct err *dst, const struct err *src)
{
	err_set(dst, src->code ? src->code : ERR_STORAGE, "%s", err_msg(src));
	for (uint32_t i = 0; i < src->n_details; i++)
		err_detail(dst, src->details[i].name, src->details[i].value);
}

/* --- the queue; branch.lock is held ---------------------------------------------------------------- */

static void enqueue(struct branch *b, struct pending *p)
{
	p->state = PENDING_QUEUED;
	p->next = NULL;
	*b->queue_tail = p;
	b->queue_tail = &p->next;
}

static void undo_all(struct branch *b)
{
	struct pending **all;
	size_t n = 0;

	for (struct pending *p = b->queue; p; p = p->next)
		n++;
	all = mem_alloc((n + 1) * sizeof(*all));
	n = 0;
	for (struct pending *p = b->queue; p; p = p->next)
		all[n++] = p;
	while (n-- > 0) {
		state_undo(b->st, &all[n]->journal);
		all[n]->snap->undone = true;
	}
	free(all);
}

static void fail_entry(struct pending *p, int rc, const struct err *why)
{
	p->state = PENDING_FAILED;
	p->rc = rc;
	if (why)
		copy_err(&p->err, why);
	pthread_cond_signal(&p->wake);
}

/* Take back everything that is applied but not durable. -EAGAIN: the writers lost a race; else they fail with @why. */
void queue_undo(struct branch *b, int rc, const struct err *why)
{
	struct pending *p = b->queue, *next;

	undo_all(b);
	for (; p; p = next) {
		next = p->next;
		fail_entry(p, rc, why);
	}
	b->queue = NULL;
	b->queue_tail = &b->queue;
	if (b->spec != b->head) {
		snapshot_put(b->spec);
		b->spec = snapshot_get(b->head);
	}
	pthread_cond_broadcast(&b->settled);
}

/* --- the leader ------------------------------------------------------------------------------------ */

struct batch {
	struct strbuf record;
	struct pending *last;
	uint32_t n;
	char first_id[ULID_LEN + 1];
};

static void take_batch(struct branch *b, struct batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	record_begin(&batch->record);
	for (struct pending *p = b->queue; p && batch->n < BATCH_MAX_COMMITS; p = p->next) {
		if (batch->n && batch->record.n + p->body.n > BATCH_MAX_BYTES)
			break;
		sb_add(&batch->record, p->body.s, p->body.n);
		p->state = PENDING_TAKEN;
		batch->last = p;
		batch->n++;
	}
	record_finish(&batch->record, batch->n);
	memcpy(batch->first_id, b->queue->snap->ci.id, sizeof(batch->first_id));
}

static int compare_incarnation(struct branch *b, struct err *e)
{
	const char *mine = b->lineage->step[0].id;
	struct branch_ref r;
	int rc = ref_read(b->g, b->name, &r, e);

	if (rc == -ENOENT)
		return read_set_changed("branch_identifier", b->name, mine, NULL, e);
	if (rc)
		return rc;
	if (strcmp(r.lineage->step[0].id, mine) != 0)
		rc = read_set_changed("branch_identifier", b->name, mine, r.lineage->step[0].id, e);
	branch_ref_clear(&r);
	return rc;
}

/* On main nothing can happen to the branch itself; elsewhere it may have been deleted, or deleted and made again. */
static int check_incarnation(struct branch *b, struct err *e)
{
	struct store_stat st;
	char key[KEY_MAX];
	bool same;

	if (is_main(b->name))
		return 0;
	ref_key(b->name, key);
	if (!store_head(b->g->store, key, &st, NULL) && st.token.s[0]) {
		pthread_mutex_lock(&b->g->lock);
		same = !strcmp(st.token.s, b->token.s);
		pthread_mutex_unlock(&b->g->lock);
		if (same)
			return 0;
	}
	return compare_incarnation(b, e);
}

static int on_readback(void *arg, uint64_t seq, const void *data, size_t n)
{
	char *id = arg;
	struct rec_commit c;
	struct dec d;
	uint32_t n_commits;

	if (!record_open(data, n, &d, &n_commits, NULL) && n_commits && !commit_decode(&d, &c, NULL))
		memcpy(id, c.id, ULID_LEN + 1);
	return 1;
}

/* An append that failed may have happened all the same: the log knows. */
static bool append_happened(struct branch *b, uint64_t seq, const char *first_id)
{
	char id[ULID_LEN + 1] = "";

	store_log_read(b->g->store, b->log, seq, on_readback, id, NULL);
	return !strcmp(id, first_id);
}

/* Entries of the batch leave the queue, published. */
static void publish_batch(struct branch *b, struct batch *batch, uint64_t seq)
{
	struct pending *p = b->queue, *next;

	b->queue = batch->last->next;
	if (!b->queue)
		b->queue_tail = &b->queue;
	batch->last->next = NULL;
	for (struct pending *q = p; q; q = q->next)
		q->snap->seq = seq;
	branch_publish(b, batch->last->snap, seq + 1);
	b->tail_records++;
	b->tail_bytes += batch->record.n;
	for (; p; p = next) {
		next = p->next;
		p->state = PENDING_DONE;
		pthread_cond_signal(&p->wake);
	}
}

/* Append the batch, without any lock. The leader's own entry is the first of it. */
static int append_batch(struct branch *b, struct batch *batch, uint64_t seq, struct err *e)
{
	int rc = store_log_append(b->g->store, b->log, seq, batch->record.s, batch->record.n, e);

	if (rc && append_happened(b, seq, batch->first_id)) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

/* Before the append: what may still stop it. Without any lock. */
static int gate(struct branch *b, struct err *e)
{
	int rc = FAILPOINT("graph_publish.before_commit_append", e);

	return rc ? rc : check_incarnation(b, e);
}

static void finish_batch(struct branch *b, struct batch *batch, uint64_t seq, int rc, const struct err *why)
{
	b->appending = false;
	if (rc) {
		queue_undo(b, rc, why);
	} else {
		publish_batch(b, batch, seq);
		checkpoint_consider(b);
		if (b->queue)
			pthread_cond_signal(&b->queue->wake); /* the next leader */
	}
	pthread_cond_broadcast(&b->settled);
}

/* branch.lock is held, and given up meanwhile. @own is the first of the queue. */
static void lead(struct branch *b, struct pending *own)
{
	struct err err = ERR_INIT;
	struct batch batch;
	uint64_t seq;
	int rc;

	pthread_mutex_unlock(&b->lock);
	rc = gate(b, &err);
	pthread_mutex_lock(&b->lock);
	if (rc && own->state == PENDING_QUEUED)
		queue_undo(b, rc, &err);
	if (own->state != PENDING_QUEUED) { /* taken back; all in the queue have been told */
		err_clear(&err);
		return;
	}
	take_batch(b, &batch);
	seq = atomic_load(&b->next_seq);
	b->appending = true;
	memcpy(b->appending_id, batch.first_id, sizeof(b->appending_id));
	pthread_mutex_unlock(&b->lock);

	rc = append_batch(b, &batch, seq, &err);
	if (!rc)
		own->rc = FAILPOINT("graph_publish.after_manifest_commit", &own->err);

	pthread_mutex_lock(&b->lock);
	finish_batch(b, &batch, seq, rc, &err);
	sb_free(&batch.record);
	err_clear(&err);
}

/* See a queued commit through: wait, or lead when it is the first. branch.lock is held. */
static void see_through(struct branch *b, struct pending *p)
{
	while (p->state != PENDING_DONE && p->state != PENDING_FAILED) {
		if (b->queue == p && !b->appending)
			lead(b, p);
		else
			pthread_cond_wait(&p->wake, &b->lock);
	}
}

/* --- one attempt ----------------------------------------------------------------------------------- */

/* Wait until what @base builds on is durable or taken back. True: it stands. */
static bool settle(struct branch *b, const struct snapshot *base)
{
	bool stands;

	pthread_mutex_lock(&b->lock);
	while (!base->seq && !base->undone)
		pthread_cond_wait(&b->settled, &b->lock);
	stands = !base->undone;
	pthread_mutex_unlock(&b->lock);
	return stands;
}

static int take_base(struct write *w, struct snapshot **base, struct err *e)
{
	struct branch *b = w->b;
	int rc;

	pthread_mutex_lock(&b->lock);
	w->published = false;
	w->exact = w->look || !b->loaded || !b->g->remote;
	rc = branch_load(b, e);
	if (!rc && w->exact)
		rc = branch_refresh(b, e);
	if (!rc)
		*base = snapshot_get(b->spec);
	pthread_mutex_unlock(&b->lock);
	if (!rc && FAILPOINT("publish.load_state_retryable_contention", e)) {
		err_clear(e);
		snapshot_put(*base);
		rc = WRITE_CONTENTION;
	}
	return rc;
}

static bool head_expected(const struct write *w, const struct snapshot *base)
{
	return !w->req->expected_head || !strcmp(w->req->expected_head, base->ci.id);
}

/* What is damaged reads as absent: a write that was judged on it is neither good nor bad. */
static int prepare(struct write *w, struct txn *t, struct err *e)
{
	int rc = w->req->prepare(w->req->arg, t, e);

	if (!rc)
		rc = txn_validate(t, e);
	if (!snapshot_damage(t->base, NULL))
		return rc;
	err_clear(e);
	return snapshot_damage(t->base, e);
}

/* Nothing to write: the answer holds if the head it was found on does, and is still the expected one. */
static int finish_no_effect(struct write *w, struct snapshot *base, struct err *e)
{
	struct snapshot *now;
	int rc = FAILPOINT("mutation.post_no_effect_pre_gate", e);

	if (rc)
		return rc;
	if (!settle(w->b, base))
		return WRITE_AGAIN;
	*w->committed = false;
	if (!w->req->expected_head)
		return 0;
	rc = branch_snapshot_exact(w->b, &now, e);
	if (rc)
		return rc;
	if (!head_expected(w, now))
		rc = precondition(w, now->ci.id, e);
	snapshot_put(now);
	return rc;
}

static void describe(struct write *w, const struct snapshot *base, struct rec_commit *c)
{
	static const enum log_kind kinds[] = { [WRITE_MUTATION] = LOG_MUTATION,
					       [WRITE_LOAD] = LOG_LOAD,
					       [WRITE_MERGE] = LOG_MERGE,
					       [WRITE_SCHEMA] = LOG_SCHEMA };

	memset(c, 0, sizeof(*c));
	ulid_new(c->id);
	memcpy(c->parent, base->ci.id, sizeof(c->parent));
	c->version = base->version + 1;
	c->created_at = w->created_at;
	c->kind = kinds[w->req->kind];
	if (w->req->actor)
		c->actor = str_from(w->req->actor);
	if (w->req->merged_parent && ulid_valid(str_from(w->req->merged_parent)))
		memcpy(c->merged_parent, w->req->merged_parent, sizeof(c->merged_parent));
}

/* Apply the encoded commit to memory and queue it. branch.lock is held. */
static int apply_pending(struct branch *b, struct snapshot *base, struct pending *p, struct err *e)
{
	struct dec d = dec_of(p->body.s, p->body.n);
	struct rec_commit c;
	int rc;

	if (b->spec != base)
		return base->seq ? WRITE_LOST : WRITE_AGAIN;
	rc = commit_decode(&d, &c, e);
	if (!rc)
		rc = state_apply(b->st, base, &c, b->label, 0, &p->journal, &p->snap, e);
	if (rc)
		return rc;
	snapshot_put(b->spec);
	b->spec = snapshot_get(p->snap);
	enqueue(b, p);
	return 0;
}

static int outcome(struct write *w, struct snapshot *base, struct pending *p, struct err *e)
{
	if (p->state == PENDING_DONE && !p->rc) {
		*w->committed = true;
		if (w->out)
			commit_info_copy(w->out, &p->snap->ci);
	}
	if (p->rc == -EAGAIN && p->err.code != ERR_READ_SET_CHANGED)
		return base->undone ? WRITE_AGAIN : WRITE_LOST;
	if (p->rc)
		err_move(e ? e : &p->err, &p->err);
	return p->rc;
}

static void pending_free(struct pending *p)
{
	sb_free(&p->body);
	snapshot_put(p->snap);
	journal_free(&p->journal);
	pthread_cond_destroy(&p->wake);
	err_clear(&p->err);
}

/* Everything is staged and valid. Gives up write_lock as soon as the commit is queued. */
static int publish(struct write *w, struct txn *t, struct err *e)
{
	struct strbuf schema = STRBUF_INIT;
	struct pending p = { 0 };
	struct rec_commit c;
	size_t changes;
	int rc;

	w->published = true;
	pthread_cond_init(&p.wake, NULL);
	describe(w, t->base, &c);
	if (t->schema[0]) {
		enc_digest(&schema, t->schema);
		c.schema = sb_str(&schema);
	}
	rc = FAILPOINT("mutation.post_stage_pre_effect_gate", e);
	if (!rc)
		rc = txn_encode(t, &c, &p.body, &changes, e);
	if (!rc)
		rc = snapshot_damage(t->base, e); /* encoding looks rows up, too */
	if (!rc && w->req->kind == WRITE_MERGE)
		rc = FAILPOINT("branch_merge.post_phase_b_pre_manifest_commit", e);
	else if (!rc)
		rc = FAILPOINT("mutation.post_finalize_pre_publisher", e);
	sb_free(&schema);
	pthread_mutex_lock(&w->b->lock);
	if (!rc)
		rc = apply_pending(w->b, t->base, &p, e);
	pthread_mutex_unlock(&w->b->write_lock);
	if (!rc) {
		see_through(w->b, &p);
		rc = outcome(w, t->base, &p, e);
	}
	pthread_mutex_unlock(&w->b->lock);
	pending_free(&p);
	return rc;
}

/* write_lock is held; it is given up before the return. */
static int attempt_on(struct write *w, struct snapshot *base, int64_t now_ms, struct err *e)
{
	struct txn t;
	int rc;

	txn_begin(&t, w->g, base, now_ms, w->req->limited);
	rc = prepare(w, &t, e);
	if (!rc && (t.forced || txn_has_effect(&t))) {
		rc = publish(w, &t, e);
	} else {
		pthread_mutex_unlock(&w->b->write_lock);
		if (!rc)
			rc = finish_no_effect(w, base, e);
		else if (!settle(w->b, base))
			rc = WRITE_AGAIN; /* the error may come from what never came to be */
	}
	txn_end(&t);
	return rc;
}

static int attempt(struct write *w, char base_id[ULID_LEN + 1], struct err *e)
{
	struct snapshot *base = NULL;
	int rc;

	pthread_mutex_lock(&w->b->write_lock);
	rc = take_base(w, &base, e);
	if (rc) {
		pthread_mutex_unlock(&w->b->write_lock);
		return rc;
	}
	memcpy(base_id, base->ci.id, sizeof(base->ci.id));
	if (head_expected(w, base)) {
		rc = attempt_on(w, base, w->created_at / 1000, e);
	} else {
		pthread_mutex_unlock(&w->b->write_lock);
		rc = settle(w->b, base) ? precondition(w, base->ci.id, e) : WRITE_AGAIN;
	}
	snapshot_put(base);
	return rc;
}

/* --- the whole write ------------------------------------------------------------------------------- */

static int give_up(struct write *w, int why, const char *base_id, struct err *e)
{
	struct snapshot *now;
	int rc;

	err_clear(e);
	if (why == WRITE_CONTENTION)
		return err_set(
			e, ERR_RETRYABLE_CONFLICT,
			"retryable storage commit conflict: the head of branch '%s' kept moving during %d attempts; "
			"retry the write",
			w->b->name, LIMIT_WRITE_ATTEMPTS);
	rc = branch_snapshot_exact(w->b, &now, e);
	if (rc)
		return rc;
	if (w->req->expected_head)
		rc = precondition(w, now->ci.id, e);
	else
		rc = read_set_changed("graph_head", w->b->name, base_id, now->ci.id, e);
	snapshot_put(now);
	return rc;
}

/* Losers wait a little, longer each time and not all alike, so that many processes get past each other. */
static void back_off(int attempt)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	usleep(r % (uint32_t)(200 * (attempt + 1)));
}

/*
 * Where asking for the end of the log is a request, the first attempt takes the head that is known here for the newest: the append shows
 * whether it is. Every other answer than a commit is given only on a head that was asked for.
 */
static bool must_look(const struct write *w, int rc)
{
	return !w->exact && (rc > 0 || !w->published);
}

static int write_on(struct write *w, struct err *e)
{
	char base_id[ULID_LEN + 1] = "";
	int rc = 0;

	for (int i = 0; i < LIMIT_WRITE_ATTEMPTS; i++) {
		rc = attempt(w, base_id, e);
		if (must_look(w, rc)) {
			err_clear(e);
			w->look = true;
			rc = attempt(w, base_id, e);
		}
		if (rc <= 0)
			return rc;
		err_clear(e);
		if (rc == WRITE_LOST && (!w->req->retryable || w->req->expected_head))
			break;
		if (rc != WRITE_AGAIN)
			back_off(i);
	}
	return give_up(w, rc, base_id, e);
}

int graph_write(struct graph *g, const struct write_req *req, bool *committed, struct commit_info *out, struct err *e)
{
	struct err own = ERR_INIT;
	struct write w = { .g = g, .req = req, .committed = committed, .out = out, .created_at = time_now_us() };
	int rc;

	*committed = false;
	if (g->read_only)
		return err_set(e, ERR_BAD_REQUEST, "graph at '%s' is open read-only; open it read-write to change it",
			       graph_uri(g));
	rc = branch_open(g, req->branch, &w.b, e);
	if (rc)
		return rc;
	rc = write_on(&w, e ? e : &own);
	branch_put(w.b);
	err_clear(&own);
	return rc;
}
