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

static int exit_status(enum err_code code)
{
	switch (code) {
	case ERR_PRECONDITION:
		return EXIT_PRECONDITION;
	case ERR_READ_SET_CHANGED:
	case ERR_RETRYABLE_CONFLICT:
		return EXIT_RETRY;
	default:
		return EXIT_FAILED;
	}
}

static void object_of(struct json_writer *w, const char *name, const struct err *e, const char *const *members)
{
	jw_keyz(w, name);
	jw_begin_object(w);
	for (; *members; members++)
		if (err_has_detail(e, *members))
			jw_kstrz(w, *members, err_get_detail(e, *members));
	jw_end_object(w);
}

/* The body a server would have sent (spec/server.md 5.1), for the statuses that scripts act on. */
static void print_body(const struct err *e)
{
	static const char *const precondition[] = { "expected", "actual", NULL };
	static const char *const read_set[] = { "member", "expected", "actual", NULL };
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "error", err_msg(e));
	if (err_wire_code(e->code))
		jw_kstrz(&w, "code", err_wire_code(e->code));
	if (e->code == ERR_READ_SET_CHANGED)
		object_of(&w, "read_set_conflict", e, read_set);
	if (e->code == ERR_PRECONDITION)
		object_of(&w, "precondition_failure", e, precondition);
	jw_end_object(&w);
	sb_addch(&b, '\n');
	out_write(b.s, b.n, NULL);
	sb_free(&b);
}

int fail(struct err *e, bool json)
{
	int status = exit_status(e->code);

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
