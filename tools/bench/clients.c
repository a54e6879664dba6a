/* SPDX-License-Identifier: MIT */
#include "tools/bench/clients.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>

struct client {
	const struct client_ops *ops;
	void *arg;
	unsigned index;
	int64_t duration_us;
	pthread_barrier_t *start;
	uint64_t done;
	int64_t started_us, ended_us;
};

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	void *state = c->ops->open(c->arg, c->index);

	pthread_barrier_wait(c->start);
	c->started_us = time_mono_us();
	do {
		c->ops->operation(state, (uint64_t)c->index << 32 | c->done);
		c->done++;
		c->ended_us = time_mono_us();
	} while (c->ended_us - c->started_us < c->duration_us);
	c->ops->close(state);
	return NULL;
}

int clients_run(const struct client_ops *ops, void *arg, unsigned clients, double seconds)
{
	struct client *c = mem_zalloc(clients * sizeof(*c));
	pthread_t *threads = mem_zalloc(clients * sizeof(*threads));
	pthread_barrier_t start;
	int64_t first = INT64_MAX, last = 0;
	uint64_t done = 0;

	pthread_barrier_init(&start, NULL, clients);
	for (unsigned i = 0; i < clients; i++) {
		c[i] = (struct client){
			.ops = ops, .arg = arg, .index = i, .start = &start, .duration_us = (int64_t)(seconds * 1e6)
		};
		if (pthread_create(&threads[i], NULL, client_main, &c[i]))
			die("cannot start client %u", i);
	}
	for (unsigned i = 0; i < clients; i++) {
		pthread_join(threads[i], NULL);
		done += c[i].done;
		first = c[i].started_us < first ? c[i].started_us : first;
		last = c[i].ended_us > last ? c[i].ended_us : last;
	}
	printf("%llu %.6f\n", (unsigned long long)done, (double)(last - first) / 1e6);
	pthread_barrier_destroy(&start);
	free(threads);
	free(c);
	return 0;
}
