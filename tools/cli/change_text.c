/* SPDX-License-Identifier: MIT */
#include "tools/cli/change_text.h"

void cause_text(struct invocation *inv, const struct json *cause, struct strbuf *out)
{
	static const struct {
		const char *label, *member;
	} lines[] = { { "commit", "graph_commit_id" },	{ "branch", "authored_branch" },
		      { "parent", "parent_commit_id" }, { "merged_parent", "merged_parent_commit_id" },
		      { "actor", "actor_id" },		{ "authored_at", "authored_at" } };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *v = doc_optional(inv, cause, lines[i].member);

		if (v)
			sb_addf(out, "%s: %s\n", lines[i].label, v);
	}
}

static void value_text(const struct json *v, struct strbuf *out)
{
	if (!v)
		sb_addz(out, "<absent>");
	else if (v->type == JSON_NULL)
		sb_addz(out, "<null>");
	else if (v->type == JSON_STRING)
		sb_adds(out, v->text);
	else
		json_compact(out, v);
}

static void ends_of(struct invocation *inv, const struct json *image, struct strbuf *out)
{
	const struct json *ends = json_get(image, "endpoints");

	sb_addf(out, "%s -> %s", doc_text(inv, ends, "from"), doc_text(inv, ends, "to"));
}

/* Where the edge goes, and where it went before when it was moved. */
static void endpoints_text(struct invocation *inv, const struct json *before, const struct json *after,
			   struct strbuf *out)
{
	struct strbuf was = STRBUF_INIT, is = STRBUF_INIT;

	if (before)
		ends_of(inv, before, &was);
	if (after)
		ends_of(inv, after, &is);
	sb_addf(out, "  %s", before ? was.s : is.s);
	if (before && after && !str_eq(sb_str(&was), sb_str(&is)))
		sb_addf(out, " => %s", is.s);
	sb_addch(out, '\n');
	sb_free(&was);
	sb_free(&is);
}

static void one_sided(const struct json *image, char sign, struct strbuf *out)
{
	const struct json *props = json_get(image, "properties");

	for (size_t i = 0; props && props->type == JSON_OBJECT && i < props->n; i++) {
		sb_addf(out, "  %c %.*s: ", sign, STR_ARG(props->keys[i]));
		value_text(&props->items[i], out);
		sb_addch(out, '\n');
	}
}

static const struct json *member(const struct json *obj, struct str name)
{
	for (size_t i = 0; obj && obj->type == JSON_OBJECT && i < obj->n; i++)
		if (str_eq(obj->keys[i], name))
			return &obj->items[i];
	return NULL;
}

static void difference(struct str name, const struct json *was, const struct json *is, struct strbuf *out)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	if (was)
		json_compact(&a, was);
	if (is)
		json_compact(&b, is);
	if (!was != !is || !str_eq(sb_str(&a), sb_str(&b))) {
		sb_addf(out, "  %.*s: ", STR_ARG(name));
		value_text(was, out);
		sb_addz(out, " -> ");
		value_text(is, out);
		sb_addch(out, '\n');
	}
	sb_free(&a);
	sb_free(&b);
}

/* Both sides ascend by name. */
static void two_sided(const struct json *before, const struct json *after, struct strbuf *out)
{
	const struct json *was = json_get(before, "properties"), *is = json_get(after, "properties");
	size_t i = 0, k = 0, n_was = was && was->type == JSON_OBJECT ? was->n : 0,
	       n_is = is && is->type == JSON_OBJECT ? is->n : 0;

	while (i < n_was || k < n_is) {
		int c = i == n_was ? 1 : k == n_is ? -1 : str_cmp(was->keys[i], is->keys[k]);
		struct str name = c <= 0 ? was->keys[i] : is->keys[k];

		difference(name, member(was, name), member(is, name), out);
		i += c <= 0;
		k += c >= 0;
	}
}

void change_text(struct invocation *inv, const struct json *change, struct strbuf *out)
{
	const struct json *before = json_get(change, "before"), *after = json_get(change, "after");
	const char *kind = doc_text(inv, change, "kind");

	sb_addf(out, "%s %s %s %s\n", doc_text(inv, change, "op"), kind,
		doc_text(inv, json_get(change, "type"), "name"), doc_text(inv, change, "id"));
	if (!strcmp(kind, "edge"))
		endpoints_text(inv, before, after, out);
	if (before && after)
		two_sided(before, after, out);
	else
		one_sided(after ? after : before, after ? '+' : '-', out);
}
