/* SPDX-License-Identifier: MIT */
#include <omnigraph/util.h>
#include <test/check.h>

static void vectors(void)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex("", 0, hex);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex(NULL, 0, hex);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void streaming(void)
{
	struct sha256_ctx *c = sha256_new();
	char hex[SHA256_HEX_LEN + 1], a[1000];
	uint8_t d[SHA256_LEN];

	memset(a, 'a', sizeof(a));
	for (int i = 0; i < 1000; i++)
		sha256_update(c, a, sizeof(a));
	sha256_final(c, d);
	hex_encode(hex, d, sizeof(d));
	CHECK_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void comparing(void)
{
	CHECK(mem_equal_ct("abc", "abc", 3) && !mem_equal_ct("abc", "abd", 3) && mem_equal_ct(NULL, NULL, 0));
}

CHECK_MAIN("lib/digest", { "SHA-256 matches FIPS 180-4", vectors }, { "streamed SHA-256 matches", streaming },
	   { "constant-time comparison compares", comparing }, )
