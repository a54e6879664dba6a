/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: bytes as one of the sealed objects of a graph root, with the checksum made right: the first byte says which (graph.json, a
 * ref, a retention, a checkpoint). The first input of each is the real one.
 */
#include <omnigraph/arch.h>

#include "engine/store/ckpt_format.h"
#include "small_root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

enum { GRAPH, REF, HISTORY, CHECKPOINT, KINDS };

static const char *key_of(const struct small_root *r, uint8_t which)
{
	const char *const keys[KINDS] = { KEY_GRAPH, r->ref, r->history, r->checkpoint };

	return keys[which % KINDS];
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	const struct small_root *r = small_root();
	struct store_object o;

	if (n > 1)
		return 1 + LLVMFuzzerMutate(data + 1, n - 1, max - 1);
	data[0] = (uint8_t)(seed % KINDS);
	MUST(store_get(r->s, key_of(r, data[0]), 1 << 20, &o, NULL));
	n = o.n < max - 1 ? o.n : max - 1;
	memcpy(data + 1, o.data, n);
	store_object_free(&o);
	return n + 1;
}

static void seal_checkpoint(struct strbuf *b)
{
	uint32_t crc;

	if (b->n < CKPT_HEADER_BYTES)
		return;
	crc = crc32c(crc32c(0, b->s, CKPT_CRC_OFFSET), b->s + CKPT_HEADER_BYTES, b->n - CKPT_HEADER_BYTES);
	memcpy(b->s + CKPT_CRC_OFFSET, &crc, sizeof(crc));
}

/* An object ends with its checksum: whatever the fuzzer made of that is cut off. */
static void seal_json(struct strbuf *b)
{
	char *seal = b->n ? memmem(b->s, b->n, ",\"crc32c\"", 9) : NULL;

	if (seal)
		b->n = (size_t)(seal - b->s);
	sb_addch(b, '}');
	json_seal(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct strbuf object = STRBUF_INIT;
	struct store *s;

	if (n < 2)
		return 0;
	sb_add(&object, data + 1, n - 1);
	if (data[0] % KINDS == CHECKPOINT)
		seal_checkpoint(&object);
	else
		seal_json(&object);
	s = small_root_copy(NULL, 0);
	MUST(store_put(s, key_of(small_root(), data[0]), object.s, object.n, NULL));
	small_root_read(s);
	store_close(s);
	sb_free(&object);
	return 0;
}
