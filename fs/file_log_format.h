/* SPDX-License-Identifier: MIT */
/*
 * file_log_format.h - the log file of the file backend, byte for byte. Documentation/format-log.md is the text form.
 *
 * "<key>.log" is one header page of 4096 bytes, then frames, then zero bytes up to the end of the file (space allocated
 * ahead). All integers are little-endian. Every frame begins at a multiple of 8.
 */
#ifndef OMNIGRAPH_FS_FILE_LOG_FORMAT_H
#define OMNIGRAPH_FS_FILE_LOG_FORMAT_H

#include <stdint.h>

#define LOGF_MAGIC "OMNILOG1"
#define LOGF_VERSION 1u
#define LOGF_HEADER_BYTES 4096u

/* At offset 0; written once. */
struct logf_header {
	uint8_t magic[8];      /*  0  "OMNILOG1" */
	uint32_t version;      /*  8  1 */
	uint32_t header_bytes; /* 12  4096: offset of the first frame */
	uint64_t base_seq;     /* 16  sequence of the first frame, >= 1; grows when a trim rewrites the file */
	uint64_t salt; /* 24  random; goes into the checksum of every frame, so that no other bytes pass as one */
	uint32_t crc;  /* 32  CRC-32C of bytes 0..31 */
	uint32_t zero; /* 36 */
};

/* At offset 64, a cache line of its own: the tail cell. A hint; rewritten after every append, never synced. */
#define LOGF_CELL_OFFSET 64u
struct logf_cell {
	uint64_t next; /* 64  sequence the next append gets */
	uint64_t end;  /* 72  offset behind the last frame */
	uint64_t last; /* 80  offset of the last frame; 0 when there is none */
	uint32_t crc;  /* 88  CRC-32C of bytes 64..87; a reader that meets a half-written cell sees that by it */
	uint32_t zero; /* 92 */
};

/* At offset 128: words set once, never synced. */
#define LOGF_DEAD_OFFSET 128u	/* 1: this inode is no longer the log (trimmed, deleted): open the path again */
#define LOGF_LINKED_OFFSET 132u /* 1: the directory entry of this inode is known to be on disk */

#define LOGF_FRAME_MAGIC 0x4d52464fu /* "OFRM" */
#define LOGF_FRAME_ALIGN 8u

struct logf_frame {
	uint32_t magic; /*  0  LOGF_FRAME_MAGIC */
	uint32_t len;	/*  4  bytes of payload, 0 .. LIMIT_LOG_RECORD_BYTES */
	uint64_t seq;	/*  8 */
	uint32_t back; /* 16  distance to the start of the frame before; without meaning in the first frame of a file */
	uint32_t crc;  /* 20  CRC-32C of salt (8 bytes), bytes 4..19, payload */
		       /* 24  payload, then zero bytes up to a multiple of 8 */
};

_Static_assert(sizeof(struct logf_header) == 40, "log header");
_Static_assert(sizeof(struct logf_cell) == 32, "log tail cell");
_Static_assert(sizeof(struct logf_frame) == 24, "log frame");

static inline uint64_t logf_frame_bytes(uint64_t len)
{
	return (sizeof(struct logf_frame) + len + (LOGF_FRAME_ALIGN - 1)) & ~(uint64_t)(LOGF_FRAME_ALIGN - 1);
}

/* Space is allocated and zeroed in chunks as large as the file, within these bounds. */
#define LOGF_CHUNK_MIN (64u << 10)
#define LOGF_CHUNK_MAX (4u << 20)

#endif
