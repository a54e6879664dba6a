/* SPDX-License-Identifier: MIT */
/* The two canonical JSON forms of a schema (spec/schema.md 10): the shape, and the shape with identities. */
#include "engine/schema/ir.h"

/* What the compiled form needs to spell references; NULL for the shape. */
struct ids {
	const struct sc_schema *s;
	const char *domain;
	uint64_t next_id;
};

static void annotation_json(const struct sc_annotation *an, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_kstr(&w, "name", an->name);
	if (an->has_value)
		jw_kstr(&w, "value", an->value);
	else
		jw_knull(&w, "value");
	if (an->n_kwargs) {
		struct str *names = mem_calloc(an->n_kwargs, sizeof(*names));

		jw_keyz(&w, "kwargs");
		jw_begin_object(&w);
		for (uint32_t done = 0; done < an->n_kwargs; done++) { /* ascending by name; lists are short */
			uint32_t least = UINT32_MAX;

			for (uint32_t i = 0; i < an->n_kwargs; i++)
				if (!names[i].s &&
				    (least == UINT32_MAX || str_cmp(an->kwargs[i].name, an->kwargs[least].name) < 0))
					least = i;
			names[least] = an->kwargs[least].name;
			jw_key(&w, an->kwargs[least].name);
			jw_str(&w, an->kwargs[least].value);
		}
		jw_end_object(&w);
		free(names);
	}
	jw_end_object(&w);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Opaque and metadata annotations, sorted by their JSON, without repeats. */
static void annotations_json(const struct sc_annotation *an, uint32_t n, struct json_writer *w)
{
	char **texts = mem_calloc(n + 1, sizeof(*texts));
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct strbuf b = STRBUF_INIT;

		if (sc_is_typed(an[i].name))
			continue;
		annotation_json(&an[i], &b);
		texts[k++] = sb_detach(&b);
	}
	if (k)
		qsort(texts, k, sizeof(*texts), by_text);
	jw_keyz(w, "annotations");
	jw_begin_array(w);
	for (uint32_t i = 0; i < k; i++)
		if (!i || strcmp(texts[i - 1], texts[i]))
			jw_raw(w, str_from(texts[i]));
	jw_end_array(w);
	for (uint32_t i = 0; i < k; i++)
		free(texts[i]);
	free(texts);
}

void sc_type_json(const struct prop_type *t, struct json_writer *w)
{
	jw_begin_object(w);
	jw_keyz(w, "scalar");
	if (t->scalar == SCALAR_VECTOR) {
		jw_begin_object(w);
		jw_ku64(w, "Vector", t->dim);
		jw_end_object(w);
	} else {
		jw_strz(w, scalar_name(t->scalar));
	}
	jw_kbool(w, "nullable", t->nullable);
	jw_kbool(w, "list", t->list);
	jw_keyz(w, "enum_values");
	if (t->n_enum) {
		jw_begin_array(w);
		for (uint32_t i = 0; i < t->n_enum; i++)
			jw_str(w, t->enum_values[i]);
		jw_end_array(w);
	} else {
		jw_null(w);
	}
	jw_end_object(w);
}

static void prop_ref(const struct sc_type *owner, struct str name, struct json_writer *w)
{
	const struct sc_prop *p = sc_prop_find(owner, name);

	jw_ku64(w, "property_id", p ? p->id : 0);
	jw_kstr(w, "property_name", name);
}

static void links_json(const struct sc_prop *p, const struct ids *ids, struct json_writer *w)
{
	jw_keyz(w, "satisfies_interface_properties");
	jw_begin_array(w);
	for (uint32_t i = 0; i < p->n_links; i++) {
		jw_begin_object(w);
		if (ids) {
			const struct sc_type *owner = sc_type_find(ids->s, SC_INTERFACE, p->links[i].owner);

			jw_ku64(w, "owner_type_id", owner->type_id);
			jw_kstr(w, "owner_type_name", p->links[i].owner);
			prop_ref(owner, p->links[i].property, w);
		} else {
			jw_kstr(w, "owner_name", p->links[i].owner);
			jw_kstr(w, "property_name", p->links[i].property);
		}
		jw_end_object(w);
	}
	jw_end_array(w);
}

