/* SPDX-License-Identifier: MIT */
/*
 * map.h - hash map from byte strings to pointers.
 *
 * Open addressing; the hash (SipHash-1-3, Aumasson and Bernstein 2012) is keyed per map from the
 * kernel's random source, so hostile keys cannot make it degenerate. Iteration order is insertion
 * order when nothing was removed, and never leaks the hash.
 * Ownership: keys are borrowed: the caller keeps the bytes alive and unchanged. Values are the
 * caller's. Threading: one writer or many readers.
 */
#ifndef OMNIGRAPH_MAP_H
#define OMNIGRAPH_MAP_H

#include <omnigraph/str.h>

struct map_entry {
	struct str key;
	void *value;
	uint64_t hash; /* private; 0 marks a removed entry */
};

struct map {
	struct map_entry *entries; /* insertion order */
	uint32_t *slots;	   /* private: index + 1 into entries */
	size_t n;		   /* live entries */
	size_t used, cap, n_slots; /* private */
	uint64_t k0, k1;	   /* private: hash key */
};

#define MAP_INIT ((struct map){ 0 })

/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* Pointer to the value cell, or NULL when the key is absent; valid until the next insertion. */
void **map_at(const struct map *m, struct str key);
/* Insert or replace; returns the old value or NULL. The key must outlive the map. */
void *map_put(struct map *m, struct str key, void *value);
/* Insert only; false (nothing changed) when the key is there. */
bool map_add(struct map *m, struct str key, void *value);
/* Remove; returns the value or NULL. */
void *map_remove(struct map *m, struct str key);
void map_free(struct map *m);

/* Iterate: for (struct map_entry *e = map_first(&m); e; e = map_next(&m, e)) */
struct map_entry *map_first(const struct map *m);
struct map_entry *map_next(const struct map *m, struct map_entry *e);

/* SipHash-1-3 of @key under (k0, k1); for tables that are not a struct map. */
uint64_t siphash13(uint64_t k0, uint64_t k1, const void *data, size_t n);
/* Fill @buf from getrandom(2). Used for hash keys and ids; aborts when the kernel has no entropy source. */
void random_bytes(void *buf, size_t n);

#endif
