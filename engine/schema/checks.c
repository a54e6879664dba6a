/* SPDX-License-Identifier: MIT */
/* From declarations to a checked, canonical schema: interface injection, the errors S-14 to S-34, sorting (spec/schema.md 4, 5, 6, 13). */
#include <errno.h>

#include <omnigraph/limits.h>
#include <omnigraph/map.h>

#include "engine/schema/ir.h"

struct checker {
	struct arena *a;
	struct sc_schema *s;
	struct err *e;
	uint32_t injections;
	struct str clash_type, clash_prop,
		clash_at; /* first pair of interfaces that inject incompatible properties (S-32) */
};

/* An error on a word of the source. */
#define bad(c, word, ...) sc_fail_on((c)->s, (word), (c)->e, ERR_PARSE, "parse error: ", __VA_ARGS__)

static const char *shown_type(struct checker *c, const struct prop_type *t)
{
	struct strbuf b = STRBUF_INIT;
	const char *s;

	prop_type_display(t, &b);
	s = arena_strdup(c->a, b.s);
	sb_free(&b);
	return s;
}

/* --- interfaces ------------------------------------------------------------------------------------------------------ */

static bool same_annotation(const struct sc_annotation *a, const struct sc_annotation *b)
{
	if (!str_eq(a->name, b->name) || a->has_value != b->has_value || !str_eq(a->value, b->value) ||
	    a->n_kwargs != b->n_kwargs)
		return false;
	for (uint32_t i = 0; i < a->n_kwargs; i++)
		if (!str_eq(a->kwargs[i].name, b->kwargs[i].name) || !str_eq(a->kwargs[i].value, b->kwargs[i].value))
			return false;
	return true;
}

/* Every annotation of @a but rename hints also stands on @b. */
static bool annotations_within(const struct sc_prop *a, const struct sc_prop *b)
{
	for (uint32_t i = 0; i < a->n_annotations; i++) {
		uint32_t k = 0;

		if (str_eqz(a->annotations[i].name, "rename_from"))
			continue;
		while (k < b->n_annotations && !same_annotation(&a->annotations[i], &b->annotations[k]))
			k++;
		if (k == b->n_annotations)
			return false;
	}
	return true;
}

static void add_link(struct checker *c, struct sc_prop *p, struct str owner, struct str property)
{
	uint32_t i = p->n_links;

	if (!(p->n_links & (p->n_links - 1))) { /* full: capacities are powers of two */
		struct sc_link *links = arena_array(c->a, struct sc_link, p->n_links ? 2 * (size_t)p->n_links : 1);

		if (p->n_links)
			memcpy(links, p->links, p->n_links * sizeof(*links));
		p->links = links;
	}
	for (; i > 0 && str_cmp(p->links[i - 1].owner, owner) > 0; i--)
		p->links[i] = p->links[i - 1];
	p->links[i] = (struct sc_link){ owner, property };
	p->n_links++;
}

