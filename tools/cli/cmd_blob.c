/* SPDX-License-Identifier: MIT */
/* blob get and blob stat (spec/cli.md 11.14, 11.15). Causes have the same words on storage and through a server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <omnigraph/blob.h>
#include <omnigraph/limits.h>

#include "tools/cli/cmd.h"
#include "tools/cli/remote.h"

#define PIECE LIMIT_BLOB_RANGE_BYTES

struct wanted { /* the bytes asked for */
	bool ranged;
	uint64_t offset, length; /* length UINT64_MAX: to the end */
};

struct described {	 /* a cell without its bytes */
	const char *uri; /* external */
	const char *etag, *snapshot;
	uint64_t size;
};

struct reading {
	struct invocation *inv;
	struct wanted want;
	struct described cell;
	uint64_t expected, written;
	int fd;	    /* -1 until the first byte */
	bool other; /* a message of its own was found */
};

/* --- messages ----------------------------------------------------------------------------------------------------------- */

static const char *message_of(enum err_code code)
{
	switch (code) {
	case ERR_BAD_REQUEST:
		return "invalid Blob selector";
	case ERR_NOT_FOUND:
		return "Blob cell not found";
	case ERR_UNAUTHORIZED:
		return "Blob read requires authentication";
	case ERR_POLICY:
		return "Blob read is forbidden";
	case ERR_BLOB_RANGE:
		return "Blob range is not satisfiable";
	case ERR_CONFLICT:
		return "Blob read target changed; retry the command";
	default:
		return "Blob delivery failed";
	}
}

/* 75 for a target that changed: what a plain re-run can win. */
static int reword(struct err *e)
{
	enum err_code code = e->code;

	return err_set(e, code == ERR_CONFLICT ? ERR_RETRYABLE_CONFLICT : code, "%s", message_of(code));
}

static int reword_remote(const struct reading *rd, long status, struct err *e)
{
	if (rd->other || e->code == ERR_UNSUPPORTED)
		return -err_errno(e->code);
	if (!status)
		return err_set(e, ERR_IO, "Blob server request failed");
	if (status == 200 || status == 206)
		return err_set(e, ERR_IO, "Blob delivery stream failed");
	if (status == 500 || message_of(e->code) != message_of(ERR_INTERNAL))
		return reword(e);
	return err_set(e, ERR_INTERNAL, "Blob server request failed with status %ld", status);
}

static int external(const char *uri, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST,
		       "external Blob is not downloaded; URI: %s; use `blob stat --json` to inspect the descriptor",
		       uri);
}

/* --- output ------------------------------------------------------------------------------------------------------------- */

/* --out is opened when the first byte is there, so an earlier failure leaves the old file alone. */
static int open_out(struct reading *rd, struct err *e)
{
	const char *out = flag_value(rd->inv, "out");

	if (rd->fd >= 0)
		return 0;
	rd->fd = out ? open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	rd->other |= rd->fd < 0;
	return rd->fd < 0 ? err_sys(e, errno, "could not write '%s'", out) : 0;
}

