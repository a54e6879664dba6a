/* SPDX-License-Identifier: MIT */
/*
 * tally.h - how often texts occur, by their hashes: 12 bytes for each text times 1.3 to 2.7, however long it is. Internal to the engine.
 *
 * Equal texts have equal hashes, so a count is never too low; two texts may share a hash (one pair in 2^64, and nobody can aim for it: the
 * hash is SipHash-1-3 with a fresh key), so it may be too high. A count that is low enough is proof; another calls for an exact look.
 */
#ifndef ENGINE_STORE_TALLY_H
#define ENGINE_STORE_TALLY_H

#include <omnigraph/str.h>

struct tally {
	uint64_t k0, k1;
	uint64_t *hashes; /* 0: free */
	uint32_t *counts;
	size_t mask;
};

/* Room for @n different texts, not more. */
void tally_init(struct tally *t, size_t n);
/* Count @s once more; the count so far, with it. Stays at UINT32_MAX. */
uint32_t tally_add(struct tally *t, struct str s);
void tally_free(struct tally *t);

#endif
