/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: bytes as a segment. Each input is tried as it is, and with its checksums made right, so that the fuzzer gets to
 * the checks behind them. A segment that opens and verifies must be readable to the last cell. The first input is a real segment.
 */
#include <stdlib.h>

#include <omnigraph/catalog.h>
#include <omnigraph/mem.h>

#include "engine/store/segment.h"
#include "engine/store/tests/segment_seal.h"

#define ROWS_MAX 64
#define LIST_MAX 4096

static const char schema[] =
	"node Small { k: String @key  n: I32?  b: Bool?  tags: [String]?  bits: [Bool]?  v: Vector(2)?  "
	"pic: Blob?  at: DateTime? }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static volatile uint64_t sink;

static void touch(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink += ((const uint8_t *)p)[i];
}

static void touch_value(const struct val *v)
{
	switch (v->kind) {
	case VAL_STR:
	case VAL_BLOB:
		touch(v->s, v->n);
		break;
	case VAL_VEC:
		touch(v->vec, 4 * (size_t)v->n);
		break;
	case VAL_LIST:
		for (uint32_t i = 0; i < v->n && i < LIST_MAX; i++)
			if (v->list[i].kind == VAL_STR)
				touch(v->list[i].s, v->list[i].n);
		break;
	default:
		sink += v->u;
	}
}

static void read_all(const struct segment *s)
{
	struct arena a = ARENA_INIT;

	for (uint32_t c = 0; c < segment_n_columns(s); c++)
		for (uint64_t r = 0; r < segment_rows(s) && r < ROWS_MAX; r++) {
			struct val v;

			segment_get(s, c, r, &a, &v);
			touch_value(&v);
			arena_reset(&a);
		}
	arena_free(&a);
}

static void try_bytes(const uint8_t *data, size_t n)
{
	struct segment *s = NULL;
	struct err e = ERR_INIT;

	if (!segment_open(data, n, "fuzz", &s, &e) && !segment_verify(s, &e))
		read_all(s);
	else if (e.code != ERR_STORAGE)
		abort();
	segment_free(s);
	err_clear(&e);
}

/* A small valid segment. */
static void seed_segment(struct strbuf *out)
{
	static const float vec[] = { 0.5f, -1 };
	struct val tags[] = { { .kind = VAL_STR, .n = 1, .s = "x" }, VAL_NULL_INIT },
		   bits[] = { { .kind = VAL_BOOL, .b = true }, VAL_NULL_INIT };
	struct catalog *c = NULL;
	struct segment_writer *w;
	const struct type *t;

	if (catalog_compile(str_from(schema), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, NULL))
		abort();
	t = catalog_node(c, STR("Small"));
	w = segment_writer_new(t);
	for (uint64_t i = 0; i < 3; i++) {
		struct val vals[8]; /* at b bits k n pic tags v */
		struct row_image row = { .id = STR("id"), .vals = vals };

		memset(vals, 0, sizeof(vals));
		vals[3] = val_str(STR("key"));
		if (i) {
			vals[0] = (struct val){ .kind = VAL_DATETIME, .i = 1 };
			vals[1] = (struct val){ .kind = VAL_BOOL, .b = true };
			vals[2] = (struct val){ .kind = VAL_LIST, .n = 2, .list = bits };
			vals[4] = (struct val){ .kind = VAL_I64, .i = -1 };
			vals[5] = (struct val){ .kind = VAL_BLOB, .n = 3, .s = "pic" };
			vals[6] = (struct val){ .kind = VAL_LIST, .n = 2, .list = tags };
			vals[7] = (struct val){ .kind = VAL_VEC, .n = 2, .vec = vec };
		}
		segment_writer_add(w, &row, i, i);
	}
	segment_writer_finish(w, out, NULL);
	catalog_put(c);
}

/* Without a corpus, begin with a valid file; most inputs get right checksums. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	if (n < 64) {
		struct strbuf out = STRBUF_INIT;

		seed_segment(&out);
		if (out.n <= max)
			memcpy(data, out.s, n = out.n);
		sb_free(&out);
	} else {
		n = LLVMFuzzerMutate(data, n, max);
	}
	if (seed % 8)
		segment_seal(data, n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = mem_alloc(n + 1); /* aligned as a mapping is */

	memcpy(copy, data, n);
	try_bytes(copy, n);
	segment_seal(copy, n);
	try_bytes(copy, n);
	free(copy);
	return 0;
}
