/* SPDX-License-Identifier: MIT */
/* file_log.c - ordered logs in the file backend: append, read, tail, trim, and the handles. See file_log.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file_log.h"

#define HANDLES_MAX 256	       /* open logs per store; idle ones beyond are closed, the longest unused first */
#define CHECK_INTERVAL_MS 1000 /* how long a handle believes that its inode still is the log */
#define ATTEMPTS 100	       /* the log was replaced between open and lock */

/* No system call: the vDSO answers. */
static int64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- handles ---------------------------------------------------------------------------------- */

static struct file_log *handle_new(struct file_store *fs, const char *key)
{
	struct file_log *fl = mem_zalloc(sizeof(*fl));

	fl->fs = fs;
	fl->key = mem_strdup(key);
	pthread_mutex_init(&fl->io, NULL);
	pthread_mutex_init(&fl->lock, NULL);
	return fl;
}

static void handle_free(struct file_log *fl)
{
	log_file_put(fl->f);
	pthread_mutex_destroy(&fl->io);
	pthread_mutex_destroy(&fl->lock);
	free(fl->key);
	free(fl);
}

/* With logs_lock held for writing. */
static void evict_one(struct file_store *fs)
{
	struct file_log *oldest = NULL;

	for (struct map_entry *m = map_first(&fs->logs); m; m = map_next(&fs->logs, m)) {
		struct file_log *fl = m->value;

		if (!fl->users && (!oldest || fl->used_at < oldest->used_at))
			oldest = fl;
	}
	if (!oldest)
		return;
	map_remove(&fs->logs, str_from(oldest->key));
	handle_free(oldest);
}

static struct file_log *handle_get(struct file_store *fs, const char *key)
{
	struct file_log *fl;

	pthread_rwlock_rdlock(&fs->logs_lock);
	fl = map_get(&fs->logs, str_from(key));
	if (fl)
		fl->users++;
	pthread_rwlock_unlock(&fs->logs_lock);
	if (!fl) {
		pthread_rwlock_wrlock(&fs->logs_lock);
		fl = map_get(&fs->logs, str_from(key));
		if (!fl) {
			if (fs->logs.n >= HANDLES_MAX)
				evict_one(fs);
			fl = handle_new(fs, key);
			map_put(&fs->logs, str_from(fl->key), fl);
		}
		fl->users++;
		pthread_rwlock_unlock(&fs->logs_lock);
	}
	fl->used_at = (uint64_t)coarse_ms();
	return fl;
}

static void handle_put(struct file_log **fl)
{
	(*fl)->users--;
}

void file_logs_close(struct file_store *fs)
{
	for (struct map_entry *m = map_first(&fs->logs); m; m = map_next(&fs->logs, m))
		handle_free(m->value);
	map_free(&fs->logs);
	pthread_rwlock_destroy(&fs->logs_lock);
}

const struct file_log_stats *file_log_stats(struct store *s, const char *log)
{
	struct file_store *fs = to_file_store(s);
	struct file_log *fl;

	pthread_rwlock_rdlock(&fs->logs_lock);
	fl = map_get(&fs->logs, str_from(log));
	pthread_rwlock_unlock(&fs->logs_lock);
	return fl ? &fl->stats : NULL;
}

static int sys_err(struct file_log *fl, struct err *e, int rc, const char *op)
{
	return store_sys_err(&fl->fs->base, e, -rc, op, fl->key);
}

/* Give the handle another open file (taken over) or none. */
static void swap_file(struct file_log *fl, struct log_file *f, const struct log_tail *tail)
{
	struct log_file *old;

	pthread_mutex_lock(&fl->lock);
	old = fl->f;
	fl->f = f;
	fl->tail = tail ? *tail : (struct log_tail){ 0 };
	fl->pos_off = 0;
	fl->checked_ms = coarse_ms();
	pthread_mutex_unlock(&fl->lock);
	log_file_put(old);
}

