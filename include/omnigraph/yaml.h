/* SPDX-License-Identifier: MIT */
/*
 * yaml.h - YAML 1.1 documents as a tree with positions, over libyaml's event API.
 *
 * One document per text. An alias stands for the value of its anchor, which must be finished before it; the two share their children,
 * and the limits count every use. Merge keys (<<) are ordinary keys. Duplicate keys are kept in order; the caller decides what they mean.
 * Limits: YAML_BYTES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX. Ownership: the tree lives in the arena.
 */
#ifndef OMNIGRAPH_YAML_H
#define OMNIGRAPH_YAML_H

#include <omnigraph/err.h>
#include <omnigraph/json.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#define YAML_BYTES_MAX (4u << 20)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 200000

enum yaml_type { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml {
	enum yaml_type type;
	uint32_t line, column; /* 1-based position of the node */
	struct str text;       /* scalar */
	bool plain;	       /* scalar written without quotes: null, true, 42 have meaning only then */
	size_t n;
	struct yaml *keys;  /* YAML_MAP: n keys */
	struct yaml *items; /* YAML_MAP: n values; YAML_SEQ: n items */
};

/*
 * Parse @src. An empty document gives *out = NULL. Errors are ERR_BAD_REQUEST with line and column set
 * and named in the message ("line 3 column 7: did not find expected key").
 */
int yaml_parse(struct arena *a, struct str src, struct yaml **out, struct err *e);

/* First value of key @name in a map, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, const char *name);
/* Plain empty, ~ or null (any of null Null NULL), or a NULL pointer. */
bool yaml_is_null(const struct yaml *v);
/* Plain true/false (true True TRUE false False FALSE). */
bool yaml_to_bool(const struct yaml *v, bool *out);
bool yaml_to_u64(const struct yaml *v, uint64_t *out); /* plain decimal digits */
/* Convert to a JSON tree (plain scalars resolve to null, booleans, integers, floats; the rest are strings). */
struct json *yaml_to_json(struct arena *a, const struct yaml *v);

#endif
