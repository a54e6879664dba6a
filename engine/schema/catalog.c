/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <omnigraph/limits.h>

#include "engine/schema/ir.h"

/* --- from the resolved schema to the runtime catalog ---------------------------------------------------------------- */

static uint32_t prop_index(const struct sc_type *t, struct str name)
{
	const struct sc_prop *p = sc_prop_find(t, name);

	if (p)
		return (uint32_t)(p - t->props);
	return str_eqz(name, "src") ? TUPLE_SRC : str_eqz(name, "dst") ? TUPLE_DST : PROP_NONE;
}

static const char *metadata(struct arena *a, const struct sc_annotation *an, uint32_t n, const char *name)
{
	const struct sc_annotation *m = sc_find(an, n, name);

	return m ? arena_str(a, m->value).s : NULL;
}

static void build_props(struct catalog *c, const struct sc_type *t, struct type *out)
{
	struct prop *props = arena_array(&c->arena, struct prop, t->n_props + 1);

	for (uint32_t i = 0; i < t->n_props; i++) {
		const struct sc_prop *p = &t->props[i];
		struct str source;

		props[i] = (struct prop){
			.name = arena_str(&c->arena, p->name),
			.type = p->type,
			.id = p->id,
			.index = i,
			.description = metadata(&c->arena, p->annotations, p->n_annotations, "description"),
			.key = sc_has(p, "key"),
			.unique = sc_has(p, "unique"),
			.index_ = sc_has(p, "index"),
			.embed_source = PROP_NONE,
		};
		if (sc_embed(p, &source, &props[i].embed_model))
			props[i].embed_source = prop_index(t, source);
	}
	out->n_props = t->n_props;
	out->props = props;
}

static struct tuple build_tuple(struct catalog *c, const struct sc_type *t, const struct sc_constraint *k)
{
	uint32_t *m = arena_array(&c->arena, uint32_t, k->n_members + 1);

	for (uint32_t i = 0; i < k->n_members; i++)
		m[i] = prop_index(t, k->members[i]);
	return (struct tuple){ k->n_members, m };
}

/* Key members in order of property identity, which a rename never changes. */
static void order_key(const struct type *t, struct tuple *key)
{
	uint32_t *m = (uint32_t *)key->members;

	for (uint32_t i = 1; i < key->n; i++)
		for (uint32_t k = i; k > 0 && t->props[m[k]].id < t->props[m[k - 1]].id; k--) {
			uint32_t tmp = m[k];

			m[k] = m[k - 1];
			m[k - 1] = tmp;
		}
}

static void build_constraints(struct catalog *c, const struct sc_type *t, struct type *out)
{
	struct tuple *uniques = arena_array(&c->arena, struct tuple, t->n_constraints + 1);
	struct tuple *indexes = arena_array(&c->arena, struct tuple, t->n_constraints + 1);
	struct range_check *ranges = arena_array(&c->arena, struct range_check, t->n_constraints + 1);
	struct pattern_check *checks = arena_array(&c->arena, struct pattern_check, t->n_constraints + 1);

	for (uint32_t i = 0; i < t->n_constraints; i++) {
		const struct sc_constraint *k = &t->constraints[i];

		switch (k->kind) {
		case CON_KEY:
			out->key = build_tuple(c, t, k);
			order_key(out, &out->key);
			break;
		case CON_UNIQUE:
			uniques[out->n_uniques++] = build_tuple(c, t, k);
			break;
		case CON_INDEX:
			indexes[out->n_indexes++] = build_tuple(c, t, k);
			break;
		case CON_RANGE:
			ranges[out->n_ranges++] = (struct range_check){ prop_index(t, k->members[0]), k->min.given,
									k->max.given, k->min.f, k->max.f };
			break;
		case CON_CHECK:
			checks[out->n_checks++] = (struct pattern_check){ prop_index(t, k->members[0]), k->pattern };
			break;
		}
	}
	out->uniques = uniques;
	out->indexes = indexes;
	out->ranges = ranges;
	out->checks = checks;
}

/* base64url(SHA-256(domain, 0x1f, type id, 0x1f, incarnation)), numbers as little-endian 64 bits (9.1). */
static void public_id(const char *domain, const struct sc_type *t, char out[44])
{
	uint8_t buf[ULID_LEN + 18], digest[SHA256_LEN];
	struct strbuf b = STRBUF_INIT;

	memcpy(buf, domain, ULID_LEN);
	buf[ULID_LEN] = 0x1f;
	buf[ULID_LEN + 9] = 0x1f;
	for (int i = 0; i < 8; i++) {
		buf[ULID_LEN + 1 + i] = (uint8_t)(t->type_id >> (8 * i));
		buf[ULID_LEN + 10 + i] = (uint8_t)(t->incarnation >> (8 * i));
	}
	sha256(buf, sizeof(buf), digest);
	base64url_encode(&b, digest, sizeof(digest));
	memcpy(out, b.s, 43);
	out[43] = 0;
	sb_free(&b);
}

