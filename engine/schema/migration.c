/* SPDX-License-Identifier: MIT */
/*
 * Migration planning (spec/schema.md 11): accepted schema against desired schema, matched by identity, as a list of steps. Only schemas
 * are looked at, never data.
 */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/map.h>

#include "engine/schema/ir.h"

#define V1 " is not supported in schema migration v1"

/* The types of a schema in order of their identities. */
struct by_id {
	const struct sc_type **types;
	uint32_t n;
};

struct planner {
	const struct sc_schema *old, *new;
	struct by_id old_ids, new_ids;
	struct arena a;
	struct json_writer w;
	bool hard, supported;
	uint32_t steps;
};

static void begin(struct planner *p, const char *kind)
{
	p->steps++;
	jw_begin_object(&p->w);
	jw_kstrz(&p->w, "kind", kind);
}

static void end(struct planner *p)
{
	jw_end_object(&p->w);
}

/* --- unsupported changes ------------------------------------------------------------------------------------------------- */

static void unsupported(struct planner *p, const char *entity, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void unsupported(struct planner *p, const char *entity, const char *code, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	p->supported = false;
	begin(p, "unsupported_change");
	jw_kstrz(&p->w, "entity", entity);
	jw_kstr(&p->w, "reason", sb_str(&b));
	if (code)
		jw_kstrz(&p->w, "code", code);
	end(p);
	sb_free(&b);
}

static const char *type_entity(struct planner *p, const struct sc_type *t)
{
	return arena_printf(&p->a, "%s:%.*s", sc_kind_words[t->kind], STR_ARG(t->name));
}

static const char *prop_entity(struct planner *p, const struct sc_type *t, const struct sc_prop *pr)
{
	return arena_printf(&p->a, "%s:%.*s.%.*s", sc_kind_words[t->kind], STR_ARG(t->name), STR_ARG(pr->name));
}

/* --- matching by identity ------------------------------------------------------------------------------------------------ */

static int by_type_id(const void *a, const void *b)
{
	uint64_t x = (*(const struct sc_type *const *)a)->type_id, y = (*(const struct sc_type *const *)b)->type_id;

	return (x > y) - (x < y);
}

static struct by_id types_by_id(struct arena *a, const struct sc_schema *s)
{
	struct by_id out = { arena_array(a, const struct sc_type *, s->n_types + 1), s->n_types };

	for (uint32_t i = 0; i < s->n_types; i++)
		out.types[i] = &s->types[i];
	if (out.n)
		qsort(out.types, out.n, sizeof(*out.types), by_type_id);
	return out;
}

static const struct sc_type *type_by_id(const struct by_id *s, uint64_t id)
{
	const struct sc_type key = { .type_id = id }, *k = &key, **hit;

	hit = s->n ? bsearch(&k, s->types, s->n, sizeof(*s->types), by_type_id) : NULL;
	return hit ? *hit : NULL;
}

static const struct sc_prop *prop_by_id(const struct sc_type *t, uint64_t id)
{
	for (uint32_t i = 0; i < t->n_props; i++)
		if (t->props[i].id == id)
			return &t->props[i];
	return NULL;
}

static uint64_t id_of(const struct sc_schema *s, enum sc_kind kind, struct str name)
{
	const struct sc_type *t = sc_type_find(s, kind, name);

	return t ? t->type_id : 0;
}

static uint64_t prop_id_of(const struct sc_type *t, struct str name)
{
	const struct sc_prop *p = sc_prop_find(t, name);

	return p ? p->id : 0;
}

/* --- annotations ----------------------------------------------------------------------------------------------------------- */

static bool is_metadata(struct str name)
{
	return str_eqz(name, "description") || str_eqz(name, "instruction");
}

static bool same_value(const struct sc_annotation *a, const struct sc_annotation *b)
{
	return (!a && !b) || (a && b && str_eq(a->value, b->value));
}

static bool metadata_differs(const struct sc_annotation *a, uint32_t na, const struct sc_annotation *b, uint32_t nb)
{
	return !same_value(sc_find(a, na, "description"), sc_find(b, nb, "description")) ||
	       !same_value(sc_find(a, na, "instruction"), sc_find(b, nb, "instruction"));
}

static bool equal_annotation(const struct sc_annotation *a, const struct sc_annotation *b)
{
	if (!str_eq(a->name, b->name) || a->has_value != b->has_value || !str_eq(a->value, b->value) ||
	    a->n_kwargs != b->n_kwargs)
		return false;
	for (uint32_t i = 0; i < a->n_kwargs; i++) {
		uint32_t k = 0;

		while (k < b->n_kwargs && !(str_eq(a->kwargs[i].name, b->kwargs[k].name) &&
					    str_eq(a->kwargs[i].value, b->kwargs[k].value)))
			k++;
		if (k == b->n_kwargs)
			return false;
	}
	return true;
}

/* Every opaque annotation of @a stands on @b. */
static bool opaque_within(const struct sc_annotation *a, uint32_t na, const struct sc_annotation *b, uint32_t nb)
{
	for (uint32_t i = 0; i < na; i++) {
		uint32_t k = 0;

		if (sc_is_typed(a[i].name) || is_metadata(a[i].name))
			continue;
		while (k < nb && !equal_annotation(&a[i], &b[k]))
			k++;
		if (k == nb)
			return false;
	}
	return true;
}

static bool opaque_differs(const struct sc_annotation *a, uint32_t na, const struct sc_annotation *b, uint32_t nb)
{
	return !opaque_within(a, na, b, nb) || !opaque_within(b, nb, a, na);
}

static void metadata_json(struct planner *p, const struct sc_annotation *a, uint32_t n)
{
	static const char *const words[] = { "description", "instruction" };

	jw_keyz(&p->w, "annotations");
	jw_begin_array(&p->w);
	for (size_t i = 0; i < 2; i++) {
		const struct sc_annotation *m = sc_find(a, n, words[i]);

		if (!m)
			continue;
		jw_begin_object(&p->w);
		jw_kstrz(&p->w, "name", words[i]);
		jw_kstr(&p->w, "value", m->value);
		jw_end_object(&p->w);
	}
	jw_end_array(&p->w);
}

/* --- properties -------------------------------------------------------------------------------------------------------------- */

static void prop_step(struct planner *p, const char *kind, const struct sc_type *t)
{
	begin(p, kind);
	jw_kstrz(&p->w, "type_kind", sc_kind_words[t->kind]);
	jw_kstr(&p->w, "type_name", t->name);
}

static void plan_new_property(struct planner *p, const struct sc_type *t, const struct sc_prop *n)
{
	if (!n->type.nullable) {
		unsupported(p, prop_entity(p, t, n), "OG-MF-103",
			    "adding required property '%.*s.%.*s' requires a backfill and" V1, STR_ARG(t->name),
			    STR_ARG(n->name));
		return;
	}
	prop_step(p, "add_property", t);
	jw_kstr(&p->w, "property_name", n->name);
	jw_keyz(&p->w, "property_type");
	sc_type_json(&n->type, &p->w);
	end(p);
}

static bool has_value(const struct prop_type *t, struct str v)
{
	for (uint32_t i = 0; i < t->n_enum; i++)
		if (str_eq(t->enum_values[i], v))
			return true;
	return false;
}

static bool widens(const struct prop_type *a, const struct prop_type *b)
{
	if (!a->n_enum || b->n_enum <= a->n_enum || a->nullable != b->nullable || a->list != b->list)
		return false;
	for (uint32_t i = 0; i < a->n_enum; i++)
		if (!has_value(b, a->enum_values[i]))
			return false;
	return true;
}

static void plan_type_change(struct planner *p, const struct sc_type *t, const struct sc_prop *o,
			     const struct sc_prop *n)
{
	if (sc_same_type(&o->type, &n->type))
		return;
	if (!widens(&o->type, &n->type)) {
		unsupported(p, prop_entity(p, t, n), "OG-MF-106", "changing property type for '%.*s.%.*s'" V1,
			    STR_ARG(t->name), STR_ARG(n->name));
		return;
	}
	prop_step(p, "extend_enum", t);
	jw_kstr(&p->w, "property_name", n->name);
	jw_keyz(&p->w, "added_values");
	jw_begin_array(&p->w);
	for (uint32_t i = 0; i < n->type.n_enum; i++)
		if (!has_value(&o->type, n->type.enum_values[i]))
			jw_str(&p->w, n->type.enum_values[i]);
	jw_end_array(&p->w);
	end(p);
}

static bool embed_differs(const struct sc_type *ot, const struct sc_prop *o, const struct sc_type *nt,
			  const struct sc_prop *n)
{
	struct str os, om, ns, nm;
	bool oe = sc_embed(o, &os, &om), ne = sc_embed(n, &ns, &nm);

	if (oe != ne)
		return true;
	return oe && (prop_id_of(ot, os) != prop_id_of(nt, ns) || !om.s != !nm.s || !str_eq(om, nm));
}

static void index_step(struct planner *p, const struct sc_type *t, const struct str *members, uint32_t n)
{
	begin(p, "add_constraint");
	jw_kstrz(&p->w, "type_kind", sc_kind_words[t->kind]);
	jw_kstr(&p->w, "type_name", t->name);
	jw_keyz(&p->w, "constraint");
	jw_begin_object(&p->w);
	jw_keyz(&p->w, "Index");
	jw_begin_array(&p->w);
	for (uint32_t i = 0; i < n; i++)
		jw_str(&p->w, members[i]);
	jw_end_array(&p->w);
	jw_end_object(&p->w);
	end(p);
}

static void plan_property_constraints(struct planner *p, const struct sc_type *t, const struct sc_prop *o,
				      const struct sc_prop *n)
{
	static const char *const words[] = { "key", "unique", "index" };
	bool removed = false;

	for (size_t i = 0; i < 3; i++)
		removed |= sc_has(o, words[i]) && !sc_has(n, words[i]);
	if (removed)
		unsupported(p, prop_entity(p, t, n), NULL, "removing property constraints from '%.*s.%.*s'" V1,
			    STR_ARG(t->name), STR_ARG(n->name));
	for (size_t i = 0; i < 3; i++) {
		if (sc_has(o, words[i]) || !sc_has(n, words[i]))
			continue;
		if (i == 2)
			index_step(p, t, &n->name, 1);
		else
			unsupported(p, prop_entity(p, t, n), NULL,
				    "adding a property-level @%s constraint to '%.*s.%.*s'" V1, words[i],
				    STR_ARG(t->name), STR_ARG(n->name));
	}
}

static bool links_differ(struct planner *p, const struct sc_prop *o, const struct sc_prop *n)
{
	if (o->n_links != n->n_links)
		return true;
	for (uint32_t i = 0; i < n->n_links; i++) {
		uint64_t owner = id_of(p->new, SC_INTERFACE, n->links[i].owner);
		uint32_t k = 0;

		while (k < o->n_links && id_of(p->old, SC_INTERFACE, o->links[k].owner) != owner)
			k++;
		if (k == o->n_links)
			return true;
	}
	return false;
}

static void plan_property(struct planner *p, const struct sc_type *ot, const struct sc_type *t, const struct sc_prop *o,
			  const struct sc_prop *n)
{
	if (!str_eq(o->name, n->name)) {
		prop_step(p, "rename_property", t);
		jw_kstr(&p->w, "from", o->name);
		jw_kstr(&p->w, "to", n->name);
		end(p);
	}
	plan_type_change(p, t, o, n);
	if (embed_differs(ot, o, t, n))
		unsupported(p, prop_entity(p, t, n), NULL,
			    "changing @embed source or model for '%.*s.%.*s'" V1
			    "; rebuild the graph with the new binding and fresh vectors",
			    STR_ARG(t->name), STR_ARG(n->name));
	plan_property_constraints(p, t, o, n);
	if (o->declared_directly != n->declared_directly)
		unsupported(p, prop_entity(p, t, n), NULL, "changing declaration provenance for '%.*s.%.*s'" V1,
			    STR_ARG(t->name), STR_ARG(n->name));
	if (links_differ(p, o, n))
		unsupported(p, prop_entity(p, t, n), NULL,
			    "changing interface-property satisfaction links for '%.*s.%.*s'" V1, STR_ARG(t->name),
			    STR_ARG(n->name));
	if (metadata_differs(o->annotations, o->n_annotations, n->annotations, n->n_annotations)) {
		prop_step(p, "update_property_metadata", t);
		jw_kstr(&p->w, "property_name", n->name);
		metadata_json(p, n->annotations, n->n_annotations);
		end(p);
	}
	if (opaque_differs(o->annotations, o->n_annotations, n->annotations, n->n_annotations))
		unsupported(p, prop_entity(p, t, n), NULL,
			    "changing annotations beyond @description/@instruction on '%.*s.%.*s'" V1, STR_ARG(t->name),
			    STR_ARG(n->name));
}

static void plan_properties(struct planner *p, const struct sc_type *ot, const struct sc_type *t)
{
	for (uint32_t i = 0; i < t->n_props; i++) {
		const struct sc_prop *o = prop_by_id(ot, t->props[i].id);

		if (o)
			plan_property(p, ot, t, o, &t->props[i]);
		else
			plan_new_property(p, t, &t->props[i]);
	}
	for (uint32_t i = 0; i < ot->n_props; i++) {
		if (prop_by_id(t, ot->props[i].id))
			continue;
		prop_step(p, "drop_property", t);
		jw_kstr(&p->w, "property_name", ot->props[i].name);
		jw_kstrz(&p->w, "mode", p->hard ? "hard" : "soft");
		end(p);
	}
}

/* --- constraints --------------------------------------------------------------------------------------------------------------- */

/* Endpoints are members without a number; they sort behind the properties. */
#define MEMBER_SRC (UINT64_MAX - 1)
#define MEMBER_DST UINT64_MAX

static uint64_t member_number(const struct sc_type *t, struct str member)
{
	if (t->kind == SC_EDGE && str_eqz(member, "src"))
		return MEMBER_SRC;
	if (t->kind == SC_EDGE && str_eqz(member, "dst"))
		return MEMBER_DST;
	return prop_id_of(t, member);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Members are a set: their order follows their names and so may change when one is renamed; their numbers do not. */
static void members_key(struct planner *p, const struct sc_type *t, const struct sc_constraint *k, struct strbuf *out)
{
	uint64_t *numbers = arena_array(&p->a, uint64_t, k->n_members + 1);

	for (uint32_t i = 0; i < k->n_members; i++)
		numbers[i] = member_number(t, k->members[i]);
	qsort(numbers, k->n_members, sizeof(*numbers), by_number);
	for (uint32_t i = 0; i < k->n_members; i++) {
		if (i)
			sb_addch(out, ',');
		if (numbers[i] >= MEMBER_SRC)
			sb_addz(out, numbers[i] == MEMBER_SRC ? "src" : "dst");
		else
			sb_addf(out, "%llu", (unsigned long long)numbers[i]);
	}
}

static void bound_key(const struct sc_bound *b, struct strbuf *out)
{
	char text[32];

	if (b->given && b->is_float)
		sb_add(out, text, fmt_f64(text, b->f));
	else if (b->given)
		sb_addi64(out, b->i);
}

/* Text that names a constraint by identities: "index:property:<type>:<property>[,..]". */
static const char *constraint_key(struct planner *p, const struct sc_type *t, const struct sc_constraint *k)
{
	static const char *const words[] = { "key", "unique", "index", "range", "check" };
	struct strbuf b = STRBUF_INIT;
	const char *s;

	sb_addf(&b, "%s:property:%llu:", words[k->kind], (unsigned long long)t->type_id);
	members_key(p, t, k, &b);
	if (k->kind == CON_RANGE) {
		sb_addch(&b, ':');
		bound_key(&k->min, &b);
		sb_addz(&b, "..");
		bound_key(&k->max, &b);
	} else if (k->kind == CON_CHECK) {
		sb_addch(&b, ':');
		sb_adds(&b, k->pattern);
	}
	s = arena_strdup(&p->a, b.s);
	sb_free(&b);
	return s;
}

/* The keys of all constraints of a type; @set, which the caller frees, has the same as a set. */
static const char **constraint_keys(struct planner *p, const struct sc_type *t, struct map *set)
{
	const char **keys = arena_array(&p->a, const char *, t->n_constraints + 1);

	for (uint32_t i = 0; i < t->n_constraints; i++) {
		keys[i] = constraint_key(p, t, &t->constraints[i]);
		map_add(set, str_from(keys[i]), (void *)keys[i]);
	}
	return keys;
}

static bool listed(const struct map *set, const char *key)
{
	return map_get(set, str_from(key)) != NULL;
}

/* A one-member index that the property step of an existing property already announced. */
static bool announced(const struct sc_type *ot, const struct sc_type *t, const struct sc_constraint *k)
{
	const struct sc_prop *n = k->n_members == 1 ? sc_prop_find(t, k->members[0]) : NULL, *o;

	if (!n || k->kind != CON_INDEX)
		return false;
	o = prop_by_id(ot, n->id);
	return o && !sc_has(o, "index") && sc_has(n, "index");
}

struct addition {
	const char *key;
	const struct sc_constraint *k;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct addition *)a)->key, ((const struct addition *)b)->key);
}

