/* SPDX-License-Identifier: MIT */
/* load: strict NDJSON, one commit. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/util.h>

#include "tools/cli/cmd.h"

#define PROGRESS_AFTER_US 500000
#define PROGRESS_EVERY_US 100000

/* --- progress on a terminal (spec/cli.md 7.4) -------------------------------------------------------------------------- */

struct progress {
	bool on;
	int64_t start, last;
	uint64_t total;
	size_t shown; /* the line is on the screen */
};

static void progress_init(struct progress *p, const struct invocation *inv, int fd)
{
	const char *term = getenv("TERM");
	struct stat st;

	*p = (struct progress){ .start = time_mono_us() };
	p->on = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb")) && !flag_given(inv, "quiet");
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		p->total = (uint64_t)st.st_size;
}

static void progress_step(void *arg, uint64_t bytes, uint64_t records)
{
	struct progress *p = arg;
	int64_t now = time_mono_us();

	if (!p->on || now - p->start < PROGRESS_AFTER_US || now - p->last < PROGRESS_EVERY_US)
		return;
	p->last = now;
	if (p->total)
		fprintf(stderr, "\rread  %3d%%  %llu entities\x1b[K", (int)(bytes * 100 / p->total),
			(unsigned long long)records);
	else
		fprintf(stderr, "\rread  %llu entities\x1b[K", (unsigned long long)records);
	p->shown = 1;
}

static void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\x1b[K", stderr);
}

/* --- the command ----------------------------------------------------------------------------------------------------------- */

static long read_fd(void *arg, void *buf, size_t n, struct err *e)
{
	int fd = *(int *)arg;

	for (;;) {
		ssize_t got = read(fd, buf, n);

		if (got >= 0)
			return got;
		if (errno != EINTR)
			return err_sys(e, errno, "could not read the data");
	}
}

static enum load_mode mode_of(const char *word)
{
	return !strcmp(word, "append") ? LOAD_APPEND : !strcmp(word, "merge") ? LOAD_MERGE : LOAD_OVERWRITE;
}

static void report_json(struct invocation *inv, const char *uri, const char *branch, const struct load_result *r,
			struct strbuf *out)
{
	const char *from = flag_value(inv, "from");
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	jw_kstrz(&w, "branch", branch);
	jw_kstrz(&w, "mode", flag_value(inv, "mode"));
	if (from)
		jw_kstrz(&w, "base_branch", from);
	jw_kbool(&w, "branch_created", r->branch_created);
	load_counts_json(&w, "nodes", r->nodes, r->n_nodes);
	load_counts_json(&w, "edges", r->edges, r->n_edges);
	jw_ku64(&w, "total_entities", r->total);
	jw_keyz(&w, "commit");
	commit_info_json(&w, &r->commit);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void report_text(struct invocation *inv, const char *uri, const char *branch, const struct load_result *r,
			struct strbuf *out)
{
	sb_addf(out, "loaded %s on branch %s with %s: %llu entities across %u node types and %u edge types\n", uri,
		branch, flag_value(inv, "mode"), (unsigned long long)r->total, r->n_nodes, r->n_edges);
	if (r->branch_created)
		sb_addf(out, "branch %s created from %s\n", branch, flag_value(inv, "from"));
}

static int open_data(const char *path, struct err *e)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);

	return fd < 0 ? err_sys(e, errno, "could not read data file %s", path) : fd;
}

int cmd_load(struct invocation *inv)
{
	const char *given = flag_value(inv, "branch"), *branch = given ? given : "main";
	struct load_opts opts = { .write = { .branch = branch, .actor = scope_actor(inv) },
				  .from = flag_value(inv, "from"),
				  .mode = mode_of(flag_value(inv, "mode")),
				  .shape = LOAD_STRICT };
	bool json = flag_given(inv, "json");
	struct strbuf out = STRBUF_INIT;
	struct load_result r = { 0 };
	struct addressed a = { 0 };
	struct progress p = { 0 };
	struct err e = ERR_INIT;
	int fd = open_data(flag_value(inv, "data"), &e), rc = fd < 0 ? fd : 0;

	if (!rc)
		rc = scope_graph(inv, inv->n_pos ? inv->pos[0] : NULL, &a.uri, &e);
	if (!rc) {
		target_line(inv, "load", a.uri);
		rc = graph_open(a.uri, NULL, &a.g, &e);
	}
	if (!rc) {
		progress_init(&p, inv, fd);
		opts.progress = progress_step;
		opts.progress_arg = &p;
		rc = graph_load(a.g, &opts, read_fd, &fd, &r, &e);
		progress_end(&p);
	}
	if (!rc && json)
		report_json(inv, a.uri, branch, &r, &out);
	else if (!rc)
		report_text(inv, a.uri, branch, &r, &out);
	load_result_clear(&r);
	graph_close(a.g);
	if (fd >= 0)
		close(fd);
	return rc ? fail(&e, json) : out_text(&out);
}
