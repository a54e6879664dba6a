/* SPDX-License-Identifier: MIT */
/* check_standalone.h - check.h without CUnit, for cross-built kernel tests: the first failed check ends the program. */
#ifndef ARCH_CHECK_STANDALONE_H
#define ARCH_CHECK_STANDALONE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*fn)(void);
};

#define CHECK(cond)                                                                                     \
	do {                                                                                            \
		if (!(cond)) {                                                                          \
			printf("not ok - %s:%d: %s\n# passed 0 failed 1\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                                        \
		}                                                                                       \
	} while (0)

#define CHECK_MAIN(suite, ...)                                                     \
	int main(void)                                                             \
	{                                                                          \
		static const struct check_test tests[] = { __VA_ARGS__ };          \
		size_t n = sizeof(tests) / sizeof(tests[0]);                       \
                                                                                   \
		for (size_t i = 0; i < n; i++) {                                   \
			tests[i].fn();                                             \
			printf("ok - %s (%s)\n", tests[i].name, arch_ops()->name); \
		}                                                                  \
		printf("# passed %zu failed 0\n", n);                              \
		return 0;                                                          \
	}

#endif
