/* SPDX-License-Identifier: MIT */
/*
 * yajl reads the text; this file builds the tree and adds what yajl leaves out: the depth limit,
 * duplicate members, strict UTF-8, paired surrogates, and no white space beyond RFC 8259.
 *
 * Values wait on a stack until their container closes, then move to the arena as one array. The
 * stack starts in the C frame, so that a small text needs no malloc; yajl's own memory comes from
 * the arena too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include <omnigraph/json.h>
#include <omnigraph/map.h>

#define FIRST_SLOTS 24
#define FIRST_FRAMES 16

/* One value on the stack, with its member name when it stands in an object. */
struct slot {
	struct str key;
	struct json value;
};

struct frame {
	uint32_t start; /* first slot of the container's children */
	struct str key; /* name of the container in its parent */
	bool object;
};

enum stop { STOP_NONE, STOP_DEPTH, STOP_DUPLICATE };

struct builder {
	struct arena *arena;
	uint32_t max_depth;
	bool reject_duplicates;
	enum stop stop;
	struct str duplicate;
	struct str key; /* of the next value */
	struct slot *slots;
	size_t n_slots, cap_slots;
	struct frame *frames;
	size_t n_frames, cap_frames;
	struct slot first_slots[FIRST_SLOTS];
	struct frame first_frames[FIRST_FRAMES];
};

/* --- yajl's memory --------------------------------------------------------------------------- */

static void *y_malloc(void *ctx, size_t n)
{
	size_t *p = arena_alloc(ctx, n + 16);

	*p = n; /* for y_realloc */
	return (char *)p + 16;
}

static void *y_realloc(void *ctx, void *ptr, size_t n)
{
	void *d = y_malloc(ctx, n);
	size_t old;

	if (ptr) {
		memcpy(&old, (char *)ptr - 16, sizeof(old));
		memcpy(d, ptr, old < n ? old : n);
	}
	return d;
}

static void y_free(void *ctx, void *ptr)
{
}

/* --- the builder ----------------------------------------------------------------------------- */

static void builder_init(struct builder *b, struct arena *a, const struct json_opts *opts)
{
	b->arena = a;
	b->max_depth = opts && opts->max_depth ? opts->max_depth : JSON_DEPTH_DEFAULT;
	b->reject_duplicates = opts && opts->reject_duplicates;
	b->stop = STOP_NONE;
	b->key = (struct str){ "", 0 };
	b->slots = b->first_slots;
	b->n_slots = 0;
	b->cap_slots = FIRST_SLOTS;
	b->frames = b->first_frames;
	b->n_frames = 0;
	b->cap_frames = FIRST_FRAMES;
}

static void builder_free(struct builder *b)
{
	if (b->slots != b->first_slots)
		free(b->slots);
	if (b->frames != b->first_frames)
		free(b->frames);
}

/* Double @p, which starts as the @first array inside the builder. */
static void *grow(void *p, void *first, size_t *cap, size_t size)
{
	void *d;

	if (p != first) {
		*cap *= 2;
		return mem_realloc_array(p, *cap, size);
	}
	d = mem_calloc(*cap * 2, size);
	memcpy(d, p, *cap * size);
	*cap *= 2;
	return d;
}

static struct json *push(struct builder *b, enum json_type type)
{
	struct slot *s;

	if (b->n_slots == b->cap_slots)
		b->slots = grow(b->slots, b->first_slots, &b->cap_slots, sizeof(*b->slots));
	s = &b->slots[b->n_slots++];
	s->key = b->key;
	memset(&s->value, 0, sizeof(s->value));
	s->value.type = type;
	return &s->value;
}

static int on_null(void *ctx)
{
	push(ctx, JSON_NULL);
	return 1;
}

static int on_bool(void *ctx, int v)
{
	push(ctx, JSON_BOOL)->boolean = v;
	return 1;
}

static int on_number(void *ctx, const char *s, size_t n)
{
	struct builder *b = ctx;
	struct json *v = push(b, JSON_NUMBER);

	v->text = arena_str(b->arena, (struct str){ s, n });
	v->is_int = !memchr(s, '.', n) && !memchr(s, 'e', n) && !memchr(s, 'E', n);
	return 1;
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	struct builder *b = ctx;

	push(b, JSON_STRING)->text = arena_str(b->arena, (struct str){ (const char *)s, n });
	return 1;
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct builder *b = ctx;

	b->key = arena_str(b->arena, (struct str){ (const char *)s, n });
	return 1;
}