static void plan_constraints(struct planner *p, const struct sc_type *ot, const struct sc_type *t)
{
	struct map old_set = MAP_INIT, new_set = MAP_INIT;
	const char **old = constraint_keys(p, ot, &old_set), **new = constraint_keys(p, t, &new_set);
	struct addition *add = arena_array(&p->a, struct addition, t->n_constraints + 1);
	uint32_t n = 0;
	bool removed = false;

	for (uint32_t i = 0; i < ot->n_constraints; i++)
		removed |= !listed(&new_set, old[i]);
	if (removed)
		unsupported(p, type_entity(p, t), NULL, "removing constraints from '%.*s'" V1, STR_ARG(t->name));
	for (uint32_t i = 0; i < t->n_constraints; i++)
		if (!listed(&old_set, new[i]) && !announced(ot, t, &t->constraints[i]))
			add[n++] = (struct addition){ new[i], &t->constraints[i] };
	map_free(&old_set);
	map_free(&new_set);
	if (n)
		qsort(add, n, sizeof(*add), by_key);
	for (uint32_t i = 0; i < n; i++) {
		if (add[i].k->kind == CON_INDEX)
			index_step(p, t, add[i].k->members, add[i].k->n_members);
		else
			unsupported(p, type_entity(p, t), NULL, "adding constraint '%s' to '%.*s'" V1, add[i].key,
				    STR_ARG(t->name));
	}
}

