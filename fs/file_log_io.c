/* SPDX-License-Identifier: MIT */
/* file_log_io.c - one open log file: header, tail cell, frames, room. See file_log.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <omnigraph/arch.h>

#include "file_log.h"

#define WINDOW (64u << 10)
#define COPY_CHUNK (256u << 10)

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef EXFAT_SUPER_MAGIC
#define EXFAT_SUPER_MAGIC 0x2011BAB0UL
#endif

int log_damage(struct file_log *fl, struct err *e, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	rc = err_set_rc(e, -EIO, ERR_STORAGE,
			"log \"%s\" in %s is damaged: %s; check the disk and restore the file \"%s%s\" from a backup",
			fl->key, fl->fs->base.uri, b.s, fl->key, STORE_LOG_SUFFIX);
	sb_free(&b);
	return rc;
}

/* --- mapping ---------------------------------------------------------------------------------- */

enum mapping { MAP_NONE, MAP_READ, MAP_READ_WRITE };

/*
 * A store through a mapping may need a new block on a file system that writes elsewhere (btrfs, f2fs), and a full disk is
 * then a SIGBUS: there, and where it is not known, the cell is written with pwrite. On a network file system or FUSE a
 * mapping need not show what other machines write: there the cell is read with pread.
 */
static enum mapping mapping_of(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return MAP_NONE;
	switch ((unsigned long)s.f_type) {
	case EXT4_SUPER_MAGIC: /* ext2, ext3 too */
	case XFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return MAP_READ_WRITE;
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case MSDOS_SUPER_MAGIC:
	case EXFAT_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
		return MAP_READ;
	default:
		return MAP_NONE;
	}
}

static void map_header(struct log_file *f)
{
	enum mapping m = mapping_of(f->fd);
	void *p;

	f->map_write = f->writable && m == MAP_READ_WRITE;
	if (m == MAP_NONE)
		return;
	p = mmap(NULL, LOGF_HEADER_BYTES, PROT_READ | (f->map_write ? PROT_WRITE : 0), MAP_SHARED, f->fd, 0);
	if (p == MAP_FAILED)
		f->map_write = false;
	else
		f->map = p;
}

/* --- counted system calls --------------------------------------------------------------------- */

static ssize_t pwrite_once(struct log_file *f, const struct iovec *v, int n, uint64_t off)
{
	ssize_t k;

	do {
		f->stats->pwrites++;
		k = pwritev(f->fd, v, n, (off_t)off);
	} while (k < 0 && errno == EINTR);
	return k < 0 ? -errno : k;
}

static int pwritev_all(struct log_file *f, struct iovec *v, int n, uint64_t off)
{
	while (n) {
		ssize_t k = pwrite_once(f, v, n, off);

		if (k < 0)
			return (int)k;
		off += (uint64_t)k;
		for (; n && (size_t)k >= v->iov_len; v++, n--)
			k -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + k;
			v->iov_len -= (size_t)k;
		}
	}
	return 0;
}

static int pwrite_all(struct log_file *f, const void *data, size_t n, uint64_t off)
{
	struct iovec v = { (void *)data, n };

	return pwritev_all(f, &v, 1, off);
}

static int sync_data(struct log_file *f)
{
	f->stats->fdatasyncs++;
	return fdatasync(f->fd) < 0 ? -errno : 0;
}

/* Write zeros over [from, to). */
static int zero_range(struct log_file *f, uint64_t from, uint64_t to)
{
	__cleanup(mem_free_ptr) void *zeros = mem_zalloc(COPY_CHUNK);
	int rc = 0;

	while (!rc && from < to) {
		size_t n = to - from < COPY_CHUNK ? (size_t)(to - from) : COPY_CHUNK;

		rc = pwrite_all(f, zeros, n, from);
		from += n;
	}
	return rc;
}

/* --- open, create, close ---------------------------------------------------------------------- */

static int check_header(struct file_log *fl, const struct logf_header *h, size_t got, struct err *e)
{
	if (got < sizeof(*h) || memcmp(h->magic, LOGF_MAGIC, sizeof(h->magic)))
		return log_damage(fl, e, "the file is no log (its first 8 bytes are not \"%s\")", LOGF_MAGIC);
	if (le32toh(h->version) != LOGF_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			       "log \"%s\" in %s has format version %" PRIu32
			       "; this program knows version %u: use the program "
			       "that wrote it",
			       fl->key, fl->fs->base.uri, le32toh(h->version), LOGF_VERSION);
	if (le32toh(h->crc) != crc32c(0, h, offsetof(struct logf_header, crc)) ||
	    le32toh(h->header_bytes) != LOGF_HEADER_BYTES || le64toh(h->base_seq) == 0)
		return log_damage(fl, e, "the checksum of its header is wrong");
	return 0;
}