static int put_bytes(void *arg, const void *data, size_t n, struct err *e)
{
	struct reading *rd = arg;
	const char *p = data;
	int rc = open_out(rd, e);

	while (!rc && n) {
		ssize_t k = write(rd->fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		rd->other |= k < 0;
		if (k < 0)
			return err_sys(e, errno, "could not write the value");
		p += k;
		n -= (size_t)k;
		rd->written += (uint64_t)k;
	}
	return rc;
}

static int close_out(struct reading *rd, struct err *e)
{
	if (rd->fd > STDERR_FILENO && close(rd->fd) < 0)
		return err_sys(e, errno, "could not write '%s'", flag_value(rd->inv, "out"));
	return 0;
}

/* --- storage ------------------------------------------------------------------------------------------------------------ */

static int open_local(struct invocation *inv, const struct target *t, struct graph **g, struct blob **b, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	struct blob_cell cell = { .edge = !strcmp(inv->pos[0], "edge"),
				  .type = str_from(inv->pos[1]),
				  .id = str_from(inv->pos[2]),
				  .property = str_from(inv->pos[3]),
				  .branch = flag_value(inv, "branch"),
				  .snapshot = flag_value(inv, "snapshot") };
	int rc = graph_open(t->uri, &opts, g, e);

	return rc ? rc : graph_blob_open(*g, &cell, b, e);
}

/* [*start, *end) of a value of @size bytes. */
static int cut(const struct wanted *w, uint64_t size, uint64_t *start, uint64_t *end, struct err *e)
{
	*start = w->ranged ? w->offset : 0;
	*end = w->ranged && w->length != UINT64_MAX && w->offset + w->length < size ? w->offset + w->length : size;
	if (!w->ranged || *start < size)
		return 0;
	return err_set(e, ERR_BLOB_RANGE, "Blob range is not satisfiable");
}

static int copy_value(struct reading *rd, struct blob *b, struct err *e)
{
	uint64_t start, end;
	int rc = cut(&rd->want, blob_length(b), &start, &end, e);

	for (; !rc && start < end; start += PIECE) {
		struct str piece;

		rc = blob_read(b, start, end - start < PIECE ? end : start + PIECE, &piece, e);
		if (!rc)
			rc = put_bytes(rd, piece.s, piece.n, e);
	}
	return rc ? rc : open_out(rd, e);
}

static int get_local(struct reading *rd, const struct target *t, struct err *e)
{
	struct graph *g = NULL;
	struct blob *b = NULL;
	int rc = open_local(rd->inv, t, &g, &b, e);

	if (!rc && blob_uri(b)) {
		rd->other = true;
		rc = external(blob_uri(b), e);
	}
	if (!rc)
		rc = copy_value(rd, b, e);
	if (rc && !rd->other)
		rc = reword(e);
	blob_close(b);
	graph_close(g);
	return rc;
}

static int stat_local(struct reading *rd, const struct target *t, struct err *e)
{
	struct arena *a = &rd->inv->arena;
	struct graph *g = NULL;
	struct blob *b = NULL;
	int rc = open_local(rd->inv, t, &g, &b, e);

	if (rc)
		rc = reword(e);
	else
		rd->cell = (struct described){ .uri = blob_uri(b) ? arena_strdup(a, blob_uri(b)) : NULL,
					       .etag = arena_strdup(a, blob_etag(b)),
					       .snapshot = arena_strdup(a, blob_commit(b)->id),
					       .size = blob_length(b) };
	blob_close(b);
	graph_close(g);
	return rc;
}

/* --- a server ----------------------------------------------------------------------------------------------------------- */

static const char *blob_path(struct invocation *inv)
{
	const char *const pairs[] = { "entity",	  inv->pos[0],
				      "type",	  inv->pos[1],
				      "id",	  inv->pos[2],
				      "property", inv->pos[3],
				      "branch",	  flag_value(inv, "branch"),
				      "snapshot", flag_value(inv, "snapshot"),
				      NULL };

	return remote_query(&inv->arena, "/blob", pairs);
}

static int bad_header(struct reading *rd, const char *what, const char *name, struct err *e)
{
	rd->other = true;
	return err_set(e, ERR_INTERNAL, "Blob server %s %s", what, name);
}

static bool is_strong_tag(const char *tag)
{
	size_t n = strlen(tag);

	return n >= 2 && tag[0] == '"' && tag[n - 1] == '"' && !memchr(tag + 1, '"', n - 2);
}

/* Content-Range must be the range that was asked for, perhaps cut at the end. */
static int check_range(struct reading *rd, const char *headers, struct err *e)
{
	const char *range = remote_header(&rd->inv->arena, headers, "Content-Range");
	unsigned long long first, last, size;
	uint64_t start, end;
	char rest;

	if (!range)
		return bad_header(rd, "response omitted", "Content-Range", e);
	if (sscanf(range, "bytes %llu-%llu/%llu%c", &first, &last, &size, &rest) != 3)
		return bad_header(rd, "returned an invalid", "Content-Range", e);
	if (cut(&rd->want, size, &start, &end, NULL) || first != start || last + 1 != end ||
	    rd->expected != end - start)
		return bad_header(rd, "returned an inconsistent", "Content-Range", e);
	return 0;
}

static int check_headers(void *arg, long status, const char *headers, struct err *e)
{
	struct reading *rd = arg;
	struct arena *a = &rd->inv->arena;
	const char *length = remote_header(a, headers, "Content-Length");

	rd->cell.etag = remote_header(a, headers, "ETag");
	rd->cell.snapshot = remote_header(a, headers, "Omnigraph-Snapshot-Id");
	if (!rd->cell.etag)
		return bad_header(rd, "response omitted", "ETag", e);
	if (!is_strong_tag(rd->cell.etag))
		return bad_header(rd, "returned an invalid", "ETag", e);
	if (!length)
		return bad_header(rd, "response omitted", "Content-Length", e);
	if (!str_to_u64(str_from(length), &rd->expected))
		return bad_header(rd, "returned an invalid", "Content-Length", e);
	if (!rd->cell.snapshot)
		return bad_header(rd, "response omitted", "Omnigraph-Snapshot-Id", e);
	rd->cell.size = rd->expected;
	if (rd->want.ranged)
		return check_range(rd, headers, e);
	return status == 200 ? 0 : bad_header(rd, "returned an inconsistent", "Content-Range", e);
}

static const char *range_header(struct invocation *inv, const struct wanted *w)
{
	if (!w->ranged)
		return NULL;
	if (w->length == UINT64_MAX)
		return arena_printf(&inv->arena, "Range: bytes=%llu-", (unsigned long long)w->offset);
	return arena_printf(&inv->arena, "Range: bytes=%llu-%llu", (unsigned long long)w->offset,
			    (unsigned long long)(w->offset + w->length - 1));
}

/* A redirect is the answer for an external reference; it is not followed. */
static int take_location(struct reading *rd, const struct remote_reply *r, struct err *e)
{
	struct arena *a = &rd->inv->arena;

	if (r->status / 100 == 2)
		return 0;
	rd->cell.uri = remote_header(a, r->headers, "Location");
	rd->cell.snapshot = remote_header(a, r->headers, "Omnigraph-Snapshot-Id");
	if (r->status != 302)
		return err_set(e, ERR_INTERNAL, "Blob server request failed with status %ld", r->status);
	if (!rd->cell.uri)
		return bad_header(rd, "response omitted", "Location", e);
	return rd->cell.snapshot ? 0 : bad_header(rd, "response omitted", "Omnigraph-Snapshot-Id", e);
}

static int request(struct reading *rd, const struct target *t, const char *method, struct err *e)
{
	struct remote_call call = { .method = method,
				    .path = blob_path(rd->inv),
				    .headers = { range_header(rd->inv, &rd->want) },
				    .begin = check_headers,
				    .sink = put_bytes,
				    .sink_arg = rd,
				    .no_redirect = true };
	struct remote_reply r = { 0 };
	int rc = remote_send(rd->inv, t, &call, &r, e);

	return rc ? reword_remote(rd, r.status, e) : take_location(rd, &r, e);
}

static int get_remote(struct reading *rd, const struct target *t, struct err *e)
{
	int rc = request(rd, t, "GET", e);

	if (rc)
		return rc;
	if (rd->cell.uri)
		return external(rd->cell.uri, e);
	if (rd->written != rd->expected)
		return err_set(e, ERR_IO, "Blob delivery stream ended after %llu bytes; expected %llu",
			       (unsigned long long)rd->written, (unsigned long long)rd->expected);
	return open_out(rd, e);
}

/* --- get ---------------------------------------------------------------------------------------------------------------- */

static int take_wanted(struct invocation *inv, struct wanted *w, struct err *e)
{
	const char *offset = flag_value(inv, "offset"), *length = flag_value(inv, "length");

	*w = (struct wanted){ .ranged = offset || length, .length = UINT64_MAX };
	if (offset)
		str_to_u64(str_from(offset), &w->offset); /* numbers: the parser saw to it */
	if (length)
		str_to_u64(str_from(length), &w->length);
	if (length && !w->length)
		return err_set(e, ERR_BAD_REQUEST, "Blob range --length must be greater than zero");
	if (length && w->offset > UINT64_MAX - w->length)
		return err_set(e, ERR_BAD_REQUEST, "Blob range overflows u64: offset %llu, length %llu",
			       (unsigned long long)w->offset, (unsigned long long)w->length);
	return 0;
}

int cmd_blob_get(struct invocation *inv)
{
	struct reading rd = { .inv = inv, .fd = -1 };
	struct target t;
	struct err e = ERR_INIT;
	int rc = take_wanted(inv, &rd.want, &e);

	if (!rc)
		rc = scope_target(inv, NULL, &t, &e);
	if (!rc)
		rc = (t.served ? get_remote : get_local)(&rd, &t, &e);
	if (!rc)
		rc = close_out(&rd, &e);
	return rc ? fail(&e, false) : EXIT_DONE;
}

/* --- stat --------------------------------------------------------------------------------------------------------------- */

static int stat_remote(struct reading *rd, const struct target *t, struct err *e)
{
	return request(rd, t, "HEAD", e);
}

static void stat_json(struct invocation *inv, const struct described *d, struct strbuf *out)
{
	static const char *const selector[] = { "entity", "type", "id", "property" };
	const char *branch = flag_value(inv, "branch"), *snapshot = flag_value(inv, "snapshot");
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_keyz(&w, "selector");
	jw_begin_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(selector); i++)
		jw_kstrz(&w, selector[i], inv->pos[i]);
	jw_end_object(&w);
	jw_kstrz(&w, "kind", d->uri ? "external" : "managed");
	if (d->uri) {
		jw_kstrz(&w, "uri", d->uri);
	} else {
		jw_ku64(&w, "size", d->size);
		jw_kstrz(&w, "etag", d->etag);
	}
	jw_keyz(&w, "target");
	jw_begin_object(&w);
	if (branch)
		jw_kstrz(&w, "branch", branch);
	if (snapshot)
		jw_kstrz(&w, "snapshot", snapshot);
	jw_kstrz(&w, "resolved_snapshot", d->snapshot);
	jw_end_object(&w);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void stat_text(struct invocation *inv, const struct described *d, struct strbuf *out)
{
	const char *branch = flag_value(inv, "branch"), *snapshot = flag_value(inv, "snapshot");

	sb_addf(out, "entity: %s\ntype: %s\nid: %s\nproperty: %s\nkind: %s\n", inv->pos[0], inv->pos[1], inv->pos[2],
		inv->pos[3], d->uri ? "external" : "managed");
	if (d->uri)
		sb_addf(out, "uri: %s\n", d->uri);
	else
		sb_addf(out, "size: %llu\netag: %s\n", (unsigned long long)d->size, d->etag);
	if (branch)
		sb_addf(out, "branch: %s\n", branch);
	if (snapshot)
		sb_addf(out, "snapshot: %s\n", snapshot);
	sb_addf(out, "resolved_snapshot: %s\n", d->snapshot);
}

int cmd_blob_stat(struct invocation *inv)
{
	struct reading rd = { .inv = inv, .fd = -1 };
	struct strbuf out = STRBUF_INIT;
	struct target t;
	struct err e = ERR_INIT;
	int rc = scope_target(inv, NULL, &t, &e);

	if (!rc)
		rc = (t.served ? stat_remote : stat_local)(&rd, &t, &e);
	if (rc)
		return fail(&e, flag_given(inv, "json"));
	(flag_given(inv, "json") ? stat_json : stat_text)(inv, &rd.cell, &out);
	return out_text(&out);
}
