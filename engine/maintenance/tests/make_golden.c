/* SPDX-License-Identifier: MIT */
/*
 * make_golden DIR: graph roots as DIR/<name>/root that hold every kind of object and value of the format this program writes, and
 * all that can be seen of them as DIR/<name>/answers.txt. How the roots of golden/ were made; see golden/README.md.
 */
#include <endian.h>
#include <pthread.h>

#include "fs/file_log_format.h"
#include "golden.h"

#define SOURCE_DIR "/var/tmp/omnigraph-golden"
#define LONG_NAME                                                                                       \
	"long/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"89012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"  \
	"0123456789012345678901234567890123456789"
#define WRITERS 8

#define SCALARS                                                                                       \
	"b: Bool?  d: Date?  dt: DateTime?  f32: F32?  f64: F64?  i32: I32?  i64: I64?  s: String?  " \
	"u32: U32?  u64: U64?  kind: enum(x, y)?\n"                                                   \
	"  lb: [Bool]?  ld: [Date]?  ldt: [DateTime]?  lf32: [F32]?  lf64: [F64]?  li32: [I32]?  "    \
	"li64: [I64]?  ls: [String]?  lu32: [U32]?  lu64: [U64]?\n"                                   \
	"  vec: Vector(3)?  blob: Blob?\n"

static const char schema_all[] =
	"interface Named { name: String }\n"
	"node Person implements Named {\n  name: String @key\n  age: I32? @index\n  bio: String? @index\n"
	"  email: String? @unique\n  @range(age, 0..150)\n}\n"
	"node Thing {\n  code: String @key\n  " SCALARS "}\n"
	"node Pair {\n  a: I32\n  b: Date\n  @key(a, b)\n}\n"
	"node Note {\n  text: String?\n  pages: U32?\n}\n"
	"edge Knows: Person -> Person {\n  since: Date?\n  weight: F64?\n}\n"
	"edge Owns: Person -> Thing {\n  note: String?\n  deed: Blob?\n}\n";

#define KNOWS_EDGE "edge Knows: Person -> Person {\n  since: Date?\n  weight: F64?\n}\n"

static const char schema_1[] = "node Person {\n  name: String @key\n  age: I32?\n  nick: String?\n}\n"
			       "node Memo {\n  text: String?\n  pages: U32?\n}\n"
			       "node Gone {\n  x: I32?\n}\n" KNOWS_EDGE;

/* Renames a type and a property, drops a type and a property, adds a property. */
static const char schema_2[] = "node Person {\n  name: String @key\n  age: I32?\n}\n"
			       "node Note @rename_from(\"Memo\") {\n  body: String? @rename_from(\"text\")\n"
			       "  pages: U32?\n  lang: String?\n}\n" KNOWS_EDGE;

/* The dropped type comes back as another one. */
static const char schema_3[] = "node Person {\n  name: String @key\n  age: I32?\n}\n"
			       "node Note {\n  body: String?\n  pages: U32?\n  lang: String?\n}\n"
			       "node Gone {\n  x: I32?\n  y: [String]?\n}\n" KNOWS_EDGE;

/* --- rows ---------------------------------------------------------------------------------------- */