static struct log_file *file_new(struct file_log *fl, int fd, bool writable, const struct logf_header *h,
				 const struct stat *st)
{
	struct log_file *f = mem_zalloc(sizeof(*f));

	ref_init(&f->ref);
	f->fd = fd;
	f->writable = writable;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->base = le64toh(h->base_seq);
	f->salt = h->salt; /* kept as it is on disk */
	f->stats = &fl->stats;
	map_header(f);
	return f;
}

int log_file_open(struct file_log *fl, const char *path, enum log_access access, struct log_file **out, struct err *e)
{
	bool writable = access != LOG_READ;
	struct logf_header h;
	struct stat st;
	int fd, rc = 0;
	ssize_t k;

	fl->stats.opens++;
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && access == LOG_TRY_WRITE && (errno == EROFS || errno == EACCES || errno == EPERM)) {
		writable = false;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? -ENOENT
			       : store_sys_err(&fl->fs->base, e, errno, "open log", fl->key);
	k = file_pread_all(fd, &h, sizeof(h), 0);
	if (k < 0)
		rc = store_sys_err(&fl->fs->base, e, (int)-k, "read log", fl->key);
	else if (fstat(fd, &st) < 0)
		rc = store_sys_err(&fl->fs->base, e, errno, "read log", fl->key);
	else
		rc = check_header(fl, &h, (size_t)k, e);
	if (!rc && st.st_size < (off_t)LOGF_HEADER_BYTES)
		rc = log_damage(fl, e, "the file is shorter than its header");
	if (rc) {
		close(fd);
		return rc;
	}
	*out = file_new(fl, fd, writable, &h, &st);
	return 0;
}

