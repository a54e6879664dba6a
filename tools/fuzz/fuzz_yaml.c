/* SPDX-License-Identifier: MIT */
/* What parses converts to JSON that parses; what does not is refused with a position. */
#include <stdint.h>
#include <stdlib.h>

#include <omnigraph/yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str src = { (const char *)data, size };
	struct strbuf b = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct yaml *y;
	struct json *v;

	if (!yaml_parse(&a, src, &y, &e)) {
		json_compact(&b, yaml_to_json(&a, y));
		if (json_parse(&a, sb_str(&b), NULL, &v, NULL))
			abort();
	} else if (!e.line || !e.column) {
		abort();
	}
	err_clear(&e);
	sb_free(&b);
	arena_free(&a);
	return 0;
}
