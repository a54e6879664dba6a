/* SPDX-License-Identifier: MIT */
#include "cluster/blob_policy.h"

#include <sys/stat.h>

#include <omnigraph/blob.h>
#include <omnigraph/limits.h>
#include <omnigraph/util.h>

static int bad(struct err *e, const char *uri, const char *why)
{
	return err_set(e, ERR_BAD_REQUEST, "external blob base '%s' is not valid: %s", uri, why);
}

static bool is_directory(const char *normal)
{
	struct strbuf path = STRBUF_INIT;
	struct stat st;
	bool ok = percent_decode(&path, str_from(normal + 7), false) && stat(path.s, &st) == 0 && S_ISDIR(st.st_mode);

	sb_free(&path);
	return ok;
}

int blob_base_normalize(struct arena *a, const char *uri, bool server_safe, const char **out, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	const char *why;
	bool file;
	int rc = 0;

	if (strlen(uri) > LIMIT_BLOB_URI_BYTES)
		return bad(e, "<too long>", "longer than 65536 bytes");
	if (!blob_uri_canonical(str_from(uri), &b, &why))
		rc = bad(e, uri, why);
	if (!rc && b.s[b.n - 1] != '/')
		sb_addch(&b, '/');
	file = !rc && !strncmp(b.s, "file:", 5);
	if (file && server_safe)
		rc = bad(e, uri, "server-safe external Blob base may not use file://");
	if (!rc && file && !is_directory(b.s))
		rc = bad(e, uri, "it is not an existing directory");
	if (!rc)
		*out = arena_str(a, sb_str(&b)).s;
	sb_free(&b);
	return rc;
}

const char *blob_base_resolve(struct arena *a, const char *base)
{
	struct strbuf path = STRBUF_INIT;
	const char *out = base;
	char *real = NULL;

	if (!strncmp(base, "file://", 7) && percent_decode(&path, str_from(base + 7), false))
		real = realpath(path.s, NULL);
	if (real)
		out = arena_printf(a, "file://%s/", strcmp(real, "/") ? real : "");
	free(real);
	sb_free(&path);
	return out;
}

bool blob_bases_overlap(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	return strncmp(a, b, na < nb ? na : nb) == 0;
}
