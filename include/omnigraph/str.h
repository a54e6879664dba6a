/* SPDX-License-Identifier: MIT */
/*
 * str.h - string slices and growable strings.
 *
 * `struct str` points at bytes owned by somebody else and need not be NUL-terminated. `struct strbuf`
 * owns a growable, always NUL-terminated buffer. Text is UTF-8; nothing here depends on a locale.
 * Allocation: sizes are bounded by the callers' input limits; a failed allocation aborts the process
 * (see mem.h). Threading: one thread per object.
 */
#ifndef OMNIGRAPH_STR_H
#define OMNIGRAPH_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *s;
	size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
/* for printf("%.*s", STR_ARG(x)) */
#define STR_ARG(x) (int)(x).n, (x).s

static inline struct str str_from(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static inline bool str_eqz(struct str a, const char *z)
{
	return str_eq(a, str_from(z));
}

/* Bytewise order; a prefix sorts first. */
static inline int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.s, b.s, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str a, struct str prefix);
bool str_ends(struct str a, struct str suffix);
/* Without leading and trailing Unicode white space (str_trim) or ASCII white space (str_trim_ascii). */
struct str str_trim(struct str a);
struct str str_trim_ascii(struct str a);
/* Equal, ASCII letters compared without case. */
bool str_eq_nocase(struct str a, struct str b);
/* Malloced NUL-terminated copy; the caller frees it. */
char *str_dup(struct str a);

/* Decimal digits only; false when empty, malformed, or out of range. */
bool str_to_u64(struct str a, uint64_t *out);
bool str_to_i64(struct str a, int64_t *out); /* optional leading '-' */

/* True when @a is valid UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, shortest forms). */
bool utf8_valid(struct str a);
/* Bytes in front of the first invalid sequence; a.n when there is none. */
size_t utf8_valid_prefix(struct str a);
/* Decode one character at *p (< end) of valid UTF-8, advance *p. */
uint32_t utf8_next(const char **p, const char *end);
/* Encode @cp, returns the byte count 1..4. */
int utf8_put(char out[4], uint32_t cp);
/* Number of Unicode scalar values. */
size_t utf8_len(struct str a);
/* A letter (L*) or a number (N*) of the Unicode general categories, as utf8proc knows them. */
bool utf8_is_alphanumeric(uint32_t cp);

struct strbuf {
	char *s; /* NUL-terminated once anything was added; NULL before */
	size_t n, cap;
};

#define STRBUF_INIT ((struct strbuf){ 0 })

void sb_grow(struct strbuf *b, size_t extra); /* room for @extra more bytes and the NUL */
void sb_add(struct strbuf *b, const void *data, size_t n);
void sb_addz(struct strbuf *b, const char *z);
void sb_adds(struct strbuf *b, struct str s);
void sb_addch(struct strbuf *b, char c);
void sb_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sb_addv(struct strbuf *b, const char *fmt, va_list ap);
void sb_addu64(struct strbuf *b, uint64_t v);
void sb_addi64(struct strbuf *b, int64_t v);
void sb_reset(struct strbuf *b); /* length 0, keeps the memory */
void sb_free(struct strbuf *b);
/* Hand the buffer to the caller (never NULL, NUL-terminated); *b becomes empty. */
char *sb_detach(struct strbuf *b);

static inline struct str sb_str(const struct strbuf *b)
{
	return (struct str){ b->s ? b->s : "", b->n };
}

#endif
