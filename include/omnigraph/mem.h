/* SPDX-License-Identifier: MIT */
/*
 * mem.h - allocation: checked malloc, arenas, reference counts, scoped cleanup.
 *
 * Policy: every size is bounded by a named limit before it is allocated (limits.h). Within those
 * bounds a failed allocation aborts the process: durability does not depend on a clean exit, since
 * nothing is acknowledged before it is durable and an open never needs repair. Code that handles one
 * large, input-sized block uses mem_try_alloc() and returns an error instead.
 */
#ifndef OMNIGRAPH_MEM_H
#define OMNIGRAPH_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <omnigraph/str.h>

void *mem_alloc(size_t n);		     /* uninitialised; never NULL */
void *mem_zalloc(size_t n);		     /* zeroed */
void *mem_calloc(size_t count, size_t size); /* zeroed, overflow-checked */
void *mem_realloc(void *p, size_t n);
void *mem_realloc_array(void *p, size_t count, size_t size); /* overflow-checked */
void *mem_try_alloc(size_t n);				     /* NULL when the memory is not there */
char *mem_strdup(const char *s);
/* Overwrite @n bytes so that the compiler cannot drop it (secrets). */
void mem_wipe(void *p, size_t n);

/* Make room for one more element in a growable array; doubles. @p is the pointer variable, @cap its capacity. */
#define MEM_GROW(p, count, cap)                                            \
	do {                                                               \
		if ((count) >= (cap)) {                                    \
			(cap) = (cap) ? (cap)*2 : 8;                       \
			(p) = mem_realloc_array((p), (cap), sizeof(*(p))); \
		}                                                          \
	} while (0)

#define __cleanup(fn) __attribute__((cleanup(fn)))
void mem_free_ptr(void *pp); /* for `__cleanup(mem_free_ptr) char *p = NULL;` */

/*
 * Arena: bump allocation, freed as a whole. Alignment 16. A zeroed struct is a valid empty arena.
 * Memory is kept across arena_reset(), so a per-request arena costs nothing in the steady state.
 */
struct arena_block;
struct arena {
	struct arena_block *head;
	char *cur, *end;
	size_t total; /* bytes handed out since the last reset */
};

#define ARENA_INIT ((struct arena){ 0 })

void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);
/* NUL-terminated copy of a slice; the slice points at the copy. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a); /* keeps one block, of at most 256 KiB */
void arena_free(struct arena *a);

#define arena_new(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))

/* Reference count of an immutable shared object. Starts at 1. */
struct refcount {
	_Atomic uint32_t n;
};
static inline void ref_init(struct refcount *r)
{
	atomic_init(&r->n, 1);
}
static inline void ref_get(struct refcount *r)
{
	atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
}
/* True when the last reference went away and the object must be freed. */
static inline bool ref_put(struct refcount *r)
{
	return atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel) == 1;
}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
