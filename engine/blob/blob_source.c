/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#include "engine/blob/blob_source.h"

#define SHOWN_MAX 1024 /* of a URI in a message */

int blob_refused(const char *uri, const char *why, struct err *e)
{
	bool cut = strlen(uri) > SHOWN_MAX;

	return err_set(e, ERR_BLOB_POLICY, "external blob URI '%.*s%s' is not allowed: %s", SHOWN_MAX, uri,
		       cut ? "…" : "", why);
}

static int unavailable(const struct blob_source *b, const char *reason, struct err *e)
{
	int rc = err_set(e, ERR_BLOB_SOURCE, "external blob source '%s' is unavailable: %s", b->uri, reason);

	err_detail(e, "uri", b->uri);
	err_detail(e, "reason", reason);
	return rc;
}

/* --- files -------------------------------------------------------------------------------------------------------------- */

/* The directory a base names, links resolved, ends with '/'. NULL: it is gone. */
static char *real_base(const char *base)
{
	struct strbuf path = STRBUF_INIT, out = STRBUF_INIT;
	char *real = NULL;

	if (percent_decode(&path, str_from(base + strlen("file://")), false))
		real = realpath(path.s, NULL);
	if (real)
		sb_addf(&out, "%s/", strcmp(real, "/") ? real : "");
	free(real);
	sb_free(&path);
	return out.n ? sb_detach(&out) : NULL;
}

static int probe_file(struct blob_source *b, const char *base, struct err *e)
{
	char *real = realpath(b->path.s, NULL), *below = real ? real_base(base) : NULL;
	struct stat st;
	int rc = 0;

	if (!real)
		rc = unavailable(b, strerror(errno), e);
	else if (!below || strncmp(real, below, strlen(below)))
		rc = blob_refused(b->uri, "canonical target escapes its configured external Blob base", e);
	else if (stat(real, &st) < 0)
		rc = unavailable(b, strerror(errno), e);
	else if (!S_ISREG(st.st_mode))
		rc = unavailable(b, "it is not a regular file", e);
	if (!rc) {
		b->size = (uint64_t)st.st_size;
		sb_reset(&b->path);
		sb_addz(&b->path, real);
	}
	free(real);
	free(below);
	return rc;
}

/* --- S3 ----------------------------------------------------------------------------------------------------------------- */

static int probe_object(struct blob_source *b, struct err *e)
{
	const char *bucket = b->uri + strlen("s3://"), *slash = strchr(bucket, '/');
	struct store_stat st;
	struct err why = ERR_INIT;
	char *root = NULL;
	int rc;

	if (asprintf(&root, "s3://%.*s", (int)(slash - bucket), bucket) < 0)
		abort();
	rc = store_open(root, NULL, &b->s, &why);
	free(root);
	if (!rc)
		rc = store_head(b->s, b->path.s, &st, &why);
	if (rc)
		rc = unavailable(b, rc == -ENOENT ? "there is no such object" : err_msg(&why), e);
	else
		b->size = st.size;
	err_clear(&why);
	return rc;
}

/* --- both --------------------------------------------------------------------------------------------------------------- */

int blob_source_probe(struct blob_source *b, const char *uri, const char *base, struct err *e)
{
	bool file = !strncmp(uri, "file://", 7);
	const char *path = file ? uri + 7 : strchr(uri + 5, '/') + 1;

	*b = (struct blob_source){ .uri = uri };
	if (!percent_decode(&b->path, str_from(path), false) || !b->path.n)
		return unavailable(b, "it names no object", e);
	return file ? probe_file(b, base, e) : probe_object(b, e);
}

int blob_source_read(struct blob_source *b, struct strbuf *out, struct err *e)
{
	struct store_object o;
	struct err why = ERR_INIT;
	int rc;

	if (!b->s) {
		rc = file_read(b->path.s, (size_t)b->size, out, &why);
	} else {
		rc = store_get(b->s, b->path.s, b->size, &o, &why);
		if (!rc)
			sb_add(out, o.data, o.n);
		if (!rc)
			store_object_free(&o);
	}
	if (rc)
		rc = unavailable(b, err_msg(&why), e);
	err_clear(&why);
	return rc;
}

void blob_source_close(struct blob_source *b)
{
	if (b->s)
		store_close(b->s);
	sb_free(&b->path);
	*b = (struct blob_source){ 0 };
}
