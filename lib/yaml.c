/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include <omnigraph/yaml.h>
#include <omnigraph/util.h>

/* A collection that is still open. Children wait here and move to the arena when it closes. */
struct open_node {
	struct yaml node;      /* n, keys and items unused until the end */
	struct yaml *children; /* of a map: key, value, key, value ... */
	size_t n, cap;
	const char *anchor; /* NULL: none */
	size_t nodes_before, height;
};

/* A finished value with a name. Aliases share its children and count as often as they are used. */
struct anchor {
	const char *name;
	struct yaml node;
	size_t n_nodes, height;
};

struct loader {
	yaml_parser_t parser;
	struct arena *arena;
	struct open_node stack[YAML_DEPTH_MAX];
	size_t depth;
	size_t n_nodes;
	struct anchor *anchors;
	size_t n_anchors, anchors_cap;
	struct yaml *root;
};

static int fail(struct err *e, yaml_mark_t at, const char *what)
{
	uint32_t line = (uint32_t)at.line + 1, column = (uint32_t)at.column + 1;
	int rc = err_set(e, ERR_BAD_REQUEST, "line %u column %u: %s", line, column, what);

	err_position(e, line, column, (uint32_t)at.index, (uint32_t)at.index);
	return rc;
}

static int fail_parser(const yaml_parser_t *p, struct err *e)
{
	yaml_mark_t at = p->problem_mark;

	/* the reader knows an offset only */
	if (p->error == YAML_READER_ERROR)
		at = (yaml_mark_t){ p->problem_offset, p->mark.line, p->mark.column };
	return fail(e, at, p->problem ? p->problem : "not YAML");
}

static int fail_depth(struct err *e, yaml_mark_t at)
{
	char buf[48];

	snprintf(buf, sizeof(buf), "nesting deeper than %d", YAML_DEPTH_MAX);
	return fail(e, at, buf);
}

/* @height: the collections a way through @node passes at most. */
static int add_child(struct loader *l, const struct yaml *node, size_t height, yaml_mark_t at, struct err *e)
{
	struct open_node *parent;

	if (!l->depth) {
		l->root = arena_memdup(l->arena, node, sizeof(*node));
		return 0;
	}
	parent = &l->stack[l->depth - 1];
	if (parent->node.type == YAML_MAP && parent->n % 2 == 0 && node->type != YAML_SCALAR)
		return fail(e, at, "a mapping key must be a scalar");
	MEM_GROW(parent->children, parent->n, parent->cap);
	parent->children[parent->n++] = *node;
	if (parent->height < height + 1)
		parent->height = height + 1;
	return 0;
}

static struct yaml new_node(enum yaml_type type, yaml_mark_t at)
{
	return (struct yaml){
		.type = type,
		.line = (uint32_t)at.line + 1,
		.column = (uint32_t)at.column + 1,
	};
}

/* The tags of JSON's types say nothing new; others would be ignored silently. */
static bool known_tag(const yaml_char_t *tag)
{
	static const char *const known[] = { "!", YAML_STR_TAG, YAML_MAP_TAG, YAML_SEQ_TAG };

	if (!tag)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp((const char *)tag, known[i]))
			return true;
	return false;
}

static void add_anchor(struct loader *l, const char *name, const struct yaml *node, size_t n_nodes, size_t height)
{
	if (!name)
		return;
	MEM_GROW(l->anchors, l->n_anchors, l->anchors_cap);
	l->anchors[l->n_anchors++] = (struct anchor){ name, *node, n_nodes, height };
}

static const char *anchor_name(struct loader *l, const yaml_char_t *anchor)
{
	return anchor ? arena_strdup(l->arena, (const char *)anchor) : NULL;
}

static int check_node(struct loader *l, const yaml_char_t *tag, yaml_mark_t at, struct err *e)
{
	if (!known_tag(tag))
		return fail(e, at, "tags are not supported; write a plain or quoted value");
	if (++l->n_nodes > YAML_NODES_MAX)
		return fail(e, at, "too many values");
	return 0;
}

static int on_scalar(struct loader *l, const yaml_event_t *ev, struct err *e)
{
	struct yaml node = new_node(YAML_SCALAR, ev->start_mark);
	int rc = check_node(l, ev->data.scalar.tag, ev->start_mark, e);

	if (rc)
		return rc;
	node.text = arena_str(l->arena, (struct str){ (const char *)ev->data.scalar.value, ev->data.scalar.length });
	node.plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && ev->data.scalar.plain_implicit;
	add_anchor(l, anchor_name(l, ev->data.scalar.anchor), &node, 1, 0);
	return add_child(l, &node, 0, ev->start_mark, e);
}

