/* SPDX-License-Identifier: MIT */
/*
 * segment_format.h - what our segments add to the Arrow IPC file format (Documentation/format.md has it byte for byte).
 *
 *   "ARROW1\0\0"  schema message  record batch message...  EOS (ff ff ff ff 00 00 00 00)  trailer  footer  footer size  "ARROW1"
 *
 * The trailer sits where Arrow readers look at nothing: 8-byte magic, u32 crc32c of the bytes before the first batch, u32 crc32c of the
 * footer. The footer's metadata lists one crc32c per record batch message (metadata and body).
 */
#ifndef ENGINE_STORE_SEGMENT_FORMAT_H
#define ENGINE_STORE_SEGMENT_FORMAT_H

#define SEG_MAGIC "ARROW1"
#define SEG_MAGIC_N 6
#define SEG_TRAILER_MAGIC "OGSEGv1\n"
#define SEG_TRAILER_N 16
#define SEG_ALIGN 64
#define SEG_BATCH_BYTES (1u << 30) /* text of one column in one batch; 32-bit offsets must hold */
#define SEG_BATCHES_MAX 65536
#define SEG_COLUMNS_MAX 4096

#define SEG_META_FORMAT "omnigraph.format"
#define SEG_META_TYPE_ID "omnigraph.type_id"
#define SEG_META_INCARNATION "omnigraph.incarnation"
#define SEG_META_WRITER "omnigraph.writer"
#define SEG_META_PROPERTY_ID "omnigraph.property_id"
#define SEG_META_CRC "omnigraph.batch_crc32c"

/* Arrow's enumerations (Schema.fbs, Message.fbs). */
enum { ARROW_V5 = 4 };
enum { ARROW_HEADER_SCHEMA = 1, ARROW_HEADER_BATCH = 3 };
enum {
	ARROW_INT = 2,
	ARROW_FLOAT = 3,
	ARROW_BINARY = 4,
	ARROW_UTF8 = 5,
	ARROW_BOOL = 6,
	ARROW_DATE = 8,
	ARROW_LIST = 12,
	ARROW_STRUCT = 13,
	ARROW_FIXED_LIST = 16
};

struct arrow_node { /* FieldNode */
	int64_t length, null_count;
};

struct arrow_buffer { /* Buffer */
	int64_t offset, length;
};

struct arrow_block { /* Block */
	int64_t offset;
	int32_t meta_length, pad;
	int64_t body_length;
};

#endif
