/* SPDX-License-Identifier: MIT */
#include "engine/load/record.h"

#include <errno.h>

#include <omnigraph/arch.h>
#include <omnigraph/limits.h>

#include "engine/load/json_value.h"

#define READ_CHUNK (256u << 10)
#define PROGRESS_RECORDS 4096

struct parser {
	struct load_batch *b;
	const struct load_opts *opts;
	struct arena scratch; /* the JSON tree and the values of the record at hand */
	uint64_t at;	      /* line (strict) or record (permissive) number, from 1 */
	uint64_t bytes;
	struct err *e;
};

static bool strict(const struct parser *p)
{
	return p->opts->shape == LOAD_STRICT;
}

/* An error of the record at hand, with its place in front. */
static int refuse(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(p->e, ERR_BAD_REQUEST, fmt, ap);
	va_end(ap);
	err_prefix(p->e, "%s %llu: ", strict(p) ? "line" : "record", (unsigned long long)p->at);
	return rc;
}

static int too_much(struct parser *p, const char *resource, uint64_t actual, uint64_t limit)
{
	int rc = err_set(p->e, ERR_RESOURCE_LIMIT, "resource limit exceeded for %s: actual %llu, limit %llu", resource,
			 (unsigned long long)actual, (unsigned long long)limit);

	err_detail(p->e, "resource", resource);
	err_detail_u64(p->e, "limit", limit);
	err_detail_u64(p->e, "actual", actual);
	return rc;
}

/* The value as an error shows it. */
static const char *shown(struct parser *p, const struct json *v)
{
	return load_shown(&p->scratch, v);
}

static bool is_physical(struct str name)
{
	static const char *const reserved[] = { "_tombstone",
						"_rowid",
						"_rowaddr",
						"_rowoffset",
						"_row_created_at_version",
						"_row_last_updated_at_version" };

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (str_eqz(name, reserved[i]))
			return true;
	return false;
}

/* --- ids ---------------------------------------------------------------------------------------- */

/* Canonical id of a keyed node: the key text, or the compact JSON array of the texts (engine.md 3.2). */
static int key_id(const struct type *t, const struct val *vals, struct arena *a, struct str *out, struct err *e)
{
	struct strbuf b = STRBUF_INIT, part = STRBUF_INIT;
	int rc = 0;

	if (t->key.n == 1) {
		rc = val_key_text(&vals[t->key.members[0]], &b, e);
	} else {
		sb_addch(&b, '[');
		for (uint32_t i = 0; !rc && i < t->key.n; i++) {
			sb_reset(&part);
			rc = val_key_text(&vals[t->key.members[i]], &part, e);
			if (i)
				sb_addch(&b, ',');
			json_quote(&b, sb_str(&part));
		}
		sb_addch(&b, ']');
	}
	if (!rc)
		*out = arena_str(a, sb_str(&b));
	sb_free(&b);
	sb_free(&part);
	return rc;
}

static struct str fresh_id(struct arena *a)
{
	char ulid[ULID_LEN + 1];

	ulid_new(ulid);
	return arena_str(a, str_from(ulid));
}

/* Remember that edges of this input may name @canonical by @written. */
static int respell(struct parser *p, const struct type *t, struct str written, struct str canonical)
{
	struct map *m = &p->b->respelled[t->index];
	struct str *old = map_get(m, written), *s;

	if (old) {
		if (str_eq(*old, canonical))
			return 0;
		return refuse(
			p,
			"node %.*s id '%.*s' stands for both '%.*s' and '%.*s': refusing ambiguous edge endpoint remap",
			STR_ARG(t->name), STR_ARG(written), STR_ARG(*old), STR_ARG(canonical));
	}
	s = arena_new(&p->b->arena, struct str);
	*s = arena_str(&p->b->arena, canonical);
	map_put(m, arena_str(&p->b->arena, written), s);
	return 0;
}

