/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>

#include <omnigraph/blob.h>
#include <omnigraph/limits.h>
#include <omnigraph/query.h>

#include "engine/store/tests/fixture.h"

#define SCHEMA                                                                                                 \
	"node P {\n  name: String @key\n  pic: Blob?\n  other: Blob?\n  note: String?\n}\nnode Q {\n  k: I64 " \
	"@key\n}\n"                                                                                            \
	"edge Likes: P -> P {\n  proof: Blob?\n}\n"

#define INSERT "query m($b: Blob) { insert P { name: \"y\", pic: $b } }"

struct rig {
	struct store *s;
	struct graph *g;
	char *dir;	/* files that URIs point at */
	char base[300]; /* file://<dir>/in/ */
};

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	const char **text = arg;
	size_t len = strlen(*text) < n ? strlen(*text) : n;

	memcpy(buf, *text, len);
	*text += len;
	return (long)len;
}

static int load(struct rig *r, enum load_mode mode, const char *branch, const char *ndjson, struct err *e)
{
	struct load_opts opts = { .write = { .branch = branch }, .mode = mode, .shape = LOAD_STRICT };
	struct load_result res;
	int rc = graph_load(r->g, &opts, read_text, &ndjson, &res, e);

	load_result_clear(&res);
	return rc;
}

static int mutate(struct rig *r, const char *text, const char *params, struct err *e)
{
	struct write_opts opts = { 0 };
	struct mutation_result res = { 0 };
	const struct query_decl *d;
	struct query_file *f = NULL;
	struct arena a = ARENA_INIT;
	struct snapshot *s;
	struct query *q = NULL;
	struct json *given;
	struct val *vals;
	int rc;

	CHECK_OK(json_parse(&a, str_from(params), NULL, &given, ep));
	CHECK_OK(graph_snapshot(r->g, NULL, NULL, &s, ep));
	CHECK_OK(query_file_parse(str_from(text), &f, ep));
	CHECK_OK(query_file_select(f, NULL, &d, ep));
	CHECK_OK(query_compile((struct catalog *)snapshot_catalog(s), d, &q, ep));
	CHECK_OK(query_bind(q, &a, given, &vals, ep));
	rc = graph_mutate(r->g, q, vals, &opts, &res, e);
	mutation_result_clear(&res);
	query_free(q);
	query_file_free(f);
	snapshot_put(s);
	arena_free(&a);
	return rc;
}

static const char *row(const char *name, const char *pic)
{
	static char text[4][70000];
	static int n;
	char *s = text[n++ % 4];

	snprintf(s, sizeof(text[0]), "{\"type\":\"P\",\"data\":{\"name\":\"%s\",\"pic\":%s%s%s}}\n", name,
		 strcmp(pic, "null") ? "\"" : "", pic, strcmp(pic, "null") ? "\"" : "");
	return s;
}

static void file(const char *dir, const char *name, const char *content)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs(content, f);
	fclose(f);
}

