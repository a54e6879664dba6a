/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

static void vectors(void)
{
	static const char *const t[][3] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "\xfb\xff", "+/8=", "-_8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct strbuf b = STRBUF_INIT;

		base64_encode(&b, t[i][0], strlen(t[i][0]));
		CHECK_STR(sb_str(&b).s, t[i][1]);
		sb_reset(&b);
		base64url_encode(&b, t[i][0], strlen(t[i][0]));
		CHECK_STR(b.s, t[i][2]);
		sb_reset(&b);
		CHECK(base64_decode(&b, str_from(t[i][1])));
		CHECK_STR(b.s, t[i][0]);
		sb_reset(&b);
		CHECK(base64url_decode(&b, str_from(t[i][2])));
		CHECK_STR(b.s, t[i][0]);
		sb_free(&b);
	}
}

static void hostile(void)
{
	static const char *const bad[] = {
		"Zg",	 "Zg=",	 "Zg===", "Z===", "====", "=",	  "Zm9v=",	  "Zm9v====",	     "Zm 9",
		"Zm9\n", "Zg=a", "Z=g=",  "Zm-_", "Zh==", "Zm9=", "Zm9vZg==Zg==", "\xff\xff\xff\xff"
	};
	struct strbuf b = STRBUF_INIT;

	sb_addz(&b, "keep");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_MSG(!base64_decode(&b, str_from(bad[i])), "accepted text %zu", i);
		CHECK_STR(b.s, "keep");
	}
	CHECK(!base64url_decode(&b, STR("Zg==")) && !base64url_decode(&b, STR("Z")) &&
	      !base64url_decode(&b, STR("+/8")) && !base64url_decode(&b, STR("Zh")));
	CHECK_STR(b.s, "keep");
	sb_free(&b);
}

static void all_lengths(void)
{
	uint8_t data[300];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 3);
	for (size_t n = 0; n < sizeof(data); n++) {
		struct strbuf e = STRBUF_INIT, d = STRBUF_INIT;

		base64_encode(&e, data, n);
		CHECK_INT(e.n, (n + 2) / 3 * 4);
		CHECK(base64_decode(&d, sb_str(&e)) && d.n == n && !memcmp(sb_str(&d).s, data, n));
		sb_reset(&e);
		sb_reset(&d);
		base64url_encode(&e, data, n);
		CHECK(base64url_decode(&d, sb_str(&e)) && d.n == n && !memcmp(sb_str(&d).s, data, n));
		sb_free(&e);
		sb_free(&d);
	}
}

CHECK_MAIN("lib/base64", { "base64 matches RFC 4648", vectors }, { "sloppy base64 is refused", hostile },
	   { "every length survives", all_lengths }, )