static void build_types(struct catalog *c, const struct sc_schema *s)
{
	struct type *types = arena_array(&c->arena, struct type, s->n_types + 1);
	uint32_t n = 0;

	c->types = types;
	for (uint32_t i = 0; i < s->n_types; i++) {
		const struct sc_type *t = &s->types[i];
		struct type *out = &types[n];

		if (t->kind == SC_INTERFACE)
			continue;
		out->kind = t->kind == SC_NODE ? TYPE_NODE : TYPE_EDGE;
		out->name = arena_str(&c->arena, t->name);
		out->index = n++;
		out->type_id = t->type_id;
		out->incarnation = t->incarnation;
		public_id(c->domain, t, out->public_id);
		out->description = metadata(&c->arena, t->annotations, t->n_annotations, "description");
		out->instruction = metadata(&c->arena, t->annotations, t->n_annotations, "instruction");
		build_props(c, t, out);
		build_constraints(c, t, out);
		out->has_card = t->has_card;
		out->card_min = t->card_min;
		out->card_max = t->card_max;
		c->n_nodes += out->kind == TYPE_NODE;
		c->n_edges += out->kind == TYPE_EDGE;
		if (out->kind == TYPE_EDGE) { /* nodes come first, so they are all there */
			c->n_types = n;
			out->from = catalog_node(c, t->from);
			out->to = catalog_node(c, t->to);
		}
	}
	c->n_types = n;
}

static void digests(struct catalog *c, const struct sc_schema *s)
{
	struct strbuf b = STRBUF_INIT;

	sha256_hex(c->source.s, c->source.n, c->source_digest);
	sc_shape_json(s, &b);
	memcpy(c->shape_digest, "sha256:", 7);
	sha256_hex(b.s, b.n, c->shape_digest + 7);
	sb_reset(&b);
	sc_compiled_json(s, c->domain, c->next_identity_id, &b);
	memcpy(c->compiled_digest, "sha256:", 7);
	sha256_hex(b.s, b.n, c->compiled_digest + 7);
	c->compiled_json = arena_str(&c->arena, sb_str(&b));
	sb_free(&b);
}

static struct catalog *catalog_new(struct str source)
{
	struct catalog *c = mem_zalloc(sizeof(*c));

	ref_init(&c->ref);
	c->source = arena_str(&c->arena, source);
	c->next_identity_id = 1;
	return c;
}

static int parse_into(struct catalog *c, struct sc_schema **out, struct err *e)
{
	struct sc_schema *s = arena_new(&c->arena, struct sc_schema);
	int rc = sc_parse(&c->arena, c->source, s, e);

	if (!rc)
		rc = sc_check(&c->arena, s, e);
	c->ir = s;
	*out = s;
	return rc;
}

int catalog_compile(struct str source, const struct catalog *accepted, const char *domain, struct catalog **out,
		    struct err *e)
{
	struct catalog *c = catalog_new(source);
	struct sc_schema *s;
	int rc = parse_into(c, &s, e);

	if (!rc) {
		memcpy(c->domain, accepted ? accepted->domain : domain, ULID_LEN);
		if (accepted)
			c->next_identity_id = accepted->next_identity_id;
		rc = sc_identify(s, accepted ? accepted->ir : NULL, &c->next_identity_id, e);
	}
	if (rc) {
		catalog_put(c);
		return rc;
	}
	build_types(c, s);
	digests(c, s);
	*out = c;
	return 0;
}

/* --- accepted records -------------------------------------------------------------------------------------------------- */

/* Take the identities of one list ("nodes", ...) over to the declarations of the same name. False: they do not fit. */
static bool adopt_list(struct sc_schema *s, enum sc_kind kind, const struct json *list)
{
	uint32_t n = 0;

	if (!list || list->type != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct json *v = &list->items[i], *name = json_get(v, "name"), *props = json_get(v, "properties");
		struct sc_type *t = name ? sc_type_find(s, kind, name->text) : NULL;
		const struct json *inc = json_get(v, "table_incarnation_id"), *id = json_get(v, "type_id");

		if (!t || !id || !json_to_u64(id, &t->type_id) || !props || props->n != t->n_props)
			return false;
		if (kind != SC_INTERFACE && (!inc || !json_to_u64(inc, &t->incarnation)))
			return false;
		for (size_t k = 0; k < props->n; k++) {
			const struct json *pn = json_get(&props->items[k], "name");
			const struct json *pid = json_get(&props->items[k], "property_id");
			struct sc_prop *p = pn ? sc_prop_find(t, pn->text) : NULL;

			if (!p || !pid || !json_to_u64(pid, &p->id))
				return false;
		}
		n++;
	}
	for (uint32_t i = 0; i < s->n_types; i++)
		n -= s->types[i].kind == kind;
	return n == 0;
}

