/* SPDX-License-Identifier: MIT */
/*
 * util.h - small shared services: time, dates, ULIDs, SHA-256, base64, number text, URIs.
 * All functions are pure or read only the clock and the kernel's random source; all are thread-safe.
 */
#ifndef OMNIGRAPH_UTIL_H
#define OMNIGRAPH_UTIL_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

/* --- time ------------------------------------------------------------------------------------ */

int64_t time_now_us(void); /* wall clock, microseconds since the epoch */
int64_t time_now_ms(void);
int64_t time_mono_us(void); /* monotonic */
/* "2026-03-01T09:00:00.123456Z" of a wall-clock microsecond value; @frac_digits 0, 3 or 6. @out >= 32 bytes. */
void time_format_us(char *out, int64_t us, int frac_digits);

/* Proleptic Gregorian day number (days since 1970-01-01). Howard Hinnant's civil algorithms. */
int64_t days_from_civil(int64_t y, unsigned m, unsigned d);
void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d);
bool civil_valid(int64_t y, unsigned m, unsigned d);

/*
 * Two grammars of date text. The load grammar (spec/schema.md 14.2) is for values of loads; the query
 * grammar (spec/query.md 5) for literals and parameters. False: not a date. Results are days / ms since the epoch.
 */
bool date_parse_load(struct str s, int32_t *days);
bool datetime_parse_load(struct str s, int64_t *ms);
bool date_parse_query(struct str s, int32_t *days);
bool datetime_parse_query(struct str s, int64_t *ms);
/* "YYYY-MM-DD" and "YYYY-MM-DDTHH:MM:SS.mmmZ"; years outside 0..9999 are signed. Return the length; @out >= 48. */
size_t date_format(char *out, int32_t days);
size_t datetime_format(char *out, int64_t ms);

/* --- identifiers ----------------------------------------------------------------------------- */

#define ULID_LEN 26
/*
 * New ULID, upper case, NUL-terminated: 48 bits of millisecond time, 80 random bits; within one thread and
 * one millisecond the random part is incremented, so ids of a thread ascend.
 */
void ulid_new(char out[ULID_LEN + 1]);
bool ulid_valid(struct str s); /* canonical upper-case spelling */

/* --- digests and encodings ------------------------------------------------------------------- */

#define SHA256_LEN 32
#define SHA256_HEX_LEN 64
void sha256(const void *data, size_t n, uint8_t out[SHA256_LEN]);
void sha256_hex(const void *data, size_t n, char out[SHA256_HEX_LEN + 1]);
struct sha256_ctx; /* streaming */
struct sha256_ctx *sha256_new(void);
void sha256_update(struct sha256_ctx *c, const void *data, size_t n);
void sha256_final(struct sha256_ctx *c, uint8_t out[SHA256_LEN]); /* frees @c */
void hex_encode(char *out, const void *data, size_t n);		  /* 2n characters and a NUL, lower case */
/* Equal content, in time that depends only on @n. */
bool mem_equal_ct(const void *a, const void *b, size_t n);

/* Standard alphabet with padding. */
void base64_encode(struct strbuf *out, const void *data, size_t n);
/* Strict: standard alphabet, padded, no white space. Appends to @out; false on bad input. */
bool base64_decode(struct strbuf *out, struct str s);
/* URL-safe alphabet, no padding. */
void base64url_encode(struct strbuf *out, const void *data, size_t n);
bool base64url_decode(struct strbuf *out, struct str s);

/* --- numbers as text ------------------------------------------------------------------------- */

/*
 * Shortest decimal that reads back as @v. fmt_f64: JSON form of spec/engine.md 3.4 (integral values keep ".0",
 * plain notation for 1e-5 <= |v| < 1e16, else 1e16, 1.5e-7). fmt_key_f64 / fmt_key_f32: key spelling of spec/schema.md 8
 * (positional, no exponent, no ".0", both zeros "0"; shortest at the given width). Finite input only.
 * Return the length; fmt_f64 needs 32 bytes, the key forms 400.
 */
size_t fmt_f64(char *out, double v);
size_t fmt_key_f64(char *out, double v);
size_t fmt_key_f32(char *out, float v);
/* A JSON/GQ number text to double, locale-independent. False when it is malformed. */
bool parse_f64(struct str s, double *out);

/* --- URIs and percent-encoding --------------------------------------------------------------- */

/* Percent-decode into @out; @plus: '+' is a space. False on a malformed escape. */
bool percent_decode(struct strbuf *out, struct str s, bool plus);
/* Percent-encode everything but unreserved characters (RFC 3986: A-Z a-z 0-9 - . _ ~). */
void percent_encode(struct strbuf *out, struct str s);
/* Absolute, lexically normalised path (no "." or "..", no double or trailing slash); relative to the working directory. */
char *path_absolute(const char *path);

/* --- files (local configuration and tools; stored data goes through store.h) -------------------- */

/* Read a whole file of at most @max bytes. ERR_IO names the path; ERR_NOT_FOUND when it is absent (-ENOENT). */
int file_read(const char *path, size_t max, struct strbuf *out, struct err *e);

#endif