static int inject(struct checker *c, struct sc_type *t, const struct sc_type *iface, const struct sc_prop *ip)
{
	struct sc_prop *p = sc_prop_find(t, ip->name);

	if (c->injections++ == LIMIT_SCHEMA_INJECTIONS)
		return bad(c, t->name, "the interfaces contribute more than %u properties in all (node %.*s)",
			   LIMIT_SCHEMA_INJECTIONS, STR_ARG(t->name));
	if (!p) {
		if (t->n_props == LIMIT_TYPE_PROPERTIES)
			return bad(c, t->name, "node %.*s has more than %u properties", STR_ARG(t->name),
				   LIMIT_TYPE_PROPERTIES);
		p = sc_add_prop(c->a, t);
		*p = *ip;
		p->declared_directly = false;
		p->n_links = 0;
		p->links = NULL;
	} else if (p->declared_directly) {
		if (!sc_same_type(&p->type, &ip->type))
			return bad(c, p->name,
				   "node %.*s property '%.*s' has type %s but interface %.*s declares it as %s",
				   STR_ARG(t->name), STR_ARG(p->name), shown_type(c, &p->type), STR_ARG(iface->name),
				   shown_type(c, &ip->type));
	} else if (!c->clash_type.s &&
		   (!sc_same_type(&p->type, &ip->type) || !annotations_within(p, ip) || !annotations_within(ip, p))) {
		c->clash_type = t->name;
		c->clash_prop = p->name;
		c->clash_at = ip->name;
	}
	add_link(c, p, iface->name, ip->name);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int inject_interfaces(struct checker *c, struct sc_type *t)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < t->n_implements; i++) {
		const struct sc_type *iface = sc_type_find(c->s, SC_INTERFACE, t->implements[i]);
		bool again = false;
		int rc = 0;

		if (!iface)
			return bad(c, t->implements[i], "node %.*s implements unknown interface '%.*s'",
				   STR_ARG(t->name), STR_ARG(t->implements[i]));
		for (uint32_t j = 0; j < i; j++)
			again |= str_eq(t->implements[j], t->implements[i]);
		for (uint32_t j = 0; !again && !rc && j < iface->n_props; j++)
			rc = inject(c, t, iface, &iface->props[j]);
		if (rc)
			return rc;
	}
	if (t->n_implements)
		qsort(t->implements, t->n_implements, sizeof(*t->implements), by_text);
	for (uint32_t i = 0; i < t->n_implements; i++)
		if (!k || !str_eq(t->implements[k - 1], t->implements[i]))
			t->implements[k++] = t->implements[i];
	t->n_implements = k;
	sc_index_props(c->a, t);
	return 0;
}

/* --- annotations (S-16 to S-23) ----------------------------------------------------------------------------------------- */

static bool blank(struct str s)
{
	return str_trim(s).n == 0;
}

static int check_metadata(struct checker *c, const struct sc_annotation *an, uint32_t n, const char *target)
{
	static const char *const words[] = { "description", "instruction" };

	for (size_t w = 0; w < 2; w++) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < n; i++) {
			if (!str_eqz(an[i].name, words[w]))
				continue;
			if (count++)
				return bad(c, an[i].name, "%s declares @%s multiple times", target, words[w]);
			if (!an[i].has_value || blank(an[i].value))
				return bad(c, an[i].name, "@%s on %s requires a non-empty value", words[w], target);
		}
	}
	return 0;
}

static int check_rename(struct checker *c, const struct sc_annotation *an, uint32_t n, const char *target)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!str_eqz(an[i].name, "rename_from"))
			continue;
		if (count++)
			return bad(c, an[i].name, "%s declares @rename_from multiple times", target);
		if (!an[i].has_value || blank(an[i].value))
			return bad(c, an[i].name, "@rename_from on %s requires exactly one non-empty positional value",
				   target);
		if (an[i].n_kwargs)
			return bad(c, an[i].name, "@rename_from on %s does not accept keyword arguments", target);
	}
	return 0;
}

static int check_header(struct checker *c, const struct sc_type *t)
{
	static const char *const words[] = { "key", "unique", "index", "embed" };
	const char *target = arena_printf(c->a, "%s %.*s", sc_kind_words[t->kind], STR_ARG(t->name));
	int rc;

	for (uint32_t i = 0; i < t->n_annotations; i++)
		for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
			if (!str_eqz(t->annotations[i].name, words[k]))
				continue;
			if (t->kind == SC_EDGE)
				return bad(c, t->annotations[i].name, "@%s is not supported on edges (edge %.*s)",
					   words[k], STR_ARG(t->name));
			return bad(c, t->annotations[i].name,
				   "@%s is only supported on node properties or as body constraint (node %.*s)",
				   words[k], STR_ARG(t->name));
		}
	rc = check_metadata(c, t->annotations, t->n_annotations, target);
	return rc ? rc : check_rename(c, t->annotations, t->n_annotations, target);
}

/* What a property-level constraint cannot stand on; NULL when it can. */
static const char *forbidden_on(const struct prop_type *t, const char *word)
{
	if (t->list)
		return "list";
	if (t->scalar == SCALAR_BLOB)
		return "blob";
	if (t->scalar == SCALAR_VECTOR && (!strcmp(word, "key") || !strcmp(word, "unique")))
		return "vector";
	return NULL;
}

