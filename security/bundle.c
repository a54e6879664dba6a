/* SPDX-License-Identifier: MIT */
/* Policy bundles: shape and rules of the document (spec/security.md 5). */
#include <omnigraph/limits.h>
#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <omnigraph/policy.h>
#include <omnigraph/yaml.h>

enum scope_key { SCOPE_NONE, SCOPE_BRANCH, SCOPE_TARGET };

static const struct action {
	const char *name;
	bool server;
	enum scope_key scope;
} actions[] = {
	{ "read", false, SCOPE_BRANCH },	  { "export", false, SCOPE_BRANCH },
	{ "change", false, SCOPE_BRANCH },	  { "schema_apply", false, SCOPE_TARGET },
	{ "branch_create", false, SCOPE_TARGET }, { "branch_delete", false, SCOPE_TARGET },
	{ "branch_merge", false, SCOPE_TARGET },  { "admin", false, SCOPE_NONE },
	{ "graph_list", true, SCOPE_NONE },	  { "invoke_query", false, SCOPE_NONE },
};

struct rule {
	struct str id, group;
	size_t n_actions;
	const struct action **actions;
	bool branch_scope, target_scope;
};

struct bundle {
	struct arena arena;
	uint64_t version;
	const struct yaml *groups, *branches;
	struct str kind; /* s NULL when absent */
	size_t n_rules;
	struct rule *rules;
};

/* --- shape ---------------------------------------------------------------------------------------------- */

