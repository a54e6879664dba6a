/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/tokens.h>
#include <test/check.h>

static struct err e;
static struct token_set *set;

static int load(const char *single, const char *file, const char *json)
{
	struct token_sources s = { single, file, json, NULL };

	token_set_free(set);
	set = NULL;
	return token_set_load(&s, &set, &e);
}

static char path[] = "/tmp/og-tokens-XXXXXX";

static const char *file_with(const char *text)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void done(void)
{
	token_set_free(set);
	set = NULL;
	err_clear(&e);
	unlink(path);
}

static void sources_are_merged(void)
{
	CHECK(!load(" one ", file_with("{\"b\":\"tb\",\" a \":\" ta \"}"), "{\"ignored\":\"x\"}"));
	CHECK_INT(token_set_count(set), 3);
	CHECK_STR(token_set_actor(set, 0), "a");
	CHECK_STR(token_set_find(set, STR("one")), "default");
	CHECK_STR(token_set_find(set, STR("ta")), "a");
	CHECK(!token_set_find(set, STR(" ta ")));
	CHECK(!token_set_find(set, STR("x")));
	CHECK(!token_set_find(set, STR("")));
	CHECK(!load(NULL, " ", "{\"j\":\"tj\",\"j\":\"last\"}"));
	CHECK_STR(token_set_find(set, STR("last")), "j");
	CHECK(!token_set_find(set, STR("tj")));
	CHECK(!load(NULL, NULL, "{}"));
	CHECK_INT(token_set_count(set), 0);
	CHECK(!load(NULL, NULL, NULL));
	done();
}

static void bad_sources_are_refused(void)
{
	CHECK(load("x", NULL, "{\"default\":\"y\"}") < 0);
	CHECK_STR(err_msg(&e), "duplicate bearer token actor 'default'");
	CHECK(load(NULL, NULL, "{\"a\":\"y\",\"b\":\"y\"}") < 0);
	CHECK_STR(err_msg(&e), "duplicate bearer token value configured");
	CHECK(load(NULL, NULL, "{\" \":\"y\"}") < 0);
	CHECK_STR(err_msg(&e), "bearer token actor names must not be blank");
	CHECK(load(NULL, NULL, "{\"a\":\" \"}") < 0);
	CHECK_STR(err_msg(&e), "bearer token for actor 'a' must not be blank");
	CHECK(load(NULL, NULL, "{\"a\":1}") < 0);
	CHECK_STR(err_msg(&e), "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON must be a JSON object of actor->token");
	CHECK(load(NULL, NULL, "[]") < 0);
	CHECK(load(NULL, "/nonexistent/tokens", NULL) < 0);
	CHECK_HAS(err_msg(&e), "failed to read bearer tokens file at /nonexistent/tokens");
	CHECK(load(NULL, file_with("{"), NULL) < 0);
	CHECK_HAS(err_msg(&e), "failed to parse bearer tokens file at /tmp/og-tokens-");
	done();
}

static void aws_is_never_a_fallback(void)
{
	struct token_sources s = { "x", NULL, NULL, "arn:secret" };

	CHECK(token_set_load(&s, &set, &e) < 0);
	CHECK_HAS(err_msg(&e), "OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET");
	CHECK(!strstr(err_msg(&e), "arn:secret"));
	done();
}

CHECK_MAIN("security/tokens", { "SRV-19 the single token and the file are merged, actors sorted", sources_are_merged },
	   { "SRV-19 duplicate and blank entries are refused", bad_sources_are_refused },
	   { "a set AWS source is refused, not passed over", aws_is_never_a_fallback }, )