static bool adopt(struct catalog *c, struct sc_schema *s, const struct json *v)
{
	static const char *const lists[] = { "interfaces", "nodes", "edges" };
	const struct json *domain = json_get(v, "schema_identity_domain"), *next = json_get(v, "next_identity_id");

	if (!domain || domain->type != JSON_STRING || !ulid_valid(domain->text) || !next ||
	    !json_to_u64(next, &c->next_identity_id))
		return false;
	memcpy(c->domain, domain->text.s, ULID_LEN);
	for (int k = SC_INTERFACE; k <= SC_EDGE; k++)
		if (!adopt_list(s, (enum sc_kind)k, json_get(v, lists[k])))
			return false;
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Every identity nonzero, below the counter, used once. */
static bool identities_sound(const struct catalog *c, const struct sc_schema *s)
{
	size_t n = 0, cap = 0;
	uint64_t *ids = NULL;
	bool ok = true;

	for (uint32_t i = 0; i < s->n_types; i++) {
		const struct sc_type *t = &s->types[i];

		MEM_GROW(ids, n + 1, cap);
		ids[n++] = t->type_id;
		if (t->kind != SC_INTERFACE)
			ids[n++] = t->incarnation;
		for (uint32_t k = 0; k < t->n_props; k++) {
			MEM_GROW(ids, n + 1, cap);
			ids[n++] = t->props[k].id;
		}
	}
	if (n)
		qsort(ids, n, sizeof(*ids), by_number);
	for (size_t i = 0; i < n; i++)
		ok &= ids[i] && ids[i] < c->next_identity_id && (!i || ids[i] != ids[i - 1]);
	free(ids);
	return ok;
}

int catalog_from_record(struct str source, struct str compiled_json, struct catalog **out, struct err *e)
{
	struct catalog *c = catalog_new(source);
	struct arena scratch = ARENA_INIT;
	struct sc_schema *s;
	struct json *v;
	int rc = parse_into(c, &s, e);

	if (rc || json_parse(&scratch, compiled_json, NULL, &v, e) || !adopt(c, s, v) || !identities_sound(c, s)) {
		rc = err_set(e, ERR_CONFLICT,
			     "the accepted schema record is not sound: its source and its identities do not fit "
			     "together; restore "
			     "the schema objects from a backup");
		catalog_put(c);
	} else {
		build_types(c, s);
		digests(c, s);
		if (str_eq(c->compiled_json, compiled_json)) {
			*out = c;
		} else {
			rc = err_set(e, ERR_CONFLICT,
				     "the accepted schema record is not sound: the compiled form differs from what its "
				     "source "
				     "compiles to; restore the schema objects from a backup");
			catalog_put(c);
		}
	}
	arena_free(&scratch);
	return rc;
}

/* --- life and look-ups --------------------------------------------------------------------------------------------------- */

struct catalog *catalog_get(struct catalog *c)
{
	ref_get(&c->ref);
	return c;
}

void catalog_put(struct catalog *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	arena_free(&c->arena);
	free(c);
}

/* Binary search among the @n types from @first. */
static const struct type *find(const struct type *first, uint32_t n, struct str name)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int c = str_cmp(first[mid].name, name);

		if (!c)
			return &first[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct type *catalog_node(const struct catalog *c, struct str name)
{
	return find(c->types, c->n_nodes, name);
}

const struct type *catalog_edge(const struct catalog *c, struct str name)
{
	return find(c->types + c->n_nodes, c->n_types - c->n_nodes, name);
}

const struct type *catalog_edge_nocase(const struct catalog *c, struct str name)
{
	const struct type *t = catalog_edge(c, name);

	for (uint32_t i = c->n_nodes; !t && i < c->n_types; i++)
		if (str_eq_nocase(c->types[i].name, name))
			t = &c->types[i];
	return t;
}

const struct type *catalog_type_by_id(const struct catalog *c, uint64_t type_id, uint64_t incarnation)
{
	for (uint32_t i = 0; i < c->n_types; i++)
		if (c->types[i].type_id == type_id && c->types[i].incarnation == incarnation)
			return &c->types[i];
	return NULL;
}

bool catalog_is_interface(const struct catalog *c, struct str name)
{
	return sc_type_find(c->ir, SC_INTERFACE, name) != NULL;
}

const struct prop *type_prop(const struct type *t, struct str name)
{
	uint32_t lo = 0, hi = t->n_props;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int c = str_cmp(t->props[mid].name, name);

		if (!c)
			return &t->props[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct prop *type_prop_by_id(const struct type *t, uint64_t property_id)
{
	for (uint32_t i = 0; i < t->n_props; i++)
		if (t->props[i].id == property_id)
			return &t->props[i];
	return NULL;
}

void type_key(const struct type *t, struct strbuf *out)
{
	sb_addf(out, "%s:%.*s", type_kind_word(t), STR_ARG(t->name));
}
