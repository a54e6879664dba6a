/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

#include "net/admission.h"
#include "net/body.h"
#include "net/export_budget.h"
#include "net/options.h"
#include "net/query_string.h"
#include "net/utf8_stream.h"

/* --- query strings ----------------------------------------------------------------------------------------- */

static struct arena arena;
static struct query_param params[2];

static int parse(const char *text, struct err *e)
{
	params[0] = (struct query_param){ .name = "branch" };
	params[1] = (struct query_param){ .name = "from" };
	return query_string_parse(&arena, str_from(text), params, 2, e);
}

static void query_strings(void)
{
	struct err e = ERR_INIT;

	CHECK(!parse("branch=a+b%2Fc&x=1&&from=", &e));
	CHECK(str_eqz(params[0].value, "a b/c"));
	CHECK(params[1].given && params[1].value.n == 0);
	CHECK(!parse("", &e));
	CHECK(!params[0].given);
	CHECK(!parse("x=1&x=2", &e));
	CHECK(parse("branch=a&branch=b", &e) < 0);
	CHECK_STR(err_msg(&e), "Failed to deserialize query string: duplicate field `branch`");
	CHECK(parse("branch=%zz", &e) < 0);
	CHECK(parse("branch=%ff", &e) < 0);
	CHECK_HAS(err_msg(&e), "Failed to deserialize query string: ");
	err_clear(&e);
	arena_free(&arena);
}

static void path_segments(void)
{
	struct err e = ERR_INIT;
	struct str s;

	CHECK(!path_segment_decode(&arena, STR("review%2F3+x"), &s, &e));
	CHECK(str_eqz(s, "review/3+x"));
	CHECK(path_segment_decode(&arena, STR("%0"), &s, &e) < 0);
	CHECK(path_segment_decode(&arena, STR("a%00b"), &s, &e) < 0);
	err_clear(&e);
	arena_free(&arena);
}

/* --- content types, UTF-8 ------------------------------------------------------------------------------------- */

static void content_types(void)
{
	CHECK(content_type_is_json(STR("application/json")));
	CHECK(content_type_is_json(STR("Application/JSON; charset=utf-8")));
	CHECK(content_type_is_json(STR("application/vnd.api+json")));
	CHECK(!content_type_is_json(STR("application/+json")));
	CHECK(!content_type_is_json(STR("text/json")));
	CHECK(!content_type_is_json(STR("application/jsonx")));
	CHECK(!content_type_is_json(STR("")));
	CHECK(content_type_is(STR("application/X-NDJSON ;a=b"), STR("application/x-ndjson")));
	CHECK(!content_type_is(STR("application/json"), STR("application/x-ndjson")));
}

static bool utf8_in_pieces(const char *s, size_t n, size_t piece)
{
	struct utf8_stream u = { 0 };

	for (size_t i = 0; i < n; i += piece)
		if (!utf8_stream_feed(&u, s + i, n - i < piece ? n - i : piece))
			return false;
	return utf8_stream_complete(&u);
}

static void utf8_across_pieces(void)
{
	static const char good[] = "plain ascii that is long enough \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 end";
	static const char *const bad[] = {
		"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "abc\xff", "\xe2\x82"
	};

	for (size_t piece = 1; piece < 10; piece++) {
		CHECK(utf8_in_pieces(good, sizeof(good) - 1, piece));
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK(!utf8_in_pieces(bad[i], strlen(bad[i]), piece));
	}
}

/* --- admission ---------------------------------------------------------------------------------------------------- */

struct racer {
	struct admission *a;
	pthread_barrier_t *start;
	bool ok;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->ok = !admission_acquire(r->a, "act-ada", 1, NULL);
	return NULL;
}

static void admission_is_atomic(void)
{
	struct admission *a = admission_new(16, ADMISSION_BYTES_DEFAULT);
	struct racer r[32];
	pthread_barrier_t start;
	pthread_t t[32];
	int passed = 0;

	pthread_barrier_init(&start, NULL, 32);
	for (int i = 0; i < 32; i++) {
		r[i] = (struct racer){ a, &start, false };
		CHECK(!pthread_create(&t[i], NULL, race, &r[i]));
	}
	for (int i = 0; i < 32; i++) {
		pthread_join(t[i], NULL);
		passed += r[i].ok;
	}
	CHECK_INT(passed, 16);
	CHECK(!admission_acquire(a, "act-bo", 1, NULL));
	pthread_barrier_destroy(&start);
	admission_free(a);
}

