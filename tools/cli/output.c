/* SPDX-License-Identifier: MIT */
/* Standard output and error (spec/cli.md 7, 8). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <omnigraph/json.h>
#include <omnigraph/util.h>

#include "tools/cli/cli.h"

int out_write(const void *data, size_t n, struct err *e)
{
	const char *p = data;

	while (n) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_sys(e, errno, "could not write to standard output");
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int out_text(struct strbuf *b)
{
	struct err e = ERR_INIT;
	int rc = out_write(b->s, b->n, &e);

	sb_free(b);
	return rc ? fail(&e, false) : EXIT_DONE;
}

/* What a plain re-run can win (spec/cli.md 8.2). */
static bool retry_safe(const struct err *e)
{
	const char *resource = err_get_detail(e, "resource");

	switch (e->code) {
	case ERR_READ_SET_CHANGED:
	case ERR_RETRYABLE_CONFLICT:
	case ERR_TOO_MANY_REQUESTS:
		return true;
	case ERR_RESOURCE_LIMIT:
		return resource &&
		       (!strcmp(resource, "stream_export_transport_bytes") || !strcmp(resource, "stream_export_slots"));
	default:
		return false;
	}
}

static int exit_status(const struct err *e)
{
	return e->code == ERR_PRECONDITION ? EXIT_PRECONDITION : retry_safe(e) ? EXIT_RETRY : EXIT_FAILED;
}

static void detail(struct json_writer *w, const struct err *e, const char *name, bool number)
{
	const char *v = err_get_detail(e, name);

	if (!err_has_detail(e, name))
		return;
	jw_keyz(w, name);
	if (number && v)
		jw_raw(w, str_from(v));
	else
		jw_strz(w, v);
}

/* The body a server would have sent (spec/server.md 5.1), for the statuses that scripts act on. */
static void print_body(const struct err *e)
{
	static const struct {
		enum err_code code;
		const char *name, *members[3];
	} objects[] = { { ERR_READ_SET_CHANGED, "read_set_conflict", { "member", "expected", "actual" } },
			{ ERR_PRECONDITION, "precondition_failure", { "expected", "actual" } },
			{ ERR_RESOURCE_LIMIT, "resource_limit", { "resource", "limit", "actual" } } };
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "error", err_msg(e));
	if (err_wire_code(e->code))
		jw_kstrz(&w, "code", err_wire_code(e->code));
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (objects[i].code != e->code)
			continue;
		jw_keyz(&w, objects[i].name);
		jw_begin_object(&w);
		for (size_t k = 0; k < ARRAY_SIZE(objects[i].members) && objects[i].members[k]; k++)
			detail(&w, e, objects[i].members[k], e->code == ERR_RESOURCE_LIMIT && k > 0);
		jw_end_object(&w);
	}
	jw_end_object(&w);
	sb_addch(&b, '\n');
	out_write(b.s, b.n, NULL);
	sb_free(&b);
}

int fail(struct err *e, bool json)
{
	int status = exit_status(e);

	if (status == EXIT_PRECONDITION && !json)
		fprintf(stderr, "%s\n", err_msg(e));
	else
		fprintf(stderr, "Error: %s\n", err_msg(e));
	if (json && status != EXIT_FAILED)
		print_body(e);
	err_clear(e);
	return status;
}

int refuse(const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	fprintf(stderr, "Error: %s\n", b.s);
	sb_free(&b);
	return EXIT_FAILED;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	fputs("warning: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int read_input(const char *path, size_t max, struct strbuf *out, struct err *e)
{
	if (strcmp(path, "-"))
		return file_read(path, max, out, e);
	for (;;) {
		ssize_t n;

		sb_grow(out, 65536);
		n = read(STDIN_FILENO, out->s + out->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "could not read standard input");
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		if (out->n > max)
			return err_set(e, ERR_BAD_REQUEST, "standard input is larger than %zu bytes", max);
	}
}

/* --- documents ------------------------------------------------------------------------------------------------------------- */

static const char *const commit_members[] = { "graph_commit_id",
					      "graph_branch",
					      "graph_manifest_version",
					      "parent_commit_id",
					      "merged_parent_commit_id",
					      "actor_id",
					      "created_at",
					      NULL };
static const char *const dataset_members[] = {
	"entity_kind",	"type_name", "dataset_path", "published_dataset_version", "native_dataset_branch",
	"entity_count", NULL
};
static const char *const count_members[] = { "name", "entities_loaded", NULL };
static const char *const graph_members[] = { "graph_id", "uri", NULL };

/* Members that are objects, or arrays of them, with the members of ours that they have. */
static const struct {
	const char *name;
	const char *const *members;
} nested[] = { { "commit", commit_members }, { "commits", commit_members }, { "datasets", dataset_members },
	       { "nodes", count_members },   { "edges", count_members },    { "graphs", graph_members } };

static void pick(struct json_writer *w, const struct json *doc, const char *const *members);

static void pick_value(struct json_writer *w, const char *name, const struct json *v)
{
	const char *const *members = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(nested); i++)
		if (!strcmp(nested[i].name, name))
			members = nested[i].members;
	if (members && v->type == JSON_OBJECT) {
		pick(w, v, members);
	} else if (members && v->type == JSON_ARRAY) {
		jw_begin_array(w);
		for (size_t i = 0; i < v->n; i++)
			pick(w, &v->items[i], members);
		jw_end_array(w);
	} else {
		jw_value(w, v);
	}
}

/* What a newer server says beyond the contract is not printed (spec/cli.md 12.2). */
static void pick(struct json_writer *w, const struct json *doc, const char *const *members)
{
	jw_begin_object(w);
	for (; *members; members++)
		doc_member(w, doc, *members);
	jw_end_object(w);
}

void doc_member(struct json_writer *w, const struct json *doc, const char *name)
{
	const struct json *v = json_get(doc, name);

	if (!v)
		return;
	jw_keyz(w, name);
	pick_value(w, name, v);
}

int print_doc(struct invocation *inv, const struct json *doc, const char *const *members,
	      void (*text)(struct invocation *inv, const struct json *doc, struct strbuf *out))
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (flag_given(inv, "json")) {
		jw_init(&w, &out, true);
		pick(&w, doc, members ? members : commit_members);
		sb_addch(&out, '\n');
	} else {
		text(inv, doc, &out);
	}
	return out_text(&out);
}

const char *doc_optional(struct invocation *inv, const struct json *doc, const char *name)
{
	const struct json *v = json_get(doc, name);

	return v && (v->type == JSON_STRING || v->type == JSON_NUMBER) ? arena_str(&inv->arena, v->text).s : NULL;
}

const char *doc_text(struct invocation *inv, const struct json *doc, const char *name)
{
	const char *text = doc_optional(inv, doc, name);

	return text ? text : "";
}

int doc_parse(struct invocation *inv, struct strbuf *text, struct json **out, struct err *e)
{
	int rc = json_parse(&inv->arena, arena_str(&inv->arena, sb_str(text)), NULL, out, e);

	sb_free(text);
	return rc;
}
