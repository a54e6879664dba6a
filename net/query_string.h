/* SPDX-License-Identifier: MIT */
/*
 * query_string.h - form-urlencoded parameters of a request target (spec/server.md 4.3).
 *
 * Ordinary routes ignore unknown parameters and refuse a repeated known one. Values are decoded into the arena.
 */
#ifndef NET_QUERY_STRING_H
#define NET_QUERY_STRING_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

struct query_param {
	const char *name;
	struct str value;
	bool given;
};

/* ERR_BAD_REQUEST: "Failed to deserialize query string: <detail>". */
int query_string_parse(struct arena *a, struct str raw, struct query_param *params, size_t n, struct err *e);

struct query_list {
	const char *name;
	bool repeats; /* else at most once */
	size_t n;
	struct str *values; /* in the arena */
};

/* The strict form of spec/server.md 8.21. ERR_BAD_REQUEST: a parameter that is not in the list, or twice. */
int query_string_strict(struct arena *a, struct str raw, struct query_list *lists, size_t n, struct err *e);

/* A percent-encoded path segment (spec/server.md 4.2). */
int path_segment_decode(struct arena *a, struct str raw, struct str *out, struct err *e);

#endif
