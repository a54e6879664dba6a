/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <omnigraph/arch.h>
#include <omnigraph/map.h>
#include <omnigraph/mem.h>

#include "adjacency.h"
#include "log_record.h"

#define GROUPS_PER_BUCKET 4
#define BITS_MAX 28 /* 2^30 groups */
#define RADIX_BITS 11

void adjacency_key(char out[128], const char *digest, int end)
{
	snprintf(out, 128, "idx/%s.%s", digest, end ? "dst" : "src");
}

static uint64_t hex_number(const char *digits)
{
	char text[17];

	snprintf(text, sizeof(text), "%.16s", digits);
	return strtoull(text, NULL, 16);
}

static void set_key(struct adjacency *a, const char *digest)
{
	a->k0 = hex_number(digest);
	a->k1 = hex_number(digest + 16);
}

static uint32_t hash_of(const struct adjacency *a, struct str id)
{
	return (uint32_t)siphash13(a->k0, a->k1, id.s, id.n);
}

static uint32_t bucket_of(uint32_t hash, uint32_t bits)
{
	return (uint32_t)((uint64_t)hash >> (32 - bits));
}

/* --- building ------------------------------------------------------------------------------------ */

struct builder {
	const struct segment *s;
	uint32_t col, rows, n_groups;
	uint64_t *keys; /* hash << 32 | row */
	uint32_t *start;
};

static struct str endpoint(const struct builder *b, uint64_t key)
{
	return segment_str(b->s, b->col, (uint32_t)key);
}

/* One pass of a least-significant-digit radix sort: stable, so rows of equal hash stay in order. */
static void radix_pass(const uint64_t *from, uint64_t *to, uint32_t n, unsigned shift)
{
	uint32_t at[1u << RADIX_BITS] = { 0 }, sum = 0;

	for (uint32_t i = 0; i < n; i++)
		at[from[i] >> shift & ((1u << RADIX_BITS) - 1)]++;
	for (uint32_t d = 0; d < 1u << RADIX_BITS; d++) {
		uint32_t count = at[d];

		at[d] = sum;
		sum += count;
	}
	for (uint32_t i = 0; i < n; i++)
		to[at[from[i] >> shift & ((1u << RADIX_BITS) - 1)]++] = from[i];
}

static void sort_by_hash(struct builder *b)
{
	uint64_t *other = mem_alloc(((size_t)b->rows + 1) * sizeof(*other));

	for (unsigned shift = 32; shift < 64; shift += RADIX_BITS) {
		uint64_t *sorted = other;

		radix_pass(b->keys, sorted, b->rows, shift);
		other = b->keys;
		b->keys = sorted;
	}
	free(other);
}

/* Rows [from, to) have one hash; those with the endpoint of the first come first, in order. The end of them. */
static uint32_t split_group(struct builder *b, uint32_t from, uint32_t to)
{
	struct str id = endpoint(b, b->keys[from]);
	uint32_t same = from + 1;

	for (uint32_t i = from + 1; i < to; i++) {
		uint64_t key = b->keys[i];

		if (!str_eq(endpoint(b, key), id))
			continue;
		memmove(&b->keys[same + 1], &b->keys[same], (i - same) * sizeof(*b->keys));
		b->keys[same++] = key;
	}
	return same;
}

static void find_groups(struct builder *b)
{
	uint32_t i = 0;

	while (i < b->rows) {
		uint32_t to = i + 1;

		while (to < b->rows && b->keys[to] >> 32 == b->keys[i] >> 32)
			to++;
		while (i < to) {
			b->start[b->n_groups++] = i;
			i = split_group(b, i, to);
		}
	}
	b->start[b->n_groups] = b->rows;
}

static uint32_t bits_for(uint32_t n_groups)
{
	uint32_t bits = 0;

	while (bits < BITS_MAX && ((uint32_t)GROUPS_PER_BUCKET << bits) < n_groups)
		bits++;
	return bits;
}

/* Room for @n numbers behind what @out holds. */
static uint32_t *room(struct strbuf *out, uint64_t n)
{
	uint32_t *p = (uint32_t *)(void *)(out->s + out->n);

	out->n += n * sizeof(*p);
	return p;
}

static void add_header(const struct builder *b, uint32_t bits, int end, const char *digest, uint64_t total,
		       struct strbuf *out)
{
	enc_u32(out, ADJACENCY_MAGIC);
	enc_u32(out, ADJACENCY_VERSION | (uint32_t)end << 16);
	enc_u64(out, total);
	enc_u32(out, 0);
	enc_u32(out, b->rows);
	enc_u32(out, b->n_groups);
	enc_u32(out, bits);
	sb_add(out, digest, SHA256_HEX_LEN);
}

static void add_groups(const struct builder *b, uint32_t bits, struct strbuf *out)
{
	uint32_t *bucket = room(out, (1ull << bits) + 1), *hash = room(out, b->n_groups);
	uint32_t n = 0;

	for (uint32_t g = 0; g < b->n_groups; g++) {
		hash[g] = (uint32_t)(b->keys[b->start[g]] >> 32);
		while (n <= bucket_of(hash[g], bits))
			bucket[n++] = g;
	}
	while (n <= 1u << bits)
		bucket[n++] = b->n_groups;
}

static void add_rows(const struct builder *b, struct strbuf *out)
{
	uint32_t *start = room(out, (uint64_t)b->n_groups + 1), *row = room(out, b->rows);

	memcpy(start, b->start, ((size_t)b->n_groups + 1) * sizeof(*start));
	for (uint32_t i = 0; i < b->rows; i++)
		row[i] = (uint32_t)b->keys[i];
}

