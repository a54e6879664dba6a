/* SPDX-License-Identifier: MIT */
/* Permissive loads: a stream of values, unknown members ignored, ids respelled. */
#include "load_test.h"

#define SCHEMA                                                          \
	"node P { name: String @key  age: I32?  tags: [String]? }\n"    \
	"node N { k: U32 @key }\n"                                      \
	"node Day { d: Date @key }\n"                                   \
	"node Slot { tenant: String  slot: U32  @key(tenant, slot) }\n" \
	"node Bare { n: I32? }\n"                                       \
	"edge Knows: P -> P { since: Date? }\n"                         \
	"edge NN: N -> N\n"                                             \
	"edge On: N -> Day\n"                                           \
	"edge Sits: P -> Slot\n"

static struct fix f;

static void pretty_printed(void)
{
	fix_open(&f, SCHEMA);
	CHECK_INT(lt_load(&f, &loose_append,
			  "{\n  \"type\": \"P\",\n  \"data\": {\n    \"name\": \"a\",\n    \"age\": 1\n  "
			  "}\n}\n\n{\"type\":\"P\",\"data\":{"
			  "\"name\":\"b\"}}{\"edge\":\"knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"id\":\"x\"}}\t"),
		  3);
	CHECK_STR(lt_export(&f),
		  "{\"edge\":\"Knows\",\"from\":\"a\",\"to\":\"b\",\"data\":{\"id\":\"x\",\"since\":null}}\n"
		  "{\"type\":\"P\",\"data\":{\"id\":\"a\",\"age\":1,\"name\":\"a\",\"tags\":null}}\n"
		  "{\"type\":\"P\",\"data\":{\"id\":\"b\",\"age\":null,\"name\":\"b\",\"tags\":null}}\n");
	fix_close(&f);
}

static void lenient(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &loose_append,
		"{\"type\":\"P\",\"edge\":\"Knows\",\"extra\":{},\"data\":{\"name\":\"a\",\"nope\":1,\"_rowid\":2,"
		"\"age\":\"old\",\"name\":"
		"\"b\",\"tags\":[1,\"x\",null]}}\n"
		"{\"edge\":\"KNOWS\",\"from\":\"b\",\"to\":\"x\",\"to\":\"b\",\"data\":{\"src\":1,\"id\":7}}\n"
		"{\"type\":\"Bare\",\"data\":{\"id\":\"k\",\"n\":1.5}}\n");
	CHECK_HAS(lt_export(&f),
		  "{\"type\":\"P\",\"data\":{\"id\":\"b\",\"age\":null,\"name\":\"b\",\"tags\":[null,\"x\",null]}}\n");
	CHECK_HAS(lt_export(&f), "{\"type\":\"Bare\",\"data\":{\"id\":\"k\",\"n\":null}}\n");
	CHECK_HAS(lt_export(&f), "{\"edge\":\"Knows\",\"from\":\"b\",\"to\":\"b\",\"data\":{\"id\":\"0");
	fix_close(&f);
}

static void refusals(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{\"type\":\"Bare\"} {\"type\":\"Nope\"}", "record 2: unknown node type 'Nope'" },
		{ "{\"type\":\"p\"}", "record 1: unknown node type 'p'" },
		{ "{\"edge\":\"Nope\",\"from\":\"a\",\"to\":\"b\"}", "record 1: unknown edge type 'Nope'" },
		{ "{\"edge\":\"Knows\",\"to\":\"b\"}", "record 1: edge missing 'from'" },
		{ "{\"edge\":\"Knows\",\"from\":\"b\",\"to\":5}", "record 1: edge missing 'to'" },
		{ "{}", "record 1: expected 'type' or 'edge' field" },
		{ "{\"type\":\"Bare\"} 5", "record 2: expected 'type' or 'edge' field" },
		{ "[{\"type\":\"Bare\"}]", "record 1: expected 'type' or 'edge' field" },
		{ "{\"type\":\"P\",\"data\":{\"name\":5}}",
		  "record 1: non-nullable property 'name' has null or invalid values" },
		{ "{\"type\":\"P\",\"data\":{\"name\":\"a\",\"id\":5}}",
		  "record 1: node P explicit id must be a string, got 5" },
		{ "{\"type\":\"Bare\",\"data\":{\"id\":{\"a\":1}}}",
		  "record 1: node Bare explicit id must be a string, got {\"a\":1}" },
		{ "{\"type\":\"P\",\"data\":{\"name\":\"a\",\"age\":2147483648}}",
		  "record 1: property 'age' value 2147483648 exceeds Int32 range" },
	};

	fix_open(&f, SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		REFUSES(&f, loose_append, rows[i].text, rows[i].want);
	REFUSES_HAS(&f, loose_append, "{\"type\":\"Bare\"}\n{\"type\":", "invalid JSON at record 2: ");
	REFUSES_HAS(&f, loose_append, "x", "invalid JSON at record 1: ");
	REFUSES_HAS(&f, loose_append, "{\"type\":\"P\"}", "non-nullable property 'name' has null or invalid values");
	fix_close(&f);
}

