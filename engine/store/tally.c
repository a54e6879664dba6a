/* SPDX-License-Identifier: MIT */
#include "engine/store/tally.h"

#include <omnigraph/map.h>
#include <omnigraph/mem.h>

void tally_init(struct tally *t, size_t n)
{
	size_t size = 16;

	while (size < n + n / 3)
		size *= 2;
	random_bytes(&t->k0, sizeof(t->k0));
	random_bytes(&t->k1, sizeof(t->k1));
	t->hashes = mem_calloc(size, sizeof(*t->hashes));
	t->counts = mem_calloc(size, sizeof(*t->counts));
	t->mask = size - 1;
}

uint32_t tally_add(struct tally *t, struct str s)
{
	uint64_t hash = siphash13(t->k0, t->k1, s.s, s.n);
	size_t i;

	hash += !hash;
	i = hash & t->mask;
	while (t->hashes[i] && t->hashes[i] != hash)
		i = (i + 1) & t->mask;
	t->hashes[i] = hash;
	t->counts[i] += t->counts[i] < UINT32_MAX;
	return t->counts[i];
}

void tally_free(struct tally *t)
{
	free(t->hashes);
	free(t->counts);
}
