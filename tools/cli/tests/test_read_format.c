/* SPDX-License-Identifier: MIT */
/* Read formats, byte for byte (spec/cli.md 10). */
#include <test/check.h>

#include "tools/cli/cli.h"

#define HEAD "{\"query_name\":\"rover_list\",\"target\":{\"branch\":\"main\",\"snapshot\":null},"
#define COLUMNS "\"columns\":[\"r.name\",\"r.battery\"],"
#define ROVERS                                                                                                    \
	HEAD "\"row_count\":2," COLUMNS "\"rows\":[{\"r.name\":\"argo\",\"r.battery\":80},{\"r.name\":\"brook\"," \
	     "\"r.battery\":null}],\"graph_commit_id\":\"01\"}"
#define NOTHING HEAD "\"row_count\":0," COLUMNS "\"rows\":[]}"

static void is(const char *envelope, const char *format, size_t width, bool wrap, const char *want)
{
	struct table_opts opts = { width, wrap };
	struct strbuf out = STRBUF_INIT;

	CHECK_INT(read_format(str_from(envelope), format, &opts, &out, NULL), 0);
	CHECK_STR(out.s, want);
	sb_free(&out);
}

/* One column "v" with one value. */
static void cell_is(const char *json, const char *format, size_t width, bool wrap, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b,
		"{\"query_name\":\"q\",\"target\":{\"branch\":\"b\",\"snapshot\":null},\"row_count\":1,\"columns\":["
		"\"v\"],"
		"\"rows\":[{\"v\":%s}]}",
		json);
	is(b.s, format, width, wrap, want);
	sb_free(&b);
}

static void samples(void)
{
	is(ROVERS, "csv", 80, false, "r.name,r.battery\nargo,80\nbrook,null\n");
	is(ROVERS, "jsonl", 80, false,
	   "{\"kind\":\"metadata\",\"query_name\":\"rover_list\",\"target\":{\"branch\":\"main\",\"snapshot\":null},"
	   "\"row_count\":2}\n"
	   "{\"r.name\":\"argo\",\"r.battery\":80}\n{\"r.name\":\"brook\",\"r.battery\":null}\n");
	is(ROVERS, "kv", 80, false,
	   "2 rows from branch main via rover_list\nrow 1\nr.name: argo\nr.battery: 80\n\nrow 2\nr.name: "
	   "brook\nr.battery: null\n");
	is(ROVERS, "table", 80, false,
	   "2 rows from branch main via rover_list\nr.name | r.battery\n-------+----------\nargo   | 80       \nbrook  "
	   "| null     \n");
}

static void pretty(void)
{
	is(NOTHING, "json", 80, false,
	   "{\n  \"query_name\": \"rover_list\",\n  \"target\": {\n    \"branch\": \"main\",\n    \"snapshot\": null\n "
	   " },\n"
	   "  \"row_count\": 0,\n  \"columns\": [\n    \"r.name\",\n    \"r.battery\"\n  ],\n  \"rows\": []\n}\n");
}

static void no_rows(void)
{
	is(NOTHING, "csv", 80, false, "r.name,r.battery\n");
	is(NOTHING, "kv", 80, false, "0 rows from branch main via rover_list\n(no rows)\n");
	is(NOTHING, "table", 80, false,
	   "0 rows from branch main via rover_list\nr.name | r.battery\n-------+----------\n");
	is(HEAD "\"row_count\":0,\"rows\":[]}", "table", 80, false,
	   "0 rows from branch main via rover_list\n(no rows)\n");
}

static void columns_from_rows(void)
{
	is(HEAD "\"row_count\":3,\"rows\":[{\"b\":1},7,{\"a\":2,\"b\":3}]}", "csv", 80, false,
	   "a,b,value\nnull,1,null\nnull,null,7\n2,3,null\n");
}

