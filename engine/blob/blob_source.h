/* SPDX-License-Identifier: MIT */
/*
 * blob_source.h - what an external URI points at: a file, or an object of an S3 bucket. Internal to the engine.
 *
 * Contacted while a write is prepared, never while one is read. One thread.
 */
#ifndef ENGINE_BLOB_SOURCE_H
#define ENGINE_BLOB_SOURCE_H

#include <omnigraph/blob.h>
#include <omnigraph/store.h>

struct blob_source {
	const char *uri;    /* canonical */
	struct store *s;    /* s3: the bucket */
	struct strbuf path; /* the file, or the key in the bucket; decoded */
	uint64_t size;
};

/*
 * Look at the source: it must be there, and a file must lie below @base, symbolic links resolved. Its size is known afterwards.
 * ERR_BLOB_SOURCE (details uri, reason), ERR_BLOB_POLICY. blob_source_close() in every case.
 */
int blob_source_probe(struct blob_source *b, const char *uri, const char *base, struct err *e);
/* All of it, at most what the probe said, appended to @out. */
int blob_source_read(struct blob_source *b, struct strbuf *out, struct err *e);
void blob_source_close(struct blob_source *b);

/* "external blob URI '<uri>' is not allowed: <why>" */
int blob_refused(const char *uri, const char *why, struct err *e);

#endif
