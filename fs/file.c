/* SPDX-License-Identifier: MIT */
/* file.c - objects as files: read, write, create, replace, delete, map. See file.h for the rules. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <omnigraph/util.h>

#include "file.h"
#include "file_log.h"

#define BIG_OBJECT_BYTES (1u << 20) /* from here on a token may be of the inode instead of the content */
#define SETTLED_SECONDS 2	    /* more than any tick of a file system clock */
#define WRITE_ATTEMPTS 64	    /* a directory removed by a concurrent delete_prefix is made again */
#define UNLOCKED_ATTEMPTS 3	    /* then the temporary is written under the lock, which delete_prefix respects */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static int hash_fd(int fd, char hex[SHA256_HEX_LEN + 1])
{
	struct sha256_ctx *c = sha256_new();
	uint8_t digest[SHA256_LEN];
	const size_t cap = 256 << 10;
	__cleanup(mem_free_ptr) char *buf = mem_alloc(cap);
	uint64_t off = 0;
	ssize_t k;

	while ((k = file_pread_all(fd, buf, cap, off)) > 0) {
		sha256_update(c, buf, (size_t)k);
		off += (uint64_t)k;
	}
	sha256_final(c, digest);
	hex_encode(hex, digest, sizeof(digest));
	return k < 0 ? (int)k : 0;
}

static void identity(const struct stat *st, struct store_token *t)
{
	snprintf(t->s, sizeof(t->s), "i:%jx-%jx-%jx.%lx-%jx.%lx", (uintmax_t)st->st_ino, (uintmax_t)st->st_size,
		 (uintmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (uintmax_t)st->st_ctim.tv_sec,
		 st->st_ctim.tv_nsec);
}

/*
 * Inode number and times prove the content only once they lie behind the present tick of the clock: a replacement made
 * in the same tick could get the same inode number and the same times.
 */
static bool settled(const struct file_store *fs, const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - st->st_ctim.tv_sec > fs->settled_seconds;
}

static int token_of(const struct file_store *fs, int fd, const struct stat *st, struct store_token *t)
{
	if (st->st_size >= (off_t)BIG_OBJECT_BYTES && settled(fs, st)) {
		identity(st, t);
		return 0;
	}
	return hash_fd(fd, t->s);
}

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * Open an object. A directory, or a path through a file, is no object: -ENOENT. O_NONBLOCK: a FIFO somebody left here
 * must not hang the caller.
 */
static int open_object(struct file_store *fs, const char *op, const char *key, struct stat *st, struct err *e)
{
	char path[PATH_MAX];
	int rc = file_path(fs, key, "", path), fd;

	if (rc)
		return store_sys_err(&fs->base, e, -rc, op, key);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return store_err_absent(&fs->base, e, key);
		return store_sys_err(&fs->base, e, errno, op, key);
	}
	if (fstat(fd, st) < 0)
		rc = store_sys_err(&fs->base, e, errno, op, key);
	else if (!S_ISREG(st->st_mode))
		rc = store_err_absent(&fs->base, e, key);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int file_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	struct stat st;
	__cleanup(close_fd) int fd = open_object(to_file_store(s), "read", key, &st, e);
	char *data;
	ssize_t k;

	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size > max)
		return store_err_too_large(e, key, max, (uint64_t)st.st_size);
	if ((uint64_t)st.st_size >= SIZE_MAX / 2 || !(data = mem_try_alloc((size_t)st.st_size + 1)))
		return store_sys_err(s, e, ENOMEM, "read", key);
	k = file_pread_all(fd, data, (size_t)st.st_size, 0);
	if (k < 0) {
		free(data);
		return store_sys_err(s, e, (int)-k, "read", key);
	}
	data[k] = '\0';
	if (k == st.st_size && st.st_size >= (off_t)BIG_OBJECT_BYTES && settled(to_file_store(s), &st))
		identity(&st, &out->token);
	else
		sha256_hex(data, (size_t)k, out->token.s);
	out->data = data;
	out->n = (size_t)k;
	return 0;
}

static int file_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got,
			  struct err *e)
{
	struct stat st;
	__cleanup(close_fd) int fd = open_object(to_file_store(s), "read", key, &st, e);
	ssize_t k;

	if (fd < 0)
		return fd;
	if (off >= (uint64_t)st.st_size)
		return 0;
	k = file_pread_all(fd, buf, n, off);
	if (k < 0)
		return store_sys_err(s, e, (int)-k, "read", key);
	*got = (size_t)k;
	return 0;
}

