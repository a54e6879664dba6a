/* SPDX-License-Identifier: MIT */
/*
 * segment_seal.h - give a segment with changed bytes correct checksums again, so that a test or a fuzzer gets behind them to the
 * checks of offsets and lengths. Does what it can: of a footer that does not parse only the footer's own checksum is renewed.
 */
#ifndef STORE_TESTS_SEGMENT_SEAL_H
#define STORE_TESTS_SEGMENT_SEAL_H

#include <stdio.h>

#include <omnigraph/arch.h>

#include "engine/store/arrow_flatbuf.h"
#include "engine/store/segment_format.h"

static void seal_put(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void seal_batches(uint8_t *data, size_t n, uint8_t *footer, size_t footer_n, uint8_t *head_crc)
{
	struct fb_table t = fb_root(footer, footer_n), entry;
	struct fb_vector blocks = fb_get_vector(&t, 3, sizeof(struct arrow_block)), kv = fb_get_vector(&t, 4, 4);
	struct str list = { 0 };

	entry = kv.ok ? fb_vector_table(&kv, 0) : (struct fb_table){ 0 };
	if (entry.ok)
		list = fb_get_string(&entry, 1);
	for (size_t i = 0; blocks.ok && i < blocks.n; i++) {
		struct arrow_block b;
		char hex[9];

		memcpy(&b, fb_vector_struct(&blocks, i, sizeof(b)), sizeof(b));
		if (b.offset < 0 || b.meta_length < 0 || b.body_length < 0 || (uint64_t)b.offset > n ||
		    (uint64_t)b.meta_length > n - (uint64_t)b.offset ||
		    (uint64_t)b.body_length > n - (uint64_t)b.offset - (uint64_t)b.meta_length)
			return;
		if (!i)
			seal_put(head_crc, crc32c(0, data, (size_t)b.offset));
		if (list.n < 9 * i + 8)
			return;
		snprintf(hex, sizeof(hex), "%08x",
			 crc32c(0, data + b.offset, (size_t)b.meta_length + (size_t)b.body_length));
		memcpy((char *)list.s + 9 * i, hex, 8);
	}
}

static void segment_seal(uint8_t *data, size_t n)
{
	uint32_t size;
	size_t at;

	if (n < 10 + SEG_TRAILER_N)
		return;
	memcpy(&size, data + n - 10, 4);
	if (size > n - 10 - SEG_TRAILER_N)
		return;
	at = n - 10 - size;
	seal_batches(data, n, data + at, size, data + at - 8);
	seal_put(data + at - 4, crc32c(0, data + at, size));
}

#endif