static void rig_open(struct rig *r, bool allow)
{
	struct blob_base base = { r->base, false };
	struct blob_policy policy = { 1, &base };
	struct graph_open_opts opts = { .blobs = allow ? &policy : NULL };
	char text[300], *real;

	r->dir = temp_dir();
	snprintf(text, sizeof(text), "%s/in", r->dir);
	mkdir(text, 0700);
	file(r->dir, "in/a.txt", "alpha");
	file(r->dir, "secret.txt", "secret");
	real = realpath(text, NULL);
	snprintf(r->base, sizeof(r->base), "file://%s/", real);
	free(real);
	r->s = test_store_open();
	CHECK_OK(graph_init_store(r->s, STR(SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(r->s, &opts, &r->g, ep));
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
	temp_dir_remove(r->dir);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static struct blob *open_cell(struct rig *r, const char *id, const char *branch, const char *snapshot)
{
	struct blob_cell c = {
		.type = STR("P"), .id = str_from(id), .property = STR("pic"), .branch = branch, .snapshot = snapshot
	};
	struct blob *b = NULL;

	CHECK_OK(graph_blob_open(r->g, &c, &b, ep));
	return b;
}

static void check_value(struct rig *r, const char *id, const char *want)
{
	struct blob *b = open_cell(r, id, NULL, NULL);
	struct str got;

	CHECK(!blob_uri(b));
	CHECK_INT(blob_length(b), strlen(want));
	CHECK_OK(blob_read(b, 0, blob_length(b), &got, ep));
	CHECK(str_eqz(got, want));
	blob_close(b);
}

static void refused_cell(struct rig *r, const struct blob_cell *c, enum err_code code, const char *message)
{
	struct blob *b = NULL;
	struct err e = ERR_INIT;

	CHECK(graph_blob_open(r->g, c, &b, &e) != 0);
	CHECK_INT(e.code, code);
	CHECK_STR(err_msg(&e), message);
	err_clear(&e);
}

static void tags(void)
{
	char first[BLOB_ETAG_MAX];
	struct blob *b, *old;
	struct str got;
	struct rig r;

	rig_open(&r, false);
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("x", "base64:aGVsbG8="), ep));
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("y", "base64:aGVsbG8="), ep));
	old = open_cell(&r, "x", NULL, NULL);
	strcpy(first, blob_etag(old));
	CHECK_INT(strlen(first), 34);
	CHECK(first[0] == '"' && first[33] == '"' && strspn(first + 1, "0123456789abcdef") == 32);
	b = open_cell(&r, "y", NULL, NULL);
	CHECK(strcmp(blob_etag(b), first) != 0); /* equal bytes of another cell */
	blob_close(b);
	/* commits to other types and rows, checkpoints, branches, and time do not change it */
	CHECK_OK(load(&r, LOAD_APPEND, NULL, "{\"type\":\"Q\",\"data\":{\"k\":1}}\n", ep));
	CHECK_OK(graph_branch_create(r.g, "draft", "main", NULL, ep));
	CHECK_OK(load(&r, LOAD_APPEND, "draft", "{\"type\":\"Q\",\"data\":{\"k\":2}}\n", ep));
	CHECK_OK(graph_checkpoint(r.g, "draft", ep));
	b = open_cell(&r, "x", "draft", NULL);
	CHECK_STR(blob_etag(b), first);
	blob_close(b);
	b = open_cell(&r, "x", NULL, blob_commit(old)->id);
	CHECK_STR(blob_etag(b), first);
	blob_close(b);
	/* a new value does; two branches that write it at one version differ */
	CHECK_OK(load(&r, LOAD_MERGE, NULL, row("x", "base64:Ynll"), ep));
	CHECK_OK(load(&r, LOAD_MERGE, "draft", row("x", "base64:aGV5"), ep));
	b = open_cell(&r, "x", NULL, NULL);
	CHECK(strcmp(blob_etag(b), first) != 0);
	blob_close(b);
	/* the reader is pinned */
	CHECK_OK(blob_read(old, 0, 5, &got, ep));
	CHECK(str_eq(got, STR("hello")));
	blob_close(old);
	rig_close(&r);
}

static void ranges(void)
{
	static const struct {
		uint64_t start, end;
		bool ok;
	} cases[] = { { 0, 5, true },  { 1, 3, true },	{ 5, 5, true }, { 0, 0, true },
		      { 3, 2, false }, { 0, 6, false }, { 6, 6, false } };
	struct strbuf big = STRBUF_INIT;
	struct blob *b;
	struct str got;
	struct rig r;

	rig_open(&r, false);
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("x", "base64:aGVsbG8="), ep));
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("empty", "base64:"), ep));
	b = open_cell(&r, "x", NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		int rc = blob_read(b, cases[i].start, cases[i].end, &got, &e);

		CHECK_INT(rc == 0, cases[i].ok);
		if (rc) {
			CHECK_INT(e.code, ERR_BLOB_RANGE);
			CHECK_HAS(err_msg(&e), "is not satisfiable for a value of length 5");
			CHECK_STR(err_get_detail(&e, "length"), "5");
		}
		err_clear(&e);
	}
	blob_close(b);
	b = open_cell(&r, "empty", NULL, NULL);
	CHECK_INT(blob_length(b), 0);
	CHECK_OK(blob_read(b, 0, 0, &got, ep));
	blob_close(b);
	/* more than one read may take: 4 MiB and a byte, through a segment */
	sb_addz(&big, "{\"type\":\"P\",\"data\":{\"name\":\"big\",\"pic\":\"base64:");
	for (size_t i = 0; i < ((4u << 20) + 3) / 3; i++)
		sb_addz(&big, "eHh4");
	sb_addz(&big, "\"}}\n");
	CHECK_OK(load(&r, LOAD_APPEND, NULL, big.s, ep));
	b = open_cell(&r, "big", NULL, NULL);
	CHECK_OK(blob_read(b, 1, (4u << 20) + 1, &got, ep));
	CHECK_INT(got.s[0], 'x');
	{
		struct err e = ERR_INIT;

		CHECK(blob_read(b, 0, (4u << 20) + 1, &got, &e) != 0);
		CHECK_STR(err_get_detail(&e, "resource"), "Blob read range bytes");
		err_clear(&e);
	}
	blob_close(b);
	sb_free(&big);
	rig_close(&r);
}