static uint32_t crc_of(const uint8_t *p, size_t n)
{
	uint32_t crc = crc32c(0, p, ADJACENCY_CRC_OFFSET);

	return crc32c(crc, p + ADJACENCY_CRC_OFFSET + 4, n - ADJACENCY_CRC_OFFSET - 4);
}

void adjacency_seal(void *data, size_t n)
{
	uint32_t crc = crc_of(data, n);

	memcpy((uint8_t *)data + ADJACENCY_CRC_OFFSET, &crc, sizeof(crc));
}

static uint64_t total_bytes(uint64_t rows, uint64_t n_groups, uint32_t bits)
{
	return ADJACENCY_HEADER_BYTES + 4 * ((1ull << bits) + 1 + n_groups + n_groups + 1 + rows);
}

static void add_all(const struct builder *b, int end, const char *digest, struct strbuf *out)
{
	uint32_t bits = bits_for(b->n_groups);
	uint64_t total = total_bytes(b->rows, b->n_groups, bits);

	sb_grow(out, total);
	add_header(b, bits, end, digest, total, out);
	add_groups(b, bits, out);
	add_rows(b, out);
	adjacency_seal(out->s, out->n);
}

void adjacency_build(const struct segment *s, uint32_t col, int end, const char *digest, struct strbuf *out)
{
	struct builder b = { .s = s, .col = col, .rows = (uint32_t)segment_rows(s) };
	struct adjacency key;

	set_key(&key, digest);
	b.keys = mem_alloc(((size_t)b.rows + 1) * sizeof(*b.keys));
	b.start = mem_alloc(((size_t)b.rows + 1) * sizeof(*b.start));
	for (uint32_t r = 0; r < b.rows; r++)
		b.keys[r] = (uint64_t)hash_of(&key, endpoint(&b, r)) << 32 | r;
	sort_by_hash(&b);
	find_groups(&b);
	add_all(&b, end, digest, out);
	free(b.keys);
	free(b.start);
}

/* --- reading ------------------------------------------------------------------------------------- */

static int damaged(const char *digest, int end, const char *why, struct err *e)
{
	char key[128];

	adjacency_key(key, digest, end);
	return err_set(e, ERR_STORAGE, "storage: damaged object '%s': %s; delete it, it is made again", key, why);
}

static void point(struct adjacency *a, const uint32_t *header)
{
	a->n_groups = header[6];
	a->bits = header[7];
	a->bucket = header + ADJACENCY_HEADER_BYTES / 4;
	a->hash = a->bucket + (1u << a->bits) + 1;
	a->start = a->hash + a->n_groups;
	a->row = a->start + a->n_groups + 1;
}

void adjacency_view(const void *data, const char *digest, struct adjacency *out)
{
	set_key(out, digest);
	point(out, data);
}

static const char *header_fault(const uint8_t *p, size_t n, const char *digest, int end, uint64_t rows)
{
	struct dec d = dec_of(p, n);
	uint32_t magic = dec_u32(&d), version = dec_u32(&d), n_groups, bits;
	uint64_t total = dec_u64(&d);

	if (n < ADJACENCY_HEADER_BYTES || magic != ADJACENCY_MAGIC)
		return "not an adjacency index";
	if (version != (ADJACENCY_VERSION | (uint32_t)end << 16))
		return "its format version is not one this binary reads";
	if (total != n)
		return "it is cut short";
	if (dec_u32(&d) != crc_of(p, n))
		return "checksum mismatch";
	if (dec_u32(&d) != rows || memcmp(p + ADJACENCY_HEADER_BYTES - SHA256_HEX_LEN, digest, SHA256_HEX_LEN) != 0)
		return "it is of another segment";
	n_groups = dec_u32(&d);
	bits = dec_u32(&d);
	if (bits > BITS_MAX || n_groups > rows || n != total_bytes(rows, n_groups, bits))
		return "bad sizes";
	return NULL;
}

/* Whatever was sealed with a right checksum cannot lead a reader out of the arrays. */
static bool is_sound(const struct adjacency *a, uint32_t rows)
{
	bool ok = a->bucket[0] == 0 && a->bucket[1u << a->bits] == a->n_groups && a->start[0] == 0 &&
		  a->start[a->n_groups] == rows;

	for (uint32_t i = 0; i < 1u << a->bits && ok; i++)
		ok = a->bucket[i] <= a->bucket[i + 1];
	for (uint32_t g = 0; g < a->n_groups && ok; g++)
		ok = a->start[g] < a->start[g + 1];
	for (uint32_t i = 0; i < rows && ok; i++)
		ok = a->row[i] < rows;
	return ok;
}

int adjacency_open(const void *data, size_t n, const char *digest, int end, uint64_t rows, struct adjacency *out,
		   struct err *e)
{
	const char *fault = header_fault(data, n, digest, end, rows);

	if (fault)
		return damaged(digest, end, fault, e);
	adjacency_view(data, digest, out);
	return is_sound(out, (uint32_t)rows) ? 0 : damaged(digest, end, "bad offsets", e);
}

const uint32_t *adjacency_find(const struct adjacency *a, const struct segment *s, uint32_t col, struct str id,
			       uint32_t *n)
{
	uint32_t hash = hash_of(a, id), bucket = bucket_of(hash, a->bits);

	for (uint32_t g = a->bucket[bucket]; g < a->bucket[bucket + 1] && a->hash[g] <= hash; g++) {
		const uint32_t *rows = a->row + a->start[g];

		if (a->hash[g] == hash && str_eq(segment_str(s, col, rows[0]), id)) {
			*n = a->start[g + 1] - a->start[g];
			return rows;
		}
	}
	*n = 0;
	return NULL;
}
