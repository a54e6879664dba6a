/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

static void escapes(void)
{
	struct strbuf b = STRBUF_INIT;

	percent_encode(&b, STR("a/b c~\xc3\xa9%"));
	CHECK_STR(b.s, "a%2Fb%20c~%C3%A9%25");
	sb_reset(&b);
	CHECK(percent_decode(&b, STR("a%2fb+c%C3%A9"), false));
	CHECK_STR(b.s, "a/b+c\xc3\xa9");
	sb_reset(&b);
	CHECK(percent_decode(&b, STR("a+b%2B"), true));
	CHECK_STR(b.s, "a b+");
	CHECK(!percent_decode(&b, STR("%"), false) && !percent_decode(&b, STR("%4"), false) &&
	      !percent_decode(&b, STR("%4g"), false) && !percent_decode(&b, STR("%\xc3\xa9"), false));
	sb_free(&b);
}

static void paths(void)
{
	static const char *const t[][2] = {
		{ "/", "/" },
		{ "/a//b/", "/a/b" },
		{ "/a/./b/../c", "/a/c" },
		{ "/../../x", "/x" },
		{ "/a/..", "/" },
		{ "/a/...", "/a/..." },
		{ "//", "/" },
		{ "/.hidden/x.", "/.hidden/x." },
	};
	char cwd[4096], want[5000], *p;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		p = path_absolute(t[i][0]);
		CHECK_STR(p, t[i][1]);
		free(p);
	}
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	p = path_absolute(".");
	CHECK_STR(p, cwd);
	free(p);
	snprintf(want, sizeof(want), "%s/q", !strcmp(cwd, "/") ? "" : cwd);
	p = path_absolute("./x/../q");
	CHECK_STR(p, want);
	free(p);
}

static void files(void)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	char dir[256], path[300];
	FILE *f;

	snprintf(dir, sizeof(dir), "%s/omnigraph-uri-XXXXXX", tmp);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/f", dir);
	CHECK_INT(file_read(path, 10, &b, &e), -ENOENT);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_HAS(err_msg(&e), path);
	f = fopen(path, "w");
	fputs("0123456789", f);
	fclose(f);
	CHECK_INT(file_read(path, 10, &b, &e), 0);
	CHECK_STR(b.s, "0123456789");
	CHECK_INT(file_read(path, 9, &b, &e), -EFBIG);
	CHECK_INT(e.code, ERR_IO);
	CHECK_HAS(err_msg(&e), "larger than the limit of 9 bytes");
	CHECK_STR(b.s, "0123456789");
	CHECK(file_read(dir, 9, &b, &e) < 0);
	CHECK_INT(e.code, ERR_IO);
	unlink(path);
	rmdir(dir);
	err_clear(&e);
	sb_free(&b);
}

CHECK_MAIN("lib/uri", { "percent-encoding round-trips and malformed escapes are refused", escapes },
	   { "paths become absolute and normal", paths },
	   { "file reading names the path and keeps the limit", files }, )
