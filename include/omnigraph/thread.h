/* SPDX-License-Identifier: MIT */
/*
 * thread.h - a bounded worker pool over POSIX threads. Mutexes and condition variables are pthread's own.
 */
#ifndef OMNIGRAPH_THREAD_H
#define OMNIGRAPH_THREAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include <omnigraph/err.h>

/*
 * Threads that are made between the two take no signals: those belong to main, which waits for them. @old is the caller's mask,
 * to be put back.
 */
void thread_signals_block(sigset_t *old);
void thread_signals_restore(const sigset_t *old);

struct thread_pool;

/*
 * @threads workers with @stack bytes of stack each (0: 256 KiB), started on demand; at most @queue_max waiting
 * jobs. The names of the threads begin with @name (cut at 10 characters).
 */
int thread_pool_new(const char *name, unsigned threads, size_t stack, size_t queue_max, struct thread_pool **out,
		    struct err *e);
/* Queue a job. False when the queue is full or the pool is stopping: the job will not run. */
bool thread_pool_submit(struct thread_pool *p, void (*fn)(void *), void *arg);
/* Refuse new jobs, run the queued ones to their end, join the workers, free the pool. */
void thread_pool_free(struct thread_pool *p);

#endif
