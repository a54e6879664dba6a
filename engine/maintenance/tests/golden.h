/* SPDX-License-Identifier: MIT */
/*
 * golden.h - the graph roots that are kept in golden/: a copy to work on, and everything that can be seen of a graph, as text.
 * golden/README.md says what they are.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <fcntl.h>
#include <sys/stat.h>

#include <omnigraph/blob.h>
#include <omnigraph/changes.h>
#include <omnigraph/query.h>

#include "engine/store/graph_priv.h"
#include "maint_test.h"

/* --- the copy ------------------------------------------------------------------------------------ */

__attribute__((unused)) static char *golden_path(const char *what)
{
	const char *src = getenv("OMNIGRAPH_SRC");
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s/engine/maintenance/tests/golden/%s", src ? src : ".", what);
	return sb_detach(&b);
}

static const char *const golden_roots[] __attribute__((unused)) = { "v1-all-objects", "v1-schema-changes" };

/* A temporary directory with the files of a golden root; temp_dir_remove() it. */
__attribute__((unused)) static char *golden_copy(const char *name)
{
	char *dir = temp_dir(), *from = golden_path(name), *cmd = NULL;

	CHECK(asprintf(&cmd, "cp -R '%s/root/.' '%s' && chmod -R u+w '%s'", from, dir, dir) > 0);
	CHECK(system(cmd) == 0);
	free(cmd);
	free(from);
	return dir;
}

__attribute__((unused)) static char *golden_text(const char *name)
{
	char *path = golden_path(name), buf[4096];
	struct strbuf text = STRBUF_INIT;
	FILE *f = fopen(path, "rb");
	size_t n;

	CHECK_MSG(f != NULL, "cannot read %s", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		sb_add(&text, buf, n);
	fclose(f);
	free(path);
	return sb_detach(&text);
}

/* --- what can be seen ----------------------------------------------------------------------------- */

static const char *const golden_queries[] = {
	"query out() { match { $p: Person  $p knows $q } return { $p.name as p, $q.name as q } "
	"order { $p.name asc, $q.name asc } }",
	"query into() { match { $q: Person { name: \"p07\" }  $p: Person  $p knows $q } return { $p.name as p } "
	"order { $p.name asc } }",
	"query hop() { match { $p: Person { name: \"ada\" }  $p owns $t } return { $t.code as t, $t.i32 as n } "
	"order { $t.code asc } }",
	"query ages() { match { $p: Person  $p.age >= 20 } return { count($p) as n, sum($p.age) as years } }",
	"query one() { match { $t: Thing { code: \"t1\" } } return { $t.u64, $t.f64, $t.vec, $t.ldt, $t.kind } }",
};

struct golden_view {
	struct graph *g;
	struct strbuf *out;
	struct err *e;
	char *branches[8];
	size_t n_branches;
	char commits[64][ULID_LEN + 1]; /* of all branches, each once */
	size_t n_commits;
	bool has_things;
};

/* An answer as good as any other: what is refused is told by its code. */
static bool golden_refusal(enum err_code code)
{
	return code == ERR_HISTORY_RECLAIMED || code == ERR_COMMIT_HAS_NO_PARENT || code == ERR_SCHEMA_BOUNDARY ||
	       code == ERR_CHANGE_FEED_GAP;
}

/* The result of a read: its digest, or the refusal. */
static int golden_outcome(struct golden_view *v, const char *what, int rc, const struct strbuf *text)
{
	char hex[SHA256_HEX_LEN + 1];

	if (rc && !golden_refusal(v->e->code))
		return rc;
	if (rc) {
		sb_addf(v->out, "%s refused: %s\n", what, err_msg(v->e));
		err_clear(v->e);
	} else {
		sha256_hex(text->s ? text->s : "", text->n, hex);
		sb_addf(v->out, "%s %zu bytes, sha256 %s\n", what, text->n, hex);
	}
	return 0;
}

static int golden_on_branch(void *arg, const char *name)
{
	struct golden_view *v = arg;

	CHECK(v->n_branches < 8);
	v->branches[v->n_branches++] = mem_strdup(name);
	sb_addf(v->out, "%s\n", name);
	return 0;
}

static int golden_on_commit(void *arg, const struct commit_info *c)
{
	struct golden_view *v = arg;
	size_t i = 0;

	commit_line(v->out, c);
	while (i < v->n_commits && strcmp(v->commits[i], c->id) != 0)
		i++;
	if (i == v->n_commits) {
		CHECK(v->n_commits < 64);
		memcpy(v->commits[v->n_commits++], c->id, ULID_LEN + 1);
	}
	return 0;
}

static int golden_export(struct golden_view *v, const char *branch, const char *commit, struct strbuf *out)
{
	struct snapshot *s = NULL;
	int rc = graph_snapshot(v->g, branch, commit, &s, v->e);

	if (!rc)
		rc = graph_export(s, NULL, 0, on_export, out, v->e);
	snapshot_put(s);
	return rc;
}

static int golden_report(struct golden_view *v, const char *branch)
{
	struct snapshot *s = NULL;
	struct json_writer w;
	int rc = graph_snapshot(v->g, branch, NULL, &s, v->e);

	if (rc)
		return rc;
	jw_init(&w, v->out, false);
	snapshot_report_json(s, branch, &w);
	sb_addch(v->out, '\n');
	snapshot_put(s);
	return 0;
}

static int golden_branch(struct golden_view *v, const char *branch)
{
	int rc;

	sb_addf(v->out, "## commits of %s\n", branch);
	rc = graph_commits(v->g, branch, golden_on_commit, v, v->e);
	sb_addf(v->out, "## report of %s\n", branch);
	if (!rc)
		rc = golden_report(v, branch);
	sb_addf(v->out, "## rows of %s\n", branch);
	return rc ? rc : golden_export(v, branch, NULL, v->out);
}

/* The state of a commit, and what it changed. */
static int golden_commit(struct golden_view *v, const char *id)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	sb_addf(v->out, "## commit %s\n", id);
	rc = golden_outcome(v, "state", golden_export(v, NULL, id, &text), &text);
	sb_reset(&text);
	if (!rc)
		rc = graph_commit_changes(v->g, id, &(struct change_filter){ 0 }, &CHANGE_LIMITS_DEFAULT, NULL, &text,
					  v->e);
	if (!rc || golden_refusal(v->e->code))
		rc = golden_outcome(v, "changes", rc, &text);
	sb_free(&text);
	return rc;
}