static void set_tail(struct file_log *fl, const struct log_tail *tail)
{
	pthread_mutex_lock(&fl->lock);
	fl->tail = *tail;
	fl->checked_ms = coarse_ms();
	pthread_mutex_unlock(&fl->lock);
}

/* --- getting hold of the log ------------------------------------------------------------------ */

/* With io held: open the path when it is not open (for writing). 1, 0 when there is no log, or a negative errno. */
static int open_file(struct file_log *fl, const char *path, bool write, struct err *e)
{
	enum log_access access = write ? LOG_WRITE : fl->fs->base.read_only ? LOG_READ : LOG_TRY_WRITE;
	struct log_file *f = NULL;
	int rc;

	if (fl->f && (fl->f->writable || !write))
		return 1;
	rc = log_file_open(fl, path, access, &f, e);
	swap_file(fl, f, NULL);
	return rc == -ENOENT ? 0 : rc ? rc : 1;
}

/* With io held: lock fl->f. A file system without locks can still be read. */
static int lock_file(struct file_log *fl, struct err *e)
{
	int rc = log_file_lock(fl->f, fl->f->writable ? F_WRLCK : F_RDLCK);

	return rc && fl->f->writable ? sys_err(fl, e, rc, "lock log") : 0;
}

/* With io and the file lock held: is fl->f what the path names? 1, 0, or a negative errno. */
static int is_current(struct file_log *fl, const char *path, struct stat *st)
{
	if (stat(path, st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return st->st_dev == fl->f->dev && st->st_ino == fl->f->ino;
}

static int settle(struct file_log *fl, uint64_t size, struct err *e)
{
	struct log_tail t;
	uint64_t at = 0;
	int rc;

	pthread_mutex_lock(&fl->lock);
	t = fl->tail;
	pthread_mutex_unlock(&fl->lock);
	fl->size = size;
	/* somebody marked it and died before the path changed */
	if (fl->f->writable && log_word_read(fl->f, LOGF_DEAD_OFFSET))
		log_word_set(fl->f, LOGF_DEAD_OFFSET, 0);
	rc = log_file_settle(fl->f, size, t.next != 0, &t, &at);
	if (rc == -EBADMSG)
		return log_damage(fl, e, "record %" PRIu64 " is unreadable, though it was written whole", at);
	if (rc)
		return sys_err(fl, e, rc, "read log");
	set_tail(fl, &t);
	return 0;
}

/*
 * With io held: fl->f open, locked, the one the path names, its tail settled: 1 (release() afterwards). 0: there is no log.
 */
static int acquire(struct file_log *fl, bool write, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	int rc = file_path(fl->fs, fl->key, STORE_LOG_SUFFIX, path);

	if (rc)
		return sys_err(fl, e, rc, "open log");
	for (int i = 0; i < ATTEMPTS; i++) {
		rc = open_file(fl, path, write, e);
		if (rc <= 0)
			return rc;
		rc = lock_file(fl, e);
		if (rc)
			return rc;
		rc = is_current(fl, path, &st);
		if (rc > 0) {
			rc = settle(fl, (uint64_t)st.st_size, e);
			if (rc == 0)
				return 1;
		} else if (rc < 0) {
			rc = sys_err(fl, e, rc, "open log");
		}
		log_file_unlock(fl->f);
		swap_file(fl, NULL, NULL);
		if (rc < 0)
			return rc;
	}
	return sys_err(fl, e, -EBUSY, "open log");
}

static void release(struct file_log *fl)
{
	log_file_unlock(fl->f);
}

/* With lock held, no system call where the header is mapped: may fl->tail be believed after a look at the cell? */
static bool fresh(struct file_log *fl)
{
	struct log_tail c;

	if (!fl->f || !fl->tail.next || coarse_ms() - fl->checked_ms >= CHECK_INTERVAL_MS ||
	    log_word_read(fl->f, LOGF_DEAD_OFFSET) || !log_cell_read(fl->f, &c))
		return false;
	if (c.next == fl->tail.next)
		return c.end == fl->tail.end;
	if (c.next < fl->tail.next)
		return false;
	fl->tail = c;
	return true;
}

/* The interval is over: one stat, and the handle is good for the next. */
static void recheck(struct file_log *fl)
{
	char path[PATH_MAX];
	struct stat st;

	if (fl->f && file_path(fl->fs, fl->key, STORE_LOG_SUFFIX, path) == 0 && is_current(fl, path, &st) == 1) {
		pthread_mutex_lock(&fl->lock);
		fl->checked_ms = coarse_ms();
		pthread_mutex_unlock(&fl->lock);
	}
}

/* The present tail; *f (may be NULL) receives a reference to the open file, or NULL when there is no log. */
static int refresh(struct file_log *fl, struct log_file **f, struct log_tail *tail, struct err *e)
{
	int rc = 0;

	*tail = (struct log_tail){ .next = 1 };
	if (f)
		*f = NULL;
	pthread_mutex_lock(&fl->lock);
	if (!fresh(fl)) {
		pthread_mutex_unlock(&fl->lock);
		pthread_mutex_lock(&fl->io);
		recheck(fl);
		pthread_mutex_lock(&fl->lock);
		if (!fresh(fl)) {
			pthread_mutex_unlock(&fl->lock);
			rc = acquire(fl, false, e);
			if (rc > 0)
				release(fl);
			pthread_mutex_lock(&fl->lock);
		}
		pthread_mutex_unlock(&fl->io);
	}
	if (rc >= 0 && fl->f) {
		*tail = fl->tail;
		if (f)
			*f = log_file_get(fl->f);
	}
	pthread_mutex_unlock(&fl->lock);
	return rc < 0 ? rc : 0;
}

/* --- append ----------------------------------------------------------------------------------- */

/* Open the directory of the log; @name: the last component with its suffix. */
static int open_log_dir(struct file_log *fl, bool create, char name[STORE_COMPONENT_MAX + 1])
{
	const char *last;
	int dirfd = file_open_dir(fl->fs, fl->key, create, &last);

	snprintf(name, STORE_COMPONENT_MAX + 1, "%s%s", last, STORE_LOG_SUFFIX);
	return dirfd;
}

/* The temporary becomes the log unless there is one: under the lock of the directory, which all creators of logs take. */
static int publish_log(struct file_log *fl, int dirfd, const char *tmp, const char *name)
{
	struct file_lock l;
	struct stat st;
	int rc = file_lock_dir(fl->fs, dirfd, &l);

	if (rc)
		return rc;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		rc = -EEXIST;
	else if (renameat(dirfd, tmp, dirfd, name) < 0)
		rc = -errno;
	file_unlock_dir(&l);
	return rc;
}

/* After the rename of a new log file: the entry is made durable, and later openers need not do that again. */
static int sync_entry(struct log_file *f, int dirfd)
{
	int rc;

	f->stats->fsyncs++;
	rc = file_sync_dir(dirfd);
	if (!rc)
		log_word_set(f, LOGF_LINKED_OFFSET, 1);
	return rc;
}

static int new_with_record(struct file_log *fl, int dirfd, struct file_temp *t, const void *data, size_t n,
			   struct log_file **out, struct log_tail *tail)
{
	struct log_file *f;
	uint64_t salt;
	int rc;

	random_bytes(&salt, sizeof(salt));
	rc = log_file_new(fl, dirfd, t, 1, salt, &f);
	if (rc)
		return rc;
	*tail = (struct log_tail){ .next = 1, .end = LOGF_HEADER_BYTES };
	rc = log_file_reserve(f, LOGF_HEADER_BYTES, LOGF_HEADER_BYTES, logf_frame_bytes(n));
	if (!rc)
		rc = log_file_append(f, tail, data, n);
	if (rc) {
		log_file_put(f);
		file_temp_drop(dirfd, t);
		return rc;
	}
	*out = f;
	return 0;
}

/* The first append makes the file with its record in it. -EEXIST: somebody else did. */
static int create_log(struct file_log *fl, const void *data, size_t n)
{
	char name[STORE_COMPONENT_MAX + 1];
	struct file_temp t = { .fd = -1 };
	struct log_file *f = NULL;
	struct log_tail tail;
	int dirfd = open_log_dir(fl, true, name), rc;

	if (dirfd < 0)
		return dirfd;
	rc = new_with_record(fl, dirfd, &t, data, n, &f, &tail);
	if (!rc) {
		rc = publish_log(fl, dirfd, t.name, name);
		if (rc)
			file_temp_drop(dirfd, &t);
		else
			rc = sync_entry(f, dirfd);
		if (!rc)
			swap_file(fl, f, &tail);
		else
			log_file_put(f);
	}
	close(dirfd);
	return rc;
}

/* A log whose creator died before it synced the directory must not vanish with our record. */
static int ensure_linked(struct file_log *fl)
{
	char name[STORE_COMPONENT_MAX + 1];
	int dirfd, rc;

	if (log_word_read(fl->f, LOGF_LINKED_OFFSET))
		return 0;
	dirfd = open_log_dir(fl, false, name);
	if (dirfd < 0)
		return dirfd;
	rc = sync_entry(fl->f, dirfd);
	close(dirfd);
	return rc;
}

/* With the log acquired. */
static int append_frame(struct file_log *fl, const void *data, size_t n)
{
	struct log_tail t = fl->tail;
	int rc = ensure_linked(fl);

	if (!rc)
		rc = log_file_reserve(fl->f, fl->size, t.end, logf_frame_bytes(n));
	if (!rc)
		rc = log_file_append(fl->f, &t, data, n);
	if (!rc)
		set_tail(fl, &t);
	return rc;
}

/* With io held. */
static int append_locked(struct file_log *fl, uint64_t seq, const void *data, size_t n, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		rc = acquire(fl, true, e);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			uint64_t next = fl->tail.next;

			rc = next == seq ? append_frame(fl, data, n) : -EAGAIN;
			release(fl);
			if (rc == -EAGAIN && next != seq)
				return store_err_log_moved(&fl->fs->base, e, fl->key, seq, next);
			return rc ? sys_err(fl, e, rc, "append to log") : 0;
		}
		if (seq != 1)
			return store_err_log_moved(&fl->fs->base, e, fl->key, seq, 1);
		rc = create_log(fl, data, n);
		if (rc != -EEXIST && rc != -ENOENT)
			break;
	}
	return rc ? sys_err(fl, e, rc, "append to log") : 0;
}

