/* SPDX-License-Identifier: MIT */
/* SSE4.2 and AVX2 kernels. No file-wide -m flags: each function names what it needs, dispatch checks the CPU. */
#include "arch/arch_impl.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

__attribute__((target("sse4.2"))) static uint32_t sse42_crc32c(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t c = ~crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		c = _mm_crc32_u64(c, w);
	}
	while (n--)
		c = _mm_crc32_u8((uint32_t)c, *p++);
	return ~(uint32_t)c;
}

__attribute__((target("avx2"))) static size_t avx2_find_byte(const char *s, size_t n, char byte)
{
	const __m256i want = _mm256_set1_epi8(byte);
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(s + i));
		unsigned hit = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, want));

		if (hit)
			return i + (size_t)__builtin_ctz(hit);
	}
	return i < n ? i + generic_find_byte(s + i, n - i, byte) : n;
}

__attribute__((target("avx2"))) static size_t avx2_find_json_special(const char *s, size_t n)
{
	const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), ctl = _mm256_set1_epi8(0x1f);
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(s + i));
		__m256i m = _mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, slash));
		unsigned hit;

		/* unsigned v <= 0x1f */
		m = _mm256_or_si256(m, _mm256_cmpeq_epi8(_mm256_min_epu8(v, ctl), v));
		hit = (unsigned)_mm256_movemask_epi8(m);
		if (hit)
			return i + (size_t)__builtin_ctz(hit);
	}
	return i < n ? i + generic_find_json_special(s + i, n - i) : n;
}

__attribute__((target("avx2"))) static double add_lanes(__m256d sum, const float *a, const float *b, size_t i, size_t n,
							int dot)
{
	double lane[4];

	_mm256_storeu_pd(lane, sum);
	for (; i < n; i++) {
		double x = (double)a[i], y = (double)b[i], d = x - y;

		lane[i & 3] += dot ? x * y : d * d;
	}
	return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

__attribute__((target("avx2"))) static double avx2_dot_f32(const float *a, const float *b, size_t n)
{
	__m256d sum = _mm256_setzero_pd();
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a + i)), y = _mm256_cvtps_pd(_mm_loadu_ps(b + i));

		sum = _mm256_add_pd(sum, _mm256_mul_pd(x, y));
	}
	return add_lanes(sum, a, b, i, n, 1);
}

__attribute__((target("avx2"))) static double avx2_l2_f32(const float *a, const float *b, size_t n)
{
	__m256d sum = _mm256_setzero_pd();
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a + i)), y = _mm256_cvtps_pd(_mm_loadu_ps(b + i));
		__m256d d = _mm256_sub_pd(x, y);

		sum = _mm256_add_pd(sum, _mm256_mul_pd(d, d));
	}
	return add_lanes(sum, a, b, i, n, 0);
}

static const struct arch_ops sse42 = {
	.name = "x86-sse42",
	.crc32c = sse42_crc32c,
	.find_byte = generic_find_byte,
	.find_json_special = generic_find_json_special,
	.dot_f32 = generic_dot_f32,
	.l2_f32 = generic_l2_f32,
};

static const struct arch_ops avx2 = {
	.name = "x86-avx2",
	.crc32c = sse42_crc32c,
	.find_byte = avx2_find_byte,
	.find_json_special = avx2_find_json_special,
	.dot_f32 = avx2_dot_f32,
	.l2_f32 = avx2_l2_f32,
};

const struct arch_ops *arch_ops_x86(void)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("sse4.2"))
		return NULL;
	return __builtin_cpu_supports("avx2") ? &avx2 : &sse42;
}

#else

const struct arch_ops *arch_ops_x86(void)
{
	return NULL;
}

#endif
