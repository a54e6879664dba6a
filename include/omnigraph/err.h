/* SPDX-License-Identifier: MIT */
/*
 * err.h - how a function says what went wrong.
 *
 * A function that can fail returns 0 or a negative errno value and, on failure, fills the caller's
 * `struct err`. The errno value is for the calling code (-ENOENT, -EEXIST, -EAGAIN, ...); the code
 * and the message are for the user, who must learn what was wrong, where, and what to do next.
 *
 * Ownership: the message and the details belong to the struct err; err_clear() frees them. A struct
 * err starts as ERR_INIT (all zero) and may be reused after err_clear(). Passing NULL where a
 * struct err * is expected discards the text.
 * Threading: a struct err belongs to one thread at a time.
 * Limits: messages are cut at ERR_MESSAGE_MAX bytes, at a UTF-8 character boundary.
 */
#ifndef OMNIGRAPH_ERR_H
#define OMNIGRAPH_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERR_MESSAGE_MAX 65536
#define ERR_DETAILS_MAX 6

/* The kinds of spec/engine.md section 19; err.c maps each to an HTTP status, a wire code and errno. */
enum err_code {
	ERR_NONE = 0,
	ERR_BAD_REQUEST, /* malformed request, validation */
	ERR_PARSE,	 /* schema or query text: syntax; has a position */
	ERR_TYPE,	 /* query type check, schema catalog */
	ERR_QUERY,	 /* evaluation failed on valid input */
	ERR_NOT_FOUND,
	ERR_CONFLICT, /* state forbids it */
	ERR_ALREADY_INITIALIZED,
	ERR_MERGE_CONFLICTS,
	ERR_KEY_CONFLICT,     /* details: entity_kind, type_name, entity_id? */
	ERR_READ_SET_CHANGED, /* details: member, expected?, actual? */
	ERR_RETRYABLE_CONFLICT,
	ERR_COMMIT_HAS_NO_PARENT, /* details: graph_commit_id */
	ERR_SCHEMA_BOUNDARY,	  /* details: graph_commit_id, type_name */
	ERR_CHANGE_FEED_GAP,
	ERR_PRECONDITION,   /* details: expected, actual? */
	ERR_RESOURCE_LIMIT, /* details: resource, limit, actual (decimal) */
	ERR_BLOB_RANGE,	    /* details: start, end, length (decimal) */
	ERR_CURSOR_REJECTED,
	ERR_BLOB_POLICY,
	ERR_BLOB_SOURCE, /* details: uri, reason */
	ERR_UNAUTHORIZED,
	ERR_POLICY,
	ERR_TOO_MANY_REQUESTS,
	ERR_HISTORY_RECLAIMED,
	ERR_INIT_INDETERMINATE,
	ERR_BLOB_INTEGRITY,
	ERR_STORAGE,
	ERR_IO,
	ERR_UNSUPPORTED, /* left out of this build, or not there yet: says so */
	ERR_INTERNAL,
	ERR_CODE_COUNT
};

struct err_detail {
	const char *name; /* string literal, never freed */
	char *value;	  /* NULL: the detail is present and null */
};

struct err {
	enum err_code code;
	char *msg;		       /* NULL only while code is ERR_NONE */
	uint32_t line, column;	       /* 1-based; 0 when the error has no position */
	uint32_t span_start, span_end; /* byte span in the source; equal when there is none */
	uint32_t n_details;
	struct err_detail details[ERR_DETAILS_MAX];
};

#define ERR_INIT ((struct err){ 0 })

/*
 * Replace the content of @e with @code and a formatted message. Returns the negative errno that
 * belongs to @code (see err_errno), so that a caller can write `return err_set(e, ERR_..., ...)`.
 */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_set with the arguments as a va_list, for functions that take a format themselves. */
int err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* As err_set, but returns @rc (negative), for callers that promise a particular errno value. */
int err_set_rc(struct err *e, int rc, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ERR_IO (or ERR_STORAGE) from a system call: "<fmt>: <strerror(errno_value)>". Returns -errno_value. */
int err_sys(struct err *e, int errno_value, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "<prefix>" in front of the message. Keeps code, position and details. */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Attach a detail. @name must be a literal; @value is copied, NULL allowed. Ignored beyond ERR_DETAILS_MAX. */
void err_detail(struct err *e, const char *name, const char *value);
void err_detail_u64(struct err *e, const char *name, uint64_t value);

/* The value of a detail, or NULL when it is absent or null. */
const char *err_get_detail(const struct err *e, const char *name);
bool err_has_detail(const struct err *e, const char *name);

/* Set the position of an error already set. */
void err_position(struct err *e, uint32_t line, uint32_t column, uint32_t span_start, uint32_t span_end);

/* Move *src to *dst (dst is cleared first); *src becomes ERR_INIT. */
void err_move(struct err *dst, struct err *src);

void err_clear(struct err *e);

/* "" when nothing is set; never NULL. */
const char *err_msg(const struct err *e);

/* The one table of codes: HTTP status; wire `code` word or NULL where the contract omits it; errno value (> 0). */
int err_http_status(enum err_code code);
const char *err_wire_code(enum err_code code);
int err_errno(enum err_code code);

#endif
