/* SPDX-License-Identifier: MIT */
/*
 * log_record.h - encoding and decoding of commits (log_format.h). Decoders trust nothing: every length is checked against the
 * bytes that are there, and a record that does not parse is ERR_STORAGE.
 */
#ifndef ENGINE_STORE_LOG_RECORD_H
#define ENGINE_STORE_LOG_RECORD_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>
#include <omnigraph/util.h>
#include <omnigraph/value.h>

#include "engine/store/log_format.h"

/* --- primitives -------------------------------------------------------------------------------- */

void enc_u32(struct strbuf *b, uint32_t v);
void enc_u64(struct strbuf *b, uint64_t v);
void enc_var(struct strbuf *b, uint64_t v);
void enc_bytes(struct strbuf *b, struct str s);
void enc_val(struct strbuf *b, const struct val *v);

struct dec { /* a cursor; after the first overrun everything reads as zero and @bad stays set */
	const uint8_t *p, *end;
	bool bad;
};

struct dec dec_of(const void *data, size_t n);
uint8_t dec_u8(struct dec *d);
uint32_t dec_u32(struct dec *d);
uint64_t dec_u64(struct dec *d);
uint64_t dec_var(struct dec *d);
struct str dec_bytes(struct dec *d);
struct str dec_raw(struct dec *d, size_t n);
/* A count of things that take at least one byte each: more than the bytes left is damage. */
size_t dec_count(struct dec *d);
/* Strings point into the bytes; lists and vectors are allocated from @a. */
void dec_val(struct dec *d, struct arena *a, struct val *out);

/* --- commits ------------------------------------------------------------------------------------- */

struct rec_commit { /* strings point into the record */
	char id[ULID_LEN + 1], parent[ULID_LEN + 1], merged_parent[ULID_LEN + 1];
	uint64_t version;
	int64_t created_at;
	enum log_kind kind;
	struct str actor;  /* s is NULL: none */
	struct str schema; /* 32 bytes, or s is NULL: unchanged */
	size_t n_types;
	struct dec types; /* at the first type */
};

struct rec_segment {
	char digest[SHA256_HEX_LEN + 1];
	uint64_t rows, bytes;
	struct str min, max; /* smallest and greatest id */
};

struct rec_type {
	uint64_t type_id, incarnation;
	bool edge, truncate;
	size_t n_props;
	uint64_t *props; /* in the arena */
	size_t n_segments;
	struct rec_segment *segments; /* in the arena */
};

/* Begin a commit: everything up to n_types. commit_finish patches the length once the types are appended. */
size_t commit_begin(struct strbuf *b, const struct rec_commit *c);
void commit_finish(struct strbuf *b, size_t start);
void enc_digest(struct strbuf *b, const char *hex);
void enc_segment(struct strbuf *b, const struct rec_segment *s);
void dec_segment(struct dec *d, struct rec_segment *s);

/* The header of a commit body; the cursor moves behind the commit. */
int commit_decode(struct dec *d, struct rec_commit *c, struct err *e);
/* One type's header and segments; rows follow: dec_count, rows; dec_count, deleted ids. */
int type_decode(struct dec *d, struct arena *a, struct rec_type *t, struct err *e);

/* --- records ------------------------------------------------------------------------------------- */

/* 16 bytes of room; the commits are appended, then record_finish fills the header. */
void record_begin(struct strbuf *b);
void record_finish(struct strbuf *b, uint32_t n_commits);
/* Check magic, version and checksum; the cursor is at the first commit. */
int record_open(const void *data, size_t n, struct dec *d, uint32_t *n_commits, struct err *e);
/* An error (@rc < 0) found in record @seq of @log says so behind its text; returns @rc. */
int record_blame(int rc, const char *log, uint64_t seq, struct err *e);

#endif
