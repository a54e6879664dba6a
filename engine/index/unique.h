/* SPDX-License-Identifier: MIT */
/*
 * unique.h - who holds a unique value: tuples, their comparison keys, and the look-up in committed rows.
 */
#ifndef ENGINE_INDEX_UNIQUE_H
#define ENGINE_INDEX_UNIQUE_H

#include "engine/store/snapshot.h"

struct str tuple_member_name(const struct type *t, uint32_t member);
struct val tuple_member_value(const struct row_image *row, uint32_t member);

/*
 * Comparison key of a row's tuple: length-prefixed key spellings, so ("x|y","z") and ("x","y|z") differ. *exempt: some member is
 * null. ERR_BAD_REQUEST when a member has no key spelling (spec/engine.md 3.2).
 */
int tuple_key(const struct type *t, const struct tuple *u, const struct row_image *row, struct strbuf *out,
	      bool *exempt, struct err *e);

/*
 * Call @fn with the id of every visible row of @t whose unique tuple @which has comparison key @key, until it returns non-zero,
 * which is returned. 0 when none did; negative errno on failure.
 */
int unique_find(struct snapshot *s, const struct type *t, uint32_t which, struct str key,
		int (*fn)(void *arg, struct str id), void *arg, struct err *e);

#endif
