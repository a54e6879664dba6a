/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - a temporary file for what does not fit into memory: written once, read back through a mapping.
 *
 * The file has no name (it is unlinked before the first byte), so nothing is left of it when the process ends, however it ends. What
 * was written is page cache, not heap: the kernel may write it out and drop it. Writing reports a full disk; nothing is ever written
 * through a mapping.
 * Ownership: mappings live until scratch_close. Threading: one thread.
 */
#ifndef OMNIGRAPH_SCRATCH_H
#define OMNIGRAPH_SCRATCH_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

#define SCRATCH_FALLBACK_DIR "/var/tmp"

struct scratch {
	int fd;	      /* -1: not open */
	uint64_t end; /* bytes of the file */
};

#define SCRATCH_INIT ((struct scratch){ .fd = -1 })

/* In @dir, or in SCRATCH_FALLBACK_DIR where @dir is NULL or its file system has no unnamed files. ERR_IO names the directory. */
int scratch_open(struct scratch *s, const char *dir, struct err *e);
/* Append @n > 0 bytes and map them for reading. ERR_IO when the disk is full. */
int scratch_put(struct scratch *s, const void *data, size_t n, const void **map, struct err *e);
/* The pages of a mapping may leave this process until they are read again. */
void scratch_relax(const void *map, size_t n);
void scratch_unmap(const void *map, size_t n);
void scratch_close(struct scratch *s);

#endif
