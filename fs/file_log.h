/* SPDX-License-Identifier: MIT */
/*
 * file_log.h - ordered logs in the file backend. Private to fs/ (and its tests). Format: file_log_format.h.
 *
 * The frames are the truth, the tail cell in the header is a hint that every process maps shared:
 *   append   under an exclusive OFD lock on the log file (and a mutex, since the threads of a process share the lock):
 *            is the path still this inode, does nothing lie behind the tail; then one pwrite and one fdatasync; then the
 *            cell is rewritten. A reader without the lock believes the cell alone, so it sees durable records only.
 *   tail     reads the cell: no system call. The inode is compared with the path when the cell looks odd, when the inode
 *            says that it was replaced, and once a second in any case (somebody may have moved a directory by hand).
 *   settle   after opening, and when bytes lie behind the tail (a writer died): verify the last frame the cell names, go on
 *            from there as far as frames are good, sync them, zero what follows, rewrite the cell. One bad frame behind
 *            those that the cell counts is no record. Anything else that is bad is damage, reported and left alone.
 *   read     starts from the nearest of: where this handle last stopped reading, the tail (frames are linked backwards),
 *            the first frame. Every delivered frame is verified.
 *   trim     the records kept go to a new file which is renamed over the log; the old inode is marked dead.
 * A read-only handle opens O_RDONLY, maps PROT_READ, takes shared locks only, and keeps in memory what it would repair.
 */
#ifndef OMNIGRAPH_FS_FILE_LOG_H
#define OMNIGRAPH_FS_FILE_LOG_H

#include <stdatomic.h>
#include <sys/types.h>

#include "file.h"
#include "file_log_format.h"

/* System calls made by this handle, for tests. */
struct file_log_stats {
	_Atomic uint64_t pwrites, fdatasyncs, fsyncs, opens, settles, hops;
};

/* A tail: what struct logf_cell says, in host order. */
struct log_tail {
	uint64_t next, end, last;
};

/* One open inode. Immutable but for the mapped words; freed with the last reference. */
struct log_file {
	struct refcount ref;
	int fd;
	bool writable;
	bool map_write;	    /* the cell is written through the mapping, else by pwrite */
	unsigned char *map; /* the header page, or NULL: pread it */
	dev_t dev;
	ino_t ino;
	uint64_t base; /* sequence of the first frame */
	uint64_t salt;
	struct file_log_stats *stats; /* of the struct file_log, which outlives this */
};

/* The handle of one log in one store. Lock order: io, then lock. */
struct file_log {
	struct file_store *fs;
	char *key;
	_Atomic uint32_t users;	   /* calls in progress; an unused one may be evicted */
	_Atomic uint64_t used_at;  /* for eviction */
	pthread_mutex_t io;	   /* the OFD lock's stand-in between the threads of this process */
	uint64_t size;		   /* of the file, when it was acquired; under io */
	pthread_mutex_t lock;	   /* everything below; held for moments only; f changes under both locks */
	struct log_file *f;	   /* NULL: not open, or there is no log */
	struct log_tail tail;	   /* verified, or published by a live writer since the file was opened */
	uint64_t pos_seq, pos_off; /* a frame's place: where a read stopped; pos_off 0: none */
	int64_t checked_ms;	   /* when f was last seen to be what the path names */
	struct file_log_stats stats;
};

/* --- file_log_io.c: one open log file ---------------------------------------------------------------------------- */

enum log_access {
	LOG_READ,
	LOG_TRY_WRITE, /* read-only when the file or its file system is */
	LOG_WRITE,
};

/* Open "<key>.log" at @path. -ENOENT without a text. */
int log_file_open(struct file_log *fl, const char *path, enum log_access access, struct log_file **out, struct err *e);
/* A new log file in @dirfd under a temporary name, without frames and not yet synced. */
int log_file_new(struct file_log *fl, int dirfd, struct file_temp *t, uint64_t base, uint64_t salt,
		 struct log_file **out);
void log_file_put(struct log_file *f);
static inline struct log_file *log_file_get(struct log_file *f)
{
	ref_get(&f->ref);
	return f;
}

int log_file_lock(struct log_file *f, short type); /* F_RDLCK, F_WRLCK; waits */
void log_file_unlock(struct log_file *f);

/* log "<key>" is damaged: -EIO. */
int log_damage(struct file_log *fl, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* False: the cell is half-written or senseless. */
bool log_cell_read(struct log_file *f, struct log_tail *t);
int log_cell_write(struct log_file *f, const struct log_tail *t);
uint32_t log_word_read(struct log_file *f, unsigned off);
int log_word_set(struct log_file *f, unsigned off, uint32_t v);

/*
 * With the lock held. @have: *t was good before, only look for more. Finds the tail; a writable file is repaired.
 * -EBADMSG: damage (*at: the record).
 */
int log_file_settle(struct log_file *f, uint64_t size, bool have, struct log_tail *t, uint64_t *at);

/* With the exclusive lock held: make room for @n bytes behind @end in a file of @size bytes. */
int log_file_reserve(struct log_file *f, uint64_t size, uint64_t end, uint64_t n);
/* Write and sync one frame at the tail, then the cell; *t is advanced. On failure nothing is left behind. */
int log_file_append(struct log_file *f, struct log_tail *t, const void *data, size_t n);
/* Copy bytes [from, from + n) of @src to @off. */
int log_file_copy(struct log_file *f, uint64_t off, struct log_file *src, uint64_t from, uint64_t n);

struct log_reader { /* a window on the file */
	struct log_file *f;
	uint64_t end; /* nothing is read from here on */
	uint64_t at;
	size_t have, cap;
	unsigned char *buf;
};

/* @n bytes at @off, or NULL: beyond the end (*rc 0) or a failure. Valid until the next call. */
const unsigned char *log_reader_need(struct log_reader *r, uint64_t off, size_t n, int *rc);
void log_reader_free(struct log_reader *r);
/* The header of frame @seq at @off: 1, 0 when none is there, or a negative errno. */
int log_frame_head(struct log_reader *r, uint64_t off, uint64_t seq, struct logf_frame *h);
/* The whole frame, verified: 1 and its payload, 0, or a negative errno. */
int log_frame_read(struct log_reader *r, uint64_t off, uint64_t seq, struct logf_frame *h, const void **payload);

/* --- file_log.c -------------------------------------------------------------------------------------------------- */

int file_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e);
int file_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e);
int file_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e);
int file_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e);
/* Unlink a file that is named like a log, and tell those who have it open. 0 or a negative errno. */
int file_log_unlink_at(int dirfd, const char *name);
void file_logs_close(struct file_store *fs);

/* The handle's counters, for tests; NULL when this log was not used through @s. Valid until the store is closed. */
const struct file_log_stats *file_log_stats(struct store *s, const char *log);

#endif
