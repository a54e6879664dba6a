/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - a cluster in a temporary directory: write its files, run a command, look into the report.
 * One directory at a time; fx_begin() replaces it, fx_end() removes it.
 */
#ifndef CLUSTER_TESTS_FIXTURE_H
#define CLUSTER_TESTS_FIXTURE_H

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/cluster.h>
#include <omnigraph/graph.h>
#include <omnigraph/json.h>
#include <omnigraph/serving.h>
#include <omnigraph/util.h>
#include <test/check.h>

#define FX __attribute__((unused)) static

#define BOOKS_PG "node Book {\n  title: String @key\n}\n"
#define BOOKS_YEAR_PG "node Book {\n  title: String @key\n  year: I64?\n}\n"
#define BOOKS_GQ "query by_title($t: String) {\n  match { $b: Book { title: $t } }\n  return { $b.title }\n}\n"
#define READERS "version: 1\nrules: []\n"
#define LIBRARY                                                                  \
	"version: 1\n"                                                           \
	"metadata: { name: library }\n"                                          \
	"providers: { embedding: { local: { kind: mock, model: shelf-v1 } } }\n" \
	"graphs:\n"                                                              \
	"  books:\n"                                                             \
	"    schema: books.pg\n"                                                 \
	"    embedding_provider: local\n"                                        \
	"    queries: { by_title: { file: books.gq } }\n"                        \
	"policies:\n"                                                            \
	"  readers: { file: readers.policy.yaml, applies_to: [books] }\n"
#define ONE_GRAPH "version: 1\ngraphs: { books: { schema: books.pg } }\n"
#define STATE "__cluster/state.json"
#define LOCK "__cluster/lock.json"

static struct {
	char dir[256];
	struct arena arena;
	struct cluster_report report;
	const struct json *json; /* of the last command */
	struct serving_snapshot snap;
} fx;

static int fx_remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

