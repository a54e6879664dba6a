/* SPDX-License-Identifier: MIT */
/* load: strict NDJSON, one commit (spec/cli.md 11.3). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/util.h>

#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

#define PROGRESS_AFTER_US 500000
#define PROGRESS_EVERY_US 100000

/* --- progress on a terminal (spec/cli.md 7.4) -------------------------------------------------------------------------- */

struct progress {
	bool on, remote;
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
		fprintf(stderr, "\r%s  %3d%%", p->remote ? "send" : "read", (int)(bytes * 100 / p->total));
	else
		fprintf(stderr, "\r%s", p->remote ? "send" : "read");
	if (!p->remote)
		fprintf(stderr, "  %llu entities", (unsigned long long)records);
	fputs("\x1b[K", stderr);
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

static const char *load_branch(const struct invocation *inv)
{
	const char *given = flag_value(inv, "branch");

	return given ? given : "main";
}

static enum load_mode mode_of(const char *word)
{
	return !strcmp(word, "append") ? LOAD_APPEND : !strcmp(word, "merge") ? LOAD_MERGE : LOAD_OVERWRITE;
}

/* Of one load: where the bytes come from, and what is shown while they go. */
struct source {
	int fd;
	struct progress progress;
	uint64_t sent;
};

static int load_local(struct invocation *inv, const struct target *t, struct source *src, struct json **doc,
		      struct err *e)
{
	struct load_opts opts = { .write = { .branch = load_branch(inv), .actor = scope_actor(inv) },
				  .from = flag_value(inv, "from"),
				  .mode = mode_of(flag_value(inv, "mode")),
				  .shape = LOAD_STRICT,
				  .progress = progress_step,
				  .progress_arg = &src->progress };
	struct strbuf text = STRBUF_INIT;
	struct load_result r = { 0 };
	struct graph *g = NULL;
	struct json_writer w;
	int rc = graph_open(t->uri, NULL, &g, e);

	if (!rc)
		rc = graph_load(g, &opts, read_fd, &src->fd, &r, e);
	if (!rc) {
		jw_init(&w, &text, false);
		jw_begin_object(&w);
		jw_kbool(&w, "branch_created", r.branch_created);
		load_counts_json(&w, "nodes", r.nodes, r.n_nodes);
		load_counts_json(&w, "edges", r.edges, r.n_edges);
		jw_ku64(&w, "total_entities", r.total);
		jw_keyz(&w, "commit");
		commit_info_json(&w, &r.commit);
		jw_end_object(&w);
		rc = doc_parse(inv, &text, doc, e);
	}
	load_result_clear(&r);
	graph_close(g);
	return rc;
}

static long send_some(void *arg, void *buf, size_t n, struct err *e)
{
	struct source *src = arg;
	long got = read_fd(&src->fd, buf, n, e);

	if (got > 0)
		src->sent += (uint64_t)got;
	progress_step(&src->progress, src->sent, 0);
	return got;
}

static int load_remote(struct invocation *inv, const struct target *t, struct source *src, struct json **doc,
		       struct err *e)
{
	const char *const pairs[] = { "branch", load_branch(inv),	 "mode", flag_value(inv, "mode"),
				      "from",	flag_value(inv, "from"), NULL };
	struct remote_call call = { .method = "POST",
				    .path = remote_query(&inv->arena, "/load/ndjson", pairs),
				    .content_type = "application/x-ndjson",
				    .source = send_some,
				    .source_arg = src,
				    .source_bytes = src->progress.total ? (int64_t)src->progress.total : -1 };

	src->progress.remote = true;
	return remote_json(inv, t, &call, doc, e);
}

static void report_json(struct invocation *inv, const struct target *t, const struct json *doc, struct strbuf *out)
{
	static const char *const members[] = { "branch_created", "nodes", "edges", "total_entities", "commit" };
	const char *from = flag_value(inv, "from");
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", t->uri);
	jw_kstrz(&w, "branch", load_branch(inv));
	jw_kstrz(&w, "mode", flag_value(inv, "mode"));
	if (from)
		jw_kstrz(&w, "base_branch", from);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		doc_member(&w, doc, members[i]);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static size_t count_of(const struct json *doc, const char *name)
{
	const struct json *list = json_get(doc, name);

	return list && list->type == JSON_ARRAY ? list->n : 0;
}

static void report_text(struct invocation *inv, const struct target *t, const struct json *doc, struct strbuf *out)
{
	const struct json *created = json_get(doc, "branch_created");

	sb_addf(out, "loaded %s on branch %s with %s: %s entities across %zu node types and %zu edge types\n", t->uri,
		load_branch(inv), flag_value(inv, "mode"), doc_text(inv, doc, "total_entities"), count_of(doc, "nodes"),
		count_of(doc, "edges"));
	if (created && created->boolean)
		sb_addf(out, "branch %s created from %s\n", load_branch(inv), flag_value(inv, "from"));
}

static int open_data(const char *path, struct err *e)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);

	return fd < 0 ? err_sys(e, errno, "could not read data file %s", path) : fd;
}

int cmd_load(struct invocation *inv)
{
	struct strbuf out = STRBUF_INIT;
	struct source src = { .fd = -1 };
	struct json *doc;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, inv->n_pos ? inv->pos[0] : NULL, &t, &e);

	if (!rc && !strcmp(flag_value(inv, "mode"), "overwrite"))
		rc = confirm_destructive(inv, "load --mode overwrite", t.uri, &e);
	if (!rc) {
		src.fd = open_data(flag_value(inv, "data"), &e);
		rc = src.fd < 0 ? src.fd : 0;
	}
	if (!rc) {
		target_line(inv, "load", t.uri);
		progress_init(&src.progress, inv, src.fd);
		rc = (t.served ? load_remote : load_local)(inv, &t, &src, &doc, &e);
		progress_end(&src.progress);
	}
	if (src.fd >= 0)
		close(src.fd);
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	(flag_given(inv, "json") ? report_json : report_text)(inv, &t, doc, &out);
	return out_text(&out);
}
