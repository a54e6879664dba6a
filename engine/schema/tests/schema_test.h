/* SPDX-License-Identifier: MIT */
/* schema_test.h - helpers for the tests of the schema language. All strings live until the program ends. */
#ifndef ENGINE_SCHEMA_TESTS_SCHEMA_TEST_H
#define ENGINE_SCHEMA_TESTS_SCHEMA_TEST_H

#include <omnigraph/catalog.h>
#include <omnigraph/json.h>
#include <test/check.h>

#define TEST_DOMAIN "01ARZ3NDEKTSV4RRFFQ69G5FAV"

/* The catalog of a schema that must be good. */
__attribute__((unused)) static struct catalog *compiled(const char *src)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	int rc = catalog_compile(str_from(src), NULL, TEST_DOMAIN, &c, &e);

	CHECK_MSG(rc == 0, "%s\n# in: %s", err_msg(&e), src);
	return c;
}

/* The same, as the successor of @old. */
__attribute__((unused)) static struct catalog *recompiled(const struct catalog *old, const char *src)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	int rc = catalog_compile(str_from(src), old, NULL, &c, &e);

	CHECK_MSG(rc == 0, "%s\n# in: %s", err_msg(&e), src);
	return c;
}

/* Check that a schema is refused with a message that contains @part. */
__attribute__((unused)) static void refused(const char *src, const char *part)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	int rc = catalog_compile(str_from(src), NULL, TEST_DOMAIN, &c, &e);

	if (!rc)
		catalog_put(c);
	CHECK_MSG(rc != 0, "accepted: %s", src);
	if (!strstr(err_msg(&e), part))
		fprintf(stderr, "# in: %s\n", src);
	CHECK_HAS(err_msg(&e), part);
	CHECK_INT(err_http_status(e.code), 400);
	err_clear(&e);
}

#endif