static int mismatched_id(struct parser *p, const struct type *t, struct str written, struct str canonical)
{
	struct strbuf keys = STRBUF_INIT;
	int rc;

	if (strict(p))
		return refuse(p, "node %.*s explicit id '%.*s' does not match its canonical @key id '%.*s'",
			      STR_ARG(t->name), STR_ARG(written), STR_ARG(canonical));
	for (uint32_t i = 0; i < t->key.n; i++)
		sb_addf(&keys, "%s%.*s", i ? ", " : "", STR_ARG(t->props[t->key.members[i]].name));
	rc = refuse(p,
		    t->key.n == 1 ? "node %.*s has explicit id '%.*s' that does not match @key property '%s' canonical "
				    "value '%.*s'"
				  : "node %.*s has explicit id '%.*s' that does not match @key properties (%s) "
				    "canonical value '%.*s'",
		    STR_ARG(t->name), STR_ARG(written), keys.s, STR_ARG(canonical));
	sb_free(&keys);
	return rc;
}

static bool spells_key(const struct type *t, const struct val *vals, struct str text)
{
	for (uint32_t i = 0; i < t->key.n; i++) {
		uint32_t m = t->key.members[i];

		if (load_key_spelling(t->props[m].type.scalar, &vals[m], text))
			return true;
	}
	return false;
}

static int keyed_id(struct parser *p, const struct type *t, const struct json *id, struct row_image *row)
{
	const struct val *vals = row->vals;
	struct err *e = p->e;
	int rc = key_id(t, vals, &p->scratch, &row->id, e);

	if (rc) {
		err_prefix(e, "%s %llu: ", strict(p) ? "line" : "record", (unsigned long long)p->at);
		return rc;
	}
	if (!id)
		return 0;
	if (str_eq(id->text, row->id))
		return strict(p) ? 0 : respell(p, t, id->text, row->id);
	if (strict(p) || !spells_key(t, vals, id->text))
		return mismatched_id(p, t, id->text, row->id);
	return respell(p, t, id->text, row->id);
}

/* The explicit id of a record, checked; NULL when there is none. */
static int explicit_id(struct parser *p, const struct type *t, const struct json *data, const struct json **out)
{
	const struct json *id = data ? json_get(data, "id") : NULL;

	*out = NULL;
	if (!id || (id->type == JSON_NULL && !strict(p)))
		return 0;
	if (id->type != JSON_STRING) {
		if (strict(p))
			return refuse(p, "input entity of type '%.*s' field 'id' must be a string, got %s",
				      STR_ARG(t->name), shown(p, id));
		if (t->kind == TYPE_EDGE)
			return 0; /* permissive: ignored, an id is minted */
		return refuse(p, "node %.*s explicit id must be a string, got %s", STR_ARG(t->name), shown(p, id));
	}
	if (id->text.n == 0 || id->text.n > LIMIT_ID_BYTES)
		return refuse(p, "%s %.*s id has %zu bytes (1 to %u)", type_kind_word(t), STR_ARG(t->name), id->text.n,
			      LIMIT_ID_BYTES);
	*out = id;
	return 0;
}

/* --- one record --------------------------------------------------------------------------------- */

static int check_data_members(struct parser *p, const struct type *t, const struct json *data)
{
	for (size_t i = 0; i < data->n; i++) {
		struct str name = data->keys[i];

		if (str_eqz(name, "id") || type_prop(t, name))
			continue;
		if (is_physical(name))
			return refuse(p, "input field '%.*s' is reserved physical state", STR_ARG(name));
		if (t->kind == TYPE_EDGE && (str_eqz(name, "src") || str_eqz(name, "dst")))
			return refuse(p, "edge data field '%.*s' is reserved structural state", STR_ARG(name));
		return refuse(p, "unknown input field '%.*s' for '%s:%.*s'", STR_ARG(name), type_kind_word(t),
			      STR_ARG(t->name));
	}
	return 0;
}