static const char things[] =
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t0\"}}\n"
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t1\",\"b\":true,\"d\":\"1969-07-20\",\"dt\":\"1969-07-20T20:17:40."
	"123Z\","
	"\"f32\":0.1,\"f64\":-0.0,\"i32\":-2147483648,\"i64\":-9223372036854775808,\"s\":\"\",\"u32\":4294967295,"
	"\"u64\":18446744073709551615,\"kind\":\"y\",\"lb\":[true,false],\"ld\":[\"2000-02-29\"],"
	"\"ldt\":[\"2038-01-19T03:14:08.000Z\"],\"lf32\":[1.5,-2.25],\"lf64\":[1e300,-1e-300],"
	"\"li32\":[2147483647,-1],\"li64\":[9223372036854775807],\"ls\":[\"a\",\"\",\"\\u6f22\\u5b57\"],"
	"\"lu32\":[0,4294967295],\"lu64\":[18446744073709551615],\"vec\":[0.25,-1,3e10],"
	"\"blob\":\"base64:AAECA/7/\"}}\n"
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t2\",\"b\":false,\"d\":\"9999-12-31\",\"dt\":\"1970-01-01T00:00:"
	"00Z\","
	"\"f32\":3.4028234663852886e38,\"f64\":1.7976931348623157e308,\"i32\":2147483647,\"i64\":9223372036854775807,"
	"\"s\":\"gr\\u00fc\\u00df \\\"dich\\\"\\n\\t\\u0001\",\"u32\":0,\"u64\":0,\"kind\":\"x\",\"lb\":[],\"ls\":[],"
	"\"lf64\":[],\"blob\":\"base64:\"}}\n"
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t3\",\"s\":\"only "
	"text\",\"li64\":[0],\"blob\":\"base64:Z29sZGVu\"}}\n";

static const char more_things[] =
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t4\",\"b\":true,\"d\":\"0001-01-01\",\"f64\":5e-324,\"vec\":[0,0,1],"
	"\"ldt\":[],\"li32\":[7],\"lu64\":[1,2,3],\"blob\":\"base64://///w==\"}}\n"
	"{\"type\":\"Thing\",\"data\":{\"code\":\"t5\",\"u64\":9007199254740993,\"i64\":-9007199254740993,"
	"\"ls\":[\"\",\"b\"],\"lf32\":[0.1],\"kind\":\"x\"}}\n";

static const char pairs[] = "{\"type\":\"Pair\",\"data\":{\"a\":7,\"b\":\"1999-12-31\"}}\n"
			    "{\"type\":\"Pair\",\"data\":{\"a\":-1,\"b\":\"1582-10-15\"}}\n";

static const char notes[] = "{\"type\":\"Note\",\"data\":{\"id\":\"m1\",\"text\":\"first\",\"pages\":3}}\n"
			    "{\"type\":\"Note\",\"data\":{\"id\":\"m2\"}}\n";

static const char before_schema[] = "{\"type\":\"Memo\",\"data\":{\"id\":\"m1\",\"text\":\"first\",\"pages\":3}}\n"
				    "{\"type\":\"Memo\",\"data\":{\"id\":\"m2\"}}\n"
				    "{\"type\":\"Gone\",\"data\":{\"id\":\"g1\",\"x\":1}}\n";

static void add_person(struct strbuf *b, const char *name, int age)
{
	sb_addf(b, "{\"type\":\"Person\",\"data\":{\"name\":\"%s\",\"age\":%d}}\n", name, age);
}

static void add_knows(struct strbuf *b, const char *id, const char *from, const char *to)
{
	sb_addf(b,
		"{\"edge\":\"Knows\",\"from\":\"%s\",\"to\":\"%s\",\"data\":{\"id\":\"%s\",\"since\":\"2020-02-0%d\","
		"\"weight\":%d.5}}\n",
		from, to, id, 1 + id[strlen(id) - 1] % 9, id[strlen(id) - 1] % 7);
}

static void add_owns(struct strbuf *b, const char *id, const char *from, const char *to, const char *deed)
{
	sb_addf(b,
		"{\"edge\":\"Owns\",\"from\":\"%s\",\"to\":\"%s\",\"data\":{\"id\":\"%s\",\"note\":\"%s\\u2192%s\","
		"\"deed\":%s}}\n",
		from, to, id, from, to, deed);
}

/* --- writing -------------------------------------------------------------------------------------- */

static void load(struct graph *g, const char *branch, enum load_mode mode, const char *text)
{
	struct load_opts opts = { .write = { .branch = branch, .actor = "act-golden" },
				  .mode = mode,
				  .shape = LOAD_STRICT };
	struct str rest = str_from(text);
	struct load_result res;

	CHECK_OK(graph_load(g, &opts, golden_read_rows, &rest, &res, ep));
	load_result_clear(&res);
}