static int shape(struct err *e, const struct yaml *at, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int shape(struct err *e, const struct yaml *at, const char *path, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	rc = at ? err_set(e, ERR_BAD_REQUEST, "%s%s%s at line %u column %u", path, path[0] ? ": " : "", b.s, at->line,
			  at->column)
		: err_set(e, ERR_BAD_REQUEST, "%s%s%s", path, path[0] ? ": " : "", b.s);
	if (at)
		err_position(e, at->line, at->column, 0, 0);
	sb_free(&b);
	return rc;
}

static const char *kind_word(const struct yaml *v)
{
	return v->type == YAML_MAP ? "map" : v->type == YAML_SEQ ? "sequence" : yaml_is_null(v) ? "null" : "scalar";
}

/* "key:" with nothing after it is an empty list or map. */
static bool nothing(const struct yaml *v)
{
	return !v || (v->type == YAML_SCALAR && v->plain && !v->text.n);
}

/* Text is a scalar other than null. */
static int check_text(const struct yaml *v, const char *path, struct err *e)
{
	if (v->type == YAML_SCALAR && !yaml_is_null(v))
		return 0;
	return shape(e, v, path, "invalid type: %s, expected a string", kind_word(v));
}

/* A map with only the keys of a NULL-terminated list, none twice. */
static int check_map(const struct yaml *v, const char *path, const char *const *keys, struct err *e)
{
	if (nothing(v))
		return 0;
	if (v->type != YAML_MAP)
		return shape(e, v, path, "invalid type: %s, expected a map", kind_word(v));
	for (size_t i = 0; i < v->n; i++) {
		struct strbuf list = STRBUF_INIT;
		size_t k = 0;
		int rc;

		while (keys[k] && !str_eqz(v->keys[i].text, keys[k]))
			k++;
		for (size_t j = 0; keys[k] && j < i; j++)
			if (str_eq(v->keys[j].text, v->keys[i].text))
				return shape(e, &v->keys[i], path, "duplicate field `%.*s`", STR_ARG(v->keys[i].text));
		if (keys[k])
			continue;
		for (k = 0; keys[k]; k++)
			if (strcmp(keys[k], "kind"))
				sb_addf(&list, "%s`%s`", k ? ", " : "", keys[k]);
		rc = shape(e, &v->keys[i], path, "unknown field `%.*s`, expected one of %s", STR_ARG(v->keys[i].text),
			   list.s);
		sb_free(&list);
		return rc;
	}
	return 0;
}

static int check_texts(const struct yaml *v, const char *path, struct arena *a, struct err *e)
{
	int rc = 0;

	if (nothing(v))
		return 0;
	if (v->type != YAML_SEQ)
		return shape(e, v, path, "invalid type: %s, expected a list", kind_word(v));
	for (size_t i = 0; !rc && i < v->n; i++)
		rc = check_text(&v->items[i], arena_printf(a, "%s[%zu]", path, i), e);
	return rc;
}

static int parse_scope(const struct yaml *allow, const char *key, const char *path, bool *given, struct arena *a,
		       struct err *e)
{
	const struct yaml *v = yaml_get(allow, key);

	*given = v && !yaml_is_null(v);
	if (!*given || (v->type == YAML_SCALAR &&
			(str_eqz(v->text, "any") || str_eqz(v->text, "protected") || str_eqz(v->text, "unprotected"))))
		return 0;
	return shape(e, v, arena_printf(a, "%s.%s", path, key),
		     "unknown variant `%.*s`, expected one of `any`, `protected`, `unprotected`", STR_ARG(v->text));
}

static int parse_actions(struct bundle *b, struct rule *r, const struct yaml *v, const char *path, struct err *e)
{
	int rc = check_texts(v, path, &b->arena, e);

	if (rc)
		return rc;
	r->actions = arena_array(&b->arena, const struct action *, v->n + 1);
	for (size_t i = 0; i < v->n; i++) {
		size_t k = 0;

		while (k < ARRAY_SIZE(actions) && !str_eqz(v->items[i].text, actions[k].name))
			k++;
		if (k == ARRAY_SIZE(actions))
			return shape(
				e, &v->items[i], arena_printf(&b->arena, "%s[%zu]", path, i),
				"unknown variant `%.*s`, expected one of `read`, `export`, `change`, `schema_apply`, "
				"`branch_create`, `branch_delete`, `branch_merge`, `admin`, `graph_list`, "
				"`invoke_query`",
				STR_ARG(v->items[i].text));
		r->actions[r->n_actions++] = &actions[k];
	}
	return 0;
}

static int parse_rule(struct bundle *b, struct rule *r, const struct yaml *v, const char *path, struct err *e)
{
	static const char *const keys[] = { "id", "allow", NULL };
	static const char *const allow_keys[] = { "actors", "actions", "branch_scope", "target_branch_scope", NULL };
	static const char *const actor_keys[] = { "group", NULL };
	const char *ap = arena_printf(&b->arena, "%s.allow", path);
	const struct yaml *id, *allow, *actors, *acts, *group;
	int rc = check_map(v, path, keys, e);

	if (rc)
		return rc;
	id = yaml_get(v, "id");
	allow = yaml_get(v, "allow");
	if (!id || !allow)
		return shape(e, v, path, "missing field `%s`", id ? "allow" : "id");
	rc = check_text(id, arena_printf(&b->arena, "%s.id", path), e);
	if (!rc)
		rc = check_map(allow, ap, allow_keys, e);
	if (rc)
		return rc;
	actors = yaml_get(allow, "actors");
	acts = yaml_get(allow, "actions");
	if (!actors || !acts)
		return shape(e, allow, ap, "missing field `%s`", actors ? "actions" : "actors");
	rc = check_map(actors, arena_printf(&b->arena, "%s.actors", ap), actor_keys, e);
	if (rc)
		return rc;
	group = yaml_get(actors, "group");
	if (!group)
		return shape(e, actors, arena_printf(&b->arena, "%s.actors", ap), "missing field `group`");
	rc = check_text(group, arena_printf(&b->arena, "%s.actors.group", ap), e);
	if (rc)
		return rc;
	r->id = id->text;
	r->group = group->text;
	rc = parse_actions(b, r, acts, arena_printf(&b->arena, "%s.actions", ap), e);
	if (!rc)
		rc = parse_scope(allow, "branch_scope", ap, &r->branch_scope, &b->arena, e);
	if (!rc)
		rc = parse_scope(allow, "target_branch_scope", ap, &r->target_scope, &b->arena, e);
	return rc;
}

static int parse_rules(struct bundle *b, const struct yaml *v, struct err *e)
{
	int rc = 0;

	if (nothing(v))
		return 0;
	if (v->type != YAML_SEQ)
		return shape(e, v, "rules", "invalid type: %s, expected a list", kind_word(v));
	b->n_rules = v->n;
	b->rules = arena_array(&b->arena, struct rule, v->n + 1);
	for (size_t i = 0; !rc && i < v->n; i++)
		rc = parse_rule(b, &b->rules[i], &v->items[i], arena_printf(&b->arena, "rules[%zu]", i), e);
	return rc;
}

static int parse_groups(struct bundle *b, const struct yaml *v, struct err *e)
{
	struct map seen = MAP_INIT;
	int rc = 0;

	if (nothing(v))
		return 0;
	if (v->type != YAML_MAP)
		return shape(e, v, "groups", "invalid type: %s, expected a map", kind_word(v));
	for (size_t i = 0; !rc && i < v->n; i++) {
		struct str name = v->keys[i].text;

		if (!map_add(&seen, name, (void *)v))
			rc = shape(e, &v->keys[i], "groups", "duplicate field `%.*s`", STR_ARG(name));
		else
			rc = check_texts(&v->items[i], arena_printf(&b->arena, "groups.%.*s", STR_ARG(name)), &b->arena,
					 e);
	}
	map_free(&seen);
	b->groups = v;
	return rc;
}

static int parse(struct bundle *b, struct str source, struct err *e)
{
	static const char *const keys[] = { "version", "groups", "protected_branches", "rules", "kind", NULL };
	const struct yaml *v;
	struct yaml *root;
	int rc = yaml_parse(&b->arena, source, &root, e);

	if (rc)
		return rc;
	if (!root)
		return shape(e, NULL, "", "missing field `version`");
	rc = check_map(root, "", keys, e);
	if (rc)
		return rc;
	v = yaml_get(root, "version");
	if (!v)
		return shape(e, NULL, "", "missing field `version`");
	if (!yaml_to_u64(v, &b->version))
		return shape(e, v, "version", "invalid type: %s, expected an integer", kind_word(v));
	v = yaml_get(root, "kind");
	rc = v ? check_text(v, "kind", e) : 0;
	if (rc)
		return rc;
	if (v)
		b->kind = v->text;
	rc = parse_groups(b, yaml_get(root, "groups"), e);
	if (rc)
		return rc;
	b->branches = yaml_get(root, "protected_branches");
	if (nothing(b->branches))
		b->branches = NULL;
	if (b->branches) {
		rc = check_texts(b->branches, "protected_branches", &b->arena, e);
		if (rc)
			return rc;
	}
	return parse_rules(b, yaml_get(root, "rules"), e);
}

/* --- rules (5.2) ------------------------------------------------------------------------------------------ */

static bool blank(struct str s)
{
	return str_trim(s).n == 0;
}

struct group_ref {
	struct str name;
	const struct yaml *members;
};

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct group_ref *)a)->name, ((const struct group_ref *)b)->name);
}