static void prop_json(const struct sc_type *t, const struct sc_prop *p, const struct ids *ids, struct json_writer *w)
{
	static const char *const words[] = { "key", "unique", "index" };
	struct str source, model;

	jw_begin_object(w);
	if (ids)
		jw_ku64(w, "property_id", p->id);
	jw_kstr(w, "name", p->name);
	jw_keyz(w, "prop_type");
	sc_type_json(&p->type, w);
	annotations_json(p->annotations, p->n_annotations, w);
	jw_keyz(w, "property_constraints");
	jw_begin_array(w);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (sc_has(p, words[i]))
			jw_strz(w, words[i]);
	jw_end_array(w);
	jw_keyz(w, "embed_source");
	if (sc_embed(p, &source, &model)) {
		jw_begin_object(w);
		if (ids)
			prop_ref(t, source, w);
		else
			jw_kstr(w, "property_name", source);
		if (model.s)
			jw_kstr(w, "model", model);
		else
			jw_knull(w, "model");
		jw_end_object(w);
	} else {
		jw_null(w);
	}
	jw_kbool(w, "declared_directly", p->declared_directly);
	links_json(p, ids, w);
	jw_end_object(w);
}

static void bound_json(const struct sc_bound *b, struct json_writer *w)
{
	if (!b->given) {
		jw_null(w);
		return;
	}
	jw_begin_object(w);
	jw_keyz(w, b->is_float ? "Float" : "Integer");
	if (b->is_float)
		jw_f64(w, b->f);
	else
		jw_i64(w, b->i);
	jw_end_object(w);
}

/* What @range or @check asks of the value. */
static void limit_json(const struct sc_constraint *k, struct json_writer *w)
{
	if (k->kind == CON_CHECK) {
		jw_kstr(w, "pattern", k->pattern);
		return;
	}
	jw_keyz(w, "min");
	bound_json(&k->min, w);
	jw_keyz(w, "max");
	bound_json(&k->max, w);
}

static void shape_constraint(const struct sc_constraint *k, struct json_writer *w)
{
	static const char *const words[] = { "Key", "Unique", "Index", "Range", "Check" };

	jw_begin_object(w);
	jw_keyz(w, words[k->kind]);
	if (k->kind <= CON_INDEX) {
		jw_begin_array(w);
		for (uint32_t i = 0; i < k->n_members; i++)
			jw_str(w, k->members[i]);
		jw_end_array(w);
	} else {
		jw_begin_object(w);
		jw_kstr(w, "property", k->members[0]);
		limit_json(k, w);
		jw_end_object(w);
	}
	jw_end_object(w);
}

static void field_json(const struct sc_type *t, struct str member, struct json_writer *w)
{
	bool endpoint = t->kind == SC_EDGE && (str_eqz(member, "src") || str_eqz(member, "dst"));

	jw_begin_object(w);
	jw_kstrz(w, "kind", endpoint ? "system" : "property");
	if (endpoint) {
		jw_ku64(w, "stable_table_id", t->type_id);
		jw_kstr(w, "table_type_name", t->name);
		jw_ku64(w, "table_incarnation_id", t->incarnation);
		jw_kstr(w, "role", member);
	} else {
		jw_ku64(w, "owner_type_id", t->type_id);
		jw_kstr(w, "owner_type_name", t->name);
		prop_ref(t, member, w);
	}
	jw_end_object(w);
}

static void compiled_constraint(const struct sc_type *t, const struct sc_constraint *k, struct json_writer *w)
{
	static const char *const words[] = { "key", "unique", "index", "range", "check" };

	jw_begin_object(w);
	jw_kstrz(w, "kind", words[k->kind]);
	if (k->kind <= CON_INDEX) {
		jw_keyz(w, "fields");
		jw_begin_array(w);
		for (uint32_t i = 0; i < k->n_members; i++)
			field_json(t, k->members[i], w);
		jw_end_array(w);
	} else {
		jw_keyz(w, "field");
		field_json(t, k->members[0], w);
		limit_json(k, w);
	}
	jw_end_object(w);
}