static int begin(struct builder *b, bool object)
{
	struct frame *f;

	if (b->n_frames >= b->max_depth) {
		b->stop = STOP_DEPTH;
		return 0;
	}
	if (b->n_frames == b->cap_frames)
		b->frames = grow(b->frames, b->first_frames, &b->cap_frames, sizeof(*b->frames));
	f = &b->frames[b->n_frames++];
	f->start = (uint32_t)b->n_slots;
	f->key = b->key;
	f->object = object;
	b->key = (struct str){ "", 0 };
	return 1;
}

static int on_begin_object(void *ctx)
{
	return begin(ctx, true);
}

static int on_begin_array(void *ctx)
{
	return begin(ctx, false);
}

static bool has_duplicate(struct builder *b, const struct slot *children, size_t n)
{
	struct map seen = MAP_INIT;
	bool found = false;

	for (size_t i = 0; i < n && !found; i++) {
		if (map_add(&seen, children[i].key, b))
			continue;
		b->duplicate = children[i].key;
		found = true;
	}
	map_free(&seen);
	return found;
}

static int end(struct builder *b)
{
	struct frame f = b->frames[--b->n_frames];
	const struct slot *children = b->slots + f.start;
	size_t n = b->n_slots - f.start;
	struct json *items = NULL, *v;
	struct str *keys = NULL;

	if (f.object && b->reject_duplicates && n > 1 && has_duplicate(b, children, n)) {
		b->stop = STOP_DUPLICATE;
		return 0;
	}
	if (n) {
		items = arena_alloc(b->arena, n * sizeof(*items));
		for (size_t i = 0; i < n; i++)
			items[i] = children[i].value;
	}
	if (n && f.object) {
		keys = arena_alloc(b->arena, n * sizeof(*keys));
		for (size_t i = 0; i < n; i++)
			keys[i] = children[i].key;
	}
	b->n_slots = f.start;
	b->key = f.key;
	v = push(b, f.object ? JSON_OBJECT : JSON_ARRAY);
	v->n = n;
	v->items = items;
	v->keys = keys;
	return 1;
}

