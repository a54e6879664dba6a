/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <omnigraph/store.h>

#include "engine/store/graph_priv.h"
#include "ops.h"
#include "world.h"

/* --- time and chance ---------------------------------------------------------------------------------- */

/* These stand in for the functions of the C library in this program, so that ids and times repeat with the seed. */
static uint64_t clock_ns, entropy;

int clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	clock_ns += 1000000; /* no two commits of one millisecond */
	t->tv_sec = 1800000000 + (time_t)(clock_ns / 1000000000);
	t->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	uint8_t *p = buf;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(sim_random(&entropy) >> 32);
	return (ssize_t)n;
}

void clock_advance(uint64_t seconds)
{
	clock_ns += seconds * 1000000000;
}

uint64_t roll(struct world *w, uint64_t n)
{
	return sim_below(&w->rng, n);
}

bool chance(struct world *w, unsigned percent)
{
	return roll(w, 100) < percent;
}

/* --- telling --------------------------------------------------------------------------------------------- */

void fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

void trace(struct world *w, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!w->verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	printf("%s%s\n", w->inside ? "      | " : "", line);
}

/* --- processes -------------------------------------------------------------------------------------------- */

void process_close(struct process *p)
{
	graph_close(p->g);
	if (p->s)
		store_close(p->s);
	*p = (struct process){ .g = NULL };
}

/* What large commits of large graphs do: rows in segments, their adjacency in objects. */
static void write_segments(struct world *w, struct graph *g)
{
	g->inline_max = roll(w, 3) ? 0 : roll(w, 400);
	g->segs.index_rows = 0;
}

bool process_open(struct world *w, struct process *p, bool faulted)
{
	struct err e = ERR_INIT;
	bool ok;

	if (!p->s)
		p->s = sim_process(w->sim, false);
	if (faulted)
		sim_arm(p->s, &(struct sim_faults){ .fail_at = 1 + roll(w, 6) });
	ok = !graph_open_store(p->s, NULL, &p->g, &e);
	sim_arm(p->s, NULL);
	if (ok && w->small_segments)
		write_segments(w, p->g);
	if (!ok && !faulted)
		fail(w, "a process cannot open the graph: %s", err_msg(&e));
	err_clear(&e);
	return ok;
}

/* Another process gets its turn at a call of the one that runs. */
static void at_call(void *arg)
{
	struct world *w = arg;

	if (!w->running || w->inside || !w->may_nest || w->n_step == STEP_OPS || !chance(w, 12))
		return;
	w->inside = true;
	op_nested(w);
	w->inside = false;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static int on_commit(void *arg, const struct commit_info *ci)
{
	struct model *m = arg;
	struct mstate empty = { .rows = NULL };

	if (!m->n_branches)
		model_add_branch(m, "main", "", NULL, 0);
	model_commit(m, &m->branches[0], ci, &empty, 0);
	return 0;
}

static int create(struct world *w, struct err *e)
{
	struct mschema none = { { 0 } };
	struct strbuf text = STRBUF_INIT;
	struct graph *g;
	int rc;

	schema_text(&none, &text);
	rc = graph_init_store(w->backing, sb_str(&text), NULL, e);
	sb_free(&text);
	if (!rc)
		rc = graph_open_store(w->backing, NULL, &g, e);
	if (rc)
		return rc;
	rc = graph_commits(g, NULL, on_commit, &w->model, e);
	graph_close(g);
	return rc;
}

bool world_open(struct world *w, uint64_t seed)
{
	struct err e = ERR_INIT;
	char uri[64];

	*w = (struct world){ .seed = seed, .rng = seed };
	clock_ns = 0;
	entropy = seed ^ 0x5eed;
	snprintf(uri, sizeof(uri), "mem://sim-%d-%llu", (int)getpid(), (unsigned long long)seed);
	if (store_open(uri, NULL, &w->backing, &e) || create(w, &e))
		fail(w, "the graph cannot be made: %s", err_msg(&e));
	err_clear(&e);
	if (w->failure[0])
		return false;
	w->backing->remote = seed % 2; /* as a directory, or as an object store */
	w->small_segments = seed / 2 % 2;
	w->sim = sim_new(w->backing, seed, at_call, w);
	return true;
}

void world_close(struct world *w)
{
	for (size_t i = 0; i < N_PROCESSES; i++)
		process_close(&w->process[i]);
	model_free(&w->model);
	sim_free(w->sim);
	if (w->backing)
		store_close(w->backing);
}

int append_text(void *arg, const void *data, size_t n, struct err *e)
{
	(void)e;
	sb_add(arg, data, n);
	return 0;
}
