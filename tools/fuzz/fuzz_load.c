/* SPDX-License-Identifier: MIT */
/* libFuzzer target: bytes as the rows of a load: the first byte says which mode and shape, the rest is NDJSON. What was loaded is read back. */
#include "small_root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static const char sample[] =
	"\1{\"type\":\"P\",\"data\":{\"name\":\"z\",\"n\":-1,\"tags\":[\"x\"],\"v\":[0.5,1],\"pic\":\"base64:eHl6\"}}\n"
	"{\"edge\":\"K\",\"from\":\"z\",\"to\":\"a\",\"data\":{\"id\":\"e\"}}\n";

/* Without a corpus, begin with rows that can be loaded. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	if (n > 2)
		return LLVMFuzzerMutate(data, n, max);
	n = sizeof(sample) - 1 < max ? sizeof(sample) - 1 : max;
	memcpy(data, sample, n);
	data[0] = (uint8_t)seed;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum load_mode modes[] = { LOAD_APPEND, LOAD_MERGE, LOAD_OVERWRITE };
	struct load_opts o = { .shape = LOAD_STRICT };
	struct small_text t;
	struct load_result res;
	struct store *s;
	struct graph *g;

	if (n < 2)
		return 0;
	o.mode = modes[data[0] % 3];
	o.shape = data[0] & 4 ? LOAD_PERMISSIVE : LOAD_STRICT;
	t = (struct small_text){ { (const char *)data + 1, n - 1 }, 0 };
	s = small_root_copy(NULL, 0);
	MUST(graph_open_store(s, NULL, &g, NULL));
	if (!graph_load(g, &o, small_read, &t, &res, NULL))
		load_result_clear(&res);
	graph_close(g);
	small_root_read(s);
	store_close(s);
	return 0;
}