static void snapshots(void)
{
	is("{\"query_name\":\"q\",\"target\":{\"branch\":null,\"snapshot\":\"01J8\"},\"row_count\":1,\"columns\":["
	   "\"v\"],"
	   "\"rows\":[{\"v\":1}]}",
	   "kv", 80, false, "1 rows from snapshot 01J8 via q\nrow 1\nv: 1\n");
}

static void values(void)
{
	cell_is("[1, \"a\", null]", "csv", 80, false, "v\n\"[1,\"\"a\"\",null]\"\n");
	cell_is("{\"k\": true}", "kv", 80, false, "1 rows from branch b via q\nrow 1\nv: {\"k\":true}\n");
	cell_is("1.50", "csv", 80, false, "v\n1.50\n");
	cell_is("\"a,b\"", "csv", 80, false, "v\n\"a,b\"\n");
	cell_is("\"a\\nb\"", "csv", 80, false, "v\n\"a\nb\"\n");
	cell_is("\"a\\rb\"", "csv", 80, false, "v\n\"a\rb\"\n");
	cell_is("\"a b\"", "csv", 80, false, "v\na b\n");
	cell_is("\"\"", "csv", 80, false, "v\n\n");
}

#define T "1 rows from branch b via q\n"

static void widths(void)
{
	cell_is("\"abcdefghij\"", "table", 8, false, T "v       \n--------\nabcdefg…\n");
	cell_is("\"abcdefghij\"", "table", 10, false, T "v         \n----------\nabcdefghij\n");
	cell_is("\"abcdefghij\"", "table", 4, true, T "v   \n----\nabcd\nefgh\nij  \n");
	cell_is("\"a\\nb\"", "table", 80, false, T "v   \n----\na\\nb\n");
	/* characters, not bytes */
	cell_is("\"\xc3\xa9\xc3\xa9\xc3\xa9\"", "table", 80, false, T "v  \n---\n\xc3\xa9\xc3\xa9\xc3\xa9\n");
	cell_is("\"\xc3\xa9\xc3\xa9\xc3\xa9\"", "table", 2, false, T "v \n--\n\xc3\xa9…\n");
	cell_is("\"abc\"", "table", 1, false, T "v\n-\na\n");
	is("{\"query_name\":\"q\",\"target\":{\"branch\":\"b\",\"snapshot\":null},\"row_count\":1,\"columns\":[\"a_"
	   "long_header\",\"w\"],"
	   "\"rows\":[{\"a_long_header\":\"abcdefghij\",\"w\":1}]}",
	   "table", 4, false, T "a_long_header | w\n---------+--\nabcdefg… | 1\n");
}

static void wrapped(void)
{
	is("{\"query_name\":\"q\",\"target\":{\"branch\":\"b\",\"snapshot\":null},\"row_count\":1,\"columns\":[\"v\","
	   "\"w\"],"
	   "\"rows\":[{\"v\":\"abcdef\",\"w\":1}]}",
	   "table", 4, true, T "v    | w\n-----+--\nabcd | 1\nef   |  \n");
}

static void refused(void)
{
	struct table_opts opts = { 80, false };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	CHECK(read_format(STR(NOTHING), "xml", &opts, &out, &e));
	CHECK_HAS(err_msg(&e), "xml");
	err_clear(&e);
	sb_free(&out);
}

CHECK_MAIN("cli/read_format", { "CLI-44 the samples of csv, jsonl, kv and table match byte for byte", samples },
	   { "CLI-44 json is the pretty-printed envelope", pretty }, { "results without rows", no_rows },
	   { "columns that the envelope does not name are the sorted union of row keys", columns_from_rows },
	   { "a snapshot is named in the header line", snapshots },
	   { "the text of values, and which of them csv quotes", values },
	   { "CLI-45 table: width cap, ellipsis, LF, long header, characters counted", widths },
	   { "CLI-45 wrap fills continuation lines with blanks", wrapped },
	   { "an unknown format is refused", refused }, )
