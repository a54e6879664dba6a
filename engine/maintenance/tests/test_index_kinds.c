/* SPDX-License-Identifier: MIT */
/* Which declared indexes optimize has anything to say of (spec/schema.md 7.3), and that a second run finds nothing to do. */
#include "engine/maintenance/tests/maint_test.h"

/* Only v can ever be waited for: no other kind needs training, composites and edge properties build nothing. */
#define KINDS                                                                                                  \
	"node Person {\n  name: String @key\n  title: String? @index\n  mood: enum(calm, glad)? @index\n"      \
	"  age: I32? @index\n  born: Date? @index\n  v: Vector(3)? @index\n  w: Vector(2)?\n  x: Vector(2)?\n" \
	"  @index(w, x)\n  @index(age, mood)\n}\n"                                                             \
	"node Note {\n  text: String? @index\n}\n"                                                             \
	"edge Knows: Person -> Person {\n  since: Date? @index\n  ev: Vector(2)? @index\n  @index(src, since)\n}\n"

/* "<type key>.<property> ..." of what optimize waits for. */
static char *pending_of(struct graph *g, uint64_t *moved)
{
	struct optimize_result res;
	struct strbuf b = STRBUF_INIT;

	CHECK_OK(graph_optimize(g, &res, ep));
	*moved = 0;
	for (uint32_t i = 0; i < res.n; i++) {
		*moved += res.types[i].fragments_removed + res.types[i].fragments_added;
		for (uint32_t k = 0; k < res.types[i].n_pending; k++)
			sb_addf(&b, "%s%.*s.%.*s", b.n ? " " : "", STR_ARG(res.types[i].type_key),
				STR_ARG(res.types[i].pending[k]));
	}
	optimize_result_clear(&res);
	return sb_detach(&b);
}

static void pending_is(struct graph *g, const char *want, bool moves)
{
	uint64_t moved;
	char *got = pending_of(g, &moved);

	CHECK_STR(got, want);
	CHECK_INT(moved > 0, moves);
	free(got);
}

static int add_object(void *arg, const char *key, const struct store_stat *st)
{
	sb_addf(arg, "%s %" PRIu64 " %s\n", key, st->size, st->token.s);
	return 0;
}

static char *objects(struct store *s)
{
	struct strbuf b = STRBUF_INIT;

	CHECK_OK(store_list(s, "", NULL, true, add_object, &b, ep));
	return sb_detach(&b);
}

static void kinds(void)
{
	char *before, *after;
	struct rig r;

	rig_open_schema(&r, STR(KINDS));
	WRITE(r.g, NULL, PERSON("ada", 1), PERSON("bob", 1), NOTE("n"), KNOWS("k", "ada", "bob"));
	pending_is(r.g, "node:Person.v", true);
	before = objects(r.s);
	pending_is(r.g, "node:Person.v", false);
	after = objects(r.s);
	CHECK_STR(after, before);
	free(before);
	free(after);
	WRITE(r.g, NULL, PERSON("cyd", 3));
	pending_is(r.g, "", true);
	pending_is(r.g, "", false);
	rig_close(&r);
}

CHECK_MAIN("engine/index-kinds",
	   { "SCH-58 only a node's single vector index ever waits for values; a second optimize changes nothing",
	     kinds }, )