/* Overwriting in place is the point of the log; a file system that copies on write is asked not to. */
static void set_nocow(int fd)
{
	struct statfs s;
	int flags;

	if (fstatfs(fd, &s) == 0 && (unsigned long)s.f_type == BTRFS_SUPER_MAGIC &&
	    ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

int log_file_new(struct file_log *fl, int dirfd, struct file_temp *t, uint64_t base, uint64_t salt,
		 struct log_file **out)
{
	__cleanup(mem_free_ptr) unsigned char *page = mem_zalloc(LOGF_HEADER_BYTES);
	struct logf_header *h = (struct logf_header *)page;
	struct log_tail tail = { .next = base, .end = LOGF_HEADER_BYTES };
	struct log_file *f;
	struct stat st;
	int rc = file_temp_open(dirfd, t);

	if (rc)
		return rc;
	set_nocow(t->fd);
	memcpy(h->magic, LOGF_MAGIC, sizeof(h->magic));
	h->version = htole32(LOGF_VERSION);
	h->header_bytes = htole32(LOGF_HEADER_BYTES);
	h->base_seq = htole64(base);
	h->salt = salt;
	h->crc = htole32(crc32c(0, h, offsetof(struct logf_header, crc)));
	rc = file_write_all(t->fd, page, LOGF_HEADER_BYTES);
	if (!rc && fstat(t->fd, &st) < 0)
		rc = -errno;
	if (rc) {
		file_temp_drop(dirfd, t);
		return rc;
	}
	f = file_new(fl, t->fd, true, h, &st);
	t->fd = -1;
	rc = log_cell_write(f, &tail);
	if (rc) {
		log_file_put(f);
		file_temp_drop(dirfd, t);
		return rc;
	}
	*out = f;
	return 0;
}

void log_file_put(struct log_file *f)
{
	if (!f || !ref_put(&f->ref))
		return;
	if (f->map)
		munmap(f->map, LOGF_HEADER_BYTES);
	close(f->fd);
	free(f);
}

/* --- locks ------------------------------------------------------------------------------------ */

int log_file_lock(struct log_file *f, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };

	while (fcntl(f->fd, F_OFD_SETLKW, &fl) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void log_file_unlock(struct log_file *f)
{
	struct flock fl = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(f->fd, F_OFD_SETLK, &fl);
}

/* --- the cell and the words ------------------------------------------------------------------- */

static uint32_t cell_crc(const struct logf_cell *c)
{
	return htole32(crc32c(0, c, offsetof(struct logf_cell, crc)));
}

static void cell_load(struct log_file *f, struct logf_cell *c)
{
	struct logf_cell *m;

	memset(c, 0, sizeof(*c));
	if (!f->map) {
		file_pread_all(f->fd, c, sizeof(*c), LOGF_CELL_OFFSET);
		return;
	}
	m = (struct logf_cell *)(f->map + LOGF_CELL_OFFSET);
	c->next = __atomic_load_n(&m->next, __ATOMIC_ACQUIRE);
	c->end = __atomic_load_n(&m->end, __ATOMIC_ACQUIRE);
	c->last = __atomic_load_n(&m->last, __ATOMIC_ACQUIRE);
	c->crc = __atomic_load_n(&m->crc, __ATOMIC_ACQUIRE);
}

bool log_cell_read(struct log_file *f, struct log_tail *t)
{
	struct logf_cell c;
	int spins = 0;

	/* a mismatch is mostly a writer between its stores; one that died there is found by the caller */
	do {
		cell_load(f, &c);
	} while (c.crc != cell_crc(&c) && ++spins < 64);
	if (spins == 64)
		return false;
	*t = (struct log_tail){ .next = le64toh(c.next), .end = le64toh(c.end), .last = le64toh(c.last) };
	return t->next >= f->base && t->end >= LOGF_HEADER_BYTES && t->end % LOGF_FRAME_ALIGN == 0 &&
	       t->last < t->end && t->last % LOGF_FRAME_ALIGN == 0;
}

int log_cell_write(struct log_file *f, const struct log_tail *t)
{
	struct logf_cell c = { .next = htole64(t->next), .end = htole64(t->end), .last = htole64(t->last) };
	struct logf_cell *m;

	c.crc = cell_crc(&c);
	if (!f->map_write)
		return pwrite_all(f, &c, sizeof(c), LOGF_CELL_OFFSET);
	m = (struct logf_cell *)(f->map + LOGF_CELL_OFFSET);
	__atomic_store_n(&m->next, c.next, __ATOMIC_RELEASE);
	__atomic_store_n(&m->end, c.end, __ATOMIC_RELEASE);
	__atomic_store_n(&m->last, c.last, __ATOMIC_RELEASE);
	__atomic_store_n(&m->crc, c.crc, __ATOMIC_RELEASE);
	return 0;
}

uint32_t log_word_read(struct log_file *f, unsigned off)
{
	uint32_t v = 0;

	if (f->map)
		v = __atomic_load_n((uint32_t *)(f->map + off), __ATOMIC_ACQUIRE);
	else
		file_pread_all(f->fd, &v, sizeof(v), off);
	return le32toh(v);
}

int log_word_set(struct log_file *f, unsigned off, uint32_t v)
{
	v = htole32(v);
	if (!f->map_write)
		return pwrite_all(f, &v, sizeof(v), off);
	__atomic_store_n((uint32_t *)(f->map + off), v, __ATOMIC_RELEASE);
	return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

void log_reader_free(struct log_reader *r)
{
	free(r->buf);
}

static int reader_room(struct log_reader *r, size_t n)
{
	size_t want = n > WINDOW ? n : WINDOW;

	if (r->cap >= want)
		return 0;
	free(r->buf);
	r->have = r->cap = 0;
	r->buf = mem_try_alloc(want);
	if (!r->buf)
		return -ENOMEM;
	r->cap = want;
	return 0;
}

const unsigned char *log_reader_need(struct log_reader *r, uint64_t off, size_t n, int *rc)
{
	uint64_t want;
	ssize_t k;

	*rc = 0;
	if (off > r->end || n > r->end - off)
		return NULL;
	if (off >= r->at && off - r->at <= r->have && n <= r->have - (off - r->at))
		return r->buf + (off - r->at);
	*rc = reader_room(r, n);
	if (*rc)
		return NULL;
	want = r->end - off < r->cap ? r->end - off : r->cap;
	r->at = off;
	r->have = 0;
	k = file_pread_all(r->f->fd, r->buf, (size_t)want, off);
	if (k < 0) {
		*rc = (int)k;
		return NULL;
	}
	r->have = (size_t)k;
	return n <= r->have ? r->buf : NULL;
}

static bool head_ok(const struct logf_frame *h, uint64_t seq)
{
	return le32toh(h->magic) == LOGF_FRAME_MAGIC && le64toh(h->seq) == seq &&
	       le32toh(h->len) <= LIMIT_LOG_RECORD_BYTES;
}

int log_frame_head(struct log_reader *r, uint64_t off, uint64_t seq, struct logf_frame *h)
{
	int rc;
	const unsigned char *p = log_reader_need(r, off, sizeof(*h), &rc);

	if (!p)
		return rc;
	memcpy(h, p, sizeof(*h));
	return head_ok(h, seq) && logf_frame_bytes(le32toh(h->len)) <= r->end - off;
}

static uint32_t frame_crc(const struct log_file *f, const struct logf_frame *h, const void *payload, size_t n)
{
	uint32_t crc = crc32c(0, &f->salt, sizeof(f->salt));

	crc = crc32c(crc, &h->len, offsetof(struct logf_frame, crc) - offsetof(struct logf_frame, len));
	return crc32c(crc, payload, n);
}

int log_frame_read(struct log_reader *r, uint64_t off, uint64_t seq, struct logf_frame *h, const void **payload)
{
	int rc = log_frame_head(r, off, seq, h);
	const unsigned char *p;

	if (rc <= 0)
		return rc;
	p = log_reader_need(r, off, (size_t)logf_frame_bytes(le32toh(h->len)), &rc);
	if (!p)
		return rc;
	*payload = p + sizeof(*h);
	return frame_crc(r->f, h, *payload, le32toh(h->len)) == le32toh(h->crc);
}

/* --- settle ----------------------------------------------------------------------------------- */

/* Are there bytes behind the tail? Only the place of a frame header is looked at. */
static int bytes_behind(struct log_file *f, uint64_t end)
{
	unsigned char head[sizeof(struct logf_frame)];
	ssize_t k = file_pread_all(f->fd, head, sizeof(head), end);

	for (ssize_t i = 0; i < k; i++)
		if (head[i])
			return 1;
	return k < 0 ? (int)k : 0;
}

/* Does the last frame that @t names exist? */
static int tail_holds(struct log_reader *r, const struct log_tail *t)
{
	struct logf_frame h;
	const void *payload;
	int rc;

	if (t->next == r->f->base)
		return t->end == LOGF_HEADER_BYTES && t->last == 0;
	if (t->last < LOGF_HEADER_BYTES)
		return 0;
	rc = log_frame_read(r, t->last, t->next - 1, &h, &payload);
	return rc <= 0 ? rc : t->last + logf_frame_bytes(le32toh(h.len)) == t->end;
}

/* Go on from *t as long as there are good frames. */
static int scan(struct log_reader *r, struct log_tail *t)
{
	struct logf_frame h;
	const void *payload;
	int rc;

	while ((rc = log_frame_read(r, t->end, t->next, &h, &payload)) > 0) {
		t->last = t->end;
		t->end += logf_frame_bytes(le32toh(h.len));
		t->next++;
	}
	return rc;
}

/*
 * A bad frame that the cell counts, or that has a good one behind it, was not torn by a crash: it was synced before the cell counted it,
 * and before the next was written.
 */
static int check_damage(struct log_reader *r, const struct log_tail *t, uint64_t claimed)
{
	struct logf_frame h;
	const void *payload;
	int rc;

	if (claimed > t->next)
		return -EBADMSG;
	rc = log_frame_head(r, t->end, t->next, &h);
	if (rc <= 0)
		return rc;
	rc = log_frame_read(r, t->end + logf_frame_bytes(le32toh(h.len)), t->next + 1, &h, &payload);
	return rc > 0 ? -EBADMSG : rc;
}

/* Make *t what the file says: sync frames found behind the cell, drop the rest, rewrite the cell. */
static int repair(struct log_file *f, const struct log_tail *t, uint64_t size)
{
	int rc = bytes_behind(f, t->end);

	if (rc > 0)
		rc = zero_range(f, t->end, size);
	if (!rc)
		rc = sync_data(f);
	return rc ? rc : log_cell_write(f, t);
}

static int settle(struct log_reader *r, bool have, const struct log_tail *cell, struct log_tail *t)
{
	struct log_file *f = r->f;
	uint64_t claimed = 0;
	int rc = cell ? tail_holds(r, cell) : 0;

	if (rc < 0)
		return rc;
	if (rc > 0) {
		*t = *cell;
	} else if (cell || !have) {
		claimed = cell ? cell->next : 0;
		*t = (struct log_tail){ .next = f->base, .end = LOGF_HEADER_BYTES };
	}
	rc = scan(r, t);
	if (!rc)
		rc = check_damage(r, t, claimed);
	if (!rc && f->writable)
		rc = repair(f, t, r->end);
	return rc;
}

int log_file_settle(struct log_file *f, uint64_t size, bool have, struct log_tail *t, uint64_t *at)
{
	struct log_reader r = { .f = f, .end = size };
	struct log_tail cell;
	bool ok = log_cell_read(f, &cell) && cell.end <= size;
	int rc;

	/* Steady state: a handle that verified the tail once believes what live writers published since. */
	if (ok && have && cell.next >= t->next) {
		rc = bytes_behind(f, cell.end);
		if (rc < 0)
			return rc;
		*t = cell;
		if (rc == 0)
			return 0;
	}
	f->stats->settles++;
	if (ok && !have) {
		/* opened, and all is well: nothing to write */
		rc = tail_holds(&r, &cell);
		if (rc > 0 && bytes_behind(f, cell.end) == 0) {
			*t = cell;
			log_reader_free(&r);
			return 0;
		}
	}
	/* a cell that claims an end beyond the file still tells how many records there were */
	if (!ok && log_cell_read(f, &cell))
		ok = true;
	rc = settle(&r, have, ok ? &cell : NULL, t);
	*at = t->next;
	log_reader_free(&r);
	return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int extend(struct log_file *f, uint64_t size, uint64_t n)
{
	int rc;

	/* contiguous blocks where possible, and no half-grown file when the disk is full */
	while (fallocate(f->fd, 0, (off_t)size, (off_t)n) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
			return -errno;
		break;
	}
	/* written, not merely allocated: an append then changes no metadata */
	rc = zero_range(f, size, size + n);
	if (rc)
		return rc;
	f->stats->fsyncs++;
	return fsync(f->fd) < 0 ? -errno : 0;
}

int log_file_reserve(struct log_file *f, uint64_t size, uint64_t end, uint64_t n)
{
	uint64_t least, chunk = size < LOGF_CHUNK_MIN ? LOGF_CHUNK_MIN - size : size;
	int rc;

	if (end + n <= size)
		return 0;
	least = (end + n - size + 4095) & ~UINT64_C(4095);
	if (chunk > LOGF_CHUNK_MAX)
		chunk = LOGF_CHUNK_MAX;
	if (chunk < least)
		chunk = least;
	rc = extend(f, size, chunk);
	/* a nearly full disk may still have room for this record */
	if ((rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG) && chunk > least)
		rc = extend(f, size, least);
	return rc;
}

int log_file_append(struct log_file *f, struct log_tail *t, const void *data, size_t n)
{
	static const char pad[LOGF_FRAME_ALIGN];
	uint64_t total = logf_frame_bytes(n);
	struct logf_frame h = {
		.magic = htole32(LOGF_FRAME_MAGIC),
		.len = htole32((uint32_t)n),
		.seq = htole64(t->next),
		.back = htole32(t->last ? (uint32_t)(t->end - t->last) : 0),
	};
	struct iovec v[3] = { { &h, sizeof(h) }, { (void *)data, n }, { (void *)pad, total - sizeof(h) - n } };
	struct log_tail now = { .next = t->next + 1, .end = t->end + total, .last = t->end };
	int rc;

	h.crc = htole32(frame_crc(f, &h, data, n));
	rc = pwritev_all(f, v, 3, t->end);
	if (!rc)
		rc = sync_data(f);
	if (!rc)
		rc = log_cell_write(f, &now);
	if (!rc) {
		*t = now;
		return 0;
	}
	/* the caller hears that it failed: it must not come back as a record. The cell first: what it counts must be there. */
	log_cell_write(f, t);
	if (zero_range(f, t->end, t->end + total) == 0)
		sync_data(f);
	return rc;
}

int log_file_copy(struct log_file *f, uint64_t off, struct log_file *src, uint64_t from, uint64_t n)
{
	__cleanup(mem_free_ptr) char *buf = mem_alloc(COPY_CHUNK);
	int rc = 0;

	while (!rc && n) {
		size_t want = n < COPY_CHUNK ? (size_t)n : COPY_CHUNK;
		ssize_t k = file_pread_all(src->fd, buf, want, from);

		if (k < 0)
			return (int)k;
		if ((size_t)k < want)
			return -EIO;
		rc = pwrite_all(f, buf, want, off);
		from += want;
		off += want;
		n -= want;
	}
	return rc;
}
