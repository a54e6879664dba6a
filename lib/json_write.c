/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include <omnigraph/arch.h>
#include <omnigraph/json.h>
#include <omnigraph/util.h>

void jw_init(struct json_writer *w, struct strbuf *out, bool pretty)
{
	w->out = out;
	w->pretty = pretty;
	w->depth = 0;
	w->after_key = false;
	w->count[0] = 0;
}

static void new_line(struct json_writer *w)
{
	sb_grow(w->out, 1 + 2 * (size_t)w->depth);
	w->out->s[w->out->n++] = '\n';
	memset(w->out->s + w->out->n, ' ', 2 * (size_t)w->depth);
	w->out->n += 2 * (size_t)w->depth;
	w->out->s[w->out->n] = 0;
}

/* What stands between the previous token and the next key or value. */
static void separate(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (!w->depth)
		return;
	if (w->count[w->depth])
		sb_addch(w->out, ',');
	w->count[w->depth] = 1;
	if (w->pretty)
		new_line(w);
}

static void begin(struct json_writer *w, char c)
{
	separate(w);
	if (w->depth + 1 >= JSON_WRITE_DEPTH)
		abort(); /* a bug: parsed input is limited far below */
	sb_addch(w->out, c);
	w->count[++w->depth] = 0;
}

static void end(struct json_writer *w, char c)
{
	bool any = w->count[w->depth--];

	if (any && w->pretty)
		new_line(w);
	sb_addch(w->out, c);
}

void jw_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void jw_end_object(struct json_writer *w)
{
	end(w, '}');
}

void jw_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void jw_end_array(struct json_writer *w)
{
	end(w, ']');
}

void jw_key(struct json_writer *w, struct str name)
{
	separate(w);
	json_quote(w->out, name);
	if (w->pretty)
		sb_add(w->out, ": ", 2);
	else
		sb_addch(w->out, ':');
	w->after_key = true;
}

void jw_keyz(struct json_writer *w, const char *name)
{
	jw_key(w, str_from(name));
}

void jw_str(struct json_writer *w, struct str s)
{
	separate(w);
	json_quote(w->out, s);
}

void jw_strz(struct json_writer *w, const char *z)
{
	if (z)
		jw_str(w, str_from(z));
	else
		jw_null(w);
}

void jw_i64(struct json_writer *w, int64_t v)
{
	separate(w);
	sb_addi64(w->out, v);
}

void jw_u64(struct json_writer *w, uint64_t v)
{
	separate(w);
	sb_addu64(w->out, v);
}

void jw_f64(struct json_writer *w, double v)
{
	if (isnan(v)) {
		jw_str(w, STR("NaN"));
	} else if (isinf(v)) {
		jw_str(w, v > 0 ? STR("Infinity") : STR("-Infinity"));
	} else {
		separate(w);
		sb_grow(w->out, 32);
		w->out->n += fmt_f64(w->out->s + w->out->n, v);
	}
}

void jw_bool(struct json_writer *w, bool v)
{
	jw_raw(w, v ? STR("true") : STR("false"));
}

void jw_null(struct json_writer *w)
{
	jw_raw(w, STR("null"));
}

void jw_raw(struct json_writer *w, struct str json)
{
	separate(w);
	sb_adds(w->out, json);
}

/* Recursion is bounded by the depth limit of the parse and by begin(). */
void jw_value(struct json_writer *w, const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		jw_null(w);
		break;
	case JSON_BOOL:
		jw_bool(w, v->boolean);
		break;
	case JSON_NUMBER:
		jw_raw(w, v->text);
		break;
	case JSON_STRING:
		jw_str(w, v->text);
		break;
	case JSON_ARRAY:
		jw_begin_array(w);
		for (size_t i = 0; i < v->n; i++)
			jw_value(w, &v->items[i]);
		jw_end_array(w);
		break;
	case JSON_OBJECT:
		jw_begin_object(w);
		for (size_t i = 0; i < v->n; i++) {
			jw_key(w, v->keys[i]);
			jw_value(w, &v->items[i]);
		}
		jw_end_object(w);
		break;
	}
}

void jw_kstr(struct json_writer *w, const char *key, struct str s)
{
	jw_keyz(w, key);
	jw_str(w, s);
}

void jw_kstrz(struct json_writer *w, const char *key, const char *z)
{
	jw_keyz(w, key);
	jw_strz(w, z);
}

void jw_ku64(struct json_writer *w, const char *key, uint64_t v)
{
	jw_keyz(w, key);
	jw_u64(w, v);
}

void jw_ki64(struct json_writer *w, const char *key, int64_t v)
{
	jw_keyz(w, key);
	jw_i64(w, v);
}

void jw_kbool(struct json_writer *w, const char *key, bool v)
{
	jw_keyz(w, key);
	jw_bool(w, v);
}

void jw_knull(struct json_writer *w, const char *key)
{
	jw_keyz(w, key);
	jw_null(w);
}

static void escape(struct strbuf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char buf[6] = { '\\', 'u', '0', '0' };
	const char *p;

	static const char from[] = "\"\\\b\t\n\f\r", to[] = "\"\\btnfr";

	p = c ? strchr(from, c) : NULL;
	if (p) {
		buf[1] = to[p - from];
		sb_add(out, buf, 2);
		return;
	}
	buf[4] = hex[c >> 4];
	buf[5] = hex[c & 15];
	sb_add(out, buf, 6);
}

void json_quote(struct strbuf *out, struct str s)
{
	const struct arch_ops *ops = arch_ops();

	sb_grow(out, s.n + 2);
	sb_addch(out, '"');
	for (;;) {
		size_t k = ops->find_json_special(s.s, s.n);

		sb_add(out, s.s, k);
		if (k == s.n)
			break;
		escape(out, (unsigned char)s.s[k]);
		s.s += k + 1;
		s.n -= k + 1;
	}
	sb_addch(out, '"');
}

void json_compact(struct strbuf *out, const struct json *v)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_value(&w, v);
}
