/* SPDX-License-Identifier: MIT */
/* A migration plan for people (spec/schema.md 11.5). */
#include <omnigraph/catalog.h>
#include <omnigraph/json.h>

static struct str text(const struct json *step, const char *member)
{
	const struct json *v = json_get(step, member);

	return v && v->type == JSON_STRING ? v->text : STR("");
}

/* "String?", "[I32]", "Vector(8)", "Enum(a|b)?" */
static void type_words(const struct json *t, struct strbuf *out)
{
	const struct json *scalar = json_get(t, "scalar"), *list = json_get(t, "list"),
			  *values = json_get(t, "enum_values");
	const struct json *nullable = json_get(t, "nullable"), *dim = json_get(scalar, "Vector");

	if (list && list->boolean)
		sb_addch(out, '[');
	if (values && values->type == JSON_ARRAY) {
		sb_addz(out, "Enum(");
		for (size_t i = 0; i < values->n; i++)
			sb_addf(out, "%s%.*s", i ? "|" : "", STR_ARG(values->items[i].text));
		sb_addch(out, ')');
	} else if (dim) {
		sb_addf(out, "Vector(%.*s)", STR_ARG(dim->text));
	} else if (scalar) {
		sb_adds(out, scalar->text);
	}
	if (list && list->boolean)
		sb_addch(out, ']');
	if (nullable && nullable->boolean)
		sb_addch(out, '?');
}

/* Quoted so that the schema language reads it back. */
static void quoted(struct str s, struct strbuf *out)
{
	sb_addch(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		char c = s.s[i];

		if (c == '"' || c == '\\')
			sb_addch(out, '\\');
		if (c == '\n' || c == '\r' || c == '\t')
			sb_addz(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
		else
			sb_addch(out, c);
	}
	sb_addch(out, '"');
}

static void annotation_words(const struct json *list, struct strbuf *out)
{
	for (size_t i = 0; list && i < list->n; i++) {
		sb_addf(out, "%s@%.*s(", i ? ", " : "", STR_ARG(text(&list->items[i], "name")));
		quoted(text(&list->items[i], "value"), out);
		sb_addch(out, ')');
	}
}

static void member_words(const struct json *list, const char *prefix, struct strbuf *out)
{
	for (size_t i = 0; list && i < list->n; i++)
		sb_addf(out, "%s%s%.*s", i ? ", " : "", prefix, STR_ARG(list->items[i].text));
}

static const char *tier(struct str code)
{
	return str_eqz(code, "OG-MF-103") || str_eqz(code, "OG-MF-104") ? "validated" : "destructive";
}

static void step_line(const struct json *s, struct strbuf *out)
{
	struct str kind = text(s, "kind"), tk = text(s, "type_kind"), tn = text(s, "type_name"), name = text(s, "name");
	struct str pn = text(s, "property_name"), from = text(s, "from"), to = text(s, "to"), code = text(s, "code");

	sb_addz(out, "- ");
	if (str_eqz(kind, "add_type")) {
		sb_addf(out, "add %.*s type '%.*s'", STR_ARG(tk), STR_ARG(name));
	} else if (str_eqz(kind, "rename_type")) {
		sb_addf(out, "rename %.*s type '%.*s' -> '%.*s'", STR_ARG(tk), STR_ARG(from), STR_ARG(to));
	} else if (str_eqz(kind, "add_property")) {
		sb_addf(out, "add property '%.*s.%.*s' (", STR_ARG(tn), STR_ARG(pn));
		type_words(json_get(s, "property_type"), out);
		sb_addf(out, ") on %.*s '%.*s'", STR_ARG(tk), STR_ARG(tn));
	} else if (str_eqz(kind, "rename_property")) {
		sb_addf(out, "rename property '%.*s.%.*s' -> '%.*s.%.*s' on %.*s '%.*s'", STR_ARG(tn), STR_ARG(from),
			STR_ARG(tn), STR_ARG(to), STR_ARG(tk), STR_ARG(tn));
	} else if (str_eqz(kind, "add_constraint")) {
		sb_addz(out, "add constraint @index(");
		member_words(json_get(json_get(s, "constraint"), "Index"), "", out);
		sb_addf(out, ") on %.*s '%.*s'", STR_ARG(tk), STR_ARG(tn));
	} else if (str_eqz(kind, "extend_enum")) {
		sb_addf(out, "extend enum '%.*s.%.*s' (", STR_ARG(tn), STR_ARG(pn));
		member_words(json_get(s, "added_values"), "+", out);
		sb_addf(out, ") on %.*s '%.*s'", STR_ARG(tk), STR_ARG(tn));
	} else if (str_eqz(kind, "update_type_metadata")) {
		sb_addf(out, "update metadata on %.*s '%.*s' (", STR_ARG(tk), STR_ARG(name));
		annotation_words(json_get(s, "annotations"), out);
		sb_addch(out, ')');
	} else if (str_eqz(kind, "update_property_metadata")) {
		sb_addf(out, "update metadata on property '%.*s.%.*s' of %.*s '%.*s' (", STR_ARG(tn), STR_ARG(pn),
			STR_ARG(tk), STR_ARG(tn));
		annotation_words(json_get(s, "annotations"), out);
		sb_addch(out, ')');
	} else if (str_eqz(kind, "drop_type")) {
		sb_addf(out, "drop %.*s type '%.*s' (%.*s mode)", STR_ARG(tk), STR_ARG(name), STR_ARG(text(s, "mode")));
	} else if (str_eqz(kind, "drop_property")) {
		sb_addf(out, "drop property '%.*s.%.*s' of %.*s '%.*s' (%.*s mode)", STR_ARG(tn), STR_ARG(pn),
			STR_ARG(tk), STR_ARG(tn), STR_ARG(text(s, "mode")));
	} else if (code.n) {
		sb_addf(out, "unsupported change on %.*s [%.*s, %s]: %.*s", STR_ARG(text(s, "entity")), STR_ARG(code),
			tier(code), STR_ARG(text(s, "reason")));
	} else {
		sb_addf(out, "unsupported change on %.*s: %.*s", STR_ARG(text(s, "entity")),
			STR_ARG(text(s, "reason")));
	}
	sb_addch(out, '\n');
}

int schema_plan_text(struct str plan_json, struct strbuf *out, struct err *e)
{
	struct arena a = ARENA_INIT;
	const struct json *steps;
	struct json *v;
	int rc = json_parse(&a, plan_json, NULL, &v, e);

	if (!rc) {
		steps = json_get(v, "steps");
		if (!steps || !steps->n)
			sb_addz(out, "no schema changes\n");
		for (size_t i = 0; steps && i < steps->n; i++)
			step_line(&steps->items[i], out);
	}
	arena_free(&a);
	return rc;
}