static void absent_cells(void)
{
	struct blob_cell c = { .type = STR("P"), .id = STR("x"), .property = STR("pic") };
	struct rig r;

	rig_open(&r, false);
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("x", "null"), ep));
	refused_cell(&r, &c, ERR_NOT_FOUND, "Blob property 'P.pic' is null for id 'x'");
	c.id = STR("nobody");
	refused_cell(&r, &c, ERR_NOT_FOUND, "no node 'P' with id 'nobody' found");
	c.property = STR("name");
	refused_cell(&r, &c, ERR_BAD_REQUEST, "property 'P.name' is not a Blob");
	c.type = STR("Nope");
	refused_cell(&r, &c, ERR_BAD_REQUEST, "unknown node type 'Nope'");
	c.edge = true;
	refused_cell(&r, &c, ERR_BAD_REQUEST, "unknown edge type 'Nope'");
	c = (struct blob_cell){ .edge = true, .type = STR("Likes"), .id = STR("e"), .property = STR("proof") };
	refused_cell(&r, &c, ERR_NOT_FOUND, "no edge 'Likes' with id 'e' found");
	c.branch = "none";
	refused_cell(&r, &c, ERR_NOT_FOUND, "branch 'none' not found");
	rig_close(&r);
}

/* A property of the same name that was dropped and added again is another one. */
static void lifetimes(void)
{
	const char *without =
		"node P {\n  name: String @key\n  other: Blob?\n  note: String?\n}\nnode Q {\n  k: I64 @key\n}\n"
		"edge Likes: P -> P {\n  proof: Blob?\n}\n";
	struct schema_apply_opts opts = { 0 };
	struct schema_apply_result res = { 0 };
	char commit[ULID_LEN + 1];
	struct blob_cell c = { .type = STR("P"), .id = STR("x"), .property = STR("pic"), .snapshot = commit };
	struct rig r;

	rig_open(&r, false);
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("x", "base64:aGVsbG8="), ep));
	head_id(r.g, NULL, commit);
	CHECK_OK(graph_schema_apply(r.g, str_from(without), &opts, &res, ep));
	sb_free(&res.plan);
	CHECK_OK(graph_schema_apply(r.g, STR(SCHEMA), &opts, &res, ep));
	sb_free(&res.plan);
	refused_cell(&r, &c, ERR_BAD_REQUEST,
		     "Blob property 'P.pic' belongs to a different property lifetime at the selected target");
	rig_close(&r);
}

/* --- external references ------------------------------------------------------------------------------------------------ */

static void spellings(void)
{
	static const struct {
		const char *uri, *want; /* NULL: refused */
	} cases[] = {
		{ "s3://Bucket/a/b", "s3://bucket/a/b" },
		{ "S3://b/%7Ea%20b", "s3://b/~a%20b" },
		{ "s3://b/a%c3%a4", "s3://b/a%C3%A4" },
		{ "file:///tmp/x", "file:///tmp/x" },
		{ "s3://b/", "s3://b/" },
		{ "http://h/x", NULL },
		{ "s3:///x", NULL },
		{ "s3://b:80/x", NULL },
		{ "s3://u@b/x", NULL },
		{ "s3://b/a//b", NULL },
		{ "s3://b/../c", NULL },
		{ "s3://b/%2e%2e/c", NULL },
		{ "s3://b/a%2fb", NULL },
		{ "s3://b/a%00", NULL },
		{ "s3://b/a?x", NULL },
		{ "s3://b/a#x", NULL },
		{ "s3://b/a b", NULL },
		{ "s3://b/a\\b", NULL },
		{ "file://host/x", NULL },
		{ " s3://b/x", NULL },
		{ "s3://b/%zz", NULL },
		{ "", NULL },
		{ "relative/path", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out = STRBUF_INIT;
		const char *why;
		bool ok = blob_uri_canonical(str_from(cases[i].uri), &out, &why);

		CHECK_INT(ok, cases[i].want != NULL);
		if (ok)
			CHECK_STR(out.s, cases[i].want);
		sb_free(&out);
	}
}

static void expect(int rc, struct err *e, enum err_code code, const char *part)
{
	CHECK(rc != 0);
	CHECK_INT(e->code, code);
	CHECK_HAS(err_msg(e), part);
	err_clear(e);
}

static const char *uri(struct rig *r, const char *name)
{
	static char text[8][400];
	static int n;
	char *s = text[n++ % 8];

	snprintf(s, 400, "%s%s", r->base, name);
	return s;
}

static void denied_by_default(void)
{
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r, false);
	expect(load(&r, LOAD_APPEND, NULL, row("x", uri(&r, "a.txt")), &e), &e, ERR_BLOB_POLICY,
	       "is not allowed: new external Blob URI ingress is denied for this graph");
	expect(load(&r, LOAD_OVERWRITE, NULL, row("x", "s3://b/x"), &e), &e, ERR_BLOB_POLICY, "ingress is denied");
	expect(mutate(&r, INSERT, "{\"b\":\"s3://b/x\"}", &e), &e, ERR_BLOB_POLICY,
	       "external blob URI 's3://b/x' is not allowed");
	rig_close(&r);
}