/* An @embed on a list or a Blob breaks two rules; the message says both. */
static const char *embed_rule(struct checker *c, const struct sc_type *t, const struct sc_prop *p)
{
	return arena_printf(c->a, ": @embed is only supported on vector properties (%.*s.%.*s)", STR_ARG(t->name),
			    STR_ARG(p->name));
}

static int check_property(struct checker *c, const struct sc_type *t, const struct sc_prop *p)
{
	static const char *const words[] = { "key", "unique", "index", "embed" };
	const char *target = arena_printf(c->a, "property %.*s.%.*s", STR_ARG(t->name), STR_ARG(p->name));
	uint32_t count[4] = { 0 };
	int rc = check_metadata(c, p->annotations, p->n_annotations, target);

	if (rc)
		return rc;
	if (sc_has(p, "instruction"))
		return bad(c, sc_find(p->annotations, p->n_annotations, "instruction")->name,
			   "@instruction is only supported on node and edge types (%s)", target);
	rc = check_rename(c, p->annotations, p->n_annotations, target);
	if (rc || t->kind == SC_INTERFACE)
		return rc;
	for (uint32_t i = 0; i < p->n_annotations; i++)
		for (size_t k = 0; k < 4; k++) {
			const char *what;

			if (!str_eqz(p->annotations[i].name, words[k]))
				continue;
			if (t->kind == SC_EDGE && (k == 0 || k == 3))
				return bad(c, p->annotations[i].name,
					   "@%s is not supported on edge properties (edge %.*s.%.*s)", words[k],
					   STR_ARG(t->name), STR_ARG(p->name));
			what = forbidden_on(&p->type, words[k]);
			if (what)
				return bad(c, p->annotations[i].name, "@%s is not supported on %s %s%s", words[k], what,
					   target, k == 3 ? embed_rule(c, t, p) : "");
			if (count[k]++)
				return bad(c, p->annotations[i].name, "%s declares @%s multiple times", target,
					   words[k]);
		}
	return 0;
}

static int check_annotations(struct checker *c, const struct sc_type *t)
{
	int rc = t->kind == SC_INTERFACE ? 0 : check_header(c, t);

	for (uint32_t i = 0; !rc && i < t->n_props; i++) {
		if (t->kind == SC_INTERFACE) { /* everything else is judged through the nodes that implement it */
			const struct sc_prop *p = &t->props[i];

			rc = check_rename(c, p->annotations, p->n_annotations,
					  arena_printf(c->a, "property %.*s.%.*s", STR_ARG(t->name), STR_ARG(p->name)));
		} else {
			rc = check_property(c, t, &t->props[i]);
		}
	}
	return rc;
}

/* --- @embed and constraints (S-24 to S-29) --------------------------------------------------------------------------------- */

static int check_embed(struct checker *c, const struct sc_type *t, const struct sc_prop *p)
{
	const struct sc_annotation *an = sc_find(p->annotations, p->n_annotations, "embed");
	const struct sc_prop *src;

	if (!an)
		return 0;
	if (p->type.scalar != SCALAR_VECTOR)
		return bad(c, an->name, "@embed is only supported on vector properties (%.*s.%.*s)", STR_ARG(t->name),
			   STR_ARG(p->name));
	if (!an->has_value)
		return bad(c, an->name, "@embed on %.*s.%.*s requires a source property name", STR_ARG(t->name),
			   STR_ARG(p->name));
	if (blank(an->value))
		return bad(c, an->name, "@embed on %.*s.%.*s requires a non-empty source property name",
			   STR_ARG(t->name), STR_ARG(p->name));
	for (uint32_t i = 0; i < an->n_kwargs; i++)
		if (!str_eqz(an->kwargs[i].name, "model"))
			return bad(c, an->name,
				   "@embed on %.*s.%.*s has unknown argument '%.*s=' (only 'model' is supported)",
				   STR_ARG(t->name), STR_ARG(p->name), STR_ARG(an->kwargs[i].name));
	src = sc_prop_find(t, an->value);
	if (!src)
		return bad(c, an->name, "@embed on %.*s.%.*s references unknown source property %.*s", STR_ARG(t->name),
			   STR_ARG(p->name), STR_ARG(an->value));
	if (src->type.scalar != SCALAR_STRING || src->type.list)
		return bad(c, an->name, "@embed source property %.*s.%.*s must be String", STR_ARG(t->name),
			   STR_ARG(src->name));
	return 0;
}

