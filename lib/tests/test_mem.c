/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <test/check.h>

static void arenas(void)
{
	struct arena a = ARENA_INIT;
	char *p, *big;

	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 3000; n += 7) {
			p = arena_alloc(&a, n);
			CHECK(p && (uintptr_t)p % 16 == 0);
			memset(p, 0xee, n);
		}
		big = arena_alloc(&a, 3u << 20);
		memset(big, 1, 3u << 20);
		p = arena_zalloc(&a, 100);
		for (int i = 0; i < 100; i++)
			CHECK(!p[i]);
		CHECK(a.total > 3u << 20);
		arena_reset(&a);
		CHECK_INT(a.total, 0);
	}
	CHECK_STR(arena_printf(&a, "%s %d", "x", 5), "x 5");
	CHECK_INT(strlen(arena_printf(&a, "%0500d", 1)), 500);
	CHECK_STR(arena_str(&a, (struct str){ "abcdef", 3 }).s, "abc");
	CHECK_STR(arena_strdup(&a, "z"), "z");
	arena_free(&a);
	arena_free(&a);
}

static void steady_state(void)
{
	struct arena a = ARENA_INIT;
	void *first = NULL;

	for (int i = 0; i < 20; i++) {
		void *p = arena_alloc(&a, 10);

		for (int k = 0; k < 1000; k++)
			arena_alloc(&a, 64);
		if (i == 10)
			first = p;
		if (i > 10)
			CHECK(p == first);
		arena_reset(&a);
	}
	arena_free(&a);
}

static void references(void)
{
	struct refcount r;

	ref_init(&r);
	ref_get(&r);
	CHECK(!ref_put(&r));
	CHECK(ref_put(&r));
}

static void wiping(void)
{
	__cleanup(mem_free_ptr) char *p = mem_strdup("secret");
	int *v = NULL;
	size_t cap = 0;

	mem_wipe(p, 6);
	CHECK(!memcmp(p, "\0\0\0\0\0\0", 6));
	for (size_t n = 0; n < 100; n++) {
		MEM_GROW(v, n, cap);
		v[n] = (int)n;
	}
	CHECK_INT(v[99], 99);
	free(v);
}

CHECK_MAIN("lib/mem", { "an arena hands out aligned memory and is freed as a whole", arenas },
	   { "a reset arena serves the same load from the same memory", steady_state },
	   { "the last reference is reported once", references }, { "secrets are overwritten", wiping }, )