static int convert_values(struct parser *p, const struct type *t, const struct json *data, struct val **out)
{
	struct val *vals = arena_array(&p->scratch, struct val, t->n_props);
	char name[LIMIT_KEY_BYTES];

	for (uint32_t i = 0; i < t->n_props; i++) {
		const struct prop *pr = &t->props[i];
		const struct json *v;
		int rc;

		if (pr->name.n >= sizeof(name))
			return refuse(p, "property name '%.*s' is longer than %zu bytes", STR_ARG(pr->name),
				      sizeof(name));
		memcpy(name, pr->name.s, pr->name.n);
		name[pr->name.n] = 0;
		v = data ? json_get(data, name) : NULL;
		rc = load_value(pr, v, p->opts->shape, &p->scratch, &vals[i], p->e);
		if (rc) {
			if (strict(p))
				err_prefix(p->e, "line %llu: ", (unsigned long long)p->at);
			else
				err_prefix(p->e, "record %llu: ", (unsigned long long)p->at);
			return rc;
		}
	}
	*out = vals;
	return 0;
}

static int add_record(struct parser *p, const struct type *t, struct str from, struct str to, const struct json *data)
{
	struct row_image row = { .src = from, .dst = to };
	const struct json *id;
	struct val *vals;
	int rc;

	if (strict(p) && data && (rc = check_data_members(p, t, data)))
		return rc;
	rc = explicit_id(p, t, data, &id);
	if (!rc)
		rc = convert_values(p, t, data, &vals);
	if (rc)
		return rc;
	row.vals = vals;
	if (t->key.n)
		rc = keyed_id(p, t, id, &row);
	else
		row.id = id ? id->text : fresh_id(&p->scratch);
	if (!rc && row.id.n > LIMIT_ID_BYTES)
		rc = refuse(p, "id of %s type '%.*s' is longer than %u bytes", type_kind_word(t), STR_ARG(t->name),
			    LIMIT_ID_BYTES);
	if (!rc)
		rc = spool_add(&p->b->pool.spools[t->index], &row, p->b->n, !t->key.n && !id, p->e);
	if (rc)
		return rc;
	p->b->n++;
	p->b->counts[t->index]++;
	if (p->opts->progress && p->b->n % PROGRESS_RECORDS == 0)
		p->opts->progress(p->opts->progress_arg, p->bytes, p->b->n);
	return 0;
}

static const struct type *find_type(const struct parser *p, bool edge, struct str name)
{
	return edge ? catalog_edge_nocase(p->b->catalog, name) : catalog_node(p->b->catalog, name);
}

/* --- strict records ------------------------------------------------------------------------------ */

static int strict_members(struct parser *p, const struct json *rec, bool edge)
{
	for (size_t i = 0; i < rec->n; i++) {
		struct str f = rec->keys[i];
		const struct json *v = &rec->items[i];
		bool text =
			str_eqz(f, "type") || str_eqz(f, "edge") || (edge && (str_eqz(f, "from") || str_eqz(f, "to")));

		if (text && v->type != JSON_STRING)
			return refuse(p, "graph batch field '%.*s' must be a string, got %s", STR_ARG(f), shown(p, v));
		if (text)
			continue;
		if (str_eqz(f, "data")) {
			if (v->type != JSON_OBJECT)
				return refuse(p, "graph batch field 'data' must be an object, got %s", shown(p, v));
			continue;
		}
		if (is_physical(f))
			return refuse(p, "top-level field '%.*s' is reserved physical state", STR_ARG(f));
		return refuse(p, "unknown top-level graph batch field '%.*s'", STR_ARG(f));
	}
	return 0;
}

