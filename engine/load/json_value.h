/* SPDX-License-Identifier: MIT */
/*
 * json_value.h - one JSON value of a load to one typed property value (spec/schema.md 14.1, 14.2; engine.md 8.3).
 */
#ifndef ENGINE_LOAD_JSON_VALUE_H
#define ENGINE_LOAD_JSON_VALUE_H

#include <omnigraph/graph.h>

/*
 * Convert @v (NULL: the member is absent) for property @p. Strict input refuses a wrong JSON type; permissive input reads it as
 * null, which is an error for a required property. The value is copied into @a. ERR_BAD_REQUEST with the literal texts of the
 * chapter, ERR_BLOB_POLICY for an external blob URI, ERR_RESOURCE_LIMIT for a blob that is too large. Reentrant.
 */
int load_value(const struct prop *p, const struct json *v, enum load_shape shape, struct arena *a, struct val *out,
	       struct err *e);

/* @v as an error shows it: compact JSON in @a, cut short when it is long. */
const char *load_shown(struct arena *a, const struct json *v);

/*
 * True when @text is a spelling of the key value @v (of scalar @s): "007" of 7, "2024-01-01" of epoch day 19723 (schema.md 8).
 */
bool load_key_spelling(enum scalar s, const struct val *v, struct str text);

#endif