static int file_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	struct stat st;
	__cleanup(close_fd) int fd = open_object(to_file_store(s), "look up", key, &st, e);
	int rc;

	if (fd < 0)
		return fd;
	out->size = (uint64_t)st.st_size;
	out->mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	rc = token_of(to_file_store(s), fd, &st, &out->token);
	return rc ? store_sys_err(s, e, -rc, "look up", key) : 0;
}

static int file_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	struct stat st;
	__cleanup(close_fd) int fd = open_object(to_file_store(s), "map", key, &st, e);
	void *p;

	if (fd < 0)
		return fd;
	if (st.st_size == 0) {
		out->data = "";
		return 0;
	}
	if ((uint64_t)st.st_size > SIZE_MAX / 2)
		return store_sys_err(s, e, ENOMEM, "map", key);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return store_sys_err(s, e, errno, "map", key);
	out->data = out->priv[0] = p;
	out->n = (size_t)st.st_size;
	return 0;
}

/* Clean pages of a file: the kernel's cache still has them. */
static void file_relax(struct store *s, const struct store_map *m)
{
	if (m->priv[0])
		madvise(m->priv[0], m->n, MADV_DONTNEED);
}

static void file_unmap(struct store *s, struct store_map *m)
{
	if (m->priv[0])
		munmap(m->priv[0], m->n);
}

/* --- writing ---------------------------------------------------------------------------------- */

enum write_mode { WRITE_PUT, WRITE_CREATE, WRITE_REPLACE };

struct write_req {
	enum write_mode mode;
	const char *key;
	const struct store_token *expected;
	const void *data;
	size_t n;
};

/* 0: @name in @dirfd has the content that @expected stands for. -ESTALE: other content, or nothing there. */
static int check_token(int dirfd, const char *name, const struct store_token *expected)
{
	__cleanup(close_fd) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct store_token now;
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	if (!strncmp(expected->s, "i:", 2))
		identity(&st, &now);
	else
		rc = hash_fd(fd, now.s);
	if (rc)
		return rc;
	return strcmp(now.s, expected->s) ? -ESTALE : 0;
}

/* Can the write be refused before anything is written? Costs less than a temporary and a sync. */
static int check_early(int dirfd, const char *name, const struct write_req *w)
{
	struct stat st;

	if (w->mode == WRITE_REPLACE)
		return check_token(dirfd, name, w->expected);
	if (w->mode == WRITE_CREATE && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
	return 0;
}

/* With the directory locked. */
static int rename_checked(int dirfd, const char *tmp, const char *name, const struct write_req *w)
{
	int rc = w->mode == WRITE_REPLACE ? check_token(dirfd, name, w->expected) : 0;

	if (!rc && renameat(dirfd, tmp, dirfd, name) < 0)
		rc = -errno;
	return rc;
}

/* The temporary takes its name. */
static int publish(struct file_store *fs, int dirfd, const char *tmp, const char *name, const struct write_req *w,
		   bool locked)
{
	struct file_lock l;
	int rc;

	if (w->mode == WRITE_CREATE)
		return file_publish_new(fs->create_how, dirfd, tmp, name);
	if (locked)
		return rename_checked(dirfd, tmp, name, w);
	rc = file_lock_dir(fs, dirfd, &l);
	if (rc)
		return rc;
	rc = rename_checked(dirfd, tmp, name, w);
	file_unlock_dir(&l);
	return rc;
}

static int write_and_publish(struct file_store *fs, int dirfd, const char *name, const struct write_req *w, bool locked)
{
	struct file_temp t = { .fd = -1 };
	int rc = file_temp_write(dirfd, &t, w->data, w->n);

	if (rc)
		return rc;
	rc = publish(fs, dirfd, t.name, name, w, locked);
	if (rc)
		file_temp_drop(dirfd, &t);
	return rc;
}

static int write_in_dir(struct file_store *fs, int dirfd, const char *name, const struct write_req *w, bool lock_early)
{
	struct file_lock l;
	int rc = check_early(dirfd, name, w);

	if (!rc && lock_early) {
		rc = file_lock_dir(fs, dirfd, &l);
		if (!rc) {
			rc = write_and_publish(fs, dirfd, name, w, true);
			file_unlock_dir(&l);
		}
	} else if (!rc) {
		rc = write_and_publish(fs, dirfd, name, w, false);
	}
	/* the loser of a create reports an object that must not vanish again: see file.h */
	if (rc == 0 || rc == -EEXIST) {
		int src = file_sync_dir(dirfd);

		if (src)
			rc = src;
	}
	return rc;
}

static int write_object(struct file_store *fs, const struct write_req *w)
{
	int rc = -ENOENT;

	for (int i = 0; rc == -ENOENT && i < WRITE_ATTEMPTS; i++) {
		const char *name;
		__cleanup(close_fd) int dirfd = file_open_dir(fs, w->key, w->mode != WRITE_REPLACE, &name);

		if (dirfd < 0 && w->mode == WRITE_REPLACE && (dirfd == -ENOENT || dirfd == -ENOTDIR))
			return -ESTALE;
		rc = dirfd < 0 ? dirfd : write_in_dir(fs, dirfd, name, w, i >= UNLOCKED_ATTEMPTS);
	}
	return rc;
}

static int file_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	struct write_req w = { .mode = WRITE_PUT, .key = key, .data = data, .n = n };
	int rc = write_object(to_file_store(s), &w);

	return rc ? store_sys_err(s, e, -rc, "write", key) : 0;
}

