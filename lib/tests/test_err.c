/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/diag.h>
#include <omnigraph/err.h>
#include <omnigraph/str.h>
#include <test/check.h>

static void statuses_and_words(void)
{
	static const struct {
		enum err_code code;
		int http;
		const char *wire;
	} want[] = {
		{ ERR_BAD_REQUEST, 400, "bad_request" },
		{ ERR_PARSE, 400, "bad_request" },
		{ ERR_TYPE, 400, "bad_request" },
		{ ERR_QUERY, 400, "bad_request" },
		{ ERR_NOT_FOUND, 404, "not_found" },
		{ ERR_CONFLICT, 409, "conflict" },
		{ ERR_ALREADY_INITIALIZED, 409, "conflict" },
		{ ERR_MERGE_CONFLICTS, 409, "conflict" },
		{ ERR_KEY_CONFLICT, 409, "conflict" },
		{ ERR_READ_SET_CHANGED, 409, "conflict" },
		{ ERR_RETRYABLE_CONFLICT, 409, "conflict" },
		{ ERR_COMMIT_HAS_NO_PARENT, 409, "conflict" },
		{ ERR_SCHEMA_BOUNDARY, 409, "conflict" },
		{ ERR_CHANGE_FEED_GAP, 410, NULL },
		{ ERR_PRECONDITION, 412, NULL },
		{ ERR_RESOURCE_LIMIT, 413, "bad_request" },
		{ ERR_BLOB_RANGE, 416, "bad_request" },
		{ ERR_CURSOR_REJECTED, 400, "bad_request" },
		{ ERR_BLOB_POLICY, 400, "bad_request" },
		{ ERR_BLOB_SOURCE, 424, NULL },
		{ ERR_UNAUTHORIZED, 401, "unauthorized" },
		{ ERR_POLICY, 403, "forbidden" },
		{ ERR_TOO_MANY_REQUESTS, 429, "too_many_requests" },
		{ ERR_HISTORY_RECLAIMED, 500, "internal" },
		{ ERR_INIT_INDETERMINATE, 500, "internal" },
		{ ERR_BLOB_INTEGRITY, 500, "internal" },
		{ ERR_STORAGE, 500, "internal" },
		{ ERR_IO, 500, "internal" },
		{ ERR_INTERNAL, 500, "internal" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *wire = err_wire_code(want[i].code);

		CHECK_INT(err_http_status(want[i].code), want[i].http);
		CHECK(want[i].wire ? wire && !strcmp(wire, want[i].wire) : !wire);
	}
	for (int c = ERR_BAD_REQUEST; c < ERR_CODE_COUNT; c++) {
		CHECK(err_errno((enum err_code)c) > 0);
		CHECK(err_http_status((enum err_code)c) >= 400);
	}
}

static void set_and_clear(void)
{
	struct err e = ERR_INIT, f = ERR_INIT;

	CHECK_STR(err_msg(&e), "");
	CHECK_INT(err_set(&e, ERR_NOT_FOUND, "branch '%s' not found", "x"), -ENOENT);
	CHECK_STR(err_msg(&e), "branch 'x' not found");
	err_position(&e, 3, 4, 10, 12);
	err_detail(&e, "member", "m");
	err_detail(&e, "expected", NULL);
	err_detail_u64(&e, "limit", UINT64_MAX);
	err_prefix(&e, "graph '%s': ", "g");
	CHECK_STR(err_msg(&e), "graph 'g': branch 'x' not found");
	CHECK_STR(err_get_detail(&e, "member"), "m");
	CHECK(err_has_detail(&e, "expected") && !err_get_detail(&e, "expected"));
	CHECK_STR(err_get_detail(&e, "limit"), "18446744073709551615");
	CHECK(!err_has_detail(&e, "actual"));
	CHECK_INT(e.line, 3);
	err_move(&f, &e);
	CHECK_INT(e.code, ERR_NONE);
	CHECK_STR(err_msg(&f), "graph 'g': branch 'x' not found");
	/* an argument may point into the message that is replaced */
	err_set(&f, ERR_QUERY, "query: %s", err_msg(&f));
	CHECK_STR(err_msg(&f), "query: graph 'g': branch 'x' not found");
	CHECK_INT(f.n_details, 0);
	err_clear(&f);
	CHECK_INT(err_set(NULL, ERR_BAD_REQUEST, "dropped"), -EINVAL);
	CHECK_INT(err_set_rc(&f, -ESTALE, ERR_PRECONDITION, "x"), -ESTALE);
	CHECK_INT(err_sys(&f, EACCES, "cannot open '%s'", "p"), -EACCES);
	CHECK_STR(err_msg(&f), "cannot open 'p': Permission denied");
	CHECK_INT(f.code, ERR_IO);
	for (int i = 0; i < 20; i++)
		err_detail(&f, "d", "v");
	CHECK_INT(f.n_details, ERR_DETAILS_MAX);
	err_clear(&f);
}

static void long_messages(void)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;

	sb_addch(&b, 'x');
	while (b.n < ERR_MESSAGE_MAX + 100)
		sb_addz(&b, "\xe2\x82\xac");
	err_set(&e, ERR_BAD_REQUEST, "%s", b.s);
	CHECK(strlen(e.msg) <= ERR_MESSAGE_MAX && strlen(e.msg) > ERR_MESSAGE_MAX - 4);
	CHECK(utf8_valid(str_from(e.msg)));
	err_clear(&e);
	sb_free(&b);
}

static void diagnostics(void)
{
	struct diag_list l = DIAG_LIST_INIT, m = DIAG_LIST_INIT;
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	diag_add(&l, DIAG_ERROR, "unknown_key", "graphs.g", "unknown key '%s'", "x");
	diag_add(&l, DIAG_WARNING, "old", NULL, "say \"new\"");
	diag_append(&m, &l);
	diag_append(&m, &m);
	CHECK_INT(m.n, 4);
	CHECK_INT(m.n_errors, 2);
	diag_free(&m);
	diag_write_text(&b, &l);
	CHECK_STR(b.s, "ERROR unknown_key graphs.g: unknown key 'x'\nWARN  old : say \"new\"\n");
	sb_reset(&b);
	jw_init(&w, &b, false);
	diag_write_json(&w, &l);
	CHECK_STR(b.s, "[{\"code\":\"unknown_key\",\"severity\":\"error\",\"path\":\"graphs.g\","
		       "\"message\":\"unknown key "
		       "'x'\"},{\"code\":\"old\",\"severity\":\"warning\",\"path\":\"\","
		       "\"message\":\"say \\\"new\\\"\"}]");
	sb_free(&b);
	diag_free(&l);
}

static void one_line_per_diagnostic(void)
{
	struct diag_list l = DIAG_LIST_INIT;
	struct strbuf b = STRBUF_INIT;

	diag_add(&l, DIAG_ERROR, "c", "p", "bad name\n --> 2:3\n  | \tnode x\n  | \t  ^\n");
	diag_add(&l, DIAG_WARNING, "d", "p", "%s", "");
	diag_write_text(&b, &l);
	CHECK_STR(b.s, "ERROR c p: bad name --> 2:3 | \tnode x\nWARN  d p: \n");
	sb_free(&b);
	diag_free(&l);
}

CHECK_MAIN("lib/err", { "error kinds map to the HTTP status and wire code of the contract", statuses_and_words },
	   { "an error keeps its message, position and details until cleared", set_and_clear },
	   { "an overlong message is cut at a character boundary", long_messages },
	   { "diagnostics keep their order and print as text and as JSON", diagnostics },
	   { "CLU-68 in words each diagnostic is one line, whatever its message", one_line_per_diagnostic }, )
