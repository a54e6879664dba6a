/* SPDX-License-Identifier: MIT */
/*
 * file.h - the file backend: a directory is the store, an object is a file. Private to fs/ (and its tests).
 *
 * Writing: a temporary ".tmp-<pid>-<random>" beside the target gets the content and fdatasync, then takes the name
 * (rename, or renameat2(RENAME_NOREPLACE) for create), then the directory is fsynced. New directories are fsynced into
 * their parents. A create that loses fsyncs the directory too: who is told that an object exists may refer to it durably.
 *
 * Locking: put, replace and delete hold an exclusive flock(2) on the directory of the object between the check and the
 * rename; it leaves no garbage, vanishes with its holder, and works between threads since every call opens the directory
 * anew. Where directories cannot be locked (NFS), an OFD lock on "<dir>/.tmp-lock" takes its place. create needs no lock.
 *
 * Tokens: the SHA-256 of the content. A large object that was not touched for two seconds has a token of inode number,
 * size and times instead, so that head() need not read it; both kinds are accepted by replace().
 *
 * Temporaries of writers that died are removed by list() and delete_prefix() of a writable store, an hour after their last
 * change: a name that old has no writer, whatever process-id namespace it was made in. Taking it from a writer that was
 * frozen for an hour makes that write fail, no more.
 *
 * Symbolic links are followed on the way to an object, and replaced like files; list and delete_prefix do not enter
 * directories through them.
 *
 * fork: a store must not be used on both sides of a fork; the file locks are shared with the child. Open it again there.
 */
#ifndef OMNIGRAPH_FS_FILE_H
#define OMNIGRAPH_FS_FILE_H

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>

#include "store_priv.h"

enum file_create_how { /* the first one that works; tests force the later ones */
		       FILE_CREATE_NOREPLACE,
		       FILE_CREATE_LINK,
		       FILE_CREATE_EXCL,
};

struct file_store {
	struct store base;
	char *root; /* absolute; "" is the root directory */
	enum file_create_how create_how;
	int settled_seconds;  /* how old an inode must be to stand for its content; tests: -1 */
	bool force_lock_file; /* tests: as if directories could not be locked */
	pthread_rwlock_t logs_lock;
	struct map logs; /* key -> struct file_log */
};

static inline struct file_store *to_file_store(struct store *s)
{
	return container_of(s, struct file_store, base);
}

/* --- file_dir.c: directories, temporaries, locks. Results are 0 or a descriptor, or a negative errno. ----------- */

/* "<root>/<key><suffix>" into @out; -ENAMETOOLONG. An empty key is the root itself. */
int file_path(const struct file_store *fs, const char *key, const char *suffix, char out[PATH_MAX]);
/* Open the directory of @key; with @create make it. *name points at the last component of @key. */
int file_open_dir(const struct file_store *fs, const char *key, bool create, const char **name);
/* fsync a directory; file systems that cannot are taken to need none. */
int file_sync_dir(int dirfd);

struct file_temp {
	char name[64];
	int fd;
};

int file_temp_open(int dirfd, struct file_temp *t);
void file_temp_drop(int dirfd, struct file_temp *t); /* close and unlink */
/* A temporary with this content, fdatasynced and closed. */
int file_temp_write(int dirfd, struct file_temp *t, const void *data, size_t n);
/* Is this name a temporary that nobody writes any more? */
bool file_temp_stale(int dirfd, const char *name);
/* Give @t the name @name unless that is taken (-EEXIST; the temporary stays). */
int file_publish_new(enum file_create_how how, int dirfd, const char *tmp, const char *name);

struct file_lock {
	int fd; /* the lock file, or -1: the directory itself */
	int dirfd;
};

int file_lock_dir(const struct file_store *fs, int dirfd, struct file_lock *l);
void file_unlock_dir(struct file_lock *l);

int file_write_all(int fd, const void *data, size_t n);
/* pread until @n bytes or the end; the count or a negative errno. */
ssize_t file_pread_all(int fd, void *buf, size_t n, uint64_t off);

/* --- file_list.c ------------------------------------------------------------------------------------------------ */

int file_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e);
int file_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn, void *arg,
	      struct err *e);
int file_delete_prefix(struct store *s, const char *prefix, struct err *e);

#endif
