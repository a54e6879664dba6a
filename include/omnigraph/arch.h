/* SPDX-License-Identifier: MIT */
/*
 * arch.h - CPU kernels behind one dispatch table, chosen once at start (x86: SSE4.2/AVX2 by cpuid; arm64: CRC and
 * NEON by HWCAP; generic C everywhere). All versions give identical results, bit for bit, except where a kernel
 * says otherwise.
 */
#ifndef OMNIGRAPH_ARCH_H
#define OMNIGRAPH_ARCH_H

#include <stddef.h>
#include <stdint.h>

struct arch_ops {
	const char *name; /* "generic", "x86-sse42", "x86-avx2", "arm64" */
	/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected, init and xorout ~0; @crc chains calls, start with 0. */
	uint32_t (*crc32c)(uint32_t crc, const void *data, size_t n);
	/* First occurrence of @byte in @s, or @n. */
	size_t (*find_byte)(const char *s, size_t n, char byte);
	/* First byte of a JSON string that needs an escape ('"', '\\', < 0x20), or @n. */
	size_t (*find_json_special)(const char *s, size_t n);
	/* Sums of F32 products / squared differences, accumulated in F64 in a fixed lane order (4 lanes, i mod 4). */
	double (*dot_f32)(const float *a, const float *b, size_t n);
	double (*l2_f32)(const float *a, const float *b, size_t n);
};

/* The table of this machine. Thread-safe; constant after the first call. */
const struct arch_ops *arch_ops(void);
/* The portable table, for tests and for CONFIG_ARCH_SIMD=n. */
const struct arch_ops *arch_ops_generic(void);

static inline uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	return arch_ops()->crc32c(crc, data, n);
}

#endif
