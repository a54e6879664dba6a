/* SPDX-License-Identifier: MIT */
/* describe.h - kinds of values as the catalogue and lint report them (spec/query.md 14). Internal to engine/query. */
#ifndef ENGINE_QUERY_DESCRIBE_H
#define ENGINE_QUERY_DESCRIBE_H

#include "ast.h"

/* Members kind, item_kind (lists), vector_dim (vectors). @object: a node, whatever @t says. */
void describe_kind(struct json_writer *w, const struct prop_type *t, bool object);

#endif
