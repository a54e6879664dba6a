/* SPDX-License-Identifier: MIT */
/*
 * validate.h - the rules of spec/engine.md 9 over the final image of a transaction.
 */
#ifndef ENGINE_STORE_VALIDATE_H
#define ENGINE_STORE_VALIDATE_H

#include "engine/store/txn.h"

enum violation_kind { VIOLATION_VALUE, VIOLATION_UNIQUE, VIOLATION_ENDPOINT, VIOLATION_CARD };

struct violation {
	enum violation_kind kind;
	const struct type *type;
	struct str entity_id; /* s is NULL when the violation names none (engine.md 11.4) */
	const char *message;  /* valid during the call */
};

/* Called for each violation in the order of engine.md 9; non-zero stops the check and is returned by txn_check. */
typedef int (*violation_fn)(void *arg, const struct violation *v);

/*
 * Check the final image of what @t stages against its base. 0 when every call of @report returned 0 (or none was made).
 * ERR_BAD_REQUEST for a pattern that does not compile or a tuple that has no key spelling.
 */
int txn_check(struct txn *t, violation_fn report, void *arg, struct err *e);

/* The value checks alone (range, pattern, enum), first violation only: what comes before any uniqueness. */
int txn_validate_values(struct txn *t, struct err *e);

/* "@unique violation on T.p: value 'v' held by 'a' and 'b'" for @row, whose tuple @u is held by @holder, appended. */
int unique_violation_text(const struct type *t, const struct tuple *u, const struct row_image *row, struct str holder,
			  struct strbuf *out, struct err *e);

#endif
