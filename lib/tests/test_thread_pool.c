/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <pthread.h>
#include <stdatomic.h>

#include <omnigraph/thread.h>
#include <test/check.h>

static atomic_int count;

static void bump(void *arg)
{
	atomic_fetch_add(&count, (int)(intptr_t)arg);
}

static void all_jobs_run(void)
{
	struct thread_pool *p;
	int accepted = 0;

	atomic_store(&count, 0);
	CHECK(!thread_pool_new("a-name-that-is-long", 4, 0, 100000, &p, NULL));
	for (int i = 0; i < 50000; i++)
		accepted += thread_pool_submit(p, bump, (void *)1);
	thread_pool_free(p);
	CHECK_INT(accepted, 50000);
	CHECK_INT(atomic_load(&count), 50000);
}

/* A gate that jobs wait at. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool open_gate;
static int waiting, name_ok;

static void wait_at_gate(void *arg)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	pthread_mutex_lock(&lock);
	name_ok += !strncmp(name, "gate-", 5);
	waiting++;
	pthread_cond_broadcast(&changed);
	while (!open_gate)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	bump(arg);
}

static void full_queue(void)
{
	struct thread_pool *p;

	atomic_store(&count, 0);
	CHECK(!thread_pool_new("gate", 2, 64 << 10, 3, &p, NULL));
	/* two run, three wait, the next is refused */
	for (int i = 0; i < 5; i++)
		CHECK(thread_pool_submit(p, wait_at_gate, (void *)1));
	CHECK(!thread_pool_submit(p, bump, (void *)100));
	pthread_mutex_lock(&lock);
	while (waiting < 2)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	CHECK(!thread_pool_submit(p, bump, (void *)100));
	pthread_mutex_lock(&lock);
	open_gate = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	thread_pool_free(p);
	CHECK_INT(atomic_load(&count), 5);
}

static void no_queue(void)
{
	struct thread_pool *p;

	open_gate = false;
	waiting = 0;
	atomic_store(&count, 0);
	CHECK(!thread_pool_new("zero", 1, 0, 0, &p, NULL));
	CHECK(thread_pool_submit(p, wait_at_gate, (void *)1));
	CHECK(!thread_pool_submit(p, bump, (void *)1));
	pthread_mutex_lock(&lock);
	open_gate = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	thread_pool_free(p);
	CHECK_INT(atomic_load(&count), 1);
}

static void limits(void)
{
	struct err e = ERR_INIT;
	struct thread_pool *p;

	CHECK(thread_pool_new("x", 0, 0, 1, &p, &e) < 0 && !p);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	err_clear(&e);
	CHECK(!thread_pool_new("x", 8, 0, 1, &p, &e));
	thread_pool_free(p); /* nothing was started */
	thread_pool_free(NULL);
}

CHECK_MAIN("lib/thread_pool", { "every accepted job runs before the pool goes away", all_jobs_run },
	   { "a full queue refuses", full_queue }, { "a pool without a queue takes as many jobs as threads", no_queue },
	   { "a pool needs a thread; an unused one costs none", limits }, )
