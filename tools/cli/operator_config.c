/* SPDX-License-Identifier: MIT */
/* The operator's own configuration (spec/cli.md 5), checked and read as a whole. */
#include <errno.h>
#include <stdlib.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>
#include <omnigraph/yaml.h>

#include "tools/cli/cli.h"
#include "tools/cli/operator_config.h"

#define TABLE_WIDTH_DEFAULT 80

static const char *const output_formats[] = { "table", "kv", "csv", "jsonl", "json", NULL };
static const char *const cell_layouts[] = { "truncate", "wrap", NULL };

/* One key of a section. */
struct key {
	const char *name;
	enum { TEXT, NUMBER, TEXTS, MAP } kind;
	bool required;
	const char *const *set;
};

static const struct key operator_keys[] = { { "actor" }, { NULL } };
static const struct key defaults_keys[] = { { "output", .set = output_formats },
					    { "table_max_column_width", NUMBER },
					    { "table_cell_layout", .set = cell_layouts },
					    { "server" },
					    { "store" },
					    { "default_graph" },
					    { NULL } };
static const struct key server_keys[] = { { "url", .required = true }, { NULL } };
static const struct key cluster_keys[] = { { "root", .required = true }, { NULL } };
static const struct key profile_keys[] = { { "server" }, { "cluster" }, { "store" }, { "default_graph" }, { NULL } };
static const struct key alias_keys[] = { { "server", .required = true },
					 { "graph" },
					 { "query", .required = true },
					 { "args", TEXTS },
					 { "params", MAP },
					 { "format", .set = output_formats },
					 { NULL } };

static const struct section {
	const char *name;
	const struct key *keys;
	bool entries; /* a map from names to maps with these keys */
} sections[] = {
	{ "operator", operator_keys, false }, { "defaults", defaults_keys, false }, { "servers", server_keys, true },
	{ "clusters", cluster_keys, true },   { "profiles", profile_keys, true },   { "aliases", alias_keys, true },
};

const char *operator_path(struct arena *a, const char *file)
{
	const char *home = getenv("OMNIGRAPH_HOME"), *user = getenv("HOME");

	if (home && home[0]) {
		if (home[0] == '~' && (!home[1] || home[1] == '/') && user)
			return arena_printf(a, "%s%s/%s", user, home + 1, file);
		return arena_printf(a, "%s/%s", home, file);
	}
	return user && user[0] ? arena_printf(a, "%s/.omnigraph/%s", user, file) : NULL;
}

/* --- checks ------------------------------------------------------------------------------------------------------------- */

struct checking {
	struct arena *a;
	const char *path; /* of the file */
	struct err *e;
};

static int bad(struct checking *c, const struct yaml *at, const char *where, const char *what)
{
	return err_set(c->e, ERR_BAD_REQUEST, "could not parse operator config '%s': %s: %s at line %d column %d",
		       c->path, where, what, (int)at->line, (int)at->column);
}

static void unknown(struct checking *c, const char *prefix, struct str key)
{
	warn("unknown key `%s%.*s` (newer CLI feature or typo); ignored in operator config '%s'", prefix, STR_ARG(key),
	     c->path);
}

static bool in_set(const char *const *set, struct str s)
{
	for (; *set; set++)
		if (str_eqz(s, *set))
			return true;
	return false;
}

static int check_value(struct checking *c, const struct key *k, const struct yaml *v, const char *where)
{
	static const enum yaml_type types[] = { YAML_SCALAR, YAML_SCALAR, YAML_SEQ, YAML_MAP };
	static const char *const wanted[] = { "expected text", "expected a number", "expected a list of texts",
					      "expected a map" };
	uint64_t n;

	if (v->type != types[k->kind] || (k->kind == NUMBER && !yaml_to_u64(v, &n)))
		return bad(c, v, where, wanted[k->kind]);
	for (size_t i = 0; k->kind == TEXTS && i < v->n; i++)
		if (v->items[i].type != YAML_SCALAR)
			return bad(c, &v->items[i], where, wanted[TEXTS]);
	if (k->set && !in_set(k->set, v->text))
		return bad(c, v, where, arena_printf(c->a, "unknown value '%.*s'", STR_ARG(v->text)));
	return 0;
}