/* --- types ------------------------------------------------------------------------------------------------------------------------ */

static bool implements_differ(struct planner *p, const struct sc_type *ot, const struct sc_type *t)
{
	if (ot->n_implements != t->n_implements)
		return true;
	for (uint32_t i = 0; i < t->n_implements; i++) {
		uint64_t id = id_of(p->new, SC_INTERFACE, t->implements[i]);
		uint32_t k = 0;

		while (k < ot->n_implements && id_of(p->old, SC_INTERFACE, ot->implements[k]) != id)
			k++;
		if (k == ot->n_implements)
			return true;
	}
	return false;
}

static void plan_matched(struct planner *p, const struct sc_type *ot, const struct sc_type *t)
{
	if (!str_eq(ot->name, t->name)) {
		begin(p, "rename_type");
		jw_kstrz(&p->w, "type_kind", sc_kind_words[t->kind]);
		jw_kstr(&p->w, "from", ot->name);
		jw_kstr(&p->w, "to", t->name);
		end(p);
	}
	if (t->kind == SC_NODE && implements_differ(p, ot, t))
		unsupported(p, type_entity(p, t), NULL, "changing implemented interfaces on node '%.*s'" V1,
			    STR_ARG(t->name));
	if (t->kind == SC_EDGE && (id_of(p->old, SC_NODE, ot->from) != id_of(p->new, SC_NODE, t->from) ||
				   id_of(p->old, SC_NODE, ot->to) != id_of(p->new, SC_NODE, t->to)))
		unsupported(p, type_entity(p, t), NULL, "changing edge endpoints on '%.*s'" V1, STR_ARG(t->name));
	if (t->kind == SC_EDGE && (ot->card_min != t->card_min || ot->card_max != t->card_max))
		unsupported(p, type_entity(p, t), NULL, "changing cardinality on edge '%.*s'" V1, STR_ARG(t->name));
	if (metadata_differs(ot->annotations, ot->n_annotations, t->annotations, t->n_annotations)) {
		begin(p, "update_type_metadata");
		jw_kstrz(&p->w, "type_kind", sc_kind_words[t->kind]);
		jw_kstr(&p->w, "name", t->name);
		metadata_json(p, t->annotations, t->n_annotations);
		end(p);
	}
	if (opaque_differs(ot->annotations, ot->n_annotations, t->annotations, t->n_annotations))
		unsupported(p, type_entity(p, t), NULL,
			    "changing annotations beyond @description/@instruction on '%.*s'" V1, STR_ARG(t->name));
	plan_properties(p, ot, t);
	if (t->kind != SC_INTERFACE)
		plan_constraints(p, ot, t);
}