static int file_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		       struct err *e)
{
	struct write_req w = { .mode = WRITE_CREATE, .key = key, .data = data, .n = n };
	int rc = write_object(to_file_store(s), &w);

	if (rc == -EEXIST)
		return store_err_exists(s, e, key);
	if (rc)
		return store_sys_err(s, e, -rc, "create", key);
	if (token)
		sha256_hex(data, n, token->s);
	return 0;
}

static int file_replace(struct store *s, const char *key, const struct store_token *expected, const void *data,
			size_t n, struct store_token *token, struct err *e)
{
	struct write_req w = { .mode = WRITE_REPLACE, .key = key, .expected = expected, .data = data, .n = n };
	int rc = write_object(to_file_store(s), &w);

	if (rc == -ESTALE)
		return store_err_changed(s, e, key);
	if (rc)
		return store_sys_err(s, e, -rc, "replace", key);
	if (token)
		sha256_hex(data, n, token->s);
	return 0;
}

static int file_delete(struct store *s, const char *key, struct err *e)
{
	struct file_store *fs = to_file_store(s);
	const char *name;
	__cleanup(close_fd) int dirfd = file_open_dir(fs, key, false, &name);
	struct file_lock l;
	int rc;

	if (dirfd == -ENOENT || dirfd == -ENOTDIR)
		return 0;
	rc = dirfd < 0 ? dirfd : file_lock_dir(fs, dirfd, &l);
	if (rc)
		return store_sys_err(s, e, -rc, "delete", key);
	/* a directory is no object, so the object is absent; a removal by somebody else may not be synced yet */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT && errno != EISDIR)
		rc = -errno;
	file_unlock_dir(&l);
	if (!rc)
		rc = file_sync_dir(dirfd);
	return rc ? store_sys_err(s, e, -rc, "delete", key) : 0;
}

/* --- handles ---------------------------------------------------------------------------------- */

static void file_close(struct store *s)
{
	struct file_store *fs = to_file_store(s);

	file_logs_close(fs);
	free(fs->root);
	free(s->uri);
	free(fs);
}

static const struct store_ops file_ops = {
	.scheme = "file",
	.close = file_close,
	.get = file_get,
	.get_range = file_get_range,
	.head = file_head,
	.put = file_put,
	.create = file_create,
	.replace = file_replace,
	.delete = file_delete,
	.delete_prefix = file_delete_prefix,
	.list = file_list,
	.map = file_map,
	.unmap = file_unmap,
	.relax = file_relax,
	.get_batch = store_get_each,
	.put_batch = store_put_each,
	.log_append = file_log_append,
	.log_read = file_log_read,
	.log_tail = file_log_tail,
	.log_trim = file_log_trim,
	.log_list = file_log_list,
};

int file_store_open(const char *root, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	struct file_store *fs;
	struct strbuf uri = STRBUF_INIT;
	struct stat st;

	if (stat(root[0] ? root : "/", &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set_rc(e, -ENOTDIR, ERR_STORAGE, "cannot open file://%s: it is a file; give a directory",
				  root);
	fs = mem_zalloc(sizeof(*fs));
	sb_addf(&uri, "file://%s", root[0] ? root : "/");
	fs->base.ops = &file_ops;
	fs->base.uri = sb_detach(&uri);
	fs->base.read_only = opts->read_only;
	fs->root = mem_strdup(root);
	fs->settled_seconds = SETTLED_SECONDS;
	pthread_rwlock_init(&fs->logs_lock, NULL);
	*out = &fs->base;
	return 0;
}