static void load_buf(struct graph *g, const char *branch, enum load_mode mode, struct strbuf *b)
{
	load(g, branch, mode, b->s);
	sb_reset(b);
}

static void mutate(struct graph *g, const char *branch, const char *text)
{
	struct write_opts w = { .branch = branch };
	struct mutation_result r = { 0 };
	struct snapshot *s = NULL;
	struct query_file *f = NULL;
	struct query *q = NULL;
	struct arena a = ARENA_INIT;
	struct val *vals = NULL;

	CHECK_OK(graph_snapshot(g, branch, NULL, &s, ep));
	CHECK_OK(query_file_parse(str_from(text), &f, ep));
	CHECK_OK(query_compile((struct catalog *)(uintptr_t)snapshot_catalog(s), query_file_at(f, 0), &q, ep));
	CHECK_OK(query_bind(q, &a, NULL, &vals, ep));
	CHECK_OK(graph_mutate(g, q, vals, &w, &r, ep));
	CHECK(r.has_commit);
	mutation_result_clear(&r);
	query_free(q);
	query_file_free(f);
	snapshot_put(s);
	arena_free(&a);
}

static void apply_schema(struct graph *g, const char *text)
{
	struct schema_apply_opts o = { .actor = "act-golden", .allow_data_loss = true };
	struct schema_apply_result r = { .plan = STRBUF_INIT };

	CHECK_OK(graph_schema_apply(g, str_from(text), &o, &r, ep));
	CHECK(r.applied);
	sb_free(&r.plan);
}

static void merge(struct graph *g, const char *source)
{
	struct merge_opts o = { .source = source, .actor = "act-merger" };
	struct merge_result r = { 0 };

	CHECK_OK(graph_merge(g, &o, &r, ep));
	CHECK_INT(r.outcome, MERGE_MERGED);
	merge_result_clear(&r);
}

static void clean(struct graph *g)
{
	struct cleanup_opts o = { .by_count = true, .keep_versions = 2, .orphan_age_s = -1 };
	struct cleanup_result r;

	CHECK_OK(graph_cleanup(g, &o, &r, ep));
	cleanup_result_clear(&r);
}

/* --- the history ----------------------------------------------------------------------------------- */

/* Commits that a cleanup takes away; a fork point among them stays. */
static void before_cleanup(struct graph *g)
{
	struct strbuf b = STRBUF_INIT;

	add_person(&b, "ada", 36);
	add_person(&b, "bob", 5);
	sb_addz(&b, things);
	sb_addz(&b, pairs);
	sb_addz(&b, notes);
	add_knows(&b, "k0", "ada", "bob");
	add_owns(&b, "o0", "ada", "t1", "\"base64:ZGVlZA==\"");
	load_buf(g, NULL, LOAD_APPEND, &b);
	mutate(g, NULL, "query m() { update Person set { bio: \"counts\" } where name = \"ada\" }");
	CHECK_OK(graph_branch_create(g, "review", NULL, "act-golden", ep));
	mutate(g, NULL, "query m() { insert Person { name: \"eve\", age: 99 } }");
	mutate(g, NULL, "query m() { delete Person where name = \"eve\" }");
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	add_person(&b, "cyd", 20);
	load_buf(g, NULL, LOAD_APPEND, &b);
	clean(g);
	sb_free(&b);
}

static void on_branches(struct graph *g)
{
	struct strbuf b = STRBUF_INIT;

	add_person(&b, "rae", 41);
	add_knows(&b, "kr", "rae", "ada");
	add_owns(&b, "or", "rae", "t2", "null");
	load_buf(g, "review", LOAD_APPEND, &b);
	CHECK_OK(graph_branch_create(g, "review/z\xc3\xbcrich", "review", NULL, ep));
	mutate(g, "review", "query m() { update Thing set { s: \"reviewed\" } where code = \"t3\" }");
	mutate(g, "review/z\xc3\xbcrich", "query m() { delete Person where name = \"bob\" }");
	CHECK_OK(graph_checkpoint(g, "review", ep));
	sb_free(&b);
}

