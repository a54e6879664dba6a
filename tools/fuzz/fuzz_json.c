/* SPDX-License-Identifier: MIT */
/* What parses must print to text that parses to the same text; what streams must make progress. */
#include <stdint.h>
#include <stdlib.h>

#include <omnigraph/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_print(struct arena *a, const struct json *v, const struct json_opts *opts)
{
	struct strbuf b = STRBUF_INIT, c = STRBUF_INIT;
	struct json *again;

	json_compact(&b, v);
	if (!utf8_valid(sb_str(&b)) || json_parse(a, sb_str(&b), opts, &again, NULL))
		abort();
	json_compact(&c, again);
	if (!str_eq(sb_str(&b), sb_str(&c)))
		abort();
	sb_free(&b);
	sb_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str src = { (const char *)data, size };
	struct json_opts strict = { .reject_duplicates = true };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct json *v;
	size_t pos = 0, before;

	if (!json_parse(&a, src, NULL, &v, &e))
		check_print(&a, v, NULL);
	else if (!utf8_valid(str_from(err_msg(&e))) && utf8_valid(src))
		abort();
	err_clear(&e);
	if (!json_parse(&a, src, &strict, &v, &e))
		check_print(&a, v, &strict);
	err_clear(&e);
	do {
		before = pos;
		if (json_parse_next(&a, src, &pos, NULL, &v, &e))
			break;
		if (pos > size || (v && pos == before))
			abort();
	} while (v);
	err_clear(&e);
	arena_free(&a);
	return 0;
}
