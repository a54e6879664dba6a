/* SPDX-License-Identifier: MIT */
/* http_conditions.h - entity tags and byte ranges of requests (RFC 9110 sections 8.8.3, 13 and 14, as spec/server.md 8.6 narrows them). Pure functions. */
#ifndef NET_HTTP_CONDITIONS_H
#define NET_HTTP_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <omnigraph/str.h>

enum tag_match { TAG_MALFORMED, TAG_DIFFERS, TAG_MATCHES };

/* Is the strong tag @tag (with its quotes) in a list of tags, or is the list "*"? @weak: W/"x" matches "x", too. */
enum tag_match tag_list_match(struct str list, struct str tag, bool weak);

enum range_result { RANGE_IGNORED, RANGE_GIVEN, RANGE_UNSATISFIABLE };

/*
 * One range of a value of @length bytes, half-open: "bytes=a-b", "bytes=a-", "bytes=-n". Anything else is ignored. An end behind the
 * value is cut, unless the whole range lies behind it: then *start and *end are as asked for.
 */
enum range_result range_parse(struct str value, uint64_t length, uint64_t *start, uint64_t *end);

#endif