static void admission_texts(void)
{
	struct admission *a = admission_new(1, 100);
	struct err e = ERR_INIT;

	CHECK(admission_acquire(a, NULL, 101, &e) < 0);
	CHECK_STR(err_msg(&e), "actor byte budget exceeded: would use 101 bytes against cap 100");
	CHECK_INT(err_http_status(e.code), 429);
	CHECK(!admission_acquire(a, NULL, 100, &e));
	CHECK(admission_acquire(a, "anonymous", 0, &e) < 0);
	CHECK_STR(err_msg(&e), "actor in-flight count cap 1 exceeded");
	admission_release(a, NULL, 100);
	CHECK(!admission_acquire(a, NULL, 100, &e));
	admission_free(a);
	a = admission_new(0, 0);
	CHECK(admission_acquire(a, NULL, 0, &e) < 0);
	admission_free(a);
	err_clear(&e);
}

static void export_capacity(void)
{
	struct export_budget *b = export_budget_new();
	struct err e = ERR_INIT;
	int64_t before;

	for (int i = 0; i < 8; i++)
		CHECK(!export_reserve(b, &e));
	before = time_mono_us();
	CHECK(export_reserve(b, &e) < 0);
	CHECK(time_mono_us() - before >= 240000);
	CHECK_STR(err_get_detail(&e, "resource"), "stream_export_transport_bytes");
	CHECK_STR(err_get_detail(&e, "limit"), "2097152");
	CHECK_STR(err_get_detail(&e, "actual"), "2359296");
	export_release(b);
	CHECK(!export_reserve(b, &e));
	err_clear(&e);
	export_budget_free(b);
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static int options(struct command_line *c, struct err *e, const char *a, const char *b, const char *d)
{
	char *argv[] = { (char *)"omnigraph-server", (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)d };
	int argc = a ? b ? d ? 4 : 3 : 2 : 1;

	return command_line_parse(argc, argv, c, e);
}

static void command_lines(void)
{
	struct command_line c;
	struct err e = ERR_INIT;

	CHECK(!options(&c, &e, "--cluster", "x", "--require-all-graphs"));
	CHECK_STR(c.cluster, "x");
	CHECK(c.require_all && !c.unauthenticated);
	CHECK_STR(c.bind, "127.0.0.1:8080");
	CHECK(!options(&c, &e, "--cluster=s3://b/p", "--bind=[::1]:0", NULL));
	CHECK_STR(c.bind, "[::1]:0");
	CHECK(options(&c, &e, "s3://b/p", NULL, NULL) < 0);
	CHECK(options(&c, &e, "--config", "x", NULL) < 0);
	CHECK(options(&c, &e, "--cluster", NULL, NULL) < 0);
	CHECK(options(&c, &e, "--bind", "localhost", NULL) < 0);
	CHECK(options(&c, &e, "--bind", "::1:80", NULL) < 0);
	err_clear(&e);
}

static void booleans(void)
{
	CHECK(!env_boolean(NULL));
	CHECK(!env_boolean("  "));
	CHECK(!env_boolean("0"));
	CHECK(!env_boolean(" False "));
	CHECK(env_boolean("no"));
	CHECK(env_boolean("1"));
}

static const char *fake_env(const char *name)
{
	return !strcmp(name, "GOOD") ? "7" : !strcmp(name, "BLANK") ? " 7" : !strcmp(name, "BIG") ? "99999" : NULL;
}

static void numbers(void)
{
	CHECK_INT(env_number(fake_env, "GOOD", 100, 5, NULL), 7);
	CHECK_INT(env_number(fake_env, "BLANK", 100, 5, NULL), 5);
	CHECK_INT(env_number(fake_env, "BIG", 100, 5, NULL), 5);
	CHECK_INT(env_number(fake_env, "NONE", 100, 5, NULL), 5);
}

CHECK_MAIN("net/request", { "query strings: known once, unknown ignored, decoding", query_strings },
	   { "path captures are percent-decoded", path_segments },
	   { "SRV-23 which content types are JSON", content_types },
	   { "UTF-8 is checked across piece boundaries", utf8_across_pieces },
	   { "SRV-26 32 simultaneous requests against a cap of 16 give 16", admission_is_atomic },
	   { "SRV-26 admission texts, and 0 refuses everything", admission_texts },
	   { "SRV-42 the ninth export is refused after a quarter of a second", export_capacity },
	   { "SRV-02 command line forms and usage errors", command_lines }, { "boolean variables: rule B1", booleans },
	   { "limits variables are parsed strictly", numbers }, )
