/* SPDX-License-Identifier: MIT */
/*
 * sim [--steps N] [--trace] FIRST [COUNT]: run histories, one for each seed. Prints those that fail, with the step and the command
 * that repeats them, and last "N passed, N failed".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ops.h"

#define STEPS 30

struct options {
	uint64_t first, count, steps;
	bool trace;
};

static bool number(const char *text, uint64_t *out)
{
	return text && str_to_u64(str_from(text), out);
}

static bool parse(int argc, char **argv, struct options *o)
{
	int at = 1;

	*o = (struct options){ .count = 1, .steps = STEPS };
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--trace"))
			o->trace = true;
		else if (strcmp(argv[at], "--steps") != 0 || ++at == argc || !number(argv[at], &o->steps))
			return false;
	}
	if (at >= argc || !number(argv[at++], &o->first))
		return false;
	return at >= argc || (at + 1 == argc && number(argv[at], &o->count));
}

static bool run_seed(const struct options *o, uint64_t seed)
{
	struct world w;
	uint64_t step = 0;
	bool ok;

	if (world_open(&w, seed)) {
		w.verbose = o->trace;
		for (; step < o->steps && !w.failure[0]; step++) {
			trace(&w, "--- step %" PRIu64, step);
			op_step(&w);
			check_step(&w);
		}
	}
	ok = !w.failure[0];
	if (!ok)
		printf("not ok - seed %" PRIu64 ", step %" PRIu64 ": %s\n# again: make sim SEED=%" PRIu64 "\n", seed,
		       step - !!step, w.failure, seed);
	world_close(&w);
	return ok;
}

int main(int argc, char **argv)
{
	struct options o;
	uint64_t failed = 0;

	if (!parse(argc, argv, &o)) {
		fprintf(stderr, "usage: sim [--steps N] [--trace] FIRST [COUNT]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (uint64_t i = 0; i < o.count; i++)
		failed += !run_seed(&o, o.first + i);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", o.count - failed, failed);
	return failed != 0;
}