static void type_ref(const struct ids *ids, enum sc_kind kind, struct str name, struct json_writer *w)
{
	const struct sc_type *t = sc_type_find(ids->s, kind, name);

	jw_begin_object(w);
	jw_ku64(w, "type_id", t ? t->type_id : 0);
	jw_kstr(w, "type_name", name);
	jw_end_object(w);
}

static void implements_json(const struct sc_type *t, const struct ids *ids, struct json_writer *w)
{
	jw_keyz(w, "implements");
	jw_begin_array(w);
	for (uint32_t i = 0; i < t->n_implements; i++) {
		if (ids)
			type_ref(ids, SC_INTERFACE, t->implements[i], w);
		else
			jw_str(w, t->implements[i]);
	}
	jw_end_array(w);
}

static void endpoints_json(const struct sc_type *t, const struct ids *ids, struct json_writer *w)
{
	jw_keyz(w, "from_type");
	if (ids)
		type_ref(ids, SC_NODE, t->from, w);
	else
		jw_str(w, t->from);
	jw_keyz(w, "to_type");
	if (ids)
		type_ref(ids, SC_NODE, t->to, w);
	else
		jw_str(w, t->to);
	jw_keyz(w, "cardinality");
	jw_begin_object(w);
	jw_ku64(w, "min", t->card_min);
	if (t->card_max == UINT32_MAX)
		jw_knull(w, "max");
	else
		jw_ku64(w, "max", t->card_max);
	jw_end_object(w);
}

static void decl_json(const struct sc_type *t, const struct ids *ids, struct json_writer *w)
{
	jw_begin_object(w);
	if (ids) {
		jw_ku64(w, "type_id", t->type_id);
		if (t->kind != SC_INTERFACE)
			jw_ku64(w, "table_incarnation_id", t->incarnation);
	}
	jw_kstr(w, "name", t->name);
	if (t->kind == SC_EDGE)
		endpoints_json(t, ids, w);
	if (t->kind != SC_INTERFACE)
		annotations_json(t->annotations, t->n_annotations, w);
	if (t->kind == SC_NODE)
		implements_json(t, ids, w);
	jw_keyz(w, "properties");
	jw_begin_array(w);
	for (uint32_t i = 0; i < t->n_props; i++)
		prop_json(t, &t->props[i], ids, w);
	jw_end_array(w);
	if (t->kind != SC_INTERFACE) {
		jw_keyz(w, "constraints");
		jw_begin_array(w);
		for (uint32_t i = 0; i < t->n_constraints; i++) {
			if (ids)
				compiled_constraint(t, &t->constraints[i], w);
			else
				shape_constraint(&t->constraints[i], w);
		}
		jw_end_array(w);
	}
	jw_end_object(w);
}

static void schema_json(const struct sc_schema *s, const struct ids *ids, struct strbuf *out)
{
	static const char *const lists[] = { "interfaces", "nodes", "edges" };
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	if (ids) {
		jw_ku64(&w, "ir_version", 2);
		jw_kstrz(&w, "schema_identity_domain", ids->domain);
		jw_ku64(&w, "next_identity_id", ids->next_id);
	}
	for (int k = SC_INTERFACE; k <= SC_EDGE; k++) {
		jw_keyz(&w, lists[k]);
		jw_begin_array(&w);
		for (uint32_t i = 0; i < s->n_types; i++)
			if ((int)s->types[i].kind == k)
				decl_json(&s->types[i], ids, &w);
		jw_end_array(&w);
	}
	jw_end_object(&w);
}

void sc_shape_json(const struct sc_schema *s, struct strbuf *out)
{
	schema_json(s, NULL, out);
}

void sc_compiled_json(const struct sc_schema *s, const char *domain, uint64_t next_id, struct strbuf *out)
{
	struct ids ids = { s, domain, next_id };

	schema_json(s, &ids, out);
}
