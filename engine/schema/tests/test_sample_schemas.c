/* SPDX-License-Identifier: MIT */
/* SCH-01: the published sample schemas. They live outside the repository and may be absent. */
#include <dirent.h>
#include <sys/stat.h>

#include <omnigraph/graph.h>
#include <omnigraph/store.h>

#include "schema_test.h"

#ifndef TEST_SOURCE_ROOT
#define TEST_SOURCE_ROOT "."
#endif

static const char chapter_example[] =
	"interface Sourced { origin: String  fetched: DateTime? @index }\n"
	"\n"
	"node Article @description(\"A filed article\") @instruction(\"Look up by slug\") "
	"implements Sourced {\n"
	"    slug: String @key\n"
	"    title: String @index\n"
	"    state: enum(draft, live)\n"
	"    score: F64?\n"
	"    body: String?\n"
	"    vec: Vector(8)? @embed(body, model=\"acme/e1\") @index\n"
	"    labels: [String]?\n"
	"    scan: Blob?\n"
	"    @range(score, 0.0..1.0)\n"
	"    @check(slug, \"^[a-z0-9-]+$\")\n"
	"    @unique(origin, title)\n"
	"}\n"
	"\n"
	"edge Cites: Article -> Article @card(0..50) @description(\"Outgoing citation\") {\n"
	"    since: Date? @index\n"
	"    @unique(src, dst)\n"
	"}\n";

/* The schema parses, makes a graph, and the graph opened again has the same catalog and the same bytes of source. */
static void inits_and_reopens(struct str src, const char *name)
{
	struct store *s = NULL;
	struct graph *g = NULL;
	struct snapshot *snap = NULL;
	struct catalog *c = NULL, *again = NULL;
	const struct catalog *opened;
	struct err e = ERR_INIT;

	CHECK_MSG(!store_open("mem://samples", NULL, &s, &e), "%s: %s", name, err_msg(&e));
	CHECK_MSG(!graph_init_store(s, src, NULL, &e), "%s: %s", name, err_msg(&e));
	CHECK_MSG(!graph_open_store(s, NULL, &g, &e), "%s: %s", name, err_msg(&e));
	CHECK_MSG(!graph_snapshot(g, NULL, NULL, &snap, &e), "%s: %s", name, err_msg(&e));
	opened = snapshot_catalog(snap);
	CHECK(str_eq(opened->source, src));
	CHECK_MSG(!catalog_compile(src, NULL, opened->domain, &c, &e), "%s: %s", name, err_msg(&e));
	CHECK_STR(opened->compiled_digest, c->compiled_digest);
	CHECK_MSG(!catalog_from_record(c->source, c->compiled_json, &again, &e), "%s: %s", name, err_msg(&e));
	catalog_put(again);
	catalog_put(c);
	snapshot_put(snap);
	graph_close(g);
	store_close(s);
}

static void example(void)
{
	inits_and_reopens(str_from(chapter_example), "the example of section 2");
	inits_and_reopens(STR(""), "the empty schema");
	inits_and_reopens(STR("// only a comment\n"), "a comment");
}

static unsigned try_file(const char *path)
{
	struct strbuf b = STRBUF_INIT;
	char buf[4096];
	FILE *f = fopen(path, "rb");
	size_t n;

	CHECK_MSG(f != NULL, "cannot read %s", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		sb_add(&b, buf, n);
	fclose(f);
	inits_and_reopens(sb_str(&b), path);
	sb_free(&b);
	return 1;
}

static unsigned try_dir(const char *dir, int depth)
{
	struct dirent *d;
	DIR *dp = opendir(dir);
	unsigned n = 0;

	while (dp && (d = readdir(dp))) {
		char path[4096];
		size_t len = strlen(d->d_name);
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		if (d->d_name[0] == '.' || stat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode) && depth)
			n += try_dir(path, depth - 1);
		else if (len > 3 && !strcmp(d->d_name + len - 3, ".pg"))
			n += try_file(path);
	}
	if (dp)
		closedir(dp);
	return n;
}

static void samples(void)
{
	const char *shared = getenv("OMNIGRAPH_SHARED"), *src = getenv("OMNIGRAPH_SRC");
	char dir[4096];

	if (shared)
		snprintf(dir, sizeof(dir), "%s/data", shared);
	else
		snprintf(dir, sizeof(dir), "%s/../shared/data", src ? src : TEST_SOURCE_ROOT);
	if (!try_dir(dir, 4))
		printf("skip: no sample schemas under %s (set OMNIGRAPH_SHARED)\n", dir);
}

CHECK_MAIN("engine/schema/samples",
	   { "SCH-01 SCH-62 the example of section 2 and empty schemas init and re-open unchanged", example },
	   { "SCH-01 every published sample schema inits and re-opens unchanged", samples }, )
