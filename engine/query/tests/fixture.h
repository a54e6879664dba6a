/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - a small graph in memory, or on S3, for query tests: schema text, rows as JSON lines, queries as text.
 *
 *	struct fix f;
 *	fix_open(&f, schema);
 *	fix_write(&f, "{\"type\":\"Planet\",\"id\":\"mars\",\"data\":{\"code\":\"mars\"}}\n"
 *		      "{\"edge\":\"Orbits\",\"from\":\"odys\",\"to\":\"mars\",\"id\":\"e1\"}\n");
 *	CHECK_STR(fix_rows(&f, "query q() { match { $m: Planet } return { $m.code } }", NULL), "\"mars\"");
 *	fix_close(&f);
 *
 * Rows are staged as they stand (no load rules); without "id" a node takes its key, an edge a new ULID.
 * fix_rows() gives the values of each row joined by "," and rows by "; ". All strings live until fix_close().
 */
#ifndef ENGINE_QUERY_TESTS_FIXTURE_H
#define ENGINE_QUERY_TESTS_FIXTURE_H

#include <omnigraph/graph.h>
#include <omnigraph/query.h>
#include <omnigraph/store.h>
#include <test/test_store.h>

#include "engine/store/txn.h"

struct fix {
	struct store *store;
	struct graph *g;
	struct arena a;
	const char *lines;
};

/* The sample schema of spec/query.md. */
#define FIX_SPACE                                                                         \
	"node Planet { code: String @key   moons: I32?   mass: F64?   tags: [String]?   " \
	"vec: Vector(2)? }\n"                                                             \
	"node Probe  { ref: String @key    label: String  notes: String? @index\n"        \
	"              status: enum(active, lost)?        launched: DateTime? }\n"        \
	"edge Orbits: Probe -> Planet { since: Date?  note: String? }\n"                  \
	"edge Relays: Probe -> Probe  { band: String? }\n"

#define FIX_OK(rc, e) CHECK_MSG((rc) == 0, "error: %s", err_msg(e))

__attribute__((unused)) static void fix_open(struct fix *f, const char *schema)
{
	struct err e = ERR_INIT;

	*f = (struct fix){ .store = test_store_open() };
	FIX_OK(graph_init_store(f->store, str_from(schema), NULL, &e), &e);
	FIX_OK(graph_open_store(f->store, NULL, &f->g, &e), &e);
}

__attribute__((unused)) static void fix_close(struct fix *f)
{
	graph_close(f->g);
	test_store_close(f->store);
	arena_free(&f->a);
}

static struct val fix_scalar(const struct prop_type *t, const struct json *j)
{
	struct val v = VAL_NULL_INIT;
	int32_t days;

	if (j->type == JSON_NULL)
		return v;
	switch (t->scalar) {
	case SCALAR_BOOL:
		return (struct val){ .kind = VAL_BOOL, .b = j->boolean };
	case SCALAR_I32:
	case SCALAR_I64:
		v.kind = VAL_I64;
		CHECK(json_to_i64(j, &v.i));
		return v;
	case SCALAR_U32:
	case SCALAR_U64:
		v.kind = VAL_U64;
		CHECK(json_to_u64(j, &v.u));
		return v;
	case SCALAR_F32:
	case SCALAR_F64:
		CHECK(json_to_f64(j, &v.f));
		v.kind = t->scalar == SCALAR_F32 ? VAL_F32 : VAL_F64;
		if (v.kind == VAL_F32)
			v.f = (float)v.f;
		return v;
	case SCALAR_DATE:
		CHECK(date_parse_load(j->text, &days));
		return (struct val){ .kind = VAL_DATE, .i = days };
	case SCALAR_DATETIME:
		v.kind = VAL_DATETIME;
		CHECK(datetime_parse_load(j->text, &v.i));
		return v;
	default:
		return val_str(j->text);
	}
}

static struct val fix_value(struct arena *a, const struct prop_type *t, const struct json *j)
{
	struct val v = VAL_NULL_INIT;

