/* SPDX-License-Identifier: MIT */
/*
 * log_format.h - one record of a branch's commit log, byte for byte. See Documentation/format.md.
 *
 * Little endian. "v" is an unsigned LEB128 number (at most 10 bytes), "bytes" a v length and that many bytes.
 *
 *   record   u32 magic, u16 version, u16 zero, u32 n_commits, u32 crc, commit * n_commits
 *            crc: CRC-32C of the record without these four bytes
 *   commit   u32 length of what follows, 26 bytes id (ULID), u8 flags, [26 bytes parent], [26 bytes merged parent],
 *            v version, v zigzag(created_at microseconds), u8 kind, [bytes actor], [32 bytes schema record digest],
 *            v n_types, type * n_types
 *   type     v type id, v incarnation, u8 flags, v n_props, v property id * n_props,
 *            v n_segments, segment * n_segments,
 *            v n_rows, row * n_rows, v n_deleted, bytes id * n_deleted
 *   segment  32 bytes SHA-256 of the object, v rows, v size in bytes, bytes smallest id, bytes greatest id
 *   row      bytes id, [bytes src, bytes dst: edges], value * n_props
 *   value    u8 (kind | flags << 4), payload:
 *            NULL -; BOOL u8; I64 DATE DATETIME v zigzag; U64 v; F32 4 bytes; F64 8 bytes; STR BLOB bytes;
 *            LIST v n, value * n; VEC v n, 4 bytes * n
 */
#ifndef ENGINE_STORE_LOG_FORMAT_H
#define ENGINE_STORE_LOG_FORMAT_H

#define LOG_MAGIC 0x524c474fu /* "OGLR" */
#define LOG_VERSION 1
#define LOG_HEADER_BYTES 16
#define LOG_CRC_OFFSET 12
#define LOG_DIGEST_BYTES 32

enum log_kind { LOG_GENESIS, LOG_MUTATION, LOG_LOAD, LOG_MERGE, LOG_SCHEMA };

enum {
	LOG_HAS_PARENT = 1,
	LOG_HAS_MERGED = 2,
	LOG_HAS_ACTOR = 4,
	LOG_HAS_SCHEMA = 8,
};

enum {
	LOG_TYPE_EDGE = 1,
	LOG_TYPE_TRUNCATE = 2, /* every row of earlier commits ends here */
};

#endif
