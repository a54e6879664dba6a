/* SPDX-License-Identifier: MIT */
/*
 * derived.h - hash indexes over anything computed from a row: unique tuples, equality look-ups.
 *
 * An index is built at its first use, per segment (kept with the segment, shared by all states and branches that hold it) and, for
 * the rows of small commits, incrementally. So a look-up costs the same however many rows there are, and what nobody looks up
 * costs nothing. An index never changes an answer: it only proposes rows.
 *
 * An index is named by an id that the caller computes from stable identities (property ids), so that it stays right when a
 * property is renamed. The key function must depend on the row's values alone.
 * Threading: any number of threads.
 */
#ifndef ENGINE_STORE_DERIVED_H
#define ENGINE_STORE_DERIVED_H

#include "engine/store/snapshot.h"

/* The row's key, appended to @out (empty at the call). False: the row is not in the index. */
typedef bool (*derived_key_fn)(const struct snapshot *s, const struct type *t, rowref r, void *arg, struct strbuf *out);

/*
 * Rows of @t visible at @s whose key is @key, in unspecified order. @fn returns non-zero to stop; that is returned. Negative errno
 * with @e filled when a segment is damaged.
 */
int derived_find(const struct snapshot *s, const struct type *t, uint64_t index_id, derived_key_fn key_of,
		 void *key_arg, struct str key, int (*fn)(void *arg, rowref r), void *arg, struct err *e);

/* An id for an index over these numbers (property ids, ...) and a purpose. */
uint64_t derived_id(const char *purpose, const uint64_t *numbers, size_t n);

#endif