static void allowed_below_a_base(void)
{
	char text[900], link_to[600], link_at[600];
	struct err e = ERR_INIT;
	struct blob *b;
	struct rig r;

	rig_open(&r, true);
	/* copied by append, merge and mutations */
	CHECK_OK(load(&r, LOAD_APPEND, NULL, row("x", uri(&r, "%61.txt")), ep));
	check_value(&r, "x", "alpha");
	snprintf(text, sizeof(text), "{\"b\":\"%s\"}", uri(&r, "a.txt"));
	CHECK_OK(mutate(&r, INSERT, text, ep));
	check_value(&r, "y", "alpha");
	file(r.dir, "in/a.txt", "changed");
	check_value(&r, "y", "alpha"); /* a copy */
	/* kept by overwrite, in its canonical spelling */
	CHECK_OK(load(&r, LOAD_OVERWRITE, NULL, row("z", uri(&r, "%61.txt")), ep));
	b = open_cell(&r, "z", NULL, NULL);
	CHECK_STR(blob_uri(b), uri(&r, "a.txt"));
	blob_close(b);
	/* carried by an update of another property, though the source is gone: nobody looks */
	snprintf(text, sizeof(text), "%s/in/a.txt", r.dir);
	unlink(text);
	CHECK_OK(mutate(&r, "query m() { update P set { note: \"n\" } where name = \"z\" }", "{}", ep));
	b = open_cell(&r, "z", NULL, NULL);
	CHECK_STR(blob_uri(b), uri(&r, "a.txt"));
	blob_close(b);
	/* refused: outside, the base itself, a link that leads out, what is not there */
	expect(load(&r, LOAD_APPEND, NULL, row("q", "file:///etc/passwd"), &e), &e, ERR_BLOB_POLICY,
	       "URI is outside every configured external Blob base");
	expect(load(&r, LOAD_APPEND, NULL, row("q", r.base), &e), &e, ERR_BLOB_POLICY, "outside every configured");
	expect(load(&r, LOAD_APPEND, NULL, row("q", "s3://u:p@b/x"), &e), &e, ERR_BLOB_POLICY, "'<redacted>'");
	snprintf(link_to, sizeof(link_to), "%s/secret.txt", r.dir);
	snprintf(link_at, sizeof(link_at), "%s/in/link", r.dir);
	CHECK(!symlink(link_to, link_at));
	expect(load(&r, LOAD_APPEND, NULL, row("q", uri(&r, "link")), &e), &e, ERR_BLOB_POLICY,
	       "canonical target escapes its configured external Blob base");
	CHECK(load(&r, LOAD_APPEND, NULL, row("q", uri(&r, "gone")), &e) != 0);
	CHECK_STR(err_get_detail(&e, "uri"), uri(&r, "gone"));
	expect(-1, &e, ERR_BLOB_SOURCE, "is unavailable: ");
	rig_close(&r);
}

static uint64_t rows_of(struct rig *r)
{
	struct snapshot *s;
	uint64_t n;

	CHECK_OK(graph_snapshot(r->g, NULL, NULL, &s, ep));
	n = snapshot_count(s, &snapshot_catalog(s)->types[0]);
	snapshot_put(s);
	return n;
}

