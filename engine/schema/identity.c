/* SPDX-License-Identifier: MIT */
/* Stable identities (spec/schema.md 9): who is who across a schema change, and numbers for what is new. */
#include <errno.h>

#include <omnigraph/map.h>

#include "engine/schema/ir.h"

struct resolver {
	struct sc_schema *s;
	const struct sc_schema *accepted; /* NULL at init */
	uint64_t next;
	struct map claimed; /* accepted types and properties already taken, by address */
	struct err *e;
};

/* An error on a word of the desired source. */
#define failed(r, word, ...) \
	sc_fail_on((r)->s, (word), (r)->e, ERR_BAD_REQUEST, "schema identity resolution failed: ", __VA_ARGS__)

/* False when it was taken before. */
static bool claim(struct resolver *r, const void *const *accepted)
{
	return map_add(&r->claimed, (struct str){ (const char *)accepted, sizeof(*accepted) }, (void *)*accepted);
}

static const struct sc_type *named_in_any_kind(const struct sc_schema *s, struct str name)
{
	for (uint32_t i = 0; i < s->n_types; i++)
		if (str_eq(s->types[i].name, name))
			return &s->types[i];
	return NULL;
}

/* The accepted type a desired one continues; NULL when it is new. */
static int match_type(struct resolver *r, const struct sc_type *t, const struct sc_type **out)
{
	struct str old = sc_rename_from(t->annotations, t->n_annotations);
	const struct sc_type *other;

	*out = sc_type_find(r->accepted, t->kind, t->name);
	if (*out || !old.s)
		return 0;
	*out = sc_type_find(r->accepted, t->kind, old);
	if (*out)
		return 0;
	other = named_in_any_kind(r->accepted, old);
	if (other)
		return failed(r, t->name, "%s %.*s cannot rename accepted '%.*s' across declaration kinds",
			      sc_kind_words[t->kind], STR_ARG(t->name), STR_ARG(old));
	return failed(r, t->name, "%s %.*s declares @rename_from(\"%.*s\") but no accepted declaration has that name",
		      sc_kind_words[t->kind], STR_ARG(t->name), STR_ARG(old));
}

static bool exists_elsewhere(const struct sc_schema *s, const struct sc_type *owner, struct str name)
{
	for (uint32_t i = 0; i < s->n_types; i++)
		if (&s->types[i] != owner && sc_prop_find(&s->types[i], name))
			return true;
	return false;
}

static int match_prop(struct resolver *r, const struct sc_type *t, const struct sc_type *owner, const struct sc_prop *p,
		      const struct sc_prop **out)
{
	struct str old = sc_rename_from(p->annotations, p->n_annotations);

	*out = owner ? sc_prop_find(owner, p->name) : NULL;
	if (*out || !old.s)
		return 0;
	if (!owner)
		return p->declared_directly
			       ? failed(r, p->name,
					"new type %.*s cannot import property identity with @rename_from(\"%.*s\")",
					STR_ARG(t->name), STR_ARG(old))
			       : 0;
	*out = sc_prop_find(owner, old);
	if (*out)
		return 0;
	if (exists_elsewhere(r->accepted, owner, old))
		return failed(r, p->name, "%.*s.%.*s: property moves across stable owners are not supported ('%.*s')",
			      STR_ARG(t->name), STR_ARG(p->name), STR_ARG(old));
	return failed(
		r, p->name,
		"%.*s.%.*s declares @rename_from(\"%.*s\") but no accepted property with that name exists under the "
		"stable owner",
		STR_ARG(t->name), STR_ARG(p->name), STR_ARG(old));
}

/* Pairs of a type with the accepted type it continues. The cells of `old` are map keys, so the array must not move. */
struct pair {
	struct sc_type *t;
	const void *old;
};

static int resolve_types(struct resolver *r, struct pair *pairs)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < r->s->n_types; i++) {
		const struct sc_type *old = NULL;

		pairs[i].t = &r->s->types[i];
		if (r->accepted)
			rc = match_type(r, pairs[i].t, &old);
		pairs[i].old = old;
		if (rc || !old)
			continue;
		if (!claim(r, &pairs[i].old))
			return failed(r, pairs[i].t->name,
				      "accepted %s '%.*s' is consumed by more than one desired declaration",
				      sc_kind_words[old->kind], STR_ARG(old->name));
		pairs[i].t->type_id = old->type_id;
		pairs[i].t->incarnation = old->incarnation;
	}
	return rc;
}

static int resolve_props(struct resolver *r, const struct pair *pair, struct arena *a)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < pair->t->n_props; i++) {
		struct sc_prop *p = &pair->t->props[i];
		const struct sc_prop *old = NULL;
		const void **cell;

		rc = match_prop(r, pair->t, pair->old, p, &old);
		if (rc || !old)
			continue;
		cell = arena_memdup(a, &old, sizeof(old));
		if (!claim(r, (const void *const *)cell))
			return failed(r, p->name, "accepted property '%.*s.%.*s' is consumed more than once",
				      STR_ARG(pair->t->name), STR_ARG(old->name));
		p->id = old->id;
	}
	return rc;
}

static int mint(struct resolver *r, uint64_t *id)
{
	if (r->next == UINT64_MAX)
		return failed(r, (struct str){ 0 }, "schema identity allocator is exhausted");
	*id = r->next++;
	return 0;
}

static int by_type_id(const void *a, const void *b)
{
	uint64_t x = (*(const struct sc_type *const *)a)->type_id, y = (*(const struct sc_type *const *)b)->type_id;

	return (x > y) - (x < y);
}

/* New numbers in the order of 9.1: types, then properties by owner, then incarnations. */
static int allocate(struct resolver *r, struct arena *a)
{
	struct sc_type **by_id = arena_array(a, struct sc_type *, r->s->n_types + 1);
	uint32_t n = r->s->n_types;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < n; i++) {
		by_id[i] = &r->s->types[i];
		if (!by_id[i]->type_id)
			rc = mint(r, &by_id[i]->type_id);
	}
	if (n && !rc)
		qsort(by_id, n, sizeof(*by_id), by_type_id);
	for (uint32_t i = 0; !rc && i < n; i++)
		for (uint32_t k = 0; !rc && k < by_id[i]->n_props; k++)
			if (!by_id[i]->props[k].id)
				rc = mint(r, &by_id[i]->props[k].id);
	for (uint32_t i = 0; !rc && i < n; i++)
		if (by_id[i]->kind != SC_INTERFACE && !by_id[i]->incarnation)
			rc = mint(r, &by_id[i]->incarnation);
	return rc;
}

int sc_identify(struct sc_schema *s, const struct sc_schema *accepted, uint64_t *next_id, struct err *e)
{
	struct resolver r = { .s = s, .accepted = accepted, .next = *next_id, .e = e };
	struct arena scratch = ARENA_INIT;
	struct pair *pairs = arena_array(&scratch, struct pair, s->n_types + 1);
	int rc = resolve_types(&r, pairs);

	for (uint32_t i = 0; !rc && accepted && i < s->n_types; i++)
		rc = resolve_props(&r, &pairs[i], &scratch);
	if (!rc)
		rc = allocate(&r, &scratch);
	if (!rc)
		*next_id = r.next;
	map_free(&r.claimed);
	arena_free(&scratch);
	return rc;
}
