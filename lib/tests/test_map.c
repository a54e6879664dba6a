/* SPDX-License-Identifier: MIT */
#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <test/check.h>

#define N 20000

static void *val(size_t i)
{
	return (void *)(uintptr_t)(i + 1);
}

static void many_keys(void)
{
	struct map m = MAP_INIT;
	struct arena a = ARENA_INIT;
	struct str *keys = mem_calloc(N, sizeof(*keys));
	size_t i = 0;

	for (i = 0; i < N; i++) {
		keys[i] = str_from(arena_printf(&a, "key-%zu", i));
		CHECK(map_add(&m, keys[i], val(i)));
		CHECK(!map_add(&m, keys[i], NULL));
	}
	CHECK_INT(m.n, N);
	i = 0;
	for (struct map_entry *e = map_first(&m); e; e = map_next(&m, e), i++)
		CHECK(str_eq(e->key, keys[i]) && e->value == val(i));
	CHECK_INT(i, N);
	CHECK(!map_get(&m, STR("absent")));
	for (i = 0; i < N; i += 2)
		CHECK(map_remove(&m, keys[i]) == val(i));
	CHECK(!map_remove(&m, keys[0]));
	CHECK_INT(m.n, N / 2);
	for (i = 0; i < N; i++)
		CHECK(map_get(&m, keys[i]) == (i % 2 ? val(i) : NULL));
	for (i = 0; i < N; i += 2)
		CHECK(!map_put(&m, keys[i], val(7)));
	CHECK(map_put(&m, keys[1], val(9)) == val(1));
	CHECK(*map_at(&m, keys[1]) == val(9));
	CHECK_INT(m.n, N);
	map_free(&m);
	arena_free(&a);
	free(keys);
}

static void churn(void)
{
	struct map m = MAP_INIT;
	char buf[16][8];

	/* entries that come and go must not make the table grow */
	for (int i = 0; i < 100000; i++) {
		char *k = buf[i % 16];

		if (i >= 16)
			CHECK(map_remove(&m, str_from(k)) != NULL);
		snprintf(k, 8, "%d", i % 1000);
		CHECK(!map_put(&m, str_from(k), val(1)));
	}
	CHECK_INT(m.n, 16);
	CHECK(m.cap <= 64);
	map_free(&m);
}

static void odd_keys(void)
{
	struct map m = MAP_INIT;

	CHECK(!map_get(&m, STR("")));
	CHECK(map_add(&m, STR(""), val(0)));
	CHECK(map_add(&m, STR("\0"), val(1)));
	CHECK(map_add(&m, STR("\0\0"), val(2)));
	CHECK(map_get(&m, STR("")) == val(0) && map_get(&m, STR("\0\0")) == val(2));
	CHECK(map_put(&m, STR("nul"), NULL) == NULL && map_at(&m, STR("nul")));
	map_free(&m);
}

static void siphash_vectors(void)
{
	uint8_t in[64];

	for (int i = 0; i < 64; i++)
		in[i] = (uint8_t)i;
	/* SipHash-1-3 with key 00..0f of the empty text and of 00..: the values CPython and Rust
	 * use */
	CHECK(siphash13(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull, in, 0) == 0xabac0158050fc4dcull);
	CHECK(siphash13(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull, in, 1) == 0xc9f49bf37d57ca93ull);
	CHECK(siphash13(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull, in, 2) == 0x82cb9b024dc7d44dull);
	CHECK(siphash13(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull, in, 8) ==
	      siphash13(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull, in, 8));
}

static void randomness(void)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
}

CHECK_MAIN("lib/map", { "a map keeps insertion order and survives removals", many_keys },
	   { "a map does not grow under churn", churn }, { "keys are bytes: empty and NUL keys work", odd_keys },
	   { "SipHash-1-3 matches its reference values", siphash_vectors }, { "random bytes differ", randomness }, )
