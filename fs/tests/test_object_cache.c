/* SPDX-License-Identifier: MIT */
/* Copies of objects in a directory: what comes out is what went in, whatever became of the files, or nothing. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "store_fixture.h"

#include "fs/object_cache.h"

#define URI "s3://bucket/root"
#define TRAILER 48

struct rig {
	struct fx x; /* for its directory */
	char *dir;
	struct object_cache c;
};

static void rig_open(struct rig *r, uint64_t max_bytes)
{
	struct strbuf dir = STRBUF_INIT;

	fx_init(&r->x, false);
	sb_addf(&dir, "%s/cache", r->x.dir);
	r->dir = sb_detach(&dir);
	r->c = (struct object_cache){ r->dir, max_bytes };
}

static void rig_close(struct rig *r)
{
	fx_done(&r->x);
	free(r->dir);
}

static bool put(struct rig *r, const char *key, const char *text)
{
	struct store_map m;

	if (!object_cache_put(&r->c, URI, key, text, strlen(text), &m))
		return false;
	CHECK(m.n == strlen(text) && !memcmp(m.data, text, m.n));
	object_cache_unmap(&m);
	return true;
}

/* Is the copy of @key there, and @text? */
static bool holds(struct rig *r, const char *key, const char *text)
{
	struct store_map m = { .data = NULL };
	bool same;

	if (!object_cache_map(&r->c, URI, key, &m))
		return false;
	same = m.n == strlen(text) && !memcmp(m.data, text, m.n) && object_cache_has(&m);
	CHECK(same);
	object_cache_unmap(&m);
	return same;
}

/* The file of @key. */
static char *path_of(const struct rig *r, const char *key)
{
	char hex[SHA256_HEX_LEN + 1];
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, URI "\n%s", key);
	sha256_hex(b.s, b.n, hex);
	sb_reset(&b);
	sb_addf(&b, "%s/%s", r->dir, hex);
	return sb_detach(&b);
}

static void round_trip(void)
{
	struct store_map a, b;
	struct stat st;
	struct rig r;
	char *path;

	rig_open(&r, 1 << 20);
	CHECK(!holds(&r, "seg/a", "x"));
	CHECK(put(&r, "seg/a", "the content") && put(&r, "seg/b", ""));
	CHECK(holds(&r, "seg/a", "the content") && holds(&r, "seg/b", ""));
	CHECK(!object_cache_map(&r.c, "s3://bucket/other", "seg/a", &a));
	path = path_of(&r, "seg/a");
	CHECK(!stat(path, &st));
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK(!stat(r.dir, &st));
	CHECK_INT(st.st_mode & 0777, 0700);
	CHECK(object_cache_map(&r.c, URI, "seg/a", &a) && object_cache_map(&r.c, URI, "seg/a", &b));
	CHECK(!nftw(r.dir, fx_rm, 16, FTW_DEPTH | FTW_PHYS)); /* who has it mapped keeps it */
	object_cache_relax(&a);
	CHECK(!memcmp(a.data, "the content", a.n) && !memcmp(b.data, "the content", b.n));
	object_cache_unmap(&a);
	object_cache_unmap(&b);
	CHECK(!holds(&r, "seg/a", "the content"));
	CHECK(put(&r, "seg/a", "the content") && holds(&r, "seg/a", "the content"));
	free(path);
	rig_close(&r);
}

static void change_file(const char *path, long at, long size)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	CHECK(fd >= 0);
	if (at >= 0) {
		CHECK(pread(fd, &byte, 1, at) == 1);
		byte ^= (uint8_t)(1 << at % 8);
		CHECK(pwrite(fd, &byte, 1, at) == 1);
	}
	if (size >= 0)
		CHECK(!ftruncate(fd, size));
	close(fd);
}