	if (!j || j->type == JSON_NULL)
		return v;
	v.n = (uint32_t)j->n;
	if (t->list) {
		struct val *items = arena_array(a, struct val, j->n);

		v.kind = VAL_LIST;
		for (size_t i = 0; i < j->n; i++)
			items[i] = fix_scalar(t, &j->items[i]);
		v.list = items;
		return v;
	}
	if (t->scalar == SCALAR_VECTOR) {
		float *vec = arena_array(a, float, j->n);

		v.kind = VAL_VEC;
		for (size_t i = 0; i < j->n; i++) {
			double d;

			CHECK(json_to_f64(&j->items[i], &d));
			vec[i] = (float)d;
		}
		v.vec = vec;
		return v;
	}
	return fix_scalar(t, j);
}

static struct str fix_text(const struct json *j, const char *name)
{
	const struct json *m = json_get(j, name);

	return m ? m->text : (struct str){ NULL, 0 };
}

static struct str fix_key(struct arena *a, const struct type *t, const struct val *vals)
{
	struct strbuf sb = STRBUF_INIT, member = STRBUF_INIT;
	struct str id;

	for (uint32_t i = 0; i < t->key.n; i++) {
		sb_reset(&member);
		CHECK(!val_key_text(&vals[t->key.members[i]], &member, NULL));
		if (t->key.n == 1) {
			sb_adds(&sb, sb_str(&member));
		} else {
			sb_addch(&sb, i ? ',' : '[');
			json_quote(&sb, sb_str(&member));
		}
	}
	if (t->key.n > 1)
		sb_addch(&sb, ']');
	id = arena_str(a, sb_str(&sb));
	sb_free(&sb);
	sb_free(&member);
	return id;
}

static int fix_put(struct txn *t, struct arena *a, const struct json *j, struct err *e)
{
	const struct catalog *c = snapshot_catalog(txn_base(t));
	bool edge = json_get(j, "edge");
	const struct type *ty = edge ? catalog_edge(c, fix_text(j, "edge")) : catalog_node(c, fix_text(j, "type"));
	struct row_image row = { .id = fix_text(j, "id"), .src = fix_text(j, "from"), .dst = fix_text(j, "to") };
	struct val *vals;

	CHECK(ty != NULL);
	vals = arena_array(a, struct val, ty->n_props + 1);
	for (uint32_t i = 0; i < ty->n_props; i++)
		vals[i] = fix_value(a, &ty->props[i].type,
				    json_get(json_get(j, "data"), arena_str(a, ty->props[i].name).s));
	row.vals = vals;
	if (!row.id.s && ty->key.n) {
		row.id = fix_key(a, ty, vals);
	} else if (!row.id.s) {
		char *id = arena_alloc(a, ULID_LEN + 1);

		ulid_new(id);
		row.id = str_from(id);
	}
	return txn_put(t, ty, &row, e);
}

static int fix_prepare(void *arg, struct txn *t, struct err *e)
{
	struct fix *f = arg;
	struct arena *a = txn_arena(t);
	struct str src = str_from(f->lines);
	size_t pos = 0;

	for (;;) {
		struct json *j;
		int rc = json_parse_next(a, src, &pos, NULL, &j, e);

		if (!rc && j)
			rc = fix_put(t, a, j, e);
		if (rc || !j)
			return rc;
	}
}

__attribute__((unused)) static void fix_write(struct fix *f, const char *lines)
{
	struct write_req req = { .branch = "main", .kind = WRITE_LOAD, .prepare = fix_prepare, .arg = f };
	struct commit_info c = { 0 };
	struct err e = ERR_INIT;
	bool committed;

	f->lines = lines;
	FIX_OK(graph_write(f->g, &req, &committed, &c, &e), &e);
	CHECK(committed);
	commit_info_clear(&c);
}

static int fix_compile(struct fix *f, struct snapshot *s, const char *src, struct query **q, struct err *e)
{
	const struct query_decl *d;
	struct query_file *file = NULL;
	int rc = query_file_parse(str_from(src), &file, e);

	if (!rc)
		rc = query_file_select(file, NULL, &d, e);
	if (!rc)
		rc = query_compile((struct catalog *)snapshot_catalog(s), d, q, e);
	query_file_free(file);
	return rc;
}

