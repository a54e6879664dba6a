/* SPDX-License-Identifier: MIT */
/* file_list.c - walking the directories of the file backend: ordered listing, removal of a tree. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "file_log.h"

/* The names of one directory. A directory's name ends in '/', which puts it where its keys belong in key order. */
struct names {
	char *pool;
	size_t pool_n, pool_cap;
	size_t *at; /* offsets into the pool */
	size_t n, cap;
};

static void names_free(struct names *v)
{
	free(v->pool);
	free(v->at);
}

static void names_add(struct names *v, const char *name, bool is_dir)
{
	size_t len = strlen(name);

	if (v->pool_cap - v->pool_n < len + 2) {
		v->pool_cap = v->pool_cap * 2 + len + 1024;
		v->pool = mem_realloc(v->pool, v->pool_cap);
	}
	MEM_GROW(v->at, v->n, v->cap);
	v->at[v->n++] = v->pool_n;
	memcpy(v->pool + v->pool_n, name, len);
	v->pool_n += len;
	if (is_dir)
		v->pool[v->pool_n++] = '/';
	v->pool[v->pool_n++] = '\0';
}

static int by_name(const void *a, const void *b, void *pool)
{
	return strcmp((const char *)pool + *(const size_t *)a, (const char *)pool + *(const size_t *)b);
}

static bool is_tmp(const char *name)
{
	return !strncmp(name, STORE_TMP_PREFIX, strlen(STORE_TMP_PREFIX));
}

