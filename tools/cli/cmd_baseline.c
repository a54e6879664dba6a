/* SPDX-License-Identifier: MIT */
/*
 * changes baseline (spec/cli.md 11.10): a snapshot in a file, and the cursor that goes on behind it. The file appears whole or not at all,
 * and the cursor is printed only when the file in place is the one of this capture.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli/cmd_changes.h"
#include "tools/cli/remote.h"

#define HANDSHAKE_MAX 16384 /* the last line of a served stream: an id and a token */

struct capture {
	struct invocation *inv;
	const char *out, *tmp;
	int lock, fd, dir;
	/* what was received and not yet written: the handshake may be in it (served) */
	struct strbuf tail;
	bool long_line; /* the line in the tail began in the file */
	const char *commit, *cursor;
};

/* --- the file ----------------------------------------------------------------------------------------------------------- */

static int write_out(struct capture *c, const char *s, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = write(c->fd, s, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, errno, "could not write '%s'", c->tmp);
		s += k;
		n -= (size_t)k;
	}
	return 0;
}

/* One capture of a file at a time: the others wait. */
static int take_lock(struct capture *c, struct err *e)
{
	const char *path = arena_printf(&c->inv->arena, "%s.lock", c->out);

	c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (c->lock < 0)
		return err_sys(e, errno, "could not open the lock '%s'", path);
	while (flock(c->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "could not lock '%s'", path);
	return 0;
}

static int open_temporary(struct capture *c, struct err *e)
{
	struct arena *a = &c->inv->arena;
	const char *dir = dirname(arena_strdup(a, c->out)), *base = basename(arena_strdup(a, c->out));
	char *tmp = (char *)arena_printf(a, "%s/.%s.XXXXXX", dir, base);
	mode_t mask = umask(0);

	umask(mask);
	c->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c->fd = c->dir < 0 ? -1 : mkostemp(tmp, O_CLOEXEC);
	if (c->fd < 0)
		return err_sys(e, errno, "could not create a file beside '%s'", c->out);
	c->tmp = tmp;
	fchmod(c->fd, 0666 & ~mask);
	return 0;
}

static int install(struct capture *c, struct err *e)
{
	struct stat own, now;

	if (fsync(c->fd) < 0 || fstat(c->fd, &own) < 0)
		return err_sys(e, errno, "could not write '%s'", c->tmp);
	if (rename(c->tmp, c->out) < 0)
		return err_sys(e, errno, "could not replace '%s'", c->out);
	c->tmp = NULL;
	if (fsync(c->dir) < 0)
		return err_sys(e, errno, "could not make '%s' durable; no resume cursor printed", c->out);
	if (stat(c->out, &now) == 0 && now.st_dev == own.st_dev && now.st_ino == own.st_ino)
		return 0;
	return err_set(
		e, ERR_CONFLICT,
		"the baseline at %s was replaced by another writer after this capture installed its snapshot; no "
		"resume cursor printed — re-run the capture",
		c->out);
}

static void capture_end(struct capture *c)
{
	if (c->tmp)
		unlink(c->tmp);
	if (c->fd >= 0)
		close(c->fd);
	if (c->dir >= 0)
		close(c->dir);
	if (c->lock >= 0)
		close(c->lock);
	sb_free(&c->tail);
}

/* --- the stream --------------------------------------------------------------------------------------------------------- */

static int take_direct(void *arg, const void *data, size_t n, struct err *e)
{
	return write_out(arg, data, n, e);
}

/* Everything but the last line goes to the file; that one may be the handshake. */
static int take_served(void *arg, const void *data, size_t n, struct err *e)
{
	struct capture *c = arg;
	const char *last;
	size_t whole;
	int rc;

	sb_add(&c->tail, data, n);
	last = c->tail.n > 1 ? memrchr(c->tail.s, '\n', c->tail.n - 1) : NULL;
	whole = last ? (size_t)(last + 1 - c->tail.s) : 0;
	if (last)
		c->long_line = false;
	if (!whole && c->tail.n > HANDSHAKE_MAX) {
		whole = c->tail.n - 1; /* too long for a handshake; its end decides whether the line is whole */
		c->long_line = true;
	}
	rc = whole ? write_out(c, c->tail.s, whole, e) : 0;
	memmove(c->tail.s, c->tail.s + whole, c->tail.n - whole);
	c->tail.n -= whole;
	return rc;
}

static int take_handshake(struct capture *c, struct err *e)
{
	const struct json *b = NULL;
	struct json *doc;

	if (!c->tail.n || c->tail.s[c->tail.n - 1] != '\n')
		return err_set(e, ERR_IO, "%s",
			       c->tail.n ? "baseline stream ended mid-record — no usable cursor"
					 : "baseline stream ended without a terminal record — no usable cursor");
	if (!c->long_line && !json_parse(&c->inv->arena, arena_str(&c->inv->arena, sb_str(&c->tail)), NULL, &doc, NULL))
		b = json_get(doc, "baseline");
	c->commit = b ? doc_optional(c->inv, b, "snapshot_commit_id") : NULL;
	c->cursor = b ? doc_optional(c->inv, b, "resume_cursor") : NULL;
	if (c->commit && c->cursor)
		return 0;
	return err_set(e, ERR_IO, "baseline stream ended without a terminal record — no usable cursor");
}

static int stream_local(struct capture *c, const struct target *t, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct change_baseline b = { 0 };
	struct change_filter f;
	struct graph *g = NULL;
	int rc = graph_open(t->uri, &opts, &g, e);

	filter_of(c->inv, &f);
	if (!rc)
		rc = graph_baseline(g, flag_value(c->inv, "branch"), &f, &b, e);
	if (!rc)
		rc = baseline_stream(&b, &f, take_direct, c, e);
	if (!rc) {
		c->commit = arena_strdup(&c->inv->arena, snapshot_commit(b.snapshot)->id);
		c->cursor = arena_strdup(&c->inv->arena, b.cursor);
	}
	baseline_clear(&b);
	graph_close(g);
	return rc;
}

static int stream_remote(struct capture *c, const struct target *t, struct err *e)
{
	struct remote_call call = { .method = "POST", .path = "/changes/baseline", .sink = take_served, .sink_arg = c };
	struct json_writer w;
	int rc;

	jw_init(&w, &call.body, false);
	jw_begin_object(&w);
	if (flag_given(c->inv, "branch"))
		jw_kstrz(&w, "branch", flag_value(c->inv, "branch"));
	filter_member(c->inv, &w, "kind");
	filter_member(c->inv, &w, "type");
	filter_member(c->inv, &w, "op");
	jw_end_object(&w);
	rc = remote_send(c->inv, t, &call, NULL, e);
	return rc ? rc : take_handshake(c, e);
}

/* --- the command -------------------------------------------------------------------------------------------------------- */

static int report(struct capture *c)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (!flag_given(c->inv, "json")) {
		sb_addf(&out, "snapshot: %s\nsnapshot_commit_id: %s\nresume_cursor: %s\n", c->out, c->commit,
			c->cursor);
		return out_text(&out);
	}
	jw_init(&w, &out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "snapshot_commit_id", c->commit);
	jw_kstrz(&w, "resume_cursor", c->cursor);
	jw_end_object(&w);
	sb_addch(&out, '\n');
	return out_text(&out);
}

int cmd_changes_baseline(struct invocation *inv)
{
	struct capture c = { .inv = inv, .out = flag_value(inv, "out"), .lock = -1, .fd = -1, .dir = -1 };
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, flag_value(inv, "uri"), &t, &e), status;

	if (!rc)
		rc = take_lock(&c, &e);
	if (!rc)
		rc = open_temporary(&c, &e);
	if (!rc)
		rc = (t.served ? stream_remote : stream_local)(&c, &t, &e);
	if (!rc)
		rc = install(&c, &e);
	status = rc ? fail(&e, flag_given(inv, "json")) : report(&c);
	capture_end(&c);
	return status;
}
