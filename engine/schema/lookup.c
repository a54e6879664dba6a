/* SPDX-License-Identifier: MIT */
/* Small questions about a parsed schema, and finding its parts by name without walking all of them. */
#include "engine/schema/ir.h"

bool sc_is_typed(struct str n)
{
	return str_eqz(n, "key") || str_eqz(n, "unique") || str_eqz(n, "index") || str_eqz(n, "embed") ||
	       str_eqz(n, "rename_from");
}

const struct sc_annotation *sc_find(const struct sc_annotation *a, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_eqz(a[i].name, name))
			return &a[i];
	return NULL;
}

bool sc_has(const struct sc_prop *p, const char *annotation)
{
	return sc_find(p->annotations, p->n_annotations, annotation) != NULL;
}

bool sc_embed(const struct sc_prop *p, struct str *source, struct str *model)
{
	const struct sc_annotation *an = sc_find(p->annotations, p->n_annotations, "embed");

	if (!an)
		return false;
	*source = an->value;
	*model = (struct str){ 0 };
	for (uint32_t i = 0; i < an->n_kwargs; i++)
		if (str_eqz(an->kwargs[i].name, "model"))
			*model = an->kwargs[i].value;
	return true;
}

struct str sc_rename_from(const struct sc_annotation *a, uint32_t n)
{
	const struct sc_annotation *an = sc_find(a, n, "rename_from");

	return an ? an->value : (struct str){ 0 };
}

bool sc_same_type(const struct prop_type *a, const struct prop_type *b)
{
	if (a->scalar != b->scalar || a->dim != b->dim || a->nullable != b->nullable || a->list != b->list ||
	    a->n_enum != b->n_enum)
		return false;
	for (uint32_t i = 0; i < a->n_enum; i++)
		if (!str_eq(a->enum_values[i], b->enum_values[i]))
			return false;
	return true;
}

/* --- by name ----------------------------------------------------------------------------------------------------- */

struct entry {
	enum sc_kind kind;
	struct str name;
	uint32_t at;
};

/* Equal names stay in the order of their positions, so that a search finds the first one. */
static int by_entry(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	int c = (int)a->kind - (int)b->kind;

	if (!c)
		c = str_cmp(a->name, b->name);
	return c ? c : (a->at > b->at) - (a->at < b->at);
}

/* Sorts the entries and frees them. */
static const uint32_t *positions(struct arena *a, struct entry *entries, uint32_t n)
{
	uint32_t *out = arena_array(a, uint32_t, n + 1);

	if (n)
		qsort(entries, n, sizeof(*entries), by_entry);
	for (uint32_t i = 0; i < n; i++)
		out[i] = entries[i].at;
	free(entries);
	return out;
}

void sc_index_types(struct arena *a, struct sc_schema *s)
{
	struct entry *e = mem_calloc(s->n_types + 1, sizeof(*e));

	for (uint32_t i = 0; i < s->n_types; i++)
		e[i] = (struct entry){ s->types[i].kind, s->types[i].name, i };
	s->by_name = positions(a, e, s->n_types);
	s->n_indexed = s->n_types;
}

void sc_index_props(struct arena *a, struct sc_type *t)
{
	struct entry *e = mem_calloc(t->n_props + 1, sizeof(*e));

	for (uint32_t i = 0; i < t->n_props; i++)
		e[i] = (struct entry){ SC_NODE, t->props[i].name, i };
	t->by_name = positions(a, e, t->n_props);
	t->n_indexed = t->n_props;
}

static int type_order(const struct sc_type *t, enum sc_kind kind, struct str name)
{
	return t->kind != kind ? (int)t->kind - (int)kind : str_cmp(t->name, name);
}

struct sc_type *sc_type_find(const struct sc_schema *s, enum sc_kind kind, struct str name)
{
	uint32_t lo = 0, hi = s->n_indexed;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (type_order(&s->types[s->by_name[mid]], kind, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < s->n_indexed && !type_order(&s->types[s->by_name[lo]], kind, name))
		return &s->types[s->by_name[lo]];
	for (uint32_t i = s->n_indexed; i < s->n_types; i++)
		if (!type_order(&s->types[i], kind, name))
			return &s->types[i];
	return NULL;
}

struct sc_prop *sc_prop_find(const struct sc_type *t, struct str name)
{
	uint32_t lo = 0, hi = t->n_indexed;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (str_cmp(t->props[t->by_name[mid]].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < t->n_indexed && str_eq(t->props[t->by_name[lo]].name, name))
		return &t->props[t->by_name[lo]];
	for (uint32_t i = t->n_indexed; i < t->n_props; i++)
		if (str_eq(t->props[i].name, name))
			return &t->props[i];
	return NULL;
}
