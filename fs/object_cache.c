/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <omnigraph/map.h>
#include <omnigraph/util.h>

#include "object_cache.h"
#include "store_priv.h"

#define MAGIC "OGCACHE1"
#define MAGIC_BYTES 8
#define TRAILER_BYTES (MAGIC_BYTES + 8 + SHA256_LEN)
#define STALE_TEMP_S 3600 /* a temporary file of somebody who died */

static void name_of(const char *place, const char *key, char name[SHA256_HEX_LEN + 1])
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s\n%s", place, key);
	sha256_hex(b.s, b.n, name);
	sb_free(&b);
}

static void trailer_of(const char *name, const void *data, size_t n, uint8_t out[TRAILER_BYTES])
{
	struct sha256_ctx *h = sha256_new();

	memcpy(out, MAGIC, MAGIC_BYTES);
	for (int i = 0; i < 8; i++)
		out[MAGIC_BYTES + i] = (uint8_t)((uint64_t)n >> (8 * i));
	sha256_update(h, name, SHA256_HEX_LEN);
	sha256_update(h, data, n);
	sha256_final(h, out + MAGIC_BYTES + 8);
}

static int open_dir(const struct object_cache *c)
{
	return open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* --- reading -------------------------------------------------------------------------------------- */

static bool is_whole(const char *name, const uint8_t *p, size_t size)
{
	uint8_t want[TRAILER_BYTES];

	trailer_of(name, p, size - TRAILER_BYTES, want);
	return !memcmp(p + size - TRAILER_BYTES, want, TRAILER_BYTES);
}

static bool map_bytes(int fd, size_t content, struct store_map *out)
{
	void *p = mmap(NULL, content + TRAILER_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return false;
	*out = (struct store_map){ .data = p, .n = content, .priv = { p } };
	return true;
}

static bool map_file(const struct object_cache *c, int fd, const char *name, struct store_map *out)
{
	struct store_map m;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size < TRAILER_BYTES ||
	    (uint64_t)st.st_size > c->max_bytes)
		return false;
	if (!map_bytes(fd, (size_t)st.st_size - TRAILER_BYTES, &m))
		return false;
	if (!is_whole(name, m.data, (size_t)st.st_size)) {
		object_cache_unmap(&m);
		return false;
	}
	object_cache_relax(&m); /* all of it was read once; what is asked for next is mostly less */
	*out = m;
	return true;
}

bool object_cache_map(const struct object_cache *c, const char *place, const char *key, struct store_map *out)
{
	char name[SHA256_HEX_LEN + 1];
	bool ok = false;
	int dir, fd;

	if (!c->dir || (dir = open_dir(c)) < 0)
		return false;
	name_of(place, key, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		ok = map_file(c, fd, name, out);
		if (ok)
			futimens(fd, NULL); /* used now */
		close(fd);
	}
	if (!ok && (fd >= 0 || errno == ELOOP))
		unlinkat(dir, name, 0);
	close(dir);
	return ok;
}

bool object_cache_has(const struct store_map *m)
{
	return m->priv[0] != NULL;
}

void object_cache_unmap(struct store_map *m)
{
	munmap(m->priv[0], m->n + TRAILER_BYTES);
}

void object_cache_relax(const struct store_map *m)
{
	madvise(m->priv[0], m->n + TRAILER_BYTES, MADV_DONTNEED);
}

/* --- keeping to the bound --------------------------------------------------------------------------- */

struct copy {
	char name[SHA256_HEX_LEN + 1];
	uint64_t bytes;
	struct timespec used;
};

struct copies {
	struct copy *v;
	size_t n, cap;
	uint64_t bytes;
};

static int by_use(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What the cache did not write is none of its business. */
static void consider(int dir, const char *name, struct copies *l)
{
	bool temp = !strncmp(name, STORE_TMP_PREFIX, strlen(STORE_TMP_PREFIX));
	bool copy = strlen(name) == SHA256_HEX_LEN && strspn(name, "0123456789abcdef") == SHA256_HEX_LEN;
	struct stat st;
	struct copy *c;

	if ((!temp && !copy) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return;
	if (temp) {
		if (time(NULL) - st.st_mtime > STALE_TEMP_S)
			unlinkat(dir, name, 0);
		return;
	}
	MEM_GROW(l->v, l->n, l->cap);
	c = &l->v[l->n++];
	*c = (struct copy){ .bytes = (uint64_t)st.st_size, .used = st.st_mtim };
	memcpy(c->name, name, SHA256_HEX_LEN);
	l->bytes += c->bytes;
}

/* Takes the descriptor. */
static void keep_bound(int dir, uint64_t max_bytes)
{
	struct copies l = { .n = 0 };
	DIR *d = fdopendir(dir);

	if (!d) {
		close(dir);
		return;
	}
	rewinddir(d);
	for (const struct dirent *de; (de = readdir(d));)
		consider(dir, de->d_name, &l);
	if (l.bytes > max_bytes)
		qsort(l.v, l.n, sizeof(*l.v), by_use);
	for (size_t i = 0; i < l.n && l.bytes > max_bytes; i++) {
		unlinkat(dir, l.v[i].name, 0);
		l.bytes -= l.v[i].bytes;
	}
	free(l.v);
	closedir(d);
}

/* --- writing --------------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool write_copy(int dir, const char *name, const void *data, size_t n, struct store_map *out)
{
	uint8_t trailer[TRAILER_BYTES];
	char temp[64];
	uint64_t r[2];
	struct store_map m;
	bool mapped, ok;
	int fd;

	random_bytes(r, sizeof(r));
	snprintf(temp, sizeof(temp), STORE_TMP_PREFIX "%016llx%016llx", (unsigned long long)r[0],
		 (unsigned long long)r[1]);
	fd = openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	trailer_of(name, data, n, trailer);
	mapped = write_all(fd, data, n) && write_all(fd, trailer, sizeof(trailer)) && map_bytes(fd, n, &m);
	ok = !close(fd) && mapped && !renameat(dir, temp, dir, name);
	if (ok)
		*out = m;
	else
		unlinkat(dir, temp, 0);
	if (mapped && !ok)
		object_cache_unmap(&m);
	return ok;
}

bool object_cache_put(const struct object_cache *c, const char *place, const char *key, const void *data, size_t n,
		      struct store_map *out)
{
	char name[SHA256_HEX_LEN + 1];
	bool ok;
	int dir;

	if (!c->dir || n > c->max_bytes || c->max_bytes - n < TRAILER_BYTES)
		return false;
	if ((dir = open_dir(c)) < 0) {
		if (mkdir(c->dir, 0700) || (dir = open_dir(c)) < 0)
			return false;
	}
	name_of(place, key, name);
	ok = write_copy(dir, name, data, n, out);
	keep_bound(dir, c->max_bytes);
	return ok;
}