int file_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	__cleanup(handle_put) struct file_log *fl = handle_get(to_file_store(s), log);
	uint64_t next;
	bool lost;
	int rc;

	/* no need to queue for what is lost already */
	pthread_mutex_lock(&fl->lock);
	lost = fresh(fl) && fl->tail.next > seq;
	next = fl->tail.next;
	pthread_mutex_unlock(&fl->lock);
	if (lost)
		return store_err_log_moved(s, e, log, seq, next);
	pthread_mutex_lock(&fl->io);
	rc = append_locked(fl, seq, data, n, e);
	pthread_mutex_unlock(&fl->io);
	return rc;
}

/* --- read ------------------------------------------------------------------------------------- */

static int hop_forward(struct log_reader *r, uint64_t seq, uint64_t *off, uint64_t to)
{
	struct logf_frame h;

	for (; seq < to; seq++) {
		int rc = log_frame_head(r, *off, seq, &h);

		if (rc <= 0)
			return rc;
		*off += logf_frame_bytes(le32toh(h.len));
		r->f->stats->hops++;
	}
	return 1;
}

static int hop_back(struct log_reader *r, uint64_t seq, uint64_t *off, uint64_t to)
{
	struct logf_frame h;

	for (; seq > to; seq--) {
		ssize_t k = file_pread_all(r->f->fd, &h, sizeof(h), *off);
		uint64_t back = le32toh(h.back);

		if (k < 0)
			return (int)k;
		if ((size_t)k < sizeof(h) || le32toh(h.magic) != LOGF_FRAME_MAGIC || le64toh(h.seq) != seq ||
		    back > *off - LOGF_HEADER_BYTES || back < sizeof(h))
			return 0;
		*off -= back;
		r->f->stats->hops++;
	}
	return 1;
}