static bool is_log(const char *name)
{
	size_t n = strlen(name), m = strlen(STORE_LOG_SUFFIX);

	return n > m && !strcmp(name + n - m, STORE_LOG_SUFFIX);
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* DT_DIR, DT_REG or DT_UNKNOWN (neither, or gone). A link counts as what it leads to, but only files are followed. */
static unsigned char entry_type(int dirfd, const struct dirent *d)
{
	struct stat st;

	if (d->d_type == DT_DIR || d->d_type == DT_REG)
		return d->d_type;
	if (d->d_type != DT_UNKNOWN && d->d_type != DT_LNK)
		return DT_UNKNOWN;
	if (d->d_type == DT_UNKNOWN) {
		if (fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return DT_UNKNOWN;
		if (S_ISDIR(st.st_mode))
			return DT_DIR;
	}
	return fstatat(dirfd, d->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static DIR *open_dirp(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return d;
}

/* --- list ------------------------------------------------------------------------------------- */

struct walk {
	struct file_store *fs;
	const char *start_after;
	bool recurse;
	store_list_fn fn;
	void *arg;
	struct err *e;
	const char *prefix;
	char key[LIMIT_KEY_BYTES + STORE_COMPONENT_MAX + 3]; /* the key so far: "" or "dir/.../" */
};

static int read_names(struct walk *w, const char *path, struct names *v)
{
	DIR *dir = open_dirp(path, 0);
	struct dirent *d;
	int rc;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while ((errno = 0, d = readdir(dir))) {
		unsigned char type;

		if (is_dot(d->d_name))
			continue;
		if (is_tmp(d->d_name)) {
			if (!w->fs->base.read_only && file_temp_stale(dirfd(dir), d->d_name))
				unlinkat(dirfd(dir), d->d_name, 0);
			continue;
		}
		type = entry_type(dirfd(dir), d);
		if ((type == DT_REG && !is_log(d->d_name)) || (type == DT_DIR && w->recurse))
			names_add(v, d->d_name, type == DT_DIR);
	}
	rc = -errno;
	closedir(dir);
	if (!rc && v->n)
		qsort_r(v->at, v->n, sizeof(*v->at), by_name, v->pool);
	return rc;
}

static int emit(struct walk *w)
{
	struct store_stat st = { 0 };
	char path[PATH_MAX];
	struct stat sb;

	if (file_path(w->fs, w->key, "", path) || stat(path, &sb) < 0 || !S_ISREG(sb.st_mode))
		return 0; /* gone meanwhile */
	st.size = (uint64_t)sb.st_size;
	st.mtime_us = (int64_t)sb.st_mtim.tv_sec * 1000000 + sb.st_mtim.tv_nsec / 1000;
	return w->fn(w->arg, w->key, &st);
}

/* Does everything under the directory w->key ("a/b/") lie at or before start_after? */
static bool dir_is_before(const struct walk *w)
{
	return w->start_after && strncmp(w->start_after, w->key, strlen(w->key)) > 0;
}

/* The depth is bounded: a key has at most LIMIT_KEY_BYTES bytes. */
static int walk_dir(struct walk *w, size_t len)
{
	struct names v = { 0 };
	char *path = mem_alloc(PATH_MAX);
	int rc;

	/* "a/b/" -> "a/b" for the path */
	if (len)
		w->key[len - 1] = '\0';
	rc = file_path(w->fs, w->key, "", path);
	if (!rc)
		rc = read_names(w, path, &v);
	free(path);
	if (rc)
		rc = store_sys_err(&w->fs->base, w->e, -rc, "list", w->key);
	if (len)
		w->key[len - 1] = '/';
	for (size_t i = 0; !rc && i < v.n; i++) {
		const char *name = v.pool + v.at[i];
		size_t n = strlen(name);

		if (len + n > LIMIT_KEY_BYTES)
			continue; /* no key of ours */
		memcpy(w->key + len, name, n + 1);
		if (name[n - 1] == '/')
			rc = dir_is_before(w) ? 0 : walk_dir(w, len + n);
		else if (!w->start_after || strcmp(w->key, w->start_after) > 0)
			rc = emit(w);
	}
	w->key[len] = '\0';
	names_free(&v);
	return rc;
}

int file_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn, void *arg,
	      struct err *e)
{
	struct walk *w = mem_zalloc(sizeof(*w));
	size_t len = strlen(prefix);
	int rc;

	w->fs = to_file_store(s);
	w->start_after = start_after;
	w->recurse = recurse;
	w->fn = fn;
	w->arg = arg;
	w->e = e;
	memcpy(w->key, prefix, len + 1);
	if (len)
		w->key[len++] = '/';
	rc = walk_dir(w, len);
	free(w);
	return rc;
}

/* --- logs ------------------------------------------------------------------------------------- */

static int read_log_names(DIR *dir, struct names *v)
{
	struct dirent *d;

	while ((errno = 0, d = readdir(dir))) {
		if (!is_dot(d->d_name) && !is_tmp(d->d_name) && is_log(d->d_name) &&
		    entry_type(dirfd(dir), d) == DT_REG)
			names_add(v, d->d_name, false);
	}
	return -errno;
}

int file_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	struct file_store *fs = to_file_store(s);
	__cleanup(mem_free_ptr) char *path = mem_alloc(PATH_MAX);
	char key[LIMIT_KEY_BYTES + STORE_COMPONENT_MAX + 3];
	struct names v = { 0 };
	DIR *dir = NULL;
	int rc = file_path(fs, prefix, "", path);

	if (!rc && !(dir = open_dirp(path, 0)))
		rc = errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (dir) {
		rc = read_log_names(dir, &v);
		closedir(dir);
	}
	if (rc)
		rc = store_sys_err(s, e, -rc, "list logs", prefix);
	for (size_t i = 0; !rc && i < v.n; i++) {
		const char *name = v.pool + v.at[i];

		snprintf(key, sizeof(key), "%s/%.*s", prefix, (int)(strlen(name) - strlen(STORE_LOG_SUFFIX)), name);
		rc = fn(arg, key);
	}
	names_free(&v);
	return rc;
}

/* --- removal of a tree ------------------------------------------------------------------------ */

/* A file that is gone is removed. */
static int remove_file(int dirfd, const char *name)
{
	int rc = 0;

	if (is_log(name))
		rc = file_log_unlink_at(dirfd, name);
	else if (unlinkat(dirfd, name, 0) < 0)
		rc = -errno;
	return rc == -ENOENT ? 0 : rc;
}

/* Remove the files of one directory; the names of its directories go to @subdirs. */
static int remove_files(const struct file_store *fs, const char *path, struct names *subdirs)
{
	DIR *dir = open_dirp(path, O_NOFOLLOW);
	struct file_lock l;
	struct dirent *d;
	int rc;

	if (!dir)
		return -errno;
	rc = file_lock_dir(fs, dirfd(dir), &l);
	if (rc) {
		closedir(dir);
		return rc;
	}
	while (!rc && (errno = 0, d = readdir(dir))) {
		if (is_dot(d->d_name))
			continue;
		rc = remove_file(dirfd(dir), d->d_name);
		if (rc != -EISDIR)
			continue;
		names_add(subdirs, d->d_name, false);
		rc = 0;
	}
	if (!rc && errno)
		rc = -errno;
	file_unlock_dir(&l);
	if (!rc)
		rc = file_sync_dir(dirfd(dir));
	closedir(dir);
	return rc;
}

/* @path has room for PATH_MAX bytes and is restored. The depth is bounded by PATH_MAX. */
static int remove_tree(const struct file_store *fs, char *path)
{
	size_t len = strlen(path);

	/* a concurrent writer may put something into a directory just emptied: then once more */
	for (int attempt = 0; attempt < 64; attempt++) {
		struct names subs = { 0 };
		int rc = remove_files(fs, path, &subs);

		for (size_t i = 0; !rc && i < subs.n; i++) {
			const char *name = subs.pool + subs.at[i];

			if (len + strlen(name) + 2 > PATH_MAX) {
				rc = -ENAMETOOLONG;
				break;
			}
			sprintf(path + len, "/%s", name);
			rc = remove_tree(fs, path);
			path[len] = '\0';
		}
		names_free(&subs);
		if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP)
			return 0;
		if (rc)
			return rc;
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
	}
	return -EBUSY;
}

int file_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	struct file_store *fs = to_file_store(s);
	__cleanup(mem_free_ptr) char *path = mem_alloc(PATH_MAX);
	const char *name;
	char log[STORE_COMPONENT_MAX + sizeof(STORE_LOG_SUFFIX)];
	int dirfd = file_open_dir(fs, prefix, false, &name), rc;

	if (dirfd == -ENOENT || dirfd == -ENOTDIR)
		return 0;
	rc = dirfd < 0 ? dirfd : file_path(fs, prefix, "", path);
	if (!rc)
		rc = remove_tree(fs, path);
	if (!rc) {
		/* the log of that name; a name too long for a log does not exist */
		snprintf(log, sizeof(log), "%s%s", name, STORE_LOG_SUFFIX);
		rc = remove_file(dirfd, log);
		if (rc == -ENAMETOOLONG || rc == -EISDIR)
			rc = 0;
	}
	if (!rc)
		rc = file_sync_dir(dirfd);
	if (dirfd >= 0)
		close(dirfd);
	return rc ? store_sys_err(s, e, -rc, "delete everything under", prefix) : 0;
}
