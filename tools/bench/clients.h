/* SPDX-License-Identifier: MIT */
/*
 * clients.h - run N client threads for a time and print what they did: "<operations> <seconds>".
 * Only for the programs of this folder. A client that fails ends the program with status 1.
 */
#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

#include <stdint.h>

struct client_ops {
	void *(*open)(void *arg, unsigned client); /* before the clock starts, on the client's thread */
	void (*operation)(void *state,
			  uint64_t unique_number); /* one durable operation; the number is never repeated */
	void (*close)(void *state);
};

int clients_run(const struct client_ops *ops, void *arg, unsigned clients, double seconds);

/* Print to stderr and end the program with status 1. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
