/* SPDX-License-Identifier: MIT */
/*
 * Blocks double from BLOCK_MIN to BLOCK_MAX. A request larger than the next block gets a block of
 * its own size, linked behind the head so that the rest of the current block stays in use.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <omnigraph/mem.h>

#define ARENA_ALIGN 16u
#define BLOCK_MIN (8u << 10)
#define BLOCK_MAX (1u << 20)
#define KEEP_MAX (256u << 10) /* arena_reset gives larger blocks back */

struct arena_block {
	struct arena_block *next;
	size_t size; /* bytes of data */
	_Alignas(16) char data[];
};

/* Under ASan, bytes that were not handed out are poisoned, with a gap between allocations. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_GAP 16u
#define poison(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define ARENA_GAP 0u
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b;

	if (size > SIZE_MAX / 2)
		abort();
	b = mem_alloc(sizeof(*b) + size);
	b->next = NULL;
	b->size = size;
	poison(b->data, size);
	return b;
}

static void block_free(struct arena_block *b)
{
	unpoison(b->data, b->size);
	free(b);
}

static size_t round_up(size_t n)
{
	if (n > SIZE_MAX / 4)
		abort();
	return (n + ARENA_GAP + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

static size_t next_block_size(const struct arena *a)
{
	size_t size;

	if (!a->head)
		return BLOCK_MIN;
	size = a->head->size * 2;
	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	return size;
}

static void use_block(struct arena *a, struct arena_block *b)
{
	a->cur = b->data;
	a->end = b->data + b->size;
}

static void *alloc_slow(struct arena *a, size_t need)
{
	size_t size = next_block_size(a);
	struct arena_block *b;

	if (need > size / 2) {
		b = block_new(need);
		if (a->head) {
			b->next = a->head->next;
			a->head->next = b;
		} else {
			a->head = b;
			a->cur = a->end = b->data + b->size;
		}
		return b->data;
	}
	b = block_new(size);
	b->next = a->head;
	a->head = b;
	use_block(a, b);
	a->cur += need;
	return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need = round_up(n ? n : 1);
	void *p;

	a->total += n;
	if (need <= (size_t)(a->end - a->cur)) {
		p = a->cur;
		a->cur += need;
	} else {
		p = alloc_slow(a, need);
	}
	unpoison(p, n);
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
	void *d = arena_alloc(a, n);

	if (n)
		memcpy(d, p, n);
	return d;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s) + 1);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *d = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(d, s.s, s.n);
	d[s.n] = 0;
	return (struct str){ d, s.n };
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char buf[256], *d;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof(buf))
		return arena_memdup(a, buf, (size_t)n + 1);
	d = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(d, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return d;
}

/* Keeps the largest block of at most KEEP_MAX bytes: the steady state of a request then needs no
 * malloc. */
void arena_reset(struct arena *a)
{
	struct arena_block *b = a->head, *keep = NULL, *next;

	for (; b; b = next) {
		next = b->next;
		if (b->size <= KEEP_MAX && (!keep || b->size > keep->size)) {
			if (keep)
				block_free(keep);
			keep = b;
		} else {
			block_free(b);
		}
	}
	a->head = keep;
	a->total = 0;
	a->cur = a->end = NULL;
	if (keep) {
		keep->next = NULL;
		poison(keep->data, keep->size);
		use_block(a, keep);
	}
}

void arena_free(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->head; b; b = next) {
		next = b->next;
		block_free(b);
	}
	*a = ARENA_INIT;
}
