/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

struct code_info {
	int http;
	const char *wire; /* NULL: the body has no `code` */
	int errno_value;
};

/* spec/engine.md 19 and spec/server.md 5.2 */
static const struct code_info codes[ERR_CODE_COUNT] = {
	[ERR_NONE] = { 200, NULL, 0 },
	[ERR_BAD_REQUEST] = { 400, "bad_request", EINVAL },
	[ERR_PARSE] = { 400, "bad_request", EINVAL },
	[ERR_TYPE] = { 400, "bad_request", EINVAL },
	[ERR_QUERY] = { 400, "bad_request", EINVAL },
	[ERR_NOT_FOUND] = { 404, "not_found", ENOENT },
	[ERR_CONFLICT] = { 409, "conflict", EBUSY },
	[ERR_ALREADY_INITIALIZED] = { 409, "conflict", EEXIST },
	[ERR_MERGE_CONFLICTS] = { 409, "conflict", EBUSY },
	[ERR_KEY_CONFLICT] = { 409, "conflict", EEXIST },
	[ERR_READ_SET_CHANGED] = { 409, "conflict", EAGAIN },
	[ERR_RETRYABLE_CONFLICT] = { 409, "conflict", EAGAIN },
	[ERR_COMMIT_HAS_NO_PARENT] = { 409, "conflict", EXDEV },
	[ERR_SCHEMA_BOUNDARY] = { 409, "conflict", EXDEV },
	[ERR_CHANGE_FEED_GAP] = { 410, NULL, ENODATA },
	[ERR_PRECONDITION] = { 412, NULL, ESTALE },
	[ERR_RESOURCE_LIMIT] = { 413, "bad_request", E2BIG },
	[ERR_BLOB_RANGE] = { 416, "bad_request", ERANGE },
	[ERR_CURSOR_REJECTED] = { 400, "bad_request", EINVAL },
	[ERR_BLOB_POLICY] = { 400, "bad_request", EINVAL },
	[ERR_BLOB_SOURCE] = { 424, NULL, EREMOTEIO },
	[ERR_UNAUTHORIZED] = { 401, "unauthorized", EACCES },
	[ERR_POLICY] = { 403, "forbidden", EPERM },
	[ERR_TOO_MANY_REQUESTS] = { 429, "too_many_requests", EAGAIN },
	[ERR_HISTORY_RECLAIMED] = { 500, "internal", ENODATA },
	[ERR_INIT_INDETERMINATE] = { 500, "internal", EIO },
	[ERR_BLOB_INTEGRITY] = { 500, "internal", EBADMSG },
	[ERR_STORAGE] = { 500, "internal", EIO },
	[ERR_IO] = { 500, "internal", EIO },
	/* the request asks for something this build or release cannot do: the client must change it
	 */
	[ERR_UNSUPPORTED] = { 400, "bad_request", EOPNOTSUPP },
	[ERR_INTERNAL] = { 500, "internal", ENOTRECOVERABLE },
};

static const struct code_info *code_info(enum err_code code)
{
	if ((unsigned)code >= ERR_CODE_COUNT)
		code = ERR_INTERNAL;
	return &codes[code];
}

int err_http_status(enum err_code code)
{
	return code_info(code)->http;
}

const char *err_wire_code(enum err_code code)
{
	return code_info(code)->wire;
}

int err_errno(enum err_code code)
{
	return code_info(code)->errno_value;
}

/* Keep at most ERR_MESSAGE_MAX bytes, without cutting a character in two. */
static void cut_message(struct strbuf *b)
{
	size_t n = ERR_MESSAGE_MAX;

	if (b->n <= ERR_MESSAGE_MAX)
		return;
	while (n > ERR_MESSAGE_MAX - 3 && ((unsigned char)b->s[n] & 0xc0) == 0x80)
		n--;
	b->s[n] = 0;
	b->n = n;
}

static void set_message(struct err *e, enum err_code code, struct strbuf *b)
{
	cut_message(b);
	/* after formatting: the arguments may point into the old content */
	err_clear(e);
	e->code = code;
	e->msg = sb_detach(b);
}

int err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
	struct strbuf b = STRBUF_INIT;

	if (e) {
		sb_addv(&b, fmt, ap);
		set_message(e, code, &b);
	}
	return -err_errno(code);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(e, code, fmt, ap);
	va_end(ap);
	return rc;
}

int err_set_rc(struct err *e, int rc, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(e, code, fmt, ap);
	va_end(ap);
	return rc;
}

int err_sys(struct err *e, int errno_value, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	char buf[128];
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		sb_addv(&b, fmt, ap);
		va_end(ap);
		sb_addz(&b, ": ");
		sb_addz(&b, strerror_r(errno_value, buf, sizeof(buf)));
		set_message(e, ERR_IO, &b);
	}
	return -errno_value;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	if (!e || e->code == ERR_NONE)
		return;
	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	sb_addz(&b, err_msg(e));
	cut_message(&b);
	free(e->msg);
	e->msg = sb_detach(&b);
}

void err_detail(struct err *e, const char *name, const char *value)
{
	struct err_detail *d;

	if (!e || e->n_details >= ERR_DETAILS_MAX)
		return;
	d = &e->details[e->n_details++];
	d->name = name;
	d->value = value ? mem_strdup(value) : NULL;
}

void err_detail_u64(struct err *e, const char *name, uint64_t value)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%" PRIu64, value);
	err_detail(e, name, buf);
}

static const struct err_detail *find_detail(const struct err *e, const char *name)
{
	if (!e)
		return NULL;
	for (uint32_t i = 0; i < e->n_details; i++)
		if (!strcmp(e->details[i].name, name))
			return &e->details[i];
	return NULL;
}

const char *err_get_detail(const struct err *e, const char *name)
{
	const struct err_detail *d = find_detail(e, name);

	return d ? d->value : NULL;
}

bool err_has_detail(const struct err *e, const char *name)
{
	return find_detail(e, name) != NULL;
}

void err_position(struct err *e, uint32_t line, uint32_t column, uint32_t span_start, uint32_t span_end)
{
	if (!e)
		return;
	e->line = line;
	e->column = column;
	e->span_start = span_start;
	e->span_end = span_end;
}

void err_move(struct err *dst, struct err *src)
{
	if (dst == src)
		return;
	if (!dst) {
		err_clear(src);
		return;
	}
	err_clear(dst);
	if (src) {
		*dst = *src;
		*src = ERR_INIT;
	}
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	free(e->msg);
	for (uint32_t i = 0; i < e->n_details; i++)
		free(e->details[i].value);
	*e = ERR_INIT;
}

const char *err_msg(const struct err *e)
{
	return e && e->msg ? e->msg : "";
}