static const char *con_word(enum con_kind k)
{
	static const char *const words[] = { "key", "unique", "index", "range", "check" };

	return words[k];
}

static int check_key_member(struct checker *c, const struct sc_type *t, const struct sc_prop *p, struct str member)
{
	const char *what = p->type.list			     ? "list"
			   : p->type.scalar == SCALAR_VECTOR ? "vector"
			   : p->type.scalar == SCALAR_BLOB   ? "blob"
							     : NULL;

	if (p->type.nullable)
		return bad(c, member, "@key property %.*s.%.*s cannot be nullable", STR_ARG(t->name), STR_ARG(p->name));
	if (what)
		return bad(c, member, "@key is not supported on %s property %.*s.%.*s", what, STR_ARG(t->name),
			   STR_ARG(p->name));
	return 0;
}

static bool is_numeric(enum scalar s)
{
	return s >= SCALAR_I32 && s <= SCALAR_F64;
}

static int check_value_rule(struct checker *c, const struct sc_type *t, const struct sc_constraint *k,
			    const struct sc_prop *p)
{
	struct prop_type item = p->type;

	item.list = false;
	item.nullable = false;
	if (k->kind == CON_RANGE && !is_numeric(p->type.scalar))
		return bad(c, k->members[0], "@range on %.*s.%.*s requires a numeric type, got %s", STR_ARG(t->name),
			   STR_ARG(p->name), shown_type(c, &item));
	if (k->kind == CON_CHECK && p->type.scalar != SCALAR_STRING)
		return bad(c, k->members[0], "@check on %.*s.%.*s requires String type, got %s", STR_ARG(t->name),
			   STR_ARG(p->name), shown_type(c, &item));
	return 0;
}

static int check_constraint(struct checker *c, const struct sc_type *t, const struct sc_constraint *k)
{
	int rc = 0;

	if (t->kind == SC_EDGE && (k->kind == CON_KEY || k->kind == CON_RANGE || k->kind == CON_CHECK))
		return bad(c, k->members[0], "@%s constraint is not supported on edges (edge %.*s)", con_word(k->kind),
			   STR_ARG(t->name));
	for (uint32_t i = 0; !rc && i < k->n_members; i++) {
		const struct sc_prop *p = sc_prop_find(t, k->members[i]);
		bool endpoint = t->kind == SC_EDGE && (str_eqz(k->members[i], "src") || str_eqz(k->members[i], "dst"));

		if (endpoint)
			continue;
		if (!p)
			return bad(c, k->members[i], "@%s on %.*s references unknown property '%.*s'",
				   con_word(k->kind), STR_ARG(t->name), STR_ARG(k->members[i]));
		if (k->kind == CON_KEY)
			rc = check_key_member(c, t, p, k->members[i]);
		else if (k->kind >= CON_RANGE)
			rc = check_value_rule(c, t, k, p);
		else if (p->type.scalar == SCALAR_BLOB)
			rc = bad(c, k->members[i], "@%s is not supported on blob property %.*s.%.*s", con_word(k->kind),
				 STR_ARG(t->name), STR_ARG(p->name));
	}
	return rc;
}

/* Property-level constraint words become one-member tuples beside the body constraints. */
static void add_property_constraints(struct checker *c, struct sc_type *t)
{
	struct sc_constraint *all = arena_array(c->a, struct sc_constraint, t->n_constraints + 3 * t->n_props + 1);
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_props; i++)
		for (int k = CON_KEY; k <= CON_INDEX; k++)
			if (sc_has(&t->props[i], con_word((enum con_kind)k)))
				all[n++] = (struct sc_constraint){
					.kind = (enum con_kind)k,
					.n_members = 1,
					.members = arena_memdup(c->a, &t->props[i].name, sizeof(struct str)),
				};
	for (uint32_t i = 0; i < t->n_constraints; i++)
		all[n++] = t->constraints[i];
	t->constraints = all;
	t->n_constraints = n;
}

