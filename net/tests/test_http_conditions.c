/* SPDX-License-Identifier: MIT */
#include <test/check.h>

#include "net/http_conditions.h"

static void tags(void)
{
	static const struct {
		const char *list;
		enum tag_match strong, weak;
	} cases[] = {
		{ "\"x\"", TAG_MATCHES, TAG_MATCHES },	      { "*", TAG_MATCHES, TAG_MATCHES },
		{ " * ", TAG_MATCHES, TAG_MATCHES },	      { "W/\"x\"", TAG_DIFFERS, TAG_MATCHES },
		{ "\"a\", \"x\"", TAG_MATCHES, TAG_MATCHES }, { "\"a,b\",\"x\"", TAG_MATCHES, TAG_MATCHES },
		{ "\"a,x\"", TAG_DIFFERS, TAG_DIFFERS },      { "\"a\"", TAG_DIFFERS, TAG_DIFFERS },
		{ "x", TAG_MALFORMED, TAG_MALFORMED },	      { "\"x", TAG_MALFORMED, TAG_MALFORMED },
		{ "", TAG_MALFORMED, TAG_MALFORMED },	      { "\"x\" \"y\"", TAG_MALFORMED, TAG_MALFORMED },
		{ "w/\"x\"", TAG_MALFORMED, TAG_MALFORMED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(tag_list_match(str_from(cases[i].list), STR("\"x\""), false), cases[i].strong);
		CHECK_INT(tag_list_match(str_from(cases[i].list), STR("\"x\""), true), cases[i].weak);
	}
}

static void ranges(void)
{
	static const struct {
		const char *text;
		uint64_t length;
		enum range_result want;
		uint64_t start, end;
	} cases[] = {
		{ "bytes=0-4", 10, RANGE_GIVEN, 0, 5 },
		{ "BYTES=0-4", 10, RANGE_GIVEN, 0, 5 },
		{ "bytes=5-100", 10, RANGE_GIVEN, 5, 10 },
		{ "bytes=5-", 10, RANGE_GIVEN, 5, 10 },
		{ "bytes=-3", 10, RANGE_GIVEN, 7, 10 },
		{ "bytes=-30", 10, RANGE_GIVEN, 0, 10 },
		{ "bytes=9-18446744073709551615", 10, RANGE_GIVEN, 9, 10 },
		{ "bytes=10-12", 10, RANGE_UNSATISFIABLE, 10, 13 },
		{ "bytes=10-", 10, RANGE_UNSATISFIABLE, 10, 10 },
		{ "bytes=-0", 10, RANGE_UNSATISFIABLE, 10, 10 },
		{ "bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 1 },
		{ "bytes=-5", 0, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=4-2", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes= 0-4", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes =0-4", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes=0-4,6-7", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes=a-b", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes=0-99999999999999999999", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes=-", 10, RANGE_IGNORED, 0, 0 },
		{ "bytes=", 10, RANGE_IGNORED, 0, 0 },
		{ "rows=0-4", 10, RANGE_IGNORED, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t start = 0, end = 0;

		CHECK_INT(range_parse(str_from(cases[i].text), cases[i].length, &start, &end), cases[i].want);
		if (cases[i].want != RANGE_IGNORED) {
			CHECK_INT(start, cases[i].start);
			CHECK_INT(end, cases[i].end);
		}
	}
}

CHECK_MAIN("net/conditions", { "SRV-48 lists of entity tags, compared strongly and weakly", tags },
	   { "SRV-48 one range of bytes, everything else ignored", ranges }, )
