/* SPDX-License-Identifier: MIT */
/*
 * check.h - the frame of a unit test program, over CUnit.
 *
 *     static void snapshot_pins_rows(void) { CHECK(x == 1); CHECK_STR(name, "ada"); }
 *     CHECK_MAIN("engine/snapshot",
 *                { "ENG-12 a pinned read returns the same rows after an update", snapshot_pins_rows },
 *     )
 *
 * A test's name says what a user could observe; conformance ids of spec/ come first in it. The program prints
 * one line per test ("ok - name" / "not ok - name", with the failed checks below) and, last,
 * "# passed N failed M", which tools/testing/run-tests adds up. `program SUBSTRING` runs matching tests only.
 * A failed CHECK ends its test function.
 */
#ifndef OMNIGRAPH_TEST_CHECK_H
#define OMNIGRAPH_TEST_CHECK_H

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*fn)(void);
};

#define CHECK(cond) CU_assertImplementation((cond) ? CU_TRUE : CU_FALSE, __LINE__, #cond, __FILE__, "", CU_TRUE)
#define CHECK_MSG(cond, ...)                               \
	do {                                               \
		if (!(cond)) {                             \
			fprintf(stderr, "# " __VA_ARGS__); \
			fputc('\n', stderr);               \
			CHECK(cond);                       \
		}                                          \
	} while (0)
#define CHECK_STR(got, want) check_str((got), (want), __FILE__, __LINE__)
#define CHECK_HAS(got, part) check_has((got), (part), __FILE__, __LINE__)
#define CHECK_INT(got, want) check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)

__attribute__((unused)) static void check_str(const char *got, const char *want, const char *file, int line)
{
	if (got && want && !strcmp(got, want))
		return;
	fprintf(stderr, "# %s:%d:\n#   got  %s\n#   want %s\n", file, line, got ? got : "(null)",
		want ? want : "(null)");
	CU_assertImplementation(CU_FALSE, (unsigned)line, "strings differ", file, "", CU_TRUE);
}

__attribute__((unused)) static void check_has(const char *got, const char *part, const char *file, int line)
{
	if (got && strstr(got, part))
		return;
	fprintf(stderr, "# %s:%d:\n#   got  %s\n#   must contain %s\n", file, line, got ? got : "(null)", part);
	CU_assertImplementation(CU_FALSE, (unsigned)line, "text is missing", file, "", CU_TRUE);
}

__attribute__((unused)) static void check_int(long long got, long long want, const char *what, const char *file,
					      int line)
{
	if (got == want)
		return;
	fprintf(stderr, "# %s:%d: %s is %lld, want %lld\n", file, line, what, got, want);
	CU_assertImplementation(CU_FALSE, (unsigned)line, "numbers differ", file, "", CU_TRUE);
}

static int check_run(const char *suite, const struct check_test *tests, size_t n, const char *only)
{
	CU_pSuite s;
	unsigned failed = 0, passed = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; s && i < n; i++) {
		CU_pTest t;

		if (only && !strstr(tests[i].name, only))
			continue;
		t = CU_add_test(s, tests[i].name, tests[i].fn);
		CU_set_error_action(CUEA_IGNORE);
		CU_run_test(s, t);
		CU_pFailureRecord f = CU_get_failure_list();
		if (!CU_get_number_of_failures()) {
			printf("ok - %s\n", tests[i].name);
			passed++;
		} else {
			printf("not ok - %s\n", tests[i].name);
			for (; f; f = f->pNext)
				printf("#   %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
			failed++;
		}
		fflush(stdout);
	}
	printf("# passed %u failed %u\n", passed, failed);
	CU_cleanup_registry();
	return failed ? 1 : 0;
}

#define CHECK_MAIN(suite, ...)                                                                               \
	int main(int argc, char **argv)                                                                      \
	{                                                                                                    \
		static const struct check_test tests[] = { __VA_ARGS__ };                                    \
		return check_run(suite, tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL); \
	}

#endif
