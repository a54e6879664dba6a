/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>

#define READ_STEP (64u << 10)

/* Pipes and /proc files have no size: read until the end, not until st_size. */
static int read_all(int fd, const char *path, size_t max, struct strbuf *out, struct err *e)
{
	size_t start = out->n;

	for (;;) {
		ssize_t got;

		sb_grow(out, READ_STEP);
		got = read(fd, out->s + out->n, READ_STEP);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "cannot read '%s'", path);
		out->n += (size_t)got;
		out->s[out->n] = 0;
		if (!got)
			return 0;
		if (out->n - start > max)
			return err_set_rc(e, -EFBIG, ERR_IO, "cannot read '%s': larger than the limit of %zu bytes",
					  path, max);
	}
}

int file_read(const char *path, size_t max, struct strbuf *out, struct err *e)
{
	size_t start = out->n;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "cannot read '%s': no such file", path);
	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	rc = read_all(fd, path, max, out, e);
	close(fd);
	if (rc && out->s) {
		out->n = start;
		out->s[start] = 0;
	}
	return rc;
}
