/* SPDX-License-Identifier: MIT */
/* The operator's own configuration (spec/cli.md 5): the keys that direct commands use. */
#include <stdlib.h>

#include <omnigraph/limits.h>
#include <omnigraph/util.h>
#include <omnigraph/yaml.h>

#include "tools/cli/cli.h"

static const char *config_path(struct arena *a)
{
	const char *home = getenv("OMNIGRAPH_HOME"), *user = getenv("HOME");

	if (home && home[0]) {
		if (home[0] == '~' && (!home[1] || home[1] == '/') && user)
			return arena_printf(a, "%s%s/config.yaml", user, home + 1);
		return arena_printf(a, "%s/config.yaml", home);
	}
	return user ? arena_printf(a, "%s/.omnigraph/config.yaml", user) : NULL;
}

static const char *text(struct arena *a, const struct yaml *map, const char *key)
{
	const struct yaml *v = map && map->type == YAML_MAP ? yaml_get(map, key) : NULL;

	return v && !yaml_is_null(v) && v->type == YAML_SCALAR ? arena_str(a, v->text).s : NULL;
}

int operator_config_load(struct arena *a, struct operator_config *out, struct err *e)
{
	const char *path = config_path(a);
	struct strbuf b = STRBUF_INIT;
	struct err why = ERR_INIT;
	struct yaml *root = NULL;
	int rc = 0;

	*out = (struct operator_config){ 0 };
	if (!path)
		return 0;
	if (file_read(path, LIMIT_YAML_BYTES, &b, &why)) {
		if (why.code != ERR_NOT_FOUND)
			rc = err_set(e, ERR_BAD_REQUEST, "could not read operator config '%s': %s", path, err_msg(&why));
	} else if (yaml_parse(a, arena_str(a, sb_str(&b)), &root, &why)) {
		rc = err_set(e, ERR_BAD_REQUEST, "could not parse operator config '%s': %s", path, err_msg(&why));
	} else if (root && root->type == YAML_MAP) {
		out->actor = text(a, yaml_get(root, "operator"), "actor");
		out->output = text(a, yaml_get(root, "defaults"), "output");
		out->store = text(a, yaml_get(root, "defaults"), "store");
	}
	sb_free(&b);
	err_clear(&why);
	return rc;
}