/* A commit whose rows are in segments, with the adjacency of the edges; then deletions in them and a checkpoint. */
static void with_segments(struct graph *g)
{
	char id[16], from[16], to[16];
	struct strbuf b = STRBUF_INIT;

	for (int i = 0; i < 24; i++) {
		snprintf(id, sizeof(id), "p%02d", i);
		add_person(&b, id, i + 10);
	}
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "k%02d", i);
		snprintf(from, sizeof(from), "p%02d", i * i % 24);
		snprintf(to, sizeof(to), "p%02d", i % 3 ? i * 7 % 24 : 7);
		add_knows(&b, id, from, to);
	}
	g->inline_max = 1024;
	load_buf(g, NULL, LOAD_APPEND, &b);
	g->inline_max = LIMIT_INLINE_COMMIT_BYTES;
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	mutate(g, NULL, "query m() { delete Person where name = \"p23\" }");
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	sb_free(&b);
}

/* An overwrite keeps external references as they are. */
static void external_blob(struct graph *g)
{
	struct strbuf b = STRBUF_INIT;

	sb_addz(&b, things);
	sb_addz(&b, more_things);
	sb_addz(&b, "{\"type\":\"Thing\",\"data\":{\"code\":\"t6\",\"blob\":\"file://" SOURCE_DIR "/page.txt\"}}\n");
	load_buf(g, NULL, LOAD_OVERWRITE, &b);
	sb_free(&b);
}

struct writer {
	struct graph *g;
	int i;
	pthread_barrier_t *gate;
};

static void *write_one(void *arg)
{
	struct writer *w = arg;
	char text[128];

	snprintf(text, sizeof(text), "{\"type\":\"Note\",\"data\":{\"id\":\"n%d\",\"text\":\"of writer %d\"}}\n", w->i,
		 w->i);
	pthread_barrier_wait(w->gate);
	load(w->g, NULL, LOAD_APPEND, text);
	return NULL;
}

/* Writers at once share records; how many there are is told. */
static void grouped(struct graph *g)
{
	struct writer w[WRITERS];
	pthread_t t[WRITERS];
	pthread_barrier_t gate;
	uint64_t first = g->main->next_seq;

	pthread_barrier_init(&gate, NULL, WRITERS);
	for (int i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ g, i, &gate };
		CHECK(pthread_create(&t[i], NULL, write_one, &w[i]) == 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&gate);
	CHECK_MSG(g->main->next_seq - first < WRITERS, "no record has several commits; run it again");
}

static void behind_the_checkpoint(struct graph *g)
{
	struct strbuf b = STRBUF_INIT;

	grouped(g);
	external_blob(g);
	add_owns(&b, "o1", "ada", "t4", "\"base64:\"");
	add_owns(&b, "o2", "cyd", "t1", "null");
	add_knows(&b, "kx", "cyd", "p07");
	load_buf(g, NULL, LOAD_APPEND, &b);
	mutate(g, NULL, "query m() { delete Person where name = \"p00\" }");
	mutate(g, NULL, "query m() { update Person set { email: \"ada@example.org\" } where name = \"ada\" }");
	sb_free(&b);
}

static void all_objects(struct graph *g)
{
	before_cleanup(g);
	on_branches(g);
	merge(g, "review");
	CHECK_OK(graph_branch_create(g, LONG_NAME, NULL, NULL, ep));
	with_segments(g);
	behind_the_checkpoint(g);
}

