/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "graph_priv.h"
#include "retention.h"

#define LOAD_RETRIES 2

void log_key(const char *branch_id, char out[64])
{
	snprintf(out, 64, "log/%s", branch_id);
}

struct apply_log {
	struct state *st;
	struct snapshot **snap;
	const char *log, *label;
	uint64_t upto;
	struct load_stats *stats;
	bool failed; /* in a record */
	struct err *e;
};

static int apply_one(struct apply_log *al, const struct rec_commit *c, uint64_t seq, struct journal *j)
{
	struct snapshot *next;
	int rc = state_apply(al->st, *al->snap, c, al->label, seq, j, &next, al->e);

	if (rc)
		return rc;
	snapshot_put(*al->snap);
	*al->snap = next;
	return 0;
}

/* 1: the wanted version is reached */
static int apply_commits(struct apply_log *al, uint64_t seq, struct dec *d, uint32_t n, struct journal *journals)
{
	struct rec_commit c;

	for (uint32_t i = 0; i < n; i++) {
		int rc = commit_decode(d, &c, al->e);

		if (!rc && c.version > al->upto)
			return 1;
		if (!rc && *al->snap && c.version <= (*al->snap)->version)
			continue; /* the checkpoint stands inside this record */
		if (!rc)
			rc = apply_one(al, &c, seq, &journals[i]);
		if (rc)
			return rc;
	}
	return 0;
}

/* A record is applied whole or not at all. */
static int apply_record(struct apply_log *al, uint64_t seq, const void *data, size_t n)
{
	struct snapshot *before = *al->snap ? snapshot_get(*al->snap) : NULL;
	struct journal *journals;
	struct dec d;
	uint32_t n_commits = 0;
	int rc = record_open(data, n, &d, &n_commits, al->e);

	if (n_commits > n) /* a commit has more than one byte */
		rc = err_set(al->e, ERR_STORAGE, "storage: damaged commit record: bad number of commits");
	journals = mem_calloc(rc ? 1 : n_commits + 1, sizeof(*journals));
	if (!rc)
		rc = apply_commits(al, seq, &d, n_commits, journals);
	for (uint32_t i = rc < 0 ? n_commits : 0; i-- > 0;)
		state_undo(al->st, &journals[i]);
	for (uint32_t i = 0; i < n_commits; i++)
		journal_free(&journals[i]);
	if (rc < 0) {
		snapshot_put(*al->snap);
		*al->snap = before;
	} else {
		snapshot_put(before);
	}
	free(journals);
	return rc;
}

static int on_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct apply_log *al = arg;
	int rc = apply_record(al, seq, data, n);

	al->failed = rc < 0;
	if (rc)
		return record_blame(rc, al->log, seq, al->e);
	al->stats->next_seq = seq + 1;
	al->stats->tail_records++;
	al->stats->tail_bytes += n;
	return 0;
}

int log_apply(struct graph *g, const char *branch_id, const char *label, uint64_t seq, uint64_t upto, struct state *st,
	      struct snapshot **snap, struct load_stats *stats, struct err *e)
{
	char log[64];
	struct apply_log al = { st, snap, log, label, upto, stats, false, e };
	int rc;

	log_key(branch_id, log);
	stats->next_seq = seq;
	rc = store_log_read(g->store, log, seq, on_record, &al, e);
	stats->trimmed = rc == -ENOENT && !al.failed;
	return rc == 1 ? 0 : rc;
}

static int load_step(struct graph *g, const struct lineage *l, uint32_t i, uint64_t from, uint64_t upto,
		     struct snapshot **out, struct load_stats *stats, struct err *e);

static void blame(struct load_stats *stats, const struct load_stats *inherited)
{
	stats->trimmed = inherited->trimmed;
	if (inherited->passed_over[0])
		memcpy(stats->passed_over, inherited->passed_over, sizeof(stats->passed_over));
}

/* The state a branch's own log builds on: its newest checkpoint, or its fork point. */
static int load_base(struct graph *g, const struct lineage *l, uint32_t i, uint64_t from, struct snapshot **out,
		     struct load_stats *stats, struct err *e)
{
	struct load_stats inherited = { 0 };
	int rc;

	memset(stats, 0, sizeof(*stats));
	stats->next_seq = 1;
	rc = checkpoint_load(g, l->step[i].id, from, out, stats, e);
	if (rc == -ENOENT) {
		err_clear(e);
		rc = i + 1 < l->n ? load_step(g, l, i + 1, from, l->step[i + 1].upto, out, &inherited, e) : 0;
		if (rc)
			blame(stats, &inherited);
		return rc;
	}
	if (!rc)
		stats->ckpt_version = (*out)->version;
	return rc;
}

