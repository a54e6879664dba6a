/* SPDX-License-Identifier: MIT */
/* sim.c - faults in front of a store. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <omnigraph/util.h>

#include "sim.h"
#include "store_priv.h"

#define PAGE_MAX 4 /* keys of a list between two switch points */

struct sim {
	struct store *back;
	sim_switch_fn at_call;
	void *arg;
	pthread_mutex_t lock; /* all below, and what changes of a process */
	uint64_t random, now_us, calls;
	struct process *processes;
};

struct process {
	struct store base;
	struct sim *w;
	struct process *next;
	struct sim_faults faults;
	uint64_t calls; /* since it was armed */
	bool dead;
};

enum fate { /* of one call */
	    CALL_DONE,
	    CALL_FAILS,	 /* without effect */
	    CALL_PARTLY, /* with a part of its effect, where there are parts */
	    CALL_LOST,	 /* with its effect */
};

static const struct store_ops sim_ops;

static struct process *process_of(const struct store *s)
{
	return container_of(s, struct process, base);
}

static struct store *back_of(struct store *s)
{
	return process_of(s)->w->back;
}

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t sim_below(uint64_t *state, uint64_t n)
{
	return sim_random(state) % n;
}

static uint64_t below(struct sim *w, uint64_t n)
{
	uint64_t r;

	pthread_mutex_lock(&w->lock);
	r = sim_below(&w->random, n);
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* With the lock held. */
static enum fate bad_fate(struct sim *w)
{
	return CALL_FAILS + (enum fate)sim_below(&w->random, 3);
}

static enum fate draw(struct process *p)
{
	const struct sim_faults *f = &p->faults;
	uint64_t chance;

	p->calls++;
	p->w->calls++;
	if (f->latency_us)
		p->w->now_us += sim_below(&p->w->random, f->latency_us);
	if (p->calls == f->die_at)
		p->dead = true;
	if (p->dead || p->calls == f->fail_at)
		return bad_fate(p->w);
	if (!f->error_ppm && !f->lost_ppm)
		return CALL_DONE;
	chance = sim_below(&p->w->random, 1000000);
	if (chance < f->error_ppm)
		return CALL_FAILS;
	return chance - f->error_ppm < f->lost_ppm ? CALL_LOST : CALL_DONE;
}

/* The fate of a call that is about to be made. The others get their turn first; a dead process does nothing more. */
static enum fate enter(struct store *s)
{
	struct process *p = process_of(s);
	enum fate fate = CALL_FAILS;

	if (p->w->at_call)
		p->w->at_call(p->w->arg);
	pthread_mutex_lock(&p->w->lock);
	if (!p->dead)
		fate = draw(p);
	pthread_mutex_unlock(&p->w->lock);
	return fate;
}

static int failed(struct store *s, const char *op, const char *key, struct err *e)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);

	return err_set_rc(e, -EIO, ERR_STORAGE,
			  "cannot %s \"%s\" in %s: %s; whether it took effect is unknown, look before trying again", op,
			  k, s->uri, sim_dead(s) ? "the simulated process has died" : "simulated fault");
}

/* --- reading ---------------------------------------------------------------------------------- */

static int sim_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "read", key, e) : b->ops->get(b, key, max, out, e);
}

static int sim_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got,
			 struct err *e)
{
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "read", key, e) : b->ops->get_range(b, key, off, n, buf, got, e);
}

static int sim_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "look at", key, e) : b->ops->head(b, key, out, e);
}

static int sim_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "map", key, e) : b->ops->map(b, key, out, e);
}

static void sim_relax(struct store *s, const struct store_map *m)
{
	store_map_relax(back_of(s), m);
}

static void sim_unmap(struct store *s, struct store_map *m)
{
	struct store *b = back_of(s);

	b->ops->unmap(b, m);
}

struct page {
	size_t n, max;
	struct page_item {
		char *key;
		struct store_stat st;
	} items[PAGE_MAX];
};

