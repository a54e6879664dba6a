/* SPDX-License-Identifier: MIT */
/* libFuzzer target: query text through the parser, the type checker and lint against a fixed schema. */
#include <stdlib.h>

#include <omnigraph/query.h>

#include "engine/query/ast.h"

static const char schema[] =
	"node Planet { code: String @key  moons: I32?  mass: F64?  tags: [String]?  vec: Vector(2)? }\n"
	"node Probe { ref: String @key  label: String  notes: String? @index  status: enum(active, lost)?  pic: Blob? "
	"}\n"
	"edge Orbits: Probe -> Planet { since: Date?  note: String? }\n"
	"edge Relays: Probe -> Probe { band: String? }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_all(struct catalog *c, const struct query_file *f)
{
	for (size_t i = 0; i < query_file_count(f); i++) {
		struct query q = { 0 };
		struct strbuf sig = STRBUF_INIT;
		struct err e = ERR_INIT;

		query_typecheck(c, query_file_at(f, i), &q, &e);
		query_decl_signature(query_file_at(f, i), &sig);
		sb_free(&sig);
		arena_free(&q.arena);
		err_clear(&e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct catalog *c;
	struct str src = { (const char *)data, n };
	struct strbuf out = STRBUF_INIT;
	struct query_file *f = NULL;
	struct json_writer w;
	struct err e = ERR_INIT;
	uint32_t errors;

	if (!c && catalog_compile(str_from(schema), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, &e))
		abort();
	if (!query_file_parse(src, &f, &e)) {
		check_all(c, f);
	} else if (e.code != ERR_PARSE || (e.line && e.span_end <= e.span_start)) {
		abort();
	}
	jw_init(&w, &out, false);
	query_lint(c, src, "fuzz.gq", STR("null"), &w, &errors, NULL);
	query_file_free(f);
	err_clear(&e);
	sb_free(&out);
	return 0;
}