static void damage(void)
{
	const char *text = "what was kept of an object";
	long n = (long)strlen(text) + TRAILER;
	struct rig r;
	char *path;

	rig_open(&r, 1 << 20);
	path = path_of(&r, "seg/a");
	for (long k = 0; k < n; k++) {
		CHECK(put(&r, "seg/a", text) && holds(&r, "seg/a", text));
		change_file(path, k, -1);
		CHECK(!holds(&r, "seg/a", text));
		CHECK(access(path, F_OK) != 0); /* it is gone for good */
		CHECK(put(&r, "seg/a", text));
		change_file(path, -1, k);
		CHECK(!holds(&r, "seg/a", text));
	}
	free(path);
	rig_close(&r);
}

static void foreign_files(void)
{
	struct rig r;
	char *a, *b, *secret;
	struct strbuf path = STRBUF_INIT;

	rig_open(&r, 1 << 20);
	CHECK(put(&r, "seg/a", "aaaa") && put(&r, "seg/b", "bbbb"));
	a = path_of(&r, "seg/a");
	b = path_of(&r, "seg/b");
	CHECK(!rename(b, a)); /* of another object */
	CHECK(!holds(&r, "seg/a", "aaaa"));
	CHECK(put(&r, "seg/b", "bbbb"));
	sb_addf(&path, "%s/elsewhere", r.x.dir);
	secret = sb_detach(&path);
	CHECK(!rename(b, secret) && !symlink(secret, b));
	CHECK(!holds(&r, "seg/b", "bbbb"));
	CHECK(!access(secret, F_OK) && access(b, F_OK) != 0);
	CHECK(!mkfifo(b, 0600)); /* nobody waits for a writer */
	CHECK(!holds(&r, "seg/b", "bbbb"));
	CHECK(put(&r, "seg/b", "bbbb") && holds(&r, "seg/b", "bbbb"));
	free(a);
	free(b);
	free(secret);
	rig_close(&r);
}

static void used_at(struct rig *r, const char *key, time_t when)
{
	struct timeval t[2] = { { .tv_sec = when }, { .tv_sec = when } };
	char *path = path_of(r, key);

	CHECK(!utimes(path, t));
	free(path);
}

static void bound(void)
{
	char text[101];
	struct rig r;

	memset(text, 'x', 100);
	text[100] = 0;
	rig_open(&r, 3 * (100 + TRAILER));
	CHECK(put(&r, "1", text) && put(&r, "2", text) && put(&r, "3", text));
	used_at(&r, "1", 1000);
	used_at(&r, "2", 2000);
	used_at(&r, "3", 3000);
	CHECK(holds(&r, "1", text)); /* and is the newest used now */
	CHECK(put(&r, "4", text));
	CHECK(holds(&r, "1", text) && !holds(&r, "2", text) && holds(&r, "3", text) && holds(&r, "4", text));
	r.c.max_bytes = 100 + TRAILER - 1;
	CHECK(!put(&r, "5", text));
	r.c.max_bytes = 0;
	CHECK(!put(&r, "6", ""));
	rig_close(&r);
}

static void no_place(void)
{
	struct rig r;
	int fd;

	rig_open(&r, 1 << 20);
	fd = open(r.dir, O_WRONLY | O_CREAT, 0600); /* a file stands in its place */
	CHECK(fd >= 0);
	close(fd);
	CHECK(!put(&r, "a", "x") && !holds(&r, "a", "x"));
	r.c.dir = NULL;
	CHECK(!put(&r, "a", "x") && !holds(&r, "a", "x"));
	rig_close(&r);
}

CHECK_MAIN("fs/object_cache", { "a copy reads as it was kept, also when its file was deleted since", round_trip },
	   { "a changed byte or a cut, anywhere, makes it absent, never wrong", damage },
	   { "files of other objects, symbolic links and pipes are not read", foreign_files },
	   { "what was used longest ago goes when there is more than the bound", bound },
	   { "a directory that cannot be used is no cache, and no error", no_place })