/* Rows that are changed on their way, among as many others as make segments, in order and out of order. */
static void among_many(void)
{
	struct strbuf text = STRBUF_INIT;
	struct rig r;

	rig_open(&r, true);
	for (int scattered = 0; scattered < 2; scattered++) {
		sb_reset(&text);
		for (int i = 0; i < 3000; i++) {
			char name[16];

			snprintf(name, sizeof(name), "p%04d", scattered ? i * 7 % 3000 : i);
			sb_addf(&text,
				"{\"type\":\"P\",\"data\":{\"name\":\"%s\",\"pic\":\"%s\",\"note\":\"%0500d\"}}\n",
				name, i % 100 == 7 ? uri(&r, "a.txt") : "base64:aGk=", i);
		}
		CHECK_OK(load(&r, LOAD_MERGE, NULL, text.s, ep));
		CHECK_INT(rows_of(&r), 3000);
		check_value(&r, "p0007", scattered ? "hi" : "alpha");
		check_value(&r, "p0049", scattered ? "alpha" : "hi");
		check_value(&r, "p2999", "hi");
	}
	sb_free(&text);
	rig_close(&r);
}

/* A URI that a later write of the same row replaces is never looked at. */
static void folded_first(void)
{
	char params[500];
	struct rig r;

	rig_open(&r, true);
	snprintf(params, sizeof(params), "{\"a\":\"%s\",\"b\":\"base64:aGk=\"}", uri(&r, "gone"));
	CHECK_OK(mutate(
		&r,
		"query m($a: Blob, $b: Blob) { insert P { name: \"x\", pic: $a } insert P { name: \"x\", pic: $b } }",
		params, ep));
	check_value(&r, "x", "hi");
	rig_close(&r);
}

static void limits(void)
{
	char path[600];
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r, true);
	for (int i = 0; i < LIMIT_BLOB_URI_CELLS + 1; i++)
		sb_addf(&text, "{\"type\":\"P\",\"data\":{\"name\":\"n%d\",\"pic\":\"%s\"}}\n", i, uri(&r, "a.txt"));
	CHECK(load(&r, LOAD_APPEND, NULL, text.s, &e) != 0);
	CHECK_STR(err_get_detail(&e, "resource"), "external Blob reference cells");
	err_clear(&e);
	/* judged by its size alone: the file is a hole */
	snprintf(path, sizeof(path), "%s/in/huge", r.dir);
	file(r.dir, "in/huge", "");
	CHECK(!truncate(path, LIMIT_BLOB_SOURCE_BYTES + 1));
	CHECK(load(&r, LOAD_APPEND, NULL, row("h", uri(&r, "huge")), &e) != 0);
	CHECK_STR(err_get_detail(&e, "resource"), "external Blob object bytes");
	CHECK_STR(err_get_detail(&e, "actual"), "33554433");
	err_clear(&e);
	CHECK_OK(load(&r, LOAD_OVERWRITE, NULL, row("h", uri(&r, "huge")), ep)); /* kept: nothing is copied */
	file(r.dir, "in/half1", "");
	file(r.dir, "in/half2", "");
	snprintf(path, sizeof(path), "%s/in/half1", r.dir);
	CHECK(!truncate(path, LIMIT_BLOB_SOURCE_BYTES / 2 + 1));
	snprintf(path, sizeof(path), "%s/in/half2", r.dir);
	CHECK(!truncate(path, LIMIT_BLOB_SOURCE_BYTES / 2));
	sb_reset(&text);
	sb_addz(&text, row("a", uri(&r, "half1")));
	sb_addz(&text, row("b", uri(&r, "half2")));
	CHECK(load(&r, LOAD_APPEND, NULL, text.s, &e) != 0);
	CHECK_STR(err_get_detail(&e, "resource"), "materialized external blob payload bytes");
	err_clear(&e);
	sb_free(&text);
	rig_close(&r);
}

CHECK_MAIN("engine/blob", { "ENG-74 a tag stays with its value, and only with it", tags },
	   { "ENG-75 ENG-77 ranges: empty at the end, reversed and outside refused, at most 4 MiB at once", ranges },
	   { "ENG-75 null cells, missing rows, other properties", absent_cells },
	   { "a Blob property of another lifetime is refused", lifetimes },
	   { "ENG-76 one spelling of a URI, many refused", spellings },
	   { "ENG-76 external references are denied by default", denied_by_default },
	   { "ENG-76 a reference strictly below a base is copied or kept, and not looked at again",
	     allowed_below_a_base },
	   { "ENG-76 references among many rows of one load", among_many },
	   { "ENG-76 a reference that is overwritten in the same write is not looked at", folded_first },
	   { "ENG-77 limits of external references", limits }, )