/* The offset of frame @seq, base <= seq <= tail->next. 1, 0 when the chain is broken, or a negative errno. */
static int locate(struct log_reader *r, const struct log_tail *tail, uint64_t pos_seq, uint64_t pos_off, uint64_t seq,
		  uint64_t *off)
{
	uint64_t base = r->f->base;
	int rc;

	if (seq == tail->next) {
		*off = tail->end;
		return 1;
	}
	if (pos_off && pos_seq <= seq && seq - pos_seq <= tail->next - 1 - seq) {
		*off = pos_off;
		return hop_forward(r, pos_seq, off, seq);
	}
	if (tail->next - 1 - seq <= seq - base) {
		*off = tail->last;
		rc = hop_back(r, tail->next - 1, off, seq);
		if (rc)
			return rc;
	}
	*off = LOGF_HEADER_BYTES;
	return hop_forward(r, base, off, seq);
}

struct cursor {
	uint64_t seq, off;
};

static int deliver(struct file_log *fl, struct log_reader *r, const struct log_tail *tail, struct cursor *c,
		   store_log_fn fn, void *arg, struct err *e)
{
	struct logf_frame h;
	const void *payload;

	while (c->seq < tail->next) {
		int rc = log_frame_read(r, c->off, c->seq, &h, &payload);

		if (rc < 0)
			return sys_err(fl, e, rc, "read log");
		if (rc == 0)
			return log_damage(fl, e, "record %" PRIu64 " at offset %" PRIu64 " does not match its checksum",
					  c->seq, c->off);
		c->off += logf_frame_bytes(le32toh(h.len));
		c->seq++;
		rc = fn(arg, c->seq - 1, payload, le32toh(h.len));
		if (rc)
			return rc;
	}
	return 0;
}

