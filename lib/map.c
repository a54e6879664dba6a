/* SPDX-License-Identifier: MIT */
/*
 * Entries stand in an array in insertion order; `slots` is an open-addressing table of entry
 * numbers. Up to SMALL_MAX entries there is no table: a scan is faster than a hash, and needs no
 * random key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <omnigraph/map.h>
#include <omnigraph/mem.h>

#define SMALL_MAX 8u

static inline uint64_t rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static inline uint64_t load_le(const unsigned char *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

/* Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012), with 1 compression and 3 final
 * rounds. */
uint64_t siphash13(uint64_t k0, uint64_t k1, const void *data, size_t n)
{
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull, k0 ^ 0x6c7967656e657261ull,
			  k1 ^ 0x7465646279746573ull };
	const unsigned char *p = data;
	size_t left = n;
	uint64_t w;

	for (; left >= 8; left -= 8, p += 8) {
		w = load_le(p, 8);
		v[3] ^= w;
		sip_round(v);
		v[0] ^= w;
	}
	w = load_le(p, left) | (uint64_t)n << 56;
	v[3] ^= w;
	sip_round(v);
	v[0] ^= w;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void random_bytes(void *buf, size_t n)
{
	unsigned char *p = buf;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

/* 0 is the mark of a removed entry. */
static uint64_t key_hash(const struct map *m, struct str key)
{
	uint64_t h = siphash13(m->k0, m->k1, key.s, key.n);

	return h ? h : 1;
}

static struct map_entry *find_small(const struct map *m, struct str key)
{
	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].hash && str_eq(m->entries[i].key, key))
			return &m->entries[i];
	return NULL;
}

static struct map_entry *find(const struct map *m, struct str key)
{
	uint64_t h;

	if (!m->n_slots)
		return find_small(m, key);
	h = key_hash(m, key);
	for (size_t i = h & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
		struct map_entry *e;

		if (!m->slots[i])
			return NULL;
		e = &m->entries[m->slots[i] - 1];
		if (e->hash == h && str_eq(e->key, key))
			return e;
	}
}

static void slot_add(struct map *m, uint64_t h, size_t index)
{
	size_t i = h & (m->n_slots - 1);

	while (m->slots[i])
		i = (i + 1) & (m->n_slots - 1);
	m->slots[i] = (uint32_t)(index + 1);
}

static void drop_removed(struct map *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].hash)
			m->entries[n++] = m->entries[i];
	m->used = n;
}

static void rebuild_slots(struct map *m)
{
	if (!m->n_slots) {
		uint64_t k[2];

		random_bytes(k, sizeof(k));
		m->k0 = k[0];
		m->k1 = k[1];
		for (size_t i = 0; i < m->used; i++)
			m->entries[i].hash = key_hash(m, m->entries[i].key);
	}
	free(m->slots);
	m->n_slots = m->cap * 2; /* load at most one half, removed entries included */
	m->slots = mem_calloc(m->n_slots, sizeof(*m->slots));
	for (size_t i = 0; i < m->used; i++)
		slot_add(m, m->entries[i].hash, i);
}

/* Make room for one more entry. */
static void make_room(struct map *m)
{
	if (m->used < m->cap)
		return;
	drop_removed(m);
	if (m->n * 2 > m->cap || !m->cap) {
		m->cap = m->cap ? m->cap * 2 : SMALL_MAX;
		if (m->cap > UINT32_MAX / 2)
			abort();
		m->entries = mem_realloc_array(m->entries, m->cap, sizeof(*m->entries));
	}
	if (m->cap > SMALL_MAX)
		rebuild_slots(m);
}

static void insert(struct map *m, struct str key, void *value)
{
	struct map_entry *e;

	make_room(m);
	e = &m->entries[m->used];
	e->key = key;
	e->value = value;
	e->hash = 1;
	if (m->n_slots) {
		e->hash = key_hash(m, key);
		slot_add(m, e->hash, m->used);
	}
	m->used++;
	m->n++;
}

void **map_at(const struct map *m, struct str key)
{
	struct map_entry *e = find(m, key);

	return e ? &e->value : NULL;
}

void *map_get(const struct map *m, struct str key)
{
	struct map_entry *e = find(m, key);

	return e ? e->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	struct map_entry *e = find(m, key);
	void *old;

	if (!e) {
		insert(m, key, value);
		return NULL;
	}
	old = e->value;
	e->key = key; /* the old key's bytes may go away with the old value */
	e->value = value;
	return old;
}

bool map_add(struct map *m, struct str key, void *value)
{
	if (find(m, key))
		return false;
	insert(m, key, value);
	return true;
}

void *map_remove(struct map *m, struct str key)
{
	struct map_entry *e = find(m, key);
	void *old;

	if (!e)
		return NULL;
	old = e->value;
	*e = (struct map_entry){ { "", 0 }, NULL, 0 };
	m->n--;
	return old;
}

void map_free(struct map *m)
{
	free(m->entries);
	free(m->slots);
	*m = MAP_INIT;
}

static struct map_entry *live_from(const struct map *m, size_t i)
{
	for (; i < m->used; i++)
		if (m->entries[i].hash)
			return &m->entries[i];
	return NULL;
}

struct map_entry *map_first(const struct map *m)
{
	return live_from(m, 0);
}

struct map_entry *map_next(const struct map *m, struct map_entry *e)
{
	return live_from(m, (size_t)(e - m->entries) + 1);
}
