/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <omnigraph/scratch.h>

#define PAGE_ALIGN 65536u /* at least a page wherever we run */

/* For file systems without O_TMPFILE. */
static int open_named(const char *dir)
{
	struct strbuf path = STRBUF_INIT;
	int fd;

	sb_addf(&path, "%s/.omnigraph-XXXXXX", dir);
	fd = mkostemp(path.s, O_CLOEXEC);
	if (fd >= 0)
		unlink(path.s);
	sb_free(&path);
	return fd;
}

int scratch_open(struct scratch *s, const char *dir, struct err *e)
{
	*s = SCRATCH_INIT;
	if (dir)
		s->fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		s->fd = open_named(SCRATCH_FALLBACK_DIR);
	if (s->fd < 0)
		return err_sys(e, errno, "cannot make a temporary file in '%s' or '%s'; make one of them writable",
			       dir ? dir : "", SCRATCH_FALLBACK_DIR);
	return 0;
}

static int write_all(struct scratch *s, const char *data, size_t n, struct err *e)
{
	uint64_t at = s->end;

	while (n) {
		ssize_t put = pwrite(s->fd, data, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_sys(e, put ? errno : ENOSPC,
				       "cannot write a temporary file (%llu bytes so far); free disk space and repeat",
				       (unsigned long long)at);
		data += put;
		at += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

int scratch_put(struct scratch *s, const void *data, size_t n, const void **map, struct err *e)
{
	int rc = write_all(s, data, n, e);
	void *p;

	if (rc)
		return rc;
	p = mmap(NULL, n, PROT_READ, MAP_SHARED, s->fd, (off_t)s->end);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "cannot map a temporary file of %llu bytes", (unsigned long long)s->end + n);
	s->end = (s->end + n + PAGE_ALIGN - 1) / PAGE_ALIGN * PAGE_ALIGN;
	*map = p;
	return 0;
}

void scratch_relax(const void *map, size_t n)
{
	madvise((void *)(uintptr_t)map, n, MADV_DONTNEED);
}

void scratch_unmap(const void *map, size_t n)
{
	munmap((void *)(uintptr_t)map, n);
}

void scratch_close(struct scratch *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = SCRATCH_INIT;
}