static int read_file(struct file_log *fl, struct log_file *f, const struct log_tail *tail, uint64_t from,
		     store_log_fn fn, void *arg, struct err *e)
{
	struct log_reader r = { .f = f, .end = tail->end };
	struct cursor c = { .seq = from };
	uint64_t pos_seq, pos_off;
	int rc;

	pthread_mutex_lock(&fl->lock);
	pos_seq = fl->pos_seq;
	pos_off = fl->f == f ? fl->pos_off : 0;
	pthread_mutex_unlock(&fl->lock);
	rc = locate(&r, tail, pos_seq, pos_off, from, &c.off);
	if (rc == 0)
		rc = log_damage(fl, e, "the way to record %" PRIu64 " is broken", from);
	else if (rc < 0)
		rc = sys_err(fl, e, rc, "read log");
	else
		rc = deliver(fl, &r, tail, &c, fn, arg, e);
	log_reader_free(&r);
	pthread_mutex_lock(&fl->lock);
	if (fl->f == f && c.seq > from) {
		fl->pos_seq = c.seq;
		fl->pos_off = c.off;
	}
	pthread_mutex_unlock(&fl->lock);
	return rc;
}

int file_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	__cleanup(handle_put) struct file_log *fl = handle_get(to_file_store(s), log);
	struct log_file *f;
	struct log_tail tail;
	int rc = refresh(fl, &f, &tail, e);

	if (rc || !f)
		return rc;
	if (from < f->base)
		rc = store_err_trimmed(s, e, log, from, f->base);
	else if (from < tail.next)
		rc = read_file(fl, f, &tail, from, fn, arg, e);
	log_file_put(f);
	return rc;
}

int file_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	__cleanup(handle_put) struct file_log *fl = handle_get(to_file_store(s), log);
	struct log_tail tail;
	int rc = refresh(fl, NULL, &tail, e);

	*next = tail.next;
	return rc;
}

