/* SPDX-License-Identifier: MIT */
/*
 * body.h - JSON request bodies: content type, syntax, shape (spec/server.md 4.4).
 *
 * A route lists its fields; body_decode finds them in the body. An optional field that is null equals an absent one; an
 * alias counts as the same field. Unknown fields are ignored unless the rules say otherwise.
 */
#ifndef NET_BODY_H
#define NET_BODY_H

#include "net/server.h"

enum field_type { FIELD_STRING, FIELD_BOOL, FIELD_ANY, FIELD_STRINGS, FIELD_ENUM };

struct field {
	const char *name, *alias; /* alias may be NULL */
	enum field_type type;
	bool required;
	const char *const *values; /* FIELD_ENUM, NULL-terminated */
	const struct json *value;  /* result: NULL when absent or null */
};

struct body_rules {
	const char *syntax; /* in front of the parser's detail */
	const char *shape;  /* in front of the shape's detail */
	unsigned shape_status;
	bool strict;	    /* unknown fields are refused */
	bool may_be_absent; /* an empty body or null is {} */
};

extern const struct body_rules body_rules_default;

bool content_type_is_json(struct str value);
/* The media type before ';', in any case. */
bool content_type_is(struct str value, struct str media_type);

/* Stage 6. 0, or the request's refusal. @rules NULL: the default ones. */
int body_decode(struct request *r, struct field *fields, size_t n, const struct body_rules *rules);

/* NUL-terminated copy of a string field, or @dflt when it is absent. */
const char *field_text(struct request *r, const struct field *f, const char *dflt);

/*
 * A branch name as every surface sees it: trimmed; 400 "branch name cannot be empty" when nothing is left. @raw NULL gives @dflt.
 */
int branch_text(struct request *r, const struct str *raw, const char *dflt, const char **out);
int branch_field(struct request *r, const struct field *f, const char *dflt, const char **out);

#endif