static void respelled(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &loose_append,
		"{\"edge\":\"NN\",\"from\":\"00042\",\"to\":\"7\",\"data\":{\"id\":\"e\"}}\n"
		"{\"edge\":\"On\",\"from\":\"42\",\"to\":\"2024-01-01\",\"data\":{\"id\":\"o\"}}\n"
		"{\"type\":\"N\",\"data\":{\"id\":\"00042\",\"k\":42}} "
		"{\"type\":\"N\",\"data\":{\"id\":\"7\",\"k\":7}}\n"
		"{\"type\":\"Day\",\"data\":{\"id\":\"2024-01-01\",\"d\":\"2024-01-01\"}}\n");
	CHECK_STR(lt_export(&f), "{\"edge\":\"NN\",\"from\":\"42\",\"to\":\"7\",\"data\":{\"id\":\"e\"}}\n"
				 "{\"edge\":\"On\",\"from\":\"42\",\"to\":\"19723\",\"data\":{\"id\":\"o\"}}\n"
				 "{\"type\":\"Day\",\"data\":{\"id\":\"19723\",\"d\":19723}}\n"
				 "{\"type\":\"N\",\"data\":{\"id\":\"42\",\"k\":42}}\n"
				 "{\"type\":\"N\",\"data\":{\"id\":\"7\",\"k\":7}}\n");
	/* the spelling belongs to that input and that type only */
	REFUSES(&f, loose_append, "{\"edge\":\"NN\",\"from\":\"00042\",\"to\":\"7\"}", "src '00042' not found in N");
	REFUSES(&f, loose_append,
		"{\"type\":\"N\",\"data\":{\"id\":\"019723\",\"k\":19723}} "
		"{\"edge\":\"On\",\"from\":\"19723\",\"to\":\"019723\"}",
		"dst '019723' not found in Day");
	fix_close(&f);
}

static void respelled_composite(void)
{
	fix_open(&f, SCHEMA);
	lt_load(&f, &loose_append,
		"{\"edge\":\"Sits\",\"from\":\"p\",\"to\":\"acme\",\"data\":{\"id\":\"s\"}}\n"
		"{\"type\":\"Slot\",\"data\":{\"id\":\"acme\",\"tenant\":\"acme\",\"slot\":7}}\n"
		"{\"type\":\"Slot\",\"data\":{\"id\":\"08\",\"tenant\":\"b\",\"slot\":8}}\n"
		"{\"type\":\"P\",\"data\":{\"name\":\"p\"}}\n");
	CHECK_HAS(lt_export(&f),
		  "{\"edge\":\"Sits\",\"from\":\"p\",\"to\":\"[\\\"7\\\",\\\"acme\\\"]\",\"data\":{\"id\":\"s\"}}\n");
	CHECK_HAS(lt_export(&f), "\"id\":\"[\\\"8\\\",\\\"b\\\"]\"");
	fix_close(&f);
}

static void mismatched(void)
{
	fix_open(&f, SCHEMA);
	REFUSES(&f, loose_append, "{\"type\":\"N\",\"data\":{\"id\":\"43\",\"k\":42}}",
		"record 1: node N has explicit id '43' that does not match @key property 'k' canonical value '42'");
	REFUSES(&f, loose_append, "{\"type\":\"P\",\"data\":{\"id\":\"A\",\"name\":\"a\"}}",
		"record 1: node P has explicit id 'A' that does not match @key property 'name' canonical value 'a'");
	REFUSES_HAS(&f, loose_append, "{\"type\":\"Slot\",\"data\":{\"id\":\"x\",\"tenant\":\"acme\",\"slot\":7}}",
		    "node Slot has explicit id 'x' that does not match @key properties (slot, tenant) canonical value");
	fix_close(&f);
}

static void ambiguous(void)
{
	fix_open(&f, SCHEMA);
	REFUSES_HAS(&f, loose_append,
		    "{\"type\":\"Slot\",\"data\":{\"id\":\"acme\",\"tenant\":\"acme\",\"slot\":7}}\n"
		    "{\"type\":\"Slot\",\"data\":{\"id\":\"acme\",\"tenant\":\"acme\",\"slot\":8}}\n",
		    "refusing ambiguous edge endpoint remap");
	fix_close(&f);
}

static void empty(void)
{
	fix_open(&f, SCHEMA);
	CHECK_INT(lt_load(&f, &loose_append, ""), 0);
	CHECK_INT(lt_load(&f, &loose_append, " \n\t\r\n "), 0);
	CHECK_STR(lt_export(&f), "");
	fix_close(&f);
}

CHECK_MAIN("engine/load/permissive", { "ENG-30 pretty-printed values, one after another", pretty_printed },
	   { "ENG-30 unknown members are ignored, wrong types are null, the last duplicate wins", lenient },
	   { "ENG-30 refusals name the record", refusals },
	   { "ENG-31 SCH-45 an id in another spelling is canonicalised and edges follow, before nodes too", respelled },
	   { "ENG-31 a composite key is spelled by any of its members", respelled_composite },
	   { "ENG-31 SCH-45 an id that is no spelling of the key is refused", mismatched },
	   { "ENG-31 SCH-45 one spelling for two nodes is refused", ambiguous },
	   { "ENG-24 an empty stream is an empty load", empty }, )
