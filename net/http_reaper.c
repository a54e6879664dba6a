/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/thread.h>
#include <omnigraph/util.h>

#include "net/http_reaper.h"

#define LINGER_MAX 256
#define LINGER_US 2000000
#define REAPER_STACK (64u << 10)

struct lingering {
	int fd;
	int64_t until_us;
};

struct reaper {
	struct http_options o;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop;
	struct watch head; /* ring */
	size_t n_watches;
	struct lingering linger[LINGER_MAX];
	size_t n_linger;
	long tick_ms;
};

void watch_set(struct watch *w, enum watch_state s)
{
	atomic_store_explicit(&w->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&w->since_us, time_mono_us(), memory_order_relaxed);
	atomic_store_explicit(&w->state, (int)s, memory_order_release);
}

static bool tcp_counters(int fd, uint64_t *received, uint64_t *acked)
{
	struct tcp_info ti;
	socklen_t n = sizeof(ti);

	memset(&ti, 0, sizeof(ti));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n) ||
	    n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(ti.tcpi_bytes_received))
		return false;
	*received = ti.tcpi_bytes_received;
	*acked = ti.tcpi_bytes_acked;
	return true;
}

static bool over(int64_t since, int64_t now, unsigned limit_ms)
{
	return limit_ms && now - since > (int64_t)limit_ms * 1000;
}

/* Bytes that came since the connection became idle are a header that is not complete yet. */
static bool idle_too_long(const struct reaper *r, struct watch *w, int64_t since, int64_t now, bool fresh)
{
	uint64_t rx, acked;

	if (tcp_counters(w->fd, &rx, &acked)) {
		if (fresh) {
			/* a new connection may have sent its first bytes already */
			w->received = since == w->born_us ? 0 : rx;
			w->moved_us = 0;
		}
		if (rx != w->received && !w->moved_us)
			w->moved_us = now;
	}
	if (w->moved_us)
		return over(w->moved_us, now, r->o.header_timeout_ms);
	return over(since, now, r->o.idle_timeout_ms);
}

static bool body_too_slow(const struct reaper *r, const struct watch *w, int64_t since, int64_t now)
{
	uint64_t bytes = atomic_load_explicit(&w->bytes, memory_order_relaxed);
	uint64_t want = (uint64_t)(now - since) / 1000 * r->o.body_min_rate / 1000;

	return over(since, now, r->o.body_grace_ms) && bytes < want;
}

static bool send_stalled(const struct reaper *r, struct watch *w, int64_t since, int64_t now, bool fresh)
{
	uint64_t rx, acked;

	if (!tcp_counters(w->fd, &rx, &acked))
		return false;
	if (fresh || acked != w->acked) {
		w->acked = acked;
		w->moved_us = now;
	}
	return over(since, now, r->o.send_timeout_ms) && over(w->moved_us, now, r->o.send_timeout_ms);
}

static bool is_over(const struct reaper *r, struct watch *w, int64_t now)
{
	int state = atomic_load_explicit(&w->state, memory_order_acquire);
	int64_t since = atomic_load_explicit(&w->since_us, memory_order_relaxed);
	bool fresh = state != w->seen_state || since != w->seen_since, over_it = false;

	if (state == WATCH_IDLE)
		over_it = idle_too_long(r, w, since, now, fresh);
	else if (state == WATCH_BODY)
		over_it = body_too_slow(r, w, since, now);
	else if (state == WATCH_SENDING)
		over_it = send_stalled(r, w, since, now, fresh);
	w->seen_state = state;
	w->seen_since = since;
	return over_it;
}

static void check_watches(struct reaper *r)
{
	int64_t now = time_mono_us();

	for (struct watch *w = r->head.next; w != &r->head; w = w->next)
		if (is_over(r, w, now))
			shutdown(w->fd, SHUT_RDWR);
}

/* True when the client has closed, or there is an error. */
static bool drain(int fd)
{
	char buf[8192];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			continue;
		return n == 0 || (errno != EAGAIN && errno != EINTR);
	}
	return false;
}

