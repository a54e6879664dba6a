/* SPDX-License-Identifier: MIT */
/* load_test.h - a graph in memory, loads from strings and exports to strings. Texts live until lt_close(). */
#ifndef ENGINE_LOAD_TESTS_LOAD_TEST_H
#define ENGINE_LOAD_TESTS_LOAD_TEST_H

#include "engine/query/tests/fixture.h"

struct source {
	struct str text;
	size_t chunk; /* bytes per read */
};

__attribute__((unused)) static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	struct source *s = arg;

	if (n > s->chunk)
		n = s->chunk;
	if (n > s->text.n)
		n = s->text.n;
	memcpy(buf, s->text.s, n);
	s->text.s += n;
	s->text.n -= n;
	return (long)n;
}

__attribute__((unused)) static int write_text(void *arg, const void *data, size_t n, struct err *e)
{
	CHECK(n > 0 && n <= 65536);
	sb_add(arg, data, n);
	return 0;
}

static const struct load_opts strict_append = { .mode = LOAD_APPEND, .shape = LOAD_STRICT };
static const struct load_opts strict_merge __attribute__((unused)) = { .mode = LOAD_MERGE, .shape = LOAD_STRICT };
static const struct load_opts strict_overwrite
	__attribute__((unused)) = { .mode = LOAD_OVERWRITE, .shape = LOAD_STRICT };
static const struct load_opts loose_append __attribute__((unused)) = { .mode = LOAD_APPEND, .shape = LOAD_PERMISSIVE };
static const struct load_opts loose_merge __attribute__((unused)) = { .mode = LOAD_MERGE, .shape = LOAD_PERMISSIVE };
static const struct load_opts loose_overwrite
	__attribute__((unused)) = { .mode = LOAD_OVERWRITE, .shape = LOAD_PERMISSIVE };

__attribute__((unused)) static int lt_load_str(struct fix *f, const struct load_opts *o, struct str text,
					       struct load_result *r, struct err *e)
{
	struct source s = { text, 1u << 20 };

	return graph_load(f->g, o, read_text, &s, r, e);
}

/* A load that must succeed; returns the number of records. */
__attribute__((unused)) static uint64_t lt_load(struct fix *f, const struct load_opts *o, const char *text)
{
	struct load_result r;
	struct err e = ERR_INIT;
	int rc = lt_load_str(f, o, str_from(text), &r, &e);
	uint64_t n;

	CHECK_MSG(rc == 0, "%s\n# in: %.300s", err_msg(&e), text);
	n = r.total;
	load_result_clear(&r);
	return n;
}

__attribute__((unused)) static const char *lt_export_of(struct fix *f, const char *branch)
{
	struct strbuf out = STRBUF_INIT;
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	struct str text;

	FIX_OK(graph_snapshot(f->g, branch, NULL, &s, &e), &e);
	FIX_OK(graph_export(s, NULL, 0, write_text, &out, &e), &e);
	snapshot_put(s);
	text = arena_str(&f->a, sb_str(&out));
	sb_free(&out);
	return text.s;
}

__attribute__((unused)) static const char *lt_export(struct fix *f)
{
	return lt_export_of(f, NULL);
}

__attribute__((unused)) static const char *lt_head(struct fix *f)
{
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;
	char *id;

	FIX_OK(graph_snapshot(f->g, NULL, NULL, &s, &e), &e);
	id = arena_strdup(&f->a, snapshot_commit(s)->id);
	snapshot_put(s);
	return id;
}

/* A load that must fail, with no effect (ENG-03); the error is the caller's to clear. */
__attribute__((unused)) static void lt_fail(struct fix *f, const struct load_opts *o, struct str text, struct err *e)
{
	const char *head = lt_head(f), *rows = lt_export(f);
	struct load_result r;
	int rc = lt_load_str(f, o, text, &r, e);

	if (!rc)
		load_result_clear(&r);
	CHECK_MSG(rc != 0, "accepted: %.*s", text.n > 300 ? 300 : (int)text.n, text.s);
	CHECK_STR(lt_head(f), head);
	CHECK_STR(lt_export(f), rows);
}

/* A bad request with exactly @want, or with @want somewhere in it. */
__attribute__((unused)) static void lt_refuses(struct fix *f, const struct load_opts *o, const char *text,
					       const char *want, bool exact)
{
	struct err e = ERR_INIT;

	lt_fail(f, o, str_from(text), &e);
	if (exact ? strcmp(err_msg(&e), want) != 0 : !strstr(err_msg(&e), want))
		fprintf(stderr, "# in: %s\n", text);
	if (exact)
		CHECK_STR(err_msg(&e), want);
	else
		CHECK_HAS(err_msg(&e), want);
	CHECK_INT(err_http_status(e.code), 400);
	err_clear(&e);
}

#define REFUSES(f, opts, text, want) lt_refuses((f), &(opts), (text), (want), true)
#define REFUSES_HAS(f, opts, text, want) lt_refuses((f), &(opts), (text), (want), false)

__attribute__((unused)) static void lt_key_conflict(struct fix *f, const struct load_opts *o, const char *text,
						    const char *kind, const char *type, const char *id)
{
	struct err e = ERR_INIT;

	lt_fail(f, o, str_from(text), &e);
	CHECK_INT(e.code, ERR_KEY_CONFLICT);
	CHECK_INT(err_http_status(e.code), 409);
	CHECK_STR(err_get_detail(&e, "entity_kind"), kind);
	CHECK_STR(err_get_detail(&e, "type_name"), type);
	CHECK_STR(err_get_detail(&e, "entity_id"), id);
	err_clear(&e);
}

/* Load @text into a fresh graph of @schema and export it. */
__attribute__((unused)) static const char *lt_once(struct arena *a, const char *schema, const struct load_opts *o,
						   const char *text)
{
	struct fix f;
	struct str out;

	fix_open(&f, schema);
	lt_load(&f, o, text);
	out = arena_str(a, str_from(lt_export(&f)));
	fix_close(&f);
	return out.s;
}

/* Run a mutation; returns "" or the message of the refusal. */
__attribute__((unused)) static const char *lt_mutate(struct fix *f, const char *src)
{
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct val *vals = NULL;
	struct mutation_result r = { 0 };
	struct write_opts w = { 0 };
	struct err e = ERR_INIT;
	const char *msg = "";

	FIX_OK(graph_snapshot(f->g, NULL, NULL, &s, &e), &e);
	FIX_OK(fix_compile(f, s, src, &q, &e), &e);
	FIX_OK(query_bind(q, &f->a, NULL, &vals, &e), &e);
	if (graph_mutate(f->g, q, vals, &w, &r, &e))
		msg = arena_strdup(&f->a, err_msg(&e));
	err_clear(&e);
	mutation_result_clear(&r);
	query_free(q);
	snapshot_put(s);
	return msg;
}

#define MUTATES(f, src) CHECK_STR(lt_mutate((f), "query m() { " src " }"), "")
#define MUTATION_FAILS(f, src, want) CHECK_STR(lt_mutate((f), "query m() { " src " }"), (want))

#endif
