/* SPDX-License-Identifier: MIT */
/*
 * test_store.h - where a test keeps its graph: in memory, or on S3 when OMNIGRAPH_S3_TEST_BUCKET names a bucket (scripts/check-s3; the AWS_*
 * names say how to reach it). Each store has a prefix of its own, which its last close removes.
 */
#ifndef OMNIGRAPH_TEST_TEST_STORE_H
#define OMNIGRAPH_TEST_TEST_STORE_H

#include <omnigraph/store.h>
#include <omnigraph/util.h>
#include <test/check.h>

static const char *test_getenv(void *arg, const char *name)
{
	return getenv(name);
}

static const char *test_s3_bucket(void)
{
	const char *bucket = getenv("OMNIGRAPH_S3_TEST_BUCKET");

	return bucket && *bucket ? bucket : NULL;
}

static void test_s3_settings(void)
{
	static struct s3_config c;

	s3_config_from_env(test_getenv, NULL, &c);
	store_set_s3_default(&c);
}

/* How often a test does what is a request on S3. */
__attribute__((unused)) static int test_times(int in_memory, int on_s3)
{
	return test_s3_bucket() ? on_s3 : in_memory;
}

/* A root on S3 that nothing uses; the caller frees it. */
static char *test_s3_uri(void)
{
	struct strbuf uri = STRBUF_INIT;
	char id[ULID_LEN + 1];

	ulid_new(id);
	test_s3_settings();
	sb_addf(&uri, "s3://%s/t/%s", test_s3_bucket(), id);
	return sb_detach(&uri);
}

static struct store *test_store_at(const char *uri)
{
	struct err e = ERR_INIT;
	struct store *s = NULL;
	int rc = store_open(uri, NULL, &s, &e);

	CHECK_MSG(rc == 0, "open %s: %s", uri, err_msg(&e));
	return s;
}

/* Remove everything at a root that test_s3_uri() gave. */
static void test_s3_remove(const char *uri)
{
	char *place = str_dup((struct str){ uri, (size_t)(strrchr(uri, '/') - uri) });
	struct store *s = test_store_at(place);
	struct err e = ERR_INIT;
	int rc = store_delete_prefix(s, strrchr(uri, '/') + 1, &e);

	store_close(s);
	free(place);
	CHECK_MSG(rc == 0, "%s", err_msg(&e));
}

/* An empty store. */
__attribute__((unused)) static struct store *test_store_open(void)
{
	static int n;
	struct store *s;
	char mem[32], *uri;

	if (!test_s3_bucket()) {
		snprintf(mem, sizeof(mem), "mem://test-%d", n++);
		return test_store_at(mem);
	}
	uri = test_s3_uri();
	s = test_store_at(uri);
	free(uri);
	return s;
}

/* Close the last handle on a store; one on S3 is removed. */
__attribute__((unused)) static void test_store_close(struct store *s)
{
	if (s && !strcmp(s->ops->scheme, "s3"))
		test_s3_remove(s->uri);
	store_close(s);
}

#endif