static int check_groups(struct bundle *b, struct err *e)
{
	size_t n = b->groups ? b->groups->n : 0;
	struct group_ref *g = arena_array(&b->arena, struct group_ref, n + 1);

	for (size_t i = 0; i < n; i++)
		g[i] = (struct group_ref){ b->groups->keys[i].text, &b->groups->items[i] };
	if (n)
		qsort(g, n, sizeof(*g), by_name);
	for (size_t i = 0; i < n; i++) {
		if (blank(g[i].name))
			return err_set(e, ERR_BAD_REQUEST, "policy group names must not be blank");
		if (nothing(g[i].members) || !g[i].members->n)
			return err_set(e, ERR_BAD_REQUEST, "policy group '%.*s' must not be empty", STR_ARG(g[i].name));
		for (size_t k = 0; k < g[i].members->n; k++)
			if (blank(g[i].members->items[k].text))
				return err_set(e, ERR_BAD_REQUEST, "policy group '%.*s' contains a blank actor id",
					       STR_ARG(g[i].name));
	}
	for (size_t i = 0; b->branches && i < b->branches->n; i++)
		if (blank(b->branches->items[i].text))
			return err_set(e, ERR_BAD_REQUEST, "protected branch names must not be blank");
	return 0;
}

static bool group_known(const struct bundle *b, struct str name)
{
	for (size_t i = 0; b->groups && i < b->groups->n; i++)
		if (str_eq(b->groups->keys[i].text, name))
			return true;
	return false;
}

static int check_scopes(const struct rule *r, struct err *e)
{
	if (r->branch_scope && r->target_scope)
		return err_set(e, ERR_BAD_REQUEST,
			       "policy rule '%.*s' may specify branch_scope or target_branch_scope, not both",
			       STR_ARG(r->id));
	for (size_t i = 0; r->branch_scope && i < r->n_actions; i++)
		if (r->actions[i]->scope != SCOPE_BRANCH)
			return err_set(e, ERR_BAD_REQUEST,
				       "policy rule '%.*s' uses branch_scope with unsupported action '%s'",
				       STR_ARG(r->id), r->actions[i]->name);
	for (size_t i = 0; r->target_scope && i < r->n_actions; i++)
		if (r->actions[i]->scope != SCOPE_TARGET)
			return err_set(e, ERR_BAD_REQUEST,
				       "policy rule '%.*s' uses target_branch_scope with unsupported action '%s'",
				       STR_ARG(r->id), r->actions[i]->name);
	return 0;
}

