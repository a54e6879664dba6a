/* SPDX-License-Identifier: MIT */
/* Strict loads: one object per line, nothing unknown, nothing twice, errors by line. */
#include <omnigraph/limits.h>

#include "load_test.h"

#define SCHEMA                                                          \
	"node P { name: String @key  age: I32?  tags: [String]? }\n"    \
	"node Slot { tenant: String  slot: U32  @key(tenant, slot) }\n" \
	"node Bare { n: I32? }\n"                                       \
	"edge Knows: P -> P { since: Date? }\n"

static struct fix f;

struct row {
	const char *text, *want;
};

static void all_refused(const struct row *rows, size_t n)
{
	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < n; i++)
		REFUSES(&f, strict_append, rows[i].text, rows[i].want);
	fix_close(&f);
}

static void envelope(void)
{
	static const struct row rows[] = {
		{ "[1]", "line 1: graph batch record must be one JSON object" },
		{ "5", "line 1: graph batch record must be one JSON object" },
		{ "{\"type\":\"Bare\"} {\"type\":\"Bare\"}", "line 1: graph batch record must be one JSON object" },
		{ "{\"type\":\"Bare\"} x", "line 1: graph batch record must be one JSON object" },
		{ "{}", "line 1: graph batch record must contain exactly one of 'type' or 'edge'" },
		{ "{\"type\":\"P\",\"edge\":\"Knows\"}",
		  "line 1: graph batch record must contain exactly one of 'type' or 'edge'" },
		{ "{\"type\":\"Nope\"}", "line 1: unknown node type 'Nope'" },
		{ "{\"type\":\"bare\"}", "line 1: unknown node type 'bare'" },
		{ "{\"type\":\"Knows\"}", "line 1: unknown node type 'Knows'" },
		{ "{\"edge\":\"Nope\",\"from\":\"a\",\"to\":\"b\"}", "line 1: unknown edge type 'Nope'" },
		{ "{\"type\":\"Bare\",\"extra\":1}", "line 1: unknown top-level graph batch field 'extra'" },
		{ "{\"type\":\"Bare\",\"from\":\"a\"}", "line 1: unknown top-level graph batch field 'from'" },
		{ "{\"type\":\"Bare\",\"_rowid\":1}", "line 1: top-level field '_rowid' is reserved physical state" },
		{ "{\"type\":\"Bare\",\"_tombstone\":1}",
		  "line 1: top-level field '_tombstone' is reserved physical state" },
		{ "{\"type\":\"Bare\",\"data\":{\"_tombstone\":true}}",
		  "line 1: input field '_tombstone' is reserved physical state" },
		{ "{\"type\":\"Bare\",\"data\":{\"_row_created_at_version\":1}}",
		  "line 1: input field '_row_created_at_version' is reserved physical state" },
		{ "{\"type\":5}", "line 1: graph batch field 'type' must be a string, got 5" },
		{ "{\"edge\":[1],\"from\":\"a\",\"to\":\"b\"}",
		  "line 1: graph batch field 'edge' must be a string, got [1]" },
		{ "{\"edge\":\"Knows\",\"from\":1,\"to\":\"b\"}",
		  "line 1: graph batch field 'from' must be a string, got 1" },
		{ "{\"edge\":\"Knows\",\"from\":\"a\",\"to\":null}",
		  "line 1: graph batch field 'to' must be a string, got null" },
		{ "{\"type\":\"Bare\",\"data\":[1]}", "line 1: graph batch field 'data' must be an object, got [1]" },
		{ "{\"type\":\"Bare\",\"data\":null}", "line 1: graph batch field 'data' must be an object, got null" },
		{ "{\"edge\":\"Knows\",\"to\":\"b\"}", "line 1: graph batch record requires field 'from'" },
		{ "{\"edge\":\"Knows\",\"from\":\"b\"}", "line 1: graph batch record requires field 'to'" },
		{ "{\"edge\":\"Knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"src\":\"a\"}}",
		  "line 1: edge data field 'src' is reserved structural state" },
		{ "{\"edge\":\"Knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"dst\":\"a\"}}",
		  "line 1: edge data field 'dst' is reserved structural state" },
		{ "{\"type\":\"Bare\",\"data\":{\"x\":1}}", "line 1: unknown input field 'x' for 'node:Bare'" },
		{ "{\"type\":\"Bare\",\"data\":{\"src\":1}}", "line 1: unknown input field 'src' for 'node:Bare'" },
		{ "{\"edge\":\"knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"x\":1}}",
		  "line 1: unknown input field 'x' for 'edge:Knows'" },
	};

	all_refused(rows, ARRAY_SIZE(rows));
}