/* The last anchor of the name counts. What it stands for is counted again: small texts must not make large trees. */
static int on_alias(struct loader *l, const yaml_event_t *ev, struct err *e)
{
	const char *name = (const char *)ev->data.alias.anchor;
	size_t i = l->n_anchors;
	struct yaml node;

	while (i && strcmp(l->anchors[i - 1].name, name))
		i--;
	if (!i)
		return fail(e, ev->start_mark, "an alias needs an anchor (&name) that is finished before it");
	const struct anchor *a = &l->anchors[i - 1];

	l->n_nodes += a->n_nodes;
	if (l->n_nodes > YAML_NODES_MAX)
		return fail(e, ev->start_mark, "too many values");
	if (l->depth + a->height > YAML_DEPTH_MAX)
		return fail_depth(e, ev->start_mark);
	node = new_node(a->node.type, ev->start_mark);
	node.text = a->node.text;
	node.plain = a->node.plain;
	node.n = a->node.n;
	node.keys = a->node.keys;
	node.items = a->node.items;
	return add_child(l, &node, a->height, ev->start_mark, e);
}

static int on_start(struct loader *l, enum yaml_type type, const yaml_char_t *anchor, const yaml_char_t *tag,
		    yaml_mark_t at, struct err *e)
{
	int rc = check_node(l, tag, at, e);

	if (rc)
		return rc;
	if (l->depth == YAML_DEPTH_MAX)
		return fail_depth(e, at);
	l->stack[l->depth++] = (struct open_node){
		.node = new_node(type, at),
		.anchor = anchor_name(l, anchor),
		.nodes_before = l->n_nodes - 1,
		.height = 1,
	};
	return 0;
}

static void close_map(struct arena *a, struct open_node *o)
{
	size_t n = o->n / 2;

	o->node.n = n;
	o->node.keys = arena_array(a, struct yaml, n);
	o->node.items = arena_array(a, struct yaml, n);
	for (size_t i = 0; i < n; i++) {
		o->node.keys[i] = o->children[2 * i];
		o->node.items[i] = o->children[2 * i + 1];
	}
}

static int on_end(struct loader *l, yaml_mark_t at, struct err *e)
{
	struct open_node *o = &l->stack[--l->depth];

	if (o->node.type == YAML_MAP) {
		close_map(l->arena, o);
	} else {
		o->node.n = o->n;
		o->node.items = arena_memdup(l->arena, o->children, o->n * sizeof(*o->children));
	}
	free(o->children);
	o->children = NULL;
	add_anchor(l, o->anchor, &o->node, l->n_nodes - o->nodes_before, o->height);
	return add_child(l, &o->node, o->height, at, e);
}

static int on_event(struct loader *l, const yaml_event_t *ev, struct err *e)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (l->root)
			return fail(e, ev->start_mark, "more than one document");
		return 0;
	case YAML_ALIAS_EVENT:
		return on_alias(l, ev, e);
	case YAML_SCALAR_EVENT:
		return on_scalar(l, ev, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(l, YAML_SEQ, ev->data.sequence_start.anchor, ev->data.sequence_start.tag,
				ev->start_mark, e);
	case YAML_MAPPING_START_EVENT:
		return on_start(l, YAML_MAP, ev->data.mapping_start.anchor, ev->data.mapping_start.tag, ev->start_mark,
				e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(l, ev->start_mark, e);
	default:
		return 0;
	}
}

static int run(struct loader *l, struct err *e)
{
	yaml_event_t ev;
	bool last = false;
	int rc = 0;

	while (!rc && !last) {
		if (!yaml_parser_parse(&l->parser, &ev))
			return fail_parser(&l->parser, e);
		last = ev.type == YAML_STREAM_END_EVENT;
		rc = on_event(l, &ev, e);
		yaml_event_delete(&ev);
	}
	return rc;
}

int yaml_parse(struct arena *a, struct str src, struct yaml **out, struct err *e)
{
	struct loader *l;
	int rc;

	*out = NULL;
	if (src.n > YAML_BYTES_MAX)
		return err_set(e, ERR_BAD_REQUEST, "the YAML text has %zu bytes; the limit is %u", src.n,
			       YAML_BYTES_MAX);
	l = mem_zalloc(sizeof(*l));
	l->arena = a;
	if (!yaml_parser_initialize(&l->parser))
		abort();
	yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l->parser, (const unsigned char *)(src.n ? src.s : ""), src.n);
	rc = run(l, e);
	if (!rc && !(l->root && l->root->type == YAML_SCALAR && l->root->plain && !l->root->text.n))
		*out = l->root;
	while (l->depth)
		free(l->stack[--l->depth].children);
	yaml_parser_delete(&l->parser);
	free(l->anchors);
	free(l);
	return rc;
}

