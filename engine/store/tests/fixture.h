/* SPDX-License-Identifier: MIT */
/* fixture.h - a small graph for tests of the store: people who know each other. */
#ifndef STORE_TESTS_FIXTURE_H
#define STORE_TESTS_FIXTURE_H

#include <stdarg.h>
#include <unistd.h>

#include <omnigraph/graph.h>
#include <omnigraph/store.h>
#include <test/check.h>
#include <test/test_store.h>

#include "engine/store/snapshot.h"
#include "engine/store/txn.h"

#define FIXTURE_SCHEMA                                                                             \
	"node Person {\n  name: String @key\n  age: I32?\n  tags: [String]?\n  v: Vector(3)?\n}\n" \
	"node Note {\n  text: String?\n}\n"                                                        \
	"edge Knows: Person -> Person {\n  since: Date?\n}\n"

#define CHECK_OK(expr)                                                                     \
	do {                                                                               \
		struct err check_e = ERR_INIT, *ep = &check_e;                             \
		int check_rc = (expr);                                                     \
		if (check_rc)                                                              \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, err_msg(ep)); \
		err_clear(ep);                                                             \
		CHECK(check_rc == 0);                                                      \
	} while (0)

__attribute__((unused)) static char *temp_dir(void)
{
	const char *base = getenv("TMPDIR");
	char *p = NULL;

	if (asprintf(&p, "%s/og-store-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(p))
		abort();
	return p;
}

__attribute__((unused)) static void temp_dir_remove(char *p)
{
	char *cmd = NULL;

	if (asprintf(&cmd, "rm -rf '%s'", p) > 0 && system(cmd) != 0)
		fprintf(stderr, "# cannot remove %s\n", p);
	free(cmd);
	free(p);
}

/* A root that further handles and processes see: a directory, or a prefix on S3. */
__attribute__((unused)) static char *temp_root(void)
{
	return test_s3_bucket() ? test_s3_uri() : temp_dir();
}

__attribute__((unused)) static void temp_root_remove(char *root)
{
	if (!test_s3_bucket()) {
		temp_dir_remove(root);
		return;
	}
	test_s3_remove(root);
	free(root);
}

/* One operation of a test write. */
struct op {
	char what; /* 'P' put person, 'N' put note, 'K' put edge, 'p' 'n' 'k' delete, 'T' truncate persons, 'F' force */
	const char *id, *src, *dst;
	int age;
};

#define PERSON(id, age)                  \
	{                                \
		'P', id, NULL, NULL, age \
	}
#define NOTE(id)                       \
	{                              \
		'N', id, NULL, NULL, 0 \
	}
#define KNOWS(id, src, dst)          \
	{                            \
		'K', id, src, dst, 0 \
	}
#define DEL_PERSON(id)                 \
	{                              \
		'p', id, NULL, NULL, 0 \
	}
#define DEL_KNOWS(id)                  \
	{                              \
		'k', id, NULL, NULL, 0 \
	}
#define NO_PERSONS                     \
	{                              \
		'T', "", NULL, NULL, 0 \
	}
#define FORCE                          \
	{                              \
		'F', "", NULL, NULL, 0 \
	}

struct ops {
	const struct op *v;
	size_t n;
	int calls;   /* times prepare ran */
	bool append; /* refuse ids that exist, as load append does */
};

static const struct type *op_type(const struct catalog *c, char what)
{
	switch (what) {
	case 'P':
	case 'p':
	case 'T':
		return catalog_node(c, STR("Person"));
	case 'N':
	case 'n':
		return catalog_node(c, STR("Note"));
	default:
		return catalog_edge(c, STR("Knows"));
	}
}

static int op_put(struct txn *t, const struct type *ty, const struct op *o, struct err *e)
{
	struct arena *a = txn_arena(t);
	struct val *vals = arena_array(a, struct val, ty->n_props + 1);
	struct row_image row = { .id = arena_str(a, str_from(o->id)), .vals = vals };

	for (uint32_t i = 0; i < ty->n_props; i++) {
		if (str_eqz(ty->props[i].name, "age") && o->age)
			vals[i] = (struct val){ .kind = VAL_I64, .i = o->age };
		if (str_eqz(ty->props[i].name, "name") || str_eqz(ty->props[i].name, "text"))
			vals[i] = val_str(row.id);
		if (str_eqz(ty->props[i].name, "tags") && o->age > 1) {
			struct val *items = arena_array(a, struct val, 2);

			items[0] = val_str(row.id);
			vals[i] = (struct val){ .kind = VAL_LIST, .n = 2, .list = items };
		}
		if (str_eqz(ty->props[i].name, "v") && o->age > 2) {
			float *f = arena_array(a, float, 3);

			f[0] = 0.5f;
			f[2] = (float)o->age;
			vals[i] = (struct val){ .kind = VAL_VEC, .n = 3, .vec = f };
		}
	}
	if (ty->kind == TYPE_EDGE) {
		row.src = arena_str(a, str_from(o->src));
		row.dst = arena_str(a, str_from(o->dst));
	}
	return txn_put(t, ty, &row, e);
}

static int ops_prepare(void *arg, struct txn *t, struct err *e)
{
	struct ops *ops = arg;
	const struct catalog *c = snapshot_catalog(txn_base(t));

	ops->calls++;
	for (size_t i = 0; i < ops->n; i++) {
		const struct op *o = &ops->v[i];
		const struct type *ty = op_type(c, o->what);
		int rc = 0;

		if (ops->append && txn_exists(t, ty, str_from(o->id)))
			return err_set(e, ERR_KEY_CONFLICT, "%s type '%.*s' already has this id", type_kind_word(ty),
				       STR_ARG(ty->name));
		if (o->what == 'F')
			txn_force_commit(t);
		else if (o->what == 'T')
			txn_truncate(t, ty);
		else if (o->what >= 'a')
			rc = txn_delete(t, ty, arena_str(txn_arena(t), str_from(o->id)), e);
		else
			rc = op_put(t, ty, o, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* Write @ops on @branch as one commit. */
__attribute__((unused)) static int write_ops(struct graph *g, const char *branch, struct ops *ops, bool retryable,
					     const char *expected, struct commit_info *out, struct err *e)
{
	struct write_req req = { .branch = branch,
				 .actor = "tester",
				 .expected_head = expected,
				 .kind = WRITE_LOAD,
				 .retryable = retryable,
				 .limited = true,
				 .prepare = ops_prepare,
				 .arg = ops };
	struct commit_info own = { 0 };
	bool committed;
	int rc = graph_write(g, &req, &committed, out ? out : &own, e);

	if (!out && !rc && committed)
		commit_info_clear(&own);
	return rc;
}

#define WRITE(g, branch, ...)                                                                               \
	do {                                                                                                \
		const struct op write_ops_[] = { __VA_ARGS__ };                                             \
		struct ops write_o_ = { write_ops_, sizeof(write_ops_) / sizeof(write_ops_[0]), 0, false }; \
		CHECK_OK(write_ops(g, branch, &write_o_, true, NULL, NULL, ep));                            \
	} while (0)

struct sorted_row {
	struct str id;
	rowref r;
};

static int by_row_id(const void *a, const void *b)
{
	return str_cmp(((const struct sorted_row *)a)->id, ((const struct sorted_row *)b)->id);
}

static void dump_type(struct snapshot *s, const struct type *t, struct strbuf *out)
{
	size_t n = snapshot_count(s, t), i = 0;
	struct sorted_row *rows = calloc(n + 1, sizeof(*rows));
	struct arena a = ARENA_INIT;
	struct row_scan sc;
	rowref r;

	row_scan_init(&sc, s, t);
	while ((r = row_scan_next(&sc)) != ROW_NONE && i < n)
		rows[i++] = (struct sorted_row){ row_id(s, t, r), r };
	if (i != n || r != ROW_NONE)
		sb_addf(out, "count %zu differs from the scan\n", n);
	qsort(rows, i, sizeof(*rows), by_row_id);
	for (size_t k = 0; k < i; k++) {
		sb_addf(out, "%.*s %.*s", STR_ARG(t->name), STR_ARG(rows[k].id));
		if (t->kind == TYPE_EDGE)
			sb_addf(out, " %.*s->%.*s", STR_ARG(row_src(s, t, rows[k].r)),
				STR_ARG(row_dst(s, t, rows[k].r)));
		for (uint32_t p = 0; p < t->n_props; p++) {
			struct val v;

			row_get(s, t, rows[k].r, p, &a, &v);
			sb_addch(out, ' ');
			val_export_json(&v, out);
		}
		sb_addf(out, " c%llu u%llu\n", (unsigned long long)row_created(s, t, rows[k].r),
			(unsigned long long)row_updated(s, t, rows[k].r));
	}
	arena_free(&a);
	free(rows);
}

/* Everything a snapshot shows, as text. */
__attribute__((unused)) static char *dump(struct snapshot *s)
{
	const struct catalog *c = snapshot_catalog(s);
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	for (uint32_t i = 0; i < c->n_types; i++)
		dump_type(s, &c->types[i], &out);
	jw_init(&w, &out, false);
	snapshot_report_json(s, "x", &w);
	return sb_detach(&out);
}

__attribute__((unused)) static char *dump_branch(struct graph *g, const char *branch, const char *commit)
{
	struct snapshot *s = NULL;
	char *text;

	CHECK_OK(graph_snapshot(g, branch, commit, &s, ep));
	text = dump(s);
	snapshot_put(s);
	return text;
}

__attribute__((unused)) static void head_id(struct graph *g, const char *branch, char out[ULID_LEN + 1])
{
	struct snapshot *s = NULL;

	CHECK_OK(graph_snapshot(g, branch, NULL, &s, ep));
	memcpy(out, snapshot_commit(s)->id, ULID_LEN + 1);
	snapshot_put(s);
}

__attribute__((unused)) static uint64_t count_of(struct graph *g, const char *branch, const char *type)
{
	struct snapshot *s = NULL;
	uint64_t n;

	CHECK_OK(graph_snapshot(g, branch, NULL, &s, ep));
	n = snapshot_count(s, op_type(snapshot_catalog(s), type[0]));
	snapshot_put(s);
	return n;
}

static int commit_line(void *arg, const struct commit_info *c)
{
	struct strbuf *b = arg;
	struct json_writer w;

	jw_init(&w, b, false);
	commit_info_json(&w, c);
	sb_addch(b, '\n');
	return 0;
}

__attribute__((unused)) static char *commit_list(struct graph *g, const char *branch)
{
	struct strbuf b = STRBUF_INIT;

	CHECK_OK(graph_commits(g, branch, commit_line, &b, ep));
	return sb_detach(&b);
}

#endif
