/* SPDX-License-Identifier: MIT */
#include <omnigraph/limits.h>

#include "net/body.h"

const struct body_rules body_rules_default = {
	.syntax = "Failed to parse the request body as JSON: ",
	.shape = "Failed to deserialize the JSON body into the target type: ",
	.shape_status = 422,
};

bool content_type_is(struct str value, struct str media_type)
{
	const char *semi = memchr(value.s, ';', value.n);

	if (semi)
		value.n = (size_t)(semi - value.s);
	return str_eq_nocase(str_trim_ascii(value), media_type);
}

bool content_type_is_json(struct str value)
{
	const char *semi = memchr(value.s, ';', value.n);
	struct str v;

	if (content_type_is(value, STR("application/json")))
		return true;
	if (semi)
		value.n = (size_t)(semi - value.s);
	v = str_trim_ascii(value);
	return v.n > 17 && str_eq_nocase((struct str){ v.s, 12 }, STR("application/")) &&
	       str_eq_nocase((struct str){ v.s + v.n - 5, 5 }, STR("+json"));
}

static const char *kind_words(const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "boolean";
	case JSON_NUMBER:
		return v->is_int ? "integer" : "floating point number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
		return "sequence";
	default:
		return "map";
	}
}

static int shape_fail(struct request *r, const struct body_rules *rules, const char *detail)
{
	return request_fail(r, rules->shape_status, "bad_request", "%s%s%s",
			    r->ops->refusal_prefix ? r->ops->refusal_prefix : "", rules->shape, detail);
}

static int wrong_type(struct request *r, const struct body_rules *rules, const struct field *f, const struct json *v,
		      const char *want)
{
	return shape_fail(
		r, rules,
		arena_printf(&r->arena, "field `%s`: invalid type: %s, expected %s", f->name, kind_words(v), want));
}

static int unknown_variant(struct request *r, const struct body_rules *rules, const struct field *f)
{
	struct strbuf b = STRBUF_INIT;
	int rc;

	sb_addf(&b, "unknown variant `%.*s`, expected one of ", STR_ARG(f->value->text));
	for (size_t i = 0; f->values[i]; i++)
		sb_addf(&b, "%s`%s`", i ? ", " : "", f->values[i]);
	rc = shape_fail(r, rules, b.s);
	sb_free(&b);
	return rc;
}

static bool is_variant(const struct field *f)
{
	for (size_t i = 0; f->values[i]; i++)
		if (str_eqz(f->value->text, f->values[i]))
			return true;
	return false;
}

static int check_strings(struct request *r, const struct body_rules *rules, const struct field *f)
{
	const struct json *v = f->value;

	if (v->type != JSON_ARRAY)
		return wrong_type(r, rules, f, v, "a sequence");
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].type != JSON_STRING)
			return wrong_type(r, rules, f, &v->items[i], "a string");
	return 0;
}

static int check_type(struct request *r, const struct body_rules *rules, const struct field *f)
{
	const struct json *v = f->value;

	switch (f->type) {
	case FIELD_STRING:
		return v->type == JSON_STRING ? 0 : wrong_type(r, rules, f, v, "a string");
	case FIELD_BOOL:
		return v->type == JSON_BOOL ? 0 : wrong_type(r, rules, f, v, "a boolean");
	case FIELD_STRINGS:
		return check_strings(r, rules, f);
	case FIELD_ENUM:
		if (v->type != JSON_STRING)
			return wrong_type(r, rules, f, v, "a string");
		return is_variant(f) ? 0 : unknown_variant(r, rules, f);
	default:
		return 0;
	}
}

static struct field *find_field(struct field *fields, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqz(name, fields[i].name) || (fields[i].alias && str_eqz(name, fields[i].alias)))
			return &fields[i];
	return NULL;
}

static int take_members(struct request *r, const struct json *doc, struct field *fields, size_t n,
			const struct body_rules *rules)
{
	for (size_t i = 0; i < doc->n; i++) {
		struct field *f = find_field(fields, n, doc->keys[i]);

		if (!f && rules->strict)
			return shape_fail(r, rules,
					  arena_printf(&r->arena, "unknown field `%.*s`", STR_ARG(doc->keys[i])));
		if (!f)
			continue;
		if (f->value)
			return shape_fail(r, rules, arena_printf(&r->arena, "duplicate field `%s`", f->name));
		f->value = &doc->items[i];
	}
	return 0;
}

static int check_fields(struct request *r, struct field *fields, size_t n, const struct body_rules *rules)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		struct field *f = &fields[i];

		if (f->value && f->value->type == JSON_NULL && !f->required)
			f->value = NULL;
		if (f->value)
			rc = check_type(r, rules, f);
		else if (f->required)
			rc = shape_fail(r, rules, arena_printf(&r->arena, "missing field `%s`", f->name));
	}
	return rc;
}

int body_decode(struct request *r, struct field *fields, size_t n, const struct body_rules *rules)
{
	struct json_opts opts = { .max_depth = LIMIT_JSON_DEPTH };
	struct err why = ERR_INIT;
	struct json *doc = NULL;
	int rc;

	if (!rules)
		rules = &body_rules_default;
	if (rules->may_be_absent && !r->body.n)
		return 0;
	if (json_parse(&r->arena, sb_str(&r->body), &opts, &doc, &why)) {
		rc = request_fail(r, 400, "bad_request", "%s%s%s", r->ops->refusal_prefix ? r->ops->refusal_prefix : "",
				  rules->syntax, err_msg(&why));
		err_clear(&why);
		return rc;
	}
	if (rules->may_be_absent && doc->type == JSON_NULL)
		return 0;
	if (doc->type != JSON_OBJECT)
		return shape_fail(r, rules,
				  arena_printf(&r->arena, "invalid type: %s, expected an object", kind_words(doc)));
	rc = take_members(r, doc, fields, n, rules);
	return rc ? rc : check_fields(r, fields, n, rules);
}

const char *field_text(struct request *r, const struct field *f, const char *dflt)
{
	return f->value ? arena_str(&r->arena, f->value->text).s : dflt;
}

int branch_text(struct request *r, const struct str *raw, const char *dflt, const char **out)
{
	struct str name;

	*out = dflt;
	if (!raw)
		return 0;
	name = str_trim(*raw);
	if (!name.n)
		return err_set(&r->err, ERR_BAD_REQUEST, "branch name cannot be empty");
	if (memchr(name.s, 0, name.n))
		return err_set(&r->err, ERR_BAD_REQUEST, "invalid branch name '%s': it contains a NUL", name.s);
	*out = arena_str(&r->arena, name).s;
	return 0;
}

int branch_field(struct request *r, const struct field *f, const char *dflt, const char **out)
{
	return branch_text(r, f->value ? &f->value->text : NULL, dflt, out);
}
