/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <pthread.h>

#include <omnigraph/map.h>
#include <omnigraph/mem.h>

#include "net/admission.h"

struct usage {
	char *actor;
	uint32_t inflight;
	uint64_t bytes;
};

struct admission {
	pthread_mutex_t lock;
	struct map by_actor;
	uint32_t inflight_max;
	uint64_t bytes_max;
};

struct admission *admission_new(uint32_t inflight_max, uint64_t bytes_max)
{
	struct admission *a = mem_zalloc(sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	a->inflight_max = inflight_max;
	a->bytes_max = bytes_max;
	return a;
}

void admission_free(struct admission *a)
{
	if (!a)
		return;
	for (struct map_entry *en = map_first(&a->by_actor); en; en = map_next(&a->by_actor, en)) {
		struct usage *u = en->value;

		free(u->actor);
		free(u);
	}
	map_free(&a->by_actor);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static struct usage *usage_of(struct admission *a, const char *actor)
{
	struct str name = str_from(actor ? actor : "anonymous");
	struct usage *u = map_get(&a->by_actor, name);

	if (u)
		return u;
	u = mem_zalloc(sizeof(*u));
	u->actor = str_dup(name);
	map_put(&a->by_actor, str_from(u->actor), u);
	return u;
}

static int take(struct admission *a, struct usage *u, uint64_t bytes, struct err *e)
{
	uint64_t sum;

	if (u->inflight >= a->inflight_max)
		return err_set(e, ERR_TOO_MANY_REQUESTS, "actor in-flight count cap %" PRIu32 " exceeded",
			       a->inflight_max);
	if (__builtin_add_overflow(u->bytes, bytes, &sum))
		sum = UINT64_MAX;
	if (sum > a->bytes_max)
		return err_set(e, ERR_TOO_MANY_REQUESTS,
			       "actor byte budget exceeded: would use %" PRIu64 " bytes against cap %" PRIu64, sum,
			       a->bytes_max);
	u->inflight++;
	u->bytes = sum;
	return 0;
}

int admission_acquire(struct admission *a, const char *actor, uint64_t bytes, struct err *e)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = take(a, usage_of(a, actor), bytes, e);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void admission_release(struct admission *a, const char *actor, uint64_t bytes)
{
	struct usage *u;

	pthread_mutex_lock(&a->lock);
	u = usage_of(a, actor);
	u->inflight--;
	u->bytes -= bytes;
	pthread_mutex_unlock(&a->lock);
}
