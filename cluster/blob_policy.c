/* SPDX-License-Identifier: MIT */
#include "cluster/blob_policy.h"

#include <ctype.h>
#include <sys/stat.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>

static int bad(struct err *e, const char *uri, const char *why)
{
	return err_set(e, ERR_BAD_REQUEST, "external blob base '%s' is not valid: %s", uri, why);
}

static bool forbidden_decoded(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.s[i] == '/' || s.s[i] == '\\' || s.s[i] == '%' || s.s[i] == 0)
			return true;
	return false;
}

/* One path component: decoded, checked, encoded again. */
static int add_component(struct strbuf *out, const char *uri, struct str comp, struct err *e)
{
	struct strbuf raw = STRBUF_INIT;
	int rc = 0;

	if (!comp.n)
		rc = bad(e, uri, "empty path component");
	else if (!percent_decode(&raw, comp, false))
		rc = bad(e, uri, "malformed percent escape");
	else if (str_eqz(sb_str(&raw), ".") || str_eqz(sb_str(&raw), ".."))
		rc = bad(e, uri, "component '.' or '..'");
	else if (forbidden_decoded(sb_str(&raw)))
		rc = bad(e, uri, "an escape decodes to '/', '\\', '%' or NUL");
	if (!rc) {
		percent_encode(out, sb_str(&raw));
		sb_addch(out, '/');
	}
	sb_free(&raw);
	return rc;
}

static int add_path(struct strbuf *out, const char *uri, struct str path, struct err *e)
{
	int rc = 0;

	while (!rc && path.n) {
		const char *slash = memchr(path.s, '/', path.n);
		size_t n = slash ? (size_t)(slash - path.s) : path.n;

		rc = add_component(out, uri, (struct str){ path.s, n }, e);
		path.s += n + (slash ? 1 : 0);
		path.n -= n + (slash ? 1 : 0);
	}
	return rc;
}

static bool is_directory(const char *normal)
{
	struct strbuf path = STRBUF_INIT;
	struct stat st;
	bool ok = percent_decode(&path, str_from(normal + 7), false) && stat(path.s, &st) == 0 && S_ISDIR(st.st_mode);

	sb_free(&path);
	return ok;
}

static int check_spelling(const char *uri, struct err *e)
{
	struct str v = str_from(uri);

	if (!v.n || str_trim(v).n != v.n)
		return bad(e, uri, "blank, or white space around it");
	if (v.n > LIMIT_BLOB_URI_BYTES)
		return bad(e, "<too long>", "longer than 65536 bytes");
	if (strpbrk(uri, "\\?# \t"))
		return bad(e, uri, "a backslash, blank, query or fragment is not allowed");
	return 0;
}

int blob_base_normalize(struct arena *a, const char *uri, bool server_safe, const char **out, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	struct str rest;
	const char *slash;
	bool file;
	int rc = check_spelling(uri, e);

	if (rc)
		return rc;
	if (strncasecmp(uri, "s3://", 5) && strncasecmp(uri, "file://", 7))
		return bad(e, uri, "the scheme must be s3 or file");
	file = (uri[0] | 32) == 'f';
	if (file && server_safe)
		return bad(e, uri, "server-safe external Blob base may not use file://");
	rest = str_from(uri + (file ? 7 : 5));
	slash = memchr(rest.s, '/', rest.n);
	if (file ? slash != rest.s : slash == rest.s || !rest.n)
		return bad(e, uri, file ? "a file URI has no host; write file:///path" : "the bucket is missing");
	sb_addz(&b, file ? "file://" : "s3://");
	while (rest.n && *rest.s != '/') {
		if (*rest.s == ':')
			rc = bad(e, uri, "a port is not allowed");
		else if (*rest.s == '@')
			rc = bad(e, uri, "user info is not allowed");
		sb_addch(&b, (char)tolower((unsigned char)*rest.s));
		rest.s++;
		rest.n--;
	}
	sb_addch(&b, '/');
	if (!rc && rest.n)
		rc = add_path(&b, uri, (struct str){ rest.s + 1, rest.n - 1 }, e);
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
