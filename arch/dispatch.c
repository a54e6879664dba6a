/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "arch/arch_impl.h"

static const struct arch_ops *choose(void)
{
	const struct arch_ops *ops = NULL;

#ifdef CONFIG_ARCH_SIMD
	ops = arch_ops_x86();
	if (!ops)
		ops = arch_ops_arm64();
#endif
	return ops ? ops : arch_ops_generic();
}

const struct arch_ops *arch_ops(void)
{
	static _Atomic(const struct arch_ops *)
		chosen; /* a cache of a constant: every thread computes the same value */
	const struct arch_ops *ops = atomic_load_explicit(&chosen, memory_order_acquire);

	if (!ops) {
		ops = choose();
		atomic_store_explicit(&chosen, ops, memory_order_release);
	}
	return ops;
}
