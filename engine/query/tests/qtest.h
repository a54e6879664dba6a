/* SPDX-License-Identifier: MIT */
/* qtest.h - the schema of spec/query.md and helpers for the tests of the query front end. */
#ifndef QTEST_H
#define QTEST_H

#include <omnigraph/graph.h>
#include <omnigraph/query.h>
#include <test/check.h>

#include "engine/query/ast.h"

static const char qtest_schema[] =
	"node Planet { code: String @key  moons: I32?  mass: F64?  tags: [String]?  vec: Vector(2)? }\n"
	"node Probe { ref: String @key  label: String  notes: String? @index\n"
	"  status: enum(active, lost)?  launched: DateTime? }\n"
	"node Doc { slug: String @key  title: String  pic: Blob?  emb: Vector(3) @embed(title)  born: Date?  ok: "
	"Bool?\n"
	"  f: F32?  ints: [I32]?  big: I64?  u: U32?  uu: U64? }\n"
	"edge Orbits: Probe -> Planet { since: Date?  note: String? }\n"
	"edge Relays: Probe -> Probe { band: String? }\n"
	"edge Cites: Doc -> Doc { why: String }\n";

__attribute__((unused)) static struct catalog *qtest_catalog(void)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	if (catalog_compile(str_from(qtest_schema), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, &e)) {
		fprintf(stderr, "# %s\n", err_msg(&e));
		abort();
	}
	return c;
}

/* Parse and type-check the (first) query: "" when it is good, else the message; valid until the next call. */
__attribute__((unused)) static const char *qtest_check(struct catalog *c, const char *src)
{
	static char text[8192];
	struct query_file *f = NULL;
	struct query q = { 0 };
	struct err e = ERR_INIT;

	text[0] = '\0';
	if (query_file_parse(str_from(src), &f, &e) || query_typecheck(c, query_file_at(f, 0), &q, &e))
		snprintf(text, sizeof(text), "%s", err_msg(&e));
	query_file_free(f);
	arena_free(&q.arena);
	err_clear(&e);
	return text;
}

#endif
