/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <time.h>

#include <omnigraph/mem.h>

#include "net/export_budget.h"

struct export_budget {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	uint64_t used;
};

struct export_budget *export_budget_new(void)
{
	struct export_budget *b = mem_zalloc(sizeof(*b));
	pthread_condattr_t a;

	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&b->freed, &a);
	pthread_condattr_destroy(&a);
	return b;
}

void export_budget_free(struct export_budget *b)
{
	if (!b)
		return;
	pthread_cond_destroy(&b->freed);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static struct timespec deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += EXPORT_WAIT_MS * 1000000L;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

static bool full(const struct export_budget *b)
{
	return b->used + EXPORT_RESERVATION > EXPORT_TOTAL;
}

int export_reserve(struct export_budget *b, struct err *e)
{
	struct timespec until = deadline();
	uint64_t wanted;
	bool ok;

	pthread_mutex_lock(&b->lock);
	while (full(b) && !pthread_cond_timedwait(&b->freed, &b->lock, &until))
		;
	ok = !full(b);
	wanted = b->used + EXPORT_RESERVATION;
	if (ok)
		b->used = wanted;
	pthread_mutex_unlock(&b->lock);
	if (ok)
		return 0;
	err_set(e, ERR_RESOURCE_LIMIT,
		"resource limit exceeded for stream_export_transport_bytes: actual %llu, limit %u; other exports are "
		"running, "
		"try again when one has ended",
		(unsigned long long)wanted, EXPORT_TOTAL);
	err_detail(e, "resource", "stream_export_transport_bytes");
	err_detail_u64(e, "limit", EXPORT_TOTAL);
	err_detail_u64(e, "actual", wanted);
	return -err_errno(ERR_RESOURCE_LIMIT);
}

void export_release(struct export_budget *b)
{
	pthread_mutex_lock(&b->lock);
	b->used -= EXPORT_RESERVATION;
	pthread_cond_signal(&b->freed);
	pthread_mutex_unlock(&b->lock);
}