/* @map has keys of @keys; @prefix ends with a dot. */
static int check_map(struct checking *c, const struct key *keys, const struct yaml *map, const char *prefix)
{
	if (map->type != YAML_MAP)
		return bad(c, map, prefix, "expected a map");
	for (size_t i = 0; i < map->n; i++) {
		const struct key *k = keys;

		while (k->name && !str_eqz(map->keys[i].text, k->name))
			k++;
		if (!k->name)
			unknown(c, prefix, map->keys[i].text);
		else if (!yaml_is_null(&map->items[i]) &&
			 check_value(c, k, &map->items[i], arena_printf(c->a, "%s%s", prefix, k->name)))
			return -EINVAL;
	}
	for (; keys->name; keys++)
		if (keys->required && (!yaml_get(map, keys->name) || yaml_is_null(yaml_get(map, keys->name))))
			return bad(c, map, prefix, arena_printf(c->a, "missing key `%s`", keys->name));
	return 0;
}

static int check_section(struct checking *c, const struct section *s, const struct yaml *v)
{
	if (yaml_is_null(v))
		return 0;
	if (!s->entries)
		return check_map(c, s->keys, v, arena_printf(c->a, "%s.", s->name));
	if (v->type != YAML_MAP)
		return bad(c, v, s->name, "expected a map");
	for (size_t i = 0; i < v->n; i++)
		if (check_map(c, s->keys, &v->items[i],
			      arena_printf(c->a, "%s.%.*s.", s->name, STR_ARG(v->keys[i].text))))
			return -EINVAL;
	return 0;
}

static int check_all(struct checking *c, const struct yaml *root)
{
	if (root->type != YAML_MAP)
		return bad(c, root, "top level", "expected a map");
	for (size_t i = 0; i < root->n; i++) {
		size_t s = 0;

		while (s < ARRAY_SIZE(sections) && !str_eqz(root->keys[i].text, sections[s].name))
			s++;
		if (s == ARRAY_SIZE(sections))
			unknown(c, "", root->keys[i].text);
		else if (check_section(c, &sections[s], &root->items[i]))
			return -EINVAL;
	}
	return 0;
}

/* --- what is used --------------------------------------------------------------------------------------------------------- */

