/* SPDX-License-Identifier: MIT */
/* CRC and NEON kernels for arm64. NEON is part of the base architecture; the CRC instructions are asked for in HWCAP. */
#include "arch/arch_impl.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif

/* arm_acle.h offers these only under -march=...+crc */
#ifdef __clang__
#define CRC_TARGET "crc"
#define crc32cx __builtin_arm_crc32cd
#define crc32cb __builtin_arm_crc32cb
#else
#define CRC_TARGET "+crc"
#define crc32cx __builtin_aarch64_crc32cx
#define crc32cb __builtin_aarch64_crc32cb
#endif

__attribute__((target(CRC_TARGET))) static uint32_t arm_crc32c(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		crc = crc32cx(crc, w);
	}
	while (n--)
		crc = crc32cb(crc, *p++);
	return ~crc;
}

static size_t neon_find_json_special(const char *s, size_t n)
{
	const uint8x16_t quote = vdupq_n_u8('"'), slash = vdupq_n_u8('\\'), ctl = vdupq_n_u8(0x20);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		uint8x16_t v = vld1q_u8((const uint8_t *)s + i);
		uint8x16_t m = vorrq_u8(vorrq_u8(vceqq_u8(v, quote), vceqq_u8(v, slash)), vcltq_u8(v, ctl));

		if (vmaxvq_u8(m))
			break;
	}
	return i < n ? i + generic_find_json_special(s + i, n - i) : n;
}

static double finish(float64x2_t even, float64x2_t odd, const float *a, const float *b, size_t i, size_t n, int dot)
{
	double lane[4];

	vst1q_f64(lane, even);
	vst1q_f64(lane + 2, odd);
	for (; i < n; i++) {
		double x = (double)a[i], y = (double)b[i], d = x - y;

		lane[i & 3] += dot ? x * y : d * d;
	}
	return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static double neon_dot_f32(const float *a, const float *b, size_t n)
{
	float64x2_t lo = vdupq_n_f64(0), hi = vdupq_n_f64(0);
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		float32x4_t x = vld1q_f32(a + i), y = vld1q_f32(b + i);

		lo = vaddq_f64(lo, vmulq_f64(vcvt_f64_f32(vget_low_f32(x)), vcvt_f64_f32(vget_low_f32(y))));
		hi = vaddq_f64(hi, vmulq_f64(vcvt_high_f64_f32(x), vcvt_high_f64_f32(y)));
	}
	return finish(lo, hi, a, b, i, n, 1);
}

static double neon_l2_f32(const float *a, const float *b, size_t n)
{
	float64x2_t lo = vdupq_n_f64(0), hi = vdupq_n_f64(0);
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		float32x4_t x = vld1q_f32(a + i), y = vld1q_f32(b + i);
		float64x2_t dl = vsubq_f64(vcvt_f64_f32(vget_low_f32(x)), vcvt_f64_f32(vget_low_f32(y)));
		float64x2_t dh = vsubq_f64(vcvt_high_f64_f32(x), vcvt_high_f64_f32(y));

		lo = vaddq_f64(lo, vmulq_f64(dl, dl));
		hi = vaddq_f64(hi, vmulq_f64(dh, dh));
	}
	return finish(lo, hi, a, b, i, n, 0);
}

static const struct arch_ops with_crc = {
	.name = "arm64",
	.crc32c = arm_crc32c,
	.find_byte = generic_find_byte,
	.find_json_special = neon_find_json_special,
	.dot_f32 = neon_dot_f32,
	.l2_f32 = neon_l2_f32,
};

static const struct arch_ops without_crc = {
	.name = "arm64-nocrc",
	.crc32c = generic_crc32c,
	.find_byte = generic_find_byte,
	.find_json_special = neon_find_json_special,
	.dot_f32 = neon_dot_f32,
	.l2_f32 = neon_l2_f32,
};

const struct arch_ops *arch_ops_arm64(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32 ? &with_crc : &without_crc;
}

#else

const struct arch_ops *arch_ops_arm64(void)
{
	return NULL;
}

#endif