static int check_rule(struct bundle *b, size_t at, struct err *e)
{
	const struct rule *r = &b->rules[at];
	bool server = false, graph = false;
	int rc;

	if (blank(r->id))
		return err_set(e, ERR_BAD_REQUEST, "policy rule ids must not be blank");
	for (size_t i = 0; i < at; i++)
		if (str_eq(b->rules[i].id, r->id))
			return err_set(e, ERR_BAD_REQUEST, "duplicate policy rule id '%.*s'", STR_ARG(r->id));
	if (blank(r->group))
		return err_set(e, ERR_BAD_REQUEST, "policy rule '%.*s' must reference a non-blank group",
			       STR_ARG(r->id));
	if (!group_known(b, r->group))
		return err_set(e, ERR_BAD_REQUEST, "policy rule '%.*s' references unknown group '%.*s'", STR_ARG(r->id),
			       STR_ARG(r->group));
	if (!r->n_actions)
		return err_set(e, ERR_BAD_REQUEST, "policy rule '%.*s' must include at least one action",
			       STR_ARG(r->id));
	rc = check_scopes(r, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < r->n_actions; i++) {
		server |= r->actions[i]->server;
		graph |= !r->actions[i]->server;
	}
	if (server && graph)
		return err_set(
			e, ERR_BAD_REQUEST,
			"policy rule '%.*s' mixes the server-scoped action `graph_list` with per-graph actions; split "
			"into separate rules",
			STR_ARG(r->id));
	return 0;
}

/* The first action of the other kind, or NULL. */
static const struct action *foreign_action(const struct bundle *b, bool server, const struct rule **rule)
{
	for (size_t i = 0; i < b->n_rules; i++)
		for (size_t k = 0; k < b->rules[i].n_actions; k++)
			if (b->rules[i].actions[k]->server != server) {
				*rule = &b->rules[i];
				return b->rules[i].actions[k];
			}
	return NULL;
}

static int check_kind(const struct bundle *b, enum policy_kind kind, struct err *e)
{
	const struct action *a;
	const struct rule *r;

	if (kind == POLICY_ANY)
		return 0;
	a = foreign_action(b, kind == POLICY_SERVER, &r);
	if (!a)
		return 0;
	if (kind == POLICY_GRAPH)
		return err_set(
			e, ERR_BAD_REQUEST,
			"policy rule '%.*s' uses server-scoped action '%s' in a Graph policy file; move it to a server "
			"policy file",
			STR_ARG(r->id), a->name);
	return err_set(
		e, ERR_BAD_REQUEST,
		"policy rule '%.*s' uses per-graph action '%s' in a Server policy file; move it to a per-graph policy "
		"file",
		STR_ARG(r->id), a->name);
}

/* `kind:` of documents for older loaders (5.1). */
static int check_kind_key(const struct bundle *b, enum policy_kind kind, struct err *e)
{
	const struct action *a;
	const struct rule *r;
	bool server;

	if (!b->kind.s)
		return 0;
	server = str_eqz(b->kind, "server");
	if (!server && !str_eqz(b->kind, "graph"))
		return err_set(e, ERR_BAD_REQUEST, "policy kind '%.*s' is unknown; remove the `kind:` line",
			       STR_ARG(b->kind));
	a = foreign_action(b, server, &r);
	if (a)
		return err_set(e, ERR_BAD_REQUEST, "policy kind '%.*s' contradicts action '%s' of rule '%.*s'",
			       STR_ARG(b->kind), a->name, STR_ARG(r->id));
	if (kind != POLICY_ANY && server != (kind == POLICY_SERVER))
		return err_set(e, ERR_BAD_REQUEST, "policy kind '%.*s' contradicts the binding to %s", STR_ARG(b->kind),
			       server ? "graphs" : "`cluster`");
	return 0;
}

static int check_repeats(const struct bundle *b, struct err *e)
{
	for (size_t i = 0; i < b->n_rules; i++)
		for (size_t k = 0; k < b->rules[i].n_actions; k++)
			for (size_t j = 0; j < k; j++)
				if (b->rules[i].actions[j] == b->rules[i].actions[k])
					return err_set(e, ERR_BAD_REQUEST, "duplicate template or policy id `%.*s:%s`",
						       STR_ARG(b->rules[i].id), b->rules[i].actions[k]->name);
	return 0;
}

int policy_check(struct str source, enum policy_kind kind, bool *kind_redundant, struct err *e)
{
	struct bundle b = { 0 };
	int rc = parse(&b, source, e);

	if (!rc && b.version != 1)
		rc = err_set(e, ERR_BAD_REQUEST, "policy version must be 1");
	if (!rc)
		rc = check_groups(&b, e);
	for (size_t i = 0; !rc && i < b.n_rules; i++)
		rc = check_rule(&b, i, e);
	if (!rc)
		rc = check_kind_key(&b, kind, e);
	if (!rc)
		rc = check_kind(&b, kind, e);
	if (!rc)
		rc = check_repeats(&b, e);
	if (kind_redundant)
		*kind_redundant = !rc && b.kind.s;
	arena_free(&b.arena);
	return rc;
}
