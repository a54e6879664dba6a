/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <omnigraph/mem.h>

/* Out of memory within the bounds of limits.h: see the policy in mem.h. */
static void *checked(void *p)
{
	if (!p)
		abort();
	return p;
}

static size_t array_bytes(size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		abort();
	return n;
}

/* malloc(0) may be NULL, which callers must never see. */
static size_t at_least_one(size_t n)
{
	return n ? n : 1;
}

void *mem_alloc(size_t n)
{
	return checked(malloc(at_least_one(n)));
}

void *mem_zalloc(size_t n)
{
	return checked(calloc(1, at_least_one(n)));
}

void *mem_calloc(size_t count, size_t size)
{
	return mem_zalloc(array_bytes(count, size));
}

void *mem_realloc(void *p, size_t n)
{
	return checked(realloc(p, at_least_one(n)));
}

void *mem_realloc_array(void *p, size_t count, size_t size)
{
	return mem_realloc(p, array_bytes(count, size));
}

void *mem_try_alloc(size_t n)
{
	return malloc(at_least_one(n));
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_alloc(n), s, n);
}

void mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

void mem_free_ptr(void *pp)
{
	free(*(void **)pp);
}
