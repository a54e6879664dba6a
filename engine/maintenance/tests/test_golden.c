/* SPDX-License-Identifier: MIT */
/* Graph roots that earlier versions made are read and written as if this one had made them. */
#include "golden.h"

/* The first line that differs, for the log. */
static void same_text(const char *got, const char *want)
{
	size_t line = 1;

	if (!strcmp(got, want))
		return;
	while (*got && *got == *want) {
		line += *got == '\n';
		got++;
		want++;
	}
	fprintf(stderr, "# answers.txt, line %zu: got ...%.200s\n# want ...%.200s\n", line, got, want);
	CHECK(false);
}

static char *answers_of(const char *root)
{
	struct strbuf name = STRBUF_INIT;
	char *text;

	sb_addf(&name, "%s/answers.txt", root);
	text = golden_text(name.s);
	sb_free(&name);
	return text;
}

static char *read_all(const char *dir)
{
	struct strbuf out = STRBUF_INIT;

	CHECK_OK(golden_read(dir, true, &out, ep));
	return sb_detach(&out);
}

static void reads(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(golden_roots); i++) {
		char *dir = golden_copy(golden_roots[i]), *want = answers_of(golden_roots[i]), *got = read_all(dir);

		same_text(got, want);
		free(got);
		free(want);
		temp_dir_remove(dir);
	}
}

static int delete_idx(void *arg, const char *key, const struct store_stat *st)
{
	return store_delete(arg, key, NULL);
}

static void reads_without_indexes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(golden_roots); i++) {
		char *dir = golden_copy(golden_roots[i]), *want = answers_of(golden_roots[i]), *got;
		struct store *s = NULL;

		CHECK_OK(store_open(dir, NULL, &s, ep));
		CHECK_OK(store_list(s, "idx", NULL, false, delete_idx, s, ep));
		store_close(s);
		got = read_all(dir);
		same_text(got, want);
		free(got);
		free(want);
		temp_dir_remove(dir);
	}
}

/* Fork, load there, merge, delete the branch: main has the new rows and what it had. */
static void write_and_merge(struct graph *g)
{
	struct merge_opts o = { .source = "by-test", .actor = "act-test", .delete_branch = true };
	char *before = export_of(g, NULL), *after;
	struct merge_result r = { 0 };

	CHECK_OK(graph_branch_create(g, "by-test", NULL, NULL, ep));
	CHECK_OK(golden_load(g, "by-test", ep));
	CHECK_OK(graph_merge(g, &o, &r, ep));
	CHECK(r.has_commit && r.branch_deleted);
	merge_result_clear(&r);
	after = export_of(g, NULL);
	CHECK(strlen(after) > strlen(before));
	CHECK_HAS(after, "{\"edge\":\"Knows\",\"from\":\"new\",\"to\":\"p07\",\"data\":{\"id\":\"knew\",\"since\":null,"
			 "\"weight\":1.0}}\n");
	CHECK_HAS(after, "{\"type\":\"Person\",\"data\":{\"id\":\"new\",\"age\":1,");
	free(before);
	free(after);
}

static void maintain(struct graph *g)
{
	struct cleanup_opts keep = { .by_count = true, .keep_versions = 1, .orphan_age_s = -1 };
	char *before = export_of(g, NULL), *commits = commit_list(g, NULL), *after;
	struct optimize_result o;
	struct cleanup_result c;

	CHECK_OK(graph_optimize(g, &o, ep));
	optimize_result_clear(&o);
	CHECK_OK(graph_cleanup(g, &keep, &c, ep));
	cleanup_result_clear(&c);
	after = export_of(g, NULL);
	CHECK_STR(after, before);
	free(after);
	after = commit_list(g, NULL);
	CHECK_STR(after, commits);
	free(after);
	free(commits);
	free(before);
}

static void writes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(golden_roots); i++) {
		char *dir = golden_copy(golden_roots[i]), *last, *again;
		struct graph *g = NULL;

		CHECK_OK(graph_open(dir, NULL, &g, ep));
		write_and_merge(g);
		maintain(g);
		last = export_of(g, NULL);
		graph_close(g);
		CHECK_OK(graph_open(dir, NULL, &g, ep));
		again = export_of(g, NULL);
		CHECK_STR(again, last);
		graph_close(g);
		free(last);
		free(again);
		temp_dir_remove(dir);
	}
}

CHECK_MAIN("engine/golden",
	   { "ENG-10 ENG-60 ENG-62 a root made by format version 1 gives every answer that it gave when it was made",
	     reads },
	   { "ENG-72 so it does with all index objects deleted", reads_without_indexes },
	   { "ENG-49 ENG-71 ENG-73 it takes loads, branches, a merge, optimize and cleanup", writes })
