/* SPDX-License-Identifier: MIT */
/* file_dir.c - directories, temporaries and locks of the file backend. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

#define TEMP_STALE_SECONDS 3600
#define LOCK_FILE STORE_TMP_PREFIX "lock"

int file_path(const struct file_store *fs, const char *key, const char *suffix, char out[PATH_MAX])
{
	int n;

	if (!*key && !*suffix)
		n = snprintf(out, PATH_MAX, "%s", fs->root[0] ? fs->root : "/");
	else
		n = snprintf(out, PATH_MAX, "%s/%s%s", fs->root, key, suffix);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int file_sync_dir(int dirfd)
{
	if (fsync(dirfd) == 0 || errno == EINVAL || errno == ENOTSUP)
		return 0;
	return -errno;
}

static int open_dir_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* fsync the directory that holds @path. */
static int sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int fd, rc;

	*slash = '\0';
	fd = open_dir_path(slash == path ? "/" : path);
	*slash = '/';
	if (fd < 0)
		return fd;
	rc = file_sync_dir(fd);
	close(fd);
	return rc;
}

/* One directory. Another process may have made it and not yet synced it, so its parent is synced either way. */
static int make_one(char *path)
{
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return -errno;
	return sync_parent(path);
}

static int file_mkdirs(const char *path)
{
	char p[PATH_MAX];
	size_t n = strlen(path), at = n;
	int rc;

	if (n >= sizeof(p))
		return -ENAMETOOLONG;
	memcpy(p, path, n + 1);
	/* up to the deepest directory that is there ... */
	while ((rc = make_one(p)) == -ENOENT) {
		char *slash = strrchr(p, '/');

		if (!slash || slash == p)
			return rc;
		*slash = '\0';
		at = (size_t)(slash - p);
	}
	/* ... and down again */
	while (!rc && at < n) {
		p[at] = '/';
		at += strlen(p + at);
		rc = make_one(p);
	}
	return rc;
}

int file_open_dir(const struct file_store *fs, const char *key, bool create, const char **name)
{
	const char *slash = strrchr(key, '/');
	char path[PATH_MAX], dir[LIMIT_KEY_BYTES + 1];
	size_t n = slash ? (size_t)(slash - key) : 0;
	int rc;

	*name = slash ? slash + 1 : key;
	memcpy(dir, key, n);
	dir[n] = '\0';
	rc = file_path(fs, dir, "", path);
	if (rc)
		return rc;
	for (int i = 0; i < 16; i++) {
		rc = open_dir_path(path);
		if (rc != -ENOENT || !create)
			break;
		rc = file_mkdirs(path);
		/* somebody removed a parent meanwhile: once more */
		if (rc && rc != -ENOENT)
			break;
	}
	return rc;
}

/* --- temporaries ------------------------------------------------------------------------------ */

int file_temp_open(int dirfd, struct file_temp *t)
{
	for (;;) {
		uint64_t r;

		random_bytes(&r, sizeof(r));
		snprintf(t->name, sizeof(t->name), STORE_TMP_PREFIX "%d-%016" PRIx64, (int)getpid(), r);
		t->fd = openat(dirfd, t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (t->fd >= 0)
			return 0;
		if (errno != EEXIST && errno != EINTR)
			return -errno;
	}
}

void file_temp_drop(int dirfd, struct file_temp *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	unlinkat(dirfd, t->name, 0);
}

int file_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n < (1u << 30) ? n : (1u << 30));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

ssize_t file_pread_all(int fd, void *buf, size_t n, uint64_t off)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k =
			pread(fd, (char *)buf + got, n - got < (1u << 30) ? n - got : (1u << 30), (off_t)(off + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int file_temp_write(int dirfd, struct file_temp *t, const void *data, size_t n)
{
	int rc = file_temp_open(dirfd, t);

	if (rc)
		return rc;
	rc = file_write_all(t->fd, data, n);
	if (!rc && fdatasync(t->fd) < 0)
		rc = -errno;
	if (rc) {
		file_temp_drop(dirfd, t);
		return rc;
	}
	close(t->fd);
	t->fd = -1;
	return 0;
}

bool file_temp_stale(int dirfd, const char *name)
{
	struct stat st;

	if (!strcmp(name, LOCK_FILE) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > TEMP_STALE_SECONDS;
}

static int publish_link(int dirfd, const char *tmp, const char *name)
{
	if (linkat(dirfd, tmp, dirfd, name, 0) < 0)
		return -errno;
	unlinkat(dirfd, tmp, 0);
	return 0;
}

/*
 * The last resort, for file systems that neither rename without replacing nor link: an empty file reserves the name, the
 * content is renamed over it. Still exactly one winner, but readers may see the empty file for a moment.
 */
static int publish_excl(int dirfd, const char *tmp, const char *name)
{
	int rc, fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	close(fd);
	if (renameat(dirfd, tmp, dirfd, name) == 0)
		return 0;
	rc = -errno;
	unlinkat(dirfd, name, 0);
	return rc;
}

/* Says that the file system does not know the call, not that this one failed. */
static bool not_supported(int rc)
{
	return rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP || rc == -EPERM || rc == -EMLINK;
}

int file_publish_new(enum file_create_how how, int dirfd, const char *tmp, const char *name)
{
	int rc = -ENOSYS;

	if (how == FILE_CREATE_NOREPLACE)
		rc = renameat2(dirfd, tmp, dirfd, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
	if (not_supported(rc) && how <= FILE_CREATE_LINK)
		rc = publish_link(dirfd, tmp, name);
	if (not_supported(rc))
		rc = publish_excl(dirfd, tmp, name);
	return rc;
}

/* --- locks ------------------------------------------------------------------------------------ */

static int lock_file(int dirfd, struct file_lock *l)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int rc;

	l->fd = openat(dirfd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (l->fd < 0)
		return -errno;
	while ((rc = fcntl(l->fd, F_OFD_SETLKW, &fl)) < 0 && errno == EINTR)
		;
	if (rc == 0)
		return 0;
	rc = -errno;
	close(l->fd);
	return rc;
}

int file_lock_dir(const struct file_store *fs, int dirfd, struct file_lock *l)
{
	int rc;

	*l = (struct file_lock){ .fd = -1, .dirfd = dirfd };
	if (fs->force_lock_file)
		return lock_file(dirfd, l);
	while ((rc = flock(dirfd, LOCK_EX)) < 0 && errno == EINTR)
		;
	return rc < 0 ? lock_file(dirfd, l) : 0;
}

/* Unlock by name, not by close: a child forked meanwhile may hold a copy of the descriptor. */
void file_unlock_dir(struct file_lock *l)
{
	struct flock fl = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (l->fd < 0) {
		flock(l->dirfd, LOCK_UN);
		return;
	}
	fcntl(l->fd, F_OFD_SETLK, &fl);
	close(l->fd);
}
