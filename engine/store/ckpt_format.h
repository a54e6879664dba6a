/* SPDX-License-Identifier: MIT */
/*
 * ckpt_format.h - a checkpoint: the complete table state of a branch at one version, byte for byte. See log_format.h for the
 * notation and for `commit` and `segment`.
 *
 *   checkpoint u32 magic, u16 version, u16 zero, u64 total bytes, u32 crc, body
 *              crc: CRC-32C of the object without these four bytes
 *   body       26 bytes branch id, v last log sequence included, bytes branch name of the head commit (empty: main),
 *              commit (the head, with the digest of the schema in force and no types), v n_tables, table * n_tables
 *   table      v type id, v incarnation, u8 flags (LOG_TYPE_EDGE), v rows, v type version,
 *              bytes branch that last changed it (empty: main), v n_segments, (segment, bytes deleted) * n_segments
 *              deleted: row numbers as a portable Roaring bitmap; empty when none
 */
#ifndef ENGINE_STORE_CKPT_FORMAT_H
#define ENGINE_STORE_CKPT_FORMAT_H

#define CKPT_MAGIC 0x4b43474fu /* "OGCK" */
#define CKPT_VERSION 1
#define CKPT_HEADER_BYTES 20
#define CKPT_CRC_OFFSET 16

#endif