/* --- trim and removal ------------------------------------------------------------------------- */

/* With the log acquired: a new file with the records from @from on, renamed over the log. */
static int rewrite(struct file_log *fl, uint64_t from, uint64_t off, struct log_file **out, struct log_tail *t)
{
	char name[STORE_COMPONENT_MAX + 1];
	struct file_temp tmp = { .fd = -1 };
	uint64_t n = fl->tail.end - off, shift = off - LOGF_HEADER_BYTES;
	struct log_file *f = NULL;
	int dirfd = open_log_dir(fl, false, name), rc;

	if (dirfd < 0)
		return dirfd;
	*t = (struct log_tail){ .next = fl->tail.next,
				.end = fl->tail.end - shift,
				.last = n ? fl->tail.last - shift : 0 };
	rc = log_file_new(fl, dirfd, &tmp, from, fl->f->salt, &f);
	if (!rc) {
		rc = log_file_reserve(f, LOGF_HEADER_BYTES, LOGF_HEADER_BYTES, n ? n : 1);
		if (!rc)
			rc = log_file_copy(f, LOGF_HEADER_BYTES, fl->f, off, n);
		if (!rc)
			rc = log_cell_write(f, t);
		fl->stats.fsyncs++;
		if (!rc && fsync(f->fd) < 0)
			rc = -errno;
		if (!rc && renameat(dirfd, tmp.name, dirfd, name) < 0)
			rc = -errno;
		if (rc) {
			file_temp_drop(dirfd, &tmp);
		} else {
			log_word_set(fl->f, LOGF_DEAD_OFFSET, 1);
			rc = sync_entry(f, dirfd);
		}
	}
	close(dirfd);
	if (rc)
		log_file_put(f);
	else
		*out = f;
	return rc;
}

/* With io held. */
static int trim_locked(struct file_log *fl, uint64_t upto, struct err *e)
{
	struct log_reader r = { 0 };
	struct log_file *f = NULL;
	struct log_tail t;
	uint64_t off, from;
	int rc = acquire(fl, true, e);

	if (rc <= 0)
		return rc;
	from = upto < fl->tail.next - 1 ? upto + 1 : fl->tail.next;
	if (from <= fl->f->base) {
		release(fl);
		return 0;
	}
	r = (struct log_reader){ .f = fl->f, .end = fl->tail.end };
	rc = locate(&r, &fl->tail, 0, 0, from, &off);
	log_reader_free(&r);
	if (rc == 0)
		rc = log_damage(fl, e, "the way to record %" PRIu64 " is broken", from);
	else if (rc < 0 || (rc = rewrite(fl, from, off, &f, &t)) < 0)
		rc = sys_err(fl, e, rc, "trim log");
	release(fl);
	if (f)
		swap_file(fl, f, &t);
	return rc;
}

int file_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	__cleanup(handle_put) struct file_log *fl = handle_get(to_file_store(s), log);
	int rc;

	pthread_mutex_lock(&fl->io);
	rc = trim_locked(fl, upto, e);
	pthread_mutex_unlock(&fl->io);
	return rc;
}

int file_log_unlink_at(int dirfd, const char *name)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint32_t dead = htole32(1);
	char magic[8];
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;

	if (fd >= 0 && file_pread_all(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    !memcmp(magic, LOGF_MAGIC, sizeof(magic))) {
		while (fcntl(fd, F_OFD_SETLKW, &fl) < 0 && errno == EINTR)
			;
		/* not being able to say so only means that others notice later */
		if (pwrite(fd, &dead, sizeof(dead), LOGF_DEAD_OFFSET) < 0)
			rc = 0;
	}
	if (unlinkat(dirfd, name, 0) < 0)
		rc = -errno;
	if (fd >= 0) {
		fl.l_type = F_UNLCK;
		fcntl(fd, F_OFD_SETLK, &fl);
		close(fd);
	}
	return rc;
}
