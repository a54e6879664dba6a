/* SPDX-License-Identifier: MIT */
/* txn_priv.h - a transaction's staged rows, and turning them into a commit. */
#ifndef ENGINE_STORE_TXN_PRIV_H
#define ENGINE_STORE_TXN_PRIV_H

#include <omnigraph/map.h>

#include "engine/store/graph_priv.h"
#include "engine/store/txn.h"

struct staged_row {
	struct row_image row; /* a deletion has only the id */
	enum staged_kind kind;
};

struct staged_type {
	struct spool *spool; /* borrowed; NULL: none */
	struct map index;    /* id -> position + 1 */
	struct staged_row *rows;
	size_t n, cap;
	uint64_t bytes; /* of the images that are staged now */
	bool truncated;
};

struct txn {
	struct graph *g;
	struct snapshot *base;
	struct arena arena;
	int64_t now_ms;
	bool limited, forced;
	char schema[SHA256_HEX_LEN + 1]; /* schema record the commit puts in force, "" for none */
	uint64_t bytes, max_bytes;
	uint32_t n_types;
	struct staged_type *types; /* by type index of the base's catalog */
};

void txn_begin(struct txn *t, struct graph *g, struct snapshot *base, int64_t now_ms, bool limited);
void txn_end(struct txn *t);

/*
 * Append the commit body (log_format.h) of what is staged to @out. Large types become segments, written here.
 * @c: the header, n_types is filled in. *changes: number of types changed; nothing is appended when it is 0 and the commit is
 * not forced.
 */
int txn_encode(struct txn *t, struct rec_commit *c, struct strbuf *out, size_t *changes, struct err *e);
/* Types that staging changes at all, without encoding. */
bool txn_has_effect(const struct txn *t);

#endif
