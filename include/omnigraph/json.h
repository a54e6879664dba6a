/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON (RFC 8259) in and out. Parsing is yajl's; the tree and the limits are ours.
 *
 * Numbers keep their source text, so that 64-bit integers and decimals are converted once, by the
 * code that knows the target type. Strings are decoded UTF-8, may contain NUL (use n).
 * Ownership: the tree lives in the arena given to json_parse. Threading: a parsed tree is immutable.
 */
#ifndef OMNIGRAPH_JSON_H
#define OMNIGRAPH_JSON_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool boolean;
	bool is_int;	    /* JSON_NUMBER: text has no '.', 'e' or 'E' */
	struct str text;    /* JSON_STRING: decoded; JSON_NUMBER: source text */
	size_t n;	    /* JSON_ARRAY, JSON_OBJECT: children */
	struct json *items; /* JSON_ARRAY: n values; JSON_OBJECT: n member values */
	struct str *keys;   /* JSON_OBJECT: n member names, parallel to items, source order */
};

struct json_opts {
	uint32_t max_depth;	/* 0: JSON_DEPTH_DEFAULT */
	bool reject_duplicates; /* else: all members are kept; json_get returns the last */
};

#define JSON_DEPTH_DEFAULT 128

/*
 * Parse one JSON text that fills @src apart from white space. Errors are ERR_BAD_REQUEST with the
 * bare detail (no prefix): e.g. "unexpected end of input at line 1 column 5", "duplicate JSON member 'a'",
 * "nesting deeper than 128", "trailing characters after the JSON value".
 */
int json_parse(struct arena *a, struct str src, const struct json_opts *opts, struct json **out, struct err *e);

/*
 * Parse the next JSON value of a stream of values separated by white space, starting at *pos; on success
 * *pos is just behind it. *out is NULL when only white space is left.
 */
int json_parse_next(struct arena *a, struct str src, size_t *pos, const struct json_opts *opts, struct json **out,
		    struct err *e);

/* Member of an object (the last of that name), NULL when absent or not an object. */
const struct json *json_get(const struct json *obj, const char *name);
/* The same, NULL also when the member is JSON null. */
const struct json *json_get_nonnull(const struct json *obj, const char *name);
/* "null", "boolean", "number", "string", "array", "object" */
const char *json_kind(const struct json *v);

/* Number conversions; false when out of range or not of that form. */
bool json_to_i64(const struct json *v, int64_t *out); /* needs is_int */
bool json_to_u64(const struct json *v, uint64_t *out);
bool json_to_f64(const struct json *v, double *out); /* any number; false when it overflows to infinity */

/*
 * Writing. A struct json_writer appends to a strbuf and takes care of commas, and of white space when
 * pretty (two-space indent, "key": value; empty containers as {} and []). Nesting up to JSON_WRITE_DEPTH.
 */
#define JSON_WRITE_DEPTH 200

struct json_writer {
	struct strbuf *out;
	bool pretty;
	uint16_t depth;
	bool after_key;
	uint8_t count[JSON_WRITE_DEPTH]; /* private: 0 empty, 1 has members */
};

void jw_init(struct json_writer *w, struct strbuf *out, bool pretty);
void jw_begin_object(struct json_writer *w);
void jw_end_object(struct json_writer *w);
void jw_begin_array(struct json_writer *w);
void jw_end_array(struct json_writer *w);
void jw_key(struct json_writer *w, struct str name);
void jw_keyz(struct json_writer *w, const char *name);
void jw_str(struct json_writer *w, struct str s);
void jw_strz(struct json_writer *w, const char *z); /* NULL writes null */
void jw_i64(struct json_writer *w, int64_t v);
void jw_u64(struct json_writer *w, uint64_t v);
void jw_f64(struct json_writer *w, double v); /* spec/engine.md 3.4; non-finite as "NaN" "Infinity" "-Infinity" */
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_raw(struct json_writer *w, struct str json);	    /* one complete, compact JSON value */
void jw_value(struct json_writer *w, const struct json *v); /* re-serialise a parsed value */
/* key and value in one call */
void jw_kstr(struct json_writer *w, const char *key, struct str s);
void jw_kstrz(struct json_writer *w, const char *key, const char *z);
void jw_ku64(struct json_writer *w, const char *key, uint64_t v);
void jw_ki64(struct json_writer *w, const char *key, int64_t v);
void jw_kbool(struct json_writer *w, const char *key, bool v);
void jw_knull(struct json_writer *w, const char *key);

/* Append a quoted JSON string: only '"', '\\' and control characters are escaped (\b \t \n \f \r, else \u00xx lower case). */
void json_quote(struct strbuf *out, struct str s);

/* Compact text of a parsed value, numbers as in the source. */
void json_compact(struct strbuf *out, const struct json *v);

#endif