static int strict_record(struct parser *p, const struct json *rec)
{
	const struct json *type, *edge, *from, *to;
	const struct type *t;
	struct str name;
	int rc;

	if (rec->type != JSON_OBJECT)
		return refuse(p, "graph batch record must be one JSON object");
	type = json_get(rec, "type");
	edge = json_get(rec, "edge");
	if (!type == !edge)
		return refuse(p, "graph batch record must contain exactly one of 'type' or 'edge'");
	rc = strict_members(p, rec, edge != NULL);
	if (rc)
		return rc;
	name = edge ? edge->text : type->text;
	from = json_get(rec, "from");
	to = json_get(rec, "to");
	if (edge && (!from || !to))
		return refuse(p, "graph batch record requires field '%s'", from ? "to" : "from");
	t = find_type(p, edge != NULL, name);
	if (!t)
		return refuse(p, "unknown %s type '%.*s'", edge ? "edge" : "node", STR_ARG(name));
	return add_record(p, t, edge ? from->text : STR(""), edge ? to->text : STR(""), json_get(rec, "data"));
}

/* 1 + the number of { } [ ] , : outside strings. */
static uint64_t structural_slots(struct str line)
{
	uint64_t n = 1;
	bool quoted = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.s[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':') {
			n++;
		}
	}
	return n;
}

static int strict_line(struct parser *p, struct str line)
{
	static const struct json_opts opts = { .max_depth = LIMIT_JSON_DEPTH, .reject_duplicates = true };
	struct json *rec;
	uint64_t slots;
	size_t pos = 0;
	int rc;

	p->at++;
	if (line.n && line.s[line.n - 1] == '\r')
		line.n--; /* CRLF: the CR belongs to the line's end */
	if (str_trim_ascii(line).n == 0)
		return 0;
	if (line.n > LIMIT_LOAD_LINE_BYTES)
		return too_much(p, "graph_batch_line_bytes", line.n, LIMIT_LOAD_LINE_BYTES);
	slots = structural_slots(line);
	if (slots > LIMIT_LOAD_LINE_SLOTS)
		return too_much(p, "graph_batch_json_structural_slots", slots, LIMIT_LOAD_LINE_SLOTS);
	arena_reset(&p->scratch);
	rc = json_parse_next(&p->scratch, line, &pos, &opts, &rec, p->e);
	if (rc) {
		err_prefix(p->e, "invalid strict JSON at line %llu: ", (unsigned long long)p->at);
		return rc;
	}
	if (str_trim_ascii((struct str){ line.s + pos, line.n - pos }).n)
		return refuse(p, "graph batch record must be one JSON object");
	return strict_record(p, rec);
}

/* Take the complete lines out of @buf (all of it at the end of the input). */
static int take_lines(struct parser *p, struct strbuf *buf, bool eof)
{
	const struct arch_ops *ops = arch_ops();
	size_t start = 0;
	int rc = 0;

	while (!rc && start < buf->n) {
		size_t n = ops->find_byte(buf->s + start, buf->n - start, '\n');
		bool whole = start + n < buf->n;

		if (!whole && !eof)
			break;
		rc = strict_line(p, (struct str){ buf->s + start, n });
		start += n + (whole ? 1 : 0);
	}
	if (start) {
		memmove(buf->s, buf->s + start, buf->n - start);
		buf->n -= start;
	}
	if (!rc && buf->n > LIMIT_LOAD_LINE_BYTES + 1) { /* the last byte may be the CR of the line's end */
		p->at++;
		rc = too_much(p, "graph_batch_line_bytes", buf->n, LIMIT_LOAD_LINE_BYTES);
	}
	return rc;
}

static int parse_strict(struct parser *p, read_fn read, void *arg)
{
	struct strbuf buf = STRBUF_INIT;
	int rc = 0;

	for (;;) {
		long got;

		sb_grow(&buf, READ_CHUNK);
		got = read(arg, buf.s + buf.n, READ_CHUNK, p->e);
		if (got < 0) {
			rc = (int)got;
			break;
		}
		buf.n += (size_t)got;
		p->bytes += (uint64_t)got;
		rc = take_lines(p, &buf, got == 0);
		if (rc || !got)
			break;
	}
	sb_free(&buf);
	return rc;
}

/* --- permissive records -------------------------------------------------------------------------- */

static const struct json *string_member(const struct json *rec, const char *name)
{
	const struct json *v = json_get(rec, name);

	return v && v->type == JSON_STRING ? v : NULL;
}