static int fix_try(struct fix *f, const char *src, const char *params, struct strbuf *out, struct err *e)
{
	static const struct query_target target = { .branch = "main" };
	struct snapshot *s = NULL;
	struct query *q = NULL;
	struct json *j = NULL;
	struct val *vals = NULL;
	int rc = graph_snapshot(f->g, NULL, NULL, &s, e);

	if (!rc)
		rc = fix_compile(f, s, src, &q, e);
	if (!rc && params)
		rc = json_parse(&f->a, str_from(params), NULL, &j, e);
	if (!rc)
		rc = query_bind(q, &f->a, j, &vals, e);
	if (!rc)
		rc = graph_query(f->g, s, q, vals, &target, true, out, e);
	query_free(q);
	snapshot_put(s);
	return rc;
}

/* The whole envelope. */
__attribute__((unused)) static const char *fix_query(struct fix *f, const char *src, const char *params)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct str text;

	FIX_OK(fix_try(f, src, params, &out, &e), &e);
	text = arena_str(&f->a, sb_str(&out));
	sb_free(&out);
	return text.s;
}

/* The message of a query that must fail. */
__attribute__((unused)) static const char *fix_error(struct fix *f, const char *src, const char *params)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *msg;
	int rc = fix_try(f, src, params, &out, &e);

	CHECK_MSG(rc != 0, "expected an error, got %s", out.s);
	CHECK_MSG(out.n == 0, "output after an error: %s", out.s);
	CHECK_MSG(err_http_status(e.code) == 400, "status %d: %s", err_http_status(e.code), err_msg(&e));
	msg = arena_strdup(&f->a, err_msg(&e));
	err_clear(&e);
	sb_free(&out);
	return msg;
}

static int fix_by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *fix_join(struct fix *f, const char *env, bool sorted)
{
	struct strbuf sb = STRBUF_INIT;
	const struct json *rows;
	struct json *j;
	struct str text;
	char **lines;

	CHECK(!json_parse(&f->a, str_from(env), NULL, &j, NULL));
	rows = json_get(j, "rows");
	CHECK(rows && rows->type == JSON_ARRAY);
	CHECK_STR(arena_str(&f->a, json_get(j, "row_count")->text).s, arena_printf(&f->a, "%zu", rows->n));
	lines = arena_array(&f->a, char *, rows->n + 1);
	for (size_t i = 0; i < rows->n; i++) {
		sb_reset(&sb);
		for (size_t k = 0; k < rows->items[i].n; k++) {
			if (k)
				sb_addch(&sb, ',');
			json_compact(&sb, &rows->items[i].items[k]);
		}
		lines[i] = arena_strdup(&f->a, sb_str(&sb).s);
	}
	if (sorted)
		qsort(lines, rows->n, sizeof(*lines), fix_by_text);
	sb_reset(&sb);
	for (size_t i = 0; i < rows->n; i++)
		sb_addf(&sb, "%s%s", i ? "; " : "", lines[i]);
	text = arena_str(&f->a, sb_str(&sb));
	sb_free(&sb);
	return text.s;
}

/* Rows as they come, and sorted as text (a bag). */
__attribute__((unused)) static const char *fix_rows(struct fix *f, const char *src, const char *params)
{
	return fix_join(f, fix_query(f, src, params), false);
}

__attribute__((unused)) static const char *fix_bag(struct fix *f, const char *src, const char *params)
{
	return fix_join(f, fix_query(f, src, params), true);
}

/* Short spellings: a query of match and return without parameters, and with them. */
#define Q(body) "query q() { " body " }"
#define QP(params, body) "query q(" params ") { " body " }"
#define ROWS(f, body, want) CHECK_STR(fix_rows((f), Q(body), NULL), (want))
#define BAG(f, body, want) CHECK_STR(fix_bag((f), Q(body), NULL), (want))
#define FAILS(f, body, want) CHECK_HAS(fix_error((f), Q(body), NULL), (want))

#endif