static void ids(void)
{
	static const struct row rows[] = {
		{ "{\"type\":\"Bare\",\"data\":{\"id\":7}}",
		  "line 1: input entity of type 'Bare' field 'id' must be a string, got 7" },
		{ "{\"edge\":\"Knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"id\":7}}",
		  "line 1: input entity of type 'Knows' field 'id' must be a string, got 7" },
		{ "{\"type\":\"P\",\"data\":{\"id\":\"x\",\"name\":\"y\"}}",
		  "line 1: node P explicit id 'x' does not match its canonical @key id 'y'" },
		{ "{\"type\":\"Slot\",\"data\":{\"id\":\"7\",\"tenant\":\"acme\",\"slot\":7}}",
		  "line 1: node Slot explicit id '7' does not match its canonical @key id '[\"7\",\"acme\"]'" },
	};

	all_refused(rows, ARRAY_SIZE(rows));
	fix_open(&f, SCHEMA);
	lt_load(&f, &strict_append,
		"{\"type\":\"Slot\",\"data\":{\"id\":\"[\\\"7\\\",\\\"acme\\\"]\",\"tenant\":\"acme\",\"slot\":7}}");
	CHECK_HAS(lt_export(&f), "\"tenant\":\"acme\"");
	fix_close(&f);
}

static void padded_key(void)
{
	fix_open(&f, "node N { k: U32 @key }");
	REFUSES(&f, strict_append, "{\"type\":\"N\",\"data\":{\"id\":\"00042\",\"k\":42}}",
		"line 1: node N explicit id '00042' does not match its canonical @key id '42'");
	fix_close(&f);
}

static void syntax(void)
{
	static const char *const bad[] = { "{\"type\":\"Bare\"", "{'type':1}", "nope", "{\"type\":\"Bare\",}",
					   "\"open" };

	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		REFUSES_HAS(&f, strict_append, bad[i], "invalid strict JSON at line 1: ");
	REFUSES_HAS(&f, strict_append, "{\"type\":\n\"Bare\"}", "invalid strict JSON at line 1: ");
	REFUSES_HAS(&f, strict_append, "{\"type\":\"Bare\"}\n\n  \nx", "invalid strict JSON at line 4: ");
	REFUSES_HAS(&f, strict_append, "{\"type\":\"\xff\"}", "line 1");
	fix_close(&f);
}

static void duplicates(void)
{
	fix_open(&f, SCHEMA);
	REFUSES(&f, strict_append, "{\"type\":\"Bare\",\"type\":\"Bare\"}",
		"invalid strict JSON at line 1: duplicate JSON member 'type'");
	REFUSES(&f, strict_append, "{\"type\":\"Bare\",\"data\":{\"n\":1,\"n\":1}}",
		"invalid strict JSON at line 1: duplicate JSON member 'n'");
	REFUSES(&f, strict_append, "\r\n{\"type\":\"Bare\",\"data\":{\"x\":[{\"y\":{\"z\":1,\"z\":2}}]}}",
		"invalid strict JSON at line 2: duplicate JSON member 'z'");
	fix_close(&f);
}

static void values(void)
{
	static const struct row rows[] = {
		{ "{\"type\":\"P\",\"data\":{\"name\":\"a\",\"age\":\"old\"}}",
		  "line 1: strict property 'age' expects Int32, got \"old\"" },
		{ "{\"type\":\"P\",\"data\":{\"name\":\"a\",\"tags\":[1]}}",
		  "line 1: strict list property 'tags' contains a null or invalid item" },
		{ "{\"type\":\"P\",\"data\":{\"name\":5}}", "line 1: strict property 'name' expects Utf8, got 5" },
		{ "{\"type\":\"P\",\"data\":{\"name\":null}}",
		  "line 1: non-nullable property 'name' has null or invalid values" },
	};

	all_refused(rows, ARRAY_SIZE(rows));
	fix_open(&f, SCHEMA);
	REFUSES_HAS(&f, strict_append, "{\"type\":\"P\",\"data\":{\"age\":1}}",
		    "non-nullable property 'name' has null or invalid values");
	REFUSES_HAS(&f, strict_append, "{\"type\":\"P\"}", "missing required property 'name'");
	fix_close(&f);
}