static int bound_order(const struct sc_bound *a, const struct sc_bound *b)
{
	if (a->given != b->given)
		return a->given - b->given;
	if (a->f != b->f)
		return a->f > b->f ? 1 : -1;
	if (a->is_float != b->is_float)
		return a->is_float - b->is_float;
	return (a->i > b->i) - (a->i < b->i);
}

static int by_constraint(const void *va, const void *vb)
{
	const struct sc_constraint *a = va, *b = vb;
	int c = strcmp(con_word(a->kind), con_word(b->kind));

	for (uint32_t i = 0; !c && i < a->n_members && i < b->n_members; i++)
		c = str_cmp(a->members[i], b->members[i]);
	if (!c)
		c = (a->n_members > b->n_members) - (a->n_members < b->n_members);
	if (!c)
		c = bound_order(&a->min, &b->min);
	if (!c)
		c = bound_order(&a->max, &b->max);
	return c ? c : str_cmp(a->pattern, b->pattern);
}

static int check_constraints(struct checker *c, struct sc_type *t)
{
	uint32_t keys = 0, k = 0;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < t->n_props; i++)
		rc = check_embed(c, t, &t->props[i]);
	add_property_constraints(c, t);
	for (uint32_t i = 0; !rc && t->kind == SC_NODE && i < t->n_constraints; i++)
		if (t->constraints[i].kind == CON_KEY && keys++)
			rc = bad(c, t->constraints[i].members[0],
				 "node type %.*s has multiple @key constraints; only one is supported",
				 STR_ARG(t->name));
	for (uint32_t i = 0; !rc && i < t->n_constraints; i++)
		rc = check_constraint(c, t, &t->constraints[i]);
	if (rc)
		return rc;
	if (t->n_constraints)
		qsort(t->constraints, t->n_constraints, sizeof(*t->constraints), by_constraint);
	for (uint32_t i = 0; i < t->n_constraints; i++)
		if (!k || by_constraint(&t->constraints[k - 1], &t->constraints[i]))
			t->constraints[k++] = t->constraints[i];
	t->n_constraints = k;
	return 0;
}

/* --- catalog (S-30 to S-34) --------------------------------------------------------------------------------------------------- */

#define wrong(c, word, ...) sc_fail_on((c)->s, (word), (c)->e, ERR_TYPE, "catalog error: ", __VA_ARGS__)

static int check_duplicates(struct checker *c)
{
	int rc = 0;

	for (int kind = SC_INTERFACE; !rc && kind <= SC_EDGE; kind++) {
		struct map seen = MAP_INIT;

		for (uint32_t i = 0; !rc && i < c->s->n_types; i++) {
			const struct sc_type *t = &c->s->types[i];

			if ((int)t->kind == kind && !map_add(&seen, t->name, (void *)t))
				rc = kind == SC_INTERFACE
					     ? wrong(c, t->name, "duplicate interface: %.*s", STR_ARG(t->name))
					     : wrong(c, t->name, "duplicate %s type: %.*s", sc_kind_words[kind],
						     STR_ARG(t->name));
		}
		map_free(&seen);
	}
	return rc;
}

static int check_endpoints(struct checker *c)
{
	for (uint32_t i = 0; i < c->s->n_types; i++) {
		const struct sc_type *t = &c->s->types[i];

		if (t->kind != SC_EDGE)
			continue;
		if (!sc_type_find(c->s, SC_NODE, t->from))
			return wrong(c, t->from, "edge %.*s references unknown source type: %.*s", STR_ARG(t->name),
				     STR_ARG(t->from));
		if (!sc_type_find(c->s, SC_NODE, t->to))
			return wrong(c, t->to, "edge %.*s references unknown target type: %.*s", STR_ARG(t->name),
				     STR_ARG(t->to));
	}
	return 0;
}