/*
 * Nothing is behind the checkpoint of @version, which has the records before @first: the log must at least reach to there. On S3 this would
 * be a request.
 */
static int check_reach(struct graph *g, const char *branch_id, uint64_t first, uint64_t version, struct err *e)
{
	char log[64], ckpt[128];
	uint64_t next;
	int rc;

	log_key(branch_id, log);
	ckpt_key(branch_id, version, ckpt);
	rc = store_log_tail(g->store, log, &next, e);
	if (rc || next >= first)
		return rc;
	return err_set(
		e, ERR_STORAGE,
		"storage: the commit log '%s' of the graph at '%s' is missing or cut off: it has records up to %llu, "
		"checkpoint '%s' is of record %llu; restore the log from a backup",
		log, graph_uri(g), (unsigned long long)next - 1, ckpt, (unsigned long long)first - 1);
}

static int load_step(struct graph *g, const struct lineage *l, uint32_t i, uint64_t from, uint64_t upto,
		     struct snapshot **out, struct load_stats *stats, struct err *e)
{
	struct state *st;
	uint64_t first;
	int rc;

	if (i + 1 < l->n && upto <= l->step[i + 1].upto)
		return load_step(g, l, i + 1, from, upto, out, stats, e);
	rc = load_base(g, l, i, from < upto ? from : upto, out, stats, e);
	if (rc || (*out && (*out)->version == upto)) /* the records behind it may be gone */
		return rc;
	first = stats->next_seq;
	st = *out ? state_get((*out)->st) : state_new(g);
	rc = log_apply(g, l->step[i].id, l->step[i].label, first, upto, st, out, stats, e);
	state_put(st);
	if (!rc && first > 1 && stats->next_seq == first && !g->remote)
		rc = check_reach(g, l->step[i].id, first, stats->ckpt_version, e);
	return rc;
}

static int load_once(struct graph *g, const struct lineage *l, uint64_t from, uint64_t upto, struct snapshot **out,
		     struct load_stats *stats, struct err *e)
{
	int rc = load_step(g, l, 0, from, upto, out, stats, e);

	if (rc) {
		snapshot_put(*out);
		*out = NULL;
	}
	return rc;
}

/* Of the trimmed log that the state of @upto builds on, the checkpoint that cleanup has left for it; false: not known. */
static bool needed_checkpoint(struct graph *g, const struct lineage *l, uint64_t upto, char key[128])
{
	struct retention r = { 0 };
	bool found = false;

	for (uint32_t i = lineage_owner(l, upto); i < l->n && !found; i++) {
		uint64_t version = upto < l->step[i].upto ? upto : l->step[i].upto;

		found = !retention_read(g, l->step[i].id, &r, NULL) && r.floor;
		if (found)
			ckpt_key(l->step[i].id, version < r.floor ? version : r.floor, key);
		retention_clear(&r);
	}
	return found;
}

static void not_whole(struct graph *g, const struct lineage *l, uint64_t upto, const struct load_stats *stats,
		      struct err *e)
{
	struct strbuf why = STRBUF_INIT;
	char key[128];

	if (stats->passed_over[0])
		sb_addf(&why, "%s; ", stats->passed_over);
	else if (needed_checkpoint(g, l, upto, key))
		sb_addf(&why, "object '%s' is missing; ", key);
	sb_addz(&why, err_msg(e));
	err_set(e, ERR_STORAGE,
		"storage: the state of branch '%s' cannot be put together from its checkpoints and its log: %s",
		l->step[0].label ? l->step[0].label : "main", why.s);
	sb_free(&why);
}

/*
 * A cleanup of another process may delete the checkpoint, the segments or the records that are being read; before it does, it has
 * written a newer checkpoint of what is kept. So look again.
 */
int state_load(struct graph *g, const struct lineage *l, uint64_t from, uint64_t upto, struct snapshot **out,
	       struct load_stats *stats, struct err *e)
{
	int rc;

	*out = NULL;
	rc = load_once(g, l, from, upto, out, stats, e);
	for (int i = 0; rc && i < LOAD_RETRIES; i++) {
		err_clear(e);
		rc = load_once(g, l, from, upto, out, stats, e);
	}
	if (rc && e && stats->trimmed)
		not_whole(g, l, upto, stats, e);
	if (!rc && !*out)
		rc = err_set(e, ERR_STORAGE, "storage: the commit log 'log/%s' of the graph at '%s' is missing",
			     l->step[0].id, graph_uri(g));
	return rc;
}
