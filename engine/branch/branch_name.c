/* SPDX-License-Identifier: MIT */
/* Branch names: spec/engine.md 5.1. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <string.h>

#include <omnigraph/graph.h>
#include <omnigraph/limits.h>
#include <omnigraph/mem.h>

#define INTERNAL_REF "__schema_apply_lock__"

static int invalid(struct str name, const char *why, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "invalid branch name '%.*s': %s", STR_ARG(name), why);
}

static bool name_char(uint32_t cp)
{
	return utf8_is_alphanumeric(cp) || cp == '.' || cp == '-' || cp == '_' || cp == '/';
}

static bool contains(struct str s, const char *part)
{
	return memmem(s.s, s.n, part, strlen(part)) != NULL;
}

static const char *fault(struct str n)
{
	if (n.n > LIMIT_BRANCH_NAME_BYTES)
		return "it is longer than 512 bytes";
	if (!utf8_valid(n))
		return "it is not valid UTF-8";
	if (n.s[0] == '/' || n.s[n.n - 1] == '/')
		return "it must not begin or end with '/'";
	if (contains(n, "//"))
		return "it must not contain '//'";
	if (contains(n, ".."))
		return "it must not contain '..'";
	if (contains(n, "\\"))
		return "it must not contain '\\'";
	if (str_ends(n, STR(".lock")))
		return "it must not end in '.lock'";
	for (const char *p = n.s, *end = n.s + n.n; p < end;) {
		if (!name_char(utf8_next(&p, end)))
			return "only letters, digits, '.', '-', '_' and '/' are allowed";
	}
	return NULL;
}

static bool is_internal(struct str n)
{
	while (n.n && n.s[0] == '/') {
		n.s++;
		n.n--;
	}
	return str_eqz(n, INTERNAL_REF);
}

int branch_name_check(const char *name, const char *op, char **out, struct err *e)
{
	struct str n = str_trim(str_from(name));
	const char *why;

	if (!n.n)
		return err_set(e, ERR_BAD_REQUEST, "branch name cannot be empty");
	if (is_internal(n))
		return err_set(e, ERR_BAD_REQUEST, "%s does not allow internal system ref '%.*s'", op, STR_ARG(n));
	why = fault(n);
	if (why)
		return invalid(n, why, e);
	*out = str_dup(n);
	return 0;
}