static int on_item(void *arg, const char *key, const struct store_stat *st)
{
	struct page *p = arg;

	p->items[p->n++] = (struct page_item){ mem_strdup(key), *st };
	return p->n == p->max;
}

/* One page behind *@after, which moves on; *@more: it was a full one. */
static int list_page(struct store *s, const char *prefix, char **after, bool recurse, store_list_fn fn, void *arg,
		     bool *more, struct err *e)
{
	struct page p = { .max = 1 + below(process_of(s)->w, PAGE_MAX) };
	struct store *b = back_of(s);
	int rc = enter(s) ? failed(s, "list", prefix, e) : b->ops->list(b, prefix, *after, recurse, on_item, &p, e);

	*more = p.n == p.max;
	if (*more)
		rc = 0;
	for (size_t i = 0; i < p.n; i++) {
		if (!rc)
			rc = fn(arg, p.items[i].key, &p.items[i].st);
		free(*after);
		*after = p.items[i].key;
	}
	return rc;
}

static int sim_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		    void *arg, struct err *e)
{
	char *after = start_after ? mem_strdup(start_after) : NULL;
	bool more = true;
	int rc = 0;

	while (!rc && more)
		rc = list_page(s, prefix, &after, recurse, fn, arg, &more, e);
	free(after);
	return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Run @call, which gives rc, unless the fate of it is to fail; the answer of a call that is lost is nobody's. */
#define WRITE(s, op, key, e, call)                            \
	({                                                    \
		enum fate fate_ = enter(s);                   \
		struct err *e_ = fate_ ? NULL : (e);          \
		int rc_ = 0;                                  \
                                                              \
		if (fate_ == CALL_DONE || fate_ == CALL_LOST) \
			rc_ = (call);                         \
		fate_ ? failed(s, op, key, e) : rc_;          \
	})

static int sim_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "write", key, e, b->ops->put(b, key, data, n, e_));
}

static int sim_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		      struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "create", key, e, b->ops->create(b, key, data, n, token, e_));
}

static int sim_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		       struct store_token *token, struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "replace", key, e, b->ops->replace(b, key, expected, data, n, token, e_));
}

static int sim_delete(struct store *s, const char *key, struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "delete", key, e, b->ops->delete (b, key, e_));
}

static int delete_some(void *arg, const char *key, const struct store_stat *st)
{
	struct store *s = arg, *b = back_of(s);

	return below(process_of(s)->w, 2) ? b->ops->delete (b, key, NULL) : 0;
}

static int sim_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	struct store *b = back_of(s);
	enum fate fate = enter(s);
	int rc = 0;

	if (fate == CALL_DONE || fate == CALL_LOST)
		rc = b->ops->delete_prefix(b, prefix, fate ? NULL : e);
	else if (fate == CALL_PARTLY)
		b->ops->list(b, prefix, NULL, true, delete_some, s, NULL);
	return fate ? failed(s, "delete everything under", prefix, e) : rc;
}

/* In any order, each with its own fate, so that a death leaves any subset. */
static int sim_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e)
{
	size_t from = n ? below(process_of(s)->w, n) : 0;
	int rc = store_put_each(s, reqs + from, n - from, e);
	int rc2 = store_put_each(s, reqs, from, rc ? NULL : e);

	return rc ? rc : rc2;
}

/* --- logs ------------------------------------------------------------------------------------- */

static int sim_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "append to log", log, e, b->ops->log_append(b, log, seq, data, n, e_));
}

static int sim_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	struct store *b = back_of(s);

	return WRITE(s, "trim log", log, e, b->ops->log_trim(b, log, upto, e_));
}

static int sim_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "read log", log, e) : b->ops->log_tail(b, log, next, e);
}

struct log_call {
	struct store *s;
	const char *log;
	store_log_fn fn;
	void *arg;
	struct err *e;
};

/* On S3 each record is a request of its own. */
static int on_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct log_call *c = arg;

	return enter(c->s) ? failed(c->s, "read log", c->log, c->e) : c->fn(c->arg, seq, data, n);
}