const struct yaml *yaml_get(const struct yaml *map, const char *name)
{
	if (!map || map->type != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (str_eqz(map->keys[i].text, name))
			return &map->items[i];
	return NULL;
}

static bool one_of(const struct yaml *v, const char *const *words, size_t n)
{
	if (v->type != YAML_SCALAR || !v->plain)
		return false;
	for (size_t i = 0; i < n; i++)
		if (str_eqz(v->text, words[i]))
			return true;
	return false;
}

bool yaml_is_null(const struct yaml *v)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return !v || one_of(v, words, ARRAY_SIZE(words));
}

bool yaml_to_bool(const struct yaml *v, bool *out)
{
	static const char *const yes[] = { "true", "True", "TRUE" };
	static const char *const no[] = { "false", "False", "FALSE" };

	if (!v)
		return false;
	if (one_of(v, yes, ARRAY_SIZE(yes))) {
		*out = true;
		return true;
	}
	if (one_of(v, no, ARRAY_SIZE(no))) {
		*out = false;
		return true;
	}
	return false;
}

bool yaml_to_u64(const struct yaml *v, uint64_t *out)
{
	return v && v->type == YAML_SCALAR && v->plain && str_to_u64(v->text, out);
}

static size_t digits(struct str s, size_t i)
{
	while (i < s.n && s.s[i] >= '0' && s.s[i] <= '9')
		i++;
	return i;
}

/*
 * A plain scalar that reads as a decimal number becomes its JSON spelling: no '+', no leading
 * zeros, digits on both sides of the point. False: it is no number.
 */
static bool number_text(struct arena *a, struct str s, struct json *v)
{
	bool neg = s.n && s.s[0] == '-';
	size_t i = neg || (s.n && s.s[0] == '+') ? 1 : 0;
	size_t int_at = i, int_end = digits(s, i), frac_at, frac_end, exp_at, exp_end;

	frac_at = frac_end = i = int_end;
	if (i < s.n && s.s[i] == '.') {
		frac_at = i + 1;
		frac_end = i = digits(s, frac_at);
	}
	if (int_end == int_at && frac_end == frac_at)
		return false;
	exp_at = exp_end = i;
	if (i < s.n && (s.s[i] | 0x20) == 'e') {
		exp_at = ++i;
		if (i < s.n && (s.s[i] == '-' || s.s[i] == '+'))
			i++;
		exp_end = digits(s, i);
		if (exp_end == i)
			return false;
		i = exp_end;
	}
	if (i != s.n)
		return false;
	while (int_at + 1 < int_end && s.s[int_at] == '0')
		int_at++;
	v->type = JSON_NUMBER;
	v->is_int = int_end == s.n;
	v->text = str_from(arena_printf(
		a, "%s%.*s%s%.*s%s%.*s", neg ? "-" : "", int_end > int_at ? (int)(int_end - int_at) : 1,
		int_end > int_at ? s.s + int_at : "0", v->is_int ? "" : ".",
		frac_end > frac_at ? (int)(frac_end - frac_at) : !v->is_int, frac_end > frac_at ? s.s + frac_at : "0",
		exp_end > exp_at ? "e" : "", (int)(exp_end - exp_at), s.s + exp_at));
	return true;
}

static void scalar_to_json(struct arena *a, const struct yaml *y, struct json *v)
{
	v->type = JSON_NULL;
	if (yaml_is_null(y))
		return;
	v->type = JSON_BOOL;
	if (yaml_to_bool(y, &v->boolean))
		return;
	if (y->plain && number_text(a, y->text, v))
		return;
	v->type = JSON_STRING;
	v->text = y->text;
}

/* Recursion is bounded by YAML_DEPTH_MAX. */
static void node_to_json(struct arena *a, const struct yaml *y, struct json *v)
{
	if (y->type == YAML_SCALAR) {
		scalar_to_json(a, y, v);
		return;
	}
	v->type = y->type == YAML_MAP ? JSON_OBJECT : JSON_ARRAY;
	v->n = y->n;
	v->items = arena_array(a, struct json, y->n);
	if (y->type == YAML_MAP)
		v->keys = arena_array(a, struct str, y->n);
	for (size_t i = 0; i < y->n; i++) {
		if (y->type == YAML_MAP)
			v->keys[i] = y->keys[i].text;
		node_to_json(a, &y->items[i], &v->items[i]);
	}
}

struct json *yaml_to_json(struct arena *a, const struct yaml *v)
{
	struct json *j = arena_new(a, struct json);

	if (v)
		node_to_json(a, v, j);
	return j;
}
