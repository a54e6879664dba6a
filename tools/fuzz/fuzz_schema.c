/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: schema text through the compiler, the accepted record and the planner. The input is one schema, or two
 * separated by a byte 0: an accepted one and its successor.
 */
#include <stdlib.h>

#include <omnigraph/catalog.h>

#define DOMAIN_ULID "01ARZ3NDEKTSV4RRFFQ69G5FAV"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What was compiled must be an accepted record that rebuilds the same catalog. */
static void check_record(const struct catalog *c)
{
	struct catalog *again = NULL;
	struct err e = ERR_INIT;

	if (catalog_from_record(c->source, c->compiled_json, &again, &e) ||
	    strcmp(again->compiled_digest, c->compiled_digest) || strcmp(again->shape_digest, c->shape_digest))
		abort();
	catalog_put(again);
}

static void check_plan(const struct catalog *c, struct str source)
{
	struct strbuf plan = STRBUF_INIT, text = STRBUF_INIT;
	struct catalog *next = NULL;
	struct err e = ERR_INIT;
	bool supported;

	if (!schema_plan(c, source, false, &plan, &supported, &next, &e)) {
		if (schema_plan_text(sb_str(&plan), &text, NULL) || supported != (next != NULL))
			abort();
		if (next)
			check_record(next);
	} else if (plan.n || !err_msg(&e)[0]) {
		abort();
	}
	catalog_put(next);
	err_clear(&e);
	sb_free(&plan);
	sb_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *sep = n ? memchr(data, 0, n) : NULL;
	struct str first = { (const char *)data, sep ? (size_t)(sep - (const char *)data) : n };
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	if (catalog_compile(first, NULL, DOMAIN_ULID, &c, &e)) {
		if (e.code != ERR_PARSE && e.code != ERR_TYPE)
			abort();
		err_clear(&e);
		return 0;
	}
	check_record(c);
	check_plan(c, sep ? (struct str){ sep + 1, n - first.n - 1 } : first);
	catalog_put(c);
	return 0;
}
