/* SPDX-License-Identifier: MIT */
#include <omnigraph/util.h>

#include "net/query_string.h"

#define PREFIX "Failed to deserialize query string: "

/* UTF-8 without NUL, copied to @a; or false. */
static bool take_text(struct arena *a, struct str s, struct str *out)
{
	if (!utf8_valid(s) || (s.n && memchr(s.s, 0, s.n)))
		return false;
	*out = arena_str(a, s);
	return true;
}

static bool decode(struct arena *a, struct str raw, bool plus, struct str *out)
{
	struct strbuf b = STRBUF_INIT;
	bool ok;

	/* most text has nothing to decode */
	if (!raw.n || (!memchr(raw.s, '%', raw.n) && !(plus && memchr(raw.s, '+', raw.n))))
		return take_text(a, raw, out);
	ok = percent_decode(&b, raw, plus) && take_text(a, sb_str(&b), out);
	sb_free(&b);
	return ok;
}

static struct query_param *find(struct query_param *params, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqz(name, params[i].name))
			return &params[i];
	return NULL;
}

static int split_pair(struct arena *a, struct str pair, struct str *name, struct str *value, struct err *e)
{
	const char *eq = memchr(pair.s, '=', pair.n);
	struct str raw_name = { pair.s, eq ? (size_t)(eq - pair.s) : pair.n };
	struct str raw_value = eq ? (struct str){ eq + 1, (size_t)(pair.s + pair.n - eq - 1) } : (struct str){ "", 0 };

	if (decode(a, raw_name, true, name) && decode(a, raw_value, true, value))
		return 0;
	return err_set(e, ERR_BAD_REQUEST, PREFIX "malformed percent-encoding or UTF-8 in a parameter");
}

/* The next pair of *raw that is not empty; false at the end. */
static bool next_pair(struct str *raw, struct str *pair)
{
	while (raw->n) {
		const char *amp = memchr(raw->s, '&', raw->n);

		*pair = (struct str){ raw->s, amp ? (size_t)(amp - raw->s) : raw->n };
		*raw = amp ? (struct str){ amp + 1, raw->n - pair->n - 1 } : (struct str){ "", 0 };
		if (pair->n)
			return true;
	}
	return false;
}

static int take_pair(struct arena *a, struct str pair, struct query_param *params, size_t n, struct err *e)
{
	struct str name, value;
	struct query_param *p;
	int rc = split_pair(a, pair, &name, &value, e);

	if (rc)
		return rc;
	p = find(params, n, name);
	if (!p)
		return 0;
	if (p->given)
		return err_set(e, ERR_BAD_REQUEST, PREFIX "duplicate field `%s`", p->name);
	p->given = true;
	p->value = value;
	return 0;
}

int query_string_parse(struct arena *a, struct str raw, struct query_param *params, size_t n, struct err *e)
{
	struct str pair;
	int rc = 0;

	while (!rc && next_pair(&raw, &pair))
		rc = take_pair(a, pair, params, n, e);
	return rc;
}

static int add_value(struct arena *a, struct query_list *lists, size_t n, struct str name, struct str value, size_t max,
		     struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct query_list *l = &lists[i];

		if (!str_eqz(name, l->name))
			continue;
		if (l->n && !l->repeats)
			return err_set(e, ERR_BAD_REQUEST, "query parameter '%s' may appear at most once", l->name);
		if (!l->values)
			l->values = arena_array(a, struct str, max);
		l->values[l->n++] = value;
		return 0;
	}
	return err_set(e, ERR_BAD_REQUEST, "unknown query parameter '%.*s'", STR_ARG(name));
}

int query_string_strict(struct arena *a, struct str raw, struct query_list *lists, size_t n, struct err *e)
{
	size_t max = raw.n / 2 + 1; /* a pair takes two bytes with its separator */
	struct str pair, name, value;
	int rc = 0;

	while (!rc && next_pair(&raw, &pair)) {
		rc = split_pair(a, pair, &name, &value, e);
		if (!rc)
			rc = add_value(a, lists, n, name, value, max, e);
	}
	return rc;
}

int path_segment_decode(struct arena *a, struct str raw, struct str *out, struct err *e)
{
	if (decode(a, raw, false, out))
		return 0;
	return err_set(e, ERR_BAD_REQUEST, "invalid URL: malformed percent-encoding or UTF-8 in path segment '%.*s'",
		       STR_ARG(raw));
}
