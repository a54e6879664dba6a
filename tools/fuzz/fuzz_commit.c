/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: bytes as the newest record of a commit log, with the checksum made right. The first input is the record of a real commit.
 * Every answer is allowed but to read or write where nothing is.
 */
#include "small_root.h"

#include "engine/store/log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

struct last {
	uint8_t *data;
	size_t n, max;
};

static int keep(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct last *l = arg;

	l->n = n < l->max ? n : l->max;
	memcpy(l->data, data, l->n);
	return 0;
}

static size_t real_record(uint8_t *data, size_t max)
{
	const struct small_root *r = small_root();
	struct last l = { data, 0, max };
	uint64_t next;

	MUST(store_log_tail(r->s, r->main_log, &next, NULL));
	MUST(store_log_read(r->s, r->main_log, next - 1, keep, &l, NULL));
	return l.n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return n < LOG_HEADER_BYTES ? real_record(data, max) : LLVMFuzzerMutate(data, n, max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct strbuf record = STRBUF_INIT;
	struct store *s;

	if (n < LOG_HEADER_BYTES || n > LIMIT_LOG_RECORD_BYTES)
		return 0;
	sb_add(&record, data, n);
	record_finish(&record, 1 + data[8] % 2);
	s = small_root_copy(record.s, record.n);
	small_root_read(s);
	store_close(s);
	sb_free(&record);
	return 0;
}