static void plan_kind(struct planner *p, enum sc_kind kind)
{
	for (uint32_t i = 0; i < p->new->n_types; i++) {
		const struct sc_type *t = &p->new->types[i], *ot;

		if (t->kind != kind)
			continue;
		ot = type_by_id(&p->old_ids, t->type_id);
		if (ot) {
			plan_matched(p, ot, t);
			continue;
		}
		begin(p, "add_type");
		jw_kstrz(&p->w, "type_kind", sc_kind_words[kind]);
		jw_kstr(&p->w, "name", t->name);
		end(p);
	}
	for (uint32_t i = 0; i < p->old->n_types; i++) {
		const struct sc_type *ot = &p->old->types[i];

		if (ot->kind != kind || type_by_id(&p->new_ids, ot->type_id))
			continue;
		if (kind == SC_INTERFACE) {
			unsupported(p, type_entity(p, ot), NULL, "removing interface '%.*s'" V1, STR_ARG(ot->name));
			continue;
		}
		begin(p, "drop_type");
		jw_kstrz(&p->w, "type_kind", sc_kind_words[kind]);
		jw_kstr(&p->w, "name", ot->name);
		jw_kstrz(&p->w, "mode", p->hard ? "hard" : "soft");
		end(p);
	}
}

int schema_plan(const struct catalog *accepted, struct str source, bool hard, struct strbuf *out, bool *supported,
		struct catalog **desired, struct err *e)
{
	struct planner p = { .old = accepted->ir, .hard = hard, .supported = true };
	struct strbuf steps = STRBUF_INIT;
	struct catalog *c;
	int rc = catalog_compile(source, accepted, NULL, &c, e);

	if (rc)
		return rc;
	p.new = c->ir;
	p.old_ids = types_by_id(&p.a, p.old);
	p.new_ids = types_by_id(&p.a, p.new);
	jw_init(&p.w, &steps, false);
	jw_begin_array(&p.w);
	if (strcmp(accepted->shape_digest, c->shape_digest)) {
		for (int k = SC_INTERFACE; k <= SC_EDGE; k++)
			plan_kind(&p, (enum sc_kind)k);
		if (!p.steps)
			unsupported(&p, "schema", NULL, "unclassified semantic IR change");
	}
	jw_end_array(&p.w);
	sb_addf(out, "{\"supported\":%s,\"steps\":%s}", p.supported ? "true" : "false", steps.s);
	*supported = p.supported;
	if (desired && p.supported)
		*desired = c;
	else
		catalog_put(c);
	sb_free(&steps);
	arena_free(&p.a);
	return 0;
}
