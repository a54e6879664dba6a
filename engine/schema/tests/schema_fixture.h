/* SPDX-License-Identifier: MIT */
/* Compile, plan and render schemas given as text; everything a test makes is freed by drop_all(). */
#ifndef ENGINE_SCHEMA_TESTS_SCHEMA_FIXTURE_H
#define ENGINE_SCHEMA_TESTS_SCHEMA_FIXTURE_H

#include <omnigraph/catalog.h>
#include <test/check.h>

#define DOMAIN "01ARZ3NDEKTSV4RRFFQ69G5FAV"

#define PERSON_KNOWS "node Person { name: String @key  age: I32? }  edge Knows: Person -> Person { since: Date? }"

static struct catalog *kept[64];
static unsigned n_kept;
static struct arena texts;

__attribute__((unused)) static void drop_all(void)
{
	while (n_kept)
		catalog_put(kept[--n_kept]);
	arena_free(&texts);
	texts = ARENA_INIT;
}

__attribute__((unused)) static struct catalog *keep(struct catalog *c)
{
	if (n_kept == ARRAY_SIZE(kept))
		abort();
	return kept[n_kept++] = c;
}

/* The text of a buffer that outlives it. */
__attribute__((unused)) static const char *text_of(struct strbuf *b)
{
	const char *s = arena_str(&texts, sb_str(b)).s;

	sb_free(b);
	return s;
}

/* NULL, with the message on stderr, when it does not compile. */
__attribute__((unused)) static struct catalog *next_schema(const struct catalog *accepted, const char *source)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	if (catalog_compile(str_from(source), accepted, DOMAIN, &c, &e)) {
		fprintf(stderr, "# does not compile: %s\n# %s\n", source, err_msg(&e));
		err_clear(&e);
		return NULL;
	}
	return keep(c);
}

__attribute__((unused)) static struct catalog *schema(const char *source)
{
	return next_schema(NULL, source);
}

/* The message of the error that compiling gives; "" when there is none. *code may be NULL. */
__attribute__((unused)) static const char *schema_error(const struct catalog *accepted, const char *source,
							enum err_code *code)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	const char *msg;

	if (!catalog_compile(str_from(source), accepted, DOMAIN, &c, &e))
		catalog_put(c);
	if (code)
		*code = e.code;
	msg = arena_strdup(&texts, err_msg(&e));
	err_clear(&e);
	return msg;
}

/* The plan as JSON text; the error message when there is no plan. */
__attribute__((unused)) static const char *plan_mode(const char *from, const char *to, bool hard)
{
	struct catalog *accepted = schema(from), *desired = NULL;
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	bool supported = false;

	if (!accepted)
		return "(the accepted schema does not compile)";
	if (schema_plan(accepted, str_from(to), hard, &out, &supported, &desired, &e)) {
		sb_addz(&out, err_msg(&e));
		err_clear(&e);
	}
	if (supported != (desired != NULL))
		sb_addz(&out, " (the resulting catalog and the verdict disagree)");
	catalog_put(desired);
	return text_of(&out);
}

__attribute__((unused)) static const char *plan(const char *from, const char *to)
{
	return plan_mode(from, to, false);
}

__attribute__((unused)) static const char *plan_lines(const char *from, const char *to)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (schema_plan_text(str_from(plan(from, to)), &out, &e)) {
		sb_addz(&out, err_msg(&e));
		err_clear(&e);
	}
	return text_of(&out);
}

__attribute__((unused)) static const struct prop *prop_of(const struct catalog *c, const char *type, const char *prop)
{
	const struct type *t = catalog_node(c, str_from(type));

	if (!t)
		t = catalog_edge(c, str_from(type));
	return t ? type_prop(t, str_from(prop)) : NULL;
}

#endif
