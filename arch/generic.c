/* SPDX-License-Identifier: MIT */
#include "arch/arch_impl.h"

#include <string.h>

#include "arch/crc32c_table.h"

uint32_t generic_crc32c(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t lo, hi;

		memcpy(&lo, p, 4);
		memcpy(&hi, p + 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		lo = __builtin_bswap32(lo);
		hi = __builtin_bswap32(hi);
#endif
		lo ^= crc;
		crc = crc32c_table[7][lo & 255] ^ crc32c_table[6][(lo >> 8) & 255] ^ crc32c_table[5][(lo >> 16) & 255] ^
		      crc32c_table[4][lo >> 24] ^ crc32c_table[3][hi & 255] ^ crc32c_table[2][(hi >> 8) & 255] ^
		      crc32c_table[1][(hi >> 16) & 255] ^ crc32c_table[0][hi >> 24];
	}
	while (n--)
		crc = (crc >> 8) ^ crc32c_table[0][(crc ^ *p++) & 255];
	return ~crc;
}

size_t generic_find_byte(const char *s, size_t n, char byte)
{
	const char *p = n ? memchr(s, (unsigned char)byte, n) : NULL;

	return p ? (size_t)(p - s) : n;
}

size_t generic_find_json_special(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == '"' || c == '\\')
			return i;
	}
	return n;
}

/* Lane i mod 4 holds the sum of its elements; the lanes are added as (0 + 2) + (1 + 3), the order of the vector versions. */
double generic_dot_f32(const float *a, const float *b, size_t n)
{
	double lane[4] = { 0, 0, 0, 0 };

	for (size_t i = 0; i < n; i++)
		lane[i & 3] += (double)a[i] * (double)b[i];
	return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

double generic_l2_f32(const float *a, const float *b, size_t n)
{
	double lane[4] = { 0, 0, 0, 0 };

	for (size_t i = 0; i < n; i++) {
		double d = (double)a[i] - (double)b[i];

		lane[i & 3] += d * d;
	}
	return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static const struct arch_ops generic = {
	.name = "generic",
	.crc32c = generic_crc32c,
	.find_byte = generic_find_byte,
	.find_json_special = generic_find_json_special,
	.dot_f32 = generic_dot_f32,
	.l2_f32 = generic_l2_f32,
};

const struct arch_ops *arch_ops_generic(void)
{
	return &generic;
}
