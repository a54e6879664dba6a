/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <omnigraph/str.h>
#include <test/check.h>

static void slices(void)
{
	CHECK(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR("")) && !str_starts(STR("a"), STR("ab")));
	CHECK(str_ends(STR("abc"), STR("bc")) && str_ends(STR(""), STR("")) && !str_ends(STR("c"), STR("bc")));
	CHECK(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("\xff"), STR("a")) > 0);
	CHECK(str_eq_nocase(STR("AbZ[1"), STR("aBz[1")) && !str_eq_nocase(STR("["), STR("{")));
	CHECK(str_eq((struct str){ NULL, 0 }, STR("")));
}

static void trimming(void)
{
	CHECK(str_eqz(str_trim(STR(" \t\xc2\xa0\xe3\x80\x80 a b \xe2\x80\xa8\xc2\x85\n")), "a b"));
	CHECK(str_eqz(str_trim(STR("\xe2\x80\x8a\xe2\x81\x9f\xe1\x9a\x80")), ""));
	CHECK(str_eqz(str_trim(STR("\xe2\x80\x8bx")), "\xe2\x80\x8bx")); /* zero width space is no white space */
	CHECK(str_eqz(str_trim(STR("\xa0")), "\xa0"));			 /* half a character */
	CHECK(str_eqz(str_trim_ascii(STR("\v\f a\xc2\xa0 ")), "a\xc2\xa0"));
}

static void integers(void)
{
	uint64_t u;
	int64_t i;

	CHECK(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
	CHECK(str_to_u64(STR("0007"), &u) && u == 7);
	CHECK(!str_to_u64(STR("18446744073709551616"), &u));
	CHECK(!str_to_u64(STR("99999999999999999999999999"), &u));
	CHECK(!str_to_u64(STR(""), &u) && !str_to_u64(STR("+1"), &u) && !str_to_u64(STR(" 1"), &u));
	CHECK(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
	CHECK(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
	CHECK(!str_to_i64(STR("9223372036854775808"), &i) && !str_to_i64(STR("-9223372036854775809"), &i));
	CHECK(!str_to_i64(STR("-"), &i) && !str_to_i64(STR("--1"), &i));
}

static void utf8_judgement(void)
{
	static const char *const good[] = { "",
					    "plain ascii text that is long",
					    "\xc2\x80",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xf4\x8f\xbf\xbf",
					    "12345678\xe2\x82\xac",
					    "\xf0\x90\x80\x80" };
	static const char *const bad[] = { "\x80",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xe0\x9f\xbf",
					   "\xed\xa0\x80",
					   "\xed\xbf\xbf",
					   "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xff",
					   "\xe2\x82",
					   "abcdefgh\xe2",
					   "\xc2",
					   "\xe2\x82g",
					   "\xf0\x9f\x98" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CHECK_MSG(utf8_valid(str_from(good[i])), "good %zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_MSG(!utf8_valid(str_from(bad[i])), "bad %zu", i);
}

static void utf8_roundtrip(void)
{
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char buf[4];
		const char *p = buf;
		int n = utf8_put(buf, cp);
		struct str s = { buf, (size_t)n };

		if (cp >= 0xd800 && cp <= 0xdfff) {
			CHECK(!utf8_valid(s));
			continue;
		}
		CHECK(utf8_valid(s));
		CHECK(utf8_next(&p, buf + n) == cp);
		CHECK(p == buf + n);
	}
	CHECK_INT(utf8_len(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
}

static void buffers(void)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	CHECK(sb_str(&b).n == 0 && sb_str(&b).s);
	sb_addf(&b, "%d-%s", 7, "x");
	sb_addi64(&b, INT64_MIN);
	sb_addu64(&b, UINT64_MAX);
	sb_addch(&b, '!');
	CHECK_STR(b.s, "7-x-922337203685477580818446744073709551615!");
	sb_reset(&b);
	CHECK_STR(b.s, "");
	for (int i = 0; i < 1000; i++)
		sb_addz(&b, "ab");
	CHECK_INT(b.n, 2000);
	sb_free(&b);
	s = sb_detach(&b);
	CHECK_STR(s, "");
	free(s);
	sb_add(&b, "a\0b", 3);
	s = sb_detach(&b);
	CHECK(!memcmp(s, "a\0b", 4));
	free(s);
	CHECK(!b.s && !b.cap);
}

CHECK_MAIN("lib/str", { "slices compare bytewise", slices }, { "trimming removes Unicode white space only", trimming },
	   { "decimal integers are exact at the limits", integers },
	   { "invalid UTF-8 is recognised in every form", utf8_judgement },
	   { "every Unicode scalar value survives encoding", utf8_roundtrip },
	   { "string buffers grow and stay terminated", buffers }, )
