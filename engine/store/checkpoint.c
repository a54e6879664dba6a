/* SPDX-License-Identifier: MIT */
/* When checkpoints are written, and by whom: a thread of the handle, after the write that made one due has been acknowledged. */
#include <errno.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/thread.h>

#include "graph_priv.h"

#define TAIL_MAX_BYTES (4u << 20)
#define TAIL_MAX_RECORDS 4096u
#define RETRY_RECORDS 512u
#define COMPACT_TRIES 8

/* --- writing --------------------------------------------------------------------------------------- */

struct tail {
	struct snapshot *head;
	uint64_t seq, bytes, records;
};

static int take_tail(struct branch *b, struct tail *t, struct err *e)
{
	int rc;

	pthread_mutex_lock(&b->lock);
	rc = branch_load(b, e);
	if (!rc)
		rc = branch_refresh(b, e);
	if (!rc) {
		t->head = branch_head(b);
		t->seq = atomic_load(&b->next_seq) - 1;
		t->bytes = b->tail_bytes;
		t->records = b->tail_records;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* Is there a commit of the branch's own behind its newest checkpoint? */
static bool due(struct branch *b, const struct tail *t)
{
	const struct lineage *l = b->lineage;
	uint64_t covered = l->n > 1 ? l->step[1].upto : 0;

	pthread_mutex_lock(&b->lock);
	covered = b->ckpt_version > covered ? b->ckpt_version : covered;
	pthread_mutex_unlock(&b->lock);
	return t->head->version > covered;
}

/* The checkpoint of the tail's end is there. */
static void covered(struct branch *b, const struct tail *t)
{
	pthread_mutex_lock(&b->lock);
	b->ckpt_version = t->head->version;
	b->tail_bytes -= t->bytes;
	b->tail_records -= t->records;
	pthread_mutex_unlock(&b->lock);
}

/* Under branch.write_lock and branch.lock, nothing queued: replace what is in memory by @s, caught up with the log. */
static int swap_state(struct branch *b, struct snapshot **s, const struct load_stats *ls, struct err *e)
{
	struct load_stats more = { 0 };
	struct state *st = state_get((*s)->st), *old = b->st;
	int rc = log_apply(b->g, b->lineage->step[0].id, b->label, ls->next_seq, UINT64_MAX, st, s, &more, e);

	if (rc) {
		state_put(st);
		return rc;
	}
	b->st = st;
	snapshot_put(b->spec);
	b->spec = snapshot_get(*s);
	branch_publish(b, *s, more.next_seq);
	b->tail_bytes = ls->tail_bytes + more.tail_bytes;
	b->tail_records = ls->tail_records + more.tail_records;
	state_put(old);
	return 0;
}

/* Read the state anew from the checkpoint, so that the rows now in segments leave the heap. */
static int rebase(struct branch *b, struct err *e)
{
	struct load_stats ls;
	struct snapshot *s;
	int rc = state_load(b->g, b->lineage, UINT64_MAX, UINT64_MAX, &s, &ls, e);

	if (rc)
		return rc;
	pthread_mutex_lock(&b->write_lock);
	pthread_mutex_lock(&b->lock);
	while (b->queue || b->appending)
		pthread_cond_wait(&b->settled, &b->lock);
	rc = swap_state(b, &s, &ls, e);
	pthread_mutex_unlock(&b->lock);
	pthread_mutex_unlock(&b->write_lock);
	snapshot_put(s);
	return rc;
}

static int write_locked(struct branch *b, const struct tail *t, struct err *e)
{
	const char *id = b->lineage->step[0].id;
	struct strbuf obj = STRBUF_INIT;
	int rc;

	if (!due(b, t))
		return 0;
	rc = checkpoint_build(b->g, id, t->head, t->seq, NULL, &obj, e);
	if (!rc)
		rc = ckpt_put(b->g, id, t->head->version, NULL, &obj, e);
	if (rc == -EEXIST) { /* another process was first */
		err_clear(e);
		rc = 0;
	}
	if (!rc) {
		covered(b, t);
		rc = rebase(b, e);
	}
	sb_free(&obj);
	return rc;
}

static int checkpoint_write(struct branch *b, struct err *e)
{
	struct tail t = { 0 };
	int rc;

	pthread_mutex_lock(&b->g->ckpt_lock);
	rc = take_tail(b, &t, e);
	if (!rc)
		rc = write_locked(b, &t, e);
	pthread_mutex_unlock(&b->g->ckpt_lock);
	snapshot_put(t.head);
	return rc;
}

/* --- compaction ------------------------------------------------------------------------------------ */

struct done {
	const struct type *type;
	uint32_t replaced, written;
};

struct compact_job {
	const struct compaction *asked;
	struct done *done;
	size_t n, cap;
	bool changed;
};

static void note_table(void *arg, const struct type *t, uint32_t replaced, uint32_t written)
{
	struct compact_job *job = arg;

	job->changed |= replaced != 0;
	MEM_GROW(job->done, job->n, job->cap);
	job->done[job->n++] = (struct done){ t, replaced, written };
}

static void report_tables(const struct compact_job *job)
{
	for (size_t i = 0; i < job->n; i++)
		job->asked->table(job->asked->arg, job->done[i].type, job->done[i].replaced, job->done[i].written);
}

/* Where a checkpoint of the head is already, what takes its place is built on it and nothing else: see ckpt_put. */
static int reload_tail(struct branch *b, struct tail *t, bool *again, struct err *e)
{
	struct load_stats ls;
	struct snapshot *s;
	int rc = state_load(b->g, b->lineage, UINT64_MAX, UINT64_MAX, &s, &ls, e);

	if (rc)
		return rc;
	*again = s->version != t->head->version;
	snapshot_put(t->head);
	t->head = s;
	t->seq = ls.next_seq - 1;
	return 0;
}

static int compact_tail(struct branch *b, struct tail *t, struct compact_job *job, bool *again, struct err *e)
{
	struct compaction c = { note_table, job, b->lineage->n > 1 };
	const char *id = b->lineage->step[0].id;
	struct strbuf obj = STRBUF_INIT;
	struct store_token seen;
	int rc = ckpt_token(b->g, id, t->head->version, &seen, e);

	if (!rc && seen.s[0])
		rc = reload_tail(b, t, again, e);
	if (rc || *again)
		return rc;
	rc = checkpoint_build(b->g, id, t->head, t->seq, &c, &obj, e);
	if (!rc && (job->changed || due(b, t))) {
		rc = ckpt_put(b->g, id, t->head->version, &seen, &obj, e);
		*again = rc == -EEXIST || rc == -ESTALE;
		if (!rc) {
			covered(b, t);
			rc = rebase(b, e);
		}
	}
	sb_free(&obj);
	return rc;
}

static int compact_locked(struct branch *b, struct tail *t, const struct compaction *asked, bool *again, struct err *e)
{
	struct compact_job job = { .asked = asked };
	int rc = FAILPOINT("optimize.post_authority_capture_pre_gates", e);

	if (!rc && (b->lineage->n == 1 || due(b, t)))
		rc = compact_tail(b, t, &job, again, e);
	if (!rc && !*again)
		report_tables(&job);
	free(job.done);
	return rc;
}

static int compact_once(struct branch *b, const struct compaction *asked, bool *again, struct err *e)
{
	struct tail t = { 0 };
	int rc;

	pthread_mutex_lock(&b->g->ckpt_lock);
	rc = take_tail(b, &t, e);
	if (!rc)
		rc = compact_locked(b, &t, asked, again, e);
	pthread_mutex_unlock(&b->g->ckpt_lock);
	snapshot_put(t.head);
	return rc;
}

/* Segments that were written by someone who could not, or did not yet. */
static int index_segment(const struct table *t, struct seg *seg, struct err *e)
{
	return t->edge ? seg_index(seg, e) : 0;
}

static int index_head(struct branch *b, struct err *e)
{
	struct snapshot *head = branch_head(b);
	int rc = snapshot_segments(head, index_segment, e);

	snapshot_put(head);
	return rc;
}

/* When others always come first, they do the work. */
int branch_compact(struct branch *b, const struct compaction *compact, struct err *e)
{
	bool again;
	int rc, tries = 0;

	do {
		err_clear(e);
		again = false;
		rc = compact_once(b, compact, &again, e);
	} while (again && ++tries < COMPACT_TRIES);
	if (again)
		err_clear(e);
	return rc && !again ? rc : index_head(b, e);
}

int graph_checkpoint(struct graph *g, const char *branch, struct err *e)
{
	struct err own = ERR_INIT;
	struct branch *b;
	int rc;

	if (g->read_only)
		return err_set(e, ERR_BAD_REQUEST,
			       "graph at '%s' is open read-only; open it read-write to checkpoint it", graph_uri(g));
	rc = branch_open(g, branch, &b, e);
	if (rc)
		return rc;
	rc = checkpoint_write(b, e ? e : &own);
	branch_put(b);
	err_clear(&own);
	return rc;
}

/* --- the worker ------------------------------------------------------------------------------------ */

static struct branch *next_job(struct graph *g)
{
	struct branch *b = NULL;

	pthread_mutex_lock(&g->worker_lock);
	while (!g->worker_n && !g->worker_stop)
		pthread_cond_wait(&g->worker_wake, &g->worker_lock);
	if (g->worker_n) {
		b = g->worker_queue[0];
		g->worker_n--;
		memmove(g->worker_queue, g->worker_queue + 1, g->worker_n * sizeof(b));
	}
	pthread_mutex_unlock(&g->worker_lock);
	return b;
}

/* A checkpoint that fails (a full disk) is tried again after some more commits, not after each. */
static void run_job(struct graph *g, struct branch *b)
{
	struct err err = ERR_INIT;
	int rc = checkpoint_write(b, &err);

	if (rc)
		log_kv(g->logger, LOG_WARN, "store", "checkpoint not written", "graph", g->uri, "branch", b->name,
		       "error", err_msg(&err), NULL);
	err_clear(&err);
	pthread_mutex_lock(&b->lock);
	b->ckpt_queued = false;
	b->ckpt_after = rc ? b->tail_records + RETRY_RECORDS : 0;
	pthread_mutex_unlock(&b->lock);
}

static void *worker_main(void *arg)
{
	struct graph *g = arg;
	struct branch *b;

	while ((b = next_job(g))) {
		run_job(g, b);
		branch_put(b);
	}
	return NULL;
}

static bool start_worker(struct graph *g)
{
	sigset_t old;
	int rc;

	thread_signals_block(&old);
	rc = pthread_create(&g->worker, NULL, worker_main, g);
	thread_signals_restore(&old);
	return !rc;
}

static bool submit(struct graph *g, struct branch *b)
{
	bool ok;

	pthread_mutex_lock(&g->worker_lock);
	if (!g->worker_running && !g->worker_stop)
		g->worker_running = start_worker(g);
	ok = g->worker_running && !g->worker_stop && g->worker_n < ARRAY_SIZE(g->worker_queue);
	if (ok) {
		g->worker_queue[g->worker_n++] = branch_get(b);
		pthread_cond_signal(&g->worker_wake);
	}
	pthread_mutex_unlock(&g->worker_lock);
	return ok;
}

void checkpoint_consider(struct branch *b)
{
	if (b->ckpt_queued || b->tail_records < b->ckpt_after)
		return;
	if (b->tail_bytes < TAIL_MAX_BYTES && b->tail_records < TAIL_MAX_RECORDS)
		return;
	b->ckpt_queued = submit(b->g, b);
}

void checkpoint_worker_stop(struct graph *g)
{
	bool running;

	pthread_mutex_lock(&g->worker_lock);
	g->worker_stop = true;
	running = g->worker_running;
	pthread_cond_broadcast(&g->worker_wake);
	pthread_mutex_unlock(&g->worker_lock);
	if (running)
		pthread_join(g->worker, NULL);
}