static int on_end(void *ctx)
{
	return end(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_begin_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_begin_array,
	.yajl_end_array = on_end,
};

/* --- errors ---------------------------------------------------------------------------------- */

/* "<what> at line L column C" of byte @at; columns count characters. */
static int fail_at(struct err *e, struct str src, size_t at, const char *what)
{
	uint32_t line = 1, column = 1;
	int rc;

	if (at > src.n)
		at = src.n;
	for (size_t i = 0; i < at; i++) {
		if (src.s[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)src.s[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	rc = err_set(e, ERR_BAD_REQUEST, "%s at line %u column %u", what, line, column);
	err_position(e, line, column, (uint32_t)at, (uint32_t)at);
	return rc;
}

static int fail_yajl(struct err *e, yajl_handle h, struct str src, size_t at)
{
	char *text = (char *)yajl_get_error(h, 0, NULL, 0);
	struct str t = str_from(text);
	char buf[160];

	if (str_starts(t, STR("lexical error: ")))
		t = (struct str){ t.s + 15, t.n - 15 };
	else if (str_starts(t, STR("parse error: ")))
		t = (struct str){ t.s + 13, t.n - 13 };
	t = str_trim_ascii(t);
	if (str_eqz(t, "premature EOF"))
		snprintf(buf, sizeof(buf), "unexpected end of input");
	else
		snprintf(buf, sizeof(buf), "%.*s", t.n < 150 ? (int)t.n : 150, t.s);
	yajl_free_error(h, (unsigned char *)text);
	return fail_at(e, src, at, buf);
}

static int fail_stopped(struct builder *b, struct err *e)
{
	if (b->stop == STOP_DUPLICATE)
		return err_set(e, ERR_BAD_REQUEST, "duplicate JSON member '%.*s'", STR_ARG(b->duplicate));
	return err_set(e, ERR_BAD_REQUEST, "nesting deeper than %" PRIu32, b->max_depth);
}

/* --- what yajl does not check ---------------------------------------------------------------- */

static int hex4(const char *p, size_t n)
{
	int v = 0;

	if (n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* Offset of the first escape that is half of a surrogate pair, or n. Backslashes occur in strings
 * only. */
static size_t find_lone_surrogate(struct str s)
{
	const char *p;
	size_t i = 0;

	while (i < s.n && (p = memchr(s.s + i, '\\', s.n - i))) {
		int cp;

		i = (size_t)(p - s.s);
		cp = i + 1 < s.n && s.s[i + 1] == 'u' ? hex4(s.s + i + 2, s.n - i - 2) : -1;
		if (cp < 0xd800 || cp > 0xdfff) {
			i += 2;
			continue;
		}
		if (cp >= 0xdc00 || i + 12 > s.n || s.s[i + 6] != '\\' || s.s[i + 7] != 'u')
			return i;
		cp = hex4(s.s + i + 8, 4);
		if (cp < 0xdc00 || cp > 0xdfff)
			return i;
		i += 12;
	}
	return s.n;
}

/* @value is the text of one value within @src. */
static int check_extent(struct str src, struct str value, struct err *e)
{
	size_t base = (size_t)(value.s - src.s), at;

	/* yajl takes vertical tab and form feed for white space */
	for (const char *c = "\v\f"; *c; c++) {
		const char *p = memchr(value.s, *c, value.n);

		if (p)
			return fail_at(e, src, (size_t)(p - src.s), "invalid char in json text.");
	}
	at = utf8_valid_prefix(value);
	if (at < value.n)
		return fail_at(e, src, base + at, "invalid UTF-8");
	at = find_lone_surrogate(value);
	if (at < value.n)
		return fail_at(e, src, base + at, "unpaired surrogate escape");
	return 0;
}

static bool json_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t skip_space(struct str s, size_t at)
{
	while (at < s.n && json_space(s.s[at]))
		at++;
	return at;
}

/* --- one value ------------------------------------------------------------------------------- */

/* Run yajl from @start; *end_at is the offset behind the value. */
static int run(yajl_handle h, struct builder *b, struct str src, size_t start, size_t *end_at, struct err *e)
{
	const unsigned char *text = (const unsigned char *)src.s + start;
	yajl_status st = yajl_parse(h, text, src.n - start);

	*end_at = start + yajl_get_bytes_consumed(h);
	if (st == yajl_status_ok && !(b->n_slots == 1 && b->n_frames == 0)) {
		/* a number at the very end, or a value cut short */
		*end_at = src.n;
		st = yajl_complete_parse(h);
	}
	if (st == yajl_status_client_canceled)
		return fail_stopped(b, e);
	if (st != yajl_status_ok)
		return fail_yajl(e, h, src, *end_at);
	return 0;
}

static int parse_value(struct arena *a, struct str src, size_t *pos, const struct json_opts *opts, struct json **out,
		       struct err *e)
{
	yajl_alloc_funcs mem = { y_malloc, y_realloc, y_free, a };
	struct builder b;
	yajl_handle h;
	size_t end_at = 0;
	int rc;

	builder_init(&b, a, opts);
	h = yajl_alloc(&callbacks, &mem, &b);
	yajl_config(h, yajl_allow_trailing_garbage, 1);
	yajl_config(h, yajl_dont_validate_strings, 1); /* check_extent is stricter */
	rc = run(h, &b, src, *pos, &end_at, e);
	if (!rc)
		rc = check_extent(src, (struct str){ src.s + *pos, end_at - *pos }, e);
	if (!rc) {
		*out = arena_memdup(a, &b.slots[0].value, sizeof(b.slots[0].value));
		*pos = end_at;
	}
	yajl_free(h);
	builder_free(&b);
	return rc;
}

int json_parse(struct arena *a, struct str src, const struct json_opts *opts, struct json **out, struct err *e)
{
	size_t pos = skip_space(src, 0);
	int rc;

	*out = NULL;
	if (pos == src.n)
		return fail_at(e, src, src.n, "unexpected end of input");
	rc = parse_value(a, src, &pos, opts, out, e);
	if (rc)
		return rc;
	pos = skip_space(src, pos);
	if (pos < src.n) {
		*out = NULL;
		rc = fail_at(e, src, pos, "trailing characters after the JSON value");
	}
	return rc;
}

int json_parse_next(struct arena *a, struct str src, size_t *pos, const struct json_opts *opts, struct json **out,
		    struct err *e)
{
	*out = NULL;
	*pos = skip_space(src, *pos);
	if (*pos == src.n)
		return 0;
	return parse_value(a, src, pos, opts, out, e);
}

/* --- reading a tree -------------------------------------------------------------------------- */

const struct json *json_get(const struct json *obj, const char *name)
{
	struct str want = str_from(name);

	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	for (size_t i = obj->n; i-- > 0;)
		if (str_eq(obj->keys[i], want))
			return &obj->items[i];
	return NULL;
}

const struct json *json_get_nonnull(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v && v->type != JSON_NULL ? v : NULL;
}

const char *json_kind(const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "boolean";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
		return "array";
	case JSON_OBJECT:
		return "object";
	}
	return "null";
}