static void schema_changes(struct graph *g)
{
	struct strbuf b = STRBUF_INIT;

	add_person(&b, "ada", 36);
	add_person(&b, "bob", 5);
	add_knows(&b, "k0", "ada", "bob");
	sb_addz(&b, before_schema);
	load_buf(g, NULL, LOAD_APPEND, &b);
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	mutate(g, NULL, "query m() { update Person set { nick: \"countess\" } where name = \"ada\" }");
	apply_schema(g, schema_2);
	mutate(g, NULL, "query m() { insert Note { body: \"zweite\", lang: \"de\" } }");
	CHECK_OK(graph_checkpoint(g, NULL, ep));
	apply_schema(g, schema_3);
	sb_addz(&b, "{\"type\":\"Gone\",\"data\":{\"id\":\"g1\",\"x\":2,\"y\":[\"back\"]}}\n");
	add_person(&b, "p07", 30);
	add_knows(&b, "k1", "ada", "p07");
	load_buf(g, NULL, LOAD_APPEND, &b);
	sb_free(&b);
}

/* --- files ------------------------------------------------------------------------------------------ */

struct made {
	const char *dir, *schema;
	void (*history)(struct graph *g);
};

static void write_file(const char *path, const char *data, size_t n)
{
	FILE *f = fopen(path, "wb");

	CHECK_MSG(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, "cannot write %s", path);
}

static int cut_log(void *arg, const char *name)
{
	const struct made *m = arg;
	struct strbuf path = STRBUF_INIT;
	struct logf_cell cell;
	int fd;

	sb_addf(&path, "%s/root/%s.log", m->dir, name);
	fd = open(path.s, O_RDWR);
	CHECK(fd >= 0 && pread(fd, &cell, sizeof(cell), LOGF_CELL_OFFSET) == sizeof(cell));
	CHECK(ftruncate(fd, (off_t)((le64toh(cell.end) + 4095) & ~(uint64_t)4095)) == 0);
	close(fd);
	sb_free(&path);
	return 0;
}

/* The zeros written ahead are many and say nothing. */
static void cut_logs(const struct made *m, const char *root)
{
	struct store *s = NULL;

	CHECK_OK(store_open(root, NULL, &s, ep));
	CHECK_OK(store_log_list(s, "log", cut_log, (void *)(uintptr_t)m, ep));
	store_close(s);
}

static void make_root(const struct made *m, const char *root)
{
	const struct blob_base base = { "file://" SOURCE_DIR "/", false };
	const struct blob_policy policy = { 1, &base };
	const struct graph_open_opts o = { .blobs = &policy };
	struct graph *g = NULL;

	CHECK_OK(graph_init(root, str_from(m->schema), NULL, ep));
	CHECK_OK(graph_open(root, &o, &g, ep));
	g->segs.index_rows = 0;
	m->history(g);
	graph_close(g);
	cut_logs(m, root);
}

static void make(const struct made *m)
{
	struct strbuf root = STRBUF_INIT, answers = STRBUF_INIT, path = STRBUF_INIT;

	CHECK(mkdir(m->dir, 0755) == 0);
	sb_addf(&root, "%s/root", m->dir);
	sb_addf(&path, "%s/answers.txt", m->dir);
	make_root(m, root.s);
	CHECK_OK(golden_read(root.s, true, &answers, ep));
	write_file(path.s, answers.s, answers.n);
	sb_free(&root);
	sb_free(&answers);
	sb_free(&path);
}

static void make_all(void)
{
	static const struct made made[] = { { "v1-all-objects", schema_all, all_objects },
					    { "v1-schema-changes", schema_1, schema_changes } };

	mkdir(SOURCE_DIR, 0755);
	write_file(SOURCE_DIR "/page.txt", "page\n", 5);
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		make(&made[i]);
	unlink(SOURCE_DIR "/page.txt");
	rmdir(SOURCE_DIR);
}

int main(int argc, char **argv)
{
	const struct check_test test = { "roots with every kind of object are made", make_all };

	if (argc != 2 || chdir(argv[1]))
		return 2;
	return check_run("engine/make_golden", &test, 1, NULL);
}
