/* SPDX-License-Identifier: MIT */
/* One spelling of an external URI (spec/engine.md 14.3): RFC 3986 with host in lower case and minimal escapes. */
#include <ctype.h>
#include <strings.h>

#include <omnigraph/blob.h>
#include <omnigraph/limits.h>
#include <omnigraph/util.h>

static bool forbidden_decoded(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.s[i] == '/' || s.s[i] == '\\' || s.s[i] == '%' || s.s[i] == 0)
			return true;
	return false;
}

/* One path component: decoded, checked, encoded again. NULL, or what is wrong. */
static const char *add_component(struct strbuf *out, struct str comp)
{
	struct strbuf raw = STRBUF_INIT;
	const char *why = NULL;

	if (!comp.n)
		why = "empty path component";
	else if (!percent_decode(&raw, comp, false))
		why = "malformed percent escape";
	else if (str_eqz(sb_str(&raw), ".") || str_eqz(sb_str(&raw), ".."))
		why = "component '.' or '..'";
	else if (forbidden_decoded(sb_str(&raw)))
		why = "an escape decodes to '/', '\\', '%' or NUL";
	else
		percent_encode(out, sb_str(&raw));
	sb_free(&raw);
	return why;
}

/* Components with slashes between them; a slash at the end stays. */
static const char *add_path(struct strbuf *out, struct str path)
{
	const char *why = NULL;

	while (!why && path.n) {
		const char *slash = memchr(path.s, '/', path.n);
		size_t n = slash ? (size_t)(slash - path.s) : path.n;

		why = add_component(out, (struct str){ path.s, n });
		if (slash)
			sb_addch(out, '/');
		path.s += n + (slash ? 1 : 0);
		path.n -= n + (slash ? 1 : 0);
	}
	return why;
}

static const char *check_spelling(struct str uri)
{
	if (!uri.n || str_trim(uri).n != uri.n)
		return "blank, or white space around it";
	if (uri.n > LIMIT_BLOB_URI_BYTES)
		return "longer than 65536 bytes";
	for (size_t i = 0; i < uri.n; i++)
		if ((unsigned char)uri.s[i] <= ' ' || strchr("\\?#\x7f", uri.s[i]))
			return "a backslash, white space, query or fragment is not allowed";
	return NULL;
}

static const char *add_host(struct strbuf *out, struct str *rest)
{
	while (rest->n && *rest->s != '/') {
		if (*rest->s == ':')
			return "a port is not allowed";
		if (*rest->s == '@')
			return "user info is not allowed";
		if (*rest->s == '%')
			return "an escape in the host is not allowed";
		sb_addch(out, (char)tolower((unsigned char)*rest->s));
		rest->s++;
		rest->n--;
	}
	return NULL;
}

bool blob_uri_canonical(struct str uri, struct strbuf *out, const char **why)
{
	bool file = uri.n > 7 && !strncasecmp(uri.s, "file://", 7);
	struct str rest = { uri.s + (file ? 7 : 5), uri.n - (file ? 7 : 5) };
	size_t host;

	*why = check_spelling(uri);
	if (!*why && !file && (uri.n <= 5 || strncasecmp(uri.s, "s3://", 5)))
		*why = "the scheme must be s3 or file";
	if (*why)
		return false;
	sb_addz(out, file ? "file://" : "s3://");
	host = out->n;
	*why = add_host(out, &rest);
	if (!*why && file && out->n != host)
		*why = "a file URI has no host; write file:///path";
	if (!*why && !file && out->n == host)
		*why = "the bucket is missing";
	sb_addch(out, '/');
	if (!*why && rest.n)
		*why = add_path(out, (struct str){ rest.s + 1, rest.n - 1 });
	return !*why;
}