static int golden_query(struct golden_view *v, struct snapshot *s, const char *text)
{
	struct query_file *f = NULL;
	struct query *q = NULL;
	struct arena a = ARENA_INIT;
	struct val *vals = NULL;
	struct query_target target = { .branch = "main" };
	int rc = query_file_parse(str_from(text), &f, v->e);

	if (!rc)
		rc = query_compile((struct catalog *)(uintptr_t)snapshot_catalog(s), query_file_at(f, 0), &q, v->e);
	if (!rc)
		rc = query_bind(q, &a, NULL, &vals, v->e);
	if (!rc)
		rc = graph_query(v->g, s, q, vals, &target, true, v->out, v->e);
	sb_addch(v->out, '\n');
	query_free(q);
	query_file_free(f);
	arena_free(&a);
	return rc;
}

static int golden_all_queries(struct golden_view *v)
{
	struct snapshot *s = NULL;
	int rc = graph_snapshot(v->g, NULL, NULL, &s, v->e);

	sb_addz(v->out, "## queries\n");
	v->has_things = !rc && catalog_node(snapshot_catalog(s), STR("Thing"));
	for (size_t i = 0; !rc && i < ARRAY_SIZE(golden_queries); i++) {
		if (v->has_things || !strstr(golden_queries[i], "$t"))
			rc = golden_query(v, s, golden_queries[i]);
	}
	snapshot_put(s);
	return rc;
}