static void lines(void)
{
	fix_open(&f, SCHEMA);
	CHECK_INT(lt_load(&f, &strict_append,
			  "\n\r\n  \t\r\n{\"type\":\"Bare\",\"data\":{\"id\":\"a\"}}\r\n\n "
			  "{\"data\":{\"id\":\"b\"},\"type\":\"Bare\"} "
			  "\r\n{\"type\":\"Bare\",\"data\":{\"id\":\"c\"}}"),
		  3);
	REFUSES(&f, strict_append, "\r\n\n{\"type\":\"Bare\"}\r\n{\"type\":\"Bare\"}\n\r\n{\"type\":\"Nope\"}\n",
		"line 6: unknown node type 'Nope'");
	REFUSES(&f, strict_append, "{\"type\":\"Nope\"}\n{\"type\":\"Nada\"}\n", "line 1: unknown node type 'Nope'");
	fix_close(&f);
}

/* The reader hands the text over in pieces; lines are lines all the same. */
static void small_reads(void)
{
	static const char text[] = "{\"type\":\"Bare\",\"data\":{\"id\":\"\xc3\xa9\"}}\r\n\n{\"type\":\"Nope\"}\n";

	fix_open(&f, SCHEMA);
	for (size_t chunk = 1; chunk < 8; chunk++) {
		struct source s = { STR(text), chunk };
		struct load_result r;
		struct err e = ERR_INIT;

		CHECK(graph_load(f.g, &strict_append, read_text, &s, &r, &e) != 0);
		CHECK_STR(err_msg(&e), "line 3: unknown node type 'Nope'");
		err_clear(&e);
	}
	fix_close(&f);
}

static long failing_read(void *arg, void *buf, size_t n, struct err *e)
{
	return err_set(e, ERR_IO, "the client went away");
}

static void broken_reader(void)
{
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	CHECK(graph_load(f.g, &strict_append, failing_read, NULL, &r, &e) != 0);
	CHECK_STR(err_msg(&e), "the client went away");
	err_clear(&e);
	CHECK(graph_load(f.g, &loose_append, failing_read, NULL, &r, &e) != 0);
	CHECK_STR(err_msg(&e), "the client went away");
	err_clear(&e);
	CHECK_STR(lt_export(&f), "");
	fix_close(&f);
}

/* --- limits ----------------------------------------------------------------------------------------- */

static void too_large(struct str text, const char *resource, uint64_t actual, uint64_t limit)
{
	struct err e = ERR_INIT;

	lt_fail(&f, &strict_append, text, &e);
	CHECK_INT(e.code, ERR_RESOURCE_LIMIT);
	CHECK_INT(err_http_status(e.code), 413);
	CHECK_HAS(err_msg(&e), arena_printf(&f.a, "resource limit exceeded for %s: actual %llu, limit %llu", resource,
					    (unsigned long long)actual, (unsigned long long)limit));
	CHECK_STR(err_get_detail(&e, "resource"), resource);
	CHECK_STR(err_get_detail(&e, "actual"), arena_printf(&f.a, "%llu", (unsigned long long)actual));
	CHECK_STR(err_get_detail(&e, "limit"), arena_printf(&f.a, "%llu", (unsigned long long)limit));
	err_clear(&e);
}

/* A record of exactly @n bytes followed by @end. */
static struct str padded(struct strbuf *b, size_t n, const char *end)
{
	sb_reset(b);
	sb_addz(b, "{\"type\":\"Bare\"");
	sb_grow(b, n);
	memset(b->s + b->n, ' ', n - b->n - 1);
	b->n = n - 1;
	sb_addch(b, '}');
	sb_addz(b, end);
	return sb_str(b);
}

static void line_bytes(void)
{
	static const char *const ends[] = { "", "\n", "\r\n", "\n{\"type\":\"Bare\"}\n" };
	struct strbuf b = STRBUF_INIT;
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		int rc = lt_load_str(&f, &strict_overwrite, padded(&b, LIMIT_LOAD_LINE_BYTES, ends[i]), &r, &e);

		FIX_OK(rc, &e);
		load_result_clear(&r);
		too_large(padded(&b, LIMIT_LOAD_LINE_BYTES + 1, ends[i]), "graph_batch_line_bytes",
			  LIMIT_LOAD_LINE_BYTES + 1, LIMIT_LOAD_LINE_BYTES);
	}
	sb_free(&b);
	fix_close(&f);
}

/* A line with @n structural slots: 1, the braces, colons and commas, and a list of the rest. */
static struct str slotted(struct strbuf *b, size_t n)
{
	sb_reset(b);
	sb_addz(b,
		"{\"type\":\"P\",\"data\":{\"name\":\"a{[,:\\\"]}\",\"tags\":["); /* 13 with its end and the leading 1 */
	for (size_t i = 13; i < n; i++)
		sb_addz(b, "\"\",");
	sb_addz(b, "\"\"]}}");
	return sb_str(b);
}

