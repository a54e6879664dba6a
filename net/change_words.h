/* SPDX-License-Identifier: MIT */
/* change_words.h - the kinds and operations of a change filter as clients spell them (spec/server.md 8.21). */
#ifndef NET_CHANGE_WORDS_H
#define NET_CHANGE_WORDS_H

#include "net/query_string.h"

/* Add the words of @l to a set of omnigraph/changes.h. ERR_BAD_REQUEST: "unknown kind 'x' (expected node | edge)". */
int change_kinds(const struct query_list *l, unsigned *out, struct err *e);
int change_ops(const struct query_list *l, unsigned *out, struct err *e);

#endif
