/* SPDX-License-Identifier: MIT */
/* The error body of spec/server.md 5.1 and the mapping of 5.2. */
#include <stdarg.h>

#include "net/server.h"

static void member(struct json_writer *w, const struct err *e, const char *name)
{
	jw_kstrz(w, name, err_get_detail(e, name));
}

static void member_if(struct json_writer *w, const struct err *e, const char *name)
{
	if (err_get_detail(e, name))
		member(w, e, name);
}

/* Decimal text goes out as a number. */
static void number(struct json_writer *w, const struct err *e, const char *name)
{
	const char *v = err_get_detail(e, name);

	jw_keyz(w, name);
	jw_raw(w, str_from(v ? v : "0"));
}

static void begin(struct json_writer *w, const char *name)
{
	jw_keyz(w, name);
	jw_begin_object(w);
}

static void key_conflict(struct json_writer *w, const struct err *e)
{
	begin(w, "key_conflict");
	member(w, e, "entity_kind");
	member(w, e, "type_name");
	member_if(w, e, "entity_id");
	jw_end_object(w);
}

static void read_set_conflict(struct json_writer *w, const struct err *e)
{
	begin(w, "read_set_conflict");
	member(w, e, "member");
	member(w, e, "expected");
	member(w, e, "actual");
	jw_end_object(w);
}

static void resource_limit(struct json_writer *w, const struct err *e)
{
	begin(w, "resource_limit");
	member(w, e, "resource");
	number(w, e, "limit");
	number(w, e, "actual");
	jw_end_object(w);
}

static void blob_range(struct json_writer *w, const struct err *e)
{
	begin(w, "blob_range");
	number(w, e, "start");
	number(w, e, "end");
	number(w, e, "length");
	jw_end_object(w);
}

static void blob_source(struct json_writer *w, const struct err *e)
{
	begin(w, "external_blob_source");
	member(w, e, "uri");
	member(w, e, "reason");
	jw_end_object(w);
}

static void precondition(struct json_writer *w, const struct err *e)
{
	begin(w, "precondition_failure");
	member(w, e, "expected");
	member_if(w, e, "actual");
	jw_end_object(w);
}

static void feed_gap(struct json_writer *w, const struct err *e)
{
	begin(w, "change_feed_gap");
	member_if(w, e, "cursor");
	member(w, e, "first_unreadable_commit_id");
	jw_end_object(w);
}

static void diff_refusal(struct json_writer *w, const struct err *e)
{
	begin(w, "change_diff_refusal");
	jw_kstrz(w, "reason", e->code == ERR_SCHEMA_BOUNDARY ? "schema_boundary" : "parentless_commit");
	member(w, e, "graph_commit_id");
	member_if(w, e, "type_name");
	jw_end_object(w);
}

static void details(struct json_writer *w, const struct err *e)
{
	switch (e->code) {
	case ERR_MERGE_CONFLICTS:
		jw_keyz(w, "merge_conflicts");
		jw_raw(w, str_from(err_get_detail(e, "merge_conflicts") ? err_get_detail(e, "merge_conflicts") : "[]"));
		break;
	case ERR_KEY_CONFLICT:
		key_conflict(w, e);
		break;
	case ERR_READ_SET_CHANGED:
		read_set_conflict(w, e);
		break;
	case ERR_RESOURCE_LIMIT:
		if (err_has_detail(e, "resource"))
			resource_limit(w, e);
		break;
	case ERR_BLOB_RANGE:
		blob_range(w, e);
		break;
	case ERR_BLOB_SOURCE:
		blob_source(w, e);
		break;
	case ERR_PRECONDITION:
		precondition(w, e);
		break;
	case ERR_CHANGE_FEED_GAP:
		feed_gap(w, e);
		break;
	case ERR_COMMIT_HAS_NO_PARENT:
	case ERR_SCHEMA_BOUNDARY:
		diff_refusal(w, e);
		break;
	default:
		break;
	}
}

/* A message may quote bytes of the client that are not UTF-8; a JSON body must be. */
static void put_message(struct json_writer *w, struct str s)
{
	struct strbuf b = STRBUF_INIT;

	while (s.n) {
		size_t ok = utf8_valid_prefix(s);

		sb_add(&b, s.s, ok);
		if (ok == s.n)
			break;
		sb_addz(&b, "\xef\xbf\xbd");
		s = (struct str){ s.s + ok + 1, s.n - ok - 1 };
	}
	jw_kstr(w, "error", sb_str(&b));
	sb_free(&b);
}

unsigned error_reply(struct request *r)
{
	unsigned status = r->status ? r->status : (unsigned)err_http_status(r->err.code);
	const char *code = r->status ? r->code : err_wire_code(r->err.code);
	struct json_writer w;

	sb_reset(&r->out);
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	put_message(&w, str_from(err_msg(&r->err)));
	if (code)
		jw_kstrz(&w, "code", code);
	details(&w, &r->err);
	jw_end_object(&w);
	return status;
}

int request_fail(struct request *r, unsigned status, const char *code, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(&r->err, ERR_BAD_REQUEST, fmt, ap);
	va_end(ap);
	r->status = status;
	r->code = code;
	return rc;
}
