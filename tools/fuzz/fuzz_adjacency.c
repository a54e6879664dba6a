/* SPDX-License-Identifier: MIT */
/* libFuzzer target: bytes as the adjacency of a segment, with the checksum made right. What opens is read to the last row. */
#include <omnigraph/mem.h>
#include <omnigraph/util.h>

#include "engine/store/adjacency.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void seal(uint8_t *p, size_t n, const char *digest)
{
	uint32_t head[2] = { ADJACENCY_MAGIC, ADJACENCY_VERSION };
	uint64_t total = n;

	memcpy(p, head, sizeof(head));
	memcpy(p + 8, &total, sizeof(total));
	memcpy(p + ADJACENCY_HEADER_BYTES - SHA256_HEX_LEN, digest, SHA256_HEX_LEN);
	adjacency_seal(p, n);
}

static void read_all(const struct adjacency *a, uint32_t rows)
{
	for (uint32_t b = 0; b < 1u << a->bits; b++) {
		for (uint32_t g = a->bucket[b]; g < a->bucket[b + 1]; g++) {
			for (uint32_t i = a->start[g]; i < a->start[g + 1]; i++) {
				if (a->row[i] >= rows)
					abort();
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char digest[SHA256_HEX_LEN + 1];
	struct adjacency a;
	uint32_t rows;
	uint8_t *p;

	if (n < ADJACENCY_HEADER_BYTES)
		return 0;
	p = memcpy(mem_alloc(n), data, n);
	memcpy(&rows, p + 20, sizeof(rows));
	memset(digest, 'a', SHA256_HEX_LEN);
	digest[SHA256_HEX_LEN] = 0;
	adjacency_open(p, n, digest, 0, rows, &a, NULL);
	seal(p, n, digest);
	if (!adjacency_open(p, n, digest, 0, rows, &a, NULL))
		read_all(&a, rows);
	free(p);
	return 0;
}