static void check_linger(struct reaper *r)
{
	int64_t now = time_mono_us();
	size_t keep = 0;

	for (size_t i = 0; i < r->n_linger; i++) {
		if (drain(r->linger[i].fd) || now > r->linger[i].until_us)
			close(r->linger[i].fd);
		else
			r->linger[keep++] = r->linger[i];
	}
	r->n_linger = keep;
}

static void wait_ms(struct reaper *r, long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&r->wake, &r->lock, &t);
}

static void *reaper_main(void *arg)
{
	struct reaper *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		if (r->n_linger)
			wait_ms(r, 20);
		else if (r->n_watches)
			wait_ms(r, r->tick_ms);
		else
			pthread_cond_wait(&r->wake, &r->lock);
		check_linger(r);
		check_watches(r);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static unsigned smallest(unsigned a, unsigned b)
{
	return b && b < a ? b : a;
}

/* A quarter of the tightest bound, 20 ms to 1 s. */
static long tick_for(const struct http_options *o)
{
	unsigned t = 4000;

	t = smallest(t, o->header_timeout_ms);
	t = smallest(t, o->body_grace_ms);
	t = smallest(t, o->idle_timeout_ms);
	t = smallest(t, o->send_timeout_ms);
	return t / 4 < 20 ? 20 : t / 4;
}

int reaper_new(const struct http_options *o, struct reaper **out, struct err *e)
{
	struct reaper *r = mem_zalloc(sizeof(*r));
	pthread_condattr_t ca;
	pthread_attr_t ta;
	sigset_t old;
	int rc;

	*out = NULL;
	r->o = *o;
	r->tick_ms = tick_for(o);
	r->head.next = r->head.prev = &r->head;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &ca);
	pthread_condattr_destroy(&ca);
	pthread_attr_init(&ta);
	pthread_attr_setstacksize(&ta, REAPER_STACK);
	thread_signals_block(&old);
	rc = pthread_create(&r->thread, &ta, reaper_main, r);
	thread_signals_restore(&old);
	pthread_attr_destroy(&ta);
	if (rc) {
		pthread_cond_destroy(&r->wake);
		pthread_mutex_destroy(&r->lock);
		free(r);
		return err_sys(e, rc, "cannot start the connection watch thread");
	}
	pthread_setname_np(r->thread, "http-reaper");
	*out = r;
	return 0;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	for (size_t i = 0; i < r->n_linger; i++)
		close(r->linger[i].fd);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void reaper_add(struct reaper *r, struct watch *w, int fd)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
	w->seen_state = -1;
	watch_set(w, WATCH_IDLE);
	w->born_us = atomic_load(&w->since_us);
	pthread_mutex_lock(&r->lock);
	w->next = &r->head;
	w->prev = r->head.prev;
	w->prev->next = w;
	r->head.prev = w;
	if (!r->n_watches++)
		pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void reaper_remove(struct reaper *r, struct watch *w)
{
	pthread_mutex_lock(&r->lock);
	w->prev->next = w->next;
	w->next->prev = w->prev;
	r->n_watches--;
	pthread_mutex_unlock(&r->lock);
}

void reaper_close_idle(struct reaper *r)
{
	pthread_mutex_lock(&r->lock);
	for (struct watch *w = r->head.next; w != &r->head; w = w->next)
		if (atomic_load(&w->state) == WATCH_IDLE)
			shutdown(w->fd, SHUT_RDWR);
	pthread_mutex_unlock(&r->lock);
}

void reaper_linger(struct reaper *r, int fd)
{
	bool taken = false;

	if (fd < 0)
		return;
	shutdown(fd, SHUT_WR);
	pthread_mutex_lock(&r->lock);
	if (r->n_linger < LINGER_MAX && !r->stop) {
		r->linger[r->n_linger++] = (struct lingering){ fd, time_mono_us() + LINGER_US };
		pthread_cond_signal(&r->wake);
		taken = true;
	}
	pthread_mutex_unlock(&r->lock);
	if (!taken)
		close(fd);
}