static struct str lower(struct checker *c, struct str s)
{
	struct str copy = arena_str(c->a, s);

	for (size_t i = 0; i < copy.n; i++)
		if (copy.s[i] >= 'A' && copy.s[i] <= 'Z')
			((char *)copy.s)[i] += 'a' - 'A';
	return copy;
}

static int check_edge_case(struct checker *c)
{
	struct map seen = MAP_INIT;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->s->n_types; i++) {
		const struct sc_type *t = &c->s->types[i], *other;
		struct str folded;

		if (t->kind != SC_EDGE)
			continue;
		folded = lower(c, t->name);
		other = map_get(&seen, folded);
		if (other)
			rc = wrong(c, t->name, "edge name collision after case folding: '%.*s' conflicts with '%.*s'",
				   STR_ARG(t->name), STR_ARG(other->name));
		else
			map_add(&seen, folded, (void *)t);
	}
	map_free(&seen);
	return rc;
}

/* Of two slices of the source the one that comes later. */
static struct str later(struct str a, struct str b)
{
	return (uintptr_t)a.s > (uintptr_t)b.s ? a : b;
}

static int check_duplicate_props(struct checker *c)
{
	for (uint32_t i = 0; i < c->s->n_types; i++) {
		const struct sc_type *t = &c->s->types[i];

		for (uint32_t k = 1; k < t->n_props; k++)
			if (str_eq(t->props[k - 1].name, t->props[k].name))
				return wrong(c, later(t->props[k - 1].name, t->props[k].name),
					     "duplicate property '%.*s.%.*s'", STR_ARG(t->name),
					     STR_ARG(t->props[k].name));
	}
	return 0;
}

static int check_catalog(struct checker *c)
{
	int rc = check_duplicates(c);

	if (!rc)
		rc = check_endpoints(c);
	if (!rc && c->clash_type.s)
		rc = wrong(c, c->clash_at, "interfaces contributing '%.*s.%.*s' have incompatible property semantics",
			   STR_ARG(c->clash_type), STR_ARG(c->clash_prop));
	if (!rc)
		rc = check_edge_case(c);
	return rc ? rc : check_duplicate_props(c);
}

/* --- all --------------------------------------------------------------------------------------------------------------------- */

static int by_prop(const void *a, const void *b)
{
	return str_cmp(((const struct sc_prop *)a)->name, ((const struct sc_prop *)b)->name);
}

static int by_type(const void *va, const void *vb)
{
	const struct sc_type *a = va, *b = vb;

	return a->kind != b->kind ? (int)a->kind - (int)b->kind : str_cmp(a->name, b->name);
}

static int each(struct checker *c, int (*fn)(struct checker *, struct sc_type *), bool nodes_only)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->s->n_types; i++)
		if (!nodes_only || c->s->types[i].kind == SC_NODE)
			rc = fn(c, &c->s->types[i]);
	return rc;
}

static int check_annotations_of(struct checker *c, struct sc_type *t)
{
	return check_annotations(c, t);
}

static int check_constraints_of(struct checker *c, struct sc_type *t)
{
	return t->kind == SC_INTERFACE ? 0 : check_constraints(c, t);
}

int sc_check(struct arena *a, struct sc_schema *s, struct err *e)
{
	struct checker c = { .a = a, .s = s, .e = e };
	int rc;

	sc_index_types(a, s);
	for (uint32_t i = 0; i < s->n_types; i++)
		sc_index_props(a, &s->types[i]);
	rc = each(&c, inject_interfaces, true);
	if (!rc)
		rc = each(&c, check_annotations_of, false);
	if (!rc)
		rc = each(&c, check_constraints_of, false);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < s->n_types; i++) {
		if (s->types[i].n_props)
			qsort(s->types[i].props, s->types[i].n_props, sizeof(struct sc_prop), by_prop);
		sc_index_props(a, &s->types[i]);
	}
	rc = check_catalog(&c);
	if (rc)
		return rc;
	if (s->n_types)
		qsort(s->types, s->n_types, sizeof(*s->types), by_type);
	sc_index_types(a, s);
	return 0;
}
