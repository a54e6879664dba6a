/* SPDX-License-Identifier: MIT */
/*
 * adjacency.h - which rows of an edge segment have an endpoint: compressed sparse rows (CSR), found by hash.
 *
 * The same bytes serve in memory and as the object idx/<segment digest>.src or .dst, which is mapped. Everything in them follows from
 * the segment, so an object may be deleted or written again at any time; it makes first use quick and keeps it out of the heap.
 *
 *   object   u32 magic, u16 version, u16 endpoint (0: src, 1: dst), u64 total bytes, u32 crc, u32 rows, u32 n_groups, u32 bits,
 *            64 bytes digest of the segment in hexadecimal, u32 bucket[2^bits + 1], u32 hash[n_groups],
 *            u32 start[n_groups + 1], u32 row[rows]
 *            crc: CRC-32C of the object without these four bytes. All numbers little endian.
 *   group    the rows with one value of the endpoint: row[start[g]] up to row[start[g + 1]], ascending. Groups ascend by hash:
 *            the low 32 bits of SipHash-1-3 of the value, keyed with digits 0 to 15 and 16 to 31 of the digest.
 *   bucket   bucket[b] is the first group whose hash has upper @bits bits of b or more
 *
 * Ownership: a reader borrows the bytes. Threading: immutable and shared.
 */
#ifndef ENGINE_STORE_ADJACENCY_H
#define ENGINE_STORE_ADJACENCY_H

#include "engine/store/segment.h"

#define ADJACENCY_MAGIC 0x5849474fu /* "OGIX" */
#define ADJACENCY_VERSION 1
#define ADJACENCY_HEADER_BYTES 96
#define ADJACENCY_CRC_OFFSET 16

struct adjacency {
	uint64_t k0, k1;
	uint32_t n_groups, bits;
	const uint32_t *bucket, *hash, *start, *row;
};

/* idx/<digest>.src or .dst; @end 0: src, 1: dst */
void adjacency_key(char out[128], const char *digest, int end);
/* The bytes for column @col (endpoint @end) of a verified segment of fewer than UINT32_MAX rows. @out is empty at the call. */
void adjacency_build(const struct segment *s, uint32_t col, int end, const char *digest, struct strbuf *out);
/* Make the checksum in the header of @n bytes (at least ADJACENCY_HEADER_BYTES) right; what else they hold is not looked at. */
void adjacency_seal(void *data, size_t n);
/*
 * Read @n bytes at @data (4-byte aligned), which come from outside: ERR_STORAGE naming the object unless they are whole, sound, and
 * of this segment.
 */
int adjacency_open(const void *data, size_t n, const char *digest, int end, uint64_t rows, struct adjacency *out,
		   struct err *e);
/* The same for bytes of adjacency_build. */
void adjacency_view(const void *data, const char *digest, struct adjacency *out);
/* Rows of @s whose endpoint is @id. */
const uint32_t *adjacency_find(const struct adjacency *a, const struct segment *s, uint32_t col, struct str id,
			       uint32_t *n);

#endif
