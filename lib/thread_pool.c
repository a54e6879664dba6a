/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/thread.h>

#define STACK_DEFAULT (256u << 10)
#define THREADS_MAX 4096u

struct job {
	void (*fn)(void *);
	void *arg;
};

struct thread_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_attr_t attr;
	char name[11];
	unsigned max_threads, n_threads;
	unsigned busy; /* workers that are running a job */
	bool stopping;
	size_t queue_max;
	struct job *ring; /* n_jobs from head, wrapping at cap */
	size_t head, n_jobs, cap;
	pthread_t *threads;
};

static size_t stack_bytes(size_t want)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)sysconf(_SC_THREAD_STACK_MIN);

	if (!want)
		want = STACK_DEFAULT;
	if (want < least)
		want = least;
	return (want + page - 1) / page * page;
}

int thread_pool_new(const char *name, unsigned threads, size_t stack, size_t queue_max, struct thread_pool **out,
		    struct err *e)
{
	struct thread_pool *p;
	int rc;

	*out = NULL;
	if (!threads || threads > THREADS_MAX)
		return err_set(e, ERR_BAD_REQUEST, "a thread pool needs 1 to %u threads, not %u", THREADS_MAX, threads);
	p = mem_zalloc(sizeof(*p));
	pthread_attr_init(&p->attr);
	rc = pthread_attr_setstacksize(&p->attr, stack_bytes(stack));
	if (rc) {
		pthread_attr_destroy(&p->attr);
		free(p);
		return err_sys(e, rc, "thread stack of %zu bytes", stack);
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->max_threads = threads;
	p->queue_max = queue_max;
	p->threads = mem_calloc(threads, sizeof(*p->threads));
	*out = p;
	return 0;
}

static struct job pop(struct thread_pool *p)
{
	struct job j = p->ring[p->head];

	p->head = (p->head + 1) % p->cap;
	p->n_jobs--;
	return j;
}

static void push(struct thread_pool *p, struct job j)
{
	if (p->n_jobs == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct job *ring = mem_calloc(cap, sizeof(*ring));

		for (size_t i = 0; i < p->n_jobs; i++)
			ring[i] = p->ring[(p->head + i) % p->cap];
		free(p->ring);
		p->ring = ring;
		p->cap = cap;
		p->head = 0;
	}
	p->ring[(p->head + p->n_jobs++) % p->cap] = j;
}

static void *worker(void *arg)
{
	struct thread_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job j;

		while (!p->n_jobs && !p->stopping)
			pthread_cond_wait(&p->work, &p->lock);
		if (!p->n_jobs)
			break;
		j = pop(p);
		p->busy++;
		pthread_mutex_unlock(&p->lock);
		j.fn(j.arg);
		pthread_mutex_lock(&p->lock);
		p->busy--;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void thread_signals_block(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

void thread_signals_restore(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static bool start_worker(struct thread_pool *p)
{
	sigset_t old;
	char name[16];
	int rc;

	thread_signals_block(&old);
	rc = pthread_create(&p->threads[p->n_threads], &p->attr, worker, p);
	thread_signals_restore(&old);
	if (rc)
		return false;
	snprintf(name, sizeof(name), "%s-%u", p->name, p->n_threads % 1000);
	pthread_setname_np(p->threads[p->n_threads], name);
	p->n_threads++;
	return true;
}

/* A queued job that a worker is free for, started or not, does not count as waiting. */
static bool has_room(const struct thread_pool *p)
{
	size_t ready = p->max_threads - p->busy;

	return p->n_jobs < ready || p->n_jobs - ready < p->queue_max;
}

bool thread_pool_submit(struct thread_pool *p, void (*fn)(void *), void *arg)
{
	bool ok;

	pthread_mutex_lock(&p->lock);
	ok = !p->stopping && has_room(p);
	if (ok && p->n_jobs + 1 > p->n_threads - p->busy && p->n_threads < p->max_threads)
		ok = start_worker(p) || p->n_threads > 0;
	if (ok) {
		push(p, (struct job){ fn, arg });
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

void thread_pool_free(struct thread_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	pthread_attr_destroy(&p->attr);
	free(p->threads);
	free(p->ring);
	free(p);
}
