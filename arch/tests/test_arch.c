/* SPDX-License-Identifier: MIT */
/* Every kernel of this machine against the portable one. With -DCHECK_STANDALONE it builds without CUnit (cross builds). */
#include <omnigraph/arch.h>

#ifdef CHECK_STANDALONE
#include "arch/tests/check_standalone.h"
#else
#include <test/check.h>
#endif

static unsigned char bytes[4200];
static float fa[300], fb[300];

static void fill(void)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (unsigned char)(x >> 24);
	}
	for (size_t i = 0; i < 300; i++) {
		fa[i] = (float)bytes[i] / 7.0f - 11.0f;
		fb[i] = (float)bytes[i + 300] / 3.0f - 40.0f;
	}
}

static void crc_vectors(void)
{
	unsigned char z[32] = { 0 }, f[32], up[32];

	for (int i = 0; i < 32; i++) {
		f[i] = 0xff;
		up[i] = (unsigned char)i;
	}
	const struct arch_ops *tables[] = { arch_ops(), arch_ops_generic() };

	for (int k = 0; k < 2; k++) {
		CHECK(tables[k]->crc32c(0, "123456789", 9) == 0xe3069283u);
		CHECK(tables[k]->crc32c(0, z, 32) == 0x8a9136aau);
		CHECK(tables[k]->crc32c(0, f, 32) == 0x62a8ab43u);
		CHECK(tables[k]->crc32c(0, up, 32) == 0x46dd794eu);
		CHECK(tables[k]->crc32c(tables[k]->crc32c(0, "1234", 4), "56789", 5) == 0xe3069283u);
	}
}

static void crc_agrees(void)
{
	fill();
	for (size_t off = 0; off < 16; off++)
		for (size_t n = 0; n < 400; n++)
			CHECK(arch_ops()->crc32c(7, bytes + off, n) == arch_ops_generic()->crc32c(7, bytes + off, n));
}

static void scanning_agrees(void)
{
	char text[300];

	for (size_t n = 0; n < 200; n++)
		for (size_t hit = 0; hit <= n; hit++) {
			memset(text, 'x', sizeof(text));
			if (hit < n)
				text[hit] = '"';
			text[n] = '"'; /* beyond the end: never reported */
			CHECK(arch_ops()->find_json_special(text, n) == hit);
			CHECK(arch_ops()->find_byte(text, n, '"') == hit);
		}
	for (int c = 0; c < 256; c++) {
		memset(text, 'x', sizeof(text));
		text[70] = (char)c;
		CHECK(arch_ops()->find_json_special(text, 100) == arch_ops_generic()->find_json_special(text, 100));
	}
}

static void sums_agree_bit_for_bit(void)
{
	fill();
	for (size_t off = 0; off < 5; off++)
		for (size_t n = 0; n < 290; n++) {
			double d1 = arch_ops()->dot_f32(fa + off, fb + off, n),
			       d2 = arch_ops_generic()->dot_f32(fa + off, fb + off, n);
			double l1 = arch_ops()->l2_f32(fa + off, fb + off, n),
			       l2 = arch_ops_generic()->l2_f32(fa + off, fb + off, n);

			CHECK(memcmp(&d1, &d2, sizeof(d1)) == 0);
			CHECK(memcmp(&l1, &l2, sizeof(l1)) == 0);
		}
}

static void nothing_is_fine(void)
{
	const struct arch_ops *tables[] = { arch_ops(), arch_ops_generic() };

	for (int k = 0; k < 2; k++) {
		CHECK(tables[k]->crc32c(5, NULL, 0) == 5);
		CHECK(tables[k]->find_byte(NULL, 0, 'x') == 0);
		CHECK(tables[k]->find_json_special(NULL, 0) == 0);
		CHECK(tables[k]->dot_f32(NULL, NULL, 0) == 0);
		CHECK(tables[k]->l2_f32(NULL, NULL, 0) == 0);
	}
}

CHECK_MAIN("arch", { "no bytes at all, at no address, are accepted by every kernel", nothing_is_fine },
	   { "CRC-32C gives the values of RFC 3720", crc_vectors },
	   { "CRC-32C is the same for every length and alignment", crc_agrees },
	   { "byte scanning finds the first hit and nothing beyond the end", scanning_agrees },
	   { "dot and l2 equal the portable kernels bit for bit", sums_agree_bit_for_bit }, )
