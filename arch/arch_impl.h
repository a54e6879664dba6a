/* SPDX-License-Identifier: MIT */
/* arch_impl.h - the tables behind arch_ops(); each is NULL-free. */
#ifndef ARCH_IMPL_H
#define ARCH_IMPL_H

#include <omnigraph/arch.h>

/* The best table of this CPU family, or NULL when the CPU lacks what it needs. */
const struct arch_ops *arch_ops_x86(void);
const struct arch_ops *arch_ops_arm64(void);

/* Portable kernels, for tables that have no better one. */
uint32_t generic_crc32c(uint32_t crc, const void *data, size_t n);
size_t generic_find_byte(const char *s, size_t n, char byte);
size_t generic_find_json_special(const char *s, size_t n);
double generic_dot_f32(const float *a, const float *b, size_t n);
double generic_l2_f32(const float *a, const float *b, size_t n);

#endif