static int permissive_record(struct parser *p, const struct json *rec)
{
	const struct json *type = string_member(rec, "type"), *edge = string_member(rec, "edge"), *from, *to;
	const struct json *data = json_get(rec, "data");
	const struct type *t;

	if (!type && !edge)
		return refuse(p, "expected 'type' or 'edge' field");
	if (type)
		edge = NULL;
	t = find_type(p, edge != NULL, edge ? edge->text : type->text);
	if (!t)
		return refuse(p, "unknown %s type '%.*s'", edge ? "edge" : "node",
			      STR_ARG(edge ? edge->text : type->text));
	from = string_member(rec, "from");
	to = string_member(rec, "to");
	if (edge && (!from || !to))
		return refuse(p, "edge missing '%s'", from ? "to" : "from");
	if (data && data->type != JSON_OBJECT)
		data = NULL;
	return add_record(p, t, edge ? from->text : STR(""), edge ? to->text : STR(""), data);
}

/* Edges that name a node by another spelling of its key follow it to the canonical id. */
static void remap_endpoints(struct load_batch *b)
{
	for (uint32_t i = 0; i < b->catalog->n_types; i++) {
		const struct type *t = &b->catalog->types[i];

		if (t->kind != TYPE_EDGE)
			continue;
		b->pool.spools[i].respelled[0] = &b->respelled[t->from->index];
		b->pool.spools[i].respelled[1] = &b->respelled[t->to->index];
	}
}

static int read_all(struct parser *p, read_fn read, void *arg, struct strbuf *buf)
{
	for (;;) {
		long got;

		sb_grow(buf, READ_CHUNK);
		got = read(arg, buf->s + buf->n, READ_CHUNK, p->e);
		if (got < 0)
			return (int)got;
		if (got == 0)
			return 0;
		buf->n += (size_t)got;
		p->bytes += (uint64_t)got;
	}
}

static int parse_permissive(struct parser *p, read_fn read, void *arg)
{
	static const struct json_opts opts = { .max_depth = LIMIT_JSON_DEPTH };
	struct strbuf buf = STRBUF_INIT;
	size_t pos = 0;
	int rc = read_all(p, read, arg, &buf);

	while (!rc) {
		struct json *rec;

		p->at++;
		arena_reset(&p->scratch);
		rc = json_parse_next(&p->scratch, sb_str(&buf), &pos, &opts, &rec, p->e);
		if (rc) {
			err_prefix(p->e, "invalid JSON at record %llu: ", (unsigned long long)p->at);
			break;
		}
		if (!rec)
			break;
		rc = permissive_record(p, rec);
	}
	sb_free(&buf);
	if (!rc)
		remap_endpoints(p->b);
	return rc;
}

void load_batch_init(struct load_batch *b, const struct catalog *c, const char *dir, uint64_t max_bytes)
{
	*b = (struct load_batch){ .catalog = c };
	b->counts = arena_array(&b->arena, uint64_t, c->n_types + 1);
	b->respelled = arena_array(&b->arena, struct map, c->n_types + 1);
	spool_pool_init(&b->pool, c, dir, max_bytes);
}

int load_parse(struct load_batch *out, const struct load_opts *opts, read_fn read, void *arg, struct err *e)
{
	struct parser p = { .b = out, .opts = opts, .e = e };
	int rc;

	rc = opts->shape == LOAD_STRICT ? parse_strict(&p, read, arg) : parse_permissive(&p, read, arg);
	arena_free(&p.scratch);
	if (!rc && opts->progress)
		opts->progress(opts->progress_arg, p.bytes, out->n);
	return rc;
}

void load_batch_clear(struct load_batch *b)
{
	for (uint32_t i = 0; b->respelled && i < b->catalog->n_types; i++)
		map_free(&b->respelled[i]);
	spool_pool_free(&b->pool);
	arena_free(&b->arena);
	*b = (struct load_batch){ 0 };
}