FX void fx_end(void)
{
	if (fx.dir[0]) {
		chmod(fx.dir, 0700);
		nftw(fx.dir, fx_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	}
	cluster_report_clear(&fx.report);
	arena_free(&fx.snap.arena);
	diag_free(&fx.snap.diagnostics);
	arena_free(&fx.arena);
	memset(&fx, 0, sizeof(fx));
}

FX const char *fx_path(const char *rel)
{
	return arena_printf(&fx.arena, "%s/%s", fx.dir, rel);
}

FX void fx_mkdir(const char *rel)
{
	for (const char *slash = strchr(rel, '/'); slash; slash = strchr(slash + 1, '/'))
		mkdir(fx_path(arena_str(&fx.arena, (struct str){ rel, (size_t)(slash - rel) }).s), 0777);
}

FX void fx_write(const char *rel, const char *text)
{
	FILE *f;

	fx_mkdir(rel);
	f = fopen(fx_path(rel), "w");
	CHECK(f != NULL);
	fputs(text, f);
	fclose(f);
}

/* Content of a file, NULL when it is absent. */
FX const char *fx_read(const char *rel)
{
	struct strbuf b = STRBUF_INIT;
	const char *out = file_read(fx_path(rel), 1 << 26, &b, NULL) ? NULL : arena_str(&fx.arena, sb_str(&b)).s;

	sb_free(&b);
	return out;
}

FX bool fx_exists(const char *rel)
{
	return access(fx_path(rel), F_OK) == 0;
}

FX void fx_remove(const char *rel)
{
	nftw(fx_path(rel), fx_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A fresh directory with the sources of LIBRARY and this cluster.yaml. */
FX void fx_begin(const char *yaml)
{
	const char *tmp = getenv("TMPDIR");

	fx_end();
	snprintf(fx.dir, sizeof(fx.dir), "%s/og-cluster-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(fx.dir) != NULL);
	fx_write("books.pg", BOOKS_PG);
	fx_write("books.gq", BOOKS_GQ);
	fx_write("readers.policy.yaml", READERS);
	fx_write("cluster.yaml", yaml);
}

FX const struct json *fx_run_args(enum cluster_command cmd, const struct cluster_args *args)
{
	struct err e = ERR_INIT;
	struct json *v = NULL;

	cluster_report_clear(&fx.report);
	CHECK_INT(cluster_run(cmd, args, &fx.report, &e), 0);
	CHECK(!json_parse(&fx.arena, arena_str(&fx.arena, sb_str(&fx.report.json)), NULL, &v, &e));
	fx.json = v;
	CHECK_INT(json_get(v, "ok")->boolean, fx.report.ok);
	return v;
}

FX const struct json *fx_run(enum cluster_command cmd)
{
	struct cluster_args args = { .config_dir = fx.dir, .actor = "act-mina" };

	return fx_run_args(cmd, &args);
}

/* The same, and it must be ok. */
FX const struct json *fx_ok(enum cluster_command cmd)
{
	fx_run(cmd);
	CHECK_MSG(fx.report.ok, "%s", fx.report.json.s);
	return fx.json;
}

FX const struct json *fx_approve(const char *resource)
{
	struct cluster_args args = { .config_dir = fx.dir, .actor = "act-mina", .resource = resource };

	return fx_run_args(CLUSTER_APPROVE, &args);
}

FX const struct json *fx_unlock(const char *id)
{
	struct cluster_args args = { .config_dir = fx.dir, .lock_id = id };

	return fx_run_args(CLUSTER_FORCE_UNLOCK, &args);
}

/* A cluster with everything of @yaml applied. */
FX void fx_applied(const char *yaml)
{
	fx_begin(yaml);
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK(json_get(fx.json, "converged")->boolean);
}

/* Members of the report: at("state_observations", "state_cas"). */
FX const struct json *fx_at(const struct json *v, const char *const *path)
{
	for (; v && *path; path++)
		v = json_get(v, *path);
	return v;
}
#define at(...) fx_at(fx.json, (const char *const[]){ __VA_ARGS__, NULL })
#define in(v, ...) fx_at((v), (const char *const[]){ __VA_ARGS__, NULL })

/* Text of a string or number, "" when absent, true/false/null as such. */
FX const char *fx_text(const struct json *v)
{
	struct strbuf b = STRBUF_INIT;
	const char *out;

	if (!v)
		return "";
	if (v->type == JSON_STRING || v->type == JSON_NUMBER)
		return arena_str(&fx.arena, v->text).s;
	json_compact(&b, v);
	out = arena_str(&fx.arena, sb_str(&b)).s;
	sb_free(&b);
	return out;
}
#define text_at(...) fx_text(at(__VA_ARGS__))

/* The first diagnostic with a code, NULL when there is none. */
FX const struct json *fx_diag(const char *code)
{
	const struct json *d = json_get(fx.json, "diagnostics");

	for (size_t i = 0; d && i < d->n; i++)
		if (str_eqz(json_get(&d->items[i], "code")->text, code))
			return &d->items[i];
	return NULL;
}

FX size_t fx_count_diags(const char *code)
{
	const struct json *d = json_get(fx.json, "diagnostics");
	size_t n = 0;

	for (size_t i = 0; d && i < d->n; i++)
		n += str_eqz(json_get(&d->items[i], "code")->text, code);
	return n;
}

/* The last report has this diagnostic with this severity and path. */
FX void check_diag(const char *severity, const char *code, const char *path, const char *file, int line)
{
	const struct json *d = fx_diag(code);

	if (!d)
		fprintf(stderr, "# %s:%d: no %s in %s\n", file, line, code, fx.report.json.s);
	CHECK(d != NULL);
	check_str(fx_text(json_get(d, "severity")), severity, file, line);
	check_str(fx_text(json_get(d, "path")), path, file, line);
}
#define CHECK_ERROR(code, path) check_diag("error", (code), (path), __FILE__, __LINE__)
#define CHECK_WARNING(code, path) check_diag("warning", (code), (path), __FILE__, __LINE__)
#define diag_message(code) fx_text(in(fx_diag(code), "message"))

/* The change of a resource in the last plan or apply, NULL when there is none. */
FX const struct json *fx_change(const char *resource)
{
	const struct json *c = json_get(fx.json, "changes");

	for (size_t i = 0; c && i < c->n; i++)
		if (str_eqz(json_get(&c->items[i], "resource")->text, resource))
			return &c->items[i];
	return NULL;
}

/* "<operation> <disposition>[ <reason>]" of a change, "" when there is none. */
FX const char *fx_disposition(const char *resource)
{
	const struct json *c = fx_change(resource), *reason = json_get(c, "reason");

	if (!c)
		return "";
	return arena_printf(&fx.arena, "%s %s%s%s", fx_text(json_get(c, "operation")),
			    fx_text(json_get(c, "disposition")), reason ? " " : "", fx_text(reason));
}

/* The ledger on disk, parsed. */
FX const struct json *fx_ledger(void)
{
	const char *text = fx_read(STATE);
	struct json *v = NULL;

	CHECK(text != NULL);
	CHECK(!json_parse(&fx.arena, str_from(text), NULL, &v, NULL));
	return v;
}

/* Replace the first @old in a file. */
FX void fx_edit(const char *rel, const char *old, const char *new)
{
	const char *text = fx_read(rel), *hit = text ? strstr(text, old) : NULL;

	CHECK_MSG(hit != NULL, "%s has no %s", rel, old);
	fx_write(rel, arena_printf(&fx.arena, "%.*s%s%s", (int)(hit - text), text, new, hit + strlen(old)));
}

static unsigned fx_file_count;
static int fx_count_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
	fx_file_count += type == FTW_F;
	return 0;
}

/* Files below a directory; 0 when it is absent. */
FX unsigned fx_files(const char *rel)
{
	fx_file_count = 0;
	nftw(fx_path(rel), fx_count_entry, 16, FTW_PHYS);
	return fx_file_count;
}

/* Read the serving snapshot; true when it is servable. */
FX bool fx_serve(const char *cluster)
{
	arena_free(&fx.snap.arena);
	diag_free(&fx.snap.diagnostics);
	return !cluster_serving_snapshot(cluster ? cluster : fx.dir, &fx.snap);
}

/* "<severity> <path>" of the first snapshot diagnostic with a code, "" when there is none. */
FX const char *fx_snap_diag(const char *code)
{
	for (size_t i = 0; i < fx.snap.diagnostics.n; i++) {
		const struct diag *d = &fx.snap.diagnostics.items[i];

		if (!strcmp(d->code, code))
			return arena_printf(&fx.arena, "%s %s", d->severity == DIAG_ERROR ? "error" : "warning",
					    d->path);
	}
	return "";
}

/* A sidecar of graph @graph as a crashed run would have left it. */
FX void fx_sidecar(const char *id, const char *kind, const char *graph, const char *desired)
{
	fx_write(arena_printf(&fx.arena, "__cluster/recoveries/%s.json", id),
		 arena_printf(&fx.arena,
			      "{\"schema_version\":1,\"operation_id\":\"%s\",\"started_at\":\"2026-03-01T09:00:00Z\","
			      "\"kind\":\"%s\",\"graph_id\":\"%s\",\"graph_uri\":\"%s/graphs/%s.omni\","
			      "\"desired_schema_digest\":\"%s\"}\n",
			      id, kind, graph, fx.dir, graph, desired));
}

FX const char *fx_digest(const char *text)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(text, strlen(text), hex);
	return arena_strdup(&fx.arena, hex);
}

#endif