static void line_slots(void)
{
	struct strbuf b = STRBUF_INIT;
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, SCHEMA);
	FIX_OK(lt_load_str(&f, &strict_overwrite, slotted(&b, LIMIT_LOAD_LINE_SLOTS), &r, &e), &e);
	load_result_clear(&r);
	too_large(slotted(&b, LIMIT_LOAD_LINE_SLOTS + 1), "graph_batch_json_structural_slots",
		  LIMIT_LOAD_LINE_SLOTS + 1, LIMIT_LOAD_LINE_SLOTS);
	/* permissive input has neither limit */
	FIX_OK(lt_load_str(&f, &loose_overwrite, slotted(&b, LIMIT_LOAD_LINE_SLOTS + 1), &r, &e), &e);
	load_result_clear(&r);
	sb_free(&b);
	fix_close(&f);
}

static struct str blob_of(struct strbuf *b, size_t bytes)
{
	sb_reset(b);
	sb_addz(b, "{\"type\":\"B\",\"data\":{\"v\":\"base64:");
	sb_grow(b, bytes * 2);
	for (size_t i = 0; i < bytes / 3; i++)
		sb_addz(b, "AAAA");
	sb_addz(b, bytes % 3 == 1 ? "AA==" : bytes % 3 == 2 ? "AAA=" : "");
	sb_addz(b, "\"}}");
	return sb_str(b);
}

static void blob_bytes(void)
{
	struct strbuf b = STRBUF_INIT;
	struct load_result r;
	struct err e = ERR_INIT;

	fix_open(&f, "node B { v: Blob? }");
	FIX_OK(lt_load_str(&f, &loose_append, blob_of(&b, LIMIT_BLOB_INPUT_BYTES), &r, &e), &e);
	load_result_clear(&r);
	CHECK(lt_load_str(&f, &loose_append, blob_of(&b, LIMIT_BLOB_INPUT_BYTES + 1), &r, &e) != 0);
	CHECK_INT(e.code, ERR_RESOURCE_LIMIT);
	CHECK_HAS(err_msg(&e), "resource limit exceeded for decoded blob input bytes: actual 33554433, limit 33554432");
	err_clear(&e);
	sb_free(&b);
	fix_close(&f);
}

static void uri_bytes(void)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;

	fix_open(&f, "node B { v: Blob? }");
	sb_addz(&b, "{\"type\":\"B\",\"data\":{\"v\":\"file:///");
	for (size_t i = 8; i < LIMIT_BLOB_URI_BYTES; i++)
		sb_addch(&b, 'a');
	sb_addz(&b, "\"}}");
	lt_fail(&f, &strict_append, sb_str(&b), &e); /* within the limit, but denied */
	CHECK_INT(err_http_status(e.code), 400);
	CHECK_HAS(err_msg(&e), "denied");
	err_clear(&e);
	b.n -= 3;
	sb_addz(&b, "a\"}}");
	too_large(sb_str(&b), "external Blob URI bytes", LIMIT_BLOB_URI_BYTES + 1, LIMIT_BLOB_URI_BYTES);
	sb_free(&b);
	fix_close(&f);
}

static void depth(void)
{
	struct strbuf b = STRBUF_INIT;

	fix_open(&f, SCHEMA);
	for (int i = 0; i < 100000; i++)
		sb_addch(&b, '[');
	REFUSES_HAS(&f, strict_append, b.s, "invalid strict JSON at line 1: nesting deeper than 128");
	REFUSES_HAS(&f, loose_append, b.s, "invalid JSON at record 1: nesting deeper than 128");
	sb_free(&b);
	fix_close(&f);
}

CHECK_MAIN("engine/load/strict", { "ENG-28 the envelope: every refusal of a line, with its number", envelope },
	   { "ENG-28 SCH-45 explicit ids must be strings and canonical", ids },
	   { "SCH-45 strict refuses a padded key id", padded_key }, { "ENG-28 syntax errors name the line", syntax },
	   { "ENG-28 duplicate members are refused at any depth", duplicates },
	   { "ENG-28 SCH-42 values of a wrong type", values },
	   { "ENG-29 blank and CRLF lines are accepted and counted", lines },
	   { "ENG-29 lines that arrive in pieces", small_reads },
	   { "ENG-03 a reader that fails fails the load", broken_reader },
	   { "ENG-77 a line of 32 MiB passes, one byte more does not", line_bytes },
	   { "ENG-77 131072 structural slots pass, one more does not", line_slots },
	   { "ENG-77 a decoded blob of 32 MiB passes, one byte more does not", blob_bytes },
	   { "ENG-77 an external URI of 64 KiB is judged, a longer one is too large", uri_bytes },
	   { "ENG-77 nesting is bounded", depth }, )