static int golden_blob(struct golden_view *v, const char *branch, const char *id)
{
	struct blob_cell cell = { .type = STR("Thing"), .id = str_from(id), .property = STR("blob"), .branch = branch };
	struct blob *b = NULL;
	struct str bytes;
	int rc = graph_blob_open(v->g, &cell, &b, v->e);

	if (rc && v->e->code == ERR_NOT_FOUND) {
		sb_addf(v->out, "%s %s: %s\n", branch, id, err_msg(v->e));
		err_clear(v->e);
		return 0;
	}
	if (rc)
		return rc;
	if (blob_uri(b)) {
		sb_addf(v->out, "%s %s: %s\n", branch, id, blob_uri(b));
	} else {
		rc = blob_read(b, 0, blob_length(b), &bytes, v->e);
		sb_addf(v->out, "%s %s: %s ", branch, id, blob_etag(b));
		if (!rc)
			base64_encode(v->out, bytes.s, bytes.n);
		sb_addch(v->out, '\n');
	}
	blob_close(b);
	return rc;
}

static int golden_blobs(struct golden_view *v)
{
	static const char *const ids[] = { "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7" };
	int rc = 0;

	sb_addz(v->out, "## blobs\n");
	for (size_t b = 0; !rc && b < v->n_branches; b++)
		for (size_t i = 0; !rc && i < ARRAY_SIZE(ids); i++)
			rc = golden_blob(v, v->branches[b], ids[i]);
	return rc;
}

/* Append everything that can be seen of a golden graph to @out. 0, or the error of the first thing that cannot be read. */
__attribute__((unused)) static int golden_observe(struct graph *g, struct strbuf *out, struct err *e)
{
	struct golden_view v = { .g = g, .out = out, .e = e };
	int rc;

	sb_addz(out, "## branches\n");
	rc = graph_branches(g, golden_on_branch, &v, e);
	for (size_t i = 0; !rc && i < v.n_branches; i++)
		rc = golden_branch(&v, v.branches[i]);
	for (size_t i = 0; !rc && i < v.n_commits; i++)
		rc = golden_commit(&v, v.commits[i]);
	if (!rc)
		rc = golden_all_queries(&v);
	if (!rc && v.has_things)
		rc = golden_blobs(&v);
	for (size_t i = 0; i < v.n_branches; i++)
		free(v.branches[i]);
	return rc;
}

/* Open the root in @s and see everything. The small segments of a golden root have their adjacency stored. */
__attribute__((unused)) static int golden_read_store(struct store *s, bool read_only, struct strbuf *out, struct err *e)
{
	struct graph_open_opts o = { .read_only = read_only };
	struct graph *g = NULL;
	int rc = graph_open_store(s, &o, &g, e);

	if (rc)
		return rc;
	g->segs.index_rows = 0;
	rc = golden_observe(g, out, e);
	graph_close(g);
	return rc;
}

__attribute__((unused)) static int golden_read(const char *dir, bool read_only, struct strbuf *out, struct err *e)
{
	struct store_open_opts o = { .read_only = read_only };
	struct store *s = NULL;
	int rc = store_open(dir, &o, &s, e);

	if (rc)
		return rc;
	rc = golden_read_store(s, read_only, out, e);
	store_close(s);
	return rc;
}

/* --- what can be written ---------------------------------------------------------------------------- */

static const char golden_new_rows[] __attribute__((unused)) =
	"{\"type\":\"Person\",\"data\":{\"name\":\"new\",\"age\":1}}\n"
	"{\"edge\":\"Knows\",\"from\":\"new\",\"to\":\"p07\",\"data\":{\"id\":\"knew\",\"since\":null,\"weight\":1}}\n";

static long golden_read_rows(void *arg, void *buf, size_t n, struct err *e)
{
	struct str *text = arg;

	n = n < text->n ? n : text->n;
	memcpy(buf, text->s, n);
	text->s += n;
	text->n -= n;
	return (long)n;
}

/* Load rows that go with what every golden root has. */
__attribute__((unused)) static int golden_load(struct graph *g, const char *branch, struct err *e)
{
	struct load_opts opts = { .write = { .branch = branch }, .mode = LOAD_APPEND, .shape = LOAD_STRICT };
	struct str text = STR(golden_new_rows);
	struct load_result res;
	int rc = graph_load(g, &opts, golden_read_rows, &text, &res, e);

	if (!rc)
		load_result_clear(&res);
	return rc;
}

#endif
