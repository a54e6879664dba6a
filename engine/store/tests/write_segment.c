/* SPDX-License-Identifier: MIT */
/*
 * write_segment DIR: a segment of known rows as DIR/segment.arrow, and the same rows as DIR/rows.json, for readers that are not ours
 * (tools/testing/test-arrow-readers).
 */
#include <stdio.h>
#include <string.h>

#include "engine/store/tests/segment_fixture.h"

static int write_file(const char *dir, const char *name, const struct strbuf *b)
{
	char path[4096];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	ok = f && fwrite(b->s, 1, b->n, f) == b->n;
	return (f && fclose(f) == 0 && ok) ? 0 : 1;
}

static void rows_json(const struct type *t, uint64_t rows, struct strbuf *out)
{
	struct arena a = ARENA_INIT;

	sb_addch(out, '[');
	for (uint64_t i = 0; i < rows; i++) {
		sb_addf(out, "%s{\"id\":\"id-%06llu\",\"_created\":%llu", i ? ",\n" : "", (unsigned long long)i,
			(unsigned long long)(i + 1));
		for (uint32_t p = 0; p < t->n_props; p++) {
			struct val v = segment_value(&t->props[p], i, &a);

			sb_addch(out, ',');
			json_quote(out, t->props[p].name);
			sb_addch(out, ':');
			if (t->props[p].type.scalar == SCALAR_BLOB && !val_is_null(&v)) {
				sb_addf(out, "{\"kind\":%d,\"data\":\"", v.flags);
				base64_encode(out, v.s, v.n);
				sb_addz(out, "\"}");
			} else {
				val_export_json(&v, out);
			}
		}
		sb_addch(out, '}');
	}
	sb_addz(out, "]\n");
	arena_free(&a);
}

int main(int argc, char **argv)
{
	struct strbuf file = STRBUF_INIT, json = STRBUF_INIT;
	struct catalog *c = segment_catalog();
	const struct type *t;
	int rc;

	if (argc != 2 || !c)
		return 2;
	t = catalog_node(c, STR("Thing"));
	segment_write(t, 70000, &file);
	rows_json(t, 70000, &json);
	rc = write_file(argv[1], "segment.arrow", &file) | write_file(argv[1], "rows.json", &json);
	sb_free(&file);
	sb_free(&json);
	catalog_put(c);
	return rc;
}
