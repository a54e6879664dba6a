/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <omnigraph/json.h>
#include <omnigraph/log.h>
#include <test/check.h>

static FILE *file;

static struct logger *open_log(const char *filter, bool json)
{
	struct err e = ERR_INIT;
	struct logger *l;

	file = tmpfile();
	CHECK(file != NULL);
	CHECK_MSG(!logger_new(fileno(file), filter, LOG_INFO, json, &l, &e), "%s", err_msg(&e));
	return l;
}

static char *close_log(struct logger *l)
{
	struct strbuf b = STRBUF_INIT;
	char buf[4096];
	ssize_t n;

	lseek(fileno(file), 0, SEEK_SET);
	while ((n = read(fileno(file), buf, sizeof(buf))) > 0)
		sb_add(&b, buf, (size_t)n);
	fclose(file);
	logger_free(l);
	return sb_detach(&b);
}

static void text_lines(void)
{
	struct logger *l = open_log(NULL, false);
	char *out;

	log_kv(l, LOG_INFO, "boot", "serving omnigraph", "bind", "127.0.0.1:1", "config", "a b", "empty", "", "eq",
	       "a=b", NULL);
	log_kv(l, LOG_DEBUG, "boot", "hidden", NULL);
	log_kv(l, LOG_WARN, "t", "two\nlines", "v", "x\ny\"", NULL);
	log_kv(NULL, LOG_ERROR, "t", "dropped", NULL);
	out = close_log(l);
	CHECK_INT(out[4], '-');
	CHECK_INT(out[26], 'Z');
	CHECK_HAS(out, "Z INFO boot: serving omnigraph bind=127.0.0.1:1 config=\"a b\" empty=\"\" "
		       "eq=\"a=b\"\n");
	CHECK_HAS(out, "Z WARN t: two\\nlines v=\"x\\ny\\\"\"\n");
	CHECK(!strstr(out, "hidden") && !strstr(out, "dropped"));
	free(out);
}

static void json_lines(void)
{
	struct logger *l = open_log("trace", true);
	struct arena a = ARENA_INIT;
	struct json *v;
	char *out;

	log_kv(l, LOG_TRACE, "t", "m \"q\"", "k", "v\n", "message", "inner", "raw", "\xff", NULL);
	out = close_log(l);
	CHECK(!json_parse(&a, str_from(out), &(struct json_opts){ .reject_duplicates = true }, &v, NULL));
	CHECK(str_eqz(json_get(v, "level")->text, "TRACE"));
	CHECK(str_eqz(json_get(v, "target")->text, "t"));
	CHECK(str_eqz(json_get(v, "message")->text, "m \"q\""));
	CHECK(str_eqz(json_get(v, "k")->text, "v\n"));
	CHECK(str_eqz(json_get(v, "field_message")->text, "inner"));
	CHECK(str_eqz(json_get(v, "raw")->text, "\xef\xbf\xbd"));
	CHECK_INT(json_get(v, "ts")->text.n, 27);
	arena_free(&a);
	free(out);
}

static void filters(void)
{
	struct logger *l = open_log("warn, omnigraph::embedding=debug ,omnigraph=error", false);
	struct err e = ERR_INIT;
	struct logger *bad;

	CHECK(log_enabled(l, LOG_WARN, "boot") && !log_enabled(l, LOG_INFO, "boot"));
	CHECK(log_enabled(l, LOG_DEBUG, "omnigraph::embedding") && !log_enabled(l, LOG_TRACE, "omnigraph::embedding"));
	CHECK(log_enabled(l, LOG_DEBUG, "omnigraph::embedding::x"));
	CHECK(!log_enabled(l, LOG_WARN, "omnigraph::other") && log_enabled(l, LOG_ERROR, "omnigraph"));
	CHECK(log_enabled(l, LOG_WARN, "omnigraphs"));
	CHECK(!log_enabled(NULL, LOG_ERROR, "x"));
	free(close_log(l));
	CHECK(logger_new(2, "info,x=loud", LOG_INFO, false, &bad, &e) < 0 && !bad);
	CHECK_HAS(err_msg(&e), "'x=loud'");
	CHECK(logger_new(2, "verbose", LOG_INFO, false, &bad, &e) < 0);
	CHECK_HAS(err_msg(&e), "'verbose'");
	CHECK(logger_new(2, "info,", LOG_INFO, false, &bad, &e) < 0);
	CHECK(logger_new(2, "=info", LOG_INFO, false, &bad, &e) < 0);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	err_clear(&e);
	l = open_log("  ", false);
	CHECK(log_enabled(l, LOG_INFO, "x") && !log_enabled(l, LOG_DEBUG, "x"));
	free(close_log(l));
}

static void *spam(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_kv(arg, LOG_INFO, "spam", "0123456789012345678901234567890123456789", "k", "v", NULL);
	return NULL;
}

static void whole_lines(void)
{
	struct logger *l = open_log("", false);
	pthread_t t[4];
	char *out, *p;
	int n = 0;

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, spam, l));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	out = close_log(l);
	for (p = out; *p; n++) {
		char *nl = strchr(p, '\n');

		CHECK(nl && nl - p == 27 + (int)strlen(" INFO spam: "
						       "0123456789012345678901234567890123456789 k=v"));
		p = nl + 1;
	}
	CHECK_INT(n, 2000);
	free(out);
}

CHECK_MAIN("lib/log", { "SRV-71 events are lines of text with fields", text_lines },
	   { "events are JSON lines when asked", json_lines }, { "a filter picks levels by target", filters },
	   { "events of several threads never interleave", whole_lines }, )