static const char *text(struct arena *a, const struct yaml *map, const char *key)
{
	const struct yaml *v = map && map->type == YAML_MAP ? yaml_get(map, key) : NULL;

	return v && !yaml_is_null(v) ? arena_str(a, v->text).s : NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The entries of a section, names ascending; @take fills one of @size bytes, which begins with its name. */
static void *entries(struct arena *a, const struct yaml *root, const char *section, size_t size, size_t *n,
		     void (*take)(struct arena *a, const struct yaml *v, void *out))
{
	const struct yaml *map = yaml_get(root, section);
	char *out;

	*n = map && map->type == YAML_MAP ? map->n : 0;
	out = arena_zalloc(a, *n * size);
	for (size_t i = 0; i < *n; i++) {
		*(const char **)(out + i * size) = arena_str(a, map->keys[i].text).s;
		take(a, &map->items[i], out + i * size);
	}
	if (*n)
		qsort(out, *n, size, by_name);
	return out;
}

static void take_server(struct arena *a, const struct yaml *v, void *out)
{
	((struct op_server *)out)->url = text(a, v, "url");
}

static void take_cluster(struct arena *a, const struct yaml *v, void *out)
{
	((struct op_cluster *)out)->root = text(a, v, "root");
}

static void take_profile(struct arena *a, const struct yaml *v, void *out)
{
	struct op_profile *p = out;

	p->server = text(a, v, "server");
	p->cluster = text(a, v, "cluster");
	p->store = text(a, v, "store");
	p->default_graph = text(a, v, "default_graph");
}

static void take_alias(struct arena *a, const struct yaml *v, void *out)
{
	const struct yaml *args = yaml_get(v, "args");
	struct op_alias *l = out;

	l->server = text(a, v, "server");
	l->graph = text(a, v, "graph");
	l->query = text(a, v, "query");
	l->format = text(a, v, "format");
	l->params = yaml_get(v, "params");
	l->n_args = args && args->type == YAML_SEQ ? args->n : 0;
	l->args = arena_array(a, const char *, l->n_args);
	for (size_t i = 0; i < l->n_args; i++)
		l->args[i] = arena_str(a, args->items[i].text).s;
}

static int take_defaults(struct checking *c, const struct yaml *defaults, struct operator_config *out)
{
	const char *width = text(c->a, defaults, "table_max_column_width"),
		   *layout = text(c->a, defaults, "table_cell_layout");
	uint64_t n;

	out->output = text(c->a, defaults, "output");
	out->store = text(c->a, defaults, "store");
	out->server = text(c->a, defaults, "server");
	out->default_graph = text(c->a, defaults, "default_graph");
	if (width && str_to_u64(str_from(width), &n))
		out->table_width = (size_t)n;
	out->table_wrap = layout && !strcmp(layout, "wrap");
	if (out->store && out->server)
		return err_set(c->e, ERR_BAD_REQUEST,
			       "operator config `defaults` sets both `server` and `store` — a default scope binds one "
			       "entity; keep one of them in '%s'",
			       c->path);
	if (out->store && out->default_graph)
		return err_set(c->e, ERR_BAD_REQUEST,
			       "operator config `defaults` sets both `store` and `default_graph` — a store is already "
			       "a single graph; remove `default_graph` from '%s'",
			       c->path);
	return 0;
}

static int take(struct checking *c, const struct yaml *root, struct operator_config *out)
{
	out->actor = text(c->a, yaml_get(root, "operator"), "actor");
	out->servers = entries(c->a, root, "servers", sizeof(*out->servers), &out->n_servers, take_server);
	out->clusters = entries(c->a, root, "clusters", sizeof(*out->clusters), &out->n_clusters, take_cluster);
	out->profiles = entries(c->a, root, "profiles", sizeof(*out->profiles), &out->n_profiles, take_profile);
	out->aliases = entries(c->a, root, "aliases", sizeof(*out->aliases), &out->n_aliases, take_alias);
	return take_defaults(c, yaml_get(root, "defaults"), out);
}

static int load(struct arena *a, const char *path, struct operator_config *out, struct err *e)
{
	struct checking c = { a, path, e };
	struct strbuf b = STRBUF_INIT;
	struct err why = ERR_INIT;
	struct yaml *root = NULL;
	int rc = 0;

	if (file_read(path, LIMIT_YAML_BYTES, &b, &why)) {
		if (why.code != ERR_NOT_FOUND)
			rc = err_set(e, ERR_BAD_REQUEST, "could not read operator config '%s': %s", path,
				     err_msg(&why));
	} else if (yaml_parse(a, arena_str(a, sb_str(&b)), &root, &why)) {
		rc = err_set(e, ERR_BAD_REQUEST, "could not parse operator config '%s': %s", path, err_msg(&why));
	} else if (root && !yaml_is_null(root)) {
		rc = check_all(&c, root);
		if (!rc)
			rc = take(&c, root, out);
	}
	sb_free(&b);
	err_clear(&why);
	return rc;
}

const struct operator_config *operator_config(struct invocation *inv, struct err *e)
{
	const char *path = operator_path(&inv->arena, "config.yaml");
	struct operator_config *c;

	if (inv->config)
		return inv->config;
	c = arena_new(&inv->arena, struct operator_config);
	c->table_width = TABLE_WIDTH_DEFAULT;
	if (path && load(&inv->arena, path, c, e))
		return NULL;
	inv->config = c;
	return c;
}

/* --- look-up ----------------------------------------------------------------------------------------------------------------- */

static const void *find(const void *items, size_t n, size_t size, const char *name)
{
	return n ? bsearch(&name, items, n, size, by_name) : NULL;
}

const struct op_server *op_server(const struct operator_config *c, const char *name)
{
	return find(c->servers, c->n_servers, sizeof(*c->servers), name);
}

const struct op_cluster *op_cluster(const struct operator_config *c, const char *name)
{
	return find(c->clusters, c->n_clusters, sizeof(*c->clusters), name);
}

const struct op_profile *op_profile(const struct operator_config *c, const char *name)
{
	return find(c->profiles, c->n_profiles, sizeof(*c->profiles), name);
}

const struct op_alias *op_alias(const struct operator_config *c, const char *name)
{
	return find(c->aliases, c->n_aliases, sizeof(*c->aliases), name);
}

const char *op_names(struct arena *a, const void *items, size_t n, size_t size)
{
	const char *out = "";

	for (size_t i = 0; i < n; i++)
		out = arena_printf(a, "%s%s%s", out, i ? ", " : "",
				   *(const char *const *)((const char *)items + i * size));
	return out;
}