static int sim_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	struct log_call c = { s, log, fn, arg, e };
	struct store *b = back_of(s);

	return enter(s) ? failed(s, "read log", log, e) : b->ops->log_read(b, log, from, on_record, &c, e);
}

struct names {
	char **v;
	size_t n, cap;
};

static int on_name(void *arg, const char *name)
{
	struct names *l = arg;

	MEM_GROW(l->v, l->n, l->cap);
	l->v[l->n++] = mem_strdup(name);
	return 0;
}

static int sim_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	struct store *b = back_of(s);
	struct names l = { 0 };
	int rc = enter(s) ? failed(s, "list logs", prefix, e) : b->ops->log_list(b, prefix, on_name, &l, e);

	for (; l.n; l.n--) {
		char **pick = &l.v[below(process_of(s)->w, l.n)], *name = *pick;

		*pick = l.v[l.n - 1];
		if (!rc)
			rc = fn(arg, name);
		free(name);
	}
	free(l.v);
	return rc;
}

/* --- worlds and processes ----------------------------------------------------------------------- */

struct sim *sim_new(struct store *backing, uint64_t seed, sim_switch_fn at_call, void *arg)
{
	struct sim *w = mem_zalloc(sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	w->back = backing;
	w->random = seed;
	w->at_call = at_call;
	w->arg = arg;
	return w;
}

void sim_free(struct sim *w)
{
	if (!w)
		return;
	pthread_mutex_destroy(&w->lock);
	free(w);
}

uint64_t sim_now_us(const struct sim *w)
{
	return w->now_us;
}

uint64_t sim_calls(const struct sim *w)
{
	return w->calls;
}

struct store *sim_process(struct sim *w, bool read_only)
{
	struct process *p = mem_zalloc(sizeof(*p));

	p->base.ops = &sim_ops;
	p->base.uri = mem_strdup(w->back->uri);
	p->base.read_only = read_only;
	p->base.remote = w->back->remote;
	p->w = w;
	pthread_mutex_lock(&w->lock);
	p->next = w->processes;
	w->processes = p;
	pthread_mutex_unlock(&w->lock);
	return &p->base;
}

static void sim_close(struct store *s)
{
	struct process *p = process_of(s), **at = &p->w->processes;

	pthread_mutex_lock(&p->w->lock);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	pthread_mutex_unlock(&p->w->lock);
	free(s->uri);
	free(p);
}

void sim_arm(struct store *s, const struct sim_faults *f)
{
	struct process *p = process_of(s);

	pthread_mutex_lock(&p->w->lock);
	p->faults = f ? *f : (struct sim_faults){ 0 };
	p->calls = 0;
	pthread_mutex_unlock(&p->w->lock);
}

void sim_kill(struct store *s)
{
	struct process *p = process_of(s);

	pthread_mutex_lock(&p->w->lock);
	p->dead = true;
	pthread_mutex_unlock(&p->w->lock);
}

bool sim_dead(const struct store *s)
{
	struct process *p = process_of(s);
	bool dead;

	pthread_mutex_lock(&p->w->lock);
	dead = p->dead;
	pthread_mutex_unlock(&p->w->lock);
	return dead;
}

void sim_power_loss(struct sim *w)
{
	pthread_mutex_lock(&w->lock);
	for (struct process *p = w->processes; p; p = p->next)
		p->dead = true;
	pthread_mutex_unlock(&w->lock);
}

static const struct store_ops sim_ops = {
	.scheme = "sim",
	.close = sim_close,
	.get = sim_get,
	.get_range = sim_get_range,
	.head = sim_head,
	.put = sim_put,
	.create = sim_create,
	.replace = sim_replace,
	.delete = sim_delete,
	.delete_prefix = sim_delete_prefix,
	.list = sim_list,
	.map = sim_map,
	.unmap = sim_unmap,
	.relax = sim_relax,
	.get_batch = store_get_each,
	.put_batch = sim_put_batch,
	.log_append = sim_log_append,
	.log_read = sim_log_read,
	.log_tail = sim_log_tail,
	.log_trim = sim_log_trim,
	.log_list = sim_log_list,
};
